//! Warnings about a single policy: it never speaks, it can err, it matches what can be written in two ways, it adds nothing.

use std::collections::BTreeSet;

use pdp::fault::Fault;
use pdp::policy::Written;
use serde_json::Value;

use super::contradiction::{contradiction, facts};
use super::expression::{chain, chains, literal, number, operation, pattern, sides, text, walk};
use super::{Lint, Look, Warning};

/// What to do about a rule that never speaks.
const MEND: &str = "mend the condition, or take the rule out";

/// Adds text that hides or passes for other text, as the validator saw it.
pub(super) fn odd(look: &Look<'_>, out: &mut Vec<Warning>) {
    let odd = ["contains mixed scripts", "contains BIDI control characters", "General Security Profile"];
    for warning in look.snapshot.policies().warnings() {
        if odd.iter().any(|words| warning.message.contains(words)) {
            let remedy = "type it again; what looks alike must be alike".to_owned();
            out.push(Warning { lint: Lint::OddCharacters, found: Fault { remedy, ..warning.clone() } });
        }
    }
}

/// The policy a warning of the validator's names: "for policy `x`, ...".
fn named<'l>(look: &Look<'l>, warning: &Fault) -> Option<&'l Written> {
    let id = warning.message.split('`').nth(1)?;
    look.named.get(id).copied()
}

/// Adds what never speaks; answers the names of the dead.
pub(super) fn dead(look: &Look<'_>, out: &mut Vec<Warning>) -> BTreeSet<String> {
    let mut dead = BTreeSet::new();
    let warnings = look.snapshot.policies().warnings();
    let kind = |words: &'static str| warnings.iter().filter(move |warning| warning.message.contains(words));
    let (without, impossible) = (kind("unable to find an applicable action"), kind("is impossible"));
    for warning in without {
        let Some(policy) = named(look, warning) else { continue };
        let (message, remedy) = without_action(look, policy, &warning.remedy);
        out.push(Warning { lint: Lint::DeadRule, found: look.in_policy(policy, &[], message, remedy) });
        dead.insert(policy.id.clone());
    }
    for warning in impossible {
        // Without an action a policy is impossible too, and that is told already.
        let Some(policy) = named(look, warning).filter(|policy| !dead.contains(&policy.id)) else { continue };
        let message =
            format!("`{}` never speaks: its conditions are false for every call that the schema allows", policy.id);
        out.push(Warning { lint: Lint::DeadRule, found: look.in_policy(policy, &[], message, MEND) });
        dead.insert(policy.id.clone());
    }
    for policy in look.policies.iter().filter(|policy| !dead.contains(&policy.id)).collect::<Vec<_>>() {
        if let Some(why) = contradiction(&facts(&policy.says)) {
            let message = format!("`{}` never speaks: {why}", policy.id);
            out.push(Warning { lint: Lint::DeadRule, found: look.in_policy(policy, &[], message, MEND) });
            dead.insert(policy.id.clone());
        }
    }
    dead
}

/// Why no action fits a policy, and what to do.
fn without_action(look: &Look<'_>, policy: &Written, help: &str) -> (String, String) {
    let id = &policy.id;
    if look.actions(policy).is_none() {
        let message = format!("`{id}` never speaks: no reviewed tool and no method is in its action scope");
        return (message, "review a tool with that effect, mend the scope, or take the rule out".to_owned());
    }
    let message = format!("`{id}` never speaks: no call has such a principal and such a resource");
    let remedy = if help.is_empty() {
        "the principal is a `Gate::Agent` in `Gate::Team`s, the resource a `Gate::Server` in a `Gate::System`"
            .to_owned()
    } else {
        help.to_owned()
    };
    (message, remedy)
}

