//! `wicketgate.toml` as written, before any meaning is given to it. Its JSON Schema is made from these types; what it says
//! of a member is its comment here.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use pdp::task::Limits as Budget;

use super::notices::NoticeTable;
use super::{Limits, Role, Signatures};

/// The gate's own configuration. Everything has a default. What changes while traffic flows, policies and registry, is in
/// the directories it names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Wicketgate's configuration")]
pub(super) struct Written {
    /// Where agents connect: an IP address and a port, `127.0.0.1:8640` unless said.
    #[schemars(with = "Option<String>")]
    pub(super) listen: Option<Spanned<String>>,
    /// Names beside the listener's own that `Host` may have.
    #[serde(default)]
    pub(super) allowed_hosts: BTreeSet<String>,
    /// Origins that browsers may come from; none unless said.
    #[serde(default)]
    pub(super) allowed_origins: BTreeSet<String>,
    /// The directory of `*.cedar` files, relative to this file. `policies` and `registry` belong together.
    pub(super) policies: Option<String>,
    /// The directory of `servers/*.toml` and `vocabulary.toml`, relative to this file.
    pub(super) registry: Option<String>,
    /// When each review must bear its reviewer's signature: `where_named`, which is where the registry has a `reviewers.toml`,
    /// unless said; or `required`, so that a registry without that file is a fault.
    #[serde(default)]
    pub(super) signatures: Signatures,
    /// Where the ledger, tokens' digests, secrets and backups are kept; the XDG state directory unless said.
    pub(super) data: Option<String>,
    /// The control plane.
    #[serde(default)]
    pub(super) control: ControlTable,
    /// The console, and whoever signs in to it.
    #[serde(default)]
    pub(super) console: ConsoleTable,
    /// How approvals are asked for.
    #[serde(default)]
    pub(super) approvals: ApprovalsTable,
    /// Who may come. Without any, tokens are made at the first start.
    #[serde(default)]
    #[schemars(with = "Vec<PrincipalTable>")]
    pub(super) principals: Vec<Spanned<PrincipalTable>>,
    /// The bounds: everything is bounded.
    #[schemars(with = "Option<Limits>")]
    pub(super) limits: Option<Spanned<Limits>>,
    /// When an implicit task ends, and how it is found.
    #[serde(default)]
    pub(super) tasks: TasksTable,
    /// What spans say. Where they are sent is told by the `OTEL_*` variables.
    #[serde(default)]
    pub(super) telemetry: TelemetryTable,
    /// Where people are told that something waits for them. A notice links to the console and decides nothing.
    #[serde(default)]
    #[schemars(with = "Vec<NoticeTable>")]
    pub(super) notices: Vec<Spanned<NoticeTable>>,
}

/// The control plane.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ControlTable {
    /// Where operators connect: an IP address and a port, `127.0.0.1:8641` unless said.
    #[schemars(with = "Option<String>")]
    pub(super) listen: Option<Spanned<String>>,
}

/// The console, and whoever signs in to it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ConsoleTable {
    /// After how many seconds without a request a browser is signed out: 60 to 86400, 3600 unless said.
    #[schemars(with = "Option<u64>", range(min = 60, max = 86_400))]
    pub(super) session_idle_s: Option<Spanned<u64>>,
    /// After how many seconds it is signed out in any case: 60 to 2592000, 43200 unless said.
    #[schemars(with = "Option<u64>", range(min = 60, max = 2_592_000))]
    pub(super) session_s: Option<Spanned<u64>>,
}

