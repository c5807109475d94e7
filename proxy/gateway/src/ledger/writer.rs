//! The one thread that writes: groups, commits, wakes those who wait, tells the sinks, and tries again after a failure.
//!
//! Nothing that was taken is dropped in silence: after a failed write, records and events are kept and written when
//! the disk is back; an intent is kept unless its sender waits, hears of the failure and so will not act. A kept entry
//! is never written twice: before the next attempt the ledger is read back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pdp::record::{Entry, Event};

use super::fault::StoreFault;
use super::file::Lock;
use super::queue::{Pending, Queue};
use super::row::{Row, is_asked};
use super::store::{Store, Tail};
use pep::ports::{Clock, LedgerFault};

/// Hears of each entry after it is durable, on the writer's thread: it must not block, nor subscribe in turn.
pub type Sink = Box<dyn Fn(&Entry) + Send>;

/// How long the writer waits before it tries again after a failure, at first and at most.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A group whose commit failed: it may be durable nevertheless.
#[derive(Debug)]
struct Doubt {
    bodies: Vec<String>,
    /// How many of the kept rows, from the first, are of that group.
    kept: usize,
}

/// Since when and why nothing could be written.
#[derive(Debug)]
struct Outage {
    since: Instant,
    why: String,
    delay: Duration,
    retry_at: Instant,
}

/// The writer's own state. None of it is shared.
pub(super) struct Writer {
    queue: Arc<Queue>,
    sinks: Arc<Mutex<Vec<Sink>>>,
    clock: Arc<dyn Clock>,
    path: PathBuf,
    rows: Vec<Row>,
    /// The place of the last entry known to be durable.
    durable: u64,
    doubt: Option<Doubt>,
    outage: Option<Outage>,
    log_complaint: bool,
    // Dropped in this order: the database is closed before another gate may have it.
    store: Option<Store>,
    lock: Lock,
}

impl Writer {
    /// A writer over an open store.
    pub(super) fn new(
        queue: Arc<Queue>,
        sinks: Arc<Mutex<Vec<Sink>>>,
        clock: Arc<dyn Clock>,
        path: PathBuf,
        lock: Lock,
        store: Store,
    ) -> Self {
        let durable = store.last();
        let (rows, doubt, outage) = (Vec::new(), None, None);
        Self { queue, sinks, clock, path, rows, durable, doubt, outage, log_complaint: false, store: Some(store), lock }
    }

    /// Writes until the ledger is closed.
    pub(super) fn run(mut self) {
        loop {
            let turn = self.queue.turn(self.outage.as_ref().map(|outage| outage.retry_at));
            self.take(turn.group);
            let outcome = self.attempt(turn.closing);
            match outcome {
                Ok(()) => self.succeeded(),
                Err(fault) => self.failed(&fault),
            }
            if turn.closing {
                break;
            }
        }
    }

    /// Makes rows of entries.
    fn take(&mut self, group: impl IntoIterator<Item = Pending>) {
        for Pending { entry, waiter } in group {
            let given_up_on_failure = is_asked(&entry) && waiter.is_some();
            match Row::of(entry) {
                Ok(row) => self.rows.push(Row { waiter, given_up_on_failure, ..row }),
                Err(fault) => {
                    let why = format!("an entry has no canonical form and is lost: {fault}");
                    tracing::error!("{why}");
                    answer(waiter, Err(LedgerFault::Broken("the entry cannot be written".to_owned())));
                    self.queue.lost(why);
                }
            }
        }
    }

    fn attempt(&mut self, closing: bool) -> Result<(), StoreFault> {
        let store = match self.store.take() {
            Some(store) => store,
            None => self.reopen()?,
        };
        let store = self.store.insert(store);
        self.lock.check()?;
        store.check()?;
        let next = self.queue.next_number();
        let written = if closing { store.put_last(&self.rows, next) } else { store.put(&self.rows, next) };
        if written.is_err() {
            let bodies = self.rows.iter().map(|row| row.body.clone()).collect();
            self.doubt = Some(Doubt { bodies, kept: self.rows.len() });
        }
        written
    }

    /// Opens the ledger again and finds out what became of the group that failed.
    fn reopen(&mut self) -> Result<Store, StoreFault> {
        if self.lock.check().is_err() {
            self.lock = Lock::take(&self.path)?;
        }
        let store = Store::open(&self.path)?;
        let bodies = self.doubt.as_ref().map_or(&[][..], |doubt| &doubt.bodies);
        let missing = match store.tail(self.durable, bodies)? {
            Tail::Clean => 0,
            Tail::Landed => {
                let kept = self.doubt.as_ref().map_or(0, |doubt| doubt.kept);
                let landed: Vec<Row> = self.rows.drain(..kept.min(self.rows.len())).collect();
                self.queue.landed(landed.len());
                self.tell(landed);
                0
            }
            Tail::Shorter { missing } => missing,
        };
        self.doubt = None;
        self.durable = store.last();
        self.note_resumption(missing);
        Ok(store)
    }

