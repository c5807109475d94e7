//! Many at once: approvers, and identical calls.

use super::*;
use crate::gate::until;

/// How each of these calls ended.
async fn ends(calls: impl IntoIterator<Item = JoinHandle<Value>>) -> Vec<String> {
    let mut codes = Vec::new();
    for call in calls {
        codes.push(code(&call.await.unwrap()));
    }
    codes.sort();
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_approvers_at_once_one_wins_and_the_other_is_told() {
    for _ in 0..10 {
        let house = House::new("hold_s = 0").await;
        house.sent("jane").await;
        let request = house.one().await;
        let no = json!({});
        let (yes, no) =
            tokio::join!(house.approve(APPROVER, &request, no), house.deny(ADMIN, &request, "not like this"));
        let mut statuses = [yes.status, no.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{yes:?} {no:?}");
        let state = house.show(request["id"].as_str().unwrap()).await["state"].clone();
        assert_eq!(state, if yes.status == 200 { "granted" } else { "refused" });
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_batch_as_many_run_as_was_said() {
    let house = House::new("hold_s = 6").await;
    let calls = [house.send("jane").await, house.send("jane").await, house.send("jane").await];
    let request = house.pending("three calls", |one| one["waiting"] == 3).await;
    assert_eq!(
        error_of(&house.approve(APPROVER, &request, json!({ "uses": 4 })).await),
        (400, "bad_request".to_owned())
    );
    assert_eq!(
        error_of(&house.approve(APPROVER, &request, json!({ "uses": 0 })).await),
        (400, "bad_request".to_owned())
    );
    assert_eq!(house.approve(APPROVER, &request, json!({ "uses": 2 })).await.status, 200);
    assert_eq!(
        (ends(calls).await, house.acted()),
        (["approval_pending", "served", "served"].map(str::to_owned).to_vec(), 2)
    );
    // The third asks for itself.
    let left = house.one().await;
    assert_ne!(left["id"], request["id"]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_racing_calls_one_runs() {
    let house = House::new("hold_s = 20").await;
    let agent = house.agent(ADA).await;
    let calls: Vec<JoinHandle<Value>> = (0..200)
        .map(|n| {
            let agent = agent.clone();
            let text = call(n, "send", json!({ "to": "jane" }));
            tokio::spawn(async move { agent.posting(text).send(agent.to).await.message() })
        })
        .collect();
    let request = house.pending("two hundred calls", |one| one["waiting"] == 200).await;
    assert_eq!(house.approve(APPROVER, &request, json!({})).await.status, 200);
    let next = house.pending("the others", |one| one["waiting"] == 199).await;
    assert_ne!(next["id"], request["id"]);
    until("the one call has acted", || (house.acted() == 1).then_some(())).await;
    // Nobody need wait for the others to give up.
    assert_eq!(house.deny(ADMIN, &next, "once is enough").await.status, 200);
    let codes = ends(calls).await;
    assert_eq!(codes.iter().filter(|code| *code == "served").count(), 1);
    assert_eq!(codes.iter().filter(|code| *code == "denied").count(), 199);
    assert_eq!(house.acted(), 1);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_gone_leaves_its_request_and_takes_no_use() {
    let house = House::new("").await;
    let waiting = house.send("jane").await;
    let request = house.one().await;
    waiting.abort();
    house.pending("nobody waits", |one| one["waiting"] == 0).await;
    house.approve(APPROVER, &request, json!({})).await;
    assert_eq!(house.show(request["id"].as_str().unwrap()).await["state"], "granted");
    assert_eq!((code(&house.sent("jane").await), house.acted()), ("served".to_owned(), 1));
    assert_eq!(told(&house.gate.ledger()).last().map(String::as_str), Some("approval_spent"));
    house.close().await;
}
