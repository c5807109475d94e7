//! Action: the one place an effect leaves the building. The intent is durable first; then one attempt is made.
//!
//! A frame to the client has no upstream: its effect is its delivery, so its own text goes on to be labelled.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use pdp::decision::Obligation;
use pdp::digest::Digest;
use pdp::principal::Principal;
use pdp::record::{Attempt, Direction, Ending, FrameKind, Intent};
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Server, Transport};

use crate::approval::{self, Bell, Slip};
use crate::call::{Call, Stopped};
use crate::carried::{self, Pending};
use crate::channel::Channel;
use crate::effect;
use crate::inside::Inside;
use crate::ports::{Ports, SendFault};
use crate::stages::s2_classify::Subject;
use crate::stages::s4_guardrail::halted;
use crate::stages::s6_credential::Credentialed;
use crate::stages::s8_outcome::Raw;
use crate::stages::s9_audit::{self, IntentReceipt};
use crate::trace::{self, TraceContext};
use crate::validation;

/// A secret on loan. Anyone may seal one; only an order to an upstream hands it out.
pub struct Secret(Arc<str>);

impl Secret {
    /// Seals a secret.
    #[must_use]
    pub fn seal(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What is sent.
pub enum Outbound {
    /// A JSON-RPC message.
    Message(String),
    /// The opening of the stream of the server's own messages.
    Open,
    /// The end of the session.
    Close,
}

// Written by hand: a derived `Debug` would print bodies into logs.
impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message(_) => "Message(..)",
            Self::Open => "Open",
            Self::Close => "Close",
        })
    }
}

/// An order to an upstream. Made here, spent once, by value.
#[derive(Debug)]
pub struct Dispatch {
    server: Arc<Server>,
    channel: Arc<Channel>,
    principal: Arc<Principal>,
    outbound: Outbound,
    kind: FrameKind,
    id: Option<String>,
    method: Option<String>,
    modern: bool,
    headers: Vec<(String, String)>,
    secret: Option<Secret>,
    takes_long: bool,
    inside: Option<Inside>,
    receipt: IntentReceipt,
}

impl Dispatch {
    /// The server it is for.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The channel it belongs to.
    #[must_use]
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Who asked for it.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What kind of message it is.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        self.kind
    }

    /// The JSON-RPC id, as it was written.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// Whether the client speaks the stateless revisions from 2026-07-28 on.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.modern
    }

    /// The protocol's headers to send along: lower-case names and values.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The secret of this order.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_ref().map(|s| &*s.0)
    }

    /// What the gate's own server may know of the call; an order to any other server has nothing of it.
    #[must_use]
    pub fn inside(&self) -> Option<&Inside> {
        self.inside.as_ref()
    }

    /// The number of the frame whose intent this order rests on.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.receipt.number()
    }

    /// Whether an answer may be handed over piece by piece: one that must be read whole may not.
    #[must_use]
    pub fn takes_long_answers(&self) -> bool {
        self.takes_long
    }

    /// What is sent. Spends the order.
    #[must_use]
    pub fn into_outbound(self) -> Outbound {
        self.outbound
    }
}

/// A call whose effect was attempted; its raw answer is not yet readable.
#[derive(Debug)]
pub struct Executed {
    raw: Raw,
    server: Arc<Server>,
    subject: Subject,
    obligations: BTreeSet<Obligation>,
    pending: Pending,
}

impl Executed {
    pub(super) fn into_parts(self) -> (Raw, Arc<Server>, Subject, BTreeSet<Obligation>, Pending) {
        (self.raw, self.server, self.subject, self.obligations, self.pending)
    }
}

