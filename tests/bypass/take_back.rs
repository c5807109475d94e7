//! The outcome stage takes back what a task has gathered.
//@ inside: stages/s8_outcome.rs
//@ error: E0624
fn take_back(task: &crate::task::Task) {
    task.locked(drop);
}
