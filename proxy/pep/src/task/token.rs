//! Task tokens: what a host hands to an agent, so that its calls are known to be of the task that was opened for it.
//!
//! `wgt_`, then what it says, a full stop, and the HMAC-SHA256 of everything before it, both in base64url without
//! padding. A token says which task and until when; everything else the gate remembers. It is a secret: neither a
//! [`Token`] nor a [`Key`] can be printed, and a token is taken out of a message before anything else is done with it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What every token begins with, so that one that was leaked can be found by its form.
const PREFIX: &str = "wgt_";
/// The longest text that is looked at; a token has less than half of it.
const CHARS_MAX: usize = 512;
/// What stands before the payload, so that another format can follow this one.
const FORMAT: &str = "1";

/// The secret that seals tokens.
pub struct Key([u8; 32]);

impl Key {
    /// A key of these bytes. They must be unguessable, and nobody else's.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A token as somebody presented it: it may be anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// What was presented.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The task's id.
    pub(crate) task: String,
    /// Until when it holds, in microseconds since 1970-01-01T00:00Z.
    pub(crate) until_us: i64,
}

/// The text is no token of this gate's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

impl Key {
    /// The token that says this. The one place where its text can be had.
    pub(crate) fn seal(&self, claim: &Claim) -> String {
        self.sealed(PREFIX, &format!("{FORMAT} {} {}", claim.until_us, claim.task))
    }

    /// What a token says, if this key sealed it. Whether it still holds is not looked at.
    pub(crate) fn open(&self, token: &Token) -> Result<Claim, Forged> {
        let said = self.said(PREFIX, token)?;
        let (until_us, task) = said
            .strip_prefix(FORMAT)
            .and_then(|rest| rest.strip_prefix(' '))
            .and_then(|rest| rest.split_once(' '))
            .ok_or(Forged)?;
        Ok(Claim { task: task.to_owned(), until_us: until_us.parse().map_err(|_| Forged)? })
    }

    /// A text under seal. What it begins with says what it is for, and is sealed with it.
    pub(crate) fn sealed(&self, prefix: &str, said: &str) -> String {
        let body = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(said));
        let seal = self.mac(&body).map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        format!("{body}.{}", seal.unwrap_or_default())
    }

    /// What a text under seal says, if this key sealed it for this.
    pub(crate) fn said(&self, prefix: &str, token: &Token) -> Result<String, Forged> {
        let text = token.0.as_str();
        if text.len() > CHARS_MAX {
            return Err(Forged);
        }
        let (body, seal) = text.split_once('.').ok_or(Forged)?;
        let seal = URL_SAFE_NO_PAD.decode(seal).map_err(|_| Forged)?;
        // Compared in constant time; nothing of the body is read before.
        self.mac(body).ok_or(Forged)?.verify_slice(&seal).map_err(|_| Forged)?;
        let said = body.strip_prefix(prefix).and_then(|said| URL_SAFE_NO_PAD.decode(said).ok()).ok_or(Forged)?;
        String::from_utf8(said).map_err(|_| Forged)
    }

    /// HMAC takes a key of any length, so there always is one.
    fn mac(&self, body: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(body.as_bytes());
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key::new([7; 32])
    }

    fn claim() -> Claim {
        Claim { task: "task-0123456789abcdef".to_owned(), until_us: 1_795_132_800_000_000 }
    }

    #[test]
    fn a_token_says_what_was_sealed_and_stands_in_urls_and_headers() {
        let text = key().seal(&claim());
        assert_eq!(key().open(&Token::presented(&text)), Ok(claim()));
        assert!(text.starts_with("wgt_") && text.len() < CHARS_MAX / 2, "{text}");
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        assert!(text.chars().all(plain), "{text}");
    }

    #[test]
    fn another_key_and_another_form_open_nothing() {
        let text = key().seal(&claim());
        assert_eq!(Key::new([8; 32]).open(&Token::presented(&text)), Err(Forged));
        let (body, seal) = text.split_once('.').unwrap();
        let whole = [
            String::new(),
            body.to_owned(),
            format!("{body}."),
            format!(".{seal}"),
            format!("{body}.{seal}="),
            format!("{body}.{seal}.{seal}"),
            format!("{body}.{}", seal.get(..20).unwrap()),
            text.replace("wgt_", ""),
            format!("{text}{}", "A".repeat(1000)),
        ];
        for forged in whole {
            assert_eq!(key().open(&Token::presented(&forged)), Err(Forged), "{forged}");
        }
    }

    #[test]
    fn what_the_key_sealed_in_no_known_format_is_no_token() {
        for said in ["", "1", "1 7", "2 7 task", "1 x task", "17 task"] {
            let body = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(said));
            let seal = URL_SAFE_NO_PAD.encode(key().mac(&body).unwrap().finalize().into_bytes());
            assert_eq!(key().open(&Token::presented(&format!("{body}.{seal}"))), Err(Forged), "{said}");
        }
    }

    #[test]
    fn nothing_prints_a_token_or_a_key() {
        let text = key().seal(&claim());
        let printed = format!("{:?} {:?}", Token::presented(&text), key());
        assert_eq!(printed, "Token(..) Key(..)");
    }

    proptest! {
        /// One character otherwise, anywhere, and it is no token any more.
        #[test]
        fn any_change_breaks_the_seal(at in 0usize..120, put in "[A-Za-z0-9_.-]") {
            let text = key().seal(&claim());
            let mut chars: Vec<char> = text.chars().collect();
            let at = at % chars.len();
            if let (Some(there), Some(put)) = (chars.get_mut(at), put.chars().next()) {
                *there = put;
            }
            let changed: String = chars.into_iter().collect();
            let opened = key().open(&Token::presented(&changed));
            prop_assert_eq!(opened.is_ok(), changed == text);
        }
    }
}
