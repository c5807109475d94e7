//! From a server as a client knew it to a draft of its registry entry. References stay references; a literal that looks
//! like a secret goes to a file of its own and never into the entry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, value};

use super::entry::Reach;
use super::reference::{Piece, Words};
use super::secret;

/// What a registry entry says of how a server is reached.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) transport: Transport,
    pub(super) credentials: Vec<Credential>,
}

/// The registry's `[transport]`.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Transport {
    Stdio {
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        env_from: BTreeSet<String>,
        env_file: Option<PathBuf>,
        expand: bool,
        cwd: Option<PathBuf>,
    },
    Http {
        url: String,
        headers: BTreeMap<String, String>,
        sse: bool,
    },
}

/// A secret and how it is presented.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) source: Source,
    pub(super) place: Place,
}

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// In a variable of the gate's.
    Variable(String),
    /// It stood in the client's file, and goes to a file of its own.
    Literal(String),
}

/// Where a secret goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Header { name: String, prefix: String },
    Variable(String),
}

impl Place {
    /// The name it has for a person, and in the name of its file.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Header { name, .. } | Self::Variable(name) => name,
        }
    }
}

/// Drafts an entry. `variable` reads what a reference in an address stands for.
///
/// # Errors
/// In words, what keeps the server from being imported, and what to do.
pub(super) fn draft(
    reach: &Reach,
    variable: &dyn Fn(&str) -> Option<String>,
    notes: &mut Vec<String>,
) -> Result<Draft, String> {
    match reach {
        Reach::Http { url, headers, sse } => http(url, headers, *sse, variable, notes),
        Reach::Stdio { command, args, env, passed, env_file, cwd } => {
            let expand = args.iter().any(|arg| arg.literal().is_none());
            let mut stdio = Stdio { expand, env_from: passed.iter().cloned().collect(), ..Stdio::default() };
            if let Some(index) =
                secret::in_arguments(args.iter().map(shown).collect::<Vec<_>>().iter().map(String::as_str))
            {
                let words = format!(
                    "argument {} looks like a secret, which every process on the machine could read; \
                     give it to the server as a variable, then import again",
                    index + 1
                );
                return Err(words);
            }
            for (name, words) in env {
                stdio.variable(name, words, notes)?;
            }
            let told =
                |words: &Words| if stdio.expand { words.expandable() } else { words.literal().unwrap_or_default() };
            let args = args.iter().map(told).collect();
            let env = stdio.env.iter().map(|(name, words)| (name.clone(), told(words))).collect();
            for name in args_variables(reach) {
                notes.push(format!("`{name}` is read from the gate's environment"));
            }
            Ok(Draft {
                transport: Transport::Stdio {
                    command: command.clone(),
                    args,
                    env,
                    env_from: stdio.env_from,
                    env_file: env_file.clone(),
                    expand: stdio.expand,
                    cwd: cwd.clone(),
                },
                credentials: stdio.credentials,
            })
        }
    }
}

/// What of an argument would be copied; a reference alone gives nothing away.
fn shown(words: &Words) -> String {
    let literals: Vec<&str> = words.literals().collect();
    // An option is followed by a reference: what stands there is no secret, and must not look like the next option's.
    if literals.is_empty() { "-".to_owned() } else { literals.concat() }
}

fn args_variables(reach: &Reach) -> BTreeSet<String> {
    match reach {
        Reach::Stdio { args, .. } => args.iter().flat_map(Words::variables).map(str::to_owned).collect(),
        Reach::Http { .. } => BTreeSet::new(),
    }
}

/// A child process under way to its draft.
#[derive(Default)]
struct Stdio {
    env: BTreeMap<String, Words>,
    env_from: BTreeSet<String>,
    credentials: Vec<Credential>,
    expand: bool,
}

