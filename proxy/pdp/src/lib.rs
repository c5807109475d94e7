//! The policy decision point (PDP): the nouns and the rules of Wicketgate, and nothing of the world.
//!
//! Everything here is a pure function of its arguments: no I/O, no async, no clock, no randomness, so that one record
//! can be judged again anywhere and give the same answer. The crate's `Cargo.toml` holds that promise; `tests/it/tidy.rs`
//! checks it. Modules stand in reading order.

pub mod fault;
pub mod json;
pub mod moment;
pub mod digest;
pub mod label;
pub mod flow;
pub mod principal;
pub mod effect;
pub mod method;
pub mod decision;
pub mod refusal;
pub mod registry;
pub mod policy;
pub mod snapshot;
pub mod task;
pub mod origin;
pub mod approval;
pub mod record;
