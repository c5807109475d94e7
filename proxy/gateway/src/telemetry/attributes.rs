//! What each span says: a record's fields as attributes, under the names of [`super::names`].
//!
//! No value of an argument or a result gets past this file unless the options ask for arguments. The texts of a
//! decision that may quote one (an unjudgeable argument, an evaluation fault) are reduced to a word.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use pdp::decision::{Decision, Reason};
use pdp::label::{Label, LabelSet};
use pdp::record::{Attempt, DecisionNote, Direction, FrameKind, Record};

use super::names;
use super::project::Options;
use super::spans::Span;

/// What the frame's own span says.
pub(super) fn of_frame(span: &mut Span<'_>, record: &Record, options: &Options) {
    of_message(span, record);
    of_caller(span, record);
    maybe(span, names::SESSION, record.session.as_deref());
    maybe(span, names::SYSTEM, record.system.as_deref());
    span.shown(names::SNAPSHOT, &record.snapshot);
    span.texts(names::EFFECTS, record.effects.iter().map(|e| e.name()));
    if let Some(digest) = &record.arguments_digest {
        span.shown(names::ARGUMENTS_DIGEST, digest);
    }
    if let (true, true, Some(arguments)) = (options.arguments, is_tool_call(record), &record.arguments) {
        span.text(names::GENAI_ARGUMENTS, arguments.text());
    }
    if let Some(note) = &record.decision {
        of_decision(span, note);
    }
    labels(span, names::LABELS_RESULT, &record.labels);
    if let Some(effect) = &record.effect {
        span.text(names::EFFECT_STATE, effect.state.word());
    }
    if let Some(errand) = &record.errand {
        span.text(names::ERRAND, errand.what.word());
        span.number(names::ERRAND_OF, errand.of);
    }
    span.text(names::ENDING, record.ending.word());
    maybe(span, names::REFUSAL, record.refusal.as_ref().map(|r| r.code.name()));
}

/// What the span of one attempt at the upstream says.
pub(super) fn of_attempt(span: &mut Span<'_>, record: &Record, attempt: &Attempt) {
    of_message(span, record);
    match record.transport.as_deref() {
        Some("stdio") => {
            span.text(names::TRANSPORT, names::PIPE);
            span.text(names::PROGRAM, &attempt.address);
        }
        Some("http") => {
            span.text(names::TRANSPORT, names::TCP);
            of_address(span, &attempt.address, (names::SERVER_ADDRESS, names::SERVER_PORT));
        }
        // A built-in server is in this process: nothing travels.
        Some(_) | None => {}
    }
    if let Some(status) = attempt.status {
        span.number(names::HTTP_STATUS, u64::from(status));
    }
}

/// What the span of one stage says.
pub(super) fn of_stage(span: &mut Span<'_>, record: &Record, stage: &str) {
    of_record(span, record);
    match (stage, &record.decision) {
        ("policy", Some(note)) => {
            span.shown(names::SNAPSHOT, &record.snapshot);
            of_decision(span, note);
        }
        ("approval", Some(note)) => {
            span.texts(names::GRANTS, note.grants.iter().map(String::as_str));
            of_approvals(span, record);
        }
        ("credential", _) => maybe(span, names::CREDENTIAL, record.credential.as_deref()),
        _ => {}
    }
}

/// The questions to people that the approval stage waited for. The last one's end counts.
fn of_approvals(span: &mut Span<'_>, record: &Record) {
    let Some(last) = record.approvals.last() else { return };
    span.text(names::APPROVAL_OUTCOME, last.outcome.word());
    span.texts(names::APPROVAL_ID, record.approvals.iter().filter_map(|asked| asked.id.as_deref()));
    span.texts(names::APPROVAL_ASKED, last.grants.iter().map(String::as_str));
    span.texts(names::APPROVAL_BY, last.by.iter().map(String::as_str));
    span.number(names::APPROVAL_WAITED, record.approvals.iter().map(|asked| asked.took_us).sum());
}

