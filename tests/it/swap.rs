//! One frame, one law: a thousand swaps of the policies while agents call.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pep::ports::Snapshots as _;
use serde_json::json;

use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Request, call, rpc, text_of};
use crate::gate::server::Upstream;
use crate::gate::{ADA, Gate, OPERATOR, events, records};

/// How often the law is changed.
const SWAPS: usize = 1000;
/// How many agents call meanwhile.
const AGENTS: usize = 4;

/// The law of this name: it permits what the other permits, under a name of its own.
fn law(name: &str) -> String {
    format!(
        "@id(\"lifecycle-{name}\") permit (principal, action in Gate::Action::\"lifecycle\", resource);\n\
             @id(\"reads-{name}\") permit (principal, action in Gate::Action::\"read\", resource);\n"
    )
}

/// Agents that call without end, each call answered as it must be.
struct Load {
    over: Arc<AtomicBool>,
    agents: Vec<tokio::task::JoinHandle<usize>>,
}

impl Load {
    fn on(gate: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let agent = |_| {
            let over = Arc::clone(&over);
            tokio::spawn(async move {
                let mut answered = 0;
                while !over.load(Ordering::SeqCst) {
                    let request = Request::post("/web/mcp", call(1, "echo", json!({ "text": "x" }))).token(ADA);
                    let answer = request.send(gate).await;
                    assert_eq!((answer.status, text_of(&answer.message())), (200, "x"), "{answer:?}");
                    answered += 1;
                }
                answered
            })
        };
        let agents = (0..AGENTS).map(agent).collect();
        Self { over, agents }
    }

