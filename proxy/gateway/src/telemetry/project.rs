//! One record as spans: a pure function, so that spans and the audit record cannot disagree.
//!
//! A frame becomes one span of its own (SERVER; CLIENT when it goes to the agent's client, because the gate is then the
//! calling side), one CLIENT child per attempt at the upstream, and one INTERNAL child per stage that did work. All ids
//! and times come from the record; ids that the record does not carry are digests of those it does, so that projecting
//! a record twice gives the same spans.
//!
//! A trace needs a root to be listed by the backends. Where the caller names a parent, the root is the caller's.
//! Otherwise the frames of a task would each be a root, so one span named `task` stands above them ([`Frame::tell_root`]). Its
//! id is a digest of the trace id: every frame can name it as parent before anybody has emitted it, and a second gate
//! or a restarted one emits the same span again instead of another. It covers the first frame only, since a task's end
//! is known too late or never; the backends show later frames below it all the same. A frame that was refused before it
//! reached a task has a trace of its own and is its root. The root of a task is named `task` and not
//! `task <id>`: backends keep a list of span names, which must stay short; the id is the attribute `wicketgate.task`.
//!
//! This module knows no exporter, no queue and no clock.

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use pdp::record::{Attempt, Direction, FrameKind, Record};
use pdp::refusal::Code;
use sha2::{Digest as _, Sha256};

use super::attributes::{self, mcp_method};
use super::spans::{Head, Kind, SpanId, Spans, TraceId, shortened};
use super::{names, outcome};

/// What may stand on spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether the arguments of tool calls are put on spans, as far as the record holds them. Off unless asked for.
    pub arguments: bool,
    /// How many characters one text may have; the rest is cut off.
    pub value_chars_max: usize,
}

/// A record that cannot be a span, because an id in it is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {number}: `{field}` is not {digits} hexadecimal digits with one other than 0")]
pub struct Unprojectable {
    /// The record.
    pub number: u64,
    /// The field.
    pub field: &'static str,
    /// How many digits it needs.
    pub digits: usize,
}

/// An approval that took less than this did not wait.
const APPROVAL_US_MIN: u64 = 1_000;
/// Other stages are shown only when they took longer than this.
const STAGE_US_MIN: u64 = 500;
/// A span's name is for grouping; what is longer groups nothing.
const NAME_CHARS_MAX: usize = 128;

/// How many spans [`Frame::tell`] tells of a record. Allocates nothing.
#[must_use]
pub fn count(record: &Record) -> usize {
    1 + record.attempts.len() + stages(record).count()
}

/// A record whose ids have been read, so that telling its spans cannot fail half-way.
#[derive(Debug)]
pub struct Frame<'r> {
    record: &'r Record,
    trace: TraceId,
    span: SpanId,
    parent: Option<SpanId>,
    /// One for each attempt.
    attempts: Vec<SpanId>,
    name: Cow<'r, str>,
    options: Options,
}

impl<'r> Frame<'r> {
    /// Reads the ids.
    ///
    /// # Errors
    /// When an id in the record is no W3C trace or span id. The gate makes no such record.
    pub fn of(record: &'r Record, options: &Options) -> Result<Self, Unprojectable> {
        let id = |field, hex: &str| id(record, field, hex);
        let trace = id_of(&record.trace).ok_or(Unprojectable { number: record.number, field: "trace", digits: 32 })?;
        let span = id("span", &record.span)?;
        let parent = match &record.parent {
            Some(parent) => Some(id("parent", parent)?),
            None if record.task.is_empty() => None,
            None => Some(task_span_id(&record.trace)),
        };
        let attempts = record.attempts.iter().map(|a| id("attempts.span", &a.span)).collect::<Result<_, _>>()?;
        Ok(Self { record, trace, span, parent, attempts, name: name(record), options: *options })
    }

    /// The trace that it is part of.
    #[must_use]
    pub fn trace(&self) -> TraceId {
        self.trace
    }

    /// Whether the root of a task stands above it: not above a frame that has another parent or never reached a task.
    #[must_use]
    pub fn has_root(&self) -> bool {
        self.record.parent.is_none() && !self.record.task.is_empty()
    }

    /// Tells the root above a task's frames.
    pub fn tell_root(&self, to: &mut Spans) {
        let head = Head { parent: None, name: "task", ..self.head(task_span_id(&self.record.trace), Kind::Internal) };
        let mut span = to.begin(&head, self.options.value_chars_max);
        attributes::of_task(&mut span, self.record);
        span.end();
    }

