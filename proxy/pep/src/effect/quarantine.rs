//! Results that are withheld, kept in memory until somebody releases them or they grow old. What a person releases is
//! handed to the very call it was withheld from when that is made again, once; until then that call is not repeated.
//!
//! Bounded in number, in bytes and in time, and whoever fills it pays alone. Nothing of a result is shown here: a person
//! who decides on one reads its record and asks its server's owner.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pdp::approval::Asker;
use pdp::digest::Digest;
use pdp::label::LabelSet;
use pdp::principal::Principal;
use pdp::record::Event;

use crate::fair::{self, Held};

/// How many results are kept, how long one may be, and how many bytes there may be in all.
const RESULTS_MAX: usize = 256;
const RESULT_BYTES_MAX: usize = 1 << 20;
const BYTES_MAX: usize = 16 << 20;
/// How long one is kept, in microseconds: an hour.
const KEPT_US: i64 = 3600 * 1_000_000;

/// A result that is withheld, as it would have been handed over.
#[derive(Clone)]
pub(crate) struct Kept {
    /// The number of its call's record.
    pub(crate) record: u64,
    /// The key of the principal that called.
    pub(crate) owner: String,
    /// Everybody on whose errand it called, who release nothing of it.
    pub(crate) of: Asker,
    pub(crate) task: String,
    pub(crate) trace: String,
    pub(crate) server: String,
    pub(crate) tool: String,
    /// Whether the call may have an effect, so that it must not be made a second time.
    pub(crate) acts: bool,
    /// The call: its server, tool and arguments.
    pub(crate) call: Digest,
    /// The answer, labelled.
    pub(crate) text: String,
    pub(crate) labels: LabelSet,
    /// Why it is withheld.
    pub(crate) why: String,
}

// Written by hand: a derived `Debug` would print the result.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({}, {} {})", self.record, self.server, self.tool)
    }
}

/// What people are shown of a withheld result: everything but the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The number of its call's record.
    pub record: u64,
    /// The key of the principal that called.
    pub owner: String,
    /// The task.
    pub task: String,
    /// Its trace.
    pub trace: String,
    /// The server.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// How many bytes the answer has.
    pub bytes: usize,
    /// Why it is withheld.
    pub why: String,
    /// Since when, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// Who released it; nothing while nobody has.
    pub released_by: Option<String>,
}

/// Why a result cannot be released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseFault {
    /// There is no such result.
    #[error(
        "no result of record {0} is withheld: it was handed over, it is older than an hour, or there never was one"
    )]
    Unknown(u64),
    /// It was released before.
    #[error("the result of record {0} was released by {1} already, and waits for its call")]
    Already(u64, String),
    /// Nobody releases what was withheld from themselves.
    #[error("record {0} is your own call, or one made for you: somebody else must release its result")]
    Own(u64),
}

/// What is found of a call that was made before.
#[derive(Debug)]
pub(crate) enum Found {
    /// Its result was released: here it is.
    Released(Box<Kept>),
    /// It had an effect, and its result is still withheld, as this record says.
    Withheld(u64),
}

#[derive(Debug)]
struct Entry {
    kept: Kept,
    at_us: i64,
    released_by: Option<String>,
}

impl Entry {
    fn may_be_released(&self, by: &Principal) -> Result<(), ReleaseFault> {
        match &self.released_by {
            _ if self.kept.of.is_own(by) => Err(ReleaseFault::Own(self.kept.record)),
            Some(before) => Err(ReleaseFault::Already(self.kept.record, before.clone())),
            None => Ok(()),
        }
    }
}

/// The results that are withheld.
#[derive(Debug, Default)]
pub struct Quarantine {
    by_record: Mutex<HashMap<u64, Entry>>,
}

