//! Cedar's JSON form of an expression, as far as the lints look into it: chains of member names, literals, operands.

use serde_json::Value;

use crate::desk::law::expression;
pub(super) use crate::desk::law::expression::operation;

/// The two operands of a binary operator.
pub(super) fn sides(operands: &Value) -> Option<(&Value, &Value)> {
    Some((operands.get("left")?, operands.get("right")?))
}

/// The member names of a chain that begins at `context`: `context.args.path` is `["args", "path"]`.
pub(super) fn chain(value: &Value) -> Option<Vec<&str>> {
    let mut names = expression::chain(value)?;
    (names.first() == Some(&"context")).then(|| names.split_off(1))
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
    value.get("Value")?.as_str()
}

/// A whole number that stands in the policy itself.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value.get("neg") {
        Some(operands) => number(operands.get("arg")?)?.checked_neg(),
        None => value.get("Value")?.as_i64(),
    }
}

/// An entity that stands in the policy itself: its type and its id.
pub(super) fn entity(value: &Value) -> Option<(&str, &str)> {
    let uid = value.get("__entity").unwrap_or(value);
    Some((uid.get("type")?.as_str()?, uid.get("id")?.as_str()?))
}

/// Shows every expression within a value to `look`, the outermost first.
pub(super) fn walk<'v>(value: &'v Value, look: &mut dyn FnMut(&'v Value)) {
    expression::walk(value, &mut |inner| {
        look(inner);
        true
    });
}

/// The longest chains below `context` within a value.
pub(super) fn chains(value: &Value) -> Vec<Vec<&str>> {
    let mut out = Vec::new();
    expression::walk(value, &mut |inner| match chain(inner) {
        Some(names) => {
            out.push(names);
            false
        }
        None => true,
    });
    out
}

/// A `like` pattern: its literal parts, and nothing for each `*`.
pub(super) fn pattern(operands: &Value) -> Vec<Option<String>> {
    let parts = operands.get("pattern").and_then(Value::as_array);
    expression::pattern_parts(parts.map(Vec::as_slice).unwrap_or_default())
}
