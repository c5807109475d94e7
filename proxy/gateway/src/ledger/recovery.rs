//! What a ledger finds of the gate's last life: intents without an outcome. Each becomes a record that says so.
//!
//! Such a frame may have had its effect. It is never called failed, and nothing here tries it again.

use std::collections::BTreeSet;

use pdp::digest::Digest;
use pdp::json::JsonFault;
use pdp::label::LabelSet;
use pdp::record::{Direction, Ending, Entry, Event, FrameKind, Intent, Note, RECORD_VERSION, Record};
use rusqlite::Connection;

/// Intents after a place in the sequence whose number has no record. The index is named because the table itself is
/// what must not be scanned.
const UNSETTLED: &str = "SELECT i.seq, i.body FROM entries AS i INDEXED BY entries_intent \
    WHERE i.kind = 'intent' AND i.seq > ?1 \
    AND NOT EXISTS (SELECT 1 FROM entries AS r WHERE r.number = i.number AND r.kind = 'record') ORDER BY i.seq";

/// The bodies of intents without an outcome, with their places in the sequence.
pub(super) fn unsettled(connection: &Connection, settled: i64) -> rusqlite::Result<Vec<(u64, String)>> {
    let mut statement = connection.prepare(UNSETTLED)?;
    let rows = statement.query_map([settled], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))?;
    rows.collect()
}

/// The entries that settle these intents: one record for each number, and one event that names them all. Nothing when
/// there is nothing to settle.
///
/// # Errors
/// When an intent has no canonical form: its place in the sequence, and why.
pub(super) fn settle(intents: Vec<(u64, Intent)>, at_us: i64) -> Result<Vec<Entry>, (u64, JsonFault)> {
    let mut numbers = BTreeSet::new();
    let mut entries = Vec::new();
    for (seq, intent) in intents {
        if numbers.insert(intent.number) {
            let record = outcome_unknown(intent).map_err(|fault| (seq, fault))?;
            entries.push(Entry::Record(record.into()));
        }
    }
    if !numbers.is_empty() {
        let detail = format!(
            "{} found with an intent and without an outcome when the ledger was opened, and recorded as indeterminate: {}",
            if numbers.len() == 1 { "one frame was".to_owned() } else { format!("{} frames were", numbers.len()) },
            ranges(&numbers)
        );
        let what = "recovered".to_owned();
        entries.push(Entry::Event(Event::new(at_us, what, detail)));
    }
    Ok(entries)
}

/// The record of a frame of which nothing but its intent is known.
fn outcome_unknown(intent: Intent) -> Result<Record, JsonFault> {
    let entry = Entry::Intent(intent);
    let digest = Digest::of_bytes(entry.canonical()?.as_bytes()).to_string();
    // The span's id was never written down. One is derived, so that the record can still be projected as a span and
    // another recovery of the same ledger gives the same.
    let span = digest.chars().skip("sha256:".len()).take(16).collect();
    let Entry::Intent(intent) = entry else {
        return Err(JsonFault::Kind("an intent"));
    };
    let text = "found without an outcome when the ledger was opened".to_owned();
    Ok(Record {
        v: RECORD_VERSION,
        number: intent.number,
        trace: intent.trace,
        span,
        parent: None,
        link: None,
        task: intent.task,
        started_us: intent.at_us,
        took_us: 0,
        direction: Direction::ToServer,
        kind: FrameKind::Request,
        protocol: None,
        principal: Some(intent.principal),
        client: None,
        server: intent.server,
        system: None,
        transport: None,
        session: None,
        request_id: None,
        method: Some(intent.method),
        target: intent.target,
        pin: None,
        effect: None,
        errand: None,
        effects: BTreeSet::new(),
        arguments_digest: intent.arguments_digest,
        arguments: None,
        snapshot: intent.snapshot,
        decision: None,
        credential: None,
        approvals: Vec::new(),
        plan: None,
        labels: LabelSet::default(),
        flow: None,
        stages: Vec::new(),
        attempts: Vec::new(),
        notes: vec![Note { at_us: 0, text }],
        bytes_in: 0,
        result: None,
        ending: Ending::Indeterminate,
        refusal: None,
    })
}

/// Numbers for people: `3, 7-9, 12`.
pub(crate) fn ranges(numbers: &BTreeSet<u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            Some(_) | None => runs.push((number, number)),
        }
    }
    let words: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_numbers_are_drawn_together() {
        assert_eq!(ranges(&BTreeSet::from([3, 7, 8, 9, 12, 13])), "3, 7-9, 12-13");
        assert_eq!(ranges(&BTreeSet::from([u64::MAX])), u64::MAX.to_string());
        assert_eq!(ranges(&BTreeSet::new()), "");
    }
}
