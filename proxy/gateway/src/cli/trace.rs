//! `wicketgate trace`: a task's story, straight from the ledger's file.

use std::process::ExitCode;

use super::{Places, print, told};
use crate::ledger::Reader;
use crate::story;

/// Prints the story of a trace, task or record.
pub(super) fn run(places: &Places, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return Ok(print::failed(&told(&faults))),
    };
    let reader = Reader::open(&config.ledger())?;
    let entries = match story::find(&reader, id, &story::Sight::WHOLE) {
        Ok(entries) => entries,
        Err(fault) => return Ok(print::failed(&fault.to_string())),
    };
    if json {
        for entry in &entries {
            print::line(&entry.canonical().map_err(|e| anyhow::anyhow!(e))?);
        }
    } else {
        let usual = story::Telling::default();
        let width =
            terminal_size::terminal_size().map_or(usual.width, |(width, _)| usize::from(width.0).min(usual.width));
        print::line(&story::tell(&entries, &story::Telling { width, ..usual }));
    }
    Ok(ExitCode::SUCCESS)
}
