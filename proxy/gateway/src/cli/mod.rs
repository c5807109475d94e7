//! The command line: one program, a few verbs. Parses, dispatches, and says what went wrong in words.

mod approvals;
mod check;
mod client;
mod demo;
mod live;
mod notices;
mod passkeys;
mod difference;
mod explain;
mod halt;
mod import;
mod policy;
mod print;
mod prove;
mod registry;
mod serve;
mod summary;
mod stdio;
mod task;
mod trace;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use pdp::fault::Fault;

use crate::config::{Config, Overrides};

/// A policy-enforcing proxy for the Model Context Protocol (MCP).
///
/// It stands between agent clients and their MCP servers: labels what tools return, judges every call by Cedar policies
/// over a reviewed registry, and records what happened. Nothing is allowed that no policy permits.
#[derive(Debug, Parser)]
#[command(name = "wicketgate", version, about, long_about, max_term_width = 100)]
#[command(after_help = "Without a command the gate is started, as by `wicketgate serve`.\n\n\
Try it:      wicketgate demo\n\
First use:   wicketgate init && wicketgate serve\n\
Add a server: wicketgate registry scan NAME --command 'npx -y @modelcontextprotocol/server-everything'")]
struct Cli {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Where things are. Each may stand before or after the command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where things are")]
struct Places {
    /// The configuration file [default: ./wicketgate.toml if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "WICKETGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Where agents connect [default: 127.0.0.1:8640]
    #[arg(long, global = true, value_name = "ADDRESS", env = "WICKETGATE_LISTEN")]
    listen: Option<SocketAddr>,
    /// Where operators connect [default: 127.0.0.1:8641]
    #[arg(long, global = true, value_name = "ADDRESS", env = "WICKETGATE_CONTROL")]
    control: Option<SocketAddr>,
    /// The policies' directory [default: ./policies beside ./registry, else the built-in ones]
    #[arg(long, global = true, value_name = "DIR", env = "WICKETGATE_POLICIES")]
    policies: Option<PathBuf>,
    /// The registry's directory
    #[arg(long, global = true, value_name = "DIR", env = "WICKETGATE_REGISTRY")]
    registry: Option<PathBuf>,
    /// Where the ledger is kept [default: the XDG state directory]
    #[arg(long, global = true, value_name = "DIR", env = "WICKETGATE_DATA")]
    data: Option<PathBuf>,
}

impl Places {
    fn config(&self) -> Result<Config, Vec<Fault>> {
        let overrides = Overrides {
            listen: self.listen,
            control: self.control,
            policies: self.policies.clone(),
            registry: self.registry.clone(),
            data: self.data.clone(),
        };
        Config::read(self.config.as_deref(), &overrides)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the gate (the default)
    Serve {
        /// Write log lines as JSON
        #[arg(long)]
        log_json: bool,
    },
    /// Play an agent against the built-in office: a read, a label, an injected instruction, a live policy edit, the trace
    Demo,
    /// Write the built-in policies and registry into a directory, as a start for your own
    Init {
        /// The directory
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Check a whole configuration: the file, the registry, the policies. All faults at once; exit code 1 if there are any
    Check {
        /// Also print the Cedar schema that was generated from the registry
        #[arg(long)]
        schema: bool,
    },
    /// Work on policies: check, test, understand and change them
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Work on the registry of reviewed servers
    #[command(subcommand)]
    Registry(registry::Registry),
    /// Put the servers of an agent's client behind the gate, and point the client at it
    Import(import::Import),
    /// Speak to a server on the gate over standard input and output, for clients that can only start programs
    Stdio(stdio::Stdio),
    /// Open, look at, hand on, end and stop tasks on a running gate
    #[command(subcommand)]
    Task(task::Task),
    /// Halt a task, an agent, a server, or everything on a running gate
    #[command(subcommand)]
    Halt(halt::Halt),
    /// See what waits for people on a running gate, and decide it
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// Invite somebody to a first passkey; list and remove passkeys, on the gate's own machine
    #[command(subcommand)]
    Passkeys(passkeys::Passkeys),
    /// Try the channels over which people are told that something waits
    #[command(subcommand)]
    Notices(notices::Notices),
    /// Tell a task's whole story from the ledger
    Trace {
        /// A trace id (or at least 6 of its first digits), a task id, or a record number
        id: String,
        /// Print the entries as canonical JSON, one per line
        #[arg(long)]
        json: bool,
    },
    /// Ask a running gate how it is; exit code 1 if it does not answer
    Health,
    /// Write the JSON Schemas of configuration, registry and records into a directory, for editors
    Schemas {
        /// The directory
        #[arg(default_value = "schemas")]
        folder: PathBuf,
    },
    /// The built-in demo server, spoken to over standard input and output
    #[command(hide = true)]
    Office,
    /// The gate's own tools, for a scan of their definitions over standard input and output
    #[command(hide = true)]
    Gate,
}

/// Runs the command line.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return print::failed(&format!("no threads can be had: {e}")),
    };
    let outcome = runtime.block_on(dispatch(cli));
    // Blocking work that does not end, such as a read of standard input, must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match outcome {
        Ok(code) => code,
        Err(e) => print::failed(&format!("{e:#}")),
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let places = cli.places;
    match cli.command.unwrap_or(Command::Serve { log_json: false }) {
        Command::Serve { log_json } => serve::run(&places, log_json).await,
        Command::Demo => demo::run().await,
        Command::Init { folder } => check::init(&folder),
        Command::Check { schema } => Ok(check::run(&places, schema)),
        Command::Policy(asked) => Ok(policy::run(&places, &asked).await),
        Command::Registry(asked) => registry::run(&places, asked).await,
        Command::Import(asked) => import::run(&places, &asked).await,
        Command::Stdio(asked) => stdio::run(&places, &asked).await,
        Command::Task(asked) => Ok(task::run(&places, &asked).await),
        Command::Halt(asked) => Ok(halt::run(&places, &asked).await),
        Command::Approvals(asked) => Ok(approvals::run(&places, &asked).await),
        Command::Passkeys(asked) => Ok(passkeys::run(&places, &asked)),
        Command::Notices(asked) => Ok(notices::run(&places, &asked).await),
        Command::Trace { id, json } => trace::run(&places, &id, json),
        Command::Health => serve::health(&places).await,
        Command::Schemas { folder } => check::schemas(&folder),
        Command::Office => {
            crate::office::serve_stdio().await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Gate => {
            crate::upstream::own::serve_stdio().await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Faults as words, one below the other.
fn told(faults: &[Fault]) -> String {
    let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
    format!("{} {}:\n{}", all.len(), if all.len() == 1 { "fault" } else { "faults" }, all.join("\n"))
}
