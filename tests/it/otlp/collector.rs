//! An OTLP collector in this process that remembers what it decoded, and the records that are offered to it.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use gateway::telemetry::{Exporter, Lost, Settings, settings};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use opentelemetry_sdk::Resource;
use pdp::decision::Decision;
use pdp::digest::Digest;
use pdp::effect::Effect;
use pdp::policy::{Facts, Rule};
use pdp::principal::Principal;
use pdp::record::{Attempt, DecisionNote, Direction, Ending, FrameKind, RECORD_VERSION, Record, ResultNote, StageTime};
use prost::Message as _;

use super::reference;

/// A test that takes longer than this hangs.
pub(super) const HANGS: Duration = Duration::from_secs(60);

/// How a collector answers.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Takes,
    /// Takes the request and says that it rejected so many of its spans.
    Rejects(i64),
    /// Refuses with this status, so many times, then takes.
    Refuses(u16, usize),
    /// Sends the caller somewhere else.
    Redirects,
}

/// One request that was taken or refused.
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) taken: bool,
}

struct Inner {
    answer: Answer,
    received: Mutex<Vec<Received>>,
}

/// A running collector.
pub(super) struct Collector {
    pub(super) endpoint: String,
    inner: Arc<Inner>,
}

impl Collector {
    pub(super) async fn start(answer: Answer) -> Self {
        let inner = Arc::new(Inner { answer, received: Mutex::default() });
        let app = Router::new()
            .route("/v1/traces", post(take))
            .route("/elsewhere", post(take).get(take))
            .with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { endpoint, inner }
    }

    pub(super) fn received(&self) -> std::sync::MutexGuard<'_, Vec<Received>> {
        self.inner.received.lock().unwrap()
    }

    /// The spans of all requests that were taken, decoded.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.requests().into_iter().flat_map(spans_in).collect()
    }

    pub(super) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let received = self.received();
        let taken = received.iter().filter(|r| r.taken);
        taken.map(|r| ExportTraceServiceRequest::decode(r.body.clone()).unwrap()).collect()
    }
}

/// The spans of a request.
pub(super) fn spans_in(request: ExportTraceServiceRequest) -> Vec<Span> {
    let scopes = request.resource_spans.into_iter().flat_map(|r| r.scope_spans);
    scopes.flat_map(|s| s.spans).collect()
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut received = inner.received.lock().unwrap();
    let (taken, answer) = match inner.answer {
        Answer::Takes => (true, accepted(None)),
        Answer::Rejects(rejected_spans) => {
            let why = ExportTracePartialSuccess { rejected_spans, error_message: "too old".to_owned() };
            (true, accepted(Some(why)))
        }
        Answer::Refuses(status, times) if received.len() < times => {
            (false, StatusCode::from_u16(status).unwrap().into_response())
        }
        Answer::Refuses(..) => (true, accepted(None)),
        Answer::Redirects => {
            (false, (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response())
        }
    };
    received.push(Received { headers, body, taken });
    answer
}

fn accepted(partial_success: Option<ExportTracePartialSuccess>) -> Response {
    let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
    ([(header::CONTENT_TYPE, "application/x-protobuf")], body).into_response()
}

/// Settings for an endpoint, and more variables.
pub(super) fn settings_for(endpoint: &str, more: &[(&str, &str)]) -> Settings {
    let (settings, faults) = settings::read(|name| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.to_owned()),
        name => more.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()),
    });
    assert_eq!(faults, []);
    settings
}

/// Shuts an exporter down where blocking is allowed.
pub(super) async fn shutdown(exporter: Arc<Exporter>, deadline: Duration) -> Lost {
    let blocking = tokio::task::spawn_blocking(move || exporter.shutdown(deadline));
    tokio::time::timeout(HANGS, blocking).await.expect("a shutdown is bounded").unwrap()
}

/// Offers records to a collector that takes everything, and answers the spans it received, in the order of offering.
pub(super) async fn spans_of(records: &[Record], arguments: bool) -> Vec<Span> {
    let collector = Collector::start(Answer::Takes).await;
    let mut settings = settings_for(&collector.endpoint, &[]);
    settings.projection.arguments = arguments;
    let exporter = Arc::new(Exporter::start(&settings, "instance-1").unwrap());
    for record in records {
        exporter.offer(&Arc::new(record.clone()));
    }
    let lost = shutdown(exporter.clone(), Duration::from_secs(5)).await;
    assert_eq!(lost, Lost::default());
    let spans = collector.spans();
    let expected = reference::request(records, &settings.projection, &Resource::builder_empty().build());
    assert_eq!(spans, spans_in(expected), "the SDK makes the same of the same records");
    let stats = exporter.stats();
    assert_eq!((stats.exported, stats.queued), (u64::try_from(spans.len()).unwrap(), 0));
    spans
}

pub(super) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(super) const SPAN: &str = "b7ad6b7169203331";
pub(super) const ATTEMPT: &str = "00f067aa0ba902b7";
pub(super) const STARTED_US: i64 = 1_790_000_000_000_000;

pub(super) fn stage(stage: &str, at_us: u64) -> StageTime {
    StageTime { at_us, stage: stage.to_owned().into() }
}

pub(super) fn rule(id: &str, reason: &str) -> Rule {
    Rule { id: id.to_owned(), reason: reason.to_owned() }
}

fn clerk() -> Principal {
    Principal {
        agent: "clerk".to_owned(),
        teams: vec![],
        user: "ann".to_owned(),
        tenant: "default".to_owned(),
        method: "token".to_owned(),
    }
}

