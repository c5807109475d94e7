//! What was measured, as text: medians and ratios, the targets, the file. Knows nothing of how it was measured.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::instructions::Cost;
use crate::load::Measured;
use crate::loading::Loading;
use crate::memory::{Growth, SESSIONS};
use crate::people::People;
use crate::process::Memory;

/// One window's figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Calls answered per second.
    pub per_second: f64,
    /// Latency at the median, in microseconds.
    pub p50_us: f64,
    /// At the 99th percentile.
    pub p99_us: f64,
    /// At the 99.9th.
    pub p999_us: f64,
    /// CPU time of the measured process per call, in microseconds.
    pub cpu_us: f64,
}

impl Figures {
    /// The figures of a window, and of the CPU time its process used from the warm-up on.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of one window are far below 2^52")]
    pub fn of(measured: &Measured, cpu_us: u64) -> Self {
        let us = |quantile| measured.latency.value_at_quantile(quantile) as f64 / 1000.0;
        Self {
            per_second: measured.calls as f64 / measured.seconds,
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            cpu_us: cpu_us as f64 / measured.calls_with_warm_up as f64,
        }
    }
}

/// One row: what each of the three ways gave, round by round.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Straight to the null server. Its CPU is the null server's.
    pub direct: Vec<Figures>,
    /// Through the bare proxy.
    pub bare: Vec<Figures>,
    /// Through the gate.
    pub gate: Vec<Figures>,
}

impl Row {
    /// A row without figures.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), direct: Vec::new(), bare: Vec::new(), gate: Vec::new() }
    }

    /// Calls per second through the gate, as a share of those through the bare proxy.
    #[must_use]
    pub fn share(&self) -> f64 {
        paired(&self.gate, &self.bare, |gate, bare| gate.per_second / bare.per_second)
    }

    /// What the gate adds to the bare proxy's latency at the median, in microseconds.
    #[must_use]
    pub fn added_us(&self) -> f64 {
        paired(&self.gate, &self.bare, |gate, bare| gate.p50_us - bare.p50_us)
    }

    /// The gate's CPU time per call, as a multiple of the bare proxy's.
    #[must_use]
    pub fn cpu(&self) -> f64 {
        paired(&self.gate, &self.bare, |gate, bare| gate.cpu_us / bare.cpu_us)
    }

    /// Cells in the order of the table's head.
    fn cells(&self) -> Vec<String> {
        let latencies = |all: &[Figures]| {
            format!(
                "{} / {} / {}",
                cell(of(all, |f| f.p50_us), 0),
                cell(of(all, |f| f.p99_us), 0),
                cell(of(all, |f| f.p999_us), 0)
            )
        };
        let direct = paired(&self.bare, &self.direct, |bare, direct| bare.per_second / direct.per_second);
        vec![
            self.name.clone(),
            cell(self.share(), 2),
            cell(direct, 2),
            cell(self.added_us(), 0),
            cell(self.cpu(), 2),
            [&self.gate, &self.bare, &self.direct].map(|all| cell(of(all, |f| f.per_second), 0)).join(" / "),
            latencies(&self.gate),
            latencies(&self.bare),
            [&self.gate, &self.bare].map(|all| cell(of(all, |f| f.cpu_us), 1)).join(" / "),
        ]
    }
}

/// The table's head.
const HEAD: [&str; 9] = [
    "calls",
    "gate/bare",
    "bare/direct",
    "p50 added, us",
    "CPU gate/bare",
    "per second: gate / bare / direct",
    "p50 / p99 / p99.9 us, gate",
    "the same, bare",
    "CPU us per call: gate / bare",
];

/// How wide each column is on a terminal.
const WIDTHS: [usize; 9] = [34, 9, 11, 13, 13, 34, 27, 22, 28];

/// The median over the rounds of two ways, put together within each round.
fn paired(one: &[Figures], other: &[Figures], together: impl Fn(&Figures, &Figures) -> f64) -> f64 {
    median(one.iter().zip(other).map(|(one, other)| together(one, other)))
}

