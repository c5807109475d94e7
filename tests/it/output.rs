//! Results held against the reviewed output schema, over every way by which a result reaches the client: refused, labelled
//! or passed as the registry says.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use pdp::digest::Digest;
use pdp::record::Ending;
use serde_json::{Value, json};

use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Request, call};
use crate::gate::server::{Script, Upstream};
use crate::gate::{ADA, Gate, OPERATOR, ROLES, STRANGER, events};

/// One tool per choice, each with the same output schema; `act` has an effect.
const CHOICES: [(&str, &str, &str); 4] = [
    ("default", "read", ""),
    ("label", "read", "output = \"label\"\n"),
    ("pass", "read", "output = \"pass\"\n"),
    ("act", "write", "output = \"refuse\"\n"),
];

fn definition(name: &str) -> Value {
    let output = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    json!({ "name": name, "inputSchema": { "type": "object" }, "outputSchema": output })
}

struct Lab {
    gate: Gate,
    server: Upstream,
    calls: AtomicU64,
}

impl Lab {
    async fn new() -> Self {
        let server = Upstream::start().await;
        let tools: Vec<Value> = CHOICES.iter().map(|(name, ..)| definition(name)).collect();
        let listing = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"tools":{}}}}}"#, json!(tools));
        server.script("tools/list", Script::Json(listing));
        let mut entry =
            format!("name = \"lab\"\nopen = [\"tasks\"]\n[transport]\nkind = \"http\"\nurl = \"{}\"\n", server.url());
        for (name, effect, more) in CHOICES {
            let pin = Digest::of_json(&definition(name).to_string()).unwrap();
            entry.push_str(&format!(
                "[tools.{name}]\neffect = [\"{effect}\"]\npin = \"{pin}\"\nreviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n{more}"
            ));
        }
        let bundle = Bundle::new().registered("lab", entry, json!(tools).to_string());
        let gate = Gate::start(&bundle).await;
        Self { gate, server, calls: AtomicU64::new(0) }
    }

    /// A call of a tool that is answered with this, and what the client gets: the code of a refusal, or the labels.
    async fn call(&self, tool: &str, says: Script) -> (String, Value) {
        self.server.script("tools/call", says);
        // Each a call of its own: an effect whose result is withheld is not made a second time.
        let nth = self.calls.fetch_add(1, Ordering::Relaxed);
        let answer = Request::post("/lab/mcp", call(1, tool, json!({ "nth": nth }))).send(self.gate.at()).await;
        let message = answer.message();
        let told = match answer.refusal() {
            Some((code, _)) => code,
            None => message["result"]["_meta"]["dev.wicketgate/label"]["labels"].to_string(),
        };
        (told, message)
    }
}

fn answer(result: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#)
}

