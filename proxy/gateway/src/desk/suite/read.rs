//! From test files to tests: defaults, cases and rows joined, every fault at once with its place. Does not read files.

use std::collections::{BTreeMap, BTreeSet};

use pdp::decision::Obligation;
use pdp::digest::DEPTH_MAX;
use pdp::fault::{Fault, SourceFile};
use pdp::json::Json;
use pdp::label::{LabelSet, Readers};
use pdp::policy::{Facts, TaskFacts};
use pdp::principal::Principal;
use toml::Spanned;

use super::written::{Expect, Given, SuiteFile};
use super::{Decided, Expected, Test};
use crate::desk::case::{Asked, Case};

/// The agent of a case that names none.
const AGENT: &str = "agent";

/// The moment of a case that names none: 2026-01-01T00:00:00Z, in milliseconds since 1970.
const NOW_MS: i64 = 1_767_225_600_000;

/// The tests of these files, in the order they stand in.
///
/// # Errors
/// Every fault of every file.
pub fn read(files: &[SourceFile]) -> Result<Vec<Test>, Vec<Fault>> {
    let mut reader = Reader { tests: Vec::new(), faults: Vec::new() };
    for file in files {
        reader.file(file);
    }
    if reader.faults.is_empty() { Ok(reader.tests) } else { Err(reader.faults) }
}

struct Reader {
    tests: Vec<Test>,
    faults: Vec<Fault>,
}

impl Reader {
    fn file(&mut self, file: &SourceFile) {
        let mut written: SuiteFile = match toml::from_str(&file.text) {
            Ok(written) => written,
            Err(e) => {
                self.faults.push(Fault::over(file, e.span().unwrap_or_default(), e.message(), ""));
                return;
            }
        };
        if written.defaults.name.is_some() || !written.defaults.rows.is_empty() {
            let words = "`name` and `for` belong to a case, not to `defaults`";
            self.faults.push(Fault::of_file(&file.path, words, "move them under a `[[case]]`"));
            written.defaults.name = None;
        }
        let mut names = BTreeMap::new();
        for case in written.case {
            let span = case.span();
            let case = case.into_inner().over(&written.defaults);
            let Some(name) = case.name.clone() else {
                let remedy = "say in a few words what must hold: `name = \"...\"`";
                self.faults.push(Fault::at(file, span.start, "a case without a `name`", remedy));
                continue;
            };
            let place = name.span().start;
            if names.insert(name.get_ref().clone(), place).is_some() {
                let words = format!("there are two cases named `{}`", name.get_ref());
                self.faults.push(Fault::over(file, name.span(), words, "give each case a name of its own"));
            }
            self.rows(file, case, &name);
        }
    }

    /// The tests of one case: itself, or one for each row of its `for`.
    fn rows(&mut self, file: &SourceFile, mut case: Given, name: &Spanned<String>) {
        let rows = std::mem::take(&mut case.rows);
        if rows.is_empty() {
            self.test(file, case, name.get_ref().clone(), name.span().start);
            return;
        }
        for (n, row) in rows.into_iter().enumerate() {
            let place = row.span().start;
            let row = row.into_inner();
            if !row.rows.is_empty() {
                self.faults.push(Fault::at(file, place, "`for` stands within `for`", "write each row out"));
                continue;
            }
            let own = row.name.as_ref().map_or_else(|| format!("#{}", n + 1), |name| name.get_ref().clone());
            self.test(file, row.over(&case), format!("{}: {own}", name.get_ref()), place);
        }
    }

    fn test(&mut self, file: &SourceFile, given: Given, name: String, place: usize) {
        let mut missing = |words: &str, remedy: &str| {
            self.faults.push(Fault::at(file, place, format!("`{name}` {words}"), remedy));
        };
        if given.server.is_none() {
            missing("names no server", "write `server = \"...\"`, for the case or under `[defaults]`");
        }
        if given.expect.is_none() {
            missing(
                "expects nothing",
                "write `expect = \"allow\"`, `expect = \"deny\"` or `expect = { escalate = [\"owner\"] }`",
            );
        }
        if given.tool.is_some() == given.method.is_some() {
            missing("must name either a `tool` or a `method`", "");
        }
        let asked = self.asked(file, &given);
        let facts = self.facts(file, &given);
        let expected = self.expected(file, &given);
        let derives = given.unvouched.is_none();
        let (Some(server), Some(asked), Some(facts), Some(expected)) = (given.server, asked, facts, expected) else {
            return;
        };
        let principal = Principal {
            agent: given.agent.unwrap_or_else(|| AGENT.to_owned()),
            method: "token".to_owned(),
            teams: given.teams.unwrap_or_default(),
            tenant: given.tenant.unwrap_or_else(|| "default".to_owned()),
            user: given.user.unwrap_or_default(),
        };
        let (line, _) = pdp::fault::position(&file.text, place);
        let case = Case { principal, server, asked, facts };
        self.tests.push(Test { name, file: file.path.clone(), line, case, derives, expected });
    }

