//! What the servers were made to do, as they count it themselves: written down before they answer.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pdp::digest::Digest;
use serde_json::Value;

use super::agents::READS;
use crate::gate::server::Upstream;

/// One call that reached a server.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) unique: String,
    pub(super) reads: bool,
    /// Of the message, as the gate meant to send it.
    pub(super) body: Digest,
}

/// Every call that reached a server.
#[derive(Debug)]
pub(super) struct Effects {
    /// Where the server on standard streams writes what it hears.
    tape: PathBuf,
    /// How much of that was read already.
    read: usize,
    all: Vec<Effect>,
    unique: BTreeSet<String>,
}

impl Effects {
    pub(super) fn new(tape: PathBuf) -> Self {
        Self { tape, read: 0, all: Vec::new(), unique: BTreeSet::new() }
    }

    pub(super) fn all(&self) -> &[Effect] {
        &self.all
    }

    pub(super) fn has(&self, unique: &str) -> bool {
        self.unique.contains(unique)
    }

    /// Takes down what the servers counted since this was last asked.
    pub(super) fn hear(&mut self, web: &Upstream) {
        for seen in web.take_seen() {
            self.take(&seen.body);
        }
        let tape = std::fs::read(&self.tape).unwrap_or_default();
        // Another line may just be on its way.
        let end = tape.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let text = String::from_utf8(tape[self.read..end].to_vec()).unwrap();
        self.read = end;
        text.lines().for_each(|line| self.take(line));
    }

    fn take(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        if message["method"] != "tools/call" {
            return;
        }
        let params = &message["params"];
        let arguments = &params["arguments"];
        let unique = ["text", "path", "to"].into_iter().find_map(|name| arguments[name].as_str());
        let unique = unique.unwrap_or_else(|| panic!("a call that no agent made: {text}")).to_owned();
        assert!(self.unique.insert(unique.clone()), "one call had its effect twice: {text}");
        // Agents that share a process have their ids made unique on the way into it.
        let id = pdp::json::member(text, "id").unwrap();
        let meant = text.replacen(&format!("\"id\":{id}"), &format!("\"id\":\"{unique}\""), 1);
        let reads = READS.contains(&params["name"].as_str().unwrap());
        self.all.push(Effect { unique, reads, body: Digest::of_bytes(meant.as_bytes()) });
    }
}
