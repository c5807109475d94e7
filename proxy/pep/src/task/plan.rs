//! The plan that was recorded for a task, and which of its steps each call takes. Kept with the task; read by the policy
//! stage.
//!
//! A plan is a claim. It permits nothing and widens nothing: all it does is tell policies and people that a call is not what
//! was said. A host's plan stands over its agent's: an agent that could revise what its host said could hide its drift. It
//! must not know what a call carries, only which tool it names.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pdp::record::{PlanNote, PlanStep, Saying, Voice};

/// How many things may be said of one task.
const SAID_MAX: u64 = 1000;
/// How many bytes may be said of one task.
const SAID_BYTES_MAX: usize = 1 << 20;

/// What was said of one task: how much, and the plan that follows from it.
#[derive(Debug, Default)]
pub struct Claims {
    /// Whether there is a plan: read by every call, so that a task without one pays for one look.
    planned: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    plan: Option<Plan>,
    said: u64,
    bytes: usize,
}

/// Calls that are meant to be made.
#[derive(Debug)]
struct Plan {
    by: Voice,
    revision: u32,
    steps: Vec<Step>,
    /// The step that was taken last.
    last: usize,
    /// How many calls fitted no open step.
    off: u64,
}

#[derive(Debug)]
struct Step {
    step: PlanStep,
    /// How many calls took it.
    taken: u64,
    /// How many calls hold it and are not made yet.
    held: u64,
    given_up: bool,
}

impl Step {
    fn is_open(&self) -> bool {
        !self.given_up && (self.step.many || !self.is_met())
    }

    fn is_met(&self) -> bool {
        self.taken + self.held > 0
    }
}

/// Why something cannot be said. The words are for whoever wanted to say it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// It is out of bounds.
    #[error("{}", .0.join("; "))]
    Unfit(Vec<String>),
    /// Enough was said of this task.
    #[error("enough was said of this task: at most {SAID_MAX} entries of {SAID_BYTES_MAX} bytes in all are kept")]
    Enough,
    /// There is a plan already.
    #[error("a plan is recorded already: revise it, with the reason")]
    Planned,
    /// There is no plan.
    #[error("no plan is recorded that could be revised: record one first")]
    Unplanned,
}

/// What came of saying something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is kept.
    Kept,
    /// It is kept, and calls are matched to these steps from now on.
    Plan {
        /// How many of them are open.
        open: usize,
    },
    /// It is kept, and calls are still matched to the host's plan.
    HostsPlanStands,
}

/// What of a plan is left, for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanState {
    /// Who recorded it.
    pub by: Voice,
    /// How often it was revised.
    pub revision: u32,
    /// How many steps it has.
    pub steps: usize,
    /// Those that are open, counted from one, with their patterns.
    pub open: Vec<(usize, String)>,
    /// How many calls fitted no open step.
    pub off: u64,
}

impl Claims {
    /// Whether this can be said now. What can be said is written first and [heard](Self::hear) then.
    pub(crate) fn admits(&self, saying: &Saying, voice: Voice) -> Result<(), Unsaid> {
        let faults = saying.faults();
        if !faults.is_empty() {
            return Err(Unsaid::Unfit(faults));
        }
        let state = self.state();
        if state.said >= SAID_MAX || state.bytes.saturating_add(saying.bytes()) > SAID_BYTES_MAX {
            return Err(Unsaid::Enough);
        }
        match (saying, &state.plan, voice) {
            (Saying::Plan { .. }, Some(_), Voice::Agent) => Err(Unsaid::Planned),
            (Saying::Plan { .. }, Some(plan), Voice::Host) if plan.by == Voice::Host => Err(Unsaid::Planned),
            (Saying::Revision { .. }, None, Voice::Agent | Voice::Host) => Err(Unsaid::Unplanned),
            (Saying::AbandonedBranch { steps, .. }, plan, Voice::Agent | Voice::Host) => {
                let count = plan.as_ref().map_or(0, |plan| plan.steps.len());
                match steps.iter().find(|step| usize::try_from(**step).unwrap_or(usize::MAX) > count) {
                    Some(step) => Err(Unsaid::Unfit(vec![format!("there is no step {step}: the plan has {count}")])),
                    None => Ok(()),
                }
            }
            (
                Saying::Plan { .. }
                | Saying::Revision { .. }
                | Saying::Prompt { .. }
                | Saying::Context { .. }
                | Saying::Note { .. },
                Some(_) | None,
                Voice::Agent | Voice::Host,
            ) => Ok(()),
        }
    }

