//! An MCP server behind HTTP, down to the bytes: it says what a test tells it to say, also what no HTTP library would.
//!
//! Calls of `look` and `act` are scripted by their argument `how`; the answer of `how = "raw"` is set by the test.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tests::{listing, said};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::client::find;

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) verb: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which connection it came over, counted from 0.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn message(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The id as it was written: a parsed one may have lost digits.
    pub(crate) fn id(&self) -> String {
        let members = pdp::json::members(&self.body).unwrap_or_default();
        members.iter().find(|(name, _)| name == "id").map_or("null", |(_, id)| *id).to_owned()
    }

    pub(crate) fn method(&self) -> String {
        self.message()["method"].as_str().unwrap_or_default().to_owned()
    }
}

/// What is answered to `how = "raw"`, and to methods a test has scripted. `{id}` stands for the request's id.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// A body of JSON, or of what should be.
    Json(String),
    /// A stream of these events' data, then its end.
    Events(Vec<String>),
    /// These bytes, head and all, then the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, head and all, and the connection stays open.
    Open(Vec<u8>),
    /// A body of JSON, or of what should be, each piece in a chunk of its own. `{id}` is looked for in short pieces.
    Chunks {
        pieces: Vec<Bytes>,
        /// Whether the body's end is told. If not, the connection breaks where it should be.
        whole: bool,
    },
}

impl Script {
    pub(crate) fn json(text: &str) -> Self {
        Self::Json(text.to_owned())
    }

    pub(crate) fn events(data: &[&str]) -> Self {
        Self::Events(data.iter().map(|text| (*text).to_owned()).collect())
    }

    pub(crate) fn chunks(pieces: Vec<Bytes>) -> Self {
        Self::Chunks { pieces, whole: true }
    }

    /// A whole response: status line, headers, body. `Content-Length` is not added.
    pub(crate) fn response(head: &str, body: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {head}\r\n\r\n{body}").into_bytes())
    }
}

/// What the server remembers, and what a test changes.
#[derive(Debug, Default)]
pub(crate) struct State {
    seen: Mutex<Vec<Seen>>,
    scripts: Mutex<HashMap<String, Script>>,
    changed: Mutex<bool>,
    sessions: Mutex<Vec<String>>,
    asked: Mutex<HashMap<String, oneshot::Sender<Value>>>,
    streams: Mutex<Vec<mpsc::UnboundedSender<String>>>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    /// `how = "steps"` sends one event per permit.
    pub(crate) steps: Arc<Semaphore>,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Upstream {
    /// Starts a server on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    /// Starts a server at this address.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, steps, stop) = (Arc::default(), Arc::new(Semaphore::new(0)), CancellationToken::new());
        let serving = tokio::spawn(accept(listener, Arc::clone(&state), Arc::clone(&steps), stop.clone()));
        Self { address, state, steps, stop, serving }
    }

    /// Its endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Ends it, with every connection. Returns when its port is free.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
    }

    /// What arrived so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    /// What arrived with this method.
    pub(crate) fn seen_of(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method() == method).collect()
    }

    /// What arrived since this was last asked.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.state.seen.lock().unwrap())
    }

    /// What is answered to a method (`tools/list`, ...), or with the name `raw` to calls of that kind.
    pub(crate) fn script(&self, what: &str, script: Script) {
        self.state.scripts.lock().unwrap().insert(what.to_owned(), script);
    }

    /// Answers a method as usual again.
    pub(crate) fn unscript(&self, what: &str) {
        self.state.scripts.lock().unwrap().remove(what);
    }

    /// Changes what `shifty` is from now on.
    pub(crate) fn change(&self) {
        *self.state.changed.lock().unwrap() = true;
    }

    /// Sends a message down every open stream of the server's own messages. Answers how many there are.
    pub(crate) fn tell(&self, message: &Value) -> usize {
        self.tell_text(&message.to_string())
    }

    /// The same, with the message as it is written.
    pub(crate) fn tell_text(&self, message: &str) -> usize {
        let mut streams = self.state.streams.lock().unwrap();
        let data = message.replace('\n', "\ndata: ");
        streams.retain(|stream| stream.send(format!("data: {data}\n\n")).is_ok());
        streams.len()
    }

    /// Forgets every session.
    pub(crate) fn forget_sessions(&self) {
        self.state.sessions.lock().unwrap().clear();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, steps: Arc<Semaphore>, stop: CancellationToken) {
    let mut serving = tokio::task::JoinSet::new();
    for connection in 0.. {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            () = stop.cancelled() => break,
        };
        // Events are written one by one: held back until the last was acknowledged, each would cost 40 ms.
        stream.set_nodelay(true).unwrap();
        let mut peer = Peer { stream, connection, state: Arc::clone(&state), steps: Arc::clone(&steps) };
        serving.spawn(async move { peer.serve().await });
    }
    drop(listener);
    serving.shutdown().await;
}

