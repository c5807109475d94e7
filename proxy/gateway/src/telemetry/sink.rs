//! Where a batch of spans goes: a collector over OTLP, or standard error.
//!
//! Everything here runs on the exporter's own thread and may block it, never longer than it is told. The SDK's exporter
//! encodes, repeats and classifies; the HTTP client under it is ours for three reasons: it obeys a deadline, it follows
//! no redirect (headers hold secrets), and it reads the collector's partial success, which the SDK only logs. Faults
//! are texts for people and contain neither URL nor header.

use std::error::Error;
use std::future::{Future, ready};
use std::io::{Read as _, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::Status;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Compression, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use prost::Message as _;

use super::settings::Collector;

/// A place for spans.
pub(super) enum Sink {
    /// Standard error.
    Console,
    /// A collector.
    Otlp(Box<Otlp>),
}

impl Sink {
    /// Sends a batch. Answers how many spans of it were rejected by a collector that accepted the others.
    ///
    /// # Errors
    /// When the whole batch was lost; the text says why.
    pub(super) fn send(&mut self, spans: Vec<SpanData>, until: Instant) -> Result<u64, String> {
        match self {
            Self::Console => write(&spans).map(|()| 0).map_err(|e| format!("standard error cannot be written: {e}")),
            Self::Otlp(otlp) => otlp.send(spans, until),
        }
    }
}

/// A collector and the exporter that speaks to it.
pub(super) struct Otlp {
    collector: Collector,
    resource: Resource,
    /// Made at the first batch and, if that failed, at each one after it.
    made: Option<(SpanExporter, Arc<Wire>)>,
}

impl Otlp {
    pub(super) fn new(collector: Collector, resource: Resource) -> Self {
        Self { collector, resource, made: None }
    }

    fn send(&mut self, spans: Vec<SpanData>, until: Instant) -> Result<u64, String> {
        let until = until.min(Instant::now() + self.collector.timeout);
        let (exporter, wire) = match &mut self.made {
            Some(made) => made,
            empty => empty.insert(make(&self.collector, &self.resource)?),
        };
        wire.begin(until);
        let sent = futures_executor::block_on(exporter.export(spans));
        let report = wire.report();
        match sent {
            Ok(()) => Ok(report.rejected),
            Err(e) => Err(report.fault.unwrap_or_else(|| e.to_string())),
        }
    }
}

fn make(collector: &Collector, resource: &Resource) -> Result<(SpanExporter, Arc<Wire>), String> {
    let wire = Arc::new(Wire::new(collector).map_err(|e| chain(&e))?);
    let client: Arc<dyn HttpClient> = wire.clone();
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(&collector.endpoint)
        .with_timeout(collector.timeout)
        .with_shared_http_client(client);
    if collector.gzip {
        builder = builder.with_compression(Compression::Gzip);
    }
    let mut exporter = builder.build().map_err(|e| e.to_string())?;
    exporter.set_resource(resource);
    Ok((exporter, wire))
}

/// The HTTP client under the exporter.
#[derive(Debug)]
struct Wire {
    client: reqwest::blocking::Client,
    headers: http::HeaderMap,
    batch: Mutex<Report>,
}

/// What happened to one batch.
#[derive(Debug, Default)]
struct Report {
    /// When it must be over.
    until: Option<Instant>,
    rejected: u64,
    fault: Option<String>,
}

/// An answer of a collector is a few bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

impl Wire {
    /// Must be called, and dropped, on a thread without an async runtime.
    fn new(collector: &Collector) -> reqwest::Result<Self> {
        let mut builder = reqwest::blocking::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(collector.timeout)
            .pool_max_idle_per_host(1);
        if collector.endpoint.starts_with("http://") {
            // Without this, a system that has no CA certificates cannot even export in plain text.
            builder = builder.tls_certs_only([]);
        }
        let batch = Mutex::new(Report::default());
        Ok(Self { client: builder.build()?, headers: collector.headers.clone(), batch })
    }

    fn begin(&self, until: Instant) {
        *self.batch.lock().unwrap_or_else(PoisonError::into_inner) = Report { until: Some(until), ..Report::default() };
    }

    fn report(&self) -> Report {
        std::mem::take(&mut *self.batch.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, fault: Option<String>, rejected: u64) {
        let mut batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        batch.fault = fault;
        batch.rejected = rejected;
    }

    fn post(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let until = self.batch.lock().unwrap_or_else(PoisonError::into_inner).until;
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err("the time for this batch is over".into());
        }
        let mut request = reqwest::blocking::Request::try_from(request)?;
        *request.timeout_mut() = Some(left);
        request.headers_mut().extend(self.headers.clone());
        let answer = self.client.execute(request)?;
        let status = answer.status();
        let retry_after = answer.headers().get(http::header::RETRY_AFTER).cloned();
        let mut body = Vec::new();
        answer.take(ANSWER_BYTES_MAX).read_to_end(&mut body)?;
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(http::header::RETRY_AFTER, seconds);
        }
        Ok(response)
    }
}

