//! From the registry's files to a [`Registry`]: every fault at once, each with its place.
//!
//! A tool whose review is missing or whose schema cannot be used is withheld, not a fault: one draft must not keep a
//! bundle from loading, nor its siblings from working. Does not read files.

mod around;
mod flow;
mod profile;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use toml::Spanned;

use self::tool::retired;
use super::written::{CredentialTable, ServerFile, TransportTable, VocabularyFile};
use super::{CredentialRule, Deliver, Identity, OWN_SERVER, Registry, Reviewers, Server, Transport, UNVALIDATED};
use crate::digest::{DEPTH_MAX, Digest};
use crate::fault::{Fault, SourceFile};
use crate::json::{self, Json};
use crate::label::LabelSet;
use crate::method::Feature;
use crate::origin::{UNGIVEN, USER};

/// Labels every vocabulary has.
const LABELS: [&str; 6] = ["untrusted", "private", "secret", USER, UNGIVEN, UNVALIDATED];
/// Grants every vocabulary has.
const GRANTS: [&str; 2] = ["owner", "security"];
/// How long a call may take unless the registry says otherwise.
const TIMEOUT_MS: u64 = 120_000;

/// Headers of requests to servers that are the gate's own or the connection's.
const OWN_HEADERS: [&str; 8] = [
    "authorization",
    "accept",
    "content-type",
    "content-length",
    "host",
    "connection",
    "transfer-encoding",
    "last-event-id",
];

/// Whether a header can be among a server's fixed ones. The name is in lower case.
///
/// # Errors
/// In words that go on from the header's name, why it cannot.
pub fn fixed_header(name: &str, value: &str) -> Result<(), &'static str> {
    // RFC 9110, sections 5.6.2 (tchar) and 5.5.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) || !value.chars().all(|c| (' '..='~').contains(&c)) {
        return Err("is no header, or its value is not visible ASCII");
    }
    if OWN_HEADERS.contains(&name) || name.starts_with("mcp-") {
        return Err("is written by the gate itself");
    }
    Ok(())
}

/// Builds the registry from `servers/*.toml` with their `*.tools.json`, and `vocabulary.toml`.
///
/// # Errors
/// Every fault found.
pub fn load(files: &[SourceFile]) -> Result<Registry, Vec<Fault>> {
    load_on(files, None)
}

/// Builds the registry as [`load`] does. A server whose files are as they were is taken from `before`.
///
/// # Errors
/// As [`load`].
pub fn load_on(files: &[SourceFile], before: Option<&Registry>) -> Result<Registry, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut registry = Registry {
        servers: BTreeMap::new(),
        labels: LABELS.map(str::to_owned).into(),
        grants: GRANTS.map(str::to_owned).into(),
        profiles: profile::profiles(files, &mut faults),
        reviewers: Reviewers::read(files, &mut faults),
    };
    for file in files.iter().filter(|f| stem(&f.path).1 == "vocabulary.toml") {
        match toml::from_str::<VocabularyFile>(&file.text) {
            Ok(words) => {
                registry.labels.extend(words.labels);
                registry.grants.extend(words.grants);
            }
            Err(e) => faults.push(toml_fault(file, &e)),
        }
    }
    let mut namespaces: BTreeMap<String, String> = BTreeMap::new();
    for file in files.iter().filter(|f| is_server_file(&f.path)) {
        let source = source_of(file, files);
        let known = before.and_then(|before| before.servers.values().find(|server| server.source == Some(source)));
        let read = || {
            let definitions = definitions_of(file, files, &mut faults);
            let server = Reader { file, definitions, registry: &registry, faults: &mut faults }.server()?;
            Some(Arc::new(Server { source: Some(source), ..server }))
        };
        let Some(server) = known.cloned().or_else(read) else { continue };
        if let Some(other) = namespaces.insert(server.namespace.clone(), server.name.clone()) {
            let words = format!(
                "servers `{other}` and `{}` would share the Cedar namespace `{}`",
                server.name, server.namespace
            );
            faults.push(Fault::of_file(&file.path, words, "rename one of them"));
        }
        registry.servers.insert(server.name.clone(), server);
    }
    if faults.is_empty() { Ok(registry) } else { Err(faults) }
}

