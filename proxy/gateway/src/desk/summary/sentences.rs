//! The table in sentences, one per tool that is neither always nor never allowed.

use std::collections::{BTreeMap, BTreeSet};

use pdp::decision::Decision;
use pdp::method::{Feature, METHODS};
use pdp::policy::Facts;
use pdp::principal::Principal;
use pdp::snapshot::Snapshot;

use super::{Cell, NOT_TRIED, Row, is_implied};
use crate::desk::case::{Asked, Case};
use crate::desk::law::words;
use crate::desk::samples;
use crate::story::visible;

/// What somebody may do, in sentences.
pub(super) fn of(
    snapshot: &Snapshot,
    principal: &Principal,
    sets: &[BTreeSet<String>],
    rows: &[Row],
    notes: &[String],
) -> Vec<String> {
    let all = |row: &Row, answer: &str| row.cells.iter().all(|cell| cell.answer == answer && cell.note.is_none());
    let named = |row: &Row| format!("`{}` of `{}`", visible::text(&row.tool), visible::text(&row.server));
    let listed = |answer: &str| rows.iter().filter(|row| all(row, answer)).map(named).collect::<Vec<_>>();
    let mut out = Vec::new();
    let always = listed("allow");
    if !always.is_empty() {
        out.push(format!("Whatever was read before, they may use {}.", list(&always)));
    }
    let untried = |row: &&Row| row.cells.iter().any(|cell| cell.answer == NOT_TRIED);
    for row in rows.iter().filter(|row| !all(row, "allow") && !all(row, "deny") && !untried(row)) {
        let mut parts = Vec::new();
        for (n, (set, cell)) in sets.iter().zip(&row.cells).enumerate() {
            if set.is_empty() {
                parts.push(said(cell, None, notes));
            } else if !is_implied(sets, &row.cells, n) {
                parts.push(format!("once {} read, {}", read(set), said(cell, row.cells.first(), notes)));
            }
        }
        out.push(format!("{} {}.", named(row), parts.join("; ")));
    }
    let never = listed("deny");
    if !never.is_empty() {
        out.push(format!("They may never use {}.", list(&never)));
    }
    let untried: Vec<String> = rows.iter().filter(untried).map(named).collect();
    if !untried.is_empty() {
        out.push(format!("Not tried, so not known here: {}.", list(&untried)));
    }
    out.extend(beyond_tools(snapshot, principal));
    out
}

/// How many names a sentence lists; the table has all of them.
const LISTED: usize = 12;

fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn read(set: &BTreeSet<String>) -> String {
    let mut names: Vec<String> = set.iter().map(|label| visible::text(label)).collect();
    names.sort_by_key(|name| (name != "untrusted", name.clone()));
    let was = if names.len() > 1 { "were" } else { "was" };
    format!("{} {was}", words::data(&names, "and"))
}

/// One cell in words; of a later one only what the first, without labels, does not say.
fn said(cell: &Cell, first: Option<&Cell>, notes: &[String]) -> String {
    let known = first.is_some_and(|first| first.note == cell.note);
    let note = cell.note.filter(|_| !known).and_then(|n| notes.get(n.checked_sub(1)?));
    let it = if first.is_some() { "it " } else { "" };
    match (asked(cell), note) {
        (Some(whom), Some(note)) => format!("{it}needs a person of {whom}, and {note}"),
        (Some(whom), None) => format!("{it}needs a person of {whom}"),
        (None, _) if cell.answer == "deny" => format!("{it}may not be used"),
        (None, Some(note)) => format!("{it}may be used {note}"),
        (None, None) => format!("{it}may be used"),
    }
}

/// Whose approval a cell asks for.
fn asked(cell: &Cell) -> Option<String> {
    let grants = cell.answer.strip_prefix("ask ")?;
    let each: Vec<String> = grants.split('+').map(|grant| format!("`{}`", visible::text(grant))).collect();
    Some(each.join(" and one of "))
}

/// What of the protocol beside tools is open and permitted, by server.
fn beyond_tools(snapshot: &Snapshot, principal: &Principal) -> Vec<String> {
    let mut out = Vec::new();
    for server in snapshot.registry().servers.values() {
        let mut features: BTreeMap<Feature, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
        for method in METHODS.iter().filter(|method| server.opens(method.name, Some(method))) {
            let asked = Asked::Method { name: method.name.to_owned(), target: String::new() };
            let case = Case {
                principal: principal.clone(),
                server: server.name.clone(),
                asked,
                facts: Facts { now_ms: samples::NOW_MS, calls: 1, ..Facts::default() },
            };
            let allowed = case.judge(snapshot).is_ok_and(|j| matches!(j.decision, Decision::Allow(_)));
            let (may, may_not) = features.entry(method.feature).or_default();
            if allowed { may.push(method.name) } else { may_not.push(method.name) }
        }
        let name = visible::text(&server.name);
        let whole = features.iter().filter(|(feature, (_, no))| no.is_empty() && **feature != Feature::Lifecycle);
        let open: Vec<&str> = whole.map(|(feature, _)| feature.name()).collect();
        if !open.is_empty() {
            out.push(format!("Beyond tools, `{name}` gives them {}.", open.join(", ")));
        }
        for (feature, (_, no)) in features.iter().filter(|(_, (_, no))| !no.is_empty()) {
            let what = if *feature == Feature::Lifecycle { "what every session needs" } else { feature.name() };
            out.push(format!("Of {what} on `{name}` they may not ask {}.", no.join(", ")));
        }
    }
    out
}
