//! One call explained: the decision in plain words, the policies that spoke with what they saw, and the nearest change that
//! would turn it.
//!
//! Every change that is named was put to the decision point. What was not found is not said to be impossible.

mod recorded;
mod turn;

use std::collections::BTreeSet;

use pdp::decision::{Decision, Reason};
use pdp::label::LabelSet;
use pdp::policy::Judgement;
use pdp::principal::Principal;
use pdp::snapshot::Snapshot;
use serde::Serialize;
use serde_json::Value;

pub use recorded::{Found, Recorded, RecordedFault, recorded};
pub use turn::{Search, Turn};

use super::case::{Asked, Case, CaseFault};
use super::law::{Effect, Entity, Law, Written, method_action, tool_action, words};
use super::telling;
use crate::clock::rfc3339;
use crate::story::visible;

/// An explanation.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// For people who do not read policies.
    pub sentence: String,
    /// The call, line by line.
    pub call: Vec<(&'static str, String)>,
    /// `allow`, `escalate` or `deny`.
    pub decision: &'static str,
    /// Of what kind, where the word does not say it all.
    pub detail: String,
    /// The policies that spoke.
    pub spoke: Vec<Spoke>,
    /// Permits for this action that do not apply, where nothing permits.
    pub near: Vec<Spoke>,
    /// What would turn the decision.
    pub search: Search,
}

/// A policy and what it saw.
#[derive(Debug, Clone, Serialize)]
pub struct Spoke {
    /// Its `@id`.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Where it stands, as `file:line`; empty where that is not known.
    pub place: String,
    /// Its `@reason`.
    pub reason: String,
    /// When it applies, in words.
    pub applies: String,
    /// The facts it looks at, as they were.
    pub saw: Vec<(String, String)>,
    /// The grant that lifts it; empty for none.
    pub lifted_by: String,
}

/// Explains one call.
///
/// # Errors
/// Why the call would not come to a judgement.
pub fn explain(snapshot: &Snapshot, law: &Law, case: &Case, known: &[Principal]) -> Result<Explanation, CaseFault> {
    let judgement = case.judge(snapshot)?;
    let spoke: Vec<&Written> = judgement.rules.iter().filter_map(|rule| law.get(&rule.id)).collect();
    let near: Vec<&Written> = match judgement.decision {
        Decision::Deny(Reason::NoPermit) => near(snapshot, law, case),
        Decision::Deny(_) | Decision::Allow(_) | Decision::Escalate(_) => Vec::new(),
    };
    let context = case.context(snapshot).unwrap_or_default();
    let told = |policies: &[&Written]| policies.iter().map(|policy| self::spoke(policy, case, &context)).collect();
    Ok(Explanation {
        sentence: sentence(snapshot, case, &judgement, &spoke, &near),
        call: telling::lines(case),
        decision: judgement.decision.word(),
        detail: detail(&judgement.decision),
        spoke: told(&spoke),
        near: told(&near),
        search: turn::search(snapshot, law, case, known),
    })
}

/// Permits whose action scope fits and that do not apply all the same.
fn near<'l>(snapshot: &Snapshot, law: &'l Law, case: &Case) -> Vec<&'l Written> {
    let Some((action, above)) = action(snapshot, case) else { return Vec::new() };
    let permits = law.iter().filter(|policy| policy.effect == Effect::Permit);
    permits.filter(|policy| policy.action.fits(&action, &above)).collect()
}

/// The action of a call, and the groups above it.
pub(super) fn action(snapshot: &Snapshot, case: &Case) -> Option<(Entity, BTreeSet<Entity>)> {
    let server = snapshot.server(&case.server)?;
    match &case.asked {
        Asked::Tool { name, .. } => Some(tool_action(server, server.tools.get(name)?)),
        Asked::Method { name, .. } => Some(method_action(name)),
    }
}

fn detail(decision: &Decision) -> String {
    match decision {
        Decision::Allow(duties) if duties.is_empty() => String::new(),
        Decision::Allow(_) => "what it answers is handed over as quoted evidence".to_owned(),
        Decision::Escalate(grants) => format!("it needs {}", telling::grants(grants.iter())),
        Decision::Deny(Reason::NoPermit) => "no policy permits it".to_owned(),
        Decision::Deny(Reason::Forbidden) => "a policy forbids it".to_owned(),
        Decision::Deny(Reason::Unjudgeable(why)) => format!("it cannot be judged: {}", visible::text(why)),
        Decision::Deny(Reason::Fault(why)) => format!("a policy could not be evaluated: {}", visible::text(why)),
    }
}

