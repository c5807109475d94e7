//! Records as an OTLP collector sees them: spans, parents, kinds, status and attributes, decoded from what arrived.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod collector;
mod encoding;
mod loss;
mod reference;
mod stages;

use collector::{
    Answer, Collector, SPAN, TRACE, allowed, attribute, attributes, hex, named, rule, settings_for, shutdown, spans_of,
    stage, story,
};
use gateway::telemetry::{Exporter, settings};
use opentelemetry_proto::tonic::trace::v1::Span;
use pdp::decision::{Decision, Reason};
use pdp::policy::Facts;
use pdp::record::{Attempt, DecisionNote, Direction, Ending, FrameKind, Record, ResultNote};
use pdp::refusal::{Code, Refusal};
use std::sync::Arc;
use std::time::Duration;

/// What the spans of one record look like, in brief.
async fn brief(record: &Record) -> String {
    story(&spans_of(std::slice::from_ref(record), false).await, false)
}

fn denied() -> Record {
    let labels = ["private", "untrusted"].into_iter().collect();
    let facts = Facts { labels, calls: 3, now_ms: 1, ..Facts::default() };
    let rules = vec![rule("trifecta", "Egress after reading untrusted and private data"), rule("quiet", "")];
    let note = DecisionNote::of(Decision::Deny(Reason::Forbidden), rules, Vec::new(), &facts);
    Record {
        took_us: 400,
        target: Some("send_mail".to_owned()),
        decision: Some(note),
        labels: Default::default(),
        stages: vec![stage("intake", 100), stage("classify", 200), stage("audit", 390)],
        attempts: vec![],
        result: Some(ResultNote { is_error: true, bytes: 300, ..ResultNote::default() }),
        ending: Ending::Refused,
        refusal: Some(Refusal::new(Code::Denied, "sending mail is denied")),
        ..allowed()
    }
}

fn answered_with(error_code: i64) -> Record {
    let result =
        ResultNote { error_code: Some(error_code), error_message: Some("no luck".to_owned()), ..ResultNote::default() };
    Record { result: Some(result), ..allowed() }
}

#[tokio::test]
async fn an_allowed_call_is_one_server_span_with_the_attempt_and_the_judgement_below_it() {
    let spans = spans_of(&[allowed()], false).await;
    let digest = |of: &[u8]| pdp::digest::Digest::of_bytes(of).to_string();
    let (empty, snapshot) = (digest(b""), digest(b"snapshot"));
    let expected = format!(
        "\
INTERNAL task 0..9000
    wicketgate.principal = default/clerk
    wicketgate.task = t-1
  SERVER tools/call read_mail 0..9000
      client.address = 192.0.2.7
      client.port = #50000
      gen_ai.operation.name = execute_tool
      gen_ai.tool.name = read_mail
      jsonrpc.request.id = call-3
      mcp.method.name = tools/call
      mcp.protocol.version = 2025-11-25
      network.transport = tcp
      wicketgate.arguments.digest = {empty}
      wicketgate.decision = allow
      wicketgate.effects = [read]
      wicketgate.ending = served
      wicketgate.labels.before = [private]
      wicketgate.labels.result = [private, untrusted]
      wicketgate.principal = default/clerk
      wicketgate.record = #7
      wicketgate.rules = [read-mail]
      wicketgate.server = mail
      wicketgate.session = sha256:5e5510
      wicketgate.snapshot = {snapshot}
      wicketgate.system = exchange
      wicketgate.task = t-1
    CLIENT tools/call read_mail 500..8500
        gen_ai.operation.name = execute_tool
        gen_ai.tool.name = read_mail
        http.response.status_code = #200
        jsonrpc.request.id = call-3
        mcp.method.name = tools/call
        mcp.protocol.version = 2025-11-25
        network.transport = tcp
        server.address = mail.example
        server.port = #8443
        wicketgate.record = #7
        wicketgate.server = mail
        wicketgate.task = t-1
    INTERNAL policy 200..300
        wicketgate.decision = allow
        wicketgate.labels.before = [private]
        wicketgate.record = #7
        wicketgate.rules = [read-mail]
        wicketgate.snapshot = {snapshot}
        wicketgate.task = t-1
"
    );
    assert_eq!(story(&spans, true), expected);
    let server = &spans[1];
    assert_eq!((hex(&server.trace_id).as_str(), hex(&server.span_id).as_str()), (TRACE, SPAN));
    assert!(spans.iter().all(|s| s.trace_id == server.trace_id));
}

