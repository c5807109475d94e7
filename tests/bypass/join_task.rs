//! Puts a frame into a task without its token.
//@ outside
//@ error: E0624
pub fn join_task(frame: pep::Frame, task: &std::sync::Arc<pep::Task>) -> pep::Frame {
    frame.within(task)
}
