//! The open record of a frame. It is closed by the audit stage, or it closes itself when the frame is dropped.

use std::borrow::Cow;
use std::sync::Arc;

use pdp::record::{Ending, Entry, Note, Record, StageTime};

use crate::ports::{Clock, Ledger};
use crate::task::HeldStep;

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
    step: Option<HeldStep>,
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
        self.step = step;
    }

    /// The frame acts now: the step it held is taken.
    pub(crate) fn acts(&mut self) {
        self.step.take().into_iter().for_each(HeldStep::made);
    }

    pub(crate) fn intended(&mut self) {
        self.intended = true;
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
        Some(Arc::new(*record))
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
