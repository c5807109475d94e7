//! A result that is not as it must be: too long, out of its bounds, or of another schema. Where the registry names a
//! rollback the call is undone, otherwise the result is withheld and kept for an approver to release.

use pdp::digest::DEPTH_MAX;
use pdp::flow::Carried;
use pdp::json::{Json, Part};
use pdp::record::Errand;
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Tool, UNVALIDATED};

use super::quarantine::Kept;
use super::{Life, rollback};
use crate::approval::asker;
use crate::call::Head;
use crate::content::{Context, content, says_failed};
use crate::entry::OpenRecord;
use crate::envelope::Envelope;
use crate::job;
use crate::ports::Ports;
use crate::stages::s2_classify::Subject;

/// Holds a tool's direct result against what its registry entry says of its size and fields. What it did cost is noted.
///
/// # Errors
/// When it is not as it must be.
pub(crate) fn held_against(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    text: &str,
    result: Part<'_>,
) -> Result<(), Refusal> {
    let Subject::Tool { tool, .. } = &context.subject else { return Ok(()) };
    // What a dry run says is read by the preview that asked for it: it is no result of the call.
    let is_preview = head.errand.as_ref().is_some_and(|errand| errand.what == Errand::Preview);
    if is_preview || !tool.around.reads_results() {
        return Ok(());
    }
    let read = Json::read(result.text(), DEPTH_MAX);
    if let Some(cost) = read.as_ref().ok().and_then(|result| tool.around.cost.told(result)) {
        entry.cost(cost);
    }
    if tool.around.checks.is_none() || says_failed(result) || job::begun_by(result).is_some() {
        return Ok(());
    }
    let given = Json::read(arguments_of(context), DEPTH_MAX);
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let fault = match (tool.around.checks.bytes_max.filter(|most| bytes > *most), read, given) {
        (Some(most), _, _) => Some(format!("it has {bytes} bytes; at most {most} are allowed")),
        (None, Ok(result), Ok(given)) => tool.around.checks.fault(&result, &given),
        (None, Err(fault), _) | (None, _, Err(fault)) => Some(format!("it cannot be read: {fault}")),
    };
    let Some(fault) = fault else { return Ok(()) };
    entry.note(format!("the result is not as the registry says it must be: {fault}"));
    Err(refused(tool, &fault))
}

/// The arguments of the call, as JSON text: those it was made with, whatever message brings the result.
fn arguments_of(context: &Context) -> &str {
    context.given.as_ref().map_or("", |given| &given.arguments)
}

fn refused(tool: &Tool, fault: &str) -> Refusal {
    let words = format!(
        "the result of `{}` is withheld: {fault}; the call may have had its effect, so do not simply repeat it",
        tool.name
    );
    Refusal::new(Code::Quarantined, words)
}

/// What becomes of a result that is withheld: its call is to be undone, or it is kept for an approver. Answers what the
/// agent is told for now; where the call is undone, the audit stage tells how that went.
pub(crate) fn withheld(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    (text, envelope): (&str, &Envelope),
    refusal: Refusal,
) -> Refusal {
    let Subject::Tool { tool, .. } = &context.subject else { return refusal };
    if refusal.code != Code::Quarantined {
        return refusal;
    }
    let fault = refusal.message.clone();
    if let (Some(rule), true) = (&tool.around.rollback, entry.has_intent() && head.errand.is_none()) {
        let result = envelope.part(text, "result").map_or("{}", Part::text);
        let planned = rollback::planned(head, entry, rule, arguments_of(context), result);
        entry.undo(fault, rule.tool.clone(), planned);
        return refusal;
    }
    if !entry.is_alive() {
        entry.live(Life::answered_only());
    }
    entry.withhold(fault);
    if head.errand.is_some() {
        return refusal;
    }
    let carried = context.subject.presumed().join(&Carried::labelled([UNVALIDATED].into_iter().collect()));
    let before = entry.read(|record| record.labels.clone()).unwrap_or_default();
    let handed = content(entry, context, &carried, ports, text, envelope);
    let kept = kept(head, entry, context, tool, handed, &refusal.message);
    // The labels are the withheld result's: what this call is answered with carries none.
    entry.write(|record| record.labels = before);
    let Some(kept) = kept else { return refusal };
    let number = kept.record;
    let words = match ports.quarantine.keep(kept, ports.clock.now_us()) {
        Ok(()) => format!(
            "{}. It is kept as record {number}; once somebody has released it, this very call finds it",
            refusal.message
        ),
        Err(why) => format!("{}. It is not kept: {why}", refusal.message),
    };
    Refusal::new(refusal.code, words)
}

fn kept(head: &Head, entry: &OpenRecord, context: &Context, tool: &Tool, text: String, why: &str) -> Option<Kept> {
    let call = context.given.as_ref()?.call?;
    let (record, labels) = entry.read(|record| (record.number, record.labels.clone()))?;
    Some(Kept {
        record,
        owner: head.principal.key(),
        of: asker(&head.task, &head.principal),
        task: head.task.id().to_owned(),
        trace: head.task.trace().to_owned(),
        server: head.server.clone(),
        tool: tool.name.clone(),
        acts: !tool.is_harmless(),
        call,
        text,
        labels,
        why: why.to_owned(),
    })
}