    /// Ends them; answers how many calls were answered.
    async fn end(self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        let mut answered = 0;
        for agent in self.agents {
            answered += agent.await.unwrap();
        }
        answered
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_swaps_under_load_lose_no_call_and_mix_no_laws() {
    let web = Upstream::start().await;
    let gate = Gate::start(&Bundle::new().http("web", &web.url())).await;
    let file = gate.folder.path().join("policies/all.cedar");
    let mut laws: BTreeMap<String, &str> = BTreeMap::new();
    std::fs::write(&file, law("odd")).unwrap();
    laws.insert(gate.running.store.reload("test").unwrap().0.to_string(), "odd");
    let load = Load::on(gate.at());
    let store = Arc::clone(&gate.running.store);
    let swapping = tokio::task::spawn_blocking(move || {
        let mut found = BTreeMap::new();
        for n in 0..SWAPS {
            let name = if n % 2 == 0 { "even" } else { "odd" };
            std::fs::write(&file, law(name)).unwrap();
            found.insert(store.reload("test").unwrap().0.to_string(), name);
            if n % 100 == 50 {
                // A bundle with a fault in between changes nothing.
                std::fs::write(&file, "@id(\"x\") permit (principal, action, resource;\n").unwrap();
                let faults = store.reload("test").unwrap_err();
                assert_eq!(faults.first().map(|f| (f.line, f.column)), Some((1, 45)), "{faults:?}");
            }
        }
        found
    });
    laws.extend(swapping.await.unwrap());
    let answered = load.end().await;
    let entries = gate.close().await;
    let swaps = events(entries.clone()).iter().filter(|e| e.what == "snapshot").count();
    assert!(swaps >= SWAPS, "{swaps} swaps were recorded");
    assert!(
        events(entries.clone()).iter().any(|e| e.what == "snapshot_refused" && e.detail.contains("all.cedar:1:45"))
    );
    let calls: Vec<_> = records(entries).into_iter().filter(|r| r.method.as_deref() == Some("tools/call")).collect();
    assert_eq!(calls.len(), answered, "each call that was answered has one record");
    assert_eq!(laws.len(), 2);
    let mut met = BTreeSet::new();
    for record in &calls {
        let name = laws.get(&record.snapshot.to_string()).expect("the digest of a law that was in force");
        let rules: Vec<&str> = record.decision.iter().flat_map(|d| &d.rules).map(|r| r.id.as_str()).collect();
        assert_eq!(rules, [format!("reads-{name}")], "record {}", record.number);
        met.insert(*name);
    }
    assert_eq!(met.len(), 2, "calls were judged under both laws");
    web.stop().await;
}

#[tokio::test]
async fn an_edit_is_the_law_of_the_next_call_and_a_bad_one_is_told_with_its_place() {
    let web = Upstream::start().await;
    let gate = Gate::start(&Bundle::new().http("web", &web.url())).await;
    let agent = Agent::legacy(gate.at(), "web", ADA).await;
    let file = gate.folder.path().join("policies/all.cedar");
    let reload = || Request::bare("POST", "/v1/reload").token(OPERATOR);
    std::fs::write(&file, law("a").replace("\"read\"", "\"spend\"")).unwrap();
    assert_eq!(reload().send(gate.control()).await.status, 200);
    let denied = agent.call("echo", json!({ "text": "x" })).await;
    assert!(text_of(&denied).contains("no policy permits it"), "{denied}");
    std::fs::write(&file, law("a")).unwrap();
    assert_eq!(reload().send(gate.control()).await.status, 200);
    assert_eq!(text_of(&agent.call("echo", json!({ "text": "x" })).await), "x");
    let typo =
        law("a").replace("resource);\n@id(\"reads", "resource) when { context.gate.lables.isEmpty() };\n@id(\"reads");
    std::fs::write(&file, typo).unwrap();
    let refused = reload().send(gate.control()).await;
    assert_eq!(refused.status, 422);
    let fault = &refused.message()["faults"][0];
    assert_eq!((fault["file"].as_str(), fault["line"].as_u64()), (Some("policies/all.cedar"), Some(1)), "{fault}");
    assert!(fault["message"].as_str().unwrap().contains("lables"), "{fault}");
    assert_eq!(text_of(&agent.call("echo", json!({ "text": "x" })).await), "x", "the old law stays in force");
    gate.close().await;
    web.stop().await;
}

/// A review says of what is at the address it names. What lies elsewhere is asked nothing: not for its tools, and not for
/// what is open beside them.
#[tokio::test]
async fn a_server_that_is_reached_otherwise_than_it_was_reviewed_is_not_reached_at_all() {
    let (web, other) = (Upstream::start().await, Upstream::start().await);
    let origin = |server: &Upstream| server.url().rsplit_once('/').unwrap().0.to_owned();
    let identity = format!("[identity]\nis = \"{}\"\n", origin(&web));
    let entry = format!("kind = \"http\"\nurl = \"{}\"\n{identity}", web.url());
    let gate = Gate::start(&Bundle::new().entry("web", "", &entry)).await;
    let agent = Agent::legacy(gate.at(), "web", ADA).await;
    assert_eq!(text_of(&agent.call("echo", json!({ "text": "x" })).await), "x");
    let file = gate.folder.path().join("registry/servers/web.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen(&web.url(), &other.url(), 1)).unwrap();
    assert!(gate.running.store.reload("test").unwrap().1);
    let opening =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let stranger = Agent::modern(gate.at(), "web", ADA);
    for (agent, method, params) in [
        (&stranger, "initialize", opening),
        (&agent, "resources/read", json!({ "uri": "file:///a" })),
        (&agent, "tools/list", json!({})),
    ] {
        let refused = agent.posting(rpc(7, method, params)).send(gate.at()).await;
        assert_eq!(refused.refusal().map(|(code, _)| code).as_deref(), Some("unknown_server"), "{method}: {refused:?}");
        let words = refused.message()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(words.contains("not reached as it was when it was reviewed"), "{words}");
    }
    assert!(other.seen().is_empty(), "{:?}", other.seen());
    gate.close().await;
    web.stop().await;
    other.stop().await;
}

/// How often two engineers promote at once.
const ROUNDS: usize = 40;

/// Two engineers who each stage a candidate from what is in force and promote it at once, while agents call; now and then
/// what was before is brought back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_engineers_one_wins_each_round_and_no_call_is_lost() {
    let web = Upstream::start().await;
    let gate = Gate::start(&Bundle::new().http("web", &web.url())).await;
    std::fs::write(gate.folder.path().join("policies/all.cedar"), law("first")).unwrap();
    let store = Arc::clone(&gate.running.store);
    let first = store.reload("test").unwrap().0.to_string();
    let load = Load::on(gate.at());
    let mut in_force = vec![first];
    for round in 0..ROUNDS {
        let base = in_force.last().unwrap().clone();
        let registry = store.history().files(base.parse().unwrap()).unwrap().unwrap().registry;
        let mut candidates = Vec::new();
        for engineer in ["ann", "ben"] {
            let mut files: BTreeMap<String, String> =
                registry.iter().map(|file| (file.path.clone(), file.text.clone())).collect();
            files.insert("policies/all.cedar".to_owned(), law(&format!("{engineer}-{round}")));
            let body = json!({ "files": files, "reason": engineer, "base": base });
            let staged = Request::post("/v1/snapshots", body.to_string()).token(OPERATOR).send(gate.control()).await;
            assert_eq!(staged.status, 201, "{staged:?}");
            candidates.push(staged.message()["digest"].as_str().unwrap().to_owned());
        }
        let promote = |digest: &str| {
            let body = json!({ "base": base, "reason": "now" }).to_string();
            Request::post(&format!("/v1/snapshots/{digest}/promote"), body).token(OPERATOR)
        };
        let (ann, ben) = (promote(&candidates[0]), promote(&candidates[1]));
        let (ann, ben) = tokio::join!(ann.send(gate.control()), ben.send(gate.control()));
        let won: Vec<usize> =
            [&ann, &ben].iter().enumerate().filter(|(_, a)| a.status == 200).map(|(n, _)| n).collect();
        let [winner] = won[..] else { panic!("round {round}: {ann:?} {ben:?}") };
        let loser = if winner == 0 { &ben } else { &ann };
        assert_eq!(
            (loser.status, &loser.message()["in_force"]["digest"]),
            (409, &json!(candidates[winner])),
            "{loser:?}"
        );
        in_force.push(candidates[winner].clone());
        if round % 10 == 9 {
            let back = json!({ "base": candidates[winner], "reason": "back" }).to_string();
            let back = Request::post(&format!("/v1/snapshots/{base}/promote"), back).token(OPERATOR);
            let back = back.send(gate.control()).await;
            assert_eq!((back.status, &back.message()["how"]), (200, &json!("rollback")), "{back:?}");
            in_force.push(base);
        }
    }
    let answered = load.end().await;
    let turns = store.history().turns(usize::MAX).unwrap();
    let told: Vec<String> = turns.iter().rev().map(|turn| turn.digest.to_string()).collect();
    assert!(told.ends_with(&in_force), "the history is what happened, in order");
    let entries = gate.close().await;
    let calls: Vec<_> = records(entries).into_iter().filter(|r| r.method.as_deref() == Some("tools/call")).collect();
    assert_eq!(calls.len(), answered, "each call that was answered has one record");
    let known: BTreeSet<&String> = in_force.iter().collect();
    let met: BTreeSet<String> = calls.iter().map(|record| record.snapshot.to_string()).collect();
    assert!(met.iter().all(|digest| known.contains(digest)), "each was judged by a law that was in force");
    assert!(met.len() > 1, "calls were judged under several of them");
    web.stop().await;
}

#[tokio::test]
async fn a_stream_that_stays_open_keeps_no_old_law_in_memory() {
    let web = Upstream::start().await;
    let gate = Gate::start(&Bundle::new().http("web", &web.url())).await;
    let file = gate.folder.path().join("policies/all.cedar");
    let swap = |name: &str| {
        std::fs::write(&file, law(name)).unwrap();
        let store = &gate.running.store;
        assert!(store.reload("test").unwrap().1);
        Arc::downgrade(&store.current())
    };
    let mut streams = Vec::new();
    let mut old = Vec::new();
    for n in 0..4 {
        old.push(swap(if n % 2 == 0 { "even" } else { "odd" }));
        let agent = Agent::legacy(gate.at(), "web", ADA).await;
        let mut stream = agent.listening().open(gate.at()).await;
        assert_eq!(stream.head().await.0, 200);
        streams.push(stream);
    }
    let last = old.pop().unwrap();
    assert!(old.iter().all(|law| law.upgrade().is_none()), "an open stream holds a law that is no longer in force");
    assert!(last.upgrade().is_some());
    drop(streams);
    gate.close().await;
    web.stop().await;
}
