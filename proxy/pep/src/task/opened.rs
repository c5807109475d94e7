//! Tasks that a host opened: opening, handing on, finding by token, ending.
//!
//! They live as long as the process does. One that is over is remembered for a while, so that whoever still calls in it
//! is told why not. Who may open a task is the control plane's concern.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pdp::flow::Carried;
use pdp::label::LabelSet;
use pdp::principal::Principal;
use pdp::record::Event;
use pdp::refusal::{Code, Refusal};
use pdp::task::{Limits, Profile, Scope};

use super::terms::{BY_TOKEN, Brief, Cause, Over, Terms};
use super::token::Token;
use super::{Open, Task, Tasks, task_id};

/// How many hand-offs deep a task may be.
const DEPTH_MAX: u64 = 8;
/// How long a task that is over is remembered, in microseconds: a day.
const REMEMBERED_US: i64 = 24 * 3600 * 1_000_000;
/// How many characters of a goal the ledger keeps; the task has all of it.
const GOAL_CHARS_KEPT: usize = 4096;

/// What a host asks for when it opens a task.
#[derive(Clone)]
pub struct Opening {
    /// The kind of task. A task that is handed on may have another profile than the one above it; both bound it.
    pub profile: Arc<Profile>,
    /// What the user asked for, as the user said it.
    pub goal: String,
    /// The agent that will act in it, and the user it acts for.
    pub principal: Principal,
    /// Who opens it: a principal's key.
    pub by: String,
    /// The person behind them; empty where there is none.
    pub by_user: String,
    /// The labels of what the agent is given to begin with.
    pub labels: LabelSet,
    /// What it may touch, beside what the profile says.
    pub scope: Scope,
    /// How much it may do, beside what the profile says.
    pub limits: Limits,
    /// How long it may stay open, in seconds, if less than the profile says.
    pub lifetime_s: Option<u64>,
    /// The task it is handed on from.
    pub parent: Option<Arc<Task>>,
}

// Written by hand: a derived `Debug` would print the goal.
impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({}, {})", self.profile.name, self.principal.key())
    }
}

/// A task that was opened, and the token that leads to it.
pub struct Opened {
    /// It.
    pub task: Arc<Task>,
    /// The secret its agent is to be given. Shown here once.
    pub token: String,
}

// Written by hand: a derived `Debug` would print the token.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.task.id())
    }
}

/// Why a task cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenFault {
    /// The profile, or the task above, is not for this agent.
    #[error("the agent `{0}` may not act in it: the scope's `agents` do not name it")]
    Agent(String),
    /// The profile, or the task above, is not for this user.
    #[error("it may not be opened for the user `{0}`: the scope's `users` do not name them")]
    User(String),
    /// The task above is over.
    #[error("the task it would be handed on from is over: {0}")]
    ParentOver(String),
    /// It is handed on too often.
    #[error("it would be the {}th hand-off in a row; at most {DEPTH_MAX} are", DEPTH_MAX + 1)]
    TooDeep,
    /// This opener has its share already.
    #[error(
        "{0} tasks that you opened are open, which is half of what this gate keeps; stop some, or raise `limits.tasks_max`"
    )]
    Share(usize),
    /// There is no room.
    #[error("{0} tasks are open; stop some, or raise `limits.tasks_max`")]
    TooMany(usize),
    /// This gate seals no tokens.
    #[error("this gate has no key to seal task tokens with")]
    NoKey,
}

