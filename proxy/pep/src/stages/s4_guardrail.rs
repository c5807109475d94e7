//! Guardrail: stop conditions that no policy may waive. The halt switch is read live, never from the snapshot.

use std::sync::Arc;

use pdp::decision::Decision;
use pdp::policy::{Facts, Rule};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::call::{Call, Stopped};
use crate::ports::Ports;
use crate::stages::s2_classify::Subject;
use crate::stages::s3_policy::Judged;

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
    if let Some(refusal) = halted(&call, call.state().server(), ports) {
        return Err(call.stop(refusal));
    }
    Ok(call.advance(|was: Judged| {
        let (server, subject, decision, rules, facts) = was.into_parts();
        Cleared { server, subject, decision, rules, facts }
    }))
}

/// The refusal of a halted call. The action stage asks again: a switch thrown meanwhile must count.
pub(super) fn halted<S>(call: &Call<S>, server: &Server, ports: &Ports) -> Option<Refusal> {
    let head = call.head();
    let why = ports.halt.reason(&head.principal, head.task.id(), &server.name)?;
    Some(Refusal::new(Code::Halted, format!("everything of this kind is halted: {why}")))
}
