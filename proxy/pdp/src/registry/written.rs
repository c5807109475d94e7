//! The registry's files as written: the TOML shapes, before any meaning is given to them.
//!
//! Unknown members are refused, so that a typo is a fault and not a silent default. The JSON Schemas that editors complete
//! from are made from these very types; what they say of a member is its comment here.

mod flow;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use crate::effect::Effect;
use crate::policy::ImpactKind;
use crate::registry::{Deliver, Misfit};
use crate::task::Limits;

pub(super) use flow::{MemoryServerTable, MemoryTable, NameRuleTable, RuleTable};

/// One server of the registry: how it is reached, and what a person found of its tools. Nothing that is not here is
/// listed or callable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A server of Wicketgate's registry")]
pub(super) struct ServerFile {
    /// Its name: the path on the gate, the stem of this file, and its tools' Cedar namespace. Lower-case letters, digits,
    /// `-` and `_`, at most 64, a letter first.
    #[schemars(with = "String", regex(pattern = "^[a-z][a-z0-9_-]{0,63}$"))]
    pub(super) name: Spanned<String>,
    /// Who answers for it.
    #[serde(default)]
    pub(super) owner: String,
    /// The downstream system it acts on, Cedar's `Gate::System`; the server's name unless said.
    pub(super) system: Option<String>,
    /// The labels its results carry unless a tool says otherwise: `untrusted`, `private`, `secret`, `user`, and those of
    /// `vocabulary.toml`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) labels: Vec<Spanned<String>>,
    /// Who may read what it returns unless a tool says otherwise: names of your choice, for policies to compare. Everyone
    /// unless said.
    pub(super) readers: Option<Vec<String>>,
    /// Whether the labels it puts into `_meta.ifc` itself are heeded, where they are stricter than those here. Its answers
    /// are then read whole before any of it is handed on.
    #[serde(default)]
    pub(super) ifc: bool,
    /// What its resources carry, by URI.
    #[serde(default)]
    #[schemars(with = "Vec<NameRuleTable>")]
    pub(super) resources: Vec<Spanned<NameRuleTable>>,
    /// What its prompts carry, by name.
    #[serde(default)]
    #[schemars(with = "Vec<NameRuleTable>")]
    pub(super) prompts: Vec<Spanned<NameRuleTable>>,
    /// It keeps an agent's memory: what is known of its entries is kept beside it.
    #[schemars(with = "Option<MemoryServerTable>")]
    pub(super) memory: Option<Spanned<MemoryServerTable>>,
    /// How its text is handed over unless a tool says otherwise.
    #[schemars(with = "Option<Deliver>")]
    pub(super) deliver: Option<Spanned<String>>,
    /// Features beyond tools that are open: `resources`, `prompts`, `completion`, `logging`, `sampling`, `elicitation`,
    /// `roots`, `tasks`, `skills`, or a method's whole name.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) open: Vec<Spanned<String>>,
    /// How long one call may take, in milliseconds.
    #[schemars(with = "Option<u64>", range(min = 1, max = 86_400_000))]
    pub(super) timeout_ms: Option<Spanned<u64>>,
    /// How much may be done with it, by everybody together. What goes beyond is refused and ends no task; `elapsed_s` says
    /// after how many seconds the counts begin anew, a day unless said.
    pub(super) limits: Option<Limits>,
    /// How it is reached.
    #[schemars(with = "TransportTable")]
    pub(super) transport: Spanned<TransportTable>,
    /// The secret it needs, by reference.
    #[schemars(with = "Option<CredentialTable>")]
    pub(super) credential: Option<Spanned<CredentialTable>>,
    /// What it was when it was reviewed.
    pub(super) identity: Option<IdentityTable>,
    /// Since which day it is out of use (ISO 8601).
    pub(super) retired_at: Option<String>,
    /// Why it is out of use.
    pub(super) retired_why: Option<String>,
    /// Its tools by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ToolTable>")]
    pub(super) tools: BTreeMap<String, Spanned<ToolTable>>,
}

