//! Places in a value whose shape is known and whose content is not: JSON pointers (RFC 6901) in which a step may be `*`.
//!
//! What is looked for may stand in a hostile text, so a walk says of every way it could not go that something is missing,
//! and ends after [`VALUES_MAX`] values. A text on the way is read as JSON itself: many servers write theirs into one.

use std::fmt;
use std::str::FromStr;

use super::Json;
use super::layout::{Layout, Part, Reading};
use super::scan::Kind;
use crate::digest::DEPTH_MAX;

/// How many values one walk looks at. A list as long or longer counts as one in which something is missing.
pub const VALUES_MAX: usize = 10_000;
/// How many steps a pointer may have.
const STEPS_MAX: usize = 32;
/// How many texts may be read as JSON one within the other.
const TEXTS_MAX: usize = 2;

/// Where values stand: from the outermost on, member by member.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The member of this name, or the item of this number.
    Name(String),
    /// Every item of a list.
    Every,
}

/// Why a text is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PointerFault {
    /// It does not begin as one.
    #[error("a pointer begins with `/`")]
    Start,
    /// `~` stands for nothing.
    #[error("in a pointer `~0` stands for `~` and `~1` for `/`; `~` alone stands for nothing")]
    Tilde,
    /// It has too many steps.
    #[error("a pointer has at most {STEPS_MAX} steps")]
    Long,
}

/// What a walk met.
#[derive(Debug, Clone, Copy)]
pub enum Met<'a> {
    /// A value at the place.
    Value(Part<'a>),
    /// A way that leads to no such place, or more values than are looked at.
    Missing,
}

impl Pointer {
    /// The place of one member of the outermost object.
    #[must_use]
    pub fn member(name: &str) -> Self {
        Self { steps: vec![Step::Name(name.to_owned())] }
    }

    /// The name of its first step; nothing where that is every item, or where it has none.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.steps.first().and_then(Step::name)
    }

    /// The last name in it: what a value there is called.
    #[must_use]
    pub fn last_name(&self) -> Option<&str> {
        self.steps.iter().rev().find_map(Step::name)
    }

    /// The place of the list whose every item this one names, where it ends in `*`.
    #[must_use]
    pub fn list(&self) -> Option<Self> {
        let (last, before) = self.steps.split_last()?;
        (*last == Step::Every).then(|| Self { steps: before.to_vec() })
    }

    /// Shows every value at this place, and every way on which there is none. The part must be of a text whose places
    /// are all known.
    pub fn walk(&self, part: Part<'_>, show: &mut dyn FnMut(Met<'_>)) {
        let mut walk = Walk { show, left: VALUES_MAX };
        walk.go(&self.steps, part, TEXTS_MAX);
        if walk.left == 0 {
            (walk.show)(Met::Missing);
        }
    }

    /// What stands there in a value that was read; nothing for a pointer to every item. The pointer without steps, which
    /// nobody can write, is to the whole.
    #[must_use]
    pub fn of<'j, 't>(&self, whole: &'j Json<'t>) -> Option<&'j Json<'t>> {
        self.steps.iter().try_fold(whole, |value, step| match (value, step) {
            (Json::Object(_), Step::Name(name)) => value.get(name),
            (Json::List(items), Step::Name(number)) => items.get(number.parse::<usize>().ok()?),
            (Json::Object(_) | Json::List(_), Step::Every)
            | (Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_), _) => None,
        })
    }

    /// Whether it is to one place, and not to every item of a list.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.steps.iter().all(|step| step.name().is_some())
    }
}

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Every => None,
        }
    }
}

struct Walk<'w> {
    show: &'w mut dyn FnMut(Met<'_>),
    left: usize,
}

impl Walk<'_> {
    fn go(&mut self, steps: &[Step], part: Part<'_>, texts: usize) {
        if self.left == 0 {
            return;
        }
        let Some((step, rest)) = steps.split_first() else {
            self.left -= 1;
            (self.show)(Met::Value(part));
            return;
        };
        match (part.kind(), step) {
            (Kind::Text, _) => self.go_into_text(steps, part, texts),
            (Kind::List, Step::Every) => {
                for item in part.items() {
                    self.go(rest, item, texts);
                }
            }
            (Kind::List, Step::Name(number)) => {
                self.go_to(number.parse().ok().and_then(|n| part.items().nth(n)), rest, texts)
            }
            (Kind::Object, Step::Name(name)) => self.go_to(part.get(name), rest, texts),
            (Kind::Object, Step::Every) | (Kind::Null | Kind::Bool | Kind::Number, _) => self.missing(),
        }
    }

    fn go_to(&mut self, part: Option<Part<'_>>, rest: &[Step], texts: usize) {
        match part {
            Some(part) => self.go(rest, part, texts),
            None => self.missing(),
        }
    }

    fn go_into_text(&mut self, steps: &[Step], part: Part<'_>, texts: usize) {
        let inner = part.string().filter(|_| texts > 0);
        let layout = inner.as_ref().and_then(|text| Layout::read(text, Reading::whole(DEPTH_MAX)).ok());
        match (inner, layout) {
            // Text in which the next text would be read is no longer than the one it stands in.
            (Some(text), Some(layout)) if layout.root(&text).kind() != Kind::Text => {
                self.go(steps, layout.root(&text), texts.saturating_sub(1));
            }
            (Some(_) | None, Some(_) | None) => self.missing(),
        }
    }

    fn missing(&mut self) {
        self.left = self.left.saturating_sub(1);
        (self.show)(Met::Missing);
    }
}

