//! A request that tries everything, as text; and what `watch` shows, frame by frame. `WICKETGATE_UPDATE=1 cargo test -p gateway
//! approvals` writes the golden files anew; read the difference.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;

use serde_json::{Value, json};

use super::shown;
use super::terminal::keys;
use super::view::{Act, Key, View};

/// 2026-11-22T01:05:00Z.
const NOW_US: i64 = 1_795_309_500_000_000;

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/approvals/golden").join(name);
    if std::env::var_os("WICKETGATE_UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "golden/{name}");
}

/// What tries to hide, to reorder, to move the cursor, to imitate a line of ours.
const TRICKS: &str = "pay \u{202e}eve\u{202c} \u{200b}now\u{1b}[2J\r\n  decision    granted \\u{41} \u{3164}раypal";

fn hostile() -> Value {
    let arguments = json!({ "body": format!("{TRICKS} {}", "long ".repeat(200)), "to": "eve@example.net" });
    let value = |name: &str| arguments[name].to_string();
    json!({
        "id": "ap_aaaaaaaaaaaaaaaaaaaaaaaaaa", "state": "pending", "digest": "sha256:0000",
        "created": "2026-11-22T01:00:00.000Z", "expires": "2026-11-22T02:00:00.000Z", "waiting": 2, "asked": 3,
        "caller": { "agent": "default/claude", "tenant": "default", "user": "alice", "teams": ["dev", "ops"],
                    "method": "token", "claimed": { "client": TRICKS, "version": "2.1" } },
        "task": { "id": "task-0123456789abcdef", "trace": "0af7651916cd43dd8448eb211c80319c", "profile": "",
                  "explicit": false, "goal": TRICKS, "labels": ["untrusted"] },
        "server": { "name": "office", "system": "office", "owner": "it", "transport": "https://office.example/mcp",
                    "trust": "untrusted" },
        "action": { "name": "send_mail", "kind": "tool", "effects": ["egress"], "pin": "sha256:1111",
                    "reviewed_by": "bob", "reviewed_at": "2026-11-20",
                    "claimed": { "title": TRICKS, "description": "sends \u{1b}]8;;http://evil\u{7}mail", "annotations": { "readOnlyHint": true } } },
        "arguments": { "text": arguments.to_string(), "fields": [
            { "name": "body", "value": value("body"), "origin": ["untrusted"], "sink": false },
            { "name": "to", "value": value("to"), "origin": [], "sink": true },
        ] },
        "impact": { "files": 3 }, "labels": ["private", "untrusted"], "readers": null,
        "rules": [{ "id": "egress-guard", "reason": "mail leaves the house" }],
        "grants": [{ "name": "security", "quorum": 2, "given_by": ["default/alice"], "you_may": true, "why_not": null, "step_up": true },
                   { "name": "finance", "quorum": 1, "given_by": [], "you_may": false, "why_not": "it is for team:finance", "step_up": false }],
        "before": [{ "number": 12, "at": "2026-11-22T00:59:00.000Z", "server": "office", "action": "read_mail", "decision": "allow",
                     "ending": "served", "labels": ["untrusted"] }],
        "decisions": [{ "at": "2026-11-22T01:01:00.000Z", "by": "default/alice", "what": "granted", "grants": ["security"],
                        "uses": 1, "reason": "" }],
        "why_closed": null, "snapshot": "sha256:2222", "record": 123,
    })
}

#[test]
fn a_request_is_shown_whole_and_nothing_in_it_acts() {
    let request = hostile();
    let text = shown::request(&request, NOW_US);
    golden("show.txt", &text);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains("left out"), "{line}");
    }
    let hides = |c: &char| c.is_control() && *c != '\n' || ['\u{202e}', '\u{202c}', '\u{200b}', '\u{3164}'].contains(c);
    assert_eq!(text.chars().find(hides), None);
    // The arguments stand there to the last character: what was wrapped, put together again.
    let flat = |text: &str| text.split_whitespace().collect::<String>();
    let whole = request["arguments"]["text"].as_str().unwrap();
    assert!(flat(&text).contains(&flat(&crate::story::visible::plain(whole))));
    // A line of the goal's cannot be taken for one of ours.
    assert_eq!(text.lines().filter(|line| line.starts_with("  decision")).count(), 1);
}

