//! Classify: what is being asked, of whom, with what arguments. The registry is the only authority on what exists.
//!
//! A tool's live definition must equal the reviewed one; if no listing is known yet, the gate lists the tools itself,
//! through the same pipeline, before the call goes on. A server's own hints are never read.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pdp::decision::Obligation;
use pdp::digest::Digest;
use pdp::flow::Carried;
use pdp::json::{self, Json, Kind, Part};
use pdp::label::{LabelSet, Readers};
use pdp::method::{self, Feature, Method};
use pdp::record::{CanonicalJson, Direction, FrameKind, TARGET_CHARS_MAX};
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Deliver, Server, Tool, Transport};

use crate::approval::Slip;
use crate::asides::{self, spelt};
use crate::call::{Call, Head, Stopped};
use crate::carried::{self, Expected};
use crate::channel::Live;
use crate::frame::Frame;
use crate::headers;
use crate::ports::{Gate, Ports};
use crate::stages::s1_intake::Proposed;
use crate::stages::s4_guardrail::ended;
use crate::task::scope;
use crate::{effect, envelope, job, validation};

/// A call whose tool, arguments and data classes are known.
#[derive(Debug)]
pub struct Classified {
    server: Arc<Server>,
    subject: Subject,
}

/// What a call acts on.
#[derive(Debug)]
pub(crate) enum Subject {
    /// A reviewed tool, and where its arguments stand in the message.
    Tool {
        /// The tool.
        tool: Arc<Tool>,
        /// Where the arguments stand; nothing where the call has none.
        arguments: Option<Range<usize>>,
        /// What it will bring, where the registry says more of it than labels.
        expected: Option<Arc<Expected>>,
    },
    /// Any other method.
    Method {
        /// Its name.
        name: String,
        /// What the gate knows of it.
        known: Option<&'static Method>,
        /// What it acts on.
        target: String,
        /// The tool whose work this brings, where it is known.
        tool: Option<Arc<Tool>>,
        /// The labels of what it brings.
        labels: LabelSet,
        /// Who may read it.
        readers: Readers,
        /// What it will bring, where the registry says more of it than labels.
        expected: Option<Arc<Expected>>,
        /// How its text is handed over.
        deliver: Deliver,
        /// The slip it asks about, where that is the gate's own: no server is asked.
        slip: Option<Arc<Slip>>,
    },
}

impl Subject {
    /// Whether the call leaves the world as it was, so that its intent need not be on disk first.
    pub(crate) fn is_harmless(&self) -> bool {
        match self {
            Self::Tool { tool, .. } => tool.is_harmless(),
            Self::Method { slip: Some(_), .. } => true,
            Self::Method { known: None, .. } => false,
            Self::Method { known: Some(known), .. } => !matches!(known.name, "tasks/cancel" | "tasks/update"),
        }
    }

    /// How long one attempt, or the next piece of its answer, may take.
    pub(crate) fn timeout(&self, server: &Server) -> Duration {
        Duration::from_millis(match self {
            Self::Tool { tool, .. } => tool.timeout_ms,
            Self::Method { .. } => server.timeout_ms,
        })
    }

    /// Whether what it returns is handed over as quoted evidence.
    pub(crate) fn is_quoted(&self, obligations: &BTreeSet<Obligation>) -> bool {
        let deliver = match self {
            Self::Tool { tool, .. } => tool.deliver,
            Self::Method { deliver, .. } => *deliver,
        };
        deliver == Deliver::Quoted || obligations.contains(&Obligation::Quote)
    }

    /// Whether it speaks of a server's long-running work.
    pub(crate) fn brings_work(&self) -> bool {
        matches!(self, Self::Method { known: Some(known), .. } if known.feature == Feature::Tasks)
    }

    /// Whether it is of the lifecycle, which brings nothing that could be labelled.
    pub(crate) fn is_lifecycle(&self) -> bool {
        matches!(self, Self::Method { known: Some(known), .. } if known.feature == Feature::Lifecycle)
    }

