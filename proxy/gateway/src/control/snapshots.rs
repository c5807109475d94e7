//! The law over HTTP: what is in force and was, candidates staged, one put in force if nobody else was faster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::digest::Digest;
use pdp::fault::Fault;
use pdp::snapshot::Sources;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::table::Routes;
use super::{Asked, Control, ErrorTold, error, needs};
use crate::clock::rfc3339;
use crate::config::Role;
use crate::history::{Candidate, Change, Found, Turn, TurnTold, all};
use crate::reload::{Asking, Refused, WriteFault};

/// How large a candidate may be: some thousand tools with their schemas.
pub(super) const BUNDLE_BYTES_MAX: usize = 32 << 20;
/// How deep what is sent here may nest. It is a table of texts.
const DEPTH_MAX: usize = 8;

/// The routes of snapshots.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(list, stage)).with(routes!(files)).with(routes!(promote)).body_max(BUNDLE_BYTES_MAX)
}

/// A candidate to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Staging {
    /// Every file of the bundle, by path: `policies/...` and `registry/...`.
    files: BTreeMap<String, String>,
    /// Why.
    #[serde(default)]
    reason: String,
    /// The digest of the snapshot it was made from; the one in force unless said.
    #[schema(value_type = Option<String>)]
    base: Option<Digest>,
}

/// A promotion.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Promotion {
    /// The digest of the snapshot that must be in force still.
    #[schema(value_type = String)]
    base: Digest,
    /// Why.
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

/// A candidate that is kept.
#[derive(Debug, Serialize, ToSchema)]
struct CandidateTold {
    #[schema(value_type = String)]
    digest: Digest,
    /// The snapshot it was made from.
    #[schema(value_type = String)]
    base: Digest,
    /// When it was staged, RFC 3339.
    at: String,
    /// Who staged it.
    author: String,
    /// Why.
    reason: String,
    /// What it changes, in one line.
    summary: String,
    /// And in names.
    change: Change,
}

fn told_candidate(candidate: &Candidate) -> CandidateTold {
    CandidateTold {
        digest: candidate.digest,
        base: candidate.base,
        at: rfc3339(candidate.at_us),
        author: candidate.author.clone(),
        reason: candidate.reason.clone(),
        summary: candidate.change.line(),
        change: candidate.change.clone(),
    }
}

/// Where something is wrong, and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FaultTold {
    file: String,
    /// Counted from one; nought where it is the whole file.
    line: usize,
    /// In characters, counted from one.
    column: usize,
    /// How many characters it is about.
    length: usize,
    message: String,
    /// What to do; empty where that is plain.
    remedy: String,
}

/// Faults as JSON: where, what, and what to do.
pub(super) fn told_faults(faults: &[Fault]) -> Vec<FaultTold> {
    let fault = |f: &Fault| FaultTold {
        file: f.file.clone(),
        line: f.line,
        column: f.column,
        length: f.length,
        message: f.message.clone(),
        remedy: f.remedy.clone(),
    };
    faults.iter().map(fault).collect()
}

/// Why files are no snapshot.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unbuildable {
    /// All of them.
    faults: Vec<FaultTold>,
    /// The digest of the snapshot in force.
    #[schema(value_type = String)]
    snapshot: Digest,
}

/// Somebody was faster.
#[derive(Debug, Serialize, ToSchema)]
struct NotTheBase {
    error: ErrorTold,
    /// What is in force by now.
    in_force: TurnTold,
}

