//! Who may decide, and what their decision is about.

use super::*;
use crate::gate::principals;
use gateway::auth::token_digest;

/// An approver who is the person that `cleo` acts for.
const PHONE: &str = "token-of-anns-phone-4471";
const CLEO: &str = "token-of-cleo-71d0";
/// Another approver behind whom the same person stands as behind `PHONE`.
const LAPTOP: &str = "token-of-anns-laptop-90ac";
const STRANGER: &str = "token-of-another-house-11";

/// More principals, and these lines in `[approvals]`.
async fn house(approvals: &str) -> House {
    let hex = |token: &str| token_digest(token).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut more = String::new();
    for (agent, token, rest) in [
        ("cleo", CLEO, "user = \"ann\""),
        ("phone", PHONE, "user = \"ann\"\nroles = [\"approver\"]"),
        ("laptop", LAPTOP, "user = \"ann\"\nroles = [\"approver\"]"),
        ("boss", STRANGER, "tenant = \"other\"\nroles = [\"admin\"]"),
    ] {
        more += &format!("[[principals]]\nagent = \"{agent}\"\ntoken_sha256 = \"{}\"\n{rest}\n", hex(token));
    }
    assert!(!principals().contains("cleo"));
    House::new(&format!("{approvals}\n{more}")).await
}

