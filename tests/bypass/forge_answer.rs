//! Tells a server that its request was refused, without a record.
//@ outside
//@ error: E0624
pub fn forge_answer(channel: std::sync::Arc<pep::Channel>) -> pep::Answer {
    pep::Answer::new(channel, String::new())
}
