//! Why a ledger cannot be opened or read, in words that name the file and say what to do.
//!
//! What a call hears of them is shorter, see [`StoreFault::brief`]: it may be handed to an agent.

use std::path::{Path, PathBuf};

use pdp::json::JsonFault;

/// Why a ledger cannot be opened, or an entry in it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// Another gate writes it.
    #[error(
        "the ledger `{}` is in use by another gate{}: stop that gate, or give this one a ledger of its own",
        path.display(), holder.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    InUse {
        /// The ledger.
        path: PathBuf,
        /// The process that holds it, as far as its lock file tells.
        holder: Option<u32>,
    },
    /// Written by a later version.
    #[error(
        "the ledger `{}` has schema version {found}, and this version of Wicketgate knows {known}: \
         use the version that wrote it, or name another ledger", path.display()
    )]
    Newer {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version known here.
        known: i64,
    },
    /// A database of something else.
    #[error("`{}` is a database, but not a Wicketgate ledger: name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// No file to read.
    #[error("there is no ledger at `{}`: name the one that the gate writes", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Rows appeared that this gate did not write.
    #[error(
        "the ledger `{}` holds entries that this gate did not write (the last is number {found} in sequence, expected \
         {expected}): something else writes it; stop that and start the gate again", path.display()
    )]
    Strange {
        /// The ledger.
        path: PathBuf,
        /// The last entry found.
        found: u64,
        /// The last entry this gate wrote.
        expected: u64,
    },
    /// The file was removed or replaced while it was open.
    #[error("`{}` was removed or replaced while the gate was writing it: put it back", path.display())]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("cannot {doing} the ledger `{}`: {source}{}", path.display(), remedy(source))]
    Database {
        /// What was tried.
        doing: &'static str,
        /// The ledger.
        path: PathBuf,
        /// Why not.
        source: rusqlite::Error,
    },
    /// A row's body is not an entry.
    #[error("entry {seq} of the ledger `{}` cannot be read: {source}", path.display())]
    Entry {
        /// The ledger.
        path: PathBuf,
        /// Its place in the sequence.
        seq: u64,
        /// Why not.
        source: JsonFault,
    },
}

/// What to do, where the database's own words do not say it.
fn remedy(fault: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly};
    match fault.sqlite_error_code() {
        Some(DiskFull) => "; free some space",
        Some(DatabaseBusy) => "; another program holds it, let that finish",
        Some(ReadOnly | CannotOpen) => "; see who may write the file and its folder",
        Some(DatabaseCorrupt | NotADatabase) => "; the file is damaged, restore it or move it away",
        Some(_) | None => "",
    }
}

fn brief_of_database(fault: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseCorrupt, DiskFull, NotADatabase, ReadOnly};
    match fault.sqlite_error_code() {
        Some(DiskFull) => "the disk is full",
        Some(DatabaseBusy) => "another program holds it",
        Some(ReadOnly | CannotOpen) => "its file may not be written",
        Some(DatabaseCorrupt | NotADatabase) => "its file is damaged",
        Some(_) | None => "the disk or the database refused",
    }
}

impl StoreFault {
    /// What was wrong, without paths or the database's own words: a refusal hands this to agents.
    pub(super) fn brief(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "another gate has it",
            Self::Newer { .. } | Self::Foreign { .. } | Self::Missing { .. } => "its file is not the ledger it was",
            Self::Strange { .. } => "another program wrote to it",
            Self::Gone { .. } => "its file was removed or replaced",
            Self::File { .. } => "its files cannot be used",
            Self::Entry { .. } => "an entry of it cannot be read",
            Self::Database { source, .. } => brief_of_database(source),
        }
    }

    /// For `map_err`: the database refused `doing`.
    pub(super) fn database(path: &Path, doing: &'static str) -> impl Fn(rusqlite::Error) -> Self + Copy {
        move |source| Self::Database { doing, path: path.to_owned(), source }
    }

    /// For `map_err`: the file system refused `doing`.
    pub(super) fn file(path: &Path, doing: &'static str) -> impl Fn(std::io::Error) -> Self + Copy {
        move |source| Self::File { doing, path: path.to_owned(), source }
    }
}
