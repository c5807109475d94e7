//! Attempts to get round the path, each a file of `bypass/`, and what rustc says of each: none compiles.
//!
//! An attempt names the error it must meet. `outside` attempts are crates of their own against the public face of `pep`
//! and `pdp`; `inside` attempts are appended to a module of a copy of `pep`, as a careless change would be, so that the
//! product holds no code for them. rustc is called directly: one look at the dependencies cargo has checked serves all,
//! and no message is compared but the code, so that a new compiler's wording breaks nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

/// One attempt, as its file tells it.
struct Attempt {
    name: String,
    /// The module of `pep` it is appended to; nothing for a crate of its own.
    inside: Option<String>,
    /// The code of the error it must meet.
    error: String,
    code: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn attempts() -> Vec<Attempt> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/bypass")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let told =
            |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark)).map(|rest| rest.trim().to_owned());
        let inside = told("//@ inside:");
        assert!(
            inside.is_some() || told("//@ outside").is_some(),
            "bypass/{name}.rs: say `//@ inside: FILE` or `//@ outside`"
        );
        let error = told("//@ error:").unwrap_or_else(|| panic!("bypass/{name}.rs: say `//@ error: CODE`"));
        let code = text.lines().filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n");
        out.push(Attempt { name, inside, error, code });
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// What rustc needs to see: where the dependencies lie, and `--extern` for each that `pep` names.
struct Seen {
    deps: PathBuf,
    externs: Vec<(String, PathBuf)>,
}

/// Lets cargo check `pep`, and notes what it made.
fn dependencies() -> Seen {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let out = Command::new(cargo)
        .args(["check", "--offline", "--locked", "--quiet", "--package", "pep", "--message-format", "json"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "cargo check -p pep: {}", String::from_utf8_lossy(&out.stderr));
    let wanted = versions();
    let mut externs = Vec::new();
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let name = message["target"]["name"].as_str().unwrap_or_default().replace('-', "_");
        let file = message["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let file = file.filter(|f| f.ends_with(".rmeta")).map(PathBuf::from).next_back();
        let Some((version, file)) = wanted.iter().find(|(n, _)| *n == name).map(|(_, v)| v).zip(file) else { continue };
        // Other versions of a crate may be among the dependencies' own.
        let id = message["package_id"].as_str().unwrap_or_default();
        if version.is_empty() || id.rsplit(['#', '@']).next().is_some_and(|v| v.starts_with(version)) {
            // One that programs of the build use too stands twice; either has the same interface.
            externs.retain(|(other, _)| *other != name);
            externs.push((name, file));
        }
    }
    assert_eq!(externs.len(), wanted.len(), "one artifact for each dependency of pep, and pep: {externs:?}");
    let deps = externs[0].1.parent().unwrap().to_owned();
    Seen { deps, externs }
}

/// `pep` and each dependency that it names, with the version's significant part; nothing for our own.
fn versions() -> Vec<(String, String)> {
    let table = |path: &str| -> toml::Table { std::fs::read_to_string(root().join(path)).unwrap().parse().unwrap() };
    let (workspace, pep) = (table("Cargo.toml"), table("proxy/pep/Cargo.toml"));
    let shared = &workspace["workspace"]["dependencies"];
    let version = |name: &str| {
        let written = shared[name].as_str().or_else(|| shared[name].get("version").and_then(toml::Value::as_str));
        let mut parts = written.unwrap_or_default().trim_start_matches('=').split('.');
        match (parts.next(), parts.next()) {
            (Some("0"), Some(minor)) => format!("0.{minor}."),
            (Some(major), Some(_)) => format!("{major}."),
            (Some(_) | None, Some(_) | None) => String::new(),
        }
    };
    let named = pep["dependencies"].as_table().unwrap().keys();
    let mut out: Vec<(String, String)> = named.map(|name| (name.replace('-', "_"), version(name))).collect();
    out.push(("pep".to_owned(), String::new()));
    out
}

/// One error: its code, and where it was found.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    code: String,
    file: String,
    line: u64,
}

