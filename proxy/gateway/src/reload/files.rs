//! The files of a bundle: read from directories, or built in. Nothing is built or put in force here.

use std::path::{Path, PathBuf};

use pdp::fault::{Fault, SourceFile};
use pdp::snapshot::Sources;
use rust_embed::RustEmbed;

use crate::config::Bundle;
use crate::desk::suite;

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
pub(super) const INVARIANTS: &str = "invariants";

/// The folders of a bundle, and how the names of their files end.
pub(super) const POLICIES: (&str, &[&str]) = ("policies", &["cedar"]);
pub(super) const REGISTRY: (&str, &[&str]) = ("registry", &["toml", "json"]);

/// Reads the files of a bundle.
///
/// # Errors
/// Every directory or file that cannot be read.
pub fn read(bundle: Option<&Bundle>) -> Result<Sources, Vec<Fault>> {
    let Some(bundle) = bundle else { return Ok(built_in()) };
    both(gathered(&bundle.policies, POLICIES), gathered(&bundle.registry, REGISTRY))
}

/// Reads the files of a registry alone.
///
/// # Errors
/// Every directory or file that cannot be read.
pub fn read_registry(folder: &Path) -> Result<Vec<SourceFile>, Vec<Fault>> {
    gathered(folder, REGISTRY)
}

/// Reads the claims about a bundle's policies: those of a folder where one is named, else those beside the policies, if any.
///
/// # Errors
/// Every file that cannot be read; a folder that is named and holds no claim.
pub fn invariants(bundle: Option<&Bundle>, named: Option<&Path>) -> Result<Vec<SourceFile>, Vec<Fault>> {
    match (named, bundle) {
        (Some(named), _) => {
            let shown = named.display().to_string();
            let claims = gathered(named, (&shown, POLICIES.1))?;
            if claims.is_empty() {
                let remedy = "name the folder that the claims lie in";
                return Err(vec![Fault::of_file(&shown, "holds no claim (*.cedar)".to_owned(), remedy)]);
            }
            Ok(claims)
        }
        (None, Some(bundle)) => {
            let folder = bundle.policies.join(INVARIANTS);
            if !folder.is_dir() {
                return Ok(Vec::new());
            }
            gathered(&folder, (&format!("{}/{INVARIANTS}", POLICIES.0), POLICIES.1))
        }
        (None, None) => Ok(embedded::<BuiltInInvariants>("policies/invariants")),
    }
}

/// The candidate in a directory: its `policies/` and its `registry/`, or the policies in it where it has neither. The folder
/// that it leaves out is as in the working bundle.
///
/// # Errors
/// Every file that cannot be read; a directory without any of that.
pub fn beside(dir: &Path, working: impl FnOnce() -> Result<Sources, Vec<Fault>>) -> Result<Sources, Vec<Fault>> {
    let (policies, registry) = (dir.join(POLICIES.0), dir.join(REGISTRY.0));
    match (policies.is_dir(), registry.is_dir()) {
        (true, true) => read(Some(&Bundle { policies, registry })),
        (true, false) => Ok(Sources { policies: gathered(&policies, POLICIES)?, registry: working()?.registry }),
        (false, true) => Ok(Sources { policies: working()?.policies, registry: gathered(&registry, REGISTRY)? }),
        (false, false) => {
            let policies = gathered(dir, POLICIES)?;
            if policies.is_empty() {
                let words = "holds neither `policies/` nor `registry/` nor a `.cedar` file".to_owned();
                return Err(vec![Fault::of_file(&dir.display().to_string(), words, "")]);
            }
            Ok(Sources { policies, registry: working()?.registry })
        }
    }
}

/// Whether a directory holds both folders of a bundle, so that [`beside`] takes none from the working one.
#[must_use]
pub fn is_whole(dir: &Path) -> bool {
    dir.join(POLICIES.0).is_dir() && dir.join(REGISTRY.0).is_dir()
}

fn both(
    policies: Result<Vec<SourceFile>, Vec<Fault>>,
    registry: Result<Vec<SourceFile>, Vec<Fault>>,
) -> Result<Sources, Vec<Fault>> {
    match (policies, registry) {
        (Ok(policies), Ok(registry)) => Ok(Sources { policies, registry }),
        (policies, registry) => Err([policies.err(), registry.err()].into_iter().flatten().flatten().collect()),
    }
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
        Some(bundle) => files(&bundle.policies, POLICIES.0, suite::ENDING),
        None => Ok(embedded::<BuiltInTests>("policies")),
    }
}

/// The files of a folder, and of those below it, whose names end so. `shown` stands for the folder in their paths.
///
/// # Errors
/// Every directory or file that cannot be read.
pub fn files(folder: &Path, shown: &str, ending: &str) -> Result<Vec<SourceFile>, Vec<Fault>> {
    let extension = ending.rsplit('.').next().unwrap_or(ending);
    let mut found = gathered(folder, (shown, &[extension]))?;
    found.retain(|file| file.path.ends_with(ending));
    Ok(found)
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
pub(super) const FOLDERS_MAX: usize = 8;

/// The files below a folder whose names end so; `shown` stands for the folder in their paths.
fn gathered(root: &Path, (shown, endings): (&str, &[&str])) -> Result<Vec<SourceFile>, Vec<Fault>> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    gather(root, shown, root, endings, &mut files, &mut faults);
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

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
    let listed = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>());
    let mut paths: Vec<PathBuf> = match listed {
        Ok(paths) => paths,
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
            if shown == POLICIES.0 && path == root.join(INVARIANTS) {
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
