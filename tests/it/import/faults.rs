//! What an import refuses, leaves, or keeps apart, and what it says of it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{Desk, Hand, LITERAL, told};

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn without_a_client_it_says_what_it_would_do_and_does_nothing() {
    let desk = Desk::new().await;
    let cursor = desk.lay("cursor.json", "project/.cursor/mcp.json", Hand::Unix);
    let codex = desk.lay("codex.toml", "home/.codex/config.toml", Hand::Unix);
    let before = (text(&cursor), text(&codex), desk.shown());
    let said = desk.done(&["import"]);
    for words in ["Cursor: ", "Codex: ", "(would be rewritten)", "notes.toml", "Nothing was written", "notes-codex"] {
        assert!(said.contains(words), "{words} is missing in\n{said}");
    }
    assert_eq!((text(&cursor), text(&codex), desk.shown()), before);
    assert!(desk.done(&["import", "cursor", "--dry-run"]).contains("Nothing was written"));
    assert_eq!(text(&cursor), before.0);
}

#[tokio::test]
async fn equal_servers_of_several_clients_are_one_and_others_are_kept_apart() {
    let desk = Desk::new().await;
    let entry = |url: &str| format!("{{\"mcpServers\":{{\"hub\":{{\"url\":\"{url}\"}}}}}}\n");
    let project = desk.path("project/.cursor/mcp.json");
    let user = desk.path("home/.cursor/mcp.json");
    let claude = desk.path("project/.mcp.json");
    let codex = desk.path("home/.codex/config.toml");
    write(&project, &entry("https://one.example.com/mcp"));
    write(&user, &entry("https://two.example.com/mcp"));
    write(&claude, "{\"mcpServers\":{\"my hub\":{\"type\":\"http\",\"url\":\"https://one.example.com/mcp\"}}}\n");
    write(&codex, "mcp_servers = { hub = { url = \"https://two.example.com/mcp\", disabled_tools = [\"drop\"] } }\n");
    let said = desk.done(&["import", "--all"]);
    let names: Vec<String> =
        desk.servers().iter().map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["hub", "my-hub"], "{said}");
    assert!(text(&project).contains("/my-hub/mcp") && text(&user).contains("/hub/mcp"), "{said}");
    assert!(text(&codex).contains("/hub/mcp") && text(&codex).contains("disabled_tools = [\"drop\"]"));
    let rules = text(&desk.path("gate/policies/imported.cedar"));
    assert!(rules.contains("forbid (principal, action == hub::Action::\"drop\""), "{rules}");
    assert!(rules.contains("Imported from Claude Code (.mcp.json) and Cursor (.cursor/mcp.json)."), "{rules}");
    // Another client of the same server, later: the entry that is there is used.
    write(
        &desk.path("project/.zed/settings.json"),
        "{\"context_servers\":{\"z\":{\"url\":\"https://one.example.com/mcp\"}}}",
    );
    let said = desk.done(&["import", "zed"]);
    assert!(said.contains("-> my-hub, which is in the registry already"), "{said}");
    // Lists of a client that comes late are not lost in silence.
    let late = "{\"mcpServers\":{\"g\":{\"httpUrl\":\"https://one.example.com/mcp\",\"excludeTools\":[\"x\"]}}}";
    write(&desk.path("project/.gemini/settings.json"), late);
    let said = desk.done(&["import", "gemini"]);
    assert!(said.contains("lists of tools were not made into rules"), "{said}");
    assert_eq!(desk.servers().len(), 2);
    // All of it is undone, the last first.
    assert_eq!(desk.done(&["import", "--undo"]).matches("restored ").count(), 6);
    assert_eq!(text(&project), entry("https://one.example.com/mcp"));
}

