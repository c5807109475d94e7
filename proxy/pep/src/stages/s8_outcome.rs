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

use crate::asides;
use crate::call::{Call, Head, Stopped};
use crate::channel::{Channel, Page};
use crate::entry::OpenRecord;
use crate::envelope::{Envelope, member};
use crate::ports::Ports;
use crate::rewrite::dress::{Dress, Dressed, Quotation};
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

/// What labelling needs to know of the call beside its head.
struct Context {
    server: Arc<Server>,
    subject: Subject,
    obligations: BTreeSet<Obligation>,
    session: Option<String>,
}

/// An upstream's stream on its way through.
pub(crate) struct Flow {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    source: Box<dyn EventSource>,
    context: Context,
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
                let context = Context { server, subject, obligations, session: session_of(&headers) };
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
        let words = format!("the server refused the gate or its credential (HTTP {status}); its operator must look");
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
    if let Some(error) = envelope.error.clone().and_then(|at| text.get(at)) {
        json::check(error, ports.limits.depth_max)
            .map_err(|e| lost(&format!("the server's answer is ambiguous: {e}")))?;
    }
    raise(head, context);
    entry.write(|record| record.result = Some(result_note(text, envelope)));
    let Some(at) = envelope.result.clone() else { return error(head, entry, context, ports, text, envelope) };
    let result = text.get(at.clone()).ok_or_else(|| lost("the server's answer cannot be read"))?;
    json::check(result, ports.limits.depth_max).map_err(|e| lost(&format!("the server's answer is ambiguous: {e}")))?;
    asides::permit(head, &context.server, entry, ports, &asides::asked(result)?)?;
    let new = match head.envelope.method.as_deref() {
        Some("tools/list") => list(head, entry, context, ports, result)?,
        Some("tasks/list") => {
            let own = others_left_out(head, entry, ports, result);
            content(entry, context, ports, &own).or(Some(own))
        }
        Some("initialize") => {
            opened(head, context, ports, result);
            instructions(head, entry, context, ports, result)
        }
        Some("server/discover") => instructions(head, entry, context, ports, result),
        Some(_) | None => {
            note_job(head, context, ports, result);
            content(entry, context, ports, result)
        }
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

/// An error is the server's word too: its labels count, and it asks for nothing it may not.
fn error(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    text: &str,
    envelope: &Envelope,
) -> Result<String, Refusal> {
    let error = envelope.error.clone().and_then(|at| text.get(at)).unwrap_or_default();
    asides::permit(head, &context.server, entry, ports, &asides::demanded(error)?)?;
    if !is_lifecycle(&context.subject) {
        entry.write(|record| record.labels = context.subject.labels().clone());
    }
    Ok(cleaned(text, ports))
}

/// Raises the task's labels by what this call returns, before anybody can read it.
fn raise(head: &Head, context: &Context) {
    if !is_lifecycle(&context.subject) {
        head.task.raise(context.subject.labels());
    }
}

fn is_lifecycle(subject: &Subject) -> bool {
    match subject {
        Subject::Tool { .. } => false,
        Subject::Method { known, .. } => known.is_some_and(|m| m.feature == Feature::Lifecycle),
    }
}

/// The opening of a server is of the lifecycle, but for its instructions: those are text for the model, and unreviewed.
fn instructions(head: &Head, entry: &mut OpenRecord, context: &Context, ports: &Ports, result: &str) -> Option<String> {
    let clean = forged::without(result, ports.limits.depth_max);
    let current = clean.as_deref().unwrap_or(result);
    let said = member(current, "instructions").and_then(|raw| json::string(raw).ok()).filter(|text| !text.is_empty());
    let Some(said) = said else { return clean };
    let labels = &context.server.labels;
    head.task.raise(labels);
    entry.write(|record| record.labels = labels.clone());
    if context.server.deliver == Deliver::Plain {
        return clean;
    }
    let quoted = quote::evidence(&said, &context.server.name, &hex_id(&ports.entropy.bytes()));
    json::with_member(current, "instructions", &json::quoted(&quoted)).ok().or(clean)
}

/// A tool that answers with work still to be done: what comes of it later is that tool's result.
fn note_job(head: &Head, context: &Context, ports: &Ports, result: &str) {
    let Subject::Tool { tool, .. } = &context.subject else { return };
    // 2025-11-25: `task.taskId`; the 2026 extension: `taskId` beside `resultType`.
    let task = member(result, "task").or_else(|| (member(result, "resultType") == Some("\"task\"")).then_some(result));
    let id = task.and_then(|task| member(task, "taskId")).and_then(|raw| json::string(raw).ok());
    if let Some(id) = id {
        let now_us = ports.clock.now_us();
        ports.channels.jobs().begun(&head.server, &id, &head.principal.key(), &tool.name, now_us);
    }
}

/// A list of tasks without those of other principals: a server that knows the gate alone cannot tell them apart.
fn others_left_out(head: &Head, entry: &mut OpenRecord, ports: &Ports, result: &str) -> String {
    let Some(items) = member(result, "tasks").and_then(|raw| json::items(raw).ok()) else { return result.to_owned() };
    let (own, now_us) = (head.principal.key(), ports.clock.now_us());
    let another = |item: &str| {
        let id = member(item, "taskId").and_then(|raw| json::string(raw).ok());
        let job = id.and_then(|id| ports.channels.jobs().known(&head.server, &id, now_us));
        job.is_some_and(|job| job.owner != own)
    };
    let kept: Vec<&str> = items.iter().map(|item| item.get()).filter(|item| !another(item)).collect();
    if kept.len() == items.len() {
        return result.to_owned();
    }
    entry.note(format!("withheld: {} tasks of other principals", items.len() - kept.len()));
    json::with_member(result, "tasks", &format!("[{}]", kept.join(","))).unwrap_or_else(|_| "{\"tasks\":[]}".to_owned())
}

fn list(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    result: &str,
) -> Result<Option<String>, Refusal> {
    let words = "the server's answer is not a list of tools";
    let at = head.envelope.param(&head.text, "cursor").and_then(listing::cursor);
    let page = listing::filter(result, &context.server, at.as_deref());
    let page = page.ok_or_else(|| Refusal::new(Code::AnswerLost, words))?;
    let place = Page { at: at.as_deref(), next: page.next.as_deref() };
    head.channel.take_page(place, page.live, ports.clock.now_us());
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
    if is_lifecycle(&context.subject) {
        return clean;
    }
    let current = clean.as_deref().unwrap_or(result);
    let nested = matches!(&context.subject, Subject::Method { known: Some(m), .. } if m.feature == Feature::Tasks);
    let dressed = dressed(entry, context, ports, |dress| if nested { dress.put(current) } else { dress.one(current) });
    entry.write(|record| record.labels = context.subject.labels().clone());
    dressed.or(clean)
}

/// Dresses content of this call, and notes what could not be quoted.
fn dressed(
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    put: impl FnOnce(&Dress<'_>) -> Dressed,
) -> Option<String> {
    let (subject, server) = (&context.subject, &context.server);
    let (tool, labels) = (subject.tool(), subject.labels());
    let source = tool.map_or_else(|| server.name.clone(), |t| format!("{}/{}", server.name, t.name));
    let resource = match subject {
        Subject::Tool { .. } => None,
        Subject::Method { target, .. } => Some(target.as_str()).filter(|target| !target.is_empty()),
    };
    let (number, trace) = entry.read(|r| (r.number, r.trace.clone())).unwrap_or_default();
    let from = Source { server: &server.name, tool: tool.map(|t| t.name.as_str()), resource };
    let label = ResultLabel { source: from, trust: tag::trust(labels), labels, trace: &trace, record: number };
    let quote = subject.deliver() == Deliver::Quoted || context.obligations.contains(&Obligation::Quote);
    let word = hex_id(&ports.entropy.bytes());
    let quotation =
        quote.then_some(Quotation { source: &source, word: &word, tool: tool.map(std::convert::AsRef::as_ref) });
    let dressed = put(&Dress { label, quotation });
    if dressed.plain {
        entry.note("structured content was handed over plain: quoted, it would not fit the tool's output schema");
    }
    dressed.text
}

/// A message of the server's on its way to the client.
fn event(head: &Head, entry: &mut OpenRecord, context: &Context, ports: &Ports) -> Result<String, Refusal> {
    let method = head.envelope.method.as_deref().unwrap_or_default();
    if method == "notifications/tools/list_changed" {
        head.channel.forget_listing();
    }
    let words = match method {
        "notifications/progress" => "message",
        "notifications/cancelled" => "reason",
        _ => "",
    };
    if head.envelope.param(&head.text, words).is_some() {
        head.task.raise(&context.server.labels);
    }
    raise(head, context);
    entry.write(|record| {
        record.labels = context.subject.labels().clone();
        record.result = Some(ResultNote { bytes: record.bytes_in, ..ResultNote::default() });
    });
    let text = cleaned(&head.text, ports);
    if method != "notifications/tasks" {
        return Ok(text);
    }
    let Some(params) = member(&text, "params") else { return Ok(text) };
    asides::permit(head, &context.server, entry, ports, &asides::asked(params)?)?;
    // A finished task's notification brings its result whole.
    let Some(result) = member(params, "result").filter(|raw| raw.starts_with('{')) else { return Ok(text) };
    let Some(at) = json::place(&text, result) else { return Ok(text) };
    let dressed = dressed(entry, context, ports, |dress| dress.one(result));
    Ok(dressed.map(|result| json::replaced(&text, at, &result)).unwrap_or(text))
}

fn cleaned(text: &str, ports: &Ports) -> String {
    forged::without(text, ports.limits.depth_max).unwrap_or_else(|| text.to_owned())
}

impl Flow {
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
