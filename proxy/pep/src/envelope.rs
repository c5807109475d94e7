//! The JSON-RPC 2.0 envelope of a message: read once, kept as places in the received text.
//!
//! Refused here: batches (removed from MCP in 2025-06-18), a message with both method and answer, with both result and
//! error, with a member that differs from an envelope member only in case (some decoders would take it for that member).

use std::ops::Range;

use pdp::json::{self, JsonFault};
use pdp::record::FrameKind;
use pdp::refusal::{Code, Refusal};

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
}

const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

impl Envelope {
    /// Reads a message strictly: the whole text is checked for duplicate members and depth.
    pub(crate) fn read(text: &str, depth_max: usize) -> Result<Self, Refusal> {
        if text.trim_start().starts_with('[') {
            let words = "JSON-RPC batches are not accepted: send each message by itself";
            return Err(Refusal::new(Code::Batch, words));
        }
        json::check(text, depth_max).map_err(refusal)?;
        Self::outline(text)
    }

    /// Reads the envelope alone; what is inside the parts is not looked at.
    pub(crate) fn outline(text: &str) -> Result<Self, Refusal> {
        let not_rpc = |words: String| Refusal::new(Code::NotJsonRpc, format!("not a JSON-RPC 2.0 message: {words}"));
        let mut out = Self::default();
        let mut version = false;
        for (name, value) in json::members(text).map_err(refusal)? {
            let raw = value.get();
            let place = || json::place(text, raw);
            match name.as_ref() {
                "jsonrpc" => version = raw == "\"2.0\"",
                "id" => out.id = Some(raw.to_owned()),
                "method" => {
                    let method = json::string(raw).map_err(|_| not_rpc("`method` is not a string".to_owned()))?;
                    out.method = Some(method.into_owned());
                }
                "params" => out.params = place(),
                "result" => out.result = place(),
                "error" => out.error = place(),
                other => {
                    if let Some(near) = MEMBERS.iter().find(|m| m.eq_ignore_ascii_case(other)) {
                        return Err(not_rpc(format!("the member `{other}` differs from `{near}` only in case")));
                    }
                }
            }
        }
        if !version {
            return Err(not_rpc("`jsonrpc` must be \"2.0\"".to_owned()));
        }
        out.kind = Some(out.classify().map_err(|words| not_rpc(words.to_owned()))?);
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

    /// A member of `params`, as JSON text.
    pub(crate) fn param<'t>(&self, text: &'t str, name: &str) -> Option<&'t str> {
        member(text.get(self.params.clone()?)?, name)
    }

    /// A member of `params` that is a string.
    pub(crate) fn param_string(&self, text: &str, name: &str) -> Option<String> {
        self.param(text, name).and_then(|raw| json::string(raw).ok()).map(|s| s.into_owned())
    }

    /// A string in `params._meta`.
    pub(crate) fn meta_string(&self, text: &str, name: &str) -> Option<String> {
        let meta = self.param(text, "_meta")?;
        member(meta, name).and_then(|raw| json::string(raw).ok()).map(|s| s.into_owned())
    }
}

/// One member of an object's text, as JSON text.
pub(crate) fn member<'t>(object: &'t str, name: &str) -> Option<&'t str> {
    json::members(object).ok()?.into_iter().find(|(n, _)| n == name).map(|(_, v)| v.get())
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
