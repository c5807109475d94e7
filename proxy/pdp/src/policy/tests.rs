//! The three-valued decision and the loader's rules of writing, feature by feature, through one `judge`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod laws;
mod odd;
mod schemas;

use std::collections::BTreeSet;

use super::{Act, Facts, Query};
use crate::decision::{Decision, Reason};
use crate::digest::Digest;
use crate::fault::{Fault, SourceFile};
use crate::json::Json;
use crate::method;
use crate::principal::Principal;
use crate::snapshot::{Snapshot, Sources};

const SEND: &str = r#"{"name":"send_money","description":"Sends money","inputSchema":{"type":"object","required":["to","amount"],
"properties":{"to":{"type":"string"},"amount":{"type":"integer"},"path":{"type":"string"}},"additionalProperties":false}}"#;

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.into(), text: text.into() }
}

fn build(policies: &str) -> Result<Snapshot, Vec<Fault>> {
    let pin = Digest::of_json(SEND).unwrap();
    let server = format!(
        "name = \"bank\"\nsystem = \"Bank\"\nopen = [\"resources\"]\n[transport]\nkind = \"builtin\"\nserver = \"office\"\n\
         [tools.send_money]\neffect = [\"spend\"]\npin = \"{pin}\"\nreviewed_by = \"ana\"\nreviewed_at = \"2026-11-20\"\n"
    );
    let registry = vec![file("servers/bank.toml", &server), file("servers/bank.tools.json", &format!("[{SEND}]"))];
    Snapshot::build(&Sources { policies: vec![file("p.cedar", policies)], registry })
}

/// Judges `arguments` under `policies`, with labels and grants; answers the decision and the rules that spoke.
fn judge(policies: &str, arguments: &str, labels: &[&str], grants: &[&str]) -> (Decision, Vec<String>) {
    let snapshot = build(policies).unwrap();
    let principal = Principal {
        agent: "claude".into(),
        teams: vec!["sales".into()],
        user: String::new(),
        tenant: "default".into(),
        method: "token".into(),
    };
    let facts = Facts {
        labels: labels.iter().copied().collect(),
        grants: grants.iter().map(|g| (*g).to_owned()).collect(),
        task: crate::policy::TaskFacts::of("t"),
        calls: 1,
        now_ms: 1_795_000_000_000,
        ..Facts::default()
    };
    let server = snapshot.server("bank").unwrap();
    let args = Json::read(arguments, 32).unwrap();
    let act = Act::Tool { tool: server.reviewed("send_money").unwrap(), arguments: &args };
    let judgement = snapshot.judge(Query { principal: &principal, server, act, facts: &facts });
    (judgement.decision, judgement.rules.into_iter().map(|r| r.id).collect())
}

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);";
const HELD: &str = "@id(\"held\") @reason(\"money\") @approval(\"owner\") forbid (principal, action in Gate::Action::\"spend\", resource);";
const ARGS: &str = r#"{"to":"eve","amount":900}"#;

fn grants(names: &[&str]) -> Decision {
    Decision::Escalate(names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>())
}

#[test]
fn nothing_is_allowed_unless_a_policy_permits_it() {
    let other = "@id(\"x\") permit (principal == Gate::Agent::\"other\", action, resource);";
    assert_eq!(judge(other, ARGS, &[], &[]), (Decision::Deny(Reason::NoPermit), vec![]));
    assert_eq!(judge(PERMIT, ARGS, &[], &[]), (Decision::allow(), vec!["all".into()]));
    let team = "@id(\"t\") permit (principal in Gate::Team::\"sales\", action == bank::Action::\"send_money\", resource in Gate::System::\"Bank\");";
    assert_eq!(judge(team, ARGS, &[], &[]).0, Decision::allow());
}

#[test]
fn an_approval_switches_its_forbid_off_and_nothing_else() {
    let both = format!("{PERMIT}{HELD}");
    assert_eq!(judge(&both, ARGS, &[], &[]), (grants(&["owner"]), vec!["held".into()]));
    assert_eq!(judge(&both, ARGS, &[], &["owner"]).0, Decision::allow());
    assert_eq!(judge(&both, ARGS, &[], &["security"]).0, grants(&["owner"]));
    // Without a permit nobody is asked: the approval could not help.
    assert_eq!(judge(HELD, ARGS, &[], &[]), (Decision::Deny(Reason::Forbidden), vec!["held".into()]));
    assert_eq!(judge(HELD, ARGS, &[], &["owner"]), (Decision::Deny(Reason::NoPermit), vec![]));
}

