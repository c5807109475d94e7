//! One frame on its way through the pipeline, and the table of steps it may take.

use std::sync::Arc;

use pdp::principal::Principal;
use pdp::record::{Direction, FrameKind};
use pdp::refusal::Refusal;
use pdp::snapshot::Snapshot;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::approval::{Bell, Offer, Retry, Slip, Told};
use crate::channel::{Channel, Underway};
use crate::effect::Errand;
use crate::entry::OpenRecord;
use crate::envelope::Envelope;
use crate::frame::Caller;
use crate::stages::{
    s1_intake::Proposed, s2_classify::Classified, s3_policy::Judged, s4_guardrail::Cleared, s5_approval::Authorized,
    s6_credential::Credentialed, s7_action::Executed, s8_outcome::Labelled,
};
use crate::task::Task;

/// A call that has reached stage `S`. Holding one proves that every earlier stage ran on it.
#[must_use = "a call that is dropped is recorded as abandoned"]
pub struct Call<S> {
    head: Box<Head>,
    entry: OpenRecord,
    state: S,
}

/// What is fixed at intake and read by every later stage. Never changed, but for the law and the place where people took
/// their time.
pub(crate) struct Head {
    pub(crate) caller: Caller,
    pub(crate) principal: Arc<Principal>,
    pub(crate) server: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) direction: Direction,
    pub(crate) kind: FrameKind,
    pub(crate) text: Box<str>,
    pub(crate) envelope: Envelope,
    pub(crate) modern: bool,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) task: Arc<Task>,
    pub(crate) channel: Arc<Channel>,
    pub(crate) slot: Option<OwnedSemaphorePermit>,
    pub(crate) underway: Option<Underway>,
    /// What the gate makes it for, if the gate makes it.
    pub(crate) errand: Option<Errand>,
    /// By which the client is told that it waits, if it can be.
    pub(crate) bell: Option<Bell>,
    /// By which the client is given a slip if it waits, if it may take one.
    pub(crate) offer: Option<Offer>,
    /// What the client was given in place of the answer, which it comes back for.
    pub(crate) slip: Option<Arc<Slip>>,
    /// Whether this is a message of the gate's own to the client.
    pub(crate) own: bool,
    /// What its client was sent to people with, if it comes back from there.
    pub(crate) retry: Option<Retry>,
}

/// Where a refusal or answer goes, which must be known even when nothing else is.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) direction: Direction,
    pub(crate) kind: FrameKind,
    pub(crate) id: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) modern: bool,
    pub(crate) channel: Option<Arc<Channel>>,
}

impl Address {
    /// That of a frame before it is read.
    pub(crate) fn unread(direction: Direction) -> Self {
        Self { direction, kind: FrameKind::Unreadable, id: None, method: None, modern: false, channel: None }
    }
}

/// A call that will go no further, and why. It still carries its open record.
#[must_use = "a stopped call is sealed, so that its sender is answered"]
pub struct Stopped {
    pub(crate) entry: OpenRecord,
    pub(crate) address: Box<Address>,
    pub(crate) refusal: Box<Refusal>,
    pub(crate) beside: BesideWords,
}

/// What is told beside a refusal's sentence, or instead of it.
pub(crate) enum BesideWords {
    /// Nothing.
    Nothing,
    /// What the agent can do.
    Advice(Box<str>),
    /// The answer that this call had before, which is handed over again.
    Again(Arc<str>),
    /// The request that people have not decided on yet.
    Pending(Box<Told>),
}

/// `Next` may follow `Self`. One line per arrow; there are no other arrows.
pub(crate) trait Precedes<Next> {
    /// The stage that makes the step.
    const STAGE: &'static str;
}

impl Precedes<Classified> for Proposed {
    const STAGE: &'static str = "classify";
}
impl Precedes<Judged> for Classified {
    const STAGE: &'static str = "policy";
}
impl Precedes<Cleared> for Judged {
    const STAGE: &'static str = "guardrail";
}
impl Precedes<Authorized> for Cleared {
    const STAGE: &'static str = "approval";
}
impl Precedes<Credentialed> for Authorized {
    const STAGE: &'static str = "credential";
}
impl Precedes<Executed> for Credentialed {
    const STAGE: &'static str = "action";
}
impl Precedes<Labelled> for Executed {
    const STAGE: &'static str = "outcome";
}

impl Call<Proposed> {
    pub(crate) fn open(head: Head, mut entry: OpenRecord, state: Proposed) -> Self {
        entry.stage("intake");
        Self { head: Box::new(head), entry, state }
    }
}

impl<S> Call<S> {
    /// Moves on to the next stage, and marks that this one is done.
    pub(crate) fn advance<T>(self, step: impl FnOnce(S) -> T) -> Call<T>
    where
        S: Precedes<T>,
    {
        let Self { head, mut entry, state } = self;
        entry.stage(<S as Precedes<T>>::STAGE);
        Call { head, entry, state: step(state) }
    }

    /// Moves on, or ends here, by a step that spends the state and may write into the record.
    pub(crate) fn try_advance<T>(
        self,
        step: impl FnOnce(&Head, &mut OpenRecord, S) -> Result<T, Refusal>,
    ) -> Result<Call<T>, Stopped>
    where
        S: Precedes<T>,
    {
        let address = Box::new(self.address());
        let Self { head, mut entry, state } = self;
        match step(&head, &mut entry, state) {
            Ok(state) => {
                entry.stage(<S as Precedes<T>>::STAGE);
                Ok(Call { head, entry, state })
            }
            Err(refusal) => Err(Stopped::new(entry, address, refusal)),
        }
    }

