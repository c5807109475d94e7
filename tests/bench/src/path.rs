//! The pipeline alone, in this process: the real snapshot and stages, with a server, a ledger and a vault that do nothing.
//!
//! What is counted here moves only when the path itself changes: no socket, no disk, no other thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use pdp::fault::SourceFile;
use pdp::principal::Principal;
use pdp::record::Entry;
use pdp::registry::Server;
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::{
    Approvals, Background, BoxFuture, Clock, Entropy, Gate, Halt, Hold, Ledger, LedgerFault, Lent, Limits, Ports,
    SendFault, Snapshots, Upstream, Vault, Verdict,
};
use pep::{Answer as Refused, Body, Caller, Channels, Dispatch, Frame, Memories, Outbound, Propagation, Raw, Tasks};
use tokio::sync::Semaphore;

use crate::bundle::{self, Kind, SERVER, Size};
use crate::message::{self, AFTER_TEXT, Answer, BEFORE_TEXT, Era, FIRST_ID};

/// A session at a gate whose ports do nothing.
#[derive(Debug)]
pub struct Path {
    gate: Arc<Gate>,
    caller: Caller,
    bodies: Vec<Bytes>,
    headers: Vec<(String, String)>,
    text: String,
}

/// What is measured, and under what.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// How large the bundle is.
    pub size: Size,
    /// How many bytes of text an answer holds.
    pub bytes: usize,
    /// Which tools are called.
    pub kind: Kind,
    /// Policies beside the bundle's.
    pub law: &'a str,
    /// How many bytes of text the task reads before anything is measured.
    pub read_first: usize,
}

/// The session's id.
const SESSION: &str = "bench-0000000000000001";

impl Path {
    /// Opens a session under a bundle of this size, at a server whose answers hold `bytes` bytes of text.
    ///
    /// # Errors
    /// When the bundle does not build or the session does not open.
    pub async fn open(size: Size, bytes: usize) -> anyhow::Result<Self> {
        Self::open_with(Setup { size, bytes, kind: Kind::Read, law: "", read_first: 0 }).await
    }

    /// Opens a session as [`Self::open`] does, for calls of other tools, under more policies, or after much was read.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(setup: Setup<'_>) -> anyhow::Result<Self> {
        let Setup { size, bytes, kind, law, read_first } = setup;
        let text = message::text(bytes);
        let principal = Principal {
            agent: "bench".to_owned(),
            teams: vec!["engineering".to_owned()],
            user: String::new(),
            tenant: "default".to_owned(),
            method: "token".to_owned(),
        };
        let tools = bundle::tools_of(kind, size.tools).take(16);
        let bodies = tools.map(|tool| message::call(&tool, bytes, Answer::Json, Era::Legacy).into()).collect();
        let out = Self {
            gate: gate(size, &text, law, read_first)?,
            caller: Caller { principal: Ok(principal.into()), address: Some("127.0.0.1".to_owned()) },
            bodies,
            headers: vec![
                ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
                ("mcp-protocol-version".to_owned(), "2025-11-25".to_owned()),
            ],
            text,
        };
        let frame = |session: Option<&str>, body: &'static str| {
            let (caller, session) = (out.caller.clone(), session.map(str::to_owned));
            Frame::message(caller, SERVER, session, out.headers.clone(), Bytes::from_static(body.as_bytes()))
        };
        let (status, _, _) = pep::run(frame(None, message::INITIALIZE), &out.gate).await.into_parts();
        ensure!(status == 200, "initialize was answered with {status}");
        let (status, _, _) = pep::run(frame(Some(SESSION), message::INITIALIZED), &out.gate).await.into_parts();
        ensure!(status == 202, "notifications/initialized was answered with {status}");
        if read_first > 0 {
            let tool = bundle::tools_of(Kind::Read, size.tools).next().context("no tool reads")?;
            let body = message::call(&tool, read_first, Answer::Json, Era::Legacy);
            let (caller, session) = (out.caller.clone(), Some(SESSION.to_owned()));
            let frame = Frame::message(caller, SERVER, session, out.headers.clone(), body.into());
            let (status, _, _) = pep::run(frame, &out.gate).await.into_parts();
            ensure!(status == 200, "what is read first was answered with {status}");
        }
        // The first call lists the tools, and shows that answers are right; the others only count.
        out.call(0).await.and_then(|answer| {
            ensure!(answer.contains(&out.text), "not the server's text: {answer}");
            ensure!(answer.contains("dev.wicketgate/label"), "no label: {answer}");
            Ok(())
        })?;
        Ok(out)
    }

    /// Carries this many calls.
    ///
    /// # Errors
    /// When one is answered with something else than its result.
    pub async fn calls(&self, count: usize) -> anyhow::Result<()> {
        for nth in 0..count {
            let answer = self.call(nth).await?;
            ensure!(answer.len() > self.text.len(), "a call was refused: {answer}");
        }
        Ok(())
    }

    async fn call(&self, nth: usize) -> anyhow::Result<String> {
        let body = self.bodies.get(nth % self.bodies.len()).context("no tool to call")?.clone();
        let frame = Frame::message(self.caller.clone(), SERVER, Some(SESSION.to_owned()), self.headers.clone(), body);
        match pep::run(frame, &self.gate).await.into_parts() {
            (200, _, Body::Json(text)) => Ok(text),
            (status, _, Body::Json(text)) => bail!("answered with {status}: {text}"),
            (status, _, Body::Empty | Body::Long(_) | Body::Stream(_) | Body::Held(_) | Body::ToServer(_)) => {
                bail!("answered with {status}")
            }
        }
    }
}

