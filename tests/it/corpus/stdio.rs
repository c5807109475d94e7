//! The corpus between an HTTP client and a server on standard streams: one of a session's own, and a shared one.

use std::path::{Path, PathBuf};

use pdp::json;
use pdp::refusal::modern_http_status;
use tempfile::TempDir;

use super::http::dressed;
use super::messages::{Kind, Message, Way, all, base, member, with};
use super::{ECHO, bundle, gate, same, same_but_for_the_label, same_but_for_the_trace};
use crate::gate::client::{Agent, Answer, Request, Wire};
use crate::gate::{ADA, Gate, until};

/// A gate before one recording process, with a client of one era.
struct Ground {
    gate: Gate,
    agent: Agent,
    wire: Wire,
    tape: Tape,
    _folder: TempDir,
}

/// What the process heard, and what it is to say.
struct Tape {
    folder: PathBuf,
    read: usize,
}

impl Tape {
    /// What was heard since the last call: waits for `count` lines.
    async fn heard(&mut self, count: usize) -> Vec<String> {
        let path = self.folder.join("heard");
        let lines = |text: String| -> Vec<String> { text.split_terminator('\n').map(str::to_owned).collect() };
        let found = || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let rest = lines(text.get(self.read..).unwrap_or_default().to_owned());
            (rest.len() >= count && text.ends_with('\n')).then_some((rest, text.len()))
        };
        let (rest, read) = until("a line on the tape", found).await;
        self.read = read;
        rest
    }

    /// What is said to requests from now on; nothing for the fixture's own answers.
    fn say(&self, lines: Option<&str>) {
        let path = self.folder.join("say");
        match lines {
            Some(lines) => std::fs::write(path, lines).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
    }
}

impl Ground {
    async fn new(modern: bool, traces: bool, definitions: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tools"), format!("{{\"tools\":[{ECHO}]}}")).unwrap();
        let transport = transport(folder.path());
        let gate = gate(&bundle(&[("pipe", &transport, definitions)]), traces).await;
        let agent =
            if modern { Agent::modern(gate.at(), "pipe", ADA) } else { Agent::legacy(gate.at(), "pipe", ADA).await };
        let wire = Wire::connect(gate.at()).await;
        let tape = Tape { folder: folder.path().to_owned(), read: 0 };
        let mut ground = Self { gate, agent, wire, tape, _folder: folder };
        // From here on the definition is known, and the gate asks for nothing by itself.
        assert_eq!(ground.ask(ground.request("tools/call", "1", None)).await.status, 200);
        ground.tape.heard(if modern { 2 } else { 4 }).await;
        ground
    }

    async fn ask(&mut self, request: Request) -> Answer {
        self.wire.write(&request.bytes()).await;
        self.wire.answer().await
    }

    /// A request of this method under this id.
    fn request(&self, method: &str, id: &str, token: Option<&str>) -> Request {
        let name = if method == "tools/call" { "\"name\":\"corpus_echo\"," } else { "" };
        let version = if self.agent.session.is_some() { "1" } else { "\"2026-07-28\"" };
        let token = token.map(|token| format!(",\"progressToken\":{token}")).unwrap_or_default();
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{name}"_meta":{{"io.modelcontextprotocol/protocolVersion":{version},"io.modelcontextprotocol/clientCapabilities":{{}}{token}}}}}}}"#
        );
        dressed(&self.agent, method, text)
    }
}

fn transport(folder: &Path) -> String {
    format!("kind = \"stdio\"\ncommand = {:?}\nargs = [\"--tape\", {:?}]", env!("CARGO_BIN_EXE_fixture"), folder)
}

