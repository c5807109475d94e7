//! A channel: the standing relation of one caller with one server. For legacy clients it is the MCP session, for modern
//! ones the pair of principal and server. It remembers what the server last listed and what it has asked the client.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pdp::digest::Digest;
use pdp::snapshot::Snapshot;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::content::Context;
use crate::fair::{self, Held};
use crate::job::Jobs;
use crate::notice;
use crate::task::Task;

/// One channel.
#[derive(Debug)]
pub struct Channel {
    server: String,
    principal: String,
    session: Option<String>,
    task: Option<Arc<Task>>,
    protocol: Option<String>,
    /// Whether the server said that it tells of changes to its list of tools.
    tells: bool,
    /// What its client called itself when it opened the session.
    client: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The digests of the live definitions, once a listing is whole.
    listed: Option<Listing>,
    /// Listings under way: what their pages held so far, by the cursor of the page that is to come.
    pages: HashMap<String, HashMap<String, Digest>>,
    /// Server requests that were passed to the client and wait for its answer: their methods, by id as written.
    asked: HashMap<String, String>,
    /// Requests whose stream carries event ids and has not brought the answer: the client may come back for it on another
    /// stream. By id as written, the oldest first.
    owed: VecDeque<(String, Arc<Context>)>,
    /// Requests of the client's that are under way, by id as written. A standing channel may hold one id twice: its
    /// callers do not know of each other.
    underway: HashMap<String, Vec<Arc<watch::Sender<Option<Instant>>>>>,
    /// How often what may be listed has changed by the registry, and how often a session was told so.
    relisted: u64,
    told: u64,
    last_us: i64,
}

#[derive(Debug, Clone)]
struct Listing {
    tools: Arc<HashMap<String, Digest>>,
    at_us: i64,
}

/// What is known of a tool's live definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    /// The server lists it with this digest.
    Is(Digest),
    /// The server lists its tools, and this one is not among them.
    Gone,
    /// No listing is known, or it is too old.
    Unknown,
}

/// How long a cancelled request may still be answered.
const CANCEL_GRACE: Duration = Duration::from_secs(2);
/// How many of a server's questions one client may have open.
const ASKED_MAX: usize = 256;
/// How many answers of one session a server may owe. Beyond it the oldest can no longer be taken up.
const OWED_MAX: usize = 64;
/// How many listings of one channel may be under way. Beyond it all begin anew: they are few, and quick.
const LISTINGS_MAX: usize = 64;

/// A page of a listing: the cursor it was asked for by, nothing for the first, and the one it names for the next,
/// nothing on the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) at: Option<&'a str>,
    pub(crate) next: Option<&'a str>,
}

impl Channel {
    /// The channel of a session.
    pub(crate) fn of_session(
        server: &str,
        principal: &str,
        session: &str,
        task: Arc<Task>,
        protocol: Option<String>,
        tells: bool,
    ) -> Self {
        Self {
            server: server.to_owned(),
            principal: principal.to_owned(),
            session: Some(session.to_owned()),
            task: Some(task),
            protocol,
            tells,
            client: None,
            state: Mutex::default(),
        }
    }

    fn standing(server: &str, principal: &str) -> Self {
        Self {
            server: server.to_owned(),
            principal: principal.to_owned(),
            session: None,
            task: None,
            protocol: None,
            tells: false,
            client: None,
            state: Mutex::default(),
        }
    }

    /// The same channel, whose client calls itself so.
    pub(crate) fn named(self, client: Option<String>) -> Self {
        Self { client, ..self }
    }

    /// What its client called itself when it opened the session.
    pub(crate) fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The session's id, for legacy clients.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The server's name.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The key of the principal it belongs to.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    pub(crate) fn task(&self) -> Option<&Arc<Task>> {
        self.task.as_ref()
    }

    /// The protocol revision that was negotiated.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Takes one page of a listing; the last makes the whole known. Pages are joined by their cursors, since several
    /// clients may leaf through one channel at a time. A page whose predecessor is not known completes nothing.
    fn take_page(&self, page: Page<'_>, tools: impl IntoIterator<Item = (String, Digest)>, now_us: i64) {
        self.locked(|state| {
            let so_far = page.at.map_or_else(|| Some(HashMap::new()), |at| state.pages.remove(at));
            let Some(mut listing) = so_far else { return };
            for (name, digest) in tools {
                // Of two definitions of one name nobody can say which one a call would meet.
                listing.entry(name).and_modify(|known| *known = ambiguous()).or_insert(digest);
            }
            match page.next {
                None => state.listed = Some(Listing { tools: Arc::new(listing), at_us: now_us }),
                Some(next) => {
                    if state.pages.len() >= LISTINGS_MAX {
                        state.pages.clear();
                    }
                    state.pages.insert(next.to_owned(), listing);
                }
            }
        });
    }

