//! The ledger's tables, their version, and how a connection is set up.
//!
//! `body` is the entry, canonical (RFC 8785). Every other column is a projection of it, for indexes alone: a reader
//! never builds an entry from columns.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::StoreFault;

/// The version of the tables below, in `PRAGMA user_version`.
pub(super) const VERSION: i64 = 2;

/// Marks the file as ours, in `PRAGMA application_id`: "WGLD" in ASCII.
const APPLICATION: i64 = 0x5747_4c44;

/// The size to which the write-ahead log shrinks again after a long reader has made it grow.
const LOG_BYTES_KEPT: i64 = 64 * 1024 * 1024;

/// The size of a page of a new ledger. An entry takes about 1.5 KiB, and each page that a group touches is two writes.
const PAGE_BYTES: i64 = 8192;

/// The tables. The sequence has no gap: entries take their place when they are written. Partial indexes hold only rows
/// that have the value, so that an intent does not touch the pages of the credential's index. Each ends in the time, so
/// that the latest of anything are read off it in order. What most rows share (a server, an allowance) has no index:
/// going back through time finds it as fast, and each index is paid for by every call.
const TABLES: &str = "
CREATE TABLE entries (
    seq        INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('intent', 'record', 'event', 'said')),
    number     INTEGER,
    at_us      INTEGER NOT NULL,
    trace      TEXT,
    task       TEXT,
    principal  TEXT,
    server     TEXT,
    system     TEXT,
    method     TEXT,
    target     TEXT,
    credential TEXT,
    decision   TEXT,
    ending     TEXT,
    body       TEXT NOT NULL
) STRICT;
CREATE INDEX entries_time       ON entries (at_us);
CREATE INDEX entries_number     ON entries (number, kind)      WHERE number IS NOT NULL;
CREATE INDEX entries_intent     ON entries (number)            WHERE kind = 'intent';
CREATE INDEX entries_trace      ON entries (trace, at_us)      WHERE trace IS NOT NULL;
CREATE INDEX entries_task       ON entries (task, at_us)       WHERE task IS NOT NULL;
CREATE INDEX entries_principal  ON entries (principal, at_us)  WHERE principal IS NOT NULL;
CREATE INDEX entries_target     ON entries (target, at_us)     WHERE target IS NOT NULL;
CREATE INDEX entries_credential ON entries (credential, at_us) WHERE credential IS NOT NULL;
CREATE INDEX entries_decision   ON entries (decision, at_us)   WHERE decision <> 'allow';
CREATE INDEX entries_ending     ON entries (ending, at_us)     WHERE ending <> 'served';
CREATE TRIGGER entries_never_change BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry of the ledger is never changed'); END;
CREATE TRIGGER entries_never_go BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'an entry of the ledger is never removed'); END;
CREATE TABLE marks (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// A mark kept beside the entries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    /// No frame number at or above this was ever handed out.
    NextNumber,
    /// Every intent up to this place in the sequence is known to have its record.
    Settled,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::NextNumber => "next_number",
            Self::Settled => "settled",
        }
    }

    /// The mark's value; zero before it was first set.
    pub(super) fn read(self, connection: &Connection) -> rusqlite::Result<u64> {
        connection
            .prepare_cached("SELECT value FROM marks WHERE name = ?1")?
            .query_row([self.name()], |row| row.get::<_, i64>(0))
            .optional()
            .map(|found| found.map_or(0, i64::unsigned_abs))
    }

    /// Sets the mark, within the transaction that is open.
    pub(super) fn write(self, connection: &Connection, value: u64) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT INTO marks VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![self.name(), signed(value)])
            .map(drop)
    }
}

/// SQLite's integers are signed. Numbers and places count from one and never come near the edge.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The place of the last entry, zero if there is none.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<u64> {
    largest(connection, "SELECT max(seq) FROM entries")
}

/// The largest frame number in any entry, zero if there is none.
pub(super) fn number_max(connection: &Connection) -> rusqlite::Result<u64> {
    largest(connection, "SELECT max(number) FROM entries WHERE number IS NOT NULL")
}

fn largest(connection: &Connection, query: &str) -> rusqlite::Result<u64> {
    connection.query_row(query, [], |row| row.get::<_, Option<i64>>(0)).map(|found| found.map_or(0, i64::unsigned_abs))
}

