//! Reads a ledger beside its writer, from any thread or process. Changes nothing.
//!
//! Columns only find entries; what is answered is built from their bodies. Story, replay and console read through
//! this; it knows none of them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pdp::json::JsonFault;
use pdp::record::{Ending, Entry, Record};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::fault::StoreFault;
use super::past::{Past, PastPage};
use super::schema::{self, signed};

/// How many entries a query answers when it does not say.
const LIMIT: usize = 1000;

/// How many entries back the latest traces are looked for, so that the question costs the same in any ledger.
const LOOK_BACK: i64 = 20_000;

/// How many of a trace's first entries say whether it is seen.
const FIRST: i64 = 64;

/// Which entries a query asks for: those that fit every field given.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The trace, 32 hexadecimal digits.
    pub trace: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The tool, on calls of tools.
    pub tool: Option<String>,
    /// The server.
    pub server: Option<String>,
    /// The principal's key, `tenant/agent`; for events, who caused them.
    pub principal: Option<String>,
    /// The credential that was lent, by reference.
    pub credential: Option<String>,
    /// The downstream system.
    pub system: Option<String>,
    /// The decision's word: `allow`, `escalate` or `deny`.
    pub decision: Option<String>,
    /// The ending.
    pub ending: Option<Ending>,
    /// Not before, in microseconds since 1970-01-01T00:00Z.
    pub since_us: Option<i64>,
    /// Before, in microseconds since 1970-01-01T00:00Z.
    pub until_us: Option<i64>,
    /// At most so many, the latest.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            trace: None,
            task: None,
            tool: None,
            server: None,
            principal: None,
            credential: None,
            system: None,
            decision: None,
            ending: None,
            since_us: None,
            until_us: None,
            limit: LIMIT,
        }
    }
}

/// How a column is asked for whose index leaves out its commonest value.
fn rare(indexed: &'static str, plain: &'static str, value: &Option<String>, commonest: &str) -> &'static str {
    if value.as_deref() == Some(commonest) { plain } else { indexed }
}

impl Filter {
    /// The query and its parameters. Answers the latest entries first.
    ///
    /// The first thing given stands bare and picks the index, where it has one; the others carry a `+`, which keeps
    /// SQLite from an index that it knows no statistics of. So they stand in the order of how few entries they commonly
    /// leave.
    pub(super) fn statement(&self) -> (String, Vec<Value>) {
        let ending = self.ending.map(|ending| ending.word().to_owned());
        let texts = [
            ("trace = ?", &self.trace),
            ("task = ?", &self.task),
            ("target = ?", &self.tool),
            ("credential = ?", &self.credential),
            ("principal = ?", &self.principal),
            (rare("decision = ? AND decision <> 'allow'", "+decision = ?", &self.decision, "allow"), &self.decision),
            (rare("ending = ? AND ending <> 'served'", "+ending = ?", &ending, "served"), &ending),
            ("+system = ?", &self.system),
            ("+server = ?", &self.server),
        ];
        let mut parts = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        for (part, value) in texts {
            if let Some(value) = value {
                let bare = parts.is_empty() || part.starts_with('+');
                parts.push(if bare { part.to_owned() } else { format!("+{part}") });
                values.push(value.clone().into());
            }
        }
        if self.tool.is_some() {
            parts.push("+method = 'tools/call'".to_owned());
        }
        for (part, value) in [("at_us >= ?", self.since_us), ("at_us < ?", self.until_us)] {
            if let Some(value) = value {
                parts.push(part.to_owned());
                values.push(value.into());
            }
        }
        if parts.is_empty() {
            parts.push("TRUE".to_owned());
        }
        values.push(i64::try_from(self.limit).unwrap_or(i64::MAX).into());
        let conditions = parts.join(" AND ");
        (format!("SELECT seq, body FROM entries WHERE {conditions} ORDER BY at_us DESC, seq DESC LIMIT ?"), values)
    }
}

/// One trace in a list of the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine {
    /// The trace, 32 hexadecimal digits.
    pub trace: String,
    /// Its task.
    pub task: String,
    /// When its last entry was made, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// The server of its last entry.
    pub server: String,
    /// The principal of its last entry.
    pub principal: Option<String>,
}

/// A page of records in the order of time: those that fit every field given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Not before, in microseconds since 1970-01-01T00:00Z.
    pub from_us: i64,
    /// Of those at that very time, only what stands behind this place in the sequence.
    pub after: u64,
    /// Before, in microseconds since 1970-01-01T00:00Z.
    pub until_us: i64,
    /// The server.
    pub server: Option<String>,
    /// The tool, on calls of tools.
    pub tool: Option<String>,
    /// At most so many, the earliest.
    pub limit: usize,
}

