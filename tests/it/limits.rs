//! The bounds, met over real sockets and real processes: what is over one is told so, ends, or waits; and who stays
//! within is served all the while. Bounds of single messages are in `hostile`, those of approvals and listings in `path`.

use std::time::Duration;

use bytes::Bytes;
use pdp::principal::Principal;
use pdp::record::Ending;
use pdp::refusal::Code;
use pep::{Caller, Frame};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Request, Wire, call, rpc, text_of};
use crate::gate::server::{Script, Upstream};
use crate::gate::{ADA, BOB, Gate, HANGS, until};

/// A gate before the HTTP fixture and the one on standard streams, with these limits.
async fn ground(limits: &str) -> (Gate, Upstream) {
    let web = Upstream::start().await;
    let bundle = Bundle::new().http("web", &web.url()).stdio("pipe", &[]).stdio("dies", &["--dies"]);
    (Gate::start_with(&bundle, &format!("limits = {{ {limits} }}")).await, web)
}

fn echo(text: &str) -> Request {
    Request::post("/web/mcp", call(1, "echo", json!({ "text": text })))
}

/// A good call is answered, over a connection of its own.
async fn serves(gate: &Gate, after: &str) {
    let answer = echo(after).set("connection", "close").send(gate.at()).await;
    assert_eq!(text_of(&answer.message()), after);
}

/// An `initialize`, and the code it is refused with, if it is.
async fn opening(gate: &Gate, server: &str) -> Option<String> {
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let request = Request::post(&format!("/{server}/mcp"), rpc(0, "initialize", params));
    let answer = request.send(gate.at()).await;
    answer.refusal().map(|(code, _)| format!("{code}: {}", answer.body))
}

#[test]
fn every_limit_is_documented_and_kept_in_range() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let config = std::fs::read_to_string(root.join("proxy/gateway/src/config/limits.rs")).unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let body = config.split("pub struct Limits {").nth(1).unwrap().split('}').next().unwrap();
    let names: Vec<&str> = body
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "README.md: the table of limits lacks `{name}`");
        assert!(config.contains(&format!("(\"{name}\", ")), "config/limits.rs: `{name}` has no range");
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let (gate, _web) = ground("connections_max = 2").await;
    let first = Wire::connect(gate.at()).await;
    let mut second = Wire::connect(gate.at()).await;
    second.write(&echo("second").bytes()).await;
    assert_eq!(text_of(&second.answer().await.message()), "second");
    let mut third = Wire::connect(gate.at()).await;
    third.write(&echo("third").bytes()).await;
    assert!(third.is_silent_for(Duration::from_millis(200)).await, "two are open already");
    drop(first);
    assert_eq!(text_of(&third.answer().await.message()), "third");
    gate.close().await;
}

#[tokio::test]
async fn who_opens_session_after_session_loses_its_own() {
    let (gate, _web) = ground("sessions_max = 4").await;
    let bob = Agent::legacy(gate.at(), "web", BOB).await;
    let first = Agent::legacy(gate.at(), "web", ADA).await;
    let mut last = first.clone();
    for _ in 0..6 {
        last = Agent::legacy(gate.at(), "web", ADA).await;
    }
    let ping = async |agent: &Agent| agent.posting(rpc(1, "ping", json!({}))).send(gate.at()).await.status;
    assert_eq!((ping(&first).await, ping(&last).await, ping(&bob).await), (404, 200, 200));
    assert!(gate.running.gate.ports.channels.len() <= 4);
    gate.close().await;
}

#[tokio::test]
async fn child_processes_are_counted_and_so_are_their_starts() {
    let (gate, _web) = ground("children_max = 1, child_starts_per_minute_max = 3, child_grace_ms = 200").await;
    let agent = Agent::legacy(gate.at(), "pipe", ADA).await;
    let refused = opening(&gate, "pipe").await.unwrap();
    assert!(refused.starts_with("busy: "), "{refused}");
    serves(&gate, "all processes are taken").await;
    assert_eq!(agent.leaving().send(gate.at()).await.status, 200);
    let mut refused = Vec::new();
    while refused.len() < 6 {
        refused.extend(opening(&gate, "dies").await);
    }
    let started = refused.iter().filter(|words| !words.contains("started 3 times within a minute")).count();
    assert!(started >= 3 && refused[5].contains("started 3 times within a minute"), "{refused:?}");
    // Another server's starts are its own.
    assert_eq!(opening(&gate, "pipe").await, None);
    gate.close().await;
}

