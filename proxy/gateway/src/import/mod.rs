//! `wicketgate import`: the servers of an agent's client put behind the gate, and the client pointed at it.
//!
//! Three steps, each whole before the next: read every file ([`entry`]), plan what would be written ([`plan`]), write it
//! ([`disk`]). What cannot be carried over is said; an entry that cannot be understood is left as it is. A secret in a
//! client's file is never printed and never copied into the registry.

mod client;
pub(crate) mod disk;
mod draft;
mod entry;
mod lists;
mod names;
mod plan;
mod policy;
mod read_json;
mod read_toml;
mod read_yaml;
mod reference;
mod secret;
mod splice;
mod told;
mod tree;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use client::{Client, ClientFile, Surroundings, TOKEN};
pub use disk::{DiskFault, Undone};
pub use plan::{ImportFault, Plan, plan};
pub use told::token_file;
pub use tree::{Format, Unreadable};

/// The gate that clients are pointed at, as far as an import must know it.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Where agents connect, as `host:port`.
    pub listen: String,
    /// Its registry's directory.
    pub registry: PathBuf,
    /// Its policies' directory.
    pub policies: PathBuf,
    /// Its data directory, where secrets and backups are kept.
    pub data: PathBuf,
    /// The program `wicketgate` itself, for clients that can only start one.
    pub program: String,
    /// What the program is told beside the server's name, for it to find this gate.
    pub options: Vec<String>,
}

impl Gate {
    /// Where literal secrets go.
    fn secrets(&self) -> PathBuf {
        self.data.join("secrets")
    }

    /// Where backups are kept.
    fn imports(&self) -> PathBuf {
        self.data.join("imports")
    }
}

/// Writes a file that only its owner may read.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<(), DiskFault> {
    disk::write(path, text.as_bytes(), 0o600)
}

/// One file that was to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Which.
    pub path: PathBuf,
    /// What became of it.
    pub undone: Undone,
    /// The entries and rules that were drafted with it, and stay.
    pub drafted: Vec<PathBuf>,
}

/// Restores the files that imports rewrote: all, or those of one client, or one.
///
/// # Errors
/// When the journal or a file cannot be read or written.
pub fn undo(gate: &Gate, client: Option<Client>, file: Option<&Path>, force: bool) -> Result<Vec<Restored>, DiskFault> {
    let folder = gate.imports();
    let mut journal = disk::Journal::read(&folder)?;
    if journal.files.is_empty() {
        return Ok(Vec::new());
    }
    let file = file.and_then(|file| std::path::absolute(file).ok());
    let wanted = |kept: &disk::Kept| {
        client.is_none_or(|client| client.word() == kept.client) && file.as_ref().is_none_or(|file| *file == kept.path)
    };
    let undone = journal.undo(&folder, &wanted, force)?;
    Ok(undone.into_iter().map(|(kept, undone)| Restored { path: kept.path, undone, drafted: kept.drafted }).collect())
}
