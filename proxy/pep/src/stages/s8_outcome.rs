//! Outcome: opens what came back, labels it, carries out the obligations. The task's labels rise before anyone reads it.
//!
//! An answer that is not the answer to this request, or not JSON-RPC, is never handed over.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pdp::decision::Obligation;
use pdp::json::{self, Json};
use pdp::method::Feature;
use pdp::record::{Direction, FrameKind, ResultNote};
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Deliver, Server};

use crate::call::{Call, Head, Stopped};
use crate::channel::{Channel, Page};
use crate::entry::OpenRecord;
use crate::envelope::{Envelope, member};
use crate::ports::Ports;
use crate::rewrite::label::{ResultLabel, Source};
use crate::rewrite::{forged, label as tag, listing, quote};
use crate::stages::s2_classify::Subject;
use crate::stages::s7_action::Executed;
use crate::stream::{Event, EventSource};
use crate::trace::hex_id;

/// What an upstream said, sealed. Anyone may seal one; only this module can open it.
pub struct Raw(Sealed);

enum Sealed {
    Whole { status: u16, headers: Vec<(String, String)>, body: Bytes },
    Stream { status: u16, headers: Vec<(String, String)>, source: Box<dyn EventSource> },
}

impl Raw {
    /// Seals an answer that came whole. `headers` are lower-case names: those of the protocol that go back to the client.
    #[must_use]
    pub fn whole(status: u16, headers: Vec<(String, String)>, body: Bytes) -> Self {
        Self(Sealed::Whole { status, headers, body })
    }

    /// Seals a stream of events.
    #[must_use]
    pub fn stream(status: u16, headers: Vec<(String, String)>, source: Box<dyn EventSource>) -> Self {
        Self(Sealed::Stream { status, headers, source })
    }

    /// The HTTP status, which is no content.
    pub(super) fn status(&self) -> Option<u16> {
        match &self.0 {
            Sealed::Whole { status, .. } | Sealed::Stream { status, .. } => Some(*status),
        }
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raw(..)")
    }
}

/// A call whose answer is labelled and fit to be told.
pub struct Labelled {
    handed: Handed,
}

/// What is handed over.
pub(crate) enum Handed {
    /// One answer, or none.
    Whole { status: u16, headers: Vec<(String, String)>, text: Option<String> },
    /// A stream whose every event is labelled as it passes.
    Stream(Flow),
}

impl Labelled {
    pub(super) fn into_handed(self) -> Handed {
        self.handed
    }
}

/// What labelling an answer needs to know of the call it answers. Kept by the channel where the client may come back for
/// an answer that its stream did not bring.
pub(crate) struct Context {
    server: Arc<Server>,
    subject: Subject,
    obligations: BTreeSet<Obligation>,
    session: Option<String>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} {})", self.server.name, self.subject.method())
    }
}

/// An upstream's stream on its way through.
pub(crate) struct Flow {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    source: Box<dyn EventSource>,
    context: Arc<Context>,
}

/// One step of a stream.
pub(crate) enum Step {
    /// An event without a message: a comment, an id, a retry hint.
    Silent(Event),
    /// The answer to the request that opened the stream, labelled or refused.
    Answer(Event, Result<String, Refusal>),
    /// Another message of the server's: a frame of its own.
    Message(Event, String),
    /// The end, with what went wrong if something did.
    End(Option<String>),
}

/// Labels a call's answer.
pub(crate) fn label(call: Call<Executed>, ports: &Ports) -> Result<Call<Labelled>, Stopped> {
    call.try_advance(|head, entry, executed: Executed| {
        let (raw, server, subject, obligations) = executed.into_parts();
        let handed = match raw.0 {
            Sealed::Whole { status, headers, body } => {
                let context = Context { server, subject, obligations, session: session_of(&headers) };
                let text = whole(head, entry, &context, ports, status, &body)?;
                let taken = matches!(head.kind, FrameKind::Notification | FrameKind::Response);
                let status = if taken && text.is_none() && (200..300).contains(&status) { 202 } else { status };
                Handed::Whole { status, headers, text }
            }
            Sealed::Stream { status, headers, source } => {
                let context = Arc::new(Context { server, subject, obligations, session: session_of(&headers) });
                Handed::Stream(Flow { status, headers, source, context })
            }
        };
        Ok(Labelled { handed })
    })
}