#[tokio::test]
async fn a_stream_that_says_nothing_is_given_up() {
    let (gate, web) = ground("stream_idle_s = 1").await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    web.script("raw", Script::Open(head.as_bytes().to_vec()));
    let answer = Request::post("/web/mcp", call(1, "act", json!({ "how": "raw" }))).send(gate.at()).await;
    let (code, number) = answer.refusal().unwrap();
    assert_eq!(code, "answer_lost", "{answer:?}");
    assert!(answer.body.contains("silent for too long"), "{answer:?}");
    assert_eq!(gate.numbered(number).await.ending, Ending::Indeterminate);
    let agent = Agent::legacy(gate.at(), "web", ADA).await;
    let mut stream = agent.listening().open(gate.at()).await;
    assert_eq!(stream.head().await.0, 200);
    assert_eq!(stream.event().await, None, "a session's own stream too; its client opens it again");
    gate.close().await;
}

#[tokio::test]
async fn a_shutdown_waits_no_longer_than_it_may() {
    let (gate, web) = ground("shutdown_s = 1, child_grace_ms = 200").await;
    let mut wire = Request::post("/web/mcp", call(1, "act", json!({ "how": "hang" }))).open(gate.at()).await;
    until("the call is under way", || (web.seen_of("tools/call").len() == 1).then_some(())).await;
    let hanging = tokio::spawn(async move { wire.is_silent_for(HANGS).await });
    // `close` fails by itself where it takes longer than a test may.
    gate.close().await;
    hanging.abort();
}

/// Sends a request over a connection whose buffers are as small as can be, and reads nothing.
async fn unread(gate: &Gate, request: &Request) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(gate.at()).await.unwrap();
    stream.write_all(&request.bytes()).await.unwrap();
    stream
}

/// What can still be read of a connection.
async fn rest(mut stream: TcpStream) -> usize {
    let (mut count, mut buffer) = (0, vec![0; 1 << 16]);
    while let Ok(read @ 1..) = tokio::time::timeout(HANGS, stream.read(&mut buffer)).await.unwrap() {
        count += read;
    }
    count
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up_and_holds_up_nobody() {
    const SIZE: usize = 24 << 20;
    let (gate, web) = ground("write_s = 1, connections_max = 3").await;
    serves(&gate, "the start").await;
    let text = "x".repeat(SIZE);
    let answer =
        format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[{{"type":"text","text":"{text}"}}]}}}}"#);
    web.script("raw", Script::Json(answer));
    let whole = unread(&gate, &Request::post("/web/mcp", call(1, "look", json!({ "how": "raw" })))).await;
    let arguments = json!({ "how": "progress", "text": "y".repeat(100_000), "n": 300 });
    let params = json!({ "name": "look", "arguments": arguments, "_meta": { "progressToken": 1 } });
    let streamed = unread(&gate, &Request::post("/web/mcp", rpc(2, "tools/call", params))).await;
    for n in 0..20 {
        serves(&gate, &format!("beside two that do not read, {n}")).await;
    }
    // What was streamed to nobody is on record as that; and both places are free again.
    gate.record("of the stream", |r| r.ending == Ending::Abandoned && r.target.as_deref() == Some("look")).await;
    let mut wires = Vec::new();
    for n in 0..3 {
        let mut wire = Wire::connect(gate.at()).await;
        wire.write(&echo(&format!("place {n}")).bytes()).await;
        assert_eq!(text_of(&wire.answer().await.message()), format!("place {n}"));
        wires.push(wire);
    }
    let (whole, streamed) = (rest(whole).await, rest(streamed).await);
    assert!(whole < SIZE && streamed < SIZE, "{whole} and {streamed} bytes: neither was read to its end");
    let free = || (gate.running.gate.ports.slots.available_permits() == 1024).then_some(());
    until("no call holds a place", free).await;
    gate.close().await;
}

