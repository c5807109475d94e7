//! Approval: turns an escalation into an allowance, or ends it. The agent's own channel can never approve.
//!
//! A verdict is a fact, not a permit: with the grants it carries the decision point is asked again, under the law of that
//! moment, and only its Allow goes on. How long a client is made to wait, and how it is told, is the ladder's
//! ([`crate::approval`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pdp::approval::{Identity, Shown};
use pdp::decision::{Decision, Obligation};
use pdp::json::{self, Json};
use pdp::policy::{Facts, Judgement, Rule};
use pdp::record::{ApprovalNote, AskOutcome};
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Server, Tool};

use crate::approval::{self, Rung, Use};
use crate::call::{Call, Stopped};
use crate::effect::preview::{self, Findings};
use crate::ports::{Gate, Given, Hold, Ports, Verdict};
use crate::stages::s2_classify::{Subject, live_is_reviewed};
use crate::stages::s3_policy::{self, name_of, reasons};
use crate::stages::s4_guardrail::{Cleared, beyond};
use crate::task::window;

/// How often one call is put to people because of what came to it while it waited. Beyond it the agent asks again itself.
const ROUNDS_MAX: usize = 3;

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

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(super) fn into_parts(self) -> (Arc<Server>, Subject, BTreeSet<Obligation>) {
        (self.server, self.subject, self.obligations)
    }
}

