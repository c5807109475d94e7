//! The three-valued decision. The stricter wins; there is no default and no boolean.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What the decision point answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// May proceed, under these obligations.
    Allow(BTreeSet<Obligation>),
    /// May proceed only with all of these grants, which it does not hold.
    Escalate(BTreeSet<String>),
    /// May not proceed.
    Deny(Reason),
}

/// A duty attached to an allowance, carried out by the outcome stage on the answer, never on the request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Obligation {
    /// Hand text over as quoted evidence, whatever the registry says.
    Quote,
    /// This result does not carry a label that it would else carry. What the task has gathered before stays.
    Declassify {
        /// The policy that says so.
        by: String,
        /// The label.
        label: String,
    },
}

/// What stands before a label in `@obligation("declassify:...")`.
const DECLASSIFY: &str = "declassify:";

impl Obligation {
    /// The obligation of this name, as `@obligation("...")` on a permit has it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "quote" => Some(Self::Quote),
            _ => {
                let label = name.strip_prefix(DECLASSIFY).filter(|label| !label.is_empty())?;
                Some(Self::Declassify { by: String::new(), label: label.to_owned() })
            }
        }
    }

    /// The name, as an annotation has it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Quote => "quote".to_owned(),
            Self::Declassify { label, .. } => format!("{DECLASSIFY}{label}"),
        }
    }

    /// The duty as one that this policy imposes.
    #[must_use]
    pub fn imposed_by(self, policy: &str) -> Self {
        match self {
            Self::Quote => Self::Quote,
            Self::Declassify { label, .. } => Self::Declassify { by: policy.to_owned(), label },
        }
    }
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No policy permits it.
    NoPermit,
    /// A policy forbids it; the judgement names which.
    Forbidden,
    /// An argument has no form that policies could judge.
    Unjudgeable(String),
    /// A policy could not be evaluated. Cedar would have skipped it.
    Fault(String),
}

impl Decision {
    /// Allowed, without obligations.
    #[must_use]
    pub fn allow() -> Self {
        Self::Allow(BTreeSet::new())
    }

    /// Combines two decisions: Deny over Escalate over Allow; grants and obligations are united.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Deny(why), _) | (_, Self::Deny(why)) => Self::Deny(why),
            (Self::Escalate(mut a), Self::Escalate(b)) => {
                a.extend(b);
                Self::Escalate(a)
            }
            (Self::Escalate(grants), Self::Allow(_)) | (Self::Allow(_), Self::Escalate(grants)) => {
                Self::Escalate(grants)
            }
            (Self::Allow(mut a), Self::Allow(b)) => {
                a.extend(b);
                Self::Allow(a)
            }
        }
    }

    /// How strict it is: 0 allows, 1 escalates, 2 denies.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Allow(_) => 0,
            Self::Escalate(_) => 1,
            Self::Deny(_) => 2,
        }
    }

    /// One word, for records, spans and matrices.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Escalate(_) => "escalate",
            Self::Deny(_) => "deny",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_decision() -> impl Strategy<Value = Decision> {
        let grants = proptest::collection::btree_set("[abc]", 1..3);
        prop_oneof![
            Just(Decision::allow()),
            Just(Decision::Allow(BTreeSet::from([Obligation::Quote]))),
            grants.prop_map(Decision::Escalate),
            Just(Decision::Deny(Reason::NoPermit)),
            Just(Decision::Deny(Reason::Forbidden)),
        ]
    }

    proptest! {
        #[test]
        fn the_stricter_wins(a in any_decision(), b in any_decision(), c in any_decision()) {
            let ab = a.clone().and(b.clone());
            prop_assert_eq!(ab.rank(), a.rank().max(b.rank()));
            prop_assert_eq!(ab.rank(), b.clone().and(a.clone()).rank());
            prop_assert_eq!(ab.clone().and(c.clone()), a.clone().and(b.and(c)));
            prop_assert_eq!(a.clone().and(a.clone()), a);
        }
    }
}
