//! What the stages ask of the outside world. Adapters live in the gateway; fakes in the tests.

use std::collections::BTreeSet;
use std::fmt::{self, Debug};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pdp::approval::{Identity, Shown};
use pdp::flow::memory::{Place, Provenance};
use pdp::principal::Principal;
use pdp::record::{DecisionNote, Entry};
use pdp::registry::{Server, Tool};
use pdp::snapshot::Snapshot;
use tokio::sync::Semaphore;

use crate::approval::Slips;
use crate::channel::Channels;
use crate::effect::Quarantine;
use crate::memories::Memories;
use crate::reply::Answer;
use crate::stages::s7_action::{Dispatch, Secret};
use crate::stages::s8_outcome::Raw;
use crate::task::{Task, Tasks};
use crate::trace::Propagation;

/// A future of a port: boxed, since ports are few and bound by the network or the disk.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The whole gate, as the pipeline sees it. Only intake is handed the snapshot store; the other stages get [`Ports`].
#[derive(Debug)]
pub struct Gate {
    /// Where the current snapshot is read.
    pub snapshots: Arc<dyn Snapshots>,
    /// Everything else.
    pub ports: Ports,
}

/// What stages other than intake may ask.
#[derive(Debug)]
pub struct Ports {
    /// The only reader of time.
    pub clock: Arc<dyn Clock>,
    /// The only source of randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The durable record.
    pub ledger: Arc<dyn Ledger>,
    /// The servers.
    pub upstream: Arc<dyn Upstream>,
    /// The secrets.
    pub vault: Arc<dyn Vault>,
    /// The people.
    pub approvals: Arc<dyn Approvals>,
    /// The halt switch, read live.
    pub halt: Arc<dyn Halt>,
    /// What goes on when nobody waits for it any more.
    pub background: Arc<dyn Background>,
    /// The open tasks.
    pub tasks: Tasks,
    /// The open channels.
    pub channels: Channels,
    /// The results that are withheld.
    pub quarantine: Quarantine,
    /// What is known of the entries of memory servers.
    pub memories: Memories,
    /// How many requests may be under way.
    pub slots: Arc<Semaphore>,
    /// How many may wait for people beside them.
    pub held: Arc<Semaphore>,
    /// What clients hold whose calls wait for people without them.
    pub slips: Slips,
    /// The other bounds.
    pub limits: Limits,
    /// Which trace context is passed on.
    pub propagation: Propagation,
}

/// Bounds of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep a message may nest.
    pub depth_max: usize,
    /// How many bytes of arguments a record keeps.
    pub arguments_bytes_max: usize,
    /// How old a tool listing may be before the server is asked again, in microseconds.
    pub listing_age_us_max: i64,
    /// How long a stream may be silent before the gate gives it up, in milliseconds.
    pub stream_idle_ms_max: u64,
    /// How many pages of a tool listing are read.
    pub listing_pages_max: usize,
    /// How many bytes of hashes a task keeps of what it has read, to tell where arguments came from.
    pub origin_bytes_max: usize,
    /// How long a call is held while people decide, for a client that sees no progress, in milliseconds.
    pub hold_ms: u64,
    /// And for one that asked for progress and is told every few seconds that its call waits.
    pub hold_progress_ms: u64,
}

impl Limits {
    /// The defaults the documentation names.
    pub const STANDARD: Self = Self {
        depth_max: 64,
        arguments_bytes_max: 16 * 1024,
        listing_age_us_max: 300 * 1_000_000,
        stream_idle_ms_max: 30 * 60 * 1000,
        listing_pages_max: 64,
        origin_bytes_max: pdp::origin::BYTES_MAX,
        hold_ms: 45_000,
        hold_progress_ms: 540_000,
    };
}

/// Holds the current snapshot.
pub trait Snapshots: Send + Sync + Debug {
    /// The snapshot in force now.
    fn current(&self) -> Arc<Snapshot>;
}

/// Tells the time.
pub trait Clock: Send + Sync + Debug {
    /// Microseconds since 1970-01-01T00:00Z; never goes backwards within one process.
    fn now_us(&self) -> i64;
}

/// Runs what must come to its end also when whoever asked for it is gone.
pub trait Background: Send + Sync + Debug {
    /// Begins it, and waits for nothing.
    fn run(&self, work: BoxFuture<'static, ()>);
}

/// Makes unguessable bytes.
pub trait Entropy: Send + Sync + Debug {
    /// Sixteen of them.
    fn bytes(&self) -> [u8; 16];
}

/// Keeps what happened.
pub trait Ledger: Send + Sync + Debug {
    /// The number of the next frame: ascending, never used twice, also not after a restart.
    fn number(&self) -> u64;

    /// Hands an entry over without waiting for the disk. Never blocks; called from `Drop`.
    ///
    /// # Errors
    /// When the ledger is closed, broken, or its queue is full.
    fn append(&self, entry: Entry) -> Result<(), LedgerFault>;

    /// Appends and waits until the entry is durable.
    fn commit(&self, entry: Entry) -> BoxFuture<'_, Result<(), LedgerFault>>;

    /// Whether entries can be taken now.
    ///
    /// # Errors
    /// Why not.
    fn health(&self) -> Result<(), LedgerFault>;
}

/// Why the ledger cannot take an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerFault {
    /// The queue is full: the disk does not keep up.
    #[error("its queue is full")]
    Full,
    /// It was closed for shutdown.
    #[error("it is closed")]
    Closed,
    /// Writing failed.
    #[error("writing failed: {0}")]
    Broken(String),
}

