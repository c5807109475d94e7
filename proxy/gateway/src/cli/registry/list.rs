//! `wicketgate registry list`: what exists, as reviewed. Asks no server.

use std::process::ExitCode;

use clap::Args;
use pdp::registry::{Registry, Server, Tool};
use serde::Serialize;

use super::super::{Places, print, told};
use super::columns;
use crate::findings::{self, Catalogue, Finding, shown};
use crate::{reload, review};

#[derive(Debug, Args)]
pub(in crate::cli) struct List {
    /// Only this server
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A server as it is listed.
#[derive(Debug, Serialize)]
struct ServerRow<'a> {
    server: &'a str,
    system: &'a str,
    owner: &'a str,
    identity: String,
    identity_reviewed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<String>,
    tools: Vec<ToolRow<'a>>,
}

/// A tool as it is listed.
#[derive(Debug, Serialize)]
struct ToolRow<'a> {
    tool: &'a str,
    state: &'static str,
    effects: Vec<&'static str>,
    labels: Vec<&'a str>,
    pin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewed_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reviewed_at: Option<&'a str>,
    signed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    accepted_findings: Vec<&'a str>,
    findings: Vec<Finding>,
}

/// Lists the registry.
pub(super) fn run(places: &Places, asked: &List) -> ExitCode {
    let registry = match registry(places) {
        Ok(registry) => registry,
        Err(words) => return print::failed(&words),
    };
    let wanted = |server: &&str| asked.name.as_deref().is_none_or(|name| name == *server);
    let names: Vec<&str> = registry.servers.keys().map(String::as_str).filter(wanted).collect();
    if let (Some(name), true) = (&asked.name, names.is_empty()) {
        return print::failed(&format!("the registry has no server `{}`", shown(name)));
    }
    let catalogue = Catalogue::of(&registry);
    let rows: Vec<ServerRow<'_>> =
        names.iter().filter_map(|name| registry.server(name)).map(|server| server_row(server, &catalogue)).collect();
    if asked.json {
        match serde_json::to_string_pretty(&rows) {
            Ok(text) => print::line(&text),
            Err(e) => return print::failed(&e.to_string()),
        }
        return ExitCode::SUCCESS;
    }
    let told: Vec<String> = rows.iter().map(text).collect();
    print::line(told.join("\n").trim_end());
    ExitCode::SUCCESS
}

/// The registry that the places name, also the built-in one.
fn registry(places: &Places) -> Result<Registry, String> {
    let files = match &places.registry {
        Some(folder) => reload::read_registry(folder),
        None => {
            let config = places.config().map_err(|faults| told(&faults))?;
            match config.bundle {
                Some(bundle) => reload::read_registry(&bundle.registry),
                None => reload::read(None).map(|sources| sources.registry),
            }
        }
    };
    files.and_then(|files| pdp::registry::load(&files)).map_err(|faults| told(&faults))
}

fn server_row<'a>(server: &'a Server, catalogue: &Catalogue) -> ServerRow<'a> {
    ServerRow {
        server: &server.name,
        system: &server.system,
        owner: &server.owner,
        identity: server.transport.identity(),
        identity_reviewed: server.identity.as_ref().is_some_and(|known| known.is == server.transport.identity()),
        warning: review::unpinned(&server.transport),
        retired: server.retired.as_ref().map(ToString::to_string),
        tools: server.tools.values().map(|tool| tool_row(server, tool, catalogue)).collect(),
    }
}

fn tool_row<'a>(server: &Server, tool: &'a Tool, catalogue: &Catalogue) -> ToolRow<'a> {
    let out_of_use = server.retired.is_some() || tool.retired.is_some();
    let state = match (out_of_use, &tool.withheld) {
        (true, _) => "retired",
        (false, Some(_)) => "withheld",
        (false, None) => "reviewed",
    };
    ToolRow {
        tool: &tool.name,
        state,
        effects: tool.effects.iter().map(|effect| effect.name()).collect(),
        labels: tool.labels.iter().map(|label| label.as_str()).collect(),
        pin: tool.pin.to_string(),
        reviewed_by: tool.review.as_ref().map(|review| review.by.as_str()),
        reviewed_at: tool.review.as_ref().map(|review| review.at.as_str()),
        signed: tool.signature.is_some(),
        reason: tool.withheld.as_deref(),
        accepted_findings: tool.accepted.iter().map(String::as_str).collect(),
        findings: findings::in_definition(&server.name, &tool.definition, catalogue),
    }
}

fn text(row: &ServerRow<'_>) -> String {
    let mut head = vec![row.identity.clone()];
    head.extend((!row.owner.is_empty()).then(|| format!("owner {}", row.owner)));
    head.extend((row.system != row.server).then(|| format!("system {}", row.system)));
    let mut out = format!("{}  {}\n", row.server, shown(&head.join(", ")));
    if let Some(retired) = &row.retired {
        out.push_str(&format!("  {}\n", shown(retired)));
    }
    if let Some(warning) = &row.warning {
        out.push_str(&format!("  warning: {warning}\n"));
    }
    let dash = |words: Vec<&str>| if words.is_empty() { "-".to_owned() } else { words.join(",") };
    let cells = |tool: &ToolRow<'_>| {
        vec![
            shown(tool.tool),
            tool.state.to_owned(),
            dash(tool.effects.clone()),
            dash(tool.labels.clone()),
            shown(tool.reviewed_by.unwrap_or("-")),
            shown(tool.reviewed_at.unwrap_or("-")),
            (if tool.signed { "signed" } else { "" }).to_owned(),
        ]
    };
    let table = columns(&row.tools.iter().map(cells).collect::<Vec<_>>(), "  ");
    for (tool, line) in row.tools.iter().zip(table.lines()) {
        out.push_str(&format!("{line}\n"));
        if let Some(reason) = tool.reason {
            out.push_str(&format!("      {}\n", shown(reason)));
        }
        for finding in &tool.findings {
            let accepted = if tool.accepted_findings.contains(&finding.kind.word()) { " (accepted)" } else { "" };
            out.push_str(&format!("      finding{accepted}: {finding}\n"));
        }
    }
    out
}
