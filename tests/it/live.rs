//! Changing the law while traffic flows, as engineers do it: a candidate in shadow, recorded traffic replayed, staged,
//! promoted, rolled back; by the control API and by the command line.

mod killed;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use gateway::clock::rfc3339;
use serde_json::{Value, json};

use crate::gate::bundle::{Bundle, POLICIES};
use crate::gate::child::program;
use crate::gate::client::{Agent, Answer, Request, text_of};
use crate::gate::server::Upstream;
use crate::gate::{ADA, Gate, OPERATOR, ROLES, events, until};

/// The token of the member, who may stage and not promote.
const MEMBER: &str = ROLES[1].1;
/// The token of the viewer.
const VIEWER: &str = ROLES[0].1;

/// A gate, the server behind it, and what its control API answers.
struct House {
    gate: Gate,
    web: Upstream,
}

impl House {
    async fn new() -> Self {
        let web = Upstream::start().await;
        let gate = Gate::start(&Bundle::new().http("web", &web.url())).await;
        Self { gate, web }
    }

    async fn ask(&self, verb: &str, path: &str, body: Option<Value>, token: &str) -> Answer {
        let request = match body {
            Some(body) => Request::post(path, body.to_string()).verb(verb),
            None => Request::bare(verb, path),
        };
        request.token(token).send(self.gate.control()).await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None, OPERATOR).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.message()
    }

    async fn in_force(&self) -> String {
        self.get("/v1/snapshot").await["digest"].as_str().unwrap().to_owned()
    }

    /// The files in force, with other policies.
    async fn files(&self, policies: &str) -> BTreeMap<String, String> {
        let digest = self.in_force().await;
        let files = self.get(&format!("/v1/snapshots/{digest}")).await["files"].clone();
        let mut files: BTreeMap<String, String> = serde_json::from_value(files).unwrap();
        files.insert("policies/all.cedar".to_owned(), policies.to_owned());
        files
    }

    /// Stages these policies, and answers the candidate's digest.
    async fn staged(&self, policies: &str, token: &str) -> String {
        let body = json!({ "files": self.files(policies).await, "reason": "a test", "base": self.in_force().await });
        let answer = self.ask("POST", "/v1/snapshots", Some(body), token).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.message()["digest"].as_str().unwrap().to_owned()
    }

    async fn promote(&self, digest: &str, base: &str, token: &str) -> Answer {
        let body = json!({ "base": base, "reason": "as agreed" });
        self.ask("POST", &format!("/v1/snapshots/{digest}/promote"), Some(body), token).await
    }

    fn policies(&self) -> String {
        std::fs::read_to_string(self.gate.folder.path().join("policies/all.cedar")).unwrap()
    }

    /// What the shadow has seen when it has seen so many calls that it would decide otherwise.
    async fn sight(&self, turned: u64) -> Value {
        for _ in 0..2000 {
            let sight = self.get("/v1/shadow").await;
            let count = |name: &str| sight[name].as_u64().unwrap();
            if count("waiting") == 0 && count("wider") + count("narrower") >= turned {
                return sight;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("the shadow never saw {turned} turns: {}", self.get("/v1/shadow").await);
    }

    /// Runs the program against this gate.
    async fn run(&self, arguments: &[&str]) -> Output {
        let config = self.gate.folder.path().join("wicketgate.toml");
        let control = self.gate.control().to_string();
        let mut command = program(&config);
        command.env("WICKETGATE_OPERATOR_TOKEN", OPERATOR).arg("--control").arg(control).args(arguments);
        command.output().await.unwrap()
    }

    /// The same; answers what it printed, and asserts its exit code.
    async fn says(&self, arguments: &[&str], code: i32) -> String {
        let out = self.run(arguments).await;
        let told = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {told}");
        told
    }

    async fn close(self) -> Vec<pdp::record::Event> {
        let entries = self.gate.close().await;
        self.web.stop().await;
        events(entries)
    }
}

/// The usual policies, with mail that needs no approval, and no reads.
pub(crate) fn otherwise() -> String {
    let text = POLICIES.replace("@approval(\"owner\")", "").replace(
        "forbid (principal, action in Gate::Action::\"egress\", resource);",
        "forbid (principal, action in Gate::Action::\"egress\", resource) when { context.args has to && false };",
    );
    let reads = "@id(\"reads\") permit (principal, action in Gate::Action::\"read\", resource);";
    assert!(text.contains(reads));
    text.replace(reads, "")
}

/// Writes a candidate's policies into a directory of its own.
fn lay_out(folder: &Path, policies: &str) {
    std::fs::create_dir_all(folder.join("policies")).unwrap();
    std::fs::write(folder.join("policies/all.cedar"), policies).unwrap();
}

/// A read, a write, and mail that waits for an approval nobody gives.
async fn traffic(agent: &Agent, times: usize) {
    for n in 0..times {
        assert_eq!(text_of(&agent.call("echo", json!({ "text": "x" })).await), "x");
        agent.call("act", json!({ "how": "", "text": n.to_string() })).await;
        let mail = agent.call("send", json!({ "to": "bob" })).await;
        assert!(text_of(&mail).contains("needs a person's approval"), "{mail}");
    }
}

#[tokio::test]
async fn a_candidate_in_shadow_says_what_it_would_change_and_changes_nothing() {
    let house = House::new().await;
    let agent = Agent::legacy(house.gate.at(), "web", ADA).await;
    let base = house.in_force().await;
    assert_eq!(house.ask("GET", "/v1/shadow", None, VIEWER).await.status, 404);
    let candidate = house.staged(&otherwise(), MEMBER).await;
    let begin = |token| house.ask("POST", "/v1/shadow", Some(json!({ "digest": candidate })), token);
    assert_eq!(begin(MEMBER).await.status, 403);
    assert_eq!(begin(OPERATOR).await.status, 201);
    traffic(&agent, 3).await;
    let sight = house.sight(6).await;
    assert_eq!(sight["candidate"], json!(candidate));
    assert_eq!((&sight["wider"], &sight["narrower"], &sight["dropped"]), (&json!(3), &json!(3), &json!(0)), "{sight}");
    let told = |n: usize| {
        let d = &sight["differences"][n];
        format!("{} {} {} -> {}: {} {}", d["turn"], d["count"], d["from"], d["to"], d["cause"], d["rules"])
    };
    assert_eq!(
        told(0),
        r#""wider" 3 "escalate to owner" -> "allow": "no longer stopped by" ["asks-the-owner"]"#,
        "widenings come first"
    );
    assert_eq!(told(1), r#""narrower" 3 "allow" -> "deny": "no longer permitted by" ["reads"]"#);
    let example = &sight["differences"][1]["examples"][0];
    assert_eq!((&example["what"], &example["principal"]), (&json!("echo"), &json!("default/ada")), "{example}");
    assert_eq!(house.in_force().await, base, "the shadow decides nothing");
    assert_eq!(house.get("/v1/health").await["shadow"], json!(candidate));
    let ended = house.ask("DELETE", "/v1/shadow", None, OPERATOR).await;
    assert_eq!((ended.status, &ended.message()["wider"]), (200, &json!(3)));
    assert_eq!(house.ask("DELETE", "/v1/shadow", None, OPERATOR).await.status, 404);
    // Files that nobody staged; and those that do not build, all faults at once.
    let files = house.files(&otherwise()).await;
    assert_eq!(house.ask("POST", "/v1/shadow", Some(json!({ "files": files })), OPERATOR).await.status, 201);
    let broken = house.files("@id(\"a\") permit (principal, action == web::Action::\"pay\", resource) when { context.gate.lables == 1 };\n@id(\"b\") permit (principal, action == web::Action::\"pay\", resource) when { context.gate.cals == 1 };").await;
    let refused = house.ask("POST", "/v1/shadow", Some(json!({ "files": broken })), OPERATOR).await;
    assert_eq!((refused.status, refused.message()["faults"].as_array().unwrap().len()), (422, 2), "{refused:?}");
    assert_eq!(house.get("/v1/shadow").await["candidate"], json!(candidate), "the one before it goes on");
    // When the candidate is promoted there is nothing left to compare.
    assert_eq!(house.promote(&candidate, &base, OPERATOR).await.status, 200);
    assert_eq!(house.ask("GET", "/v1/shadow", None, VIEWER).await.status, 404);
    let events = house.close().await;
    let of = |what: &str| events.iter().filter(|e| e.what == what).map(|e| e.by.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("shadow_begun"), ["default/a-operator", "default/a-operator"]);
    assert_eq!(of("shadow_ended"), ["default/a-operator", "default/a-operator"]);
}

#[tokio::test]
async fn staging_changes_nothing_and_tells_every_fault() {
    let house = House::new().await;
    let (base, policies) = (house.in_force().await, house.policies());
    let stage = |body: Value, token| house.ask("POST", "/v1/snapshots", Some(body), token);
    let files = house.files(&otherwise()).await;
    assert_eq!(stage(json!({ "files": files, "reason": "x" }), VIEWER).await.status, 403);
    let code =
        |answer: Answer| (answer.status, answer.message()["error"]["code"].as_str().unwrap_or_default().to_owned());
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(code(stage(json!({ "files": files }), MEMBER).await), refused(400, "reason"));
    assert_eq!(
        code(stage(json!({ "files": files, "reason": "x", "who": "me" }), MEMBER).await),
        refused(400, "bad_request")
    );
    let twice = r#"{"reason":"x","files":{"policies/a.cedar":"","policies/a.cedar":""}}"#;
    let twice = Request::post("/v1/snapshots", twice).token(MEMBER).send(house.gate.control()).await;
    assert_eq!(code(twice), refused(400, "bad_request"));
    let faults = |answer: Answer| answer.message()["faults"].as_array().unwrap().clone();
    let stray = json!({ "files": { "policies/../../x.cedar": "", "etc/passwd": "" }, "reason": "x" });
    let answer = stage(stray, MEMBER).await;
    assert_eq!((answer.status, faults(answer).len()), (422, 2));
    let typos = house.files("@id(\"a\") permit (principal, action == web::Action::\"pay\", resource) when { context.gate.lables == 1 };\n@id(\"b\") permit (principal, action == web::Action::\"pay\", resource) when { context.gate.cals == 1 };").await;
    let answer = stage(json!({ "files": typos, "reason": "x" }), MEMBER).await;
    assert_eq!(answer.status, 422);
    let lines: Vec<Value> = faults(answer).iter().map(|fault| fault["line"].clone()).collect();
    assert_eq!(lines, [json!(1), json!(2)]);
    assert_eq!(
        code(stage(json!({ "files": house.files(&policies).await, "reason": "x" }), MEMBER).await),
        refused(409, "same")
    );
    let other = format!("sha256:{}", "0".repeat(64));
    let answer = stage(json!({ "files": files, "reason": "x", "base": other }), MEMBER).await;
    assert_eq!(answer.message()["in_force"]["digest"], json!(base), "{answer:?}");
    assert_eq!(code(answer), refused(409, "not_the_base"));
    let good = stage(json!({ "files": files, "reason": "mail for all", "base": base }), MEMBER).await;
    assert_eq!((good.status, &good.message()["summary"]), (201, &json!("policies -reads ~asks-the-owner; 1 file")));
    let listed = house.get("/v1/snapshots").await;
    let candidate = &listed["candidates"][0];
    assert_eq!((&candidate["author"], &candidate["reason"]), (&json!("default/a-member"), &json!("mail for all")));
    assert_eq!((house.in_force().await, house.policies()), (base, policies));
    house.close().await;
}

#[tokio::test]
async fn who_promotes_wins_once_and_a_rollback_brings_it_back() {
    let house = House::new().await;
    let agent = Agent::legacy(house.gate.at(), "web", ADA).await;
    let (base, before) = (house.in_force().await, house.policies());
    let first = house.staged(&otherwise(), MEMBER).await;
    let second = house
        .staged(
            &format!("{before}\n@id(\"late\") forbid (principal, action == web::Action::\"pay\", resource);"),
            MEMBER,
        )
        .await;
    assert_eq!(house.promote(&first, &base, MEMBER).await.status, 403);
    let turn = house.promote(&first, &base, OPERATOR).await;
    assert_eq!((turn.status, &turn.message()["how"]), (200, &json!("promote")), "{turn:?}");
    assert_eq!(house.policies(), otherwise(), "the directories hold what is in force");
    let denied = agent.call("echo", json!({ "text": "x" })).await;
    assert!(text_of(&denied).contains("no policy permits it"), "{denied}");
    let lost = house.promote(&second, &base, OPERATOR).await;
    assert_eq!((lost.status, &lost.message()["error"]["code"]), (409, &json!("not_the_base")));
    let theirs = &lost.message()["in_force"];
    assert_eq!((&theirs["digest"], &theirs["author"]), (&json!(first), &json!("default/a-operator")));
    let now = house.get("/v1/snapshot").await;
    assert_eq!(
        (&now["author"], &now["reason"], &now["base"]),
        (&json!("default/a-operator"), &json!("as agreed"), &json!(base))
    );
    assert!(now["at"].as_str().unwrap().ends_with('Z') && now["servers"][0]["name"] == "web", "{now}");
    // By its first digits, too.
    let back = house.promote(&base[7..19], &first, OPERATOR).await;
    assert_eq!((back.status, &back.message()["how"]), (200, &json!("rollback")), "{back:?}");
    assert_eq!(house.policies(), before);
    assert_eq!(text_of(&agent.call("echo", json!({ "text": "x" })).await), "x");
    for (named, status) in [("000000000000", 404), ("00", 404), ("..%2f..", 404)] {
        assert_eq!(house.promote(named, &base, OPERATOR).await.status, status, "{named}");
    }
    let events = house.close().await;
    let told = |what: &str| events.iter().find(|e| e.what == what).unwrap_or_else(|| panic!("no event {what}")).clone();
    let promoted = told("snapshot_promoted");
    assert_eq!(promoted.by.as_deref(), Some("default/a-operator"));
    assert_eq!(promoted.snapshot.map(|digest| digest.to_string()), Some(first.clone()));
    assert!(promoted.detail.contains(&format!("from {base} to {first}: as agreed")), "{}", promoted.detail);
    assert!(told("snapshot_rolled_back").detail.contains(&format!("from {first} to {base}")));
}

#[tokio::test]
async fn what_cannot_be_kept_or_written_is_refused_with_words() {
    let house = House::new().await;
    let (base, before) = (house.in_force().await, house.policies());
    let candidate = house.staged(&otherwise(), MEMBER).await;
    let state = house.gate.folder.path().join("state/history.db");
    let other = rusqlite::Connection::open(state).unwrap();
    other
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON turns BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
        .unwrap();
    let refused = house.promote(&candidate, &base, OPERATOR).await;
    assert_eq!((refused.status, &refused.message()["error"]["code"]), (503, &json!("history_unavailable")));
    assert!(refused.message()["error"]["message"].as_str().unwrap().contains("disk is full"), "{refused:?}");
    assert_eq!((house.in_force().await, house.policies()), (base.clone(), before.clone()));
    let health = house.get("/v1/health").await;
    assert_eq!(health["status"], "degraded");
    assert!(health["history"]["fault"].as_str().unwrap().contains("disk is full"), "{health}");
    other.execute_batch("DROP TRIGGER full").unwrap();
    // An edit that does not build lies in the directory: whoever works there is not overwritten.
    std::fs::write(house.gate.folder.path().join("policies/all.cedar"), "permit (").unwrap();
    let refused = house.promote(&candidate, &base, OPERATOR).await;
    assert_eq!((refused.status, &refused.message()["error"]["code"]), (409, &json!("edited")), "{refused:?}");
    std::fs::write(house.gate.folder.path().join("policies/all.cedar"), &before).unwrap();
    assert_eq!(house.promote(&candidate, &base, OPERATOR).await.status, 200);
    assert_eq!(house.get("/v1/health").await["history"]["fault"], Value::Null);
    house.close().await;
}

#[tokio::test]
async fn the_command_line_does_it_all() {
    let house = House::new().await;
    let work = tempfile::tempdir().unwrap();
    let dir = work.path().join("mine");
    let dir = dir.to_str().unwrap();
    let base = house.in_force().await;
    let told = house.says(&["policy", "checkout", dir], 0).await;
    assert!(told.contains("wrote 3 files"), "{told}");
    assert!(house.says(&["policy", "checkout", dir], 1).await.contains("exists already"));
    lay_out(Path::new(dir), &otherwise());
    let told = house.says(&["policy", "stage", dir, "--reason", "mail for all"], 0).await;
    assert!(told.contains(&format!("made from {}: policies -reads ~asks-the-owner; 1 file", &base[7..19])), "{told}");
    let digest = told.strip_prefix("staged ").unwrap()[..12].to_owned();
    assert!(house.says(&["policy", "shadow", &digest], 0).await.contains("decides nothing"));
    let agent = Agent::legacy(house.gate.at(), "web", ADA).await;
    traffic(&agent, 1).await;
    house.sight(2).await;
    let told = house.says(&["policy", "shadow", "--show"], 0).await;
    assert!(told.contains("1  escalate to owner -> allow, no longer stopped by `asks-the-owner`"), "{told}");
    let told = house.says(&["policy", "promote", &digest, "--reason", "as agreed"], 0).await;
    assert!(told.contains(&format!("in force: {digest}, in place of {}", &base[7..19])), "{told}");
    assert!(house.says(&["policy", "shadow"], 1).await.contains("no candidate is in shadow"));
    // Another engineer, who had taken the files before.
    lay_out(Path::new(dir), "@id(\"x\") permit (principal, action, resource);");
    let told = house.says(&["policy", "stage", dir, "--reason", "late"], 1).await;
    assert!(told.contains("default/a-operator put") && told.contains("start again from that one"), "{told}");
    let told = house.says(&["policy", "rollback", "--reason", "it was too\u{1b}[31m wide"], 0).await;
    assert!(told.contains(&format!("in force: {}, in place of {digest}", &base[7..19])), "{told}");
    let told = house.says(&["policy", "history"], 0).await;
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].starts_with(&format!("* {}", &base[7..19])) && lines[0].contains("rollback  default/a-operator"),
        "{told}"
    );
    assert!(lines[0].ends_with("it was too\\u{1b}[31m wide"), "{told}");
    assert_eq!(lines[1].trim(), "policies +reads ~asks-the-owner; 1 file");
    assert!(lines[2].contains(&digest) && lines[4].contains("the first start"), "{told}");
    let told = house.says(&["policy", "history", "--json", "--limit", "1"], 0).await;
    let line: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&line["how"], &line["base"].as_str().unwrap()[7..19]), (&json!("rollback"), digest.as_str()));
    let nobody = house.says(&["policy", "promote", &digest, "--reason", "x", "--token", "wrong"], 1).await;
    assert!(nobody.contains("not known here"), "{nobody}");
    house.close().await;
}

