//! Tasks: the unit of scope, taint, budget and trace. Labels are gathered over every server and session a task touches.
//!
//! Implicit tasks are found in this order: the one a legacy session was opened in; the one of the incoming trace id; the
//! principal's rolling task. Sessions of one principal thus share one task unless their host says otherwise, so that
//! what was read from one server counts when another is called.
//!
//! The store is bounded, and whoever fills it pays alone: the longest idle task of the principal that holds most goes.
//! Its labels do not go with it. They stay with the principal, and every task it opens from then on begins with them,
//! until it has been idle for as long as a task may be: opening many tasks is no way to be rid of what was read.
//!
//! Explicit tasks are opened by a host and found by their token (`token.rs`, `opened.rs`). What any task may touch and how
//! much it may do was fixed when it was opened (`terms.rs`), and is held in the guardrail stage (`scope.rs`). What was said of a
//! task is taken in beside it (`say.rs`, `plan.rs`): claims, on which nothing it may do rests.

pub(crate) mod meter;
mod opened;
mod plan;
mod say;
pub(crate) mod scope;
mod taint;
mod terms;
mod token;
mod waiting;
#[cfg(test)]
mod tests;

pub(crate) mod window;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pdp::flow::Carried;
use pdp::label::{LabelSet, Readers};
use pdp::policy::{Facts, TaskFacts};
use pdp::principal::Principal;
use pdp::task::{Limits, Profile, Scope};

use self::window::Seen;
use crate::approval::retry::{self, Retry};
use crate::effect::Once;
use crate::fair::{self, Held};
use crate::trace::TraceContext;
use taint::Taint;

pub(crate) use taint::Presumption;

use meter::{Meter, Meters};
pub use opened::{OpenFault, Opened, Opening};
pub(crate) use plan::Held as HeldStep;
pub use plan::{Claims, Heard, PlanState, Unsaid};
pub use say::{SayFault, Speaker};
pub(crate) use terms::BY_TOKEN;
pub use terms::{Cause, Over, Terms};
pub use token::{Key, Token};
pub use waiting::WaitingCall;

/// One task.
#[derive(Debug)]
pub struct Task {
    id: String,
    trace: String,
    /// The key of the principal it belongs to; empty where nobody needs to know.
    owner: String,
    /// What was said of it.
    claims: Arc<Claims>,
    /// Its calls that wait for a person.
    waiting: waiting::Waiting,
    terms: Terms,
    /// Set once, by whatever ends it first.
    over: OnceLock<Over>,
    /// Whether its running out has been told to the ledger.
    told: AtomicBool,
    /// How many calls tried to reach beyond its scope.
    expansions: AtomicU64,
    state: Mutex<State>,
    meter: Meter,
    once: Once,
    seen: Seen,
}

#[derive(Debug, Default)]
struct State {
    taint: Taint,
    calls: u64,
    last_us: i64,
}

impl Task {
    /// A task in a trace.
    #[must_use]
    pub fn new(id: String, trace: String) -> Self {
        Self::under(id, trace, String::new(), Terms::default())
    }

    fn under(id: String, trace: String, owner: String, terms: Terms) -> Self {
        let (over, told, expansions) = (OnceLock::new(), AtomicBool::new(false), AtomicU64::new(0));
        let (claims, waiting, state) = (Arc::default(), waiting::Waiting::default(), Mutex::default());
        let (meter, once, seen) = (Meter::default(), Once::default(), Seen::default());
        // What a task is handed on with is its agent's word, not the user's.
        if let (Some(brief), None) = (&terms.brief, &terms.parent) {
            seen.given(&brief.goal);
        }
        Self { id, trace, owner, claims, waiting, terms, over, told, expansions, state, meter, once, seen }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The trace id of everything it does, 32 hexadecimal digits.
    #[must_use]
    pub fn trace(&self) -> &str {
        &self.trace
    }

    /// The labels it has gathered, and those that its calls under way are presumed to bring.
    #[must_use]
    pub fn labels(&self) -> LabelSet {
        self.locked(|state| state.taint.labels())
    }

    /// Who may read what it has gathered, and what its calls under way are presumed to bring.
    #[must_use]
    pub fn readers(&self) -> Readers {
        self.locked(|state| state.taint.carried().readers)
    }

    /// Both of them.
    #[must_use]
    pub fn carried(&self) -> Carried {
        self.locked(|state| state.taint.carried())
    }

    /// Raises its labels, and those of the task it was handed on from: what its agent tells that one's, the gate does not
    /// see. There is no way to lower them. Answers whether anything was added.
    pub fn raise(&self, labels: &LabelSet) -> bool {
        if let Some(above) = &self.terms.parent {
            above.raise(labels);
        }
        self.locked(|state| state.taint.raise(labels))
    }

    /// Takes note of what data carries that it has gathered, and so does the task it was handed on from. There is no way
    /// back. Answers whether a label was added anywhere.
    pub fn gather(&self, carried: &Carried) -> bool {
        let settle = |task: &Self| task.locked(|state| state.taint.settle(carried));
        // Every one of them is told.
        self.lineage().filter(|task| settle(task)).count() > 0
    }

    /// What it has read, and what its user gave it: one window for all tasks that were handed on from one, since what is
    /// said between their agents the gate does not see.
    pub(crate) fn seen(&self) -> &Seen {
        self.parent().map_or(&self.seen, |parent| parent.seen())
    }

    /// Takes note of what the user said to it: a value that stands there is the user's own. Only a trusted host may say so.
    pub fn given(&self, text: &str) {
        self.seen().given(text);
    }

    /// The key of the principal it belongs to; empty where nobody needs to know.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Its profile; empty where it has none.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.terms.profile
    }

