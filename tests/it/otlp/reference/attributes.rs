//! What each span says, as a list of the SDK's attributes.

use std::net::{IpAddr, SocketAddr};

use gateway::telemetry::names;
use gateway::telemetry::project::Options;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use pdp::decision::{Decision, Reason};
use pdp::label::LabelSet;
use pdp::record::{Attempt, DecisionNote, Direction, FrameKind, Record};

/// A list of attributes whose texts are never longer than the options allow.
pub(super) struct Attributes {
    list: Vec<KeyValue>,
    chars_max: usize,
}

impl Attributes {
    pub(super) fn new(options: &Options) -> Self {
        Self { list: Vec::with_capacity(24), chars_max: options.value_chars_max }
    }

    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.list.push(KeyValue::new(key, shortened(value, self.chars_max)));
    }

    fn maybe(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(super) fn number(&mut self, key: &'static str, value: u64) {
        self.list.push(KeyValue::new(key, i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn texts<'a>(&mut self, key: &'static str, values: impl Iterator<Item = &'a str>) {
        let values: Vec<StringValue> = values.map(|v| shortened(v, self.chars_max).into()).collect();
        if !values.is_empty() {
            self.list.push(KeyValue::new(key, Value::Array(Array::String(values))));
        }
    }

    fn labels(&mut self, key: &'static str, labels: &LabelSet) {
        self.texts(key, labels.iter().map(pdp::label::Label::as_str));
    }

    pub(super) fn done(self) -> Vec<KeyValue> {
        self.list
    }
}

/// The first characters of a text, at most so many.
pub(super) fn shortened(text: &str, chars_max: usize) -> String {
    // A text has at most as many characters as bytes.
    if text.len() <= chars_max { text.to_owned() } else { text.chars().take(chars_max).collect() }
}

/// What the frame's own span says.
pub(super) fn of_frame(record: &Record, options: &Options) -> Attributes {
    let mut a = Attributes::new(options);
    of_message(&mut a, record);
    of_caller(&mut a, record);
    a.maybe(names::SESSION, record.session.as_deref());
    a.maybe(names::SYSTEM, record.system.as_deref());
    a.text(names::SNAPSHOT, &record.snapshot.to_string());
    a.texts(names::EFFECTS, record.effects.iter().map(|e| e.name()));
    if let Some(digest) = &record.arguments_digest {
        a.text(names::ARGUMENTS_DIGEST, &digest.to_string());
    }
    if let (true, true, Some(arguments)) = (options.arguments, is_tool_call(record), &record.arguments) {
        a.text(names::GENAI_ARGUMENTS, arguments.text());
    }
    if let Some(note) = &record.decision {
        of_decision(&mut a, note);
    }
    a.labels(names::LABELS_RESULT, &record.labels);
    a.maybe(names::EFFECT_STATE, record.effect.as_ref().map(|effect| effect.state.word()));
    if let Some(errand) = &record.errand {
        a.text(names::ERRAND, errand.what.word());
        a.number(names::ERRAND_OF, errand.of);
    }
    a.text(names::ENDING, record.ending.word());
    a.maybe(names::REFUSAL, record.refusal.as_ref().map(|r| r.code.name()));
    a
}

/// What the span of one attempt at the upstream says.
pub(super) fn of_attempt(record: &Record, attempt: &Attempt, options: &Options) -> Attributes {
    let mut a = Attributes::new(options);
    of_message(&mut a, record);
    match record.transport.as_deref() {
        Some("stdio") => {
            a.text(names::TRANSPORT, names::PIPE);
            a.text(names::PROGRAM, &attempt.address);
        }
        Some("http") => {
            a.text(names::TRANSPORT, names::TCP);
            of_address(&mut a, &attempt.address, (names::SERVER_ADDRESS, names::SERVER_PORT));
        }
        // A built-in server is in this process: nothing travels.
        Some(_) | None => {}
    }
    if let Some(status) = attempt.status {
        a.number(names::HTTP_STATUS, u64::from(status));
    }
    a
}

/// What the span of one stage says.
pub(super) fn of_stage(record: &Record, stage: &str, options: &Options) -> Attributes {
    let mut a = Attributes::new(options);
    of_record(&mut a, record);
    match (stage, &record.decision) {
        ("policy", Some(note)) => {
            a.text(names::SNAPSHOT, &record.snapshot.to_string());
            of_decision(&mut a, note);
        }
        ("approval", Some(note)) => {
            a.texts(names::GRANTS, note.grants.iter().map(String::as_str));
            if let Some(last) = record.approvals.last() {
                a.text(names::APPROVAL_OUTCOME, last.outcome.word());
                a.texts(names::APPROVAL_ID, record.approvals.iter().filter_map(|asked| asked.id.as_deref()));
                a.texts(names::APPROVAL_ASKED, last.grants.iter().map(String::as_str));
                a.texts(names::APPROVAL_BY, last.by.iter().map(String::as_str));
                a.number(names::APPROVAL_WAITED, record.approvals.iter().map(|asked| asked.took_us).sum());
            }
        }
        ("credential", _) => a.maybe(names::CREDENTIAL, record.credential.as_deref()),
        _ => {}
    }
    a
}

/// What the span of a whole task says.
pub(super) fn of_task(record: &Record, options: &Options) -> Vec<KeyValue> {
    let mut a = Attributes::new(options);
    a.text(names::TASK, &record.task);
    a.maybe(names::PRINCIPAL, record.principal.as_ref().map(|p| p.key()).as_deref());
    a.done()
}

/// Where it stands in the ledger.
fn of_record(a: &mut Attributes, record: &Record) {
    a.number(names::RECORD, record.number);
    a.text(names::TASK, &record.task);
}

/// What the MCP message is: the same on both sides of the gate, because the gate forwards what it received.
fn of_message(a: &mut Attributes, record: &Record) {
    of_record(a, record);
    a.text(names::SERVER, &record.server);
    a.maybe(names::MCP_PROTOCOL, record.protocol.as_deref());
    let Some(method) = mcp_method(record) else { return };
    a.text(names::MCP_METHOD, method);
    let target = record.target.as_deref();
    match method {
        "tools/call" => {
            a.text(names::GENAI_OPERATION, names::EXECUTE_TOOL);
            a.maybe(names::GENAI_TOOL, target);
        }
        "prompts/get" => a.maybe(names::GENAI_PROMPT, target),
        // Conditionally required on resource requests, whose target is the URI.
        _ if method.contains("resources/") => {
            if let Some(uri) = target {
                a.text(names::MCP_RESOURCE, &without_password(uri));
            }
        }
        _ => {}
    }
    if let (FrameKind::Request, Some(id)) = (record.kind, &record.request_id) {
        a.maybe(names::RPC_ID, id_text(id).as_deref());
    }
}

/// Who asked, and over what.
fn of_caller(a: &mut Attributes, record: &Record) {
    a.maybe(names::PRINCIPAL, record.principal.as_ref().map(|p| p.key()).as_deref());
    a.text(names::TRANSPORT, if record.client.is_some() { names::TCP } else { names::PIPE });
    // `client.*` belongs to SERVER spans. Towards the client the gate is the calling side, and the agent's address
    // is not one that the gate dialled.
    if let (Direction::ToServer, Some(client)) = (record.direction, &record.client) {
        of_address(a, client, (names::CLIENT_ADDRESS, names::CLIENT_PORT));
    }
}

fn of_decision(a: &mut Attributes, note: &DecisionNote) {
    a.text(names::DECISION, note.decision.word());
    a.texts(names::RULES, note.rules.iter().map(|r| r.id.as_str()));
    a.maybe(names::REASON, reason(note).as_deref());
    a.labels(names::LABELS_BEFORE, &note.labels);
    match &note.decision {
        Decision::Escalate(lacking) => a.texts(names::GRANTS, lacking.iter().map(String::as_str)),
        Decision::Allow(_) | Decision::Deny(_) => a.texts(names::GRANTS, note.grants.iter().map(String::as_str)),
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
fn id_text(written: &str) -> Option<String> {
    match serde_json::from_str(written) {
        Ok(serde_json::Value::String(text)) => Some(text),
        Ok(serde_json::Value::Null) => None,
        // Not parsed into a number and printed again: that could change it.
        Ok(_) | Err(_) => Some(written.to_owned()),
    }
}

/// A URI without the user and password it may contain.
fn without_password(uri: &str) -> String {
    match url::Url::parse(uri) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // Neither fails on a URL that has a user or a password already.
            let stripped = url.set_username("").and_then(|()| url.set_password(None));
            if stripped.is_ok() { url.into() } else { names::OTHER.to_owned() }
        }
        Ok(_) | Err(_) => uri.to_owned(),
    }
}

/// A host and port under two names; only the host where there is no port.
fn of_address(a: &mut Attributes, address: &str, (host_name, port_name): (&'static str, &'static str)) {
    let (host, port) = host_and_port(address);
    a.text(host_name, &host);
    if let Some(port) = port {
        a.number(port_name, u64::from(port));
    }
}

fn host_and_port(address: &str) -> (String, Option<u16>) {
    if let Ok(socket) = address.parse::<SocketAddr>() {
        return (socket.ip().to_string(), Some(socket.port()));
    }
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    if bare.parse::<IpAddr>().is_ok() {
        return (bare.to_owned(), None);
    }
    match address.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host.to_owned(), Some(port)),
        Some((_, Err(_))) | None => (address.to_owned(), None),
    }
}
