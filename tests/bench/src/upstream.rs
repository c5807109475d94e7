//! The null server: answers MCP at once, with texts made beforehand. Also takes the spans a gate exports, and drops them.
//!
//! Both eras, JSON and SSE. `/{n}/mcp` lists the first n tools of the benchmark.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;

use crate::bundle;
use crate::message::{self, AFTER_TEXT, BEFORE_TEXT};

/// What never changes while it runs.
#[derive(Debug, Default)]
struct Null {
    sessions: AtomicU64,
    texts: Mutex<HashMap<usize, Bytes>>,
    listings: Mutex<HashMap<usize, Bytes>>,
}

/// Serves until the process ends.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let null = Arc::new(Null::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let null = Arc::clone(&null);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let null = Arc::clone(&null);
                async move { Ok::<_, Infallible>(null.answer(request).await) }
            });
            // A broken connection is the other side's to report.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Serves on a free port of this machine, in this process.
///
/// # Errors
/// When no port is free.
pub async fn start() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener));
    Ok(address)
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CallParams<'a> {
    #[serde(borrow)]
    arguments: Arguments<'a>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    bytes: usize,
    answer: &'a str,
}

impl Null {
    async fn answer(&self, request: Request<Incoming>) -> Response<Parts> {
        let tools = tools_of(request.uri().path());
        match *request.method() {
            Method::GET => open_stream(),
            Method::DELETE => empty(StatusCode::OK),
            Method::POST => {
                let Ok(body) = request.into_body().collect().await.map(|whole| whole.to_bytes()) else {
                    return empty(StatusCode::BAD_REQUEST);
                };
                // A path without a number of tools is the spans' (`/v1/traces`).
                let Some(tools) = tools else { return empty(StatusCode::OK) };
                self.message(&body, tools).unwrap_or_else(|_| empty(StatusCode::BAD_REQUEST))
            }
            _ => Response::builder()
                .status(StatusCode::METHOD_NOT_ALLOWED)
                .header(ALLOW, "GET, POST, DELETE")
                .body(Parts::of([]))
                .unwrap_or_default(),
        }
    }

    fn message(&self, body: &[u8], tools: usize) -> serde_json::Result<Response<Parts>> {
        let envelope: Envelope<'_> = serde_json::from_slice(body)?;
        let Some(id) = envelope.id else { return Ok(empty(StatusCode::ACCEPTED)) };
        let start = format!("{{\"jsonrpc\":\"2.0\",\"id\":{}", id.get());
        match envelope.method {
            "tools/call" => {
                let params = envelope.params.map_or("null", RawValue::get);
                let CallParams { arguments } = serde_json::from_str(params)?;
                let text = self.text(arguments.bytes);
                Ok(answered(arguments.answer == "sse", start, text))
            }
            "tools/list" => Ok(json([start.into(), self.listing(tools)])),
            "initialize" => {
                let session = self.sessions.fetch_add(1, Ordering::Relaxed);
                let mut response = json([start.into(), Bytes::from_static(OPENED)]);
                if let Ok(value) = format!("bench-{session:016x}").parse() {
                    response.headers_mut().insert("mcp-session-id", value);
                }
                Ok(response)
            }
            _ => Ok(json([start.into(), Bytes::from_static(UNKNOWN)])),
        }
    }

    fn text(&self, bytes: usize) -> Bytes {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Bytes::from(format!("{BEFORE_TEXT}{}{AFTER_TEXT}", message::text(bytes)));
        texts.entry(bytes).or_insert_with(made).clone()
    }

    fn listing(&self, tools: usize) -> Bytes {
        let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            let start = r#","result":{"resultType":"complete","ttlMs":0,"cacheScope":"public","tools":"#;
            Bytes::from(format!("{start}{}}}}}", bundle::definitions(tools)))
        };
        listings.entry(tools).or_insert_with(made).clone()
    }
}

const OPENED: &[u8] = concat!(
    r#","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"#,
    r#""serverInfo":{"name":"null","version":"1"}}}"#
)
.as_bytes();
const UNKNOWN: &[u8] = br#","error":{"code":-32601,"message":"Method not found"}}"#;

fn tools_of(path: &str) -> Option<usize> {
    path.strip_prefix('/')?.strip_suffix("/mcp")?.parse().ok()
}

fn answered(sse: bool, start: String, rest: Bytes) -> Response<Parts> {
    if !sse {
        return json([start.into(), rest]);
    }
    let body = Parts::chunked([format!("event: message\ndata: {start}").into(), rest, Bytes::from_static(b"\n\n")]);
    typed("text/event-stream", body)
}

fn json(parts: [Bytes; 2]) -> Response<Parts> {
    typed("application/json", Parts::of(parts))
}

/// A stream that says nothing and stays open.
fn open_stream() -> Response<Parts> {
    typed("text/event-stream", Parts { endless: true, ..Parts::chunked([Bytes::from_static(b": open\n\n")]) })
}

fn typed(kind: &'static str, body: Parts) -> Response<Parts> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

fn empty(status: StatusCode) -> Response<Parts> {
    let mut response = Response::new(Parts::of([]));
    *response.status_mut() = status;
    response
}

/// A body of parts that are shared and not copied.
#[derive(Debug, Default)]
struct Parts {
    parts: std::collections::VecDeque<Bytes>,
    chunked: bool,
    endless: bool,
}

impl Parts {
    fn of<const N: usize>(parts: [Bytes; N]) -> Self {
        Self { parts: parts.into(), chunked: false, endless: false }
    }

    /// The same, without telling its length.
    fn chunked<const N: usize>(parts: [Bytes; N]) -> Self {
        Self { chunked: true, ..Self::of(parts) }
    }
}

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.parts.pop_front() {
            Some(part) => Poll::Ready(Some(Ok(Frame::data(part)))),
            // Nothing wakes it: the connection's end does.
            None if self.endless => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && !self.endless
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.parts.iter().map(|part| part.len() as u64).sum())
    }
}
