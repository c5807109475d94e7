//! What an import would write, worked out whole before anything is written: registry entries, rules, secrets, and the
//! clients' files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pdp::fault::{Fault, SourceFile};
use pdp::snapshot::Snapshot;

use super::Gate;
use super::client::{Bridge, Client, ClientFile, INPUT};
use super::disk::{self, DiskFault, Journal};
use super::draft::{self, Draft};
use super::entry::{Entry, Reader};
use super::lists::Lists;
use super::names::Names;
use super::policy::{self, Subject};
use super::reference::Folders;
use super::splice::{Edit, Fresh, Hand, applied};
use super::tree::{self, Node, Unreadable, Value};
use crate::config::Bundle;
use crate::reload;

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportFault {
    /// A client's file cannot be read.
    #[error("{0}: {1}")]
    Unreadable(String, Unreadable),
    /// The disk does not do as it is told.
    #[error(transparent)]
    Disk(#[from] DiskFault),
    /// The bundle cannot be added to.
    #[error("the policies and registry do not build, {0}:\n{1}")]
    Bundle(&'static str, String),
}

/// A whole import.
#[derive(Debug)]
pub struct Plan {
    pub(super) files: Vec<FilePlan>,
    pub(super) servers: Vec<Taken>,
    /// Files to be written, with their rights: registry entries, rules, secrets.
    writes: Vec<(PathBuf, String, u32)>,
    pub(super) gate: Gate,
    /// Whether a client will start the bridge.
    pub(super) bridged: bool,
}

/// One client's file.
#[derive(Debug)]
pub(super) struct FilePlan {
    pub(super) file: ClientFile,
    pub(super) entries: Vec<EntryPlan>,
    before: String,
    after: String,
}

/// One entry of it.
#[derive(Debug)]
pub(super) struct EntryPlan {
    /// As the client calls it.
    pub(super) name: String,
    pub(super) fate: Fate,
    pub(super) notes: Vec<String>,
}

/// What becomes of an entry.
#[derive(Debug)]
pub(super) enum Fate {
    /// It will lead to this server of the gate's, by its place in the plan.
    Rewritten(usize),
    /// It leads to the gate already.
    Ours,
    /// It is a part of the client's own.
    Own(String),
    /// It is left as it is.
    Left(String),
}

/// A server of the gate's that entries lead to.
pub(super) struct Taken {
    pub(super) name: String,
    pub(super) draft: Draft,
    /// It is in the registry already.
    pub(super) known: bool,
    /// Whose entries lead to it, in words.
    from: Vec<String>,
    lists: Lists,
    disabled: bool,
}

// Written by hand: a draft may hold a secret on its way to its file.
impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("name", &self.name).field("known", &self.known).finish_non_exhaustive()
    }
}

/// Works out an import of these files, of those that are there.
///
/// # Errors
/// When a file cannot be read, or what would be written would not build.
pub fn plan(
    files: &[ClientFile],
    gate: &Gate,
    home: Option<&Path>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Plan, ImportFault> {
    let mut planner = Planner { gate, variable, names: Names::default(), servers: Vec::new() };
    planner.known_servers()?;
    let mut out = Vec::new();
    for file in files.iter().filter(|file| file.path.is_file()) {
        out.push(planner.file(file, home)?);
    }
    let Planner { servers, .. } = planner;
    let bridged = out.iter().any(|file| file.file.client.is_bridged() && file.changes());
    let mut plan = Plan { files: out, servers, writes: Vec::new(), gate: gate.clone(), bridged };
    plan.draft_writes()?;
    Ok(plan)
}

struct Planner<'a> {
    gate: &'a Gate,
    variable: &'a dyn Fn(&str) -> Option<String>,
    names: Names,
    servers: Vec<Taken>,
}

