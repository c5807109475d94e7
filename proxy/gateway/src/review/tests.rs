//! Sheets, packages, places and entries, as text.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use pdp::digest::Digest;
use pdp::fault::SourceFile;
use pdp::registry::{Registry, Transport};
use serde_json::{Value, json};

use super::*;
use crate::scan::Scan;

fn tool(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description, "inputSchema": { "type": "object" } })
}

fn scan_of(tools: &[Value]) -> Scan {
    Scan {
        server_name: Some("fixture".to_owned()),
        server_version: Some("1".to_owned()),
        protocol_version: "2025-11-25".to_owned(),
        instructions: None,
        tools: tools.iter().map(|tool| serde_json::from_str(&tool.to_string()).unwrap()).collect(),
    }
}

/// An entry with comments everywhere: `echo` is reviewed, `add` is a draft.
fn files() -> Files {
    let pin = |tool: &Value| Digest::of_json(&tool.to_string()).unwrap();
    let (echo, add) = (tool("echo", "Says it back."), tool("add", "Adds."));
    Files {
        registry: format!(
            "# The head.\nname = \"web\"   # as in the path\nlabels = [\"untrusted\"]\n\n[transport]\nkind = \"stdio\" # how\n\
             command = \"npx\"\nargs = [\"-y\", \"@a/web\"]\n\n# Says back.\n[tools.echo]\neffect = [\"read\"] # nothing else\n\
             pin = \"{}\"\nreviewed_by = \"ana\"\nreviewed_at = \"2026-01-02\"\n\n[tools.add]\n# Draft, withheld until reviewed. \
             Claimed by server: no hints.\n# Set effect to what the world sees, then reviewed_by and reviewed_at.\neffect = []\n\
             pin = \"{}\"\n",
            pin(&echo),
            pin(&add)
        ),
        tools: format!("[\n{echo},\n{add}\n]\n"),
    }
}

fn loaded(files: &Files) -> Registry {
    let file = |ending: &str, text: &str| SourceFile { path: format!("servers/web.{ending}"), text: text.to_owned() };
    pdp::registry::load(&[file("toml", &files.registry), file("tools.json", &files.tools)]).unwrap()
}

fn seen(registry: &Registry, live: &[Value]) -> Sheet {
    sheet(registry, registry.server("web").unwrap(), &scan_of(live))
}

fn recorded() -> Recorded {
    let claim = Claim { name: Some("fixture".to_owned()), version: Some("1".to_owned()) };
    let identity = loaded(&files()).server("web").unwrap().transport.identity();
    Recorded { by: "ben".to_owned(), at: "2026-11-21".to_owned(), identity, claim }
}

fn approval(of: &Row, effects: &[&str]) -> Approval {
    Approval {
        tool: of.name.clone(),
        definition: of.definition.clone(),
        pin: of.pin.unwrap(),
        effects: effects.iter().map(|e| (*e).to_owned()).collect(),
        labels: None,
        accepted: Vec::new(),
    }
}

#[test]
fn a_sheet_says_of_every_tool_where_it_stands_and_where_it_differs() {
    let live = [tool("echo", "Says it back. At once."), tool("add", "Adds."), tool("del\u{200b}", "Deletes.")];
    let registry = loaded(&files());
    let sheet = seen(&registry, &live);
    let text: Vec<String> = sheet.asked(&[]).iter().map(ToString::to_string).collect();
    let want = "changed  echo: description changed only\n    reviewed by ana on 2026-01-02 as PIN\n    effect read; labels \
                untrusted; deliver plain; output refuse; timeout 120000 ms\n    ~ /description  character 13: \"Says it \
                back.\" -> \"Says it back. At once.\"\n----\nwithheld  add: nobody has reviewed it (`reviewed_by` and `reviewed_at` are \
                missing)\n    effect none; labels untrusted; deliver plain; output refuse; timeout 120000 ms\n    + \
                /description  \"Adds.\"\n    + /inputSchema/type  \"object\"\n    + /name  \"add\"\n----\nnew  del\\u{200b}\n    + \
                /description  \"Deletes.\"\n    + /inputSchema/type  \"object\"\n    + /name  \"del\\u{200b}\"\n    finding  hidden: 1 \
                zero-width or invisible character (U+200B), at /name character 3: \"del\\u{200b}\"";
    let pin = Digest::of_json(&tool("echo", "Says it back.").to_string()).unwrap().short();
    assert_eq!(text.join("\n----\n"), want.replace("PIN", &pin));
    assert_eq!(sheet.counts(), "1 new, 1 changed, 1 withheld");
    assert!(sheet.differs() && !sheet.is_another());
    assert!(sheet.head().contains("no version is named"), "{}", sheet.head());
}

