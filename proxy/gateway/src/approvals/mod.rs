//! Approvals: the people behind the pipeline's port. Requests are made by calls that need people, decided over the control
//! plane, and spent by the identical call; each step is durable before it counts for anybody, and recorded in the trace of
//! the task it belongs to.
//!
//! What may follow from what is `pdp::approval`'s; who comes and what they are shown is the control plane's. No decision can
//! be made from here for an agent.

mod about;
mod ask;
mod book;
mod decide;
mod notify;
mod rejudge;
mod store;
mod sweep;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::Context as _;
use pdp::approval::{GrantRules, Request, State};
use pdp::record::{Entry as LedgerEntry, Event};
use pep::ports::{Clock, Entropy, Ledger, LedgerFault, Snapshots};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::notices::Notices;
use book::{Book, Entry};
use store::{File, Kept};

pub use about::{About, AboutAction, AboutServer, AboutTask};
pub use book::Bounds;
pub use decide::DecideFault;
pub use store::KeepFault;

/// How many changes a reader may be behind before it is told to look at everything anew.
const BEHIND_MAX: usize = 1024;
/// The letters of an id: base32 (RFC 4648) in lower case.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// How approvals are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a request waits for people, in microseconds.
    pub pending_us: i64,
    /// How long what is granted may be used, in microseconds.
    pub granted_us: i64,
    /// How long a no is remembered, in microseconds.
    pub refused_us: i64,
    /// How many may wait.
    pub bounds: Bounds,
    /// Who may give what.
    pub rules: GrantRules,
}

/// What the requests need of the world.
#[derive(Debug, Clone)]
pub struct World {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For ids nobody can guess.
    pub entropy: Arc<dyn Entropy>,
    /// Where every step is recorded.
    pub ledger: Arc<dyn Ledger>,
    /// The law of the moment.
    pub snapshots: Arc<dyn Snapshots>,
}

/// All requests of this gate.
#[derive(Debug)]
pub struct Requests {
    book: Mutex<Book>,
    file: File,
    settings: Settings,
    world: World,
    changes: broadcast::Sender<Arc<str>>,
    /// Where people find them, without the id.
    place: OnceLock<String>,
    /// Who tells people that something waits.
    notices: OnceLock<Arc<Notices>>,
}

/// A request as it stands.
#[derive(Debug, Clone)]
pub struct Sight {
    /// What it binds, where it stands, what was decided.
    pub request: Request,
    /// What else is shown.
    pub about: Arc<About>,
    /// Whether its arguments are all there: after a restart the sensitive ones are not.
    pub whole: bool,
    /// How many calls wait for it.
    pub waiting: u32,
    /// How many calls have asked for it.
    pub asked: u32,
}

impl Sight {
    fn of(entry: &Entry) -> Self {
        let Entry { request, about, whole, waiting, asked, .. } = entry;
        Self { request: request.clone(), about: Arc::clone(about), whole: *whole, waiting: *waiting, asked: *asked }
    }
}

/// A row of the file, as it is read.
#[derive(Deserialize)]
struct Row {
    request: Request,
    about: About,
    whole: bool,
    asked: u32,
}

/// The same, as it is written.
#[derive(Serialize)]
struct RowOf<'a> {
    request: &'a Request,
    about: &'a About,
    whole: bool,
    asked: u32,
}