/// The bodies of all entries after a place in the sequence.
pub(super) fn bodies_after(connection: &Connection, seq: u64) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT body FROM entries WHERE seq > ?1 ORDER BY seq")?;
    statement.query_map([signed(seq)], |row| row.get(0))?.collect()
}

/// What to do with the write-ahead log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Checkpoint {
    /// Only tell its length.
    Look,
    /// Move into the database what no reader still needs in the log.
    Move,
}

/// The length of the write-ahead log and how much of it is in the database already, in pages.
pub(super) fn checkpoint(connection: &Connection, what: Checkpoint) -> rusqlite::Result<(i64, i64)> {
    let pragma = match what {
        Checkpoint::Look => "PRAGMA wal_checkpoint(NOOP)",
        Checkpoint::Move => "PRAGMA wal_checkpoint(PASSIVE)",
    };
    connection.prepare_cached(pragma)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

/// What a database file is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Empty,
    Ledger,
}

/// Brings the tables of an older version up to this one. Version 1 knew no entries of the kind `said`: its rows are as they
/// should be, so only the table's text changes, by the way SQLite documents for that (ALTER TABLE, section 7).
fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found >= VERSION {
        return Ok(());
    }
    let schema: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    let change = connection.transaction()?;
    change.execute_batch(&format!(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, '''event''))', '''event'', ''said''))')
             WHERE type = 'table' AND name = 'entries';
         PRAGMA schema_version = {};
         PRAGMA user_version = {VERSION};
         PRAGMA writable_schema = RESET;",
        schema + 1
    ))?;
    change.commit()
}

fn kind(connection: &Connection, path: &Path) -> Result<Kind, StoreFault> {
    let asked = StoreFault::database(path, "open");
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(asked)?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(asked)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(asked)?;
    match (application, tables) {
        (APPLICATION, _) if version > VERSION => {
            Err(StoreFault::Newer { path: path.to_owned(), found: version, known: VERSION })
        }
        (APPLICATION, 1..) => Ok(Kind::Ledger),
        (0, 0) => Ok(Kind::Empty),
        (_, _) => Err(StoreFault::Foreign { path: path.to_owned() }),
    }
}

/// Sets up the one connection that writes, making the tables in a file that has none.
pub(super) fn prepare_writer(connection: &mut Connection, path: &Path) -> Result<(), StoreFault> {
    let asked = StoreFault::database(path, "set up");
    let kind = kind(connection, path)?;
    if kind == Kind::Empty {
        connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(asked)?;
    }
    let journal: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(StoreFault::database(path, "use write-ahead logging for"))?;
    if journal != "wal" {
        // A file system without shared memory, such as some network mounts: SQLite says so by keeping its old mode.
        let why = std::io::Error::other("this file system cannot do write-ahead logging; use a local disk");
        return Err(StoreFault::file(path, "write the ledger")(why));
    }
    connection.pragma_update(None, "synchronous", "full").map_err(asked)?;
    if kind == Kind::Ledger {
        upgrade(connection).map_err(StoreFault::database(path, "bring up to date"))?;
    }
    // The writer moves the log into the database itself, when no call waits for it.
    connection.pragma_update(None, "wal_autocheckpoint", 0).map_err(asked)?;
    connection.pragma_update(None, "cache_size", -2048).map_err(asked)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT).map_err(asked)?;
    connection.set_prepared_statement_cache_capacity(16);
    if kind == Kind::Empty {
        let change = connection.transaction().map_err(asked)?;
        change.execute_batch(TABLES).map_err(asked)?;
        change.pragma_update(None, "application_id", APPLICATION).map_err(asked)?;
        change.pragma_update(None, "user_version", VERSION).map_err(asked)?;
        change.commit().map_err(asked)?;
    }
    Ok(())
}

/// Checks that a connection that only reads has a ledger before it.
pub(super) fn check_reader(connection: &Connection, path: &Path) -> Result<(), StoreFault> {
    match kind(connection, path)? {
        Kind::Ledger => Ok(()),
        Kind::Empty => Err(StoreFault::Missing { path: path.to_owned() }),
    }
}
