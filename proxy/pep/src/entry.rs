//! The open record of a frame. It is closed by the audit stage, or it closes itself when the frame is dropped.

use std::borrow::Cow;
use std::sync::Arc;

use pdp::record::{EffectNote, Ending, Entry, Note, PreviewNote, Record, StageTime};

use crate::approval::Use;
use crate::effect::{Claim, Life, Order};
use crate::ports::{Clock, Ledger};
use crate::stages::s9_audit::IntentReceipt;
use crate::task::HeldStep;
use crate::task::meter::{self, Reservation};

/// A record under way. Dropping it unsealed is itself recorded.
#[derive(Debug)]
pub(crate) struct OpenRecord {
    /// Nothing once it is sealed.
    record: Option<Box<Record>>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    /// An effect may have happened: set when the intent is durable, never unset.
    intended: bool,
    /// What a drop means: for a stream that its reader closes, the ordinary end.
    when_dropped: Ending,
    /// The step of the plan that the frame holds until it acts or ends.
    step: Option<Box<HeldStep>>,
    /// What surrounds an effect; nothing for most frames.
    effect: Option<Box<Effect>>,
    /// Its place within the limits, until it ends.
    reserved: Option<Box<Reserved>>,
    /// What people gave to it, until it acts or ends.
    approved: Option<Box<Use>>,
}

/// A place within the limits, and what the call did cost, as its result says.
#[derive(Debug)]
struct Reserved {
    place: Reservation,
    cost: Option<u64>,
}

/// An effect's life, and what belongs to it until it is over.
#[derive(Debug)]
struct Effect {
    /// Nothing only while it takes a step.
    life: Option<Life>,
    /// The idempotency key it holds.
    claim: Option<Claim>,
    /// How it is to be undone.
    undo: Option<Result<Box<Order>, String>>,
}

impl OpenRecord {
    pub(crate) fn new(record: Record, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self {
            record: Some(Box::new(record)),
            ledger,
            clock,
            intended: false,
            when_dropped: Ending::Abandoned,
            step: None,
            effect: None,
            reserved: None,
            approved: None,
        }
    }

    /// Changes the record. Nothing happens once it is sealed; nobody holds it then.
    pub(crate) fn write(&mut self, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.record.as_deref_mut() {
            change(record);
        }
    }

