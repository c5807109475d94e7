//! `wicketgate registry`: what exists, who reviewed it, and how the live servers differ from it.

mod diff;
mod keygen;
mod list;
mod retire;
mod review;
mod scan;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use pdp::fault::SourceFile;
use pdp::registry::Registry as Reviewed;

use super::{Places, print, told};
use crate::clock::{SystemClock, rfc3339};
use crate::findings;
use crate::import::disk;
use crate::reload;
use crate::review::{Files, Sheet, sheet};

#[derive(Debug, Subcommand)]
pub(super) enum Registry {
    /// List a live server's tools and draft its registry entry
    Scan(scan::Scan),
    /// Show every server and tool: effect, labels, who reviewed it and when, and what is withheld or retired, and why
    List(list::List),
    /// Compare a live server with what was reviewed of it, place by place; exit code 1 if anything differs. Writes nothing
    Diff(diff::Diff),
    /// Review what is new, changed or withheld: shows it, and writes the approval of exactly what was shown
    Review(review::Review),
    /// Put a tool, or a whole server, out of use: neither listed nor callable, and kept with the day and the reason
    Retire(retire::Retire),
    /// Make a reviewer's key pair for signing reviews
    Keygen(keygen::Keygen),
}

/// How long a live server is given.
#[derive(Debug, Args)]
pub(super) struct Patience {
    /// How many seconds the server may take
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

/// Runs one of the registry's tools.
pub(super) async fn run(places: &Places, asked: Registry) -> anyhow::Result<ExitCode> {
    match asked {
        Registry::Scan(asked) => scan::run(places, asked).await,
        Registry::List(asked) => Ok(list::run(places, &asked)),
        Registry::Diff(asked) => diff::run(places, &asked).await,
        Registry::Review(asked) => review::run(places, &asked).await,
        Registry::Retire(asked) => retire::run(places, &asked),
        Registry::Keygen(asked) => Ok(keygen::run(&asked)),
    }
}

/// The registry's directory.
fn folder(places: &Places) -> Result<PathBuf, String> {
    if let Some(registry) = &places.registry {
        return Ok(registry.clone());
    }
    let config = places.config().map_err(|faults| told(&faults))?;
    config.bundle.map(|bundle| bundle.registry).ok_or_else(|| {
        "there is no registry directory here; make one with `wicketgate init`, or name one with `--registry`".to_owned()
    })
}

/// The files of a registry on disk, and what they mean.
struct Opened {
    folder: PathBuf,
    files: Vec<SourceFile>,
    registry: Reviewed,
}

fn open(places: &Places) -> Result<Opened, String> {
    let folder = folder(places)?;
    let files = reload::read_registry(&folder).map_err(|faults| told(&faults))?;
    let registry = pdp::registry::load(&files).map_err(|faults| told(&faults))?;
    Ok(Opened { folder, files, registry })
}

impl Opened {
    /// The texts of a server's entry.
    fn texts(&self, server: &str) -> Files {
        Files::among(&self.files, server)
    }

    /// What the registry would mean with these texts for a server.
    fn with(&self, server: &str, files: &Files) -> Result<Reviewed, String> {
        let (entry, tools) = Files::paths(server);
        let mut all = self.files.clone();
        all.retain(|file| file.path != entry && file.path != tools);
        all.push(SourceFile { path: entry, text: files.registry.clone() });
        all.push(SourceFile { path: tools, text: files.tools.clone() });
        pdp::registry::load(&all).map_err(|faults| told(&faults))
    }

    /// Writes a server's files, unless somebody else has written them since they were read.
    fn write(&self, server: &str, files: &Files) -> anyhow::Result<bool> {
        write_entry(&self.folder, server, &self.texts(server), files)
    }
}

/// What is said where [`write_entry`] writes nothing.
const CHANGED_MEANWHILE: &str = "the entry was changed by somebody else meanwhile; nothing was written";

/// Writes a server's two files, each whole or not at all, unless somebody else has written them since they were read as
/// `known`. The definitions go first: an entry with pins that none of them has would be a fault to a watching gate.
fn write_entry(folder: &Path, server: &str, known: &Files, files: &Files) -> anyhow::Result<bool> {
    let (entry, tools) = paths(folder, server);
    let now = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let (entry_now, tools_now) = (now(&entry), now(&tools));
    if entry_now != known.registry || (tools_now != known.tools && !tools_now.is_empty()) {
        return Ok(false);
    }
    disk::write(&tools, files.tools.as_bytes(), 0o644)?;
    disk::write(&entry, files.registry.as_bytes(), 0o644)?;
    Ok(true)
}

fn paths(folder: &Path, server: &str) -> (PathBuf, PathBuf) {
    let servers = folder.join("servers");
    (servers.join(format!("{server}.toml")), servers.join(format!("{server}.tools.json")))
}

/// A server of the registry beside what it offers now, or the exit code of what was said of it.
async fn sheet_of(
    places: &Places,
    name: &str,
    patience: &Patience,
) -> anyhow::Result<Result<(Opened, Sheet), ExitCode>> {
    let opened = match open(places) {
        Ok(opened) => opened,
        Err(words) => return Ok(Err(print::failed(&words))),
    };
    let Some(server) = opened.registry.server(name) else { return Ok(Err(no_such_server(&opened, name))) };
    let (entry, _) = paths(&opened.folder, name);
    let transport = crate::scan::transport_of(server)
        .await
        .map_err(|words| anyhow!(words))
        .with_context(|| entry.display().to_string())?;
    let found = crate::scan::list_tools(&transport, Duration::from_secs(patience.timeout)).await?;
    let sheet = sheet(&opened.registry, server, &found);
    Ok(Ok((opened, sheet)))
}

/// There is no such server: said with those there are.
fn no_such_server(opened: &Opened, server: &str) -> ExitCode {
    let names: Vec<&str> = opened.registry.servers.keys().map(String::as_str).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    print::failed(&format!(
        "the registry has no server `{}`; it has: {names}. A new one is drafted by `wicketgate registry scan`",
        findings::shown(server)
    ))
}

/// The day, in UTC.
fn today() -> String {
    rfc3339(pep::ports::Clock::now_us(&SystemClock::start())).chars().take(10).collect()
}

/// A table in columns: each as wide as its widest cell, the last as it is.
fn columns(rows: &[Vec<String>], indent: &str) -> String {
    let width = |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for row in rows {
        let mut line = indent.to_owned();
        for (n, cell) in row.iter().enumerate() {
            line.push_str(cell);
            let missing = width(n).saturating_sub(cell.chars().count());
            line.push_str(&" ".repeat(missing.saturating_add(2)));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
