//! `wicketgate registry scan`: from a live server to a draft that a person reviews.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Args;
use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::registry::Server;

use super::super::{Places, print, told};
use super::{CHANGED_MEANWHILE, folder, paths, today, write_entry};
use crate::findings::{self, Catalogue};
use crate::review::Files;
use crate::scan::{self, DraftOptions, Reviewed};
use crate::{reload, review};

#[derive(Debug, Args)]
pub(in crate::cli) struct Scan {
    /// The server's name: its path on the gate, and its file's
    name: String,
    /// For a new entry: the command line that starts the server over standard input and output
    #[arg(long, value_name = "COMMAND LINE", conflicts_with = "url")]
    command: Option<String>,
    /// For a new entry: the server's streamable HTTP endpoint
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// For a new entry: the address of the event stream of a server that speaks HTTP+SSE, the transport of MCP 2024-11-05
    #[arg(long, value_name = "URL", conflicts_with_all = ["command", "url"])]
    sse: Option<String>,
    /// The effect of every tool that is new: read, write, destructive, egress, spend, memory_read, memory_write, execute
    #[arg(long, value_name = "EFFECT", value_delimiter = ',')]
    effect: Option<Vec<String>>,
    /// Who has reviewed every tool that is new; without it they are withheld until somebody has
    #[arg(long, value_name = "WHO")]
    reviewed_by: Option<String>,
    #[command(flatten)]
    patience: super::Patience,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Scans a server and writes the draft.
pub(super) async fn run(places: &Places, asked: Scan) -> anyhow::Result<ExitCode> {
    let folder = match folder(places) {
        Ok(folder) => folder,
        Err(words) => return Ok(print::failed(&words)),
    };
    let (file, tools_file) = paths(&folder, &asked.name);
    let (known, text) = match std::fs::read_to_string(&file) {
        Ok(text) => (text.clone(), text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => match new_entry(&asked) {
            Some(text) => (String::new(), text),
            None => {
                let words = format!(
                    "there is no {}; give `--command`, `--url` or `--sse` to draft a new entry",
                    file.display()
                );
                return Ok(print::failed(&words));
            }
        },
        Err(e) => return Err(e).with_context(|| file.display().to_string()),
    };
    let tools = std::fs::read_to_string(&tools_file).ok();
    let known = Files { registry: known, tools: tools.clone().unwrap_or_default() };
    let server = server_of(&asked.name, &text).with_context(|| file.display().to_string())?;
    let transport = scan::transport_of(&server)
        .await
        .map_err(|words| anyhow!(words))
        .with_context(|| file.display().to_string())?;
    let found = scan::list_tools(&transport, Duration::from_secs(asked.patience.timeout)).await?;
    let reviewed = asked.reviewed_by.is_some();
    let options = DraftOptions {
        effect: asked.effect,
        reviewed_at: asked.reviewed_by.as_ref().map(|_| today()),
        reviewed_by: asked.reviewed_by,
    };
    let digest = |text: &str| Digest::of_json(text).map(|d| d.to_string()).map_err(|e| e.to_string());
    let draft = scan::draft(&found, Reviewed { registry: &text, tools: tools.as_deref() }, &digest, &options)?;
    let hiding = hiding(&asked.name, &draft, &found);
    if reviewed && !hiding.is_empty() {
        // A review by the way shows nothing: what hides is approved where it is shown.
        let words = "hidden characters; scan without `--reviewed-by`, then `wicketgate registry review`";
        return Ok(print::failed(&format!("{}: {words}", hiding.join(", "))));
    }
    let files = Files { registry: draft.registry.clone(), tools: draft.tools.clone() };
    if asked.dry_run {
        print::line(&draft.registry);
    } else if !write_entry(&folder, &asked.name, &known, &files)? {
        return Ok(print::failed(CHANGED_MEANWHILE));
    }
    let said = |text: &Option<String>, none: &str| text.as_deref().map_or(none.to_owned(), findings::shown);
    let (name, version) = (said(&found.server_name, "a server that gives no name"), said(&found.server_version, ""));
    print::line(&format!("{name} {version}, speaking MCP {}", findings::shown(&found.protocol_version)));
    print::line(&draft.summary.to_string());
    let beside = told_beside(&folder, &asked.name, &draft, &found);
    if !beside.is_empty() {
        print::line(&beside);
    }
    if !asked.dry_run {
        print::line(&format!("Written: {}\nWritten: {}", file.display(), tools_file.display()));
        print::line(&format!("Next: wicketgate registry review {}", asked.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// The new tools whose definitions have hidden characters.
fn hiding(server: &str, draft: &scan::Draft, found: &scan::Scan) -> Vec<String> {
    let mut out = Vec::new();
    for tool in &found.tools {
        let name = scan::name_of(tool).unwrap_or_default();
        let all = findings::in_definition(server, tool.get(), &Catalogue::default());
        if draft.summary.added.contains(&name) && all.iter().any(|finding| finding.kind == findings::Kind::Hidden) {
            out.push(findings::shown(&name));
        }
    }
    out
}

/// What a reviewer should see of a scan: findings in what is new or changed, and what the command line leaves open.
fn told_beside(folder: &std::path::Path, server: &str, draft: &scan::Draft, found: &scan::Scan) -> String {
    let path = |ending: &str| format!("registry/servers/{server}.{ending}");
    // The other servers' tools are what names are compared with; a registry with faults has none to compare.
    let mut files = reload::read_registry(folder).unwrap_or_default();
    files.retain(|file| file.path != path("toml") && file.path != path("tools.json"));
    files.push(SourceFile { path: path("toml"), text: draft.registry.clone() });
    files.push(SourceFile { path: path("tools.json"), text: draft.tools.clone() });
    let registry = pdp::registry::load(&files).unwrap_or_default();
    let names: Vec<String> = found.tools.iter().filter_map(|tool| scan::name_of(tool)).collect();
    let catalogue = Catalogue::of(&registry).with(server, names.iter().map(String::as_str));
    let mut out = String::new();
    if let Some(words) = registry.server(server).and_then(|server| review::unpinned(&server.transport)) {
        out.push_str(&format!("warning: {words}\n"));
    }
    let instructions = found.instructions.as_deref().unwrap_or_default();
    for finding in findings::in_text("/instructions", instructions) {
        out.push_str(&format!("finding: the server's instructions: {finding}\n"));
    }
    for tool in &found.tools {
        let name = scan::name_of(tool).unwrap_or_default();
        if draft.summary.unchanged.contains(&name) {
            continue;
        }
        for finding in findings::in_definition(server, tool.get(), &catalogue) {
            out.push_str(&format!("finding: {}: {finding}\n", findings::shown(&name)));
        }
    }
    out
}

/// The head of a new entry.
fn new_entry(asked: &Scan) -> Option<String> {
    let word = |text: &str| toml::Value::from(text).to_string();
    let transport = match (&asked.command, &asked.url, &asked.sse) {
        (Some(line), _, _) => {
            let mut words = line.split_whitespace();
            let command = words.next()?;
            let args: Vec<String> = words.map(word).collect();
            format!("kind = \"stdio\"\ncommand = {}\nargs = [{}]", word(command), args.join(", "))
        }
        (None, Some(url), _) => format!("kind = \"http\"\nurl = {}", word(url)),
        (None, None, Some(url)) => format!("kind = \"sse\"\nurl = {}", word(url)),
        (None, None, None) => return None,
    };
    Some(format!(
        "{1}name = {0}\nowner = \"\"\n# The downstream system it acts on.\nsystem = {0}\n\
         # The labels its results carry unless a tool says otherwise. Text that others can write is untrusted.\n\
         labels = [\"untrusted\"]\n# \"quoted\" hands text over as evidence between markers.\ndeliver = \"plain\"\n\
         # Features beyond tools that are open: resources, prompts, completion, logging, sampling, elicitation, roots, tasks.\n\
         open = []\n\n[transport]\n{transport}\n",
        word(&asked.name),
        crate::schemas::comment_for_server(),
    ))
}

/// The server of an entry, as far as it says how it is reached. The rest may be a draft with faults still.
fn server_of(name: &str, text: &str) -> anyhow::Result<Arc<Server>> {
    let mut whole: toml::Table = toml::from_str(text)?;
    whole.retain(|key, _| ["name", "transport", "credential"].contains(&key));
    let file = SourceFile { path: format!("servers/{name}.toml"), text: toml::to_string(&whole)? };
    let registry = pdp::registry::load(&[file]).map_err(|faults| anyhow!(told(&faults)))?;
    registry.server(name).cloned().ok_or_else(|| anyhow!("it is not the entry of a server `{name}`"))
}
