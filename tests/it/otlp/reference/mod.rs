//! Records as spans by way of the SDK: what the gate's own encoding is held against.
//!
//! It makes `SpanData` of a record and leaves the rest to `opentelemetry-proto`: slow, with a copy of each text at each
//! step, and plain to read. What a span says is decided twice, here and in the gate, so that neither a slip in a length
//! nor one in an attribute goes unseen.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod attributes;
mod outcome;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use attributes::{mcp_method, shortened};
use gateway::telemetry::names;
use gateway::telemetry::project::{Options, Unprojectable};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use pdp::record::{Attempt, Direction, FrameKind, Record};
use pdp::refusal::Code;
use sha2::{Digest as _, Sha256};

/// The request that the SDK's exporter makes of records: before each one the root of its task, the first time.
pub(super) fn request(records: &[Record], options: &Options, sender: &Resource) -> ExportTraceServiceRequest {
    let mut spans: Vec<SpanData> = Vec::new();
    for record in records {
        let root = task_span(record, options).unwrap();
        let told = |root: &SpanData| spans.iter().any(|s| s.span_context == root.span_context);
        let root = root.filter(|root| !told(root));
        spans.extend(root);
        spans.extend(project(record, options).unwrap());
    }
    let resource_spans = group_spans_by_resource_and_scope(spans, &sender.into());
    ExportTraceServiceRequest { resource_spans }
}

/// An approval that took less than this did not wait.
const APPROVAL_US_MIN: u64 = 1_000;
/// Other stages are shown only when they took longer than this.
const STAGE_US_MIN: u64 = 500;
/// A span's name is for grouping; what is longer groups nothing.
const NAME_CHARS_MAX: usize = 128;

/// The spans of a record: the frame's own first, then its attempts, then its stages.
///
/// # Errors
/// When an id in the record is no W3C trace or span id. The gate makes no such record.
pub(super) fn project(record: &Record, options: &Options) -> Result<Vec<SpanData>, Unprojectable> {
    let frame = Frame::of(record)?;
    let mut spans = Vec::new();
    spans.push(frame_span(&frame, options)?);
    for attempt in &record.attempts {
        spans.push(attempt_span(&frame, attempt, options)?);
    }
    spans.extend(stages(record).map(|stage| stage_span(&frame, &stage, options)));
    Ok(spans)
}

/// The root above a task's frames, or nothing for a frame that has another parent or never reached a task.
///
/// # Errors
/// As [`project`].
pub(super) fn task_span(record: &Record, options: &Options) -> Result<Option<SpanData>, Unprojectable> {
    if record.parent.is_some() || record.task.is_empty() {
        return Ok(None);
    }
    let frame = Frame::of(record)?;
    let mut span = frame.span("task".into(), task_span_id(&record.trace), SpanId::INVALID, (0, record.took_us));
    span.attributes = attributes::of_task(record, options);
    Ok(Some(span))
}

/// The id of a task's root span: eight bytes of a digest of its trace id.
fn task_span_id(trace: &str) -> SpanId {
    derived(&["task", trace])
}

/// A record with its ids read.
struct Frame<'r> {
    record: &'r Record,
    trace: TraceId,
    span: SpanId,
}

impl<'r> Frame<'r> {
    fn of(record: &'r Record) -> Result<Self, Unprojectable> {
        let bad = Unprojectable { number: record.number, field: "trace", digits: 32 };
        let trace = (is_hex(&record.trace, 32)).then(|| TraceId::from_hex(&record.trace).ok()).flatten();
        let trace = trace.filter(|t| *t != TraceId::INVALID).ok_or(bad)?;
        Ok(Self { record, trace, span: span_id(record, "span", &record.span)? })
    }

