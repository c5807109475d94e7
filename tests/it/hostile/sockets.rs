//! What is wrong below HTTP, around it, or in how much of it there is: connections that are cut, shared, or too many.

use pdp::record::Ending;
use pdp::refusal::Code;
use serde_json::json;

use super::Ground;
use crate::gate::client::{Agent, Request, Wire, call, rpc, text_of};
use crate::gate::{ADA, BOB, OPERATOR, until};

fn good(id: u64) -> Request {
    Request::post("/web/mcp", call(id, "echo", json!({ "text": format!("number {id}") })))
}

#[tokio::test]
async fn bodies_that_do_not_end() {
    let ground = Ground::new().await;
    let chunked = Request { sized: false, body: Vec::new(), ..good(1) }.with("transfer-encoding", "chunked").bytes();
    let promised = Request { sized: false, ..good(1) }.with("content-length", "5000").bytes();
    for (name, bytes, half) in [
        ("a chunk that is cut off", [&chunked[..], b"40\r\n{\"jsonrpc\""].concat(), true),
        ("chunks without an end", [&chunked[..], b"2\r\n{}\r\n"].concat(), true),
        ("a chunk without a size", [&chunked[..], b"zz\r\n{}\r\n"].concat(), false),
        ("less than was promised", promised, true),
    ] {
        let before = ground.count(Code::BodyUnreadable);
        let mut wire = Wire::connect(ground.gate.at()).await;
        wire.write(&bytes).await;
        if half {
            wire.half_close().await;
        }
        let answer = wire.answer().await;
        let (code, number) = answer.refusal().unwrap_or_else(|| panic!("{name}: {answer:?}"));
        assert_eq!((answer.status, code.as_str()), (400, "body_unreadable"), "{name}");
        ground.gate.numbered(number).await;
        assert_eq!(ground.count(Code::BodyUnreadable), before + 1, "{name}");
        ground.serves(name).await;
    }
    ground.close().await;
}