impl Tasks {
    /// Opens a task. Its scope is what the profile, the host and the task above all hold, and nothing widens it.
    ///
    /// # Errors
    /// When it may not be opened like that, or there is no room for it.
    pub fn open_for(&self, opening: Opening, now_us: i64, fresh: [[u8; 16]; 2]) -> Result<Opened, OpenFault> {
        let key = self.key.as_ref().ok_or(OpenFault::NoKey)?;
        let task = Arc::new(task(opening, now_us, fresh)?);
        let token = key.seal(&task.id);
        let mut open = self.locked();
        open.forget_what_was_over(now_us);
        // Nobody may take all the room there is.
        let by = task.opened_by();
        let own = open.opened.values().filter(|one| one.opened_by() == by && one.ended().is_none()).count();
        if own >= self.open_max.div_ceil(2) {
            return Err(OpenFault::Share(own));
        }
        if open.opened.len() >= self.open_max && !open.forget_one(now_us) {
            return Err(OpenFault::TooMany(open.opened.len()));
        }
        open.opened.insert(task.id.clone(), Arc::clone(&task));
        open.opened_for.entry(task.owner.clone()).or_default().push(Arc::clone(&task));
        self.hosted.store(true, Ordering::Relaxed);
        Ok(Opened { task, token })
    }

    /// The task a token was made for, whether or not it is over.
    ///
    /// # Errors
    /// When the token was not sealed here, or its task is not known any more.
    pub(crate) fn claimed(&self, token: &Token) -> Result<Arc<Task>, Refusal> {
        let refused = |words: &str| Refusal::new(Code::TokenRefused, words);
        let id = self.key.as_ref().and_then(|key| key.open(token).ok());
        let id = id.ok_or_else(|| refused("the task token is none of this gate's"))?;
        let words = "the task of this token is gone: it was over long ago, or the gate was started again";
        self.locked().opened.get(&id).cloned().ok_or_else(|| refused(words))
    }

    /// Who is known by a token alone: the agent of the task, for the task's user.
    ///
    /// # Errors
    /// When the token is none of this gate's, or its task is not known any more.
    pub fn bearer(&self, token: &Token) -> Result<Arc<Principal>, Refusal> {
        let task = self.claimed(token)?;
        let known = task.terms.brief.as_ref().map(|brief| Arc::clone(&brief.by_token));
        known.ok_or_else(|| Refusal::new(Code::TokenRefused, "the task of this token is nobody's"))
    }

    /// The task of this id, whoever opened it.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Task>> {
        let open = self.locked();
        let rolling = || open.by_key.values().find(|task| task.id == id).cloned();
        open.opened.get(id).cloned().or_else(rolling)
    }

    /// Ends a task and all that was handed on from it. Answers those that were not over before.
    pub fn end(&self, task: &Arc<Task>, over: &Over) -> Vec<Arc<Task>> {
        let below = self.below(task);
        let all = std::iter::once(Arc::clone(task)).chain(below);
        let ended = all.filter(|one| {
            let words = if Arc::ptr_eq(one, task) {
                over.words.clone()
            } else {
                let why = if over.words.is_empty() { String::new() } else { format!(" ({})", over.words) };
                format!("together with `{}`, which it was handed on from{why}", task.id)
            };
            one.conclude(Over { words, ..over.clone() })
        });
        let ended: Vec<Arc<Task>> = ended.collect();
        self.keep_labels(&ended, over.at_us);
        ended
    }

    /// The tasks whose time has run out since this was last asked.
    pub fn expire(&self, now_us: i64) -> Vec<Arc<Task>> {
        let all: Vec<Arc<Task>> = self.locked().opened.values().cloned().collect();
        let expired: Vec<Arc<Task>> = all
            .into_iter()
            .filter(|task| task.over(now_us).is_some_and(|over| over.cause == Cause::Expired) && task.tell_once())
            .collect();
        self.keep_labels(&expired, now_us);
        expired
    }

    /// The tasks that were handed on from this one, at any depth.
    pub fn below(&self, task: &Task) -> Vec<Arc<Task>> {
        let of = |one: &&Arc<Task>| one.above().any(|above| above.id == task.id);
        self.locked().opened.values().filter(of).cloned().collect()
    }

    /// An agent that may act without a task's token has read in its own tasks what it read in those opened for it.
    pub(crate) fn spill_into(&self, task: &Task, principal: &Principal) {
        if !self.hosted.load(Ordering::Relaxed) {
            return;
        }
        // Their labels are asked for when nobody waits for the store any more.
        let others = self.locked().opened_for.get(&principal.key()).cloned().unwrap_or_default();
        for other in others {
            if task.gather(&other.carried()) {
                task.seen().miss();
            }
        }
    }

    /// What was read in a task that is over stays with its agent, as with any other task that goes.
    fn keep_labels(&self, over: &[Arc<Task>], now_us: i64) {
        let mut open = self.locked();
        over.iter().for_each(|task| open.keep(task, now_us));
    }
}

