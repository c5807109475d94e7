//! Memory: a fresh process at rest, then with a thousand sessions.

use anyhow::{Context as _, ensure};
use tokio::io::AsyncWriteExt as _;

use crate::bundle::{self, Kind, Size};
use crate::load::{Target, Wire, check};
use crate::message::{self, Answer, Era};
use crate::process::{Memory, Process};

/// How many sessions are opened.
pub const SESSIONS: usize = 1000;

/// What a process held, step by step. Each step is on top of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// After its start.
    pub idle: Memory,
    /// With [`SESSIONS`] sessions, each on a connection that stays open.
    pub opened: Memory,
    /// After each session has called a tool.
    pub called: Memory,
    /// With an open GET stream for each session, on a connection of its own.
    pub streams: Memory,
}

/// Watches a fresh process grow.
///
/// # Errors
/// When a session does not open or an answer is wrong.
pub async fn watch(process: &Process, target: &Target, size: Size) -> anyhow::Result<Growth> {
    process.settle().await?;
    let idle = process.memory()?;
    let mut sessions = Vec::with_capacity(SESSIONS);
    for _ in 0..SESSIONS {
        let mut wire = Wire::open(target.address).await?;
        let session = wire.initialize(&target.path).await?;
        sessions.push((wire, session));
    }
    process.settle().await?;
    let opened = process.memory()?;
    let tool = bundle::tools_of(Kind::Read, size.tools).next().context("no tool to call")?;
    let body = message::call(&tool, 100, Answer::Json, Era::Legacy);
    let expected = message::text(100);
    for (wire, session) in &mut sessions {
        let call = message::call_template(&target.path, &tool, &body, Some(session), Era::Legacy);
        wire.stream.write_all(&call.bytes).await?;
        let head = wire.reader.answer(&mut wire.stream).await?;
        check(&head, wire.reader.body(), &message::FIRST_ID.to_string(), &expected, Answer::Json)?;
    }
    process.settle().await?;
    let called = process.memory()?;
    let mut streams = Vec::with_capacity(SESSIONS);
    for (_, session) in &sessions {
        let mut wire = Wire::open(target.address).await?;
        wire.stream.write_all(message::bare("GET", &target.path, session).as_bytes()).await?;
        let head = wire.reader.head(&mut wire.stream).await?;
        ensure!(head.status == 200 && head.events, "a GET stream was answered with {}", head.status);
        streams.push(wire);
    }
    process.settle().await?;
    let growth = Growth { idle, opened, called, streams: process.memory()? };
    drop((sessions, streams));
    Ok(growth)
}
