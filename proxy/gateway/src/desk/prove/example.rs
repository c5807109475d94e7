//! From a request the solver found to a call somebody could make: judged again, made plain, and told why it got through.
//!
//! The solver's request is free where no policy looks: names it makes up, labels without need. It is replaced piece by
//! piece with plainer ones as long as it still shows what it is to show.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::EvalResult;
use cedar_policy_symcc::Env;
use pdp::decision::{Decision, Reason};
use pdp::label::LabelSet;
use pdp::method::{self, METHODS};
use pdp::policy::{Facts, TaskFacts};
use pdp::principal::Principal;
use pdp::registry::{Server, Tool};
use pdp::snapshot::Snapshot;
use serde::Serialize;
use serde_json::Value;

use super::kinds::{opens, other_method, tool_of};
use super::question::Found;
use crate::desk::case::{Asked, Case};
use crate::desk::law::{Effect, Entity, Law, Written, expression, words};
use crate::desk::{samples, telling};

/// A call that shows that a claim does not hold.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// The call.
    #[serde(skip)]
    pub case: Case,
    /// Who, what, with which arguments, under what circumstances, line by line.
    pub told: Vec<(&'static str, String)>,
    /// Whether the decision point, asked with this very call, shows the same.
    pub judged_again: bool,
    /// What it decided, in words.
    pub decision: String,
    /// Why what might have stopped it did not.
    pub hints: Vec<String>,
}

/// What an example is to show.
pub(super) struct Wanted<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// The policies whose values are tried; the first are those of the snapshot.
    pub(super) laws: &'a [&'a Law],
    pub(super) action: &'a Entity,
    pub(super) breaks: &'a dyn Fn(&Case) -> bool,
}

