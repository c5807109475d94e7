//! The messages that are sent: what is asked of the null server, and what it must answer.
//!
//! Both sides are built from here, so that the generator can check every answer byte for byte. Knows no socket.

use crate::bundle::{SERVER, TOKEN};

/// The first request id; all ids have as many digits, so that a request is patched in place.
pub const FIRST_ID: u64 = 100_000_000;

/// How the server sends its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// `application/json`.
    Json,
    /// One event of a `text/event-stream`.
    Sse,
}

impl Answer {
    /// The word for it in arguments and reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Sse => "sse",
        }
    }
}

/// Which shape of MCP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25: each connection opens a session.
    Legacy,
    /// 2026-07-28: no sessions, headers that name the method and the tool.
    Modern,
}

/// Text as documents hold it, escaped for JSON: quotes, line breaks, letters beyond ASCII. 100 bytes once escaped.
const SENTENCE: &str =
    r#"A wicket gate is the small door in a great one: \"one at a time\", says the keeper.\nIn: /notes/é. "#;

/// What a tool answers when `bytes` are asked for: that many bytes of JSON string, escapes included.
#[must_use]
pub fn text(bytes: usize) -> String {
    let mut out = SENTENCE.repeat(bytes / SENTENCE.len());
    out.extend(std::iter::repeat_n('x', bytes - out.len()));
    out
}

/// A size in words.
#[must_use]
pub fn shown(bytes: usize) -> String {
    if bytes < 1024 { format!("{bytes} B") } else { format!("{} KiB", bytes / 1024) }
}

/// What stands before the text in a result, after the id. `resultType` is the modern era's; legacy clients pass over it.
pub const BEFORE_TEXT: &str = r#","result":{"resultType":"complete","content":[{"type":"text","text":""#;
/// What stands after it.
pub const AFTER_TEXT: &str = r#""}],"isError":false}}"#;

/// A request, ready to be sent once its id is written into it.
#[derive(Debug, Clone)]
pub struct Template {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// Where the id stands.
    pub id_at: usize,
}

/// The JSON text of `tools/call`.
#[must_use]
pub fn call(tool: &str, bytes: usize, answer: Answer, era: Era) -> String {
    let meta = match era {
        Era::Legacy => "",
        Era::Modern => concat!(
            r#","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
            r#""io.modelcontextprotocol/clientCapabilities":{}}"#
        ),
    };
    format!(
        concat!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"#,
            r#""path":"/notes/2026","query":"quarterly figures","bytes":{bytes},"answer":"{answer}"}}{meta}}}}}"#
        ),
        id = FIRST_ID,
        tool = tool,
        bytes = bytes,
        answer = answer.word(),
        meta = meta,
    )
}

/// The HTTP request that carries it.
#[must_use]
pub fn call_template(path: &str, tool: &str, body: &str, session: Option<&str>, era: Era) -> Template {
    let more = match era {
        Era::Legacy => "mcp-protocol-version: 2025-11-25\r\n".to_owned(),
        Era::Modern => {
            format!("mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\n")
        }
    };
    let bytes = post(path, session, &more, body).into_bytes();
    let id = FIRST_ID.to_string();
    let id_at = bytes.windows(id.len()).rposition(|window| window == id.as_bytes()).unwrap_or_default();
    Template { bytes, id_at }
}

/// A POST of a JSON-RPC message.
#[must_use]
pub fn post(path: &str, session: Option<&str>, more: &str, body: &str) -> String {
    format!(
        "{}content-type: application/json\r\ncontent-length: {}\r\n{more}\r\n{body}",
        head("POST", path, session),
        body.len()
    )
}

/// A GET that opens the server's own stream, or a DELETE that ends the session.
#[must_use]
pub fn bare(verb: &str, path: &str, session: &str) -> String {
    format!("{}\r\n", head(verb, path, Some(session)))
}

fn head(verb: &str, path: &str, session: Option<&str>) -> String {
    let session = session.map(|s| format!("mcp-session-id: {s}\r\n")).unwrap_or_default();
    let accept = if verb == "GET" { "text/event-stream" } else { "application/json, text/event-stream" };
    format!(
        "{verb} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\naccept: {accept}\r\n{session}"
    )
}

/// The path of the benchmark's server at the gate.
#[must_use]
pub fn gate_path() -> String {
    format!("/{SERVER}/mcp")
}

/// The path at the null server, which lists this many tools there.
#[must_use]
pub fn upstream_path(tools: usize) -> String {
    format!("/{tools}/mcp")
}

/// Opens a legacy session.
pub const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#
);
/// Says that it is open.
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;

    #[test]
    fn texts_are_as_long_as_asked_and_are_json_once_quoted() {
        assert_eq!(SENTENCE.len(), 100, "a text of 100 bytes is one whole sentence");
        for bytes in [0, 1, 99, 100, 101, 65_536] {
            let text = text(bytes);
            assert_eq!(text.len(), bytes);
            serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap();
        }
    }

    #[test]
    fn a_request_says_its_length_and_takes_an_id_in_place() {
        let body = call("read_000", 100, Answer::Sse, Era::Modern);
        let mut template = call_template("/bench/mcp", "read_000", &body, Some("s"), Era::Modern);
        template.bytes[template.id_at..template.id_at + 9].copy_from_slice(b"123456789");
        let text = String::from_utf8(template.bytes).unwrap();
        let (head, sent) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", sent.len())), "{head}");
        assert!(head.starts_with("POST /bench/mcp HTTP/1.1\r\n") && head.contains("mcp-name: read_000"), "{head}");
        let message: serde_json::Value = serde_json::from_str(sent).unwrap();
        assert_eq!(message["id"], 123_456_789);
        assert_eq!(message["params"]["arguments"]["answer"], "sse");
    }
}
