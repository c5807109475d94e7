//! The measurement: which rows there are, and how each is taken, interleaved, round after round.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::bundle::{self, Kind, Size};
use crate::instructions::{self, Cost};
use crate::load::{self, Target, Traffic, Window};
use crate::loading;
use crate::memory::{self, Growth};
use crate::message::{self, Answer, Era};
use crate::people;
use crate::process::{self, Gate, Process};
use crate::report::{self, About, Figures, Results, Row};

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The gate's program.
    pub gate: Option<PathBuf>,
    /// Fewer rows and rounds.
    pub quick: bool,
    /// Only rows whose name contains this.
    pub only: Option<String>,
    /// How often each row is measured.
    pub rounds: Option<usize>,
    /// How many seconds a window lasts.
    pub seconds: Option<f64>,
    /// Where the report is written.
    pub out: Option<PathBuf>,
}

/// One row of the table, before it is measured.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The bundle the gate enforces.
    pub size: Size,
    /// What is called, and how.
    pub traffic: Traffic,
}

/// The bundle of the main figures.
const STANDARD: Size = Size { policies: 50, tools: 50 };
/// The size of a large answer, in bytes.
const LARGE: usize = 64 * 1024;
/// How many tools are called in turn.
const TOOLS_CALLED: usize = 16;

impl Scenario {
    fn new(size: Size, connections: usize, bytes: usize, answer: Answer, era: Era, kind: Kind) -> Self {
        let called = match kind {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Egress | Kind::Destructive | Kind::Spend => "other",
        };
        let era_word = match era {
            Era::Legacy => "",
            Era::Modern => " modern",
        };
        let shown = message::shown(bytes);
        let name =
            format!("{}p/{}t {connections}c {shown} {} {called}{era_word}", size.policies, size.tools, answer.word());
        let tools = bundle::tools_of(kind, size.tools).take(TOOLS_CALLED).collect();
        Self { name, size, traffic: Traffic { connections, bytes, answer, era, tools } }
    }
}

/// The rows.
#[must_use]
pub fn scenarios(quick: bool) -> Vec<Scenario> {
    let main =
        |connections, bytes, answer| Scenario::new(STANDARD, connections, bytes, answer, Era::Legacy, Kind::Read);
    let connections: &[usize] = if quick { &[1, 64] } else { &[1, 16, 64] };
    let answers: &[Answer] = if quick { &[Answer::Json] } else { &[Answer::Json, Answer::Sse] };
    let mut out = Vec::new();
    for answer in answers {
        for bytes in [100, LARGE] {
            out.extend(connections.iter().map(|connections| main(*connections, bytes, *answer)));
        }
    }
    if !quick {
        out.push(Scenario::new(STANDARD, 64, 100, Answer::Json, Era::Modern, Kind::Read));
        out.extend([1, 64].map(|n| Scenario::new(STANDARD, n, 100, Answer::Json, Era::Legacy, Kind::Write)));
    }
    out
}

/// The rows that compare sizes of bundles; they are measured side by side.
#[must_use]
pub fn sizes() -> Vec<Scenario> {
    let all = [(50, 50), (200, 50), (1000, 50), (50, 500), (200, 500), (1000, 500)];
    all.map(|(policies, tools)| Scenario::new(Size { policies, tools }, 64, 100, Answer::Json, Era::Legacy, Kind::Read))
        .into()
}

/// The servers that run during a measurement.
#[derive(Debug)]
pub struct Servers {
    /// The null server.
    pub upstream: Process,
    /// The bare proxy.
    pub proxy: Process,
}

impl Servers {
    /// Starts both.
    ///
    /// # Errors
    /// When one does not start.
    pub fn start() -> anyhow::Result<Self> {
        let upstream = Process::own(&["upstream".to_owned()], &[])?;
        let proxy = Process::own(&["proxy".to_owned(), upstream.address.to_string()], &[])?;
        Ok(Self { upstream, proxy })
    }
}

