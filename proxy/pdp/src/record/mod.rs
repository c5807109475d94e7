//! What happened to one frame: pure data with canonical bytes. The single source of audit rows, spans and receipts.
//!
//! A record holds no secret: credentials by reference, argument values only as far as the registry allows. This module
//! knows no store and no exporter; both read records and add nothing. The small structures inside a record declare their
//! members in the order of RFC 8785, so that writing them once gives canonical bytes.

mod approval;
mod canonical;
mod effect;
mod event;
mod flow;
pub mod said;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use approval::{ApprovalNote, AskOutcome};
pub use canonical::CanonicalJson;
pub use effect::{EffectNote, EffectState, Errand, ErrandNote, PreviewNote, RollbackNote};
pub use event::Event;
pub use flow::{Declassified, FlowNote, KEYS_MAX, MemoryNote};
pub use said::{PlanNote, PlanStep, Said, Saying, Standing, Voice};

use crate::decision::Decision;
use crate::digest::Digest;
use crate::effect::Effect;
use crate::json::JsonFault;
use crate::label::{LabelSet, Readers};
use crate::policy::{Facts, Impact, Rule, TaskFacts};
use crate::principal::Principal;
use crate::refusal::Refusal;

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the agent to its server.
    ToServer,
    /// From the server to its agent.
    ToClient,
}

/// What kind of frame it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrameKind {
    /// A JSON-RPC request.
    Request,
    /// A JSON-RPC notification.
    Notification,
    /// A JSON-RPC response.
    Response,
    /// The opening of a stream (HTTP GET).
    Stream,
    /// The end of a session (HTTP DELETE).
    EndSession,
    /// Nothing that could be read.
    Unreadable,
}

/// How a frame's life ended. Every frame has exactly one ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It was carried out and its answer, good or bad, was handed over.
    Served,
    /// A stage refused it before anything was done.
    Refused,
    /// It was sent and the gate knows that it had no answer worth handing over and no effect.
    Failed,
    /// Its sender went away before anything was done.
    Abandoned,
    /// The gate itself failed while it was under way, before anything was done.
    Panicked,
    /// It may have had its effect: the intent stands, the outcome is unknown.
    Indeterminate,
}

impl Ending {
    /// Every ending, for coverage.
    pub const ALL: [Self; 6] =
        [Self::Served, Self::Refused, Self::Failed, Self::Abandoned, Self::Panicked, Self::Indeterminate];

    /// The word in records and on spans.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
            Self::Panicked => "panicked",
            Self::Indeterminate => "indeterminate",
        }
    }
}

/// When a stage was done with the frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StageTime {
    /// Microseconds since the frame arrived.
    pub at_us: u64,
    /// The stage: `intake`, `classify`, `policy`, `guardrail`, `approval`, `credential`, `action`, `outcome`, `audit`.
    pub stage: Cow<'static, str>,
}

/// The decision and what it rests on: with the record's principal, server, method, target, arguments and task, everything
/// the decision point saw, so that it can be asked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DecisionNote {
    /// What rode along in the message and was judged with it, the first [`ALONG_MAX`] of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub along: Vec<Along>,
    /// How many calls the task had made.
    #[serde(default)]
    pub calls: u64,
    /// Allow, escalate or deny.
    pub decision: Decision,
    /// The grants the call held.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub grants: BTreeSet<String>,
    /// What a preview of the call found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<BTreeMap<String, Impact>>,
    /// The labels of the task when it was judged.
    pub labels: LabelSet,
    /// The time it was judged at, in milliseconds since 1970-01-01T00:00Z; zero in records of gates that did not keep it.
    #[serde(default)]
    pub now_ms: i64,
    /// Where the values of arguments came from, of those that policies look at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origin: BTreeMap<String, LabelSet>,
    /// Who may read what the task had gathered; nothing where everyone may.
    #[serde(default, skip_serializing_if = "Readers::is_everyone")]
    pub readers: Readers,
    /// The policies that determined it.
    pub rules: Vec<Rule>,
    /// The task as policies saw it, where there was more to see than its name.
    #[serde(default, skip_serializing_if = "TaskFacts::is_plain")]
    pub task: TaskFacts,
    /// The labels of the values that say where the effect goes and that the user did not give.
    #[serde(default, skip_serializing_if = "LabelSet::is_empty")]
    pub unvouched: LabelSet,
}

