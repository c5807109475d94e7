//! The way without a solver: calls made up from what both bundles name, judged by both.

use std::collections::{BTreeMap, BTreeSet};

use pdp::method::METHODS;
use pdp::policy::{Facts, TaskFacts};
use pdp::principal::Principal;

use super::{Changed, Direction, Side, Way, changed, direction, judged};
use crate::desk::case::{Asked, Case};
use crate::desk::samples;

/// How many calls are tried for one action at most.
const TRIED_MAX: usize = 4_000;

/// Tries every action of both bundles but those to be skipped.
pub(super) fn tried(
    before: Side<'_>,
    after: Side<'_>,
    known: &[Principal],
    skip: &BTreeSet<String>,
) -> (Vec<Changed>, Way) {
    let laws = [before.law, after.law];
    let principals = samples::principals(known, &laws);
    let both = |of: fn(&crate::desk::law::Law) -> BTreeSet<String>| -> BTreeSet<String> {
        laws.iter().flat_map(|law| of(law)).collect()
    };
    let labels = samples::subsets(&both(crate::desk::law::Law::labels));
    let grants = samples::subsets(&both(crate::desk::law::Law::grants));
    let (mut out, mut actions, mut cut, mut calls) = (Vec::new(), 0, 0, 0);
    for ((server, name), asked) in asked(before, after) {
        if skip.contains(&format!("{server} {name}")) {
            continue;
        }
        actions += 1;
        let mut found: BTreeMap<Direction, Case> = BTreeMap::new();
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
                        let (old, new) = (judged(before, &case).0, judged(after, &case).0);
                        if let Some(direction) = direction(&old, &new) {
                            found.entry(direction).or_insert(case);
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
    (out, Way { way: "tried", actions, note })
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
            for method in METHODS.iter().filter(|method| server.opens(method.name, Some(method))) {
                let asked = |target: &String| Asked::Method { name: method.name.to_owned(), target: target.clone() };
                let all = if method.target.is_some() {
                    targets.iter().map(asked).collect()
                } else {
                    vec![asked(&String::new())]
                };
                out.entry((server.name.clone(), method.name.to_owned())).or_insert(all);
            }
        }
    }
    out
}
