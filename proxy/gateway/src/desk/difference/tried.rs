//! The way without a solver: calls made up from what both bundles name, judged by both.

use std::collections::{BTreeMap, BTreeSet};

use pdp::method::METHODS;
use pdp::policy::{Facts, TaskFacts};
use pdp::principal::Principal;

use super::{Changed, Side, Way, changed, judged};
use crate::desk::case::{Asked, Case};
use crate::desk::compare::{Turn, turn};
use crate::desk::prove::other_method;
use crate::desk::{samples, vouched};
use crate::story::visible;

/// How many calls are tried for one action at most.
const TRIED_MAX: usize = 4_000;

/// Tries every action of both bundles but those to be skipped. Answers also which could not be tried.
pub(super) fn tried(
    before: Side<'_>,
    after: Side<'_>,
    known: &[Principal],
    skip: &BTreeSet<String>,
) -> (Vec<Changed>, Way, Vec<String>) {
    let laws = [before.law, after.law];
    let principals = samples::principals(known, &laws);
    let both = |of: fn(&crate::desk::law::Law) -> BTreeSet<String>| -> BTreeSet<String> {
        laws.iter().flat_map(|law| of(law)).collect()
    };
    let labels = samples::subsets(&both(crate::desk::law::Law::labels));
    let grants = samples::subsets(&both(crate::desk::law::Law::grants));
    let (mut out, mut open, mut actions, mut cut, mut calls) = (Vec::new(), Vec::new(), 0, 0, 0);
    for ((server, name), asked) in asked(before, after) {
        if skip.contains(&format!("{server} {name}")) {
            continue;
        }
        if asked.is_empty() {
            let (server, name) = (visible::text(&server), visible::text(&name));
            open.push(format!("{server} {name}: no arguments could be made up, so no call of it was tried"));
            continue;
        }
        actions += 1;
        let mut found: BTreeMap<Turn, Case> = BTreeMap::new();
        let mut left = TRIED_MAX;
        // What is tried first is the plainest; so an example is the plainest that was found.
        'calls: for labels in &labels {
            for grants in &grants {
                for asked in &asked {
                    for principal in &principals {
                        let Some(less) = left.checked_sub(1) else {
                            cut += 1;
                            break 'calls;
                        };
                        left = less;
                        calls += 1;
                        let case = case(principal, &server, asked, labels, grants);
                        for case in ways(before, after, &case) {
                            let (old, new) = (judged(before, &case).0, judged(after, &case).0);
                            if let Some(turn) = turn(&old, &new) {
                                found.entry(turn).or_insert(case);
                            }
                        }
                    }
                }
            }
        }
        out.extend(found.into_values().filter_map(|case| changed(before, after, &case)));
    }
    let mut note = format!(
        "{calls} calls were made up from what policies and schemas name and judged by both; a difference that needs an \
         argument value, a principal, a time or a count of calls that neither names is not seen"
    );
    if cut > 0 {
        note.push_str(&format!("; of {cut} actions only the first {TRIED_MAX} calls were tried"));
    }
    (out, Way { way: "tried", actions, note }, open)
}

/// The ways in which the values of a call may have come about, as far as the policies of either bundle look at that.
fn ways(before: Side<'_>, after: Side<'_>, case: &Case) -> Vec<Case> {
    let mut ways = vouched::ways(case, after.snapshot);
    let more: Vec<Case> = vouched::ways(case, before.snapshot).into_iter().filter(|way| !ways.contains(way)).collect();
    ways.extend(more);
    ways
}

fn case(
    principal: &Principal,
    server: &str,
    asked: &Asked,
    labels: &BTreeSet<String>,
    grants: &BTreeSet<String>,
) -> Case {
    let facts = Facts {
        labels: labels.iter().map(String::as_str).collect(),
        grants: grants.clone(),
        task: TaskFacts::of("task"),
        calls: 1,
        now_ms: samples::NOW_MS,
        ..Facts::default()
    };
    Case { principal: principal.clone(), server: server.to_owned(), asked: asked.clone(), facts }
}

/// What can be asked of either bundle's servers, by server and name.
fn asked(before: Side<'_>, after: Side<'_>) -> BTreeMap<(String, String), Vec<Asked>> {
    let targets = samples::targets(&[before.law, after.law]);
    let mut out: BTreeMap<(String, String), Vec<Asked>> = BTreeMap::new();
    for side in [after, before] {
        for server in side.snapshot.registry().servers.values() {
            for tool in server.tools.values().filter(|tool| tool.withheld.is_none()) {
                let compared = samples::compared(&[before.law, after.law], server, tool);
                let sets = samples::arguments(tool, &compared).into_iter();
                let asked = sets.map(|arguments| Asked::Tool { name: tool.name.clone(), arguments });
                let known = out.entry((server.name.clone(), tool.name.clone())).or_default();
                let more: Vec<Asked> = asked.filter(|one| !known.contains(one)).collect();
                known.extend(more);
            }
            // What a server opens by name is asked too, also where the gate does not know it.
            let known = METHODS.iter().filter(|method| server.opens(method.name, Some(method)));
            let known = known.map(|method| (method.name, method.target.is_some()));
            let others = server.open.iter().map(String::as_str).filter(|name| other_method(name));
            for (name, has_target) in known.chain(others.map(|name| (name, false))) {
                let asked = |target: &String| Asked::Method { name: name.to_owned(), target: target.clone() };
                let all = if has_target { targets.iter().map(asked).collect() } else { vec![asked(&String::new())] };
                out.entry((server.name.clone(), name.to_owned())).or_insert(all);
            }
        }
    }
    out
}
