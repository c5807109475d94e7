//! What is known of the entries of memory servers: whose each is, what it carries, until when it is delivered.
//!
//! Every gate that writes an entry keeps its provenance before the write is sent, joined with what is known of the value
//! that may still stand there. Only when the server has said that it is done, and no other write of the entry was under
//! way beside it or was lost, does the new provenance stand alone. So what is known of an entry is never laxer than what
//! the server may hold, whatever fails in between.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pdp::flow::memory::{Place, Places, Provenance, Role};

use crate::ports::{BoxFuture, Memory, MemoryChange, MemoryFault};

/// What is known of all entries. One handle of several on the same.
#[derive(Debug, Clone)]
pub struct Memories(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    port: Arc<dyn Memory>,
    index: Mutex<Index>,
    entries_max: usize,
}

#[derive(Debug, Default)]
struct Index {
    /// By server and scope, then by key.
    scopes: BTreeMap<(String, String), BTreeMap<String, Known>>,
    count: usize,
}

/// What is known of one entry.
#[derive(Debug)]
struct Known {
    provenance: Arc<Provenance>,
    /// How many changes of it are under way.
    under_way: usize,
    /// Those under way overlap: which of them will stand cannot be told, so nothing known of the entry is given up.
    overlapped: bool,
    /// One was lost, and may still land after any other.
    lost: bool,
}

/// Keeps nothing.
#[derive(Debug)]
struct Unkept;

impl Memory for Unkept {
    fn keep(&self, _changes: Vec<MemoryChange>) -> BoxFuture<'_, Result<(), MemoryFault>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn settle(&self, _changes: Vec<MemoryChange>) {}
}

/// A change of some entries that is under way. Dropped without a word from the server, it is lost, if it was sent.
#[derive(Debug)]
pub(crate) struct Changing {
    memories: Memories,
    places: Vec<Place>,
    /// What stands when it is done; nothing for entries that are then gone, or that keep what they had.
    then: Then,
    sent: AtomicBool,
    ended: AtomicBool,
}

/// Why a change does not begin.
#[derive(Debug)]
pub(crate) enum BeginFault {
    /// It is about an entry that the caller may not change.
    NotOurs,
    /// There is no room for more entries, or what is known of them cannot be kept.
    Unkept(MemoryFault),
}

#[derive(Debug)]
enum Then {
    Is(Arc<Provenance>),
    Stays,
    Gone,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The server says it is done.
    Done,
    /// The server says it failed, or it was never sent; what stands there may be either.
    Failed,
    /// Nothing is known.
    Lost,
}

impl Memories {
    /// A store that keeps itself in `port`, begins with what was kept there, and holds at most so many entries.
    #[must_use]
    pub fn new(port: Arc<dyn Memory>, kept: Vec<(Place, Provenance)>, entries_max: usize) -> Self {
        let mut index = Index::default();
        for (place, provenance) in kept {
            index.put(&place, Arc::new(provenance));
        }
        Self(Arc::new(Inner { port, index: Mutex::new(index), entries_max }))
    }

    /// A store that ends with its process, for tests and trials.
    #[must_use]
    pub fn unkept(entries_max: usize) -> Self {
        Self::new(Arc::new(Unkept), Vec::new(), entries_max)
    }

    /// What is known of an entry.
    #[must_use]
    pub fn recall(&self, place: &Place) -> Option<Arc<Provenance>> {
        self.locked(|index| index.at(place).map(|known| Arc::clone(&known.provenance)))
    }

    /// What is known of an entry, or else of what was written without a key, which it may be.
    pub(crate) fn stands_for(&self, place: &Place) -> Option<Arc<Provenance>> {
        self.locked(|index| index.stands_for(place).map(|known| Arc::clone(&known.provenance)))
    }

    /// Everything that is known of a scope, by key.
    #[must_use]
    pub fn scope(&self, server: &str, scope: &str) -> Vec<(String, Arc<Provenance>)> {
        self.locked(|index| {
            let entries = index.scopes.get(&(server.to_owned(), scope.to_owned()));
            let each = entries.into_iter().flatten();
            each.map(|(key, known)| (key.clone(), Arc::clone(&known.provenance))).collect()
        })
    }

