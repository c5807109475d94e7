//! An amount of money as whole cents, and how it is read from a JSON number and written for people.
//!
//! Part of the demo office; nothing of the gate knows it. It never rounds: a number that is not a whole count of cents is
//! refused with a sentence.

use serde_json::Number;

/// The largest single payment the office's bank carries out, in cents.
const CENTS_MAX: i64 = 10_000_000;

/// An amount in euro cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cents(pub(super) i64);

impl Cents {
    /// Reads an amount in EUR with at most two decimals.
    ///
    /// The number is read from its shortest decimal text, so `19.99` is 1999 cents although no binary fraction equals it.
    ///
    /// # Errors
    /// A sentence for the caller when the number is not positive, is too large, or is finer than a cent.
    pub(super) fn from_eur(number: &Number) -> Result<Self, String> {
        let text = number.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let fraction = fraction.trim_end_matches('0');
        // Very large and very small numbers print with an exponent; neither is an amount this bank knows.
        let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.starts_with('-') || text == "0" || text == "0.0" {
            return Err(format!("the amount must be more than zero, and {text} is not"));
        }
        if !digits_only(whole) || !digits_only(fraction) || fraction.len() > 2 {
            return Err(format!("the amount must be in EUR with at most two decimals, and {text} is not"));
        }
        let too_large = || format!("the amount {text} is above the limit of {} EUR for one payment", Self(CENTS_MAX));
        let euros: i64 = whole.parse().map_err(|_| too_large())?;
        let cents: i64 = format!("{fraction:0<2}").parse().map_err(|_| too_large())?;
        let total = euros.checked_mul(100).and_then(|value| value.checked_add(cents)).ok_or_else(too_large)?;
        if total > CENTS_MAX {
            return Err(too_large());
        }
        Ok(Self(total))
    }
}

impl std::fmt::Display for Cents {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(out, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}