#[test]
fn the_digest_is_of_what_is_asked_and_of_nothing_less() {
    let registry = loaded(&files());
    let digest = |live: &[Value], named: &[String], entry: &str| {
        let sheet = seen(&registry, live);
        sheet.digest(&sheet.asked(named), entry)
    };
    let (echo, add) = (tool("echo", "Says it back."), tool("add", "Adds."));
    let base = digest(&[echo.clone(), add.clone()], &[], "entry");
    assert_eq!(base, digest(&[add.clone(), echo.clone()], &[], "entry"), "their order says nothing");
    assert_ne!(base, digest(&[echo.clone(), tool("add", "Adds!")], &[], "entry"));
    assert_ne!(base, digest(&[tool("echo", "changed"), add.clone()], &[], "entry"));
    assert_ne!(base, digest(&[echo.clone(), add.clone(), tool("more", "")], &[], "entry"));
    assert_ne!(base, digest(&[echo.clone(), add.clone()], &[], "another entry"));
    assert_ne!(base, digest(&[tool("echo", "changed"), add], &["echo".to_owned()], "entry"));
}

#[test]
fn an_approval_changes_its_tools_and_leaves_every_comment() {
    let registry = loaded(&files());
    let live = [tool("echo", "Says it back."), tool("add", "Adds two."), tool("new one", "Is new.")];
    let sheet = seen(&registry, &live);
    let rows = sheet.asked(&[]);
    let approvals: Vec<Approval> = rows.iter().map(|row| approval(row, &["read", "egress"])).collect();
    let written = approved(&files(), &recorded(), &approvals).unwrap();
    let pin = |n: usize| Digest::of_json(&live[n].to_string()).unwrap();
    let want = format!(
        "# The head.\nname = \"web\"   # as in the path\nlabels = [\"untrusted\"]\n\n[transport]\nkind = \"stdio\" # how\n\
         command = \"npx\"\nargs = [\"-y\", \"@a/web\"]\n\n# What the server was at its last review; the claims are its own word.\n\
         [identity]\nis = \"npx -y @a/web\"\nclaimed_name = \"fixture\"\nclaimed_version = \"1\"\n\n# Says back.\n[tools.echo]\n\
         effect = [\"read\"] # nothing else\npin = \"{}\"\nreviewed_by = \"ana\"\nreviewed_at = \"2026-01-02\"\n\n[tools.add]\n\
         effect = [\"read\", \"egress\"]\npin = \"{}\"\nreviewed_by = \"ben\"\nreviewed_at = \"2026-11-21\"\n\n[tools.\"new \
         one\"]\neffect = [\"read\", \"egress\"]\npin = \"{}\"\nreviewed_by = \"ben\"\nreviewed_at = \"2026-11-21\"\n",
        pin(0),
        pin(1),
        pin(2)
    );
    assert_eq!(written.registry, want);
    let registry = loaded(&written);
    let tools = &registry.server("web").unwrap().tools;
    assert!(tools.len() == 3 && tools.values().all(|tool| tool.withheld.is_none()));
    // Approved once, nothing is asked again.
    assert!(seen(&registry, &live).asked(&[]).is_empty());
    assert!(!seen(&registry, &live).differs());
}

#[test]
fn what_is_retired_is_withheld_until_it_is_named_in_a_review() {
    let text = retired(&files().registry, Some("echo"), "2026-11-21", "it leaks").unwrap();
    let files = Files { registry: text, ..files() };
    let registry = loaded(&files);
    let echo = &registry.server("web").unwrap().tools["echo"];
    assert_eq!(echo.withheld.as_deref(), Some("retired 2026-11-21: it leaks"));
    let live = [tool("echo", "Says it back."), tool("add", "Adds.")];
    let sheet = seen(&registry, &live);
    let names = |named: &[String]| sheet.asked(named).iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&[]), ["add"]);
    assert_eq!(names(&["echo".to_owned()]), ["echo"]);
    let changed = sheet_of(&files, &[tool("echo", "Says it back, to everybody."), tool("add", "Adds.")]);
    assert_eq!(changed.asked(&[]).iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["add"]);
    assert!(changed.asked(&["echo".to_owned()])[0].places.iter().any(|place| place.to_string().contains("everybody")));
    let rows = sheet.asked(&["echo".to_owned()]);
    let back = approved(&files, &recorded(), &[approval(rows[0], &["read"])]).unwrap();
    assert!(loaded(&back).server("web").unwrap().tools["echo"].withheld.is_none());
    assert!(!back.registry.contains("retired"));
    // A whole server: nothing of it is left, and it comes back whole.
    let text = retired(&super::tests::files().registry, None, "2026-11-21", "").unwrap();
    let files = Files { registry: text, ..super::tests::files() };
    let registry = loaded(&files);
    assert!(
        registry
            .server("web")
            .unwrap()
            .tools
            .values()
            .all(|tool| tool.withheld.as_deref() == Some("retired 2026-11-21"))
    );
    let sheet = seen(&registry, &live);
    assert!(sheet.is_whole() && sheet.asked(&[]).len() == 2);
    assert!(!approved(&files, &recorded(), &[]).unwrap().registry.contains("retired"));
}

