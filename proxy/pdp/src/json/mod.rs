//! JSON text as it was written: checked once, read without loss, edited in place.
//!
//! The gate forwards the text it judged, so nothing here re-writes what it does not change: numbers keep their digits,
//! members keep their order, unknown members stay. There is one reader of structure, [`scan`]; a second grammar would be
//! a second opinion, and a difference between two parsers is a way around a policy. Single strings and numbers are
//! decoded by `serde_json`. This module knows nothing of JSON-RPC or MCP.

mod canonical;
mod edit;
mod layout;
pub mod pointer;
pub mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

pub use canonical::canonical;
pub use edit::{Edit, replaced, with_member};
pub use layout::{Layout, Part, Reading};
pub use pointer::Pointer;
pub use scan::Kind;

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON at all (RFC 8259), with the parser's words and place.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// A member name stands twice in one object: two readers may see two different values.
    #[error("the member `{0}` stands twice in one object")]
    DuplicateKey(String),
    /// Nested deeper than the limit.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// Another kind of value was needed here.
    #[error("expected {0}")]
    Kind(&'static str),
}

/// A JSON value that borrows its text. Numbers stay as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its digits were written.
    Number(&'a str),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Json<'a>>),
    /// An object, in the order written; names are unique.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Reads a text whole.
    ///
    /// # Errors
    /// Syntax, a duplicate member, too deep a nesting, or half a surrogate pair, which is no text.
    pub fn read(text: &'a str, depth_max: usize) -> Result<Self, JsonFault> {
        let layout = Layout::read(text, Reading::whole(depth_max))?;
        // The tree borrows the text alone; the places are needed no longer.
        Tree { text, depth_max }.value(layout.root(text), 0)
    }

    /// The value of a part of a text whose places are known, all of them.
    ///
    /// # Errors
    /// When it nests deeper than `depth_max`, or holds a string that is no text.
    pub fn of(part: Part<'a>, depth_max: usize) -> Result<Self, JsonFault> {
        Tree { text: part.whole(), depth_max }.value(part, 0)
    }

    /// The member of an object, or nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }
}

/// Makes trees of a text's parts.
struct Tree<'a> {
    text: &'a str,
    depth_max: usize,
}

impl<'a> Tree<'a> {
    fn value(&self, part: Part<'_>, depth: usize) -> Result<Json<'a>, JsonFault> {
        if depth > self.depth_max {
            return Err(JsonFault::TooDeep(self.depth_max));
        }
        let depth = depth.saturating_add(1);
        let text = self.text.get(part.range()).unwrap_or_default();
        Ok(match part.kind() {
            Kind::Null => Json::Null,
            Kind::Bool => Json::Bool(text == "true"),
            Kind::Number => Json::Number(text),
            Kind::Text => Json::Text(string(text).map_err(|_| JsonFault::Syntax(HALF_PAIR.to_owned()))?),
            Kind::List => Json::List(part.items().map(|item| self.value(item, depth)).collect::<Result<_, _>>()?),
            Kind::Object => {
                let member = |(name, value): (Range<usize>, Part<'_>)| {
                    let name = self.text.get(name).unwrap_or_default();
                    Ok((string(name)?, self.value(value, depth)?))
                };
                Json::Object(part.places().map(member).collect::<Result<_, JsonFault>>()?)
            }
        })
    }
}

const HALF_PAIR: &str = "a string holds half a surrogate pair";

/// How deep a text may nest that was checked before or is read for its first level only.
const ANY_DEPTH: usize = 1024;

/// The members of an object in the order written, values unread.
///
/// # Errors
/// When the text is not an object, or a name stands twice.
pub fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &str)>, JsonFault> {
    let layout = Layout::read(text, Reading { kept: 1, ..Reading::whole(ANY_DEPTH) })?;
    let root = layout.root(text);
    if root.kind() != Kind::Object {
        return Err(JsonFault::Kind("an object"));
    }
    let part = |at: Range<usize>| text.get(at).unwrap_or_default();
    root.places().map(|(name, value)| Ok((string(part(name))?, part(value.range())))).collect()
}

/// One member of an object's text, as JSON text.
#[must_use]
pub fn member<'t>(object: &'t str, name: &str) -> Option<&'t str> {
    let layout = Layout::read(object, Reading { kept: 1, ..Reading::whole(ANY_DEPTH) }).ok()?;
    let at = layout.root(object).get(name)?.range();
    object.get(at)
}

/// The items of an array, unread.
///
/// # Errors
/// When the text is not an array.
pub fn items(text: &str) -> Result<Vec<&str>, JsonFault> {
    let layout = Layout::read(text, Reading { kept: 1, ..Reading::whole(ANY_DEPTH) })?;
    let root = layout.root(text);
    if root.kind() != Kind::List {
        return Err(JsonFault::Kind("an array"));
    }
    Ok(root.items().map(|item| text.get(item.range()).unwrap_or_default()).collect())
}

/// The value of a JSON string, borrowed where it holds no escape.
///
/// # Errors
/// When the text is not a string.
pub fn string(text: &str) -> Result<Cow<'_, str>, JsonFault> {
    let Name(value) = serde_json::from_str(text).map_err(|_| JsonFault::Kind("a string"))?;
    Ok(value)
}

/// The value of a JSON string in which half a surrogate pair may stand: that half becomes U+FFFD.
#[must_use]
pub fn string_lossy(text: &str) -> Option<Cow<'_, str>> {
    let strict = string(text).ok();
    strict.or_else(|| {
        let units: Bytes = serde_json::from_str(text).ok()?;
        Some(Cow::Owned(String::from_utf8_lossy(&units.0).into_owned()))
    })
}

/// Checks a whole text in one pass: valid JSON, no duplicate member at any depth, not nested deeper than `depth_max`.
///
/// # Errors
/// The first of those that fails.
pub fn check(text: &str, depth_max: usize) -> Result<(), JsonFault> {
    let mut scanner = scan::Scanner::new(depth_max);
    scanner.feed(text.as_bytes(), &mut ())?;
    scanner.finish(&mut ())
}

/// Where `part`, a slice of `whole`, stands in it. Nothing when it is not such a slice.
#[must_use]
pub fn place(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (whole.get(start..end)? == part).then_some(start..end)
}

/// Whether a reader that minds no case takes two names for one. Some mind more than ASCII: to Go's `encoding/json` `ſ` is
/// `s`, and the Kelvin sign `k` (Unicode, simple case folding).
#[must_use]
pub fn alike(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    let folded = |name: &str| name.to_uppercase().to_lowercase();
    folded(one) == folded(other)
}

/// A string as JSON text.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A string that is borrowed where the text holds no escape.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

/// A string's bytes, half surrogate pairs and all.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Reader)
    }
}
