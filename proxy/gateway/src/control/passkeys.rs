//! The visitor's own passkeys over HTTP: listed, added, removed. A first one needs a code that was made on this machine; adding
//! a further one, and removing one, needs a proof by one that is there.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::principal::Principal;
use pdp::record::{Entry, Event};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::snapshots::{aside, read};
use super::table::Routes;
use super::tasks::optional;
use super::{Asked, Control, ErrorTold, error, needs, tell};
use crate::clock::rfc3339;
use crate::config::Role;
use crate::console::passkeys::{Act, PasskeyNote};
use crate::console::{Passkeys, StepUpFault};

/// How large a request may be: an authenticator's answer with a certificate or two.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// How often the ledger is told what the command line did.
const EACH: Duration = Duration::from_secs(2);

/// Who did it, as the ledger says: whoever may write the data directory.
const MACHINE: &str = "the command line";

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
    /// The name of the console it was made for: browsers find it nowhere else.
    site: String,
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

/// By what a passkey is to be added.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct PasskeyBegun {
    /// The code that `wicketgate passkeys invite` printed, for a first one.
    code: Option<String>,
    /// The `PublicKeyCredential` that answers the challenge of the 428, for a further one.
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
    let PasskeyNote { id, name, added_us, used_us, site } = note;
    PasskeyTold { id, name, added: rfc3339(added_us), used: used_us.map(rfc3339), site }
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
        StepUpFault::NoPasskey(_) | StepUpFault::Elsewhere { .. } => (StatusCode::CONFLICT, "no_passkey"),
        StepUpFault::CodeNeeded(_) => (StatusCode::FORBIDDEN, "code_needed"),
        StepUpFault::WrongCode(_) => (StatusCode::FORBIDDEN, "wrong_code"),
        StepUpFault::NoChallenge => (StatusCode::CONFLICT, "no_challenge"),
        StepUpFault::Refused(_) | StepUpFault::Copied => (StatusCode::FORBIDDEN, "passkey_refused"),
        StepUpFault::StepUpNeeded => (StatusCode::PRECONDITION_REQUIRED, "step_up"),
        StepUpFault::Unfit(_) => (StatusCode::BAD_REQUEST, "bad_request"),
        StepUpFault::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_passkey"),
        StepUpFault::Unkept(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_kept"),
    };
    error(status, code, &fault.to_string())
}

/// What came of something that may need a proof.
enum Outcome<T> {
    Done(T),
    /// Nothing yet: this is to be answered first.
    Prove(Value),
}

/// Where a proof is needed, its challenge.
fn or_prove<T>(
    done: Result<T, StepUpFault>,
    challenge: impl FnOnce() -> Result<Value, StepUpFault>,
) -> Result<Outcome<T>, StepUpFault> {
    match done {
        Err(StepUpFault::StepUpNeeded) => challenge().map(Outcome::Prove),
        done => done.map(Outcome::Done),
    }
}

/// Does what waits for the disk.
async fn carried_out<T: Send + 'static>(
    task: impl FnOnce() -> Result<Outcome<T>, StepUpFault> + Send + 'static,
) -> Result<T, Box<Response>> {
    match aside(task).await? {
        Ok(Outcome::Done(done)) => Ok(done),
        Ok(Outcome::Prove(options)) => Err(Box::new(step_up(options))),
        Err(fault) => Err(Box::new(refused(&fault))),
    }
}

fn passkeys(control: &Control, visitor: &Asked) -> Result<(Arc<Passkeys>, Arc<Principal>, i64), Box<Response>> {
    needs(visitor, Role::Viewer)?;
    let now_us = control.gate.ports.clock.now_us();
    Ok((Arc::clone(&control.console.passkeys), Arc::clone(&visitor.principal), now_us))
}

/// Your passkeys.
///
/// Needs `viewer`.
#[utoipa::path(get, path = "/v1/passkeys", tag = "session", responses((status = 200, body = PasskeysTold, description = "They.")))]
async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    let (all, principal, _) = match passkeys(&control, &visitor) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let unusable = all.unusable().map(str::to_owned);
    match carried_out(move || all.of(&principal).map(Outcome::Done)).await {
        Ok(found) => Json(PasskeysTold { passkeys: found.into_iter().map(told).collect(), unusable }).into_response(),
        Err(answer) => *answer,
    }
}

