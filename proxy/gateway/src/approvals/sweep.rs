//! What time does to requests, also to those nobody waits for: they expire, end with their task, and are forgotten when
//! there is nothing left to find.

use pep::Tasks;

use super::Requests;
use super::book::{BYTES_MAX, Entry};

/// How many requests that are over are kept to be looked at. The ledger keeps what became of all of them.
const OVER_MAX: usize = 1000;

/// A request that is over: when it was made, its id, and how much memory it takes.
type Over = (i64, String, usize);

impl Requests {
    /// Goes through all requests once.
    pub fn sweep(&self, tasks: &Tasks) {
        let now_us = self.now_us();
        let live: Vec<(String, String, bool)> = {
            let book = self.locked();
            let live = book.all().filter(|entry| entry.request.is_live());
            let named = |entry: &Entry| {
                let task = &entry.about.task;
                (entry.request.id().to_owned(), task.id.clone(), task.explicit)
            };
            live.map(named).collect()
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
        let is_over = |entry: &&Entry| !entry.request.is_live() && !entry.request.counts(now_us) && entry.waiting == 0;
        let told = |entry: &Entry| (entry.request.created_us(), entry.request.id().to_owned(), entry.bytes());
        let over: Vec<Over> = book.all().filter(is_over).map(told).collect();
        for id in surplus(over) {
            book.remove(&id);
            drop(self.file.keep(&id, None));
        }
    }
}

/// Which of those that are over there is no room for: the oldest, until the others are few and small enough.
fn surplus(mut over: Vec<Over>) -> Vec<String> {
    over.sort();
    let mut bytes = over.iter().fold(0_usize, |sum, (_, _, bytes)| sum.saturating_add(*bytes));
    let mut many = over.len();
    let mut gone = Vec::new();
    for (_, id, own) in over {
        if many <= OVER_MAX && bytes <= BYTES_MAX {
            break;
        }
        many -= 1;
        bytes = bytes.saturating_sub(own);
        gone.push(id);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_that_are_over_the_oldest_go_until_the_others_are_few_and_small() {
        let over = |sizes: &[usize]| -> Vec<Over> {
            let each = sizes.iter().zip(0_i64..).map(|(bytes, at)| (at, format!("ap_{at}"), *bytes));
            let mut over: Vec<Over> = each.collect();
            // The order in which they come does not count.
            over.reverse();
            over
        };
        assert_eq!(surplus(over(&[1; OVER_MAX])), Vec::<String>::new());
        assert_eq!(surplus(over(&[1; OVER_MAX + 2])), ["ap_0", "ap_1"]);
        assert_eq!(surplus(over(&[BYTES_MAX / 2, BYTES_MAX / 2])), Vec::<String>::new());
        assert_eq!(surplus(over(&[BYTES_MAX / 2, 9, BYTES_MAX / 2])), ["ap_0"]);
        assert_eq!(surplus(over(&[9, BYTES_MAX, BYTES_MAX])), ["ap_0", "ap_1"]);
        assert_eq!(surplus(over(&[BYTES_MAX + 1])), ["ap_0"]);
    }
}