    /// A span of this trace over a part of the frame's time, in microseconds since its arrival.
    fn span(&self, name: Cow<'static, str>, id: SpanId, parent: SpanId, (start_us, end_us): (u64, u64)) -> SpanData {
        SpanData {
            span_context: SpanContext::new(self.trace, id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time: self.moment(start_us),
            end_time: self.moment(end_us.max(start_us)),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: SCOPE.clone(),
        }
    }

    fn moment(&self, after_us: u64) -> SystemTime {
        let since_epoch = u64::try_from(self.record.started_us).unwrap_or(0).saturating_add(after_us);
        UNIX_EPOCH.checked_add(Duration::from_micros(since_epoch)).unwrap_or(UNIX_EPOCH)
    }
}

static SCOPE: LazyLock<InstrumentationScope> =
    LazyLock::new(|| InstrumentationScope::builder("wicketgate").with_version(env!("CARGO_PKG_VERSION")).build());

fn frame_span(frame: &Frame<'_>, options: &Options) -> Result<SpanData, Unprojectable> {
    let record = frame.record;
    let parent = match &record.parent {
        Some(parent) => span_id(record, "parent", parent)?,
        None if record.task.is_empty() => SpanId::INVALID,
        None => task_span_id(&record.trace),
    };
    let mut span = frame.span(name(record), frame.span, parent, (0, record.took_us));
    // What goes to the client has a span of this gate as parent: that of the call it belongs to.
    span.parent_span_is_remote = record.parent.is_some() && record.direction == Direction::ToServer;
    span.span_kind = match record.direction {
        Direction::ToServer => SpanKind::Server,
        Direction::ToClient => SpanKind::Client,
    };
    let mut list = attributes::of_frame(record, options);
    span.status = outcome::of_frame(&mut list, record, &span.span_kind);
    span.attributes = list.done();
    span.links.links.extend(foreign_context(frame).map(|context| Link::new(context, Vec::new(), 0)));
    span.events.events.extend(record.notes.iter().map(|note| {
        let text = KeyValue::new(names::NOTE_TEXT, shortened(&note.text, options.value_chars_max));
        Event::new(names::NOTE, frame.moment(note.at_us), vec![text], 0)
    }));
    Ok(span)
}

fn attempt_span(frame: &Frame<'_>, attempt: &Attempt, options: &Options) -> Result<SpanData, Unprojectable> {
    let record = frame.record;
    let id = span_id(record, "attempts.span", &attempt.span)?;
    let mut span = frame.span(name(record), id, frame.span, (attempt.started_us, attempt.ended_us));
    span.span_kind = SpanKind::Client;
    let mut list = attributes::of_attempt(record, attempt, options);
    span.status = outcome::of_attempt(&mut list, record, attempt);
    span.attributes = list.done();
    Ok(span)
}

fn stage_span(frame: &Frame<'_>, stage: &Stage<'_>, options: &Options) -> SpanData {
    let record = frame.record;
    let id = derived(&["stage", &record.trace, &record.span, stage.name]);
    let name = shortened(stage.name, NAME_CHARS_MAX).into();
    let mut span = frame.span(name, id, frame.span, (stage.start_us, stage.end_us));
    let mut list = attributes::of_stage(record, stage.name, options);
    span.status = outcome::of_stage(&mut list, record, stage.name);
    span.attributes = list.done();
    span
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
fn name(record: &Record) -> Cow<'static, str> {
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
    let name = match (method, &record.target) {
        ("tools/call" | "prompts/get", Some(target)) if reviewed => format!("{method} {target}"),
        _ => method.to_owned(),
    };
    shortened(&name, NAME_CHARS_MAX).into()
}

/// The context of another trace that came along.
fn foreign_context(frame: &Frame<'_>) -> Option<SpanContext> {
    let traceparent = frame.record.link.clone()?;
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent)]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let foreign = context.span().span_context().clone();
    (foreign.is_valid() && foreign.trace_id() != frame.trace).then_some(foreign)
}

fn span_id(record: &Record, field: &'static str, hex: &str) -> Result<SpanId, Unprojectable> {
    let bad = Unprojectable { number: record.number, field, digits: 16 };
    let id = is_hex(hex, 16).then(|| SpanId::from_hex(hex).ok()).flatten();
    id.filter(|id| *id != SpanId::INVALID).ok_or(bad)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())
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
    SpanId::from(u64::from_be_bytes(id).max(1))
}
