//! What is told of servers and tools: as reviewed, and how a live server differs. What servers say is told as it came; whoever
//! shows it marks it as their word.

use pdp::registry::{Server, Tool};
use pdp::snapshot::Snapshot;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::findings::shown;
use crate::history::TurnTold;
use crate::review::{self, Approval, Row, Sheet, Standing};
use crate::{scan, vault};

/// Everything in the registry in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Inventory {
    pub(super) servers: Vec<InventoryServer>,
}

/// A server of the registry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InventoryServer {
    name: String,
    /// The downstream system.
    system: String,
    /// Who answers for it.
    owner: String,
    /// How it is reached: an origin, a command line (values of variables by digest), or `builtin NAME`.
    transport: String,
    /// `untrusted` where its results are, unless a tool says otherwise; else `trusted`.
    #[schema(value_type = String)]
    trust: &'static str,
    /// The labels of its results, unless a tool says otherwise.
    labels: Vec<String>,
    /// Where the secret that it is lent is kept; never the secret.
    credential: Option<String>,
    /// What it was reached as at its last review.
    identity: Option<String>,
    /// Since when and why it is out of use.
    retired: Option<String>,
    /// What its command line leaves open.
    warning: Option<String>,
    tools: Vec<InventoryTool>,
}

/// A tool of the registry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InventoryTool {
    name: String,
    /// As its reviewer judged it.
    #[schema(value_type = Vec<String>)]
    effects: Vec<&'static str>,
    /// The labels of its results.
    labels: Vec<String>,
    /// The arguments that say where an effect goes.
    sinks: Vec<String>,
    /// The digest of the definition.
    pin: String,
    reviewed_by: Option<String>,
    /// The day.
    reviewed_at: Option<String>,
    /// Whether the review is signed.
    signed: bool,
    /// Why it may not be called; nothing where it may.
    withheld: Option<String>,
    /// What the server says it is: a claim.
    description: Option<String>,
}

pub(super) fn server_told(server: &Server) -> InventoryServer {
    InventoryServer {
        name: server.name.clone(),
        system: server.system.clone(),
        owner: server.owner.clone(),
        transport: server.transport.identity(),
        trust: if server.labels.contains("untrusted") { "untrusted" } else { "trusted" },
        labels: server.labels.iter().map(|label| label.as_str().to_owned()).collect(),
        credential: server.credential.as_ref().map(|_| vault::reference(server)),
        identity: server.identity.as_ref().map(|identity| identity.is.clone()),
        retired: server.retired.as_ref().map(ToString::to_string),
        warning: review::unpinned(&server.transport),
        tools: server.tools.values().map(|tool| tool_told(server, tool)).collect(),
    }
}

fn tool_told(server: &Server, tool: &Tool) -> InventoryTool {
    let retired = tool.retired.as_ref().or(server.retired.as_ref());
    InventoryTool {
        name: tool.name.clone(),
        effects: tool.effects.iter().map(|effect| effect.name()).collect(),
        labels: tool.labels.iter().map(|label| label.as_str().to_owned()).collect(),
        sinks: tool.sinks.iter().flatten().cloned().collect(),
        pin: tool.pin.to_string(),
        reviewed_by: tool.review.as_ref().map(|review| review.by.clone()),
        reviewed_at: tool.review.as_ref().map(|review| review.at.clone()),
        signed: tool.signature.is_some(),
        withheld: retired.map(ToString::to_string).or_else(|| tool.withheld.clone()),
        description: serde_json::from_str::<Value>(&tool.definition)
            .ok()
            .and_then(|definition| definition.get("description")?.as_str().map(str::to_owned)),
    }
}

/// A live server beside its review.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScanTold {
    /// What is to be seen of the server itself, in words.
    notes: Vec<String>,
    /// Whether the server itself is under review, not only its tools.
    whole: bool,
    /// The live tools in the server's order, then those that are gone.
    tools: Vec<ScannedTool>,
}

/// A tool of a live server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScannedTool {
    name: String,
    /// `same`, `changed`, `new`, `gone`; `withheld` where the definition is the registry's and it may not be called, `retired`
    /// where it is out of use, `unpinned` where the definition has no canonical form.
    #[schema(value_type = String)]
    status: &'static str,
    /// What is different, in meaning, and what was found in the live definition.
    changes: Vec<String>,
    /// The digest of the live definition, to be sent back with a review.
    pin: Option<String>,
    /// The live definition as the server listed it: its own word. Nothing where it is what was reviewed.
    definition: Option<String>,
}

impl ScanTold {
    pub(super) fn of(sheet: &Sheet) -> Self {
        let mut notes = Vec::new();
        if let Some(reviewed) = sheet.reviewed_identity.as_ref().filter(|reviewed| **reviewed != sheet.identity) {
            notes.push(format!("it was reviewed as {}, and is reached as {}", shown(reviewed), shown(&sheet.identity)));
        }
        if let Some(reviewed) = sheet.reviewed_claim.as_ref().filter(|reviewed| **reviewed != sheet.claim) {
            notes.push(format!("it called itself {reviewed}, and calls itself {}", sheet.claim));
        }
        notes.extend(sheet.retired.as_ref().map(ToString::to_string));
        notes.extend(sheet.unpinned.clone());
        notes.extend(sheet.instructions.iter().map(|finding| format!("its instructions: {finding}")));
        Self { notes, whole: sheet.is_whole(), tools: sheet.rows.iter().map(|row| scanned(sheet, row)).collect() }
    }
}

fn scanned(sheet: &Sheet, row: &Row) -> ScannedTool {
    let (status, mut changes) = match &row.standing {
        Standing::New => ("new", vec![format!("not in the registry of `{}`", sheet.server)]),
        Standing::Changed => ("changed", changes(row)),
        Standing::Withheld(why) => ("withheld", vec![why.clone()]),
        Standing::Retired(why) => ("retired", vec![why.clone()]),
        Standing::Same => ("same", Vec::new()),
        Standing::Gone => ("gone", Vec::new()),
        Standing::Unpinned(why) => ("unpinned", vec![why.clone()]),
    };
    let reviewed = matches!(row.standing, Standing::Same | Standing::Gone);
    if !reviewed {
        changes.extend(row.findings.iter().map(|finding| format!("found: {finding}")));
    }
    ScannedTool {
        name: row.name.clone(),
        status,
        changes,
        pin: row.pin.map(|pin| pin.to_string()),
        definition: (!reviewed).then(|| scan::one_line(&row.definition)),
    }
}

/// Every change in meaning; the sheet's one line where they cannot be told apart.
fn changes(row: &Row) -> Vec<String> {
    if row.changes.is_empty() { vec![row.difference.clone()] } else { row.changes.clone() }
}

/// A review that is in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReviewTold {
    #[serde(flatten)]
    pub(super) turn: TurnTold,
    /// Those of the reviewed tools that may not be called all the same, each with why.
    pub(super) withheld: Vec<String>,
}

impl ReviewTold {
    pub(super) fn still_withheld(snapshot: &Snapshot, server: &str, approvals: &[Approval]) -> Vec<String> {
        let server = snapshot.registry().server(server);
        let tool = |approval: &Approval| server.and_then(|server| server.tools.get(&approval.tool));
        let why = |approval: &Approval| {
            Some(format!("{}: {}", shown(&approval.tool), shown(tool(approval)?.withheld.as_ref()?)))
        };
        approvals.iter().filter_map(why).collect()
    }
}