/// What the span of a whole task says.
pub(super) fn of_task(span: &mut Span<'_>, record: &Record) {
    span.text(names::TASK, &record.task);
    of_principal(span, record);
}

fn maybe(span: &mut Span<'_>, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        span.text(key, value);
    }
}

fn labels(span: &mut Span<'_>, key: &str, labels: &LabelSet) {
    span.texts(key, labels.iter().map(Label::as_str));
}

/// Where it stands in the ledger.
fn of_record(span: &mut Span<'_>, record: &Record) {
    span.number(names::RECORD, record.number);
    span.text(names::TASK, &record.task);
}

/// What the MCP message is: the same on both sides of the gate, because the gate forwards what it received.
fn of_message(span: &mut Span<'_>, record: &Record) {
    of_record(span, record);
    span.text(names::SERVER, &record.server);
    maybe(span, names::MCP_PROTOCOL, record.protocol.as_deref());
    let Some(method) = mcp_method(record) else { return };
    span.text(names::MCP_METHOD, method);
    let target = record.target.as_deref();
    match method {
        "tools/call" => {
            span.text(names::GENAI_OPERATION, names::EXECUTE_TOOL);
            maybe(span, names::GENAI_TOOL, target);
        }
        "prompts/get" => maybe(span, names::GENAI_PROMPT, target),
        // Conditionally required on resource requests, whose target is the URI.
        _ if method.contains("resources/") => {
            if let Some(uri) = target {
                span.text(names::MCP_RESOURCE, &without_password(uri));
            }
        }
        _ => {}
    }
    if let (FrameKind::Request, Some(id)) = (record.kind, &record.request_id) {
        maybe(span, names::RPC_ID, id_text(id).as_deref());
    }
}

/// Who asked, and over what.
fn of_caller(span: &mut Span<'_>, record: &Record) {
    of_principal(span, record);
    span.text(names::TRANSPORT, if record.client.is_some() { names::TCP } else { names::PIPE });
    // `client.*` belongs to SERVER spans. Towards the client the gate is the calling side, and the agent's address
    // is not one that the gate dialled.
    if let (Direction::ToServer, Some(client)) = (record.direction, &record.client) {
        of_address(span, client, (names::CLIENT_ADDRESS, names::CLIENT_PORT));
    }
}

fn of_principal(span: &mut Span<'_>, record: &Record) {
    maybe(span, names::PRINCIPAL, record.principal.as_ref().map(|p| p.key()).as_deref());
}

fn of_decision(span: &mut Span<'_>, note: &DecisionNote) {
    span.text(names::DECISION, note.decision.word());
    span.texts(names::RULES, note.rules.iter().map(|r| r.id.as_str()));
    maybe(span, names::REASON, reason(note).as_deref());
    labels(span, names::LABELS_BEFORE, &note.labels);
    match &note.decision {
        Decision::Escalate(lacking) => span.texts(names::GRANTS, lacking.iter().map(String::as_str)),
        Decision::Allow(_) | Decision::Deny(_) => span.texts(names::GRANTS, note.grants.iter().map(String::as_str)),
    }
}

/// Why it was not simply allowed. The sentences inside `Unjudgeable` and `Fault` may quote an argument and stay behind.
fn reason(note: &DecisionNote) -> Option<String> {
    let authors = || {
        let said: Vec<&str> = note.rules.iter().map(|r| r.reason.as_str()).filter(|r| !r.is_empty()).collect();
        said.join("; ")
    };
    let (word, said) = match &note.decision {
        Decision::Allow(_) => return None,
        Decision::Escalate(_) => ("approval_required", authors()),
        Decision::Deny(Reason::Forbidden) => ("forbidden", authors()),
        Decision::Deny(Reason::NoPermit) => ("no_permit", String::new()),
        Decision::Deny(Reason::Unjudgeable(_)) => ("unjudgeable", String::new()),
        Decision::Deny(Reason::Fault(_)) => ("fault", String::new()),
    };
    Some(if said.is_empty() { word.to_owned() } else { said })
}