#[tokio::test]
async fn a_server_that_does_not_read_fills_its_own_queue_and_no_more() {
    let web = Upstream::start().await;
    // It accepts connections, and never reads from one.
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", deaf.local_addr().unwrap());
    let bundle = Bundle::new().http("web", &web.url()).stdio("pipe", &["--deaf"]).entry(
        "deaf",
        "timeout_ms = 400",
        &format!("kind = \"http\"\nurl = \"{url}\"\n"),
    );
    let limits = "limits = { calls_per_server_max = 3, message_bytes_max = 65536, child_grace_ms = 200 }";
    let gate = Gate::start_with(&bundle, limits).await;

    // A child's input: notifications are taken down until there is no room, and then refused.
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": { "requestId": 1, "reason": "r".repeat(30_000) } });
    let cancel = Request::post("/pipe/mcp", cancel.to_string()).with("mcp-protocol-version", "2026-07-28");
    let mut codes = Vec::new();
    for _ in 0..12 {
        codes.push(cancel.send(gate.at()).await.status);
    }
    assert_eq!(codes[0], 202);
    assert_eq!(
        codes.iter().filter(|code| **code != 202).count(),
        codes.len() - codes.iter().take_while(|c| **c == 202).count()
    );
    gate.record("of what was too much", |r| {
        r.server == "pipe" && r.refusal.as_ref().is_some_and(|f| f.code == Code::Busy)
    })
    .await;
    serves(&gate, "beside a deaf child").await;

    // An HTTP server: as many calls wait for it as may, and for as long as they may.
    let mut calls = JoinSet::new();
    for n in 0..9 {
        let text = "t".repeat(4 << 20);
        let request = Request::post("/deaf/mcp", rpc(n, "ping", json!({ "padding": text })));
        let to = gate.at();
        calls.spawn(async move { request.send(to).await.refusal().unwrap().0 });
    }
    for n in 0..10 {
        serves(&gate, &format!("beside a deaf server, {n}")).await;
    }
    let mut codes = calls.join_all().await;
    codes.sort();
    codes.dedup();
    assert_eq!(codes, ["busy", "timed_out"]);
    gate.close().await;
}

#[tokio::test]
async fn a_thousand_idle_streams_cost_no_place() {
    let (gate, web) = ground("calls_max = 4").await;
    let agent = Agent::legacy(gate.at(), "web", ADA).await;
    let mut streams = Vec::new();
    for _ in 0..1000 {
        let mut stream = agent.listening().open(gate.at()).await;
        assert_eq!(stream.head().await.0, 200);
        streams.push(stream);
    }
    for n in 0..20 {
        serves(&gate, &format!("beside a thousand, {n}")).await;
    }
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    assert_eq!(web.tell(&note), 1000);
    for stream in &mut streams {
        assert_eq!(stream.event().await.unwrap().json(), note);
    }
    drop(streams);
    let entries = gate.close().await;
    let streams = crate::gate::records(entries).into_iter().filter(|r| r.method.as_deref() == Some("stream")).count();
    assert_eq!(streams, 1000, "each has its record");
}

#[tokio::test]
async fn ten_thousand_sessions_are_held_and_the_next_is_served() {
    let (gate, _web) = ground("sessions_max = 10000").await;
    let principal = |agent: &str| Principal {
        agent: agent.to_owned(),
        teams: Vec::new(),
        user: String::new(),
        tenant: "default".to_owned(),
        method: "token".to_owned(),
    };
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
    let opening = Bytes::from(rpc(0, "initialize", params));
    let mut kept = Vec::new();
    for n in 0..10_100 {
        let agent = if n == 0 { "quiet" } else { "loud" };
        let caller = Caller { principal: Ok(principal(agent).into()), address: None };
        let frame = Frame::message(caller, "web", None, Vec::new(), opening.clone());
        let (status, headers, _) = pep::run(frame, &gate.running.gate).await.into_parts();
        assert_eq!(status, 200, "session {n}");
        let session = headers.into_iter().find(|(name, _)| name == "mcp-session-id").unwrap().1;
        if n < 2 || n == 10_099 {
            kept.push((agent, session));
        }
    }
    assert_eq!(gate.running.gate.ports.channels.len(), 10_000);
    let mut statuses = Vec::new();
    for (agent, session) in kept {
        let caller = Caller { principal: Ok(principal(agent).into()), address: None };
        let ping = Bytes::from(rpc(1, "ping", json!({})));
        let frame = Frame::message(caller, "web", Some(session), Vec::new(), ping);
        statuses.push(pep::run(frame, &gate.running.gate).await.into_parts().0);
    }
    assert_eq!(statuses, [200, 404, 200], "the quiet one's stays; of the loud one's the oldest has gone");
    serves(&gate, "beside ten thousand").await;
    gate.close().await;
}
