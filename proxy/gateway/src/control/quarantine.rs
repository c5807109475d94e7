//! Results that are withheld, over HTTP: looked at, without what they are, and released. Nobody releases what was withheld
//! from themselves.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{get, post};
use pdp::record::Entry;
use pep::{ReleaseFault, Withheld};
use serde::Deserialize;
use serde_json::{Value, json};

use super::tasks::optional;
use super::{Asked, Control, error, needs};
use crate::config::Role;
use crate::halt::REASON_CHARS_MAX;

/// The routes of the quarantine.
pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new().route("/v1/quarantine", get(list)).route("/v1/quarantine/{record}/release", post(release))
}

fn told(one: &Withheld) -> Value {
    json!({
        "record": one.record,
        "principal": one.owner,
        "task": one.task,
        "trace": one.trace,
        "server": one.server,
        "tool": one.tool,
        "bytes": one.bytes,
        "why": one.why,
        "at_us": one.at_us,
        "released_by": one.released_by,
    })
}

async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let ports = &control.gate.ports;
    let all: Vec<Value> = ports.quarantine.list(ports.clock.now_us()).iter().map(told).collect();
    Json(json!({ "withheld": all })).into_response()
}

/// Why a result is released.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Releasing {
    reason: String,
}

async fn release(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(named): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let Ok(record) = named.parse::<u64>() else {
        return error(StatusCode::BAD_REQUEST, "bad_request", "name the record by its number; see `/v1/quarantine`");
    };
    let reason: String = match optional(body) {
        Ok(Releasing { reason }) => reason.chars().take(REASON_CHARS_MAX).collect(),
        Err(answer) => return *answer,
    };
    let ports = &control.gate.ports;
    let (by, now_us) = (visitor.principal.key(), ports.clock.now_us());
    let (one, event) = match ports.quarantine.releasable(record, &by, &reason, now_us) {
        Ok(found) => found,
        Err(fault) => return refused(&fault),
    };
    // Its call must be made again to find it, and in a task that is over no call is.
    if ports.tasks.find(&one.task).is_none_or(|task| task.over(now_us).is_some()) {
        let words = format!("the task `{}` of record {record} is over, so nobody can fetch the result", one.task);
        return error(StatusCode::CONFLICT, "task_over", &words);
    }
    // On disk first: what cannot be recorded is not released.
    if let Err(fault) = ports.ledger.commit(Entry::Event(event)).await {
        let words = format!("the release cannot be recorded ({fault}), so it is not made");
        return error(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", &words);
    }
    match ports.quarantine.release(record, &by, now_us) {
        Ok(released) => Json(told(&released)).into_response(),
        Err(fault) => {
            tracing::warn!(trace_id = %one.trace, "record {record} was to be released: {fault}");
            refused(&fault)
        }
    }
}

fn refused(fault: &ReleaseFault) -> Response {
    match fault {
        ReleaseFault::Unknown(_) => error(StatusCode::NOT_FOUND, "not_withheld", &fault.to_string()),
        ReleaseFault::Already(..) => error(StatusCode::CONFLICT, "released", &fault.to_string()),
        ReleaseFault::Own(_) => error(StatusCode::FORBIDDEN, "own_call", &fault.to_string()),
    }
}
