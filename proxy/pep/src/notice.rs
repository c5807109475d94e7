//! Notices of the gate's own: after a review or another change of the registry, what a client was shown is no longer what
//! it would be shown, and it is told so as its server would tell it.
//!
//! A notice is a frame like a server's message: judged, recorded, delivered on a stream that is open for such messages,
//! once to each session and once to each `subscriptions/listen`. A server that never said that its list may change is
//! not made to say so.

use std::collections::HashMap;

use pdp::digest::Digest;
use pdp::record::FrameKind;
use pdp::registry::Server;
use tokio::sync::watch;

use crate::call::Head;
use crate::channel::Channel;
use crate::envelope::member;

/// Where a listen request names what it wants, and its acknowledgement what it gets (MCP 2026-07-28, subscriptions).
const WANTED: &str = "toolsListChanged";

/// What the record says of such a notice.
pub(crate) const RELISTED: &str = "made by the gate: by its registry the tools that may be listed have changed";

/// What one stream is to be told of.
#[derive(Debug)]
pub(crate) struct Notices {
    bulletin: watch::Receiver<u64>,
    of: Of,
}

#[derive(Debug)]
enum Of {
    /// Not such a stream.
    Nothing,
    /// The stream of a session's own messages.
    Session,
    /// One `subscriptions/listen`, by its id: whether the server has agreed, and what was told last.
    Listen { id: String, agreed: bool, told: u64 },
}

impl Notices {
    /// For the stream that this request opened.
    pub(crate) fn of(head: &Head, bulletin: watch::Receiver<u64>) -> Self {
        let wants = || {
            let filter = head.envelope.param(&head.text, "notifications");
            filter.and_then(|filter| member(filter, WANTED)) == Some("true")
        };
        let of = match (head.kind, head.envelope.method.as_deref(), &head.envelope.id) {
            (FrameKind::Stream, _, _) if head.channel.session().is_some() => Of::Session,
            (FrameKind::Request, Some("subscriptions/listen"), Some(id)) if wants() => {
                Of::Listen { id: id.clone(), agreed: false, told: head.channel.relistings() }
            }
            _ => Of::Nothing,
        };
        Self { bulletin, of }
    }

    /// A message of the server's own passed on this stream: it may be the acknowledgement.
    pub(crate) fn heard(&mut self, text: &str) {
        let Of::Listen { agreed, .. } = &mut self.of else { return };
        if member(text, "method") == Some("\"notifications/subscriptions/acknowledged\"") {
            let params = member(text, "params");
            let honoured = params.and_then(|params| member(params, "notifications"));
            *agreed = honoured.and_then(|honoured| member(honoured, WANTED)) == Some("true");
        }
    }

    /// Returns when there is something to tell; never on a stream that is not told of it. What it returns for is told
    /// by the caller: it does not return for it again.
    pub(crate) async fn due(&mut self, channel: &Channel) {
        loop {
            let due = match &mut self.of {
                Of::Nothing => false,
                Of::Session => channel.take_relisting(),
                Of::Listen { agreed: false, .. } => false,
                Of::Listen { told, .. } => std::mem::replace(told, channel.relistings()) != channel.relistings(),
            };
            if due {
                return;
            }
            if self.bulletin.changed().await.is_err() {
                // The gate is closing.
                return std::future::pending().await;
            }
        }
    }

    /// The notice, as this stream's server would send it.
    pub(crate) fn text(&self) -> String {
        let params = match &self.of {
            Of::Nothing | Of::Session => String::new(),
            Of::Listen { id, .. } => {
                format!(",\"params\":{{\"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}}}}")
            }
        };
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"{params}}}")
    }
}

/// Whether a client of this server is shown other tools than before. `listed` is what the server offers, where that is
/// known; else all that is reviewed counts.
pub(crate) fn shows_otherwise(
    listed: Option<&HashMap<String, Digest>>,
    before: Option<&Server>,
    now: Option<&Server>,
) -> bool {
    // What is gone or closed answers nothing, so there is nothing to ask it again.
    let Some(now) = now.filter(|server| server.closed.is_none()) else { return false };
    match listed {
        Some(listed) => listed.iter().any(|(name, digest)| {
            let shown = |server: &Server| server.reviewed(name).is_some_and(|tool| tool.pin == *digest);
            before.is_some_and(shown) != shown(now)
        }),
        None => shown(before) != shown(Some(now)),
    }
}

/// What is shown of a server if it offers what was reviewed.
fn shown(server: Option<&Server>) -> Vec<(&str, Digest)> {
    let tools = server.into_iter().flat_map(|server| server.tools.values());
    tools.filter(|tool| tool.withheld.is_none()).map(|tool| (tool.name.as_str(), tool.pin)).collect()
}