    /// Tells the spans of the record: the frame's own first, then its attempts, then its stages.
    pub fn tell(&self, to: &mut Spans) {
        self.tell_own(to);
        for (attempt, id) in self.record.attempts.iter().zip(&self.attempts) {
            self.tell_attempt(attempt, *id, to);
        }
        for stage in stages(self.record) {
            self.tell_stage(&stage, to);
        }
    }

    fn tell_own(&self, to: &mut Spans) {
        let record = self.record;
        let kind = match record.direction {
            Direction::ToServer => Kind::Server,
            Direction::ToClient => Kind::Client,
        };
        let head = Head {
            parent: self.parent,
            // What goes to the client has a span of this gate as parent: that of the call it belongs to.
            parent_is_remote: record.parent.is_some() && record.direction == Direction::ToServer,
            ..self.head(self.span, kind)
        };
        let mut span = to.begin(&head, self.options.value_chars_max);
        attributes::of_frame(&mut span, record, &self.options);
        if let Some(context) = self.foreign_context() {
            let (trace, id) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
            span.link(trace, id, context.trace_flags().is_sampled());
        }
        for note in &record.notes {
            span.event(self.moment_ns(note.at_us), names::NOTE, (names::NOTE_TEXT, &note.text));
        }
        outcome::of_frame(span, record, kind);
    }

    fn tell_attempt(&self, attempt: &Attempt, id: SpanId, to: &mut Spans) {
        let head = self.head(id, Kind::Client).during(self, (attempt.started_us, attempt.ended_us));
        let mut span = to.begin(&head, self.options.value_chars_max);
        attributes::of_attempt(&mut span, self.record, attempt);
        outcome::of_attempt(span, self.record, attempt);
    }

    fn tell_stage(&self, stage: &Stage<'_>, to: &mut Spans) {
        let record = self.record;
        let id = derived(&["stage", &record.trace, &record.span, stage.name]);
        let head = Head { name: shortened(stage.name, NAME_CHARS_MAX), ..self.head(id, Kind::Internal) };
        let mut span = to.begin(&head.during(self, (stage.start_us, stage.end_us)), self.options.value_chars_max);
        attributes::of_stage(&mut span, record, stage.name);
        outcome::of_stage(span, record, stage.name);
    }

    /// A span below the frame's, of its name and its time.
    fn head(&self, id: SpanId, kind: Kind) -> Head<'_> {
        let head = Head {
            trace: self.trace,
            id,
            parent: Some(self.span),
            parent_is_remote: false,
            kind,
            name: &self.name,
            start_ns: 0,
            end_ns: 0,
        };
        head.during(self, (0, self.record.took_us))
    }

    /// So many microseconds after the frame arrived. OTLP's times end in the year 2554; later ones are that.
    fn moment_ns(&self, after_us: u64) -> u64 {
        let since_epoch = u64::try_from(self.record.started_us).unwrap_or(0).saturating_add(after_us);
        since_epoch.saturating_mul(1_000)
    }

    /// The context of another trace that came along.
    fn foreign_context(&self) -> Option<SpanContext> {
        let traceparent = self.record.link.clone()?;
        let carrier = HashMap::from([("traceparent".to_owned(), traceparent)]);
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        let foreign = context.span().span_context().clone();
        (foreign.is_valid() && foreign.trace_id().to_bytes() != self.trace).then_some(foreign)
    }
}

impl Head<'_> {
    /// Over a part of the frame's time, in microseconds since its arrival.
    fn during(self, frame: &Frame<'_>, (start_us, end_us): (u64, u64)) -> Self {
        let (start_ns, end_ns) = (frame.moment_ns(start_us), frame.moment_ns(end_us.max(start_us)));
        Self { start_ns, end_ns, ..self }
    }
}

/// The id of a task's root span: eight bytes of a digest of its trace id.
fn task_span_id(trace: &str) -> SpanId {
    derived(&["task", trace])
}

/// The time between two stages' ends, which is the later one's work.
struct Stage<'r> {
    name: &'r str,
    start_us: u64,
    end_us: u64,
}