#[tokio::test]
async fn recorded_traffic_is_put_to_a_candidate() {
    let house = House::new().await;
    let agent = Agent::legacy(house.gate.at(), "web", ADA).await;
    traffic(&agent, 2).await;
    agent.call("none", json!({})).await;
    agent.call("echo", json!({ "text": "y".repeat(20_000) })).await;
    let sent = || house.gate.records().into_iter().filter(|r| r.target.as_deref() == Some("echo")).count();
    until("the records", || (sent() == 3).then_some(())).await;
    let records = house.gate.records();
    let mail = records.iter().rfind(|r| r.target.as_deref() == Some("send")).unwrap().number;
    let work = tempfile::tempdir().unwrap();
    lay_out(work.path(), &otherwise());
    let dir = work.path().to_str().unwrap();
    let told = house.says(&["policy", "replay", dir, "--since", "1h"], 0).await;
    for words in [
        "2 wider, 2 narrower",
        "wider: more would happen\n       2  escalate to owner -> allow, no longer stopped by `asks-the-owner`\n",
        &format!("such as record {mail}: default/ada, web send\n"),
        "narrower: less would happen\n       2  allow -> deny, no longer permitted by `reads`\n",
        "       1  arguments too long for the record\n",
        "       1  refused before policy was asked: unknown_tool",
    ] {
        assert!(told.contains(words), "{words:?} is missing in:\n{told}");
    }
    assert!(told.find("wider: more").unwrap() < told.find("narrower: less").unwrap());
    // The working bundle decides as it did, by itself.
    let same = house.says(&["policy", "replay", "--since", "1h", "--fail-on", "any"], 0).await;
    assert!(same.contains("0 wider, 0 narrower"), "{same}");
    house.says(&["policy", "replay", dir, "--since", "1h", "--fail-on", "wider"], 1).await;
    let json =
        house.says(&["policy", "replay", dir, "--since", "1h", "--tool", "echo", "--agent", "ada", "--json"], 0).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["report"]["compared"], &json["report"]["narrower"]), (&json!(2), &json!(2)), "{json}");
    for none in [["--agent", "bob"], ["--server", "none"], ["--tool", "none"], ["--until", "1h"]] {
        let told = house.says(&["policy", "replay", dir, "--since", "2h", none[0], none[1]], 0).await;
        assert!(told.contains("0 decisions: 0 as before"), "{none:?}: {told}");
    }
    let since = rfc3339(records.iter().map(|r| r.started_us).max().unwrap() + 1_000_000);
    assert!(house.says(&["policy", "replay", dir, "--since", &since], 0).await.contains("0 decisions"));
    assert!(house.says(&["policy", "replay", dir, "--since", "yesterday"], 2).await.contains("2026-11-20T08:00:00Z"));
    assert!(house.says(&["policy", "replay", "/nowhere", "--since", "1h"], 1).await.contains("cannot be read"));
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().display().to_string();
    assert!(house.says(&["policy", "replay", &empty, "--since", "1h"], 1).await.contains("holds neither"));
    house.close().await;
}
