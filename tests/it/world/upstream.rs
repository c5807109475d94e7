//! A fake upstream for every server of the bundle: it answers sensibly unless it is told what to do next, and keeps
//! every order it was given.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use pdp::record::FrameKind;
use pep::ports::{BoxFuture, SendFault, Upstream};
use pep::{Answer, Dispatch, Event, EventSource, Outbound, Raw};
use serde_json::Value;

use super::bundle;
use super::fakes::{Journal, Points, lock};

/// What a server does with the next order.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// This status, these headers, this body; `$id` in the body is the request's id.
    Whole(u16, Vec<(String, String)>, String),
    /// A stream of these items.
    Stream(Vec<Item>),
    /// Nothing, for this reason.
    Fault(SendFault),
    /// Nothing until it is released; then what it would have answered.
    Hang,
    /// A bug in the adapter.
    Panic,
}

/// One step of a stream.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    /// An event.
    Event(Event),
    /// Nothing until it is released.
    Hang,
    /// The stream breaks.
    Break(String),
    /// A bug in the adapter.
    Panic,
}

/// An order as the server got it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) server: String,
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) secret: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) modern: bool,
    /// Whether its answer may be handed over piece by piece.
    pub(crate) takes_long: bool,
}

#[derive(Debug)]
struct Side {
    /// What it lists, by name, in order.
    tools: Vec<(String, String)>,
    /// How many tools stand on one page.
    page: usize,
    next: VecDeque<Act>,
    next_listing: VecDeque<Act>,
    sessions: usize,
}

/// What the servers are played by where their tools are to do more than say `done`.
pub(crate) trait Plays: std::fmt::Debug + Send + Sync {
    /// The result of a tool call.
    fn play(&self, server: &str, tool: &str, arguments: &Value) -> Value;
}

/// Every server at once.
#[derive(Debug)]
pub(crate) struct FakeUpstream {
    player: Option<Arc<dyn Plays>>,
    journal: Arc<Journal>,
    points: Arc<Points>,
    sides: Mutex<HashMap<String, Side>>,
    pub(crate) sent: Mutex<Vec<Sent>>,
}

impl FakeUpstream {
    /// The servers of the bundle.
    pub(crate) fn new(journal: Arc<Journal>, points: Arc<Points>) -> Self {
        let listed = bundle::names().map(|name| (name.to_owned(), bundle::definitions(name)));
        Self::of(listed, journal, points)
    }

    /// Servers by name, each with the definitions it lists: names and texts.
    pub(crate) fn of(
        servers: impl IntoIterator<Item = (String, Vec<(String, String)>)>,
        journal: Arc<Journal>,
        points: Arc<Points>,
    ) -> Self {
        let side = |tools| Side { tools, page: 100, next: VecDeque::new(), next_listing: VecDeque::new(), sessions: 0 };
        let sides = servers.into_iter().map(|(name, tools)| (name, side(tools))).collect();
        Self { player: None, journal, points, sides: Mutex::new(sides), sent: Mutex::default() }
    }

    /// The same servers, whose tools are played by this.
    pub(crate) fn played_by(self, player: Arc<dyn Plays>) -> Self {
        Self { player: Some(player), ..self }
    }

    /// Every server forgets what it was told to do next, and what it was sent.
    pub(crate) fn forget(&self) {
        for side in lock(&self.sides).values_mut() {
            side.next.clear();
            side.next_listing.clear();
        }
        lock(&self.sent).clear();
    }

    /// What a server does with the next order that is not `tools/list`.
    pub(crate) fn next(&self, server: &str, act: Act) {
        self.side(server, |side| side.next.push_back(act));
    }

    /// What a server does with the next `tools/list`.
    pub(crate) fn next_listing(&self, server: &str, act: Act) {
        self.side(server, |side| side.next_listing.push_back(act));
    }

    /// Changes what a server lists.
    pub(crate) fn tools(&self, server: &str, change: impl FnOnce(&mut Vec<(String, String)>)) {
        self.side(server, |side| change(&mut side.tools));
    }

    /// How many tools a server lists on one page.
    pub(crate) fn page(&self, server: &str, page: usize) {
        self.side(server, |side| side.page = page);
    }

    /// Appends to the stream that is to come next, of the listing or of anything else.
    pub(crate) fn item(&self, server: &str, listing: bool, item: Item) {
        self.side(server, |side| match if listing { side.next_listing.back_mut() } else { side.next.back_mut() } {
            Some(Act::Stream(items)) => items.push(item),
            other => panic!("`|` continues a stream, but {server} was told {other:?}"),
        });
    }

    fn side<T>(&self, server: &str, change: impl FnOnce(&mut Side) -> T) -> T {
        change(lock(&self.sides).get_mut(server).expect("a server of the bundle"))
    }

    fn act(&self, server: &str, listing: bool) -> Option<Act> {
        self.side(server, |side| if listing { side.next_listing.pop_front() } else { side.next.pop_front() })
    }

