//! Widens what a task may touch after it was opened.
//@ outside
//@ error: E0616
pub fn widen_scope(task: &mut pep::Task) {
    task.terms.scope = Default::default();
}