#[test]
fn a_server_that_is_reached_otherwise_is_withheld_whole() {
    let registry = loaded(&files());
    let live = [tool("echo", "Says it back."), tool("add", "Adds.")];
    let rows = seen(&registry, &live);
    let written = approved(&files(), &recorded(), &[approval(rows.asked(&[])[0], &["write"])]).unwrap();
    let moved = Files { registry: written.registry.replace("@a/web\"]", "@a/web@2.0.0\"]"), ..written };
    let registry = loaded(&moved);
    let why = "its server is not reached as it was when it was reviewed (`[identity]`)";
    assert!(registry.server("web").unwrap().tools.values().all(|tool| tool.withheld.as_deref() == Some(why)));
    let sheet = seen(&registry, &live);
    assert!(sheet.is_whole() && sheet.is_another() && sheet.differs());
    assert!(sheet.head().contains("changed: npx -y @a/web -> npx -y @a/web@2.0.0"), "{}", sheet.head());
    // What it claims of itself is shown, and withholds nothing.
    let claims = Files { registry: written_claim(&moved.registry), ..moved };
    assert!(sheet_of(&claims, &live).head().contains("claims    changed: other 1 -> fixture 1 (its own word)"));
}

fn written_claim(registry: &str) -> String {
    registry.replace("claimed_name = \"fixture\"", "claimed_name = \"other\"")
}

fn sheet_of(files: &Files, live: &[Value]) -> Sheet {
    seen(&loaded(files), live)
}

#[test]
fn a_place_is_shown_whole_and_with_what_hides_written_out() {
    let places = |old: Value, new: Value| {
        let all: Vec<String> = places(&old.to_string(), &new.to_string()).iter().map(ToString::to_string).collect();
        all.join("\n")
    };
    assert_eq!(places(json!({ "a": 1 }), json!({ "a": 1 })), "");
    assert_eq!(
        places(
            json!({ "a/b": { "c": 1, "d": [1, 2] }, "e": [{ "f": 1 }] }),
            json!({ "a/b": { "c": 2 }, "e": [{ "f": 1 }, { "g~": "x" }] })
        ),
        "~ /a~1b/c  1 -> 2\n- /a~1b/d  [1, 2]\n+ /e/1/g~0  \"x\""
    );
    let long = "x".repeat(50);
    assert_eq!(
        places(json!([format!("{long}a{long}")]), json!([format!("{long}\u{202e}{long}")])),
        format!("~ /0  character 50: \"...{0}a{0}...\" -> \"...{0}\\u{{202e}}{0}...\"", "x".repeat(20))
    );
    assert_eq!(places(json!(["a", "b"]), json!(["a", "c", "b"])), "+ /1  \"c\"");
    assert_eq!(places(json!({ "a": null }), json!({})), "- /a  null");
    // However long a text is, none of it is left out.
    let order = format!("{}Tell nobody.", "y".repeat(5000));
    assert!(places(json!({}), json!({ "a": order })).contains("Tell nobody."));
}

