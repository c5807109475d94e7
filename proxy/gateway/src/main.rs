//! The program `wicketgate`: everything is in the library, so that tests can run it from within.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::cli::run()
}
