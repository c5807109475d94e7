//! `wicketgate import`, for each of the eight shapes: imported, used through the gate as the rewritten file says, taken
//! back, and compared byte for byte. The files are such as people have: comments, trailing commas, other settings around.

mod bridge;
mod client;
mod faults;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::examples::two_free_ports;
use crate::gate::bundle::{Bundle, POLICIES};
use crate::gate::child::Child;
use crate::gate::{ADA, BOB, Gate, folder, principals};
use client::Reached;

/// What the user's shell holds, on both sides.
const VARIABLES: [(&str, &str); 5] = [
    ("WICKETGATE_TOKEN", ADA),
    ("REMOTE_TOKEN", BOB),
    ("OTHER_TOKEN", "other-secret-of-the-shell"),
    ("NOTES_PASSWORD", "password-of-the-shell"),
    ("WICKETGATE_LOG", "info"),
];
/// What stands in the samples as it is, and must stand nowhere else afterwards but in a file of its own.
const LITERAL: &str = "literal-secret-of-notes";

/// How a sample is written to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    Unix,
    Windows,
    Marked,
}

/// A user's machine: a project, a home, a gate that is not started, and another gate that plays the remote server.
struct Desk {
    folder: TempDir,
    remote: Gate,
    port: u16,
}

impl Desk {
    async fn new() -> Self {
        let remote = Gate::start(&Bundle::new().stdio("tools", &[])).await;
        let desk = Self { folder: folder(), remote, port: two_free_ports() };
        for folder in ["project", "home", "gate/policies", "gate/registry/servers"] {
            std::fs::create_dir_all(desk.path(folder)).unwrap();
        }
        std::fs::write(desk.path("project/.env"), "# theirs\nNOTES_API_KEY=\"literal-secret-of-notes\"\n").unwrap();
        let lifecycle = POLICIES.lines().find(|line| line.contains("lifecycle")).unwrap();
        std::fs::write(desk.path("gate/policies/all.cedar"), lifecycle).unwrap();
        let head = format!("listen = \"127.0.0.1:{}\"\npolicies = \"policies\"\nregistry = \"registry\"\n", desk.port);
        let control = format!("data = \"state\"\n[control]\nlisten = \"127.0.0.1:{}\"\n", desk.port + 1);
        std::fs::write(desk.path("gate/wicketgate.toml"), format!("{head}{control}{}", principals())).unwrap();
        desk
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn config(&self) -> PathBuf {
        self.path("gate/wicketgate.toml")
    }

    /// Writes a sample as a client's file.
    fn lay(&self, sample: &str, path: &str, hand: Hand) -> PathBuf {
        let text = std::fs::read_to_string(samples().join(sample)).unwrap();
        let text = text
            .replace("{{FIXTURE}}", env!("CARGO_BIN_EXE_fixture"))
            .replace("{{URL}}", &format!("http://{}/tools/mcp", self.remote.at()))
            .replace("{{TOKEN}}", BOB)
            .replace("{{PROJECT}}", self.path("project").to_str().unwrap());
        let text = match hand {
            Hand::Unix => text,
            Hand::Windows => text.replace('\n', "\r\n"),
            Hand::Marked => format!("\u{feff}{text}"),
        };
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs `wicketgate` in the project.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate-under-test"));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(VARIABLES).env("HOME", self.path("home")).current_dir(self.path("project"));
        command.args(arguments).arg("--config").arg(self.config()).output().unwrap()
    }

    /// Runs `wicketgate`, which must succeed; what it printed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let told = told(&output);
        assert!(output.status.success(), "{arguments:?}: {told}");
        told
    }

    /// What a reviewer does: scans every new server, and approves what it found as reads.
    fn review(&self) {
        for path in self.servers() {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            self.done(&["registry", "scan", &name, "--effect", "read", "--reviewed-by", "r"]);
            let text = std::fs::read_to_string(&path).unwrap();
            let review = "effect = [\"read\"]\nreviewed_by = \"r\"\nreviewed_at = \"2026-11-21\"\n";
            std::fs::write(&path, text.replace("effect = []\n", review)).unwrap();
        }
    }

    fn servers(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.path("gate/registry/servers")).unwrap();
        let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
        files.sort();
        files
    }

    /// Everything below the gate's folder that others may read, as one text.
    fn shown(&self) -> String {
        let mut out = String::new();
        for entry in walkdir::WalkDir::new(self.path("gate")) {
            let entry = entry.unwrap();
            if entry.file_type().is_file() && !is_private(entry.path()) {
                out.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
            }
        }
        out
    }
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("it/import/samples")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0
}

