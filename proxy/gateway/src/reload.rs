//! Where the snapshot comes from and how it is swapped: directories watched, SIGHUP, the control API; or what is built in.
//!
//! A bundle that does not build changes nothing, is recorded, and is shown. Building happens off to the side, so traffic
//! never waits for it; the swap is one atomic store.

mod promote;
mod write_back;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use pdp::digest::Digest;
use pdp::fault::{Fault, SourceFile};
use pdp::record::{Entry, Event};
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::{Clock, Ledger, Snapshots};
use rust_embed::RustEmbed;
use serde::Serialize;

use crate::clock::rfc3339;
use crate::config::Bundle;
use crate::desk::suite;
use crate::history::{Change, History, How, Manifest, Turn, manifest};
pub use promote::{Asking, Refused, candidate, is_of_bundle};
pub use write_back::WriteFault;

/// The repository's own policies, for a gate without directories.
#[derive(RustEmbed)]
#[folder = "../../policies"]
#[include = "*.cedar"]
#[exclude = "invariants/*"]
struct BuiltInPolicies;

/// The tests of the repository's own policies. No part of a snapshot.
#[derive(RustEmbed)]
#[folder = "../../policies"]
#[include = "*.test.toml"]
struct BuiltInTests;

/// The repository's own claims about them.
#[derive(RustEmbed)]
#[folder = "../../policies/invariants"]
#[include = "*.cedar"]
struct BuiltInInvariants;

/// The repository's own registry.
#[derive(RustEmbed)]
#[folder = "../../registry"]
#[include = "*.toml"]
#[include = "*.json"]
struct BuiltInRegistry;

/// The folder below the policies that holds claims about them. What is in it forbids and permits nothing.
const INVARIANTS: &str = "invariants";

/// How long the directories must be quiet before they are read: editors and `kubectl` write in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// The folders of a bundle, and how the names of their files end.
const POLICIES: (&str, &[&str]) = ("policies", &["cedar"]);
const REGISTRY: (&str, &[&str]) = ("registry", &["toml", "json"]);

/// Reads the files of a bundle.
///
/// # Errors
/// Every directory or file that cannot be read.
pub fn read(bundle: Option<&Bundle>) -> Result<Sources, Vec<Fault>> {
    let Some(bundle) = bundle else { return Ok(built_in()) };
    let mut faults = Vec::new();
    let mut policies = Vec::new();
    let mut registry = Vec::new();
    gather(&bundle.policies, POLICIES.0, &bundle.policies, POLICIES.1, &mut policies, &mut faults);
    gather(&bundle.registry, REGISTRY.0, &bundle.registry, REGISTRY.1, &mut registry, &mut faults);
    if faults.is_empty() { Ok(Sources { policies, registry }) } else { Err(faults) }
}

/// Reads a folder of policies alone, as a candidate for a registry that is there already.
///
/// # Errors
/// Every file that cannot be read.
pub fn policies(folder: &Path) -> Result<Vec<SourceFile>, Vec<Fault>> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    gather(folder, "policies", folder, &["cedar"], &mut files, &mut faults);
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

