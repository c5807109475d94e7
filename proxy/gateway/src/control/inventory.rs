//! What exists, over HTTP: servers and tools as they were reviewed, a live server beside its review, and a review that is put
//! in force.
//!
//! A scan is the command line's: the server is reached as the gate reaches it, and its sheet is the reviewer's. Where reviews
//! are signed, none is made here: a reviewer's key stays with the reviewer. Nothing is approved but what was read: a review
//! names the pin of each definition, and the live one must still have it.

mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::digest::Digest;
use pdp::effect::Effect;
use pdp::registry::{Server, Transport};
use pdp::snapshot::{Snapshot, Sources};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::snapshots::{alone, aside, kept, read, refused};
use super::table::Routes;
use super::tasks::optional;
use super::{Asked, Control, error, needs, tell};
use crate::auth::Visitor;
use crate::clock::rfc3339;
use crate::config::{Role, Signatures};
use crate::findings::shown;
use crate::history::all;
use crate::reload::{Asking, Refused};
use crate::review::{self, Approval, Claim, Files, Recorded, Row, Sheet};
use crate::scan::{self, ScanTransport};
use told::{Inventory, ReviewTold, ScanTold, server_told};

/// How large a review may be: the names, pins and effects of every tool that a scan reads.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How many tools one review may name.
const TOOLS_MAX: usize = 10_000;
/// How long a live server is given.
const PATIENCE: Duration = Duration::from_secs(60);

/// The routes of what exists.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(list)).with(routes!(look)).with(routes!(review_of)).body_max(BODY_BYTES_MAX)
}

type Failed = Box<Response>;

fn failed(status: StatusCode, code: &str, words: &str) -> Failed {
    Box::new(error(status, code, words))
}

/// What exists.
///
/// Every server and tool of the registry in force, as reviewed, without asking any. Needs `viewer`.
#[utoipa::path(get, path = "/v1/inventory", tag = "registry", responses((status = 200, body = Inventory, description = "It.")))]
async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let (snapshot, _) = control.store.in_force();
    let told = aside(move || {
        let servers = snapshot.registry().servers.values().map(|server| server_told(server)).collect();
        Inventory { servers }
    });
    match told.await {
        Ok(told) => Json(told).into_response(),
        Err(failed) => *failed,
    }
}

/// Nothing needs to be said.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScanAsked {}

/// Ask a live server what it offers, and compare it with its review.
///
/// The server is reached with what it is lent for calls. Needs `operator`.
#[utoipa::path(
    post, path = "/v1/inventory/{server}/scan", tag = "registry", request_body = Option<ScanAsked>,
    params(("server" = String, Path, description = "Its name.")),
    responses((status = 200, body = ScanTold, description = "Where it differs."))
)]
async fn look(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let asked = optional::<ScanAsked>(body).and_then(|_| known(&control, &name));
    let sheet = match asked {
        Ok((snapshot, server)) => scanned(&control, &visitor, snapshot, server).await,
        Err(answer) => return *answer,
    };
    match sheet {
        Ok(sheet) => Json(ScanTold::of(&sheet)).into_response(),
        Err(answer) => *answer,
    }
}

/// A server of the registry in force.
fn known(control: &Control, name: &str) -> Result<(Arc<Snapshot>, Arc<Server>), Failed> {
    let (snapshot, _) = control.store.in_force();
    let server = snapshot.registry().server(name).cloned();
    let words = || format!("the registry has no server `{}`; see `/v1/inventory`", shown(name));
    let server = server.ok_or_else(|| failed(StatusCode::NOT_FOUND, "no_server", &words()))?;
    Ok((snapshot, server))
}

