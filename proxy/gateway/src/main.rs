//! The program `wicketgate`: everything is in the library, so that tests can run it from within.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    gateway::cli::run()
}