    /// Begins a change of entries of a server, of all its scope where `about` names none. What it may leave behind is durable
    /// when this returns. `ours` says of what is known of an entry whether the caller may change it: two that come for one
    /// entry at once are told apart here, where nobody comes between the question and the change.
    ///
    /// # Errors
    /// When one is another's, there is no room for more entries, or what is known of them cannot be kept. The change is not
    /// to be made.
    pub(crate) async fn begin(
        &self,
        role: Role,
        (server, about): (&str, &Places),
        provenance: Provenance,
        ours: impl Fn(&Provenance) -> bool,
    ) -> Result<Changing, BeginFault> {
        let new = Arc::new(provenance);
        let then = match role {
            Role::Write => Then::Is(Arc::clone(&new)),
            Role::Append | Role::Read => Then::Stays,
            Role::Delete => Then::Gone,
        };
        let adds = matches!(role, Role::Write | Role::Append);
        let (changing, kept) = self.locked(|index| {
            let places = index.about(role, server, about);
            if places.iter().filter_map(|place| index.stands_for(place)).any(|known| !ours(&known.provenance)) {
                return Err(BeginFault::NotOurs);
            }
            let fresh = places.iter().filter(|place| index.at(place).is_none()).count();
            if adds && index.count.saturating_add(fresh) > self.0.entries_max {
                return Err(BeginFault::Unkept(MemoryFault::Full(self.0.entries_max)));
            }
            let mut changes = Vec::new();
            for place in &places {
                let joined = index.at(place).map_or_else(|| (*new).clone(), |known| joined(&known.provenance, &new));
                if adds {
                    changes.push((place.clone(), Some(joined.clone())));
                    index.put(place, Arc::new(joined));
                }
                if let Some(known) = index.at_mut(place) {
                    known.overlapped |= known.under_way > 0;
                    known.under_way = known.under_way.saturating_add(1);
                }
            }
            // Handed over while the index is held: the order on disk is the order here.
            let kept = self.0.port.keep(changes);
            let (sent, ended) = (AtomicBool::new(false), AtomicBool::new(false));
            Ok((Changing { memories: self.clone(), places, then, sent, ended }, kept))
        })?;
        kept.await.map(|()| changing).map_err(BeginFault::Unkept)
    }

    fn end(&self, changing: &Changing, end: End) {
        if changing.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        self.locked(|index| {
            let mut changes: Vec<MemoryChange> = Vec::new();
            for place in &changing.places {
                let Some(known) = index.at_mut(place) else { continue };
                known.under_way = known.under_way.saturating_sub(1);
                known.lost |= end == End::Lost;
                let certain = end == End::Done && !known.overlapped && !known.lost;
                known.overlapped &= known.under_way > 0;
                if !certain {
                    continue;
                }
                match &changing.then {
                    Then::Stays => {}
                    Then::Is(new) if known.provenance == *new => {}
                    Then::Is(new) => {
                        known.provenance = Arc::clone(new);
                        changes.push((place.clone(), Some((**new).clone())));
                    }
                    Then::Gone => {
                        index.remove(place);
                        changes.push((place.clone(), None));
                    }
                }
            }
            if !changes.is_empty() {
                self.0.port.settle(changes);
            }
        });
    }

