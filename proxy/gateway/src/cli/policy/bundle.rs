//! What the desk's tools work on: the configured bundle, or one in a directory that somebody names; and named files.

use std::path::Path;

use pdp::fault::{Fault, SourceFile};
use pdp::snapshot::{Snapshot, Sources};

use crate::cli::{Places, told};
use crate::config::Bundle;
use crate::reload;

/// The files of a bundle, and where they lie.
#[derive(Debug)]
pub(super) struct Bundled {
    /// The directories; nothing where the bundle is built in.
    pub(super) bundle: Option<Bundle>,
    pub(super) sources: Sources,
}

impl Bundled {
    /// The snapshot these files build.
    pub(super) fn snapshot(&self) -> Result<Snapshot, Vec<Fault>> {
        Snapshot::build(&self.sources)
    }

    /// Every file, for reports that show lines of them.
    pub(super) fn files(&self) -> impl Iterator<Item = &SourceFile> {
        self.sources.policies.iter().chain(&self.sources.registry)
    }
}

/// The configured bundle; or the one in `folder`, which holds `policies` and `registry`, or policies alone, to be read with
/// the configured registry.
pub(super) fn read(places: &Places, folder: Option<&Path>) -> Result<Bundled, String> {
    let configured = || places.config().map(|config| config.bundle).map_err(|faults| told(&faults));
    let bundle = match folder {
        None => configured()?,
        Some(folder) => {
            let whole = Bundle { policies: folder.join("policies"), registry: folder.join("registry") };
            if whole.policies.is_dir() && whole.registry.is_dir() {
                Some(whole)
            } else {
                let registry = match &places.registry {
                    Some(registry) => Some(registry.clone()),
                    None => configured()?.map(|bundle| bundle.registry),
                };
                let missing =
                    || format!("{} has no registry beside its policies: name one with `--registry`", folder.display());
                Some(Bundle { policies: folder.to_owned(), registry: registry.ok_or_else(missing)? })
            }
        }
    };
    let sources = reload::read(bundle.as_ref()).map_err(|faults| told(&faults))?;
    Ok(Bundled { bundle, sources })
}

/// The file at a path, or the files with this ending below a directory. Paths are shown as they were given.
pub(super) fn named(path: &Path, ending: &str) -> Result<Vec<SourceFile>, Vec<Fault>> {
    let shown = path.display().to_string();
    if path.is_dir() {
        return reload::files(path, shown.trim_end_matches('/'), ending);
    }
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(vec![SourceFile { path: shown, text }]),
        Err(e) => Err(vec![Fault::of_file(&shown, format!("cannot be read: {e}"), "")]),
    }
}

/// `1 case`, `2 cases`, `3 policies`.
pub(super) fn counted(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}
