//! Policy: asks the decision point and records its answer. A denial ends here.

use std::sync::Arc;

use pdp::decision::{Decision, Reason};
use pdp::policy::{Act, Facts, Judgement, Query, Rule};
use pdp::record::{Along, DecisionNote};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::asides;
use crate::call::{Call, Head, Stopped};
use crate::ports::Ports;
use crate::stages::s2_classify::{Classified, Subject};
use crate::task::{scope, window};

/// A call the decision point has answered for, and not with Deny.
#[derive(Debug)]
pub struct Judged {
    server: Arc<Server>,
    subject: Subject,
    decision: Decision,
    rules: Vec<Rule>,
    facts: Facts,
}

impl Judged {
    pub(super) fn into_parts(self) -> (Arc<Server>, Subject, Decision, Vec<Rule>, Facts) {
        (self.server, self.subject, self.decision, self.rules, self.facts)
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }
}

/// Judges a call.
pub(crate) fn judge(mut call: Call<Classified>, ports: &Ports) -> Result<Call<Judged>, Stopped> {
    let mut facts = call.head().task.facts(ports.clock.now_us());
    facts.task.off_plan = is_off_plan(&mut call);
    window::found(call.head(), call.state().server(), call.state().subject(), &mut facts, &ports.limits);
    let (judgement, along) = ask(call.head(), call.state().server(), call.state().subject(), &facts);
    let noted = note(&judgement, along, &facts);
    call.entry().write(|record| record.decision = Some(noted));
    match &judgement.decision {
        Decision::Deny(reason) => {
            let refusal = Refusal::new(Code::Denied, denial(reason, &judgement.rules, call.state().subject()));
            let advice = remaining(call.head(), call.state().server(), call.state().subject(), &facts);
            Err(call.stop(refusal).advise(advice))
        }
        Decision::Allow(_) | Decision::Escalate(_) => Ok(call.advance(|was: Classified| {
            let (server, subject) = was.into_parts();
            Judged { server, subject, decision: judgement.decision, rules: judgement.rules, facts }
        })),
    }
}

/// Matches a tool call to the plans that were recorded for its task and those above it, and holds the steps it takes. Without
/// a plan nothing is off it; the gate's own tools, with which plans are made, are no part of one.
fn is_off_plan(call: &mut Call<Classified>) -> bool {
    let server = call.state().server();
    let Subject::Tool { tool, .. } = call.state().subject() else { return false };
    // What the gate calls for itself, a preview or a rollback, is no call of the agent's.
    if server.transport.is_own() || call.head().errand.is_some() {
        return false;
    }
    let Some((note, steps)) = call.head().task.meet(&server.name, &tool.name) else { return false };
    let off_plan = note.step.is_none();
    call.entry().hold_steps(steps);
    call.entry().write(|record| record.plan = Some(note));
    off_plan
}

/// Asks the decision point, under these facts. Answers with what rode along, as a record keeps it.
pub(super) fn ask(head: &Head, server: &Server, subject: &Subject, facts: &Facts) -> (Judgement, Vec<Along>) {
    let judge = |act| head.snapshot.judge(Query { principal: &head.principal, server, act, facts });
    let own = match subject {
        Subject::Tool { tool, .. } => match head.envelope.arguments(&head.text) {
            Ok(arguments) => judge(Act::Tool { tool, arguments: &arguments }),
            Err(e) => Judgement { decision: Decision::Deny(Reason::Unjudgeable(e.to_string())), rules: Vec::new() },
        },
        Subject::Method { name, known, target, .. } => judge(Act::Method { name, known: *known, target }),
    };
    // What could not be read was refused when the call was classified.
    let along = asides::of(head).unwrap_or_default();
    let whole = along.iter().fold(own, |whole, aside| whole.and(asides::judge(head, server, aside, facts)));
    (whole, asides::recorded(&along))
}

/// What was decided and everything it was decided on that the record does not hold elsewhere.
pub(super) fn note(judgement: &Judgement, along: Vec<Along>, facts: &Facts) -> DecisionNote {
    DecisionNote::of(judgement.decision.clone(), judgement.rules.clone(), along, facts)
}

/// What was denied and why, in words. Never how to get round it.
fn denial(reason: &Reason, rules: &[Rule], subject: &Subject) -> String {
    let what = name_of(subject);
    match reason {
        Reason::NoPermit => format!("`{what}` was denied: no policy permits it."),
        Reason::Forbidden => format!("`{what}` was denied: {}.", reasons(rules)),
        Reason::Unjudgeable(why) => format!("`{what}` was denied: {why}."),
        Reason::Fault(_) => {
            format!("`{what}` was denied: a policy could not be evaluated. The operator has been told.")
        }
    }
}

/// The authors' reasons, or that they gave none.
pub(super) fn reasons(rules: &[Rule]) -> String {
    let told: Vec<&str> = rules.iter().map(|r| r.reason.trim_end_matches('.')).filter(|r| !r.is_empty()).collect();
    if told.is_empty() { "a policy forbids it".to_owned() } else { told.join("; ") }
}

pub(super) fn name_of(subject: &Subject) -> &str {
    match subject {
        Subject::Tool { tool, .. } => &tool.name,
        Subject::Method { name, .. } => name,
    }
}

/// Which tools of this server remain open, so that the agent can revise its plan.
pub(super) fn remaining(head: &Head, server: &Server, subject: &Subject, facts: &Facts) -> String {
    let policies = head.snapshot.policies();
    let open: Vec<&str> = scope::tools_within(head.task.scope(), server)
        .filter(|tool| tool.name != name_of(subject))
        .filter(|tool| policies.seems_open(&head.principal, server, tool, facts))
        .map(|tool| tool.name.as_str())
        .collect();
    match open.as_slice() {
        [] => format!("No other tool of `{}` is open to you now.", server.name),
        some => format!("Tools of `{}` that remain open to you: {}.", server.name, some.join(", ")),
    }
}
