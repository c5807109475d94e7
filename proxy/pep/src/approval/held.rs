//! A call that is held while its client watches: what it is told meanwhile goes out as events, each of them a frame by itself,
//! and its answer comes last, on the same stream.
//!
//! Only a request that asked for progress and reads event streams is served so, and only once it is really held: any other
//! answer is given as if nothing had been watched for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memmem;
use pdp::json;
use tokio::sync::mpsc;

use super::SEARCHED_MAX;
use super::offer::{Offer, may_take_a_slip};
use super::slips::Awaited;
use crate::call::Head;
use crate::frame::{Content, EventOf, Frame};
use crate::ports::{BoxFuture, Gate};
use crate::reply::{Body, Reply};
use crate::stages::s9_audit;
use crate::stream::{Event, EventStream};

/// How many messages wait for a client that reads slowly. What comes beyond is left out: the next says the same.
const RUNG_MAX: usize = 2;
/// The member of `_meta` that holds the token (MCP, utilities/progress).
const TOKEN: &str = "progressToken";

/// Whether a frame asks for progress and its client reads it. Cheap, and may be wrong for the better: what looks so in some
/// argument is looked at once more where it counts.
fn asks_progress(frame: &Frame) -> bool {
    let Content::Message(bytes) = &frame.content else { return false };
    let may_hold = bytes.len() > SEARCHED_MAX || memmem::find(bytes, TOKEN.as_bytes()).is_some();
    may_hold && frame.header("accept").is_some_and(|accepted| accepted.contains("text/event-stream"))
}

/// The token under which the client of this request is told, as it wrote it; nothing where it did not ask.
pub(super) fn token(head: &Head) -> Option<String> {
    let meta = head.envelope.param_part(&head.text, "_meta")?;
    Some(meta.get(TOKEN)?.text().to_owned())
}

/// By which a held call tells its client that it waits.
#[derive(Debug)]
pub(crate) struct Bell {
    out: mpsc::Sender<Frame>,
    rung: AtomicBool,
}

impl Bell {
    /// Tells the client once more. `nth` counts from one.
    pub(crate) fn ring(&self, head: &Head, nth: u64, words: &str) {
        let Some(token) = token(head) else { return };
        // Small enough that what the server counts later still goes up from here (progress must only rise).
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{token},\
             \"progress\":0.{nth:06},\"message\":{}}}}}",
            json::quoted(words)
        );
        let of = EventOf {
            text,
            task: Arc::clone(&head.task),
            channel: Arc::clone(&head.channel),
            parent_span: String::new(),
            own: Some("made by the gate: the call waits for people"),
        };
        let frame = Frame::event(head.caller.clone(), &head.server, of);
        if self.out.try_send(frame).is_ok() {
            self.rung.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the client was told anything, and so reads a stream.
    pub(crate) fn has_rung(&self) -> bool {
        self.rung.load(Ordering::Relaxed)
    }
}

/// How a frame is to be run whose client may have to wait.
pub(crate) struct Watched {
    rings: bool,
    takes_a_slip: bool,
}

impl Watched {
    /// Nothing for a frame whose client waits in silence, which most do.
    pub(crate) fn of(frame: &Frame) -> Option<Self> {
        let watched = Self { rings: asks_progress(frame), takes_a_slip: may_take_a_slip(frame) };
        (watched.rings || watched.takes_a_slip).then_some(watched)
    }
}

/// Runs a frame whose client asked for progress, or takes a slip.
pub(crate) fn run(frame: Frame, gate: &Arc<Gate>, watched: Watched) -> BoxFuture<'_, Reply> {
    let (out, mut told) = mpsc::channel(RUNG_MAX);
    let (offered, mut taken) = mpsc::channel(1);
    let bell = watched.rings.then(|| Bell { out, rung: AtomicBool::new(false) });
    let offer = watched.takes_a_slip.then(|| Offer { out: offered, gate: Arc::clone(gate) });
    let frame = frame.watched(bell, offer);
    let owned = Arc::clone(gate);
    let mut flow: BoxFuture<'static, Reply> = Box::pin(async move {
        let ending = crate::flow(frame, &owned).await;
        s9_audit::seal(ending, &owned).await
    });
    Box::pin(async move {
        let first = tokio::select! {
            biased;
            reply = &mut flow => return reply,
            Some((slip, awaited)) = taken.recv() => return given(slip, awaited, flow, gate).await,
            Some(first) = told.recv() => first,
        };
        let held = Held { gate: Arc::clone(gate), told, state: State::Waits { flow, next: Some(Box::new(first)) } };
        s9_audit::held(held)
    })
}

/// The client is given its slip, and the call goes on without it. A slip that cannot be told, since its record cannot be
/// written, is none: its client waits for the call itself.
async fn given(slip: Frame, awaited: Awaited, flow: BoxFuture<'static, Reply>, gate: &Arc<Gate>) -> Reply {
    let reply = Box::pin(crate::run(slip, gate)).await;
    if !reply.is_message() {
        awaited.untold();
        return flow.await;
    }
    gate.ports.background.run(Box::pin(awaited.run(async move { flow.await.into_answer().await })));
    reply
}

/// The events of a held call, and then its answer.
pub struct Held {
    gate: Arc<Gate>,
    told: mpsc::Receiver<Frame>,
    state: State,
}

enum State {
    /// The call is under way; perhaps with something to tell.
    Waits { flow: BoxFuture<'static, Reply>, next: Option<Box<Frame>> },
    /// Its answer is a stream itself.
    Streams(Box<EventStream>),
    /// All is said.
    Over,
}

impl Held {
    /// The next event, in order; nothing when the answer has passed.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match &mut self.state {
                State::Over => return None,
                State::Streams(stream) => return stream.next().await,
                State::Waits { flow, next } => {
                    if let Some(frame) = next.take() {
                        if let Some(event) = told(*frame, &self.gate).await {
                            return Some(event);
                        }
                        continue;
                    }
                    let reply = tokio::select! {
                        biased;
                        reply = flow => reply,
                        Some(frame) = self.told.recv() => {
                            *next = Some(Box::new(frame));
                            continue;
                        }
                    };
                    let (_, _, body) = reply.into_parts();
                    self.state = State::Over;
                    match body {
                        Body::Json(text) => return Some(Event { data: Some(text), ..Event::default() }),
                        Body::Stream(stream) => self.state = State::Streams(stream),
                        // What is held is answered whole, and a request is answered.
                        Body::Empty | Body::Long(_) | Body::ToServer(_) | Body::Held(_) => return None,
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Held(..)")
    }
}

/// What the client is told, through the same door as every other message.
async fn told(frame: Frame, gate: &Arc<Gate>) -> Option<Event> {
    let (_, _, body) = Box::pin(crate::run(frame, gate)).await.into_parts();
    match body {
        Body::Json(text) => Some(Event { data: Some(text), ..Event::default() }),
        Body::Empty | Body::Long(_) | Body::Stream(_) | Body::ToServer(_) | Body::Held(_) => None,
    }
}
