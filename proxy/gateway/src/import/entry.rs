//! One entry of a client's file, read: how the server is reached, which of its tools the client allowed. The eight shapes
//! become one here; nothing further in knows them apart.

use std::path::{Path, PathBuf};

use super::client::Client;
use super::lists::{self, Lists};
use super::reference::{Folders, Words};
use super::tree::{Map, Node, Value};

/// What an entry is.
#[derive(Debug)]
pub(super) enum Entry {
    /// A server to be put behind the gate.
    Server(Box<Server>),
    /// It leads to the gate already.
    Ours,
    /// It is a part of the client's own, and no server to be imported.
    Own(String),
    /// It is left as it is, for this reason.
    Left(String),
}

/// A server as a client knew it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) reach: Reach,
    pub(super) lists: Lists,
    /// The client has it switched off.
    pub(super) disabled: bool,
    /// What was not carried over, or needs a person.
    pub(super) notes: Vec<String>,
}

/// How a server is reached, with the client's references in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// A child process.
    Stdio {
        command: String,
        args: Vec<Words>,
        env: Vec<(String, Words)>,
        /// Variables by name.
        passed: Vec<String>,
        env_file: Option<PathBuf>,
        cwd: Option<PathBuf>,
    },
    /// Over HTTP.
    Http {
        url: Words,
        headers: Vec<(String, Words)>,
        /// HTTP+SSE, the transport of MCP 2024-11-05.
        sse: bool,
    },
}