impl Planner<'_> {
    /// The names that the registry has already.
    fn known_servers(&mut self) -> Result<(), ImportFault> {
        let folder = self.gate.registry.join("servers");
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "toml")) {
            if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) {
                self.names.take(stem);
            }
        }
        Ok(())
    }

    fn file(&mut self, file: &ClientFile, home: Option<&Path>) -> Result<FilePlan, ImportFault> {
        let before = disk::read(&file.path)?;
        let format = file.client.format();
        let unreadable = |e| ImportFault::Unreadable(file.path.display().to_string(), e);
        let root = tree::read(&before, format).map_err(unreadable)?;
        let hand = Hand { text: &before, format };
        let (mut entries, mut edits) = (Vec::new(), Vec::new());
        for (project, map) in file.client.maps(&root) {
            let project = project.or_else(|| file.project.clone());
            let folders = Folders { project, home: home.map(Path::to_owned) };
            for member in map.map().map(|map| map.members.as_slice()).unwrap_or_default() {
                let (plan, made) = self.entry(file, &folders, &member.name, &member.node, &root, hand);
                edits.extend(made);
                entries.push(plan);
            }
        }
        if file.client == Client::VsCode && !edits.is_empty() {
            edits.extend(token_input(hand, &root));
        }
        let after = applied(&before, edits).filter(|after| tree::read(after, format).is_ok());
        let after = after.ok_or_else(|| {
            let words = "it cannot be rewritten without harm; point its entries at the gate by hand".to_owned();
            unreadable(Unreadable { line: 1, words })
        })?;
        Ok(FilePlan { file: file.clone(), entries, before, after })
    }

    fn entry(
        &mut self,
        file: &ClientFile,
        folders: &Folders,
        name: &str,
        node: &Node,
        root: &Node,
        hand: Hand<'_>,
    ) -> (EntryPlan, Vec<Edit>) {
        let untouched = |fate: Fate| (EntryPlan { name: name.to_owned(), fate, notes: Vec::new() }, Vec::new());
        let read = Reader::new(file.client, folders.clone(), &self.gate.listen).read(name, node, root);
        let mut server = match read {
            Entry::Left(why) => return untouched(Fate::Left(why)),
            Entry::Own(what) => return untouched(Fate::Own(what)),
            Entry::Ours => return untouched(Fate::Ours),
            Entry::Server(server) => server,
        };
        let draft = match draft::draft(&server.reach, self.variable, &mut server.notes) {
            Ok(draft) => draft,
            Err(why) => return untouched(Fate::Left(why)),
        };
        // Only an entry that can be rewritten is taken over.
        let gives_way = |member: &str| file.client.gives_way(member);
        if hand.rewrite(node, &gives_way, &[]).is_none() {
            let why = "it is written in a form that cannot be edited; point it at the gate by hand";
            return untouched(Fate::Left(why.to_owned()));
        }
        let from = format!("{} ({})", file.client.title(), shown_name(&file.path));
        let index = self.server(name, file.client, draft, &server.lists, server.disabled, &from);
        let taken = self.servers.get(index);
        let gate_name = taken.map(|taken| taken.name.clone()).unwrap_or_default();
        if taken.is_some_and(|taken| taken.known) && server.lists != Lists::default() {
            let words = "the registry has this server already: the client's own lists of tools were not made into rules; \
                         see policies/imported.cedar";
            server.notes.push(words.to_owned());
        }
        let args: Vec<String> =
            ["stdio", "--server", &gate_name].map(str::to_owned).into_iter().chain(self.gate.options.clone()).collect();
        let url = format!("http://{}/{gate_name}/mcp", self.gate.listen);
        let fresh = file.client.entry(&url, &Bridge { program: &self.gate.program, args: &args });
        let edits = hand.rewrite(node, &gives_way, &fresh).unwrap_or_default();
        let mut notes = Vec::new();
        for note in server.notes {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        (EntryPlan { name: name.to_owned(), fate: Fate::Rewritten(index), notes }, edits)
    }

    /// The place of a server in the plan: equal ones are one.
    fn server(&mut self, name: &str, client: Client, draft: Draft, lists: &Lists, disabled: bool, from: &str) -> usize {
        if let Some((index, same)) = self.servers.iter_mut().enumerate().find(|(_, taken)| taken.draft == draft) {
            if !same.from.iter().any(|other| other == from) {
                same.from.push(from.to_owned());
            }
            same.lists.join(lists);
            same.disabled &= disabled;
            return index;
        }
        let known = self.registered(&draft);
        let server_name = known.clone().unwrap_or_else(|| self.names.choose(name, client.word()));
        self.servers.push(Taken {
            name: server_name,
            draft,
            known: known.is_some(),
            from: vec![from.to_owned()],
            lists: lists.clone(),
            disabled,
        });
        self.servers.len() - 1
    }

    /// The server of the registry that is reached in just this way, if there is one.
    fn registered(&self, draft: &Draft) -> Option<String> {
        let secrets = self.gate.secrets();
        let head = |text: &str| -> Option<(toml::Value, Option<toml::Value>)> {
            let entry: toml::Table = text.parse().ok()?;
            Some((entry.get("transport")?.clone(), entry.get("credential").cloned()))
        };
        let folder = self.gate.registry.join("servers");
        let paths = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|e| e == "toml")).find_map(|path| {
            let name = path.file_stem()?.to_str()?.to_owned();
            let drafted = draft.registry(&name, "", &secrets, &BTreeSet::new());
            let same = head(&std::fs::read_to_string(&path).ok()?)? == head(&drafted)?;
            let kept =
                |(file, text): (PathBuf, &str)| std::fs::read_to_string(file).is_ok_and(|t| t.trim() == text.trim());
            (same && draft.secrets(&name, &secrets).into_iter().all(kept)).then_some(name)
        })
    }
}

