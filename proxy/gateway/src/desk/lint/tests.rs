//! Each warning, and what looks like it and is none, through one `check`.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use pdp::digest::Digest;

use super::*;

/// A server of the built-in kind with these tools: name, effects, labels, the input schema's properties.
fn registry(tools: &[(&str, &str, &str, &str)]) -> Vec<SourceFile> {
    let mut entry = "name = \"bank\"\nsystem = \"Bank\"\nopen = [\"resources\"]\n\
                     [transport]\nkind = \"builtin\"\nserver = \"office\"\n"
        .to_owned();
    let mut definitions = Vec::new();
    for (name, effect, labels, properties) in tools {
        let definition =
            format!("{{\"name\":\"{name}\",\"inputSchema\":{{\"type\":\"object\",\"properties\":{{{properties}}}}}}}");
        let pin = Digest::of_json(&definition).unwrap();
        entry.push_str(&format!(
            "[tools.{name}]\neffect = [{effect}]\nlabels = [{labels}]\npin = \"{pin}\"\nreviewed_by = \"ana\"\nreviewed_at = \"2026-11-20\"\n"
        ));
        definitions.push(definition);
    }
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    vec![
        file("registry/servers/bank.toml", entry),
        file("registry/servers/bank.tools.json", format!("[{}]", definitions.join(","))),
        file("registry/vocabulary.toml", "labels = [\"legal\"]\ngrants = [\"board\"]\n".to_owned()),
    ]
}

const TOOLS: [(&str, &str, &str, &str); 3] = [
    ("look", "\"read\"", "\"untrusted\"", "\"path\":{\"type\":\"string\"},\"note\":{\"type\":\"string\"}"),
    ("pay", "\"spend\"", "\"private\"", "\"amount\":{\"type\":\"integer\"},\"to\":{\"type\":\"string\"}"),
    ("wipe", "\"destructive\"", "\"private\"", "\"path\":{\"type\":\"string\"}"),
];

/// The rest of a bundle that has no warning: everything is permitted, every grant is asked for.
const REST: &str = "@id(\"rest\") permit (principal, action in Gate::Action::\"call\", resource);\n\
                    @id(\"board\") @approval(\"board\") forbid (principal, action, resource) when { principal.user == \"x\" };\n";

fn found(policies: &str, tools: &[(&str, &str, &str, &str)]) -> Vec<String> {
    let policies = vec![SourceFile { path: "policies/p.cedar".to_owned(), text: policies.to_owned() }];
    let sources = Sources { policies, registry: registry(tools) };
    let snapshot = Snapshot::build(&sources).unwrap_or_else(|faults| panic!("{faults:#?}"));
    warnings(&snapshot, &sources)
        .iter()
        .map(|Warning { lint, found }| {
            format!("{} {}:{}:{} {}", lint.name(), found.file, found.line, found.column, found.message)
        })
        .collect()
}

/// A policy on its own line after [`REST`]; the warnings it gets, without their place where that is its name.
fn check(policy: &str, want: &[&str]) {
    assert_eq!(found(&format!("{REST}{policy}\n"), &TOOLS), want, "{policy}");
}

fn forbid(condition: &str) -> String {
    format!("@id(\"f\") forbid (principal, action == bank::Action::\"pay\", resource) {condition};")
}

#[test]
fn a_bundle_in_order_has_no_warning() {
    check("", &[]);
    check(&forbid("when { context.args has amount && context.args.amount > 100 }"), &[]);
}

