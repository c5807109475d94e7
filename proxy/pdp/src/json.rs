//! JSON text as it was written: checked once, read without loss, edited in place.
//!
//! The gate forwards the text it judged, so nothing here re-writes what it does not change: numbers keep their digits,
//! members keep their order, unknown members stay. Parsing is `serde_json`'s alone; a second grammar would be a second
//! opinion, and a difference between two parsers is a way around a policy. This module knows nothing of JSON-RPC or MCP.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

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
    /// Reads a text whole. `depth_max` bounds the nesting, so that the cost of reading stays linear in practice.
    ///
    /// # Errors
    /// Syntax, a duplicate member, or too deep a nesting.
    pub fn read(text: &'a str, depth_max: usize) -> Result<Self, JsonFault> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|e| syntax(&e))?;
        Self::from_raw(raw, depth_max, depth_max)
    }

    fn from_raw(raw: &'a RawValue, left: usize, depth_max: usize) -> Result<Self, JsonFault> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'{') => {
                let left = left.checked_sub(1).ok_or(JsonFault::TooDeep(depth_max))?;
                let members = members(text)?;
                let mut out = Vec::with_capacity(members.len());
                for (name, value) in members {
                    out.push((name, Self::from_raw(value, left, depth_max)?));
                }
                Ok(Self::Object(out))
            }
            Some(b'[') => {
                let left = left.checked_sub(1).ok_or(JsonFault::TooDeep(depth_max))?;
                items(text)?
                    .into_iter()
                    .map(|v| Self::from_raw(v, left, depth_max))
                    .collect::<Result<_, _>>()
                    .map(Self::List)
            }
            Some(b'"') => string(text).map(Self::Text),
            Some(b't') => Ok(Self::Bool(true)),
            Some(b'f') => Ok(Self::Bool(false)),
            Some(b'n') => Ok(Self::Null),
            Some(_) | None => Ok(Self::Number(text)),
        }
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

/// The members of an object in the order written, values unread.
///
/// # Errors
/// When the text is not an object, or a name stands twice.
pub fn members(text: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, JsonFault> {
    if !text.trim_start().starts_with('{') {
        return Err(JsonFault::Kind("an object"));
    }
    let Members(list) = serde_json::from_str(text).map_err(|e| syntax(&e))?;
    refuse_duplicates(list.iter().map(|(name, _)| name))?;
    Ok(list)
}

/// The items of an array, unread.
///
/// # Errors
/// When the text is not an array.
pub fn items(text: &str) -> Result<Vec<&RawValue>, JsonFault> {
    if !text.trim_start().starts_with('[') {
        return Err(JsonFault::Kind("an array"));
    }
    serde_json::from_str(text).map_err(|e| syntax(&e))
}

/// The value of a JSON string, borrowed where it holds no escape.
///
/// # Errors
/// When the text is not a string.
pub fn string(text: &str) -> Result<Cow<'_, str>, JsonFault> {
    let Name(value) = serde_json::from_str(text).map_err(|_| JsonFault::Kind("a string"))?;
    Ok(value)
}

/// Checks a whole text in one pass: valid JSON, no duplicate member at any depth, not nested deeper than `depth_max`.
///
/// # Errors
/// The first of those that fails.
pub fn check(text: &str, depth_max: usize) -> Result<(), JsonFault> {
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    let seed = Checker { left: depth_max, depth_max, fault: &mut fault };
    let outcome = seed.deserialize(&mut reader).and_then(|()| reader.end());
    match (fault, outcome) {
        (Some(found), _) => Err(found),
        (None, Err(e)) if e.to_string().starts_with("recursion limit") => Err(JsonFault::TooDeep(depth_max)),
        (None, Err(e)) => Err(syntax(&e)),
        (None, Ok(())) => Ok(()),
    }
}

/// Where `part`, a slice of `whole`, stands in it. Nothing when it is not such a slice.
#[must_use]
pub fn place(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (whole.get(start..end)? == part).then_some(start..end)
}

