//! `wicketgate policy replay`, `shadow`, `stage`, `promote`, `rollback`, `history`: changing the law while traffic flows.
//!
//! Reads directories and the ledger, asks [`crate::desk`] or a running gate, prints.

mod change;
mod shadow;
mod told;
mod when;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use pdp::fault::Fault;
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::Clock as _;

use super::{Places, print, told as faults_told};
use crate::clock::{SystemClock, rfc3339};
use crate::config::Config;
use crate::desk::compare::Report;
use crate::desk::replay::{self, Traffic};
use crate::history::History;
use crate::ledger::Reader;
use crate::reload;
use when::When;

#[derive(Debug, Subcommand)]
pub(super) enum Live {
    /// Put recorded traffic to a bundle: every decision that would change, grouped by rule, widenings first
    Replay(Replay),
    /// Judge live traffic by a candidate, without effect, and show what it would change
    Shadow(shadow::Shadow),
    /// Write the files of a snapshot into a new directory, to work on
    Checkout(change::Checkout),
    /// Have a running gate build and keep a candidate; nothing changes
    Stage(change::Stage),
    /// Put a candidate in force, unless something else came in force since it was made
    Promote(change::Promote),
    /// Put an earlier snapshot in force again
    Rollback(change::Rollback),
    /// List what was in force: when, by whom, why, and what changed
    History(change::Past),
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The candidate: a directory with `policies/`, `registry/` or both, or with policies [default: the working bundle]
    dir: Option<PathBuf>,
    /// From when on: a time such as 2026-11-20T08:00:00Z, a day, or how long ago, such as 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = When::read)]
    since: When,
    /// Until when [default: now]
    #[arg(long, value_name = "TIME", value_parser = When::read)]
    until: Option<When>,
    /// Only calls of this agent
    #[arg(long)]
    agent: Option<String>,
    /// Only calls to this server
    #[arg(long)]
    server: Option<String>,
    /// Only calls of this tool
    #[arg(long)]
    tool: Option<String>,
    /// Exit with 1 if a decision would be wider, or if any would change
    #[arg(long, value_name = "WHAT")]
    fail_on: Option<FailOn>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// What makes a replay fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A decision that would be wider.
    Wider,
    /// Any that would change.
    Any,
}

/// Runs one of them.
pub(super) async fn run(places: &Places, asked: &Live) -> ExitCode {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return print::failed(&faults_told(&faults)),
    };
    let outcome = match asked {
        Live::Replay(replay) => replayed(&config, replay),
        Live::Shadow(shadow) => shadow::run(&config, shadow).await,
        Live::Checkout(checkout) => change::checkout(&config, checkout).await,
        Live::Stage(stage) => change::stage(&config, stage).await,
        Live::Promote(promote) => change::promote(&config, promote).await,
        Live::Rollback(rollback) => change::rollback(&config, rollback).await,
        Live::History(past) => change::past(&config, past),
    };
    outcome.unwrap_or_else(|words| print::failed(&words))
}

/// The files of a candidate; without a directory, of the working bundle.
fn sources(config: &Config, dir: Option<&Path>) -> Result<Sources, Vec<Fault>> {
    let working = || reload::read(config.bundle.as_ref());
    dir.map_or_else(working, |dir| reload::beside(dir, working))
}

fn replayed(config: &Config, asked: &Replay) -> Result<ExitCode, String> {
    let candidate = sources(config, asked.dir.as_deref()).and_then(|sources| Snapshot::build(&sources));
    let candidate = Arc::new(candidate.map_err(|faults| faults_told(&faults))?);
    let now_us = SystemClock::start().now_us();
    let traffic = Traffic {
        since_us: asked.since.us(now_us),
        until_us: asked.until.map_or(now_us, |until| until.us(now_us)),
        agent: asked.agent.clone(),
        server: asked.server.clone(),
        tool: asked.tool.clone(),
    };
    let reader = Reader::open(&config.ledger()).map_err(|e| e.to_string())?;
    let history = History::read_only(&config.data);
    let mut own = replay::own_snapshots(&history, &candidate);
    let tally = replay::replay(&reader, &traffic, &candidate, &mut own).map_err(|e| e.to_string())?;
    if let Some(fault) = history.fault() {
        print::warned(&format!("what is told was not put to the snapshots that decided it: {fault}"));
    }
    let report = tally.report();
    if asked.json {
        let text = serde_json::json!({
            "candidate": candidate.digest(),
            "since": rfc3339(traffic.since_us),
            "until": rfc3339(traffic.until_us),
            "report": report,
        });
        print::line(&text.to_string());
    } else {
        print::line(&format!(
            "candidate {}, traffic from {} to {}",
            candidate.digest().short(),
            rfc3339(traffic.since_us),
            rfc3339(traffic.until_us)
        ));
        print::line(&told::report(&report));
    }
    Ok(if fails(&report, asked.fail_on) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn fails(report: &Report, on: Option<FailOn>) -> bool {
    match on {
        None => false,
        Some(FailOn::Wider) => report.wider > 0,
        Some(FailOn::Any) => report.wider + report.narrower > 0,
    }
}
