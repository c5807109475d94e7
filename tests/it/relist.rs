//! After a review, or any other change of the registry, live sessions are told that their tools have changed: each once,
//! by the gate, through all nine stages, and only where their server said that it tells of such changes.

use pdp::record::{Direction, Record};
use serde_json::{Value, json};

use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Wire, rpc};
use crate::gate::events::EventServer;
use crate::gate::server::Upstream;
use crate::gate::{ADA, BOB, Gate, records};

const CHANGED: &str = "notifications/tools/list_changed";

async fn shown(agent: &Agent) -> Vec<String> {
    let answer = agent.posting(rpc(1, "tools/list", json!({}))).send(agent.to).await;
    let tools = answer.message()["result"]["tools"].as_array().cloned().unwrap_or_default();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

async fn listening(agent: &Agent) -> Wire {
    let mut wire = agent.listening().open(agent.to).await;
    assert_eq!(wire.head().await.0, 200);
    wire
}

async fn next(wire: &mut Wire) -> Value {
    wire.event().await.expect("an event").json()
}

/// Edits a server's entry, and has it loaded.
fn edit(gate: &Gate, server: &str, from: &str, to: &str) -> bool {
    let file = gate.folder.path().join(format!("registry/servers/{server}.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    gate.running.store.reload("test").unwrap().1
}

/// The gate's own notices in a ledger.
fn notices(records: &[Record]) -> Vec<&Record> {
    let own = |record: &&Record| {
        let noted = record.notes.iter().any(|note| note.text.starts_with("made by the gate"));
        noted && record.method.as_deref() == Some(CHANGED) && record.direction == Direction::ToClient
    };
    records.iter().filter(own).collect()
}

/// `echo` withheld, and back.
const REVIEWED: &str = "[tools.echo]\neffect = [\"read\"]\n";
const RETIRED: &str = "[tools.echo]\neffect = [\"read\"]\nretired_at = \"2026-11-21\"\n";

#[tokio::test]
async fn each_session_is_told_once_of_each_change_of_what_it_may_list() {
    let gate = Gate::start(&Bundle::new().stdio("pipe", &[]).stdio("other", &[])).await;
    let (ada, bob) = (Agent::legacy(gate.at(), "pipe", ADA).await, Agent::legacy(gate.at(), "pipe", BOB).await);
    let bystander = Agent::legacy(gate.at(), "other", ADA).await;
    let mut wires = [listening(&ada).await, listening(&bob).await];
    let _its_stream = listening(&bystander).await;
    assert!(shown(&ada).await.contains(&"echo".to_owned()));
    assert!(edit(&gate, "pipe", REVIEWED, RETIRED));
    for wire in &mut wires {
        assert_eq!(next(wire).await, json!({ "jsonrpc": "2.0", "method": CHANGED }));
    }
    assert!(!shown(&ada).await.contains(&"echo".to_owned()));
    // Neither a policy, nor a comment, nor a change that hides nothing and shows nothing, is told.
    let policies = gate.folder.path().join("policies/all.cedar");
    let text = std::fs::read_to_string(&policies).unwrap();
    std::fs::write(
        &policies,
        format!("{text}\n@id(\"more\") forbid (principal == Gate::Agent::\"nobody\", action, resource);\n"),
    )
    .unwrap();
    assert!(gate.running.store.reload("test").unwrap().1);
    assert!(edit(&gate, "pipe", "[tools.look]\neffect = [\"read\"]\n", "[tools.look]\neffect = [\"write\"]\n"));
    // What comes next is therefore the next change of the list.
    assert!(edit(&gate, "pipe", RETIRED, REVIEWED));
    for wire in &mut wires {
        assert_eq!(next(wire).await["method"], CHANGED);
    }
    assert!(shown(&bob).await.contains(&"echo".to_owned()));
    let records = records(gate.close().await);
    let told = notices(&records);
    assert_eq!(told.len(), 4, "two sessions, two changes");
    for record in told {
        assert_eq!((record.server.as_str(), record.ending.word()), ("pipe", "served"));
        let stages: Vec<&str> = record.stages.iter().map(|stage| stage.stage.as_ref()).collect();
        assert_eq!(stages.len(), 9, "{stages:?}");
    }
}

#[tokio::test]
async fn a_change_while_nobody_listens_is_told_to_the_next_stream_of_the_session() {
    let server = EventServer::start().await;
    let gate = Gate::start(&Bundle::new().sse("events", &server.url())).await;
    let agent = Agent::legacy(gate.at(), "events", ADA).await;
    assert!(shown(&agent).await.contains(&"echo".to_owned()));
    assert!(edit(&gate, "events", REVIEWED, RETIRED));
    let mut wire = listening(&agent).await;
    assert_eq!(next(&mut wire).await["method"], CHANGED);
    // A session that begins afterwards has seen nothing else, and is told nothing.
    let fresh = Agent::legacy(gate.at(), "events", ADA).await;
    let mut quiet = listening(&fresh).await;
    assert!(edit(&gate, "events", RETIRED, REVIEWED));
    assert_eq!(next(&mut quiet).await["method"], CHANGED);
    assert_eq!(next(&mut wire).await["method"], CHANGED);
    let records = records(gate.close().await);
    assert_eq!(notices(&records).len(), 3);
}

#[tokio::test]
async fn a_server_that_never_said_so_is_not_made_to_say_it() {
    let web = Upstream::start().await;
    let gate = Gate::start(&Bundle::new().http("web", &web.url())).await;
    let agent = Agent::legacy(gate.at(), "web", ADA).await;
    let mut wire = listening(&agent).await;
    assert!(shown(&agent).await.contains(&"echo".to_owned()));
    assert!(edit(&gate, "web", REVIEWED, RETIRED));
    web.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": 1, "progress": 1 } }));
    assert_eq!(next(&mut wire).await["method"], "notifications/progress", "the first event is the server's");
    let records = records(gate.close().await);
    assert_eq!(notices(&records).len(), 0);
}

#[tokio::test]
async fn a_modern_client_is_told_on_the_subscription_that_asked_for_it() {
    let gate = Gate::start(&Bundle::new().stdio("pipe", &["--modern"])).await;
    let agent = Agent::modern(gate.at(), "pipe", ADA);
    let subscribe = async |id: &str, filter: Value| {
        let request = agent.stateless(id, "subscriptions/listen", json!({ "notifications": filter }));
        let mut wire = request.open(agent.to).await;
        assert_eq!(wire.head().await.0, 200);
        let agreed = next(&mut wire).await;
        assert_eq!(agreed["method"], "notifications/subscriptions/acknowledged", "{agreed}");
        wire
    };
    let mut one = subscribe("listen:0", json!({ "toolsListChanged": true })).await;
    let mut two = subscribe("listen:1", json!({ "toolsListChanged": true })).await;
    let _deaf = subscribe("listen:2", json!({ "promptsListChanged": true })).await;
    assert!(edit(&gate, "pipe", REVIEWED, RETIRED));
    for (wire, id) in [(&mut one, "listen:0"), (&mut two, "listen:1")] {
        let told = next(wire).await;
        assert_eq!(told["method"], CHANGED);
        assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id, "{told}");
    }
    let records = records(gate.close().await);
    assert_eq!(notices(&records).len(), 2);
}
