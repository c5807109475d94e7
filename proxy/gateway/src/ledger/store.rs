//! The database: opened by its one owner, written a group at a time, checked to be the file that was opened.
//!
//! Everything here waits for the disk and runs on the writer's thread, but for the first opening. It knows no queue
//! and wakes nobody.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pdp::json::JsonFault;
use pdp::record::Entry;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::fault::StoreFault;
use super::file::{self, Identity, beside};
use super::recovery;
use super::row::{INSERT, Row};
use super::schema::{self, Mark, signed};

/// How long a write waits for another program's hold on the database, such as a backup tool's.
const BUSY_MAX: Duration = Duration::from_secs(1);

/// How many frame numbers are set aside at a time. A crash skips at most this many. A gate that cannot write can
/// number half as many frames before a number of this life could return in the next.
const NUMBERS_AHEAD: u64 = 8192;

/// How many pages of the write-ahead log may wait to be moved into the database: 16 MiB of them. A page that changes again
/// meanwhile is moved once.
const LOG_PAGES_MAX: i64 = 2048;

/// The open database. At most one exists for a ledger, under its [`file::Lock`].
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    log: PathBuf,
    connection: Connection,
    identity: Identity,
    /// The write-ahead log's identity, once it was written.
    log_identity: Option<Identity>,
    /// The place of the last entry, zero if there is none.
    last: u64,
    /// Frame numbers below this are set aside on disk.
    numbers_end: u64,
    /// The length of the write-ahead log when it was last drained, in pages.
    log_drained: i64,
}

/// What stands behind the last entry known to be durable, when the ledger is opened again after a failed write.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing: the failed group left no trace.
    Clean,
    /// The failed group, whole: it was durable although its commit reported a failure.
    Landed,
    /// Entries are missing: another file stands in the ledger's place.
    Shorter {
        /// How many.
        missing: u64,
    },
}

