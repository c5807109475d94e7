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
use pep::{Caller, Frame};

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

/// Where a path leads.
pub(super) enum Route<'p> {
    /// A server's endpoint.
    Server(&'p str),
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
    match path.strip_prefix('/').unwrap_or_default().split_once('/') {
        Some((server, "mcp" | "mcp/")) if !server.is_empty() => Route::Server(server),
        Some(_) | None => Route::None,
    }
}

/// Reads a request into a frame.
pub(super) async fn frame(request: Request<Incoming>, peer: SocketAddr, listener: &Listener) -> Frame {
    let (head, body) = request.into_parts();
    let unknown = |refusal| Caller { principal: Err(refusal), address: Some(peer.ip().to_string()) };
    let Route::Server(server) = route(head.uri.path()) else {
        let refusal = Refusal::new(Code::NoRoute, "there is nothing here; servers are at `/{server}/mcp`");
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
    let caller = match listener.doorkeeper.admit(header(AUTHORIZATION), peer.ip(), now) {
        Ok(visitor) => known(visitor.principal, peer),
        Err(refusal) => return Frame::unreadable(unknown(refusal.clone()), server, refusal),
    };
    let headers = match forwarded(&head.headers, listener.head_bytes_max) {
        Ok(headers) => headers,
        Err(refusal) => return Frame::unreadable(caller, server, refusal),
    };
    let session = head.headers.get("mcp-session-id").map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
    match head.method {
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
    }
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