    /// The method as it stands on the wire.
    pub(crate) fn method(&self) -> &str {
        match self {
            Self::Tool { .. } => "tools/call",
            Self::Method { name, .. } => name,
        }
    }

    /// The labels that what it returns is presumed to carry.
    pub(crate) fn labels(&self) -> &LabelSet {
        match (self, self.expected()) {
            (_, Some(expected)) => &expected.presumed.labels,
            (Self::Tool { tool, .. }, None) => &tool.labels,
            (Self::Method { labels, .. }, None) => labels,
        }
    }

    /// Who may read it, as presumed.
    pub(crate) fn readers(&self) -> &Readers {
        match (self, self.expected()) {
            (_, Some(expected)) => &expected.presumed.readers,
            (Self::Tool { tool, .. }, None) => &tool.flow.readers,
            (Self::Method { readers, .. }, None) => readers,
        }
    }

    /// Both of them.
    pub(crate) fn presumed(&self) -> Carried {
        Carried { labels: self.labels().clone(), readers: self.readers().clone() }
    }

    /// What it will bring, where the registry says more of it than labels.
    pub(crate) fn expected(&self) -> Option<&Arc<Expected>> {
        match self {
            Self::Tool { expected, .. } | Self::Method { expected, .. } => expected.as_ref(),
        }
    }

    /// The arguments of a tool's call as they stand in its message, which is this: none are an empty object.
    pub(crate) fn arguments_text<'h>(&self, head: &'h Head) -> &'h str {
        let at = match self {
            Self::Tool { arguments, .. } => arguments.clone(),
            Self::Method { .. } => None,
        };
        at.and_then(|at| head.text.get(at)).unwrap_or("{}")
    }

    /// The slip it asks about, which the gate itself answers for.
    pub(crate) fn slip(&self) -> Option<&Arc<Slip>> {
        match self {
            Self::Tool { .. } => None,
            Self::Method { slip, .. } => slip.as_ref(),
        }
    }

    /// The tool that speaks in its result.
    pub(crate) fn tool(&self) -> Option<&Arc<Tool>> {
        match self {
            Self::Tool { tool, .. } => Some(tool),
            Self::Method { tool, .. } => tool.as_ref(),
        }
    }
}

impl Classified {
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(super) fn into_parts(self) -> (Arc<Server>, Subject) {
        (self.server, self.subject)
    }
}

/// Classifies a call.
pub(crate) async fn classify(mut call: Call<Proposed>, gate: &Arc<Gate>) -> Result<Call<Classified>, Stopped> {
    let Some(server) = call.head().snapshot.server(&call.head().server).cloned() else {
        let words = format!("there is no server `{}` here", json::quoted(&call.head().server).trim_matches('"'));
        return Err(call.stop(Refusal::new(Code::UnknownServer, words)));
    };
    if let Some(why) = &server.closed {
        let words = format!("the server `{}` is {why}", server.name);
        return Err(call.stop(Refusal::new(Code::UnknownServer, words)));
    }
    let subject = match subject(&call, &server, &gate.ports) {
        Ok(subject) => subject,
        Err(refusal) => return Err(call.stop(refusal)),
    };
    match asides::of(call.head()).and_then(|all| asides::opened(&all, &server).map(|()| all)) {
        Ok(all) => {
            asides::note(call.entry(), &all);
            carried::note_sent(&mut call, &subject, &all);
        }
        Err(refusal) => return Err(call.stop(refusal)),
    }
    let given = note(&mut call, &subject, gate.ports.limits.arguments_bytes_max);
    let (head, entry) = call.head_and_entry();
    effect::begin(head, entry, &subject);
    if let Subject::Tool { tool, .. } = &subject {
        let raw = subject.arguments_text(call.head());
        if let Err(refusal) = headers::repeat_arguments(tool, raw, &call.head().headers, call.head().modern) {
            return Err(call.stop(refusal));
        }
        if let Err(refusal) = given.and_then(|value| validation::arguments_fit(tool, &value)) {
            return Err(call.stop(refusal));
        }
        // The gate may have to list the server's tools itself: it asks nothing of one that the task may not touch.
        if let Err(outside) = scope::reached(call.head(), &server) {
            return Err(scope::refuse(call, &outside));
        }
        let age_us_max = gate.ports.limits.listing_age_us_max;
        if let Err(refusal) = live_is_reviewed(&call, &server, tool, age_us_max, gate).await {
            return Err(call.stop(refusal));
        }
    }
    Ok(call.advance(|_: Proposed| Classified { server, subject }))
}

