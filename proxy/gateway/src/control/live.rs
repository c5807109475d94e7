//! What goes through the gate now: a look, or a stream of looks, one each second. A visitor's own tenant's counts; the
//! gate's health is everybody's.

mod counts;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Json, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::health::{Health, report};
use super::table::Routes;
use super::{Asked, Control, error, needs};
use crate::approvals::Requests;
use crate::auth::Visitor;
use crate::clock::rfc3339;
use crate::config::Role;
pub(crate) use counts::Counts;
use counts::Stop;

/// How many stops are told.
const STOPS: usize = 20;
/// How many may watch at a time.
const WATCHERS_MAX: usize = 256;
/// How often those who watch are told.
const EACH: Duration = Duration::from_secs(1);

/// How long a count of what waits is told again.
const FRESH_US: i64 = 250_000;

/// The counts, and room for those who watch them.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) counts: Arc<Counts>,
    watchers: Arc<Semaphore>,
    /// When each tenant's requests were counted last, and how many waited.
    counted: Mutex<HashMap<String, (i64, usize)>>,
}

impl Default for Live {
    fn default() -> Self {
        Self { counts: Arc::default(), watchers: Arc::new(Semaphore::new(WATCHERS_MAX)), counted: Mutex::default() }
    }
}

impl Live {
    /// How many requests of a tenant wait for a person. Counted anew at most four times a second, however many watch: who
    /// asks for approval waits for the same lock.
    fn pending(&self, requests: &Requests, tenant: &str, now_us: i64) -> usize {
        // Tenants are those of the configuration, so this is bounded.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pending)) = counted.get(tenant).filter(|(at_us, _)| now_us.saturating_sub(*at_us) < FRESH_US) {
            return *pending;
        }
        let pending = requests.pending_of(tenant);
        counted.insert(tenant.to_owned(), (now_us, pending));
        pending
    }
}

/// The routes of what goes on now.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(look)).with(routes!(watch))
}

/// What was decided within the last minute.
#[derive(Debug, Serialize, ToSchema)]
struct LiveDecisions {
    allow: u64,
    escalate: u64,
    deny: u64,
}

/// Within how many milliseconds calls of the last minute were over, waiting for people included; at most one part in eight
/// too high. Nothing where there was no call.
#[derive(Debug, Serialize, ToSchema)]
struct LiveLatency {
    /// Half of them.
    p50: Option<f64>,
    /// 95 of a hundred.
    p95: Option<f64>,
    /// 99 of a hundred.
    p99: Option<f64>,
}

/// Something that was stopped, or goes on again.
#[derive(Debug, Serialize, ToSchema)]
struct LiveStop {
    /// When, RFC 3339.
    at: String,
    /// The word of the ledger's event.
    what: String,
    /// In words.
    detail: String,
}

/// One second.
#[derive(Debug, Serialize, ToSchema)]
struct LiveSecond {
    /// When it began, RFC 3339.
    at: String,
    /// How many calls ended in it.
    calls: u64,
    /// How many of them were denied.
    denied: u64,
}

/// What goes through the gate now. A call is a request of an agent, to a server or to the gate in its place.
#[derive(Debug, Serialize, ToSchema)]
struct LiveTold {
    /// When, RFC 3339.
    at: String,
    /// The mean of the last ten whole seconds.
    calls_per_s: f64,
    decisions: LiveDecisions,
    latency_ms: LiveLatency,
    /// How many requests wait for a person.
    pending: usize,
    /// What was stopped since the gate started, the latest first.
    stops: Vec<LiveStop>,
    /// As `/v1/health` tells it.
    health: Health,
    /// The last 60 whole seconds, the earliest first.
    series: Vec<LiveSecond>,
}

/// Whether a visitor sees a stop: what people of its tenant did, what became of its tenant's tasks, and what is of no tenant.
fn sees(control: &Control, visitor: &Visitor, stop: &Stop) -> bool {
    match (stop.by.as_deref().filter(|by| by.contains('/')), &stop.task) {
        (Some(by), _) => visitor.sees_key(by),
        (None, Some(task)) => control.gate.ports.tasks.find(task).is_some_and(|task| visitor.sees_key(task.owner())),
        (None, None) => true,
    }
}

fn told(control: &Control, visitor: &Visitor) -> LiveTold {
    let now_us = control.gate.ports.clock.now_us();
    let counts = &control.live.counts;
    let counted = counts.of(&visitor.principal.tenant, now_us);
    let (allow, escalate, deny) = counted.decisions;
    let ms = |us: Option<u64>| us.map(|us| us as f64 / 1000.0);
    let stop = |stop: Stop| LiveStop { at: rfc3339(stop.at_us), what: stop.what, detail: stop.detail };
    let second = |(at_us, calls, denied): (i64, u64, u64)| LiveSecond { at: rfc3339(at_us), calls, denied };
    LiveTold {
        at: rfc3339(now_us),
        calls_per_s: counted.calls_per_s,
        decisions: LiveDecisions { allow, escalate, deny },
        latency_ms: LiveLatency {
            p50: ms(counted.took_us.map(|of| of.0)),
            p95: ms(counted.took_us.map(|of| of.1)),
            p99: ms(counted.took_us.map(|of| of.2)),
        },
        pending: control.live.pending(&control.approvals, &visitor.principal.tenant, now_us),
        stops: counts.stops(STOPS, |one| sees(control, visitor, one)).into_iter().map(stop).collect(),
        health: report(control),
        series: counted.series.into_iter().map(second).collect(),
    }
}

/// What goes on now.
///
/// The calls are of your tenant. Needs `viewer`.
#[utoipa::path(get, path = "/v1/live", tag = "gate", responses((status = 200, body = LiveTold, description = "Now.")))]
async fn look(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    Json(told(&control, &visitor)).into_response()
}

/// One who watches.
struct Watcher {
    control: Arc<Control>,
    visitor: Visitor,
    each: Interval,
    _room: OwnedSemaphorePermit,
}

/// Watch what goes on.
///
/// Server-sent events of the kind `live`: each is what `/v1/live` answers, at once and then each second. Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/live/stream", tag = "gate",
    responses((status = 200, content_type = "text/event-stream", body = String, description = "It never ends by itself."))
)]
async fn watch(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let Ok(room) = Arc::clone(&control.live.watchers).try_acquire_owned() else {
        let words = format!("{WATCHERS_MAX} watch already; ask `/v1/live` instead, or try again");
        return error(StatusCode::SERVICE_UNAVAILABLE, "too_many", &words);
    };
    let mut each = interval(EACH);
    // Whoever reads slowly is told less often, never twice at once.
    each.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watcher = Watcher { control, visitor: visitor.0, each, _room: room };
    let events = stream::unfold(watcher, |mut watcher| async move {
        watcher.each.tick().await;
        let event = sse::Event::default().event("live").json_data(told(&watcher.control, &watcher.visitor));
        // A struct of numbers and texts can be written.
        Some((Ok::<_, Infallible>(event.unwrap_or_default()), watcher))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}
