//! Policy tests: `*.test.toml` beside the policies say who asks for what under which circumstances, and what must come of it.
//!
//! A test is put to a snapshot by [`Case::judge`], the code that judges live calls. Files are the caller's to read;
//! test files are no part of a snapshot and change no digest.

mod cedar;
mod read;
mod written;

use std::collections::BTreeSet;

use pdp::decision::{Decision, Obligation, Reason};
use pdp::policy::{Judgement, Written};
use pdp::snapshot::Snapshot;

use super::case::{Case, CaseFault};
use super::vouched;

pub use cedar::{Export, export};
pub use read::read;

/// The ending of a test file's name.
pub const ENDING: &str = ".test.toml";

/// The JSON Schema of a test file (draft 2020-12).
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(written::SuiteFile)
}

/// One case with what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// What must hold, in the author's words.
    pub name: String,
    /// The file, as shown to the author.
    pub file: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// What is asked.
    pub case: Case,
    /// Whether the labels of its sinks follow from the rest, since the author does not say them.
    pub derives: bool,
    /// What must come of it.
    pub expected: Expected,
}

/// What is expected. Only what an author wrote is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The decision.
    pub decision: Decided,
    /// Exactly the rules that speak.
    pub rules: Option<BTreeSet<String>>,
    /// Words that stand in what is told.
    pub reason: Option<String>,
    /// Exactly the obligations of an allowance.
    pub obligations: Option<BTreeSet<Obligation>>,
}

/// A decision without its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// May proceed.
    Allow,
    /// May proceed with exactly these grants.
    Escalate(BTreeSet<String>),
    /// May not proceed.
    Deny,
}

/// What came of a test.
#[derive(Debug, Clone)]
pub struct Verdict<'t> {
    /// The test.
    pub test: &'t Test,
    /// What was judged, or why it never came to that.
    pub got: Result<Judgement, CaseFault>,
    /// Where that is not what was expected; nothing for a test that passed.
    pub differences: Vec<Difference>,
}

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// What: `decision`, `rules`, `reason`, `obligations`.
    pub field: &'static str,
    /// As it was expected.
    pub expected: String,
    /// As it came.
    pub got: String,
}

/// Judges every test by a snapshot.
#[must_use]
pub fn run<'t>(tests: impl IntoIterator<Item = &'t Test>, snapshot: &Snapshot) -> Vec<Verdict<'t>> {
    let verdict = |test: &'t Test| {
        let got = test.asked(snapshot).judge(snapshot);
        let differences = test.expected.differences(&got, snapshot);
        Verdict { test, got, differences }
    };
    tests.into_iter().map(verdict).collect()
}

impl Test {
    /// What is asked of this snapshot.
    fn asked(&self, snapshot: &Snapshot) -> Case {
        if self.derives { vouched::derived(&self.case, snapshot) } else { self.case.clone() }
    }
}

impl Expected {
    fn differences(&self, got: &Result<Judgement, CaseFault>, snapshot: &Snapshot) -> Vec<Difference> {
        let mut out = Vec::new();
        let mut differ = |field, expected: String, got: String| out.push(Difference { field, expected, got });
        let judgement = match got {
            Ok(judgement) => judgement,
            Err(fault) => {
                differ("decision", self.decision.words(), format!("no decision: {fault}"));
                return out;
            }
        };
        let decided = Decided::of(&judgement.decision);
        // A denial that only comes of a policy that cannot be evaluated is no rule at work.
        let broken = matches!(judgement.decision, Decision::Deny(Reason::Fault(_))) && self.reason.is_none();
        if decided != self.decision || broken {
            differ("decision", self.decision.words(), told(&judgement.decision));
        }
        let rules: BTreeSet<String> = judgement.rules.iter().map(|rule| rule.id.clone()).collect();
        if let Some(expected) = self.rules.as_ref().filter(|expected| **expected != rules) {
            let known = snapshot.policies().projection();
            let unknown = expected.iter().find(|id| !known.contains_key(*id));
            let hint = unknown.map(|id| format!(" (there is no policy `{id}`)")).unwrap_or_default();
            differ("rules", list(expected), list(&rules) + &hint);
        }
        let reasons = reasons(judgement);
        if let Some(words) = self.reason.as_ref().filter(|words| !reasons.iter().any(|r| r.contains(words.as_str()))) {
            let got = if reasons.is_empty() { "no reason".to_owned() } else { reasons.join("; ") };
            differ("reason", format!("... {words} ..."), got);
        }
        let obligations = match &judgement.decision {
            Decision::Allow(obligations) => obligations.clone(),
            Decision::Escalate(_) | Decision::Deny(_) => BTreeSet::new(),
        };
        if let Some(expected) = &self.obligations {
            let names = |of: &BTreeSet<Obligation>| list(&of.iter().map(Obligation::name).collect());
            if names(expected) != names(&obligations) {
                differ("obligations", names(expected), names(&obligations));
            }
        }
        out
    }
}