/// Adds what can err, and what matches raw text.
pub(super) fn careless(look: &Look<'_>, out: &mut Vec<Warning>) {
    for policy in look.policies {
        let conditions = policy.says.get("conditions").unwrap_or(&Value::Null);
        let forbids = policy.says.get("effect").is_some_and(|effect| effect == "forbid");
        let mut seen = BTreeSet::new();
        walk(conditions, &mut |expression| {
            let Some((operator, operands)) = operation(expression) else { return };
            let found = match operator {
                "+" | "-" | "*" | "neg" => match range(look, policy, expression) {
                    Some(_) => None,
                    None => overflow(operands).map(|names| (Lint::CanErr, names)),
                },
                "like" => likened(operands).map(|names| (Lint::RawPath, names)),
                "==" | "!=" if forbids => compared(operands).map(|names| (Lint::RawPath, names)),
                "contains" if forbids => listed(operands).map(|names| (Lint::RawPath, names)),
                _ => None,
            };
            if let Some((lint, names)) = found
                && seen.insert((lint, names.clone()))
            {
                out.push(told(look, policy, lint, &names));
            }
        });
    }
}

fn told(look: &Look<'_>, policy: &Written, lint: Lint, names: &[&str]) -> Warning {
    let (id, place) = (&policy.id, text(names));
    let (message, remedy) = if lint == Lint::CanErr {
        let message = format!(
            "`{id}` can err: a sum with `{place}` can leave the range of whole numbers, and then the call is denied"
        );
        (message, format!("bring the numbers to the other side: `{place} > 99` and not `{place} + 1 > 100`"))
    } else {
        let canonical = match names.split_first() {
            Some((&"args", rest)) => text(&[&["args_canonical"], rest].concat()),
            Some(_) | None => text(&["target_canonical"]),
        };
        let message = format!("`{id}` looks at `{place}` as it was written: `/data/../etc` is like `/data/*` too");
        (message, format!("look at `{canonical}`, where it leads"))
    };
    Warning { lint, found: look.in_policy(policy, &[place], message, remedy) }
}

/// Between what a sum, a difference or a product lies whatever the call: nothing where that is not known, or where it can
/// leave the range of whole numbers.
fn range(look: &Look<'_>, policy: &Written, expression: &Value) -> Option<(i128, i128)> {
    if let Some(number) = number(expression) {
        return Some((number.into(), number.into()));
    }
    if let Some(names) = chain(expression) {
        return bounds(look, policy, &names);
    }
    let (operator, operands) = operation(expression)?;
    let of = |name: &str| operands.get(name).and_then(|operand| range(look, policy, operand));
    let (least, most) = match operator {
        "neg" => of("arg").map(|(low, high)| (-high, -low))?,
        "+" | "-" | "*" => {
            let ((a, b), (c, d)) = (of("left")?, of("right")?);
            match operator {
                "+" => (a + c, b + d),
                "-" => (a - d, b - c),
                _ => {
                    let products = [a * c, a * d, b * c, b * d];
                    (products.into_iter().min()?, products.into_iter().max()?)
                }
            }
        }
        _ => return None,
    };
    (least >= i64::MIN.into() && most <= i64::MAX.into()).then_some((least, most))
}

/// The bounds that the reviewed schemas of all tools a policy speaks of set to a whole number.
fn bounds(look: &Look<'_>, policy: &Written, names: &[&str]) -> Option<(i128, i128)> {
    let &["args", name] = names else { return None };
    let mut out: Option<(i128, i128)> = None;
    for action in look.actions(policy)? {
        let (server, tool) = look.reach.get(*action)?.tool?;
        let definition = &look.registry.servers.get(server)?.tools.get(tool)?.definition;
        let definition: Value = serde_json::from_str(definition).ok()?;
        let schema = definition.pointer("/inputSchema/properties")?.get(name)?;
        // Beside a reference, drafts before 2019-09 ignore every other keyword.
        if schema.get("$ref").is_some() {
            return None;
        }
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_i64).map(i128::from);
        let (low, high) =
            (bound("minimum").or(bound("exclusiveMinimum"))?, bound("maximum").or(bound("exclusiveMaximum"))?);
        out = Some(out.map_or((low, high), |(least, most)| (least.min(low), most.max(high))));
    }
    out
}

/// The argument that a sum, a difference or a product is made of.
fn overflow(operands: &Value) -> Option<Vec<&str>> {
    chains(operands).into_iter().find(|names| names.first() == Some(&"args") && names.len() > 1)
}

