//! `wicketgate stdio`: the bridge for clients that can only start programs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::{Places, import, print, told};
use crate::bridge::{self, Door};
use crate::import::{TOKEN, token_file};
use crate::telemetry::logs;

/// The variable that may hold the token of the task the client works in.
const TASK: &str = "WICKETGATE_TASK";

#[derive(Debug, Args)]
pub(super) struct Stdio {
    /// The server's name on the gate
    #[arg(long, value_name = "NAME")]
    server: String,
    /// The file that holds the agent's token [default: WICKETGATE_TOKEN, then `agent.token` in the data directory]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Carries messages until standard input ends.
pub(super) async fn run(places: &Places, asked: &Stdio) -> anyhow::Result<ExitCode> {
    let (directives, _) = logs::directives(|name| std::env::var(name).ok());
    // Standard output carries messages; the log goes to standard error.
    logs::install(logs::Format::Text, &directives)?;
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return Ok(print::failed(&told(&faults))),
    };
    let kept = token_file(&config.data);
    let token = match (&asked.token_file, std::env::var(TOKEN).ok().filter(|token| !token.is_empty())) {
        (Some(path), _) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
        (None, Some(token)) => token,
        (None, None) => match std::fs::read_to_string(&kept) {
            Ok(token) => token,
            Err(_) => {
                let words = format!(
                    "there is no token: set {TOKEN} to the agent's token, or write it to {} (mode 0600)",
                    kept.display()
                );
                return Ok(print::failed(&words));
            }
        },
    };
    let url = format!("http://{}/{}/mcp", import::reachable(config.listen), asked.server);
    // In the environment alone: an argument is seen by every user of the machine.
    let task = std::env::var(TASK).ok().map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
    let door = Door { url, token: token.trim().to_owned(), task };
    bridge::carry(&door, tokio::io::stdin(), tokio::io::stdout()).await?;
    Ok(ExitCode::SUCCESS)
}