    /// Keeps one copy of a listing that many sessions were given, which most are.
    fn share(&self, known: &mut HashMap<String, Arc<HashMap<String, Digest>>>) {
        self.locked(|state| {
            let Some(listing) = &mut state.listed else { return };
            match known.get(&self.server) {
                Some(same) if *same == listing.tools => listing.tools = Arc::clone(same),
                Some(_) | None => {
                    known.insert(self.server.clone(), Arc::clone(&listing.tools));
                }
            }
        });
    }

    /// Forgets what was listed, whole or in part: the server says its list has changed.
    pub(crate) fn forget_listing(&self) {
        self.locked(|state| {
            state.listed = None;
            state.pages.clear();
        });
    }

    /// Takes note of another registry. Answers whether what this channel's client may list has changed by it.
    fn relist(&self, before: &Snapshot, now: &Snapshot) -> bool {
        let (before, now) = (before.server(&self.server), now.server(&self.server));
        self.locked(|state| {
            let listed = state.listed.as_ref().map(|listing| &*listing.tools);
            let changed = notice::shows_otherwise(listed, before.map(AsRef::as_ref), now.map(AsRef::as_ref));
            state.relisted = state.relisted.saturating_add(u64::from(changed));
            changed
        })
    }

    /// How often what may be listed has changed by the registry.
    pub(crate) fn relistings(&self) -> u64 {
        self.locked(|state| state.relisted)
    }

    /// Whether this session is to be told that what it may list has changed. Answers true once for all that changed.
    pub(crate) fn take_relisting(&self) -> bool {
        self.tells && self.locked(|state| std::mem::replace(&mut state.told, state.relisted) != state.relisted)
    }

    pub(crate) fn live(&self, tool: &str, now_us: i64, age_max_us: i64) -> Live {
        self.locked(|state| match &state.listed {
            Some(listing) if now_us - listing.at_us <= age_max_us => {
                listing.tools.get(tool).map_or(Live::Gone, |digest| Live::Is(*digest))
            }
            Some(_) | None => Live::Unknown,
        })
    }

    /// Remembers a server's question. Answers false where too many are open.
    pub(crate) fn asked(&self, id: &str, method: &str) -> bool {
        self.locked(|state| {
            let free = state.asked.len() < ASKED_MAX && !state.asked.contains_key(id);
            free && state.asked.insert(id.to_owned(), method.to_owned()).is_none()
        })
    }

    /// The method of the open question that a client's answer answers; each can be answered once.
    pub(crate) fn answered(&self, id: &str) -> Option<String> {
        self.locked(|state| state.asked.remove(id))
    }

    /// The answer to this request may come on another stream. In a session alone: elsewhere an id is not one request's.
    pub(crate) fn owe(&self, id: &str, context: &Arc<Context>) {
        if self.session.is_none() {
            return;
        }
        self.locked(|state| {
            state.owed.retain(|(other, _)| other != id);
            if state.owed.len() >= OWED_MAX {
                state.owed.pop_front();
            }
            state.owed.push_back((id.to_owned(), Arc::clone(context)));
        });
    }

    /// By what the answer to this request is labelled, where it may come on another stream. More than once: the connection
    /// that brings it may break as well, and a client that did not see it asks for it again.
    pub(crate) fn owed(&self, id: &str) -> Option<Arc<Context>> {
        self.locked(|state| state.owed.iter().find(|(other, _)| other == id).map(|(_, context)| Arc::clone(context)))
    }

    /// A request begins; it is under way until the answer is dropped.
    pub(crate) fn begin(self: &Arc<Self>, id: &str) -> Underway {
        let cancelled = Arc::new(watch::Sender::new(None));
        self.locked(|state| state.underway.entry(id.to_owned()).or_default().push(Arc::clone(&cancelled)));
        Underway { channel: Arc::clone(self), id: id.to_owned(), cancelled }
    }

    /// The client cancels a request. Where several bear its id nobody can say which is meant, and none is cancelled.
    pub(crate) fn cancel(&self, id: &str) {
        let found = self.locked(|state| state.underway.get(id).cloned().unwrap_or_default());
        if let [one] = found.as_slice() {
            one.send_replace(Some(Instant::now()));
        }
    }

    fn touch(&self, now_us: i64) {
        self.locked(|state| state.last_us = state.last_us.max(now_us));
    }

    fn last_us(&self) -> i64 {
        self.locked(|state| state.last_us)
    }

