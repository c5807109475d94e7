//! Where the snapshot comes from and how it is swapped: directories watched, SIGHUP, the control API; or what is built in.
//!
//! A bundle that does not build changes nothing, is recorded, and is shown. Building happens off to the side, so traffic
//! never waits for it; the swap is one atomic store.

mod files;
mod promote;
mod write_back;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use pdp::digest::Digest;
use pdp::fault::Fault;
use pdp::record::{Entry, Event};
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::{Clock, Gate, Ledger, Snapshots};
use serde::Serialize;
use tokio::sync::watch;

use crate::clock::rfc3339;
use crate::config::{Bundle, Signatures};
use crate::history::{Change, History, How, Manifest, Turn, manifest};
pub use files::{beside, files, invariants, is_whole, read, read_registry, read_tests, write_built_in};
pub use promote::{Asking, Refused, candidate, is_of_bundle};
pub use write_back::WriteFault;

/// How long the directories must be quiet before they are read: editors and `kubectl` write in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// The current snapshot and the way to a new one.
#[derive(Debug)]
pub struct Store {
    current: ArcSwap<Snapshot>,
    bundle: Option<Bundle>,
    signatures: Signatures,
    /// Held while the law is changed, one change at a time.
    changing: Mutex<Directories>,
    /// How what is in force came to be. Changed together with `current`.
    turn: Mutex<Turn>,
    last: Mutex<LastReload>,
    history: Arc<History>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    /// Whose sessions are told when their tools change by a new snapshot.
    gate: OnceLock<Weak<Gate>>,
    /// Moves on with each swap.
    swaps: watch::Sender<()>,
}

/// What lies in the directories, as far as this gate knows.
#[derive(Debug, Default)]
struct Directories {
    /// The files that what is in force was made of.
    files: Manifest,
    /// Half of a promotion lies there and could not be put back. Nothing is read until that is settled.
    torn: bool,
}

/// What the last attempt at a new snapshot came to.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct LastReload {
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// Who or what asked.
    pub by: String,
    /// What was wrong, if it did not build.
    pub faults: Vec<String>,
}

