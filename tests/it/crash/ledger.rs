//! What a killed gate left of its ledger, read without the gate's own reader: from a copy, so that the next gate finds
//! everything as the last one left it, down to SQLite's own recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pdp::digest::Digest;
use pdp::record::{Ending, Entry, Event, Intent, Record};
use rusqlite::Connection;

use super::agents::Made;
use super::effects::{Effect, Effects};

/// A ledger and what was found in it so far. It only grows.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    /// The place of the last entry.
    last: u64,
    intents: BTreeMap<u64, Intent>,
    by_body: BTreeMap<Digest, u64>,
    records: BTreeMap<u64, Record>,
    /// Numbers with an intent and no record.
    open: BTreeSet<u64>,
    /// Numbers whose record was written by a later life.
    recovered: BTreeSet<u64>,
    /// The largest number of the lives before this one, also of what an agent was told and the ledger has not got.
    number_max: u64,
    /// How far `has_intents_of` has come.
    effects: usize,
}

/// One row, of which the body counts and the rest is a projection.
struct Row {
    seq: u64,
    kind: String,
    number: Option<u64>,
    ending: Option<String>,
    body: String,
}

fn ensure(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}

impl Ledger {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            last: 0,
            intents: BTreeMap::new(),
            by_body: BTreeMap::new(),
            records: BTreeMap::new(),
            open: BTreeSet::new(),
            recovered: BTreeSet::new(),
            number_max: 0,
            effects: 0,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn open(&self) -> &BTreeSet<u64> {
        &self.open
    }

    pub(super) fn recovered(&self) -> &BTreeSet<u64> {
        &self.recovered
    }

    /// Takes in what the last life wrote. `served` says that it had come so far as to serve. Answers whether it settled
    /// anything that the life before had left open.
    pub(super) fn examine(&mut self, served: bool) -> Result<bool, String> {
        let left = self.open.clone();
        let mut settled = BTreeSet::new();
        let mut largest = self.number_max;
        for row in self.rows()? {
            ensure(row.seq == self.last + 1, || format!("entry {} follows {}", row.seq, self.last))?;
            self.last = row.seq;
            let entry = Entry::read(&row.body).map_err(|fault| format!("entry {} is torn: {fault}", row.seq))?;
            ensure(entry.canonical().as_ref() == Ok(&row.body), || format!("entry {}: {}", row.seq, row.body))?;
            let (kind, number, ending) = match &entry {
                Entry::Intent(intent) => ("intent", Some(intent.number), None),
                Entry::Record(record) => ("record", Some(record.number), Some(record.ending.word())),
                Entry::Event(_) => ("event", None, None),
                Entry::Said(said) => ("said", said.number, None),
            };
            let columns = (row.kind.as_str(), row.number, row.ending.as_deref());
            ensure(columns == (kind, number, ending), || format!("columns {columns:?} of {}", row.body))?;
            largest = largest.max(number.unwrap_or(0));
            match entry {
                Entry::Intent(intent) => self.intent(intent)?,
                Entry::Record(record) => settled.extend(self.record(std::sync::Arc::unwrap_or_clone(record))?),
                Entry::Event(event) => self.event(&event, &left, &settled)?,
                // It settles nothing and opens nothing.
                Entry::Said(_) => {}
            }
        }
        self.number_max = largest;
        if settled.is_empty() {
            ensure(!served || left.is_empty(), || {
                format!("{left:?} were open and the next gate said nothing of them")
            })?;
        } else {
            ensure(settled == left, || format!("{left:?} were open, and {settled:?} were settled"))?;
        }
        Ok(!settled.is_empty())
    }

    /// The rows that were not there before, from a copy.
    fn rows(&self) -> Result<Vec<Row>, String> {
        let folder = crate::gate::folder();
        let copy = folder.path().join("ledger.db");
        for suffix in ["", "-wal"] {
            let from = format!("{}{suffix}", self.path.display());
            if Path::new(&from).exists() {
                std::fs::copy(from, format!("{}{suffix}", copy.display())).unwrap();
            }
        }
        if !copy.exists() {
            return ensure(self.last == 0, || "the ledger is gone".to_owned()).map(|()| Vec::new());
        }
        let database = Connection::open(&copy).unwrap();
        let whole: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        ensure(whole == "ok", || whole)?;
        let made = "SELECT count(*) FROM sqlite_schema WHERE name = 'entries'";
        if database.query_row(made, [], |row| row.get::<_, i64>(0)).unwrap() == 0 {
            return ensure(self.last == 0, || "the ledger is empty".to_owned()).map(|()| Vec::new());
        }
        let query = "SELECT seq, kind, number, ending, body FROM entries WHERE seq > ?1 ORDER BY seq";
        let mut statement = database.prepare(query).unwrap();
        let rows = statement.query_map([i64::try_from(self.last).unwrap()], |row| {
            let number = row.get::<_, Option<i64>>(2)?.map(i64::unsigned_abs);
            let seq = row.get::<_, i64>(0)?.unsigned_abs();
            Ok(Row { seq, kind: row.get(1)?, number, ending: row.get(3)?, body: row.get(4)? })
        });
        Ok(rows.unwrap().map(Result::unwrap).collect())
    }