/// Measures everything that is asked for, prints it and writes it down.
///
/// # Errors
/// When a server does not start or an answer is wrong.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    process::raise_file_limit()?;
    let program = gate_program(options.gate.as_deref())?;
    let seconds = options.seconds.unwrap_or(if options.quick { 0.9 } else { 2.0 });
    let window = Window {
        warm_up: Duration::from_millis(if options.quick { 300 } else { 700 }),
        measured: Duration::try_from_secs_f64(seconds).context("`--seconds` must be a length of time")?,
    };
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 5 });
    ensure!(rounds > 0, "`--rounds` must be at least 1");
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let more = |name: &str| !options.quick && wanted(name);
    let rows: Vec<Scenario> = scenarios(options.quick).into_iter().filter(|s| wanted(&s.name)).collect();
    let nothing = rows.is_empty() && !PARTS.into_iter().any(more);
    ensure!(!nothing, "nothing is called what `--only` asks for; beside the rows there are {PARTS:?}");
    let servers = Servers::start()?;
    let mut results = Results::default();
    report::say(&report::head())?;
    if !rows.is_empty() {
        let gate = Gate::start(&program, STANDARD, servers.upstream.address, &[]).await?;
        for scenario in &rows {
            match measure(scenario, &servers, &gate, window, rounds).await {
                Ok(row) => {
                    report::say(&report::line(&row))?;
                    results.rows.push(row);
                }
                Err(e) => results.failed.push(failure(&scenario.name, &e)),
            }
        }
    }
    if more("sizes") {
        results.sizes = measure_sizes(&program, &servers, window, rounds, &mut results.failed).await?;
        for row in &results.sizes {
            report::say(&report::line(row))?;
        }
    }
    if more("memory") {
        let watched = memories(&program, &servers).await;
        results.memory = watched.map_err(|e| results.failed.push(failure("memory", &e))).ok();
    }
    if more("people") {
        let found = people::watch(&program, servers.upstream.address, STANDARD, window, rounds).await;
        results.people = found.map_err(|e| results.failed.push(failure("people", &e))).ok();
    }
    if more("instructions") {
        let counted = costs(Some(&program)).await;
        results.costs = counted.map_err(|e| results.failed.push(failure("instructions", &e))).unwrap_or_default();
    }
    if more("bundles") {
        results.loading =
            loading::measure().map_err(|e| results.failed.push(failure("bundles", &e))).unwrap_or_default();
    }
    report::say(&results.rest())?;
    let out = options.out.clone().or_else(|| (!options.quick && options.only.is_none()).then(default_out));
    if let Some(path) = out {
        let text = results.markdown(&about(rounds, seconds));
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        report::say(&format!("written to {}", path.display()))?;
    }
    ensure!(results.failed.is_empty(), "not everything could be measured:\n{}", results.failed.join("\n"));
    Ok(())
}

/// A failure in one line.
fn failure(name: &str, e: &anyhow::Error) -> String {
    let causes: Vec<String> = e.chain().map(ToString::to_string).collect();
    format!("{name}: {}", causes.join(": "))
}

/// What is measured beside the main rows, as `--only` names it.
const PARTS: [&str; 5] = ["sizes", "memory", "people", "instructions", "bundles"];

/// The report's place in the repository.
fn default_out() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md")
}

