//! Test files against the built-in bundle, each through one `check`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use pdp::fault::SourceFile;

use super::*;

/// Reads a test file and judges it: one line for each fault, or for each case with what is not as expected. A line that is
/// wanted up to `...` may go on as it likes.
fn check(text: &str, want: &[&str]) {
    let sources = crate::reload::read(None).unwrap();
    let snapshot = Snapshot::build(&sources).unwrap();
    let file = SourceFile { path: "a.test.toml".to_owned(), text: text.to_owned() };
    let found: Vec<String> = match read(&[file]) {
        Err(faults) => faults.iter().map(|f| format!("{}:{} {}", f.line, f.column, f.message)).collect(),
        Ok(tests) => run(&tests, &snapshot)
            .iter()
            .map(|verdict| {
                let differ = |d: &Difference| format!(" | {}: {} -> {}", d.field, d.expected, d.got);
                let differences: String = verdict.differences.iter().map(differ).collect();
                format!("{} {}{differences}", verdict.test.line, verdict.test.name)
            })
            .collect(),
    };
    let as_wanted = |(found, want): (&String, &&str)| match want.strip_suffix("...") {
        Some(start) => found.starts_with(start),
        None => found == want,
    };
    assert!(found.len() == want.len() && found.iter().zip(want).all(as_wanted), "{text}\n{found:#?}\n{want:#?}");
}

#[test]
fn a_case_that_is_as_expected_differs_in_nothing() {
    check(
        r#"[defaults]
server = "office"
expect = "allow"

[[case]]
name = "mail is read"
tool = "mail_list"
rules = ["reads"]
obligations = []

[[case]]
name = "the owner is asked"
tool = "payments_send"
arguments = { recipient = "Acme", amount = 12.5, reference = "x" }
labels = ["untrusted"]
expect = { escalate = ["owner"] }
reason = "untrusted text"

[[case]]
name = "the owner has agreed"
tool = "payments_send"
arguments = '{"recipient": "Acme", "amount": 12.5, "reference": "x"}'
labels = ["untrusted"]
grants = ["owner"]

[[case]]
name = "a method"
method = "resources/read"
target = "file:///notes"
now = 2026-11-20T09:00:00Z

[[case]]
name = "nobody permits it"
tool = "files_delete"
arguments.path = "/notes/todo.md"
unvouched = []
expect = "deny"
rules = []
reason = "no policy permits"
"#,
        &["6 mail is read", "12 the owner is asked", "20 the owner has agreed", "27 a method", "33 nobody permits it"],
    );
}

#[test]
fn every_difference_is_told() {
    let case = |rest: &str| format!("[[case]]\nname = \"x\"\nserver = \"office\"\n{rest}\n");
    check(
        &case("tool = \"mail_list\"\nexpect = \"deny\"\nrules = []\nreason = \"no\"\nobligations = [\"quote\"]"),
        &[
            "2 x | decision: deny -> allow | rules: none -> reads | reason: ... no ... -> no reason | obligations: quote -> none",
        ],
    );
    check(
        &case(
            "tool = \"payments_send\"\narguments = { recipient = \"A\", amount = 1, reference = \"x\" }\nlabels = [\"untrusted\", \"private\"]\nexpect = { escalate = [\"owner\"] }",
        ),
        &["2 x | decision: escalate to owner -> escalate to owner, security"],
    );
    check(
        &case("tool = \"mail_list\"\nexpect = \"allow\"\nrules = [\"reeds\"]"),
        &["2 x | rules: reeds -> reads (there is no policy `reeds`)"],
    );
    check(
        &case("tool = \"mail_lst\"\nexpect = \"deny\""),
        &["2 x | decision: deny -> no decision: `office` has no tool `mail_lst` in the registry"],
    );
    check(
        &case("tool = \"mail_list\"\nlabels = [\"untrsted\"]\nexpect = \"allow\""),
        &["2 x | decision: allow -> no decision: `untrsted` is not in the registry's vocabulary"],
    );
}