/// The median; of an even number of values the mean of the middle two; of none it is no number.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    let at = |n: usize| all.get(n).copied().unwrap_or(f64::NAN);
    if all.len() % 2 == 1 {
        at(all.len() / 2)
    } else {
        f64::midpoint(at((all.len() / 2).wrapping_sub(1)), at(all.len() / 2))
    }
}

fn of(figures: &[Figures], what: impl Fn(&Figures) -> f64) -> f64 {
    median(figures.iter().map(what))
}

/// A number with this many decimals; a dash where there is none.
pub(crate) fn cell(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "-".to_owned() }
}

/// The head of the table on a terminal.
#[must_use]
pub fn head() -> String {
    on_terminal(HEAD.iter().map(|word| (*word).to_owned()))
}

/// One row of it.
#[must_use]
pub fn line(row: &Row) -> String {
    on_terminal(row.cells().into_iter())
}

fn on_terminal(cells: impl Iterator<Item = String>) -> String {
    let padded = cells.zip(WIDTHS).map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// Writes a line to standard output.
///
/// # Errors
/// When nobody reads it.
pub fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

/// The circumstances of a run.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The day.
    pub date: String,
    /// The commit of the checkout.
    pub commit: String,
    /// How many cores there are.
    pub cores: usize,
    /// How often each row was measured.
    pub rounds: usize,
    /// How many seconds each window lasted.
    pub seconds: f64,
}

/// Everything a run measured.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// The main rows.
    pub rows: Vec<Row>,
    /// The rows that compare sizes of bundles with 50 policies over 50 tools.
    pub sizes: Vec<Row>,
    /// Memory of the gate and of the bare proxy.
    pub memory: Option<(Growth, Growth)>,
    /// Calls that wait for people.
    pub people: Option<People>,
    /// Instructions and allocations.
    pub costs: Vec<Cost>,
    /// How long bundles take.
    pub loading: Vec<Loading>,
    /// What could not be measured, and why.
    pub failed: Vec<String>,
}

/// One row of the table of targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    what: &'static str,
    limit: String,
    measured: String,
    met: bool,
}

impl Results {
    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Sizes against the first: name, throughput, CPU per call.
    fn compared(&self) -> Vec<(&str, f64, f64)> {
        let Some(base) = self.sizes.iter().find(|row| row.name.starts_with("50p/50t ")) else { return Vec::new() };
        let against = |row: &Row, what: fn(&Figures) -> f64| paired(&row.gate, &base.gate, |a, b| what(a) / what(b));
        self.sizes
            .iter()
            .map(|row| (row.name.as_str(), against(row, |f| f.per_second), against(row, |f| f.cpu_us)))
            .collect()
    }