#[tokio::test]
async fn a_result_that_does_not_fit_is_refused_labelled_or_passed() {
    let lab = Lab::new().await;
    let text = json!([{ "type": "text", "text": "t" }]);
    let unvalidated = r#"["unvalidated"]"#;
    for (name, result, fits) in [
        ("it fits", json!({ "content": text, "structuredContent": { "n": 1 } }), true),
        ("a wrong type", json!({ "content": text, "structuredContent": { "n": "1" } }), false),
        ("a missing member", json!({ "content": text, "structuredContent": {} }), false),
        ("none at all", json!({ "content": text }), false),
        ("no object", json!({ "content": text, "structuredContent": null }), false),
        ("it failed", json!({ "content": text, "isError": true }), true),
        ("it did not fail", json!({ "content": text, "isError": false }), false),
        ("a failure in words", json!({ "content": text, "isError": "true" }), false),
        ("a question", json!({ "resultType": "input_required", "inputRequests": {} }), true),
        ("a question with an answer", json!({ "resultType": "input_required", "content": text }), false),
        ("work that goes on", json!({ "task": { "taskId": "t1", "status": "working" } }), true),
        ("work with an answer", json!({ "task": { "taskId": "t2" }, "structuredContent": { "n": "x" } }), false),
    ] {
        for script in [Script::Json(answer(&result)), Script::Events(vec![answer(&result)])] {
            let want = |misfit: &'static str| if fits { "[]" } else { misfit };
            for (tool, misfit) in
                [("default", "quarantined"), ("act", "quarantined"), ("label", unvalidated), ("pass", "[]")]
            {
                let (told, message) = lab.call(tool, script.clone()).await;
                assert_eq!(told, want(misfit), "{name}, {tool}, {script:?}: {message}");
                if told == "quarantined" {
                    assert!(!message.to_string().contains("structuredContent"), "{message}");
                }
            }
        }
    }
    let refused =
        lab.gate.record("a refused write", |r| r.target.as_deref() == Some("act") && r.refusal.is_some()).await;
    assert_eq!(refused.ending, Ending::Indeterminate, "it may have had its effect");
    let words = refused.refusal.unwrap().message;
    assert!(words.contains("/n fails /properties/n/type") && !words.contains("\"1\""), "{words}");
    // The label is on the task before the client reads it: the next call's judgement saw it.
    let later = lab
        .gate
        .records()
        .into_iter()
        .filter(|r| r.decision.as_ref().is_some_and(|d| d.labels.contains("unvalidated")));
    assert!(later.count() > 0);
}

