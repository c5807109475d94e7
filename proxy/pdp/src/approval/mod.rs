//! Approvals as data: what they bind. Pure; who is asked, and where it is kept, is the gateway's.

mod binding;

pub use binding::{Identity, Shown, binding};
