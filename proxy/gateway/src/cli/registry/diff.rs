//! `wicketgate registry diff`: a live server beside what was reviewed of it. Writes nothing.

use std::process::ExitCode;

use clap::Args;

use super::super::{Places, print};
use super::{Patience, sheet_of};
use crate::review::Standing;

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The server's name in the registry
    name: String,
    #[command(flatten)]
    patience: Patience,
}

/// Shows every difference; exit code 1 if there is one.
pub(super) async fn run(places: &Places, asked: &Diff) -> anyhow::Result<ExitCode> {
    let sheet = match sheet_of(places, &asked.name, &asked.patience).await? {
        Ok((_, sheet)) => sheet,
        Err(said) => return Ok(said),
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
