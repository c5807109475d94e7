//! Times as people type them: a moment, a day, or how long ago.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp, Unit};

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// In microseconds since 1970-01-01T00:00Z.
    At(i64),
    /// So many microseconds before now.
    Ago(i64),
}

impl When {
    /// Reads `2026-11-20T08:00:00Z`, `2026-11-20` (its first moment, UTC), or `90m`, `2h`, `7d` before now.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at.as_microsecond()));
        }
        if let Ok(day) = text.parse::<Date>()
            && let Ok(midnight) = day.to_zoned(TimeZone::UTC)
        {
            return Ok(Self::At(midnight.timestamp().as_microsecond()));
        }
        let unread =
            || "write a time such as 2026-11-20T08:00:00Z, a day such as 2026-11-20, or 90m, 2h, 7d".to_owned();
        let span = text.parse::<jiff::Span>().map_err(|_| unread())?;
        let us = span.total((Unit::Microsecond, SpanRelativeTo::days_are_24_hours())).map_err(|_| unread())?;
        // Beyond 2^53 microseconds lie 285 years.
        if !(0.0..=9e15).contains(&us) {
            return Err(unread());
        }
        Ok(Self::Ago(us as i64))
    }

    /// In microseconds since 1970-01-01T00:00Z.
    pub(crate) fn us(self, now_us: i64) -> i64 {
        match self {
            Self::At(us) => us,
            Self::Ago(us) => now_us.saturating_sub(us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let minute = 60_000_000;
        for (text, want) in [
            ("1970-01-01T00:01:00Z", Some(When::At(minute))),
            ("1970-01-02", Some(When::At(24 * 60 * minute))),
            ("90m", Some(When::Ago(90 * minute))),
            (" 2h ", Some(When::Ago(120 * minute))),
            ("7d", Some(When::Ago(7 * 24 * 60 * minute))),
            ("1d 12h", Some(When::Ago(36 * 60 * minute))),
            ("-2h", None),
            ("2", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(When::read(text).ok(), want, "{text}");
        }
        assert_eq!(When::Ago(5).us(7), 2);
        assert_eq!(When::At(5).us(7), 5);
    }
}
