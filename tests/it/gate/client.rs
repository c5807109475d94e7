//! A client of the gate down to the bytes: what is sent is what stands in the test, what comes back is read as HTTP/1.1.
//!
//! No HTTP library: one would mend, refuse or hide what these tests are about.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{ADA, HANGS};

/// A request before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether `Content-Length` is written as the body is.
    pub(crate) sized: bool,
}

impl Request {
    /// A good POST of `body` by the agent `ada`.
    pub(crate) fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = [
            ("host", "localhost"),
            ("authorization", &format!("Bearer {ADA}")),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Self { verb: "POST".to_owned(), path: path.to_owned(), headers, body: body.into(), sized: true }
    }

    /// A request without a body.
    pub(crate) fn bare(verb: &str, path: &str) -> Self {
        Self { verb: verb.to_owned(), ..Self::post(path, "") }.without("content-type")
    }

    /// With a header added.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    /// With a header replaced.
    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    /// With another token.
    pub(crate) fn token(self, token: &str) -> Self {
        self.set("authorization", &format!("Bearer {token}"))
    }

    /// With another HTTP method.
    pub(crate) fn verb(mut self, verb: &str) -> Self {
        self.verb = verb.to_owned();
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.verb, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.sized && (!self.body.is_empty() || self.verb == "POST") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Sends it over a connection of its own, and reads the whole answer.
    pub(crate) async fn send(&self, to: SocketAddr) -> Answer {
        let mut wire = self.open(to).await;
        wire.answer().await
    }

    /// Sends it over a connection of its own, and takes what comes until that is closed, however it is closed. Nothing
    /// where not even a head came.
    pub(crate) async fn receive(&self, to: SocketAddr) -> Option<Received> {
        let mut stream = TcpStream::connect(to).await.ok()?;
        stream.set_nodelay(true).ok()?;
        // A gate that is gone reads no more; what came back before counts.
        let _closed = stream.write_all(&self.clone().with("connection", "close").bytes()).await;
        let mut raw = Vec::new();
        let reading = async { while matches!(stream.read_buf(&mut raw).await, Ok(1..)) {} };
        tokio::time::timeout(HANGS, reading).await.unwrap_or_else(|_| panic!("no end of the answer to {self:?}"));
        Received::of(&raw)
    }

    /// Sends it over a connection of its own.
    pub(crate) async fn open(&self, to: SocketAddr) -> Wire {
        let mut wire = Wire::connect(to).await;
        wire.write(&self.bytes()).await;
        wire
    }
}

/// An HTTP answer, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The JSON-RPC message: the body, or the last event's data.
    pub(crate) fn message(&self) -> Value {
        let streamed = self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let last = self.body.lines().rev().find_map(|line| line.strip_prefix("data: "));
        let text = if streamed { last.unwrap_or_default() } else { &self.body };
        serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }

    /// The data of every event, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// What the gate says of a refusal: its code and the record's number.
    pub(crate) fn refusal(&self) -> Option<(String, u64)> {
        refusal_in(&self.message())
    }
}

/// What came of an HTTP answer.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether HTTP says that this is all of it.
    pub(crate) whole: bool,
}

impl Received {
    /// Of everything that came over a connection; nothing where not even a head came.
    pub(crate) fn of(raw: &[u8]) -> Option<Self> {
        let end = find(raw, b"\r\n\r\n")?;
        let (status, headers) = head_of(&raw[..end]);
        let rest = &raw[end + 4..];
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let (body, whole) = match (value("transfer-encoding"), value("content-length")) {
            (Some(_), _) => dechunked(rest),
            (None, Some(length)) => (rest.to_vec(), rest.len() == length.parse::<usize>().unwrap()),
            (None, None) => (rest.to_vec(), false),
        };
        Some(Self { status, headers, body, whole })
    }

    /// The answer, if it is whole.
    pub(crate) fn answer(self) -> Option<Answer> {
        let Self { status, headers, body, whole } = self;
        whole.then(|| Answer { status, headers, body: String::from_utf8(body).unwrap() })
    }
}

