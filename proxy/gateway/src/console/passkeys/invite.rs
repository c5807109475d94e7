//! What the machine's own people do about passkeys, by the command line: invite somebody to a first one, look, take away.
//! Whoever may write the gate's data directory may do this, and nobody over the network.
//!
//! A code is told once and kept as its digest. The gate's ledger has one writer, so what is done here is left beside the
//! passkeys, and the gate tells it.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::kept::{Disk, Invitation};
use super::{PasskeyNote, StepUpFault, note};
use crate::config::hex;

/// The letters of a code: base32 (RFC 4648) in lower case, which is easy to read out.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// How many letters stand together.
const GROUP: usize = 4;
/// How many letters a code has: 80 bits, which nobody guesses within its time.
const CODE: usize = 16;

/// The passkeys of a data directory, for the command line.
pub(crate) struct Desk(Disk);

/// Somebody who has passkeys, or is invited.
pub(crate) struct Person {
    pub(crate) key: String,
    pub(crate) passkeys: Vec<PasskeyNote>,
    /// Until when an invitation is open, in microseconds since 1970-01-01T00:00Z.
    pub(crate) invited_us: Option<i64>,
}

impl Desk {
    pub(crate) fn of(data: &Path) -> Self {
        Self(Disk::of(data))
    }

    /// Invites somebody who has no passkey, and answers the code. An earlier invitation of theirs is over.
    pub(crate) fn invite(&self, key: &str, fresh: [u8; 16], now_us: i64, until_us: i64) -> Result<String, StepUpFault> {
        let code = code(fresh);
        self.0.change(now_us, |kept| {
            let there = kept.of(key).len();
            if there > 0 {
                let words = format!(
                    "`{key}` has {there} already and adds a further one in the console by one of them; where all are lost, \
                     `wicketgate passkeys remove {key}` comes first"
                );
                return Err(StepUpFault::Unfit(words));
            }
            kept.invite(key, Invitation { code_sha256: digest(&code), until_us })?;
            kept.act(now_us, "passkey_invited", format!("{key}, until {}", crate::clock::rfc3339(until_us)))?;
            Ok(code.clone())
        })
    }

    /// Takes away somebody's passkeys, or one of them by its id, and an invitation. Answers how many passkeys went.
    pub(crate) fn remove(&self, key: &str, id: Option<&str>, now_us: i64) -> Result<usize, StepUpFault> {
        self.0.change(now_us, |kept| {
            let all = kept.passkeys.entry(key.to_owned()).or_default();
            let before = all.len();
            all.retain(|one| id.is_some_and(|id| note(one).id != id));
            let gone = before - all.len();
            let was_invited = id.is_none() && kept.invited.remove(key).is_some();
            if gone == 0 && !was_invited {
                let which = id.map_or_else(String::new, |id| format!(" `{id}`"));
                return Err(StepUpFault::Unfit(format!(
                    "`{key}` has no passkey{which}; see `wicketgate passkeys list`"
                )));
            }
            let which = id.map_or_else(|| format!("all {gone}"), str::to_owned);
            kept.act(now_us, "passkeys_removed", format!("of {key}: {which}"))?;
            Ok(gone)
        })
    }

    /// Everybody who has passkeys or is invited.
    pub(crate) fn people(&self, now_us: i64) -> Result<Vec<Person>, StepUpFault> {
        let kept = self.0.read()?;
        let keys: std::collections::BTreeSet<&String> = kept.passkeys.keys().chain(kept.invited.keys()).collect();
        let person = |key: &String| Person {
            key: key.clone(),
            passkeys: kept.of(key).iter().map(note).collect(),
            invited_us: kept.invited.get(key).map(|one| one.until_us).filter(|until_us| *until_us >= now_us),
        };
        Ok(keys.into_iter().map(person).filter(|one| !one.passkeys.is_empty() || one.invited_us.is_some()).collect())
    }
}

/// A code out of random bits, in groups.
fn code(fresh: [u8; 16]) -> String {
    let letter = |byte: u8| LETTERS.get(usize::from(byte % 32)).map_or('a', |letter| char::from(*letter));
    let letters: Vec<char> = fresh.into_iter().take(CODE).map(letter).collect();
    let groups: Vec<String> = letters.chunks(GROUP).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

/// What a code is kept as, however it was typed.
pub(super) fn digest(code: &str) -> String {
    let plain: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    hex(&Sha256::digest(plain.to_ascii_lowercase().as_bytes()))
}
