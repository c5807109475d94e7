//! Two bundles compared for every request of each action they share: whatever one allows, does the other allow it?
//!
//! Being allowed depends on the grants a request holds, and all of them are compared. Two bundles that allow the same
//! under every set of grants also ask for the same approvals: had one to ask for fewer, it would allow with fewer.
//! Policies that err are compared as if they were absent; `policy prove` says whether any can.

use std::collections::BTreeSet;
use std::time::Duration;

use cedar_policy::Schema;
use pdp::method::{METHODS, OTHER_ACTION};
use pdp::principal::Principal;
use pdp::registry::Registry;
use serde_json::{Value, json};

use super::example::Wanted;
use super::in_parallel;
use super::kinds::{Kinds, opens, other_method, tool_of};
use super::question::{Scene, compiled, scenes};
use super::solver::{Answer, Question, Session, Solver, Unsettled, chain};
use crate::desk::compare::Turn;
use crate::desk::difference::{Changed, Difference, Side, Way, by_trying, changed};
use crate::desk::law::{Entity, Law};

/// What the exact way does not see.
const UNSEEN: &str = "compared every request of these actions; not seen are policies that err (see `policy prove`), and \
                      duties or reasons that change while the decision stays";

/// Compares two bundles, exactly as far as their actions can be compared so, by trying calls beyond.
///
/// # Errors
/// In words, where the generated schemas cannot be used.
pub fn compare(
    before: Side<'_>,
    after: Side<'_>,
    known: &[Principal],
    solver: &Solver,
    limit: Duration,
) -> Result<Difference, String> {
    let of = |side: Side<'_>| Kinds::read(side.snapshot.policies().schema_text());
    let (old, new) = (of(before), of(after));
    let schema = Schema::from_json_value(joint(old.json(), new.json())).map_err(|e| chain(&e))?;
    let shared: Vec<Scene> = scenes(&schema, &new, after.snapshot.registry())?
        .into_iter()
        .filter(|scene| is_shared(&scene.action, before, after, old.json(), new.json()))
        .collect();
    let asked = |runtime: &tokio::runtime::Runtime, session: &mut Session<'_>, scene: &Scene| {
        runtime.block_on(Box::pin(compared(before, after, &schema, old.json(), scene, session)))
    };
    let answers = in_parallel(&shared, solver, limit, asked)?;
    let (mut calls, mut paper, mut open, mut settled) = (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
    let mut exact = 0;
    for (scene, answer) in shared.iter().zip(answers) {
        match answer {
            Err(Unsettled(why)) => open.push(format!("{}: {why}", scene.action)),
            Ok(found) => {
                exact += 1;
                settled.extend(names(&scene.action, after.snapshot.registry()));
                for (direction, call) in found {
                    match call {
                        Some(call) => calls.push(call),
                        None => paper.push(format!(
                            "{}: {} for some request, but no call that the gate would let so far was found",
                            scene.action,
                            direction.word()
                        )),
                    }
                }
            }
        }
    }
    let mut out = by_trying(before, after, known, &settled);
    calls.append(&mut out.calls);
    calls.sort_by_key(|call| call.direction);
    out.calls = calls;
    out.paper = paper;
    let exact = Way { way: "exact", actions: exact, note: format!("{} {UNSEEN}", solver.version()) };
    out.ways.insert(0, exact);
    out.open.extend(open);
    Ok(out)
}

/// Both directions for one action; for each that differs a call, where one was found.
async fn compared(
    before: Side<'_>,
    after: Side<'_>,
    schema: &Schema,
    old_schema: &Value,
    scene: &Scene,
    session: &mut Session<'_>,
) -> Result<Vec<(Turn, Option<Changed>)>, Unsettled> {
    let old_above = groups(&scene.action, old_schema);
    let (old, new) = (slice(before.law, &scene.action, &old_above), slice(after.law, &scene.action, &scene.above));
    let mut out = Vec::new();
    if old == new {
        return Ok(out);
    }
    for (direction, narrow, wide) in [(Turn::Narrower, &old, &new), (Turn::Wider, &new, &old)] {
        let of = |policies: &[(String, Value)]| {
            compiled(schema, &scene.env, policies.iter().map(|(id, json)| (id.as_str(), json.clone())))
        };
        let wide = of(wide)?;
        let under = |facts: &[&Value]| of(&guarded(narrow, facts));
        let first = match session.ask(&Question::Implies(&under(&[&scene.always])?, &wide)).await? {
            Answer::Holds => continue,
            Answer::Broken(env) => env,
        };
        let likely = under(&[&scene.always, &scene.likely])?;
        let second = match session.ask(&Question::Implies(&likely, &wide)).await {
            Ok(Answer::Broken(env)) => env,
            Ok(Answer::Holds) | Err(_) => None,
        };
        let breaks = |case: &_| changed(before, after, case).is_some_and(|call| call.direction == direction);
        let laws = [after.law, before.law];
        let wanted = Wanted { snapshot: after.snapshot, laws: &laws, action: &scene.action, breaks: &breaks };
        let found = [second, first].into_iter().flatten().collect();
        let call = wanted.case(&found).filter(|(_, judged_again)| *judged_again);
        out.push((direction, call.and_then(|(case, _)| changed(before, after, &case))));
    }
    Ok(out)
}

