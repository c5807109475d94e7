//! The office's nine tools: their names, descriptions, schemas and hints, each handing its arguments to the desk.
//!
//! Part of the demo office. The definitions are pinned by digest in `registry/servers/office.toml`; a change to any text or
//! type here changes a pin, and `office::tests` then says to scan again.

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::schemars::JsonSchema;
use rmcp::{tool, tool_router};
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::Office;

/// The arguments of a tool that takes none; an argument given all the same is refused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct NoArguments {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct MailRead {
    /// The id of the mail, as mail_list shows it, for example "m-101".
    #[schemars(length(min = 1, max = 200))]
    id: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct MailSend {
    /// The one mail address to send to.
    #[schemars(length(min = 3, max = 200))]
    to: String,
    /// The subject, one line.
    #[schemars(length(min = 1, max = 200))]
    subject: String,
    /// The text of the mail.
    #[schemars(length(max = 65536))]
    body: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct FilesList {
    /// The folder to list: "/notes", "/finance" or "/shared". All files when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 200))]
    path: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct FilePath {
    /// The full path of the file, for example "/notes/todo.md".
    #[schemars(length(min = 1, max = 200))]
    path: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct FilesWrite {
    /// The full path of the file, for example "/notes/todo.md".
    #[schemars(length(min = 1, max = 200))]
    path: String,
    /// The whole new text of the file.
    #[schemars(length(max = 65536))]
    text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct PaymentsSend {
    /// The name of the one who is paid.
    #[schemars(length(min = 1, max = 200))]
    recipient: String,
    /// The amount in EUR, with at most two decimals.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100_000))]
    amount: Number,
    /// The reference the recipient sees, one line.
    #[schemars(length(min = 1, max = 200))]
    reference: String,
}

#[tool_router(vis = "pub(super)")]
impl Office {
    #[tool(
        title = "List mail",
        description = "Lists the mails in the inbox and those sent: id, date, sender or recipient, subject.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn mail_list(&self, Parameters(NoArguments {}): Parameters<NoArguments>) -> String {
        self.desk().mail_list()
    }

    #[tool(
        title = "Read a mail",
        description = "Returns one mail with its header lines and its whole text, as its sender wrote it.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn mail_read(&self, Parameters(MailRead { id }): Parameters<MailRead>) -> Result<String, String> {
        self.desk().mail_read(&id)
    }

    #[tool(
        title = "Send a mail",
        description = "Sends a mail from the office to one address, inside or outside. It cannot be called back.",
        annotations(read_only_hint = false, destructive_hint = false, idempotent_hint = false, open_world_hint = true)
    )]
    fn mail_send(&self, Parameters(MailSend { to, subject, body }): Parameters<MailSend>) -> Result<String, String> {
        self.desk().mail_send(&to, &subject, &body)
    }

    #[tool(
        title = "List files",
        description = "Lists the files of the office, or of one folder: path and size.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn files_list(&self, Parameters(FilesList { path }): Parameters<FilesList>) -> Result<String, String> {
        self.desk().files_list(path.as_deref())
    }

    #[tool(
        title = "Read a file",
        description = "Returns the text of one file. Files under /finance are private to the office.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn files_read(&self, Parameters(FilePath { path }): Parameters<FilePath>) -> Result<String, String> {
        self.desk().files_read(&path)
    }

    #[tool(
        title = "Write a file",
        description = "Creates a file, or replaces the whole text of one that exists.",
        annotations(read_only_hint = false, destructive_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    fn files_write(
        &self,
        Parameters(FilesWrite { path, text }): Parameters<FilesWrite>,
    ) -> Result<CallToolResult, String> {
        let said = self.desk().files_write(&path, &text)?;
        Ok(with_members(said, json!({ "path": path, "bytes": text.len() })))
    }

    #[tool(
        title = "Delete a file",
        description = "Deletes one file for good.",
        annotations(read_only_hint = false, destructive_hint = true, idempotent_hint = false, open_world_hint = false)
    )]
    fn files_delete(&self, Parameters(FilePath { path }): Parameters<FilePath>) -> Result<String, String> {
        self.desk().files_delete(&path)
    }

    #[tool(
        title = "List payments",
        description = "Lists the payments made: id, date, amount, recipient, reference; and the balance of the account.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn payments_list(&self, Parameters(NoArguments {}): Parameters<NoArguments>) -> CallToolResult {
        let desk = self.desk();
        with_members(desk.payments_list(), desk.account())
    }

    #[tool(
        title = "Make a payment",
        description = "Pays an amount in EUR from the office's account to a recipient, at once. It cannot be called back.",
        annotations(read_only_hint = false, destructive_hint = true, idempotent_hint = false, open_world_hint = true)
    )]
    fn payments_send(
        &self,
        Parameters(PaymentsSend { recipient, amount, reference }): Parameters<PaymentsSend>,
    ) -> Result<CallToolResult, String> {
        let mut desk = self.desk();
        let said = desk.payments_send(&recipient, &amount, &reference)?;
        Ok(with_members(said, desk.account()))
    }
}

/// A sentence for people, and beside it what it says as members for programs.
fn with_members(said: String, members: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(said)]);
    result.structured_content = Some(members);
    result
}

impl Office {
    /// The router the macro above makes, built once per server.
    pub(super) fn routes() -> ToolRouter<Self> {
        Self::tool_router()
    }
}
