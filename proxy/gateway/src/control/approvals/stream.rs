//! Requests as they change, as a stream of events. A reader that falls behind is told to look at everything anew, so a slow
//! one costs nothing but itself.

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Sleep;

use super::super::{Asked, Control, error, needs};
use super::told::line;
use crate::auth::Visitor;
use crate::config::Role;

/// How often a stream that has nothing to say shows that it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long one stream may stay open. Its reader comes back with its credential.
const OPEN_MAX: Duration = Duration::from_secs(3600);
/// How many streams may be open.
const STREAMS_MAX: usize = 512;
/// How many changes are told at once. Of several changes of one request the last says all.
const TOLD_MAX: usize = 256;

/// One reader.
struct Watching {
    control: Arc<Control>,
    visitor: Visitor,
    changes: Receiver<Arc<str>>,
    told: VecDeque<Event>,
    until: Pin<Box<Sleep>>,
}

/// Requests as they change.
///
/// First `event: hello` with `{"pending": n}`, then `event: approval` with a request of the list at each change. Another
/// `hello` says that changes were missed: read the list anew. Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/approvals/stream", tag = "approvals",
    responses((status = 200, content_type = "text/event-stream", body = String, description = "Events."))
)]
pub(super) async fn stream(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let changes = control.approvals.changes();
    if control.approvals.readers() > STREAMS_MAX {
        return error(StatusCode::SERVICE_UNAVAILABLE, "too_many", "too many streams are open; read the list instead");
    }
    let (told, until) = (VecDeque::new(), Box::pin(tokio::time::sleep(OPEN_MAX)));
    let mut watching = Watching { control, visitor: visitor.0, changes, told, until };
    watching.greet();
    let events = futures_util::stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok::<_, Infallible>(event), watching))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive")).into_response()
}

impl Watching {
    /// Says how many wait.
    fn greet(&mut self) {
        let pending = self.control.approvals.pending_of(&self.visitor.principal.tenant);
        self.told.push_back(Event::default().event("hello").data(json!({ "pending": pending }).to_string()));
    }

    /// The next event; nothing when the stream is over.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some(event);
            }
            let stop = self.control.stop.clone();
            tokio::select! {
                () = stop.cancelled() => return None,
                () = &mut self.until => return None,
                changed = self.changes.recv() => match changed {
                    Ok(id) => self.gather(id),
                    Err(RecvError::Lagged(_)) => self.greet(),
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// What has changed until now, each request once, as it stands.
    fn gather(&mut self, first: Arc<str>) {
        let mut ids = BTreeSet::from([first]);
        while ids.len() < TOLD_MAX
            && let Ok(id) = self.changes.try_recv()
        {
            ids.insert(id);
        }
        let requests = &self.control.approvals;
        for id in ids {
            let Some(sight) = requests.find(&id).filter(|one| self.visitor.sees(&one.request.asker().tenant)) else {
                continue;
            };
            let line = line(&sight, &self.visitor, requests.rules());
            // Plain data: it can always be written.
            let data = serde_json::to_string(&line).unwrap_or_default();
            self.told.push_back(Event::default().event("approval").data(data));
        }
    }
}
