//! Turns a scan into text for the registry: `registry/servers/<name>.toml` with new tools added, and `<name>.tools.json`.
//!
//! Pure: it reads and writes no file. It never changes a tool that a person has reviewed. A tool whose definition changed
//! keeps its old pin and its old definition, and is reported; so it stays withheld until somebody has read the difference.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use toml_edit::{Array, DocumentMut, Item, Table, value};

use super::Scan;
use super::definitions::{self, name_of, one_line};
use super::difference::difference;
use super::fault::quoted;

/// What is said of a changed tool whose reviewed definition was not kept.
const NOTHING_TO_COMPARE: &str =
    "the definition changed, and the reviewed one is not in the tools file to compare with";

/// The registry's files for one server as they stand.
#[derive(Debug, Clone, Copy)]
pub struct Reviewed<'a> {
    /// The text of `<name>.toml`.
    pub registry: &'a str,
    /// The text of `<name>.tools.json`; `None` when there is no such file yet.
    pub tools: Option<&'a str>,
}

/// What is written for every tool that is new.
#[derive(Debug, Clone, Default)]
pub struct DraftOptions {
    /// The effect classes. When absent, `effect = []` with a comment on what the server's hints would suggest.
    pub effect: Option<Vec<String>>,
    /// Who reviewed them. When absent, the gate withholds the tools until somebody has.
    pub reviewed_by: Option<String>,
    /// The day of the review, for example `2026-11-20`.
    pub reviewed_at: Option<String>,
}

/// New text for the registry's two files, and what changed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The new text of `<name>.toml`.
    pub registry: String,
    /// The new text of `<name>.tools.json`: a JSON array with one tool on each line.
    pub tools: String,
    /// What a person should know before saving either.
    pub summary: Summary,
}

/// What a draft found, in the server's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tools added to the registry by this draft.
    pub added: Vec<String>,
    /// Tools whose definition is the reviewed one.
    pub unchanged: Vec<String>,
    /// Tools whose definition is not the reviewed one; nothing was written for them.
    pub changed: Vec<Change>,
    /// Tools the registry names and the server no longer lists.
    pub gone: Vec<String>,
    /// Tools that cannot be pinned; nothing was written for them, and their siblings are not held up.
    pub unpinned: Vec<Unpinned>,
}

/// One tool whose definition has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpinned {
    /// The tool's name.
    pub tool: String,
    /// What is wrong with its definition.
    pub cause: String,
}

/// One tool whose live definition is not the reviewed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The tool's name.
    pub tool: String,
    /// The pin in the registry.
    pub reviewed_pin: String,
    /// The digest of the live definition.
    pub live_pin: String,
    /// In one line, what is different.
    pub difference: String,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { added, unchanged, changed, gone, unpinned } = self;
        let counts = [
            (added.len(), "new"),
            (unchanged.len(), "unchanged"),
            (changed.len(), "changed"),
            (gone.len(), "gone"),
            (unpinned.len(), "without a pin"),
        ];
        let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).into();
        writeln!(out, "{}", counts.join(", "))?;
        for tool in added {
            writeln!(out, "  new            {}", quoted(tool))?;
        }
        for Change { tool, difference, .. } in changed {
            writeln!(out, "  changed        {}: {difference}", quoted(tool))?;
        }
        for tool in gone {
            writeln!(out, "  gone           {}", quoted(tool))?;
        }
        for Unpinned { tool, cause } in unpinned {
            writeln!(out, "  without a pin  {}: {cause}", quoted(tool))?;
        }
        if !changed.is_empty() {
            writeln!(out, "A changed tool stays withheld until `wicketgate registry review` approves it.")?;
        }
        Ok(())
    }
}

/// Why no draft can be made. The files are left as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftFault {
    /// The registry file is not TOML.
    #[error("the registry file is not valid TOML: {0}")]
    Registry(String),
    /// A part of the registry file has another shape than a server entry has.
    #[error("the registry file has `{place}` in a form that cannot be added to: {remedy}")]
    Shape {
        /// The key.
        place: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The tools file is not a JSON array of tool objects.
    #[error(
        "the tools file is not a JSON array of tool objects: {0}; restore it, or delete it and review the tools again"
    )]
    Tools(String),
}

/// Drafts the registry text for what `scan` found.
///
/// `digest` gives the pin (`sha256:` and lowercase hex) of one tool object from its JSON text, or says why it has none.
///
/// # Errors
/// A [`DraftFault`] when an existing file cannot be read.
pub fn draft(
    scan: &Scan,
    reviewed: Reviewed<'_>,
    digest: &dyn Fn(&str) -> Result<String, String>,
    options: &DraftOptions,
) -> Result<Draft, DraftFault> {
    let mut document: DocumentMut =
        reviewed.registry.parse().map_err(|error: toml_edit::TomlError| DraftFault::Registry(error.to_string()))?;
    let known: BTreeMap<String, String> = definitions::read(reviewed.tools.unwrap_or("[]"))?.into_iter().collect();
    let tables = tool_tables(&mut document)?;
    let mut summary = Summary::default();
    let mut lines = Vec::new();
    let mut live = BTreeSet::new();
    for tool in &scan.tools {
        let name = name_of(tool).unwrap_or_default();
        let known_text = known.get(&name).map(String::as_str);
        live.insert(name.clone());
        let line = name.clone();
        let kept = match digest(tool.get()) {
            Err(cause) => {
                summary.unpinned.push(Unpinned { tool: name, cause });
                known_text
            }
            Ok(live_pin) => match settle(tables, &name, tool, &live_pin, options)? {
                Settled::Added => {
                    summary.added.push(name);
                    Some(tool.get())
                }
                Settled::Unchanged => {
                    summary.unchanged.push(name);
                    Some(tool.get())
                }
                Settled::Changed(reviewed_pin) => {
                    let difference =
                        known_text.map_or_else(|| NOTHING_TO_COMPARE.to_owned(), |text| difference(text, tool.get()));
                    summary.changed.push(Change { tool: name, reviewed_pin, live_pin, difference });
                    known_text
                }
            },
        };
        lines.extend(kept.map(|text| (line, one_line(text))));
    }
    for (name, _) in tables.iter().filter(|(name, _)| !live.contains(*name)) {
        summary.gone.push(name.to_owned());
        lines.extend(known.get(name).map(|text| (name.to_owned(), one_line(text))));
    }
    Ok(Draft { registry: document.to_string(), tools: definitions::written(&lines), summary })
}

