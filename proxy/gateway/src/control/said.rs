//! What a host says of a task, over HTTP: the prompt, context with its origin, the plan and how it changes. Claims, kept
//! apart from decisions; nothing here permits anything.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::record::{Saying, Voice};
use pep::{Heard, SayFault, Speaker, Unsaid};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::snapshots::read;
use super::table::Routes;
use super::tasks::owned;
use super::{Asked, Control, error};

/// How large a request may be: the largest text, its escapes, and a plan beside it.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// The route of what is said.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(say)).body_max(BODY_BYTES_MAX)
}

/// What became of a claim.
#[derive(Debug, Serialize, ToSchema)]
struct HeardTold {
    /// The task's id.
    task: String,
    /// How many steps of the plan are open, where this was a plan.
    open_steps: Option<usize>,
}

/// Say something of a task.
///
/// The prompt, context with its origin, a plan: claims, kept apart from decisions. Needs `member` for a task of one's own, else
/// `operator`.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/said", tag = "tasks", request_body(content = ref("#/components/schemas/Saying")),
    params(("id" = String, Path, description = "The task's id.")),
    responses((status = 201, body = HeardTold, description = "It is recorded."))
)]
async fn say(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let asked = owned(&control, &visitor, &id).and_then(|task| Ok((task, read::<Saying>(body)?)));
    let (task, saying) = match asked {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let ports = &control.gate.ports;
    let speaker = Speaker { by: visitor.principal.key(), voice: Voice::Host, number: None };
    match task.say(saying, speaker, &*ports.ledger, &*ports.clock).await {
        Ok(heard) => {
            let open = match heard {
                Heard::Plan { open } => Some(open),
                Heard::Kept | Heard::HostsPlanStands => None,
            };
            (StatusCode::CREATED, Json(HeardTold { task: task.id().to_owned(), open_steps: open })).into_response()
        }
        Err(fault @ SayFault::Unsaid(Unsaid::Unfit(_))) => {
            error(StatusCode::BAD_REQUEST, "bad_request", &fault.to_string())
        }
        Err(fault @ SayFault::Unsaid(Unsaid::Enough | Unsaid::Planned | Unsaid::Unplanned)) => {
            error(StatusCode::CONFLICT, "not_recorded", &fault.to_string())
        }
        Err(fault @ SayFault::Ledger(_)) => {
            error(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", &fault.to_string())
        }
    }
}
