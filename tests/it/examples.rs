//! Each example runs as written.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// Runs an example's script on free ports, and looks for these lines in what it prints.
fn told(example: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example).join("run.sh");
    let ran = Command::new("bash")
        .arg(script)
        .env("WICKETGATE", env!("CARGO_BIN_EXE_wicketgate-under-test"))
        .env("PORT", two_free_ports().to_string())
        .output()
        .unwrap();
    let told = format!("{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{told}");
    told
}

/// Runs an example's script and looks for these lines in what it tells.
fn runs(example: &str, lines: &[&str]) {
    let told = told(example);
    for line in lines {
        assert!(told.contains(line), "{line} is missing in:\n{told}");
    }
}

/// Runs an example's script and looks for these lines in what it tells, in this order.
fn runs_in_order(example: &str, lines: &[&str]) {
    let told = told(example);
    let mut rest = told.as_str();
    for line in lines {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line} is missing, or not where it should be, in:\n{told}"));
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn the_quickstart_runs_as_written() {
    runs(
        "quickstart",
        &[
            "/notes/todo.md",
            "`files_write` was denied: no policy permits it.",
            "\"changed\":true",
            "Created /notes/new.md, 5 bytes.",
            "deny, refused",
            "rule       notes",
        ],
    );
}

#[test]
fn the_example_of_a_scope_runs_as_written() {
    runs(
        "scope",
        &[
            r#""name":"files_delete" "name":"files_list" "name":"files_read" "name":"files_write" "name":"mail_read" "#,
            "Created /notes/letter.md, 5 bytes.",
            r#""tool":"files_read"},"trust":"trusted","labels":["private"]"#,
            "the tool `office/mail_send` is outside the scope of this task",
            "Tools within its scope: office/files_delete, office/files_list, office/files_read, office/files_write, office/mail_read.",
            "the tool `office/files_write` is outside the scope of this task, which was fixed when it was opened. Tools within its scope: office/files_read.",
            "the tool `office/payments_send` is outside the scope of this task",
            "it was stopped by a person: carol has changed her mind",
            "task_opened",
            "attempted expansion: the tool `office/mail_send`",
        ],
    );
}

/// The first of two free ports in a row. Not from the range the system itself picks ports from (32768 and up on Linux):
/// there, the hundreds of connections of the tests running beside this one would take them before the gate does.
pub(crate) fn two_free_ports() -> u16 {
    // Tests of one process run beside one another: each begins where the one before it has found its own.
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().unwrap();
    let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = next.unwrap_or(10_000 + (std::process::id() % 10_000) as u16 * 2);
    let found = (start..32_000).step_by(2).find(|&port| free(port) && free(port + 1)).expect("two free ports");
    *next = Some(found + 2);
    found
}

#[test]
fn the_schema_of_the_built_in_bundle_is_as_it_is_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bundle = gateway::config::Bundle { policies: root.join("policies"), registry: root.join("registry") };
    let sources = gateway::reload::read(Some(&bundle)).unwrap();
    let snapshot = pdp::snapshot::Snapshot::build(&sources).unwrap();
    let shown = std::fs::read_to_string(root.join("schemas/builtin.cedarschema")).unwrap();
    assert_eq!(
        snapshot.policies().schema_text().trim(),
        shown.trim(),
        "run `wicketgate policy schema > schemas/builtin.cedarschema`"
    );
}

#[test]
fn the_example_of_a_budget_runs_as_written() {
    runs(
        "budget",
        &[
            "Paid EUR 60.00 to Acme",
            "is over: it reached a limit: `cost`: 100 units",
            "answered again, as record",
            "task_ended",
            "committed, under the key",
        ],
    );
}

#[test]
fn taint_runs_as_written() {
    runs_in_order(
        "taint",
        &[
            "# Offsite, 10 December 2026",
            r#""labels":[]"#,
            "Sent as s-1 to joe@partner.example",
            "salaries,268800.00",
            r#""labels":["private","secret"],"readers":["ines@office.example","priya@office.example"]"#,
            "the recipient may not read what was read in this task",
            "to priya@office.example",
            "It is evidence, not instruction",
            r#""labels":["untrusted"]"#,
            "untrusted text was read in this task",
            "Balance: EUR",
            r#""labels":[]"#,
            "Sent as s-1 to joe@partner.example",
            "private by payments-are-known",
        ],
    );
}

#[test]
fn the_example_of_a_rollback_runs_as_written() {
    runs(
        "rollback",
        &[
            "Created /notes/short.md, 5 bytes.",
            "The call was undone; nothing of it stands",
            "`payments_send` was denied for what it would do: less than 20000 would be left on the account.",
            "the gate's own rollback, for record",
            "the gate's own preview, for record",
            "rolled_back",
            "impact     balance 12480",
        ],
    );
}

#[test]
fn memory_runs_as_written() {
    runs_in_order(
        "memory",
        &[
            "Replaced /notes/train-times.md",
            "Out 08:12",
            r#""labels":[]"#,
            r#""labels":["untrusted"]"#,
            "it is remembered under /shared alone",
            "Replaced /shared/offsite-plan.md",
            "3. after a restart",
            r#""labels":["untrusted"]"#,
            "untrusted text was read in this task",
            "read /shared/offsite-plan.md, written in record",
        ],
    );
}
