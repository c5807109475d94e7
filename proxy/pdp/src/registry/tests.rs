//! What an entry may say, and what of it is a fault.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic: that is how it fails")]

use super::{Registry, Transport, load};
use crate::fault::SourceFile;
use crate::snapshot::{Snapshot, Sources};

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

fn loaded(body: &str) -> Result<Registry, Vec<String>> {
    let text = format!("name = \"hub\"\n{body}");
    load(&[file("servers/hub.toml", &text)]).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

#[test]
fn a_server_may_have_several_secrets_and_fixed_headers() {
    let registry = loaded(
        "[transport]\nkind = \"http\"\nurl = \"https://hub.example/mcp\"\nheaders = { \"X-Team\" = \"a b\" }\n\
         [credential]\nenv = \"ONE\"\n[[credential.also]]\nfile = \"/two\"\nheader = \"X-Two\"\nprefix = \"\"\n",
    );
    let registry = registry.unwrap();
    let server = registry.server("hub").unwrap();
    let Transport::Http { headers, .. } = &server.transport else { panic!("{:?}", server.transport) };
    assert_eq!(headers.get("x-team").map(String::as_str), Some("a b"));
    let told: Vec<String> = server
        .credential
        .iter()
        .flat_map(super::CredentialRule::all)
        .map(|rule| format!("{}={:?}/{:?}", rule.header, rule.env, rule.file))
        .collect();
    assert_eq!(told, ["authorization=Some(\"ONE\")/None", "x-two=None/Some(\"/two\")"]);
}

#[test]
fn a_label_rule_that_can_never_match_is_told() {
    let tool = r#"{"name":"t","inputSchema":{"type":"object","properties":{"to":{"type":"string"}}}}"#;
    let pin = crate::digest::Digest::of_json(tool).unwrap();
    let rule = |pattern: &str| {
        let text = format!(
            "name = \"hub\"\n[transport]\nkind = \"stdio\"\ncommand = \"x\"\n[tools.t]\npin = \"{pin}\"\n[[tools.t.rules]]\n\
             argument = \"to\"\nany = [\"{pattern}\"]\nadds = [\"private\"]\n"
        );
        load(&[file("servers/hub.toml", &text), file("servers/hub.tools.json", &format!("[{tool}]"))])
    };
    assert!(rule("*@partner.example").is_ok());
    let told = rule("*@Partner.example").unwrap_err();
    assert!(told.first().unwrap().to_string().contains("no value matches `*@Partner.example`"), "{told:?}");
}

#[test]
fn what_cannot_be_meant_is_told() {
    for (body, words) in [
        (
            "limits = { steps = 1, elapsed_s = 0 }\n[transport]\nkind = \"stdio\"\ncommand = \"x\"\n",
            "the limit `elapsed_s` cannot be 0",
        ),
        (
            "[transport]\nkind = \"http\"\nurl = \"https://h/\"\nheaders = { authorization = \"x\" }\n",
            "is written by the gate itself",
        ),
        (
            "[transport]\nkind = \"http\"\nurl = \"https://h/\"\nheaders = { \"Mcp-Method\" = \"x\" }\n",
            "is written by the gate itself",
        ),
        ("[transport]\nkind = \"sse\"\nurl = \"https://h/\"\nheaders = { \"x\" = \"ü\" }\n", "is not visible ASCII"),
        (
            "[transport]\nkind = \"stdio\"\ncommand = \"x\"\n[credential]\nenv = \"A\"\n[[credential.also]]\nvariable = \"B\"\n",
            "a credential has one source",
        ),
        (
            "[transport]\nkind = \"stdio\"\ncommand = \"x\"\n[tools.t]\nreviewed_by = \"r\"\n",
            "`t` is reviewed and has no `pin`",
        ),
        ("[transport]\nkind = \"stdio\"\ncommand = \"x\"\n[tools.t]\neffect = [\"reed\"]\n", "`reed` is no effect"),
        (
            "[transport]\nkind = \"stdio\"\ncommand = \"x\"\n[[resources]]\nname = [\"https://x.test/a/../b\"]\n\
             adds = [\"private\"]\n",
            "write `https://x.test/b`",
        ),
    ] {
        let told = loaded(body).unwrap_err().join("\n");
        assert!(told.contains(words), "{words}: {told}");
    }
}

/// A sink that is misspelt would guard nothing; that nobody has listed any is not the same as that there is none.
#[test]
fn sinks_are_arguments_of_the_reviewed_schema() {
    let definition = r#"{"name":"send","inputSchema":{"type":"object","properties":{"to":{"type":"string"},"cc":{}}}}"#;
    let pin = crate::digest::Digest::of_json(definition).unwrap();
    let check = |lines: &str, want: &str| {
        let entry = format!(
            "name = \"hub\"\n[transport]\nkind = \"stdio\"\ncommand = \"x\"\n[tools.send]\neffect = [\"egress\"]\n\
             pin = \"{pin}\"\n{lines}\n"
        );
        let files = [file("servers/hub.toml", &entry), file("servers/hub.tools.json", &format!("[{definition}]"))];
        let told = match load(&files) {
            Ok(registry) => format!("{:?}", registry.server("hub").unwrap().tools.get("send").unwrap().sinks),
            Err(faults) => faults.iter().map(ToString::to_string).collect(),
        };
        assert!(told.contains(want), "{lines}: {told}");
    };
    check("", "None");
    check("sinks = []", "Some({})");
    check("sinks = [\"to\", \"cc\"]", "Some({\"cc\", \"to\"})");
    check("sinks = [\"To\"]", "`To` in `sinks` is no argument of the reviewed input schema");
    check("kinds = { id = \"mail_id\" }", "None");
    check("kinds = [\"mail_id\"]", "invalid type");
}

/// Rules may be written before a tool is scanned, and outlive a review that is withdrawn; nobody can call such a tool.
#[test]
fn a_rule_may_name_a_tool_that_nobody_has_scanned_or_reviewed() {
    let definition = r#"{"name":"known","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}}}"#;
    let pin = crate::digest::Digest::of_json(definition).unwrap();
    let entry = format!(
        "name = \"hub\"\n[transport]\nkind = \"stdio\"\ncommand = \"x\"\n[tools.\"odd name\"]\neffect = []\n\
         [tools.known]\neffect = [\"write\"]\npin = \"{pin}\"\n"
    );
    let rules = r#"
        @id("a") permit (principal, action == hub::Action::"odd name", resource);
        @id("b") @approval("owner") forbid (principal, action == hub::Action::"known", resource)
        when { context.args has path && context.args.path like "/etc/*" };
        @id("c") permit (principal, action in Gate::Action::"call", resource == Gate::Server::"hub");
        @id("d") @reason("Leads elsewhere") forbid (principal, action in Gate::Action::"call", resource)
        when { context.args_opaque_names.contains("x") || context.args_host has url };
    "#;
    let sources = Sources {
        policies: vec![file("policies/a.cedar", rules)],
        registry: vec![file("servers/hub.toml", &entry), file("servers/hub.tools.json", &format!("[{definition}]"))],
    };
    let snapshot = Snapshot::build(&sources).unwrap();
    let server = snapshot.server("hub").unwrap();
    assert!(server.reviewed("odd name").is_none() && server.reviewed("known").is_none());
    let notes: Vec<String> = snapshot.notes().iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|note| note.contains("`odd name` is named, and no scan has seen it")), "{notes:?}");
    // A name that the entry does not know is still a fault.
    let wrong = Sources { policies: vec![file("policies/a.cedar", &rules.replace("odd name", "odd nam"))], ..sources };
    assert!(Snapshot::build(&wrong).is_err());
}
