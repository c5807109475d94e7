//! `wicketgate policy`: the desk's tools on the command line. Reads the bundle, asks [`crate::desk`], prints.

use std::process::ExitCode;

use clap::Subcommand;
use pdp::snapshot::Snapshot;

use super::{Places, live, print, told};
use crate::reload;

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// Print the Cedar schema that is generated from the registry, for editors and other Cedar tools
    Schema,
    #[command(flatten)]
    Live(live::Live),
}

/// Runs one of the desk's tools.
pub(super) async fn run(places: &Places, asked: &Policy) -> ExitCode {
    match asked {
        Policy::Schema => match bundle(places) {
            Ok(snapshot) => {
                print::line(snapshot.policies().schema_text());
                ExitCode::SUCCESS
            }
            Err(words) => print::failed(&words),
        },
        Policy::Live(asked) => live::run(places, asked).await,
    }
}

/// The bundle that the places name, built.
fn bundle(places: &Places) -> Result<Snapshot, String> {
    let config = places.config().map_err(|faults| told(&faults))?;
    let sources = reload::read(config.bundle.as_ref()).map_err(|faults| told(&faults))?;
    Snapshot::build(&sources).map_err(|faults| told(&faults))
}