/// Writes the intent, then acts, once.
pub(crate) async fn execute(mut call: Call<Credentialed>, ports: &Ports) -> Result<Call<Executed>, Stopped> {
    if let Some(refusal) = halted(&call, call.state().server(), ports) {
        return Err(call.stop(refusal));
    }
    let pending = match begin(&mut call, ports).await {
        Ok(pending) => pending,
        Err(refusal) => return Err(call.stop(refusal)),
    };
    if call.head().direction == Direction::ToClient {
        return deliver(call, pending);
    }
    if let Some(slip) = call.state().subject().slip().cloned() {
        return answered_here(call, pending, &slip, ports).await;
    }
    let span = trace::hex_id(ports.entropy.bytes().get(..8).unwrap_or(&[1]));
    let (outbound, headers) = outbound(&call, &span, ports);
    let receipt = match intend(&mut call, &outbound, ports).await {
        Ok(receipt) => receipt,
        Err(refusal) => return Err(call.stop(refusal)),
    };
    if ends_when_its_reader_goes(&call) {
        call.entry().when_dropped(Ending::Served);
    }
    if let Some(reserved) = call.entry().reserved() {
        reserved.spend();
    }
    let started_us = call.elapsed_us();
    let timeout = call.state().subject().timeout(call.state().server());
    let dispatch = dispatch(&call, outbound, headers, receipt);
    call.entry().acts();
    pending.acts(true);
    let attempt = tokio::time::timeout(timeout, ports.upstream.send(dispatch));
    let outcome = tokio::select! {
        outcome = attempt => outcome,
        () = call.head().cancelled() => Ok(Err(SendFault::Cancelled)),
    };
    let sent = match outcome {
        Ok(sent) => sent.map_err(|fault| {
            pending.acts(may_have_arrived(&fault));
            refusal_of(&fault)
        }),
        Err(_) => {
            let words = "the server did not answer in time; whether the call had an effect is unknown, so do not simply repeat it";
            Err(Refusal::new(Code::TimedOut, words))
        }
    };
    let (status, fault) = match &sent {
        Ok(raw) => (raw.status(), None),
        Err(refusal) => (None, Some(refusal.message.clone())),
    };
    let (address, ended_us) = (address_of(&call.state().server().transport), call.elapsed_us());
    call.entry().write(|record| record.attempts.push(Attempt { span, started_us, ended_us, address, status, fault }));
    if call.head().envelope.method.as_deref() == Some("notifications/cancelled") {
        let id = call.head().envelope.param(&call.head().text, "requestId").unwrap_or_default();
        call.head().channel.cancel(id);
    }
    match sent {
        Ok(raw) => Ok(call.advance(|was: Credentialed| {
            let (server, subject, obligations, _spent) = was.into_parts();
            Executed { raw, server, subject, obligations, pending }
        })),
        Err(refusal) => Err(call.stop(refusal)),
    }
}

/// A frame to the client: its own text is what goes on.
fn deliver(mut call: Call<Credentialed>, pending: Pending) -> Result<Call<Executed>, Stopped> {
    let head = call.head();
    let asks = head.kind == FrameKind::Request;
    if asks
        && !head
            .channel
            .asked(head.envelope.id.as_deref().unwrap_or_default(), head.envelope.method.as_deref().unwrap_or_default())
    {
        let words = "too many questions to this client are open, or one with this id is";
        return Err(call.stop(Refusal::new(Code::Busy, words)));
    }
    let raw = Raw::whole(200, Vec::new(), Bytes::copy_from_slice(head.text.as_bytes()));
    call.entry().acts();
    Ok(call.advance(|was: Credentialed| {
        let (server, subject, obligations, _none) = was.into_parts();
        Executed { raw, server, subject, obligations, pending }
    }))
}

/// What is asked about a slip is answered from the book of slips, and no server hears of it. Who waits there for the result
/// waits beside the calls under way.
async fn answered_here(
    mut call: Call<Credentialed>,
    pending: Pending,
    slip: &Slip,
    ports: &Ports,
) -> Result<Call<Executed>, Stopped> {
    let mut seat = None;
    if slip.blocks(call.head()) {
        seat = Arc::clone(&ports.held).try_acquire_owned().ok();
        if seat.is_none() {
            let words = "too many calls wait for people already; ask for the task's status, and for its result later";
            return Err(call.stop(Refusal::new(Code::Busy, words)));
        }
        call.step_aside();
    }
    let told = slip.asked(call.head(), ports).await;
    drop(seat);
    match told {
        Ok(text) => Ok(call.advance(|was: Credentialed| {
            let raw = Raw::whole(200, Vec::new(), Bytes::from(text));
            let (server, subject, obligations, _none) = was.into_parts();
            Executed { raw, server, subject, obligations, pending }
        })),
        Err(refusal) => Err(call.stop(refusal)),
    }
}

