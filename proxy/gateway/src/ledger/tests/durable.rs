//! Durability, grouping, order, numbers, and the one owner.

use std::os::unix::fs::PermissionsExt;

use futures_util::future::join_all;

use super::super::fault::StoreFault;
use super::super::{Within, schema};
use super::*;

#[test]
fn a_committed_entry_is_seen_by_another_connection_at_once() {
    let place = place();
    let ledger = open(&place.path);
    for number in 1..=20 {
        wait(ledger.commit(record(number))).unwrap();
        let found = reader(&place.path).by_number(number).unwrap();
        assert_eq!(found, vec![(number, record(number))]);
    }
    close(ledger);
    assert_eq!(words(&place.path).len(), 20);
}

#[test]
fn a_commit_waits_for_the_sync_and_not_only_for_the_page_cache() {
    let place = place();
    close(open(&place.path));
    let mut connection = Connection::open(&place.path).unwrap();
    connection.pragma_update(None, "synchronous", "off").unwrap();
    schema::prepare_writer(&mut connection, &place.path).unwrap();
    // 2 is FULL: in WAL mode the log is synced at each commit (sqlite.org/pragma.html#pragma_synchronous).
    assert_eq!(connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0)).unwrap(), 2);
    assert_eq!(connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0)).unwrap(), "wal");
}

#[test]
fn entries_that_come_while_the_disk_is_busy_share_one_transaction() {
    let place = place();
    let (sink, gate) = gate();
    let ledger = SqliteLedger::open(&place.path, Options { sinks: vec![sink], ..options() }).unwrap();
    wait(async {
        ledger.commit(event("first")).await.unwrap();
        gate.held.recv().unwrap();
        let commits = join_all((1..=64).map(|number| ledger.commit(record(number))));
        // The branches are polled in this order: all commits are in the queue before the writer is let go.
        let (outcomes, sent) = tokio::join!(biased; commits, async { gate.let_go.send(()) });
        sent.unwrap();
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    });
    let stats = ledger.stats();
    assert_eq!((stats.written, stats.groups, stats.queued), (65, 2, 0));
    close(ledger);
}

#[test]
fn an_appended_entry_becomes_durable_without_anyone_waiting() {
    let place = place();
    let (out, heard) = mpsc::channel();
    let ledger = open(&place.path);
    ledger.subscribe(Box::new(move |entry| out.send(word(entry)).unwrap()));
    ledger.append(record(1)).unwrap();
    assert_eq!(heard.recv_timeout(Duration::from_secs(20)).unwrap(), "record 1 served");
    assert_eq!(reader(&place.path).by_number(1).unwrap().len(), 1, "a sink hears only what is durable");
    close(ledger);
}

#[test]
fn a_commit_takes_along_what_was_appended_before_it_and_keeps_the_order() {
    let place = place();
    let slow = Options { linger: Duration::from_secs(3600), ..options() };
    let ledger = SqliteLedger::open(&place.path, slow).unwrap();
    ledger.append(intent(1)).unwrap();
    ledger.append(intent(2)).unwrap();
    wait(ledger.commit(record(1))).unwrap();
    assert_eq!(words(&place.path), ["intent 1", "intent 2", "record 1 served"]);
    ledger.append(record(2)).unwrap();
    close(ledger);
    assert_eq!(words(&place.path).len(), 4, "closing writes what lingers");
}

#[test]
fn closing_is_final_and_says_so() {
    let place = place();
    let ledger = open(&place.path);
    let closing = ledger.close();
    assert_eq!((closing.lost, closing.ended), (0, true));
    assert_eq!(health(&ledger), Err(LedgerFault::Closed));
    assert_eq!(ledger.append(record(1)), Err(LedgerFault::Closed));
    assert_eq!(wait(ledger.commit(record(2))), Err(LedgerFault::Closed));
    assert_eq!(ledger.close(), closing, "a second close only waits");
    assert_eq!(ledger.stats().lost, 2, "records that came too late are counted");
}

#[test]
fn numbers_go_on_after_a_restart_without_a_gap_when_it_was_orderly() {
    let place = place();
    let ledger = open(&place.path);
    assert_eq!((ledger.number(), ledger.number(), ledger.number()), (1, 2, 3));
    wait(ledger.commit(record(2))).unwrap();
    close(ledger);
    let ledger = open(&place.path);
    assert_eq!(ledger.number(), 4, "3 was handed out, though nothing was written of it");
    close(ledger);
}

#[test]
fn numbers_stay_ahead_of_what_is_set_aside() {
    let place = place();
    let ledger = open(&place.path);
    let mark = |path: &Path| -> u64 {
        let connection = Connection::open(path).unwrap();
        let query = "SELECT value FROM marks WHERE name = 'next_number'";
        connection.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
    };
    let mut number = 0;
    for _ in 0..30 {
        for _ in 0..1000 {
            number = ledger.number();
        }
        wait(ledger.commit(record(number))).unwrap();
        assert!(mark(&place.path) > number, "number {number} is not set aside on disk");
    }
    close(ledger);
    assert_eq!(mark(&place.path), number + 1);
}

#[test]
fn a_second_gate_is_refused_by_any_name_of_the_file() {
    let place = place();
    let ledger = open(&place.path);
    let link = place.folder.path().join("other.db");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    for path in [&place.path, &link] {
        let refused = SqliteLedger::open(path, options()).unwrap_err();
        assert!(matches!(refused, StoreFault::InUse { .. }));
        let canonical = place.path.canonicalize().unwrap();
        let want = format!(
            "the ledger `{}` is in use by another gate (process {}): stop that gate, or give this one a ledger of its own",
            canonical.display(),
            std::process::id()
        );
        assert_eq!(refused.to_string(), want);
    }
    close(ledger);
    close(open(&place.path));
}