impl Requests {
    /// Opens what is kept in this data directory. Blocks.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(data: &Path, settings: Settings, world: World) -> anyhow::Result<Self> {
        let path = data.join("approvals.db");
        let (file, rows) = File::open(&path)?;
        let mut kept = Vec::new();
        for row in rows {
            let row: Row = serde_json::from_str(&row)
                .with_context(|| format!("a row of {} cannot be read: move the file away", path.display()))?;
            kept.push(row);
        }
        // The latest of one call comes last, and is the one for it.
        kept.sort_by(|a, b| (a.request.created_us(), a.request.id()).cmp(&(b.request.created_us(), b.request.id())));
        let mut book = Book::default();
        for Row { request, about, whole, asked } in kept {
            book.insert(Entry::read(request, Arc::new(about), whole, asked));
        }
        let (changes, _) = broadcast::channel(BEHIND_MAX);
        Ok(Self {
            book: Mutex::new(book),
            file,
            settings,
            world,
            changes,
            place: OnceLock::new(),
            notices: OnceLock::new(),
        })
    }

    /// Says where people find requests: the console's address, without its path.
    pub fn found_at(&self, base: &str) {
        // The first word counts: the address of a running gate does not change.
        let _first = self.place.set(format!("{}/console/#/approvals/", base.trim_end_matches('/')));
    }

    /// Where people find this request. It names it and opens nothing.
    #[must_use]
    pub fn url(&self, id: &str) -> String {
        format!("{}{id}", self.place.get().map_or("", String::as_str))
    }

    /// What is configured of grants.
    #[must_use]
    pub fn rules(&self) -> &GrantRules {
        &self.settings.rules
    }

    /// One request as it stands now.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Sight> {
        self.locked().get(id).map(Sight::of)
    }

    /// The requests for which this holds, the latest first.
    #[must_use]
    pub fn list(&self, wanted: impl Fn(&Request, &About) -> bool) -> Vec<Sight> {
        let book = self.locked();
        let wanted = book.all().filter(|entry| wanted(&entry.request, &entry.about));
        let mut all: Vec<Sight> = wanted.map(Sight::of).collect();
        drop(book);
        let place = |sight: &Sight| (sight.request.created_us(), sight.request.id().to_owned());
        all.sort_by_key(|sight| std::cmp::Reverse(place(sight)));
        all
    }

    /// How many wait for people, of all tenants.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.locked().pending()
    }

    /// How many of one tenant wait for people.
    #[must_use]
    pub fn pending_of(&self, tenant: &str) -> usize {
        let book = self.locked();
        let waits = |entry: &&Entry| {
            matches!(entry.request.state(), State::Pending(_)) && entry.request.asker().tenant == tenant
        };
        book.all().filter(waits).count()
    }

    /// The ids of requests as they change, from now on. Whoever falls behind is told so, and looks at everything anew.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.changes.subscribe()
    }

    /// How many are told of changes now.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.changes.receiver_count()
    }

    /// Tells the ledger that somebody looked at a request, once for each of them.
    pub fn viewed(&self, id: &str, by: &str) {
        let mut book = self.locked();
        let Some(entry) = book.get_mut(id) else { return };
        if entry.viewed.insert(by.to_owned()) {
            let event = self.event(&entry.request, &entry.about, "approval_viewed", Some(by), "looked at");
            drop(book);
            self.record(event);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> i64 {
        self.world.clock.now_us()
    }

    /// An id that nobody can guess: 128 bits in 26 letters.
    fn fresh_id(&self) -> String {
        let mut bits = u128::from_be_bytes(self.world.entropy.bytes());
        let mut id = "ap_".to_owned();
        for _ in 0..26 {
            let letter = usize::try_from(bits & 31).ok().and_then(|at| LETTERS.get(at));
            id.push(letter.copied().map_or('a', char::from));
            bits >>= 5;
        }
        id
    }

    /// What the ledger says of a step, in the trace of the task that asked. It names no argument.
    fn event(&self, request: &Request, about: &About, what: &str, by: Option<&str>, words: &str) -> Event {
        let About { task, server, action, .. } = about;
        let grants: Vec<&str> = request.shown().grants.iter().map(String::as_str).collect();
        let (id, grants) = (request.id(), grants.join(", "));
        Event {
            by: by.map(str::to_owned),
            snapshot: Some(self.world.snapshots.current().digest()),
            task: Some(task.id.clone()),
            trace: Some(task.trace.clone()),
            ..Event::new(
                self.now_us(),
                what,
                format!("{id}: `{}` of `{}` for {grants}: {words}", action.name, server.name),
            )
        }
    }

    /// Records a step that counts whether or not it can be recorded.
    fn record(&self, event: Event) {
        let what = event.what.clone();
        if let Err(e) = self.recorded(event) {
            tracing::error!("`{what}` could not be recorded: {e}");
        }
    }

    /// Records a step that counts only if it can be recorded. It stands in the ledger before whatever follows from it.
    fn recorded(&self, event: Event) -> Result<(), LedgerFault> {
        self.world.ledger.append(LedgerEntry::Event(event))
    }

    /// Hands a request as it stands to the disk, and tells whoever looks at requests.
    fn keep(&self, entry: &Entry) -> Kept {
        let Entry { request, about, whole, asked, .. } = entry;
        let (whole, asked) = (*whole && entry.stored().is_none(), *asked);
        let without = entry.stored().map(|identity| request.stored_as(identity));
        let row = RowOf { request: without.as_ref().unwrap_or(request), about, whole, asked };
        self.tell(request.id());
        // Plain data with ordered maps: it can always be written.
        self.file.keep(request.id(), Some(serde_json::to_string(&row).unwrap_or_default()))
    }

    /// Tells whoever looks at requests that this one is not as it was. Nobody may be looking.
    fn tell(&self, id: &str) {
        let _listeners = self.changes.send(Arc::from(id));
    }
}