impl Page {
    /// The query and its parameters: along the index of time, from where the page before ended.
    pub(super) fn statement(&self) -> (String, Vec<Value>) {
        let mut query = "SELECT at_us, seq, body FROM entries WHERE (at_us, seq) > (?, ?) AND at_us < ? \
            AND +kind = 'record'"
            .to_owned();
        let mut values: Vec<Value> = vec![self.from_us.into(), signed(self.after).into(), self.until_us.into()];
        if let Some(server) = &self.server {
            query.push_str(" AND +server = ?");
            values.push(server.clone().into());
        }
        if let Some(tool) = &self.tool {
            query.push_str(" AND +target = ? AND +method = 'tools/call'");
            values.push(tool.clone().into());
        }
        query.push_str(" ORDER BY at_us, seq LIMIT ?");
        values.push(i64::try_from(self.limit).unwrap_or(i64::MAX).into());
        (query, values)
    }
}

/// A record of a page, and where it stands.
#[derive(Debug)]
pub struct PageRow {
    /// Its place in the sequence.
    pub seq: u64,
    /// When its frame arrived, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// The record, or why it cannot be read: one that is damaged does not hide those behind it.
    pub record: Result<Arc<Record>, JsonFault>,
}

/// How much of a story is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    /// Only what stands behind this place in the sequence.
    pub after: u64,
    /// At most so many entries.
    pub entries: usize,
    /// And no further one once there are so many bytes of them.
    pub bytes: usize,
}

impl Within {
    /// All of it, however much that is.
    pub const WHOLE: Self = Self { after: 0, entries: usize::MAX, bytes: usize::MAX };
}

/// Entries in the order written.
#[derive(Debug, Default)]
pub struct Stretch {
    /// They, with their places in the sequence.
    pub entries: Vec<(u64, Entry)>,
    /// Behind which place the rest begins, where there is more.
    pub next: Option<u64>,
}

/// A connection that only reads. It may be sent to another thread, not shared.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    connection: Connection,
}

impl Reader {
    /// Opens the ledger at `path`, which may be in use by its gate.
    ///
    /// # Errors
    /// When there is none, it is something else, or a later version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreFault> {
        if !path.exists() {
            return Err(StoreFault::Missing { path: path.to_owned() });
        }
        let asked = StoreFault::database(path, "read");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(asked)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(asked)?;
        schema::check_reader(&connection, path)?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// What one trace has, in the order written.
    ///
    /// # Errors
    /// When the database or an entry cannot be read.
    pub fn by_trace(&self, trace: &str, within: Within) -> Result<Stretch, StoreFault> {
        self.stretch("trace", trace, within)
    }

    /// What one task has, in the order written.
    ///
    /// # Errors
    /// When the database or an entry cannot be read.
    pub fn by_task(&self, task: &str, within: Within) -> Result<Stretch, StoreFault> {
        self.stretch("task", task, within)
    }

    /// The places are sorted before any body is read: there may be hundreds of thousands.
    fn stretch(&self, column: &str, value: &str, within: Within) -> Result<Stretch, StoreFault> {
        let query = format!(
            "SELECT seq, body FROM entries WHERE seq IN (SELECT seq FROM entries WHERE {column} = ? AND seq > ? ORDER BY seq              LIMIT ?) ORDER BY seq"
        );
        // One more than is told, to know whether there is one.
        let limit = i64::try_from(within.entries.saturating_add(1)).unwrap_or(i64::MAX);
        let values = vec![value.to_owned().into(), signed(within.after).into(), limit.into()];
        self.select_within(&query, values, within)
    }

