//! The way out: one adapter for streamable HTTP, one for HTTP+SSE, one for child processes, one for the gate's
//! own tools, chosen by the registry.
//!
//! Sends only what a [`Dispatch`] carries, so nothing leaves that was not judged and recorded. A server that is dead or
//! slow holds up nobody but its own callers: each has its own connections, processes and places.

mod conversation;
pub mod http;
pub mod http_sse;
pub mod lines;
pub mod own;
mod route;
pub mod sse;
pub mod stdio;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pdp::registry::Transport;
use pep::ports::{BoxFuture, SendFault, Upstream};
use pep::{Answer, Dispatch, Raw};
use tokio::sync::Semaphore;

use self::http::HttpUpstream;
use self::http_sse::HttpSseUpstream;
use self::own::OwnServer;
use self::stdio::StdioUpstream;

/// Every server, by whatever way it is reached.
#[derive(Debug)]
pub struct Upstreams {
    http: HttpUpstream,
    http_sse: HttpSseUpstream,
    stdio: StdioUpstream,
    own: OwnServer,
    bulkheads: Mutex<HashMap<String, Arc<Semaphore>>>,
    per_server_max: usize,
}

impl Upstreams {
    /// All ways out. At most `per_server_max` attempts wait for one server at once.
    #[must_use]
    pub fn new(
        http: HttpUpstream,
        http_sse: HttpSseUpstream,
        stdio: StdioUpstream,
        own: OwnServer,
        per_server_max: usize,
    ) -> Self {
        Self { http, http_sse, stdio, own, bulkheads: Mutex::default(), per_server_max }
    }

    /// Ends every session over HTTP+SSE, and every child process: standard input closed, then signals. Bounded by
    /// `grace` per step.
    pub async fn close(&self) {
        self.http_sse.close();
        self.stdio.close().await;
    }

    /// Ends what nobody has used for long. To be called from time to time: a client that just goes away says nothing.
    pub fn sweep(&self) {
        self.http_sse.end_idle();
        self.stdio.end_idle();
    }

    /// How many child processes run now.
    #[must_use]
    pub fn children(&self) -> usize {
        self.stdio.len()
    }

    /// How many sessions over HTTP+SSE are open now.
    #[must_use]
    pub fn event_streams(&self) -> usize {
        self.http_sse.len()
    }

    fn bulkhead(&self, server: &str) -> Arc<Semaphore> {
        let mut all = self.bulkheads.lock().unwrap_or_else(PoisonError::into_inner);
        let one = all.entry(server.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.per_server_max)));
        Arc::clone(one)
    }
}

impl Upstream for Upstreams {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Raw, SendFault>> {
        Box::pin(async move {
            let bulkhead = self.bulkhead(&dispatch.server().name);
            let _place = bulkhead.try_acquire().map_err(|_| SendFault::Busy)?;
            if dispatch.server().transport.is_own() {
                return self.own.send(dispatch).await;
            }
            match dispatch.server().transport {
                Transport::Http { .. } => self.http.send(dispatch).await,
                Transport::Sse { .. } => self.http_sse.send(dispatch).await,
                Transport::Stdio { .. } | Transport::Builtin { .. } => self.stdio.send(dispatch).await,
            }
        })
    }

    fn answer(&self, answer: Answer) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // A child is known by its channel, and so is an event stream; what neither knows belongs to an HTTP session.
            if !self.stdio.answer(&answer) && !self.http_sse.answer(&answer).await {
                self.http.answer(&answer).await;
            }
        })
    }
}
