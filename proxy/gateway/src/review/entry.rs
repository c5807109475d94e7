//! The registry's text with an approval, a signature or a retirement in it. Comments and layout stay as they are.

use pdp::digest::Digest;
use pdp::fault::SourceFile;
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value, value};

use super::sheet::Claim;
use crate::findings::shown;
use crate::scan::{self, DraftFault};

/// The two files of a server's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The text of `<name>.toml`.
    pub registry: String,
    /// The text of `<name>.tools.json`.
    pub tools: String,
}

impl Files {
    /// Where a server's files lie in a bundle: its entry, and the definitions beside it.
    #[must_use]
    pub fn paths(server: &str) -> (String, String) {
        (format!("registry/servers/{server}.toml"), format!("registry/servers/{server}.tools.json"))
    }

    /// Those of a server among a registry's files.
    #[must_use]
    pub fn among(files: &[SourceFile], server: &str) -> Self {
        let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.clone());
        let (entry, tools) = Self::paths(server);
        Self { registry: text(&entry).unwrap_or_default(), tools: text(&tools).unwrap_or_else(|| "[]\n".to_owned()) }
    }
}

/// One tool, approved.
#[derive(Debug, Clone)]
pub struct Approval {
    /// The tool's name.
    pub tool: String,
    /// Its definition, as the server listed it.
    pub definition: String,
    /// The digest of that.
    pub pin: Digest,
    /// Its effects.
    pub effects: Vec<String>,
    /// The labels of its results; nothing leaves what is written.
    pub labels: Option<Vec<String>>,
    /// The kinds of findings that were accepted.
    pub accepted: Vec<String>,
}

/// What a review records beside the tools.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Who reviewed.
    pub by: String,
    /// The day (ISO 8601).
    pub at: String,
    /// What the server is reached as.
    pub identity: String,
    /// What it says of itself.
    pub claim: Claim,
}

/// What the comment above a draft's `effect` begins with; it is taken away when the draft is approved.
const DRAFT: &str = "# Draft, withheld until reviewed.";

/// The files with these tools approved.
///
/// # Errors
/// A [`DraftFault`] when a file cannot be read, or has a part in a form that cannot be written to.
pub fn approved(files: &Files, recorded: &Recorded, approvals: &[Approval]) -> Result<Files, DraftFault> {
    let mut document = parsed(&files.registry)?;
    let mut definitions = scan::read_definitions(&files.tools)?;
    // Whoever approves a retired server's tools puts it back into use: the sheet says so.
    document.remove("retired_at");
    document.remove("retired_why");
    identity(&mut document, recorded)?;
    let tables = tool_tables(&mut document)?;
    for approval in approvals {
        if !tables.contains_key(&approval.tool) {
            let mut table = Table::new();
            table.decor_mut().set_prefix("\n");
            tables.insert(&approval.tool, Item::Table(table));
        }
        let table = tool_table(tables, &approval.tool)?;
        effect(table, &approval.effects);
        if let Some(labels) = &approval.labels {
            set(table, "labels", list(labels));
        }
        set(table, "pin", approval.pin.to_string().into());
        set(table, "reviewed_by", recorded.by.as_str().into());
        set(table, "reviewed_at", recorded.at.as_str().into());
        if approval.accepted.is_empty() {
            table.remove("accepted_findings");
        } else {
            set(table, "accepted_findings", list(&approval.accepted));
        }
        for old in ["retired_at", "retired_why", "signature"] {
            table.remove(old);
        }
        let line = scan::one_line(&approval.definition);
        match definitions.iter_mut().find(|(name, _)| *name == approval.tool) {
            Some((_, known)) => *known = line,
            None => definitions.push((approval.tool.clone(), line)),
        }
    }
    Ok(Files { registry: document.to_string(), tools: scan::written_definitions(&definitions) })
}

/// The registry file with these tools' signatures: names and texts.
///
/// # Errors
/// A [`DraftFault`] as for [`approved`].
pub fn with_signatures(registry: &str, signatures: &[(String, String)]) -> Result<String, DraftFault> {
    let mut document = parsed(registry)?;
    let tables = tool_tables(&mut document)?;
    for (tool, signature) in signatures {
        set(tool_table(tables, tool)?, "signature", signature.as_str().into());
    }
    Ok(document.to_string())
}