    /// The targets this run can speak of.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let mut out = Vec::new();
        let mut least = |what, limit: f64, value: f64| {
            let (limit_words, measured) = (format!(">= {limit}"), cell(value, 2));
            out.push(Target { what, limit: limit_words, measured, met: value >= limit });
        };
        if let Some(row) = self.row("50p/50t 64c 100 B json read") {
            least("calls per second, share of the bare proxy's: 64 connections, 100 B", 0.5, row.share());
        }
        if let Some(row) = self.row("50p/50t 64c 64 KiB json read") {
            least("the same, 64 KiB", 0.7, row.share());
        }
        let mut most = |what, limit: f64, value: f64, unit: &str, decimals| {
            let (limit_words, measured) = (format!("<= {limit}{unit}"), format!("{}{unit}", cell(value, decimals)));
            out.push(Target { what, limit: limit_words, measured, met: value <= limit });
        };
        if let Some(row) = self.row("50p/50t 1c 100 B json read") {
            most("p50 added to the bare proxy's: 1 connection, 100 B", 120.0, row.added_us(), " us", 0);
        }
        if let Some(row) = self.row("50p/50t 64c 100 B json read") {
            most("CPU per call, multiple of the bare proxy's: 64 connections, 100 B", 3.0, row.cpu(), "", 2);
        }
        if let Some((_, speed, cpu)) = self.compared().into_iter().find(|(name, _, _)| name.starts_with("1000p/500t")) {
            most("CPU per call, 1,000 policies over 500 tools, multiple of 50 over 50", 1.2, cpu, "", 2);
            most("time per call, the same", 1.2, 1.0 / speed, "", 2);
        }
        if let Some(row) = self.loading.iter().find(|row| row.size.policies == 1000) {
            most("building again after a policy was edited, 1,000 over 500", 1000.0, row.policy_ms, " ms", 0);
        }
        if let Some((gate, _)) = &self.memory {
            most("resident memory at rest", 30.0, mebibytes(gate.idle.resident), " MiB", 1);
            most(
                "memory per session, 1,000 sessions on open connections, one call each",
                24.0,
                per_session(gate.idle, gate.called),
                " KiB",
                1,
            );
        }
        out
    }

    /// The report as Markdown.
    #[must_use]
    pub fn markdown(&self, about: &About) -> String {
        let mut out = String::from("# What the gate costs\n\n");
        let About { date, commit, cores, rounds, seconds } = about;
        let _infallible = write!(
            out,
            "Written by `cargo run --release -p bench -- run`; README.md beside this file says how to read it.\n\n\
             {date}, commit {commit}, {cores} cores, release profile. Load generator, null server, bare proxy and gate \
             share the cores. {rounds} rounds of {seconds} s for each way, in turn; medians of ratios within a round. \
             Everything is on: token, policies, schemas, labels, ledger on disk, OTLP export.\n"
        );
        let targets = self.targets();
        if !targets.is_empty() {
            section(&mut out, "Targets", &["target", "limit", "measured", ""]);
            for Target { what, limit, measured, met } in targets {
                table_row(&mut out, [what.to_owned(), limit, measured, if met { "met" } else { "missed" }.to_owned()]);
            }
        }
        if !self.failed.is_empty() {
            out.push_str("\n## Not measured\n\n");
            for words in &self.failed {
                let _infallible = writeln!(out, "- {}", words.replace('\n', " "));
            }
        }
        if !self.rows.is_empty() {
            section(&mut out, "Calls", &HEAD);
            for row in &self.rows {
                table_row(&mut out, row.cells());
            }
            out.push_str("\n`50p/50t 64c 100 B json read`: 50 policies over 50 tools, 64 connections, answers of 100 bytes of text as JSON, tools whose effect is to read.\n");
        }
        self.beside(&mut out);
        out
    }

    /// The parts of the report beside the main rows.
    fn beside(&self, out: &mut String) {
        if !self.sizes.is_empty() {
            section(
                out,
                "Policies and tools",
                &["calls", "per second, of 50p/50t", "CPU per call, of 50p/50t", "gate/bare"],
            );
            for ((name, speed, cpu), row) in self.compared().into_iter().zip(&self.sizes) {
                table_row(out, [name.to_owned(), cell(speed, 2), cell(cpu, 2), cell(row.share(), 2)]);
            }
        }
        if let Some((gate, bare)) = &self.memory {
            section(out, "Memory", &["", "gate", "gate, per session", "bare proxy", "bare, per session"]);
            for cells in memory_rows(gate, bare) {
                table_row(out, cells);
            }
            out.push_str("\nResident memory, and how much of it is the process's own (heap and stacks). Each step is on top of the one before; what a session takes is the growth of the latter since the start.\n");
        }
        if let Some(people) = &self.people {
            section(out, "People", &People::HEAD);
            people.rows().into_iter().for_each(|row| table_row(out, row));
            out.push_str("\nEach call is held on a connection of its own, and each watcher reads the stream of changes. Ratios: other calls, 16 connections, of a second gate of the same bundle where nothing waits, in turn.\n");
        }
        if !self.costs.is_empty() {
            section(
                out,
                "Instructions and allocations per call",
                &["", "instructions", "allocations", "bytes allocated"],
            );
            for cost in &self.costs {
                table_row(out, cost_cells(cost));
            }
            out.push_str("\nUser space, counted by callgrind. Whole processes are called over 16 connections.\n");
        }
        if !self.loading.is_empty() {
            let head = [
                "policies over tools",
                "build, ms",
                "one policy edited, ms",
                "one tool edited, ms",
                "one decision, us",
            ];
            section(out, "Bundles and decisions", &head);
            for row in &self.loading {
                table_row(out, loading_cells(row));
            }
            out.push_str("\nIn one process, on one thread, without traffic. An edit builds from what the bundle before it found out.\n");
        }
    }

    /// The parts beside the main rows, for a terminal.
    #[must_use]
    pub fn rest(&self) -> String {
        let mut out = String::new();
        for (name, speed, cpu) in self.compared() {
            let _infallible = writeln!(out, "{name:<34}  per second {speed:.2}, CPU per call {cpu:.2} of 50p/50t");
        }
        if let Some((gate, bare)) = &self.memory {
            for [what, gate, each, bare, bare_each] in memory_rows(gate, bare) {
                let _infallible = writeln!(out, "{what:<60}  gate {gate}  {each}  bare {bare}  {bare_each}");
            }
        }
        for [what, value] in self.people.iter().flat_map(People::rows) {
            let _infallible = writeln!(out, "{what:<72}  {value}");
        }
        for cost in &self.costs {
            let [name, instructions, allocations, bytes] = cost_cells(cost);
            let _infallible =
                writeln!(out, "{name:<44}  {instructions} instructions, {allocations} allocations, {bytes} bytes");
        }
        for row in &self.loading {
            let [size, build, policy, tool, judge] = loading_cells(row);
            let _infallible = writeln!(
                out,
                "{size:<20}  build {build} ms, one policy edited {policy} ms, one tool edited {tool} ms, one decision {judge} us"
            );
        }
        for Target { what, limit, measured, met } in self.targets() {
            let word = if met { "met" } else { "MISSED" };
            let _infallible = writeln!(out, "{what:<76}  {limit:<10}  {measured:<10}  {word}");
        }
        out
    }
}

