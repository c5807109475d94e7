//! What tasks, principals and servers have used of their limits, counted when it is reserved: of calls that come at one
//! time, exactly as many get through as the limit says.
//!
//! A reservation is taken from every meter that applies or from none, while all of them are locked. Meters are always
//! locked in one order, so no two calls wait for each other: tasks from the lowest up, then the principal, then the
//! server. What was reserved and not spent comes back when the reservation is dropped. Knows nothing of messages.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pdp::digest::Digest;
use pdp::principal::Principal;
use pdp::record::Event;
use pdp::task::Limits;

use super::{Cause, Over, Task};

/// How many different calls a meter tells apart for `repeats`. Of more, those that were seen longest ago are forgotten.
const CALLS_MAX: usize = 256;
/// How many meters of principals and of servers are kept. The registry and the configuration bound both.
const METERS_MAX: usize = 65_536;
/// After how many seconds the counts of a principal or a server begin anew, unless its limits say: a day.
const PERIOD_S: u64 = 24 * 3600;

/// What has been used.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<Tally>);

#[derive(Debug, Default)]
struct Tally {
    /// Since when it counts, in microseconds since 1970-01-01T00:00Z; zero before the first call.
    since_us: i64,
    steps: u64,
    cost: u64,
    bytes_out: u64,
    approvals: u64,
    failures_in_row: u64,
    in_flight: u64,
    /// How often each call was made, the latest at the end.
    calls: VecDeque<(Digest, u64)>,
}

/// The limits there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Steps,
    Cost,
    BytesOut,
    Elapsed,
    Approvals,
    FailuresInRow,
    Repeats,
    InFlight,
}

/// A limit that was reached: whose, which, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tripped {
    pub(crate) whose: Whose,
    pub(crate) condition: Condition,
    pub(crate) most: u64,
}

/// Whose limit it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of the task, or of one it was handed on from, by its id.
    Task(String),
    /// The caller's, by its key.
    Principal(String),
    /// The server's.
    Server(String),
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most;
        match self.condition {
            Condition::Steps => write!(f, "`steps`: {most} tool calls"),
            Condition::Cost => write!(f, "`cost`: {most} units"),
            Condition::BytesOut => write!(f, "`bytes_out`: {most} bytes of arguments sent out"),
            Condition::Elapsed => write!(f, "`elapsed_s`: {most} {}", if most == 1 { "second" } else { "seconds" }),
            Condition::Approvals => write!(f, "`approvals`: {most} calls put to a person"),
            Condition::FailuresInRow => write!(f, "`failures_in_row`: {most} failed calls in a row"),
            Condition::Repeats => write!(f, "`repeats`: {most} identical calls"),
            Condition::InFlight => write!(f, "`in_flight`: {most} calls at one time"),
        }?;
        match &self.whose {
            Whose::Task(id) => write!(f, " (of `{id}`)"),
            Whose::Principal(_) => f.write_str(" (yours, over all your tasks)"),
            Whose::Server(name) => write!(f, " (of the server `{name}`, for everybody)"),
        }
    }
}

/// What a call would use.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Use {
    /// What it would cost at the most, as far as is known.
    pub(crate) cost: u64,
    /// How many bytes of arguments it would send out.
    pub(crate) bytes_out: u64,
    /// Whether it is a tool's call: nothing else takes a step.
    pub(crate) is_call: bool,
    /// Which call it is: its server, tool and arguments. Nothing where nobody counts identical ones.
    pub(crate) identity: Option<Digest>,
}

/// One that has limits.
#[derive(Debug, Clone)]
pub(crate) enum Party {
    /// A task, with its own limits.
    Task(Arc<Task>),
    /// A principal.
    Principal(String, Limits, Arc<Meter>),
    /// A server.
    Server(String, Limits, Arc<Meter>),
}

impl Party {
    /// Whether it counts identical calls.
    pub(crate) fn counts_repeats(&self) -> bool {
        self.limits().repeats.is_some()
    }

