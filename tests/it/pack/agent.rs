//! An agent in the house: a task that a host opened with what its user asked, and the calls made in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use pdp::decision::Decision;
use pdp::record::{Ending, Entry, Record};
use pdp::task::{Limits, Scope};
use pep::ports::{Clock as _, Hold, Snapshots as _};
use pep::{Frame, Opening, Token};
use serde_json::{Value, json};

use super::house;
use super::servers::{Done, House, Place};
use crate::world::fakes::lock;
use crate::world::upstream::FakeUpstream;
use crate::world::{World, caller};

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was carried out; the rules that allowed it, or that asked and were granted.
    Ran,
    /// It waits for these grants, by these rules.
    Held(BTreeSet<String>, Vec<String>),
    /// It was denied, by these rules.
    Denied(Vec<String>),
    /// It was refused for another cause.
    Refused(String),
}

/// An agent with a task.
#[derive(Debug)]
pub(super) struct Agent {
    world: Arc<World>,
    house: Arc<House>,
    token: String,
    next: u64,
    /// What it was told last.
    pub(super) told: Value,
    /// The grants asked for by the last call that ran, and by which rules.
    pub(super) asked: Option<(BTreeSet<String>, Vec<String>)>,
}

impl Agent {
    /// An agent whose user asked this, in a house where this is planted.
    pub(super) fn asked_to(goal: &str, planted: Option<(Place, String)>) -> Self {
        let house = Arc::new(House::with(planted));
        let plays = Arc::clone(&house);
        let world = World::over(house::snapshot(), |journal, points| {
            let servers = house::servers().into_iter().map(|name| (name.to_owned(), house::listed(name)));
            FakeUpstream::of(servers, journal, points).played_by(plays)
        });
        world.journal.mute(true);
        let opening = Opening {
            profile: Arc::clone(&world.snapshots.current().registry().profiles["house"]),
            goal: goal.to_owned(),
            principal: (*caller("ann").principal.unwrap()).clone(),
            by: "host".to_owned(),
            by_user: String::new(),
            labels: pdp::label::LabelSet::default(),
            scope: Scope::default(),
            limits: Limits::default(),
            lifetime_s: None,
            parent: None,
        };
        let opened = world.gate.ports.tasks.open_for(opening, world.clock.now_us(), [[1; 16], [2; 16]]).unwrap();
        Self { world, house, token: opened.token, next: 1, told: Value::Null, asked: None }
    }

    /// Whoever is asked from now on says yes.
    pub(super) fn approved(self) -> Self {
        let every = ["owner", "security"].into_iter().map(str::to_owned).collect();
        *lock(&self.world.approvals.verdict) = crate::world::fakes::granted(every);
        self
    }

    /// One call, and what became of it.
    pub(super) async fn call(&mut self, server: &str, tool: &str, arguments: &Value) -> Fate {
        let id = self.next;
        self.next += 1;
        let message = json!({
            "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments },
        });
        let frame = Frame::message(caller("ann"), server, None, Vec::new(), Bytes::from(message.to_string()))
            .with_tokens(vec![Token::presented(&self.token)]);
        Arc::clone(&self.world).carry(frame).await;
        let told = lock(&self.world.told).clone();
        let body = told.split_once(' ').map_or("", |(_, body)| body);
        self.told = serde_json::from_str(body).unwrap_or_default();
        let mut holds = lock(&self.world.approvals.holds);
        let rules = |hold: &Hold| hold.shown.rules.iter().map(|rule| rule.id.clone()).collect();
        self.asked = holds.pop().map(|hold| (hold.shown.grants.clone(), rules(&hold)));
        holds.clear();
        drop(holds);
        let records = self.world.ledger.take_entries().into_iter().filter_map(|entry| {
            let Entry::Record(record) = entry else { return None };
            Some(record)
        });
        let record = records.rev().find(|record| record.target.as_deref() == Some(tool) && record.server == server);
        fate(&record.expect("every call has a record"))
    }

    /// What happened at the servers since it was last asked.
    pub(super) fn done(&self) -> Vec<Done> {
        self.house.take_done()
    }

    /// The text it was told last.
    pub(super) fn text(&self) -> String {
        self.told["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    }
}

fn fate(record: &Record) -> Fate {
    let rules = || {
        let note = record.decision.as_ref();
        note.map(|note| note.rules.iter().map(|rule| rule.id.clone()).collect::<Vec<_>>()).unwrap_or_default()
    };
    let decision = record.decision.as_ref().map(|note| &note.decision);
    match (record.ending, decision) {
        (Ending::Served, _) => Fate::Ran,
        (_, Some(Decision::Escalate(grants))) => Fate::Held(grants.iter().cloned().collect(), rules()),
        (_, Some(Decision::Deny(_))) => Fate::Denied(rules()),
        (_, Some(Decision::Allow(_)) | None) => {
            Fate::Refused(record.refusal.as_ref().map(|refusal| refusal.message.clone()).unwrap_or_default())
        }
    }
}
