//! Drafts: what is added, what is left alone, how a change is told, and that the shipped office entry is the live office.

use std::path::Path;

use serde_json::{Value, json};

use super::super::{Change, Draft, DraftFault, DraftOptions, Reviewed, Scan, difference, draft};
use super::{AWKWARD, SPACED, digest};

fn scan_of(tools: &[&str]) -> Scan {
    Scan {
        server_name: Some("s".to_owned()),
        server_version: None,
        protocol_version: "2025-11-25".to_owned(),
        instructions: None,
        tools: tools.iter().map(|tool| serde_json::from_str(tool).unwrap()).collect(),
    }
}

fn draft_of(tools: &[&str], registry: &str, known: Option<&str>) -> Result<Draft, DraftFault> {
    draft(&scan_of(tools), Reviewed { registry, tools: known }, &digest, &DraftOptions::default())
}

const ENTRY: &str = r#"# The test server.
name = "everything"   # as in the path
owner = "qa@example.org"

[transport]
kind   = "stdio"
command = "node"
args = ["server.js"]  # one day a package

# Says back what it hears.
[tools.echo]
effect = ["read"]
pin = "PIN"
reviewed_by = "qa@example.org"
"#;

const ECHO: &str = r#"{"name":"echo","description":"d","inputSchema":{"type":"object","properties":{"m":{"type":"string"}},"required":["m"]}}"#;

fn entry() -> String {
    ENTRY.replace("PIN", &digest(ECHO).unwrap())
}

#[test]
fn a_new_tool_is_added_below_and_everything_else_stays_as_it_was() {
    let draft = draft_of(&[ECHO, AWKWARD], &entry(), Some(&format!("[{ECHO}]"))).unwrap();
    let pin = digest(AWKWARD).unwrap();
    let added = format!(
        "\n[tools.awkward]\n# Draft, withheld until reviewed. Claimed by server: readOnlyHint = true.\n# That would suggest \
         [\"read\"]. Set effect to what the world sees, then reviewed_by and reviewed_at.\neffect = []\npin = \"{pin}\"\n"
    );
    assert_eq!(draft.registry, entry() + &added);
    assert_eq!(draft.tools, format!("[\n{ECHO},\n{AWKWARD}\n]\n"));
    assert_eq!(
        draft.summary.to_string(),
        "1 new, 1 unchanged, 0 changed, 0 gone, 0 without a pin\n  new            awkward\n"
    );
}

#[test]
fn drafting_twice_changes_nothing_the_second_time() {
    let first = draft_of(&[ECHO, AWKWARD, SPACED], "", None).unwrap();
    let second = draft_of(&[ECHO, AWKWARD, SPACED], &first.registry, Some(&first.tools)).unwrap();
    assert_eq!((&second.registry, &second.tools), (&first.registry, &first.tools));
    assert_eq!(second.summary.unchanged, ["echo", "awkward", "spaced"]);
    let _valid: toml::Table = first.registry.parse().unwrap();
}

#[test]
fn the_options_fill_in_what_a_person_would() {
    let options = DraftOptions {
        effect: Some(vec!["read".to_owned(), "egress".to_owned()]),
        reviewed_by: Some("qa@example.org".to_owned()),
        reviewed_at: Some("2026-11-20".to_owned()),
    };
    let draft = draft(&scan_of(&[ECHO]), Reviewed { registry: "", tools: None }, &digest, &options).unwrap();
    let pin = digest(ECHO).unwrap();
    let expected = format!(
        "\n[tools.echo]\neffect = [\"read\", \"egress\"]\npin = \"{pin}\"\nreviewed_by = \"qa@example.org\"\nreviewed_at = \
         \"2026-11-20\"\n"
    );
    assert_eq!(draft.registry, expected);
}

