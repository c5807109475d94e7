//! What became of a call: looked up in the ledger, and told to nobody but the one who made it.
//!
//! Told are the gate's own words: what was decided, by which rule, how it ended. Never what a server said, for that would reach
//! the agent without its labels.

use std::collections::BTreeSet;
use std::path::Path;

use pdp::decision::Decision;
use pdp::digest::Digest;
use pdp::json::{self, Json};
use pdp::principal::Principal;
use pdp::record::{EffectState, Ending, Entry, Intent, Record};
use pep::Inside;
use rmcp::model::ErrorData;

use super::answers::clipped;
use super::tools::WhatBecameOf;
use super::{GateTools, outside};
use crate::ledger::{Filter, Reader};

/// How many of the caller's calls of a tool are looked through for the same arguments, the latest first.
const LOOK_BACK: usize = 200;

/// What is said of an effect that is not known.
const MAYBE: &str = "it may have had its effect, which nobody knows: look before you repeat it.";

/// Which call is asked for.
enum Asked {
    Number(u64),
    Same { server: String, tool: String, arguments: Digest },
}

impl WhatBecameOf {
    fn asked(self) -> Result<Asked, String> {
        let Self { record, server, tool, arguments } = self;
        match (record, server, tool) {
            (Some(number), None, None) if arguments.is_none() => Ok(Asked::Number(number)),
            (None, Some(server), Some(tool)) => {
                let text = serde_json::Value::Object(arguments.unwrap_or_default()).to_string();
                let read = Json::read(&text, pdp::digest::DEPTH_MAX).map_err(|e| format!("`arguments`: {e}."))?;
                Ok(Asked::Same { server, tool, arguments: Digest::of_bytes(json::canonical(&read).as_bytes()) })
            }
            (Some(_) | None, Some(_) | None, Some(_) | None) => {
                Err("Give `record` alone, or `server` and `tool` with the call's `arguments`.".to_owned())
            }
        }
    }
}

impl GateTools {
    /// What became of a call of the caller's.
    pub(super) async fn became(
        &self,
        inside: Inside,
        asked: WhatBecameOf,
    ) -> Result<Result<String, String>, ErrorData> {
        let desk = self.desk.as_ref().ok_or_else(outside)?;
        let asked = match asked.asked() {
            Ok(asked) => asked,
            Err(words) => return Ok(Err(words)),
        };
        if let Some(words) = waiting(&inside, &asked) {
            return Ok(Ok(words));
        }
        let path = desk.ledger_path.clone();
        let looked = tokio::task::spawn_blocking(move || look(&path, inside.principal(), &asked)).await;
        let failed = |words: String| {
            // Where the ledger lies is the operator's to know.
            tracing::error!("the ledger cannot be read: {words}");
            ErrorData::internal_error("the ledger cannot be read now; ask again", None)
        };
        looked.map_err(|e| failed(e.to_string()))?.map(Ok).map_err(failed)
    }
}

/// A call that waits for a person is in no ledger yet.
fn waiting(inside: &Inside, asked: &Asked) -> Option<String> {
    let own = inside.principal().key();
    let calls = inside.task().waiting();
    let call = calls.iter().filter(|call| call.principal == own).find(|call| match asked {
        Asked::Number(number) => call.number == *number,
        Asked::Same { server, tool, arguments } => {
            call.server == *server && call.action == *tool && call.arguments == *arguments
        }
    })?;
    let (number, what) = (call.number, format!("{}/{}", call.server, clipped(&call.action)));
    Some(format!(
        "#{number}, {what}: it waits for a person's approval ({}). It was not carried out yet.",
        call.grants.join(", ")
    ))
}

