//! Staging, promoting, rolling back and the history on the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::snapshot::Sources;
use serde_json::{Value, json};

use super::super::{print, told as faults_told};
use crate::cli::client::{Credential, Gate};
use crate::clock::rfc3339;
use crate::config::Config;
use crate::history::{History, START_MIN, Turn, all};
use crate::reload;
use crate::story::visible;

/// Where a directory that was checked out says what it was made from. Hidden, so that it is no part of the bundle.
const BASE: &str = ".wicketgate-base";

#[derive(Debug, Args)]
pub(in super::super) struct Checkout {
    /// The directory to make
    dir: PathBuf,
    /// The snapshot, by its first digits [default: the one in force]
    digest: Option<String>,
    #[command(flatten)]
    credential: Credential,
}

/// What every change needs: a reason, and who asks.
#[derive(Debug, Args)]
struct Asking {
    /// Why, for whoever reads the history
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    credential: Credential,
}

#[derive(Debug, Args)]
pub(in super::super) struct Stage {
    /// A directory with `policies/`, `registry/` or both, or with policies; what it leaves out is as it is in force
    dir: PathBuf,
    /// The snapshot it was made from [default: what `checkout` wrote down, else the one in force]
    #[arg(long, value_name = "DIGEST")]
    base: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(in super::super) struct Promote {
    /// The candidate, by its first digits
    digest: String,
    /// The snapshot that must still be in force [default: the one it was made from]
    #[arg(long, value_name = "DIGEST")]
    base: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(in super::super) struct Rollback {
    /// The snapshot to go back to, by its first digits [default: the one before]
    digest: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
pub(in super::super) struct Past {
    /// How many of the latest
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Print JSON, one snapshot a line
    #[arg(long)]
    json: bool,
}

/// Writes the files of a snapshot into a new directory, with what they were taken from.
pub(super) async fn checkout(config: &Config, asked: &Checkout) -> Result<ExitCode, String> {
    let gate = Gate::of(config, &asked.credential)?;
    if asked.dir.exists() {
        return Err(format!("{} exists already; nothing was written", asked.dir.display()));
    }
    let in_force = text(&gate.get("/v1/snapshot").await?, "digest");
    let digest = asked.digest.clone().unwrap_or_else(|| in_force.clone());
    let files = gate.files(&digest).await?;
    if let Some(stray) = files.keys().find(|path| !reload::is_of_bundle(path)) {
        return Err(format!("the gate answers with a file that is of no bundle: {}", visible::text(stray)));
    }
    let written = files.iter().try_for_each(|(path, text)| {
        let path = asked.dir.join(path);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, text)
    });
    // What it is made from is what it will replace, also where the texts are older.
    let written = written.and_then(|()| std::fs::write(asked.dir.join(BASE), format!("{in_force}\n")));
    written.map_err(|e| format!("{} cannot be written: {e}", asked.dir.display()))?;
    print::line(&format!("wrote {} files of {} to {}", files.len(), short(&digest), asked.dir.display()));
    Ok(ExitCode::SUCCESS)
}

/// Has a gate build and keep a candidate.
pub(super) async fn stage(config: &Config, asked: &Stage) -> Result<ExitCode, String> {
    let gate = Gate::of(config, &asked.asking.credential)?;
    let noted = std::fs::read_to_string(asked.dir.join(BASE)).ok().map(|text| text.trim().to_owned());
    let base = match asked.base.clone().or(noted) {
        Some(base) if base.parse::<Digest>().is_ok() => base,
        Some(start) => whole(&gate.get("/v1/snapshots").await?, &start)?,
        None => text(&gate.get("/v1/snapshot").await?, "digest"),
    };
    let files = files(&gate, &asked.dir).await?;
    let body = json!({ "files": files, "reason": asked.asking.reason, "base": base });
    let staged = gate.post("/v1/snapshots", &body).await?;
    let digest = text(&staged, "digest");
    print::line(&format!("staged {}, made from {}: {}", short(&digest), short(&base), shown(&staged, "summary")));
    print::line(&format!("  on live traffic first:  wicketgate policy shadow {}", short(&digest)));
    print::line(&format!("  then in force:          wicketgate policy promote {} --reason '...'", short(&digest)));
    Ok(ExitCode::SUCCESS)
}

/// The files of a directory, by path; what it leaves out is taken from what is in force.
pub(super) async fn files(gate: &Gate, dir: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut in_force = Sources::default();
    if !reload::is_whole(dir) {
        let digest = text(&gate.get("/v1/snapshot").await?, "digest");
        for (path, text) in gate.files(&digest).await? {
            let folder = if path.starts_with("policies/") { &mut in_force.policies } else { &mut in_force.registry };
            folder.push(SourceFile { path, text });
        }
    }
    let found = reload::beside(dir, || Ok(in_force)).map_err(|faults| faults_told(&faults))?;
    Ok(all(&found).map(|file| (file.path.clone(), file.text.clone())).collect())
}

/// Puts a candidate in force.
pub(super) async fn promote(config: &Config, asked: &Promote) -> Result<ExitCode, String> {
    let gate = Gate::of(config, &asked.asking.credential)?;
    let kept = gate.get("/v1/snapshots").await?;
    let digest = whole(&kept, &asked.digest)?;
    let staged = list(&kept, "candidates").iter().find(|one| text(one, "digest") == digest);
    let base = match (&asked.base, staged) {
        (Some(base), _) => whole(&kept, base)?,
        (None, Some(staged)) => text(staged, "base"),
        (None, None) => {
            return Err(format!(
                "{} is no candidate: it is or was in force; to return to it, use `wicketgate policy rollback {0}`",
                short(&digest)
            ));
        }
    };
    put_in_force(&gate, &digest, &base, &asked.asking.reason).await
}

/// Puts what was in force before in force again.
pub(super) async fn rollback(config: &Config, asked: &Rollback) -> Result<ExitCode, String> {
    let gate = Gate::of(config, &asked.asking.credential)?;
    let (now, known) = (gate.get("/v1/snapshot").await?, gate.get("/v1/snapshots").await?);
    let digest = match &asked.digest {
        Some(start) => whole(&known, start)?,
        None => match now.get("base").and_then(Value::as_str) {
            Some(before) => before.to_owned(),
            None => return Err("nothing was in force before; name the snapshot to go back to".to_owned()),
        },
    };
    let was = |one: &Value| text(one, "digest") == digest || text(one, "base") == digest;
    if !list(&known, "snapshots").iter().any(was) {
        return Err(format!("{} was never in force; use `wicketgate policy promote`", short(&digest)));
    }
    put_in_force(&gate, &digest, &text(&now, "digest"), &asked.asking.reason).await
}

async fn put_in_force(gate: &Gate, digest: &str, base: &str, reason: &str) -> Result<ExitCode, String> {
    let body = json!({ "base": base, "reason": reason });
    let turn = gate.post(&format!("/v1/snapshots/{digest}/promote"), &body).await?;
    print::line(&format!("in force: {}, in place of {}: {}", short(digest), short(base), shown(&turn, "summary")));
    Ok(ExitCode::SUCCESS)
}

/// Prints what was in force, straight from the gate's data.
pub(super) fn past(config: &Config, asked: &Past) -> Result<ExitCode, String> {
    let turns = History::read_only(&config.data).turns(asked.limit).map_err(|e| e.to_string())?;
    if turns.is_empty() && !asked.json {
        print::line("nothing was in force yet");
    }
    for (n, turn) in turns.iter().enumerate() {
        print::line(&if asked.json { serde_json::json!(turn.told()).to_string() } else { told(turn, n == 0) });
    }
    Ok(ExitCode::SUCCESS)
}

fn told(turn: &Turn, in_force: bool) -> String {
    format!(
        "{} {}  {}  {:<8}  {}: {}\n                {}",
        if in_force { '*' } else { ' ' },
        turn.digest.short(),
        rfc3339(turn.at_us),
        turn.how.word(),
        visible::text(&turn.author),
        visible::text(&turn.reason),
        visible::text(&turn.summary())
    )
}

/// A digest in full, from its first digits, among those that a gate keeps.
fn whole(kept: &Value, start: &str) -> Result<String, String> {
    let digits = start.strip_prefix("sha256:").unwrap_or(start);
    let known = ["snapshots", "candidates"].into_iter().flat_map(|of| list(kept, of));
    let known = known.flat_map(|one| [text(one, "digest"), text(one, "base")]);
    let mut found: Vec<String> = known.filter(|one| one.starts_with(&format!("sha256:{digits}"))).collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [one] if digits.len() >= START_MIN => Ok(one.clone()),
        [] | [_] => Err("no snapshot is kept whose digest begins so; give at least six digits".to_owned()),
        [_, ..] => Err("several snapshots begin so; give more digits".to_owned()),
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn shown(value: &Value, name: &str) -> String {
    visible::text(&text(value, name))
}

pub(super) fn short(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(12).collect()
}