    fn locked<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request of the client's that is under way.
#[derive(Debug)]
pub(crate) struct Underway {
    channel: Arc<Channel>,
    id: String,
    cancelled: Arc<watch::Sender<Option<Instant>>>,
}

impl Underway {
    /// Whether the client has cancelled the request.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.borrow().is_some()
    }

    /// Returns as soon as the client has cancelled the request.
    pub(crate) async fn given_up(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.cancelled.subscribe().wait_for(Option::is_some).await;
    }

    /// Returns when the client has cancelled the request and the server has had time to say so itself: some answer a
    /// cancelled request, most do not, and then nothing else would end it.
    pub(crate) async fn cancelled(&self) {
        let mut seen = self.cancelled.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let at = seen.wait_for(Option::is_some).await.ok().and_then(|at| *at);
        tokio::time::sleep_until(at.unwrap_or_else(Instant::now) + CANCEL_GRACE).await;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.channel.locked(|state| {
            let rest = state.underway.get_mut(&self.id).map(|all| {
                all.retain(|one| !Arc::ptr_eq(one, &self.cancelled));
                all.len()
            });
            if rest == Some(0) {
                state.underway.remove(&self.id);
            }
        });
    }
}

/// The open channels. Bounded: of whoever holds most the longest idle goes first.
#[derive(Debug)]
pub struct Channels {
    by_key: Mutex<HashMap<String, Arc<Channel>>>,
    /// The last listing of each server.
    listings: Mutex<HashMap<String, Arc<HashMap<String, Digest>>>>,
    open_max: usize,
    jobs: Jobs,
    /// Moves on when there is something to tell.
    bulletin: watch::Sender<u64>,
}

impl Channels {
    /// A store of at most `open_max` channels.
    #[must_use]
    pub fn new(open_max: usize) -> Self {
        let (listings, jobs, bulletin) = (Mutex::default(), Jobs::default(), watch::Sender::new(0));
        Self { by_key: Mutex::default(), listings, open_max, jobs, bulletin }
    }

    /// The session of this id, if it is this principal's. A session id is no authentication: another's is unknown.
    pub(crate) fn session(&self, server: &str, session: &str, principal: &str, now_us: i64) -> Option<Arc<Channel>> {
        let channels = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let found = channels.get(&session_key(server, session)).filter(|c| c.principal == principal)?;
        found.touch(now_us);
        Some(Arc::clone(found))
    }

    /// The standing channel of a principal with a server.
    pub(crate) fn standing(&self, server: &str, principal: &str, now_us: i64) -> Arc<Channel> {
        let key = format!("standing {server} {principal}");
        let mut channels = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = channels.get(&key) {
            found.touch(now_us);
            return Arc::clone(found);
        }
        self.insert(&mut channels, key, Channel::standing(server, principal), now_us)
    }

    /// A channel that nobody remembers: for a frame that leads to no server there is nothing to keep.
    pub(crate) fn passing(server: &str, principal: &str) -> Arc<Channel> {
        Arc::new(Channel::standing(server, principal))
    }

    /// Opens a session's channel.
    pub(crate) fn open(&self, channel: Channel, now_us: i64) -> Arc<Channel> {
        let key = session_key(&channel.server, channel.session.as_deref().unwrap_or_default());
        let mut channels = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        self.insert(&mut channels, key, channel, now_us)
    }

