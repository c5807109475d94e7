//! The JSON-RPC 2.0 envelope of a message: read once, kept as places in the received text.
//!
//! Refused here: batches (removed from MCP in 2025-06-18), a message with both method and answer, with both result and
//! error, with a member that differs from an envelope member only in case (some decoders would take it for that member).

use std::borrow::Cow;
use std::ops::Range;

use pdp::digest::DEPTH_MAX;
use pdp::json::{Json, JsonFault, Kind, Layout, Part, Reading, alike};
use pdp::record::FrameKind;
use pdp::refusal::{Code, Refusal};

pub(crate) use pdp::json::member;

use crate::rewrite::forged::NAMESPACE;

/// Where the parts of a message stand in its text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Envelope {
    pub(crate) kind: Option<FrameKind>,
    /// The id as it was written.
    pub(crate) id: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) params: Option<Range<usize>>,
    pub(crate) result: Option<Range<usize>>,
    pub(crate) error: Option<Range<usize>>,
    /// Where everything else stands, as deep as it was asked for.
    layout: Layout,
}

const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// How deep the places of a server's answer are remembered: the members of `result`, and those of its `_meta`.
const ANSWER_KEPT: usize = 3;

impl Envelope {
    /// The envelope of what has no text: the opening of a stream, the end of a session.
    pub(crate) fn bare(kind: FrameKind, method: &str) -> Self {
        Self { kind: Some(kind), method: Some(method.to_owned()), ..Self::default() }
    }

    /// Reads a message strictly: the whole text is checked for duplicate members and depth.
    pub(crate) fn read(text: &str, depth_max: usize) -> Result<Self, Refusal> {
        Self::read_kept(text, Reading { watched: NAMESPACE, ..Reading::whole(depth_max) })
    }

    /// Reads what a server says as strictly, without remembering the places of its content. `depth_max` is that of the
    /// result, which lies one level down.
    pub(crate) fn read_answer(text: &str, depth_max: usize) -> Result<Self, Refusal> {
        let depth_max = depth_max.saturating_add(1);
        Self::read_kept(text, Reading { depth_max, kept: ANSWER_KEPT, watched: NAMESPACE })
    }

    fn read_kept(text: &str, reading: Reading) -> Result<Self, Refusal> {
        if text.trim_start().starts_with('[') {
            let words = "JSON-RPC batches are not accepted: send each message by itself";
            return Err(Refusal::new(Code::Batch, words));
        }
        let not_rpc = |words: String| Refusal::new(Code::NotJsonRpc, format!("not a JSON-RPC 2.0 message: {words}"));
        let layout = Layout::read(text, reading).map_err(refusal)?;
        let root = layout.root(text);
        if root.kind() != Kind::Object {
            return Err(refusal(JsonFault::Kind("an object")));
        }
        let mut out = Self::default();
        let mut version = false;
        for (name, value) in root.members() {
            match name.as_ref() {
                "jsonrpc" => version = value.text() == "\"2.0\"",
                "id" => out.id = Some(value.text().to_owned()),
                "method" => {
                    let method = value.string().ok_or_else(|| not_rpc("`method` is not a string".to_owned()))?;
                    out.method = Some(method.into_owned());
                }
                "params" => out.params = Some(value.range()),
                "result" => out.result = Some(value.range()),
                "error" => out.error = Some(value.range()),
                other => {
                    if let Some(near) = MEMBERS.iter().find(|m| alike(m, other)) {
                        return Err(not_rpc(format!("the member `{other}` differs from `{near}` only in case")));
                    }
                }
            }
        }
        if !version {
            return Err(not_rpc("`jsonrpc` must be \"2.0\"".to_owned()));
        }
        out.kind = Some(out.classify().map_err(|words| not_rpc(words.to_owned()))?);
        out.layout = layout;
        Ok(out)
    }

