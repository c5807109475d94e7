//! A task as it is told over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use pdp::label::LabelSet;
use pdp::task::{Limits, Scope};
use pep::Task;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::Ref;

use super::limits;
use crate::clock::rfc3339;
use crate::control::{Control, table};

fn scope() -> Ref {
    table::pdp::<Scope>()
}

/// A task. The last five members are told of one that is asked for by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::control) struct TaskTold {
    id: String,
    /// Its trace, 32 hexadecimal digits.
    trace: String,
    /// Whether a host opened it, rather than its first call.
    explicit: bool,
    /// Empty where it has none.
    profile: String,
    /// Who acts in it, `tenant/agent`.
    agent: String,
    /// The person it acts for; nothing where nobody opened it.
    user: Option<String>,
    /// The id of the task above.
    parent: Option<String>,
    /// What it has read carries these.
    #[schema(value_type = Vec<String>)]
    labels: LabelSet,
    /// How many calls it has made.
    calls: u64,
    /// How often it was let go on beyond its plan.
    expansions: u64,
    /// When it was opened, RFC 3339.
    opened: Option<String>,
    /// Who opened it.
    opened_by: Option<String>,
    /// When it ends at the latest, RFC 3339.
    expires: Option<String>,
    /// How it ended, if it has.
    over: Option<OverTold>,
    #[serde(flatten)]
    whole: Option<TaskWhole>,
}

/// What whoever looks at one task wants to know besides.
#[derive(Debug, Serialize, ToSchema)]
struct TaskWhole {
    /// The ids of those handed on from it.
    children: Vec<String>,
    /// What the user asked for, as the host said it.
    goal: Option<String>,
    #[schema(schema_with = scope)]
    scope: Scope,
    #[schema(schema_with = limits)]
    limits: Limits,
    /// What of its limits is used up, by name.
    used: BTreeMap<String, u64>,
}

/// How a task ended.
#[derive(Debug, Serialize, ToSchema)]
struct OverTold {
    /// In one word.
    #[schema(value_type = String)]
    cause: &'static str,
    words: String,
    /// Who ended it, if somebody did.
    by: Option<String>,
    /// When, RFC 3339.
    at: String,
}

/// A task as it is told; `whole` with what only whoever looks at this one wants to know.
pub(super) fn told(control: &Control, task: &Arc<Task>, whole: bool) -> TaskTold {
    let over = task.over(control.gate.ports.clock.now_us()).map(|over| OverTold {
        cause: over.cause.word(),
        words: over.to_string(),
        by: over.by.clone(),
        at: rfc3339(over.at_us),
    });
    let principal = task.principal();
    let the_rest = || TaskWhole {
        children: control.gate.ports.tasks.below(task).iter().map(|one| one.id().to_owned()).collect(),
        goal: task.goal().map(str::to_owned),
        scope: task.scope().clone(),
        limits: *task.limits(),
        used: task.used().into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
    };
    TaskTold {
        id: task.id().to_owned(),
        trace: task.trace().to_owned(),
        explicit: task.is_explicit(),
        profile: task.profile().to_owned(),
        agent: principal.map_or_else(|| task.owner().to_owned(), |principal| principal.key()),
        user: principal.map(|principal| principal.user.clone()),
        parent: task.parent().map(|above| above.id().to_owned()),
        labels: task.labels(),
        calls: task.calls(),
        expansions: task.expansions(),
        opened: (task.opened_us() > 0).then(|| rfc3339(task.opened_us())),
        opened_by: task.opened_by().map(str::to_owned),
        expires: task.until_us().map(rfc3339),
        over,
        whole: whole.then(the_rest),
    }
}
