//! Conditions in words, for people who do not read Cedar. What has no words here is shown as Cedar text.

use pdp::origin::UNGIVEN;
use serde_json::Value;

use super::expression::{asked, call_of_text, cedar, chain, decimal, operation, pattern_parts};
use super::{Clause, Effect, Entity, Written};

/// When a policy applies: `when ...` and `unless ...`; nothing where it always does.
#[must_use]
pub fn conditions(policy: &Written) -> String {
    let parts: Vec<String> = policy.clauses.iter().map(clause).collect();
    parts.join(", ")
}

/// One condition.
#[must_use]
pub fn clause(clause: &Clause) -> String {
    format!("{} {}", if clause.unless { "unless" } else { "when" }, expression(&clause.body))
}

/// What must hold for a policy to apply, every condition joined.
#[must_use]
pub fn holds(clauses: &[&Clause]) -> String {
    let parts = clauses.iter().map(|clause| {
        say(&clause.body, !clause.unless).unwrap_or_else(|| {
            let text = cedar(&clause.body);
            if clause.unless { format!("not `{text}`") } else { format!("`{text}`") }
        })
    });
    parts.collect::<Vec<_>>().join(", and ")
}

/// An expression that is true or false.
#[must_use]
pub fn expression(body: &Value) -> String {
    say(body, true).unwrap_or_else(|| format!("`{}`", cedar(body)))
}

/// What a policy is about, in words: whom, what for.
#[must_use]
pub fn scope(policy: &Written) -> String {
    let word = match policy.effect {
        Effect::Permit => "permits",
        Effect::Forbid => "forbids",
    };
    let list = |entities: &[Entity]| entities.iter().map(entity).collect::<Vec<_>>().join(" or ");
    let who = match policy.principal.named() {
        [] => String::new(),
        named => format!(" {}", list(named)),
    };
    let what = match policy.action.named() {
        [] => "everything".to_owned(),
        named => list(named),
    };
    let place = match policy.resource.named() {
        [] => String::new(),
        named => format!(" on {}", list(named)),
    };
    format!("{word}{who} {what}{place}")
}

/// An entity as people call it.
#[must_use]
pub fn entity(entity: &Entity) -> String {
    match entity.kind.as_str() {
        "Gate::Team" => format!("the team `{}`", entity.id),
        "Gate::Agent" => format!("the agent `{}`", entity.id),
        "Gate::Server" => format!("the server `{}`", entity.id),
        "Gate::System" => format!("the system `{}`", entity.id),
        "Gate::Action" => group(&entity.id),
        _ => format!("`{}`", entity.id),
    }
}

fn group(id: &str) -> String {
    match id {
        "call" => "every tool".to_owned(),
        "read" | "write" | "destructive" | "egress" | "spend" | "execute" => format!("tools with the effect `{id}`"),
        "memory_read" | "memory_write" => format!("tools with the effect `{id}`"),
        "lifecycle" => "what every session needs".to_owned(),
        "feature" => "features beyond tools".to_owned(),
        other => format!("`{other}`"),
    }
}

/// Data with labels, in words: `untrusted and private data`.
#[must_use]
pub fn data(labels: &[String], joined: &str) -> String {
    match labels {
        [] => "data".to_owned(),
        _ => format!("{} data", labels.join(&format!(" {joined} "))),
    }
}