#[tokio::test]
async fn a_denied_call_says_who_denied_it_and_has_no_client_span() {
    let spans = spans_of(&[denied()], false).await;
    let expected = "\
INTERNAL task 0..400
  SERVER tools/call send_mail 0..400 ERROR tool_error ()
    INTERNAL policy 200..390
";
    assert_eq!(story(&spans, false), expected);
    for span in &spans[1..] {
        assert_eq!(attribute(span, "wicketgate.decision").unwrap(), "deny");
        assert_eq!(attribute(span, "wicketgate.rules").unwrap(), "[trifecta, quiet]");
        assert_eq!(attribute(span, "wicketgate.reason").unwrap(), "Egress after reading untrusted and private data");
        assert_eq!(attribute(span, "wicketgate.labels.before").unwrap(), "[private, untrusted]");
    }
    assert_eq!(attribute(&spans[1], "wicketgate.refusal").unwrap(), "denied");
    assert_eq!(attribute(&spans[1], "wicketgate.ending").unwrap(), "refused");

    // The same as a JSON-RPC error, which is what a method that is not a tool's gets.
    let record = Record { method: Some("sampling/createMessage".into()), target: None, result: None, ..denied() };
    let spans = spans_of(&[record], false).await;
    assert!(story(&spans, false).contains("SERVER sampling/createMessage 0..400 ERROR 40300 (denied)"));
    assert_eq!(attribute(&spans[1], "rpc.response.status_code").unwrap(), "40300");
    assert_eq!(attribute(&spans[1], "gen_ai.operation.name"), None);
}

#[tokio::test]
async fn an_upstream_error_is_an_error_on_the_client_span_and_on_the_server_span_unless_the_caller_erred() {
    let expected = "\
INTERNAL task 0..9000
  SERVER tools/call read_mail 0..9000 ERROR -32603 (no luck)
    CLIENT tools/call read_mail 500..8500 ERROR -32603 (no luck)
    INTERNAL policy 200..300
";
    assert_eq!(brief(&answered_with(-32603)).await, expected);
    for code in [-32700, -32600, -32601, -32602, -32002] {
        let spans = spans_of(&[answered_with(code)], false).await;
        let text = story(&spans, false);
        assert!(text.contains("SERVER tools/call read_mail 0..9000\n"), "{text}");
        assert!(text.contains(&format!("CLIENT tools/call read_mail 500..8500 ERROR {code} (no luck)")), "{text}");
        for span in &spans[1..3] {
            assert_eq!(attribute(span, "rpc.response.status_code").unwrap(), code.to_string());
        }
        assert_eq!(attribute(&spans[1], "error.type"), None);
    }
}

#[tokio::test]
async fn a_tool_error_is_one_on_both_sides() {
    let result = ResultNote { is_error: true, bytes: 10, ..ResultNote::default() };
    let expected = "\
INTERNAL task 0..9000
  SERVER tools/call read_mail 0..9000 ERROR tool_error ()
    CLIENT tools/call read_mail 500..8500 ERROR tool_error ()
    INTERNAL policy 200..300
";
    assert_eq!(brief(&Record { result: Some(result), ..allowed() }).await, expected);
}

#[tokio::test]
async fn a_call_that_timed_out_is_of_type_timeout() {
    let mut record = allowed();
    record.attempts[0].fault = Some("no answer in 8 ms".to_owned());
    record.attempts[0].status = None;
    record.stages.truncate(6);
    record.stages.push(stage("audit", 8_600));
    record.result = None;
    record.ending = Ending::Indeterminate;
    record.refusal = Some(Refusal::new(Code::TimedOut, "the server did not answer in time"));
    let expected = "\
INTERNAL task 0..9000
  SERVER tools/call read_mail 0..9000 ERROR timeout (the server did not answer in time)
    CLIENT tools/call read_mail 500..8500 ERROR timeout (no answer in 8 ms)
    INTERNAL policy 200..300
";
    let spans = spans_of(std::slice::from_ref(&record), false).await;
    assert_eq!(story(&spans, false), expected);
    assert_eq!(attribute(&spans[1], "rpc.response.status_code").unwrap(), "50401");
    assert_eq!(attribute(&spans[1], "wicketgate.ending").unwrap(), "indeterminate");

    // Answered in the end: the first attempt failed in its own way, the second succeeded.
    let second =
        Attempt { span: "00f067aa0ba902b8".into(), started_us: 8_500, ended_us: 8_900, ..record.attempts[0].clone() };
    let mut retried = allowed();
    retried.attempts = vec![
        Attempt { status: Some(503), fault: None, ..record.attempts[0].clone() },
        Attempt { status: Some(200), fault: None, ..second },
    ];
    let text = brief(&retried).await;
    assert!(text.contains("SERVER tools/call read_mail 0..9000\n"), "{text}");
    assert!(text.contains("CLIENT tools/call read_mail 500..8500 ERROR 503 ()"), "{text}");
    assert!(text.contains("CLIENT tools/call read_mail 8500..8900\n"), "{text}");
}