    /// Ends here.
    pub(crate) fn stop(self, refusal: Refusal) -> Stopped {
        let address = Box::new(self.address());
        Stopped::new(self.entry, address, refusal)
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn state(&self) -> &S {
        &self.state
    }

    pub(crate) fn entry(&mut self) -> &mut OpenRecord {
        &mut self.entry
    }

    /// The head to read and the record to write, at once.
    pub(crate) fn head_and_entry(&mut self) -> (&Head, &mut OpenRecord) {
        (&self.head, &mut self.entry)
    }

    /// The head and the state to read, and the record to write, at once.
    pub(crate) fn parts(&mut self) -> (&Head, &mut OpenRecord, &S) {
        (&self.head, &mut self.entry, &self.state)
    }

    /// Goes on under another law than it came in under. For the approval stage, which judges it again by that.
    pub(crate) fn under(&mut self, law: Arc<Snapshot>) {
        self.head.snapshot = law;
    }

    /// Leaves its place among the calls under way to others, while it waits for people. Answers whether it had one: not every
    /// frame takes one.
    pub(crate) fn step_aside(&mut self) -> bool {
        self.head.slot.take().is_some()
    }

    /// Takes the place again that it left, in its turn.
    pub(crate) async fn step_back(&mut self, slots: &Arc<Semaphore>) {
        // They are never closed.
        self.head.slot = Arc::clone(slots).acquire_owned().await.ok();
    }

    /// Its client has been answered with this slip, and does not wait any more: its request is over, and only the slip can be
    /// cancelled.
    pub(crate) fn goes_on_for(&mut self, slip: Arc<Slip>) {
        self.head.slip = Some(slip);
        self.head.bell.take();
        self.head.underway.take();
    }

    pub(crate) fn elapsed_us(&self) -> u64 {
        self.entry.elapsed_us()
    }

    pub(crate) fn number(&self) -> u64 {
        self.entry.read(|r| r.number).unwrap_or_default()
    }

    fn address(&self) -> Address {
        self.head.address()
    }
}

impl Head {
    /// Returns when the client has cancelled this request; never for what cannot be cancelled.
    pub(crate) async fn cancelled(&self) {
        match (&self.slip, &self.underway) {
            (Some(slip), _) => slip.cancelled().await,
            (None, Some(underway)) => underway.cancelled().await,
            (None, None) => std::future::pending().await,
        }
    }

    /// As [`Self::cancelled`], at once: of what no server has heard yet, none can say anything.
    pub(crate) async fn given_up(&self) {
        match (&self.slip, &self.underway) {
            (Some(slip), _) => slip.cancelled().await,
            (None, Some(underway)) => underway.given_up().await,
            (None, None) => std::future::pending().await,
        }
    }

    /// Whether the client has cancelled this request.
    pub(crate) fn is_cancelled(&self) -> bool {
        let given_up = self.slip.as_ref().is_some_and(|slip| slip.is_cancelled());
        given_up || self.underway.as_ref().is_some_and(Underway::is_cancelled)
    }

    /// Whether this asks for a stream of a server's own messages as the modern era does.
    pub(crate) fn listens(&self) -> bool {
        self.envelope.method.as_deref() == Some("subscriptions/listen")
    }

    /// Lets go of the snapshot where the frame may live for hours: on a server's own stream every message is a frame with a
    /// snapshot of its own. Else each edit of the law would keep one more old snapshot in memory for every such stream.
    /// What is asked of this head from now on is denied.
    pub(crate) fn release_law(&mut self) {
        if (self.kind == FrameKind::Stream || self.listens())
            && let Some(nothing) = Snapshot::nothing()
        {
            self.snapshot = nothing;
        }
    }

    /// Where an answer or a refusal goes.
    pub(crate) fn address(&self) -> Address {
        Address {
            direction: self.direction,
            kind: self.kind,
            id: self.envelope.id.clone(),
            method: self.envelope.method.clone(),
            modern: self.modern,
            channel: Some(Arc::clone(&self.channel)),
        }
    }
}

impl Call<Labelled> {
    /// Takes the call apart for the audit stage.
    pub(crate) fn into_parts(self) -> (Box<Head>, OpenRecord, Labelled) {
        (self.head, self.entry, self.state)
    }
}

impl Stopped {
    /// A frame that ends here.
    pub(crate) fn new(entry: OpenRecord, address: Box<Address>, refusal: Refusal) -> Self {
        Self { entry, address, refusal: Box::new(refusal), beside: BesideWords::Nothing }
    }

    /// With an answer that is handed over again, instead of words.
    pub(crate) fn answer_again(mut self, answer: Arc<str>) -> Self {
        self.beside = BesideWords::Again(answer);
        self
    }

    /// With the request that people have not decided on yet.
    pub(crate) fn pending(mut self, told: Told) -> Self {
        self.beside = BesideWords::Pending(Box::new(told));
        self
    }

    /// With words for the agent beside the refusal's sentence.
    pub(crate) fn advise(mut self, advice: String) -> Self {
        self.beside = BesideWords::Advice(advice.into_boxed_str());
        self
    }
}

// Written by hand: a derived `Debug` would print bodies and secrets into logs.
impl<S> std::fmt::Debug for Call<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({}, {:?})", self.number(), self.head.envelope.method)
    }
}

impl std::fmt::Debug for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stopped({:?})", self.refusal.code)
    }
}
