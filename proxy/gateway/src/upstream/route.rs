//! What a message says of whom it belongs to, and ids changed on the way in and restored on the way out. Pure: text in,
//! text out.
//!
//! A shared line carries no hint but the message itself: an answer has its request's id, progress its token, a
//! subscription's notification its listen id. Everything else goes to a request under way or to the session's own stream.

use pdp::json;
use pdp::record::FrameKind;
use pdp::refusal::modern_http_status;

/// What the router reads of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) kind: FrameKind,
    pub(super) id: Option<String>,
    pub(super) method: Option<String>,
    /// `params.progressToken`, as written.
    pub(super) token: Option<String>,
    /// `_meta["io.modelcontextprotocol/subscriptionId"]`, as written.
    pub(super) subscription: Option<String>,
    /// Of `notifications/cancelled`, the request it ends, as written.
    pub(super) cancelled: Option<String>,
}

/// Where a modern server names the listen request a notification belongs to.
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

impl Outline {
    /// Reads a message; nothing where it is not JSON-RPC.
    pub(super) fn of(text: &str) -> Option<Self> {
        let members = json::members(text).ok()?;
        let raw = |name: &str| members.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        raw("jsonrpc")?;
        let id = raw("id").map(str::to_owned);
        let method = raw("method").and_then(|m| json::string(m).ok()).map(|m| m.into_owned());
        let kind = match (&method, &id) {
            (Some(_), Some(_)) => FrameKind::Request,
            (Some(_), None) => FrameKind::Notification,
            (None, _) => FrameKind::Response,
        };
        let inner = |object: Option<&str>, name: &str| member(object?, name).map(str::to_owned);
        let params = raw("params");
        let token = inner(params, "progressToken");
        let meta = params.and_then(|p| member(p, "_meta")).or_else(|| raw("result").and_then(|r| member(r, "_meta")));
        let subscription = inner(meta, SUBSCRIPTION);
        let cancels = method.as_deref() == Some("notifications/cancelled");
        let cancelled = params.filter(|_| cancels).and_then(|p| inner(Some(p), "requestId"));
        Some(Self { kind, id, method, token, subscription, cancelled })
    }

    /// Whether the message is for the session's own stream rather than for a request that happens to be under way.
    pub(super) fn is_broadcast(&self) -> bool {
        let method = self.method.as_deref().unwrap_or_default();
        method.ends_with("/list_changed") || method == "notifications/resources/updated"
    }
}

pub(super) use pdp::json::member;

/// What every modern request says of itself in `params._meta` (MCP 2026-07-28, basic).
const REQUIRED: [&str; 2] = ["io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"];
/// JSON-RPC 2.0: invalid params.
const INVALID_PARAMS: i64 = -32602;

/// Whether a request says of itself what a modern one must.
pub(super) fn is_complete(request: &str) -> bool {
    let meta = member(request, "params").and_then(|params| member(params, "_meta"));
    meta.is_some_and(|meta| REQUIRED.iter().all(|name| member(meta, name).is_some()))
}

/// The HTTP status of a modern server's answer. Standard streams carry none, so it is read out of the error as the
/// specification pairs the two; an incomplete request (see [`is_complete`]) that the server refused is a bad one.
pub(super) fn modern_status(answer: &str, complete: bool) -> u16 {
    let code = member(answer, "error").and_then(|error| member(error, "code")).and_then(|raw| raw.parse().ok());
    match code {
        None => 200,
        Some(INVALID_PARAMS) if !complete => 400,
        Some(code) => modern_http_status(code).unwrap_or(200),
    }
}

/// Whether an error is one that only a modern server gives (MCP 2026-07-28: header mismatch, missing capability,
/// unsupported version).
pub(super) fn is_modern_error(error: &str) -> bool {
    member(error, "code").is_some_and(|code| ["-32020", "-32021", "-32022"].contains(&code))
}

/// The text with the member at a path of names set; the text itself where the path is not there.
pub(super) fn with_path(text: &str, path: &[&str], value: &str) -> String {
    let Some((name, rest)) = path.split_first() else { return value.to_owned() };
    let Some(current) = member(text, name) else { return text.to_owned() };
    let inner = with_path(current, rest, value);
    json::with_member(text, name, &inner).unwrap_or_else(|_| text.to_owned())
}

/// A server's message with the id and the progress token its caller knows, where the server was given others. `cancels`
/// says that it is the end of the caller's own request, by the server's word.
pub(super) fn restored(text: &str, outer_id: Option<&str>, token: Option<&(String, String)>, cancels: bool) -> String {
    let Some(outer) = outer_id else { return text.to_owned() };
    let has_method = member(text, "method").is_some();
    let text = if has_method { text.to_owned() } else { with_path(text, &["id"], outer) };
    let text = match token {
        Some((_, token)) => with_path(&text, &["params", "progressToken"], token),
        None => text,
    };
    let text = with_path_if_there(&text, &["params", "_meta", SUBSCRIPTION], outer);
    let text = if cancels { with_path(&text, &["params", "requestId"], outer) } else { text };
    with_path_if_there(&text, &["result", "_meta", SUBSCRIPTION], outer)
}

fn with_path_if_there(text: &str, path: &[&str], value: &str) -> String {
    let mut current = text;
    for name in path {
        match member(current, name) {
            Some(inner) => current = inner,
            None => return text.to_owned(),
        }
    }
    with_path(text, path, value)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_message_is_outlined() {
        let one = Outline::of(
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"a","progress":1}}"#,
        )
        .unwrap();
        assert_eq!((one.kind, one.token.as_deref()), (FrameKind::Notification, Some("\"a\"")));
        let two =
            Outline::of(r#"{"jsonrpc":"2.0","id":7,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":3}}}"#)
                .unwrap();
        assert_eq!(
            (two.kind, two.id.as_deref(), two.subscription.as_deref()),
            (FrameKind::Response, Some("7"), Some("3"))
        );
        assert_eq!(Outline::of("npm warn deprecated"), None);
        assert_eq!(Outline::of("{\"level\":\"info\"}"), None);
    }

    #[test]
    fn an_answer_without_a_status_gets_the_one_its_error_names() {
        let error = |code: i64| format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":""}}}}"#);
        for (code, complete, want) in [
            (-32601, true, 404),
            (-32020, true, 400),
            (-32021, true, 400),
            (-32022, true, 400),
            (-32602, true, 200),
            (-32602, false, 400),
            (-32603, true, 200),
        ] {
            assert_eq!(modern_status(&error(code), complete), want, "{code}");
        }
        assert_eq!(modern_status(r#"{"jsonrpc":"2.0","id":1,"result":{"error":{"code":-32601}}}"#, true), 200);
        let meta = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        assert!(!is_complete(&format!(r#"{{"params":{{"_meta":{{{meta}}}}}}}"#)));
        let meta = format!(r#"{meta},"io.modelcontextprotocol/clientCapabilities":{{}}"#);
        assert!(is_complete(&format!(r#"{{"params":{{"_meta":{{{meta}}}}}}}"#)));
    }

    #[test]
    fn ids_are_changed_in_place() {
        let text = r#"{"id":"x","params":{"_meta":{"progressToken":1,"y":1.0}}}"#;
        assert_eq!(with_path(text, &["id"], "9"), text.replace("\"x\"", "9"));
        assert_eq!(with_path(text, &["params", "_meta", "progressToken"], "9"), text.replace(":1,", ":9,"));
        assert_eq!(with_path(text, &["params", "nothing"], "9"), text);
    }
}