/// The answer cannot be handed over, and what the call did is not known.
fn lost(words: &str) -> Refusal {
    let advice = "whether the call had an effect is unknown, so do not simply repeat it";
    Refusal::new(Code::AnswerLost, format!("{words}; {advice}"))
}

fn session_of(headers: &[(String, String)]) -> Option<String> {
    headers.iter().find(|(name, _)| name == "mcp-session-id").map(|(_, id)| id.clone())
}

/// An answer that came whole: what is handed over of it.
fn whole(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    status: u16,
    body: &Bytes,
) -> Result<Option<String>, Refusal> {
    let lost = |words: String| lost(&words);
    if head.direction == Direction::ToClient {
        return event(head, entry, context, ports).map(Some);
    }
    if head.kind == FrameKind::EndSession || (status == 404 && head.channel.session().is_some()) {
        ports.channels.close(&head.server, head.channel.session().unwrap_or_default());
    }
    if status == 401 || status == 403 {
        let words = format!("the server refused the gate's own credential (HTTP {status}); its operator must look");
        return Err(Refusal::new(Code::CredentialUnavailable, words));
    }
    let text = std::str::from_utf8(body).map_err(|_| lost("the server's answer is not valid UTF-8".to_owned()))?;
    let awaited = head.kind == FrameKind::Request;
    if text.trim().is_empty() {
        let accepted = !awaited || status == 404;
        return if accepted {
            Ok(None)
        } else {
            Err(lost(format!("the server answered HTTP {status} and nothing else")))
        };
    }
    match Envelope::outline(text) {
        Ok(envelope) if awaited => answer(head, entry, context, ports, text, &envelope).map(Some),
        Ok(envelope) if envelope.kind == Some(FrameKind::Response) => {
            raise(head, context);
            Ok(Some(cleaned(text, ports)))
        }
        Ok(_) => Err(lost("the server answered with a message that is no answer".to_owned())),
        Err(_) if !awaited => Ok(None),
        Err(_) => Err(lost(format!("the server answered HTTP {status} with something that is not JSON-RPC"))),
    }
}

/// The answer to a request: labelled, filtered, cleaned.
fn answer(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    text: &str,
    envelope: &Envelope,
) -> Result<String, Refusal> {
    if envelope.kind != Some(FrameKind::Response) || !answers(envelope, &head.envelope) {
        return Err(lost("the server's answer is not the answer to this request"));
    }
    told(head, entry, context, ports, text, envelope)
}

/// What is told of an answer to the call of `context`.
fn told(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    text: &str,
    envelope: &Envelope,
) -> Result<String, Refusal> {
    if let Some(error) = envelope.error.clone().and_then(|at| text.get(at)) {
        json::check(error, ports.limits.depth_max)
            .map_err(|e| lost(&format!("the server's answer is ambiguous: {e}")))?;
    }
    raise(head, context);
    entry.write(|record| record.result = Some(result_note(text, envelope)));
    let Some(at) = envelope.result.clone() else { return Ok(cleaned(text, ports)) };
    let result = text.get(at.clone()).ok_or_else(|| lost("the server's answer cannot be read"))?;
    json::check(result, ports.limits.depth_max).map_err(|e| lost(&format!("the server's answer is ambiguous: {e}")))?;
    let new = match context.subject.method() {
        "tools/list" => list(head, entry, context, ports, result)?,
        "initialize" => {
            opened(head, context, ports, result);
            None
        }
        _ => content(entry, context, ports, result),
    };
    let handed = new.map_or_else(|| text.to_owned(), |result| json::replaced(text, at, &result));
    entry.write(|record| {
        if let Some(note) = &mut record.result {
            note.bytes = u64::try_from(handed.len()).unwrap_or(u64::MAX);
        }
    });
    Ok(handed)
}

