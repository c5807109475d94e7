//! From `tasks/<name>.toml` to a [`Profile`]: what a kind of task may touch, and how much it may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;

use super::super::written::{ProfileFile, ScopeTable};
use super::{stem, toml_fault};
use crate::fault::{Fault, SourceFile};
use crate::task::{Allowed, Profile, Scope};

/// How long a task may stay open unless its profile says otherwise, in seconds: one working day.
const LIFETIME_S: u64 = 8 * 60 * 60;
/// The longest a task may stay open, in seconds: one week.
const LIFETIME_S_MAX: u64 = 7 * 24 * 60 * 60;
/// How many patterns a scope may list.
const PATTERNS_MAX: usize = 4096;

/// Whether a file describes a kind of task.
pub(super) fn is_profile_file(path: &str) -> bool {
    let (folder, name) = stem(path);
    name.ends_with(".toml") && (folder == "tasks" || folder.ends_with("/tasks"))
}

/// The profiles of a registry, by name.
pub(super) fn profiles(files: &[SourceFile], faults: &mut Vec<Fault>) -> BTreeMap<String, Arc<Profile>> {
    let mut out = BTreeMap::new();
    for file in files.iter().filter(|file| is_profile_file(&file.path)) {
        let written: ProfileFile = match toml::from_str(&file.text) {
            Ok(written) => written,
            Err(e) => {
                faults.push(toml_fault(file, &e));
                continue;
            }
        };
        if let Some(profile) = profile(file, written, faults) {
            out.insert(profile.name.clone(), Arc::new(profile));
        }
    }
    out
}

fn profile(file: &SourceFile, written: ProfileFile, faults: &mut Vec<Fault>) -> Option<Profile> {
    let name = written.name.get_ref().clone();
    let before = faults.len();
    let mut fault = |at: usize, words: String, remedy: &str| faults.push(Fault::at(file, at, words, remedy));
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if !plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 64 {
        let remedy = "use lower-case letters, digits, `-` and `_`, at most 64, a letter first";
        fault(written.name.span().start, format!("`{name}` cannot be a profile's name"), remedy);
    }
    let of_file = stem(&file.path).1.trim_end_matches(".toml");
    if of_file != name {
        let words = format!("the file is called `{of_file}.toml` but names the profile `{name}`");
        fault(written.name.span().start, words, "make the two the same");
    }
    let lifetime_s = written.lifetime_s.as_ref().map_or(LIFETIME_S, |written| *written.get_ref());
    if let Some(written) = written.lifetime_s.filter(|written| !(1..=LIFETIME_S_MAX).contains(written.get_ref())) {
        let remedy = format!("use 1 to {LIFETIME_S_MAX} seconds");
        fault(written.span().start, "`lifetime_s` is out of range".to_owned(), &remedy);
    }
    let scope = written.scope.map(|table| scope(table, &mut fault)).unwrap_or_default();
    let limits = written.limits.unwrap_or_default();
    (faults.len() == before).then_some(Profile { name, description: written.description, scope, limits, lifetime_s })
}

fn scope(table: ScopeTable, fault: &mut dyn FnMut(usize, String, &str)) -> Scope {
    let mut allowed = |word: &str, list: Option<Spanned<Vec<String>>>| {
        let Some(list) = list else { return Allowed::default() };
        let at = list.span().start;
        let list = list.into_inner();
        if list.len() > PATTERNS_MAX {
            fault(at, format!("`{word}` lists more than {PATTERNS_MAX} patterns"), "use `*` in fewer patterns");
        }
        if let Some(tool) = list.iter().find(|name| word == "tools" && !name.contains('/') && *name != "*") {
            fault(at, format!("`{tool}` names no tool of a server"), "write `server/tool`, such as `office/mail_read`");
        }
        Allowed::only(list)
    };
    Scope {
        tools: allowed("tools", table.tools),
        servers: allowed("servers", table.servers),
        resources: allowed("resources", table.resources),
        memory: allowed("memory", table.memory),
        systems: allowed("systems", table.systems),
        agents: allowed("agents", table.agents),
        users: allowed("users", table.users),
    }
}