/// Compiles one file as a library. Answers the errors; none where it compiled.
fn compile(seen: &Seen, name: &str, file: &Path, out: &Path) -> Vec<Complaint> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut command = Command::new(rustc);
    command.current_dir(root()).args([
        "--edition",
        "2024",
        "--crate-type",
        "lib",
        "--emit",
        "metadata",
        "--cap-lints",
        "allow",
    ]);
    command.args(["--error-format", "json", "--crate-name", name]).arg("--out-dir").arg(out);
    command.arg("-L").arg(format!("dependency={}", seen.deps.display()));
    for (of, path) in seen.externs.iter().filter(|(of, _)| of != name) {
        command.arg("--extern").arg(format!("{of}={}", path.display()));
    }
    let made = command.arg(file).output().expect("rustc runs");
    let text = String::from_utf8_lossy(&made.stderr).into_owned();
    let mut complaints = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line).unwrap();
        let spans = message["spans"].as_array().cloned().unwrap_or_default();
        if let Some(code) = message["code"]["code"].as_str().filter(|_| message["level"] == "error") {
            let place = spans.iter().find(|span| span["is_primary"] == true).cloned().unwrap_or_default();
            let file = place["file_name"].as_str().unwrap_or_default().to_owned();
            complaints.push(Complaint {
                code: code.to_owned(),
                file,
                line: place["line_start"].as_u64().unwrap_or_default(),
            });
        }
    }
    assert!(made.status.success() || !complaints.is_empty(), "{name}: rustc failed without a coded error:\n{text}");
    complaints.sort();
    complaints
}

/// Copies `pep`'s source into a folder.
fn copy_of_pep(to: &Path) {
    let from = root().join("proxy/pep/src");
    for entry in walkdir::WalkDir::new(&from).into_iter().map(Result::unwrap) {
        let target = to.join(entry.path().strip_prefix(&from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Makes one attempt. Answers what is wrong, which is nothing when rustc refused it as it should.
fn make(seen: &Seen, attempt: &Attempt) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let (name, file, first_line) = match &attempt.inside {
        None => {
            let file = folder.path().join("attempt.rs");
            std::fs::write(&file, &attempt.code).unwrap();
            (attempt.name.as_str(), file, 0)
        }
        Some(module) => {
            let source = folder.path().join("src");
            copy_of_pep(&source);
            let patched = source.join(module);
            let text =
                std::fs::read_to_string(&patched).unwrap_or_else(|_| panic!("bypass/{}.rs: no {module}", attempt.name));
            std::fs::write(&patched, format!("{text}\n{}\n", attempt.code)).unwrap();
            ("pep", source.join("lib.rs"), text.lines().count() as u64)
        }
    };
    let complaints = compile(seen, name, &file, folder.path());
    let codes: BTreeSet<&str> = complaints.iter().map(|c| c.code.as_str()).collect();
    let module = attempt.inside.as_deref().unwrap_or("attempt.rs");
    let elsewhere = complaints.iter().find(|c| !c.file.ends_with(module) || c.line <= first_line);
    match (complaints.as_slice(), elsewhere) {
        ([], _) => Some(format!("bypass/{}.rs COMPILES: what it gets round must be closed by a type", attempt.name)),
        (_, Some(other)) => Some(format!("bypass/{}.rs is refused for something else: {other:?}", attempt.name)),
        (_, None) if codes != BTreeSet::from([attempt.error.as_str()]) => {
            Some(format!("bypass/{}.rs is refused with {codes:?}, it says {}", attempt.name, attempt.error))
        }
        (_, None) => None,
    }
}

#[test]
fn no_attempt_to_get_round_the_path_compiles() {
    let seen = dependencies();
    let attempts = attempts();
    assert!(attempts.len() >= 50, "attempts are added, not taken away: {}", attempts.len());
    let (queue, faults) = (Mutex::new(attempts.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(attempt) = next else { return };
                    faults.lock().unwrap().extend(make(&seen, attempt));
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    what_is_allowed_compiles(&seen);
}

/// The attempts fail for what they try, not for how they are compiled.
fn what_is_allowed_compiles(seen: &Seen) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("attempt.rs");
    let honest = "pub async fn honest(frame: pep::Frame, gate: &std::sync::Arc<pep::ports::Gate>) -> pep::Reply {\n\
                  let _decision = pdp::decision::Decision::allow();\npep::run(frame, gate).await\n}\n";
    std::fs::write(&file, honest).unwrap();
    assert_eq!(compile(seen, "honest", &file, folder.path()), []);
    let source = folder.path().join("src");
    copy_of_pep(&source);
    assert_eq!(compile(seen, "pep", &source.join("lib.rs"), folder.path()), []);
}
