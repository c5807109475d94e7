//! Records and traces as lists, the latest first: what a person looks through to find the one. Those of the visitor's tenant.
//!
//! Read beside the ledger's writer, on a thread of their own, a bounded number of entries at a time.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use jiff::Timestamp;
use pdp::record::{FrameKind, Record};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::snapshots::aside;
use super::table::Routes;
use super::{Asked, Control, error, needs};
use crate::auth::Visitor;
use crate::clock::rfc3339;
use crate::config::Role;
use crate::ledger::{Past, PastPage, Place, Reader, StoreFault, TraceLine};
use crate::story::Sight;

/// How many a page has unless it is said, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 500;
/// How many entries one page looks at: some tenths of a second's work. What lies behind them is the next page's.
const LOOKED_MAX: usize = 100_000;
/// How long a filter may be: no name in the ledger's columns is longer than a target.
const FILTER_CHARS_MAX: usize = pdp::record::TARGET_CHARS_MAX;

/// The routes of records and of the list of traces.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(records)).with(routes!(traces))
}

/// Which records. What is empty is not asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct RecordsWanted {
    /// The principal: `tenant/agent`, or the agent alone.
    principal: Option<String>,
    /// The tool of a tool call.
    tool: Option<String>,
    /// The server.
    server: Option<String>,
    /// What was decided: `allow`, `escalate` or `deny`.
    decision: Option<String>,
    /// A label of what the call was judged under, or of its answer.
    label: Option<String>,
    /// The downstream system.
    system: Option<String>,
    /// The method, such as `tools/call`.
    method: Option<String>,
    /// The task.
    task: Option<String>,
    /// The trace, 32 hexadecimal digits.
    trace: Option<String>,
    /// Not before this time, RFC 3339.
    from: Option<String>,
    /// Before this: the `next` of another page, or a time, RFC 3339.
    before: Option<String>,
    /// At most so many: 1 to 500; 100 unless said.
    limit: Option<usize>,
}

/// One record, in short.
#[derive(Debug, Serialize, ToSchema)]
struct RecordTold {
    number: u64,
    /// When it arrived, RFC 3339.
    at: String,
    trace: String,
    task: String,
    /// The caller's key, `tenant/agent`, if it proved who it is.
    principal: Option<String>,
    server: String,
    /// The downstream system.
    system: Option<String>,
    method: Option<String>,
    /// The tool or other target; else the method.
    action: String,
    /// `allow`, `escalate` or `deny`, if it came to one.
    #[schema(value_type = Option<String>)]
    decision: Option<&'static str>,
    /// The ids of the rules that spoke.
    rules: Vec<String>,
    /// How it ended.
    #[schema(value_type = String)]
    ending: &'static str,
    /// The labels it was judged under, and those of its answer.
    labels: Vec<String>,
    /// How its effect ended, of a call that may have one.
    #[schema(value_type = Option<String>)]
    effect: Option<&'static str>,
    /// How long it took, in milliseconds, waiting for people included.
    took_ms: f64,
}

/// A page of records.
#[derive(Debug, Serialize, ToSchema)]
struct RecordsTold {
    /// The latest first. Of many others it may be empty although there is a next page.
    records: Vec<RecordTold>,
    /// To be sent back as `before`; nothing where the ledger holds no more.
    next: Option<String>,
    /// How many of this page cannot be read.
    unreadable: usize,
}

fn told(record: &Record) -> RecordTold {
    let kind = match record.kind {
        FrameKind::Request => "request",
        FrameKind::Notification => "notification",
        FrameKind::Response => "response",
        FrameKind::Stream => "stream",
        FrameKind::EndSession => "end of session",
        FrameKind::Unreadable => "unreadable",
    };
    let note = record.decision.as_ref();
    let labels = note.map_or_else(|| record.labels.clone(), |note| note.labels.clone().join(&record.labels));
    RecordTold {
        number: record.number,
        at: rfc3339(record.started_us),
        trace: record.trace.clone(),
        task: record.task.clone(),
        principal: record.principal.as_ref().map(|principal| principal.key()),
        server: record.server.clone(),
        system: record.system.clone(),
        method: record.method.clone(),
        action: record.target.clone().or_else(|| record.method.clone()).unwrap_or_else(|| kind.to_owned()),
        decision: note.map(|note| note.decision.word()),
        rules: note.map(|note| note.rules.iter().map(|rule| rule.id.clone()).collect()).unwrap_or_default(),
        ending: record.ending.word(),
        labels: labels.iter().map(|label| label.as_str().to_owned()).collect(),
        effect: record.effect.as_ref().map(|effect| effect.state.word()),
        // Microseconds of some hundred years have an exact double.
        took_ms: record.took_us as f64 / 1000.0,
    }
}

/// A time as it is asked for, in microseconds since 1970-01-01T00:00Z.
fn time(name: &str, text: &str) -> Result<i64, String> {
    let read = text.parse::<Timestamp>();
    read.map(Timestamp::as_microsecond)
        .map_err(|_| format!("`{name}` is no time: write it as RFC 3339 has it, such as 2026-11-20T08:00:00Z"))
}

/// Where a page ended, as it is told and sent back.
fn cursor(place: Place) -> String {
    format!("{}_{}", place.at_us, place.seq)
}

