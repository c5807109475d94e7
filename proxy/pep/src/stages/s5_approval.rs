//! Approval: turns an escalation into an allowance, or ends it. The agent's own channel can never approve.
//!
//! A verdict is a fact, not a permit: with the grants it carries the decision point is asked again, and only its Allow
//! goes on.

use std::collections::BTreeSet;
use std::sync::Arc;

use pdp::decision::{Decision, Obligation};
use pdp::digest::Digest;
use pdp::json::{self, Json};
use pdp::policy::{Facts, Judgement, Rule};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::call::{Call, Stopped};
use crate::effect::preview::{self, Findings};
use crate::ports::{Gate, Hold, Ports, Verdict};
use crate::stages::s2_classify::Subject;
use crate::stages::s3_policy::{self, name_of, reasons};
use crate::stages::s4_guardrail::{Cleared, beyond};
use crate::task::{WaitingCall, window};

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
pub(crate) async fn authorize(mut call: Call<Cleared>, gate: &Arc<Gate>) -> Result<Call<Authorized>, Stopped> {
    let ports = &gate.ports;
    let foreseen = match foreseen(&mut call, gate).await {
        Ok(foreseen) => foreseen,
        Err(refusal) => return Err(call.stop(refusal)),
    };
    let Foreseen { decision, rules, impact } = foreseen;
    let obligations = match decision {
        Decision::Allow(obligations) => obligations,
        Decision::Escalate(grants) => match escalate(&mut call, ports, Asked { grants, rules, impact }).await {
            Ok(obligations) => obligations,
            // What a limit ended, no other tool goes on with.
            Err(refusal) if matches!(refusal.code, Code::TaskOver | Code::LimitReached) => {
                return Err(call.stop(refusal));
            }
            Err(refusal) => {
                let (head, state) = (call.head(), call.state());
                let advice = s3_policy::remaining(head, state.server(), state.subject(), state.facts());
                return Err(call.stop(refusal).advise(advice));
            }
        },
        // The policy stage ends a denied call; what a preview found may deny it still.
        Decision::Deny(_) => {
            let what = name_of(call.state().subject());
            let words = format!("`{what}` was denied for what it would do: {}.", reasons(&rules));
            return Err(call.stop(Refusal::new(Code::Denied, words)));
        }
    };
    Ok(call.advance(|was: Cleared| {
        let (server, subject) = was.into_parts();
        Authorized { server, subject, obligations }
    }))
}

/// A call as it stands when people may have to be asked: what was decided, by which rules, and what a preview found.
struct Foreseen {
    decision: Decision,
    rules: Vec<Rule>,
    impact: Option<Findings>,
}

/// What people are asked for.
struct Asked {
    grants: BTreeSet<String>,
    rules: Vec<Rule>,
    impact: Option<Findings>,
}

/// Finds out what the call would do, where its registry entry says how, and puts the question once more with that: the
/// stricter answer counts, so nothing that a preview says opens what was closed before.
async fn foreseen(call: &mut Call<Cleared>, gate: &Arc<Gate>) -> Result<Foreseen, Refusal> {
    let before = |call: &Call<Cleared>| (call.state().decision().clone(), call.state().rules().to_vec());
    let Subject::Tool { tool, arguments, .. } = call.state().subject() else {
        let (decision, rules) = before(call);
        return Ok(Foreseen { decision, rules, impact: None });
    };
    let tool = Arc::clone(tool);
    let raw = arguments.clone().and_then(|at| call.head().text.get(at)).unwrap_or("{}").to_owned();
    let (head, entry) = call.head_and_entry();
    let found = preview::made(head, entry, &tool, &raw, gate).await?;
    let (decision, rules) = before(call);
    let Some(found) = found else { return Ok(Foreseen { decision, rules, impact: None }) };
    let facts = Facts { impact: Some(found.clone()), ..call.state().facts().clone() };
    let (judgement, along) = s3_policy::ask(call.head(), call.state().server(), call.state().subject(), &facts);
    let whole = Judgement { decision, rules }.and(judgement);
    let noted = s3_policy::note(&whole, along, &facts);
    call.entry().write(|record| record.decision = Some(noted));
    Ok(Foreseen { decision: whole.decision, rules: whole.rules, impact: Some(found) })
}

async fn escalate(call: &mut Call<Cleared>, ports: &Ports, asked: Asked) -> Result<BTreeSet<Obligation>, Refusal> {
    let what = name_of(call.state().subject()).to_owned();
    let why = reasons(&asked.rules);
    let impact = asked.impact.clone();
    // Nobody is asked of the gate's own errands: whoever reviewed the call named them, and that is whose grant it is.
    if let Some(errand) = &call.head().errand {
        let words = format!("granted by the registry entry, which names it as a {}", errand.what.word());
        call.entry().note(words);
        return judged_again(call, ports, (asked.grants, impact), &what);
    }
    if let Some(tripped) = call.entry().reserved().and_then(|reserved| reserved.put_to_a_person().err()) {
        return Err(beyond(call.head(), &tripped, ports));
    }
    let hold = hold(call, ports, asked);
    let verdict = {
        let _told = call.head().task.waits(waiting(&hold));
        ports.approvals.ask(&hold).await
    };
    call.entry().note(put_to_people(&hold, &verdict));
    match verdict {
        Verdict::Granted(given) => judged_again(call, ports, (given, impact), &what),
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
    (given, impact): (BTreeSet<String>, Option<Findings>),
    what: &str,
) -> Result<BTreeSet<Obligation>, Refusal> {
    let mut facts = Facts {
        impact,
        grants: given,
        labels: call.head().task.labels(),
        readers: call.head().task.readers(),
        now_ms: ports.clock.now_us() / 1000,
        ..call.state().facts().clone()
    };
    // While people thought the task may have read on.
    window::found(call.head(), call.state().server(), call.state().subject(), &mut facts, &ports.limits);
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

fn hold(call: &Call<Cleared>, ports: &Ports, asked: Asked) -> Hold {
    let Asked { grants, rules, impact } = asked;
    let (head, state) = (call.head(), call.state());
    let (pin, arguments) = match state.subject() {
        Subject::Tool { tool, arguments, .. } => {
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
        origin: window::all(head, state.subject(), &ports.limits),
        snapshot: head.snapshot.digest(),
        grants,
        rules,
        impact,
    }
}
