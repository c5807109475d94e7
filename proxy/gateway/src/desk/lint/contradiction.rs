//! Conditions that cannot hold together, as far as that is seen without a solver: one thing asked for and refused, two values
//! of one thing, bounds that leave no number, patterns that no text fits.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expression::{chain, literal, number, operation, pattern, sides, text};

/// Something that must hold for a policy to speak: an expression, and whether it must be true or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact<'v> {
    pub(super) expression: &'v Value,
    pub(super) holds: bool,
}

/// What must hold, all of it, for a policy in Cedar's JSON form to speak.
pub(super) fn facts(says: &Value) -> Vec<Fact<'_>> {
    let mut out = Vec::new();
    for condition in says.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let holds = condition.get("kind").is_some_and(|kind| kind == "when");
        if let Some(body) = condition.get("body") {
            split(body, holds, &mut out);
        }
    }
    out
}

/// Takes `a && b`, `!a` and a refused `a || b` apart.
fn split<'v>(expression: &'v Value, holds: bool, out: &mut Vec<Fact<'v>>) {
    match (operation(expression), holds) {
        (Some(("&&", operands)), true) | (Some(("||", operands)), false) => {
            if let Some((left, right)) = sides(operands) {
                split(left, holds, out);
                split(right, holds, out);
            }
        }
        (Some(("!", operands)), _) => {
            if let Some(inner) = operands.get("arg") {
                split(inner, !holds, out);
            }
        }
        _ => out.push(Fact { expression, holds }),
    }
}

/// Why these facts cannot hold together, if that is seen.
pub(super) fn contradiction(facts: &[Fact<'_>]) -> Option<String> {
    let refused =
        |fact: &&Fact<'_>| facts.iter().any(|other| other.expression == fact.expression && other.holds != fact.holds);
    if let Some(fact) = facts.iter().find(refused) {
        return Some(format!("it asks for {} and for the opposite", named(fact.expression)));
    }
    let mut all: BTreeMap<String, Bounds<'_>> = BTreeMap::new();
    for fact in facts {
        note(*fact, &mut all);
    }
    all.values().find_map(Bounds::impossible)
}

/// An expression in words.
fn named(expression: &Value) -> String {
    let inner = operation(expression).and_then(|(_, operands)| operands.get("left").or(Some(operands)));
    let found = chain(expression).or_else(|| inner.and_then(chain));
    found.map_or_else(|| "a condition".to_owned(), |names| format!("a condition on `{}`", text(&names)))
}

/// What is asked of one expression.
#[derive(Debug)]
struct Bounds<'v> {
    name: String,
    /// The least and the greatest, in units; of decimals, ten-thousandths.
    least: i64,
    most: i64,
    equals: Vec<&'v str>,
    patterns: Vec<Vec<Option<String>>>,
}

impl Bounds<'_> {
    fn of(expression: &Value) -> Self {
        let name = chain(expression).map_or_else(|| "one expression".to_owned(), |names| format!("`{}`", text(&names)));
        Self { name, least: i64::MIN, most: i64::MAX, equals: Vec::new(), patterns: Vec::new() }
    }

    fn impossible(&self) -> Option<String> {
        let name = &self.name;
        if self.least > self.most {
            return Some(format!("no number for {name} satisfies it"));
        }
        let mut equals = self.equals.iter();
        if let Some(first) = equals.next()
            && let Some(second) = equals.find(|other| *other != first)
        {
            return Some(format!("{name} would have to be {first:?} and {second:?}"));
        }
        if let Some(value) = self.equals.first()
            && self.patterns.iter().any(|pattern| !fits(pattern, value))
        {
            return Some(format!("{name} would have to be {value:?} and to be like something else"));
        }
        let start = |pattern: &Vec<Option<String>>| pattern.first().cloned().flatten().unwrap_or_default();
        let starts: Vec<String> = self.patterns.iter().map(start).collect();
        let apart = |a: &String| starts.iter().find(|b| !a.starts_with(b.as_str()) && !b.starts_with(a.as_str()));
        let (one, other) = starts.iter().find_map(|a| apart(a).map(|b| (a, b)))?;
        Some(format!("{name} would have to begin with {one:?} and with {other:?}"))
    }
}

