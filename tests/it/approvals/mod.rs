//! Approvals through a real gate: an agent's call waits, people decide over the control plane, and as many calls act as they
//! said, whatever happens in between.

mod law;
mod passkeys;
mod people;
mod port;
mod races;
mod slips;

use std::path::Path;
use std::time::Duration;

use pdp::record::{AskOutcome, Event};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Answer, Request, call};
use crate::gate::server::Upstream;
use crate::gate::{ADA, Gate, HANGS, ROLES, entries, events};

/// The token of the approver.
const APPROVER: &str = ROLES[3].1;
/// The token of the admin, who may approve too.
const ADMIN: &str = ROLES[4].1;
/// Failed credentials are not held against this one address.
const LIMITS: &str = "limits = { failures_per_minute_max = 100000, child_grace_ms = 300 }";

/// A gate whose calls of `send` need the owner's grant, and the server behind it.
struct House {
    web: Upstream,
    gate: Gate,
}

impl House {
    /// With these lines in `[approvals]`.
    async fn new(approvals: &str) -> Self {
        let web = Upstream::start().await;
        let gate = start(&web, approvals).await;
        Self { web, gate }
    }

    /// The same gate, started again.
    async fn again(self) -> Self {
        Self { gate: self.gate.again().await, web: self.web }
    }

    async fn agent(&self, token: &str) -> Agent {
        Agent::legacy(self.gate.at(), "web", token).await
    }

    /// A call of the agent `ada` that needs people, under way.
    async fn send(&self, to: &str) -> JoinHandle<Value> {
        let (agent, to) = (self.agent(ADA).await, to.to_owned());
        tokio::spawn(async move { agent.call("send", json!({ "to": to })).await })
    }