/// One connection.
struct Peer {
    stream: TcpStream,
    connection: usize,
    state: Arc<State>,
    steps: Arc<Semaphore>,
}

/// The connection is of no more use.
struct Over;

type Told = Result<(), Over>;

impl Peer {
    async fn serve(&mut self) {
        let mut buffer = Vec::new();
        while let Some(seen) = self.read(&mut buffer).await {
            self.state.seen.lock().unwrap().push(seen.clone());
            if self.respond(seen).await.is_err() {
                return;
            }
        }
    }

    async fn read(&mut self, buffer: &mut Vec<u8>) -> Option<Seen> {
        let end = loop {
            match find(buffer, b"\r\n\r\n") {
                Some(at) => break at,
                None => self.fill(buffer).await?,
            }
        };
        let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let verb = lines.next()?.split(' ').next()?.to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
        while buffer.len() < end + 4 + length {
            self.fill(buffer).await?;
        }
        let body = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
        buffer.drain(..end + 4 + length);
        Some(Seen { verb, headers, body, connection: self.connection })
    }

    async fn fill(&mut self, buffer: &mut Vec<u8>) -> Option<()> {
        let mut bytes = vec![0; 64 << 10];
        let count = self.stream.read(&mut bytes).await.unwrap_or(0);
        buffer.extend_from_slice(&bytes[..count]);
        (count > 0).then_some(())
    }

