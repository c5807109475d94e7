//! `wicketgate policy test`: the policy tests beside the policies, what is not as expected, and what they cover.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pdp::decision::Decision;
use pdp::fault::{Fault, SourceFile};
use pdp::policy::{Rule, Written};
use pdp::snapshot::Snapshot;
use serde::Serialize;

use super::bundle::{self, Bundled};
use super::report;
use crate::cli::{Places, print};
use crate::desk::case::{Asked, Case};
use crate::desk::suite::{self, Coverage, Difference, Test, Verdict};
use crate::reload;
use crate::story::plain;

#[derive(Debug, Args)]
pub(in crate::cli) struct Tests {
    /// Test files, or directories with some [default: what lies beside the policies]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only the cases whose name contains this
    #[arg(long, value_name = "TEXT", conflicts_with = "coverage_min")]
    name: Option<String>,
    /// Fail where fewer policies than this, in per cent, decided a case
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage_min: Option<u8>,
    /// Name the cases that passed, too
    #[arg(long, short)]
    verbose: bool,
    /// Print one JSON object instead
    #[arg(long)]
    json: bool,
    /// Write the law and each case into this new folder, for Cedar's own command line to decide once more
    #[arg(long, value_name = "DIR")]
    cedar: Option<PathBuf>,
}

