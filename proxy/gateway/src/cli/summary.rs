//! `wicketgate policy summary`: what each agent may do, in sentences and as a table.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use pdp::principal::Principal;

use super::explain::Who;
use super::{Places, print};
use crate::desk::law::Law;
use crate::desk::samples;
use crate::desk::summary::{markdown, summary, text};

/// Of whom, and how it is printed.
#[derive(Debug, Args)]
pub(super) struct Summary {
    #[command(flatten)]
    who: Who,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How a summary is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For a review or a wiki
    Markdown,
    /// For programs
    Json,
}

pub(super) fn run(places: &Places, asked: &Summary) -> ExitCode {
    let loaded = match super::policy::loaded(places) {
        Ok(loaded) => loaded,
        Err(words) => return print::failed(&words),
    };
    let law = Law::of(&loaded.snapshot, &loaded.sources.policies);
    let known: Vec<Principal> = loaded.config.principals.iter().map(|known| known.principal.clone()).collect();
    let principals =
        if asked.who.is_nobody() { samples::principals(&known, &[&law]) } else { vec![asked.who.principal(&known)] };
    let found = summary(&loaded.snapshot, &law, &principals);
    let text = match asked.format {
        Format::Text => text(&found),
        Format::Markdown => markdown(&found),
        Format::Json => match serde_json::to_string_pretty(&found) {
            Ok(text) => text,
            Err(e) => return print::failed(&format!("the summary cannot be written: {e}")),
        },
    };
    print::line(text.trim_end());
    ExitCode::SUCCESS
}
