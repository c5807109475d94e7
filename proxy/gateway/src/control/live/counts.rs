//! What goes through the gate now, counted: a ring of seconds for each tenant, and what was stopped last. A sink of the
//! ledger, so a call waits for none of it; bounded, however much goes through.
//!
//! Whose counts somebody may see is the route's to say.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use pdp::decision::Decision;
use pdp::record::{Direction, Entry, Event, FrameKind, Record};

/// How many seconds are looked back on.
pub(super) const SECONDS: i64 = 60;
/// How many seconds a ring holds: those, the one under way, and some for what is told late.
const RING: usize = 64;
/// Over how many seconds the rate is a mean.
const RATE_SECONDS: i64 = 10;
/// How many tenants are counted. They are in the configuration, so more is a configuration of a kind nobody has yet.
const TENANTS_MAX: usize = 256;
/// How many stops are kept.
const STOPS_MAX: usize = 256;
/// How many characters of a stop's words are kept.
const WORDS_MAX: usize = 1000;

/// Bits of a duration that its bucket keeps: an error of at most one part in eight.
const BUCKET_BITS: u32 = 3;

/// One second.
#[derive(Debug, Clone, Default)]
struct Second {
    /// Which, in seconds since 1970-01-01T00:00Z.
    at_s: i64,
    calls: u64,
    allow: u64,
    escalate: u64,
    deny: u64,
    /// How many calls took how long, by bucket.
    took: BTreeMap<u32, u64>,
}

/// What was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) at_us: i64,
    pub(super) what: String,
    pub(super) detail: String,
    /// Who caused it, if a person did.
    pub(super) by: Option<String>,
    /// The task it is about.
    pub(super) task: Option<String>,
}

/// The counts of one tenant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Counted {
    /// The mean of the last ten whole seconds.
    pub(super) calls_per_s: f64,
    /// Of the last minute's calls: allowed, escalated, denied.
    pub(super) decisions: (u64, u64, u64),
    /// Half of the last minute's calls were over within so many microseconds; 95 and 99 of a hundred. Nothing where none was.
    pub(super) took_us: Option<(u64, u64, u64)>,
    /// Each of the last 60 whole seconds: when it began, the calls that ended in it, those of them that were denied.
    pub(super) series: Vec<(i64, u64, u64)>,
}

#[derive(Debug, Default)]
struct Held {
    tenants: BTreeMap<String, Vec<Second>>,
    stops: VecDeque<Stop>,
}

/// The counts of every tenant.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Held>);

impl Counts {
    /// Counts an entry of the ledger.
    pub(crate) fn take(&self, entry: &Entry) {
        match entry {
            Entry::Record(record) => self.count(record),
            Entry::Event(event) if is_stop(event) => self.keep(event),
            Entry::Event(_) | Entry::Intent(_) | Entry::Said(_) => {}
        }
    }

    fn count(&self, record: &Record) {
        let Some(principal) = &record.principal else { return };
        let asked = record.kind == FrameKind::Request && record.direction == Direction::ToServer;
        // What the gate calls by itself is part of the call it does it for.
        if !asked || record.errand.is_some() {
            return;
        }
        let ended_us = record.started_us.saturating_add(i64::try_from(record.took_us).unwrap_or(i64::MAX));
        let at_s = ended_us.div_euclid(1_000_000);
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.tenants.contains_key(&principal.tenant) {
            if held.tenants.len() >= TENANTS_MAX {
                return;
            }
            held.tenants.insert(principal.tenant.clone(), vec![Second::default(); RING]);
        }
        let ring = held.tenants.get_mut(&principal.tenant).and_then(|ring| ring.get_mut(slot(at_s)));
        let Some(second) = ring.filter(|second| second.at_s <= at_s) else { return };
        if second.at_s < at_s {
            *second = Second { at_s, ..Second::default() };
        }
        second.calls += 1;
        match record.decision.as_ref().map(|note| &note.decision) {
            Some(Decision::Allow(_)) => second.allow += 1,
            Some(Decision::Escalate(_)) => second.escalate += 1,
            Some(Decision::Deny(_)) => second.deny += 1,
            None => {}
        }
        *second.took.entry(bucket(record.took_us)).or_default() += 1;
    }