    fn classify(&self) -> Result<FrameKind, &'static str> {
        let id_is_valid = |id: &str| id.starts_with('"') || id.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        match (&self.method, self.result.is_some(), self.error.is_some()) {
            (Some(_), false, false) => match &self.id {
                Some(id) if id_is_valid(id) => Ok(FrameKind::Request),
                Some(_) => Err("a request's `id` must be a string or a number"),
                None => Ok(FrameKind::Notification),
            },
            (Some(_), _, _) => Err("it has a `method` and an answer"),
            (None, true, true) => Err("it has both `result` and `error`"),
            (None, false, false) => Err("it has neither `method` nor `result` nor `error`"),
            (None, true, false) | (None, false, true) => match &self.id {
                Some(id) if id_is_valid(id) || (id == "null" && self.error.is_some()) => Ok(FrameKind::Response),
                Some(_) | None => Err("an answer needs the `id` it answers"),
            },
        }
    }

    /// One of the message's own members, with its place. `text` is the one this envelope was read from.
    pub(crate) fn part<'a>(&'a self, text: &'a str, name: &str) -> Option<Part<'a>> {
        self.layout.root(text).get(name)
    }

    /// A member of `params`, with its place.
    pub(crate) fn param_part<'a>(&'a self, text: &'a str, name: &str) -> Option<Part<'a>> {
        self.part(text, "params")?.get(name)
    }

    /// A member of `params`, as JSON text.
    pub(crate) fn param<'t>(&self, text: &'t str, name: &str) -> Option<&'t str> {
        text.get(self.param_part(text, name)?.range())
    }

    /// A member of `params` that is a string.
    pub(crate) fn param_string(&self, text: &str, name: &str) -> Option<String> {
        self.param_part(text, name)?.string().map(|s| s.into_owned())
    }

    /// The arguments of a tool call; an empty object where there are none.
    pub(crate) fn arguments<'a>(&'a self, text: &'a str) -> Result<Json<'a>, JsonFault> {
        let part = self.param_part(text, "arguments").filter(|part| part.kind() != Kind::Null);
        part.map_or_else(|| Ok(Json::Object(Vec::new())), |part| Json::of(part, DEPTH_MAX))
    }

    /// A string in `params._meta`.
    pub(crate) fn meta_string<'a>(&'a self, text: &'a str, name: &str) -> Option<Cow<'a, str>> {
        self.param_part(text, "_meta")?.get(name)?.string()
    }

    /// Whether a name in the message begins as the gate's own do.
    pub(crate) fn names_us(&self) -> bool {
        self.layout.met_watched()
    }
}

/// A fault of the text as a refusal.
pub(crate) fn refusal(fault: JsonFault) -> Refusal {
    let code = match fault {
        JsonFault::Syntax(_) => Code::NotJson,
        JsonFault::DuplicateKey(_) => Code::DuplicateMember,
        JsonFault::TooDeep(_) => Code::TooDeep,
        JsonFault::Kind(_) => Code::NotJsonRpc,
    };
    Refusal::new(code, format!("the message is {}", words(&fault)))
}

fn words(fault: &JsonFault) -> String {
    match fault {
        JsonFault::Syntax(_) | JsonFault::TooDeep(_) => fault.to_string(),
        JsonFault::DuplicateKey(_) => format!("ambiguous: {fault}"),
        JsonFault::Kind(_) => format!("no JSON-RPC 2.0 message: {fault}"),
    }
}

/// Whether a message that cannot be read for certain is at least no request or notification.
pub(crate) fn names_no_method(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Named {
        method: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Named>(text).is_ok_and(|named| named.method.is_none())
}

/// A request for a page of the server's tools, in the gate's own words but for `_meta`, which is the client's.
pub(crate) fn tools_list(id: &str, cursor: Option<&str>, meta: Option<&str>) -> String {
    let cursor = cursor.map(|cursor| format!("\"cursor\":{}", pdp::json::quoted(cursor)));
    let params: Vec<String> = cursor.into_iter().chain(meta.map(|meta| format!("\"_meta\":{meta}"))).collect();
    let (id, params) = (pdp::json::quoted(id), params.join(","));
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/list\",\"params\":{{{params}}}}}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn kind(text: &str) -> Result<FrameKind, Code> {
        Envelope::read(text, 16).map(|e| e.kind.unwrap()).map_err(|r| r.code)
    }

    #[test]
    fn each_message_is_one_kind_or_refused() {
        for (text, want) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Ok(FrameKind::Request)),
            (r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, Ok(FrameKind::Request)),
            (r#"{"jsonrpc":"2.0","method":"x"}"#, Ok(FrameKind::Notification)),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Ok(FrameKind::Response)),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#, Ok(FrameKind::Response)),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Err(Code::NotJsonRpc)),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Err(Code::NotJsonRpc)),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Err(Code::NotJsonRpc)),
            (r#"{"jsonrpc":"2.0","id":1}"#, Err(Code::NotJsonRpc)),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#, Err(Code::NotJsonRpc)),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, Err(Code::NotJsonRpc)),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","Method":"y"}"#, Err(Code::NotJsonRpc)),
            (r#"{"jsonrpc":"2.0","id":1,"method":"x","method":"y"}"#, Err(Code::DuplicateMember)),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"x"}]"#, Err(Code::Batch)),
            ("{", Err(Code::NotJson)),
            ("7", Err(Code::NotJsonRpc)),
        ] {
            assert_eq!(kind(text), want, "{text}");
        }
    }
}
