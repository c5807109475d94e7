//! The load: connections that each send the next call when the last one is answered, and check every answer.
//!
//! One thread, keep-alive, raw sockets. It does not know what is at the other end: the null server, a proxy or the gate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::http1::{Head, Reader};
use crate::message::{self, Answer, Era, FIRST_ID, Template};

/// Where calls go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The address.
    pub address: SocketAddr,
    /// The path of the MCP endpoint.
    pub path: String,
}

/// What is called, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    /// How many connections call at once.
    pub connections: usize,
    /// How many bytes of text each answer holds.
    pub bytes: usize,
    /// How the answer is sent.
    pub answer: Answer,
    /// Which shape of MCP is spoken.
    pub era: Era,
    /// The tools, called in turn.
    pub tools: Vec<String>,
}

/// How long a window lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Before anything counts.
    pub warm_up: Duration,
    /// What counts.
    pub measured: Duration,
}

/// What a window gave.
#[derive(Debug)]
pub struct Measured {
    /// Calls answered within it.
    pub calls: u64,
    /// Calls answered from the start of the warm-up on.
    pub calls_with_warm_up: u64,
    /// How long it was.
    pub seconds: f64,
    /// Latencies in nanoseconds.
    pub latency: Histogram<u64>,
}

/// Latencies are kept to three digits.
const DIGITS: u8 = 3;