/// The chunks' content, and whether the last one came.
fn dechunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line) = find(rest, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        rest = &rest[line + 2..];
        if size == 0 {
            return (body, rest == b"\r\n");
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

/// A head's status and headers, with lower-case names.
fn head_of(bytes: &[u8]) -> (u16, Vec<(String, String)>) {
    let head = String::from_utf8_lossy(bytes);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    (status, headers.collect())
}

/// The refusal that a JSON-RPC message carries.
pub(crate) fn refusal_in(message: &Value) -> Option<(String, u64)> {
    let name = "dev.wicketgate/refusal";
    let facts = message["error"]["data"].get(name).or_else(|| message["result"]["_meta"].get(name))?;
    Some((facts["code"].as_str()?.to_owned(), facts["record"].as_u64()?))
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunks,
    Close,
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sse {
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: String,
}

impl Sse {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    raw: Vec<u8>,
    body: Vec<u8>,
    framing: Framing,
    over: bool,
}

impl Wire {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, raw: Vec::new(), body: Vec::new(), framing: Framing::Close, over: false }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // A gate that has answered and closed already reads no more; its answer is what counts.
        let _closed = self.stream.write_all(bytes).await;
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads one whole answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let (status, headers) = self.head().await;
        let body = self.body().await;
        Answer { status, headers, body }
    }

    /// Reads the rest of a body.
    pub(crate) async fn body(&mut self) -> String {
        while self.more().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.body)).into_owned()
    }

    /// Reads an answer's head: its status and headers, with lower-case names.
    pub(crate) async fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let end = loop {
            if let Some(at) = find(&self.raw, b"\r\n\r\n") {
                break at;
            }
            assert!(self.read().await, "the connection was closed without an answer: {:?}", self.shown());
        };
        let (status, headers) = head_of(&self.raw[..end]);
        self.raw.drain(..end + 4);
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        self.framing = match (value("transfer-encoding"), value("content-length")) {
            (Some(_), _) => Framing::Chunks,
            (None, Some(length)) => Framing::Length(length.parse().unwrap()),
            (None, None) => Framing::Close,
        };
        self.over = status == 204 || self.framing == Framing::Length(0);
        (status, headers)
    }

    /// The next event with data or an id; nothing at the end of the stream. Comments are passed over.
    pub(crate) async fn event(&mut self) -> Option<Sse> {
        loop {
            if let Some(at) = find(&self.body, b"\n\n") {
                let text: Vec<u8> = self.body.drain(..at + 2).collect();
                let text = String::from_utf8(text).unwrap();
                let field = |name: &str| {
                    let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(name)).collect();
                    (!found.is_empty()).then(|| found.join("\n"))
                };
                let (id, retry, data) = (field("id: "), field("retry: "), field("data: "));
                if id.is_none() && data.is_none() {
                    continue;
                }
                return Some(Sse { id, retry, data: data.unwrap_or_default() });
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Whether an event comes within a time. For what must not come: a generous wait that a right gate sits out.
    pub(crate) async fn is_silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.event()).await.is_err()
    }

    /// Reads more of the body; false at its end.
    async fn more(&mut self) -> bool {
        loop {
            if self.over {
                return false;
            }
            match self.framing {
                Framing::Length(left) if !self.raw.is_empty() => {
                    let taken: Vec<u8> = self.raw.drain(..left.min(self.raw.len())).collect();
                    self.framing = Framing::Length(left - taken.len());
                    self.over = left == taken.len();
                    self.body.extend(taken);
                    return true;
                }
                Framing::Chunks => {
                    if let Some(chunk) = self.chunk() {
                        self.over = chunk.is_empty();
                        self.body.extend(chunk);
                        return !self.over;
                    }
                }
                Framing::Length(_) | Framing::Close => {
                    if !self.raw.is_empty() {
                        self.body.append(&mut self.raw);
                        return true;
                    }
                }
            }
            if !self.read().await {
                assert!(self.framing == Framing::Close, "the body was cut off: {:?}", self.shown());
                self.over = true;
            }
        }
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = find(&self.raw, b"\r\n")?;
        let size = std::str::from_utf8(&self.raw[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if self.raw.len() < end + 4 + size {
            return None;
        }
        let chunk = self.raw[end + 2..end + 2 + size].to_vec();
        self.raw.drain(..end + 4 + size);
        Some(chunk)
    }

    async fn read(&mut self) -> bool {
        let mut bytes = vec![0; 16 << 10];
        let read = tokio::time::timeout(HANGS, self.stream.read(&mut bytes)).await;
        let count = read.unwrap_or_else(|_| panic!("no answer: {:?}", self.shown())).unwrap_or(0);
        self.raw.extend_from_slice(&bytes[..count]);
        count > 0
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.raw).chars().take(400).collect()
    }
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|w| w == what)
}

