//! A recorded call as a case: what its decision saw, judged again by the bundle at hand, or why that is not all there.

use std::sync::Arc;

use pdp::record::{Direction, Entry, Record};
use pdp::snapshot::Snapshot;
use serde::Serialize;

use crate::clock::rfc3339;
use crate::desk::case::{Asked, Case};
use crate::desk::recorded::{NotComparable, Recorded as Call};
use crate::desk::telling;
use crate::ledger::Reader;
use crate::story::{self, StoryFault, visible};

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
    /// What rode along in its message. All of it may pass, or none, so the strictest of it is what is explained.
    pub along: Vec<String>,
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

/// A recorded call to be explained, and what its record says beside.
pub type Found = (Result<Case, NotComparable>, Recorded);

/// Finds a recorded call: by its number, or in a trace or a task the last that was not allowed, else the last call of a tool.
///
/// # Errors
/// When there is none, or the ledger cannot be read.
pub fn recorded(reader: &Reader, id: &str, snapshot: &Snapshot) -> Result<Found, RecordedFault> {
    let entries = story::find(reader, id, &story::Sight::WHOLE)?;
    let records: Vec<Arc<Record>> = entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Record(record) => Some(record),
            Entry::Intent(_) | Entry::Event(_) | Entry::Said(_) => None,
        })
        .filter(|record| record.decision.is_some() && record.direction == Direction::ToServer)
        .collect();
    let refused = |record: &&Arc<Record>| record.decision.as_ref().is_some_and(|d| d.decision.word() != "allow");
    let called = |record: &&Arc<Record>| record.method.as_deref() == Some("tools/call");
    let chosen = records.iter().rfind(refused).or_else(|| records.iter().rfind(called)).or_else(|| records.last());
    let none = || RecordedFault::NoDecision(id.to_owned());
    let record = chosen.ok_or_else(none)?;
    let note = record.decision.as_ref().ok_or_else(none)?;
    let call = Call::of(record);
    let recorded = Recorded {
        number: record.number,
        trace: record.trace.clone(),
        at: rfc3339(record.started_us),
        decision: telling::decision(&note.decision),
        rules: note.rules.iter().map(|rule| rule.id.clone()).collect(),
        snapshot: record.snapshot.to_string(),
        same_snapshot: record.snapshot == snapshot.digest(),
        along: call.iter().flat_map(|call| call.along.iter().map(asked)).collect(),
    };
    Ok((call.map(|call| strictest(call, snapshot)), recorded))
}

/// What decides of a call and of what rode along with it.
fn strictest(call: Call, snapshot: &Snapshot) -> Case {
    // What would be refused before policy is asked is stricter than any denial.
    let rank = |case: &Case| case.judge(snapshot).map_or(u8::MAX, |judgement| judgement.decision.rank());
    call.along.into_iter().fold(
        call.case,
        |strictest, case| {
            if rank(&case) > rank(&strictest) { case } else { strictest }
        },
    )
}

fn asked(case: &Case) -> String {
    match &case.asked {
        Asked::Method { name, target } => visible::text(format!("{name} {target}").trim_end()),
        Asked::Tool { name, .. } => visible::text(name),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::desk::compare::tests::{LAW, call, judged, snapshot};

    #[test]
    fn of_a_call_and_what_rode_along_the_strictest_is_explained() {
        let law = snapshot(LAW);
        let record = judged(call(1, "mail_list", "{}", &[]), &law);
        let mut found = Call::of(&record).unwrap();
        let along = |name: &str| {
            let asked = Asked::Method { name: name.to_owned(), target: String::new() };
            Case { asked, ..found.case.clone() }
        };
        let (listed, not_open) = (along("resources/list"), along("sampling/createMessage"));
        assert_eq!(strictest(found.clone(), &law), found.case);
        found.along = vec![listed.clone()];
        assert_eq!(strictest(found.clone(), &law), found.case);
        let closed = snapshot(&LAW.replace("Gate::Action::\"feature\"", "Gate::Action::\"write\""));
        assert_eq!(strictest(found.clone(), &closed), listed);
        found.along.push(not_open.clone());
        assert_eq!(strictest(found, &closed), not_open);
    }
}
