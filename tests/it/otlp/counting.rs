//! How many spans a record makes is known before they are made: the exporter's queue is bounded by it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use gateway::telemetry::project;
use pdp::record::Record;
use proptest::prelude::*;

use super::collector::{allowed, stage};

fn any_record() -> impl Strategy<Value = Record> {
    let stages = proptest::collection::vec(
        ("intake|classify|policy|guardrail|approval|credential|action|outcome|audit|x", 0..5_000_u64),
        0..9,
    );
    (stages, 0..3_usize, any::<[bool; 3]>(), any::<i64>(), any::<u64>()).prop_map(
        |(stages, attempts, [judged, lent, own_parent], started_us, took_us)| {
            let base = allowed();
            Record {
                started_us,
                took_us,
                stages: stages.iter().map(|(name, at_us)| stage(name, *at_us)).collect(),
                attempts: vec![base.attempts[0].clone(); attempts],
                decision: base.decision.clone().filter(|_| judged),
                credential: lent.then(|| "c".to_owned()),
                parent: own_parent.then(|| "00000000000000aa".to_owned()),
                ..base
            }
        },
    )
}

proptest! {
    #[test]
    fn the_count_of_spans_is_known_before_they_are_made(record in any_record()) {
        let options = project::Options { arguments: false, value_chars_max: 64 };
        let spans = project::project(&record, &options).unwrap();
        prop_assert_eq!(spans.len(), project::count(&record));
        prop_assert!(spans.iter().all(|s| s.start_time <= s.end_time));
        prop_assert_eq!(&spans, &project::project(&record, &options).unwrap());
        let root = project::task_span(&record, &options).unwrap();
        prop_assert_eq!(root.is_none(), record.parent.is_some());
    }
}
