//! `wicketgate stdio`: both eras over it, what a server says unasked, and texts that pass as they are.

use serde_json::{Value, json};

use super::client::Bridged;
use crate::examples::two_free_ports;
use crate::gate::bundle::Bundle;
use crate::gate::child::Child;
use crate::gate::client::rpc;
use crate::gate::{ADA, Gate, folder, principals};

struct Bench {
    gate: Gate,
    home: tempfile::TempDir,
}

impl Bench {
    async fn new(arguments: &[&str]) -> Self {
        Self { gate: Gate::start(&Bundle::new().stdio("tools", arguments)).await, home: folder() }
    }

    fn client(&self, token: &str) -> Bridged {
        let listen = self.gate.at().to_string();
        let args = ["stdio", "--server", "tools", "--listen", &listen].map(str::to_owned);
        let variables = [("WICKETGATE_TOKEN", token), ("WICKETGATE_LOG", "off")];
        Bridged::start(env!("CARGO_BIN_EXE_wicketgate-under-test"), &args, &variables, self.home.path())
    }

    async fn legacy(&self) -> Bridged {
        let mut client = self.client(ADA);
        let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": { "roots": {} }, "clientInfo": { "name": "t", "version": "1" } });
        let answer = client.ask(0, &rpc(0, "initialize", opening)).await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "fixture", "{answer}");
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client
    }
}

fn look(id: &str, how: &str, text: &str) -> String {
    let token = format!("{{\"progressToken\":{id}}}");
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"look\",\"arguments\":\
         {{\"how\":\"{how}\",\"text\":\"{text}\",\"n\":2}},\"_meta\":{token}}}}}"
    )
}

#[tokio::test]
async fn a_legacy_session_with_progress_a_question_and_a_notification() {
    let bench = Bench::new(&["--legacy"]).await;
    let mut client = bench.legacy().await;
    // Progress comes before the answer, on the same request.
    client.say(&look("7", "progress", "step")).await;
    let first: Value = serde_json::from_str(&client.heard().await).unwrap();
    assert_eq!((&first["method"], &first["params"]["progressToken"]), (&json!("notifications/progress"), &json!(7)));
    let answer = client.ask(8, &look("8", "plain", "x")).await;
    assert_eq!(answer["result"]["content"][0]["text"], "x");
    // The server asks while a call is under way, and is answered.
    client.say(&look("\"nine\"", "ask", "roots/list")).await;
    let asked = loop {
        let message: Value = serde_json::from_str(&client.heard().await).unwrap();
        if message["method"] == "roots/list" {
            break message;
        }
    };
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [{ "uri": "file:///x" }] } });
    let done = client.ask("nine", &answer.to_string()).await;
    assert!(done["result"]["content"][0]["text"].as_str().unwrap().contains("file:///x"), "{done}");
    client.close().await;
    // Its end was told: the session is gone with it.
    bench.gate.close().await;
}

#[tokio::test]
async fn what_a_server_says_unasked_reaches_the_client() {
    let bench = Bench::new(&["--legacy"]).await;
    let mut client = bench.legacy().await;
    client.say(&look("1", "change", "")).await;
    // It may come on the call's own stream, before its answer, or on the session's.
    let (mut told, mut answered) = (false, false);
    while !(told && answered) {
        let message: Value = serde_json::from_str(&client.heard().await).unwrap();
        told |= message["method"] == "notifications/tools/list_changed";
        answered |= message["id"] == 1;
    }
    client.close().await;
}

#[tokio::test]
async fn a_modern_client_has_its_headers_written_for_it() {
    let bench = Bench::new(&["--modern"]).await;
    let mut client = bench.client(ADA);
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
    let listed = client.ask("l", &rpc("l", "tools/list", json!({ "_meta": meta }))).await;
    assert!(listed["result"]["tools"].to_string().contains("echo"), "{listed}");
    let call = json!({ "name": "echo", "arguments": { "text": "größe" }, "_meta": meta });
    let answer = client.ask(2, &rpc(2, "tools/call", call)).await;
    assert_eq!(answer["result"]["content"][0]["text"], "größe", "{answer}");
    // The end of the stream is what cancels: no answer comes, and the next request is served.
    let hang = json!({ "name": "look", "arguments": { "how": "hang" }, "_meta": meta });
    client.say(&rpc(3, "tools/call", hang)).await;
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 3, "_meta": meta } });
    client.say(&cancel.to_string()).await;
    let call = json!({ "name": "echo", "arguments": { "text": "after" }, "_meta": meta });
    let answer = client.ask(4, &rpc(4, "tools/call", call)).await;
    assert_eq!(answer["result"]["content"][0]["text"], "after", "{answer}");
    client.close().await;
}

