//! Tasks that hosts open and halts that operators throw, on a real gate between real sockets: by the control API, by the
//! command line, over the URL that carries the token.

use std::process::Stdio;

use pdp::record::Record;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::gate::bundle::Bundle;
use crate::gate::child::program;
use crate::gate::client::{Agent, Answer, Request, text_of};
use crate::gate::server::Upstream;
use crate::gate::{ADA, BOB, Gate, HANGS, OPERATOR, ROLES, events, until};

/// The tokens of the viewer and of the member.
const VIEWER: &str = ROLES[0].1;
const MEMBER: &str = ROLES[1].1;

/// What mail clerks do: two tools of one server.
const PROFILE: &str = r#"
name = "reading"
description = "Reads and notes."
lifetime_s = 600
[scope]
tools = ["web/look", "web/echo"]
servers = ["web"]
[limits]
steps = 100
"#;

struct House {
    gate: Gate,
    web: Upstream,
}

impl House {
    async fn new() -> Self {
        let web = Upstream::start().await;
        let bundle = Bundle::new().http("web", &web.url()).http("other", &web.url()).profile("reading", PROFILE);
        Self { gate: Gate::start(&bundle).await, web }
    }

    async fn ask(&self, verb: &str, path: &str, body: Option<Value>, token: &str) -> Answer {
        let request = match body {
            Some(body) => Request::post(path, body.to_string()).verb(verb),
            None => Request::bare(verb, path),
        };
        request.token(token).send(self.gate.control()).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.ask("POST", path, Some(body), OPERATOR).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
        answer.message()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, None, OPERATOR).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.message()
    }

    /// Opens a task for ada.
    async fn open(&self) -> Opened {
        let body = json!({ "profile": "reading", "agent": "ada", "user": "carol", "goal": "What does it say?" });
        Opened::of(&self.post("/v1/tasks", body).await)
    }

    /// Runs the program against this gate, and answers whether it did well and what it printed.
    async fn run(&self, arguments: &[&str]) -> (bool, String) {
        let config = self.gate.folder.path().join("wicketgate.toml");
        let mut command = program(&config);
        command.env("WICKETGATE_OPERATOR_TOKEN", OPERATOR).arg("--control").arg(self.gate.control().to_string());
        let out = command.args(arguments).output().await.unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        (out.status.success(), told)
    }

    async fn said(&self, arguments: &[&str]) -> String {
        let (well, told) = self.run(arguments).await;
        assert!(well, "{arguments:?}: {told}");
        told
    }

    async fn record(&self, what: &str, wanted: impl Fn(&Record) -> bool) -> Record {
        self.gate.record(what, wanted).await
    }
}

struct Opened {
    id: String,
    trace: String,
    token: String,
}

impl Opened {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned();
        Self { id: text("id"), trace: text("trace"), token: text("token") }
    }

    /// A client that knows nothing but the URL.
    fn client(&self, house: &House) -> Agent {
        let path = format!("/t/{}/web/mcp", self.token);
        Agent { to: house.gate.at(), path, token: String::new(), session: None }
    }
}

/// The text of a message, or the code and words of its refusal.
fn outcome(message: &Value) -> String {
    match crate::gate::client::refusal_in(message) {
        Some((code, _)) => code,
        None => text_of(message).to_owned(),
    }
}

