//! Spans as a collector receives them: OTLP messages, encoded while they are told, in one buffer.
//!
//! The SDK's way goes over three structures in between, each with its own copies of every text; it took four fifths of
//! what an exported call cost. Here a text goes from the record into the request's body. The field numbers are those of
//! `opentelemetry/proto/trace/v1/trace.proto`, `common.proto` and `collector/trace/v1/trace_service.proto` (version 1);
//! `tests/it/otlp` holds the bytes against the SDK's for the same records. Which spans there are is not known here.

use std::fmt::{Display, Write as _};

use bytes::Bytes;
use opentelemetry_sdk::Resource;

use super::protobuf::{Message, VARINT_BYTES_MAX, block_len};

/// The id of a trace; never all zero.
pub type TraceId = [u8; 16];
/// The id of a span; never all zero.
pub type SpanId = [u8; 8];

/// Which side of a call a span is (`Span.SpanKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// What every span has. Times are in nanoseconds since 1970-01-01T00:00Z.
pub(super) struct Head<'r> {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) parent_is_remote: bool,
    pub(super) kind: Kind,
    pub(super) name: &'r str,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

/// `Status.STATUS_CODE_ERROR`.
const STATUS_ERROR: u64 = 2;
/// `SpanFlags`: sampled (W3C), remoteness known, remote.
const SAMPLED: u32 = 1;
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;
/// The fields in which spans and events have their attributes.
const SPAN_ATTRIBUTES: u32 = 9;
const EVENT_ATTRIBUTES: u32 = 3;

/// Spans that have been told and not yet been sent.
#[derive(Debug)]
pub struct Spans {
    /// `ScopeSpans.spans`, one after the other, behind as much room as all that stands before them in a request needs.
    body: Message,
    told: Vec<Told>,
    /// `ResourceSpans.resource` and `ScopeSpans.scope`: who sends. The same in each request.
    resource: Message,
    scope: Message,
    /// The span, the list and the text that are being written.
    span: Message,
    list: Message,
    text: String,
}

/// Where a span ends, and which trace it is of.
#[derive(Debug, Clone, Copy)]
struct Told {
    end: usize,
    trace: TraceId,
}

/// One request's body, and what is in it.
#[derive(Debug)]
pub struct Batch {
    /// An `ExportTraceServiceRequest`.
    pub body: Bytes,
    /// The trace of each span.
    pub traces: Vec<TraceId>,
}

impl Spans {
    /// No spans yet, of this sender.
    #[must_use]
    pub fn of(sender: &Resource) -> Self {
        let mut attributes = Message::default();
        for (key, value) in sender {
            text(&mut attributes, 1, key.as_str(), &value.as_str());
        }
        let mut resource = Message::default();
        resource.block(1, attributes.bytes());
        let mut name = Message::default();
        name.block(1, b"wicketgate");
        name.block(2, env!("CARGO_PKG_VERSION").as_bytes());
        let mut scope = Message::default();
        scope.block(1, name.bytes());
        let mut spans = Self {
            body: Message::default(),
            told: Vec::new(),
            resource,
            scope,
            span: Message::default(),
            list: Message::default(),
            text: String::new(),
        };
        spans.body = Message::behind(vec![0; spans.room()]);
        spans
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// Takes back the last ones, until there are so many.
    pub fn truncate(&mut self, len: usize) {
        self.told.truncate(len);
        self.body.truncate(self.told.last().map_or(self.room(), |last| last.end));
    }

    /// The first spans, at most so many, as a request's body.
    pub fn take(&mut self, spans_max: usize) -> Batch {
        let rest = self.told.split_off(self.told.len().min(spans_max));
        let taken = std::mem::replace(&mut self.told, rest);
        let (room, end) = (self.room(), taken.last().map_or(self.room(), |last| last.end));
        // The next batch will be about as large as this one.
        let mut next = Vec::with_capacity(self.body.len());
        next.resize(room, 0);
        next.extend_from_slice(self.body.bytes().get(end..).unwrap_or_default());
        for told in &mut self.told {
            told.end = told.end - end + room;
        }
        let mut body = std::mem::replace(&mut self.body, Message::behind(next)).into_bytes();
        body.truncate(end);
        // What stands before the spans ends where they begin, so that they stay where they are.
        let front = self.front(end - room);
        let start = room - front.len();
        if let Some(place) = body.get_mut(start..room) {
            place.copy_from_slice(front.bytes());
        }
        Batch { body: Bytes::from(body).slice(start..), traces: taken.iter().map(|told| told.trace).collect() }
    }

    /// What stands before spans of so many bytes in a request.
    fn front(&self, spans: usize) -> Message {
        let scope_spans = self.scope.len() + spans;
        let mut front = Message::default();
        front.opening(1, self.resource.len() + block_len(scope_spans));
        front.fields(self.resource.bytes());
        front.opening(2, scope_spans);
        front.fields(self.scope.bytes());
        front
    }

    /// The most that [`Self::front`] needs.
    fn room(&self) -> usize {
        2 * (1 + VARINT_BYTES_MAX) + self.resource.len() + self.scope.len()
    }

    /// Begins a span, whose texts will have at most so many characters. It is there when it has been ended.
    pub(super) fn begin(&mut self, head: &Head<'_>, chars_max: usize) -> Span<'_> {
        let span = &mut self.span;
        span.clear();
        span.block(1, &head.trace);
        span.block(2, &head.id);
        if let Some(parent) = head.parent {
            span.block(4, &parent);
        }
        span.block(5, head.name.as_bytes());
        span.number(6, head.kind as u64);
        span.fixed64(7, head.start_ns);
        span.fixed64(8, head.end_ns);
        span.fixed32(16, SAMPLED | REMOTE_KNOWN | if head.parent_is_remote { REMOTE } else { 0 });
        Span { spans: self, trace: head.trace, chars_max }
    }
}

/// A span that is being told.
pub(super) struct Span<'s> {
    spans: &'s mut Spans,
    trace: TraceId,
    chars_max: usize,
}

impl Span<'_> {
    /// An attribute, shortened.
    #[inline]
    pub(super) fn text(&mut self, key: &str, value: &str) {
        text(&mut self.spans.span, SPAN_ATTRIBUTES, key, shortened(value, self.chars_max));
    }

