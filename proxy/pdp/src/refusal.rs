//! Every way a frame can be refused: a stable code, a sentence, whose fault it is, whether to try again.
//!
//! A refusal tells the client what happened and what it can do; it never says which rule would have let it by. The
//! record says everything.

use serde::{Deserialize, Serialize};

/// Whose doing a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The sender broke a rule of the protocol or of its session.
    Client,
    /// Policy, registry or a stop condition said no.
    Policy,
    /// The server could not be reached, failed, or broke the protocol.
    Upstream,
    /// The gate itself cannot serve now.
    Gate,
}

/// Why a frame goes no further. The order is that of the stages that raise them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No such path.
    NoRoute,
    /// The HTTP method is not served here.
    VerbNotAllowed,
    /// `Host` is not one of ours: DNS rebinding.
    HostRefused,
    /// `Origin` is not allowed (MCP 2025-11-25 transports: 403).
    OriginRefused,
    /// No valid credential.
    Unauthenticated,
    /// Too many failed credentials from one address.
    TooManyFailures,
    /// The request's head is larger than the limit.
    HeadTooLarge,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body is not `application/json`.
    MediaType,
    /// The client accepts neither JSON nor an event stream.
    NotAcceptable,
    /// The body could not be read to its end.
    BodyUnreadable,
    /// Not UTF-8 or not JSON.
    NotJson,
    /// A member stands twice in one object.
    DuplicateMember,
    /// Nested too deeply.
    TooDeep,
    /// A JSON-RPC batch: removed in 2025-06-18, and each part would need a verdict of its own.
    Batch,
    /// Not a JSON-RPC 2.0 request, notification or response.
    NotJsonRpc,
    /// A header and the body disagree (MCP 2026-07-28).
    HeaderMismatch,
    /// The session header is missing where the session needs one.
    SessionMissing,
    /// The session is unknown, ended, or another principal's.
    SessionUnknown,
    /// The task token was not made here, is another agent's, or differs from another that came with it.
    TokenRefused,
    /// Too many calls at once.
    Busy,
    /// The registry has no such server.
    UnknownServer,
    /// The registry does not open this method.
    MethodClosed,
    /// The registry has no such tool, or it is withheld: to the client the two are one.
    UnknownTool,
    /// The live definition is not the reviewed one.
    DefinitionChanged,
    /// The live definition could not be learnt.
    DefinitionUnknown,
    /// The parameters do not fit the method.
    BadParameters,
    /// The arguments do not fit the reviewed schema.
    BadArguments,
    /// Policy denies.
    Denied,
    /// Policy asks for an approval that nobody can give.
    ApprovalUnavailable,
    /// Policy asks for an approval, and nobody has decided yet: the same call, made again, finds the decision.
    ApprovalPending,
    /// Too many calls wait for people.
    ApprovalsFull,
    /// The halt switch is on.
    Halted,
    /// The task is over.
    TaskOver,
    /// What the call touches lies outside its task's scope.
    OutOfScope,
    /// A limit of the caller or of the server is reached.
    LimitReached,
    /// This call was made before, under the same key or with a result that is withheld: it is not made again.
    Repeated,
    /// What the call would do could not be found out beforehand, so it was not made.
    PreviewFailed,
    /// The credential for the server cannot be had.
    CredentialUnavailable,
    /// The ledger cannot take the record.
    LedgerUnavailable,
    /// The server cannot be reached, and the call was certainly not made.
    Unreachable,
    /// The server did not answer in time; whether the call had an effect is unknown.
    TimedOut,
    /// The server's answer was lost or cannot be understood; whether the call had an effect is unknown.
    AnswerLost,
    /// The server's result does not fit the reviewed output schema and is withheld; the call may have had its effect.
    Quarantined,
    /// The result was not as it must be, and the call was undone.
    RolledBack,
    /// The result was not as it must be, and whether the call was undone is unknown.
    RollbackFailed,
    /// The entry of a memory has expired or is another's, and is not delivered or changed.
    EntryWithheld,
    /// The server broke the protocol in a frame of its own.
    BrokenFrame,
    /// The client cancelled the call while it was under way.
    Cancelled,
}

