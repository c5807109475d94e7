//! Tasks: the unit of scope, taint, budget and trace. Labels are gathered over every server and session a task touches.
//!
//! Implicit tasks are found in this order: the one a legacy session was opened in; the one of the incoming trace id; the
//! principal's rolling task. Sessions of one principal thus share one task unless their host says otherwise, so that
//! what was read from one server counts when another is called.
//!
//! The store is bounded, and whoever fills it pays alone: the longest idle task of the principal that holds most goes.
//! Its labels do not go with it. They stay with the principal, and every task it opens from then on begins with them,
//! until it has been idle for as long as a task may be: opening many tasks is no way to be rid of what was read.

mod taint;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pdp::flow::Carried;
use pdp::label::{LabelSet, Readers};
use pdp::policy::{Facts, TaskFacts};
use pdp::principal::Principal;

use crate::fair::{self, Held};
use crate::trace::TraceContext;
use taint::Taint;

pub(crate) use taint::Presumption;

/// One task.
#[derive(Debug)]
pub struct Task {
    id: String,
    trace: String,
    /// The key of the principal it belongs to; empty where nobody needs to know.
    owner: String,
    state: Mutex<State>,
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
        Self::of(id, trace, String::new())
    }

    fn of(id: String, trace: String, owner: String) -> Self {
        Self { id, trace, owner, state: Mutex::new(State::default()) }
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

    /// Raises its labels. There is no way to lower them. Answers whether anything was added.
    pub fn raise(&self, labels: &LabelSet) -> bool {
        self.locked(|state| state.taint.raise(labels))
    }

    /// Takes note of what data carries that it has gathered. There is no way back.
    pub fn gather(&self, carried: &Carried) {
        self.locked(|state| state.taint.settle(carried));
    }

    /// How many calls it has made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.locked(|state| state.calls)
    }

    /// What policies see of it now, before anything is known of a call.
    pub(crate) fn facts(&self, now_us: i64) -> Facts {
        let (Carried { labels, readers }, calls) = self.locked(|state| (state.taint.carried(), state.calls));
        Facts { labels, readers, calls, task: TaskFacts::of(&self.id), now_ms: now_us / 1000, ..Facts::default() }
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
}

#[derive(Debug, Default)]
struct Open {
    by_key: HashMap<String, Arc<Task>>,
    /// What a principal had read in tasks that had to go, and when the last of them went.
    spilt: HashMap<String, (Carried, i64)>,
}

impl Open {
    /// Makes room for one more task.
    fn give_up_one(&mut self, now_us: i64) {
        let held = self.by_key.iter().map(|(key, t)| Held { key, owner: &t.owner, last_us: t.last_us() });
        let Some(task) = fair::victim(held).and_then(|key| self.by_key.remove(&key)) else { return };
        let carried = task.carried();
        if !carried.is_nothing() {
            let (kept, at) = self.spilt.entry(task.owner.clone()).or_default();
            kept.raise(&carried);
            *at = now_us;
        }
    }
}

impl Tasks {
    /// A store. A rolling task ends after `idle_us` microseconds without a call. `by_trace` says whether an incoming
    /// trace id opens a task of its own; whoever sets it can leave its labels behind, so it is the host that must be trusted.
    #[must_use]
    pub fn new(idle_us: i64, open_max: usize, by_trace: bool) -> Self {
        Self { state: Mutex::default(), idle_us, open_max, by_trace }
    }

    /// The task of a frame that belongs to no session.
    pub(crate) fn resolve(
        &self,
        principal: &Principal,
        incoming: Option<&TraceContext>,
        now_us: i64,
        fresh_trace: impl FnOnce() -> String,
    ) -> Arc<Task> {
        let named = incoming.filter(|_| self.by_trace);
        let key = match named {
            Some(context) => format!("trace {} {}", principal.key(), context.trace),
            None => format!("rolling {}", principal.key()),
        };
        let mut open = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = open.by_key.get(&key).filter(|t| named.is_some() || now_us - t.last_us() <= self.idle_us) {
            task.touch(now_us);
            return Arc::clone(task);
        }
        if open.by_key.len() >= self.open_max {
            open.give_up_one(now_us);
        }
        open.spilt.retain(|_, (_, at)| now_us - *at <= self.idle_us);
        let trace = named.map_or_else(fresh_trace, |context| context.trace.clone());
        let id = format!("task-{}", trace.get(..16).unwrap_or(&trace));
        let task = Arc::new(Task::of(id, trace, principal.key()));
        if let Some((carried, _)) = open.spilt.get(&task.owner) {
            task.gather(carried);
        }
        task.touch(now_us);
        open.by_key.insert(key, Arc::clone(&task));
        task
    }

