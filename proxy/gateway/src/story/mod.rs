//! A task's story out of the ledger, for a person at a terminal: what `wicketgate trace ID` prints.
//!
//! It reads entries and adds nothing to them. What a client or a server wrote is shown escaped, and what is shortened
//! says by how much. The command line around it is not here.

pub(crate) mod visible;
mod frame;
mod layout;
mod odd;
mod said;
mod sight;
#[cfg(test)]
mod tests;

use pdp::record::Entry;

use crate::ledger::{Reader, StoreFault, TraceLine};

pub use layout::{Telling, tell};
pub use sight::Sight;
pub(crate) use visible::plain;

/// How many digits a trace id has.
const TRACE_DIGITS: usize = 32;

/// How many of them are enough to ask for it.
const PREFIX_MIN: usize = 6;

/// How many traces a fault lists.
const LISTED: usize = 5;

/// How many traces are looked through for those that are seen: of other tenants there may be many.
const LOOKED_THROUGH: usize = 64;

/// Why there is no story.
#[derive(Debug, thiserror::Error)]
pub enum StoryFault {
    /// Nothing fits the id.
    #[error(
        "the ledger has nothing of `{}`: give a trace id (32 hexadecimal digits, or the first {PREFIX_MIN} or more), a \
         task id, or the number of a record.{}",
        visible::text(id),
        latest_words(latest)
    )]
    NotFound {
        /// What was asked for.
        id: String,
        /// The latest traces there are.
        latest: Vec<TraceLine>,
    },
    /// Several traces begin so.
    #[error("more than one trace begins with `{prefix}`: give more digits.{}", listed(traces))]
    Ambiguous {
        /// What was asked for.
        prefix: String,
        /// Some of the traces.
        traces: Vec<String>,
    },
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] StoreFault),
}

fn latest_words(latest: &[TraceLine]) -> String {
    if latest.is_empty() {
        return " It holds no trace yet.".to_owned();
    }
    let lines = latest.iter().map(|line| {
        let TraceLine { trace, task, at_us, server, principal } = line;
        let principal = principal.as_deref().unwrap_or("nobody known");
        let words = [task, server, principal].map(visible::text).join(", ");
        format!("\n  {trace}  {}  {words}", frame::moment(*at_us))
    });
    format!(" The latest traces:{}", lines.collect::<String>())
}

fn listed(traces: &[String]) -> String {
    traces.iter().map(|trace| format!("\n  {trace}")).collect()
}

/// Finds the entries of a story by a trace id or its beginning, a task id, or the number of a record: those that are seen.
///
/// A number gives one frame; the others give the whole task. What is not seen is as if it were not there.
///
/// # Errors
/// When nothing fits, several traces fit, or the ledger cannot be read.
pub fn find(reader: &Reader, id: &str, sight: &Sight) -> Result<Vec<Entry>, StoryFault> {
    let id = id.trim();
    // As long as a trace id is no number of a record, whatever digits it has.
    if id.len() < TRACE_DIGITS
        && let Ok(number) = id.parse()
    {
        let found = sight.of_entries(reader.by_number(number)?);
        if !found.is_empty() {
            return Ok(entries(found));
        }
    }
    if (PREFIX_MIN..=TRACE_DIGITS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let prefix = id.to_ascii_lowercase();
        let mut seen = Vec::new();
        for trace in reader.traces_starting(&prefix, LOOKED_THROUGH)? {
            let found = sight.of_entries(reader.by_trace(&trace)?);
            if !found.is_empty() {
                seen.push((trace, found));
            }
            if seen.len() >= LISTED {
                break;
            }
        }
        match (seen.pop(), seen.is_empty()) {
            (Some((_, found)), true) => return Ok(entries(found)),
            (Some((trace, _)), false) => {
                let traces = seen.into_iter().map(|(trace, _)| trace).chain([trace]).collect();
                return Err(StoryFault::Ambiguous { prefix, traces });
            }
            (None, _) => {}
        }
    }
    // What belongs to no task has no story of its own.
    let found = if id.is_empty() { Vec::new() } else { sight.of_entries(reader.by_task(id)?) };
    if found.is_empty() {
        let latest = reader.latest_traces(LISTED, &|key| sight.sees(key))?;
        return Err(StoryFault::NotFound { id: id.to_owned(), latest });
    }
    Ok(entries(found))
}

fn entries(found: Vec<(u64, Entry)>) -> Vec<Entry> {
    found.into_iter().map(|(_, entry)| entry).collect()
}