    /// The answer to such a call.
    async fn sent(&self, to: &str) -> Value {
        self.send(to).await.await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask(APPROVER, "GET", path, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.message()
    }

    async fn ask(&self, token: &str, verb: &str, path: &str, body: Option<Value>) -> Answer {
        let request = match body {
            Some(body) => Request::post(path, body.to_string()).verb(verb),
            None => Request::bare(verb, path),
        };
        request.token(token).send(self.gate.control()).await
    }

    /// The requests in this state, the latest first.
    async fn listed(&self, state: &str) -> Vec<Value> {
        self.get(&format!("/v1/approvals?state={state}")).await["approvals"].as_array().unwrap().clone()
    }

    /// One request, whole.
    async fn show(&self, id: &str) -> Value {
        self.get(&format!("/v1/approvals/{id}")).await
    }

    /// Waits until exactly one request is pending for which this holds.
    async fn pending(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let wait = async {
            loop {
                let found: Vec<Value> = self.listed("pending").await.into_iter().filter(&wanted).collect();
                if let [one] = found.as_slice() {
                    return one.clone();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(HANGS, wait).await;
        let found = found.unwrap_or_else(|_| panic!("{what}: it never came"));
        self.show(found["id"].as_str().unwrap()).await
    }

    /// The one request that is pending.
    async fn one(&self) -> Value {
        self.pending("a request", |_| true).await
    }

    /// Waits until a request is in this state.
    async fn until(&self, id: &Value, state: &str) -> Value {
        let id = id.as_str().unwrap();
        let wait = async {
            loop {
                let now = self.show(id).await;
                if now["state"] == state {
                    return now;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(HANGS, wait).await.unwrap_or_else(|_| panic!("{id} is never {state}"))
    }

    async fn approve(&self, token: &str, request: &Value, more: Value) -> Answer {
        let mut body = json!({ "digest": request["digest"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let path = format!("/v1/approvals/{}/approve", request["id"].as_str().unwrap());
        self.ask(token, "POST", &path, Some(body)).await
    }

    async fn deny(&self, token: &str, request: &Value, reason: &str) -> Answer {
        let body = json!({ "digest": request["digest"], "reason": reason });
        let path = format!("/v1/approvals/{}/deny", request["id"].as_str().unwrap());
        self.ask(token, "POST", &path, Some(body)).await
    }

    /// How many calls have come to the server.
    fn acted(&self) -> usize {
        self.web.seen_of("tools/call").len()
    }

    /// Ends the gate; answers what the ledger says of approvals.
    async fn close(self) -> Vec<Event> {
        let all = events(self.gate.close().await);
        self.web.stop().await;
        all.into_iter().filter(|event| event.what.starts_with("approval_")).collect()
    }
}

async fn start(web: &Upstream, approvals: &str) -> Gate {
    let bundle = Bundle::new().http("web", &web.url());
    Gate::start_with(&bundle, &format!("{LIMITS}\n[approvals]\n{approvals}")).await
}

fn code(answer: &Value) -> String {
    crate::gate::client::refusal_in(answer).map_or_else(|| "served".to_owned(), |(code, _)| code)
}

fn error_of(answer: &Answer) -> (u16, String) {
    (answer.status, answer.message()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.what.as_str()).collect()
}

/// What the ledger at this place says of approvals, by name.
fn told(ledger: &Path) -> Vec<String> {
    let all = events(entries(ledger)).into_iter().map(|event| event.what);
    all.filter(|what| what.starts_with("approval_")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_an_approver_sees_it_and_it_runs_once() {
    let house = House::new("").await;
    let waiting = house.send("jane@example.com").await;
    let request = house.one().await;
    assert_eq!((house.acted(), request["waiting"].as_u64()), (0, Some(1)));
    assert_eq!(request["arguments"]["text"], r#"{"to":"jane@example.com"}"#);
    let field = &request["arguments"]["fields"][0];
    assert_eq!((&field["name"], &field["value"]), (&json!("to"), &json!("\"jane@example.com\"")));
    assert_eq!(
        (&request["caller"]["agent"], &request["caller"]["claimed"]["client"]),
        (&json!("default/ada"), &json!("t"))
    );
    assert_eq!((&request["action"]["name"], &request["action"]["effects"]), (&json!("send"), &json!(["egress"])));
    assert_eq!(request["rules"][0]["reason"], "mail leaves the house");
    let grant = &request["grants"][0];
    assert_eq!((&grant["name"], &grant["you_may"], &grant["quorum"]), (&json!("owner"), &json!(true), &json!(1)));
    let id = request["id"].as_str().unwrap();
    assert!(id.len() == 29 && id.starts_with("ap_"), "{id}");
    for (_, token) in &ROLES[..3] {
        assert_eq!(error_of(&house.approve(token, &request, json!({})).await), (403, "role".to_owned()));
    }
    let by_get = house.ask(APPROVER, "GET", &format!("/v1/approvals/{id}/approve"), None).await;
    assert!(by_get.status == 405 && house.show(id).await["state"] == "pending", "a GET never decides");
    let answer = house.approve(APPROVER, &request, json!({ "note": "fine" })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let served = waiting.await.unwrap();
    assert_eq!((code(&served), house.acted()), ("served".to_owned(), 1), "{served}");
    let spent = house.until(&request["id"], "spent").await;
    assert_eq!(spent["decisions"][0]["by"], "default/a-approver");
    let record = house.gate.numbered(request["record"].as_u64().unwrap()).await;
    let [asked] = record.approvals.as_slice() else { panic!("{record:?}") };
    assert_eq!((asked.outcome, asked.id.as_deref()), (AskOutcome::Granted, request["id"].as_str()));
    assert!(
        asked.by.contains("default/a-approver") && asked.grants.contains("owner") && asked.took_us > 0,
        "{asked:?}"
    );
    let events = house.close().await;
    assert_eq!(names(&events), ["approval_asked", "approval_viewed", "approval_granted", "approval_spent"]);
    for event in &events {
        assert_eq!(
            (event.task.as_deref(), event.trace.as_deref()),
            (Some(record.task.as_str()), Some(record.trace.as_str()))
        );
        assert!(!event.detail.contains("jane"), "no event names an argument: {}", event.detail);
    }
    assert_eq!(events[2].by.as_deref(), Some("default/a-approver"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_is_final_is_told_to_the_agent_and_is_remembered() {
    let house = House::new("").await;
    let waiting = house.send("jane").await;
    let request = house.one().await;
    assert_eq!(error_of(&house.deny(APPROVER, &request, " ").await).0, 400);
    assert_eq!(error_of(&house.deny(APPROVER, &request, &"x".repeat(501)).await).0, 400);
    assert_eq!(house.deny(APPROVER, &request, "not to her").await.status, 200);
    let refused = waiting.await.unwrap();
    assert_eq!(code(&refused), "denied");
    assert!(refused.to_string().contains("not to her"), "{refused}");
    // Without asking anybody again, and for the same call alone.
    assert_eq!(code(&house.sent("jane").await), "denied");
    assert!(house.listed("pending").await.is_empty());
    assert_eq!(error_of(&house.approve(ADMIN, &request, json!({})).await), (409, "decided".to_owned()));
    let other = house.send("joe").await;
    let request = house.one().await;
    house.approve(APPROVER, &request, json!({})).await;
    assert_eq!((code(&other.await.unwrap()), house.acted()), ("served".to_owned(), 1));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_decides_expires_and_what_nobody_uses_too() {
    let house = House::new("hold_s = 0\npending_s = 1\ngranted_s = 1").await;
    assert_eq!(code(&house.sent("jane").await), "approval_pending");
    let first = house.one().await;
    let expired = house.until(&first["id"], "expired").await;
    assert!(expired["why_closed"].as_str().unwrap().contains("pending"), "{expired}");
    assert_eq!(error_of(&house.approve(APPROVER, &first, json!({})).await), (409, "decided".to_owned()));
    assert_eq!(code(&house.sent("jane").await), "approval_pending");
    let second = house.one().await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(house.approve(APPROVER, &second, json!({})).await.message()["state"], "granted");
    house.until(&second["id"], "expired").await;
    assert_eq!((code(&house.sent("jane").await), house.acted()), ("approval_pending".to_owned(), 0));
    let events = house.close().await;
    assert_eq!(names(&events).iter().filter(|name| **name == "approval_expired").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_between_loses_nothing_and_gives_nothing_twice() {
    let house = House::new("hold_s = 0").await;
    assert_eq!(code(&house.sent("jane").await), "approval_pending");
    let before = house.one().await;
    let house = house.again().await;
    let request = house.one().await;
    for member in ["id", "digest", "arguments", "caller", "rules", "record"] {
        assert_eq!(request[member], before[member], "{member}");
    }
    house.approve(APPROVER, &request, json!({})).await;
    let house = house.again().await;
    assert_eq!(house.show(request["id"].as_str().unwrap()).await["state"], "granted");
    assert_eq!((code(&house.sent("jane").await), house.acted()), ("served".to_owned(), 1));
    let house = house.again().await;
    assert_eq!(house.show(request["id"].as_str().unwrap()).await["state"], "spent");
    assert_eq!((code(&house.sent("jane").await), house.acted()), ("approval_pending".to_owned(), 1));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_spending_and_acting_leaves_it_spent() {
    let house = House::new("hold_s = 0").await;
    assert_eq!(code(&house.sent("jane").await), "approval_pending");
    let request = house.one().await;
    house.approve(APPROVER, &request, json!({})).await;
    // The server takes the call and never answers: whether it acted, nobody can know.
    house.web.script("tools/call", crate::gate::server::Script::Open(b"HTTP/1.1 200 OK\r\n".to_vec()));
    let waiting = house.send("jane").await;
    house.until(&request["id"], "spent").await;
    // What is on disk now is what a crash would leave.
    let folder = crate::gate::folder();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    for file in ["wicketgate.toml", "state/approvals.db", "state/approvals.db-wal"] {
        std::fs::copy(house.gate.folder.path().join(file), folder.path().join(file)).unwrap();
    }
    waiting.abort();
    house.web.unscript("tools/call");
    let other = start(&house.web, "hold_s = 0").await;
    let survivor = House { gate: other.with_state_of(folder).await, web: Upstream::start().await };
    let acted = house.acted();
    assert_eq!(survivor.show(request["id"].as_str().unwrap()).await["state"], "spent");
    assert_eq!((code(&survivor.sent("jane").await), house.acted()), ("approval_pending".to_owned(), acted));
    survivor.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_is_told_of_every_change() {
    let house = House::new("hold_s = 0").await;
    let watching = Request::bare("GET", "/v1/approvals/stream").token(ROLES[0].1);
    let mut stream = watching.open(house.gate.control()).await;
    let (status, _) = stream.head().await;
    assert_eq!((status, stream.event().await.unwrap().json()), (200, json!({ "pending": 0 })));
    house.sent("jane").await;
    let request = house.one().await;
    let mut states = vec![];
    house.deny(APPROVER, &request, "no").await;
    while states.last() != Some(&json!("refused")) {
        let line = tokio::time::timeout(HANGS, stream.event()).await.unwrap().unwrap().json();
        assert_eq!((&line["id"], &line["grants"][0]["you_may"]), (&request["id"], &json!(false)));
        assert!(line.get("arguments").is_none() && line.get("digest").is_none(), "{line}");
        states.push(line["state"].clone());
    }
    assert_eq!(states.first(), Some(&json!("pending")));
    // An open stream holds up no stop.
    house.close().await;
    assert!(stream.event().await.is_none());
}

/// A call whose tool marks an argument as sensitive is shown whole while the gate runs, and not stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sensitive_argument_is_shown_and_not_stored() {
    let house = House::new("hold_s = 0").await;
    let file = house.gate.folder.path().join("registry/servers/web.toml");
    let text =
        std::fs::read_to_string(&file).unwrap().replace("[tools.send]\n", "[tools.send]\nsensitive = [\"to\"]\n");
    std::fs::write(&file, text).unwrap();
    house.gate.running.store.reload("test").unwrap();
    house.sent("secret-place").await;
    let request = house.one().await;
    assert_eq!(request["arguments"]["text"], r#"{"to":"secret-place"}"#);
    let house = house.again().await;
    let request = house.one().await;
    let text = request["arguments"]["text"].as_str().unwrap();
    assert!(!text.contains("secret-place") && text.contains("withheld"), "{text}");
    assert_eq!((&request["arguments"]["whole"], &request["grants"][0]["you_may"]), (&json!(false), &json!(false)));
    // Nobody says yes to what nobody sees, until the same call brings it again.
    assert_eq!(error_of(&house.approve(APPROVER, &request, json!({})).await), (409, "withheld".to_owned()));
    assert_eq!(code(&house.sent("another-place").await), "approval_pending");
    assert_eq!(house.show(request["id"].as_str().unwrap()).await["arguments"]["whole"], false);
    assert_eq!(code(&house.sent("secret-place").await), "approval_pending");
    let again = house.show(request["id"].as_str().unwrap()).await;
    assert_eq!(
        (&again["arguments"]["text"], &again["digest"]),
        (&json!(r#"{"to":"secret-place"}"#), &request["digest"])
    );
    assert_eq!((&again["arguments"]["whole"], &again["grants"][0]["you_may"]), (&json!(true), &json!(true)));
    for file in ["state/approvals.db", "state/approvals.db-wal"] {
        let bytes = std::fs::read(house.gate.folder.path().join(file)).unwrap();
        assert!(!bytes.windows(12).any(|part| part == b"secret-place"), "{file}");
    }
    assert_eq!(house.approve(APPROVER, &again, json!({})).await.status, 200);
    assert_eq!(code(&house.sent("secret-place").await), "served");
    // What cannot be seen can be refused.
    let house = house.again().await;
    let other = house.one().await;
    assert_eq!(other["arguments"]["whole"], false);
    assert_eq!(house.deny(APPROVER, &other, "nobody knows what it is").await.status, 200);
    house.close().await;
}

/// What a task did before is found behind whatever else was recorded of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_before_is_shown_however_much_was_said_since() {
    let house = House::new("hold_s = 0").await;
    let agent = house.agent(ADA).await;
    agent.call("echo", json!({ "text": "read" })).await;
    let notice = json!({ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }).to_string();
    for _ in 0..150 {
        agent.posting(notice.clone()).send(agent.to).await;
    }
    // That it asked, and asks again, is no news to whoever decides on it.
    for _ in 0..12 {
        assert_eq!(code(&agent.call("send", json!({ "to": "jane" })).await), "approval_pending");
    }
    let request = house.one().await;
    let actions: Vec<&str> =
        request["before"].as_array().unwrap().iter().map(|call| call["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["echo"], "{request}");
    // What cannot be read is not shown as nothing.
    let (ledger, away) = (house.gate.ledger(), house.gate.folder.path().join("away.db"));
    std::fs::rename(&ledger, &away).unwrap();
    assert_eq!(house.show(request["id"].as_str().unwrap()).await["before"], Value::Null);
    std::fs::rename(&away, &ledger).unwrap();
    house.close().await;
}
