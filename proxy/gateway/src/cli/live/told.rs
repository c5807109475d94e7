//! A comparison's report as people read it: widenings first, then narrowings, then what was not compared.

use std::fmt::Write as _;

use crate::desk::compare::{Difference, Report, Turn};
use crate::story::visible;

/// The whole report, without a line end.
pub(super) fn report(report: &Report) -> String {
    let mut out = format!(
        "{}: {} as before, {} wider, {} narrower",
        counted(report.compared, "decision"),
        report.same,
        report.wider,
        report.narrower
    );
    for (turn, title) in [(Turn::Wider, "wider: more would happen"), (Turn::Narrower, "narrower: less would happen")] {
        let of: Vec<&Difference> = report.differences.iter().filter(|d| d.turn == turn).collect();
        if !of.is_empty() {
            let _infallible = write!(out, "\n\n{title}");
            of.into_iter().for_each(|one| difference(one, &mut out));
        }
    }
    if report.not_listed > 0 {
        let _infallible = write!(out, "\n\n{} more belong to further groups, which are not listed", report.not_listed);
    }
    if !report.not_comparable.is_empty() {
        out.push_str("\n\nnot compared");
        for (why, count) in &report.not_comparable {
            let _infallible = write!(out, "\n{count:>8}  {why}");
        }
    }
    out
}

fn difference(one: &Difference, out: &mut String) {
    let rules: Vec<String> = one.rules.iter().map(|rule| format!("`{}`", visible::text(rule))).collect();
    let rules = rules.join(", ");
    let why = [visible::text(&one.cause), rules].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let turned = format!("{} -> {}", visible::text(&one.from), visible::text(&one.to));
    let _infallible = write!(out, "\n{:>8}  {turned}, {}", one.count, why.join(" "));
    if let Some(example) = one.examples.first() {
        let (who, server) = (visible::text(&example.principal), visible::text(&example.server));
        let what = visible::text(&example.what);
        let _infallible = write!(out, "\n          such as record {}: {who}, {server} {what}", example.number);
    }
}

/// `1 decision`, `2 decisions`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