    /// Takes in what was said and recorded. A host's plan gives way to its host alone; an agent's, to either.
    pub(crate) fn hear(&self, saying: &Saying, voice: Voice) -> Heard {
        let mut state = self.state();
        state.said = state.said.saturating_add(1);
        state.bytes = state.bytes.saturating_add(saying.bytes());
        match saying {
            Saying::Prompt { .. } | Saying::Context { .. } | Saying::Note { .. } => Heard::Kept,
            Saying::Plan { steps } | Saying::Revision { steps, .. } => {
                if voice == Voice::Agent && state.plan.as_ref().is_some_and(|plan| plan.by == Voice::Host) {
                    return Heard::HostsPlanStands;
                }
                let before = state.plan.take();
                // A plan that a host sets over its agent's is a first one.
                let revised = before.as_ref().filter(|_| matches!(saying, Saying::Revision { .. }));
                let revision = revised.map_or(0, |plan| plan.revision.saturating_add(1));
                let off = before.map_or(0, |plan| plan.off);
                let open = |step: &PlanStep| Step { step: step.clone(), taken: 0, held: 0, given_up: false };
                let steps: Vec<Step> = steps.iter().map(open).collect();
                let open = steps.len();
                state.plan = Some(Plan { by: voice, revision, steps, last: 0, off });
                self.planned.store(true, Ordering::Release);
                Heard::Plan { open }
            }
            Saying::AbandonedBranch { steps, .. } => {
                let Some(plan) = state.plan.as_mut().filter(|_| !steps.is_empty()) else { return Heard::Kept };
                if voice == Voice::Agent && plan.by == Voice::Host {
                    return Heard::HostsPlanStands;
                }
                for (n, step) in plan.steps.iter_mut().enumerate() {
                    step.given_up |= steps.iter().any(|given_up| usize::try_from(*given_up) == Ok(n + 1));
                }
                Heard::Plan { open: plan.steps.iter().filter(|step| step.is_open()).count() }
            }
        }
    }

    /// Matches a call to the plan; nothing where there is none. The step is held until the call is made or ends before.
    pub(crate) fn meet(self: &Arc<Self>, server: &str, tool: &str) -> Option<(PlanNote, Option<Held>)> {
        if !self.planned.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state();
        let plan = state.plan.as_mut()?;
        let note = |step: Option<usize>, out_of_order| PlanNote {
            by: plan.by,
            out_of_order,
            revision: plan.revision,
            step: step.and_then(|n| u32::try_from(n + 1).ok()),
            steps: u32::try_from(plan.steps.len()).unwrap_or(u32::MAX),
        };
        let fits = |(n, step): (usize, &Step)| (step.is_open() && step.step.fits(server, tool)).then_some(n);
        let mut open = plan.steps.iter().enumerate().filter_map(fits);
        // What comes next is meant before what was passed over.
        let at = open.clone().find(|n| *n >= plan.last).or_else(|| open.next());
        let Some(at) = at else {
            let note = note(None, false);
            plan.off = plan.off.saturating_add(1);
            return Some((note, None));
        };
        let early = plan.steps.iter().take(at).any(|step| !step.given_up && !step.is_met());
        let note = note(Some(at), early);
        plan.last = at;
        if let Some(step) = plan.steps.get_mut(at) {
            step.held += 1;
        }
        let held = Held { claims: Arc::clone(self), revision: plan.revision, by: plan.by, at, made: false };
        Some((note, Some(held)))
    }

