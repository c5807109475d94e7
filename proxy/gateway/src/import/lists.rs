//! Which tools a client allowed, denied, or asked its user about: its own lists, to become the beginning of a policy.

use std::collections::BTreeSet;

use super::client::Client;
use super::tree::{Map, Node};

/// A client's rules about one server's tools.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lists {
    /// The only tools it used; nothing where it used all.
    pub(super) only: Option<BTreeSet<String>>,
    /// It used none of them, whatever else it says.
    pub(super) never_any: bool,
    /// Tools it never used.
    pub(super) never: BTreeSet<String>,
    /// Tools it asked its user about each time.
    pub(super) asks: BTreeSet<String>,
    /// It asked about every tool that `free` does not name.
    pub(super) asks_always: bool,
    /// It asked about every tool that writes.
    pub(super) asks_writes: bool,
    /// Tools it did not ask about where it asked about the others.
    pub(super) free: BTreeSet<String>,
}

impl Lists {
    /// Every tool that is named.
    pub(super) fn named(&self) -> BTreeSet<String> {
        let only = self.only.iter().flatten();
        only.chain(&self.never).chain(&self.asks).chain(&self.free).cloned().collect()
    }

    /// The rules of another client for the same server added: what one of them used is used, what one of them denied is
    /// denied, and what one of them asked about is asked about.
    pub(super) fn join(&mut self, other: &Self) {
        self.only = match (self.only.take(), &other.only) {
            (Some(mine), Some(theirs)) => Some(mine.union(theirs).cloned().collect()),
            (None, _) | (_, None) => None,
        };
        self.never_any |= other.never_any;
        self.never.extend(other.never.iter().cloned());
        self.asks.extend(other.asks.iter().cloned());
        self.asks_writes |= other.asks_writes;
        self.free = match (self.asks_always, other.asks_always) {
            (true, true) => self.free.intersection(&other.free).cloned().collect(),
            (true, false) => std::mem::take(&mut self.free),
            (false, true) => other.free.clone(),
            (false, false) => BTreeSet::new(),
        };
        self.asks_always |= other.asks_always;
    }
}

/// Reads what the entry says, and what the file says elsewhere of this server.
pub(super) fn read(client: Client, name: &str, map: &Map, root: &Node, notes: &mut Vec<String>) -> Lists {
    let mut lists = Lists::default();
    let mut set = |member: &str| -> Option<BTreeSet<String>> {
        let node = map.get(member)?;
        let texts = node.texts();
        if texts.is_none() {
            notes.push(format!("`{member}` is no list of names, and is not carried over"));
        }
        // `tool(argument)` is how Gemini CLI writes a tool with some arguments; the gate's policies see arguments whole.
        Some(texts?.iter().map(|name| name.split('(').next().unwrap_or_default().trim().to_owned()).collect())
    };
    match client {
        Client::Codex => {
            lists.only = set("enabled_tools");
            lists.never = set("disabled_tools").unwrap_or_default();
            codex_approvals(map, &mut lists, notes);
        }
        Client::Gemini => {
            lists.only = set("includeTools");
            lists.never = set("excludeTools").unwrap_or_default();
        }
        // An empty list is Goose's way of saying all.
        Client::Goose => lists.only = set("available_tools").filter(|tools| !tools.is_empty()),
        Client::ClaudeCode => claude_permissions(name, root, &mut lists, notes),
        Client::ClaudeDesktop | Client::Cursor | Client::VsCode | Client::Zed => {}
    }
    if let Some(only) = &mut lists.only {
        only.retain(|tool| !lists.never.contains(tool));
    }
    lists
}

/// `default_tools_approval_mode`, and `approval_mode` of single tools: `prompt` asks, `writes` asks about what writes,
/// `approve` does not ask, `auto` leaves it to Codex.
fn codex_approvals(map: &Map, lists: &mut Lists, notes: &mut Vec<String>) {
    let mut mode = |place: &str, mode: Option<&str>| match mode {
        Some("prompt" | "writes" | "approve" | "auto") | None => {}
        Some(other) => notes.push(format!("`{place} = {other:?}` is not known, and is not carried over")),
    };
    let default = map.get("default_tools_approval_mode").and_then(Node::text);
    mode("default_tools_approval_mode", default);
    lists.asks_always = default == Some("prompt");
    lists.asks_writes = default == Some("writes");
    for tool in map.get("tools").and_then(Node::map).map(|map| map.members.as_slice()).unwrap_or_default() {
        let own = tool.node.get("approval_mode").and_then(Node::text);
        mode(&format!("tools.{}.approval_mode", tool.name), own);
        match own {
            Some("prompt") => lists.asks.insert(tool.name.clone()),
            Some("approve" | "auto") if lists.asks_always => lists.free.insert(tool.name.clone()),
            Some(_) | None => false,
        };
    }
}

/// `permissions` with `allow`, `deny` and `ask`, whose rules name tools as `mcp__server__tool`. What is allowed was merely
/// not asked about.
fn claude_permissions(name: &str, root: &Node, lists: &mut Lists, notes: &mut Vec<String>) {
    let Some(permissions) = root.get("permissions") else { return };
    let prefix = format!("mcp__{name}");
    let rules = |member: &str| permissions.get(member).and_then(Node::texts).unwrap_or_default();
    let of_server = |rule: &str| {
        let rest = rule.strip_prefix(&prefix)?;
        if rest.is_empty() || rest == "__*" { Some(None) } else { rest.strip_prefix("__").map(|t| Some(t.to_owned())) }
    };
    for rule in rules("deny").iter().filter_map(|rule| of_server(rule)) {
        match rule {
            Some(tool) => {
                lists.never.insert(tool);
            }
            None => {
                lists.never_any = true;
                notes.push("the client denied every tool of it; no tool is permitted".to_owned());
            }
        }
    }
    for rule in rules("ask").iter().filter_map(|rule| of_server(rule)) {
        match rule {
            Some(tool) => {
                lists.asks.insert(tool);
            }
            None => lists.asks_always = true,
        }
    }
}
