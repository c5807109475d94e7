//! A full queue, and disks that say no: a folder moved away, a file removed, a foreign hold, a size limit.
//!
//! Nothing is mocked: each outage is one the operating system makes.

use std::process::Command;

use super::super::fault::StoreFault;
use super::super::queue::Queue;
use super::super::row::Row;
use super::super::store::{Store, Tail};
use super::super::writer::Farewell;
use super::*;

#[test]
fn a_full_queue_refuses_plans_before_facts_and_loses_nothing_it_took() {
    let place = place();
    let (sink, gate) = gate();
    let options = Options { capacity: 8, sinks: vec![sink], ..options() };
    let ledger = SqliteLedger::open(&place.path, options).unwrap();
    wait(ledger.commit(event("first"))).unwrap();
    gate.held.recv().unwrap();
    for number in 1..=6 {
        assert_eq!(health(&ledger), Ok(()));
        ledger.append(intent(number)).unwrap();
    }
    assert_eq!(health(&ledger), Err(LedgerFault::Full));
    assert_eq!(ledger.append(intent(7)), Err(LedgerFault::Full));
    assert_eq!(wait(ledger.commit(intent(7))), Err(LedgerFault::Full));
    ledger.append(record(1)).unwrap();
    ledger.append(record(2)).unwrap();
    assert_eq!(ledger.append(record(3)), Err(LedgerFault::Full));
    let stats = ledger.stats();
    assert_eq!((stats.queued, stats.refused, stats.lost), (8, 3, 1));
    gate.let_go.send(()).unwrap();
    let heard: Vec<String> = gate.heard.iter().take(9).collect();
    assert_eq!(heard[8], "record 2 served");
    until("the ledger is healthy", || health(&ledger).is_ok());
    assert_eq!(words(&place.path).len(), 9);
    close(ledger);
}

/// Opens a ledger, breaks it with `break_it`, checks what is answered meanwhile, mends it, checks what was kept.
fn outage(place: &Place, words_of_fault: &str, break_it: impl FnOnce(), mend_it: impl FnOnce()) -> Vec<String> {
    let (out, heard) = mpsc::channel();
    let ledger = open(&place.path);
    ledger.subscribe(Box::new(move |entry| out.send(word(entry)).unwrap()));
    wait(ledger.commit(intent(1))).unwrap();
    break_it();
    let fault = wait(ledger.commit(intent(2)));
    assert!(is_broken(&fault, words_of_fault), "{fault:?}");
    assert!(is_broken(&health(&ledger), words_of_fault));
    // Facts are kept though the answer is no; plans are not.
    assert!(is_broken(&wait(ledger.commit(record(1))), words_of_fault));
    assert!(is_broken(&ledger.append(record(2)), words_of_fault));
    assert!(is_broken(&ledger.append(intent(3)), words_of_fault));
    let stats = ledger.stats();
    assert_eq!((stats.queued, stats.lost), (2, 0), "{stats:?}");
    mend_it();
    until("the ledger is healthy again", || health(&ledger).is_ok());
    wait(ledger.commit(record(4))).unwrap();
    let stats = ledger.stats();
    assert_eq!((stats.queued, stats.lost, stats.fault), (0, 0, None));
    assert!(stats.last_fault.unwrap().contains(&place.path.display().to_string()), "the operator is told which file");
    close(ledger);
    let heard: Vec<String> = heard.iter().collect();
    assert_eq!(heard[0], "intent 1");
    assert_eq!(heard.iter().filter(|word| word.starts_with("record")).count(), 3, "each is told once: {heard:?}");
    words(&place.path)
}

#[test]
fn a_folder_that_is_moved_away_and_back_costs_nothing() {
    let place = place();
    let folder = place.path.parent().unwrap().to_owned();
    let away = place.folder.path().join("away");
    let found = outage(
        &place,
        "was removed or replaced",
        || std::fs::rename(&folder, &away).unwrap(),
        || std::fs::rename(&away, &folder).unwrap(),
    );
    let facts = ["record 1 served", "record 2 served", "event ledger_resumed", "record 4 served"];
    assert_eq!(found[0], "intent 1");
    for fact in facts {
        assert_eq!(found.iter().filter(|word| *word == fact).count(), 1, "{fact} in {found:?}");
    }
    assert_eq!(found.len(), 5);
}

