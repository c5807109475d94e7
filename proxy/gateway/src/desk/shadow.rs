//! A candidate snapshot judged on live traffic, off the path of every call: what it would have decided otherwise.
//!
//! It is fed by the ledger's writer with records that are durable, so that a call never waits for it and never sees it.
//! The queue is bounded: what does not fit is dropped and counted. Nothing here can change a decision.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use pdp::digest::Digest;
use pdp::record::Record;
use pdp::snapshot::Snapshot;
use pep::ports::Snapshots;
use serde::Serialize;

use super::compare::{Report, Tally};
use crate::clock::rfc3339;

/// How many records may wait to be judged. A record is a few hundred bytes, with arguments of at most 16 KiB by default.
const QUEUE_MAX: usize = 2048;

/// The shadow: a candidate, or none.
#[derive(Debug)]
pub struct Shadow {
    run: ArcSwapOption<Run>,
    /// Where the snapshot in force is read, to which a difference is put as well.
    snapshots: Arc<dyn Snapshots>,
}

/// One candidate under way. Its worker ends when this is dropped.
#[derive(Debug)]
struct Run {
    candidate: Arc<Snapshot>,
    by: String,
    since_us: i64,
    queue: SyncSender<Arc<Record>>,
    count: Arc<Count>,
}

/// What the worker and those who look share.
#[derive(Debug, Default)]
struct Count {
    offered: AtomicU64,
    dropped: AtomicU64,
    judged: AtomicU64,
    ended: AtomicBool,
    tally: Mutex<Tally>,
}

impl Count {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the shadow has seen so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ShadowSight)]
pub struct Sight {
    /// The candidate.
    #[schema(value_type = String)]
    pub candidate: Digest,
    /// Who began it.
    pub by: String,
    /// When, RFC 3339.
    pub since: String,
    /// How many records it was offered.
    pub offered: u64,
    /// How many of them found the queue full and were dropped.
    pub dropped: u64,
    /// How many wait to be judged.
    pub waiting: u64,
    /// What came of the others.
    #[serde(flatten)]
    pub report: Report,
}

impl Shadow {
    /// No candidate yet.
    #[must_use]
    pub fn new(snapshots: Arc<dyn Snapshots>) -> Self {
        Self { run: ArcSwapOption::empty(), snapshots }
    }

    /// Begins to judge by a candidate, in place of the one before it, if there was any. Answers what that one had seen.
    ///
    /// # Errors
    /// When the system gives no thread; the one before it goes on then.
    pub fn begin(&self, candidate: Arc<Snapshot>, by: &str, now_us: i64) -> std::io::Result<Option<Sight>> {
        let (queue, waiting) = sync_channel(QUEUE_MAX);
        let count = Arc::<Count>::default();
        let (shared, judge, snapshots) = (Arc::clone(&count), Arc::clone(&candidate), Arc::clone(&self.snapshots));
        std::thread::Builder::new()
            .name("shadow".to_owned())
            .spawn(move || work(&waiting, &shared, &judge, &*snapshots))?;
        let run = Run { candidate, by: by.to_owned(), since_us: now_us, queue, count };
        Ok(self.run.swap(Some(Arc::new(run))).map(end))
    }

    /// Ends it. Answers what it had seen, if there was a candidate.
    pub fn end(&self) -> Option<Sight> {
        self.run.swap(None).map(end)
    }

    /// Ends it if this is its candidate, as when that is promoted. One that takes its place meanwhile goes on.
    pub fn end_of(&self, candidate: Digest) -> Option<Sight> {
        let run = self.run.load_full().filter(|run| run.candidate.digest() == candidate)?;
        let found = self.run.compare_and_swap(&run, None);
        let is_it = found.as_ref().is_some_and(|found| Arc::ptr_eq(found, &run));
        is_it.then(|| end(run))
    }

    /// The candidate, if there is one.
    #[must_use]
    pub fn candidate(&self) -> Option<Digest> {
        self.run.load().as_ref().map(|run| run.candidate.digest())
    }

    /// Takes note of a record that has become durable. Never waits. Without a candidate it costs one load.
    pub fn offer(&self, record: &Arc<Record>) {
        let run = self.run.load();
        let Some(run) = run.as_ref() else { return };
        run.count.offered.fetch_add(1, Ordering::Relaxed);
        if run.queue.try_send(Arc::clone(record)).is_err() {
            run.count.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What it has seen so far; nothing without a candidate.
    #[must_use]
    pub fn sight(&self) -> Option<Sight> {
        self.run.load().as_deref().map(Run::sight)
    }
}

impl Run {
    fn sight(&self) -> Sight {
        let report = self.count.tally().report();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (judged, dropped, offered) =
            (read(&self.count.judged), read(&self.count.dropped), read(&self.count.offered));
        Sight {
            candidate: self.candidate.digest(),
            by: self.by.clone(),
            since: rfc3339(self.since_us),
            offered,
            dropped,
            waiting: offered.saturating_sub(dropped).saturating_sub(judged),
            report,
        }
    }
}

/// Ends a run that was taken out. Answers what it had seen.
fn end(run: Arc<Run>) -> Sight {
    run.count.ended.store(true, Ordering::Relaxed);
    run.sight()
}

/// The worker: judges until the queue's sender is gone, or nobody wants to know any more.
fn work(waiting: &Receiver<Arc<Record>>, count: &Count, candidate: &Snapshot, snapshots: &dyn Snapshots) {
    while let Ok(record) = waiting.recv() {
        if count.ended.load(Ordering::Relaxed) {
            return;
        }
        let mut own = |digest: Digest| Some(snapshots.current()).filter(|snapshot| snapshot.digest() == digest);
        count.tally().add(&record, candidate, &mut own);
        count.judged.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
