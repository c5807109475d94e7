//! Tasks: the unit of scope, taint, budget and trace. Labels are gathered over every server and session a task touches.
//!
//! Implicit tasks are found in this order: the one a legacy session was opened in; the one of the incoming trace id; the
//! principal's rolling task. Sessions of one principal thus share one task unless their host says otherwise, so that
//! what was read from one server counts when another is called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pdp::label::LabelSet;
use pdp::principal::Principal;

use crate::crowd::{self, Held};
use crate::trace::TraceContext;

/// One task.
#[derive(Debug)]
pub struct Task {
    /// The key of the principal it was opened for; empty where nobody needs to know.
    owner: String,
    id: String,
    trace: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    labels: LabelSet,
    calls: u64,
    last_us: i64,
}

impl Task {
    /// A task in a trace.
    #[must_use]
    pub fn new(id: String, trace: String) -> Self {
        Self { owner: String::new(), id, trace, state: Mutex::new(State::default()) }
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

    /// The labels it has gathered.
    #[must_use]
    pub fn labels(&self) -> LabelSet {
        self.locked(|state| state.labels.clone())
    }

    /// Raises its labels. There is no way to lower them. Answers whether anything was added.
    pub fn raise(&self, labels: &LabelSet) -> bool {
        self.locked(|state| state.labels.raise(labels))
    }

    /// How many calls it has made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.locked(|state| state.calls)
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

/// The open tasks. Bounded: the longest idle of whoever holds the most goes first, and an idle one ends by itself.
#[derive(Debug)]
pub struct Tasks {
    by_key: Mutex<HashMap<String, Arc<Task>>>,
    idle_us: i64,
    open_max: usize,
    by_trace: bool,
}

impl Tasks {
    /// A store. A rolling task ends after `idle_us` microseconds without a call. `by_trace` says whether an incoming
    /// trace id opens a task of its own; whoever sets it can leave its labels behind, so it is the host that must be trusted.
    #[must_use]
    pub fn new(idle_us: i64, open_max: usize, by_trace: bool) -> Self {
        Self { by_key: Mutex::new(HashMap::new()), idle_us, open_max, by_trace }
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
        let mut tasks = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = tasks.get(&key).filter(|t| named.is_some() || now_us - t.last_us() <= self.idle_us) {
            task.touch(now_us);
            return Arc::clone(task);
        }
        if tasks.len() >= self.open_max {
            let all = tasks.iter().map(|(key, t)| Held { key, owner: &t.owner, last_us: t.last_us() });
            if let Some(key) = crowd::gives_way(all).cloned() {
                tasks.remove(&key);
            }
        }
        let trace = named.map_or_else(fresh_trace, |context| context.trace.clone());
        let id = format!("task-{}", trace.get(..16).unwrap_or(&trace));
        let task = Arc::new(Task { owner: principal.key(), ..Task::new(id, trace) });
        task.touch(now_us);
        tasks.insert(key, Arc::clone(&task));
        task
    }

    /// Every open task.
    #[must_use]
    pub fn open(&self) -> Vec<Arc<Task>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
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
