//! What the console looks at: records and traces as lists, what goes on now, the law and the registry. Through a real gate.

mod inventory;
mod law;

use serde_json::{Value, json};

use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Answer, Request};
use crate::gate::server::Upstream;
use crate::gate::{ADA, BOB, Gate, OPERATOR, ROLES, STRANGER, until};

/// The token of the viewer.
const VIEWER: &str = ROLES[0].1;

async fn get(gate: &Gate, path: &str, token: &str) -> Answer {
    Request::bare("GET", path).token(token).send(gate.control()).await
}

async fn told(gate: &Gate, path: &str) -> Value {
    let answer = get(gate, path, VIEWER).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.message()
}

/// A gate through which ada has echoed twice, paid in vain and sent in vain, and bob has echoed once.
async fn house() -> (Gate, Upstream) {
    let web = Upstream::start().await;
    let gate = Gate::start(&Bundle::new().entry(
        "web",
        "labels = [\"untrusted\"]\n",
        &format!("kind = \"http\"\nurl = \"{}\"\n", web.url()),
    ))
    .await;
    let ada = Agent::legacy(gate.at(), "web", ADA).await;
    for text in ["one", "two"] {
        ada.call("echo", json!({ "text": text })).await;
    }
    ada.call("pay", json!({ "amount": 5000 })).await;
    ada.call("send", json!({ "to": "bob" })).await;
    Agent::legacy(gate.at(), "web", BOB).await.call("echo", json!({ "text": "three" })).await;
    let calls = || gate.records().iter().filter(|record| record.target.is_some()).count();
    until("the records", || (calls() == 5).then_some(())).await;
    (gate, web)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_filtered_and_read_page_by_page() {
    let (gate, _web) = house().await;
    let actions = async |query: &str| -> Vec<String> {
        let page = told(&gate, &format!("/v1/records?{query}")).await;
        page["records"].as_array().unwrap().iter().map(|r| r["action"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(actions("method=tools/call").await, ["echo", "send", "pay", "echo", "echo"], "the latest first");
    assert_eq!(actions("tool=echo&principal=ada").await, ["echo", "echo"]);
    assert_eq!(actions("tool=echo&principal=default/bob&server=web&system=web").await, ["echo"]);
    assert_eq!(actions("decision=deny").await, ["pay"]);
    assert_eq!(actions("decision=escalate").await, ["send"]);
    assert_eq!(actions("label=untrusted&decision=escalate").await, ["send"], "what it was judged under");
    assert_eq!(actions("label=none").await, Vec::<String>::new());
    assert_eq!(actions("server=&tool=pay").await, ["pay"], "what is empty is not asked for");
    assert_eq!(actions("principal=acme/ada").await, Vec::<String>::new(), "of another tenant there is nothing");
    let one = told(&gate, "/v1/records?tool=pay").await["records"][0].clone();
    assert_eq!(
        (&one["decision"], &one["ending"], &one["effect"], &one["principal"]),
        (&json!("deny"), &json!("refused"), &json!("denied"), &json!("default/ada")),
        "{one}"
    );
    assert!(one["took_ms"].as_f64().unwrap() > 0.0 && one["at"].as_str().unwrap().ends_with('Z'), "{one}");
    let (task, trace) = (one["task"].as_str().unwrap(), one["trace"].as_str().unwrap());
    assert_eq!(actions(&format!("task={task}&method=tools/call")).await, ["send", "pay", "echo", "echo"]);
    assert_eq!(actions(&format!("trace={trace}&decision=deny")).await, ["pay"]);
    // Rules and labels stand in it, and nothing of what was sent.
    let whole = get(&gate, "/v1/records?tool=send", VIEWER).await;
    assert!(whole.body.contains("asks-the-owner") && !whole.body.contains("bob"), "{whole:?}");
    // Page by page the same, each once.
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = told(&gate, &format!("/v1/records?method=tools/call&limit=2&before={before}")).await;
        found.extend(page["records"].as_array().unwrap().iter().map(|r| r["number"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut before),
            None => break,
        }
    }
    let all = told(&gate, "/v1/records?method=tools/call").await;
    let all: Vec<u64> = all["records"].as_array().unwrap().iter().map(|r| r["number"].as_u64().unwrap()).collect();
    assert_eq!((found.len(), found), (5, all));
    assert_eq!(actions("from=2000-01-01T00:00:00Z&tool=echo").await.len(), 3);
    assert_eq!(actions("from=2100-01-01T00:00:00Z").await, Vec::<String>::new());
    assert_eq!(actions("before=2000-01-01T00:00:00Z").await, Vec::<String>::new());
    for bad in ["limit=0", "limit=501", "limit=x", "decision=perhaps", "from=yesterday", "before=x", "color=red"] {
        let answer = get(&gate, &format!("/v1/records?{bad}"), VIEWER).await;
        assert_eq!((answer.status, &answer.message()["error"]["code"]), (400, &json!("bad_request")), "{bad}");
    }
    let long = get(&gate, &format!("/v1/records?tool={}", "x".repeat(2000)), VIEWER).await;
    assert_eq!(long.status, 400, "{long:?}");
    assert_eq!(get(&gate, "/v1/records", ADA).await.status, 403);
    // Who is of another tenant finds nothing of this one.
    let theirs = get(&gate, "/v1/records", STRANGER).await;
    assert!(theirs.status == 200 && !theirs.body.contains("default/"), "{theirs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_traces_are_listed_once_each() {
    let (gate, _web) = house().await;
    let traces = told(&gate, "/v1/traces").await["traces"].as_array().unwrap().clone();
    let of: Vec<&str> = traces.iter().filter_map(|line| line["principal"].as_str()).collect();
    assert_eq!(of, ["default/bob", "default/ada"], "{traces:?}");
    assert!(traces[0]["at"].as_str().unwrap().ends_with('Z') && traces[0]["server"] == "web", "{traces:?}");
    assert_eq!(told(&gate, "/v1/traces?limit=1").await["traces"].as_array().unwrap().len(), 1);
    for bad in ["limit=0", "limit=501", "page=2"] {
        assert_eq!(get(&gate, &format!("/v1/traces?{bad}"), VIEWER).await.status, 400, "{bad}");
    }
    assert_eq!(get(&gate, "/v1/traces", ADA).await.status, 403);
    assert_eq!(get(&gate, "/v1/traces", STRANGER).await.message()["traces"], json!([]));
}

/// Asks until the calls that ended in this very second are told.
async fn live(gate: &Gate, token: &str, enough: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let now = get(gate, "/v1/live", token).await.message();
        if enough(&now) {
            return now;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("it never came: {}", get(gate, "/v1/live", token).await.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_is_counted_and_watched() {
    let (gate, _web) = house().await;
    let of = |now: &Value, word: &str| now["decisions"][word] == 1;
    // What was escalated waits for a person.
    let now = live(&gate, VIEWER, |now| of(now, "escalate") && of(now, "deny") && now["pending"] == 1).await;
    assert!(now["decisions"]["allow"].as_u64().unwrap() >= 3, "{now}");
    let series = now["series"].as_array().unwrap();
    let sum = |name: &str| series.iter().map(|second| second[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((series.len(), sum("denied")), (60, 1));
    assert!(sum("calls") >= 5 && now["calls_per_s"].as_f64().unwrap() > 0.0, "{now}");
    let took = |name: &str| now["latency_ms"][name].as_f64().unwrap();
    assert!(0.0 < took("p50") && took("p50") <= took("p95") && took("p95") <= took("p99"), "{now}");
    assert_eq!(now["health"]["status"], "ok");
    // Another tenant's calls are not counted in; nothing came of it yet.
    let theirs = live(&gate, STRANGER, |_| true).await;
    assert_eq!((&theirs["decisions"]["allow"], &theirs["latency_ms"]["p50"]), (&json!(0), &Value::Null), "{theirs}");
    assert_eq!(theirs["pending"], 0);
    assert_eq!(get(&gate, "/v1/live", ADA).await.status, 403);
    // Those who watch are told at once, and again.
    let mut wire = Request::bare("GET", "/v1/live/stream").token(VIEWER).open(gate.control()).await;
    let (status, headers) = wire.head().await;
    assert_eq!(status, 200, "{headers:?}");
    let first = wire.event().await.unwrap().json();
    assert_eq!(first["series"].as_array().unwrap().len(), 60);
    // A person halts an agent: it is among the stops of this tenant, and of no other.
    let halt = json!({ "principal": "default/ada", "reason": "it runs wild" }).to_string();
    let halted = Request::post("/v1/halts", halt).token(OPERATOR).send(gate.control()).await;
    assert_eq!(halted.status, 201, "{halted:?}");
    let stop = loop {
        let told = wire.event().await.unwrap().json();
        if let Some(stop) = told["stops"].get(0) {
            break stop.clone();
        }
    };
    assert_eq!(stop["what"], "halt_on", "{stop}");
    assert!(stop["detail"].as_str().unwrap().contains("it runs wild"), "{stop}");
    assert_eq!(live(&gate, STRANGER, |_| true).await["stops"], json!([]));
    // What halts everybody's calls everybody is told of, whoever did it.
    let halt = json!({ "everything": true, "reason": "all stop" }).to_string();
    let halted = Request::post("/v1/halts", halt).token(OPERATOR).send(gate.control()).await;
    assert_eq!(halted.status, 201, "{halted:?}");
    let theirs = live(&gate, STRANGER, |now| now["stops"][0]["what"] == "halt_on").await;
    assert_eq!(theirs["stops"].as_array().unwrap().len(), 1, "{theirs}");
    assert_eq!(get(&gate, "/v1/live/stream", ADA).await.status, 403);
    // A stream ends with the gate.
    gate.close().await;
    while wire.event().await.is_some() {}
}
