//! What a reviewer should see in a server's catalogue before trusting it: characters that hide, names that imitate, and
//! text that gives the model orders. Each finding has its exact place.
//!
//! Pure: reads definitions, and judges nothing. A finding is a reason to look, no proof; what is not found may still be
//! wrong. Texts are shown with escapes, never as they came.

mod hidden;
mod names;
mod orders;
#[cfg(test)]
mod tests;

use std::fmt;

use pdp::registry::{Registry, Tool};
use serde::Serialize;
use serde_json::Value;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Characters that a reader does not see, or that change what a reader sees.
    Hidden,
    /// A name that can be taken for another.
    LookAlike,
    /// Text that speaks to the model and not of the tool.
    Instruction,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::LookAlike => "look-alike",
            Self::Instruction => "instruction",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What was found.
    pub kind: Kind,
    /// Where: the JSON pointer (RFC 6901) of the text within the tool object, fit to be printed.
    pub pointer: String,
    /// Where in that text: characters before it.
    pub offset: usize,
    /// What it is, in words.
    pub what: String,
    /// The text there, with what hides written out.
    pub excerpt: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, at {} character {}", self.kind.word(), self.what, self.pointer, self.offset)?;
        if self.excerpt.is_empty() { Ok(()) } else { write!(f, ": \"{}\"", self.excerpt) }
    }
}

/// Every tool a name could be taken for.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

/// One tool of the catalogue.
#[derive(Debug, Clone)]
struct Entry {
    server: String,
    tool: String,
    /// Whether its reviewer says that a call leaves the world changed.
    acts: bool,
    /// What every name is compared with, made once: each name is compared with every other.
    forms: names::Forms,
    /// The name as it is looked for in texts; nothing for one that could be a word of everyday language.
    telling: Option<String>,
}

impl Entry {
    fn new(server: &str, tool: &str, acts: bool) -> Self {
        let (forms, telling) = (names::Forms::of(tool), orders::telling(tool));
        Self { server: server.to_owned(), tool: tool.to_owned(), acts, forms, telling }
    }
}

impl Catalogue {
    /// The tools of a registry.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        let all = registry.servers.values().flat_map(|server| server.tools.values().map(move |tool| (server, tool)));
        let acts = |tool: &Tool| !tool.effects.is_empty() && !tool.is_harmless();
        let entries = all.map(|(server, tool)| Entry::new(&server.name, &tool.name, acts(tool)));
        Self { entries: entries.collect() }
    }

    /// With the tools that a live server lists.
    #[must_use]
    pub fn with<'n>(mut self, server: &str, tools: impl IntoIterator<Item = &'n str>) -> Self {
        for tool in tools {
            if !self.entries.iter().any(|one| one.server == server && one.tool == tool) {
                self.entries.push(Entry::new(server, tool, false));
            }
        }
        self
    }
}

/// Everything to be found in one tool object, given as JSON text; nothing where it cannot be read.
#[must_use]
pub fn in_definition(server: &str, definition: &str, catalogue: &Catalogue) -> Vec<Finding> {
    let Ok(value) = serde_json::from_str::<Value>(definition) else { return Vec::new() };
    let mut out = Vec::new();
    walk(&value, &mut String::new(), &mut |pointer, text| {
        out.extend(hidden::find(pointer, text));
        // The name is the tool's own; everything else may speak of other things.
        if pointer != "/name" {
            out.extend(orders::find(pointer, text));
            out.extend(orders::strangers(server, pointer, text, catalogue));
        }
    });
    if let Some(name) = value.get("name").and_then(Value::as_str) {
        out.extend(names::look_alikes(server, name, catalogue));
    }
    out.sort();
    out.dedup();
    out
}

/// What is to be found in a text of the server's own, such as its instructions.
#[must_use]
pub fn in_text(pointer: &str, text: &str) -> Vec<Finding> {
    let mut out = hidden::find(pointer, text);
    out.extend(orders::find(pointer, text));
    out.sort();
    out
}

/// Shows every string of a value with its pointer, also the names of members.
fn walk(value: &Value, pointer: &mut String, see: &mut dyn FnMut(&str, &str)) {
    let length = pointer.len();
    match value {
        Value::String(text) => see(pointer, text),
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{n}"));
                walk(item, pointer, see);
                pointer.truncate(length);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                pointer.push('/');
                pointer.push_str(&shown(&name.replace('~', "~0").replace('/', "~1")));
                see(&format!("{pointer} (the name)"), name);
                walk(member, pointer, see);
                pointer.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A stranger's text made safe to look at: on one line, what hides written out, backslashes doubled so that no escape
/// can be forged.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' | '\'' => out.push(character),
            hiding if hidden::class_of(hiding).is_some() => out.extend(hiding.escape_unicode()),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

/// How many characters of a text are shown before and behind a place.
const AROUND: usize = 30;

/// A piece of a text around a place of `length` characters.
fn excerpt(text: &str, offset: usize, length: usize) -> String {
    let from = offset.saturating_sub(AROUND);
    let length = length.min(4 * AROUND);
    let piece: String = text.chars().skip(from).take(offset - from + length + AROUND).collect();
    let more = text.chars().count() > from + piece.chars().count();
    format!("{}{}{}", if from > 0 { "..." } else { "" }, shown(&piece), if more { "..." } else { "" })
}
