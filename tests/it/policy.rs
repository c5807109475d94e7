//! The repository's own policies are as they should be: tested, laid out, without mistakes that can be seen. And mistakes
//! are seen: each seeded one is told as `golden/seeded` says, by the program itself.
//!
//! `WICKETGATE_UPDATE=1 cargo test -p tests policy::` writes the golden files anew; read the difference before committing it.

use std::path::{Path, PathBuf};
use std::process::Command;

use gateway::config::Bundle;
use gateway::desk::suite::{self, Coverage};
use gateway::desk::{format, lint};
use gateway::reload;
use pdp::snapshot::Snapshot;

use crate::world::diff;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn bundle() -> Bundle {
    Bundle { policies: root().join("policies"), registry: root().join("registry") }
}

/// Every case of a bundle's suite is as expected, there are enough of them, and each policy decides one.
fn passes(bundle: &Bundle, least: usize) {
    let sources = reload::read(Some(bundle)).unwrap();
    let snapshot = Snapshot::build(&sources).unwrap();
    let tests = suite::read(&reload::read_tests(Some(bundle)).unwrap()).unwrap();
    assert!(tests.len() >= least, "{} cases are left", tests.len());
    let verdicts = suite::run(&tests, &snapshot);
    let failed: Vec<String> = verdicts
        .iter()
        .filter(|verdict| !verdict.differences.is_empty())
        .map(|v| format!("{}:{} {} {:?}", v.test.file, v.test.line, v.test.name, v.differences))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let policies = pdp::policy::written(&sources.policies).unwrap();
    let never: Vec<&str> = Coverage::of(&verdicts, &policies).never.iter().map(|p| p.id.as_str()).collect();
    assert!(never.is_empty(), "no case is decided by {never:?}");
}

#[test]
fn the_policy_suite_passes_and_every_policy_decides_a_case() {
    passes(&bundle(), 60);
    passes(&Bundle { policies: root().join("examples/quickstart/policies"), ..bundle() }, 4);
}

#[test]
fn test_files_are_no_part_of_a_snapshot() {
    let read = |bundle: Option<&Bundle>| reload::read(bundle).unwrap();
    assert!(read(None).policies.iter().all(|file| file.path.ends_with(".cedar")));
    let folder = tempfile::tempdir().unwrap();
    let own = reload::write_built_in(folder.path()).unwrap();
    let digest = || Snapshot::build(&read(Some(&own))).unwrap().digest();
    let before = digest();
    assert!(!reload::read_tests(Some(&own)).unwrap().is_empty(), "`init` writes the tests beside the policies");
    std::fs::write(own.policies.join("more.test.toml"), "[[case]]\nname = \"x\"\n").unwrap();
    assert_eq!(digest(), before);
}

#[test]
fn policies_are_laid_out_as_the_formatter_does() {
    let mut files = reload::files(&root().join("policies"), "policies", ".cedar").unwrap();
    files.extend(reload::files(&root().join("examples"), "examples", ".cedar").unwrap());
    assert!(files.len() > 2);
    for file in files {
        let laid_out = format::formatted(&file).unwrap();
        assert!(laid_out == file.text, "run `wicketgate policy fmt {}`\n{}", file.path, diff(&file.text, &laid_out));
    }
}

#[test]
fn the_shipped_bundle_has_no_warning() {
    let sources = reload::read(Some(&bundle())).unwrap();
    let snapshot = Snapshot::build(&sources).unwrap();
    let found: Vec<String> = lint::warnings(&snapshot, &sources).iter().map(|w| w.found.message.clone()).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// One mistake in the shipped policies: in which file, what is replaced by what, and the command that finds it.
struct Seeded {
    name: &'static str,
    file: &'static str,
    text: &'static str,
    mistake: &'static str,
    command: &'static [&'static str],
}

const CHECK: &[&str] = &["policy", "check", "--deny-warnings"];

const SEEDED: [Seeded; 4] = [
    Seeded {
        name: "typo",
        file: "office.cedar",
        text: "context.args.amount",
        mistake: "context.args.amont",
        command: CHECK,
    },
    Seeded {
        name: "dead-condition",
        file: "office.cedar",
        text: "@id(\"office-mail\")",
        mistake: "@id(\"office-odd-amounts\")\n\
                  forbid (principal, action == office::Action::\"payments_send\", resource)\n\
                  when { context.args.amount.greaterThan(decimal(\"500.0\")) && context.args.amount.lessThan(decimal(\"100.0\")) };\n\n\
                  @id(\"office-mail\")",
        command: CHECK,
    },
    Seeded {
        name: "dead-scope",
        file: "guards.cedar",
        text: "action in Gate::Action::\"spend\"",
        mistake: "action in Gate::Action::\"execute\"",
        command: CHECK,
    },
    Seeded {
        name: "wrong-action",
        file: "guards.cedar",
        text: "action in Gate::Action::\"spend\"",
        mistake: "action in Gate::Action::\"write\"",
        command: &["policy", "test"],
    },
];

/// What the program says of the shipped bundle with one mistake in it, and whether it found one.
fn told(seeded: &Seeded, command: &[&str]) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let own = reload::write_built_in(folder.path()).unwrap();
    let path = own.policies.join(seeded.file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(seeded.text), "{} has no `{}`: mend SEEDED", seeded.file, seeded.text);
    std::fs::write(&path, text.replacen(seeded.text, seeded.mistake, 1)).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_wicketgate-under-test"))
        .env_clear()
        .args(command)
        .args(["--policies".as_ref(), own.policies.as_os_str(), "--registry".as_ref(), own.registry.as_os_str()])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let words = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    // A digest changes with every rule and every tool, and says nothing here.
    let lines =
        words.lines().map(|line| line.split_once("sha256:").map_or(line.to_owned(), |(l, _)| format!("{l}...")));
    (lines.collect::<Vec<_>>().join("\n") + "\n", ran.status.code() == Some(1))
}

#[test]
fn seeded_mistakes_are_found_and_told_in_words() {
    for seeded in &SEEDED {
        let (words, found) = told(seeded, seeded.command);
        assert!(found, "{}: not found\n{words}", seeded.name);
        let golden = root().join(format!("tests/golden/seeded/{}.txt", seeded.name));
        if std::env::var_os("WICKETGATE_UPDATE").is_some() {
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(&golden, &words).unwrap();
            continue;
        }
        let agreed = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(words == agreed, "{}\n{}", seeded.name, diff(&agreed, &words));
    }
}

/// A rule that guards the wrong action is good Cedar: only a test that says what must hold can find it.
#[test]
fn a_guard_on_the_wrong_action_is_the_tests_to_find() {
    let wrong = SEEDED.iter().find(|seeded| seeded.name == "wrong-action").unwrap();
    let (words, found) = told(wrong, CHECK);
    assert!(!found, "{words}");
}
