//! Expressions of Cedar in its JSON form: what they look at, which values they name, their text.
//!
//! Knows the form and nothing of what the names mean.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::Policy;
use serde_json::{Value, json};

use super::Entity;

/// The names of a chain of accesses, the variable first: `context.args.to` as its three names.
#[must_use]
pub fn chain(value: &Value) -> Option<Vec<&str>> {
    if let Some(variable) = value.get("Var") {
        return Some(vec![variable.as_str()?]);
    }
    let access = value.get(".")?;
    let mut names = chain(access.get("left")?)?;
    names.push(access.get("attr")?.as_str()?);
    Some(names)
}

/// The names an access by `has` asks for, the variable first.
#[must_use]
pub fn asked(value: &Value) -> Option<Vec<&str>> {
    let access = value.get("has")?;
    let mut names = chain(access.get("left")?)?;
    match access.get("attr").or_else(|| access.get("attrs"))? {
        Value::String(one) => names.push(one),
        Value::Array(several) => names.extend(several.iter().filter_map(Value::as_str)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    }
    Some(names)
}

/// What an expression looks at: `context.gate.labels`, `principal`, each chain of names whole.
#[must_use]
pub fn paths(value: &Value) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    walk(value, &mut |inner| match chain(inner).or_else(|| asked(inner)) {
        Some(names) => {
            out.insert(names.join("."));
            false
        }
        None => true,
    });
    out
}

/// The entities it names.
#[must_use]
pub fn entities(value: &Value) -> BTreeSet<Entity> {
    let mut out = BTreeSet::new();
    walk(value, &mut |inner| match inner.get("__entity") {
        Some(_) => {
            out.extend(Entity::read(inner));
            false
        }
        None => true,
    });
    out
}

/// The values it compares each chain of names with. A pattern of `like` gives a value that fits it.
pub fn compared(value: &Value, into: &mut BTreeMap<String, BTreeSet<String>>) {
    walk(value, &mut |inner| {
        let Some((operator, operands)) = operation(inner) else { return true };
        if ["&&", "||", "!", "if-then-else", ".", "has"].contains(&operator) {
            return true;
        }
        let names = paths(inner);
        let mut values = BTreeSet::new();
        literals(operands, &mut values);
        for name in names {
            into.entry(name).or_default().extend(values.iter().cloned());
        }
        false
    });
}

/// The one operator of an expression, and what it is applied to.
#[must_use]
pub fn operation(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object()?;
    let (name, operands) = members.iter().next()?;
    let plain = members.len() == 1 && !["Value", "Var", "Set", "Record", "__entity", "__extn"].contains(&name.as_str());
    plain.then_some((name.as_str(), operands))
}

/// The literals within, as JSON text.
fn literals(value: &Value, out: &mut BTreeSet<String>) {
    walk(value, &mut |inner| {
        if let Some(number) = decimal(inner) {
            out.insert(number);
            return false;
        }
        if let Some(pattern) = inner.get("pattern").and_then(Value::as_array) {
            let text: String = pattern_parts(pattern).iter().map(|part| part.as_deref().unwrap_or("x")).collect();
            out.insert(Value::String(text).to_string());
            return false;
        }
        match inner.get("Value") {
            Some(literal @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => {
                out.insert(literal.to_string());
                false
            }
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => true,
        }
    });
}

/// The parts of a pattern of `like`: texts, and nothing where anything may stand.
#[must_use]
pub fn pattern_parts(pattern: &[Value]) -> Vec<Option<String>> {
    let mut out: Vec<Option<String>> = Vec::new();
    for part in pattern {
        match (part.get("Literal").and_then(Value::as_str), out.last_mut()) {
            // Cedar writes a text character by character.
            (Some(more), Some(Some(text))) => text.push_str(more),
            (Some(text), Some(None) | None) => out.push(Some(text.to_owned())),
            (None, Some(None)) => {}
            (None, Some(Some(_)) | None) => out.push(None),
        }
    }
    out
}

/// The digits of `decimal("...")`, as a JSON number.
#[must_use]
pub fn decimal(value: &Value) -> Option<String> {
    let text = call_of_text(value, "decimal")?;
    Some(plain_number(text))
}

/// The one text that a function is called with.
#[must_use]
pub fn call_of_text<'v>(value: &'v Value, function: &str) -> Option<&'v str> {
    let extension = value.get("__extn").or_else(|| value.get("Value").and_then(|v| v.get("__extn")));
    if let Some(extension) = extension {
        return (extension.get("fn")? == function).then(|| extension.get("arg")?.as_str()).flatten();
    }
    value.get(function)?.as_array()?.first()?.get("Value")?.as_str()
}

/// `1000.0000` as `1000`, `0.5000` as `0.5`: the shortest digits of the same number.
#[must_use]
pub fn plain_number(digits: &str) -> String {
    if !digits.contains('.') {
        return digits.to_owned();
    }
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Visits an expression and, where `into` says so, what is within.
pub fn walk<'v>(value: &'v Value, into: &mut impl FnMut(&'v Value) -> bool) {
    if !into(value) {
        return;
    }
    match value {
        Value::Object(members) => members.values().for_each(|inner| walk(inner, into)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An expression as Cedar text.
#[must_use]
pub fn cedar(body: &Value) -> String {
    let any = json!({ "op": "All" });
    let conditions = json!([{ "kind": "when", "body": body }]);
    let whole =
        json!({ "effect": "permit", "principal": any, "action": any, "resource": any, "conditions": conditions });
    let text = Policy::from_json(None, whole).map(|policy| policy.to_string()).unwrap_or_default();
    let inner = text.split_once("when {").and_then(|(_, rest)| rest.rsplit_once('}')).map(|(inner, _)| inner.trim());
    inner.map_or_else(|| body.to_string(), |inner| inner.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A text as a literal of Cedar.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            other if other.is_control() => out.extend(other.escape_unicode()),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
