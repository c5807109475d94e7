//! Guardrail: the task's scope and the stop conditions, which no policy may waive. Whether the task is over and the halt
//! switch are read live, never from the snapshot.

use std::sync::Arc;

use pdp::decision::Decision;
use pdp::policy::{Facts, Rule};
use pdp::record::{Direction, FrameKind};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::call::{Call, Head, Stopped};
use crate::ports::Ports;
use crate::stages::s2_classify::Subject;
use crate::stages::s3_policy::Judged;
use crate::task::{Over, scope};

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
    pub(super) fn server(&self) -> &Server {
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

/// Clears a call.
pub(crate) fn clear(call: Call<Judged>, ports: &Ports) -> Result<Call<Cleared>, Stopped> {
    if let Some(refusal) = halted(&call, call.state().server(), ports).or_else(|| spent(call.head(), ports)) {
        return Err(call.stop(refusal));
    }
    if let Err(outside) = scope::held(call.head(), call.state().server(), call.state().subject()) {
        return Err(scope::refuse(call, &outside));
    }
    Ok(call.advance(|was: Judged| {
        let (server, subject, decision, rules, facts) = was.into_parts();
        Cleared { server, subject, decision, rules, facts }
    }))
}

/// The refusal of a halted call, or of one whose task a person or its time has ended. The action stage asks again: a
/// switch thrown meanwhile must count.
pub(super) fn halted<S>(call: &Call<S>, server: &Server, ports: &Ports) -> Option<Refusal> {
    let head = call.head();
    let mut lineage = head.task.lineage();
    if let Some(why) = lineage.find_map(|task| ports.halt.reason(&head.principal, task.id(), &server.name)) {
        return Some(Refusal::new(Code::Halted, format!("everything of this kind is halted: {why}")));
    }
    let over = head.task.over(ports.clock.now_us()).filter(|over| !over.cause.spares_what_was_cleared())?;
    Some(over_and_done(head, &over))
}

/// The refusal of a request in a task that has reached a limit. What was cleared before may go on, and with it what its
/// server and its client still have to say to each other.
fn spent(head: &Head, ports: &Ports) -> Option<Refusal> {
    let asks = head.direction == Direction::ToServer && head.kind == FrameKind::Request;
    let over = head.task.over(ports.clock.now_us()).filter(|_| asks)?;
    Some(over_and_done(head, &over))
}

fn over_and_done(head: &Head, over: &Over) -> Refusal {
    let words = format!("the task `{}` is over: {over}; nothing more is done in it", head.task.id());
    Refusal::new(Code::TaskOver, words)
}