    fn meter(&self) -> &Meter {
        match self {
            Self::Task(task) => task.meter(),
            Self::Principal(_, _, meter) | Self::Server(_, _, meter) => meter,
        }
    }

    fn limits(&self) -> &Limits {
        match self {
            Self::Task(task) => task.limits(),
            Self::Principal(_, limits, _) | Self::Server(_, limits, _) => limits,
        }
    }

    fn tripped(&self, (condition, most): (Condition, u64)) -> Tripped {
        let whose = match self {
            Self::Task(task) => Whose::Task(task.id().to_owned()),
            Self::Principal(key, _, _) => Whose::Principal(key.clone()),
            Self::Server(name, _, _) => Whose::Server(name.clone()),
        };
        Tripped { whose, condition, most }
    }

    /// A task counts from its opening on; the others anew after each period.
    fn begin(&self, tally: &mut Tally, now_us: i64) {
        let period_us = |limits: &Limits| {
            i64::try_from(limits.elapsed_s.unwrap_or(PERIOD_S)).unwrap_or(i64::MAX).saturating_mul(1_000_000)
        };
        match self {
            Self::Task(task) if tally.since_us == 0 => {
                tally.since_us = if task.opened_us() == 0 { now_us } else { task.opened_us() }
            }
            Self::Task(_) => {}
            Self::Principal(_, limits, _) | Self::Server(_, limits, _) => {
                if tally.since_us == 0 || now_us.saturating_sub(tally.since_us) >= period_us(limits) {
                    let in_flight = tally.in_flight;
                    *tally = Tally { since_us: now_us, in_flight, ..Tally::default() };
                }
            }
        }
    }

    /// The limit that a use would go beyond.
    fn over(&self, tally: &Tally, wanted: Use, now_us: i64) -> Option<(Condition, u64)> {
        let limits = self.limits();
        let elapsed_us = u64::try_from(now_us.saturating_sub(tally.since_us)).unwrap_or(0);
        let is_up = |most: u64| elapsed_us > most.saturating_mul(1_000_000);
        let of_time = limits.elapsed_s.filter(|most| matches!(self, Self::Task(_)) && is_up(*most));
        if let Some(most) = of_time {
            return Some((Condition::Elapsed, most));
        }
        if !wanted.is_call {
            return None;
        }
        let beyond = |most: Option<u64>, used: u64, more: u64| most.filter(|most| used.saturating_add(more) > *most);
        // What has failed so often is over before the next one is tried.
        if let Some(most) = limits.failures_in_row.filter(|most| tally.failures_in_row >= *most) {
            return Some((Condition::FailuresInRow, most));
        }
        [
            (Condition::Steps, beyond(limits.steps, tally.steps, 1)),
            (Condition::Cost, beyond(limits.cost, tally.cost, wanted.cost).filter(|_| wanted.cost > 0)),
            (
                Condition::BytesOut,
                beyond(limits.bytes_out, tally.bytes_out, wanted.bytes_out).filter(|_| wanted.bytes_out > 0),
            ),
            (Condition::Repeats, wanted.identity.and_then(|call| beyond(limits.repeats, tally.made(&call), 1))),
            (Condition::InFlight, beyond(limits.in_flight, tally.in_flight, 1)),
        ]
        .into_iter()
        .find_map(|(condition, most)| Some((condition, most?)))
    }
}