impl Decided {
    fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Allow(_) => Self::Allow,
            Decision::Escalate(grants) => Self::Escalate(grants.clone()),
            Decision::Deny(_) => Self::Deny,
        }
    }

    /// As it is shown.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Allow => "allow".to_owned(),
            Self::Escalate(grants) => format!("escalate to {}", list(grants)),
            Self::Deny => "deny".to_owned(),
        }
    }
}

/// A decision as it is shown, with the reason where no rule gives one.
fn told(decision: &Decision) -> String {
    match decision {
        Decision::Allow(_) | Decision::Escalate(_) | Decision::Deny(Reason::Forbidden) => Decided::of(decision).words(),
        Decision::Deny(Reason::NoPermit) => "deny: no policy permits it".to_owned(),
        Decision::Deny(Reason::Unjudgeable(why)) => format!("deny: {why}"),
        Decision::Deny(Reason::Fault(why)) => format!("deny: a policy could not be evaluated: {why}"),
    }
}

/// What is told beside a decision: the reasons of the rules that spoke, or why none did.
fn reasons(judgement: &Judgement) -> Vec<String> {
    let own = match &judgement.decision {
        Decision::Allow(_) | Decision::Escalate(_) | Decision::Deny(Reason::Forbidden) => None,
        Decision::Deny(Reason::NoPermit) => Some("no policy permits it".to_owned()),
        Decision::Deny(Reason::Unjudgeable(why) | Reason::Fault(why)) => Some(why.clone()),
    };
    own.into_iter().chain(judgement.rules.iter().map(|r| r.reason.clone()).filter(|r| !r.is_empty())).collect()
}

fn list(words: &BTreeSet<String>) -> String {
    if words.is_empty() { "none".to_owned() } else { words.iter().cloned().collect::<Vec<_>>().join(", ") }
}

/// Which policies decided a case, and which never did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage<'p> {
    /// How many policies there are.
    pub all: usize,
    /// Those that decided no case, in the order they stand in.
    pub never: Vec<&'p Written>,
}

impl<'p> Coverage<'p> {
    /// The coverage of `policies` by what was judged. A permit under a forbid that spoke has decided nothing.
    #[must_use]
    pub fn of(verdicts: &[Verdict<'_>], policies: &'p [Written]) -> Self {
        let judged = verdicts.iter().filter_map(|verdict| verdict.got.as_ref().ok());
        let decided: BTreeSet<&str> = judged.flat_map(|j| j.rules.iter().map(|rule| rule.id.as_str())).collect();
        let never = policies.iter().filter(|policy| !decided.contains(policy.id.as_str())).collect();
        Self { all: policies.len(), never }
    }

    /// How many policies decided a case.
    #[must_use]
    pub fn decided(&self) -> usize {
        self.all.saturating_sub(self.never.len())
    }

    /// The part that did, in whole per cent, rounded down.
    #[must_use]
    pub fn percent(&self) -> usize {
        (self.decided() * 100).checked_div(self.all).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests;
