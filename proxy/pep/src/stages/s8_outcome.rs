//! Outcome: opens what came back, labels it, carries out the obligations. The task's labels rise before anyone reads it.
//!
//! An answer that is not the answer to this request, or not JSON-RPC, is never handed over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pdp::flow::Carried;
use pdp::json::{self, Json, Part};
use pdp::record::{Direction, FrameKind, ResultNote};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Deliver;

use crate::call::{Call, Head, Stopped};
use crate::carried::{self, Settled, raise};
use crate::channel::{Channel, Page};
use crate::content::{Context, Given, cleaned, content, finished, label_of, note_carried, result_note};
use crate::entry::OpenRecord;
use crate::envelope::{Envelope, member, names_no_method};
use crate::long::{Passage, PieceSource};
use crate::ports::Ports;
use crate::rewrite::{listing, passing::Passing, quote};
use crate::stages::s2_classify::Subject;
use crate::stages::s7_action::Executed;
use crate::stream::{Event, EventSource};
use crate::task::window;
use crate::trace::hex_id;
use crate::validation;
use crate::{approval, asides, effect, job};

/// What an upstream said, sealed. Anyone may seal one; only this module can open it.
pub struct Raw(Sealed);

enum Sealed {
    Whole { status: u16, headers: Vec<(String, String)>, body: Bytes },
    Long { status: u16, headers: Vec<(String, String)>, source: Box<dyn PieceSource> },
    Stream { status: u16, headers: Vec<(String, String)>, source: Box<dyn EventSource> },
}

impl Raw {
    /// Seals an answer that came whole. `headers` are lower-case names: those of the protocol that go back to the client.
    #[must_use]
    pub fn whole(status: u16, headers: Vec<(String, String)>, body: Bytes) -> Self {
        Self(Sealed::Whole { status, headers, body })
    }

    /// Seals an answer that is too long to be held. Only for an order that [takes
    /// it](crate::Dispatch::takes_long_answers).
    #[must_use]
    pub fn long(status: u16, headers: Vec<(String, String)>, source: Box<dyn PieceSource>) -> Self {
        Self(Sealed::Long { status, headers, source })
    }

    /// Seals a stream of events.
    #[must_use]
    pub fn stream(status: u16, headers: Vec<(String, String)>, source: Box<dyn EventSource>) -> Self {
        Self(Sealed::Stream { status, headers, source })
    }