#[tokio::test]
async fn a_text_passes_as_it_is() {
    let tape = folder();
    std::fs::write(tape.path().join("tools"), json!({ "tools": tests::listing() }).to_string()).unwrap();
    let odd = r#"{"content":[{"type":"text","text":"a\u00e9\/"}],"n":1.0,"big":12345678901234567890123,"x":{"z":1,"a":null}}"#;
    std::fs::write(tape.path().join("result"), odd).unwrap();
    let bench = Bench::new(&["--tape", tape.path().to_str().unwrap()]).await;
    let mut client = bench.legacy_tape().await;
    let call = r#"{"jsonrpc":"2.0","id":1e2,"method":"tools/call","params":{"name":"echo","arguments":{"text":"\u00fc\/ 1"},"extra":[1.50,-0]}}"#;
    let sent = call.replace("1e2", "41");
    client.say(&sent).await;
    let heard = client.heard().await;
    assert!(heard.contains(r#""n":1.0,"big":12345678901234567890123,"x":{"z":1,"a":null}"#), "{heard}");
    assert!(heard.contains(r#""text":"a\u00e9\/""#), "{heard}");
    client.close().await;
    let at_server = std::fs::read_to_string(tape.path().join("heard")).unwrap();
    assert!(at_server.contains(r#""arguments":{"text":"\u00fc\/ 1"},"extra":[1.50,-0]"#), "{at_server}");
}

impl Bench {
    /// A session with the recording fixture.
    async fn legacy_tape(&self) -> Bridged {
        let mut client = self.client(ADA);
        let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        client.ask(0, &rpc(0, "initialize", opening)).await;
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client
    }
}

#[tokio::test]
async fn a_wrong_token_and_a_gate_that_is_not_there_are_told_in_the_answer() {
    let bench = Bench::new(&[]).await;
    let mut client = bench.client("wrong");
    let answer = client.ask(1, &rpc(1, "ping", json!({}))).await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("refused the token"), "{answer}");
    client.close().await;
    let at = bench.gate.at();
    bench.gate.close().await;
    let args = ["stdio", "--server", "tools", "--listen", &at.to_string()].map(str::to_owned);
    let variables = [("WICKETGATE_TOKEN", ADA)];
    let mut client = Bridged::start(env!("CARGO_BIN_EXE_wicketgate-under-test"), &args, &variables, bench.home.path());
    let answer = client.ask(1, &rpc(1, "ping", json!({}))).await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("no Wicketgate answers at"), "{answer}");
    client.close().await;
}

#[tokio::test]
async fn a_session_that_the_gate_has_lost_is_opened_again() {
    let folder = folder();
    let port = two_free_ports();
    Bundle::new().stdio("tools", &["--legacy"]).write(folder.path());
    let config = folder.path().join("wicketgate.toml");
    let head =
        format!("listen = \"127.0.0.1:{port}\"\ndata = \"state\"\n[control]\nlisten = \"127.0.0.1:{}\"\n", port + 1);
    std::fs::write(&config, format!("{head}{}", principals())).unwrap();
    let mut gate = Child::start(&config);
    gate.at().await;
    let args = ["stdio", "--server", "tools", "--listen", &format!("127.0.0.1:{port}")].map(str::to_owned);
    let variables = [("WICKETGATE_TOKEN", ADA), ("WICKETGATE_LOG", "off")];
    let mut client = Bridged::start(env!("CARGO_BIN_EXE_wicketgate-under-test"), &args, &variables, folder.path());
    let opening =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    client.ask(0, &rpc(0, "initialize", opening)).await;
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert!(client.ask(1, &look("1", "plain", "before")).await.get("result").is_some());
    gate.terminate().await;
    let mut gate = Child::start(&config);
    gate.at().await;
    let answer = client.ask(2, &look("2", "plain", "after")).await;
    assert_eq!(answer["result"]["content"][0]["text"], "after", "{answer}");
    client.close().await;
    gate.terminate().await;
}
