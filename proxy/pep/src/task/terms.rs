//! What is fixed when a task is opened, and how it ends. Nothing here can be changed: what a task may touch and how much
//! it may do is looked up in what was frozen, and a task that is over stays so.

use std::fmt;
use std::sync::Arc;

use pdp::principal::Principal;
use pdp::task::{Limits, Profile, Scope};

use super::Task;

/// What was agreed when a task was opened.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    pub(super) profile: String,
    pub(super) scope: Scope,
    pub(super) limits: Limits,
    pub(super) opened_us: i64,
    /// What its host said of it; nothing for a task that nobody opened.
    pub(super) brief: Option<Box<Brief>>,
    /// The task it was handed on from.
    pub(super) parent: Option<Arc<Task>>,
}

/// What a host said when it opened a task.
#[derive(Clone)]
pub(super) struct Brief {
    pub(super) goal: String,
    /// Who may act in it: the agent, for the user the host named.
    pub(super) principal: Arc<Principal>,
    /// The same, where the token in the URL is all the agent shows.
    pub(super) by_token: Arc<Principal>,
    pub(super) opened_by: String,
    /// The person behind whoever opened it; empty where there is none.
    pub(super) opening_user: String,
    pub(super) until_us: i64,
}

// Written by hand: a derived `Debug` would print the goal.
impl fmt::Debug for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Brief({})", self.principal.key())
    }
}

/// How a principal that shows nothing but a task's token has proved who it is.
pub(crate) const BY_TOKEN: &str = "task";

/// Why a task is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its host says that the work is done.
    Ended,
    /// A person stopped it.
    Stopped,
    /// Its time was up.
    Expired,
    /// It reached one of its limits.
    Limit,
}

impl Cause {
    /// What the ledger's event is called.
    #[must_use]
    pub fn event(self) -> &'static str {
        match self {
            Self::Ended | Self::Limit => "task_ended",
            Self::Stopped => "task_stopped",
            Self::Expired => "task_expired",
        }
    }

    /// The word people and the control API know it by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Stopped => "stopped",
            Self::Expired => "expired",
            Self::Limit => "limit",
        }
    }

    /// Whether a call that was cleared before may still act: what was reserved under a limit is paid for.
    pub(crate) fn spares_what_was_cleared(self) -> bool {
        match self {
            Self::Limit => true,
            Self::Ended | Self::Stopped | Self::Expired => false,
        }
    }
}

/// The end of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// Why.
    pub cause: Cause,
    /// More about it, for the agent and for people; may be empty.
    pub words: String,
    /// Who ended it, where somebody did.
    pub by: Option<String>,
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.cause {
            Cause::Ended => "its host ended it",
            Cause::Stopped => "it was stopped by a person",
            Cause::Expired => "its time is up",
            Cause::Limit => "it reached a limit",
        };
        f.write_str(what)?;
        if self.words.is_empty() { Ok(()) } else { write!(f, ": {}", self.words) }
    }
}

impl Terms {
    /// Those of a task that nobody opened, under the profile for such tasks.
    pub(super) fn of(profile: &Profile, now_us: i64) -> Self {
        let (scope, limits) = (profile.scope.clone(), profile.limits);
        Self { profile: profile.name.clone(), scope, limits, opened_us: now_us, brief: None, parent: None }
    }
}
