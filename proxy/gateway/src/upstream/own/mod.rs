//! The gate's own MCP server, `gate`: tools with which an agent says what it is about and asks how it stands.
//!
//! It stands where any upstream server stands, at the far end of the nine stages, but inside the gate: an order to it comes
//! with what it may know of its call ([`pep::Inside`]), which no other server sees. It speaks both eras of MCP through rmcp,
//! one order at a time, and remembers nothing between two. It decides nothing and can change no law, label or limit.

mod answers;
mod fate;
mod tools;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use pdp::record::FrameKind;
use pep::ports::{Clock, Ledger, SendFault};
use pep::{Dispatch, Inside, Outbound, Raw};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{
    ClientJsonRpcMessage, ErrorData, GetExtensions as _, Implementation, JsonRpcMessage, ServerCapabilities,
    ServerConfig, ServerJsonRpcMessage,
};
use rmcp::service::serve_directly_with_ct;
use rmcp::transport::OneshotTransport;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _, tool_handler};
use tokio_util::sync::CancellationToken;

use super::conversation::session_id;
use super::route::{is_complete, modern_status};

/// The way in to the gate's own tools.
#[derive(Debug)]
pub struct OwnServer {
    desk: Arc<Desk>,
}

/// What the tools work with.
#[derive(Debug)]
struct Desk {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    /// Where the ledger lies, for readers.
    ledger_path: PathBuf,
}

impl OwnServer {
    /// The tools over this ledger and clock. Readers open the ledger at `ledger_path`.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, ledger_path: PathBuf) -> Self {
        Self { desk: Arc::new(Desk { ledger, clock, ledger_path }) }
    }

    /// Carries out one order.
    pub(super) async fn send(&self, dispatch: Dispatch) -> Result<Raw, SendFault> {
        let modern = dispatch.is_modern();
        let opens = dispatch.method() == Some("initialize");
        let inside = dispatch.inside().cloned();
        match (dispatch.kind(), dispatch.into_outbound()) {
            (FrameKind::Request, Outbound::Message(text)) => {
                let complete = is_complete(&text);
                let answer = self.answer(&text, inside).await?;
                // A session binds its calls to one task, as everywhere; nothing of it is kept here.
                let headers = if opens { vec![("mcp-session-id".to_owned(), session_id()?)] } else { Vec::new() };
                let status = if modern { modern_status(&answer, complete) } else { 200 };
                Ok(Raw::whole(status, headers, Bytes::from(answer)))
            }
            // There is no stream of messages of its own: it has none to send.
            (FrameKind::Stream, _) => Ok(Raw::whole(405, vec![("allow".to_owned(), "POST".to_owned())], Bytes::new())),
            (FrameKind::EndSession, _) => Ok(Raw::whole(200, Vec::new(), Bytes::new())),
            (
                FrameKind::Request | FrameKind::Notification | FrameKind::Response | FrameKind::Unreadable,
                Outbound::Message(_) | Outbound::Open | Outbound::Close,
            ) => Ok(Raw::whole(202, Vec::new(), Bytes::new())),
        }
    }

    /// One request through rmcp, and its answer's text.
    async fn answer(&self, text: &str, inside: Option<Inside>) -> Result<String, SendFault> {
        let unfit = |why: String| SendFault::Unreachable(format!("the gate's own tools cannot read it: {why}"));
        let mut message: ClientJsonRpcMessage = serde_json::from_str(text).map_err(|e| unfit(e.to_string()))?;
        let JsonRpcMessage::Request(request) = &mut message else {
            return Err(unfit("it is no request".to_owned()));
        };
        if let Some(inside) = inside {
            request.request.extensions_mut().insert(inside);
        }
        let (transport, mut answers) = OneshotTransport::<RoleServer>::new(message);
        let stop = CancellationToken::new();
        let _stopped = stop.clone().drop_guard();
        let service = serve_directly_with_ct(GateTools::over(Some(Arc::clone(&self.desk))), transport, None, stop);
        tokio::spawn(service.waiting());
        loop {
            match answers.recv().await {
                Some(answer @ (ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_))) => {
                    return serde_json::to_string(&answer).map_err(|e| SendFault::Lost(e.to_string()));
                }
                Some(ServerJsonRpcMessage::Request(_) | ServerJsonRpcMessage::Notification(_)) => {}
                None => return Err(SendFault::Lost("the gate's own tools gave no answer".to_owned())),
            }
        }
    }
}

/// Serves the tools' definitions on this process's stdin and stdout, for a scan. A call needs a running gate and is told so.
///
/// # Errors
/// When the opening of the session fails or the serving task is torn down.
pub async fn serve_stdio() -> anyhow::Result<()> {
    use anyhow::Context as _;
    let tools = GateTools::over(None);
    let running = tools.serve(rmcp::transport::stdio()).await.context("the tools could not open their MCP session")?;
    running.waiting().await.context("the tools stopped before their session ended")?;
    Ok(())
}

/// The MCP server.
#[derive(Debug)]
struct GateTools {
    /// Nothing where the definitions alone are wanted.
    desk: Option<Arc<Desk>>,
    tool_router: ToolRouter<Self>,
}

impl GateTools {
    fn over(desk: Option<Arc<Desk>>) -> Self {
        Self { desk, tool_router: Self::routes() }
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for GateTools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("wicketgate", env!("CARGO_PKG_VERSION")).with_title("Wicketgate"))
            .with_instructions(
                "This is the gate your tools are behind. Record what you were asked and your plan before you act, and \
                 revise the plan when it changes. Ask here which tools are open to you, what a label means, and what \
                 became of a call. What you record is kept as your own account and permits nothing.",
            )
    }
}

/// What is answered where there is no call to speak of.
fn outside() -> ErrorData {
    ErrorData::internal_error("this tool speaks of a task: call it at a running gate, on `/gate/mcp`", None)
}
