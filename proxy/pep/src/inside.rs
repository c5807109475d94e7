//! What the gate's own server may know of a call: who makes it, in which task, under which law. The action stage hands it to
//! that server alone; an order to any other server has none, so that nothing of it can be forwarded.

use std::sync::Arc;

use pdp::label::LabelSet;
use pdp::origin::UNGIVEN;
use pdp::policy::{Facts, Policies};
use pdp::principal::Principal;
use pdp::registry::{Server, Tool};
use pdp::snapshot::Snapshot;

use crate::task::{Task, scope};

/// Whether a person is asked before a tool acts, as far as that can be told without its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asks {
    /// Nobody is.
    Nobody,
    /// Somebody is, or the call is refused, unless the user gave every value that says where it goes.
    UnlessGiven,
    /// Somebody is.
    APerson,
}

/// A call of one of the gate's own tools, seen from inside.
#[derive(Debug, Clone)]
pub struct Inside {
    principal: Arc<Principal>,
    task: Arc<Task>,
    snapshot: Arc<Snapshot>,
    number: u64,
}

impl Inside {
    pub(crate) fn new(principal: &Arc<Principal>, task: &Arc<Task>, snapshot: &Arc<Snapshot>, number: u64) -> Self {
        let (principal, task, snapshot) = (Arc::clone(principal), Arc::clone(task), Arc::clone(snapshot));
        Self { principal, task, snapshot, number }
    }

    /// Who makes the call.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// In which task.
    #[must_use]
    pub fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// The law it was judged by.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The number of its record.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The tools that seem open to the caller in this task as it stands, and who is asked, as far as that can be told without
    /// arguments; with `labels` in place of those the task has, if any are given.
    #[must_use]
    pub fn open_tools(&self, now_us: i64, labels: Option<LabelSet>) -> Vec<(&Server, &Tool, Asks)> {
        let facts = self.task.facts(now_us);
        let facts = Facts { labels: labels.unwrap_or_else(|| facts.labels.clone()), ..facts };
        let policies = self.snapshot.policies();
        let (servers, scope) = (self.snapshot.registry().servers.values(), self.task.scope());
        let within = |server| scope::tools_within(scope, server).map(move |tool| (server, &**tool));
        servers
            .flat_map(|server| within(&**server))
            .filter_map(|(server, tool)| Some((server, tool, self.asks(policies, server, tool, &facts)?)))
            .collect()
    }

    /// Who is asked about a tool under these facts; nothing where it is closed.
    fn asks(&self, policies: &Policies, server: &Server, tool: &Tool, facts: &Facts) -> Option<Asks> {
        let is_open = |facts: &Facts| policies.seems_open(&self.principal, server, tool, facts);
        if !is_open(facts) {
            let grants = self.snapshot.registry().grants.clone();
            return is_open(&Facts { grants, ..facts.clone() }).then_some(Asks::APerson);
        }
        let goes_anywhere = !tool.is_harmless() && tool.sinks.as_ref().is_none_or(|sinks| !sinks.is_empty());
        let unvouched = facts.labels.clone().join(&[UNGIVEN].into_iter().collect());
        let is_free = !goes_anywhere || is_open(&Facts { unvouched, ..facts.clone() });
        Some(if is_free { Asks::Nobody } else { Asks::UnlessGiven })
    }
}
