//! Where the snapshot comes from and how it is swapped: directories watched, SIGHUP, the control API; or what is built in.
//!
//! A bundle that does not build changes nothing, is recorded, and is shown. Building happens off to the side, so traffic
//! never waits for it; the swap is one atomic store.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use pdp::digest::Digest;
use pdp::fault::{Fault, SourceFile};
use pdp::record::{Entry, Event};
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::{Clock, Gate, Ledger, Snapshots};
use rust_embed::RustEmbed;
use serde::Serialize;

use crate::config::Bundle;

/// The repository's own policies, for a gate without directories.
#[derive(RustEmbed)]
#[folder = "../../policies"]
#[include = "*.cedar"]
struct BuiltInPolicies;

/// The repository's own registry.
#[derive(RustEmbed)]
#[folder = "../../registry"]
#[include = "*.toml"]
#[include = "*.json"]
struct BuiltInRegistry;

/// How long the directories must be quiet before they are read: editors and `kubectl` write in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// Reads the files of a bundle.
///
/// # Errors
/// Every directory or file that cannot be read.
pub fn read(bundle: Option<&Bundle>) -> Result<Sources, Vec<Fault>> {
    let Some(bundle) = bundle else { return Ok(built_in()) };
    let mut faults = Vec::new();
    let mut policies = Vec::new();
    let mut registry = Vec::new();
    gather(&bundle.policies, "policies", &bundle.policies, &["cedar"], &mut policies, &mut faults);
    gather(&bundle.registry, "registry", &bundle.registry, &["toml", "json"], &mut registry, &mut faults);
    if faults.is_empty() { Ok(Sources { policies, registry }) } else { Err(faults) }
}

/// Reads the files of a registry alone.
///
/// # Errors
/// Every directory or file that cannot be read.
pub fn read_registry(folder: &Path) -> Result<Vec<SourceFile>, Vec<Fault>> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    gather(folder, "registry", folder, &["toml", "json"], &mut files, &mut faults);
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

fn built_in() -> Sources {
    fn of<E: RustEmbed>(folder: &str) -> Vec<SourceFile> {
        let text = |name: &str| E::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
        let mut files: Vec<SourceFile> = E::iter()
            .filter_map(|name| Some(SourceFile { path: format!("{folder}/{name}"), text: text(&name)? }))
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }
    Sources { policies: of::<BuiltInPolicies>("policies"), registry: of::<BuiltInRegistry>("registry") }
}

/// Writes the built-in policies and registry into a folder, as a start for one's own.
///
/// # Errors
/// When a file cannot be written.
pub fn write_built_in(folder: &Path) -> std::io::Result<Bundle> {
    let sources = built_in();
    for file in sources.policies.iter().chain(&sources.registry) {
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
    last: Mutex<LastReload>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    /// Whose sessions are told when their tools change by a new snapshot.
    gate: OnceLock<Weak<Gate>>,
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
    /// Builds the first snapshot. A gate does not start without one.
    ///
    /// # Errors
    /// Every fault of the bundle.
    pub fn open(bundle: Option<Bundle>, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Result<Self, Vec<Fault>> {
        let first = Snapshot::build(&read(bundle.as_ref())?)?;
        let current = ArcSwap::from_pointee(first);
        let store = Self { current, bundle, last: Mutex::default(), ledger, clock, gate: OnceLock::new() };
        store.record("snapshot", "start", "the first snapshot");
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

    /// Reads, builds and swaps. Blocks; one at a time. Answers the digest now in force, and whether it is another.
    ///
    /// # Errors
    /// Every fault of the bundle; nothing has changed then.
    pub fn reload(&self, by: &str) -> Result<(Digest, bool), Vec<Fault>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let built = read(self.bundle.as_ref()).and_then(|sources| Snapshot::build(&sources));
        *last = LastReload { at_us: self.clock.now_us(), by: by.to_owned(), faults: Vec::new() };
        match built {
            Err(faults) => {
                last.faults = faults.iter().map(ToString::to_string).collect();
                let told = last.faults.join("\n");
                tracing::error!(by, "the new bundle was refused, and the old one stays in force:\n{told}");
                self.record("snapshot_refused", by, &told);
                Err(faults)
            }
            Ok(snapshot) => {
                let digest = snapshot.digest();
                let changed = digest != self.current.load().digest();
                if changed {
                    self.swap(Arc::new(snapshot));
                    tracing::info!(by, snapshot = digest.short(), "a new snapshot is in force");
                    self.record("snapshot", by, "a new snapshot is in force");
                }
                Ok((digest, changed))
            }
        }
    }

    /// The gate whose sessions are told when their tools change by a new snapshot.
    pub fn tells(&self, gate: &Arc<Gate>) {
        // A second gate over one store would be told nothing: there is none.
        let _first = self.gate.set(Arc::downgrade(gate));
    }

    /// The one place where another snapshot comes into force.
    fn swap(&self, snapshot: Arc<Snapshot>) {
        let before = self.current.swap(Arc::clone(&snapshot));
        if let Some(gate) = self.gate.get().and_then(Weak::upgrade) {
            let told = gate.ports.channels.relist(&before, &snapshot);
            if told > 0 {
                tracing::info!(told, "clients whose tools changed by the new snapshot are told so");
            }
        }
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

/// Reloads whenever something in the directories changes. The directories are watched, not the files: a swapped symbolic
/// link changes no file. Nothing where the bundle is built in.
///
/// # Errors
/// When the directories cannot be watched.
pub fn watch(store: &Arc<Store>) -> Result<Option<Watch>, notify_debouncer_full::notify::Error> {
    let Some(bundle) = store.bundle() else { return Ok(None) };
    let reloading = Arc::clone(store);
    let mut watcher = new_debouncer(QUIET, None, move |result: DebounceEventResult| match result {
        Ok(events) if events.iter().any(|e| !e.kind.is_access()) => {
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
