//! A moment in writing. Nothing here reads a clock.

use jiff::Timestamp;

/// A time in microseconds since 1970-01-01T00:00Z as people and records write it: RFC 3339, to the millisecond, in UTC.
#[must_use]
pub fn rfc3339(us: i64) -> String {
    Timestamp::from_microsecond(us)
        .map_or_else(|_| us.to_string(), |t| t.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
}
