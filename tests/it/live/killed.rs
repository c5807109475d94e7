//! A gate that is killed while it promotes: the next one finds one law or the other, whole, and disk, force and history
//! agree. What was answered as promoted is never lost.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::config;
use gateway::history::History;
use gateway::reload;
use pdp::snapshot::Snapshot;
use serde_json::{Value, json};

use crate::gate::bundle::Bundle;
use crate::gate::child::Child;
use crate::gate::client::Request;
use crate::gate::{OPERATOR, entries, events, lay_out, until};

/// How often it is killed.
const LIVES: u64 = 24;

/// The policies of two laws, which differ in several files: half of each is neither.
fn laws() -> [BTreeMap<String, String>; 2] {
    let rule = |id: &str, effect: &str| format!("@id(\"{id}\") {effect} (principal, action, resource);\n");
    let file = |name: &str, text: String| (format!("policies/{name}.cedar"), text);
    [
        BTreeMap::from([file("all", rule("a", "permit")), file("first", rule("one", "forbid"))]),
        BTreeMap::from([
            file("all", rule("b", "permit")),
            file("deep/second", rule("two", "forbid")),
            file("third", rule("three", "forbid")),
        ]),
    ]
}

/// The files of a bundle that lie in a folder.
fn lying(folder: &Path) -> BTreeMap<String, String> {
    let there = config::Bundle { policies: folder.join("policies"), registry: folder.join("registry") };
    let sources = reload::read(Some(&there)).unwrap();
    sources.policies.into_iter().chain(sources.registry).map(|file| (file.path, file.text)).collect()
}

/// Changes the one law for the other, again and again, until nobody answers any more. Notes what was answered.
async fn promote(control: std::net::SocketAddr, laws: [BTreeMap<String, String>; 2], told: Arc<Mutex<Option<String>>>) {
    let post = |path: String, body: Value| async move {
        let answer = Request::post(&path, body.to_string()).token(OPERATOR).receive(control).await?.answer()?;
        Some((answer.status, answer.message()))
    };
    let digest = |value: &Value| value["digest"].as_str().map(str::to_owned);
    loop {
        let now = Request::bare("GET", "/v1/snapshot").token(OPERATOR).receive(control).await;
        let Some(base) = now.and_then(|now| now.answer()).and_then(|now| digest(&now.message())) else { return };
        for law in &laws {
            let staging = json!({ "files": law, "reason": "the other", "base": base });
            let Some((status, staged)) = post("/v1/snapshots".to_owned(), staging).await else { return };
            assert!([201, 409].contains(&status), "{staged}");
            let Some(candidate) = digest(&staged) else { continue };
            let promotion = json!({ "base": base, "reason": "again" });
            let Some((status, turn)) = post(format!("/v1/snapshots/{candidate}/promote"), promotion).await else {
                return;
            };
            assert_eq!(status, 200, "{turn}");
            *told.lock().unwrap() = Some(candidate);
            break;
        }
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "how many kills met a promotion is chance: `--nocapture` shows it")]
async fn a_gate_that_is_killed_while_it_promotes_leaves_one_law_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let config = lay_out(folder.path(), &Bundle::new(), "");
    let [first, second] = laws();
    for (path, text) in &first {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    let told = Arc::new(Mutex::new(None));
    let dice = RandomState::new();
    for life in 0..=LIVES {
        let mut gate = Child::start(&config);
        gate.at().await;
        let control = gate.control().await;
        let now = Request::bare("GET", "/v1/snapshot").token(OPERATOR).send(control).await.message();
        let lies = lying(folder.path());
        assert!([&first, &second].contains(&&lies), "life {life}: {lies:?}");
        let there =
            config::Bundle { policies: folder.path().join("policies"), registry: folder.path().join("registry") };
        let built = Snapshot::build(&reload::read(Some(&there)).unwrap()).unwrap();
        assert_eq!(now["digest"], json!(built.digest()), "life {life}: disk and force");
        let history = History::read_only(&folder.path().join("state"));
        assert_eq!(history.turns(1).unwrap()[0].digest, built.digest(), "life {life}: disk and history");
        assert_eq!(history.begun().unwrap(), None, "life {life}: nothing is left open");
        // What was answered is in the history, unless something came in force after it: at most the one that was cut short.
        if let Some(answered) = told.lock().unwrap().take() {
            let latest: Vec<String> = history.turns(2).unwrap().iter().map(|turn| turn.digest.to_string()).collect();
            assert!(latest.contains(&answered), "life {life}: {answered} was promoted, and the history has {latest:?}");
        }
        if life == LIVES {
            gate.kill().await;
            break;
        }
        let promoting = tokio::spawn(promote(control, laws(), Arc::clone(&told)));
        until("a promotion", || told.lock().unwrap().clone()).await;
        // A moment within the few promotions that come next, of some twenty milliseconds each.
        tokio::time::sleep(Duration::from_micros(dice.hash_one(life) % 60_000)).await;
        gate.kill().await;
        promoting.await.unwrap();
    }
    let settled = events(entries(&folder.path().join("state/ledger.db")));
    let settled = settled.iter().filter(|event| event.what == "promotion_settled").count();
    println!("{settled} of {LIVES} kills came between two steps of a promotion");
}