    fn locked<T>(&self, read: impl FnOnce(&mut Index) -> T) -> T {
        read(&mut self.0.index.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Changing {
    /// Whether it was sent, as far as is known now.
    pub(crate) fn acts(&self, acts: bool) {
        self.sent.store(acts, Ordering::Relaxed);
    }

    /// The server says that it is done.
    pub(crate) fn done(&self) {
        self.memories.end(self, End::Done);
    }

    /// The server says that it failed.
    pub(crate) fn failed(&self) {
        self.memories.end(self, End::Failed);
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        let end = if self.sent.load(Ordering::Relaxed) { End::Lost } else { End::Failed };
        self.memories.clone().end(self, end);
    }
}

impl Index {
    fn at(&self, place: &Place) -> Option<&Known> {
        self.scopes.get(&(place.server.clone(), place.scope.clone()))?.get(&place.key)
    }

    /// What is known of the entry of this place. What was written without a key may be any entry that is not known by one.
    fn stands_for(&self, place: &Place) -> Option<&Known> {
        self.at(place).or_else(|| self.scopes.get(&(place.server.clone(), place.scope.clone()))?.get(""))
    }

    /// The places of the entries that a call of this role is about.
    fn about(&self, role: Role, server: &str, about: &Places) -> Vec<Place> {
        let scope = (server.to_owned(), about.scope.clone());
        let place = |key: &str| Place { server: scope.0.clone(), scope: scope.1.clone(), key: key.to_owned() };
        match (&about.keys, role) {
            (Some(keys), _) => keys.iter().map(|key| place(key)).collect(),
            (None, Role::Delete) => self.scopes.get(&scope).into_iter().flatten().map(|(key, _)| place(key)).collect(),
            (None, Role::Read | Role::Write | Role::Append) => vec![place("")],
        }
    }

    fn at_mut(&mut self, place: &Place) -> Option<&mut Known> {
        self.scopes.get_mut(&(place.server.clone(), place.scope.clone()))?.get_mut(&place.key)
    }

    fn put(&mut self, place: &Place, provenance: Arc<Provenance>) {
        let scope = self.scopes.entry((place.server.clone(), place.scope.clone())).or_default();
        match scope.get_mut(&place.key) {
            Some(known) => known.provenance = provenance,
            None => {
                scope.insert(place.key.clone(), Known { provenance, under_way: 0, overlapped: false, lost: false });
                self.count = self.count.saturating_add(1);
            }
        }
    }

    fn remove(&mut self, place: &Place) {
        let scope = (place.server.clone(), place.scope.clone());
        let Some(entries) = self.scopes.get_mut(&scope) else { return };
        if entries.remove(&place.key).is_some() {
            self.count = self.count.saturating_sub(1);
        }
        if entries.is_empty() {
            self.scopes.remove(&scope);
        }
    }
}

/// What is known of an entry that may hold either value, or both.
fn joined(old: &Provenance, new: &Provenance) -> Provenance {
    let expires_us = match (old.expires_us, new.expires_us) {
        (Some(old), Some(new)) => Some(old.min(new)),
        (one, other) => one.or(other),
    };
    let carried = old.carried.clone().join(&new.carried);
    Provenance { carried, owner: old.owner.clone(), expires_us, ..new.clone() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]
    use pdp::flow::Carried;

    use super::*;

    #[derive(Debug, Default)]
    struct Paper(Mutex<BTreeMap<Place, Provenance>>, AtomicBool);

    impl Paper {
        fn write(&self, changes: Vec<MemoryChange>) {
            let mut kept = self.0.lock().unwrap();
            for (place, provenance) in changes {
                match provenance {
                    Some(provenance) => drop(kept.insert(place, provenance)),
                    None => drop(kept.remove(&place)),
                }
            }
        }
    }

    impl Memory for Paper {
        fn keep(&self, changes: Vec<MemoryChange>) -> BoxFuture<'_, Result<(), MemoryFault>> {
            let broken = self.1.load(Ordering::Relaxed);
            if !broken {
                self.write(changes);
            }
            let told = if broken { Err(MemoryFault::Broken("no paper".to_owned())) } else { Ok(()) };
            Box::pin(std::future::ready(told))
        }

        fn settle(&self, changes: Vec<MemoryChange>) {
            self.write(changes);
        }
    }

    fn place(key: &str) -> Place {
        Place { server: "notes".to_owned(), scope: String::new(), key: key.to_owned() }
    }

    fn written(labels: &str, record: u64, expires_us: Option<i64>) -> Provenance {
        Provenance {
            carried: Carried::labelled(labels.split_whitespace().collect()),
            owner: "ann".to_owned(),
            task: "task-1".to_owned(),
            trace: "a".repeat(32),
            record,
            written_us: 0,
            expires_us,
        }
    }

    struct Desk(Memories, Arc<Paper>);

    impl Desk {
        fn new() -> Self {
            let paper = Arc::new(Paper::default());
            Self(Memories::new(Arc::clone(&paper) as _, Vec::new(), 3), paper)
        }

        fn begin(&self, role: Role, key: &str, provenance: Provenance) -> Result<Changing, BeginFault> {
            self.begin_as("ann", role, key, provenance)
        }

        fn begin_as(&self, who: &str, role: Role, key: &str, new: Provenance) -> Result<Changing, BeginFault> {
            let about = Places { scope: String::new(), keys: (key != "*").then(|| vec![key.to_owned()]) };
            let begun = self.0.begin(role, ("notes", &about), new, |known| known.owner == who);
            at_once(begun)
        }

        /// What is known of an entry here, and what another gate would find on the paper.
        fn known(&self, key: &str) -> String {
            let told = |found: Option<&Provenance>| match found {
                Some(p) => format!("{} until {:?}", p.carried.labels, p.expires_us),
                None => "nothing".to_owned(),
            };
            let (here, there) = (self.0.recall(&place(key)), self.1.0.lock().unwrap().get(&place(key)).cloned());
            let (here, there) = (told(here.as_deref()), told(there.as_ref()));
            if here == there { here } else { format!("{here}, kept: {there}") }
        }
    }

    /// Waits for a future of these tests, none of which ever waits.
    fn at_once<T>(future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let done = match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(done) => Some(done),
            std::task::Poll::Pending => None,
        };
        done.unwrap()
    }

    #[test]
    fn a_write_counts_before_it_is_sent_and_stands_alone_once_it_is_done() {
        let desk = Desk::new();
        let first = desk.begin(Role::Write, "a", written("untrusted", 1, Some(50))).unwrap();
        assert_eq!(desk.known("a"), "untrusted until Some(50)");
        first.done();
        let second = desk.begin(Role::Write, "a", written("private", 2, None)).unwrap();
        assert_eq!(desk.known("a"), "private, untrusted until Some(50)");
        second.done();
        second.done();
        drop(second);
        assert_eq!(desk.known("a"), "private until None");
    }

    #[test]
    fn what_may_still_stand_there_is_not_forgotten() {
        let desk = Desk::new();
        desk.begin(Role::Write, "a", written("untrusted", 1, None)).unwrap().done();
        desk.begin(Role::Write, "a", written("", 2, None)).unwrap().failed();
        assert_eq!(desk.known("a"), "untrusted until None", "the old value may stand");
        desk.begin(Role::Append, "a", written("private", 3, None)).unwrap().done();
        assert_eq!(desk.known("a"), "private, untrusted until None", "it was added to");
        desk.begin(Role::Write, "a", written("", 4, None)).unwrap().done();
        assert_eq!(desk.known("a"), "none until None");
        drop(desk.begin(Role::Write, "a", written("private", 5, None)).unwrap());
        desk.begin(Role::Write, "a", written("", 5, None)).unwrap().done();
        assert_eq!(desk.known("a"), "none until None", "what was never sent lands nowhere");
        let lost = desk.begin(Role::Write, "a", written("secret", 5, None)).unwrap();
        lost.acts(true);
        drop(lost);
        desk.begin(Role::Write, "a", written("", 6, None)).unwrap().done();
        assert_eq!(desk.known("a"), "secret until None", "a lost write may land after one that was answered");
    }

    #[test]
    fn of_writes_that_overlap_either_may_stand() {
        let desk = Desk::new();
        let one = desk.begin(Role::Write, "a", written("untrusted", 1, None)).unwrap();
        let two = desk.begin(Role::Write, "a", written("", 2, None)).unwrap();
        one.done();
        two.done();
        assert_eq!(desk.known("a"), "untrusted until None");
        desk.begin(Role::Write, "a", written("", 5, None)).unwrap().done();
        assert_eq!(desk.known("a"), "none until None", "what overlapped is over");
        desk.begin(Role::Write, "a", written("untrusted", 6, None)).unwrap().done();
        let (gone, back) = (desk.begin(Role::Delete, "a", written("", 3, None)).unwrap(), written("", 4, None));
        let back = desk.begin(Role::Write, "a", back).unwrap();
        back.done();
        gone.done();
        assert_eq!(desk.known("a"), "untrusted until None");
    }

    #[test]
    fn a_deleted_entry_is_forgotten_once_it_is_gone() {
        let desk = Desk::new();
        desk.begin(Role::Write, "a", written("untrusted", 1, None)).unwrap().done();
        let gone = desk.begin(Role::Delete, "a", written("", 2, None)).unwrap();
        assert_eq!(desk.known("a"), "untrusted until None");
        gone.done();
        assert_eq!(desk.known("a"), "nothing");
        desk.begin(Role::Delete, "never", written("", 3, None)).unwrap().done();
        assert_eq!(desk.known("never"), "nothing");
    }

    #[test]
    fn of_two_that_come_for_one_entry_one_has_it() {
        let desk = Desk::new();
        let bob = || Provenance { owner: "bob".to_owned(), ..written("", 2, None) };
        let first = desk.begin(Role::Write, "a", written("", 1, None)).unwrap();
        assert!(matches!(desk.begin_as("bob", Role::Write, "a", bob()), Err(BeginFault::NotOurs)));
        first.done();
        desk.begin_as("bob", Role::Write, "b", bob()).unwrap().done();
        assert!(matches!(desk.begin(Role::Delete, "*", written("", 3, None)), Err(BeginFault::NotOurs)));
        desk.begin_as("bob", Role::Delete, "b", bob()).unwrap().done();
        desk.begin(Role::Delete, "*", written("", 3, None)).unwrap().done();
        assert_eq!(desk.known("a"), "nothing");
    }

    #[test]
    fn a_full_store_and_a_broken_one_take_no_write() {
        let desk = Desk::new();
        for key in ["a", "b", "c"] {
            desk.begin(Role::Write, key, written("", 1, None)).unwrap().done();
        }
        assert!(matches!(
            desk.begin(Role::Write, "d", written("", 2, None)),
            Err(BeginFault::Unkept(MemoryFault::Full(3)))
        ));
        desk.begin(Role::Write, "c", written("", 2, None)).unwrap().done();
        desk.begin(Role::Delete, "a", written("", 3, None)).unwrap().done();
        desk.1.1.store(true, Ordering::Relaxed);
        assert!(matches!(
            desk.begin(Role::Write, "d", written("", 4, None)),
            Err(BeginFault::Unkept(MemoryFault::Broken(_)))
        ));
        drop(desk.begin(Role::Write, "c", written("private", 5, None)));
        desk.1.1.store(false, Ordering::Relaxed);
        desk.begin(Role::Write, "c", written("", 6, None)).unwrap().done();
        assert_eq!(desk.known("c"), "none until None", "what the store could not keep was not sent");
    }
}
