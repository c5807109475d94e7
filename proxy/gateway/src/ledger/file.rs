//! The ledger's files: where they lie, that one gate alone owns them, and that they are still the ones it opened.
//!
//! SQLite goes on writing to a file that was unlinked under it and reports success; a ledger must not. So identities
//! are compared before each transaction. This module knows nothing of what the files hold.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::StoreFault;

/// A file as the kernel knows it, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// The identity of what stands at `path` now.
    pub(super) fn of(path: &Path) -> Result<Self, StoreFault> {
        let found = std::fs::metadata(path).map_err(|source| {
            if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
                StoreFault::Gone { path: path.to_owned() }
            } else {
                StoreFault::file(path, "look at")(source)
            }
        })?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }

    /// Whether `path` still names this file.
    pub(super) fn check(self, path: &Path) -> Result<(), StoreFault> {
        if Self::of(path)? == self { Ok(()) } else { Err(StoreFault::Gone { path: path.to_owned() }) }
    }
}

/// The name of a file that stands beside the ledger.
pub(super) fn beside(ledger: &Path, suffix: &str) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// How often and after which pause the lock is tried: one second in all. A gate that is killed while it starts a server
/// leaves the lock to that process, which lets go of it when it has become the server's program.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The right to write a ledger. Held by the kernel for as long as this lives: no crash leaves it behind for long.
///
/// The lock is on a file of its own. Opening and closing the database file beside SQLite would drop SQLite's POSIX
/// locks on it, which belong to the process and not to the descriptor.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    identity: Identity,
    _held: File,
}

impl Lock {
    /// Takes the right to write `ledger`, or says who has it. Waits a moment for whoever is about to let go.
    pub(super) fn take(ledger: &Path) -> Result<Self, StoreFault> {
        let path = beside(ledger, ".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(StoreFault::file(&path, "open"))?;
        let mut tries = 1..LOCK_TRIES;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries.next().is_some() => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreFault::InUse { path: ledger.to_owned(), holder: holder(&mut file) });
                }
                Err(TryLockError::Error(source)) => return Err(StoreFault::file(&path, "lock")(source)),
            }
        }
        if let Err(fault) = name_holder(&mut file) {
            // The lock holds without the name; only another gate's error message is poorer for it.
            tracing::debug!(%fault, "the lock file could not be given this process's number");
        }
        let identity = Identity::of(&path)?;
        Ok(Self { path, identity, _held: file })
    }

    /// Whether the lock file is still the one that is locked. If not, another gate could lock its successor.
    pub(super) fn check(&self) -> Result<(), StoreFault> {
        self.identity.check(&self.path)
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn name_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// Makes an empty ledger file that only its owner may read, unless one is there. SQLite gives its side files the same
/// rights.
pub(super) fn make(path: &Path) -> Result<(), StoreFault> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(fault) if fault.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreFault::file(path, "create")(source)),
    }
}

/// Makes the folder the ledger lies in.
pub(super) fn make_folder(ledger: &Path) -> Result<(), StoreFault> {
    match ledger.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).map_err(StoreFault::file(folder, "create the folder"))
        }
        Some(_) | None => Ok(()),
    }
}
