//! The halt switches over HTTP: thrown, listed, lifted. What a switch names must exist: one thrown for a misspelt server
//! would halt nothing, and nobody would know.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::record::{Entry, Event};
use pep::ports::Snapshots as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::snapshots::read;
use super::table::Routes;
use super::{Asked, Control, bad, error, needs};
use crate::auth::Visitor;
use crate::clock::rfc3339;
use crate::config::Role;
use crate::halt::{HaltFault, Halted, Switch, event_words};

/// The routes of the halt switches.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(list, throw, lift))
}

/// What is to be halted, or to go on: one of these.
#[derive(Debug, Default, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
#[schema(as = HaltNamed)]
struct Named {
    /// Every call.
    everything: bool,
    /// The calls of one task and of those handed on from it, by its id.
    task: Option<String>,
    /// The calls of one agent: `tenant/agent`, or the agent alone in your tenant.
    principal: Option<String>,
    /// The calls to one server, by its name.
    server: Option<String>,
    /// Why. The agent is told.
    reason: String,
}

/// A switch that is on.
#[derive(Debug, Serialize, ToSchema)]
struct SwitchTold {
    /// `everything`, `task`, `principal` or `server`.
    #[schema(value_type = String)]
    kind: &'static str,
    /// Which one; nothing where it is everything.
    name: Option<String>,
    reason: String,
    /// Who threw it, `tenant/agent`.
    by: String,
    /// When, RFC 3339.
    at: String,
}

/// The switches that are on.
#[derive(Debug, Serialize, ToSchema)]
struct SwitchesTold {
    halts: Vec<SwitchTold>,
}

fn told(switch: &Switch) -> SwitchTold {
    let Switch { halts, reason, by, at_us } = switch;
    let (kind, name) = match halts {
        Halted::Everything => ("everything", None),
        Halted::Task(name) => ("task", Some(name.clone())),
        Halted::Principal(name) => ("principal", Some(name.clone())),
        Halted::Server(name) => ("server", Some(name.clone())),
    };
    SwitchTold { kind, name, reason: reason.clone(), by: by.clone(), at: rfc3339(*at_us) }
}

/// Whether a switch is a visitor's to see and to lift. One for a task that is gone is of whoever threw it.
fn sees(control: &Control, visitor: &Visitor, switch: &Switch) -> bool {
    match &switch.halts {
        Halted::Everything | Halted::Server(_) => true,
        Halted::Principal(key) => visitor.sees_key(key),
        Halted::Task(id) => match control.gate.ports.tasks.find(id) {
            Some(task) => visitor.sees_key(task.owner()),
            None => visitor.sees_key(&switch.by),
        },
    }
}

/// What a request names. `must_exist` says whether it must be something this gate knows, and the visitor sees.
fn named(control: &Control, visitor: &Visitor, named: &Named, must_exist: bool) -> Result<Halted, Box<Response>> {
    let unknown = |words: &str| Err(Box::new(error(StatusCode::NOT_FOUND, "unknown", words)));
    let own = &visitor.principal.tenant;
    match (named.everything, &named.task, &named.principal, &named.server) {
        (true, None, None, None) => Ok(Halted::Everything),
        (false, Some(id), None, None) => match control.gate.ports.tasks.find(id) {
            Some(task) if visitor.sees_key(task.owner()) => Ok(Halted::Task(id.clone())),
            Some(_) | None if must_exist => unknown(&format!("no task `{id}` is known here; see `/v1/tasks`")),
            Some(_) | None => Ok(Halted::Task(id.clone())),
        },
        (false, None, Some(name), None) => {
            let known = control.doorkeeper.agent(own, name).map(|principal| principal.key());
            match known {
                Some(key) => Ok(Halted::Principal(key)),
                None if must_exist => unknown(&format!("no principal `{name}` is configured here")),
                None => Ok(Halted::Principal(visitor.key_named(name))),
            }
        }
        (false, None, None, Some(name)) => {
            let snapshot = control.store.current();
            if must_exist && snapshot.server(name).is_none() {
                let all: Vec<&str> = snapshot.registry().servers.keys().map(String::as_str).collect();
                return unknown(&format!("there is no server `{name}`; there are: {}", all.join(", ")));
            }
            Ok(Halted::Server(name.clone()))
        }
        _ => {
            let words = "name one of `task`, `principal` and `server`, or give `everything`";
            Err(Box::new(bad(words)))
        }
    }
}

