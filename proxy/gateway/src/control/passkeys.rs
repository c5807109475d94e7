//! The visitor's own passkeys over HTTP: listed, added, removed. Adding a further one, and removing one, needs a proof by one
//! that is there.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::snapshots::read;
use super::table::Routes;
use super::tasks::optional;
use super::{Asked, Control, ErrorTold, error, needs, tell};
use crate::clock::rfc3339;
use crate::config::Role;
use crate::console::passkeys::PasskeyNote;
use crate::console::{Passkeys, StepUpFault};

/// How large a request may be: an authenticator's answer with a certificate or two.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The routes of passkeys.
pub(super) fn routes() -> Routes {
    let all = Routes::new().with(routes!(list, add)).with(routes!(begin)).with(routes!(remove));
    all.body_max(BODY_BYTES_MAX)
}

/// A passkey.
#[derive(Debug, Serialize, ToSchema)]
struct PasskeyTold {
    /// Its credential id, as base64url.
    id: String,
    /// What its owner calls it.
    name: String,
    /// When it was added, RFC 3339.
    added: String,
    /// When it was used last, RFC 3339.
    used: Option<String>,
}

/// Your passkeys.
#[derive(Debug, Serialize, ToSchema)]
struct PasskeysTold {
    passkeys: Vec<PasskeyTold>,
    /// Why there can be none here, and what to do; nothing where there can.
    unusable: Option<String>,
}

/// A proof by a passkey that is there.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct PasskeyProof {
    /// The `PublicKeyCredential` that answers the challenge of the 428.
    #[schema(value_type = Option<Object>)]
    step_up: Option<Value>,
}

/// A passkey to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasskeyAsked {
    /// What to call it.
    name: String,
    /// The `PublicKeyCredential` that the browser made.
    #[schema(value_type = Object)]
    credential: Value,
}

/// A proof is needed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StepUpAsked {
    error: ErrorTold,
    /// `PublicKeyCredentialRequestOptions`: what the browser is to be asked for.
    #[schema(value_type = Object)]
    step_up: Value,
}

fn told(note: PasskeyNote) -> PasskeyTold {
    let PasskeyNote { id, name, added_us, used_us } = note;
    PasskeyTold { id, name, added: rfc3339(added_us), used: used_us.map(rfc3339) }
}

/// The answer that asks for a proof.
pub(super) fn step_up(options: Value) -> Response {
    let message = "prove it is you with a passkey, and send the request again with the answer as `step_up`".to_owned();
    let body = StepUpAsked { error: ErrorTold { code: "step_up", message }, step_up: options };
    (StatusCode::PRECONDITION_REQUIRED, Json(body)).into_response()
}

/// A fault as an answer.
pub(super) fn refused(fault: &StepUpFault) -> Response {
    let (status, code) = match fault {
        StepUpFault::Unusable(_) => (StatusCode::CONFLICT, "no_passkeys_here"),
        StepUpFault::NoPasskey(_) => (StatusCode::CONFLICT, "no_passkey"),
        StepUpFault::NoChallenge => (StatusCode::CONFLICT, "no_challenge"),
        StepUpFault::Refused(_) | StepUpFault::Copied => (StatusCode::FORBIDDEN, "passkey_refused"),
        StepUpFault::StepUpNeeded => (StatusCode::PRECONDITION_REQUIRED, "step_up"),
        StepUpFault::Unfit(_) => (StatusCode::BAD_REQUEST, "bad_request"),
        StepUpFault::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_passkey"),
        StepUpFault::Unkept(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_kept"),
    };
    error(status, code, &fault.to_string())
}

/// A fault as an answer; where a proof is needed, with its challenge.
fn refused_or_asked(fault: &StepUpFault, challenge: impl FnOnce() -> Result<Value, StepUpFault>) -> Response {
    if *fault != StepUpFault::StepUpNeeded {
        return refused(fault);
    }
    challenge().map_or_else(|fault| refused(&fault), step_up)
}

fn passkeys<'c>(control: &'c Control, visitor: &Asked) -> Result<(&'c Passkeys, i64), Box<Response>> {
    needs(visitor, Role::Viewer)?;
    Ok((&control.console.passkeys, control.gate.ports.clock.now_us()))
}

/// Your passkeys.
///
/// Needs `viewer`.
#[utoipa::path(get, path = "/v1/passkeys", tag = "session", responses((status = 200, body = PasskeysTold, description = "They.")))]
async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    let (all, _) = match passkeys(&control, &visitor) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let passkeys = all.of(&visitor.principal).into_iter().map(told).collect();
    Json(PasskeysTold { passkeys, unusable: all.unusable().map(str::to_owned) }).into_response()
}

/// Begin to add a passkey.
///
/// Where you have one already it is asked for first. Needs `viewer`.
#[utoipa::path(
    post, path = "/v1/passkeys/begin", operation_id = "begin_passkey", tag = "session", request_body = Option<PasskeyProof>,
    responses(
        (status = 200, body = Object, description = "`PublicKeyCredentialCreationOptions`, for the browser."),
        (status = 428, body = StepUpAsked, description = "Prove it is you by a passkey that is there."),
    )
)]
async fn begin(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    let asked = passkeys(&control, &visitor).and_then(|found| Ok((found, optional::<PasskeyProof>(body)?)));
    let ((all, now_us), PasskeyProof { step_up }) = match asked {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    match all.register(&visitor.principal, step_up.as_ref(), now_us) {
        Ok(options) => Json(options).into_response(),
        Err(fault) => refused_or_asked(&fault, || all.begin_to_add(&visitor.principal, now_us)),
    }
}

/// Add the passkey that was begun.
///
/// Needs `viewer`.
#[utoipa::path(
    post, path = "/v1/passkeys", operation_id = "add_passkey", tag = "session", request_body = PasskeyAsked,
    responses((status = 201, body = PasskeyTold, description = "It is yours."))
)]
async fn add(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    let asked = passkeys(&control, &visitor).and_then(|found| Ok((found, read::<PasskeyAsked>(body)?)));
    let ((all, now_us), PasskeyAsked { name, credential }) = match asked {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    match all.add(&visitor.principal, &name, &credential, now_us) {
        Ok(note) => {
            tell(&control, &visitor, "passkey_added", format!("{} ({})", note.name, note.id));
            (StatusCode::CREATED, Json(told(note))).into_response()
        }
        Err(fault) => refused(&fault),
    }
}

/// Remove a passkey of yours.
///
/// It or another one is asked for first. Needs `viewer`.
#[utoipa::path(
    delete, path = "/v1/passkeys/{id}", operation_id = "remove_passkey", tag = "session", request_body = Option<PasskeyProof>,
    params(("id" = String, Path, description = "Its credential id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 428, body = StepUpAsked, description = "Prove it is you by a passkey that is there."),
    )
)]
async fn remove(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let asked = passkeys(&control, &visitor).and_then(|found| Ok((found, optional::<PasskeyProof>(body)?)));
    let ((all, now_us), PasskeyProof { step_up }) = match asked {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    match all.remove(&visitor.principal, &id, step_up.as_ref(), now_us) {
        Ok(()) => {
            tell(&control, &visitor, "passkey_removed", id);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(fault) => refused_or_asked(&fault, || all.begin_to_remove(&visitor.principal, &id, now_us)),
    }
}
