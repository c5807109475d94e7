//! Streamable HTTP to a server: a pooled hyper client, raw bodies, streams passed on event by event.
//!
//! The client's own credentials never come this far: the only secret sent is the one that was lent for this server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pdp::registry::{Server, Transport};
use pep::ports::{BoxFuture, SendFault};
use pep::{Answer, Dispatch, Event, EventSource, Outbound, PieceSource, Raw};

use super::sse::SseReader;
use crate::vault::{self, LocalVault};

/// The client that carries requests to servers, with its pool of connections.
pub(super) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The HTTP way out.
#[derive(Debug, Clone)]
pub struct HttpUpstream {
    client: HttpClient,
    bytes_max: usize,
    long_bytes_max: usize,
    known: Arc<Mutex<Known>>,
    vault: Arc<LocalVault>,
}

/// The servers that orders were sent to, by name, and where they are.
type Known = HashMap<String, (Arc<Server>, Uri)>;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// After how long a silent connection is probed, so that a stream whose server is gone without a word ends.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// TLS or the network stack could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("no HTTPS client can be made: {0}")]
pub struct SetUpFault(String);

impl HttpUpstream {
    /// A client whose answers and events may be `bytes_max` bytes large where they are held, `long_bytes_max` where
    /// they are handed on piece by piece.
    ///
    /// # Errors
    /// When the system's certificates cannot be read or the TLS provider is missing.
    pub fn new(bytes_max: usize, long_bytes_max: usize, vault: Arc<LocalVault>) -> Result<Self, SetUpFault> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEP_ALIVE));
        http.enforce_http(false);
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|e| SetUpFault(e.to_string()))?
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(https);
        Ok(Self { client, bytes_max, long_bytes_max, known: Arc::default(), vault })
    }

    /// The client, for the other transport over HTTP.
    pub(super) fn client(&self) -> HttpClient {
        self.client.clone()
    }

    /// The secrets, likewise.
    pub(super) fn vault(&self) -> Arc<LocalVault> {
        Arc::clone(&self.vault)
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, dispatch: Dispatch) -> Result<Raw, SendFault> {
        let uri = self.learn(dispatch.server())?;
        let takes_long = dispatch.takes_long_answers();
        let request = request(dispatch, uri)?;
        let response = self.client.request(request).await.map_err(|e| fault(&e))?;
        let status = response.status().as_u16();
        let headers = returned(&response);
        if is_event_stream(&response) && response.status().is_success() {
            let source = SseSource::new(response.into_body(), self.bytes_max);
            return Ok(Raw::stream(status, headers, Box::new(source)));
        }
        let long = takes_long && response.status().is_success();
        let held_max = if long { LONG_BYTES } else { self.bytes_max };
        let mut answer =
            Answering { body: response.into_body(), read: Vec::new(), bytes: 0, bytes_max: self.bytes_max };
        while let Some(piece) = answer.piece().await {
            answer.read.push(piece.map_err(SendFault::Lost)?);
            if answer.bytes > held_max {
                answer.bytes_max = self.long_bytes_max;
                answer.read.reverse();
                return Ok(Raw::long(status, headers, Box::new(answer)));
            }
        }
        Ok(Raw::whole(status, headers, joined(answer.read)))
    }

    /// Tells a server that its own request was refused. Best effort: the server has its own time-out.
    pub(super) async fn answer(&self, answer: &Answer) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(answer.channel().server()).cloned();
        let Some((server, _)) = known else { return };
        let secret = self.vault.read(&server).await.unwrap_or_default();
        let Some(request) = answering(&server, answer, secret.as_deref()) else { return };
        if let Err(e) = self.client.request(request).await {
            tracing::warn!(server = answer.channel().server(), "a refusal could not be told to the server: {e}");
        }
    }

    /// Where a server is. Its refused questions are answered there as well, as the last order for it was sent.
    fn learn(&self, server: &Arc<Server>) -> Result<Uri, SendFault> {
        let mut servers = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, uri)) = servers.get(&server.name).filter(|(known, _)| Arc::ptr_eq(known, server)) {
            return Ok(uri.clone());
        }
        let Transport::Http { url, .. } = &server.transport else {
            return Err(SendFault::Unreachable("the registry names no URL".to_owned()));
        };
        let uri: Uri = url.parse().map_err(|e| SendFault::Unreachable(format!("`{url}` is no address: {e}")))?;
        servers.insert(server.name.clone(), (Arc::clone(server), uri.clone()));
        Ok(uri)
    }
}

fn answering(server: &Server, answer: &Answer, secret: Option<&str>) -> Option<Request<Full<Bytes>>> {
    let Transport::Http { url, .. } = &server.transport else { return None };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json, text/event-stream");
    if let Some(session) = answer.channel().session() {
        request = request.header("mcp-session-id", session);
    }
    if let Some(protocol) = answer.channel().protocol() {
        request = request.header("mcp-protocol-version", protocol);
    }
    for (name, value) in registered(server, secret).ok()? {
        request = request.header(name, value);
    }
    request.body(Full::new(Bytes::copy_from_slice(answer.text().as_bytes()))).ok()
}