/// What an expression says, or, where `holds` is false, what its contrary says.
fn say(value: &Value, holds: bool) -> Option<String> {
    if let Some(literal) = value.get("Value").and_then(Value::as_bool) {
        return Some(if literal == holds { "always" } else { "never" }.to_owned());
    }
    if let Some(names) = chain(value) {
        return Some(match names.as_slice() {
            ["context", "args_opaque"] if holds => "an argument cannot be read by policies".to_owned(),
            ["context", "args_opaque"] => "policies can read every argument".to_owned(),
            ["context", "gate", "task", "explicit"] if holds => "a host opened the task".to_owned(),
            ["context", "gate", "task", "explicit"] => "no host opened the task".to_owned(),
            ["context", "gate", "task", "off_plan"] if holds => "the call is no step of the task's plan".to_owned(),
            ["context", "gate", "task", "off_plan"] => "the call is a step of the task's plan".to_owned(),
            _ if holds => format!("{} is true", name(&names)?),
            _ => format!("{} is false", name(&names)?),
        });
    }
    if let Some(names) = asked(value) {
        if names.as_slice() == ["context", "gate", "readers"] {
            return Some(
                if holds { "only some may read what was read" } else { "everyone may read what was read" }.to_owned(),
            );
        }
        return Some(format!("{} is {}given", name(&names)?, if holds { "" } else { "not " }));
    }
    let (operator, operands) = operation(value)?;
    let of = |part: &str| operands.get(part);
    match operator {
        "!" => say(of("arg")?, !holds),
        "&&" => joined(value, "&&", if holds { "and" } else { "or" }, holds),
        "||" => joined(value, "||", if holds { "or" } else { "and" }, holds),
        "like" => like(operands, holds),
        "contains" | "containsAll" | "containsAny" => contains(operator, of("left")?, of("right")?, holds),
        "isEmpty" => match chain(of("arg")?)?.as_slice() {
            ["context", "gate", "labels"] if holds => Some("nothing labelled was read in this task".to_owned()),
            ["context", "gate", "labels"] => Some("something labelled was read in this task".to_owned()),
            ["context", "gate", "unvouched"] if holds => Some("the user gave every place it goes to".to_owned()),
            ["context", "gate", "unvouched"] => Some("the user did not give every place it goes to".to_owned()),
            names => Some(format!("{} is {}empty", name(names)?, if holds { "" } else { "not " })),
        },
        "in" => within(of("left")?, of("right")?, holds),
        "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual" => {
            let both = operands.as_array()?;
            compare(operator, both.first()?, both.get(1)?, holds)
        }
        "==" | "!=" | "<" | "<=" | ">" | ">=" => compare(operator, of("left")?, of("right")?, holds),
        _ => None,
    }
}

/// The parts of nested `&&` or `||`, joined by a word; a part that has no words is shown as Cedar text.
fn joined(value: &Value, operator: &str, word: &str, holds: bool) -> Option<String> {
    fn flat<'v>(value: &'v Value, operator: &str, out: &mut Vec<&'v Value>) {
        match value.get(operator) {
            Some(both) => {
                [both.get("left"), both.get("right")].into_iter().flatten().for_each(|v| flat(v, operator, out));
            }
            None => out.push(value),
        }
    }
    let mut parts = Vec::new();
    flat(value, operator, &mut parts);
    let part = |value: &&Value| {
        let nested = ["&&", "||"].iter().any(|inner| value.get(inner).is_some());
        let words = say(value, holds).unwrap_or_else(|| {
            let text = cedar(value);
            if holds { format!("`{text}`") } else { format!("not `{text}`") }
        });
        if nested { format!("({words})") } else { words }
    };
    Some(parts.iter().map(part).collect::<Vec<_>>().join(&format!(" {word} ")))
}

fn like(operands: &Value, holds: bool) -> Option<String> {
    let subject = term(operands.get("left")?)?;
    let pattern = pattern_parts(operands.get("pattern")?.as_array()?);
    let does = |one: &str, other: &str| if holds { one.to_owned() } else { format!("does not {other}") };
    let words = match pattern.as_slice() {
        [None] => return Some(format!("{subject} is {}given", if holds { "" } else { "not " })),
        [Some(text)] => format!("{} {text:?}", if holds { "is" } else { "is not" }),
        [Some(text), None] => format!("{} with {text:?}", does("begins", "begin")),
        [None, Some(text)] => format!("{} with {text:?}", does("ends", "end")),
        [None, Some(text), None] => format!("{} {text:?}", does("contains", "contain")),
        several => {
            let all: String = several.iter().map(|part| part.as_deref().unwrap_or("*")).collect();
            format!("{} {all:?}", does("fits", "fit"))
        }
    };
    Some(format!("{subject} {words}"))
}

