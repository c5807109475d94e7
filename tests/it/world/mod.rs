//! The fixture: a whole gate over fake ports, and [`check`], which runs a script and compares what happened.

pub(crate) mod bundle;
pub(crate) mod fakes;
mod hosted;
mod script;
pub(crate) mod trail;
pub(crate) mod upstream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pdp::principal::Principal;
use pdp::refusal::{Code, Refusal};
use pdp::snapshot::Snapshot;
use pdp::task::Limits as Budget;
use pep::ports::{Gate, Limits, Ports};
use pep::{Body, Caller, Channels, Event, Frame, Key, Memories, Propagation, SlipBounds, Slips, Tasks};
use serde_json::Value;
use tokio::sync::Semaphore;

use fakes::{
    FakeApprovals, FakeClock, FakeEntropy, FakeHalt, FakeLedger, FakeSnapshots, FakeVault, Journal, Points, lock,
};
use upstream::FakeUpstream;

/// A gate, and a handle on everything around it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) gate: Arc<Gate>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) points: Arc<Points>,
    pub(crate) ledger: Arc<FakeLedger>,
    pub(crate) upstream: Arc<FakeUpstream>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) vault: Arc<FakeVault>,
    pub(crate) approvals: Arc<FakeApprovals>,
    pub(crate) halt: Arc<FakeHalt>,
    pub(crate) snapshots: Arc<FakeSnapshots>,
    /// What the client was last told.
    pub(crate) told: Mutex<String>,
}

impl World {
    /// A world under these policies.
    pub(crate) fn under(policies: &str) -> Arc<Self> {
        Self::over(bundle::snapshot(policies), FakeUpstream::new)
    }

    /// A world under this snapshot, with these servers.
    pub(crate) fn over(
        snapshot: Arc<Snapshot>,
        servers: impl FnOnce(Arc<Journal>, Arc<Points>) -> FakeUpstream,
    ) -> Arc<Self> {
        let journal = Arc::new(Journal::default());
        let points = Arc::new(Points::default());
        let ledger = Arc::new(FakeLedger::new(Arc::clone(&journal), Arc::clone(&points)));
        let upstream = Arc::new(servers(Arc::clone(&journal), Arc::clone(&points)));
        let clock = Arc::new(FakeClock::new());
        let vault = Arc::new(FakeVault::new(Arc::clone(&points)));
        let approvals = Arc::new(FakeApprovals::new(Arc::clone(&journal), Arc::clone(&points)));
        let halt = Arc::new(FakeHalt::default());
        let snapshots = Arc::new(FakeSnapshots(Mutex::new(snapshot)));
        let ports = Ports {
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(FakeEntropy::default()),
            ledger: Arc::clone(&ledger) as _,
            upstream: Arc::clone(&upstream) as _,
            vault: Arc::clone(&vault) as _,
            approvals: Arc::clone(&approvals) as _,
            halt: Arc::clone(&halt) as _,
            background: Arc::new(gateway::background::Beside),
            tasks: Tasks::new(3_600_000_000, 100, true).sealed(Key::new([7; 32])).limited(narrow()),
            quarantine: Default::default(),
            channels: Channels::new(100),
            memories: Memories::unkept(1000),
            slots: Arc::new(Semaphore::new(100)),
            held: Arc::new(Semaphore::new(100)),
            slips: Slips::new(SlipBounds { all: 3, each: 2, bytes: 1000 }),
            limits: Limits { depth_max: 16, arguments_bytes_max: 200, ..Limits::STANDARD },
            propagation: Propagation::ALL,
        };
        let gate = Arc::new(Gate { snapshots: Arc::clone(&snapshots) as _, ports });
        let told = Mutex::default();
        Arc::new(Self { gate, journal, points, ledger, upstream, clock, vault, approvals, halt, snapshots, told })
    }

    /// Carries one frame through the gate, reads its reply to the end, and notes the events of a stream as they pass.
    pub(crate) async fn carry(self: Arc<Self>, frame: Frame) {
        let (status, headers, body) = Box::pin(pep::run(frame, &self.gate)).await.into_parts();
        let headers: String = headers.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let text = match body {
            Body::Empty => String::new(),
            Body::Json(text) => text,
            Body::ToServer(_) => "to the server".to_owned(),
            Body::Long(mut answer) => {
                let mut whole = Vec::new();
                while let Some(piece) = answer.next().await {
                    match piece {
                        Ok(piece) => whole.extend_from_slice(&piece),
                        Err(cut) => whole.extend_from_slice(format!(" | {cut}").as_bytes()),
                    }
                }
                String::from_utf8(whole).unwrap()
            }
            Body::Stream(mut stream) => {
                let mut last = String::new();
                while let Some(event) = stream.next().await {
                    self.journal.write(event_words(&event));
                    last = event.data.unwrap_or(last);
                }
                self.journal.write("the stream is over".to_owned());
                last
            }
            Body::Held(mut held) => {
                let mut last = String::new();
                while let Some(event) = held.next().await {
                    self.journal.write(event_words(&event));
                    last = event.data.unwrap_or(last);
                }
                self.journal.write("the held call is over".to_owned());
                last
            }
        };
        *lock(&self.told) = format!("{status}{headers} {text}").trim_end().to_owned();
    }
}

