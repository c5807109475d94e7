//! Two tenants on one gate, as a table: each route, each role, what is one's own and what is another tenant's. What belongs
//! to another tenant is answered as if it were not there.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use gateway::auth::token_digest;
use serde_json::{Value, json};

use crate::gate::bundle::Bundle;
use crate::gate::client::{Answer, Request, call};
use crate::gate::server::Upstream;
use crate::gate::{ADA, Gate, ROLES, until};
use crate::openapi;

const PROFILE: &str =
    "name = \"reading\"\ndescription = \"Reads.\"\nlifetime_s = 600\n[scope]\ntools = [\"web/look\"]\n";

/// The visitors of the tenant `acme`, by role; those of `default` are `ROLES`.
fn acme(role: &str) -> String {
    format!("token-of-acmes-{role}-51c0aa")
}

/// What somebody of another tenant gets who has the role.
#[derive(Clone, Copy, PartialEq)]
enum Other {
    /// The same as at home: it is of no tenant.
    Same,
    /// Not found, as what does not exist.
    Gone,
    /// Named in vain: whom it names is nobody here.
    Nobody,
    /// An answer in which nothing of this tenant's stands.
    Without,
}
use Other::{Gone, Nobody, Same, Without};

/// A route: its method, its path as it is described, the body it is sent, the least role (an index into `ROLES`; nothing
/// where any credential will do), what another tenant gets, and the least role for being told so.
struct Row(&'static str, &'static str, &'static str, Option<usize>, Other, Option<usize>);

const VIEWER: Option<usize> = Some(0);
const MEMBER: Option<usize> = Some(1);
const OPERATOR: Option<usize> = Some(2);
const APPROVER: Option<usize> = Some(3);
const ADMIN: Option<usize> = Some(4);

const fn row(verb: &'static str, path: &'static str, body: &'static str, least: Option<usize>, other: Other) -> Row {
    Row(verb, path, body, least, other, least)
}

/// Whoever works on tasks of their own needs less than for those of others.
const fn task_row(verb: &'static str, path: &'static str, body: &'static str) -> Row {
    Row(verb, path, body, OPERATOR, Gone, MEMBER)
}

/// What nobody was shown.
const NO_DIGEST: &str = r#"{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}"#;
const NO_DIGEST_NO: &str =
    r#"{"digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","reason":"no"}"#;

const ROUTES: [Row; 49] = [
    row("GET", "/v1/openapi.json", "", None, Same),
    row("GET", "/v1/health", "", VIEWER, Same),
    row("GET", "/v1/snapshot", "", VIEWER, Same),
    row("POST", "/v1/reload", "", OPERATOR, Same),
    row("GET", "/v1/session", "", None, Without),
    row("POST", "/v1/session", "{}", None, Same),
    row("DELETE", "/v1/session", "", None, Same),
    row("GET", "/v1/passkeys", "", VIEWER, Without),
    row("POST", "/v1/passkeys", r#"{"name":"x","credential":{}}"#, VIEWER, Same),
    row("POST", "/v1/passkeys/begin", "", VIEWER, Same),
    row("DELETE", "/v1/passkeys/{id}", "", VIEWER, Same),
    row("GET", "/v1/snapshots", "", VIEWER, Same),
    row("POST", "/v1/snapshots", r#"{"files":{}}"#, MEMBER, Same),
    row("GET", "/v1/snapshots/{digest}", "", MEMBER, Same),
    row("POST", "/v1/snapshots/{digest}/promote", "{}", OPERATOR, Same),
    row("GET", "/v1/shadow", "", VIEWER, Same),
    row("POST", "/v1/shadow", "{}", OPERATOR, Same),
    row("DELETE", "/v1/shadow", "", OPERATOR, Same),
    row("GET", "/v1/records", "", VIEWER, Without),
    row("GET", "/v1/traces", "", VIEWER, Without),
    row("GET", "/v1/live", "", VIEWER, Without),
    row("GET", "/v1/live/stream", "", VIEWER, Without),
    row("POST", "/v1/law/check", r#"{"files":{}}"#, MEMBER, Same),
    row("POST", "/v1/law/test", r#"{"files":{}}"#, MEMBER, Same),
    row("POST", "/v1/law/replay", r#"{"files":{}}"#, MEMBER, Same),
    row("POST", "/v1/law/summary", "{}", MEMBER, Same),
    row("GET", "/v1/inventory", "", VIEWER, Same),
    row("POST", "/v1/inventory/{id}/scan", "", OPERATOR, Same),
    row("POST", "/v1/inventory/{id}/review", r#"{"tools":[],"reason":"x"}"#, ADMIN, Same),
    row("GET", "/v1/traces/{trace}", "", VIEWER, Gone),
    row("GET", "/v1/traces/{record}", "", VIEWER, Gone),
    row("GET", "/v1/traces/{task}", "", VIEWER, Gone),
    row("GET", "/v1/tasks", "", VIEWER, Without),
    Row("POST", "/v1/tasks", r#"{"profile":"reading","agent":"default/ada","goal":"x"}"#, OPERATOR, Nobody, MEMBER),
    row("GET", "/v1/tasks/{task}", "", VIEWER, Gone),
    task_row("POST", "/v1/tasks/{task}/children", r#"{"goal":"x"}"#),
    task_row("POST", "/v1/tasks/{task}/said", r#"{"kind":"note","text":"x"}"#),
    task_row("POST", "/v1/tasks/{task}/stop", ""),
    task_row("POST", "/v1/tasks/{task}/end", ""),
    row("GET", "/v1/halts", "", VIEWER, Without),
    row("POST", "/v1/halts", r#"{"principal":"default/bob"}"#, OPERATOR, Gone),
    row("DELETE", "/v1/halts?task={task}", "", OPERATOR, Gone),
    row("GET", "/v1/approvals", "", VIEWER, Without),
    row("GET", "/v1/approvals/stream", "", VIEWER, Without),
    row("GET", "/v1/approvals/{approval}", "", VIEWER, Gone),
    row("POST", "/v1/approvals/{approval}/approve", NO_DIGEST, APPROVER, Gone),
    row("POST", "/v1/approvals/{approval}/deny", NO_DIGEST_NO, APPROVER, Gone),
    row("GET", "/v1/quarantine", "", VIEWER, Without),
    row("POST", "/v1/quarantine/{record}/release", "", OPERATOR, Gone),
];

/// What stands in the tenant `default`, of which `acme` may learn nothing.
struct House {
    gate: Gate,
    _web: Upstream,
    task: String,
    trace: String,
    record: u64,
    approval: String,
}

impl House {
    async fn new() -> Self {
        let web = Upstream::start().await;
        let bundle = Bundle::new().http("web", &web.url()).profile("reading", PROFILE);
        let mut more = "limits = { failures_per_minute_max = 100000 }\n".to_owned();
        let hex = |token: &str| token_digest(token).iter().map(|b| format!("{b:02x}")).collect::<String>();
        for (role, _) in ROLES {
            let digest = hex(&acme(role));
            writeln!(more, "[[principals]]\nagent = \"x-{role}\"\ntenant = \"acme\"\nroles = [\"{role}\"]\ntoken_sha256 = \"{digest}\"")
                .unwrap();
        }
        let gate = Gate::start_with(&bundle, &more).await;
        let ask = |path: &'static str, body: Value| {
            let request = Request::post(path, body.to_string()).token(ROLES[2].1);
            let to = gate.control();
            async move {
                let answer = request.send(to).await;
                assert_eq!(answer.status, 201, "{answer:?}");
                answer.message()
            }
        };
        let opened = ask("/v1/tasks", json!({ "profile": "reading", "agent": "ada", "goal": "secret-goal" })).await;
        let text = |name: &str| opened[name].as_str().unwrap().to_owned();
        let (task, trace) = (text("id"), text("trace"));
        ask("/v1/halts", json!({ "task": task, "reason": "secret-reason" })).await;
        let look =
            Request::post("/web/mcp", call(1, "look", json!({ "how": "said", "text": "secret-text" }))).token(ADA);
        look.send(gate.at()).await;
        let record = gate.record("the look", |r| r.target.as_deref() == Some("look")).await.number;
        let send = Request::post("/web/mcp", call(2, "send", json!({ "to": "secret-place" }))).token(ADA);
        let waits = send.send(gate.at()).await.message();
        let approval =
            waits["result"]["_meta"]["dev.wicketgate/refusal"]["approval"]["id"].as_str().unwrap().to_owned();
        Self { gate, _web: web, task, trace, record, approval }
    }

    async fn ask(&self, row: &Row, token: &str) -> Answer {
        let Row(verb, path, body, ..) = row;
        let path = path
            .replace("{task}", &self.task)
            .replace("{trace}", &self.trace)
            .replace("{record}", &self.record.to_string())
            .replace("{approval}", &self.approval)
            .replace("{id}", "none")
            .replace("{digest}", "000000");
        let request = Request {
            body: body.as_bytes().to_vec(),
            ..Request::bare(verb, &path).with("content-type", "application/json")
        };
        let request = request.token(token);
        if !path.ends_with("/stream") {
            return request.send(self.gate.control()).await;
        }
        // A stream has no end: its first event is the answer.
        let mut wire = request.open(self.gate.control()).await;
        let (status, headers) = wire.head().await;
        let body = if status == 200 { wire.event().await.unwrap().data } else { wire.body().await };
        Answer { status, headers, body }
    }
}

/// Whether an answer says that the role does not suffice.
fn is_role(answer: &Answer) -> bool {
    answer.status == 403 && answer.body.contains("\"role\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_is_each_roles_and_its_own_tenants() {
    let house = House::new().await;
    let secrets = [
        house.task.as_str(),
        house.trace.as_str(),
        "secret-goal",
        "secret-reason",
        "secret-text",
        "secret-place",
        "default/ada",
        "default/bob",
    ];
    for row in &ROUTES {
        let Row(verb, path, _, least, other, told) = row;
        for (index, (role, own)) in ROLES.into_iter().enumerate() {
            let at = format!("{verb} {path} as {role}");
            // What changes something is tried by strangers first, so that there is something to be kept from them.
            let theirs = house.ask(row, &acme(role)).await;
            assert_eq!(is_role(&theirs), Some(index) < *told, "{at} of acme: {theirs:?}");
            if Some(index) >= *told {
                match other {
                    Gone => assert_eq!(theirs.status, 404, "{at} of acme: {theirs:?}"),
                    Nobody => assert_eq!(theirs.status, 400, "{at} of acme: {theirs:?}"),
                    Without => assert_eq!(theirs.status, 200, "{at} of acme: {theirs:?}"),
                    Same => {}
                }
            }
            if *other != Same {
                // What was asked for may be repeated; nothing else is told.
                let asked = |secret: &&&str| !path.contains("{task}") || **secret != house.task;
                let asked = |secret: &&&str| asked(secret) && !(path.contains("{trace}") && **secret == house.trace);
                let named = |secret: &&&str| asked(secret) && !row.2.contains(**secret);
                for secret in secrets.iter().filter(named) {
                    assert!(!theirs.body.contains(secret), "{at} of acme tells {secret}: {theirs:?}");
                }
            }
            let ours = house.ask(row, own).await;
            assert_eq!(is_role(&ours), Some(index) < *least, "{at}: {ours:?}");
            if *other == Same {
                assert_eq!(ours.status, theirs.status, "{at}: {ours:?} {theirs:?}");
            }
        }
    }
}

/// No route can be added without saying whose it is.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_in_the_table() {
    let gate = Gate::start(&Bundle::new()).await;
    let answer = Request::bare("GET", "/v1/openapi.json").token(ROLES[0].1).send(gate.control()).await.message();
    let shape = |path: &str| {
        let path = path.split('?').next().unwrap_or_default();
        path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
    };
    let told: BTreeSet<(String, String)> =
        openapi::operations(&answer).iter().map(|(path, verb, _)| (verb.to_uppercase(), shape(path))).collect();
    let held: BTreeSet<(String, String)> = ROUTES.iter().map(|row| (row.0.to_owned(), shape(row.1))).collect();
    assert_eq!(told, held);
}

/// A trace id is the caller's to choose: two tenants in one trace see each their own part of it.
#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_in_one_trace_see_each_their_own() {
    let web = Upstream::start().await;
    let more = format!(
        "limits = {{ failures_per_minute_max = 100000 }}\n[[principals]]\nagent = \"eve\"\ntenant = \"acme\"\nroles = [\"viewer\"]\ntoken_sha256 = \"{}\"",
        token_digest("eves").iter().map(|b| format!("{b:02x}")).collect::<String>()
    );
    let gate = Gate::start_with(&Bundle::new().http("web", &web.url()), &more).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let look = |token: &str, text: &str| {
        Request::post("/web/mcp", call(1, "look", json!({ "how": "said", "text": text })))
            .with("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"))
            .token(token)
    };
    look(ADA, "of-ada").send(gate.at()).await;
    look("eves", "of-eve").send(gate.at()).await;
    until("both records", || (gate.records().iter().filter(|r| r.target.is_some()).count() == 2).then_some(())).await;
    for (token, own, other) in [("eves", "eve", "ada"), (ROLES[0].1, "ada", "eve")] {
        for id in [trace, &trace[..8]] {
            let answer = Request::bare("GET", &format!("/v1/traces/{id}")).token(token).send(gate.control()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.body.contains(&format!("\"agent\":\"{own}\"")), "{answer:?}");
            assert!(
                !answer.body.contains(&format!("\"agent\":\"{other}\""))
                    && !answer.body.contains(&format!("of-{other}")),
                "{answer:?}"
            );
        }
    }
}