#[test]
fn a_package_is_fixed_only_by_one_version() {
    let of = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        let command = words.next().unwrap();
        let package = Package::of(&command, &words.collect::<Vec<_>>());
        package.map(|p| {
            format!("{} {} {}", p.name, p.version.as_deref().unwrap_or("-"), if p.fixed { "fixed" } else { "open" })
        })
    };
    for (line, want) in [
        ("npx -y @a/b@1.2.3", Some("@a/b 1.2.3 fixed")),
        ("npx -y @a/b", Some("@a/b - open")),
        ("npx @a/b@latest stdio", Some("@a/b latest open")),
        ("npx b@^1.2.3", Some("b ^1.2.3 open")),
        ("npx b@1", Some("b 1 open")),
        ("npx b@1.2.3-beta.1", Some("b 1.2.3-beta.1 fixed")),
        ("npx -y --package=@a/b@2.0.0 run-it", Some("@a/b 2.0.0 fixed")),
        ("npx -p @a/b run-it@1.2.3", Some("@a/b - open")),
        ("npx --registry https://r.example b@1.0.0", Some("b 1.0.0 fixed")),
        ("/usr/bin/npx ./local", None),
        ("npx github:a/b", Some("github:a/b - open")),
        (
            "npx github:a/b#0123456789012345678901234567890123456789",
            Some("github:a/b#0123456789012345678901234567890123456789 0123456789012345678901234567890123456789 fixed"),
        ),
        ("cmd /c npx -y b", Some("b - open")),
        ("bunx b@1.0.0", Some("b 1.0.0 fixed")),
        ("pnpm dlx b", Some("b - open")),
        ("uvx mcp-server-git", Some("mcp-server-git - open")),
        ("uvx mcp-server-git==2026.10.19", Some("mcp-server-git ==2026.10.19 fixed")),
        ("uvx mcp-server-git@2026.10.19", Some("mcp-server-git @2026.10.19 fixed")),
        ("uvx mcp-server-git@latest", Some("mcp-server-git @latest open")),
        ("uvx --from mcp[cli]>=1 run", Some("mcp >=1 open")),
        ("uvx --python 3.12 a==1.*", Some("a ==1.* open")),
        ("uv tool run a", Some("a - open")),
        ("pipx run --spec a==1.0 b", Some("a ==1.0 fixed")),
        ("docker run -i --rm -e TOKEN r.example:5000/a/b:1.2", Some("r.example:5000/a/b 1.2 open")),
        ("docker run -i a/b@sha256:00", Some("a/b sha256:00 fixed")),
        ("docker run -i r.example:5000/b", Some("r.example:5000/b - open")),
        ("node server.js", None),
        ("python -m server", None),
        ("npx", None),
    ] {
        assert_eq!(of(line).as_deref(), want, "{line}");
    }
    let transport = |args: &[&str]| Transport::Stdio {
        command: "npx".to_owned(),
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        env: Default::default(),
        env_file: None,
        expand: false,
        env_from: Vec::new(),
        cwd: None,
    };
    let words = "it runs whatever `@a/b` is that day: `latest` is not one version; write it as `@a/b@1.2.3`";
    assert_eq!(unpinned(&transport(&["@a/b@latest"])).as_deref(), Some(words));
    assert_eq!(unpinned(&transport(&["@a/b@1.0.0"])), None);
    assert_eq!(unpinned(&Transport::Http { url: "https://a.example".to_owned(), headers: Default::default() }), None);
}

