//! `wicketgate policy shadow`: a candidate on a running gate's live traffic.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::super::print;
use super::{change, told};
use crate::cli::client::{Credential, Gate};
use crate::config::Config;
use crate::desk::compare::Report;

#[derive(Debug, Args)]
pub(in super::super) struct Shadow {
    /// The candidate to begin with: a directory as for `stage`, or a kept snapshot's first digits
    #[arg(value_name = "DIR|DIGEST")]
    candidate: Option<String>,
    /// Show what the one under way has seen (the default without a candidate)
    #[arg(long, conflicts_with_all = ["candidate", "end"])]
    show: bool,
    /// End it, and show what it has seen
    #[arg(long, conflicts_with = "candidate")]
    end: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    credential: Credential,
}

/// Begins, shows or ends.
pub(super) async fn run(config: &Config, asked: &Shadow) -> Result<ExitCode, String> {
    let gate = Gate::of(config, &asked.credential)?;
    let Some(candidate) = &asked.candidate else {
        let sight = if asked.end { gate.delete("/v1/shadow").await? } else { gate.get("/v1/shadow").await? };
        print::line(&if asked.json { sight.to_string() } else { shown(&sight)? });
        return Ok(ExitCode::SUCCESS);
    };
    let dir = PathBuf::from(candidate);
    let body = if dir.is_dir() {
        json!({ "files": change::files(&gate, Path::new(candidate)).await? })
    } else {
        json!({ "digest": candidate })
    };
    let begun = gate.post("/v1/shadow", &body).await?;
    if asked.json {
        print::line(&begun.to_string());
    } else {
        let digest = begun.get("candidate").and_then(Value::as_str).unwrap_or_default();
        print::line(&format!("{digest} is judged on live traffic, and decides nothing"));
        print::line("  what it would change:  wicketgate policy shadow --show");
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(sight: &Value) -> Result<String, String> {
    let report: Report =
        serde_json::from_value(sight.clone()).map_err(|e| format!("the answer cannot be read: {e}"))?;
    let text = |name: &str| sight.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| sight.get(name).and_then(Value::as_u64).unwrap_or_default();
    let short = change::short(text("candidate"));
    let mut out = format!("candidate {short}, in shadow since {}, begun by {}\n", text("since"), text("by"));
    out.push_str(&told::report(&report));
    for (name, what) in [("dropped", "found the queue full and were dropped"), ("waiting", "wait to be judged")] {
        if number(name) > 0 {
            out.push_str(&format!("\n{:>8}  {what}", number(name)));
        }
    }
    Ok(out)
}