fn sentence(snapshot: &Snapshot, case: &Case, judgement: &Judgement, spoke: &[&Written], near: &[&Written]) -> String {
    let who = visible::text(&case.principal.agent);
    let what = what(snapshot, case);
    let reasons = || {
        let each = spoke.iter().map(|policy| match policy.reason.as_str() {
            "" => words::holds(&policy.clauses.iter().collect::<Vec<_>>()),
            reason => visible::text(reason),
        });
        let told: Vec<String> = each.filter(|words| !words.is_empty()).collect();
        if told.is_empty() { "a rule forbids it".to_owned() } else { told.join("; and ") }
    };
    match &judgement.decision {
        Decision::Allow(_) => format!("{who} may {what}."),
        Decision::Escalate(grants) => {
            let people: Vec<String> = grants.iter().map(|grant| format!("`{}`", visible::text(grant))).collect();
            let people = match people.as_slice() {
                [one] => format!("A person of {one} can allow it."),
                several => format!("It takes a person of {} to allow it.", several.join(" and one of ")),
            };
            format!("{who} may not {what} without approval, because {}. {people}", reasons())
        }
        Decision::Deny(Reason::Forbidden) => {
            let final_ones = spoke.iter().any(|policy| policy.approval.is_none());
            let end = if final_ones { "No approval can lift that." } else { "Nothing else would permit it either." };
            format!("{who} may not {what}, because {}. {end}", reasons())
        }
        Decision::Deny(Reason::NoPermit) => match near {
            [] => format!("{who} may not {what}: nothing is allowed that no rule permits, and no rule speaks of it."),
            _ => {
                let only = near.iter().map(|policy| only(policy, snapshot, case)).collect::<Vec<_>>().join(", or ");
                format!("{who} may not {what}: it is permitted only {only}.")
            }
        },
        Decision::Deny(Reason::Unjudgeable(why)) => {
            format!("{who} may not {what}: {}.", visible::text(why))
        }
        Decision::Deny(Reason::Fault(_)) => {
            format!("{who} may not {what}: a rule could not be evaluated, and then nothing is allowed. Mend the rule.")
        }
    }
}

/// When a permit that did not apply would: for whom, where, under what conditions.
fn only(policy: &Written, snapshot: &Snapshot, case: &Case) -> String {
    let mut parts = Vec::new();
    let named = policy.principal.named();
    if !named.is_empty() && !named.iter().any(|entity| is(entity, &case.principal)) {
        parts.push(format!("for {}", named.iter().map(words::entity).collect::<Vec<_>>().join(" or ")));
    }
    let places = policy.resource.named();
    if !places.is_empty() && !is_there(policy, snapshot, case) {
        parts.push(format!("on {}", places.iter().map(words::entity).collect::<Vec<_>>().join(" or ")));
    }
    let held = words::holds(&policy.clauses.iter().collect::<Vec<_>>());
    if !held.is_empty() {
        parts.push(format!("when {held}"));
    }
    if parts.is_empty() { format!("as `{}` says", policy.id) } else { parts.join(" ") }
}

/// Whether a policy is about the server that is asked, or its system.
fn is_there(policy: &Written, snapshot: &Snapshot, case: &Case) -> bool {
    let entity = |kind: &str, id: &str| Entity { kind: kind.to_owned(), id: id.to_owned() };
    let system = snapshot.server(&case.server).map(|server| entity("Gate::System", &server.system));
    policy.resource.fits(&entity("Gate::Server", &case.server), &system.into_iter().collect())
}

/// Whether an entity is somebody, or a team of theirs.
fn is(entity: &Entity, principal: &Principal) -> bool {
    match entity.kind.as_str() {
        "Gate::Agent" => entity.id == principal.agent,
        "Gate::Team" => principal.teams.contains(&entity.id),
        _ => false,
    }
}

