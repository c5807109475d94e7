//! A request to people: what it binds, where it stands, and the steps it may take.
//!
//! Every step that is not its state's own is refused and changes nothing. Whoever holds a request decides what is durable and who
//! is told; here is only what follows from what.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::binding::{Identity, Shown, binding};
use super::rules::{Asker, Barred, GrantRules, person};
use super::state::{Gift, Granted, Pending, Refused, State};
use crate::digest::Digest;
use crate::principal::Principal;

/// For how many calls one decision may be given at most.
pub const USES_MAX: u32 = 1000;

/// One request.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    id: String,
    /// The digest of the identity, kept by itself: what is stored of the arguments may be less than the arguments.
    call: Digest,
    digest: Digest,
    identity: Arc<Identity>,
    shown: Arc<Shown>,
    asker: Asker,
    created_us: i64,
    state: State,
    decisions: Vec<Decided>,
}

// Written by hand: a derived `Debug` would print arguments.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({}, {})", self.id, self.state.word())
    }
}

/// What somebody decided, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// Their key.
    pub by: String,
    /// The grants they gave; none where they refused.
    pub grants: BTreeSet<String>,
    /// For how many calls.
    pub uses: u32,
    /// Why, in their words; perhaps empty where they granted.
    pub reason: String,
}

/// A yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granting {
    /// The digest of what they saw.
    pub digest: Digest,
    /// What they give; nothing means all that they may.
    pub grants: Option<BTreeSet<String>>,
    /// For how many of the identical calls that wait.
    pub uses: u32,
    /// Why, if they say.
    pub note: String,
    /// Whether they proved themselves once more.
    pub stepped_up: bool,
}

/// A no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusing {
    /// The digest of what they saw.
    pub digest: Digest,
    /// Why, for the agent.
    pub reason: String,
}

/// When a step is made, and until when what it leads to holds, both in microseconds since 1970-01-01T00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// Now.
    pub at_us: i64,
    /// Until then.
    pub until_us: i64,
}

/// Why a step was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepFault {
    /// It waits for nobody any more.
    #[error("it is {0} already")]
    Decided(&'static str),
    /// What they saw is not what stands now.
    #[error("it has changed since you looked: look again")]
    Changed,
    /// A grant is not theirs to give.
    #[error("`{grant}` is not yours to give: {why}")]
    Barred {
        /// The grant.
        grant: String,
        /// Why not.
        why: Barred,
    },
    /// A grant asks for a second proof.
    #[error("`{0}` asks for a second proof that it is you")]
    StepUp(String),
    /// They name no grant.
    #[error("it gives nothing: name a grant, or leave `grants` away to give all that you may")]
    Nothing,
    /// The number of uses makes no sense.
    #[error("an approval is given for 1 to {USES_MAX} calls")]
    Uses,
}

impl Request {
    /// A request that waits from now on.
    #[must_use]
    pub fn new(id: String, identity: Identity, shown: Shown, asker: Asker, when: When) -> Self {
        let (call, digest) = (identity.digest(), binding(&identity, &shown));
        let (identity, shown) = (Arc::new(identity), Arc::new(shown));
        let state = State::Pending(Pending::new(when.until_us));
        Self { id, call, digest, identity, shown, asker, created_us: when.at_us, state, decisions: Vec::new() }
    }

    /// Its id, which names it and opens nothing.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The digest of the call: equal for identical calls.
    #[must_use]
    pub fn call(&self) -> Digest {
        self.call
    }

    /// The digest of the call and of all that is shown with it: what a decision names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The call.
    #[must_use]
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// What is shown with it.
    #[must_use]
    pub fn shown(&self) -> &Arc<Shown> {
        &self.shown
    }

    /// Who asks.
    #[must_use]
    pub fn asker(&self) -> &Asker {
        &self.asker
    }

    /// When it was made, in microseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn created_us(&self) -> i64 {
        self.created_us
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What was decided of it, in order.
    #[must_use]
    pub fn decisions(&self) -> &[Decided] {
        &self.decisions
    }

