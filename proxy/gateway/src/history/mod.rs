//! Every snapshot that was in force, with its files, and every candidate: who, when, why, and what it was made from.
//!
//! A file of its own beside the ledger. The ledger is an audit record that is only ever added to; this is data that is used
//! (a rollback takes its files from here), is bounded, and forgets the oldest. Equal files are stored once.

mod change;
mod store;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pdp::digest::Digest;
use pdp::snapshot::Sources;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::clock::rfc3339;

pub(crate) use change::all;
pub use change::{Change, Manifest, Names, differing, manifest};

/// How many changes of the law are kept, with the files of each. The one in force is the latest of them.
pub const TURNS_KEPT: usize = 200;
/// How many candidates that never were in force are kept, the latest.
pub const STAGED_KEPT: usize = 50;
/// A digest's first digits name a snapshot from so many on.
pub const START_MIN: usize = 6;

/// How a snapshot came in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The gate found it when it started.
    Start,
    /// Its directories were edited.
    Edit,
    /// It was staged and promoted.
    Promote,
    /// It had been in force before and was promoted again.
    Rollback,
}

impl How {
    const ALL: [(&'static str, Self); 4] =
        [("start", Self::Start), ("edit", Self::Edit), ("promote", Self::Promote), ("rollback", Self::Rollback)];

    /// The word it is kept and shown as.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, how)| *how == self).map_or("", |(word, _)| word)
    }
}

/// A snapshot that came in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// It.
    pub digest: Digest,
    /// What was in force before; nothing at the very first start.
    pub parent: Option<Digest>,
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// Who or what put it in force: a principal's key, `watch`, `SIGHUP`, `start`.
    pub author: String,
    /// Why, in the author's words.
    pub reason: String,
    /// How.
    pub how: How,
    /// What it changed, compared with its parent.
    pub change: Change,
}

impl Turn {
    /// What it changed, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.parent.is_some() { self.change.line() } else { "nothing was in force before".to_owned() }
    }

    /// As it is told over HTTP and to programs.
    #[must_use]
    pub fn told(&self) -> TurnTold {
        TurnTold {
            digest: self.digest,
            base: self.parent,
            at: rfc3339(self.at_us),
            author: self.author.clone(),
            reason: self.reason.clone(),
            how: self.how,
            summary: self.summary(),
            change: self.change.clone(),
        }
    }
}

/// A snapshot that was put in force, as it is told.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct TurnTold {
    /// It.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// What was in force before; nothing at the very first start.
    #[schema(value_type = Option<String>)]
    pub base: Option<Digest>,
    /// When, RFC 3339.
    pub at: String,
    /// Who or what put it in force: a principal's key, `watch`, `SIGHUP`, `start`.
    pub author: String,
    /// Why.
    pub reason: String,
    /// How.
    pub how: How,
    /// What it changed, in one line.
    pub summary: String,
    /// And in names.
    pub change: Change,
}

/// A candidate that was staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// It.
    pub digest: Digest,
    /// The snapshot it was made from.
    pub base: Digest,
    /// When it was staged, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// Who staged it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// What it would change, compared with its base.
    pub change: Change,
}

/// Why the history cannot be used. The text is for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the history of snapshots in {} {what}", path.display())]
pub struct HistoryFault {
    path: PathBuf,
    what: String,
}

/// What a digest's first digits were found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One snapshot.
    One(Digest),
    /// None that is kept.
    None,
    /// Several.
    Many,
}

/// The history, open for one gate, or for somebody who only reads. It is opened anew after a fault.
pub struct History {
    path: PathBuf,
    read_only: bool,
    connection: Mutex<Option<Connection>>,
    fault: Mutex<Option<Arc<HistoryFault>>>,
}

impl History {
    /// The history of a gate whose data lies in this folder. A fault is told by [`History::fault`] and by each use.
    #[must_use]
    pub fn open(data: &Path) -> Self {
        let history = Self::at(data, false);
        // Its outcome is kept, and asked for by whoever needs the history.
        let _kept = history.written(|_| Ok(()));
        history
    }

