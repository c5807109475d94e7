//! `wicketgate policy prove`, `diff`, `explain` and `summary` as people see them: their output is held word for word.
//!
//! `WICKETGATE_UPDATE=1 cargo test -p tests understand` writes the files anew; read the difference before committing it.
//! Proofs need cvc5. Where there is none, the tests hold that this is said and is no pass, and `tests/run` names what did
//! not run.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, refusal_in};
use crate::gate::server::Upstream;
use crate::gate::{ADA, Gate};
use crate::world::diff;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program, asked in the repository's root.
fn wicketgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate-under-test"));
    command.current_dir(root()).args(arguments);
    for name in ["CONFIG", "LISTEN", "CONTROL", "POLICIES", "REGISTRY", "DATA"] {
        command.env_remove(format!("WICKETGATE_{name}"));
    }
    command
}

/// What was printed, and the exit code.
fn told(output: &Output) -> (String, Option<i32>) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (text, output.status.code())
}

fn ask(arguments: &[&str]) -> (String, Option<i32>) {
    told(&wicketgate(arguments).output().unwrap())
}

/// A text without what differs from bundle to bundle and from machine to machine.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("sha256:") {
        let (before, after) = rest.split_at(at + "sha256:".len());
        out.push_str(before);
        out.push_str("...");
        rest = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    out.push_str(rest);
    let words = out.split_inclusive([' ', '\n']).collect::<Vec<_>>();
    let mut kept = String::new();
    let mut is_version = false;
    for word in words {
        let is_number = is_version && word.starts_with(|c: char| c.is_ascii_digit());
        is_version = word == "cvc5 ";
        match word.strip_suffix(['\n', ' ']) {
            Some(_) if is_number => kept.push_str(if word.ends_with('\n') { "VERSION\n" } else { "VERSION " }),
            Some(_) | None => kept.push_str(word),
        }
    }
    kept.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

/// Holds a text against a file of `tests/golden`.
pub(crate) fn golden(name: &str, found: &str) {
    let path = root().join("tests/golden").join(name);
    let found = plain(found);
    if std::env::var_os("WICKETGATE_UPDATE").is_some() {
        std::fs::write(&path, &found).unwrap();
        return;
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == agreed, "\n{}\nIt reads otherwise than tests/golden/{name}.", diff(&agreed, &found));
}

/// What of `guards.cedar` is the trifecta's alone.
const TRIFECTA: &str = "@approval(\"security\")\nforbid (\n  principal,\n  action in Gate::Action::\"egress\",\n  resource\n)\n\
                        when\n{\n  context.gate\n";

