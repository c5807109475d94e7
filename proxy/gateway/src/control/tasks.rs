//! Tasks over HTTP: opened by a host for an agent, looked at, handed on, ended, stopped.
//!
//! Whoever may open a task for an agent can act as that agent by its token, so for another's than one's own it needs an
//! operator. The token is told once, in the answer to the opening, and nowhere else.

mod told;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Json, Response};
use pdp::digest::Digest;
use pdp::principal::Principal;
use pdp::record::Entry;
use pdp::task::{Allowed, Limits, Scope};
use pep::ports::Snapshots as _;
use pep::{Cause, Opening, Over, Task};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::Ref;
use utoipa_axum::routes;

use super::snapshots::read;
use super::table::{self, Routes};
use super::{Asked, Control, error, needs};
use crate::config::Role;
use crate::halt::REASON_CHARS_MAX;
use told::{TaskTold, told};

/// How large a request may be: a goal with what the user pasted into it.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How many patterns a narrowing may list.
const PATTERNS_MAX: usize = 4096;

/// The routes of tasks.
pub(super) fn routes() -> Routes {
    let all = Routes::new().with(routes!(list, open)).with(routes!(show)).with(routes!(hand_on));
    all.with(routes!(stop)).with(routes!(end)).body_max(BODY_BYTES_MAX)
}

/// What a host says of a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TaskAsked)]
struct Asking {
    /// The kind of task. A child has its parent's unless said.
    profile: Option<String>,
    /// What the user asked for, in the user's words.
    goal: String,
    /// Who will act: `tenant/agent`, or the agent alone. A child has its parent's unless said.
    agent: Option<String>,
    /// The person it acts for. A child acts for its parent's.
    user: Option<String>,
    /// The labels of what the agent is given to begin with.
    #[serde(default)]
    labels: Vec<String>,
    /// What it may touch, if less than the profile says.
    #[serde(default)]
    scope: Narrowing,
    /// How much it may do, if less than the profile says.
    #[serde(default)]
    #[schema(schema_with = limits)]
    limits: Limits,
    /// How long it may stay open, in seconds, if less than the profile says.
    lifetime_s: Option<u64>,
}

fn limits() -> Ref {
    table::pdp::<Limits>()
}

/// Lists of names as a profile's scope has them. What is not named stays as the profile has it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TaskNarrowing)]
struct Narrowing {
    /// Tools, as `server/tool`; `*` stands for any run of characters, here and below.
    tools: Option<Vec<String>>,
    /// Servers.
    servers: Option<Vec<String>>,
    /// Resources, by URI.
    resources: Option<Vec<String>>,
    /// Scopes of memory servers.
    memory: Option<Vec<String>>,
    /// Downstream systems.
    systems: Option<Vec<String>>,
    /// Agents that may act in it.
    agents: Option<Vec<String>>,
    /// Users for whom it may be opened.
    users: Option<Vec<String>>,
}

impl Narrowing {
    fn scope(self) -> Result<Scope, String> {
        let lists =
            [&self.tools, &self.servers, &self.resources, &self.memory, &self.systems, &self.agents, &self.users];
        if lists.into_iter().flatten().map(Vec::len).sum::<usize>() > PATTERNS_MAX {
            return Err(format!("`scope` lists more than {PATTERNS_MAX} patterns; use `*` in fewer"));
        }
        let stray = self.tools.iter().flatten().find(|tool| !tool.contains('/') && *tool != "*");
        if let Some(tool) = stray {
            return Err(format!("`{tool}` names no tool of a server: write `server/tool`"));
        }
        let allowed = |list: Option<Vec<String>>| list.map(Allowed::only).unwrap_or_default();
        Ok(Scope {
            tools: allowed(self.tools),
            servers: allowed(self.servers),
            resources: allowed(self.resources),
            memory: allowed(self.memory),
            systems: allowed(self.systems),
            agents: allowed(self.agents),
            users: allowed(self.users),
        })
    }
}

pub(super) type Failed = Box<Response>;