#[test]
fn a_rule_that_no_call_can_match_is_dead() {
    let dead = |why: &str| vec![format!("dead-rule policies/p.cedar:3:5 `f` never speaks: {why}")];
    let check = |policy: String, why: &str| {
        assert_eq!(found(&format!("{REST}{policy}\n"), &TOOLS), dead(why), "{policy}");
    };
    check(
        "@id(\"f\") forbid (principal, action in Gate::Action::\"execute\", resource);".to_owned(),
        "no reviewed tool and no method is in its action scope",
    );
    check(
        "@id(\"f\") forbid (principal == Gate::Team::\"sales\", action, resource);".to_owned(),
        "no call has such a principal and such a resource",
    );
    check(forbid("when { false }"), "its conditions are false for every call that the schema allows");
    let args = "context.args has amount && context.args has to";
    for (condition, why) in [
        ("context.args.amount > 9 && context.args.amount < 10", "no number for `context.args.amount` satisfies it"),
        ("context.args.amount >= 9 && !(context.args.amount > 8)", "no number for `context.args.amount` satisfies it"),
        ("3 > context.args.amount && context.args.amount == 3", "no number for `context.args.amount` satisfies it"),
        ("context.args.to == \"a\" && context.args.to == \"b\"", "`context.args.to` would have to be \"a\" and \"b\""),
        (
            "context.args.to like \"a*\" && context.args.to like \"b*\"",
            "`context.args.to` would have to begin with \"a\" and with \"b\"",
        ),
        (
            "context.args.to like \"*@x\" && context.args.to == \"a@y\"",
            "`context.args.to` would have to be \"a@y\" and to be like something else",
        ),
        (
            "!(context.args.to like \"a*\" || context.args.amount > 3) && context.args.to like \"a*\"",
            "it asks for a condition on `context.args.to` and for the opposite",
        ),
    ] {
        check(forbid(&format!("when {{ {args} && {condition} }}")), why);
    }
    check(
        forbid("when { context.gate.calls > 3 } unless { context.gate.calls > 2 }"),
        "no number for `context.gate.calls` satisfies it",
    );
}

#[test]
fn what_only_looks_like_a_contradiction_is_none() {
    let args = "context.args has amount && context.args has to";
    for condition in [
        "context.args.amount > 9 && context.args.amount < 11",
        "context.args.amount > 9 || context.args.amount < 9",
        "!(context.args.amount > 9 && context.args.amount < 9)",
        "context.args.to like \"a*\" && context.args.to like \"*b\"",
        "context.args.to like \"a*\" && context.args.to like \"ab*\"",
        "context.args.to like \"a*b*c\" && context.args.to == \"abbbc\"",
        "context.args.to == \"a\" && context.args.amount == 1",
    ] {
        check(&forbid(&format!("when {{ {args} && ({condition}) }}")), &[]);
    }
    check(
        &forbid("when { context.gate.now > datetime(\"2026-01-01\") && context.gate.now < datetime(\"2027-01-01\") }"),
        &[],
    );
}

#[test]
fn a_sum_of_arguments_can_err() {
    let place = "policies/p.cedar:3:104";
    check(
        &forbid("when { context.args has amount && context.args.amount + 1 > 100 }"),
        &[&format!(
            "can-err {place} `f` can err: a sum with `context.args.amount` can leave the range of whole numbers, and then the call is denied"
        )],
    );
    check(&forbid("when { context.gate.calls + 1 > 100 }"), &[]);
    check(&forbid("when { context.args has amount && context.args.amount > -5 }"), &[]);
    // Between the bounds of its reviewed schema some sums stay within the range, and some do not.
    let bounded = "\"amount\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":5000000000},\"to\":{\"type\":\"string\"}";
    let [look, _, wipe] = TOOLS;
    let tools = [look, ("pay", "\"spend\"", "\"private\"", bounded), wipe];
    for (sum, errs) in [("context.args.amount * 2 - 1", false), ("context.args.amount * context.args.amount", true)] {
        let policy = forbid(&format!("when {{ context.args has amount && {sum} > 100 }}"));
        assert_eq!(found(&format!("{REST}{policy}\n"), &tools).len(), usize::from(errs), "{sum}");
    }
}

#[test]
fn a_path_is_to_be_matched_where_it_leads() {
    let on = |effect: &str, condition: &str| {
        format!(
            "@id(\"f\") {effect} (principal, action == bank::Action::\"look\", resource) when {{ context.args has path && context.args has note && {condition} }};"
        )
    };
    let raw = |names: &str| {
        vec![format!("raw-path `f` looks at `{names}` as it was written: `/data/../etc` is like `/data/*` too")]
    };
    let none: Vec<String> = Vec::new();
    for (effect, condition, want) in [
        ("forbid", "context.args.path like \"/data/*\"", raw("context.args.path")),
        ("forbid", "context.args.path like \"*secret*\"", raw("context.args.path")),
        ("forbid", "context.args.note like \"*/data/*\"", raw("context.args.note")),
        ("forbid", "context.args.note like \"*@x.example\"", none.clone()),
        ("forbid", "context.args.path == \"/etc/passwd\"", raw("context.args.path")),
        ("forbid", "[\"/etc/passwd\"].contains(context.args.path)", raw("context.args.path")),
        ("forbid", "context.args_canonical has path && context.args_canonical.path like \"/data/*\"", none),
    ] {
        let told: Vec<String> = found(&format!("{REST}{}\n", on(effect, condition)), &TOOLS)
            .iter()
            .map(|line| {
                let (lint, rest) = line.split_once(' ').unwrap();
                format!("{lint} {}", rest.split_once(' ').unwrap().1)
            })
            .collect();
        assert_eq!(told, want, "{condition}");
    }
    let target = "@id(\"f\") forbid (principal, action == Gate::Action::\"resources/read\", resource) when { context.target like \"file:///data/*\" };";
    check(
        target,
        &[
            "raw-path policies/p.cedar:3:88 `f` looks at `context.target` as it was written: `/data/../etc` is like `/data/*` too",
        ],
    );
}