#[tokio::test]
async fn a_long_result_is_no_way_round() {
    let lab = Lab::new().await;
    // More than is held of an answer that may pass in pieces.
    let filler = "x".repeat(64 << 10);
    let pieces = |structured: &str| {
        let mut all =
            vec![Bytes::from(r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":""#.to_owned())];
        all.extend((0..40).map(|_| Bytes::from(filler.clone())));
        all.push(Bytes::from(format!(r#""}}],"structuredContent":{structured}}}}}"#)));
        Script::chunks(all)
    };
    for (structured, tool, want) in [
        (r#"{"n":1}"#, "default", "[]"),
        (r#"{"n":"1"}"#, "default", "quarantined"),
        (r#"{"n":"1"}"#, "act", "quarantined"),
        // It is handed on before its end is known, so it was not held against the schema, and says so.
        (r#"{"n":1}"#, "label", r#"["unvalidated"]"#),
        (r#"{"n":"1"}"#, "label", r#"["unvalidated"]"#),
        (r#"{"n":"1"}"#, "pass", "[]"),
    ] {
        let (told, message) = lab.call(tool, pieces(structured)).await;
        assert_eq!(told, want, "{tool} {structured}");
        let length = message.to_string().len();
        assert_eq!(length > 2 << 20, want != "quarantined", "{tool} {structured}: {length}");
    }
}

#[tokio::test]
async fn what_long_running_work_brings_is_held_against_its_tools_schema() {
    let lab = Lab::new().await;
    let agent = Agent::modern(lab.gate.at(), "lab", ADA);
    let ask = async |method: &str, id: &str, result: Value| {
        lab.server.script(method, Script::Json(answer(&result)));
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "taskId": id } });
        let heard = agent.posting(request.to_string()).send(agent.to).await;
        match heard.refusal() {
            Some((code, _)) => code,
            None => heard.message()["result"]["_meta"]["dev.wicketgate/label"]["labels"].to_string(),
        }
    };
    let bad = json!({ "content": [], "structuredContent": { "n": "1" } });
    let good = json!({ "content": [], "structuredContent": { "n": 1 } });
    for (tool, misfit) in [("default", "quarantined"), ("label", r#"["unvalidated"]"#), ("pass", "[]")] {
        let id = format!("work-{tool}");
        let (told, _) =
            lab.call(tool, Script::Json(answer(&json!({ "task": { "taskId": id, "status": "working" } })))).await;
        assert_eq!(told, "[]");
        assert_eq!(ask("tasks/result", &id, good.clone()).await, "[]", "{tool}");
        assert_eq!(ask("tasks/result", &id, bad.clone()).await, misfit, "{tool}");
        assert_eq!(ask("tasks/get", &id, json!({ "taskId": id, "status": "working" })).await, "[]", "{tool}");
        assert_eq!(
            ask("tasks/get", &id, json!({ "taskId": id, "status": "completed", "result": bad })).await,
            misfit,
            "{tool}"
        );
    }
    // Whose work it is nobody knows, so it was held against nothing.
    assert_eq!(ask("tasks/result", "another", good).await, r#"["unvalidated"]"#);
}

/// What is withheld waits for somebody else than its caller; released, the very call finds it, and it is on record.
#[tokio::test]
async fn a_withheld_result_is_released_by_an_operator_and_found_by_its_call() {
    let lab = Lab::new().await;
    let misfit = json!({ "content": [{ "type": "text", "text": "kept" }], "structuredContent": { "n": "x" } });
    lab.server.script("tools/call", Script::Json(answer(&misfit)));
    let act = || Request::post("/lab/mcp", call(7, "act", json!({ "same": true })));
    let (code, record) = act().send(lab.gate.at()).await.refusal().unwrap();
    assert_eq!(code, "quarantined");
    let (code, _) = act().send(lab.gate.at()).await.refusal().unwrap();
    assert_eq!(code, "repeated", "it is not made again");
    let ask = |verb: &str, path: String, token: &str| {
        let request = Request::bare(verb, &path).token(token);
        let to = lab.gate.control();
        async move { request.send(to).await }
    };
    let listed = ask("GET", "/v1/quarantine".to_owned(), OPERATOR).await;
    assert_eq!(listed.message()["withheld"][0]["record"], record, "{listed:?}");
    assert!(!listed.message().to_string().contains("kept"), "nobody is shown the result: {listed:?}");
    let release = |record: u64, token: &'static str| ask("POST", format!("/v1/quarantine/{record}/release"), token);
    assert_eq!(release(record, ROLES[0].1).await.status, 403, "a viewer looks");
    let stranger = ask("GET", "/v1/quarantine".to_owned(), STRANGER).await;
    assert_eq!(stranger.message(), json!({ "withheld": [] }), "another tenant's admin sees none of it");
    assert_eq!(release(record, STRANGER).await.status, 404);
    assert_eq!(release(record + 1000, OPERATOR).await.status, 404);
    let path = format!("/v1/quarantine/{record}/release");
    let odd = Request::post(&path, json!({ "reason": "x", "zzz": 1 }).to_string()).token(OPERATOR);
    assert_eq!(odd.send(lab.gate.control()).await.status, 400, "what it does not know it refuses");
    assert_eq!(ask("POST", "/v1/quarantine/abc/release".to_owned(), OPERATOR).await.status, 400);
    let reasoned = Request::post(&path, json!({ "reason": "checked with bo" }).to_string()).token(OPERATOR);
    let released = reasoned.send(lab.gate.control()).await;
    assert_eq!((released.status, &released.message()["tool"]), (200, &json!("act")), "{released:?}");
    assert_eq!(release(record, OPERATOR).await.status, 409, "it is released once");
    let found = act().send(lab.gate.at()).await.message();
    assert_eq!((&found["id"], &found["result"]["content"][0]["text"]), (&json!(7), &json!("kept")), "{found}");
    let labels = &found["result"]["_meta"]["dev.wicketgate/label"]["labels"];
    assert_eq!(*labels, json!(["unvalidated"]), "{found}");
    assert_eq!(lab.server.seen_of("tools/call").len(), 1, "it acted once");
    let told = events(lab.gate.close().await);
    let released: Vec<_> = told.iter().filter(|event| event.what == "quarantine_released").collect();
    let [event] = &released[..] else { panic!("{released:?}") };
    assert!(event.detail.ends_with(": checked with bo"), "{event:?}");
    assert!(event.task.is_some() && event.trace.is_some() && event.by.is_some(), "{event:?}");
}
