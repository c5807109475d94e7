//! The desk over HTTP: a candidate checked, its tests run, recorded traffic put to it, what it lets everybody do. By the same
//! functions as the command line; nothing here is kept, and nothing in force changes.
//!
//! Building runs aside, one at a time; so does judging, for a bounded time, and neither holds up the other. The law is every
//! tenant's: so are counts. Examples and names of agents are the visitor's own tenant's.

mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::digest::Digest;
use pdp::fault::{Fault, SourceFile};
use pdp::policy::Written;
use pdp::snapshot::{Snapshot, Sources};
use pep::ports::{Clock, Snapshots as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::shadow::{self, Beginning};
use super::snapshots::{BUNDLE_BYTES_MAX, FaultTold, alone, in_turn, read, refused, told_faults};
use super::table::Routes;
use super::{Asked, Control, error, needs};
use crate::clock::rfc3339;
use crate::config::Role;
use crate::desk::compare::Report;
use crate::desk::law::Law;
use crate::desk::lint::warnings;
use crate::desk::replay::{self, Traffic};
use crate::desk::suite::{self, Coverage, Test};
use crate::desk::{samples, summary};
use crate::ledger::Reader;
use crate::reload::{self, Refused};
use crate::review;
use told::{Checked, NoteTold, Tested, failed};

/// How many cases are judged for one request: the repository's own policies have some hundred.
const CASES_MAX: usize = 10_000;
/// After how many cases it is asked whether there is time for more.
const CASES_AT_ONCE: usize = 100;
/// How many hours of traffic are replayed at most, and unless it is said.
const HOURS_MAX: u32 = 31 * 24;
const HOURS: u32 = 24;
/// How long a replay, tests or a summary take at most, in microseconds: somebody sits before the page.
const TIME_US_MAX: i64 = 90_000_000;
const HOUR_US: i64 = 3_600_000_000;

/// The routes of the desk.
pub(super) fn routes() -> Routes {
    let all = Routes::new().with(routes!(check)).with(routes!(test));
    all.with(routes!(replayed)).with(routes!(summed)).body_max(BUNDLE_BYTES_MAX)
}

/// A candidate as it is sent along.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LawAsked {
    /// Every file of the bundle, by path: `policies/...` and `registry/...`. Test files, `policies/NAME.test.toml`, may stand
    /// among them; they take the place of those of the same path that lie beside the policies in force.
    files: BTreeMap<String, String>,
}

/// A candidate and how much traffic is put to it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LawReplayAsked {
    /// Every file of the bundle, by path. Test files among them are passed over.
    files: BTreeMap<String, String>,
    /// The traffic of the last so many hours: 1 to 744; 24 unless said.
    hours: Option<u32>,
}

/// Files of a bundle, and the tests among them.
fn parted(files: BTreeMap<String, String>) -> (BTreeMap<String, String>, Vec<SourceFile>) {
    let is_test = |path: &String| path.starts_with("policies/") && path.ends_with(suite::ENDING);
    let (tests, bundle): (Vec<_>, Vec<_>) = files.into_iter().partition(|(path, _)| is_test(path));
    let tests = tests.into_iter().map(|(path, text)| SourceFile { path, text }).collect();
    (bundle.into_iter().collect(), tests)
}

/// What a candidate is: built beside what is in force, with the reviewers that it must name.
fn built(control: &Control, files: BTreeMap<String, String>) -> Result<(Sources, Snapshot), Vec<Fault>> {
    let (sources, snapshot) = reload::candidate(files, Some(&control.store.current()))?;
    control.store.signatures().asked_of(&snapshot)?;
    Ok((sources, snapshot))
}

fn faulty(control: &Control, faults: Vec<Fault>) -> Box<Response> {
    Box::new(refused(control, &Refused::Faults(faults)))
}

/// Judges much, one at a time; whoever builds meanwhile is not held up by it. It goes on to its end, and nobody else begins,
/// also when whoever asked has gone.
async fn judged<T: Send + 'static>(
    control: &Control,
    task: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Box<Response>> {
    in_turn(&control.replaying, "somebody else's replay, tests or summary are under way; try again", task).await
}

fn too_long(what: &str) -> Box<Response> {
    let words = format!("{what} takes longer than {} s here; use `wicketgate policy`", TIME_US_MAX / 1_000_000);
    Box::new(error(StatusCode::SERVICE_UNAVAILABLE, "too_long", &words))
}

/// Whether there is time left, whenever it is asked.
fn in_time(clock: &dyn Clock) -> impl FnMut() -> bool {
    let began_us = clock.now_us();
    move || clock.now_us().saturating_sub(began_us) < TIME_US_MAX
}

