//! What stands between the calls and the writer: a bounded queue, the ledger's health, and the counts.
//!
//! One short lock; nothing under it touches the disk or waits. It knows entries by their kind only.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pdp::record::Entry;
use tokio::sync::oneshot;

use super::row::{Waiter, is_asked};
use pep::ports::LedgerFault;

/// How many entries one transaction takes from the queue at most, so that the first of a flood need not wait for the
/// canonical bytes of the last.
const GROUP_MAX: usize = 1024;

/// What callers hear when the writer is no more.
pub(super) const DEAD: &str = "its writer ended unexpectedly";

/// An entry that was taken and not yet written.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) entry: Entry,
    pub(super) waiter: Option<Waiter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
    Closed,
    /// The writer ended and nobody had asked it to.
    Dead,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Pending>,
    /// How many in the queue have a waiter.
    waiting: usize,
    /// When the oldest entry of the queue was taken.
    oldest: Option<Instant>,
    /// How many entries the writer holds.
    in_hand: usize,
    writing_since: Option<Instant>,
    phase: Phase,
    /// Why nothing can be written, in words that may be handed to an agent.
    broken: Option<&'static str>,
    /// The last reason in full, for the operator.
    last_fault: Option<String>,
    written: u64,
    groups: u64,
    refused: u64,
    lost: u64,
}

/// How the ledger does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Entries taken and not yet durable.
    pub queued: usize,
    /// Entries written since the ledger was opened.
    pub written: u64,
    /// Transactions that wrote them.
    pub groups: u64,
    /// Entries that were not taken because the queue was full.
    pub refused: u64,
    /// Records and events of things that happened and are in no ledger: not taken, or taken and not written at the end.
    pub lost: u64,
    /// Why nothing can be written now.
    pub fault: Option<String>,
    /// The last reason why something could not be written, also if it can be again.
    pub last_fault: Option<String>,
}

/// What the writer is to do next.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) group: VecDeque<Pending>,
    pub(super) closing: bool,
}

/// Shared by the calls and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    next_number: AtomicU64,
    capacity: usize,
    linger: Duration,
    /// A write that takes longer than this is a disk that does not answer: the ledger is unhealthy until it does.
    stall: Duration,
    state: Mutex<State>,
    /// The writer sleeps on this.
    work: Condvar,
    /// Who closes the ledger sleeps on this.
    end: Condvar,
}

impl Queue {
    /// An empty queue. `linger` is how long an entry nobody waits for may wait for company, `stall`
    /// how long a write may take before the disk counts as gone.
    pub(super) fn new(next_number: u64, capacity: usize, linger: Duration, stall: Duration) -> Self {
        let state = State {
            queue: VecDeque::new(),
            waiting: 0,
            oldest: None,
            in_hand: 0,
            writing_since: None,
            phase: Phase::Open,
            broken: None,
            last_fault: None,
            written: 0,
            groups: 0,
            refused: 0,
            lost: 0,
        };
        let (work, end) = (Condvar::new(), Condvar::new());
        Self { next_number: AtomicU64::new(next_number), capacity, linger, stall, state: Mutex::new(state), work, end }
    }

    /// The state. A panic elsewhere does not make the counts wrong, so a poisoned lock is used on.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out the next frame's number.
    pub(super) fn take_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    /// The number that would be handed out next.
    pub(super) fn next_number(&self) -> u64 {
        self.next_number.load(Ordering::Relaxed)
    }

    /// Takes an entry that nobody waits for.
    pub(super) fn append(&self, entry: Entry) -> Result<(), LedgerFault> {
        self.take(&mut self.state(), entry, None)
    }

    /// Takes an entry, and answers where its fate will be told.
    pub(super) fn commit(&self, entry: Entry) -> Result<oneshot::Receiver<Result<(), LedgerFault>>, LedgerFault> {
        let (waiter, fate) = oneshot::channel();
        self.take(&mut self.state(), entry, Some(waiter))?;
        Ok(fate)
    }

    fn take(&self, state: &mut State, entry: Entry, waiter: Option<Waiter>) -> Result<(), LedgerFault> {
        // An intent that is refused is not carried out, so nothing is lost with it, nor with what is said. A record or an event is of
        // something that happened: it has the last quarter of the queue to itself, and is kept while the disk is away.
        let plan = is_asked(&entry);
        let room = if plan { self.capacity - self.capacity / 4 } else { self.capacity };
        let fault = match (state.phase, state.fault(self.stall)) {
            (Phase::Closing | Phase::Closed, _) => Some(LedgerFault::Closed),
            (Phase::Dead, _) => Some(LedgerFault::Broken(DEAD.to_owned())),
            (Phase::Open, Some(why)) if plan => Some(LedgerFault::Broken(why)),
            (Phase::Open, _) if state.queue.len() + state.in_hand >= room => Some(LedgerFault::Full),
            (Phase::Open, Some(why)) => {
                state.queue.push_back(Pending { entry, waiter: None });
                state.oldest.get_or_insert_with(Instant::now);
                return Err(LedgerFault::Broken(why));
            }
            (Phase::Open, None) => None,
        };
        if let Some(fault) = fault {
            state.refused += u64::from(fault == LedgerFault::Full);
            state.lost += u64::from(!plan);
            return Err(fault);
        }
        let rouse = state.queue.is_empty() || (waiter.is_some() && state.waiting == 0);
        state.waiting += usize::from(waiter.is_some());
        state.queue.push_back(Pending { entry, waiter });
        state.oldest.get_or_insert_with(Instant::now);
        if rouse {
            self.work.notify_one();
        }
        Ok(())
    }

