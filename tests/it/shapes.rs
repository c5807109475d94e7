//! The tools of real servers, as policies see them: every argument typed, or named as one that is not.
//!
//! `golden/servers.json` holds the names and input schemas that these servers listed in November 2026, without their
//! descriptions: the reference servers filesystem, everything, memory and sequential-thinking (npm, 2026.8.31) and fetch,
//! git and time (PyPI, 2026.10), the archived GitHub server (npm, 2025.4.8) and Playwright's (npm, 0.0.83).
//! `golden/shapes.txt` is what they become; `WICKETGATE_UPDATE=1 cargo test -p tests shapes` writes it anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::json::Json;
use pdp::policy::{Act, Facts, Query};
use pdp::principal::Principal;
use pdp::snapshot::{Snapshot, Sources};
use serde::Deserialize;
use serde_json::Value;

use crate::world::diff;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    input_schema: Value,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// The servers with every tool reviewed, under this law.
fn build(law: &str) -> Snapshot {
    let listed = std::fs::read_to_string(golden("servers.json")).unwrap();
    let servers: BTreeMap<String, Vec<Listed>> = serde_json::from_str(&listed).unwrap();
    let mut registry = Vec::new();
    for (server, tools) in servers {
        let mut text = format!("name = \"{server}\"\n[transport]\nkind = \"builtin\"\nserver = \"office\"\n");
        let mut definitions = Vec::new();
        for tool in tools {
            let definition = serde_json::json!({ "name": tool.name, "inputSchema": tool.input_schema }).to_string();
            let pin = Digest::of_json(&definition).unwrap();
            text += &format!("[tools.\"{}\"]\neffect = [\"read\"]\npin = \"{pin}\"\n", tool.name);
            text += "reviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n";
            definitions.push(definition);
        }
        registry.push(SourceFile { path: format!("servers/{server}.toml"), text });
        let text = format!("[{}]", definitions.join(","));
        registry.push(SourceFile { path: format!("servers/{server}.tools.json"), text });
    }
    let policies = vec![SourceFile { path: "law.cedar".to_owned(), text: law.to_owned() }];
    Snapshot::build(&Sources { policies, registry }).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    })
}

/// The types of every tool: what stands in the generated schema between its name and the facts.
fn told(snapshot: &Snapshot) -> String {
    let mut out =
        "What policies see of the arguments of real servers' tools. Made by tests/it/shapes.rs; do not edit.\n"
            .to_owned();
    let own = snapshot.policies().schema_text().split_once("\nnamespace everything").unwrap().1;
    for line in format!("namespace everything{own}").lines().filter(|line| *line != "}") {
        if let Some(server) = line.strip_prefix("namespace ") {
            out += &format!("\n{}\n", server.trim_end_matches(" {"));
        } else if let Some((action, context)) = line.split_once(" in [") {
            let types = context.split_once("context: { ").unwrap().1.split_once(", args_opaque").unwrap().0;
            let types = types.replace(", args_", "\n      args_").replace('"', "");
            let shown = types.lines().filter(|line| !line.ends_with("{  }"));
            out += &format!("  {}\n", action.trim().trim_start_matches("action "));
            shown.for_each(|line| out += &format!("      {}\n", line.trim()));
        } else {
            out += &format!("  {}\n", line.trim());
        }
    }
    snapshot.notes().iter().fold(out + "\n", |out, note| out + &format!("note: {note}\n"))
}

#[test]
fn the_tools_of_real_servers_are_typed() {
    let found = told(&build("@id(\"all\") permit (principal, action, resource);"));
    let path = golden("shapes.txt");
    if std::env::var_os("WICKETGATE_UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
        return;
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == agreed, "\n{}\nWhere that is meant: WICKETGATE_UPDATE=1.", diff(&agreed, &found));
}

