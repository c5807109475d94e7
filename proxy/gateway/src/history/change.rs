//! What one snapshot has that another has not, in names: files, policies, servers, tools. No judgement of what it means.

use std::collections::BTreeMap;

use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::snapshot::{Snapshot, Sources};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The digest of each file's text, by path: two bundles with the same manifest are the same to the byte.
pub type Manifest = BTreeMap<String, Digest>;

/// The manifest of a bundle's files.
#[must_use]
pub fn manifest(sources: &Sources) -> Manifest {
    all(sources).map(|file| (file.path.clone(), Digest::of_bytes(file.text.as_bytes()))).collect()
}

/// Every file of a bundle.
pub(crate) fn all(sources: &Sources) -> impl Iterator<Item = &SourceFile> {
    sources.policies.iter().chain(&sources.registry)
}

/// The paths that two manifests do not have alike, sorted.
#[must_use]
pub fn differing(one: &Manifest, other: &Manifest) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names.into_iter().filter(|path| one.get(*path) != other.get(*path)).cloned().collect()
}

/// Names that came, went or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Names {
    /// What is new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// What is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// What is there in both and is not the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// How many more there are, where a list would be too long.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A change of the law, in names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Change {
    /// The files, by path, also where that changes nothing.
    #[serde(default)]
    pub files: Names,
    /// Policies, by `@id`.
    #[serde(default)]
    pub policies: Names,
    /// Servers, but for their tools.
    #[serde(default)]
    pub servers: Names,
    /// Tools, as `server/tool`.
    #[serde(default)]
    pub tools: Names,
}

/// How many names of a kind a line tells.
const TOLD_MAX: usize = 4;
/// How many names of each list are kept. A change of a thousand rules is looked at in its files.
const KEPT_MAX: usize = 100;

impl Names {
    fn between<T: PartialEq>(one: &BTreeMap<String, T>, other: &BTreeMap<String, T>) -> Self {
        let missing = |from: &BTreeMap<String, T>, there: &BTreeMap<String, T>| -> Vec<String> {
            there.keys().filter(|name| !from.contains_key(*name)).cloned().collect()
        };
        let changed = one.iter().filter(|(name, value)| other.get(*name).is_some_and(|now| now != *value));
        let (mut added, mut removed) = (missing(one, other), missing(other, one));
        let mut changed: Vec<String> = changed.map(|(name, _)| name.clone()).collect();
        let all = added.len() + removed.len() + changed.len();
        [&mut added, &mut removed, &mut changed].into_iter().for_each(|names| names.truncate(KEPT_MAX));
        let more = all - added.len() - removed.len() - changed.len();
        Self { added, removed, changed, more }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.added.len() + self.removed.len() + self.changed.len() + self.more
    }

    fn line(&self) -> String {
        let marked =
            |mark: char, names: &[String]| names.iter().map(|name| format!("{mark}{name}")).collect::<Vec<_>>();
        let mut all = marked('+', &self.added);
        all.extend(marked('-', &self.removed));
        all.extend(marked('~', &self.changed));
        all.truncate(TOLD_MAX);
        let more = self.count().saturating_sub(all.len());
        if more > 0 {
            all.push(format!("and {more} more"));
        }
        all.join(" ")
    }
}

impl Change {
    /// From one snapshot to another, and from the files of the one to those of the other.
    #[must_use]
    pub fn between(one: (&Manifest, &Snapshot), other: (&Manifest, &Snapshot)) -> Self {
        let (servers, tools) = registered(one.1);
        let (servers_now, tools_now) = registered(other.1);
        Self {
            files: Names::between(one.0, other.0),
            policies: Names::between(&one.1.policies().projection(), &other.1.policies().projection()),
            servers: Names::between(&servers, &servers_now),
            tools: Names::between(&tools, &tools_now),
        }
    }

    /// In one line: `+` is new, `-` is gone, `~` has changed.
    #[must_use]
    pub fn line(&self) -> String {
        let parts = [("policies", &self.policies), ("servers", &self.servers), ("tools", &self.tools)];
        let mut told: Vec<String> = parts
            .iter()
            .map(|(what, names)| (what, names.line()))
            .filter(|(_, line)| !line.is_empty())
            .map(|(what, line)| format!("{what} {line}"))
            .collect();
        if told.is_empty() {
            told.push("no rule, server or tool differs".to_owned());
        }
        let files = self.files.count();
        format!("{}; {files} file{}", told.join(", "), if files == 1 { "" } else { "s" })
    }
}

/// The servers without their tools, and the tools.
fn registered(snapshot: &Snapshot) -> (BTreeMap<String, Value>, BTreeMap<String, Value>) {
    let (mut servers, mut tools) = (BTreeMap::new(), BTreeMap::new());
    for (name, server) in &snapshot.registry().servers {
        let mut value = serde_json::to_value(&**server).unwrap_or_default();
        if let Some(members) = value.as_object_mut() {
            members.remove("tools");
        }
        servers.insert(name.clone(), value);
        for tool in server.tools.values() {
            tools.insert(format!("{name}/{}", tool.name), serde_json::to_value(&**tool).unwrap_or_default());
        }
    }
    (servers, tools)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_change_is_told_by_names() {
        let sources = crate::reload::read(None).unwrap();
        let one = Snapshot::build(&sources).unwrap();
        let mut edited = sources.clone();
        let text =
            "\n// a comment\n@id(\"zeta\") permit (principal, action == office::Action::\"files_delete\", resource);";
        edited.policies.first_mut().unwrap().text.push_str(text);
        let other = Snapshot::build(&edited).unwrap();
        let (files, files_now) = (manifest(&sources), manifest(&edited));
        let change = Change::between((&files, &one), (&files_now, &other));
        assert_eq!(change.line(), "policies +zeta; 1 file");
        let back = Change::between((&files_now, &other), (&files, &one));
        assert_eq!(back.line(), "policies -zeta; 1 file");
        let read: Change = serde_json::from_str(&serde_json::to_string(&change).unwrap()).unwrap();
        assert_eq!(read, change);
        assert_eq!(Change::between((&files, &one), (&files, &one)).line(), "no rule, server or tool differs; 0 files");
        let names = |n: usize| (0..n).map(|n| (format!("{n:03}"), n)).collect::<BTreeMap<_, _>>();
        assert_eq!(Names::between(&names(0), &names(6)).line(), "+000 +001 +002 +003 and 2 more");
        let many = Names::between(&names(1), &names(1000));
        assert_eq!((many.added.len(), many.more, many.count()), (KEPT_MAX, 899, 999));
        assert_eq!(many.line(), "+001 +002 +003 +004 and 995 more");
    }
}