/// A refusal as an answer. What is in force, and who put it there, is told where that is the reason.
pub(super) fn refused(control: &Control, refused: &Refused) -> Response {
    let words = refused.to_string();
    let (status, code) = match refused {
        Refused::Faults(faults) => {
            let body = Unbuildable { faults: told_faults(faults), snapshot: control.store.in_force().1.digest };
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response();
        }
        Refused::NotTheBase(turn) => {
            let error = ErrorTold { code: "not_the_base", message: words };
            let body = NotTheBase { error, in_force: turn.told() };
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

/// Reads the ledger, aside, with few others at a time: a page of it is tenths of a second's work of a processor that traffic
/// needs too, and the threads of such work are lent to whatever waits for the disk.
pub(super) async fn looked<T: Send + 'static>(
    control: &Control,
    task: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<Response>> {
    let turn = tokio::time::timeout(TURN_MAX, Arc::clone(&control.reading).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        let words = "many look into the ledger; try again";
        return Err(Box::new(error(StatusCode::SERVICE_UNAVAILABLE, "busy", words)));
    };
    aside(move || {
        let _turn = turn;
        task()
    })
    .await
}

/// How long somebody waits for those who build before.
const TURN_MAX: Duration = Duration::from_secs(30);

/// The same, one at a time: what builds a snapshot, so that traffic keeps its processors. It goes on to its end, and nobody
/// else begins, also when whoever asked has gone.
pub(super) async fn alone<T: Send + 'static>(
    control: &Control,
    task: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<Response>> {
    in_turn(&control.building, "others' candidates are being built; try again", task).await
}

/// The same, when it is its turn. It goes on to its end, and nobody else begins, also when whoever asked has gone.
pub(super) async fn in_turn<T: Send + 'static>(
    turns: &Arc<tokio::sync::Mutex<()>>,
    busy: &str,
    task: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<Response>> {
    let turn = tokio::time::timeout(TURN_MAX, Arc::clone(turns).lock_owned()).await;
    let turn = turn.map_err(|_| Box::new(error(StatusCode::SERVICE_UNAVAILABLE, "busy", busy)))?;
    aside(move || {
        let _turn = turn;
        task()
    })
    .await
}

/// What is in force, was in force, and is staged.
#[derive(Debug, Serialize, ToSchema)]
struct SnapshotsTold {
    /// The digest of the one in force.
    #[schema(value_type = String)]
    in_force: Digest,
    /// Those that were put in force.
    snapshots: Vec<TurnTold>,
    /// Those that are staged.
    candidates: Vec<CandidateTold>,
}

/// The snapshots that are kept.
///
/// Needs `viewer`.
#[utoipa::path(get, path = "/v1/snapshots", tag = "law", responses((status = 200, body = SnapshotsTold, description = "They.")))]
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
        Ok(Ok((turns, candidates))) => Json(SnapshotsTold {
            in_force: control.store.in_force().1.digest,
            snapshots: turns.iter().map(Turn::told).collect(),
            candidates: candidates.iter().map(told_candidate).collect(),
        })
        .into_response(),
        Ok(Err(fault)) => refused(&control, &Refused::History(fault)),
        Err(failed) => *failed,
    }
}

/// The files of a snapshot.
#[derive(Debug, Serialize, ToSchema)]
struct FilesTold {
    #[schema(value_type = String)]
    digest: Digest,
    /// Each file's text, by path.
    files: BTreeMap<String, String>,
}

/// The files of one snapshot.
///
/// Needs `member`.
#[utoipa::path(
    get, path = "/v1/snapshots/{digest}", tag = "law",
    params(("digest" = String, Path, description = "Its digest, or the first six digits of it or more.")),
    responses((status = 200, body = FilesTold, description = "They."))
)]
async fn files(State(control): State<Arc<Control>>, visitor: Asked, Path(named): Path<String>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let asked = Arc::clone(&control);
    match aside(move || kept(&asked, &named)).await {
        Ok(Ok((digest, sources))) => {
            let files = all(&sources).map(|file| (file.path.clone(), file.text.clone())).collect();
            Json(FilesTold { digest, files }).into_response()
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

/// Stage a candidate.
///
/// It is built, kept, and not in force. Needs `member`.
#[utoipa::path(
    post, path = "/v1/snapshots", tag = "law", request_body = Staging,
    responses(
        (status = 201, body = CandidateTold, description = "It is kept."),
        (status = 409, body = NotTheBase, description = "What is in force is not its base."),
        (status = 422, body = Unbuildable, description = "It does not build."),
    )
)]
async fn stage(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let Staging { files, reason, base } = match read(body) {
        Ok(staging) => staging,
        Err(answer) => return *answer,
    };
    let asking = Asking { by: visitor.principal.key(), reason };
    let store = Arc::clone(&control.store);
    match alone(&control, move || store.stage(files, base, &asking)).await {
        Ok(Ok(candidate)) => (StatusCode::CREATED, Json(told_candidate(&candidate))).into_response(),
        Ok(Err(why)) => refused(&control, &why),
        Err(failed) => *failed,
    }
}

/// Put a snapshot in force.
///
/// A candidate, or one that was in force before. If its base is not in force any more, nothing happens. Needs `operator`.
#[utoipa::path(
    post, path = "/v1/snapshots/{digest}/promote", tag = "law", request_body = Promotion,
    params(("digest" = String, Path, description = "Its digest, or the first six digits of it or more.")),
    responses(
        (status = 200, body = TurnTold, description = "It is in force."),
        (status = 409, body = NotTheBase, description = "Somebody was faster."),
        (status = 422, body = Unbuildable, description = "It does not build any more."),
    )
)]
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
