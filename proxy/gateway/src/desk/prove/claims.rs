//! Claims: the invariants of a bundle, and what is claimed of every bundle.
//!
//! An invariant is a `forbid` in a file of its own: no permitted request may match it. It is written and compiled exactly
//! as a policy is, so `@approval("x")` on it means "unless `x` was granted". It forbids nothing.

use pdp::fault::{Fault, SourceFile};
use pdp::snapshot::{Snapshot, Sources};

use crate::desk::case::Case;
use crate::desk::law::{Effect, Law, Place, Written};

/// The id of the permit that lets a claim be asked whether it fits a call.
const EVERYTHING: &str = "(everything)";

/// What is claimed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) words: String,
    pub(super) place: Option<Place>,
    pub(super) kind: ClaimKind,
}

/// Of what kind a claim is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ClaimKind {
    /// No permitted request matches this forbid.
    Invariant(Box<Written>),
    /// No policy can err.
    NeverErrs,
    /// Every policy can match.
    NoneDead,
    /// A call that holds a grant more may do no less.
    GrantsWiden,
}

/// The invariants, loaded.
#[derive(Debug)]
pub(super) struct Claims {
    law: Law,
    snapshot: Snapshot,
}

impl Claims {
    /// Loads the invariants' files against the registry of a bundle.
    ///
    /// # Errors
    /// Every fault of the files.
    pub(super) fn load(files: &[SourceFile], bundle: &Sources) -> Result<Self, Vec<Fault>> {
        let permit = format!("@id({EVERYTHING:?}) permit (principal, action, resource);");
        let base = SourceFile { path: "every call".to_owned(), text: permit };
        let policies = std::iter::once(base).chain(files.iter().cloned()).collect();
        let snapshot = Snapshot::build(&Sources { policies, registry: bundle.registry.clone() })?;
        let law = Law::of(&snapshot, files);
        let faults: Vec<Fault> = law.iter().filter(|policy| policy.id != EVERYTHING).filter_map(fault).collect();
        if faults.is_empty() { Ok(Self { law, snapshot }) } else { Err(faults) }
    }

    /// Everything that is claimed of a bundle's policies.
    pub(super) fn all(&self, law: &Law) -> Vec<Claim> {
        let invariants = self.law.iter().filter(|policy| policy.id != EVERYTHING).map(|policy| Claim {
            name: policy.id.clone(),
            words: policy.reason.clone(),
            place: policy.place.clone(),
            kind: ClaimKind::Invariant(Box::new(policy.clone())),
        });
        let built_in = [
            ("never-errs", "no policy can err, whatever the call", ClaimKind::NeverErrs),
            ("no-dead-policy", "every policy speaks for some call", ClaimKind::NoneDead),
            ("grants-only-widen", "whoever holds a grant more may do no less", ClaimKind::GrantsWiden),
        ];
        let built_in = built_in.into_iter().map(|(name, words, kind)| Claim {
            name: name.to_owned(),
            words: words.to_owned(),
            place: None,
            kind,
        });
        // Without a policy that can be lifted there is no grant to hold.
        let lifted = !law.grants().is_empty();
        invariants.chain(built_in.filter(|claim| lifted || claim.kind != ClaimKind::GrantsWiden)).collect()
    }

    /// The permit for everything, compiled.
    pub(super) fn everything(&self) -> Option<&Written> {
        self.law.get(EVERYTHING)
    }

    /// Whether an invariant fits a call.
    pub(super) fn fits(&self, id: &str, case: &Case) -> bool {
        case.judge(&self.snapshot).is_ok_and(|judgement| judgement.rules.iter().any(|rule| rule.id == id))
    }
}

fn fault(policy: &Written) -> Option<Fault> {
    let (words, remedy) = match (policy.effect, policy.reason.is_empty()) {
        (Effect::Forbid, false) => return None,
        (Effect::Permit, _) => (
            format!("the invariant `{}` is a permit", policy.id),
            "an invariant is a forbid: it says what no permitted call may match",
        ),
        (Effect::Forbid, true) => (
            format!("the invariant `{}` has no `@reason(\"...\")`", policy.id),
            "say in words what is claimed: it is what people read when it does not hold",
        ),
    };
    let place = policy.place.as_ref();
    let mut fault = Fault::of_file(place.map_or("invariants", |place| &place.file), words, remedy);
    fault.line = place.map_or(0, |place| place.line);
    Some(fault)
}