impl DecisionNote {
    /// The circumstances it was judged under, in the task of this name.
    #[must_use]
    pub fn facts(&self, task: &str) -> Facts {
        Facts {
            labels: self.labels.clone(),
            readers: self.readers.clone(),
            grants: self.grants.clone(),
            task: TaskFacts { id: task.to_owned(), ..self.task.clone() },
            calls: self.calls,
            origin: self.origin.clone(),
            unvouched: self.unvouched.clone(),
            impact: self.impact.clone(),
            now_ms: self.now_ms,
        }
    }

    /// A decision, what rode along with the call, and the circumstances it was judged under.
    #[must_use]
    pub fn of(decision: Decision, rules: Vec<Rule>, along: Vec<Along>, facts: &Facts) -> Self {
        Self {
            along,
            calls: facts.calls,
            decision,
            grants: facts.grants.clone(),
            impact: facts.impact.clone(),
            labels: facts.labels.clone(),
            now_ms: facts.now_ms,
            origin: facts.origin.clone(),
            readers: facts.readers.clone(),
            rules,
            task: facts.task.clone(),
            unvouched: facts.unvouched.clone(),
        }
    }
}

/// An action that rode along in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Along {
    /// The method.
    pub method: String,
    /// What it acts on, at most [`TARGET_CHARS_MAX`] characters of it; empty for nothing.
    pub target: String,
}

/// How much of what rides along a record keeps.
pub const ALONG_MAX: usize = 16;

/// How many characters of a target a record keeps.
pub const TARGET_CHARS_MAX: usize = 1024;

/// How many characters of a method a record keeps.
pub const METHOD_CHARS_MAX: usize = 256;

/// One attempt at an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Attempt {
    /// Where it went: a host and port, or a program.
    pub address: String,
    /// Microseconds since the frame arrived, when the answer began or failed.
    pub ended_us: u64,
    /// What went wrong, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The id of its CLIENT span, 16 hexadecimal digits.
    pub span: String,
    /// Microseconds since the frame arrived.
    pub started_us: u64,
    /// The HTTP status, or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// What the answer was, without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ResultNote {
    /// How many bytes were handed over.
    pub bytes: u64,
    /// The code of a JSON-RPC error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<i64>,
    /// The message of a JSON-RPC error, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// A tool result with `isError`.
    #[serde(default)]
    pub is_error: bool,
}

/// Something worth knowing that happened on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Note {
    /// Microseconds since the frame arrived.
    pub at_us: u64,
    /// What, in words.
    pub text: String,
}

/// Everything about one frame.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub struct Record {
    /// The version of this format.
    pub v: u32,
    /// The frame's number in this ledger.
    pub number: u64,
    /// The task's trace, 32 hexadecimal digits.
    pub trace: String,
    /// The frame's SERVER span, 16 hexadecimal digits.
    pub span: String,
    /// The caller's span within the same trace, if it named one.
    #[serde(default)]
    pub parent: Option<String>,
    /// A context of another trace that came along, as a W3C `traceparent`.
    #[serde(default)]
    pub link: Option<String>,
    /// The task.
    pub task: String,
    /// When it arrived, in microseconds since 1970-01-01T00:00Z.
    pub started_us: i64,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Which way it went.
    pub direction: Direction,
    /// What it was.
    pub kind: FrameKind,
    /// The protocol revision, as negotiated or declared.
    #[serde(default)]
    pub protocol: Option<String>,
    /// The caller, if it proved who it is.
    #[serde(default)]
    pub principal: Option<Arc<Principal>>,
    /// The caller's address, if it came over a network.
    #[serde(default)]
    pub client: Option<String>,
    /// The server.
    pub server: String,
    /// The downstream system.
    #[serde(default)]
    pub system: Option<String>,
    /// How the server is reached.
    #[serde(default)]
    pub transport: Option<String>,
    /// The session, as the short digest of its id: the id itself is a credential of sorts.
    #[serde(default)]
    pub session: Option<String>,
    /// The JSON-RPC id, as it was written.
    #[serde(default)]
    pub request_id: Option<String>,
    /// The method.
    #[serde(default)]
    pub method: Option<String>,
    /// The tool, prompt, URI or other thing it acts on.
    #[serde(default)]
    pub target: Option<String>,
    /// The pin of the tool.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub pin: Option<Digest>,
    /// The tool's effects.
    #[serde(default)]
    pub effects: BTreeSet<Effect>,
    /// The digest of the canonical arguments.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub arguments_digest: Option<Digest>,
    /// The arguments, less what the registry calls sensitive, if they are not too long.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    pub arguments: Option<CanonicalJson>,
    /// The snapshot it was judged by.
    #[schemars(with = "String")]
    pub snapshot: Digest,
    /// The decision, if it came to one.
    #[serde(default)]
    pub decision: Option<DecisionNote>,
    /// The questions to people.
    #[serde(default)]
    pub approvals: Vec<ApprovalNote>,
    /// The credential that was lent, by reference.
    #[serde(default)]
    pub credential: Option<String>,
    /// Which step of the task's plan it took, where one was recorded.
    #[serde(default)]
    pub plan: Option<PlanNote>,
    /// The life of its effect, for a tool call that may have one.
    #[serde(default)]
    pub effect: Option<EffectNote>,
    /// For a call of the gate's own: for which frame it was made.
    #[serde(default)]
    pub errand: Option<ErrandNote>,
    /// The labels its answer carries.
    #[serde(default)]
    pub labels: LabelSet,
    /// What else is known of the data it moved, where there is more to say than its labels.
    #[serde(default)]
    pub flow: Option<Box<FlowNote>>,
    /// The stages it passed.
    pub stages: Vec<StageTime>,
    /// The attempts at the upstream.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// What happened on the way.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// How many bytes arrived.
    pub bytes_in: u64,
    /// What the answer was.
    #[serde(default)]
    pub result: Option<ResultNote>,
    /// How it ended.
    pub ending: Ending,
    /// Why it was refused, if it was.
    #[serde(default)]
    pub refusal: Option<Refusal>,
}

