//! A listener makes a frame that is one of the gate's own errands.
//@ outside
//@ error: E0624
pub fn errand_outside(frame: pep::Frame, task: &std::sync::Arc<pep::Task>) -> pep::Frame {
    frame.errand(task, todo!())
}
