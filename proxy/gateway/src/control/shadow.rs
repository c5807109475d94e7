//! The shadow over HTTP: begun with a candidate, looked at, ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::digest::Digest;
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::Snapshots as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::snapshots::{BUNDLE_BYTES_MAX, alone, kept, read, refused};
use super::table::Routes;
use super::{Asked, Control, error, needs};
use crate::config::Role;
use crate::desk::shadow::Sight;
use crate::reload::{self, Refused};

/// The routes of the shadow.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(look, begin, end)).body_max(BUNDLE_BYTES_MAX)
}

/// The candidate: kept here, or sent along.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Beginning {
    /// The digest of one that is kept, or the first six digits of it or more.
    digest: Option<String>,
    /// Every file of one that is not, by path.
    pub(super) files: Option<BTreeMap<String, String>>,
}

/// What is in shadow now.
#[derive(Debug, Serialize, ToSchema)]
struct Begun {
    #[schema(value_type = String)]
    candidate: Digest,
}

fn nothing() -> Response {
    error(StatusCode::NOT_FOUND, "no_shadow", "no candidate is in shadow; begin with `POST /v1/shadow`")
}

/// What the shadow has seen.
///
/// Its counts are of all traffic; its examples, of your tenant. Needs `viewer`.
#[utoipa::path(get, path = "/v1/shadow", tag = "law", responses((status = 200, body = Sight, description = "So far.")))]
async fn look(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    control.shadow.sight().map_or_else(nothing, |sight| Json(seen(&visitor, sight)).into_response())
}

/// A sight with the examples that a visitor may see.
fn seen(visitor: &Asked, mut sight: Sight) -> Sight {
    sight.report.seen_by(|key| visitor.sees_key(key));
    sight
}

/// Judge live traffic by a candidate too.
///
/// It decides nothing. One that was in shadow before ends. Needs `operator`.
#[utoipa::path(
    post, path = "/v1/shadow", tag = "law", request_body = Beginning,
    responses(
        (status = 201, body = Begun, description = "It has begun."),
        (status = 422, body = super::snapshots::Unbuildable, description = "It does not build."),
    )
)]
async fn begin(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let beginning: Beginning = match read(body) {
        Ok(beginning) => beginning,
        Err(answer) => return *answer,
    };
    let asked = Arc::clone(&control);
    let candidate = match alone(&control, move || built(&asked, beginning)).await {
        Ok(Ok((_, candidate))) => candidate,
        Ok(Err(answer)) | Err(answer) => return *answer,
    };
    let (digest, by) = (candidate.digest(), visitor.principal.key());
    match control.shadow.begin(Arc::new(candidate), &by, control.gate.ports.clock.now_us()) {
        Ok(before) => before.into_iter().for_each(|before| ended(&control, &by, &before)),
        Err(e) => {
            return error(StatusCode::SERVICE_UNAVAILABLE, "failed", &format!("the shadow cannot be begun: {e}"));
        }
    }
    control.store.record("shadow_begun", &by, &format!("{digest} is judged on live traffic, and decides nothing"));
    (StatusCode::CREATED, Json(Begun { candidate: digest })).into_response()
}

/// The candidate that is named or sent along, with its files.
pub(super) fn built(control: &Control, beginning: Beginning) -> Result<(Sources, Snapshot), Box<Response>> {
    let faulty = |faults| Box::new(refused(control, &Refused::Faults(faults)));
    let current = control.store.current();
    match beginning {
        Beginning { digest: Some(named), files: None } => {
            let (_, sources) = kept(control, &named)?;
            Snapshot::rebuild(&sources, Some(&current)).map(|snapshot| (sources, snapshot)).map_err(faulty)
        }
        Beginning { digest: None, files: Some(files) } => reload::candidate(files, Some(&current)).map_err(faulty),
        Beginning { digest: Some(_), files: Some(_) } | Beginning { digest: None, files: None } => {
            let words = "give `digest`, of a snapshot that is kept, or `files`, by path";
            Err(Box::new(error(StatusCode::BAD_REQUEST, "bad_request", words)))
        }
    }
}

/// End the shadow.
///
/// Needs `operator`.
#[utoipa::path(delete, path = "/v1/shadow", tag = "law", responses((status = 200, body = Sight, description = "What it had seen.")))]
async fn end(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    match control.shadow.end() {
        None => nothing(),
        Some(sight) => {
            ended(&control, &visitor.principal.key(), &sight);
            Json(seen(&visitor, sight)).into_response()
        }
    }
}

/// Records what a shadow had seen when it ended.
pub(super) fn ended(control: &Control, by: &str, sight: &Sight) {
    let report = &sight.report;
    let words = format!(
        "{}: {} compared, {} as before, {} wider, {} narrower, {} dropped",
        sight.candidate, report.compared, report.same, report.wider, report.narrower, sight.dropped
    );
    control.store.record("shadow_ended", by, &words);
}
