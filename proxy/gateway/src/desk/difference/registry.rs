//! What changed in the registry, in words: what exists, what it does, whose labels it carries, what is withheld.

use std::collections::BTreeSet;
use std::fmt::Display;

use pdp::registry::{Server, Tool};

use super::Side;
use crate::story::visible;

/// Every change that matters to what is decided, or to what reaches an agent.
pub(super) fn changes(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let (old, new) = (before.snapshot.registry(), after.snapshot.registry());
    let mut out = Vec::new();
    words("label", &old.labels, &new.labels, &mut out);
    words("grant", &old.grants, &new.grants, &mut out);
    for (name, server) in &new.servers {
        match old.servers.get(name) {
            None => out.push(format!("new server `{}` with {} tools", visible::text(name), server.tools.len())),
            Some(was) => of_server(was, server, &mut out),
        }
    }
    let gone = old.servers.keys().filter(|name| !new.servers.contains_key(*name));
    out.extend(gone.map(|name| format!("the server `{}` is gone", visible::text(name))));
    out
}

fn words(kind: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, out: &mut Vec<String>) {
    out.extend(new.difference(old).map(|word| format!("new {kind} `{}`", visible::text(word))));
    out.extend(old.difference(new).map(|word| format!("the {kind} `{}` is gone", visible::text(word))));
}

fn of_server(old: &Server, new: &Server, out: &mut Vec<String>) {
    let server = visible::text(&new.name);
    let mut changed = |what: &str, was: &dyn Display, is: &dyn Display| {
        if was.to_string() != is.to_string() {
            out.push(format!("{server}: {what} {was} -> {is}"));
        }
    };
    changed("system", &visible::text(&old.system), &visible::text(&new.system));
    changed("labels of results", &old.labels, &new.labels);
    let open = |server: &Server| server.open.iter().map(|word| visible::text(word)).collect::<Vec<_>>().join(", ");
    changed("open features", &open(old), &open(new));
    if old.transport != new.transport {
        out.push(format!("{server}: it is reached otherwise"));
    }
    for (name, tool) in &new.tools {
        match old.tools.get(name) {
            None => out.push(format!("{server}: new tool `{}` ({})", visible::text(name), about(tool))),
            Some(was) => of_tool(&server, was, tool, out),
        }
    }
    let gone = old.tools.keys().filter(|name| !new.tools.contains_key(*name));
    out.extend(gone.map(|name| format!("{server}: the tool `{}` is gone", visible::text(name))));
}

fn of_tool(server: &str, old: &Tool, new: &Tool, out: &mut Vec<String>) {
    let name = visible::text(&new.name);
    let mut changed = |what: &str, was: String, is: String| {
        if was != is {
            out.push(format!("{server}: `{name}` {what} {was} -> {is}"));
        }
    };
    changed("effect", effects(old), effects(new));
    changed("labels", old.labels.to_string(), new.labels.to_string());
    changed("delivery", format!("{:?}", old.deliver).to_lowercase(), format!("{:?}", new.deliver).to_lowercase());
    match (&old.withheld, &new.withheld) {
        (None, Some(why)) => out.push(format!("{server}: `{name}` is withheld now: {}", visible::text(why))),
        (Some(_), None) => out.push(format!("{server}: `{name}` is withheld no more")),
        (None, None) | (Some(_), Some(_)) => {}
    }
    if old.pin != new.pin {
        out.push(format!("{server}: `{name}` has another definition"));
    }
}

fn effects(tool: &Tool) -> String {
    tool.effects.iter().map(|effect| effect.name()).collect::<Vec<_>>().join(", ")
}

fn about(tool: &Tool) -> String {
    match &tool.withheld {
        Some(why) => format!("withheld: {}", visible::text(why)),
        None => effects(tool),
    }
}