impl Open {
    fn forget_what_was_over(&mut self, now_us: i64) {
        let before_us = now_us.saturating_sub(REMEMBERED_US);
        let is_old = |task: &Task| task.over_and_told().is_some_and(|at_us| at_us < before_us);
        let old: Vec<String> = self.opened.values().filter(|task| is_old(task)).map(|task| task.id.clone()).collect();
        old.iter().for_each(|id| self.forget(id, now_us));
    }

    /// Forgets the task that has been over for longest. Answers whether there was one.
    fn forget_one(&mut self, now_us: i64) -> bool {
        let oldest = self.opened.values().filter_map(|task| Some((task.over_and_told()?, task.id.clone()))).min();
        oldest.inspect(|(_, id)| self.forget(id, now_us)).is_some()
    }

    /// Forgets a task. What was read in it stays with its agent: a limit may have ended it, and then nobody has kept that yet.
    fn forget(&mut self, id: &str, now_us: i64) {
        let Some(task) = self.opened.remove(id) else { return };
        if let Some(others) = self.opened_for.get_mut(&task.owner) {
            others.retain(|other| !Arc::ptr_eq(other, &task));
            if others.is_empty() {
                self.opened_for.remove(&task.owner);
            }
        }
        self.keep(&task, now_us);
    }
}

