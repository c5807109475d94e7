//! Who is given a slip instead of being made to wait, and what its server is sent then.
//!
//! By 2025-11-25 a client asks for a task with its call, of a tool that may be called so; by the extension
//! `io.modelcontextprotocol/tasks` it says with its call that it takes one. Both only where the registry opens the tasks of the
//! server: elsewhere its client could not come back. A tool that its server does as a task in any case stays with its server.

use std::sync::Arc;

use memchr::memmem;
use pdp::json::{Part, member};
use pdp::method;
use pdp::record::{Direction, FrameKind};
use pdp::registry::{Server, Tool};
use serde_json::Value;
use tokio::sync::mpsc;

use super::slips::Awaited;
use super::{META_CAPABILITIES, SEARCHED_MAX, meta_object, waits_for};
use crate::call::{Call, Head};
use crate::envelope::Envelope;
use crate::frame::{Content, EventOf, Frame};
use crate::ports::{Gate, Hold, Pending};
use crate::rewrite::forged::without_members;
use crate::stages::s2_classify::Subject;

/// The extension.
const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// What a server may ask a client for in the course of a call: nobody is there to be asked.
const ASKABLE: [&str; 3] = ["elicitation", "sampling", "roots"];

/// Whether a frame may be one whose client takes a slip. Cheap, and may be wrong for the better.
pub(super) fn may_take_a_slip(frame: &Frame) -> bool {
    let Content::Message(bytes) = &frame.content else { return false };
    let holds = |text: &str| memmem::find(bytes, text.as_bytes()).is_some();
    bytes.len() > SEARCHED_MAX || holds("\"task\"") || holds("/tasks\"")
}

/// By which a call that begins to wait gives its client a slip.
pub(crate) struct Offer {
    pub(super) out: mpsc::Sender<(Frame, Awaited)>,
    pub(super) gate: Arc<Gate>,
}

impl std::fmt::Debug for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Offer(..)")
    }
}

/// Whether the client of this call takes a slip for it.
pub(super) fn takes_a_slip(head: &Head, server: &Server, subject: &Subject) -> bool {
    let Subject::Tool { tool, .. } = subject else { return false };
    let asks = head.kind == FrameKind::Request && head.direction == Direction::ToServer;
    if !asks || head.offer.is_none() || !server.opens("tasks/get", method::find("tasks/get")) {
        return false;
    }
    let support = support_of(tool);
    if !head.modern {
        let wants = head.envelope.param_part(&head.text, "task").is_some_and(|task| task.text().starts_with('{'));
        return wants && support == Some("\"optional\"");
    }
    // A retry of a server's own question goes back to that server.
    if support == Some("\"required\"") || head.envelope.param(&head.text, "requestState").is_some() {
        return false;
    }
    let capabilities = meta_object(head, META_CAPABILITIES);
    capabilities
        .is_some_and(|all| all.pointer("/extensions").and_then(|of| of.get(EXTENSION)).is_some_and(Value::is_object))
}

/// Whether a tool may be called as a task, as it was reviewed (MCP 2025-11-25, tool-level negotiation).
fn support_of(tool: &Tool) -> Option<&str> {
    member(member(&tool.definition, "execution")?, "taskSupport")
}

/// Gives the client of a call that waits for this request a slip, or says on the one it has what the call waits for now.
/// Answers false where there is none.
pub(crate) fn gave_a_slip<S>(call: &mut Call<S>, hold: &Hold, pending: &Pending) -> bool {
    let words = format!("{}: {}", waits_for(hold), pending.url);
    let head = call.head();
    let Some(offer) = &head.offer else { return false };
    let now_us = offer.gate.ports.clock.now_us();
    if let Some(slip) = &head.slip {
        slip.says(words, now_us);
        return true;
    }
    let Some(awaited) = Awaited::new(head, &offer.gate, hold, pending) else { return false };
    let slip = Arc::clone(awaited.slip());
    slip.says(words, now_us);
    let of = EventOf {
        text: slip.given(),
        task: Arc::clone(&head.task),
        channel: Arc::clone(&head.channel),
        parent_span: String::new(),
        own: Some("made by the gate: the call waits for people, and its client comes back for the result"),
    };
    let frame = Frame::event(head.caller.clone(), &head.server, of);
    if let Err(untold) = offer.out.try_send((frame, awaited)) {
        untold.into_inner().1.untold();
        return false;
    }
    call.goes_on_for(slip);
    true
}

/// What is sent of a call whose client has a slip: the answer is to be its result, and nobody can be asked in between.
pub(crate) fn unattended(head: &Head, depth_max: usize) -> Option<(String, Envelope)> {
    head.slip.as_ref()?;
    let read = |text: String| Envelope::read(&text, depth_max).ok().map(|envelope| (text, envelope));
    let without = |text: &str, part: Option<Part<'_>>, named: &dyn Fn(&str) -> bool| {
        part.map_or_else(|| text.to_owned(), |part| without_members(text, part, named))
    };
    if !head.modern {
        // However it is spelt: some decoders take it for the same.
        let named = |name: &str| name.eq_ignore_ascii_case("task");
        return read(without(&head.text, head.envelope.part(&head.text, "params"), &named));
    }
    fn capabilities<'a>(text: &'a str, envelope: &'a Envelope) -> Option<Part<'a>> {
        envelope.param_part(text, "_meta")?.get(META_CAPABILITIES)
    }
    let named = |name: &str| ASKABLE.contains(&name);
    let (text, envelope) = read(without(&head.text, capabilities(&head.text, &head.envelope), &named))?;
    let extensions = capabilities(&text, &envelope).and_then(|all| all.get("extensions"));
    read(without(&text, extensions, &|name| name == EXTENSION))
}