    /// Why nothing can be written now, or nothing.
    pub(super) fn health(&self) -> Result<(), LedgerFault> {
        let state = self.state();
        match (state.phase, state.fault(self.stall)) {
            (Phase::Closing | Phase::Closed, _) => Err(LedgerFault::Closed),
            (Phase::Dead, _) => Err(LedgerFault::Broken(DEAD.to_owned())),
            (Phase::Open, Some(why)) => Err(LedgerFault::Broken(why)),
            (Phase::Open, None) if state.queue.len() + state.in_hand >= self.capacity - self.capacity / 4 => {
                Err(LedgerFault::Full)
            }
            (Phase::Open, None) => Ok(()),
        }
    }

    /// The counts.
    pub(super) fn stats(&self) -> Stats {
        let state = self.state();
        Stats {
            queued: state.queue.len() + state.in_hand,
            written: state.written,
            groups: state.groups,
            refused: state.refused,
            lost: state.lost,
            fault: if state.broken.is_some() { state.last_fault.clone() } else { state.fault(self.stall) },
            last_fault: state.last_fault.clone(),
        }
    }

    /// Asks the writer to write what there is and to end; waits for that no longer than `within`. Answers how many
    /// entries were taken and are not durable, and whether the writer has ended.
    pub(super) fn close(&self, within: Duration) -> (usize, bool) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
            self.work.notify_one();
        }
        let waited = self.end.wait_timeout_while(state, within, |state| state.phase == Phase::Closing);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.queue.len() + state.in_hand, state.phase != Phase::Closing)
    }
}

/// The writer's side.
impl Queue {
    /// Sleeps until there is something to write: at once when somebody waits, else when the oldest entry has lingered
    /// long enough. A writer that failed names the time of its next attempt instead.
    pub(super) fn turn(&self, retry_at: Option<Instant>) -> Turn {
        let mut state = self.state();
        loop {
            if state.phase != Phase::Open {
                return Turn { group: state.drain(usize::MAX), closing: true };
            }
            let now = Instant::now();
            let due = match retry_at {
                Some(at) => Some(at),
                None if state.waiting > 0 => Some(now),
                None => state.oldest.map(|taken| taken + self.linger),
            };
            match due {
                Some(at) if at <= now => {
                    let group = state.drain(if retry_at.is_some() { usize::MAX } else { GROUP_MAX });
                    state.writing_since = Some(now);
                    return Turn { group, closing: false };
                }
                Some(at) => {
                    let slept = self.work.wait_timeout(state, at - now);
                    (state, _) = slept.unwrap_or_else(PoisonError::into_inner);
                }
                None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// A group is durable.
    pub(super) fn wrote(&self, rows: usize) {
        let mut state = self.state();
        state.in_hand = 0;
        state.writing_since = None;
        state.broken = None;
        state.written += rows as u64;
        state.groups += 1;
    }

    /// Entries that an earlier transaction wrote although it reported a failure.
    pub(super) fn landed(&self, rows: usize) {
        let mut state = self.state();
        state.in_hand = state.in_hand.saturating_sub(rows);
        state.written += rows as u64;
        state.groups += 1;
    }

    /// A write failed. Answers everything else that was queued, whose waiters must hear of it too.
    pub(super) fn broke(&self, brief: &'static str, why: String) -> VecDeque<Pending> {
        let mut state = self.state();
        state.writing_since = None;
        state.last_fault = Some(why);
        state.broken = Some(brief);
        state.drain(usize::MAX)
    }

    /// How many entries the writer keeps for its next attempt.
    pub(super) fn keeps(&self, rows: usize) {
        self.state().in_hand = rows;
    }

    /// An entry that can never be written.
    pub(super) fn lost(&self, why: String) {
        let mut state = self.state();
        state.in_hand = state.in_hand.saturating_sub(1);
        state.lost += 1;
        state.last_fault = Some(why);
    }

    /// The writer is no more. If nobody asked it to end, the ledger is broken for good.
    pub(super) fn end(&self) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.last_fault = Some("the ledger's writer ended unexpectedly; restart the gate".to_owned());
            state.broken = Some(DEAD);
            state.phase = Phase::Dead;
        } else {
            state.phase = Phase::Closed;
        }
        state.writing_since = None;
        let unwritten = state.queue.iter().filter(|pending| !is_asked(&pending.entry)).count();
        state.lost += (unwritten + state.in_hand) as u64;
        // The waiters of what is left hear of it by the loss of their senders.
        state.in_hand += unwritten;
        state.queue.clear();
        self.end.notify_all();
    }
}

impl State {
    fn drain(&mut self, most: usize) -> VecDeque<Pending> {
        let rest = self.queue.split_off(most.min(self.queue.len()));
        let group = std::mem::replace(&mut self.queue, rest);
        self.waiting = self.queue.iter().filter(|pending| pending.waiter.is_some()).count();
        if self.queue.is_empty() {
            self.oldest = None;
        }
        self.in_hand += group.len();
        group
    }

    fn fault(&self, stall: Duration) -> Option<String> {
        if let Some(why) = self.broken {
            return Some(why.to_owned());
        }
        let taken = self.writing_since?.elapsed();
        (taken > stall).then(|| format!("the disk has not answered for {} s", taken.as_secs()))
    }
}
