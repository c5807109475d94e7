//! The pipeline's port: a call is put to people, finds what they said of the same call before, or waits for their word.
//!
//! A use is taken under one lock and is on disk before the call hears of it, so of any number of identical calls as many go
//! on as people said, also over a crash. Whoever cannot be told leaves the use behind for the next.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pdp::approval::{Request, State, When};
use pep::asker;
use pep::ports::{Approvals, BoxFuture, Given, Hold, Pending, Verdict};
use tokio::sync::watch;

use super::Requests;
use super::about::About;
use super::book::{ARGUMENTS_BYTES_MAX, Book, Entry};
use super::store::{Kept, durable};
use crate::notices::{Outcome, Told};

/// A call that waits. While it lives, it is counted.
struct Seat<'a> {
    requests: &'a Requests,
    id: String,
    turn: watch::Receiver<()>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.requests.locked().get_mut(&self.id) {
            entry.waiting = entry.waiting.saturating_sub(1);
        }
        self.requests.tell(&self.id);
    }
}

/// A use that was taken and of which the call has not heard. Where it never does, the use goes back.
struct Taken<'a> {
    requests: &'a Requests,
    given: Option<Given>,
    number: u64,
}

impl Taken<'_> {
    /// The call hears of it now.
    fn told(mut self) -> Option<Given> {
        self.given.take()
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(given) = &self.given {
            self.requests.give_back(&given.id, self.number);
        }
    }
}