impl Quarantine {
    /// Keeps a result.
    ///
    /// # Errors
    /// In words, when it cannot be kept.
    pub(crate) fn keep(&self, kept: Kept, now_us: i64) -> Result<(), String> {
        if kept.text.len() > RESULT_BYTES_MAX {
            return Err(format!("it has more than {RESULT_BYTES_MAX} bytes"));
        }
        let mut all = self.current(now_us);
        loop {
            let bytes: usize = all.values().map(|entry| entry.kept.text.len()).sum();
            if all.len() < RESULTS_MAX && bytes.saturating_add(kept.text.len()) <= BYTES_MAX {
                break;
            }
            let names: Vec<(String, u64)> = all.keys().map(|record| (format!("{record:020}"), *record)).collect();
            let held = names.iter().filter_map(|(key, record)| {
                all.get(record).map(|entry| Held { key, owner: &entry.kept.owner, last_us: entry.at_us })
            });
            match fair::victim(held).and_then(|key| key.parse::<u64>().ok()) {
                Some(victim) => all.remove(&victim),
                None => return Err("there is no room for it".to_owned()),
            };
        }
        all.insert(kept.record, Entry { kept, at_us: now_us, released_by: None });
        Ok(())
    }

    /// Whether nothing is withheld.
    pub(crate) fn is_empty(&self) -> bool {
        self.locked().is_empty()
    }

    /// What is known of a call of a task's. What was released is handed out once, of several the first. With a `record` it is
    /// that one's call alone: the same call under another idempotency key is another.
    pub(crate) fn find(&self, task: &str, call: &Digest, record: Option<u64>, now_us: i64) -> Option<Found> {
        let mut all = self.current(now_us);
        let of = |kept: &Kept| kept.task == task && kept.call == *call;
        let is_it = |entry: &&Entry| of(&entry.kept) && record.is_none_or(|record| entry.kept.record == record);
        let released = all.values().filter(is_it).filter(|entry| entry.released_by.is_some());
        let released = released.map(|entry| entry.kept.record).min();
        if let Some(entry) = released.and_then(|record| all.remove(&record)) {
            return Some(Found::Released(Box::new(entry.kept)));
        }
        let waiting = all.values().filter(is_it).filter(|entry| entry.kept.acts).map(|entry| entry.kept.record).max();
        waiting.map(Found::Withheld)
    }

    /// Everything that is withheld, without what it is.
    #[must_use]
    pub fn list(&self, now_us: i64) -> Vec<Withheld> {
        let all = self.current(now_us);
        let mut out: Vec<Withheld> = all.values().map(shown).collect();
        out.sort_by_key(|one| one.record);
        out
    }

    /// A result that this person may release, and what is to be recorded first, with the reason.
    ///
    /// # Errors
    /// When there is none, it is the releaser's own, or it was released before.
    pub fn releasable(
        &self,
        record: u64,
        by: &Principal,
        reason: &str,
        now_us: i64,
    ) -> Result<(Withheld, Event), ReleaseFault> {
        let all = self.current(now_us);
        let entry = all.get(&record).ok_or(ReleaseFault::Unknown(record))?;
        entry.may_be_released(by)?;
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let Kept { server, tool, owner, .. } = &entry.kept;
        let event = Event {
            by: Some(by.key()),
            task: Some(entry.kept.task.clone()),
            trace: Some(entry.kept.trace.clone()),
            ..Event::new(
                now_us,
                "quarantine_released",
                format!("the result of {server} {tool}, record {record}, for {owner}{reason}"),
            )
        };
        Ok((shown(entry), event))
    }

    /// Releases a result: its call, made again, finds it.
    ///
    /// # Errors
    /// As [`Self::releasable`].
    pub fn release(&self, record: u64, by: &Principal, now_us: i64) -> Result<Withheld, ReleaseFault> {
        let mut all = self.current(now_us);
        let entry = all.get_mut(&record).ok_or(ReleaseFault::Unknown(record))?;
        entry.may_be_released(by)?;
        entry.released_by = Some(by.key());
        Ok(shown(entry))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.by_record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries, without those that have grown old.
    fn current(&self, now_us: i64) -> MutexGuard<'_, HashMap<u64, Entry>> {
        let mut all = self.locked();
        all.retain(|_, entry| now_us.saturating_sub(entry.at_us) <= KEPT_US);
        all
    }
}