/// Adds what one fact asks for.
fn note<'v>(fact: Fact<'v>, all: &mut BTreeMap<String, Bounds<'v>>) {
    let Some((operator, operands)) = operation(fact.expression) else { return };
    let mut of = |expression: &Value, units: &str, change: &mut dyn FnMut(&mut Bounds<'v>)| {
        change(all.entry(format!("{units} {expression}")).or_insert_with(|| Bounds::of(expression)));
    };
    match (operator, fact.holds) {
        ("like", true) => {
            if let Some(left) = operands.get("left") {
                of(left, "text", &mut |bounds| bounds.patterns.push(pattern(operands)));
            }
        }
        ("==", true) | ("!=", false) => {
            let Some((left, right)) = sides(operands) else { return };
            for (expression, value) in [(left, right), (right, left)] {
                if let Some(value) = literal(value) {
                    of(expression, "text", &mut |bounds| bounds.equals.push(value));
                }
                if let Some(value) = number(value) {
                    of(expression, "number", &mut |bounds| narrow(bounds, value, value));
                }
            }
        }
        ("<" | "<=" | ">" | ">=", holds) => {
            let Some((left, right)) = sides(operands) else { return };
            for (expression, value, turned) in [(left, right, false), (right, left, true)] {
                if let Some(value) = number(value) {
                    let (least, most) = range(operator, turned, holds, value);
                    of(expression, "number", &mut |bounds| narrow(bounds, least, most));
                }
            }
        }
        ("lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual", holds) => {
            let Some([expression, value]) = operands.as_array().map(Vec::as_slice) else { return };
            let plain = match operator {
                "lessThan" => "<",
                "lessThanOrEqual" => "<=",
                "greaterThan" => ">",
                _ => ">=",
            };
            if let Some(value) = decimal(value) {
                let (least, most) = range(plain, false, holds, value);
                of(expression, "decimal", &mut |bounds| narrow(bounds, least, most));
            }
        }
        _ => {}
    }
}

fn narrow(bounds: &mut Bounds<'_>, least: i64, most: i64) {
    bounds.least = bounds.least.max(least);
    bounds.most = bounds.most.min(most);
}

/// The numbers that a comparison with `value` allows. `turned`: the value stands on the left; `holds`: it must be true.
fn range(operator: &str, turned: bool, holds: bool, value: i64) -> (i64, i64) {
    let less = operator.starts_with('<') != turned;
    let equal = operator.ends_with('=');
    // What is not less is greater or equal, and the other way round.
    let (less, equal) = if holds { (less, equal) } else { (!less, !equal) };
    match (less, equal) {
        (true, true) => (i64::MIN, value),
        (true, false) => (i64::MIN, value.saturating_sub(1)),
        (false, true) => (value, i64::MAX),
        (false, false) => (value.saturating_add(1), i64::MAX),
    }
}

/// A `decimal("...")` that stands in the policy itself, in ten-thousandths: Cedar's decimals have four places.
fn decimal(value: &Value) -> Option<i64> {
    let ("decimal", arguments) = operation(value)? else { return None };
    let text = literal(arguments.as_array()?.first()?)?;
    let (whole, part) = text.split_once('.')?;
    if part.is_empty() || part.len() > 4 {
        return None;
    }
    format!("{whole}{part:0<4}").parse().ok()
}

/// Whether a text fits a `like` pattern: its literals stand in the text one after the other, the first at the beginning and
/// the last at the end unless a `*` does.
fn fits(pattern: &[Option<String>], text: &str) -> bool {
    let mut rest = text;
    let mut anywhere = false;
    for (n, part) in pattern.iter().enumerate() {
        let Some(literal) = part else {
            anywhere = true;
            continue;
        };
        let last = n + 1 == pattern.len();
        let at = match (anywhere, last) {
            (true, true) => rest.ends_with(literal.as_str()).then(|| rest.len() - literal.len()),
            (true, false) => rest.find(literal.as_str()),
            (false, _) => rest.starts_with(literal.as_str()).then_some(0),
        };
        let Some(left) = at.and_then(|at| rest.get(at + literal.len()..)) else { return false };
        rest = left;
        anywhere = false;
    }
    anywhere || rest.is_empty()
}