    /// Adds an event that says how long nothing could be written. It falls away if this attempt fails too.
    fn note_resumption(&mut self, missing: u64) {
        let Some(outage) = &self.outage else { return };
        let mut detail = format!(
            "the ledger could not be written for {:.1} s and can be again: {}",
            outage.since.elapsed().as_secs_f64(),
            outage.why
        );
        if missing > 0 {
            detail.push_str(&format!("; another file stands in its place, {missing} earlier entries are not in it"));
        }
        tracing::warn!("{detail}");
        let what = "ledger_resumed".to_owned();
        let event = Event::new(self.clock.now_us(), what, detail);
        match Row::of(Entry::Event(event)) {
            Ok(row) => self.rows.push(Row { given_up_on_failure: true, ..row }),
            Err(fault) => tracing::error!(%fault, "the event of the ledger's recovery has no canonical form"),
        }
    }

    fn succeeded(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        self.outage = None;
        self.queue.wrote(rows.len());
        self.tell(rows);
        let Some(store) = &mut self.store else { return };
        self.durable = store.last();
        match store.drain_log() {
            Ok(()) => self.log_complaint = false,
            // The entries are safe in the write-ahead log; it only grows. Complain once, not at each group.
            Err(fault) if !self.log_complaint => {
                tracing::warn!(%fault, "the ledger's write-ahead log grows");
                self.log_complaint = true;
            }
            Err(_) => {}
        }
    }

    fn failed(&mut self, fault: &StoreFault) {
        let (brief, why) = (fault.brief(), fault.to_string());
        self.store = None;
        let rest = self.queue.broke(brief, why.clone());
        self.take(rest);
        let in_doubt = self.doubt.as_ref().map_or(0, |doubt| doubt.kept);
        let doubtful = self.rows.iter().take(in_doubt).filter(|row| !row.given_up_on_failure).count();
        if let Some(doubt) = &mut self.doubt {
            doubt.kept = doubtful;
        }
        let waiters: Vec<_> = self.rows.iter_mut().filter_map(|row| row.waiter.take()).collect();
        self.rows.retain(|row| !row.given_up_on_failure);
        self.queue.keeps(self.rows.len());
        // Answered last: whoever hears of the failure finds the counts right.
        for waiter in waiters {
            answer(Some(waiter), Err(LedgerFault::Broken(brief.to_owned())));
        }
        let now = Instant::now();
        // The first reason is the one worth keeping: later ones are of the attempts to open the ledger again.
        let outage = self.outage.get_or_insert_with(|| {
            tracing::error!("the ledger cannot be written, calls stop: {why}");
            Outage { since: now, why, delay: RETRY_MIN, retry_at: now }
        });
        outage.retry_at = now + outage.delay;
        outage.delay = (outage.delay * 2).min(RETRY_MAX);
    }

    /// Wakes those who wait, then tells the sinks.
    fn tell(&self, mut rows: Vec<Row>) {
        for row in &mut rows {
            answer(row.waiter.take(), Ok(()));
        }
        publish(&self.sinks, rows.iter().map(|row| &row.entry));
    }
}

/// Tells the sinks of durable entries. A sink that panics is told no more: telemetry may be lost, the ledger may not.
pub(super) fn publish<'e>(sinks: &Mutex<Vec<Sink>>, entries: impl Iterator<Item = &'e Entry> + Clone) {
    let mut sinks = sinks.lock().unwrap_or_else(PoisonError::into_inner);
    sinks.retain(|sink| {
        let told = catch_unwind(AssertUnwindSafe(|| entries.clone().for_each(sink)));
        if told.is_err() {
            tracing::error!("a sink of the ledger panicked and is told no more");
        }
        told.is_ok()
    });
}

/// Tells a waiter, if one is still there: a caller that went away needs no answer.
fn answer(waiter: Option<super::row::Waiter>, fate: Result<(), LedgerFault>) {
    if let Some(waiter) = waiter {
        waiter.send(fate).ok();
    }
}

/// Tells the queue that the writer is gone, however it went.
pub(super) struct Farewell(pub(super) Arc<Queue>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.end();
    }
}
