//! People: a thousand calls that wait for approval and fifty who watch them. What that takes of memory, what it costs other
//! calls, and how soon a decision reaches whoever waits for it.
//!
//! Two gates of the same bundle stand side by side; only in one of them anything waits. It knows the control API as its
//! users do, and nothing of how requests are kept.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::bundle::{self, Kind, Size};
use crate::load::{self, Target, Traffic, Window, Wire, check};
use crate::message::{self, Answer, Era};
use crate::process::{Gate, Memory};
use crate::report::{Figures, cell, mebibytes, median};

/// How many calls wait.
pub const WAITING: usize = 1000;
/// How many watch.
pub const WATCHERS: usize = 50;
/// How many are decided one by one; the others by one change of the law.
const DECIDED: usize = 300;
/// How long anything may take before it has failed.
const GIVE_UP: Duration = Duration::from_secs(60);

/// What was found.
#[derive(Debug, Clone)]
pub struct People {
    /// With a session for each call that will wait, each on an open connection, after one other call.
    sessions: Memory,
    /// With all of them waiting.
    waiting: Memory,
    /// With all who watch.
    watched: Memory,
    /// From the first call until all wait, in milliseconds.
    asked_ms: f64,
    /// Reading the list of all of them, in milliseconds.
    list_ms: f64,
    /// The same list's size, in bytes.
    list_bytes: usize,
    /// Other calls: of a gate where nothing waits and of one where all do, round by round.
    beside: Vec<(Figures, Figures)>,
    /// From a decision's sending to its answer, to the call's answer, and to the last of those who watch, in microseconds.
    answered: Histogram<u64>,
    served: Histogram<u64>,
    seen: Histogram<u64>,
    /// From a change of the law that allows the others until the last of them was answered, in milliseconds.
    freed_ms: f64,
    /// How many of them were carried out; the others were told to ask again.
    freed: usize,
}

/// Measures it.
///
/// # Errors
/// When a gate does not start, or an answer is wrong.
pub async fn watch(
    program: &Path,
    upstream: std::net::SocketAddr,
    size: Size,
    window: Window,
    rounds: usize,
) -> anyhow::Result<People> {
    let still = Gate::start_asking(program, size, upstream).await?;
    let busy = Gate::start_asking(program, size, upstream).await?;
    let desk = Desk { control: busy.control };
    let mut calls = sessions(&busy.target(), size).await?;
    busy.process.settle().await?;
    let sessions = busy.process.memory()?;
    let begun = Instant::now();
    send(&busy.target(), &mut calls).await?;
    desk.until_pending(WAITING).await?;
    let asked_ms = millis(begun);
    busy.process.settle().await?;
    let waiting = busy.process.memory()?;
    let (tell, mut told) = unbounded_channel();
    let watchers = watchers(&desk, &tell).await?;
    busy.process.settle().await?;
    let watched = busy.process.memory()?;
    let begun = Instant::now();
    let (list, list_bytes) = desk.get(&format!("/v1/approvals?state=pending&limit={WAITING}")).await?;
    let list_ms = millis(begun);
    let beside = beside(&still, &busy, size, window, rounds).await?;
    let ids = ids(&list)?;
    ensure!(ids.len() == WAITING, "{} requests are listed", ids.len());
    let mut out = People {
        sessions,
        waiting,
        watched,
        asked_ms,
        list_ms,
        list_bytes,
        beside,
        answered: Histogram::new(3)?,
        served: Histogram::new(3)?,
        seen: Histogram::new(3)?,
        freed_ms: 0.0,
        freed: 0,
    };
    let mut calls: HashMap<String, Wire> = calls.into_iter().map(|(nth, wire, _)| (path_of(nth), wire)).collect();
    for id in ids.iter().take(DECIDED) {
        decide(&desk, id, &mut calls, &mut told, &mut out).await?;
    }
    let begun = Instant::now();
    desk.allow(&busy).await?;
    for wire in calls.values_mut() {
        let head = tokio::time::timeout(GIVE_UP, wire.reader.answer(&mut wire.stream)).await.context("no answer")??;
        ensure!(head.status == 200, "a call that may go on is answered with {}", head.status);
        let good = check(&head, wire.reader.body(), &message::FIRST_ID.to_string(), &message::text(100), Answer::Json);
        out.freed += usize::from(good.is_ok());
    }
    out.freed_ms = millis(begun);
    for watcher in watchers {
        watcher.abort();
    }
    Ok(out)
}

/// The argument by which a call is told from the others.
fn path_of(nth: usize) -> String {
    format!("/notes/{:04}", nth + 1000)
}