#[tokio::test]
async fn other_endings_without_an_answer() {
    let mut record = Record { result: None, ..allowed() };
    for (ending, says) in [
        (Ending::Abandoned, "0..9000\n"),
        (Ending::Panicked, "0..9000 ERROR panicked (the gate failed"),
        (Ending::Failed, "0..9000 ERROR failed ()"),
        (Ending::Indeterminate, "0..9000 ERROR indeterminate ()"),
    ] {
        record.ending = ending;
        let text = brief(&record).await;
        assert!(text.contains(&format!("SERVER tools/call read_mail {says}")), "{text}");
    }
    record.ending = Ending::Failed;
    record.refusal = Some(Refusal::new(Code::Unreachable, "the server cannot be reached"));
    record.attempts[0].fault = Some("connection refused".to_owned());
    record.attempts[0].status = None;
    let text = brief(&record).await;
    assert!(text.contains("ERROR 50202 (the server cannot be reached)"), "{text}");
    assert!(text.contains("ERROR unreachable (connection refused)"), "{text}");
}

#[tokio::test]
async fn towards_the_client_the_gate_is_the_calling_side() {
    let record = Record {
        direction: Direction::ToClient,
        parent: Some("00000000000000aa".to_owned()),
        method: Some("elicitation/create".to_owned()),
        target: None,
        attempts: vec![],
        ..answered_with(-32602)
    };
    let spans = spans_of(&[record], false).await;
    let expected = "\
CLIENT elicitation/create 0..9000 ERROR -32602 (no luck)
  INTERNAL policy 200..300
  INTERNAL action 330..8510
";
    assert_eq!(story(&spans, false), expected);
    let own = attributes(&spans[0].attributes);
    assert!(!own.contains_key("client.address") && !own.contains_key("server.address"), "{own:?}");
    assert_eq!(hex(&spans[0].parent_span_id), "00000000000000aa");
    assert_eq!(spans[0].flags & 0x300, 0x100, "the parent is a span of this gate");
}

#[tokio::test]
async fn the_callers_span_is_the_parent_and_another_traces_context_a_link() {
    let parent = Record { parent: Some("00000000000000aa".to_owned()), ..allowed() };
    let spans = spans_of(&[parent], false).await;
    assert!(spans.iter().all(|s| s.name != "task"), "the caller's trace has a root of its own");
    assert_eq!(hex(&spans[0].parent_span_id), "00000000000000aa");
    assert_eq!(spans[0].flags & 0x300, 0x300, "the parent is known to be remote");
    assert!(spans.iter().all(|s| s.links.is_empty()));

    let foreign = "4bf92f3577b34da6a3ce929d0e0e4736";
    let linked = Record { link: Some(format!("00-{foreign}-00f067aa0ba902b7-01")), ..allowed() };
    let spans = spans_of(&[linked], false).await;
    let server = named(&spans, "tools/call read_mail");
    assert_eq!(server.links.len(), 1);
    let link = &server.links[0];
    assert_eq!((hex(&link.trace_id).as_str(), hex(&link.span_id).as_str()), (foreign, "00f067aa0ba902b7"));
    assert_eq!(hex(&server.trace_id), TRACE, "the task's trace stays the task's");
    assert_eq!(server.parent_span_id, named(&spans, "task").span_id);

    for no_link in [format!("00-{TRACE}-00f067aa0ba902b7-01"), "00-xyz-1-1".to_owned(), String::new()] {
        let spans = spans_of(&[Record { link: Some(no_link), ..allowed() }], false).await;
        assert!(spans.iter().all(|s| s.links.is_empty()));
    }
}