/// Sends everything a legacy client may send to a session's own process.
async fn sent(traces: bool, held: fn(&str, &Message)) {
    let mut ground = Ground::new(false, traces, &[ECHO.to_owned()]).await;
    let mut own = ground.agent.listening().open(ground.gate.at()).await;
    assert_eq!(own.head().await.0, 200);
    for message in all(Way::ToServer, false) {
        let kind = message.kind();
        if kind == Kind::Answer {
            let question = format!(r#"{{"jsonrpc":"2.0","id":{},"method":"{}"}}"#, message.id().unwrap(), message.of);
            ground.tape.say(Some(&format!("{question}\n{{\"jsonrpc\":\"2.0\",\"id\":@@id@@,\"result\":{{}}}}")));
            let asked = ground.ask(ground.request("ping", "\"before\"", None)).await;
            assert!(asked.body.contains(&question), "{}: {asked:?}", message.name());
            ground.tape.say(None);
            ground.tape.heard(1).await;
        }
        let method = if kind == Kind::Answer { "" } else { &message.of };
        let request = dressed(&ground.agent, method, message.text.clone());
        let opens = message.of == "initialize";
        let answer = ground.ask(request).await;
        let want = if kind == Kind::Request { 200 } else { 202 };
        assert_eq!(answer.status, want, "{}: {answer:?}", message.name());
        held(&ground.tape.heard(1).await[0], &message);
        if opens {
            // A process of its own, on the same tape: it goes before the next message comes.
            let session = answer.header("mcp-session-id").unwrap();
            let leaving = ground.agent.leaving().set("mcp-session-id", session);
            assert_eq!(ground.ask(leaving).await.status, 200);
        }
    }
}

#[tokio::test]
async fn a_process_hears_what_its_client_sent() {
    sent(false, |got, message| same(got, &message.text, message)).await;
}

#[tokio::test]
async fn a_process_hears_what_its_client_sent_and_the_trace_context() {
    sent(true, same_but_for_the_trace).await;
}

/// Its answers, and what it says of its own accord: on the stream of a request, or on the session's own.
#[tokio::test]
async fn a_client_gets_what_its_process_says() {
    let messages = all(Way::ToClient, false);
    let listed: Vec<String> = messages.iter().flat_map(Message::tools).chain([ECHO.to_owned()]).collect();
    let mut ground = Ground::new(false, false, &listed).await;
    let mut own = ground.agent.listening().open(ground.gate.at()).await;
    assert_eq!(own.head().await.0, 200);
    let (listings, others): (Vec<&Message>, Vec<&Message>) = messages.iter().partition(|m| m.of == "tools/list");
    for message in others.into_iter().chain(listings) {
        match message.kind() {
            // Over standard streams an error without an id answers nobody that could be known.
            Kind::Answer if message.id() == Some("null") => {}
            Kind::Answer => {
                ground.tape.say(Some(&message.text));
                let answer = ground.ask(ground.request(&message.of, message.id().unwrap(), None)).await;
                assert_eq!(answer.status, 200, "{}: {answer:?}", message.name());
                same_but_for_the_label(&answer.body, message);
            }
            Kind::Notification | Kind::Request => {
                let done = r#"{"jsonrpc":"2.0","id":@@id@@,"result":{}}"#;
                ground.tape.say(Some(&format!("{}\n{done}", message.text)));
                let answer = ground.ask(ground.request("ping", "\"under way\"", None)).await;
                let data: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
                match data.as_slice() {
                    [told, _] => same(told, &message.text, message),
                    // What belongs to no request is for the session's own stream.
                    [] => same(&own.event().await.unwrap().data, &message.text, message),
                    _ => panic!("{}: {answer:?}", message.name()),
                }
                ground.tape.say(None);
                if message.kind() == Kind::Request {
                    let text = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, message.id().unwrap());
                    let heard = ground.ask(ground.agent.posting(text)).await;
                    assert_eq!(heard.status, 202, "{}: {heard:?}", message.name());
                }
            }
        }
    }
}