/// A session for each call, with another call behind it: the first of a session has the gate list the tools.
async fn sessions(target: &Target, size: Size) -> anyhow::Result<Vec<(usize, Wire, String)>> {
    let tool = bundle::tools_of(Kind::Read, size.tools).next().context("no tool to call")?;
    let body = message::call(&tool, 100, Answer::Json, Era::Legacy);
    let mut out = Vec::with_capacity(WAITING);
    for nth in 0..WAITING {
        let mut wire = Wire::open(target.address).await?;
        let session = wire.initialize(&target.path).await?;
        let call = message::call_template(&target.path, &tool, &body, Some(&session), Era::Legacy);
        wire.stream.write_all(&call.bytes).await?;
        answer(&mut wire).await?;
        out.push((nth, wire, session));
    }
    Ok(out)
}

/// Sends all calls; none is answered while people think.
async fn send(target: &Target, calls: &mut [(usize, Wire, String)]) -> anyhow::Result<()> {
    let tool = bundle::ASKING;
    for (nth, wire, session) in calls {
        let body = message::call(tool, 100, Answer::Json, Era::Legacy).replace("/notes/2026", &path_of(*nth));
        let call = message::call_template(&target.path, tool, &body, Some(session), Era::Legacy);
        wire.stream.write_all(&call.bytes).await?;
    }
    Ok(())
}

async fn answer(wire: &mut Wire) -> anyhow::Result<()> {
    let head = tokio::time::timeout(GIVE_UP, wire.reader.answer(&mut wire.stream)).await.context("no answer")??;
    check(&head, wire.reader.body(), &message::FIRST_ID.to_string(), &message::text(100), Answer::Json)
}

/// Ordinary calls at both gates, in turn.
async fn beside(
    still: &Gate,
    busy: &Gate,
    size: Size,
    window: Window,
    rounds: usize,
) -> anyhow::Result<Vec<(Figures, Figures)>> {
    let tools = bundle::tools_of(Kind::Read, size.tools).take(16).collect();
    let traffic = Traffic { connections: 16, bytes: 100, answer: Answer::Json, era: Era::Legacy, tools };
    let mut out = Vec::new();
    for _ in 0..rounds {
        let mut both = Vec::new();
        for gate in [still, busy] {
            let (mut before, target) = (0, gate.target());
            let measured = load::drive(&target, &traffic, window, || {
                before = gate.process.cpu_us()?;
                Ok(())
            });
            let measured = measured.await?;
            gate.process.settle().await?;
            both.push(Figures::of(&measured, gate.process.cpu_us()?.saturating_sub(before)));
        }
        if let [still, busy] = both.as_slice() {
            out.push((*still, *busy));
        }
    }
    Ok(out)
}

/// One decision, and who hears of it when.
async fn decide(
    desk: &Desk,
    id: &str,
    calls: &mut HashMap<String, Wire>,
    told: &mut UnboundedReceiver<(Instant, String)>,
    out: &mut People,
) -> anyhow::Result<()> {
    let (request, _) = desk.get(&format!("/v1/approvals/{id}")).await?;
    let digest = request.get("digest").and_then(Value::as_str).context("a request without a digest")?;
    let arguments = request.pointer("/arguments/text").and_then(Value::as_str).context("no arguments")?;
    let arguments: Value = serde_json::from_str(arguments)?;
    let path = arguments.get("path").and_then(Value::as_str).context("no path")?;
    let mut wire = calls.remove(path).with_context(|| format!("{id} is of no call that waits"))?;
    // What its being looked at made them hear.
    while told.try_recv().is_ok() {}
    let begun = Instant::now();
    let micros = |at: Instant| u64::try_from((at - begun).as_micros()).unwrap_or(u64::MAX).max(1);
    let (place, body) = (format!("/v1/approvals/{id}/approve"), format!("{{\"digest\":\"{digest}\"}}"));
    let approved = async {
        desk.post(&place, &body).await?;
        anyhow::Ok(Instant::now())
    };
    let served = async {
        answer(&mut wire).await?;
        anyhow::Ok(Instant::now())
    };
    let seen = async {
        let mut left = WATCHERS;
        loop {
            let heard = tokio::time::timeout(GIVE_UP, told.recv()).await.context("a watcher hears nothing")?;
            let (at, about) = heard.context("nobody watches")?;
            left -= usize::from(about == id);
            if left == 0 {
                return anyhow::Ok(at);
            }
        }
    };
    let (approved, served, seen) = tokio::try_join!(approved, served, seen)?;
    out.answered.record(micros(approved))?;
    out.served.record(micros(served))?;
    out.seen.record(micros(seen))?;
    Ok(())
}

/// The ids of those that are listed.
fn ids(list: &Value) -> anyhow::Result<Vec<String>> {
    let all = list.get("approvals").and_then(Value::as_array).context("no list")?;
    let id = |request: &Value| request.get("id").and_then(Value::as_str).map(str::to_owned);
    all.iter().map(id).collect::<Option<_>>().context("a request without an id")
}

