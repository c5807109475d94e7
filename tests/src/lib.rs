//! The tools of the fixture servers: the one on standard streams (`bin/fixture.rs`) and the one behind HTTP
//! (`it/gate/server.rs`) list the same ones, and the tests' registries are written from the same table. Beside them, the
//! properties that fuzzer and tests share.

pub mod properties;

use serde_json::{Value, json};

/// One tool of the fixture servers.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Its effect in the registry; nothing for a tool that no registry names.
    pub effect: Option<&'static str>,
    /// Whether the servers list it unless told otherwise.
    pub listed: bool,
    /// Whether its registry entry is reviewed.
    pub reviewed: bool,
    /// The members of its arguments: name, JSON type, and whether it is required.
    pub arguments: &'static [(&'static str, &'static str, bool)],
}

const fn tool(
    name: &'static str,
    effect: &'static str,
    arguments: &'static [(&'static str, &'static str, bool)],
) -> Tool {
    Tool { name, effect: Some(effect), listed: true, reviewed: true, arguments }
}

const HOW: &[(&str, &str, bool)] = &[("how", "string", true), ("text", "string", false), ("n", "integer", false)];

/// Every tool. What `act` and `look` do is told by their argument `how`; they differ in effect alone.
pub const TOOLS: &[Tool] = &[
    tool("echo", "read", &[("text", "string", true)]),
    tool("look", "read", HOW),
    tool("act", "write", HOW),
    tool("note", "memory_write", &[("path", "string", true), ("text", "string", false)]),
    tool("pay", "spend", &[("amount", "number", true), ("count", "integer", false), ("to", "string", false)]),
    tool("send", "egress", &[("to", "string", true)]),
    tool("wipe", "destructive", &[("path", "string", true)]),
    tool("shifty", "read", &[("text", "string", false)]),
    Tool { effect: None, ..tool("hidden", "read", &[]) },
    Tool { reviewed: false, ..tool("draft", "read", &[]) },
    Tool { listed: false, ..tool("gone", "read", &[]) },
];

impl Tool {
    /// The definition as a server lists it.
    #[must_use]
    pub fn definition(&self) -> Value {
        let members: serde_json::Map<String, Value> =
            self.arguments.iter().map(|(name, kind, _)| ((*name).to_owned(), json!({ "type": kind }))).collect();
        let required: Vec<&str> =
            self.arguments.iter().filter(|(_, _, needed)| *needed).map(|(name, ..)| *name).collect();
        json!({
            "name": self.name,
            "description": format!("The fixture's tool `{}`.", self.name),
            "inputSchema": { "type": "object", "properties": members, "required": required },
        })
    }
}

/// The definitions that a fixture server lists.
#[must_use]
pub fn listing() -> Vec<Value> {
    TOOLS.iter().filter(|tool| tool.listed).map(Tool::definition).collect()
}

/// A tool result with one text.
#[must_use]
pub fn said(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}
