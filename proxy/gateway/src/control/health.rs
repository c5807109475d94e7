//! The state of everything, and the snapshot in force; read anew when an operator asks for it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Json, Response};
use pep::ports::{Ledger as _, Snapshots as _};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::snapshots::{aside, refused};
use super::table::Routes;
use super::{Asked, Control, needs};
use crate::config::Role;
use crate::history::TurnTold;
use crate::reload::{LastReload, Refused};

/// The routes of the gate's state.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(health)).with(routes!(snapshot)).with(routes!(reload))
}

/// The state of everything, for people and probes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok` or `degraded`.
    #[schema(value_type = String)]
    status: &'static str,
    /// The digest of the snapshot in force.
    #[schema(value_type = String)]
    snapshot: pdp::digest::Digest,
    /// What the last attempt at another came to.
    last_reload: LastReload,
    /// What is kept of earlier snapshots.
    history: Faulty,
    /// The digest of the candidate in shadow, if there is one.
    #[schema(value_type = Option<String>)]
    shadow: Option<pdp::digest::Digest>,
    /// The ledger.
    ledger: Counted,
    /// What became of spans, as counts.
    telemetry: String,
    /// How many sessions of agents are open.
    channels: usize,
    /// How many tasks are open.
    tasks: usize,
    /// How many halt switches are on.
    halts: usize,
    /// How many child processes run.
    children: usize,
    /// How many further requests may be under way.
    calls_free: usize,
}

/// What is wrong with something.
#[derive(Debug, Serialize, ToSchema)]
struct Faulty {
    /// Nothing where all is well.
    fault: Option<String>,
}

/// What is wrong with something, and its counts.
#[derive(Debug, Serialize, ToSchema)]
struct Counted {
    /// Nothing where all is well.
    fault: Option<String>,
    /// Its counts.
    stats: String,
}

/// How the gate is.
///
/// Needs `viewer`.
#[utoipa::path(get, path = "/v1/health", tag = "gate", responses((status = 200, body = Health, description = "Its state.")))]
async fn health(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    Json(report(&control)).into_response()
}

pub(super) fn report(control: &Control) -> Health {
    let ledger = control.ledger.health().err().map(|e| e.to_string());
    let last_reload = control.store.last();
    let telemetry = control.exporter.stats();
    let stats = control.ledger.stats();
    let history = control.store.history().fault().map(|fault| fault.to_string());
    let well = ledger.is_none() && history.is_none() && last_reload.faults.is_empty();
    Health {
        status: if well { "ok" } else { "degraded" },
        snapshot: control.store.current().digest(),
        last_reload,
        history: Faulty { fault: history },
        shadow: control.shadow.candidate(),
        ledger: Counted { fault: ledger, stats: format!("{stats:?}") },
        telemetry: format!("{telemetry:?}"),
        channels: control.gate.ports.channels.len(),
        tasks: control.gate.ports.tasks.open().len(),
        halts: control.halts.on().len(),
        children: control.upstreams.children(),
        calls_free: control.gate.ports.slots.available_permits(),
    }
}

/// The snapshot in force, and what it holds.
#[derive(Debug, Serialize, ToSchema)]
struct InForce {
    #[serde(flatten)]
    turn: TurnTold,
    /// Its servers.
    servers: Vec<ServerTold>,
    /// What its policies and registry should be looked at for.
    notes: Vec<String>,
}

/// A server of the registry.
#[derive(Debug, Serialize, ToSchema)]
struct ServerTold {
    name: String,
    /// The downstream system.
    system: String,
    /// How many tools it has.
    tools: usize,
    /// Those that may not be called now.
    withheld: Vec<WithheldTool>,
}

/// A tool that may not be called.
#[derive(Debug, Serialize, ToSchema)]
struct WithheldTool {
    tool: String,
    why: String,
}

/// The snapshot in force.
///
/// Needs `viewer`.
#[utoipa::path(get, path = "/v1/snapshot", tag = "gate", responses((status = 200, body = InForce, description = "It.")))]
async fn snapshot(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let (snapshot, turn) = control.store.in_force();
    let server = |server: &pdp::registry::Server| {
        let withheld = server.tools.values().filter_map(|tool| {
            Some(WithheldTool { tool: tool.name.clone(), why: tool.withheld.as_ref()?.to_string() })
        });
        ServerTold {
            name: server.name.clone(),
            system: server.system.clone(),
            tools: server.tools.len(),
            withheld: withheld.collect(),
        }
    };
    let servers = snapshot.registry().servers.values().map(|one| server(one)).collect();
    let notes = snapshot.notes().iter().map(ToString::to_string).collect();
    Json(InForce { turn: turn.told(), servers, notes }).into_response()
}

/// What a reload came to.
#[derive(Debug, Serialize, ToSchema)]
struct Reloaded {
    /// The digest of the snapshot now in force.
    #[schema(value_type = String)]
    snapshot: pdp::digest::Digest,
    /// Whether it is another than before.
    changed: bool,
}

/// Read policies and registry anew.
///
/// What does not build changes nothing. Needs `operator`.
#[utoipa::path(
    post, path = "/v1/reload", tag = "gate",
    responses(
        (status = 200, body = Reloaded, description = "What is now in force."),
        (status = 422, body = super::snapshots::Unbuildable, description = "It does not build; what was in force still is."),
    )
)]
async fn reload(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let by = visitor.principal.key();
    let store = Arc::clone(&control.store);
    match aside(move || store.reload(&by)).await {
        Ok(Ok((snapshot, changed))) => Json(Reloaded { snapshot, changed }).into_response(),
        Ok(Err(faults)) => refused(&control, &Refused::Faults(faults)),
        Err(failed) => *failed,
    }
}
