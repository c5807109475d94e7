//! The requests in memory: by id, by call, and how many wait for whom. Whoever holds the lock on it sees all of them at one
//! moment; it waits for nothing and tells nobody.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pdp::approval::{Identity, Request, Shown, State};
use pdp::digest::Digest;
use pdp::registry::{Server, Tool};
use pep::ports::Hold;
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
    /// The call as it is stored, where it is not stored whole.
    stored: Option<Arc<Identity>>,
    /// About how much memory it takes.
    bytes: usize,
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
        let (stored, bytes) = (stored(&request, &about), bytes(&request, &about));
        let (waiting, asked, viewed) = (0, 0, BTreeSet::new());
        Self { request, about, entries: None, whole: true, stored, bytes, waiting, asked, viewed, turn }
    }

    /// A request as it was stored.
    pub(super) fn read(request: Request, about: Arc<About>, whole: bool, asked: u32) -> Self {
        // What was stored of it is what may be stored.
        Self { stored: None, whole, asked, ..Self::new(request, about) }
    }

    /// The call as it is stored, where it is not stored whole.
    pub(super) fn stored(&self) -> Option<&Arc<Identity>> {
        self.stored.as_ref()
    }

    /// Whether the registry has the server and the tool of this call as they were when people were shown it.
    pub(super) fn is_of(&self, hold: &Hold) -> bool {
        // After a restart there is what was shown of them, and nothing else.
        let Some((server, tool)) = &self.entries else { return self.about.shows(hold) };
        let same_tool = match (tool, &hold.tool) {
            (Some(was), Some(now)) => Arc::ptr_eq(was, now) || was.is_same_as(now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_tool && (Arc::ptr_eq(server, &hold.server) || server.is_same_as(&hold.server))
    }

    fn is_pending(&self) -> bool {
        matches!(self.request.state(), State::Pending(_))
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The call as it is stored, where something of it must not be.
fn stored(request: &Request, about: &About) -> Option<Arc<Identity>> {
    let arguments = about.storable(&request.identity().arguments)?;
    Some(Arc::new(Identity { arguments, ..(**request.identity()).clone() }))
}

/// About how much memory a request takes: what a client, a host and a server may make long.
fn bytes(request: &Request, about: &About) -> usize {
    let goal = about.task.goal.as_ref().map_or(0, String::len);
    let claims = about.action.claimed.to_string().len();
    [goal, claims].into_iter().fold(request.identity().arguments.len(), usize::saturating_add)
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

/// How many bytes the requests that wait may hold, and those that are over beside them.
pub(super) const BYTES_MAX: usize = 64 << 20;
/// How many of them one principal's may.
const PRINCIPAL_BYTES_MAX: usize = BYTES_MAX / 8;
/// How long the arguments of one may be: nobody reads more before they decide.
pub(super) const ARGUMENTS_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Book {
    entries: HashMap<String, Entry>,
    /// The latest request for each call.
    by_call: HashMap<Digest, String>,
    pending: usize,
    pending_bytes: usize,
    /// How many wait of each principal, and how many bytes they hold.
    of_principal: HashMap<String, (usize, usize)>,
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

    /// Why this one may not wait beside the others, if so, in words.
    pub(super) fn full(&self, entry: &Entry, bounds: &Bounds) -> Option<String> {
        let key = entry.about.principal.key();
        let (own, own_bytes) = self.of_principal.get(&key).copied().unwrap_or_default();
        let task = self.of_task.get(&entry.about.task.id).copied().unwrap_or_default();
        if task >= bounds.task {
            return Some(format!("{task} requests of this task wait for people already; none is asked beside them"));
        }
        if own >= bounds.principal {
            return Some(format!("{own} requests of `{key}` wait for people already; none is asked beside them"));
        }
        if self.pending >= bounds.all {
            return Some(format!("{} requests wait for people already; none is asked beside them", self.pending));
        }
        if own_bytes.saturating_add(entry.bytes) > PRINCIPAL_BYTES_MAX {
            return Some(format!(
                "the requests of `{key}` that wait hold {own_bytes} bytes already, and at most {PRINCIPAL_BYTES_MAX} may"
            ));
        }
        (self.pending_bytes.saturating_add(entry.bytes) > BYTES_MAX)
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

    /// A request that waits is shown as this call is now, and whoever said yes says it again. Answers whether it waits.
    pub(super) fn changed(&mut self, id: &str, shown: Shown, about: Arc<About>) -> bool {
        self.recounted(id, |entry| {
            let changed = entry.request.change(shown);
            if changed {
                entry.about = about;
            }
            changed
        })
    }

    /// The arguments of a request that was stored without some of them are there again, from the same call.
    pub(super) fn restored(&mut self, id: &str, hold: &Hold) -> bool {
        self.recounted(id, |entry| {
            let restored = !entry.whole && entry.request.restore(&hold.identity);
            entry.whole |= restored;
            restored
        })
    }

    /// Makes a step that changes what is counted of a request.
    fn recounted(&mut self, id: &str, step: impl FnOnce(&mut Entry) -> bool) -> bool {
        let Some(mut entry) = self.entries.remove(id) else { return false };
        if entry.is_pending() {
            self.count(&entry, false);
        }
        let done = step(&mut entry);
        entry.bytes = bytes(&entry.request, &entry.about);
        if entry.whole {
            entry.stored = stored(&entry.request, &entry.about);
        }
        if entry.is_pending() {
            self.count(&entry, true);
        }
        entry.turn.send_replace(());
        self.entries.insert(id.to_owned(), entry);
        done
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
        let change = |count: &mut usize, by: usize| {
            *count = if more { count.saturating_add(by) } else { count.saturating_sub(by) };
        };
        change(&mut self.pending, 1);
        change(&mut self.pending_bytes, entry.bytes);
        let key = entry.about.principal.key();
        let (own, own_bytes) = self.of_principal.entry(key.clone()).or_default();
        change(own, 1);
        change(own_bytes, entry.bytes);
        if *own == 0 {
            self.of_principal.remove(&key);
        }
        let task = &entry.about.task.id;
        let of_task = self.of_task.entry(task.clone()).or_default();
        change(of_task, 1);
        if *of_task == 0 {
            self.of_task.remove(task);
        }
    }
}
