//! Which spans are errors, and of what type: the classification of the MCP semantic conventions (genai#404).
//!
//! On a span of kind SERVER five JSON-RPC codes are the caller's mistake and no error of ours; on a span of kind CLIENT
//! every JSON-RPC error is one. A denial is not a class of its own here: whoever looks for denials reads
//! `wicketgate.decision`, never the status.

use std::borrow::Cow;

use pdp::decision::{Decision, Reason};
use pdp::record::{Attempt, Ending, FrameKind, Record};
use pdp::refusal::{Code, Refusal, Source};

use super::names;
use super::spans::{Kind, Span, shortened};

/// Parse error, invalid request, method not found, invalid params, resource not found.
const CALLERS_MISTAKES: [i64; 5] = [-32700, -32600, -32601, -32602, -32002];

/// A status description is for people; what is longer is read in the record.
const DESCRIPTION_CHARS_MAX: usize = 256;

/// An error: its `error.type` and a description.
type Failure<'r> = (Cow<'r, str>, &'r str);

/// Ends the frame's own span with its status and what explains it.
pub(super) fn of_frame(mut span: Span<'_>, record: &Record, kind: Kind) {
    if let Some(code) = answered_code(record) {
        span.shown(names::RPC_STATUS, &code);
    }
    let failure = match record.ending {
        // The caller left; as with a cancelled call elsewhere, that is nobody's error.
        Ending::Abandoned => None,
        Ending::Panicked => Some(("panicked".into(), "the gate failed while this frame was under way")),
        Ending::Served | Ending::Refused | Ending::Failed | Ending::Indeterminate => frame_failure(record, kind),
    };
    end(span, failure);
}

fn frame_failure(record: &Record, kind: Kind) -> Option<Failure<'_>> {
    let refusal = record.refusal.as_ref();
    if let Some(refusal) = refusal.filter(|r| r.code == Code::TimedOut) {
        return Some((names::TIMEOUT.into(), &refusal.message));
    }
    if record.result.as_ref().is_some_and(|r| r.is_error) {
        return Some((names::TOOL_ERROR.into(), ""));
    }
    let code = record.result.as_ref().and_then(|r| r.error_code).or(refusal.map(|r| r.code.rpc_code()));
    if let Some(code) = code {
        let forgiven = kind == Kind::Server && CALLERS_MISTAKES.contains(&code);
        return (!forgiven).then(|| (code.to_string().into(), message(record)));
    }
    match record.ending {
        Ending::Failed | Ending::Indeterminate => Some((record.ending.word().into(), "")),
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

/// Ends an attempt's span with its status. Only the last attempt's answer is the answer, and only if no refusal of ours
/// took its place.
pub(super) fn of_attempt(mut span: Span<'_>, record: &Record, attempt: &Attempt) {
    let last = record.attempts.last().is_some_and(|l| std::ptr::eq(l, attempt));
    let answer = record.result.as_ref().filter(|_| last && record.refusal.is_none());
    if let Some(code) = answer.and_then(|r| r.error_code) {
        span.shown(names::RPC_STATUS, &code);
        return end(span, Some((code.to_string().into(), message(record))));
    }
    let fault = attempt.fault.as_deref();
    let failure = if last && record.refusal.as_ref().is_some_and(|r| r.code == Code::TimedOut) {
        Some((names::TIMEOUT.into(), fault.unwrap_or_default()))
    } else if answer.is_some_and(|r| r.is_error) {
        Some((names::TOOL_ERROR.into(), ""))
    } else if let Some(http) = attempt.status.filter(|s| *s >= 400) {
        Some((http.to_string().into(), fault.unwrap_or_default()))
    } else {
        fault.map(|fault| (fault_type(record, last).into(), fault))
    };
    end(span, failure);
}

/// The class of a fault without an HTTP status: the refusal it led to, where it led to one.
fn fault_type(record: &Record, last: bool) -> &'static str {
    match &record.refusal {
        Some(refusal) if last && refusal.code.source() == Source::Upstream => refusal.code.name(),
        Some(_) | None => names::OTHER,
    }
}

/// Ends a stage's span with its status. A denial by policies that work is a good answer; only a fault in evaluating
/// them is an error. Its sentence may quote an argument and is left to the record.
pub(super) fn of_stage(span: Span<'_>, record: &Record, stage: &str) {
    let decision = record.decision.as_ref().map(|d| &d.decision);
    match (stage, decision) {
        ("policy", Some(Decision::Deny(Reason::Fault(_)))) => {
            end(span, Some(("policy_fault".into(), "a policy could not be evaluated")));
        }
        _ => end(span, None),
    }
}

fn end(mut span: Span<'_>, failure: Option<Failure<'_>>) {
    match failure {
        Some((class, description)) => {
            span.text(names::ERROR_TYPE, &class);
            span.end_with_error(shortened(description, DESCRIPTION_CHARS_MAX));
        }
        None => span.end(),
    }
}

/// The description the conventions ask for: the message of the JSON-RPC error.
fn message(record: &Record) -> &str {
    if let Some(refusal) = &record.refusal {
        return refusal_message(refusal);
    }
    record.result.as_ref().and_then(|r| r.error_message.as_deref()).unwrap_or_default()
}

/// What may be shown of a refusal. Sentences about what a caller sent may quote it, so only the refusal's name is shown.
fn refusal_message(refusal: &Refusal) -> &str {
    match refusal.code.source() {
        Source::Client | Source::Policy => refusal.code.name(),
        Source::Upstream | Source::Gate => &refusal.message,
    }
}