#[test]
fn a_lock_that_its_gate_leaves_behind_for_a_moment_is_waited_for() {
    let place = place();
    close(open(&place.path));
    let left = std::fs::File::open(format!("{}.lock", place.path.display())).unwrap();
    left.try_lock().unwrap();
    let (opening, gone) = mpsc::channel();
    let successor = std::thread::spawn({
        let path = place.path.clone();
        move || {
            opening.send(()).unwrap();
            close(SqliteLedger::open(&path, options()).unwrap());
        }
    });
    gone.recv().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    drop(left);
    successor.join().unwrap();
}

#[test]
fn a_ledger_of_the_first_version_is_brought_up_to_date_and_keeps_what_it_has() {
    let place = place();
    let ledger = open(&place.path);
    wait(ledger.commit(record(1))).unwrap();
    close(ledger);
    let old = Connection::open(&place.path).unwrap();
    old.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, ', ''said''', '') WHERE name = 'entries';
         PRAGMA user_version = 1;
         PRAGMA writable_schema = RESET;",
    )
    .unwrap();
    let insert = "INSERT INTO entries (seq, kind, at_us, body) VALUES (9, 'said', 0, '')";
    assert!(old.execute(insert, []).unwrap_err().to_string().contains("CHECK"), "the first version's table");
    drop(old);
    let ledger = open(&place.path);
    wait(ledger.commit(said(1))).unwrap();
    close(ledger);
    close(open(&place.path));
    assert_eq!(words(&place.path), ["record 1 served", "said note"]);
    let reader = reader(&place.path);
    assert_eq!(reader.by_trace(TRACE, Within::WHOLE).unwrap().entries.len(), 2, "what is said is found by its trace");
    assert_eq!(reader.by_number(1).unwrap().last().unwrap().1, said(1), "and with the call it was said by");
    assert_eq!(reader.latest_traces(5, &|_| true).unwrap().len(), 1);
    let version: i64 =
        Connection::open(&place.path).unwrap().pragma_query_value(None, "user_version", |r| r.get(0)).unwrap();
    assert_eq!(version, schema::VERSION);
}

#[test]
fn a_ledger_of_a_later_version_is_refused_and_left_alone() {
    let place = place();
    close(open(&place.path));
    Connection::open(&place.path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let before = std::fs::read(&place.path).unwrap();
    let words = format!("schema version 9, and this version of Wicketgate knows {}", schema::VERSION);
    let fault = SqliteLedger::open(&place.path, options()).unwrap_err();
    assert!(fault.to_string().contains(&words), "{fault}");
    let fault = Reader::open(&place.path).unwrap_err();
    assert!(fault.to_string().contains(&words), "{fault}");
    assert_eq!(std::fs::read(&place.path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_ledger_is_refused_and_left_alone() {
    let place = place();
    std::fs::create_dir_all(place.path.parent().unwrap()).unwrap();
    Connection::open(&place.path).unwrap().execute_batch("CREATE TABLE notes (text)").unwrap();
    let fault = SqliteLedger::open(&place.path, options()).unwrap_err();
    assert!(matches!(fault, StoreFault::Foreign { .. }), "{fault}");
    std::fs::write(
        &place.path,
        "this is no database at all, and longer than a header of one hundred bytes. ".repeat(9),
    )
    .unwrap();
    let fault = SqliteLedger::open(&place.path, options()).unwrap_err();
    assert!(fault.to_string().contains("the file is damaged, restore it or move it away"), "{fault}");
    let missing = place.folder.path().join("none.db");
    let fault = Reader::open(&missing).unwrap_err();
    assert_eq!(
        fault.to_string(),
        format!("there is no ledger at `{}`: name the one that the gate writes", missing.display())
    );
    assert!(!missing.exists(), "a reader makes no file");
}

#[test]
fn only_the_owner_may_read_the_files() {
    let place = place();
    let ledger = open(&place.path);
    wait(ledger.commit(record(1))).unwrap();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"] {
        let mode = std::fs::metadata(place.path.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
    close(ledger);
}

#[test]
fn an_entry_is_never_changed_or_removed() {
    let place = place();
    let ledger = open(&place.path);
    wait(ledger.commit(record(1))).unwrap();
    let connection = Connection::open(&place.path).unwrap();
    let fault = connection.execute("UPDATE entries SET body = '{}'", []).unwrap_err();
    assert!(fault.to_string().contains("never changed"), "{fault}");
    let fault = connection.execute("DELETE FROM entries", []).unwrap_err();
    assert!(fault.to_string().contains("never removed"), "{fault}");
    close(ledger);
}

#[test]
fn the_log_is_moved_into_the_database_while_the_gate_runs() {
    let place = place();
    let ledger = open(&place.path);
    // Each of them writes several pages: more than the log may hold, by half.
    for number in 1..=600 {
        wait(ledger.commit(record(number))).unwrap();
    }
    let log = std::fs::metadata(place.path.with_file_name("ledger.db-wal")).unwrap().len();
    let database = std::fs::metadata(&place.path).unwrap().len();
    assert!(log < 20 << 20, "the log has {log} bytes");
    assert!(database > 256 << 10, "the database has {database} bytes");
    close(ledger);
    assert!(!place.path.with_file_name("ledger.db-wal").exists());
}
