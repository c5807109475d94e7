//! The audit stage makes a Labelled out of what it likes.
//@ inside: stages/s9_audit.rs
//@ error: E0451
fn forge_labelled() -> Labelled {
    Labelled { handed: Handed::Whole { status: 200, headers: Vec::new(), text: None } }
}
