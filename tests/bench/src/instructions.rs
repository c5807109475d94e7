//! Instructions and allocations per call: what does not depend on how busy the machine is.
//!
//! Each program is run under callgrind with two different counts of calls; the difference leaves its start out.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::bundle::{self, Kind, Size};
use crate::load::{self, Target, Traffic};
use crate::message::{self, Answer, Era};
use crate::process::{Gate, Process};

/// What one call costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// What was counted.
    pub name: String,
    /// Instructions in user space.
    pub instructions: u64,
    /// Allocations and reallocations; nothing where they were not counted.
    pub allocations: Option<f64>,
    /// Bytes that were allocated for it.
    pub bytes: Option<f64>,
}

/// Counts of calls for the pipeline alone.
const IN_PROCESS: [u64; 2] = [80, 400];
/// Counts of calls for a whole process.
const WHOLE: [u64; 2] = [160, 800];
/// Connections a whole process is called over.
const CONNECTIONS: usize = 16;

/// Counts the pipeline alone.
///
/// # Errors
/// When valgrind is missing or a run fails.
pub fn in_process(size: Size, bytes: usize) -> anyhow::Result<Cost> {
    let program = std::env::current_exe()?.with_file_name("path");
    let words = |calls: u64| [bytes as u64, size.policies as u64, size.tools as u64, calls].map(|n| n.to_string());
    let run = |wrap: &[String], calls: u64| -> anyhow::Result<String> {
        let mut command = match wrap.split_first() {
            None => Command::new(&program),
            Some((first, more)) => {
                let mut command = Command::new(first);
                command.args(more).arg(&program);
                command
            }
        };
        let out = command.args(words(calls)).output().with_context(|| {
            format!("`{}` cannot be run: build it with `cargo build --release -p bench`", program.display())
        })?;
        ensure!(out.status.success(), "`path` failed:\n{}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let counted = IN_PROCESS.map(|calls| {
        let file = tempfile::NamedTempFile::new()?;
        run(&callgrind(file.path()), calls)?;
        instructions(file.path())
    });
    let [few, many] = counted;
    let allocated = IN_PROCESS.map(|calls| run(&[], calls));
    let [few_allocated, many_allocated] = allocated;
    let (few_allocated, many_allocated) = (allocations(&few_allocated?)?, allocations(&many_allocated?)?);
    Ok(Cost {
        name: format!("pipeline in process, {}p/{}t {}", size.policies, size.tools, message::shown(bytes)),
        instructions: per_call(few?, many?, IN_PROCESS),
        allocations: Some(per_call_exact(few_allocated.0, many_allocated.0)),
        bytes: Some(per_call_exact(few_allocated.1, many_allocated.1)),
    })
}

/// Counts the whole gate, ledger and export included.
///
/// # Errors
/// When valgrind is missing, or the gate does not run under it.
pub async fn gate(program: &Path, size: Size, bytes: usize) -> anyhow::Result<Cost> {
    let upstream = Process::own(&["upstream".to_owned()], &[])?;
    let mut counted = Vec::new();
    for calls in WHOLE {
        let file = tempfile::NamedTempFile::new()?;
        let gate = Gate::start(program, size, upstream.address, &callgrind(file.path())).await?;
        let target = gate.target();
        load::count(&target, &traffic(size, bytes), calls).await?;
        gate.process.settle().await?;
        gate.stop()?;
        counted.push(instructions(file.path())?);
    }
    Ok(whole("the whole gate", size, bytes, &counted))
}

/// Counts the bare proxy.
///
/// # Errors
/// As [`gate`].
pub async fn proxy(size: Size, bytes: usize) -> anyhow::Result<Cost> {
    let upstream = Process::own(&["upstream".to_owned()], &[])?;
    let mut counted = Vec::new();
    for calls in WHOLE {
        let file = tempfile::NamedTempFile::new()?;
        let arguments = ["proxy".to_owned(), upstream.address.to_string()];
        let proxy = Process::own(&arguments, &callgrind(file.path()))?;
        let target = Target { address: proxy.address, path: message::upstream_path(size.tools) };
        load::count(&target, &traffic(size, bytes), calls).await?;
        proxy.stop()?;
        counted.push(instructions(file.path())?);
    }
    Ok(whole("the bare proxy", size, bytes, &counted))
}

fn traffic(size: Size, bytes: usize) -> Traffic {
    Traffic {
        connections: CONNECTIONS,
        bytes,
        answer: Answer::Json,
        era: Era::Legacy,
        tools: bundle::tools_of(Kind::Read, size.tools).take(16).collect(),
    }
}

fn whole(name: &str, size: Size, bytes: usize, counted: &[u64]) -> Cost {
    let at = |n: usize| counted.get(n).copied().unwrap_or_default();
    Cost {
        name: format!("{name}, {}p/{}t {}", size.policies, size.tools, message::shown(bytes)),
        instructions: per_call(at(0), at(1), WHOLE),
        allocations: None,
        bytes: None,
    }
}

fn callgrind(file: &Path) -> Vec<String> {
    let out = format!("--callgrind-out-file={}", file.display());
    ["valgrind", "--tool=callgrind", "--quiet", &out].map(str::to_owned).into()
}

/// What callgrind counted: the line `totals:` or `summary:` of its file.
fn instructions(file: &Path) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let totals = |name: &str| text.lines().rev().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    totals("totals:").or_else(|| totals("summary:")).context("callgrind wrote no total: is valgrind installed?")
}

fn allocations(line: &str) -> anyhow::Result<(u64, u64)> {
    let (count, bytes) = line.trim().split_once(' ').context("`path` printed no counts")?;
    Ok((count.parse()?, bytes.parse()?))
}

fn per_call(few: u64, many: u64, calls: [u64; 2]) -> u64 {
    many.saturating_sub(few) / (calls[1] - calls[0])
}

#[expect(clippy::cast_precision_loss, reason = "counts of a thousand calls are far below 2^52")]
fn per_call_exact(few: u64, many: u64) -> f64 {
    many.saturating_sub(few) as f64 / (IN_PROCESS[1] - IN_PROCESS[0]) as f64
}