/// Sends to servers. Takes a [`Dispatch`], which only the action stage can make, or an [`Answer`], which only the audit
/// stage can.
pub trait Upstream: Send + Sync + Debug {
    /// Makes one attempt, and answers as soon as the server does.
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Raw, SendFault>>;

    /// Tells a server that its own request was refused.
    fn answer(&self, answer: Answer) -> BoxFuture<'_, ()>;
}

/// Why an attempt gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendFault {
    /// Certainly nothing was sent.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// Something was sent, and the answer was lost.
    #[error("the answer was lost: {0}")]
    Lost(String),
    /// The server knows no such session.
    #[error("the server knows no such session")]
    NoSession,
    /// The server needs a session and the call names none.
    #[error("the server needs a session")]
    NeedsSession,
    /// The client cancelled the call; the attempt was dropped.
    #[error("the client cancelled the call")]
    Cancelled,
    /// Too much is under way with this server; nothing was sent.
    #[error("too much is under way with this server")]
    Busy,
}

/// What becomes of what is known of one entry: this, or nothing is known any more.
pub type MemoryChange = (Place, Option<Provenance>);

/// Keeps what is known of the entries of memory servers, over a restart too. Changes are kept in the order they are
/// handed over.
pub trait Memory: Send + Sync + Debug {
    /// Keeps changes, which are handed over by the call itself; they are durable when the future is done.
    fn keep(&self, changes: Vec<MemoryChange>) -> BoxFuture<'_, Result<(), MemoryFault>>;

    /// Keeps changes without waiting. What they replace is stricter, so nothing is laxer for one that is lost.
    fn settle(&self, changes: Vec<MemoryChange>);
}

/// Why nothing more can be kept of a memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryFault {
    /// There are as many entries as the gate keeps account of.
    #[error("{0} entries are kept account of, and there is no room for more; delete some, through the gate")]
    Full(usize),
    /// Too many changes wait for the disk.
    #[error("its queue is full")]
    Busy,
    /// Writing failed.
    #[error("writing failed: {0}")]
    Broken(String),
}

/// Lends secrets.
pub trait Vault: Send + Sync + Debug {
    /// The secret for this server, or nothing where it needs none.
    fn lend<'a>(&'a self, server: &'a Server) -> BoxFuture<'a, Result<Option<Lent>, String>>;
}

/// A secret and the name it is recorded by.
#[derive(Debug)]
pub struct Lent {
    /// The secret.
    pub secret: Secret,
    /// What the record says, such as `env:GITHUB_TOKEN`.
    pub reference: String,
}

/// Asks people, out of band: nothing here can be reached from an agent's channel.
pub trait Approvals: Send + Sync + Debug {
    /// Whether people were asked for the same call already: then asking is no further question to them.
    fn knows(&self, hold: &Hold) -> bool;

    /// Puts a call to people, or finds what they said of the same call before, and waits at most so long for their word.
    /// What is granted is spent by it, durably, when this answers.
    fn ask<'a>(&'a self, hold: &'a Hold, patience: Duration) -> BoxFuture<'a, Verdict>;

    /// Takes back what was granted to a call that was not made after all. Never blocks; called from `Drop`.
    fn give_back(&self, id: &str, number: u64);
}

/// A call that needs people: everything they are shown, and everything its approval binds.
#[derive(Clone)]
pub struct Hold {
    /// The frame's number.
    pub number: u64,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// What its client calls itself, which nobody has verified; empty where it did not say.
    pub client: String,
    /// In which task.
    pub task: Arc<Task>,
    /// Of which server.
    pub server: Arc<Server>,
    /// Which tool; nothing for a method.
    pub tool: Option<Arc<Tool>>,
    /// What a method acts on, as policies see it; empty for a tool.
    pub target: String,
    /// The call itself.
    pub identity: Identity,
    /// What is shown with it.
    pub shown: Shown,
    /// The decision as it is recorded, by which it can be judged again.
    pub decision: DecisionNote,
}

// Written by hand: a derived `Debug` would print arguments into logs.
impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { server, action, .. } = &self.identity;
        write!(f, "Hold({}, {server} {action}, {:?})", self.number, self.shown.grants)
    }
}

/// What people said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Grants were given, for this one call; it is judged again with them.
    Granted(Given),
    /// Somebody said no, now or to the same call before, with a reason for the agent.
    Refused(String),
    /// Nobody has decided within the time; the same call finds the decision later.
    Pending(Pending),
    /// What was asked for is out of date, for this reason: the call is judged again as things are now.
    Overtaken(String),
    /// Nobody decided in time; the same call is put to people anew.
    Expired,
    /// Too much waits already, for this reason.
    Full(String),
    /// There is nobody to ask.
    Nobody,
}

/// What was given to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The approval's id.
    pub id: String,
    /// The grants.
    pub grants: BTreeSet<String>,
    /// The keys of those who gave them.
    pub by: BTreeSet<String>,
}

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id, which names it and opens nothing.
    pub id: String,
    /// Where people find it.
    pub url: String,
    /// Until when it can be decided, in microseconds since 1970-01-01T00:00Z.
    pub until_us: i64,
}

/// The halt switch.
pub trait Halt: Send + Sync + Debug {
    /// Why nothing may be done now for this principal, task and server; nothing where all may go on.
    fn reason(&self, principal: &Principal, task: &str, server: &str) -> Option<String>;
}