/// The labels this call will bring count from now on: another call of the task may be judged before the answer is in.
async fn begin(call: &mut Call<Credentialed>, ports: &Ports) -> Result<Pending, Refusal> {
    let (head, entry, state) = call.parts();
    if matches!(state.subject(), Subject::Tool { .. }) {
        head.task.count_call();
    }
    carried::begin(head, entry, state.server(), state.subject(), state.obligations(), ports).await
}

/// Puts the intent on disk, where the call may have an effect; sees that the ledger can take a record, where it has none.
async fn intend(call: &mut Call<Credentialed>, outbound: &Outbound, ports: &Ports) -> Result<IntentReceipt, Refusal> {
    let harmless = call.state().subject().is_harmless();
    let intent = (!harmless).then(|| intent(call, outbound, ports));
    let receipt = s9_audit::intend(call.number(), intent, ports).await?;
    if !harmless {
        call.entry().intended(&receipt);
        // The disk may have taken its time.
        if let Some(refusal) = halted(call, call.state().server(), ports) {
            return Err(refusal);
        }
    }
    Ok(receipt)
}

fn intent(call: &mut Call<Credentialed>, outbound: &Outbound, ports: &Ports) -> Intent {
    let arguments_digest = call.entry().read(|record| record.arguments_digest).flatten();
    let head = call.head();
    let body = match outbound {
        Outbound::Message(text) => Digest::of_bytes(text.as_bytes()),
        Outbound::Open | Outbound::Close => Digest::of_bytes(b""),
    };
    Intent {
        number: call.number(),
        trace: head.task.trace().to_owned(),
        task: head.task.id().to_owned(),
        at_us: ports.clock.now_us(),
        principal: Arc::clone(&head.principal),
        server: head.server.clone(),
        method: head.envelope.method.clone().unwrap_or_else(|| "response".to_owned()),
        target: match call.state().subject() {
            Subject::Tool { tool, .. } => Some(tool.name.clone()),
            Subject::Method { target, .. } => Some(target.clone()).filter(|t| !t.is_empty()),
        },
        arguments_digest,
        body,
        snapshot: head.snapshot.digest(),
    }
}

/// The message with its trace context, and the headers that go with it.
fn outbound(call: &Call<Credentialed>, span: &str, ports: &Ports) -> (Outbound, Vec<(String, String)>) {
    let head = call.head();
    let context = TraceContext { trace: head.task.trace().to_owned(), span: span.to_owned(), sampled: true };
    let dropped = |name: &str| match name {
        "traceparent" => true,
        "tracestate" => !ports.propagation.trace_context,
        "baggage" => !ports.propagation.baggage,
        // A key is the gate's to keep: what a server would make of it, nobody has reviewed.
        effect::KEY_HEADER => true,
        _ => false,
    };
    let mut headers: Vec<_> = head.headers.iter().filter(|(name, _)| !dropped(name)).cloned().collect();
    if ports.propagation.trace_context {
        headers.push(("traceparent".to_owned(), context.header()));
    }
    let alone = approval::unattended(head, ports.limits.depth_max);
    let (text, envelope) =
        alone.as_ref().map_or((&*head.text, &head.envelope), |(text, envelope)| (text.as_str(), envelope));
    let outbound = match head.kind {
        FrameKind::Stream => Outbound::Open,
        FrameKind::EndSession => Outbound::Close,
        FrameKind::Request
            if ports.propagation.trace_context && head.envelope.method.as_deref() != Some("initialize") =>
        {
            let spliced = trace::with_parent(text, envelope, &context);
            Outbound::Message(spliced.unwrap_or_else(|| text.to_owned()))
        }
        FrameKind::Request | FrameKind::Notification | FrameKind::Response | FrameKind::Unreadable => {
            Outbound::Message(text.to_owned())
        }
    };
    (outbound, headers)
}

