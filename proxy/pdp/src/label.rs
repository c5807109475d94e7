//! Labels: what is known of data's source and trust. They only rise.
//!
//! A label set is a point in the lattice of subsets, joined by union. There is no method that removes a label:
//! declassification is an obligation granted by policy and carried out in the outcome stage, which records it.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One word of the registry's vocabulary, such as `untrusted`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(Arc<str>);

impl Label {
    /// A label of this name. Whether the vocabulary has it is the registry loader's concern.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The word itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Label {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A set of labels. The only ways to change one make it larger.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct LabelSet(#[schemars(with = "BTreeSet<String>")] BTreeSet<Label>);

impl LabelSet {
    /// The least upper bound: what carries either's labels carries both's.
    #[must_use]
    pub fn join(mut self, other: &Self) -> Self {
        self.raise(other);
        self
    }

    /// Joins `other` into this set. Answers whether anything was added.
    pub fn raise(&mut self, other: &Self) -> bool {
        let before = self.0.len();
        self.0.extend(other.0.iter().cloned());
        self.0.len() > before
    }

    /// Whether the set has this label.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Whether every label of this set is in the other: data so labelled may go where that ceiling holds.
    #[must_use]
    pub fn flows_to(&self, ceiling: &Self) -> bool {
        self.0.is_subset(&ceiling.0)
    }

    /// No label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.0.iter()
    }
}

impl<'a> FromIterator<&'a str> for LabelSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self(names.into_iter().map(Label::new).collect())
    }
}

/// Who may read data. Combining data leaves those who may read every part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Readers(Option<BTreeSet<String>>);

impl Readers {
    /// Whoever it may be.
    #[must_use]
    pub fn everyone() -> Self {
        Self(None)
    }

    /// These and nobody else.
    #[must_use]
    pub fn only(names: impl IntoIterator<Item = String>) -> Self {
        Self(Some(names.into_iter().collect()))
    }

    /// Whether everyone may read.
    #[must_use]
    pub fn is_everyone(&self) -> bool {
        self.0.is_none()
    }

    /// The names, where they are listed; nothing where everyone may read.
    #[must_use]
    pub fn names(&self) -> Option<&BTreeSet<String>> {
        self.0.as_ref()
    }

    /// Those who may read both. There is no way to add a reader.
    #[must_use]
    pub fn meet(self, other: &Self) -> Self {
        match (self.0, &other.0) {
            (Some(mine), Some(theirs)) => Self(Some(mine.intersection(theirs).cloned().collect())),
            (None, Some(theirs)) => Self(Some(theirs.clone())),
            (mine, None) => Self(mine),
        }
    }
}

impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (n, label) in self.0.iter().enumerate() {
            write!(f, "{}{label}", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_set() -> impl Strategy<Value = LabelSet> {
        proptest::collection::vec(0u8..8, 0..6).prop_map(|v| {
            let names: Vec<String> = v.iter().map(|n| format!("l{n}")).collect();
            names.iter().map(String::as_str).collect()
        })
    }

    proptest! {
        #[test]
        fn join_is_the_least_upper_bound(a in any_set(), b in any_set(), c in any_set()) {
            let ab = a.clone().join(&b);
            prop_assert_eq!(&ab, &b.clone().join(&a));
            prop_assert_eq!(a.clone().join(&a), a.clone());
            prop_assert_eq!(ab.clone().join(&c), a.clone().join(&b.clone().join(&c)));
            prop_assert!(a.flows_to(&ab) && b.flows_to(&ab));
            if a.flows_to(&c) && b.flows_to(&c) {
                prop_assert!(ab.flows_to(&c));
            }
        }
    }
}
