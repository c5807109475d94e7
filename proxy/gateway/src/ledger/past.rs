//! Records from the latest back, as a person looks through them. Each page is a read of its own and looks at a bounded number
//! of entries, however few of them fit: where it stopped, the next begins.
//!
//! The narrowest thing asked for picks the index; everything else is asked of each entry on the way.

use std::path::Path;
use std::sync::Arc;

use pdp::record::{Entry, Record};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, params_from_iter};

use super::fault::StoreFault;
use super::schema::signed;

/// A place in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// In microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// Among those of that very time, the place in the sequence.
    pub seq: u64,
}

/// Which records are asked for: those that fit everything given.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The trace, 32 hexadecimal digits.
    pub trace: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The tool, on calls of tools.
    pub tool: Option<String>,
    /// The principal's key, `tenant/agent`.
    pub principal: Option<String>,
    /// The decision's word.
    pub decision: Option<String>,
    /// The downstream system.
    pub system: Option<String>,
    /// The server.
    pub server: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// A label of what the call was judged under, or of its answer.
    pub label: Option<String>,
    /// Only what names what it acts on and is no notification, as calls do.
    pub names_target: bool,
    /// Of this tenant's principals, and of nobody known. Nothing for everybody's.
    pub tenant: Option<String>,
    /// Not before, in microseconds since 1970-01-01T00:00Z.
    pub from_us: Option<i64>,
    /// Before this place.
    pub before: Option<Place>,
    /// At most so many.
    pub limit: usize,
    /// At most so many entries are looked at.
    pub looked_max: usize,
}

/// A page, the latest record first.
#[derive(Debug, Default)]
pub struct PastPage {
    /// The records.
    pub records: Vec<Arc<Record>>,
    /// Where the next page begins; nothing where there is none.
    pub next: Option<Place>,
    /// How many that may fit cannot be read.
    pub unreadable: usize,
}

/// The columns of a row, in the order they are asked for.
const COLUMNS: &str = "at_us, seq, kind, principal, trace, task, target, method, decision, system, server, body";

impl Past {
    /// The query and its parameters.
    pub(super) fn statement(&self) -> (String, Vec<Value>) {
        let rare = self.decision.as_ref().filter(|word| *word != "allow");
        let leads = [
            ("trace = ? AND ", self.trace.as_ref()),
            ("task = ? AND ", self.task.as_ref()),
            ("target = ? AND ", self.tool.as_ref()),
            ("principal = ? AND ", self.principal.as_ref()),
            ("decision = ? AND decision <> 'allow' AND ", rare),
        ];
        let lead = leads.into_iter().find_map(|(part, value)| Some((part, value?.clone())));
        let (lead, mut values) = lead.map_or(("", Vec::new()), |(part, value)| (part, vec![Value::from(value)]));
        let before = self.before.unwrap_or(Place { at_us: i64::MAX, seq: 0 });
        values.extend([before.at_us.into(), signed(before.seq).into(), self.from_us.unwrap_or(i64::MIN).into()]);
        values.push(i64::try_from(self.looked_max).unwrap_or(i64::MAX).into());
        let query = format!(
            "SELECT {COLUMNS} FROM entries WHERE {lead}(at_us, seq) < (?, ?) AND at_us >= ? \
             ORDER BY at_us DESC, seq DESC LIMIT ?"
        );
        (query, values)
    }

    /// Whether a row's columns fit.
    fn fits(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let is = |column: usize, wanted: &str| -> rusqlite::Result<bool> {
            Ok(matches!(row.get_ref(column)?, ValueRef::Text(text) if text == wanted.as_bytes()))
        };
        if !is(2, "record")? || (self.tool.is_some() && !is(7, "tools/call")?) {
            return Ok(false);
        }
        if self.names_target {
            let is_notice = matches!(row.get_ref(7)?, ValueRef::Text(method) if method.starts_with(b"notifications/"));
            if is_notice || !matches!(row.get_ref(6)?, ValueRef::Text(_)) {
                return Ok(false);
            }
        }
        let texts = [
            (3, &self.principal),
            (4, &self.trace),
            (5, &self.task),
            (6, &self.tool),
            (7, &self.method),
            (8, &self.decision),
            (9, &self.system),
            (10, &self.server),
        ];
        for (column, wanted) in texts {
            if let Some(wanted) = wanted
                && !is(column, wanted)?
            {
                return Ok(false);
            }
        }
        let of = |tenant: &String, key: &[u8]| {
            key.strip_prefix(tenant.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        Ok(match (&self.tenant, row.get_ref(3)?) {
            (Some(tenant), ValueRef::Text(key)) => of(tenant, key),
            (Some(_) | None, _) => true,
        })
    }

    fn is_labelled(&self, record: &Record) -> bool {
        let Some(label) = &self.label else { return true };
        let judged = record.decision.as_ref().map(|note| &note.labels);
        judged.into_iter().chain([&record.labels]).any(|labels| labels.contains(label))
    }

    /// Reads a page.
    pub(super) fn read(&self, connection: &Connection, path: &Path) -> Result<PastPage, StoreFault> {
        let asked = StoreFault::database(path, "read");
        let (query, values) = self.statement();
        let mut statement = connection.prepare_cached(&query).map_err(asked)?;
        let mut rows = statement.query(params_from_iter(values)).map_err(asked)?;
        let (mut page, mut looked, mut last) = (PastPage::default(), 0, None);
        while let Some(row) = rows.next().map_err(asked)? {
            let seq = row.get::<_, i64>(1).map_err(asked)?.unsigned_abs();
            let place = Place { at_us: row.get(0).map_err(asked)?, seq };
            looked += 1;
            if self.fits(row).map_err(asked)? {
                match Entry::read(&row.get::<_, String>(11).map_err(asked)?) {
                    Ok(Entry::Record(record)) if self.is_labelled(&record) => {
                        if page.records.len() >= self.limit {
                            page.next = last;
                            return Ok(page);
                        }
                        page.records.push(record);
                    }
                    Ok(Entry::Record(_) | Entry::Intent(_) | Entry::Event(_) | Entry::Said(_)) => {}
                    // One that is damaged does not hide those behind it.
                    Err(_) => page.unreadable += 1,
                }
            }
            last = Some(place);
        }
        page.next = last.filter(|_| looked >= self.looked_max);
        Ok(page)
    }
}