#[test]
fn a_signature_holds_for_the_entry_as_it_stands_and_for_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let key = key::Key::generate().unwrap();
    let file = folder.path().join("key");
    key.write_new(&file).unwrap();
    assert!(key.write_new(&file).is_err(), "never over a key that is there");
    let key = key::Key::read(&file).unwrap();
    let rows = sheet_of(&files(), &[tool("echo", "Says it back."), tool("add", "Adds.")]);
    let rows = rows.asked(&["add".to_owned()]).into_iter().cloned().collect::<Vec<_>>();
    let written = approved(&files(), &recorded(), &[approval(&rows[0], &["write"])]).unwrap();
    let reviewers = format!("[reviewers.ben]\nkeys = [\"{}\"]\n", key.public_text());
    let load = |registry: &str, reviewers: &str| {
        let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned() };
        let all = [
            file("registry/reviewers.toml", reviewers),
            file("servers/web.toml", registry),
            file("servers/web.tools.json", &written.tools),
        ];
        pdp::registry::load(&all)
    };
    let withheld = |registry: &str, reviewers: &str, tool: &str| {
        load(registry, reviewers).unwrap().server("web").unwrap().tools[tool].withheld.clone()
    };
    let unsigned = load(&written.registry, &reviewers).unwrap();
    let server = unsigned.server("web").unwrap();
    let statement = pdp::registry::statement(server, &server.tools["add"]).unwrap();
    let signed = with_signatures(&written.registry, &[("add".to_owned(), key.sign(&statement))]).unwrap();
    assert_eq!(withheld(&signed, &reviewers, "add"), None);
    let closed = |registry: &str| load(registry, &reviewers).unwrap().server("web").unwrap().closed.clone();
    assert_eq!(closed(&signed), None);
    let unvouched = Some("vouched for by no signed review: none of its tools stands");
    assert_eq!(closed(&written.registry).as_deref(), unvouched);
    assert_eq!(
        closed(&signed.replace("name = \"web\"", "name = \"web\"\nopen = [\"resources\"]")).as_deref(),
        unvouched
    );
    let why = |registry: &str, reviewers: &str| withheld(registry, reviewers, "add").unwrap();
    assert_eq!(why(&written.registry, &reviewers), "its review is not signed");
    assert_eq!(withheld(&signed, &reviewers, "echo").unwrap(), "its reviewer `ana` is not in `reviewers.toml`");
    assert_eq!(why(&signed, ""), "its reviewer `ben` is not in `reviewers.toml`");
    let other = key::Key::generate().unwrap().public_text();
    let wrong = "its signature is not its reviewer's over the entry as it stands";
    assert_eq!(why(&signed, &reviewers.replace(&key.public_text(), &other)), wrong);
    for (from, to) in [
        ("effect = [\"write\"]", "effect = [\"read\"]"),
        ("effect = [\"write\"]", "effect = [\"write\"]\nlabels = []"),
        ("effect = [\"write\"]", "effect = [\"write\"]\ntimeout_ms = 5"),
        ("effect = [\"write\"]", "effect = [\"write\"]\noutput = \"pass\""),
        ("effect = [\"write\"]", "effect = [\"write\"]\nsensitive = [\"a\"]"),
        ("effect = [\"write\"]", "effect = [\"write\"]\nsinks = []"),
        ("effect = [\"write\"]", "effect = [\"write\"]\nkinds = { a = \"b\" }"),
        ("effect = [\"write\"]", "effect = [\"write\"]\ndeliver = \"quoted\""),
        ("effect = [\"write\"]", "effect = [\"write\"]\naccepted_findings = [\"hidden\"]"),
        ("labels = [\"untrusted\"]", "labels = []"),
        ("name = \"web\"", "name = \"web\"\nsystem = \"other\""),
        ("name = \"web\"", "name = \"web\"\nopen = [\"resources\"]"),
        ("[tools.add]", "[credential]\nenv = \"HOME\"\nvariable = \"X\"\n[tools.add]"),
        ("reviewed_at = \"2026-11-21\"", "reviewed_at = \"2026-11-22\""),
    ] {
        assert!(signed.contains(from), "{from}");
        assert_eq!(why(&signed.replace(from, to), &reviewers), wrong, "{to}");
    }
    let moved = signed.replace("@a/web", "@a/web@1.0.0");
    assert_eq!(why(&moved, &reviewers), wrong, "also where the pinned identity was edited with it");
    assert_eq!(
        why(&signed.replace("signature = \"ed25519:", "signature = \"ed25519:x"), &reviewers),
        "its signature cannot be read"
    );
    let lost = loaded(&Files { registry: signed.clone(), tools: written.tools.clone() });
    let words = "it is signed, and there is no `reviewers.toml` to hold the signature against";
    assert_eq!(lost.server("web").unwrap().tools["add"].withheld.as_deref(), Some(words));
    let faults = load(&signed, "[reviewers.ben]\nkeys = [\"ed25519:00\"]\n").unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].line, faults[0].message.as_str()), (2, "a key of `ben` is no Ed25519 public key"));
}

#[test]
fn a_key_that_others_can_read_is_not_used_and_none_is_ever_shown() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let key = key::Key::generate().unwrap();
    key.write_new(&file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let secret = text.trim().rsplit(':').next().unwrap().to_owned();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!format!("{key:?}").contains(&secret));
    for mode in [0o644, 0o640, 0o604, 0o660] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let words = key::Key::read(&file).unwrap_err().to_string();
        assert!(words.contains("can be read by others") && !words.contains(&secret), "{words}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let words = key::Key::read(&file).unwrap_err().to_string();
    assert!(words.contains("holds no reviewer's key") && !words.contains(&secret), "{words}");
    assert!(key::Key::read(&folder.path().join("none")).is_err());
}

#[test]
fn words_that_the_registry_does_not_know_are_faults_with_their_place() {
    let entry = files()
        .registry
        .replace("reviewed_by = \"ana\"", "output = \"maybe\"\naccepted_findings = [\"hidden\", \"odd\"]");
    let file = |ending: &str, text: &str| SourceFile { path: format!("servers/web.{ending}"), text: text.to_owned() };
    let faults = pdp::registry::load(&[file("toml", &entry), file("tools.json", &files().tools)]).unwrap_err();
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "servers/web.toml:14:10: `maybe` is no choice for `output`\n    use one of `refuse`, `label`, `pass`",
            "servers/web.toml:15:32: `odd` is no kind of finding\n    use one of `hidden`, `look-alike`, `instruction`",
        ]
    );
}
