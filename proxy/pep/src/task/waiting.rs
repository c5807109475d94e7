//! The calls of a task that wait for a person, so that its agent can ask what became of them. Kept with the task, as long as
//! each waits; it holds no arguments, only their digest.

use std::sync::{Arc, Mutex, PoisonError};

use pdp::digest::Digest;

use super::Task;

/// A call that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingCall {
    /// Its record's number.
    pub number: u64,
    /// The key of the principal that made it.
    pub principal: String,
    /// The server.
    pub server: String,
    /// The tool, or the method.
    pub action: String,
    /// The digest of its canonical arguments.
    pub arguments: Digest,
    /// The grants it needs.
    pub grants: Vec<String>,
}

/// Calls that wait now.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Vec<Arc<WaitingCall>>>);

/// As long as it lives, its call is told as waiting.
pub(crate) struct Waits<'t> {
    task: &'t Task,
    call: Arc<WaitingCall>,
}

impl Task {
    /// A call begins to wait.
    pub(crate) fn waits(&self, call: WaitingCall) -> Waits<'_> {
        let call = Arc::new(call);
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&call));
        Waits { task: self, call }
    }

    /// The calls that wait for a person now.
    #[must_use]
    pub fn waiting(&self) -> Vec<Arc<WaitingCall>> {
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut calls = self.task.waiting.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|call| !Arc::ptr_eq(call, &self.call));
    }
}
