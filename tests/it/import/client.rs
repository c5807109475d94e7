//! A client as far as its configuration goes: the rewritten file read by another reader than the importer's, and a session
//! held as it says.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::gate::HANGS;
use crate::gate::client::{Agent, call, rpc};

/// How an entry of a client's file says that its server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reached {
    Http { to: SocketAddr, server: String, authorization: String },
    Stdio { command: String, args: Vec<String> },
}

/// Reads an entry of a rewritten file.
pub(super) fn reached(client: &str, text: &str, name: &str) -> Reached {
    let text = text.trim_start_matches('\u{feff}');
    if client == "goose" {
        return goose(text, name);
    }
    let (root, map) = match client {
        "codex" => {
            let root: toml::Value = toml::from_str(text).unwrap();
            (serde_json::to_value(root).unwrap(), "mcp_servers")
        }
        _ => {
            let options = jsonc_parser::ParseOptions::default();
            let root: Value = jsonc_parser::parse_to_serde_value(text, &options).unwrap();
            let map = match client {
                "vscode" => "servers",
                "zed" => "context_servers",
                _ => "mcpServers",
            };
            (root, map)
        }
    };
    let of_projects = root["projects"].as_object().into_iter().flatten().map(|(_, project)| &project[map][name]);
    let entry = std::iter::once(&root[map][name]).chain(of_projects).find(|entry| entry.is_object());
    let entry = entry.unwrap_or_else(|| panic!("{client}: no entry {name} in {text}"));
    if let Some(command) = entry["command"].as_str() {
        assert_eq!(entry.get("env"), None, "{entry}");
        let args = entry["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap().to_owned()).collect();
        return Reached::Stdio { command: command.to_owned(), args };
    }
    let token = entry["bearer_token_env_var"].as_str().map(|name| format!("Bearer ${{{name}}}"));
    let header = entry["headers"]["Authorization"].as_str().map(str::to_owned);
    http(entry["url"].as_str().unwrap(), &token.or(header).unwrap())
}

fn http(url: &str, authorization: &str) -> Reached {
    let (to, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let server = path.strip_suffix("/mcp").unwrap().to_owned();
    Reached::Http { to: to.parse().unwrap(), server, authorization: authorization.to_owned() }
}

/// The entry's lines are few and known: no YAML reader is needed to see what they say.
fn goose(text: &str, name: &str) -> Reached {
    let entry: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != format!("  {name}:"))
        .skip(1)
        .take_while(|line| line.starts_with("    "))
        .collect();
    let value =
        |key: &str| entry.iter().find_map(|line| line.trim().strip_prefix(key)).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(value("type: "), "\"streamable_http\"");
    assert_eq!(value("env_keys: "), "[\"WICKETGATE_TOKEN\"]");
    let authorization = value("headers: { Authorization: \"").strip_suffix("\" }").unwrap();
    http(value("uri: ").trim_matches('"'), authorization)
}

/// What a client makes of a reference to its token.
fn expanded(text: &str, variables: &[(&str, &str)]) -> String {
    let mut out = text.replace("${input:wicketgate-token}", "${WICKETGATE_TOKEN}").replace("${env:", "${");
    for (name, value) in variables {
        out = out.replace(&format!("${{{name}}}"), value);
    }
    out
}

impl Reached {
    /// Opens a session, as the client would.
    pub(super) async fn open(&self, variables: &[(&str, &str)], home: &Path) -> Session {
        match self {
            Self::Http { to, server, authorization } => {
                let authorization = expanded(authorization, variables);
                let token = authorization.strip_prefix("Bearer ").unwrap();
                Session::Http(Agent::legacy(*to, server, token).await)
            }
            Self::Stdio { command, args } => {
                let mut session = Bridged::start(command, args, variables, home);
                let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
                let answer = session.ask(0, &rpc(0, "initialize", opening)).await;
                assert!(answer.get("result").is_some(), "{answer}");
                session.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
                Session::Stdio(Box::new(session))
            }
        }
    }
}

/// A session under way.
pub(super) enum Session {
    Http(Agent),
    Stdio(Box<Bridged>),
}

impl Session {
    pub(super) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(rpc(1, method, params)).await
    }

    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.send(call(1, tool, arguments)).await
    }

    async fn send(&mut self, text: String) -> Value {
        match self {
            Self::Http(agent) => agent.posting(text).send(agent.to).await.message(),
            Self::Stdio(bridged) => bridged.ask(1, &text).await,
        }
    }

    pub(super) async fn close(self) {
        match self {
            Self::Http(agent) => drop(agent.leaving().send(agent.to).await),
            Self::Stdio(bridged) => bridged.close().await,
        }
    }
}

/// A client on the standard streams of `wicketgate stdio`.
#[derive(Debug)]
pub(super) struct Bridged {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Bridged {
    pub(super) fn start(command: &str, args: &[String], variables: &[(&str, &str)], home: &Path) -> Self {
        let mut program = Command::new(command);
        program.env_clear().envs(variables.iter().copied()).env("HOME", home).current_dir(home).args(args);
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut process = program.spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, input, output }
    }

    /// Writes a line.
    pub(super) async fn say(&mut self, text: &str) {
        self.input.write_all(format!("{text}\n").as_bytes()).await.unwrap();
    }

    /// The next line.
    pub(super) async fn heard(&mut self) -> String {
        let line = tokio::time::timeout(HANGS, self.output.next_line()).await;
        line.expect("the bridge says something").unwrap().expect("the bridge is there")
    }

    /// Asks, and waits for the answer of this id; what comes in between is passed over.
    pub(super) async fn ask(&mut self, id: impl Into<Value>, text: &str) -> Value {
        let id = id.into();
        self.say(text).await;
        loop {
            let message: Value = serde_json::from_str(&self.heard().await).unwrap();
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
        }
    }

    /// Closes its input, and waits until it has ended well.
    pub(super) async fn close(mut self) {
        drop(self.input);
        let ended = tokio::time::timeout(HANGS, self.process.wait()).await;
        assert!(ended.expect("the bridge ends with its input").unwrap().success());
    }
}