#[test]
fn a_permit_under_a_broader_one_is_redundant() {
    let narrow = "redundant-permit policies/p.cedar:3:5 `n` permits nothing that `rest` (policies/p.cedar:1) does not";
    for policy in [
        "@id(\"n\") permit (principal, action == bank::Action::\"pay\", resource);",
        "@id(\"n\") permit (principal in Gate::Team::\"a\", action in Gate::Action::\"read\", resource in Gate::System::\"Bank\") when { principal.user == \"x\" };",
    ] {
        check(policy, &[narrow]);
    }
    for policy in [
        "@id(\"n\") @obligation(\"quote\") permit (principal, action == bank::Action::\"look\", resource);",
        "@id(\"n\") permit (principal in Gate::Team::\"a\", action in [Gate::Action::\"call\", Gate::Action::\"resources\"], resource);",
        "@id(\"n\") forbid (principal, action == bank::Action::\"pay\", resource);",
    ] {
        check(policy, &[]);
    }
    let twice = "@id(\"a\") permit (principal, action in Gate::Action::\"lifecycle\", resource);\n\
                 @id(\"b\") permit (principal, action in Gate::Action::\"lifecycle\", resource);";
    check(twice, &["redundant-permit policies/p.cedar:4:5 `b` permits nothing that `a` (policies/p.cedar:3) does not"]);
}

#[test]
fn a_label_that_nothing_sets_and_a_grant_that_nothing_asks_for() {
    check(
        &forbid("when { context.gate.labels.containsAny([Gate::Label::\"untrusted\", Gate::Label::\"legal\"]) }"),
        &["unset-label policies/p.cedar:3:136 `f` looks for the label `legal`, which nothing sets"],
    );
    let permit = "@id(\"rest\") permit (principal, action in Gate::Action::\"call\", resource);\n";
    assert_eq!(
        found(permit, &TOOLS),
        ["unused-grant registry/vocabulary.toml:2:11 no policy asks for the grant `board`"]
    );
}

#[test]
fn tools_that_nobody_may_call_are_named_together() {
    let board = "@id(\"board\") @approval(\"board\") forbid (principal, action, resource);\n";
    let elsewhere = "@id(\"p\") permit (principal, action, resource == Gate::Server::\"other\");\n";
    assert_eq!(
        found(&format!("{board}{elsewhere}"), &TOOLS),
        ["unpermitted-tool registry/servers/bank.toml:7:8 `look`, `pay`, `wipe` of `bank` have no permit that fits"]
    );
    let system = "@id(\"p\") permit (principal, action, resource in Gate::System::\"Bank\");\n";
    assert_eq!(found(&format!("{board}{system}"), &TOOLS), Vec::<String>::new());
    let mut tools = TOOLS;
    tools[1].1 = "";
    assert_eq!(
        found(REST, &tools),
        ["unreviewed-effect registry/servers/bank.toml:13:8 `pay` of `bank` has no reviewed effect"]
    );
}

#[test]
fn characters_that_pass_for_others_are_found() {
    let policy = forbid("when { context.args has to && context.args.to == \"pаypal\" }");
    let told = found(&format!("{REST}{policy}\n"), &TOOLS);
    assert!(told.len() == 1 && told[0].starts_with("odd-characters policies/p.cedar:3:"), "{told:?}");
}

#[test]
fn every_warning_can_be_looked_up() {
    let runbook = include_str!("../../../../RUNBOOK.md");
    for lint in Lint::ALL {
        assert!(runbook.contains(&format!("`{}`", lint.name())), "RUNBOOK.md does not explain `{}`", lint.name());
    }
}
