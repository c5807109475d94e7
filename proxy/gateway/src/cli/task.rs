//! `wicketgate task`: opening, listing, handing on, ending and stopping tasks on a running gate.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::client::{Credential, Gate};
use super::{Places, print, told};
use crate::story::visible;

#[derive(Debug, Subcommand)]
pub(super) enum Task {
    /// Open a task for an agent, and print the token that leads to it
    Open {
        /// The kind of task: a file in `registry/tasks/`
        #[arg(long)]
        profile: String,
        /// Who will act: `tenant/agent`, or the agent's name alone
        #[arg(long)]
        agent: String,
        /// The person it acts for
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        terms: Terms,
        #[command(flatten)]
        credential: Credential,
    },
    /// Hand a task on: the new one has its labels, shares its budget and its trace, and may touch no more
    Child {
        /// The task that is handed on
        id: String,
        /// Another profile, which bounds it too
        #[arg(long)]
        profile: Option<String>,
        /// Another agent
        #[arg(long)]
        agent: Option<String>,
        #[command(flatten)]
        terms: Terms,
        #[command(flatten)]
        credential: Credential,
    },
    /// List the tasks that a gate knows
    List {
        /// Those that are over too
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        credential: Credential,
    },
    /// Show one task: what it may touch, how much it may do, what it has read
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        credential: Credential,
    },
    /// Say that the work of a task is done
    End {
        /// Its id
        id: String,
        /// What came of it, for the record: its digest and the labels it carries
        #[arg(long)]
        result: Option<String>,
        #[command(flatten)]
        credential: Credential,
    },
    /// Stop a task and all that was handed on from it: no call goes on, and none that waits acts
    Stop {
        /// Its id
        id: String,
        /// Why; the agent is told it
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        credential: Credential,
    },
}

/// What is said of a task when it is opened. Lists narrow what the profile says; `*` stands for any run of characters.
#[derive(Debug, Args)]
pub(super) struct Terms {
    /// What the user asked for, in the user's words
    #[arg(long)]
    goal: String,
    /// A label of what the agent is given to begin with
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// A tool it may use, as `server/tool`
    #[arg(long = "tool", value_name = "PATTERN")]
    tools: Vec<String>,
    /// A server it may reach
    #[arg(long = "server", value_name = "PATTERN")]
    servers: Vec<String>,
    /// A resource it may read, by its URI
    #[arg(long = "resource", value_name = "PATTERN")]
    resources: Vec<String>,
    /// A scope of memory servers it may use
    #[arg(long = "memory", value_name = "PATTERN")]
    memory: Vec<String>,
    /// A downstream system it may act on
    #[arg(long = "system", value_name = "PATTERN")]
    systems: Vec<String>,
    /// A limit, such as `steps=100`; see the profile's `limits`
    #[arg(long = "limit", value_name = "NAME=NUMBER", value_parser = limit)]
    limits: Vec<(String, u64)>,
    /// How long it may stay open, in seconds
    #[arg(long, value_name = "SECONDS")]
    lifetime: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn limit(text: &str) -> Result<(String, u64), String> {
    let (name, number) = text.split_once('=').ok_or("write it as `steps=100`")?;
    let number = number.parse().map_err(|_| format!("`{number}` is no whole number"))?;
    Ok((name.to_owned(), number))
}

impl Terms {
    /// The body of the request that opens it.
    fn body(&self) -> Result<Map<String, Value>, String> {
        let names = || self.limits.iter().map(|(name, _)| name);
        if let Some(twice) =
            names().enumerate().find_map(|(n, name)| names().take(n).any(|b| b == name).then_some(name))
        {
            return Err(format!("`--limit {twice}` is given twice: which is meant?"));
        }
        let lists = [
            ("tools", &self.tools),
            ("servers", &self.servers),
            ("resources", &self.resources),
            ("memory", &self.memory),
            ("systems", &self.systems),
        ];
        let scope: Map<String, Value> = lists
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| (name.to_owned(), json!(list)))
            .collect();
        let limits: Map<String, Value> = self.limits.iter().map(|(name, most)| (name.clone(), json!(most))).collect();
        let mut body = Map::new();
        body.insert("goal".to_owned(), json!(self.goal));
        body.insert("labels".to_owned(), json!(self.labels));
        body.insert("scope".to_owned(), scope.into());
        body.insert("limits".to_owned(), limits.into());
        body.extend(self.lifetime.map(|seconds| ("lifetime_s".to_owned(), json!(seconds))));
        Ok(body)
    }
}