fn contains(operator: &str, left: &Value, right: &Value, holds: bool) -> Option<String> {
    let joiner = if operator == "containsAny" { "or" } else { "and" };
    if let Some(names) = chain(left) {
        let labels = names_of(right);
        return match names.as_slice() {
            ["context", "gate", "labels"] => {
                let negated = if holds { "" } else { "no " };
                let was = if labels.len() > 1 && joiner == "and" && holds { "were both" } else { "was" };
                let was = if labels.len() > 2 { "were all" } else { was };
                if !holds && labels.len() > 1 && joiner == "and" {
                    return Some(format!("not all of {} was read in this task", data(&labels, "and")));
                }
                Some(format!("{negated}{} {was} read in this task", data(&labels, joiner)))
            }
            ["context", "gate", "unvouched"] => {
                let may = if holds { "may" } else { "cannot" };
                Some(format!("where it goes {may} have come from {}", data(&labels, joiner)))
            }
            ["context", "gate", "origin", argument @ ..] => {
                let came = if holds { "came from" } else { "did not come from" };
                Some(format!("`{}` {came} {}", argument.join("."), data(&labels, joiner)))
            }
            _ => {
                let word = if holds { "contains" } else { "does not contain" };
                Some(format!("{} {word} {}", name(&names)?, terms(right, joiner)?))
            }
        };
    }
    // That the user did not give it is all there is: else it was found in nothing that has labels.
    if operator == "containsAll" && chain(right).as_deref() == Some(&["context", "gate", "unvouched"]) {
        let nothing = if holds { "no labelled data says" } else { "labelled data may say" };
        if names_of(left) == [UNGIVEN] {
            return Some(format!("{nothing} where it goes"));
        }
    }
    // A list of literals that contains a value: the value is one of them.
    let word = if holds { "is one of" } else { "is none of" };
    Some(format!("{} {word} {}", term(right)?, terms(left, "or")?))
}

fn within(left: &Value, right: &Value, holds: bool) -> Option<String> {
    let subject = term(left)?;
    let above: Vec<String> = super::expression::entities(right).iter().map(entity).collect();
    if above.is_empty() {
        return None;
    }
    Some(format!("{subject} is {}of {}", if holds { "" } else { "not " }, above.join(" or ")))
}

fn compare(operator: &str, left: &Value, right: &Value, holds: bool) -> Option<String> {
    let (yes, no) = match operator {
        "==" => ("is", "is not"),
        "!=" => ("is not", "is"),
        "<" | "lessThan" => ("is less than", "is at least"),
        "<=" | "lessThanOrEqual" => ("is at most", "is more than"),
        ">" | "greaterThan" => ("is more than", "is at most"),
        ">=" | "greaterThanOrEqual" => ("is at least", "is less than"),
        _ => return None,
    };
    Some(format!("{} {} {}", term(left)?, if holds { yes } else { no }, term(right)?))
}

/// A value: a name or a literal.
fn term(value: &Value) -> Option<String> {
    if let Some(names) = chain(value) {
        return name(&names);
    }
    if let Some(number) = decimal(value) {
        return Some(number);
    }
    if let Some(moment) = call_of_text(value, "datetime") {
        return Some(moment.to_owned());
    }
    let literal = value.get("Value")?;
    match literal {
        Value::String(text) => Some(format!("{text:?}")),
        Value::Bool(_) | Value::Number(_) => Some(literal.to_string()),
        Value::Object(_) => Entity::read(literal).map(|one| entity(&one)),
        Value::Null | Value::Array(_) => None,
    }
}

/// A list of literals, or one.
fn terms(value: &Value, joiner: &str) -> Option<String> {
    match value.get("Set").and_then(Value::as_array) {
        Some(items) => {
            let all: Option<Vec<String>> = items.iter().map(term).collect();
            Some(all?.join(&format!(" {joiner} ")))
        }
        None => term(value),
    }
}

