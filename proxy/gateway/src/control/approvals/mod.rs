//! Requests to people over HTTP: looked at, and decided by those who may. A GET never decides; a decision names the digest of
//! what was seen.

mod stream;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::approval::{Barred, Granting, Refusing, Request, StepFault};
use pdp::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::snapshots::{aside, read};
use super::table::Routes;
use super::{Asked, Control, error, needs, passkeys};
use crate::approvals::{DecideFault, Sight};
use crate::auth::Visitor;
use crate::config::Role;
use crate::console::StepUp as _;
use crate::halt::REASON_CHARS_MAX;
use told::{ApprovalLine, ApprovalTold, line, whole};

/// How large a decision may be: a digest, a reason, and a passkey's answer.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How many requests are listed unless said, and at most.
const LISTED: usize = 500;
const LISTED_MAX: usize = 10_000;

/// The routes of approvals.
pub(super) fn routes() -> Routes {
    Routes::new()
        .with(routes!(list))
        .with(routes!(stream::stream))
        .with(routes!(show))
        .with(routes!(approve))
        .with(routes!(deny))
        .body_max(BODY_BYTES_MAX)
}

/// Which requests are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// `pending` unless said, `decided` for those that wait no more, or `all`.
    state: Option<String>,
    /// Of one task, by its id.
    task: Option<String>,
    /// Of one caller: `tenant/agent`, or the agent alone in your tenant.
    principal: Option<String>,
    /// At most so many, the latest: 500 unless said, 10000 at most.
    limit: Option<usize>,
}

/// Requests.
#[derive(Debug, Serialize, ToSchema)]
struct ApprovalsTold {
    /// The latest first.
    approvals: Vec<ApprovalLine>,
}

/// The requests to people.
///
/// Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/approvals", tag = "approvals", params(Wanted),
    responses((status = 200, body = ApprovalsTold, description = "They."))
)]
async fn list(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let wanted = match query {
        Ok(Query(wanted)) => wanted,
        Err(e) => return error(StatusCode::BAD_REQUEST, "bad_request", &e.body_text()),
    };
    let pending = match wanted.state.as_deref() {
        None | Some("pending") => Some(true),
        Some("decided") => Some(false),
        Some("all") => None,
        Some(other) => {
            let words = format!("`{other}` is no state to ask for; use pending, decided or all");
            return error(StatusCode::BAD_REQUEST, "bad_request", &words);
        }
    };
    let own = visitor.principal.tenant.clone();
    let caller = wanted.principal.map(|name| if name.contains('/') { name } else { format!("{own}/{name}") });
    let fits = |request: &Request, about: &crate::approvals::About| {
        request.asker().tenant == own
            && pending.is_none_or(|pending| pending == (request.state().word() == "pending"))
            && wanted.task.as_ref().is_none_or(|task| about.task.id == *task)
            && caller.as_ref().is_none_or(|caller| about.principal.key() == *caller)
    };
    let found = control.approvals.list(fits);
    let limit = wanted.limit.unwrap_or(LISTED).min(LISTED_MAX);
    let rules = control.approvals.rules();
    let approvals = found.iter().take(limit).map(|sight| line(sight, &visitor, rules)).collect();
    Json(ApprovalsTold { approvals }).into_response()
}

/// The request of this id, if it is the visitor's to see.
fn found(control: &Control, visitor: &Visitor, id: &str) -> Result<Sight, Box<Response>> {
    let sight = control.approvals.find(id).filter(|sight| visitor.sees(&sight.request.asker().tenant));
    sight.ok_or_else(|| Box::new(refused(&DecideFault::Unknown(id.to_owned()))))
}

/// One request, with everything that people need to decide.
///
/// That an approver looked is recorded, once for each of them. It decides nothing. Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/approvals/{id}", tag = "approvals",
    params(("id" = String, Path, description = "The request's id.")),
    responses((status = 200, body = ApprovalTold, description = "It."))
)]
async fn show(State(control): State<Arc<Control>>, visitor: Asked, Path(id): Path<String>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let sight = match found(&control, &visitor, &id) {
        Ok(sight) => sight,
        Err(answer) => return *answer,
    };
    if visitor.role >= Some(Role::Approver) {
        control.approvals.viewed(&id, &visitor.principal.key());
    }
    answered(&control, visitor.0, sight).await
}

/// A request as this visitor sees it, with what went before.
async fn answered(control: &Arc<Control>, visitor: Visitor, sight: Sight) -> Response {
    let asked = Arc::clone(control);
    let told = aside(move || {
        let before = told::before(&asked.ledger_path, &sight);
        whole(&sight, &visitor, asked.approvals.rules(), before)
    });
    match told.await {
        Ok(told) => Json(told).into_response(),
        Err(failed) => *failed,
    }
}

/// A yes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Approving {
    /// The digest of the request as it was seen.
    #[schema(value_type = String)]
    digest: Digest,
    /// The grants to give, one at least; all that the visitor may give unless said.
    #[serde(default)]
    grants: Option<BTreeSet<String>>,
    /// For how many of the identical calls that ask; one unless said.
    #[serde(default)]
    uses: Option<u32>,
    /// Why, at most 500 characters.
    #[serde(default)]
    note: Option<String>,
    /// The passkey's answer to the options of a 428.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    step_up: Option<Value>,
}

