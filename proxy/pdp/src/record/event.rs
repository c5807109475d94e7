//! What happened to the gate itself, or to a task: an entry of the ledger beside the records of frames.

use serde::Deserialize;

use crate::digest::Digest;

/// Something that happened to the gate itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// What: `started`, `stopped`, `snapshot`, `snapshot_refused`, `snapshot_promoted`, `snapshot_rolled_back`,
    /// `promotion_settled`, `promotion_torn`, `shadow_begun`, `shadow_ended`, `recovered`, `authentication_limited`,
    /// `ledger_resumed`, `task_opened`, `task_ended`, `task_stopped`, `task_expired`, `halt_on`, `halt_off`,
    /// `quarantine_released`, `server_scanned`, `signed_in`, `signed_out`, `csrf_refused`, `passkey_added`, `passkey_removed`.
    pub what: String,
    /// Who caused it, as far as known.
    #[serde(default)]
    pub by: Option<String>,
    /// The snapshot in force afterwards.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub snapshot: Option<Digest>,
    /// The task it is about, if it is about one.
    #[serde(default)]
    pub task: Option<String>,
    /// That task's trace.
    #[serde(default)]
    pub trace: Option<String>,
    /// In words.
    pub detail: String,
}

impl Event {
    /// An event that nobody in particular caused and that is about no task.
    #[must_use]
    pub fn new(at_us: i64, what: impl Into<String>, detail: impl Into<String>) -> Self {
        let (what, detail) = (what.into(), detail.into());
        Self { at_us, what, by: None, snapshot: None, task: None, trace: None, detail }
    }
}
