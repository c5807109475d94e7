//! The bridge's HTTP side: one endpoint, one token, one session. Knows nothing of who speaks on the other side.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use pdp::json::{self, member};
use reqwest::Response;

use super::Door;
use crate::upstream::sse::SseReader;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end of a session may take to be told.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a broken stream is left alone before it is opened again.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// How often a broken stream is picked up where it ended before its request is given up.
const RESUMES_MAX: u32 = 5;
/// How large one event may be: larger than any the gate passes by default.
const EVENT_BYTES_MAX: usize = 1 << 30;

/// Why a message did not come through.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkFault {
    /// Nobody answers.
    #[error("no Wicketgate answers at {0}; start it with `wicketgate serve`: {1}")]
    Unreachable(String, String),
    /// The token is not known.
    #[error("Wicketgate refused the token; set WICKETGATE_TOKEN, or name its file with `--token-file`")]
    Token,
    /// The gate knows no such session any more.
    #[error("Wicketgate no longer knows this session; start the server again")]
    NoSession,
    /// The gate's answer is no message.
    #[error("Wicketgate answered HTTP {0} and no message")]
    Status(u16),
    /// The answer broke off.
    #[error("the connection to Wicketgate was lost: {0}")]
    Lost(String),
}

/// The way to the gate.
pub(super) struct Link {
    client: reqwest::Client,
    url: String,
    token: HeaderValue,
    task: Option<HeaderValue>,
    session: Mutex<Session>,
}

#[derive(Default)]
struct Session {
    id: Option<String>,
    /// The revision that was agreed on; only a legacy client agrees on one.
    protocol: Option<String>,
    /// Whether the last message that named its revision was a modern one.
    modern: bool,
}

