//! A recorded call as a case: what the ledger kept of it, judged again by the bundle at hand.

use std::sync::Arc;

use pdp::record::{Direction, Entry, Record};
use pdp::snapshot::Snapshot;
use serde::Serialize;

use crate::clock::rfc3339;
use crate::desk::case::{Asked, Case};
use crate::desk::telling;
use crate::ledger::Reader;
use crate::story::{self, StoryFault};

/// What a record says beside the case.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// The record's number.
    pub number: u64,
    /// Its trace.
    pub trace: String,
    /// When, as RFC 3339 has it.
    pub at: String,
    /// What was decided then; empty where it did not come to a decision.
    pub decision: String,
    /// The policies that determined it then.
    pub rules: Vec<String>,
    /// The snapshot it was judged by.
    pub snapshot: String,
    /// Whether that is the bundle at hand.
    pub same_snapshot: bool,
    /// What of the call was not kept, so that it cannot be judged again as it was; empty for nothing.
    pub lacks: String,
}

/// Why a record cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum RecordedFault {
    /// It cannot be found or read.
    #[error(transparent)]
    Story(#[from] StoryFault),
    /// Nothing in it came to a decision.
    #[error("nothing of `{0}` came to a decision of policy: `wicketgate trace {0}` tells what happened")]
    NoDecision(String),
}

/// Finds a recorded call: by its number, or in a trace or a task the last that was not allowed, else the last call of a tool.
///
/// # Errors
/// When there is none, or the ledger cannot be read.
pub fn recorded(reader: &Reader, id: &str, snapshot: &Snapshot) -> Result<(Case, Recorded), RecordedFault> {
    let entries = story::find(reader, id)?;
    let records: Vec<Arc<Record>> = entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Record(record) => Some(record),
            Entry::Intent(_) | Entry::Event(_) => None,
        })
        .filter(|record| record.decision.is_some() && record.direction == Direction::ToServer)
        .collect();
    let refused = |record: &&Arc<Record>| record.decision.as_ref().is_some_and(|d| d.decision.word() != "allow");
    let called = |record: &&Arc<Record>| record.method.as_deref() == Some("tools/call");
    let chosen = records.iter().rfind(refused).or_else(|| records.iter().rfind(called)).or_else(|| records.last());
    let none = || RecordedFault::NoDecision(id.to_owned());
    let record = chosen.ok_or_else(none)?;
    let (Some(note), Some(principal)) = (&record.decision, &record.principal) else { return Err(none()) };
    let method = record.method.clone().unwrap_or_default();
    let target = record.target.clone().unwrap_or_default();
    let mut lacks = String::new();
    let asked = if method == "tools/call" {
        let arguments = record.arguments.as_ref().map(|arguments| arguments.text().to_owned());
        if arguments.is_none() {
            "its arguments were not kept: too long, or held back".clone_into(&mut lacks);
        }
        Asked::Tool { name: target, arguments: arguments.unwrap_or_else(|| "{}".to_owned()) }
    } else {
        Asked::Method { name: method, target }
    };
    let facts = note.facts(&record.task);
    let case = Case { principal: (**principal).clone(), server: record.server.clone(), asked, facts };
    let recorded = Recorded {
        number: record.number,
        trace: record.trace.clone(),
        at: rfc3339(record.started_us),
        decision: telling::decision(&note.decision),
        rules: note.rules.iter().map(|rule| rule.id.clone()).collect(),
        snapshot: record.snapshot.to_string(),
        same_snapshot: record.snapshot == snapshot.digest(),
        lacks,
    };
    Ok((case, recorded))
}
