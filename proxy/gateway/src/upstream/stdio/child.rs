//! A running server and the callers that wait for it: one task writes its input, one reads its output, one its errors.
//!
//! A caller that is slow or gone holds up nobody: each waits at a queue of its own, and a full one is given up.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pdp::json;
use pdp::record::FrameKind;
use pep::ports::BoxFuture;
use pep::{Event, EventSource};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::StdioLimits;
use super::process::{self, Process, Spawn};
use super::route::{Outline, SUBSCRIPTION, member, with_path};

/// How many events may wait for one caller.
const QUEUE_MAX: usize = 1024;
/// How many messages may wait for a session's own stream while nobody reads it.
const OUTBOX_MAX: usize = 256;
/// How much of one line of a server's standard error is logged.
const STDERR_LINE_MAX: u64 = 2048;

/// The process has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server's process has ended")]
pub(super) struct Gone;

/// Why a request was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AskFault {
    Gone,
    Twice,
}

/// A running server.
#[derive(Debug)]
pub(super) struct Child {
    server: String,
    limits: StdioLimits,
    input: Mutex<Option<mpsc::UnboundedSender<String>>>,
    state: Mutex<State>,
    outbox: Notify,
    ended: watch::Sender<bool>,
    ending: CancellationToken,
}

#[derive(Debug)]
struct State {
    waiting: HashMap<String, Waiter>,
    order: u64,
    outbox: VecDeque<String>,
    readers: usize,
    last: Instant,
}

/// A caller under way, as the reader of the child's output knows it.
#[derive(Debug)]
struct Waiter {
    events: mpsc::Sender<Told>,
    /// The id as the caller wrote it, where the child was given another.
    outer_id: Option<String>,
    /// The progress token as the child knows it, and as the caller wrote it.
    token: Option<(String, String)>,
    listening: bool,
    order: u64,
}

/// What a waiter is told.
#[derive(Debug)]
enum Told {
    Message(String),
    Answer(String),
}

impl Child {
    /// Starts a server and the tasks that serve it.
    pub(super) fn start(spawn: Spawn, server: &str, limits: StdioLimits) -> Result<Arc<Self>, String> {
        let Process { child, stdin, stdout, stderr } = spawn.start()?;
        let (input, lines) = mpsc::unbounded_channel();
        let state =
            State { waiting: HashMap::new(), order: 0, outbox: VecDeque::new(), readers: 0, last: Instant::now() };
        let this = Arc::new(Self {
            server: server.to_owned(),
            limits,
            input: Mutex::new(Some(input)),
            state: Mutex::new(state),
            outbox: Notify::new(),
            ended: watch::Sender::new(false),
            ending: CancellationToken::new(),
        });
        tokio::spawn(write_lines(stdin, lines));
        tokio::spawn(log_errors(stderr, server.to_owned()));
        let reading = Arc::clone(&this);
        tokio::spawn(async move {
            reading.read_lines(stdout).await;
            let expected = reading.ending.is_cancelled();
            reading.close_input();
            let how = process::end(child, reading.limits.grace).await;
            if expected {
                tracing::debug!(server = reading.server, "the server's process ended: {how}");
            } else {
                tracing::warn!(server = reading.server, "the server's process ended by itself: {how}");
            }
            reading.state().waiting.clear();
            reading.ended.send_replace(true);
            reading.outbox.notify_waiters();
        });
        Ok(this)
    }

    /// Writes one message.
    pub(super) fn write(&self, text: String) -> Result<(), Gone> {
        self.state().last = Instant::now();
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.as_ref().ok_or(Gone)?.send(one_line(text)).map_err(|_| Gone)
    }

    /// Sends a request. With `inner` the child is given that id instead, and that progress token.
    pub(super) fn ask(
        self: &Arc<Self>,
        id: &str,
        inner: Option<u64>,
        listening: bool,
        text: String,
    ) -> Result<Waiting, AskFault> {
        let params = member(&text, "params");
        let meta = params.and_then(|p| member(p, "_meta"));
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
        {
            let mut state = self.state();
            if state.waiting.contains_key(&key) {
                return Err(AskFault::Twice);
            }
            state.order += 1;
            let order = state.order;
            state.waiting.insert(key.clone(), Waiter { events, outer_id, token, listening, order });
        }
        let waiting = Waiting { child: Arc::clone(self), key, told, answered: false, shared: inner.is_some() };
        self.write(text).map_err(|_| AskFault::Gone)?;
        Ok(waiting)
    }

