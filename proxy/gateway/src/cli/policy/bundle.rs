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
    /// The configured directories; nothing where the bundle is built in, or lies in a directory that somebody names.
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

/// The configured bundle; or the one in `folder`, which may leave out what is to be read with it from the configured one.
pub(super) fn read(places: &Places, folder: Option<&Path>) -> Result<Bundled, String> {
    let Some(folder) = folder else {
        let bundle = places.config().map_err(|faults| told(&faults))?.bundle;
        let sources = reload::read(bundle.as_ref()).map_err(|faults| told(&faults))?;
        return Ok(Bundled { bundle, sources });
    };
    let working = || match (&places.policies, &places.registry) {
        (None, Some(registry)) => Ok(Sources { registry: reload::read_registry(registry)?, ..Sources::default() }),
        (_, _) => places.config().and_then(|config| reload::read(config.bundle.as_ref())),
    };
    let sources = reload::beside(folder, working).map_err(|faults| told(&faults))?;
    Ok(Bundled { bundle: None, sources })
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