/// The `[tools]` of a server entry, made if absent.
fn tool_tables(document: &mut DocumentMut) -> Result<&mut Table, DraftFault> {
    let shape =
        || DraftFault::Shape { place: "tools".to_owned(), remedy: "write each tool as a table `[tools.<name>]`" };
    let tools = document.entry("tools").or_insert_with(|| {
        let mut parent = Table::new();
        // Written only as the parent of its children, `[tools]` needs no header of its own.
        parent.set_implicit(true);
        Item::Table(parent)
    });
    match tools {
        Item::Table(table) => Ok(table),
        Item::None | Item::Value(_) | Item::ArrayOfTables(_) => Err(shape()),
    }
}

/// What became of one live tool.
enum Settled {
    Added,
    Unchanged,
    /// With the pin that was reviewed.
    Changed(String),
}

/// Adds a tool that is new, and compares the pin of one that is not.
///
/// An entry that a person began by hand, without a pin and not yet reviewed, is given its pin: nobody has approved anything.
fn settle(
    tables: &mut Table,
    name: &str,
    tool: &RawValue,
    live_pin: &str,
    options: &DraftOptions,
) -> Result<Settled, DraftFault> {
    let shape = |key: &str, remedy| DraftFault::Shape { place: format!("tools.{}{key}", quoted(name)), remedy };
    let Some(entry) = tables.get_mut(name) else {
        tables.insert(name, Item::Table(new_table(tool, live_pin, options)));
        return Ok(Settled::Added);
    };
    let table = entry.as_table_like_mut().ok_or_else(|| shape("", "make it a table"))?;
    match table.get("pin").map(|pin| pin.as_str().map(str::to_owned)) {
        Some(Some(pin)) if pin == live_pin => Ok(Settled::Unchanged),
        Some(Some(pin)) => Ok(Settled::Changed(pin)),
        Some(None) => Err(shape(".pin", "make it a string, or delete the table and scan again")),
        None if table.contains_key("reviewed_by") => Ok(Settled::Changed("none".to_owned())),
        None => {
            table.insert("pin", value(live_pin));
            Ok(Settled::Unchanged)
        }
    }
}

/// The table of a tool that nobody has reviewed yet.
fn new_table(tool: &RawValue, pin: &str, options: &DraftOptions) -> Table {
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    let effect: Array = options.effect.iter().flatten().collect();
    table.insert("effect", value(effect));
    if options.effect.is_none()
        && let Some(mut key) = table.key_mut("effect")
    {
        key.leaf_decor_mut().set_prefix(suggestion(tool));
    }
    table.insert("pin", value(pin));
    for (key, text) in [("reviewed_by", &options.reviewed_by), ("reviewed_at", &options.reviewed_at)] {
        if let Some(text) = text {
            table.insert(key, value(text));
        }
    }
    table
}

/// The hints a server may claim, as MCP names them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Hints {
    read_only_hint: Option<bool>,
    destructive_hint: Option<bool>,
    idempotent_hint: Option<bool>,
    open_world_hint: Option<bool>,
}

/// The comment above `effect = []`: what the server claims, what that would suggest, and that it is only a claim.
fn suggestion(tool: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Annotated {
        annotations: Option<Hints>,
    }
    let hints =
        serde_json::from_str::<Annotated>(tool.get()).ok().and_then(|read| read.annotations).unwrap_or_default();
    let Hints { read_only_hint, destructive_hint, idempotent_hint, open_world_hint } = hints;
    let named = [
        ("readOnlyHint", read_only_hint),
        ("destructiveHint", destructive_hint),
        ("idempotentHint", idempotent_hint),
        ("openWorldHint", open_world_hint),
    ];
    let claims: Vec<String> =
        named.iter().filter_map(|(name, hint)| hint.map(|hint| format!("{name} = {hint}"))).collect();
    let claims = if claims.is_empty() { "no hints".to_owned() } else { claims.join(", ") };
    let mut effects = Vec::new();
    match read_only_hint {
        Some(true) => effects.push("\"read\""),
        Some(false) => effects.push("\"write\""),
        None => {}
    }
    // MCP's default for a tool that is not read-only is destructive; a claim to the contrary must be made to count.
    if destructive_hint == Some(true) || (read_only_hint == Some(false) && destructive_hint.is_none()) {
        effects.push("\"destructive\"");
    }
    if open_world_hint == Some(true) {
        effects.push("\"egress\"");
    }
    let suggests =
        if effects.is_empty() { String::new() } else { format!("That would suggest [{}]. ", effects.join(", ")) };
    format!(
        "# Draft, withheld until reviewed. Claimed by server: {claims}.\n# {suggests}Set effect to what the world sees, then \
         reviewed_by and reviewed_at.\n"
    )
}