    /// What a server answers when it was told nothing.
    fn usual(&self, server: &str, kind: FrameKind, message: &Value) -> Act {
        let id = &message["id"];
        let answer =
            |result: String| Act::Whole(200, Vec::new(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#));
        match (kind, message["method"].as_str()) {
            (FrameKind::Stream, _) => Act::Stream(Vec::new()),
            (FrameKind::EndSession, _) => Act::Whole(200, Vec::new(), String::new()),
            (FrameKind::Notification | FrameKind::Response | FrameKind::Unreadable, _) => {
                Act::Whole(202, Vec::new(), String::new())
            }
            (FrameKind::Request, Some("tools/list")) => answer(self.listing(server, message)),
            (FrameKind::Request, Some("tools/call")) => {
                let params = &message["params"];
                let tool = params["name"].as_str().unwrap_or_default();
                let played = self.player.as_ref().map(|player| player.play(server, tool, &params["arguments"]));
                let done = || r#"{"content":[{"type":"text","text":"done"}]}"#.to_owned();
                answer(played.map_or_else(done, |result| result.to_string()))
            }
            (FrameKind::Request, Some("resources/read")) => {
                answer(r#"{"contents":[{"uri":"file:///a","text":"words"}]}"#.into())
            }
            (FrameKind::Request, Some("initialize")) => {
                let n = self.side(server, |side| {
                    side.sessions += 1;
                    side.sessions
                });
                let session = vec![("mcp-session-id".to_owned(), format!("{server}-{n}"))];
                let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"fake","version":"1"}}"#;
                Act::Whole(200, session, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
            }
            (FrameKind::Request, Some(_) | None) => answer("{}".into()),
        }
    }

    fn listing(&self, server: &str, message: &Value) -> String {
        self.side(server, |side| {
            let start: usize = message["params"]["cursor"].as_str().map_or(0, |c| c.parse().unwrap());
            let end = (start + side.page).min(side.tools.len());
            let tools: Vec<&str> = side.tools[start..end].iter().map(|(_, text)| text.as_str()).collect();
            let more = if end < side.tools.len() { format!(r#","nextCursor":"{end}""#) } else { String::new() };
            format!(r#"{{"tools":[{}]{more}}}"#, tools.join(","))
        })
    }
}

/// The short name of an order in the journal.
fn words(server: &str, kind: FrameKind, message: &Value) -> String {
    let method = match kind {
        FrameKind::Stream => "stream",
        FrameKind::EndSession => "session/end",
        FrameKind::Response => "answer",
        FrameKind::Request | FrameKind::Notification | FrameKind::Unreadable => {
            message["method"].as_str().unwrap_or("?")
        }
    };
    let target = if method == "tools/call" { message["params"]["name"].as_str() } else { None };
    format!("sent to {server}: {method}{}", target.map(|t| format!(" {t}")).unwrap_or_default())
}

impl Upstream for FakeUpstream {
    fn send(&self, dispatch: Dispatch) -> BoxFuture<'_, Result<Raw, SendFault>> {
        Box::pin(async move {
            let mut sent = Sent {
                server: dispatch.server().name.clone(),
                number: dispatch.number(),
                text: String::new(),
                headers: dispatch.headers().to_vec(),
                secret: dispatch.secret().map(str::to_owned),
                session: dispatch.channel().session().map(str::to_owned),
                modern: dispatch.is_modern(),
                takes_long: dispatch.takes_long_answers(),
            };
            let kind = dispatch.kind();
            if let Outbound::Message(text) = dispatch.into_outbound() {
                sent.text = text;
            }
            let message: Value = serde_json::from_str(&sent.text).unwrap_or_default();
            let server = sent.server.clone();
            let listing = message["method"] == "tools/list";
            let what = if listing { "listing" } else { "order" };
            self.points.pass(&format!("{what} not yet sent")).await;
            self.journal.write(words(&server, kind, &message));
            lock(&self.sent).push(sent);
            self.points.pass(&format!("{what} sent")).await;
            let mut act = self.act(&server, listing).unwrap_or_else(|| self.usual(&server, kind, &message));
            if let Act::Hang = act {
                self.points.hang().await;
                act = self.usual(&server, kind, &message);
            }
            match act {
                Act::Whole(status, headers, body) => {
                    let body = body.replace("$id", &message["id"].to_string());
                    Ok(Raw::whole(status, headers, Bytes::from(body)))
                }
                Act::Stream(items) => {
                    let items = items.into_iter().map(|item| named(item, &message["id"])).collect();
                    let source = Source { items, points: Arc::clone(&self.points) };
                    Ok(Raw::stream(200, Vec::new(), Box::new(source)))
                }
                Act::Fault(fault) => Err(fault),
                Act::Hang => Err(SendFault::Lost("it hangs".to_owned())),
                Act::Panic => panic!("asked to panic: send"),
            }
        })
    }

    fn answer(&self, answer: Answer) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.points.pass("refusal on its way to the server").await;
            let text: Value = serde_json::from_str(answer.text()).unwrap_or_default();
            let code = &text["error"]["data"]["dev.wicketgate/refusal"]["code"];
            let server = answer.channel().server();
            self.journal.write(format!("told {server}: its {} is refused, {}", text["id"], code.as_str().unwrap()));
        })
    }
}

fn named(item: Item, id: &Value) -> Item {
    match item {
        Item::Event(event) => {
            let data = event.data.map(|data| data.replace("$id", &id.to_string()));
            Item::Event(Event { data, ..event })
        }
        Item::Hang | Item::Break(_) | Item::Panic => item,
    }
}

/// The events of one stream.
struct Source {
    items: VecDeque<Item>,
    points: Arc<Points>,
}

impl EventSource for Source {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Event, String>>> {
        Box::pin(async move {
            self.points.pass("next event").await;
            while let Some(Item::Hang) = self.items.front() {
                self.points.hang().await;
                self.items.pop_front();
            }
            match self.items.pop_front()? {
                Item::Event(event) => Some(Ok(event)),
                Item::Break(why) => Some(Err(why)),
                Item::Panic => panic!("asked to panic: next event"),
                Item::Hang => None,
            }
        })
    }
}
