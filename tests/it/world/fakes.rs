//! The ports that are not the upstream, faked: every one can be told to fail, to wait, or to panic.
//!
//! Each future a fake returns passes at least one [`Points`], so that a test can stop the pipeline at every await.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use pdp::principal::Principal;
use pdp::record::{Entry, Record};
use pdp::registry::Server;
use pdp::snapshot::Snapshot;
use pep::Secret;
use pep::ports::{
    Approvals, BoxFuture, Clock, Entropy, Given, Halt, Hold, Ledger, LedgerFault, Lent, Pending, Snapshots, Vault,
    Verdict,
};
use tokio::sync::Semaphore;

use super::trail;

/// Locks, also after a panic of another holder: panics are part of what is tested.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What happened, in order, in words.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    lines: Mutex<Vec<String>>,
    muted: Mutex<bool>,
}

impl Journal {
    pub(crate) fn write(&self, line: String) {
        if !*lock(&self.muted) {
            lock(&self.lines).push(line);
        }
    }

    pub(crate) fn mute(&self, muted: bool) {
        *lock(&self.muted) = muted;
    }

    pub(crate) fn text(&self) -> String {
        lock(&self.lines).join("\n")
    }

    /// The lines since it was last asked.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.lines))
    }
}

/// The places where a port lets go of the thread, numbered in the order they are met.
#[derive(Debug, Default)]
pub(crate) struct Points {
    met: Mutex<Vec<String>>,
    panic_at: Mutex<Option<usize>>,
    gate: Mutex<Option<Arc<Semaphore>>>,
}

impl Points {
    /// Panics at the point of this number, counted from zero.
    pub(crate) fn panic_at(&self, number: usize) {
        *lock(&self.panic_at) = Some(number);
    }

    /// Every point met so far.
    pub(crate) fn met(&self) -> Vec<String> {
        lock(&self.met).clone()
    }

    /// Lets go of the thread once.
    pub(crate) async fn pass(&self, name: &str) {
        let number = {
            let mut met = lock(&self.met);
            met.push(name.to_owned());
            met.len() - 1
        };
        assert!(*lock(&self.panic_at) != Some(number), "asked to panic: {name}");
        let mut yielded = false;
        poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Waits until [`Points::release`], or for ever.
    pub(crate) async fn hang(&self) {
        let gate = Arc::clone(lock(&self.gate).get_or_insert_with(|| Arc::new(Semaphore::new(0))));
        let _opened = gate.acquire().await;
    }

    /// Lets everything go on that hangs.
    pub(crate) fn release(&self) {
        if let Some(gate) = lock(&self.gate).take() {
            gate.close();
        }
    }
}

/// A ledger in memory.
#[derive(Debug)]
pub(crate) struct FakeLedger {
    journal: Arc<Journal>,
    points: Arc<Points>,
    numbers: AtomicU64,
    entries: Mutex<Vec<Entry>>,
    state: Mutex<LedgerState>,
}

#[derive(Debug, Default)]
struct LedgerState {
    ill: bool,
    refuses_appends: bool,
    /// Which commits from now on are refused, counted from one.
    refused_commits: BTreeSet<u64>,
    commits: u64,
    /// The numbers of records it was handed and did not take.
    lost: Vec<u64>,
}

impl FakeLedger {
    pub(crate) fn new(journal: Arc<Journal>, points: Arc<Points>) -> Self {
        Self { journal, points, numbers: AtomicU64::new(0), entries: Mutex::default(), state: Mutex::default() }
    }

    pub(crate) fn be_ill(&self, ill: bool) {
        lock(&self.state).ill = ill;
    }

    pub(crate) fn refuse_appends(&self, refuse: bool) {
        lock(&self.state).refuses_appends = refuse;
    }

    /// Refuses the nth commit from now.
    pub(crate) fn refuse_commit(&self, nth: u64) {
        let mut state = lock(&self.state);
        let at = state.commits + nth;
        state.refused_commits.insert(at);
    }

    /// Refuses nothing any more.
    pub(crate) fn be_well(&self) {
        let mut state = lock(&self.state);
        (state.ill, state.refuses_appends) = (false, false);
        state.refused_commits.clear();
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        lock(&self.entries).clone()
    }

    /// The entries since it was last asked.
    pub(crate) fn take_entries(&self) -> Vec<Entry> {
        std::mem::take(&mut *lock(&self.entries))
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let records = self.entries().into_iter().filter_map(|entry| match entry {
            Entry::Record(record) => Some(Arc::unwrap_or_clone(record)),
            Entry::Intent(_) | Entry::Event(_) | Entry::Said(_) => None,
        });
        records.collect()
    }

    /// Every frame has exactly one record, save those the ledger was told to refuse.
    pub(crate) fn assert_one_record_each(&self) {
        let mut numbers: Vec<u64> = self.records().iter().map(|r| r.number).collect();
        numbers.extend(lock(&self.state).lost.iter());
        numbers.sort_unstable();
        let issued: Vec<u64> = (1..=self.numbers.load(Ordering::Relaxed)).collect();
        assert_eq!(numbers, issued, "each frame has exactly one record\n{}", self.journal.text());
    }

    fn take(&self, entry: Entry, refused: bool) -> Result<(), LedgerFault> {
        let words = trail::entry(&entry);
        if refused {
            if let Entry::Record(record) = &entry {
                lock(&self.state).lost.push(record.number);
            }
            self.journal.write(format!("not taken: {words}"));
            return Err(LedgerFault::Broken("no space left".to_owned()));
        }
        self.journal.write(words);
        lock(&self.entries).push(entry);
        Ok(())
    }
}

impl Ledger for FakeLedger {
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn append(&self, entry: Entry) -> Result<(), LedgerFault> {
        let refused = lock(&self.state).refuses_appends;
        self.take(entry, refused)
    }