/// Check a candidate.
///
/// Every fault of its files and of the tests among them; where there is none, what is probably a mistake. Needs `member`.
#[utoipa::path(
    post, path = "/v1/law/check", tag = "law", request_body = LawAsked,
    responses((status = 200, body = Checked, description = "What was found, also where it does not build."))
)]
async fn check(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let LawAsked { files } = match read(body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let asked = Arc::clone(&control);
    match alone(&control, move || checked(&asked, files)).await {
        Ok(checked) => Json(checked).into_response(),
        Err(failed) => *failed,
    }
}

fn checked(control: &Control, files: BTreeMap<String, String>) -> Checked {
    let (files, tests) = parted(files);
    let mut faults = suite::read(&tests).err().unwrap_or_default();
    let (notes, digest) = match built(control, files) {
        Err(more) => {
            faults.splice(0..0, more);
            (Vec::new(), None)
        }
        Ok((sources, snapshot)) => {
            let mut notes: Vec<NoteTold> = warnings(&snapshot, &sources).iter().map(NoteTold::of).collect();
            notes.extend(review::notes(snapshot.registry()).into_iter().map(NoteTold::words));
            (notes, Some(snapshot.digest()))
        }
    };
    Checked { digest: digest.filter(|_| faults.is_empty()), faults: told_faults(&faults), notes }
}

/// Run the tests of a candidate.
///
/// Those beside the policies in force, and those among the files in place of them. Needs `member`.
#[utoipa::path(
    post, path = "/v1/law/test", tag = "law", request_body = LawAsked,
    responses(
        (status = 200, body = Tested, description = "What came of them."),
        (status = 422, body = super::snapshots::Unbuildable, description = "It or a test file cannot be read."),
    )
)]
async fn test(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let LawAsked { files } = match read(body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let asked = Arc::clone(&control);
    let candidate = match alone(&control, move || with_tests(&asked, files)).await {
        Ok(Ok(candidate)) => candidate,
        Ok(Err(answer)) | Err(answer) => return *answer,
    };
    let clock = Arc::clone(&control.gate.ports.clock);
    match judged(&control, move || tested(&candidate, &mut in_time(&*clock))).await {
        Ok(Ok(tested)) => Json(tested).into_response(),
        Ok(Err(answer)) | Err(answer) => *answer,
    }
}

/// A candidate, its policies as written, and its tests.
type Candidate = (Snapshot, Vec<Written>, Vec<Test>);

fn with_tests(control: &Control, files: BTreeMap<String, String>) -> Result<Candidate, Box<Response>> {
    let faulty = |faults| faulty(control, faults);
    let (files, own) = parted(files);
    let mut tests = reload::read_tests(control.store.bundle()).map_err(faulty)?;
    tests.retain(|test| own.iter().all(|other| other.path != test.path));
    tests.extend(own);
    let (sources, snapshot) = built(control, files).map_err(faulty)?;
    let policies = pdp::policy::written(&sources.policies).map_err(faulty)?;
    let tests = suite::read(&tests).map_err(faulty)?;
    if tests.len() > CASES_MAX {
        let words = format!("{} cases; at most {CASES_MAX} are judged here: use `wicketgate policy test`", tests.len());
        return Err(Box::new(error(StatusCode::PAYLOAD_TOO_LARGE, "too_many", &words)));
    }
    Ok((snapshot, policies, tests))
}

fn tested((snapshot, policies, tests): &Candidate, go_on: &mut dyn FnMut() -> bool) -> Result<Tested, Box<Response>> {
    let mut verdicts = Vec::new();
    for some in tests.chunks(CASES_AT_ONCE) {
        if !go_on() {
            return Err(too_long("running the tests"));
        }
        verdicts.extend(suite::run(some, snapshot));
    }
    let coverage = Coverage::of(&verdicts, policies);
    let failed: Vec<_> = verdicts.iter().filter_map(failed).collect();
    Ok(Tested {
        passed: verdicts.len() - failed.len(),
        failed,
        covered: coverage.decided(),
        policies: coverage.all,
        never: coverage.never.iter().map(|policy| policy.id.clone()).collect(),
    })
}

/// What recorded traffic comes to under a candidate.
#[derive(Debug, Serialize, ToSchema)]
struct Replayed {
    #[schema(value_type = String)]
    candidate: Digest,
    /// From when on, RFC 3339.
    since: String,
    /// Until when, RFC 3339.
    until: String,
    /// Whether all of it was compared. If not, what was not is counted in `not_comparable`.
    whole: bool,
    #[serde(flatten)]
    report: Report,
}

/// Put recorded traffic to a candidate.
///
/// Counts are of all traffic, for the law is every tenant's; examples are of your tenant. Needs `member`.
#[utoipa::path(
    post, path = "/v1/law/replay", tag = "law", request_body = LawReplayAsked,
    responses(
        (status = 200, body = Replayed, description = "What would be decided otherwise."),
        (status = 422, body = super::snapshots::Unbuildable, description = "It does not build."),
    )
)]
async fn replayed(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let LawReplayAsked { files, hours } = match read(body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    let hours = hours.unwrap_or(HOURS);
    if !(1..=HOURS_MAX).contains(&hours) {
        return error(StatusCode::BAD_REQUEST, "bad_request", &format!("`hours` is 1 to {HOURS_MAX}"));
    }
    let asked = Arc::clone(&control);
    let candidate = alone(&control, move || built(&asked, parted(files).0).map_err(|faults| faulty(&asked, faults)));
    let candidate = match candidate.await {
        Ok(Ok((_, candidate))) => Arc::new(candidate),
        Ok(Err(answer)) | Err(answer) => return *answer,
    };
    let asked = Arc::clone(&control);
    match judged(&control, move || put_to(&asked, &candidate, hours)).await {
        Ok(Ok(mut replayed)) => {
            replayed.report.seen_by(|key| visitor.sees_key(key));
            Json(replayed).into_response()
        }
        Ok(Err(words)) => error(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", &words),
        Err(failed) => *failed,
    }
}

fn put_to(control: &Control, candidate: &Arc<Snapshot>, hours: u32) -> Result<Replayed, String> {
    let clock = &*control.gate.ports.clock;
    let until_us = clock.now_us();
    let since_us = until_us.saturating_sub(i64::from(hours).saturating_mul(HOUR_US));
    let traffic = Traffic { since_us, until_us, ..Traffic::default() };
    let reader = Reader::open(&control.ledger_path).map_err(|e| e.to_string())?;
    let mut own = replay::own_snapshots(control.store.history(), candidate);
    let done = replay::replay_while(&reader, &traffic, candidate, &mut own, &mut in_time(clock));
    let (tally, rest) = done.map_err(|e| e.to_string())?;
    let mut report = tally.report();
    if let Some(from_us) = rest {
        let left = reader.count(from_us, until_us).map_err(|e| e.to_string())?;
        let seconds = TIME_US_MAX / 1_000_000;
        let words = format!("entries from {} on, not reached within {seconds} s", rfc3339(from_us));
        report.not_comparable.insert(words, left);
    }
    let (since, until) = (rfc3339(since_us), rfc3339(until_us));
    Ok(Replayed { candidate: candidate.digest(), since, until, whole: rest.is_none(), report })
}

/// What everybody may do.
#[derive(Debug, Serialize, ToSchema)]
struct LawSummary {
    /// Sentences, then a table whose columns stand apart by two spaces or more, for each agent or several alike.
    text: String,
}

/// Say what a candidate, or a snapshot that is kept, lets agents do.
///
/// In plain words, for the agents of your tenant and those that policies name. Needs `member`.
#[utoipa::path(
    post, path = "/v1/law/summary", tag = "law", request_body = Beginning,
    responses(
        (status = 200, body = LawSummary, description = "In plain words."),
        (status = 422, body = super::snapshots::Unbuildable, description = "It does not build."),
    )
)]
async fn summed(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let mut asked: Beginning = match read(body) {
        Ok(asked) => asked,
        Err(answer) => return *answer,
    };
    asked.files = asked.files.map(|files| parted(files).0);
    let (here, tenant) = (Arc::clone(&control), visitor.principal.tenant.clone());
    let candidate = {
        let here = Arc::clone(&control);
        match alone(&control, move || shadow::built(&here, asked)).await {
            Ok(Ok(candidate)) => candidate,
            Ok(Err(answer)) | Err(answer) => return *answer,
        }
    };
    let done = judged(&control, move || {
        let (sources, snapshot) = candidate;
        let law = Law::of(&snapshot, &sources.policies);
        let principals = samples::principals(&here.doorkeeper.of_tenant(&tenant), &[&law]);
        let mut go_on = in_time(&*here.gate.ports.clock);
        let found = summary::summary_while(&snapshot, &law, &principals, &mut go_on);
        found.map(|found| summary::text(&found)).ok_or_else(|| too_long("the summary"))
    });
    match done.await {
        Ok(Ok(text)) => Json(LawSummary { text }).into_response(),
        Ok(Err(answer)) | Err(answer) => *answer,
    }
}
