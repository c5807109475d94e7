//! A case told line by line: who, what, with which arguments, under what circumstances. What others wrote is escaped.

use pdp::decision::Decision;
use pdp::label::LabelSet;
use pdp::origin::USER;
use pdp::principal::Principal;

use super::case::{Asked, Case};
use super::law::words;
use super::samples;
use crate::clock::rfc3339;
use crate::story::visible;

/// A case as lines, each with its heading.
#[must_use]
pub fn lines(case: &Case) -> Vec<(&'static str, String)> {
    let mut out = vec![("who", who(&case.principal))];
    let server = visible::text(&case.server);
    match &case.asked {
        Asked::Tool { name, arguments } => {
            out.push(("calls", format!("`{}` of `{server}`", visible::text(name))));
            out.push(("with", visible::json_text(arguments)));
        }
        Asked::Method { name, target } => {
            out.push(("asks", format!("`{}` of `{server}`", visible::text(name))));
            if !target.is_empty() {
                out.push(("for", visible::text(target)));
            }
        }
    }
    out.push(("after", after(&case.facts.labels)));
    for (argument, labels) in &case.facts.origin {
        out.push(("origin", format!("`{}`: {}", visible::text(argument), origin(labels))));
    }
    if !case.facts.unvouched.is_empty() {
        let names: Vec<String> = case.facts.unvouched.iter().map(|label| visible::text(label.as_str())).collect();
        out.push(("goes to", format!("a place the user did not give: {}", names.join(", "))));
    }
    out.push(("holding", grants(case.facts.grants.iter())));
    if case.facts.now_ms != samples::NOW_MS {
        out.push(("at", rfc3339(case.facts.now_ms.saturating_mul(1000))));
    }
    if case.facts.calls > 1 {
        out.push(("calls so far", case.facts.calls.to_string()));
    }
    out
}

/// Somebody, in words.
#[must_use]
pub fn who(principal: &Principal) -> String {
    let mut out = format!("agent `{}`", visible::text(&principal.agent));
    let teams: Vec<String> = principal.teams.iter().map(|team| format!("`{}`", visible::text(team))).collect();
    match teams.as_slice() {
        [] => out.push_str(", of no team"),
        [one] => out.push_str(&format!(", of the team {one}")),
        several => out.push_str(&format!(", of the teams {}", several.join(", "))),
    }
    if !principal.user.is_empty() {
        out.push_str(&format!(", for the user `{}`", visible::text(&principal.user)));
    }
    if principal.tenant != "default" {
        out.push_str(&format!(", of the tenant `{}`", visible::text(&principal.tenant)));
    }
    out
}

/// What was read before, in words.
#[must_use]
pub fn after(labels: &LabelSet) -> String {
    let mut names: Vec<String> = labels.iter().map(|label| visible::text(label.as_str())).collect();
    // As people say it: where it came from before what it is.
    names.sort_by_key(|name| (name != "untrusted", name.clone()));
    match names.as_slice() {
        [] => "nothing labelled was read in its task".to_owned(),
        [_] => format!("{} was read in its task", words::data(&names, "and")),
        _ => format!("{} were read in its task", words::data(&names, "and")),
    }
}

/// Where a value was found, in words.
#[must_use]
pub fn origin(labels: &LabelSet) -> String {
    let read: Vec<String> =
        labels.iter().map(|label| label.as_str()).filter(|name| *name != USER).map(visible::text).collect();
    match (labels.contains(USER), read.as_slice()) {
        (true, []) => "given by the user".to_owned(),
        (true, read) => format!("given by the user, and found in what is {}", read.join(", ")),
        (false, []) => "found nowhere".to_owned(),
        (false, read) => format!("found in what is {}", read.join(", ")),
    }
}

/// Grants, in words.
#[must_use]
pub fn grants<'g>(grants: impl Iterator<Item = &'g String>) -> String {
    let names: Vec<String> = grants.map(|grant| format!("`{}`", visible::text(grant))).collect();
    match names.as_slice() {
        [] => "no grant".to_owned(),
        [one] => format!("the grant {one}"),
        several => format!("the grants {}", several.join(" and ")),
    }
}

/// A decision in one or two words, with whom to ask.
#[must_use]
pub fn decision(decision: &Decision) -> String {
    match decision {
        Decision::Allow(_) => "allow".to_owned(),
        Decision::Escalate(grants) => format!("ask {}", grants.iter().cloned().collect::<Vec<_>>().join("+")),
        Decision::Deny(_) => "deny".to_owned(),
    }
}

/// Lines with their headings in one column.
#[must_use]
pub fn aligned(lines: &[(&str, String)], indent: usize) -> String {
    let width = lines.iter().map(|(heading, _)| heading.len()).max().unwrap_or(0);
    let line = |(heading, words): &(&str, String)| format!("{:indent$}{heading:<width$}  {words}\n", "");
    lines.iter().map(line).collect()
}
