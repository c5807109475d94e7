//! Whether a notice that was not taken is sent again, and when. Nothing here waits or reads a clock.

use std::time::Duration;

/// For how long a notice is tried.
pub(super) const GIVE_UP: Duration = Duration::from_secs(3600);
/// The wait before the first repetition; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(2);
/// The longest wait, whatever the receiver asks for.
const LONGEST: Duration = Duration::from_secs(600);

/// Why a notice was not taken. The words name neither URL nor secret, and nothing that a receiver wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It may be taken later; the receiver may have said when.
    MayPass(String, Option<Duration>),
    /// It will not.
    Stands(String),
}

impl Failure {
    /// What a status of HTTP that is no success means: 408, 425, 429 and every 5xx may pass. A redirect is not followed: it
    /// would carry what is told, and a signature, to a place that nobody configured.
    pub(super) fn of_status(status: u16, asks_for: Option<Duration>) -> Self {
        match status {
            408 | 425 | 429 | 500..=599 => Self::MayPass(format!("it answers HTTP {status}"), asks_for),
            300..=399 => Self::Stands(format!("it answers HTTP {status}, and redirects are not followed")),
            _ => Self::Stands(format!("it answers HTTP {status}")),
        }
    }
}

/// The waits between the attempts at one notice.
#[derive(Debug)]
pub(super) struct Waits(Duration);

impl Waits {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    /// How long to wait now. `chance` is any number: notices that failed together must not come back together.
    pub(super) fn next(&mut self, asks_for: Option<Duration>, chance: u32) -> Duration {
        let due = self.0;
        self.0 = due.saturating_mul(2).min(LONGEST);
        let jitter = due.saturating_mul(chance % 100) / 1000;
        asks_for.unwrap_or_default().max(due.saturating_add(jitter)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_bounded() {
        let mut waits = Waits::new();
        let all: Vec<u64> = (0..11).map(|_| waits.next(None, 0).as_secs()).collect();
        assert_eq!(all, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(Waits::new().next(Some(Duration::from_secs(90)), 99), Duration::from_secs(90));
        assert_eq!(Waits::new().next(Some(Duration::from_secs(86_400)), 0), LONGEST);
        assert_eq!(Waits::new().next(None, 99), Duration::from_millis(2198));
    }

    #[test]
    fn what_may_pass_is_what_http_says_may_pass() {
        for status in 200..=599 {
            let may = matches!(Failure::of_status(status, None), Failure::MayPass(..));
            assert_eq!(may, [408, 425, 429].contains(&status) || status >= 500, "{status}");
        }
    }
}
