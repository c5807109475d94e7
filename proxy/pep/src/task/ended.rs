//! The end of a task: why it does nothing more. Set once, read by every call of the task, never taken back.
//!
//! A limit that was reached refuses the calls that come after it; those that had been let in before it still run. A person's
//! stop counts at once, also for calls that are under way and have not acted yet. Knows nothing of counting or recording.

use std::fmt;
use std::sync::OnceLock;

/// Why a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It reached one of its limits; in words.
    Limit(String),
    /// It has been open for as long as its profile lets it.
    Expired,
    /// A person stopped it.
    Stopped {
        /// Who, as `tenant/agent`.
        by: String,
        /// Why, in that person's words; may be empty.
        why: String,
    },
    /// The task that handed it on has ended; in words.
    Parent(String),
}

impl Cause {
    /// The word in events: `limit`, `expired`, `stopped`, `parent`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Limit(_) => "limit",
            Self::Expired => "expired",
            Self::Stopped { .. } => "stopped",
            Self::Parent(_) => "parent",
        }
    }

    /// Whether calls that were let in before the end are stopped too, as long as they have not acted.
    #[must_use]
    pub fn stops_calls_under_way(&self) -> bool {
        match self {
            Self::Stopped { .. } => true,
            Self::Limit(_) | Self::Expired | Self::Parent(_) => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(words) => f.write_str(words),
            Self::Expired => f.write_str("it has been open for as long as its profile allows"),
            Self::Stopped { by, why } if why.is_empty() => write!(f, "{by} stopped it"),
            Self::Stopped { by, why } => write!(f, "{by} stopped it: {why}"),
            Self::Parent(words) => write!(f, "the task that handed it on has ended: {words}"),
        }
    }
}

/// Whether a task has ended. Reading takes no lock.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The first cause.
    cause: OnceLock<Cause>,
    /// A person's stop, which counts over a cause that lets calls under way go on.
    stop: OnceLock<Cause>,
}

impl Ended {
    /// Ends it. Answers whether this is the cause that counts from now on: whoever ended it first has it recorded.
    pub(super) fn end(&self, cause: Cause) -> bool {
        let place = if cause.stops_calls_under_way() { &self.stop } else { &self.cause };
        let first = self.stop.get().is_none();
        place.set(cause).is_ok() && first
    }

    /// Why it ended; nothing while it goes on.
    pub(super) fn cause(&self) -> Option<&Cause> {
        self.stop.get().or_else(|| self.cause.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cause_stands_and_only_a_persons_stop_counts_over_it() {
        let ended = Ended::default();
        assert_eq!(ended.cause(), None);
        assert!(ended.end(Cause::Limit("a".into())));
        assert!(!ended.end(Cause::Expired), "it had ended");
        assert_eq!(ended.cause().map(ToString::to_string).as_deref(), Some("a"));
        let stop = |by: &str| Cause::Stopped { by: by.into(), why: String::new() };
        assert!(ended.end(stop("ann")));
        assert!(!ended.end(stop("bob")) && !ended.end(Cause::Expired));
        assert_eq!(ended.cause(), Some(&stop("ann")));
        assert!(ended.cause().is_some_and(Cause::stops_calls_under_way));
    }
}
