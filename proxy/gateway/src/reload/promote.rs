//! Staging a candidate and putting it in force: by whom, why, in place of what. Nobody overwrites what they have not seen.
//!
//! The order of a promotion: the history knows what is begun; the files are written back; the history knows it is done;
//! the swap. Each step that fails takes the earlier ones back, and a gate that ends in between settles it at its next
//! start. Building and writing happen off to the side: traffic never waits.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use pdp::digest::Digest;
use pdp::fault::{Fault, SourceFile};
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::LedgerFault;

use super::files::{FOLDERS_MAX, INVARIANTS, POLICIES, REGISTRY};
use super::write_back::{Plan, WriteFault};
use super::{Store, read};
use crate::clock::rfc3339;
use crate::config::Bundle;
use crate::history::{Candidate, Change, History, HistoryFault, How, Manifest, Turn, differing, manifest};

/// How long a reason may be, in characters.
const REASON_CHARS_MAX: usize = 1000;
/// How many files a candidate may have.
const FILES_MAX: usize = 10_000;
/// How long a path of a candidate may be, in bytes: what file systems hold.
const NAME_BYTES_MAX: usize = 200;

/// Who asks for a change, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asking {
    /// The principal's key.
    pub by: String,
    /// In their words.
    pub reason: String,
}

