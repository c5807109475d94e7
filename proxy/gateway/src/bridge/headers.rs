//! What a modern message repeats in HTTP headers (MCP 2026-07-28, transports), read out of its text. A client on standard
//! streams sends none of them, and the gate demands them of whoever speaks HTTP.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pdp::json::{self, Json, member};
use pdp::registry::{Mirror, mirrors};
use serde_json::Value;

/// Where a modern request says which revision it speaks.
const PROTOCOL: &str = "io.modelcontextprotocol/protocolVersion";

/// An argument that a tool's schema repeats in a header.
pub(super) type Mirrored = Mirror;

/// The revision a message names itself.
fn protocol(text: &str) -> Option<String> {
    let meta = member(member(text, "params")?, "_meta")?;
    json::string(member(meta, PROTOCOL)?).ok().map(|v| v.into_owned())
}

/// Whether a message is of the modern era.
pub(super) fn is_modern(text: &str) -> bool {
    protocol(text).is_some()
}

/// The headers of a message; none where it is a legacy one.
pub(super) fn of(text: &str, method: &str, known: &HashMap<String, Vec<Mirrored>>) -> Vec<(String, String)> {
    let Some(protocol) = protocol(text) else { return Vec::new() };
    let mut out = vec![("mcp-protocol-version".to_owned(), protocol), ("mcp-method".to_owned(), encoded(method))];
    let params = member(text, "params").unwrap_or_default();
    let named = match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => Some("taskId"),
        _ => None,
    };
    let name = named.and_then(|named| json::string(member(params, named)?).ok());
    if let Some(name) = &name {
        out.push(("mcp-name".to_owned(), encoded(name)));
    }
    let mirrors = name.filter(|_| method == "tools/call").and_then(|tool| known.get(tool.as_ref()));
    for mirror in mirrors.into_iter().flatten() {
        let arguments = member(params, "arguments");
        let argument = arguments.and_then(|all| mirror.path.iter().try_fold(all, |object, name| member(object, name)));
        if let Some(value) = argument.and_then(repeated) {
            out.push((mirror.header.clone(), encoded(&value)));
        }
    }
    out
}

/// A value as a header repeats it; nothing for what none can.
fn repeated(raw: &str) -> Option<String> {
    match Json::read(raw, 1).ok()? {
        Json::Text(text) => Some(text.into_owned()),
        Json::Bool(yes) => Some(yes.to_string()),
        Json::Number(number) => Some(number.to_owned()),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}

/// A header's value; `=?base64?...?=` carries what a header cannot (MCP 2026-07-28, value encoding).
fn encoded(value: &str) -> String {
    let plain = value.chars().all(|c| (' '..='~').contains(&c)) && value.trim() == value;
    if plain && !value.starts_with("=?base64?") {
        return value.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(value))
}

/// The mirrored arguments of the tools in a listing.
pub(super) fn mirrored(listing: &str) -> HashMap<String, Vec<Mirrored>> {
    let listing: Value = serde_json::from_str(listing).unwrap_or_default();
    let tools = listing.pointer("/result/tools").and_then(Value::as_array);
    let each = tools.into_iter().flatten().filter_map(|tool| {
        let name = tool.get("name")?.as_str()?.to_owned();
        Some((name, mirrors(tool.get("inputSchema")?).ok()?))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modern_message_is_repeated_in_headers() {
        let listing = r#"{"result":{"tools":[{"name":"größe","inputSchema":{"properties":{
            "region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"}}}}]}}"#;
        let known = mirrored(listing);
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"größe",
            "arguments":{"region":" a","n":42.0},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let told: Vec<String> =
            of(call, "tools/call", &known).iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            told,
            [
                "mcp-protocol-version: 2026-07-28",
                "mcp-method: tools/call",
                "mcp-name: =?base64?Z3LDtsOfZQ==?=",
                "mcp-param-region: =?base64?IGE=?=",
                "mcp-param-n: 42.0",
            ]
        );
        assert_eq!(of(r#"{"method":"ping","params":{}}"#, "ping", &known), []);
    }
}
