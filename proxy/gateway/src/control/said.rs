//! What a host says of a task, over HTTP: the prompt, context with its origin, the plan and how it changes. Claims, kept
//! apart from decisions; nothing here permits anything.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::post;
use pdp::record::{Saying, Voice};
use pep::{Heard, SayFault, Speaker, Unsaid};
use serde_json::json;

use super::snapshots::read;
use super::tasks::owned;
use super::{Asked, Control, error};

/// How large a request may be: the largest text, its escapes, and a plan beside it.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// The route of what is said.
pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new().route("/v1/tasks/{id}/said", post(say)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

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
            (StatusCode::CREATED, Json(json!({ "task": task.id(), "open_steps": open }))).into_response()
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
