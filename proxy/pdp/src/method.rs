//! The methods of MCP, both eras, as actions: which feature each belongs to and what Cedar calls it.
//!
//! A method that is not in this table and not named in a server's `open` list is denied. The table is data, so that the
//! schema, the classifier and the documentation read the same one. Sources: MCP specification 2024-11-05 to 2026-07-28.

/// A part of the protocol that a registry entry opens for a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// What every session needs: opening, listing tools, progress, cancelling, closing. Always open; policies still judge it.
    Lifecycle,
    /// Resources and their templates, subscriptions and updates.
    Resources,
    /// Prompts.
    Prompts,
    /// Argument completion.
    Completion,
    /// Log level and log messages.
    Logging,
    /// The server asks the client's model.
    Sampling,
    /// The server asks the user, by form or by URL.
    Elicitation,
    /// The server asks for the client's directories.
    Roots,
    /// Long-running tasks, of 2025-11-25 and of the 2026 extension.
    Tasks,
    /// The skills extension (SEP-2640).
    Skills,
}

impl Feature {
    /// Every feature that a registry entry can open.
    pub const OPENABLE: [Self; 9] = [
        Self::Resources,
        Self::Prompts,
        Self::Completion,
        Self::Logging,
        Self::Sampling,
        Self::Elicitation,
        Self::Roots,
        Self::Tasks,
        Self::Skills,
    ];

    /// The name in the registry's `open` list and of the Cedar action group.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lifecycle => "lifecycle",
            Self::Resources => "resources",
            Self::Prompts => "prompts",
            Self::Completion => "completion",
            Self::Logging => "logging",
            Self::Sampling => "sampling",
            Self::Elicitation => "elicitation",
            Self::Roots => "roots",
            Self::Tasks => "tasks",
            Self::Skills => "skills",
        }
    }
}

/// One known method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// The method as it stands on the wire, or for transport verbs `stream` and `session/end`.
    pub name: &'static str,
    /// The Cedar action's id in the namespace `Gate`.
    pub action: &'static str,
    /// What opens it.
    pub feature: Feature,
    /// The member of `params` that names what it acts on, given to policies as `context.target`.
    pub target: Option<&'static str>,
}

const fn method(name: &'static str, feature: Feature) -> Method {
    Method { name, action: name, feature, target: None }
}

const fn on(name: &'static str, action: &'static str, feature: Feature, target: &'static str) -> Method {
    Method { name, action, feature, target: Some(target) }
}

/// Every method the gate knows, but `tools/call`, which is judged tool by tool.
pub const METHODS: &[Method] = &[
    method("initialize", Feature::Lifecycle),
    method("notifications/initialized", Feature::Lifecycle),
    method("server/discover", Feature::Lifecycle),
    method("ping", Feature::Lifecycle),
    method("tools/list", Feature::Lifecycle),
    method("subscriptions/listen", Feature::Lifecycle),
    method("notifications/subscriptions/acknowledged", Feature::Lifecycle),
    method("notifications/cancelled", Feature::Lifecycle),
    method("notifications/progress", Feature::Lifecycle),
    method("notifications/tools/list_changed", Feature::Lifecycle),
    method("stream", Feature::Lifecycle),
    method("session/end", Feature::Lifecycle),
    method("response", Feature::Lifecycle),
    method("resources/list", Feature::Resources),
    method("resources/templates/list", Feature::Resources),
    on("resources/read", "resources/read", Feature::Resources, "uri"),
    on("resources/subscribe", "subscribe", Feature::Resources, "uri"),
    on("resources/unsubscribe", "subscribe", Feature::Resources, "uri"),
    on("notifications/resources/updated", "notifications/resources/updated", Feature::Resources, "uri"),
    method("notifications/resources/list_changed", Feature::Resources),
    method("prompts/list", Feature::Prompts),
    on("prompts/get", "prompts/get", Feature::Prompts, "name"),
    method("notifications/prompts/list_changed", Feature::Prompts),
    method("completion/complete", Feature::Completion),
    on("logging/setLevel", "logging/setLevel", Feature::Logging, "level"),
    on("notifications/message", "notifications/message", Feature::Logging, "level"),
    method("sampling/createMessage", Feature::Sampling),
    on("elicitation/create", "elicitation/create", Feature::Elicitation, "url"),
    method("notifications/elicitation/complete", Feature::Elicitation),
    method("roots/list", Feature::Roots),
    method("notifications/roots/list_changed", Feature::Roots),
    on("tasks/get", "tasks/get", Feature::Tasks, "taskId"),
    on("tasks/result", "tasks/result", Feature::Tasks, "taskId"),
    method("tasks/list", Feature::Tasks),
    on("tasks/cancel", "tasks/cancel", Feature::Tasks, "taskId"),
    on("tasks/update", "tasks/update", Feature::Tasks, "taskId"),
    on("notifications/tasks/status", "notifications/tasks/status", Feature::Tasks, "taskId"),
    on("notifications/tasks", "notifications/tasks", Feature::Tasks, "taskId"),
    method("skills/list", Feature::Skills),
    on("skills/get", "skills/get", Feature::Skills, "uri"),
    on("resources/directory/read", "resources/directory/read", Feature::Skills, "uri"),
];

/// The Cedar action for a method that only a server's `open` list names.
pub const OTHER_ACTION: &str = "method";

/// The method of this name, if the gate knows it.
#[must_use]
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|m| m.name == name)
}
