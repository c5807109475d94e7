//! Edits of a text in which every other byte stays as it was.

use std::ops::Range;

use super::layout::{Layout, Part, Reading};
use super::scan::Kind;
use super::{ANY_DEPTH, JsonFault, quoted};

/// One change of a text: what stands at a place is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where, in bytes of the whole text.
    pub at: Range<usize>,
    /// By what.
    pub with: String,
}

impl Edit {
    /// Sets a member of an object: replaced where it stands, else added last. `value` is JSON text.
    #[must_use]
    pub fn set(object: Part<'_>, name: &str, value: &str) -> Self {
        if let Some(old) = object.get(name) {
            return Self { at: old.range(), with: value.to_owned() };
        }
        let close = object.range().end.saturating_sub(1);
        let comma = if object.is_empty() { "" } else { "," };
        Self { at: close..close, with: format!("{comma}{}:{value}", quoted(name)) }
    }

    /// Sets a member of a member that is an object; what stands there and is none is replaced by one.
    #[must_use]
    pub fn set_in(object: Part<'_>, outer: &str, name: &str, value: &str) -> Self {
        match object.get(outer).filter(|inner| inner.kind() == Kind::Object) {
            Some(inner) => Self::set(inner, name, value),
            None => Self::set(object, outer, &format!("{{{}:{value}}}", quoted(name))),
        }
    }

    /// The text after this change.
    #[must_use]
    pub fn of(&self, text: &str) -> String {
        replaced(text, self.at.clone(), &self.with)
    }
}

/// The object `text` with `name` set to `value` (JSON text): replaced where it stands, else added last.
/// Every other byte stays as it was.
///
/// # Errors
/// When `text` is not an object.
pub fn with_member(text: &str, name: &str, value: &str) -> Result<String, JsonFault> {
    let layout = Layout::read(text, Reading { kept: 1, ..Reading::whole(ANY_DEPTH) })?;
    let root = layout.root(text);
    if root.kind() == Kind::Object {
        Ok(Edit::set(root, name, value).of(text))
    } else {
        Err(JsonFault::Kind("an object"))
    }
}

/// `text` with one range replaced.
#[must_use]
pub fn replaced(text: &str, at: Range<usize>, with: &str) -> String {
    let mut out = String::with_capacity(text.len() + with.len());
    out.push_str(text.get(..at.start).unwrap_or_default());
    out.push_str(with);
    out.push_str(text.get(at.end..).unwrap_or_default());
    out
}