fn gate(size: Size, text: &str, law: &str, read_first: usize) -> anyhow::Result<Arc<Gate>> {
    let file = |path: &str, text| SourceFile { path: path.to_owned(), text };
    let registry = bundle::registry(size.tools, "http://127.0.0.1:9/mcp")?;
    let sources = Sources {
        policies: vec![file("bench.cedar", bundle::policies(size)), file("more.cedar", law.to_owned())],
        registry: vec![
            file("servers/bench.toml", registry),
            file("servers/bench.tools.json", bundle::definitions(size.tools)),
        ],
    };
    let snapshot = Snapshot::build(&sources)
        .map_err(|faults| anyhow::anyhow!(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let listing = format!(",\"result\":{{\"tools\":{}}}}}", bundle::definitions(size.tools));
    let still = Arc::new(Still::default());
    let ports = Ports {
        clock: Arc::clone(&still) as _,
        entropy: Arc::clone(&still) as _,
        ledger: Arc::clone(&still) as _,
        upstream: Arc::new(NullUpstream {
            answer: answer(text),
            read: answer(&message::text(read_first)),
            read_first: format!("\"bytes\":{read_first},"),
            listing,
        }),
        vault: Arc::clone(&still) as _,
        approvals: Arc::clone(&still) as _,
        background: Arc::clone(&still) as _,
        halt: still,
        tasks: Tasks::new(3_600_000_000, 100, true),
        quarantine: Default::default(),
        channels: Channels::new(100),
        memories: Memories::unkept(100),
        slots: Arc::new(Semaphore::new(100)),
        held: Arc::new(Semaphore::new(100)),
        slips: Default::default(),
        limits: Limits::STANDARD,
        propagation: Propagation::ALL,
    };
    Ok(Arc::new(Gate { snapshots: Arc::new(Fixed(Arc::new(snapshot))), ports }))
}

fn answer(text: &str) -> Bytes {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{FIRST_ID}{BEFORE_TEXT}{text}{AFTER_TEXT}").into()
}

/// One snapshot for ever.
#[derive(Debug)]
struct Fixed(Arc<Snapshot>);

impl Snapshots for Fixed {
    fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0)
    }
}

/// Answers every call with the same bytes.
#[derive(Debug)]
struct NullUpstream {
    answer: Bytes,
    /// The answer to the call that asks for what is read first, and how that asks.
    read: Bytes,
    read_first: String,
    listing: String,
}

impl Upstream for NullUpstream {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Raw, SendFault>> {
        let Outbound::Message(message) = dispatch.into_outbound() else {
            return Box::pin(std::future::ready(Err(SendFault::NoSession)));
        };
        let raw = if message.contains("\"tools/call\"") {
            let first = self.read.len() > self.answer.len() && message.contains(&self.read_first);
            Raw::whole(200, Vec::new(), if first { self.read.clone() } else { self.answer.clone() })
        } else {
            self.other(&message)
        };
        Box::pin(std::future::ready(Ok(raw)))
    }

    fn answer(&self, _: Refused) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

impl NullUpstream {
    /// What opens a session: few, and not counted.
    fn other(&self, message: &str) -> Raw {
        let read: serde_json::Value = serde_json::from_str(message).unwrap_or_default();
        let start = format!("{{\"jsonrpc\":\"2.0\",\"id\":{}", read.get("id").unwrap_or_default());
        match read.get("method").and_then(serde_json::Value::as_str) {
            Some("tools/list") => Raw::whole(200, Vec::new(), format!("{start}{}", self.listing).into()),
            Some("initialize") => {
                let headers = vec![("mcp-session-id".to_owned(), SESSION.to_owned())];
                let result = r#","result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"null","version":"1"}}}"#;
                Raw::whole(200, headers, format!("{start}{result}").into())
            }
            Some(_) | None => Raw::whole(202, Vec::new(), Bytes::new()),
        }
    }
}

/// Every other port: time stands still, nothing is kept, nobody is asked.
#[derive(Debug, Default)]
struct Still(AtomicU64);

impl Clock for Still {
    fn now_us(&self) -> i64 {
        1_795_132_800_000_000
    }
}

impl Entropy for Still {
    fn bytes(&self) -> [u8; 16] {
        (u128::from(self.0.fetch_add(1, Ordering::Relaxed)) | (0xab << 120)).to_be_bytes()
    }
}

impl Ledger for Still {
    fn number(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn append(&self, _: Entry) -> Result<(), LedgerFault> {
        Ok(())
    }

    fn commit(&self, _: Entry) -> BoxFuture<'_, Result<(), LedgerFault>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn health(&self) -> Result<(), LedgerFault> {
        Ok(())
    }
}

impl Vault for Still {
    fn lend<'a>(&'a self, _: &'a Server) -> BoxFuture<'a, Result<Option<Lent>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

impl Approvals for Still {
    fn knows(&self, _: &Hold) -> bool {
        false
    }

    fn ask<'a>(&'a self, _: &'a Hold, _: Duration) -> BoxFuture<'a, Verdict> {
        Box::pin(std::future::ready(Verdict::Nobody))
    }

    fn give_back(&self, _: &str, _: u64) {}
}

impl Background for Still {
    fn run(&self, work: BoxFuture<'static, ()>) {
        drop(tokio::spawn(work));
    }
}

impl Halt for Still {
    fn reason(&self, _: &Principal, _: &str, _: &str) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[tokio::test]
    async fn every_size_of_bundle_builds_and_lets_the_measured_calls_pass() {
        for (policies, tools) in [(50, 50), (1000, 50), (50, 500), (1000, 500)] {
            let path = Path::open(Size { policies, tools }, 100).await.unwrap();
            path.calls(20).await.unwrap();
        }
        Path::open(Size { policies: 50, tools: 50 }, 64 * 1024).await.unwrap().calls(1).await.unwrap();
    }
}