/// Runs the tests. Exit code 1 where one fails, where a test file has a fault, and where there is no test at all.
pub(super) fn run(places: &Places, asked: &Tests) -> ExitCode {
    let bundled = match bundle::read(places, None) {
        Ok(bundled) => bundled,
        Err(words) => return print::failed(&words),
    };
    let files = match files(&bundled, &asked.paths) {
        Ok(files) => files,
        Err(faults) => return report::faulty(&faults, &[], asked.json),
    };
    let shown: Vec<&SourceFile> = files.iter().chain(bundled.files()).collect();
    let snapshot = match bundled.snapshot() {
        Ok(snapshot) => snapshot,
        Err(faults) => return report::faulty(&faults, &shown, asked.json),
    };
    let policies = match pdp::policy::written(&bundled.sources.policies) {
        Ok(policies) => policies,
        Err(faults) => return report::faulty(&faults, &shown, asked.json),
    };
    let tests = match suite::read(&files) {
        Ok(tests) => tests,
        Err(faults) => return report::faulty(&faults, &shown, asked.json),
    };
    let chosen: Vec<&Test> =
        tests.iter().filter(|t| asked.name.as_ref().is_none_or(|name| t.name.contains(name.as_str()))).collect();
    if chosen.is_empty() {
        return print::failed(&match &asked.name {
            Some(name) => format!("no case has `{name}` in its name"),
            None => "there is no policy test: write cases into a file `*.test.toml` beside the policies".to_owned(),
        });
    }
    let verdicts = suite::run(chosen, &snapshot);
    let coverage = asked.name.is_none().then(|| Coverage::of(&verdicts, &policies));
    let short = coverage.as_ref().is_some_and(|c| c.percent() < asked.coverage_min.map_or(0, usize::from));
    if asked.json {
        print::line(&json(&verdicts, coverage.as_ref(), &policies));
    } else {
        tell(&verdicts, coverage.as_ref(), &policies, asked);
    }
    if let Some(folder) = &asked.cedar
        && let Err(words) = export(folder, &verdicts, &snapshot, asked.json)
    {
        return print::failed(&words);
    }
    let failed = verdicts.iter().any(|verdict| !verdict.differences.is_empty());
    if failed || short { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Writes the cases for another Cedar engine, and says how it is asked.
fn export(folder: &Path, verdicts: &[Verdict<'_>], snapshot: &Snapshot, json: bool) -> Result<(), String> {
    let failed = |e: &dyn std::fmt::Display| format!("`{}` cannot be written: {e}", folder.display());
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(failed(&"it is not empty"));
    }
    let export = suite::export(verdicts, snapshot)?;
    std::fs::create_dir_all(folder).map_err(|e| failed(&e))?;
    for (name, text) in &export.files {
        std::fs::write(folder.join(name), text).map_err(|e| failed(&e))?;
    }
    if json {
        return Ok(());
    }
    for (case, why) in &export.left_out {
        print::line(&format!("no question for {}: {}", plain(case), plain(why)));
    }
    print::line(&format!(
        "{} for another Cedar engine in {}; `questions.json` says what each must be answered, by\n  \
         cedar authorize --policies gate.cedar --schema gate.cedarschema --entities 0001.entities.json \
         --request-json 0001.request.json",
        bundle::counted(export.questions, "question"),
        folder.display()
    ));
    Ok(())
}

/// The test files: those named, or those beside the policies.
fn files(bundled: &Bundled, paths: &[PathBuf]) -> Result<Vec<SourceFile>, Vec<Fault>> {
    if paths.is_empty() {
        return reload::read_tests(bundled.bundle.as_ref());
    }
    let mut out = Vec::new();
    for path in paths {
        out.extend(bundle::named(path, suite::ENDING)?);
    }
    Ok(out)
}

// What people read.

fn tell(verdicts: &[Verdict<'_>], coverage: Option<&Coverage<'_>>, policies: &[Written], asked: &Tests) {
    for verdict in verdicts {
        if !verdict.differences.is_empty() {
            print::line(&failure(verdict, policies));
        } else if asked.verbose {
            print::line(&format!("pass  {}", named(verdict.test)));
        }
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.differences.is_empty()).count();
    let mut words = format!("{}: {} passed", bundle::counted(verdicts.len(), "case"), verdicts.len() - failed);
    if failed > 0 {
        let _infallible = write!(words, ", {failed} failed");
    }
    print::line(&words);
    let Some(coverage) = coverage else { return };
    print::line(&format!(
        "{} of {} policies decided a case ({} %)",
        coverage.decided(),
        coverage.all,
        coverage.percent()
    ));
    for policy in &coverage.never {
        print::line(&format!("never decided a case: {}, {}:{}", plain(&policy.id), plain(&policy.file), policy.line));
    }
    if let Some(least) = asked.coverage_min.filter(|least| coverage.percent() < usize::from(*least)) {
        print::line(&format!("that is less than the {least} % asked for: write a case that each of these decides"));
    }
}

fn named(test: &Test) -> String {
    format!("{}:{}  {}", plain(&test.file), test.line, plain(&test.name))
}

/// A test that failed: what was asked, what is not as expected, and who spoke.
fn failure(verdict: &Verdict<'_>, policies: &[Written]) -> String {
    let mut out = format!("FAIL  {}\n", named(verdict.test));
    let mut line = |name: &str, words: &str| {
        let _infallible = writeln!(out, "      {name:<12}{words}");
    };
    line("call", &call(&verdict.test.case));
    let facts = facts(&verdict.test.case);
    if !facts.is_empty() {
        line("with", &facts);
    }
    let width = verdict.differences.iter().map(|d| d.expected.chars().count()).max().unwrap_or(0).max(8) + 3;
    line("", &format!("{:<width$}got", "expected"));
    for Difference { field, expected, got } in &verdict.differences {
        line(field, &plain(&format!("{expected:<width$}{got}")));
    }
    let rules = verdict.got.as_ref().map(|judgement| judgement.rules.as_slice()).unwrap_or_default();
    for (n, rule) in rules.iter().enumerate() {
        line(if n == 0 { "spoke" } else { "" }, &spoke(rule, policies));
    }
    if verdict.got.is_ok() && rules.is_empty() {
        line("spoke", "no rule");
    }
    out
}

/// A rule, where it stands and what it tells.
fn spoke(rule: &Rule, policies: &[Written]) -> String {
    let mut words = plain(&rule.id);
    if let Some(place) = place(&rule.id, policies) {
        let _infallible = write!(words, ", {}:{}", plain(&place.file), place.line);
    }
    if !rule.reason.is_empty() {
        let _infallible = write!(words, ": {}", plain(&rule.reason));
    }
    words
}

fn place<'p>(id: &str, policies: &'p [Written]) -> Option<&'p Written> {
    policies.iter().find(|policy| policy.id == id)
}

/// Who asks for what.
fn call(case: &Case) -> String {
    let who = &case.principal;
    let mut words = plain(&who.agent);
    if !who.teams.is_empty() {
        let _infallible = write!(words, " of {}", plain(&who.teams.join(", ")));
    }
    if !who.user.is_empty() {
        let _infallible = write!(words, " for {}", plain(&who.user));
    }
    if who.tenant != "default" {
        let _infallible = write!(words, " in {}", plain(&who.tenant));
    }
    let (what, of) = match &case.asked {
        Asked::Tool { name, arguments } => (name, arguments),
        Asked::Method { name, target } => (name, target),
    };
    let _infallible = write!(words, ": {} {} {}", plain(&case.server), plain(what), plain(of));
    words.trim_end().to_owned()
}

/// The labels and grants of a case; the rest seldom explains a failure.
fn facts(case: &Case) -> String {
    let mut parts = Vec::new();
    if !case.facts.labels.is_empty() {
        parts.push(format!("labels {}", case.facts.labels));
    }
    if !case.facts.grants.is_empty() {
        parts.push(format!("grants {}", case.facts.grants.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    plain(&parts.join("; "))
}

// What programs read.

#[derive(Serialize)]
struct Told<'a> {
    passed: usize,
    failed: usize,
    cases: Vec<CaseTold<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<CoverageTold<'a>>,
}

#[derive(Serialize)]
struct CaseTold<'a> {
    name: &'a str,
    file: &'a str,
    line: usize,
    passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'a Decision>,
    rules: Vec<PolicyTold<'a>>,
    differences: &'a [Difference],
}

#[derive(Serialize)]
struct CoverageTold<'a> {
    decided: usize,
    policies: usize,
    percent: usize,
    never: Vec<PolicyTold<'a>>,
}

#[derive(Serialize)]
struct PolicyTold<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

fn json(verdicts: &[Verdict<'_>], coverage: Option<&Coverage<'_>>, policies: &[Written]) -> String {
    let known: BTreeMap<&str, &Written> = policies.iter().map(|policy| (policy.id.as_str(), policy)).collect();
    let policy = |id| {
        let place = known.get(id);
        PolicyTold { id, file: place.map(|p| p.file.as_str()), line: place.map(|p| p.line) }
    };
    let failed = verdicts.iter().filter(|verdict| !verdict.differences.is_empty()).count();
    let cases = verdicts.iter().map(|verdict| CaseTold {
        name: &verdict.test.name,
        file: &verdict.test.file,
        line: verdict.test.line,
        passed: verdict.differences.is_empty(),
        decision: verdict.got.as_ref().ok().map(|judgement| &judgement.decision),
        rules: verdict
            .got
            .as_ref()
            .map(|j| j.rules.iter().map(|r| policy(r.id.as_str())).collect())
            .unwrap_or_default(),
        differences: &verdict.differences,
    });
    let told = Told {
        passed: verdicts.len() - failed,
        failed,
        cases: cases.collect(),
        coverage: coverage.map(|coverage| CoverageTold {
            decided: coverage.decided(),
            policies: coverage.all,
            percent: coverage.percent(),
            never: coverage.never.iter().map(|p| policy(p.id.as_str())).collect(),
        }),
    };
    serde_json::to_string_pretty(&told).unwrap_or_default()
}
