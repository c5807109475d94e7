//! Stories as text: what a person sees is compared whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;

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
use pep::ports::Ledger;
use serde_json::json;

use super::*;
use crate::ledger::{Options, SqliteLedger};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const NOON: i64 = 1_795_176_000_000_000;

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
    DecisionNote { decision, rules, labels: labels(held), grants: BTreeSet::new() }
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
        principal: Some(principal()),
        client: None,
        server: "office".into(),
        system: None,
        transport: Some("stdio".into()),
        session: Some("ab12cd34ef56".into()),
        request_id: Some(number.to_string()),
        method: Some("tools/call".into()),
        target: Some(tool.into()),
        pin: None,
        effects: BTreeSet::from([Effect::Read]),
        arguments_digest: None,
        arguments: Some(json!({"folder": "inbox", "count": 3})),
        snapshot: Digest::of_bytes(b"first law"),
        decision: Some(decision(Decision::allow(), ("mail-read", "Agents may read mail"), &[])),
        credential: None,
        labels: labels(&["untrusted"]),
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
    Entry::Record(Box::new(record))
}

fn intent(number: u64, at: i64) -> Entry {
    Entry::Intent(Intent {
        number,
        trace: TRACE.into(),
        task: "session-1".into(),
        at_us: NOON + at,
        principal: principal(),
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
        arguments: Some(json!({"to": "eve@evil.example", "text": "pin\u{202e}4321\u{200b}"})),
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
    let want = "\
trace      4bf92f3577b34da6a3ce929d0e0e4736
task       session-1
caller     default/claude for alice, by token
from       2026-11-20 12:00:00.000000 UTC
to         2026-11-20 12:00:03.000000 UTC, 3.000 s in all
snapshot   sha256:b6dfc8b79dbe16ae5d8b2dd11c9e4ef8afc61d7e7e0aef3cd6a27b2dcb3e1db6 for 3-5
snapshot   sha256:5e1a7e
frames     5: 1 refused, 3 served, 1 without an outcome
";
    compare(&tell(&entries, &Telling::default()), want);
}
