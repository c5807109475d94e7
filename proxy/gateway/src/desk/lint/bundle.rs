//! Warnings about what policies and registry are to one another: labels, grants, tools.

use std::collections::{BTreeMap, BTreeSet};

use pdp::fault::{Fault, SourceFile};
use pdp::origin::UNGIVEN;
use pdp::registry::{Server, Tool};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use toml::Spanned;

use super::expression::{entity, walk};
use super::{Lint, Look, Warning};

/// The grants every vocabulary has: nobody wrote them, so nobody must use them.
const OWN_GRANTS: [&str; 2] = ["owner", "security"];

/// How many names a warning lists.
const LISTED: usize = 5;

/// Adds labels that policies look for and no server, no tool sets.
pub(super) fn labels(look: &Look<'_>, out: &mut Vec<Warning>) {
    let servers = look.registry.servers.values();
    let set: BTreeSet<&str> = servers
        .flat_map(|server| server.tools.values().map(|tool| &tool.labels).chain([&server.labels]))
        .flat_map(|labels| labels.iter().map(pdp::label::Label::as_str))
        .collect();
    for policy in look.policies {
        let mut missing = BTreeSet::new();
        walk(&policy.says, &mut |value| {
            if let Some(("Gate::Label", label)) = entity(value)
                && !set.contains(label)
                && label != UNGIVEN
            {
                missing.insert(label);
            }
        });
        for label in missing {
            let message = format!("`{}` looks for the label `{label}`, which nothing sets", policy.id);
            let remedy = format!("write `labels = [{label:?}]` at the tool whose results carry it, or mend the policy");
            let place = [format!("Gate::Label::{label:?}")];
            out.push(Warning { lint: Lint::UnsetLabel, found: look.in_policy(policy, &place, message, remedy) });
        }
    }
}

/// Adds grants of the vocabulary that no policy asks for.
pub(super) fn grants(look: &Look<'_>, out: &mut Vec<Warning>) {
    let asked: BTreeSet<&str> =
        look.policies.iter().filter_map(|p| p.says.pointer("/annotations/approval").and_then(Value::as_str)).collect();
    let unused = |grant: &&String| !asked.contains(grant.as_str()) && !OWN_GRANTS.contains(&grant.as_str());
    for grant in look.registry.grants.iter().filter(unused) {
        let message = format!("no policy asks for the grant `{grant}`");
        let remedy = format!("write `@approval({grant:?})` on the forbid it lifts, or take it out of the vocabulary");
        let found = match vocabulary(look.sources.registry.as_slice(), grant) {
            Some((file, range)) => Fault::over(file, range, message, remedy),
            None => Fault::of_file("vocabulary.toml", message, remedy),
        };
        out.push(Warning { lint: Lint::UnusedGrant, found });
    }
}

/// Where a vocabulary names a grant.
fn vocabulary<'f>(files: &'f [SourceFile], grant: &str) -> Option<(&'f SourceFile, std::ops::Range<usize>)> {
    #[derive(Deserialize)]
    struct Words {
        #[serde(default)]
        grants: Vec<Spanned<String>>,
    }
    files.iter().filter(|file| file.path.ends_with("vocabulary.toml")).find_map(|file| {
        let words: Words = toml::from_str(&file.text).ok()?;
        words.grants.iter().find(|word| word.get_ref() == grant).map(|word| (file, word.span()))
    })
}

/// Adds tools nobody may call: not reviewed, withheld, or without a permit whose scope fits.
pub(super) fn tools(look: &Look<'_>, dead: &BTreeSet<String>, out: &mut Vec<Warning>) {
    for server in look.registry.servers.values() {
        let all = || server.tools.values().map(AsRef::as_ref);
        let unreviewed: Vec<&Tool> = all().filter(|tool| tool.effects.is_empty()).collect();
        let remedy = "read each tool, then set `effect`, `reviewed_by` and `reviewed_at`";
        told(look, server, Lint::UnreviewedEffect, &unreviewed, "no reviewed effect", remedy, out);
        for tool in all().filter(|tool| !tool.effects.is_empty()) {
            if let Some(why) = &tool.withheld {
                let words = format!("`{}` of `{}` is withheld: {why}", tool.name, server.name);
                out.push(Warning { lint: Lint::WithheldTool, found: at_tool(look, server, tool, words, "") });
            }
        }
        let unpermitted: Vec<&Tool> =
            all().filter(|tool| tool.withheld.is_none() && !is_permitted(look, dead, server, tool)).collect();
        let remedy = "every call is denied; if that is not meant, write a permit for them or for their effect";
        told(look, server, Lint::UnpermittedTool, &unpermitted, "no permit that fits", remedy, out);
    }
}

/// One warning for all tools of a server that lack the same.
fn told(
    look: &Look<'_>,
    server: &Server,
    lint: Lint,
    tools: &[&Tool],
    lack: &str,
    remedy: &str,
    out: &mut Vec<Warning>,
) {
    let Some(first) = tools.first() else { return };
    let mut names: Vec<String> = tools.iter().take(LISTED).map(|tool| format!("`{}`", tool.name)).collect();
    if tools.len() > LISTED {
        names.push(format!("{} more", tools.len() - LISTED));
    }
    let have = if tools.len() == 1 { "has" } else { "have" };
    let message = format!("{} of `{}` {have} {lack}", names.join(", "), server.name);
    out.push(Warning { lint, found: at_tool(look, server, first, message, remedy) });
}

/// Whether some permit's action and resource fit, and it can speak.
fn is_permitted(look: &Look<'_>, dead: &BTreeSet<String>, server: &Server, tool: &Tool) -> bool {
    let action = look.reach.iter().position(|reach| reach.tool == Some((&server.name, &tool.name)));
    action.into_iter().flat_map(|action| look.speaking(action)).any(|policy| {
        policy.says.get("effect").is_some_and(|effect| effect == "permit")
            && !dead.contains(&policy.id)
            && resource_fits(policy.says.get("resource").unwrap_or(&Value::Null), server)
    })
}

/// Whether a resource scope fits a server: all of them, itself, its system, or a list's member.
fn resource_fits(scope: &Value, server: &Server) -> bool {
    let is_it = |value: &Value| match entity(value) {
        Some(("Gate::Server", id)) => id == server.name,
        Some(("Gate::System", id)) => id == server.system,
        Some(_) | None => false,
    };
    match scope.get("op").and_then(Value::as_str) {
        Some("==" | "in") => scope.get("entity").is_some_and(is_it),
        Some("is") => match scope.get("in") {
            Some(within) => within.get("entity").is_some_and(is_it),
            None => scope.get("entity_type").is_some_and(|kind| kind == "Gate::Server"),
        },
        Some(_) | None => true,
    }
}

/// A finding where the registry names a tool.
fn at_tool(look: &Look<'_>, server: &Server, tool: &Tool, message: String, remedy: &str) -> Fault {
    #[derive(Deserialize)]
    struct Tools {
        #[serde(default)]
        tools: BTreeMap<Spanned<String>, IgnoredAny>,
    }
    let name = format!("servers/{}.toml", server.name);
    let file = look.sources.registry.iter().find(|file| file.path == name || file.path.ends_with(&format!("/{name}")));
    let Some(file) = file else { return Fault::of_file(&name, message, remedy) };
    let tools: Option<Tools> = toml::from_str(&file.text).ok();
    let place = tools.and_then(|tools| tools.tools.into_keys().find(|key| *key.get_ref() == tool.name));
    match place {
        Some(key) => Fault::over(file, key.span(), message, remedy),
        None => Fault::of_file(&file.path, message, remedy),
    }
}
