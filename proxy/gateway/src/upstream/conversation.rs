//! A conversation with one server over a line that carries whole messages: who waits for what, and where each message of
//! the server's goes. A child's standard streams are such a line, and so is HTTP+SSE. Knows nothing of how a line is
//! opened, written or ended.
//!
//! A caller that is slow or gone holds up nobody: each waits at a queue of its own, and a full one is given up.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pdp::record::FrameKind;
use pep::ports::{BoxFuture, SendFault};
use pep::{Event, EventSource, Raw};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::route::{Outline, is_modern_error, member, restored, with_path};

/// How many events may wait for one caller. Their bytes are bounded beside it.
const QUEUE_MAX: usize = 1024;
/// How many messages may wait for a session's own stream while nobody reads it. Their bytes are bounded beside it.
const OUTBOX_MAX: usize = 256;

/// Why a request was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AskFault {
    /// The line is gone.
    Gone,
    /// A request with this id is under way.
    Twice,
}

/// One server and the callers that wait for it.
#[derive(Debug)]
pub(super) struct Conversation {
    server: String,
    /// What a caller is told when the line has ended, such as `the server's process has ended`.
    gone: &'static str,
    /// How many bytes may wait for one caller beside the message that comes.
    bytes_max: usize,
    state: Mutex<State>,
    outbox: Notify,
    ended: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    waiting: HashMap<String, Waiter>,
    order: u64,
    outbox: VecDeque<String>,
    readers: usize,
    last: Instant,
    over: bool,
}

/// A caller under way, as the reader of the line knows it.
#[derive(Debug)]
struct Waiter {
    events: mpsc::Sender<Told>,
    /// How many bytes wait in `events`.
    queued: Arc<AtomicUsize>,
    /// The id as the caller wrote it, where the server was given another.
    outer_id: Option<String>,
    /// The progress token as the server knows it, and as the caller wrote it.
    token: Option<(String, String)>,
    listening: bool,
    order: u64,
}

/// What a waiter is told.
enum Told {
    Message(String),
    Answer(String),
}

// Written by hand: a derived `Debug` would print bodies into logs.
impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message(_) => "Message(..)",
            Self::Answer(_) => "Answer(..)",
        })
    }
}

impl Conversation {
    /// A conversation that nobody takes part in yet.
    pub(super) fn new(server: &str, gone: &'static str, bytes_max: usize) -> Arc<Self> {
        let state = State {
            waiting: HashMap::new(),
            order: 0,
            outbox: VecDeque::new(),
            readers: 0,
            last: Instant::now(),
            over: false,
        };
        Arc::new(Self {
            server: server.to_owned(),
            gone,
            bytes_max,
            state: Mutex::new(state),
            outbox: Notify::new(),
            ended: watch::Sender::new(false),
        })
    }

    /// Takes down who asks what. Answers the caller's end, and the text for the server: with `inner` the server is given
    /// that id instead, and that progress token.
    pub(super) fn ask(
        self: &Arc<Self>,
        id: &str,
        inner: Option<u64>,
        listening: bool,
        text: String,
    ) -> Result<(Waiting, String), AskFault> {
        let meta = member(&text, "params").and_then(|p| member(p, "_meta"));
        let token = meta.and_then(|m| member(m, "progressToken")).map(str::to_owned);
        let (key, text, token, outer_id) = match inner {
            None => (id.to_owned(), text, token.map(|t| (t.clone(), t)), None),
            Some(inner) => {
                let inner = inner.to_string();
                let text = with_path(&text, &["id"], &inner);
                let text = match token {
                    Some(_) => with_path(&text, &["params", "_meta", "progressToken"], &inner),
                    None => text,
                };
                (inner.clone(), text, token.map(|t| (inner.clone(), t)), Some(id.to_owned()))
            }
        };
        let (events, told) = mpsc::channel(QUEUE_MAX);
        let queued = Arc::new(AtomicUsize::new(0));
        {
            let mut state = self.state();
            if state.over {
                return Err(AskFault::Gone);
            }
            if state.waiting.contains_key(&key) {
                return Err(AskFault::Twice);
            }
            state.last = Instant::now();
            state.order += 1;
            let order = state.order;
            let waiter = Waiter { events, queued: Arc::clone(&queued), outer_id, token, listening, order };
            state.waiting.insert(key.clone(), waiter);
        }
        let waiting = Waiting { conversation: Arc::clone(self), key, told, queued, answered: false, unanswered: None };
        Ok((waiting, text))
    }