/// The policies whose scope an action is in, as policies of every action: the groups are settled by then.
fn slice(law: &Law, action: &Entity, above: &BTreeSet<Entity>) -> Vec<(String, Value)> {
    let of_every_action = |compiled: &Value| {
        let mut out = compiled.clone();
        if let Some(members) = out.as_object_mut() {
            members.insert("action".to_owned(), json!({ "op": "All" }));
            // What is only told of a policy decides nothing.
            members.remove("annotations");
        }
        out
    };
    let fitting = law.iter().filter(|policy| policy.action.fits(action, above));
    fitting.map(|policy| (policy.id.clone(), of_every_action(&policy.compiled))).collect()
}

/// Policies that allow only where these facts hold.
fn guarded(policies: &[(String, Value)], facts: &[&Value]) -> Vec<(String, Value)> {
    let any = json!({ "op": "All" });
    let guard = facts.iter().enumerate().map(|(n, fact)| {
        let conditions = json!([{ "kind": "unless", "body": fact }]);
        let guard =
            json!({ "effect": "forbid", "principal": any, "action": any, "resource": any, "conditions": conditions });
        (format!("(fact {n})"), guard)
    });
    policies.iter().cloned().chain(guard).collect()
}

/// The newer schema with the words of both vocabularies.
fn joint(old: &Value, new: &Value) -> Value {
    let mut out = new.clone();
    for kind in ["Label", "Grant"] {
        let words = |schema: &Value| -> BTreeSet<String> {
            let found = schema.get("Gate").and_then(|gate| gate.get("entityTypes")?.get(kind)?.get("enum")?.as_array());
            found.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let both: BTreeSet<String> = words(old).union(&words(new)).cloned().collect();
        if let Some(listed) = out.pointer_mut(&format!("/Gate/entityTypes/{kind}/enum")) {
            *listed = both.into_iter().collect();
        }
    }
    out
}

/// The groups an action is a member of, and those above them.
fn groups(action: &Entity, schema: &Value) -> BTreeSet<Entity> {
    let mut out = BTreeSet::new();
    let mut next = vec![action.clone()];
    while let Some(one) = next.pop() {
        let space = one.kind.rsplit_once("::").map_or("", |(space, _)| space).to_owned();
        let members = schema.get(&space).and_then(|s| s.get("actions")?.get(&one.id)?.get("memberOf")?.as_array());
        for group in members.into_iter().flatten() {
            let kind = group.get("type").and_then(Value::as_str).map_or_else(|| one.kind.clone(), str::to_owned);
            // A group of the same namespace is written without it.
            let kind = if kind.contains("::") { kind } else { format!("{space}::{kind}") };
            let Some(id) = group.get("id").and_then(Value::as_str) else { continue };
            let group = Entity { kind, id: id.to_owned() };
            if out.insert(group.clone()) {
                next.push(group);
            }
        }
    }
    out
}

/// Whether an action is the same in both: the same types, the same server, the same definition. Policies that ask in their
/// conditions what is asked for need the same groups too.
fn is_shared(action: &Entity, before: Side<'_>, after: Side<'_>, old: &Value, new: &Value) -> bool {
    let space = action.kind.rsplit_once("::").map_or("", |(space, _)| space);
    let part = |schema: &Value, name: &str| schema.get(space).and_then(|s| s.get(name)).cloned();
    let applies =
        |schema: &Value| part(schema, "actions").and_then(|all| all.get(&action.id)?.get("appliesTo").cloned());
    let common =
        |schema: &Value| [part(schema, "commonTypes"), schema.get("Gate").and_then(|g| g.get("commonTypes")).cloned()];
    if applies(old).is_none() || applies(old) != applies(new) || common(old) != common(new) {
        return false;
    }
    let asks = |law: &Law| law.iter().any(|policy| policy.looks_at().contains("action"));
    if groups(action, old) != groups(action, new) && (asks(before.law) || asks(after.law)) {
        return false;
    }
    let (one, two) = (before.snapshot.registry(), after.snapshot.registry());
    match (tool_of(action, one), tool_of(action, two)) {
        (Some((server, tool)), Some((other, second))) => {
            let places =
                |registry: &Registry| registry.servers.values().map(|s| s.system.clone()).collect::<BTreeSet<_>>();
            (&server.name, &server.system, tool.pin) == (&other.name, &other.system, second.pin)
                && places(one) == places(two)
        }
        (None, None) => places(action, one) == places(action, two),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The servers a method comes to a judgement for, and every system there is.
fn places(action: &Entity, registry: &Registry) -> Vec<(String, String, bool)> {
    registry.servers.values().map(|s| (s.name.clone(), s.system.clone(), opens(s, &action.id))).collect()
}

/// What calls of this action are called when they are tried one by one.
fn names(action: &Entity, registry: &Registry) -> Vec<String> {
    if let Some((server, tool)) = tool_of(action, registry) {
        return vec![format!("{} {}", server.name, tool.name)];
    }
    let methods = METHODS.iter().filter(|method| method.action == action.id);
    let known = methods.flat_map(|m| registry.servers.keys().map(move |server| format!("{server} {}", m.name)));
    let others = registry.servers.values().filter(|_| action.id == OTHER_ACTION).flat_map(|server| {
        let names = server.open.iter().filter(|name| other_method(name));
        names.map(move |name| format!("{} {name}", server.name))
    });
    known.chain(others).collect()
}
