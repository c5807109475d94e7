//! From an HTTP request to a frame: route, borders, credential, headers, body, each with its refusal.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use pdp::principal::Principal;
use pdp::refusal::{Code, Refusal};
use pep::{Caller, Frame, Token};

use super::serve::Listener;

/// Headers that the gate checks or forwards. Nothing else of the client's reaches a server: no cookie, no credential.
const FORWARDED: [&str; 9] = [
    "accept",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-method",
    "mcp-name",
    "traceparent",
    "tracestate",
    "baggage",
    "idempotency-key",
];

/// The header that may carry the token of the task a request is of. It is never forwarded.
const TASK: &str = "wicketgate-task";

/// Where a path leads.
pub(super) enum Route<'p> {
    /// A server's endpoint, and the task's token where the path carries one.
    Server(&'p str, Option<Token>),
    /// The liveness probe.
    Health,
    /// A path clients probe for OAuth metadata; there is none.
    WellKnown,
    /// Nowhere.
    None,
}

pub(super) fn route(path: &str) -> Route<'_> {
    if path == "/healthz" {
        return Route::Health;
    }
    if path.starts_with("/.well-known/") || path.contains("/.well-known/") {
        return Route::WellKnown;
    }
    let path = path.strip_prefix('/').unwrap_or_default();
    if let Some(server) = endpoint(path) {
        return Route::Server(server, None);
    }
    let with_token = path.strip_prefix("t/").and_then(|rest| rest.split_once('/'));
    match with_token.and_then(|(token, rest)| Some((token, endpoint(rest)?))) {
        Some((token, server)) => Route::Server(server, Some(Token::presented(token))),
        None => Route::None,
    }
}

/// The server of `SERVER/mcp`.
fn endpoint(path: &str) -> Option<&str> {
    match path.split_once('/') {
        Some((server, "mcp" | "mcp/")) if !server.is_empty() => Some(server),
        Some(_) | None => None,
    }
}

/// Reads a request into a frame.
pub(super) async fn frame(request: Request<Incoming>, peer: SocketAddr, listener: &Listener) -> Frame {
    let (head, body) = request.into_parts();
    let unknown = |refusal| Caller { principal: Err(refusal), address: Some(peer.ip().to_string()) };
    let Route::Server(server, in_path) = route(head.uri.path()) else {
        let words = "there is nothing here; servers are at `/{server}/mcp`, and with a task's token in the URL at \
                     `/t/{token}/{server}/mcp`";
        let refusal = Refusal::new(Code::NoRoute, words);
        return Frame::unreadable(unknown(refusal.clone()), "", refusal);
    };
    let header = |name: http::HeaderName| head.headers.get(name).and_then(|v| v.to_str().ok());
    // Of two hosts or origins nobody can say which one a browser was led by (RFC 9112, section 3.2).
    let one = head.headers.get_all(HOST).iter().count() <= 1;
    let origin = if head.headers.get_all(ORIGIN).iter().count() > 1 { Some("two origins") } else { header(ORIGIN) };
    let host = head.uri.authority().map(|a| a.as_str()).or_else(|| header(HOST)).filter(|_| one);
    if let Err(refusal) = listener.borders.check(host, origin) {
        return Frame::unreadable(unknown(refusal.clone()), server, refusal);
    }
    let now = listener.gate.ports.clock.now_us();
    // One that cannot be read is one that is wrong, and not none.
    let authorization = head.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let caller = match authenticated(authorization, in_path.as_ref(), peer, now, listener) {
        Ok(principal) => known(principal, peer),
        Err(refusal) => return Frame::unreadable(unknown(refusal.clone()), server, refusal),
    };
    let tokens = match tokens(&head.headers, in_path) {
        Ok(tokens) => tokens,
        Err(refusal) => return Frame::unreadable(caller, server, refusal),
    };
    let headers = match forwarded(&head.headers, listener.head_bytes_max) {
        Ok(headers) => headers,
        Err(refusal) => return Frame::unreadable(caller, server, refusal),
    };
    let session = head.headers.get("mcp-session-id").map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    let frame = match head.method {
        Method::GET if !accepts(&head.headers, &["text/event-stream"]) => {
            let words = "GET opens a stream: send `Accept: text/event-stream`";
            Frame::unreadable(caller, server, Refusal::new(Code::NotAcceptable, words))
        }
        Method::GET => Frame::open(caller, server, session, headers),
        Method::DELETE => Frame::close(caller, server, session, headers),
        Method::POST => match read_body(&head.headers, body, listener).await {
            Ok(body) => Frame::message(caller, server, session, headers, body),
            Err(refusal) => Frame::unreadable(caller, server, refusal),
        },
        _ => {
            let words = "only POST, GET and DELETE are served here";
            Frame::unreadable(caller, server, Refusal::new(Code::VerbNotAllowed, words))
        }
    };
    frame.with_tokens(tokens)
}