#[test]
fn a_table_fits_a_terminal_of_eighty_columns() {
    let mut long = hostile();
    long["caller"]["agent"] = json!("default/an-agent-with-a-very-long-name\u{202e}");
    long["created"] = json!("2026-11-20T01:00:00Z");
    let table = shown::table(&[hostile(), long], NOW_US);
    golden("list.txt", &table);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert_eq!(shown::table(&[], NOW_US), "nothing waits\n");
}

fn waiting(id: &str, minute: u32, state: &str) -> Value {
    json!({ "id": id, "state": state, "created": format!("2026-11-22T01:0{minute}:00Z"), "caller": { "agent": "default/ann" },
            "server": { "name": "office" }, "action": { "name": TRICKS } })
}

fn ids(frame: &[String]) -> Vec<String> {
    let rows = frame.iter().filter(|line| line.contains("ap_"));
    rows.map(|line| line.split_whitespace().filter(|w| *w == ">" || w.starts_with("ap_")).collect::<String>()).collect()
}

#[test]
fn the_watch_keeps_its_place_while_requests_come_and_go() {
    let mut view = View::default();
    assert_eq!(view.frame(80, 10, NOW_US)[0], "asking the gate");
    view.all(vec![waiting("ap_c", 3, "pending"), waiting("ap_a", 1, "pending")]);
    assert_eq!(ids(&view.frame(80, 10, NOW_US)), [">ap_a", "ap_c"], "the newest last");
    view.press(Key::Down, 10);
    view.one(waiting("ap_b", 2, "pending"));
    view.one(waiting("ap_z", 0, "granted"));
    assert_eq!(ids(&view.frame(80, 10, NOW_US)), ["ap_a", "ap_b", ">ap_c"]);
    view.one(waiting("ap_a", 1, "granted"));
    assert_eq!(ids(&view.frame(80, 10, NOW_US)), ["ap_b", ">ap_c"]);
    assert_eq!(view.press(Key::Open, 10), Act::Open("ap_c".to_owned()));
    view.one(waiting("ap_c", 3, "refused"));
    assert_eq!(ids(&view.frame(80, 10, NOW_US)), [">ap_b"]);
    view.lost("it has ended".to_owned());
    let frame = view.frame(80, 10, NOW_US);
    assert_eq!(frame[0], "1 request waits (NOT CURRENT, connecting again: it has ended)");
    assert_eq!((frame.len(), ids(&frame)), (10, vec![">ap_b".to_owned()]), "what was known stays");
    view.all(Vec::new());
    assert_eq!(view.frame(80, 10, NOW_US)[0], "nothing waits");
    assert_eq!(view.press(Key::Open, 10), Act::Nothing);
}

#[test]
fn frames_fit_and_what_is_opened_can_be_read_to_its_end() {
    let mut view = View::default();
    view.all((0..9).map(|n| waiting(&format!("ap_{n}"), n, "pending")).collect());
    view.press(Key::End, 8);
    assert_eq!(ids(&view.frame(40, 8, NOW_US)), ["ap_6", "ap_7", ">ap_8"]);
    let text = shown::request(&hostile(), NOW_US);
    view.open(Ok(text.clone()));
    let mut seen = Vec::new();
    for _ in 0..text.lines().count() {
        let frame = view.frame(80, 8, NOW_US);
        assert_eq!(frame.len(), 8);
        seen.extend(frame[2..6].to_vec());
        view.press(Key::PageDown, 8);
    }
    for line in text.lines() {
        assert!(seen.iter().any(|shown| shown == line.trim_end()), "{line}");
    }
    view.press(Key::Back, 8);
    assert_eq!(ids(&view.frame(80, 8, NOW_US)).len(), 3);
    view.open(Err("there is no such request".to_owned()));
    assert_eq!(view.frame(80, 8, NOW_US)[7], "there is no such request");
    for (width, height) in [(0, 0), (1, 1), (5, 2), (80, 3)] {
        let frame = view.frame(width, height, NOW_US);
        assert!(frame.len() <= height && frame.iter().all(|line| line.chars().count() <= width.max(1)), "{frame:?}");
    }
}

#[test]
fn keys_are_read_however_they_come() {
    assert_eq!(keys(b"\x1b[A\x1b[Bjk\r"), [Key::Up, Key::Down, Key::Down, Key::Up, Key::Open]);
    assert_eq!(keys(b"\x1b"), [Key::Back]);
    assert_eq!(keys(b"\x1b[1;5Cx\x1b[200~q"), [Key::Quit], "other keys do nothing");
    assert_eq!(keys(b"\x03"), [Key::Quit]);
    assert_eq!(keys(b"\x1b["), []);
}