/// One line of the table.
struct Line {
    name: &'static str,
    http: u16,
    rpc: i64,
    source: Source,
    again: bool,
}

const fn line(name: &'static str, http: u16, rpc: i64, source: Source, again: bool) -> Line {
    Line { name, http, rpc, source, again }
}

impl Code {
    /// Every code, for coverage.
    pub const ALL: [Self; 49] = [
        Self::NoRoute,
        Self::VerbNotAllowed,
        Self::HostRefused,
        Self::OriginRefused,
        Self::Unauthenticated,
        Self::TooManyFailures,
        Self::HeadTooLarge,
        Self::BodyTooLarge,
        Self::MediaType,
        Self::NotAcceptable,
        Self::BodyUnreadable,
        Self::NotJson,
        Self::DuplicateMember,
        Self::TooDeep,
        Self::Batch,
        Self::NotJsonRpc,
        Self::HeaderMismatch,
        Self::SessionMissing,
        Self::SessionUnknown,
        Self::TokenRefused,
        Self::Busy,
        Self::UnknownServer,
        Self::MethodClosed,
        Self::UnknownTool,
        Self::DefinitionChanged,
        Self::DefinitionUnknown,
        Self::BadParameters,
        Self::BadArguments,
        Self::Denied,
        Self::ApprovalUnavailable,
        Self::ApprovalPending,
        Self::ApprovalsFull,
        Self::Halted,
        Self::TaskOver,
        Self::OutOfScope,
        Self::LimitReached,
        Self::Repeated,
        Self::PreviewFailed,
        Self::CredentialUnavailable,
        Self::LedgerUnavailable,
        Self::Unreachable,
        Self::TimedOut,
        Self::AnswerLost,
        Self::Quarantined,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::EntryWithheld,
        Self::BrokenFrame,
        Self::Cancelled,
    ];

