//! `wicketgate registry scan`: from a live server to a draft that a person reviews.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use pdp::digest::Digest;
use serde::Deserialize;

use super::{Places, Scan, print, told};
use crate::clock::{SystemClock, rfc3339};
use crate::reach::Written;
use crate::scan::{self, DraftOptions, Reviewed, ScanTransport};

/// What a scan reads of a registry file: only how the server is reached. The rest may be a draft still.
#[derive(Debug, Deserialize)]
struct Head {
    transport: Transport,
    credential: Option<Credential>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Transport {
    Stdio {
        command: String,
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: BTreeMap<String, String>,
        #[serde(default)]
        env_from: Vec<String>,
        env_file: Option<String>,
        #[serde(default)]
        expand: bool,
        cwd: Option<PathBuf>,
    },
    Http {
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    Sse {
        url: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    Builtin {
        server: String,
    },
}

#[derive(Debug, Deserialize)]
struct Credential {
    env: Option<String>,
    file: Option<PathBuf>,
    header: Option<String>,
    prefix: Option<String>,
    variable: Option<String>,
    #[serde(default)]
    also: Vec<Credential>,
}

/// Scans a server and writes the draft.
pub(super) async fn scan(places: &Places, asked: Scan) -> anyhow::Result<ExitCode> {
    let folder = match folder(places) {
        Ok(folder) => folder,
        Err(words) => return Ok(print::failed(&words)),
    };
    let file = folder.join("servers").join(format!("{}.toml", asked.name));
    let tools_file = folder.join("servers").join(format!("{}.tools.json", asked.name));
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => match new_entry(&asked) {
            Some(text) => text,
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
    let head: Head = toml::from_str(&text).with_context(|| file.display().to_string())?;
    let found = scan::list_tools(&transport(head)?, Duration::from_secs(asked.timeout)).await?;
    let today: String = rfc3339(pep::ports::Clock::now_us(&SystemClock::start())).chars().take(10).collect();
    let options = DraftOptions {
        effect: asked.effect,
        reviewed_at: asked.reviewed_by.as_ref().map(|_| today),
        reviewed_by: asked.reviewed_by,
    };
    let tools = std::fs::read_to_string(&tools_file).ok();
    let digest = |text: &str| Digest::of_json(text).map(|d| d.to_string()).map_err(|e| e.to_string());
    let draft = scan::draft(&found, Reviewed { registry: &text, tools: tools.as_deref() }, &digest, &options)?;
    if asked.dry_run {
        print::line(&draft.registry);
    } else {
        write(&file, &draft.registry)?;
        write(&tools_file, &draft.tools)?;
    }
    let server = found.server_name.as_deref().unwrap_or("a server that gives no name");
    let version = found.server_version.as_deref().unwrap_or("");
    print::line(&format!("{server} {version}, speaking MCP {}", found.protocol_version));
    print::line(&draft.summary.to_string());
    if !asked.dry_run {
        print::line(&format!("Written: {}\nWritten: {}", file.display(), tools_file.display()));
        print::line(
            "Next: read each tool, set its `effect`, `reviewed_by` and `reviewed_at`; then `wicketgate check`.",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn folder(places: &Places) -> Result<PathBuf, String> {
    if let Some(registry) = &places.registry {
        return Ok(registry.clone());
    }
    let config = places.config().map_err(|faults| told(&faults))?;
    config.bundle.map(|bundle| bundle.registry).ok_or_else(|| {
        "there is no registry directory here; make one with `wicketgate init`, or name one with `--registry`".to_owned()
    })
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

fn transport(head: Head) -> anyhow::Result<ScanTransport> {
    let secrets = secrets(head.credential)?;
    Ok(match head.transport {
        Transport::Http { url, headers } => ScanTransport::Http { url, headers: all_headers(headers, secrets) },
        Transport::Sse { url, headers } => ScanTransport::Sse { url, headers: all_headers(headers, secrets) },
        Transport::Stdio { command, args, env, env_from, env_file, expand, cwd } => {
            let written =
                Written { args: &args, env: &env, env_from: &env_from, env_file: env_file.as_deref(), expand };
            let mut filled = written.fill().map_err(|words| anyhow!(words))?;
            filled.env.extend(secrets.into_iter().filter_map(|(rule, secret)| Some((rule.variable?, secret))));
            ScanTransport::Stdio { command, args: filled.args, env: filled.env, cwd }
        }
        Transport::Builtin { server } => {
            let program = std::env::current_exe()?.display().to_string();
            ScanTransport::Stdio { command: program, args: vec![server], env: BTreeMap::new(), cwd: None }
        }
    })
}

/// The fixed headers and those that carry the secrets.
fn all_headers(fixed: BTreeMap<String, String>, secrets: Vec<(Credential, String)>) -> Vec<(String, String)> {
    let secret = |(rule, secret): (Credential, String)| {
        let prefix = rule.prefix.unwrap_or_else(|| "Bearer ".to_owned());
        (rule.header.unwrap_or_else(|| "authorization".to_owned()), format!("{prefix}{secret}"))
    };
    fixed.into_iter().chain(secrets.into_iter().map(secret)).collect()
}

/// Every secret of the server, with what the entry says of it.
fn secrets(first: Option<Credential>) -> anyhow::Result<Vec<(Credential, String)>> {
    let Some(mut first) = first else { return Ok(Vec::new()) };
    let also = std::mem::take(&mut first.also);
    std::iter::once(first).chain(also).map(|rule| secret(&rule).map(|text| (rule, text))).collect()
}

fn secret(rule: &Credential) -> anyhow::Result<String> {
    match (&rule.env, &rule.file) {
        (Some(name), _) => std::env::var(name).map_err(|_| anyhow!("the variable `{name}` is not set")),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
            Ok(text.trim().to_owned())
        }
        (None, None) => Err(anyhow!("the credential names neither `env` nor `file`")),
    }
}

/// Writes a file whole or not at all: a watching gate must never read half of one.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&beside, text).with_context(|| beside.display().to_string())?;
    std::fs::rename(&beside, path).with_context(|| path.display().to_string())
}
