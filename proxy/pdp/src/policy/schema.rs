//! The Cedar schema, generated from the registry: one action per tool in its effect groups, one per known method.
//!
//! It is what makes a typo in an argument's name a load error. Written as Cedar schema text, so that
//! an author can read it and an editor can use it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::facts::ImpactKind;
use super::needs::{Members, Needs};
use super::shape::{self, Shape, View};
use crate::effect::Effect;
use crate::method::{Feature, METHODS, OTHER_ACTION};
use crate::registry::{Registry, Server, Tool};

/// The schema's text. Identical registries give identical text.
pub(super) fn text(registry: &Registry) -> String {
    format!("{GUIDE}{}", written(registry, &|_, _| None))
}

/// What stands at the head of the schema, for those who write policies.
const GUIDE: &str = "\
// What policies may look at; generated from the registry. A member with a `?` may be missing: ask with `has` first.
//
// args               the arguments as they will be sent, of the types of the reviewed schema
// args_canonical     their texts in canonical form: match paths, URLs, hosts and mail addresses here, not in `args`
// args_host          the host that a URL, a host or a mail address leads to; \"?\" where it leads to none
// args_opaque        whether something is given that policies cannot see by value; `args_opaque_names`: in which arguments
// target             what a method acts on, such as a URI; also in canonical form, and its host
// gate               what the gate knows: the task's labels and calls, the tenant, the time. Grants: write `@approval`
// gate.readers       who may read what the task has gathered; missing where everyone may
// gate.origin        for each argument the labels of what its value was found in; `user` where the user gave it. A lower bound
// gate.unvouched     of a tool: the labels of the values that say where its effect goes and that the user did not give, and `ungiven`
// gate.impact        what a preview of the call found; missing where there was none
//
// In args_canonical and args_host a list of records is a record of lists: `args_canonical.files.path` holds every path.
// An object whose names the caller chooses is a record of `keys` and `values`. An argument of several types is a record of
// the types, such as `string` and `long`, of which one is there. A text that can be read in more than one way (a backslash
// in a path, two `@` in a URL) has no canonical form and no host: where a policy looks at one, the call is denied.
";

/// The schema without its comments: what it means, and nothing else.
pub(crate) fn without_comments(text: &str) -> String {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |text, line| text + line + "\n")
}

/// Whether Cedar takes a tool's name and the names of its arguments. It is tried on what is unusual, so that no tool makes
/// the schema of all of them unreadable.
///
/// # Errors
/// What Cedar says.
pub(crate) fn holds(tool: &str, shape: &Shape) -> Result<(), String> {
    if shape::is_plain(tool) && shape.is_plain() {
        return Ok(());
    }
    let [canonical, host] = [View::Canonical, View::Host].map(|view| shape.view_type(view, None));
    let args = shape.cedar_type(None);
    read(&format!("type Args = {args}; type Canonical = {canonical}; type Host = {host}; action {tool:?};"))
}

fn read(text: &str) -> Result<(), String> {
    cedar_policy::SchemaFragment::from_cedarschema_str(text).map(drop).map_err(|e| e.to_string())
}

/// The schema of the contexts that are really built. What the policies of an action look at, they look at in parts, so
/// each member may be missing: a policy that misses one errs, and an error is a denial. Needed by a tool, of a server and
/// a name, or, without a server, by an action of the gate's.
pub(super) fn lean<'n>(registry: &Registry, needs: &dyn Fn(Option<&str>, &str) -> Option<&'n Needs>) -> String {
    written(registry, needs)
}

/// The schema of some tools alone, without methods. What it says of them is what the whole schema says; validating a policy
/// of one tool against it costs a fraction.
pub(super) fn excerpt<'r>(registry: &Registry, tools: impl IntoIterator<Item = (&'r Server, &'r Tool)>) -> String {
    let mut out = String::new();
    words(registry, &mut out);
    out.push_str("}\n");
    let mut namespace = None;
    for (server, tool) in tools {
        if namespace != Some(&server.namespace) {
            out.push_str(if namespace.is_some() { "}\n" } else { "" });
            let _infallible = writeln!(out, "namespace {} {{", server.namespace);
            namespace = Some(&server.namespace);
        }
        tool_action(&Shown::of(tool), None, &mut out);
    }
    out.push_str(if namespace.is_some() { "}\n" } else { "" });
    out
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
const FACTS: [(&str, &str); 7] = [
    ("labels", "Set<Gate::Label>"),
    ("readers?", "Set<String>"),
    ("grants", "Set<Gate::Grant>"),
    ("task", "Gate::Task"),
    ("calls", "Long"),
    ("tenant", "String"),
    ("now", "datetime"),
];