/// A copy of the repository's bundle with one change to a policy file.
fn mistaken(file: &str, was: &str, is: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in
        walkdir::WalkDir::new(root().join("policies")).into_iter().chain(walkdir::WalkDir::new(root().join("registry")))
    {
        let entry = entry.unwrap();
        let to = folder.path().join(entry.path().strip_prefix(root()).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(to).unwrap();
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
    let path = folder.path().join("policies").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(was).count(), 1, "`{was}` stands once in {file}");
    std::fs::write(&path, text.replace(was, is)).unwrap();
    folder
}

/// Whether cvc5 is there. Where it is not, the program must say so, and with a code that is no success.
fn solver_is_there() -> bool {
    let (text, code) = ask(&["policy", "prove", "--json"]);
    if code != Some(3) {
        return true;
    }
    assert!(text.contains("cvc5") && text.contains("nothing was proved"), "{text}");
    let words = "NOT RUN: proofs with a real solver. Install cvc5, or name it in CVC5.";
    let _closed = writeln!(std::io::stderr(), "{words}");
    false
}

fn proved(folder: &Path) -> (String, Option<i32>) {
    let at = |part: &str| folder.join(part).display().to_string();
    ask(&["policy", "prove", "--policies", &at("policies"), "--registry", &at("registry")])
}

#[test]
fn the_repository_keeps_its_own_invariants() {
    if solver_is_there() {
        let (text, code) = ask(&["policy", "prove"]);
        golden("prove.txt", &text);
        assert_eq!(code, Some(0), "{text}");
    }
}

#[test]
fn a_guard_on_the_wrong_action_is_refuted_with_a_call() {
    if solver_is_there() {
        let folder = mistaken("guards.cedar", TRIFECTA, &TRIFECTA.replace("egress", "read"));
        let (text, code) = proved(folder.path());
        golden("prove-wrong-action.txt", &text);
        assert_eq!(code, Some(1), "{text}");
    }
}

#[test]
fn the_wrong_grant_is_refuted_with_a_call() {
    if solver_is_there() {
        let folder = mistaken("guards.cedar", TRIFECTA, &TRIFECTA.replace("security", "owner"));
        let (text, code) = proved(folder.path());
        golden("prove-wrong-grant.txt", &text);
        assert_eq!(code, Some(1), "{text}");
    }
}

#[test]
fn a_dead_rule_and_one_that_can_err_are_refuted() {
    if solver_is_there() {
        let was = "@id(\"office-mail\")";
        let is = "@id(\"dead\") @reason(\"x\") forbid (principal, action == office::Action::\"mail_send\", resource)\n\
                  when { context.args.to == \"a\" && context.args.to == \"b\" };\n\
                  @id(\"errs\") @reason(\"x\") forbid (principal, action == office::Action::\"mail_send\", resource)\n\
                  when { context.gate.calls + 9223372036854775807 > 5 };\n@id(\"office-mail\")";
        let folder = mistaken("office.cedar", was, is);
        let (text, code) = proved(folder.path());
        golden("prove-dead-and-err.txt", &text);
        assert_eq!(code, Some(1), "{text}");
    }
}

/// A claim that no call can match, or that errs instead of matching, would hold of every bundle.
#[test]
fn a_claim_that_claims_nothing_is_not_proved() {
    if solver_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let scope = "(principal, action == office::Action::\"mail_send\", resource)";
        let claims = format!(
            "@id(\"nothing\") @reason(\"x\") forbid {scope} when {{ context.args.to == \"a\" && context.args.to == \"b\" }};\n\
             @id(\"errs\") @reason(\"x\") forbid {scope} when {{ context.gate.calls + 9223372036854775807 > 5 }};\n\
             @id(\"sound\") @reason(\"x\") forbid (principal, action == office::Action::\"files_delete\", resource);\n"
        );
        std::fs::write(folder.path().join("claims.cedar"), claims).unwrap();
        let at = folder.path().display().to_string();
        let (text, code) = ask(&["policy", "prove", "--invariants", &at]);
        assert_eq!(code, Some(1), "{text}");
        for line in [
            "UNKNOWN         nothing: x",
            "not settled: no call can match this claim: it claims nothing",
            "UNKNOWN         errs: x",
            "the claim itself can err",
            "PROVED          sound: x (1 action)",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }
}

#[test]
fn without_a_solver_nothing_is_a_pass() {
    let run = |name: &str, program: &str| {
        told(&wicketgate(&["policy", "prove"]).env(name, program).env("PATH", "/nowhere").output().unwrap())
    };
    let (text, code) = run("CVC5", "");
    golden("prove-no-solver.txt", &text);
    assert_eq!(code, Some(3));
    let (text, code) = run("CVC5", "/nowhere/cvc5");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("`/nowhere/cvc5` does not run as cvc5, so nothing was proved"), "{text}");
}

/// Programs that answer to cvc5's name and are none.
fn impostor(name: &str) -> PathBuf {
    root().join("tests/it/solvers").join(name)
}