    /// Whether a trace has entries of principals that are seen, by their keys: among its first ones, whoever they are of, so
    /// that the question costs the same in any trace.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_seen(&self, trace: &str, seen: &dyn Fn(Option<&str>) -> bool) -> Result<bool, StoreFault> {
        let asked = StoreFault::database(&self.path, "read");
        let query = "SELECT principal FROM entries WHERE trace = ? AND kind <> 'event' ORDER BY at_us LIMIT ?";
        let mut statement = self.connection.prepare_cached(query).map_err(asked)?;
        let mut rows = statement.query((trace, FIRST)).map_err(asked)?;
        while let Some(row) = rows.next().map_err(asked)? {
            if seen(row.get::<_, Option<String>>(0).map_err(asked)?.as_deref()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Everything of one frame: its intent, if it had one, its record, and what its agent said of the task by it.
    ///
    /// # Errors
    /// When the database or an entry cannot be read.
    pub fn by_number(&self, number: u64) -> Result<Vec<(u64, Entry)>, StoreFault> {
        self.select("SELECT seq, body FROM entries WHERE number = ? ORDER BY seq", vec![signed(number).into()])
    }

    /// The latest entries that fit, in the order of their time.
    ///
    /// # Errors
    /// When the database or an entry cannot be read.
    pub fn query(&self, filter: &Filter) -> Result<Vec<(u64, Entry)>, StoreFault> {
        let (query, values) = filter.statement();
        let mut found = self.select(&query, values)?;
        found.reverse();
        Ok(found)
    }

    /// The next records in the order of time. Each page is a read of its own: who goes through years of records holds up
    /// neither memory nor the writer.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn records(&self, page: &Page) -> Result<Vec<PageRow>, StoreFault> {
        let asked = StoreFault::database(&self.path, "read");
        let (query, values) = page.statement();
        let mut statement = self.connection.prepare_cached(&query).map_err(asked)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(asked)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(asked)? {
            let at_us = row.get(0).map_err(asked)?;
            let seq = row.get::<_, i64>(1).map_err(asked)?.unsigned_abs();
            let record = match Entry::read(&row.get::<_, String>(2).map_err(asked)?) {
                Ok(Entry::Record(record)) => Ok(record),
                Ok(Entry::Intent(_) | Entry::Event(_) | Entry::Said(_)) => {
                    Err(JsonFault::Syntax("it is no record".to_owned()))
                }
                Err(fault) => Err(fault),
            };
            found.push(PageRow { seq, at_us, record });
        }
        Ok(found)
    }

    /// How many entries there are from one time on and before another, in microseconds since 1970-01-01T00:00Z.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count(&self, from_us: i64, until_us: i64) -> Result<u64, StoreFault> {
        let query = "SELECT count(*) FROM entries WHERE at_us >= ? AND at_us < ?";
        let found = self.connection.query_row(query, [from_us, until_us], |row| row.get::<_, i64>(0));
        found.map(i64::unsigned_abs).map_err(StoreFault::database(&self.path, "read"))
    }

    /// Records from the latest back.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn past(&self, asked: &Past) -> Result<PastPage, StoreFault> {
        asked.read(&self.connection, &self.path)
    }

    /// The traces whose ids begin so, at most `limit` of them, sorted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn traces_starting(&self, prefix: &str, limit: usize) -> Result<Vec<String>, StoreFault> {
        let asked = StoreFault::database(&self.path, "read");
        // A range on the index. Trace ids are hexadecimal, so `g` stands behind every continuation.
        let query =
            "SELECT DISTINCT trace FROM entries WHERE trace >= ?1 AND trace < ?1 || 'g' ORDER BY trace LIMIT ?2";
        let mut statement = self.connection.prepare_cached(query).map_err(asked)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map((prefix, limit), |row| row.get(0)).map_err(asked)?;
        rows.collect::<Result<_, _>>().map_err(asked)
    }

    /// The traces with the latest entries, latest first: by the entries of principals that are seen, by their keys.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn latest_traces(
        &self,
        limit: usize,
        seen: &dyn Fn(Option<&str>) -> bool,
    ) -> Result<Vec<TraceLine>, StoreFault> {
        let asked = StoreFault::database(&self.path, "read");
        let query = "SELECT trace, task, at_us, server, principal FROM entries \
            WHERE trace IS NOT NULL AND server IS NOT NULL AND seq > (SELECT ifnull(max(seq), 0) FROM entries) - ?1 ORDER BY seq DESC";
        let mut statement = self.connection.prepare_cached(query).map_err(asked)?;
        let mut rows = statement.query([LOOK_BACK]).map_err(asked)?;
        let (mut lines, mut known) = (Vec::new(), HashSet::new());
        while let Some(row) = rows.next().map_err(asked)? {
            if lines.len() >= limit {
                break;
            }
            let line = TraceLine {
                trace: row.get(0).map_err(asked)?,
                task: row.get(1).map_err(asked)?,
                at_us: row.get(2).map_err(asked)?,
                server: row.get(3).map_err(asked)?,
                principal: row.get(4).map_err(asked)?,
            };
            if seen(line.principal.as_deref()) && known.insert(line.trace.clone()) {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    fn select(&self, query: &str, values: Vec<Value>) -> Result<Vec<(u64, Entry)>, StoreFault> {
        Ok(self.select_within(query, values, Within::WHOLE)?.entries)
    }

    fn select_within(&self, query: &str, values: Vec<Value>, within: Within) -> Result<Stretch, StoreFault> {
        let asked = StoreFault::database(&self.path, "read");
        let mut statement = self.connection.prepare_cached(query).map_err(asked)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(asked)?;
        let (mut found, mut bytes) = (Stretch::default(), 0_usize);
        while let Some(row) = rows.next().map_err(asked)? {
            if found.entries.len() >= within.entries || bytes >= within.bytes {
                found.next = found.entries.last().map(|(seq, _)| *seq);
                break;
            }
            let seq = row.get::<_, i64>(0).map_err(asked)?.unsigned_abs();
            let body: String = row.get(1).map_err(asked)?;
            bytes = bytes.saturating_add(body.len());
            let entry = Entry::read(&body);
            let path = || self.path.clone();
            found.entries.push((seq, entry.map_err(|source| StoreFault::Entry { path: path(), seq, source })?));
        }
        Ok(found)
    }
}