#[test]
fn a_forbid_without_approval_is_final_and_grants_are_exact() {
    let hard = "@id(\"hard\") forbid (principal, action, resource) when { context has args && context.args has to && context.args.to == \"eve\" };";
    let mixed = format!("{PERMIT}{HELD}{hard}");
    assert_eq!(judge(&mixed, ARGS, &[], &[]).0, Decision::Deny(Reason::Forbidden));
    let labelled = "@id(\"tainted\") @approval(\"security\") forbid (principal, action in Gate::Action::\"spend\", resource) \
                    when { context.gate.labels.contains(Gate::Label::\"untrusted\") };";
    let two = format!("{PERMIT}{HELD}{labelled}");
    assert_eq!(judge(&two, ARGS, &[], &[]).0, grants(&["owner"]));
    assert_eq!(judge(&two, ARGS, &["untrusted"], &[]).0, grants(&["owner", "security"]));
    assert_eq!(judge(&two, ARGS, &["untrusted"], &["owner"]).0, grants(&["security"]));
}

#[test]
fn a_policy_that_errs_denies_even_when_it_is_a_forbid() {
    let errs = format!(
        "{PERMIT}@id(\"sum\") forbid (principal, action == bank::Action::\"send_money\", resource) when {{ context.args.amount + 1 > 100 }};"
    );
    assert_eq!(judge(&errs, r#"{"to":"a","amount":5}"#, &[], &[]).0, Decision::allow());
    let (decision, _) = judge(&errs, r#"{"to":"a","amount":9223372036854775807}"#, &[], &[]);
    assert!(matches!(decision, Decision::Deny(Reason::Fault(_))), "{decision:?}");
    let (decision, _) = judge(PERMIT, r#"{"to":"a","amount":9223372036854775808}"#, &[], &[]);
    assert!(matches!(decision, Decision::Deny(Reason::Unjudgeable(_))), "{decision:?}");
}

#[test]
fn an_argument_cannot_pass_for_an_entity_or_an_extension() {
    for trick in [r#"{"__entity":{"type":"Gate::Agent","id":"x"}}"#, r#"{"__extn":{"fn":"ip","arg":"1.1.1.1"}}"#] {
        let (decision, _) = judge(PERMIT, &format!(r#"{{"to":{trick},"amount":1}}"#), &[], &[]);
        assert!(matches!(decision, Decision::Deny(Reason::Unjudgeable(_))), "{decision:?}");
    }
}

#[test]
fn paths_are_matched_in_canonical_form() {
    let policy = "@id(\"data\") permit (principal, action == bank::Action::\"send_money\", resource) \
                  when { context.args_canonical has path && context.args_canonical.path like \"/data/*\" };";
    let args = |path: &str| format!(r#"{{"to":"a","amount":1,"path":"{path}"}}"#);
    assert_eq!(judge(policy, &args("/data/x"), &[], &[]).0, Decision::allow());
    assert_eq!(judge(policy, &args("/data/../etc/passwd"), &[], &[]).0, Decision::Deny(Reason::NoPermit));
}

#[test]
fn faults_name_line_column_and_remedy_and_come_all_at_once() {
    let text = "@id(\"a\") permit (principal, action == bank::Action::\"send_money\", resource) when { context.args.amont > 1 };\n\
                permit (principal, action, resource);\n\
                @id(\"a\") forbid (principal, action, resource);\n\
                @id(\"p\") @approval(\"owner\") permit (principal, action, resource);\n\
                @id(\"u\") @approval(\"nobody\") forbid (principal, action, resource);\n\
                @id(\"k\") @colour(\"red\") forbid (principal, action, resource);\n\
                @id(\"g\") forbid (principal, action, resource) when { context.gate.grants.contains(Gate::Grant::\"owner\") };\n\
                @id(\"e\") @approval(\"\") forbid (principal, action, resource);\n\
                @id(\"m\") @approval(\"ownr\") forbid (principal, action, resource);\n\
                @id(\"n\") @aproval(\"owner\") forbid (principal, action, resource);\n\
                @id(\"o\") @obligation(\"quote\") forbid (principal, action, resource);\n\
                @id(\"a\") forbid (principal, action, resource);\n\
                @id(\"v\") @approval forbid (principal, action, resource);\n\
                @id(\"l\") forbid (principal, action, resource) when { context.gate.labels.contains(Gate::Label::\"untrsted\") };\n";
    let faults = build(text).unwrap_err();
    let told: Vec<String> = faults.iter().map(|f| format!("{}:{} {}", f.line, f.message, f.remedy)).collect();
    for (line, words) in [
        (1, "amont"),
        (2, "without `@id"),
        (3, "is taken"),
        (4, "permit with"),
        (5, "unknown grant"),
        (6, "@colour"),
        (7, "gate.grants"),
        (8, "`@approval` without a grant"),
        (9, "did you mean `owner`?"),
        (10, "did you mean `@approval`?"),
        (11, "a forbid with `@obligation`"),
        (12, "is taken"),
        (13, "`@approval` without a grant"),
        (14, "untrsted"),
    ] {
        assert!(
            told.iter().any(|t| t.starts_with(&format!("{line}:")) && t.contains(words)),
            "line {line}, {words}: {told:#?}"
        );
    }
    assert!(build("").unwrap_err().iter().any(|f| f.message.contains("no policy at all")));
    let syntax = build("@id(\"a\") permit (principal, action resource);").unwrap_err();
    assert_eq!(syntax.first().map(|f| (f.line, f.column)), Some((1, 36)), "{syntax:?}");
}

#[test]
fn a_rule_on_all_actions_cannot_seem_to_look_at_the_sinks_of_a_method() {
    let rule = |action: &str| {
        format!(
            "{PERMIT}@id(\"r\") forbid (principal, {action}, resource) unless {{ context.gate.unvouched.isEmpty() }};"
        )
    };
    assert!(build(&rule("action in Gate::Action::\"call\"")).is_ok());
    let told: Vec<String> = build(&rule("action")).unwrap_err().iter().map(ToString::to_string).collect();
    assert!(told.join("\n").contains("unvouched"), "{told:?}");
}

#[test]
fn a_fault_in_the_registry_hides_none_in_the_policies() {
    let registry = vec![file("servers/bank.toml", "name = 3\n")];
    let told = |policies: &str| {
        let sources = Sources { policies: vec![file("p.cedar", policies)], registry: registry.clone() };
        let faults = Snapshot::build(&sources).unwrap_err();
        faults.into_iter().map(|f| format!("{}:{}:{}", f.file, f.line, f.column)).collect::<Vec<_>>()
    };
    assert_eq!(told(PERMIT), ["servers/bank.toml:1:8"]);
    assert_eq!(told("@id(\"a\") permit (principal, action resource);"), ["servers/bank.toml:1:8", "p.cedar:1:36"]);
    assert_eq!(told("permit (principal, action, resource);"), ["servers/bank.toml:1:8", "p.cedar:1:1"]);
}

#[test]
fn grants_cannot_be_reached_by_an_alias() {
    for sneaky in [
        "context.gate has grants",
        "context has gate.grants",
        "(if true then context.gate else context.gate).grants.isEmpty()",
        "context == context",
        "context[\"gate\"][\"grants\"].isEmpty()",
        "context[\"gate\"] has \"grants\"",
        "(if context.gate.calls > 1 then context else context).gate.grants.isEmpty()",
        "{a: context.gate}.a.grants.isEmpty()",
        "context.gate == {labels: context.gate.labels, grants: [], task: context.gate.task, calls: 1, tenant: \"\", \
         now: context.gate.now}",
        "context.gate.labels.isEmpty() && [context.gate.grants, []].isEmpty()",
        "[context.gate].contains(context.gate)",
    ] {
        let policy = format!(
            "@id(\"g\") forbid (principal, action == bank::Action::\"send_money\", resource) when {{ {sneaky} }};"
        );
        let faults = build(&policy).unwrap_err();
        assert!(faults.iter().any(|f| f.message.contains("gate.grants")), "{sneaky}: {faults:?}");
    }
}

#[test]
fn a_comment_does_not_change_the_digest_and_a_rule_does() {
    let one = build(PERMIT).unwrap().digest();
    assert_eq!(one, build(&format!("// a comment\n{PERMIT}\n")).unwrap().digest());
    assert_ne!(one, build(&format!("{PERMIT}{HELD}")).unwrap().digest());
}

#[test]
fn a_method_is_judged_with_what_it_acts_on() {
    let snapshot =
        build("@id(\"r\") permit (principal, action == Gate::Action::\"resources/read\", resource) when { context.target_canonical like \"file:///data/*\" };").unwrap();
    let principal = Principal {
        agent: "a".into(),
        teams: vec![],
        user: String::new(),
        tenant: "default".into(),
        method: "token".into(),
    };
    let facts = Facts::default();
    let server = snapshot.server("bank").unwrap();
    let ask = |name: &str, target: &str| {
        let act = Act::Method { name, known: method::find(name), target };
        snapshot.judge(Query { principal: &principal, server, act, facts: &facts }).decision
    };
    assert_eq!(ask("resources/read", "file:///data/x"), Decision::allow());
    assert_eq!(ask("resources/read", "file:///data/%2e%2e/x"), Decision::Deny(Reason::NoPermit));
    assert_eq!(ask("prompts/get", "x"), Decision::Deny(Reason::NoPermit));
    assert_eq!(ask("vendor/thing", "x"), Decision::Deny(Reason::NoPermit));
}
