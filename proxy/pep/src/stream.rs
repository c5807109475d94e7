//! The life of a stream: every event is labelled as it passes, and each message of the server's own is a frame by itself.
//!
//! The record of the request that opened the stream stays open until its answer has passed, or the stream is dropped.

use std::sync::Arc;

use pdp::record::{Ending, FrameKind};
use pdp::refusal::{Code, Refusal};

use crate::call::Head;
use crate::entry::OpenRecord;
use crate::frame::{EventOf, Frame};
use crate::notice::{Notices, RELISTED};
use crate::ports::{BoxFuture, Gate};
use crate::reply::Body;
use crate::stages::s7_action::CANCELLED;
use crate::stages::s8_outcome::{Flow, Step};
use crate::stages::s9_audit;

/// One server-sent event (WHATWG HTML, section 9.2). Over standard streams only `data` is ever set.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's type, where one was named.
    pub event: Option<String>,
    /// The message.
    pub data: Option<String>,
    /// The id to resume from.
    pub id: Option<String>,
    /// The time to wait before reconnecting, as written.
    pub retry: Option<String>,
    /// A comment, which keeps the connection alive.
    pub comment: Option<String>,
}

// Written by hand: a derived `Debug` would print bodies into logs.
impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({:?}, {} bytes)", self.id, self.data.as_ref().map_or(0, String::len))
    }
}

/// Where events come from.
pub trait EventSource: Send {
    /// The next event; nothing at the end; an error, in words, when the stream broke. What this returns may be dropped while
    /// it waits, and then nothing is lost of what was read.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Event, String>>>;
}

/// The events of one reply.
pub struct EventStream {
    head: Box<Head>,
    /// Nothing once the answer has passed.
    entry: Option<OpenRecord>,
    span: String,
    named: (u64, String),
    flow: Flow,
    notices: Notices,
    gate: Arc<Gate>,
    resumable: bool,
    over: bool,
}

impl EventStream {
    pub(crate) fn new(mut head: Box<Head>, entry: OpenRecord, flow: Flow, gate: Arc<Gate>) -> Self {
        let named = entry.read(|r| (r.number, r.trace.clone())).unwrap_or_default();
        head.release_law();
        let span = entry.read(|r| r.span.clone()).unwrap_or_default();
        let notices = Notices::of(&head, gate.ports.channels.bulletin());
        Self { head, entry: Some(entry), span, named, flow, notices, gate, resumable: false, over: false }
    }

    /// The next event for the client; nothing at the end.
    pub async fn next(&mut self) -> Option<Event> {
        while !self.over {
            let Some(entry) = &mut self.entry else {
                // After the answer nothing but silence may follow on this stream; what does is dropped with it.
                self.over = true;
                break;
            };
            let step = tokio::select! {
                step = self.flow.step(&self.head, entry, &self.gate.ports) => step,
                () = self.head.cancelled() => {
                    self.cancelled().await;
                    return None;
                }
                () = self.notices.due(&self.head.channel) => {
                    if let Some(event) = self.passed_on(Event::default(), self.notices.text(), Some(RELISTED)).await {
                        return Some(event);
                    }
                    continue;
                }
            };
            match step {
                Step::Silent(event) => {
                    self.numbered(&event);
                    return Some(event);
                }
                Step::Answer(event, told) => return Some(self.answered(event, told).await),
                Step::Message(event, text) => {
                    self.numbered(&event);
                    let passed = self.passed_on(event, text, None).await;
                    if let Some(event) = passed {
                        self.notices.heard(event.data.as_deref().unwrap_or_default());
                        return Some(event);
                    }
                }
                Step::End(fault) => return self.ended(fault).await,
            }
        }
        None
    }

    /// An event with an id can be resumed from, and then the answer comes on another stream.
    fn numbered(&mut self, event: &Event) {
        if event.id.is_some() && !self.resumable {
            self.resumable = true;
            if let (FrameKind::Request, Some(id)) = (self.head.kind, &self.head.envelope.id) {
                self.head.channel.owe(id, self.flow.context());
            }
        }
    }

