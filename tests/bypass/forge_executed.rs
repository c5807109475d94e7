//! The outcome stage makes an Executed that never was.
//@ inside: stages/s8_outcome.rs
//@ error: E0451
fn forge_executed(raw: Raw, server: Arc<Server>, subject: Subject) -> Executed {
    Executed { raw, server, subject, obligations: BTreeSet::new() }
}
