//! JSON text: the gate's reading of it is `serde_json`'s, made stricter, and edits change nothing else.

use std::collections::HashSet;
use std::fmt;

use pdp::json::{self, Json, JsonFault};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// How deep a text may nest here. Below `serde_json`'s own limit of 128.
const DEPTH_MAX: usize = 16;

/// `check` accepts exactly what `serde_json` reads, less what nests too deep or names a member twice; canonical text is
/// a fixed point and means the same; an edit changes one member alone.
pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let found = json::check(text, DEPTH_MAX);
    // Half a surrogate pair is JSON by its grammar and no text: readers may differ, so nothing is asked of it here.
    if !has_half_pair(text) {
        match (reference(text, DEPTH_MAX), &found) {
            (Ok(()), found) => assert_eq!(found, &Ok(()), "a good text was refused"),
            // Beyond what a double holds: JSON by its grammar, and readers may differ.
            (Err(Wrong::Range), _) => return,
            (Err(Wrong::Syntax), found) => {
                let other = matches!(found, Err(JsonFault::TooDeep(_) | JsonFault::DuplicateKey(_)));
                assert!(matches!(found, Err(JsonFault::Syntax(_))) || other, "no JSON was taken: {found:?}");
            }
            (Err(Wrong::Twice), found) => assert!(found.is_err(), "a member that stands twice was taken"),
            (Err(Wrong::Deep), found) => assert!(found.is_err(), "a text that nests too deep was taken"),
        }
    }
    let Ok(value) = Json::read(text, DEPTH_MAX) else { return };
    assert!(found.is_ok() || has_half_pair(text), "it was read, and refused by the check: {found:?}");
    let canonical = json::canonical(&value);
    let again = Json::read(&canonical, DEPTH_MAX).unwrap();
    assert_eq!(json::canonical(&again), canonical, "canonical text is a fixed point");
    let Ok(plain) = serde_json::from_str::<Value>(text) else { return };
    if is_i_json(&value) {
        let generic = serde_json_canonicalizer::to_string(&plain).unwrap();
        assert_eq!(canonical, generic, "the generic form of RFC 8785");
    }
    if let Json::Object(members) = &value {
        edit(text, members);
    }
}

/// Setting a member changes it alone.
fn edit(text: &str, members: &[(std::borrow::Cow<'_, str>, Json<'_>)]) {
    let name = members.first().map_or("new", |(name, _)| name);
    for name in [name, "\u{e9} new\""] {
        let edited = json::with_member(text, name, "[1.0]").unwrap();
        let Json::Object(after) = Json::read(&edited, DEPTH_MAX + 1).unwrap() else { panic!("no object: {edited}") };
        let set = Json::List(vec![Json::Number("1.0")]);
        let mut wanted = members.to_vec();
        match wanted.iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) => *value = set,
            None => wanted.push((name.into(), set)),
        }
        assert_eq!(after, wanted, "one member was set");
    }
}

/// Whether every number is one that a double holds exactly as it is written (RFC 7493), so that the generic form is ours.
fn is_i_json(value: &Json<'_>) -> bool {
    match value {
        Json::Null | Json::Bool(_) | Json::Text(_) => true,
        Json::Number(digits) => {
            let integral = !digits.contains(['.', 'e', 'E']);
            let safe = digits.parse::<i64>().is_ok_and(|n| n.unsigned_abs() < 1 << 53);
            if integral { safe } else { digits.parse::<f64>().is_ok_and(f64::is_finite) }
        }
        Json::List(items) => items.iter().all(is_i_json),
        Json::Object(members) => members.iter().all(|(_, value)| is_i_json(value)),
    }
}

/// Whether a text may hold half a surrogate pair: it has an escape of one.
fn has_half_pair(text: &str) -> bool {
    text.to_ascii_lowercase().contains("\\ud")
}

/// Whether a text is JSON that names no member twice and nests no deeper, as far as readers agree on it.
pub(super) fn is_good(text: &str, depth_max: usize) -> bool {
    has_half_pair(text) || matches!(reference(text, depth_max), Ok(()) | Err(Wrong::Range))
}

/// Why the reference refuses a text.
enum Wrong {
    Syntax,
    Range,
    Twice,
    Deep,
}

/// Whether a text is good, asked of `serde_json` alone.
fn reference(text: &str, depth_max: usize) -> Result<(), Wrong> {
    let mut wrong = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Walk { depth_max, depth: 0, wrong: &mut wrong }.deserialize(&mut reader).and_then(|()| reader.end());
    match (read, wrong) {
        (Err(e), _) if e.to_string().starts_with("recursion limit") => Err(Wrong::Deep),
        (Err(e), _) if e.to_string().starts_with("number out of range") => Err(Wrong::Range),
        (Err(_), _) => Err(Wrong::Syntax),
        (Ok(()), Some(wrong)) => Err(wrong),
        (Ok(()), None) => Ok(()),
    }
}

struct Walk<'w> {
    depth_max: usize,
    depth: usize,
    wrong: &'w mut Option<Wrong>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
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
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.depth + 1;
        if depth > self.depth_max {
            *self.wrong = Some(Wrong::Deep);
        }
        while seq.next_element_seed(Walk { depth_max: self.depth_max, depth, wrong: &mut *self.wrong })?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.depth + 1;
        if depth > self.depth_max {
            *self.wrong = Some(Wrong::Deep);
        }
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                *self.wrong = Some(Wrong::Twice);
            }
            map.next_value_seed(Walk { depth_max: self.depth_max, depth, wrong: &mut *self.wrong })?;
        }
        Ok(())
    }
}