#[test]
fn a_solver_that_dies_or_babbles_or_is_silent_proves_nothing() {
    // Small, for each question to the silent one takes its time.
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    std::fs::create_dir_all(policies.join("invariants")).unwrap();
    let write = |file: &str, text: &str| std::fs::write(policies.join(file), text).unwrap();
    let scope = "(principal, action == office::Action::\"mail_send\", resource) when { context.args.to";
    write("a.cedar", &format!("@id(\"a\") permit {scope} like \"*@office.example\" }};"));
    write("invariants/b.cedar", &format!("@id(\"b\") @reason(\"no mail to ada\") forbid {scope} like \"ada@*\" }};"));
    let at = policies.display().to_string();
    for name in ["dies", "babbles", "silent"] {
        let asked = ["policy", "prove", "--policies", &at, "--registry", "registry", "--timeout", "0.05"];
        let (text, code) = told(&wicketgate(&asked).env("CVC5", impostor(name)).output().unwrap());
        assert_eq!(code, Some(1), "{name}: {text}");
        assert!(text.contains("UNKNOWN         b: no mail to ada"), "{name}: {text}");
        assert!(text.contains("not settled: "), "{name}: {text}");
    }
}

#[test]
fn an_invariant_that_is_none_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let text = "@id(\"a\") @reason(\"r\")\npermit (principal, action, resource);\n\
                @id(\"b\")\nforbid (principal, action, resource);\n@id(\"c\") @reason(\"r\")\n\
                forbid (principal, action, resource) when { context.gate.grants.isEmpty() };\n";
    std::fs::write(folder.path().join("claims.cedar"), text.rsplit_once("@id(\"c\")").unwrap().0).unwrap();
    let at = folder.path().display().to_string();
    let run = || {
        let asked = ["policy", "prove", "--invariants", at.as_str()];
        told(&wicketgate(&asked).env("CVC5", impostor("dies")).output().unwrap())
    };
    let (said, code) = run();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("claims.cedar:1: the invariant `a` is a permit"), "{said}");
    assert!(said.contains("claims.cedar:3: the invariant `b` has no `@reason"), "{said}");
    std::fs::write(folder.path().join("claims.cedar"), text).unwrap();
    let (said, _) = run();
    assert!(said.contains("`c` reads `context.gate.grants`"), "{said}");
}

