//! Memory servers: which entries a call reads, writes or deletes, and what is kept of each entry beside the server.
//!
//! The server keeps values and is not trusted to keep their labels. What is kept here is provenance alone: never a value.

use serde::{Deserialize, Serialize};

use super::Carried;
use crate::json::pointer::{Met, Pointer};
use crate::json::{Kind, Part};
use crate::policy::Form;

/// How long a scope or a key may be, in bytes. A longer one is refused: what cannot be kept whole cannot be told apart.
pub const NAME_BYTES_MAX: usize = 1024;

/// What is true of every entry of a memory server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MemoryServer {
    /// Whether one agent may read and change what another wrote. If not, another's entry does not exist.
    pub shared: bool,
    /// How long an entry is delivered after it was written, in seconds; nothing for ever.
    pub ttl_s: Option<u64>,
}

/// What a tool does to the memory of its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What it does.
    pub role: Role,
    /// The argument that names the entries; nothing where it is about the whole scope.
    pub key: Option<Pointer>,
    /// The argument that names the scope; nothing where the server has one.
    pub scope: Option<Pointer>,
    /// Where entries stand in its result; nothing where they cannot be told apart there.
    pub entries: Option<Entries>,
}

/// What a tool does to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It returns it, or a list of several.
    Read,
    /// It replaces it.
    Write,
    /// It adds to it: what stood there stays.
    Append,
    /// It removes it.
    Delete,
}

/// Where entries stand in a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entries {
    /// What they are part of.
    pub stand: Stand,
    /// Within that, the list of them.
    pub list: Pointer,
    /// Within one, what names it.
    pub key: Pointer,
}

/// What the entries of a result are part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Its structured content.
    Structured,
    /// The JSON that its one text is.
    Text,
}

/// The entries that a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The scope; empty where the server has one.
    pub scope: String,
    /// The keys; nothing for the whole scope.
    pub keys: Option<Vec<String>>,
}

/// Where an entry of a memory server stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The server.
    pub server: String,
    /// Its scope; empty where the server has one.
    pub scope: String,
    /// Its key; empty for what was written without one.
    pub key: String,
}

/// What is known of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// What its value carries.
    pub carried: Carried,
    /// The key of the principal that wrote it.
    pub owner: String,
    /// The task it was written in.
    pub task: String,
    /// The trace of that task.
    pub trace: String,
    /// The number of the record of the call that wrote it.
    pub record: u64,
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub written_us: i64,
    /// Until when it is delivered, likewise; nothing for ever.
    pub expires_us: Option<i64>,
}

impl Provenance {
    /// Whether it is no longer delivered.
    #[must_use]
    pub fn is_expired(&self, now_us: i64) -> bool {
        self.expires_us.is_some_and(|at| at <= now_us)
    }
}

/// Why it cannot be told which entries a call is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the argument at `{at}` {why}")]
pub struct Untold {
    at: String,
    why: &'static str,
}

impl Role {
    /// Whether it changes what is there.
    #[must_use]
    pub fn changes(self) -> bool {
        match self {
            Self::Read => false,
            Self::Write | Self::Append | Self::Delete => true,
        }
    }
}

impl Memory {
    /// The entries that a call with these arguments is about. The part is of a text whose places are all known.
    ///
    /// # Errors
    /// Where that cannot be told for certain: such a call is refused.
    pub fn places(&self, arguments: Option<Part<'_>>) -> Result<Places, Untold> {
        let scope = match (&self.scope, arguments) {
            (Some(at), Some(arguments)) => scope(at, arguments)?,
            (Some(_), None) | (None, _) => String::new(),
        };
        let Some(at) = &self.key else { return Ok(Places { scope, keys: None }) };
        let mut keys = Vec::new();
        let mut why = arguments.is_none().then_some("is missing");
        if let Some(arguments) = arguments {
            let form = Form::of(at.last_name().unwrap_or_default(), "");
            let mut take = |value: Part<'_>| match name(value, form) {
                Ok(key) => keys.push(key),
                Err(fault) => why = Some(fault),
            };
            let mut missing = false;
            at.walk(arguments, &mut |met| match met {
                Met::Value(list) if list.kind() == Kind::List => list.items().for_each(&mut take),
                Met::Value(value) => take(value),
                Met::Missing => missing = true,
            });
            if missing || keys.is_empty() {
                why = why.or(Some("is missing, empty, or not where the registry says"));
            }
        }
        match why {
            Some(why) => Err(Untold { at: at.to_string(), why }),
            None => Ok(Places { scope, keys: Some(keys) }),
        }
    }

    /// The key of one entry of a result; nothing where it has none that can be read.
    #[must_use]
    pub fn key_of(&self, entry: Part<'_>) -> Option<String> {
        let at = &self.entries.as_ref()?.key;
        let form = Form::of(at.last_name().unwrap_or_default(), "");
        let mut found = None;
        let mut clear = true;
        at.walk(entry, &mut |met| match met {
            Met::Value(value) if found.is_none() => found = name(value, form).ok(),
            Met::Value(_) | Met::Missing => clear = false,
        });
        found.filter(|_| clear)
    }
}

