//! A gate's start, told in the log.

use pdp::digest::Digest;

use super::{Generated, Running};
use crate::clock::rfc3339;
use crate::config::Config;

/// A gate's start in the log: where it listens, what it enforces, how secure it is.
pub fn announce(running: &Running, config: &Config, generated: Option<&Generated>) {
    let snapshot = pep::ports::Snapshots::current(&*running.store);
    let tools: usize = snapshot.registry().servers.values().map(|s| s.tools.len()).sum();
    let from = config.bundle.as_ref().map_or_else(
        || "built in".to_owned(),
        |bundle| format!("{} and {}", bundle.policies.display(), bundle.registry.display()),
    );
    tracing::info!(
        "agents: http://{}/{{server}}/mcp   people: {}/console/   operators: http://{}/v1/health",
        running.address,
        running.console,
        running.control
    );
    tracing::info!(
        "snapshot {}: {} servers, {tools} tools; policies and registry: {from}; ledger: {}",
        snapshot.digest().short(),
        snapshot.registry().servers.len(),
        config.ledger().display()
    );
    for note in snapshot.notes() {
        tracing::warn!("{note}");
    }
    let open =
        if running.address.ip().is_loopback() { "on this machine only" } else { "WITHOUT TLS beyond this machine" };
    tracing::info!("security: bearer tokens required, default deny, plain HTTP {open}");
    if let Some(Generated { agent, operator }) = generated {
        tracing::info!("no principal is configured, so these tokens were made; they are shown this once");
        tracing::info!("agent token (principal `local`):       {agent}");
        tracing::info!("operator token (principal `operator`): {operator}");
    }
    let at = rfc3339(running.clock.now_us());
    tracing::debug!("started at {at}, digest {}", Digest::to_string(&snapshot.digest()));
}