const LOOK: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":{"how":"said","text":"hello"}}}"#;
const ACT: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"act","arguments":{"how":"said","text":"hello"}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_only_a_url_works_in_its_task() {
    let house = House::new().await;
    let opened = house.open().await;
    let agent = opened.client(&house);
    let bare = |text: &str| agent.posting(text.to_owned()).without("authorization");
    let answer = bare(LOOK).send(agent.to).await;
    assert_eq!(outcome(&answer.message()), "hello");
    let record = house.record("the look", |r| r.target.as_deref() == Some("look")).await;
    let principal = record.principal.clone().unwrap();
    assert_eq!(
        (principal.agent.as_str(), principal.user.as_str(), principal.method.as_str()),
        ("ada", "carol", "task")
    );
    assert_eq!((record.task.as_str(), record.trace.as_str()), (opened.id.as_str(), opened.trace.as_str()));

    // Beyond the scope: refused, told, recorded, counted.
    let answer = bare(ACT).send(agent.to).await;
    assert_eq!(outcome(&answer.message()), "out_of_scope");
    assert!(answer.body.contains("Tools within its scope: web/echo, web/look."), "{answer:?}");
    let record = house.record("the attempt", |r| r.target.as_deref() == Some("act")).await;
    assert!(record.notes.iter().any(|n| n.text.starts_with("attempted expansion: the tool `web/act`")), "{record:?}");
    assert_eq!(house.get(&format!("/v1/tasks/{}", opened.id)).await["expansions"], 1);
    let other = Agent { path: agent.path.replace("/web/", "/other/"), ..agent.clone() };
    let answer = other.posting(LOOK.to_owned()).without("authorization").send(agent.to).await;
    assert_eq!(outcome(&answer.message()), "out_of_scope");

    // With its own agent's bearer token beside it, and with another's, and with one that nobody knows.
    for (token, outcome_of) in [(ADA, "hello"), (BOB, "token_refused"), ("stolen", "unauthenticated")] {
        let answer = agent.posting(LOOK.to_owned()).token(token).send(agent.to).await;
        assert_eq!(outcome(&answer.message()), outcome_of);
    }
    // No bearer token, and a token in the URL that was changed.
    let changed = Agent { path: agent.path.replace("wgt_", "wgt_A"), ..agent.clone() };
    let answer = changed.posting(LOOK.to_owned()).without("authorization").send(agent.to).await;
    assert_eq!((answer.status, outcome(&answer.message()).as_str()), (403, "token_refused"));
    house
        .record("the forgery", |r| r.refusal.as_ref().is_some_and(|f| f.message.contains("none of this gate's")))
        .await;

    // The header needs a bearer token; the two forms must not differ.
    let plain = Agent::modern(agent.to, "web", ADA);
    let by_header = plain.posting(LOOK.to_owned()).with("wicketgate-task", &opened.token);
    assert_eq!(outcome(&by_header.clone().send(agent.to).await.message()), "hello");
    let answer = by_header.clone().without("authorization").send(agent.to).await;
    assert_eq!(answer.status, 401);
    let second = house.open().await;
    let both = bare(LOOK).with("wicketgate-task", &second.token).send(agent.to).await;
    assert_eq!(outcome(&both.message()), "token_refused");

    // Nobody but its host was told the token.
    let secrets = [opened, second].map(|one| one.token.split('.').next_back().unwrap().to_owned());
    for seen in house.web.seen() {
        let all = format!("{:?} {}", seen.headers, seen.body);
        assert!(secrets.iter().all(|secret| !all.contains(secret)), "{all}");
    }
    let all = house.get("/v1/tasks").await.to_string();
    assert!(secrets.iter().all(|secret| !all.contains(secret)), "{all}");
    for entry in house.gate.close().await {
        let text = entry.canonical().unwrap();
        assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_open_hand_on_end_and_stop() {
    let house = House::new().await;
    let ada = json!({ "profile": "reading", "agent": "ada", "goal": "g" });
    for (body, token, status, words) in [
        (ada.clone(), VIEWER, 403, "Member"),
        (ada.clone(), MEMBER, 403, "Operator"),
        (json!({ "profile": "reading", "agent": "a-member", "goal": "g" }), MEMBER, 201, "wgt_"),
        (json!({ "profile": "none", "agent": "ada", "goal": "g" }), OPERATOR, 400, "there are: reading"),
        (json!({ "agent": "ada", "goal": "g" }), OPERATOR, 400, "`profile` is missing"),
        (json!({ "profile": "reading", "agent": "zoe", "goal": "g" }), OPERATOR, 400, "no principal `zoe`"),
        (json!({ "profile": "reading", "agent": "ada", "goal": "g", "labels": ["odd"] }), OPERATOR, 400, "no label"),
        (json!({ "profile": "reading", "agent": "ada", "goal": "g", "x": 1 }), OPERATOR, 400, "unknown field"),
        (
            json!({ "profile": "reading", "agent": "ada", "goal": "g", "scope": { "tools": ["look"] } }),
            OPERATOR,
            400,
            "server/tool",
        ),
        (
            json!({ "profile": "reading", "agent": "ada", "goal": "g", "scope": { "agents": ["bob"] } }),
            OPERATOR,
            409,
            "may not act",
        ),
    ] {
        let answer = house.ask("POST", "/v1/tasks", Some(body.clone()), token).await;
        assert!(answer.status == status && answer.body.contains(words), "{body}: {answer:?}");
    }
    let body = json!({
        "profile": "reading", "agent": "ada", "user": "carol", "goal": "Read it all", "labels": ["private"],
        "scope": { "tools": ["web/*"] }, "limits": { "steps": 5 }, "lifetime_s": 60,
    });
    let parent = Opened::of(&house.post("/v1/tasks", body).await);
    let told = house.get(&format!("/v1/tasks/{}", parent.id)).await;
    assert_eq!(told["limits"]["steps"], 5);
    assert_eq!(told["scope"]["tools"], json!([["web/*"], ["web/echo", "web/look"]]));
    assert_eq!(
        (&told["labels"], &told["user"], &told["goal"]),
        (&json!(["private"]), &json!("carol"), &json!("Read it all"))
    );

    let body = json!({ "agent": "bob", "goal": "Only look", "scope": { "tools": ["web/look"] } });
    let answer = house.ask("POST", &format!("/v1/tasks/{}/children", parent.id), Some(body.clone()), MEMBER).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let child = Opened::of(&house.post(&format!("/v1/tasks/{}/children", parent.id), body).await);
    assert_eq!(child.trace, parent.trace);
    let told = house.get(&format!("/v1/tasks/{}", child.id)).await;
    assert_eq!(
        (&told["parent"], &told["user"], &told["labels"]),
        (&json!(parent.id), &json!("carol"), &json!(["private"]))
    );
    let agent = child.client(&house);
    let bare = |text: &str| agent.posting(text.to_owned()).without("authorization");
    assert_eq!(outcome(&bare(LOOK).send(agent.to).await.message()), "hello");
    let ended = house.post(&format!("/v1/tasks/{}/end", child.id), json!({ "result": "it says hello" })).await;
    assert_eq!((&ended["ended"], &ended["over"]["cause"]), (&json!([child.id]), &json!("ended")));
    let answer = bare(LOOK).send(agent.to).await.message();
    assert_eq!(outcome(&answer), "task_over");
    assert!(text_of(&answer).contains("its host ended it: with a result of 13 bytes"), "{answer}");

    let stopped = house.post(&format!("/v1/tasks/{}/stop", parent.id), json!({ "reason": "enough" })).await;
    assert_eq!(stopped["ended"], json!([parent.id]));
    assert_eq!(house.ask("POST", "/v1/tasks/task-0/stop", None, OPERATOR).await.status, 404);
    let gone =
        house.post("/v1/tasks", json!({ "profile": "reading", "agent": "ada", "goal": "g", "lifetime_s": 1 })).await;
    let gone = Opened::of(&gone);
    let mine = |what: &str, id: &str| {
        let all = events(house.gate.entries());
        all.into_iter().find(|e| e.what == what && e.task.as_deref() == Some(id))
    };
    let expired = until("the end of its time is told", || mine("task_expired", &gone.id)).await;
    assert_eq!(expired.trace.as_deref(), Some(gone.trace.as_str()));
    let opened = mine("task_opened", &child.id).unwrap();
    for words in ["handed on from", "\"Only look\"", "for carol", "web/look", "labels private"] {
        assert!(opened.detail.contains(words), "{words}: {opened:?}");
    }
    assert_eq!(mine("task_stopped", &parent.id).unwrap().by.as_deref(), Some("default/a-operator"));
    assert!(mine("task_ended", &child.id).is_some());

    let story = house.said(&["trace", &parent.trace]).await;
    for words in ["task_opened", "task_stopped", "enough", "task_ended", "handed on from"] {
        assert!(story.contains(words), "{words} is missing in\n{story}");
    }
}

/// A client that can only start programs.
#[tokio::test(flavor = "multi_thread")]
async fn the_bridge_carries_the_tasks_token() {
    let house = House::new().await;
    let opened = house.open().await;
    let config = house.gate.folder.path().join("wicketgate.toml");
    let mut command = program(&config);
    command.env("WICKETGATE_TOKEN", ADA).env("WICKETGATE_TASK", &opened.token);
    command.args(["--listen", &house.gate.at().to_string(), "stdio", "--server", "web"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let opening = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for (message, wanted) in [(opening, "protocolVersion"), (LOOK, "hello"), (ACT, "out_of_scope")] {
        input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        let line = tokio::time::timeout(HANGS, lines.next_line()).await.unwrap().unwrap().unwrap();
        assert!(line.contains(wanted), "{wanted}: {line}");
    }
    let record = house.record("the look", |r| r.target.as_deref() == Some("look")).await;
    assert_eq!(record.task, opened.id);
    drop(input);
    child.wait().await.unwrap();
}

/// Tasks that nobody opened are bounded by the profile `default`, and a policy can ask for a host's.
#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_token_away_wins_nothing() {
    let web = Upstream::start().await;
    let default = "name = \"default\"\n[scope]\ntools = [\"web/look\", \"web/act\"]\n";
    let bundle = Bundle::new().http("web", &web.url()).profile("reading", PROFILE).profile("default", default).policy(
        r#"@id("hosted") @reason("Writing needs a task that a host opened")
        forbid (principal, action in Gate::Action::"write", resource) unless { context.gate.task.explicit };"#,
    );
    let house = House { gate: Gate::start(&bundle).await, web };
    let ada = Agent::modern(house.gate.at(), "web", ADA);
    let echo =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}"#;
    let said = |text: &str| ada.posting(text.to_owned());
    assert_eq!(outcome(&said(LOOK).send(ada.to).await.message()), "hello");
    assert_eq!(outcome(&said(echo).send(ada.to).await.message()), "out_of_scope");
    let answer = said(ACT).send(ada.to).await.message();
    assert!(text_of(&answer).contains("Writing needs a task that a host opened"), "{answer}");
    let body = json!({ "profile": "default", "agent": "ada", "goal": "Write" });
    let opened = Opened::of(&house.post("/v1/tasks", body).await);
    let answer = said(ACT).with("wicketgate-task", &opened.token).send(ada.to).await.message();
    assert_eq!(outcome(&answer), "hello");
    let record = house.record("the write", |r| r.task == opened.id && r.target.as_deref() == Some("act")).await;
    let task = record.decision.unwrap().task;
    assert!(task.explicit && task.profile == "default" && task.depth == 0, "{task:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_halt_and_let_go_on() {
    let house = House::new().await;
    let ada = Agent::modern(house.gate.at(), "web", ADA);
    let bob = Agent::modern(house.gate.at(), "web", BOB);
    let look = |agent: &Agent| {
        let request = agent.posting(LOOK.to_owned());
        let to = agent.to;
        async move { outcome(&request.send(to).await.message()) }
    };
    assert_eq!(look(&ada).await, "hello");
    let tasks = house.get("/v1/tasks").await;
    let rolling = tasks["tasks"][0]["id"].as_str().unwrap().to_owned();
    for (what, of_ada, of_bob) in [
        (json!({ "everything": true }), "halted", "halted"),
        (json!({ "server": "web" }), "halted", "halted"),
        (json!({ "server": "other" }), "hello", "hello"),
        (json!({ "principal": "ada" }), "halted", "hello"),
        (json!({ "task": rolling }), "halted", "hello"),
    ] {
        house.post("/v1/halts", what.clone()).await;
        assert_eq!((look(&ada).await.as_str(), look(&bob).await.as_str()), (of_ada, of_bob), "{what}");
        let (name, value) = what.as_object().unwrap().iter().next().unwrap();
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let answer = house.ask("DELETE", &format!("/v1/halts?{name}={value}"), None, OPERATOR).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(look(&ada).await, "hello", "{what}");
    }
    for (verb, path, body, token, status) in [
        ("POST", "/v1/halts", Some(json!({ "server": "wbe" })), OPERATOR, 404),
        ("POST", "/v1/halts", Some(json!({ "principal": "zoe" })), OPERATOR, 404),
        ("POST", "/v1/halts", Some(json!({ "task": "task-0" })), OPERATOR, 404),
        ("POST", "/v1/halts", Some(json!({})), OPERATOR, 400),
        ("POST", "/v1/halts", Some(json!({ "server": "web", "task": rolling })), OPERATOR, 400),
        ("POST", "/v1/halts", Some(json!({ "server": "web" })), MEMBER, 403),
        ("DELETE", "/v1/halts?server=web", None, OPERATOR, 404),
        ("DELETE", "/v1/halts?everything=true", None, VIEWER, 403),
        ("GET", "/v1/halts", None, VIEWER, 200),
    ] {
        let answer = house.ask(verb, path, body, token).await;
        assert_eq!(answer.status, status, "{verb} {path}: {answer:?}");
    }

    // A halt outlives the gate.
    house.said(&["halt", "on", "--server", "web", "--reason", "incident 7"]).await;
    assert!(house.said(&["halt", "list"]).await.starts_with("server web, since "));
    let House { gate, web } = house;
    let folder = gate.folder.path().to_owned();
    let kept = tempfile::tempdir().unwrap();
    let state = kept.path().join("halts.json");
    std::fs::copy(folder.join("state/halts.json"), &state).unwrap();
    let entries = events(gate.close().await);
    let of = |what: &str| entries.iter().filter(|e| e.what == what).count();
    assert_eq!((of("halt_on"), of("halt_off")), (6, 5));
    let again = gateway::halt::Halts::open(kept.path()).unwrap();
    assert_eq!(again.on().len(), 1);
    assert_eq!(again.on()[0].reason, "incident 7");
    drop(web);
}

/// What an operator types.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_opens_lists_shows_hands_on_and_stops() {
    let house = House::new().await;
    assert_eq!(house.said(&["task", "list"]).await.trim(), "no task is open");
    let goal = ["--goal", "What does it say?"];
    let open = ["task", "open", "--profile", "reading", "--agent", "ada", "--user", "carol", "--label", "private"];
    let more = ["--tool", "web/look", "--limit", "steps=7", "--lifetime", "60", "--json"];
    let told: Value = serde_json::from_str(&house.said(&[&open[..], &goal, &more].concat()).await).unwrap();
    let parent = Opened::of(&told);
    assert_eq!((&told["limits"]["steps"], &told["labels"]), (&json!(7), &json!(["private"])));
    let words = house.said(&[&["task", "child", &parent.id, "--agent", "bob"], &goal[..]].concat()).await;
    let line = |name: &str| words.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim().to_owned();
    assert!(line("token").starts_with("wgt_") && line("url").contains("/{server}/mcp"), "{words}");
    let child = line("task");
    let list = house.said(&["task", "list"]).await;
    assert!(list.contains(&format!("{}  explicit  reading  default/ada  0 calls", parent.id)), "{list}");
    assert!(list.contains(&child), "{list}");
    let shown = house.said(&["task", "show", &child]).await;
    assert!(shown.contains(&format!("\"parent\": \"{}\"", parent.id)) && shown.contains("carol"), "{shown}");
    let stopped = house.said(&["task", "stop", &parent.id, "--reason", "the user changed her mind"]).await;
    assert!(
        stopped.contains(&child) && stopped.contains("stopped by a person: the user changed her mind"),
        "{stopped}"
    );
    assert!(house.said(&["task", "end", &child]).await.starts_with("it was over already"));
    assert_eq!(house.said(&["task", "list"]).await.trim(), "no task is open");
    assert!(house.said(&["task", "list", "--all"]).await.contains("over: it was stopped"));
    for (arguments, words) in [
        (&["task", "show", "task-0"][..], "no task `task-0`"),
        (&["task", "show", "../health"], "a task's id looks like"),
        (&["task", "open", "--profile", "none", "--agent", "ada", "--goal", "g"], "there are: reading"),
        (&["halt", "off", "--everything"], "everything is not halted"),
        (&["halt", "on"], "required"),
        (&["halt", "on", "--server", "wbe"], "there is no server `wbe`; there are: other, web"),
    ] {
        let (well, told) = house.run(arguments).await;
        assert!(!well && told.contains(words), "{arguments:?}: {told}");
    }
    let story = house.said(&["trace", &parent.trace]).await;
    assert!(story.contains("task_opened") && story.contains("What does it say?"), "{story}");
}
