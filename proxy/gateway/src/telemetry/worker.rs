//! The exporter's thread: gathers records into batches, sends them, and tells the log what was lost.
//!
//! It may block on the network, which is why it is a thread of its own, and it must not die of anything.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::SpanData;
use pdp::record::Record;

use super::counts::Counts;
use super::project;
use super::settings::{Batch, Settings};
use super::sink::Sink;

/// How often drops are logged at most.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// What the thread is told.
pub(super) enum Message {
    /// A record and how many spans were counted for it.
    Offered(Arc<Record>, u64),
    /// To deliver what it has, and end.
    Stop,
}

/// What runs on the thread.
pub(super) struct Worker {
    counts: Arc<Counts>,
    offered: Receiver<Message>,
    sink: Sink,
    batch: Batch,
    options: project::Options,
    /// Projected and not yet sent.
    spans: Vec<SpanData>,
    roots: Roots,
    said: Said,
}

/// Whether there will be more.
#[derive(PartialEq, Eq)]
enum Next {
    More,
    End,
}

impl Worker {
    pub(super) fn new(counts: Arc<Counts>, offered: Receiver<Message>, sink: Sink, settings: &Settings) -> Self {
        Self {
            counts,
            offered,
            sink,
            batch: settings.batch,
            options: settings.projection,
            spans: Vec::new(),
            roots: Roots::default(),
            said: Said::default(),
        }
    }

    /// Ends when it is told to stop, or when nobody can offer any more.
    pub(super) fn run(mut self) {
        while self.gather() == Next::More {
            self.send();
            self.say();
        }
        self.drain();
        self.say();
    }

    /// Waits for a first record, then for as many as make a batch or arrive within the delay.
    fn gather(&mut self) -> Next {
        let mut due = None;
        while self.spans.len() < self.batch.batch_spans_max {
            let wait = due.map_or(LOG_EVERY, |due: Instant| due.saturating_duration_since(Instant::now()));
            match self.offered.recv_timeout(wait) {
                Ok(Message::Offered(record, spans)) => self.take(&record, spans),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Next::End,
                Err(RecvTimeoutError::Timeout) => return Next::More,
            }
            due = due.or_else(|| Instant::now().checked_add(self.batch.delay));
        }
        Next::More
    }

    /// Sends what is left, until it is all gone or time is up; what then remains, the shutdown counts.
    fn drain(&mut self) {
        let mut more = true;
        while more && !self.time_is_up() {
            match self.offered.try_recv() {
                Ok(Message::Offered(record, spans)) => self.take(&record, spans),
                Ok(Message::Stop) => {}
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => more = false,
            }
            if !more || self.spans.len() >= self.batch.batch_spans_max {
                self.send();
            }
        }
    }

    fn time_is_up(&self) -> bool {
        self.counts.until.get().is_some_and(|until| *until <= Instant::now())
    }

    fn take(&mut self, record: &Record, spans: u64) {
        // A panic here would be a fault of ours; it costs this record its spans and not the thread its life.
        let projected = catch_unwind(|| {
            let spans = project::project(record, &self.options)?;
            Ok((spans, project::task_span(record, &self.options)?))
        });
        let panicked = || Err(format!("projecting record {} panicked", record.number));
        let projected = projected.map_or_else(|_| panicked(), |r| r.map_err(|e: project::Unprojectable| e.to_string()));
        match projected {
            Ok((projected, root)) => {
                let root = root.filter(|root| self.roots.is_new(root.span_context.trace_id()) && self.counts.add(1));
                self.spans.extend(root);
                self.spans.extend(projected);
            }
            Err(fault) => self.counts.settle(spans, &Err(fault)),
        }
    }

    /// Sends all that is gathered, in batches no larger than allowed.
    fn send(&mut self) {
        while !self.spans.is_empty() {
            let rest = self.spans.split_off(self.spans.len().min(self.batch.batch_spans_max));
            let batch = std::mem::replace(&mut self.spans, rest);
            let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            let traces: Vec<_> = batch.iter().map(|span| span.span_context.trace_id()).collect();
            let until = Instant::now() + self.batch.export_timeout;
            let until = self.counts.until.get().map_or(until, |end| until.min(*end));
            // The SDK and the HTTP client are not ours, and each has an `expect` or two.
            let sent = catch_unwind(AssertUnwindSafe(|| self.sink.send(batch, until)));
            let fate = sent.unwrap_or_else(|_| Err("the exporter panicked".to_owned()));
            if fate.is_err() {
                self.roots.forget(&traces);
            }
            self.counts.settle(spans, &fate);
        }
    }

    fn say(&mut self) {
        let stats = self.counts.stats();
        let dropped = stats.dropped_full.saturating_add(stats.dropped_failed);
        if let Some(spans) = self.said.due(dropped, Instant::now()) {
            let (full, failed) = (stats.dropped_full, stats.dropped_failed);
            tracing::warn!(spans, full, failed, fault = stats.last_fault, "spans were dropped; no call was affected");
        }
    }
}

/// When drops were last spoken of, and how many there were then.
#[derive(Default)]
struct Said {
    at: Option<Instant>,
    dropped: u64,
}

impl Said {
    /// How many drops there are to speak of now, if any and if it is time.
    fn due(&mut self, dropped: u64, now: Instant) -> Option<u64> {
        let fresh = dropped.saturating_sub(self.dropped);
        let quiet = self.at.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY);
        (fresh > 0 && quiet).then(|| {
            *self = Self { at: Some(now), dropped };
            fresh
        })
    }
}

/// The traces whose root has been sent, the most recent of them. One that is forgotten sends its root again: the same
/// span with the same id, which backends take as one.
#[derive(Default)]
struct Roots {
    sent: HashSet<TraceId>,
    order: VecDeque<TraceId>,
}

/// How many tasks may be under way before roots repeat.
const ROOTS_MAX: usize = 4_096;

impl Roots {
    fn is_new(&mut self, trace: TraceId) -> bool {
        if !self.sent.insert(trace) {
            return false;
        }
        self.order.push_back(trace);
        if self.order.len() > ROOTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.sent.remove(&oldest);
        }
        true
    }

    /// After a batch was lost: their roots may have been in it.
    fn forget(&mut self, traces: &[TraceId]) {
        for trace in traces {
            self.sent.remove(trace);
        }
        self.order.retain(|trace| self.sent.contains(trace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_spoken_of_once_a_minute() {
        let mut said = Said::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(said.due(0, after(0)), None);
        assert_eq!(said.due(5, after(0)), Some(5));
        assert_eq!(said.due(900, after(59)), None);
        assert_eq!(said.due(1_000, after(60)), Some(995));
        assert_eq!(said.due(1_000, after(600)), None);
    }

    #[test]
    fn roots_are_remembered_up_to_a_bound_and_forgotten_with_a_lost_batch() {
        let mut roots = Roots::default();
        let bound = u128::try_from(ROOTS_MAX).unwrap_or(0);
        assert!((1..=bound).all(|n| roots.is_new(TraceId::from(n))));
        assert!(!roots.is_new(TraceId::from(1)));
        assert!(roots.is_new(TraceId::from(bound + 1)));
        assert!(roots.is_new(TraceId::from(1)), "the oldest made room");
        roots.forget(&[TraceId::from(bound)]);
        assert!(roots.is_new(TraceId::from(bound)));
        assert!(roots.order.len() <= ROOTS_MAX && roots.sent.len() == roots.order.len());
    }
}
