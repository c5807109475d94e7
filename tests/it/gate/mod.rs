//! A real gate in this process, on free ports, with a bundle, principals and a ledger of its own, between real sockets
//! and real processes. Nothing in it is a fake but the servers behind it, which are scripted.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]
#![expect(
    dead_code,
    reason = "the fixture knows what a client and a server may do; the tests do not use all of it yet"
)]

pub(crate) mod bundle;
pub(crate) mod child;
pub(crate) mod client;
pub(crate) mod events;
pub(crate) mod server;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::assemble::{self, Environment, Running};
use gateway::auth::token_digest;
use gateway::config::{Config, Overrides};
use gateway::ledger::{Filter, Reader};
use gateway::telemetry::settings;
use pdp::record::{Entry, Event, Record};
use tempfile::TempDir;

use bundle::Bundle;

/// A test that waits longer than this hangs.
pub(crate) const HANGS: Duration = Duration::from_secs(60);

/// The token of the agent `ada`, of tenant `default`, on the team `clerks`.
pub(crate) const ADA: &str = "token-of-ada-5b1c86d0f7";
/// The token of the agent `bob`.
pub(crate) const BOB: &str = "token-of-bob-0c9f61aa42";
/// Tokens by role on the control plane.
pub(crate) const ROLES: [(&str, &str); 5] = [
    ("viewer", "token-of-a-viewer-77ab01"),
    ("member", "token-of-a-member-13d9c4"),
    ("operator", "token-of-an-operator-e0b7"),
    ("approver", "token-of-an-approver-9ff2"),
    ("admin", "token-of-an-admin-4c41d8"),
];
/// The operator's token.
pub(crate) const OPERATOR: &str = ROLES[2].1;

/// A running gate and where everything of it lies.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) running: Running,
    pub(crate) folder: TempDir,
}

/// A folder in memory where the system has one: what these tests hold is not the disk, and waiting for it is most of
/// their time.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// The token of an admin of another tenant, `acme`: they may do everything, and nothing here is theirs.
pub(crate) const STRANGER: &str = "token-of-a-stranger-0ff1ce";

/// The principals' part of a configuration.
pub(crate) fn principals() -> String {
    let mut text = String::new();
    let hex = |token: &str| token_digest(token).iter().map(|b| format!("{b:02x}")).collect::<String>();
    for (name, token) in [("ada", ADA), ("bob", BOB)] {
        write!(text, "[[principals]]\nagent = \"{name}\"\nteams = [\"clerks\"]\ntoken_sha256 = \"{}\"\n", hex(token))
            .unwrap();
    }
    for (role, token) in ROLES {
        write!(text, "[[principals]]\nagent = \"a-{role}\"\nroles = [\"{role}\"]\ntoken_sha256 = \"{}\"\n", hex(token))
            .unwrap();
    }
    let stranger = "agent = \"stranger\"\ntenant = \"acme\"\nroles = [\"admin\"]\n";
    write!(text, "[[principals]]\n{stranger}token_sha256 = \"{}\"\n", hex(STRANGER)).unwrap();
    text
}

/// Writes a bundle and a configuration into a folder: `more` stands before the principals.
pub(crate) fn lay_out(folder: &Path, bundle: &Bundle, more: &str) -> PathBuf {
    bundle.write(folder);
    let file = folder.join("wicketgate.toml");
    let head = "listen = \"127.0.0.1:0\"\npolicies = \"policies\"\nregistry = \"registry\"\ndata = \"state\"\n";
    // Nobody decides here unless a test says so: no call waits for them.
    let asking = if more.contains("[approvals]") { "" } else { "[approvals]\nhold_s = 0\nhold_progress_s = 0\n" };
    let control = "[control]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&file, format!("{head}{more}\n{asking}{control}{}", principals())).unwrap();
    file
}

impl Gate {
    /// Starts a gate with the default limits, save that failed credentials are not held against this one address.
    pub(crate) async fn start(bundle: &Bundle) -> Self {
        Self::start_with(bundle, "limits = { failures_per_minute_max = 100000, child_grace_ms = 300 }").await
    }

    /// Starts a gate with more lines in its configuration.
    pub(crate) async fn start_with(bundle: &Bundle, more: &str) -> Self {
        Self::start_under(bundle, more, &[]).await
    }