    /// The record as it stands.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Record) -> T) -> Option<T> {
        self.record.as_deref().map(read)
    }

    /// Microseconds since the frame arrived.
    pub(crate) fn elapsed_us(&self) -> u64 {
        let started = self.record.as_deref().map_or(0, |r| r.started_us);
        u64::try_from(self.clock.now_us().saturating_sub(started)).unwrap_or(0)
    }

    /// Marks a stage as done.
    pub(crate) fn stage(&mut self, stage: &'static str) {
        let at_us = self.elapsed_us();
        self.write(|record| record.stages.push(StageTime { at_us, stage: Cow::Borrowed(stage) }));
    }

    /// Notes something worth knowing.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let at_us = self.elapsed_us();
        self.write(|record| record.notes.push(Note { at_us, text: text.into() }));
    }

    /// Holds a step of the task's plan. It is given back when the frame ends without having acted.
    pub(crate) fn hold_step(&mut self, step: Option<HeldStep>) {
        self.step = step.map(Box::new);
    }

    /// The frame acts now: the step it held is taken, and what people gave it is used.
    pub(crate) fn acts(&mut self) {
        self.step.take().into_iter().for_each(|step| step.made());
        self.approved.take().into_iter().for_each(|given| given.made());
    }

    /// People gave it an approval. Where it ends without having acted, that is given back.
    pub(crate) fn approved(&mut self, given: Use) {
        self.approved = Some(Box::new(given));
    }

    /// What people gave is given back.
    pub(crate) fn unapproved(&mut self) {
        self.approved = None;
    }

    /// The intent is durable: an effect may happen from here on.
    pub(crate) fn intended(&mut self, proof: &IntentReceipt) {
        self.intended = true;
        self.live_on(|life| life.attempted(proof));
    }

    /// An effect begins its life.
    pub(crate) fn live(&mut self, life: Life) {
        self.effect = Some(Box::new(Effect { life: Some(life), claim: None, undo: None }));
    }

    /// Whether it may have an effect, or had its result withheld.
    pub(crate) fn is_alive(&self) -> bool {
        self.effect.is_some()
    }

    fn live_on(&mut self, step: impl FnOnce(Life) -> Life) {
        if let Some(effect) = &mut self.effect {
            effect.life = effect.life.take().map(step);
        }
    }

    /// A preview was made of it.
    pub(crate) fn previewed(&mut self, note: PreviewNote) {
        self.live_on(|life| life.previewed(note));
    }

    /// Its server has answered.
    pub(crate) fn answered(&mut self) {
        self.live_on(Life::answered);
    }

    /// What its client is told, before the record is closed.
    pub(crate) fn handed(&mut self, text: &str) {
        if let Some(claim) = self.effect.as_mut().and_then(|effect| effect.claim.as_mut()) {
            claim.answered(text);
        }
    }

    /// Its result is withheld, for this reason.
    pub(crate) fn withhold(&mut self, fault: String) {
        self.live_on(|life| life.withheld(fault));
    }

    /// It is to be undone by this tool, for this reason; or that cannot be, in words.
    pub(crate) fn undo(&mut self, fault: String, tool: String, order: Result<Box<Order>, String>) {
        self.live_on(|life| life.undoing(fault, tool));
        if let Some(effect) = &mut self.effect {
            effect.undo = Some(order);
        }
    }

    /// How it is to be undone, once.
    pub(crate) fn take_undo(&mut self) -> Option<Result<Box<Order>, String>> {
        self.effect.as_mut()?.undo.take()
    }

    /// What became of its undoing.
    pub(crate) fn undone(&mut self, outcome: &Result<(), String>) {
        self.live_on(|life| life.undone(outcome));
    }

    /// It holds an idempotency key, which is written down as this.
    pub(crate) fn claim(&mut self, claim: Claim, shown: String) {
        self.live_on(|life| life.keyed(shown));
        if let Some(effect) = &mut self.effect {
            effect.claim = Some(claim);
        }
    }

    /// It has a place within the limits.
    pub(crate) fn reserve(&mut self, reserved: Reservation) {
        self.reserved = Some(Box::new(Reserved { place: reserved, cost: None }));
    }

    /// Its place within the limits.
    pub(crate) fn reserved(&mut self) -> Option<&mut Reservation> {
        self.reserved.as_mut().map(|reserved| &mut reserved.place)
    }

    /// What it did cost.
    pub(crate) fn cost(&mut self, cost: u64) {
        if let Some(reserved) = &mut self.reserved {
            reserved.cost = Some(cost);
        }
    }

    pub(crate) fn has_intent(&self) -> bool {
        self.intended
    }

    pub(crate) fn when_dropped(&mut self, ending: Ending) {
        self.when_dropped = ending;
    }

    /// Closes the record and hands it out, once.
    pub(crate) fn seal(mut self, ending: Ending) -> Option<Arc<Record>> {
        self.close(ending)
    }

    fn close(&mut self, ending: Ending) -> Option<Arc<Record>> {
        let took_us = self.elapsed_us();
        let mut record = self.record.take()?;
        record.took_us = took_us;
        record.ending = ending;
        if let Some(effect) = self.effect.take() {
            record.effect = effect.over(ending);
        }
        if let Some(reserved) = self.reserved.take() {
            let told = |result: &pdp::record::ResultNote| result.is_error || result.error_code.is_some();
            let failed = ending != Ending::Served || record.result.as_ref().is_some_and(told);
            for event in meter::settled(reserved.place, failed, reserved.cost, self.clock.now_us()) {
                // As below: a ledger that is ill says so itself.
                let _refused = self.ledger.append(Entry::Event(event));
            }
        }
        Some(Arc::new(*record))
    }
}

impl Effect {
    fn over(self, ending: Ending) -> Option<EffectNote> {
        let note = self.life?.over(ending);
        if let Some(claim) = self.claim {
            claim.settle(note.state);
        }
        Some(note)
    }
}

impl Drop for OpenRecord {
    fn drop(&mut self) {
        let panicking = std::thread::panicking();
        let ending = match (self.intended, panicking) {
            (true, _) => Ending::Indeterminate,
            (false, true) => Ending::Panicked,
            (false, false) => self.when_dropped,
        };
        if let Some(record) = self.close(ending) {
            // A ledger that cannot take it has said so to its own health, and calls stop there.
            let _refused = self.ledger.append(Entry::Record(record));
        }
    }
}
