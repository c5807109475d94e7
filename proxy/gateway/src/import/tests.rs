//! The importer on texts: what is read, what is edited, what is drafted.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]

use std::collections::BTreeSet;
use std::path::Path;

use super::client::{Bridge, Client};
use super::draft::draft;
use super::entry::{Entry, Reader, Server};
use super::lists::Lists;
use super::policy::{Subject, rules};
use super::reference::Folders;
use super::splice::{Hand, applied};
use super::tree::{self, Format, Node, Value};

/// A file with every entry pointed at the gate.
fn rewritten(client: Client, text: &str) -> String {
    let root = tree::read(text, client.format()).unwrap();
    let hand = Hand { text, format: client.format() };
    let args = ["stdio".to_owned(), "--server".to_owned(), "x".to_owned()];
    let fresh = client.entry("http://gate/x/mcp", &Bridge { program: "wicketgate", args: &args });
    let mut edits = Vec::new();
    for (_, map) in client.maps(&root) {
        for member in &map.map().unwrap().members {
            edits.extend(hand.rewrite(&member.node, &|name| client.gives_way(name), &fresh).unwrap());
        }
    }
    applied(text, edits).unwrap()
}

fn check(client: Client, before: &str, after: &str) {
    assert_eq!(rewritten(client, before), after);
    let windows = |text: &str| text.replace('\n', "\r\n");
    assert_eq!(rewritten(client, &windows(before)), windows(after), "with Windows' line ends");
    let marked = format!("\u{feff}{before}");
    assert_eq!(rewritten(client, &marked), format!("\u{feff}{after}"), "with a byte order mark");
}

const CURSOR: &str = r#""url": "http://gate/x/mcp", "headers": { "Authorization": "Bearer ${env:WICKETGATE_TOKEN}" }"#;