/// Everybody who watches. Each tells at what moment it heard that a request is no longer pending.
async fn watchers(desk: &Desk, tell: &UnboundedSender<(Instant, String)>) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let mut out = Vec::new();
    for _ in 0..WATCHERS {
        let mut wire = Wire::open(desk.control).await?;
        wire.stream.write_all(head("GET", "/v1/approvals/stream", "").as_bytes()).await?;
        let head = wire.reader.head(&mut wire.stream).await?;
        ensure!(head.status == 200 && head.events, "the stream is answered with {}", head.status);
        let tell = tell.clone();
        out.push(tokio::spawn(async move {
            let mut rest = String::new();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = wire.stream.read(&mut buffer).await {
                let at = Instant::now();
                rest.push_str(&String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()));
                let whole = rest.rfind('\n').map_or(0, |end| end + 1);
                let lines: String = rest.drain(..whole).collect();
                for event in lines.lines().filter_map(|line| line.strip_prefix("data: ")) {
                    let Ok(event) = serde_json::from_str::<Value>(event) else { continue };
                    let word = |name: &str| event.get(name).and_then(Value::as_str);
                    if let (Some(id), Some("spent")) = (word("id"), word("state")) {
                        drop(tell.send((at, id.to_owned())));
                    }
                }
            }
        }));
    }
    Ok(out)
}

fn head(verb: &str, path: &str, more: &str) -> String {
    format!("{verb} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\n{more}\r\n", bundle::APPROVER)
}

/// The control API, as an approver uses it.
struct Desk {
    control: std::net::SocketAddr,
}

impl Desk {
    async fn ask(&self, request: &str) -> anyhow::Result<(Value, usize)> {
        let mut wire = Wire::open(self.control).await?;
        wire.stream.write_all(request.as_bytes()).await?;
        let head = wire.reader.answer(&mut wire.stream).await?;
        let body = wire.reader.body();
        ensure!(head.status < 300, "{request} is answered {}: {}", head.status, String::from_utf8_lossy(body));
        Ok((serde_json::from_slice(body)?, body.len()))
    }

    async fn get(&self, path: &str) -> anyhow::Result<(Value, usize)> {
        self.ask(&head("GET", path, "")).await
    }

    async fn post(&self, path: &str, body: &str) -> anyhow::Result<()> {
        let more = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        self.ask(&format!("{}{body}", head("POST", path, &more))).await.map(drop)
    }

    async fn until_pending(&self, wanted: usize) -> anyhow::Result<()> {
        let give_up = Instant::now() + GIVE_UP;
        loop {
            let (list, _) = self.get(&format!("/v1/approvals?state=pending&limit={wanted}")).await?;
            let pending = ids(&list)?.len();
            if pending == wanted {
                return Ok(());
            }
            ensure!(Instant::now() < give_up, "{pending} of {wanted} calls wait");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes the rule away for which everything waits.
    async fn allow(&self, gate: &Gate) -> anyhow::Result<()> {
        bundle::ask_no_more(gate.folder())?;
        self.post("/v1/reload", "").await
    }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

impl People {
    /// The table's head.
    pub const HEAD: [&str; 2] = ["1,000 calls wait, 50 people watch", ""];

    /// Its rows.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "times and sizes are far below 2^52")]
    pub fn rows(&self) -> Vec<[String; 2]> {
        let each = |from: Memory, to: Memory, many: usize| {
            cell(to.anonymous.saturating_sub(from.anonymous) as f64 / 1024.0 / many as f64, 1)
        };
        let paired = |what: fn(&Figures) -> f64| {
            cell(median(self.beside.iter().map(|(still, busy)| what(busy) / what(still))), 2)
        };
        let times = |of: &Histogram<u64>| {
            let ms = |quantile| cell(of.value_at_quantile(quantile) as f64 / 1000.0, 1);
            format!("{} / {} ms", ms(0.5), ms(0.99))
        };
        let row = |what: &str, value: String| [what.to_owned(), value];
        vec![
            row(
                "resident: a session each, all waiting, watched",
                [self.sessions, self.waiting, self.watched].map(|of| cell(mebibytes(of.resident), 1)).join(" / ")
                    + " MiB",
            ),
            row("own memory for each call that waits", each(self.sessions, self.waiting, WAITING) + " KiB"),
            row("own memory for each who watches", each(self.waiting, self.watched, WATCHERS) + " KiB"),
            row("from the first call until all wait", cell(self.asked_ms, 0) + " ms"),
            row(
                "the list of all of them",
                format!("{} ms, {} KiB", cell(self.list_ms, 1), cell(self.list_bytes as f64 / 1024.0, 0)),
            ),
            row("other calls, of a gate where nothing waits: per second", paired(|of| of.per_second)),
            row("the same: p50, p99", format!("{}, {}", paired(|of| of.p50_us), paired(|of| of.p99_us))),
            row("a decision until it is answered, p50 / p99", times(&self.answered)),
            row("until the call is answered", times(&self.served)),
            row("until the last who watches has seen it", times(&self.seen)),
            row(
                "from a law that allows the others until the last of them is answered",
                format!("{} ms, {} of {} carried out", cell(self.freed_ms, 0), self.freed, WAITING - DECIDED),
            ),
        ]
    }
}
