//! A whole pipeline over ports that are as simple as can be, made anew for each input, so that an input shows the same
//! again: a still clock, counted randomness, a ledger in memory, and a server that says what the input says.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::principal::Principal;
use pdp::record::{Entry, Record};
use pdp::registry::Server;
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::{
    Approvals, BoxFuture, Clock, Entropy, Gate, Halt, Hold, Ledger, LedgerFault, Lent, Limits, Ports, SendFault,
    Snapshots, Upstream, Vault, Verdict,
};
use pep::{Answer, Body, Caller, Channels, Dispatch, Frame, Memories, Outbound, Propagation, Raw, Tasks};
use tokio::sync::Semaphore;

/// The input schema of the one tool.
const SCHEMA: &str = r#"{"type":"object","properties":{"text":{"type":"string"},"n":{"type":"integer"}}}"#;
/// What may be done: everything.
const LAW: &str = r#"@id("all") permit (principal, action, resource);"#;

/// The tool's definition, as the server lists it.
pub(super) fn definition(name: &str, schema: &str) -> String {
    format!(r#"{{"name":"{name}","inputSchema":{schema}}}"#)
}

/// The files of a registry with one server, `s`, and one reviewed tool, `t`.
pub(super) fn registry(schema: &str) -> Vec<SourceFile> {
    let definition = definition("t", schema);
    // A definition that is no JSON has no digest; the loader says so.
    let pin = Digest::of_json(&definition).unwrap_or_else(|_| Digest::of_bytes(b""));
    let server = format!(
        "name = \"s\"\nlabels = [\"untrusted\"]\nopen = [\"resources\", \"prompts\", \"completion\", \"logging\", \
         \"sampling\", \"elicitation\", \"roots\", \"tasks\"]\n[transport]\nkind = \"http\"\nurl = \"https://s.test/mcp\"\n\
         [tools.t]\neffect = [\"write\"]\npin = \"{pin}\"\nreviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n"
    );
    vec![
        SourceFile { path: "servers/s.toml".to_owned(), text: server },
        SourceFile { path: "servers/s.tools.json".to_owned(), text: format!("[{definition}]") },
    ]
}

/// The policies as a file.
pub(super) fn policies(text: &str) -> Vec<SourceFile> {
    vec![SourceFile { path: "all.cedar".to_owned(), text: text.to_owned() }]
}

fn snapshot() -> Arc<Snapshot> {
    static BUILT: OnceLock<Arc<Snapshot>> = OnceLock::new();
    let build = || Arc::new(Snapshot::build(&Sources { policies: policies(LAW), registry: registry(SCHEMA) }).unwrap());
    Arc::clone(BUILT.get_or_init(build))
}

/// A pipeline, and what it left behind.
pub(super) struct House {
    gate: Arc<Gate>,
    ledger: Arc<Memory>,
    server: Arc<Told>,
}

/// What came back to the client.
pub(super) struct Came {
    pub(super) status: u16,
    pub(super) text: String,
}

impl House {
    /// A pipeline whose server answers every tool call with this JSON-RPC body, where `{id}` stands for the id.
    pub(super) fn new(answer: &str) -> Self {
        let ledger = Arc::new(Memory::default());
        let server = Arc::new(Told { answer: answer.to_owned(), sent: Mutex::default() });
        let ports = Ports {
            clock: Arc::new(Still(AtomicI64::new(1_795_132_800_000_000))),
            entropy: Arc::new(Counted::default()),
            ledger: Arc::clone(&ledger) as _,
            upstream: Arc::clone(&server) as _,
            vault: Arc::new(Nothing),
            approvals: Arc::new(Nothing),
            halt: Arc::new(Nothing),
            background: Arc::new(gateway::background::Beside),
            tasks: Tasks::new(3_600_000_000, 8, true),
            quarantine: Default::default(),
            channels: Channels::new(8),
            memories: Memories::unkept(100),
            slots: Arc::new(Semaphore::new(8)),
            held: Arc::new(Semaphore::new(8)),
            slips: Default::default(),
            limits: Limits { depth_max: 16, ..Limits::STANDARD },
            propagation: Propagation::ALL,
        };
        let gate = Arc::new(Gate { snapshots: Arc::new(Fixed(snapshot())), ports });
        Self { gate, ledger, server }
    }

    /// Carries one message of the client's through the pipeline, with these headers.
    pub(super) fn carry(&self, headers: Vec<(String, String)>, body: &[u8]) -> Came {
        let principal = Principal {
            agent: "a".to_owned(),
            teams: Vec::new(),
            user: String::new(),
            tenant: "default".to_owned(),
            method: "token".to_owned(),
        };
        let caller = Caller { principal: Ok(principal.into()), address: None };
        let frame = Frame::message(caller, "s", None, headers, Bytes::copy_from_slice(body));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (status, _, body) = pep::run(frame, &self.gate).await.into_parts();
            let text = match body {
                Body::Json(text) => text,
                Body::Empty => String::new(),
                Body::Long(_) | Body::Stream(_) | Body::Held(_) | Body::ToServer(_) => {
                    panic!("the server streams nothing, and asks nothing")
                }
            };
            Came { status, text }
        })
    }

    /// What the server was sent, without the gate's own questions.
    pub(super) fn sent(&self) -> Vec<String> {
        self.server.sent.lock().unwrap().clone()
    }

    /// How many frames there were; each must have one record.
    pub(super) fn frames(&self) -> u64 {
        self.ledger.numbers.load(Ordering::Relaxed)
    }

    /// Every record so far.
    pub(super) fn records(&self) -> Vec<Record> {
        let entries = self.ledger.entries.lock().unwrap();
        let records = entries.iter().filter_map(|entry| match entry {
            Entry::Record(record) => Some((**record).clone()),
            Entry::Intent(_) | Entry::Event(_) | Entry::Said(_) => None,
        });
        records.collect()
    }
}

