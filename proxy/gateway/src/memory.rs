//! What is known of memory servers' entries, on disk: provenance alone, never a value.
//!
//! A file of its own beside the ledger, which is an audit record that is only ever added to. One thread writes, in the
//! order changes are handed over. The pipeline keeps all of it in memory and reads it here only when the gate starts.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use anyhow::Context as _;
use pdp::flow::memory::{Place, Provenance};
use pep::Memories;
use pep::ports::{BoxFuture, Memory, MemoryChange, MemoryFault};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::kept::{Mark, opened};

/// How many changes may wait for the disk.
const QUEUE_MAX: usize = 4096;
/// How many entries the gate keeps account of. Each takes some 300 bytes of memory.
const ENTRIES_MAX: usize = 100_000;

/// Its application id is "WGMY" in ASCII.
const MARK: Mark = Mark { application: 0x5747_4d59, version: 1, table: TABLE };

const TABLE: &str = "
CREATE TABLE entries (
    server     TEXT NOT NULL,
    scope      TEXT NOT NULL,
    key        TEXT NOT NULL,
    provenance TEXT NOT NULL,
    PRIMARY KEY (server, scope, key)
) STRICT, WITHOUT ROWID;
";

/// Opens what is known of the entries of memory servers, in this data directory.
///
/// # Errors
/// When the file cannot be used.
pub async fn open(data: &Path) -> anyhow::Result<Memories> {
    let path = data.join("memory.db");
    let (store, kept) = tokio::task::spawn_blocking(move || SqliteMemory::open(&path)).await??;
    Ok(Memories::new(Arc::new(store), kept, ENTRIES_MAX))
}

/// A change, and who waits for it.
struct Order {
    changes: Vec<MemoryChange>,
    told: Option<oneshot::Sender<Result<(), MemoryFault>>>,
}

/// The file, open for one gate.
#[derive(Debug)]
pub struct SqliteMemory {
    /// Nothing once it is closed.
    orders: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<()>>,
}

impl SqliteMemory {
    /// Opens the file, making it where there is none. Answers it and what was kept in it.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(path: &Path) -> anyhow::Result<(Self, Vec<(Place, Provenance)>)> {
        let connection =
            opened(path, &MARK).with_context(|| format!("the memory's file {} cannot be used", path.display()))?;
        let kept = kept(&connection).with_context(|| {
            format!(
                "the memory's file {} cannot be read; without it what was written is untrusted: move it away",
                path.display()
            )
        })?;
        let (orders, taken) = sync_channel(QUEUE_MAX);
        let path = path.to_owned();
        let writer =
            std::thread::Builder::new().name("memory".to_owned()).spawn(move || write(connection, &taken, &path))?;
        Ok((Self { orders: Some(orders), writer: Some(writer) }, kept))
    }

    fn order(&self, order: Order) -> Result<(), MemoryFault> {
        let Some(orders) = &self.orders else { return Err(MemoryFault::Broken("it is closed".to_owned())) };
        orders.try_send(order).map_err(|fault| match fault {
            TrySendError::Full(_) => MemoryFault::Busy,
            TrySendError::Disconnected(_) => MemoryFault::Broken("its writer has ended".to_owned()),
        })
    }
}

impl Memory for SqliteMemory {
    fn keep(&self, changes: Vec<MemoryChange>) -> BoxFuture<'_, Result<(), MemoryFault>> {
        if changes.is_empty() {
            return Box::pin(std::future::ready(Ok(())));
        }
        let (told, done) = oneshot::channel();
        let ordered = self.order(Order { changes, told: Some(told) });
        Box::pin(async move {
            ordered?;
            done.await.unwrap_or_else(|_| Err(MemoryFault::Broken("its writer has ended".to_owned())))
        })
    }

    fn settle(&self, changes: Vec<MemoryChange>) {
        if let Err(fault) = self.order(Order { changes, told: None }) {
            tracing::warn!("what is known of a memory's entries stays stricter than it need be: {fault}");
        }
    }
}

impl Drop for SqliteMemory {
    fn drop(&mut self) {
        self.orders.take();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the memory's writer did not end well");
        }
    }
}

fn kept(connection: &Connection) -> anyhow::Result<Vec<(Place, Provenance)>> {
    let mut statement = connection.prepare("SELECT server, scope, key, provenance FROM entries")?;
    let rows = statement.query_map([], |row| {
        let place = Place { server: row.get(0)?, scope: row.get(1)?, key: row.get(2)? };
        Ok((place, row.get::<_, String>(3)?))
    })?;
    rows.map(|row| {
        let (place, text) = row?;
        let provenance = serde_json::from_str(&text).with_context(|| format!("the entry `{}`", place.key))?;
        Ok((place, provenance))
    })
    .collect()
}

/// Writes until nobody is left to order anything.
fn write(mut connection: Connection, orders: &Receiver<Order>, path: &Path) {
    while let Ok(first) = orders.recv() {
        // Whatever waits goes with it: one commit for all.
        let mut group = vec![first];
        group.extend(orders.try_iter().take(QUEUE_MAX));
        let written = apply(&mut connection, &group);
        if let Err(fault) = &written {
            tracing::error!(%fault, path = %path.display(), "what is known of memory entries could not be written");
        }
        for told in group.into_iter().filter_map(|order| order.told) {
            let told_nobody =
                told.send(written.as_ref().map(|_| ()).map_err(|fault| MemoryFault::Broken(fault.to_string())));
            drop(told_nobody);
        }
    }
}

fn apply(connection: &mut Connection, group: &[Order]) -> rusqlite::Result<()> {
    let change = connection.transaction()?;
    for (place, provenance) in group.iter().flat_map(|order| &order.changes) {
        let Place { server, scope, key } = place;
        match provenance {
            Some(provenance) => {
                let text =
                    serde_json::to_string(provenance).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
                change
                    .prepare_cached(
                        "INSERT OR REPLACE INTO entries (server, scope, key, provenance) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![server, scope, key, text])?;
            }
            None => {
                change
                    .prepare_cached("DELETE FROM entries WHERE server = ?1 AND scope = ?2 AND key = ?3")?
                    .execute(params![server, scope, key])?;
            }
        }
    }
    change.commit()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]
    use pdp::flow::Carried;
    use pdp::label::Readers;

    use super::*;

    fn place(key: &str) -> Place {
        Place { server: "notes".to_owned(), scope: "s".to_owned(), key: key.to_owned() }
    }

    fn written(record: u64) -> Provenance {
        Provenance {
            carried: Carried {
                labels: ["untrusted"].into_iter().collect(),
                readers: Readers::only(["ann".to_owned()]),
            },
            owner: "ann".to_owned(),
            task: "task-1".to_owned(),
            trace: "a".repeat(32),
            record,
            written_us: 7,
            expires_us: Some(9),
        }
    }

    #[tokio::test]
    async fn what_was_kept_is_there_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/memory.db");
        let (memory, kept) = SqliteMemory::open(&path).unwrap();
        assert_eq!(kept, []);
        memory.keep(vec![(place("a"), Some(written(1))), (place("b"), Some(written(2)))]).await.unwrap();
        memory.settle(vec![(place("a"), Some(written(3))), (place("b"), None)]);
        drop(memory);
        let (memory, kept) = SqliteMemory::open(&path).unwrap();
        assert_eq!(kept, [(place("a"), written(3))]);
        drop(memory);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn another_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
        let told = format!("{:#}", SqliteMemory::open(&path).unwrap_err());
        assert!(told.contains("a database of something else"), "{told}");
    }
}