/// However slowly it goes on: a body has one time for the whole of it.
#[tokio::test]
async fn a_body_that_is_sent_for_ever() {
    let limits = "limits = { failures_per_minute_max = 100000, body_s = 1, child_grace_ms = 200 }";
    let ground = Ground::with(limits).await;
    let begun = Request { sized: false, body: Vec::new(), ..good(1) }.with("content-length", "50000").bytes();
    let mut wire = Wire::connect(ground.gate.at()).await;
    wire.write(&begun).await;
    wire.write(b"{\"jsonrpc\":").await;
    let answer = wire.answer().await;
    assert_eq!(answer.refusal().unwrap().0, "body_unreadable", "{answer:?}");
    assert_eq!(answer.message()["error"]["message"], "the body did not come within 1 s");
    ground.serves("a slow body").await;
    ground.close().await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_all_the_same() {
    let ground = Ground::new().await;
    let long = format!("GET /web/mcp HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "h".repeat(900_000));
    for (name, bytes, status) in [
        ("words", b"hello there\r\n\r\n".to_vec(), 400),
        ("a TLS greeting", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), 400),
        ("a header without a name", b"POST /web/mcp HTTP/1.1\r\n: x\r\n\r\n".to_vec(), 400),
        ("a header with a blank in its name", b"POST /web/mcp HTTP/1.1\r\nhost : localhost\r\n\r\n".to_vec(), 400),
        ("a NUL in a header", b"POST /web/mcp HTTP/1.1\r\nhost: local\0host\r\n\r\n".to_vec(), 400),
        (
            "a length that is no number",
            b"POST /web/mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: many\r\n\r\n".to_vec(),
            400,
        ),
        (
            "two lengths",
            b"POST /web/mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n".to_vec(),
            400,
        ),
        (
            "another encoding",
            b"POST /web/mcp HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n".to_vec(),
            400,
        ),
        ("900,000 bytes of head", long.into_bytes(), 431),
    ] {
        let mut wire = Wire::connect(ground.gate.at()).await;
        wire.write(&bytes).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        ground.serves(name).await;
    }
    ground.close().await;
}

#[tokio::test]
async fn requests_one_behind_the_other_are_answered_in_order() {
    let ground = Ground::new().await;
    let mut wire = Wire::connect(ground.gate.at()).await;
    let bad = Request { path: "/web/../mcp".to_owned(), ..good(9) };
    wire.write(&[good(1).bytes(), good(2).bytes(), bad.bytes(), good(3).bytes()].concat()).await;
    for want in [Some(1), Some(2), None, Some(3)] {
        let answer = wire.answer().await;
        match want {
            Some(id) => assert_eq!(text_of(&answer.message()), format!("number {id}")),
            None => assert_eq!(answer.status, 404),
        }
    }
    ground.close().await;
}

#[tokio::test]
async fn a_request_cannot_hide_in_another() {
    let ground = Ground::new().await;
    // Length and chunks both: whoever counts the length takes the rest for a request of its own.
    let hidden = Request::post("/web/mcp", call(1, "act", json!({ "how": "", "text": "hidden" }))).bytes();
    let both = Request { sized: false, body: Vec::new(), ..good(1) };
    let both = both.with("content-length", "4").with("transfer-encoding", "chunked").bytes();
    let mut wire = Wire::connect(ground.gate.at()).await;
    wire.write(&[both, b"0\r\n\r\n".to_vec(), hidden].concat()).await;
    let answer = wire.answer().await;
    assert_eq!(answer.status, 400, "an empty body is no message, whatever its length says: {answer:?}");
    // What a body holds is never a request.
    let carried = Request::post("/web/mcp", Request::post("/web/mcp", call(1, "act", json!({ "how": "" }))).bytes());
    let answer = carried.send(ground.gate.at()).await;
    assert_eq!(answer.refusal().unwrap().0, "not_json");
    ground.close().await;
}

#[tokio::test]
async fn a_method_cannot_be_overridden() {
    let ground = Ground::new().await;
    let agent = Agent::legacy(ground.gate.at(), "web", ADA).await;
    let request = agent.posting(rpc(1, "ping", json!({}))).with("x-http-method-override", "DELETE");
    assert_eq!(request.with("x-http-method", "DELETE").send(agent.to).await.status, 200);
    assert!(agent.posting(rpc(2, "ping", json!({}))).send(agent.to).await.message().get("result").is_some());
    assert!(
        ground.web.seen().iter().all(|seen| seen.verb == "POST" && seen.header("x-http-method-override").is_none())
    );
    // HEAD has no body to say why in; its record does.
    let mut wire = Request::bare("HEAD", "/web/mcp").open(ground.gate.at()).await;
    assert_eq!(wire.head().await.0, 405);
    ground.gate.record("of HEAD", |r| r.refusal.as_ref().is_some_and(|f| f.code == Code::VerbNotAllowed)).await;
    ground.close().await;
}

#[tokio::test]
async fn nothing_of_the_client_reaches_a_server_but_what_must() {
    let ground = Ground::new().await;
    let request = good(1)
        .with("cookie", "session=1")
        .with("proxy-authorization", "Basic eDp5")
        .with("x-forwarded-for", "10.0.0.1")
        .with("x-api-key", "secret")
        .with("mcp-param-text", "number 1")
        .with("baggage", "a=b");
    assert_eq!(request.send(ground.gate.at()).await.status, 200);
    let seen = ground.web.seen_of("tools/call").pop().unwrap();
    let mut names: Vec<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "baggage", "content-length", "content-type", "host", "mcp-param-text", "traceparent"]);
    assert!(!seen.body.contains(ADA) && !format!("{:?}", seen.headers).contains(ADA));
    ground.close().await;
}

