//! Long-running work of servers: what MCP calls tasks (2025-11-25, and the 2026 extension), which are not this gate's
//! tasks. Whose each is, and which tool does it, so that what comes of it later is labelled like that tool's own result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pdp::json::{self, Part};

use crate::carried::Expected;
use crate::envelope::member;
use crate::fair::{self, Held};

/// What is known of one.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The key of the principal whose call began it.
    pub(crate) owner: String,
    /// The tool that was called.
    pub(crate) tool: String,
    /// What its result will bring, where the registry says more of it than labels.
    pub(crate) expected: Option<Arc<Expected>>,
    last_us: i64,
}

/// How many are remembered. Of what is forgotten the strictest is presumed: the labels of all its server's tools; of a
/// memory server it brings nothing any more.
const JOBS_MAX: usize = 10_000;

/// Those that were begun through this gate.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    by_key: Mutex<HashMap<String, Job>>,
}

impl Jobs {
    /// A call was answered with work that goes on. Of two callers that were told one id, the first has it.
    pub(crate) fn begun(&self, server: &str, id: &str, owner: &str, did: (&str, Option<&Arc<Expected>>), now_us: i64) {
        let mut jobs = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(server, id);
        if jobs.get(&key).is_some_and(|known| known.owner != owner) {
            return;
        }
        if jobs.len() >= JOBS_MAX {
            let held = jobs.iter().map(|(key, job)| Held { key, owner: &job.owner, last_us: job.last_us });
            if let Some(victim) = fair::victim(held) {
                jobs.remove(&victim);
            }
        }
        let (tool, expected) = (did.0.to_owned(), did.1.cloned());
        jobs.insert(key, Job { owner: owner.to_owned(), tool, expected, last_us: now_us });
    }

    /// What is known of the work of this id.
    pub(crate) fn known(&self, server: &str, id: &str, now_us: i64) -> Option<Job> {
        let mut jobs = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let job = jobs.get_mut(&key(server, id))?;
        job.last_us = job.last_us.max(now_us);
        Some(job.clone())
    }

    /// A list of tasks without those that others than `own` began, and how many those are; nothing where there are none.
    pub(crate) fn own(&self, server: &str, result: Part<'_>, own: &str, now_us: i64) -> Option<(String, usize)> {
        let another = |item: &Part<'_>| {
            let id = member(item.text(), "taskId").and_then(json::string_lossy);
            let job = id.and_then(|id| self.known(server, &id, now_us));
            job.is_some_and(|job| job.owner != own)
        };
        let (others, kept): (Vec<Part<'_>>, Vec<_>) = result.get("tasks")?.items().partition(another);
        if others.is_empty() {
            return None;
        }
        let kept: Vec<&str> = kept.into_iter().map(Part::text).collect();
        let kept = json::with_member(result.text(), "tasks", &format!("[{}]", kept.join(",")));
        Some((kept.unwrap_or_else(|_| "{\"tasks\":[]}".to_owned()), others.len()))
    }
}

/// The id of the work that a tool's result says goes on. 2025-11-25: `task.taskId`; the 2026 extension: `taskId` beside
/// `resultType`.
pub(crate) fn begun_by(result: Part<'_>) -> Option<String> {
    let goes_on = || result.get("resultType").is_some_and(|kind| kind.text() == "\"task\"");
    let task = result.get("task").or_else(|| goes_on().then_some(result))?;
    task.get("taskId")?.string().map(|id| id.into_owned())
}

fn key(server: &str, id: &str) -> String {
    format!("{server} {id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_owner_keeps_it_and_the_store_is_bounded() {
        let jobs = Jobs::default();
        jobs.begun("s", "1", "a", ("read", None), 0);
        jobs.begun("s", "1", "b", ("other", None), 1);
        assert_eq!(jobs.known("s", "1", 1).map(|j| (j.owner, j.tool)), Some(("a".to_owned(), "read".to_owned())));
        assert!(jobs.known("t", "1", 1).is_none());
        for n in 0..JOBS_MAX + 5 {
            jobs.begun("s", &format!("x{n}"), "b", ("read", None), 2);
        }
        assert_eq!(jobs.by_key.lock().map(|all| all.len()).ok(), Some(JOBS_MAX));
        assert!(jobs.known("s", "1", 3).is_some(), "another's flood pushes out nothing of `a`");
    }
}
