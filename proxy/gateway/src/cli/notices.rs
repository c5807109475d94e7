//! `wicketgate notices test`: one notice that says it is a test, to each channel of the configuration, from here.

use std::process::ExitCode;

use clap::Subcommand;
use pep::ports::{Clock as _, Entropy as _};

use super::{Places, print, told};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::hex;
use crate::notices::{Notice, Told, test};
use crate::story::visible;

#[derive(Debug, Subcommand)]
pub(super) enum Notices {
    /// Send one notice, marked as a test, to each channel; exit code 1 if one does not take it
    Test {
        /// Only the channel of this name
        #[arg(long)]
        name: Option<String>,
    },
}

/// How long the request of a test would be open.
const OPEN_US: i64 = 3_600_000_000;

/// Runs it. The channels' variables and files are looked for here, as the gate would.
pub(super) async fn run(places: &Places, asked: &Notices) -> ExitCode {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return print::failed(&told(&faults)),
    };
    let Notices::Test { name } = asked;
    let mut rules = config.notices.clone();
    rules.retain(|rule| name.as_ref().is_none_or(|name| *name == rule.name));
    if rules.is_empty() {
        return print::failed("no such channel is configured: see `[[notices]]` in the configuration");
    }
    let now_us = SystemClock::start().now_us();
    let mut failed = false;
    let console = super::approvals::console(&config);
    for trial in test(&rules, &console, &sample(now_us), now_us).await {
        let name = visible::text(&trial.name);
        match trial.outcome {
            Ok(()) => print::line(&format!("{name}: delivered")),
            Err(words) => {
                failed = true;
                print::line(&format!("{name}: NOT delivered: {}", visible::plain(&words)));
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn sample(now_us: i64) -> Notice {
    let text = str::to_owned;
    Notice {
        id: format!("ap_test-{}", hex(&SystemEntropy.bytes())),
        event: Told::Asked,
        outcome: None,
        tenant: text("default"),
        agent: text("default/nobody"),
        user: String::new(),
        server: text("none"),
        action: text("nothing"),
        grants: Vec::new(),
        reasons: vec![text("this is a test, and nothing waits")],
        expires_us: now_us.saturating_add(OPEN_US),
        decided_by: None,
        task: None,
        trace: None,
        test: true,
    }
}