fn request(dispatch: Dispatch, uri: Uri) -> Result<Request<Full<Bytes>>, SendFault> {
    let broken = |e: &dyn std::fmt::Display| SendFault::Unreachable(format!("the request cannot be written: {e}"));
    let mut request = Request::builder().uri(uri);
    let mut accepts = false;
    for (name, value) in dispatch.headers() {
        accepts |= name == "accept";
        request = request.header(name, value);
    }
    if !accepts {
        request = request.header(ACCEPT, "application/json, text/event-stream");
    }
    if let Some(session) = dispatch.channel().session() {
        request = request.header("mcp-session-id", session);
    }
    for (name, value) in registered(dispatch.server(), dispatch.secret())? {
        request = request.header(name, value);
    }
    let (method, body) = match dispatch.into_outbound() {
        Outbound::Message(text) => (Method::POST, Bytes::from(text)),
        Outbound::Open => (Method::GET, Bytes::new()),
        Outbound::Close => (Method::DELETE, Bytes::new()),
    };
    if method == Method::POST {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    request.method(method).body(Full::new(body)).map_err(|e| broken(&e))
}

/// The headers that the registry names for a server: the fixed ones, and those that carry the lent secrets, marked so
/// that nothing prints them.
pub(super) fn registered(server: &Server, secret: Option<&str>) -> Result<Vec<(HeaderName, HeaderValue)>, SendFault> {
    let fixed = match &server.transport {
        Transport::Http { headers, .. } | Transport::Sse { headers, .. } => Some(headers),
        Transport::Stdio { .. } | Transport::Builtin { .. } => None,
    };
    let broken = |name: &str| SendFault::Unreachable(format!("the header `{name}` of the registry cannot be sent"));
    let mut out = Vec::new();
    for (name, value) in fixed.into_iter().flatten() {
        out.push((
            HeaderName::try_from(name).map_err(|_| broken(name))?,
            HeaderValue::try_from(value).map_err(|_| broken(name))?,
        ));
    }
    for (rule, secret) in vault::parted(server, secret) {
        let unfit = |_| SendFault::Unreachable("the credential cannot be a header".to_owned());
        let mut value = HeaderValue::try_from(format!("{}{secret}", rule.prefix)).map_err(unfit)?;
        value.set_sensitive(true);
        out.push((HeaderName::try_from(&rule.header).unwrap_or(AUTHORIZATION), value));
    }
    Ok(out)
}

/// The protocol's headers that go back to the client.
fn returned(response: &Response<Incoming>) -> Vec<(String, String)> {
    ["mcp-session-id", "mcp-protocol-version", "allow", "retry-after"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), response.headers().get(name)?.to_str().ok()?.to_owned())))
        .collect()
}

pub(super) fn is_event_stream(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
}

pub(super) fn fault(e: &hyper_util::client::legacy::Error) -> SendFault {
    let words = words_of(e);
    if e.is_connect() { SendFault::Unreachable(words) } else { SendFault::Lost(words) }
}

/// What went wrong, down to its first cause.
pub(super) fn words_of(e: &hyper_util::client::legacy::Error) -> String {
    let mut words = e.to_string();
    let mut source = std::error::Error::source(e);
    while let Some(inner) = source {
        words = format!("{words}: {inner}");
        source = inner.source();
    }
    words
}

/// From here on an answer is handed on piece by piece instead of being held.
const LONG_BYTES: usize = 1 << 20;

/// A response's body, read piece by piece.
struct Answering {
    body: Incoming,
    /// What was read before it was known to be long, the first piece last.
    read: Vec<Bytes>,
    bytes: usize,
    bytes_max: usize,
}

impl Answering {
    /// The next piece of the body.
    async fn piece(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            let bytes = match self.body.frame().await? {
                Ok(frame) => frame.into_data().unwrap_or_default(),
                Err(e) => return Some(Err(e.to_string())),
            };
            self.bytes = self.bytes.saturating_add(bytes.len());
            if self.bytes > self.bytes_max {
                return Some(Err(format!("it is larger than {} bytes", self.bytes_max)));
            }
            if !bytes.is_empty() {
                return Some(Ok(bytes));
            }
        }
    }
}

impl PieceSource for Answering {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, String>>> {
        Box::pin(async move {
            match self.read.pop() {
                Some(piece) => Some(Ok(piece)),
                None => self.piece().await,
            }
        })
    }
}

/// Pieces as one; a single one is not copied.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() <= 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}

/// Events out of a response's body.
pub(super) struct SseSource {
    body: Incoming,
    reader: SseReader,
    ready: VecDeque<Event>,
    over: bool,
}

impl SseSource {
    pub(super) fn new(body: Incoming, bytes_max: usize) -> Self {
        Self { body, reader: SseReader::new(bytes_max), ready: VecDeque::new(), over: false }
    }

    pub(super) async fn read(&mut self) -> Option<Result<Event, String>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.over {
                return None;
            }
            let taken = match self.body.frame().await {
                None => {
                    self.over = true;
                    continue;
                }
                Some(Err(e)) => Err(e.to_string()),
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    self.reader.take(&bytes).map_err(|e| e.to_string())
                }
            };
            match taken {
                Ok(events) => self.ready.extend(events),
                Err(words) => {
                    self.over = true;
                    return Some(Err(words));
                }
            }
        }
    }
}

impl EventSource for SseSource {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Event, String>>> {
        Box::pin(self.read())
    }
}