/// The version of the record format written today.
pub const RECORD_VERSION: u32 = 1;

/// What is about to be done: on disk before it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub struct Intent {
    /// The frame's number.
    pub number: u64,
    /// The task's trace.
    pub trace: String,
    /// The task.
    pub task: String,
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// The caller.
    pub principal: Arc<Principal>,
    /// The server.
    pub server: String,
    /// The method.
    pub method: String,
    /// The tool or other target.
    #[serde(default)]
    pub target: Option<String>,
    /// The digest of the canonical arguments, of a tool's call.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub arguments_digest: Option<Digest>,
    /// The digest of the bytes that will be sent.
    #[schemars(with = "String")]
    pub body: Digest,
    /// The snapshot it was judged by.
    #[schemars(with = "String")]
    pub snapshot: Digest,
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Before an effect.
    Intent(Intent),
    /// After a frame's end.
    Record(Arc<Record>),
    /// About the gate itself.
    Event(Event),
    /// What a host or an agent says of a task: a claim.
    Said(Said),
}

/// The shapes of entries, as [`Entry::read`] takes them: for their schema alone.
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "snake_case", tag = "entry", title = "An entry of Wicketgate's ledger")]
#[expect(dead_code, reason = "the schema is made from the types; no value is")]
enum Shape {
    /// Before an effect.
    Intent(Intent),
    /// After a frame's end.
    Record(Arc<Record>),
    /// About the gate itself.
    Event(Event),
    /// What a host or an agent says of a task: a claim.
    Said(Said),
}

impl schemars::JsonSchema for Entry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Entry".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Shape::json_schema(generator)
    }
}

/// The JSON Schema of the ledger's entries, as `wicketgate trace --json` prints them (draft 2020-12).
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Shape)
}

/// What an entry is, as its member `entry` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tag {
    Intent,
    Record,
    Event,
    Said,
}

impl Entry {
    /// The entry's canonical bytes (RFC 8785), as text: its members, and `entry`, which says what it is.
    ///
    /// # Errors
    /// When the entry cannot be written as JSON; no entry the gate makes is such.
    pub fn canonical(&self) -> Result<String, JsonFault> {
        serde_json::to_string(self).map_err(|e| JsonFault::Syntax(e.to_string()))
    }

    /// Reads an entry back.
    ///
    /// # Errors
    /// When the text is not an entry of a known version.
    pub fn read(text: &str) -> Result<Self, JsonFault> {
        fn of<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, JsonFault> {
            serde_json::from_str(text).map_err(|e| JsonFault::Syntax(e.to_string()))
        }
        #[derive(Deserialize)]
        struct Tagged {
            entry: Tag,
        }
        let Tagged { entry } = of(text)?;
        let entry = match entry {
            Tag::Intent => Self::Intent(of(text)?),
            Tag::Record => Self::Record(of(text)?),
            Tag::Event => Self::Event(of(text)?),
            Tag::Said => Self::Said(of(text)?),
        };
        match &entry {
            Self::Record(record) if record.v != RECORD_VERSION => {
                Err(JsonFault::Syntax(format!("record version {} is not known", record.v)))
            }
            Self::Record(_) | Self::Intent(_) | Self::Event(_) | Self::Said(_) => Ok(entry),
        }
    }
}
