//! A tool's arguments and its result held against its reviewed schemas, and what becomes of a result that does not fit: as
//! the registry says, it is withheld, labelled, or passed.
//!
//! MCP 2025-06-18 and later: where a tool has an output schema, its server must provide structured content that fits it.
//! Results that say they failed, and those that are none yet, are not held against it.

use pdp::json::{Kind, Part};
use pdp::label::LabelSet;
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Misfit, Tool, UNVALIDATED};

use crate::content::{Context, says_failed};
use crate::entry::OpenRecord;
use crate::job;
use crate::stages::s2_classify::Subject;

/// Holds the arguments of a call against the tool's reviewed input schema.
///
/// # Errors
/// With what does not fit, without any value.
pub(crate) fn arguments_fit(tool: &Tool, value: &serde_json::Value) -> Result<(), Refusal> {
    let bad = |words: String| Refusal::new(Code::BadArguments, words);
    let Some(validator) = &tool.validator else { return Err(bad("the tool's schema cannot be used".to_owned())) };
    if validator.is_valid(value) {
        return Ok(());
    }
    let faults: Vec<String> = validator
        .iter_errors(value)
        .take(5)
        .map(|e| {
            let at = e.instance_path().to_string();
            let words: String = e.masked().to_string().chars().take(200).collect();
            if at.is_empty() { words } else { format!("{at}: {words}") }
        })
        .collect();
    Err(bad(format!("the arguments do not fit the tool's schema: {}", faults.join("; "))))
}

/// The labels that an answer carries beyond its tool's, now that it has been held against the schema.
///
/// # Errors
/// When it is withheld.
pub(crate) fn of_answer(entry: &mut OpenRecord, context: &Context, result: Part<'_>) -> Result<LabelSet, Refusal> {
    let Some(tool) = context.subject.tool().filter(|tool| tool.is_validated()) else { return Ok(LabelSet::default()) };
    // The answer of a task's own methods is a result, or holds one (MCP 2025-11-25, and the 2026 extension).
    let inner = result.get("result").filter(|_| context.subject.brings_work());
    let misfit = match (&context.subject, inner) {
        (Subject::Tool { .. }, _) => misfit(tool, result),
        (Subject::Method { name, .. }, _) if name == "tasks/result" => misfit(tool, result),
        (Subject::Method { .. }, Some(inner)) => misfit(tool, inner),
        (Subject::Method { .. }, None) => None,
    };
    settled(entry, tool, misfit)
}

/// The same for the result that the notification of a finished task brings, as JSON text.
///
/// # Errors
/// When it is withheld.
pub(crate) fn of_notice(entry: &mut OpenRecord, context: &Context, params: Part<'_>) -> Result<LabelSet, Refusal> {
    let Some(tool) = context.subject.tool().filter(|tool| tool.is_validated()) else { return Ok(LabelSet::default()) };
    let misfit = params.get("result").and_then(|result| misfit(tool, result));
    settled(entry, tool, misfit)
}

/// The labels of an answer that is handed on before its end is known: it was not held against the schema.
pub(crate) fn of_passing(subject: &Subject) -> LabelSet {
    match subject.tool().filter(|tool| tool.is_validated()) {
        Some(_) => [UNVALIDATED].into_iter().collect(),
        None => LabelSet::default(),
    }
}

/// Whether an answer must be read whole, so that none of it is handed on if it does not fit.
pub(crate) fn reads_whole(subject: &Subject) -> bool {
    subject
        .tool()
        .is_some_and(|tool| (tool.is_validated() && tool.misfit == Misfit::Refuse) || tool.around.reads_results())
}

fn settled(entry: &mut OpenRecord, tool: &Tool, misfit: Option<String>) -> Result<LabelSet, Refusal> {
    let Some(words) = misfit else { return Ok(LabelSet::default()) };
    entry.note(format!("the result does not fit the reviewed output schema: {words}"));
    match tool.misfit {
        Misfit::Refuse => {
            let words = format!(
                "the result of `{}` is withheld: it does not fit the output schema that was reviewed ({words}); the call may \
                 have had its effect, so do not simply repeat it",
                tool.name
            );
            Err(Refusal::new(Code::Quarantined, words))
        }
        Misfit::Label => Ok([UNVALIDATED].into_iter().collect()),
        Misfit::Pass => Ok(LabelSet::default()),
    }
}

/// What is wrong with a result; nothing where it fits, or need not.
fn misfit(tool: &Tool, result: Part<'_>) -> Option<String> {
    if result.kind() != Kind::Object {
        return Some("it is no object".to_owned());
    }
    let failed = says_failed(result);
    let carries = ["content", "structuredContent"].iter().any(|name| result.get(name).is_some());
    // Work that goes on and questions to the client are no results; what carries content is one, whatever else it says.
    let later = job::begun_by(result).is_some()
        || result.get("resultType").is_some_and(|kind| kind.text() == "\"input_required\"");
    if failed || (later && !carries) {
        return None;
    }
    match result.get("structuredContent") {
        Some(structured) => tool.output_fault(structured.text()),
        None => Some("it has no structured content".to_owned()),
    }
}
