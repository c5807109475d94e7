//! A client's file as a tree whose every part knows its place in the text. One shape for JSON with comments, TOML and
//! YAML: what reads entries and what edits them need not know which it is.
//!
//! Reads text only. The text is never printed from the tree; edits are made in the text itself, at the places named here.

use std::ops::Range;

use super::read_json;
use super::read_toml;
use super::read_yaml;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON, with comments and trailing commas where somebody wrote them.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: Range<usize>,
    pub(super) value: Value,
}

/// A value, as far as a client's configuration needs them told apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Map),
    /// What none of the formats share: a date, an alias, a tagged value.
    Other,
}

/// Members in the order they are written.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Map {
    pub(super) members: Vec<Member>,
    pub(super) style: Style,
}

/// How a map's members stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Style {
    /// Between braces, with commas.
    Braces,
    /// Each on lines of its own.
    #[default]
    Lines,
}

/// A named value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    /// From the name to the value's end. Of a TOML section, its header.
    pub(super) at: Range<usize>,
    /// A TOML section: its own members stand on lines below its header.
    pub(super) section: bool,
    pub(super) node: Node,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {words}")]
pub struct Unreadable {
    /// Where, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub words: String,
}

impl Unreadable {
    pub(super) fn at(text: &str, offset: usize, words: impl Into<String>) -> Self {
        Self { line: line(text, offset), words: words.into() }
    }
}

/// The line an offset stands on, counted from 1.
pub(super) fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// How deep a file may nest: far more than any client writes.
pub(super) const DEPTH_MAX: usize = 64;

/// Reads a file. A byte order mark is passed over; an empty file is an empty map.
///
/// # Errors
/// When the text is not what its format says, or a name stands twice in one map.
pub(super) fn read(text: &str, format: Format) -> Result<Node, Unreadable> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let before = text.len() - body.len();
    let mut root = match format {
        Format::Json => read_json::read(body)?,
        Format::Toml => read_toml::read(body)?,
        Format::Yaml => read_yaml::read(body)?,
    };
    if before > 0 {
        root.shift(before);
    }
    root.check_names(text)?;
    Ok(root)
}

impl Node {
    fn shift(&mut self, by: usize) {
        self.at = self.at.start + by..self.at.end + by;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.shift(by)),
            Value::Map(map) => {
                for member in &mut map.members {
                    member.at = member.at.start + by..member.at.end + by;
                    member.node.shift(by);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Other => {}
        }
    }

    /// Of two members of one name, clients take one or the other: nobody can say which.
    fn check_names(&self, text: &str) -> Result<(), Unreadable> {
        match &self.value {
            Value::List(items) => items.iter().try_for_each(|item| item.check_names(text)),
            Value::Map(map) => {
                let mut seen = std::collections::BTreeSet::new();
                for member in &map.members {
                    if !seen.insert(member.name.as_str()) {
                        let words = format!("`{}` stands twice in one object; keep one", member.name);
                        return Err(Unreadable::at(text, member.at.start, words));
                    }
                    member.node.check_names(text)?;
                }
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Other => Ok(()),
        }
    }

    pub(super) fn map(&self) -> Option<&Map> {
        if let Value::Map(map) = &self.value { Some(map) } else { None }
    }

    pub(super) fn list(&self) -> Option<&[Node]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The member of this name, where this is a map that has one.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.map()?.get(name)
    }

    /// The strings of a list; nothing where it is none, or holds anything else.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        self.list()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }

    /// A text, or a number or truth value as it is written: what a variable's value may be.
    pub(super) fn plain(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text.clone()),
            Value::Bool(yes) => Some(yes.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Other => None,
        }
    }
}

impl Map {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.member(name).map(|member| &member.node)
    }

    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}