fn dispatch(
    call: &Call<Credentialed>,
    outbound: Outbound,
    headers: Vec<(String, String)>,
    receipt: IntentReceipt,
) -> Dispatch {
    let head = call.head();
    let own = call.state().server().transport.is_own();
    Dispatch {
        server: Arc::clone(call.state().server()),
        channel: Arc::clone(&head.channel),
        principal: head.principal.clone(),
        outbound,
        kind: head.kind,
        id: head.envelope.id.clone(),
        method: head.envelope.method.clone(),
        modern: head.modern,
        headers,
        secret: call.state().secret().map(|s| Secret(Arc::clone(&s.0))),
        takes_long: takes_long(call),
        inside: own.then(|| Inside::new(&head.principal, &head.task, &head.snapshot, call.number())),
        receipt,
    }
}

/// Listings are filtered, openings remembered, results within answers labelled, quoted texts marked and results held
/// against their schema: those are read whole. A direct result of a task is one like a tool's.
fn takes_long(call: &Call<Credentialed>) -> bool {
    let (head, state) = (call.head(), call.state());
    let subject = state.subject();
    let read_whole = match subject.method() {
        "tools/list" | "initialize" | "server/discover" => true,
        "tasks/result" => false,
        _ => subject.brings_work(),
    };
    let read_whole = read_whole || subject.is_quoted(state.obligations()) || validation::reads_whole(subject);
    let read_whole = read_whole || carried::reads_whole(state.server(), subject, state.obligations());
    // What is told on a stream before it is one event there.
    let is_event = head.bell.as_ref().is_some_and(Bell::has_rung);
    // And what its client comes back for is kept whole until then.
    head.kind == FrameKind::Request && !read_whole && !is_event && head.slip.is_none()
}

/// Streams of the server's own messages end when their reader closes them: that is no abandonment.
fn ends_when_its_reader_goes(call: &Call<Credentialed>) -> bool {
    let head = call.head();
    head.kind == FrameKind::Stream || head.envelope.method.as_deref() == Some("subscriptions/listen")
}

fn address_of(transport: &Transport) -> String {
    match transport {
        Transport::Http { url, .. } | Transport::Sse { url, .. } => {
            let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            rest.split(['/', '?', '#']).next().unwrap_or_default().rsplit('@').next().unwrap_or_default().to_owned()
        }
        Transport::Stdio { command, .. } => command.clone(),
        Transport::Builtin { server } => format!("builtin:{server}"),
    }
}

/// What is recorded of a call that its client cancelled.
pub(crate) const CANCELLED: &str = "the client cancelled the call while it was under way";

/// Whether something may have reached the server's tool all the same.
fn may_have_arrived(fault: &SendFault) -> bool {
    match fault {
        SendFault::Lost(_) | SendFault::Cancelled => true,
        SendFault::Unreachable(_) | SendFault::NoSession | SendFault::NeedsSession | SendFault::Busy => false,
    }
}

fn refusal_of(fault: &SendFault) -> Refusal {
    let (code, words) = match fault {
        SendFault::Unreachable(why) => {
            (Code::Unreachable, format!("the server cannot be reached: {why}; nothing was done"))
        }
        SendFault::Lost(why) => {
            let words = format!(
                "the server's answer was lost ({why}); whether the call had an effect is unknown, so do not simply repeat it"
            );
            (Code::AnswerLost, words)
        }
        SendFault::NoSession => {
            (Code::SessionUnknown, "the session has ended with its server; initialize again".to_owned())
        }
        SendFault::NeedsSession => {
            let words = "`Mcp-Session-Id` is missing: initialize first, then send the session's id with every message";
            (Code::SessionMissing, words.to_owned())
        }
        SendFault::Cancelled => (Code::Cancelled, CANCELLED.to_owned()),
        SendFault::Busy => (Code::Busy, "too much is under way with this server; try again in a moment".to_owned()),
    };
    Refusal::new(code, words)
}
