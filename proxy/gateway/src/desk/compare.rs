//! What a candidate snapshot would have decided otherwise, counted rule by rule: the one comparison behind replay and shadow.
//!
//! Pure: records and snapshots in, counts out. It compares decisions alone. What comes before and after them at the gate
//! (a live definition, a halt, an approver's answer) is as it was. Memory is bounded by the number of groups kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use pdp::decision::{Decision, Reason};
use pdp::digest::Digest;
use pdp::policy::Judgement;
use pdp::record::Record;
use pdp::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

use super::case::CaseFault;
use super::recorded::{NotComparable, Outcome, Recorded, decided, ids};
use crate::clock::rfc3339;

/// How many groups of differences are kept; the rest is counted.
const GROUPS_MAX: usize = 1000;
/// How many calls of a group are named, the latest.
const EXAMPLES_MAX: usize = 3;

/// Which way a decision turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// More may happen: what was denied or waited for a person goes on, or a duty or a grant is asked no more.
    Wider,
    /// Less may happen.
    Narrower,
}

impl Turn {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Narrower => "narrower",
        }
    }
}

/// What makes differences one group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    turn: Turn,
    cause: String,
    rules: Vec<String>,
    from: String,
    to: String,
}

/// The differences of one group.
#[derive(Debug, Clone, Default)]
struct Group {
    count: u64,
    examples: VecDeque<Example>,
}

/// A call that would be decided otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Example {
    /// Its record's number.
    pub number: u64,
    /// When it arrived, RFC 3339.
    pub at: String,
    /// The principal's key, `tenant/agent`.
    pub principal: String,
    /// The server.
    pub server: String,
    /// The tool, or the method and what it acts on.
    pub what: String,
}

/// One line of a report: calls that would be decided otherwise, in the same way and for the same rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// Which way.
    pub turn: Turn,
    /// Why, in words.
    pub cause: String,
    /// The rules behind it; none where it is not a rule's doing.
    pub rules: Vec<String>,
    /// What was decided.
    pub from: String,
    /// What the candidate decides.
    pub to: String,
    /// How many calls.
    pub count: u64,
    /// The latest of them.
    pub examples: Vec<Example>,
}

/// The outcome of a comparison, for people and as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    /// How many calls were put to the candidate.
    pub compared: u64,
    /// How many it decides as they were decided.
    pub same: u64,
    /// How many it decides more widely.
    pub wider: u64,
    /// How many it decides more narrowly.
    pub narrower: u64,
    /// Group by group: widenings first, then the most frequent.
    pub differences: Vec<Difference>,
    /// How many differences belong to groups beyond the bound, and are in no line above.
    pub not_listed: u64,
    /// What could not be compared: why, and how many.
    pub not_comparable: BTreeMap<String, u64>,
}

impl Report {
    /// Keeps the examples of principals that are seen, by their keys. The counts are everybody's.
    pub(crate) fn seen_by(&mut self, sees: impl Fn(&str) -> bool) {
        for difference in &mut self.differences {
            difference.examples.retain(|example| sees(&example.principal));
        }
    }
}

/// Counts of a comparison under way.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    compared: u64,
    same: u64,
    turned: BTreeMap<Turn, u64>,
    groups: BTreeMap<Key, Group>,
    not_listed: u64,
    not_comparable: BTreeMap<NotComparable, u64>,
}

impl Tally {
    /// Puts one recorded call to the candidate. `basis` gives the snapshot of a digest where it can be had: what turns out
    /// otherwise is put to the record's own snapshot too, so that no difference is told that is the record's.
    pub fn add(
        &mut self,
        record: &Record,
        candidate: &Snapshot,
        basis: &mut dyn FnMut(Digest) -> Option<Arc<Snapshot>>,
    ) {
        let asked = record.notes.iter().filter(|note| note.text.starts_with("asked: ")).count();
        if asked > 0 {
            *self.not_comparable.entry(NotComparable::AskedInAnswer).or_default() += asked as u64;
        }
        let recorded = match Recorded::of(record) {
            Ok(recorded) => recorded,
            Err(why) => return self.set_aside(why),
        };
        if recorded.lacks_origin(record, candidate) {
            return self.set_aside(NotComparable::OriginUnknown);
        }
        let now = recorded.judge(candidate);
        if matches!(now, Outcome::Refused(CaseFault::Word(_))) {
            return self.set_aside(NotComparable::Vocabulary);
        }
        let Some(key) = difference(&recorded.was, &now) else {
            self.compared += 1;
            self.same += 1;
            return;
        };
        if let Some(own) = basis(record.snapshot)
            && difference(&recorded.was, &recorded.judge(&own)).is_some()
        {
            return self.set_aside(NotComparable::NotReproduced);
        }
        self.compared += 1;
        *self.turned.entry(key.turn).or_default() += 1;
        self.keep(key, record);
    }

    /// Counts what cannot be compared.
    pub fn set_aside(&mut self, why: NotComparable) {
        *self.not_comparable.entry(why).or_default() += 1;
    }

