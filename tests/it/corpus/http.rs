//! The corpus between an HTTP client and an HTTP server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pdp::json;

use super::messages::{Kind, Message, Way, all, base, member};
use super::{ECHO, bundle, gate, same, same_but_for_the_label, same_but_for_the_trace};
use crate::gate::client::{Agent, Answer, Request, Wire};
use crate::gate::server::{Script, Upstream};
use crate::gate::{ADA, Gate};

/// A gate before one recording server, with a client of each era.
struct Ground {
    gate: Gate,
    web: Upstream,
    legacy: Agent,
    modern: Agent,
    /// The connection everything is asked over.
    wire: Wire,
}

impl Ground {
    async fn new(traces: bool, definitions: &[String]) -> Self {
        let web = Upstream::start().await;
        web.script("tools/list", Script::json(&echo_listed()));
        let transport = format!("kind = \"http\"\nurl = \"{}\"", web.url());
        let gate = gate(&bundle(&[("web", &transport, definitions)]), traces).await;
        let legacy = Agent::legacy(gate.at(), "web", ADA).await;
        let modern = Agent::modern(gate.at(), "web", ADA);
        let wire = Wire::connect(gate.at()).await;
        web.take_seen();
        Self { gate, web, legacy, modern, wire }
    }

    fn agent(&self, modern: bool) -> &Agent {
        if modern { &self.modern } else { &self.legacy }
    }

    async fn ask(&mut self, request: Request) -> Answer {
        self.wire.write(&request.bytes()).await;
        self.wire.answer().await
    }

    /// Asks for what `message` answers, under its id.
    fn asking(&self, message: &Message) -> Request {
        let id = message.id().filter(|id| *id != "null").unwrap_or("77");
        self.asking_for(&message.of, id, message.modern)
    }

    fn asking_for(&self, method: &str, id: &str, modern: bool) -> Request {
        let name = if method == "tools/call" { "\"name\":\"corpus_echo\"," } else { "" };
        let version = if modern { "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"" } else { "" };
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{name}"_meta":{{{version}}}}}}}"#);
        dressed(self.agent(modern), method, text)
    }
}

fn echo_listed() -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"tools":[{ECHO}]}}}}"#)
}

/// A message as its client sends it: `initialize` belongs to no session, and a modern one is mirrored in headers.
pub(super) fn dressed(agent: &Agent, method: &str, text: String) -> Request {
    let request = agent.posting(text.clone());
    if method == "initialize" {
        return request.without("mcp-session-id").without("mcp-protocol-version");
    }
    if agent.session.is_some() {
        return request;
    }
    let request = request.with("mcp-protocol-version", "2026-07-28").with("mcp-method", method);
    let named = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return request,
    };
    match member(&text, "params").and_then(|params| member(params, named)) {
        Some(raw) => {
            let value = json::string(raw).unwrap();
            let plain = value.bytes().all(|b| (b' '..=b'~').contains(&b));
            let encoded = format!("=?base64?{}?=", STANDARD.encode(value.as_bytes()));
            request.with("mcp-name", if plain { &value } else { &encoded })
        }
        None => request,
    }
}