    /// A notification of a caller who shares this child: the request it speaks of is known here by another id.
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
        Listening { child: Arc::clone(self) }
    }

    /// Ends the process: closed input, then signals. Returns when it has ended.
    pub(super) async fn end(self: &Arc<Self>) {
        self.ending.cancel();
        self.close_input();
        self.ended().await;
    }

    /// Ends the process without waiting for it.
    pub(super) fn end_in_background(self: Arc<Self>) {
        tokio::spawn(async move { self.end().await });
    }

    /// Returns when the process has ended.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ended = ended.wait_for(|ended| *ended).await;
    }

    pub(super) fn is_gone(&self) -> bool {
        *self.ended.borrow() || self.ending.is_cancelled()
    }

    /// How long nothing was asked of it. A child somebody waits for or listens to is not idle.
    pub(super) fn idle_for(&self) -> Duration {
        let state = self.state();
        let used = !state.waiting.is_empty() || state.readers > 0;
        if used { Duration::ZERO } else { state.last.elapsed() }
    }

    fn close_input(&self) {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads messages until the process closes its output, or is to end and does not.
    async fn read_lines(&self, stdout: ChildStdout) {
        let mut reader = BufReader::new(stdout);
        let mut line = Vec::new();
        let limit = u64::try_from(self.limits.bytes_max).unwrap_or(u64::MAX);
        let mut ending = pin!(async {
            // Input is closed first; a server that then closes its output ends by itself, within the grace.
            self.ending.cancelled().await;
            tokio::time::sleep(self.limits.grace).await;
        });
        loop {
            line.clear();
            let mut limited = (&mut reader).take(limit);
            let read = tokio::select! {
                read = limited.read_until(b'\n', &mut line) => read,
                () = &mut ending => return,
            };
            match read {
                Ok(0) => return,
                Ok(_) if line.len() >= self.limits.bytes_max && !line.ends_with(b"\n") => {
                    tracing::warn!(
                        server = self.server,
                        "the server sent a line larger than {limit} bytes; it is ended"
                    );
                    return;
                }
                Ok(_) => self.take_line(&line),
                Err(e) => {
                    tracing::warn!(server = self.server, "the server's output cannot be read: {e}");
                    return;
                }
            }
        }
    }

    fn take_line(&self, line: &[u8]) {
        let text = std::str::from_utf8(line).map(str::trim).unwrap_or_default();
        if text.is_empty() {
            return;
        }
        match Outline::of(text) {
            Some(outline) => self.route(text, &outline),
            None => {
                let shown: String = text.chars().take(200).collect();
                tracing::warn!(server = self.server, "the server wrote a line that is not JSON-RPC: {shown:?}");
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
            let text = restored(text, &waiter, false);
            tell(&waiter, Told::Answer(text));
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
                if !tell(waiter, Told::Message(restored(text, waiter, outline.cancelled.is_some()))) {
                    tracing::warn!(server = self.server, "a caller does not read its events; it is given up");
                    state.waiting.remove(&key);
                }
            }
            None => {
                if state.outbox.len() >= OUTBOX_MAX {
                    state.outbox.pop_front();
                    tracing::warn!(
                        server = self.server,
                        "nobody reads the session's stream; its oldest message was dropped"
                    );
                }
                state.outbox.push_back(text.to_owned());
                self.outbox.notify_one();
            }
        }
    }
}

fn tell(waiter: &Waiter, told: Told) -> bool {
    waiter.events.try_send(told).is_ok()
}

/// A child's message with the ids its caller knows.
fn restored(text: &str, waiter: &Waiter, cancels: bool) -> String {
    let Some(outer) = &waiter.outer_id else { return text.to_owned() };
    let has_method = member(text, "method").is_some();
    let text = if has_method { text.to_owned() } else { with_path(text, &["id"], outer) };
    let text = match &waiter.token {
        Some((_, token)) => with_path(&text, &["params", "progressToken"], token),
        None => text,
    };
    let text = with_path_if_there(&text, &["params", "_meta", SUBSCRIPTION], outer);
    let text = if cancels { with_path(&text, &["params", "requestId"], outer) } else { text };
    with_path_if_there(&text, &["result", "_meta", SUBSCRIPTION], outer)
}

fn with_path_if_there(text: &str, path: &[&str], value: &str) -> String {
    let mut current = text;
    for name in path {
        match member(current, name) {
            Some(inner) => current = inner,
            None => return text.to_owned(),
        }
    }
    with_path(text, path, value)
}

/// A caller's end of a request to a child.
#[derive(Debug)]
pub(super) struct Waiting {
    child: Arc<Child>,
    key: String,
    told: mpsc::Receiver<Told>,
    answered: bool,
    shared: bool,
}

impl Waiting {
    /// Whether the last event was the answer.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }
}

impl EventSource for Waiting {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Event, String>>> {
        Box::pin(async move {
            if self.answered {
                return None;
            }
            match self.told.recv().await {
                Some(Told::Message(text)) => Some(Ok(Event { data: Some(text), ..Event::default() })),
                Some(Told::Answer(text)) => {
                    self.answered = true;
                    Some(Ok(Event { data: Some(text), ..Event::default() }))
                }
                None => Some(Err(Gone.to_string())),
            }
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.child.state().waiting.remove(&self.key);
        if self.shared && !self.answered {
            // In the modern era a caller that closes its stream cancels; over standard streams that is a notification.
            let cancel = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{}}}}}",
                self.key
            );
            let _gone = self.child.write(cancel);
        }
    }
}

/// The reader of a session's own stream.
#[derive(Debug)]
pub(super) struct Listening {
    child: Arc<Child>,
}

impl EventSource for Listening {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Event, String>>> {
        Box::pin(async move {
            loop {
                let notified = self.child.outbox.notified();
                if let Some(text) = self.child.state().outbox.pop_front() {
                    return Some(Ok(Event { data: Some(text), ..Event::default() }));
                }
                if *self.child.ended.borrow() {
                    return None;
                }
                notified.await;
            }
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut state = self.child.state();
        state.readers = state.readers.saturating_sub(1);
    }
}

/// A message on one line: JSON allows line breaks only as white space, where a blank says the same.
fn one_line(text: String) -> String {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text }
}

async fn write_lines(mut stdin: ChildStdin, mut lines: mpsc::UnboundedReceiver<String>) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            // The reader's side sees the end of the process and tells every caller.
            return;
        }
    }
}

async fn log_errors(stderr: ChildStderr, server: String) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match limited_line(&mut reader, &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                tracing::info!(target: "wicketgate::server", server, "{}", json::quoted(text.trim_end()).trim_matches('"'));
            }
        }
    }
}

async fn limited_line<R: AsyncRead + Unpin>(reader: &mut BufReader<R>, line: &mut Vec<u8>) -> std::io::Result<usize> {
    reader.take(STDERR_LINE_MAX).read_until(b'\n', line).await
}
