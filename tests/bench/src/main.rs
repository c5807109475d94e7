//! The command line of the benchmark.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use bench::run::{self, Options};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

/// Measures what the gate costs.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure, print the table, and write RESULTS.md.
    Run(RunArguments),
    /// Count instructions and allocations per call of the pipeline alone (needs valgrind).
    Instructions {
        /// Count this gate as a whole process too, and the bare proxy.
        #[arg(long)]
        gate: Option<PathBuf>,
    },
    /// Measure what it costs to tell where arguments come from, in the pipeline alone.
    Origin {
        /// How often each way is measured; the median counts.
        #[arg(long, default_value_t = 15)]
        rounds: usize,
    },
    /// Serve as the null server (started by `run`).
    Upstream,
    /// Serve as the bare proxy in front of an address (started by `run`).
    Proxy {
        /// Where the null server is.
        upstream: SocketAddr,
    },
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// The gate's program; without it, it is built from this checkout.
    #[arg(long)]
    gate: Option<PathBuf>,
    /// Fewer rows and rounds: under a minute, for use while working. Writes no file.
    #[arg(long)]
    quick: bool,
    /// Only rows whose name contains this, or one of the parts `sizes`, `memory`, `people`, `instructions`, `bundles`. Writes no file.
    #[arg(long)]
    only: Option<String>,
    /// How often each row is measured; the median counts.
    #[arg(long)]
    rounds: Option<usize>,
    /// How many seconds each window lasts.
    #[arg(long)]
    seconds: Option<f64>,
    /// Where the report is written.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Run(arguments) => single_threaded(run::run(&Options {
            gate: arguments.gate,
            quick: arguments.quick,
            only: arguments.only,
            rounds: arguments.rounds,
            seconds: arguments.seconds,
            out: arguments.out,
        })),
        What::Instructions { gate } => single_threaded(run::print_costs(gate.as_deref())),
        What::Origin { rounds } => single_threaded(async {
            let told = bench::origin::measure(rounds).await?;
            Ok(std::io::stdout().write_all(told.as_bytes())?)
        }),
        What::Upstream => single_threaded(async {
            let listener = listen().await?;
            bench::upstream::serve(listener).await
        }),
        // As the gate does: tokio's default runtime.
        What::Proxy { upstream } => tokio::runtime::Runtime::new()?.block_on(async {
            let listener = listen().await?;
            bench::proxy::serve(listener, upstream).await
        }),
    }
}

fn single_threaded(future: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// A listener whose address is told on standard output.
async fn listen() -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    Ok(listener)
}