impl Wanted<'_> {
    /// The plainest call that shows it, out of requests the solver found; else the first of them as it is.
    pub(super) fn example(&self, found: &Found) -> Option<Example> {
        self.case(found).map(|(case, judged_again)| self.told(case, judged_again))
    }

    /// The call, and whether it shows it when it is judged again.
    pub(super) fn case(&self, found: &Found) -> Option<(Case, bool)> {
        let mut first = None;
        for env in found {
            let cases = self.cases(env);
            if let Some(case) = cases.iter().find(|case| (self.breaks)(case)) {
                return Some((self.plainer(case.clone()), true));
            }
            // The last is the solver's own.
            first = first.or_else(|| cases.last().cloned());
        }
        first.map(|case| (case, false))
    }

    /// A request as calls: with arguments that fit the schema and are compared with where policies compare, as the solver
    /// has them, and as their canonical forms.
    fn cases(&self, env: &Env) -> Vec<Case> {
        let (principal, facts) = (principal(env), facts(env));
        let case = |server: &str, asked: Asked| Case {
            principal: principal.clone(),
            server: server.to_owned(),
            asked,
            facts: facts.clone(),
        };
        let Some((server, tool)) = tool_of(self.action, self.snapshot.registry()) else {
            let mut targets = samples::targets(self.laws);
            targets.extend(["target_canonical", "target"].into_iter().filter_map(|name| text(member(env, name)?)));
            let named = member(env, "method").and_then(text).unwrap_or_default();
            let is_known = method::find(&named).is_some_and(|m| m.action == self.action.id);
            let servers = self.snapshot.registry().servers.values().map(|server| &**server);
            let servers = servers.filter(|server| opens(server, &self.action.id));
            let name = |server: &Server| {
                let known = METHODS.iter().find(|m| m.action == self.action.id && (m.name == named || !is_known));
                let other = || server.open.iter().find(|name| other_method(name)).cloned();
                known.map(|m| m.name.to_owned()).or_else(other).unwrap_or_default()
            };
            let asked = |server: &Server, target: &String| Asked::Method { name: name(server), target: target.clone() };
            return servers
                .flat_map(|server| {
                    targets.iter().map(|target| case(&server.name, asked(server, target))).collect::<Vec<_>>()
                })
                .collect();
        };
        let given = member(env, "args").map(|value| json(&value)).unwrap_or_default();
        let canonical = member(env, "args_canonical").map(|value| json(&value)).unwrap_or_default();
        let made = samples::arguments(tool, &samples::compared(self.laws, server, tool));
        let plain: Value = made.first().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let mut sets = made;
        for arguments in [given.clone(), overlaid(given, &canonical)] {
            sets.push(repaired(tool, &arguments, &plain).to_string());
            sets.push(arguments.to_string());
        }
        let asked = |arguments| Asked::Tool { name: tool.name.clone(), arguments };
        sets.into_iter().map(|arguments| case(&server.name, asked(arguments))).collect()
    }

    /// The same call with as little about it as still shows the same.
    fn plainer(&self, mut case: Case) -> Case {
        let attempt = |next: Case, case: &mut Case| {
            if next != *case && (self.breaks)(&next) {
                *case = next;
            }
        };
        let anybody = Case { principal: samples::somebody("anybody", &[]), ..case.clone() };
        attempt(anybody, &mut case);
        let named = Principal { agent: "anybody".to_owned(), ..case.principal.clone() };
        attempt(Case { principal: named, ..case.clone() }, &mut case);
        let unowned = Principal { user: String::new(), ..case.principal.clone() };
        attempt(Case { principal: unowned, ..case.clone() }, &mut case);
        for team in case.principal.teams.clone() {
            let teams = case.principal.teams.iter().filter(|t| **t != team).cloned().collect();
            let next = Principal { teams, ..case.principal.clone() };
            attempt(Case { principal: next, ..case.clone() }, &mut case);
        }
        let usual = |case: &Case| Facts { task: TaskFacts::of("task"), ..case.facts.clone() };
        attempt(Case { facts: Facts { calls: 1, ..usual(&case) }, ..case.clone() }, &mut case);
        attempt(Case { facts: Facts { now_ms: samples::NOW_MS, ..usual(&case) }, ..case.clone() }, &mut case);
        for (argument, value) in self.plain_arguments(&case) {
            attempt(with_argument(&case, &argument, None), &mut case);
            attempt(with_argument(&case, &argument, value), &mut case);
        }
        for label in case.facts.labels.clone().iter() {
            let labels: LabelSet = case.facts.labels.iter().filter(|l| *l != label).map(|l| l.as_str()).collect();
            let facts = Facts { labels, ..case.facts.clone() };
            attempt(Case { facts, ..case.clone() }, &mut case);
        }
        for name in case.facts.origin.clone().into_keys() {
            let mut facts = case.facts.clone();
            facts.origin.remove(&name);
            attempt(Case { facts, ..case.clone() }, &mut case);
        }
        let none = Facts { unvouched: LabelSet::default(), ..case.facts.clone() };
        attempt(Case { facts: none, ..case.clone() }, &mut case);
        for grant in case.facts.grants.clone() {
            let grants = case.facts.grants.iter().filter(|g| **g != grant).cloned().collect();
            let facts = Facts { grants, ..case.facts.clone() };
            attempt(Case { facts, ..case.clone() }, &mut case);
        }
        case
    }

    /// The arguments of a call, each with the plainest value there is for it.
    fn plain_arguments(&self, case: &Case) -> Vec<(String, Option<Value>)> {
        let Asked::Tool { arguments, .. } = &case.asked else { return Vec::new() };
        let made =
            tool_of(self.action, self.snapshot.registry()).map(|(_, tool)| samples::arguments(tool, &BTreeMap::new()));
        let plain: Value = made.and_then(|sets| serde_json::from_str(sets.first()?).ok()).unwrap_or_default();
        let Ok(Value::Object(members)) = serde_json::from_str(arguments) else { return Vec::new() };
        members.into_iter().map(|(name, _)| (name.clone(), plain.get(&name).cloned())).collect()
    }

    fn told(&self, case: Case, judged_again: bool) -> Example {
        let decision = match case.judge(self.snapshot) {
            Ok(judgement) => {
                let shown = |id: &str| self.laws.first().and_then(|law| law.get(id)).map(Written::shown);
                let rules: Vec<String> =
                    judgement.rules.iter().map(|rule| shown(&rule.id).unwrap_or_else(|| rule.id.clone())).collect();
                let by = if rules.is_empty() { String::new() } else { format!(" by {}", rules.join(", ")) };
                match &judgement.decision {
                    Decision::Allow(_) => format!("permitted{by}"),
                    Decision::Escalate(_) => format!("held for approval{by}"),
                    Decision::Deny(Reason::Fault(why)) => format!("denied, because a policy errs: {why}"),
                    Decision::Deny(_) => format!("denied{by}"),
                }
            }
            Err(fault) => format!("refused before policy is asked: {fault}"),
        };
        Example { told: telling::lines(&case), case, judged_again, decision, hints: Vec::new() }
    }
}

/// A call with one argument changed, or, where there is no value for it, left out.
fn with_argument(case: &Case, argument: &str, value: Option<Value>) -> Case {
    let Asked::Tool { name, arguments } = &case.asked else { return case.clone() };
    let Ok(Value::Object(mut members)) = serde_json::from_str(arguments) else { return case.clone() };
    match value {
        Some(value) => members.insert(argument.to_owned(), value),
        None => members.remove(argument),
    };
    let asked = Asked::Tool { name: name.clone(), arguments: Value::Object(members).to_string() };
    Case { asked, ..case.clone() }
}