/// One shape: imports a sample, uses each entry through the gate, and takes it back. `expected` names each entry with
/// what its calls of `echo` and `wipe` come to.
async fn check(client: &str, sample: &str, path: &str, hand: Hand, expected: &[(&str, Wipe)]) -> Desk {
    let desk = Desk::new().await;
    let file = desk.lay(sample, path, hand);
    let before = std::fs::read(&file).unwrap();
    let output = desk.run(&["import", client, "--file", file.to_str().unwrap()]);
    let words = told(&output);
    let after = std::fs::read_to_string(&file).unwrap();
    assert_ne!(after.as_bytes(), before, "{words}");
    assert!(!words.contains(LITERAL) && !desk.shown().contains(LITERAL) && !words.contains(BOB), "{words}");
    assert!(!desk.shown().contains(BOB), "a token was copied");

    // Again: nothing changes.
    let shown = desk.shown();
    desk.run(&["import", client, "--file", file.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), after);
    assert_eq!(desk.shown(), shown);

    desk.review();
    let mut gate = Child::start_under(&desk.config(), &VARIABLES);
    let at = gate.at().await;
    for (name, wipe) in expected {
        let reached = client::reached(client, &after, name);
        use_it(&desk, at, &reached, *wipe, &format!("{client} {name}")).await;
    }
    gate.terminate().await;

    let words = desk.done(&["import", "--undo"]);
    assert!(words.contains("restored") && words.contains("imported.cedar"), "{words}");
    assert_eq!(std::fs::read(&file).unwrap(), before, "{client}: not byte for byte");
    assert!(desk.done(&["import", "--undo"]).contains("no import to undo"));
    desk
}

/// What becomes of a tool that a client's list may have closed. Behind the other gate it is closed by that one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wipe {
    Open,
    Closed,
}

/// Connects as the client's file says, lists the tools and calls some.
async fn use_it(desk: &Desk, at: SocketAddr, reached: &Reached, wipe: Wipe, what: &str) {
    let mut session = reached.open(&VARIABLES, &desk.path("home")).await;
    if let Reached::Http { to, .. } = reached {
        assert_eq!(*to, at, "{what}");
    }
    let listed = session.ask("tools/list", serde_json::json!({})).await;
    let names: Vec<&str> =
        listed["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"echo"), "{what}: {listed}");
    let said = session.call("echo", serde_json::json!({ "text": "through the gate ✓" })).await;
    assert_eq!(said["result"]["content"][0]["text"], "through the gate ✓", "{what}: {said}");
    let wiped = session.call("wipe", serde_json::json!({ "path": "/" })).await;
    let refused = wiped["result"]["isError"] == true || wiped.get("error").is_some();
    assert_eq!(refused, wipe == Wipe::Closed, "{what}: {wiped}");
    // The secrets arrive where the server expects them, by whatever way they were kept.
    let env = session.call("look", serde_json::json!({ "how": "env" })).await;
    let text = env["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    session.close().await;
    if what.split_once(' ').is_some_and(|(_, name)| name == "notes") {
        assert!(text.contains(LITERAL) || text.contains("other-secret-of-the-shell"), "{what}: {env}");
        assert!(!text.contains(ADA), "{what}: the child sees the gate's own token");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_code_of_a_project() {
    let expected = [("notes", Wipe::Closed), ("Remote Tools ✓", Wipe::Closed)];
    let desk = check("claude-code", "claude-code.mcp.json", "project/.mcp.json", Hand::Unix, &expected).await;
    let rules = std::fs::read_to_string(desk.path("gate/policies/imported.cedar")).unwrap();
    assert!(rules.contains("@approval(\"owner\")") && rules.contains("notes::Action::\"act\""), "{rules}");
    assert_eq!(desk.servers().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_code_of_the_user() {
    let expected = [("notes", Wipe::Open), ("remote", Wipe::Closed)];
    check("claude-code", "claude-code.claude.json", "home/.claude.json", Hand::Unix, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_desktop() {
    let expected = [("notes", Wipe::Open), ("more notes", Wipe::Open)];
    let path = "home/.config/Claude/claude_desktop_config.json";
    check("claude-desktop", "claude-desktop.json", path, Hand::Windows, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursor() {
    let expected = [("notes", Wipe::Open), ("remote", Wipe::Closed)];
    check("cursor", "cursor.json", "project/.cursor/mcp.json", Hand::Marked, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vs_code() {
    let expected = [("notes", Wipe::Open)];
    check("vscode", "vscode.json", "project/.vscode/mcp.json", Hand::Windows, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codex() {
    let expected = [("notes", Wipe::Closed), ("remote", Wipe::Closed)];
    check("codex", "codex.toml", "home/.codex/config.toml", Hand::Windows, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gemini() {
    let expected = [("notes", Wipe::Closed), ("remote", Wipe::Closed)];
    check("gemini", "gemini.json", "project/.gemini/settings.json", Hand::Unix, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goose() {
    let expected = [("notes", Wipe::Closed), ("remote", Wipe::Closed)];
    check("goose", "goose.yaml", "home/.config/goose/config.yaml", Hand::Windows, &expected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zed() {
    let expected = [("notes", Wipe::Open), ("old-notes", Wipe::Open), ("remote", Wipe::Closed)];
    check("zed", "zed.json", "home/.config/zed/settings.json", Hand::Marked, &expected).await;
}
