//! The entries of a task or a frame, as the ledger has them: those of the visitor's tenant.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::record::Entry;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::snapshots::looked;
use super::table::{self, Routes};
use super::{Asked, Control, bad, error, needs};
use crate::config::Role;
use crate::ledger::{Reader, Within};
use crate::story::{self, Part, Sight};

/// How much of a trace is answered at once: what a browser can hold, and what a task of some hours has.
const ENTRIES_MAX: usize = 20_000;
const BYTES_MAX: usize = 32 << 20;

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
    /// To be sent back as `after`, for the rest; nothing where this is all.
    next: Option<u64>,
}

/// Which part of it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct TraceWanted {
    /// The `next` of the part before.
    after: u64,
}

fn entries() -> utoipa::openapi::Array {
    utoipa::openapi::Array::new(table::pdp::<Entry>())
}

/// The entries of a trace, a task or a frame.
///
/// At most 20,000 entries or 32 MiB of them at once. Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/traces/{id}", tag = "traces",
    params(("id" = String, Path, description = "A trace id or its beginning, a task's id, or the number of a record."), TraceWanted),
    responses((status = 200, body = TraceTold, description = "Its entries."))
)]
async fn trace(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(id): Path<String>,
    wanted: Result<Query<TraceWanted>, QueryRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let after = match wanted {
        Ok(Query(wanted)) => wanted.after,
        Err(rejected) => return bad(&rejected.body_text()),
    };
    let within = Within { after, entries: ENTRIES_MAX, bytes: BYTES_MAX };
    let (path, sight) = (control.ledger_path.clone(), Sight::of(&visitor.principal.tenant));
    let found = looked(&control, move || {
        let reader = Reader::open(&path).map_err(|e| e.to_string())?;
        story::part(&reader, &id, &sight, within).map_err(|e| e.to_string())
    })
    .await;
    match found {
        Ok(Ok(Part { entries, next })) => Json(TraceTold { entries, next }).into_response(),
        Ok(Err(words)) => error(StatusCode::NOT_FOUND, "no_trace", &words),
        Err(failed) => *failed,
    }
}