    fn keep(&self, event: &Event) {
        let stop = Stop {
            at_us: event.at_us,
            what: event.what.clone(),
            detail: event.detail.chars().take(WORDS_MAX).collect(),
            by: event.by.clone(),
            task: event.task.clone(),
        };
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.stops.truncate(STOPS_MAX - 1);
        held.stops.push_front(stop);
    }

    /// What was stopped, the latest first: at most so many of those that are seen.
    pub(super) fn stops(&self, limit: usize, seen: impl Fn(&Stop) -> bool) -> Vec<Stop> {
        let all: Vec<Stop> = {
            let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.stops.iter().cloned().collect()
        };
        all.into_iter().filter(|stop| seen(stop)).take(limit).collect()
    }

    /// A tenant's counts.
    pub(super) fn of(&self, tenant: &str, now_us: i64) -> Counted {
        let now_s = now_us.div_euclid(1_000_000);
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = held.tenants.get(tenant);
        let (mut counted, mut took, mut recent) = (Counted::default(), BTreeMap::<u32, u64>::new(), 0);
        for at_s in now_s - SECONDS..now_s {
            let second = ring.and_then(|ring| ring.get(slot(at_s))).filter(|second| second.at_s == at_s);
            let (mut calls, mut denied) = (0, 0);
            if let Some(second) = second {
                (calls, denied) = (second.calls, second.deny);
                let (allow, escalate, deny) = counted.decisions;
                counted.decisions = (allow + second.allow, escalate + second.escalate, deny + second.deny);
                second.took.iter().for_each(|(bucket, n)| *took.entry(*bucket).or_default() += n);
            }
            if at_s >= now_s - RATE_SECONDS {
                recent += calls;
            }
            counted.series.push((at_s * 1_000_000, calls, denied));
        }
        counted.calls_per_s = recent as f64 / RATE_SECONDS as f64;
        counted.took_us = quantiles(&took);
        counted
    }
}

/// Whether an event is of something that was stopped, or goes on again.
fn is_stop(event: &Event) -> bool {
    match event.what.as_str() {
        // A task that its host ended was not stopped; one that reached a limit has nobody who ended it.
        "task_ended" => event.by.is_none(),
        "task_stopped"
        | "task_expired"
        | "halt_on"
        | "halt_off"
        | "snapshot_refused"
        | "ledger_resumed"
        | "authentication_limited"
        | "promotion_torn" => true,
        _ => false,
    }
}

fn slot(at_s: i64) -> usize {
    usize::try_from(at_s.rem_euclid(RING as i64)).unwrap_or(0)
}

/// The bucket of a duration: the power of two below it, and its next three bits.
fn bucket(us: u64) -> u32 {
    let power = us.checked_ilog2().unwrap_or(0);
    let Some(above) = power.checked_sub(BUCKET_BITS) else { return u32::try_from(us).unwrap_or(0) };
    let bits = u32::try_from((us >> above) & ((1 << BUCKET_BITS) - 1)).unwrap_or(0);
    ((above + 1) << BUCKET_BITS) + bits
}

/// The longest duration of a bucket: nobody is told that it was quicker than it was.
fn longest(bucket: u32) -> u64 {
    let Some(above) = (bucket >> BUCKET_BITS).checked_sub(1) else { return u64::from(bucket) };
    let bits = u64::from(bucket & ((1 << BUCKET_BITS) - 1));
    let next = ((1 << BUCKET_BITS) + bits + 1).checked_shl(above).unwrap_or(0);
    next.wrapping_sub(1)
}

/// The durations within which half, 95 and 99 of a hundred were over (nearest rank).
fn quantiles(took: &BTreeMap<u32, u64>) -> Option<(u64, u64, u64)> {
    let all: u64 = took.values().sum();
    let within = |hundredths: u64| {
        let rank = (all * hundredths).div_ceil(100);
        let mut passed = 0;
        let found = took.iter().find(|(_, n)| {
            passed += **n;
            passed >= rank
        });
        found.map(|(bucket, _)| longest(*bucket))
    };
    (all > 0).then_some(())?;
    Some((within(50)?, within(95)?, within(99)?))
}

#[cfg(test)]
mod tests;