/// Reads the claims about a bundle's policies: those of a folder where one is named, else those beside the policies, if any.
///
/// # Errors
/// Every file that cannot be read.
pub fn invariants(bundle: Option<&Bundle>, named: Option<&Path>) -> Result<Vec<SourceFile>, Vec<Fault>> {
    let (folder, shown) = match (named, bundle) {
        (Some(named), _) => (named.to_path_buf(), named.display().to_string()),
        (None, Some(bundle)) => (bundle.policies.join(INVARIANTS), format!("policies/{INVARIANTS}")),
        (None, None) => return Ok(embedded::<BuiltInInvariants>("policies/invariants")),
    };
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    if named.is_some() || folder.is_dir() {
        gather(&folder, &shown, &folder, &["cedar"], &mut files, &mut faults);
    }
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

/// Builds a snapshot, in less time where another is given that has much in common with it.
///
/// # Errors
/// Every fault of the bundle.
pub fn build(sources: &Sources, before: Option<&Snapshot>) -> Result<Snapshot, Vec<Fault>> {
    Snapshot::rebuild(sources, before)
}

/// Reads those of a bundle's folders that are there.
///
/// # Errors
/// Every file that cannot be read.
pub fn read_there(bundle: &Bundle) -> Result<Sources, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut gathered = |root: &Path, (folder, endings): (&str, &[&str])| {
        let mut files = Vec::new();
        if root.is_dir() {
            gather(root, folder, root, endings, &mut files, &mut faults);
        }
        files
    };
    let sources =
        Sources { policies: gathered(&bundle.policies, POLICIES), registry: gathered(&bundle.registry, REGISTRY) };
    if faults.is_empty() { Ok(sources) } else { Err(faults) }
}

fn built_in() -> Sources {
    Sources { policies: embedded::<BuiltInPolicies>("policies"), registry: embedded::<BuiltInRegistry>("registry") }
}

fn embedded<E: RustEmbed>(folder: &str) -> Vec<SourceFile> {
    let text = |name: &str| E::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
    let mut files: Vec<SourceFile> = E::iter()
        .filter_map(|name| Some(SourceFile { path: format!("{folder}/{name}"), text: text(&name)? }))
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The policy tests that lie beside a bundle's policies. They are no part of a snapshot.
///
/// # Errors
/// Every directory or file that cannot be read.
pub fn read_tests(bundle: Option<&Bundle>) -> Result<Vec<SourceFile>, Vec<Fault>> {
    match bundle {
        Some(bundle) => files(&bundle.policies, "policies", suite::ENDING),
        None => Ok(embedded::<BuiltInTests>("policies")),
    }
}

/// The files of a folder, and of those below it, whose names end so. `shown` stands for the folder in their paths.
///
/// # Errors
/// Every directory or file that cannot be read.
pub fn files(folder: &Path, shown: &str, ending: &str) -> Result<Vec<SourceFile>, Vec<Fault>> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    let extension = ending.rsplit('.').next().unwrap_or(ending);
    gather(folder, shown, folder, &[extension], &mut found, &mut faults);
    found.retain(|file| file.path.ends_with(ending));
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

/// Writes the built-in policies, their tests, the claims about them and the registry into a folder, as a start for one's own.
///
/// # Errors
/// When a file cannot be written.
pub fn write_built_in(folder: &Path) -> std::io::Result<Bundle> {
    let sources = built_in();
    let tests = embedded::<BuiltInTests>("policies");
    let claims = embedded::<BuiltInInvariants>("policies/invariants");
    for file in sources.policies.iter().chain(&tests).chain(&claims).chain(&sources.registry) {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, &file.text)?;
    }
    Ok(Bundle { policies: folder.join("policies"), registry: folder.join("registry") })
}

/// How deep directories are read; a loop of links ends there.
const FOLDERS_MAX: usize = 8;

/// Reads the files below a folder, sorted, without what begins with a dot (editors' and Kubernetes' own entries).
fn gather(
    root: &Path,
    shown: &str,
    folder: &Path,
    endings: &[&str],
    out: &mut Vec<SourceFile>,
    faults: &mut Vec<Fault>,
) {
    let shown_path = |path: &Path| {
        let rest = path.strip_prefix(root).unwrap_or(path).display().to_string();
        if rest.is_empty() { shown.to_owned() } else { format!("{shown}/{rest}") }
    };
    let unreadable = |path: &Path, e: &dyn std::fmt::Display| {
        Fault::of_file(&shown_path(path), format!("cannot be read: {e}"), format!("it lies at {}", path.display()))
    };
    if folder.strip_prefix(root).map_or(0, |rest| rest.components().count()) > FOLDERS_MAX {
        faults.push(unreadable(folder, &"nested too deeply"));
        return;
    }
    let mut paths: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.filter_map(|e| e.ok().map(|e| e.path())).collect(),
        Err(e) => {
            faults.push(unreadable(folder, &e));
            return;
        }
    };
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if hidden {
            continue;
        }
        if path.is_dir() {
            // Claims about the policies are none of them.
            if shown == "policies" && path == root.join(INVARIANTS) {
                continue;
            }
            gather(root, shown, &path, endings, out, faults);
        } else if path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)) {
            match std::fs::read_to_string(&path) {
                Ok(text) => out.push(SourceFile { path: shown_path(&path), text }),
                Err(e) => faults.push(unreadable(&path, &e)),
            }
        }
    }
}

