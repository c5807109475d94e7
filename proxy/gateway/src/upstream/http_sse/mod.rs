//! Servers of the HTTP+SSE transport (MCP 2024-11-05, transports): one upstream connection per client session.
//!
//! Towards its client the gate speaks streamable HTTP and makes the session id itself, as it does for a legacy child
//! process. A session lives as long as its event stream: when that ends, what is under way is lost, and the client
//! initializes again. The transport has no stateless era; a client that speaks only that one is told it needs a session.

mod endpoint;
mod line;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pdp::record::FrameKind;
use pep::ports::SendFault;
use pep::{Answer, Dispatch, Raw};
use tokio::sync::Semaphore;

use self::line::{Line, LineFault, Message};
use super::conversation::{AskFault, First, session_id};
use super::http::{HttpClient, HttpUpstream};
use crate::vault::LocalVault;

pub(crate) use self::endpoint::endpoint;

/// The bounds of HTTP+SSE sessions.
#[derive(Debug, Clone, Copy)]
pub struct HttpSseLimits {
    /// How large one event may be, in bytes.
    pub bytes_max: usize,
    /// How many sessions may be open at once, each with one connection of its own.
    pub sessions_max: usize,
    /// How long an unused session is kept.
    pub idle: Duration,
}

/// The way out to HTTP+SSE servers.
#[derive(Debug)]
pub struct HttpSseUpstream {
    client: HttpClient,
    vault: Arc<LocalVault>,
    lines: Arc<Mutex<HashMap<String, Arc<Line>>>>,
    places: Arc<Semaphore>,
    limits: HttpSseLimits,
}

impl HttpSseUpstream {
    /// A way out without sessions, over the connections of `http` and with the secrets it knows.
    #[must_use]
    pub fn new(http: &HttpUpstream, limits: HttpSseLimits) -> Self {
        let places = Arc::new(Semaphore::new(limits.sessions_max.min(Semaphore::MAX_PERMITS)));
        Self { client: http.client(), vault: http.vault(), lines: Arc::default(), places, limits }
    }

    /// How many sessions are open now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends every session.
    pub(super) fn close(&self) {
        for (_, line) in self.lock().drain() {
            line.end();
        }
    }

    /// Ends the sessions nobody has used for long.
    pub(super) fn end_idle(&self) {
        self.lock().retain(|_, line| {
            let idle = line.conversation().idle_for() > self.limits.idle;
            if idle {
                line.end();
            }
            !idle
        });
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, dispatch: Dispatch) -> Result<Raw, SendFault> {
        if dispatch.kind() == FrameKind::Request && dispatch.method() == Some("initialize") {
            return self.open(dispatch).await;
        }
        let session = dispatch.channel().session().ok_or(SendFault::NeedsSession)?;
        let key = session_key(dispatch.channel().server(), session);
        let line = self.running(&key).ok_or(SendFault::NoSession)?;
        if line.server().transport != dispatch.server().transport {
            // The registry names another place now: nothing more is sent to the old one.
            self.forget(&key, &line);
            return Err(SendFault::NoSession);
        }
        match dispatch.kind() {
            FrameKind::Request => self.request(&line, dispatch, Vec::new()).await.map(|first| first.raw),
            FrameKind::Stream => Ok(Raw::stream(200, Vec::new(), Box::new(line.conversation().listen()))),
            FrameKind::EndSession => {
                line.close();
                self.forget(&key, &line);
                Ok(Raw::whole(200, Vec::new(), Bytes::new()))
            }
            FrameKind::Notification | FrameKind::Response | FrameKind::Unreadable => {
                match line.post(Message::of(dispatch))?.await {
                    // Of a session its client has ended, nobody is left to whom the loss would mean anything.
                    Ok(()) | Err(LineFault::Ended) => Ok(Raw::whole(202, Vec::new(), Bytes::new())),
                    Err(fault) => self.failed(&line, fault).map(|first| first.raw),
                }
            }
        }
    }

    /// Tells a server that its own request was refused. Answers false when no session is known by this channel.
    pub(super) async fn answer(&self, answer: &Answer) -> bool {
        let channel = answer.channel();
        let Some(session) = channel.session() else { return false };
        let Some(line) = self.running(&session_key(channel.server(), session)) else { return false };
        let secret = self.vault.read(line.server()).await.unwrap_or_default();
        let message = Message { text: answer.text().to_owned(), headers: Vec::new(), secret };
        let told = match line.post(message) {
            Ok(post) => post.await,
            Err(fault) => Err(fault.into()),
        };
        if let Err(fault) = told {
            tracing::warn!(server = channel.server(), "a refusal could not be told to the server: {fault}");
        }
        true
    }

    /// A session opens: a connection of its own, and a session id that the gate makes.
    async fn open(&self, dispatch: Dispatch) -> Result<Raw, SendFault> {
        self.end_idle();
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| SendFault::Busy)?;
        let session = session_id()?;
        let key = session_key(&dispatch.server().name, &session);
        let opened = Line::open(&self.client, &dispatch, self.limits.bytes_max, place).await;
        let line = match opened {
            Ok(line) => line,
            Err(fault) => return fault.told().map(|first| first.raw),
        };
        self.remember(&key, &line);
        let headers = vec![("mcp-session-id".to_owned(), session)];
        // Nobody knows the session's id until it is answered: whoever goes before that leaves nothing behind.
        let unopened = line.end_on_drop();
        let first = self.request(&line, dispatch, headers).await?;
        if !first.failed {
            unopened.disarm();
        }
        Ok(first.raw)
    }

    /// Sends a request and waits for its first event. The server takes a message by POST and answers it on the stream,
    /// in either order.
    async fn request(
        &self,
        line: &Arc<Line>,
        dispatch: Dispatch,
        headers: Vec<(String, String)>,
    ) -> Result<First, SendFault> {
        let id = dispatch.id().unwrap_or_default().to_owned();
        let mut message = Message::of(dispatch);
        let asked = line.conversation().ask(&id, None, false, std::mem::take(&mut message.text));
        let (waiting, text) = asked.map_err(|fault| match fault {
            AskFault::Gone => SendFault::NoSession,
            AskFault::Twice => SendFault::Unreachable(format!("a request with the id {id} is under way already")),
        })?;
        message.text = text;
        let mut posted = line.post(message)?;
        let mut first = std::pin::pin!(waiting.first(headers, |_| 200));
        tokio::select! {
            biased;
            first = &mut first => first,
            taken = &mut posted => match taken {
                Ok(()) => first.await,
                Err(fault) => self.failed(line, fault),
            },
        }
    }

    /// A message that the server did not take.
    fn failed(&self, line: &Arc<Line>, fault: LineFault) -> Result<First, SendFault> {
        if fault.ends_session() {
            line.end();
        }
        fault.told()
    }

    fn remember(&self, key: &str, line: &Arc<Line>) {
        self.lock().insert(key.to_owned(), Arc::clone(line));
        let (lines, gone, key) = (Arc::clone(&self.lines), Arc::clone(line), key.to_owned());
        tokio::spawn(async move {
            gone.conversation().ended().await;
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.get(&key).is_some_and(|known| Arc::ptr_eq(known, &gone)) {
                lines.remove(&key);
            }
        });
    }

    fn running(&self, key: &str) -> Option<Arc<Line>> {
        self.lock().get(key).filter(|line| !line.is_gone()).cloned()
    }

    fn forget(&self, key: &str, line: &Arc<Line>) {
        self.lock().remove(key);
        line.end();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn session_key(server: &str, session: &str) -> String {
    format!("{server} {session}")
}
