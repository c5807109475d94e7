//! The nearest change that would turn a decision: one fact, else two, each tried at the decision point.
//!
//! Arguments are varied over what policies compare with and what the reviewed schema offers, so a turn that needs another
//! value is not found, and that is said.

use std::collections::BTreeSet;

use pdp::label::LabelSet;
use pdp::origin::USER;
use pdp::policy::{Facts, Judgement};
use pdp::principal::Principal;
use pdp::snapshot::Snapshot;
use serde::Serialize;
use serde_json::Value;

use crate::desk::case::{Asked, Case};
use crate::desk::law::{Law, Written};
use crate::desk::{samples, telling, vouched};
use crate::story::visible;

/// How many calls a search may try.
const TRIED_MAX: usize = 6_000;

/// How many turns are told.
const TOLD_MAX: usize = 6;

/// What a search for turns came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Search {
    /// The turns, all of the smallest size found.
    pub turns: Vec<Turn>,
    /// How many calls were tried.
    pub tried: usize,
}

/// A change and what it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turn {
    /// What would have to be other, in words.
    pub changes: Vec<String>,
    /// The decision then: `allow`, `ask security`, `deny`.
    pub decision: String,
    /// The policies that would speak then.
    pub by: Vec<String>,
}

/// One fact made other.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    WithoutLabel(String),
    WithLabel(String),
    Grant(String),
    /// The user gave this argument.
    Given(String),
    Argument(String, Option<Value>),
    Principal(Box<Principal>),
}

impl Change {
    /// Which fact it is about: two changes of one fact are no two changes.
    fn fact(&self) -> String {
        match self {
            Self::WithoutLabel(label) | Self::WithLabel(label) => format!("label {label}"),
            Self::Grant(grant) => format!("grant {grant}"),
            Self::Given(name) => format!("origin {name}"),
            Self::Argument(name, _) => format!("argument {name}"),
            Self::Principal(_) => "principal".to_owned(),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::WithoutLabel(label) => format!("without the label `{}`", visible::text(label)),
            Self::WithLabel(label) => format!("with the label `{}`", visible::text(label)),
            Self::Grant(grant) => format!("with the grant `{}`", visible::text(grant)),
            Self::Given(name) => format!("with `{}` given by the user", visible::text(name)),
            Self::Argument(name, None) => format!("without `{}`", visible::text(name)),
            Self::Argument(name, Some(value)) => {
                format!("with `{}` = {}", visible::text(name), visible::json_text(&value.to_string()))
            }
            Self::Principal(principal) => format!("for {}", telling::who(principal)),
        }
    }

    fn applied(&self, case: &Case, snapshot: &Snapshot) -> Option<Case> {
        let labels = |labels: LabelSet| Case { facts: Facts { labels, ..case.facts.clone() }, ..case.clone() };
        Some(match self {
            Self::WithoutLabel(label) => {
                labels(case.facts.labels.iter().map(|l| l.as_str()).filter(|l| l != label).collect())
            }
            Self::WithLabel(label) => {
                labels(case.facts.labels.clone().join(&[label.as_str()].into_iter().collect::<LabelSet>()))
            }
            Self::Grant(grant) => {
                let mut facts = case.facts.clone();
                facts.grants.insert(grant.clone());
                Case { facts, ..case.clone() }
            }
            Self::Given(name) => {
                let mut case = case.clone();
                case.facts.origin.entry(name.clone()).or_default().raise(&[USER].into_iter().collect());
                vouched::derived(&case, snapshot)
            }
            Self::Argument(argument, value) => {
                let Asked::Tool { name, arguments } = &case.asked else { return None };
                let Ok(Value::Object(mut members)) = serde_json::from_str(arguments) else { return None };
                match value {
                    Some(value) => members.insert(argument.clone(), value.clone()),
                    None => members.remove(argument),
                };
                let asked = Asked::Tool { name: name.clone(), arguments: Value::Object(members).to_string() };
                Case { asked, ..case.clone() }
            }
            Self::Principal(principal) => Case { principal: (**principal).clone(), ..case.clone() },
        })
    }
}

