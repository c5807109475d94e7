//! Where the values of a made-up call come from, as the gate would find it: what is not said follows from what is.
//!
//! A live call's origins are looked up in what its task has read. A made-up call has read nothing, so an author says what
//! each argument was found in, and the labels of its sinks follow by the gate's own rule; or nothing is said, and each value is
//! one that nobody gave.

use std::collections::BTreeMap;

use pdp::label::LabelSet;
use pdp::origin::{UNGIVEN, USER};
use pdp::policy::{Facts, Looked, Members};
use pdp::registry::Tool;
use pdp::snapshot::Snapshot;
use serde_json::Value;

use super::case::{Asked, Case};

/// The labels of the sinks that the user did not give: for each the labels it was found under, or, found nowhere, the
/// task's; and that there is such a one. Where no reviewer said which arguments are sinks, an effect has the task's labels.
#[must_use]
pub fn unvouched(case: &Case, snapshot: &Snapshot) -> LabelSet {
    let (Some(tool), Asked::Tool { arguments, .. }) = (tool(case, snapshot), &case.asked) else {
        return LabelSet::default();
    };
    let ungiven: LabelSet = [UNGIVEN].into_iter().collect();
    let task = &case.facts.labels.clone().join(&ungiven);
    let Some(sinks) = &tool.sinks else {
        return if tool.is_harmless() { LabelSet::default() } else { task.clone() };
    };
    let given: Value = serde_json::from_str(arguments).unwrap_or_default();
    let is_given = |name: &&String| given.get(name.as_str()).is_some_and(|value| !value.is_null());
    sinks.iter().filter(is_given).fold(LabelSet::default(), |labels, name| match case.facts.origin.get(name) {
        Some(origin) if origin.contains(USER) => labels,
        Some(origin) if !origin.is_empty() => labels.join(origin).join(&ungiven),
        Some(_) | None => labels.join(task),
    })
}

/// The case with the labels of its sinks as they follow from the rest; as at the gate, only where a policy looks at them.
#[must_use]
pub fn derived(case: &Case, snapshot: &Snapshot) -> Case {
    if !looked(case, snapshot).unvouched {
        return case.clone();
    }
    let facts = Facts { unvouched: unvouched(case, snapshot), ..case.facts.clone() };
    Case { facts, ..case.clone() }
}

/// The ways in which the values of a made-up call may have come about, as far as policies look at that: nobody knows from
/// where; read by the task; given by the user. The strictest first.
#[must_use]
pub fn ways(case: &Case, snapshot: &Snapshot) -> Vec<Case> {
    let Some(tool) = tool(case, snapshot) else { return vec![case.clone()] };
    let looked = looked(case, snapshot);
    if looked.origin.is_empty() && !looked.unvouched {
        return vec![case.clone()];
    }
    let of = |labels: &LabelSet| {
        let origin = origins(case, labels, &looked.origin, tool);
        derived(&Case { facts: Facts { origin, ..case.facts.clone() }, ..case.clone() }, snapshot)
    };
    let mut out = vec![of(&case.facts.labels), of(&LabelSet::default()), of(&[USER].into_iter().collect())];
    out.dedup();
    out
}

/// The same origin for every argument that is given and matters.
fn origins(case: &Case, labels: &LabelSet, looked: &Members, tool: &Tool) -> BTreeMap<String, LabelSet> {
    let Asked::Tool { arguments, .. } = &case.asked else { return BTreeMap::new() };
    let Ok(Value::Object(given)) = serde_json::from_str(arguments) else { return BTreeMap::new() };
    let is_sink = |name: &str| tool.sinks.as_ref().is_some_and(|sinks| sinks.contains(name));
    let names = given.into_iter().map(|(name, _)| name).filter(|name| looked.has(name) || is_sink(name));
    names.filter(|_| !labels.is_empty()).map(|name| (name, labels.clone())).collect()
}

/// What the policies of a case's tool look at.
fn looked(case: &Case, snapshot: &Snapshot) -> Looked {
    let (server, tool) = (snapshot.server(&case.server), tool(case, snapshot));
    server.zip(tool).map(|(server, tool)| snapshot.policies().looks_at(server, tool).clone()).unwrap_or_default()
}

fn tool<'s>(case: &Case, snapshot: &'s Snapshot) -> Option<&'s Tool> {
    match &case.asked {
        Asked::Tool { name, .. } => snapshot.server(&case.server)?.tools.get(name).map(|tool| &**tool),
        Asked::Method { .. } => None,
    }
}
