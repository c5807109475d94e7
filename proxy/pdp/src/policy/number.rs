//! JSON numbers as Cedar's `Long` and `decimal`, exactly or not at all.
//!
//! A number that Cedar cannot hold is never rounded: two readers who round differently are judged differently.

/// A finite decimal: `mantissa / 10^scale`, with no trailing zero in the fraction.
#[derive(Debug, PartialEq, Eq)]
struct Exact {
    mantissa: i128,
    scale: u32,
}

/// The exact value of a JSON number, as far as 30 digits and small exponents carry.
fn exact(digits: &str) -> Option<Exact> {
    let (body, exponent) = match digits.split_once(['e', 'E']) {
        Some((body, exponent)) => (body, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = body.split_once('.').unwrap_or((body, ""));
    let joined = format!("{whole}{fraction}");
    if joined.len() > 31 {
        return None;
    }
    let mut mantissa: i128 = joined.parse().ok()?;
    let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    if mantissa == 0 {
        return Some(Exact { mantissa, scale: 0 });
    }
    while scale < 0 {
        mantissa = mantissa.checked_mul(10)?;
        scale += 1;
    }
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Some(Exact { mantissa, scale: u32::try_from(scale).ok()? })
}

/// The number as a Cedar `Long`: an integer of 64 bits.
pub(super) fn long(digits: &str) -> Option<i64> {
    // As most integers are written.
    if let Ok(plain) = digits.parse() {
        return Some(plain);
    }
    let Exact { mantissa, scale } = exact(digits)?;
    (scale == 0).then(|| i64::try_from(mantissa).ok()).flatten()
}

/// A JSON number, as its digits were written, in ten-thousandths, which a Cedar `decimal` counts: at most four places, 64 bits
/// in all. Nothing where it has no such form.
#[must_use]
pub fn ten_thousandths(digits: &str) -> Option<i64> {
    if let Ok(plain) = digits.parse::<i64>() {
        return plain.checked_mul(10_000);
    }
    let Exact { mantissa, scale } = exact(digits)?;
    let shift = 4_u32.checked_sub(scale)?;
    i64::try_from(mantissa.checked_mul(10_i128.checked_pow(shift)?)?).ok()
}

/// The number as the text of a Cedar `decimal`.
pub(super) fn decimal(digits: &str) -> Option<String> {
    let scaled = ten_thousandths(digits)?;
    let sign = if scaled < 0 { "-" } else { "" };
    let size = scaled.unsigned_abs();
    Some(format!("{sign}{}.{:04}", size / 10_000, size % 10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_are_exact_or_nothing() {
        for (digits, want) in [
            ("5", Some(5)),
            ("-0", Some(0)),
            ("5.0", Some(5)),
            ("5e2", Some(500)),
            ("1.5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e400", None),
            ("1e-400", None),
        ] {
            assert_eq!(long(digits), want, "{digits}");
        }
    }

    #[test]
    fn decimals_keep_four_places_and_never_round() {
        for (digits, want) in [
            ("0.7", Some("0.7000")),
            ("-12.3456", Some("-12.3456")),
            ("900", Some("900.0000")),
            ("0.12345", None),
            ("0.70000000000000001", None),
            ("1e-4", Some("0.0001")),
            ("922337203685477.5807", Some("922337203685477.5807")),
            ("922337203685477.5808", None),
        ] {
            assert_eq!(decimal(digits).as_deref(), want, "{digits}");
        }
    }
}
