//! What the gate under measurement enforces: a generated registry, its policies and its configuration.
//!
//! The tools are the ones the null server lists, so their pins hold. It knows nothing of processes and sockets.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use pdp::digest::Digest;

/// The server's name in the registry and in the path.
pub const SERVER: &str = "bench";
/// The token of the one agent. It guards nothing but a benchmark on this machine.
pub const TOKEN: &str = "bench-agent-token";

/// The token of the one who decides.
pub const APPROVER: &str = "bench-approver-token";
/// The tool whose calls wait for people where [`asks`] says so.
pub const ASKING: &str = "write_001";
/// The policy that makes them wait, beside the others.
const ASKED: &str = "policies/people.cedar";

/// How many tools and policies there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size {
    /// Policies.
    pub policies: usize,
    /// Tools.
    pub tools: usize,
}

/// What a tool does: of ten tools six read, and one each writes, sends, destroys and spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Leaves the world as it was: the gate buffers its intent.
    Read,
    /// Changes it: the intent is on disk before the call goes out.
    Write,
    /// Lets data out.
    Egress,
    /// Cannot be undone.
    Destructive,
    /// Costs money.
    Spend,
}

impl Kind {
    fn of(index: usize) -> Self {
        match index % 10 {
            1 => Self::Write,
            3 => Self::Egress,
            5 => Self::Destructive,
            7 => Self::Spend,
            _ => Self::Read,
        }
    }

    fn effect(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Egress => "egress",
            Self::Destructive => "destructive",
            Self::Spend => "spend",
        }
    }

    /// Labels that what it returns carries.
    fn labels(self) -> &'static str {
        match self {
            Self::Read => "\"untrusted\", \"private\"",
            Self::Write | Self::Egress | Self::Destructive | Self::Spend => "\"untrusted\"",
        }
    }
}

/// The name of a tool.
#[must_use]
pub fn tool_name(index: usize) -> String {
    format!("{}_{index:03}", Kind::of(index).effect())
}

/// The names of the tools of one kind, in order.
pub fn tools_of(kind: Kind, tools: usize) -> impl Iterator<Item = String> {
    (0..tools).filter(move |index| Kind::of(*index) == kind).map(tool_name)
}

/// A tool as the server lists it.
#[must_use]
pub fn definition(index: usize) -> String {
    format!(
        concat!(
            r#"{{"name":"{name}","title":"Tool {index}","description":"Finds documents under a path and answers their"#,
            r#" text. Number {index} of the benchmark's tools.","inputSchema":{{"$schema":"#,
            r#""https://json-schema.org/draft/2020-12/schema","type":"object","properties":{{"#,
            r#""path":{{"type":"string","description":"The folder to look in.","minLength":1,"maxLength":200}},"#,
            r#""query":{{"type":"string","description":"Words to look for.","maxLength":500}},"#,
            r#""bytes":{{"type":"integer","description":"How long the answer is.","minimum":0,"maximum":16777216}},"#,
            r#""answer":{{"type":"string","enum":["json","sse"],"description":"How it is sent."}}}},"#,
            r#""required":["path","query","bytes","answer"],"additionalProperties":false}},"#,
            r#""annotations":{{"openWorldHint":false}}}}"#
        ),
        name = tool_name(index),
        index = index,
    )
}

/// The definitions of all tools, as a JSON array.
#[must_use]
pub fn definitions(tools: usize) -> String {
    format!("[{}]", (0..tools).map(definition).collect::<Vec<_>>().join(",\n"))
}

/// The server's entry in the registry.
///
/// # Errors
/// When a definition has no canonical form.
pub fn registry(tools: usize, url: &str) -> anyhow::Result<String> {
    let mut out = format!("name = \"{SERVER}\"\nlabels = []\n[transport]\nkind = \"http\"\nurl = \"{url}\"\n");
    for index in 0..tools {
        let kind = Kind::of(index);
        let pin = Digest::of_json(&definition(index))?;
        write!(
            out,
            "[tools.{}]\neffect = [\"{}\"]\nlabels = [{}]\npin = \"{pin}\"\nreviewed_by = \"bench\"\nreviewed_at = \
             \"2026-11-20\"\n",
            tool_name(index),
            kind.effect(),
            kind.labels(),
        )?;
    }
    Ok(out)
}

/// The rules every size has: what opens a session, what the team may do, and what nobody may.
const RULES: [&str; 9] = [
    r#"@id("lifecycle") permit (principal, action in Gate::Action::"lifecycle", resource);"#,
    r#"@id("reads") permit (principal in Gate::Team::"engineering", action in Gate::Action::"read", resource);"#,
    r#"@id("writes") permit (principal in Gate::Team::"engineering", action in Gate::Action::"write", resource);"#,
    concat!(
        r#"@id("trifecta") @reason("data would leave after untrusted and private data were read") @approval("security") "#,
        r#"forbid (principal, action in Gate::Action::"egress", resource) "#,
        r#"when { context.gate.labels.containsAll([Gate::Label::"untrusted", Gate::Label::"private"]) };"#
    ),
    concat!(
        r#"@id("spend-after-untrusted") @reason("money would move after untrusted text") @approval("owner") "#,
        r#"forbid (principal, action in Gate::Action::"spend", resource) "#,
        r#"when { context.gate.labels.contains(Gate::Label::"untrusted") };"#
    ),
    concat!(
        r#"@id("no-write-with-secrets") @reason("a secret was read in this task") "#,
        r#"forbid (principal, action in Gate::Action::"write", resource) "#,
        r#"when { context.gate.labels.contains(Gate::Label::"secret") };"#
    ),
    concat!(
        r#"@id("reads-with-secrets") @reason("reading on after a secret needs the owner") @approval("owner") "#,
        r#"forbid (principal, action in Gate::Action::"read", resource) "#,
        r#"when { context.gate.labels.containsAll([Gate::Label::"secret", Gate::Label::"untrusted"]) };"#
    ),
    r#"@id("nothing-destroyed") forbid (principal, action in Gate::Action::"destructive", resource);"#,
    concat!(
        r#"@id("one-tenant") forbid (principal, action in Gate::Action::"call", resource) "#,
        r#"when { context.gate.tenant != "default" };"#
    ),
];

