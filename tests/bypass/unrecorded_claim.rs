//! Takes in what was said of a task without recording it first.
//@ outside
//@ error: E0624
pub fn unrecorded_claim(task: &pep::Task, saying: &pdp::record::Saying) {
    task.claims().hear(saying, pdp::record::Voice::Host);
}
