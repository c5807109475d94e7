//! What a record says of people who were asked: for what, by which rules, and what came of it. Their own words stand in the
//! refusal, and each step of a request is an event of its own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A question to people, and what its call heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ApprovalNote {
    /// The keys of those who gave the grants.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by: BTreeSet<String>,
    /// When it was asked, in microseconds since the frame's arrival.
    pub from_us: u64,
    /// The grants that were asked for.
    pub grants: BTreeSet<String>,
    /// The request's id, where the call heard of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What its call heard.
    pub outcome: AskOutcome,
    /// The rules that asked for the grants.
    pub rules: Vec<String>,
    /// How long the call waited, in microseconds.
    pub took_us: u64,
}

/// What a call heard that asked people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskOutcome {
    /// All grants were given.
    Granted,
    /// Somebody said no.
    Refused,
    /// Nobody has decided yet.
    Pending,
    /// Nobody decided in time.
    Expired,
    /// What was asked was out of date by then.
    Overtaken,
    /// Too much waits already.
    Full,
    /// There was nobody to ask.
    Nobody,
    /// The call was cancelled meanwhile.
    Cancelled,
}

impl AskOutcome {
    /// The word for it, as in a record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Overtaken => "overtaken",
            Self::Full => "full",
            Self::Nobody => "nobody",
            Self::Cancelled => "cancelled",
        }
    }
}
