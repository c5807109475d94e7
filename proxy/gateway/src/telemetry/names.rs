//! The names on our spans.
//!
//! The MCP and GenAI names are those of the repository `open-telemetry/semantic-conventions-genai` (`docs/gen-ai/mcp.md`),
//! stability Development. They are written out here because the constants crate marks its copies deprecated since
//! semantic conventions 1.42. Whatever the conventions have no name for is in our own namespace, `wicketgate.*`.
//!
//! `mcp.session.id` is missing on purpose: a session id lets its holder speak in that session, so the record keeps only
//! its digest and the span says [`SESSION`] instead.

/// The method of a request or notification, as it stands on the wire.
pub const MCP_METHOD: &str = "mcp.method.name";
/// The protocol revision in force.
pub const MCP_PROTOCOL: &str = "mcp.protocol.version";
/// The resource of a resource request. Never in a span's name: too many values.
pub const MCP_RESOURCE: &str = "mcp.resource.uri";
/// What a GenAI system does; only on `tools/call`, where it is [`EXECUTE_TOOL`].
pub const GENAI_OPERATION: &str = "gen_ai.operation.name";
/// The one value of [`GENAI_OPERATION`] that the gate uses.
pub const EXECUTE_TOOL: &str = "execute_tool";
/// The tool that is called.
pub const GENAI_TOOL: &str = "gen_ai.tool.name";
/// The prompt that is asked for.
pub const GENAI_PROMPT: &str = "gen_ai.prompt.name";
/// The arguments of a tool call, as JSON text. Opt-in: sensitive.
pub const GENAI_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
/// The JSON-RPC id, as text; absent for notifications.
pub const RPC_ID: &str = "jsonrpc.request.id";
/// The JSON-RPC error code, as text.
pub const RPC_STATUS: &str = "rpc.response.status_code";
/// What class of error it was: a JSON-RPC code, [`TOOL_ERROR`], [`TIMEOUT`], or a word of ours.
pub const ERROR_TYPE: &str = "error.type";
/// The [`ERROR_TYPE`] of a tool result with `isError`.
pub const TOOL_ERROR: &str = "tool_error";
/// The [`ERROR_TYPE`] of a call that was not answered in time.
pub const TIMEOUT: &str = "timeout";
/// The word of the conventions for "none of the known values".
pub const OTHER: &str = "_OTHER";
/// How bytes travel: [`PIPE`] or [`TCP`].
pub const TRANSPORT: &str = "network.transport";
/// Standard streams.
pub const PIPE: &str = "pipe";
/// HTTP.
pub const TCP: &str = "tcp";
/// The host of the upstream, on CLIENT spans.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port of the upstream, on CLIENT spans.
pub const SERVER_PORT: &str = "server.port";
/// The address of the caller, on SERVER spans.
pub const CLIENT_ADDRESS: &str = "client.address";
/// The port of the caller, on SERVER spans.
pub const CLIENT_PORT: &str = "client.port";
/// The HTTP status an upstream answered with.
pub const HTTP_STATUS: &str = "http.response.status_code";
/// The name of this service, on the resource.
pub const SERVICE_NAME: &str = "service.name";
/// The version of this service, on the resource.
pub const SERVICE_VERSION: &str = "service.version";
/// This process among others of the service, on the resource. Jaeger's store tells processes apart by it.
pub const SERVICE_INSTANCE: &str = "service.instance.id";

/// `allow`, `escalate` or `deny`.
pub const DECISION: &str = "wicketgate.decision";
/// The ids of the policies that determined the decision.
pub const RULES: &str = "wicketgate.rules";
/// Why, in the words of the policies' authors, or one word of ours. Never an argument's value.
pub const REASON: &str = "wicketgate.reason";
/// The grants that the call held, or lacked.
pub const GRANTS: &str = "wicketgate.grants";
/// What a call heard that asked people: `granted`, `refused`, `pending`, `expired` and so on; on the approval stage's span.
pub const APPROVAL_OUTCOME: &str = "wicketgate.approval.outcome";
/// The requests to people that the call waited for.
pub const APPROVAL_ID: &str = "wicketgate.approval.id";
/// The grants that people were asked for.
pub const APPROVAL_ASKED: &str = "wicketgate.approval.asked";
/// The keys of those who gave them.
pub const APPROVAL_BY: &str = "wicketgate.approval.by";
/// How long the call waited for people, in microseconds.
pub const APPROVAL_WAITED: &str = "wicketgate.approval.waited_us";
/// The task's labels when the call was judged.
pub const LABELS_BEFORE: &str = "wicketgate.labels.before";
/// The labels that the answer carries.
pub const LABELS_RESULT: &str = "wicketgate.labels.result";
/// The digest of the snapshot that judged.
pub const SNAPSHOT: &str = "wicketgate.snapshot";
/// The record's number in the ledger.
pub const RECORD: &str = "wicketgate.record";
/// The task.
pub const TASK: &str = "wicketgate.task";
/// How the frame's life ended.
pub const ENDING: &str = "wicketgate.ending";
/// The stable name of the refusal.
pub const REFUSAL: &str = "wicketgate.refusal";
/// The caller, as `tenant/agent`.
pub const PRINCIPAL: &str = "wicketgate.principal";
/// The effects of the tool, as reviewed.
pub const EFFECTS: &str = "wicketgate.effects";
/// How the effect ended: `denied`, `committed`, `rolled_back`, `quarantined` or `indeterminate`.
pub const EFFECT_STATE: &str = "wicketgate.effect.state";
/// For a call of the gate's own: `preview` or `rollback`.
pub const ERRAND: &str = "wicketgate.errand";
/// The number of the record it was made for.
pub const ERRAND_OF: &str = "wicketgate.errand.of";
/// The digest of the canonical arguments.
pub const ARGUMENTS_DIGEST: &str = "wicketgate.arguments.digest";
/// The digest of the session's id.
pub const SESSION: &str = "wicketgate.session";
/// The server, by its name in the registry.
pub const SERVER: &str = "wicketgate.server";
/// The downstream system, by its name in the registry.
pub const SYSTEM: &str = "wicketgate.system";
/// The program of an upstream that is a child process.
pub const PROGRAM: &str = "wicketgate.program";
/// The credential that was lent, by reference.
pub const CREDENTIAL: &str = "wicketgate.credential";
/// The name of a span event for a note of the record.
pub const NOTE: &str = "wicketgate.note";
/// The text of such a note.
pub const NOTE_TEXT: &str = "wicketgate.note.text";
