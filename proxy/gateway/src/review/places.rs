//! Where exactly two tool definitions differ: every place by its JSON pointer, every text whole, so that nothing is
//! approved that was not shown.

use std::fmt;

use serde_json::Value;

use crate::findings::shown;

/// One place at which two definitions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The JSON pointer (RFC 6901), fit to be printed.
    pub pointer: String,
    /// What is different there.
    pub change: Change,
}

/// What is different at a place. Values are JSON in one line, fit to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Added(String),
    /// It is there no more.
    Removed(String),
    /// It was something else.
    Replaced(String, String),
    /// A text changed: where the first difference is, in characters, and the parts that differ.
    Text(usize, String, String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        match &self.change {
            Change::Added(value) => write!(f, "+ {pointer}  {value}"),
            Change::Removed(value) => write!(f, "- {pointer}  {value}"),
            Change::Replaced(before, after) => write!(f, "~ {pointer}  {before} -> {after}"),
            Change::Text(at, before, after) => write!(f, "~ {pointer}  character {at}: {before} -> {after}"),
        }
    }
}

/// Every place at which two definitions, given as JSON text, differ; with an empty object every leaf of the other.
#[must_use]
pub fn places(reviewed: &str, live: &str) -> Vec<Place> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut out = Vec::new();
    compare(&read(reviewed), &read(live), &mut String::new(), &mut out);
    out
}

fn compare(before: &Value, after: &Value, pointer: &mut String, out: &mut Vec<Place>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                at(pointer, name, |pointer| one(old.get(name), new.get(name), pointer, out));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
            let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
            let tail = tail.min(old.len().min(new.len()).saturating_sub(head));
            let part = |list: &'_ [Value]| list.len().saturating_sub(tail);
            for n in head..part(old).max(part(new)) {
                let get = |list: &'_ [Value]| list.get(..part(list)).and_then(|list| list.get(n)).cloned();
                let (old, new) = (get(old), get(new));
                at(pointer, &n.to_string(), |pointer| one(old.as_ref(), new.as_ref(), pointer, out));
            }
        }
        (Value::String(old), Value::String(new)) => out.push(text(pointer, old, new)),
        _ => out.push(Place { pointer: pointer.clone(), change: Change::Replaced(json(before), json(after)) }),
    }
}

fn at(pointer: &mut String, name: &str, see: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&shown(&name.replace('~', "~0").replace('/', "~1")));
    see(pointer);
    pointer.truncate(length);
}

fn one(before: Option<&Value>, after: Option<&Value>, pointer: &mut String, out: &mut Vec<Place>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(before, after, pointer, out),
        (Some(before), None) => leaves(before, pointer, &mut |pointer, value| {
            out.push(Place { pointer: pointer.to_owned(), change: Change::Removed(value) });
        }),
        (None, Some(after)) => leaves(after, pointer, &mut |pointer, value| {
            out.push(Place { pointer: pointer.to_owned(), change: Change::Added(value) });
        }),
        (None, None) => {}
    }
}

/// Every leaf of a value: what holds nothing more.
fn leaves(value: &Value, pointer: &mut String, see: &mut dyn FnMut(&str, String)) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                at(pointer, name, |pointer| leaves(member, pointer, see));
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (n, item) in items.iter().enumerate() {
                at(pointer, &n.to_string(), |pointer| leaves(item, pointer, see));
            }
        }
        Value::Object(_) | Value::Array(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            see(pointer, json(value));
        }
    }
}

/// A value in one line, with what hides written out.
fn json(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shown(text)),
        Value::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => shown(&value.to_string()),
    }
}

/// How many characters of what did not change are shown around what did.
const AROUND: usize = 20;

fn text(pointer: &str, old: &str, new: &str) -> Place {
    let (a, b): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let tail = tail.min(a.len().min(b.len()).saturating_sub(head));
    let from = head.saturating_sub(AROUND);
    let part = |text: &[char]| {
        let end = text.len().saturating_sub(tail).saturating_add(AROUND).min(text.len());
        let piece: String = text.get(from..end).unwrap_or_default().iter().collect();
        let (before, behind) = (if from > 0 { "..." } else { "" }, if end < text.len() { "..." } else { "" });
        format!("\"{before}{}{behind}\"", shown(&piece))
    };
    Place { pointer: pointer.to_owned(), change: Change::Text(head, part(&a), part(&b)) }
}