    /// Starts a gate with more lines in its configuration and these `OTEL_*` variables.
    pub(crate) async fn start_under(bundle: &Bundle, more: &str, variables: &[(&str, &str)]) -> Self {
        let folder = folder();
        lay_out(folder.path(), bundle, more);
        Self::start_in(folder, variables).await
    }

    /// Starts a gate on what lies in this folder.
    async fn start_in(folder: TempDir, variables: &[(&str, &str)]) -> Self {
        let file = folder.path().join("wicketgate.toml");
        let config = Config::read(Some(&file), &Overrides::default()).unwrap();
        let all = [("OTEL_TRACES_EXPORTER", "none")];
        let value = |name: &str| all.iter().chain(variables).find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let (telemetry, _) = settings::read(value);
        let (running, generated) = assemble::start(&config, Environment { telemetry, token: None }).await.unwrap();
        assert_eq!(generated, None);
        Self { running, folder }
    }

    /// Ends the gate and starts it again on what it left.
    pub(crate) async fn again(self) -> Self {
        let Self { running, folder } = self;
        tokio::time::timeout(HANGS, running.close()).await.expect("a gate that is asked to stop stops");
        Self::start_in(folder, &[]).await
    }

    /// Ends this gate and starts one on its bundle and configuration, with what is kept in another's folder.
    pub(crate) async fn with_state_of(self, other: TempDir) -> Self {
        let Self { running, folder } = self;
        tokio::time::timeout(HANGS, running.close()).await.expect("a gate that is asked to stop stops");
        std::fs::remove_dir_all(folder.path().join("state")).unwrap();
        std::fs::rename(other.path().join("state"), folder.path().join("state")).unwrap();
        Self::start_in(folder, &[]).await
    }

    /// Where agents connect.
    pub(crate) fn at(&self) -> SocketAddr {
        self.running.address
    }

    /// Where operators connect.
    pub(crate) fn control(&self) -> SocketAddr {
        self.running.control
    }

    /// Where the ledger lies.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.path().join("state/ledger.db")
    }

    /// Every entry that is durable now.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        entries(&self.ledger())
    }

    /// Every record that is durable now.
    pub(crate) fn records(&self) -> Vec<Record> {
        records(self.entries())
    }

    /// Waits for a record.
    pub(crate) async fn record(&self, what: &str, wanted: impl Fn(&Record) -> bool) -> Record {
        until(what, || self.records().into_iter().find(|record| wanted(record))).await
    }

    /// Waits for the record of this number.
    pub(crate) async fn numbered(&self, number: u64) -> Record {
        let reader = Reader::open(&self.ledger()).unwrap();
        let found = || {
            let entries = reader.by_number(number).unwrap();
            records(entries.into_iter().map(|(_, entry)| entry).collect()).pop()
        };
        until(&format!("record {number}"), found).await
    }

    /// Ends the gate, and reads its ledger.
    pub(crate) async fn close(self) -> Vec<Entry> {
        let ledger = self.ledger();
        let closing = tokio::time::timeout(HANGS, self.running.close()).await;
        closing.expect("a gate that is asked to stop stops");
        entries(&ledger)
    }
}

/// Every entry of a ledger, in the order of time.
pub(crate) fn entries(ledger: &Path) -> Vec<Entry> {
    let reader = Reader::open(ledger).unwrap();
    let all = reader.query(&Filter { limit: 1_000_000, ..Filter::default() }).unwrap();
    all.into_iter().map(|(_, entry)| entry).collect()
}

/// The records among entries.
pub(crate) fn records(entries: Vec<Entry>) -> Vec<Record> {
    let each = entries.into_iter().filter_map(|entry| match entry {
        Entry::Record(record) => Some(std::sync::Arc::unwrap_or_clone(record)),
        Entry::Intent(_) | Entry::Event(_) | Entry::Said(_) => None,
    });
    each.collect()
}

/// The events among entries.
pub(crate) fn events(entries: Vec<Entry>) -> Vec<Event> {
    let each = entries.into_iter().filter_map(|entry| match entry {
        Entry::Event(event) => Some(event),
        Entry::Intent(_) | Entry::Record(_) | Entry::Said(_) => None,
    });
    each.collect()
}

/// Waits until there is something, asking again and again.
pub(crate) async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = found() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(HANGS, wait).await.unwrap_or_else(|_| panic!("{what}: it never came"))
}
