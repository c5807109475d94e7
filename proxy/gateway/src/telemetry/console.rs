//! Spans for people: one line of JSON each, on standard error.
//!
//! The lines are read out of the request that a collector would have received, so that they show what would have been
//! sent and nothing else. That costs more than it needs to; a console is not for load.

use std::io::Write as _;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use super::spans::Batch;
use crate::config::hex;

/// Writes one JSON object per span and line.
pub(super) fn write(batch: &Batch) -> Result<(), String> {
    let spans = read(batch)?;
    let mut stderr = std::io::stderr().lock();
    let written = spans.iter().try_for_each(|span| writeln!(stderr, "{}", line(span)));
    written.map_err(|e| format!("standard error cannot be written: {e}"))
}

fn read(batch: &Batch) -> Result<Vec<Span>, String> {
    let request = ExportTraceServiceRequest::decode(batch.body.clone()).map_err(|e| e.to_string())?;
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    Ok(scopes.flat_map(|scope| scope.spans).collect())
}

fn line(span: &Span) -> serde_json::Value {
    let micros = |nanos: u64| (nanos / 1_000).to_string();
    let attributes = |list: &[KeyValue]| -> serde_json::Map<String, serde_json::Value> {
        list.iter().map(|kv| (kv.key.clone(), shown(kv.value.as_ref()).into())).collect()
    };
    let status = match &span.status {
        Some(status) if status.code() == StatusCode::Error => format!("error: {}", status.message),
        Some(_) | None => "unset".to_owned(),
    };
    serde_json::json!({
        "span": span.name,
        "kind": kind(span.kind()),
        "trace_id": hex(&span.trace_id),
        "span_id": hex(&span.span_id),
        "parent_span_id": if span.parent_span_id.is_empty() { hex(&[0; 8]) } else { hex(&span.parent_span_id) },
        "start_us": micros(span.start_time_unix_nano),
        "end_us": micros(span.end_time_unix_nano),
        "status": status,
        "attributes": attributes(&span.attributes),
        "events": span.events.iter().map(|event| attributes(&event.attributes)).collect::<Vec<_>>(),
        "links": span.links.iter().map(|link| hex(&link.trace_id)).collect::<Vec<_>>(),
    })
}

fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "unspecified",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

/// A value as text. The gate sends texts, whole numbers and lists of texts.
fn shown(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::ArrayValue(list)) => {
            let texts: Vec<_> = list.values.iter().map(|value| format!("\"{}\"", shown(Some(value)))).collect();
            format!("[{}]", texts.join(","))
        }
        Some(
            Value::BoolValue(_)
            | Value::DoubleValue(_)
            | Value::KvlistValue(_)
            | Value::BytesValue(_)
            | Value::StringValueStrindex(_),
        )
        | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::telemetry::project::{Frame, Options};
    use crate::telemetry::spans::Spans;

    #[test]
    fn a_span_on_the_console_is_one_line_of_json() {
        let record = serde_json::json!({
            "v": 1, "number": 7, "task": "t-1", "trace": "0af7651916cd43dd8448eb211c80319c", "span": "b7ad6b7169203331",
            "started_us": 1_000, "took_us": 20, "direction": "to_server", "kind": "request", "server": "mail",
            "method": "tools/list", "snapshot": format!("sha256:{}", "0".repeat(64)), "stages": [], "bytes_in": 0,
            "notes": [{ "at_us": 5, "text": "two\nlines" }], "labels": ["a", "b"], "ending": "failed",
        });
        let record = serde_json::from_value(record).unwrap();
        let mut spans = Spans::of(&opentelemetry_sdk::Resource::builder_empty().build());
        let frame = Frame::of(&record, &Options { arguments: false, value_chars_max: 100 }).unwrap();
        frame.tell_root(&mut spans);
        frame.tell(&mut spans);
        let told = read(&spans.take(2)).unwrap();
        let (root, shown) = (line(told.first().unwrap()), line(told.last().unwrap()));
        assert!(!shown.to_string().contains('\n'));
        let of = |pointer: &str| shown.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        assert_eq!(of("/span"), "tools/list");
        assert_eq!(of("/kind"), "server");
        assert_eq!(of("/trace_id"), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(of("/span_id"), "b7ad6b7169203331");
        assert_eq!(root.pointer("/span_id"), shown.pointer("/parent_span_id"));
        assert_eq!(root.pointer("/parent_span_id").unwrap(), "0000000000000000");
        assert_eq!(root.pointer("/status").unwrap(), "unset");
        assert_eq!((of("/start_us"), of("/end_us")), ("1000".to_owned(), "1020".to_owned()));
        assert_eq!(of("/status"), "error: ");
        assert_eq!(of("/attributes/wicketgate.server"), "mail");
        assert_eq!(of("/attributes/wicketgate.record"), "7");
        assert_eq!(of("/attributes/wicketgate.labels.result"), r#"["a","b"]"#);
        assert_eq!(of("/events/0/wicketgate.note.text"), "two\nlines");
    }
}
