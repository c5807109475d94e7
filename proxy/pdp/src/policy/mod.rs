//! What is allowed: Cedar policies over the registry's schema, and the three-valued answer they give.
//!
//! Cedar answers two-valued and skips a policy that errs; everything here exists so that neither can open a door
//! (`load.rs` compiles `@approval`, `evaluate.rs` turns errors into denials). No Cedar type leaves this folder.

mod form;
mod admits;
pub mod shape;
mod canonical;
mod number;
mod given;
mod schema;
mod words;
mod author;
mod validate;
mod known;
mod load;
mod evaluate;
mod facts;
mod gate;
mod memory;
mod names;
mod needs;
mod printed;
mod reach;
mod written;

pub use canonical::canonical_target;
pub(crate) use canonical::plain_form;
pub use evaluate::{Act, Judgement, Query, Rule};
pub use facts::{Facts, Impact, ImpactKind, Looked, TaskFacts};
pub use form::Form;
pub use load::{Policies, groups_above};
pub use needs::Members;
pub use number::ten_thousandths;
pub use printed::{PrintFault, Question};
pub use reach::Reach;
pub use schema::groups;
pub(crate) use schema::{holds, without_comments};
pub use written::{Written, written};

#[cfg(test)]
mod tests;
