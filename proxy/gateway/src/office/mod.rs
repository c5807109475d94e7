//! The demo office: a built-in MCP server with mail, files and payments, reached as `wicketgate office` over stdio.
//!
//! It stands where any upstream server stands, at the far end of the path, so that the gate can be tried with nothing else
//! installed. It speaks both eras of MCP through rmcp. It must not know the gate: no policy, no label, no registry is read
//! here, and the gate treats it like a stranger's server.

mod amount;
mod content;
mod desk;
mod tools;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{
    ErrorData, GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation, ListPromptsResult,
    ListResourcesResult, PaginatedRequestParams, Prompt, PromptMessage, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _, tool_handler};

use self::desk::Desk;

const HANDBOOK_URI: &str = "office://handbook";
const INBOX_PROMPT: &str = "summarise_inbox";

/// Serves the office on this process's stdin and stdout until stdin closes.
///
/// # Errors
/// When the opening of the session fails or the serving task is torn down.
pub async fn serve_stdio() -> anyhow::Result<()> {
    use anyhow::Context as _;
    let running =
        Office::new().serve(rmcp::transport::stdio()).await.context("the office could not open its MCP session")?;
    running.waiting().await.context("the office stopped before its session ended")?;
    Ok(())
}

/// The MCP server over one desk.
#[derive(Debug)]
pub(crate) struct Office {
    desk: Mutex<Desk>,
    tool_router: ToolRouter<Self>,
}

impl Office {
    /// An office in its first state.
    pub(crate) fn new() -> Self {
        Self { desk: Mutex::new(Desk::new()), tool_router: Self::routes() }
    }

    /// The desk. A panic while it was held leaves no half-done act that matters to a demo, so poison is passed over.
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Office {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("wicketgate-office", env!("CARGO_PKG_VERSION")).with_title("Demo office"))
            .with_instructions(
                "A small office with mail, files and payments. You act for Ines Falk. Read the resource office://handbook \
                 before you send, pay, write or delete.",
            )
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let handbook = Resource::new(HANDBOOK_URI, "handbook")
            .with_title("Office handbook")
            .with_description("How this office handles mail, files and payments.")
            .with_mime_type("text/markdown");
        Ok(ListResourcesResult::with_all_items(vec![handbook]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != HANDBOOK_URI {
            return Err(ErrorData::resource_not_found(
                format!("there is no such resource; the one here is {HANDBOOK_URI}"),
                None,
            ));
        }
        let text = ResourceContents::text(content::HANDBOOK, HANDBOOK_URI).with_mime_type("text/markdown");
        Ok(ReadResourceResult::new(vec![text]).into())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = Prompt::new(INBOX_PROMPT, Some("One line per mail: who wrote, what they want, by when."), None)
            .with_title("Summarise the inbox");
        Ok(ListPromptsResult::with_all_items(vec![prompt]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name != INBOX_PROMPT {
            return Err(ErrorData::invalid_params(
                format!("there is no such prompt; the one here is {INBOX_PROMPT}"),
                None,
            ));
        }
        let message = PromptMessage::new_text(Role::User, content::SUMMARISE_INBOX);
        Ok(GetPromptResult::new(vec![message])
            .with_description("One line per mail: who wrote, what they want, by when.")
            .into())
    }
}