/// Authorizes a call.
pub(crate) async fn authorize(mut call: Call<Cleared>, gate: &Arc<Gate>) -> Result<Call<Authorized>, Stopped> {
    let foreseen = match foreseen(&mut call, gate).await {
        Ok(foreseen) => foreseen,
        Err(refusal) => return Err(call.stop(refusal)),
    };
    let obligations = match foreseen.decision {
        Decision::Allow(obligations) => obligations,
        Decision::Escalate(grants) => {
            let asked = Asked { grants, rules: foreseen.rules, impact: foreseen.impact };
            match escalate(&mut call, gate, asked).await {
                Ok(obligations) => obligations,
                Err(unapproved) => return Err(unapproved.stopped(call)),
            }
        }
        // The policy stage ends a denied call; what a preview found may deny it still.
        Decision::Deny(_) => {
            let what = name_of(call.state().subject());
            let words = format!("`{what}` was denied for what it would do: {}.", reasons(&foreseen.rules));
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

/// How a call ended that was not approved.
enum Unapproved {
    /// Refused.
    Refused(Refusal),
    /// It may be approved later: what its client is told, and the answer that sends its user to the request, where the
    /// client takes one.
    Pending(Refusal, approval::Told),
}

impl From<Refusal> for Unapproved {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Unapproved {
    fn stopped(self, call: Call<Cleared>) -> Stopped {
        match self {
            // What a limit ended, no other tool goes on with, and who has gone needs no advice.
            Self::Refused(refusal) if matches!(refusal.code, Code::TaskOver | Code::LimitReached | Code::Cancelled) => {
                call.stop(refusal)
            }
            Self::Refused(refusal) => {
                let (head, state) = (call.head(), call.state());
                let advice = s3_policy::remaining(head, state.server(), state.subject(), state.facts());
                call.stop(refusal).advise(advice)
            }
            Self::Pending(refusal, told) => call.stop(refusal).pending(told),
        }
    }
}

/// Finds out what the call would do, where its registry entry says how, and puts the question once more with that: the
/// stricter answer counts, so nothing that a preview says opens what was closed before.
async fn foreseen(call: &mut Call<Cleared>, gate: &Arc<Gate>) -> Result<Foreseen, Refusal> {
    let before = |call: &Call<Cleared>| (call.state().decision().clone(), call.state().rules().to_vec());
    let tool = match call.state().subject() {
        Subject::Tool { tool, .. } if tool.around.preview.is_some() => Arc::clone(tool),
        Subject::Tool { .. } | Subject::Method { .. } => {
            let (decision, rules) = before(call);
            return Ok(Foreseen { decision, rules, impact: None });
        }
    };
    let raw = call.state().subject().arguments_text(call.head()).to_owned();
    let (head, entry) = call.head_and_entry();
    let found = preview::made(head, entry, &tool, &raw, gate).await?;
    let (decision, rules) = before(call);
    let Some(found) = found else { return Ok(Foreseen { decision, rules, impact: None }) };
    // The preview took its time, and the task may have read on.
    let facts = facts_now(call, &gate.ports, BTreeSet::new(), Some(found.clone()));
    let (judgement, along) = s3_policy::ask(call.head(), call.state().server(), call.state().subject(), &facts);
    let whole = Judgement { decision, rules }.and(judgement);
    let noted = s3_policy::note(&whole, along, &facts);
    call.entry().write(|record| record.decision = Some(noted));
    Ok(Foreseen { decision: whole.decision, rules: whole.rules, impact: Some(found) })
}

/// Asks people, as often as something has come to the call while they thought.
async fn escalate(
    call: &mut Call<Cleared>,
    gate: &Arc<Gate>,
    mut asked: Asked,
) -> Result<BTreeSet<Obligation>, Unapproved> {
    let ports = &gate.ports;
    let what = name_of(call.state().subject()).to_owned();
    // Nobody is asked of the gate's own errands: whoever reviewed the call named them, and that is whose grant it is.
    if let Some(errand) = &call.head().errand {
        let words = format!("granted by the registry entry, which names it as a {}", errand.what.word());
        call.entry().note(words);
        return match judged_again(call, ports, asked.grants.clone(), asked.impact) {
            Again::Allowed(obligations) => Ok(obligations),
            Again::Asks(Asked { rules, .. }) | Again::Denied(rules) => Err(forbidden_since(&what, &rules).into()),
        };
    }
    let mut rung = Rung::of(call.head(), call.state().server(), call.state().subject(), ports);
    for _ in 0..ROUNDS_MAX {
        let hold = hold(call, ports, &asked);
        count_question(call, ports, &hold)?;
        let from_us = call.elapsed_us();
        let verdict = waited(call, ports, &hold, &mut rung).await;
        note_question(call, &hold, from_us, verdict.as_ref().ok());
        let verdict = verdict?;
        let given = match verdict {
            Verdict::Granted(given) => Some(given),
            Verdict::Overtaken(_) => None,
            verdict @ (Verdict::Refused(_)
            | Verdict::Pending(_)
            | Verdict::Expired
            | Verdict::Full(_)
            | Verdict::Nobody) => {
                return Err(unapproved(call, ports, rung, &hold, &asked.rules, verdict));
            }
        };
        if let Some(given) = &given {
            call.entry().approved(Use::of(given, &hold, &ports.approvals));
        }
        as_it_was(call, gate).await?;
        let grants = given.as_ref().map(|given| given.grants.clone()).unwrap_or_default();
        match judged_again(call, ports, grants, asked.impact.clone()) {
            Again::Denied(rules) => return Err(forbidden_since(&what, &rules).into()),
            // What was asked for and not given is asked for in vain.
            Again::Asks(more) if given.as_ref().is_some_and(|given| is_asked_already(&more, given, &hold)) => {
                return Err(forbidden_since(&what, &more.rules).into());
            }
            Again::Asks(more) => asked = more,
            Again::Allowed(obligations) => {
                let now = self::hold(call, ports, &asked);
                match hold.shown.covers(&now.shown) {
                    Ok(()) => return Ok(obligations),
                    // Without a grant there is nothing that rests on what was shown.
                    Err(_) if given.is_none() => return Ok(obligations),
                    Err(since) => call.entry().note(format!("it is asked again, since {since}")),
                }
            }
        }
        call.entry().unapproved();
    }
    let words = format!("too much has changed while `{what}` waited for a person; ask again with the same call.");
    Err(Refusal::new(Code::ApprovalUnavailable, words).into())
}

/// Waits for people, beside the calls under way. Where too many wait already, the client asks again itself.
async fn waited(call: &mut Call<Cleared>, ports: &Ports, hold: &Hold, rung: &mut Rung) -> Result<Verdict, Refusal> {
    let seat = (!rung.patience().is_zero()).then(|| Arc::clone(&ports.held).try_acquire_owned().ok()).flatten();
    let left = seat.is_some() && call.step_aside();
    let verdict = match (&seat, *rung) {
        (None, _) => approval::wait(call.head(), ports, hold, Duration::ZERO).await?,
        (Some(_), Rung::Task) => waited_for_a_slip(call, ports, hold, rung).await?,
        (Some(_), Rung::Url | Rung::Progress(_) | Rung::Hold(_)) => {
            approval::wait(call.head(), ports, hold, rung.patience()).await?
        }
    };
    drop(seat);
    if let (Verdict::Granted(_), Some(slip)) = (&verdict, &call.head().slip) {
        slip.says("approved, and under way".to_owned(), ports.clock.now_us());
    }
    if left && matches!(verdict, Verdict::Granted(_) | Verdict::Overtaken(_)) {
        call.step_back(&ports.slots).await;
    }
    Ok(verdict)
}

/// Gives the client a slip, unless people have decided already, and waits as long as that says. Where there is no room for
/// one more slip the client waits as it would without.
async fn waited_for_a_slip(
    call: &mut Call<Cleared>,
    ports: &Ports,
    hold: &Hold,
    rung: &mut Rung,
) -> Result<Verdict, Refusal> {
    let pending = match approval::wait(call.head(), ports, hold, Duration::ZERO).await? {
        Verdict::Pending(pending) => pending,
        decided @ (Verdict::Granted(_)
        | Verdict::Refused(_)
        | Verdict::Overtaken(_)
        | Verdict::Expired
        | Verdict::Full(_)
        | Verdict::Nobody) => return Ok(decided),
    };
    if !approval::gave_a_slip(call, hold, &pending) {
        *rung = Rung::beside(call.head(), ports);
    }
    let patience = match &call.head().slip {
        Some(slip) => slip.patience(ports.clock.now_us()),
        None => rung.patience(),
    };
    approval::wait(call.head(), ports, hold, patience).await
}

/// Whether everything that is still lacking was asked for, and not given.
fn is_asked_already(more: &Asked, given: &Given, hold: &Hold) -> bool {
    more.grants.difference(&given.grants).all(|grant| hold.shown.grants.contains(grant))
}

/// Counts a question to people, where it is one.
fn count_question(call: &mut Call<Cleared>, ports: &Ports, hold: &Hold) -> Result<(), Refusal> {
    if ports.approvals.knows(hold) {
        return Ok(());
    }
    match call.entry().reserved().and_then(|reserved| reserved.put_to_a_person().err()) {
        Some(tripped) => Err(beyond(call.head(), &tripped, ports)),
        None => Ok(()),
    }
}

/// The end of a call that nobody has approved.
fn unapproved(
    call: &Call<Cleared>,
    ports: &Ports,
    rung: Rung,
    hold: &Hold,
    rules: &[Rule],
    verdict: Verdict,
) -> Unapproved {
    let (what, why) = (name_of(call.state().subject()), reasons(rules));
    match verdict {
        Verdict::Refused(reason) => {
            let words = format!("`{what}` was refused by an approver: {}.", reason.trim_end_matches('.'));
            Refusal::new(Code::Denied, words).into()
        }
        Verdict::Expired => {
            let words = format!(
                "`{what}` needs a person's approval ({why}), and nobody decided in time. It was not carried out. The same \
                 call puts it to people anew."
            );
            Refusal::new(Code::ApprovalUnavailable, words).into()
        }
        Verdict::Full(fault) => {
            let words = format!("`{what}` needs a person's approval ({why}), and {fault}. It was not carried out.");
            Refusal::new(Code::ApprovalsFull, words).into()
        }
        Verdict::Pending(pending) => {
            let words = approval::pending_words(what, &why, &pending);
            let told = approval::told(call.head(), ports, rung, hold, pending);
            Unapproved::Pending(Refusal::new(Code::ApprovalPending, words), told)
        }
        Verdict::Nobody | Verdict::Granted(_) | Verdict::Overtaken(_) => {
            let words = format!(
                "`{what}` needs a person's approval, and nobody can give it here: {why}. It was not carried out."
            );
            Refusal::new(Code::ApprovalUnavailable, words).into()
        }
    }
}

/// Writes a question to people into the record; without a verdict, the call was cancelled meanwhile.
fn note_question(call: &mut Call<Cleared>, hold: &Hold, from_us: u64, verdict: Option<&Verdict>) {
    let took_us = call.elapsed_us().saturating_sub(from_us);
    let (outcome, id, by) = match verdict {
        Some(Verdict::Granted(given)) => (AskOutcome::Granted, Some(given.id.clone()), given.by.clone()),
        Some(Verdict::Refused(_)) => (AskOutcome::Refused, None, BTreeSet::new()),
        Some(Verdict::Pending(pending)) => (AskOutcome::Pending, Some(pending.id.clone()), BTreeSet::new()),
        Some(Verdict::Overtaken(_)) => (AskOutcome::Overtaken, None, BTreeSet::new()),
        Some(Verdict::Expired) => (AskOutcome::Expired, None, BTreeSet::new()),
        Some(Verdict::Full(_)) => (AskOutcome::Full, None, BTreeSet::new()),
        Some(Verdict::Nobody) => (AskOutcome::Nobody, None, BTreeSet::new()),
        None => (AskOutcome::Cancelled, None, BTreeSet::new()),
    };
    let rules = hold.shown.rules.iter().map(|rule| rule.id.clone()).collect();
    let note = ApprovalNote { by, from_us, grants: hold.shown.grants.clone(), id, outcome, rules, took_us };
    call.entry().write(|record| record.approvals.push(note));
    if let Some(verdict) = verdict {
        call.entry().note(put_to_people(hold, verdict));
    }
}

/// What the record says of an approval that was asked for, in words. The reason of a refusal stands in the refusal.
fn put_to_people(hold: &Hold, verdict: &Verdict) -> String {
    let list = |words: Vec<&str>| words.join(", ");
    let rules = list(hold.shown.rules.iter().map(|rule| rule.id.as_str()).collect());
    let outcome = match verdict {
        Verdict::Granted(given) => {
            let granted = list(given.grants.iter().map(String::as_str).collect());
            let by = list(given.by.iter().map(String::as_str).collect());
            format!("granted {granted} by {by} ({})", given.id)
        }
        Verdict::Refused(_) => "refused".to_owned(),
        Verdict::Pending(pending) => format!("not decided yet ({})", pending.id),
        Verdict::Overtaken(why) => format!("not asked any more: {why}"),
        Verdict::Expired => "nobody decided in time".to_owned(),
        Verdict::Full(why) => format!("not asked: {why}"),
        Verdict::Nobody => "nobody could be asked".to_owned(),
    };
    let grants = list(hold.shown.grants.iter().map(String::as_str).collect());
    format!("approval asked of {grants} ({rules}): {outcome}")
}

/// Sees that the call is still the one that people were shown: the same server, reached in the same way, and the same tool.
/// From here on it is under the law of this moment, whatever it was under before.
async fn as_it_was(call: &mut Call<Cleared>, gate: &Arc<Gate>) -> Result<(), Refusal> {
    let law = gate.snapshots.current();
    if law.digest() != call.head().snapshot.digest() {
        let (server, tool) = (call.state().server(), call.state().subject().tool());
        let now = law.server(&server.name).filter(|now| now.is_same_as(server));
        let is_same =
            |tool: &Arc<Tool>| now.and_then(|now| now.tools.get(&tool.name)).is_some_and(|now| now.is_same_as(tool));
        if now.is_none() || !tool.is_none_or(is_same) {
            let words = format!(
                "the registry entry of `{}` has changed while the call waited for a person; ask again with the same call",
                server.name
            );
            return Err(Refusal::new(Code::DefinitionChanged, words));
        }
        call.entry().note(format!("judged again under {}", law.digest()));
        call.entry().write(|record| record.snapshot = law.digest());
        call.under(law);
    }
    let (server, tool) = match call.state().subject() {
        Subject::Tool { tool, .. } => (Arc::clone(call.state().server()), Arc::clone(tool)),
        Subject::Method { .. } => return Ok(()),
    };
    // Listed anew: what the server offered before people thought says little of what it offers now.
    live_is_reviewed(call, &server, &tool, 0, gate).await
}

/// What a second judgement says.
enum Again {
    Allowed(BTreeSet<Obligation>),
    /// People are needed, for these grants in all.
    Asks(Asked),
    Denied(Vec<Rule>),
}

/// Judges a call with what people have granted, as things are now.
fn judged_again(call: &mut Call<Cleared>, ports: &Ports, given: BTreeSet<String>, impact: Option<Findings>) -> Again {
    let facts = facts_now(call, ports, given.clone(), impact.clone());
    let (judgement, along) = s3_policy::ask(call.head(), call.state().server(), call.state().subject(), &facts);
    let noted = s3_policy::note(&judgement, along, &facts);
    call.entry().write(|record| record.decision = Some(noted));
    let Judgement { decision, rules } = judgement;
    match decision {
        Decision::Allow(obligations) => Again::Allowed(obligations),
        Decision::Escalate(needed) => {
            Again::Asks(Asked { grants: needed.union(&given).cloned().collect(), rules, impact })
        }
        Decision::Deny(_) => Again::Denied(rules),
    }
}

/// The circumstances of the call as they are now: while people thought, or a preview ran, the task may have read on.
fn facts_now(call: &Call<Cleared>, ports: &Ports, grants: BTreeSet<String>, impact: Option<Findings>) -> Facts {
    let (head, state) = (call.head(), call.state());
    let mut facts = Facts {
        impact,
        grants,
        labels: head.task.labels(),
        readers: head.task.readers(),
        now_ms: ports.clock.now_us() / 1000,
        ..state.facts().clone()
    };
    window::found(head, state.server(), state.subject(), &mut facts, &ports.limits);
    facts
}

fn forbidden_since(what: &str, rules: &[Rule]) -> Refusal {
    let words = format!("`{what}` was approved, but what has happened since forbids it: {}.", reasons(rules));
    Refusal::new(Code::Denied, words)
}

/// Everything that people are shown of a call, and that their decision binds.
fn hold(call: &mut Call<Cleared>, ports: &Ports, asked: &Asked) -> Hold {
    let decision = call.entry().read(|record| record.decision.clone()).flatten();
    let (head, state) = (call.head(), call.state());
    let (tool, action, target, arguments) = match state.subject() {
        Subject::Tool { tool, .. } => {
            let read = Json::read(state.subject().arguments_text(head), pdp::digest::DEPTH_MAX);
            let arguments = read.map(|value| json::canonical(&value)).unwrap_or_default();
            (Some(Arc::clone(tool)), tool.name.clone(), String::new(), arguments)
        }
        Subject::Method { name, target, .. } => (None, name.clone(), target.clone(), approval::said(head)),
    };
    let server = state.server();
    let identity = Identity {
        tenant: head.principal.tenant.clone(),
        agent: head.principal.agent.clone(),
        user: head.principal.user.clone(),
        task: head.task.is_explicit().then(|| head.task.id().to_owned()),
        server: server.name.clone(),
        reached: server.transport.identity(),
        method: state.subject().method().to_owned(),
        action,
        pin: tool.as_ref().map(|tool| tool.pin),
        arguments,
    };
    let shown = Shown {
        labels: head.task.labels(),
        readers: head.task.readers(),
        origin: window::all(head, state.subject(), &ports.limits),
        impact: asked.impact.clone(),
        grants: asked.grants.clone(),
        rules: asked.rules.clone(),
        snapshot: head.snapshot.digest(),
    };
    // A call that is asked for was judged.
    let decision = decision.unwrap_or_else(|| {
        let facts = state.facts();
        s3_policy::note(&Judgement { decision: state.decision().clone(), rules: Vec::new() }, Vec::new(), facts)
    });
    Hold {
        number: call.number(),
        principal: Arc::clone(&head.principal),
        client: approval::claimed_client(head),
        task: Arc::clone(&head.task),
        server: Arc::clone(server),
        tool,
        target,
        identity,
        shown,
        decision,
    }
}
