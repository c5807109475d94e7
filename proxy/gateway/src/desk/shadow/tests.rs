//! What a shadow does when it is offered more than it can judge, and that it ends.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use super::super::compare::tests::{LAW, call, judged, snapshot};
use super::*;

#[derive(Debug)]
struct InForce(Arc<Snapshot>);

impl Snapshots for InForce {
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0)
    }
}

/// A shadow beside the law, and a record that the law made.
fn shadow() -> (Shadow, Arc<Record>) {
    let law = Arc::new(snapshot(LAW));
    let record = judged(call(1, "mail_list", "{}", &[]), &law);
    (Shadow::new(Arc::new(InForce(law))), Arc::new(record))
}

/// Waits until everything that was offered is judged or dropped.
fn settled(shadow: &Shadow) -> Sight {
    for _ in 0..3000 {
        let sight = shadow.sight().unwrap();
        if sight.waiting == 0 {
            return sight;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the worker never came to an end: {:?}", shadow.sight());
}

#[test]
fn what_does_not_fit_is_dropped_and_counted_and_nothing_waits_for_it() {
    let (shadow, record) = shadow();
    shadow.offer(&record);
    assert_eq!(shadow.sight(), None, "without a candidate nothing is kept");
    shadow.begin(Arc::new(snapshot(&LAW.replace("\"read\"", "\"write\""))), "default/ana", 0).unwrap();
    let run = shadow.run.load_full().unwrap();
    let all = QUEUE_MAX as u64 + 100;
    {
        // The worker stands still at the first record, which it may have taken from the queue.
        let _held = run.count.tally();
        (0..all).for_each(|_| shadow.offer(&record));
    }
    let sight = settled(&shadow);
    assert!([99, 100].contains(&sight.dropped), "{sight:?}");
    assert_eq!((sight.offered, sight.report.compared), (all, all - sight.dropped));
    assert_eq!(sight.report.narrower, sight.report.compared);
    assert_eq!((sight.by.as_str(), sight.candidate), ("default/ana", run.candidate.digest()));
}

#[test]
fn another_candidate_takes_its_place_and_its_worker_ends() {
    let (shadow, record) = shadow();
    let other = Arc::new(snapshot(&LAW.replace("\"read\"", "\"write\"")));
    shadow.begin(Arc::new(snapshot(LAW)), "a", 0).unwrap();
    shadow.offer(&record);
    let same = settled(&shadow);
    assert_eq!((same.report.same, same.report.narrower), (1, 0));
    let first = Arc::downgrade(&shadow.run.load_full().unwrap().candidate);
    let before = shadow.begin(Arc::clone(&other), "b", 0).unwrap();
    assert_eq!(before.map(|before| (before.by, before.report.same)), Some(("a".to_owned(), 1)));
    shadow.offer(&record);
    assert_eq!(settled(&shadow).report.narrower, 1, "it begins at nothing");
    assert_eq!(shadow.end_of(Digest::of_bytes(b"another")), None);
    assert_eq!(shadow.end_of(other.digest()).unwrap().report.narrower, 1);
    assert_eq!((shadow.sight(), shadow.candidate(), shadow.end()), (None, None, None));
    let mine = Arc::downgrade(&other);
    drop(other);
    for ended in [first, mine] {
        let gone = (0..3000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            ended.upgrade().is_none()
        });
        assert!(gone, "a worker holds its candidate for ever");
    }
}