/// Runs one of them.
pub(super) async fn run(places: &Places, asked: &Task) -> ExitCode {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return print::failed(&told(&faults)),
    };
    let credential = match asked {
        Task::Open { credential, .. }
        | Task::Child { credential, .. }
        | Task::List { credential, .. }
        | Task::Show { credential, .. }
        | Task::End { credential, .. }
        | Task::Stop { credential, .. } => credential,
    };
    let outcome = match Gate::of(&config, credential) {
        Ok(gate) => carried_out(&gate, asked).await,
        Err(words) => Err(words),
    };
    outcome.map_or_else(|words| print::failed(&words), |()| ExitCode::SUCCESS)
}

async fn carried_out(gate: &Gate, asked: &Task) -> Result<(), String> {
    match asked {
        Task::Open { profile, agent, user, terms, .. } => {
            let named = [("profile", Some(profile)), ("agent", Some(agent)), ("user", user.as_ref())];
            opened(terms, &gate.post("/v1/tasks", &body(terms, named)?).await?);
        }
        Task::Child { id, profile, agent, terms, .. } => {
            let named = [("profile", profile.as_ref()), ("agent", agent.as_ref()), ("user", None)];
            let path = format!("/v1/tasks/{}/children", segment(id)?);
            opened(terms, &gate.post(&path, &body(terms, named)?).await?);
        }
        Task::List { json: true, .. } => print::json(&gate.get("/v1/tasks").await?),
        Task::List { all, json: false, .. } => listed(&gate.get("/v1/tasks").await?, *all),
        Task::Show { id, .. } => {
            let task = gate.get(&format!("/v1/tasks/{}", segment(id)?)).await?;
            let text = serde_json::to_string_pretty(&task).map_err(|e| e.to_string())?;
            print::line(&visible::json_exact(&text));
        }
        Task::End { id, result, .. } => {
            let path = format!("/v1/tasks/{}/end", segment(id)?);
            over(&gate.post(&path, &json!({ "result": result })).await?);
        }
        Task::Stop { id, reason, .. } => {
            let path = format!("/v1/tasks/{}/stop", segment(id)?);
            over(&gate.post(&path, &json!({ "reason": reason })).await?);
        }
    }
    Ok(())
}

fn body(terms: &Terms, named: [(&str, Option<&String>); 3]) -> Result<Value, String> {
    let mut body = terms.body()?;
    body.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
    Ok(body.into())
}

/// An id as a segment of a path. Ids are plain; anything else is none.
fn segment(id: &str) -> Result<&str, String> {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain { Ok(id) } else { Err("a task's id looks like `task-0123456789abcdef0123456789abcdef`".to_owned()) }
}

fn opened(terms: &Terms, task: &Value) {
    if terms.json {
        print::line(&task.to_string());
        return;
    }
    for (label, name) in
        [("task", "id"), ("trace", "trace"), ("expires", "expires"), ("token", "token"), ("url", "url")]
    {
        print::line(&format!("{label:<9}{}", text(task, name)));
    }
}

fn listed(all: &Value, with_those_over: bool) {
    let tasks = all.get("tasks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is_over = |task: &Value| task.get("over").is_some_and(|over| !over.is_null());
    let shown: Vec<&Value> = tasks.iter().filter(|task| with_those_over || !is_over(task)).collect();
    if shown.is_empty() {
        print::line("no task is open");
    }
    for task in shown {
        let kind = if task.get("explicit") == Some(&Value::Bool(true)) { "explicit" } else { "implicit" };
        let profile = text(task, "profile");
        let profile = if profile.is_empty() { "-".to_owned() } else { profile };
        let calls = task.get("calls").and_then(Value::as_u64).unwrap_or_default();
        let labels = task.get("labels").map(Value::to_string).unwrap_or_default();
        let over = task.pointer("/over/words").and_then(Value::as_str).map(visible::text);
        let over = over.map(|words| format!("  over: {words}")).unwrap_or_default();
        print::line(&format!(
            "{}  {kind}  {profile}  {}  {calls} calls  {}{over}",
            text(task, "id"),
            text(task, "agent"),
            visible::text(&labels),
        ));
    }
}

fn over(task: &Value) {
    let ended = task.get("ended").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let ids: Vec<String> = ended.iter().filter_map(Value::as_str).map(visible::text).collect();
    let words = task.pointer("/over/words").and_then(Value::as_str).map(visible::text).unwrap_or_default();
    if ids.is_empty() {
        print::line(&format!("it was over already: {words}"));
    } else {
        print::line(&format!("over: {}: {words}", ids.join(", ")));
    }
}

fn text(value: &Value, name: &str) -> String {
    visible::text(value.get(name).and_then(Value::as_str).unwrap_or_default())
}
