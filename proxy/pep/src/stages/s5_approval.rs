//! Approval: turns an escalation into an allowance, or ends it. The agent's own channel can never approve.
//!
//! A verdict is a fact, not a permit: with the grants it carries the decision point is asked again, and only its Allow
//! goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use pdp::decision::{Decision, Obligation};
use pdp::digest::Digest;
use pdp::json::{self, Json};
use pdp::policy::Facts;
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::call::{Call, Stopped};
use crate::ports::{Hold, Ports, Verdict};
use crate::stages::s2_classify::Subject;
use crate::stages::s3_policy::{self, name_of, reasons};
use crate::stages::s4_guardrail::Cleared;
use crate::task::WaitingCall;

/// A call that may be executed once, under these obligations.
#[derive(Debug)]
pub struct Authorized {
    server: Arc<Server>,
    subject: Subject,
    obligations: BTreeSet<Obligation>,
}

impl Authorized {
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn into_parts(self) -> (Arc<Server>, Subject, BTreeSet<Obligation>) {
        (self.server, self.subject, self.obligations)
    }
}

/// Authorizes a call.
pub(crate) async fn authorize(mut call: Call<Cleared>, ports: &Ports) -> Result<Call<Authorized>, Stopped> {
    let obligations = match call.state().decision().clone() {
        Decision::Allow(obligations) => obligations,
        Decision::Escalate(grants) => match escalate(&mut call, ports, grants).await {
            Ok(obligations) => obligations,
            Err(refusal) => {
                let (head, state) = (call.head(), call.state());
                let advice = s3_policy::remaining(head, state.server(), state.subject(), state.facts());
                return Err(call.stop(refusal).advise(advice));
            }
        },
        // The policy stage ends a denied call; this arm keeps the three values three.
        Decision::Deny(_) => return Err(call.stop(Refusal::new(Code::Denied, "denied"))),
    };
    Ok(call.advance(|was: Cleared| {
        let (server, subject) = was.into_parts();
        Authorized { server, subject, obligations }
    }))
}

async fn escalate(
    call: &mut Call<Cleared>,
    ports: &Ports,
    grants: BTreeSet<String>,
) -> Result<BTreeSet<Obligation>, Refusal> {
    let hold = hold(call, grants);
    let what = name_of(call.state().subject()).to_owned();
    let why = reasons(call.state().rules());
    let verdict = {
        let _told = call.head().task.waits(waiting(&hold));
        ports.approvals.ask(&hold).await
    };
    call.entry().note(put_to_people(&hold, &verdict));
    match verdict {
        Verdict::Granted(given) => judged_again(call, ports, given, &what),
        Verdict::Refused(reason) => Err(Refusal::new(
            Code::Denied,
            format!("`{what}` was refused by an approver: {}.", reason.trim_end_matches('.')),
        )),
        Verdict::Nobody => {
            let words = format!(
                "`{what}` needs a person's approval, and nobody can give it here: {why}. It was not carried out."
            );
            Err(Refusal::new(Code::ApprovalUnavailable, words))
        }
    }
}

/// What the record says of an approval that was asked for. The reason of a refusal stands in the refusal.
fn put_to_people(hold: &Hold, verdict: &Verdict) -> String {
    let list = |words: Vec<&str>| words.join(", ");
    let rules = list(hold.rules.iter().map(|rule| rule.id.as_str()).collect());
    let outcome = match verdict {
        Verdict::Granted(given) => format!("granted {}", list(given.iter().map(String::as_str).collect())),
        Verdict::Refused(_) => "refused".to_owned(),
        Verdict::Nobody => "nobody could be asked".to_owned(),
    };
    format!("approval asked of {} ({rules}): {outcome}", list(hold.grants.iter().map(String::as_str).collect()))
}

/// What the agent is told of the call while it waits.
fn waiting(hold: &Hold) -> WaitingCall {
    WaitingCall {
        number: hold.number,
        principal: hold.principal.key(),
        server: hold.server.clone(),
        action: hold.action.clone(),
        arguments: Digest::of_bytes(hold.arguments.as_bytes()),
        grants: hold.grants.iter().cloned().collect(),
    }
}

fn judged_again(
    call: &mut Call<Cleared>,
    ports: &Ports,
    given: BTreeSet<String>,
    what: &str,
) -> Result<BTreeSet<Obligation>, Refusal> {
    let facts = Facts {
        grants: given,
        labels: call.head().task.labels(),
        now_ms: ports.clock.now_us() / 1000,
        ..call.state().facts().clone()
    };
    let (judgement, along) = s3_policy::ask(call.head(), call.state().server(), call.state().subject(), &facts);
    let noted = s3_policy::note(&judgement, along, &facts);
    call.entry().write(|record| record.decision = Some(noted));
    match judgement.decision {
        Decision::Allow(obligations) => Ok(obligations),
        Decision::Escalate(_) | Decision::Deny(_) => {
            let words = format!(
                "`{what}` was approved, but what has happened since forbids it: {}.",
                reasons(&judgement.rules)
            );
            Err(Refusal::new(Code::Denied, words))
        }
    }
}

fn hold(call: &Call<Cleared>, grants: BTreeSet<String>) -> Hold {
    let (head, state) = (call.head(), call.state());
    let (pin, arguments) = match state.subject() {
        Subject::Tool { tool, arguments } => {
            let raw = arguments.clone().and_then(|at| head.text.get(at)).unwrap_or("{}");
            let read = Json::read(raw, pdp::digest::DEPTH_MAX);
            (Some(tool.pin), read.map(|value| json::canonical(&value)).unwrap_or_default())
        }
        Subject::Method { target, .. } => (None, json::quoted(target)),
    };
    Hold {
        number: call.number(),
        principal: (*head.principal).clone(),
        task: head.task.id().to_owned(),
        server: state.server().name.clone(),
        action: name_of(state.subject()).to_owned(),
        pin,
        arguments,
        labels: state.facts().labels.clone(),
        snapshot: head.snapshot.digest(),
        grants,
        rules: state.rules().to_vec(),
    }
}
