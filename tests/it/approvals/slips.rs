//! A call that waits is given back as a task: over real connections, which are closed in between.

use pdp::digest::Digest;
use pdp::record::Ending;
use tests::TOOLS;

use super::*;
use crate::gate::BOB;
use crate::gate::client::rpc;
use crate::gate::server::Script;

/// A gate before a server that opens its tasks, and whose `send` may be called as one.
async fn house() -> House {
    let web = Upstream::start().await;
    let mut send = TOOLS.iter().find(|tool| tool.name == "send").unwrap().definition();
    send["execution"] = json!({ "taskSupport": "optional" });
    let listed = json!({ "jsonrpc": "2.0", "id": "here", "result": { "tools": [send] } });
    web.script("tools/list", Script::Json(listed.to_string().replace("\"here\"", "{id}")));
    let text = format!(
        "name = \"web\"\nopen = [\"tasks\"]\n[transport]\nkind = \"http\"\nurl = \"{}\"\n[tools.send]\neffect = [\"egress\"]\n\
         labels = [\"private\"]\npin = \"{}\"\nreviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n",
        web.url(),
        Digest::of_json(&send.to_string()).unwrap(),
    );
    let bundle = Bundle::new().registered("web", text, json!([send]).to_string());
    let gate = Gate::start_with(&bundle, &format!("{LIMITS}\n[approvals]\n")).await;
    House { web, gate }
}

/// What this client is answered.
async fn asked(agent: &Agent, method: &str, params: Value) -> Value {
    agent.posting(rpc(5, method, params)).send(agent.to).await.message()
}

/// A call of `send` as a task: its id.
async fn sent(agent: &Agent, to: &str) -> String {
    let call = json!({ "name": "send", "arguments": { "to": to }, "task": { "ttl": 60_000 } });
    let given = asked(agent, "tools/call", call).await;
    let task = &given["result"]["task"];
    assert_eq!(task["status"], "working", "{given}");
    assert!(task["statusMessage"].as_str().unwrap().contains("/console/#/approvals/ap_"), "{given}");
    task["taskId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_2025_comes_back_for_the_result() {
    let house = house().await;
    let agent = house.agent(ADA).await;
    let id = sent(&agent, "jane").await;
    let named = json!({ "taskId": id });
    let waiting = tokio::spawn({
        let (agent, named) = (agent.clone(), named.clone());
        async move { asked(&agent, "tasks/result", named).await }
    });
    let others = house.agent(BOB).await;
    assert_eq!(code(&asked(&others, "tasks/result", named.clone()).await), "bad_parameters");
    assert_eq!(code(&asked(&others, "tasks/cancel", named.clone()).await), "bad_parameters");
    let request = house.one().await;
    assert_eq!((house.acted(), &request["asked"]), (0, &json!(1)));
    house.approve(APPROVER, &request, json!({})).await;
    let result = waiting.await.unwrap();
    assert_eq!((result["result"]["content"][0]["text"].as_str(), house.acted()), (Some("done"), 1), "{result}");
    assert_eq!(result["result"]["_meta"]["dev.wicketgate/label"]["labels"], json!(["private"]));
    assert_eq!(result["result"]["_meta"]["io.modelcontextprotocol/related-task"], named);
    assert_eq!(asked(&agent, "tasks/get", named.clone()).await["result"]["status"], "completed");
    assert_eq!(asked(&agent, "tasks/result", named).await, result);
    let sent = house.web.seen_of("tools/call").pop().unwrap().message();
    assert_eq!(sent["params"].get("task"), None, "{sent}");
    assert!(house.web.seen_of("tasks/result").is_empty() && house.web.seen_of("tasks/get").is_empty());
    let number = result["result"]["_meta"]["dev.wicketgate/label"]["record"].as_u64().unwrap();
    assert_eq!(house.gate.numbered(number).await.ending, Ending::Served);
    let no = self::sent(&agent, "joe").await;
    let request = house.one().await;
    house.deny(APPROVER, &request, "not to him").await;
    let refused = asked(&agent, "tasks/result", json!({ "taskId": no })).await;
    assert_eq!((code(&refused), house.acted()), ("denied".to_owned(), 1), "{refused}");
    assert!(refused.to_string().contains("not to him"), "{refused}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_forgets_the_task_and_keeps_the_request() {
    let house = house().await;
    let agent = house.agent(ADA).await;
    let id = sent(&agent, "jane").await;
    let before = house.one().await;
    let house = house.again().await;
    let call = house.gate.numbered(before["record"].as_u64().unwrap()).await;
    assert_eq!((call.ending, call.refusal), (Ending::Abandoned, None));
    let agent = house.agent(ADA).await;
    assert_eq!(code(&asked(&agent, "tasks/get", json!({ "taskId": id })).await), "bad_parameters");
    let again = sent(&agent, "jane").await;
    let request = house.one().await;
    assert_eq!(request["id"], before["id"]);
    house.approve(APPROVER, &request, json!({})).await;
    let result = asked(&agent, "tasks/result", json!({ "taskId": again })).await;
    assert_eq!((code(&result), house.acted()), ("served".to_owned(), 1), "{result}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_the_extension_polls_for_the_result() {
    let house = house().await;
    let agent = Agent::modern(house.gate.at(), "web", ADA);
    let takes = json!({ "io.modelcontextprotocol/clientCapabilities": {
        "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} },
    } });
    let call = json!({ "name": "send", "arguments": { "to": "jane" }, "_meta": takes });
    let given = agent.stateless(1, "tools/call", call).send(agent.to).await.message();
    assert_eq!(
        (&given["result"]["resultType"], &given["result"]["status"]),
        (&json!("task"), &json!("working")),
        "{given}"
    );
    let named = json!({ "taskId": given["result"]["taskId"], "_meta": takes });
    let polled =
        async || agent.stateless(2, "tasks/get", named.clone()).send(agent.to).await.message()["result"].clone();
    assert_eq!(polled().await["status"], "working");
    let request = house.one().await;
    house.approve(APPROVER, &request, json!({})).await;
    house.until(&request["id"], "spent").await;
    let wait = async {
        loop {
            let now = polled().await;
            if now["status"] != "working" {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let result = tokio::time::timeout(HANGS, wait).await.unwrap();
    assert_eq!(
        (&result["status"], &result["result"]["content"][0]["text"]),
        (&json!("completed"), &json!("done")),
        "{result}"
    );
    let sent = house.web.seen_of("tools/call").pop().unwrap().message();
    let told = &sent["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!((house.acted(), told), (1, &json!({ "extensions": {} })), "its server is told of nobody to ask");
    let cancelled = agent.stateless(3, "tasks/cancel", named.clone()).send(agent.to).await.message();
    assert_eq!(cancelled["result"], json!({ "resultType": "complete" }));
    house.close().await;
}