/// The object `text` with `name` set to `value` (JSON text): replaced where it stands, else added last.
/// Every other byte stays as it was.
///
/// # Errors
/// When `text` is not an object.
pub fn with_member(text: &str, name: &str, value: &str) -> Result<String, JsonFault> {
    let list = members(text)?;
    if let Some((_, old)) = list.iter().find(|(n, _)| n == name) {
        let at = place(text, old.get()).ok_or(JsonFault::Kind("a member of this object"))?;
        return Ok(replaced(text, at, value));
    }
    let close = text.rfind('}').ok_or(JsonFault::Kind("an object"))?;
    let comma = if list.is_empty() { "" } else { "," };
    Ok(replaced(text, close..close, &format!("{comma}{}:{value}", quoted(name))))
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

/// A string as JSON text.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The canonical bytes of a value after RFC 8785 (JCS): members sorted by UTF-16 code units, no white space, numbers in
/// ECMAScript form. Integers that a double cannot hold keep their digits, where RFC 8785 leaves them out (it presumes
/// I-JSON, RFC 7493): rounding them would give two definitions one digest.
#[must_use]
pub fn canonical(value: &Json<'_>) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Json<'_>, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(digits) => out.push_str(&canonical_number(digits)),
        Json::Text(text) => out.push_str(&quoted(text)),
        Json::List(list) => {
            out.push('[');
            for (n, item) in list.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (n, (name, item)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&quoted(name));
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
    }
}

/// The largest integer below which every integer is a double: 2^53 - 1 (RFC 7493 section 2.2).
const SAFE_INTEGER: u64 = (1 << 53) - 1;

fn canonical_number(digits: &str) -> String {
    let integral = !digits.contains(['.', 'e', 'E']);
    if integral && digits.parse::<i128>().map_or(true, |n| n.unsigned_abs() > u128::from(SAFE_INTEGER)) {
        return digits.to_owned();
    }
    digits
        .parse::<f64>()
        .ok()
        .filter(|n| n.is_finite())
        .and_then(|n| serde_json_canonicalizer::to_string(&n).ok())
        .unwrap_or_else(|| digits.to_owned())
}

fn syntax(e: &serde_json::Error) -> JsonFault {
    JsonFault::Syntax(e.to_string())
}

/// Above this many members a set beats comparing each with each.
const SMALL_OBJECT: usize = 12;

fn refuse_duplicates<'n, 'a: 'n>(
    names: impl ExactSizeIterator<Item = &'n Cow<'a, str>> + Clone,
) -> Result<(), JsonFault> {
    if names.len() <= SMALL_OBJECT {
        let mut rest = names;
        while let Some(name) = rest.next() {
            if rest.clone().any(|other| other == name) {
                return Err(JsonFault::DuplicateKey(name.to_string()));
            }
        }
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(names.len());
    for name in names {
        if !seen.insert(name.as_ref()) {
            return Err(JsonFault::DuplicateKey(name.to_string()));
        }
    }
    Ok(())
}

/// An object's members, values unread.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    out.push((name, value));
                }
                Ok(Members(out))
            }
        }
        deserializer.deserialize_map(Reader)
    }
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

/// Walks a value, keeping nothing but the first fault.
struct Checker<'f> {
    left: usize,
    depth_max: usize,
    fault: &'f mut Option<JsonFault>,
}

impl Checker<'_> {
    fn deeper<E: serde::de::Error>(&mut self) -> Result<usize, E> {
        self.left.checked_sub(1).ok_or_else(|| {
            *self.fault = Some(JsonFault::TooDeep(self.depth_max));
            E::custom("too deep")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Checker<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checker<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let left = self.deeper()?;
        while seq.next_element_seed(Checker { left, depth_max: self.depth_max, fault: &mut *self.fault })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let left = self.deeper()?;
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            names.push(name);
            map.next_value_seed(Checker { left, depth_max: self.depth_max, fault: &mut *self.fault })?;
        }
        refuse_duplicates(names.iter()).map_err(|found| {
            let words = found.to_string();
            *self.fault = Some(found);
            serde::de::Error::custom(words)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn duplicates_are_found_at_every_depth_and_in_large_objects() {
        assert_eq!(check(r#"{"a":[{"b":1,"\u0062":2}]}"#, 9), Err(JsonFault::DuplicateKey("b".into())));
        let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{n}")).collect();
        assert_eq!(check(&format!("{{{}}}", many.join(",")), 9), Ok(()));
        assert_eq!(check(&format!("{{{},\"k7\":0}}", many.join(",")), 9), Err(JsonFault::DuplicateKey("k7".into())));
        assert!(members(r#"{"a":1,"a":2}"#).is_err());
    }

    #[test]
    fn depth_is_bounded_and_syntax_is_reported() {
        assert_eq!(check("[[[1]]]", 2), Err(JsonFault::TooDeep(2)));
        assert_eq!(check("[[1]]", 2), Ok(()));
        assert_eq!(check(&"[".repeat(10_000), 500), Err(JsonFault::TooDeep(500)));
        assert!(matches!(check("{\"a\":}", 9), Err(JsonFault::Syntax(_))));
        assert!(matches!(check("{} x", 9), Err(JsonFault::Syntax(_))));
    }

    #[test]
    fn editing_one_member_leaves_every_other_byte() {
        let text = "{ \"a\" : 1.0 , \"_meta\":{ \"x\": 12345678901234567890 } }";
        assert_eq!(with_member(text, "_meta", "{}").unwrap(), "{ \"a\" : 1.0 , \"_meta\":{} }");
        assert_eq!(with_member("{}", "b", "2").unwrap(), "{\"b\":2}");
        assert_eq!(with_member("{\"a\":0.70 }", "b", "2").unwrap(), "{\"a\":0.70 ,\"b\":2}");
    }

    #[test]
    fn canonical_form_sorts_and_keeps_great_integers_apart() {
        let one = |t: &str| canonical(&Json::read(t, 64).unwrap());
        assert_eq!(one(r#"{"b":1.0,"a":[ true,null,"\u00e9\n"]}"#), "{\"a\":[true,null,\"é\\n\"],\"b\":1}");
        assert_ne!(one("9007199254740993"), one("9007199254740992"));
        assert_eq!(one("1e2"), "100");
        assert_eq!(one("\"\u{20ac}\""), "\"\u{20ac}\"");
    }
}
