//! Stub.

pub mod office;
pub mod scan;