/// Sends everything a client may send, and hands over what the server got for each.
async fn sent(traces: bool, held: fn(&str, &Message)) {
    let mut ground = Ground::new(traces, &[ECHO.to_owned()]).await;
    let mut own = ground.legacy.listening().open(ground.gate.at()).await;
    assert_eq!(own.head().await.0, 200);
    for modern in [false, true] {
        for message in all(Way::ToServer, modern) {
            let kind = message.kind();
            if kind == Kind::Answer {
                let question =
                    format!(r#"{{"jsonrpc":"2.0","id":{},"method":"{}"}}"#, message.id().unwrap(), message.of);
                assert_eq!(ground.web.tell_text(&question), 1);
                assert_eq!(own.event().await.unwrap().data, question);
            }
            let method = if kind == Kind::Answer { "" } else { &message.of };
            let request = dressed(ground.agent(modern), method, message.text.clone());
            let answer = ground.ask(request).await;
            let want = if kind == Kind::Request { 200 } else { 202 };
            assert_eq!(answer.status, want, "{}: {answer:?}", message.name());
            let seen = ground.web.take_seen();
            let got = seen.iter().rfind(|seen| seen.verb == "POST").unwrap_or_else(|| panic!("{}", message.name()));
            held(&got.body, &message);
        }
    }
}

/// Without traces to pass on, every byte is the client's.
#[tokio::test]
async fn what_a_client_sends_is_what_its_server_gets() {
    sent(false, |got, message| same(got, &message.text, message)).await;
}

/// With traces, one member is the gate's, and every other byte the client's.
#[tokio::test]
async fn a_trace_context_is_all_that_is_added_on_the_way_in() {
    sent(true, same_but_for_the_trace).await;
}

/// As one JSON body, and as the last event of a stream.
#[tokio::test]
async fn what_a_server_answers_is_what_its_client_gets() {
    let answers: Vec<Message> = [false, true].into_iter().flat_map(|modern| all(Way::ToClient, modern)).collect();
    let answers: Vec<&Message> = answers.iter().filter(|message| message.kind() == Kind::Answer).collect();
    let listed: Vec<String> = answers.iter().flat_map(|message| message.tools()).chain([ECHO.to_owned()]).collect();
    let mut ground = Ground::new(false, &listed).await;
    // The definition is learnt before the corpus' own listings say that this tool is gone.
    let call = ground.asking_for("tools/call", "1", true);
    assert_eq!(ground.ask(call).await.status, 200);
    let call = ground.asking_for("tools/call", "1", false);
    assert_eq!(ground.ask(call).await.status, 200);
    let (listings, others): (Vec<&Message>, Vec<&Message>) = answers.iter().partition(|m| m.of == "tools/list");
    for message in others.into_iter().chain(listings) {
        ground.web.script(&message.of, Script::json(&message.text));
        let request = ground.asking(message);
        let answer = ground.ask(request.clone()).await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", message.name());
        same_but_for_the_label(&answer.body, message);

        ground.web.script(&message.of, Script::events(&[&message.text]));
        ground.wire.write(&request.bytes()).await;
        assert_eq!(ground.wire.head().await.0, 200);
        let event = ground.wire.event().await.unwrap();
        same_but_for_the_label(&event.data, message);
        assert!(ground.wire.event().await.is_none(), "{}: nothing follows an answer", message.name());
        ground.web.unscript(&message.of);
        ground.web.take_seen();
    }
}

/// On the stream of a request, and on the session's own.
#[tokio::test]
async fn what_a_server_says_of_its_own_accord_is_what_its_client_gets() {
    let mut ground = Ground::new(false, &[ECHO.to_owned()]).await;
    let mut own = ground.legacy.listening().open(ground.gate.at()).await;
    assert_eq!(own.head().await.0, 200);
    for modern in [false, true] {
        for message in all(Way::ToClient, modern) {
            if message.kind() == Kind::Answer {
                continue;
            }
            let done = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]}}"#;
            ground.web.script("tools/call", Script::events(&[&message.text, done]));
            let request = ground.asking_for("tools/call", "5", modern);
            ground.wire.write(&request.bytes()).await;
            assert_eq!(ground.wire.head().await.0, 200);
            same_but_for_the_label(&ground.wire.event().await.unwrap().data, &message);
            while ground.wire.event().await.is_some() {}
            if modern {
                continue;
            }
            answered(&mut ground, &message).await;
            assert_eq!(ground.web.tell_text(&message.text), 1);
            same_but_for_the_label(&own.event().await.unwrap().data, &message);
            answered(&mut ground, &message).await;
        }
    }
}

/// Answers a server's question, so that the next with its id is no repetition.
async fn answered(ground: &mut Ground, message: &Message) {
    if message.kind() == Kind::Request {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, message.id().unwrap());
        let request = ground.legacy.posting(text);
        assert_eq!(ground.ask(request).await.status, 202, "{}", message.name());
    }
}

/// White space between members is the sender's too, line breaks and all.
#[tokio::test]
async fn line_breaks_cross_as_they_are() {
    let mut ground = Ground::new(false, &[ECHO.to_owned()]).await;
    for message in base().into_iter().filter(|m| m.of == "tools/call" && !m.modern) {
        let broken = |text: &str| text.replacen("{\"", "{\n\t\"", 2).replace("},\"", "},\n\"");
        match (message.way, message.kind()) {
            (Way::ToServer, Kind::Request) => {
                let text = broken(&message.text);
                let request = ground.legacy.posting(text.clone());
                assert_eq!(ground.ask(request).await.status, 200, "{}", message.name());
                same(&ground.web.take_seen().last().unwrap().body, &text, &message);
            }
            (Way::ToClient, Kind::Answer) => {
                let mut message = message;
                message.text = broken(&message.text);
                for script in [Script::json(&message.text), Script::events(&[&message.text])] {
                    ground.web.script("tools/call", script);
                    let request = ground.asking(&message);
                    ground.wire.write(&request.bytes()).await;
                    let (_, headers) = ground.wire.head().await;
                    let streamed = headers.iter().any(|(_, value)| value == "text/event-stream");
                    let got = if streamed { ground.wire.event().await.unwrap().data } else { ground.wire.body().await };
                    same_but_for_the_label(&got, &message);
                    while streamed && ground.wire.event().await.is_some() {}
                }
                ground.web.unscript("tools/call");
                ground.web.take_seen();
            }
            (way, kind) => panic!("{way:?} {kind:?} of tools/call"),
        }
    }
}