impl Stage<'_> {
    fn took_us(&self) -> u64 {
        self.end_us.saturating_sub(self.start_us)
    }

    /// Whether it is worth a span.
    fn did_work(&self, record: &Record) -> bool {
        match self.name {
            "policy" => record.decision.is_some(),
            "approval" => self.took_us() > APPROVAL_US_MIN,
            "credential" => record.credential.is_some(),
            // The attempts have spans of their own; what is left is the durable intent, when the disk was slow.
            "action" => {
                let attempts: u64 = record.attempts.iter().map(|a| a.ended_us.saturating_sub(a.started_us)).sum();
                self.took_us().saturating_sub(attempts) > STAGE_US_MIN
            }
            // The record says when sealing began: what lies before it is an answer being streamed.
            AUDIT => false,
            _ => self.took_us() > STAGE_US_MIN,
        }
    }
}

const AUDIT: &str = "audit";
/// The stages in the order in which a frame passes them.
const ORDER: [&str; 9] =
    ["intake", "classify", "policy", "guardrail", "approval", "credential", "action", "outcome", AUDIT];

/// The stage a frame is in when this one is behind it.
fn after(stage: Option<&str>) -> &'static str {
    let behind = stage.map_or(0, |name| ORDER.iter().position(|o| *o == name).map_or(ORDER.len(), |n| n + 1));
    ORDER.get(behind).copied().unwrap_or(AUDIT)
}

/// The stages that did work, in order. A stage that ends a frame is not among those it passed: its work is the time up
/// to the sealing or, if the frame was dropped and never sealed, up to its end.
fn stages(record: &Record) -> impl Iterator<Item = Stage<'_>> {
    let passed = record.stages.iter().scan((0, None), |(before_us, behind), stage| {
        let name = if stage.stage == AUDIT { after(*behind) } else { &stage.stage };
        let start_us = *before_us;
        (*before_us, *behind) = (stage.at_us.max(start_us), Some(&*stage.stage));
        Some(Stage { name, start_us, end_us: *before_us })
    });
    let last = record.stages.last().map(|s| &*s.stage);
    let unsealed = (last != Some(AUDIT)).then(|| {
        let start_us = record.stages.iter().map(|s| s.at_us).max().unwrap_or(0);
        Stage { name: after(last), start_us, end_us: record.took_us.max(start_us) }
    });
    passed.chain(unsealed).filter(|stage| stage.did_work(record))
}

/// `{method} {tool or prompt}`, as the conventions have it. What a caller invented (a method or tool that the registry
/// does not have) is kept out of the name, because backends keep a list of names; it is in the attributes.
fn name(record: &Record) -> Cow<'_, str> {
    let Some(method) = mcp_method(record) else {
        return match record.kind {
            FrameKind::Response => "response",
            FrameKind::Stream => "stream",
            FrameKind::EndSession => "session/end",
            FrameKind::Request | FrameKind::Notification | FrameKind::Unreadable => "unreadable",
        }
        .into();
    };
    let refused_as = record.refusal.as_ref().map(|r| r.code);
    let known = method == "tools/call" || pdp::method::find(method).is_some() || refused_as.is_none();
    if !known {
        return names::OTHER.into();
    }
    let reviewed = !matches!(refused_as, Some(Code::UnknownTool | Code::UnknownServer | Code::MethodClosed));
    match (method, &record.target) {
        ("tools/call" | "prompts/get", Some(target)) if reviewed => {
            let mut name = format!("{method} {target}");
            name.truncate(shortened(&name, NAME_CHARS_MAX).len());
            name.into()
        }
        _ => shortened(method, NAME_CHARS_MAX).into(),
    }
}

fn id(record: &Record, field: &'static str, hex: &str) -> Result<SpanId, Unprojectable> {
    id_of(hex).ok_or(Unprojectable { number: record.number, field, digits: 16 })
}

/// The bytes that hexadecimal digits are, if there are exactly enough of them and not all are 0.
fn id_of<const BYTES: usize>(hex: &str) -> Option<[u8; BYTES]> {
    let mut id = [0; BYTES];
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != BYTES || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok()));
        *byte = high? << 4 | low?;
    }
    (id != [0; BYTES]).then_some(id)
}

/// A span id that follows from others. Parts are kept apart by a byte that none of them contains.
fn derived(parts: &[&str]) -> SpanId {
    let mut sum = Sha256::new();
    for part in parts {
        sum.update(part.as_bytes());
        sum.update([0]);
    }
    let mut id = [0; 8];
    for (to, from) in id.iter_mut().zip(sum.finalize()) {
        *to = from;
    }
    // Zero is no span id; one digest in 2^64 would give it.
    if id == [0; 8] { [0, 0, 0, 0, 0, 0, 0, 1] } else { id }
}