/// Says what it was told to say.
#[derive(Debug)]
struct Told {
    answer: String,
    sent: Mutex<Vec<String>>,
}

impl Upstream for Told {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Raw, SendFault>> {
        Box::pin(async move {
            let id = dispatch.id().unwrap_or("null").to_owned();
            let listing = dispatch.method() == Some("tools/list");
            let Outbound::Message(text) = dispatch.into_outbound() else { panic!("only messages are carried") };
            let own = text.contains("\"id\":\"wicketgate-list-");
            let body = if listing {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":[{}]}}}}"#, definition("t", SCHEMA))
            } else {
                self.answer.replacen("{id}", &id, 1)
            };
            if !own {
                self.sent.lock().unwrap().push(text);
            }
            Ok(Raw::whole(200, Vec::new(), Bytes::from(body)))
        })
    }

    fn answer(&self, _answer: Answer) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Keeps entries in memory.
#[derive(Debug, Default)]
struct Memory {
    numbers: AtomicU64,
    entries: Mutex<Vec<Entry>>,
}

impl Ledger for Memory {
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }
    fn append(&self, entry: Entry) -> Result<(), LedgerFault> {
        self.entries.lock().unwrap().push(entry);
        Ok(())
    }
    fn commit(&self, entry: Entry) -> BoxFuture<'_, Result<(), LedgerFault>> {
        Box::pin(std::future::ready(self.append(entry)))
    }
    fn health(&self) -> Result<(), LedgerFault> {
        Ok(())
    }
}

#[derive(Debug)]
struct Still(AtomicI64);

impl Clock for Still {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn bytes(&self) -> [u8; 16] {
        let mut out = [0xab; 16];
        out[..8].copy_from_slice(&(self.0.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes());
        out
    }
}

#[derive(Debug)]
struct Fixed(Arc<Snapshot>);

impl Snapshots for Fixed {
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0)
    }
}

/// No secrets, nobody to ask, never halted.
#[derive(Debug)]
struct Nothing;

impl Vault for Nothing {
    fn lend<'a>(&'a self, _server: &'a Server) -> BoxFuture<'a, Result<Option<Lent>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

impl Approvals for Nothing {
    fn knows(&self, _hold: &Hold) -> bool {
        false
    }

    fn ask<'a>(&'a self, _hold: &'a Hold, _patience: Duration) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(Verdict::Nobody))
    }

    fn give_back(&self, _id: &str, _number: u64) {}
}

impl Halt for Nothing {
    fn reason(&self, _principal: &Principal, _task: &str, _server: &str) -> Option<String> {
        None
    }
}