async fn sent_by(house: &House, token: &str) -> Value {
    house.agent(token).await.call("send", json!({ "to": "x" })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_approves_their_own_request_and_strangers_see_none() {
    let house = house("hold_s = 0").await;
    assert_eq!(code(&sent_by(&house, APPROVER).await), "approval_pending");
    let own = house.one().await;
    assert_eq!(own["grants"][0]["you_may"], false);
    assert_eq!(error_of(&house.approve(APPROVER, &own, json!({})).await), (403, "own_request".to_owned()));
    let path = format!("/v1/approvals/{}", own["id"].as_str().unwrap());
    assert_eq!(error_of(&house.ask(STRANGER, "GET", &path, None).await), (404, "no_approval".to_owned()));
    assert_eq!(error_of(&house.approve(STRANGER, &own, json!({})).await), (404, "no_approval".to_owned()));
    assert_eq!(error_of(&house.deny(STRANGER, &own, "no").await), (404, "no_approval".to_owned()));
    let seen = house.ask(STRANGER, "GET", "/v1/approvals?state=all", None).await.message();
    assert_eq!(seen["approvals"], json!([]));
    assert_eq!(house.approve(ADMIN, &own, json!({})).await.status, 200);
    assert_eq!((code(&sent_by(&house, APPROVER).await), house.acted()), ("served".to_owned(), 1));
    // The person that an agent acts for is the same as the agent, by whatever principal.
    assert_eq!(code(&sent_by(&house, CLEO).await), "approval_pending");
    let cleos = house.one().await;
    assert_eq!(error_of(&house.approve(PHONE, &cleos, json!({})).await), (403, "own_request".to_owned()));
    assert_eq!(house.deny(PHONE, &cleos, "I did not ask for that").await.status, 200);
    house.close().await;
}

/// Whoever opens a task holds its token, and may make the calls of its agent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_approves_in_a_task_that_they_opened() {
    for owner in [false, true] {
        let house = house(&format!("hold_s = 0\n[approvals.grants.owner]\nowner = {owner}")).await;
        let tasks = house.gate.folder.path().join("registry/tasks");
        std::fs::create_dir_all(&tasks).unwrap();
        std::fs::write(
            tasks.join("errand.toml"),
            "name = \"errand\"\ndescription = \"An errand.\"\nlifetime_s = 600\n",
        )
        .unwrap();
        house.gate.running.store.reload("test").unwrap();
        let body = json!({ "profile": "errand", "agent": "ada", "goal": "x" });
        let opened = house.ask(PHONE, "POST", "/v1/tasks", Some(body)).await;
        assert_eq!(opened.status, 201, "{opened:?}");
        let path = format!("/t/{}/web/mcp", opened.message()["token"].as_str().unwrap());
        let sent = Request::post(&path, call(1, "send", json!({ "to": "x" }))).without("authorization");
        assert_eq!(code(&sent.send(house.gate.at()).await.message()), "approval_pending");
        let request = house.one().await;
        // Not by another principal of the same person either, save where owners may.
        for own in [PHONE, LAPTOP] {
            let answer = house.approve(own, &request, json!({})).await;
            let expected = if owner { (200, String::new()) } else { (403, "own_request".to_owned()) };
            assert_eq!(error_of(&answer), expected, "{own}");
            if owner {
                break;
            }
        }
        if !owner {
            assert_eq!(house.approve(APPROVER, &request, json!({})).await.status, 200);
        }
        let served = sent.send(house.gate.at()).await.message();
        assert_eq!((code(&served), house.acted()), ("served".to_owned(), 1), "{served}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_given_by_those_who_are_named_and_by_as_many() {
    let rules = "hold_s = 0\n[approvals.grants.owner]\nquorum = 2\napprovers = [\"phone\", \"laptop\", \"a-admin\"]";
    let house = house(rules).await;
    house.sent("x").await;
    let request = house.one().await;
    assert_eq!(error_of(&house.approve(APPROVER, &request, json!({})).await), (403, "not_yours_to_give".to_owned()));
    let first = house.approve(PHONE, &request, json!({})).await.message();
    assert_eq!((&first["state"], &first["grants"][0]["given_by"]), (&json!("pending"), &json!(["default/phone"])));
    assert_eq!(
        error_of(&house.approve(LAPTOP, &request, json!({})).await),
        (409, "decided".to_owned()),
        "the same person"
    );
    assert_eq!(code(&house.sent("x").await), "approval_pending");
    assert_eq!(house.approve(ADMIN, &request, json!({ "uses": 2 })).await.message()["state"], "granted");
    assert_eq!((code(&house.sent("x").await), house.acted()), ("served".to_owned(), 1));
    assert_eq!(code(&house.sent("x").await), "approval_pending", "the strictest says for how many");
    let events = house.close().await;
    let granted = events.iter().find(|event| event.what == "approval_granted").unwrap();
    assert!(granted.detail.contains("for 1 of the calls"), "{}", granted.detail);
    let decided = names(&events).into_iter().filter(|name| name.starts_with("approval_g")).collect::<Vec<_>>();
    assert_eq!(decided, ["approval_given", "approval_granted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_may_where_that_is_said_and_a_passkey_is_asked_for_where_that_is() {
    let house = house("hold_s = 0\n[approvals.grants.owner]\nowner = true").await;
    sent_by(&house, CLEO).await;
    let request = house.one().await;
    assert_eq!(house.approve(PHONE, &request, json!({})).await.status, 200);
    assert_eq!(code(&sent_by(&house, CLEO).await), "served");
    house.close().await;
    let house = self::house("hold_s = 0\n[approvals.grants.owner]\nstep_up = true").await;
    house.sent("x").await;
    let request = house.one().await;
    assert_eq!(request["grants"][0]["step_up"], true);
    let answer = house.approve(APPROVER, &request, json!({})).await;
    assert_ne!(answer.status, 200, "{answer:?}");
    let forged = house.approve(APPROVER, &request, json!({ "step_up": { "id": "x" } })).await;
    assert_ne!(forged.status, 200, "{forged:?}");
    assert_eq!((house.one().await["state"].as_str(), house.acted()), (Some("pending"), 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_for_these_arguments_and_for_once() {
    let house = House::new("hold_s = 0").await;
    house.sent("jane").await;
    let request = house.one().await;
    let stale = json!({ "id": request["id"], "digest": format!("sha256:{}", "0".repeat(64)) });
    assert_eq!(error_of(&house.approve(APPROVER, &stale, json!({})).await), (409, "changed".to_owned()));
    assert_eq!(error_of(&house.deny(APPROVER, &stale, "no").await), (409, "changed".to_owned()));
    let nothing = house.approve(APPROVER, &request, json!({ "grants": [] })).await;
    assert_eq!(error_of(&nothing), (400, "bad_request".to_owned()), "whoever names no grant gives none");
    house.approve(APPROVER, &request, json!({})).await;
    for other in ["joe", "jane ", "Jane"] {
        assert_eq!(code(&house.sent(other).await), "approval_pending", "{other}");
    }
    assert_eq!(
        code(&house.agent(crate::gate::BOB).await.call("send", json!({ "to": "jane" })).await),
        "approval_pending"
    );
    assert_eq!(house.acted(), 0);
    assert_eq!((code(&house.sent("jane").await), house.acted()), ("served".to_owned(), 1));
    assert_eq!(error_of(&house.approve(APPROVER, &request, json!({})).await), (409, "decided".to_owned()));
    assert_eq!((code(&house.sent("jane").await), house.acted()), ("approval_pending".to_owned(), 1));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_floods_is_told_so_and_floods_nobody_else() {
    let house = House::new("hold_s = 0\npending_per_principal_max = 3\npending_per_task_max = 100").await;
    for to in ["a", "b", "c", "a", "b"] {
        assert_eq!(code(&house.sent(to).await), "approval_pending", "{to}");
    }
    assert_eq!(code(&house.sent("d").await), "approvals_full");
    assert_eq!(house.listed("pending").await.len(), 3);
    let bob = house.agent(crate::gate::BOB).await;
    assert_eq!(code(&bob.call("send", json!({ "to": "d" })).await), "approval_pending");
    // What is decided makes room.
    let request = house.pending("ada's", |one| one["caller"]["agent"] == "default/bob").await;
    house.deny(APPROVER, &request, "no").await;
    assert_eq!(code(&house.sent("d").await), "approvals_full");
    let of_ada = house.listed("pending").await.into_iter().next().unwrap();
    let request = house.show(of_ada["id"].as_str().unwrap()).await;
    house.deny(APPROVER, &request, "no").await;
    assert_eq!(code(&house.sent("d").await), "approval_pending");
    house.close().await;
}