fn scope(at: &Pointer, arguments: Part<'_>) -> Result<String, Untold> {
    let untold = |why| Untold { at: at.to_string(), why };
    let mut found: Result<String, &'static str> = Ok(String::new());
    let mut count = 0_usize;
    at.walk(arguments, &mut |met| {
        count = count.saturating_add(1);
        match met {
            Met::Value(value) if value.kind() == Kind::Null => {}
            Met::Value(value) => found = name(value, Form::Any),
            // Not given: the server's own scope.
            Met::Missing => {}
        }
    });
    if count > 1 {
        return Err(untold("names several scopes"));
    }
    found.map_err(untold)
}

/// A name as one text, whatever ways there are to write it.
fn name(value: Part<'_>, form: Form) -> Result<String, &'static str> {
    let text = match value.kind() {
        Kind::Text => {
            let text = value.string().ok_or("is no text")?;
            form.canonical(&text).map_err(|_| "can be read in more than one way")?
        }
        Kind::Number | Kind::Bool => value.text().to_owned(),
        Kind::Null | Kind::List | Kind::Object => return Err("is no text"),
    };
    match text.len() {
        // The empty name stands for what has none.
        0 => Err("is empty"),
        1..=NAME_BYTES_MAX => Ok(text),
        _ => Err("is too long to be kept"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]
    use super::*;
    use crate::json::{Layout, Reading};

    fn of(key: Option<&str>, scope: Option<&str>, arguments: &str) -> String {
        let pointer = |text: &str| text.parse::<Pointer>().unwrap();
        let memory = Memory { role: Role::Read, key: key.map(pointer), scope: scope.map(pointer), entries: None };
        let layout = Layout::read(arguments, Reading::whole(16)).unwrap();
        match memory.places(Some(layout.root(arguments))) {
            Ok(Places { scope, keys: Some(keys) }) => format!("{scope}: {}", keys.join(", ")),
            Ok(Places { scope, keys: None }) => format!("{scope}: all"),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn the_entries_of_a_call_are_told_or_it_is_refused() {
        for (key, scope, arguments, want) in [
            (Some("/key"), None, r#"{"key":"a"}"#, ": a"),
            (Some("/key"), Some("/space"), r#"{"key":"a","space":"s"}"#, "s: a"),
            (Some("/key"), Some("/space"), r#"{"key":"a"}"#, ": a"),
            (Some("/key"), Some("/space"), r#"{"key":"a","space":{}}"#, "the argument at `/space` is no text"),
            (Some("/key"), Some("/space"), r#"{"key":"a","space":""}"#, "the argument at `/space` is empty"),
            (Some("/key"), None, r#"{"key":""}"#, "the argument at `/key` is empty"),
            (None, Some("/space"), r#"{"space":"s"}"#, "s: all"),
            (Some("/id"), None, r#"{"id":7}"#, ": 7"),
            (Some("/names"), None, r#"{"names":["a","b"]}"#, ": a, b"),
            (Some("/entities/*/name"), None, r#"{"entities":[{"name":"a"},{"name":"b"}]}"#, ": a, b"),
            (Some("/path"), None, r#"{"path":"/a/../b"}"#, ": /b"),
            (Some("/path"), None, r#"{"path":"a\\b"}"#, "the argument at `/path` can be read in more than one way"),
            (Some("/key"), None, "{}", "the argument at `/key` is missing, empty, or not where the registry says"),
            (
                Some("/names"),
                None,
                r#"{"names":[]}"#,
                "the argument at `/names` is missing, empty, or not where the registry says",
            ),
            (Some("/names"), None, r#"{"names":["a",{}]}"#, "the argument at `/names` is no text"),
            (
                Some("/entities/*/name"),
                None,
                r#"{"entities":[{"name":"a"},{}]}"#,
                "the argument at `/entities/*/name` is missing, empty, or not where the registry says",
            ),
        ] {
            assert_eq!(of(key, scope, arguments), want, "{key:?} {scope:?} {arguments}");
        }
        let long = format!(r#"{{"key":"{}"}}"#, "x".repeat(NAME_BYTES_MAX + 1));
        assert_eq!(of(Some("/key"), None, &long), "the argument at `/key` is too long to be kept");
    }
}
