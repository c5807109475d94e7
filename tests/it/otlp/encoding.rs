//! The bytes that the gate sends, for all kinds of records: decoded, they are what the SDK makes of the same records.

#![expect(clippy::unwrap_used, clippy::unreachable, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use gateway::telemetry::project::{Frame, Options, count};
use gateway::telemetry::spans::Spans;
use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_sdk::Resource;
use pdp::decision::{Decision, Reason};
use pdp::effect::Effect;
use pdp::policy::Facts;
use pdp::principal::Principal;
use pdp::record::{Attempt, DecisionNote, Direction, Ending, FrameKind, Note, Record, ResultNote, StageTime};
use pdp::refusal::{Code, Refusal};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message as _;

use super::collector::{allowed, rule, spans_in, stage};
use super::reference;

/// Short and long, empty, with characters of several bytes: lengths of one, two and three bytes, and cuts.
fn text() -> impl Strategy<Value = String> {
    let long = ("\\PC", 0..20_000_usize).prop_map(|(c, times)| c.repeat(times));
    prop_oneof![6 => "[a-z_/.-]{0,20}", 2 => "\\PC{0,40}", 1 => "a{100,140}", 1 => long]
}

/// One of these, or any text.
fn one_of(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => text()]
}

fn span_id() -> impl Strategy<Value = String> {
    "[0-9a-f]{15}[1-9a-f]|[0-9A-F]{15}[1-9A-F]"
}

fn trace_id() -> impl Strategy<Value = String> {
    prop_oneof![select(&["0af7651916cd43dd8448eb211c80319c"][..]).prop_map(str::to_owned), "[0-9a-f]{31}[1-9a-f]"]
}

