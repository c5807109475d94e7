//! The law over HTTP: what is in force and was, candidates staged, one put in force if nobody else was faster.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{get, post};
use pdp::digest::Digest;
use pdp::fault::Fault;
use pdp::snapshot::Sources;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Asked, Control, error, needs};
use crate::clock::rfc3339;
use crate::config::Role;
use crate::history::{Candidate, Found, Turn, all};
use crate::reload::{Asking, Refused, WriteFault};

/// How large a candidate may be: some thousand tools with their schemas.
pub(super) const BUNDLE_BYTES_MAX: usize = 32 << 20;
/// How deep what is sent here may nest. It is a table of texts.
const DEPTH_MAX: usize = 8;

/// The routes of snapshots.
pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/v1/snapshots", get(list).post(stage))
        .route("/v1/snapshots/{digest}", get(files))
        .route("/v1/snapshots/{digest}/promote", post(promote))
        .layer(DefaultBodyLimit::max(BUNDLE_BYTES_MAX))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Staging {
    files: BTreeMap<String, String>,
    #[serde(default)]
    reason: String,
    base: Option<Digest>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promotion {
    base: Digest,
    #[serde(default)]
    reason: String,
}

/// Reads a body. A member that stands twice is refused: of two texts of one file, which was meant?
pub(super) fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Box<Response>> {
    let bad = |words: &str| Box::new(error(StatusCode::BAD_REQUEST, "bad_request", words));
    let body = body.map_err(|e| match e.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Box::new(error(e.status(), "too_large", "the body is longer than is read here"))
        }
        status => Box::new(error(status, "bad_request", &format!("the body did not arrive: {}", e.body_text()))),
    })?;
    let text = std::str::from_utf8(&body).map_err(|e| bad(&format!("the body is not UTF-8: {e}")))?;
    pdp::json::Json::read(text, DEPTH_MAX).map_err(|e| bad(&format!("the body cannot be read: {e}")))?;
    serde_json::from_str(text).map_err(|e| bad(&format!("the body cannot be read: {}", without_types(&e.to_string()))))
}

/// A reader's words without the names of this program's types.
fn without_types(words: &str) -> String {
    let Some((before, named)) = words.split_once("expected struct ") else { return words.to_owned() };
    let after = named.trim_start_matches(|c: char| c.is_alphanumeric());
    format!("{before}expected an object{after}")
}

fn told_candidate(candidate: &Candidate) -> Value {
    json!({
        "digest": candidate.digest,
        "base": candidate.base,
        "at": rfc3339(candidate.at_us),
        "author": candidate.author,
        "reason": candidate.reason,
        "summary": candidate.change.line(),
        "change": candidate.change,
    })
}

/// Faults as JSON: where, what, and what to do.
fn told_faults(faults: &[Fault]) -> Vec<Value> {
    let fault = |f: &Fault| json!({ "file": f.file, "line": f.line, "column": f.column, "length": f.length, "message": f.message, "remedy": f.remedy });
    faults.iter().map(fault).collect()
}