fn subject(call: &Call<Proposed>, server: &Server, ports: &Ports) -> Result<Subject, Refusal> {
    let head = call.head();
    match (head.kind, head.direction, head.envelope.method.as_deref()) {
        (FrameKind::Request, Direction::ToServer, Some("tools/call")) => tool_subject(call, server),
        (FrameKind::Response, Direction::ToServer, _) => answer_subject(call, server),
        (FrameKind::Response, Direction::ToClient, _) if head.own => Ok(response(server)),
        (FrameKind::Response, Direction::ToClient, _) => late_answer_subject(call, server),
        (_, _, Some(name)) => method_subject(call, server, name, ports),
        (_, _, None) => Err(Refusal::new(Code::NotJsonRpc, "the message names no method")),
    }
}

fn tool_subject(call: &Call<Proposed>, server: &Server) -> Result<Subject, Refusal> {
    let head = call.head();
    let bad = |words: &str| Refusal::new(Code::BadParameters, words.to_owned());
    let Some(params) = head.envelope.part(&head.text, "params") else {
        return Err(bad("`tools/call` needs `params` with a `name`"));
    };
    spelt(params, &["name", "arguments", "_meta", "inputResponses"])?;
    let name = head.envelope.param_string(&head.text, "name").ok_or_else(|| bad("`params.name` must be a string"))?;
    let Some(tool) = server.reviewed(&name) else {
        let shown = json::quoted(&name.chars().take(128).collect::<String>());
        return Err(Refusal::new(Code::UnknownTool, format!("Unknown tool: {}", shown.trim_matches('"'))));
    };
    let arguments = head.envelope.param_part(&head.text, "arguments").filter(|part| part.kind() != Kind::Null);
    let expected = Expected::of_tool(server, tool, arguments)?;
    Ok(Subject::Tool { tool: Arc::clone(tool), arguments: arguments.map(Part::range), expected })
}

/// A client's answer to a question of the server's that the gate passed on.
fn answer_subject(call: &Call<Proposed>, server: &Server) -> Result<Subject, Refusal> {
    let head = call.head();
    let id = head.envelope.id.as_deref().unwrap_or_default();
    let Some(question) = head.channel.answered(id) else {
        let words = "this answers no request that is open: it was answered, or never asked";
        return Err(Refusal::new(Code::NotJsonRpc, words));
    };
    let mut subject = response(server);
    if let Subject::Method { expected, .. } = &mut subject {
        *expected = Some(Expected::of_answer(server, &question));
    }
    Ok(subject)
}

/// A server's answer on another stream than its request's: the client came back for it (MCP 2025-11-25, resumability).
fn late_answer_subject(call: &Call<Proposed>, server: &Server) -> Result<Subject, Refusal> {
    let head = call.head();
    if head.channel.owed(head.envelope.id.as_deref().unwrap_or_default()).is_some() {
        return Ok(response(server));
    }
    Err(Refusal::new(Code::BrokenFrame, "the server answered a request that is not under way here"))
}