/// Searches for the smallest change that makes a decision milder, or, of an allowance, stricter.
pub(super) fn search(snapshot: &Snapshot, law: &Law, case: &Case, known: &[Principal]) -> Search {
    let Ok(judgement) = case.judge(snapshot) else { return Search::default() };
    let now = judgement.decision.rank();
    let changes = changes(snapshot, law, case, known, now == 0);
    let turned = |then: &Judgement| if now == 0 { then.decision.rank() > 0 } else { then.decision.rank() < now };
    let mut search = Search::default();
    let mut found: Vec<(u8, Vec<&Change>, Judgement)> = Vec::new();
    for change in &changes {
        search.tried += 1;
        if let Some(then) = changed(&[change], case, snapshot).filter(turned) {
            found.push((then.decision.rank(), vec![change], then));
        }
    }
    if found.is_empty() {
        for (n, one) in changes.iter().enumerate() {
            for two in changes.iter().skip(n + 1).filter(|two| two.fact() != one.fact()) {
                if search.tried >= TRIED_MAX {
                    break;
                }
                search.tried += 1;
                if let Some(then) = changed(&[one, two], case, snapshot).filter(turned) {
                    found.push((then.decision.rank(), vec![one, two], then));
                }
            }
        }
    }
    search.turns = told(found, now, law);
    search
}

/// The judgement of a call with these changes.
fn changed(changes: &[&Change], case: &Case, snapshot: &Snapshot) -> Option<Judgement> {
    let next = changes.iter().try_fold(case.clone(), |case, change| change.applied(&case, snapshot))?;
    next.judge(snapshot).ok()
}

/// The best of what was found: the mildest decision, of an allowance any stricter one; one value for each set of facts.
fn told(mut found: Vec<(u8, Vec<&Change>, Judgement)>, now: u8, law: &Law) -> Vec<Turn> {
    let best = found.iter().map(|(rank, ..)| *rank).min().unwrap_or(now);
    found.retain(|(rank, ..)| now == 0 || *rank == best);
    let mut facts = BTreeSet::new();
    found.retain(|(_, changes, _)| facts.insert(changes.iter().map(|change| change.fact()).collect::<Vec<_>>()));
    let shown = |id: &str| law.get(id).map_or_else(|| format!("`{id}`"), Written::shown);
    let turn = |(_, changes, then): (u8, Vec<&Change>, Judgement)| Turn {
        changes: changes.iter().map(|change| change.words()).collect(),
        decision: telling::decision(&then.decision),
        by: then.rules.iter().map(|rule| shown(&rule.id)).collect(),
    };
    found.into_iter().take(TOLD_MAX).map(turn).collect()
}

/// Every change of one fact that is tried, those people can act on first.
fn changes(snapshot: &Snapshot, law: &Law, case: &Case, known: &[Principal], allowed: bool) -> Vec<Change> {
    let mut out = Vec::new();
    out.extend(case.facts.labels.iter().map(|label| Change::WithoutLabel(label.as_str().to_owned())));
    if allowed {
        let more = law.labels().into_iter().filter(|label| !case.facts.labels.contains(label));
        out.extend(more.map(Change::WithLabel));
    } else {
        let more = law.grants().into_iter().filter(|grant| !case.facts.grants.contains(grant));
        out.extend(more.map(Change::Grant));
    }
    if let Asked::Tool { name, arguments } = &case.asked
        && let Some(server) = snapshot.server(&case.server)
        && let Some(tool) = server.reviewed(name)
        && let Ok(Value::Object(given)) = serde_json::from_str(arguments)
    {
        let looked = snapshot.policies().looks_at(server, tool);
        let is_sink = |name: &str| tool.sinks.as_ref().is_some_and(|sinks| sinks.contains(name));
        let counts = |name: &str| looked.origin.has(name) || (looked.unvouched && is_sink(name));
        let is_given = |name: &str| case.facts.origin.get(name).is_some_and(|origin| origin.contains(USER));
        let names = given.keys().filter(|name| !allowed && counts(name) && !is_given(name));
        out.extend(names.map(|name| Change::Given(name.clone())));
        let mut add = |change: Change| {
            if !out.contains(&change) {
                out.push(change);
            }
        };
        for text in samples::arguments(tool, &samples::compared(&[law], server, tool)) {
            let Ok(Value::Object(members)) = serde_json::from_str(&text) else { continue };
            for (argument, value) in members.iter().filter(|(name, value)| given.get(*name) != Some(*value)) {
                add(Change::Argument(argument.clone(), Some(value.clone())));
            }
            for argument in given.keys().filter(|name| !members.contains_key(*name)) {
                add(Change::Argument(argument.clone(), None));
            }
        }
    }
    let others = samples::principals(known, &[law]).into_iter();
    let others = others.filter(|one| one.agent != case.principal.agent || one.teams != case.principal.teams);
    out.extend(others.map(|one| Change::Principal(Box::new(one))));
    out
}
