//! The circumstances of a call: what policies see as `context.gate`.
//!
//! Pure data. Who finds it out is the enforcement point's concern, or a test's; how Cedar sees it is `gate.rs`'s.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::needs::{Members, Needs};
use super::number;
use crate::json::Json;
use crate::label::{LabelSet, Readers};

/// The circumstances of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The labels the task has gathered.
    pub labels: LabelSet,
    /// Who may read what the task has gathered.
    pub readers: Readers,
    /// The grants this very call holds.
    pub grants: BTreeSet<String>,
    /// The task.
    pub task: TaskFacts,
    /// How many calls the task has made.
    pub calls: u64,
    /// Where the value of each outermost argument comes from, as far as it was found: a lower bound. An argument that is
    /// not here was found nowhere.
    pub origin: BTreeMap<String, LabelSet>,
    /// The labels of those sink values that the user did not give.
    pub unvouched: LabelSet,
    /// What a preview of the call found; nothing where there was none.
    pub impact: Option<BTreeMap<String, Impact>>,
    /// The time, in milliseconds since 1970-01-01T00:00Z.
    pub now_ms: i64,
}

/// What policies see of the task as `context.gate.task`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TaskFacts {
    /// Bytes of arguments it has sent with calls whose effect is not only to read.
    #[serde(default)]
    pub bytes_out: u64,
    /// What it has cost, in the registry's unit.
    #[serde(default)]
    pub cost: u64,
    /// How many tasks stand above it: 0 for one that nobody handed on.
    #[serde(default)]
    pub depth: u64,
    /// Whether a host opened it, rather than its first call.
    #[serde(default)]
    pub explicit: bool,
    /// Its name. A record has it elsewhere.
    #[serde(skip)]
    pub id: String,
    /// Whether this call matches no open step of the plan that was recorded for it.
    #[serde(default)]
    pub off_plan: bool,
    /// Its profile; empty where it has none.
    #[serde(default)]
    pub profile: String,
}

impl TaskFacts {
    /// A task of which nothing is known but its name.
    #[must_use]
    pub fn of(id: &str) -> Self {
        Self { id: id.to_owned(), ..Self::default() }
    }

    /// Whether nothing is known beyond the name.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::of(&self.id)
    }
}

/// One finding of a preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// Yes or no.
    Bool(bool),
    /// A number with at most four places after the point, as Cedar's `decimal` writes it.
    Decimal(String),
    /// A whole number.
    Long(i64),
    /// A text.
    String(String),
}

impl Impact {
    /// Its type.
    #[must_use]
    pub fn kind(&self) -> ImpactKind {
        match self {
            Self::Bool(_) => ImpactKind::Bool,
            Self::Decimal(_) => ImpactKind::Decimal,
            Self::Long(_) => ImpactKind::Long,
            Self::String(_) => ImpactKind::String,
        }
    }
}

/// The type of a preview's finding, as the registry declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImpactKind {
    /// Yes or no.
    Bool,
    /// A number with at most four places after the point.
    Decimal,
    /// A whole number.
    Long,
    /// A text.
    String,
}

impl ImpactKind {
    /// What a preview's result says, read as this type; nothing where it has no exact form of it.
    #[must_use]
    pub fn read(self, value: &Json<'_>) -> Option<Impact> {
        match (self, value) {
            (Self::Bool, Json::Bool(value)) => Some(Impact::Bool(*value)),
            (Self::Decimal, Json::Number(digits)) => number::decimal(digits).map(Impact::Decimal),
            (Self::Long, Json::Number(digits)) => number::long(digits).map(Impact::Long),
            (Self::String, Json::Text(text)) => Some(Impact::String(text.to_string())),
            (Self::Bool | Self::Decimal | Self::Long | Self::String, _) => None,
        }
    }

    /// The type in Cedar's schema language.
    pub(super) fn cedar_type(self) -> &'static str {
        match self {
            Self::Bool => "Bool",
            Self::Decimal => "decimal",
            Self::Long => "Long",
            Self::String => "String",
        }
    }
}

/// What the policies of a tool look at beyond what is known of every call, so that nothing is found out in vain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// The arguments whose origin is looked at.
    pub origin: Members,
    /// Whether `gate.unvouched` is.
    pub unvouched: bool,
}

impl Looked {
    /// Nothing.
    pub(super) const NOTHING: &Self = &Self { origin: Members::Some(BTreeSet::new()), unvouched: false };

    pub(super) fn of(needs: &Needs) -> Self {
        Self { origin: needs.origin.clone(), unvouched: needs.gate.has("unvouched") }
    }
}