/// Begin to add a passkey.
///
/// A first one needs the code of an invitation; where you have one already it is asked for. Needs `viewer`.
#[utoipa::path(
    post, path = "/v1/passkeys/begin", operation_id = "begin_passkey", tag = "session", request_body = Option<PasskeyBegun>,
    responses(
        (status = 200, body = Object, description = "`PublicKeyCredentialCreationOptions`, for the browser."),
        (status = 428, body = StepUpAsked, description = "Prove it is you by a passkey that is there."),
    )
)]
async fn begin(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    let asked = passkeys(&control, &visitor).and_then(|found| Ok((found, optional::<PasskeyBegun>(body)?)));
    let ((all, principal, now_us), PasskeyBegun { code, step_up }) = match asked {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let begun = carried_out(move || {
        let begun = all.register(&principal, code.as_deref(), step_up.as_ref(), now_us);
        if let Err(StepUpFault::WrongCode(_)) = &begun {
            tell(
                &control,
                &visitor,
                "passkey_code_refused",
                "a first passkey was asked for with a wrong code".to_owned(),
            );
        }
        or_prove(begun, || all.begin_to_add(&principal, now_us))
    });
    match begun.await {
        Ok(options) => Json(options).into_response(),
        Err(answer) => *answer,
    }
}

/// Add the passkey that was begun.
///
/// The code that it was begun with is spent. Needs `viewer`.
#[utoipa::path(
    post, path = "/v1/passkeys", operation_id = "add_passkey", tag = "session", request_body = PasskeyAsked,
    responses((status = 201, body = PasskeyTold, description = "It is yours."))
)]
async fn add(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    let asked = passkeys(&control, &visitor).and_then(|found| Ok((found, read::<PasskeyAsked>(body)?)));
    let ((all, principal, now_us), PasskeyAsked { name, credential }) = match asked {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let added = carried_out(move || {
        let added = all.add(&principal, &name, &credential, now_us)?;
        tell(&control, &visitor, "passkey_added", format!("{} ({})", added.name, added.id));
        Ok(Outcome::Done(added))
    });
    match added.await {
        Ok(note) => (StatusCode::CREATED, Json(told(note))).into_response(),
        Err(answer) => *answer,
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
    let ((all, principal, now_us), PasskeyProof { step_up }) = match asked {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let removed = carried_out(move || {
        let removed = all.remove(&principal, &id, step_up.as_ref(), now_us);
        if removed.is_ok() {
            tell(&control, &visitor, "passkey_removed", id.clone());
        }
        or_prove(removed, || all.begin_to_remove(&principal, &id, now_us))
    });
    match removed.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(answer) => *answer,
    }
}

/// Tells the ledger what the command line did about passkeys, until the gate stops: it has one writer, which is here.
pub(super) async fn watch(control: Arc<Control>) {
    let mut said = String::new();
    loop {
        let asked = Arc::clone(&control);
        let words = match tokio::task::spawn_blocking(move || hear(&asked)).await {
            Ok(Ok(())) => String::new(),
            Ok(Err(fault)) => fault.to_string(),
            Err(e) => e.to_string(),
        };
        // Once, and not each time.
        if words != said && !words.is_empty() {
            tracing::error!("what was done about passkeys on this machine could not be recorded: {words}");
        }
        said = words;
        if tokio::time::timeout(EACH, control.stop.cancelled()).await.is_ok() {
            return;
        }
    }
}

fn hear(control: &Control) -> Result<(), StepUpFault> {
    let ports = &control.gate.ports;
    control.console.passkeys.tell(ports.clock.now_us(), |act| {
        let Act { at_us, what, detail } = act;
        let event = Event { by: Some(MACHINE.to_owned()), ..Event::new(*at_us, what, detail.clone()) };
        ports.ledger.append(Entry::Event(event)).is_ok()
    })
}
