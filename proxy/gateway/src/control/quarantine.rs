//! Results that are withheld, over HTTP: looked at, without what they are, and released. Nobody releases what was withheld
//! from themselves.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::record::Entry;
use pep::{ReleaseFault, Withheld};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::table::Routes;
use super::tasks::optional;
use super::{Asked, Control, error, needs};
use crate::config::Role;
use crate::halt::REASON_CHARS_MAX;

/// The routes of the quarantine.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(list)).with(routes!(release))
}

/// A result that is withheld, without what it is.
#[derive(Debug, Serialize, ToSchema)]
struct WithheldTold {
    /// The number of its record.
    record: u64,
    /// The key of the principal that called, `tenant/agent`.
    principal: String,
    task: String,
    trace: String,
    server: String,
    tool: String,
    /// How large it is.
    bytes: usize,
    why: String,
    /// When, in microseconds since 1970-01-01T00:00Z.
    at_us: i64,
    /// Who released it, if somebody did.
    released_by: Option<String>,
}

/// What is withheld.
#[derive(Debug, Serialize, ToSchema)]
struct AllWithheld {
    withheld: Vec<WithheldTold>,
}

fn told(one: &Withheld) -> WithheldTold {
    WithheldTold {
        record: one.record,
        principal: one.owner.clone(),
        task: one.task.clone(),
        trace: one.trace.clone(),
        server: one.server.clone(),
        tool: one.tool.clone(),
        bytes: one.bytes,
        why: one.why.clone(),
        at_us: one.at_us,
        released_by: one.released_by.clone(),
    }
}

/// The results that are withheld.
///
/// Needs `viewer`.
#[utoipa::path(get, path = "/v1/quarantine", tag = "quarantine", responses((status = 200, body = AllWithheld, description = "They.")))]
async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let ports = &control.gate.ports;
    let all = ports.quarantine.list(ports.clock.now_us());
    let withheld = all.iter().filter(|one| visitor.sees_key(&one.owner)).map(told).collect();
    Json(AllWithheld { withheld }).into_response()
}

/// Why a result is released.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Releasing {
    /// In a few words, for the record.
    reason: String,
}

/// Release a result to whoever called.
///
/// Nobody releases what was withheld from themselves, from an agent of theirs, or in a task that they opened. Needs
/// `operator`.
#[utoipa::path(
    post, path = "/v1/quarantine/{record}/release", tag = "quarantine",
    params(("record" = u64, Path, description = "The number of its record.")),
    request_body(content = Releasing, description = "May be left out."),
    responses((status = 200, body = WithheldTold, description = "It is released."))
)]
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
    let (by, now_us) = (&visitor.principal, ports.clock.now_us());
    let hidden = |one: &Withheld| one.record == record && !visitor.sees_key(&one.owner);
    if ports.quarantine.list(now_us).iter().any(hidden) {
        return refused(&ReleaseFault::Unknown(record));
    }
    let (one, event) = match ports.quarantine.releasable(record, by, &reason, now_us) {
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
    match ports.quarantine.release(record, by, now_us) {
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
