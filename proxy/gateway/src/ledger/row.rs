//! One entry as one row: its canonical body, and the columns projected from it.
//!
//! Canonical bytes are made here, on the writer's thread, off the path of the call.

use pdp::json::JsonFault;
use pdp::record::{Entry, Note, Record};
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
    /// Makes the canonical bytes. A record whose arguments stand in the way is written without them.
    ///
    /// # Errors
    /// When even so the entry has no canonical form; no entry the gate makes is such.
    pub(super) fn of(entry: Entry) -> Result<Self, JsonFault> {
        let (entry, body) = match (entry.canonical(), entry) {
            (Ok(body), entry) => (entry, body),
            (Err(fault), Entry::Record(record)) if record.arguments.is_some() => {
                let entry = Entry::Record(without_arguments(record, &fault));
                let body = entry.canonical()?;
                (entry, body)
            }
            (Err(fault), Entry::Record(_) | Entry::Intent(_) | Entry::Event(_)) => return Err(fault),
        };
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
                r.principal.as_ref().map(pdp::principal::Principal::key),
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
                None::<&str>,
                None::<&str>,
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

fn without_arguments(mut record: Box<Record>, fault: &JsonFault) -> Box<Record> {
    record.arguments = None;
    let text = format!("the arguments are left out of this record: {fault}");
    record.notes.push(Note { at_us: record.took_us, text });
    record
}
