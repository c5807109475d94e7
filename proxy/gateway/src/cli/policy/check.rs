//! `wicketgate policy check`: every fault of a bundle, or, where there is none, every warning.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use pdp::fault::SourceFile;
use serde_json::json;

use super::bundle::{self, counted};
use super::report::{self, Place, Reporter};
use crate::cli::{Places, print};
use crate::desk::lint::{Lint, Warning, warnings};

#[derive(Debug, Args)]
pub(in crate::cli) struct Checking {
    /// A directory with `policies/`, `registry/` or both, or with policies; the rest is as configured [default: all of it is]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Fail where there is a warning, too
    #[arg(long)]
    deny_warnings: bool,
    /// A kind of warning to leave out; may be given several times
    #[arg(long, value_name = "LINT", value_parser = PossibleValuesParser::new(Lint::ALL.map(Lint::name)))]
    allow: Vec<String>,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
}

/// Checks. Exit code 1 where there is a fault.
pub(super) fn run(places: &Places, asked: &Checking) -> ExitCode {
    let bundled = match bundle::read(places, asked.folder.as_deref()) {
        Ok(bundled) => bundled,
        Err(words) => return print::failed(&words),
    };
    let files: Vec<&SourceFile> = bundled.files().collect();
    let snapshot = match bundled.snapshot() {
        Ok(snapshot) => snapshot,
        Err(faults) => return report::faulty(&faults, &files, asked.json),
    };
    let mut found = warnings(&snapshot, &bundled.sources);
    found.retain(|warning| !asked.allow.iter().any(|name| name == warning.lint.name()));
    if asked.json {
        let told: Vec<Place<'_>> = found.iter().map(|w| Place::of(&w.found, Some(w.lint.name()))).collect();
        let all = json!({ "faults": [], "warnings": told, "snapshot": snapshot.digest() });
        print::line(&serde_json::to_string_pretty(&all).unwrap_or_default());
    } else {
        let reporter = Reporter::new(files);
        for Warning { lint, found } in &found {
            print::line(&format!("{}\n", reporter.warning(lint.name(), found)));
        }
        let policies = counted(snapshot.policies().projection().len(), "policy");
        let words =
            format!("no fault, {}: {policies}, snapshot {}", counted(found.len(), "warning"), snapshot.digest());
        print::line(&words);
    }
    if asked.deny_warnings && !found.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