/// Of a tool alone: a method has no reviewed sinks, so a rule on all actions that seems to hold it as well does not load.
const UNVOUCHED: (&str, &str) = ("unvouched", "Set<Gate::Label>");

/// The type of `context.gate` with what is needed of it; of a tool also what is known of its arguments, and its impact.
fn facts(tool: Option<&Shown<'_>>, needs: Option<&Needs>) -> String {
    if tool.is_none() && needs.is_none() {
        return "Gate::Facts".to_owned();
    }
    let mut members: Vec<String> = FACTS
        .iter()
        .chain(tool.map(|_| &UNVOUCHED))
        .filter(|(name, _)| needs.is_none_or(|needs| needs.gate.has(name.trim_end_matches('?'))))
        .map(|(name, kind)| match needs {
            None => format!("{name}: {kind}"),
            Some(_) => format!("{}?: {kind}", name.trim_end_matches('?')),
        })
        .collect();
    let wanted = |which: fn(&Needs) -> &Members| needs.is_none_or(|needs| !which(needs).is_empty());
    if let Some(tool) = tool.filter(|_| wanted(|needs| &needs.origin)) {
        let optional = if needs.is_some() { "?" } else { "" };
        members.push(format!("origin{optional}: {}", tool.shape.origin_type(needs.map(|needs| &needs.origin))));
    }
    if let Some(tool) = tool.filter(|tool| !tool.impact.is_empty() && wanted(|needs| &needs.impact)) {
        let found = tool.impact.iter().filter(|(name, _)| needs.is_none_or(|needs| needs.impact.has(name)));
        let found: Vec<String> = found.map(|(name, kind)| format!("{name:?}?: {}", kind.cedar_type())).collect();
        members.push(format!("impact?: {{ {} }}", found.join(", ")));
    }
    format!("{{ {} }}", members.join(", "))
}

fn gate<'n>(registry: &Registry, needs: &dyn Fn(&str) -> Option<&'n Needs>, out: &mut String) {
    words(registry, out);
    let mut written = BTreeSet::new();
    for method in METHODS {
        if written.insert(method.action) {
            method_action(method.action, method.feature.name(), needs(method.action), out);
        }
    }
    method_action(OTHER_ACTION, "feature", needs(OTHER_ACTION), out);
    out.push_str("}\n");
}

/// The namespace `Gate` without methods, left open: its entities, types and groups.
fn words(registry: &Registry, out: &mut String) {
    let words = |set: &BTreeSet<String>| set.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(", ");
    let _infallible = write!(
        out,
        "namespace Gate {{\n  entity Label enum [{}];\n  entity Grant enum [{}];\n  entity Team;\n  \
         entity Agent in [Team] {{ user: String, tenant: String }};\n  entity System;\n  entity Server in [System];\n  \
         type Task = {{ id: String, profile: String, explicit: Bool, off_plan: Bool, depth: Long, cost: Long, \
         bytes_out: Long }};\n  type Facts = {{ {} }};\n",
        words(&registry.labels),
        words(&registry.grants),
        FACTS.map(|(name, kind)| format!("{name}: {kind}")).join(", "),
    );
    let groups = Effect::ALL.into_iter().map(Effect::name).chain(Feature::OPENABLE.into_iter().map(Feature::name));
    for group in ["call", "lifecycle", "feature"].into_iter().chain(groups) {
        let parent = if Feature::OPENABLE.iter().any(|f| f.name() == group) { " in [\"feature\"]" } else { "" };
        let _infallible = writeln!(out, "  action {group:?}{parent};");
    }
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
        facts(None, needs)
    );
}

fn namespace<'n>(server: &Server, needs: &dyn Fn(&str) -> Option<&'n Needs>, out: &mut String) {
    let _infallible = writeln!(out, "namespace {} {{", server.namespace);
    for tool in shown(server) {
        tool_action(&tool, needs(tool.name), out);
    }
    out.push_str("}\n");
}

