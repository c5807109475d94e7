//! Servers of the HTTP+SSE transport behind the gate, over real sockets: sessions, what is routed where, and what a
//! server of this kind may do wrong.

use std::time::Duration;

use pdp::fault::SourceFile;
use pdp::record::{Direction, Ending};
use pdp::snapshot::{Snapshot, Sources};
use serde_json::{Value, json};

use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Request, Sse, call, refusal_in, rpc, text_of};
use crate::gate::events::EventServer;
use crate::gate::{ADA, BOB, Gate, records, until};

const LIMITS: &str = "limits = { failures_per_minute_max = 100000, message_bytes_max = 65536 }";

async fn ground() -> (Gate, EventServer) {
    let old = EventServer::start().await;
    let gate = Gate::start_with(&Bundle::new().sse("old", &old.url()), LIMITS).await;
    (gate, old)
}

/// An `initialize`, sent as a client sends it first.
fn opening(agent: &Agent) -> Request {
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    agent.posting(rpc(0, "initialize", params))
}

#[tokio::test]
async fn a_session_is_one_connection_with_an_id_of_the_gates_own() {
    let (gate, old) = ground().await;
    let ada = Agent::legacy(gate.at(), "old", ADA).await;
    let bob = Agent::legacy(gate.at(), "old", BOB).await;
    let id = ada.session.clone().unwrap();
    assert!(id.len() == 32 && id != bob.session.clone().unwrap(), "{id}");
    assert_eq!(text_of(&ada.call("look", json!({ "how": "session" })).await), "0");
    assert_eq!(text_of(&bob.call("look", json!({ "how": "session" })).await), "1");
    assert_eq!(text_of(&ada.call("look", json!({ "how": "early", "text": "before 202" })).await), "before 202");
    let listed = ada.posting(rpc(2, "tools/list", json!({}))).send(ada.to).await.message();
    let names: Vec<&str> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["echo", "look", "act", "note", "pay", "send", "wipe", "shifty"], "filtered like any other");
    assert_eq!(old.opened().len(), 2);
    assert_eq!(old.posted_of("notifications/initialized").len(), 2);
    assert!(old.posted().iter().all(|posted| posted.headers.get("mcp-session-id").is_none()), "not the server's");

    // Another's session is unknown; a session that was left is closed on the server's side too.
    let thief = Agent { token: BOB.to_owned(), ..ada.clone() };
    assert_eq!(thief.posting(rpc(3, "ping", json!({}))).send(gate.at()).await.status, 404);
    assert_eq!(ada.leaving().send(gate.at()).await.status, 200);
    until("the stream is closed", || (old.open_sessions() == [1]).then_some(())).await;
    assert_eq!(ada.posting(rpc(4, "ping", json!({}))).send(gate.at()).await.status, 404);
    let record = gate.record("of a call", |r| r.target.as_deref() == Some("look")).await;
    assert_eq!((record.transport.as_deref(), record.ending), (Some("sse"), Ending::Served));
    assert_eq!(record.attempts[0].address, old.address.to_string());
    gate.close().await;
    until("no stream is left", || old.open_sessions().is_empty().then_some(())).await;
}

