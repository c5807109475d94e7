//! The halt switches over HTTP: thrown, listed, lifted. What a switch names must exist: one thrown for a misspelt server
//! would halt nothing, and nobody would know.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use pdp::record::{Entry, Event};
use pep::ports::Snapshots as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::snapshots::read;
use super::{Asked, Control, error, needs};
use crate::clock::rfc3339;
use crate::config::Role;
use crate::halt::{HaltFault, Halted, Switch};

/// The routes of the halt switches.
pub(super) fn routes() -> Router<Arc<Control>> {
    Router::new().route("/v1/halts", get(list).post(throw).delete(lift))
}

/// What is to be halted, or to go on: one of these.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Named {
    everything: bool,
    task: Option<String>,
    principal: Option<String>,
    server: Option<String>,
    reason: String,
}

fn told(switch: &Switch) -> Value {
    let Switch { halts, reason, by, at_us } = switch;
    let (kind, name) = match halts {
        Halted::Everything => ("everything", None),
        Halted::Task(name) => ("task", Some(name)),
        Halted::Principal(name) => ("principal", Some(name)),
        Halted::Server(name) => ("server", Some(name)),
    };
    json!({ "kind": kind, "name": name, "reason": reason, "by": by, "at": rfc3339(*at_us) })
}

/// What a request names. `must_exist` says whether it must be something this gate knows.
fn named(control: &Control, named: &Named, must_exist: bool) -> Result<Halted, Box<Response>> {
    let bad = |status, code, words: &str| Err(Box::new(error(status, code, words)));
    let unknown = |words: &str| bad(StatusCode::NOT_FOUND, "unknown", words);
    match (named.everything, &named.task, &named.principal, &named.server) {
        (true, None, None, None) => Ok(Halted::Everything),
        (false, Some(id), None, None) if must_exist && control.gate.ports.tasks.find(id).is_none() => {
            unknown(&format!("no task `{id}` is known here; see `/v1/tasks`"))
        }
        (false, Some(id), None, None) => Ok(Halted::Task(id.clone())),
        (false, None, Some(name), None) => {
            let known = control.doorkeeper.agent(name).map(|principal| principal.key());
            match known {
                Some(key) => Ok(Halted::Principal(key)),
                None if must_exist => unknown(&format!("no principal `{name}` is configured here")),
                None if name.contains('/') => Ok(Halted::Principal(name.clone())),
                None => Ok(Halted::Principal(format!("default/{name}"))),
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
            bad(StatusCode::BAD_REQUEST, "bad_request", words)
        }
    }
}

async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let on: Vec<Value> = control.halts.on().iter().map(told).collect();
    Json(json!({ "halts": on })).into_response()
}

async fn throw(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Operator) {
        return *refused;
    }
    let asked: Named = match read(body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let halts = match named(&control, &asked, true) {
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
        Err(e) => return error(StatusCode::BAD_REQUEST, "bad_request", &e.body_text()),
    };
    let halts = match named(&control, &asked, false) {
        Ok(halts) => halts,
        Err(answer) => return *answer,
    };
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
    let detail =
        format!("{}: {}", switch.halts, if switch.reason.is_empty() { "no reason given" } else { &switch.reason });
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
