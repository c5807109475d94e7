//! The life of an effect as a record keeps it: how it ended, and what was found on the way.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// How an effect ended. There are no other ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// Nothing was done: it was refused, or certainly not sent, or its server did not let the gate in.
    Denied,
    /// Its server answered, and the answer was handed over: what that says was done stands, also where it says that it failed.
    Committed,
    /// Its result was not as it must be, and its rollback succeeded.
    RolledBack,
    /// It was done, and its result is withheld.
    Quarantined,
    /// It may have been done: the answer was lost, or its rollback failed.
    Indeterminate,
}

impl EffectState {
    /// Every state, for coverage.
    pub const ALL: [Self; 5] =
        [Self::Denied, Self::Committed, Self::RolledBack, Self::Quarantined, Self::Indeterminate];

    /// The word in records and on spans.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Quarantined => "quarantined",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// An effect, as the record of its call keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EffectNote {
    /// The record of the same call, made before, whose answer it was given: nothing was done for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<u64>,
    /// What of its result was not as it must be, without any value of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The idempotency key it came with, as a short digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The preview of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<PreviewNote>,
    /// What was undertaken to undo it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackNote>,
    /// How it ended.
    pub state: EffectState,
}

/// A preview, as evidence: what it found stands beside the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PreviewNote {
    /// Why it found nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The digest of its result, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub result: Option<Digest>,
    /// The tool that was asked.
    pub tool: String,
}

/// A rollback. Its own call has a record that names this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RollbackNote {
    /// Why it is not known to have undone anything; nothing where it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The tool that was called.
    pub tool: String,
}

/// A call of the gate's own, and for which frame it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ErrandNote {
    /// The number of that frame.
    pub of: u64,
    /// What it is.
    pub what: Errand,
}

/// What the gate calls a tool for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// To show what a call would do.
    Preview,
    /// To undo what a call did.
    Rollback,
}

impl Errand {
    /// The word in records and on spans.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Rollback => "rollback",
        }
    }

    /// The team that such a call's principal belongs to, beside the caller's own: policies tell it apart by it. No principal
    /// of a configuration can be in it.
    #[must_use]
    pub fn team(self) -> &'static str {
        match self {
            Self::Preview => "wicketgate:preview",
            Self::Rollback => "wicketgate:rollback",
        }
    }
}
