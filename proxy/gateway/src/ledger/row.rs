//! One entry as one row: its canonical body, and the columns projected from it.
//!
//! Canonical bytes are made here, on the writer's thread, off the path of the call.

use std::borrow::Cow;

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

/// Whether nothing is lost with an entry that is refused: its sender waits to be told, and then does not act, or knows that
/// it was not heard. Everything else happened.
pub(super) fn is_asked(entry: &Entry) -> bool {
    match entry {
        Entry::Intent(_) | Entry::Said(_) => true,
        Entry::Record(_) | Entry::Event(_) => false,
    }
}

/// An entry ready to be written.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) entry: Entry,
    pub(super) body: String,
    pub(super) waiter: Option<Waiter>,
    /// Not kept when its transaction fails: what [is asked](is_asked) by somebody who waits and is told so, or the writer's own
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
        let of = Columns::of(&self.entry);
        let done = statement.execute(params![
            signed(seq),
            of.kind,
            of.number.map(signed),
            of.at_us,
            of.trace,
            of.task,
            of.principal,
            of.server,
            of.system,
            of.method,
            of.target,
            of.credential,
            of.decision,
            of.ending,
            self.body
        ]);
        done.map(drop)
    }
}

/// What stands in a row between its place and its body.
#[derive(Debug, Default)]
struct Columns<'e> {
    kind: &'static str,
    number: Option<u64>,
    at_us: i64,
    trace: Option<&'e str>,
    task: Option<&'e str>,
    principal: Option<Cow<'e, str>>,
    server: Option<&'e str>,
    system: Option<&'e str>,
    method: Option<&'e str>,
    target: Option<&'e str>,
    credential: Option<&'e str>,
    decision: Option<&'static str>,
    ending: Option<&'static str>,
}

impl<'e> Columns<'e> {
    fn of(entry: &'e Entry) -> Self {
        match entry {
            Entry::Intent(i) => Self {
                kind: "intent",
                number: Some(i.number),
                at_us: i.at_us,
                trace: Some(&i.trace),
                task: Some(&i.task),
                principal: Some(i.principal.key().into()),
                server: Some(&i.server),
                method: Some(&i.method),
                target: i.target.as_deref(),
                ..Self::default()
            },
            Entry::Record(r) => Self {
                kind: "record",
                number: Some(r.number),
                at_us: r.started_us,
                trace: Some(&r.trace),
                task: Some(&r.task),
                principal: r.principal.as_ref().map(|p| p.key().into()),
                server: Some(&r.server),
                system: r.system.as_deref(),
                method: r.method.as_deref(),
                target: r.target.as_deref(),
                credential: r.credential.as_deref(),
                decision: r.decision.as_ref().map(|d| d.decision.word()),
                ending: Some(r.ending.word()),
            },
            Entry::Event(e) => Self {
                kind: "event",
                at_us: e.at_us,
                trace: e.trace.as_deref(),
                task: e.task.as_deref(),
                principal: e.by.as_deref().map(Into::into),
                ..Self::default()
            },
            Entry::Said(s) => Self {
                kind: "said",
                number: s.number,
                at_us: s.at_us,
                trace: Some(&s.trace),
                task: Some(&s.task),
                principal: Some(s.by.as_str().into()),
                ..Self::default()
            },
        }
    }
}
