//! What exists: servers and their tools, as a person reviewed them. What is not here is neither listed nor callable.
//!
//! A registry is built whole by [`load`] and never changed. It knows nothing of live servers; comparing a live
//! definition with the reviewed one is the enforcement point's work, by [`Tool::pin`].

mod load;
mod mirror;
mod written;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::digest::Digest;
use crate::effect::Effect;
use crate::label::LabelSet;
use crate::method::{Feature, Method};
use crate::policy::shape::Shape;

pub use load::{fixed_header, load, namespace};
pub use mirror::{Mirror, mirrors};

/// The JSON Schemas of `servers/*.toml` and of `vocabulary.toml`, by the names of their files (draft 2020-12).
#[must_use]
pub fn schemas() -> [(&'static str, schemars::Schema); 2] {
    [
        ("server", schemars::schema_for!(written::ServerFile)),
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
    /// How it is reached.
    pub transport: Transport,
    /// The secret it needs, if any, by reference.
    pub credential: Option<CredentialRule>,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
    /// Its tools by name, reviewed and withheld alike.
    pub tools: BTreeMap<String, Arc<Tool>>,
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
    /// How its text is handed over.
    pub deliver: Deliver,
    /// The digest of the whole reviewed definition.
    pub pin: Digest,
    /// Who reviewed it and on which day; nothing until then.
    pub review: Option<Review>,
    /// Argument names whose values are not to be stored.
    pub sensitive: BTreeSet<String>,
    /// How long one call may take, in milliseconds.
    pub timeout_ms: u64,
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
    /// Whether every effect of the tool leaves the world as it was. A tool without any effect class does not count.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        !self.effects.is_empty() && self.effects.iter().all(|e| e.is_harmless())
    }

    /// Whether structured content, as JSON text, fits the reviewed output schema. Without one everything does.
    #[must_use]
    pub fn output_fits(&self, structured: &str) -> bool {
        match &self.output {
            Output::Free => true,
            Output::Schema(validator) => serde_json::from_str(structured).is_ok_and(|value| validator.is_valid(&value)),
            Output::Unusable => false,
        }
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
    /// A server that is part of the gate's own program, run as a child process.
    Builtin {
        /// Which one.
        server: String,
    },
}

impl Transport {
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