/// How a server is reached.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum TransportTable {
    /// A child process that speaks over its standard streams.
    Stdio {
        /// The program: a path, or a name that is looked up in `PATH`.
        command: String,
        /// Its arguments.
        #[serde(default)]
        args: Vec<String>,
        /// Its variables, none of them secret. It gets no others but those named here.
        #[serde(default)]
        env: BTreeMap<String, String>,
        /// Variables passed through from the gate's own environment.
        #[serde(default)]
        env_from: Vec<String>,
        /// A file of `NAME=value` lines, read when the process is started; `env` counts over it.
        env_file: Option<String>,
        /// Whether `${NAME}` and `${NAME:-otherwise}` in `args` and `env` stand for variables of the gate's own
        /// environment, and `$$` for a dollar sign.
        #[serde(default)]
        expand: bool,
        /// Its working directory, if not the gate's.
        cwd: Option<String>,
    },
    /// Streamable HTTP.
    Http {
        /// The endpoint, `http` or `https`.
        url: String,
        /// Headers sent with every request, none of them secret.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// HTTP+SSE, the transport of MCP 2024-11-05.
    Sse {
        /// Where its event stream is opened, `http` or `https`.
        url: String,
        /// Headers sent with every request, none of them secret.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// A server that is part of the gate's own program.
    Builtin {
        /// Which one: `office`.
        server: String,
    },
}

/// Where a server's secret is found, and how it is presented. Never the secret itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialTable {
    /// The variable of the gate's environment that holds it. Either this or `file`.
    pub(super) env: Option<String>,
    /// The file that holds it. Either this or `env`.
    pub(super) file: Option<String>,
    /// For HTTP: the header it goes in, `authorization` unless said.
    pub(super) header: Option<String>,
    /// For HTTP: what stands before it, `Bearer ` unless said.
    pub(super) prefix: Option<String>,
    /// For a child process: the variable it goes in.
    pub(super) variable: Option<String>,
    /// More secrets of the same server, each in a place of its own.
    #[serde(default)]
    #[schemars(with = "Vec<CredentialTable>")]
    pub(super) also: Vec<Spanned<CredentialTable>>,
}

/// One tool, as a person reviewed it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolTable {
    /// What the world sees of a call. Fetching a URL that the agent chose is egress.
    #[serde(default)]
    #[schemars(with = "Vec<Effect>")]
    pub(super) effect: Vec<Spanned<String>>,
    /// The labels its results carry, instead of the server's.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) labels: Option<Vec<Spanned<String>>>,
    /// Who may read its results, instead of the server's readers.
    pub(super) readers: Option<Vec<String>>,
    /// What its results carry beyond or short of its labels, told by an argument or by a field of the result.
    #[serde(default)]
    #[schemars(with = "Vec<RuleTable>")]
    pub(super) rules: Vec<Spanned<RuleTable>>,
    /// What it does to the memory of its server.
    #[schemars(with = "Option<MemoryTable>")]
    pub(super) memory: Option<Spanned<MemoryTable>>,
    /// How its text is handed over, instead of the server's way.
    #[schemars(with = "Option<Deliver>")]
    pub(super) deliver: Option<Spanned<String>>,
    /// The digest of the whole definition that was reviewed; `registry scan` writes it.
    #[schemars(with = "Option<String>", regex(pattern = "^(sha256:)?[0-9a-f]{64}$"))]
    pub(super) pin: Option<Spanned<String>>,
    /// Who reviewed it. Until somebody has, the tool is withheld.
    pub(super) reviewed_by: Option<String>,
    /// On which day (ISO 8601).
    pub(super) reviewed_at: Option<String>,
    /// Names of arguments whose values are not to be stored.
    #[serde(default)]
    pub(super) sensitive: Vec<String>,
    /// Names of the arguments that say where an effect goes: recipients, payees, hosts. A value there that the user did not
    /// give raises `context.gate.unvouched`. An empty list says that no argument does; without a list every call with an
    /// effect raises it.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) sinks: Option<Vec<Spanned<String>>>,
    /// What short numbers and names are of, where the name of their argument or of their field in a result does not tell:
    /// `id = "event_id"` makes an `id` in the results one with an argument `event_id`.
    #[serde(default)]
    pub(super) kinds: BTreeMap<String, String>,
    /// How long one call may take, in milliseconds, instead of the server's time.
    #[schemars(with = "Option<u64>", range(min = 1, max = 86_400_000))]
    pub(super) timeout_ms: Option<Spanned<u64>>,
    /// What becomes of a result that does not fit the reviewed output schema: `refuse` unless said, `label` or `pass`.
    #[schemars(with = "Option<Misfit>")]
    pub(super) output: Option<Spanned<String>>,
    /// What a call costs, for limits on cost.
    #[schemars(with = "Option<CostTable>")]
    pub(super) cost: Option<Spanned<CostTable>>,
    /// What shows beforehand what a call would do: it runs first, and policies and approvers see what it found.
    #[schemars(with = "Option<PreviewTable>")]
    pub(super) preview: Option<Spanned<PreviewTable>>,
    /// What a result must be. One that is not is withheld, or its call undone.
    #[schemars(with = "Option<ChecksTable>")]
    pub(super) check: Option<Spanned<ChecksTable>>,
    /// What undoes a call whose result is not as it must be.
    #[schemars(with = "Option<RollbackTable>")]
    pub(super) rollback: Option<Spanned<RollbackTable>>,
    /// Kinds of findings that its reviewer saw and accepts.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) accepted_findings: Vec<Spanned<String>>,
    /// The reviewer's Ed25519 signature: `registry review --key FILE` writes it.
    pub(super) signature: Option<String>,
    /// Since which day it is out of use (ISO 8601).
    pub(super) retired_at: Option<String>,
    /// Why it is out of use.
    pub(super) retired_why: Option<String>,
}

