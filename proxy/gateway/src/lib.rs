//! The gateway: everything of Wicketgate that touches the world. Listeners, upstreams, stores, the command line.
//!
//! What is decided is decided in `pdp`, what is enforced in `pep`; here are only the adapters around them. Modules stand
//! in reading order: what arrives, where it goes, what is kept, what operates it.

pub mod clock;
pub mod background;
pub mod config;
pub mod auth;
pub mod listen;
pub mod upstream;
pub mod vault;
pub mod halt;
mod reach;
pub mod ledger;
mod kept;
pub mod memory;
pub mod story;
pub mod telemetry;
pub mod history;
pub mod reload;
pub mod schemas;
pub mod desk;
pub mod approvals;
pub mod console;
pub mod notices;
pub mod control;
pub mod assemble;
pub mod office;
pub mod scan;
pub mod findings;
pub mod review;
pub mod bridge;
pub mod import;
pub mod cli;