    fn keep(&mut self, key: Key, record: &Record) {
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&key) {
            self.not_listed += 1;
            return;
        }
        let group = self.groups.entry(key).or_default();
        group.count += 1;
        if group.examples.len() >= EXAMPLES_MAX {
            group.examples.pop_front();
        }
        group.examples.push_back(example(record));
    }

    /// The counts as they stand.
    #[must_use]
    pub fn report(&self) -> Report {
        let line = |(key, group): (&Key, &Group)| {
            let Key { turn, cause, rules, from, to } = key.clone();
            let examples = group.examples.iter().rev().cloned().collect();
            Difference { turn, cause, rules, from, to, count: group.count, examples }
        };
        let mut differences: Vec<Difference> = self.groups.iter().map(line).collect();
        differences.sort_by_key(|d| (d.turn, std::cmp::Reverse(d.count)));
        let turned = |turn| self.turned.get(&turn).copied().unwrap_or_default();
        let (wider, narrower) = (turned(Turn::Wider), turned(Turn::Narrower));
        let not_comparable = self.not_comparable.iter().map(|(why, count)| (why.words(), *count)).collect();
        let Self { compared, same, not_listed, .. } = *self;
        Report { compared, same, wider, narrower, differences, not_listed, not_comparable }
    }
}

fn example(record: &Record) -> Example {
    let method = record.method.as_deref().unwrap_or("response");
    let target = record.target.as_deref().unwrap_or_default();
    let what = match (method, target) {
        ("tools/call", tool) => tool.to_owned(),
        (method, "") => method.to_owned(),
        (method, target) => format!("{method} {target}"),
    };
    Example {
        number: record.number,
        at: rfc3339(record.started_us),
        principal: record.principal.as_ref().map(|p| p.key()).unwrap_or_default(),
        server: record.server.clone(),
        what: what.chars().take(200).collect(),
    }
}

/// How an outcome differs from what was decided, and why; nothing where the decision is the same. A denial for another
/// reason is the same decision.
fn difference(was: &Judgement, now: &Outcome) -> Option<Key> {
    let now = match now {
        Outcome::Judged(now) => now,
        Outcome::Refused(fault) => {
            return (was.decision.rank() < 2).then(|| Key {
                turn: Turn::Narrower,
                cause: refused(fault),
                rules: Vec::new(),
                from: decided(&was.decision),
                to: "refused".to_owned(),
            });
        }
    };
    let turn = turn(&was.decision, &now.decision)?;
    let (stricter, looser, forbidden, permitted) = match turn {
        Turn::Wider => (was, now, "no longer stopped by", "now permitted by"),
        Turn::Narrower => (now, was, "now stopped by", "no longer permitted by"),
    };
    let (cause, rules) = match &stricter.decision {
        Decision::Escalate(_) | Decision::Deny(Reason::Forbidden) => (forbidden, ids(&stricter.rules)),
        Decision::Allow(_) => ("with other duties, permitted by", ids(&now.rules)),
        Decision::Deny(Reason::NoPermit) => (permitted, ids(&looser.rules)),
        Decision::Deny(Reason::Unjudgeable(_)) => ("an argument has no form that can be judged", Vec::new()),
        Decision::Deny(Reason::Fault(_)) => ("a policy cannot be evaluated", Vec::new()),
    };
    let cause = cause.to_owned();
    Some(Key { turn, cause, rules, from: decided(&was.decision), to: decided(&now.decision) })
}

/// Why the gate would refuse it: what the registry says, without what the call said.
fn refused(fault: &CaseFault) -> String {
    match fault {
        CaseFault::NoServer(_) | CaseFault::NoTool { .. } | CaseFault::NotOpen { .. } | CaseFault::Word(_) => {
            fault.to_string()
        }
        CaseFault::Withheld { server, tool, why: _ } => format!("`{tool}` of `{server}` is withheld"),
        CaseFault::Arguments { tool, why: _ } => format!("the arguments do not fit the schema of `{tool}`"),
    }
}

/// Which way a decision turns. Why a call is denied is told to the agent; that it is denied is what counts here. Where something is asked no more and something else is asked now, it counts as wider:
/// whoever reviews looks there first.
pub(super) fn turn(was: &Decision, now: &Decision) -> Option<Turn> {
    let by = |same: bool, more: bool| match (same, more) {
        (true, _) => None,
        (false, true) => Some(Turn::Narrower),
        (false, false) => Some(Turn::Wider),
    };
    match (was, now) {
        (Decision::Allow(was), Decision::Allow(now)) => by(was == now, now.is_superset(was)),
        (Decision::Escalate(was), Decision::Escalate(now)) => by(was == now, now.is_superset(was)),
        (Decision::Deny(_), Decision::Deny(_)) => None,
        (was, now) => by(false, now.rank() > was.rank()),
    }
}

#[cfg(test)]
pub(super) mod tests;
