//! Undoing a call: the rollback its registry entry names, with arguments taken from the call and its result.

use std::sync::Arc;

use pdp::digest::DEPTH_MAX;
use pdp::json::{self, Json};
use pdp::record::Errand;
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Rollback, Taken};

use super::errand::{Failure, Order, order, run};
use crate::call::Head;
use crate::entry::OpenRecord;
use crate::ports::Gate;

/// Plans the rollback of a call, while call and result are at hand. `arguments` and `result` are JSON text.
///
/// # Errors
/// In words, when its arguments cannot be had.
pub(super) fn planned(
    head: &Head,
    entry: &OpenRecord,
    rule: &Rollback,
    arguments: &str,
    result: &str,
) -> Result<Box<Order>, String> {
    let given = given(rule, arguments, result)?;
    let named = entry.read(|record| (record.number, record.span.clone())).unwrap_or_default();
    Ok(Box::new(order(head, named, Errand::Rollback, &rule.tool, &given)))
}

fn given(rule: &Rollback, arguments: &str, result: &str) -> Result<String, String> {
    let unreadable = |fault: pdp::json::JsonFault| format!("its arguments cannot be had: {fault}");
    let call = Json::read(arguments, DEPTH_MAX).map_err(unreadable)?;
    let result = Json::read(result, DEPTH_MAX).map_err(unreadable)?;
    let taken = rule.arguments.iter().map(|(name, taken)| {
        let value = match taken {
            Taken::Argument(at) => at.of(&call).map(json::canonical).ok_or_else(|| format!("the call has no {at}")),
            Taken::Result(at) => at.of(&result).map(json::canonical).ok_or_else(|| format!("the result has no {at}")),
            Taken::Text(text) => Ok(json::quoted(text)),
        };
        value.map(|value| format!("{}:{value}", json::quoted(name)))
    });
    let taken: Vec<String> = taken.collect::<Result<_, _>>()?;
    Ok(format!("{{{}}}", taken.join(",")))
}

/// Carries out the rollback that was planned for a call, if one was. Answers what the agent is told instead. It is run to
/// its end, also when nobody waits for the answer any more (`s9_audit`).
pub(crate) async fn carried_out(entry: &mut OpenRecord, refusal: Refusal, gate: &Arc<Gate>) -> Refusal {
    let Some(planned) = entry.take_undo() else { return refusal };
    let outcome = match planned {
        Ok(order) => run(*order, gate).await.map(drop),
        Err(why) => Err(Failure::from(why)),
    };
    entry.undone(outcome.as_ref().map_err(Failure::noted).copied());
    let (before, _) = refusal.message.split_once("; the call may have had").unwrap_or((&refusal.message, ""));
    match outcome {
        Ok(()) => {
            let words = format!("{before}. The call was undone; nothing of it stands");
            Refusal::new(Code::RolledBack, words)
        }
        Err(why) => {
            let words = format!(
                "{before}. It was to be undone, and whether it was is unknown: {}. Do not repeat it; a person must look",
                why.words.trim_end_matches('.')
            );
            Refusal::new(Code::RollbackFailed, words)
        }
    }
}
