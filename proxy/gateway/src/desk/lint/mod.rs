//! What is no fault in a bundle and yet probably a mistake: rules that never speak, rules that can err, words nobody sets.
//!
//! Found without a solver, by looking at what was written; so a warning can be missing, and each names what it saw. `prove`
//! finds more. Reads no files and prints nothing.

mod bundle;
mod contradiction;
mod expression;
mod rule;

use std::collections::{BTreeMap, BTreeSet};

use pdp::fault::{Fault, SourceFile};
use pdp::policy::{Reach, Written};
use pdp::registry::Registry;
use pdp::snapshot::{Snapshot, Sources};

/// A kind of warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lint {
    /// A policy that no call can match.
    DeadRule,
    /// A policy whose evaluation can fail, which denies the call.
    CanErr,
    /// A policy that matches a path, a URL or a host as it was written, and not where it leads.
    RawPath,
    /// A permit that permits nothing a broader one does not.
    RedundantPermit,
    /// A label that a policy looks for and nothing sets.
    UnsetLabel,
    /// A grant in the vocabulary that no policy asks for.
    UnusedGrant,
    /// A reviewed tool that no permit's scope fits.
    UnpermittedTool,
    /// A tool whose effect nobody has reviewed.
    UnreviewedEffect,
    /// A tool that is withheld for another reason.
    WithheldTool,
    /// Characters in a policy that hide, or pass for others.
    OddCharacters,
}

impl Lint {
    /// Every kind, in the order they are explained.
    pub const ALL: [Self; 10] = [
        Self::DeadRule,
        Self::CanErr,
        Self::RawPath,
        Self::RedundantPermit,
        Self::UnsetLabel,
        Self::UnusedGrant,
        Self::UnpermittedTool,
        Self::UnreviewedEffect,
        Self::WithheldTool,
        Self::OddCharacters,
    ];

    /// The name it is shown, looked up and switched off by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DeadRule => "dead-rule",
            Self::CanErr => "can-err",
            Self::RawPath => "raw-path",
            Self::RedundantPermit => "redundant-permit",
            Self::UnsetLabel => "unset-label",
            Self::UnusedGrant => "unused-grant",
            Self::UnpermittedTool => "unpermitted-tool",
            Self::UnreviewedEffect => "unreviewed-effect",
            Self::WithheldTool => "withheld-tool",
            Self::OddCharacters => "odd-characters",
        }
    }
}

/// One warning: what kind, and what, where, with its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The kind.
    pub lint: Lint,
    /// What was found.
    pub found: Fault,
}

/// What the lints look at.
struct Look<'a> {
    snapshot: &'a Snapshot,
    registry: &'a Registry,
    sources: &'a Sources,
    policies: &'a [Written],
    /// The policies by their names.
    named: BTreeMap<&'a str, &'a Written>,
    reach: Vec<Reach<'a>>,
    /// For each policy's name the actions its scope fits, as places in `reach`.
    actions: BTreeMap<&'a str, BTreeSet<usize>>,
}

/// Every warning of a bundle that has no fault, in the order of files and lines.
#[must_use]
pub fn warnings(snapshot: &Snapshot, sources: &Sources) -> Vec<Warning> {
    // What a snapshot was built from can be read.
    let policies = pdp::policy::written(&sources.policies).unwrap_or_default();
    let look = Look::at(snapshot, sources, &policies);
    let mut out = Vec::new();
    let dead = rule::dead(&look, &mut out);
    rule::odd(&look, &mut out);
    rule::careless(&look, &mut out);
    rule::redundant(&look, &dead, &mut out);
    bundle::labels(&look, &mut out);
    bundle::grants(&look, &mut out);
    bundle::tools(&look, &dead, &mut out);
    out.sort_by(|a, b| (&a.found, a.lint).cmp(&(&b.found, b.lint)));
    out
}

impl<'a> Look<'a> {
    fn at(snapshot: &'a Snapshot, sources: &'a Sources, policies: &'a [Written]) -> Self {
        let named: BTreeMap<&str, &Written> = policies.iter().map(|policy| (policy.id.as_str(), policy)).collect();
        let reach = snapshot.policies().reach();
        let mut actions: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (n, action) in reach.iter().enumerate() {
            for policy in action.policies.iter().filter_map(|id| named.get(id.as_str())) {
                actions.entry(policy.id.as_str()).or_default().insert(n);
            }
        }
        Self { snapshot, registry: snapshot.registry(), sources, policies, named, reach, actions }
    }

    /// The policies that can speak of an action, a place in `reach`.
    fn speaking(&self, action: usize) -> impl Iterator<Item = &'a Written> {
        let names = self.reach.get(action).map(|reach| reach.policies.as_slice()).unwrap_or_default();
        names.iter().filter_map(|id| self.named.get(id.as_str()).copied())
    }

    /// The actions a policy's scope fits; nothing for one that fits none.
    fn actions(&self, policy: &Written) -> Option<&BTreeSet<usize>> {
        self.actions.get(policy.id.as_str())
    }

    /// The file a policy stands in.
    fn file(&self, policy: &Written) -> Option<&SourceFile> {
        self.sources.policies.iter().find(|file| file.path == policy.file)
    }

    /// A finding at the first of these texts that stands in the policy, or else at its name.
    fn in_policy(&self, policy: &Written, texts: &[String], message: String, remedy: impl Into<String>) -> Fault {
        let Some(file) = self.file(policy) else { return Fault::of_file(&policy.file, message, remedy) };
        let own = file.text.get(policy.range.clone()).unwrap_or_default();
        let found = texts.iter().find_map(|text| own.find(text.as_str()).map(|at| at..at + text.len()));
        let name = format!("\"{}\"", policy.id);
        let range = found.or_else(|| own.find(&name).map(|at| at..at + name.len())).unwrap_or(0..0);
        let start = policy.range.start;
        Fault::over(file, start + range.start..start + range.end, message, remedy)
    }
}

#[cfg(test)]
mod tests;
