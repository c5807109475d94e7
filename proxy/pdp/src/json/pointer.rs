//! JSON pointers (RFC 6901): where in a value something stands. Read when a registry is loaded, followed when a call passes.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use super::{Json, JsonFault};

/// How long a pointer may be, in bytes, so that following one is bounded by who wrote it.
const BYTES_MAX: usize = 512;

/// A place in a JSON value. The empty pointer is the whole of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    steps: Vec<String>,
}

impl Pointer {
    /// Reads a pointer as RFC 6901 writes it: empty, or `/` before each step, in which `~1` is `/` and `~0` is `~`.
    ///
    /// # Errors
    /// When it is not written so, or is longer than 512 bytes.
    pub fn read(text: &str) -> Result<Self, JsonFault> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Some(rest) = text.strip_prefix('/').filter(|_| text.len() <= BYTES_MAX) else {
            return Err(JsonFault::Kind("a JSON pointer of at most 512 bytes that begins with `/`"));
        };
        let steps: Option<Vec<String>> = rest.split('/').map(step).collect();
        let steps =
            steps.ok_or(JsonFault::Kind("a JSON pointer, in which `~` is written `~0` and `/` is written `~1`"))?;
        Ok(Self { steps })
    }

    /// What stands there in a value.
    #[must_use]
    pub fn of<'j, 't>(&self, whole: &'j Json<'t>) -> Option<&'j Json<'t>> {
        self.steps.iter().try_fold(whole, |value, step| match value {
            Json::Object(_) => value.get(step),
            Json::List(items) => items.get(place(step)?),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => None,
        })
    }

    /// The first step: of a pointer into arguments, the outermost argument.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.steps.first().map(String::as_str)
    }

    /// How many steps it takes.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.steps.len()
    }
}

/// One step without its escapes; nothing where a `~` stands for nothing.
fn step(written: &str) -> Option<String> {
    let mut parts = written.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escaped, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            (None, None) => return None,
        };
        out.push(escaped);
        out.push_str(rest);
    }
    Some(out)
}

/// The place in a list: digits without a leading zero.
fn place(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with('0') && step.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| step.parse().ok()).flatten()
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let written: Cow<'_, str> =
                if step.contains(['~', '/']) { step.replace('~', "~0").replace('/', "~1").into() } else { step.into() };
            write!(f, "/{written}")?;
        }
        Ok(())
    }
}

impl Serialize for Pointer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_found() {
        let text = r##"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"##;
        let value = Json::read(text, 8).unwrap();
        for (pointer, found) in [
            ("", text),
            ("/foo", r#"["bar","baz"]"#),
            ("/foo/0", r#""bar""#),
            ("/", "0"),
            ("/a~1b", "1"),
            ("/c%d", "2"),
            ("/e^f", "3"),
            ("/g|h", "4"),
            ("/i\\j", "5"),
            ("/k\"l", "6"),
            ("/ ", "7"),
            ("/m~0n", "8"),
        ] {
            let read = Pointer::read(pointer).unwrap();
            assert_eq!(read.of(&value), Some(&Json::read(found, 8).unwrap()), "{pointer}");
            assert_eq!(read.to_string(), pointer);
        }
        for nowhere in ["/nothing", "/foo/2", "/foo/00", "/foo/-", "/foo/+1", "/foo/0/0", "/a/b", "/foo/"] {
            let read = Pointer::read(nowhere).unwrap();
            assert!(read.of(&value).is_none(), "{nowhere}");
        }
        for broken in ["foo", "/~", "/a~2", " /a", &format!("/{}", "x".repeat(512))] {
            assert!(Pointer::read(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(text in "(/[a~01/]{0,4}){0,4}") {
            if let Ok(read) = Pointer::read(&text) {
                prop_assert_eq!(read.to_string(), text);
            }
        }
    }
}