/// A JSON-RPC request's text.
pub(crate) fn rpc(id: impl Into<Value>, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params }).to_string()
}

/// A `tools/call`.
pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> String {
    rpc(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

/// The text of a tool result.
pub(crate) fn text_of(message: &Value) -> &str {
    message["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {message}"))
}

/// A client that holds a legacy session, or speaks the modern revision without one.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) to: SocketAddr,
    pub(crate) path: String,
    pub(crate) token: String,
    /// The session; nothing for a modern client.
    pub(crate) session: Option<String>,
}

impl Agent {
    /// Opens a legacy session.
    pub(crate) async fn legacy(to: SocketAddr, server: &str, token: &str) -> Self {
        let mut agent = Self { to, path: format!("/{server}/mcp"), token: token.to_owned(), session: None };
        let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let answer = agent.posting(rpc(0, "initialize", opening)).send(to).await;
        assert!(answer.status == 200 && answer.message().get("result").is_some(), "{answer:?}");
        agent.session = Some(answer.header("mcp-session-id").unwrap().to_owned());
        let heard =
            agent.posting(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned()).send(to).await;
        assert_eq!(heard.status, 202, "{heard:?}");
        agent
    }

    /// A modern client.
    pub(crate) fn modern(to: SocketAddr, server: &str, token: &str) -> Self {
        Self { to, path: format!("/{server}/mcp"), token: token.to_owned(), session: None }
    }

    /// A message as this client sends it.
    pub(crate) fn posting(&self, text: String) -> Request {
        self.dressed(Request::post(&self.path, text))
    }

    /// A GET for the stream of the server's own messages.
    pub(crate) fn listening(&self) -> Request {
        self.dressed(Request::bare("GET", &self.path)).set("accept", "text/event-stream")
    }

    /// A DELETE of the session.
    pub(crate) fn leaving(&self) -> Request {
        self.dressed(Request::bare("DELETE", &self.path))
    }

    fn dressed(&self, request: Request) -> Request {
        let request = request.token(&self.token);
        match &self.session {
            Some(session) => request.with("mcp-session-id", session).with("mcp-protocol-version", "2025-11-25"),
            None => request,
        }
    }

    /// A modern request: with its `_meta` and the headers that mirror the body.
    pub(crate) fn stateless(&self, id: impl Into<Value>, method: &str, mut params: Value) -> Request {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
        });
        let given = params["_meta"].as_object().cloned().unwrap_or_default();
        params["_meta"] = meta;
        params["_meta"].as_object_mut().unwrap().extend(given);
        let name = params["name"].as_str().map(str::to_owned);
        let request = Request::post(&self.path, rpc(id, method, params)).token(&self.token);
        let request = request.with("mcp-protocol-version", "2026-07-28").with("mcp-method", method);
        match name {
            Some(name) => request.with("mcp-name", &name),
            None => request,
        }
    }

    /// A tool call, and the message it is answered with.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.posting(call(1, tool, arguments)).send(self.to).await.message()
    }

    /// A tool call of a modern client.
    pub(crate) async fn call_stateless(&self, id: impl Into<Value>, tool: &str, arguments: Value) -> Answer {
        self.stateless(id, "tools/call", json!({ "name": tool, "arguments": arguments })).send(self.to).await
    }
}
