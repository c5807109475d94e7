//! `wicketgate halt`: the switches that stop a task, an agent, a server, or everything, on a running gate.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Credential, Gate};
use super::{Places, print, told};
use crate::story::visible;

#[derive(Debug, Subcommand)]
pub(super) enum Halt {
    /// Halt a task, an agent, a server, or everything: no call goes on, and none that waits acts
    On {
        #[command(flatten)]
        what: What,
        /// Why; agents are told it
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        credential: Credential,
    },
    /// Let what was halted go on
    Off {
        #[command(flatten)]
        what: What,
        /// Why, for whoever reads the ledger
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        credential: Credential,
    },
    /// List what is halted
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        credential: Credential,
    },
}

/// What is halted: one of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct What {
    /// A task and what was handed on from it, by its id
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// An agent, as `tenant/agent` or its name alone
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// A server, by its name in the registry
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Every call
    #[arg(long)]
    everything: bool,
}

impl What {
    /// What is named, as the control API calls it.
    fn named(&self) -> (&'static str, Option<&str>) {
        match (&self.task, &self.principal, &self.server) {
            (Some(id), _, _) => ("task", Some(id)),
            (None, Some(name), _) => ("principal", Some(name)),
            (None, None, Some(name)) => ("server", Some(name)),
            (None, None, None) => ("everything", None),
        }
    }
}

/// Runs one of them.
pub(super) async fn run(places: &Places, asked: &Halt) -> ExitCode {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return print::failed(&told(&faults)),
    };
    let credential = match asked {
        Halt::On { credential, .. } | Halt::Off { credential, .. } | Halt::List { credential, .. } => credential,
    };
    let outcome = match Gate::of(&config, credential) {
        Ok(gate) => carried_out(&gate, asked).await,
        Err(words) => Err(words),
    };
    outcome.map_or_else(|words| print::failed(&words), |()| ExitCode::SUCCESS)
}

async fn carried_out(gate: &Gate, asked: &Halt) -> Result<(), String> {
    match asked {
        Halt::On { what, reason, .. } => {
            let (kind, name) = what.named();
            let named = name.map_or_else(|| json!(true), |name| json!(name));
            let switch = gate.post("/v1/halts", &json!({ kind: named, "reason": reason })).await?;
            print::line(&format!("halted: {}", line(&switch)));
        }
        Halt::Off { what, reason, .. } => {
            let (kind, name) = what.named();
            let query = [(kind, name.unwrap_or("true")), ("reason", reason)];
            let switch = gate.delete_of("/v1/halts", &query).await?;
            print::line(&format!("goes on: {}", line(&switch)));
        }
        Halt::List { json: true, .. } => print::json(&gate.get("/v1/halts").await?),
        Halt::List { json: false, .. } => {
            let all = gate.get("/v1/halts").await?;
            let on = all.get("halts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if on.is_empty() {
                print::line("nothing is halted");
            }
            on.iter().for_each(|switch| print::line(&line(switch)));
        }
    }
    Ok(())
}

fn line(switch: &Value) -> String {
    let text = |name: &str| visible::text(switch.get(name).and_then(Value::as_str).unwrap_or_default());
    let what = [text("kind"), text("name")].join(" ");
    let reason = text("reason");
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{}, since {} by {}{reason}", what.trim_end(), text("at"), text("by"))
}
