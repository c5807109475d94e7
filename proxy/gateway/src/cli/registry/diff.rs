//! `wicketgate registry diff`: a live server beside what was reviewed of it. Writes nothing.

use std::process::ExitCode;

use clap::Args;

use super::super::{Places, print};
use super::{Patience, no_such_server, open, scanned};
use crate::review::{Standing, sheet};

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The server's name in the registry
    name: String,
    #[command(flatten)]
    patience: Patience,
}

/// Shows every difference; exit code 1 if there is one.
pub(super) async fn run(places: &Places, asked: &Diff) -> anyhow::Result<ExitCode> {
    let opened = match open(places) {
        Ok(opened) => opened,
        Err(words) => return Ok(print::failed(&words)),
    };
    if opened.registry.server(&asked.name).is_none() {
        return Ok(no_such_server(&opened, &asked.name));
    }
    let found = scanned(&opened, &asked.name, &asked.patience).await?;
    let Some(sheet) = sheet(&opened.registry, &asked.name, &found) else {
        return Ok(no_such_server(&opened, &asked.name));
    };
    print::line(sheet.head().trim_end());
    for row in sheet.rows.iter().filter(|row| row.standing != Standing::Same) {
        print::line(&format!("\n{row}"));
    }
    print::line(&format!("\n{}", sheet.counts()));
    if sheet.differs() {
        print::line(&format!("The server differs from its review. Next: wicketgate registry review {}", asked.name));
        return Ok(ExitCode::FAILURE);
    }
    print::line("The server is what was reviewed.");
    Ok(ExitCode::SUCCESS)
}
