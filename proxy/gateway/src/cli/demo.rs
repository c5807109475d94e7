//! `wicketgate demo`: a gate, an agent and a person who decides, in one process, told step by step. What it prints is what
//! the gate answered.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use pep::ports::Entropy as _;
use serde_json::{Value, json};

use super::print;
use crate::assemble::{self, Environment, Running};
use crate::auth::token_digest;
use crate::clock::SystemEntropy;
use crate::config::{Config, Overrides, hex};
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
    let (people, text) = People::made()?;
    let file = folder.join("wicketgate.toml");
    std::fs::write(&file, text)?;
    let config = Config::read(Some(&file), &overrides).map_err(|faults| anyhow!(super::told(&faults)))?;
    let (telemetry, _) = settings::read(|name| std::env::var(name).ok());
    let (running, _) = assemble::start(&config, Environment { telemetry, token: None }).await?;
    title("A gate is up", &format!("agents: http://{}/office/mcp    default deny, embedded defaults", running.address));
    let told = acts(&running, folder, &people).await;
    running.close().await;
    let trace = told?;
    title("7. The task as one trace", &format!("wicketgate trace {}", trace.get(..12).unwrap_or(&trace)));
    let entries = story::find(&Reader::open(&config.ledger())?, &trace, &story::Sight::WHOLE)?;
    print::line(&story::tell(&entries, &story::Telling::default()));
    Ok(())
}

/// The tokens of those who take part.
struct People {
    agent: String,
    /// The host's, which opens the task and edits policies.
    operator: String,
    /// Of the person who decides.
    approver: String,
}

impl People {
    /// Makes them, and the configuration that knows them.
    fn made() -> anyhow::Result<(Self, String)> {
        let entropy = SystemEntropy::new()?;
        let token = || hex(&entropy.bytes());
        let people = Self { agent: token(), operator: token(), approver: token() };
        let known = |name: &str, role: &str, token: &str| {
            let digest = hex(&token_digest(token));
            format!("[[principals]]\nagent = \"{name}\"\nroles = [{role}]\ntoken_sha256 = \"{digest}\"\n")
        };
        let text = [
            known("local", "", &people.agent),
            known("operator", "\"operator\"", &people.operator),
            known("ines", "\"approver\"", &people.approver),
        ];
        Ok((people, text.concat()))
    }
}

/// The acts of the demo. Answers the trace id of the task.
async fn acts(running: &Running, folder: &Path, people: &People) -> anyhow::Result<String> {
    let People { agent: token, operator, approver } = people;
    title("0. The host opens a task", "what the user asked for is the user's own word, wherever it is read again");
    let goal = "See what is new in my notes and my mail, then mail tomas@office.example that Thursday is fine.";
    print::line(&format!("   the user asked: {goal}"));
    let task = open_task(running, operator, goal).await?;
    let mut agent = Agent::connect(format!("http://{}/office/mcp", running.address), token.clone(), task).await?;
    let ines = Approver::new(running, approver)?;

    title("1. An allowed read", "the agent looks at its notes");
    let listed = agent.call("files_list", json!({ "path": "/notes" })).await?;
    show(&listed);

    title("2. A labelled result", "mail_list, then mail_read: anybody can write to this inbox");
    let inbox = agent.call("mail_list", json!({})).await?;
    let label = inbox.pointer("/_meta/dev.wicketgate~1label").ok_or_else(|| anyhow!("the result carries no label"))?;
    print::line(&format!("   label: {label}"));
    let trace = text_at(label, "/trace").to_owned();
    show(&agent.call("mail_read", json!({ "id": "m-103" })).await?);

    title("3. What the mail asked for", "the agent falls for it and tries to pay; the call is held, and ines is asked");
    let payment = json!({ "recipient": "Northwind Recovery", "amount": 900, "reference": "Late fee 4471" });
    let no = ines.decides("deny", json!({ "reason": "nobody here owes them anything" }));
    let (paid, said) = tokio::join!(agent.call("payments_send", payment), no);
    said?;
    show(&paid?);

    title(
        "4. What a person allows runs once",
        "an answer to the address that the mail named; ines reads it and says yes",
    );
    let answer = json!({ "to": "billing@northwind-supplies.example", "subject": "Invoice 4471", "body": "We will pay by 1 December." });
    let (sent, said) = tokio::join!(agent.call("mail_send", answer), ines.decides("approve", json!({})));
    said?;
    show(&sent?);

    title("5. The user's own mail goes out unasked", "mail_send to whom the user named");
    let mail = json!({ "to": "tomas@office.example", "subject": "Lunch", "body": "Thursday is fine." });
    show(&agent.call("mail_send", mail.clone()).await?);

    title(
        "6. A policy edited live",
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

/// A person who decides, over the control API. The agent's own channel can decide nothing.
struct Approver {
    client: reqwest::Client,
    root: String,
    token: String,
}

/// How often the approver looks, and how many times.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 400;

impl Approver {
    fn new(running: &Running, token: &str) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { client, root: format!("http://{}/v1/approvals", running.control), token: token.to_owned() })
    }

    /// Waits for a request, reads it, and decides: `approve` or `deny`.
    async fn decides(&self, what: &str, mut words: Value) -> anyhow::Result<()> {
        let id = self.next().await?;
        let request = self.asked(self.client.get(format!("{}/{id}", self.root))).await?;
        print::line(&format!(
            "   ? {id}: {} of {}",
            text_at(&request, "/action/name"),
            text_at(&request, "/caller/agent")
        ));
        for rule in request.pointer("/rules").and_then(Value::as_array).into_iter().flatten() {
            print::line(&format!("   ? {}: {}", text_at(rule, "/id"), text_at(rule, "/reason")));
        }
        for field in request.pointer("/arguments/fields").and_then(Value::as_array).into_iter().flatten() {
            let origin = field.get("origin").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let found = origin.collect::<Vec<_>>().join(", ");
            let found = if found.is_empty() { "found nowhere".to_owned() } else { format!("found in: {found}") };
            print::line(&format!("   ?   {} = {}   {found}", text_at(field, "/name"), text_at(field, "/value")));
        }
        // What is decided is what was shown.
        if let (Some(words), Some(digest)) = (words.as_object_mut(), request.get("digest")) {
            words.insert("digest".to_owned(), digest.clone());
        }
        let decided = self.asked(self.client.post(format!("{}/{id}/{what}", self.root)).json(&words)).await?;
        let state = text_at(&decided, "/state");
        let reason = text_at(&words, "/reason");
        print::line(format!("   ! ines: {what} {reason}").trim_end());
        anyhow::ensure!(
            matches!(state, "granted" | "spent" | "refused"),
            "the request is {state} after it was decided"
        );
        Ok(())
    }

    /// The id of a request that waits.
    async fn next(&self) -> anyhow::Result<String> {
        for _ in 0..LOOKS {
            let all = self.asked(self.client.get(format!("{}?state=pending", self.root))).await?;
            let id = text_at(&all, "/approvals/0/id");
            if !id.is_empty() {
                return Ok(id.to_owned());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(anyhow!("no request came"))
    }

    async fn asked(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let answer = request.bearer_auth(&self.token).send().await?;
        let (status, body) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "the control API answers {status}: {body}");
        serde_json::from_str(&body).with_context(|| format!("no JSON: {body}"))
    }
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
