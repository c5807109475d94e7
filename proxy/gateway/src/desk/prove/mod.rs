//! Proofs: what no call whatever may do, shown for every request at once, or refuted with a call that does it.
//!
//! Policies and claims are translated to logic (`cedar-policy-symcc`, whose translation is verified in Lean) and a solver
//! looks for a request that is permitted and breaks a claim. What is proved is the compiled policies. A request that was
//! found is shown only as what it is: it is judged again by the decision point. Nothing here is on the path of a call.

mod claims;
mod compare;
mod example;
mod kinds;
mod question;
mod solver;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pdp::fault::{Fault, SourceFile};
use pdp::snapshot::{Snapshot, Sources};
use serde::Serialize;
use tokio::runtime::Runtime;

pub use compare::compare;
pub use example::Example;
pub(super) use kinds::other_method;
pub use solver::{NoSolver, Solver};

use super::law::{Law, Place};
use claims::{Claim, Claims};
use question::{Bench, Outcome};
use solver::Session;

/// How many solvers work at once.
const WORKERS: usize = 2;

/// What is to be proved of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The bundle.
    pub snapshot: &'a Snapshot,
    /// The files it was built from.
    pub sources: &'a Sources,
    /// The invariants: policy files whose forbids are claims.
    pub invariants: &'a [SourceFile],
    /// How long one question may take.
    pub limit: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The bundle's digest.
    pub snapshot: String,
    /// The solver and its version.
    pub solver: String,
    /// One per claim, the invariants first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing was refuted and nothing is open.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.iter().all(|finding| match finding.verdict {
            Verdict::Proved | Verdict::NotApplicable => true,
            Verdict::Violated | Verdict::Unknown => false,
        })
    }
}

/// One claim and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The invariant's `@id`, or the name of a built-in claim.
    pub name: String,
    /// What is claimed, in words.
    pub claim: String,
    /// Where it stands; nothing for a built-in one.
    #[serde(serialize_with = "shown", skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whether it holds.
    pub verdict: Verdict,
    /// How much was looked at: actions for an invariant, policies for a built-in claim that is about each of them.
    pub looked_at: usize,
    /// What breaks it.
    pub violations: Vec<Violation>,
    /// What could not be settled, and why.
    pub open: Vec<String>,
}

fn shown<S: serde::Serializer>(place: &Option<Place>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&place.as_ref().map(ToString::to_string).unwrap_or_default())
}

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// For every request.
    Proved,
    /// Not for some request.
    Violated,
    /// It is not settled: the solver did not come to an end, or the claim says nothing.
    Unknown,
    /// There is nothing it is about.
    NotApplicable,
}

impl Verdict {
    /// As it is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proved => "PROVED",
            Self::Violated => "VIOLATED",
            Self::Unknown => "UNKNOWN",
            Self::NotApplicable => "NOT APPLICABLE",
        }
    }
}

/// What breaks a claim.
#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    /// What it is about: an action, or a policy.
    pub subject: String,
    /// A call that shows it, where one could be read from the solver.
    pub example: Option<Example>,
}

/// Proves or refutes every invariant, and what is claimed of every bundle.
///
/// # Errors
/// Every fault of the invariants' files.
pub fn prove(asked: &Asked<'_>, solver: &Solver) -> Result<Report, Vec<Fault>> {
    let claims = Claims::load(asked.invariants, asked.sources)?;
    let law = Law::of(asked.snapshot, &asked.sources.policies);
    let bench =
        Bench::new(asked.snapshot, &law, &claims).map_err(|words| vec![Fault::of_file("registry", words, "")])?;
    let claimed = claims.all(&law);
    let jobs: Vec<(usize, &Claim, usize)> = claimed
        .iter()
        .enumerate()
        .flat_map(|(n, claim)| (0..bench.items(claim)).map(move |item| (n, claim, item)))
        .collect();
    let outcomes = in_parallel(&jobs, solver, asked.limit, |runtime, session, (n, claim, item)| {
        (*n, runtime.block_on(Box::pin(bench.settle(session, claim, *item))))
    });
    let outcomes = outcomes.map_err(|words| vec![Fault::of_file("the prover", words, "")])?;
    let findings = claimed
        .iter()
        .enumerate()
        .map(|(n, claim)| finding(claim, outcomes.iter().filter(|(of, _)| *of == n).map(|(_, outcome)| outcome)));
    Ok(Report {
        snapshot: asked.snapshot.digest().to_string(),
        solver: solver.version().to_owned(),
        findings: findings.collect(),
    })
}

/// Works through jobs, two at a time, each worker with a solver of its own. The solver's library is asynchronous: each worker
/// has a runtime too, so that whoever asks needs none and may be within one. Answers stand in the order of the jobs.
fn in_parallel<J: Sync, R: Send>(
    jobs: &[J],
    solver: &Solver,
    limit: Duration,
    work: impl Fn(&Runtime, &mut Session<'_>, &J) -> R + Sync,
) -> Result<Vec<R>, String> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    let worker = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| format!("no runtime can be had: {e}"))?;
        let mut session = Session::new(solver, limit);
        loop {
            let n = next.fetch_add(1, Ordering::SeqCst);
            let Some(job) = jobs.get(n) else { return Ok(()) };
            let answer = work(&runtime, &mut session, job);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((n, answer));
        }
    };
    let ended: Result<(), String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS.min(jobs.len())).map(|_| scope.spawn(worker)).collect();
        let gone = |_| Err("a worker ended before its time".to_owned());
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(gone))
    });
    ended?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Whoever was first: a report must not depend on chance.
    done.sort_by_key(|(n, _)| *n);
    Ok(done.into_iter().map(|(_, answer)| answer).collect())
}

fn finding<'o>(claim: &Claim, outcomes: impl Iterator<Item = &'o Outcome>) -> Finding {
    let mut found = Finding {
        name: claim.name.clone(),
        claim: claim.words.clone(),
        place: claim.place.clone(),
        verdict: Verdict::NotApplicable,
        looked_at: 0,
        violations: Vec::new(),
        open: Vec::new(),
    };
    for outcome in outcomes {
        match outcome {
            Outcome::Nothing => continue,
            Outcome::Holds => {}
            Outcome::Broken(violation) => found.violations.push((**violation).clone()),
            Outcome::Open(why) => found.open.push(why.clone()),
        }
        found.looked_at += 1;
    }
    found.verdict = match (found.looked_at, found.violations.is_empty(), found.open.is_empty()) {
        (0, _, _) => Verdict::NotApplicable,
        (_, false, _) => Verdict::Violated,
        (_, true, false) => Verdict::Unknown,
        (_, true, true) => Verdict::Proved,
    };
    found
}