impl HttpClient for Wire {
    /// Blocks: its one caller is the exporter's thread, which has nothing else to do.
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let answer = self.post(request);
        match &answer {
            Ok(response) if response.status().is_success() => {
                let partial = ExportTraceServiceResponse::decode(response.body().clone()).ok();
                let rejected = partial.and_then(|answer| answer.partial_success).map_or(0, |p| p.rejected_spans);
                self.note(None, u64::try_from(rejected).unwrap_or(0));
            }
            Ok(response) => self.note(Some(format!("the collector answered {}", response.status())), 0),
            Err(e) => self.note(Some(chain(e.as_ref())), 0),
        }
        Box::pin(ready(answer))
    }
}

/// An error and its causes in one line. reqwest puts the URL into its own message, so of that one the causes are told.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<reqwest::Error>() {
            Some(e) if e.is_timeout() => words.push("no answer in time".to_owned()),
            Some(e) if e.source().is_some() => {}
            Some(_) => words.push("the request failed".to_owned()),
            None => words.push(error.to_string()),
        }
        next = error.source();
    }
    words.dedup();
    words.join(": ")
}

/// One JSON object per span and line.
fn write(spans: &[SpanData]) -> std::io::Result<()> {
    let mut stderr = std::io::stderr().lock();
    for span in spans {
        writeln!(stderr, "{}", line(span))?;
    }
    Ok(())
}

fn line(span: &SpanData) -> serde_json::Value {
    let micros = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros().to_string();
    let attributes = |list: &[KeyValue]| -> serde_json::Map<String, serde_json::Value> {
        list.iter().map(|kv| (kv.key.to_string(), kv.value.to_string().into())).collect()
    };
    let events: Vec<_> = span.events.iter().map(|e| attributes(&e.attributes)).collect();
    let links: Vec<_> = span.links.iter().map(|l| l.span_context.trace_id().to_string()).collect();
    let status = match &span.status {
        Status::Unset => "unset".to_owned(),
        Status::Ok => "ok".to_owned(),
        Status::Error { description } => format!("error: {description}"),
    };
    serde_json::json!({
        "span": span.name,
        "kind": format!("{:?}", span.span_kind).to_lowercase(),
        "trace_id": span.span_context.trace_id().to_string(),
        "span_id": span.span_context.span_id().to_string(),
        "parent_span_id": span.parent_span_id.to_string(),
        "start_us": micros(span.start_time),
        "end_us": micros(span.end_time),
        "status": status,
        "attributes": attributes(&span.attributes),
        "events": events,
        "links": links,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::telemetry::project;

    #[test]
    fn a_span_on_the_console_is_one_line_of_json() {
        let record = serde_json::json!({
            "v": 1, "number": 7, "task": "t-1", "trace": "0af7651916cd43dd8448eb211c80319c", "span": "b7ad6b7169203331",
            "started_us": 1_000, "took_us": 20, "direction": "to_server", "kind": "request", "server": "mail",
            "method": "tools/list", "snapshot": format!("sha256:{}", "0".repeat(64)), "stages": [], "bytes_in": 0,
            "notes": [{ "at_us": 5, "text": "two\nlines" }], "ending": "failed",
        });
        let record = serde_json::from_value(record).unwrap();
        let spans = project::project(&record, &project::Options { arguments: false, value_chars_max: 100 }).unwrap();
        let shown = line(spans.first().unwrap());
        assert!(!shown.to_string().contains('\n'));
        let of = |pointer: &str| shown.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
        assert_eq!(of("/span"), "tools/list");
        assert_eq!(of("/kind"), "server");
        assert_eq!(of("/trace_id"), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((of("/start_us"), of("/end_us")), ("1000".to_owned(), "1020".to_owned()));
        assert_eq!(of("/status"), "error: ");
        assert_eq!(of("/attributes/wicketgate.server"), "mail");
        assert_eq!(of("/events/0/wicketgate.note.text"), "two\nlines");
    }

    #[test]
    fn a_fault_names_its_causes_and_no_address() {
        let client = reqwest::blocking::Client::new();
        let error = client.get("http://127.0.0.1:1/secret-path").send().unwrap_err();
        let told = chain(&error);
        assert!(told.to_lowercase().contains("refused"), "{told}");
        assert!(!told.contains("secret-path") && !told.contains("127.0.0.1"), "{told}");
    }
}
