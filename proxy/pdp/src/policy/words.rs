//! Words that a policy compares an argument with, and that the argument never is: a typo that Cedar's types cannot tell,
//! since a JSON Schema's `enum` is a `String` to it.
//!
//! A comparison counts where every tool it can apply to lists the words of that argument, and none lists this one.

use cedar_policy::{ActionConstraint, EntityUid, Policy};
use serde_json::Value;

use super::needs::chain;
use super::schema::{Shown, shown};
use crate::registry::{Registry, Server};

/// A comparison that never holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Never {
    /// The argument, as the policy names it.
    pub(super) argument: String,
    /// The word.
    pub(super) word: String,
    /// The words that the argument may be.
    pub(super) words: Vec<String>,
}

/// The comparisons of a policy that never hold.
pub(super) fn never(policy: &Policy, registry: &Registry) -> Vec<Never> {
    let Ok(json) = policy.to_json() else { return Vec::new() };
    let mut compared = Vec::new();
    json.get("conditions").into_iter().for_each(|conditions| comparisons(conditions, &mut compared));
    if compared.is_empty() {
        return Vec::new();
    }
    let tools = tools_in(&policy.action_constraint(), registry);
    let never = |(path, word): (Vec<&str>, &str)| {
        let mut words: Vec<String> = Vec::new();
        for tool in &tools {
            // Nothing for a tool that has no such text: Cedar's validator speaks of that.
            let Some(listed) = tool.shape.words(path.get(1..)?) else { continue };
            let listed = listed?;
            if listed.contains(word) {
                return None;
            }
            words.extend(listed.iter().cloned());
        }
        words.sort();
        words.dedup();
        let argument = format!("context.{}", path.join("."));
        (!words.is_empty()).then(|| Never { argument, word: word.to_owned(), words })
    };
    compared.into_iter().filter_map(never).collect()
}

/// The word that is most like another, if one is like it at all.
pub(super) fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let close = words.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    let (distance, known) = close.min()?;
    (distance <= 1 + word.chars().count() / 4).then_some(known)
}

/// Every place below where an argument meets a word.
fn comparisons<'j>(value: &'j Value, out: &mut Vec<(Vec<&'j str>, &'j str)>) {
    for operator in ["==", "!=", "contains", "containsAll", "containsAny"] {
        let Some(sides) = value.get(operator) else { continue };
        let (Some(left), Some(right)) = (sides.get("left"), sides.get("right")) else { continue };
        for (argument, words) in [(left, right), (right, left)] {
            let path = chain(argument).filter(|path| matches!(path.first(), Some(&("args" | "args_canonical"))));
            let Some(path) = path else { continue };
            out.extend(literals(words).into_iter().map(|word| (path.clone(), word)));
        }
    }
    match value {
        Value::Object(members) => members.values().for_each(|inner| comparisons(inner, out)),
        Value::Array(items) => items.iter().for_each(|item| comparisons(item, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The strings of a literal, or of a set of them.
fn literals(value: &Value) -> Vec<&str> {
    if let Some(word) = value.get("Value").and_then(Value::as_str) {
        return vec![word];
    }
    let items = value.get("Set").and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.get("Value").and_then(Value::as_str)).collect()
}

/// The tools whose action an action's scope can match, of those that stand in the schema: what is found out here holds as
/// long as the schema is the same.
fn tools_in<'r>(constraint: &ActionConstraint, registry: &'r Registry) -> Vec<Shown<'r>> {
    let named: &[EntityUid] = match constraint {
        ActionConstraint::Any => &[],
        ActionConstraint::Eq(one) => std::slice::from_ref(one),
        ActionConstraint::In(several) => several,
    };
    let is_any = matches!(constraint, ActionConstraint::Any);
    let named: Vec<(String, &str)> =
        named.iter().map(|uid| (uid.type_name().namespace(), uid.id().unescaped())).collect();
    let fits = |server: &Server, tool: &Shown<'_>| {
        is_any
            || named.iter().any(|(namespace, id)| match namespace.as_str() {
                "Gate" => tool.groups().any(|group| group == *id),
                own => own == server.namespace && tool.name == *id,
            })
    };
    let servers = registry.servers.values();
    servers.flat_map(|server| shown(server).filter(|tool| fits(server, tool)).collect::<Vec<_>>()).collect()
}