    fn intent(&mut self, intent: Intent) -> Result<(), String> {
        let number = intent.number;
        ensure(number > self.number_max, || format!("number {number} came in an earlier life already"))?;
        ensure(!self.records.contains_key(&number), || format!("the intent of {number} comes after its record"))?;
        ensure(self.by_body.insert(intent.body, number).is_none(), || format!("{number} means a message again"))?;
        self.open.insert(number);
        ensure(self.intents.insert(number, intent).is_none(), || format!("two intents of number {number}"))
    }

    /// Answers the number, if it is a record that settles what an earlier life left.
    fn record(&mut self, record: Record) -> Result<Option<u64>, String> {
        let number = record.number;
        let late = record.notes.iter().any(|note| note.text == "found without an outcome when the ledger was opened");
        if late {
            let intent = self.intents.get(&number).filter(|_| self.open.contains(&number));
            let intent = intent.ok_or_else(|| format!("{number} is settled and was not open"))?;
            let same = (&record.target, &record.trace, &record.task) == (&intent.target, &intent.trace, &intent.task);
            ensure(same && record.ending == Ending::Indeterminate, || format!("{record:?} settles {intent:?}"))?;
            self.recovered.insert(number);
        } else {
            // Nothing goes wrong in these lives but their end.
            ensure(record.ending == Ending::Served, || format!("{record:?}"))?;
            ensure(number > self.number_max, || format!("number {number} came in an earlier life already"))?;
        }
        self.open.remove(&number);
        ensure(self.records.insert(number, record).is_none(), || format!("two records of number {number}"))?;
        Ok(late.then_some(number))
    }

    fn event(&self, event: &Event, left: &BTreeSet<u64>, settled: &BTreeSet<u64>) -> Result<(), String> {
        if event.what != "recovered" {
            return Ok(());
        }
        ensure(settled == left, || format!("of {left:?} these were settled: {settled:?}"))?;
        // `3, 7-9, 12`
        let (_, list) = event.detail.rsplit_once(": ").ok_or("no list")?;
        let mut told = BTreeSet::new();
        for run in list.split(", ") {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            told.extend(first.parse::<u64>().unwrap()..=last.parse().unwrap());
        }
        ensure(&told == settled, || format!("{settled:?} were settled, and this is told: {}", event.detail))
    }

    /// Every effect has its intent: of just that message, for just that call.
    pub(super) fn has_intents_of(&mut self, effects: &[Effect]) {
        for effect in effects[self.effects..].iter().filter(|effect| !effect.reads) {
            let number = self.by_body.get(&effect.body);
            let number = number.unwrap_or_else(|| panic!("an effect without an intent: {effect:?}"));
            let record = self.records.get(number).filter(|_| !self.recovered.contains(number));
            let of = record.map(|record| record.request_id.clone().unwrap());
            assert!(
                of.is_none_or(|id| id == format!("\"{}\"", effect.unique)),
                "{effect:?} is {:?}",
                self.records[number]
            );
        }
        self.effects = effects.len();
    }

    /// Every answer that was handed over has its record, whole: at once where the call may have had an effect. A read's
    /// record waits in the queue; but the queue is written in order, so it is there when a later one of an effect is.
    pub(super) fn has_records_of(&mut self, made: &[Made]) {
        for (at, call) in made.iter().enumerate() {
            let Some(number) = call.number else { continue };
            let agent = super::agents::of(&call.unique);
            let same = |later: &&Made| super::agents::of(&later.unique) == agent;
            let mut later = made[at + 1..].iter().take_while(same);
            let due = !call.reads() || later.any(|later| later.number.is_some() && !later.reads());
            let Some(record) = self.records.get(&number) else {
                assert!(!due, "{call:?} was answered, and its record is lost");
                continue;
            };
            let told = record.result.as_ref().is_some_and(|result| !result.is_error && result.bytes > 0);
            let arguments = record.arguments.as_ref().map(|json| json.text()).unwrap_or_default();
            let stages = record.stages.last().map(|stage| &*stage.stage);
            assert!(told && arguments.contains(&call.unique) && stages == Some("audit"), "{call:?}: {record:?}");
            assert_eq!(record.target.as_deref(), Some(call.tool), "{call:?}");
            assert_eq!(record.request_id, Some(format!("\"{}\"", call.unique)));
            assert_eq!(record.ending, Ending::Served, "{call:?}");
            assert_eq!(self.intents.contains_key(&number), !call.reads(), "{call:?}");
        }
        let told = made.iter().filter_map(|call| call.number);
        self.number_max = told.fold(self.number_max, u64::max);
    }

    /// Nothing is said to have been done that its server has not done.
    pub(super) fn has_effects_of_all_that_was_served(&self, effects: &Effects) {
        let calls = self.records.values().filter(|record| record.method.as_deref() == Some("tools/call"));
        for record in calls.filter(|record| record.ending == Ending::Served) {
            let unique = record.request_id.as_deref().unwrap().trim_matches('"');
            assert!(effects.has(unique), "no server knows of {record:?}");
        }
    }

    /// How many reads were answered and are not recorded.
    pub(super) fn reads_lost(&self, made: &[Made]) -> usize {
        made.iter().filter(|call| call.number.is_some_and(|number| !self.records.contains_key(&number))).count()
    }
}
