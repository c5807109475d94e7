//! What exists: servers and their tools, as a person reviewed them. What is not here is neither listed nor callable.
//!
//! A registry is built whole by [`load`] and never changed. It knows nothing of live servers; comparing a live
//! definition with the reviewed one is the enforcement point's work, by [`Tool::pin`].

mod around;
mod identity;
mod load;
mod mirror;
mod signature;
mod written;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::digest::Digest;
use crate::effect::Effect;
use crate::flow::{Carried, ServerFlow, ToolFlow};
use crate::label::LabelSet;
use crate::method::{Feature, Method};
use crate::origin::Kinds;
use crate::policy::ImpactKind;
use crate::policy::shape::Shape;
use crate::task::{Limits, Profile};

pub use around::{Around, Checks, Cost, Field, Finding, Preview, PreviewBy, Rollback, Taken};
pub use load::{fixed_header, load, load_on, namespace};
pub use mirror::{Mirror, mirrors};
pub use signature::{KEY_PREFIX, Reviewers, hex, statement};

/// The JSON Schemas of `servers/*.toml`, `tasks/*.toml` and of `vocabulary.toml`, by the names of their files (draft 2020-12).
#[must_use]
pub fn schemas() -> [(&'static str, schemars::Schema); 3] {
    [
        ("server", schemars::schema_for!(written::ServerFile)),
        ("task", schemars::schema_for!(written::ProfileFile)),
        ("vocabulary", schemars::schema_for!(written::VocabularyFile)),
    ]
}

/// The servers and the vocabulary.
#[derive(Debug, Default)]
pub struct Registry {
    /// Servers by name.
    pub servers: BTreeMap<String, Arc<Server>>,
    /// The words labels may be.
    pub labels: BTreeSet<String>,
    /// The grants an approval may carry.
    pub grants: BTreeSet<String>,
    /// Kinds of tasks by name.
    pub profiles: BTreeMap<String, Arc<Profile>>,
    /// Whose signature a review must bear; nothing where reviews need none.
    pub reviewers: Option<Reviewers>,
}

impl Registry {
    /// The server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.servers.get(name)
    }
}

/// One reviewed server.
#[derive(Debug, Serialize)]
pub struct Server {
    /// Its name: the path segment, the file's stem.
    pub name: String,
    /// The Cedar namespace of its tools: the name, with what Cedar's identifiers cannot hold replaced by `_`.
    pub namespace: String,
    /// Who answers for it.
    pub owner: String,
    /// The downstream system it acts on, Cedar's `Gate::System`.
    pub system: String,
    /// The labels its results carry unless a tool says otherwise.
    pub labels: LabelSet,
    /// How its text is handed over unless a tool says otherwise.
    pub deliver: Deliver,
    /// Features beyond tools that are open, and methods opened by name.
    pub open: BTreeSet<String>,
    /// What is said of its data beside its labels.
    #[serde(skip_serializing_if = "ServerFlow::is_nothing")]
    pub flow: ServerFlow,
    /// How it is reached.
    pub transport: Transport,
    /// The secret it needs, if any, by reference.
    pub credential: Option<CredentialRule>,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
    /// How much may be done with it, by everybody together.
    #[serde(skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// What it was when it was reviewed; nothing until then.
    pub identity: Option<Identity>,
    /// Since when and why it is out of use; nothing while it is in use.
    pub retired: Option<Retired>,
    /// Why nothing may reach it, if so, in words that go on from "it is": not a tool, and not a session either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
    /// Its tools by name, reviewed and withheld alike.
    pub tools: BTreeMap<String, Arc<Tool>>,
    /// The digest of the files it was read from.
    #[serde(skip)]
    pub source: Option<Digest>,
    /// Tools that the entry names and no scan has seen: policies may speak of them, and nobody can list or call them.
    pub unscanned: BTreeSet<String>,
}

impl Server {
    /// Whether the registry opens this method: its feature is the lifecycle or open, or it is named itself.
    #[must_use]
    pub fn opens(&self, name: &str, known: Option<&Method>) -> bool {
        match known {
            Some(method) if method.feature == Feature::Lifecycle => true,
            Some(method) => self.open.contains(method.feature.name()) || self.open.contains(name),
            None => self.open.contains(name),
        }
    }

    /// What data of its own carries that no rule speaks of.
    #[must_use]
    pub fn carried(&self) -> Carried {
        Carried { labels: self.labels.clone(), readers: self.flow.readers.clone() }
    }

    /// Whether it is not reached as it was when it was reviewed.
    #[must_use]
    pub fn is_moved(&self) -> bool {
        self.identity.as_ref().is_some_and(|reviewed| reviewed.is != self.transport.identity())
    }