/// A path's last two parts: enough to know it by.
fn shown_name(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let from = parts.len().saturating_sub(2);
    let last = parts.get(from..).unwrap_or_default();
    // A folder that is somebody's says nothing of the file.
    let hidden = last.first().is_some_and(|folder| folder.starts_with('.') || *folder == "goose" || *folder == "zed");
    if hidden { last.join("/") } else { parts.last().map(ToString::to_string).unwrap_or_default() }
}

/// The input by which VS Code asks for the token, where the file has none yet.
fn token_input(hand: Hand<'_>, root: &Node) -> Vec<Edit> {
    let text = |text: &str| Fresh::Text(text.to_owned());
    let input = Fresh::Map(vec![
        ("type", text("promptString")),
        ("id", text(INPUT)),
        ("description", text("Wicketgate token")),
        ("password", Fresh::Bool(true)),
    ]);
    let Some(map) = root.map() else { return Vec::new() };
    if let Some(inputs) = map.get("inputs") {
        let Value::List(items) = &inputs.value else { return Vec::new() };
        if items.iter().any(|item| item.get("id").and_then(Node::text) == Some(INPUT)) {
            return Vec::new();
        }
        let Some(last) = items.last() else {
            return vec![Edit { at: inputs.at.clone(), with: format!("[{}]", hand.value(&input)) }];
        };
        let between = if hand.begins_line(last.at.start) {
            format!(",{}{}", hand.line_end(), hand.prefix(last.at.start))
        } else {
            ", ".to_owned()
        };
        let with = format!("{between}{}", hand.value(&input));
        return vec![Edit { at: last.at.end..last.at.end, with }];
    }
    let Some(servers) = map.member("servers") else { return Vec::new() };
    let member = hand.members(&[("inputs", Fresh::List(vec![input]))], map.style, servers.at.start);
    let between = if hand.begins_line(servers.at.start) {
        format!("{}{}", hand.line_end(), hand.prefix(servers.at.start))
    } else {
        " ".to_owned()
    };
    vec![Edit { at: servers.at.start..servers.at.start, with: format!("{member},{between}") }]
}

impl FilePlan {
    pub(super) fn changes(&self) -> bool {
        self.before != self.after
    }
}