#[test]
fn json_keeps_its_layout() {
    let one = |entry: &str| format!("{{\"mcpServers\":{{\"a\":{entry}}}}}");
    for (before, after) in [
        (r#"{"command":"x"}"#, format!("{{{CURSOR}}}")),
        (r#"{"command":"x","args":[]}"#, format!("{{{CURSOR}}}")),
        (r#"{ "command":"x", "args":[], "env": {} }"#, format!("{{ {CURSOR} }}")),
        (r#"{"args":[], "command":"x", }"#, format!("{{{CURSOR}, }}")),
        (r#"{"disabled":true, "command":"x", "args":["a,b"]}"#, format!("{{\"disabled\":true, {CURSOR}}}")),
        (r#"{"command":"x", "disabled":true, "args":[]}"#, format!("{{{CURSOR}, \"disabled\":true}}")),
        (r#"{ "command": "x" /* one, two */, "args": [] /* , */ }"#, format!("{{ {CURSOR} /* one, two */ /* , */ }}")),
    ] {
        assert_eq!(rewritten(Client::Cursor, &one(before)), one(&after), "{before}");
    }
    check(
        Client::Cursor,
        "{\n  \"mcpServers\": {\n    \"a\": {\n      // why\n      \"command\": \"x\", // what\n      \"args\": [\n        \"y\"\n      ],\n      \
         \"alwaysAllow\": [\"t\"], // kept\n      \"env\": { \"K\": \"v\" }\n    } // end\n  }\n}\n",
        "{\n  \"mcpServers\": {\n    \"a\": {\n      // why\n      \"url\": \"http://gate/x/mcp\",\n      \
         \"headers\": { \"Authorization\": \"Bearer ${env:WICKETGATE_TOKEN}\" }, // what\n      \
         \"alwaysAllow\": [\"t\"] // kept\n    } // end\n  }\n}\n",
    );
}

/// Every order of an entry's members, in every layout: the rest stays, and what is written can be read.
#[test]
fn whatever_the_order_of_members_the_rest_stays() {
    let members = [r#""command": "x""#, r#""args": ["a", "b"]"#, r#""timeout": 7"#, r#""env": {}"#, r#""name": "n,""#];
    let mut orders: Vec<Vec<&str>> = vec![Vec::new()];
    for _ in 0..members.len() {
        let longer = orders.iter().flat_map(|order| {
            let left = members.iter().filter(|member| !order.contains(member));
            left.map(|member| order.iter().chain([member]).copied().collect()).collect::<Vec<Vec<&str>>>()
        });
        orders = longer.collect();
    }
    assert_eq!(orders.len(), 120);
    for order in orders {
        for (between, last) in [(",", ""), (", ", ""), (",\n      ", ""), (",\n      ", ","), (", // c,\n      ", "")] {
            let inner = order.join(between);
            let text =
                format!("{{\"mcpServers\": {{\n    \"a\": {{\n      {inner}{last}\n    }}\n  }}, \"rest\": [1.50]}}\n");
            let after = rewritten(Client::Cursor, &text);
            let root = tree::read(&after, Format::Json).unwrap_or_else(|e| panic!("{e}\n{text}\n{after}"));
            let map = root.get("mcpServers").and_then(|map| map.get("a")).and_then(Node::map).unwrap();
            let names: BTreeSet<&str> = map.members.iter().map(|member| member.name.as_str()).collect();
            assert_eq!(names, BTreeSet::from(["headers", "name", "timeout", "url"]), "{after}");
            assert_eq!(map.get("name").and_then(Node::text), Some("n,"));
            assert!(after.ends_with("}, \"rest\": [1.50]}\n"), "{after}");
            assert_eq!(
                after.matches("// c,").count(),
                text.matches("// c,").count(),
                "a comment went\n{text}\n{after}"
            );
            let strict = last.is_empty() && !text.contains("//");
            assert!(!strict || serde_json::from_str::<serde_json::Value>(&after).is_ok(), "{after}");
        }
    }
}

#[test]
fn toml_keeps_its_layout() {
    let codex = "url = \"http://gate/x/mcp\"\nbearer_token_env_var = \"WICKETGATE_TOKEN\"\n";
    check(
        Client::Codex,
        "[mcp_servers.a]\ncommand = \"x\" # what\nargs = [\n  \"y\", # why\n]\nenabled = true\n\n# its variables\n[mcp_servers.a.env]\n\
         # one\nK = \"v\"\n\n[tui]\nx = 1\n",
        &format!(
            "[mcp_servers.a]\n{} # what\nenabled = true\n\n# its variables\n# one\n\n[tui]\nx = 1\n",
            codex.trim_end()
        ),
    );
    check(
        Client::Codex,
        "mcp_servers.a.command = \"x\"\nmcp_servers.a.env.K = \"v\"\nmcp_servers.a.tool_timeout_sec = 5\n",
        "mcp_servers.a.url = \"http://gate/x/mcp\"\nmcp_servers.a.bearer_token_env_var = \"WICKETGATE_TOKEN\"\n\
         mcp_servers.a.tool_timeout_sec = 5\n",
    );
    check(
        Client::Codex,
        "[mcp_servers]\na = { command = \"x\", args = [\"a,b\"], enabled = false }\n",
        "[mcp_servers]\na = { url = \"http://gate/x/mcp\", bearer_token_env_var = \"WICKETGATE_TOKEN\", enabled = false }\n",
    );
}

#[test]
fn yaml_keeps_its_layout() {
    let headers = "headers: { Authorization: \"Bearer ${WICKETGATE_TOKEN}\" }";
    check(
        Client::Goose,
        "extensions:\n  a:\n    # why\n    type: stdio # how\n    cmd: x\n    args:\n    - y # z\n    - |\n      text\n    envs:\n      \
         K: 'v: w'\n    timeout: 300\nGOOSE_MODE: auto",
        &format!(
            "extensions:\n  a:\n    # why\n    type: \"streamable_http\"\n    uri: \"http://gate/x/mcp\"\n    \
             env_keys: [\"WICKETGATE_TOKEN\"]\n    {headers} # how\n    timeout: 300\nGOOSE_MODE: auto"
        ),
    );
    check(
        Client::Goose,
        "extensions:\n  a: { type: stdio, cmd: x, args: [\"a,b\"], name: größe }\n",
        &format!(
            "extensions:\n  a: {{ type: \"streamable_http\", uri: \"http://gate/x/mcp\", env_keys: [\"WICKETGATE_TOKEN\"], \
             {headers}, name: größe }}\n"
        ),
    );
}

#[test]
fn yaml_is_read_as_what_it_says() {
    let root = tree::read("a: 1\nb: 'x'\nc: ~\nd: yes\ne: [true, \"q\"]\nf:\ng: &x y\nh: *x\n", Format::Yaml).unwrap();
    let value = |name: &str| root.get(name).unwrap().value.clone();
    assert_eq!(value("a"), Value::Number("1".to_owned()));
    assert_eq!((value("b"), value("c")), (Value::Text("x".to_owned()), Value::Null));
    assert_eq!((value("d"), value("f")), (Value::Text("yes".to_owned()), Value::Null));
    assert_eq!(value("h"), Value::Other);
    assert_eq!(tree::read("", Format::Yaml).unwrap().map().unwrap().members.len(), 0);
    assert_eq!(tree::read("# only a comment\n", Format::Yaml).unwrap().map().unwrap().members.len(), 0);
    let deep = "[".repeat(100);
    for (text, words) in [
        ("a: 1\na: 2\n", "line 2: `a` stands twice"),
        ("a: [1\n", "line "),
        (deep.as_str(), "nested deeper than 64 levels"),
    ] {
        let told = tree::read(text, Format::Yaml).unwrap_err().to_string();
        assert!(told.contains(words), "{told}");
    }
}

fn server(client: Client, text: &str) -> Server {
    let root = tree::read(text, client.format()).unwrap();
    let maps = client.maps(&root);
    let member = &maps[0].1.map().unwrap().members[0];
    match Reader::new(client, Folders::default(), "127.0.0.1:8640").read(&member.name, &member.node, &root) {
        Entry::Server(server) => *server,
        other @ (Entry::Ours | Entry::Own(_) | Entry::Left(_)) => panic!("{other:?}"),
    }
}

#[test]
fn what_stands_in_an_entry_is_drafted() {
    let text = r#"{"mcpServers": {"a": {
        "command": "npx", "args": ["-y", "${PKG:-server}", "$HOME"],
        "env": {"LEVEL": "info", "API_TOKEN": "${OTHER}", "SAME": "${SAME}", "DB": "x-${USER_NAME}", "SOME_KEY": "k1", "SECOND_SECRET": "k2"}
    }}}"#;
    let mut server = server(Client::ClaudeCode, text);
    let draft = draft(&server.reach, &|_| None, &mut server.notes).unwrap();
    let entry = draft.registry("a", "Claude Code", Path::new("/secrets"), &BTreeSet::from(["drop".to_owned()]));
    let body = entry.split_once("[transport]").unwrap().1;
    assert_eq!(
        body,
        "\nkind = \"stdio\"\ncommand = \"npx\"\nargs = [\"-y\", \"${PKG:-server}\", \"$$HOME\"]\n\
         env = { DB = \"x-${USER_NAME}\", LEVEL = \"info\" }\nenv_from = [\"SAME\"]\nexpand = true\n\n\
         [credential]\nenv = \"OTHER\"\nvariable = \"API_TOKEN\"\n\n\
         [[credential.also]]\nfile = \"/secrets/a.SOME_KEY\"\nvariable = \"SOME_KEY\"\n\n\
         [[credential.also]]\nfile = \"/secrets/a.SECOND_SECRET\"\nvariable = \"SECOND_SECRET\"\n\n\
         [tools.drop]\neffect = []\n"
    );
    assert!(!entry.contains("k1") && !format!("{:?}", server.reach).contains("k1"), "{entry}");
    let secrets: Vec<&str> = draft.secrets("a", Path::new("/s")).into_iter().map(|(_, text)| text).collect();
    assert_eq!(secrets, ["k1", "k2"]);
}

#[test]
fn lists_become_rules() {
    let text = "[mcp_servers.a]\nurl = \"https://a.example/mcp\"\nenabled_tools = [\"read it\", \"write\", \"drop\"]\n\
                disabled_tools = [\"drop\"]\ndefault_tools_approval_mode = \"prompt\"\n\
                [mcp_servers.a.tools.\"read it\"]\napproval_mode = \"approve\"\n";
    let server = server(Client::Codex, text);
    let subject = Subject { name: "my-hub", from: "Codex", lists: &server.lists, disabled: false };
    assert_eq!(
        rules(&subject),
        "\n// my-hub\n// Imported from Codex.\n\
         @id(\"imported-my-hub\")\n\
         permit (principal, action in [my_hub::Action::\"read it\", my_hub::Action::\"write\"], resource == Gate::Server::\"my-hub\");\n\
         @id(\"imported-my-hub-never\")\n@reason(\"the client's own configuration had this tool switched off\")\n\
         forbid (principal, action == my_hub::Action::\"drop\", resource == Gate::Server::\"my-hub\");\n\
         @id(\"imported-my-hub-asks\")\n\
         @reason(\"the client's own configuration had its user asked before this tool was called\")\n@approval(\"owner\")\n\
         forbid (principal, action in Gate::Action::\"call\", resource == Gate::Server::\"my-hub\")\n\
         unless { action == my_hub::Action::\"read it\" };\n"
    );
    let off = Subject { disabled: true, ..subject };
    assert!(!rules(&off).contains("permit (") && rules(&off).contains("switched off: nothing is permitted"));
}

#[test]
fn what_one_client_denied_whole_another_does_not_open() {
    let denied = Lists { never_any: true, ..Lists::default() };
    let mut joined = Lists::default();
    joined.join(&denied);
    let subject = Subject { name: "hub", from: "two clients", lists: &joined, disabled: false };
    assert!(!rules(&subject).contains("permit (") && rules(&subject).contains("nothing is permitted"));
}

#[test]
fn an_entry_that_leads_to_the_gate_is_known() {
    let reader = |client| Reader::new(client, Folders::default(), "127.0.0.1:8640");
    let read = |client: Client, entry: &str| {
        let root = tree::read(entry, Format::Json).unwrap();
        matches!(reader(client).read("a", &root, &root), Entry::Ours)
    };
    assert!(read(Client::Cursor, r#"{"url": "http://localhost:8640/a/mcp"}"#));
    assert!(read(Client::Zed, r#"{"command": "/usr/bin/wicketgate", "args": ["stdio", "--server", "a"]}"#));
    assert!(!read(Client::Cursor, r#"{"url": "http://localhost:8641/a/mcp"}"#));
    assert!(!read(Client::Zed, r#"{"command": "wicketgate", "args": ["office"]}"#));
}