    /// Whether this is the same server, reached and treated in the same way, its tools aside: by what a snapshot's digest
    /// covers. For the rare case in which two snapshots are compared, not for every call.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let covered = |server: &Self| match serde_json::to_value(server) {
            Ok(serde_json::Value::Object(mut members)) => {
                members.remove("tools");
                members.remove("unscanned");
                Some(members)
            }
            Ok(_) | Err(_) => None,
        };
        covered(self).is_some_and(|mine| covered(other) == Some(mine))
    }

    /// The reviewed tool of this name; one that is withheld does not count.
    #[must_use]
    pub fn reviewed(&self, tool: &str) -> Option<&Arc<Tool>> {
        self.tools.get(tool).filter(|t| t.withheld.is_none())
    }
}

/// One tool, with all that its reviewer fixed.
#[derive(Debug, Serialize)]
pub struct Tool {
    /// Its name on its server.
    pub name: String,
    /// What the world sees of a call.
    pub effects: BTreeSet<Effect>,
    /// The labels its results carry.
    pub labels: LabelSet,
    /// What is said of its data beside its labels.
    #[serde(skip_serializing_if = "ToolFlow::is_nothing")]
    pub flow: ToolFlow,
    /// How its text is handed over.
    pub deliver: Deliver,
    /// The digest of the whole reviewed definition.
    pub pin: Digest,
    /// Who reviewed it and on which day; nothing until then.
    pub review: Option<Review>,
    /// Argument names whose values are not to be stored.
    pub sensitive: BTreeSet<String>,
    /// The arguments that say where an effect goes, such as a mail's recipients. Nothing where no reviewer has said; an empty
    /// set where no argument does, because the place is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sinks: Option<BTreeSet<String>>,
    /// What short numbers and names in its arguments and results are of, where the names of their fields do not tell.
    #[serde(skip_serializing_if = "Kinds::is_empty")]
    pub kinds: Arc<Kinds>,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
    /// What a preview of a call finds out, by the names policies know it by.
    pub impact: BTreeMap<String, ImpactKind>,
    /// What surrounds a call.
    #[serde(skip_serializing_if = "Around::is_none")]
    pub around: Around,
    /// What becomes of a result that does not fit the reviewed output schema.
    pub misfit: Misfit,
    /// Kinds of findings that the reviewer saw and accepted, such as `hidden`.
    pub accepted: BTreeSet<String>,
    /// The reviewer's signature over the [`statement`], as written.
    pub signature: Option<String>,
    /// Since when and why it is out of use; nothing while it is in use.
    pub retired: Option<Retired>,
    /// Why it is withheld, if it is.
    pub withheld: Option<String>,
    /// The reviewed definition, as the server listed it.
    #[serde(skip)]
    pub definition: String,
    /// The arguments' types in Cedar.
    #[serde(skip)]
    pub shape: Shape,
    /// The reviewed input schema, compiled.
    #[serde(skip)]
    pub validator: Option<jsonschema::Validator>,
    /// What its reviewed output schema asks of structured content.
    #[serde(skip)]
    pub output: Output,
    /// The arguments that clients repeat in HTTP headers.
    #[serde(skip)]
    pub mirrors: Vec<Mirror>,
}

impl Tool {
    /// Whether this is the same tool, treated in the same way: by what a snapshot's digest covers.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let covered = |tool: &Self| serde_json::to_value(tool).ok();
        covered(self).is_some_and(|mine| covered(other) == Some(mine))
    }
    /// Whether every effect of the tool leaves the world as it was. A tool without any effect class does not count.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        !self.effects.is_empty() && self.effects.iter().all(|e| e.is_harmless())
    }

    /// What its results carry unless a rule says otherwise.
    #[must_use]
    pub fn carried(&self) -> Carried {
        Carried { labels: self.labels.clone(), readers: self.flow.readers.clone() }
    }

    /// Whether results must be held against an output schema.
    #[must_use]
    pub fn is_validated(&self) -> bool {
        let has_one = match self.output {
            Output::Free => false,
            Output::Schema(_) | Output::Unusable => true,
        };
        has_one && self.misfit != Misfit::Pass
    }

    /// Whether structured content, as JSON text, fits the reviewed output schema. Without one everything does.
    #[must_use]
    pub fn output_fits(&self, structured: &str) -> bool {
        self.output_fault(structured).is_none()
    }

    /// How structured content, as JSON text, fails the reviewed output schema: where and by which rule, without any value
    /// of the content's.
    #[must_use]
    pub fn output_fault(&self, structured: &str) -> Option<String> {
        let validator = match &self.output {
            Output::Free => return None,
            Output::Unusable => return Some("its output schema cannot be used".to_owned()),
            Output::Schema(validator) => validator,
        };
        let Ok(value) = serde_json::from_str(structured) else { return Some("it cannot be read".to_owned()) };
        if validator.is_valid(&value) {
            return None;
        }
        let faults = validator.iter_errors(&value).take(FAULTS_MAX).map(|e| {
            let (at, rule) = (e.instance_path().to_string(), e.schema_path().to_string());
            let at = if at.is_empty() { "the whole".to_owned() } else { at };
            format!("{} fails {rule}", crate::json::quoted(&at).trim_matches('"'))
        });
        Some(faults.collect::<Vec<_>>().join("; "))
    }
}