/// Runs one window against a target. `before` is called when all connections are open and warm.
///
/// # Errors
/// When an answer is wrong or missing: a benchmark of wrong answers says nothing.
pub async fn drive(
    target: &Target,
    traffic: &Traffic,
    window: Window,
    before: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Measured> {
    let text: Arc<str> = message::text(traffic.bytes).into();
    let mut callers = Vec::with_capacity(traffic.connections);
    for nth in 0..traffic.connections {
        let mut caller = Caller::open(target, traffic, nth, Arc::clone(&text)).await?;
        // The first call of a session makes a gate list the tools; that is not what is measured.
        caller.call().await?;
        callers.push(caller);
    }
    before()?;
    let begin = Instant::now() + window.warm_up;
    let end = begin + window.measured;
    let mut running = JoinSet::new();
    for caller in callers {
        running.spawn(caller.run(begin, end));
    }
    let mut out = Measured {
        calls: 0,
        calls_with_warm_up: 0,
        seconds: window.measured.as_secs_f64(),
        latency: Histogram::new(DIGITS)?,
    };
    while let Some(ended) = running.join_next().await {
        let (latency, all) = ended??;
        out.calls += latency.len();
        out.calls_with_warm_up += all;
        out.latency.add(latency)?;
    }
    ensure!(out.calls > 0, "no call was answered within the window");
    Ok(out)
}

/// Sends exactly `calls` calls, spread over the connections.
///
/// # Errors
/// As [`drive`].
pub async fn count(target: &Target, traffic: &Traffic, calls: u64) -> anyhow::Result<()> {
    let text: Arc<str> = message::text(traffic.bytes).into();
    let connections = traffic.connections as u64;
    let mut running = JoinSet::new();
    for nth in 0..traffic.connections {
        let mut caller = Caller::open(target, traffic, nth, Arc::clone(&text)).await?;
        let share = calls / connections + u64::from((nth as u64) < calls % connections);
        running.spawn(async move {
            for _ in 0..share {
                caller.call().await?;
            }
            caller.close().await
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

/// One connection, with its session.
#[derive(Debug)]
struct Caller {
    wire: Wire,
    session: Option<String>,
    path: String,
    templates: Vec<Template>,
    next: usize,
    id: u64,
    expected: Arc<str>,
    answer: Answer,
}

impl Caller {
    async fn open(target: &Target, traffic: &Traffic, nth: usize, expected: Arc<str>) -> anyhow::Result<Self> {
        let mut wire = Wire::open(target.address).await?;
        let session = match traffic.era {
            Era::Legacy => Some(wire.initialize(&target.path).await?),
            Era::Modern => None,
        };
        let templates = traffic
            .tools
            .iter()
            .map(|tool| {
                let body = message::call(tool, traffic.bytes, traffic.answer, traffic.era);
                message::call_template(&target.path, tool, &body, session.as_deref(), traffic.era)
            })
            .collect();
        Ok(Self {
            wire,
            session,
            path: target.path.clone(),
            templates,
            next: nth,
            id: FIRST_ID,
            expected,
            answer: traffic.answer,
        })
    }

    /// Calls until the end; answers the latencies of what began after `begin` and was answered before `end`, and how
    /// many calls there were in all.
    async fn run(mut self, begin: Instant, end: Instant) -> anyhow::Result<(Histogram<u64>, u64)> {
        let mut latency = Histogram::new(DIGITS)?;
        let mut all = 0;
        loop {
            let sent = Instant::now();
            if sent >= end {
                break;
            }
            self.call().await?;
            all += 1;
            let answered = Instant::now();
            if sent >= begin && answered < end {
                latency.record(u64::try_from((answered - sent).as_nanos())?)?;
            }
        }
        self.close().await?;
        Ok((latency, all))
    }

    /// Makes one call and checks its answer.
    async fn call(&mut self) -> anyhow::Result<()> {
        self.id += 1;
        self.next = (self.next + 1) % self.templates.len();
        let id = self.id.to_string();
        let template = self.templates.get_mut(self.next).context("no tool to call")?;
        let place = template.bytes.get_mut(template.id_at..template.id_at + id.len()).context("no place for an id")?;
        place.copy_from_slice(id.as_bytes());
        self.wire.stream.write_all(&template.bytes).await?;
        let head = self.wire.reader.answer(&mut self.wire.stream).await?;
        check(&head, self.wire.reader.body(), &id, &self.expected, self.answer)
    }

    async fn close(mut self) -> anyhow::Result<()> {
        if let Some(session) = &self.session {
            self.wire.stream.write_all(message::bare("DELETE", &self.path, session).as_bytes()).await?;
            let head = self.wire.reader.answer(&mut self.wire.stream).await?;
            ensure!(head.status < 300, "ending a session was answered with {}", head.status);
        }
        Ok(())
    }
}

/// A connection and what it received.
#[derive(Debug)]
pub struct Wire {
    /// The connection.
    pub stream: TcpStream,
    /// Its reader.
    pub reader: Reader,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, reader: Reader::default() })
    }

    /// Opens a legacy session and answers its id.
    ///
    /// # Errors
    /// When the server opens none.
    pub async fn initialize(&mut self, path: &str) -> anyhow::Result<String> {
        self.stream.write_all(message::post(path, None, "", message::INITIALIZE).as_bytes()).await?;
        let head = self.reader.answer(&mut self.stream).await?;
        if head.status != 200 {
            bail!("initialize was answered with {}: {}", head.status, shown(self.reader.body()));
        }
        let session = head.session.context("initialize opened no session")?;
        let ready = message::post(path, Some(&session), "", message::INITIALIZED);
        self.stream.write_all(ready.as_bytes()).await?;
        let head = self.reader.answer(&mut self.stream).await?;
        ensure!(head.status == 202, "notifications/initialized was answered with {}", head.status);
        Ok(session)
    }
}

/// Whether this is the answer to the call: its id, its text to the last byte, its kind.
///
/// # Errors
/// What is wrong with it.
pub fn check(head: &Head, body: &[u8], id: &str, expected: &str, answer: Answer) -> anyhow::Result<()> {
    let wrong = |what: &str| format!("{what} in the answer to {id}, status {}: {}", head.status, shown(body));
    ensure!(head.status == 200, wrong("no success"));
    ensure!(head.events == (answer == Answer::Sse), wrong("another content type"));
    let member = format!("\"id\":{id}");
    let at = find(body, b"\"text\":\"").with_context(|| wrong("no text"))? + b"\"text\":\"".len();
    let end = at + expected.len();
    ensure!(body.get(at..end) == Some(expected.as_bytes()), wrong("another text"));
    ensure!(body.get(end) == Some(&b'"'), wrong("a longer text"));
    let around = [body.get(..at), body.get(end..)];
    ensure!(around.into_iter().flatten().any(|part| find(part, member.as_bytes()).is_some()), wrong("another id"));
    ensure!(find(body.get(end..).unwrap_or_default(), b"\"isError\":true").is_none(), wrong("an error"));
    Ok(())
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}

fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..body.len().min(600)).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::bundle::{Kind, tools_of};
    use crate::{proxy, upstream};

    fn traffic(connections: usize, bytes: usize, answer: Answer, era: Era) -> Traffic {
        Traffic { connections, bytes, answer, era, tools: tools_of(Kind::Read, 50).take(3).collect() }
    }

    #[tokio::test]
    async fn every_call_is_answered_rightly_by_the_null_server_and_through_the_bare_proxy() {
        let null = upstream::start().await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bare = listener.local_addr().unwrap();
        tokio::spawn(proxy::serve(listener, null));
        for address in [null, bare] {
            let target = Target { address, path: message::upstream_path(50) };
            for answer in [Answer::Json, Answer::Sse] {
                for (bytes, era) in [(0, Era::Legacy), (100, Era::Legacy), (100, Era::Modern), (65_536, Era::Legacy)] {
                    let traffic = traffic(3, bytes, answer, era);
                    count(&target, &traffic, 8).await.unwrap();
                }
            }
        }
    }

    #[tokio::test]
    async fn a_window_counts_what_it_answers() {
        let target = Target { address: upstream::start().await.unwrap(), path: message::upstream_path(50) };
        // Long enough for one call on any machine: nothing is said of how many there were.
        let window = Window { warm_up: Duration::ZERO, measured: Duration::from_secs(1) };
        let mut warm = false;
        let before = || {
            warm = true;
            Ok(())
        };
        let measured = drive(&target, &traffic(2, 100, Answer::Json, Era::Legacy), window, before).await.unwrap();
        assert!(warm);
        assert_eq!(measured.calls, measured.latency.len());
        assert!(measured.calls > 0 && measured.calls_with_warm_up >= measured.calls);
        assert!(measured.latency.max() > 0);
    }

    #[test]
    fn a_wrong_answer_is_told() {
        let head = |status, events| {
            let mut head = Head::default();
            (head.status, head.events) = (status, events);
            head
        };
        let text = message::text(100);
        let good = format!("{{\"id\":7{}{text}{}", message::BEFORE_TEXT, message::AFTER_TEXT);
        let said =
            |head: &Head, body: &str| check(head, body.as_bytes(), "7", &text, Answer::Json).map_err(|e| e.to_string());
        assert_eq!(said(&head(200, false), &good), Ok(()));
        let later = format!("{{\"a\":\"text\"{}{text}\"}}],\"_meta\":{{}}}},\"id\":7}}", message::BEFORE_TEXT);
        assert_eq!(said(&head(200, false), &later), Ok(()), "the id may stand last");
        for (head, body, words) in [
            (head(503, false), good.clone(), "no success"),
            (head(200, true), good.clone(), "another content type"),
            (head(200, false), "{\"id\":7,\"error\":{}}".to_owned(), "no text"),
            (head(200, false), good.replace("keeper", "keeped"), "another text"),
            (head(200, false), good.replace("\"}],", "x\"}],"), "a longer text"),
            (head(200, false), good.replace("\"id\":7", "\"id\":8"), "another id"),
            (head(200, false), good.replace("false", "true"), "an error"),
        ] {
            let found = said(&head, &body);
            assert!(matches!(&found, Err(e) if e.starts_with(words)), "{words}: {found:?}");
        }
    }
}
