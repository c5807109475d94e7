//! The requests in memory: by id, by call, and how many wait for whom. Whoever holds the lock on it sees all of them at one
//! moment; it waits for nothing and tells nobody.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pdp::approval::{Request, State};
use pdp::digest::Digest;
use pdp::registry::{Server, Tool};
use tokio::sync::watch;

use super::about::About;

/// One request and those who wait for it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) request: Request,
    pub(super) about: Arc<About>,
    /// The registry's entries that people were shown; nothing after a restart.
    pub(super) entries: Option<(Arc<Server>, Option<Arc<Tool>>)>,
    /// Whether the arguments are all there: after a restart the sensitive ones are not.
    pub(super) whole: bool,
    /// How many calls wait for it now.
    pub(super) waiting: u32,
    /// How many calls have asked for it.
    pub(super) asked: u32,
    /// Who has looked at it.
    pub(super) viewed: BTreeSet<String>,
    /// Moves on with each step.
    pub(super) turn: watch::Sender<()>,
}

impl Entry {
    pub(super) fn new(request: Request, about: Arc<About>) -> Self {
        let (turn, _) = watch::channel(());
        let (entries, whole) = (None, true);
        Self { request, about, entries, whole, waiting: 0, asked: 0, viewed: BTreeSet::new(), turn }
    }

    fn is_pending(&self) -> bool {
        matches!(self.request.state(), State::Pending(_))
    }

    /// About how much memory it takes.
    fn bytes(&self) -> usize {
        self.request.identity().arguments.len().saturating_add(self.about.task.goal.as_ref().map_or(0, String::len))
    }
}

/// How many requests may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// In all.
    pub all: usize,
    /// Of one principal.
    pub principal: usize,
    /// Of one task.
    pub task: usize,
}

/// How many bytes of arguments and goals the requests that wait may hold.
const BYTES_MAX: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Book {
    entries: HashMap<String, Entry>,
    /// The latest request for each call.
    by_call: HashMap<Digest, String>,
    pending: usize,
    pending_bytes: usize,
    of_principal: HashMap<String, usize>,
    of_task: HashMap<String, usize>,
}

impl Book {
    pub(super) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.get_mut(id)
    }

    /// The latest request for this call.
    pub(super) fn of_call(&self, call: Digest) -> Option<&Entry> {
        self.entries.get(self.by_call.get(&call)?)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Whether this request waits for people.
    pub(super) fn waits(&self, id: &str) -> bool {
        self.get(id).is_some_and(Entry::is_pending)
    }

    /// How many wait for people.
    pub(super) fn pending(&self) -> usize {
        self.pending
    }

    /// Why no further request may wait, if so, in words.
    pub(super) fn full(&self, about: &About, bytes: usize, bounds: &Bounds) -> Option<String> {
        let held = |of: &HashMap<String, usize>, name: &str| of.get(name).copied().unwrap_or(0);
        let key = about.principal.key();
        let (own, task) = (held(&self.of_principal, &key), held(&self.of_task, &about.task.id));
        if task >= bounds.task {
            return Some(format!("{task} requests of this task wait for people already; none is asked beside them"));
        }
        if own >= bounds.principal {
            return Some(format!("{own} requests of `{key}` wait for people already; none is asked beside them"));
        }
        if self.pending >= bounds.all {
            return Some(format!("{} requests wait for people already; none is asked beside them", self.pending));
        }
        (self.pending_bytes.saturating_add(bytes) > BYTES_MAX)
            .then(|| "the requests that wait hold as much as the gate has room for".to_owned())
    }

    /// Adds a request; from now on it is the one for its call.
    pub(super) fn insert(&mut self, entry: Entry) {
        let (id, call) = (entry.request.id().to_owned(), entry.request.call());
        if entry.is_pending() {
            self.count(&entry, true);
        }
        self.by_call.insert(call, id.clone());
        self.entries.insert(id, entry);
    }

    /// From now on this request is the one for its call.
    pub(super) fn is_latest(&mut self, id: &str) {
        if let Some(entry) = self.entries.get(id) {
            self.by_call.insert(entry.request.call(), id.to_owned());
        }
    }

    /// Makes a step, and wakes whoever waits for it. Nothing where there is no such request.
    pub(super) fn step<T>(&mut self, id: &str, step: impl FnOnce(&mut Request) -> T) -> Option<T> {
        let mut entry = self.entries.remove(id)?;
        let before = entry.is_pending();
        let done = step(&mut entry.request);
        if before && !entry.is_pending() {
            self.count(&entry, false);
        }
        entry.turn.send_replace(());
        self.entries.insert(id.to_owned(), entry);
        Some(done)
    }

    pub(super) fn remove(&mut self, id: &str) {
        let Some(entry) = self.entries.remove(id) else { return };
        if entry.is_pending() {
            self.count(&entry, false);
        }
        let call = entry.request.call();
        if self.by_call.get(&call).is_some_and(|latest| latest == id) {
            self.by_call.remove(&call);
        }
    }

    fn count(&mut self, entry: &Entry, more: bool) {
        let change = |count: &mut usize| {
            *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
            *count
        };
        change(&mut self.pending);
        let bytes = entry.bytes();
        self.pending_bytes =
            if more { self.pending_bytes.saturating_add(bytes) } else { self.pending_bytes.saturating_sub(bytes) };
        let names =
            [(&mut self.of_principal, entry.about.principal.key()), (&mut self.of_task, entry.about.task.id.clone())];
        for (of, name) in names {
            if change(of.entry(name.clone()).or_default()) == 0 {
                of.remove(&name);
            }
        }
    }
}
