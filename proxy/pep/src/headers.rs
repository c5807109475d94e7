//! Headers that repeat what the body says (MCP 2026-07-28, transports): whoever reads either must read the same.
//!
//! Standard headers are compared at intake, where the body is first read. Those of a tool's own arguments are compared
//! once the tool is known: its reviewed schema names them. A header that no schema names is forwarded and not looked at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pdp::json::{self, Json};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Tool;

use crate::envelope::member;

/// The value of a mirrored header: `=?base64?...?=` carries what a header cannot. Nothing where it cannot be read.
pub(crate) fn decoded(header: &str) -> Option<String> {
    let Some(inner) = header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Some(header.to_owned());
    };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok()
}

/// Holds a call's `Mcp-Param-*` headers against its arguments. `required` says whether a client of this revision must
/// send them; where it need not, what it sends must still be right.
pub(crate) fn repeat_arguments(
    tool: &Tool,
    arguments: &str,
    headers: &[(String, String)],
    required: bool,
) -> Result<(), Refusal> {
    for mirror in &tool.mirrors {
        let argument = mirror.path.iter().try_fold(arguments, |object, name| member(object, name));
        let header = headers.iter().find(|(name, _)| *name == mirror.header).map(|(_, value)| value.as_str());
        let place = || format!("`arguments.{}`", mirror.path.join("."));
        let mismatch = |words: String| Err(Refusal::new(Code::HeaderMismatch, words));
        match (header, argument.filter(|raw| is_mirrored(raw))) {
            (None, None) => {}
            (None, Some(_)) if !required => {}
            (None, Some(_)) => {
                return mismatch(format!(
                    "`{}` is required: the tool's schema repeats {} in it",
                    mirror.header,
                    place()
                ));
            }
            (Some(_), None) => {
                return mismatch(format!("`{}` is set, and {} has no value it could repeat", mirror.header, place()));
            }
            (Some(header), Some(raw)) if !says_the_same(header, raw) => {
                return mismatch(format!("`{}` and {} do not say the same", mirror.header, place()));
            }
            (Some(_), Some(_)) => {}
        }
    }
    Ok(())
}

/// Whether a value is one that a header can repeat: text, a number, true or false.
fn is_mirrored(raw: &str) -> bool {
    raw != "null" && !raw.starts_with(['{', '['])
}

/// Numbers are compared by value: `42.0` is 42.
fn says_the_same(header: &str, raw: &str) -> bool {
    let Some(header) = decoded(header) else { return false };
    match Json::read(raw, 1) {
        Ok(Json::Text(text)) => header == text,
        Ok(Json::Bool(yes)) => header == if yes { "true" } else { "false" },
        Ok(number @ Json::Number(_)) => match Json::read(&header, 1) {
            Ok(told @ Json::Number(_)) => json::canonical(&told) == json::canonical(&number),
            Ok(_) | Err(_) => false,
        },
        Ok(Json::Null | Json::List(_) | Json::Object(_)) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_the_same_or_it_does_not() {
        for (header, raw, same) in [
            ("us-west1", r#""us-west1""#, true),
            ("us-west1", r#""us-\u0077est1""#, true),
            ("us-west1", r#""us-west2""#, false),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", r#""Hello, 世界""#, true),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", r#""=?base64?literal?=""#, true),
            ("=?base64?!!?=", r#""x""#, false),
            ("=?BASE64?SGk=?=", r#""Hi""#, false),
            ("42", "42", true),
            ("42.0", "42", true),
            ("042", "42", false),
            ("9007199254740993", "9007199254740992", false),
            ("true", "true", true),
            ("True", "true", false),
            ("42", r#""42""#, true),
            ("", r#""""#, true),
        ] {
            assert_eq!(says_the_same(header, raw), same, "{header} {raw}");
        }
    }
}
