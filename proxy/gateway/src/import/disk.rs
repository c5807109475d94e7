//! Files written whole or not at all, and what was in them before. A client's file keeps its place, also behind a link,
//! its rights and its owner; a backup of it is the user's alone, for it may hold secrets.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use pdp::digest::Digest;
use serde::{Deserialize, Serialize};

use super::client::Client;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {words}")]
pub struct DiskFault {
    /// Which.
    pub path: String,
    /// What went wrong.
    pub words: String,
}

fn fault(path: &Path, words: impl std::fmt::Display) -> DiskFault {
    DiskFault { path: path.display().to_string(), words: words.to_string() }
}

/// Writes a file in one step. Where it is there already it keeps its rights and its owner, and a link stays a link.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DiskFault> {
    let target = if path.is_symlink() { path.canonicalize().map_err(|e| fault(path, e))? } else { path.to_owned() };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder made for what is the user's alone is the user's alone.
    let folder_mode = if mode & 0o077 == 0 { 0o700 } else { 0o755 };
    let made = std::fs::DirBuilder::new().recursive(true).mode(folder_mode).create(folder);
    made.map_err(|e| fault(folder, e))?;
    let there = std::fs::metadata(&target).ok();
    let mode = there.as_ref().map_or(mode, |there| there.permissions().mode() & 0o7777);
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(name);
    let written = || -> std::io::Result<()> {
        let options = || std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        let mut file = options()?;
        file.write_all(bytes)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        if let Some(there) = &there {
            let made = file.metadata()?;
            if (there.uid(), there.gid()) != (made.uid(), made.gid()) {
                std::os::unix::fs::fchown(&file, Some(there.uid()), Some(there.gid()))?;
            }
        }
        file.sync_all()?;
        std::fs::rename(&beside, &target)
    };
    written().map_err(|e| {
        // What could not be put in its place is of no use to anybody.
        let _gone = std::fs::remove_file(&beside);
        fault(path, e)
    })
}

/// Reads a file, whole, and as text.
pub(super) fn read(path: &Path) -> Result<String, DiskFault> {
    let bytes = std::fs::read(path).map_err(|e| fault(path, e))?;
    String::from_utf8(bytes).map_err(|_| fault(path, "it is not UTF-8 text"))
}

/// The files that were rewritten and not restored yet, in the order they were written.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Journal {
    pub(super) files: Vec<Kept>,
}

/// A file that was rewritten.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Whose it is, as on the command line.
    pub(super) client: String,
    /// Where its bytes are kept as they were.
    pub(super) backup: PathBuf,
    /// The digest of the file as it was.
    pub(super) before: String,
    /// The digest of the file as it was written.
    pub(super) after: String,
    /// The entries and rules that were drafted with it; they stay.
    pub(super) drafted: Vec<PathBuf>,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// It is byte for byte what it was.
    Restored,
    /// It was so already.
    AsItWas,
    /// It was changed since, and is left alone.
    Changed,
    /// Its backup is not what was kept.
    BackupLost(String),
}

impl Journal {
    fn file(folder: &Path) -> PathBuf {
        folder.join("journal.json")
    }

    pub(super) fn read(folder: &Path) -> Result<Self, DiskFault> {
        let path = Self::file(folder);
        if !path.exists() {
            return Ok(Self::default());
        }
        serde_json::from_str(&read(&path)?).map_err(|e| fault(&path, e))
    }

    fn write(&self, folder: &Path) -> Result<(), DiskFault> {
        let text = serde_json::to_string_pretty(self).map_err(|e| fault(&Self::file(folder), e))?;
        write(&Self::file(folder), format!("{text}\n").as_bytes(), 0o600)
    }

    /// Rewrites a client's file, its bytes kept first. A crash in between leaves a backup too many, never one too few.
    pub(super) fn rewrite(
        &mut self,
        folder: &Path,
        (client, path): (Client, &Path),
        before: &str,
        after: &str,
        drafted: Vec<PathBuf>,
    ) -> Result<(), DiskFault> {
        if read(path)? != before {
            return Err(fault(path, "it changed while it was read; import again"));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let free = (1..).map(|n| folder.join(format!("{n}-{name}"))).find(|backup: &PathBuf| !backup.exists());
        let backup = free.ok_or_else(|| fault(folder, "there is no room for a backup"))?;
        write(&backup, before.as_bytes(), 0o600)?;
        self.files.push(Kept {
            path: std::path::absolute(path).map_err(|e| fault(path, e))?,
            client: client.word().to_owned(),
            backup,
            before: digest(before.as_bytes()),
            after: digest(after.as_bytes()),
            drafted,
        });
        self.write(folder)?;
        write(path, after.as_bytes(), 0o600)
    }

    /// Restores what `wanted` names, the last written first. What was changed since is left alone unless `force`.
    pub(super) fn undo(
        &mut self,
        folder: &Path,
        wanted: &dyn Fn(&Kept) -> bool,
        force: bool,
    ) -> Result<Vec<(Kept, Undone)>, DiskFault> {
        let mut out = Vec::new();
        let mut stays = Vec::new();
        let mut blocked: Vec<PathBuf> = Vec::new();
        while let Some(kept) = self.files.pop() {
            // What was written before a change stays under it.
            if !wanted(&kept) || blocked.contains(&kept.path) {
                stays.push(kept);
                continue;
            }
            let undone = restore(&kept, force)?;
            match undone {
                Undone::Restored | Undone::AsItWas => {
                    // The file has its bytes again; a copy left behind harms nobody.
                    let _gone = std::fs::remove_file(&kept.backup);
                }
                Undone::Changed | Undone::BackupLost(_) => {
                    blocked.push(kept.path.clone());
                    stays.push(kept.clone());
                }
            }
            out.push((kept, undone));
        }
        stays.reverse();
        self.files = stays;
        self.write(folder)?;
        Ok(out)
    }
}

fn restore(kept: &Kept, force: bool) -> Result<Undone, DiskFault> {
    let now = std::fs::read(&kept.path).ok();
    let now_digest = now.as_deref().map(digest);
    if now_digest.as_ref() == Some(&kept.before) {
        return Ok(Undone::AsItWas);
    }
    if now_digest.as_ref() != Some(&kept.after) && !force {
        return Ok(Undone::Changed);
    }
    let backup = match std::fs::read(&kept.backup) {
        Ok(bytes) if digest(&bytes) == kept.before => bytes,
        Ok(_) => return Ok(Undone::BackupLost("it was changed".to_owned())),
        Err(e) => return Ok(Undone::BackupLost(e.to_string())),
    };
    write(&kept.path, &backup, 0o600)?;
    Ok(Undone::Restored)
}

fn digest(bytes: &[u8]) -> String {
    Digest::of_bytes(bytes).to_string()
}