/// The ids of the labels that are named.
fn names_of(value: &Value) -> Vec<String> {
    let mut ids: Vec<String> = super::expression::entities(value).into_iter().map(|e| e.id).collect();
    // As people say it: where it came from before what it is.
    ids.sort_by_key(|id| (id != "untrusted", id.clone()));
    ids
}

/// A chain of names as people call what it leads to.
fn name(names: &[&str]) -> Option<String> {
    Some(match names {
        ["context", "args" | "args_canonical"] => "the arguments".to_owned(),
        ["context", "args" | "args_canonical", rest @ ..] => format!("`{}`", rest.join(".")),
        ["context", "args_host", rest @ ..] => format!("the host of `{}`", rest.join(".")),
        ["context", "args_opaque_names"] => "the list of arguments that policies cannot read".to_owned(),
        ["context", "gate", "labels"] => "the labels of the task".to_owned(),
        ["context", "gate", "calls"] => "the number of calls in this task".to_owned(),
        ["context", "gate", "now"] => "the time".to_owned(),
        ["context", "gate", "task", "id"] => "the task".to_owned(),
        ["context", "gate", "tenant"] | ["principal", "tenant"] => "the tenant".to_owned(),
        ["context", "gate", rest @ ..] => format!("`{}`", rest.join(".")),
        ["context", "method"] => "the method".to_owned(),
        ["context", "target" | "target_canonical"] => "what it acts on".to_owned(),
        ["context", "target_host"] => "the host it leads to".to_owned(),
        ["principal"] => "the agent".to_owned(),
        ["principal", "user"] => "the user".to_owned(),
        ["resource"] => "the server".to_owned(),
        ["action"] => "what is asked".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use cedar_policy::Policy;

    use super::*;

    fn check(condition: &str, want: &str) {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let json = Policy::parse(None, &text).unwrap().to_json().unwrap();
        let body = &json["conditions"][0]["body"];
        assert_eq!(expression(body), want, "{condition}");
    }

    #[test]
    fn common_conditions_have_words() {
        check("context.args.to == \"a@x\"", "`to` is \"a@x\"");
        check("context.args.to like \"*@office.example\"", "`to` ends with \"@office.example\"");
        check("!(context.args_canonical.path like \"/notes/*\")", "`path` does not begin with \"/notes/\"");
        check("context.args.a like \"*b*\" || context.args.n < 3", "`a` contains \"b\" or `n` is less than 3");
        check("context.args.amount.lessThanOrEqual(decimal(\"1000.0\"))", "`amount` is at most 1000");
        check("[\"a\", \"b\"].contains(context.args.mode)", "`mode` is one of \"a\" or \"b\"");
        check("context.args has bcc", "`bcc` is given");
        check("principal in Gate::Team::\"sales\"", "the agent is of the team `sales`");
        check("context.args.deep.er && !context.args_opaque", "`deep.er` is true and policies can read every argument");
    }

    #[test]
    fn labels_are_told_as_what_was_read() {
        let labels = |operator: &str, set: &str| format!("context.gate.labels.{operator}({set})");
        let (private, both) = ("Gate::Label::\"private\"", "[Gate::Label::\"private\", Gate::Label::\"untrusted\"]");
        check(&labels("contains", private), "private data was read in this task");
        check(&format!("!{}", labels("contains", private)), "no private data was read in this task");
        check(&labels("containsAll", both), "untrusted and private data were both read in this task");
        check(&labels("containsAny", both), "untrusted or private data was read in this task");
    }

    #[test]
    fn what_has_no_words_is_cedar() {
        check("context.args.n + 1 == 2", "`(context.args.n + 1) == 2`");
        check(
            "context.args.a.b.contains(1) && ip(\"::1\").isLoopback()",
            "`a.b` contains 1 and `ip(\"::1\").isLoopback()`",
        );
    }
}