#[tokio::test]
async fn what_cannot_be_carried_over_is_left_and_told() {
    let desk = Desk::new().await;
    let file = desk.path("project/.vscode/mcp.json");
    let before = r#"{"servers": {
  "a": {"command": "npx", "args": ["server", "--api-key", "k-123456"]},
  "b": {"url": "https://b.example.com/mcp?token=k-123456", "type": "http"},
  "c": {"command": "npx", "args": ["${config:thing}"]},
  "d": {"command": "npx", "url": "https://d.example.com/mcp"},
  "e": {"type": "http", "url": "https://e.example.com/${env:ABSENT}/mcp"},
  "f": {"type": "http", "url": "ftp://f.example.com/"},
  "g": 7
}}"#;
    write(&file, before);
    let output = desk.run(&["import", "vscode"]);
    let said = told(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "a  left as it is: argument 3 looks like a secret",
        "b  left as it is: its URL seems to carry a secret",
        "c  left as it is: it refers to `${config:thing}`, which only the editor knows",
        "d  left as it is: it names both a command and a URL",
        "e  left as it is: its URL refers to `ABSENT`, which is not set here",
        "f  left as it is: its URL is no http or https URL",
        "g  left as it is: it is no object",
        "Nothing to import.",
    ] {
        assert!(said.contains(words), "{words} is missing in\n{said}");
    }
    assert!(!said.contains("k-123456"), "{said}");
    assert_eq!(text(&file), before);
}

#[tokio::test]
async fn a_file_that_was_changed_since_is_not_restored_but_by_force() {
    let desk = Desk::new().await;
    let file = desk.lay("gemini.json", "project/.gemini/settings.json", Hand::Unix);
    let before = text(&file);
    desk.done(&["import", "gemini"]);
    let changed = text(&file).replace("GitHub", "Dracula");
    write(&file, &changed);
    let output = desk.run(&["import", "--undo"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("was changed since the import; `--force` restores it"), "{}", told(&output));
    assert_eq!(text(&file), changed);
    desk.done(&["import", "--undo", "--force"]);
    assert_eq!(text(&file), before);
}

#[tokio::test]
async fn links_rights_and_backups_are_kept() {
    let desk = Desk::new().await;
    let kept = desk.lay("zed.json", "dotfiles/zed.json", Hand::Unix);
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = desk.path("home/.config/zed/settings.json");
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(&kept, &link).unwrap();
    desk.run(&["import", "zed"]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(link.is_symlink() && text(&kept).contains("\"stdio\""), "the link leads to the rewritten file");
    assert_eq!(mode(&kept), 0o640);
    let secret = desk.path("gate/state/secrets/notes.NOTES_API_KEY");
    assert_eq!((text(&secret).trim(), mode(&secret)), (LITERAL, 0o600));
    assert_eq!(mode(&desk.path("gate/state/imports/1-settings.json")), 0o600);
    assert_eq!(mode(&desk.path("gate/state/agent.token")), 0o600);
    assert_eq!(mode(&desk.path("gate/state/secrets")), 0o700);
    desk.done(&["import", "--undo"]);
    assert!(link.is_symlink() && mode(&kept) == 0o640);
}

#[tokio::test]
async fn nothing_is_written_where_something_is_wrong() {
    let desk = Desk::new().await;
    let file = desk.path("project/.mcp.json");
    for (broken, words) in [
        ("{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"a\": {\"command\": \"y\"}}}", "line 1: `a` stands twice"),
        ("{\"mcpServers\": \n{\"a\": }}", "line 2: "),
        ("{\"mcpServers\": {a: 1}}", "line 1: "),
    ] {
        write(&file, broken);
        let output = desk.run(&["import", "claude-code"]);
        assert!(!output.status.success() && told(&output).contains(words), "{}", told(&output));
        assert_eq!(text(&file), broken);
    }
    write(&file, "{\"mcpServers\": {\"a\": {\"command\": \"x\"}}}");
    write(&desk.path("gate/policies/broken.cedar"), "permit");
    let output = desk.run(&["import", "claude-code"]);
    assert!(told(&output).contains("do not build, before anything is added"), "{}", told(&output));
    assert!(desk.servers().is_empty() && !desk.path("gate/state/imports").exists());
    let output = desk.run(&["import", "goose"]);
    assert!(told(&output).contains("no file of Goose is here; looked for"), "{}", told(&output));
    let output = desk.run(&["import", "--file", "/etc/hostname"]);
    assert!(told(&output).contains("Name the client"), "{}", told(&output));
}