    fn asked(&mut self, file: &SourceFile, given: &Given) -> Option<Asked> {
        match (&given.tool, &given.method) {
            (Some(tool), None) => {
                if let Some(target) = &given.target {
                    let words = "a `target` belongs to a method; a tool has `arguments`";
                    self.faults.push(Fault::over(file, target.span(), words, ""));
                }
                Some(Asked::Tool { name: tool.clone(), arguments: self.arguments(file, given)? })
            }
            (None, Some(method)) => {
                if let Some(arguments) = &given.arguments {
                    let words = "`arguments` belong to a tool; a method has a `target`";
                    self.faults.push(Fault::over(file, arguments.span(), words, ""));
                }
                let target = given.target.as_ref().map(|t| t.get_ref().clone()).unwrap_or_default();
                Some(Asked::Method { name: method.clone(), target })
            }
            (Some(_), Some(_)) | (None, None) => None,
        }
    }

    /// The arguments as JSON text: from a table, or JSON in a string where TOML cannot say it.
    fn arguments(&mut self, file: &SourceFile, given: &Given) -> Option<String> {
        let Some(written) = &given.arguments else { return Some("{}".to_owned()) };
        let read = match written.get_ref() {
            toml::Value::String(text) => Json::read(text, DEPTH_MAX).map(|_| text.clone()).map_err(|e| e.to_string()),
            table @ toml::Value::Table(_) => json(table).map(|json| json.to_string()),
            toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_) => Err("they are neither a table nor JSON in a string".to_owned()),
        };
        read.map_err(|why| {
            let remedy = "write a table, or JSON in a string where TOML cannot say it: '{\"x\": null}'";
            let words = format!("`arguments` cannot be read: {why}");
            self.faults.push(Fault::over(file, written.span(), words, remedy));
        })
        .ok()
    }

    fn facts(&mut self, file: &SourceFile, given: &Given) -> Option<Facts> {
        let now_ms = match &given.now {
            None => NOW_MS,
            Some(written) => match moment(written.get_ref()) {
                Some(ms) => ms,
                None => {
                    let remedy = "write a moment with its offset, such as 2026-11-20T09:00:00Z";
                    self.faults.push(Fault::over(file, written.span(), "`now` is no moment", remedy));
                    return None;
                }
            },
        };
        Some(Facts {
            labels: given.labels.iter().flatten().map(String::as_str).collect(),
            grants: given.grants.iter().flatten().cloned().collect(),
            task: TaskFacts {
                explicit: given.profile.is_some(),
                profile: given.profile.clone().unwrap_or_default(),
                off_plan: given.off_plan.unwrap_or_default(),
                ..TaskFacts::of(given.task.as_deref().unwrap_or("task"))
            },
            readers: given.readers.clone().map_or_else(Readers::everyone, Readers::only),
            calls: given.calls.unwrap_or(1),
            origin: given.origin.iter().flatten().map(|(name, labels)| (name.clone(), words(labels))).collect(),
            unvouched: given.unvouched.as_deref().map(words).unwrap_or_default(),
            now_ms,
            ..Facts::default()
        })
    }

    fn expected(&mut self, file: &SourceFile, given: &Given) -> Option<Expected> {
        let decision = match given.expect.as_ref()? {
            Expect::Allow => Decided::Allow,
            Expect::Deny => Decided::Deny,
            Expect::Escalate(grants) => Decided::Escalate(grants.iter().cloned().collect()),
        };
        let mut obligations = BTreeSet::new();
        for word in given.obligations.iter().flatten() {
            match Obligation::named(word.get_ref()) {
                Some(known) => {
                    obligations.insert(known);
                }
                None => {
                    let words = format!("there is no obligation `{}`", word.get_ref());
                    self.faults.push(Fault::over(file, word.span(), words, "known are `quote` and `declassify:LABEL`"));
                }
            }
        }
        Some(Expected {
            decision,
            rules: given.rules.as_ref().map(|rules| rules.iter().cloned().collect()),
            reason: given.reason.clone(),
            obligations: given.obligations.as_ref().map(|_| obligations),
        })
    }
}

fn words(labels: &[String]) -> LabelSet {
    labels.iter().map(String::as_str).collect()
}

/// A moment, as TOML or as text, in milliseconds since 1970.
fn moment(written: &toml::Value) -> Option<i64> {
    let text = match written {
        toml::Value::Datetime(moment) => moment.to_string(),
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => return None,
    };
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// A TOML value as JSON.
fn json(value: &toml::Value) -> Result<serde_json::Value, String> {
    Ok(match value {
        toml::Value::String(text) => serde_json::Value::from(text.as_str()),
        toml::Value::Integer(number) => serde_json::Value::from(*number),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(serde_json::Value::Number)
            .ok_or_else(|| format!("JSON has no number `{number}`"))?,
        toml::Value::Boolean(value) => serde_json::Value::from(*value),
        toml::Value::Datetime(moment) => return Err(format!("JSON has no moments: write \"{moment}\" as a string")),
        toml::Value::Array(items) => serde_json::Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        toml::Value::Table(members) => {
            let members = members.iter().map(|(name, value)| Ok((name.clone(), json(value)?)));
            serde_json::Value::Object(members.collect::<Result<_, String>>()?)
        }
    })
}