    /// What it may touch.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.terms.scope
    }

    /// How much it may do. The tasks above it bound it too, see [`Task::lineage`].
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.terms.limits
    }

    /// Whether a host opened it, rather than its first call.
    #[must_use]
    pub fn is_explicit(&self) -> bool {
        self.terms.brief.is_some()
    }

    /// What the user asked for, as the host said it; nothing for a task that nobody opened.
    #[must_use]
    pub fn goal(&self) -> Option<&str> {
        self.terms.brief.as_ref().map(|brief| brief.goal.as_str())
    }

    /// Who may act in it; nothing where whoever called first may.
    #[must_use]
    pub fn principal(&self) -> Option<&Arc<Principal>> {
        self.terms.brief.as_ref().map(|brief| &brief.principal)
    }

    /// The key of the principal that opened it.
    #[must_use]
    pub fn opened_by(&self) -> Option<&str> {
        self.terms.brief.as_ref().map(|brief| brief.opened_by.as_str())
    }

    /// When it was opened, in microseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn opened_us(&self) -> i64 {
        self.terms.opened_us
    }

    /// Until when it may stay open, in microseconds since 1970-01-01T00:00Z; nothing where it ends by being idle.
    #[must_use]
    pub fn until_us(&self) -> Option<i64> {
        self.terms.brief.as_ref().map(|brief| brief.until_us)
    }

    /// The task it was handed on from.
    #[must_use]
    pub fn parent(&self) -> Option<&Arc<Self>> {
        self.terms.parent.as_ref()
    }

    /// The task itself, the one it was handed on from, and so on up. All of them bound what is done in it.
    pub fn lineage(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |task| task.terms.parent.as_deref())
    }

    /// How many tasks stand above it.
    #[must_use]
    pub fn depth(&self) -> u64 {
        u64::try_from(self.lineage().skip(1).count()).unwrap_or(u64::MAX)
    }

    /// Why it is over, if it or a task above it is.
    #[must_use]
    pub fn over(&self, now_us: i64) -> Option<Over> {
        if let Some(at_us) = self.until_us().filter(|until_us| now_us >= *until_us) {
            self.conclude(Over { cause: Cause::Expired, words: String::new(), by: None, at_us });
        }
        self.ended().cloned().or_else(|| self.terms.parent.as_ref()?.over(now_us))
    }

    /// How it ended, as far as that has been noticed; nothing while it goes on.
    #[must_use]
    pub fn ended(&self) -> Option<&Over> {
        self.over.get()
    }

    /// Ends it. Answers whether it had not ended before: the first cause stands.
    pub(crate) fn conclude(&self, over: Over) -> bool {
        self.over.set(over).is_ok()
    }

    /// True once, for whoever tells that it ran out.
    fn tell_once(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    /// How many calls tried to reach beyond its scope.
    #[must_use]
    pub fn expansions(&self) -> u64 {
        self.expansions.load(Ordering::Relaxed)
    }

    pub(crate) fn count_expansion(&self) {
        self.expansions.fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls it has made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.locked(|state| state.calls)
    }

    /// What policies see of it now, before anything is known of a call.
    pub(crate) fn facts(&self, now_us: i64) -> Facts {
        let (Carried { labels, readers }, calls) = self.locked(|state| (state.taint.carried(), state.calls));
        let (cost, bytes_out) = self.meter.spent();
        let task = TaskFacts {
            depth: self.depth(),
            explicit: self.is_explicit(),
            profile: self.terms.profile.clone(),
            cost,
            bytes_out,
            ..TaskFacts::of(&self.id)
        };
        Facts { labels, readers, calls, task, now_ms: now_us / 1000, ..Facts::default() }
    }

    /// What has been used of its limits, by their names.
    #[must_use]
    pub fn used(&self) -> [(&'static str, u64); 6] {
        self.meter.used()
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn once(&self) -> &Once {
        &self.once
    }

    pub(crate) fn count_call(&self) {
        self.locked(|state| state.calls = state.calls.saturating_add(1));
    }

    fn touch(&self, now_us: i64) {
        self.locked(|state| state.last_us = state.last_us.max(now_us));
    }

    fn last_us(&self) -> i64 {
        self.locked(|state| state.last_us)
    }

    fn locked<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The open tasks. Bounded; an idle one ends by itself.
#[derive(Debug)]
pub struct Tasks {
    state: Mutex<Open>,
    idle_us: i64,
    open_max: usize,
    by_trace: bool,
    /// Seals tokens; without it no task can be opened.
    key: Option<Key>,
    /// Whether a host ever opened one.
    hosted: AtomicBool,
    meters: Meters,
}

#[derive(Debug, Default)]
struct Open {
    by_key: HashMap<String, Arc<Task>>,
    /// Those that hosts opened, by id.
    opened: HashMap<String, Arc<Task>>,
    /// What a principal had read in tasks that had to go, and when the last of them went.
    spilt: HashMap<String, (Carried, i64)>,
}

impl Open {
    /// Makes room for one more task.
    fn give_up_one(&mut self, now_us: i64) {
        let held = self.by_key.iter().map(|(key, t)| Held { key, owner: &t.owner, last_us: t.last_us() });
        if let Some(task) = fair::victim(held).and_then(|key| self.by_key.remove(&key)) {
            self.keep(&task, now_us);
        }
    }

    /// Keeps what was read in a task that goes, for the other tasks of its principal: those to come and those there are.
    fn keep(&mut self, task: &Task, now_us: i64) {
        let carried = task.carried();
        if carried.is_nothing() {
            return;
        }
        let (kept, at) = self.spilt.entry(task.owner.clone()).or_default();
        kept.raise(&carried);
        *at = now_us;
        if task.is_explicit() {
            self.by_key.values().filter(|other| other.owner == task.owner).for_each(|other| {
                other.gather(&carried);
                other.seen().miss();
            });
        }
    }
}

impl Tasks {
    /// A store. A rolling task ends after `idle_us` microseconds without a call. `by_trace` says whether an incoming
    /// trace id opens a task of its own; whoever sets it can leave its labels behind, so it is the host that must be trusted.
    #[must_use]
    pub fn new(idle_us: i64, open_max: usize, by_trace: bool) -> Self {
        Self {
            state: Mutex::default(),
            idle_us,
            open_max,
            by_trace,
            key: None,
            hosted: AtomicBool::new(false),
            meters: Meters::default(),
        }
    }

    /// With limits of principals, by their keys: over all their tasks, and counted anew after `elapsed_s` seconds.
    #[must_use]
    pub fn limited(self, principals: HashMap<String, Limits>) -> Self {
        Self { meters: Meters::of(principals), ..self }
    }

    /// Whether there is a key to seal with.
    pub(crate) fn is_sealing(&self) -> bool {
        self.key.is_some()
    }

    /// What a client is sent to people with, under the same key as the tokens and for nothing else; none without a key.
    pub(crate) fn sealed_state(&self, retry: &Retry) -> Option<String> {
        Some(self.key.as_ref()?.sealed(retry::PREFIX, &retry.written()))
    }

    /// What it says, if it was sealed here.
    pub(crate) fn opened_state(&self, state: &Token) -> Option<Retry> {
        Retry::read(&self.key.as_ref()?.said(retry::PREFIX, state).ok()?)
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.meters
    }

    /// With the key that seals the tokens of explicit tasks.
    #[must_use]
    pub fn sealed(self, key: Key) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The task of a frame that belongs to no session and names none. Where it is not open yet, it is opened under this
    /// profile. One that is over stays until it has been idle: calling on is no way to begin anew.
    pub(crate) fn resolve(
        &self,
        principal: &Principal,
        incoming: Option<&TraceContext>,
        profile: Option<&Profile>,
        now_us: i64,
        fresh_trace: impl FnOnce() -> String,
    ) -> Arc<Task> {
        let named = incoming.filter(|_| self.by_trace);
        let key = match named {
            Some(context) => format!("trace {} {}", principal.key(), context.trace),
            None => format!("rolling {}", principal.key()),
        };
        let mut open = self.locked();
        if let Some(task) = open.by_key.get(&key).filter(|t| named.is_some() || now_us - t.last_us() <= self.idle_us) {
            if task.ended().is_none() {
                task.touch(now_us);
            }
            return Arc::clone(task);
        }
        if open.by_key.len() >= self.open_max {
            open.give_up_one(now_us);
        }
        open.spilt.retain(|_, (_, at)| now_us - *at <= self.idle_us);
        let trace = named.map_or_else(fresh_trace, |context| context.trace.clone());
        let id = format!("task-{}", trace.get(..16).unwrap_or(&trace));
        let terms = profile.map(|profile| Terms::of(profile, now_us)).unwrap_or_default();
        let task = Arc::new(Task::under(id, trace, principal.key(), terms));
        if let Some((carried, _)) = open.spilt.get(&task.owner)
            && task.gather(carried)
        {
            task.seen().miss();
        }
        task.touch(now_us);
        open.by_key.insert(key, Arc::clone(&task));
        task
    }

    /// Every task that is remembered: those of hosts, also when they are over, and those that nobody opened.
    #[must_use]
    pub fn open(&self) -> Vec<Arc<Task>> {
        let open = self.locked();
        open.by_key.values().chain(open.opened.values()).cloned().collect()
    }

    fn locked(&self) -> MutexGuard<'_, Open> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
