//! The book of slips. Bounded in number, for each principal, and in bytes; kept in this process alone: after a restart the same
//! call, made again, finds what people decided.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::slip::{Outcome, PREFIX, Slip, Whose};
use crate::call::Head;
use crate::ports::{Gate, Hold, Pending, Ports};
use crate::trace::hex_id;

/// How much the book holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlipBounds {
    /// Slips in all.
    pub all: usize,
    /// Slips of one principal.
    pub each: usize,
    /// Bytes of results.
    pub bytes: usize,
}

impl SlipBounds {
    /// The defaults.
    pub const STANDARD: Self = Self { all: 1000, each: 50, bytes: 64 << 20 };
}

/// The slips that clients hold.
#[derive(Debug)]
pub struct Slips {
    bounds: SlipBounds,
    book: Mutex<Book>,
    /// How many calls go on for which there is one.
    under_way: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Book {
    by_id: HashMap<String, Arc<Slip>>,
    closed: bool,
}

impl Slips {
    /// An empty book.
    #[must_use]
    pub fn new(bounds: SlipBounds) -> Self {
        Self { bounds, book: Mutex::default(), under_way: watch::Sender::new(0) }
    }

    /// Gives up every call that goes on, and makes no more slips. Returns when the last of those calls has its record.
    pub async fn close(&self) {
        {
            let mut book = self.locked();
            book.closed = true;
            book.by_id.values().for_each(|slip| slip.drop_it());
        }
        let mut seen = self.under_way.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _found = seen.wait_for(|count| *count == 0).await;
    }

    /// Writes a slip for this call; nothing where there is no room.
    fn open(&self, head: &Head, ports: &Ports, hold: &Hold, pending: &Pending) -> Option<Arc<Slip>> {
        let now_us = ports.clock.now_us();
        let id = format!("{PREFIX}{}", hex_id(&ports.entropy.bytes()));
        let slip = Arc::new(Slip::new(id, head, hold, pending, now_us));
        let mut book = self.locked();
        if book.closed || !book.has_room(&self.bounds, slip.whose(), now_us) {
            return None;
        }
        book.by_id.insert(slip.id().to_owned(), Arc::clone(&slip));
        Some(slip)
    }

    /// The slip of this id, for whose it is.
    pub(crate) fn of(&self, id: &str, head: &Head, now_us: i64) -> Option<Arc<Slip>> {
        let book = self.locked();
        book.by_id.get(id).filter(|slip| *slip.whose() == Whose::of(head) && !slip.is_old(now_us)).cloned()
    }

    /// All of those.
    pub(crate) fn all_of(&self, head: &Head, now_us: i64) -> Vec<Arc<Slip>> {
        let (book, whose) = (self.locked(), Whose::of(head));
        let mut all: Vec<_> =
            book.by_id.values().filter(|slip| *slip.whose() == whose && !slip.is_old(now_us)).cloned().collect();
        all.sort_by(|one, other| one.id().cmp(other.id()));
        all
    }

    /// A call is over. What is too long to be kept beside the others is told to be lost.
    fn end(&self, slip: &Slip, outcome: Outcome, now_us: i64) {
        let mut book = self.locked();
        let fits = loop {
            let bytes = book.by_id.values().filter_map(|slip| Some(slip.outcome()?.bytes())).sum::<usize>();
            if bytes.saturating_add(outcome.bytes()) <= self.bounds.bytes {
                break true;
            }
            if !book.give_up(|_| true) {
                break false;
            }
        };
        let outcome = if fits {
            outcome
        } else {
            let words = "the call was carried out, and its result is too long to be kept until it is fetched; do not \
                         simply repeat the call";
            slip.outcome_in_words(words)
        };
        slip.end(outcome, now_us);
    }

    fn forget(&self, slip: &Slip) {
        self.locked().by_id.remove(slip.id());
    }

    fn locked(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Slips {
    fn default() -> Self {
        Self::new(SlipBounds::STANDARD)
    }
}

impl Book {
    /// Makes room for one more of this principal's, where that costs nobody anything that was not handed over yet.
    fn has_room(&mut self, bounds: &SlipBounds, whose: &Whose, now_us: i64) -> bool {
        self.by_id.retain(|_, slip| !slip.is_old(now_us));
        let own = |slip: &Slip| slip.whose().principal == whose.principal;
        while self.by_id.values().filter(|slip| own(slip)).count() >= bounds.each {
            if !self.give_up(own) {
                return false;
            }
        }
        while self.by_id.len() >= bounds.all {
            if !self.give_up(|_| true) {
                return false;
            }
        }
        true
    }

    /// Gives up the one among these whose outcome was handed over longest ago. Answers false where there is none.
    fn give_up(&mut self, among: impl Fn(&Slip) -> bool) -> bool {
        let spare = self.by_id.values().filter(|slip| among(slip));
        let spare = spare.filter_map(|slip| Some((slip.spare_since()?, slip.id().to_owned()))).min();
        spare.is_some_and(|(_, id)| self.by_id.remove(&id).is_some())
    }
}

/// A call that goes on for a slip. However it ends, and also where it is dropped, the slip is over with it.
pub(crate) struct Awaited {
    slip: Arc<Slip>,
    gate: Arc<Gate>,
}

impl Awaited {
    /// Begins to be, where there is room.
    pub(super) fn new(head: &Head, gate: &Arc<Gate>, hold: &Hold, pending: &Pending) -> Option<Self> {
        let slip = gate.ports.slips.open(head, &gate.ports, hold, pending)?;
        gate.ports.slips.under_way.send_modify(|count| *count = count.saturating_add(1));
        Some(Self { slip, gate: Arc::clone(gate) })
    }

    pub(super) fn slip(&self) -> &Arc<Slip> {
        &self.slip
    }

    /// Its client was never told of it.
    pub(super) fn untold(self) {
        self.gate.ports.slips.forget(&self.slip);
    }

    /// Sees the call to its end. What its server tells on the way is judged and recorded, and heard by nobody.
    pub(super) async fn run(self, call: impl Future<Output = Option<String>>) {
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = self.slip.dropped() => None,
        };
        self.ended(answer.as_deref());
    }

    fn ended(&self, answer: Option<&str>) {
        let ports = &self.gate.ports;
        // It lies one level deeper than in its answer when it is fetched.
        let outcome = self.slip.outcome_of(answer, ports.limits.depth_max.saturating_add(1));
        ports.slips.end(&self.slip, outcome, ports.clock.now_us());
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if self.slip.outcome().is_none() {
            self.ended(None);
        }
        self.gate.ports.slips.under_way.send_modify(|count| *count = count.saturating_sub(1));
    }
}