/// The switches that are on.
///
/// Needs `viewer`.
#[utoipa::path(get, path = "/v1/halts", tag = "halts", responses((status = 200, body = SwitchesTold, description = "They.")))]
async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let halts = control.halts.on().iter().filter(|switch| sees(&control, &visitor, switch)).map(told).collect();
    Json(SwitchesTold { halts }).into_response()
}

/// Halt a task, an agent, a server or everything.
///
/// It counts at once, also for calls that have not acted yet, and after a restart. Needs `operator`.
#[utoipa::path(
    post, path = "/v1/halts", tag = "halts", request_body = Named,
    responses((status = 201, body = SwitchTold, description = "It is halted."))
)]
async fn throw(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let asked: Named = match read(body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let halts = match named(&control, &visitor, &asked, true) {
        Ok(halts) => halts,
        Err(answer) => return *answer,
    };
    let (by, at_us) = (visitor.principal.key(), control.gate.ports.clock.now_us());
    let switch = Switch::new(halts, &asked.reason, by, at_us);
    // On this thread: it must count before anything else is waited for. The file is small.
    let kept = control.halts.throw(switch.clone());
    if let Err(fault @ HaltFault::TooMany) = kept {
        return error(StatusCode::CONFLICT, "too_many", &fault.to_string());
    }
    record(&control, "halt_on", &switch);
    match kept {
        Ok(()) => (StatusCode::CREATED, Json(told(&switch))).into_response(),
        Err(fault) => {
            let words = format!("{} is halted, but would not be after a restart: {fault}", switch.halts);
            error(StatusCode::INTERNAL_SERVER_ERROR, "not_kept", &words)
        }
    }
}

/// Let it go on.
///
/// Needs `operator`.
#[utoipa::path(
    delete, path = "/v1/halts", tag = "halts", params(Named),
    responses((status = 200, body = SwitchTold, description = "It goes on."))
)]
async fn lift(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    query: Result<Query<Named>, QueryRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let asked = match query {
        Ok(Query(asked)) => asked,
        Err(e) => return bad(&e.body_text()),
    };
    let halts = match named(&control, &visitor, &asked, false) {
        Ok(halts) => halts,
        Err(answer) => return *answer,
    };
    let hidden = |switch: &Switch| switch.halts == halts && !sees(&control, &visitor, switch);
    if control.halts.on().iter().any(hidden) {
        return error(StatusCode::NOT_FOUND, "not_halted", &format!("{halts} is not halted"));
    }
    match control.halts.lift(&halts) {
        Ok(Some(switch)) => {
            let by = visitor.principal.key();
            record(&control, "halt_off", &Switch::new(switch.halts.clone(), &asked.reason, by, switch.at_us));
            Json(told(&switch)).into_response()
        }
        Ok(None) => error(StatusCode::NOT_FOUND, "not_halted", &format!("{halts} is not halted")),
        Err(fault) => {
            let words = format!("{halts} is still halted: {fault}");
            error(StatusCode::INTERNAL_SERVER_ERROR, "not_lifted", &words)
        }
    }
}

/// Tells the ledger. A switch counts also where the ledger cannot take the word.
fn record(control: &Control, what: &str, switch: &Switch) {
    let (at_us, by) = (control.gate.ports.clock.now_us(), Some(switch.by.clone()));
    let detail = event_words(switch);
    let task = match &switch.halts {
        Halted::Task(id) => control.gate.ports.tasks.find(id),
        Halted::Everything | Halted::Principal(_) | Halted::Server(_) => None,
    };
    let event = match task {
        Some(task) => task.event(what, by, detail, at_us),
        None => Event { at_us, what: what.to_owned(), by, snapshot: None, task: None, trace: None, detail },
    };
    if let Err(e) = control.gate.ports.ledger.append(Entry::Event(event)) {
        tracing::error!("`{what}` could not be recorded: {e}");
    }
}