/// Rules that people want, each with a call that it lets pass and calls that it does not.
#[test]
fn rules_about_real_servers_can_be_written() {
    let law = r#"
@id("notes-only") permit (principal, action == filesystem::Action::"read_multiple_files", resource)
when { ["/notes/a.md", "/notes/b.md"].containsAll(context.args_canonical.paths) };
@id("below-notes") permit (principal, action == filesystem::Action::"write_file", resource)
when { context.args_canonical.path like "/notes/*" };
@id("docs") permit (principal, action == github::Action::"push_files", resource)
when { context.args.owner == "us" && ["docs/a.md"].containsAll(context.args_canonical.files.path) };
@id("our-pages") permit (principal, action == playwright::Action::"browser_navigate", resource)
when { ["ours.example", "docs.ours.example"].contains(context.args_host.url) };
@id("our-pages-fetched") permit (principal, action == fetch::Action::"fetch", resource)
when { ["ours.example", "docs.ours.example"].contains(context.args_host.url) };
@id("no-prompting") permit (principal, action == sequential_thinking::Action::"sequentialthinking", resource)
unless { context.args.nextThoughtNeeded has string };
@id("light") permit (principal, action == playwright::Action::"browser_emulate_media", resource)
when { context.args has colorScheme && context.args.colorScheme == "light" };
@id("no-secrets") permit (principal, action == playwright::Action::"browser_drop", resource)
unless { context.args has data && context.args.data.keys.contains("secret") };
"#;
    let snapshot = build(law);
    for (server, tool, arguments, want) in [
        ("filesystem", "read_multiple_files", r#"{"paths":["/notes/./a.md"]}"#, "allow"),
        ("filesystem", "read_multiple_files", r#"{"paths":["/notes/a.md","/notes/../etc/x"]}"#, "deny"),
        ("filesystem", "write_file", r#"{"path":"/notes/x","content":"a\\b"}"#, "allow"),
        ("filesystem", "write_file", r#"{"path":"/notes/..\\..\\x","content":""}"#, "deny"),
        ("filesystem", "write_file", r#"{"path":"/notes/%2e%2e/x","content":""}"#, "deny"),
        (
            "github",
            "push_files",
            r#"{"owner":"us","repo":"r","branch":"b","message":"m","files":[{"path":"docs//a.md","content":""}]}"#,
            "allow",
        ),
        (
            "github",
            "push_files",
            r#"{"owner":"us","repo":"r","branch":"b","message":"m","files":[{"path":"docs/a.md","content":""},{"path":".github/x","content":""}]}"#,
            "deny",
        ),
        ("playwright", "browser_navigate", r#"{"url":"https://Ours.example/x"}"#, "allow"),
        ("playwright", "browser_navigate", r#"{"url":"https://ours.example@evil.example/"}"#, "deny"),
        ("playwright", "browser_navigate", r#"{"url":"https://ours.example\\@evil.example/"}"#, "deny"),
        ("playwright", "browser_navigate", r#"{"url":"ours.example"}"#, "deny"),
        ("fetch", "fetch", r#"{"url":"http://docs.ours.example./"}"#, "allow"),
        ("fetch", "fetch", r#"{"url":"http://169.254.169.254/"}"#, "deny"),
        (
            "sequential-thinking",
            "sequentialthinking",
            r#"{"thought":"t","nextThoughtNeeded":true,"thoughtNumber":1,"totalThoughts":2}"#,
            "allow",
        ),
        (
            "sequential-thinking",
            "sequentialthinking",
            r#"{"thought":"t","nextThoughtNeeded":"yes","thoughtNumber":1,"totalThoughts":2}"#,
            "deny",
        ),
        ("playwright", "browser_emulate_media", r#"{"colorScheme":"light"}"#, "allow"),
        ("playwright", "browser_emulate_media", r#"{"colorScheme":null}"#, "deny"),
        ("playwright", "browser_drop", r#"{"target":"t","data":{"open":"x"}}"#, "allow"),
        ("playwright", "browser_drop", r#"{"target":"t","data":{"secret":"x"}}"#, "deny"),
    ] {
        let server = snapshot.server(server).unwrap();
        let tool = server.reviewed(tool).unwrap();
        let value: Value = serde_json::from_str(arguments).unwrap();
        assert!(tool.validator.as_ref().unwrap().is_valid(&value), "{} does not take {arguments}", tool.name);
        let principal = Principal {
            agent: "a".to_owned(),
            teams: Vec::new(),
            user: String::new(),
            tenant: "default".to_owned(),
            method: "token".to_owned(),
        };
        let arguments_read = Json::read(arguments, 32).unwrap();
        let act = Act::Tool { tool, arguments: &arguments_read };
        let decision = snapshot.judge(Query { principal: &principal, server, act, facts: &Facts::default() }).decision;
        assert_eq!(decision.word(), want, "{} {arguments}: {decision:?}", tool.name);
    }
}