/// What a call costs, in a unit of this registry's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CostTable {
    /// What each call costs.
    #[serde(default)]
    pub(super) call: u64,
    /// The place (a JSON pointer) of the argument whose value it costs beyond that, rounded up.
    pub(super) argument: Option<String>,
    /// The place in the result where it says what it did cost, all in all.
    pub(super) result: Option<String>,
}

/// What shows beforehand what a call would do. Either `argument` or `tool`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewTable {
    /// The argument that makes the call itself a dry run when it is `true`.
    pub(super) argument: Option<String>,
    /// Another tool of this server, one that only reads.
    pub(super) tool: Option<String>,
    /// The arguments of `tool`, each from a place (a JSON pointer) in the call's own.
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, String>,
    /// What its result tells, by the names under which policies see it as `gate.impact`.
    #[serde(default)]
    pub(super) impact: BTreeMap<String, FindingTable>,
}

/// One thing a preview finds out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingTable {
    /// Where in the result it stands: a JSON pointer, such as `/structuredContent/total`.
    pub(super) at: String,
    /// What it is read as.
    pub(super) is: ImpactKind,
}

/// What a result must be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChecksTable {
    /// How many bytes the answer may have.
    pub(super) bytes_max: Option<u64>,
    /// What must stand in it.
    #[serde(default)]
    pub(super) fields: Vec<FieldTable>,
}

/// What one field of a result must be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldTable {
    /// Where it stands: a JSON pointer, such as `/structuredContent/total`.
    pub(super) at: String,
    /// Whether it may be missing.
    #[serde(default)]
    pub(super) optional: bool,
    /// The least it may be: a number of at most four places, as a text, such as `"0.01"`.
    pub(super) min: Option<String>,
    /// The most it may be.
    pub(super) max: Option<String>,
    /// The place of the argument that it must equal.
    pub(super) same_as: Option<String>,
    /// The texts it may be.
    #[serde(default)]
    pub(super) one_of: Vec<String>,
}

/// What undoes a call: a tool of this server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackTable {
    /// Its name.
    pub(super) tool: String,
    /// Its arguments, and where each is taken from.
    #[serde(default)]
    pub(super) arguments: BTreeMap<String, TakenTable>,
}

/// Where an argument of a rollback is taken from. One of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakenTable {
    /// A place (a JSON pointer) in the call's arguments.
    pub(super) argument: Option<String>,
    /// A place in its result.
    pub(super) result: Option<String>,
    /// A text that is always the same.
    pub(super) text: Option<String>,
}

/// What the server was when it was reviewed: `registry review` writes it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityTable {
    /// The package and version, the command, or the TLS name it was reached by.
    pub(super) is: String,
    /// The name it gave of itself: a claim.
    pub(super) claimed_name: Option<String>,
    /// The version it gave of itself: a claim.
    pub(super) claimed_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewersFile {
    #[serde(default)]
    pub(super) reviewers: BTreeMap<String, ReviewerTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewerTable {
    pub(super) keys: Vec<Spanned<String>>,
}

/// A kind of task: what it may touch, and how much it may do. Nothing widens it once a task is open.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A task profile of Wicketgate's registry")]
pub(super) struct ProfileFile {
    /// Its name: the stem of this file. `default` is for tasks that nobody opened.
    #[schemars(with = "String", regex(pattern = "^[a-z][a-z0-9_-]{0,63}$"))]
    pub(super) name: Spanned<String>,
    /// What it is for, in words.
    #[serde(default)]
    pub(super) description: String,
    /// How long such a task may stay open, in seconds.
    #[schemars(with = "Option<u64>", range(min = 1, max = 604_800))]
    pub(super) lifetime_s: Option<Spanned<u64>>,
    /// What it may touch. What is not named here is not bounded.
    pub(super) scope: Option<ScopeTable>,
    /// How much it may do. What is not named here has no limit.
    pub(super) limits: Option<Limits>,
}

/// What a task may touch: lists of whole names, in which `*` stands for any run of characters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScopeTable {
    /// Tools, as `server/tool`.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) tools: Option<Spanned<Vec<String>>>,
    /// Servers, by name.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) servers: Option<Spanned<Vec<String>>>,
    /// Resources, by URI in canonical form.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) resources: Option<Spanned<Vec<String>>>,
    /// Scopes of memory servers, as `server/scope`; as `server` where it has a single one.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) memory: Option<Spanned<Vec<String>>>,
    /// Downstream systems, as servers' entries name them.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) systems: Option<Spanned<Vec<String>>>,
    /// Agents that may act in it.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) agents: Option<Spanned<Vec<String>>>,
    /// Users for whom it may be opened.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) users: Option<Spanned<Vec<String>>>,
}

/// The words of this gate, beside those that every gate has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "The vocabulary of Wicketgate's registry")]
pub(super) struct VocabularyFile {
    /// Labels beside `untrusted`, `private`, `secret` and `user`.
    #[serde(default)]
    pub(super) labels: Vec<String>,
    /// Grants beside `owner` and `security`.
    #[serde(default)]
    pub(super) grants: Vec<String>,
}
