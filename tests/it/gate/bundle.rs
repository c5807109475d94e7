//! Policies and registry for a gate under test: the fixture servers' tools, each in the effect group its name suggests.

use std::fmt::Write as _;
use std::path::Path;

use pdp::digest::Digest;
use serde_json::Value;
use tests::{TOOLS, Tool};

/// What may be done, unless a test says otherwise. `draft` has no review, `wipe` no permit, `hidden` no entry.
pub(crate) const POLICIES: &str = r#"
@id("lifecycle") permit (principal, action in Gate::Action::"lifecycle", resource);
@id("features") permit (principal, action in Gate::Action::"feature", resource);
@id("reads") permit (principal, action in Gate::Action::"read", resource);
@id("writes") permit (principal, action in Gate::Action::"write", resource);
@id("sends") permit (principal, action in Gate::Action::"egress", resource);
@id("notes") permit (principal, action in Gate::Action::"memory_write", resource)
when { context.args_canonical.path like "/notes/*" };
@id("small-payments") permit (principal, action in Gate::Action::"spend", resource)
when { context.args.amount.lessThanOrEqual(decimal("1000.0")) };
@id("asks-the-owner") @reason("mail leaves the house") @approval("owner")
forbid (principal, action in Gate::Action::"egress", resource);
"#;

/// The files of a bundle, before they are written.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    servers: Vec<Server>,
    policies: String,
    /// Kinds of tasks: name and text.
    profiles: Vec<(String, String)>,
}

/// One server's registry entry, and the definitions beside it.
#[derive(Debug, Clone)]
struct Server {
    name: String,
    text: String,
    definitions: String,
}

impl Bundle {
    pub(crate) fn new() -> Self {
        Self { servers: Vec::new(), policies: POLICIES.to_owned(), profiles: Vec::new() }
    }

    /// A server behind HTTP.
    pub(crate) fn http(self, name: &str, url: &str) -> Self {
        self.entry(name, "", &format!("kind = \"http\"\nurl = \"{url}\"\n"))
    }

    /// A server behind HTTP+SSE.
    pub(crate) fn sse(self, name: &str, url: &str) -> Self {
        self.entry(name, "", &format!("kind = \"sse\"\nurl = \"{url}\"\n"))
    }

    /// The fixture on standard streams, started with these arguments.
    pub(crate) fn stdio(self, name: &str, arguments: &[&str]) -> Self {
        self.stdio_with(name, arguments, "")
    }

    /// The same, with more lines for its transport table and the tables behind it.
    pub(crate) fn stdio_with(self, name: &str, arguments: &[&str], more: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_fixture");
        self.entry(name, "", &format!("kind = \"stdio\"\ncommand = {program:?}\nargs = {arguments:?}\n{more}"))
    }

    /// A server with these lines at the head of its entry, and in its transport table.
    pub(crate) fn entry(self, name: &str, head: &str, transport: &str) -> Self {
        let mut text = format!(
            "name = \"{name}\"\nopen = [\"resources\", \"prompts\", \"logging\", \"roots\", \"vendor/extra\"]\n{head}\n\
             [transport]\n{transport}"
        );
        for tool in TOOLS {
            let Some(effect) = tool.effect else { continue };
            let pin = Digest::of_json(&tool.definition().to_string()).unwrap();
            let review = if tool.reviewed { "reviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n" } else { "" };
            write!(text, "\n[tools.{}]\neffect = [\"{effect}\"]\npin = \"{pin}\"\n{review}", tool.name).unwrap();
        }
        let definitions: Vec<Value> = TOOLS.iter().map(Tool::definition).collect();
        self.registered(name, text, serde_json::to_string_pretty(&definitions).unwrap())
    }

    /// A server with the whole text of its entry, and of the definitions beside it.
    pub(crate) fn registered(mut self, name: &str, text: String, definitions: String) -> Self {
        self.servers.push(Server { name: name.to_owned(), text, definitions });
        self
    }

    /// A kind of task.
    pub(crate) fn profile(mut self, name: &str, text: &str) -> Self {
        self.profiles.push((name.to_owned(), text.to_owned()));
        self
    }

    /// These policies, and no others.
    pub(crate) fn policies(mut self, text: &str) -> Self {
        text.clone_into(&mut self.policies);
        self
    }

    /// More policies.
    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policies.push_str(text);
        self
    }

    /// Writes `policies/` and `registry/` into a folder.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder.join("policies")).unwrap();
        std::fs::create_dir_all(folder.join("registry/servers")).unwrap();
        std::fs::write(folder.join("policies/all.cedar"), &self.policies).unwrap();
        for (name, text) in &self.profiles {
            std::fs::create_dir_all(folder.join("registry/tasks")).unwrap();
            std::fs::write(folder.join(format!("registry/tasks/{name}.toml")), text).unwrap();
        }
        for Server { name, text, definitions } in &self.servers {
            std::fs::write(folder.join(format!("registry/servers/{name}.toml")), text).unwrap();
            std::fs::write(folder.join(format!("registry/servers/{name}.tools.json")), definitions).unwrap();
        }
    }
}
