//! The entries of a task or a frame, as the ledger has them: those of the visitor's tenant.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::record::Entry;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::snapshots::aside;
use super::table::{self, Routes};
use super::{Asked, Control, error, needs};
use crate::config::Role;
use crate::ledger::Reader;
use crate::story::{self, Sight};

/// The route of traces.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(trace))
}

/// What the ledger has.
#[derive(Debug, Serialize, ToSchema)]
struct TraceTold {
    /// In the order written.
    #[schema(schema_with = entries)]
    entries: Vec<Entry>,
}

fn entries() -> utoipa::openapi::Array {
    utoipa::openapi::Array::new(table::pdp::<Entry>())
}

/// The entries of a trace, a task or a frame.
///
/// Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/traces/{id}", tag = "traces",
    params(("id" = String, Path, description = "A trace id or its beginning, a task's id, or the number of a record.")),
    responses((status = 200, body = TraceTold, description = "Its entries."))
)]
async fn trace(State(control): State<Arc<Control>>, visitor: Asked, Path(id): Path<String>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let (path, sight) = (control.ledger_path.clone(), Sight::of(&visitor.principal.tenant));
    let found = aside(move || {
        let reader = Reader::open(&path).map_err(|e| e.to_string())?;
        story::find(&reader, &id, &sight).map_err(|e| e.to_string())
    })
    .await;
    match found {
        Ok(Ok(entries)) => Json(TraceTold { entries }).into_response(),
        Ok(Err(words)) => error(StatusCode::NOT_FOUND, "no_trace", &words),
        Err(failed) => *failed,
    }
}
