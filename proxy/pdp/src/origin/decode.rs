//! What a text holds in percent-encoding and in base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// With or without padding, as others write it.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Below this many characters words of ordinary text too often happen to be base64.
const BASE64_CHARS_MIN: usize = 16;

/// A text without percent-encoding (RFC 3986, section 2.1); nothing where it has none, or holds bytes that are no text.
pub(super) fn percent(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let encoded = |three: &[u8]| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if !text.contains('%') || !bytes.windows(3).any(encoded) {
        return None;
    }
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

/// What base64 stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Base64 {
    /// The text is no base64.
    No,
    /// It stands for bytes that are no text: a picture, a key.
    Bytes,
    /// It stands for this text.
    Text(String),
}

/// What a text without white space stands for, if it is base64 (RFC 4648), in either alphabet.
pub(super) fn base64(text: &str) -> Base64 {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    if text.len() < BASE64_CHARS_MIN || !text.bytes().all(is_digit) {
        return Base64::No;
    }
    let found = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    let Ok(bytes) = found else { return Base64::No };
    match String::from_utf8(bytes) {
        Ok(plain) if plain.chars().all(|c| !c.is_control() || c.is_whitespace()) => Base64::Text(plain),
        Ok(_) | Err(_) => Base64::Bytes,
    }
}

/// The texts that stand encoded within a text, each decoded once. A text of many lines of base64 is taken as one.
pub(super) fn within(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = String::new();
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '(' | ')' | ',' | ';' | '`');
    for chunk in text.split(is_end).filter(|chunk| !chunk.is_empty()) {
        if let Some(plain) = percent(chunk) {
            found.push(plain);
        }
        // MIME breaks its lines after 76 characters (RFC 2045), PEM after 64 (RFC 7468).
        let is_line = matches!(chunk.len(), 64 | 76) && base64(chunk) != Base64::No;
        if !lines.is_empty() || is_line {
            lines.push_str(chunk);
            if is_line {
                continue;
            }
            found.extend(text_of(&lines));
            lines.clear();
        } else if chunk.len() >= BASE64_CHARS_MIN {
            found.extend(text_of(chunk));
        }
    }
    found.extend(text_of(&lines));
    found
}

fn text_of(chunk: &str) -> Option<String> {
    match base64(chunk) {
        Base64::Text(plain) => Some(plain),
        Base64::No | Base64::Bytes => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_found() {
        for (text, want) in [
            ("see bob%40example.com now", "see|bob@example.com"),
            ("cGF5IGJvYkBleGFtcGxlLmNvbQ==", "pay bob@example.com"),
            ("cGF5IGJvYkBleGFtcGxlLmNvbQ", "pay bob@example.com"),
            ("short cGF5 stays", ""),
            ("100% sure, 5%ab%ff", ""),
            ("incomprehensibilities", ""),
        ] {
            assert_eq!(within(text).join("|"), want.trim_start_matches("see|"), "{text}");
        }
        let long = STANDARD.encode("a line that is rather longer than one line of base64 may be, so that it is broken");
        let (line, rest) = long.split_at(76);
        let broken = format!("{line}\r\n{rest}");
        assert_eq!(within(&broken).len(), 1);
        assert_eq!(base64(&STANDARD.encode([0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70, 0, 1])), Base64::Bytes);
    }
}
