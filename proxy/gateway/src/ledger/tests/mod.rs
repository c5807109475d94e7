//! What a ledger promises, held against real files, real processes and a real disk that says no.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod durable;
mod outage;
mod crash;
mod read;
mod past;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use pdp::decision::Decision;
use pdp::digest::Digest;
use pdp::label::LabelSet;
use pdp::principal::Principal;
use pdp::record::{
    DecisionNote, Direction, Ending, Entry, Event, FrameKind, Intent, RECORD_VERSION, Record, ResultNote, Said, Saying,
    Standing, Voice,
};
use pep::ports::{Clock, Ledger, LedgerFault};
use rusqlite::Connection;
use tempfile::TempDir;

use super::{Options, Reader, Sink, SqliteLedger};

pub(super) const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A folder with a ledger in it.
pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) path: PathBuf,
}

pub(super) fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").join("ledger.db");
    Place { folder, path }
}

/// A clock that stands: the ledger's own events need one, its pace does not.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now_us(&self) -> i64 {
        1_700_000_100_000_000
    }
}

pub(super) fn options() -> Options {
    Options::new(Arc::new(Noon))
}

pub(super) fn open(path: &Path) -> SqliteLedger {
    SqliteLedger::open(path, options()).unwrap()
}

/// Waits for a future on this thread.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn principal() -> Principal {
    Principal {
        agent: "claude".into(),
        teams: vec!["support".into()],
        user: "alice".into(),
        tenant: "default".into(),
        method: "token".into(),
    }
}

pub(super) fn intent(number: u64) -> Entry {
    Entry::Intent(Intent {
        arguments_digest: None,
        number,
        trace: TRACE.into(),
        task: "session-1".into(),
        at_us: 1_700_000_000_000_000 + i64::try_from(number).unwrap(),
        principal: principal().into(),
        server: "office".into(),
        method: "tools/call".into(),
        target: Some("send_mail".into()),
        body: Digest::of_bytes(b"body"),
        snapshot: Digest::of_bytes(b"snapshot"),
    })
}

pub(crate) fn bare_record(number: u64) -> Record {
    Record {
        v: RECORD_VERSION,
        number,
        trace: TRACE.into(),
        span: format!("{number:016x}"),
        parent: None,
        link: None,
        task: "session-1".into(),
        started_us: 1_700_000_000_000_000 + i64::try_from(number).unwrap(),
        took_us: 1500,
        direction: Direction::ToServer,
        kind: FrameKind::Request,
        protocol: Some("2025-11-25".into()),
        principal: Some(principal().into()),
        client: Some("127.0.0.1".into()),
        server: "office".into(),
        system: Some("mail.example".into()),
        transport: Some("stdio".into()),
        session: Some("ab12cd34ef56".into()),
        request_id: Some(number.to_string()),
        method: Some("tools/call".into()),
        target: Some("send_mail".into()),
        pin: None,
        effect: None,
        errand: None,
        effects: BTreeSet::new(),
        arguments_digest: None,
        arguments: Some(serde_json::json!({"to": "bob", "text": "hello"}).into()),
        snapshot: Digest::of_bytes(b"snapshot"),
        decision: Some(DecisionNote::of(
            Decision::allow(),
            Vec::new(),
            Vec::new(),
            &pdp::policy::Facts { calls: 3, now_ms: 1, ..Default::default() },
        )),
        credential: Some("office-token".into()),
        approvals: Vec::new(),
        plan: None,
        labels: LabelSet::default(),
        flow: None,
        stages: Vec::new(),
        attempts: Vec::new(),
        notes: Vec::new(),
        bytes_in: 120,
        result: Some(ResultNote { bytes: 64, ..ResultNote::default() }),
        ending: Ending::Served,
        refusal: None,
    }
}

pub(super) fn record(number: u64) -> Entry {
    Entry::Record(bare_record(number).into())
}

pub(super) fn event(what: &str) -> Entry {
    Entry::Event(Event::new(7, what, "for a test"))
}

/// Something an agent says of its task in the call of this number.
pub(super) fn said(number: u64) -> Entry {
    Entry::Said(Said {
        at_us: 1_700_000_000_500_000,
        by: principal().key(),
        number: Some(number),
        said: Saying::Note { text: "a word".into() },
        standing: Standing::SelfReported,
        task: "session-1".into(),
        trace: TRACE.into(),
        voice: Voice::Agent,
    })
}

/// What an entry is, in a word.
pub(super) fn word(entry: &Entry) -> String {
    match entry {
        Entry::Intent(intent) => format!("intent {}", intent.number),
        Entry::Record(record) => format!("record {} {}", record.number, record.ending.word()),
        Entry::Event(event) => format!("event {}", event.what),
        Entry::Said(said) => format!("said {}", said.said.word()),
    }
}

/// The whole ledger in words. Checks that the sequence has no gap and that each body is canonical.
pub(super) fn words(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let sound: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let mut statement = connection.prepare("SELECT seq, body FROM entries ORDER BY seq").unwrap();
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, String>(1)?))).unwrap();
    let mut words = Vec::new();
    for row in rows {
        let (seq, body) = row.unwrap();
        let entry = Entry::read(&body).unwrap();
        assert_eq!(seq, words.len() as u64 + 1, "the sequence has a gap before {seq}");
        assert_eq!(entry.canonical().unwrap(), body);
        words.push(word(&entry));
    }
    words
}

/// A sink that holds the writer's thread at the first entry until it is let go, and then reports each entry.
pub(super) struct Gate {
    pub(super) held: mpsc::Receiver<()>,
    pub(super) let_go: mpsc::Sender<()>,
    pub(super) heard: mpsc::Receiver<String>,
}

pub(super) fn gate() -> (Sink, Gate) {
    let (held_out, held) = mpsc::channel();
    let (let_go, let_go_in) = mpsc::channel::<()>();
    let (heard_out, heard) = mpsc::channel();
    let first = std::cell::Cell::new(true);
    let sink: Sink = Box::new(move |entry| {
        if first.replace(false) {
            held_out.send(()).unwrap();
            let_go_in.recv().unwrap();
        }
        heard_out.send(word(entry)).ok();
    });
    (sink, Gate { held, let_go, heard })
}

/// Looks again and again until `found` holds; a bound for a test that would otherwise hang, not a measurement.
pub(super) fn until(what: &str, mut found: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if found() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain until {what}");
}

pub(super) fn is_broken(outcome: &Result<(), LedgerFault>, words: &str) -> bool {
    matches!(outcome, Err(LedgerFault::Broken(why)) if why.contains(words))
}

pub(super) fn reader(path: &Path) -> Reader {
    Reader::open(path).unwrap()
}

/// Closes a ledger that must have written all it took.
pub(super) fn close(ledger: SqliteLedger) {
    let closing = ledger.close();
    assert_eq!((closing.lost, closing.ended), (0, true));
    drop(ledger);
}

/// The health of a ledger as the port sees it.
pub(super) fn health(ledger: &dyn Ledger) -> Result<(), LedgerFault> {
    ledger.health()
}
