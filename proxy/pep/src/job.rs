//! Long-running work of servers: what MCP calls tasks (2025-11-25, and the 2026 extension), which are not this gate's
//! tasks. Whose each is, and which tool does it, so that what comes of it later is labelled like that tool's own result. Beside
//! it stand the slips of calls that wait for people, which look the same to their clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pdp::json::{self, Part};
use pdp::label::{LabelSet, Readers};
use pdp::method::Method;
use pdp::record::{Direction, FrameKind};
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Deliver, Server, UNVALIDATED};

use crate::approval::{SLIP, Slip};
use crate::call::Head;
use crate::carried::{self, Expected};
use crate::content::{Context, content};
use crate::entry::OpenRecord;
use crate::envelope::{Envelope, member};
use crate::fair::{self, Held};
use crate::ports::Ports;
use crate::stages::s2_classify::Subject;

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

/// What is said of long-running work: it is its owner's alone, and brings what its tool's own result would bring. Where
/// the tool is not known, any of the server's may speak.
pub(crate) fn subject(head: &Head, server: &Server, subject: Subject, ports: &Ports) -> Result<Subject, Refusal> {
    let Subject::Method { name, known, target, mut labels, mut readers, mut deliver, .. } = subject else {
        return Ok(subject);
    };
    let now_us = ports.clock.now_us();
    if head.direction == Direction::ToServer && head.kind == FrameKind::Request && target.starts_with(SLIP) {
        return ports
            .slips
            .of(&target, head, now_us)
            .map(|slip| asked_of(name, known, slip, server))
            .ok_or_else(no_such);
    }
    let job = ports.channels.jobs().known(&server.name, &target, now_us);
    let of_another =
        head.direction == Direction::ToServer && job.as_ref().is_some_and(|job| job.owner != head.principal.key());
    if of_another || (job.is_none() && carried::may_bring_entries(head, server, &target)) {
        return Err(no_such());
    }
    let (tool, begun) = match job {
        Some(job) => (server.reviewed(&job.tool).cloned(), job.expected),
        None => (None, None),
    };
    let expected = tool.as_ref().and_then(|tool| Expected::of_work(server, tool, begun));
    let speakers = server.tools.values().filter(|one| tool.as_ref().is_none_or(|tool| Arc::ptr_eq(tool, one)));
    for speaker in speakers.filter(|one| one.withheld.is_none()) {
        let most = speaker.flow.rules.most().of(&speaker.carried());
        labels.raise(&most.labels);
        readers = readers.meet(&most.readers);
        if speaker.deliver == Deliver::Quoted {
            deliver = Deliver::Quoted;
        }
        // What cannot be held against the schema of one tool was held against none.
        if tool.is_none() && speaker.is_validated() {
            labels.raise(&[UNVALIDATED].into_iter().collect());
        }
    }
    Ok(Subject::Method { name, known, target, tool, labels, readers, expected, deliver, slip: None })
}

fn no_such() -> Refusal {
    Refusal::new(Code::BadParameters, "there is no such task: `params.taskId` names none of yours")
}

/// What is asked about a slip. It brings nothing beyond what came of its call, which was labelled then.
fn asked_of(name: String, known: Option<&'static Method>, slip: Arc<Slip>, server: &Server) -> Subject {
    Subject::Method {
        name,
        known,
        target: slip.id().to_owned(),
        tool: server.reviewed(slip.tool()).cloned(),
        labels: LabelSet::default(),
        readers: Readers::everyone(),
        expected: None,
        deliver: Deliver::Plain,
        slip: Some(slip),
    }
}

/// A list of tasks without those of other principals: a server that knows the gate alone cannot tell them apart. The gate's own
/// stand on its last page (MCP 2025-11-25: what can be got can be listed).
pub(crate) fn list(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    text: &str,
    envelope: &Envelope,
) -> Result<String, Refusal> {
    let carried = context.subject.presumed();
    let Some(result) = envelope.part(text, "result") else {
        return Ok(content(entry, context, &carried, ports, text, envelope));
    };
    let now_us = ports.clock.now_us();
    let own = ports.channels.jobs().own(&head.server, result, &head.principal.key(), now_us).map(|(kept, others)| {
        entry.note(format!("withheld: {others} tasks of other principals"));
        kept
    });
    let slips = if head.modern { Vec::new() } else { ports.slips.all_of(head, now_us) };
    let with_slips = with_slips(own.as_deref().unwrap_or(result.text()), &slips);
    let Some(kept) = with_slips.or(own) else {
        return Ok(content(entry, context, &carried, ports, text, envelope));
    };
    let kept = json::replaced(text, result.range(), &kept);
    let envelope = Envelope::read_answer(&kept, ports.limits.depth_max)?;
    Ok(content(entry, context, &carried, ports, &kept, &envelope))
}

/// The last page of a list of tasks with the gate's own; nothing where there are none, or more pages.
fn with_slips(result: &str, slips: &[Arc<Slip>]) -> Option<String> {
    if slips.is_empty() || member(result, "nextCursor").is_some() {
        return None;
    }
    let theirs = json::items(member(result, "tasks")?).ok()?.into_iter().map(str::to_owned);
    let all: Vec<String> = theirs.chain(slips.iter().map(|slip| slip.listed())).collect();
    json::with_member(result, "tasks", &format!("[{}]", all.join(","))).ok()
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
