//! What exists in the house the tests live in: eight servers and a directory, as a team would have reviewed them, the profile of
//! its tasks, and what the team itself permits beside the repository's own `policies/`.

use std::sync::{Arc, OnceLock};

use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::snapshot::{Snapshot, Sources};
use serde_json::{Value, json};

/// One tool a line: server, name, effects, labels of its results, sinks, arguments. An argument is a text; `#` makes it a
/// number, `*` a list of texts, `?` one that may be missing.
const TOOLS: &str = "
    mail      | list   | read          | untrusted private |                  |
    mail      | read   | read          | untrusted private |                  | id
    mail      | send   | egress        |                   | to cc            | to* cc*? subject body
    mail      | delete | destructive   |                   | id               | id
    files     | list   | read          | private           |                  |
    files     | read   | read          | private untrusted |                  | path
    files     | write  | write destructive |               | path             | path text
    files     | delete | destructive   |                   | path             | path
    files     | share  | egress        |                   | path with        | path with
    calendar  | list   | read          | untrusted private |                  | day?
    calendar  | create | write egress  |                   | attendees        | title day attendees*
    calendar  | cancel | destructive   |                   | event_id         | event_id
    payments  | list   | read          | private           |                  |
    payments  | pay    | spend egress  |                   | recipient amount | recipient amount# reference
    chat      | read   | read          | untrusted private |                  | channel
    chat      | post   | egress        |                   | channel          | channel text
    travel    | search | read          | untrusted         |                  | route day
    travel    | status | read          | untrusted         |                  | booking
    travel    | book   | spend egress  |                   | offer price      | offer price#
    web       | search | read          | untrusted         |                  | query
    web       | fetch  | egress        | untrusted         | url              | url
    web       | upload | egress        |                   | url              | url text
    memory    | get    | memory_read   | untrusted         |                  | key
    memory    | put    | memory_write  |                   | key value        | key value
    directory | find   | read          |                   |                  | name
";

/// The kind of task that everybody in the house opens.
const PROFILE: &str = r#"
name = "house"
description = "Office work for one person"
[scope]
servers = ["mail", "files", "calendar", "payments", "chat", "travel", "web", "memory", "directory"]
"#;

/// What the team permits beside the starting policies: what spends and destroys is opened by name, and where files go is bounded.
const OWN: &str = r#"
@id("house-spends")
permit (principal, action in Gate::Action::"spend", resource) when { context.gate.task.explicit };

@id("house-destroys")
permit (principal, action in Gate::Action::"destructive", resource) when { context.gate.task.explicit };

@id("house-files")
@reason("files are written in /notes and /shared alone")
forbid (principal, action == files::Action::"write", resource)
unless { context.args_canonical.path like "/notes/*" || context.args_canonical.path like "/shared/*" };
"#;

/// One tool of the table.
#[derive(Debug, Clone)]
pub(super) struct Tool {
    pub(super) server: &'static str,
    pub(super) name: &'static str,
    pub(super) effects: Vec<&'static str>,
    pub(super) labels: Vec<&'static str>,
    pub(super) sinks: Vec<&'static str>,
    pub(super) arguments: Vec<Argument>,
}

/// One argument of a tool.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) is_number: bool,
    pub(super) is_list: bool,
    pub(super) may_miss: bool,
}

impl Argument {
    fn of(written: &'static str) -> Self {
        let name = written.trim_end_matches(['#', '*', '?']);
        let marks = &written[name.len()..];
        let has = |mark| marks.contains(mark);
        Self { name, is_number: has('#'), is_list: has('*'), may_miss: has('?') }
    }

    fn schema(&self) -> Value {
        match (self.is_number, self.is_list) {
            (true, _) => json!({ "type": "number" }),
            (false, true) => json!({ "type": "array", "items": { "type": "string" }, "maxItems": 20 }),
            (false, false) => json!({ "type": "string" }),
        }
    }
}

impl Tool {
    /// Whether a call of it may leave something behind.
    pub(super) fn acts(&self) -> bool {
        !self.effects.iter().all(|effect| ["read", "memory_read"].contains(effect))
    }

