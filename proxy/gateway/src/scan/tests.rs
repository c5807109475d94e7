//! Scans servers that are made to be awkward: in both eras, over a pipe, a child process and HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking, and indexes what it has just made"
)]

mod draft;
mod http;
mod http_sse;
mod stdio;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::time::Instant;

use super::fault::{self, ScanFault};
use super::recording::{Recording, pump};
use super::{Scan, session};

/// A tool with members nobody has heard of at several depths, `execution`, and numbers that no double holds.
const AWKWARD: &str = r#"{"name":"awkward","x-vendor":{"a":[1,{"b":null}]},"description":"d","execution":{"taskSupport":"optional","extra":true},"inputSchema":{"type":"object","properties":{"n":{"type":"integer","maximum":9007199254740993,"multipleOf":12345678901234567890123456789,"x-unit":"ms"},"f":{"const":1.0},"e":{"const":1e2},"u":{"const":18446744073709551615}},"required":["n"],"x-deep":{"y":[{"z":[{"w":-9007199254740995}]}]}},"annotations":{"readOnlyHint":true,"x-hint":"v"},"icons":[{"src":"data:,","x":1}],"_meta":{"k":{"v":0.70}}}"#;
/// A tool that rmcp's type cannot hold at all: no schema, and annotations that are no object.
const UNTYPABLE: &str = r#"{"name":"untypable","annotations":"yes"}"#;
/// A tool whose text is spread over white space.
const SPACED: &str =
    "{ \"name\" : \"spaced\",\t\"inputSchema\" : { \"type\" : \"object\" } , \"description\":\"a \\\" b  c\" }";

/// How a scripted server behaves.
#[derive(Clone)]
struct Script {
    modern: bool,
    /// Leaves `server/discover` unanswered, as some old servers do.
    silent_on_discover: bool,
    capabilities: Value,
    /// The raw text of each page's tools; page `n` leads to page `n + 1`.
    pages: Vec<String>,
    /// Replaces every answer to `tools/list`.
    answer: Option<Value>,
    /// Replaces the cursor of the last page.
    last_cursor: Option<String>,
}

impl Script {
    fn new(modern: bool, pages: &[&[&str]]) -> Self {
        Self {
            modern,
            silent_on_discover: false,
            capabilities: json!({"tools": {}}),
            pages: pages.iter().map(|tools| tools.join(", ")).collect(),
            answer: None,
            last_cursor: None,
        }
    }

