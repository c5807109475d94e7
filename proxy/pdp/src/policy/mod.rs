//! What is allowed: Cedar policies over the registry's schema, and the three-valued answer they give.
//!
//! Cedar answers two-valued and skips a policy that errs; everything here exists so that neither can open a door
//! (`load.rs` compiles `@approval`, `evaluate.rs` turns errors into denials). No Cedar type leaves this folder.

mod canonical;
mod author;
mod evaluate;
mod load;
mod memory;
mod names;
mod needs;
mod number;
mod schema;
mod validate;
mod written;
pub mod shape;

pub use evaluate::{Act, Facts, Judgement, Query, Rule};
pub use load::Policies;

#[cfg(test)]
mod tests;
