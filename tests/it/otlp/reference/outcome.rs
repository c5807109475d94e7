//! Which spans are errors, as the SDK's statuses.

use std::borrow::Cow;

use gateway::telemetry::names;
use opentelemetry::trace::{SpanKind, Status};
use pdp::decision::{Decision, Reason};
use pdp::record::{Attempt, Ending, FrameKind, Record};
use pdp::refusal::{Code, Refusal, Source};

use super::attributes::{Attributes, shortened};

/// Parse error, invalid request, method not found, invalid params, resource not found.
const CALLERS_MISTAKES: [i64; 5] = [-32700, -32600, -32601, -32602, -32002];

/// A status description is for people; what is longer is read in the record.
const DESCRIPTION_CHARS_MAX: usize = 256;

/// An error: its `error.type` and a description.
type Failure = (Cow<'static, str>, String);

/// Sets the status of the frame's own span, and adds what explains it.
pub(super) fn of_frame(a: &mut Attributes, record: &Record, kind: &SpanKind) -> Status {
    if let Some(code) = answered_code(record) {
        a.text(names::RPC_STATUS, &code.to_string());
    }
    let failure = match record.ending {
        // The caller left; as with a cancelled call elsewhere, that is nobody's error.
        Ending::Abandoned => None,
        Ending::Panicked => Some(("panicked".into(), "the gate failed while this frame was under way".to_owned())),
        Ending::Served | Ending::Refused | Ending::Failed | Ending::Indeterminate => frame_failure(record, kind),
    };
    status(a, failure)
}

fn frame_failure(record: &Record, kind: &SpanKind) -> Option<Failure> {
    let refusal = record.refusal.as_ref();
    if let Some(refusal) = refusal.filter(|r| r.code == Code::TimedOut) {
        return Some((names::TIMEOUT.into(), refusal.message.clone()));
    }
    if record.result.as_ref().is_some_and(|r| r.is_error) {
        return Some((names::TOOL_ERROR.into(), String::new()));
    }
    let code = record.result.as_ref().and_then(|r| r.error_code).or(refusal.map(|r| r.code.rpc_code()));
    if let Some(code) = code {
        let forgiven = *kind == SpanKind::Server && CALLERS_MISTAKES.contains(&code);
        return (!forgiven).then(|| (code.to_string().into(), message(record)));
    }
    match record.ending {
        Ending::Failed | Ending::Indeterminate => Some((record.ending.word().into(), String::new())),
        Ending::Served | Ending::Refused | Ending::Abandoned | Ending::Panicked => None,
    }
}

/// The JSON-RPC error code that the caller received. A notification has no answer, hence no code.
fn answered_code(record: &Record) -> Option<i64> {
    match (&record.result, &record.refusal) {
        (Some(result), _) => result.error_code,
        (None, Some(refusal)) if record.kind == FrameKind::Request => Some(refusal.code.rpc_code()),
        (None, Some(_) | None) => None,
    }
}

/// Sets the status of an attempt's span. Only the last attempt's answer is the answer, and only if no refusal of ours
/// took its place.
pub(super) fn of_attempt(a: &mut Attributes, record: &Record, attempt: &Attempt) -> Status {
    let last = record.attempts.last().is_some_and(|l| std::ptr::eq(l, attempt));
    let answer = record.result.as_ref().filter(|_| last && record.refusal.is_none());
    if let Some(code) = answer.and_then(|r| r.error_code) {
        a.text(names::RPC_STATUS, &code.to_string());
        return status(a, Some((code.to_string().into(), message(record))));
    }
    let failure = if last && record.refusal.as_ref().is_some_and(|r| r.code == Code::TimedOut) {
        Some((names::TIMEOUT.into(), attempt.fault.clone().unwrap_or_default()))
    } else if answer.is_some_and(|r| r.is_error) {
        Some((names::TOOL_ERROR.into(), String::new()))
    } else if let Some(http) = attempt.status.filter(|s| *s >= 400) {
        Some((http.to_string().into(), attempt.fault.clone().unwrap_or_default()))
    } else {
        attempt.fault.clone().map(|fault| (fault_type(record, last), fault))
    };
    status(a, failure)
}

/// The class of a fault without an HTTP status: the refusal it led to, where it led to one.
fn fault_type(record: &Record, last: bool) -> Cow<'static, str> {
    match &record.refusal {
        Some(refusal) if last && refusal.code.source() == Source::Upstream => refusal.code.name().into(),
        Some(_) | None => names::OTHER.into(),
    }
}

/// Sets the status of a stage's span. A denial by policies that work is a good answer; only a fault in evaluating them
/// is an error. Its sentence may quote an argument and is left to the record.
pub(super) fn of_stage(a: &mut Attributes, record: &Record, stage: &str) -> Status {
    let decision = record.decision.as_ref().map(|d| &d.decision);
    match (stage, decision) {
        ("policy", Some(Decision::Deny(Reason::Fault(_)))) => {
            status(a, Some(("policy_fault".into(), "a policy could not be evaluated".to_owned())))
        }
        _ => Status::Unset,
    }
}

fn status(a: &mut Attributes, failure: Option<Failure>) -> Status {
    let Some((class, description)) = failure else { return Status::Unset };
    a.text(names::ERROR_TYPE, &class);
    Status::error(shortened(&description, DESCRIPTION_CHARS_MAX))
}

/// The description the conventions ask for: the message of the JSON-RPC error.
fn message(record: &Record) -> String {
    if let Some(refusal) = &record.refusal {
        return refusal_message(refusal);
    }
    record.result.as_ref().and_then(|r| r.error_message.clone()).unwrap_or_default()
}

/// What may be shown of a refusal. Sentences about what a caller sent may quote it, so only the refusal's name is shown.
fn refusal_message(refusal: &Refusal) -> String {
    match refusal.code.source() {
        Source::Client | Source::Policy => refusal.code.name().to_owned(),
        Source::Upstream | Source::Gate => refusal.message.clone(),
    }
}
