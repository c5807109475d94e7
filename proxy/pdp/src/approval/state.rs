//! The states of a request. Each has the steps that lead out of it and no others: what is refused, spent, expired or closed
//! cannot be granted, because there is no way to say so.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rules::GrantRules;

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has decided, or not everybody who must.
    Pending(Pending),
    /// Granted, and not yet used up.
    Granted(Granted),
    /// Every use of it is taken.
    Spent(Spent),
    /// Somebody said no.
    Refused(Refused),
    /// Nobody decided in time, or what was granted was not used in time.
    Expired(Expired),
    /// There is nothing to decide any more.
    Closed(Closed),
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending(_) => "pending",
            Self::Granted(_) => "granted",
            Self::Spent(_) => "spent",
            Self::Refused(_) => "refused",
            Self::Expired(_) => "expired",
            Self::Closed(_) => "closed",
        }
    }
}

/// A request that waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    until_us: i64,
    /// For each grant who gave it: what tells persons apart, and the key they came with.
    given: BTreeMap<String, BTreeMap<String, String>>,
    /// For how many calls, by whoever was strictest.
    uses: Option<u32>,
}

/// What one person gives.
pub(super) struct Gift<'a> {
    pub(super) person: &'a str,
    pub(super) key: &'a str,
    pub(super) grants: &'a BTreeSet<String>,
    pub(super) uses: u32,
    /// Until when the whole may be used, if this completes it.
    pub(super) until_us: i64,
}

impl Pending {
    pub(super) fn new(until_us: i64) -> Self {
        Self { until_us, given: BTreeMap::new(), uses: None }
    }

    /// Until when it can be decided, in microseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn until_us(&self) -> i64 {
        self.until_us
    }

    /// The keys of those who gave this grant.
    pub fn givers(&self, grant: &str) -> impl Iterator<Item = &str> {
        self.given.get(grant).into_iter().flat_map(BTreeMap::values).map(String::as_str)
    }

    pub(super) fn has_given(&self, grant: &str, person: &str) -> bool {
        self.given.get(grant).is_some_and(|by| by.contains_key(person))
    }

    /// Whether enough different persons gave this grant.
    pub(super) fn has(&self, grant: &str, rules: &GrantRules) -> bool {
        let given = self.given.get(grant).map_or(0, BTreeMap::len);
        u32::try_from(given).unwrap_or(u32::MAX) >= rules.of(grant).quorum.max(1)
    }

    /// Takes what one person gives. With all that is asked for it is granted.
    pub(super) fn given(mut self, gift: &Gift<'_>, asked: &BTreeSet<String>, rules: &GrantRules) -> State {
        for grant in gift.grants {
            let by = self.given.entry(grant.clone()).or_default();
            by.insert(gift.person.to_owned(), gift.key.to_owned());
        }
        let uses = self.uses.map_or(gift.uses, |uses| uses.min(gift.uses)).max(1);
        self.uses = Some(uses);
        if !asked.iter().all(|grant| self.has(grant, rules)) {
            return State::Pending(self);
        }
        let by = self.given.into_values().flat_map(BTreeMap::into_values).collect();
        State::Granted(Granted { until_us: gift.until_us, uses, grants: asked.clone(), by, spent_by: BTreeSet::new() })
    }

    pub(super) fn refused(self, refused: Refused) -> State {
        State::Refused(refused)
    }

    pub(super) fn expired(self) -> State {
        State::Expired(Expired { was: "pending".to_owned() })
    }

    pub(super) fn closed(self, why: String) -> State {
        State::Closed(Closed { why })
    }
}

/// What people gave, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    until_us: i64,
    uses: u32,
    grants: BTreeSet<String>,
    by: BTreeSet<String>,
    /// The numbers of the calls that took a use. Always fewer than `uses` here, and as many in [`Spent`].
    spent_by: BTreeSet<u64>,
}

impl Granted {
    /// Until when it may be used, in microseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn until_us(&self) -> i64 {
        self.until_us
    }

    /// The grants.
    #[must_use]
    pub fn grants(&self) -> &BTreeSet<String> {
        &self.grants
    }

    /// The keys of those who gave them.
    #[must_use]
    pub fn by(&self) -> &BTreeSet<String> {
        &self.by
    }

    /// For how many calls they were given.
    #[must_use]
    pub fn uses(&self) -> u32 {
        self.uses
    }

    /// The numbers of the calls that took a use.
    #[must_use]
    pub fn spent_by(&self) -> &BTreeSet<u64> {
        &self.spent_by
    }

    /// Takes a use for the call of this number. One call takes one.
    pub(super) fn spent(mut self, number: u64) -> State {
        self.spent_by.insert(number);
        if u32::try_from(self.spent_by.len()).is_ok_and(|spent| spent < self.uses) {
            State::Granted(self)
        } else {
            State::Spent(Spent(self))
        }
    }

    pub(super) fn given_back(mut self, number: u64) -> State {
        self.spent_by.remove(&number);
        State::Granted(self)
    }

    pub(super) fn expired(self) -> State {
        State::Expired(Expired { was: "granted".to_owned() })
    }

    pub(super) fn closed(self, why: String) -> State {
        State::Closed(Closed { why })
    }
}

/// What people gave, used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spent(Granted);

impl Spent {
    /// What was given.
    #[must_use]
    pub fn given(&self) -> &Granted {
        &self.0
    }

    /// The one way back: a call that took a use was not made.
    pub(super) fn given_back(self, number: u64) -> State {
        self.0.given_back(number)
    }
}

/// A no. It is final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The key of whoever refused it.
    pub by: String,
    /// Why, for the agent.
    pub reason: String,
    /// How long it is remembered, in microseconds since 1970-01-01T00:00Z.
    pub until_us: i64,
}

/// Time ran out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// The word for what it was until then.
    pub was: String,
}

/// Nothing is left to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Why.
    pub why: String,
}
