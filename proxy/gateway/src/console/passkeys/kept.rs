//! Passkeys as they lie on disk, and what is kept beside them: who was invited to a first one, and what was done on this
//! machine that the ledger has not heard of. One file of the data directory, readable by its owner alone.
//!
//! A running gate and the command line both change it. So it is read whenever it is needed, changed under a lock, and
//! replaced in one step: whatever cannot be written does not count.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use webauthn_rs::prelude::Passkey;

use super::StepUpFault;
use crate::import::disk;

/// How often and after which pause the lock is tried: five seconds in all. Whoever has it writes one small file.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// How many acts the ledger may still have to hear of.
const UNTOLD_MAX: usize = 1000;
/// How many may be invited at once.
const INVITED_MAX: usize = 1000;

/// A passkey.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    pub(super) name: String,
    pub(super) added_us: i64,
    pub(super) used_us: Option<i64>,
    /// The name of the console it was made for: browsers find it nowhere else.
    pub(super) site: String,
    /// The highest counter seen; nought for keys that do not count.
    pub(super) counter: u32,
    pub(super) key: Passkey,
}

/// That somebody may add a first passkey, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Invitation {
    /// SHA-256 of the code, in hexadecimal digits.
    pub(super) code_sha256: String,
    pub(super) until_us: i64,
}

/// Something that was done on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Act {
    pub(crate) at_us: i64,
    /// The word of the ledger's event.
    pub(crate) what: String,
    pub(crate) detail: String,
}

/// All of it, by principals' keys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Kept {
    pub(super) passkeys: BTreeMap<String, Vec<One>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) invited: BTreeMap<String, Invitation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) untold: Vec<Act>,
}

impl Kept {
    /// Those of one principal.
    pub(super) fn of(&self, key: &str) -> &[One] {
        self.passkeys.get(key).map_or(&[], Vec::as_slice)
    }

    /// Adds what the ledger is to hear of.
    pub(super) fn act(&mut self, at_us: i64, what: &str, detail: String) -> Result<(), StepUpFault> {
        if self.untold.len() >= UNTOLD_MAX {
            let words = format!("the ledger has not heard of {UNTOLD_MAX} acts; start the gate, so that it tells them");
            return Err(StepUpFault::Unfit(words));
        }
        self.untold.push(Act { at_us, what: what.to_owned(), detail });
        Ok(())
    }

    /// Invites somebody, in place of an earlier invitation.
    pub(super) fn invite(&mut self, key: &str, invitation: Invitation) -> Result<(), StepUpFault> {
        self.invited.insert(key.to_owned(), invitation);
        if self.invited.len() > INVITED_MAX {
            let words = format!("{INVITED_MAX} invitations are open already; wait until some have run out");
            return Err(StepUpFault::Unfit(words));
        }
        Ok(())
    }
}

/// The file.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// What the file was when the ledger had heard of everything in it.
    told: Mutex<Option<(u64, i64, i64)>>,
}

impl Disk {
    pub(super) fn of(data: &Path) -> Self {
        Self { path: data.join("passkeys.json"), told: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What lies there now.
    pub(super) fn read(&self) -> Result<Kept, StepUpFault> {
        let failed = |why: String| StepUpFault::Unkept(format!("{} cannot be read: {why}", self.path.display()));
        match std::fs::read_to_string(&self.path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| failed(e.to_string())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(e) => Err(failed(e.to_string())),
        }
    }

    /// Changes what lies there, and lets nobody else do so meanwhile. What `change` refuses is not changed.
    pub(super) fn change<T>(
        &self,
        now_us: i64,
        change: impl FnOnce(&mut Kept) -> Result<T, StepUpFault>,
    ) -> Result<T, StepUpFault> {
        let _held = self.lock()?;
        let mut kept = self.read()?;
        kept.invited.retain(|_, invitation| invitation.until_us >= now_us);
        let done = change(&mut kept)?;
        kept.passkeys.retain(|_, all| !all.is_empty());
        let unkept = |why: String| StepUpFault::Unkept(why);
        let text = serde_json::to_string_pretty(&kept).map_err(|e| unkept(e.to_string()))?;
        disk::write(&self.path, format!("{text}\n").as_bytes(), 0o600).map_err(|e| unkept(e.to_string()))?;
        // It is in its place, so it counts; that the folder is not on disk yet can only undo it with the machine's power.
        let folder = self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all());
        if let Err(e) = folder {
            tracing::warn!("{} may be as it was before after a power failure: {e}", self.path.display());
        }
        Ok(done)
    }

    /// The right to change the file, held by the kernel for as long as this lives.
    fn lock(&self) -> Result<File, StepUpFault> {
        let path = self.path.with_extension("lock");
        let failed = |why: String| StepUpFault::Unkept(format!("{} cannot be locked: {why}", path.display()));
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|e| failed(e.to_string()))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(e)) => return Err(failed(e.to_string())),
            }
        }
        Err(failed("somebody else has it; try again".to_owned()))
    }

    /// Hands over what the ledger has not heard of. What it does not take is handed over again.
    pub(super) fn tell(&self, now_us: i64, mut hear: impl FnMut(&Act) -> bool) -> Result<(), StepUpFault> {
        let is = std::fs::metadata(&self.path).ok().map(|file| (file.ino(), file.mtime(), file.mtime_nsec()));
        let known = || self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if is.is_none() || is == *known() {
            return Ok(());
        }
        let untold = self.read()?.untold;
        if untold.is_empty() {
            *known() = is;
            return Ok(());
        }
        let heard = untold.iter().take_while(|act| hear(act)).count();
        // What is added meanwhile stands behind these.
        self.change(now_us, |kept| {
            kept.untold.drain(..heard.min(kept.untold.len()));
            Ok(())
        })
    }
}