/// What becomes of a result that does not fit its tool's reviewed output schema, or lacks the structured content that
/// MCP asks for where a tool has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Misfit {
    /// It is withheld, and the caller is told so. The default: clients hold such results against the schema too, and
    /// fail.
    #[default]
    Refuse,
    /// It is handed over with the label [`UNVALIDATED`].
    Label,
    /// It is handed over as it is.
    Pass,
}

impl Misfit {
    /// Every choice, with its word in the registry.
    pub const ALL: [(&'static str, Self); 3] = [("refuse", Self::Refuse), ("label", Self::Label), ("pass", Self::Pass)];
}

/// How many faults of one result are told.
const FAULTS_MAX: usize = 3;

/// The label of results that were not held against their output schema, or do not fit it.
pub const UNVALIDATED: &str = "unvalidated";

/// Kinds of findings that a reviewer can accept.
pub const FINDINGS: [&str; 3] = ["hidden", "look-alike", "instruction"];

/// What a server was when it was reviewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// What it is reached as, see [`Transport::identity`].
    pub is: String,
    /// The name it gave itself: a claim that identifies nothing, kept to show that it changed.
    pub claimed_name: Option<String>,
    /// The version it gave itself, likewise a claim.
    pub claimed_version: Option<String>,
}

/// Since when something is out of use, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retired {
    /// The day (ISO 8601).
    pub at: String,
    /// Why, in the words of whoever retired it; may be empty.
    pub why: String,
}

impl std::fmt::Display for Retired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "retired {}", self.at)?;
        if self.why.is_empty() { Ok(()) } else { write!(f, ": {}", self.why) }
    }
}

/// What a tool's output schema asks of its structured content.
#[derive(Debug, Default)]
pub enum Output {
    /// It has none.
    #[default]
    Free,
    /// Its reviewed schema, compiled.
    Schema(Box<jsonschema::Validator>),
    /// It has one that cannot be used: nothing is known to fit it.
    Unusable,
}

/// Who approved a tool's definition, and on which day (ISO 8601).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Review {
    /// The reviewer, as an address or a name.
    pub by: String,
    /// The day.
    pub at: String,
}

/// How text from a tool is handed to the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deliver {
    /// As it came.
    #[default]
    Plain,
    /// As quoted evidence between unguessable markers, so that data and instructions stay apart.
    Quoted,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Transport {
    /// A child process that speaks over its standard streams.
    Stdio {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its environment; nothing else is in it but what `env_from` names.
        env: BTreeMap<String, String>,
        /// Variables passed through from the gate's own environment.
        env_from: Vec<String>,
        /// A file of `NAME=value` lines that is read when the process is started; what `env` says counts over it.
        env_file: Option<String>,
        /// Whether `${NAME}` and `${NAME:-otherwise}` in `args` and `env` stand for variables of the gate's own
        /// environment, and `$$` for a dollar sign.
        expand: bool,
        /// Its working directory, if not the gate's.
        cwd: Option<String>,
    },
    /// Streamable HTTP.
    Http {
        /// The endpoint.
        url: String,
        /// Headers sent with every request, none of them secret.
        headers: BTreeMap<String, String>,
    },
    /// HTTP+SSE, the transport of MCP 2024-11-05.
    Sse {
        /// Where its event stream is opened.
        url: String,
        /// Headers sent with every request, none of them secret.
        headers: BTreeMap<String, String>,
    },
    /// A server that is part of the gate's own program: run as a child process, or inside the gate where it serves the
    /// gate's own tools.
    Builtin {
        /// Which one.
        server: String,
    },
}

/// The built-in server of the gate's own tools, and the only name it can have.
pub const OWN_SERVER: &str = "gate";

impl Transport {
    /// Whether this is the server of the gate's own tools, which runs inside the gate.
    #[must_use]
    pub fn is_own(&self) -> bool {
        match self {
            Self::Builtin { server } => server == OWN_SERVER,
            Self::Stdio { .. } | Self::Http { .. } | Self::Sse { .. } => false,
        }
    }

    /// A short name for spans and records.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdio { .. } => "stdio",
            Self::Http { .. } => "http",
            Self::Sse { .. } => "sse",
            Self::Builtin { .. } => "builtin",
        }
    }
}

/// Where a server's secret is found and how it is presented. Never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CredentialRule {
    /// The environment variable of the gate that holds it, or nothing.
    pub env: Option<String>,
    /// The file that holds it, or nothing.
    pub file: Option<String>,
    /// For HTTP: the header it goes in, `authorization` unless said otherwise.
    pub header: String,
    /// For HTTP: what stands before it, such as `Bearer `.
    pub prefix: String,
    /// For a child process: the variable it goes in.
    pub variable: Option<String>,
    /// More secrets the same server needs, each in a place of its own; these name no further ones.
    pub also: Vec<CredentialRule>,
}

impl CredentialRule {
    /// Every secret of the server, this one first.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.also)
    }
}