/// The digest of all that a server's entry follows from: its two files, and every file that is no server's.
fn source_of(file: &SourceFile, files: &[SourceFile]) -> Digest {
    let tools = definitions_path(file);
    let is_of_a_server = |path: &str| stem(path).0 == stem(&file.path).0;
    let mine = |path: &str| path == file.path || path == tools || !is_of_a_server(path);
    let mut text = String::new();
    for part in files.iter().filter(|part| mine(&part.path)) {
        // Lengths before contents, so that no two sets of files read alike.
        let _infallible = write!(text, "{}:{}{}:{}", part.path.len(), part.path, part.text.len(), part.text);
    }
    Digest::of_bytes(text.as_bytes())
}

/// Where the reviewed definitions of a server lie.
fn definitions_path(file: &SourceFile) -> String {
    format!("{}.tools.json", file.path.trim_end_matches(".toml"))
}

/// A path's folder and file name.
pub(super) fn stem(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn is_server_file(path: &str) -> bool {
    let (folder, name) = stem(path);
    name.ends_with(".toml") && (folder == "servers" || folder.ends_with("/servers"))
}

pub(super) fn toml_fault(file: &SourceFile, e: &toml::de::Error) -> Fault {
    match e.span() {
        Some(span) => Fault::at(file, span.start, e.message(), ""),
        None => Fault::of_file(&file.path, e.message(), ""),
    }
}

/// The reviewed definitions beside a server file: name to raw text.
fn definitions_of(file: &SourceFile, files: &[SourceFile], faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let path = definitions_path(file);
    let Some(source) = files.iter().find(|f| f.path == path) else { return BTreeMap::new() };
    let mut out = BTreeMap::new();
    let whole = json::check(&source.text, DEPTH_MAX).and_then(|()| json::items(&source.text));
    let list = match whole {
        Ok(list) => list,
        Err(e) => {
            faults.push(Fault::of_file(
                &path,
                e.to_string(),
                "write an array of tool objects, as the server lists them",
            ));
            return out;
        }
    };
    for raw in list {
        let offset = json::place(&source.text, raw).map_or(0, |r| r.start);
        match Json::read(raw, DEPTH_MAX).as_ref().map(|tool| tool.get("name")) {
            Ok(Some(Json::Text(name))) => {
                if out.insert(name.to_string(), raw.to_owned()).is_some() {
                    faults.push(Fault::at(source, offset, format!("the tool `{name}` is defined twice"), "keep one"));
                }
            }
            Ok(_) | Err(_) => faults.push(Fault::at(source, offset, "a tool without a name", "scan the server again")),
        }
    }
    out
}

/// Reads one server file.
struct Reader<'a> {
    file: &'a SourceFile,
    definitions: BTreeMap<String, String>,
    registry: &'a Registry,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, offset: usize, message: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(Fault::at(self.file, offset, message, remedy));
    }

    fn server(&mut self) -> Option<Server> {
        let written: ServerFile = match toml::from_str(&self.file.text) {
            Ok(written) => written,
            Err(e) => {
                self.faults.push(toml_fault(self.file, &e));
                return None;
            }
        };
        let name = self.name(&written.name);
        let labels = self.labels(&written.labels);
        let flow = self.server_flow(&written);
        let deliver = self.deliver(written.deliver.as_ref()).unwrap_or_default();
        let timeout_ms = self.timeout(written.timeout_ms.as_ref()).unwrap_or(TIMEOUT_MS);
        let transport = self.transport(&written.transport);
        if (name == OWN_SERVER) != transport.is_own() {
            let words = format!("`{OWN_SERVER}` is the name of the gate's own tools");
            let remedy = "give this name to `kind = \"builtin\"`, `server = \"gate\"` alone, and no other to it";
            self.fault(written.name.span().start, words, remedy);
        }
        if written.limits.is_some_and(|limits| limits.elapsed_s == Some(0)) {
            let words = "the limit `elapsed_s` cannot be 0: the counts would begin anew with each call";
            self.fault(written.name.span().start, words, "use 1 or more seconds");
        }
        let credential = written.credential.as_ref().and_then(|c| self.credential(c));
        let open = written.open.iter().filter_map(|word| self.open(word)).collect();
        let mut server = Server {
            namespace: namespace(&name),
            system: written.system.unwrap_or_else(|| name.clone()),
            owner: written.owner,
            name,
            labels,
            flow,
            deliver,
            open,
            transport,
            credential,
            timeout_ms,
            limits: written.limits.unwrap_or_default(),
            identity: written.identity.map(|written| Identity {
                is: written.is,
                claimed_name: written.claimed_name,
                claimed_version: written.claimed_version,
            }),
            retired: retired(written.retired_at, written.retired_why),
            closed: None,
            tools: BTreeMap::new(),
            source: None,
            unscanned: BTreeSet::new(),
        };
        for (name, table) in &written.tools {
            match &table.get_ref().pin {
                Some(pin) => {
                    if let Some(tool) = self.tool(name, table, pin, &server) {
                        server.tools.insert(tool.name.clone(), Arc::new(tool));
                    }
                }
                None => {
                    self.unscanned(name, table, &server);
                    server.unscanned.insert(name.clone());
                }
            }
        }
        for table in written.tools.values() {
            self.named_tools(table.get_ref(), &server);
        }
        server.closed = self.closed(&server);
        Some(server)
    }

    /// Why nothing may reach a server. Its tools are withheld one by one; a session, a resource or a prompt is no tool.
    fn closed(&self, server: &Server) -> Option<String> {
        if let Some(retired) = &server.retired {
            return Some(format!("out of use ({retired})"));
        }
        if server.is_moved() {
            return Some("not reached as it was when it was reviewed (`[identity]`)".to_owned());
        }
        // How a server is reached and what is open is signed with each of its tools, and in no other way.
        let vouched = server.tools.values().any(|tool| tool.withheld.is_none());
        let unsigned = self.registry.reviewers.is_some() && !vouched;
        unsigned.then(|| "vouched for by no signed review: none of its tools stands".to_owned())
    }

    fn name(&mut self, written: &Spanned<String>) -> String {
        let name = written.get_ref().clone();
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if !plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 64 {
            let words = format!("`{name}` cannot be a server's name");
            self.fault(
                written.span().start,
                words,
                "use lower-case letters, digits, `-` and `_`, at most 64, a letter first",
            );
        }
        if ["v1", "healthz"].contains(&name.as_str()) {
            self.fault(written.span().start, format!("`{name}` is reserved"), "choose another name");
        }
        let stem = stem(&self.file.path).1.trim_end_matches(".toml");
        if stem != name {
            let words = format!("the file is called `{stem}.toml` but names the server `{name}`");
            self.fault(written.span().start, words, "make the two the same");
        }
        name
    }

    fn labels(&mut self, words: &[Spanned<String>]) -> LabelSet {
        for word in words {
            if !self.registry.labels.contains(word.get_ref()) {
                let known = list(self.registry.labels.iter());
                let message = format!("the label `{}` is not in the vocabulary", word.get_ref());
                self.fault(word.span().start, message, format!("use one of {known}, or add it to `vocabulary.toml`"));
            }
        }
        words.iter().map(|w| w.get_ref().as_str()).collect()
    }

    fn deliver(&mut self, word: Option<&Spanned<String>>) -> Option<Deliver> {
        let word = word?;
        match word.get_ref().as_str() {
            "plain" => Some(Deliver::Plain),
            "quoted" => Some(Deliver::Quoted),
            other => {
                self.fault(word.span().start, format!("`{other}` is no way to deliver"), "use `plain` or `quoted`");
                None
            }
        }
    }

    fn timeout(&mut self, ms: Option<&Spanned<u64>>) -> Option<u64> {
        let ms = ms?;
        if !(1..=86_400_000).contains(ms.get_ref()) {
            self.fault(ms.span().start, "`timeout_ms` is out of range", "use 1 to 86400000 milliseconds");
        }
        Some(*ms.get_ref())
    }

    fn open(&mut self, word: &Spanned<String>) -> Option<String> {
        let name = word.get_ref();
        if name == "tools/call" {
            // Opened as a method it would pass by its tool's review: as a notification, or from the server.
            self.fault(word.span().start, "`tools/call` is not opened as a method", "name each tool under `[tools]`");
            return None;
        }
        let feature = Feature::OPENABLE.iter().any(|f| f.name() == name);
        if feature || name.contains('/') {
            return Some(name.clone());
        }
        let known = list(Feature::OPENABLE.iter().map(|f| f.name()));
        self.fault(
            word.span().start,
            format!("`{name}` is no feature"),
            format!("use one of {known}, or a method's whole name"),
        );
        None
    }

    fn transport(&mut self, written: &Spanned<TransportTable>) -> Transport {
        match written.get_ref() {
            TransportTable::Stdio { command, args, env, env_from, env_file, expand, cwd } => Transport::Stdio {
                command: command.clone(),
                args: args.clone(),
                env: env.clone(),
                env_from: env_from.clone(),
                env_file: env_file.clone(),
                expand: *expand,
                cwd: cwd.clone(),
            },
            TransportTable::Http { url, headers } => Transport::Http {
                url: self.url(url, written.span().start),
                headers: self.headers(headers, written.span().start),
            },
            TransportTable::Sse { url, headers } => Transport::Sse {
                url: self.url(url, written.span().start),
                headers: self.headers(headers, written.span().start),
            },
            TransportTable::Builtin { server } => {
                if !["office", OWN_SERVER].contains(&server.as_str()) {
                    let words = format!("there is no built-in server `{server}`");
                    self.fault(written.span().start, words, "use `office` or `gate`");
                }
                Transport::Builtin { server: server.clone() }
            }
        }
    }

    fn url(&mut self, url: &str, offset: usize) -> String {
        if !url::Url::parse(url).is_ok_and(|u| ["http", "https"].contains(&u.scheme()) && u.has_host()) {
            self.fault(offset, format!("`{url}` is no http or https URL"), "give the endpoint's whole URL");
        }
        url.to_owned()
    }

    /// Fixed headers, their names in lower case.
    fn headers(&mut self, written: &BTreeMap<String, String>, offset: usize) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (name, value) in written {
            let lower = name.to_ascii_lowercase();
            if let Err(why) = fixed_header(&lower, value) {
                self.fault(
                    offset,
                    format!("the header `{name}` {why}"),
                    "leave it out, or write it under `[credential]`",
                );
            }
            out.insert(lower, value.clone());
        }
        out
    }

    fn credential(&mut self, written: &Spanned<CredentialTable>) -> Option<CredentialRule> {
        let table = written.get_ref();
        for more in table.also.iter().filter(|more| !more.get_ref().also.is_empty()) {
            self.fault(
                more.span().start,
                "`also` stands only under `[credential]`",
                "write each secret below the first",
            );
        }
        if table.env.is_some() == table.file.is_some() {
            self.fault(written.span().start, "a credential has one source", "give either `env` or `file`");
            return None;
        }
        Some(CredentialRule {
            env: table.env.clone(),
            file: table.file.clone(),
            header: table.header.clone().unwrap_or_else(|| "authorization".to_owned()).to_ascii_lowercase(),
            prefix: table.prefix.clone().unwrap_or_else(|| "Bearer ".to_owned()),
            variable: table.variable.clone(),
            also: table.also.iter().filter_map(|more| self.credential(more)).collect(),
        })
    }
}

/// The Cedar namespace of a server of this name: an identifier that Cedar does not reserve.
#[must_use]
pub fn namespace(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    const RESERVED: [&str; 9] = ["if", "then", "else", "in", "is", "like", "has", "true", "false"];
    if RESERVED.contains(&plain.as_str()) || plain.starts_with("__") { format!("{plain}_") } else { plain }
}

fn list<S: AsRef<str>>(words: impl Iterator<Item = S>) -> String {
    words.map(|w| format!("`{}`", w.as_ref())).collect::<Vec<_>>().join(", ")
}
