//! What a record says of the data that a frame moved, beyond its labels. Members stand in the order of RFC 8785.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::flow::memory::Role;
use crate::label::{LabelSet, Readers};

/// How many keys of entries, and how many records that wrote them, are kept.
pub const KEYS_MAX: usize = 16;

/// What is known of the data that a frame moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FlowNote {
    /// Labels that its answer does not carry because a policy said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declassified: Vec<Declassified>,
    /// Which entries of a memory it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryNote>,
    /// Who may read its answer; nothing where everyone may.
    #[serde(default, skip_serializing_if = "Readers::is_everyone")]
    pub readers: Readers,
    /// The labels of the answers that the client gave to questions of the server's: its user's, its model's.
    #[serde(default, skip_serializing_if = "LabelSet::is_empty")]
    pub sent: LabelSet,
}

/// A label that was taken off a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Declassified {
    /// The policy that said so.
    pub by: String,
    /// The grants that the call held.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub grants: BTreeSet<String>,
    /// The label.
    pub label: String,
}

/// Entries of a memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemoryNote {
    /// Until when what was written is delivered, in microseconds since 1970-01-01T00:00Z; nothing for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_us: Option<i64>,
    /// Their keys, the first [`KEYS_MAX`]; none where the call was about the whole scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// What was done to them.
    pub role: Role,
    /// The scope; empty where the server has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// How many were not delivered: they had expired, or were another's.
    #[serde(default, skip_serializing_if = "is_none")]
    pub withheld: u64,
    /// The numbers of the records of the calls that wrote what was read, the first [`KEYS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written_in: Vec<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}