/// What one look comes to.
enum Look<'a> {
    Say(Verdict),
    /// A use was taken; it counts once it is on disk.
    Taken(Taken<'a>, Kept),
    /// A request was made; it counts once it is on disk.
    Made(Seat<'a>, Kept),
    /// There is one; wait for it.
    Wait(Seat<'a>),
    /// Nothing has come of it yet.
    Still,
    /// Another took the last use: ask anew.
    Gone,
}

impl Approvals for Requests {
    fn knows(&self, hold: &Hold) -> bool {
        let (call, now_us) = (hold.identity.digest(), self.now_us());
        let book = self.locked();
        book.of_call(call).is_some_and(|entry| entry.request.counts(now_us))
    }

    fn ask<'a>(&'a self, hold: &'a Hold, patience: Duration) -> BoxFuture<'a, Verdict> {
        Box::pin(self.asked(hold, patience))
    }

    fn give_back(&self, id: &str, number: u64) {
        let now_us = self.now_us();
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        if book.step(id, |request| request.give_back(number, now_us)) != Some(true) {
            return;
        }
        self.report(&book, id, "approval_given_back", None, &format!("the call {number} was not made"));
        // Of one call there is one request that counts. Where people were asked anew meanwhile, that is what counts, and a no
        // is not undone.
        let Some(request) = book.get(id).map(|entry| &entry.request).filter(|request| request.is_live()) else {
            return;
        };
        let newer = book.of_call(request.call()).map(|entry| &entry.request).filter(|newer| newer.id() != id);
        if newer.is_some_and(|newer| newer.counts(now_us)) {
            self.close(&mut book, id, "people were asked of the same call anew meanwhile");
        } else {
            book.is_latest(id);
        }
    }
}

impl Requests {
    async fn asked(&self, hold: &Hold, patience: Duration) -> Verdict {
        let mut over = pin!(tokio::time::sleep(patience));
        let mut seat: Option<Seat<'_>> = None;
        loop {
            let look = match &seat {
                None => self.begin(hold),
                Some(seat) => self.look(hold, &seat.id),
            };
            match look {
                Look::Say(verdict) => return verdict,
                Look::Taken(taken, kept) => match durable(kept).await {
                    Ok(()) => return taken.told().map_or(Verdict::Nobody, Verdict::Granted),
                    Err(fault) => {
                        return Verdict::Full(format!("what people granted could not be used, since {fault}"));
                    }
                },
                Look::Made(made, kept) => {
                    if let Err(fault) = durable(kept).await {
                        self.forget(&made.id);
                        return Verdict::Full(format!("nobody could be asked, since {fault}"));
                    }
                    seat = Some(made);
                    // Somebody may have been faster than the disk.
                    continue;
                }
                Look::Wait(found) => seat = Some(found),
                Look::Still => {}
                Look::Gone => {
                    seat = None;
                    continue;
                }
            }
            let Some(seat) = &mut seat else { continue };
            tokio::select! {
                biased;
                changed = seat.turn.changed() => if changed.is_err() {
                    // It was removed: there is nothing to wait for.
                    return Verdict::Overtaken("the request is gone".to_owned());
                },
                () = &mut over => return self.not_yet(&seat.id),
            }
        }
    }

    /// The patience of the call is over, and so is this one's wait. The same call finds the decision.
    fn not_yet(&self, id: &str) -> Verdict {
        let until_us = self.locked().get(id).and_then(|entry| entry.request.until_us()).unwrap_or_default();
        Verdict::Pending(Pending { id: id.to_owned(), url: self.url(id), until_us })
    }

    /// A call comes: what was said of the same call before, the request that waits for it, or a new one.
    fn begin(&self, hold: &Hold) -> Look<'_> {
        let now_us = self.now_us();
        if let Some(over) = hold.task.over(now_us) {
            return Look::Say(Verdict::Full(format!("its task is over: {over}")));
        }
        let call = hold.identity.digest();
        let mut book = self.locked();
        let found = book.of_call(call).map(|entry| entry.request.id().to_owned());
        let Some(id) = found else { return self.make(&mut book, hold, now_us) };
        self.expire(&mut book, &id, now_us);
        let Some(request) = book.get(&id).map(|entry| entry.request.clone()) else {
            return self.make(&mut book, hold, now_us);
        };
        match request.state() {
            State::Refused(refused) if refused.until_us > now_us => Look::Say(Verdict::Refused(refused.reason.clone())),
            State::Pending(_) => {
                if let Some(verdict) = self.stale(hold) {
                    return Look::Say(verdict);
                }
                self.made_whole(&mut book, &id, hold);
                self.shown_as_now(&mut book, &request, hold);
                self.seat(&mut book, &id).map_or(Look::Gone, Look::Wait)
            }
            State::Granted(_) => match self.take(&mut book, &id, hold, now_us) {
                Ok((taken, kept)) => Look::Taken(taken, kept),
                Err(Some(since)) => {
                    self.close(&mut book, &id, &format!("it was asked for anew, since {since}"));
                    self.make(&mut book, hold, now_us)
                }
                Err(None) => self.make(&mut book, hold, now_us),
            },
            State::Refused(_) | State::Spent(_) | State::Expired(_) | State::Closed(_) => {
                self.make(&mut book, hold, now_us)
            }
        }
    }

    /// A call waits for a request that has moved on.
    fn look(&self, hold: &Hold, id: &str) -> Look<'_> {
        let now_us = self.now_us();
        let mut book = self.locked();
        let Some(entry) = book.get(id) else { return Look::Gone };
        match entry.request.state() {
            State::Pending(_) => Look::Still,
            State::Refused(refused) => Look::Say(Verdict::Refused(refused.reason.clone())),
            State::Expired(_) => Look::Say(Verdict::Expired),
            State::Closed(closed) => Look::Say(Verdict::Overtaken(closed.why.clone())),
            State::Spent(_) => Look::Gone,
            State::Granted(_) => match self.take(&mut book, id, hold, now_us) {
                Ok((taken, kept)) => Look::Taken(taken, kept),
                Err(Some(since)) => Look::Say(Verdict::Overtaken(format!("since it was asked, {since}"))),
                Err(None) => Look::Gone,
            },
        }
    }

    /// Why a call is judged anew before people are asked of it: it was judged by another law than that of this moment.
    fn stale(&self, hold: &Hold) -> Option<Verdict> {
        let is_stale = hold.shown.snapshot != self.world.snapshots.current().digest();
        is_stale.then(|| Verdict::Overtaken("the policies or the registry have changed".to_owned()))
    }

    /// Makes a request, where the call was judged by the law of this moment and there is room.
    fn make(&self, book: &mut Book, hold: &Hold, now_us: i64) -> Look<'_> {
        if let Some(verdict) = self.stale(hold) {
            return Look::Say(verdict);
        }
        let bytes = hold.identity.arguments.len();
        if bytes > ARGUMENTS_BYTES_MAX {
            return Look::Say(Verdict::Full(format!(
                "its arguments have {bytes} bytes, which is more than people are asked to read ({ARGUMENTS_BYTES_MAX}): \
                 make it smaller"
            )));
        }
        let when = When { at_us: now_us, until_us: now_us.saturating_add(self.settings.pending_us) };
        let id = self.fresh_id();
        let asker = asker(&hold.task, &hold.principal);
        let request = Request::new(id.clone(), hold.identity.clone(), hold.shown.clone(), asker, when);
        let mut entry = Entry::new(request, Arc::new(About::of(hold)));
        if let Some(words) = book.full(&entry, &self.settings.bounds) {
            return Look::Say(Verdict::Full(words));
        }
        entry.entries = Some((Arc::clone(&hold.server), hold.tool.clone()));
        book.insert(entry);
        let by = hold.principal.key();
        let kept = self.report(book, &id, "approval_asked", Some(&by), &format!("asked by the call {}", hold.number));
        self.notify(book, &id, Told::Asked, None, None);
        // The seat comes last: one that is dropped takes the lock that is held here.
        match kept {
            Some(kept) => self.seat(book, &id).map_or(Look::Gone, |seat| Look::Made(seat, kept)),
            None => Look::Gone,
        }
    }

    /// After a restart the sensitive arguments of a request are gone: the same call brings them again.
    fn made_whole(&self, book: &mut Book, id: &str, hold: &Hold) {
        if book.restored(id, hold) {
            self.report(book, id, "approval_changed", Some(&hold.principal.key()), "its arguments are whole again");
        }
    }

    /// Something may have come to the call while its request waits: people are to see it, as it stands in the task that the
    /// call is now of.
    fn shown_as_now(&self, book: &mut Book, request: &Request, hold: &Hold) {
        let same_grants = request.shown().grants == hold.shown.grants;
        let since = match request.shown().covers(&hold.shown) {
            Ok(()) if same_grants => return,
            Ok(()) => "other grants are needed".to_owned(),
            Err(since) => since,
        };
        if !book.changed(request.id(), hold.shown.clone(), Arc::new(About::of(hold))) {
            return;
        }
        if let Some(entry) = book.get_mut(request.id()) {
            entry.entries = Some((Arc::clone(&hold.server), hold.tool.clone()));
        }
        self.report(book, request.id(), "approval_changed", Some(&hold.principal.key()), &since);
    }

    fn seat(&self, book: &mut Book, id: &str) -> Option<Seat<'_>> {
        let entry = book.get_mut(id)?;
        entry.waiting = entry.waiting.saturating_add(1);
        entry.asked = entry.asked.saturating_add(1);
        let turn = entry.turn.subscribe();
        self.tell(id);
        Some(Seat { requests: self, id: id.to_owned(), turn })
    }

    /// Takes a use for this call, where the registry has its server and tool as people were shown them.
    fn take(&self, book: &mut Book, id: &str, hold: &Hold, now_us: i64) -> Result<(Taken<'_>, Kept), Option<String>> {
        let entry = book.get(id).ok_or(None)?;
        if entry.request.shown().snapshot != hold.shown.snapshot && !entry.is_of(hold) {
            return Err(Some(format!("the registry entry of `{}` has changed", hold.identity.server)));
        }
        let granted = book.step(id, |request| request.spend(hold.number, &hold.shown, now_us)).ok_or(None)??;
        let given = Given { id: id.to_owned(), grants: granted.grants().clone(), by: granted.by().clone() };
        let (by, words) = (hold.principal.key(), format!("used by the call {}", hold.number));
        let kept = self.report(book, id, "approval_spent", Some(&by), &words).ok_or(None)?;
        Ok((Taken { requests: self, given: Some(given), number: hold.number }, kept))
    }

    /// A request that could not be kept was never made.
    fn forget(&self, id: &str) {
        let mut book = self.locked();
        self.close(&mut book, id, "it could not be kept");
        book.remove(id);
        drop(self.file.keep(id, None));
    }

    /// Records a step that was made, keeps it, and tells who looks. Nothing where there is no such request.
    pub(super) fn report(&self, book: &Book, id: &str, what: &str, by: Option<&str>, words: &str) -> Option<Kept> {
        let entry = book.get(id)?;
        self.record(self.event(&entry.request, &entry.about, what, by, words));
        Some(self.keep(entry))
    }

    /// Ends a request that time has run out on.
    pub(super) fn expire(&self, book: &mut Book, id: &str, now_us: i64) {
        let due = book.get(id).filter(|entry| entry.request.is_live()).and_then(|entry| entry.request.until_us());
        if due.is_none_or(|until_us| until_us > now_us) {
            return;
        }
        let was = book.get(id).map_or("", |entry| entry.request.state().word());
        let waited = book.waits(id);
        if book.step(id, |request| request.expire(now_us)) == Some(true) {
            self.report(book, id, "approval_expired", None, &format!("{was}, and the time was up"));
            if waited {
                self.notify(book, id, Told::Expired, None, None);
            }
        }
    }

    /// Closes a request that there is nothing to decide of any more.
    pub(super) fn close(&self, book: &mut Book, id: &str, why: &str) {
        let waited = book.waits(id);
        if book.step(id, |request| request.close(why)) == Some(true) {
            self.report(book, id, "approval_closed", None, why);
            if waited {
                self.notify(book, id, Told::Decided, Some(Outcome::Closed), None);
            }
        }
    }
}