#[test]
fn a_file_that_is_removed_is_noticed_and_a_new_one_says_what_is_missing() {
    let place = place();
    let folder = place.path.parent().unwrap().to_owned();
    let away = place.folder.path().join("away");
    let found = outage(
        &place,
        "was removed or replaced",
        || std::fs::rename(&folder, &away).unwrap(),
        || std::fs::create_dir(&folder).unwrap(),
    );
    assert!(!found.contains(&"intent 1".to_owned()));
    let events = reader(&place.path).query(&super::super::Filter::default()).unwrap();
    let detail = events.iter().find_map(|(_, entry)| match entry {
        Entry::Event(event) if event.what == "ledger_resumed" => Some(event.detail.clone()),
        Entry::Event(_) | Entry::Intent(_) | Entry::Record(_) | Entry::Said(_) => None,
    });
    let detail = detail.unwrap();
    assert!(detail.contains("another file stands in its place, 1 earlier entries are not in it"), "{detail}");
}

/// Takes away one of the ledger's files under the open ledger, and answers what the ledger holds in the end.
fn without(name: &str) -> Vec<String> {
    let place = place();
    let ledger = open(&place.path);
    wait(ledger.commit(record(1))).unwrap();
    std::fs::rename(place.path.with_file_name(name), place.folder.path().join("away")).unwrap();
    assert!(is_broken(&wait(ledger.commit(record(2))), "removed or replaced"));
    until("the ledger is healthy again", || health(&ledger).is_ok());
    wait(ledger.commit(record(3))).unwrap();
    close(ledger);
    words(&place.path)
}

#[test]
fn each_file_that_goes_is_noticed_before_the_next_entry_is_called_durable() {
    let all = ["record 1 served", "record 2 served", "event ledger_resumed", "record 3 served"];
    assert_eq!(without("ledger.db"), all[1..]);
    assert_eq!(without("ledger.db-wal"), all);
    assert_eq!(without("ledger.db.lock"), all);
}

