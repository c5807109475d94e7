//! A database of the gate's own beside the ledger: one file, one table, marked as ours, for its owner's eyes alone. It knows
//! nothing of what is kept.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

/// How long a statement waits for another process's hold on the file.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// What a database is known by.
pub(crate) struct Mark {
    /// Marks the file as ours, in `PRAGMA application_id`.
    pub(crate) application: i64,
    /// The version of the table, in `PRAGMA user_version`.
    pub(crate) version: i64,
    /// What makes the table.
    pub(crate) table: &'static str,
}

/// Opens a file, making it where there is none.
///
/// # Errors
/// When it cannot be used, is something else's, or of a version that is not known yet.
pub(crate) fn opened(path: &Path, mark: &Mark) -> anyhow::Result<Connection> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // It may hold what a person would not tell everybody; SQLite gives its journal the same rights.
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let Mark { application: ours, version: known, table } = *mark;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_MAX)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if application == ours && version > known {
        anyhow::bail!("it has version {version} of its table, and this version of Wicketgate knows {known}");
    }
    if application == 0 && tables == 0 {
        let change = connection.transaction()?;
        change.execute_batch(table)?;
        change.pragma_update(None, "application_id", ours)?;
        change.pragma_update(None, "user_version", known)?;
        change.commit()?;
    } else if application != ours || tables == 0 {
        anyhow::bail!("it is a database of something else: move it away");
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}
