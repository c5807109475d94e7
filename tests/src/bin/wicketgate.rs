//! The program `wicketgate` as the tests run it: the same library call as its own `main`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::cli::run()
}
