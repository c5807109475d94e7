//! Whether a batch that a collector did not take is sent again, and when.
//!
//! The rules are OTLP/HTTP's ("OTLP/HTTP Response" and "OTLP/HTTP Throttling" in the OTLP specification): 429, 502, 503
//! and 504 may pass, as may whatever kept an answer from coming; every other status stands. The numbers are those of
//! the SDK's exporter (`opentelemetry-otlp` 0.33), which does the same for spans of its own encoding. Nothing here
//! waits or reads a clock.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode};

/// How often a batch is sent again.
const AGAIN_MAX: u32 = 3;
/// How long to wait before the first repetition; each further one waits twice as long.
const DELAY: Duration = Duration::from_millis(100);
/// How long to wait at most, unless the collector asks for more.
const DELAY_MAX: Duration = Duration::from_millis(1_600);
/// How long to wait at most, whatever the collector asks for.
const ASKED_MAX: Duration = Duration::from_secs(30);
/// How much longer than that, so that gates which failed together do not come back together.
const JITTER_MS_MAX: u32 = 100;

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer came; the text says why, and names neither URL nor header.
    Unanswered(String),
    /// An answer came that is no success, and asks to be left alone for a while.
    Answered(StatusCode, Option<Duration>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(why) => f.write_str(why),
            Self::Answered(status, _) => write!(f, "the collector answered {status}"),
        }
    }
}

impl Failure {
    fn may_pass(&self) -> bool {
        match self {
            Self::Unanswered(_) => true,
            Self::Answered(status, _) => [429, 502, 503, 504].contains(&status.as_u16()),
        }
    }

    /// What the collector asks for. Only where it throttles, which is what these two are for.
    fn asks_for(&self) -> Option<Duration> {
        match self {
            Self::Answered(status, asked) if [429, 503].contains(&status.as_u16()) => *asked,
            Self::Answered(..) | Self::Unanswered(_) => None,
        }
    }
}

/// The waits between the attempts at one batch.
#[derive(Debug)]
pub(super) struct Backoff {
    again: u32,
    delay: Duration,
    delay_max: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { again: 0, delay: DELAY, delay_max: DELAY_MAX }
    }

    /// How long to wait before the batch is sent again, or nothing if it is to be given up. `chance` is any number.
    pub(super) fn after(&mut self, failure: &Failure, chance: u32) -> Option<Duration> {
        if !failure.may_pass() || self.again >= AGAIN_MAX {
            return None;
        }
        self.again += 1;
        let asked = failure.asks_for().unwrap_or_default().min(ASKED_MAX);
        if asked > self.delay_max {
            self.delay_max = ASKED_MAX;
        }
        // It may ask for a longer wait than is due, not for a shorter one.
        let delay = self.delay.max(asked);
        self.delay = delay.saturating_mul(2).min(self.delay_max);
        let jitter = Duration::from_millis(u64::from(chance % (JITTER_MS_MAX + 1)));
        Some(delay.saturating_add(jitter).min(self.delay_max))
    }
}

/// What a `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let value = value.to_str().ok()?.trim();
    let seconds = value.parse().map(Duration::from_secs).ok();
    seconds.or_else(|| Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, asked_s: Option<u64>) -> Failure {
        Failure::Answered(StatusCode::from_u16(status).unwrap_or_default(), asked_s.map(Duration::from_secs))
    }

    /// The waits after so many failures of this kind, in milliseconds.
    fn waits(failure: &Failure, chance: u32) -> Vec<u128> {
        let mut backoff = Backoff::new();
        std::iter::from_fn(|| backoff.after(failure, chance)).map(|wait| wait.as_millis()).take(9).collect()
    }

    #[test]
    fn what_may_pass_is_repeated_three_times_and_what_stands_not_once() {
        let unanswered = Failure::Unanswered("refused".to_owned());
        assert_eq!(waits(&unanswered, 0), [100, 200, 400]);
        assert_eq!(waits(&unanswered, 100), [200, 300, 500]);
        assert_eq!(waits(&unanswered, 101), [100, 200, 400]);
        for status in [429, 502, 503, 504] {
            assert_eq!(waits(&answered(status, None), 7), [107, 207, 407], "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 408, 413, 500, 501, 505] {
            assert_eq!(waits(&answered(status, Some(1)), 0), [0; 0], "{status}");
        }
    }

    #[test]
    fn a_collector_that_throttles_is_given_the_time_it_asks_for_up_to_a_bound() {
        assert_eq!(waits(&answered(429, Some(1)), 50), [1_050, 1_600, 1_600]);
        assert_eq!(waits(&answered(503, Some(4)), 0), [4_000, 8_000, 16_000]);
        assert_eq!(waits(&answered(503, Some(86_400)), 9), [30_000; 3]);
        assert_eq!(waits(&answered(503, Some(0)), 0), [100, 200, 400]);
        // These say that somebody behind the collector failed; they do not throttle.
        assert_eq!(waits(&answered(502, Some(4)), 0), [100, 200, 400]);
        let mut backoff = Backoff::new();
        let mut after = |asked_s| backoff.after(&answered(503, asked_s), 0).unwrap_or_default().as_millis();
        assert_eq!((after(Some(2)), after(None), after(Some(1))), (2_000, 4_000, 8_000), "a wait never shrinks");
    }

    #[test]
    fn a_collector_asks_in_seconds_or_with_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let asked = |value: &'static str| retry_after(&HeaderValue::from_static(value), now);
        assert_eq!(asked(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        for nothing in ["", "-1", "1.5", "soon", "99999999999999999999"] {
            assert_eq!(asked(nothing), None, "{nothing}");
        }
    }
}