    /// A notification of a caller who shares this line: the request it speaks of is known here by another id.
    pub(super) fn with_inner_ids(&self, text: &str) -> String {
        let named = member(text, "params").and_then(|p| member(p, "requestId"));
        let state = self.state();
        let inner = named.and_then(|outer| {
            state.waiting.iter().find(|(_, w)| w.outer_id.as_deref() == Some(outer)).map(|(key, _)| key.clone())
        });
        inner.map_or_else(|| text.to_owned(), |inner| with_path(text, &["params", "requestId"], &inner))
    }

    /// The stream of the session's own messages.
    pub(super) fn listen(self: &Arc<Self>) -> Listening {
        self.state().readers += 1;
        Listening { conversation: Arc::clone(self) }
    }

    /// Takes note that the line is used.
    pub(super) fn touch(&self) {
        self.state().last = Instant::now();
    }

    /// How long nothing was asked. A line somebody waits for or listens to is not idle.
    pub(super) fn idle_for(&self) -> Duration {
        let state = self.state();
        let used = !state.waiting.is_empty() || state.readers > 0;
        if used { Duration::ZERO } else { state.last.elapsed() }
    }

    /// The line has ended: every caller is told, and nobody is taken down any more.
    pub(super) fn finish(&self) {
        {
            let mut state = self.state();
            state.over = true;
            state.waiting.clear();
        }
        self.ended.send_replace(true);
        self.outbox.notify_waiters();
    }

    /// Whether the line has ended.
    pub(super) fn is_over(&self) -> bool {
        *self.ended.borrow()
    }

