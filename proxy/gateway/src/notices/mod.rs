//! Notices: people are told that something waits for them, and where to look. A notice identifies a request and authorises
//! nothing; the console is where decisions are made.
//!
//! What is told is what the gate verified: who asks, of which server what, the grants and the rules' reasons, until when.
//! Never arguments, and nothing that a client, a server or a model wrote but names, which are escaped and clipped. No call
//! waits for a notice: it is handed over and sent beside. What was delivered and what was given up is an event of the ledger.

mod body;
mod mail;
pub(crate) mod reach;
mod retry;
mod send;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pdp::record::{Entry, Event};
use pep::ports::{BoxFuture, Clock, Ledger};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::NoticeRule;
use retry::{Failure, GIVE_UP, Waits};
use send::Sender;

/// How many notices of one channel may be on their way or wait to be tried again. What is more is given up at once.
pub const QUEUE_MAX: usize = 256;
/// How long a stop waits for notices that are being sent.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// A request waits for people.
    Asked,
    /// It waits no more: it was granted or refused, or the law now decides it.
    Decided,
    /// Nobody decided it in time.
    Expired,
}

impl Told {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Asked, Self::Decided, Self::Expired];

    /// The word for it, in the configuration and in what is sent.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Decided => "decided",
            Self::Expired => "expired",
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All its grants were given.
    Granted,
    /// Somebody said no.
    Refused,
    /// The law changed: it is allowed or denied without people.
    Closed,
}

impl Outcome {
    /// The word for it in what is sent.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Closed => "closed",
        }
    }
}

/// Something that people are told about a request. What is not verified does not belong here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The request's id, `ap_...`.
    pub id: String,
    /// What happened.
    pub event: Told,
    /// What came of it, where it was decided.
    pub outcome: Option<Outcome>,
    /// The caller's tenant.
    pub tenant: String,
    /// The caller's key, `tenant/agent`.
    pub agent: String,
    /// The person it acts for; empty for nobody.
    pub user: String,
    /// The server's name in the registry.
    pub server: String,
    /// The tool, or what the method acts on.
    pub action: String,
    /// The grants it needs.
    pub grants: Vec<String>,
    /// Why: the reasons of the rules that ask for them, or the rules' ids where they give none.
    pub reasons: Vec<String>,
    /// When it expires, in microseconds since 1970-01-01T00:00Z.
    pub expires_us: i64,
    /// Whose decision it was, by their keys.
    pub decided_by: Option<String>,
    /// The task it belongs to, for the ledger.
    pub task: Option<String>,
    /// That task's trace.
    pub trace: Option<String>,
    /// Whether it is one of `wicketgate notices test`, about nothing.
    pub test: bool,
}

/// The channels, and what is on its way to them.
pub struct Notices {
    channels: Vec<Arc<Line>>,
    shared: Arc<Shared>,
    on_their_way: TaskTracker,
    stop: CancellationToken,
}

/// What all channels need.
struct Shared {
    /// Where people reach the console, without a slash at its end.
    console: String,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
}

/// Whoever sends to one channel.
trait Attempt: Send + Sync {
    /// Sends a notice once.
    fn once<'a>(&'a self, notice: &'a Notice, console: &'a str, now_us: i64) -> BoxFuture<'a, Result<(), Failure>>;

    /// Whether what it needs can be read now.
    fn is_ready(&self) -> BoxFuture<'_, Result<(), String>>;
}

impl Attempt for Sender {
    fn once<'a>(&'a self, notice: &'a Notice, console: &'a str, now_us: i64) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.send(notice, console, now_us))
    }

    fn is_ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.ready())
    }
}

/// One channel.
struct Line {
    rule: NoticeRule,
    attempt: Box<dyn Attempt>,
    /// A place for each notice.
    places: Arc<Semaphore>,
    /// One is sent at a time, in the order in which they came.
    turn: Semaphore,
}

impl Line {
    fn new(rule: NoticeRule, attempt: Box<dyn Attempt>) -> Arc<Self> {
        Arc::new(Self { rule, attempt, places: Arc::new(Semaphore::new(QUEUE_MAX)), turn: Semaphore::new(1) })
    }

    fn wants(&self, notice: &Notice) -> bool {
        let NoticeRule { grants, tenants, events, .. } = &self.rule;
        events.contains(&notice.event)
            && (grants.is_empty() || notice.grants.iter().any(|grant| grants.contains(grant)))
            && (tenants.is_empty() || tenants.contains(&notice.tenant))
    }
}

impl Notices {
    /// The channels that are configured. `console` is where people reach the console, without a slash at its end.
    ///
    /// # Errors
    /// When no HTTP client can be had.
    pub fn new(
        rules: &[NoticeRule],
        console: &str,
        ledger: Arc<dyn Ledger>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let line = |rule: &NoticeRule| Ok(Line::new(rule.clone(), Box::new(Sender::new(rule.clone())?)));
        let channels = rules.iter().map(line).collect::<Result<_, String>>()?;
        Ok(Self::over(channels, console, ledger, clock))
    }

