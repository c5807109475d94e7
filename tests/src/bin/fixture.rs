//! An MCP server on standard streams that does what it is told, also what no server should: the gate's tests start it as
//! a registered server. Its arguments say how it behaves as a process, each call's argument `how` what that call does.
//!
//! It keeps a log of its own life where `--log FILE` names one, so that a test can say in which order it was ended.
#![expect(clippy::indexing_slicing, reason = "a fixture: what a message does not hold reads as null")]
#![expect(clippy::expect_used, reason = "a fixture that cannot work ends at once, and its test fails")]

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tests::{listing, said};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// A process that nobody ended ends by itself after this long, so that no failed test leaves one behind.
const LIFE: Duration = Duration::from_secs(600);

/// How the process behaves.
#[derive(Debug, Default)]
struct Manners {
    log: Option<PathBuf>,
    ignores_eof: bool,
    ignores_term: bool,
    legacy: bool,
    modern: bool,
    says: Option<String>,
    /// A folder where every line it hears is kept, as it came, and where it finds what to say.
    tape: Option<PathBuf>,
    /// A file with the array of tools that it lists, read anew for each listing.
    tools: Option<PathBuf>,
}

fn manners() -> Manners {
    let mut manners = Manners { legacy: true, modern: true, ..Manners::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--log" => manners.log = words.next().map(PathBuf::from),
            "--ignores-eof" => manners.ignores_eof = true,
            "--ignores-term" => manners.ignores_term = true,
            "--legacy" => manners.modern = false,
            "--modern" => manners.legacy = false,
            "--says" => manners.says = words.next(),
            "--tools" => manners.tools = words.next().map(PathBuf::from),
            "--tape" => manners.tape = words.next().map(PathBuf::from),
            "--dies" => std::process::exit(4),
            // It lives, and never reads.
            "--deaf" => std::thread::sleep(LIFE),
            other => complain(&format!("the fixture knows no `{other}`")),
        }
    }
    manners
}

fn complain(text: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "{text}").expect("standard error is open");
}

/// What the running server remembers.
#[derive(Debug)]
struct Server {
    manners: Manners,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: HashMap<String, oneshot::Sender<Value>>,
    questions: u64,
    changed: bool,
    listening: Vec<Value>,
    /// The id of the last listen request, as it was written.
    listen: String,
}

