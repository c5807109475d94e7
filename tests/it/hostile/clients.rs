//! What is wrong around a message: routes, borders, credentials, headers, sessions.

use pdp::refusal::Code;
use serde_json::json;

use super::{Case, case};
use crate::gate::BOB;
use crate::gate::client::{Agent, Request, call, rpc};

/// A good message in a request that is wrong in one way.
fn good() -> Request {
    Request::post("/web/mcp", call(7, "echo", json!({ "text": "x" })))
}

fn at(path: &str) -> Request {
    Request { path: path.to_owned(), ..good() }
}

/// Requests that never come to be read as a message.
pub(super) fn borders() -> Vec<Case> {
    let mut all = vec![
        case("no server", at("/mcp"), 404, Code::NoRoute),
        case("the root", at("/"), 404, Code::NoRoute),
        case("an encoded slash", at("/web%2fmcp"), 404, Code::NoRoute),
        case("a doubled slash", at("//mcp"), 404, Code::NoRoute),
        case("a doubled slash before a server", at("//web/mcp"), 404, Code::NoRoute),
        case("dot segments", at("/../web/mcp"), 404, Code::NoRoute),
        case("dot segments between", at("/web/../web/mcp"), 404, Code::NoRoute),
        case("another case", at("/web/MCP"), 404, Code::NoRoute),
        case("a path parameter", at("/web;x=1/mcp"), 404, Code::UnknownServer),
        case("an encoded server", at("/w%65b/mcp"), 404, Code::UnknownServer),
        case("a server nobody knows", at("/elsewhere/mcp"), 404, Code::UnknownServer),
        case("the gate as a server", at("/v1/mcp"), 404, Code::UnknownServer),
        case("PUT", good().verb("PUT"), 405, Code::VerbNotAllowed),
        case("PATCH", good().verb("PATCH"), 405, Code::VerbNotAllowed),
        case("OPTIONS", Request::bare("OPTIONS", "/web/mcp"), 405, Code::VerbNotAllowed),
        case("a verb of one's own", good().verb("BREW"), 405, Code::VerbNotAllowed),
        case("another host", good().set("host", "evil.example"), 403, Code::HostRefused),
        case("a host that begins well", good().set("host", "localhost.evil.example"), 403, Code::HostRefused),
        case("a host in brackets that goes on", good().set("host", "[::1].evil.example"), 403, Code::HostRefused),
        case("no host", good().without("host"), 403, Code::HostRefused),
        case("two hosts", good().with("host", "evil.example"), 403, Code::HostRefused),
        case("another host in the target", at("http://evil.example/web/mcp"), 403, Code::HostRefused),
        case("another origin", good().with("origin", "http://evil.example"), 403, Code::OriginRefused),
        case("no origin of its own", good().with("origin", "null"), 403, Code::OriginRefused),
        case(
            "an origin that begins well",
            good().with("origin", "http://localhost.evil.example"),
            403,
            Code::OriginRefused,
        ),
        case(
            "two origins",
            good().with("origin", "http://localhost").with("origin", "http://evil.example"),
            403,
            Code::OriginRefused,
        ),
    ];
    all.extend(credentials());
    all.extend(representations());
    all
}

fn credentials() -> Vec<Case> {
    let token = good().headers.into_iter().find(|(name, _)| name == "authorization").unwrap().1;
    let bare = token.trim_start_matches("Bearer ").to_owned();
    vec![
        case("no token", good().without("authorization"), 401, Code::Unauthenticated),
        case("a wrong token", good().token("wrong"), 401, Code::Unauthenticated),
        case("a token and a letter", good().token(&format!("{bare}x")), 401, Code::Unauthenticated),
        case("an empty token", good().set("authorization", "Bearer "), 401, Code::Unauthenticated),
        case("another scheme", good().set("authorization", &format!("Basic {bare}")), 401, Code::Unauthenticated),
        case("no scheme", good().set("authorization", &bare), 401, Code::Unauthenticated),
        case("a token of 30,000 bytes", good().token(&"a".repeat(30_000)), 401, Code::Unauthenticated),
        case(
            "two tokens, the first wrong",
            good().set("authorization", "Bearer wrong").with("authorization", &token),
            401,
            Code::Unauthenticated,
        ),
        case(
            "the token in the query",
            Request { path: format!("/web/mcp?access_token={bare}"), ..good().without("authorization") },
            401,
            Code::Unauthenticated,
        ),
    ]
}