#[test]
fn a_row_says_what_differs_and_inherits_the_rest() {
    check(
        r#"[defaults]
server = "office"
tool = "files_write"
arguments = { text = "x" }

[[case]]
name = "notes"
expect = "allow"
rules = ["office-notes"]
for = [
  { arguments = { path = "/notes/a" }, unvouched = [] },
  { name = "climbing", arguments = { path = "/notes/../b" }, unvouched = [], expect = "deny", reason = "no policy" },
  { name = "another tool", tool = "mail_list", arguments = '{}', rules = ["reads"] },
  { name = "a method", method = "ping", rules = ["lifecycle"] },
]
"#,
        &["11 notes: #1", "12 notes: climbing", "13 notes: another tool", "14 notes: a method"],
    );
}

#[test]
fn faults_stand_where_they_are_and_come_together() {
    check(
        r#"[defaults]
name = "x"

[[case]]
server = "office"

[[case]]
name = "empty"

[[case]]
name = "both"
server = "office"
tool = "a"
method = "b"
expect = "deny"
obligations = ["sing"]

[[case]]
name = "both"
server = "office"
tool = "a"
target = "t"
arguments = "{"
now = "noon"
expect = "allow"

[[case]]
name = "rows"
for = [{ for = [{}] }]
"#,
        &[
            "0:0 `name` and `for` belong to a case, not to `defaults`",
            "4:1 a case without a `name`",
            "8:8 `empty` names no server",
            "8:8 `empty` expects nothing",
            "8:8 `empty` must name either a `tool` or a `method`",
            "11:8 `both` must name either a `tool` or a `method`",
            "16:16 there is no obligation `sing`",
            "19:8 there are two cases named `both`",
            "22:10 a `target` belongs to a method; a tool has `arguments`",
            "23:13 `arguments` cannot be read: not valid JSON: it ends too early, at byte 1",
            "24:7 `now` is no moment",
            "29:8 `for` stands within `for`",
        ],
    );
    check("[[case]]\nname = \"x\"\norgin = \"user\"\n", &["3:1 unknown field `orgin`, expected one of ..."]);
    check("[[case]]\nname = \"x\"\nexpect = \"alow\"\n", &["3:10 unknown variant `alow`, expected one of ..."]);
    check("[[case]]\nname =\n", &["2:7 ..."]);
}

#[test]
fn what_toml_says_becomes_json_and_what_json_lacks_is_a_fault() {
    let case = |arguments: &str| {
        format!(
            "[[case]]\nname = \"x\"\nserver = \"office\"\ntool = \"mail_read\"\narguments = {arguments}\nexpect = \"allow\"\n"
        )
    };
    check(&case("{ id = \"m-1\" }"), &["2 x"]);
    check(
        &case("{ id = 2026-01-01 }"),
        &["5:13 `arguments` cannot be read: JSON has no moments: write \"2026-01-01\" as a string"],
    );
    check(&case("{ id = nan }"), &["5:13 `arguments` cannot be read: JSON has no number `NaN`"]);
    check(&case("3"), &["5:13 `arguments` cannot be read: they are neither a table nor JSON in a string"]);
}

#[test]
fn a_policy_that_decided_no_case_is_named() {
    let sources = crate::reload::read(None).unwrap();
    let snapshot = Snapshot::build(&sources).unwrap();
    let policies = pdp::policy::written(&sources.policies).unwrap();
    let text = "[[case]]\nname = \"x\"\nserver = \"office\"\ntool = \"mail_list\"\nexpect = \"deny\"\n";
    let tests = read(&[SourceFile { path: "a.test.toml".to_owned(), text: text.to_owned() }]).unwrap();
    let verdicts = run(&tests, &snapshot);
    let coverage = Coverage::of(&verdicts, &policies);
    assert_eq!((coverage.decided(), coverage.all, coverage.percent()), (1, 13, 7));
    assert!(coverage.never.iter().all(|policy| policy.id != "reads"));
}