impl Store {
    /// Builds the first snapshot. A gate does not start without one. What an earlier gate left half done is settled first.
    ///
    /// # Errors
    /// Every fault of the bundle.
    pub fn open(
        bundle: Option<Bundle>,
        signatures: Signatures,
        history: Arc<History>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Vec<Fault>> {
        let settled = match promote::settle(bundle.as_ref(), &history) {
            // The gate starts all the same, and tells the fault where it tells its health.
            Err(promote::Unsettled::History(fault)) => {
                tracing::error!("whether a promotion was cut short is not known, or not kept: {fault}");
                None
            }
            settled => settled?,
        };
        let sources = read(bundle.as_ref())?;
        let first = Snapshot::build(&sources)?;
        signatures.asked_of(&first)?;
        let files = manifest(&sources);
        let turn = found(&history, &sources, (&files, &first), clock.now_us());
        let (current, changing) = (ArcSwap::from_pointee(first), Mutex::new(Directories { files, torn: false }));
        // Told again at each start: an event that a crash lost is not the only word of who put it in force.
        let origin = format!("in force by {} since {} ({})", turn.author, rfc3339(turn.at_us), turn.reason);
        let (turn, last) = (Mutex::new(turn), Mutex::default());
        let (gate, (swaps, _)) = (OnceLock::new(), watch::channel(()));
        let store = Self { current, bundle, signatures, changing, turn, last, history, ledger, clock, gate, swaps };
        store.record("snapshot", "start", &format!("the first snapshot, {origin}"));
        if let Some(settled) = settled {
            store.record("promotion_settled", &settled.by, &settled.words);
        }
        Ok(store)
    }

    /// The bundle's directories, if it has any.
    #[must_use]
    pub fn bundle(&self) -> Option<&Bundle> {
        self.bundle.as_ref()
    }

    /// Whether reviews must be signed.
    #[must_use]
    pub fn signatures(&self) -> Signatures {
        self.signatures
    }

    /// What the last attempt came to.
    #[must_use]
    pub fn last(&self) -> LastReload {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is kept of earlier snapshots.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What is in force, and how it came to be.
    #[must_use]
    pub fn in_force(&self) -> (Arc<Snapshot>, Turn) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        (self.current.load_full(), turn.clone())
    }

    /// Reads, builds and swaps. Blocks; one at a time. Answers the digest now in force, and whether it is another.
    ///
    /// # Errors
    /// Every fault of the bundle; nothing has changed then.
    pub fn reload(&self, by: &str) -> Result<(Digest, bool), Vec<Fault>> {
        let mut held = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (current, before) = self.in_force();
        let built = self
            .mended(&mut held)
            .and_then(|()| read(self.bundle.as_ref()))
            .and_then(|sources| Snapshot::rebuild(&sources, Some(&current)).map(|snapshot| (sources, snapshot)))
            .and_then(|built| self.signatures.asked_of(&built.1).map(|()| built));
        let faults = built.as_ref().err().into_iter().flatten().map(ToString::to_string).collect();
        let last = LastReload { at_us: self.clock.now_us(), by: by.to_owned(), faults };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last.clone();
        let (sources, snapshot) = built.inspect_err(|_| {
            let told = last.faults.join("\n");
            tracing::error!(by, "the new bundle was refused, and the old one stays in force:\n{told}");
            self.record("snapshot_refused", by, &told);
        })?;
        let (files, digest) = (manifest(&sources), snapshot.digest());
        let kept = if digest != before.digest {
            let turn = Turn {
                digest,
                parent: Some(before.digest),
                at_us: last.at_us,
                author: by.to_owned(),
                reason: "the directories were edited".to_owned(),
                how: How::Edit,
                change: Change::between((&held.files, &current), (&files, &snapshot)),
            };
            // Before it is kept: whoever tightens a rule must not be held up by a disk that is full or does not answer.
            self.put_in_force(Arc::new(snapshot), turn.clone());
            self.history.turned(&turn, &sources)
        } else if files != held.files {
            self.history.rewritten(digest, &sources)
        } else {
            Ok(())
        };
        if let Err(fault) = kept {
            // The gap is told here and by the health answer.
            tracing::error!("what is in force is not kept, and no rollback can return to it: {fault}");
        }
        held.files = files;
        Ok((digest, digest != before.digest))
    }

    /// Settles the half of a promotion that lies in the directories, if there is one, as the next start would. Unlike at a
    /// start there is a law in force, so what is not settled keeps it there: half of a promotion is never read as a bundle.
    fn mended(&self, held: &mut Directories) -> Result<(), Vec<Fault>> {
        if held.torn {
            if let Some(settled) = promote::settle(self.bundle.as_ref(), &self.history)? {
                self.record("promotion_settled", &settled.by, &settled.words);
            }
            held.torn = false;
        }
        Ok(())
    }

    /// The swap: from the next frame on this is the law.
    fn put_in_force(&self, snapshot: Arc<Snapshot>, turn: Turn) {
        let (what, from) = match turn.how {
            How::Start | How::Edit => ("snapshot", "a new snapshot is in force"),
            How::Promote => ("snapshot_promoted", "promoted"),
            How::Rollback => ("snapshot_rolled_back", "rolled back"),
        };
        let parent = turn.parent.map_or_else(String::new, |parent| format!(" from {parent}"));
        let detail = format!("{from}{parent} to {}: {} ({})", turn.digest, turn.reason, turn.summary());
        let before = {
            let mut held = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.current.swap(Arc::clone(&snapshot));
            *held = turn.clone();
            before
        };
        self.swaps.send_replace(());
        self.tell_clients(&before, &snapshot);
        tracing::info!(by = turn.author, snapshot = turn.digest.short(), "{detail}");
        self.record(what, &turn.author, &detail);
    }

    /// Moves on with each swap from now on, after the new law is in force.
    #[must_use]
    pub fn swaps(&self) -> watch::Receiver<()> {
        self.swaps.subscribe()
    }

    /// The gate whose sessions are told when their tools change by a new snapshot.
    pub fn tells(&self, gate: &Arc<Gate>) {
        // A second gate over one store would be told nothing: there is none.
        let _first = self.gate.set(Arc::downgrade(gate));
    }

    /// Tells clients whose tools changed that they did.
    fn tell_clients(&self, before: &Snapshot, snapshot: &Snapshot) {
        if let Some(gate) = self.gate.get().and_then(Weak::upgrade) {
            let told = gate.ports.channels.relist(before, snapshot);
            if told > 0 {
                tracing::info!(told, "clients whose tools changed by the new snapshot are told so");
            }
        }
    }

    /// Records what became of a snapshot or a candidate, and who did it.
    pub(crate) fn record(&self, what: &str, by: &str, detail: &str) {
        let event = Event {
            by: Some(by.to_owned()),
            snapshot: Some(self.current.load().digest()),
            ..Event::new(self.clock.now_us(), what, detail)
        };
        if let Err(e) = self.ledger.append(Entry::Event(event)) {
            tracing::error!("`{what}` could not be recorded: {e}");
        }
    }
}

/// How the first snapshot of a gate came to be: as the history has it, if it was in force when the last gate ended.
fn found(history: &History, sources: &Sources, first: (&Manifest, &Snapshot), at_us: i64) -> Turn {
    let digest = first.1.digest();
    let before = history.turns(1).ok().and_then(|mut turns| turns.pop());
    let (turn, kept) = match before {
        Some(before) if before.digest == digest => {
            let same = history.files(digest).is_ok_and(|kept| kept.is_some_and(|kept| manifest(&kept) == *first.0));
            (before, if same { Ok(()) } else { history.rewritten(digest, sources) })
        }
        before => {
            let parent = before.map(|turn| turn.digest);
            let earlier = parent.and_then(|parent| history.files(parent).ok().flatten());
            let same = earlier.as_ref().is_some_and(|earlier| manifest(earlier) == *first.0);
            let reason = match (parent, same) {
                (None, _) => "the first start",
                (Some(_), true) => "the same files mean something else to this version of Wicketgate",
                (Some(_), false) => "the directories were edited while no gate ran",
            };
            let change = earlier.and_then(|earlier| {
                let snapshot = Snapshot::rebuild(&earlier, Some(first.1)).ok()?;
                Some(Change::between((&manifest(&earlier), &snapshot), first))
            });
            let (author, reason) = ("start".to_owned(), reason.to_owned());
            let change = change.unwrap_or_default();
            let turn = Turn { digest, parent, at_us, author, reason, how: How::Start, change };
            let kept = history.turned(&turn, sources);
            (turn, kept)
        }
    };
    if let Err(fault) = kept {
        tracing::error!("what is in force is not kept, and no rollback can return to it: {fault}");
    }
    turn
}

impl Snapshots for Store {
    fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }
}

