//! A request that tries everything, as text; and what `watch` shows, frame by frame. `WICKETGATE_UPDATE=1 cargo test -p gateway
//! approvals` writes the golden files anew; read the difference.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test may panic"
)]

use std::path::Path;

use serde_json::{Value, json};

use super::shown;
use super::terminal::keys;
use super::view::{Act, Key, View};
use super::{Failed, Refused};
use crate::story::visible;

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
        "arguments": { "text": arguments.to_string(), "whole": true, "fields": [
            { "name": "body", "value": value("body"), "origin": ["untrusted"], "sink": false, "sensitive": true },
            { "name": "to", "value": value("to"), "origin": [], "sink": true, "sensitive": false },
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
    let text = shown::request(&request, 80, NOW_US);
    golden("show.txt", &text);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains("left out"), "{line}");
    }
    let hides = |c: &char| c.is_control() && *c != '\n' || ['\u{202e}', '\u{202c}', '\u{200b}', '\u{3164}'].contains(c);
    assert_eq!(text.chars().find(hides), None);
    // The arguments stand there to the last character: what was cut into lines, put together again.
    let whole = request["arguments"]["text"].as_str().unwrap();
    for width in [40, 80, 133] {
        assert_eq!(exact(&shown::request(&request, width, NOW_US)), visible::plain(whole), "{width}");
    }
    // A line of the goal's cannot be taken for one of ours.
    assert_eq!(text.lines().filter(|line| line.starts_with("  decision")).count(), 1);
}

/// The text that a decision binds, out of its lines.
fn exact(shown: &str) -> String {
    let mut out = String::new();
    for line in shown.lines().skip_while(|line| !line.starts_with("  as one text")).skip(1) {
        let line = &line[14..];
        match line.strip_suffix('¬') {
            Some(piece) => out.push_str(piece),
            None => return out + line,
        }
    }
    panic!("it does not end: {shown}")
}

/// A request with one argument, as it is shown.
fn with_argument(name: &str, value: &Value) -> String {
    let mut request = hostile();
    let arguments = json!({ name: value });
    request["arguments"] = json!({ "text": arguments.to_string(), "whole": true, "fields": [
        { "name": name, "value": value.to_string(), "origin": ["untrusted"], "sink": true, "sensitive": false },
    ] });
    shown::request(&request, 80, NOW_US)
}