/// Allowed by one rule, in a task that has read private data.
fn read_mail() -> DecisionNote {
    let labels = ["private"].into_iter().collect();
    let facts = Facts { labels, calls: 3, now_ms: 1, ..Facts::default() };
    DecisionNote::of(Decision::allow(), vec![rule("read-mail", "")], Vec::new(), &facts)
}

/// An allowed call of a tool, answered in nine milliseconds.
pub(super) fn allowed() -> Record {
    let attempt = Attempt {
        span: ATTEMPT.to_owned(),
        started_us: 500,
        ended_us: 8_500,
        address: "mail.example:8443".to_owned(),
        status: Some(200),
        fault: None,
    };
    Record {
        v: RECORD_VERSION,
        number: 7,
        trace: TRACE.to_owned(),
        span: SPAN.to_owned(),
        parent: None,
        link: None,
        task: "t-1".to_owned(),
        started_us: STARTED_US,
        took_us: 9_000,
        direction: Direction::ToServer,
        kind: FrameKind::Request,
        protocol: Some("2025-11-25".to_owned()),
        principal: Some(clerk().into()),
        client: Some("192.0.2.7:50000".to_owned()),
        server: "mail".to_owned(),
        system: Some("exchange".to_owned()),
        transport: Some("http".to_owned()),
        session: Some("sha256:5e5510".to_owned()),
        request_id: Some("\"call-3\"".to_owned()),
        method: Some("tools/call".to_owned()),
        target: Some("read_mail".to_owned()),
        pin: Some(Digest::of_bytes(b"pin")),
        effect: None,
        errand: None,
        effects: [Effect::Read].into(),
        arguments_digest: Some(Digest::of_bytes(b"")),
        arguments: Some(serde_json::json!({ "folder": "inbox-4711" }).into()),
        snapshot: Digest::of_bytes(b"snapshot"),
        decision: Some(read_mail()),
        credential: None,
        approvals: Vec::new(),
        plan: None,
        labels: ["private", "untrusted"].into_iter().collect(),
        flow: None,
        stages: vec![
            stage("intake", 100),
            stage("classify", 200),
            stage("policy", 300),
            stage("guardrail", 310),
            stage("approval", 320),
            stage("credential", 330),
            stage("action", 8_510),
            stage("outcome", 8_600),
            stage("audit", 8_900),
        ],
        attempts: vec![attempt],
        notes: vec![],
        bytes_in: 120,
        result: Some(ResultNote { bytes: 2_000, ..ResultNote::default() }),
        ending: Ending::Served,
        refusal: None,
    }
}

/// Spans as text: children indented below their parents; kind, name, time since the record's start in microseconds,
/// and status if it is one. With `full`, every attribute, link and event.
pub(super) fn story(spans: &[Span], full: bool) -> String {
    let known: Vec<&[u8]> = spans.iter().map(|s| s.span_id.as_slice()).collect();
    let mut text = String::new();
    for span in spans.iter().filter(|s| !known.contains(&s.parent_span_id.as_slice())) {
        tell(&mut text, spans, span, 0, full);
    }
    text
}

fn tell(text: &mut String, spans: &[Span], span: &Span, depth: usize, full: bool) {
    let indent = "  ".repeat(depth);
    let kind = SpanKind::try_from(span.kind).unwrap().as_str_name().trim_start_matches("SPAN_KIND_");
    let micros = |nanos: u64| i64::try_from(nanos / 1_000).unwrap() - STARTED_US;
    let status = span.status.clone().unwrap_or_default();
    let failed = match SpanStatus::try_from(status.code).unwrap() {
        SpanStatus::Error => format!(" ERROR {} ({})", attribute(span, "error.type").unwrap(), status.message),
        SpanStatus::Unset | SpanStatus::Ok => String::new(),
    };
    let (start, end) = (micros(span.start_time_unix_nano), micros(span.end_time_unix_nano));
    *text += &format!("{indent}{kind} {} {start}..{end}{failed}\n", span.name);
    if full {
        for (key, value) in attributes(&span.attributes) {
            *text += &format!("{indent}    {key} = {value}\n");
        }
        for link in &span.links {
            *text += &format!("{indent}    link {}\n", hex(&link.trace_id));
        }
        for event in &span.events {
            *text += &format!("{indent}    {} {}\n", event.name, micros(event.time_unix_nano));
        }
    }
    for child in spans.iter().filter(|s| s.parent_span_id == span.span_id) {
        tell(text, spans, child, depth + 1, full);
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(super) fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    list.iter().map(|kv| (kv.key.clone(), shown(kv.value.as_ref().unwrap()))).collect()
}

pub(super) fn attribute(span: &Span, key: &str) -> Option<String> {
    attributes(&span.attributes).remove(key)
}

/// The span of this name.
pub(super) fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    spans.iter().find(|s| s.name == name).unwrap()
}

/// A value as text: strings as they are, whole numbers behind `#`. The gate sends no others.
fn shown(value: &AnyValue) -> String {
    let value = value.value.as_ref().unwrap();
    if let any_value::Value::StringValue(text) = value {
        text.clone()
    } else if let any_value::Value::IntValue(number) = value {
        format!("#{number}")
    } else if let any_value::Value::ArrayValue(list) = value {
        format!("[{}]", list.values.iter().map(shown).collect::<Vec<_>>().join(", "))
    } else {
        format!("{value:?}")
    }
}