impl Plan {
    /// Whether anything would be written.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.files.iter().any(FilePlan::changes)
    }

    /// Whether an entry is left that is no part of its client's own.
    #[must_use]
    pub fn leaves(&self) -> bool {
        self.files.iter().flat_map(|file| &file.entries).any(|entry| matches!(entry.fate, Fate::Left(_)))
    }

    /// Whether a client will start the bridge, which looks for the token by itself.
    #[must_use]
    pub fn starts_bridge(&self) -> bool {
        self.bridged
    }

    /// The servers that are new to the registry.
    pub fn new_servers(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().filter(|taken| !taken.known).map(|taken| taken.name.as_str())
    }

    /// The files of rules and entries that are written, and those of secrets.
    pub(super) fn written(&self) -> impl Iterator<Item = &Path> {
        self.writes.iter().map(|(path, _, _)| path.as_path())
    }

    /// Works out the entries, rules and secrets, and holds them against the bundle: it must build with them.
    fn draft_writes(&mut self) -> Result<(), ImportFault> {
        let secrets = self.gate.secrets();
        let rules_file = self.gate.policies.join("imported.cedar");
        let before = if rules_file.exists() { disk::read(&rules_file)? } else { policy::HEAD.to_owned() };
        let mut rules = before.clone();
        let mut writes = Vec::new();
        let mut added = BTreeMap::new();
        for taken in self.servers.iter().filter(|taken| !taken.known) {
            let from = taken.from.join(" and ");
            let text = taken.draft.registry(&taken.name, &from, &secrets, &taken.lists.named());
            let path = self.gate.registry.join("servers").join(format!("{}.toml", taken.name));
            added.insert(format!("registry/servers/{}.toml", taken.name), text.clone());
            writes.push((path, text, 0o644));
            for (path, secret) in taken.draft.secrets(&taken.name, &secrets) {
                writes.push((path, format!("{}\n", secret.trim()), 0o600));
            }
            if !policy::has_rules(&rules, &taken.name) {
                let subject = Subject { name: &taken.name, from: &from, lists: &taken.lists, disabled: taken.disabled };
                rules.push_str(&policy::rules(&subject));
            }
        }
        if rules != before {
            added.insert("policies/imported.cedar".to_owned(), rules.clone());
            writes.push((rules_file, rules, 0o644));
        }
        self.check_bundle(added)?;
        self.writes = writes;
        Ok(())
    }

    fn check_bundle(&self, added: BTreeMap<String, String>) -> Result<(), ImportFault> {
        let told = |faults: Vec<Fault>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let bundle = Bundle { policies: self.gate.policies.clone(), registry: self.gate.registry.clone() };
        let fault = |when| move |faults| ImportFault::Bundle(when, told(faults));
        let mut sources = reload::read(Some(&bundle)).map_err(fault("before anything is added"))?;
        Snapshot::build(&sources).map_err(fault("before anything is added"))?;
        for (path, text) in added {
            let files = if path.starts_with("policies/") { &mut sources.policies } else { &mut sources.registry };
            files.retain(|file| file.path != path);
            files.push(SourceFile { path, text });
        }
        Snapshot::build(&sources).map_err(fault("with what would be added"))?;
        Ok(())
    }

    /// Writes it: secrets, entries and rules first, then the clients' files, each with its backup.
    ///
    /// # Errors
    /// At the first file that cannot be written. What was written before it stays; the clients' files last of all.
    pub fn carry_out(&self) -> Result<(), ImportFault> {
        let folder = self.gate.imports();
        let mut journal = Journal::read(&folder)?;
        for (path, text, mode) in &self.writes {
            disk::write(path, text.as_bytes(), *mode)?;
        }
        for plan in self.files.iter().filter(|plan| plan.changes()) {
            let drafted = plan.entries.iter().filter_map(|entry| match entry.fate {
                Fate::Rewritten(index) => self.servers.get(index),
                Fate::Ours | Fate::Own(_) | Fate::Left(_) => None,
            });
            let entry = |taken: &Taken| self.gate.registry.join("servers").join(format!("{}.toml", taken.name));
            let mut drafted: Vec<PathBuf> = drafted.filter(|taken| !taken.known).map(entry).collect();
            drafted.push(self.gate.policies.join("imported.cedar"));
            journal.rewrite(&folder, (plan.file.client, &plan.file.path), &plan.before, &plan.after, drafted)?;
        }
        Ok(())
    }
}
