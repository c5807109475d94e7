//! The beginning of a policy, from what the clients allowed, denied and asked about. It permits what they used, once it
//! is reviewed; the rules beside it go on holding, and forbid what they forbid.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::lists::Lists;

/// What a file of rules begins with.
pub(super) const HEAD: &str = "\
// What agents may do with the servers that `wicketgate import` took over, as their clients' own lists had it. It is a
// start, and yours to change. Only reviewed tools can be called, and the rules beside this file hold as well.
";

/// The server a rule is about.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    /// Which clients named it, in words.
    pub(super) from: &'a str,
    pub(super) lists: &'a Lists,
    /// Every client has it switched off.
    pub(super) disabled: bool,
}

/// Whether a file already has rules for a server.
pub(super) fn has_rules(text: &str, server: &str) -> bool {
    text.lines().any(|line| line.trim() == marker(server))
}

/// The line by which the rules of a server are known.
fn marker(server: &str) -> String {
    format!("// {server}")
}

/// The rules for one server.
pub(super) fn rules(subject: &Subject<'_>) -> String {
    let Subject { name, from, lists, disabled } = subject;
    let mut out = format!("\n{}\n// Imported from {from}.\n", marker(name));
    let namespace = pdp::registry::namespace(name);
    let actions = |tools: &BTreeSet<String>| {
        let all: Vec<String> = tools.iter().map(|tool| format!("{namespace}::Action::{tool:?}")).collect();
        match all.as_slice() {
            [one] => format!("action == {one}"),
            _ => format!("action in [{}]", all.join(", ")),
        }
    };
    let resource = format!("resource == Gate::Server::{name:?}");
    let mut rule = |head: &str, action: &str, tail: &str| {
        let (verb, head) = head.split_once('|').unwrap_or(("permit", head));
        let _infallible = writeln!(out, "{head}\n{verb} (principal, {action}, {resource}){tail};");
    };
    let call = "action in Gate::Action::\"call\"".to_owned();
    let permitted = match &lists.only {
        _ if lists.never_any => None,
        Some(only) if only.is_empty() => None,
        Some(only) => Some(actions(only)),
        None => Some(call.clone()),
    };
    let permitted = permitted.filter(|_| !disabled);
    let permitted_one = permitted.is_some();
    if let Some(action) = permitted {
        rule(&format!("permit|@id(\"imported-{name}\")"), &action, "");
    }
    if !lists.never.is_empty() {
        let reason = "the client's own configuration had this tool switched off";
        let head = format!("forbid|@id(\"imported-{name}-never\")\n@reason(\"{reason}\")");
        rule(&head, &actions(&lists.never), "");
    }
    let asks = |part: &str| {
        let reason = "the client's own configuration had its user asked before this tool was called";
        format!("forbid|@id(\"imported-{name}-asks{part}\")\n@reason(\"{reason}\")\n@approval(\"owner\")")
    };
    if lists.asks_always {
        let free =
            if lists.free.is_empty() { String::new() } else { format!("\nunless {{ {} }}", free(&namespace, lists)) };
        rule(&asks(""), &call, &free);
    } else {
        if lists.asks_writes {
            rule(&asks("-writes"), "action in Gate::Action::\"write\"", "");
        }
        if !lists.asks.is_empty() {
            rule(&asks(""), &actions(&lists.asks), "");
        }
    }
    if !permitted_one {
        let why = if *disabled { "The client had it switched off" } else { "The client used none of its tools" };
        let _infallible = writeln!(out, "// {why}: nothing is permitted here.");
    }
    out
}

fn free(namespace: &str, lists: &Lists) -> String {
    let all: Vec<String> = lists.free.iter().map(|tool| format!("action == {namespace}::Action::{tool:?}")).collect();
    all.join(" || ")
}
