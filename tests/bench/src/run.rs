//! The measurement: which rows there are, and how each is taken, interleaved, round after round.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::bundle::{self, Kind, Size};
use crate::load::{self, Target, Traffic, Window};
use crate::message::{self, Answer, Era};
use crate::process::{Gate, Process};
use crate::report::{self, Figures, Row};

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
        let shown = if bytes < 1024 { format!("{bytes} B") } else { format!("{} KiB", bytes / 1024) };
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
        for bytes in [100, 64 * 1024] {
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
    let gate_program = gate_program(options.gate.as_deref())?;
    let window = Window {
        warm_up: Duration::from_millis(if options.quick { 400 } else { 700 }),
        measured: Duration::from_secs_f64(options.seconds.unwrap_or(if options.quick { 1.2 } else { 2.0 })),
    };
    let rounds = options.rounds.unwrap_or(if options.quick { 3 } else { 5 });
    ensure!(rounds > 0, "`--rounds` must be at least 1");
    let wanted = |s: &Scenario| options.only.as_ref().is_none_or(|only| s.name.contains(only.as_str()));
    let rows: Vec<Scenario> = scenarios(options.quick).into_iter().filter(wanted).collect();
    ensure!(!rows.is_empty(), "no row's name contains what `--only` asks for");
    let servers = Servers::start()?;
    let gate = Gate::start(&gate_program, STANDARD, servers.upstream.address, &[]).await?;
    report::say(&report::head())?;
    for scenario in &rows {
        let row = measure(scenario, &servers, &gate, window, rounds).await?;
        report::say(&report::line(&row))?;
    }
    Ok(())
}

/// The gate's program: as named, else beside this one.
fn gate_program(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let beside = std::env::current_exe()?.with_file_name("wicketgate");
    ensure!(
        beside.is_file(),
        "there is no `wicketgate` beside this program: build it with `cargo build --release`, or name it with `--gate`"
    );
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
    let path = message::upstream_path(scenario.size.tools);
    let at = |address| Target { address, path: path.clone() };
    let direct = (at(servers.upstream.address), &servers.upstream);
    let bare = (at(servers.proxy.address), &servers.proxy);
    let gated = (gate.target(), &gate.process);
    let mut row = Row::new(&scenario.name);
    for _ in 0..rounds {
        row.direct.push(one(&direct.0, direct.1, scenario, window).await.context("direct")?);
        row.bare.push(one(&bare.0, bare.1, scenario, window).await.context("through the bare proxy")?);
        row.gate.push(one(&gated.0, gated.1, scenario, window).await.context("through the gate")?);
    }
    Ok(row)
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
