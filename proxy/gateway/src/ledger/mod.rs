//! The embedded ledger: SQLite, one writer thread, group commit. Where every frame's record becomes durable.
//!
//! It stands behind the enforcement point's ledger port: the action stage waits here for its intent, the audit stage
//! for its record. Readers ([`Reader`]) open the file beside the writer, also from another process. The ledger judges
//! nothing and projects nothing but its own columns; telemetry subscribes to what has become durable.

mod fault;
mod file;
mod schema;
mod row;
mod recovery;
mod store;
mod queue;
mod writer;
mod reader;
mod past;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pdp::record::Entry;
use pep::ports::{BoxFuture, Clock, Ledger, LedgerFault};

pub use fault::StoreFault;
pub use past::{Past, PastPage, Place};
pub use queue::Stats;
pub use reader::{Filter, Page, Reader, Stretch, TraceLine, Within};
pub(crate) use recovery::ranges;
pub use writer::Sink;

use file::Lock;
use queue::Queue;
use store::Store;
use writer::{Farewell, Writer};

/// How long closing may take at most.
pub const CLOSE_MAX: Duration = Duration::from_secs(5);

/// A write that takes longer is a disk that does not answer: calls stop until it does.
const STALL_MAX: Duration = Duration::from_secs(5);

/// How a ledger is opened.
pub struct Options {
    /// How many entries may be taken and not yet written. The last quarter is for records and events, so that what has
    /// begun can be recorded.
    pub capacity: usize,
    /// How long an entry that nobody waits for may wait for company.
    pub linger: Duration,
    /// Who hears of durable entries, from the first that recovery writes.
    pub sinks: Vec<Sink>,
    /// The time of the ledger's own events.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// What is right for a gate: 8,192 entries, 25 ms, nobody who hears.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { capacity: 8192, linger: Duration::from_millis(25), sinks: Vec::new(), clock }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { capacity, linger, sinks, clock: _ } = self;
        write!(f, "Options {{ capacity: {capacity}, linger: {linger:?}, sinks: {} }}", sinks.len())
    }
}

/// What closing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// Entries that were taken and are not known to be durable.
    pub lost: usize,
    /// Whether the writer ended in time. If not, the disk did not answer.
    pub ended: bool,
}

/// The ledger's owner. One per file: a second is refused.
///
/// An error from [`Ledger::commit`] or [`Ledger::append`] is not always the end of the entry. While the disk is away,
/// intents are given up, for their sender is told and does not act; records and events are kept, up to the queue's
/// bound, and written when the disk is back.
pub struct SqliteLedger {
    path: PathBuf,
    queue: Arc<Queue>,
    sinks: Arc<Mutex<Vec<Sink>>>,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, making it and its folder where there is none, and settles what the gate's last life
    /// left open: each intent without a record gets one that says `indeterminate`. Waits for the disk.
    ///
    /// # Errors
    /// When another gate has the ledger, a later version wrote it, it is not a ledger, or the disk refuses.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreFault> {
        file::make_folder(path)?;
        file::make(path)?;
        // Two names of one file must meet at one lock.
        let path = path.canonicalize().map_err(StoreFault::file(path, "find"))?;
        let lock = Lock::take(&path)?;
        let mut store = Store::open(&path)?;
        let (next_number, recovered) = store.recover(options.clock.now_us())?;
        let sinks = Arc::new(Mutex::new(options.sinks));
        writer::publish(&sinks, recovered.iter());
        let queue = Arc::new(Queue::new(next_number, options.capacity, options.linger, STALL_MAX));
        let writer = Writer::new(Arc::clone(&queue), Arc::clone(&sinks), options.clock, path.clone(), lock, store);
        let farewell = Farewell(Arc::clone(&queue));
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                // Bound first, dropped last: whoever waits for the end finds the file closed and unlocked.
                let _farewell = farewell;
                writer.run();
            })
            .map_err(StoreFault::file(&path, "start a thread that writes"))?;
        Ok(Self { path, queue, sinks })
    }

    /// Adds a sink: it hears of each entry that becomes durable from now on, on the writer's thread, and must not
    /// block. A sink that panics is told no more.
    pub fn subscribe(&self, sink: Sink) {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner).push(sink);
    }

    /// The counts, for the health answer.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.queue.stats()
    }

    /// Takes no more entries, writes what there is, and waits for that at most [`CLOSE_MAX`]. Blocks: call it where
    /// blocking is allowed. A second call only waits.
    pub fn close(&self) -> Closing {
        let (lost, ended) = self.queue.close(CLOSE_MAX);
        Closing { lost, ended }
    }
}

impl Ledger for SqliteLedger {
    fn number(&self) -> u64 {
        self.queue.take_number()
    }

    fn append(&self, entry: Entry) -> Result<(), LedgerFault> {
        self.queue.append(entry)
    }

    /// Waits as long as the disk does. Once a write takes more than five seconds, [`Ledger::health`] fails and no
    /// further entry waits.
    fn commit(&self, entry: Entry) -> BoxFuture<'_, Result<(), LedgerFault>> {
        Box::pin(async move {
            let fate = self.queue.commit(entry)?;
            fate.await.unwrap_or_else(|_| Err(LedgerFault::Broken(queue::DEAD.to_owned())))
        })
    }

    fn health(&self) -> Result<(), LedgerFault> {
        self.queue.health()
    }
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteLedger {{ path: {:?}, {:?} }}", self.path, self.stats())
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        let closing = self.close();
        if closing.lost > 0 || !closing.ended {
            tracing::error!(lost = closing.lost, ended = closing.ended, "the ledger was not written to its end");
        }
    }
}