impl Store {
    /// Opens the database, making it where there is none.
    pub(super) fn open(path: &Path) -> Result<Self, StoreFault> {
        file::make(path)?;
        let identity = Identity::of(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let asked = StoreFault::database(path, "open");
        let mut connection = Connection::open_with_flags(path, flags).map_err(asked)?;
        connection.busy_timeout(BUSY_MAX).map_err(asked)?;
        schema::prepare_writer(&mut connection, path)?;
        let last = schema::last(&connection).map_err(asked)?;
        let numbers_end = Mark::NextNumber.read(&connection).map_err(asked)?;
        let (path, log) = (path.to_owned(), beside(path, "-wal"));
        Ok(Self { path, log, connection, identity, log_identity: None, last, numbers_end, log_drained: 0 })
    }

    /// The place of the last entry.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Settles what the gate's last life left open. Answers the next frame's number, and the entries this wrote.
    pub(super) fn recover(&mut self, at_us: i64) -> Result<(u64, Vec<Entry>), StoreFault> {
        let asked = StoreFault::database(&self.path, "recover");
        let used = schema::number_max(&self.connection).map_err(asked)?;
        let next = self.numbers_end.max(used.saturating_add(1));
        let settled = Mark::Settled.read(&self.connection).map_err(asked)?;
        let mut intents = Vec::new();
        for (seq, body) in recovery::unsettled(&self.connection, signed(settled)).map_err(asked)? {
            match Entry::read(&body).map_err(|source| self.unreadable(seq, source))? {
                Entry::Intent(intent) => intents.push((seq, intent)),
                Entry::Record(_) | Entry::Event(_) | Entry::Said(_) => {
                    return Err(self.unreadable(seq, JsonFault::Kind("an intent, as its row says")));
                }
            }
        }
        let mut rows = Vec::new();
        for entry in recovery::settle(intents, at_us).map_err(|(seq, fault)| self.unreadable(seq, fault))? {
            rows.push(Row::of(entry).map_err(|fault| self.unreadable(self.last, fault))?);
        }
        let settled = self.last.saturating_add(rows.len() as u64);
        let written = self.write(&rows, Some(next.saturating_add(NUMBERS_AHEAD)), Some(settled));
        written.map_err(StoreFault::database(&self.path, "recover"))?;
        Ok((next, rows.into_iter().map(|row| row.entry).collect()))
    }

    fn unreadable(&self, seq: u64, source: JsonFault) -> StoreFault {
        StoreFault::Entry { path: self.path.clone(), seq, source }
    }

    /// Checks that the files are still those that were opened.
    pub(super) fn check(&self) -> Result<(), StoreFault> {
        self.identity.check(&self.path)?;
        self.log_identity.map_or(Ok(()), |identity| identity.check(&self.log))
    }

    /// Writes a group: all of it is durable afterwards, or none. `next_number` is the number of the next frame.
    pub(super) fn put(&mut self, rows: &[Row], next_number: u64) -> Result<(), StoreFault> {
        let low = next_number.saturating_add(NUMBERS_AHEAD / 2) > self.numbers_end;
        let numbers_end = low.then(|| next_number.saturating_add(NUMBERS_AHEAD));
        let written = self.write(rows, numbers_end, None);
        written.map_err(StoreFault::database(&self.path, "write to"))
    }

    /// Writes the last group of this life, giving back the numbers set aside and not used.
    pub(super) fn put_last(&mut self, rows: &[Row], next_number: u64) -> Result<(), StoreFault> {
        let written = self.write(rows, Some(next_number), None);
        written.map_err(StoreFault::database(&self.path, "write to"))
    }

    fn write(&mut self, rows: &[Row], numbers_end: Option<u64>, settled: Option<u64>) -> rusqlite::Result<()> {
        // Immediate, so that another program's hold shows here and not in the middle.
        let group = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut last = self.last;
        {
            let mut statement = group.prepare_cached(INSERT)?;
            for row in rows {
                last = last.saturating_add(1);
                row.insert(last, &mut statement)?;
            }
        }
        if let Some(value) = numbers_end {
            Mark::NextNumber.write(&group, value)?;
        }
        if let Some(value) = settled {
            Mark::Settled.write(&group, value)?;
        }
        group.commit()?;
        self.last = last;
        self.numbers_end = numbers_end.unwrap_or(self.numbers_end);
        if self.log_identity.is_none() {
            // It exists since this very commit; if not, the next check of the database itself will tell.
            self.log_identity = Identity::of(&self.log).ok();
        }
        Ok(())
    }

    /// Finds out, after a failed write and a new opening, what became of the group whose commit failed. `durable` is
    /// the place of the last entry known to be durable, `doubtful` the bodies of that group.
    pub(super) fn tail(&self, durable: u64, doubtful: &[String]) -> Result<Tail, StoreFault> {
        let asked = StoreFault::database(&self.path, "read back");
        if self.last < durable {
            return Ok(Tail::Shorter { missing: durable - self.last });
        }
        let found = schema::bodies_after(&self.connection, durable).map_err(asked)?;
        if found.is_empty() {
            Ok(Tail::Clean)
        } else if found == doubtful {
            Ok(Tail::Landed)
        } else {
            Err(StoreFault::Strange { path: self.path.clone(), found: self.last, expected: durable })
        }
    }

    /// Moves the write-ahead log into the database when it has grown long. Called when no call waits for the writer.
    pub(super) fn drain_log(&mut self) -> Result<(), StoreFault> {
        let asked = StoreFault::database(&self.path, "move the write-ahead log into");
        let (length, moved) = schema::checkpoint(&self.connection, schema::Checkpoint::Look).map_err(asked)?;
        // A long reader holds the log back; do not try again before it has grown some more.
        let grown = length < self.log_drained || length - self.log_drained >= LOG_PAGES_MAX / 4;
        if length - moved >= LOG_PAGES_MAX && grown {
            let (length, _) = schema::checkpoint(&self.connection, schema::Checkpoint::Move).map_err(asked)?;
            self.log_drained = length;
        }
        Ok(())
    }
}
