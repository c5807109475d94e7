//! `wicketgate serve` and `wicketgate health`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{Places, print, told};
use crate::assemble::{self, Environment};
use crate::telemetry::{logs, settings};

/// The variable that gives the agent `local` its token, where no principal is configured.
const TOKEN: &str = "WICKETGATE_TOKEN";

/// Runs the gate until it is told to stop.
pub(super) async fn run(places: &Places, log_json: bool) -> anyhow::Result<ExitCode> {
    let lookup = |name: &str| std::env::var(name).ok();
    let (directives, log_fault) = logs::directives(lookup);
    logs::install(if log_json { logs::Format::Json } else { logs::Format::Text }, &directives)?;
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return Ok(print::failed(&told(&faults))),
    };
    let (telemetry, faults) = settings::read(lookup);
    for fault in log_fault.into_iter().chain(faults) {
        tracing::warn!("{}: {}", fault.variable, fault.message);
    }
    let environment = Environment { telemetry, token: lookup(TOKEN).filter(|t| !t.is_empty()) };
    // Before anything is opened: who sees the gate answer may tell it to stop, and must find it listening to that too.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (running, generated) = assemble::start(&config, environment).await?;
    assemble::announce(&running, &config, generated.as_ref());
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                let store = Arc::clone(&running.store);
                // Its outcome is logged, recorded and kept for the health answer.
                let _told = tokio::task::spawn_blocking(move || store.reload("SIGHUP").is_ok()).await;
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping");
    running.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Asks a running gate whether it answers.
pub(super) async fn health(places: &Places) -> anyhow::Result<ExitCode> {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return Ok(print::failed(&told(&faults))),
    };
    let url = format!("http://{}/healthz", config.listen);
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    match client.get(&url).send().await {
        Ok(answer) if answer.status().is_success() => {
            print::line(&format!("the gate at {} answers: {}", config.listen, answer.text().await.unwrap_or_default()));
            Ok(ExitCode::SUCCESS)
        }
        Ok(answer) => Ok(print::failed(&format!("the gate at {} answers HTTP {}", config.listen, answer.status()))),
        Err(e) => Ok(print::failed(&format!("no gate answers at {}: {e}", config.listen))),
    }
}