fn traceparent() -> impl Strategy<Value = String> {
    prop_oneof![
        (trace_id(), span_id(), 0..=255_u8).prop_map(|(trace, span, flags)| format!("00-{trace}-{span}-{flags:02x}")),
        one_of(&["", "00-xyz-1-1", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"]),
    ]
}

const METHODS: &[&str] =
    &["tools/call", "tools/list", "prompts/get", "resources/read", "resources/subscribe", "notifications/progress"];
const TARGETS: &[&str] = &["read_mail", "file:///a b", "pg://bob:hunter2@db/t", "pg://bob@db", "mailto:a@b", ""];
const IDS: &[&str] =
    &["7", "-1.50e3", "\"a\"", "\"a\\u0062\"", "\"\\ud800\"", " null ", "null", "nullify", "\"open", "", "{\"a\":1}"];
const ADDRESSES: &[&str] = &[
    "127.0.0.1:8080",
    "127.0.0.1",
    "0127.0.0.1:8080",
    "[::1]:8080",
    "[0:0::1]:443",
    "[fe80::1%3]:443",
    "::1",
    "[::1]",
    "mail.example:443",
    "mail.example:+443",
    "mail.example:65536",
    "mail.example",
    ":",
];
const STAGES: &[&str] =
    &["intake", "classify", "policy", "guardrail", "approval", "credential", "action", "outcome", "audit"];

fn strings() -> impl Strategy<Value = BTreeSet<String>> {
    btree_set(text(), 0..3)
}

fn decision() -> impl Strategy<Value = DecisionNote> {
    let decision = prop_oneof![
        Just(Decision::allow()),
        strings().prop_map(Decision::Escalate),
        Just(Decision::Deny(Reason::Forbidden)),
        Just(Decision::Deny(Reason::NoPermit)),
        text().prop_map(|why| Decision::Deny(Reason::Unjudgeable(why))),
        text().prop_map(|why| Decision::Deny(Reason::Fault(why))),
    ];
    let rules = vec((text(), text()).prop_map(|(id, reason)| rule(&id, &reason)), 0..3);
    (decision, strings(), strings(), rules).prop_map(|(decision, grants, labels, rules)| {
        let labels = labels.iter().map(String::as_str).collect();
        DecisionNote::of(
            decision,
            rules,
            Vec::new(),
            &Facts { labels, grants, calls: 3, now_ms: 1, ..Facts::default() },
        )
    })
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let status = option::of(select(&[200, 404, 503][..]));
    (one_of(ADDRESSES), span_id(), any::<[u16; 2]>(), option::of(text()), status).prop_map(
        |(address, span, [started_us, ended_us], fault, status)| {
            let (started_us, ended_us) = (u64::from(started_us), u64::from(ended_us));
            Attempt { address, ended_us, fault, span, started_us, status }
        },
    )
}

fn result() -> impl Strategy<Value = ResultNote> {
    let code = prop_oneof![select(&[-32700_i64, -32602, -32002, -32603, 0][..]), any::<i64>()];
    (option::of(code), option::of(text()), any::<bool>()).prop_map(|(error_code, error_message, is_error)| {
        let (error_code, is_error) = if is_error { (None, true) } else { (error_code, false) };
        ResultNote { bytes: 1, error_code, error_message, is_error }
    })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    (select(&Code::ALL[..]), text()).prop_map(|(code, message)| Refusal::new(code, message))
}

fn principal() -> impl Strategy<Value = Arc<Principal>> {
    (text(), text()).prop_map(|(agent, tenant)| {
        let (teams, user, method) = (vec![], "ann".to_owned(), "token".to_owned());
        Arc::new(Principal { agent, teams, user, tenant, method })
    })
}

/// What a record says of the frame itself.
fn frame() -> impl Strategy<Value = Record> {
    use FrameKind::{EndSession, Notification, Request, Response, Stream, Unreadable};
    let kinds = [Request, Request, Notification, Response, Stream, EndSession, Unreadable];
    let ids = (trace_id(), span_id(), option::of(span_id()), option::of(traceparent()), one_of(&["t-1", ""]));
    // OTLP's times end in the year 2554.
    let times = (-1_000..18_000_000_000_000_000_i64, 0..100_000_000_000_u64);
    let message = (
        select(kinds.to_vec()),
        select(&[Direction::ToServer, Direction::ToClient][..]),
        option::of(one_of(METHODS)),
        option::of(one_of(TARGETS)),
        option::of(one_of(IDS)),
        option::of(text()),
    );
    let whence = (
        option::of(principal()),
        option::of(one_of(ADDRESSES)),
        option::of(one_of(&["stdio", "http", "builtin"])),
        text(),
        option::of(text()),
        any::<u64>(),
    );
    (ids, times, message, whence).prop_map(|(ids, times, message, whence)| {
        let (trace, span, parent, link, task) = ids;
        let (started_us, took_us) = times;
        let (kind, direction, method, target, request_id, protocol) = message;
        let (principal, client, transport, server, system, number) = whence;
        let mut record = Record { trace, span, parent, link, task, started_us, took_us, ..allowed() };
        record = Record { kind, direction, method, target, request_id, protocol, ..record };
        Record { principal, client, transport, server, system, number, ..record }
    })
}

fn record() -> impl Strategy<Value = Record> {
    let stages = vec((one_of(STAGES), 0..5_000_u64), 0..9);
    let attempts = vec(attempt(), 0..3);
    let notes = vec((0..5_000_u64, text()).prop_map(|(at_us, text)| Note { at_us, text }), 0..3);
    let life = (stages, attempts, notes, select(&Ending::ALL[..]));
    let judged = (option::of(decision()), option::of(text()), strings(), option::of(result()), option::of(refusal()));
    let tool = (any::<bool>(), any::<bool>(), text(), btree_set(select(&[Effect::Read, Effect::Spend][..]), 0..3));
    (frame(), life, judged, tool).prop_map(|(frame, life, judged, tool)| {
        let (stages, attempts, notes, ending) = life;
        let stages: Vec<StageTime> = stages.iter().map(|(name, at_us)| stage(name, *at_us)).collect();
        let (decision, credential, labels, result, refusal) = judged;
        let (digested, kept, argument, effects) = tool;
        let labels = labels.iter().map(String::as_str).collect();
        let arguments_digest = frame.arguments_digest.filter(|_| digested);
        let arguments = kept.then(|| serde_json::json!({ "a": argument }).into());
        let session = credential.clone();
        let record = Record { stages, attempts, notes, ending, decision, credential, labels, session, ..frame };
        Record { result, refusal, arguments_digest, arguments, effects, ..record }
    })
}

fn options() -> impl Strategy<Value = Options> {
    let limit = select(&[16, 17, 64, 4_096, 1_000_000][..]);
    (any::<bool>(), limit).prop_map(|(arguments, value_chars_max)| Options { arguments, value_chars_max })
}

fn sender() -> Resource {
    let told = [("service.name", "gate-7"), ("deployment.environment.name", ""), ("note", "\u{e9}t\u{e9}")];
    Resource::builder_empty().with_attributes(told.map(|(key, value)| KeyValue::new(key, value))).build()
}

/// Tells records as the exporter's thread does, each task's root once.
fn tell(records: &[Record], options: &Options, spans: &mut Spans) {
    let mut roots = HashSet::new();
    for record in records {
        let frame = Frame::of(record, options).unwrap();
        if frame.has_root() && roots.insert(frame.trace()) {
            frame.tell_root(spans);
        }
        frame.tell(spans);
    }
}

fn decoded(spans: &mut Spans, spans_max: usize) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(spans.take(spans_max).body).unwrap()
}

proptest! {
    #[test]
    fn the_gates_bytes_are_what_the_sdk_makes_of_the_same_records(
        records in vec(record(), 0..4), options in options(),
    ) {
        let sender = sender();
        let mut spans = Spans::of(&sender);
        tell(&records, &options, &mut spans);
        let (ours, mut theirs) = (decoded(&mut spans, usize::MAX), reference::request(&records, &options, &sender));
        // The SDK has no scope for no spans; neither request would be sent.
        prop_assume!(!records.is_empty());
        prop_assert_eq!(&ours, &theirs);
        // What is left over from one request is not in the next.
        let [record, ..] = &records[..] else { unreachable!() };
        theirs = reference::request(std::slice::from_ref(record), &options, &sender);
        tell(std::slice::from_ref(record), &options, &mut spans);
        prop_assert_eq!(decoded(&mut spans, usize::MAX), theirs);
    }

    #[test]
    fn batches_are_of_the_size_asked_for_and_lose_nothing(records in vec(record(), 1..4), spans_max in 1..6_usize) {
        let options = Options { arguments: false, value_chars_max: 64 };
        let sender = sender();
        let mut spans = Spans::of(&sender);
        tell(&records, &options, &mut spans);
        let whole = reference::request(&records, &options, &sender);
        let (mut rest, all) = (spans.len(), spans_in(whole.clone()));
        let mut taken = Vec::new();
        while !spans.is_empty() {
            let batch = spans.take(spans_max);
            rest -= batch.traces.len();
            prop_assert_eq!((batch.traces.len() == spans_max || rest == 0, spans.len()), (true, rest));
            let request = ExportTraceServiceRequest::decode(batch.body).unwrap();
            prop_assert_eq!(&request.resource_spans[0].resource, &whole.resource_spans[0].resource);
            prop_assert_eq!(&request.resource_spans[0].scope_spans[0].scope, &whole.resource_spans[0].scope_spans[0].scope);
            let told = spans_in(request);
            prop_assert!(told.iter().map(|span| span.trace_id.as_slice()).eq(batch.traces.iter().map(|t| t.as_slice())));
            taken.extend(told);
        }
        prop_assert_eq!(taken, all);
    }

    #[test]
    fn the_count_of_spans_is_known_before_they_are_told_and_telling_can_be_taken_back(record in record()) {
        let options = Options { arguments: false, value_chars_max: 64 };
        let mut spans = Spans::of(&sender());
        let frame = Frame::of(&record, &options).unwrap();
        prop_assert_eq!(frame.has_root(), record.parent.is_none() && !record.task.is_empty());
        frame.tell(&mut spans);
        let once = spans.len();
        prop_assert_eq!(once, count(&record));
        frame.tell_root(&mut spans);
        frame.tell(&mut spans);
        spans.truncate(once);
        let told = spans_in(decoded(&mut spans, usize::MAX));
        prop_assert_eq!(told.len(), once);
        prop_assert!(told.iter().all(|span| span.start_time_unix_nano <= span.end_time_unix_nano));
        frame.tell(&mut spans);
        spans.truncate(0);
        prop_assert!(spans.is_empty() && spans_in(decoded(&mut spans, 1)).is_empty());
        frame.tell(&mut spans);
        prop_assert_eq!(spans_in(decoded(&mut spans, usize::MAX)), told);
    }

    #[test]
    fn times_beyond_otlps_end_there(started_us in any::<i64>(), took_us: u64) {
        let record = Record { started_us, took_us, ..allowed() };
        let mut spans = Spans::of(&sender());
        Frame::of(&record, &Options { arguments: false, value_chars_max: 64 }).unwrap().tell(&mut spans);
        let told = spans_in(decoded(&mut spans, usize::MAX));
        prop_assert!(told.iter().all(|span| span.start_time_unix_nano <= span.end_time_unix_nano));
    }
}