    /// Returns when the line has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ended = ended.wait_for(|ended| *ended).await;
    }

    /// Hands one message of the server's to whom it belongs.
    pub(super) fn take(&self, text: &str) {
        match Outline::of(text) {
            Some(outline) => self.route(text, &outline),
            None => {
                let shown: String = text.chars().take(200).collect();
                tracing::warn!(server = self.server, "the server sent something that is not JSON-RPC: {shown:?}");
            }
        }
    }

    fn route(&self, text: &str, outline: &Outline) {
        let mut state = self.state();
        state.last = Instant::now();
        if outline.kind == FrameKind::Response {
            let Some(waiter) = outline.id.as_ref().and_then(|id| state.waiting.remove(id)) else {
                tracing::debug!(server = self.server, "an answer to no request that is under way was dropped");
                return;
            };
            let text = restored(text, waiter.outer_id.as_deref(), waiter.token.as_ref(), false);
            self.tell(&waiter, Told::Answer(text));
            return;
        }
        let by_token = outline.token.as_ref().filter(|_| outline.method.as_deref() == Some("notifications/progress"));
        let found = state
            .waiting
            .iter()
            .filter(|(key, waiter)| match (outline.subscription.as_ref().or(outline.cancelled.as_ref()), by_token) {
                (Some(id), _) => *key == id,
                (None, Some(token)) => waiter.token.as_ref().is_some_and(|(inner, _)| inner == token),
                (None, None) => !(waiter.listening || outline.is_broadcast() && state.readers > 0),
            })
            .max_by_key(|(_, waiter)| waiter.order)
            .map(|(key, _)| key.clone());
        match found.and_then(|key| state.waiting.get(&key).map(|waiter| (key, waiter))) {
            Some((key, waiter)) => {
                let cancels = outline.cancelled.is_some();
                let text = restored(text, waiter.outer_id.as_deref(), waiter.token.as_ref(), cancels);
                if !self.tell(waiter, Told::Message(text)) {
                    tracing::warn!(server = self.server, "a caller does not read its events; it is given up");
                    state.waiting.remove(&key);
                }
            }
            None => {
                self.keep(&mut state.outbox, text);
                self.outbox.notify_one();
            }
        }
    }

    /// Answers false where the caller does not read what is waiting for it already.
    fn tell(&self, waiter: &Waiter, told: Told) -> bool {
        let bytes = told.text().len();
        let queued = waiter.queued.load(Ordering::Relaxed);
        if queued > 0 && queued.saturating_add(bytes) > self.bytes_max {
            return false;
        }
        waiter.queued.fetch_add(bytes, Ordering::Relaxed);
        waiter.events.try_send(told).is_ok()
    }

    /// Keeps a message for who opens the session's own stream. The oldest goes where there is no room.
    fn keep(&self, outbox: &mut VecDeque<String>, text: &str) {
        let mut bytes: usize = outbox.iter().map(String::len).sum();
        while outbox.len() >= OUTBOX_MAX || bytes.saturating_add(text.len()) > self.bytes_max {
            let Some(oldest) = outbox.pop_front() else { break };
            bytes -= oldest.len();
            tracing::warn!(server = self.server, "nobody reads the session's stream; its oldest message was dropped");
        }
        outbox.push_back(text.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn text(&self) -> &str {
        match self {
            Self::Message(text) | Self::Answer(text) => text,
        }
    }
}

/// What is done with a request's key when its caller goes before the answer.
type Unanswered = Box<dyn FnOnce(&str) + Send + Sync>;

/// A caller's end of a request.
pub(super) struct Waiting {
    conversation: Arc<Conversation>,
    key: String,
    told: mpsc::Receiver<Told>,
    queued: Arc<AtomicUsize>,
    answered: bool,
    unanswered: Option<Unanswered>,
}

impl Waiting {
    /// Whether the last event was the answer.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// Does this, with the request's id as the server knows it, when the caller goes before the answer.
    pub(super) fn when_unanswered(mut self, then: impl FnOnce(&str) + Send + Sync + 'static) -> Self {
        self.unanswered = Some(Box::new(then));
        self
    }

    /// Waits for the first event: an answer goes back whole, anything else opens a stream. `headers` go with an answer
    /// that opens something; `status` reads the HTTP status out of an answer that came over a transport without any.
    pub(super) async fn first(
        mut self,
        headers: Vec<(String, String)>,
        status: impl FnOnce(&str) -> u16,
    ) -> Result<First, SendFault> {
        match self.next().await {
            None => Err(SendFault::Lost(self.conversation.gone.to_owned())),
            Some(Err(words)) => Err(SendFault::Lost(words)),
            Some(Ok(event)) if self.is_answered() => {
                let text = event.data.unwrap_or_default();
                let error = member(&text, "error");
                let (failed, refused) = (error.is_some(), error.is_some_and(|error| !is_modern_error(error)));
                let headers = if failed { Vec::new() } else { headers };
                Ok(First { raw: Raw::whole(status(&text), headers, Bytes::from(text)), failed, refused })
            }
            Some(Ok(event)) => {
                let begun = Begun { first: Some(event), waiting: self };
                Ok(First { raw: Raw::stream(200, headers, Box::new(begun)), failed: false, refused: false })
            }
        }
    }
}

impl EventSource for Waiting {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Event, String>>> {
        Box::pin(async move {
            if self.answered {
                return None;
            }
            let Some(told) = self.told.recv().await else { return Some(Err(self.conversation.gone.to_owned())) };
            self.queued.fetch_sub(told.text().len(), Ordering::Relaxed);
            let text = match told {
                Told::Message(text) => text,
                Told::Answer(text) => {
                    self.answered = true;
                    text
                }
            };
            Some(Ok(Event { data: Some(text), ..Event::default() }))
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.conversation.state().waiting.remove(&self.key);
        if let (false, Some(then)) = (self.answered, self.unanswered.take()) {
            then(&self.key);
        }
    }
}

/// What a request was answered with first.
pub(super) struct First {
    pub(super) raw: Raw,
    /// It was a JSON-RPC error.
    pub(super) failed: bool,
    /// It was a JSON-RPC error, and none that only a modern server gives.
    pub(super) refused: bool,
}

/// A stream whose first event has been read.
struct Begun {
    first: Option<Event>,
    waiting: Waiting,
}

impl EventSource for Begun {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Event, String>>> {
        Box::pin(async move {
            match self.first.take() {
                Some(event) => Some(Ok(event)),
                None => self.waiting.next().await,
            }
        })
    }
}

/// The reader of a session's own stream.
#[derive(Debug)]
pub(super) struct Listening {
    conversation: Arc<Conversation>,
}

impl EventSource for Listening {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Event, String>>> {
        Box::pin(async move {
            loop {
                let notified = self.conversation.outbox.notified();
                if let Some(text) = self.conversation.state().outbox.pop_front() {
                    return Some(Ok(Event { data: Some(text), ..Event::default() }));
                }
                if self.conversation.is_over() {
                    return None;
                }
                notified.await;
            }
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = self.conversation.state();
        state.readers = state.readers.saturating_sub(1);
        state.last = Instant::now();
    }
}

/// 128 unguessable bits: visible ASCII, as MCP asks of session ids.
pub(super) fn session_id() -> Result<String, SendFault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| SendFault::Unreachable(format!("no session id can be made: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