    /// Reads on to the answer of the request, dropping every other event. For the gate's own requests.
    pub(crate) async fn answer_alone(&mut self) -> Option<String> {
        loop {
            let event = self.next().await?;
            if self.entry.is_none() {
                return event.data;
            }
        }
    }

    async fn answered(&mut self, mut event: Event, told: Result<String, Refusal>) -> Event {
        let told = match (told, self.entry.take()) {
            (told, None) => told,
            (Ok(text), Some(mut entry)) => {
                entry.handed(&text);
                s9_audit::close(entry, Ending::Served, &self.gate.ports).await.map(|()| text)
            }
            (Err(refusal), Some(entry)) => Err(s9_audit::withhold(entry, refusal, &self.gate).await),
        };
        let address = self.head.address();
        event.data =
            Some(told.unwrap_or_else(|refusal| s9_audit::refusal_event(&address, &refusal, self.named.clone())));
        self.head.slot = None;
        event
    }

    /// The client cancelled the request: a legacy server sends no answer, so nothing else would end it.
    async fn cancelled(&mut self) {
        self.over = true;
        self.head.slot = None;
        let Some(mut entry) = self.entry.take() else { return };
        let ending = if entry.has_intent() { Ending::Indeterminate } else { Ending::Abandoned };
        entry.write(|record| record.refusal = Some(Refusal::new(Code::Cancelled, CANCELLED)));
        let _refused = s9_audit::close(entry, ending, &self.gate.ports).await;
    }

    /// A message of the server's own, or a notice of the gate's: a frame like any other.
    async fn passed_on(&mut self, mut event: Event, text: String, own: Option<&'static str>) -> Option<Event> {
        let of = EventOf {
            text,
            task: Arc::clone(&self.head.task),
            channel: Arc::clone(&self.head.channel),
            parent_span: self.span.clone(),
            own,
        };
        let frame = Frame::event(self.head.caller.clone(), &self.head.server, of);
        let (_, _, body) = Box::pin(crate::run(frame, &self.gate)).await.into_parts();
        match body {
            Body::Json(text) => {
                event.data = Some(text);
                Some(event)
            }
            Body::ToServer(answer) => {
                self.gate.ports.upstream.answer(answer).await;
                None
            }
            // An event that was refused keeps its place in the numbering, so that a resuming client misses nothing.
            Body::Empty | Body::Long(_) | Body::Stream(_) | Body::Held(_) => event.id.is_some().then_some(event),
        }
    }

    /// The stream is over before its request was answered, or it was a stream of the server's own messages.
    async fn ended(&mut self, fault: Option<String>) -> Option<Event> {
        if self.head.is_cancelled() {
            // Nobody waits for an answer, and a server that was told so gives none.
            self.cancelled().await;
            return None;
        }
        self.over = true;
        let mut entry = self.entry.take()?;
        if let Some(fault) = &fault {
            entry.note(format!("the stream broke: {fault}"));
        }
        if self.head.kind != FrameKind::Request {
            let _refused = s9_audit::close(entry, Ending::Served, &self.gate.ports).await;
            return None;
        }
        let words = format!(
            "the server's stream ended before its answer{}; whether the call had an effect is unknown",
            fault.map(|f| format!(" ({f})")).unwrap_or_default()
        );
        let refusal = Refusal::new(Code::AnswerLost, words);
        refuse(&self.gate, entry, refusal.clone()).await;
        if self.resumable {
            // A legacy client resumes from the last id it saw: an answer of ours would end its wait.
            return None;
        }
        let data = s9_audit::refusal_event(&self.head.address(), &refusal, self.named.clone());
        Some(Event { data: Some(data), ..Event::default() })
    }
}

/// Closes the record of a request whose answer cannot be handed over.
async fn refuse(gate: &Gate, mut entry: OpenRecord, refusal: Refusal) {
    let ending = if entry.has_intent() { Ending::Indeterminate } else { Ending::Failed };
    entry.write(|record| record.refusal = Some(refusal));
    let _refused = s9_audit::close(entry, ending, &gate.ports).await;
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventStream({})", self.named.0)
    }
}
