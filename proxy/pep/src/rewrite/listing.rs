//! A tool listing with only what was reviewed, reviewed as it is now, and within the scope of the task.

use std::collections::HashMap;

use pdp::digest::Digest;
use pdp::json;
use pdp::registry::Server;
use pdp::task::Scope;

use crate::channel::ambiguous;
use crate::envelope::member;
use crate::task::scope;

/// What became of a page of `tools/list`.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The result to hand over, or nothing where it stays as it was.
    pub(crate) text: Option<String>,
    /// Every tool the server offers, with the digest of its live definition.
    pub(crate) live: Vec<(String, Digest)>,
    /// What was left out, in words.
    pub(crate) withheld: Vec<String>,
    /// The cursor of the next page, or nothing on the last.
    pub(crate) next: Option<String>,
}

/// Filters one page; `first` says that it is certainly the first. Nothing where the result is not a tool listing.
pub(crate) fn filter(result: &str, server: &Server, within: &Scope, first: bool) -> Option<Listing> {
    let tools = member(result, "tools")?;
    let items = json::items(tools).ok()?;
    let mut out = Listing { next: member(result, "nextCursor").and_then(cursor), ..Listing::default() };
    let mut kept: Vec<&str> = Vec::with_capacity(items.len());
    let names: Vec<Option<String>> = items.iter().map(|item| name_of(item)).collect();
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(names.len());
    names.iter().flatten().for_each(|name| *seen.entry(name).or_default() += 1);
    for (item, name) in items.iter().zip(&names) {
        let twice = name.as_deref().is_some_and(|name| seen.get(name).is_some_and(|times| *times > 1));
        match standing(item, name.as_deref(), twice, server, within, &mut out.live) {
            Ok(()) => kept.push(item),
            Err(why) => out.withheld.push(why),
        }
    }
    let text = match out.withheld.is_empty() {
        true => None,
        false => Some(json::with_member(result, "tools", &format!("[{}]", kept.join(","))).ok()?),
    };
    // A list that was cut for this gate's clients must not be stored for others, on none of its pages (MCP 2026-07-28,
    // caching). What the other pages hold is not known here, so of several pages none is stored.
    let cut = text.is_some() || !first || out.next.is_some();
    let current = text.as_deref().unwrap_or(result);
    let shared = member(current, "cacheScope").is_some_and(|scope| scope != "\"private\"");
    out.text = if cut && shared { json::with_member(current, "cacheScope", "\"private\"").ok() } else { text };
    Some(out)
}

/// A cursor, read as a string where it is one: a client may escape it in another way than the server did.
pub(crate) fn cursor(raw: &str) -> Option<String> {
    (raw != "null").then(|| json::string(raw).map_or_else(|_| raw.to_owned(), |text| text.into_owned()))
}

fn name_of(tool: &str) -> Option<String> {
    member(tool, "name").and_then(|raw| json::string(raw).ok()).map(|name| name.into_owned())
}

/// Whether a listed tool may be seen; notes its live digest either way.
fn standing(
    tool: &str,
    name: Option<&str>,
    twice: bool,
    server: &Server,
    within: &Scope,
    live: &mut Vec<(String, Digest)>,
) -> Result<(), String> {
    let name = name.ok_or("a tool without a name")?;
    let shown: String = json::quoted(&name.chars().take(128).collect::<String>());
    if twice {
        live.push((name.to_owned(), ambiguous()));
        return Err(format!("{shown}: listed twice"));
    }
    let digest = Digest::of_json(tool).map_err(|e| format!("{shown}: its definition cannot be digested: {e}"))?;
    live.push((name.to_owned(), digest));
    let Some(known) = server.tools.get(name) else { return Err(format!("{shown}: not in the registry")) };
    match &known.withheld {
        Some(why) => Err(format!("{shown}: {why}")),
        None if known.pin != digest => {
            Err(format!("{shown}: its definition is not the reviewed one ({})", digest.short()))
        }
        None if !scope::sees(within, server, known) => Err(format!("{shown}: outside the task's scope")),
        None => Ok(()),
    }
}