    /// The answer to one message, if it has one, as raw text.
    fn reply(&self, message: &Value) -> Option<String> {
        let id = message.get("id")?;
        let body = match message["method"].as_str()? {
            "server/discover" if self.silent_on_discover => return None,
            "server/discover" if self.modern => {
                let result = json!({
                    "supportedVersions": ["2026-07-28"], "capabilities": self.capabilities, "instructions": "be kind",
                    "resultType": "complete", "ttlMs": 0, "cacheScope": "public",
                    "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "scripted", "version": "7"}},
                });
                format!(r#""result":{result}"#)
            }
            "initialize" if !self.modern => {
                let result = json!({
                    "protocolVersion": "2025-06-18", "capabilities": self.capabilities, "instructions": "be kind",
                    "serverInfo": {"name": "scripted", "version": "7"},
                });
                format!(r#""result":{result}"#)
            }
            "tools/list" => match &self.answer {
                Some(answer) => {
                    let text = answer.to_string();
                    text[1..text.len() - 1].to_owned()
                }
                None => self.page(message),
            },
            _ => r#""error":{"code":-32601,"message":"Method not found"}"#.to_owned(),
        };
        Some(format!(r#"{{"jsonrpc":"2.0","id":{id},{body}}}"#))
    }

    fn page(&self, message: &Value) -> String {
        let number = message["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap_or(usize::MAX));
        let tools = self.pages.get(number).cloned().unwrap_or_default();
        let next = if number.saturating_add(1) < self.pages.len() {
            Some((number + 1).to_string())
        } else {
            self.last_cursor.clone()
        };
        let next = next.map(|cursor| format!(r#","nextCursor":"{cursor}""#)).unwrap_or_default();
        let modern = if self.modern { r#","resultType":"complete","ttlMs":0,"cacheScope":"public""# } else { "" };
        format!(r#""result":{{"tools":[{tools}]{next}{modern}}}"#)
    }
}

async fn serve_pipe(script: Script, pipe: DuplexStream) {
    let (reader, mut writer) = tokio::io::split(pipe);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(reply) = script.reply(&serde_json::from_str(&line).unwrap()) {
            writer.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
        }
    }
}

/// Scans a pipe the way a child's stdout and stdin are scanned.
async fn scan_pipe(pipe: DuplexStream, timeout: Duration) -> Result<Scan, ScanFault> {
    let recording = Arc::new(Recording::default());
    let (reader, writer) = tokio::io::split(pipe);
    let (near, far) = tokio::io::duplex(1 << 10);
    tokio::spawn(pump(reader, Arc::clone(&recording), far));
    let wire = (near, writer);
    let read = session::read_all(wire, &recording, Instant::now() + timeout, session::Opening::Probe).await;
    read.map_err(|stop| fault::from_stop(stop, timeout, &recording))
}

async fn scan_script(script: Script) -> Result<Scan, ScanFault> {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(serve_pipe(script, theirs));
    scan_pipe(ours, Duration::from_secs(60)).await
}

fn texts(scan: &Scan) -> Vec<&str> {
    scan.tools.iter().map(|tool| tool.get()).collect()
}

/// The pin as the gate computes it.
fn digest(text: &str) -> Result<String, String> {
    let digest = pdp::digest::Digest::of_json(text).map_err(|fault| fault.to_string())?;
    Ok(digest.to_string())
}

#[tokio::test]
async fn tools_come_as_the_server_wrote_them_in_both_eras() {
    for modern in [false, true] {
        let scan = scan_script(Script::new(modern, &[&[AWKWARD, SPACED], &[UNTYPABLE]])).await.unwrap();
        assert_eq!(texts(&scan), [AWKWARD, SPACED, UNTYPABLE], "modern: {modern}");
        assert_eq!(scan.server_name.as_deref(), Some("scripted"));
        assert_eq!(scan.server_version.as_deref(), Some("7"));
        assert_eq!(scan.instructions.as_deref(), Some("be kind"));
        assert_eq!(scan.protocol_version, if modern { "2026-07-28" } else { "2025-06-18" });
    }
}

/// The reason for the recording: rmcp's own type loses most of what a pin must cover.
#[test]
fn rmcp_would_have_lost_members_and_digits() {
    let typed: rmcp::model::Tool = serde_json::from_str(AWKWARD).unwrap();
    let back = serde_json::to_value(typed).unwrap();
    assert!(back.get("execution").is_none() && back.get("x-vendor").is_none());
    assert!(!back.to_string().contains("12345678901234567890123456789"));
    assert!(serde_json::from_str::<rmcp::model::Tool>(UNTYPABLE).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_discover_is_taken_for_a_legacy_one() {
    let script = Script { silent_on_discover: true, ..Script::new(false, &[&[SPACED]]) };
    assert_eq!(texts(&scan_script(script).await.unwrap()), [SPACED]);
}

#[tokio::test]
async fn many_pages_are_read_to_the_end() {
    let tools: Vec<String> =
        (0..40).map(|n| format!(r#"{{"name":"t{n}","inputSchema":{{"type":"object"}}}}"#)).collect();
    let pages: Vec<[&str; 1]> = tools.iter().map(|tool| [tool.as_str()]).collect();
    let pages: Vec<&[&str]> = pages.iter().map(|page| page.as_slice()).collect();
    let scan = scan_script(Script::new(true, &pages)).await.unwrap();
    assert_eq!(texts(&scan), tools);
}

#[tokio::test]
async fn a_server_without_tools_has_an_empty_list() {
    let refusal = json!({"error": {"code": -32601, "message": "Method not found"}});
    let script = Script { capabilities: json!({}), answer: Some(refusal.clone()), ..Script::new(false, &[]) };
    assert!(scan_script(script).await.unwrap().tools.is_empty());
    let script = Script { answer: Some(refusal), ..Script::new(false, &[]) };
    assert!(matches!(scan_script(script).await, Err(ScanFault::Refused { code: -32601, .. })));
}

#[tokio::test]
async fn lists_that_break_the_protocol_are_refused_with_the_reason() {
    let base = || Script::new(false, &[&[SPACED]]);
    let with = |answer: Value| Script { answer: Some(answer), ..base() };
    let cases = [
        (Script { last_cursor: Some("0".to_owned()), ..base() }, "names the tool `spaced` twice"),
        (Script { last_cursor: Some("far".to_owned()), ..base() }, "leads back to a page that was read"),
        (Script::new(false, &[&[SPACED, SPACED]]), "names the tool `spaced` twice"),
        (Script::new(false, &[&[r#"{"inputSchema":{}}"#]]), "page 1 has a tool without a usable `name`"),
        (Script::new(false, &[&[r#""echo""#]]), "page 1 has a tool without a usable `name`"),
        (Script::new(false, &[&[r#"{"name":""}"#]]), "`name` is empty"),
        (with(json!({"result": {"tools": "none"}})), "page 1 is not a list of tools"),
        (with(json!({"result": {}})), "page 1 is not a list of tools"),
        (
            with(json!({"error": {"code": -32000, "message": "a\u{1b}[31m b"}})),
            "the server refused `tools/list`: a\\u{1b}[31m b",
        ),
    ];
    for (script, words) in cases {
        let fault = scan_script(script).await.expect_err(words).to_string();
        assert!(fault.contains(words), "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_and_what_it_said_is_shown() {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    theirs.write_all(b"Welcome to the shell!\n").await.unwrap();
    let fault = scan_pipe(ours, Duration::from_secs(30)).await.unwrap_err();
    let ScanFault::TimedOut { seconds: 30, waiting_for, hints } = fault else { panic!("{fault}") };
    assert_eq!(waiting_for, "the server to open a session");
    assert_eq!(hints, ["it said: Welcome to the shell!"]);
    drop(theirs);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_said_to_have_closed() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    drop(theirs);
    let fault = scan_pipe(ours, Duration::from_secs(30)).await.unwrap_err();
    assert_eq!(fault.to_string(), "the server closed the connection during the opening of the session");
}

#[tokio::test]
async fn a_server_of_an_unknown_revision_is_named_as_such() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let (reader, mut writer) = tokio::io::split(theirs);
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let asked: Value = serde_json::from_str(&line).unwrap();
            let error = json!({"code": -32022, "message": "Unsupported", "data": {"supported": ["2031-01-01"], "requested": "x"}});
            let reply = json!({"jsonrpc": "2.0", "id": asked["id"], "error": error});
            writer.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
        }
    });
    let fault = scan_pipe(ours, Duration::from_secs(30)).await.unwrap_err().to_string();
    assert!(fault.contains("the server offers 2031-01-01"), "{fault}");
}

#[tokio::test]
async fn the_built_in_office_can_be_scanned() {
    use rmcp::ServiceExt as _;
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move { crate::office::Office::new().serve(theirs).await.unwrap().waiting().await });
    let scan = scan_pipe(ours, Duration::from_secs(30)).await.unwrap();
    assert_eq!(scan.server_name.as_deref(), Some("wicketgate-office"));
    assert_eq!(scan.protocol_version, "2026-07-28");
    assert_eq!(scan.tools.len(), 9);
}

/// Some servers show a tool only to a client that can serve it, and ask the client something first.
#[tokio::test]
async fn a_tool_kept_for_capable_clients_is_found_and_the_servers_questions_are_answered() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let script = Script::new(false, &[&[SPACED]]);
        let (reader, mut writer) = tokio::io::split(theirs);
        let mut lines = BufReader::new(reader).lines();
        let mut listing = None;
        while let Ok(Some(line)) = lines.next_line().await {
            let message: Value = serde_json::from_str(&line).unwrap();
            let reply = match message["method"].as_str() {
                Some("initialize") => {
                    let capabilities = &message["params"]["capabilities"];
                    for pointer in ["/roots", "/sampling", "/elicitation/form", "/elicitation/url"] {
                        assert!(capabilities.pointer(pointer).is_some(), "{pointer} is missing in {capabilities}");
                    }
                    script.reply(&message)
                }
                Some("tools/list") => {
                    listing = script.reply(&message);
                    Some(json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"}).to_string())
                }
                None if message["id"] == "q" => {
                    assert_eq!(message["result"]["roots"], json!([]));
                    listing.take()
                }
                Some(_) | None => script.reply(&message),
            };
            if let Some(reply) = reply {
                writer.write_all(format!("{reply}\n").as_bytes()).await.unwrap();
            }
        }
    });
    assert_eq!(texts(&scan_pipe(ours, Duration::from_secs(30)).await.unwrap()), [SPACED]);
}
