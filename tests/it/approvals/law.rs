//! What was asked for under one law and is decided under another.

use super::*;

const PERMITS: &str = "@id(\"lifecycle\") permit (principal, action in Gate::Action::\"lifecycle\", resource);\n\
                       @id(\"sends\") permit (principal, action in Gate::Action::\"egress\", resource);\n";

fn forbid(approval: &str) -> String {
    format!("{PERMITS}@id(\"asks\") {approval} forbid (principal, action in Gate::Action::\"egress\", resource);\n")
}

/// Puts these policies in force.
fn swap(house: &House, policies: &str) {
    std::fs::write(house.gate.folder.path().join("policies/all.cedar"), policies).unwrap();
    house.gate.running.store.reload("test").unwrap();
}

/// Edits the registry entry of the server.
fn edit(house: &House, from: &str, to: &str) {
    let file = house.gate.folder.path().join("registry/servers/web.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
    house.gate.running.store.reload("test").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_law_allows_or_denies_now_nobody_need_decide() {
    for (policies, expected, why) in
        [(PERMITS.to_owned(), "served", "allows it now"), (forbid(""), "denied", "denies it now")]
    {
        let house = House::new("").await;
        let waiting = house.send("jane").await;
        let request = house.one().await;
        swap(&house, &policies);
        let closed = house.until(&request["id"], "closed").await;
        assert!(closed["why_closed"].as_str().unwrap().contains(why), "{closed}");
        let answer = waiting.await.unwrap();
        assert_eq!(
            (code(&answer), house.acted()),
            (expected.to_owned(), usize::from(expected == "served")),
            "{answer}"
        );
        assert_eq!(error_of(&house.approve(APPROVER, &request, json!({})).await), (409, "decided".to_owned()));
        assert!(names(&house.close().await).contains(&"approval_closed"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_asks_for_another_grant_now_is_asked_for_anew() {
    let house = House::new("").await;
    let waiting = house.send("jane").await;
    let first = house.one().await;
    swap(&house, &forbid("@approval(\"security\")"));
    house.until(&first["id"], "closed").await;
    let second = house.one().await;
    assert_eq!(second["grants"][0]["name"], "security");
    assert_eq!(house.approve(APPROVER, &second, json!({})).await.status, 200);
    assert_eq!((code(&waiting.await.unwrap()), house.acted()), ("served".to_owned(), 1));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_granted_under_another_law_is_judged_by_the_law_of_the_moment() {
    let house = House::new("hold_s = 0").await;
    house.sent("jane").await;
    let request = house.one().await;
    house.approve(APPROVER, &request, json!({})).await;
    // A law that still asks for the same leaves it standing.
    swap(&house, &forbid("@approval(\"owner\") @reason(\"for another reason\")"));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(house.show(request["id"].as_str().unwrap()).await["state"], "granted");
    swap(&house, &forbid(""));
    house.until(&request["id"], "closed").await;
    assert_eq!((code(&house.sent("jane").await), house.acted()), ("denied".to_owned(), 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_is_another_now_was_not_approved() {
    let house = House::new("").await;
    let waiting = house.send("jane").await;
    let request = house.one().await;
    edit(&house, "[tools.send]\n", "[tools.send]\nlabels = [\"private\"]\n");
    let closed = house.until(&request["id"], "closed").await;
    assert!(closed["why_closed"].as_str().unwrap().contains("registry entry"), "{closed}");
    assert_eq!((code(&waiting.await.unwrap()), house.acted()), ("definition_changed".to_owned(), 0));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_to_a_task_while_it_waited_is_shown_before_it_is_decided() {
    let house = House::new("hold_s = 0").await;
    edit(&house, "[tools.echo]\n", "[tools.echo]\nlabels = [\"untrusted\"]\n");
    house.sent("jane").await;
    let seen = house.one().await;
    assert_eq!(seen["labels"], json!([]));
    house.agent(ADA).await.call("echo", json!({ "text": "read" })).await;
    house.sent("jane").await;
    let now = house.one().await;
    assert_eq!((&now["id"], &now["labels"]), (&seen["id"], &json!(["untrusted"])));
    assert_eq!(error_of(&house.approve(APPROVER, &seen, json!({})).await), (409, "changed".to_owned()));
    assert_eq!(house.approve(APPROVER, &now, json!({})).await.status, 200);
    assert_eq!((code(&house.sent("jane").await), house.acted()), ("served".to_owned(), 2));
    house.close().await;
}