fn bad(words: &str) -> Failed {
    Box::new(error(StatusCode::BAD_REQUEST, "bad_request", words))
}

/// Open a task.
///
/// For oneself it needs `member`; for another agent of one's tenant, `operator`. The token is told this once.
#[utoipa::path(
    post, path = "/v1/tasks", tag = "tasks", request_body = Asking,
    responses((status = 201, body = TaskOpened, description = "It is open."))
)]
async fn open(State(control): State<Arc<Control>>, visitor: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Member) {
        return *refused;
    }
    let opening = read(body).and_then(|asking| opening(&control, &visitor, asking, None));
    match opening {
        Ok(opening) => opened(&control, opening).await,
        Err(answer) => *answer,
    }
}

/// Hand a task on.
///
/// The child inherits labels and can only do less. Needs `member` for a task of one's own, else `operator`.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/children", tag = "tasks", request_body = Asking,
    params(("id" = String, Path, description = "The id of the task above.")),
    responses((status = 201, body = TaskOpened, description = "The child is open."))
)]
async fn hand_on(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let opening = read(body).and_then(|asking| {
        let parent = owned(&control, &visitor, &id)?;
        if !parent.is_explicit() {
            return Err(bad("only a task that a host opened can be handed on; open one with `POST /v1/tasks`"));
        }
        opening(&control, &visitor, asking, Some(parent))
    });
    match opening {
        Ok(opening) => opened(&control, opening).await,
        Err(answer) => *answer,
    }
}

/// What is asked for, looked up: profile, agent, labels.
fn opening(control: &Control, visitor: &Asked, asking: Asking, parent: Option<Arc<Task>>) -> Result<Opening, Failed> {
    let snapshot = control.store.current();
    let registry = snapshot.registry();
    let above = parent.as_deref();
    let named = asking.profile.or_else(|| above.map(|task| task.profile().to_owned()));
    let named = named.ok_or_else(|| bad("`profile` is missing: the kind of task, as a file in `registry/tasks/`"))?;
    let profile = registry.profiles.get(&named).cloned().ok_or_else(|| {
        let all: Vec<&str> = registry.profiles.keys().map(String::as_str).collect();
        bad(&format!("there is no profile `{named}` in the registry; there are: {}", all.join(", ")))
    })?;
    let principal = principal(control, visitor, asking.agent.as_deref(), asking.user, above)?;
    if asking.lifetime_s == Some(0) {
        return Err(bad("`lifetime_s` is 0, so the task would be over at once: use 1 or more, or leave it away"));
    }
    if let Some(stranger) = asking.labels.iter().find(|label| !registry.labels.contains(*label)) {
        return Err(bad(&format!("`{stranger}` is no label of the vocabulary")));
    }
    Ok(Opening {
        profile,
        goal: asking.goal,
        principal,
        by: visitor.principal.key(),
        by_user: visitor.principal.user.clone(),
        labels: asking.labels.iter().map(String::as_str).collect(),
        scope: asking.scope.scope().map_err(|words| bad(&words))?,
        limits: asking.limits,
        lifetime_s: asking.lifetime_s,
        parent,
    })
}

