//! A stage says of an effect that it was committed without its server having answered.
//@ inside: stages/s8_outcome.rs
//@ error: E0603
fn forge_committed(entry: &mut OpenRecord) -> crate::effect::life::Answered {
    crate::effect::life::Answered { _made_here: () }
}
