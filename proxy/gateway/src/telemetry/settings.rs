//! The `OTEL_*` environment variables as settings, including those that the SDK does not read itself.
//!
//! [`read`] is a pure function over a lookup: it reads no environment, opens nothing, and reports every bad value at once. A bad
//! value never stops the gate; the default stands in for it, and the fault says which. Header values are secrets: no
//! fault, no `Debug` and no log line shows one. Source of names and defaults: the OpenTelemetry specification,
//! "Environment Variable Specification" and "OTLP Exporter Configuration".

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

use super::project;

mod read;
#[cfg(test)]
mod tests;

pub use read::read;

/// Everything the environment says of telemetry.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where spans go.
    pub traces: Traces,
    /// Which contexts are read from callers and handed on to upstreams.
    pub propagation: Propagation,
    /// The name of this service in the backends.
    pub service: String,
    /// Further attributes of the resource.
    pub resource: Vec<(String, String)>,
    /// Which traces are exported.
    pub sampling: Sampling,
    /// How spans are gathered.
    pub batch: Batch,
    /// What may stand on spans. No variable asks for arguments; the configuration may.
    pub projection: project::Options,
}

/// Where spans go.
#[derive(Debug, Clone, PartialEq)]
pub enum Traces {
    /// Nowhere, and why.
    Off(&'static str),
    /// To standard error, one JSON line per span. Not to standard output, which may be carrying the protocol.
    Console,
    /// To a collector.
    Otlp(Collector),
}

/// A collector that is spoken to in OTLP over HTTP with protobuf bodies.
#[derive(Debug, Clone, PartialEq)]
pub struct Collector {
    /// The whole address, path included: an `http` or `https` URL without user and password.
    pub endpoint: String,
    /// Sent with each request. Their values are secrets and marked sensitive.
    pub headers: HeaderMap,
    /// How long one export may take, repetitions included.
    pub timeout: Duration,
    /// Whether bodies are compressed.
    pub gzip: bool,
}

/// Which contexts travel with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// W3C Trace Context: `traceparent` and `tracestate`.
    pub trace_context: bool,
    /// W3C Baggage.
    pub baggage: bool,
}

impl From<Propagation> for pep::Propagation {
    fn from(Propagation { trace_context, baggage }: Propagation) -> Self {
        Self { trace_context, baggage }
    }
}

/// How spans are gathered before they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// How long the first span of a batch waits for others.
    pub delay: Duration,
    /// How long one batch may take to be sent.
    pub export_timeout: Duration,
    /// How many spans may be waiting or under way; those beyond are dropped and counted.
    pub queue_spans_max: usize,
    /// How many spans one request may carry.
    pub batch_spans_max: usize,
}

/// Which traces are exported. Decided by trace id, so that a trace is whole or absent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Whether the caller's own decision, where it gave one, comes first.
    pub parent_based: bool,
    /// How a trace without such a decision fares.
    pub root: RootSampling,
}

/// How a trace fares whose caller decided nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RootSampling {
    /// Exported.
    AlwaysOn,
    /// Not exported.
    AlwaysOff,
    /// This share of all traces is exported, 0 to 1.
    Ratio(f64),
}

impl Sampling {
    /// Whether the spans of this trace are exported. `caller` is the sampled flag of the context the caller sent, if it
    /// sent one. Something that is no trace id is kept, so that it is reported where it is projected.
    #[must_use]
    pub fn keeps(&self, trace: &str, caller: Option<bool>) -> bool {
        if let (true, Some(sampled)) = (self.parent_based, caller) {
            return sampled;
        }
        match (self.root, TraceId::from_hex(trace)) {
            (RootSampling::AlwaysOn, _) => true,
            (RootSampling::AlwaysOff, _) => false,
            (RootSampling::Ratio(_), Err(_)) => true,
            // The SDK's own arithmetic, so that services which share a ratio keep the same traces.
            (RootSampling::Ratio(ratio), Ok(id)) => {
                let sampler = Sampler::TraceIdRatioBased(ratio);
                let answer = sampler.should_sample(None, id, "", &SpanKind::Internal, &[], &[]);
                answer.decision == SamplingDecision::RecordAndSample
            }
        }
    }
}

impl fmt::Display for Traces {
    /// For the log at the start. An endpoint holds no secret: user and password in it are refused.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off(why) => write!(f, "off: {why}"),
            Self::Console => f.write_str("to standard error"),
            Self::Otlp(collector) => write!(f, "to {}", collector.endpoint),
        }
    }
}

/// A variable whose value cannot be used, and what is done instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {message}")]
pub struct SettingFault {
    /// The variable.
    pub variable: String,
    /// What is wrong with it and what stands in for it. Never quotes a header.
    pub message: String,
}
