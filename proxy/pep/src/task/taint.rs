//! Taint: what a task has gathered, and what the calls it has under way are presumed to bring.
//!
//! A call whose labels depend on its result is presumed to bring the most its rules allow from its dispatch on, so that
//! another call of the task that is judged meanwhile sees the worst case. Once the result is there the presumption is
//! settled to what it really carries. A call that is lost is settled at its presumption. What is settled never falls.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pdp::flow::Carried;
use pdp::label::LabelSet;

use super::Task;

/// What one task has gathered.
#[derive(Debug, Default)]
pub(super) struct Taint {
    settled: Carried,
    /// By a number of its own, what each call under way is presumed to bring.
    presumed: BTreeMap<u64, Carried>,
    next: u64,
}

impl Taint {
    /// What counts now: the facts, and everything that is presumed.
    pub(super) fn carried(&self) -> Carried {
        self.presumed.values().fold(self.settled.clone(), |sum, one| sum.join(one))
    }

    /// The labels of that.
    pub(super) fn labels(&self) -> LabelSet {
        let settled = self.settled.labels.clone();
        self.presumed.values().fold(settled, |sum, one| sum.join(&one.labels))
    }

    /// Joins labels to the facts.
    pub(super) fn raise(&mut self, labels: &LabelSet) {
        self.settled.labels.raise(labels);
    }

    /// What data carries that the task has gathered. There is no way back. Answers whether a label was added.
    pub(super) fn settle(&mut self, fact: &Carried) -> bool {
        let more = !fact.labels.flows_to(&self.settled.labels);
        self.settled.raise(fact);
        more
    }

    fn presume(&mut self, carried: Carried) -> u64 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.presumed.insert(number, carried);
        number
    }

    /// Ends a presumption that nothing came of; nothing where it is settled. That of a call that acted becomes fact: it is
    /// lost, and may have brought what was presumed.
    fn end(&mut self, number: u64, acted: bool) {
        if let Some(carried) = self.presumed.remove(&number).filter(|_| acted) {
            self.settled.raise(&carried);
        }
    }
}

/// What a call under way is presumed to bring, of its task and of those above it. Dropped unsettled, it becomes fact, if
/// the call acted.
#[derive(Debug)]
pub(crate) struct Presumption {
    /// Each task, and the number of the presumption there.
    of: Vec<(Arc<Task>, u64)>,
    acted: AtomicBool,
}

impl Presumption {
    /// Presumes it of a task from now on.
    pub(crate) fn of(task: &Arc<Task>, carried: &Carried) -> Self {
        let presume = |task: &Arc<Task>| (Arc::clone(task), task.locked(|state| state.taint.presume(carried.clone())));
        Self { of: task.lineage().map(presume).collect(), acted: AtomicBool::new(false) }
    }

    /// Whether the call was sent, as far as is known now.
    pub(crate) fn acts(&self, acts: bool) {
        self.acted.store(acts, Ordering::Relaxed);
    }

    /// The call has brought this. It may be told again, when an answer is delivered again.
    pub(crate) fn settle(&self, fact: &Carried) {
        for (task, number) in &self.of {
            task.locked(|state| {
                state.taint.presumed.remove(number);
                let _known = state.taint.settle(fact);
            });
        }
    }
}

impl Drop for Presumption {
    fn drop(&mut self) {
        for (task, number) in &self.of {
            task.locked(|state| state.taint.end(*number, self.acted.load(Ordering::Relaxed)));
        }
    }
}

#[cfg(test)]
mod tests {
    use pdp::label::Readers;
    use proptest::prelude::*;

    use super::*;

    fn carried(labels: &str, readers: Option<&str>) -> Carried {
        let words = |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        Carried {
            labels: words(labels).iter().map(String::as_str).collect(),
            readers: readers.map_or_else(Readers::everyone, |names| Readers::only(words(names))),
        }
    }

    fn task() -> Arc<Task> {
        Arc::new(Task::new("task-1".to_owned(), "a".repeat(32)))
    }

    #[test]
    fn a_presumption_counts_until_it_is_settled_and_a_lost_one_for_ever() {
        let task = task();
        let one = Presumption::of(&task, &carried("untrusted", None));
        let two = Presumption::of(&task, &carried("private", Some("ann")));
        assert_eq!(task.carried(), carried("private untrusted", Some("ann")));
        let three = Presumption::of(&task, &carried("secret", None));
        drop(three);
        [&one, &two].iter().for_each(|presumption| presumption.acts(true));
        one.settle(&carried("", None));
        assert_eq!(task.carried(), carried("private", Some("ann")));
        drop(one);
        assert_eq!(task.carried(), carried("private", Some("ann")), "what is settled is settled");
        drop(two);
        assert_eq!(task.carried(), carried("private", Some("ann")), "the call was lost");
    }

    /// What a task of calls does, one step after another.
    #[derive(Debug, Clone)]
    enum Step {
        Raise(Carried),
        Presume(Carried),
        Settle(usize, Carried),
        Lose(usize),
        Unsent(usize),
    }

    fn any_carried() -> impl Strategy<Value = Carried> {
        let names = proptest::collection::btree_set("[ab]", 0..3);
        (proptest::collection::btree_set("[x-z]", 0..3), proptest::option::of(names)).prop_map(|(labels, names)| {
            Carried {
                labels: labels.iter().map(String::as_str).collect(),
                readers: names.map_or_else(Readers::everyone, Readers::only),
            }
        })
    }

    fn any_steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            any_carried().prop_map(Step::Raise),
            any_carried().prop_map(Step::Presume),
            (any::<usize>(), any_carried()).prop_map(|(at, fact)| Step::Settle(at, fact)),
            any::<usize>().prop_map(Step::Lose),
            any::<usize>().prop_map(Step::Unsent),
        ];
        proptest::collection::vec(step, 0..20)
    }

    proptest! {
        /// Facts never fall; what counts is never less than the facts and everything presumed of a call under way.
        #[test]
        fn facts_never_fall_and_calls_under_way_count_as_presumed(steps in any_steps()) {
            let task = task();
            let mut open: Vec<(Presumption, Carried)> = Vec::new();
            let mut facts = Carried::default();
            for step in steps {
                match step {
                    Step::Raise(fact) => {
                        task.gather(&fact);
                        facts.raise(&fact);
                    }
                    Step::Presume(carried) => open.push((Presumption::of(&task, &carried), carried)),
                    Step::Settle(at, fact) if !open.is_empty() => {
                        let (presumption, _) = open.swap_remove(at % open.len());
                        presumption.settle(&fact);
                        facts.raise(&fact);
                    }
                    Step::Lose(at) if !open.is_empty() => {
                        let (presumption, carried) = open.swap_remove(at % open.len());
                        presumption.acts(true);
                        facts.raise(&carried);
                    }
                    Step::Unsent(at) if !open.is_empty() => drop(open.swap_remove(at % open.len())),
                    Step::Settle(..) | Step::Lose(_) | Step::Unsent(_) => {}
                }
                let want = open.iter().fold(facts.clone(), |sum, (_, one)| sum.join(one));
                prop_assert_eq!(task.carried(), want);
                prop_assert!(facts.flows_to(&task.carried()));
            }
        }
    }
}