/// Who sends a request: whoever its bearer token names, else the agent of the task whose token stands in its URL. A bearer
/// token that is wrong is not made good by another.
fn authenticated(
    authorization: Option<&str>,
    in_path: Option<&Token>,
    peer: SocketAddr,
    now_us: i64,
    listener: &Listener,
) -> Result<Arc<Principal>, Refusal> {
    let doorkeeper = &listener.doorkeeper;
    match (authorization, in_path) {
        (None, Some(token)) => {
            let known = listener.gate.ports.tasks.bearer(token);
            known.map_err(|refused| doorkeeper.failed(peer.ip(), now_us, refused))
        }
        (Some(_), Some(_) | None) | (None, None) => {
            doorkeeper.admit(authorization, peer.ip(), now_us).map(|visitor| visitor.principal)
        }
    }
}

/// The task tokens of a request's head: in its URL and in its header, which may stand but once.
fn tokens(headers: &HeaderMap, in_path: Option<Token>) -> Result<Vec<Token>, Refusal> {
    let mut values = headers.get_all(TASK).iter();
    let refused = |words: &str| Err(Refusal::new(Code::TokenRefused, words));
    let in_header = match (values.next(), values.next()) {
        (None, _) => None,
        (Some(_), Some(_)) => return refused("the header `Wicketgate-Task` stands twice"),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Some(Token::presented(text)),
            Err(_) => return refused("the header `Wicketgate-Task` holds bytes that are no visible ASCII"),
        },
    };
    Ok(in_path.into_iter().chain(in_header).collect())
}

fn known(principal: Arc<Principal>, peer: SocketAddr) -> Caller {
    Caller { principal: Ok(principal), address: Some(peer.ip().to_string()) }
}

fn forwarded(all: &HeaderMap, bytes_max: usize) -> Result<Vec<(String, String)>, Refusal> {
    let size: usize = all.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > bytes_max {
        let words = format!("the request's head has {size} bytes; at most {bytes_max} are read");
        return Err(Refusal::new(Code::HeadTooLarge, words));
    }
    let mut out = Vec::new();
    for (name, value) in all {
        let name = name.as_str();
        if !FORWARDED.contains(&name) && !name.starts_with("mcp-param-") {
            continue;
        }
        let Ok(value) = value.to_str() else {
            let words = format!("the header `{name}` holds bytes that are no visible ASCII");
            return Err(Refusal::new(Code::HeaderMismatch, words));
        };
        if out.iter().any(|(other, _)| other == name) && name.starts_with("mcp-") {
            return Err(Refusal::new(Code::HeaderMismatch, format!("the header `{name}` stands twice")));
        }
        out.push((name.to_owned(), value.to_owned()));
    }
    Ok(out)
}

/// Whether the client accepts one of these. No `Accept` accepts everything (RFC 9110, section 12.5.1).
fn accepts(headers: &HeaderMap, kinds: &[&str]) -> bool {
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        any = true;
        for range in value.to_str().unwrap_or_default().split(',') {
            let kind = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            if kind == "*/*"
                || kinds.contains(&kind.as_str())
                || (kind.ends_with("/*") && kinds.iter().any(|k| k.split('/').next() == kind.split('/').next()))
            {
                return true;
            }
        }
    }
    !any
}

async fn read_body(headers: &HeaderMap, body: Incoming, listener: &Listener) -> Result<Bytes, Refusal> {
    let (bytes_max, time) = (listener.body_bytes_max, listener.body_time);
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::new(Code::MediaType, "the body must be `Content-Type: application/json`"));
    }
    if headers.contains_key("content-encoding") {
        return Err(Refusal::new(Code::MediaType, "the body must not be compressed"));
    }
    if !accepts(headers, &["application/json", "text/event-stream"]) {
        let words = "answers are `application/json` or `text/event-stream`: accept at least one";
        return Err(Refusal::new(Code::NotAcceptable, words));
    }
    let read = tokio::time::timeout(time, Limited::new(body, bytes_max).collect()).await;
    let read = read.map_err(|_| {
        let words = format!("the body did not come within {} s", time.as_secs());
        Refusal::new(Code::BodyUnreadable, words)
    })?;
    read.map(|whole| whole.to_bytes()).map_err(|e| {
        if e.is::<LengthLimitError>() {
            Refusal::new(Code::BodyTooLarge, format!("the body is larger than {bytes_max} bytes"))
        } else {
            Refusal::new(Code::BodyUnreadable, "the body could not be read to its end")
        }
    })
}
