//! The methods a case may name, as the documents have them: the Cedar action, the group that opens it, what it acts on.

/// One method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) action: &'static str,
    pub(super) group: &'static str,
    /// The member of `params` that names what it acts on.
    pub(super) target: Option<&'static str>,
}

const fn of(name: &'static str, group: &'static str) -> Method {
    Method { name, action: name, group, target: None }
}

const fn on(name: &'static str, group: &'static str, target: &'static str) -> Method {
    Method { name, action: name, group, target: Some(target) }
}

const fn subscribing(name: &'static str) -> Method {
    Method { name, action: "subscribe", group: "resources", target: Some("uri") }
}

const METHODS: [Method; 41] = [
    of("initialize", "lifecycle"),
    of("notifications/initialized", "lifecycle"),
    of("server/discover", "lifecycle"),
    of("ping", "lifecycle"),
    of("tools/list", "lifecycle"),
    of("subscriptions/listen", "lifecycle"),
    of("notifications/subscriptions/acknowledged", "lifecycle"),
    of("notifications/cancelled", "lifecycle"),
    of("notifications/progress", "lifecycle"),
    of("notifications/tools/list_changed", "lifecycle"),
    of("stream", "lifecycle"),
    of("session/end", "lifecycle"),
    of("response", "lifecycle"),
    of("resources/list", "resources"),
    of("resources/templates/list", "resources"),
    on("resources/read", "resources", "uri"),
    subscribing("resources/subscribe"),
    subscribing("resources/unsubscribe"),
    on("notifications/resources/updated", "resources", "uri"),
    of("notifications/resources/list_changed", "resources"),
    of("prompts/list", "prompts"),
    on("prompts/get", "prompts", "name"),
    of("notifications/prompts/list_changed", "prompts"),
    of("completion/complete", "completion"),
    on("logging/setLevel", "logging", "level"),
    on("notifications/message", "logging", "level"),
    of("sampling/createMessage", "sampling"),
    on("elicitation/create", "elicitation", "url"),
    of("notifications/elicitation/complete", "elicitation"),
    of("roots/list", "roots"),
    of("notifications/roots/list_changed", "roots"),
    on("tasks/get", "tasks", "taskId"),
    on("tasks/result", "tasks", "taskId"),
    of("tasks/list", "tasks"),
    on("tasks/cancel", "tasks", "taskId"),
    on("tasks/update", "tasks", "taskId"),
    on("notifications/tasks/status", "tasks", "taskId"),
    on("notifications/tasks", "tasks", "taskId"),
    of("skills/list", "skills"),
    on("skills/get", "skills", "uri"),
    on("resources/directory/read", "skills", "uri"),
];

/// What clients ask for: also what only servers may, what no registry opens, and what names a verb of the transport.
pub(super) const ASKED: [&str; 32] = [
    "initialize",
    "server/discover",
    "ping",
    "ping",
    "tools/list",
    "tools/list",
    "subscriptions/listen",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "prompts/get",
    "completion/complete",
    "completion/complete",
    "logging/setLevel",
    "sampling/createMessage",
    "tasks/get",
    "tasks/result",
    "tasks/list",
    "tasks/cancel",
    "tasks/update",
    "skills/list",
    "skills/get",
    "resources/directory/read",
    "vendor/thing",
    "vendor/other",
    "stream",
    "TOOLS/LIST",
];

/// What clients tell.
pub(super) const TOLD: [&str; 6] = [
    "notifications/initialized",
    "notifications/roots/list_changed",
    "notifications/progress",
    "notifications/nothing",
    "vendor/thing",
    "tools/call",
];

/// What servers tell.
pub(super) const SAID: [&str; 9] = [
    "notifications/resources/updated",
    "notifications/resources/list_changed",
    "notifications/prompts/list_changed",
    "notifications/message",
    "notifications/tasks/status",
    "notifications/elicitation/complete",
    "notifications/nothing",
    "vendor/thing",
    "tools/call",
];

/// What servers ask.
pub(super) const QUESTIONS: [&str; 5] =
    ["sampling/createMessage", "elicitation/create", "roots/list", "ping", "vendor/other"];

/// Things to act on: as written, in canonical form, and the host they lead to.
pub(super) const TARGETS: [(&str, &str, &str); 6] = [
    ("file:///a", "file:///a", "?"),
    ("file:///a/../keys/k", "file:///keys/k", "?"),
    ("file:///keys/k", "file:///keys/k", "?"),
    ("https://good.test/x", "https://good.test/x", "good.test"),
    ("https://EVIL.test/x", "https://evil.test/x", "evil.test"),
    ("greet", "greet", "?"),
];

/// The method of this name.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// Every method, for rules to be about.
pub(super) fn all() -> &'static [Method] {
    &METHODS
}
