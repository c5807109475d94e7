//! The repository's own law as a table: who may call what, with which labels in the task. A change of policy or registry
//! is a readable difference of `golden/decisions.txt`.
//!
//! `WICKETGATE_UPDATE=1 cargo test -p tests matrix` writes the table anew; read the difference before committing it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pdp::decision::Decision;
use pdp::fault::SourceFile;
use pdp::json::Json;
use pdp::label::LabelSet;
use pdp::method::METHODS;
use pdp::policy::{Act, Facts, Query};
use pdp::principal::Principal;
use pdp::registry::Server;
use pdp::snapshot::{Snapshot, Sources};
use walkdir::WalkDir;

use crate::world::diff;

/// What each tool is asked for: a name for the row, and arguments that its schema takes. A tool may have several rows,
/// where a policy looks at its arguments.
const ARGUMENTS: [(&str, &str, &str); 24] = [
    ("gate abandon_branch", "", r#"{"why":"x"}"#),
    ("gate explain_label", "", r#"{"label":"untrusted"}"#),
    ("gate open_tools", "", "{}"),
    ("gate record_context", "", r#"{"origin":"x","text":"x"}"#),
    ("gate record_prompt", "", r#"{"text":"x"}"#),
    ("gate revise_plan", "", r#"{"steps":[{"tool":"office/mail_read"}],"why":"x"}"#),
    ("gate set_plan", "", r#"{"steps":[{"tool":"office/mail_read"}]}"#),
    ("gate task_status", "", "{}"),
    ("gate what_became_of", "", "{}"),
    ("office files_delete", "", r#"{"path":"/notes/todo.md"}"#),
    ("office files_list", "", "{}"),
    ("office files_read", "", r#"{"path":"/notes/todo.md"}"#),
    ("office files_write", "a note", r#"{"path":"/notes/todo.md","text":"x"}"#),
    ("office files_write", "shared", r#"{"path":"/shared/plan.md","text":"x"}"#),
    ("office files_write", "finance", r#"{"path":"/finance/2026.csv","text":"x"}"#),
    ("office files_write", "climbing out", r#"{"path":"/notes/../finance/2026.csv","text":"x"}"#),
    ("office mail_list", "", "{}"),
    ("office mail_read", "", r#"{"id":"m-101"}"#),
    ("office mail_send", "inside", r#"{"to":"bo@office.example","subject":"x","body":"x"}"#),
    ("office mail_send", "outside", r#"{"to":"eve@elsewhere.example","subject":"x","body":"x"}"#),
    ("office payments_list", "", "{}"),
    ("office payments_send", "small", r#"{"recipient":"Acme","amount":12.5,"reference":"x"}"#),
    ("office payments_send", "the limit", r#"{"recipient":"Acme","amount":1000,"reference":"x"}"#),
    ("office payments_send", "large", r#"{"recipient":"Acme","amount":1000.01,"reference":"x"}"#),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below a folder that ends like this, with its path from the folder.
fn files(folder: &str, ends: &[&str]) -> Vec<SourceFile> {
    let folder = root().join(folder);
    let mut out: Vec<SourceFile> = WalkDir::new(&folder)
        .into_iter()
        .map(Result::unwrap)
        // Claims about policies are none.
        .filter(|entry| !entry.path().starts_with(folder.join("invariants")))
        .filter(|entry| ends.iter().any(|end| entry.path().to_string_lossy().ends_with(end)))
        .map(|entry| SourceFile {
            path: entry.path().strip_prefix(&folder).unwrap().to_string_lossy().into_owned(),
            text: std::fs::read_to_string(entry.path()).unwrap(),
        })
        .collect();
    out.sort_by(|a, b| a.path.cmp(&b.path));
    out
}

/// The names a policy mentions as `Gate::<kind>::"..."`.
fn mentioned(policies: &[SourceFile], kind: &str) -> BTreeSet<String> {
    let mark = format!("Gate::{kind}::\"");
    let text: String = policies.iter().map(|f| f.text.as_str()).collect();
    text.split(&mark).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// Whether nothing is known of a call but who asks and which labels the task has, or the task was opened by a host and the
/// user gave every place that the call goes to.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Labels,
    Vouched,
}

/// Somebody whom no policy names, and a member of each team and each agent that one does.
fn principals(policies: &[SourceFile]) -> Vec<(String, Principal, Known)> {
    let of = |agent: &str, teams: Vec<String>| Principal {
        agent: agent.to_owned(),
        teams,
        user: String::new(),
        tenant: "default".to_owned(),
        method: "token".to_owned(),
    };
    let mut out = vec![("anybody".to_owned(), of("anybody", Vec::new()))];
    out.extend(mentioned(policies, "Team").into_iter().map(|t| (format!("one of team {t}"), of("anybody", vec![t]))));
    out.extend(mentioned(policies, "Agent").into_iter().map(|a| (format!("agent {a}"), of(&a, Vec::new()))));
    let vouched = out.iter().map(|(who, principal)| {
        (format!("{who}, in an opened task, as the user said"), principal.clone(), Known::Vouched)
    });
    let vouched: Vec<_> = vouched.collect();
    let mut all: Vec<_> = out.into_iter().map(|(who, principal)| (who, principal, Known::Labels)).collect();
    all.extend(vouched);
    all
}

/// Every set of the labels that policies mention.
fn label_sets(policies: &[SourceFile]) -> Vec<LabelSet> {
    // No task carries what says that a place was not given.
    let names = mentioned(policies, "Label").into_iter().filter(|name| name != pdp::origin::UNGIVEN);
    let names: Vec<String> = names.collect();
    assert!(names.len() <= 5, "policies mention {} labels: print chosen sets, not all of them", names.len());
    let mut sets: Vec<Vec<&str>> = (0..1usize << names.len())
        .map(|bits| (0..names.len()).filter(|n| bits >> n & 1 == 1).map(|n| names[n].as_str()).collect())
        .collect();
    sets.sort_by_key(Vec::len);
    sets.into_iter().map(|set| set.into_iter().collect()).collect()
}

fn word(decision: &Decision) -> String {
    match decision {
        Decision::Allow(obligations) if obligations.is_empty() => "yes".to_owned(),
        Decision::Allow(obligations) => format!("yes, {obligations:?}"),
        Decision::Escalate(grants) => format!("ask {}", grants.iter().cloned().collect::<Vec<_>>().join("+")),
        Decision::Deny(_) => "no".to_owned(),
    }
}

/// One row: the decision under each label set, and the rules that ever spoke.
fn row(
    snapshot: &Snapshot,
    name: &str,
    (principal, known): (&Principal, Known),
    server: &Server,
    act: Act<'_>,
    sets: &[LabelSet],
) -> String {
    let mut rules = BTreeSet::new();
    let mut out = format!("  {name:<52}");
    for labels in sets {
        let ungiven: LabelSet = [pdp::origin::UNGIVEN].into_iter().collect();
        let (labels, unvouched) = (labels.clone(), labels.clone().join(&ungiven));
        let mut facts = Facts { labels, unvouched, now_ms: 1_795_132_800_000, ..Facts::default() };
        if known == Known::Vouched {
            facts.unvouched = LabelSet::default();
            facts.task.explicit = true;
        }
        let judgement = snapshot.judge(Query { principal, server, act, facts: &facts });
        rules.extend(judgement.rules.into_iter().map(|rule| rule.id));
        out.push_str(&format!("{:<20}", word(&judgement.decision)));
    }
    format!("{out}{}\n", rules.into_iter().collect::<Vec<_>>().join(" "))
}

fn table() -> String {
    let sources =
        Sources { policies: files("policies", &[".cedar"]), registry: files("registry", &[".toml", ".json"]) };
    let snapshot = Snapshot::build(&sources).unwrap_or_else(|faults| {
        panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    });
    let sets = label_sets(&sources.policies);
    let mut out =
        "Who may do what, with which labels in the task. Made by tests/it/matrix.rs; do not edit.\n".to_owned();
    for (who, principal, known) in principals(&sources.policies) {
        out.push_str(&format!("\n{who:<54}"));
        sets.iter().for_each(|set| out.push_str(&format!("{:<20}", set.to_string())));
        out.push_str("rules\n");
        for server in snapshot.registry().servers.values() {
            for tool in server.tools.values() {
                tool_rows(&snapshot, (&principal, known), server, &tool.name, &sets, &mut out);
            }
            // Where a method's effect goes is nothing that a user gives.
            let methods = METHODS.iter().filter(|_| known == Known::Labels);
            for method in methods.filter(|m| server.opens(m.name, Some(m))) {
                let act = Act::Method { name: method.name, known: Some(method), target: "" };
                out.push_str(&row(
                    &snapshot,
                    &format!("{} {}", server.name, method.name),
                    (&principal, known),
                    server,
                    act,
                    &sets,
                ));
            }
        }
    }
    out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n"
}

fn tool_rows(
    snapshot: &Snapshot,
    who: (&Principal, Known),
    server: &Server,
    tool: &str,
    sets: &[LabelSet],
    out: &mut String,
) {
    let name = format!("{} {tool}", server.name);
    let Some(reviewed) = server.reviewed(tool) else {
        out.push_str(&format!("  {name:<52}withheld\n"));
        return;
    };
    let rows: Vec<_> = ARGUMENTS.iter().filter(|(of, _, _)| *of == name).collect();
    assert!(!rows.is_empty(), "`{name}` has no row in ARGUMENTS of tests/it/matrix.rs: add one");
    for (_, what, arguments) in rows {
        let value: serde_json::Value = serde_json::from_str(arguments).unwrap();
        let fits = reviewed.validator.as_ref().is_some_and(|v| v.is_valid(&value));
        assert!(fits, "the arguments of `{name}` ({what}) do not fit its schema: mend ARGUMENTS of tests/it/matrix.rs");
        let shown = if what.is_empty() { name.clone() } else { format!("{name} ({what})") };
        let arguments = Json::read(arguments, 32).unwrap();
        let act = Act::Tool { tool: reviewed, arguments: &arguments };
        out.push_str(&row(snapshot, &shown, who, server, act, sets));
    }
}

#[test]
fn the_matrix_is_as_it_was_agreed() {
    let golden = root().join("tests/golden/decisions.txt");
    let found = table();
    if std::env::var_os("WICKETGATE_UPDATE").is_some() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, &found).unwrap();
        return;
    }
    let agreed = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        found == agreed,
        "\n{}\nThe law decides otherwise than tests/golden/decisions.txt says. Where that is meant: WICKETGATE_UPDATE=1.",
        diff(&agreed, &found)
    );
}

/// Every row is asked of a tool that exists.
#[test]
fn no_row_is_of_a_tool_that_is_gone() {
    let sources =
        Sources { policies: files("policies", &[".cedar"]), registry: files("registry", &[".toml", ".json"]) };
    let snapshot = Snapshot::build(&sources).unwrap();
    for (name, _, _) in ARGUMENTS {
        let (server, tool) = name.split_once(' ').unwrap();
        let known = snapshot.server(server).is_some_and(|s| s.tools.contains_key(tool));
        assert!(known, "`{name}` stands in ARGUMENTS of tests/it/matrix.rs and not in the registry: take it out");
    }
}