/// Who will act, and for whom. Oneself, or for an operator any agent that is known here.
fn principal(
    control: &Control,
    visitor: &Asked,
    agent: Option<&str>,
    user: Option<String>,
    above: Option<&Task>,
) -> Result<Principal, Failed> {
    let inherited = above.and_then(Task::principal).map(|principal| principal.key());
    let named = agent.map(str::to_owned).or(inherited);
    let named = named.ok_or_else(|| bad("`agent` is missing: who will act in the task"))?;
    let own = &visitor.principal;
    let is_own = named == own.key() || named == own.agent;
    let known = if is_own { Some(Arc::clone(own)) } else { control.doorkeeper.agent(&own.tenant, &named) };
    let known = known.ok_or_else(|| bad(&format!("no principal `{named}` is configured here")))?;
    let handed_on = above.is_some_and(|task| task.owner() == known.key());
    if known.key() != visitor.principal.key() && !handed_on {
        needs(visitor, Role::Operator)?;
    }
    // A child acts for whom its parent acts, and its agent may be bound to somebody else.
    let above_for = above.and_then(Task::principal).map(|principal| principal.user.clone());
    if let (Some(above_for), Some(user)) = (&above_for, &user)
        && above_for != user
    {
        return Err(bad("a child acts for whom its parent acts: leave `user` away"));
    }
    // Whom the work is for cannot change on the way, not from nobody to somebody either.
    if above_for.as_ref().is_some_and(String::is_empty) && !known.user.is_empty() {
        return Err(bad(&format!(
            "the agent `{}` acts for `{}`, and for nobody else; the task above is for nobody: open one for that user",
            known.key(),
            known.user
        )));
    }
    match user.or(above_for).filter(|user| !user.is_empty()) {
        Some(user) if !known.user.is_empty() && known.user != user => {
            Err(bad(&format!("the agent `{}` acts for `{}`, and for nobody else", known.key(), known.user)))
        }
        Some(user) => Ok(Principal { user, ..(*known).clone() }),
        None => Ok((*known).clone()),
    }
}

/// Opens a task. Its opening is in the ledger before its token is out of the house.
async fn opened(control: &Control, opening: Opening) -> Response {
    let ports = &control.gate.ports;
    let fresh = [ports.entropy.bytes(), ports.entropy.bytes()];
    let opened = match ports.tasks.open_for(opening, ports.clock.now_us(), fresh) {
        Ok(opened) => opened,
        Err(fault) => return error(StatusCode::CONFLICT, "not_opened", &fault.to_string()),
    };
    let (task, token) = (opened.task, opened.token);
    if let Err(fault) = ports.ledger.commit(Entry::Event(task.opening_event())).await {
        let at_us = ports.clock.now_us();
        ports.tasks.end(&task, &Over { cause: Cause::Ended, words: "it was not recorded".to_owned(), by: None, at_us });
        let words = format!("the ledger cannot take the record ({fault}); the task was not opened");
        return error(StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable", &words);
    }
    let url = format!("http://{}/t/{token}/{{server}}/mcp", control.agents);
    let body = TaskOpened { task: told(control, &task, true), token, url };
    (StatusCode::CREATED, Json(body)).into_response()
}

/// A task that was just opened.
#[derive(Serialize, ToSchema)]
struct TaskOpened {
    #[serde(flatten)]
    task: TaskTold,
    /// By which its agent acts in it. It is told here and nowhere else.
    token: String,
    /// Where a client connects that can configure only a URL; `{server}` is a server's name.
    url: String,
}

/// The tasks that are open.
#[derive(Debug, Serialize, ToSchema)]
struct TasksTold {
    /// The earliest first.
    tasks: Vec<TaskTold>,
}

/// The tasks that are open.
///
/// Needs `viewer`.
#[utoipa::path(get, path = "/v1/tasks", tag = "tasks", responses((status = 200, body = TasksTold, description = "They.")))]
async fn list(State(control): State<Arc<Control>>, visitor: Asked) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    let mut tasks = control.gate.ports.tasks.open();
    tasks.retain(|task| visitor.sees_key(task.owner()));
    tasks.sort_by(|a, b| (a.opened_us(), a.id()).cmp(&(b.opened_us(), b.id())));
    Json(TasksTold { tasks: tasks.iter().map(|task| told(&control, task, false)).collect() }).into_response()
}

/// One task.
///
/// Needs `viewer`.
#[utoipa::path(
    get, path = "/v1/tasks/{id}", tag = "tasks", params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, body = TaskTold, description = "It."))
)]
async fn show(State(control): State<Arc<Control>>, visitor: Asked, Path(id): Path<String>) -> Response {
    if let Err(refused) = needs(&visitor, Role::Viewer) {
        return *refused;
    }
    match seen(&control, &visitor, &id) {
        Ok(task) => Json(told(&control, &task, true)).into_response(),
        Err(unknown) => *unknown,
    }
}