    /// For reading, also beside a running gate.
    #[must_use]
    pub fn read_only(data: &Path) -> Self {
        Self::at(data, true)
    }

    fn at(data: &Path, read_only: bool) -> Self {
        let path = data.join("history.db");
        Self { path, read_only, connection: Mutex::default(), fault: Mutex::default() }
    }

    /// What kept the history from being used the last time, if anything did.
    #[must_use]
    pub fn fault(&self) -> Option<Arc<HistoryFault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps a candidate and its files.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn stage(&self, candidate: &Candidate, sources: &Sources) -> Result<(), HistoryFault> {
        self.written(|connection| store::stage(connection, candidate, sources))
    }

    /// Notes what is in force now, and its files.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn turned(&self, turn: &Turn, sources: &Sources) -> Result<(), HistoryFault> {
        self.written(|connection| store::turned(connection, turn, Some(sources)))
    }

    /// Keeps other texts that mean the same snapshot, such as with another comment, in place of those it was kept with.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn rewritten(&self, digest: Digest, sources: &Sources) -> Result<(), HistoryFault> {
        self.written(|connection| store::rewritten(connection, digest, sources))
    }

    /// Notes that a kept snapshot is about to be put in force, before its files are written back, and keeps the files as they
    /// lie there until then: whatever is cut short can be put back.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn begin(&self, turn: &Turn, parent: &Sources) -> Result<(), HistoryFault> {
        self.used(|connection| store::begin(connection, turn, parent))
    }

    /// Notes that what was begun is done.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn settle(&self, turn: &Turn) -> Result<(), HistoryFault> {
        self.written(|connection| store::turned(connection, turn, None))
    }

    /// Notes that what was begun did not come to pass.
    ///
    /// # Errors
    /// When the history cannot be written.
    pub fn abandon(&self) -> Result<(), HistoryFault> {
        self.used(store::abandon)
    }

    /// What was begun and neither settled nor abandoned: the gate ended in between.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn begun(&self) -> Result<Option<Turn>, HistoryFault> {
        self.used(|connection| store::begun(connection))
    }

    /// The changes of the law, the latest first.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn turns(&self, limit: usize) -> Result<Vec<Turn>, HistoryFault> {
        self.used(|connection| store::turns(connection, limit))
    }

    /// The candidates that never were in force, the latest first.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn candidates(&self) -> Result<Vec<Candidate>, HistoryFault> {
        self.used(|connection| store::candidates(connection))
    }

    /// The files of a snapshot; nothing where it is not kept.
    ///
    /// # Errors
    /// When the history cannot be read, or is damaged.
    pub fn files(&self, digest: Digest) -> Result<Option<Sources>, HistoryFault> {
        self.used(|connection| store::files(connection, digest))
    }

    /// The kept snapshot whose digest begins so, with or without `sha256:`.
    ///
    /// # Errors
    /// When the history cannot be read.
    pub fn find(&self, start: &str) -> Result<Found, HistoryFault> {
        self.used(|connection| store::find(connection, start))
    }

    /// Keeps something. A success means that the history can be used again; what it says in passing means less.
    fn written<T>(&self, task: impl FnOnce(&mut Connection) -> Result<T, store::Fault>) -> Result<T, HistoryFault> {
        let done = self.used(task);
        if done.is_ok() {
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        done
    }

    /// Uses the connection, opening it where there is none. One that failed is not used again.
    fn used<T>(&self, task: impl FnOnce(&mut Connection) -> Result<T, store::Fault>) -> Result<T, HistoryFault> {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = match held.take() {
            Some(open) => Ok(open),
            None => store::open(&self.path, self.read_only),
        };
        let done = opened.and_then(|mut open| {
            let done = task(&mut open)?;
            *held = Some(open);
            Ok(done)
        });
        done.map_err(|fault| {
            let fault = HistoryFault { path: self.path.clone(), what: fault.to_string() };
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(fault.clone()));
            fault
        })
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "History({})", self.path.display())
    }
}

#[cfg(test)]
mod tests;
