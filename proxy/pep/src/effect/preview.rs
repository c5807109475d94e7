//! What a call would do, found out beforehand: its preview is run, and its result read as the registry declares it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pdp::digest::{DEPTH_MAX, Digest};
use pdp::json::{self, Json};
use pdp::policy::Impact;
use pdp::record::{Errand, PreviewNote};
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Preview, PreviewBy, Tool};

use super::errand::{Failure, order, run};
use crate::call::Head;
use crate::entry::OpenRecord;
use crate::ports::Gate;

/// What a preview found, by the names policies know it by.
pub(crate) type Findings = BTreeMap<String, Impact>;

/// Runs the preview of a call. Answers nothing where its tool has none.
///
/// # Errors
/// When what the call would do cannot be found out: it is not made then.
pub(crate) async fn made(
    head: &Head,
    entry: &mut OpenRecord,
    tool: &Tool,
    arguments: &str,
    gate: &Arc<Gate>,
) -> Result<Option<Findings>, Refusal> {
    let Some(preview) = tool.around.preview.as_ref().filter(|_| head.errand.is_none()) else { return Ok(None) };
    let asked = match &preview.by {
        PreviewBy::Argument(_) => tool.name.clone(),
        PreviewBy::Companion { tool, .. } => tool.clone(),
    };
    let named = entry.read(|record| (record.number, record.span.clone())).unwrap_or_default();
    let outcome = match given(preview, arguments) {
        Ok(given) => run(order(head, named, Errand::Preview, &asked, &given), gate).await,
        Err(words) => Err(Failure::from(words)),
    };
    let digest = outcome.as_ref().ok().map(|result| Digest::of_bytes(result.as_bytes()));
    let found = outcome.and_then(|result| read(preview, &result).map_err(Failure::from));
    entry.previewed(PreviewNote { fault: found.as_ref().err().map(Failure::noted), result: digest, tool: asked });
    found.map(Some).map_err(|why| {
        let words = format!(
            "what `{}` would do cannot be found out beforehand, so it was not called: {}",
            tool.name,
            why.words.trim_end_matches('.')
        );
        Refusal::new(Code::PreviewFailed, words)
    })
}

/// The arguments of a preview, as JSON text.
fn given(preview: &Preview, arguments: &str) -> Result<String, String> {
    match &preview.by {
        PreviewBy::Argument(name) => {
            json::with_member(arguments, name, "true").map_err(|fault| format!("its arguments cannot be read: {fault}"))
        }
        PreviewBy::Companion { arguments: places, .. } => {
            let call =
                Json::read(arguments, DEPTH_MAX).map_err(|fault| format!("its arguments cannot be read: {fault}"))?;
            // What the call leaves out, the companion is not told.
            let taken = places.iter().filter_map(|(name, at)| {
                at.of(&call).map(|value| format!("{}:{}", json::quoted(name), json::canonical(value)))
            });
            Ok(format!("{{{}}}", taken.collect::<Vec<_>>().join(",")))
        }
    }
}

/// What a preview's result tells. Everything that is declared must be there, in the form it is declared in.
fn read(preview: &Preview, result: &str) -> Result<Findings, String> {
    let result = Json::read(result, DEPTH_MAX).map_err(|fault| format!("its preview cannot be read: {fault}"))?;
    let find = |(name, find): (&String, &pdp::registry::Finding)| {
        let value = find.at.of(&result).and_then(|value| find.is.read(value));
        let value = value.ok_or_else(|| format!("its preview says no `{name}` at {} that can be judged", find.at))?;
        Ok((name.clone(), value))
    };
    preview.finds.iter().map(find).collect()
}
