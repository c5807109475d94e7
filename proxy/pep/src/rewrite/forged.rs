//! Takes out members of our namespace that a server put into a `_meta`: only the gate speaks in the gate's name.

use pdp::json::{self, Json};

/// What our members begin with (MCP: `_meta` keys carry a reverse-DNS prefix of their owner).
pub(crate) const NAMESPACE: &str = "dev.wicketgate/";
/// The word every spelling of it holds.
const WORD: &[u8] = b"wicketgate";

/// The text without our members in any `_meta`, or nothing where it has none.
///
/// A text that holds neither the word nor a `\u` escape cannot name the namespace: letters have no other escape.
pub(crate) fn without(text: &str, depth_max: usize) -> Option<String> {
    if !names_us(text) && !text.contains("\\u") {
        return None;
    }
    let value = Json::read(text, depth_max).ok()?;
    forges(&value, false).then(|| {
        let mut out = String::with_capacity(text.len());
        write(&value, false, &mut out);
        out
    })
}

/// Whether the word stands anywhere in the text, in any case.
fn names_us(text: &str) -> bool {
    text.as_bytes().windows(WORD.len()).any(|window| window.eq_ignore_ascii_case(WORD))
}

fn is_ours(name: &str) -> bool {
    name.get(..NAMESPACE.len()).is_some_and(|head| head.eq_ignore_ascii_case(NAMESPACE))
}

fn forges(value: &Json<'_>, in_meta: bool) -> bool {
    match value {
        Json::Object(members) => {
            members.iter().any(|(name, inner)| (in_meta && is_ours(name)) || forges(inner, name == "_meta"))
        }
        Json::List(items) => items.iter().any(|item| forges(item, false)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => false,
    }
}

/// Writes the value without the forged members. White space is lost, which only a forger's message suffers.
fn write(value: &Json<'_>, in_meta: bool, out: &mut String) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Json::Number(digits) => out.push_str(digits),
        Json::Text(text) => out.push_str(&json::quoted(text)),
        Json::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(item, false, out);
            }
            out.push(']');
        }
        Json::Object(members) => {
            out.push('{');
            for (n, (name, inner)) in members.iter().filter(|(name, _)| !(in_meta && is_ours(name))).enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&json::quoted(name));
                out.push(':');
                write(inner, name == "_meta", out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_name_is_taken_out_of_every_meta_however_it_is_spelt() {
        for (forged, want) in [
            (r#"{"_meta":{"dev.wicketgate/label":{"labels":[]},"x":1}}"#, r#"{"_meta":{"x":1}}"#),
            (r#"{"_meta":{"dev.wicket\u0067ate\/label":1}}"#, r#"{"_meta":{}}"#),
            (r#"{"a":[{"_meta":{"DEV.wicketgate/x":1},"n":1.0}]}"#, r#"{"a":[{"_meta":{},"n":1.0}]}"#),
        ] {
            assert_eq!(without(forged, 16).as_deref(), Some(want), "{forged}");
        }
        assert_eq!(without(r#"{"text":"dev.wicketgate/label","dev.wicketgate/label":1}"#, 16), None);
        assert_eq!(without(r#"{"a":1.0}"#, 16), None);
    }
}
