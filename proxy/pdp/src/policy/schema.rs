//! The Cedar schema, generated from the registry: one action per tool in its effect groups, one per known method.
//!
//! It is what makes a typo in an argument's name a load error. Written as Cedar schema text, so that
//! an author can read it and an editor can use it.

use std::fmt::Write as _;

use super::needs::Needs;
use crate::effect::Effect;
use crate::method::{Feature, METHODS, OTHER_ACTION};
use crate::registry::{Registry, Server, Tool};

/// The schema's text. Identical registries give identical text.
pub(super) fn text(registry: &Registry) -> String {
    written(registry, &|_, _| None)
}

/// The schema of the contexts that are really built. What the policies of an action look at, they look at in parts, so
/// each member may be missing: a policy that misses one errs, and an error is a denial. Needed by a tool, of a server and
/// a name, or, without a server, by an action of the gate's.
pub(super) fn lean<'n>(registry: &Registry, needs: &dyn Fn(Option<&str>, &str) -> Option<&'n Needs>) -> String {
    written(registry, needs)
}

/// An action whose needs are not known has all members, as they are declared.
fn written<'n>(registry: &Registry, needs: &dyn Fn(Option<&str>, &str) -> Option<&'n Needs>) -> String {
    let mut out = String::new();
    gate(registry, &|action| needs(None, action), &mut out);
    for server in registry.servers.values() {
        namespace(server, &|tool| needs(Some(&server.name), tool), &mut out);
    }
    out
}

/// The members of `context.gate`, and their types within the namespace `Gate`.
const FACTS: [(&str, &str); 6] = [
    ("labels", "Set<Gate::Label>"),
    ("grants", "Set<Gate::Grant>"),
    ("task", "Gate::Task"),
    ("calls", "Long"),
    ("tenant", "String"),
    ("now", "datetime"),
];

/// The type of `context.gate` with what is needed of it.
fn facts(needs: Option<&Needs>) -> String {
    let Some(needs) = needs else { return "Gate::Facts".to_owned() };
    let members = FACTS.iter().filter(|(name, _)| needs.gate.has(name)).map(|(name, kind)| format!("{name}?: {kind}"));
    format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
}

fn gate<'n>(registry: &Registry, needs: &dyn Fn(&str) -> Option<&'n Needs>, out: &mut String) {
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
            method_action(method.action, method.feature.name(), needs(method.action), out);
        }
    }
    method_action(OTHER_ACTION, "feature", needs(OTHER_ACTION), out);
    out.push_str("}\n");
}

/// A member of the context, where it is needed.
fn plain(name: &str, kind: &str, needs: Option<&Needs>) -> String {
    match needs {
        None => format!("{name}: {kind}, "),
        Some(needs) if needs.plain.has(name) => format!("{name}?: {kind}, "),
        Some(_) => String::new(),
    }
}

fn method_action(action: &str, group: &str, needs: Option<&Needs>, out: &mut String) {
    let texts = ["method", "target", "target_canonical", "target_host"];
    let texts: String = texts.into_iter().map(|name| plain(name, "String", needs)).collect();
    let _infallible = writeln!(
        out,
        "  action {action:?} in [{group:?}] appliesTo {{ principal: [Agent], resource: [Server], \
         context: {{ {texts}gate: {} }} }};",
        facts(needs)
    );
}

fn namespace<'n>(server: &Server, needs: &dyn Fn(&str) -> Option<&'n Needs>, out: &mut String) {
    let _infallible = writeln!(out, "namespace {} {{", server.namespace);
    // Withheld tools too, and those that were never scanned: a rule may be written before the review, and a review that
    // is withdrawn must not break the rules. No call ever comes so far as to be judged by them.
    for tool in server.tools.values() {
        tool_action(tool, needs(&tool.name), out);
    }
    for name in &server.unscanned {
        let _infallible = writeln!(
            out,
            "  action {name:?} in [Gate::Action::\"call\"] appliesTo {{ principal: [Gate::Agent], \
             resource: [Gate::Server], context: {{ args: {{}}, args_canonical: {{}}, args_opaque: Bool, \
             gate: Gate::Facts }} }};",
        );
    }
    out.push_str("}\n");
}

fn tool_action(tool: &Tool, needs: Option<&Needs>, out: &mut String) {
    let groups: Vec<String> = groups(tool).map(|g| format!("Gate::Action::{g:?}")).collect();
    let opaque = plain("args_opaque", "Bool", needs);
    let _infallible = writeln!(
        out,
        "  action {:?} in [{}] appliesTo {{ principal: [Gate::Agent], resource: [Gate::Server], \
         context: {{ args: {}, args_canonical: {}, {opaque}gate: {} }} }};",
        tool.name,
        groups.join(", "),
        tool.shape.cedar_type(needs.map(|needs| &needs.args)),
        tool.shape.canonical_type(needs.map(|needs| &needs.canonical)),
        facts(needs),
    );
}

/// The groups a tool's action is a member of.
pub(super) fn groups(tool: &Tool) -> impl Iterator<Item = &'static str> {
    std::iter::once("call").chain(tool.effects.iter().map(|e| e.name()))
}