    /// The HTTP status, which is no content.
    pub(super) fn status(&self) -> Option<u16> {
        match &self.0 {
            Sealed::Whole { status, .. } | Sealed::Long { status, .. } | Sealed::Stream { status, .. } => Some(*status),
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
    /// An answer that is labelled as its pieces pass.
    Long(u16, Vec<(String, String)>, Box<Passage>),
    /// A stream whose every event is labelled as it passes.
    Stream(Flow),
}

impl Labelled {
    pub(super) fn into_handed(self) -> Handed {
        self.handed
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
        let (raw, server, subject, obligations, pending) = executed.into_parts();
        let given = Given::of(head, entry, &subject);
        let handed = match raw.0 {
            Sealed::Whole { status, headers, body } => {
                let context = Context { server, subject, obligations, session: session_of(&headers), pending, given };
                let text = whole(head, entry, &context, ports, status, &body)?;
                let taken = matches!(head.kind, FrameKind::Notification | FrameKind::Response);
                let status = if taken && text.is_none() && (200..300).contains(&status) { 202 } else { status };
                Handed::Whole { status, headers, text }
            }
            Sealed::Long { status, headers, source } => {
                let context = Context { server, subject, obligations, session: None, pending, given };
                raise(head, &context);
                let beyond = validation::of_passing(&context.subject);
                head.task.raise(&beyond);
                // The message is one level deeper than its result.
                let depth_max = ports.limits.depth_max.saturating_add(1);
                let carried = context.subject.presumed().join(&Carried::labelled(beyond));
                let label = label_of(entry, &context, &carried).unwrap_or_else(|| "{}".to_owned());
                let read = window::Passing::new(head, entry, &context, &ports.limits);
                let (passing, patience) = (Passing::new(depth_max, label), context.subject.timeout(&context.server));
                Handed::Long(status, headers, Box::new(Passage { source, passing, patience, read }))
            }
            Sealed::Stream { status, headers, source } => {
                let context = Context { server, subject, obligations, session: session_of(&headers), pending, given };
                Handed::Stream(Flow { status, headers, source, context: Arc::new(context) })
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
    if let Some(slip) = context.subject.slip() {
        // What came of its call was labelled and cleaned when it came.
        let text = std::str::from_utf8(body).map_err(|_| lost("it cannot be read".to_owned()))?;
        slip.handed_over(head, entry, ports, text);
        return Ok(Some(text.to_owned()));
    }
    if head.kind == FrameKind::EndSession || (status == 404 && head.channel.session().is_some()) {
        ports.channels.close(&head.server, head.channel.session().unwrap_or_default());
    }
    if status == 401 || status == 403 {
        carried::failed(context);
        let words = format!("the server refused the gate or its credential (HTTP {status}); its operator must look");
        return Err(Refusal::new(Code::CredentialUnavailable, words));
    }
    let text =
        simdutf8::basic::from_utf8(body).map_err(|_| lost("the server's answer is not valid UTF-8".to_owned()))?;
    let awaited = head.kind == FrameKind::Request;
    if text.trim().is_empty() {
        let accepted = !awaited || status == 404;
        return if accepted {
            Ok(None)
        } else {
            Err(lost(format!("the server answered HTTP {status} and nothing else")))
        };
    }
    match Envelope::read_answer(text, ports.limits.depth_max) {
        Ok(envelope) if awaited => answer(head, entry, context, ports, text, &envelope).map(Some),
        Ok(envelope) if envelope.kind == Some(FrameKind::Response) => {
            raise(head, context);
            Ok(Some(cleaned(text, &envelope, ports)))
        }
        Ok(_) => Err(lost("the server answered with a message that is no answer".to_owned())),
        Err(_) if !awaited => Ok(None),
        Err(refusal) => Err(unreadable(&refusal)
            .unwrap_or_else(|| lost(format!("the server answered HTTP {status} with something that is not JSON-RPC")))),
    }
}

/// An answer that two readers may read in two ways; nothing where it is no JSON-RPC at all.
fn unreadable(refusal: &Refusal) -> Option<Refusal> {
    let ambiguous = matches!(refusal.code, Code::DuplicateMember | Code::TooDeep);
    let words = refusal.message.trim_start_matches("the message is ").trim_start_matches("ambiguous: ");
    ambiguous.then(|| lost(&format!("the server's answer is ambiguous: {words}")))
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
    if envelope.kind != Some(FrameKind::Response)
        || !is_answer_to(envelope.id.as_deref(), envelope.error.is_some(), &head.envelope)
    {
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
    raise(head, context);
    entry.answered();
    entry.write(|record| record.result = Some(result_note(text, envelope)));
    let Some(result) = envelope.part(text, "result") else { return error(head, entry, context, ports, text, envelope) };
    asides::permit(head, &context.server, entry, ports, &asides::asked(result)?)?;
    let handed = match context.subject.method() {
        "tools/list" => list(head, entry, context, ports, text, envelope)?,
        "tasks/list" => job::list(head, entry, context, ports, text, envelope)?,
        "initialize" => {
            opened(head, context, ports, result);
            instructions(head, entry, context, ports, text, envelope)
        }
        "server/discover" => instructions(head, entry, context, ports, text, envelope),
        _ => {
            note_job(head, context, ports, result);
            let beyond = validation::of_answer(entry, context, result)
                .and_then(|beyond| effect::held_against(head, entry, context, text, result).map(|()| beyond))
                .map_err(|refusal| effect::withheld(head, entry, context, ports, (text, envelope), refusal))?;
            let Settled { carried, text: kept } = carried::settle(head, entry, context, ports, result, &beyond)?;
            match kept.map(|kept| json::replaced(text, result.range(), &kept)) {
                Some(text) => {
                    let envelope = Envelope::read_answer(&text, ports.limits.depth_max)?;
                    content(entry, context, &carried, ports, &text, &envelope)
                }
                None => content(entry, context, &carried, ports, text, envelope),
            }
        }
    };
    window::read(head, entry, context, text, &ports.limits);
    entry.write(|record| {
        if let Some(note) = &mut record.result {
            note.bytes = u64::try_from(handed.len()).unwrap_or(u64::MAX);
        }
    });
    Ok(handed)
}

/// Ids are equal when they are the same JSON value; an error may leave its id null (JSON-RPC 2.0, section 5).
pub(crate) fn is_answer_to(id: Option<&str>, failed: bool, request: &Envelope) -> bool {
    let canonical = |id: &str| Some(json::canonical(&Json::read(id, 1).ok()?));
    match (id, request.id.as_deref()) {
        (Some("null"), _) if failed => true,
        (Some(id), Some(asked)) => id == asked || (canonical(id).is_some() && canonical(id) == canonical(asked)),
        (Some(_) | None, Some(_) | None) => false,
    }
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
    if let Some(error) = envelope.part(text, "error") {
        asides::permit(head, &context.server, entry, ports, &asides::demanded(error)?)?;
    }
    carried::failed(context);
    if !context.subject.is_lifecycle() {
        note_carried(entry, context.subject.presumed());
    }
    window::read(head, entry, context, text, &ports.limits);
    Ok(cleaned(text, envelope, ports))
}

/// The opening of a server is of the lifecycle, but for its instructions: those are text for the model, and unreviewed.
fn instructions(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    text: &str,
    envelope: &Envelope,
) -> String {
    let clean = cleaned(text, envelope, ports);
    let said = envelope.part(text, "result").and_then(|result| result.get("instructions")).map(Part::text);
    let Some(said) = said.and_then(json::string_lossy).filter(|said| !said.is_empty()) else { return clean };
    let carried = context.server.carried();
    head.task.gather(&carried);
    window::read_words(head, &carried.labels, &said, &ports.limits);
    note_carried(entry, carried);
    if context.server.deliver == Deliver::Plain {
        return clean;
    }
    let evidence = quote::evidence(&said, &context.server.name, &hex_id(&ports.entropy.bytes()));
    let quoted = member(&clean, "result").and_then(|result| {
        let at = json::place(&clean, result)?;
        let result = json::with_member(result, "instructions", &json::quoted(&evidence)).ok()?;
        Some(json::replaced(&clean, at, &result))
    });
    quoted.unwrap_or(clean)
}

/// A tool that answers with work still to be done: what comes of it later is that tool's result.
fn note_job(head: &Head, context: &Context, ports: &Ports, result: Part<'_>) {
    if let Subject::Tool { tool, expected, .. } = &context.subject
        && let Some(id) = job::begun_by(result)
    {
        let now_us = ports.clock.now_us();
        ports.channels.jobs().begun(&head.server, &id, &head.principal.key(), (&tool.name, expected.as_ref()), now_us);
    }
}

/// A page of tools, less those that may not be seen.
fn list(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    text: &str,
    envelope: &Envelope,
) -> Result<String, Refusal> {
    let words = "the server's answer is not a list of tools";
    let at = envelope.result.clone().unwrap_or_default();
    let asked = head.envelope.param(&head.text, "cursor").and_then(listing::cursor);
    // Which page a late answer is cannot be told: it is filtered, and no note is taken of it.
    let late = head.kind != FrameKind::Request;
    let first = !late && asked.is_none();
    let page =
        text.get(at.clone()).and_then(|result| listing::filter(result, &context.server, head.task.scope(), first));
    let page = page.ok_or_else(|| Refusal::new(Code::AnswerLost, words))?;
    if !late {
        let place = Page { at: asked.as_deref(), next: page.next.as_deref() };
        ports.channels.take_page(&head.channel, place, page.live, ports.clock.now_us());
    }
    if !page.withheld.is_empty() {
        entry.note(format!("withheld: {}", page.withheld.join("; ")));
    }
    // Cleaned last: a pin is the digest of what the server really said.
    let kept = page.text.map_or_else(|| text.to_owned(), |result| json::replaced(text, at, &result));
    Ok(cleaned(&kept, envelope, ports))
}

/// A session begins: its channel remembers the task and the revision.
fn opened(head: &Head, context: &Context, ports: &Ports, result: Part<'_>) {
    let Some(session) = &context.session else { return };
    let protocol = result.get("protocolVersion").and_then(|raw| raw.string()).map(|v| v.into_owned());
    let task = Arc::clone(&head.task);
    let tells = ["capabilities", "tools", "listChanged"].into_iter().try_fold(result.text(), member) == Some("true");
    let channel = Channel::of_session(&head.server, &head.principal.key(), session, task, protocol, tells);
    ports.channels.open(channel.named(approval::introduced(head)), ports.clock.now_us());
}

/// A message of the server's on its way to the client.
fn event(head: &Head, entry: &mut OpenRecord, context: &Context, ports: &Ports) -> Result<String, Refusal> {
    if head.kind == FrameKind::Response && head.own {
        entry.write(|record| record.result = Some(result_note(&head.text, &head.envelope)));
        return Ok(head.text.to_string());
    }
    if head.kind == FrameKind::Response {
        return late_answer(head, entry, ports);
    }
    let method = head.envelope.method.as_deref().unwrap_or_default();
    if method == "notifications/tools/list_changed" {
        head.channel.forget_listing();
    }
    let words = match method {
        "notifications/progress" => "message",
        "notifications/cancelled" => "reason",
        _ => "",
    };
    if !words.is_empty() && head.envelope.param(&head.text, words).is_some() {
        head.task.gather(&context.server.carried());
        window::read_under(head, &context.server.labels, None, &head.text, &ports.limits);
    }
    raise(head, context);
    note_carried(entry, context.subject.presumed());
    entry.write(|record| {
        record.result = Some(ResultNote { bytes: record.bytes_in, ..ResultNote::default() });
    });
    let text = cleaned(&head.text, &head.envelope, ports);
    let params = head.envelope.part(&head.text, "params").filter(|_| method == "notifications/tasks");
    let told = match params {
        Some(params) => {
            asides::permit(head, &context.server, entry, ports, &asides::asked(params)?)?;
            let beyond = validation::of_notice(entry, context, params)?;
            let Settled { carried, text: kept } = carried::settle(head, entry, context, ports, params, &beyond)?;
            let text = match kept.map(|kept| json::replaced(&head.text, params.range(), &kept)) {
                Some(kept) => cleaned(&kept, &Envelope::read_answer(&kept, ports.limits.depth_max)?, ports),
                None => text,
            };
            finished(entry, context, &carried, ports, &text).unwrap_or(text)
        }
        None => text,
    };
    window::read(head, entry, context, &head.text, &ports.limits);
    Ok(told)
}

/// The answer to a request whose stream did not bring it: labelled as it would have been there.
fn late_answer(head: &Head, entry: &mut OpenRecord, ports: &Ports) -> Result<String, Refusal> {
    let id = head.envelope.id.as_deref().unwrap_or_default();
    let Some(context) = head.channel.owed(id) else {
        return Err(Refusal::new(Code::BrokenFrame, "the request has been forgotten meanwhile"));
    };
    entry.note(format!("the late answer to `{}`, request {id}", context.subject.method()));
    told(head, entry, &context, ports, &head.text, &head.envelope)
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
        match Envelope::read_answer(&text, ports.limits.depth_max) {
            Ok(envelope) if awaited && envelope.kind == Some(FrameKind::Response) => {
                let told = answer(head, entry, &self.context, ports, &text, &envelope);
                Step::Answer(event, told)
            }
            Err(refusal) if awaited && names_no_method(&text) => match unreadable(&refusal) {
                Some(lost) => Step::Answer(event, Err(lost)),
                None => Step::Message(event, text),
            },
            Ok(_) | Err(_) => Step::Message(event, text),
        }
    }
}