/// How approvals are asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ApprovalsTable {
    /// Where people reach the console, such as `https://gate.example:8641`: what links are made of, and to what name passkeys
    /// belong. `http://localhost` with the port of the control listener unless said.
    #[schemars(with = "Option<String>")]
    pub(super) console_url: Option<Spanned<String>>,
    /// How long, in seconds, a call is held for people while its client sees no progress: 0 to 3600, 45 unless said. Clients
    /// give up after a minute or so; the same call finds the decision later.
    #[schemars(with = "Option<u64>", range(max = 3600))]
    pub(super) hold_s: Option<Spanned<u64>>,
    /// How long, in seconds, for a client that asked for progress: 0 to 86400, 540 unless said. Some
    /// give up after ten minutes, whatever they see.
    #[schemars(with = "Option<u64>", range(max = 86_400))]
    pub(super) hold_progress_s: Option<Spanned<u64>>,
    /// After how many seconds a request that nobody decides expires: 1 to 2592000, 3600 unless said.
    #[schemars(with = "Option<u64>", range(min = 1, max = 2_592_000))]
    pub(super) pending_s: Option<Spanned<u64>>,
    /// Within how many seconds what is granted must be used: 1 to 86400, 600 unless said.
    #[schemars(with = "Option<u64>", range(min = 1, max = 86_400))]
    pub(super) granted_s: Option<Spanned<u64>>,
    /// For how many seconds a no answers the same call again: 0 to 2592000, 3600 unless said.
    #[schemars(with = "Option<u64>", range(max = 2_592_000))]
    pub(super) refused_s: Option<Spanned<u64>>,
    /// How many requests may wait for people: 1 to 100000, 10000 unless said.
    #[schemars(with = "Option<u64>", range(min = 1, max = 100_000))]
    pub(super) pending_max: Option<Spanned<u64>>,
    /// How many of one principal: 1 to 100000, 50 unless said.
    #[schemars(with = "Option<u64>", range(min = 1, max = 100_000))]
    pub(super) pending_per_principal_max: Option<Spanned<u64>>,
    /// How many of one task: 1 to 100000, 20 unless said.
    #[schemars(with = "Option<u64>", range(min = 1, max = 100_000))]
    pub(super) pending_per_task_max: Option<Spanned<u64>>,
    /// Who may give which grant, by the grants that policies ask for with `@approval`. What is not named here every approver of
    /// the tenant may give alone.
    #[schemars(with = "BTreeMap<String, GrantTable>")]
    pub(super) grants: BTreeMap<String, Spanned<GrantTable>>,
}

/// Who may give one grant.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GrantTable {
    /// How many different persons must give it: 1 to 10, 1 unless said.
    #[schemars(with = "Option<u32>", range(min = 1, max = 10))]
    pub(super) quorum: Option<u32>,
    /// Who may give it: principals (`agent`, or `tenant/agent`) and teams (`team:NAME`), each with the role `approver`. Every
    /// approver of the tenant unless said.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) approvers: Option<Vec<Spanned<String>>>,
    /// Whether whoever gives it proves each time, with a passkey, that it is they.
    pub(super) step_up: bool,
    /// Whether the person that the agent acts for may give it. Else nobody approves their own request.
    pub(super) owner: bool,
}

/// Somebody who may come.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PrincipalTable {
    /// The agent's name, Cedar's `Gate::Agent`.
    pub(super) agent: String,
    /// The teams it belongs to, Cedar's `Gate::Team`.
    #[serde(default)]
    pub(super) teams: Vec<String>,
    /// The person it acts for.
    #[serde(default)]
    pub(super) user: String,
    /// The tenant.
    #[serde(default = "default_tenant")]
    pub(super) tenant: String,
    /// What it may do on the control plane: `viewer`, `member`, `operator`, `approver`, `admin`; each includes those
    /// before it.
    #[serde(default)]
    #[schemars(with = "Vec<Role>")]
    pub(super) roles: Vec<Spanned<String>>,
    /// How much it may do, over all its tasks together. What goes beyond is refused and ends no task; `elapsed_s` says after
    /// how many seconds the counts begin anew, a day unless said.
    pub(super) limits: Option<Budget>,
    /// The SHA-256 of its token, as 64 hexadecimal digits: `printf %s TOKEN | sha256sum`.
    #[schemars(with = "String", regex(pattern = "^(sha256:)*[0-9A-Fa-f]{64}$"))]
    pub(super) token_sha256: Spanned<String>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

/// Implicit tasks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TasksTable {
    /// After how many minutes without a call a rolling task ends.
    pub(super) idle_minutes: u64,
    /// Whether an incoming trace id opens a task of its own. Set it to false where hosts are not trusted that far.
    pub(super) by_trace: bool,
}

impl Default for TasksTable {
    fn default() -> Self {
        Self { idle_minutes: 30, by_trace: true }
    }
}

/// What spans say.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TelemetryTable {
    /// Whether arguments are written on spans.
    pub(super) arguments: bool,
}
