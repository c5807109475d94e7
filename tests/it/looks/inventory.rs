//! What exists, how the live server differs, and a review that is put in force at once: of what was read, and of nothing else.

use serde_json::{Value, json};

use super::get;
use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Answer, Request};
use crate::gate::server::Upstream;
use crate::gate::{ADA, Gate, OPERATOR, ROLES, events};

const VIEWER: &str = ROLES[0].1;
const APPROVER: &str = ROLES[3].1;
const ADMIN: &str = ROLES[4].1;

async fn house() -> (Gate, Upstream) {
    let web = Upstream::start().await;
    let gate = Gate::start(&Bundle::new().http("web", &web.url())).await;
    (gate, web)
}

async fn ask(gate: &Gate, what: &str, body: &Value, token: &str) -> Answer {
    Request::post(&format!("/v1/inventory/{what}"), body.to_string()).token(token).send(gate.control()).await
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.message()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn tool<'v>(told: &'v Value, name: &str) -> &'v Value {
    told["tools"]
        .as_array()
        .unwrap()
        .iter()
        .find(|tool| tool["name"] == name)
        .unwrap_or_else(|| panic!("{name}: {told}"))
}

async fn scan(gate: &Gate) -> Value {
    let answer = ask(gate, "web/scan", &json!({}), OPERATOR).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.message()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_told_as_it_was_reviewed() {
    let (gate, web) = house().await;
    let all = get(&gate, "/v1/inventory", VIEWER).await.message();
    let server = &all["servers"][0];
    assert_eq!(
        (&server["name"], &server["system"], &server["trust"]),
        (&json!("web"), &json!("web"), &json!("trusted"))
    );
    assert!(web.url().starts_with(server["transport"].as_str().unwrap()), "{server}");
    assert_eq!((&server["credential"], &server["identity"]), (&Value::Null, &Value::Null));
    let send = tool(server, "send");
    assert_eq!((&send["effects"], &send["reviewed_by"]), (&json!(["egress"]), &json!("r")), "{send}");
    assert_eq!(
        (&send["withheld"], &send["description"]),
        (&Value::Null, &json!("The fixture's tool `send`.")),
        "{send}"
    );
    assert!(send["pin"].as_str().unwrap().starts_with("sha256:"), "{send}");
    assert!(tool(server, "draft")["withheld"].is_string(), "{server}");
    assert_eq!(get(&gate, "/v1/inventory", ADA).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_server_is_compared_with_its_review() {
    let (gate, web) = house().await;
    let told = scan(&gate).await;
    for (name, status) in [("echo", "same"), ("hidden", "new"), ("draft", "withheld"), ("gone", "gone")] {
        assert_eq!(tool(&told, name)["status"], status, "{told}");
    }
    assert!(tool(&told, "draft")["pin"].is_string() && tool(&told, "draft")["definition"].is_string(), "{told}");
    assert_eq!(tool(&told, "echo")["definition"], Value::Null);
    for (path, body, token, wanted) in [
        ("web/scan", json!({}), APPROVER, (200, "")),
        ("web/scan", json!({}), VIEWER, (403, "role")),
        ("none/scan", json!({}), OPERATOR, (404, "no_server")),
        ("web/scan", json!({ "deep": true }), OPERATOR, (400, "bad_request")),
    ] {
        let answer = ask(&gate, path, &body, token).await;
        assert_eq!(code(&answer), (wanted.0, wanted.1.to_owned()), "{path}: {answer:?}");
    }
    web.stop().await;
    let away = ask(&gate, "web/scan", &json!({}), OPERATOR).await;
    assert_eq!(code(&away), (502, "unreachable".to_owned()), "{away:?}");
    let scans = events(gate.close().await).into_iter().filter(|event| event.what == "server_scanned");
    let by: Vec<String> = scans.map(|event| event.by.unwrap()).collect();
    assert_eq!(by, ["default/a-operator", "default/a-approver", "default/a-operator"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_puts_what_was_read_in_force_and_nothing_else() {
    let (gate, _web) = house().await;
    let agent = Agent::legacy(gate.at(), "web", ADA).await;
    let works = async || agent.call("draft", json!({})).await.to_string().contains("done");
    assert!(!works().await, "it is withheld");
    let told = scan(&gate).await;
    let base = get(&gate, "/v1/snapshot", VIEWER).await.message()["digest"].clone();
    let pin = tool(&told, "draft")["pin"].clone();
    let one = |pin: &Value| json!({ "name": "draft", "effects": ["read"], "pin": pin });
    let review = |tools: Value| json!({ "tools": tools, "reason": "read on the desk" });
    let other = json!(format!("sha256:{}", "0".repeat(64)));
    let same = tool(&told, "echo")["pin"].clone();
    for (body, token, wanted) in [
        (review(json!([one(&pin)])), OPERATOR, (403, "role")),
        (review(json!([one(&pin)])), APPROVER, (403, "role")),
        (review(json!([])), ADMIN, (400, "bad_request")),
        (review(json!([one(&pin), one(&pin)])), ADMIN, (400, "bad_request")),
        (review(json!([{ "name": "draft", "effects": [], "pin": pin }])), ADMIN, (400, "bad_request")),
        (review(json!([{ "name": "draft", "effects": ["harm"], "pin": pin }])), ADMIN, (400, "bad_request")),
        (review(json!([{ "name": "draft", "effects": ["read"] }])), ADMIN, (400, "bad_request")),
        (json!({ "tools": [one(&pin)], "reason": " " }), ADMIN, (400, "reason")),
        (review(json!([one(&other)])), ADMIN, (409, "changed")),
        (review(json!([{ "name": "echo", "effects": ["read"], "pin": same }])), ADMIN, (409, "not_open")),
        (review(json!([{ "name": "none", "effects": ["read"], "pin": pin }])), ADMIN, (409, "not_open")),
        (json!({ "tools": [one(&pin)], "reason": "x", "base": other }), ADMIN, (409, "not_the_base")),
    ] {
        let answer = ask(&gate, "web/review", &body, token).await;
        assert_eq!(code(&answer), (wanted.0, wanted.1.to_owned()), "{body}: {answer:?}");
    }
    assert_eq!(get(&gate, "/v1/snapshot", VIEWER).await.message()["digest"], base, "nothing has changed");
    let hidden = json!({ "name": "hidden", "effects": ["read"], "pin": tool(&told, "hidden")["pin"] });
    let body = json!({ "tools": [one(&pin), hidden], "reason": "read on the desk", "base": base });
    let done = ask(&gate, "web/review", &body, ADMIN).await;
    assert_eq!(done.status, 200, "{done:?}");
    let turn = done.message();
    assert_eq!((&turn["how"], &turn["author"], &turn["base"]), (&json!("promote"), &json!("default/a-admin"), &base));
    assert_eq!((&turn["reason"], &turn["withheld"]), (&json!("read on the desk"), &json!([])), "{turn}");
    assert!(works().await, "it is in use");
    let server = get(&gate, "/v1/inventory", VIEWER).await.message()["servers"][0].clone();
    let draft = tool(&server, "draft");
    assert_eq!((&draft["withheld"], &draft["reviewed_by"]), (&Value::Null, &json!("default/a-admin")), "{draft}");
    let told = scan(&gate).await;
    assert_eq!((&tool(&told, "draft")["status"], &tool(&told, "hidden")["status"]), (&json!("same"), &json!("same")));
    // It lies in the directory like any review, and a rollback takes it back.
    let entry = std::fs::read_to_string(gate.folder.path().join("registry/servers/web.toml")).unwrap();
    assert!(entry.contains("[tools.hidden]") && entry.contains("reviewed_by = \"default/a-admin\""), "{entry}");
    let path = format!("/v1/snapshots/{}/promote", base.as_str().unwrap());
    let back = json!({ "base": turn["digest"], "reason": "back" }).to_string();
    assert_eq!(Request::post(&path, back).token(OPERATOR).send(gate.control()).await.status, 200);
    assert_eq!(tool(&scan(&gate).await, "draft")["status"], "withheld");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_reviews_are_signed_none_is_made_here() {
    let (gate, _web) = house().await;
    let key = gateway::review::key::Key::generate().unwrap();
    let text = format!("[reviewers.\"r\"]\nkeys = [\"{}\"]\n", key.public_text());
    std::fs::write(gate.folder.path().join("registry/reviewers.toml"), text).unwrap();
    let reloaded = Request::bare("POST", "/v1/reload").token(OPERATOR).send(gate.control()).await;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    let pin = tool(&scan(&gate).await, "draft")["pin"].clone();
    let body = json!({ "tools": [{ "name": "draft", "effects": ["read"], "pin": pin }], "reason": "x" });
    let answer = ask(&gate, "web/review", &body, ADMIN).await;
    assert_eq!(code(&answer), (409, "signed".to_owned()));
    assert!(answer.body.contains("wicketgate registry review web --key FILE"), "{answer:?}");
}
