//! Servers that are child processes: one per client session for legacy clients, one per principal for modern ones.
//!
//! A legacy server keeps its client's state, so it is never shared. A modern one is stateless by specification; its
//! callers share one process, with ids made unique on the way in and restored on the way out.

mod child;
mod process;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pdp::record::FrameKind;
use pdp::registry::Server;
use pep::ports::SendFault;
use pep::{Answer, Channel, Dispatch, Outbound, Raw};
use tokio_util::task::TaskTracker;

use self::child::{Child, WriteFault};
use self::process::Spawn;
use super::conversation::{AskFault, First, session_id};
use super::route::{is_complete, modern_status};

/// The bounds of child processes.
#[derive(Debug, Clone, Copy)]
pub struct StdioLimits {
    /// How large one message may be, in bytes.
    pub bytes_max: usize,
    /// How many children may run at once.
    pub children_max: usize,
    /// How long an unused child is kept.
    pub idle: Duration,
    /// How long each step of ending a child may take: closed input, SIGTERM, SIGKILL.
    pub grace: Duration,
    /// How many starts one server may make within a minute.
    pub starts_per_minute: usize,
}

/// The way out to child processes.
#[derive(Debug)]
pub struct StdioUpstream {
    children: Arc<Mutex<HashMap<String, Arc<Child>>>>,
    starts: Mutex<HashMap<String, Vec<tokio::time::Instant>>>,
    /// What waits for the end of children that are no longer known by any key. Closed once nothing may be started any more.
    ends: TaskTracker,
    limits: StdioLimits,
    serial: AtomicU64,
}

impl StdioUpstream {
    /// A way out without children.
    #[must_use]
    pub fn new(limits: StdioLimits) -> Self {
        Self {
            children: Arc::default(),
            starts: Mutex::default(),
            ends: TaskTracker::new(),
            limits,
            serial: AtomicU64::new(1),
        }
    }

    /// How many children run now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends every child, at the same time, and waits for those whose end is under way. None starts from now on.
    pub(super) async fn close(&self) {
        self.ends.close();
        let children: Vec<Arc<Child>> = self.lock().drain().map(|(_, child)| child).collect();
        let ends = children.iter().map(|child| child.end());
        futures_util::future::join_all(ends).await;
        self.ends.wait().await;
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, dispatch: Dispatch) -> Result<Raw, SendFault> {
        self.end_idle();
        let opening = dispatch.kind() == FrameKind::Request && dispatch.method() == Some("initialize");
        let stateless =
            dispatch.is_modern() || matches!(dispatch.method(), Some("server/discover" | "subscriptions/listen"));
        if opening {
            return self.open(dispatch).await;
        }
        match dispatch.channel().session() {
            Some(session) => {
                let key = session_key(dispatch.channel().server(), session);
                let child = self.running(&key).ok_or(SendFault::NoSession)?;
                self.tell(child, &key, dispatch, false).await
            }
            None if stateless => {
                let key = shared_key(dispatch.channel());
                let child = match self.running(&key) {
                    Some(child) => child,
                    None => self.start(dispatch.server(), dispatch.secret(), &key)?,
                };
                self.tell(child, &key, dispatch, true).await
            }
            None => Err(SendFault::NeedsSession),
        }
    }

    /// Tells a child that its own request was refused. Answers false when no child is known by this channel.
    pub(super) fn answer(&self, answer: &Answer) -> bool {
        let channel = answer.channel();
        let key = match channel.session() {
            Some(session) => session_key(channel.server(), session),
            None => shared_key(channel),
        };
        let Some(child) = self.running(&key) else { return false };
        if let Err(fault) = child.write(answer.text().to_owned()) {
            tracing::warn!(server = channel.server(), "a refusal could not be told to the server: {fault:?}");
        }
        true
    }

    /// A legacy session opens: a child of its own, and a session id that the gate makes.
    async fn open(&self, dispatch: Dispatch) -> Result<Raw, SendFault> {
        let session = session_id()?;
        let key = session_key(&dispatch.server().name, &session);
        let child = self.start(dispatch.server(), dispatch.secret(), &key)?;
        let headers = vec![("mcp-session-id".to_owned(), session)];
        // A client that leaves before the answer never learns its session's name.
        let unclaimed = Unclaimed { upstream: self, key: &key, child: Some(Arc::clone(&child)) };
        let answered = self.request(child, dispatch, false, headers).await?;
        if !answered.failed {
            unclaimed.claim();
        }
        Ok(answered.raw)
    }

    async fn tell(&self, child: Arc<Child>, key: &str, dispatch: Dispatch, shared: bool) -> Result<Raw, SendFault> {
        match dispatch.kind() {
            FrameKind::Request => {
                let probing = shared && dispatch.method() == Some("server/discover");
                let answered = self.request(Arc::clone(&child), dispatch, shared, Vec::new()).await?;
                if probing && answered.refused {
                    // A legacy server: its client will open a session, which gets a process of its own. A modern one
                    // that refuses this client's revision serves others on.
                    self.end(child);
                }
                Ok(answered.raw)
            }
            FrameKind::Stream => Ok(Raw::stream(200, Vec::new(), Box::new(child.conversation().listen()))),
            FrameKind::EndSession => {
                self.forget(key, &child);
                self.end(child);
                Ok(Raw::whole(200, Vec::new(), Bytes::new()))
            }
            FrameKind::Notification | FrameKind::Response | FrameKind::Unreadable => {
                if let Outbound::Message(text) = dispatch.into_outbound() {
                    let text = if shared { child.conversation().with_inner_ids(&text) } else { text };
                    child.write(text).map_err(unwritten)?;
                }
                Ok(Raw::whole(202, Vec::new(), Bytes::new()))
            }
        }
    }

