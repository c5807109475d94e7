//! What time does to requests, also to those nobody waits for: they expire, end with their task, and are forgotten when
//! there is nothing left to find.

use pep::Tasks;

use super::{Requests, Sight};
use pdp::approval::State;

/// How many requests that are over are kept to be looked at. The ledger keeps what became of all of them.
const OVER_MAX: usize = 1000;

impl Requests {
    /// Goes through all requests once.
    pub fn sweep(&self, tasks: &Tasks) {
        let now_us = self.now_us();
        let live: Vec<(String, String, bool)> = {
            let book = self.locked();
            let live = book.all().filter(|entry| entry.request.is_live());
            let named = |sight: Sight| {
                let task = &sight.about.task;
                (sight.request.id().to_owned(), task.id.clone(), task.explicit)
            };
            live.map(Sight::of).map(named).collect()
        };
        for (id, task, explicit) in live {
            let why = match tasks.find(&task) {
                Some(task) => task.over(now_us).map(|over| format!("its task is over: {over}")),
                // A token of a task that is gone leads nowhere, so nobody can make the call again.
                None if explicit => Some("its task is gone".to_owned()),
                None => None,
            };
            let mut book = self.locked();
            self.expire(&mut book, &id, now_us);
            if let Some(why) = why {
                self.close(&mut book, &id, &why);
            }
        }
        self.forget_what_is_over(now_us);
    }

    /// Forgets the oldest of those that are over. A no that is remembered is not over.
    fn forget_what_is_over(&self, now_us: i64) {
        let mut book = self.locked();
        let counts = |state: &State| match state {
            State::Pending(_) | State::Granted(_) => true,
            State::Refused(refused) => refused.until_us > now_us,
            State::Spent(_) | State::Expired(_) | State::Closed(_) => false,
        };
        let mut over: Vec<(i64, String)> = book
            .all()
            .filter(|entry| !counts(entry.request.state()) && entry.waiting == 0)
            .map(|entry| (entry.request.created_us(), entry.request.id().to_owned()))
            .collect();
        if over.len() <= OVER_MAX {
            return;
        }
        over.sort();
        let many = over.len() - OVER_MAX;
        for (_, id) in over.into_iter().take(many) {
            book.remove(&id);
            drop(self.file.keep(&id, None));
        }
    }
}