/// Whether a call is permitted as it is.
pub(super) fn is_allowed(snapshot: &Snapshot, case: &Case) -> bool {
    case.judge(snapshot).is_ok_and(|judgement| matches!(judgement.decision, Decision::Allow(_)))
}

/// Whether judging a call ends in a policy that errs.
pub(super) fn errs(snapshot: &Snapshot, case: &Case) -> bool {
    case.judge(snapshot).is_ok_and(|judgement| matches!(judgement.decision, Decision::Deny(Reason::Fault(_))))
}

/// How many hints one example shows.
const HINTS_MAX: usize = 4;

/// Why what might have stopped a call did not: a guard that a grant lifts, one with other conditions, one for other actions.
pub(super) fn hints(
    snapshot: &Snapshot,
    law: &Law,
    claim: &Written,
    (action, above): (&Entity, &BTreeSet<Entity>),
    example: &Example,
) -> Vec<String> {
    let held = &example.case.facts.grants;
    let bare = Facts { grants: BTreeSet::new(), ..example.case.facts.clone() };
    let bare = Case { facts: bare, ..example.case.clone() };
    let lifted: Vec<String> = match bare.judge(snapshot) {
        Ok(judgement) if !matches!(judgement.decision, Decision::Allow(_)) => {
            judgement.rules.into_iter().map(|rule| rule.id).collect()
        }
        Ok(_) | Err(_) => Vec::new(),
    };
    let named = |policy: &Written| -> BTreeSet<Entity> {
        policy.clauses.iter().flat_map(|clause| expression::entities(&clause.body)).collect()
    };
    let claimed = named(claim);
    // The most telling first; those with the claim's own conditions before others.
    let mut out: Vec<(u8, bool, String)> = Vec::new();
    for policy in law.iter().filter(|policy| policy.effect == Effect::Forbid) {
        let shown = policy.shown();
        let (other, fits) = (named(policy) != claimed, policy.action.fits(action, above));
        if let Some(grant) = policy.approval.as_ref().filter(|g| held.contains(*g) && lifted.contains(&policy.id)) {
            let wanted = match &claim.approval {
                Some(other) => format!("the claim asks for `{other}`"),
                None => "the claim knows no approval".to_owned(),
            };
            out.push((0, other, format!("{shown} would stop it, but `{grant}` lifts it; {wanted}")));
        } else if fits && !named(policy).is_disjoint(&claimed) {
            let conditions = words::conditions(policy);
            out.push((2, other, format!("{shown} guards this action, but only {conditions}")));
        } else if !fits && !claimed.is_empty() && named(policy).is_superset(&claimed) {
            let guarded = words::scope(policy);
            out.push((1, other, format!("{shown} asks the same, but for other actions: it {guarded}")));
        }
    }
    out.sort();
    let more = out.len().saturating_sub(HINTS_MAX);
    let mut out: Vec<String> = out.into_iter().take(HINTS_MAX).map(|(_, _, words)| words).collect();
    if more > 0 {
        out.push(format!("{more} more forbids come near it"));
    }
    out
}

fn principal(env: &Env) -> Principal {
    let uid = env.request.principal();
    let entity = uid.and_then(|uid| env.entities.get(uid));
    let attribute = |name: &str| entity.and_then(|e| e.attr(name)?.ok()).and_then(text).unwrap_or_default();
    let above = uid.and_then(|uid| env.entities.ancestors(uid)).into_iter().flatten();
    let teams = above.filter(|e| e.type_name().to_string() == "Gate::Team").map(|e| e.id().unescaped().to_owned());
    let tenant = attribute("tenant");
    Principal {
        agent: uid.map(|uid| uid.id().unescaped().to_owned()).unwrap_or_default(),
        method: "token".to_owned(),
        teams: teams.collect(),
        tenant: if tenant.is_empty() { "default".to_owned() } else { tenant },
        user: attribute("user"),
    }
}

fn facts(env: &Env) -> Facts {
    let gate = member(env, "gate");
    let of = |name: &str| match &gate {
        Some(EvalResult::Record(gate)) => gate.get(name).cloned(),
        Some(_) | None => None,
    };
    let ids = |name: &str| -> Vec<String> {
        match of(name) {
            Some(EvalResult::Set(set)) => set.iter().filter_map(id).collect(),
            Some(_) | None => Vec::new(),
        }
    };
    let task = match of("task") {
        Some(EvalResult::Record(task)) => of_task(&task),
        Some(_) | None => TaskFacts::default(),
    };
    let now = match of("now") {
        Some(EvalResult::ExtensionValue(written)) => milliseconds(&written),
        Some(_) | None => None,
    };
    let calls = match of("calls") {
        Some(EvalResult::Long(calls)) => u64::try_from(calls).unwrap_or(0),
        Some(_) | None => 0,
    };
    let labels = ids("labels");
    let origin = match of("origin") {
        Some(EvalResult::Record(origin)) => {
            origin.iter().map(|(name, labels)| (name.clone(), label_set(labels))).collect()
        }
        Some(_) | None => BTreeMap::new(),
    };
    Facts {
        labels: labels.iter().map(String::as_str).collect(),
        grants: ids("grants").into_iter().collect(),
        task,
        calls,
        now_ms: now.unwrap_or(samples::NOW_MS),
        origin,
        unvouched: ids("unvouched").iter().map(String::as_str).collect(),
        ..Facts::default()
    }
}