/// Say yes.
///
/// With everything given that the request asks for, the call goes on, or the identical call when it comes. 409 `changed`
/// when the request is not what was seen, `decided` when somebody was faster, `withheld` when its sensitive arguments were
/// not kept over a restart and the call has not come again; 403 `own_request` or `not_yours_to_give`; 428
/// `step_up` with the options for a passkey. Needs `approver`.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/approve", tag = "approvals", request_body = Approving,
    params(("id" = String, Path, description = "The request's id.")),
    responses(
        (status = 200, body = ApprovalTold, description = "The request as it stands now."),
        (status = 428, body = passkeys::StepUpAsked, description = "A passkey is asked for.")
    )
)]
async fn approve(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Approver) {
        return *refused;
    }
    let asked: Approving = match read(body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let note = asked.note.unwrap_or_default();
    if note.chars().count() > REASON_CHARS_MAX {
        return too_long("note");
    }
    let (digest, uses) = (asked.digest, asked.uses.unwrap_or(1));
    let mut granting = Granting { digest, grants: asked.grants, uses, note, stepped_up: false };
    let (grants, steps_up) = match control.approvals.would_give(&id, &visitor.principal, &granting) {
        Ok(would) => would,
        Err(fault) => return refused(&fault),
    };
    if steps_up {
        // What is proved is proved for these grants and so many uses, and no others.
        let bound = json!([digest, grants, uses]).to_string();
        let bound = (id.clone(), Digest::of_bytes(bound.as_bytes()));
        if let Err(answer) = stepped_up(&control, &visitor, bound, asked.step_up).await {
            return *answer;
        }
        granting.stepped_up = true;
    }
    granting.grants = Some(grants);
    match control.approvals.approve(&id, &visitor.principal, &granting).await {
        Ok(sight) => answered(&control, visitor.0, sight).await,
        Err(fault) => refused(&fault),
    }
}

/// The second proof of one thing: asked for, or checked.
async fn stepped_up(
    control: &Control,
    visitor: &Visitor,
    (id, bound): (String, Digest),
    proof: Option<Value>,
) -> Result<(), Box<Response>> {
    let (all, principal) = (Arc::clone(&control.console.passkeys), Arc::clone(&visitor.principal));
    let now_us = control.gate.ports.clock.now_us();
    let done = aside(move || match proof {
        Some(proof) => all.finish(&principal, &id, bound, &proof, now_us).map(|()| None),
        None => all.begin(&principal, &id, bound, now_us).map(Some),
    });
    match done.await? {
        Ok(None) => Ok(()),
        Ok(Some(options)) => Err(Box::new(passkeys::step_up(options))),
        Err(fault) => Err(Box::new(passkeys::refused(&fault))),
    }
}

/// A no.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Denying {
    /// The digest of the request as it was seen.
    #[schema(value_type = String)]
    digest: Digest,
    /// Why, 1 to 500 characters. The agent is told.
    reason: String,
}

/// Say no.
///
/// It is final, and answers the same call again for as long as is configured. Needs `approver`.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/deny", tag = "approvals", request_body = Denying,
    params(("id" = String, Path, description = "The request's id.")),
    responses((status = 200, body = ApprovalTold, description = "The request as it stands now."))
)]
async fn deny(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Approver) {
        return *refused;
    }
    let Denying { digest, reason } = match read(body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let reason = reason.trim().to_owned();
    if reason.is_empty() {
        return error(StatusCode::BAD_REQUEST, "bad_request", "`reason` is empty; say why, the agent is told");
    }
    if reason.chars().count() > REASON_CHARS_MAX {
        return too_long("reason");
    }
    match control.approvals.deny(&id, &visitor.principal, &Refusing { digest, reason }).await {
        Ok(sight) => answered(&control, visitor.0, sight).await,
        Err(fault) => refused(&fault),
    }
}

fn too_long(name: &str) -> Response {
    let words = format!("`{name}` has more than {REASON_CHARS_MAX} characters; shorten it");
    error(StatusCode::BAD_REQUEST, "bad_request", &words)
}

/// Why a decision does not count, as an answer.
fn refused(fault: &DecideFault) -> Response {
    let (status, code) = match fault {
        DecideFault::Unknown(_) => (StatusCode::NOT_FOUND, "no_approval"),
        DecideFault::Step(StepFault::Decided(_)) => (StatusCode::CONFLICT, "decided"),
        DecideFault::Step(StepFault::Changed) => (StatusCode::CONFLICT, "changed"),
        DecideFault::Step(StepFault::Barred { why, .. }) => match why {
            Barred::Own => (StatusCode::FORBIDDEN, "own_request"),
            Barred::Given | Barred::NotAsked => (StatusCode::CONFLICT, "decided"),
            Barred::Unlisted | Barred::Tenant => (StatusCode::FORBIDDEN, "not_yours_to_give"),
        },
        DecideFault::Step(StepFault::StepUp(_)) => (StatusCode::PRECONDITION_REQUIRED, "step_up"),
        DecideFault::Step(StepFault::Uses | StepFault::Nothing) | DecideFault::Uses { .. } => {
            (StatusCode::BAD_REQUEST, "bad_request")
        }
        DecideFault::Withheld => (StatusCode::CONFLICT, "withheld"),
        DecideFault::Ledger(_) => (StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable"),
        DecideFault::Kept(_) => (StatusCode::INTERNAL_SERVER_ERROR, "not_kept"),
    };
    error(status, code, &fault.to_string())
}
