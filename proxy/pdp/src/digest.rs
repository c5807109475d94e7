//! Digests: SHA-256 (FIPS 180-4) over canonical bytes, written `sha256:<hex>`.
//!
//! What is digested is always a canonical projection, never bytes as they lay in a file: white space or a comment must
//! not change a pin.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::json::{self, Json, JsonFault};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of bytes that are canonical already.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a JSON text's canonical form (RFC 8785; see [`json::canonical`] for great integers).
    ///
    /// # Errors
    /// When the text is not JSON, repeats a member, or is nested too deeply.
    pub fn of_json(text: &str) -> Result<Self, JsonFault> {
        let value = Json::read(text, DEPTH_MAX)?;
        Ok(Self::of_bytes(json::canonical(&value).as_bytes()))
    }

    /// The first twelve hexadecimal digits, for people to compare.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().skip(7).take(12).collect()
    }
}

/// How deep a digested value may nest. Tool schemas seen in the wild stay below 20 levels.
pub const DEPTH_MAX: usize = 96;

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().unwrap_or('0');
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        text.extend(self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
        f.write_str(&text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is written `sha256:` and 64 lower-case hexadecimal digits")]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(NotADigest);
        }
        let mut bytes = [0; 32];
        for (n, byte) in bytes.iter_mut().enumerate() {
            let pair = hex.get(2 * n..2 * n + 2).ok_or(NotADigest)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotADigest)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn white_space_and_member_order_do_not_change_a_digest() {
        let one = Digest::of_json(r#"{"a":1,"b":[1,2]}"#).unwrap();
        assert_eq!(one, Digest::of_json("{ \"b\" : [1, 2],\n\"a\":1.0 }").unwrap());
        assert_ne!(one, Digest::of_json(r#"{"a":1,"b":[2,1]}"#).unwrap());
        assert_eq!(one.to_string().parse::<Digest>().unwrap(), one);
        assert!("sha256:00".parse::<Digest>().is_err());
    }

    #[test]
    fn the_digest_of_nothing_is_the_standards_own() {
        let want = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of_bytes(b"").to_string(), want);
    }
}
