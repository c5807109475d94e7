//! A stage begins the life of an effect as one that was answered already.
//@ inside: stages/s8_outcome.rs
//@ error: E0624
fn forge_committed(entry: &mut OpenRecord) {
    entry.live(effect::Life::answered_only());
}
