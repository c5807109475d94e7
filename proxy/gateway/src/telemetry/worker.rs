//! The exporter's thread: gathers records into batches, sends them, and tells the log what was lost.
//!
//! It may block on the network, which is why it is a thread of its own, and it must not die of anything.

use std::collections::{HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use pdp::record::Record;

use super::counts::Counts;
use super::project::{Frame, Options, Unprojectable};
use super::settings::{Batch, Settings};
use super::sink::Sink;
use super::spans::{Spans, TraceId};

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
    options: Options,
    /// Projected and not yet sent.
    spans: Spans,
    roots: Roots,
    said: Said,
}

/// Why gathering stopped.
enum Gathered {
    /// There is a batch, and perhaps some spans of the next one.
    Full,
    /// The time is over in which spans wait for others.
    Due,
    /// There will be no more.
    End,
}

impl Worker {
    pub(super) fn new(
        counts: Arc<Counts>,
        offered: Receiver<Message>,
        sink: Sink,
        spans: Spans,
        settings: &Settings,
    ) -> Self {
        Self {
            counts,
            offered,
            sink,
            batch: settings.batch,
            options: settings.projection,
            spans,
            roots: Roots::default(),
            said: Said::default(),
        }
    }

    /// Ends when it is told to stop, or when nobody can offer any more.
    pub(super) fn run(mut self) {
        loop {
            match self.gather() {
                Gathered::Full => self.send(self.batch.batch_spans_max),
                Gathered::Due => self.send(1),
                Gathered::End => break,
            }
            self.say();
        }
        self.drain();
        self.say();
    }

    /// Waits for a first record, then for as many as make a batch or arrive within the delay.
    fn gather(&mut self) -> Gathered {
        let mut due = None;
        while self.spans.len() < self.batch.batch_spans_max {
            if due.is_none() && !self.spans.is_empty() {
                due = Instant::now().checked_add(self.batch.delay);
            }
            match self.next(due) {
                Ok(Message::Offered(record, spans)) => self.take(&record, spans),
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return Gathered::End,
                Err(RecvTimeoutError::Timeout) => return Gathered::Due,
            }
        }
        Gathered::Full
    }

    /// The next message, if one comes in time. While spans wait for others anyway, no single record wakes this thread:
    /// being woken costs more than telling a record's spans. Who offers the one that fills a batch does, and who stops it.
    fn next(&self, due: Option<Instant>) -> Result<Message, RecvTimeoutError> {
        let Some(due) = due else { return self.offered.recv_timeout(LOG_EVERY) };
        loop {
            match self.offered.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {}
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            std::thread::park_timeout(left);
        }
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
                self.send(1);
            }
        }
    }

    fn time_is_up(&self) -> bool {
        self.counts.until.get().is_some_and(|until| *until <= Instant::now())
    }

    fn take(&mut self, record: &Record, spans: u64) {
        let (before, mut counted) = (self.spans.len(), spans);
        // A panic here would be a fault of ours; it costs this record its spans and not the thread its life.
        let told = catch_unwind(AssertUnwindSafe(|| self.tell(record, &mut counted)));
        let panicked = || Err(format!("projecting record {} panicked", record.number));
        let told = told.map_or_else(|_| panicked(), |told| told.map_err(|fault| fault.to_string()));
        if let Err(fault) = told {
            self.spans.truncate(before);
            self.counts.settle(counted, &Err(fault));
        }
    }

    /// Tells the spans of a record, and counts the root that nobody offered.
    fn tell(&mut self, record: &Record, counted: &mut u64) -> Result<(), Unprojectable> {
        let frame = Frame::of(record, &self.options)?;
        if frame.has_root() && self.roots.is_new(frame.trace()) && self.counts.add(1) {
            *counted += 1;
            frame.tell_root(&mut self.spans);
        }
        frame.tell(&mut self.spans);
        Ok(())
    }

    /// Sends what is gathered, in batches no larger than allowed, until fewer than so many spans are left.
    fn send(&mut self, spans_min: usize) {
        while self.spans.len() >= spans_min {
            let batch = self.spans.take(self.batch.batch_spans_max);
            let spans = u64::try_from(batch.traces.len()).unwrap_or(u64::MAX);
            let until = Instant::now() + self.batch.export_timeout;
            let until = self.counts.until.get().map_or(until, |end| until.min(*end));
            // The HTTP client is not ours, and has an `expect` or two.
            let sent = catch_unwind(AssertUnwindSafe(|| self.sink.send(&batch, until)));
            let fate = sent.unwrap_or_else(|_| Err("the exporter panicked".to_owned()));
            if fate.is_err() {
                self.roots.forget(&batch.traces);
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
        let trace = |n: u128| n.to_be_bytes();
        assert!((1..=bound).all(|n| roots.is_new(trace(n))));
        assert!(!roots.is_new(trace(1)));
        assert!(roots.is_new(trace(bound + 1)));
        assert!(roots.is_new(trace(1)), "the oldest made room");
        roots.forget(&[trace(bound)]);
        assert!(roots.is_new(trace(bound)));
        assert!(roots.order.len() <= ROOTS_MAX && roots.sent.len() == roots.order.len());
    }
}
