//! Who may give a grant: how many different persons, which of them, and never whoever asks.
//!
//! Roles are the control plane's; whoever comes here may decide at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::principal::Principal;

/// What is configured of one grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRule {
    /// How many different persons must give it, at least one.
    pub quorum: u32,
    /// Who may give it; nothing means every approver of the tenant.
    pub approvers: Option<Approvers>,
    /// Whether whoever gives it must prove themselves once more.
    pub step_up: bool,
    /// Whether the person that the agent acts for may give it, and whoever opened its task.
    pub owner: bool,
}

impl GrantRule {
    /// A grant that nothing is configured of.
    pub const STANDARD: Self = Self { quorum: 1, approvers: None, step_up: false, owner: false };
}

/// Those who may give a grant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvers {
    /// Principals, by their keys.
    pub principals: BTreeSet<String>,
    /// Teams.
    pub teams: BTreeSet<String>,
}

impl Approvers {
    fn has(&self, who: &Principal) -> bool {
        self.principals.contains(&who.key()) || who.teams.iter().any(|team| self.teams.contains(team))
    }
}

/// What is configured of grants, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantRules(BTreeMap<String, GrantRule>);

impl GrantRules {
    /// These, and the standard for every other grant.
    #[must_use]
    pub fn new(rules: BTreeMap<String, GrantRule>) -> Self {
        Self(rules)
    }

    /// What holds of this grant.
    #[must_use]
    pub fn of(&self, grant: &str) -> &GrantRule {
        const STANDARD: &GrantRule = &GrantRule::STANDARD;
        self.0.get(grant).unwrap_or(STANDARD)
    }

    /// The grants that something is configured of.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Who asks, with everybody who counts as the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// The tenant. Nobody of another has anything to do with it.
    pub tenant: String,
    /// The keys of the caller and of those on whose errand it is: the owners of the tasks above.
    pub keys: BTreeSet<String>,
    /// The persons they act for.
    pub users: BTreeSet<String>,
    /// The keys of those who opened the tasks above: whoever opens one holds its token, and may have made the call.
    pub openers: BTreeSet<String>,
    /// The persons behind those.
    pub opening_users: BTreeSet<String>,
}

impl Asker {
    /// Whether this is the caller, or one of those on whose errand it is.
    fn is(&self, who: &Principal) -> bool {
        self.keys.contains(&who.key())
    }

    /// Whether this is a person that the caller acts for.
    fn acts_for(&self, who: &Principal) -> bool {
        !who.user.is_empty() && self.users.contains(&who.user)
    }

    /// Whether this is who opened a task above, or the same person.
    fn opened_by(&self, who: &Principal) -> bool {
        self.openers.contains(&who.key()) || (!who.user.is_empty() && self.opening_users.contains(&who.user))
    }

    /// Whether the call may be this one's own work, by whichever of its principals.
    #[must_use]
    pub fn is_own(&self, who: &Principal) -> bool {
        self.is(who) || self.acts_for(who) || self.opened_by(who)
    }
}

/// Why somebody may not give a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// They are of another tenant.
    #[error("it belongs to another tenant")]
    Tenant,
    /// It is their own request.
    #[error("nobody approves their own request")]
    Own,
    /// They are not among its approvers.
    #[error("the configuration names others to give it")]
    Unlisted,
    /// They have given it, and another person is needed.
    #[error("you have given it already, and another person is needed")]
    Given,
    /// Nobody needs it any more: it is given, or was not asked for.
    #[error("it is not asked for")]
    NotAsked,
}

impl GrantRule {
    /// Whether this person may give the grant to that caller.
    pub(super) fn admits(&self, who: &Principal, asker: &Asker) -> Result<(), Barred> {
        if who.tenant != asker.tenant {
            return Err(Barred::Tenant);
        }
        if asker.is(who) || (asker.is_own(who) && !self.owner) {
            return Err(Barred::Own);
        }
        match &self.approvers {
            // Whom the agent acts for is admitted by `owner`, listed or not.
            Some(listed) if !listed.has(who) && !(self.owner && asker.acts_for(who)) => Err(Barred::Unlisted),
            Some(_) | None => Ok(()),
        }
    }
}

/// What tells persons apart: the person behind a principal where it has one, else the principal itself.
pub(super) fn person(who: &Principal) -> String {
    if who.user.is_empty() { format!("agent {}", who.key()) } else { format!("user {}/{}", who.tenant, who.user) }
}