/// A tool as the schema shows it.
pub(super) struct Shown<'r> {
    pub(super) name: &'r str,
    pub(super) shape: &'r Shape,
    effects: &'r BTreeSet<Effect>,
    impact: &'r BTreeMap<String, ImpactKind>,
}

impl<'r> Shown<'r> {
    fn of(tool: &'r Tool) -> Self {
        Self { name: &tool.name, shape: &tool.shape, effects: &tool.effects, impact: &tool.impact }
    }

    /// The groups its action is a member of.
    pub(super) fn groups(&self) -> impl Iterator<Item = &'static str> {
        groups(self.effects)
    }
}

/// The tools of a server whose actions stand in the schema.
///
/// Withheld tools too, and those that were never scanned: a rule may be written before the review, and a review that is
/// withdrawn must not break the rules. No call ever comes so far as to be judged by them. What Cedar cannot hold stays
/// out: it would make the schema of all the others unreadable.
pub(super) fn shown(server: &Server) -> impl Iterator<Item = Shown<'_>> {
    static NO_ARGUMENTS: Shape = Shape { fields: Vec::new() };
    static NO_EFFECTS: BTreeSet<Effect> = BTreeSet::new();
    static NO_IMPACT: BTreeMap<String, ImpactKind> = BTreeMap::new();
    let held = |tool: &&Tool| tool.withheld.is_none() || holds(&tool.name, &tool.shape).is_ok();
    let scanned = server.tools.values().map(AsRef::as_ref).filter(held).map(Shown::of);
    let unscanned = server.unscanned.iter().filter(|name| holds(name, &NO_ARGUMENTS).is_ok());
    scanned.chain(unscanned.map(|name| Shown { name, shape: &NO_ARGUMENTS, effects: &NO_EFFECTS, impact: &NO_IMPACT }))
}

fn tool_action(tool: &Shown<'_>, needs: Option<&Needs>, out: &mut String) {
    let groups: Vec<String> = tool.groups().map(|g| format!("Gate::Action::{g:?}")).collect();
    let opaque = plain("args_opaque", "Bool", needs) + &plain("args_opaque_names", "Set<String>", needs);
    let host = match needs.map(|needs| &needs.host) {
        None => format!("args_host: {}, ", tool.shape.view_type(View::Host, None)),
        Some(needed) if needed.is_empty() => String::new(),
        // One part of the policies may look at it, and the other not.
        needed @ Some(_) => format!("args_host?: {}, ", tool.shape.view_type(View::Host, needed)),
    };
    if needs.is_none() {
        for part in tool.shape.unseen() {
            let _infallible = writeln!(out, "  // not seen by policies: {} ({})", part.path, part.why);
        }
        // Told in the text, so that a law is read again where they change.
        for (path, words) in tool.shape.listed() {
            let words = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
            let _infallible = writeln!(out, "  // {path} is one of {words}");
        }
    }
    let _infallible = writeln!(
        out,
        "  action {:?} in [{}] appliesTo {{ principal: [Gate::Agent], resource: [Gate::Server], \
         context: {{ args: {}, args_canonical: {}, {host}{opaque}gate: {} }} }};",
        tool.name,
        groups.join(", "),
        tool.shape.cedar_type(needs.map(|needs| &needs.args)),
        tool.shape.view_type(View::Canonical, needs.map(|needs| &needs.canonical)),
        facts(Some(tool), needs),
    );
}

/// The groups that the action of a tool with these effects is a member of.
pub fn groups(effects: &BTreeSet<Effect>) -> impl Iterator<Item = &'static str> {
    std::iter::once("call").chain(effects.iter().map(|e| e.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cedar_does_not_take_is_told() {
        assert_eq!(read("type Args = { \"a b\": String };"), Ok(()));
        assert!(read("type Args = { \"a\u{7}b: String };").is_err_and(|why| !why.is_empty()));
    }

    #[test]
    fn comments_are_no_part_of_the_law() {
        assert_eq!(without_comments("// a\nx;\n  // \"b\"\n  y \"//\";\n"), "x;\n  y \"//\";\n");
    }
}
