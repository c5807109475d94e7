//! Stub.

pub mod office;
