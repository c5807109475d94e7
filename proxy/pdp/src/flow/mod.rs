//! What data carries: labels, and who may read it. Combined data carries what each part of it does.
//!
//! What a tool's results carry is presumed of a call while it is under way, and settled once the result is there
//! ([`rule`]). Pure: what a running task has gathered is the enforcement point's to keep.

pub mod ifc;
pub mod memory;
pub mod rule;

use serde::{Deserialize, Serialize};

use self::memory::{Memory, MemoryServer};
use self::rule::Rules;
use crate::label::{LabelSet, Readers};

/// What the registry says of the data of a server, beside its labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ServerFlow {
    /// Who may read what it returns, unless a tool says otherwise.
    pub readers: Readers,
    /// Whether the labels it puts into `_meta.ifc` are heeded where they are stricter.
    pub ifc: bool,
    /// What its resources carry, by URI.
    pub resources: Rules,
    /// What its prompts carry, by name.
    pub prompts: Rules,
    /// What is true of every entry, where it is a memory.
    pub memory: Option<MemoryServer>,
}

/// What the registry says of the data of a tool, beside its labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ToolFlow {
    /// Who may read what it returns.
    pub readers: Readers,
    /// What its results carry beyond or short of its labels.
    pub rules: Rules,
    /// What it does to the memory of its server.
    pub memory: Option<Memory>,
}

impl ServerFlow {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl ToolFlow {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The labels of data, and its readers. A point in a lattice: more labels and fewer readers are higher.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// What is known of its source and trust.
    pub labels: LabelSet,
    /// Who may read it.
    #[serde(default, skip_serializing_if = "Readers::is_everyone")]
    pub readers: Readers,
}

impl Carried {
    /// Data that everyone may read, with these labels.
    #[must_use]
    pub fn labelled(labels: LabelSet) -> Self {
        Self { labels, readers: Readers::everyone() }
    }

    /// What data carries that was made of both.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        self.raise(other);
        self
    }

    /// Joins `other` into this.
    pub fn raise(&mut self, other: &Self) {
        self.labels.raise(&other.labels);
        if !other.readers.is_everyone() {
            self.readers = std::mem::take(&mut self.readers).meet(&other.readers);
        }
    }

    /// Whether data that carries this may go where the other is the most that is allowed: it has no label that the other
    /// has not, and whoever may read the other may read it.
    #[must_use]
    pub fn flows_to(&self, ceiling: &Self) -> bool {
        let readers = match (self.readers.names(), ceiling.readers.names()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(theirs)) => theirs.is_subset(mine),
        };
        readers && self.labels.flows_to(&ceiling.labels)
    }

    /// Whether it says nothing: no label, and everyone may read.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.labels.is_empty() && self.readers.is_everyone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn any_carried() -> impl Strategy<Value = Carried> {
        let labels = proptest::collection::vec("[a-e]", 0..4);
        let readers = proptest::option::of(proptest::collection::vec("[p-s]", 0..3));
        (labels, readers).prop_map(|(labels, readers)| Carried {
            labels: labels.iter().map(String::as_str).collect(),
            readers: readers.map_or_else(Readers::everyone, Readers::only),
        })
    }

    proptest! {
        #[test]
        fn joining_is_the_least_upper_bound(a in any_carried(), b in any_carried(), c in any_carried()) {
            let ab = a.clone().join(&b);
            prop_assert_eq!(&ab, &b.clone().join(&a));
            prop_assert_eq!(a.clone().join(&a), a.clone());
            prop_assert_eq!(ab.clone().join(&c), a.clone().join(&b.clone().join(&c)));
            prop_assert!(a.flows_to(&ab) && b.flows_to(&ab));
            prop_assert_eq!(a.flows_to(&c) && b.flows_to(&c), ab.flows_to(&c));
            prop_assert_eq!(a.clone().join(&Carried::default()), a);
        }

        /// Nobody reads combined data who could not read every part of it.
        #[test]
        fn readers_are_those_of_every_part(a in any_carried(), b in any_carried(), name in "[p-s]") {
            let may = |data: &Carried| data.readers.names().is_none_or(|names| names.contains(&name));
            prop_assert_eq!(may(&a.clone().join(&b)), may(&a) && may(&b));
        }
    }
}