/// Whether the frame is a call of a tool.
fn is_tool_call(record: &Record) -> bool {
    mcp_method(record) == Some("tools/call")
}

/// The method, where the frame is a message that has one on the wire. Records name the other frames with words of our
/// own (`stream`, `response`), which are no MCP methods.
pub(super) fn mcp_method(record: &Record) -> Option<&str> {
    match record.kind {
        FrameKind::Request | FrameKind::Notification => record.method.as_deref(),
        FrameKind::Response | FrameKind::Stream | FrameKind::EndSession | FrameKind::Unreadable => None,
    }
}

/// A JSON-RPC id in the text form of the conventions: a string without its quotes, a number as written, null not at all.
fn id_text(written: &str) -> Option<Cow<'_, str>> {
    match written.trim_start().bytes().next() {
        // With an escape in it, the text does not stand in what was written.
        Some(b'"') => match serde_json::from_str(written) {
            Ok(text) => Some(Cow::Borrowed(text)),
            Err(_) => Some(serde_json::from_str(written).map_or(Cow::Borrowed(written), Cow::Owned)),
        },
        Some(b'n') if serde_json::from_str::<()>(written).is_ok() => None,
        // Not parsed into a number and printed again: that could change it.
        Some(_) | None => Some(Cow::Borrowed(written)),
    }
}

/// A URI without the user and password it may contain.
fn without_password(uri: &str) -> Cow<'_, str> {
    match url::Url::parse(uri) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // Neither fails on a URL that has a user or a password already.
            let stripped = url.set_username("").and_then(|()| url.set_password(None));
            if stripped.is_ok() { String::from(url).into() } else { names::OTHER.into() }
        }
        Ok(_) | Err(_) => uri.into(),
    }
}

/// A host and port under two names; only the host where there is no port.
fn of_address(span: &mut Span<'_>, address: &str, (host_name, port_name): (&str, &str)) {
    let (host, port) = host_and_port(address);
    span.text(host_name, &host);
    if let Some(port) = port {
        span.number(port_name, u64::from(port));
    }
}

fn host_and_port(address: &str) -> (Cow<'_, str>, Option<u16>) {
    if let Ok(socket @ SocketAddr::V6(_)) = address.parse() {
        return (socket.ip().to_string().into(), Some(socket.port()));
    }
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if bare.parse::<IpAddr>().is_ok() {
        return (bare.into(), None);
    }
    // An IPv4 address has only one spelling, and stands here like any name.
    match address.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host.into(), Some(port)),
        Some((_, Err(_))) | None => (address.into(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_split_into_host_and_port() {
        let of = host_and_port;
        assert_eq!(of("127.0.0.1:8080"), ("127.0.0.1".into(), Some(8080)));
        assert_eq!(of("[::1]:8080"), ("::1".into(), Some(8080)));
        assert_eq!(of("::1"), ("::1".into(), None));
        assert_eq!(of("[::1]"), ("::1".into(), None));
        assert_eq!(of("mail.example:443"), ("mail.example".into(), Some(443)));
        assert_eq!(of("mail.example"), ("mail.example".into(), None));
        assert_eq!(of("odd:port"), ("odd:port".into(), None));
    }

    #[test]
    fn ids_lose_their_quotes_and_nothing_else() {
        assert_eq!(id_text("\"a\\u0062\""), Some("ab".into()));
        assert_eq!(id_text("9007199254740993.0"), Some("9007199254740993.0".into()));
        assert_eq!(id_text("null"), None);
        assert_eq!(id_text(" \"plain\" "), Some("plain".into()));
        assert_eq!(id_text("\"broken"), Some("\"broken".into()));
        assert_eq!(id_text("nul"), Some("nul".into()));
        assert_eq!(id_text(""), Some("".into()));
    }

    #[test]
    fn passwords_do_not_leave_in_resource_uris() {
        assert_eq!(without_password("postgres://bob:hunter2@db/t"), "postgres://db/t");
        assert_eq!(without_password("file:///a b"), "file:///a b");
        assert_eq!(without_password("not a uri"), "not a uri");
    }
}