/// Ids are equal when they are the same JSON value; an error may leave its id null (JSON-RPC 2.0, section 5).
fn answers(answer: &Envelope, request: &Envelope) -> bool {
    let canonical = |id: &Option<String>| {
        let id = id.as_deref()?;
        Some(json::canonical(&Json::read(id, 1).ok()?))
    };
    let unnamed = answer.id.as_deref() == Some("null") && answer.error.is_some();
    unnamed || (answer.id.is_some() && canonical(&answer.id) == canonical(&request.id))
}

/// What an answer was, without its content.
fn result_note(text: &str, envelope: &Envelope) -> ResultNote {
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let part = |at: &Option<std::ops::Range<usize>>| at.clone().and_then(|at| text.get(at));
    let is_error = part(&envelope.result).and_then(|r| member(r, "isError")).is_some_and(|v| v == "true");
    let error = part(&envelope.error);
    let error_code = error.and_then(|e| member(e, "code")).and_then(|c| c.parse().ok());
    let message = error.and_then(|e| member(e, "message")).and_then(|m| json::string(m).ok());
    ResultNote { is_error, error_code, error_message: message.map(|m| m.chars().take(200).collect()), bytes }
}

/// Raises the task's labels by what this call returns, before anybody can read it.
fn raise(head: &Head, context: &Context) {
    let silent = match &context.subject {
        Subject::Tool { .. } => false,
        Subject::Method { known, .. } => known.is_some_and(|m| m.feature == Feature::Lifecycle),
    };
    if !silent {
        head.task.raise(&context.subject.labels(&context.server));
    }
}

fn list(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    result: &str,
) -> Result<Option<String>, Refusal> {
    let words = "the server's answer is not a list of tools";
    let page = listing::filter(result, &context.server).ok_or_else(|| Refusal::new(Code::AnswerLost, words))?;
    // Which page a late answer is cannot be told: it is filtered, and no note is taken of it.
    if head.kind == FrameKind::Request {
        let at = head.envelope.param(&head.text, "cursor").and_then(listing::cursor);
        let place = Page { at: at.as_deref(), next: page.next.as_deref() };
        head.channel.take_page(place, page.live, ports.clock.now_us());
    }
    if !page.withheld.is_empty() {
        entry.note(format!("withheld: {}", page.withheld.join("; ")));
    }
    let kept = page.text.as_deref().unwrap_or(result);
    Ok(forged::without(kept, pdp::digest::DEPTH_MAX).or(page.text))
}

/// A session begins: its channel remembers the task and the revision.
fn opened(head: &Head, context: &Context, ports: &Ports, result: &str) {
    let Some(session) = &context.session else { return };
    let protocol = member(result, "protocolVersion").and_then(|raw| json::string(raw).ok()).map(|v| v.into_owned());
    let task = Arc::clone(&head.task);
    let channel = Channel::of_session(&head.server, &head.principal.key(), session, task, protocol);
    ports.channels.open(channel, ports.clock.now_us());
}

