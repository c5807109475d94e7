//! Names and schemas as real servers have them, odd ones too: each can be written into a policy, and none keeps another
//! from being used.
#![expect(clippy::panic, reason = "a test may panic")]

use super::{file, judge};
use crate::decision::Decision;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::json::Json;
use crate::policy::{Act, Facts, Query};
use crate::principal::Principal;
use crate::snapshot::{Snapshot, Sources};

pub(super) const OPEN: &str = "@id(\"all\") permit (principal, action, resource);";

/// A snapshot of one server with these tools, each a name and an input schema.
pub(super) fn build(server: &str, tools: &[(&str, &str)], policies: &str) -> Result<Snapshot, Vec<Fault>> {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let definition = |(name, schema): &(&str, &str)| format!(r#"{{"name":{},"inputSchema":{schema}}}"#, quoted(name));
    let mut text = format!("name = \"{server}\"\n[transport]\nkind = \"builtin\"\nserver = \"office\"\n");
    for tool in tools {
        let pin = Digest::of_json(&definition(tool)).unwrap();
        text += &format!(
            "[tools.{}]\neffect = [\"read\"]\npin = \"{pin}\"\nreviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n",
            quoted(tool.0)
        );
    }
    let listed: Vec<String> = tools.iter().map(definition).collect();
    let registry = vec![
        file(&format!("servers/{server}.toml"), &text),
        file(&format!("servers/{server}.tools.json"), &format!("[{}]", listed.join(","))),
    ];
    Snapshot::build(&Sources { policies: vec![file("p.cedar", policies)], registry })
}

pub(super) fn decided(snapshot: &Snapshot, server: &str, tool: &str, arguments: &str) -> Decision {
    let principal = Principal {
        agent: "a".into(),
        teams: Vec::new(),
        user: String::new(),
        tenant: "default".into(),
        method: "token".into(),
    };
    let server = snapshot.server(server).unwrap();
    let tool = server.reviewed(tool).unwrap_or_else(|| panic!("{tool:?} is withheld: {:?}", server.tools.get(tool)));
    let arguments = Json::read(arguments, 32).unwrap();
    let act = Act::Tool { tool, arguments: &arguments };
    snapshot.judge(Query { principal: &principal, server, act, facts: &Facts::default() }).decision
}

/// What tools and arguments are called somewhere, or could be.
const NAMES: [&str; 31] = [
    "create-issue",
    "files.read",
    "if",
    "user-id",
    "then",
    "else",
    "in",
    "is",
    "has",
    "like",
    "true",
    "false",
    "__cedar",
    "__entity",
    "__extn",
    "__expr",
    "",
    " ",
    "日本語",
    "é",
    "e\u{301}",
    "a\"b",
    "a\\b",
    "a\nb",
    "a/b",
    "$ref",
    "*",
    "😀",
    "\u{202e}x",
    "Action",
    "principal",
];

#[test]
fn any_name_can_be_written_into_a_policy() {
    for name in NAMES {
        let schema = format!(
            r#"{{"type":"object","properties":{{{0}:{{"type":"string"}},"in":{{"type":"object","properties":{{{0}:{{"type":"integer"}}}}}}}}}}"#,
            serde_json::to_string(name).unwrap()
        );
        // `"in"` itself is one of the names: then it stands twice, and is no schema.
        if name == "in" {
            continue;
        }
        let law = format!(
            "@id(\"one\") permit (principal, action == s::Action::{name:?}, resource) when {{ context.args has {name:?} \
             && context.args[{name:?}] == \"yes\" && context.args_canonical has {name:?} && \
             context.args_canonical[{name:?}] == \"yes\" }};"
        );
        let snapshot =
            build("s", &[(name, &schema), ("other", "{}")], &law).unwrap_or_else(|f| panic!("{name:?}: {f:#?}"));
        let given = |word: &str| format!("{{{}:{word:?}}}", serde_json::to_string(name).unwrap());
        assert_eq!(decided(&snapshot, "s", name, &given("yes")), Decision::allow(), "{name:?}");
        assert_ne!(decided(&snapshot, "s", name, &given("no")), Decision::allow(), "{name:?}");
    }
}

#[test]
fn any_servers_name_can_be_written_into_a_policy() {
    let names = [
        "if",
        "then",
        "else",
        "in",
        "is",
        "has",
        "like",
        "true",
        "false",
        "permit",
        "forbid",
        "when",
        "unless",
        "principal",
        "action",
        "resource",
        "context",
        "namespace",
        "entity",
        "type",
        "enum",
        "external",
        "set",
        "long",
        "string",
        "bool",
        "decimal",
        "ipaddr",
        "datetime",
        "duration",
        "my-server",
        "a__cedar",
        "tags",
        "attributes",
    ];
    for name in names {
        let schema = r#"{"type":"object","properties":{"s":{"type":"string"},"n":{"type":"number"},"l":{"type":"array","items":{"type":"integer"}},"b":{"type":"boolean"}}}"#;
        let namespace = build(name, &[("t", schema)], OPEN).unwrap_or_else(|f| panic!("{name}: {f:#?}"));
        let namespace = namespace.server(name).unwrap().namespace.clone();
        let law = format!(
            "@id(\"one\") permit (principal, action == {namespace}::Action::\"t\", resource) when {{ context.args has n && \
             context.args.n.lessThan(decimal(\"1.0\")) }};"
        );
        let snapshot = build(name, &[("t", schema)], &law).unwrap_or_else(|f| panic!("{name}: {f:#?}"));
        assert_eq!(decided(&snapshot, name, "t", r#"{"n":0.5}"#), Decision::allow(), "{name}");
    }
}

#[test]
fn a_tool_whose_schema_cannot_be_used_is_withheld_alone() {
    for (schema, why) in [("5", "no input schema"), (r#"{"type":5}"#, "cannot be used")] {
        let snapshot = build("s", &[("bad", schema), ("good", r#"{"type":"object"}"#)], OPEN).unwrap();
        let withheld = snapshot.server("s").unwrap().tools.get("bad").unwrap().withheld.clone().unwrap_or_default();
        assert!(withheld.contains(why), "{schema}: {withheld}");
        assert_eq!(decided(&snapshot, "s", "good", "{}"), Decision::allow(), "{schema}");
    }
}

#[test]
fn a_schema_that_nests_without_end_is_typed_as_far_as_it_goes() {
    let mut schema = r#"{"type":"string"}"#.to_owned();
    let mut value = r#""x""#.to_owned();
    for n in 0..40 {
        let (array, object) = (n % 3 == 0, format!(r#"{{"type":"object","properties":{{"p":{schema}}}}}"#));
        schema = if array { format!(r#"{{"type":"array","items":{schema}}}"#) } else { object };
        value = if array { format!("[{value}]") } else { format!(r#"{{"p":{value}}}"#) };
    }
    let schema = format!(r#"{{"type":"object","properties":{{"a":{schema}}}}}"#);
    let snapshot = build("s", &[("t", &schema)], OPEN).unwrap();
    assert!(snapshot.notes().iter().any(|note| note.message.contains("it is too large")), "{:#?}", snapshot.notes());
    let arguments = format!(r#"{{"a":{value}}}"#);
    let read = Json::read(&arguments, 64).unwrap();
    let tool = snapshot.server("s").unwrap().reviewed("t").unwrap();
    assert_eq!(tool.shape.hides(&read), Ok(true));
}

#[test]
fn what_policies_cannot_see_is_told_in_few_words_and_can_be_denied_on() {
    let schema = r#"{"type":"object","properties":{"filter":{},"rows":{"type":"array","items":{"type":"object","properties":{"cell":{}}}}}}"#;
    let law = format!(
        "{OPEN}@id(\"no-filter\") forbid (principal, action == s::Action::\"t0\", resource) \
         when {{ context.args_opaque_names.contains(\"filter\") }};"
    );
    let names: Vec<String> = (0..500).map(|n| format!("t{n}")).collect();
    let tools: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), schema)).collect();
    let snapshot = build("s", &tools, &law).unwrap();
    let notes: Vec<String> = snapshot.notes().iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 7, "{notes:#?}");
    assert_eq!(
        notes.first().map(String::as_str),
        Some(
            "servers/s.toml: policies cannot see in `t0`: filter (any type is allowed), rows[].cell (any type is allowed)"
        )
    );
    assert!(notes.last().unwrap().contains("494 more tools"), "{notes:#?}");
    let (forbidden, allowed) = (decided(&snapshot, "s", "t0", r#"{"filter":1}"#), Decision::allow());
    assert!(matches!(forbidden, Decision::Deny(_)), "{forbidden:?}");
    assert_eq!(decided(&snapshot, "s", "t0", r#"{"rows":[{"cell":1}]}"#), allowed);
}

#[test]
fn a_text_in_doubt_is_denied_where_a_policy_looks_at_its_form_and_nowhere_else() {
    let looks = format!(
        "{OPEN}@id(\"etc\") forbid (principal, action == bank::Action::\"send_money\", resource) when \
         {{ context.args_canonical has path && context.args_canonical.path like \"/etc/*\" }};"
    );
    let args = r#"{"to":"a","amount":1,"path":"/data/..\\..\\etc/passwd"}"#;
    let (decision, _) = judge(&looks, args, &[], &[]);
    assert!(matches!(&decision, Decision::Deny(crate::decision::Reason::Unjudgeable(why)) if why.contains("`path`")));
    assert_eq!(judge(OPEN, args, &[], &[]).0, Decision::allow());
}

/// What one rule looks at is not given to the others, which are asked apart.
#[test]
fn a_rule_that_looks_at_a_host_stands_beside_one_that_does_not() {
    let law = format!(
        "{OPEN}@id(\"away\") forbid (principal, action == bank::Action::\"send_money\", resource) \
         unless {{ context.args_host.to == \"office.example\" }};"
    );
    assert_eq!(judge(&law, r#"{"to":"Bo <bo@OFFICE.example>","amount":1}"#, &[], &[]).0, Decision::allow());
    let (decision, rules) = judge(&law, r#"{"to":"bo@office.example.evil.example","amount":1}"#, &[], &[]);
    assert_eq!((decision.word(), rules), ("deny", vec!["away".to_owned()]));
}

#[test]
fn a_word_that_an_argument_never_is_is_a_fault_with_the_word_that_was_meant() {
    let mode = r#"{"type":"object","properties":{"mode":{"enum":["read","write"]},"any":{"type":"string"}}}"#;
    let other =
        r#"{"type":"object","properties":{"mode":{"enum":["append"]},"tags":{"type":"array","items":{"enum":["x"]}}}}"#;
    let free = r#"{"type":"object","properties":{"mode":{"type":"string"}}}"#;
    let told = |scope: &str, condition: &str, tools: &[(&str, &str)]| {
        let law = format!("@id(\"p\") permit (principal, action {scope}, resource) when {{ {condition} }};");
        match build("s", tools, &law) {
            Ok(_) => String::new(),
            Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        }
    };
    let both = [("a", mode), ("b", other)];
    let is = |word: &str| format!("context.args has mode && context.args.mode == \"{word}\"");
    for (scope, condition, words) in [
        ("== s::Action::\"a\"", is("read"), ""),
        ("== s::Action::\"a\"", is("raed"), "`p` compares `context.args.mode` with `raed`, which it never is"),
        ("== s::Action::\"a\"", is("raed"), "did you mean `read`? it may be `read`, `write`"),
        ("== s::Action::\"a\"", is("append"), "it may be `read`, `write`"),
        ("in [s::Action::\"a\", s::Action::\"b\"]", is("append"), ""),
        ("in Gate::Action::\"read\"", is("none"), "it may be `append`, `read`, `write`"),
        (
            "== s::Action::\"a\"",
            "context.args has mode && [\"read\", \"rite\"].contains(context.args.mode)".into(),
            "`rite`",
        ),
        ("== s::Action::\"a\"", "context.args has any && context.args.any == \"anything\"".into(), ""),
        ("== s::Action::\"b\"", "context.args has tags && context.args.tags.containsAny([\"x\", \"y\"])".into(), "`y`"),
    ] {
        let found = told(scope, &condition, &both);
        assert!(
            if words.is_empty() { found.is_empty() } else { found.contains(words) },
            "{scope} {condition}: {found}"
        );
    }
    assert_eq!(told("in Gate::Action::\"read\"", &is("none"), &[("a", mode), ("c", free)]), "");
}