#[tokio::test]
async fn messages_go_where_they_belong() {
    let (gate, old) = ground().await;
    let agent = Agent::legacy(gate.at(), "old", ADA).await;
    let params =
        json!({ "name": "look", "arguments": { "how": "progress", "text": "far" }, "_meta": { "progressToken": "p" } });
    let answer = agent.posting(rpc(5, "tools/call", params)).send(agent.to).await;
    let events = answer.events();
    let steps: Vec<&Value> = events[..3].iter().map(|event| &event["params"]["progress"]).collect();
    assert_eq!(steps, [1, 2, 3], "{answer:?}");
    assert_eq!((&events[3]["id"], text_of(&events[3])), (&json!(5), "far"));

    // A question goes to the call it was asked in; the answer is posted.
    let mut wire = agent.posting(call(6, "look", json!({ "how": "ask", "text": "roots/list" }))).open(agent.to).await;
    wire.head().await;
    assert_eq!(wire.event().await.unwrap().json()["method"], "roots/list");
    let reply = agent.posting(r#"{"jsonrpc":"2.0","id":"question-0","result":{"roots":[]}}"#.to_owned());
    assert_eq!(reply.send(agent.to).await.status, 202);
    assert!(text_of(&wire.event().await.unwrap().json()).contains("roots"));

    // One that is closed is answered by the gate.
    let refused = agent.call("look", json!({ "how": "ask", "text": "sampling/createMessage" })).await;
    let heard: Value = serde_json::from_str(text_of(&refused)).unwrap();
    assert_eq!(refusal_in(&heard).unwrap().0, "method_closed");

    // What belongs to no call waits for the session's own stream, and goes there.
    let note = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
    old.tell(0, note);
    let mut stream = agent.listening().open(agent.to).await;
    assert_eq!(stream.head().await.0, 200);
    assert_eq!(stream.event().await.unwrap().json()["method"], "notifications/tools/list_changed");
    // Events of other kinds, comments and what is no message are nobody's; a second endpoint leads nowhere.
    old.tell(0, ": ping\n\nevent: other\ndata: {}\n\ndata: hello\n\nevent: endpoint\ndata: /elsewhere?session=0\n\n");
    old.tell(0, note);
    assert_eq!(stream.event().await.unwrap().json()["method"], "notifications/tools/list_changed");
    assert_eq!(text_of(&agent.call("echo", json!({ "text": "same place" })).await), "same place");
    assert!(old.posted().iter().all(|posted| posted.session == 0), "{:?}", old.posted());
    let told = records(gate.close().await).into_iter().filter(|r| r.direction == Direction::ToClient).count();
    // Three steps, two questions, two changes; what is no message is dropped with a line in the log.
    assert_eq!(told, 7, "each message of the server's is a frame");
}

#[tokio::test]
async fn a_lost_stream_loses_its_calls_and_the_client_begins_anew() {
    let (gate, old) = ground().await;
    let agent = Agent::legacy(gate.at(), "old", ADA).await;
    let mut stream = agent.listening().open(agent.to).await;
    assert_eq!(stream.head().await.0, 200);
    let answer = agent.posting(call(1, "act", json!({ "how": "cut" }))).send(agent.to).await;
    let (code, number) = answer.refusal().unwrap();
    assert_eq!(code, "answer_lost", "{answer:?}");
    assert!(answer.body.contains("event stream has ended"), "{answer:?}");
    assert_eq!(gate.numbered(number).await.ending, Ending::Indeterminate);
    assert_eq!(stream.event().await, None::<Sse>, "the session's own stream ends with it");
    let next = agent.posting(rpc(2, "ping", json!({}))).send(agent.to).await;
    assert_eq!((next.status, next.refusal().unwrap().0.as_str()), (404, "session_unknown"));
    assert_eq!(agent.listening().send(agent.to).await.status, 404);
    let fresh = Agent::legacy(gate.at(), "old", ADA).await;
    assert_eq!(text_of(&fresh.call("echo", json!({ "text": "again" })).await), "again");

    // The server forgot the session, but holds the stream open.
    old.answer_post(Some((404, Vec::new())));
    let answer = fresh.posting(call(1, "act", json!({ "how": "" }))).send(fresh.to).await;
    assert_eq!((answer.status, answer.refusal().unwrap().0.as_str()), (404, "session_unknown"));
    until("the stream is closed", || old.open_sessions().is_empty().then_some(())).await;
    gate.close().await;
}

#[tokio::test]
async fn nothing_is_sent_where_the_stream_does_not_come_from() {
    let (gate, old) = ground().await;
    let stranger = EventServer::start().await;
    let elsewhere = format!("event: endpoint\ndata: {}?session=0\n\n", stranger.url().replace("sse", "messages"));
    let agent = Agent::modern(gate.at(), "old", ADA);
    for (name, greeting, words) in [
        ("another origin", elsewhere.as_str(), "another origin"),
        ("no URL", "event: endpoint\ndata: http://[\n\n", "names no URL"),
        ("a message first", "data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n", "kind = \\\"http\\\""),
        ("bytes beyond the bound", &format!("data: {}\n\n", "x".repeat(70_000)), "larger than 65536 bytes"),
    ] {
        old.greet(Some(greeting));
        let answer = opening(&agent).send(agent.to).await;
        assert_eq!(answer.refusal().unwrap_or_else(|| panic!("{name}: {answer:?}")).0, "unreachable", "{name}");
        assert!(answer.body.contains(words), "{name}: {answer:?}");
        assert_eq!(answer.header("mcp-session-id"), None, "{name}");
    }
    old.greet(None);
    let leads = |to: &str| vec![("location", to.to_owned())];
    for (name, status, headers, code) in [
        ("a redirect", 307, leads(&stranger.url()), "unreachable"),
        ("no stream", 405, Vec::new(), "unreachable"),
        ("a page", 200, vec![("content-type", "text/html".to_owned())], "unreachable"),
        ("who are you", 401, Vec::new(), "credential_unavailable"),
        ("not you", 403, Vec::new(), "credential_unavailable"),
    ] {
        old.answer_get(Some((status, headers)));
        let answer = opening(&agent).send(agent.to).await;
        assert_eq!(answer.refusal().unwrap_or_else(|| panic!("{name}: {answer:?}")).0, code, "{name}");
    }
    old.answer_get(None);
    assert!(old.posted().is_empty(), "no session came about, so nothing was sent: {:?}", old.posted());

    let agent = Agent::legacy(gate.at(), "old", ADA).await;
    for (name, status, headers, code) in [
        ("a redirect", 307, leads(&stranger.url()), "answer_lost"),
        ("bad", 400, Vec::new(), "answer_lost"),
        ("broken", 500, Vec::new(), "answer_lost"),
        ("who are you", 401, Vec::new(), "credential_unavailable"),
    ] {
        // The definition is known, or asking for it would fail first.
        assert_eq!(text_of(&agent.call("echo", json!({ "text": "good" })).await), "good", "before {name}");
        old.answer_post(Some((status, headers)));
        let answer = agent.posting(call(1, "act", json!({ "how": "" }))).send(agent.to).await;
        assert_eq!(answer.refusal().unwrap_or_else(|| panic!("{name}: {answer:?}")).0, code, "{name}");
        old.answer_post(None);
    }
    assert!(stranger.posted().is_empty() && stranger.opened().is_empty(), "the stranger heard nothing");
    gate.close().await;
}

#[tokio::test]
async fn an_event_beyond_the_bound_ends_its_session_and_no_other() {
    let (gate, old) = ground().await;
    let ada = Agent::legacy(gate.at(), "old", ADA).await;
    let bob = Agent::legacy(gate.at(), "old", BOB).await;
    let mut wire = ada.posting(call(1, "look", json!({ "how": "hang" }))).open(ada.to).await;
    until("the call is under way", || (old.posted_of("tools/call").len() == 1).then_some(())).await;
    old.tell(0, &format!("data: {}", "x".repeat(70_000)));
    assert_eq!(wire.answer().await.refusal().unwrap().0, "answer_lost");
    until("the stream is closed", || (old.open_sessions() == [1]).then_some(())).await;
    assert_eq!(text_of(&bob.call("echo", json!({ "text": "unhurt" })).await), "unhurt");
    gate.close().await;
}

#[tokio::test]
async fn the_secret_goes_with_every_exchange_and_nowhere_else() {
    const SECRET: &str = "hush-4f1c9a27";
    let old = EventServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    let table = format!("kind = \"sse\"\nurl = \"{}\"\n[credential]\nfile = {file:?}\n", old.url());
    let gate = Gate::start(&Bundle::new().entry("old", "", &table)).await;
    let agent = Agent::legacy(gate.at(), "old", ADA).await;
    agent.call("look", json!({ "how": "ask", "text": "sampling/createMessage" })).await;
    let bearer = format!("Bearer {SECRET}");
    let given = |headers: &axum::http::HeaderMap| headers["authorization"] == bearer.as_str();
    assert!(old.opened().iter().all(given) && old.opened().len() == 1, "{:?}", old.opened());
    let posted = old.posted();
    assert!(posted.iter().all(|posted| given(&posted.headers)), "{posted:?}");
    assert!(posted.iter().any(|posted| posted.message().get("error").is_some()), "the refusal too: {posted:?}");
    let entries = gate.close().await;
    assert!(entries.len() >= 4 && !format!("{entries:?}").contains(SECRET), "{entries:?}");
}

#[tokio::test]
async fn sessions_are_bounded_and_the_unused_end() {
    let old = EventServer::start().await;
    let bundle = Bundle::new().sse("old", &old.url());
    let gate = Gate::start_with(&bundle, "limits = { sse_sessions_max = 2 }").await;
    let first = Agent::legacy(gate.at(), "old", ADA).await;
    let _second = Agent::legacy(gate.at(), "old", ADA).await;
    let answer = opening(&Agent::modern(gate.at(), "old", ADA)).send(gate.at()).await;
    assert_eq!(answer.refusal().unwrap().0, "busy", "{answer:?}");
    assert_eq!(old.opened().len(), 2, "nothing was opened");
    first.leaving().send(gate.at()).await;
    until("the first is gone", || (old.open_sessions() == [1]).then_some(())).await;
    // An opening that the server refuses leaves nothing behind either.
    let refused = rpc(0, "initialize", json!({ "protocolVersion": "refuse-me", "capabilities": {} }));
    let answer = Agent::modern(gate.at(), "old", ADA).posting(refused).send(gate.at()).await;
    assert_eq!(answer.message()["error"]["code"], -32602, "{answer:?}");
    until("it is gone", || (old.open_sessions() == [1]).then_some(())).await;
    Agent::legacy(gate.at(), "old", ADA).await;
    gate.close().await;

    let gate = Gate::start_with(&bundle, "limits = { sse_idle_s = 0 }").await;
    let unused = Agent::legacy(gate.at(), "old", ADA).await;
    // Whoever listens uses its session.
    let used = Agent::legacy(gate.at(), "old", BOB).await;
    let mut stream = used.listening().open(gate.at()).await;
    stream.head().await;
    opening(&Agent::modern(gate.at(), "old", ADA)).send(gate.at()).await;
    assert_eq!(unused.posting(rpc(1, "ping", json!({}))).send(gate.at()).await.status, 404);
    assert!(stream.is_silent_for(Duration::from_millis(50)).await, "its stream is open");
    gate.close().await;
}

#[tokio::test]
async fn a_client_without_a_session_is_told_to_open_one() {
    let (gate, old) = ground().await;
    let modern = Agent::modern(gate.at(), "old", ADA);
    let probe = modern.stateless(1, "server/discover", json!({})).send(gate.at()).await;
    assert_eq!((probe.status, probe.refusal().unwrap().0.as_str()), (400, "session_missing"), "{probe:?}");
    let listening = Request::bare("GET", "/old/mcp").set("accept", "text/event-stream").send(gate.at()).await;
    assert_eq!(listening.refusal().unwrap().0, "session_missing", "{listening:?}");
    assert!(old.opened().is_empty());
    // Two requests with one id: the second is told so, and the first goes on.
    let agent = Agent::legacy(gate.at(), "old", ADA).await;
    let mut first = agent.posting(call(9, "look", json!({ "how": "ask", "text": "roots/list" }))).open(gate.at()).await;
    first.head().await;
    first.event().await.unwrap();
    let twice = agent.posting(call(9, "look", json!({ "how": "" }))).send(gate.at()).await;
    assert_eq!(twice.refusal().unwrap().0, "unreachable", "{twice:?}");
    assert!(twice.body.contains("under way already"), "{twice:?}");
    let reply = agent.posting(r#"{"jsonrpc":"2.0","id":"question-0","result":{"roots":[]}}"#.to_owned());
    assert_eq!(reply.send(gate.at()).await.status, 202);
    assert_eq!(first.event().await.unwrap().json()["id"], 9);
    gate.close().await;
}

#[test]
fn the_registry_names_how_a_server_is_reached() {
    let built = |transport: &str| {
        let text = format!("name = \"old\"\n[transport]\n{transport}\n");
        let registry = vec![SourceFile { path: "servers/old.toml".to_owned(), text }];
        let text = "@id(\"all\") permit (principal, action, resource);".to_owned();
        let policies = vec![SourceFile { path: "all.cedar".to_owned(), text }];
        Snapshot::build(&Sources { policies, registry })
    };
    let kinds = ["sse", "http"].map(|kind| built(&format!("kind = \"{kind}\"\nurl = \"https://a.test/x\"")).unwrap());
    let kind = |snapshot: &Snapshot| snapshot.server("old").unwrap().transport.kind();
    assert_eq!((kind(&kinds[0]), kind(&kinds[1])), ("sse", "http"));
    assert_ne!(kinds[0].digest(), kinds[1].digest(), "how a server is reached is part of the law");
    for (transport, words) in [
        ("kind = \"sse\"\nurl = \"file:///etc/passwd\"", "is no http or https URL"),
        ("kind = \"sse\"", "missing field `url`"),
        ("kind = \"sse\"\nurl = \"https://a.test\"\ncommand = \"x\"", "unknown field `command`"),
        ("kind = \"SSE\"\nurl = \"https://a.test\"", "unknown variant `SSE`"),
    ] {
        let faults = built(transport).unwrap_err();
        assert!(faults.iter().any(|fault| fault.message.contains(words)), "{transport}: {faults:?}");
    }
}