    /// An attribute that is a text only once it is shown.
    pub(super) fn shown(&mut self, key: &str, value: &impl Display) {
        self.spans.text.clear();
        // Only a `Display` that fails by itself fails here; ours do not.
        if write!(self.spans.text, "{value}").is_ok() {
            text(&mut self.spans.span, SPAN_ATTRIBUTES, key, shortened(&self.spans.text, self.chars_max));
        }
    }

    /// A number as an attribute; one that OTLP cannot carry is the greatest that it can.
    pub(super) fn number(&mut self, key: &str, value: u64) {
        let list = &mut self.spans.list;
        list.clear();
        list.number(3, value.min(i64::MAX.unsigned_abs()));
        pair(&mut self.spans.span, SPAN_ATTRIBUTES, key, list.bytes());
    }

    /// A list of texts as an attribute, each of them shortened; none if the list is empty.
    pub(super) fn texts<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a str>) {
        let list = &mut self.spans.list;
        list.clear();
        for value in values {
            let value = shortened(value, self.chars_max);
            list.opening(1, block_len(value.len()));
            list.block(1, value.as_bytes());
        }
        if list.len() > 0 {
            let span = &mut self.spans.span;
            let array = block_len(list.len());
            span.opening(SPAN_ATTRIBUTES, block_len(key.len()) + block_len(array));
            span.block(1, key.as_bytes());
            span.opening(2, array);
            span.block(5, list.bytes());
        }
    }

    /// Something that happened at a moment, in nanoseconds since 1970-01-01T00:00Z, with one attribute, shortened.
    pub(super) fn event(&mut self, at_ns: u64, name: &str, (key, value): (&str, &str)) {
        let event = &mut self.spans.list;
        event.clear();
        event.fixed64(1, at_ns);
        event.block(2, name.as_bytes());
        text(event, EVENT_ATTRIBUTES, key, shortened(value, self.chars_max));
        self.spans.span.block(11, event.bytes());
    }

    /// A span of another trace, which came from elsewhere.
    pub(super) fn link(&mut self, trace: TraceId, span: SpanId, sampled: bool) {
        let link = &mut self.spans.list;
        link.clear();
        link.block(1, &trace);
        link.block(2, &span);
        link.fixed32(6, u32::from(sampled) | REMOTE_KNOWN | REMOTE);
        self.spans.span.block(13, link.bytes());
    }

    /// The span is told, and all was well or nobody knows.
    pub(super) fn end(self) {
        self.spans.span.block(15, &[]);
        self.done();
    }

    /// The span is told, and it is an error.
    pub(super) fn end_with_error(self, description: &str) {
        let status = &mut self.spans.list;
        status.clear();
        if !description.is_empty() {
            status.block(2, description.as_bytes());
        }
        status.number(3, STATUS_ERROR);
        self.spans.span.block(15, status.bytes());
        self.done();
    }

    fn done(self) {
        let Spans { body, told, span, .. } = self.spans;
        body.block(2, span.bytes());
        told.push(Told { end: body.len(), trace: self.trace });
    }
}

/// A `KeyValue` whose `AnyValue` is a text.
#[inline]
fn text(to: &mut Message, field: u32, key: &str, value: &str) {
    let any = block_len(value.len());
    to.opening(field, block_len(key.len()) + block_len(any));
    to.block(1, key.as_bytes());
    to.opening(2, any);
    to.block(1, value.as_bytes());
}

/// A `KeyValue` whose `AnyValue` is encoded already.
fn pair(to: &mut Message, field: u32, key: &str, any: &[u8]) {
    to.opening(field, block_len(key.len()) + block_len(any.len()));
    to.block(1, key.as_bytes());
    to.block(2, any);
}

/// The first characters of a text, at most so many.
#[inline]
pub(super) fn shortened(text: &str, chars_max: usize) -> &str {
    // A text has at most as many characters as bytes.
    if text.len() <= chars_max {
        return text;
    }
    let end = text.char_indices().nth(chars_max).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}