/// The registry file with a tool, or the whole server, out of use. Signatures go: nobody is to bring it back by deleting
/// two lines.
///
/// # Errors
/// A [`DraftFault`] as for [`approved`], or when there is no such tool.
pub fn retired(registry: &str, tool: Option<&str>, at: &str, why: &str) -> Result<String, DraftFault> {
    let mut document = parsed(registry)?;
    let Some(tool) = tool else {
        out_of_use(document.as_table_mut(), at, why);
        let tools = document.get_mut("tools").and_then(Item::as_table_mut);
        for (_, table) in tools.into_iter().flat_map(Table::iter_mut) {
            if let Some(table) = table.as_table_like_mut() {
                table.remove("signature");
            }
        }
        return Ok(document.to_string());
    };
    let tables = tool_tables(&mut document)?;
    let table = tool_table(tables, tool)?;
    out_of_use(table, at, why);
    table.remove("signature");
    Ok(document.to_string())
}

fn out_of_use(table: &mut dyn TableLike, at: &str, why: &str) {
    set(table, "retired_at", at.into());
    if why.is_empty() {
        table.remove("retired_why");
    } else {
        set(table, "retired_why", why.into());
    }
}

fn parsed(registry: &str) -> Result<DocumentMut, DraftFault> {
    registry.parse().map_err(|error: toml_edit::TomlError| DraftFault::Registry(error.to_string()))
}

fn identity(document: &mut DocumentMut, recorded: &Recorded) -> Result<(), DraftFault> {
    if !document.contains_key("identity") {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n# What the server was at its last review; the claims are its own word.\n");
        // Before the first tool: it is of the server.
        let first = document.get("tools").and_then(Item::as_table).and_then(first_place);
        table.set_position(first.map(|at| at.saturating_sub(1)));
        document.insert("identity", Item::Table(table));
    }
    let table = document.get_mut("identity").and_then(Item::as_table_like_mut);
    let remedy = "make it a table";
    let table = table.ok_or(DraftFault::Shape { place: "identity".to_owned(), remedy })?;
    set(table, "is", recorded.identity.as_str().into());
    for (key, claimed) in [("claimed_name", &recorded.claim.name), ("claimed_version", &recorded.claim.version)] {
        match claimed {
            Some(text) => set(table, key, text.as_str().into()),
            None => drop(table.remove(key)),
        }
    }
    Ok(())
}

/// The place in the file of the first table below another.
fn first_place(tables: &Table) -> Option<isize> {
    let places = tables.iter().filter_map(|(_, item)| item.as_table()?.position());
    tables.position().into_iter().chain(places).min()
}

fn tool_tables(document: &mut DocumentMut) -> Result<&mut Table, DraftFault> {
    let remedy = "write each tool as a table `[tools.<name>]`";
    let tools = document.entry("tools").or_insert_with(|| {
        let mut parent = Table::new();
        parent.set_implicit(true);
        Item::Table(parent)
    });
    tools.as_table_mut().ok_or(DraftFault::Shape { place: "tools".to_owned(), remedy })
}

fn tool_table<'t>(tables: &'t mut Table, tool: &str) -> Result<&'t mut dyn TableLike, DraftFault> {
    let place = format!("tools.{}", shown(tool));
    let table = tables.get_mut(tool).and_then(Item::as_table_like_mut);
    table.ok_or(DraftFault::Shape { place, remedy: "there must be a table of this name" })
}

fn effect(table: &mut dyn TableLike, effects: &[String]) {
    if let Some(mut key) = table.key_mut("effect") {
        let decor = key.leaf_decor_mut();
        let draft = decor.prefix().and_then(|prefix| prefix.as_str()).is_some_and(|text| text.starts_with(DRAFT));
        if draft {
            decor.clear();
        }
    }
    set(table, "effect", list(effects));
}

fn list(words: &[String]) -> Value {
    Value::Array(words.iter().map(String::as_str).collect::<Array>())
}

/// Sets a member; what stands around an old value, such as a comment behind it, stays.
fn set(table: &mut dyn TableLike, key: &str, mut new: Value) {
    if let Some(old) = table.get(key).and_then(Item::as_value) {
        *new.decor_mut() = old.decor().clone();
    }
    match table.get_mut(key) {
        Some(item) => *item = Item::Value(new),
        None => drop(table.insert(key, value(new))),
    }
}
