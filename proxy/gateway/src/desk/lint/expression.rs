//! Cedar's JSON form of an expression, as far as the lints look into it: chains of member names, literals, operands.

use serde_json::Value;

/// An operator and its operands: `{"==": {"left": ..., "right": ...}}`.
pub(super) fn operation(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object()?;
    let mut members = members.iter();
    let (name, operands) = members.next()?;
    members.next().is_none().then_some((name.as_str(), operands))
}

/// The two operands of a binary operator.
pub(super) fn sides(operands: &Value) -> Option<(&Value, &Value)> {
    Some((operands.get("left")?, operands.get("right")?))
}

/// The member names of a chain that begins at `context`: `context.args.path` is `["args", "path"]`.
pub(super) fn chain(value: &Value) -> Option<Vec<&str>> {
    let (operator, operands) = operation(value)?;
    match operator {
        "Var" => (operands == "context").then(Vec::new),
        "." => {
            let mut names = chain(operands.get("left")?)?;
            names.push(operands.get("attr")?.as_str()?);
            Some(names)
        }
        _ => None,
    }
}

/// A chain as its author most likely wrote it: `context.args.path`, `context.args["user-id"]`.
pub(super) fn text(names: &[&str]) -> String {
    names.iter().fold("context".to_owned(), |text, name| {
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if plain { format!("{text}.{name}") } else { format!("{text}[{name:?}]") }
    })
}

/// A string that stands in the policy itself.
pub(super) fn literal(value: &Value) -> Option<&str> {
    match operation(value)? {
        ("Value", Value::String(text)) => Some(text),
        _ => None,
    }
}

/// A whole number that stands in the policy itself.
pub(super) fn number(value: &Value) -> Option<i64> {
    match operation(value)? {
        ("Value", Value::Number(number)) => number.as_i64(),
        ("neg", operands) => number(operands.get("arg")?)?.checked_neg(),
        _ => None,
    }
}

/// An entity that stands in the policy itself: its type and its id.
pub(super) fn entity(value: &Value) -> Option<(&str, &str)> {
    let uid = value.get("__entity").unwrap_or(value);
    Some((uid.get("type")?.as_str()?, uid.get("id")?.as_str()?))
}

/// Shows every expression within a value to `look`, the outermost first.
pub(super) fn walk<'v>(value: &'v Value, look: &mut dyn FnMut(&'v Value)) {
    look(value);
    match value {
        Value::Object(members) => members.values().for_each(|inner| walk(inner, look)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, look)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The longest chains below `context` within a value.
pub(super) fn chains(value: &Value) -> Vec<Vec<&str>> {
    fn gather<'v>(value: &'v Value, out: &mut Vec<Vec<&'v str>>) {
        if let Some(names) = chain(value) {
            out.push(names);
            return;
        }
        match value {
            Value::Object(members) => members.values().for_each(|inner| gather(inner, out)),
            Value::Array(items) => items.iter().for_each(|item| gather(item, out)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut out = Vec::new();
    gather(value, &mut out);
    out
}

/// A `like` pattern: its literal parts, and nothing for each `*`. Cedar may give a literal letter by letter.
pub(super) fn pattern(operands: &Value) -> Vec<Option<String>> {
    let mut out: Vec<Option<String>> = Vec::new();
    for part in operands.get("pattern").and_then(Value::as_array).into_iter().flatten() {
        match (part.get("Literal").and_then(Value::as_str), out.last_mut()) {
            (Some(more), Some(Some(literal))) => literal.push_str(more),
            (literal, _) => out.push(literal.map(str::to_owned)),
        }
    }
    out
}