/// Why a candidate was not staged or not put in force. Nothing has changed, unless the words say so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not build.
    #[error("it does not build")]
    Faults(Vec<Fault>),
    /// Something else is in force by now.
    #[error(
        "it was made from another snapshot than is in force: {} put {} in force at {} ({}); start again from that one",
        .0.author, .0.digest.short(), rfc3339(.0.at_us), .0.reason
    )]
    NotTheBase(Box<Turn>),
    /// It is what is in force.
    #[error("nothing would change: it means the same as the snapshot in force, {}", .0.short())]
    Same(Digest),
    /// It is not kept.
    #[error("no snapshot {} is kept here; `wicketgate policy history` lists those that are", .0.short())]
    Unknown(Digest),
    /// Its files mean something else by now.
    #[error(
        "the files of {} mean another snapshot to this version of Wicketgate than to the one that kept them; stage them again",
        .0.short()
    )]
    Otherwise(Digest),
    /// The directories hold edits that are not in force.
    #[error(
        "the directories hold edits that are not in force ({}); finish them or take them back, for they would be overwritten",
        .0.join(", ")
    )]
    Edited(Vec<String>),
    /// The files cannot be written back.
    #[error("it was not put in force: {0}")]
    Write(#[from] WriteFault),
    /// The history cannot take it.
    #[error("nothing was changed: {0}")]
    History(#[from] HistoryFault),
    /// The ledger cannot take the event.
    #[error("nothing was changed: the ledger cannot record it ({0})")]
    Ledger(#[from] LedgerFault),
    /// The reason is missing or too long.
    #[error("say why, in at most {REASON_CHARS_MAX} characters: `reason` is kept with the change")]
    Reason,
}

impl Asking {
    fn checked(&self) -> Result<String, Refused> {
        let reason = self.reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(Refused::Reason);
        }
        Ok(reason.to_owned())
    }
}

/// The files of a candidate as they were handed in, by path, and the snapshot they make, which `before` has much in common
/// with.
///
/// # Errors
/// Every path that is no place in a bundle; else every fault of the bundle.
pub fn candidate(
    files: BTreeMap<String, String>,
    before: Option<&Snapshot>,
) -> Result<(Sources, Snapshot), Vec<Fault>> {
    let mut faults = Vec::new();
    if files.len() > FILES_MAX {
        faults.push(Fault::of_file("", format!("{} files; at most {FILES_MAX} are taken", files.len()), ""));
    }
    let mut sources = Sources::default();
    for (path, text) in files {
        match folder_of(&path) {
            Ok(folder) => {
                let file = SourceFile { path, text };
                if folder == POLICIES.0 { sources.policies.push(file) } else { sources.registry.push(file) }
            }
            Err(why) => faults.push(Fault::of_file(&path, why, "")),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Snapshot::rebuild(&sources, before).map(|snapshot| (sources, snapshot))
}

/// Whether a path is one that a bundle's file has: within its folders, and not hidden.
#[must_use]
pub fn is_of_bundle(path: &str) -> bool {
    folder_of(path).is_ok()
}

/// The folder a path of a candidate lies in: exactly the paths that are read from directories.
fn folder_of(path: &str) -> Result<&'static str, String> {
    let of = |(folder, endings): (&'static str, &[&str])| {
        let rest = path.strip_prefix(folder)?.strip_prefix('/')?;
        let ending = rest.rsplit_once('.').map(|(_, ending)| ending).filter(|ending| endings.contains(ending));
        ending.map(|_| (folder, rest))
    };
    let Some((folder, rest)) = of(POLICIES).or_else(|| of(REGISTRY)) else {
        return Err("is no file of a bundle: `policies/NAME.cedar`, `registry/NAME.toml` or `.json`".to_owned());
    };
    let parts: Vec<&str> = rest.split('/').collect();
    if folder == POLICIES.0 && parts.first() == Some(&INVARIANTS) {
        return Err("is a claim about the policies, and no part of a bundle".to_owned());
    }
    let odd = |part: &&&str| part.is_empty() || part.starts_with('.') || part.chars().any(char::is_control);
    match parts.iter().find(odd) {
        Some(_) => Err("has a part that is empty, hidden or not printable".to_owned()),
        None if parts.len() > FOLDERS_MAX || path.len() > NAME_BYTES_MAX => Err("is too long or too deep".to_owned()),
        None => Ok(folder),
    }
}

impl Store {
    /// Builds a candidate and keeps it. Nothing changes. `base` is what it was made from, if that is known.
    ///
    /// # Errors
    /// When it does not build, all its faults; or why it cannot be kept.
    pub fn stage(
        &self,
        files: BTreeMap<String, String>,
        base: Option<Digest>,
        asking: &Asking,
    ) -> Result<Candidate, Refused> {
        let reason = asking.checked()?;
        let (sources, snapshot) = candidate(files, Some(&self.in_force().0)).map_err(Refused::Faults)?;
        let held = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, turn) = self.in_force();
        if base.is_some_and(|base| base != turn.digest) {
            return Err(Refused::NotTheBase(Box::new(turn)));
        }
        if snapshot.digest() == turn.digest {
            return Err(Refused::Same(turn.digest));
        }
        let candidate = Candidate {
            digest: snapshot.digest(),
            base: turn.digest,
            at_us: self.clock.now_us(),
            author: asking.by.clone(),
            reason,
            change: Change::between((&held.files, &current), (&manifest(&sources), &snapshot)),
        };
        self.history.stage(&candidate, &sources)?;
        Ok(candidate)
    }

    /// Puts a kept snapshot in force, if `base` still is: a candidate, or one that was in force before. The directories hold
    /// its files afterwards. Blocks; one at a time.
    ///
    /// # Errors
    /// Why not.
    pub fn promote(&self, digest: Digest, base: Digest, asking: &Asking) -> Result<Turn, Refused> {
        let reason = asking.checked()?;
        let mut held = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, before) = self.in_force();
        if base != before.digest {
            return Err(Refused::NotTheBase(Box::new(before)));
        }
        if digest == before.digest {
            return Err(Refused::Same(digest));
        }
        self.ledger.health()?;
        let sources = self.history.files(digest)?.ok_or(Refused::Unknown(digest))?;
        let snapshot = Snapshot::rebuild(&sources, Some(&current)).map_err(Refused::Faults)?;
        self.signatures.asked_of(&snapshot).map_err(Refused::Faults)?;
        if snapshot.digest() != digest {
            return Err(Refused::Otherwise(digest));
        }
        let on_disk = read(self.bundle.as_ref()).map_err(Refused::Faults)?;
        let edited = differing(&held.files, &manifest(&on_disk));
        if !edited.is_empty() {
            return Err(Refused::Edited(edited));
        }
        let plan = Plan::new(self.bundle.as_ref(), &on_disk, &sources)?;
        let files = manifest(&sources);
        // What the oldest that is kept took the place of was in force too.
        let was = |turn: &Turn| turn.digest == digest || turn.parent == Some(digest);
        let again = self.history.turns(usize::MAX)?.iter().any(was);
        let turn = Turn {
            digest,
            parent: Some(before.digest),
            at_us: self.clock.now_us(),
            author: asking.by.clone(),
            reason,
            how: if again { How::Rollback } else { How::Promote },
            change: Change::between((&held.files, &current), (&files, &snapshot)),
        };
        let written =
            self.history.begin(&turn, &on_disk).map_err(Refused::from).and_then(|()| self.write(&plan, &turn));
        held.torn = matches!(written, Err(Refused::Write(WriteFault::Torn { .. })));
        written?;
        held.files = files;
        self.put_in_force(Arc::new(snapshot), turn.clone());
        Ok(turn)
    }

    /// Writes the files back, and has the history say that it is done. What fails is taken back; what cannot be taken back
    /// stays begun, so that it is settled before anything is read from there again.
    fn write(&self, plan: &Plan, turn: &Turn) -> Result<(), Refused> {
        let done = plan.carry_out().map_err(Refused::from).and_then(|()| {
            self.history.settle(turn).map_err(|fault| match plan.undo(&fault.to_string()) {
                Ok(()) => Refused::from(fault),
                Err(torn) => Refused::from(torn),
            })
        });
        match &done {
            Ok(()) => {}
            Err(Refused::Write(torn @ WriteFault::Torn { .. })) => {
                tracing::error!("{torn}");
                self.record("promotion_torn", &turn.author, &torn.to_string());
            }
            Err(_) => {
                if let Err(fault) = self.history.abandon() {
                    tracing::error!("the next start will settle a promotion that did not happen: {fault}");
                }
            }
        }
        done
    }
}