fn representations() -> Vec<Case> {
    let padding = "p".repeat(70_000);
    let large = call(1, "echo", json!({ "text": "x".repeat(70_000) }));
    vec![
        case("a head of 70,000 bytes", good().with("x-padding", &padding), 431, Code::HeadTooLarge),
        case("a body of 70,000 bytes", Request::post("/web/mcp", large), 413, Code::BodyTooLarge),
        case("no content type", good().without("content-type"), 415, Code::MediaType),
        case("plain text", good().set("content-type", "text/plain"), 415, Code::MediaType),
        case("a form", good().set("content-type", "application/x-www-form-urlencoded"), 415, Code::MediaType),
        case("nearly JSON", good().set("content-type", "application/jsonp"), 415, Code::MediaType),
        case("a compressed body", good().with("content-encoding", "gzip"), 415, Code::MediaType),
        case("accepts pages only", good().set("accept", "text/html"), 406, Code::NotAcceptable),
        case(
            "GET without a stream",
            Request::bare("GET", "/web/mcp").set("accept", "text/html"),
            406,
            Code::NotAcceptable,
        ),
        case("a server that is not there", at("/dead/mcp").tools(), 200, Code::Unreachable),
        case(
            "a server that hangs",
            Request::post("/quick/mcp", call(1, "look", json!({ "how": "hang" }))),
            200,
            Code::TimedOut,
        ),
        case("a server whose secret is not to be had", at("/poor/mcp").tools(), 200, Code::CredentialUnavailable),
    ]
}

impl Request {
    /// The same request, asking for the list of tools.
    fn tools(mut self) -> Self {
        self.body = rpc(1, "tools/list", json!({})).into_bytes();
        self
    }
}

/// Headers that mirror the body, and do not.
pub(super) fn mirrored() -> Vec<Case> {
    let agent = Agent::modern("127.0.0.1:0".parse().unwrap(), "web", crate::gate::ADA);
    let modern = || agent.stateless(1, "tools/call", json!({ "name": "echo", "arguments": { "text": "x" } }));
    let wrong = |name, request| case(name, request, 400, Code::HeaderMismatch);
    vec![
        wrong("another method", modern().set("mcp-method", "tools/list")),
        wrong("another method for an old client", good().with("mcp-method", "tools/list")),
        wrong("no method", modern().without("mcp-method")),
        wrong("a method twice", modern().with("mcp-method", "tools/list")),
        wrong("another tool", modern().set("mcp-name", "wipe")),
        wrong("another tool for an old client", good().with("mcp-name", "wipe")),
        wrong("no tool", modern().without("mcp-name")),
        wrong("a tool twice", modern().with("mcp-name", "echo")),
        // "wipe" in the sentinel that carries what a header cannot.
        wrong("another tool, encoded", modern().set("mcp-name", "=?base64?d2lwZQ==?=")),
        wrong("a tool encoded badly", modern().set("mcp-name", "=?base64?%%%?=")),
        wrong("bytes encoded that are no text", modern().set("mcp-name", "=?base64?//79?=")),
        wrong("the sentinel as it stands", modern().set("mcp-name", "=?base64?")),
        wrong("a tool in another case", modern().set("mcp-name", "Echo")),
        wrong("another revision", modern().set("mcp-protocol-version", "2027-01-01")),
        wrong(
            "a method on an answer",
            Request::post("/web/mcp", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).with("mcp-method", "ping"),
        ),
        wrong(
            "a name for a call without one",
            Request::post("/web/mcp", rpc(1, "tools/call", json!({}))).with("mcp-name", "echo"),
        ),
        wrong("a name that is no ASCII", modern().set("mcp-name", "\u{e9}cho")),
    ]
}

/// Sessions, of which `ada` is the caller's and `bob` is not.
pub(super) fn sessions(ada: &str, bob: &str) -> Vec<Case> {
    let with = |session: &str| good().with("mcp-session-id", session);
    let delete = || Request::bare("DELETE", "/web/mcp");
    let listen = |path: &str| Request::bare("GET", path).set("accept", "text/event-stream");
    let unknown = |name, request| case(name, request, 404, Code::SessionUnknown);
    let missing = |name, request| case(name, request, 400, Code::SessionMissing);
    vec![
        unknown("a session of nobody's", with("made-up")),
        unknown("an empty session", with("")),
        unknown("a session of bob's", with(bob)),
        unknown("a session of ada's, with bob's token", with(ada).token(BOB)),
        unknown("a session of ada's at another server", Request { path: "/pipe/mcp".to_owned(), ..with(ada) }),
        unknown("a session with a blank and more", with(&format!("{ada} x"))),
        unknown("a key of the gate's own", with(&format!("standing web default/{ada}"))),
        unknown("a session in bytes", with("\u{fffd}\u{1f600}")),
        unknown("a stream of bob's session", listen("/web/mcp").with("mcp-session-id", bob)),
        unknown("the end of bob's session", delete().with("mcp-session-id", bob)),
        missing("the end of no session", delete()),
        missing("a stream of no session", listen("/pipe/mcp")),
        missing("a call without a session that needs one", Request { path: "/pipe/mcp".to_owned(), ..good() }.tools()),
        missing(
            "a notification without a session that needs one",
            Request::post("/pipe/mcp", r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        ),
    ]
}
