//! What the hosts of a script do: they open tasks for agents, hand them on, end them. And what nobody may ever be told of
//! it: the tokens.

use std::collections::HashMap;
use std::sync::Arc;

use pdp::record::Entry;
use pdp::task::{Allowed, Profile, Scope};
use pep::{Cause, Key, Opening, Over, Tasks};
use serde_json::Value;

use super::fakes::lock;
use super::{World, caller};

/// The tasks of a script's hosts by their names in it: id and token.
#[derive(Debug, Default)]
pub(super) struct Hosted(HashMap<String, (String, String)>);

impl Hosted {
    pub(super) fn command(&mut self, world: &World, rest: &str) {
        let words: Vec<&str> = rest.splitn(5, ' ').collect();
        let ports = &world.gate.ports;
        match words.as_slice() {
            ["open", name, agent] => self.open(world, name, None, agent, "{}"),
            ["open", name, agent, terms @ ..] => self.open(world, name, None, agent, &terms.join(" ")),
            ["child", name, parent, agent] => self.open(world, name, Some(parent), agent, "{}"),
            ["child", name, parent, agent, terms] => self.open(world, name, Some(parent), agent, terms),
            ["stop", name, why @ ..] => self.finish(world, name, Cause::Stopped, &why.join(" ")),
            ["end", name] => self.finish(world, name, Cause::Ended, ""),
            ["expire"] => {
                for task in ports.tasks.expire(ports.clock.now_us()) {
                    let event = task.end_event().expect("it is over");
                    ports.ledger.append(Entry::Event(event)).unwrap();
                }
            }
            ["show", name] => {
                let task = ports.tasks.find(&self.0[*name].0).expect("it is remembered");
                let over = task.over(ports.clock.now_us()).map_or("open".to_owned(), |over| over.to_string());
                let said = format!("{name}: {over}; {}; {} expansions", task.labels(), task.expansions());
                world.journal.write(said);
            }
            ["used", name] => {
                let task = ports.tasks.find(&self.0[*name].0).expect("it is remembered");
                let used = task.used().into_iter().filter(|(_, used)| *used > 0);
                let said = used.map(|(name, used)| format!("{name} {used}")).collect::<Vec<_>>().join(", ");
                world.journal.write(said);
            }
            other => panic!("no host can {other:?}"),
        }
    }

    /// A task's token; `forged` is one that another gate sealed for a task of this one.
    pub(super) fn token(&self, name: &str) -> &str {
        &self.0.get(name).unwrap_or_else(|| panic!("no task is called {name}")).1
    }

    /// A message with the tokens it asks for.
    pub(super) fn filled_in(&self, text: String) -> String {
        self.0.iter().fold(text, |text, (name, (_, token))| text.replace(&format!("{{token:{name}}}"), token))
    }

    fn open(&mut self, world: &World, name: &str, parent: Option<&str>, agent: &str, terms: &str) {
        let terms: Value = serde_json::from_str(terms).unwrap_or_else(|e| panic!("{e}: {terms}"));
        let list = |name: &str| {
            let names = terms[name].as_array()?.iter().map(|v| v.as_str().unwrap().to_owned());
            Some(names.collect::<Vec<String>>())
        };
        let allowed = |name: &str| list(name).map(Allowed::only).unwrap_or_default();
        let scope = Scope {
            tools: allowed("tools"),
            servers: allowed("servers"),
            resources: allowed("resources"),
            memory: allowed("memory"),
            systems: allowed("systems"),
            agents: allowed("agents"),
            users: allowed("users"),
        };
        let profile = Profile {
            name: terms["profile"].as_str().unwrap_or("any").to_owned(),
            description: String::new(),
            scope: Scope::default(),
            limits: Default::default(),
            lifetime_s: 3600,
        };
        let ports = &world.gate.ports;
        let mut principal = (*caller(agent).principal.unwrap()).clone();
        if let Some(user) = terms["user"].as_str() {
            principal.user = user.to_owned();
        }
        let labels = list("labels").unwrap_or_default();
        let opening = Opening {
            profile: Arc::new(profile),
            goal: "what the user said".to_owned(),
            principal,
            by: "default/host".to_owned(),
            by_user: String::new(),
            labels: labels.iter().map(String::as_str).collect(),
            scope,
            limits: terms
                .get("limits")
                .map(|limits| serde_json::from_value(limits.clone()).unwrap())
                .unwrap_or_default(),
            lifetime_s: terms["lifetime_s"].as_u64(),
            parent: parent.map(|name| ports.tasks.find(&self.0[name].0).expect("it is remembered")),
        };
        // `forged`: the same, sealed by another gate.
        let foreign = Tasks::new(0, 9, true).sealed(Key::new([8; 32]));
        let tasks = if name == "forged" { &foreign } else { &ports.tasks };
        match tasks.open_for(opening, ports.clock.now_us(), [ports.entropy.bytes(), ports.entropy.bytes()]) {
            Ok(opened) => {
                let id = opened.task.id().to_owned();
                if name != "forged" {
                    ports.ledger.append(Entry::Event(opened.task.opening_event())).unwrap();
                }
                self.0.insert(name.to_owned(), (id, opened.token));
            }
            Err(fault) => world.journal.write(format!("not opened: {fault}")),
        }
    }

    fn finish(&self, world: &World, name: &str, cause: Cause, words: &str) {
        let ports = &world.gate.ports;
        let task = ports.tasks.find(&self.0[name].0).expect("it is remembered");
        let by = Some("default/host".to_owned());
        let over = Over { cause, words: words.to_owned(), by, at_us: ports.clock.now_us() };
        for ended in ports.tasks.end(&task, &over) {
            let event = ended.end_event().expect("it is over");
            ports.ledger.append(Entry::Event(event)).unwrap();
        }
    }

    /// No token is in the ledger, at a server, or told to the client.
    pub(super) fn assert_untold(&self, world: &World) {
        for (name, (_, token)) in &self.0 {
            let secret = token.trim_start_matches("wgt_").split('.').next_back().unwrap();
            for entry in world.ledger.entries() {
                let text = entry.canonical().unwrap();
                assert!(!text.contains(secret), "the token of {name} is in the ledger: {text}");
            }
            for sent in lock(&world.upstream.sent).iter() {
                let all = format!("{} {:?}", sent.text, sent.headers);
                assert!(!all.contains(secret), "the token of {name} reached a server: {all}");
            }
            assert!(!lock(&world.told).contains(secret), "the token of {name} was told to the client");
            assert!(!world.journal.text().contains(secret), "the token of {name} is in the journal");
        }
    }
}
