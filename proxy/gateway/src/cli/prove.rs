//! `wicketgate policy prove`: claims about the policies, proved or refuted with a call.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::{Places, print};
use crate::desk::prove::{Asked, Example, Finding, Report, Solver, Verdict, prove};
use crate::desk::telling;
use crate::reload;

/// The exit code when nothing could be proved because there is no solver.
const NO_SOLVER: u8 = 3;

/// What is asked of the prover.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 every claim is proved, or is about no action; 1 one is violated or not settled, or the bundle \
or the claims cannot be read; 2 wrong usage; 3 there is no solver (cvc5), so nothing was proved."
)]
pub(super) struct Prove {
    /// The folder with the claims [default: `invariants` below the policies]
    #[arg(long, value_name = "DIR")]
    invariants: Option<PathBuf>,
    /// How many seconds one question to the solver may take; beyond it the claim is UNKNOWN, which is no proof
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS", value_parser = seconds)]
    timeout: f64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// A time limit that can be meant: a day at most.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(seconds),
        Ok(_) | Err(_) => Err("write a number of seconds from 0.001 to 86400".to_owned()),
    }
}

pub(super) fn run(places: &Places, asked: &Prove) -> ExitCode {
    let loaded = super::policy::loaded(places).and_then(|loaded| {
        let claims = reload::invariants(loaded.config.bundle.as_ref(), asked.invariants.as_deref());
        Ok((claims.map_err(|faults| super::told(&faults))?, loaded))
    });
    let (invariants, loaded) = match loaded {
        Ok(loaded) => loaded,
        Err(words) => return print::failed(&words),
    };
    let solver = match Solver::find(std::env::var_os("CVC5"), std::env::var_os("PATH")) {
        Ok(solver) => solver,
        Err(none) => {
            print::failed(&none.to_string());
            return ExitCode::from(NO_SOLVER);
        }
    };
    let limit = Duration::from_secs_f64(asked.timeout);
    let whole = Asked { snapshot: &loaded.snapshot, sources: &loaded.sources, invariants: &invariants, limit };
    let report = match prove(&whole, &solver) {
        Ok(report) => report,
        Err(faults) => return print::failed(&super::told(&faults)),
    };
    if asked.json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => print::line(&text),
            Err(e) => return print::failed(&format!("the report cannot be written: {e}")),
        }
    } else {
        print::line(shown(&report).trim_end());
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many examples one claim shows.
const EXAMPLES_MAX: usize = 3;

fn shown(report: &Report) -> String {
    let (built_in, own): (Vec<&Finding>, Vec<&Finding>) = report.findings.iter().partition(|f| f.place.is_none());
    let mut out = format!(
        "{} invariants and {} built-in claims about snapshot {}, by {}\n\n",
        own.len(),
        built_in.len(),
        report.snapshot.get(..19).unwrap_or(&report.snapshot),
        report.solver
    );
    report.findings.iter().for_each(|found| finding(found, &mut out));
    let count = |verdict: Verdict| report.findings.iter().filter(|f| f.verdict == verdict).count();
    out.push_str(&format!(
        "\n{} proved, {} violated, {} unknown, {} not applicable\n",
        count(Verdict::Proved),
        count(Verdict::Violated),
        count(Verdict::Unknown),
        count(Verdict::NotApplicable)
    ));
    out
}

fn finding(found: &Finding, out: &mut String) {
    let about = match (found.verdict, found.place.is_some(), found.looked_at) {
        (Verdict::NotApplicable, ..) => "no action is in its scope".to_owned(),
        (_, true, 1) => "1 action".to_owned(),
        (_, true, n) => format!("{n} actions"),
        (_, false, n) => format!("{n} looked at"),
    };
    out.push_str(&format!("{:<15} {}: {} ({about})\n", found.verdict.word(), found.name, found.claim));
    if let (Verdict::Violated | Verdict::Unknown, Some(place)) = (found.verdict, &found.place) {
        out.push_str(&format!("  it stands at {place}\n"));
    }
    for violation in found.violations.iter().take(EXAMPLES_MAX) {
        match &violation.example {
            Some(example) => example_shown(&violation.subject, example, found, out),
            None if found.name == "no-dead-policy" => {
                out.push_str(&format!(
                    "  {} can never speak: its conditions contradict each other or its scope. Mend or delete it.\n",
                    violation.subject
                ));
            }
            None if found.name == "grants-only-widen" => {
                out.push_str(&format!("  {}: holding the grant permits less\n", violation.subject));
            }
            None => {
                out.push_str(&format!("  {}: broken, but the solver's example could not be read\n", violation.subject))
            }
        }
    }
    if found.violations.len() > EXAMPLES_MAX {
        let more: Vec<&str> =
            found.violations.iter().skip(EXAMPLES_MAX).map(|violation| violation.subject.as_str()).collect();
        out.push_str(&format!("  and for {}\n", more.join(", ")));
    }
    if found.verdict == Verdict::Violated && found.place.is_some() {
        out.push_str("  What to do: write or mend a forbid so that it stops such calls, or take the claim back.\n");
    }
    for why in &found.open {
        out.push_str(&format!("  not settled: {why}\n"));
    }
}

fn example_shown(subject: &str, example: &Example, found: &Finding, out: &mut String) {
    let own = found.place.is_some();
    let words = match (own, example.judged_again) {
        (true, true) => "this call is permitted, and the claim says that none such is:",
        (true, false) => {
            "the policies permit such a request on paper; no call that the gate would let so far was found. The \
             solver's request:"
        }
        (false, true) => "with this call it errs, and the call is denied for that alone:",
        (false, false) => "with such a request it errs on paper; no call that the gate would let so far was found:",
    };
    out.push_str(&format!("  {subject}: {words}\n"));
    let mut lines = example.told.clone();
    lines.push(("decision", example.decision.clone()));
    out.push_str(&telling::aligned(&lines, 4));
    for hint in &example.hints {
        out.push_str(&format!("  {hint}\n"));
    }
}
