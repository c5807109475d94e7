//! The reviewer's desk: what a live server offers beside what was reviewed of it, as one sheet that is approved as it was
//! shown; and the registry's text with the approval in it.
//!
//! Pure but for [`key`], which reads and writes key files. Nothing here talks to a server or writes into a registry.

pub mod key;

mod entry;
mod notes;
mod package;
mod places;
mod sheet;
#[cfg(test)]
mod tests;

pub use entry::{Approval, Files, Recorded, approved, retired, with_signatures};
pub use notes::notes;
pub use package::{Package, Source, unpinned};
pub use places::{Change, Place, places};
pub use sheet::{Claim, Row, Sheet, Standing, sheet};