/// As many policies as asked for: the rules above, then five kinds of rule for single tools in turn. None of them
/// forbids what is measured.
#[must_use]
pub fn policies(size: Size) -> String {
    let mut out = String::new();
    for rule in RULES.iter().take(size.policies) {
        out.push_str(rule);
        out.push('\n');
    }
    for nth in 0..size.policies.saturating_sub(RULES.len()) {
        let (index, round) = (nth % size.tools, nth / size.tools);
        out.push_str(&rule_of_a_tool(index, round));
        out.push('\n');
    }
    out
}

fn rule_of_a_tool(index: usize, round: usize) -> String {
    let tool = tool_name(index);
    let action = format!("{SERVER}::Action::\"{tool}\"");
    let id = format!("{tool}-{round}");
    match (index + round) % 5 {
        0 => format!(
            "@id(\"{id}\") permit (principal in Gate::Team::\"team-{}\", action == {action}, resource);",
            (index + round) % 7
        ),
        1 => format!(
            "@id(\"{id}\") @reason(\"this folder is closed\") forbid (principal, action == {action}, resource) when {{ \
             context.args_canonical.path like \"/closed/{round}/*\" }};"
        ),
        2 => format!(
            "@id(\"{id}\") @reason(\"large answers wait until the secret is gone\") forbid (principal, action == \
             {action}, resource) when {{ context.args.bytes > 1000000 && \
             context.gate.labels.contains(Gate::Label::\"secret\") }};"
        ),
        3 => format!(
            "@id(\"{id}\") @reason(\"security looks at secrets\") @approval(\"security\") forbid (principal, action == \
             {action}, resource) when {{ context.gate.labels.containsAll([Gate::Label::\"secret\", \
             Gate::Label::\"untrusted\"]) }};"
        ),
        _ => format!(
            "@id(\"{id}\") permit (principal, action == {action}, resource) when {{ context.args.query like \
             \"report {round} *\" }};"
        ),
    }
}

/// Writes the gate's folder: configuration, policies, registry.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path, size: Size, url: &str, listen: u16, control: u16) -> anyhow::Result<()> {
    let write = |path: &str, text: String| {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .with_context(|| format!("{} cannot be written", path.display()))
    };
    write("policies/bench.cedar", policies(size))?;
    write("registry/servers/bench.toml", registry(size.tools, url)?)?;
    write("registry/servers/bench.tools.json", definitions(size.tools))?;
    write(
        "wicketgate.toml",
        format!(
            "listen = \"127.0.0.1:{listen}\"\npolicies = \"policies\"\nregistry = \"registry\"\ndata = \"state\"\n\
             [control]\nlisten = \"127.0.0.1:{control}\"\n\
             [[principals]]\nagent = \"bench\"\nteams = [\"engineering\"]\ntoken_sha256 = \"{}\"\n",
            Digest::of_bytes(TOKEN.as_bytes())
        ),
    )
}

/// Has calls of [`ASKING`] wait for people, as many as are sent, for an hour, and go on all at once when they may.
///
/// # Errors
/// When a file cannot be written.
pub fn asks(folder: &Path) -> anyhow::Result<()> {
    let policy = format!(
        "@id(\"people\") @reason(\"a person looks at each\") @approval(\"owner\") forbid (principal, action == \
         {SERVER}::Action::\"{ASKING}\", resource);\n"
    );
    std::fs::write(folder.join(ASKED), policy)?;
    let file = folder.join("wicketgate.toml");
    let config = std::fs::read_to_string(&file)?;
    let more = format!(
        "[approvals]\nhold_s = 3600\npending_per_principal_max = 10000\npending_per_task_max = 10000\n\
         [limits]\ncalls_per_server_max = 2048\n\
         [[principals]]\nagent = \"approver\"\nroles = [\"admin\"]\ntoken_sha256 = \"{}\"\n",
        Digest::of_bytes(APPROVER.as_bytes())
    );
    std::fs::write(&file, config + &more).with_context(|| format!("{} cannot be written", file.display()))
}

/// Has them wait no more, once the gate has read its policies again.
///
/// # Errors
/// When the policy cannot be taken away.
pub fn ask_no_more(folder: &Path) -> anyhow::Result<()> {
    std::fs::remove_file(folder.join(ASKED)).context("the policy cannot be taken away")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_as_many_policies_as_asked_for_each_with_a_name_of_its_own() {
        for (policies, tools) in [(50, 50), (200, 50), (1000, 50), (50, 500), (200, 500), (1000, 500)] {
            let text = super::policies(Size { policies, tools });
            let ids: BTreeSet<&str> = text.lines().filter_map(|line| line.split('"').nth(1)).collect();
            assert_eq!((ids.len(), text.lines().count()), (policies, policies));
        }
    }

    #[test]
    fn a_definition_has_a_pin_and_the_name_it_is_called_by() {
        let tool: serde_json::Value = serde_json::from_str(&definition(13)).unwrap();
        assert_eq!(tool.get("name").and_then(serde_json::Value::as_str), Some("egress_013"));
        assert_eq!(tools_of(Kind::Write, 30).collect::<Vec<_>>(), ["write_001", "write_011", "write_021"]);
        assert_eq!(registry(50, "http://127.0.0.1:9/mcp").unwrap().matches("pin = \"sha256:").count(), 50);
    }
}
