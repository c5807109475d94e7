//! The exporter: a bounded queue, one thread, and a count of everything that was lost.
//!
//! The SDK's batch processor hides its drops and answers a shutdown that lost spans with `Ok`; this one counts each span
//! exactly once as exported, dropped because the queue was full, or dropped because it could not be delivered. Offering
//! a record never waits: it is a counter and a push. Projection, encoding and the network are the thread's.
//!
//! Whatever happens here stays here: no failure reaches a call. The audit record is the ledger's, not this.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector as _, TelemetryResourceDetector};
use pdp::record::Record;

use super::counts::{Counts, Reserved, Stats};
use super::settings::{Settings, Traces};
use super::sink::{Otlp, Sink};
use super::spans::Spans;
use super::worker::{Message, Worker};
use super::{names, project};

/// What a shutdown could not deliver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// Spans that were waiting or on their way when time was up, or failed on the way out.
    pub spans: u64,
    /// Why.
    pub fault: Option<String>,
}

/// However long a caller is ready to wait, a shutdown takes no longer.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(5);

/// The handle that the gate holds. Dropping it without a shutdown lets the thread deliver what it has, and end.
#[derive(Debug)]
pub struct Exporter(Option<Running>);

#[derive(Debug)]
struct Running {
    counts: Arc<Counts>,
    queue: SyncSender<Message>,
    /// Woken when there are as many spans as make a batch; it does not wake for one record.
    thread: Thread,
    batch_spans: u64,
    /// Disconnected when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

impl Exporter {
    /// An exporter that exports nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Starts the thread, if the settings name a place for spans, and says in the log where they go. A collector that
    /// cannot be reached is no error: it may come later, and until then drops are counted.
    ///
    /// `instance` names this process among others of the service; it should be random.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(settings: &Settings, instance: &str) -> std::io::Result<Self> {
        tracing::info!("traces: {}", settings.traces);
        let sink = match &settings.traces {
            Traces::Off(_) => return Ok(Self::off()),
            Traces::Console => Sink::Console,
            Traces::Otlp(collector) => Sink::Otlp(Box::new(Otlp::new(collector.clone()))),
        };
        let spans = Spans::of(&resource(settings, instance));
        let counts = Arc::new(Counts::new(settings));
        // One place more than spans: a stop always fits.
        let (queue, offered) = sync_channel(settings.batch.queue_spans_max.saturating_add(1));
        let (ending, ended) = sync_channel(0);
        let worker = Worker::new(counts.clone(), offered, sink, spans, settings);
        let started = std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
            worker.run();
            drop(ending);
        })?;
        let batch_spans = u64::try_from(settings.batch.batch_spans_max).unwrap_or(u64::MAX);
        let (thread, ended) = (started.thread().clone(), Mutex::new(ended));
        Ok(Self(Some(Running { counts, queue, thread, batch_spans, ended })))
    }

    /// Hands over a finished frame. Never waits and never fails; what does not fit is counted.
    pub fn offer(&self, record: &Arc<Record>) {
        let Some(running) = &self.0 else { return };
        let counts = &running.counts;
        let spans = u64::try_from(project::count(record)).unwrap_or(u64::MAX);
        // The record does not say what the caller's context said of sampling, so each trace fares as a root would.
        if !counts.sampling.keeps(&record.trace, None) {
            counts.unsampled.fetch_add(spans, Ordering::Relaxed);
            return;
        }
        match counts.reserve(spans) {
            Reserved::Yes(queued) => {
                let message = Message::Offered(Arc::clone(record), spans);
                if running.queue.try_send(message).is_err() {
                    counts.settle(spans, &Err("the exporter's thread has ended".to_owned()));
                }
                if queued >= running.batch_spans {
                    running.thread.unpark();
                }
            }
            Reserved::Full => {
                counts.dropped_full.fetch_add(spans, Ordering::Relaxed);
            }
            Reserved::Closed => counts.fail(spans, "the exporter has been shut down".to_owned()),
        }
    }

    /// The counts, for health and metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.as_ref().map_or_else(Stats::default, |running| running.counts.stats())
    }

    /// Delivers what is waiting, as far as time allows, and answers what was lost, for the caller to log. Blocks
    /// for at most `deadline` and [`SHUTDOWN_MAX`]; call it where blocking is allowed. Later offers are dropped and counted.
    pub fn shutdown(&self, deadline: Duration) -> Lost {
        let Some(running) = &self.0 else { return Lost::default() };
        let counts = &running.counts;
        let deadline = deadline.min(SHUTDOWN_MAX);
        let before = counts.dropped_failed.load(Ordering::Relaxed);
        // Only the first shutdown sets the deadline; a second one waits for the same end.
        let until = *counts.until.get_or_init(|| Instant::now() + deadline);
        running.stop();
        let left = until.saturating_duration_since(Instant::now());
        let ended = running.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(left);
        let left_over = counts.close();
        if left_over > 0 {
            let why = match ended {
                Err(RecvTimeoutError::Timeout) => "time was up before the collector had them",
                Ok(()) | Err(RecvTimeoutError::Disconnected) => "they came after the last batch",
            };
            counts.fail(left_over, why.to_owned());
        }
        let stats = counts.stats();
        let spans = stats.dropped_failed.saturating_sub(before);
        Lost { spans, fault: stats.last_fault.filter(|_| spans > 0) }
    }
}

impl Running {
    fn stop(&self) {
        // Cannot be full, and if the thread is gone there is nobody to stop.
        self.queue.try_send(Message::Stop).unwrap_or_default();
        self.thread.unpark();
    }
}

impl Drop for Running {
    /// The thread does not notice by itself, while its spans wait for others, that nobody can offer any more.
    fn drop(&mut self) {
        self.stop();
    }
}

/// Who sends: what the user said, and what the specification and the backends need.
fn resource(settings: &Settings, instance: &str) -> Resource {
    let own = [
        KeyValue::new(names::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(names::SERVICE_INSTANCE, instance.to_owned()),
    ];
    let given = settings.resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    let sdk = TelemetryResourceDetector.detect();
    Resource::builder_empty()
        .with_attributes(sdk.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
        .with_attributes(own)
        .with_attributes(given)
        .with_attribute(KeyValue::new(names::SERVICE_NAME, settings.service.clone()))
        .build()
}