/// A result that carries content: cleaned, quoted where that is asked, labelled. Nothing where it stays as it is.
fn content(entry: &mut OpenRecord, context: &Context, ports: &Ports, result: &str) -> Option<String> {
    let clean = forged::without(result, ports.limits.depth_max);
    if clean.is_some() {
        entry.note("the server forged a label; it was taken out");
    }
    let (tool, resource) = match &context.subject {
        Subject::Tool { tool, .. } => (Some(tool), None),
        Subject::Method { known: Some(known), .. } if known.feature == Feature::Lifecycle => return clean,
        Subject::Method { target, .. } => (None, Some(target)),
    };
    let current = clean.as_deref().unwrap_or(result);
    // A result without members says "done" and carries nothing that could be labelled (MCP, `EmptyResult`).
    if json::members(current).is_ok_and(|members| members.is_empty()) {
        return clean;
    }
    let labels = context.subject.labels(&context.server);
    let deliver = tool.map_or(context.server.deliver, |tool| tool.deliver);
    let source = tool.map_or_else(|| context.server.name.clone(), |t| format!("{}/{}", context.server.name, t.name));
    let quote = deliver == Deliver::Quoted || context.obligations.contains(&Obligation::Quote);
    let quoted = if quote { quote::quoted(current, &source, &hex_id(&ports.entropy.bytes())) } else { None };
    let (number, trace) = entry.read(|r| (r.number, r.trace.clone())).unwrap_or_default();
    let source = Source {
        server: &context.server.name,
        tool: tool.map(|t| t.name.as_str()),
        resource: resource.map(String::as_str).filter(|r| !r.is_empty()),
    };
    let label = ResultLabel { source, trust: tag::trust(&labels), labels: &labels, trace: &trace, record: number };
    let current = quoted.as_deref().unwrap_or(current);
    let labelled = tag::put(current, &label);
    entry.write(|record| record.labels = labels.clone());
    labelled.or(quoted).or(clean)
}

/// A message of the server's on its way to the client.
fn event(head: &Head, entry: &mut OpenRecord, context: &Context, ports: &Ports) -> Result<String, Refusal> {
    if head.kind == FrameKind::Response {
        return late_answer(head, entry, ports);
    }
    let method = head.envelope.method.as_deref().unwrap_or_default();
    if method == "notifications/tools/list_changed" {
        head.channel.forget_listing();
    }
    let speaks = method == "notifications/progress" && head.envelope.param(&head.text, "message").is_some();
    if speaks {
        head.task.raise(&context.server.labels);
    }
    raise(head, context);
    let labels = context.subject.labels(&context.server);
    entry.write(|record| {
        record.labels = labels;
        record.result = Some(ResultNote { bytes: record.bytes_in, ..ResultNote::default() });
    });
    Ok(cleaned(&head.text, ports))
}

/// The answer to a request whose stream did not bring it: labelled as it would have been there.
fn late_answer(head: &Head, entry: &mut OpenRecord, ports: &Ports) -> Result<String, Refusal> {
    let id = head.envelope.id.as_deref().unwrap_or_default();
    let Some(context) = head.channel.settle(id) else {
        return Err(Refusal::new(Code::BrokenFrame, "the request was answered meanwhile"));
    };
    entry.note(format!("the late answer to `{}`, request {id}", context.subject.method()));
    told(head, entry, &context, ports, &head.text, &head.envelope)
}

fn cleaned(text: &str, ports: &Ports) -> String {
    forged::without(text, ports.limits.depth_max).unwrap_or_else(|| text.to_owned())
}

impl Flow {
    /// What the answer will be labelled by.
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The next step. A stream that is silent for longer than the limit ends.
    pub(crate) async fn step(&mut self, head: &Head, entry: &mut OpenRecord, ports: &Ports) -> Step {
        let idle = Duration::from_millis(ports.limits.stream_idle_ms_max);
        let mut event = match tokio::time::timeout(idle, self.source.next()).await {
            Err(_) => return Step::End(Some("the server was silent for too long".to_owned())),
            Ok(None) => return Step::End(None),
            Ok(Some(Err(fault))) => return Step::End(Some(fault)),
            Ok(Some(Ok(event))) => event,
        };
        // A priming event has an id and empty data; it passes as it is, and `data` with it.
        let Some(text) = event.data.take_if(|text| !text.trim().is_empty()) else {
            return Step::Silent(event);
        };
        let awaited = head.kind == FrameKind::Request;
        match Envelope::outline(&text) {
            Ok(envelope) if awaited && envelope.kind == Some(FrameKind::Response) => {
                let told = answer(head, entry, &self.context, ports, &text, &envelope);
                Step::Answer(event, told)
            }
            Ok(_) | Err(_) => Step::Message(event, text),
        }
    }
}
