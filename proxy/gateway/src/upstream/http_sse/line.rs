//! One session with an HTTP+SSE server: a GET whose event stream brings the server's messages, and POSTs that take the
//! client's to where the stream's first event said. Follows no redirect; sends to no other origin.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use pdp::registry::{Server, Transport};
use pep::ports::SendFault;
use pep::{Dispatch, Outbound, Raw};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::endpoint::endpoint;
use crate::upstream::conversation::{Conversation, First};
use crate::upstream::http::{self as web, HttpClient, SseSource};

/// How long the stream may take to open and to name its endpoint.
const OPENING_MAX: Duration = Duration::from_secs(30);
/// After how long a POST that is not answered is given up. The call itself has its own time-out.
const POST_MAX: Duration = Duration::from_secs(600);
/// How many POSTs of one session may be under way.
const POSTS_MAX: usize = 64;
/// How much of a POST's answer is read, so that its connection can serve again. It carries no message.
const TAKEN_BYTES_MAX: usize = 64 << 10;

/// A message on its way to the server.
pub(super) struct Message {
    pub(super) text: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) secret: Option<String>,
}

impl Message {
    /// What an order says is to be sent.
    pub(super) fn of(dispatch: Dispatch) -> Self {
        let headers = headers_of(&dispatch);
        let secret = dispatch.secret().map(str::to_owned);
        let text = match dispatch.into_outbound() {
            Outbound::Message(text) => text,
            Outbound::Open | Outbound::Close => String::new(),
        };
        Self { text, headers, secret }
    }
}

/// The protocol's headers, without those that speak of one HTTP exchange alone.
fn headers_of(dispatch: &Dispatch) -> Vec<(String, String)> {
    let ours = |name: &str| matches!(name, "accept" | "last-event-id");
    dispatch.headers().iter().filter(|(name, _)| !ours(name)).cloned().collect()
}

/// What went wrong with an exchange.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineFault {
    /// The server refused the gate's own credential, with this status.
    #[error("the server refused the gate's own credential (HTTP {0})")]
    Credential(u16),
    /// The server knows no such session any more.
    #[error("the server knows no such session")]
    NoSession,
    /// The client ended the session before the server had taken the message.
    #[error("the session has ended")]
    Ended,
    /// Anything else.
    #[error("{0}")]
    Send(#[from] SendFault),
}

impl LineFault {
    /// Whether nothing more can be said in this session.
    pub(super) fn ends_session(&self) -> bool {
        match self {
            Self::NoSession => true,
            Self::Credential(_) | Self::Ended | Self::Send(_) => false,
        }
    }

    /// What the pipeline is told.
    pub(super) fn told(self) -> Result<First, SendFault> {
        match self {
            Self::Credential(status) => {
                Ok(First { raw: Raw::whole(status, Vec::new(), Bytes::new()), failed: true, refused: true })
            }
            Self::NoSession => Err(SendFault::NoSession),
            Self::Ended => Err(SendFault::Lost("the session has ended".to_owned())),
            Self::Send(fault) => Err(fault),
        }
    }
}

/// An open session.
pub(super) struct Line {
    server: Arc<Server>,
    endpoint: Url,
    client: HttpClient,
    conversation: Arc<Conversation>,
    posts: Arc<Semaphore>,
    ending: CancellationToken,
    /// Its client ended it.
    closed: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Line {
    /// Opens the stream and learns where messages are posted. Nothing of the client's message is sent yet.
    pub(super) async fn open(
        client: &HttpClient,
        dispatch: &Dispatch,
        bytes_max: usize,
        place: OwnedSemaphorePermit,
    ) -> Result<Arc<Self>, LineFault> {
        let unreachable = |words: String| LineFault::Send(SendFault::Unreachable(words));
        let server = Arc::clone(dispatch.server());
        let Transport::Sse { url, .. } = &server.transport else {
            return Err(unreachable("the registry names no event stream".to_owned()));
        };
        let request = request(Method::GET, url, &server, &headers_of(dispatch), dispatch.secret())?
            .header(ACCEPT, "text/event-stream")
            .body(Full::default())
            .map_err(|e| unreachable(format!("the request cannot be written: {e}")))?;
        let opening = async {
            let response = client.request(request).await.map_err(|e| unreachable(web::words_of(&e)))?;
            match response.status().as_u16() {
                200 if web::is_event_stream(&response) => {}
                200 => return Err(unreachable("it answered with something that is no event stream".to_owned())),
                status @ (401 | 403) => return Err(LineFault::Credential(status)),
                status => return Err(unreachable(format!("it answered HTTP {status} where its event stream belongs"))),
            }
            let mut source = SseSource::new(response.into_body(), bytes_max);
            let named = named_endpoint(&mut source).await.map_err(unreachable)?;
            let endpoint = endpoint(url, &named).map_err(|e| unreachable(e.to_string()))?;
            Ok((source, endpoint))
        };
        let opened = tokio::time::timeout(OPENING_MAX, opening).await;
        let (source, endpoint) =
            opened.map_err(|_| unreachable("its event stream did not open in time".to_owned()))??;
        let conversation = Conversation::new(&server.name, "the server's event stream has ended", bytes_max);
        let ending = CancellationToken::new();
        tokio::spawn(read(source, Arc::clone(&conversation), server.name.clone(), ending.clone()));
        let posts = Arc::new(Semaphore::new(POSTS_MAX));
        let client = client.clone();
        Ok(Arc::new(Self {
            server,
            endpoint,
            client,
            conversation,
            posts,
            ending,
            closed: CancellationToken::new(),
            _place: place,
        }))
    }

    /// The server as the registry described it when the session opened.
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Who waits for which of its messages.
    pub(super) fn conversation(&self) -> &Arc<Conversation> {
        &self.conversation
    }

    /// Ends the session because its client does.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.end();
    }

