//! Says in one line how a tool differs from the one that was reviewed.
//!
//! The line is for a reviewer, who should see at a glance whether words changed or what the tool can do. It says what changed
//! in meaning, not which bytes; the pin alone decides whether anything changed. Names in it come from the server and are
//! escaped.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fault::quoted;

/// The members a tool object has by the protocol, with the words for each; `inputSchema` has its own treatment.
const MEMBERS: [(&str, &str); 8] = [
    ("description", "description"),
    ("title", "title"),
    ("annotations", "annotations"),
    ("outputSchema", "output schema"),
    ("execution", "execution"),
    ("icons", "icons"),
    ("_meta", "metadata (`_meta`)"),
    ("name", "name"),
];
/// The most single changes one line names.
const NAMED_MAX: usize = 6;

/// How the tool object `live` differs from `reviewed`, both as JSON text, for example `description changed only` or
/// `new required argument `bcc`; description changed`.
pub fn difference(reviewed: &str, live: &str) -> String {
    changes(reviewed, live).map_or_else(|| "the definition is not a JSON object that can be compared".to_owned(), join)
}

/// Every single change, of two that can be compared.
pub fn changes(reviewed: &str, live: &str) -> Option<Vec<String>> {
    let (old, new) = (object(reviewed)?, object(live)?);
    let mut changes = arguments(old.get("inputSchema"), new.get("inputSchema"));
    for (member, words) in MEMBERS {
        match (old.get(member), new.get(member)) {
            (before, after) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) if member == "annotations" => {
                changes.push(format!("annotations changed: {}", hints(before, after)));
            }
            (None, _) => changes.push(format!("{words} added")),
            (_, None) => changes.push(format!("{words} removed")),
            (Some(_), Some(_)) => changes.push(format!("{words} changed")),
        }
    }
    let known = |member: &&String| member.as_str() != "inputSchema" && MEMBERS.iter().all(|(name, _)| name != member);
    let members: BTreeSet<&String> = old.keys().chain(new.keys()).filter(known).collect();
    for member in members.into_iter().filter(|member| old.get(*member) != new.get(*member)) {
        changes.push(format!("member `{}` changed", quoted(member)));
    }
    Some(changes)
}

fn join(mut changes: Vec<String>) -> String {
    match changes.as_slice() {
        // The canonical bytes differ and the values read as doubles do not: only digits beyond a double's reach are left.
        [] => "a number changed in digits that a double cannot tell apart".to_owned(),
        [only] if only.ends_with(" changed") && !only.contains('`') => format!("{only} only"),
        _ => {
            let more = changes.len().saturating_sub(NAMED_MAX);
            changes.truncate(NAMED_MAX);
            if more > 0 {
                changes.push(format!("and {more} more changes"));
            }
            changes.join("; ")
        }
    }
}

/// What changed in the input schema, argument by argument.
fn arguments(old: Option<&Value>, new: Option<&Value>) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let (Some(old), Some(new)) = (old.and_then(Value::as_object), new.and_then(Value::as_object)) else {
        return vec!["input schema changed".to_owned()];
    };
    let (old_required, new_required) = (required(old), required(new));
    let none = Map::new();
    let properties = |schema: &'_ Map<String, Value>| schema.get("properties").and_then(Value::as_object).cloned();
    let (old_properties, new_properties) = (properties(old), properties(new));
    let (old_properties, new_properties) =
        (old_properties.as_ref().unwrap_or(&none), new_properties.as_ref().unwrap_or(&none));
    let mut changes = Vec::new();
    let names: BTreeSet<&String> = new_properties.keys().chain(old_properties.keys()).collect();
    for name in names {
        let shown = quoted(name);
        let (was, is) = (old_required.contains(name.as_str()), new_required.contains(name.as_str()));
        match (old_properties.get(name), new_properties.get(name)) {
            (None, Some(_)) if is => changes.push(format!("new required argument `{shown}`")),
            (None, _) => changes.push(format!("new optional argument `{shown}`")),
            (Some(_), None) => changes.push(format!("argument `{shown}` removed")),
            (Some(before), Some(after)) => {
                if is && !was {
                    changes.push(format!("argument `{shown}` is now required"));
                } else if was && !is {
                    changes.push(format!("argument `{shown}` is now optional"));
                }
                if before != after && without_words(before) == without_words(after) {
                    changes.push(format!("description of argument `{shown}` changed"));
                } else if before != after {
                    changes.push(format!("argument `{shown}` changed"));
                }
            }
        }
    }
    let rest: BTreeSet<&String> =
        old.keys().chain(new.keys()).filter(|key| !["properties", "required"].contains(&key.as_str())).collect();
    let rest: Vec<String> =
        rest.into_iter().filter(|key| old.get(*key) != new.get(*key)).map(|key| format!("`{}`", quoted(key))).collect();
    if !rest.is_empty() {
        changes.push(format!("input schema changed in {}", rest.join(", ")));
    }
    if changes.is_empty() {
        changes.push("input schema changed".to_owned());
    }
    changes
}

fn required(schema: &Map<String, Value>) -> BTreeSet<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A schema without the members that are words for a reader.
fn without_words(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut() {
        members.remove("description");
        members.remove("title");
    }
    schema
}

fn hints(before: &Map<String, Value>, after: &Map<String, Value>) -> String {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let value = |of: &Map<String, Value>, name: &str| {
        of.get(name).map_or("absent".to_owned(), |value| quoted(&value.to_string()))
    };
    let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let changed: Vec<String> =
        changed.map(|name| format!("`{}` {} -> {}", quoted(name), value(before, name), value(after, name))).collect();
    changed.join(", ")
}

fn object(text: &str) -> Option<Map<String, Value>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    }
}