#[test]
fn a_changed_tool_keeps_its_pin_and_its_reviewed_definition() {
    let live = ECHO
        .replace(r#""m":{"type":"string"}"#, r#""bcc":{"type":"string"},"m":{"type":"string"}"#)
        .replace(r#"["m"]"#, r#"["m","bcc"]"#);
    let draft = draft_of(&[&live], &entry(), Some(&format!("[{ECHO}]"))).unwrap();
    assert_eq!(draft.registry, entry());
    assert_eq!(draft.tools, format!("[\n{ECHO}\n]\n"));
    let change = Change {
        tool: "echo".to_owned(),
        reviewed_pin: digest(ECHO).unwrap(),
        live_pin: digest(&live).unwrap(),
        difference: "new required argument `bcc`".to_owned(),
    };
    assert_eq!(draft.summary.changed, [change]);
    let without_file = draft_of(&[&live], &entry(), None).unwrap();
    assert!(without_file.summary.changed[0].difference.contains("not in the tools file"));
    assert_eq!(without_file.tools, "[]\n");
}

#[test]
fn a_tool_the_server_no_longer_lists_is_reported_and_kept() {
    let draft = draft_of(&[SPACED], &entry(), Some(&format!("[{ECHO}]"))).unwrap();
    assert_eq!(draft.summary.gone, ["echo"]);
    assert!(draft.registry.starts_with(&entry()) && draft.tools.contains(ECHO));
}

#[test]
fn an_entry_begun_by_hand_gets_its_pin_unless_it_claims_a_review() {
    let begun = "[tools.echo]\neffect = [\"read\"] # sure\n";
    let draft = draft_of(&[ECHO], begun, None).unwrap();
    assert_eq!(draft.registry, format!("{begun}pin = \"{}\"\n", digest(ECHO).unwrap()));
    let claimed = "[tools.echo]\neffect = [\"read\"]\nreviewed_by = \"qa\"\n";
    let draft = draft_of(&[ECHO], claimed, None).unwrap();
    assert_eq!(draft.registry, claimed);
    assert_eq!(draft.summary.changed[0].reviewed_pin, "none");
}

#[test]
fn a_name_that_is_no_bare_key_is_quoted() {
    let draft = draft_of(&[r#"{"name":"a.b \"c\"\n"}"#], "", None).unwrap();
    let read: toml::Table = draft.registry.parse().unwrap();
    assert!(read["tools"].get("a.b \"c\"\n").is_some(), "{}", draft.registry);
}

#[test]
fn white_space_between_tokens_goes_and_within_strings_stays() {
    let draft = draft_of(&[SPACED], "", None).unwrap();
    let line = r#"{"name":"spaced","inputSchema":{"type":"object"},"description":"a \" b  c"}"#;
    assert_eq!(draft.tools, format!("[\n{line}\n]\n"));
}

#[test]
fn hints_become_a_suggestion_and_never_an_effect() {
    let cases = [
        (json!({}), "no hints.\n"),
        (json!({"readOnlyHint": true, "openWorldHint": true}), "suggest [\"read\", \"egress\"]"),
        (json!({"readOnlyHint": false}), "suggest [\"write\", \"destructive\"]"),
        (json!({"readOnlyHint": false, "destructiveHint": false}), "suggest [\"write\"]"),
        (
            json!({"destructiveHint": true, "idempotentHint": true}),
            "destructiveHint = true, idempotentHint = true.\n# That would suggest [\"destructive\"]",
        ),
        (json!("read only, trust me"), "no hints.\n"),
    ];
    for (annotations, words) in cases {
        let tool = json!({"name": "t", "annotations": annotations}).to_string();
        let draft = draft_of(&[&tool], "", None).unwrap();
        assert!(draft.registry.contains(words) && draft.registry.contains("effect = []"), "{}", draft.registry);
    }
}

#[test]
fn files_that_cannot_be_read_are_named_and_nothing_is_drafted() {
    let cases = [
        (draft_of(&[ECHO], "name = ", None), "not valid TOML"),
        (draft_of(&[ECHO], "tools = 3", None), "`tools` in a form"),
        (draft_of(&[ECHO], "[tools]\necho = 3", None), "`tools.echo` in a form"),
        (draft_of(&[ECHO], "[tools.echo]\npin = 3", None), "`tools.echo.pin` in a form"),
        (draft_of(&[ECHO], "", Some("{}")), "not a JSON array"),
        (draft_of(&[ECHO], "", Some("[{}]")), "element 1 has no `name`"),
        (draft_of(&[ECHO], "", Some(r#"[{"name":"a"},{"name":"a"}]"#)), "the tool `a` twice"),
    ];
    for (result, words) in cases {
        let fault = result.err().unwrap_or_else(|| panic!("{words}")).to_string();
        assert!(fault.contains(words), "{fault}");
    }
}

#[test]
fn a_tool_that_cannot_be_pinned_does_not_hold_up_its_siblings() {
    let twice = r#"{"name":"twice","x":1,"x":2}"#;
    let draft = draft_of(&[twice, ECHO], "", None).unwrap();
    assert_eq!(draft.summary.added, ["echo"]);
    assert!(!draft.registry.contains("twice") && !draft.tools.contains("twice"));
    assert!(
        draft.summary.to_string().contains("without a pin  twice: the member `x` stands twice in one object"),
        "{}",
        draft.summary
    );
}

#[test]
fn a_difference_is_told_by_its_meaning() {
    let base: Value = serde_json::from_str(ECHO).unwrap();
    let with = |pointer: &str, key: &str, value: Value| {
        let mut changed = base.clone();
        changed.pointer_mut(pointer).unwrap()[key] = value;
        difference(ECHO, &changed.to_string())
    };
    assert_eq!(with("", "description", json!("other")), "description changed only");
    assert_eq!(with("", "title", json!("T")), "title added");
    assert_eq!(with("", "execution", json!({"taskSupport": "required"})), "execution added");
    assert_eq!(with("", "x-vendor", json!(1)), "member `x-vendor` changed");
    assert_eq!(with("/inputSchema/properties", "cc", json!({})), "new optional argument `cc`");
    assert_eq!(with("/inputSchema", "properties", json!({})), "argument `m` removed");
    assert_eq!(with("/inputSchema", "required", json!([])), "argument `m` is now optional");
    assert_eq!(
        with("/inputSchema", "additionalProperties", json!(true)),
        "input schema changed in `additionalProperties`"
    );
    assert_eq!(with("/inputSchema/properties/m", "maxLength", json!(3)), "argument `m` changed");
    assert_eq!(with("/inputSchema/properties/m", "description", json!("w")), "description of argument `m` changed");
    assert_eq!(with("/inputSchema/properties", "a\u{202e}b", json!({})), "new optional argument `a\\u{202e}b`");

    let hinted = |hint: bool| json!({"name": "t", "annotations": {"readOnlyHint": hint}}).to_string();
    assert_eq!(difference(&hinted(true), &hinted(false)), "annotations changed: `readOnlyHint` true -> false");
    let number = |digits: &str| format!(r#"{{"name":"t","x":{digits}}}"#);
    let (old, new) = (number("123456789012345678901"), number("123456789012345678902"));
    assert_eq!(difference(&old, &new), "a number changed in digits that a double cannot tell apart");
    assert_eq!(difference("[]", "{}"), "the definition is not a JSON object that can be compared");
}

/// The shipped entry is reviewed data; it must load, and name every tool of the live office with its present definition.
#[tokio::test]
async fn the_shipped_office_entry_is_the_live_office() {
    use rmcp::ServiceExt as _;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../registry/servers");
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        pdp::fault::SourceFile { path: format!("servers/{name}"), text }
    };
    let files = [read("office.toml"), read("office.tools.json")];
    let loaded = pdp::registry::load(&files).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let office = loaded.server("office").unwrap();
    assert!(office.tools.values().all(|tool| tool.withheld.is_none()), "{:#?}", office.tools);

    let (ours, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move { crate::office::Office::new().serve(theirs).await.unwrap().waiting().await });
    let scan = super::scan_pipe(ours, std::time::Duration::from_secs(30)).await.unwrap();
    let reviewed = Reviewed { registry: &files[0].text, tools: Some(&files[1].text) };
    let draft = draft(&scan, reviewed, &digest, &DraftOptions::default()).unwrap();
    let advice = "scan the office again and review what changed";
    assert_eq!(draft.summary.to_string(), "0 new, 9 unchanged, 0 changed, 0 gone, 0 without a pin\n", "{advice}");
    assert_eq!(draft.registry, files[0].text);
}
