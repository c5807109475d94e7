//! A sibling makes a Classified.
//@ inside: stages/s3_policy.rs
//@ error: E0451
fn forge_classified(server: Arc<Server>, subject: Subject) -> Classified {
    Classified { server, subject }
}