impl Stdio {
    fn variable(&mut self, name: &str, words: &Words, notes: &mut Vec<String>) -> Result<(), String> {
        let place = || Place::Variable(name.to_owned());
        if let Some(literal) = words.literal() {
            if !literal.trim().is_empty() && (secret::is_named(name) || secret::is_value(&literal)) {
                self.credentials.push(Credential { source: Source::Literal(literal), place: place() });
            } else {
                self.env.insert(name.to_owned(), words.clone());
            }
            return Ok(());
        }
        if let [Piece::Variable { name: from, otherwise }] = words.0.as_slice() {
            let secret = secret::is_named(name) || otherwise.as_deref().is_some_and(secret::is_value);
            if otherwise.as_ref().is_some_and(|otherwise| !otherwise.is_empty()) && secret {
                notes.push(format!("what stands in for `{from}` looks like a secret, and is not carried over"));
            } else if otherwise.is_some() {
                self.expand = true;
                self.env.insert(name.to_owned(), words.clone());
                return Ok(());
            }
            notes.push(format!("`{from}` is read from the gate's environment"));
            if from == name {
                self.env_from.insert(name.to_owned());
            } else {
                self.credentials.push(Credential { source: Source::Variable(from.clone()), place: place() });
            }
            return Ok(());
        }
        if words.literals().any(secret::is_value) {
            return Err(format!("`{name}` holds a secret beside a reference; put the whole of it into one variable"));
        }
        for from in words.variables() {
            notes.push(format!("`{from}` is read from the gate's environment"));
        }
        self.expand = true;
        self.env.insert(name.to_owned(), words.clone());
        Ok(())
    }
}

fn http(
    url: &Words,
    headers: &[(String, Words)],
    sse: bool,
    variable: &dyn Fn(&str) -> Option<String>,
    notes: &mut Vec<String>,
) -> Result<Draft, String> {
    let url = address(url, variable, notes)?;
    let (mut fixed, mut credentials) = (BTreeMap::new(), Vec::new());
    for (name, words) in headers {
        let header = name.to_ascii_lowercase();
        let place = |prefix: &str| Place::Header { name: header.clone(), prefix: prefix.to_owned() };
        if let Some(literal) = words.literal() {
            if secret::is_named(name) || secret::is_value(&literal) {
                let (prefix, secret) = match literal.split_once(' ') {
                    Some((scheme, rest)) if header == "authorization" => (format!("{scheme} "), rest.to_owned()),
                    Some(_) | None => (String::new(), literal),
                };
                credentials.push(Credential { source: Source::Literal(secret), place: place(&prefix) });
            } else {
                match pdp::registry::fixed_header(&header, &literal) {
                    Ok(()) => drop(fixed.insert(header, literal)),
                    Err(why) => notes.push(format!("the header `{header}` {why}, and is not carried over")),
                }
            }
        } else if let Some((prefix, from)) = words.ends_with_variable() {
            notes.push(format!("`{from}` is read from the gate's environment"));
            credentials.push(Credential { source: Source::Variable(from.to_owned()), place: place(&prefix) });
        } else {
            let words = "puts a reference between other text; put the whole of it into one variable";
            return Err(format!("the header `{header}` {words}"));
        }
    }
    Ok(Draft { transport: Transport::Http { url, headers: fixed, sse }, credentials })
}

/// An address, with what it refers to filled in now: the registry pins a server by it.
fn address(url: &Words, variable: &dyn Fn(&str) -> Option<String>, notes: &mut Vec<String>) -> Result<String, String> {
    let mut out = String::new();
    for piece in &url.0 {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable { name, .. } if secret::is_named(name) => {
                return Err(format!(
                    "its URL refers to `{name}`, which looks like a secret; give it as a header instead"
                ));
            }
            Piece::Variable { name, otherwise } => {
                let found = variable(name).filter(|v| !v.is_empty()).or_else(|| otherwise.clone());
                let found = found.ok_or_else(|| format!("its URL refers to `{name}`, which is not set here"))?;
                notes.push(format!("`{name}` in its URL was filled in with what it is now"));
                out.push_str(&found);
            }
        }
    }
    let parsed = url::Url::parse(&out).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let parsed = parsed.ok_or("its URL is no http or https URL")?;
    if secret::in_url(&parsed) {
        let words = "its URL seems to carry a secret, which the registry would show; draft its entry by hand with \
                     `wicketgate registry scan NAME --url URL` if that may be";
        return Err(words.to_owned());
    }
    Ok(out)
}

/// Where the literal secret of a place is kept.
pub(super) fn secret_file(folder: &Path, server: &str, place: &Place) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    folder.join(format!("{server}.{}", place.name().chars().map(plain).collect::<String>()))
}