/// Reads entries of one client's file.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) client: Client,
    pub(super) folders: Folders,
    /// Where the gate listens, as `host:port`.
    pub(super) gate: &'a str,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(client: Client, folders: Folders, gate: &'a str) -> Self {
        Self { client, folders, gate, notes: Vec::new() }
    }

    /// Reads one entry. `root` is the whole file, where some clients keep rules about tools.
    pub(super) fn read(mut self, name: &str, node: &Node, root: &Node) -> Entry {
        let Some(map) = node.map() else { return Entry::Left("it is no object".to_owned()) };
        match self.server(name, map, root) {
            Ok(entry) => entry,
            Err(why) => Entry::Left(why),
        }
    }

    fn server(&mut self, name: &str, map: &Map, root: &Node) -> Result<Entry, String> {
        if let Some(words) = self.not_a_server(map) {
            return Ok(Entry::Own(words));
        }
        if map.get("type").and_then(Node::text) == Some("ws") {
            return Err("it speaks over a WebSocket, which the gate does not".to_owned());
        }
        let Some(reach) = self.reach(map)? else { return Ok(Entry::Ours) };
        let lists = lists::read(self.client, name, map, root, &mut self.notes);
        let off = |name: &str, off: bool| map.get(name).is_some_and(|node| node.value == Value::Bool(off));
        let disabled = off("disabled", true) || off("enabled", false);
        let notes = std::mem::take(&mut self.notes);
        Ok(Entry::Server(Box::new(Server { reach, lists, disabled, notes })))
    }

    /// What is no MCP server of its own, in words.
    fn not_a_server(&self, map: &Map) -> Option<String> {
        let kind = map.get("type").and_then(Node::text).unwrap_or_default();
        let own = !["stdio", "streamable_http", "sse"].contains(&kind);
        let unreached = map.get("command").is_none() && map.get("url").is_none();
        if self.client == Client::Goose && own {
            return Some(format!("it is a part of Goose (`type: {kind}`)"));
        }
        (self.client == Client::Zed && unreached).then(|| "an extension of Zed's starts it".to_owned())
    }

    /// How it is reached; nothing where it leads to the gate already.
    fn reach(&mut self, map: &Map) -> Result<Option<Reach>, String> {
        let url = ["url", "httpUrl", "uri", "serverUrl"].into_iter().find_map(|name| Some((name, map.get(name)?)));
        let command = map.get("command").or_else(|| map.get("cmd"));
        match (command, url) {
            (Some(_), Some(_)) => Err("it names both a command and a URL".to_owned()),
            (None, None) => Err("it names neither a command nor a URL".to_owned()),
            (None, Some((member, url))) => self.http(map, member, url),
            (Some(command), None) => self.stdio(map, command),
        }
    }

    fn http(&mut self, map: &Map, member: &str, url: &Node) -> Result<Option<Reach>, String> {
        let url = url.text().ok_or_else(|| format!("its `{member}` is no text"))?;
        if self.is_gate(url) {
            return Ok(None);
        }
        let mut headers = Vec::new();
        // Codex does not read `headers`.
        let fixed = if self.client == Client::Codex { "http_headers" } else { "headers" };
        for (name, value) in self.pairs(map, &[fixed])? {
            headers.push((name, self.words(&value)?));
        }
        for (name, variable) in self.pairs(map, &["env_http_headers"])? {
            headers.push((name, Words::variable("", &variable)));
        }
        if let Some(variable) = map.get("bearer_token_env_var").and_then(Node::text) {
            headers.push(("Authorization".to_owned(), Words::variable("Bearer ", variable)));
        }
        for login in ["oauth", "auth", "scopes", "oauth_resource", "headersHelper", "authProviderType"] {
            if map.get(login).is_some() {
                let words = format!("`{login}` is not carried over: the gate does not log in for the client");
                self.notes.push(words);
            }
        }
        if headers.is_empty() {
            self.notes.push("no credential: a server that asks for a login will refuse the gate".to_owned());
        }
        Ok(Some(Reach::Http { sse: self.is_sse(map, member, url), url: self.words(url)?, headers }))
    }

    /// Whether the client would speak HTTP+SSE with it.
    fn is_sse(&mut self, map: &Map, member: &str, url: &str) -> bool {
        let path = url.split(['?', '#']).next().unwrap_or_default();
        match (self.client, map.get("type").and_then(Node::text)) {
            (_, Some("sse")) => true,
            (Client::Gemini, None) if member == "url" => {
                self.notes
                    .push("Gemini CLI reads a bare `url` as HTTP+SSE; set `kind = \"http\"` if it is not".to_owned());
                true
            }
            (Client::Cursor, None) => path.ends_with("/sse"),
            (_, Some(_) | None) => false,
        }
    }

    fn stdio(&mut self, map: &Map, command: &Node) -> Result<Option<Reach>, String> {
        // Zed once wrote `command` as a table with `path`, `args` and `env`.
        let (command, map) = match command.map() {
            Some(inner) => (inner.get("path"), inner),
            None => (Some(command), map),
        };
        let command = command.and_then(Node::text).ok_or("its command is no text")?;
        let args = match map.get("args") {
            None => Vec::new(),
            Some(list) => list.texts().ok_or("its `args` are no list of texts")?,
        };
        if is_bridge(command, &args) {
            return Ok(None);
        }
        let command = self.words(command)?.literal().ok_or("its command is put together from variables")?;
        let args = args.iter().map(|arg| self.words(arg)).collect::<Result<_, _>>()?;
        let mut env = Vec::new();
        for (name, value) in self.pairs(map, &["env", "envs"])? {
            env.push((name, self.words(&value)?));
        }
        let mut passed = Vec::new();
        for (member, owner) in [("env_keys", "Goose's keyring"), ("env_vars", "")] {
            for item in map.get(member).and_then(Node::list).unwrap_or_default() {
                let name = item.text().or_else(|| item.get("name").and_then(Node::text));
                let name = name.ok_or_else(|| format!("its `{member}` hold what is no name"))?;
                if !owner.is_empty() {
                    self.notes.push(format!("`{name}` was kept in {owner}; the gate reads it from its environment"));
                }
                passed.push(name.to_owned());
            }
        }
        if map.get("dev").is_some() {
            self.notes.push("`dev` is not carried over: the gate starts the server, and not the editor".to_owned());
        }
        let env_file = self.path(map, "envFile")?;
        let cwd = self.path(map, "cwd")?.or_else(|| self.folders.project.clone());
        Ok(Some(Reach::Stdio { command, args, env, passed, env_file, cwd }))
    }

    fn path(&mut self, map: &Map, member: &str) -> Result<Option<PathBuf>, String> {
        let Some(node) = map.get(member) else { return Ok(None) };
        let text = node.text().ok_or_else(|| format!("its `{member}` is no text"))?;
        let literal = self.words(text)?.literal();
        let path = PathBuf::from(literal.ok_or_else(|| format!("its `{member}` is put together from variables"))?);
        let home = self.folders.home.clone().zip(path.strip_prefix("~").ok());
        let path = home.map_or(path.clone(), |(home, rest)| home.join(rest));
        match &self.folders.project {
            Some(project) => Ok(Some(project.join(path))),
            None if path.is_absolute() => Ok(Some(path)),
            None => Err(format!("its `{member}` is relative, and the file belongs to no project")),
        }
    }

    /// Names and values of the first of these members that is there.
    fn pairs(&self, map: &Map, members: &[&str]) -> Result<Vec<(String, String)>, String> {
        let Some((member, node)) = members.iter().find_map(|name| Some((name, map.get(name)?))) else {
            return Ok(Vec::new());
        };
        if node.value == Value::Null {
            return Ok(Vec::new());
        }
        let inner = node.map().ok_or_else(|| format!("its `{member}` is no object"))?;
        let pair = |m: &super::tree::Member| {
            let value = m.node.plain().ok_or_else(|| format!("`{}` under `{member}` is no text", m.name))?;
            Ok((m.name.clone(), value))
        };
        inner.members.iter().map(pair).collect()
    }

    fn words(&mut self, text: &str) -> Result<Words, String> {
        let client = self.client;
        let notes = &mut self.notes;
        Words::read(text, client, &self.folders, &mut |id, name| {
            let words = format!("{} asked its user for `{id}`; the gate reads it from `{name}`", client.title());
            if !notes.contains(&words) {
                notes.push(words);
            }
        })
    }

    fn is_gate(&self, url: &str) -> bool {
        let Ok(url) = url::Url::parse(url) else { return false };
        let port = self.gate.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let host = self.gate.rsplit_once(':').map_or(self.gate, |(host, _)| host);
        let here = url.host_str().is_some_and(|h| h == host || (is_loopback(h) && is_loopback(host)));
        here && url.port_or_known_default() == port && url.path().ends_with("/mcp")
    }
}

fn is_loopback(host: &str) -> bool {
    ["127.0.0.1", "localhost", "[::1]", "::1"].contains(&host)
}

/// Whether a command starts the bridge to a gate.
fn is_bridge(command: &str, args: &[String]) -> bool {
    let program = Path::new(command).file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("wicketgate"));
    program && args.first().is_some_and(|arg| arg == "stdio")
}