    /// Sends a request and waits for its first event: an answer goes back whole, anything else opens a stream.
    async fn request(
        &self,
        child: Arc<Child>,
        dispatch: Dispatch,
        shared: bool,
        headers: Vec<(String, String)>,
    ) -> Result<First, SendFault> {
        let id = dispatch.id().unwrap_or_default().to_owned();
        let listening = dispatch.method() == Some("subscriptions/listen");
        let modern = dispatch.is_modern();
        let Outbound::Message(text) = dispatch.into_outbound() else {
            return Err(SendFault::Unreachable("a request without a message".to_owned()));
        };
        let complete = is_complete(&text);
        let inner = if shared { Some(self.serial.fetch_add(1, Ordering::Relaxed)) } else { None };
        let asked = child.conversation().ask(&id, inner, listening, text);
        let (mut waiting, text) = asked.map_err(|fault| match fault {
            AskFault::Gone => unwritten(WriteFault::Gone),
            AskFault::Twice => SendFault::Unreachable(format!("a request with the id {id} is under way already")),
        })?;
        child.write(text).map_err(unwritten)?;
        if shared {
            let child = Arc::clone(&child);
            waiting = waiting.when_unanswered(move |key| cancel(&child, key));
        }
        waiting.first(headers, |answer| if modern { modern_status(answer, complete) } else { 200 }).await
    }

    fn start(&self, server: &Server, secret: Option<&str>, key: &str) -> Result<Arc<Child>, SendFault> {
        if self.len() >= self.limits.children_max {
            return Err(SendFault::Busy);
        }
        self.count_start(&server.name)?;
        let spawn = Spawn::of(server, secret).map_err(SendFault::Unreachable)?;
        let child = Child::start(spawn, &server.name, self.limits).map_err(SendFault::Unreachable)?;
        self.lock().insert(key.to_owned(), Arc::clone(&child));
        let (children, gone, key) = (Arc::clone(&self.children), Arc::clone(&child), key.to_owned());
        tokio::spawn(async move {
            gone.conversation().ended().await;
            let mut children = children.lock().unwrap_or_else(PoisonError::into_inner);
            if children.get(&key).is_some_and(|known| Arc::ptr_eq(known, &gone)) {
                children.remove(&key);
            }
        });
        // Only now, so that either this sees the end of all or the end of all sees this child.
        if self.ends.is_closed() {
            self.end(child);
            return Err(SendFault::Unreachable("the gate is stopping".to_owned()));
        }
        Ok(child)
    }

    /// Ends a child without waiting for it. Whoever closes waits.
    fn end(&self, child: Arc<Child>) {
        self.ends.spawn(async move { child.end().await });
    }

    /// A server that dies again and again is not started again and again.
    fn count_start(&self, server: &str) -> Result<(), SendFault> {
        let now = tokio::time::Instant::now();
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = starts.entry(server.to_owned()).or_default();
        recent.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
        if recent.len() >= self.limits.starts_per_minute {
            let words = format!("it was started {} times within a minute; see the log for why it ends", recent.len());
            return Err(SendFault::Unreachable(words));
        }
        recent.push(now);
        Ok(())
    }

    fn running(&self, key: &str) -> Option<Arc<Child>> {
        self.lock().get(key).filter(|child| !child.is_gone()).cloned()
    }

    fn forget(&self, key: &str, child: &Arc<Child>) {
        let mut children = self.lock();
        if children.get(key).is_some_and(|known| Arc::ptr_eq(known, child)) {
            children.remove(key);
        }
    }

    /// Ends the children nobody has used for long.
    pub(super) fn end_idle(&self) {
        let idle: Vec<Arc<Child>> = {
            let mut children = self.lock();
            let keys: Vec<String> = children
                .iter()
                .filter(|(_, c)| c.conversation().idle_for() > self.limits.idle)
                .map(|(k, _)| k.clone())
                .collect();
            keys.iter().filter_map(|key| children.remove(key)).collect()
        };
        for child in idle {
            self.end(child);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Child>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A child whose session no client knows of yet. It is ended unless it is claimed.
struct Unclaimed<'u> {
    upstream: &'u StdioUpstream,
    key: &'u str,
    child: Option<Arc<Child>>,
}

impl Unclaimed<'_> {
    fn claim(mut self) {
        self.child = None;
    }
}

impl Drop for Unclaimed<'_> {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            self.upstream.forget(self.key, &child);
            self.upstream.end(child);
        }
    }
}

fn session_key(server: &str, session: &str) -> String {
    format!("session {server} {session}")
}

fn shared_key(channel: &Channel) -> String {
    format!("shared {} {}", channel.server(), channel.principal())
}

/// A message that did not reach the child: certainly nothing was sent.
fn unwritten(fault: WriteFault) -> SendFault {
    match fault {
        WriteFault::Gone => SendFault::Unreachable("the server's process has ended".to_owned()),
        WriteFault::Full => SendFault::Busy,
    }
}

/// In the modern era a caller that closes its stream cancels; over standard streams that is a notification.
fn cancel(child: &Child, key: &str) {
    let text =
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{key}}}}}");
    let _gone = child.write(text);
}
