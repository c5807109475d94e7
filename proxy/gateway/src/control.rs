//! The control plane: for operators and approvers, on a listener of its own, under the same authentication baseline.
//!
//! It looks, reloads, stages and reviews, opens tasks, stops, halts, and takes people's decisions. Of servers it asks only what
//! they offer, for a scan; no call of an agent's is sent from here. One table holds its routes and describes them.

mod admit;
mod approvals;
mod halts;
mod health;
mod inventory;
mod law;
pub(crate) mod live;
mod passkeys;
mod quarantine;
mod records;
mod shadow;
mod snapshots;
mod said;
mod session;
mod table;
mod tasks;
mod traces;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::record::{Entry, Event};
use pdp::refusal::Refusal;
use pep::ports::Gate;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::approvals::Requests;
use crate::auth::{Borders, Doorkeeper, Visitor};
use crate::config::Role;
use crate::console::{Console, assets};
use crate::desk::shadow::Shadow;
use crate::halt::Halts;
use crate::ledger::SqliteLedger;
use crate::reload::Store;
use crate::telemetry::Exporter;
use crate::upstream::Upstreams;
use table::Routes;

/// What the control plane looks at.
#[derive(Debug)]
pub struct Control {
    /// The pipeline.
    pub gate: Arc<Gate>,
    /// The snapshot.
    pub store: Arc<Store>,
    /// The candidate on live traffic.
    pub shadow: Arc<Shadow>,
    /// Held while a candidate is built: one at a time, so that traffic keeps its processors.
    pub building: Arc<tokio::sync::Mutex<()>>,
    /// Held while recorded traffic is put to a candidate.
    pub replaying: Arc<tokio::sync::Mutex<()>>,
    /// Held while a live server is asked what it offers.
    pub scanning: Arc<tokio::sync::Mutex<()>>,
    /// The ledger's owner.
    pub ledger: Arc<SqliteLedger>,
    /// Where the ledger lies, for readers.
    pub ledger_path: PathBuf,
    /// The servers.
    pub upstreams: Arc<Upstreams>,
    /// The exporter of spans.
    pub exporter: Arc<Exporter>,
    /// Who may come.
    pub doorkeeper: Arc<Doorkeeper>,
    /// Under which names.
    pub borders: Borders,
    /// The halt switches.
    pub halts: Arc<Halts>,
    /// What people are asked for.
    pub approvals: Arc<Requests>,
    /// Where agents connect, to tell them.
    pub agents: SocketAddr,
    /// The console's door.
    pub console: Console,
    /// What goes through the gate now.
    pub(crate) live: live::Live,
    /// Told when the gate stops: open streams end then, or nothing would.
    pub stop: CancellationToken,
}

/// Every route of the API.
fn routes() -> Routes {
    health::routes()
        .merge(table::routes())
        .merge(session::routes())
        .merge(passkeys::routes())
        .merge(records::routes())
        .merge(traces::routes())
        .merge(live::routes())
        .merge(snapshots::routes())
        .merge(shadow::routes())
        .merge(law::routes())
        .merge(inventory::routes())
        .merge(quarantine::routes())
        .merge(tasks::routes())
        .merge(said::routes())
        .merge(halts::routes())
        .merge(approvals::routes())
}

/// Serves the control API and the console until the gate stops.
///
/// # Errors
/// When the listener fails.
pub async fn serve(socket: TcpListener, control: Arc<Control>) -> std::io::Result<()> {
    let stop = control.stop.clone();
    let told = passkeys::watch(Arc::clone(&control));
    let served = routes()
        .router()
        .merge(assets::routes())
        .fallback(|| async {
            error(StatusCode::NOT_FOUND, "no_route", "there is nothing here; see `/v1/openapi.json`")
        })
        .method_not_allowed_fallback(|| async {
            error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this is not asked by that HTTP method")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&control), admit::admit))
        .with_state(control);
    let service = served.into_make_service_with_connect_info::<SocketAddr>();
    let serve = axum::serve(socket, service).with_graceful_shutdown(async move { stop.cancelled().await });
    tokio::join!(serve, told).0
}

fn refusal(refused: &Refusal) -> Response {
    let status = StatusCode::from_u16(refused.code.http_status()).unwrap_or(StatusCode::FORBIDDEN);
    error(status, refused.code.name(), &refused.message)
}

/// What was wrong.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorTold {
    /// One word, for programs.
    #[schema(value_type = String)]
    code: &'static str,
    /// What, where, and what to do, for people.
    message: String,
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

/// Whether a visitor may do what needs this role; else the answer that says so.
fn needs(visitor: &Visitor, role: Role) -> Result<(), Box<Response>> {
    if visitor.role >= Some(role) {
        return Ok(());
    }
    let words = format!("this needs the role {role:?} or a higher one; `{}` has not got it", visitor.principal.agent);
    Err(Box::new(error(StatusCode::FORBIDDEN, "role", &words)))
}

/// Tells the ledger of something that a visitor did at the door.
fn tell(control: &Control, visitor: &Visitor, what: &str, detail: String) {
    let ports = &control.gate.ports;
    let event = Event { by: Some(visitor.principal.key()), ..Event::new(ports.clock.now_us(), what, detail) };
    if let Err(e) = ports.ledger.append(Entry::Event(event)) {
        tracing::error!("`{what}` could not be recorded: {e}");
    }
}

type Asked = axum::Extension<Visitor>;
