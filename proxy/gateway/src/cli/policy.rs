//! `wicketgate policy`: the desk's tools on the command line. Reads the bundle, asks [`crate::desk`], prints.

mod bundle;
mod check;
mod fmt;
mod report;
mod test;

use std::process::ExitCode;

use clap::Subcommand;
use pdp::snapshot::{Snapshot, Sources};

use super::{Places, difference, explain, live, print, prove, summary, told};
use crate::config::Config;
use crate::reload;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Check policies and registry: every fault with the line it stands in, then what is probably a mistake
    Check(check::Checking),
    /// Print the Cedar schema that is generated from the registry, for editors and other Cedar tools
    Schema {
        /// Print the policies instead, as they are compiled: pure Cedar, in which `@approval` is a condition
        #[arg(long)]
        compiled: bool,
    },
    /// Judge the cases in `*.test.toml` beside the policies; say what is not as expected, and which policies no case tests
    Test(test::Tests),
    /// Lay out policy files as Cedar's editor extension does; comments stay, and no rule changes
    Fmt(fmt::Formatting),
    #[command(flatten)]
    Live(live::Live),
    /// Prove what no call may ever do, or show a call that does it
    Prove(prove::Prove),
    /// Explain one call, imagined or recorded: who may not, why not, and what would turn it
    Explain(Box<explain::Explain>),
    /// Compare two bundles: which calls get wider or narrower, with an example of each
    Diff(difference::Diff),
    /// Say what each agent may do, in sentences and as a table
    Summary(summary::Summary),
}

/// Runs one of the desk's tools.
pub(super) async fn run(places: &Places, asked: &Policy) -> ExitCode {
    match asked {
        Policy::Schema { compiled } => {
            let text = |snapshot: Snapshot| match compiled {
                true => snapshot.policies().compiled_text().map_err(|fault| fault.to_string()),
                false => Ok(snapshot.policies().schema_text().to_owned()),
            };
            match bundle(places).and_then(text) {
                Ok(text) => {
                    print::line(text.trim_end());
                    ExitCode::SUCCESS
                }
                Err(words) => print::failed(&words),
            }
        }
        Policy::Check(asked) => check::run(places, asked),
        Policy::Test(asked) => test::run(places, asked),
        Policy::Fmt(asked) => fmt::run(places, asked),
        Policy::Live(asked) => live::run(places, asked).await,
        Policy::Prove(asked) => prove::run(places, asked),
        Policy::Explain(asked) => explain::run(places, asked),
        Policy::Diff(asked) => difference::run(places, asked),
        Policy::Summary(asked) => summary::run(places, asked),
    }
}

/// The bundle that the places name, built.
fn bundle(places: &Places) -> Result<Snapshot, String> {
    loaded(places).map(|loaded| loaded.snapshot)
}

/// A bundle with the files it was built from.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) sources: Sources,
    pub(super) snapshot: Snapshot,
}

/// The bundle that the places name, with its files.
pub(super) fn loaded(places: &Places) -> Result<Loaded, String> {
    let config = places.config().map_err(|faults| told(&faults))?;
    let sources = reload::read(config.bundle.as_ref()).map_err(|faults| told(&faults))?;
    let snapshot = Snapshot::build(&sources).map_err(|faults| told(&faults))?;
    Ok(Loaded { config, sources, snapshot })
}
