//! What a gate finds after it was killed: every committed entry, no torn one, and open intents settled.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;

#[test]
fn intents_without_an_outcome_become_indeterminate_once() {
    let place = place();
    let ledger = open(&place.path);
    for entry in [intent(1), intent(2), record(2), intent(3), intent(4), intent(7), record(9)] {
        wait(ledger.commit(entry)).unwrap();
    }
    close(ledger);
    let (out, heard) = mpsc::channel();
    let sink: Sink = Box::new(move |entry| out.send(word(entry)).unwrap());
    let ledger = SqliteLedger::open(&place.path, Options { sinks: vec![sink], ..options() }).unwrap();
    assert_eq!(ledger.number(), 10);
    let settled = ["record 1 indeterminate", "record 3 indeterminate", "record 4 indeterminate"];
    let told: Vec<String> = heard.try_iter().collect();
    assert_eq!(told[..3], settled);
    assert_eq!(told[3..], ["record 7 indeterminate", "event recovered"]);
    let found = reader(&place.path).by_number(3).unwrap();
    let [(_, Entry::Intent(intent)), (_, Entry::Record(record))] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&record.trace, &record.task, record.started_us), (&intent.trace, &intent.task, intent.at_us));
    assert_eq!((&record.server, record.target.as_deref()), (&intent.server, Some("send_mail")));
    assert_eq!((record.ending, record.snapshot), (Ending::Indeterminate, intent.snapshot));
    assert_eq!(record.notes[0].text, "found without an outcome when the ledger was opened");
    assert!(record.span.len() == 16 && record.stages.is_empty());
    let events = reader(&place.path).query(&super::super::Filter::default()).unwrap();
    let Some((_, Entry::Event(event))) = events.last() else { panic!("{events:?}") };
    assert_eq!(
        event.detail,
        "4 frames were found with an intent and without an outcome when the ledger was opened, and recorded as \
         indeterminate: 1, 3-4, 7"
    );
    close(ledger);
    let before = words(&place.path);
    close(open(&place.path));
    assert_eq!(words(&place.path), before, "what is settled is not settled again");
}

/// One run: a child under load is killed without warning in the middle of it.
#[test]
fn a_gate_killed_under_load_leaves_every_committed_entry_and_no_torn_one() {
    const ROLE: &str = "WICKETGATE_TEST_KILLED";
    if let Some(path) = std::env::var_os(ROLE) {
        return write_until_killed(Path::new(&path));
    }
    let place = place();
    let me = std::env::current_exe().unwrap();
    let name = "ledger::tests::crash::a_gate_killed_under_load_leaves_every_committed_entry_and_no_torn_one";
    let mut numbers = BTreeSet::new();
    for life in 1..=3 {
        let mut child = Command::new(&me)
            .args(["--exact", name, "--nocapture"])
            .env(ROLE, &place.path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        let mut lines = 0;
        // What stands in the pipe when the child dies is read to its end: each line was written after its commit.
        for line in BufReader::new(child.stdout.take().unwrap()).split(b'\n') {
            let line = String::from_utf8(line.unwrap()).unwrap();
            let Some((what, number)) = line.strip_prefix("told ").and_then(|told| told.split_once(' ')) else {
                continue;
            };
            told.entry(what.to_owned()).or_default().insert(number.parse().unwrap());
            lines += 1;
            if lines == 1500 * life {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        let fresh = &told["number"];
        assert!(numbers.is_disjoint(fresh), "numbers came twice: {:?}", numbers.intersection(fresh).next());
        numbers.extend(fresh);
        let found: BTreeSet<String> = words(&place.path).into_iter().collect();
        for number in &told["intent"] {
            assert!(found.contains(&format!("intent {number}")), "intent {number} was committed and is gone");
        }
        for number in &told["record"] {
            assert!(found.contains(&format!("record {number} served")), "record {number} was committed and is gone");
        }
        let ledger = open(&place.path);
        assert!(ledger.number() > *numbers.last().unwrap());
        close(ledger);
        every_intent_has_one_outcome(&words(&place.path));
    }
}

fn every_intent_has_one_outcome(words: &[String]) {
    let mut outcomes: BTreeMap<u64, usize> = BTreeMap::new();
    let mut indeterminate = 0;
    for word in words {
        let mut parts = word.split(' ');
        match (parts.next(), parts.next().and_then(|number| number.parse::<u64>().ok()), parts.next()) {
            (Some("intent"), Some(number), _) => {
                outcomes.entry(number).or_default();
            }
            (Some("record"), Some(number), ending) => {
                *outcomes.entry(number).or_default() += 1;
                indeterminate += usize::from(ending == Some("indeterminate"));
            }
            _ => {}
        }
    }
    assert!(outcomes.values().all(|records| *records == 1), "{outcomes:?}");
    assert!(indeterminate > 0, "the child was killed with no frame under way: it was not under load");
}

/// What the child does: sixteen callers, each with a number, a durable intent, a durable record, and a line of output
/// after each. A line is shorter than a pipe's atomic write, so none is torn.
fn write_until_killed(path: &Path) {
    let ledger = open(path);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let number = ledger.number();
                    tell("number", number);
                    wait(ledger.commit(intent(number))).unwrap();
                    tell("intent", number);
                    wait(ledger.commit(record(number))).unwrap();
                    tell("record", number);
                }
            });
        }
    });
}

fn tell(what: &str, number: u64) {
    let line = format!("told {what} {number}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}