fn method_subject(call: &Call<Proposed>, server: &Server, name: &str, ports: &Ports) -> Result<Subject, Refusal> {
    let head = call.head();
    let known = method::find(name).filter(|m| m.name != "response");
    let transport_verb = matches!(name, "stream" | "session/end");
    let by_post = matches!(head.kind, FrameKind::Request | FrameKind::Notification);
    if !server.opens(name, known) || (transport_verb && by_post) {
        let shown = json::quoted(&name.chars().take(128).collect::<String>());
        let words = format!("Method not found: `{}` is not open here", shown.trim_matches('"'));
        return Err(Refusal::new(Code::MethodClosed, words));
    }
    let own_sessions = match server.transport {
        Transport::Http { .. } => false,
        Transport::Stdio { .. } | Transport::Sse { .. } | Transport::Builtin { .. } => true,
    };
    if name == "stream" && own_sessions {
        require_session(call)?;
    }
    if name == "session/end" {
        require_session(call)?;
    }
    let target = known.and_then(|m| m.target).map_or_else(|| Ok(String::new()), |member| target(call, member))?;
    match known.filter(|m| m.feature == Feature::Tasks) {
        Some(_) => job::subject(call.head(), server, plain(server, name, known, target), ports),
        None => Ok(plain(server, name, known, target)),
    }
}

/// A method whose result is the server's own.
fn plain(server: &Server, name: &str, known: Option<&'static Method>, target: String) -> Subject {
    let Carried { labels, readers } = server.carried();
    let expected = match (server.flow.is_nothing(), name) {
        (false, _) => Expected::of_method(server, name, &target, &server.carried()),
        (true, _) => None,
    };
    let (name, deliver) = (name.to_owned(), server.deliver);
    Subject::Method { name, known, target, tool: None, labels, readers, expected, deliver, slip: None }
}

/// An answer, which is judged as such: what it answers was judged when it was asked.
fn response(server: &Server) -> Subject {
    plain(server, "response", method::find("response"), String::new())
}

/// What a method acts on, exactly as the server will read it; nothing where the message names nothing.
fn target(call: &Call<Proposed>, member: &str) -> Result<String, Refusal> {
    let head = call.head();
    let Some(params) = head.envelope.part(&head.text, "params") else { return Ok(String::new()) };
    spelt(params, &[member, "_meta"])?;
    match head.envelope.param(&head.text, member) {
        None => Ok(String::new()),
        Some(raw) => json::string(raw)
            .map(|text| text.into_owned())
            .map_err(|_| Refusal::new(Code::BadParameters, format!("`params.{member}` must be a string"))),
    }
}

fn require_session(call: &Call<Proposed>) -> Result<(), Refusal> {
    if call.head().channel.session().is_some() {
        return Ok(());
    }
    Err(Refusal::new(Code::SessionMissing, "`Mcp-Session-Id` is missing: this needs the session it belongs to"))
}

/// Writes into the record what is being asked. Answers the arguments of a tool call, read once, or why they are none.
fn note(call: &mut Call<Proposed>, subject: &Subject, bytes_max: usize) -> Result<serde_json::Value, Refusal> {
    let (head, entry) = call.head_and_entry();
    match subject {
        Subject::Tool { tool, .. } => {
            let raw = subject.arguments_text(head);
            let read = head.envelope.arguments(&head.text);
            let canonical = read.as_ref().ok().map(CanonicalJson::of);
            entry.write(|record| {
                record.target = Some(tool.name.clone());
                record.pin = Some(tool.pin);
                record.effects = tool.effects.clone();
                record.arguments_digest = canonical.as_ref().map(|text| Digest::of_bytes(text.text().as_bytes()));
                if let (Ok(read), Some(canonical), true) = (&read, canonical, raw.len() <= bytes_max) {
                    record.arguments = Some(stored(read, canonical, tool));
                }
            });
            let bad = |words: String| Refusal::new(Code::BadArguments, words);
            match read {
                Ok(Json::Object(_)) => serde_json::from_str(raw).map_err(|e| bad(e.to_string())),
                Ok(_) => Err(bad("`arguments` must be an object".to_owned())),
                Err(fault) => Err(bad(format!("`arguments` cannot be judged: {fault}"))),
            }
        }
        Subject::Method { target, .. } => {
            if !target.is_empty() {
                entry.write(|record| record.target = Some(target.chars().take(TARGET_CHARS_MAX).collect()));
            }
            Ok(serde_json::Value::Null)
        }
    }
}