/// An event as the client sees it.
fn event_words(event: &Event) -> String {
    let mut out = "event".to_owned();
    if let Some(id) = &event.id {
        out.push_str(&format!(" #{id}"));
    }
    if let Some(comment) = &event.comment {
        out.push_str(&format!(" comment {comment}"));
    }
    if let Some(retry) = &event.retry {
        out.push_str(&format!(" retry {retry}"));
    }
    let Some(data) = &event.data else { return out };
    let message: Value = serde_json::from_str(data).unwrap();
    let refusal = &message["error"]["data"]["dev.wicketgate/refusal"]["code"];
    match (message["method"].as_str(), refusal.as_str(), message.get("error")) {
        (Some(method), _, _) => out.push_str(&format!(" {method}")),
        (None, Some(code), _) => out.push_str(&format!(" refusal {code}")),
        (None, None, Some(error)) => out.push_str(&format!(" error {}", error["code"])),
        (None, None, None) => out.push_str(" answer"),
    }
    out
}

/// The limits of the caller `low`, over all its tasks.
fn narrow() -> HashMap<String, Budget> {
    [(
        "default/low".to_owned(),
        Budget { steps: Some(2), approvals: Some(1), elapsed_s: Some(60), ..Budget::default() },
    )]
    .into()
}

/// The callers of the scripts: `ann` is staff, and so is `low`, who has limits; `bob` is not, `eve` is another tenant's,
/// anybody else is nobody.
pub(crate) fn caller(name: &str) -> Caller {
    let principal = |teams: &[&str], tenant: &str| Principal {
        agent: name.to_owned(),
        teams: teams.iter().map(|t| (*t).to_owned()).collect(),
        user: format!("{name}'s person"),
        tenant: tenant.to_owned(),
        method: "token".to_owned(),
    };
    let principal = match name {
        "ann" | "low" => Ok(principal(&["staff"], "default")),
        "bob" => Ok(principal(&[], "default")),
        "eve" => Ok(principal(&["staff"], "other")),
        _ => Err(Refusal::new(Code::Unauthenticated, "no valid credential")),
    };
    Caller { principal: principal.map(Arc::new), address: Some("192.0.2.7".to_owned()) }
}

/// A request of ann's, ready to be carried.
pub(crate) fn request(server: &str, text: &str) -> Frame {
    Frame::message(caller("ann"), server, None, Vec::new(), Bytes::from(text.to_owned()))
}

/// Runs a future under a clock that moves by itself whenever everything waits for it.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let week = std::time::Duration::from_secs(7 * 24 * 3600);
        tokio::time::timeout(week, future).await.expect("the script waits for something that never comes")
    })
}

/// Runs a script (see `script.rs`) and answers the world it leaves behind.
pub(crate) fn run(script: &str) -> Arc<World> {
    let world = World::under(bundle::LAW);
    block_on(script::run(&world, script));
    world.ledger.assert_one_record_each();
    world
}

/// Runs a script and compares the journal with what was expected, line by line.
pub(crate) fn check(script: &str, expected: &str) {
    let world = run(script);
    let trimmed = |text: &str| text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
    let (found, expected) = (trimmed(&world.journal.text()), trimmed(expected));
    assert!(
        found == expected,
        "\n{}\n--- what happened, to be copied where it is right:\n{found}\n",
        diff(&expected, &found)
    );
}

/// Two texts side by side, as far as it helps: common lines once, others marked.
pub(crate) fn diff(expected: &str, found: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    // Longest common subsequence, by the usual table: texts here are short.
    let mut table = vec![vec![0usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i][j] = if old[i] == new[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        let (mark, line) = if i < old.len() && j < new.len() && old[i] == new[j] {
            i += 1;
            j += 1;
            (' ', new[j - 1])
        } else if j >= new.len() || (i < old.len() && table[i + 1][j] >= table[i][j + 1]) {
            i += 1;
            ('-', old[i - 1])
        } else {
            j += 1;
            ('+', new[j - 1])
        };
        out.push_str(&format!("{mark} {line}\n"));
    }
    out
}
