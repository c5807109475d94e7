//! What was measured, as text: medians and ratios. Knows nothing of how it was measured.

use std::io::Write as _;

use crate::load::Measured;

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

    /// The median over the rounds of gate and bare proxy, put together within each round.
    #[must_use]
    pub fn paired(&self, together: impl Fn(&Figures, &Figures) -> f64) -> f64 {
        median(self.gate.iter().zip(&self.bare).map(|(gate, bare)| together(gate, bare)))
    }
}

/// The median; of an even number of values the mean of the middle two.
#[must_use]
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    let at = |n: usize| all.get(n).copied().unwrap_or(f64::NAN);
    if all.len() % 2 == 1 { at(all.len() / 2) } else { (at((all.len() / 2).wrapping_sub(1)) + at(all.len() / 2)) / 2.0 }
}

fn of(figures: &[Figures], what: impl Fn(&Figures) -> f64) -> f64 {
    median(figures.iter().map(what))
}

/// The head of the table on the terminal.
#[must_use]
pub fn head() -> String {
    format!(
        "{:<32} {:>8} {:>8} {:>8} {:>9} {:>9}  {:>17}  {:>17}  {:>9} {:>6} {:>6} {:>6}",
        "",
        "direct/s",
        "bare/s",
        "gate/s",
        "gate/bare",
        "bare/dir.",
        "bare p50/99/99.9",
        "gate p50/99/99.9",
        "p50 added",
        "cpu b",
        "cpu g",
        "cpu x"
    )
}

/// One row of it. Times in microseconds.
#[must_use]
pub fn line(row: &Row) -> String {
    let latencies = |figures: &[Figures]| {
        format!("{:.0}/{:.0}/{:.0}", of(figures, |f| f.p50_us), of(figures, |f| f.p99_us), of(figures, |f| f.p999_us))
    };
    format!(
        "{:<32} {:>8.0} {:>8.0} {:>8.0} {:>9.3} {:>9.3}  {:>17}  {:>17}  {:>9.0} {:>6.1} {:>6.1} {:>6.2}",
        row.name,
        of(&row.direct, |f| f.per_second),
        of(&row.bare, |f| f.per_second),
        of(&row.gate, |f| f.per_second),
        row.paired(|gate, bare| gate.per_second / bare.per_second),
        median(row.bare.iter().zip(&row.direct).map(|(bare, direct)| bare.per_second / direct.per_second)),
        latencies(&row.bare),
        latencies(&row.gate),
        row.paired(|gate, bare| gate.p50_us - bare.p50_us),
        of(&row.bare, |f| f.cpu_us),
        of(&row.gate, |f| f.cpu_us),
        row.paired(|gate, bare| gate.cpu_us / bare.cpu_us),
    )
}

/// Writes a line to standard output.
///
/// # Errors
/// When nobody reads it.
pub fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
