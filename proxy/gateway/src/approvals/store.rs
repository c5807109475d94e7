//! Requests on disk: one row each, written whole by one thread in the order of the steps, so that what was granted or spent
//! before a crash is so after it.
//!
//! A file of its own beside the ledger, which is an audit record that is only ever added to. It holds what is needed to go
//! on, never a value that the registry calls sensitive.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::kept::{Mark, opened};

/// How many steps may wait for the disk.
const QUEUE_MAX: usize = 65_536;

/// Its application id is "WGAP" in ASCII.
const MARK: Mark = Mark { application: 0x5747_4150, version: 1, table: TABLE };

const TABLE: &str = "
CREATE TABLE requests (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Why a step is not durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeepFault {
    /// Too much waits for the disk.
    #[error("the queue to the approvals' file is full: the disk does not keep up")]
    Busy,
    /// Writing failed.
    #[error("the approvals' file cannot be written: {0}")]
    Broken(String),
}

/// Whether a step became durable.
pub(super) type Kept = oneshot::Receiver<Result<(), KeepFault>>;

/// A row as it is from now on; nothing where it goes.
struct Order {
    id: String,
    body: Option<String>,
    told: oneshot::Sender<Result<(), KeepFault>>,
}

/// The file, open for one gate.
#[derive(Debug)]
pub(super) struct File {
    /// Nothing once it is closed.
    orders: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<()>>,
}

impl File {
    /// Opens the file, making it where there is none. Answers it and its rows.
    pub(super) fn open(path: &Path) -> anyhow::Result<(Self, Vec<String>)> {
        let connection =
            opened(path, &MARK).with_context(|| format!("the approvals' file {} cannot be used", path.display()))?;
        let rows = rows(&connection)
            .with_context(|| format!("the approvals' file {} cannot be read: move it away", path.display()))?;
        let (orders, taken) = sync_channel(QUEUE_MAX);
        let writer =
            std::thread::Builder::new().name("approvals".to_owned()).spawn(move || write(connection, &taken))?;
        Ok((Self { orders: Some(orders), writer: Some(writer) }, rows))
    }

    /// Orders a row to be written, or to go. Never blocks; rows are written in the order of these calls.
    pub(super) fn keep(&self, id: &str, body: Option<String>) -> Kept {
        let (told, kept) = oneshot::channel();
        let order = Order { id: id.to_owned(), body, told };
        let refused = match &self.orders {
            None => Some((order, KeepFault::Broken("it is closed".to_owned()))),
            Some(orders) => match orders.try_send(order) {
                Ok(()) => None,
                Err(TrySendError::Full(order)) => Some((order, KeepFault::Busy)),
                Err(TrySendError::Disconnected(order)) => {
                    Some((order, KeepFault::Broken("its writer has ended".to_owned())))
                }
            },
        };
        if let Some((order, fault)) = refused {
            tell(order, Err(fault));
        }
        kept
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.orders.take();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of approvals did not end well");
        }
    }
}

/// Waits until a step is durable.
pub(super) async fn durable(kept: Kept) -> Result<(), KeepFault> {
    kept.await.unwrap_or_else(|_| Err(KeepFault::Broken("its writer has ended".to_owned())))
}

/// Whoever ordered it may be gone.
fn tell(order: Order, fate: Result<(), KeepFault>) {
    drop(order.told.send(fate));
}

fn rows(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT body FROM requests")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Writes until nobody is left to order anything.
fn write(mut connection: Connection, orders: &Receiver<Order>) {
    while let Ok(first) = orders.recv() {
        // Whatever waits goes with it: one commit for all.
        let mut group = vec![first];
        group.extend(orders.try_iter().take(QUEUE_MAX));
        let written = apply(&mut connection, &group).map_err(|fault| KeepFault::Broken(fault.to_string()));
        if let Err(fault) = &written {
            tracing::error!("{fault}");
        }
        group.into_iter().for_each(|order| tell(order, written.clone()));
    }
}

fn apply(connection: &mut Connection, group: &[Order]) -> rusqlite::Result<()> {
    // Of several steps of one request the last says all.
    let last: BTreeMap<&str, Option<&str>> = group.iter().map(|o| (o.id.as_str(), o.body.as_deref())).collect();
    let change = connection.transaction()?;
    for (id, body) in last {
        match body {
            Some(body) => change
                .prepare_cached("INSERT OR REPLACE INTO requests (id, body) VALUES (?1, ?2)")?
                .execute(params![id, body])?,
            None => change.prepare_cached("DELETE FROM requests WHERE id = ?1")?.execute(params![id])?,
        };
    }
    change.commit()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]
    use super::*;

    #[tokio::test]
    async fn the_last_step_of_each_request_is_there_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/approvals.db");
        let (file, rows) = File::open(&path).unwrap();
        assert!(rows.is_empty());
        durable(file.keep("a", Some("1".to_owned()))).await.unwrap();
        drop(file.keep("b", Some("1".to_owned())));
        drop(file.keep("a", Some("2".to_owned())));
        durable(file.keep("b", None)).await.unwrap();
        drop(file);
        let (file, rows) = File::open(&path).unwrap();
        assert_eq!(rows, ["2"]);
        drop(file);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn another_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("approvals.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
        let told = format!("{:#}", File::open(&path).unwrap_err());
        assert!(told.contains("a database of something else"), "{told}");
    }
}