/// The current snapshot and the way to a new one.
#[derive(Debug)]
pub struct Store {
    current: ArcSwap<Snapshot>,
    bundle: Option<Bundle>,
    /// Held while the law is changed, one change at a time.
    changing: Mutex<Directories>,
    /// How what is in force came to be. Changed together with `current`.
    turn: Mutex<Turn>,
    last: Mutex<LastReload>,
    history: Arc<History>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
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
#[derive(Debug, Clone, Default, Serialize)]
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
        history: Arc<History>,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Vec<Fault>> {
        let settled = promote::settle(bundle.as_ref(), &history)?;
        let sources = read(bundle.as_ref())?;
        let first = build(&sources, None)?;
        let files = manifest(&sources);
        let turn = found(&history, &sources, (&files, &first), clock.now_us());
        let (current, changing) = (ArcSwap::from_pointee(first), Mutex::new(Directories { files, torn: false }));
        // Told again at each start: an event that a crash lost is not the only word of who put it in force.
        let origin = format!("in force by {} since {} ({})", turn.author, rfc3339(turn.at_us), turn.reason);
        let (turn, last) = (Mutex::new(turn), Mutex::default());
        let store = Self { current, bundle, changing, turn, last, history, ledger, clock };
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
            .and_then(|sources| build(&sources, Some(&current)).map(|snapshot| (sources, snapshot)));
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
            let kept = self.history.turned(&turn, &sources);
            self.put_in_force(Arc::new(snapshot), turn);
            kept
        } else if files != held.files {
            self.history.rewritten(digest, &sources)
        } else {
            Ok(())
        };
        if let Err(fault) = kept {
            // Whoever tightens a rule must not be held up by a full disk. The gap is told here and by the health answer.
            tracing::error!("what is in force is not kept, and no rollback can return to it: {fault}");
        }
        held.files = files;
        Ok((digest, digest != before.digest))
    }

    /// Settles the half of a promotion that lies in the directories, if there is one, as the next start would.
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
        {
            let mut held = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.current.store(snapshot);
            *held = turn.clone();
        }
        tracing::info!(by = turn.author, snapshot = turn.digest.short(), "{detail}");
        self.record(what, &turn.author, &detail);
    }

    fn record(&self, what: &str, by: &str, detail: &str) {
        let event = Event {
            at_us: self.clock.now_us(),
            what: what.to_owned(),
            by: Some(by.to_owned()),
            snapshot: Some(self.current.load().digest()),
            detail: detail.to_owned(),
        };
        if let Err(e) = self.ledger.append(Entry::Event(event)) {
            tracing::error!("a snapshot event could not be recorded: {e}");
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
                let snapshot = build(&earlier, Some(first.1)).ok()?;
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
    let claims = bundle.policies.join(INVARIANTS);
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
        // Deeper folders of that name are policies like others.
        std::fs::create_dir_all(bundle.policies.join("team/invariants")).unwrap();
        std::fs::write(bundle.policies.join("team/invariants/a.cedar"), "").unwrap();
        assert_eq!(read(Some(&bundle)).unwrap().policies.len(), sources.policies.len() + 1);
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
