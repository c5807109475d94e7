//! The scope, held: whether what a frame touches lies within what its task may touch, and what is open to the agent.
//!
//! Asked by the guardrail stage of everything, and before the gate itself asks a server anything for a task. Knows
//! nothing of policies: what a scope leaves out, no policy and no approval brings in.

use std::sync::Arc;

use pdp::json;
use pdp::method::{Feature, Method};
use pdp::policy::canonical_target;
use pdp::record::Direction;
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Server, Tool};
use pdp::task::{Allowed, Scope};

use crate::asides;
use crate::call::{Call, Head, Stopped};
use crate::carried::Expected;
use crate::stages::s2_classify::Subject;

/// How many names the agent is told of.
const NAMES_MAX: usize = 64;

/// Something that a task may not touch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    /// It, in words.
    what: String,
    /// Of what the agent is told which is open.
    kind: Kind,
}

/// Of what an agent is told which is open, where it reached beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    Resource,
    Tool,
}

impl Outside {
    fn of(what: String) -> Self {
        Self { what, kind: Kind::Tool }
    }
}

/// Whether a scope bounds nothing.
fn is_open(scope: &Scope) -> bool {
    let Scope { tools, servers, resources, memory, systems, agents, users } = scope;
    [tools, servers, resources, memory, systems, agents, users].into_iter().all(|allowed| allowed.is_any())
}

/// Holds everything a frame touches against the scope of its task.
pub(crate) fn held(head: &Head, server: &Server, subject: &Subject) -> Result<(), Outside> {
    let scope = head.task.scope();
    if is_open(scope) {
        return Ok(());
    }
    reached(head, server)?;
    match subject {
        Subject::Tool { tool, expected, .. } => {
            used(scope, server, tool)?;
            remembered(scope, server, expected.as_deref())?;
        }
        Subject::Method { known, target, tool, .. } => {
            acted_on(scope, *known, target)?;
            brought(scope, server, *known, target, tool.as_deref())?;
        }
    }
    // What could not be read was refused when the call was classified.
    let along = asides::of(head).unwrap_or_default();
    along.iter().try_for_each(|aside| acted_on(scope, aside.known(), aside.target()))
}

/// Whether a task may touch a server at all, and whether this caller may act in it.
pub(crate) fn reached(head: &Head, server: &Server) -> Result<(), Outside> {
    let (scope, principal) = (head.task.scope(), &head.principal);
    if !touches(scope, server) && !scope.servers.allows(&server.name) {
        return Err(Outside::of(format!("the server `{}`", server.name)));
    }
    if !touches(scope, server) {
        return Err(Outside::of(format!("the system `{}`, on which `{}` acts,", server.system, server.name)));
    }
    if !scope.agents.is_any() && !scope.agents.allows(&principal.agent) && !scope.agents.allows(&principal.key()) {
        return Err(Outside::of(format!("the agent `{}`", principal.key())));
    }
    if !scope.users.allows(&principal.user) {
        return Err(Outside::of(format!("the user `{}`", principal.user)));
    }
    Ok(())
}

/// Whether a server lies within a scope. The gate's own always does: with its tools an agent asks what its scope is, and they
/// touch nothing that a scope could hold.
pub(crate) fn touches(scope: &Scope, server: &Server) -> bool {
    server.transport.is_own() || (scope.servers.allows(&server.name) && scope.systems.allows(&server.system))
}

fn used(scope: &Scope, server: &Server, tool: &Tool) -> Result<(), Outside> {
    if sees(scope, server, tool) {
        return Ok(());
    }
    Err(Outside::of(format!("the tool `{}/{}`", server.name, tool.name)))
}

/// A memory lies within a scope by its server and its own scope: `notes/team`, or `notes` where the server has one.
fn remembered(scope: &Scope, server: &Server, expected: Option<&Expected>) -> Result<(), Outside> {
    let Some(places) = expected.and_then(Expected::places).filter(|_| !scope.memory.is_any()) else { return Ok(()) };
    let name = match places.scope.as_str() {
        "" => server.name.clone(),
        own => format!("{}/{own}", server.name),
    };
    if scope.memory.allows(&name) {
        return Ok(());
    }
    Err(Outside { what: format!("the memory {}", json::quoted(&name)), kind: Kind::Memory })
}

