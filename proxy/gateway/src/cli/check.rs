//! `wicketgate check` and `wicketgate init`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use pdp::snapshot::Snapshot;

use super::{Places, print, told};
use crate::desk::lint::{Warning, warnings};
use crate::story::plain;
use crate::{reload, review, schemas};

/// Validates a whole configuration.
pub(super) fn run(places: &Places, schema: bool) -> ExitCode {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return print::failed(&told(&faults)),
    };
    let built = reload::read(config.bundle.as_ref())
        .and_then(|sources| Snapshot::build(&sources).map(|snapshot| (snapshot, sources)))
        .and_then(|built| config.signatures.asked_of(&built.0).map(|()| built));
    let (snapshot, sources) = match built {
        Ok(built) => built,
        Err(faults) => return print::failed(&told(&faults)),
    };
    if schema {
        print::line(snapshot.policies().schema_text());
        return ExitCode::SUCCESS;
    }
    let registry = snapshot.registry();
    let (tools, withheld) = registry
        .servers
        .values()
        .flat_map(|s| s.tools.values())
        .fold((0, 0), |(all, held), tool| (all + 1, held + usize::from(tool.withheld.is_some())));
    for Warning { lint, found } in warnings(&snapshot, &sources) {
        print::line(&plain(&format!("note [{}]: {found}", lint.name())));
    }
    for note in review::notes(registry) {
        print::line(&format!("note: {note}"));
    }
    print::line(&format!(
        "good: {} servers, {tools} tools ({withheld} withheld), {} policies, snapshot {}",
        registry.servers.len(),
        snapshot.policies().projection().len(),
        snapshot.digest()
    ));
    ExitCode::SUCCESS
}

/// Writes the built-in bundle into a folder. Never over what is there.
pub(super) fn init(folder: &Path) -> anyhow::Result<ExitCode> {
    for name in ["policies", "registry"] {
        let there = folder.join(name);
        if there.exists() {
            return Ok(print::failed(&format!("{} exists already; nothing was written", there.display())));
        }
    }
    reload::write_built_in(folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    schemas::write(&folder.join("schemas")).with_context(|| format!("cannot write into {}", folder.display()))?;
    print::line(&format!(
        "wrote {0}/policies with their tests, {0}/registry and, for editors, {0}/schemas. There, `wicketgate policy test` \
         judges the tests, and `wicketgate serve` starts the gate",
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Writes the JSON Schemas into a folder.
pub(super) fn schemas(folder: &Path) -> anyhow::Result<ExitCode> {
    schemas::write(folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    for (name, _) in schemas::all() {
        print::line(&format!("wrote {}", folder.join(name).display()));
    }
    Ok(ExitCode::SUCCESS)
}
