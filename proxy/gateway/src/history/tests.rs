//! What a history keeps, what it forgets, and that it says so when it cannot.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test may panic")]

use pdp::fault::SourceFile;

use super::*;

fn sources(n: usize) -> Sources {
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    Sources {
        policies: vec![file("policies/a.cedar", format!("// {n}\n")), file("policies/same.cedar", "same".repeat(500))],
        registry: vec![file("registry/servers/a.toml", "same".repeat(500))],
    }
}

fn digest(n: usize) -> Digest {
    Digest::of_bytes(n.to_string().as_bytes())
}

fn turn(n: usize) -> Turn {
    Turn {
        digest: digest(n),
        parent: n.checked_sub(1).map(digest),
        at_us: n as i64,
        author: "default/ana".to_owned(),
        reason: format!("reason {n}"),
        how: How::Edit,
        change: Change {
            files: Names { changed: vec!["policies/a.cedar".to_owned()], ..Names::default() },
            ..Change::default()
        },
    }
}

fn candidate(n: usize) -> Candidate {
    let Turn { digest, at_us, author, reason, change, .. } = turn(n);
    Candidate { digest, base: super::tests::digest(0), at_us, author, reason, change }
}

fn rows(history: &History, table: &str) -> usize {
    let connection = Connection::open(&history.path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap() as usize
}

#[test]
fn what_was_in_force_comes_back_with_its_files_also_to_another_reader() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    assert_eq!((history.fault(), history.turns(9).unwrap()), (None, vec![]));
    history.turned(&turn(0), &sources(0)).unwrap();
    history.turned(&turn(1), &sources(1)).unwrap();
    history.stage(&candidate(2), &sources(2)).unwrap();
    let reader = History::read_only(folder.path());
    assert_eq!(reader.turns(9).unwrap(), [turn(1), turn(0)]);
    assert_eq!(reader.turns(1).unwrap(), [turn(1)]);
    assert_eq!(reader.candidates().unwrap(), [candidate(2)]);
    for n in 0..3 {
        assert_eq!(reader.files(digest(n)).unwrap(), Some(sources(n)));
    }
    assert_eq!(reader.files(digest(3)).unwrap(), None);
    assert_eq!(rows(&history, "texts"), 4, "three texts that differ, and one that six files share");
    let named = digest(2).to_string();
    assert_eq!(reader.find(&named).unwrap(), Found::One(digest(2)));
    assert_eq!(reader.find(&digest(2).short()).unwrap(), Found::One(digest(2)));
    for start in ["", "sha256:", &named[..12], "zzzzzzzz", "000000000000", "%"] {
        assert_eq!(reader.find(start).unwrap(), Found::None, "{start}");
    }
    assert!(reader.turned(&turn(5), &sources(5)).is_err(), "a reader does not write");
}

#[test]
fn other_texts_of_the_same_snapshot_take_the_place_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    history.turned(&turn(0), &sources(0)).unwrap();
    history.rewritten(digest(0), &sources(7)).unwrap();
    assert_eq!(history.files(digest(0)).unwrap(), Some(sources(7)));
    assert_eq!(rows(&history, "texts"), 2, "the text that nothing names is gone");
}

#[test]
fn the_oldest_is_forgotten_and_what_is_in_force_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    let last = TURNS_KEPT + 30;
    for n in 0..=last {
        history.turned(&turn(n), &sources(n)).unwrap();
    }
    for n in 0..STAGED_KEPT + 10 {
        history.stage(&candidate(1000 + n), &sources(1000 + n)).unwrap();
    }
    let turns = history.turns(usize::MAX).unwrap();
    assert_eq!((turns.len(), turns.first().unwrap().digest), (TURNS_KEPT, digest(last)));
    assert_eq!(history.files(digest(last)).unwrap(), Some(sources(last)));
    // The oldest turn's parent can still be looked at; what was before it is gone.
    assert!(history.files(digest(last - TURNS_KEPT)).unwrap().is_some());
    assert_eq!(history.files(digest(last - TURNS_KEPT - 1)).unwrap(), None);
    assert_eq!(history.candidates().unwrap().len(), STAGED_KEPT);
    assert_eq!(history.files(digest(1000)).unwrap(), None);
    assert_eq!(rows(&history, "texts"), TURNS_KEPT + 1 + STAGED_KEPT + 1);
}

#[test]
fn what_was_begun_is_known_until_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    history.turned(&turn(0), &sources(0)).unwrap();
    history.stage(&candidate(1), &sources(1)).unwrap();
    history.begin(&turn(1), &sources(70)).unwrap();
    assert_eq!(history.files(digest(0)).unwrap(), Some(sources(70)), "as they lie there, to the byte");
    assert_eq!(History::open(folder.path()).begun().unwrap(), Some(turn(1)), "the next life knows it");
    history.abandon().unwrap();
    assert_eq!(history.begun().unwrap(), None);
    history.begin(&turn(1), &sources(0)).unwrap();
    history.settle(&turn(1)).unwrap();
    assert_eq!(history.begun().unwrap(), None);
    assert_eq!(history.turns(1).unwrap(), [turn(1)]);
    assert_eq!(history.candidates().unwrap(), [], "what is in force is no candidate");
    assert_eq!(history.files(digest(1)).unwrap(), Some(sources(1)));
}

#[test]
fn what_cannot_be_used_says_so_and_is_used_again_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    std::fs::create_dir(&path).unwrap();
    let history = History::open(folder.path());
    let fault = history.fault().unwrap().to_string();
    assert!(fault.contains("history.db") && fault.contains("cannot be opened"), "{fault}");
    assert!(history.turned(&turn(0), &sources(0)).is_err());
    std::fs::remove_dir(&path).unwrap();
    history.turned(&turn(0), &sources(0)).unwrap();
    assert_eq!(history.fault(), None);

    let foreign = tempfile::tempdir().unwrap();
    Connection::open(foreign.path().join("history.db")).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    assert!(History::open(foreign.path()).fault().unwrap().to_string().contains("something else"));

    let empty = tempfile::tempdir().unwrap();
    assert!(History::read_only(empty.path()).turns(1).unwrap_err().to_string().contains("does not exist"));
}

#[test]
fn a_text_that_was_changed_behind_its_back_is_not_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::open(folder.path());
    history.turned(&turn(0), &sources(0)).unwrap();
    let other = Connection::open(&history.path).unwrap();
    other.execute("UPDATE texts SET packed = (SELECT packed FROM texts ORDER BY length(packed) LIMIT 1)", []).unwrap();
    let fault = history.files(digest(0)).unwrap_err().to_string();
    assert!(fault.contains("is damaged"), "{fault}");
}