fn shown(entry: &Entry) -> Withheld {
    let Entry { kept, at_us, released_by } = entry;
    Withheld {
        record: kept.record,
        owner: kept.owner.clone(),
        task: kept.task.clone(),
        trace: kept.trace.clone(),
        server: kept.server.clone(),
        tool: kept.tool.clone(),
        bytes: kept.text.len(),
        why: kept.why.clone(),
        at_us: *at_us,
        released_by: released_by.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn kept(record: u64, owner: &str, call: &str, bytes: usize) -> Kept {
        Kept {
            record,
            owner: format!("default/{owner}"),
            of: Asker {
                tenant: "default".to_owned(),
                keys: [format!("default/{owner}")].into(),
                users: ["jane".to_owned()].into(),
                openers: ["default/host".to_owned()].into(),
                opening_users: ["hal".to_owned()].into(),
            },
            task: "t".to_owned(),
            trace: "0".repeat(32),
            server: "s".to_owned(),
            tool: "x".to_owned(),
            acts: true,
            call: Digest::of_bytes(call.as_bytes()),
            text: "x".repeat(bytes),
            labels: LabelSet::default(),
            why: "too long".to_owned(),
        }
    }

    fn who(agent: &str, user: &str) -> Principal {
        Principal {
            agent: agent.to_owned(),
            teams: Vec::new(),
            user: user.to_owned(),
            tenant: "default".to_owned(),
            method: "token".to_owned(),
        }
    }

    #[test]
    fn a_released_result_is_found_once_by_its_own_call() {
        let store = Quarantine::default();
        let (one, other) = (Digest::of_bytes(b"a"), Digest::of_bytes(b"b"));
        store.keep(kept(1, "ann", "a", 9), 0).unwrap();
        assert!(matches!(store.find("t", &one, None, 0), Some(Found::Withheld(1))));
        assert!(store.find("t", &other, None, 0).is_none() && store.find("u", &one, None, 0).is_none());
        let (bo, cy) = (who("bo", ""), who("cy", ""));
        // Not the caller, nor whom it acts for, nor who opened its task, by whichever principal.
        for own in [who("ann", ""), who("phone", "jane"), who("host", ""), who("tablet", "hal")] {
            assert_eq!(store.releasable(1, &own, "", 0).unwrap_err(), ReleaseFault::Own(1), "{own:?}");
            assert_eq!(store.release(1, &own, 0).unwrap_err(), ReleaseFault::Own(1), "{own:?}");
        }
        assert_eq!(store.release(2, &bo, 0).unwrap_err(), ReleaseFault::Unknown(2));
        let (before, event) = store.releasable(1, &bo, "looked at", 5).unwrap();
        assert!(event.detail.ends_with("for default/ann: looked at"), "{}", event.detail);
        assert_eq!(before.released_by, None);
        let shown = store.release(1, &bo, 5).unwrap();
        assert_eq!((shown.released_by.as_deref(), event.what.as_str()), (Some("default/bo"), "quarantine_released"));
        let again = ReleaseFault::Already(1, "default/bo".to_owned());
        assert_eq!(store.releasable(1, &cy, "", 5).unwrap_err(), again, "it is released once");
        assert_eq!(store.release(1, &cy, 5).unwrap_err(), again);
        assert!(store.find("t", &one, Some(2), 6).is_none(), "another call's is not this one's");
        assert!(matches!(store.find("t", &one, None, 6), Some(Found::Released(kept)) if kept.record == 1));
        assert!(store.find("t", &one, None, 6).is_none(), "it is handed out once");
    }

    #[test]
    fn it_is_bounded_in_number_bytes_and_time() {
        let store = Quarantine::default();
        assert!(store.keep(kept(1, "ann", "a", RESULT_BYTES_MAX + 1), 0).is_err());
        store.keep(kept(1, "ann", "a", 9), 0).unwrap();
        for record in 2..40 {
            store.keep(kept(record, "loud", "b", RESULT_BYTES_MAX), 1).unwrap();
        }
        let all = store.list(1);
        assert!(all.iter().map(|one| one.bytes).sum::<usize>() <= BYTES_MAX);
        assert!(all.iter().any(|one| one.owner == "default/ann"), "who fills it pays alone");
        for record in 40..400 {
            store.keep(kept(record, "loud", "b", 1), 2).unwrap();
        }
        assert_eq!(store.list(2).len(), RESULTS_MAX);
        assert!(store.list(KEPT_US + 3).is_empty());
    }
}
