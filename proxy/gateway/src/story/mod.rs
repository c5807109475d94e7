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

use crate::ledger::{Reader, StoreFault, Stretch, TraceLine, Within};

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
    Ok(part(reader, id, sight, Within::WHOLE)?.entries)
}

/// As much of a story as is read at once.
#[derive(Debug)]
pub struct Part {
    /// Its entries that are seen, in the order written.
    pub entries: Vec<Entry>,
    /// Behind which place of the ledger the rest begins, where there is more.
    pub next: Option<u64>,
}

/// Finds a part of the entries of a story, as [`find`] does.
///
/// # Errors
/// When nothing fits, several traces fit, or the ledger cannot be read.
pub fn part(reader: &Reader, id: &str, sight: &Sight, within: Within) -> Result<Part, StoryFault> {
    let id = id.trim();
    let of = |Stretch { entries, next }: Stretch| {
        let seen = sight.of_entries(entries).into_iter().map(|(_, entry)| entry).collect();
        Part { entries: seen, next }
    };
    // As long as a trace id is no number of a record, whatever digits it has.
    if id.len() < TRACE_DIGITS
        && let Ok(number) = id.parse()
    {
        let found = of(Stretch { entries: reader.by_number(number)?, next: None });
        if !found.entries.is_empty() {
            return Ok(found);
        }
    }
    if let Some(trace) = trace_named(reader, id, sight)? {
        let found = of(reader.by_trace(&trace, within)?);
        if !found.entries.is_empty() {
            return Ok(found);
        }
    }
    // What belongs to no task has no story of its own.
    let found = of(if id.is_empty() { Stretch::default() } else { reader.by_task(id, within)? });
    if !found.entries.is_empty() {
        return Ok(found);
    }
    // What is somebody else's ends like what is not there, also where there is more of it.
    if within.after > 0 {
        return Ok(Part { entries: Vec::new(), next: None });
    }
    let latest = reader.latest_traces(LISTED, &|key| sight.sees(key))?;
    Err(StoryFault::NotFound { id: id.to_owned(), latest })
}

/// The trace of this id, or the only one that is seen and begins so.
fn trace_named(reader: &Reader, id: &str, sight: &Sight) -> Result<Option<String>, StoryFault> {
    if !(PREFIX_MIN..=TRACE_DIGITS).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let prefix = id.to_ascii_lowercase();
    if prefix.len() == TRACE_DIGITS {
        return Ok(Some(prefix));
    }
    let mut seen = Vec::new();
    for trace in reader.traces_starting(&prefix, LOOKED_THROUGH)? {
        if reader.is_seen(&trace, &|key| sight.sees(key))? {
            seen.push(trace);
        }
        if seen.len() >= LISTED {
            break;
        }
    }
    if seen.len() > 1 {
        return Err(StoryFault::Ambiguous { prefix, traces: seen });
    }
    Ok(seen.pop())
}