#[tokio::test]
async fn a_task_has_one_root_however_many_frames_it_has() {
    let other = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let frame =
        |trace: &str, span: &str| Record { trace: trace.into(), span: span.into(), attempts: vec![], ..allowed() };
    let records =
        [frame(TRACE, "1111111111111111"), frame(other, "2222222222222222"), frame(TRACE, "3333333333333333")];
    let spans = spans_of(&records, false).await;
    let roots: Vec<&Span> = spans.iter().filter(|s| s.parent_span_id.is_empty()).collect();
    assert_eq!(roots.iter().map(|s| hex(&s.trace_id)).collect::<Vec<_>>(), [TRACE, other]);
    for frame in spans.iter().filter(|s| s.name.starts_with("tools/call")) {
        let root = roots.iter().find(|r| r.trace_id == frame.trace_id).unwrap();
        assert_eq!(frame.parent_span_id, root.span_id);
    }
    // Another gate, or this one after a restart, names the same root.
    let again = spans_of(&records[2..], false).await;
    assert_eq!(named(&again, "task").span_id, roots[0].span_id);
    let ids: std::collections::BTreeSet<_> = spans.iter().map(|s| (&s.trace_id, &s.span_id)).collect();
    assert_eq!(ids.len(), spans.len());
}

#[tokio::test]
async fn a_frame_that_reached_no_task_is_the_root_of_its_own_trace() {
    let record = Record {
        task: String::new(),
        decision: None,
        stages: vec![stage("audit", 20)],
        attempts: vec![],
        result: None,
        ending: Ending::Refused,
        refusal: Some(Refusal::new(Code::Unauthenticated, "no valid token")),
        took_us: 30,
        ..allowed()
    };
    let spans = spans_of(&[record], false).await;
    assert_eq!(story(&spans, false), "SERVER tools/call read_mail 0..30 ERROR 40100 (unauthenticated)\n");
    assert!(spans[0].parent_span_id.is_empty());
}

#[tokio::test]
async fn names_follow_the_conventions_and_strangers_do_not_choose_them() {
    let of = |kind, method: &str, target: Option<&str>, refused: Option<Code>| Record {
        kind,
        method: Some(method.to_owned()),
        target: target.map(str::to_owned),
        refusal: refused.map(|code| Refusal::new(code, "no")),
        ..allowed()
    };
    use FrameKind::{EndSession, Notification, Request, Response, Stream, Unreadable};
    for (record, name, method) in [
        (of(Request, "prompts/get", Some("greet"), None), "prompts/get greet", Some("prompts/get")),
        (of(Request, "resources/read", Some("file:///a"), None), "resources/read", Some("resources/read")),
        (
            of(Notification, "notifications/progress", None, None),
            "notifications/progress",
            Some("notifications/progress"),
        ),
        (of(Request, "x/opened", None, None), "x/opened", Some("x/opened")),
        (of(Request, "x/made-up", None, Some(Code::MethodClosed)), "_OTHER", Some("x/made-up")),
        (of(Request, "tools/call", Some("made_up"), Some(Code::UnknownTool)), "tools/call", Some("tools/call")),
        (of(Response, "response", None, None), "response", None),
        (of(Stream, "stream", None, None), "stream", None),
        (of(EndSession, "session/end", None, None), "session/end", None),
        (of(Unreadable, "", None, None), "unreadable", None),
    ] {
        let kind = record.kind;
        let spans = spans_of(&[record], false).await;
        let span = &spans[1];
        assert_eq!((span.name.as_str(), attribute(span, "mcp.method.name").as_deref()), (name, method));
        let id = attribute(span, "jsonrpc.request.id");
        assert_eq!(id.is_some(), kind == Request, "{kind:?}");
    }
    let spans = spans_of(&[of(Request, "resources/read", Some("pg://u:p4ss@db/t"), None)], false).await;
    assert_eq!(attribute(&spans[1], "mcp.resource.uri").unwrap(), "pg://db/t");
    let spans = spans_of(&[of(Request, "prompts/get", Some("greet"), None)], false).await;
    assert_eq!(attribute(&spans[1], "gen_ai.prompt.name").unwrap(), "greet");
}

