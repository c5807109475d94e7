//! An import in words: what is done with each entry, what was not carried over, what to do next. Names come from files
//! that anybody may have written, so they are shown with nothing invisible in them; secrets and arguments are not shown.

use std::fmt::Write as _;
use std::path::Path;

use super::client::TOKEN;
use super::plan::{EntryPlan, Fate, FilePlan, Plan};
use crate::scan::quoted;

impl Plan {
    /// The plan, as it is shown before it is carried out, or after.
    #[must_use]
    pub fn told(&self, done: bool) -> String {
        if self.files.is_empty() {
            return "No file of a client's was found.\n".to_owned();
        }
        let mut out = String::new();
        for file in &self.files {
            self.tell_file(file, done, &mut out);
        }
        if !self.changes() {
            out.push_str("\nNothing to import.\n");
            return out;
        }
        let _infallible = writeln!(out, "\n{}", if done { "Written:" } else { "Would write:" });
        for path in self.written() {
            let _infallible = writeln!(out, "  {}", path.display());
        }
        if !done {
            out.push_str("\nNothing was written. `wicketgate import CLIENT` does it, `--undo` takes it back.\n");
            return out;
        }
        self.tell_next(&mut out);
        out
    }

    fn tell_file(&self, plan: &FilePlan, done: bool, out: &mut String) {
        let state = match (plan.changes(), done) {
            (false, _) => "unchanged",
            (true, true) => "rewritten",
            (true, false) => "would be rewritten",
        };
        let gap = if out.is_empty() { "" } else { "\n" };
        let path = plan.file.path.display();
        let _infallible = writeln!(out, "{gap}{}: {path} ({state})", plan.file.client.title());
        if plan.entries.is_empty() {
            out.push_str("  no MCP servers\n");
        }
        let width = plan.entries.iter().map(|entry| quoted(&entry.name).chars().count()).max().unwrap_or(0).min(32);
        for entry in &plan.entries {
            self.tell_entry(entry, width, out);
        }
    }

    fn tell_entry(&self, entry: &EntryPlan, width: usize, out: &mut String) {
        let name = quoted(&entry.name);
        let words = match &entry.fate {
            Fate::Ours => "leads to the gate already".to_owned(),
            Fate::Own(what) => format!("not imported: {}", quoted(what)),
            Fate::Left(why) => format!("left as it is: {}", quoted(why)),
            Fate::Rewritten(index) => match self.servers.get(*index) {
                Some(taken) => {
                    let known = if taken.known { ", which is in the registry already" } else { "" };
                    format!("{}  -> {}{known}", quoted(&taken.draft.told()), taken.name)
                }
                None => String::new(),
            },
        };
        let _infallible = writeln!(out, "  {name:<width$}  {words}");
        for note in &entry.notes {
            let _infallible = writeln!(out, "  {:<width$}    note: {}", "", quoted(note));
        }
    }

    fn tell_next(&self, out: &mut String) {
        out.push_str("\nNext:\n");
        let new: Vec<&str> = self.new_servers().collect();
        for name in &new {
            let _infallible = writeln!(out, "  wicketgate registry scan {name}");
        }
        if !new.is_empty() {
            out.push_str("  then review each tool: until then it is neither listed nor callable\n");
        }
        let _infallible = writeln!(out, "  set {TOKEN} to the agent's token where the clients start");
        if self.bridged {
            let _infallible = writeln!(
                out,
                "  or, for clients that start `wicketgate stdio`, write it to {} (mode 0600)",
                token_file(&self.gate.data).display()
            );
        }
    }
}

/// Where the bridge looks for the token when the environment does not hold it.
pub fn token_file(data: &Path) -> std::path::PathBuf {
    data.join("agent.token")
}
