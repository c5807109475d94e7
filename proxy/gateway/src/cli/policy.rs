//! `wicketgate policy`: the desk's tools on the command line. Reads the bundle, asks [`crate::desk`], prints.

use std::process::ExitCode;

use clap::Subcommand;
use pdp::snapshot::Snapshot;

use super::{Places, print, told};
use crate::reload;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Print the Cedar schema that is generated from the registry, for editors and other Cedar tools
    Schema {
        /// Print the policies instead, as they are compiled: pure Cedar, in which `@approval` is a condition
        #[arg(long)]
        compiled: bool,
    },
}

/// Runs one of the desk's tools.
pub(super) fn run(places: &Places, asked: &Policy) -> ExitCode {
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
    }
}

/// The bundle that the places name, built.
fn bundle(places: &Places) -> Result<Snapshot, String> {
    let config = places.config().map_err(|faults| told(&faults))?;
    let sources = reload::read(config.bundle.as_ref()).map_err(|faults| told(&faults))?;
    Snapshot::build(&sources).map_err(|faults| told(&faults))
}
