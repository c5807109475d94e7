//! A sibling makes a Proposed.
//@ inside: stages/s2_classify.rs
//@ error: E0451
fn forge_proposed() -> Proposed {
    Proposed { _made_here: () }
}