    async fn respond(&mut self, seen: Seen) -> Told {
        let session = seen.header("mcp-session-id").map(str::to_owned);
        if session.is_some_and(|id| !self.state.sessions.lock().unwrap().contains(&id)) {
            return self.whole("404 Not Found", "", "").await;
        }
        match seen.verb.as_str() {
            "GET" => return self.own_messages(&seen).await,
            "DELETE" => {
                let id = seen.header("mcp-session-id").unwrap_or_default().to_owned();
                self.state.sessions.lock().unwrap().retain(|known| *known != id);
                return self.whole("200 OK", "", "").await;
            }
            _ => {}
        }
        let message = seen.message();
        let id = message["id"].clone();
        let script = self.state.scripts.lock().unwrap().get(&seen.method()).cloned();
        if let Some(script) = script {
            return self.scripted(script, &seen.id()).await;
        }
        match message["method"].as_str() {
            None => {
                let asked = self.state.asked.lock().unwrap().remove(&id.to_string());
                asked.map(|asked| asked.send(message));
                self.whole("202 Accepted", "", "").await
            }
            Some(_) if id.is_null() => self.whole("202 Accepted", "", "").await,
            Some("initialize") => {
                let session = {
                    let mut sessions = self.state.sessions.lock().unwrap();
                    let session = format!("session-{}-{}", self.connection, sessions.len());
                    sessions.push(session.clone());
                    session
                };
                let result = json!({
                    "protocolVersion": message["params"]["protocolVersion"], "capabilities": { "tools": {} },
                    "serverInfo": { "name": "fixture", "version": "1" },
                });
                self.json(&format!("mcp-session-id: {session}\r\n"), &answer(&id, result)).await
            }
            Some("tools/list") => {
                let mut tools = listing();
                if *self.state.changed.lock().unwrap() {
                    for tool in tools.iter_mut().filter(|tool| tool["name"] == "shifty") {
                        tool["description"] = json!("Now it does something else.");
                    }
                }
                self.json("", &answer(&id, json!({ "tools": tools }))).await
            }
            Some("tools/call") => self.call(&id, &message["params"]).await,
            Some("server/discover") => {
                let result = json!({
                    "supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete", "ttlMs": 0,
                    "cacheScope": "public", "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "web", "version": "1" } },
                });
                self.json("", &answer(&id, result)).await
            }
            Some(_) => {
                let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}", seen.id());
                self.json("", &text).await
            }
        }
    }

    async fn call(&mut self, id: &Value, params: &Value) -> Told {
        let arguments = &params["arguments"];
        let text = arguments["text"].as_str().unwrap_or("done");
        let n = arguments["n"].as_u64().unwrap_or(3);
        let token = &params["_meta"]["progressToken"];
        let done = answer(id, said(text));
        let step = |at: u64| {
            let params =
                json!({ "progressToken": token, "progress": at, "total": n, "message": format!("{text} {at}") });
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }).to_string()
        };
        match arguments["how"].as_str().unwrap_or_default() {
            "sse" => self.scripted(Script::Events(vec![done]), &id.to_string()).await,
            "progress" => {
                let events = (1..=n).map(step).chain([done]).collect();
                self.scripted(Script::Events(events), &id.to_string()).await
            }
            "steps" => {
                self.begin_stream("").await?;
                for data in (1..=n).map(step).chain([done]) {
                    self.steps.acquire().await.unwrap().forget();
                    self.event(&format!("data: {data}\n\n")).await?;
                }
                self.write(b"0\r\n\r\n").await
            }
            "resumable" => {
                self.begin_stream("").await?;
                self.event("id: 1-0\nretry: 50\ndata: \n\n").await?;
                self.event(&format!("id: 1-1\ndata: {}\n\n", step(1))).await?;
                self.write(b"0\r\n\r\n").await
            }
            "ask" => self.ask(id, text).await,
            "log" => {
                let said = json!({ "level": "info", "data": text });
                let log = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": said }).to_string();
                self.scripted(Script::Events(vec![log, done]), &id.to_string()).await
            }
            "slow" => {
                tokio::time::sleep(Duration::from_millis(n)).await;
                self.json("", &done).await
            }
            "hang" => {
                // Until the gate gives the connection up.
                let _closed = self.stream.read(&mut [0; 64]).await;
                Err(Over)
            }
            "raw" => {
                let script = self.state.scripts.lock().unwrap().get("raw").cloned();
                self.scripted(script.unwrap_or(Script::Json(done)), &id.to_string()).await
            }
            _ => self.json("", &done).await,
        }
    }

    /// Asks the client on the stream of this call, and answers the call with the client's whole answer.
    async fn ask(&mut self, id: &Value, method: &str) -> Told {
        let question = format!("question-{}", self.connection);
        let (asked, answered) = oneshot::channel();
        self.state.asked.lock().unwrap().insert(json!(question).to_string(), asked);
        self.begin_stream("").await?;
        let text = json!({ "jsonrpc": "2.0", "id": question, "method": method, "params": {} });
        self.event(&format!("data: {text}\n\n")).await?;
        let heard: Value = answered.await.unwrap_or_default();
        self.event(&format!("data: {}\n\n", answer(id, said(&heard.to_string())))).await?;
        self.write(b"0\r\n\r\n").await
    }

    async fn own_messages(&mut self, seen: &Seen) -> Told {
        let script = self.state.scripts.lock().unwrap().get("stream").cloned();
        if let Some(script) = script {
            return self.scripted(script, "null").await;
        }
        let (sender, mut messages) = mpsc::unbounded_channel();
        self.state.streams.lock().unwrap().push(sender);
        self.begin_stream("").await?;
        if let Some(last) = seen.header("last-event-id") {
            self.event(&format!("id: after-{last}\ndata: \n\n")).await?;
        }
        while let Some(text) = messages.recv().await {
            self.event(&text).await?;
        }
        Ok(())
    }

    async fn scripted(&mut self, script: Script, id: &str) -> Told {
        let with_id = |text: &str| text.replace("{id}", id);
        match script {
            Script::Json(text) => self.json("", &with_id(&text)).await,
            Script::Events(all) => {
                self.begin_stream("").await?;
                for data in all {
                    let data = with_id(&data).replace('\n', "\ndata: ");
                    self.event(&format!("data: {data}\n\n")).await?;
                }
                self.write(b"0\r\n\r\n").await
            }
            Script::Bytes(bytes) => {
                let replaced = replace(&bytes, b"{id}", id.as_bytes());
                self.write(&replaced).await?;
                Err(Over)
            }
            Script::Open(bytes) => {
                let replaced = replace(&bytes, b"{id}", id.as_bytes());
                self.write(&replaced).await
            }
            Script::Chunks { pieces, whole } => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
                self.write(head.as_bytes()).await?;
                for piece in pieces {
                    let piece = if piece.len() < 1024 { replace(&piece, b"{id}", id.as_bytes()).into() } else { piece };
                    self.write(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                    self.write(&piece).await?;
                    self.write(b"\r\n").await?;
                }
                if whole { self.write(b"0\r\n\r\n").await } else { Err(Over) }
            }
        }
    }

    async fn json(&mut self, more: &str, body: &str) -> Told {
        self.whole("200 OK", &format!("content-type: application/json\r\n{more}"), body).await
    }

    async fn whole(&mut self, status: &str, more: &str, body: &str) -> Told {
        let text = format!("HTTP/1.1 {status}\r\n{more}content-length: {}\r\n\r\n{body}", body.len());
        self.write(text.as_bytes()).await
    }

    async fn begin_stream(&mut self, more: &str) -> Told {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{more}\r\n");
        self.write(head.as_bytes()).await
    }

    async fn event(&mut self, text: &str) -> Told {
        self.write(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Told {
        self.stream.write_all(bytes).await.map_err(|_| Over)
    }
}

fn answer(id: &Value, result: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

fn replace(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = find(rest, what) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(with);
        rest = &rest[at + what.len()..];
    }
    out.extend_from_slice(rest);
    out
}