    /// What of the plan is left.
    #[must_use]
    pub fn plan(&self) -> Option<PlanState> {
        let state = self.state();
        let plan = state.plan.as_ref()?;
        let open = plan.steps.iter().enumerate().filter(|(_, step)| step.is_open());
        Some(PlanState {
            by: plan.by,
            revision: plan.revision,
            steps: plan.steps.len(),
            open: open.map(|(n, step)| (n + 1, step.step.tool.clone())).collect(),
            off: plan.off,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step that a call holds. It is taken when the call is made, and open again when the call ends before that.
#[derive(Debug)]
pub(crate) struct Held {
    claims: Arc<Claims>,
    revision: u32,
    by: Voice,
    at: usize,
    made: bool,
}

impl Held {
    /// The call is made.
    pub(crate) fn made(mut self) {
        self.made = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.claims.state();
        // Of a plan that was replaced meanwhile nothing is held.
        let same = |plan: &&mut Plan| plan.revision == self.revision && plan.by == self.by;
        let step = state.plan.as_mut().filter(same).and_then(|plan| plan.steps.get_mut(self.at));
        if let Some(step) = step {
            step.held = step.held.saturating_sub(1);
            step.taken = step.taken.saturating_add(u64::from(self.made));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use proptest::prelude::*;

    fn steps(patterns: &[&str]) -> Vec<PlanStep> {
        let step = |pattern: &&str| {
            let many = pattern.ends_with('+');
            PlanStep { many, note: String::new(), tool: pattern.trim_end_matches('+').to_owned() }
        };
        patterns.iter().map(step).collect()
    }

    fn planned(patterns: &[&str], by: Voice) -> Arc<Claims> {
        let claims = Arc::new(Claims::default());
        assert_eq!(say(&claims, Saying::Plan { steps: steps(patterns) }, by), Ok(Heard::Plan { open: patterns.len() }));
        claims
    }

    fn say(claims: &Claims, saying: Saying, voice: Voice) -> Result<Heard, Unsaid> {
        claims.admits(&saying, voice).map(|()| claims.hear(&saying, voice))
    }

    fn revision(patterns: &[&str]) -> Saying {
        Saying::Revision { steps: steps(patterns), text: "why".to_owned() }
    }

    /// Makes a call; answers the step it took, with a `!` where it came early, or `off`.
    fn call(claims: &Arc<Claims>, tool: &str) -> String {
        let (note, held) = claims.meet("office", tool).unwrap();
        held.into_iter().for_each(Held::made);
        words(&note)
    }

    fn words(note: &PlanNote) -> String {
        let early = if note.out_of_order { "!" } else { "" };
        note.step.map_or_else(|| "off".to_owned(), |step| format!("{step}{early}"))
    }

    #[test]
    fn calls_take_the_steps_they_fit_in_order_and_out_of_it() {
        let claims = planned(&["office/read", "send", "office/read", "re*+", "pay"], Voice::Agent);
        let told: Vec<String> =
            ["read", "read", "send", "read", "retry", "retry", "send", "pay"].map(|tool| call(&claims, tool)).into();
        assert_eq!(told, ["1", "3!", "2", "4", "4", "4", "off", "5"]);
        let left = claims.plan().unwrap();
        assert_eq!((left.open, left.off), (vec![(4, "re*".to_owned())], 1));
        assert!(Arc::new(Claims::default()).meet("office", "read").is_none(), "without a plan nothing is off it");
    }

    #[test]
    fn a_call_that_is_not_made_leaves_its_step_open_and_one_under_way_holds_it() {
        let claims = planned(&["pay"], Voice::Agent);
        let (first, held) = claims.meet("bank", "pay").unwrap();
        assert_eq!((words(&first), call(&claims, "pay")), ("1".to_owned(), "off".to_owned()));
        drop(held);
        assert_eq!((call(&claims, "pay"), call(&claims, "pay")), ("1".to_owned(), "off".to_owned()));
    }

    #[test]
    fn a_revision_leaves_what_is_still_to_do_and_holds_nothing_of_the_plan_before() {
        let claims = planned(&["read", "pay"], Voice::Agent);
        let (_, held) = claims.meet("bank", "pay").unwrap();
        assert_eq!(say(&claims, revision(&["send"]), Voice::Agent), Ok(Heard::Plan { open: 1 }));
        drop(held);
        assert_eq!((call(&claims, "send"), call(&claims, "pay")), ("1".to_owned(), "off".to_owned()));
        let given_up = Saying::AbandonedBranch { steps: vec![1], text: "no".to_owned() };
        assert_eq!(say(&claims, revision(&["send"]), Voice::Agent), Ok(Heard::Plan { open: 1 }));
        assert_eq!(say(&claims, given_up, Voice::Agent), Ok(Heard::Plan { open: 0 }));
        assert_eq!(call(&claims, "send"), "off");
        let left = claims.plan().unwrap();
        assert_eq!((left.revision, left.off), (2, 2), "drift is counted over every revision");
    }

    #[test]
    fn an_agent_cannot_move_its_hosts_plan() {
        let claims = planned(&["read"], Voice::Host);
        assert_eq!(say(&claims, revision(&["pay"]), Voice::Agent), Ok(Heard::HostsPlanStands));
        assert_eq!(say(&claims, Saying::Plan { steps: steps(&["pay"]) }, Voice::Agent), Err(Unsaid::Planned));
        let given_up = Saying::AbandonedBranch { steps: vec![1], text: "no".to_owned() };
        assert_eq!(say(&claims, given_up, Voice::Agent), Ok(Heard::HostsPlanStands));
        assert_eq!(claims.plan().unwrap().open.len(), 1, "nor close a step of it");
        assert_eq!(call(&claims, "pay"), "off");
        assert_eq!(say(&claims, revision(&["pay"]), Voice::Host), Ok(Heard::Plan { open: 1 }));
        assert_eq!(call(&claims, "pay"), "1");
        let claims = planned(&["read"], Voice::Agent);
        let hosts = Saying::Plan { steps: steps(&["pay"]) };
        assert_eq!(say(&claims, hosts, Voice::Host), Ok(Heard::Plan { open: 1 }), "its host may set it anew");
        assert_eq!(claims.plan().unwrap().revision, 0, "what takes an agent's place is no revision of it");
    }

    #[test]
    fn what_is_said_is_bounded_and_refers_to_what_there_is() {
        let claims = Arc::new(Claims::default());
        assert_eq!(say(&claims, revision(&["a"]), Voice::Agent), Err(Unsaid::Unplanned));
        let third = Saying::AbandonedBranch { steps: vec![3], text: "no".to_owned() };
        let unfit = vec!["there is no step 3: the plan has 0".to_owned()];
        assert_eq!(say(&claims, third, Voice::Agent), Err(Unsaid::Unfit(unfit)));
        let note = |bytes: usize| Saying::Note { text: "x".repeat(bytes) };
        for _ in 0..64 {
            assert_eq!(say(&claims, note(16 * 1024), Voice::Agent), Ok(Heard::Kept));
        }
        assert_eq!(say(&claims, note(1), Voice::Agent), Err(Unsaid::Enough));
        let claims = Arc::new(Claims::default());
        (0..1000).for_each(|_| assert_eq!(say(&claims, note(1), Voice::Host), Ok(Heard::Kept)));
        assert_eq!(say(&claims, note(1), Voice::Host), Err(Unsaid::Enough));
    }

    proptest! {
        /// Whatever is called, however it ends: a step that is not for many calls is made once at most, and never by a call it
        /// does not fit.
        #[test]
        fn no_step_is_taken_twice(plan in proptest::collection::vec("[abc*]{1,2}\\+?", 1..6), calls in proptest::collection::vec(("[abc]{1,2}", any::<bool>()), 0..20)) {
            let patterns: Vec<&str> = plan.iter().map(String::as_str).collect();
            let claims = planned(&patterns, Voice::Agent);
            let mut made = std::collections::BTreeMap::<usize, usize>::new();
            let mut under_way = Vec::new();
            for (tool, ends) in &calls {
                let (note, held) = claims.meet("s", tool).unwrap();
                prop_assert_eq!(note.step.is_some(), held.is_some());
                if let (Some(step), Some(held)) = (note.step, held) {
                    let at = step as usize - 1;
                    let pattern = patterns.get(at).copied().unwrap();
                    prop_assert!(steps(&[pattern]).iter().all(|step| step.fits("s", tool)));
                    if *ends {
                        *made.entry(at).or_default() += 1;
                        held.made();
                    } else {
                        under_way.push(held);
                    }
                }
            }
            drop(under_way);
            for (at, pattern) in patterns.iter().enumerate() {
                let made = made.get(&at).copied().unwrap_or(0);
                prop_assert!(pattern.ends_with('+') || made <= 1);
                let open = claims.plan().unwrap().open.iter().any(|(n, _)| *n == at + 1);
                prop_assert_eq!(open, pattern.ends_with('+') || made == 0);
            }
        }
    }
}