fn look(path: &Path, own: &Principal, asked: &Asked) -> Result<String, String> {
    let reader = Reader::open(path).map_err(|e| e.to_string())?;
    let found = match asked {
        Asked::Number(number) => {
            let entries = reader.by_number(*number).map_err(|e| e.to_string())?;
            let tell = |entry: &Entry| Some((told(entry, own)?, withheld(entry)));
            entries.iter().filter_map(|(_, entry)| tell(entry)).next_back()
        }
        Asked::Same { server, tool, arguments } => {
            let filter = Filter {
                principal: Some(own.key()),
                tool: Some(tool.clone()),
                server: Some(server.clone()),
                limit: LOOK_BACK,
                ..Filter::default()
            };
            let entries = reader.query(&filter).map_err(|e| e.to_string())?;
            latest(entries.iter().map(|(_, entry)| entry), *arguments, own)
        }
    };
    if let Some((_, Some(record))) = &found
        && let Some(words) = handed_over(&reader, record, own)?
    {
        return Ok(words);
    }
    Ok(found.map(|(words, _)| words).unwrap_or_else(|| {
        "No such call of yours is recorded: it never came here, or it is still under way. A record follows when it ends."
            .to_owned()
    }))
}

/// What the latest of these calls tells that had these arguments. What may have acted goes before what certainly did not: a
/// call that was refused because it was made before is no news of the one before.
fn latest<'e>(
    entries: impl Iterator<Item = &'e Entry> + Clone,
    arguments: Digest,
    own: &Principal,
) -> Option<(String, Option<Record>)> {
    let settled: BTreeSet<u64> = entries.clone().filter_map(recorded).map(|record| record.number).collect();
    let same = |entry: &&Entry| match entry {
        Entry::Record(record) => record.arguments_digest == Some(arguments),
        Entry::Intent(intent) => intent.arguments_digest == Some(arguments) && !settled.contains(&intent.number),
        Entry::Event(_) | Entry::Said(_) => false,
    };
    let did_nothing = |entry: &Entry| {
        recorded(entry).is_some_and(|record| match &record.effect {
            Some(effect) => matches!(effect.state, EffectState::Denied | EffectState::RolledBack),
            None => {
                matches!(record.ending, Ending::Refused | Ending::Abandoned | Ending::Panicked | Ending::Failed)
            }
        })
    };
    let fits: Vec<(&Entry, String)> =
        entries.filter(same).filter_map(|entry| Some((entry, told(entry, own)?))).collect();
    let acted = fits.iter().rfind(|(entry, _)| !did_nothing(entry));
    acted.or(fits.last()).map(|(entry, words)| (words.clone(), withheld(entry)))
}

/// The record of a call whose result was withheld.
fn withheld(entry: &Entry) -> Option<Record> {
    let is_it =
        |record: &&Record| record.effect.as_ref().is_some_and(|effect| effect.state == EffectState::Quarantined);
    recorded(entry).filter(is_it).cloned()
}

/// What became of a result that was withheld, where it was handed over since: what the record of its call says of that is over.
fn handed_over(reader: &Reader, record: &Record, own: &Principal) -> Result<Option<String>, String> {
    let filter = Filter {
        principal: Some(own.key()),
        tool: record.target.clone(),
        server: Some(record.server.clone()),
        limit: LOOK_BACK,
        ..Filter::default()
    };
    let entries = reader.query(&filter).map_err(|e| e.to_string())?;
    let again = |record: &Record| record.effect.as_ref().and_then(|effect| effect.again);
    let over = entries.iter().filter_map(|(_, entry)| recorded(entry)).find(|one| again(one) == Some(record.number));
    Ok(over.map(|over| {
        let what = clipped(record.target.as_deref().unwrap_or_default());
        format!(
            "#{}, {}/{what}: it was carried out. Its result was withheld, then released, and handed over to you as #{}. Made once \
             more, the call is another effect.",
            record.number,
            clipped(&record.server),
            over.number
        )
    }))
}

fn recorded(entry: &Entry) -> Option<&Record> {
    match entry {
        Entry::Record(record) => Some(record),
        Entry::Intent(_) | Entry::Event(_) | Entry::Said(_) => None,
    }
}

