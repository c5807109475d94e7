//! Twelve recorded tasks, each told by `wicketgate trace` alone: what was asked, what was meant, what was decided by which rule,
//! what was done with which credential, who was asked, what came back, what became of it.
//!
//! Each task is a script; its story is held word for word against a file of `tests/golden/tasks`, and line by line against
//! what the script says must be told. `WICKETGATE_UPDATE=1 cargo test -p tests tasks` writes the files anew; read the
//! difference before committing it.

mod scripts;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use gateway::ledger::{Options, SqliteLedger};
use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::record::{Entry, Saying, Voice};
use pdp::snapshot::{Snapshot, Sources};
use pdp::task::{Allowed, Profile, Scope};
use pep::ports::{Ledger as _, SendFault, Verdict};
use pep::{Cause, Frame, Opening, Over, Speaker, Task, Token};
use serde_json::Value;

use crate::gate::bundle::Bundle;
use crate::gate::lay_out;
use crate::understand::golden;
use crate::world::fakes::lock;
use crate::world::upstream::{Act, FakeUpstream};
use crate::world::{World, block_on, bundle, caller};

/// One tool: its name, its lines in the registry, its input schema.
type Tool = (&'static str, &'static str, &'static str);

/// The house the tasks are about: its servers, each with the head of its entry and its tools.
const SERVERS: [(&str, &str, &[Tool]); 6] = [
    (
        "mail",
        "labels = [\"untrusted\"]\nsystem = \"Mailbox\"\n[transport]\nkind = \"http\"\nurl = \"https://mail.test/mcp\"\n\
         [credential]\nenv = \"MAIL_TOKEN\"",
        &[
            ("list", "effect = [\"read\"]", r#"{"type":"object"}"#),
            (
                "read",
                "effect = [\"read\"]",
                r#"{"type":"object","properties":{"id":{"type":"string"}},"required":["id"]}"#,
            ),
            (
                "send",
                "effect = [\"egress\"]\nlabels = []\nsensitive = [\"body\"]",
                r#"{"type":"object","properties":{"to":{"type":"string"},"body":{"type":"string"}},"required":["to"]}"#,
            ),
        ],
    ),
    (
        "files",
        "labels = [\"private\"]\n[transport]\nkind = \"stdio\"\ncommand = \"files-server\"",
        &[
            (
                "read",
                "effect = [\"read\"]",
                r#"{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}"#,
            ),
            (
                "write",
                "effect = [\"write\"]\nlabels = []",
                r#"{"type":"object","properties":{"path":{"type":"string"},"text":{"type":"string"}},"required":["path"]}"#,
            ),
        ],
    ),
    (
        "bank",
        "system = \"Giro account\"\n[transport]\nkind = \"http\"\nurl = \"https://bank.test/mcp\"\n[credential]\n\
         env = \"BANK_TOKEN\"",
        &[(
            "pay",
            "effect = [\"spend\"]",
            r#"{"type":"object","properties":{"to":{"type":"string"},"amount":{"type":"integer"}},"required":["to","amount"]}"#,
        )],
    ),
    (
        "web",
        "labels = [\"untrusted\"]\n[transport]\nkind = \"http\"\nurl = \"https://web.test/mcp\"",
        &[(
            "fetch",
            "effect = [\"egress\"]",
            r#"{"type":"object","properties":{"url":{"type":"string"}},"required":["url"]}"#,
        )],
    ),
    (
        "shop",
        "system = \"Purchasing\"\n[transport]\nkind = \"http\"\nurl = \"https://shop.test/mcp\"",
        &[
            (
                "order",
                r#"effect = ["spend"]
                preview = { argument = "dry_run", impact = { total = { at = "/structuredContent/total", is = "long" } } }
                check = { fields = [{ at = "/structuredContent/total", min = "0", max = "100", optional = true }] }
                rollback = { tool = "cancel", arguments = { order = { result = "/structuredContent/order" } } }"#,
                r#"{"type":"object","properties":{"item":{"type":"string"},"count":{"type":"integer"},"dry_run":{"type":"boolean"}},"required":["item"]}"#,
            ),
            (
                "cancel",
                "effect = [\"write\"]",
                r#"{"type":"object","properties":{"order":{"type":"string"}},"required":["order"]}"#,
            ),
        ],
    ),
    (
        "notes",
        "[memory]\n[transport]\nkind = \"http\"\nurl = \"https://notes.test/mcp\"",
        &[
            (
                "save",
                "effect = [\"memory_write\"]\nmemory = { role = \"write\", key = \"key\" }",
                r#"{"type":"object","properties":{"key":{"type":"string"},"text":{"type":"string"}},"required":["key","text"]}"#,
            ),
            (
                "recall",
                "effect = [\"memory_read\"]\nmemory = { role = \"read\", key = \"key\" }",
                r#"{"type":"object","properties":{"key":{"type":"string"}},"required":["key"]}"#,
            ),
        ],
    ),
];

const LAW: &str = r#"
@id("work") permit (principal in Gate::Team::"staff", action, resource);
@id("trifecta") @reason("Private data would leave after untrusted text was read")
forbid (principal, action in Gate::Action::"egress", resource)
when { context.gate.labels.containsAll([Gate::Label::"untrusted", Gate::Label::"private"]) };
@id("large-payment") @reason("More than 100 leaves the account") @approval("owner")
forbid (principal, action == bank::Action::"pay", resource) when { context.args.amount > 100 };
@id("unplanned-payment") @reason("The payment is no open step of the plan")
forbid (principal, action == bank::Action::"pay", resource) when { context.gate.task.off_plan };
@id("dear-order") @reason("The shop says that it costs more than 500")
forbid (principal, action == shop::Action::"order", resource)
when { context.gate has impact && context.gate.impact has total && context.gate.impact.total > 500 };
"#;

fn definitions(tools: &[Tool]) -> Vec<(String, String)> {
    tools.iter().map(|(name, _, schema)| ((*name).to_owned(), bundle::definition(name, schema))).collect()
}

fn snapshot() -> Arc<Snapshot> {
    let mut registry = Vec::new();
    for (name, head, tools) in &SERVERS {
        let mut text = format!("name = \"{name}\"\n{head}\n");
        for (tool, lines, schema) in *tools {
            let pin = Digest::of_json(&bundle::definition(tool, schema)).unwrap();
            let review = "reviewed_by = \"ana\"\nreviewed_at = \"2026-11-20\"";
            text.push_str(&format!("[tools.{tool}]\npin = \"{pin}\"\n{review}\n{lines}\n"));
        }
        let listed: Vec<String> = definitions(tools).into_iter().map(|(_, text)| text).collect();
        let listed = format!("[{}]", listed.join(","));
        registry.push(SourceFile { path: format!("servers/{name}.toml"), text });
        registry.push(SourceFile { path: format!("servers/{name}.tools.json"), text: listed });
    }
    let policies = vec![SourceFile { path: "law.cedar".to_owned(), text: LAW.to_owned() }];
    match Snapshot::build(&Sources { policies, registry }) {
        Ok(snapshot) => Arc::new(snapshot),
        Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// A task while its script runs.
struct Run {
    world: Arc<World>,
    /// The tasks that were opened, the first one first, with their tokens.
    opened: Vec<(Arc<Task>, String)>,
    calls: u64,
}

impl Run {
    fn new() -> Self {
        let listed = SERVERS.iter().map(|(name, _, tools)| ((*name).to_owned(), definitions(tools)));
        let world = World::over(snapshot(), |journal, points| FakeUpstream::of(listed, journal, points));
        Self { world, opened: Vec::new(), calls: 0 }
    }

    /// Does what a line of a script says. Each line is a second later than the one before.
    async fn step(&mut self, line: &str) {
        self.world.clock.pass(1);
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "open" => self.open(rest, None),
            "child" => self.open(rest, self.opened.first().map(|(task, _)| Arc::clone(task))),
            "host" => self.say(rest, Voice::Host).await,
            "agent" => self.say(rest, Voice::Agent).await,
            "call" => self.call(rest).await,
            "answer" => {
                let (server, text) = rest.split_once(' ').unwrap();
                let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":{text}}}");
                self.world.upstream.next(server, Act::Whole(200, Vec::new(), body));
            }
            "lose" => {
                self.world.upstream.next(rest, Act::Fault(SendFault::Lost("the connection was reset".to_owned())))
            }
            "approve" => {
                let grants = rest.split(' ').map(str::to_owned).collect();
                *lock(&self.world.approvals.verdict) = crate::world::fakes::granted(grants);
            }
            "refuse" => *lock(&self.world.approvals.verdict) = Verdict::Refused(rest.to_owned()),
            "stop" => self.stop(rest),
            other => panic!("no script can `{other}`"),
        }
    }

    /// `open {"goal": ..., "labels": [...], "tools": [...]}`
    fn open(&mut self, terms: &str, parent: Option<Arc<Task>>) {
        let terms: Value = serde_json::from_str(terms).unwrap();
        let list = |name: &str| -> Option<Vec<String>> {
            Some(terms[name].as_array()?.iter().map(|item| item.as_str().unwrap().to_owned()).collect())
        };
        let labels = list("labels").unwrap_or_default();
        let profile = Profile {
            name: "desk".to_owned(),
            description: "What a desk does.".to_owned(),
            scope: Scope::default(),
            limits: Default::default(),
            lifetime_s: 3600,
        };
        let ports = &self.world.gate.ports;
        let opening = Opening {
            profile: Arc::new(profile),
            goal: terms["goal"].as_str().unwrap().to_owned(),
            principal: (*caller("ann").principal.unwrap()).clone(),
            by: "default/host".to_owned(),
            by_user: String::new(),
            labels: labels.iter().map(String::as_str).collect(),
            scope: Scope { tools: list("tools").map(Allowed::only).unwrap_or_default(), ..Scope::default() },
            limits: Default::default(),
            lifetime_s: None,
            parent,
        };
        let fresh = [ports.entropy.bytes(), ports.entropy.bytes()];
        let opened = ports.tasks.open_for(opening, ports.clock.now_us(), fresh).unwrap();
        ports.ledger.append(Entry::Event(opened.task.opening_event())).unwrap();
        self.opened.push((opened.task, opened.token));
    }

    async fn say(&self, text: &str, voice: Voice) {
        let saying: Saying = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let by = match voice {
            Voice::Host => "default/host",
            Voice::Agent => "default/ann",
        };
        let ports = &self.world.gate.ports;
        let speaker = Speaker { by: by.to_owned(), voice, number: None };
        let task = &self.opened.last().unwrap().0;
        task.say(saying, speaker, &*ports.ledger, &*ports.clock).await.unwrap();
    }

    /// `call SERVER TOOL {ARGUMENTS}`, in the task that was opened last.
    async fn call(&mut self, rest: &str) {
        let mut words = rest.splitn(3, ' ');
        let (server, tool, arguments) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or("{}"));
        self.calls += 1;
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#,
            self.calls
        );
        let token = self.opened.last().unwrap().1.clone();
        let frame = Frame::message(caller("ann"), server, None, Vec::new(), Bytes::from(text));
        let frame = frame.with_tokens(vec![Token::presented(&token)]);
        Arc::clone(&self.world).carry(frame).await;
    }

    fn stop(&self, words: &str) {
        let ports = &self.world.gate.ports;
        let by = Some("default/host".to_owned());
        let over = Over { cause: Cause::Stopped, words: words.to_owned(), by, at_us: ports.clock.now_us() };
        for ended in ports.tasks.end(&self.opened[0].0, &over) {
            ports.ledger.append(Entry::Event(ended.end_event().unwrap())).unwrap();
        }
    }

    /// What `wicketgate trace` tells of the first task's trace, out of a ledger on disk that holds nothing else.
    fn told(&self) -> String {
        let folder = crate::gate::folder();
        let config = lay_out(folder.path(), &Bundle::new(), "");
        let ledger = folder.path().join("state/ledger.db");
        let kept = SqliteLedger::open(&ledger, Options::new(Arc::clone(&self.world.clock) as _)).unwrap();
        for entry in self.world.ledger.entries() {
            kept.append(entry).unwrap();
        }
        assert_eq!(kept.close().lost, 0);
        trace(&config, self.opened[0].0.trace())
    }
}

fn trace(config: &Path, id: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate-under-test"));
    for name in ["CONFIG", "LISTEN", "CONTROL", "POLICIES", "REGISTRY", "DATA"] {
        command.env_remove(format!("WICKETGATE_{name}"));
    }
    let out = command.arg("--config").arg(config).args(["trace", id]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Runs a script, and holds its story against the file of this name and against the lines that must stand in it. A line
/// that begins with `!` must not.
fn check(name: &str, script: &str, must: &str) {
    let mut run = Run::new();
    block_on(async {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            run.step(line).await;
        }
    });
    run.world.ledger.assert_one_record_each();
    let story = run.told();
    let found: Vec<&str> = story.lines().map(str::trim).collect();
    for line in must.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix("! ") {
            Some(never) => assert!(!story.contains(never), "{never:?} stands in\n{story}"),
            None => assert!(found.iter().any(|one| one.contains(line)), "{line:?} is missing in\n{story}"),
        }
    }
    golden(&format!("tasks/{name}.txt"), &story);
}
