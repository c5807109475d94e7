//! What goes on when nobody waits for it any more: a task of the runtime's own.

use pep::ports::{Background, BoxFuture};

/// Runs it beside everything else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside;

impl Background for Beside {
    fn run(&self, work: BoxFuture<'static, ()>) {
        // Nobody waits: what comes of it is told by whoever gave it.
        drop(tokio::spawn(work));
    }
}