fn task(opening: Opening, now_us: i64, fresh: [[u8; 16]; 2]) -> Result<Task, OpenFault> {
    let Opening { profile, goal, mut principal, by, by_user, labels, scope, limits, lifetime_s, parent } = opening;
    let [own, shared] = fresh.map(|bytes| crate::trace::hex_id(&bytes));
    let mut scope = profile.scope.narrow(&scope);
    let lifetime_s = lifetime_s.map_or(profile.lifetime_s, |asked| asked.min(profile.lifetime_s));
    let lifetime_us = i64::try_from(lifetime_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let mut until_us = now_us.saturating_add(lifetime_us);
    let mut trace = shared;
    if let Some(above) = &parent {
        if let Some(over) = above.over(now_us) {
            return Err(OpenFault::ParentOver(over.to_string()));
        }
        if above.depth() >= DEPTH_MAX {
            return Err(OpenFault::TooDeep);
        }
        scope = above.terms.scope.narrow(&scope);
        until_us = until_us.min(above.until_us().unwrap_or(until_us));
        trace.clone_from(&above.trace);
        // Whom the work is for cannot change on the way.
        principal.user = above.terms.brief.as_ref().map_or(principal.user, |brief| brief.principal.user.clone());
    }
    if !scope.agents.allows(&principal.agent) && !scope.agents.allows(&principal.key()) {
        return Err(OpenFault::Agent(principal.key()));
    }
    if !scope.users.allows(&principal.user) {
        return Err(OpenFault::User(principal.user));
    }
    let by_token = Arc::new(Principal { method: BY_TOKEN.to_owned(), ..principal.clone() });
    let owner = principal.key();
    let brief =
        Brief { goal, principal: Arc::new(principal), by_token, opened_by: by, opening_user: by_user, until_us };
    let limits = profile.limits.tighter(&limits);
    let (name, brief) = (profile.name.clone(), Some(Box::new(brief)));
    let terms = Terms { profile: name, scope, limits, opened_us: now_us, brief, parent };
    let task = Task::under(task_id(&own), trace, owner, terms);
    task.gather(&Carried::labelled(labels));
    Ok(task)
}

impl Task {
    /// The person behind whoever opened it; empty where there is none.
    pub(crate) fn opening_user(&self) -> Option<&str> {
        self.terms.brief.as_ref().map(|brief| brief.opening_user.as_str())
    }

    /// What the ledger says of something that happened to this task.
    #[must_use]
    pub fn event(&self, what: &str, by: Option<String>, detail: String, at_us: i64) -> Event {
        let (task, trace) = (Some(self.id.clone()), Some(self.trace.clone()));
        Event { at_us, what: what.to_owned(), by, snapshot: None, task, trace, detail }
    }

    /// What the ledger says of this task's end; nothing while it is not over.
    #[must_use]
    pub fn end_event(&self) -> Option<Event> {
        let over = self.ended()?;
        Some(self.event(over.cause.event(), over.by.clone(), over.to_string(), over.at_us))
    }

    /// What the ledger says of this task's opening: everything it was opened with, but the token.
    #[must_use]
    pub fn opening_event(&self) -> Event {
        let terms = &self.terms;
        let (mut goal, mut of, mut by) = (String::new(), String::new(), None);
        if let Some(brief) = &terms.brief {
            let user = &brief.principal.user;
            let user = if user.is_empty() { String::new() } else { format!(" for {user}") };
            of = format!(" of {}{user}", brief.principal.key());
            goal = brief.goal.chars().take(GOAL_CHARS_KEPT).collect();
            by = Some(brief.opened_by.clone());
        }
        let handed_on = terms.parent.as_ref().map(|above| format!(", handed on from {}", above.id)).unwrap_or_default();
        let seconds = self.until_us().map_or(0, |until_us| until_us.saturating_sub(terms.opened_us) / 1_000_000);
        let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
        let detail = format!(
            "{} task{of}{handed_on}, for {seconds} s, labels {}; goal {}; scope {}; limits {}",
            terms.profile,
            self.labels(),
            pdp::json::quoted(&goal),
            json(serde_json::to_string(&terms.scope)),
            json(serde_json::to_string(&terms.limits)),
        );
        self.event("task_opened", by, detail, terms.opened_us)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use pdp::task::Allowed;

    use super::*;
    use crate::task::Key;

    const HOUR: i64 = 3600 * 1_000_000;

    fn opening(agent: &str) -> Opening {
        let profile = Profile {
            name: "any".into(),
            description: String::new(),
            scope: Scope { tools: Allowed::only(["s/*".to_owned()]), ..Scope::default() },
            limits: Limits { steps: Some(10), ..Limits::default() },
            lifetime_s: 3600,
        };
        let principal = Principal {
            agent: agent.into(),
            teams: vec![],
            user: "u".into(),
            tenant: "default".into(),
            method: "token".into(),
        };
        Opening {
            profile: Arc::new(profile),
            goal: "g".into(),
            principal,
            by: "default/host".into(),
            by_user: String::new(),
            labels: LabelSet::default(),
            scope: Scope::default(),
            limits: Limits::default(),
            lifetime_s: None,
            parent: None,
        }
    }

    fn tasks(most: usize) -> Tasks {
        Tasks::new(HOUR, most, true).sealed(Key::new([7; 32]))
    }

    fn open(tasks: &Tasks, opening: Opening, at: i64, n: u8) -> Result<Opened, OpenFault> {
        tasks.open_for(opening, at, [[n; 16], [n + 100; 16]])
    }

    fn over(cause: Cause, at_us: i64) -> Over {
        Over { cause, words: String::new(), by: None, at_us }
    }

    #[test]
    fn a_token_leads_to_its_task_and_to_its_agent() {
        let tasks = tasks(9);
        let opened = open(&tasks, opening("a"), 0, 1).unwrap();
        let token = Token::presented(&opened.token);
        assert!(Arc::ptr_eq(&tasks.claimed(&token).unwrap(), &opened.task));
        assert_eq!(tasks.bearer(&token).unwrap().method, "task");
        assert!(Arc::ptr_eq(&tasks.find(opened.task.id()).unwrap(), &opened.task));
        let elsewhere = Tasks::new(HOUR, 9, true).sealed(Key::new([8; 32]));
        assert_eq!(elsewhere.claimed(&token).unwrap_err().code, Code::TokenRefused);
        assert_eq!(Tasks::new(HOUR, 9, true).claimed(&token).unwrap_err().code, Code::TokenRefused);
        assert_eq!(open(&Tasks::new(HOUR, 9, true), opening("a"), 0, 2).unwrap_err(), OpenFault::NoKey);
        assert_eq!(
            format!("{opened:?} {:?}", opening("a")),
            format!("Opened({}) Opening(any, default/a)", opened.task.id())
        );
    }

    #[test]
    fn what_is_asked_for_only_narrows() {
        let tasks = tasks(9);
        let asked = Opening {
            scope: Scope { tools: Allowed::only(["*".to_owned()]), ..Scope::default() },
            limits: Limits { steps: Some(1000), cost: Some(5), ..Limits::default() },
            lifetime_s: Some(7200),
            ..opening("a")
        };
        let task = open(&tasks, asked, 5, 1).unwrap().task;
        assert!(task.scope().tools.allows("s/x") && !task.scope().tools.allows("t/x"));
        assert_eq!((task.limits().steps, task.limits().cost), (Some(10), Some(5)));
        assert_eq!(task.until_us(), Some(5 + HOUR));
        let child = Opening {
            parent: Some(Arc::clone(&task)),
            scope: Scope { tools: Allowed::only(["t/*".to_owned(), "s/y".to_owned()]), ..Scope::default() },
            principal: Principal { user: "mallory".into(), ..opening("b").principal },
            ..opening("b")
        };
        let child = open(&tasks, child, 10, 2).unwrap().task;
        assert!(
            child.scope().tools.allows("s/y")
                && !child.scope().tools.allows("s/x")
                && !child.scope().tools.allows("t/x")
        );
        assert_eq!((child.until_us(), child.trace(), child.depth()), (task.until_us(), task.trace(), 1));
        assert_eq!(child.principal().unwrap().user, "u");
        let ids: Vec<&str> = child.lineage().map(|task| task.id()).collect();
        assert_eq!(ids, [child.id(), task.id()]);
    }

    #[test]
    fn labels_come_along_and_return() {
        let tasks = tasks(9);
        let labels = |words: &[&'static str]| words.iter().copied().collect::<LabelSet>();
        let parent = open(&tasks, Opening { labels: labels(&["private"]), ..opening("a") }, 0, 1).unwrap().task;
        let asked = Opening { labels: labels(&["secret"]), parent: Some(Arc::clone(&parent)), ..opening("b") };
        let child = open(&tasks, asked, 0, 2).unwrap().task;
        assert_eq!(child.labels(), labels(&["private", "secret"]));
        child.raise(&labels(&["untrusted"]));
        assert!(parent.labels().contains("untrusted"));
        parent.raise(&labels(&["user"]));
        assert!(child.labels().contains("user"), "what the parent's agent reads later, it may tell the child's");
        assert!(parent.labels().contains("secret") && child.carried().labels == child.labels());
        assert_eq!(child.facts(0).labels, child.labels());
    }

    #[test]
    fn what_is_forgotten_leaves_its_labels_and_is_told_of_first() {
        let tasks = tasks(2);
        let agent = opening("a").principal;
        let limited = open(&tasks, opening("a"), 0, 1).unwrap().task;
        limited.raise(&["private"].into_iter().collect());
        limited.conclude(over(Cause::Limit, 1));
        let short = open(&tasks, Opening { lifetime_s: Some(1), ..opening("b") }, 0, 2).unwrap().task;
        assert_eq!(short.over(5_000_000).unwrap().cause, Cause::Expired);
        open(&tasks, opening("c"), 5_000_000, 3).unwrap();
        assert!(tasks.find(limited.id()).is_none());
        let rolling = tasks.resolve(&agent, None, None, 5_000_001, || "e".repeat(32));
        assert!(rolling.labels().contains("private"), "the task that a limit ended is gone, its labels are not");
        let another = || Opening { by: "default/other".to_owned(), ..opening("c") };
        assert_eq!(open(&tasks, another(), 5_000_002, 4).unwrap_err(), OpenFault::TooMany(2));
        assert_eq!(tasks.expire(5_000_003).len(), 1, "its end was told before it was forgotten");
        open(&tasks, another(), 5_000_004, 5).unwrap();
    }

    #[test]
    fn what_an_agent_read_in_its_tasks_spills_into_its_own_and_nobody_elses() {
        let tasks = tasks(9);
        let opened = open(&tasks, opening("a"), 0, 1).unwrap().task;
        opened.raise(&["private"].into_iter().collect());
        let spilt = |agent: &str| {
            let (task, agent) = (Task::new(agent.to_owned(), "e".repeat(32)), opening(agent).principal);
            tasks.spill_into(&task, &agent);
            task.labels().contains("private")
        };
        assert_eq!((spilt("a"), spilt("b")), (true, false));
    }

    #[test]
    fn whoever_the_scope_does_not_name_cannot_be_given_the_task() {
        let tasks = tasks(9);
        let only = |agents: &str, users: &str| Scope {
            agents: Allowed::only([agents.to_owned()]),
            users: Allowed::only([users.to_owned()]),
            ..Scope::default()
        };
        let asked = |scope| open(&tasks, Opening { scope, ..opening("a") }, 0, 1).map(drop);
        assert_eq!(asked(only("b", "u")), Err(OpenFault::Agent("default/a".into())));
        assert_eq!(asked(only("a", "v")), Err(OpenFault::User("u".into())));
        assert_eq!(asked(only("a", "u")), Ok(()));
        assert_eq!(asked(only("default/a", "*")), Ok(()));
    }

    #[test]
    fn an_end_reaches_down_and_not_up_and_the_first_cause_stands() {
        let tasks = tasks(9);
        let parent = open(&tasks, opening("a"), 0, 1).unwrap().task;
        let below =
            |above: &Arc<Task>, n| open(&tasks, Opening { parent: Some(Arc::clone(above)), ..opening("a") }, 0, n);
        let child = below(&parent, 2).unwrap().task;
        let grandchild = below(&child, 3).unwrap().task;
        assert_eq!(tasks.end(&grandchild, &over(Cause::Ended, 1)).len(), 1);
        assert!(parent.over(1).is_none() && child.over(1).is_none());
        assert_eq!(tasks.end(&parent, &over(Cause::Stopped, 2)).len(), 2);
        assert_eq!(tasks.end(&parent, &over(Cause::Ended, 3)).len(), 0);
        let causes = [&parent, &child, &grandchild].map(|task| task.over(3).unwrap().cause);
        assert_eq!(causes, [Cause::Stopped, Cause::Stopped, Cause::Ended]);
        assert!(matches!(below(&child, 4), Err(OpenFault::ParentOver(_))));
        let words = child.end_event().unwrap();
        assert_eq!((words.what.as_str(), words.task.as_deref()), ("task_stopped", Some(child.id())));
    }

    #[test]
    fn time_runs_out_once_and_for_all_below() {
        let tasks = tasks(9);
        let parent = open(&tasks, Opening { lifetime_s: Some(60), ..opening("a") }, 0, 1).unwrap().task;
        let child = open(&tasks, Opening { parent: Some(Arc::clone(&parent)), ..opening("a") }, 0, 2).unwrap().task;
        assert!(tasks.expire(59_999_999).is_empty() && child.over(59_999_999).is_none());
        assert_eq!(child.over(60_000_000).unwrap().cause, Cause::Expired);
        assert_eq!(tasks.expire(61_000_000).len(), 2);
        assert!(tasks.expire(62_000_000).is_empty());
    }

    #[test]
    fn a_hand_off_is_bound_by_the_plans_above_it() {
        use pdp::record::{PlanStep, Saying, Voice};
        let plan = |task: &Task, tools: &[&str], voice| {
            let step = |tool: &&str| PlanStep { many: true, note: String::new(), tool: (*tool).to_owned() };
            task.claims().hear(&Saying::Plan { steps: tools.iter().map(step).collect() }, voice);
        };
        let tasks = tasks(9);
        let parent = open(&tasks, opening("a"), 0, 1).unwrap().task;
        let child = open(&tasks, Opening { parent: Some(Arc::clone(&parent)), ..opening("a") }, 0, 2).unwrap().task;
        let fits = |tool: &str| child.meet("s", tool).map(|(note, _)| note.step.is_some());
        assert_eq!(fits("read"), None, "nobody planned anything");
        plan(&parent, &["read"], Voice::Host);
        assert_eq!((fits("read"), fits("wipe")), (Some(true), Some(false)));
        plan(&child, &["wipe", "read"], Voice::Agent);
        assert_eq!((fits("read"), fits("wipe")), (Some(true), Some(false)), "its own plan widens nothing");
        plan(&parent, &["look"], Voice::Host);
        assert_eq!(fits("look"), Some(false), "it keeps to its own plan too");
    }

    #[test]
    fn hand_offs_and_tasks_are_bounded_and_what_is_over_goes_first() {
        let tasks = tasks(18);
        let mut above = open(&tasks, opening("a"), 0, 1).unwrap().task;
        for n in 2..=9 {
            above = open(&tasks, Opening { parent: Some(above), ..opening("a") }, 0, n).unwrap().task;
        }
        assert_eq!(
            open(&tasks, Opening { parent: Some(Arc::clone(&above)), ..opening("a") }, 0, 10).unwrap_err(),
            OpenFault::TooDeep
        );
        assert_eq!(open(&tasks, opening("a"), 0, 10).unwrap_err(), OpenFault::Share(9), "half is left to others");
        let by = |by: &str| Opening { by: by.to_owned(), ..opening("b") };
        let others: Vec<Opened> = (11..20).map(|n| open(&tasks, by("default/b"), 0, n).unwrap()).collect();
        assert_eq!(open(&tasks, by("default/c"), 0, 20).unwrap_err(), OpenFault::TooMany(18));
        let [first, second, ..] = others.as_slice() else { return };
        tasks.end(&second.task, &over(Cause::Ended, 1));
        tasks.end(&first.task, &over(Cause::Ended, 2));
        let again = open(&tasks, by("default/b"), 3, 16).unwrap();
        assert!(tasks.find(second.task.id()).is_none() && tasks.find(first.task.id()).is_some());
        tasks.end(&again.task, &over(Cause::Ended, 4));
        open(&tasks, by("default/b"), REMEMBERED_US + 4, 17).unwrap();
        assert!(tasks.find(first.task.id()).is_none(), "a day has passed");
        assert!(tasks.find(again.task.id()).is_some());
    }

    #[test]
    fn a_task_that_is_over_keeps_an_implicit_one_from_beginning_anew_until_it_was_idle() {
        let tasks = tasks(9);
        let principal = opening("a").principal;
        let at = |us| tasks.resolve(&principal, None, Some(&opening("a").profile), us, || format!("{us:032x}"));
        let first = at(0);
        assert_eq!((first.profile(), first.limits().steps), ("any", Some(10)));
        first.conclude(over(Cause::Limit, 1));
        assert!(Arc::ptr_eq(&first, &at(HOUR / 2)), "calling on is no way to begin anew");
        assert!(Arc::ptr_eq(&first, &at(HOUR)));
        assert!(!Arc::ptr_eq(&first, &at(HOUR + 1)));
    }
}