/// Where a page begins. A time stands before everything that happened at it.
fn place(text: &str) -> Result<Place, String> {
    let told = text.split_once('_').and_then(|(at_us, seq)| Some((at_us.parse().ok()?, seq.parse().ok()?)));
    match told {
        Some((at_us, seq)) => Ok(Place { at_us, seq }),
        None => Ok(Place { at_us: time("before", text)?, seq: 0 }),
    }
}

impl RecordsWanted {
    /// What the ledger is asked. Nothing for what can only be another tenant's.
    fn past(self, visitor: &Visitor) -> Result<Option<Past>, String> {
        let given = |name: &str, text: Option<String>| match text.filter(|text| !text.is_empty()) {
            Some(text) if text.chars().count() > FILTER_CHARS_MAX => {
                Err(format!("`{name}` has more than {FILTER_CHARS_MAX} characters"))
            }
            text => Ok(text),
        };
        let decision = given("decision", self.decision)?;
        if let Some(word) = decision.as_ref().filter(|word| !["allow", "escalate", "deny"].contains(&word.as_str())) {
            return Err(format!("`{word}` is no decision: ask for allow, escalate or deny"));
        }
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(format!("`limit` is 1 to {PAGE_MAX}"));
        }
        let tenant = visitor.principal.tenant.clone();
        let principal = given("principal", self.principal)?.map(|name| match name.contains('/') {
            true => name,
            false => format!("{tenant}/{name}"),
        });
        let past = Past {
            trace: given("trace", self.trace)?.map(|trace| trace.to_ascii_lowercase()),
            task: given("task", self.task)?,
            tool: given("tool", self.tool)?,
            decision,
            system: given("system", self.system)?,
            server: given("server", self.server)?,
            method: given("method", self.method)?,
            label: given("label", self.label)?,
            names_target: false,
            from_us: given("from", self.from)?.map(|text| time("from", &text)).transpose()?,
            before: given("before", self.before)?.map(|text| place(&text)).transpose()?,
            tenant: Some(tenant),
            limit,
            looked_max: LOOKED_MAX,
            principal,
        };
        let seen = past.principal.as_ref().is_none_or(|key| visitor.sees_key(key));
        Ok(seen.then_some(past))
    }
}

fn bad(words: &str) -> Response {
    error(StatusCode::BAD_REQUEST, "bad_request", words)
}

fn unreadable(fault: &StoreFault) -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", &format!("the ledger cannot be read: {fault}"))
}

/// Records, the latest first.
///
/// Those that fit everything given, of your tenant and of callers that nobody knows. Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/records", tag = "traces", params(RecordsWanted),
    responses((status = 200, body = RecordsTold, description = "A page of them."))
)]
async fn records(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    wanted: Result<Query<RecordsWanted>, QueryRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let past = wanted.map_err(|e| e.body_text()).and_then(|Query(wanted)| wanted.past(&visitor));
    let past = match past {
        Ok(past) => past,
        Err(words) => return bad(&words),
    };
    let path = control.ledger_path.clone();
    let page = aside(move || match past {
        Some(past) => Reader::open(&path).and_then(|reader| reader.past(&past)),
        None => Ok(PastPage::default()),
    });
    match page.await {
        Ok(Ok(PastPage { records, next, unreadable })) => {
            let records = records.iter().map(|record| told(record)).collect();
            Json(RecordsTold { records, next: next.map(cursor), unreadable }).into_response()
        }
        Ok(Err(fault)) => unreadable(&fault),
        Err(failed) => *failed,
    }
}

/// How many traces.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
struct TracesWanted {
    /// At most so many: 1 to 500; 100 unless said.
    limit: Option<usize>,
}

/// A trace in the list.
#[derive(Debug, Serialize, ToSchema)]
struct TraceLineTold {
    trace: String,
    task: String,
    /// When its last entry was made, RFC 3339.
    at: String,
    /// The server of its last entry.
    server: String,
    /// The principal of its last entry.
    principal: Option<String>,
}

/// The latest traces.
#[derive(Debug, Serialize, ToSchema)]
struct TracesTold {
    traces: Vec<TraceLineTold>,
}

fn line(line: TraceLine) -> TraceLineTold {
    let TraceLine { trace, task, at_us, server, principal } = line;
    TraceLineTold { trace, task, at: rfc3339(at_us), server, principal }
}

/// The latest traces.
///
/// Those among the ledger's last entries, of your tenant and of callers that nobody knows. Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/traces", tag = "traces", params(TracesWanted),
    responses((status = 200, body = TracesTold, description = "The latest first."))
)]
async fn traces(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    wanted: Result<Query<TracesWanted>, QueryRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let limit = match wanted {
        Ok(Query(wanted)) => wanted.limit.unwrap_or(PAGE),
        Err(rejected) => return bad(&rejected.body_text()),
    };
    if !(1..=PAGE_MAX).contains(&limit) {
        return bad(&format!("`limit` is 1 to {PAGE_MAX}"));
    }
    let (path, sight) = (control.ledger_path.clone(), Sight::of(&visitor.principal.tenant));
    let found =
        aside(move || Reader::open(&path).and_then(|reader| reader.latest_traces(limit, &|key| sight.sees(key))));
    match found.await {
        Ok(Ok(lines)) => Json(TracesTold { traces: lines.into_iter().map(line).collect() }).into_response(),
        Ok(Err(fault)) => unreadable(&fault),
        Err(failed) => *failed,
    }
}