    /// Ends the session: the stream is closed, which is how this transport says so.
    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.ending.is_cancelled() || self.conversation.is_over()
    }

    /// Ends the session when the guard is dropped, unless it is disarmed before.
    pub(super) fn end_on_drop(self: &Arc<Self>) -> EndOnDrop {
        EndOnDrop(Some(Arc::clone(self)))
    }

    /// Begins to send a message. It is sent to its end though nobody waits for it: who goes away cancels nothing here.
    pub(super) fn post(&self, message: Message) -> Result<Post, SendFault> {
        let place = Arc::clone(&self.posts).try_acquire_owned().map_err(|_| SendFault::Busy)?;
        self.conversation.touch();
        let Message { text, headers, secret } = message;
        let request = request(Method::POST, self.endpoint.as_str(), &self.server, &headers, secret.as_deref())
            .and_then(|request| {
                let body = Full::new(Bytes::from(text));
                let request = request.header(CONTENT_TYPE, "application/json").body(body);
                request.map_err(|e| SendFault::Unreachable(format!("the request cannot be written: {e}")))
            })?;
        let (client, ending, closed) = (self.client.clone(), self.ending.clone(), self.closed.clone());
        Ok(Post(tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                taken = tokio::time::timeout(POST_MAX, taken(&client, request)) => {
                    taken.unwrap_or_else(|_| Err(lost("the server did not take the message in time")))
                }
                () = ending.cancelled() => {
                    Err(if closed.is_cancelled() { LineFault::Ended } else { lost("the session has ended") })
                }
            }
        })))
    }
}

fn lost(words: &str) -> LineFault {
    LineFault::Send(SendFault::Lost(words.to_owned()))
}

/// Sends a message, and reads how it was taken.
async fn taken(client: &HttpClient, request: Request<Full<Bytes>>) -> Result<(), LineFault> {
    let response = client.request(request).await.map_err(|e| web::fault(&e))?;
    let status = response.status();
    // What it says beside its status is nobody's; it is read so that the connection can serve again.
    let _said = Limited::new(response.into_body(), TAKEN_BYTES_MAX).collect().await;
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(LineFault::Credential(status.as_u16())),
        StatusCode::NOT_FOUND => Err(LineFault::NoSession),
        status => Err(lost(&format!("it took the message with HTTP {}", status.as_u16()))),
    }
}

/// A request with the protocol's headers and the lent secret.
fn request(
    method: Method,
    url: &str,
    server: &Server,
    headers: &[(String, String)],
    secret: Option<&str>,
) -> Result<http::request::Builder, SendFault> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    for (name, value) in web::registered(server, secret)? {
        request = request.header(name, value);
    }
    Ok(request)
}

/// Reads on to the stream's first event, which must name the endpoint.
async fn named_endpoint(source: &mut SseSource) -> Result<String, String> {
    loop {
        let event = match source.read().await {
            Some(Ok(event)) => event,
            Some(Err(words)) => return Err(format!("its event stream broke: {words}")),
            None => return Err("its event stream ended before it named an endpoint".to_owned()),
        };
        match (event.event.as_deref(), event.data) {
            (Some("endpoint"), Some(named)) => return Ok(named),
            (_, Some(_)) => {
                let advice = "is it a streamable HTTP server? then write `kind = \"http\"`";
                return Err(format!("its event stream does not begin with an `endpoint` event; {advice}"));
            }
            // A comment, or a retry hint.
            (_, None) => {}
        }
    }
}

/// Reads the server's messages until the stream or the session ends.
async fn read(mut source: SseSource, conversation: Arc<Conversation>, server: String, ending: CancellationToken) {
    loop {
        let event = tokio::select! {
            event = source.read() => event,
            () = ending.cancelled() => break,
        };
        match event {
            Some(Ok(event)) => match (event.event.as_deref(), event.data) {
                (None | Some("message"), Some(text)) if !text.trim().is_empty() => conversation.take(&text),
                // Where messages go is said once: later words must not lead them elsewhere.
                (Some("endpoint"), _) => tracing::warn!(server, "the server named another endpoint; it was ignored"),
                _ => {}
            },
            Some(Err(words)) => {
                tracing::warn!(server, "the server's event stream broke: {words}");
                break;
            }
            None => {
                tracing::info!(server, "the server ended its event stream");
                break;
            }
        }
    }
    ending.cancel();
    conversation.finish();
}

/// A message under way to the server.
pub(super) struct Post(JoinHandle<Result<(), LineFault>>);

impl Future for Post {
    type Output = Result<(), LineFault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|ended| ended.unwrap_or_else(|_| Err(lost("sending it failed"))))
    }
}

/// Ends a session that did not come about.
pub(super) struct EndOnDrop(Option<Arc<Line>>);

impl EndOnDrop {
    /// The session came about.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.end();
        }
    }
}

// Written by hand: an endpoint's path or query may hold a session's secret.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({})", self.server.name)
    }
}