    /// The table. JSON-RPC codes: those of JSON-RPC 2.0 and MCP where they name the fault, otherwise our own, which lie
    /// outside -32768..-32000 as MCP 2026-07-28 asks. HTTP 200 is used where the request was well-formed JSON-RPC:
    /// clients take other statuses for a broken transport.
    fn line(self) -> Line {
        use Source::{Client, Gate, Policy, Upstream};
        match self {
            Self::NoRoute => line("no_route", 404, -32600, Client, false),
            Self::VerbNotAllowed => line("verb_not_allowed", 405, -32600, Client, false),
            Self::HostRefused => line("host_refused", 403, -32600, Client, false),
            Self::OriginRefused => line("origin_refused", 403, -32600, Client, false),
            Self::Unauthenticated => line("unauthenticated", 401, 40100, Client, false),
            Self::TooManyFailures => line("too_many_failures", 429, 42900, Client, true),
            Self::HeadTooLarge => line("head_too_large", 431, -32600, Client, false),
            Self::BodyTooLarge => line("body_too_large", 413, -32600, Client, false),
            Self::MediaType => line("media_type", 415, -32600, Client, false),
            Self::NotAcceptable => line("not_acceptable", 406, -32600, Client, false),
            Self::BodyUnreadable => line("body_unreadable", 400, -32700, Client, true),
            Self::NotJson => line("not_json", 400, -32700, Client, false),
            Self::DuplicateMember => line("duplicate_member", 400, -32600, Client, false),
            Self::TooDeep => line("too_deep", 400, -32600, Client, false),
            Self::Batch => line("batch", 400, -32600, Client, false),
            Self::NotJsonRpc => line("not_json_rpc", 400, -32600, Client, false),
            Self::HeaderMismatch => line("header_mismatch", 400, -32020, Client, false),
            Self::SessionMissing => line("session_missing", 400, -32600, Client, false),
            Self::SessionUnknown => line("session_unknown", 404, -32600, Client, false),
            Self::TokenRefused => line("token_refused", 403, 40305, Client, false),
            Self::Busy => line("busy", 200, 42901, Gate, true),
            Self::UnknownServer => line("unknown_server", 404, -32600, Client, false),
            Self::MethodClosed => line("method_closed", 200, -32601, Policy, false),
            Self::UnknownTool => line("unknown_tool", 200, -32602, Policy, false),
            Self::DefinitionChanged => line("definition_changed", 200, -32602, Policy, false),
            Self::DefinitionUnknown => line("definition_unknown", 200, 50201, Upstream, true),
            Self::BadParameters => line("bad_parameters", 200, -32602, Client, false),
            Self::BadArguments => line("bad_arguments", 200, -32602, Client, false),
            Self::Denied => line("denied", 200, 40300, Policy, false),
            Self::ApprovalUnavailable => line("approval_unavailable", 200, 40301, Policy, false),
            Self::ApprovalPending => line("approval_pending", 200, 40306, Policy, true),
            Self::ApprovalsFull => line("approvals_full", 200, 42903, Policy, true),
            Self::Halted => line("halted", 200, 40302, Policy, true),
            Self::TaskOver => line("task_over", 200, 40303, Policy, false),
            Self::OutOfScope => line("out_of_scope", 200, 40304, Policy, false),
            Self::LimitReached => line("limit_reached", 200, 42902, Policy, true),
            Self::Repeated => line("repeated", 200, 40901, Policy, false),
            Self::PreviewFailed => line("preview_failed", 200, 50206, Upstream, true),
            Self::CredentialUnavailable => line("credential_unavailable", 200, 50001, Gate, true),
            Self::LedgerUnavailable => line("ledger_unavailable", 503, 50301, Gate, true),
            Self::Unreachable => line("unreachable", 200, 50202, Upstream, true),
            Self::TimedOut => line("timed_out", 200, 50401, Upstream, false),
            Self::AnswerLost => line("answer_lost", 200, 50203, Upstream, false),
            Self::Quarantined => line("quarantined", 200, 50205, Upstream, false),
            Self::RolledBack => line("rolled_back", 200, 50207, Upstream, false),
            Self::RollbackFailed => line("rollback_failed", 200, 50208, Upstream, false),
            Self::EntryWithheld => line("entry_withheld", 200, 41000, Policy, false),
            Self::BrokenFrame => line("broken_frame", 200, 50204, Upstream, false),
            Self::Cancelled => line("cancelled", 200, 49900, Client, false),
        }
    }

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.line().name
    }

    /// The HTTP status of the refusal.
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.line().http
    }

    /// The JSON-RPC error code of the refusal.
    #[must_use]
    pub fn rpc_code(self) -> i64 {
        self.line().rpc
    }

    /// Whose doing it is.
    #[must_use]
    pub fn source(self) -> Source {
        self.line().source
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub fn may_retry(self) -> bool {
        self.line().again
    }
}

/// The HTTP status of a JSON-RPC error where MCP 2026-07-28 names one (transports, streamable HTTP). Earlier revisions
/// name none, and their clients take other statuses than 200 for a broken transport.
#[must_use]
pub fn modern_http_status(rpc_code: i64) -> Option<u16> {
    match rpc_code {
        // Method not found.
        -32601 => Some(404),
        // Unsupported protocol version, missing client capability, header mismatch.
        -32022..=-32020 => Some(400),
        _ => None,
    }
}

/// A refusal: the code and a sentence for the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, schemars::JsonSchema)]
#[error("{message}")]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// The sentence: what was wrong, where, what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_own_codes_keep_out_of_the_reserved_range() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let rpc = code.rpc_code();
            let standard = [-32700, -32600, -32601, -32602, -32020].contains(&rpc);
            assert!(standard || !(-32768..=-32000).contains(&rpc), "{}", code.name());
        }
    }
}
