//! The exporter's counts: each span has exactly one fate, whichever thread gets to it first.
//!
//! Nothing here sends or waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::settings::{Sampling, Settings};

/// What became of the spans so far. Every span of an offered record is in exactly one of the counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Waiting, or on their way.
    pub queued: u64,
    /// Accepted by the collector.
    pub exported: u64,
    /// Dropped because as many as allowed were waiting already.
    pub dropped_full: u64,
    /// Dropped because they could not be delivered, or were rejected.
    pub dropped_failed: u64,
    /// Left out by the sampler: not lost, but not wanted.
    pub unsampled: u64,
    /// Why spans were last dropped for another reason than a full queue.
    pub last_fault: Option<String>,
}

/// The counts. `queued` decides every span's fate: whoever takes a span out of it says what became of it, so a thread
/// that outlives the shutdown cannot count a span that the shutdown has given up.
#[derive(Debug)]
pub(super) struct Counts {
    queued: AtomicU64,
    queued_max: u64,
    pub(super) exported: AtomicU64,
    pub(super) dropped_full: AtomicU64,
    pub(super) dropped_failed: AtomicU64,
    pub(super) unsampled: AtomicU64,
    last_fault: Mutex<Option<String>>,
    pub(super) sampling: Sampling,
    /// When a shutdown must be over, once there is one.
    pub(super) until: OnceLock<Instant>,
}

/// `queued` when nothing is taken any more.
const CLOSED: u64 = u64::MAX;

/// Whether there was room.
pub(super) enum Reserved {
    /// And how many spans are queued now.
    Yes(u64),
    Full,
    Closed,
}

impl Counts {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            queued: AtomicU64::new(0),
            queued_max: u64::try_from(settings.batch.queue_spans_max).unwrap_or(CLOSED - 1),
            exported: AtomicU64::new(0),
            dropped_full: AtomicU64::new(0),
            dropped_failed: AtomicU64::new(0),
            unsampled: AtomicU64::new(0),
            last_fault: Mutex::new(None),
            sampling: settings.sampling,
            until: OnceLock::new(),
        }
    }

    fn change(&self, to: impl Fn(u64) -> Option<u64>) -> Result<u64, u64> {
        let open = |queued| if queued == CLOSED { None } else { to(queued) };
        self.queued.fetch_update(Ordering::AcqRel, Ordering::Acquire, open)
    }

    pub(super) fn reserve(&self, spans: u64) -> Reserved {
        match self.change(|queued| queued.checked_add(spans).filter(|sum| *sum <= self.queued_max)) {
            Ok(before) => Reserved::Yes(before.saturating_add(spans)),
            Err(CLOSED) => Reserved::Closed,
            Err(_) => Reserved::Full,
        }
    }

    /// Counts spans that nobody offered: the roots of tasks.
    pub(super) fn add(&self, spans: u64) -> bool {
        self.change(|queued| queued.checked_add(spans).filter(|sum| *sum != CLOSED)).is_ok()
    }

    /// Says what became of queued spans. If the exporter is closed, that has been said already.
    pub(super) fn settle(&self, spans: u64, fate: &Result<u64, String>) {
        if self.change(|queued| queued.checked_sub(spans)).is_err() {
            return;
        }
        match fate {
            Ok(0) => {
                self.exported.fetch_add(spans, Ordering::Relaxed);
            }
            Ok(rejected) => {
                let rejected = spans.min(*rejected);
                self.exported.fetch_add(spans - rejected, Ordering::Relaxed);
                self.fail(rejected, "the collector rejected them".to_owned());
            }
            Err(fault) => self.fail(spans, fault.clone()),
        }
    }

    pub(super) fn fail(&self, spans: u64, fault: String) {
        self.dropped_failed.fetch_add(spans, Ordering::Relaxed);
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Takes no more, and answers what was left.
    pub(super) fn close(&self) -> u64 {
        match self.queued.swap(CLOSED, Ordering::AcqRel) {
            CLOSED => 0,
            left => left,
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let queued = self.queued.load(Ordering::Acquire);
        Stats {
            queued: if queued == CLOSED { 0 } else { queued },
            exported: self.exported.load(Ordering::Relaxed),
            dropped_full: self.dropped_full.load(Ordering::Relaxed),
            dropped_failed: self.dropped_failed.load(Ordering::Relaxed),
            unsampled: self.unsampled.load(Ordering::Relaxed),
            last_fault: self.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_one_fate() {
        let (settings, _) = crate::telemetry::settings::read(|_| None);
        let counts = Counts::new(&settings);
        assert!(matches!(counts.reserve(2_000), Reserved::Yes(2_000)));
        assert!(matches!(counts.reserve(49), Reserved::Full));
        counts.settle(500, &Ok(0));
        counts.settle(500, &Ok(100));
        counts.settle(500, &Err("x".to_owned()));
        assert_eq!(counts.close(), 500);
        // The thread wakes up after the shutdown gave up on it.
        counts.settle(500, &Ok(0));
        assert!(!counts.add(1));
        assert!(matches!(counts.reserve(1), Reserved::Closed));
        let stats = counts.stats();
        assert_eq!((stats.queued, stats.exported, stats.dropped_failed), (0, 900, 600));
        assert_eq!(counts.close(), 0);
    }
}