/// Whether a tool lies within a scope: what lies outside is not listed either.
pub(crate) fn sees(scope: &Scope, server: &Server, tool: &Tool) -> bool {
    server.transport.is_own() || scope.tools.is_any() || scope.tools.allows(&format!("{}/{}", server.name, tool.name))
}

/// The tools of a server that lie within a scope and may be called at all: what is retired is withheld too.
pub(crate) fn tools_within<'s>(scope: &'s Scope, server: &'s Server) -> impl Iterator<Item = &'s Arc<Tool>> {
    let tools = server.tools.values().filter(|_| touches(scope, server));
    tools.filter(|tool| tool.withheld.is_none() && sees(scope, server, tool))
}

/// A resource is within a scope as it is written and as the most canonical reader reads it: else `like` patterns could be
/// climbed out of.
fn acted_on(scope: &Scope, known: Option<&Method>, target: &str) -> Result<(), Outside> {
    if known.and_then(|method| method.target) != Some("uri") || scope.resources.is_any() {
        return Ok(());
    }
    let canonical = canonical_target(target);
    if scope.resources.allows(target) && canonical.is_some_and(|form| scope.resources.allows(&form)) {
        return Ok(());
    }
    let shown: String = target.chars().take(256).collect();
    Err(Outside { what: format!("the resource {}", json::quoted(&shown)), kind: Kind::Resource })
}

/// A server's long-running work is its tool's. Where the tool is not known, it may be any of the server's.
fn brought(
    scope: &Scope,
    server: &Server,
    known: Option<&Method>,
    target: &str,
    tool: Option<&Tool>,
) -> Result<(), Outside> {
    if known.is_none_or(|method| method.feature != Feature::Tasks) || target.is_empty() {
        return Ok(());
    }
    match tool {
        Some(tool) => used(scope, server, tool),
        None => server.tools.values().try_for_each(|tool| used(scope, server, tool)),
    }
}

/// Ends a call that reached beyond its task's scope: refused, recorded as an attempted expansion, and told what is open.
pub(crate) fn refuse<S>(mut call: Call<S>, outside: &Outside) -> Stopped {
    let what = &outside.what;
    if call.head().direction == Direction::ToServer {
        call.head().task.count_expansion();
    }
    call.entry().note(format!("attempted expansion: {what} is outside the task's scope"));
    let words = format!("{what} is outside the scope of this task, which was fixed when it was opened.");
    let scope = call.head().task.scope();
    let open = match outside.kind {
        Kind::Memory => open_patterns("Memory", &scope.memory),
        Kind::Resource => open_patterns("Resources", &scope.resources),
        Kind::Tool => open_tools(call.head()),
    };
    // What a tool call is answered with is for the model; of an error's words it commonly sees the message.
    call.stop(Refusal::new(Code::OutOfScope, format!("{words} {open}")))
}

/// Which resources or memory lies within a scope: the patterns, of which every list must let one through.
fn open_patterns(what: &str, allowed: &Allowed) -> String {
    let lists = allowed.lists().map(|list| {
        let named: Vec<&str> = list.iter().take(NAMES_MAX).map(String::as_str).collect();
        if named.is_empty() { "none".to_owned() } else { named.join(", ") }
    });
    format!("{what} within its scope: {}.", lists.collect::<Vec<_>>().join("; and of these: "))
}

/// Which tools lie within a task's scope, for its agent to revise its plan by.
fn open_tools(head: &Head) -> String {
    let scope = head.task.scope();
    // The gate's own tools lie within every scope: that is no news of this one.
    let servers = head.snapshot.registry().servers.values().filter(|server| !server.transport.is_own());
    let within = servers.flat_map(|server| tools_within(scope, server).map(move |tool| (server, tool)));
    let mut names: Vec<String> = within.map(|(server, tool)| format!("{}/{}", server.name, tool.name)).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    match (names.as_slice(), more) {
        ([], _) => "No tool is within its scope.".to_owned(),
        (some, 0) => format!("Tools within its scope: {}.", some.join(", ")),
        (some, more) => format!("Tools within its scope: {}, and {more} more.", some.join(", ")),
    }
}
