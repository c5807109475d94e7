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
    let mut faults = Vec::new();
    let mut policies = Vec::new();
    let mut registry = Vec::new();
    gather(&bundle.policies, POLICIES.0, &bundle.policies, POLICIES.1, &mut policies, &mut faults);
    gather(&bundle.registry, REGISTRY.0, &bundle.registry, REGISTRY.1, &mut registry, &mut faults);
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
pub(super) const FOLDERS_MAX: usize = 8;

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