impl Server {
    fn log(&self, what: &str) {
        let Some(path) = &self.manners.log else { return };
        let mut file =
            std::fs::OpenOptions::new().append(true).create(true).open(path).expect("the log can be written");
        writeln!(file, "{} {what}", std::process::id()).expect("the log can be written");
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tools(&self) -> Vec<Value> {
        if let Some(path) = &self.manners.tools {
            let text = std::fs::read_to_string(path).expect("the file of tools can be read");
            return serde_json::from_str(&text).expect("the file of tools is an array");
        }
        let mut tools = listing();
        if self.state().changed {
            for tool in tools.iter_mut().filter(|tool| tool["name"] == "shifty") {
                tool["description"] = json!("Now it does something else.");
            }
        }
        tools
    }

    /// Keeps a line as it came, and answers a request with the lines of the file `say`, as they stand: `@@id@@` is the
    /// request's id as written, `@@listen@@` that of the last listen request. Without such a file it answers by itself.
    fn replay(&self, folder: &Path, text: &str) {
        let mut heard = std::fs::OpenOptions::new().append(true).create(true).open(folder.join("heard"));
        let kept = heard.as_mut().map(|file| file.write_all(format!("{text}\n").as_bytes()));
        kept.expect("the tape can be written").expect("the tape can be written");
        let members = pdp::json::members(text).unwrap_or_default();
        let raw = |name: &str| members.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        let (Some(id), Some(method)) = (raw("id"), raw("method").map(|m| m.trim_matches('"'))) else { return };
        if method == "subscriptions/listen" {
            id.clone_into(&mut self.state().listen);
        }
        let script = std::fs::read_to_string(folder.join("say"));
        let lines = script.unwrap_or_else(|_| {
            let result = match method {
                "initialize" => {
                    r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"tape","version":"1"}}"#
                        .to_owned()
                }
                "tools/list" => std::fs::read_to_string(folder.join("tools")).unwrap_or_default(),
                _ => std::fs::read_to_string(folder.join("result")).unwrap_or_else(|_| "{}".to_owned()),
            };
            format!("{{\"jsonrpc\":\"2.0\",\"id\":@@id@@,\"result\":{result}}}")
        });
        let listen = self.state().listen.clone();
        for said in lines.lines() {
            line(said.replace("@@id@@", id).replace("@@listen@@", &listen).as_bytes());
        }
    }

    fn take(self: &Arc<Self>, text: &str) {
        if let Some(folder) = &self.manners.tape {
            return self.replay(folder, text);
        }
        let Ok(message) = serde_json::from_str::<Value>(text) else { return complain("not JSON") };
        let id = message.get("id").cloned();
        match (message["method"].as_str(), id) {
            (Some(method), Some(id)) => {
                let (server, method) = (Arc::clone(self), method.to_owned());
                tokio::spawn(async move { server.request(&method, id, &message["params"]).await });
            }
            (Some("notifications/cancelled"), None) => {
                self.log(&format!("cancelled {}", message["params"]["requestId"]));
            }
            (Some(method), None) => self.log(&format!("heard {method}")),
            (None, Some(id)) => {
                let asked = self.state().asked.remove(&id.to_string());
                match asked {
                    // Whoever asked may have ended.
                    Some(asked) => drop(asked.send(message)),
                    None => self.log(&format!("unasked {id}")),
                }
            }
            (None, None) => complain("neither request nor answer"),
        }
    }

    async fn request(self: Arc<Self>, method: &str, id: Value, params: &Value) {
        let refused = |code: i64, words: &str| json!({ "code": code, "message": words });
        let answer = match method {
            "initialize" if self.manners.legacy => Ok(json!({
                "protocolVersion": params["protocolVersion"], "capabilities": { "tools": { "listChanged": true } },
                "serverInfo": { "name": "fixture", "version": "1" },
            })),
            "server/discover" if self.manners.modern => Ok(json!({
                "supportedVersions": ["2026-07-28"], "capabilities": { "tools": { "listChanged": true } },
                "serverInfo": { "name": "fixture", "version": "1" }, "resultType": "complete",
                "ttlMs": 0, "cacheScope": "private",
            })),
            "ping" => Ok(json!({})),
            "tools/list" => Ok(json!({ "tools": self.tools() })),
            "tools/call" => match self.call(&id, params).await {
                Some(result) => Ok(result),
                None => return,
            },
            "subscriptions/listen" => {
                let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
                self.state().listening.push(id);
                let mut honoured = json!({});
                if params["notifications"]["toolsListChanged"] == true {
                    honoured["toolsListChanged"] = json!(true);
                }
                notify("notifications/subscriptions/acknowledged", json!({ "notifications": honoured, "_meta": meta }));
                return;
            }
            other => Err(refused(-32601, &format!("no method {other}"))),
        };
        match answer {
            Ok(result) => say(&json!({ "jsonrpc": "2.0", "id": id, "result": result })),
            Err(error) => say(&json!({ "jsonrpc": "2.0", "id": id, "error": error })),
        }
    }

    /// Makes a call; nothing where it is never answered.
    async fn call(&self, id: &Value, params: &Value) -> Option<Value> {
        let arguments = &params["arguments"];
        let text = arguments["text"].as_str().unwrap_or_default();
        let n = arguments["n"].as_u64().unwrap_or(3);
        let how = arguments["how"].as_str().unwrap_or_default();
        self.log(&format!("called {} {how}", params["name"].as_str().unwrap_or_default()));
        match how {
            "env" => {
                let all: std::collections::BTreeMap<String, String> = std::env::vars().collect();
                return Some(said(&json!(all).to_string()));
            }
            "pid" => return Some(said(&std::process::id().to_string())),
            "crash" => std::process::exit(3),
            "hang" => return None,
            "slow" => tokio::time::sleep(Duration::from_millis(n)).await,
            "stderr" => complain(text),
            "huge" => return Some(said(&"x".repeat(usize::try_from(n).unwrap_or(0)))),
            "progress" => progress(&params["_meta"]["progressToken"], text, n).await,
            "ask" => return Some(said(&self.ask(text, None).await.to_string())),
            "collide" => return Some(said(&self.ask("roots/list", Some(id.clone())).await.to_string())),
            "garbage" => garbage(),
            "unasked" => say(&json!({ "jsonrpc": "2.0", "id": 987_654, "result": said("for nobody") })),
            "twice" => say(&json!({ "jsonrpc": "2.0", "id": id, "result": said("first") })),
            "log" => notify("notifications/message", json!({ "level": "info", "data": text })),
            "change" => self.change(),
            _ => {}
        }
        Some(said(text))
    }

    fn change(&self) {
        self.state().changed = true;
        let listening = self.state().listening.clone();
        if listening.is_empty() {
            notify("notifications/tools/list_changed", json!({}));
        }
        for id in listening {
            let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
            notify("notifications/tools/list_changed", json!({ "_meta": meta }));
        }
    }

    /// Asks the client, and answers with the client's whole answer.
    async fn ask(&self, method: &str, id: Option<Value>) -> Value {
        let (asked, answered) = oneshot::channel();
        let id = {
            let mut state = self.state();
            state.questions += 1;
            let id = id.unwrap_or_else(|| json!(format!("question-{}", state.questions)));
            state.asked.insert(id.to_string(), asked);
            id
        };
        say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} }));
        answered.await.unwrap_or_default()
    }
}

async fn progress(token: &Value, text: &str, n: u64) {
    for step in 1..=n {
        let message = format!("{text} {step}");
        notify(
            "notifications/progress",
            json!({ "progressToken": token, "progress": step, "total": n, "message": message }),
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn garbage() {
    line(b"npm warn deprecated everything");
    line(b"{\"level\":\"info\",\"msg\":\"JSON, but no JSON-RPC\"}");
    line(b"\xff\xfe not text");
    line(b"{\"jsonrpc\":\"2.0\"");
    line(b"");
}

fn notify(method: &str, params: Value) {
    say(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
}

fn say(message: &Value) {
    line(message.to_string().as_bytes());
}

fn line(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    // A gate that has closed the pipe hears nothing more; what it does then is what the tests look at.
    let _closed = stdout.write_all(bytes).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = Arc::new(Server { manners: manners(), state: Mutex::default() });
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be heard");
    server.log("started");
    if let Some(text) = &server.manners.says {
        complain(text);
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut open = true;
    let end = tokio::time::sleep(LIFE);
    let mut end = std::pin::pin!(end);
    loop {
        tokio::select! {
            read = lines.next_line(), if open => match read {
                Ok(Some(text)) => server.take(&text),
                Ok(None) | Err(_) => {
                    server.log("input closed");
                    open = false;
                    if !server.manners.ignores_eof {
                        break;
                    }
                }
            },
            _ = terminate.recv() => {
                server.log("SIGTERM");
                if !server.manners.ignores_term {
                    break;
                }
            }
            () = &mut end => break,
        }
    }
    server.log("ended");
    // The thread that reads standard input would keep the process.
    std::process::exit(0);
}