/// Watches the bundle's directories while it lives.
#[derive(Debug)]
pub struct Watch(
    #[expect(dead_code, reason = "held for its drop, which ends the watching")]
    Debouncer<RecommendedWatcher, RecommendedCache>,
);

/// Whether a change of these paths can change the bundle. An event without a path may be of anything.
fn concerns(claims: &Path, paths: &[PathBuf]) -> bool {
    paths.is_empty() || paths.iter().any(|path| !path.starts_with(claims))
}

/// Reloads whenever something in the directories changes. The directories are watched, not the files: a swapped symbolic
/// link changes no file. Nothing where the bundle is built in.
///
/// # Errors
/// When the directories cannot be watched.
pub fn watch(store: &Arc<Store>) -> Result<Option<Watch>, notify_debouncer_full::notify::Error> {
    let Some(bundle) = store.bundle() else { return Ok(None) };
    let reloading = Arc::clone(store);
    let claims = bundle.policies.join(files::INVARIANTS);
    let mut watcher = new_debouncer(QUIET, None, move |result: DebounceEventResult| match result {
        Ok(events) if events.iter().any(|e| !e.kind.is_access() && concerns(&claims, &e.paths)) => {
            // Its outcome is logged, recorded and kept for the health answer.
            let _told = reloading.reload("watch");
        }
        Ok(_) => {}
        Err(faults) => tracing::warn!("watching the bundle: {faults:?}"),
    })?;
    for folder in [&bundle.policies, &bundle.registry] {
        watcher.watch(folder, RecursiveMode::Recursive)?;
        // A directory that is itself a link is swapped in its parent.
        if folder.is_symlink()
            && let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty())
        {
            watcher.watch(parent, RecursiveMode::NonRecursive)?;
        }
    }
    Ok(Some(Watch(watcher)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn claims_about_the_policies_are_no_part_of_the_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = write_built_in(folder.path()).unwrap();
        let before = Snapshot::build(&read(Some(&bundle)).unwrap()).unwrap().digest();
        assert!(!invariants(Some(&bundle), None).unwrap().is_empty(), "a start for one's own has claims too");
        let claim = bundle.policies.join("invariants/mine.cedar");
        std::fs::write(&claim, "this is no Cedar").unwrap();
        let sources = read(Some(&bundle)).unwrap();
        assert!(sources.policies.iter().all(|file| !file.path.contains("invariants")), "{:?}", sources.policies);
        assert_eq!(Snapshot::build(&sources).unwrap().digest(), before);
        assert!(read(None).unwrap().policies.iter().all(|file| !file.path.contains("invariants")));
        let named: Vec<String> = invariants(Some(&bundle), None).unwrap().into_iter().map(|f| f.path).collect();
        assert!(named.contains(&"policies/invariants/mine.cedar".to_owned()), "{named:?}");
        let none = invariants(Some(&bundle), Some(&bundle.registry)).unwrap_err();
        assert!(none.first().unwrap().to_string().contains("holds no claim (*.cedar)"), "{none:?}");
        // Deeper folders of that name are policies like others.
        std::fs::create_dir_all(bundle.policies.join("team/invariants")).unwrap();
        std::fs::write(bundle.policies.join("team/invariants/a.cedar"), "").unwrap();
        assert_eq!(read(Some(&bundle)).unwrap().policies.len(), sources.policies.len() + 1);
    }

    #[test]
    fn a_candidate_is_what_its_directory_holds_and_the_working_bundle_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = write_built_in(folder.path()).unwrap();
        let whole = read(Some(&bundle)).unwrap();
        let other = || Ok(Sources::default());
        let names = |files: &[pdp::fault::SourceFile]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        let found = beside(folder.path(), || Err(Vec::new())).unwrap();
        assert_eq!((names(&found.policies), names(&found.registry)), (names(&whole.policies), names(&whole.registry)));
        // Policies alone have claims beside them, which are no policies; also where they are named themselves.
        std::fs::remove_dir_all(&bundle.registry).unwrap();
        for dir in [folder.path(), &bundle.policies] {
            let found = beside(dir, other).unwrap();
            assert_eq!((names(&found.policies), found.registry.len()), (names(&whole.policies), 0), "{dir:?}");
            assert!(!is_whole(dir));
        }
        std::fs::rename(&bundle.policies, &bundle.registry).unwrap();
        assert_eq!(beside(folder.path(), || Ok(whole.clone())).unwrap().policies.len(), whole.policies.len());
        std::fs::remove_dir_all(&bundle.registry).unwrap();
        assert!(beside(folder.path(), other).unwrap_err().first().unwrap().message.contains("holds neither"));
    }

    #[test]
    fn a_change_of_claims_alone_is_no_change_of_the_bundle() {
        let claims = Path::new("policies/invariants");
        let told = |paths: &[&str]| concerns(claims, &paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert!(!told(&["policies/invariants/a.cedar"]));
        assert!(told(&["policies/invariants/a.cedar", "policies/a.cedar"]));
        assert!(told(&["policies/invariants-not/a.cedar"]) && told(&[]));
    }
}