    /// Whether something can still come of it: it waits, or was granted and not used up.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Pending(_) | State::Granted(_))
    }

    /// Until when its state holds by itself, in microseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn until_us(&self) -> Option<i64> {
        match &self.state {
            State::Pending(pending) => Some(pending.until_us()),
            State::Granted(granted) => Some(granted.until_us()),
            State::Refused(refused) => Some(refused.until_us),
            State::Spent(_) | State::Expired(_) | State::Closed(_) => None,
        }
    }

    /// Whether it says something of the same call at this time: it waits, was granted, or is a no that is remembered.
    #[must_use]
    pub fn counts(&self, now_us: i64) -> bool {
        self.until_us().is_some_and(|until_us| until_us > now_us)
    }

    /// The same request with another identity, to be stored where its arguments must not be. It stays the request for the
    /// same call.
    #[must_use]
    pub fn stored_as(&self, identity: &Arc<Identity>) -> Self {
        Self { identity: Arc::clone(identity), ..self.clone() }
    }

    /// Puts the call back whole into a request that was stored without some of its arguments. Answers whether it is that call.
    pub fn restore(&mut self, identity: &Identity) -> bool {
        let same = identity.digest() == self.call;
        if same {
            self.identity = Arc::new(identity.clone());
        }
        same
    }

    /// Whether somebody may give this grant now.
    ///
    /// # Errors
    /// Why not.
    pub fn may_give(&self, grant: &str, who: &Principal, rules: &GrantRules) -> Result<(), Barred> {
        rules.of(grant).admits(who, &self.asker)?;
        match &self.state {
            State::Pending(pending) if pending.has_given(grant, &person(who)) => Err(Barred::Given),
            State::Pending(pending) if self.shown.grants.contains(grant) && !pending.has(grant, rules) => Ok(()),
            State::Pending(_)
            | State::Granted(_)
            | State::Spent(_)
            | State::Refused(_)
            | State::Expired(_)
            | State::Closed(_) => Err(Barred::NotAsked),
        }
    }

    /// Whether somebody has a say in it: they may give one of its grants, or might if it were not their own request. A no is
    /// theirs too.
    #[must_use]
    pub fn may_refuse(&self, who: &Principal, rules: &GrantRules) -> bool {
        self.shown.grants.iter().any(|grant| match rules.of(grant).admits(who, &self.asker) {
            Ok(()) | Err(Barred::Own | Barred::Given | Barred::NotAsked) => true,
            Err(Barred::Tenant | Barred::Unlisted) => false,
        })
    }

    /// What a yes would give.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub fn would_give(
        &self,
        who: &Principal,
        granting: &Granting,
        rules: &GrantRules,
    ) -> Result<BTreeSet<String>, StepFault> {
        self.stands(granting.digest)?;
        if !(1..=USES_MAX).contains(&granting.uses) {
            return Err(StepFault::Uses);
        }
        let barred = |grant: &String| self.may_give(grant, who, rules).err().map(|why| (grant.clone(), why));
        if let Some(named) = &granting.grants {
            if named.is_empty() {
                return Err(StepFault::Nothing);
            }
            return match named.iter().find_map(barred) {
                Some((grant, why)) => Err(StepFault::Barred { grant, why }),
                None => Ok(named.clone()),
            };
        }
        let (ours, not): (Vec<&String>, Vec<&String>) =
            self.shown.grants.iter().partition(|grant| barred(grant).is_none());
        if ours.is_empty() {
            // What stands in the way of most is told: that it is their own request before all.
            let mut why: Vec<(String, Barred)> = not.into_iter().filter_map(barred).collect();
            why.sort_by_key(|(_, why)| match why {
                Barred::Own => 0,
                Barred::Given => 1,
                Barred::Unlisted => 2,
                Barred::Tenant | Barred::NotAsked => 3,
            });
            let first = why.into_iter().next();
            return Err(first.map_or(StepFault::Changed, |(grant, why)| StepFault::Barred { grant, why }));
        }
        Ok(ours.into_iter().cloned().collect())
    }

    /// Somebody says yes. Answers what they gave; with everything given it is granted.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub fn grant(
        &mut self,
        who: &Principal,
        granting: &Granting,
        rules: &GrantRules,
        when: When,
    ) -> Result<BTreeSet<String>, StepFault> {
        self.expire(when.at_us);
        let grants = self.would_give(who, granting, rules)?;
        if let Some(grant) = grants.iter().find(|grant| rules.of(grant).step_up && !granting.stepped_up) {
            return Err(StepFault::StepUp(grant.clone()));
        }
        let State::Pending(pending) = self.state.clone() else { return Err(StepFault::Decided(self.state.word())) };
        let (person, key) = (person(who), who.key());
        let gift = Gift { person: &person, key: &key, grants: &grants, uses: granting.uses, until_us: when.until_us };
        self.state = pending.given(&gift, &self.shown.grants, rules);
        let (uses, reason) = (granting.uses, granting.note.clone());
        self.decisions.push(Decided { at_us: when.at_us, by: key, grants: grants.clone(), uses, reason });
        Ok(grants)
    }

    /// Somebody says no.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub fn refuse(
        &mut self,
        who: &Principal,
        refusing: &Refusing,
        rules: &GrantRules,
        when: When,
    ) -> Result<(), StepFault> {
        self.expire(when.at_us);
        self.stands(refusing.digest)?;
        if !self.may_refuse(who, rules) {
            let grant = self.shown.grants.first().cloned().unwrap_or_default();
            return Err(StepFault::Barred { grant, why: Barred::Unlisted });
        }
        let State::Pending(pending) = self.state.clone() else { return Err(StepFault::Decided(self.state.word())) };
        let (by, reason) = (who.key(), refusing.reason.clone());
        self.state = pending.refused(Refused { by: by.clone(), reason: reason.clone(), until_us: when.until_us });
        self.decisions.push(Decided { at_us: when.at_us, by, grants: BTreeSet::new(), uses: 0, reason });
        Ok(())
    }

    /// Whether it waits, and is what somebody saw.
    fn stands(&self, digest: Digest) -> Result<(), StepFault> {
        match &self.state {
            State::Pending(_) if digest == self.digest => Ok(()),
            State::Pending(_) => Err(StepFault::Changed),
            state => Err(StepFault::Decided(state.word())),
        }
    }

    /// Something has come to the call while it waits: it is shown as it is now, and whoever said yes to less says it again.
    /// Answers whether it waits.
    pub fn change(&mut self, shown: Shown) -> bool {
        let State::Pending(pending) = &self.state else { return false };
        self.state = State::Pending(Pending::new(pending.until_us()));
        self.digest = binding(&self.identity, &shown);
        self.shown = Arc::new(shown);
        true
    }

    /// Takes one use for the call of this number, which needs these grants and is shown like this now. Answers what was given.
    ///
    /// # Errors
    /// What stands in the way, in words that go on from "since then"; nothing where there is no use to take.
    pub fn spend(&mut self, number: u64, now: &Shown, now_us: i64) -> Result<Granted, Option<String>> {
        self.expire(now_us);
        let State::Granted(granted) = self.state.clone() else { return Err(None) };
        self.shown.covers(now).map_err(Some)?;
        if !now.grants.is_subset(granted.grants()) {
            return Err(Some("it needs other grants".to_owned()));
        }
        if granted.spent_by().contains(&number) {
            return Err(None);
        }
        self.state = granted.clone().spent(number);
        Ok(granted)
    }

    /// The call of this number was not made after all. Answers whether a use came back.
    pub fn give_back(&mut self, number: u64, now_us: i64) -> bool {
        let back = match self.state.clone() {
            State::Granted(granted) if granted.spent_by().contains(&number) => granted.given_back(number),
            State::Spent(spent) if spent.given().spent_by().contains(&number) => spent.given_back(number),
            State::Granted(_)
            | State::Spent(_)
            | State::Pending(_)
            | State::Refused(_)
            | State::Expired(_)
            | State::Closed(_) => return false,
        };
        self.state = back;
        self.expire(now_us);
        true
    }

    /// Ends what time has run out on. Answers whether this did.
    pub fn expire(&mut self, now_us: i64) -> bool {
        let expired = match self.state.clone() {
            State::Pending(pending) if pending.until_us() <= now_us => pending.expired(),
            State::Granted(granted) if granted.until_us() <= now_us => granted.expired(),
            State::Pending(_)
            | State::Granted(_)
            | State::Spent(_)
            | State::Refused(_)
            | State::Expired(_)
            | State::Closed(_) => return false,
        };
        self.state = expired;
        true
    }

    /// There is nothing to decide any more. Answers whether there was until now.
    pub fn close(&mut self, why: &str) -> bool {
        let why = why.to_owned();
        self.state = match self.state.clone() {
            State::Pending(pending) => pending.closed(why),
            State::Granted(granted) => granted.closed(why),
            State::Spent(_) | State::Refused(_) | State::Expired(_) | State::Closed(_) => return false,
        };
        true
    }
}
