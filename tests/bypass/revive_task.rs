//! Goes on in a task that is over.
//@ outside
//@ error: E0616
pub fn revive_task(task: &mut pep::Task) {
    task.over.take();
}
