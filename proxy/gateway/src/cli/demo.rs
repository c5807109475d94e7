//! `wicketgate demo`: a gate and an agent in one process, told step by step. What it prints is what the gate answered.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};

use super::print;
use crate::assemble::{self, Environment, Generated, Running};
use crate::config::{Config, Overrides};
use crate::ledger::Reader;
use crate::telemetry::settings;
use crate::{reload, story};

/// Plays the demo.
pub(super) async fn run() -> anyhow::Result<ExitCode> {
    let folder = scratch()?;
    let outcome = play(folder.path()).await;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// A folder of the demo's own, removed at the end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder in the temporary directory that cannot be removed is the system's to clean.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn scratch() -> anyhow::Result<Scratch> {
    let folder = std::env::temp_dir().join(format!("wicketgate-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(Scratch(folder))
}

async fn play(folder: &Path) -> anyhow::Result<()> {
    reload::write_built_in(folder)?;
    let any_port = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let overrides = Overrides {
        listen: any_port,
        control: any_port,
        policies: Some(folder.join("policies")),
        registry: Some(folder.join("registry")),
        data: Some(folder.join("state")),
    };
    let config =
        Config::read(Some(Path::new("/dev/null")), &overrides).map_err(|faults| anyhow!(super::told(&faults)))?;
    let (telemetry, _) = settings::read(|name| std::env::var(name).ok());
    let (running, generated) = assemble::start(&config, Environment { telemetry, token: None }).await?;
    let Generated { agent, operator } = generated.ok_or_else(|| anyhow!("the gate made no tokens"))?;
    title("A gate is up", &format!("agents: http://{}/office/mcp    default deny, embedded defaults", running.address));
    let told = acts(&running, folder, agent, &operator).await;
    running.close().await;
    let trace = told?;
    title("6. The task as one trace", &format!("wicketgate trace {}", trace.get(..12).unwrap_or(&trace)));
    let entries = story::find(&Reader::open(&config.ledger())?, &trace, &story::Sight::WHOLE)?;
    print::line(&story::tell(&entries, &story::Telling::default()));
    Ok(())
}

/// The acts of the demo. Answers the trace id of the task.
async fn acts(running: &Running, folder: &Path, token: String, operator: &str) -> anyhow::Result<String> {
    title("0. The host opens a task", "what the user asked for is the user's own word, wherever it is read again");
    let goal = "See what is new in my notes and my mail, then mail tomas@office.example that Thursday is fine.";
    print::line(&format!("   the user asked: {goal}"));
    let task = open_task(running, operator, goal).await?;
    let mut agent = Agent::connect(format!("http://{}/office/mcp", running.address), token, task).await?;

    title("1. An allowed read", "the agent looks at its notes");
    let listed = agent.call("files_list", json!({ "path": "/notes" })).await?;
    show(&listed);

    title("2. A labelled result", "mail_list, then mail_read: anybody can write to this inbox");
    let inbox = agent.call("mail_list", json!({})).await?;
    let label = inbox.pointer("/_meta/dev.wicketgate~1label").ok_or_else(|| anyhow!("the result carries no label"))?;
    print::line(&format!("   label: {label}"));
    let trace = text_at(label, "/trace").to_owned();
    show(&agent.call("mail_read", json!({ "id": "m-103" })).await?);

    title("3. What the mail asked for", "the agent falls for it and tries to pay");
    let payment = json!({ "recipient": "Northwind Recovery", "amount": 900, "reference": "Late fee 4471" });
    show(&agent.call("payments_send", payment).await?);

    title("4. The user's own mail still goes out", "mail_send to whom the user named");
    let mail = json!({ "to": "tomas@office.example", "subject": "Lunch", "body": "Thursday is fine." });
    show(&agent.call("mail_send", mail.clone()).await?);

    title(
        "5. A policy edited live",
        "the security engineer forbids mail after untrusted text; the very next call is judged by it",
    );
    let rule = "\n@id(\"no-mail-after-untrusted\")\n@reason(\"mail was closed to tasks that read untrusted text\")\n\
                forbid (principal, action == office::Action::\"mail_send\", resource)\n\
                when { context.gate.labels.contains(Gate::Label::\"untrusted\") };\n";
    print::line(&rule.lines().filter(|l| !l.is_empty()).map(|l| format!("   | {l}")).collect::<Vec<_>>().join("\n"));
    let file = folder.join("policies/office.cedar");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, format!("{text}{rule}"))?;
    // The directories are watched; the explicit reload makes the demo's next line certain rather than likely.
    agent.reload(running, operator).await?;
    show(&agent.call("mail_send", mail).await?);
    Ok(trace)
}

/// Opens a task as the agent's host does, and answers its token.
async fn open_task(running: &Running, operator: &str, goal: &str) -> anyhow::Result<String> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{}/v1/tasks", running.control);
    let asked = json!({ "profile": "office", "agent": "local", "goal": goal });
    let answer: Value = client.post(url).bearer_auth(operator).json(&asked).send().await?.json().await?;
    let token = answer.get("token").and_then(Value::as_str);
    token.map(str::to_owned).ok_or_else(|| anyhow!("no task was opened: {answer}"))
}

/// A minimal agent: enough of MCP's streamable HTTP to hold a session.
struct Agent {
    client: reqwest::Client,
    url: String,
    token: String,
    /// Its task's token.
    task: String,
    session: Option<String>,
    next: u64,
}

impl Agent {
    async fn connect(url: String, token: String, task: String) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let mut agent = Self { client, url, token, task, session: None, next: 1 };
        let opening = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "wicketgate-demo", "version": env!("CARGO_PKG_VERSION") },
        });
        agent.request("initialize", opening).await?;
        agent.post(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(agent)
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        print::line(&format!("   > {tool} {arguments}"));
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    async fn request(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let id = self.next;
        self.next += 1;
        let text = self.post(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await?;
        let data = text.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&text);
        let answer: Value = serde_json::from_str(data).with_context(|| format!("the answer to {method}: {text}"))?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(anyhow!("{method} was answered with {answer}")),
        }
    }

    async fn post(&mut self, message: Value) -> anyhow::Result<String> {
        let mut request = self
            .client
            .post(&self.url)
            .bearer_auth(&self.token)
            .header("wicketgate-task", &self.task)
            .header("accept", "application/json, text/event-stream")
            .json(&message);
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        let answer = request.send().await?;
        if let Some(session) = answer.headers().get("mcp-session-id").and_then(|v| v.to_str().ok()) {
            self.session = Some(session.to_owned());
        }
        Ok(answer.text().await?)
    }

    async fn reload(&self, running: &Running, operator: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/v1/reload", running.control);
        let answer = self.client.post(url).bearer_auth(operator).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() { Ok(()) } else { Err(anyhow!("the reload was answered {status}: {text}")) }
    }
}

fn title(title: &str, words: &str) {
    print::line(&format!("\n{title}\n   {words}"));
}

/// Prints a result's text, or its refusal.
fn show(result: &Value) {
    let refused = result.pointer("/isError").is_some_and(|v| v == true);
    let mark = if refused { "x" } else { "<" };
    for line in text_at(result, "/content/0/text").lines() {
        print::line(&format!("   {mark} {line}"));
    }
}

/// The string at a JSON pointer; nothing where there is none.
fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