    /// Takes the entry before it first waits, as the port asks: only the disk is waited for.
    fn commit(&self, entry: Entry) -> BoxFuture<'_, Result<(), LedgerFault>> {
        Box::pin(async move {
            let name = match &entry {
                Entry::Intent(_) => "intent",
                Entry::Record(_) | Entry::Event(_) => "record",
                Entry::Said(_) => "said",
            };
            let refused = {
                let mut state = lock(&self.state);
                state.commits += 1;
                let at = state.commits;
                state.refused_commits.remove(&at)
            };
            let taken = self.take(entry, refused);
            self.points.pass(&format!("{name} on its way to the disk")).await;
            taken
        })
    }

    fn health(&self) -> Result<(), LedgerFault> {
        if lock(&self.state).ill { Err(LedgerFault::Full) } else { Ok(()) }
    }
}

/// A clock that stands still until it is told.
#[derive(Debug)]
pub(crate) struct FakeClock(AtomicI64);

impl FakeClock {
    /// 2026-11-20T00:00Z.
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(1_795_132_800_000_000))
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for FakeClock {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts where others are random.
#[derive(Debug, Default)]
pub(crate) struct FakeEntropy(AtomicU64);

impl Entropy for FakeEntropy {
    fn bytes(&self) -> [u8; 16] {
        let n = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let mut out = [0xab; 16];
        out[..8].copy_from_slice(&n.to_be_bytes());
        out
    }
}

/// Lends `secret of SERVER` to every server whose registry entry names a credential.
#[derive(Debug)]
pub(crate) struct FakeVault {
    points: Arc<Points>,
    pub(crate) empty: Mutex<bool>,
}

impl FakeVault {
    pub(crate) fn new(points: Arc<Points>) -> Self {
        Self { points, empty: Mutex::default() }
    }
}

impl Vault for FakeVault {
    fn lend<'a>(&'a self, server: &'a Server) -> BoxFuture<'a, Result<Option<Lent>, String>> {
        Box::pin(async move {
            self.points.pass("vault").await;
            let Some(rule) = &server.credential else { return Ok(None) };
            if *lock(&self.empty) {
                return Err("the variable is not set".to_owned());
            }
            let reference = format!("env:{}", rule.env.as_deref().unwrap_or_default());
            Ok(Some(Lent { secret: Secret::seal(&format!("secret of {}", server.name)), reference }))
        })
    }
}

/// Answers as it was told to.
#[derive(Debug)]
pub(crate) struct FakeApprovals {
    journal: Arc<Journal>,
    points: Arc<Points>,
    pub(crate) verdict: Mutex<Verdict>,
    pub(crate) waits: Mutex<bool>,
    pub(crate) known: Mutex<bool>,
    pub(crate) holds: Mutex<Vec<Hold>>,
}

impl FakeApprovals {
    pub(crate) fn new(journal: Arc<Journal>, points: Arc<Points>) -> Self {
        Self {
            journal,
            points,
            verdict: Mutex::new(Verdict::Nobody),
            waits: Mutex::default(),
            known: Mutex::default(),
            holds: Mutex::default(),
        }
    }
}

/// A verdict that gives these grants.
pub(crate) fn granted(grants: BTreeSet<String>) -> Verdict {
    Verdict::Granted(Given { id: "ap_1".to_owned(), grants, by: ["default/jane".to_owned()].into() })
}

impl Approvals for FakeApprovals {
    fn knows(&self, _hold: &Hold) -> bool {
        *lock(&self.known)
    }

    fn give_back(&self, id: &str, number: u64) {
        self.journal.write(format!("{id} is given back by {number}"));
    }

    fn ask<'a>(&'a self, hold: &'a Hold, patience: Duration) -> BoxFuture<'a, Verdict> {
        Box::pin(async move {
            let grants: Vec<&str> = hold.shown.grants.iter().map(String::as_str).collect();
            self.journal.write(format!(
                "asked for {}: {} {}",
                grants.join(" and "),
                hold.identity.server,
                hold.identity.action
            ));
            lock(&self.holds).push(hold.clone());
            self.points.pass("approval").await;
            if *lock(&self.waits) && tokio::time::timeout(patience, self.points.hang()).await.is_err() {
                let url = "https://gate.test/console/#/approvals/ap_1".to_owned();
                return Verdict::Pending(Pending { id: "ap_1".to_owned(), url, until_us: 7_000_000_000 });
            }
            lock(&self.verdict).clone()
        })
    }
}

/// A halt switch that may be thrown between two looks at it.
#[derive(Debug, Default)]
pub(crate) struct FakeHalt {
    state: Mutex<(Option<String>, u64)>,
}

impl FakeHalt {
    /// Halts from the nth look on, counted from one.
    pub(crate) fn halt(&self, nth: u64, why: &str) {
        *lock(&self.state) = (Some(why.to_owned()), nth);
    }

    pub(crate) fn resume(&self) {
        *lock(&self.state) = (None, 0);
    }
}

impl Halt for FakeHalt {
    fn reason(&self, _principal: &Principal, _task: &str, _server: &str) -> Option<String> {
        let mut state = lock(&self.state);
        state.1 = state.1.saturating_sub(1);
        state.0.clone().filter(|_| state.1 == 0)
    }
}

/// Holds the snapshot of the script.
#[derive(Debug)]
pub(crate) struct FakeSnapshots(pub(crate) Mutex<Arc<Snapshot>>);

impl Snapshots for FakeSnapshots {
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&lock(&self.0))
    }
}