fn about(rounds: usize, seconds: f64) -> About {
    let git = |arguments: &[&str]| {
        let out = std::process::Command::new("git").arg("-C").arg(env!("CARGO_MANIFEST_DIR")).args(arguments).output();
        out.ok().filter(|out| out.status.success()).map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changes = git(&["status", "--porcelain", "--", ":/", ":!RESULTS.md"]).is_some_and(|list| !list.is_empty());
    About {
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        commit: if changes { format!("{commit} with changes") } else { commit },
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        rounds,
        seconds,
    }
}

/// Sizes of bundles side by side: a gate for each, all at once, one after the other within each round.
async fn measure_sizes(
    program: &Path,
    servers: &Servers,
    window: Window,
    rounds: usize,
    failed: &mut Vec<String>,
) -> anyhow::Result<Vec<Row>> {
    let mut all = Vec::new();
    for scenario in sizes() {
        let gate = Gate::start(program, scenario.size, servers.upstream.address, &[]).await?;
        let row = Row::new(&scenario.name);
        all.push((scenario, gate, row));
    }
    for _ in 0..rounds {
        let mut sound = Vec::new();
        for (scenario, gate, mut row) in all {
            match add_round(&mut row, &scenario, servers, &gate, window).await {
                Ok(()) => sound.push((scenario, gate, row)),
                Err(e) => failed.push(failure(&scenario.name, &e)),
            }
        }
        all = sound;
    }
    Ok(all.into_iter().map(|(_, _, row)| row).collect())
}

/// Memory of a fresh gate and of a fresh bare proxy.
async fn memories(program: &Path, servers: &Servers) -> anyhow::Result<(Growth, Growth)> {
    let gate = Gate::start(program, STANDARD, servers.upstream.address, &[]).await?;
    let of_gate = memory::watch(&gate.process, &gate.target(), STANDARD).await?;
    let proxy = Process::own(&["proxy".to_owned(), servers.upstream.address.to_string()], &[])?;
    let bare = Target { address: proxy.address, path: message::upstream_path(STANDARD.tools) };
    Ok((of_gate, memory::watch(&proxy, &bare, STANDARD).await?))
}

/// Instructions of the pipeline alone; where a gate is named, of it and of the bare proxy too.
async fn costs(gate: Option<&Path>) -> anyhow::Result<Vec<Cost>> {
    let mut out = Vec::new();
    for (size, bytes) in [(STANDARD, 100), (STANDARD, LARGE), (Size { policies: 1000, tools: 500 }, 100)] {
        out.push(instructions::in_process(size, bytes)?);
    }
    let Some(program) = gate else { return Ok(out) };
    for bytes in [100, LARGE] {
        out.push(instructions::gate(program, STANDARD, bytes).await?);
        out.push(instructions::proxy(STANDARD, bytes).await?);
    }
    Ok(out)
}

/// Prints instructions and allocations per call.
///
/// # Errors
/// When valgrind is missing, or a program does not run under it.
pub async fn print_costs(gate: Option<&Path>) -> anyhow::Result<()> {
    let costs = costs(gate).await?;
    report::say(&Results { costs, ..Results::default() }.rest())?;
    Ok(())
}

/// The gate's program: as named, else built from this checkout.
fn gate_program(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    ensure!(!cfg!(debug_assertions), "this program was built without optimisation; add `--release`");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = std::process::Command::new(cargo)
        .args(["build", "--release", "--locked", "--package", "gateway", "--package", "bench", "--bins"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .context("`cargo build` cannot be run; name the gate's program with `--gate`")?;
    ensure!(built.success(), "the gate does not build");
    let beside = std::env::current_exe()?.with_file_name("wicketgate");
    ensure!(beside.is_file(), "no gate was built beside this program; name it with `--gate`");
    Ok(beside)
}

/// Takes one row: direct, bare, gate, and again.
async fn measure(
    scenario: &Scenario,
    servers: &Servers,
    gate: &Gate,
    window: Window,
    rounds: usize,
) -> anyhow::Result<Row> {
    let mut row = Row::new(&scenario.name);
    for _ in 0..rounds {
        add_round(&mut row, scenario, servers, gate, window).await?;
    }
    Ok(row)
}

/// One round: each way once, one right after the other, so that a busy moment meets all three.
async fn add_round(
    row: &mut Row,
    scenario: &Scenario,
    servers: &Servers,
    gate: &Gate,
    window: Window,
) -> anyhow::Result<()> {
    let at = |process: &Process| Target { address: process.address, path: message::upstream_path(scenario.size.tools) };
    let (upstream, proxy) = (&servers.upstream, &servers.proxy);
    row.direct.push(one(&at(upstream), upstream, scenario, window).await.context("direct")?);
    row.bare.push(one(&at(proxy), proxy, scenario, window).await.context("through the bare proxy")?);
    row.gate.push(one(&gate.target(), &gate.process, scenario, window).await.context("through the gate")?);
    Ok(())
}

/// One window.
async fn one(target: &Target, process: &Process, scenario: &Scenario, window: Window) -> anyhow::Result<Figures> {
    let mut before = 0;
    let measured = load::drive(target, &scenario.traffic, window, || {
        before = process.cpu_us()?;
        Ok(())
    })
    .await?;
    // What is written and exported after the last answer is part of the calls' cost.
    process.settle().await?;
    let cpu_us = process.cpu_us()?.saturating_sub(before);
    Ok(Figures::of(&measured, cpu_us))
}