/// The arguments as the record keeps them: sensitive values are replaced before they reach any store.
fn stored(read: &Json<'_>, canonical: CanonicalJson, tool: &Tool) -> CanonicalJson {
    match read {
        Json::Object(members) if members.iter().any(|(name, _)| tool.sensitive.contains(name.as_ref())) => {
            let withheld = members.iter().map(|(name, value)| {
                let kept = if tool.sensitive.contains(name.as_ref()) {
                    Json::Object(vec![("withheld".into(), Json::Text(name.clone()))])
                } else {
                    value.clone()
                };
                (name.clone(), kept)
            });
            CanonicalJson::of(&Json::Object(withheld.collect()))
        }
        Json::Object(_) | Json::List(_) | Json::Text(_) | Json::Number(_) | Json::Bool(_) | Json::Null => canonical,
    }
}

pub(super) async fn live_is_reviewed<S>(
    call: &Call<S>,
    server: &Server,
    tool: &Tool,
    age_us_max: i64,
    gate: &Arc<Gate>,
) -> Result<(), Refusal> {
    let head = call.head();
    let asked_us = gate.ports.clock.now_us();
    let mut live = head.channel.live(&tool.name, asked_us, age_us_max);
    if live == Live::Unknown {
        // The gate's own listing would be refused for the same reason, and the call for want of a listing.
        if let Some(refusal) = ended(call, server, &gate.ports) {
            return Err(refusal);
        }
        list_tools(call, gate).await;
        // What was listed for this very call is fresh enough for it, however short the limit.
        let now_us = gate.ports.clock.now_us();
        live = head.channel.live(&tool.name, now_us, age_us_max.max(now_us.saturating_sub(asked_us)));
    }
    match live {
        Live::Is(digest) if digest == tool.pin => Ok(()),
        Live::Is(_) => {
            let words = format!(
                "the definition of `{}` has changed since it was reviewed; it is withheld until it is reviewed again",
                tool.name
            );
            Err(Refusal::new(Code::DefinitionChanged, words))
        }
        Live::Gone => {
            let words = format!("the server no longer offers `{}`", tool.name);
            Err(Refusal::new(Code::DefinitionChanged, words))
        }
        Live::Unknown => {
            let words = format!(
                "what the server now offers could not be learnt, so `{}` cannot be compared with its review",
                tool.name
            );
            Err(Refusal::new(Code::DefinitionUnknown, words))
        }
    }
}

/// Lists the server's tools in the name of this call: same caller, session and headers, through the whole pipeline,
/// whose outcome stage takes note of every definition. The answers themselves go nowhere.
async fn list_tools<S>(call: &Call<S>, gate: &Arc<Gate>) {
    let head = call.head();
    let meta = head.envelope.param(&head.text, "_meta");
    let mut cursor: Option<String> = None;
    for page in 0..gate.ports.limits.listing_pages_max {
        let id = format!("wicketgate-list-{}-{page}", call.number());
        let text = envelope::tools_list(&id, cursor.as_deref(), meta);
        let headers = head.headers.iter().filter(|(name, _)| name != "mcp-name" && !name.starts_with("mcp-param-"));
        let headers = headers.map(|(name, value)| match name.as_str() {
            "mcp-method" => (name.clone(), "tools/list".to_owned()),
            _ => (name.clone(), value.clone()),
        });
        let session = head.channel.session().map(str::to_owned);
        let frame = Frame::message(head.caller.clone(), &head.server, session, headers.collect(), Bytes::from(text));
        let reply = Box::pin(crate::run(frame.within(&head.task), gate)).await;
        cursor = reply.into_next_cursor().await;
        if cursor.is_none() {
            return;
        }
    }
}
