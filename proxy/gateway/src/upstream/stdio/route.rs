//! Which waiting caller a child's message belongs to. Pure: state in, verdict out.
//!
//! Standard streams carry no hint but the message itself: an answer has its request's id, progress its token, a
//! subscription's notification its listen id. Everything else goes to a request under way or to the session's own stream.

use pdp::json;
use pdp::record::FrameKind;

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
pub(super) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

impl Outline {
    /// Reads a message; nothing where it is not JSON-RPC.
    pub(super) fn of(text: &str) -> Option<Self> {
        let members = json::members(text).ok()?;
        let raw = |name: &str| members.iter().find(|(n, _)| n == name).map(|(_, v)| v.get());
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

/// Whether an error tells of a modern server (MCP 2026-07-28: header mismatch, missing capability, unsupported version).
pub(super) fn is_modern_error(error: &str) -> bool {
    member(error, "code").is_some_and(|code| ["-32020", "-32021", "-32022"].contains(&code))
}

/// One member of an object, as JSON text.
pub(super) fn member<'t>(object: &'t str, name: &str) -> Option<&'t str> {
    json::members(object).ok()?.into_iter().find(|(n, _)| n == name).map(|(_, v)| v.get())
}

/// The text with the member at a path of names set; the text itself where the path is not there.
pub(super) fn with_path(text: &str, path: &[&str], value: &str) -> String {
    let Some((name, rest)) = path.split_first() else { return value.to_owned() };
    let Some(current) = member(text, name) else { return text.to_owned() };
    let inner = with_path(current, rest, value);
    json::with_member(text, name, &inner).unwrap_or_else(|_| text.to_owned())
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
    fn ids_are_changed_in_place() {
        let text = r#"{"id":"x","params":{"_meta":{"progressToken":1,"y":1.0}}}"#;
        assert_eq!(with_path(text, &["id"], "9"), text.replace("\"x\"", "9"));
        assert_eq!(with_path(text, &["params", "_meta", "progressToken"], "9"), text.replace(":1,", ":9,"));
        assert_eq!(with_path(text, &["params", "nothing"], "9"), text);
    }
}