/// What a server offers now beside its review. One scan at a time, to its end, also when whoever asked has gone: a child
/// process that was begun is ended as it should be.
async fn scanned(
    control: &Arc<Control>,
    visitor: &Visitor,
    snapshot: Arc<Snapshot>,
    server: Arc<Server>,
) -> Result<Sheet, Failed> {
    if matches!(&server.transport, Transport::Builtin { server } if server == "gate") {
        let words = "the gate's own server is of this version of the gate, and is not scanned";
        return Err(failed(StatusCode::CONFLICT, "built_in", words));
    }
    let Ok(turn) = Arc::clone(&control.scanning).try_lock_owned() else {
        let words = "another server is being scanned; try again";
        return Err(failed(StatusCode::SERVICE_UNAVAILABLE, "busy", words));
    };
    tell(control, visitor, "server_scanned", format!("{} was asked what it offers", server.name));
    let scanning = tokio::spawn(async move {
        let _turn = turn;
        let transport: ScanTransport = scan::transport_of(&server).await?;
        let found = Box::pin(scan::list_tools(&transport, PATIENCE)).await.map_err(|e| e.to_string())?;
        Ok::<_, String>(review::sheet(snapshot.registry(), &server, &found))
    });
    let unreachable = |words: &str| failed(StatusCode::BAD_GATEWAY, "unreachable", words);
    match scanning.await {
        Ok(Ok(sheet)) => Ok(sheet),
        Ok(Err(words)) => Err(unreachable(&words)),
        Err(e) => Err(failed(StatusCode::INTERNAL_SERVER_ERROR, "failed", &format!("it failed: {e}"))),
    }
}

/// A tool that is approved.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ToolReviewed {
    name: String,
    /// What the world sees of a call, as the reviewer judges it: `read`, `write`, `destructive`, `egress`, `spend`,
    /// `memory_read`, `memory_write`, `execute`.
    effects: Vec<String>,
    /// The digest of the definition that was read, as the scan told it.
    #[schema(value_type = String)]
    pin: Digest,
}

/// A review.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReviewAsked {
    tools: Vec<ToolReviewed>,
    /// Why; it is kept with the change.
    reason: String,
    /// The digest of the snapshot that must be in force still; the one in force unless said.
    #[schema(value_type = Option<String>)]
    base: Option<Digest>,
}

/// Review tools, and put the review in force.
///
/// Each definition must be the one that was read. Where reviews are signed it is refused with `signed`: use
/// `wicketgate registry review`. Needs `admin`.
#[utoipa::path(
    post, path = "/v1/inventory/{server}/review", tag = "registry", request_body = ReviewAsked,
    params(("server" = String, Path, description = "Its name.")),
    responses(
        (status = 200, body = ReviewTold, description = "It is in force."),
        (status = 422, body = super::snapshots::Unbuildable, description = "It does not build."),
    )
)]
async fn review_of(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Admin) {
        return *refused;
    }
    match reviewed(&control, &visitor, &name, body).await {
        Ok(told) => Json(told).into_response(),
        Err(answer) => *answer,
    }
}

async fn reviewed(
    control: &Arc<Control>,
    visitor: &Visitor,
    name: &str,
    body: Result<Bytes, BytesRejection>,
) -> Result<ReviewTold, Failed> {
    let asked: ReviewAsked = read(body)?;
    let (snapshot, server) = known(control, name)?;
    // What is scanned is put beside the files that are in force now: a base that is not them would lose theirs.
    let base = snapshot.digest();
    if asked.base.is_some_and(|asked| asked != base) {
        return Err(Box::new(refused(control, &Refused::NotTheBase(Box::new(control.store.in_force().1)))));
    }
    if snapshot.registry().reviewers.is_some() || control.store.signatures() == Signatures::Required {
        let words = format!("reviews are signed here: run `wicketgate registry review {} --key FILE`", server.name);
        return Err(failed(StatusCode::CONFLICT, "signed", &words));
    }
    well_said(&asked)?;
    let name = server.name.clone();
    let sheet = scanned(control, visitor, snapshot, server).await?;
    let approvals = approvals(&sheet, &asked.tools)?;
    let recorded = Recorded {
        by: visitor.principal.key(),
        at: rfc3339(control.gate.ports.clock.now_us()).chars().take(10).collect(),
        identity: sheet.identity.clone(),
        claim: claim(&sheet),
    };
    let asking = Asking { by: visitor.principal.key(), reason: asked.reason };
    let here = Arc::clone(control);
    let done = alone(control, move || {
        let (_, sources) = kept(&here, &base.to_string())?;
        let files = with(&sources, &name, &recorded, &approvals)?;
        let no = |why| Box::new(refused(&here, &why));
        let candidate = here.store.stage(files, Some(base), &asking).map_err(no)?;
        let turn = here.store.promote(candidate.digest, base, &asking).map_err(no)?;
        let (snapshot, _) = here.store.in_force();
        Ok::<_, Failed>((turn, ReviewTold::still_withheld(&snapshot, &name, &approvals)))
    });
    let (turn, withheld) = done.await??;
    if let Some(sight) = control.shadow.end_of(turn.digest) {
        super::shadow::ended(control, &turn.author, &sight);
    }
    Ok(ReviewTold { turn: turn.told(), withheld })
}

