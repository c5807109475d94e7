//! The outcome stage settles what was never presumed.
//@ inside: stages/s8_outcome.rs
//@ error: E0451
fn forge_presumption() -> crate::task::Presumption {
    crate::task::Presumption { of: Vec::new(), acted: Default::default() }
}