#[tokio::test]
async fn too_many_calls_at_once_are_told_so() {
    let ground = Ground::with("limits = { calls_max = 2, calls_per_server_max = 1 }").await;
    ground.serves("the start").await;
    let hang = |path: &str| Request::post(path, call(1, "look", json!({ "how": "hang" })));
    let first = hang("/web/mcp").open(ground.gate.at()).await;
    until("the first call is under way", || (ground.web.seen_of("tools/call").len() == 2).then_some(())).await;
    // The second finds the server's places taken, the third the gate's.
    let answer = good(2).send(ground.gate.at()).await;
    assert_eq!(answer.refusal().unwrap().0, "busy", "{answer:?}");
    assert_eq!(answer.message()["error"]["code"], 42901);
    drop(first);
    let place = || (ground.gate.running.gate.ports.slots.available_permits() == 2).then_some(());
    until("the place is free again", place).await;
    ground.serves("a crowd").await;
    let abandoned = ground.gate.record("of who went away", |r| r.ending == Ending::Abandoned).await;
    assert_eq!(abandoned.target.as_deref(), Some("look"));
    ground.close().await;
}

#[tokio::test]
async fn a_cancelled_call_is_closed_and_its_place_is_free() {
    let ground = Ground::with("limits = { calls_max = 2 }").await;
    let agent = Agent::legacy(ground.gate.at(), "web", ADA).await;
    let mut wire = agent.posting(call(5, "look", json!({ "how": "hang" }))).open(agent.to).await;
    until("the call is under way", || (ground.web.seen_of("tools/call").len() == 1).then_some(())).await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#.to_owned();
    // Another's word does not count.
    let bobs = Agent::legacy(ground.gate.at(), "web", BOB).await;
    assert_eq!(bobs.posting(cancel.clone()).send(agent.to).await.status, 202);
    assert_eq!(agent.posting(cancel).send(agent.to).await.status, 202);
    assert_eq!(wire.answer().await.refusal().unwrap().0, "cancelled");
    ground.gate.record("of the call", |r| r.refusal.as_ref().is_some_and(|f| f.code == Code::Cancelled)).await;
    assert_eq!(ground.web.seen_of("notifications/cancelled").len(), 2);
    let place = || (ground.gate.running.gate.ports.slots.available_permits() == 2).then_some(());
    until("the place is free again", place).await;
    ground.close().await;
}

#[tokio::test]
async fn failed_credentials_are_limited_on_both_planes_together() {
    let ground = Ground::with("limits = { failures_per_minute_max = 5 }").await;
    let before = ground.count(Code::Unauthenticated);
    for n in 0..3 {
        let answer = good(1).token(&format!("guess {n}")).send(ground.gate.at()).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    for n in 0..2 {
        let answer = Request::bare("GET", "/v1/health").token(&format!("guess {n}")).send(ground.gate.control()).await;
        assert_eq!(answer.status, 401);
    }
    for _ in 0..2 {
        let answer = good(1).token("guess").send(ground.gate.at()).await;
        assert_eq!((answer.status, answer.refusal().unwrap().0.as_str()), (429, "too_many_failures"));
        assert_eq!(answer.header("retry-after"), Some("60"));
    }
    let answer = Request::bare("GET", "/v1/health").token("guess").send(ground.gate.control()).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    // Whoever has a token is not locked out by who guesses from the same address.
    ground.serves("guessing").await;
    assert_eq!(Request::bare("GET", "/v1/health").token(OPERATOR).send(ground.gate.control()).await.status, 200);
    let last =
        ground.gate.record("of a limit", |r| r.refusal.as_ref().is_some_and(|f| f.code == Code::TooManyFailures)).await;
    assert_eq!(last.client.as_deref(), Some("127.0.0.1"));
    until("both records", || (ground.count(Code::TooManyFailures) == 2).then_some(())).await;
    assert_eq!(ground.count(Code::Unauthenticated), before + 3);
    ground.close().await;
}