/// What became of a promotion that the end of the gate cut short.
pub(super) struct Settled {
    /// Who had asked for it.
    pub(super) by: String,
    /// In words.
    pub(super) words: String,
}

/// Why a promotion that was begun is not settled. It stays begun.
pub(super) enum Unsettled {
    /// The history cannot be asked, or cannot be told.
    History(HistoryFault),
    /// The bundle cannot be read, or half of its files are written and cannot be put back: such a bundle is nobody's.
    Bundle(Vec<Fault>),
}

impl From<HistoryFault> for Unsettled {
    fn from(fault: HistoryFault) -> Self {
        Self::History(fault)
    }
}

impl From<Unsettled> for Vec<Fault> {
    fn from(unsettled: Unsettled) -> Self {
        match unsettled {
            Unsettled::History(fault) => broken(fault.to_string()),
            Unsettled::Bundle(faults) => faults,
        }
    }
}

fn broken(words: String) -> Vec<Fault> {
    vec![Fault::of_file("policies", words, "put the directories in order, or move `history.db` away")]
}

/// Settles a promotion that was begun and not ended, before anything is read: either all of its files lie in the
/// directories, and it stands; or those before it are put back. Files that are neither are somebody's edit and are left.
///
/// # Errors
/// When it is not settled, and why.
pub(super) fn settle(bundle: Option<&Bundle>, history: &History) -> Result<Option<Settled>, Unsettled> {
    let Some(turn) = history.begun()? else { return Ok(None) };
    let torn = |words: String| Unsettled::Bundle(broken(words));
    let kept = |digest: Digest| history.files(digest).map_err(|e| torn(e.to_string()));
    let target = kept(turn.digest)?.unwrap_or_default();
    let parent = turn.parent.map(kept).transpose()?.flatten().unwrap_or_default();
    let on_disk = read(bundle).map_err(Unsettled::Bundle)?;
    let (to, from, there) = (manifest(&target), manifest(&parent), manifest(&on_disk));
    let cut = format!("a promotion of {} by {} was cut short", turn.digest.short(), turn.author);
    let words = if there == to {
        history.settle(&turn)?;
        format!("{cut}; its files were all written, so it stands")
    } else {
        let words = if there == from {
            format!("{cut}; nothing was written, so it did not happen")
        } else if is_mixture(&there, &from, &to) {
            put_back(bundle, &on_disk, &parent, &target).map_err(|fault| torn(format!("{cut}; {fault}")))?;
            format!("{cut}; some of its files were written, and those before it were put back")
        } else {
            format!("{cut}; the directories were edited since, and are read as they are")
        };
        history.abandon()?;
        words
    };
    tracing::warn!("{words}");
    Ok(Some(Settled { by: turn.author, words }))
}

fn put_back(bundle: Option<&Bundle>, on_disk: &Sources, parent: &Sources, target: &Sources) -> Result<(), WriteFault> {
    // What was prepared and not used lies hidden beside the files.
    Plan::new(bundle, parent, target)?.sweep();
    Plan::new(bundle, on_disk, parent)?.carry_out()
}

/// Whether every file is as it was in one of two bundles.
fn is_mixture(there: &Manifest, one: &Manifest, other: &Manifest) -> bool {
    let paths = there.keys().chain(one.keys()).chain(other.keys());
    paths.into_iter().all(|path| [one.get(path), other.get(path)].contains(&there.get(path)))
}

#[cfg(test)]
mod tests;
