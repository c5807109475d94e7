//! What arrives: one message with what the listener knows of its sender. Nothing here has been judged.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use pdp::principal::Principal;
use pdp::refusal::Refusal;

use crate::approval::{Bell, Offer};
use crate::channel::Channel;
use crate::effect::Errand;
use crate::task::{Task, Token};

/// Who sent a frame.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The authenticated principal, or why there is none.
    pub principal: Result<Arc<Principal>, Refusal>,
    /// The network address it came from, if it came over a network.
    pub address: Option<String>,
}

/// One message on its way to or from a server, and what came with it.
#[derive(Debug)]
pub struct Frame {
    pub(crate) caller: Caller,
    pub(crate) server: String,
    pub(crate) session: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) belongs: Belongs,
    /// What the gate makes it for, if the gate makes it.
    pub(crate) errand: Option<Errand>,
    /// By which its client is told that it waits, if its client can be.
    pub(crate) bell: Option<Bell>,
    /// By which its client is given a slip if it waits, if its client may take one.
    pub(crate) offer: Option<Offer>,
    pub(crate) content: Content,
}

/// How a frame's task is known, beside what stands in the frame itself.
#[derive(Debug, Clone)]
pub(crate) enum Belongs {
    /// By these tokens, which came with it; by none of them where there are none.
    To(Vec<Token>),
    /// It is the gate's own, made in the course of this task.
    Within(Arc<Task>),
}

impl Belongs {
    const UNSAID: Self = Self::To(Vec::new());
}

/// What a frame carries.
pub(crate) enum Content {
    /// The body of a POST: a JSON-RPC message for the server.
    Message(Bytes),
    /// A GET: open the stream of the server's own messages.
    Open,
    /// A DELETE: end the session.
    Close,
    /// A message of the server's, out of a stream that passed the gate.
    Event(EventOf),
    /// Something the listener could not read; it is refused and recorded like any other frame.
    Unreadable(Refusal),
}

/// A server's message and the stream it came out of.
pub(crate) struct EventOf {
    pub(crate) text: String,
    pub(crate) task: Arc<Task>,
    pub(crate) channel: Arc<Channel>,
    pub(crate) parent_span: String,
    /// What its record says of it where the gate made it, and no server.
    pub(crate) own: Option<&'static str>,
}

// Written by hand: a derived `Debug` would print bodies into logs.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message(_) => "Message(..)",
            Self::Open => "Open",
            Self::Close => "Close",
            Self::Event(_) => "Event(..)",
            Self::Unreadable(_) => "Unreadable(..)",
        })
    }
}

impl Frame {
    /// A POST to a server's endpoint. `headers` are lower-case names with values: those the gate checks or forwards.
    #[must_use]
    pub fn message(
        caller: Caller,
        server: &str,
        session: Option<String>,
        headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Self {
        Self::new(caller, server, session, headers, Content::Message(body))
    }

    /// A GET on a server's endpoint.
    #[must_use]
    pub fn open(caller: Caller, server: &str, session: Option<String>, headers: Vec<(String, String)>) -> Self {
        Self::new(caller, server, session, headers, Content::Open)
    }

    /// A DELETE on a server's endpoint.
    #[must_use]
    pub fn close(caller: Caller, server: &str, session: Option<String>, headers: Vec<(String, String)>) -> Self {
        Self::new(caller, server, session, headers, Content::Close)
    }

    /// Something that arrived but could not be read as a message.
    #[must_use]
    pub fn unreadable(caller: Caller, server: &str, why: Refusal) -> Self {
        Self::new(caller, server, None, Vec::new(), Content::Unreadable(why))
    }

    pub(crate) fn event(caller: Caller, server: &str, event: EventOf) -> Self {
        let session = event.channel.session().map(str::to_owned);
        Self::new(caller, server, session, Vec::new(), Content::Event(event))
    }

    fn new(
        caller: Caller,
        server: &str,
        session: Option<String>,
        headers: Vec<(String, String)>,
        content: Content,
    ) -> Self {
        Self {
            caller,
            server: server.to_owned(),
            session,
            headers,
            belongs: Belongs::UNSAID,
            errand: None,
            bell: None,
            offer: None,
            content,
        }
    }

    /// With the task tokens that came beside the message.
    #[must_use]
    pub fn with_tokens(self, tokens: Vec<Token>) -> Self {
        Self { belongs: Belongs::To(tokens), ..self }
    }

    /// Made by the gate in the course of this task.
    pub(crate) fn within(self, task: &Arc<Task>) -> Self {
        Self { belongs: Belongs::Within(Arc::clone(task)), ..self }
    }

    /// Made by the gate to run an errand of a call in this task.
    pub(crate) fn errand(self, task: &Arc<Task>, errand: Errand) -> Self {
        Self { errand: Some(errand), ..self.within(task) }
    }

    /// A frame whose client can be told that it waits, or be given a slip.
    pub(crate) fn watched(self, bell: Option<Bell>, offer: Option<Offer>) -> Self {
        Self { bell, offer, ..self }
    }

    /// The value of a header, by lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}