    /// Ends a session.
    pub(crate) fn close(&self, server: &str, session: &str) {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner).remove(&session_key(server, session));
    }

    /// Takes one page of a listing, see [`Channel::take_page`].
    pub(crate) fn take_page(
        &self,
        channel: &Channel,
        page: Page<'_>,
        tools: impl IntoIterator<Item = (String, Digest)>,
        now_us: i64,
    ) {
        channel.take_page(page, tools, now_us);
        if page.next.is_none() {
            channel.share(&mut self.listings.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// The servers' long-running work: it outlives the channel it was begun in.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Another snapshot is in force: whoever may list other tools by it is told so, on the streams that are open for it.
    /// Answers how many channels that concerns.
    pub fn relist(&self, before: &Snapshot, now: &Snapshot) -> usize {
        let all: Vec<Arc<Channel>> = {
            let channels = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
            channels.values().map(Arc::clone).collect()
        };
        let concerned = all.iter().filter(|channel| channel.relist(before, now)).count();
        if concerned > 0 {
            self.bulletin.send_modify(|times| *times = times.wrapping_add(1));
        }
        concerned
    }

    /// Moves on when there is something to tell.
    pub(crate) fn bulletin(&self) -> watch::Receiver<u64> {
        self.bulletin.subscribe()
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn insert(
        &self,
        channels: &mut HashMap<String, Arc<Channel>>,
        key: String,
        channel: Channel,
        now_us: i64,
    ) -> Arc<Channel> {
        if channels.len() >= self.open_max {
            let held = channels.iter().map(|(key, c)| Held { key, owner: &c.principal, last_us: c.last_us() });
            if let Some(key) = fair::victim(held) {
                channels.remove(&key);
            }
        }
        let channel = Arc::new(channel);
        channel.touch(now_us);
        channels.insert(key, Arc::clone(&channel));
        channel
    }
}

/// The digest of no definition.
pub(crate) fn ambiguous() -> Digest {
    Digest::of_bytes(b"ambiguous")
}

fn session_key(server: &str, session: &str) -> String {
    format!("session {server} {session}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_listing_counts_when_its_last_page_is_in_and_until_it_is_old_or_changed() {
        let channel = Channel::standing("s", "p");
        let digest = Digest::of_bytes(b"x");
        assert_eq!(channel.live("a", 0, 100), Live::Unknown);
        let (first, last) = (Page { at: None, next: Some("2") }, Page { at: Some("2"), next: None });
        channel.take_page(last, [("b".to_owned(), digest)], 0);
        channel.take_page(first, [("a".to_owned(), digest)], 0);
        assert_eq!(channel.live("a", 0, 100), Live::Unknown);
        channel.take_page(last, [("b".to_owned(), digest)], 5);
        assert_eq!(channel.live("a", 100, 100), Live::Is(digest));
        assert_eq!(channel.live("c", 100, 100), Live::Gone);
        assert_eq!(channel.live("a", 106, 100), Live::Unknown);
        channel.take_page(first, [("a".to_owned(), digest)], 6);
        channel.forget_listing();
        assert_eq!(channel.live("a", 6, 100), Live::Unknown);
        channel.take_page(last, [("b".to_owned(), digest)], 6);
        assert_eq!(channel.live("b", 6, 100), Live::Unknown);
        channel.take_page(first, [("a".to_owned(), digest)], 6);
        channel.take_page(last, [("a".to_owned(), digest)], 6);
        assert_eq!(channel.live("a", 6, 100), Live::Is(ambiguous()));
    }

    #[test]
    fn equal_listings_are_kept_once() {
        let channels = Channels::new(9);
        let tools = |name: &str| [(name.to_owned(), Digest::of_bytes(b"x"))];
        let whole = Page { at: None, next: None };
        let kept = |principal: &str, name: &str| {
            let channel = channels.standing("s", principal, 0);
            channels.take_page(&channel, whole, tools(name), 0);
            channel.locked(|state| Arc::clone(&state.listed.as_ref().unwrap().tools))
        };
        let first = kept("p", "a");
        assert!(Arc::ptr_eq(&first, &kept("q", "a")));
        let other = kept("r", "b");
        assert_eq!(*other, HashMap::from(tools("b")));
        assert!(Arc::ptr_eq(&other, &kept("p", "b")) && *first == HashMap::from(tools("a")));
    }

    #[test]
    fn who_opens_many_channels_pushes_out_his_own() {
        let channels = Channels::new(4);
        let task = Arc::new(Task::new("t".into(), "0".repeat(32)));
        channels.open(Channel::of_session("s", "quiet", "1", task, None, false), 0);
        for n in 1..50 {
            channels.standing(&format!("s{n}"), "loud", n);
        }
        assert_eq!(channels.len(), 4);
        assert!(channels.session("s", "1", "quiet", 50).is_some());
        assert!(channels.by_key.lock().unwrap().contains_key("standing s49 loud"));
    }

    #[test]
    fn anothers_session_is_unknown() {
        let channels = Channels::new(9);
        let task = Arc::new(Task::new("t".into(), "0".repeat(32)));
        channels.open(Channel::of_session("s", "p", "1", task, None, false), 0);
        assert!(channels.session("s", "1", "p", 0).is_some());
        assert!(channels.session("s", "1", "q", 0).is_none());
        assert!(channels.session("other", "1", "p", 0).is_none());
        channels.close("s", "1");
        assert!(channels.session("s", "1", "p", 0).is_none());
        let standing = channels.standing("s", "p", 0);
        assert!(standing.asked("1", "ping") && !standing.asked("1", "roots/list"));
        assert_eq!(standing.answered("1").as_deref(), Some("ping"));
        assert_eq!(standing.answered("1"), None);
        assert_eq!(channels.standing("s", "p", 0).server(), channels.standing("s", "p", 1).server());
        assert_eq!(channels.len(), 1);
        channels.standing("s", "q", 0);
        assert_eq!(channels.len(), 2, "{:?}", channels.by_key.lock().unwrap().keys());
    }
}
