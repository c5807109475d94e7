//! The history's tables and every statement on them. Each function is one transaction.
//!
//! SQLite with a rollback journal: writes are rare, and a reader in another process needs no shared memory. A text is kept
//! compressed, under the digest of what it says, which is checked when it is read.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::snapshot::Sources;
use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, Transaction, params};

use super::{Candidate, Change, Found, How, STAGED_KEPT, START_MIN, TURNS_KEPT, Turn, all};

/// Marks the file as ours, in `PRAGMA application_id`: "WGHS" in ASCII.
const APPLICATION: i64 = 0x5747_4853;
/// The version of the tables below, in `PRAGMA user_version`.
const VERSION: i64 = 1;
/// How long a statement waits for another process's hold on the file.
const BUSY_MAX: Duration = Duration::from_secs(5);
const TABLES: &str = "
CREATE TABLE texts (
    digest TEXT PRIMARY KEY,
    packed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE files (
    snapshot TEXT NOT NULL,
    path     TEXT NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (snapshot, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE turns (
    seq      INTEGER PRIMARY KEY,
    snapshot TEXT NOT NULL,
    parent   TEXT,
    at_us    INTEGER NOT NULL,
    author   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    how      TEXT NOT NULL,
    change   TEXT NOT NULL,
    done     INTEGER NOT NULL CHECK (done IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX begun ON turns (done) WHERE done = 0;
CREATE TABLE candidates (
    seq      INTEGER PRIMARY KEY,
    snapshot TEXT NOT NULL UNIQUE,
    base     TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    author   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    change   TEXT NOT NULL
) STRICT;
";

/// Why a statement could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("cannot be opened: {0}")]
    File(#[from] std::io::Error),
    #[error("has version {found} of its tables, and this version of Wicketgate knows {VERSION}")]
    Newer { found: i64 },
    #[error("is a database of something else: move it away")]
    Foreign,
    #[error("does not exist: it is made by a gate that runs with this data directory")]
    Missing,
    #[error("is damaged: the text of `{path}` is not the one that was kept")]
    Damaged { path: String },
}

/// Opens the file, making it where there is none.
pub(super) fn open(path: &Path, read_only: bool) -> Result<Connection, Fault> {
    if read_only {
        if !path.exists() {
            return Err(Fault::Missing);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_MAX)?;
        return if is_made(&connection)? { Ok(connection) } else { Err(Fault::Missing) };
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // The files of a bundle are its owner's business; SQLite gives its journal the same rights.
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "synchronous", "extra")?;
    if !is_made(&connection)? {
        let change = connection.transaction()?;
        change.execute_batch(TABLES)?;
        change.pragma_update(None, "application_id", APPLICATION)?;
        change.pragma_update(None, "user_version", VERSION)?;
        change.commit()?;
    }
    Ok(connection)
}

fn is_made(connection: &Connection) -> Result<bool, Fault> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match (application, tables) {
        (APPLICATION, _) if version > VERSION => Err(Fault::Newer { found: version }),
        (APPLICATION, 1..) => Ok(true),
        (0, 0) => Ok(false),
        (_, _) => Err(Fault::Foreign),
    }
}

/// Keeps a candidate; one that was staged before is staged anew.
pub(super) fn stage(connection: &mut Connection, candidate: &Candidate, sources: &Sources) -> Result<(), Fault> {
    let change = connection.transaction()?;
    keep(&change, candidate.digest, sources)?;
    change.execute("DELETE FROM candidates WHERE snapshot = ?1", [candidate.digest.to_string()])?;
    change.execute(
        "INSERT INTO candidates (snapshot, base, at_us, author, reason, change) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            candidate.digest.to_string(),
            candidate.base.to_string(),
            candidate.at_us,
            candidate.author,
            candidate.reason,
            written(&candidate.change)
        ],
    )?;
    forget(&change)?;
    Ok(change.commit()?)
}

/// Notes what is in force, and that nothing is begun any more.
pub(super) fn turned(connection: &mut Connection, turn: &Turn, sources: Option<&Sources>) -> Result<(), Fault> {
    let change = connection.transaction()?;
    if let Some(sources) = sources {
        keep(&change, turn.digest, sources)?;
    }
    change.execute("DELETE FROM turns WHERE done = 0", [])?;
    insert_turn(&change, turn, true)?;
    change.execute("DELETE FROM candidates WHERE snapshot = ?1", [turn.digest.to_string()])?;
    forget(&change)?;
    Ok(change.commit()?)
}

/// Keeps other texts of a snapshot.
pub(super) fn rewritten(connection: &mut Connection, digest: Digest, sources: &Sources) -> Result<(), Fault> {
    let change = connection.transaction()?;
    keep(&change, digest, sources)?;
    forget(&change)?;
    Ok(change.commit()?)
}

/// Notes what is about to be put in force, and the files that it takes the place of.
pub(super) fn begin(connection: &mut Connection, turn: &Turn, parent: &Sources) -> Result<(), Fault> {
    let change = connection.transaction()?;
    change.execute("DELETE FROM turns WHERE done = 0", [])?;
    insert_turn(&change, turn, false)?;
    if let Some(digest) = turn.parent {
        keep(&change, digest, parent)?;
    }
    Ok(change.commit()?)
}

/// Notes that what was begun did not come to pass.
pub(super) fn abandon(connection: &mut Connection) -> Result<(), Fault> {
    connection.execute("DELETE FROM turns WHERE done = 0", [])?;
    Ok(())
}

/// What was begun.
pub(super) fn begun(connection: &Connection) -> Result<Option<Turn>, Fault> {
    let query = "SELECT snapshot, parent, at_us, author, reason, how, change FROM turns WHERE done = 0";
    Ok(connection.query_row(query, [], turn_of).optional()?)
}

/// The latest changes of the law.
pub(super) fn turns(connection: &Connection, limit: usize) -> Result<Vec<Turn>, Fault> {
    let query = "SELECT snapshot, parent, at_us, author, reason, how, change FROM turns WHERE done = 1 \
        ORDER BY seq DESC LIMIT ?1";
    let mut statement = connection.prepare(query)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map([limit], turn_of)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// The candidates, latest first.
pub(super) fn candidates(connection: &Connection) -> Result<Vec<Candidate>, Fault> {
    let query = "SELECT snapshot, base, at_us, author, reason, change FROM candidates ORDER BY seq DESC";
    let mut statement = connection.prepare(query)?;
    let candidate = |row: &Row<'_>| {
        Ok(Candidate {
            digest: digest_of(row, 0)?,
            base: digest_of(row, 1)?,
            at_us: row.get(2)?,
            author: row.get(3)?,
            reason: row.get(4)?,
            change: change_of(row, 5)?,
        })
    };
    let found = statement.query_map([], candidate)?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// The files of a snapshot.
pub(super) fn files(connection: &Connection, digest: Digest) -> Result<Option<Sources>, Fault> {
    let query = "SELECT files.path, files.text, texts.packed FROM files JOIN texts ON texts.digest = files.text \
        WHERE files.snapshot = ?1 ORDER BY files.path";
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([digest.to_string()])?;
    let mut sources = Sources::default();
    while let Some(row) = rows.next()? {
        let (path, kept): (String, String) = (row.get(0)?, row.get(1)?);
        let text = unpacked(&row.get::<_, Vec<u8>>(2)?).filter(|text| named(text) == kept);
        let Some(text) = text else { return Err(Fault::Damaged { path }) };
        let folder = if path.starts_with("policies/") { &mut sources.policies } else { &mut sources.registry };
        folder.push(SourceFile { path, text });
    }
    Ok((!sources.policies.is_empty() || !sources.registry.is_empty()).then_some(sources))
}

/// The snapshot whose digest begins so.
pub(super) fn find(connection: &Connection, start: &str) -> Result<Found, Fault> {
    let digits = start.strip_prefix("sha256:").unwrap_or(start);
    if digits.len() < START_MIN || !digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Ok(Found::None);
    }
    // A range on the index: `g` stands behind every hexadecimal digit.
    let query = "SELECT DISTINCT snapshot FROM files WHERE snapshot >= ?1 AND snapshot < ?1 || 'g' LIMIT 2";
    let mut statement = connection.prepare(query)?;
    let found: Vec<Digest> =
        statement.query_map([format!("sha256:{digits}")], |row| digest_of(row, 0))?.collect::<Result<_, _>>()?;
    Ok(match found.as_slice() {
        [] => Found::None,
        [one] => Found::One(*one),
        [_, ..] => Found::Many,
    })
}

/// Keeps the files of a snapshot, in place of those it was kept with.
fn keep(change: &Transaction<'_>, digest: Digest, sources: &Sources) -> Result<(), Fault> {
    let snapshot = digest.to_string();
    change.execute("DELETE FROM files WHERE snapshot = ?1", [&snapshot])?;
    let mut known = change.prepare_cached("SELECT 1 FROM texts WHERE digest = ?1")?;
    let mut text = change.prepare_cached("INSERT INTO texts VALUES (?1, ?2)")?;
    let mut file = change.prepare_cached("INSERT OR REPLACE INTO files VALUES (?1, ?2, ?3)")?;
    for source in all(sources) {
        let name = named(&source.text);
        if !known.exists([&name])? {
            text.execute(params![name, packed(&source.text)?])?;
        }
        file.execute(params![snapshot, source.path, name])?;
    }
    Ok(())
}

/// Forgets the oldest, and what nothing names any more.
fn forget(change: &Transaction<'_>) -> Result<(), Fault> {
    let (turns, staged) = (count(TURNS_KEPT), count(STAGED_KEPT));
    change.execute("DELETE FROM turns WHERE seq <= (SELECT max(seq) FROM turns) - ?1", [turns])?;
    change.execute(
        "DELETE FROM candidates WHERE seq NOT IN (SELECT seq FROM candidates ORDER BY seq DESC LIMIT ?1)",
        [staged],
    )?;
    change.execute(
        "DELETE FROM files WHERE snapshot NOT IN (SELECT snapshot FROM turns UNION SELECT parent FROM turns \
            WHERE parent IS NOT NULL UNION SELECT snapshot FROM candidates)",
        [],
    )?;
    change.execute("DELETE FROM texts WHERE digest NOT IN (SELECT text FROM files)", [])?;
    Ok(())
}

/// Adds a turn: one that is done, or the one that is begun.
fn insert_turn(change: &Transaction<'_>, turn: &Turn, done: bool) -> Result<(), Fault> {
    change.execute(
        "INSERT INTO turns (snapshot, parent, at_us, author, reason, how, change, done) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            turn.digest.to_string(),
            turn.parent.map(|parent| parent.to_string()),
            turn.at_us,
            turn.author,
            turn.reason,
            turn.how.word(),
            written(&turn.change),
            done
        ],
    )?;
    Ok(())
}

fn turn_of(row: &Row<'_>) -> rusqlite::Result<Turn> {
    let parent: Option<String> = row.get(1)?;
    let word: String = row.get(5)?;
    let how = How::ALL.iter().find(|(known, _)| *known == word).map(|(_, how)| *how);
    Ok(Turn {
        digest: digest_of(row, 0)?,
        parent: parent.map(|_| digest_of(row, 1)).transpose()?,
        at_us: row.get(2)?,
        author: row.get(3)?,
        reason: row.get(4)?,
        how: how.ok_or_else(|| unread(5, format!("`{word}` is no way to come in force")))?,
        change: change_of(row, 6)?,
    })
}

fn digest_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let text: String = row.get(column)?;
    text.parse().map_err(|e| unread(column, e))
}

fn change_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Change> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|e| unread(column, e))
}

fn unread(column: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

/// A change as it is kept. It has a JSON form, whatever its names are.
fn written(change: &Change) -> String {
    serde_json::to_string(change).unwrap_or_else(|_| "{}".to_owned())
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn named(text: &str) -> String {
    Digest::of_bytes(text.as_bytes()).to_string()
}

fn packed(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

fn unpacked(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    ZlibDecoder::new(bytes).read_to_string(&mut text).ok()?;
    Some(text)
}