#[tokio::test]
async fn arguments_are_on_spans_only_when_asked_for() {
    let judged = |reason| {
        let mut record = denied();
        record.decision.as_mut().unwrap().decision = Decision::Deny(reason);
        record.result = None;
        record.refusal = Some(Refusal::new(Code::BadArguments, "`inbox-4711` is not a number"));
        record
    };
    let quoting = "the number `inbox-4711` in `folder` has no exact form".to_owned();
    let faulty = judged(Reason::Fault(quoting.clone()));
    let records = [allowed(), judged(Reason::Unjudgeable(quoting)), faulty.clone()];
    let collector = Collector::start(Answer::Takes).await;
    let exporter = Arc::new(Exporter::start(&settings_for(&collector.endpoint, &[]), "i").unwrap());
    records.iter().for_each(|r| exporter.offer(&Arc::new(r.clone())));
    shutdown(exporter, Duration::from_secs(5)).await;
    assert_eq!(collector.spans().len(), 1 + 3 + 2 + 2);
    for request in collector.received().iter() {
        assert!(!String::from_utf8_lossy(&request.body).contains("inbox-4711"));
    }
    let spans = spans_of(&[faulty], false).await;
    assert_eq!(attribute(&spans[1], "wicketgate.reason").unwrap(), "fault");
    assert!(story(&spans, false).contains("INTERNAL policy 200..390 ERROR policy_fault"));

    let spans = spans_of(&[allowed()], true).await;
    let with: Vec<_> = spans.iter().filter_map(|s| attribute(s, "gen_ai.tool.call.arguments")).collect();
    assert_eq!(with, [r#"{"folder":"inbox-4711"}"#]);
}

#[tokio::test]
async fn the_collector_learns_who_sends_and_gets_the_headers_and_the_encoding_it_wants() {
    let collector = Collector::start(Answer::Takes).await;
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken,x-tenant=a%2Bb"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ("OTEL_SERVICE_NAME", "gate-7"),
    ];
    let exporter = Arc::new(Exporter::start(&settings_for(&collector.endpoint, &variables), "instance-1").unwrap());
    exporter.offer(&allowed().into());
    shutdown(exporter, Duration::from_secs(5)).await;
    let requests = collector.requests();
    let spans = &requests[0].resource_spans[0];
    let resource = attributes(&spans.resource.as_ref().unwrap().attributes);
    let of = |key: &str| resource.get(key).map(String::as_str);
    assert_eq!(of("service.name"), Some("gate-7"));
    assert_eq!(of("service.instance.id"), Some("instance-1"));
    assert_eq!(of("deployment.environment.name"), Some("test"));
    assert_eq!(of("telemetry.sdk.language"), Some("rust"));
    assert!(of("service.version").is_some());
    assert_eq!(spans.scope_spans[0].scope.as_ref().unwrap().name, "wicketgate");
    {
        let received = collector.received();
        let headers = &received[0].headers;
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(
            (&headers["authorization"], &headers["x-tenant"]),
            (&"Bearer t0ken".parse().unwrap(), &"a+b".parse().unwrap())
        );
    }

    let collector = Collector::start(Answer::Takes).await;
    let compressed = settings_for(&collector.endpoint, &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")]);
    let exporter = Arc::new(Exporter::start(&compressed, "i").unwrap());
    exporter.offer(&allowed().into());
    shutdown(exporter, Duration::from_secs(5)).await;
    let received = collector.received();
    assert_eq!(received[0].headers["content-encoding"], "gzip");
    assert!(received[0].body.starts_with(&[0x1f, 0x8b]));
}

#[tokio::test]
async fn what_is_off_or_not_sampled_is_not_sent_and_not_lost() {
    let off = Exporter::start(&settings::read(|_| None).0, "i").unwrap();
    off.offer(&allowed().into());
    assert_eq!(off.stats(), Default::default());

    let collector = Collector::start(Answer::Takes).await;
    let half = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.5")];
    let exporter = Arc::new(Exporter::start(&settings_for(&collector.endpoint, &half), "i").unwrap());
    exporter.offer(&Arc::new(Record { trace: "0000000000000001ffffffffffffffff".to_owned(), ..allowed() }));
    exporter.offer(&Arc::new(Record { trace: "ffffffffffffffff0000000000000001".to_owned(), ..allowed() }));
    shutdown(exporter.clone(), Duration::from_secs(5)).await;
    let stats = exporter.stats();
    assert_eq!((stats.unsampled, stats.exported, stats.dropped_failed), (3, 4, 0));
    assert!(collector.spans().iter().all(|s| hex(&s.trace_id).starts_with("ff")));
}
