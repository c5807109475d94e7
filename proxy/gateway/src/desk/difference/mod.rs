//! What differs between two bundles: which calls one permits and the other does not, each with an example, and what of the
//! registry changed.
//!
//! Two ways. Exact: the solver compares both bundles' policies for every request of an action. Tried: calls made up from
//! what policies and schemas name are judged by both. A report says for each action which way was taken, and what that
//! way cannot see.

mod registry;
mod tried;

use std::collections::{BTreeMap, BTreeSet};

use pdp::decision::Decision;
use pdp::label::LabelSet;
use pdp::policy::Facts;
use pdp::principal::Principal;
use pdp::snapshot::Snapshot;
use serde::Serialize;

use super::case::{Asked, Case};
use super::compare::{Turn, turn};
use super::law::{Law, Written};
use super::telling;
use crate::story::visible;

/// One of the two bundles.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// As people call it.
    pub name: &'a str,
    /// The bundle.
    pub snapshot: &'a Snapshot,
    /// Its policies.
    pub law: &'a Law,
}

/// What differs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Difference {
    /// Calls that are decided otherwise, one example for each action and direction.
    pub calls: Vec<Changed>,
    /// What changed in the registry, in words.
    pub registry: Vec<String>,
    /// Policies that are new, gone or other: what was written, whatever it does.
    pub policies: Vec<String>,
    /// Actions for which both differ, though no call was found that shows it.
    pub paper: Vec<String>,
    /// What is not settled, and why: actions that the solver gave up and that were tried, tools that could not be tried.
    pub open: Vec<String>,
    /// The way that was taken, and what it cannot see.
    pub ways: Vec<Way>,
}

impl Difference {
    /// Whether nothing differs in what is decided or exists, as far as was seen. A rule that only reads otherwise is no
    /// difference.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.calls.is_empty() && self.registry.is_empty() && self.paper.is_empty()
    }

    /// Whether every request was compared, not only those that were made up.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.open.is_empty() && self.ways.iter().all(|way| way.way != "tried")
    }
}

/// How actions were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Way {
    /// `exact` or `tried`.
    pub way: &'static str,
    /// How many actions.
    pub actions: usize,
    /// What it cannot see, or why it was taken.
    pub note: String,
}

/// Calls that are decided otherwise.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// Which way.
    pub direction: Turn,
    /// The server and what is asked of it.
    pub action: String,
    /// One such call, line by line.
    pub example: Vec<(&'static str, String)>,
    /// The decision before.
    pub before: String,
    /// The decision after.
    pub after: String,
}

/// Compares two bundles by trying calls on both. `skip` leaves out actions that were compared otherwise, as
/// `server name`.
#[must_use]
pub fn by_trying(before: Side<'_>, after: Side<'_>, known: &[Principal], skip: &BTreeSet<String>) -> Difference {
    let (mut calls, way, mut open) = tried::tried(before, after, known, skip);
    // What is permitted now and was not comes first.
    calls.sort_by_key(|call| call.direction);
    let ways = if way.actions == 0 { Vec::new() } else { vec![way] };
    let (registry, policies) = (registry::changes(before, after), policies(before, after));
    if registry.is_empty() && policies.is_empty() {
        // The same law is the same for calls that nobody can make up.
        open.clear();
    }
    Difference { calls, ways, registry, policies, open, ..Difference::default() }
}

/// A call's decision by one side, and in words with the rules that determined it. What would be refused before policy is
/// asked is no allowance. Labels and grants that only the other side knows are none here.
pub(super) fn judged(side: Side<'_>, case: &Case) -> (Decision, String) {
    let registry = side.snapshot.registry();
    let known = |labels: &LabelSet| -> LabelSet {
        labels.iter().map(|label| label.as_str()).filter(|label| registry.labels.contains(*label)).collect()
    };
    let facts = Facts {
        labels: known(&case.facts.labels),
        unvouched: known(&case.facts.unvouched),
        origin: case.facts.origin.iter().map(|(name, labels)| (name.clone(), known(labels))).collect(),
        grants: case.facts.grants.intersection(&registry.grants).cloned().collect(),
        ..case.facts.clone()
    };
    match (Case { facts, ..case.clone() }).judge(side.snapshot) {
        Err(fault) => (Decision::Deny(pdp::decision::Reason::NoPermit), format!("refused: {fault}")),
        Ok(judgement) => {
            let shown = |id: &str| side.law.get(id).map_or_else(|| format!("`{id}`"), Written::shown);
            let rules: Vec<String> = judgement.rules.iter().map(|rule| shown(&rule.id)).collect();
            let by = if rules.is_empty() { "no policy permits it".to_owned() } else { rules.join(", ") };
            let words = format!("{}: {by}", telling::decision(&judgement.decision));
            (judgement.decision, words)
        }
    }
}

/// A call that both sides decide otherwise, told.
#[must_use]
pub(super) fn changed(before: Side<'_>, after: Side<'_>, case: &Case) -> Option<Changed> {
    let ((old, was), (new, is)) = (judged(before, case), judged(after, case));
    let direction = turn(&old, &new)?;
    Some(Changed { direction, action: action(case), example: telling::lines(case), before: was, after: is })
}

/// The server and what is asked of it, as one name.
pub(super) fn action(case: &Case) -> String {
    match &case.asked {
        Asked::Tool { name, .. } | Asked::Method { name, .. } => {
            format!("{} {}", visible::text(&case.server), visible::text(name))
        }
    }
}

/// Policies by what is written, without what only reads otherwise.
fn policies(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let of = |side: Side<'_>| -> BTreeMap<String, Written> {
        side.law.iter().map(|policy| (policy.id.clone(), policy.clone())).collect()
    };
    let (old, new) = (of(before), of(after));
    let mut out = Vec::new();
    for (id, policy) in &new {
        match old.get(id) {
            None => out.push(format!("new: {}", policy.shown())),
            Some(was) if was.compiled != policy.compiled => out.push(format!("other: {}", policy.shown())),
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|(id, _)| !new.contains_key(*id));
    out.extend(gone.map(|(_, policy)| format!("gone: {}", policy.shown())));
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use serde_json::json;

    use super::*;
    use crate::desk::samples::tests::with_tool;

    #[test]
    fn what_could_not_be_tried_is_open_unless_the_law_is_the_same() {
        let sources = with_tool(&json!({ "type": "string", "pattern": "^(?=q)q$" }));
        let mut other = sources.clone();
        let policy = other.policies.last_mut().unwrap();
        policy.text = policy.text.replace("permit", "forbid");
        let old = Snapshot::build(&sources).unwrap();
        let new = Snapshot::build(&other).unwrap();
        let (old_law, new_law) = (Law::of(&old, &sources.policies), Law::of(&new, &other.policies));
        let before = Side { name: "a", snapshot: &old, law: &old_law };
        let after = Side { name: "b", snapshot: &new, law: &new_law };
        let found = by_trying(before, after, &[], &BTreeSet::new());
        assert!(found.is_same() && !found.is_exact(), "{found:?}");
        assert_eq!(found.open, ["odd ask: no arguments could be made up, so no call of it was tried"]);
        assert!(by_trying(before, before, &[], &BTreeSet::new()).open.is_empty());
    }
}
