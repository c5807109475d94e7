//! Where a batch of spans goes: a collector over OTLP, or standard error.
//!
//! Everything here runs on the exporter's own thread and may block it, never longer than it is told. The HTTP client
//! obeys a deadline and follows no redirect (headers hold secrets). Faults are texts for people and contain neither URL
//! nor header. What stands in a batch is not known here.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use reqwest::blocking::{Client, Request};

use super::console;
use super::retry::{Backoff, Failure, retry_after};
use super::settings::Collector;
use super::spans::Batch;

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
    pub(super) fn send(&mut self, batch: &Batch, until: Instant) -> Result<u64, String> {
        match self {
            Self::Console => console::write(batch).map(|()| 0),
            Self::Otlp(otlp) => otlp.send(&batch.body, until),
        }
    }
}

/// A collector and the HTTP client that speaks to it.
pub(super) struct Otlp {
    collector: Collector,
    /// Made at the first batch and, if that failed, at each one after it.
    made: Option<Client>,
}

/// A greater body is not sent (the SDK's bound). Batches of the default size are a thousandth of it.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// An answer of a collector is a few bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// Exporter, language and version, as the specification has it ("OTLP Exporter Configuration", "User Agent").
const USER_AGENT: &str = concat!("Wicketgate-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));

impl Otlp {
    pub(super) fn new(collector: Collector) -> Self {
        Self { collector, made: None }
    }

    /// Sends a body, again if need be, until it is taken, refused for good, or its time is over.
    fn send(&mut self, body: &Bytes, until: Instant) -> Result<u64, String> {
        if body.len() > BODY_BYTES_MAX {
            let bytes = body.len();
            return Err(format!("the batch has {bytes} bytes, at most {BODY_BYTES_MAX}: lower the batch's size"));
        }
        let until = until.min(Instant::now() + self.collector.timeout);
        let client = match &self.made {
            Some(made) => made,
            None => self.made.insert(client(&self.collector).map_err(|e| chain(&e))?),
        };
        let body = if self.collector.gzip { compressed(body).map_err(|e| e.to_string())? } else { body.clone() };
        let mut backoff = Backoff::new();
        loop {
            let failure = match post(client, &self.collector, body.clone(), until) {
                Ok(rejected) => return Ok(rejected),
                Err(failure) => failure,
            };
            let left = until.saturating_duration_since(Instant::now());
            let chance = getrandom::u32().unwrap_or_default();
            match backoff.after(&failure, chance).filter(|wait| *wait < left) {
                Some(wait) => std::thread::sleep(wait),
                None => return Err(failure.to_string()),
            }
        }
    }
}

/// Must be called, and the client dropped, on a thread without an async runtime.
fn client(collector: &Collector) -> reqwest::Result<Client> {
    let mut builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(USER_AGENT)
        .timeout(collector.timeout)
        .pool_max_idle_per_host(1);
    if collector.endpoint.starts_with("http://") {
        // Without this, a system that has no CA certificates cannot even export in plain text.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

fn compressed(body: &[u8]) -> std::io::Result<Bytes> {
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body)?;
    gzip.finish().map(Bytes::from)
}

/// One attempt. Answers how many spans were rejected by a collector that accepted the others.
fn post(client: &Client, collector: &Collector, body: Bytes, until: Instant) -> Result<u64, Failure> {
    let unanswered = |e: &(dyn Error + 'static)| Failure::Unanswered(chain(e));
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Failure::Unanswered("the time for this batch is over".to_owned()));
    }
    let answer = client.execute(request(collector, body, left).map_err(|e| unanswered(&e))?);
    let answer = answer.map_err(|e| unanswered(&e))?;
    let status = answer.status();
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
    let mut body = Vec::new();
    answer.take(ANSWER_BYTES_MAX).read_to_end(&mut body).map_err(|e| unanswered(&e))?;
    if !status.is_success() {
        return Err(Failure::Answered(status, asked));
    }
    // What cannot be read says nothing of a rejection.
    let partial = ExportTraceServiceResponse::decode(body.as_slice()).ok().and_then(|answer| answer.partial_success);
    Ok(partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0)))
}

fn request(collector: &Collector, body: Bytes, left: Duration) -> Result<Request, url::ParseError> {
    let mut request = Request::new(Method::POST, url::Url::parse(&collector.endpoint)?);
    *request.timeout_mut() = Some(left);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    if collector.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.extend(collector.headers.clone());
    *request.body_mut() = Some(body.into());
    Ok(request)
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_fault_names_its_causes_and_no_address() {
        let client = reqwest::blocking::Client::new();
        let error = client.get("http://127.0.0.1:1/secret-path").send().unwrap_err();
        let told = chain(&error);
        assert!(told.to_lowercase().contains("refused"), "{told}");
        assert!(!told.contains("secret-path") && !told.contains("127.0.0.1"), "{told}");
    }
}
