//! What it costs to tell where arguments come from: guarded calls through the pipeline alone, four ways side by side.
//!
//! The ways take turns within each round, so that a busy moment meets all of them.

use std::fmt::Write as _;
use std::time::Instant;

use crate::bundle::{Kind, Size};
use crate::path::{Path, Setup};

/// How much the task has read before.
const READ_BYTES: usize = 1 << 20;
/// How many calls one round makes each way.
const CALLS: usize = 400;
const SIZE: Size = Size { policies: 50, tools: 50 };

/// A policy that looks at the origin of two arguments of every call that is measured.
const HERE: &str = r#"@id("bench-origin") forbid (principal, action in Gate::Action::"write", resource)
when { context.gate.origin.path.contains(Gate::Label::"secret") || context.gate.origin.query.contains(Gate::Label::"secret") };"#;
/// The same of calls that are not measured.
const ELSEWHERE: &str = r#"@id("bench-origin") forbid (principal, action in Gate::Action::"egress", resource)
when { context.gate.origin.path.contains(Gate::Label::"secret") };"#;

/// Name, policy beside the bundle's, and how much is read before.
const WAYS: [(&str, &str, usize); 5] = [
    ("no policy looks at origin, 1 MiB read", "", READ_BYTES),
    ("a policy looks at other calls, nothing read", ELSEWHERE, 0),
    ("a policy looks at other calls, 1 MiB read", ELSEWHERE, READ_BYTES),
    ("a policy looks at two arguments, nothing read", HERE, 0),
    ("a policy looks at two arguments, 1 MiB read", HERE, READ_BYTES),
];

/// Measures every way this many times, and tells microseconds per call: the median and the least of the rounds.
///
/// # Errors
/// When a bundle does not build or a call is refused.
pub async fn measure(rounds: usize) -> anyhow::Result<String> {
    let mut ways = Vec::new();
    for (name, law, read) in WAYS {
        let begun = Instant::now();
        let path = Path::open_with(Setup { size: SIZE, bytes: 100, kind: Kind::Write, law, read_first: read }).await?;
        ways.push((name, path, begun.elapsed(), Vec::new()));
    }
    for _ in 0..rounds {
        for (_, path, _, figures) in &mut ways {
            let begun = Instant::now();
            path.calls(CALLS).await?;
            #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
            figures.push(begun.elapsed().as_secs_f64() * 1e6 / CALLS as f64);
        }
    }
    let mut out = format!("{:<48} {:>9} {:>9}\n", "us per call of the pipeline alone", "median", "least");
    for (name, _, _, mut figures) in ways {
        figures.sort_by(f64::total_cmp);
        let median = figures.get(figures.len() / 2).copied().unwrap_or_default();
        let least = figures.first().copied().unwrap_or_default();
        writeln!(out, "{name:<48} {median:>9.1} {least:>9.1}")?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[tokio::test]
    async fn every_way_lets_the_measured_calls_pass() {
        for (_, law, read_first) in WAYS {
            let setup = Setup { size: SIZE, bytes: 100, kind: Kind::Write, law, read_first: read_first / 64 };
            Path::open_with(setup).await.unwrap().calls(3).await.unwrap();
        }
    }
}
