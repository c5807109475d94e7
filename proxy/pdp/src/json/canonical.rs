//! The canonical form of a value (RFC 8785, JCS): what digests and records are made of.

use super::{Json, quoted};

/// The canonical bytes of a value after RFC 8785 (JCS): members sorted by UTF-16 code units, no white space, numbers in
/// ECMAScript form. Integers that a double cannot hold keep their digits, where RFC 8785 leaves them out (it presumes
/// I-JSON, RFC 7493): rounding them would give two definitions one digest.
#[must_use]
pub fn canonical(value: &Json<'_>) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Json<'_>, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(digits) => out.push_str(&canonical_number(digits)),
        Json::Text(text) => out.push_str(&quoted(text)),
        Json::List(list) => {
            out.push('[');
            for (n, item) in list.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (n, (name, item)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(name));
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
    }
}

/// The largest integer below which every integer is a double: 2^53 - 1 (RFC 7493 section 2.2).
const SAFE_INTEGER: u64 = (1 << 53) - 1;

fn canonical_number(digits: &str) -> String {
    let integral = !digits.contains(['.', 'e', 'E']);
    if integral && digits.parse::<i128>().map_or(true, |n| n.unsigned_abs() > u128::from(SAFE_INTEGER)) {
        return digits.to_owned();
    }
    digits
        .parse::<f64>()
        .ok()
        .filter(|n| n.is_finite())
        .and_then(|n| serde_json_canonicalizer::to_string(&n).ok())
        .unwrap_or_else(|| digits.to_owned())
}
