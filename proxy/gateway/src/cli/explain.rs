//! `wicketgate policy explain`: one call, imagined or recorded, and why it is decided as it is.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use pdp::label::LabelSet;
use pdp::policy::{Facts, TaskFacts};
use pdp::principal::Principal;
use pdp::snapshot::Snapshot;
use pep::ports::Clock as _;
use serde_json::json;

use super::{Places, print};
use crate::clock::SystemClock;
use crate::desk::case::{Asked, Case};
use crate::desk::explain::{Explanation, Recorded, Spoke, explain, recorded};
use crate::desk::law::Law;
use crate::desk::{telling, vouched};
use crate::ledger::Reader;

/// What is to be explained.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  wicketgate policy explain --agent robin --server office --tool mail_send \\\n    \
--args '{\"to\":\"eve@elsewhere.example\",\"subject\":\"x\",\"body\":\"x\"}' --labels private\n  \
wicketgate policy explain --record 118"
)]
pub(super) struct Explain {
    /// A recorded call instead: a record's number, or a trace or task, of which the last call that was not allowed is taken
    #[arg(long, value_name = "NUMBER|TRACE|TASK", conflicts_with_all = ["server", "tool", "method"])]
    record: Option<String>,
    #[command(flatten)]
    who: Who,
    /// The server
    #[arg(long, required_unless_present = "record")]
    server: Option<String>,
    /// The tool
    #[arg(long, required_unless_present_any = ["record", "method"], conflicts_with = "method")]
    tool: Option<String>,
    /// The tool's arguments, as JSON
    #[arg(long, default_value = "{}", value_name = "JSON")]
    args: String,
    /// Another method than a tool call, such as resources/read
    #[arg(long)]
    method: Option<String>,
    /// What the method acts on, such as a URI
    #[arg(long, default_value = "")]
    target: String,
    /// The labels the task has gathered
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    labels: Vec<String>,
    /// What an argument's value was found in, or `user`: `--origin to=user --origin to=untrusted`
    #[arg(long, value_name = "ARGUMENT=LABEL", value_parser = found)]
    origin: Vec<(String, String)>,
    /// The labels of the sinks that the user did not give [default: as they follow from --origin, --labels and the registry]
    #[arg(long, value_delimiter = ',', value_name = "LABEL")]
    unvouched: Option<Vec<String>>,
    /// The grants the call holds
    #[arg(long, value_delimiter = ',', value_name = "GRANT")]
    grants: Vec<String>,
    /// How many calls the task has made, this one counted
    #[arg(long, default_value_t = 1)]
    calls: u64,
    /// The time of the call, as RFC 3339 has it [default: now]
    #[arg(long, value_name = "TIME")]
    now: Option<jiff::Timestamp>,
    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
}

/// Somebody.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// The agent; one of the configuration comes with its teams and user
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Its teams
    #[arg(long, value_delimiter = ',', value_name = "TEAM")]
    teams: Vec<String>,
    /// The person it acts for
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Its tenant
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

impl Who {
    /// Whether nobody is named.
    pub(super) fn is_nobody(&self) -> bool {
        self.agent.is_none() && self.teams.is_empty() && self.user.is_none() && self.tenant.is_none()
    }

    /// The principal, out of the configuration where it is known there.
    pub(super) fn principal(&self, known: &[Principal]) -> Principal {
        let name = self.agent.clone().unwrap_or_else(|| "anybody".to_owned());
        let mut found = known.iter().find(|one| one.agent == name).cloned().unwrap_or(Principal {
            agent: name,
            method: "token".to_owned(),
            teams: Vec::new(),
            tenant: "default".to_owned(),
            user: String::new(),
        });
        if !self.teams.is_empty() {
            found.teams.clone_from(&self.teams);
        }
        if let Some(user) = &self.user {
            found.user.clone_from(user);
        }
        if let Some(tenant) = &self.tenant {
            found.tenant.clone_from(tenant);
        }
        found
    }
}

