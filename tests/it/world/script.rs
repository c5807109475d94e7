//! The language of the scripts, one line one step. What a line does stands beside it in [`Stage::step`].
//!
//! ```text
//! > tools/call mail read {"id":1}     a request; for other methods: > METHOD SERVER {PARAMS}
//! ! notifications/initialized mail    a notification
//! = lab 7 {"roots":[]}                the client's answer to the server's request 7
//! open mail / close mail              a GET, a DELETE
//! raw mail {"jsonrpc":...             a body as it is; `unreadable mail no_route` is what a listener could not read
//! & > ...                             the frame goes on in the background: `wait` ends it, `hang up` drops it
//! given > ...                         the frame is carried, and the journal says nothing of it
//! mail ...                            tells the fake server `mail` what to do next
//! task open t ann {"tools":["mail/*"]}  a host opens a task for an agent; `task child u t bob {...}` hands it on
//! task stop t WHY / task end t        a host ends it; `task expire` looks for those that ran out
//! token t u                           what follows carries these tasks' tokens; `forged` is one of another key
//! as token t                          the caller shows nothing else; `{token:t}` in a message is the token
//! ```

use std::sync::Arc;

use bytes::Bytes;
use pdp::record::Entry;
use pdp::refusal::{Code, Refusal};
use pep::ports::{SendFault, Verdict};
use pep::{Caller, Event, Frame, Token};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::fakes::lock;
use super::hosted::Hosted;
use super::upstream::{Act, Item};
use super::{World, bundle, caller};

/// Runs every line of a script.
pub(super) async fn run(world: &Arc<World>, script: &str) {
    let mut stage = Stage {
        world: Arc::clone(world),
        caller: "ann".to_owned(),
        session: None,
        headers: Vec::new(),
        once: Vec::new(),
        modern: false,
        id: 0,
        under_way: None,
        server: (String::new(), false),
        hosted: Hosted::default(),
        carried: Vec::new(),
        state: String::new(),
        slip: String::new(),
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        stage.step(line).await;
    }
    assert!(stage.under_way.is_none(), "a script ends what it began: `wait` or `hang up`");
    stage.hosted.assert_untold(world);
}

/// Where a script stands.
struct Stage {
    world: Arc<World>,
    caller: String,
    session: Option<String>,
    /// Headers of every frame, and of the next one alone.
    headers: Vec<(String, String)>,
    once: Vec<(String, String)>,
    modern: bool,
    id: u64,
    under_way: Option<JoinHandle<()>>,
    /// The server whose stream `|` continues, and whether it is of its listing.
    server: (String, bool),
    /// What hosts opened, and whose tokens come with every frame.
    hosted: Hosted,
    carried: Vec<String>,
    /// The state that the client is to come back with, and the task it is to come back for.
    state: String,
    slip: String,
}

fn cut(text: &str) -> (&str, &str) {
    text.trim().split_once(' ').map_or((text.trim(), ""), |(head, rest)| (head, rest.trim()))
}

impl Stage {
    async fn step(&mut self, line: &str) {
        if let Some(line) = line.strip_prefix("& ") {
            let frame = self.frame(line).unwrap_or_else(|| panic!("no frame: {line}"));
            self.under_way = Some(tokio::spawn(Arc::clone(&self.world).carry(frame)));
            self.settle().await;
        } else if let Some(line) = line.strip_prefix("given ") {
            let frame = self.frame(line).unwrap_or_else(|| panic!("no frame: {line}"));
            self.world.journal.mute(true);
            Arc::clone(&self.world).carry(frame).await;
            self.world.journal.mute(false);
        } else if let Some(frame) = self.frame(line) {
            let carried = tokio::spawn(Arc::clone(&self.world).carry(frame)).await;
            if carried.is_err() {
                self.world.journal.write("the gate panicked".to_owned());
            }
        } else if let (server, rest) = cut(line)
            && bundle::names().any(|name| name == server)
        {
            self.server = (server.to_owned(), rest.starts_with("listing "));
            self.tell(server, rest);
        } else {
            self.command(line).await;
        }
    }