impl Link {
    pub(super) fn new(door: &Door) -> Result<Self, String> {
        // The gate is on this machine or named by address; a proxy of the environment is not on the way to it.
        let client = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).build();
        let client = client.map_err(|e| format!("no HTTP client can be made: {e}"))?;
        let token = HeaderValue::try_from(format!("Bearer {}", door.token));
        let mut token = token.map_err(|_| "the token holds what no header can".to_owned())?;
        token.set_sensitive(true);
        let task = door.task.as_ref().map(HeaderValue::try_from).transpose();
        let mut task = task.map_err(|_| "the task's token holds what no header can".to_owned())?;
        task.iter_mut().for_each(|task| task.set_sensitive(true));
        Ok(Self { client, url: door.url.clone(), token, task, session: Mutex::default() })
    }

    /// Whether the client speaks the modern era, which has no sessions.
    pub(super) fn is_modern(&self) -> bool {
        self.state().modern
    }

    pub(super) fn session(&self) -> Option<String> {
        self.state().id.clone()
    }

    /// Goes back to a session, where the one that took its place is of no use.
    pub(super) fn return_to(&self, session: Option<&str>) {
        self.state().id = session.map(str::to_owned);
    }

    /// Takes down what an answer to `initialize` agrees on.
    pub(super) fn learn(&self, answer: &str) {
        let agreed = member(answer, "result").and_then(|result| member(result, "protocolVersion"));
        if let Some(version) = agreed.and_then(|raw| json::string(raw).ok()) {
            self.state().protocol = Some(version.into_owned());
        }
    }

    /// Posts a message.
    pub(super) async fn post(&self, text: &str, headers: &[(String, String)]) -> Result<Said, LinkFault> {
        self.state().modern = !headers.is_empty();
        self.send(self.request(Method::POST, !headers.is_empty()), text, headers).await
    }

    /// Posts an `initialize` outside of any session. The session that it opens takes the place of the one before, which
    /// stays where none is opened.
    pub(super) async fn open(&self, text: &str) -> Result<Said, LinkFault> {
        self.send(self.request(Method::POST, true), text, &[]).await
    }

    async fn send(
        &self,
        mut request: reqwest::RequestBuilder,
        text: &str,
        headers: &[(String, String)],
    ) -> Result<Said, LinkFault> {
        request = request.header(CONTENT_TYPE, "application/json");
        request = request.header(ACCEPT, "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.body(text.to_owned()).send().await.map_err(|e| self.fault(&e))?;
        if let Some(id) = answer.headers().get("mcp-session-id").and_then(|v| v.to_str().ok()) {
            self.state().id = Some(id.to_owned());
        }
        self.said(answer).await
    }

    /// Opens the session's own stream; nothing where there is none to be had.
    pub(super) async fn listen(&self) -> Result<Option<Said>, LinkFault> {
        if self.is_modern() {
            return Ok(None);
        }
        let request = self.request(Method::GET, false).header(ACCEPT, "text/event-stream");
        let answer = request.send().await.map_err(|e| self.fault(&e))?;
        // It may refuse: there is no such stream, or no such session.
        if answer.status().is_success() { self.said(answer).await.map(Some) } else { Ok(None) }
    }

    /// Ends the session.
    pub(super) async fn close(&self) {
        if self.session().is_some() {
            let request = self.request(Method::DELETE, false).timeout(CLOSE_TIMEOUT);
            if let Err(e) = request.send().await {
                tracing::debug!("the end of the session could not be told: {e}");
            }
        }
    }

    fn request(&self, method: Method, modern: bool) -> reqwest::RequestBuilder {
        let state = self.state();
        let mut request = self.client.request(method, &self.url).header(AUTHORIZATION, self.token.clone());
        if let Some(task) = &self.task {
            request = request.header("wicketgate-task", task.clone());
        }
        if let Some(id) = state.id.as_ref().filter(|_| !modern) {
            request = request.header("mcp-session-id", id);
        }
        if let Some(protocol) = state.protocol.as_ref().filter(|_| !modern) {
            request = request.header("mcp-protocol-version", protocol);
        }
        request
    }

    async fn said(&self, answer: Response) -> Result<Said, LinkFault> {
        let status = answer.status();
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if status.is_success() && kind.starts_with("text/event-stream") {
            return Ok(Said::Events(Box::new(Events::of(answer))));
        }
        let body = answer.text().await.map_err(|e| LinkFault::Lost(words(&e)))?;
        match status {
            StatusCode::UNAUTHORIZED => Err(LinkFault::Token),
            StatusCode::NOT_FOUND if self.session().is_some() && !self.is_modern() => Err(LinkFault::NoSession),
            _ if member(&body, "jsonrpc").is_some() && member(&body, "id").is_some_and(|id| id != "null") => {
                Ok(Said::Text(Some(body)))
            }
            _ if status.is_success() => Ok(Said::Nothing),
            _ => Err(LinkFault::Status(status.as_u16())),
        }
    }

    fn fault(&self, e: &reqwest::Error) -> LinkFault {
        if e.is_connect() { LinkFault::Unreachable(self.url.clone(), words(e)) } else { LinkFault::Lost(words(e)) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What went wrong, down to its first cause, without the URL.
fn words(e: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(e);
    let mut words = String::new();
    while let Some(inner) = source {
        words = inner.to_string();
        source = inner.source();
    }
    if words.is_empty() { e.to_string() } else { words }
}

/// What the gate says to one request.
pub(super) enum Said {
    /// Nothing: the message was taken.
    Nothing,
    /// One message.
    Text(Option<String>),
    /// Messages as they come.
    Events(Box<Events>),
}

/// An event stream under way.
pub(super) struct Events {
    answer: Response,
    reader: SseReader,
    ready: std::collections::VecDeque<pep::Event>,
    last_id: Option<String>,
    resumes: u32,
}

impl Events {
    fn of(answer: Response) -> Self {
        let reader = SseReader::new(EVENT_BYTES_MAX);
        Self { answer, reader, ready: std::collections::VecDeque::new(), last_id: None, resumes: 0 }
    }

    /// The next message; nothing at the stream's end.
    async fn next(&mut self) -> Option<Result<String, LinkFault>> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                self.last_id = event.id.or(self.last_id.take());
                if let Some(data) = event.data.filter(|data| !data.is_empty()) {
                    return Some(Ok(data));
                }
            }
            match self.answer.chunk().await {
                Ok(None) => return None,
                Ok(Some(bytes)) => match self.reader.take(&bytes) {
                    Ok(events) => self.ready.extend(events),
                    Err(fault) => return Some(Err(LinkFault::Lost(fault.to_string()))),
                },
                Err(e) => return Some(Err(LinkFault::Lost(words(&e)))),
            }
        }
    }
}

impl Said {
    /// The next message. A legacy stream that breaks off is picked up after its last event, where it had one with an id
    /// (MCP 2025-11-25, transports, resumability).
    pub(super) async fn next(&mut self, link: &Link) -> Option<Result<String, LinkFault>> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => text.take().map(Ok),
            Self::Events(events) => loop {
                let next = events.next().await;
                let broken = !matches!(next, Some(Ok(_)));
                let Some(last) = events.last_id.clone().filter(|_| broken && !link.is_modern()) else { return next };
                if events.resumes >= RESUMES_MAX {
                    return next;
                }
                tokio::time::sleep(PAUSE).await;
                let request = link.request(Method::GET, false).header(ACCEPT, "text/event-stream");
                match request.header("last-event-id", last.clone()).send().await {
                    Ok(answer) if answer.status().is_success() => {
                        let resumes = events.resumes + 1;
                        **events = Events { last_id: Some(last), resumes, ..Events::of(answer) };
                    }
                    Ok(_) | Err(_) => return next,
                }
            },
        }
    }
}