impl FromStr for Pointer {
    type Err = PointerFault;

    fn from_str(text: &str) -> Result<Self, PointerFault> {
        let steps = text.strip_prefix('/').ok_or(PointerFault::Start)?.split('/').map(|step| {
            if step == "*" {
                return Ok(Step::Every);
            }
            let mut name = String::with_capacity(step.len());
            let mut rest = step.chars();
            while let Some(c) = rest.next() {
                name.push(match (c, if c == '~' { rest.next() } else { None }) {
                    ('~', Some('0')) => '~',
                    ('~', Some('1')) => '/',
                    ('~', _) => return Err(PointerFault::Tilde),
                    (other, _) => other,
                });
            }
            Ok(Step::Name(name))
        });
        let steps: Vec<Step> = steps.collect::<Result<_, _>>()?;
        if steps.len() > STEPS_MAX { Err(PointerFault::Long) } else { Ok(Self { steps }) }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            match step {
                Step::Every => f.write_str("/*")?,
                Step::Name(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?,
            }
        }
        Ok(())
    }
}

impl serde::Serialize for Pointer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]
    use super::*;

    /// What a walk meets, each value as written, `-` for each missing one.
    fn met(pointer: &str, text: &str) -> String {
        let layout = Layout::read(text, Reading::whole(32)).unwrap();
        let mut out = Vec::new();
        pointer.parse::<Pointer>().unwrap().walk(layout.root(text), &mut |met| {
            out.push(match met {
                Met::Value(value) => value.text().to_owned(),
                Met::Missing => "-".to_owned(),
            });
        });
        out.join(" ")
    }

    #[test]
    fn a_walk_shows_every_value_and_every_way_without_one() {
        for (pointer, text, want) in [
            ("/a", r#"{"a":1}"#, "1"),
            ("/a/b", r#"{"a":{"b":[1, 2]}}"#, "[1, 2]"),
            ("/a/*", r#"{"a":[1,"x",null]}"#, r#"1 "x" null"#),
            ("/a/1", r#"{"a":[1,2]}"#, "2"),
            ("/a/2", r#"{"a":[1,2]}"#, "-"),
            ("/a/*/from", r#"{"a":[{"from":"x"},{"to":"y"},7,{"from":"z"}]}"#, r#""x" - - "z""#),
            ("/a/*/from", r#"{"a":[]}"#, ""),
            ("/a/*", r#"{"a":{"b":1}}"#, "-"),
            ("/a", "[]", "-"),
            ("/~1~0/", r#"{"/~":{"":1}}"#, "1"),
            // A text on the way is JSON, or there is nothing.
            ("/text/a/*", r#"{"text":"{\"a\":[1,2]}"}"#, "1 2"),
            ("/text/a", r#"{"text":"{\"a\":1,\"a\":2}"}"#, "-"),
            ("/text/a", r#"{"text":"no JSON"}"#, "-"),
            ("/text/a/b/c", r#"{"text":"{\"a\":\"{\\\"b\\\":\\\"{}\\\"}\"}"}"#, "-"),
            ("/text", r#"{"text":"{}"}"#, r#""{}""#),
            ("/text/a", r#"{"text":"\ud800"}"#, "-"),
        ] {
            assert_eq!(met(pointer, text), want, "{pointer} in {text}");
        }
    }

    #[test]
    fn a_huge_list_is_not_looked_through() {
        let text = format!("[{}1]", "1,".repeat(VALUES_MAX));
        let layout = Layout::read(&text, Reading::whole(8)).unwrap();
        let (mut values, mut missing) = (0, 0);
        "/*".parse::<Pointer>().unwrap().walk(layout.root(&text), &mut |met| match met {
            Met::Value(_) => values += 1,
            Met::Missing => missing += 1,
        });
        assert_eq!((values, missing), (VALUES_MAX, 1));
    }

    #[test]
    fn a_pointer_is_written_as_it_is_read() {
        for text in ["/a", "/a/*/b", "/~0~1", "/", "//x"] {
            assert_eq!(text.parse::<Pointer>().unwrap().to_string(), text);
        }
        assert_eq!("a".parse::<Pointer>(), Err(PointerFault::Start));
        assert_eq!("".parse::<Pointer>(), Err(PointerFault::Start));
        assert_eq!("/~2".parse::<Pointer>(), Err(PointerFault::Tilde));
        assert_eq!("/a".repeat(40).parse::<Pointer>(), Err(PointerFault::Long));
        let pointer: Pointer = "/a/*".parse().unwrap();
        assert_eq!(pointer.list().map(|list| list.to_string()).as_deref(), Some("/a"));
        assert_eq!((pointer.first(), pointer.last_name()), (Some("a"), Some("a")));
    }
}