fn section(out: &mut String, title: &str, head: &[&str]) {
    let rule = vec!["---"; head.len()].join("|");
    let _infallible = write!(out, "\n## {title}\n\n| {} |\n|{rule}|\n", head.join(" | "));
}

fn table_row(out: &mut String, cells: impl IntoIterator<Item = String>) {
    let _infallible = writeln!(out, "| {} |", cells.into_iter().collect::<Vec<_>>().join(" | "));
}

fn memory_rows(gate: &Growth, bare: &Growth) -> [[String; 5]; 4] {
    let shown = |m: Memory| format!("{:.1} MiB, own {:.1} MiB", mebibytes(m.resident), mebibytes(m.anonymous));
    let row = |what: &str, of: fn(&Growth) -> Memory| {
        let each = |growth: &Growth| {
            if of(growth) == growth.idle {
                "-".to_owned()
            } else {
                format!("{:.1} KiB", per_session(growth.idle, of(growth)))
            }
        };
        [what.to_owned(), shown(of(gate)), each(gate), shown(of(bare)), each(bare)]
    };
    [
        row("at rest", |g| g.idle),
        row("1,000 sessions, each on an open connection", |g| g.opened),
        row("after one call in each", |g| g.called),
        row("with an open GET stream for each, on a second connection", |g| g.streams),
    ]
}

fn cost_cells(cost: &Cost) -> [String; 4] {
    let dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| cell(v, 0));
    [cost.name.clone(), thousands(cost.instructions), dash(cost.allocations), dash(cost.bytes)]
}