#[test]
fn a_call_is_explained() {
    let mail = r#"{"to":"eve@elsewhere.example","subject":"x","body":"x"}"#;
    let pay = r#"{"recipient":"Acme","amount":12.5,"reference":"x"}"#;
    let write = r#"{"path":"/finance/2026.csv","text":"x"}"#;
    let cases: [(&str, &[&str]); 6] = [
        ("a private mail outside", &["--agent", "robin", "--tool", "mail_send", "--args", mail, "--labels", "private"]),
        (
            "all three of the trifecta",
            &["--tool", "mail_send", "--args", &mail.replace("elsewhere", "office"), "--labels", "private,untrusted"],
        ),
        (
            "a payment after untrusted text",
            &[
                "--agent",
                "robin",
                "--teams",
                "sales",
                "--tool",
                "payments_send",
                "--args",
                pay,
                "--labels",
                "untrusted",
            ],
        ),
        ("a file where none may be", &["--tool", "files_write", "--args", write]),
        ("what nobody permits", &["--tool", "files_delete", "--args", r#"{"path":"/notes/a"}"#]),
        ("what is allowed", &["--tool", "mail_send", "--args", mail]),
    ];
    let mut all = String::new();
    for (what, asked) in cases {
        let arguments: Vec<&str> = ["policy", "explain", "--server", "office", "--now", "2026-11-20T12:00:00Z"]
            .iter()
            .chain(asked)
            .copied()
            .collect();
        let (text, code) = ask(&arguments);
        assert_eq!(code, Some(0), "{what}: {text}");
        all.push_str(&format!("==> {what}\n{text}\n"));
    }
    golden("explain.txt", &all);
    let (text, code) = ask(&["policy", "explain", "--server", "office", "--tool", "mail_sent"]);
    assert_eq!(
        (code, text.trim()),
        (
            Some(1),
            "wicketgate: it would be refused before policy is asked: `office` has no tool `mail_sent` in the registry"
        )
    );
}

#[test]
fn what_everybody_may_do_is_summed_up() {
    let (text, code) = ask(&["policy", "summary"]);
    assert_eq!(code, Some(0), "{text}");
    golden("summary.txt", &text);
    let (text, _) = ask(&["policy", "summary", "--agent", "robin", "--teams", "sales", "--format", "markdown"]);
    assert!(
        text.contains("## agent `robin`, of the team `sales`") && text.contains("| office files_delete | deny |"),
        "{text}"
    );
    let (text, _) = ask(&["policy", "summary", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["people"][0]["rows"][0]["tool"], "abandon_branch");
}

#[test]
fn two_bundles_are_compared_by_what_they_decide() {
    let folder = mistaken("guards.cedar", TRIFECTA, &TRIFECTA.replace("egress", "read"));
    let other = folder.path().display().to_string();
    let shown = |text: String| text.replace(&other, "OTHER");
    let (text, code) = ask(&["policy", "diff", ".", &other, "--tried"]);
    assert_eq!(code, Some(1), "{text}");
    golden("diff-tried.txt", &shown(text));
    let (text, code) = ask(&["policy", "diff", "."]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("No call is decided otherwise."), "{text}");
    if solver_is_there() {
        let (text, code) = ask(&["policy", "diff", ".", &other]);
        assert_eq!(code, Some(1), "{text}");
        golden("diff-exact.txt", &shown(text));
    }
    // A rule that reads otherwise and does the same is no difference.
    let folder = mistaken(
        "office.cedar",
        "context.args_canonical.path like \"/notes/*\" ||\n  context.args_canonical.path like \"/shared/*\"",
        "context.args_canonical.path like \"/shared/*\" || context.args_canonical.path like \"/notes/*\"",
    );
    let (text, code) = ask(&["policy", "diff", ".", &folder.path().display().to_string()]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("other: `office-notes`"), "{text}");
}

#[tokio::test]
async fn a_recorded_call_is_explained_from_the_ledger() {
    let web = Upstream::start().await;
    let closed = "@id(\"closed\") @reason(\"nothing is echoed today\")\n\
                  forbid (principal, action == web::Action::\"echo\", resource);\n\
                  @id(\"few\") @reason(\"enough calls were made\")\n\
                  forbid (principal, action == web::Action::\"look\", resource) when { context.gate.calls > 3 };\n";
    let gate = Gate::start(&Bundle::new().http("web", &web.url()).policy(closed)).await;
    let agent = Agent::legacy(gate.at(), "web", ADA).await;
    let refused = agent.call("echo", serde_json::json!({ "text": "x\u{202e}y" })).await;
    let (_, number) = refusal_in(&refused).unwrap();
    let record = gate.numbered(number).await;
    let config = gate.folder.path().join("wicketgate.toml").display().to_string();
    let explained = |asked: String| ask(&["policy", "explain", "--config", &config, "--record", &asked]);
    for id in [number.to_string(), record.trace.clone(), record.task.clone()] {
        let (text, code) = explained(id);
        assert_eq!(code, Some(0), "{text}");
        for line in [
            format!("Record {number} of "),
            "decided then: deny (by closed)".to_owned(),
            "ada may not use".to_owned(),
            "because nothing is echoed today. No approval can lift that.".to_owned(),
            "with     {\"text\": \"x\\u{202e}y\"}".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} is missing in:\n{text}");
        }
        assert!(!text.contains("another one"), "{text}");
    }
    // What the decision saw is taken from the record: how many calls came before it, and arguments only where they are kept.
    let mut last = None;
    for _ in 0..5 {
        last = refusal_in(&agent.call("look", serde_json::json!({ "how": "plain" })).await);
    }
    let (_, number_of_few) = last.unwrap();
    gate.numbered(number_of_few).await;
    let (text, _) = explained(number_of_few.to_string());
    assert!(text.contains("decided then: deny (by few)") && text.contains("because enough calls were made"), "{text}");
    let long = agent.call("echo", serde_json::json!({ "text": "x".repeat(20 << 10) })).await;
    let (_, number_of_long) = refusal_in(&long).unwrap();
    gate.numbered(number_of_long).await;
    let (text, code) = explained(number_of_long.to_string());
    assert_eq!(code, Some(0), "{text}");
    let words = "It cannot be judged again by the bundle at hand: arguments too long for the record";
    assert!(text.contains(words) && !text.contains("ada may"), "{text}");
    // Another law since: the record's own decision is told beside today's.
    std::fs::write(
        gate.folder.path().join("policies/more.cedar"),
        "@id(\"other\") permit (principal == Gate::Agent::\"x\", action, resource);",
    )
    .unwrap();
    let (text, _) = explained(number.to_string());
    assert!(text.contains("the bundle at hand is another one"), "{text}");
    let (text, code) = explained("999999".to_owned());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the ledger has nothing of `999999`"), "{text}");
    gate.close().await;
    web.stop().await;
}

/// A label that only one bundle knows cannot have been read under the other: that alone is no difference.
#[test]
fn a_new_label_changes_only_what_a_rule_makes_of_it() {
    let folder = mistaken("office.cedar", "@id(\"office-mail\")\n", "@id(\"office-mail\")\n");
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    write("registry/vocabulary.toml", "labels = [\"vendor\"]\n");
    write(
        "policies/vendor.cedar",
        "@id(\"vendor\") @reason(\"x\") forbid (principal, action == office::Action::\"mail_send\", resource)\n\
         when { context.gate.labels.contains(Gate::Label::\"vendor\") };\n",
    );
    let other = folder.path().display().to_string();
    for way in [&["--tried"][..], &[]] {
        let asked: Vec<&str> = ["policy", "diff", ".", &other].iter().chain(way).copied().collect();
        let (text, code) = ask(&asked);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("new label `vendor`") && text.contains("NARROWER: office mail_send"), "{text}");
        assert_eq!(text.matches("WIDER").count(), 0, "{text}");
        // What destroys and what spends asks already for a value that the user did not give, under whichever label.
        assert_eq!(text.matches("NARROWER").count(), 1, "{text}");
    }
}

#[test]
fn what_changed_in_the_registry_is_told_too() {
    let folder = mistaken("office.cedar", "@id(\"office-mail\")\n", "@id(\"office-mail\")\n");
    let path = folder.path().join("registry/servers/office.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text
        .replace(
            "[tools.files_list]\neffect = [\"read\"]",
            "[tools.files_list]\neffect = [\"read\", \"egress\"]\nlabels = [\"untrusted\"]",
        )
        .replace("open = [\"resources\", \"prompts\"]", "open = [\"resources\", \"sampling\"]");
    assert_ne!(text, changed);
    std::fs::write(&path, changed).unwrap();
    let (text, code) = ask(&["policy", "diff", ".", &folder.path().display().to_string()]);
    assert_eq!(code, Some(1), "{text}");
    for line in [
        "office: `files_list` effect read -> read, egress",
        "office: `files_list` labels none -> untrusted",
        "office: open features prompts, resources -> resources, sampling",
        // The guard of egress holds it now.
        "NARROWER: office files_list",
        "WIDER: office sampling/createMessage",
        "NARROWER: office prompts/list",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
    let (text, code) = ask(&["policy", "diff", "no-such-revision"]);
    assert_eq!(
        (code, text.trim()),
        // No answer is not taken for a difference.
        (Some(2), "wicketgate: `no-such-revision` is neither a folder nor a revision of a git repository here")
    );
}