/// The server's side of a shared process knows each request by a number; nothing else differs.
#[tokio::test]
async fn a_shared_process_hears_what_its_clients_sent_under_other_ids() {
    let mut ground = Ground::new(true, false, &[ECHO.to_owned()]).await;
    for message in all(Way::ToServer, true) {
        let request = dressed(&ground.agent, &message.of, message.text.clone());
        let answer = ground.ask(request).await;
        let kind = message.kind();
        assert_eq!(answer.status, if kind == Kind::Request { 200 } else { 202 }, "{}: {answer:?}", message.name());
        let got = ground.tape.heard(1).await.swap_remove(0);
        let mut want = message.text.clone();
        if kind == Kind::Request {
            let inner = member(&got, "id").unwrap();
            assert!(inner.bytes().all(|b| b.is_ascii_digit()), "{}: {inner}", message.name());
            want = with(&want, "id", inner);
            if let Some(token) =
                member(member(&want, "params").unwrap(), "_meta").and_then(|m| member(m, "progressToken"))
            {
                want = json::replaced(&want, json::place(&want, token).unwrap(), inner);
            }
            // The id is the client's again when the answer comes.
            assert_eq!(member(&answer.body, "id"), message.id(), "{}: {answer:?}", message.name());
        }
        same(&got, &want, &message);
    }
}

#[tokio::test]
async fn clients_get_what_a_shared_process_says_under_their_own_ids() {
    let messages = all(Way::ToClient, true);
    let listed: Vec<String> = messages.iter().flat_map(Message::tools).chain([ECHO.to_owned()]).collect();
    let mut ground = Ground::new(true, false, &listed).await;
    let mut listening = ground.request("subscriptions/listen", "\"listen:0\"", None);
    ground.tape.say(Some(r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":@@id@@}}}"#));
    listening = listening.set("accept", "text/event-stream");
    let mut listen = listening.open(ground.gate.at()).await;
    assert_eq!(listen.head().await.0, 200);
    let first = listen.event().await.unwrap();
    assert_eq!(first.json()["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "listen:0");
    let (listings, others): (Vec<&Message>, Vec<&Message>) = messages.iter().partition(|m| m.of == "tools/list");
    for message in others.into_iter().chain(listings) {
        if message.kind() == Kind::Answer {
            ground.tape.say(Some(&with(&message.text, "id", "@@id@@")));
            let answer = ground.ask(ground.request(&message.of, message.id().unwrap(), None)).await;
            let code = member(&message.text, "error").and_then(|error| member(error, "code"));
            let want = code.and_then(|code| modern_http_status(code.parse().unwrap())).unwrap_or(200);
            assert_eq!(answer.status, want, "{}: {answer:?}", message.name());
            same_but_for_the_label(&answer.body, message);
            continue;
        }
        let inner = message.text.replace("\"@\"", "@@listen@@").replace("\"tok\"", "@@id@@");
        ground.tape.say(Some(&format!("{inner}\n{{\"jsonrpc\":\"2.0\",\"id\":@@id@@,\"result\":{{}}}}")));
        // Not a tool: what the tape says would also answer the listing that a changed list makes the gate ask for.
        let answer = ground.ask(ground.request("vendor/thing", "8", Some("\"tok\""))).await;
        let data: Vec<&str> = answer.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let mut want = message.clone();
        want.text = message.text.replace("\"@\"", "\"listen:0\"");
        match data.as_slice() {
            [told, _] => same_but_for_the_label(told, &want),
            [] => same_but_for_the_label(&listen.event().await.unwrap().data, &want),
            _ => panic!("{}: {answer:?}", message.name()),
        }
    }
}

/// A message is a line there: what was a line break is a blank, and nothing else.
#[tokio::test]
async fn a_line_break_becomes_a_blank() {
    let mut ground = Ground::new(false, false, &[ECHO.to_owned()]).await;
    for message in base().into_iter().filter(|m| m.way == Way::ToServer && !m.modern && m.of == "tools/call") {
        let broken = message.text.replacen("{\"", "{\r\n\t\"", 2).replace("},\"", "},\n\"");
        assert_eq!(ground.ask(ground.agent.posting(broken.clone())).await.status, 200, "{}", message.name());
        same(&ground.tape.heard(1).await[0], &broken.replace(['\r', '\n'], " "), &message);
    }
}
