//! The outcome stage makes an Executed that never was.
//@ inside: stages/s8_outcome.rs
//@ error: E0451
fn forge_executed(raw: Raw, server: Arc<pdp::registry::Server>, subject: Subject) -> Executed {
    Executed { raw, server, subject, obligations: Default::default(), pending: todo!() }
}