fn unknown(id: &str) -> Failed {
    let words = format!("no task `{id}` is known here; see `/v1/tasks`");
    Box::new(error(StatusCode::NOT_FOUND, "no_task", &words))
}

/// A task of the visitor's tenant.
pub(super) fn seen(control: &Control, visitor: &Asked, id: &str) -> Result<Arc<Task>, Failed> {
    let task = control.gate.ports.tasks.find(id).filter(|task| visitor.sees_key(task.owner()));
    task.ok_or_else(|| unknown(id))
}

/// A task that this visitor may end or hand on: one of their own, or for an operator any.
pub(super) fn owned(control: &Control, visitor: &Asked, id: &str) -> Result<Arc<Task>, Failed> {
    needs(visitor, Role::Member)?;
    let task = seen(control, visitor, id)?;
    let key = visitor.principal.key();
    if task.owner() != key && task.opened_by() != Some(key.as_str()) {
        needs(visitor, Role::Operator)?;
    }
    Ok(task)
}

/// Why a task is stopped.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TaskStopping)]
struct Stopping {
    reason: String,
}

/// What came of a task.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = TaskEnding)]
struct Ending {
    result: Option<String>,
}

/// A task that was ended.
#[derive(Debug, Serialize, ToSchema)]
struct TaskEnded {
    #[serde(flatten)]
    task: TaskTold,
    /// The ids of those that ended with it.
    ended: Vec<String>,
}

/// Stop a task.
///
/// Its calls are refused from now on, also those that have not acted yet. Needs `member` for one's own, else `operator`.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/stop", tag = "tasks", request_body = Option<Stopping>,
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, body = TaskEnded, description = "It is over."))
)]
async fn stop(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let asked = optional(body).and_then(|asked: Stopping| Ok((owned(&control, &visitor, &id)?, asked)));
    match asked {
        Ok((task, Stopping { reason })) => finish(&control, &visitor, &task, Cause::Stopped, reason),
        Err(answer) => *answer,
    }
}

/// End a task.
///
/// The host says that the work is done. What came of it goes back to the task above with everything that was read for it. Needs
/// `member` for one's own, else `operator`.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/end", tag = "tasks", request_body = Option<Ending>,
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, body = TaskEnded, description = "It is over."))
)]
async fn end(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let asked = optional(body).and_then(|asked: Ending| Ok((owned(&control, &visitor, &id)?, asked)));
    match asked {
        Ok((task, Ending { result })) => {
            let words = result.map(|text| {
                let digest = Digest::of_bytes(text.as_bytes());
                format!("with a result of {} bytes, {digest}, under {}", text.len(), task.labels())
            });
            finish(&control, &visitor, &task, Cause::Ended, words.unwrap_or_default())
        }
        Err(answer) => *answer,
    }
}

/// Reads a body that may be missing.
pub(super) fn optional<T: serde::de::DeserializeOwned + Default>(
    body: Result<Bytes, BytesRejection>,
) -> Result<T, Failed> {
    match body {
        Ok(bytes) if bytes.is_empty() => Ok(T::default()),
        body => read(body),
    }
}

fn finish(control: &Control, visitor: &Asked, task: &Arc<Task>, cause: Cause, words: String) -> Response {
    let ports = &control.gate.ports;
    let words = words.chars().take(REASON_CHARS_MAX).collect();
    let over = Over { cause, words, by: Some(visitor.principal.key()), at_us: ports.clock.now_us() };
    let ended = ports.tasks.end(task, &over);
    // A task counts as over also where the ledger cannot take the word.
    for event in ended.iter().filter_map(|one| one.end_event()) {
        if let Err(e) = ports.ledger.append(Entry::Event(event)) {
            tracing::error!(task = task.id(), "the end of a task could not be recorded: {e}");
        }
    }
    let ended = ended.iter().map(|one| one.id().to_owned()).collect();
    Json(TaskEnded { task: told(control, task, true), ended }).into_response()
}
