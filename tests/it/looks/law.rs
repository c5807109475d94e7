//! The desk over HTTP: checked, tested, replayed, summed up. Nothing of it changes what is in force.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{get, house};
use crate::gate::bundle::POLICIES;
use crate::gate::client::{Answer, Request};
use crate::gate::{Gate, ROLES, STRANGER};
use crate::live::otherwise;

const VIEWER: &str = ROLES[0].1;
const MEMBER: &str = ROLES[1].1;

async fn ask(gate: &Gate, what: &str, body: &Value, token: &str) -> Answer {
    Request::post(&format!("/v1/law/{what}"), body.to_string()).token(token).send(gate.control()).await
}

async fn well(gate: &Gate, what: &str, body: &Value) -> Value {
    let answer = ask(gate, what, body, MEMBER).await;
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
    answer.message()
}

async fn files(gate: &Gate, policies: &str) -> BTreeMap<String, String> {
    let digest = get(gate, "/v1/snapshot", MEMBER).await.message()["digest"].as_str().unwrap().to_owned();
    let all = get(gate, &format!("/v1/snapshots/{digest}"), MEMBER).await.message()["files"].clone();
    let mut all: BTreeMap<String, String> = serde_json::from_value(all).unwrap();
    all.insert("policies/all.cedar".to_owned(), policies.to_owned());
    all
}