impl Meter {
    fn locked(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it has cost and how many bytes it has sent out, with what is reserved.
    pub(crate) fn spent(&self) -> (u64, u64) {
        let tally = self.locked();
        (tally.cost, tally.bytes_out)
    }

    /// What has been used, by the limits' own names.
    pub(crate) fn used(&self) -> [(&'static str, u64); 7] {
        let tally = self.locked();
        [
            ("steps", tally.steps),
            ("cost", tally.cost),
            ("bytes_out", tally.bytes_out),
            ("approvals", tally.approvals),
            ("failures_in_row", tally.failures_in_row),
            ("in_flight", tally.in_flight),
            // Of the calls that were made, how often the most frequent was; zero where nobody counts them.
            ("repeats", tally.calls.iter().map(|(_, times)| *times).max().unwrap_or(0)),
        ]
    }
}

impl Tally {
    fn made(&self, call: &Digest) -> u64 {
        self.calls.iter().find(|(known, _)| known == call).map_or(0, |(_, times)| *times)
    }

    fn count(&mut self, call: Digest) {
        let times = match self.calls.iter().position(|(known, _)| *known == call) {
            Some(at) => self.calls.remove(at).map_or(0, |(_, times)| times),
            None => 0,
        };
        if self.calls.len() >= CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back((call, times.saturating_add(1)));
    }

    fn uncount(&mut self, call: &Digest) {
        if let Some((_, times)) = self.calls.iter_mut().find(|(known, _)| known == call) {
            *times = times.saturating_sub(1);
        }
    }
}

/// A place within every limit that applies. Dropping it ends the call: what was not spent comes back.
#[derive(Debug)]
pub(crate) struct Reservation {
    /// Each party, and since when its tally counted that this was taken from: another period's is not given back to.
    parties: Vec<(Party, i64)>,
    wanted: Use,
    spent: bool,
}

/// Reserves from every party or from none.
///
/// # Errors
/// The first limit that is reached.
pub(crate) fn reserve(parties: Vec<Party>, wanted: Use, now_us: i64) -> Result<Reservation, Tripped> {
    let mut all: Vec<(&Party, MutexGuard<'_, Tally>)> = parties.iter().map(|one| (one, one.meter().locked())).collect();
    for (party, tally) in &mut all {
        party.begin(tally, now_us);
        if let Some(over) = party.over(tally, wanted, now_us) {
            return Err(party.tripped(over));
        }
    }
    if wanted.is_call {
        for (party, tally) in &mut all {
            tally.steps = tally.steps.saturating_add(1);
            tally.cost = tally.cost.saturating_add(wanted.cost);
            tally.bytes_out = tally.bytes_out.saturating_add(wanted.bytes_out);
            tally.in_flight = tally.in_flight.saturating_add(1);
            if let Some(call) = wanted.identity.filter(|_| party.counts_repeats()) {
                tally.count(call);
            }
        }
    }
    let since: Vec<i64> = all.iter().map(|(_, tally)| tally.since_us).collect();
    drop(all);
    Ok(Reservation { parties: parties.into_iter().zip(since).collect(), wanted, spent: false })
}

impl Reservation {
    /// The call acts from here on: what it uses does not come back.
    pub(crate) fn spend(&mut self) {
        self.spent = true;
    }

    /// The call is put to a person.
    ///
    /// # Errors
    /// When that has been done too often.
    pub(crate) fn put_to_a_person(&self) -> Result<(), Tripped> {
        let mut all: Vec<(&Party, MutexGuard<'_, Tally>)> =
            self.parties.iter().map(|(one, _)| (one, one.meter().locked())).collect();
        for (party, tally) in &all {
            if let Some(most) = party.limits().approvals.filter(|most| tally.approvals >= *most) {
                return Err(party.tripped((Condition::Approvals, most)));
            }
        }
        for (_, tally) in &mut all {
            tally.approvals = tally.approvals.saturating_add(1);
        }
        Ok(())
    }

    /// The call is over: whether it failed, and what it did cost, where its result says. Answers the limits that are
    /// reached by it.
    pub(crate) fn settle(&self, failed: bool, cost: Option<u64>) -> Vec<Tripped> {
        if !self.spent || !self.wanted.is_call {
            return Vec::new();
        }
        let mut tripped = Vec::new();
        for (party, since_us) in &self.parties {
            let mut tally = party.meter().locked();
            tally.failures_in_row = if failed { tally.failures_in_row.saturating_add(1) } else { 0 };
            if let Some(cost) = cost.filter(|_| tally.since_us == *since_us) {
                tally.cost = tally.cost.saturating_sub(self.wanted.cost).saturating_add(cost);
            }
            let limits = party.limits();
            let failures = limits.failures_in_row.filter(|most| tally.failures_in_row >= *most);
            let cost = limits.cost.filter(|most| tally.cost > *most);
            let reached = [(Condition::FailuresInRow, failures), (Condition::Cost, cost)];
            tripped.extend(reached.into_iter().filter_map(|(which, most)| Some(party.tripped((which, most?)))));
        }
        tripped
    }

    /// The tasks that this was reserved from.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.parties.iter().filter_map(|(party, _)| match party {
            Party::Task(task) => Some(task),
            Party::Principal(..) | Party::Server(..) => None,
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.wanted.is_call {
            return;
        }
        for (party, since_us) in &self.parties {
            let mut tally = party.meter().locked();
            tally.in_flight = tally.in_flight.saturating_sub(1);
            if !self.spent && tally.since_us == *since_us {
                tally.steps = tally.steps.saturating_sub(1);
                tally.cost = tally.cost.saturating_sub(self.wanted.cost);
                tally.bytes_out = tally.bytes_out.saturating_sub(self.wanted.bytes_out);
                if let Some(call) = &self.wanted.identity {
                    tally.uncount(call);
                }
            }
        }
    }
}

/// Ends the call of a reservation. What its end makes a task reach ends that task: answers what is to be recorded.
pub(crate) fn settled(reservation: Reservation, failed: bool, cost: Option<u64>, now_us: i64) -> Vec<Event> {
    let tripped = reservation.settle(failed, cost);
    let told = tripped.iter().filter_map(|tripped| tripped.end(reservation.tasks(), now_us)).collect();
    drop(reservation);
    told
}

impl Tripped {
    /// Whether a task has this limit, and not its caller or its server.
    pub(crate) fn is_of_a_task(&self) -> bool {
        matches!(self.whose, Whose::Task(_))
    }

    /// Ends the task whose limit it is, if it is one's. Answers what is to be recorded; nothing where the task was over.
    pub(crate) fn end<'t>(&self, tasks: impl IntoIterator<Item = &'t Arc<Task>>, now_us: i64) -> Option<Event> {
        let Whose::Task(id) = &self.whose else { return None };
        let task = tasks.into_iter().find(|task| task.id() == id)?;
        let over = Over { cause: Cause::Limit, words: self.to_string(), by: None, at_us: now_us };
        task.conclude(over).then(|| task.end_event()).flatten()
    }
}

/// The meters of principals and servers, and the limits of principals.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    by_key: Mutex<HashMap<String, Arc<Meter>>>,
    principals: HashMap<String, Limits>,
}

impl Meters {
    /// With limits of principals, by their keys.
    pub(crate) fn of(principals: HashMap<String, Limits>) -> Self {
        Self { by_key: Mutex::default(), principals }
    }

    /// A principal as a party; nothing where it has no limits.
    pub(crate) fn principal(&self, principal: &Principal) -> Option<Party> {
        if self.principals.is_empty() {
            return None;
        }
        let key = &principal.key();
        let limits = self.principals.get(key).filter(|limits| !limits.is_none())?;
        Some(Party::Principal(key.to_owned(), *limits, self.meter(format!("principal {key}"))))
    }

    /// A server as a party; nothing where it has no limits.
    pub(crate) fn server(&self, name: &str, limits: &Limits) -> Option<Party> {
        (!limits.is_none()).then(|| Party::Server(name.to_owned(), *limits, self.meter(format!("server {name}"))))
    }

    fn meter(&self, key: String) -> Arc<Meter> {
        let mut meters = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= METERS_MAX && !meters.contains_key(&key) {
            meters.retain(|_, meter| Arc::strong_count(meter) > 1);
        }
        Arc::clone(meters.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests;
