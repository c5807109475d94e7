//! Arguments that clients mirror into HTTP headers: what `x-mcp-header` in a reviewed input schema asks for (MCP
//! 2026-07-28, transports, custom headers from tool parameters).
//!
//! Only what is declared. Comparing a call's arguments with its headers is the enforcement point's work.

use serde_json::{Map, Value};

/// One argument and the header that repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// The header's whole name, in lower case: `mcp-param-region`.
    pub header: String,
    /// Where the argument stands: member names from the outermost object on.
    pub path: Vec<String>,
}

/// The annotation, and what the header's name begins with.
const ANNOTATION: &str = "x-mcp-header";
const PREFIX: &str = "mcp-param-";

/// The mirrored arguments of an input schema. Those on a chain of `properties` alone count: no other argument has one
/// place that a header could repeat.
///
/// # Errors
/// What breaks the specification, in words: clients must leave such a tool out of their lists, and so does the gate.
pub fn mirrors(schema: &Value) -> Result<Vec<Mirror>, String> {
    let mut out = Vec::new();
    walk(schema, &mut Vec::new(), &mut out)?;
    Ok(out)
}

fn walk(schema: &Value, path: &mut Vec<String>, out: &mut Vec<Mirror>) -> Result<(), String> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (name, inner) in properties {
        path.push(name.clone());
        if let Some(asked) = inner.as_object().and_then(|members| members.get(ANNOTATION).map(|a| (members, a))) {
            let header =
                header(asked.0, asked.1).map_err(|why| format!("`{ANNOTATION}` at `{}` {why}", path.join(".")))?;
            if out.iter().any(|other| other.header == header) {
                return Err(format!("`{ANNOTATION}` at `{}` names a header that another argument has", path.join(".")));
            }
            out.push(Mirror { header, path: path.clone() });
        }
        walk(inner, path, out)?;
        path.pop();
    }
    Ok(())
}

fn header(members: &Map<String, Value>, asked: &Value) -> Result<String, &'static str> {
    // RFC 9110, section 5.6.2: tchar.
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let Some(name) = asked.as_str().filter(|name| !name.is_empty() && name.chars().all(token)) else {
        return Err("is no name of a header");
    };
    match members.get("type").and_then(Value::as_str) {
        Some("string" | "integer" | "boolean") => Ok(format!("{PREFIX}{}", name.to_ascii_lowercase())),
        Some(_) | None => Err("is on an argument that is no string, integer or boolean"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(properties: Value) -> Result<Vec<String>, String> {
        let found = mirrors(&json!({ "type": "object", "properties": properties }))?;
        Ok(found.iter().map(|mirror| format!("{}={}", mirror.header, mirror.path.join("."))).collect())
    }

    #[test]
    fn annotations_are_found_at_every_depth_of_properties() {
        let found = of(json!({
            "region": { "type": "string", "x-mcp-header": "Region" },
            "options": { "type": "object", "properties": { "limit": { "type": "integer", "x-mcp-header": "limit" } } },
            "list": { "type": "array", "items": { "type": "string", "x-mcp-header": "nowhere" } },
            "x-mcp-header": { "type": "string" },
        }));
        let mut found = found.unwrap_or_default();
        found.sort();
        assert_eq!(found, ["mcp-param-limit=options.limit", "mcp-param-region=region"]);
    }

    #[test]
    fn what_breaks_the_specification_is_told() {
        for (properties, why) in [
            (json!({ "a": { "type": "string", "x-mcp-header": "" } }), "is no name of a header"),
            (json!({ "a": { "type": "string", "x-mcp-header": "a b" } }), "is no name of a header"),
            (json!({ "a": { "type": "string", "x-mcp-header": 7 } }), "is no name of a header"),
            (json!({ "a": { "type": "number", "x-mcp-header": "A" } }), "no string, integer or boolean"),
            (json!({ "a": { "x-mcp-header": "A" } }), "no string, integer or boolean"),
            (
                json!({ "a": { "type": "string", "x-mcp-header": "X" }, "b": { "type": "string", "x-mcp-header": "x" } }),
                "another argument has",
            ),
        ] {
            let found = of(properties.clone());
            assert!(found.as_ref().is_err_and(|words| words.contains(why)), "{properties}: {found:?}");
        }
    }
}