#[test]
fn two_values_never_look_alike_and_a_large_one_is_no_burden() {
    let (one, other) = ("a".repeat(64), " b");
    let spaced = with_argument("path", &json!(format!("{one}{other}")));
    assert_ne!(spaced, with_argument("path", &json!(format!("{one}{}", other.trim()))));
    assert_ne!(with_argument("path", &json!(format!("{one}  b"))), spaced);
    let large = json!("x y".repeat(1_000_000));
    let began = std::time::Instant::now();
    assert_eq!(exact(&with_argument("path", &large)), json!({ "path": large }).to_string());
    // Copying what is left for each line, it was minutes.
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn the_name_of_an_argument_is_no_word_of_the_gates() {
    for name in
        ["to [given by the user]", "to\n  from        given by the user", "from        given by the user", "漢字"]
    {
        let shown = with_argument(&format!("{name}{}", " ".repeat(200)), &json!(1));
        assert_eq!(
            shown.lines().filter(|line| line.starts_with("  from")).collect::<Vec<_>>(),
            ["  from        found in: untrusted"]
        );
        assert!(shown.contains("  argument    \""), "{shown}");
        assert!(shown.lines().all(|line| visible::columns(line) <= 80), "{shown}");
    }
}

#[test]
fn what_is_not_known_is_said() {
    let mut request = hostile();
    request["arguments"]["whole"] = json!(false);
    request["before"] = json!([{ "number": 1, "at": "2026-11-22T00:59:00.000Z", "server": "office", "action": "x",
                                 "decision": null, "ending": "refused", "labels": [] }]);
    let shown = shown::request(&request, 80, NOW_US);
    assert!(shown.contains("ARGUMENTS (NOT WHOLE;") && !shown.contains("exact"), "{shown}");
    assert!(shown.contains("office/x: refused before policy, refused"), "{shown}");
    request["before"] = Value::Null;
    let shown = shown::request(&request, 80, NOW_US);
    assert!(shown.contains("could not be read") && !shown.contains("first call"), "{shown}");
    request["before"] = json!([]);
    assert!(shown::request(&request, 80, NOW_US).contains("nothing: it is the first call of the task"));
    // What the host said stands with the claims.
    let (verified, claimed) = shown.split_once("CLAIMED, NOT VERIFIED").unwrap();
    assert!(claimed.contains("the goal is: pay") && !verified.contains("goal"));
}

#[test]
fn each_refusal_has_the_code_that_says_what_to_do() {
    let of = |status, code: &str| {
        let refused = Refused { status, code: code.to_owned(), words: "words".to_owned() };
        let Failed { code, words } = Failed::of(refused, "https://gate.example/page");
        (code, words.contains("somebody or something else was first"), words.contains("https://gate.example/page"))
    };
    assert_eq!(of(409, "changed"), (4, false, false));
    assert_eq!(of(409, "decided"), (4, true, false));
    assert_eq!(of(409, "withheld"), (3, false, false));
    for code in ["no_passkey", "no_passkeys_here", "no_challenge"] {
        assert_eq!(of(409, code), (6, false, true), "{code}");
    }
    assert_eq!(of(428, "step_up"), (6, false, true));
    assert_eq!([of(403, "own_request").0, of(404, "no_approval").0, of(409, "else").0], [5, 7, 1]);
}

#[test]
fn a_table_fits_a_terminal_of_eighty_columns() {
    let mut long = hostile();
    long["caller"]["agent"] = json!("default/an-agent-with-a-very-long-name\u{202e}");
    long["created"] = json!("2026-11-20T01:00:00Z");
    let table = shown::table(&[hostile(), long], NOW_US);
    golden("list.txt", &table);
    let mut wide = hostile();
    wide["action"]["name"] = json!("漢字".repeat(20));
    for table in [table, shown::table(&[wide], NOW_US)] {
        assert!(table.lines().all(|line| visible::columns(line) <= 80), "{table}");
    }
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
    let text = shown::request(&hostile(), 80, NOW_US);
    view.open(Ok(hostile()), NOW_US);
    view.frame(80, 8, NOW_US);
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
    view.open(Err("there is no such request".to_owned()), NOW_US);
    assert_eq!(view.frame(80, 8, NOW_US)[7], "there is no such request");
    for (width, height) in [(0, 0), (1, 1), (5, 2), (80, 3)] {
        let frame = view.frame(width, height, NOW_US);
        assert!(frame.len() <= height && frame.iter().all(|line| visible::columns(line) <= width.max(1)), "{frame:?}");
    }
}

#[test]
fn what_is_open_is_laid_out_for_the_terminal_and_told_to_be_old() {
    let mut view = View::default();
    let mut request = hostile();
    request["rules"] = json!([{ "id": "r", "reason": "漢字 ".repeat(60) }]);
    view.all(vec![request.clone()]);
    view.open(Ok(request.clone()), NOW_US);
    for width in [44, 80, 200] {
        let frame = view.frame(width, 1000, NOW_US);
        assert_eq!(frame.iter().map(|line| line.matches('字').count()).sum::<usize>(), 60, "{width}");
        assert!(frame.iter().all(|line| visible::columns(line) <= width && !line.ends_with('…')), "{frame:?}");
    }
    let foot = |view: &mut View| view.frame(80, 24, NOW_US).pop().unwrap();
    let mut again = request.clone();
    again["asked"] = json!(9);
    view.one(again);
    assert!(!foot(&mut view).contains("CHANGED"), "asked once more is no change");
    assert_eq!(view.press(Key::Open, 24), Act::Nothing);
    view.one(waiting("ap_other", 1, "granted"));
    assert!(!foot(&mut view).contains("CHANGED"), "another one");
    let mut granted = request.clone();
    granted["state"] = json!("granted");
    view.one(granted);
    view.press(Key::Down, 24);
    assert!(foot(&mut view).starts_with("CHANGED SINCE"), "and it stays said");
    assert_eq!(view.press(Key::Open, 24), Act::Open(request["id"].as_str().unwrap().to_owned()));
    view.open(Ok(request), NOW_US);
    assert!(!foot(&mut view).contains("CHANGED"));
    view.all(Vec::new());
    assert!(foot(&mut view).starts_with("CHANGED SINCE"), "it waits no more");
}

#[test]
fn keys_are_read_however_they_come() {
    assert_eq!(keys(b"\x1b[A\x1b[Bjk\r"), [Key::Up, Key::Down, Key::Down, Key::Up, Key::Open]);
    assert_eq!(keys(b"\x1b"), [Key::Back]);
    assert_eq!(keys(b"\x1b[1;5Cx\x1b[200~q"), [Key::Quit], "other keys do nothing");
    assert_eq!(keys(b"\x03"), [Key::Quit]);
    assert_eq!(keys(b"\x1b["), []);
}