#[test]
fn a_foreign_hold_on_the_database_is_an_outage_and_ends_with_it() {
    let place = place();
    close(open(&place.path));
    let foreign = Connection::open(&place.path).unwrap();
    let found = outage(
        &place,
        "another program holds it",
        || foreign.execute_batch("BEGIN IMMEDIATE").unwrap(),
        || foreign.execute_batch("ROLLBACK").unwrap(),
    );
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn rows_that_another_program_wrote_stop_the_ledger() {
    let place = place();
    let ledger = open(&place.path);
    wait(ledger.commit(record(1))).unwrap();
    let foreign = Connection::open(&place.path).unwrap();
    foreign.execute("INSERT INTO entries (kind, at_us, body) VALUES ('event', 1, '{}')", []).unwrap();
    assert!(wait(ledger.commit(record(2))).is_err());
    until("the ledger names the stranger", || is_broken(&health(&ledger), "another program wrote to it"));
    let closing = ledger.close();
    assert_eq!((closing.lost, closing.ended), (1, true));
}

#[test]
fn a_sink_that_panics_is_told_no_more_and_the_ledger_lives() {
    let place = place();
    let (out, heard) = mpsc::channel();
    let ledger = open(&place.path);
    ledger.subscribe(Box::new(|_| panic!("a sink that panics on purpose")));
    ledger.subscribe(Box::new(move |entry| out.send(word(entry)).unwrap()));
    wait(ledger.commit(record(1))).unwrap();
    wait(ledger.commit(record(2))).unwrap();
    close(ledger);
    assert_eq!(heard.iter().collect::<Vec<_>>(), ["record 1 served", "record 2 served"]);
}

#[test]
fn a_group_whose_commit_failed_is_found_to_have_landed_or_not() {
    let place = place();
    close(open(&place.path));
    let row = |entry| Row::of(entry).unwrap();
    let mut store = Store::open(&place.path).unwrap();
    store.put(&[row(record(1))], 2).unwrap();
    let group = [row(record(2)), row(record(3))];
    let bodies: Vec<String> = group.iter().map(|row| row.body.clone()).collect();
    assert_eq!(store.tail(1, &bodies).unwrap(), Tail::Clean);
    store.put(&group, 4).unwrap();
    drop(store);
    let store = Store::open(&place.path).unwrap();
    assert_eq!(store.tail(1, &bodies).unwrap(), Tail::Landed);
    assert!(matches!(store.tail(1, &bodies[..1]), Err(StoreFault::Strange { found: 3, expected: 1, .. })));
    assert_eq!(store.tail(5, &bodies).unwrap(), Tail::Shorter { missing: 2 });
}

/// A commit can fail after the log was written, and the entries then come to light when the ledger is opened again.
/// That a foreign connection writes the very same row plays this here: the writer cannot tell the two apart.
#[test]
fn a_kept_entry_that_has_landed_is_not_written_again() {
    let place = place();
    let (out, heard) = mpsc::channel();
    let ledger = open(&place.path);
    ledger.subscribe(Box::new(move |entry| out.send(word(entry)).unwrap()));
    wait(ledger.commit(intent(1))).unwrap();
    let foreign = Connection::open(&place.path).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(is_broken(&wait(ledger.commit(record(1))), "another program holds it"));
    let insert = "INSERT INTO entries (seq, kind, number, at_us, body) VALUES (2, 'record', 1, 1, ?1)";
    foreign.execute(insert, [record(1).canonical().unwrap()]).unwrap();
    foreign.execute_batch("COMMIT").unwrap();
    until("the ledger is healthy again", || health(&ledger).is_ok());
    close(ledger);
    assert_eq!(words(&place.path), ["intent 1", "record 1 served", "event ledger_resumed"]);
    assert_eq!(heard.iter().collect::<Vec<_>>(), ["intent 1", "record 1 served", "event ledger_resumed"]);
}

#[test]
fn a_disk_that_does_not_answer_stops_calls() {
    let queue = Queue::new(1, 8, Duration::ZERO, Duration::ZERO);
    queue.append(intent(1)).unwrap();
    assert_eq!(queue.health(), Ok(()));
    let turn = queue.turn(None);
    assert_eq!((turn.group.len(), turn.closing), (1, false));
    // The writer has the group and does not come back.
    until("the stall is noticed", || is_broken(&queue.health(), "the disk has not answered for"));
    assert!(queue.append(intent(2)).is_err());
    assert!(queue.append(record(1)).is_err());
    assert_eq!(queue.stats().queued, 2, "the record is kept for when it does");
    assert_eq!(queue.close(Duration::ZERO), (2, false), "and closing does not wait for ever");
    queue.wrote(1);
    assert_eq!(queue.turn(None).group.len(), 1);
}

#[test]
fn a_writer_that_dies_takes_nobody_with_it() {
    let queue = Arc::new(Queue::new(1, 8, Duration::ZERO, Duration::from_secs(5)));
    let fate = queue.commit(record(1)).unwrap();
    drop(Farewell(Arc::clone(&queue)));
    assert!(wait(fate).is_err(), "who waits is woken");
    assert!(is_broken(&queue.health(), "its writer ended unexpectedly"));
    assert!(is_broken(&queue.append(record(2)), "its writer ended unexpectedly"));
    assert_eq!(queue.stats().lost, 2);
    assert_eq!(queue.close(Duration::from_secs(5)), (1, true));
}

/// The size limit of the operating system stands in for a full disk: the kernel refuses the write in the middle.
#[test]
fn a_disk_that_is_full_stops_calls_and_room_resumes_them() {
    const ROLE: &str = "WICKETGATE_TEST_FULL_DISK";
    if let Some(folder) = std::env::var_os(ROLE) {
        return write_until_full(Path::new(&folder));
    }
    let place = place();
    std::fs::create_dir_all(place.path.parent().unwrap()).unwrap();
    let me = std::env::current_exe().unwrap();
    let name = "ledger::tests::outage::a_disk_that_is_full_stops_calls_and_room_resumes_them";
    // The signal that comes with the refusal is ignored, as a full disk sends none. 1,000 blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -S -f 1000; exec \"$0\" \"$@\"";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .arg(me)
        .args(["--exact", name, "--nocapture"])
        .env(ROLE, place.path.parent().unwrap())
        .spawn()
        .unwrap();
    until("the child's disk is full", || place.path.with_file_name("full").exists());
    let pid = child.id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(raised.expect("`prlimit` of util-linux is needed").success());
    assert!(child.wait().unwrap().success());
    let committed: u64 = std::fs::read_to_string(place.path.with_file_name("done")).unwrap().parse().unwrap();
    let found = words(&place.path);
    for number in 1..=committed {
        let word = format!("record {number} served");
        assert_eq!(found.iter().filter(|found| **found == word).count(), 1, "{word}");
    }
    assert_eq!(found.iter().filter(|word| *word == "event ledger_resumed").count(), 1);
}

/// What the child does under its size limit.
fn write_until_full(folder: &Path) {
    let ledger = open(&folder.join("ledger.db"));
    let mut number = 0;
    loop {
        number += 1;
        // The record whose commit fails is kept, and must be found in the end like those that succeeded.
        if let Err(fault) = wait(ledger.commit(record(number))) {
            assert!(matches!(fault, LedgerFault::Broken(_)), "{fault}");
            break;
        }
    }
    std::fs::write(folder.join("full"), "").unwrap();
    until("there is room again", || health(&ledger).is_ok());
    for _ in 0..10 {
        number += 1;
        wait(ledger.commit(record(number))).unwrap();
    }
    close(ledger);
    std::fs::write(folder.join("done"), number.to_string()).unwrap();
}
