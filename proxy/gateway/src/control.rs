//! The control plane: for operators, on a listener of its own, under the same authentication baseline.
//!
//! Nothing here can send to a server or approve a call for its own caller; it looks, reloads, opens tasks, stops and halts.

mod halts;
mod quarantine;
mod shadow;
mod snapshots;
mod said;
mod tasks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{get, post};
use pdp::refusal::Refusal;
use pep::ports::{Gate, Ledger as _, Snapshots as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::auth::{Borders, Doorkeeper, Visitor};
use crate::config::Role;
use crate::desk::shadow::Shadow;
use crate::halt::Halts;
use crate::ledger::{Reader, SqliteLedger};
use crate::reload::{Refused, Store};
use crate::story;
use crate::telemetry::Exporter;
use crate::upstream::Upstreams;
use snapshots::aside;

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
    pub building: tokio::sync::Mutex<()>,
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
    /// Where agents connect, to tell them.
    pub agents: SocketAddr,
}

/// Serves the control API until told to stop.
///
/// # Errors
/// When the listener fails.
pub async fn serve(socket: TcpListener, control: Arc<Control>, stop: CancellationToken) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/v1/health", get(health))
        .route("/v1/snapshot", get(snapshot))
        .route("/v1/reload", post(reload))
        .route("/v1/traces/{id}", get(trace))
        .merge(snapshots::routes())
        .merge(shadow::routes())
        .merge(quarantine::routes())
        .merge(tasks::routes())
        .merge(said::routes())
        .merge(halts::routes())
        .fallback(|| async { error(StatusCode::NOT_FOUND, "no_route", "there is nothing here; see `/v1/health`") })
        .method_not_allowed_fallback(|| async {
            error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this is not asked by that HTTP method")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&control), admit))
        .with_state(control);
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(socket, service).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

/// Borders and credentials come before every route.
async fn admit(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    // Read before the first await: a request's body cannot be shared between threads.
    let admitted = {
        let header = |name| request.headers().get(name).and_then(|v: &axum::http::HeaderValue| v.to_str().ok());
        let host = header(HOST).or_else(|| request.uri().authority().map(|a| a.as_str()));
        let now = control.gate.ports.clock.now_us();
        let credential = header(AUTHORIZATION);
        control.borders.check(host, header(ORIGIN)).and_then(|()| control.doorkeeper.admit(credential, peer.ip(), now))
    };
    match admitted {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(refused) => refusal(&refused),
    }
}

fn refusal(refused: &Refusal) -> Response {
    let status = StatusCode::from_u16(refused.code.http_status()).unwrap_or(StatusCode::FORBIDDEN);
    error(status, refused.code.name(), &refused.message)
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

type Asked = axum::Extension<Visitor>;

async fn health(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    Json(report(&control)).into_response()
}

/// The state of everything, for people and probes.
fn report(control: &Control) -> Value {
    let ledger = control.ledger.health().err().map(|e| e.to_string());
    let last = control.store.last();
    let telemetry = control.exporter.stats();
    let stats = control.ledger.stats();
    let history = control.store.history().fault().map(|fault| fault.to_string());
    let well = ledger.is_none() && history.is_none() && last.faults.is_empty();
    json!({
        "status": if well { "ok" } else { "degraded" },
        "snapshot": control.store.current().digest(),
        "last_reload": last,
        "history": { "fault": history },
        "shadow": control.shadow.candidate(),
        "ledger": { "fault": ledger, "stats": format!("{stats:?}") },
        "telemetry": format!("{telemetry:?}"),
        "channels": control.gate.ports.channels.len(),
        "tasks": control.gate.ports.tasks.open().len(),
        "halts": control.halts.on().len(),
        "children": control.upstreams.children(),
        "calls_free": control.gate.ports.slots.available_permits(),
    })
}

async fn snapshot(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let (snapshot, turn) = control.store.in_force();
    let servers: Vec<Value> = snapshot
        .registry()
        .servers
        .values()
        .map(|server| {
            let withheld: Vec<Value> = server
                .tools
                .values()
                .filter_map(|tool| Some(json!({ "tool": tool.name, "why": tool.withheld.as_ref()? })))
                .collect();
            json!({ "name": server.name, "system": server.system, "tools": server.tools.len(), "withheld": withheld })
        })
        .collect();
    let notes: Vec<String> = snapshot.notes().iter().map(ToString::to_string).collect();
    let mut body = turn.told();
    if let Some(members) = body.as_object_mut() {
        members.insert("servers".to_owned(), servers.into());
        members.insert("notes".to_owned(), notes.into());
    }
    Json(body).into_response()
}

async fn reload(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let by = visitor.principal.key();
    let store = Arc::clone(&control.store);
    match aside(move || store.reload(&by)).await {
        Ok(Ok((digest, changed))) => Json(json!({ "snapshot": digest, "changed": changed })).into_response(),
        Ok(Err(faults)) => snapshots::refused(&control, &Refused::Faults(faults)),
        Err(failed) => *failed,
    }
}

async fn trace(State(control): State<Arc<Control>>, visitor: Asked, Path(id): Path<String>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let path = control.ledger_path.clone();
    let found = aside(move || {
        let reader = Reader::open(&path).map_err(|e| e.to_string())?;
        story::find(&reader, &id).map_err(|e| e.to_string())
    })
    .await;
    match found {
        Ok(Ok(entries)) => Json(json!({ "entries": entries })).into_response(),
        Ok(Err(words)) => error(StatusCode::NOT_FOUND, "no_trace", &words),
        Err(failed) => *failed,
    }
}
