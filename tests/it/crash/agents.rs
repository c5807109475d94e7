//! The agents: each calls one tool after the other until its gate is no more, and remembers what it was told.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::Dice;
use crate::gate::client::{Agent, Received, call, rpc};
use crate::gate::{ADA, BOB};

/// One agent: where its calls go, and how it speaks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    server: &'static str,
    /// With a session, as up to 2025-11-25; else stateless, as from 2026-07-28 on.
    legacy: bool,
    token: &'static str,
}

const fn kind(server: &'static str, legacy: bool, token: &'static str) -> Kind {
    Kind { server, legacy, token }
}

/// Both eras, both transports, and two who share a server.
pub(super) const AGENTS: [Kind; 6] = [
    kind("counting", true, ADA),
    kind("counting", true, BOB),
    kind("counting", false, ADA),
    kind("counting", false, BOB),
    kind("taping", true, ADA),
    kind("taping", false, BOB),
];

/// One call and what its agent was told of it.
#[derive(Debug)]
pub(super) struct Made {
    /// Stands in its arguments, in no other call, and is its JSON-RPC id.
    pub(super) unique: String,
    pub(super) tool: &'static str,
    /// The record its answer names, if its answer came whole.
    pub(super) number: Option<u64>,
}

impl Made {
    /// Whether its record may be lost with the gate: the others' are on disk before their answers.
    pub(super) fn reads(&self) -> bool {
        READS.contains(&self.tool)
    }
}

pub(super) const READS: [&str; 2] = ["echo", "look"];

/// The agent that made a call.
pub(super) fn of(unique: &str) -> usize {
    unique.split('-').nth(1).unwrap().parse().unwrap()
}

/// What an agent does next: a tool and its arguments. Every effect that a registry knows is among them.
fn next(dice: &mut Dice, unique: &str) -> (&'static str, Value) {
    match dice.below(11) {
        0 | 1 => ("act", json!({ "how": "", "text": unique })),
        2 => ("act", json!({ "how": "slow", "text": unique, "n": 3 })),
        3 => ("act", json!({ "how": "sse", "text": unique })),
        4 => ("note", json!({ "path": unique })),
        5 => ("send", json!({ "to": unique })),
        6 => ("wipe", json!({ "path": unique })),
        7 => ("pay", json!({ "amount": 1, "to": unique })),
        8 => ("echo", json!({ "text": unique })),
        9 => ("look", json!({ "how": "", "text": unique })),
        _ => ("look", json!({ "how": "sse", "text": unique })),
    }
}

/// How many calls were answered, of all agents together.
#[derive(Debug, Clone)]
pub(super) struct Counter(watch::Sender<usize>);

impl Default for Counter {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Counter {
    pub(super) async fn reached(&self, count: usize) {
        self.0.subscribe().wait_for(|n| *n >= count).await.unwrap();
    }
}

/// Calls until the gate is gone.
pub(super) async fn work(index: usize, at: SocketAddr, life: u64, mut dice: Dice, counter: Counter) -> Vec<Made> {
    let mut made = Vec::new();
    let Some(agent) = connected(AGENTS[index], at).await else { return made };
    for n in 0.. {
        let unique = format!("{life}-{index}-{n}");
        let (tool, arguments) = next(&mut dice, &unique);
        let request = match agent.session {
            Some(_) => agent.posting(call(unique.as_str(), tool, arguments)),
            None => agent.stateless(unique.as_str(), "tools/call", json!({ "name": tool, "arguments": arguments })),
        };
        let answer = request.receive(at).await.and_then(Received::answer);
        let number = answer.map(|answer| {
            let message = answer.message();
            assert_eq!(message["id"], *unique, "{answer:?}");
            let label = &message["result"]["_meta"]["dev.wicketgate/label"];
            label["record"].as_u64().unwrap_or_else(|| panic!("{tool} is not answered: {answer:?}"))
        });
        made.push(Made { unique, tool, number });
        if number.is_none() {
            break;
        }
        counter.0.send_modify(|count| *count += 1);
    }
    made
}

/// An agent that has said hello, where its era does; nothing if the gate is gone before that.
async fn connected(kind: Kind, at: SocketAddr) -> Option<Agent> {
    let mut agent = Agent::modern(at, kind.server, kind.token);
    if kind.legacy {
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let answer = agent.posting(rpc(0, "initialize", hello)).receive(at).await?.answer()?;
        let session = answer.header("mcp-session-id").unwrap_or_else(|| panic!("no session: {answer:?}")).to_owned();
        agent.session = Some(session);
        let heard = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned();
        agent.posting(heard).receive(at).await?.answer()?;
    }
    Some(agent)
}