/// Whether a review says what it must, all that is missing at once.
fn well_said(asked: &ReviewAsked) -> Result<(), Failed> {
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    if asked.tools.is_empty() || asked.tools.len() > TOOLS_MAX {
        faults.push(format!("name 1 to {TOOLS_MAX} tools"));
    }
    for tool in &asked.tools {
        if !names.insert(&tool.name) {
            faults.push(format!("`{}` stands twice", shown(&tool.name)));
        }
        if tool.effects.is_empty() {
            faults.push(format!("`{}` needs an effect: what the world sees of a call", shown(&tool.name)));
        }
        for word in tool.effects.iter().filter(|word| Effect::ALL.iter().all(|effect| effect.name() != word.as_str())) {
            faults.push(format!("`{}` is no effect; use {}", shown(word), Effect::ALL.map(Effect::name).join(", ")));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(failed(StatusCode::BAD_REQUEST, "bad_request", &faults.join("; ")))
}

/// The approval of exactly what was read.
fn approvals(sheet: &Sheet, tools: &[ToolReviewed]) -> Result<Vec<Approval>, Failed> {
    let conflict = |code: &str, words: &str| failed(StatusCode::CONFLICT, code, words);
    let command = format!("`wicketgate registry review {}`", sheet.server);
    if sheet.is_whole() {
        let words = format!("the server itself is under review, not only its tools: use {command}");
        return Err(conflict("whole", &words));
    }
    let names: Vec<String> = tools.iter().map(|tool| tool.name.clone()).collect();
    let rows = sheet.asked(&names);
    let mut out = Vec::new();
    for tool in tools {
        let name = shown(&tool.name);
        let changed = |row: &&Row| row.name == tool.name && row.pin != Some(tool.pin);
        if sheet.rows.iter().any(|row| changed(&row)) {
            let words =
                format!("`{name}` is not what was read: the server offers another definition by now; scan again");
            return Err(conflict("changed", &words));
        }
        let Some(row) = rows.iter().find(|row| row.name == tool.name) else {
            let words = format!("there is nothing to review of `{name}`");
            return Err(conflict("not_open", &words));
        };
        if row.hides() {
            let words = format!("`{name}` has characters that hide: use {command}, which shows them");
            return Err(conflict("hidden", &words));
        }
        out.push(Approval {
            tool: row.name.clone(),
            definition: row.definition.clone(),
            pin: tool.pin,
            effects: tool.effects.clone(),
            labels: None,
            accepted: Vec::new(),
        });
    }
    Ok(out)
}

/// What is recorded of the server's own word: as it was reviewed, for a review of tools does not show another.
fn claim(sheet: &Sheet) -> Claim {
    sheet.reviewed_claim.clone().unwrap_or_else(|| sheet.claim.clone())
}

/// A bundle's files with the approvals in them.
fn with(
    sources: &Sources,
    server: &str,
    recorded: &Recorded,
    approvals: &[Approval],
) -> Result<BTreeMap<String, String>, Failed> {
    let known = Files::among(&sources.registry, server);
    let approved = review::approved(&known, recorded, approvals);
    let approved = approved.map_err(|e| failed(StatusCode::CONFLICT, "unwritable", &e.to_string()))?;
    let mut files: BTreeMap<String, String> = all(sources).map(|file| (file.path.clone(), file.text.clone())).collect();
    let (entry, tools) = Files::paths(server);
    if !files.contains_key(&entry) {
        let words = format!("the entry of `{server}` does not lie in {entry}, so it cannot be written to");
        return Err(failed(StatusCode::CONFLICT, "unwritable", &words));
    }
    files.insert(entry, approved.registry);
    files.insert(tools, approved.tools);
    Ok(files)
}