/// A path, a URL or a host that a pattern is held against as it was written.
fn likened(operands: &Value) -> Option<Vec<&str>> {
    let names = raw(operands.get("left")?)?;
    let slash = pattern(operands).iter().flatten().any(|literal| literal.contains('/'));
    (slash || names.last().is_some_and(|name| leads_somewhere(name))).then_some(names)
}

/// One that a text is compared with. Only in a forbid: there, another spelling gets past.
fn compared(operands: &Value) -> Option<Vec<&str>> {
    let (left, right) = sides(operands)?;
    [(left, right), (right, left)].into_iter().find_map(|(value, other)| {
        let names = raw(value)?;
        literal(other).is_some_and(|text| text.contains('/')).then_some(names)
    })
}

/// One that is looked for in a list.
fn listed(operands: &Value) -> Option<Vec<&str>> {
    let (list, value) = sides(operands)?;
    let names = raw(value)?;
    let items = list.get("Set")?.as_array()?;
    items.iter().filter_map(literal).any(|text| text.contains('/')).then_some(names)
}

/// A chain to what the caller wrote.
fn raw(value: &Value) -> Option<Vec<&str>> {
    let names = chain(value)?;
    (names == ["target"] || (names.first() == Some(&"args") && names.len() > 1)).then_some(names)
}

/// Whether an argument's name says that its value leads somewhere.
fn leads_somewhere(name: &str) -> bool {
    let spaced: String =
        name.chars().flat_map(|c| if c.is_uppercase() { vec![' ', c.to_ascii_lowercase()] } else { vec![c] }).collect();
    let known = ["path", "paths", "file", "filename", "dir", "directory", "folder", "url", "uri", "href"];
    spaced.split(|c: char| !c.is_alphanumeric()).any(|word| known.contains(&word))
}

/// Adds permits that a broader one makes redundant: the same duty, a scope that contains theirs, no condition of its own
/// that they do not have. Of two that say the same, the later.
pub(super) fn redundant(look: &Look<'_>, dead: &BTreeSet<String>, out: &mut Vec<Warning>) {
    let is_live_permit = |policy: &&Written| {
        policy.says.get("effect").is_some_and(|effect| effect == "permit") && !dead.contains(&policy.id)
    };
    for (n, narrow) in look.policies.iter().enumerate().filter(|(_, policy)| is_live_permit(policy)) {
        let Some(first) = look.actions(narrow).and_then(|actions| actions.first()) else { continue };
        let others = look.speaking(*first).filter(|broad| broad.id != narrow.id).filter(is_live_permit);
        let earlier = |broad: &Written| look.policies.iter().take(n).any(|policy| policy.id == broad.id);
        let wider = others
            .filter(|broad| covers(look, broad, narrow))
            .find(|broad| earlier(broad) || !covers(look, narrow, broad));
        if let Some(broad) = wider {
            let message =
                format!("`{}` permits nothing that `{}` ({}:{}) does not", narrow.id, broad.id, broad.file, broad.line);
            let remedy = "take it out, or narrow the broader one if that permits too much";
            out.push(Warning { lint: Lint::RedundantPermit, found: look.in_policy(narrow, &[], message, remedy) });
        }
    }
}

fn covers(look: &Look<'_>, broad: &Written, narrow: &Written) -> bool {
    let duty = |policy: &'_ Written| policy.says.pointer("/annotations/obligation").cloned();
    let open = |scope: Option<&Value>, kind: &str| {
        let member = |name: &str| scope.and_then(|scope| scope.get(name));
        let is_kind = member("entity_type").is_some_and(|of| of == kind) && member("in").is_none();
        member("op").is_some_and(|op| op == "All" || (op == "is" && is_kind))
    };
    let fits = |of: &str, kind: &str| open(broad.says.get(of), kind) || broad.says.get(of) == narrow.says.get(of);
    let actions =
        || look.actions(narrow).zip(look.actions(broad)).is_some_and(|(narrow, broad)| narrow.is_subset(broad));
    let conditions = || {
        let given = facts(&narrow.says);
        facts(&broad.says).iter().all(|fact| given.contains(fact))
    };
    (duty(narrow).is_none() || duty(narrow) == duty(broad))
        && fits("principal", "Gate::Agent")
        && fits("resource", "Gate::Server")
        && actions()
        && conditions()
}