    /// Every open task.
    #[must_use]
    pub fn open(&self) -> Vec<Arc<Task>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).by_key.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(agent: &str) -> Principal {
        Principal {
            agent: agent.into(),
            teams: vec![],
            user: String::new(),
            tenant: "default".into(),
            method: "token".into(),
        }
    }

    #[test]
    fn a_task_rolls_on_while_it_is_used_and_ends_when_idle() {
        let tasks = Tasks::new(100, 10, true);
        let mut n = 0;
        let mut of = |agent: &str, at: i64| {
            n += 1;
            tasks.resolve(&principal(agent), None, at, || format!("{n:032x}"))
        };
        let first = of("a", 0);
        assert!(Arc::ptr_eq(&first, &of("a", 90)));
        assert!(Arc::ptr_eq(&first, &of("a", 180)));
        assert!(!Arc::ptr_eq(&first, &of("b", 180)));
        assert!(!Arc::ptr_eq(&first, &of("a", 281)));
    }

    #[test]
    fn a_trace_id_opens_a_task_only_for_its_principal_and_only_where_that_is_on() {
        let context = TraceContext { trace: "c".repeat(32), span: "d".repeat(16), sampled: true };
        let tasks = Tasks::new(100, 10, true);
        let a = tasks.resolve(&principal("a"), Some(&context), 0, String::new);
        assert_eq!(a.trace(), context.trace);
        a.raise(&["untrusted"].into_iter().collect());
        let b = tasks.resolve(&principal("b"), Some(&context), 0, String::new);
        assert!(b.labels().is_empty());
        let off = Tasks::new(100, 10, false);
        assert_eq!(off.resolve(&principal("a"), Some(&context), 0, || "e".repeat(32)).trace(), "e".repeat(32));
    }

    #[test]
    fn many_trace_ids_push_out_nobody_elses_task_and_wash_off_no_label() {
        let tasks = Tasks::new(100, 4, true);
        let quiet = tasks.resolve(&principal("quiet"), None, 0, || "e".repeat(32));
        quiet.raise(&["private"].into_iter().collect());
        let loud = |n: i64| {
            let context = TraceContext { trace: format!("{n:032x}"), span: "d".repeat(16), sampled: true };
            tasks.resolve(&principal("loud"), Some(&context), n, String::new)
        };
        loud(1).raise(&["untrusted"].into_iter().collect());
        for n in 2..50 {
            loud(n);
        }
        assert_eq!(tasks.open().len(), 4);
        assert!(Arc::ptr_eq(&quiet, &tasks.resolve(&principal("quiet"), None, 50, String::new)));
        assert!(loud(1).labels().contains("untrusted"), "the first task went, its labels did not");
        assert!(loud(60).labels().contains("untrusted"));
        for n in 200..203 {
            loud(n);
        }
        assert!(tasks.resolve(&principal("other"), None, 203, || "f".repeat(32)).labels().is_empty());
    }

    #[test]
    fn the_store_is_bounded() {
        let tasks = Tasks::new(100, 3, true);
        for n in 0..20 {
            tasks.resolve(&principal(&format!("p{n}")), None, n, || format!("{n:032x}"));
        }
        assert_eq!(tasks.open().len(), 3);
        // Whoever opens one after the other pushes out its own: another's labels stay.
        let quiet = tasks.resolve(&principal("quiet"), None, 100, || "q".repeat(32));
        quiet.raise(&["private"].into_iter().collect());
        for n in 0..20 {
            let context = TraceContext { trace: format!("{n:032x}"), span: "d".repeat(16), sampled: true };
            tasks.resolve(&principal("loud"), Some(&context), 101 + n, String::new);
        }
        assert!(Arc::ptr_eq(&quiet, &tasks.resolve(&principal("quiet"), None, 130, String::new)));
        assert_eq!(tasks.open().len(), 3);
    }
}