    fn over(channels: Vec<Arc<Line>>, console: &str, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared { console: console.to_owned(), ledger, clock });
        Self { channels, shared, on_their_way: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// What is missing that the channels need: a variable, a file. For the log, at the start; each is looked for again
    /// whenever something is sent.
    pub async fn missing(&self) -> Vec<String> {
        let mut out = Vec::new();
        for line in &self.channels {
            if let Err(words) = line.attempt.is_ready().await {
                out.push(format!("the notice `{}` cannot be sent: {words}", line.rule.name));
            }
        }
        out
    }

    /// Hands a notice to each channel that wants it. Never waits, never fails; what does not fit is given up, and recorded.
    /// Must be called within the runtime.
    pub fn tell(&self, notice: &Notice) {
        for line in self.channels.iter().filter(|line| line.wants(notice)) {
            let Ok(place) = Arc::clone(&line.places).try_acquire_owned() else {
                let words = format!("{QUEUE_MAX} notices wait already");
                self.shared.record(&line.rule.name, notice, 0, Err(words));
                continue;
            };
            let (line, shared, stop) = (Arc::clone(line), Arc::clone(&self.shared), self.stop.clone());
            let notice = notice.clone();
            self.on_their_way.spawn(async move {
                deliver(&line, &shared, &stop, &notice).await;
                drop(place);
            });
        }
    }

    /// How many notices are on their way or wait to be tried again.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.on_their_way.len()
    }

    /// Gives up what is not delivered, and records that. Call it before the ledger is closed.
    pub async fn close(&self) {
        self.stop.cancel();
        self.on_their_way.close();
        if tokio::time::timeout(CLOSE_MAX, self.on_their_way.wait()).await.is_err() {
            tracing::warn!("notices were left that could not be given up in time");
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notices {{ channels: {}, waiting: {} }}", self.channels.len(), self.waiting())
    }
}

/// Sends one notice over one channel, again if need be.
async fn deliver(line: &Line, shared: &Shared, stop: &CancellationToken, notice: &Notice) {
    let tried = Mutex::new((0u32, String::new()));
    let read = || tried.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let attempts = async {
        let mut waits = Waits::new();
        loop {
            let failure = {
                // A semaphore that is never closed always answers.
                let _turn = line.turn.acquire().await;
                line.attempt.once(notice, &shared.console, shared.clock.now_us()).await
            };
            let count = read().0 + 1;
            let (outcome, wait) = match failure {
                Ok(()) => (Some(Ok(())), None),
                Err(Failure::Stands(words)) => (Some(Err(words)), None),
                Err(Failure::MayPass(words, asks_for)) => (None, Some((words, asks_for))),
            };
            let (words, asks_for) = wait.unwrap_or_default();
            *tried.lock().unwrap_or_else(PoisonError::into_inner) = (count, words);
            match outcome {
                Some(outcome) => return outcome,
                None => tokio::time::sleep(waits.next(asks_for, getrandom::u32().unwrap_or_default())).await,
            }
        }
    };
    let outcome = tokio::time::timeout(GIVE_UP, stop.run_until_cancelled(attempts)).await;
    let (count, last) = read();
    let after = |words: &str| if last.is_empty() { words.to_owned() } else { format!("{words}; at last: {last}") };
    let outcome = match outcome {
        Ok(Some(outcome)) => outcome,
        Ok(None) => Err(after("the gate stopped")),
        Err(_) => Err(after("its time is over")),
    };
    shared.record(&line.rule.name, notice, count, outcome);
}

impl Shared {
    /// Writes down what came of a notice.
    fn record(&self, name: &str, notice: &Notice, attempts: u32, outcome: Result<(), String>) {
        let times = if attempts == 1 { "attempt" } else { "attempts" };
        let told = format!("`{name}`, {} {}, {attempts} {times}", notice.id, notice.event.word());
        let (what, detail) = match outcome {
            Ok(()) => ("notice_delivered", told),
            Err(words) => {
                tracing::warn!("a notice was given up: {told}: {words}");
                ("notice_given_up", format!("{told}: {words}"))
            }
        };
        let event = Event {
            task: notice.task.clone(),
            trace: notice.trace.clone(),
            ..Event::new(self.clock.now_us(), what, detail)
        };
        if let Err(e) = self.ledger.append(Entry::Event(event)) {
            tracing::error!("`{what}` could not be recorded: {e}");
        }
    }
}

/// What `wicketgate notices test` found of one channel.
#[derive(Debug)]
pub struct Trial {
    /// The channel's name.
    pub name: String,
    /// Whether it took the notice; else why not.
    pub outcome: Result<(), String>,
}

/// Sends a notice that says it is a test to each channel, once, whatever they want to be told.
pub async fn test(rules: &[NoticeRule], console: &str, notice: &Notice, now_us: i64) -> Vec<Trial> {
    let mut out = Vec::new();
    for rule in rules {
        let outcome = match Sender::new(rule.clone()) {
            Err(words) => Err(words),
            Ok(sender) => sender.send(notice, console, now_us).await.map_err(|failure| match failure {
                Failure::MayPass(words, _) | Failure::Stands(words) => words,
            }),
        };
        out.push(Trial { name: rule.name.clone(), outcome });
    }
    out
}