impl Draft {
    /// The entry's text. `tools` are those the client's lists name: nobody has scanned or reviewed them.
    pub(super) fn registry(&self, name: &str, from: &str, secrets: &Path, tools: &BTreeSet<String>) -> String {
        let mut document = DocumentMut::new();
        let head = document.as_table_mut();
        head.insert("name", value(name));
        head.insert("owner", value(""));
        head.insert("system", value(name));
        head.insert("labels", value(Array::from_iter(["untrusted"])));
        head.insert("deliver", value("plain"));
        head.insert("open", value(Array::new()));
        for (key, comment) in [
            ("system", "# The downstream system it acts on.\n"),
            (
                "labels",
                "# The labels its results carry unless a tool says otherwise. Text that others can write is untrusted.\n",
            ),
            ("deliver", "# \"quoted\" hands text over as evidence between markers.\n"),
            ("open", OPEN_COMMENT),
        ] {
            if let Some(mut key) = head.key_mut(key) {
                key.leaf_decor_mut().set_prefix(comment);
            }
        }
        head.insert("transport", Item::Table(self.transport_table()));
        if let Some(table) = self.credential_tables(name, secrets) {
            head.insert("credential", Item::Table(table));
        }
        if !tools.is_empty() {
            let mut all = Table::new();
            all.set_implicit(true);
            for tool in tools {
                let mut table = Table::new();
                table.insert("effect", value(Array::new()));
                all.insert(tool, Item::Table(table));
            }
            head.insert("tools", Item::Table(all));
        }
        let schema = crate::schemas::comment_for_server();
        format!(
            "{schema}# Imported from {from}. Nothing is reviewed yet: `wicketgate registry scan {name}` lists its tools.\n\n{document}"
        )
    }

    fn transport_table(&self) -> Table {
        let mut table = Table::new();
        let inline = |map: &BTreeMap<String, String>| value(map.iter().collect::<InlineTable>());
        match &self.transport {
            Transport::Stdio { command, args, env, env_from, env_file, expand, cwd } => {
                table.insert("kind", value("stdio"));
                table.insert("command", value(command));
                table.insert("args", value(args.iter().collect::<Array>()));
                if !env.is_empty() {
                    table.insert("env", inline(env));
                }
                if !env_from.is_empty() {
                    table.insert("env_from", value(env_from.iter().collect::<Array>()));
                }
                if let Some(path) = env_file {
                    table.insert("env_file", value(path.display().to_string()));
                }
                if *expand {
                    table.insert("expand", value(true));
                }
                if let Some(path) = cwd {
                    table.insert("cwd", value(path.display().to_string()));
                }
            }
            Transport::Http { url, headers, sse } => {
                table.insert("kind", value(if *sse { "sse" } else { "http" }));
                table.insert("url", value(url));
                if !headers.is_empty() {
                    table.insert("headers", inline(headers));
                }
            }
        }
        table
    }

    fn credential_tables(&self, name: &str, secrets: &Path) -> Option<Table> {
        let table = |credential: &Credential| {
            let mut table = Table::new();
            match &credential.source {
                Source::Variable(from) => table.insert("env", value(from)),
                Source::Literal(_) => {
                    let file = secret_file(secrets, name, &credential.place);
                    table.insert("file", value(file.display().to_string()))
                }
            };
            match &credential.place {
                Place::Header { name, prefix } => {
                    table.insert("header", value(name));
                    table.insert("prefix", value(prefix));
                }
                Place::Variable(name) => {
                    table.insert("variable", value(name));
                }
            }
            table
        };
        let (first, more) = self.credentials.split_first()?;
        let mut first = table(first);
        if !more.is_empty() {
            first.insert("also", Item::ArrayOfTables(more.iter().map(table).collect::<ArrayOfTables>()));
        }
        Some(first)
    }

    /// The literal secrets, each with its file.
    pub(super) fn secrets<'d>(&'d self, name: &str, folder: &Path) -> Vec<(PathBuf, &'d str)> {
        let each = self.credentials.iter().filter_map(|credential| match &credential.source {
            Source::Variable(_) => None,
            Source::Literal(text) => Some((secret_file(folder, name, &credential.place), text.as_str())),
        });
        each.collect()
    }

    /// In a word or two, how it is reached: never an argument, which may be private.
    pub(super) fn told(&self) -> String {
        match &self.transport {
            Transport::Stdio { command, .. } => format!("stdio  {command}"),
            Transport::Http { url, sse, .. } => {
                let kind = if *sse { "sse" } else { "http" };
                let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
                format!("{kind:<5}  {}", host.unwrap_or_default())
            }
        }
    }
}

const OPEN_COMMENT: &str = "# Features beyond tools that are open: resources, prompts, completion, logging, sampling, \
                            elicitation, roots, tasks.\n";