fn loading_cells(row: &Loading) -> [String; 5] {
    let Loading { size, build_ms, policy_ms, tool_ms, judge_us } = row;
    [
        format!("{} over {}", size.policies, size.tools),
        cell(*build_ms, 0),
        cell(*policy_ms, 0),
        cell(*tool_ms, 0),
        cell(*judge_us, 1),
    ]
}

fn thousands(count: u64) -> String {
    if count < 10_000 { count.to_string() } else { format!("{}k", (count + 500) / 1000) }
}

#[expect(clippy::cast_precision_loss, reason = "memory of a process is far below 2^52 bytes")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Growth of a process's own memory for each session, in KiB.
#[expect(clippy::cast_precision_loss, reason = "memory of a process is far below 2^52 bytes")]
fn per_session(idle: Memory, then: Memory) -> f64 {
    then.anonymous.saturating_sub(idle.anonymous) as f64 / 1024.0 / SESSIONS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(per_second: f64, p50_us: f64, cpu_us: f64) -> Figures {
        Figures { per_second, p50_us, p99_us: p50_us * 2.0, p999_us: p50_us * 3.0, cpu_us }
    }

    fn row(name: &str, gate: &[Figures], bare: &[Figures]) -> Row {
        Row { gate: gate.to_vec(), bare: bare.to_vec(), ..Row::new(name) }
    }

    #[test]
    fn the_median_is_the_middle_one_or_the_mean_of_two() {
        assert!((median([9.0, 1.0, 5.0].into_iter()) - 5.0).abs() < 1e-9);
        assert!((median([4.0, 1.0, 2.0, 9.0].into_iter()) - 3.0).abs() < 1e-9);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn ratios_are_taken_within_a_round_so_that_a_slow_one_does_not_count() {
        // The second round met a busy machine; both ways suffered alike.
        let gate = [figures(50.0, 300.0, 30.0), figures(5.0, 3000.0, 33.0), figures(60.0, 290.0, 29.0)];
        let bare = [figures(100.0, 200.0, 10.0), figures(10.0, 2000.0, 11.0), figures(100.0, 200.0, 10.0)];
        let row = row("50p/50t 64c 100 B json read", &gate, &bare);
        assert!((row.share() - 0.5).abs() < 1e-9, "{}", row.share());
        assert!((row.added_us() - 100.0).abs() < 1e-9, "{}", row.added_us());
        assert!((row.cpu() - 3.0).abs() < 1e-9, "{}", row.cpu());
    }

    #[test]
    fn targets_are_judged_and_those_without_figures_are_not_named() {
        let main = row("50p/50t 64c 100 B json read", &[figures(60.0, 1.0, 31.0)], &[figures(100.0, 1.0, 10.0)]);
        let sizes = vec![
            row("50p/50t 64c 100 B json read", &[figures(100.0, 1.0, 10.0)], &[]),
            row("1000p/500t 64c 100 B json read", &[figures(90.0, 1.0, 13.0)], &[]),
        ];
        let memory = |own| Memory { resident: own + (20 << 20), anonymous: own };
        let growth = Growth {
            idle: memory(0),
            opened: memory(10_240_000),
            called: memory(20_480_000),
            streams: memory(30_720_000),
        };
        let results = Results { rows: vec![main], sizes, memory: Some((growth, growth)), ..Results::default() };
        let told: Vec<(String, bool)> = results.targets().into_iter().map(|t| (t.measured, t.met)).collect();
        let expected =
            [("0.60", true), ("3.10", false), ("1.30", false), ("1.11", true), ("20.0 MiB", true), ("20.0 KiB", true)];
        assert_eq!(told, expected.map(|(words, met)| (words.to_owned(), met)));
        assert!(Results::default().targets().is_empty());
        let text = results.markdown(&About { commit: "abc".to_owned(), ..About::default() });
        for part in [
            "commit abc",
            "## Targets",
            "| 3.10 | missed |",
            "## Memory",
            "| 1000p/500t 64c 100 B json read | 0.90 | 1.30 |",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
