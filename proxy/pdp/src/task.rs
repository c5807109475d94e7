//! Tasks as they were reviewed: profiles, the scope a profile freezes, the limits it sets.
//!
//! A scope is frozen when a task is opened and can only be narrowed from then on; there is no operation that widens one.
//! Knows nothing of running tasks: what one has used up is the enforcement point's to count.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What may be named: everything, or what every one of some lists of patterns lets through.
///
/// A pattern is the whole name, in which `*` stands for any run of characters, also none. Joining two of them keeps both
/// lists, so that the result lets through exactly what both did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Allowed(BTreeSet<BTreeSet<String>>);

impl Allowed {
    /// What one of these patterns matches; nothing where there is none.
    #[must_use]
    pub fn only(patterns: impl IntoIterator<Item = String>) -> Self {
        Self([patterns.into_iter().collect()].into())
    }

    /// Whether everything may be named.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this may be named.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.0.iter().all(|list| list.iter().any(|pattern| matches(pattern, name)))
    }

    /// What both let through.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The lists of patterns, each of which must let a name through.
    pub fn lists(&self) -> impl Iterator<Item = &BTreeSet<String>> {
        self.0.iter()
    }
}

/// Whether a pattern matches a whole name. Linear in the name for each `*` of the pattern.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(tail)
}

/// What a task may touch. Nothing widens it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(rename = "TaskScope")]
pub struct Scope {
    /// Tools, as `server/tool`.
    pub tools: Allowed,
    /// Servers, by name.
    pub servers: Allowed,
    /// Resources, by URI.
    pub resources: Allowed,
    /// Scopes of memory servers.
    pub memory: Allowed,
    /// Downstream systems, as the registry names them.
    pub systems: Allowed,
    /// Agents that may act in it.
    pub agents: Allowed,
    /// Users for whom it may be opened.
    pub users: Allowed,
}

impl Scope {
    /// What both scopes hold.
    #[must_use]
    pub fn narrow(&self, by: &Self) -> Self {
        Self {
            tools: self.tools.meet(&by.tools),
            servers: self.servers.meet(&by.servers),
            resources: self.resources.meet(&by.resources),
            memory: self.memory.meet(&by.memory),
            systems: self.systems.meet(&by.systems),
            agents: self.agents.meet(&by.agents),
            users: self.users.meet(&by.users),
        }
    }
}

/// How much may be done. What is not named has no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TaskLimits")]
pub struct Limits {
    /// Tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// What the registry says tools cost, and what results say they did cost, in the registry's own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// Bytes of arguments sent with calls whose effect is not only to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// Seconds since the task was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_s: Option<u64>,
    /// Calls that were put to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<u64>,
    /// Failed calls without one that succeeded between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures_in_row: Option<u64>,
    /// Identical calls: the same tool with the same arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u64>,
    /// Calls under way at one time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u64>,
}

impl Limits {
    /// Whether nothing has a limit.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The tighter of both, limit by limit.
    #[must_use]
    pub fn tighter(&self, other: &Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        };
        Self {
            steps: least(self.steps, other.steps),
            cost: least(self.cost, other.cost),
            bytes_out: least(self.bytes_out, other.bytes_out),
            elapsed_s: least(self.elapsed_s, other.elapsed_s),
            approvals: least(self.approvals, other.approvals),
            failures_in_row: least(self.failures_in_row, other.failures_in_row),
            repeats: least(self.repeats, other.repeats),
            in_flight: least(self.in_flight, other.in_flight),
        }
    }
}

/// A kind of task, as `registry/tasks/<name>.toml` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Its name: the file's stem.
    pub name: String,
    /// What it is for, in words.
    pub description: String,
    /// What such a task may touch.
    pub scope: Scope,
    /// How much it may do.
    pub limits: Limits,
    /// How long such a task may stay open, in seconds.
    pub lifetime_s: u64,
}

/// The profile of tasks that nobody opened, if the registry has it.
pub const DEFAULT_PROFILE: &str = "default";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pattern: &str, name: &str, want: bool) {
        assert_eq!(matches(pattern, name), want, "{pattern} {name}");
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        check("office/mail_send", "office/mail_send", true);
        check("office/mail_send", "office/mail_send2", false);
        check("office/*", "office/mail", true);
        check("office/*", "office2/mail", false);
        check("*", "", true);
        check("*_read", "mail_read", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b*c", "a-c", false);
        check("ab*ba", "aba", false);
        check("", "", true);
        check("", "x", false);
    }

    fn any_allowed() -> impl Strategy<Value = Allowed> {
        let list = proptest::collection::btree_set("[ab*]{0,3}", 0..3);
        proptest::collection::btree_set(list, 0..3).prop_map(Allowed)
    }

    fn any_limit() -> impl Strategy<Value = Limits> {
        proptest::collection::vec(proptest::option::of(0u64..4), 8).prop_map(|v| {
            let at = |n: usize| v.get(n).copied().flatten();
            Limits {
                steps: at(0),
                cost: at(1),
                bytes_out: at(2),
                elapsed_s: at(3),
                approvals: at(4),
                failures_in_row: at(5),
                repeats: at(6),
                in_flight: at(7),
            }
        })
    }

    proptest! {
        #[test]
        fn a_scope_only_narrows(a in any_allowed(), b in any_allowed(), name in "[ab]{0,4}") {
            let both = a.meet(&b);
            prop_assert_eq!(both.allows(&name), a.allows(&name) && b.allows(&name));
            prop_assert_eq!(&both, &b.meet(&a));
            prop_assert_eq!(a.meet(&a), a.clone());
            prop_assert!(!a.is_any() || a.allows(&name));
        }

        #[test]
        fn limits_only_tighten(a in any_limit(), b in any_limit()) {
            let both = a.tighter(&b);
            prop_assert_eq!(both, b.tighter(&a));
            prop_assert_eq!(both.tighter(&a), both);
            prop_assert!(a.steps.is_none_or(|most| both.steps.is_some_and(|steps| steps <= most)));
        }
    }
}
