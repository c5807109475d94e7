//! Guardrail: the task's scope and the stop conditions, which no policy may waive. Whether the task is over and the halt
//! switch are read live, never from the snapshot.

use std::sync::Arc;

use pdp::decision::Decision;
use pdp::digest::Digest;
use pdp::policy::{Facts, Rule};
use pdp::record::{Direction, Entry, FrameKind};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::call::{Call, Head, Stopped};
use crate::effect::{self, Found, Known};
use crate::entry::OpenRecord;
use crate::ports::Ports;
use crate::stages::s2_classify::Subject;
use crate::stages::s3_policy::Judged;
use crate::task::meter::{self, Party, Tripped, Use};
use crate::task::{Over, Task, scope};

/// A judged call that trips no stop condition.
#[derive(Debug)]
pub struct Cleared {
    server: Arc<Server>,
    subject: Subject,
    decision: Decision,
    rules: Vec<Rule>,
    facts: Facts,
}

impl Cleared {
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(super) fn decision(&self) -> &Decision {
        &self.decision
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(super) fn into_parts(self) -> (Arc<Server>, Subject) {
        (self.server, self.subject)
    }
}

/// Clears a call: it has a place within every limit from here on, until it ends.
pub(crate) fn clear(mut call: Call<Judged>, ports: &Ports) -> Result<Call<Cleared>, Stopped> {
    if let Some(refusal) = ended(&call, call.state().server(), ports) {
        return Err(call.stop(refusal));
    }
    if let Err(outside) = scope::held(call.head(), call.state().server(), call.state().subject()) {
        return Err(scope::refuse(call, &outside));
    }
    if let Err(known) = made_before(&mut call, ports) {
        let Made { refusal, again } = *known;
        let stopped = call.stop(refusal);
        return Err(if let Some(answer) = again { stopped.answer_again(answer) } else { stopped });
    }
    if let Err(refusal) = reserve(&mut call, ports) {
        return Err(call.stop(refusal));
    }
    Ok(call.advance(|was: Judged| {
        let (server, subject, decision, rules, facts) = was.into_parts();
        Cleared { server, subject, decision, rules, facts }
    }))
}

/// A call that was made before: what is told instead of making it again, and the answer it had, where there is one.
struct Made {
    refusal: Refusal,
    again: Option<Arc<str>>,
}

/// Looks whether this call was made before: with a result that was withheld, or under the same idempotency key.
fn made_before(call: &mut Call<Judged>, ports: &Ports) -> Result<(), Box<Made>> {
    let refused = |refusal| Box::new(Made { refusal, again: None });
    if call.head().errand.is_some() || !matches!(call.state().subject(), Subject::Tool { .. }) {
        return Ok(());
    }
    let acts = !call.state().subject().is_harmless();
    let key = if acts { effect::key_of(call.head()).map_err(refused)? } else { None };
    if key.is_none() && ports.quarantine.is_empty() {
        return Ok(());
    }
    let number = call.number();
    let (head, entry) = call.head_and_entry();
    let Some(identity) = entry.read(effect::call_of).flatten() else { return Ok(()) };
    let Some(key) = key else { return released(head, entry, &identity, ports) };
    let shown = Digest::of_bytes(key.as_bytes()).short();
    match effect::claim(&head.task, key, identity, number) {
        Known::New(claim) => {
            entry.claim(claim, shown);
            Ok(())
        }
        Known::Answered(first, answer) => Err(Box::new(Made {
            refusal: Refusal::new(Code::Repeated, format!("answered again, as record {first} was")),
            again: Some(answer),
        })),
        Known::Withheld(refusal) => released(head, entry, &identity, ports).and_then(|()| Err(refused(refusal))),
        Known::Refused(refusal) => Err(refused(refusal)),
    }
}

/// What was withheld from this very call, if somebody has released it. Until then the call is not made a second time.
fn released(head: &Head, entry: &mut OpenRecord, call: &Digest, ports: &Ports) -> Result<(), Box<Made>> {
    match ports.quarantine.find((head.task.id(), &head.principal.key()), call, ports.clock.now_us()) {
        None => Ok(()),
        Some(Found::Withheld(first)) => {
            let words = format!(
                "the same call was made, and its result is withheld (record {first}); it is not made again. Once somebody \
                 has released the result, this call finds it; another call needs an idempotency key of its own"
            );
            Err(Box::new(Made { refusal: Refusal::new(Code::Repeated, words), again: None }))
        }
        Some(Found::Released(kept)) => {
            head.task.raise(&kept.labels);
            entry.write(|record| record.labels = kept.labels.clone());
            let words = format!("the withheld result of record {} was released, and is handed over", kept.record);
            Err(Box::new(Made { refusal: Refusal::new(Code::Repeated, words), again: Some(Arc::from(kept.text)) }))
        }
    }
}

/// Takes a place within the limits of the task and those above it, of the caller and of the server. Reaching a task's limit
/// ends it.
fn reserve(call: &mut Call<Judged>, ports: &Ports) -> Result<(), Refusal> {
    let head = call.head();
    let asks = head.direction == Direction::ToServer && head.kind == FrameKind::Request;
    if !asks || head.errand.is_some() || call.state().subject().is_lifecycle() {
        return Ok(());
    }
    let server = call.state().server();
    let meters = ports.tasks.meters();
    let mut parties: Vec<Party> = lineage(&head.task).map(Party::Task).collect();
    parties.extend(meters.principal(&head.principal));
    parties.extend(meters.server(&server.name, &server.limits));
    let wanted = wanted(call, parties.iter().any(Party::counts_repeats));
    match meter::reserve(parties, wanted, ports.clock.now_us()) {
        Ok(reservation) => {
            call.entry().reserve(reservation);
            Ok(())
        }
        Err(tripped) => Err(beyond(call.head(), &tripped, ports)),
    }
}

/// The refusal of what goes beyond a limit. A task whose limit it is, is over.
pub(super) fn beyond(head: &Head, tripped: &Tripped, ports: &Ports) -> Refusal {
    let now_us = ports.clock.now_us();
    if tripped.is_of_a_task() {
        let tasks: Vec<Arc<Task>> = lineage(&head.task).collect();
        if let Some(event) = tripped.end(&tasks, now_us) {
            // A ledger that cannot take it has said so to its own health, and calls stop there.
            let _refused = ports.ledger.append(Entry::Event(event));
        }
        return spent(head, ports).unwrap_or_else(|| Refusal::new(Code::TaskOver, tripped.to_string()));
    }
    Refusal::new(Code::LimitReached, format!("a limit is reached: {tripped}; try again later"))
}

fn lineage(task: &Arc<Task>) -> impl Iterator<Item = Arc<Task>> {
    std::iter::successors(Some(Arc::clone(task)), |task| task.parent().cloned())
}

/// What a call would use. Only a tool's call takes a step, and only one that does more than read sends data out. Which call it
/// is, is made out only where identical ones are `counted`.
fn wanted(call: &mut Call<Judged>, counted: bool) -> Use {
    let named = if counted { call.entry().read(effect::call_of).flatten() } else { None };
    let (head, state) = (call.head(), call.state());
    let Subject::Tool { tool, arguments, .. } = state.subject() else { return Use::default() };
    let raw = arguments.clone().and_then(|at| head.text.get(at)).unwrap_or("{}");
    let bytes_out = if tool.is_harmless() { 0 } else { u64::try_from(raw.len()).unwrap_or(u64::MAX) };
    let cost = match (&tool.around.cost.argument, head.envelope.arguments(&head.text)) {
        (None, _) => tool.around.cost.call,
        (Some(_), Ok(given)) => tool.around.cost.reserved(&given),
        (Some(_), Err(_)) => u64::MAX,
    };
    // A tool's call was read when it was classified, so it has an identity.
    let identity = counted.then(|| named.unwrap_or_else(|| Digest::of_bytes(raw.as_bytes())));
    Use { cost, bytes_out, is_call: true, identity }
}

/// The refusal of a halted call, or of one whose task a person or its time has ended. The action stage asks again: a
/// switch thrown meanwhile must count.
pub(super) fn halted<S>(call: &Call<S>, server: &Server, ports: &Ports) -> Option<Refusal> {
    let head = call.head();
    let mut lineage = head.task.lineage();
    if let Some(why) = lineage.find_map(|task| ports.halt.reason(&head.principal, task.id(), &server.name)) {
        return Some(Refusal::new(Code::Halted, format!("everything of this kind is halted: {why}")));
    }
    // An errand belongs to a call that was let in: what that one did is undone also when its task is over.
    let over = head.task.over(ports.clock.now_us()).filter(|_| head.errand.is_none());
    let over = over.filter(|over| !over.cause.spares_what_was_cleared())?;
    Some(over_and_done(head, &over))
}

/// The refusal of a call that may not even begin. Classifying asks too, before it asks the server anything for the call.
pub(super) fn ended<S>(call: &Call<S>, server: &Server, ports: &Ports) -> Option<Refusal> {
    halted(call, server, ports).or_else(|| spent(call.head(), ports))
}

/// The refusal of a request in a task that has reached a limit. What was cleared before may go on, and with it what its
/// server and its client still have to say to each other.
fn spent(head: &Head, ports: &Ports) -> Option<Refusal> {
    let asks = head.direction == Direction::ToServer && head.kind == FrameKind::Request && head.errand.is_none();
    let over = head.task.over(ports.clock.now_us()).filter(|_| asks)?;
    Some(over_and_done(head, &over))
}

fn over_and_done(head: &Head, over: &Over) -> Refusal {
    let words = format!("the task `{}` is over: {over}; nothing more is done in it", head.task.id());
    Refusal::new(Code::TaskOver, words)
}
