//! The Cedar schema, generated from the registry: one action per tool in its effect groups, one per known method.
//!
//! It is what makes a typo in an argument's name a load error. Written as Cedar schema text, so that
//! an author can read it and an editor can use it.

use std::fmt::Write as _;

use crate::effect::Effect;
use crate::method::{Feature, METHODS, OTHER_ACTION};
use crate::registry::{Registry, Server, Tool};

/// The schema's text. Identical registries give identical text.
pub(super) fn text(registry: &Registry) -> String {
    let mut out = String::new();
    gate(registry, &mut out);
    for server in registry.servers.values() {
        namespace(server, &mut out);
    }
    out
}

fn gate(registry: &Registry, out: &mut String) {
    let words =
        |set: &std::collections::BTreeSet<String>| set.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(", ");
    let _infallible = write!(
        out,
        "namespace Gate {{\n  entity Label enum [{}];\n  entity Grant enum [{}];\n  entity Team;\n  \
         entity Agent in [Team] {{ user: String, tenant: String }};\n  entity System;\n  entity Server in [System];\n  \
         type Task = {{ id: String }};\n  \
         type Facts = {{ labels: Set<Label>, grants: Set<Grant>, task: Task, calls: Long, tenant: String, now: datetime }};\n",
        words(&registry.labels),
        words(&registry.grants),
    );
    let groups = Effect::ALL.into_iter().map(Effect::name).chain(Feature::OPENABLE.into_iter().map(Feature::name));
    for group in ["call", "lifecycle", "feature"].into_iter().chain(groups) {
        let parent = if Feature::OPENABLE.iter().any(|f| f.name() == group) { " in [\"feature\"]" } else { "" };
        let _infallible = writeln!(out, "  action {group:?}{parent};");
    }
    let mut written = std::collections::BTreeSet::new();
    for method in METHODS {
        if written.insert(method.action) {
            method_action(method.action, method.feature.name(), out);
        }
    }
    method_action(OTHER_ACTION, "feature", out);
    out.push_str("}\n");
}

fn method_action(action: &str, group: &str, out: &mut String) {
    let _infallible = writeln!(
        out,
        "  action {action:?} in [{group:?}] appliesTo {{ principal: [Agent], resource: [Server], \
         context: {{ method: String, target: String, target_canonical: String, target_host: String, gate: Facts }} }};"
    );
}

fn namespace(server: &Server, out: &mut String) {
    let _infallible = writeln!(out, "namespace {} {{", server.namespace);
    for tool in server.tools.values().filter(|tool| tool.withheld.is_none()) {
        tool_action(tool, out);
    }
    out.push_str("}\n");
}

fn tool_action(tool: &Tool, out: &mut String) {
    let groups: Vec<String> = groups(tool).map(|g| format!("Gate::Action::{g:?}")).collect();
    let _infallible = writeln!(
        out,
        "  action {:?} in [{}] appliesTo {{ principal: [Gate::Agent], resource: [Gate::Server], \
         context: {{ args: {}, args_canonical: {}, args_opaque: Bool, gate: Gate::Facts }} }};",
        tool.name,
        groups.join(", "),
        tool.shape.cedar_type(),
        tool.shape.canonical_type(),
    );
}

/// The groups a tool's action is a member of.
pub(super) fn groups(tool: &Tool) -> impl Iterator<Item = &'static str> {
    std::iter::once("call").chain(tool.effects.iter().map(|e| e.name()))
}