    fn definition(&self) -> String {
        let properties: serde_json::Map<String, Value> =
            self.arguments.iter().map(|a| (a.name.to_owned(), a.schema())).collect();
        let required: Vec<&str> = self.arguments.iter().filter(|a| !a.may_miss).map(|a| a.name).collect();
        json!({
            "name": self.name,
            "description": format!("The tool {} of {}.", self.name, self.server),
            "inputSchema": {
                "type": "object", "properties": properties, "required": required, "additionalProperties": false,
            },
        })
        .to_string()
    }

    fn entry(&self) -> String {
        let list = |words: &[&str]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let pin = Digest::of_json(&self.definition()).unwrap();
        let sinks = if self.sinks.is_empty() { String::new() } else { format!("sinks = [{}]\n", list(&self.sinks)) };
        format!(
            "[tools.{}]\neffect = [{}]\nlabels = [{}]\n{sinks}pin = \"{pin}\"\nreviewed_by = \"ana\"\n\
             reviewed_at = \"2026-11-20\"\n",
            self.name,
            list(&self.effects),
            list(&self.labels)
        )
    }
}

/// Every tool there is.
pub(super) fn tools() -> &'static [Tool] {
    static READ: OnceLock<Vec<Tool>> = OnceLock::new();
    READ.get_or_init(|| TOOLS.lines().map(str::trim).filter(|line| !line.is_empty()).map(tool).collect())
}

fn tool(line: &'static str) -> Tool {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let words = |n: usize| columns[n].split_whitespace().collect::<Vec<_>>();
    Tool {
        server: columns[0],
        name: columns[1],
        effects: words(2),
        labels: words(3),
        sinks: words(4),
        arguments: words(5).into_iter().map(Argument::of).collect(),
    }
}

/// The servers by name.
pub(super) fn servers() -> Vec<&'static str> {
    let mut names: Vec<&str> = tools().iter().map(|tool| tool.server).collect();
    names.dedup();
    names
}

/// What a server lists: names and definitions.
pub(super) fn listed(server: &str) -> Vec<(String, String)> {
    tools().iter().filter(|tool| tool.server == server).map(|tool| (tool.name.to_owned(), tool.definition())).collect()
}

fn registry() -> Vec<SourceFile> {
    let mut files = vec![SourceFile { path: "tasks/house.toml".to_owned(), text: PROFILE.to_owned() }];
    for server in servers() {
        let head = format!(
            "name = \"{server}\"\nlabels = [\"untrusted\"]\n[transport]\nkind = \"http\"\nurl = \"https://{server}.test/mcp\"\n"
        );
        let entries = tools().iter().filter(|tool| tool.server == server).map(Tool::entry);
        let text = entries.fold(head, |text, entry| text + &entry);
        files.push(SourceFile { path: format!("servers/{server}.toml"), text });
        let listed: Vec<String> = listed(server).into_iter().map(|(_, text)| text).collect();
        let text = format!("[{}]", listed.join(","));
        files.push(SourceFile { path: format!("servers/{server}.tools.json"), text });
    }
    files
}

/// The house under the starting policies, as they lie in the repository: all but what they say of the demo office.
pub(super) fn snapshot() -> Arc<Snapshot> {
    static BUILT: OnceLock<Arc<Snapshot>> = OnceLock::new();
    let build = || {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        let mut policies = gateway::reload::files(&folder, "policies", ".cedar").unwrap();
        policies.retain(|file| !file.path.ends_with("office.cedar") && !file.path.contains("invariants"));
        assert_eq!(policies.len(), 2, "the pack is baseline.cedar and guards.cedar");
        policies.push(SourceFile { path: "policies/house.cedar".to_owned(), text: OWN.to_owned() });
        match Snapshot::build(&Sources { policies, registry: registry() }) {
            Ok(snapshot) => Arc::new(snapshot),
            Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    };
    Arc::clone(BUILT.get_or_init(build))
}
