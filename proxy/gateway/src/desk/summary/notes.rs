//! On what an answer depends beside labels, in words taken from the policies that spoke.

use pdp::decision::{Decision, Reason};
use pdp::policy::Judgement;

use super::rank;
use crate::desk::law::{Clause, Law, Written, expression, words};
use crate::desk::telling;

/// When the mildest of several answers holds; nothing where all are the same. `permits` are those that could permit it.
pub(super) fn condition(law: &Law, permits: &[&Written], answers: &[Judgement]) -> Option<String> {
    let mildest = answers.iter().map(|judgement| rank(&judgement.decision)).min()?;
    let (mild, strict): (Vec<&Judgement>, Vec<&Judgement>) =
        answers.iter().partition(|judgement| rank(&judgement.decision) == mildest);
    if strict.is_empty() {
        return None;
    }
    let usual = spoken(law, &mild);
    let mut parts: Vec<String> = Vec::new();
    let mut add = |words: String| {
        if !parts.contains(&words) {
            parts.push(words);
        }
    };
    for judgement in &strict {
        let decision = match &judgement.decision {
            Decision::Deny(Reason::Unjudgeable(_) | Reason::Fault(_)) => {
                add("some arguments cannot be judged".to_owned());
                continue;
            }
            other @ (Decision::Allow(_)
            | Decision::Escalate(_)
            | Decision::Deny(Reason::NoPermit | Reason::Forbidden)) => telling::decision(other),
        };
        // A forbid that speaks in the mildest answer too makes no difference.
        let more: Vec<&Written> =
            spoken(law, &[judgement]).into_iter().filter(|p| !usual.iter().any(|known| known.id == p.id)).collect();
        if more.is_empty() {
            // Nothing permits it, also where every forbid were lifted: the permits' own conditions tell when one does.
            let each: Vec<String> = permits.iter().filter_map(|policy| asked(policy)).collect();
            if !each.is_empty() && each.len() == permits.len() {
                add(format!("only when {}", each.join(", or when ")));
            }
        }
        more.into_iter().for_each(|policy| add(except(policy, &decision)));
    }
    if parts.is_empty() {
        parts.push("it depends on the arguments".to_owned());
    }
    Some(parts.join("; "))
}

/// The policies that spoke in these judgements.
fn spoken<'l>(law: &'l Law, judgements: &[&Judgement]) -> Vec<&'l Written> {
    let mut out: Vec<&Written> = Vec::new();
    for rule in judgements.iter().flat_map(|judgement| &judgement.rules) {
        if let Some(policy) = law.get(&rule.id)
            && !out.iter().any(|known| known.id == policy.id)
        {
            out.push(policy);
        }
    }
    out
}

/// Conditions on what the table's columns do not show.
fn on_arguments(policy: &Written) -> Vec<&Clause> {
    // The columns show labels; in each, nothing but the labels is known of where a call goes.
    let shown = ["context.gate.labels", "context.gate.grants", "context.gate.unvouched"];
    let other = |path: &String| !shown.contains(&path.as_str());
    let clauses = policy.clauses.iter().filter(|clause| clause.excepted().is_empty());
    clauses.filter(|clause| expression::paths(&clause.body).iter().any(other)).collect()
}

/// What a permit asks of the arguments.
fn asked(policy: &Written) -> Option<String> {
    let clauses = on_arguments(policy);
    (!clauses.is_empty()).then(|| words::holds(&clauses))
}

/// What a forbid leaves open, or what it forbids.
fn except(policy: &Written, decision: &str) -> String {
    match on_arguments(policy).as_slice() {
        [] => format!("{decision} as `{}` says", policy.id),
        [only] if only.unless && decision == "deny" => format!("only when {}", words::expression(&only.body)),
        [only] if only.unless => format!("{decision} unless {}", words::expression(&only.body)),
        several => format!("{decision} when {}", words::holds(several)),
    }
}