fn label_set(value: &EvalResult) -> LabelSet {
    let EvalResult::Set(set) = value else { return LabelSet::default() };
    let ids: Vec<String> = set.iter().filter_map(id).collect();
    ids.iter().map(String::as_str).collect()
}

fn of_task(task: &cedar_policy::Record) -> TaskFacts {
    let count = |name: &str| match task.get(name) {
        Some(EvalResult::Long(count)) => u64::try_from(*count).unwrap_or(0),
        Some(_) | None => 0,
    };
    let flag = |name: &str| matches!(task.get(name), Some(EvalResult::Bool(true)));
    let words = |name: &str| task.get(name).cloned().and_then(text).unwrap_or_default();
    TaskFacts {
        bytes_out: count("bytes_out"),
        cost: count("cost"),
        depth: count("depth"),
        explicit: flag("explicit"),
        id: words("id"),
        off_plan: flag("off_plan"),
        profile: words("profile"),
    }
}

fn member(env: &Env, name: &str) -> Option<EvalResult> {
    env.request.context()?.get(name)
}

fn text(value: EvalResult) -> Option<String> {
    if let EvalResult::String(text) = value { Some(text) } else { None }
}

fn id(value: &EvalResult) -> Option<String> {
    if let EvalResult::EntityUid(uid) = value { Some(uid.id().unescaped().to_owned()) } else { None }
}

/// The moment of `datetime("1970-01-01").offset(duration("5ms"))`, the one form Cedar prints.
fn milliseconds(written: &str) -> Option<i64> {
    let (before, _) = written.rsplit_once("ms\"")?;
    before.rsplit_once('"')?.1.parse().ok()
}

/// A value of Cedar's as JSON. A decimal keeps its digits as far as JSON's numbers carry them.
fn json(value: &EvalResult) -> Value {
    match value {
        EvalResult::Bool(value) => Value::Bool(*value),
        EvalResult::Long(value) => Value::from(*value),
        EvalResult::String(text) => Value::from(text.as_str()),
        EvalResult::EntityUid(uid) => Value::from(uid.id().unescaped()),
        EvalResult::Set(set) => set.iter().map(json).collect(),
        EvalResult::Record(record) => Value::Object(record.iter().map(|(name, v)| (name.clone(), json(v))).collect()),
        EvalResult::ExtensionValue(written) => {
            let inner = written.split('"').nth(1).unwrap_or_default();
            let number = expression::plain_number(inner);
            if written.starts_with("decimal") {
                serde_json::from_str(&number).unwrap_or(Value::from(inner))
            } else {
                Value::from(inner)
            }
        }
    }
}

/// Arguments with their canonical forms in their place.
fn overlaid(given: Value, canonical: &Value) -> Value {
    let (Value::Object(mut given), Value::Object(canonical)) = (given, canonical) else { return Value::Null };
    given.extend(canonical.iter().map(|(name, form)| (name.clone(), form.clone())));
    Value::Object(given)
}

/// Arguments with each that does not fit its schema replaced by a plain one.
fn repaired(tool: &Tool, arguments: &Value, plain: &Value) -> Value {
    let (Value::Object(given), Value::Object(plain)) = (arguments, plain) else { return plain.clone() };
    let mut out = plain.clone();
    for (name, value) in given {
        let before = out.insert(name.clone(), value.clone());
        let fits = tool.validator.as_ref().is_some_and(|v| v.is_valid(&Value::Object(out.clone())));
        if !fits {
            match before {
                Some(before) => out.insert(name.clone(), before),
                None => out.remove(name),
            };
        }
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_cedar_prints_it() {
        assert_eq!(milliseconds("datetime(\"1970-01-01\").offset(duration(\"-5ms\"))"), Some(-5));
        assert_eq!(
            milliseconds("offset(datetime(\"1970-01-01\"), duration(\"1795132800000ms\"))"),
            Some(samples::NOW_MS)
        );
        assert_eq!(milliseconds("decimal(\"1.0\")"), None);
    }

    #[test]
    fn a_decimal_is_a_plain_number_again() {
        assert_eq!(json(&EvalResult::ExtensionValue("decimal(\"1000.0100\")".to_owned())).to_string(), "1000.01");
    }
}