/// What is asked for, in words.
fn what(snapshot: &Snapshot, case: &Case) -> String {
    let server = visible::text(&case.server);
    match &case.asked {
        Asked::Method { name, .. } => format!("ask `{}` of `{server}`", visible::text(name)),
        Asked::Tool { name, .. } => {
            let tool = snapshot.server(&case.server).and_then(|server| server.tools.get(name));
            let definition: Value =
                tool.and_then(|tool| serde_json::from_str(&tool.definition).ok()).unwrap_or_default();
            let title = definition.get("title").or_else(|| definition.get("annotations")?.get("title"));
            let named = format!("`{}` of `{server}`", visible::text(name));
            match title.and_then(Value::as_str).filter(|title| !title.is_empty()) {
                Some(title) => format!("use \"{}\" ({named}) like this", visible::text(title)),
                None => format!("use {named} like this"),
            }
        }
    }
}

fn spoke(policy: &Written, case: &Case, context: &Value) -> Spoke {
    // What is asked stands above.
    let paths = policy.looks_at().into_iter().filter(|path| path != "action");
    let saw = paths.map(|path| seen(&path, case, context)).collect();
    Spoke {
        id: policy.id.clone(),
        effect: match policy.effect {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        },
        place: policy.place.as_ref().map(ToString::to_string).unwrap_or_default(),
        reason: policy.reason.clone(),
        applies: words::conditions(policy),
        saw,
        lifted_by: policy.approval.clone().unwrap_or_default(),
    }
}

/// One fact that a policy looks at, as it was in this call. `context` is what policies saw.
fn seen(path: &str, case: &Case, context: &Value) -> (String, String) {
    let names: Vec<&str> = path.split('.').collect();
    let list = |mut names: Vec<String>| {
        names.sort();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    match names.as_slice() {
        ["context", "gate", "labels"] => {
            ("labels".to_owned(), list(case.facts.labels.iter().map(|label| visible::text(label.as_str())).collect()))
        }
        ["context", "gate", "unvouched"] => (
            "labels of where it goes, but for what the user gave".to_owned(),
            list(case.facts.unvouched.iter().map(|label| visible::text(label.as_str())).collect()),
        ),
        ["context", "gate", "origin", name, ..] => {
            let found = case.facts.origin.get(*name).into_iter().flat_map(LabelSet::iter);
            (format!("origin of `{name}`"), list(found.map(|label| visible::text(label.as_str())).collect()))
        }
        ["context", "gate", "calls"] => ("calls in this task".to_owned(), case.facts.calls.to_string()),
        ["context", "gate", "now"] => ("time".to_owned(), rfc3339(case.facts.now_ms.saturating_mul(1000))),
        ["context", "gate", "task", ..] => ("task".to_owned(), visible::text(&case.facts.task.id)),
        ["context", "gate", "tenant"] | ["principal", "tenant"] => {
            ("tenant".to_owned(), visible::text(&case.principal.tenant))
        }
        ["context", "args", rest @ ..] => {
            let Asked::Tool { arguments, .. } = &case.asked else { return (path.to_owned(), String::new()) };
            (format!("`{}`", rest.join(".")), member(&serde_json::from_str(arguments).unwrap_or_default(), rest))
        }
        ["context", all @ ("args_canonical" | "args_host"), rest @ ..] => {
            let (name, of) = (rest.join("."), context.get(all).unwrap_or(&Value::Null));
            match *all {
                "args_host" => (format!("host of `{name}`"), member(of, rest)),
                _ => (format!("`{name}`"), format!("{} (in its canonical form)", member(of, rest))),
            }
        }
        ["context", "method"] => (
            "method".to_owned(),
            match &case.asked {
                Asked::Method { name, .. } => visible::text(name),
                Asked::Tool { .. } => "tools/call".to_owned(),
            },
        ),
        ["context", "target"] => ("target".to_owned(), member(context, &["target"])),
        ["context", "target_canonical"] => {
            ("target".to_owned(), format!("{} (in its canonical form)", member(context, &["target_canonical"])))
        }
        ["context", "target_host"] => ("host of the target".to_owned(), member(context, &["target_host"])),
        ["principal"] => ("agent".to_owned(), telling::who(&case.principal)),
        ["principal", "user"] => ("user".to_owned(), visible::text(&case.principal.user)),
        ["resource"] => ("server".to_owned(), visible::text(&case.server)),
        _ => (path.to_owned(), "as the gate has it".to_owned()),
    }
}

fn member(of: &Value, names: &[&str]) -> String {
    let found = names.iter().try_fold(of, |value, name| value.get(name));
    found.map_or_else(|| "not given".to_owned(), |value| visible::json_text(&value.to_string()))
}
