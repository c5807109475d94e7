//! One entry as one row: its canonical body, and the columns projected from it.
//!
//! Canonical bytes are made here, on the writer's thread, off the path of the call.

use pdp::json::JsonFault;
use pdp::record::Entry;
use rusqlite::{CachedStatement, params};
use tokio::sync::oneshot;

use super::schema::signed;
use pep::ports::LedgerFault;

/// Who waits for an entry to be durable.
pub(super) type Waiter = oneshot::Sender<Result<(), LedgerFault>>;

/// Inserts one row; the parameters are those of [`Row::insert`].
pub(super) const INSERT: &str = "INSERT INTO entries \
    (seq, kind, number, at_us, trace, task, principal, server, system, method, target, credential, decision, ending, \
     body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// An entry ready to be written.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) entry: Entry,
    pub(super) body: String,
    pub(super) waiter: Option<Waiter>,
    /// Not kept when its transaction fails: an intent whose sender is told so and will not act, or the writer's own
    /// word about a recovery that did not happen.
    pub(super) given_up_on_failure: bool,
}

impl Row {
    /// Makes the canonical bytes.
    ///
    /// # Errors
    /// When the entry has no canonical form; no entry the gate makes is such.
    pub(super) fn of(entry: Entry) -> Result<Self, JsonFault> {
        let body = entry.canonical()?;
        Ok(Self { entry, body, waiter: None, given_up_on_failure: false })
    }

    /// Writes the row at its place in the sequence.
    pub(super) fn insert(&self, seq: u64, statement: &mut CachedStatement<'_>) -> rusqlite::Result<()> {
        let seq = signed(seq);
        let done = match &self.entry {
            Entry::Intent(i) => statement.execute(params![
                seq,
                "intent",
                signed(i.number),
                i.at_us,
                i.trace,
                i.task,
                i.principal.key(),
                i.server,
                None::<&str>,
                i.method,
                i.target,
                None::<&str>,
                None::<&str>,
                None::<&str>,
                self.body
            ]),
            Entry::Record(r) => statement.execute(params![
                seq,
                "record",
                signed(r.number),
                r.started_us,
                r.trace,
                r.task,
                r.principal.as_ref().map(|p| p.key()),
                r.server,
                r.system,
                r.method,
                r.target,
                r.credential,
                r.decision.as_ref().map(|d| d.decision.word()),
                r.ending.word(),
                self.body
            ]),
            Entry::Event(e) => statement.execute(params![
                seq,
                "event",
                None::<i64>,
                e.at_us,
                e.trace,
                e.task,
                e.by,
                None::<&str>,
                None::<&str>,
                None::<&str>,
                None::<&str>,
                None::<&str>,
                None::<&str>,
                None::<&str>,
                self.body
            ]),
        };
        done.map(drop)
    }
}