    /// Lets everything run until it waits.
    async fn settle(&self) {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    async fn command(&mut self, line: &str) {
        let world = Arc::clone(&self.world);
        let (word, rest) = cut(line);
        match word {
            "as" => self.caller = rest.to_owned(),
            "task" => self.hosted.command(&world, rest),
            "token" => self.carried = rest.split(' ').filter(|n| *n != "none").map(str::to_owned).collect(),
            "session" => self.session = Some(rest.to_owned()).filter(|s| s != "none"),
            "modern" => self.modern = true,
            "legacy" => self.modern = false,
            "with" => self.once.extend(header(rest)),
            "always" => self.headers.extend(header(rest)),
            "wait" => {
                let carried = self.under_way.take().expect("something under way").await;
                if carried.is_err() {
                    world.journal.write("the gate panicked".to_owned());
                }
            }
            "hang" => {
                let task = self.under_way.take().expect("something under way");
                task.abort();
                let _gone = task.await;
            }
            "release" => {
                world.points.release();
                self.settle().await;
            }
            "|" => world.upstream.item(&self.server.0, self.server.1, item(rest)),
            "sleep" => tokio::time::sleep(std::time::Duration::from_secs(rest.parse().unwrap())).await,
            "later" => world.clock.pass(rest.parse().unwrap()),
            "slots" => {
                let slots = &world.gate.ports.slots;
                slots.forget_permits(slots.available_permits());
                slots.add_permits(rest.parse().unwrap());
            }
            "approver" => self.approver(rest),
            "user" => {
                let said = rest.strip_prefix("says: ").expect("what the user says");
                world.gate.ports.tasks.open().iter().for_each(|task| task.given(said));
            }
            "vault" => *lock(&world.vault.empty) = rest == "is empty",
            "ledger" => self.ledger(rest),
            "halt" => match rest.strip_prefix("at look ").and_then(|r| r.split_once(": ")) {
                Some((look, why)) => world.halt.halt(look.parse().unwrap(), why),
                None => world.halt.halt(1, rest),
            },
            "resume" => world.halt.resume(),
            "limits" => *lock(&world.snapshots.0) = bundle::limited(rest),
            "pardon" => {
                let (record, by) = cut(rest);
                let ports = &world.gate.ports;
                let now_us = pep::ports::Clock::now_us(&*world.clock);
                let by = caller(by).principal.unwrap();
                let said = match ports.quarantine.release(record.parse().unwrap(), &by, now_us) {
                    Ok(one) => format!("released: {} {} of {}, {} bytes", one.server, one.tool, one.owner, one.bytes),
                    Err(fault) => format!("not released: {fault}"),
                };
                world.journal.write(said);
            }
            "law" => {
                let policies = format!("{}\n{}", bundle::LAW, rest);
                *lock(&world.snapshots.0) = bundle::snapshot(&policies);
            }
            "show" => self.show(rest),
            other => panic!("the script says `{other}`, which nobody knows: {line}"),
        }
    }

    fn approver(&self, rest: &str) {
        let approvals = &self.world.approvals;
        let (word, rest) = cut(rest);
        match word {
            "grants" => {
                let grants = rest.split(' ').map(str::to_owned).collect();
                *lock(&approvals.verdict) = crate::world::fakes::granted(grants);
            }
            "refuses:" => *lock(&approvals.verdict) = Verdict::Refused(rest.to_owned()),
            "waits" => *lock(&approvals.waits) = true,
            "answers" => *lock(&approvals.waits) = false,
            "expires" => *lock(&approvals.verdict) = Verdict::Expired,
            "is" => match rest.split_once(": ") {
                None => *lock(&approvals.known) = rest == "asked before",
                Some(("flooded", why)) => *lock(&approvals.verdict) = Verdict::Full(why.to_owned()),
                Some(("overtaken", why)) => *lock(&approvals.verdict) = Verdict::Overtaken(why.to_owned()),
                Some((other, _)) => panic!("the approver is never `{other}`"),
            },
            other => panic!("the approver cannot `{other}`"),
        }
    }

    fn ledger(&self, rest: &str) {
        let ledger = &self.world.ledger;
        match cut(rest) {
            ("is", "ill") => ledger.be_ill(true),
            ("is", "well") => {
                ledger.be_ill(false);
                ledger.refuse_appends(false);
            }
            ("refuses", "appends") => ledger.refuse_appends(true),
            ("refuses", commit) => ledger.refuse_commit(commit.strip_prefix("commit ").unwrap().parse().unwrap()),
            other => panic!("the ledger cannot {other:?}"),
        }
    }

    /// Tells a server what to do next. `listing ...` is about the next `tools/list`.
    fn tell(&self, server: &str, rest: &str) {
        let upstream = &self.world.upstream;
        let (listing, rest) = rest.strip_prefix("listing ").map_or((false, rest), |rest| (true, rest));
        let (word, more) = cut(rest);
        let act = match word {
            "answers" => whole(200, Vec::new(), &format!(r#"{{"jsonrpc":"2.0","id":$id,"result":{more}}}"#)),
            "errs" => whole(200, Vec::new(), &format!(r#"{{"jsonrpc":"2.0","id":$id,"error":{more}}}"#)),
            "says" => whole(200, Vec::new(), more),
            "status" => {
                let (status, body) = cut(more);
                whole(status.parse().unwrap(), Vec::new(), body)
            }
            "streams" => Act::Stream(Vec::new()),
            "unreachable" => Act::Fault(SendFault::Unreachable("connection refused".to_owned())),
            "loses" => Act::Fault(SendFault::Lost("connection reset".to_owned())),
            "forgot" => Act::Fault(SendFault::NoSession),
            "needs" => Act::Fault(SendFault::NeedsSession),
            "busy" => Act::Fault(SendFault::Busy),
            "hangs" => Act::Hang,
            "panics" => Act::Panic,
            other => return self.change_listing(server, other, more),
        };
        if listing { upstream.next_listing(server, act) } else { upstream.next(server, act) }
    }

    fn change_listing(&self, server: &str, word: &str, tool: &str) {
        let upstream = &self.world.upstream;
        match word {
            "pages" => upstream.page(server, tool.parse().unwrap()),
            "changes" => upstream.tools(server, |tools| {
                let (_, text) = tools.iter_mut().find(|(name, _)| name == tool).unwrap();
                *text = text.replace("The tool", "IMPORTANT: the tool");
            }),
            "drops" => upstream.tools(server, |tools| tools.retain(|(name, _)| name != tool)),
            "adds" => upstream.tools(server, |tools| {
                tools.push((tool.to_owned(), bundle::definition(tool, r#"{"type":"object"}"#)));
            }),
            "doubles" => upstream.tools(server, |tools| {
                let twin = bundle::definition(tool, r#"{"type":"object"}"#);
                tools.insert(0, (tool.to_owned(), twin));
            }),
            other => panic!("a server cannot `{other}`"),
        }
    }

    /// What the journal does not say by itself.
    fn show(&self, what: &str) {
        let world = &self.world;
        let last = world.ledger.records().pop();
        let sent = lock(&world.upstream.sent).last().cloned();
        let words = match cut(what) {
            ("", _) => told(&lock(&world.told)),
            ("raw", _) => lock(&world.told).clone(),
            ("task", _) => {
                let mut tasks = world.gate.ports.tasks.open();
                tasks.sort_by(|a, b| a.id().cmp(b.id()));
                let labels: Vec<String> = tasks.iter().map(|t| t.labels().to_string()).collect();
                labels.join(" | ")
            }
            ("channels", _) => format!("{} channels", world.gate.ports.channels.len()),
            ("sent", "") => sent.unwrap().text,
            ("sent", "secret") => sent.unwrap().secret.unwrap_or_else(|| "no secret".to_owned()),
            ("sent", "session") => sent.unwrap().session.unwrap_or_else(|| "no session".to_owned()),
            ("sent", "modern") => sent.unwrap().modern.to_string(),
            ("sent", name) => {
                let headers = sent.unwrap().headers;
                headers.into_iter().find(|(n, _)| n == name).map_or_else(|| "no such header".to_owned(), |(_, v)| v)
            }
            ("notes", _) => last.unwrap().notes.into_iter().map(|n| n.text).collect::<Vec<_>>().join("; "),
            ("refusal", _) => last.unwrap().refusal.unwrap().message,
            ("record", pointer) => {
                let value = serde_json::to_value(Entry::Record(last.unwrap().into())).unwrap();
                value.pointer(pointer).map_or_else(|| "nothing".to_owned(), Value::to_string)
            }
            other => panic!("there is no {other:?} to show"),
        };
        world.journal.write(words);
    }

    /// The frame a line stands for.
    fn frame(&mut self, line: &str) -> Option<Frame> {
        let (word, rest) = cut(line);
        let (server, body) = match word {
            ">" | "!" => self.message(word == ">", rest),
            "=" => {
                let (server, rest) = cut(rest);
                let (id, result) = cut(rest);
                (server.to_owned(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#))
            }
            "raw" => {
                let (server, body) = cut(rest);
                (server.to_owned(), body.to_owned())
            }
            "open" => {
                let frame = Frame::open(self.caller(), rest, self.session.clone(), self.headers());
                return Some(frame.with_tokens(self.tokens()));
            }
            "close" => {
                let frame = Frame::close(self.caller(), rest, self.session.clone(), self.headers());
                return Some(frame.with_tokens(self.tokens()));
            }
            "unreadable" => {
                let (server, name) = cut(rest);
                let code = Code::ALL.into_iter().find(|c| c.name() == name).expect("a refusal's name");
                return Some(Frame::unreadable(self.caller(), server, Refusal::new(code, "it was not readable")));
            }
            _ => return None,
        };
        let body = self.hosted.filled_in(body).replace("{{state}}", &self.state()).replace("{{slip}}", &self.slip());
        // `\xff` stands for a byte that is no UTF-8.
        let mut bytes = body.replace("\\xff", "\u{fffe}").into_bytes();
        if let Some(at) = bytes.windows(3).position(|w| w == "\u{fffe}".as_bytes()) {
            bytes[at] = 0xff;
        }
        let headers = self.headers();
        let frame = Frame::message(self.caller(), &server, self.session.clone(), headers, Bytes::from(bytes));
        Some(frame.with_tokens(self.tokens()))
    }

    /// The state that the client was told last to come back with.
    fn state(&mut self) -> String {
        let told = lock(&self.world.told).clone();
        if let Some((_, rest)) = told.split_once(r#""requestState":""#) {
            self.state = rest.split('"').next().unwrap().to_owned();
        }
        self.state.clone()
    }

    /// The task that the client was told last to come back for.
    fn slip(&mut self) -> String {
        let told = lock(&self.world.told).clone();
        if let Some((_, rest)) = told.split_once(r#""taskId":"wgk_"#) {
            self.slip = format!("wgk_{}", rest.split('"').next().unwrap());
        }
        self.slip.clone()
    }

    /// Who calls: one of the callers by name, or whoever a task's token stands for.
    fn caller(&self) -> Caller {
        match self.caller.strip_prefix("token ") {
            Some(name) => {
                let principal = self.world.gate.ports.tasks.bearer(&Token::presented(self.hosted.token(name)));
                Caller { principal, address: None }
            }
            None => caller(&self.caller),
        }
    }

    fn tokens(&self) -> Vec<Token> {
        self.carried.iter().map(|name| Token::presented(self.hosted.token(name))).collect()
    }

    fn headers(&mut self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        headers.append(&mut self.once);
        headers
    }

    /// A request or a notification: the server it is for, and its text.
    fn message(&mut self, request: bool, rest: &str) -> (String, String) {
        let (method, rest) = cut(rest);
        let (server, rest) = cut(rest);
        let mut members = Vec::new();
        let mut name = None;
        let params = if method == "tools/call" && !rest.starts_with('{') {
            let (tool, arguments) = cut(rest);
            name = Some(tool.to_owned());
            let arguments = if arguments.is_empty() { "{}" } else { arguments };
            format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#)
        } else {
            let value: Value = serde_json::from_str(rest).unwrap_or_default();
            name = name.or_else(|| value["uri"].as_str().or(value["name"].as_str()).map(str::to_owned));
            rest.to_owned()
        };
        let params = self.in_era(method, name.as_deref(), params);
        if request {
            self.id += 1;
            members.push(format!(r#""id":{}"#, self.id));
        }
        members.push(format!(r#""method":"{method}""#));
        members.extend(Some(params).filter(|p| !p.is_empty()).map(|p| format!(r#""params":{p}"#)));
        (server.to_owned(), format!(r#"{{"jsonrpc":"2.0",{}}}"#, members.join(",")))
    }

    /// What a modern client adds: its revision in `_meta`, and the headers that mirror the body.
    fn in_era(&mut self, method: &str, name: Option<&str>, params: String) -> String {
        if !self.modern {
            return params;
        }
        let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let told = |headers: &[(String, String)], name: &str| headers.iter().any(|(n, _)| n == name);
        let mirrored = [("mcp-protocol-version", Some("2026-07-28")), ("mcp-method", Some(method)), ("mcp-name", name)];
        for (header, value) in mirrored {
            if let (false, Some(value)) = (told(&self.once, header), value) {
                self.once.push((header.to_owned(), value.to_owned()));
            }
        }
        self.once.retain(|(_, value)| value != "absent");
        let params = if params.is_empty() { "{}".to_owned() } else { params };
        pdp::json::with_member(&params, "_meta", meta).unwrap()
    }
}

/// What the client was told: a refusal by its code and words, anything else as it is.
fn told(text: &str) -> String {
    let (head, body) = text.split_once(" {").map_or((text, String::new()), |(head, body)| (head, format!("{{{body}")));
    let message: Value = serde_json::from_str(&body).unwrap_or_default();
    let (result, error) = (&message["result"], &message["error"]);
    let code = |facts: &Value| facts["dev.wicketgate/refusal"]["code"].as_str().map(str::to_owned);
    if let Some(code) = code(&error["data"]) {
        return format!("{head} error {} {code}: {}", error["code"], error["message"].as_str().unwrap());
    }
    if let Some(code) = code(&result["_meta"]) {
        assert_eq!(result["isError"], true, "a refused tool call is a tool result with `isError`");
        let kind = result["resultType"].as_str().unwrap_or("tool result");
        return format!("{head} {kind} {code}: {}", result["content"][0]["text"].as_str().unwrap());
    }
    text.to_owned()
}

fn header(text: &str) -> Option<(String, String)> {
    text.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn whole(status: u16, headers: Vec<(String, String)>, body: &str) -> Act {
    Act::Whole(status, headers, body.to_owned())
}

/// One event of a stream: `answer {...}`, `#7 MESSAGE`, `comment WORD`, `retry MS`, `hangs`, `breaks WHY`, `panics`, or
/// a message as it is.
fn item(text: &str) -> Item {
    let (word, rest) = cut(text);
    let silent = Event::default();
    let event = match word {
        "hangs" => return Item::Hang,
        "panics" => return Item::Panic,
        "breaks" => return Item::Break(rest.to_owned()),
        "comment" => Event { comment: Some(rest.to_owned()), ..silent },
        "retry" => Event { retry: Some(rest.to_owned()), ..silent },
        "answer" => Event { data: Some(format!(r#"{{"jsonrpc":"2.0","id":$id,"result":{rest}}}"#)), ..silent },
        numbered if numbered.starts_with('#') => {
            let id = Some(numbered.trim_start_matches('#').to_owned());
            if rest.is_empty() {
                return Item::Event(Event { id, ..silent });
            }
            return match item(rest) {
                Item::Event(event) => Item::Event(Event { id, ..event }),
                other @ (Item::Hang | Item::Break(_) | Item::Panic) => other,
            };
        }
        _ if text.starts_with('{') => Event { data: Some(text.to_owned()), ..silent },
        method => {
            let params = if rest.is_empty() { String::new() } else { format!(r#","params":{rest}"#) };
            let id = match method.strip_suffix('?') {
                // `roots/list?` is a request of the server's, with the id 7.
                Some(method) => format!(r#""id":7,"method":"{method}""#),
                None => format!(r#""method":"{method}""#),
            };
            Event { data: Some(format!(r#"{{"jsonrpc":"2.0",{id}{params}}}"#)), ..silent }
        }
    };
    Item::Event(event)
}