/// A refusal as an answer. What is in force, and who put it there, is told where that is the reason.
pub(super) fn refused(control: &Control, refused: &Refused) -> Response {
    let words = refused.to_string();
    let (status, code) = match refused {
        Refused::Faults(faults) => {
            let body = json!({ "faults": told_faults(faults), "snapshot": control.store.in_force().1.digest });
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response();
        }
        Refused::NotTheBase(turn) => {
            let body = json!({ "error": { "code": "not_the_base", "message": words }, "in_force": turn.told() });
            return (StatusCode::CONFLICT, Json(body)).into_response();
        }
        Refused::Same(_) => (StatusCode::CONFLICT, "same"),
        Refused::Unknown(_) => (StatusCode::NOT_FOUND, "no_snapshot"),
        Refused::Otherwise(_) => (StatusCode::CONFLICT, "otherwise"),
        Refused::Edited(_) | Refused::Write(WriteFault::Edited(_)) => (StatusCode::CONFLICT, "edited"),
        Refused::Write(WriteFault::BuiltIn) => (StatusCode::CONFLICT, "built_in"),
        Refused::Write(WriteFault::Deployed(_)) => (StatusCode::CONFLICT, "deployed"),
        Refused::Write(WriteFault::Unwritable { .. }) => (StatusCode::CONFLICT, "unwritable"),
        Refused::Write(WriteFault::Torn { .. }) => (StatusCode::INTERNAL_SERVER_ERROR, "torn"),
        Refused::History(_) => (StatusCode::SERVICE_UNAVAILABLE, "history_unavailable"),
        Refused::Ledger(_) => (StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable"),
        Refused::Reason => (StatusCode::BAD_REQUEST, "reason"),
    };
    error(status, code, &words)
}

/// Runs what waits for the disk or builds a snapshot on a thread that may be held up.
pub(super) async fn aside<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> Result<T, Box<Response>> {
    let failed = |e: tokio::task::JoinError| {
        Box::new(error(StatusCode::INTERNAL_SERVER_ERROR, "failed", &format!("it failed: {e}")))
    };
    tokio::task::spawn_blocking(task).await.map_err(failed)
}

async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let asked = Arc::clone(&control);
    let found = aside(move || {
        let history = asked.store.history();
        history.turns(usize::MAX).and_then(|turns| Ok((turns, history.candidates()?)))
    });
    match found.await {
        Ok(Ok((turns, candidates))) => Json(json!({
            "in_force": control.store.in_force().1.digest,
            "snapshots": turns.iter().map(Turn::told).collect::<Vec<_>>(),
            "candidates": candidates.iter().map(told_candidate).collect::<Vec<_>>(),
        }))
        .into_response(),
        Ok(Err(fault)) => refused(&control, &Refused::History(fault)),
        Err(failed) => *failed,
    }
}

async fn files(State(control): State<Arc<Control>>, visitor: Asked, Path(named): Path<String>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let asked = Arc::clone(&control);
    match aside(move || kept(&asked, &named)).await {
        Ok(Ok((digest, sources))) => {
            let files: BTreeMap<&str, &str> =
                all(&sources).map(|file| (file.path.as_str(), file.text.as_str())).collect();
            Json(json!({ "digest": digest, "files": files })).into_response()
        }
        Ok(Err(answer)) | Err(answer) => *answer,
    }
}

/// The one snapshot that is named so, and its files.
pub(super) fn kept(control: &Control, named: &str) -> Result<(Digest, Sources), Box<Response>> {
    let history = control.store.history();
    let digest = digest(control, named)?;
    match history.files(digest) {
        Ok(Some(sources)) => Ok((digest, sources)),
        Ok(None) => Err(Box::new(refused(control, &Refused::Unknown(digest)))),
        Err(fault) => Err(Box::new(refused(control, &Refused::History(fault)))),
    }
}

fn digest(control: &Control, named: &str) -> Result<Digest, Box<Response>> {
    let no = |words: &str| Err(Box::new(error(StatusCode::NOT_FOUND, "no_snapshot", words)));
    match control.store.history().find(named) {
        Ok(Found::One(digest)) => Ok(digest),
        Ok(Found::None) => no("no snapshot is kept whose digest begins so; give at least six digits"),
        Ok(Found::Many) => no("several snapshots begin so; give more digits"),
        Err(fault) => Err(Box::new(refused(control, &Refused::History(fault)))),
    }
}

async fn stage(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let Staging { files, reason, base } = match read(body) {
        Ok(staging) => staging,
        Err(answer) => return *answer,
    };
    let asking = Asking { by: visitor.principal.key(), reason };
    let _one_at_a_time = control.building.lock().await;
    let store = Arc::clone(&control.store);
    match aside(move || store.stage(files, base, &asking)).await {
        Ok(Ok(candidate)) => (StatusCode::CREATED, Json(told_candidate(&candidate))).into_response(),
        Ok(Err(why)) => refused(&control, &why),
        Err(failed) => *failed,
    }
}

async fn promote(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(named): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let Promotion { base, reason } = match read(body) {
        Ok(promotion) => promotion,
        Err(answer) => return *answer,
    };
    let asking = Asking { by: visitor.principal.key(), reason };
    let asked = Arc::clone(&control);
    let done = aside(move || {
        let digest = digest(&asked, &named)?;
        asked.store.promote(digest, base, &asking).map_err(|why| Box::new(refused(&asked, &why)))
    });
    match done.await {
        Ok(Ok(turn)) => {
            if let Some(sight) = control.shadow.end_of(turn.digest) {
                super::shadow::ended(&control, &turn.author, &sight);
            }
            Json(turn.told()).into_response()
        }
        Ok(Err(answer)) | Err(answer) => *answer,
    }
}