pub(super) fn run(places: &Places, asked: &Explain) -> ExitCode {
    match explained(places, asked) {
        Ok(text) => {
            print::line(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(words) => print::failed(&words),
    }
}

fn explained(places: &Places, asked: &Explain) -> Result<String, String> {
    let loaded = super::policy::loaded(places)?;
    let known: Vec<Principal> = loaded.config.principals.iter().map(|known| known.principal.clone()).collect();
    let (case, record) = match &asked.record {
        Some(id) => {
            let reader = Reader::open(&loaded.config.ledger()).map_err(|e| e.to_string())?;
            let (case, record) = recorded(&reader, id, &loaded.snapshot).map_err(|e| e.to_string())?;
            (case, Some(record))
        }
        None => (Ok(imagined(asked, &known, &loaded.snapshot)), None),
    };
    let law = Law::of(&loaded.snapshot, &loaded.sources.policies);
    let explanation = case
        .map_err(|why| why.words())
        .and_then(|case| explain(&loaded.snapshot, &law, &case, &known).map_err(|fault| fault.to_string()));
    if asked.json {
        let told = match &explanation {
            Ok(explanation) => json!({ "record": record, "explanation": explanation }),
            Err(why) => json!({ "record": record, "refused": why }),
        };
        return serde_json::to_string_pretty(&told).map_err(|e| e.to_string());
    }
    let mut out = record.as_ref().map(record_lines).unwrap_or_default();
    match explanation {
        Ok(explanation) => out.push_str(&shown(&explanation, &loaded.snapshot.digest().to_string())),
        Err(why) if record.is_some() => {
            out.push_str(&format!("It cannot be judged again by the bundle at hand: {why}\n"));
        }
        Err(why) => return Err(format!("it would be refused before policy is asked: {why}")),
    }
    Ok(out)
}

/// `ARGUMENT=LABEL`.
fn found(written: &str) -> Result<(String, String), String> {
    let (argument, label) = written.split_once('=').ok_or("write ARGUMENT=LABEL, such as to=user")?;
    Ok((argument.to_owned(), label.to_owned()))
}

fn imagined(asked: &Explain, known: &[Principal], snapshot: &Snapshot) -> Case {
    let what = match (&asked.tool, &asked.method) {
        (Some(tool), _) => Asked::Tool { name: tool.clone(), arguments: asked.args.clone() },
        (None, method) => Asked::Method { name: method.clone().unwrap_or_default(), target: asked.target.clone() },
    };
    let now_ms = asked.now.map_or_else(|| SystemClock::start().now_us() / 1000, |now| now.as_millisecond());
    let mut origin: BTreeMap<String, LabelSet> = BTreeMap::new();
    for (argument, label) in &asked.origin {
        origin.entry(argument.clone()).or_default().raise(&[label.as_str()].into_iter().collect());
    }
    let facts = Facts {
        origin,
        unvouched: asked.unvouched.iter().flatten().map(String::as_str).collect(),
        labels: asked.labels.iter().map(String::as_str).collect(),
        grants: asked.grants.iter().cloned().collect(),
        task: TaskFacts::of("imagined"),
        calls: asked.calls,
        now_ms,
        ..Facts::default()
    };
    let server = asked.server.clone().unwrap_or_default();
    let case = Case { principal: asked.who.principal(known), server, asked: what, facts };
    if asked.unvouched.is_some() { case } else { vouched::derived(&case, snapshot) }
}

fn record_lines(record: &Recorded) -> String {
    let rules = if record.rules.is_empty() { "no rule".to_owned() } else { record.rules.join(", ") };
    let snapshot = record.snapshot.get(..19).unwrap_or(&record.snapshot);
    let mut out = format!(
        "Record {} of {}, trace {}\n  decided then: {} (by {rules}), under snapshot {snapshot}\n",
        record.number, record.at, record.trace, record.decision
    );
    if !record.same_snapshot {
        out.push_str("  the bundle at hand is another one: what follows is how it decides the call now\n");
    }
    if !record.along.is_empty() {
        out.push_str(&format!(
            "  it was judged together with what rode along ({}); what follows is the strictest of it\n",
            record.along.join(", ")
        ));
    }
    out.push('\n');
    out
}

fn shown(explained: &Explanation, snapshot: &str) -> String {
    let mut out = format!("{}\n\nCall\n{}", explained.sentence, telling::aligned(&explained.call, 2));
    let detail = if explained.detail.is_empty() { String::new() } else { format!(": {}", explained.detail) };
    let snapshot = snapshot.get(..19).unwrap_or(snapshot);
    out.push_str(&format!("\nDecision\n  {}{detail} (snapshot {snapshot})\n", explained.decision));
    section("Policies that spoke", &explained.spoke, &mut out);
    section("Permits for this that do not apply", &explained.near, &mut out);
    out.push_str(if explained.decision == "allow" { "\nWhat would stop it\n" } else { "\nNearest change\n" });
    if explained.search.turns.is_empty() {
        out.push_str(&format!(
            "  none found: no change of one or two facts among {} calls that were tried turns it\n",
            explained.search.tried
        ));
    }
    for turn in &explained.search.turns {
        let by = if turn.by.is_empty() { String::new() } else { format!(", by {}", turn.by.join(", ")) };
        out.push_str(&format!("  {}: {}{by}\n", turn.changes.join(" and "), turn.decision));
    }
    out
}

fn section(heading: &str, policies: &[Spoke], out: &mut String) {
    if policies.is_empty() {
        return;
    }
    out.push_str(&format!("\n{heading}\n"));
    for policy in policies {
        let place = if policy.place.is_empty() { String::new() } else { format!("  {}", policy.place) };
        out.push_str(&format!("  {} `{}`{place}\n", policy.effect, policy.id));
        let mut lines = Vec::new();
        if !policy.reason.is_empty() {
            lines.push(("reason", policy.reason.clone()));
        }
        let applies = if policy.applies.is_empty() { "always" } else { &policy.applies };
        lines.push(("applies", applies.to_owned()));
        for (fact, value) in &policy.saw {
            lines.push(("it saw", format!("{fact}: {value}")));
        }
        if policy.effect == "forbid" {
            let lifted = match policy.lifted_by.as_str() {
                "" => "by nothing".to_owned(),
                grant => format!("by the grant `{grant}`"),
            };
            lines.push(("lifted", lifted));
        }
        out.push_str(&telling::aligned(&lines, 4));
    }
}