/// What an entry tells of a call, if it is this principal's.
fn told(entry: &Entry, own: &Principal) -> Option<String> {
    let is_own = |who: &Principal| who.key() == own.key() && who.user == own.user;
    match entry {
        Entry::Record(record) => record.principal.as_ref().filter(|who| is_own(who)).map(|_| record_words(record)),
        Entry::Intent(intent) => is_own(&intent.principal).then(|| intent_words(intent)),
        Entry::Event(_) | Entry::Said(_) => None,
    }
}

fn intent_words(intent: &Intent) -> String {
    let what = intent.target.as_deref().unwrap_or(&intent.method);
    format!(
        "#{}, {}/{}: it was sent, and no outcome is recorded yet. It may have had its effect: do not repeat it before you have \
         looked.",
        intent.number,
        intent.server,
        clipped(what)
    )
}

fn record_words(record: &Record) -> String {
    let what = record.target.as_deref().or(record.method.as_deref()).unwrap_or("a message");
    let mut out = format!("#{}, {}/{}: ", record.number, clipped(&record.server), clipped(what));
    let failed = record.result.as_ref().is_some_and(|result| result.is_error || result.error_code.is_some());
    let state = record.effect.as_ref().map(|effect| effect.state);
    out.push_str(match record.ending {
        // What is known of the effect goes before how the call ended.
        _ if state == Some(EffectState::Quarantined) => {
            "it was carried out, and its answer is withheld until a person releases it: do not repeat it."
        }
        _ if state == Some(EffectState::RolledBack) => "it was carried out, and undone again.",
        _ if state == Some(EffectState::Indeterminate) => MAYBE,
        Ending::Served if failed => "it was carried out, and its server answered with an error.",
        Ending::Served => "it was carried out, and its answer was handed over.",
        Ending::Refused => "it was refused, and nothing was done.",
        Ending::Failed => "it was sent, and no answer worth handing over came; it had no effect.",
        Ending::Abandoned => "its sender went away before anything was done.",
        Ending::Panicked => "the gate itself failed before anything was done.",
        Ending::Indeterminate => MAYBE,
    });
    if let Some(refusal) = &record.refusal {
        out.push_str(&format!(" {}: {}", refusal.code.name(), crate::story::visible::text(&refusal.message)));
    }
    if let Some(Decision::Escalate(grants)) = record.decision.as_ref().map(|note| &note.decision) {
        let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
        out.push_str(&format!(" It needs the approval of: {}.", grants.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use pdp::record::EffectNote;

    use super::*;
    use crate::ledger::tests::{bare_record, principal};

    fn record(number: u64, ending: Ending, state: Option<EffectState>) -> Entry {
        let effect =
            state.map(|state| EffectNote { again: None, fault: None, key: None, preview: None, rollback: None, state });
        let arguments_digest = Some(Digest::of_bytes(b"same"));
        let principal = Some(principal().into());
        Entry::Record(Record { ending, effect, arguments_digest, principal, ..bare_record(number) }.into())
    }

    #[test]
    fn what_acted_is_told_before_what_did_nothing() {
        use EffectState::{Committed, Denied, Indeterminate, Quarantined, RolledBack};
        let paid = || record(1, Ending::Served, Some(Committed));
        for (entries, words) in [
            (vec![paid(), record(2, Ending::Failed, Some(Denied))], "#1, "),
            (vec![paid(), record(2, Ending::Failed, None)], "#1, "),
            (vec![paid(), record(2, Ending::Failed, Some(RolledBack))], "#1, "),
            (vec![paid(), record(2, Ending::Indeterminate, Some(Indeterminate))], "which nobody knows"),
            (vec![record(1, Ending::Failed, Some(RolledBack))], "carried out, and undone again"),
            (vec![record(1, Ending::Indeterminate, Some(Quarantined))], "withheld until a person releases it"),
            (vec![record(1, Ending::Refused, None), record(2, Ending::Failed, Some(Denied))], "#2, "),
        ] {
            let (told, _) = latest(entries.iter(), Digest::of_bytes(b"same"), &principal()).unwrap();
            assert!(told.contains(words), "{words}: {told}");
        }
    }
}