const TESTS: &str = r#"[[case]]
name = "reads pass"
agent = "ada"
server = "web"
tool = "echo"
arguments = { text = "x" }
expect = "allow"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_checked_as_somebody_types() {
    let (gate, _web) = house().await;
    let good = well(&gate, "check", &json!({ "files": files(&gate, POLICIES).await })).await;
    let in_force = get(&gate, "/v1/snapshot", VIEWER).await.message()["digest"].clone();
    assert_eq!((&good["faults"], &good["digest"]), (&json!([]), &in_force), "{good}");
    let notes = good["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note["lint"] == "unpermitted-tool" && note["message"].is_string()), "{good}");
    let typo =
        format!("{POLICIES}\n@id(\"a\") permit (principal, action, resource) when {{ context.gate.cals == 1 }};");
    let bad = well(&gate, "check", &json!({ "files": files(&gate, &typo).await })).await;
    let fault = &bad["faults"][0];
    assert_eq!((&bad["digest"], &fault["file"]), (&Value::Null, &json!("policies/all.cedar")), "{bad}");
    assert!(fault["line"].as_u64().unwrap() > 10 && fault["column"].as_u64().unwrap() > 0, "{bad}");
    // Tests among the files are read too, and are no part of what builds.
    let mut with = files(&gate, POLICIES).await;
    with.insert("policies/a.test.toml".to_owned(), "[[case]]\nname = 1\n".to_owned());
    let bad = well(&gate, "check", &json!({ "files": with })).await;
    assert_eq!((&bad["faults"][0]["file"], &bad["digest"]), (&json!("policies/a.test.toml"), &Value::Null), "{bad}");
    let stray = well(&gate, "check", &json!({ "files": { "policies/../x.cedar": "", "etc/passwd": "" } })).await;
    assert_eq!(stray["faults"].as_array().unwrap().len(), 2, "{stray}");
    for (body, status) in [(json!({}), 400), (json!({ "files": {}, "more": 1 }), 400), (json!({ "files": [] }), 400)] {
        assert_eq!(ask(&gate, "check", &body, MEMBER).await.status, status, "{body}");
    }
    for what in ["check", "test", "replay", "summary"] {
        let refused = ask(&gate, what, &json!({ "files": {} }), VIEWER).await;
        assert_eq!((refused.status, &refused.message()["error"]["code"]), (403, &json!("role")), "{what}");
        let twice = Request::post(&format!("/v1/law/{what}"), r#"{"files":{"a":"","a":""}}"#).token(MEMBER);
        assert_eq!(twice.send(gate.control()).await.status, 400, "{what}");
        let large = format!(r#"{{"files":{{"policies/a.cedar":"{}"}}}}"#, "x".repeat(33 << 20));
        let large = Request::post(&format!("/v1/law/{what}"), large).token(MEMBER).send(gate.control()).await;
        assert_eq!(large.status, 413, "{what}");
    }
    assert_eq!(get(&gate, "/v1/snapshot", VIEWER).await.message()["digest"], in_force);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tests_of_a_candidate_are_those_beside_the_policies_and_those_sent_along() {
    let (gate, _web) = house().await;
    let mut all = files(&gate, POLICIES).await;
    let none = well(&gate, "test", &json!({ "files": all })).await;
    assert_eq!((&none["passed"], &none["failed"], &none["covered"]), (&json!(0), &json!([]), &json!(0)), "{none}");
    std::fs::write(gate.folder.path().join("policies/a.test.toml"), TESTS).unwrap();
    let one = well(&gate, "test", &json!({ "files": all })).await;
    assert_eq!((&one["passed"], &one["failed"]), (&json!(1), &json!([])), "{one}");
    assert_eq!((&one["covered"], &one["policies"]), (&json!(1), &json!(8)), "{one}");
    assert!(one["never"].as_array().unwrap().contains(&json!("writes")), "{one}");
    let fails = well(&gate, "test", &json!({ "files": files(&gate, &otherwise()).await })).await;
    let failed = &fails["failed"][0];
    assert_eq!((&failed["name"], &failed["file"]), (&json!("reads pass"), &json!("policies/a.test.toml")), "{fails}");
    assert_eq!((&failed["line"], &failed["differences"][0]["expected"]), (&json!(2), &json!("allow")), "{fails}");
    // What is sent along takes the place of what lies there.
    all.insert("policies/a.test.toml".to_owned(), TESTS.replace("\"allow\"", "\"deny\""));
    let mine = well(&gate, "test", &json!({ "files": all })).await;
    assert_eq!((&mine["passed"], mine["failed"].as_array().unwrap().len()), (&json!(0), 1), "{mine}");
    all.insert("policies/a.test.toml".to_owned(), "nonsense".to_owned());
    let bad = ask(&gate, "test", &json!({ "files": all }), MEMBER).await;
    assert_eq!((bad.status, &bad.message()["faults"][0]["file"]), (422, &json!("policies/a.test.toml")), "{bad:?}");
    let bad = ask(&gate, "test", &json!({ "files": files(&gate, "permit (").await }), MEMBER).await;
    assert_eq!((bad.status, &bad.message()["faults"][0]["file"]), (422, &json!("policies/all.cedar")), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_traffic_is_put_to_a_candidate_and_examples_stay_at_home() {
    let (gate, _web) = house().await;
    let same = well(&gate, "replay", &json!({ "files": files(&gate, POLICIES).await })).await;
    assert_eq!((&same["wider"], &same["narrower"], &same["whole"]), (&json!(0), &json!(0), &json!(true)), "{same}");
    assert!(same["compared"].as_u64().unwrap() >= 5, "{same}");
    let all = files(&gate, &otherwise()).await;
    let told = well(&gate, "replay", &json!({ "files": all, "hours": 1 })).await;
    assert_eq!((&told["wider"], &told["narrower"]), (&json!(1), &json!(3)), "{told}");
    let wider = &told["differences"][0];
    assert_eq!((&wider["turn"], &wider["rules"]), (&json!("wider"), &json!(["asks-the-owner"])), "{told}");
    assert_eq!(wider["examples"][0]["principal"], "default/ada", "{told}");
    let theirs = ask(&gate, "replay", &json!({ "files": all }), STRANGER).await;
    assert!(theirs.status == 200 && !theirs.body.contains("default/"), "{theirs:?}");
    assert_eq!((&theirs.message()["wider"], &theirs.message()["narrower"]), (&json!(1), &json!(3)));
    for hours in [json!(0), json!(745), json!(-1), json!("1h")] {
        assert_eq!(ask(&gate, "replay", &json!({ "files": all, "hours": hours }), MEMBER).await.status, 400, "{hours}");
    }
    let bad = ask(&gate, "replay", &json!({ "files": files(&gate, "permit (").await }), MEMBER).await;
    assert_eq!(bad.status, 422, "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agents_may_do_is_told_in_plain_words_and_of_ones_own_tenant() {
    let (gate, _web) = house().await;
    let digest = get(&gate, "/v1/snapshot", VIEWER).await.message()["digest"].clone();
    let by_digest = well(&gate, "summary", &json!({ "digest": digest })).await;
    let by_files = well(&gate, "summary", &json!({ "files": files(&gate, POLICIES).await })).await;
    assert_eq!(by_digest, by_files);
    let text = by_digest["text"].as_str().unwrap();
    for words in ["agent `ada`", "agent `stranger`", "web echo", "ask owner"] {
        assert_eq!(text.contains(words), words != "agent `stranger`", "{words}: {text}");
    }
    let theirs = ask(&gate, "summary", &json!({ "digest": digest }), STRANGER).await.message();
    let text = theirs["text"].as_str().unwrap();
    assert!(text.contains("agent `stranger`") && !text.contains("`ada`"), "{text}");
    for (body, status) in [
        (json!({}), 400),
        (json!({ "digest": "000000000000" }), 404),
        (json!({ "files": { "policies/a.cedar": "permit (" } }), 422),
    ] {
        assert_eq!(ask(&gate, "summary", &body, MEMBER).await.status, status, "{body}");
    }
}
