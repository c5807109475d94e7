//! Calls judged by one law and put to another: what would turn, which way, and for which rule.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use pdp::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use pdp::json::Json;
use pdp::label::LabelSet;
use pdp::principal::Principal;
use pdp::record::{
    ALONG_MAX, Along, CanonicalJson, DecisionNote, Direction, Ending, FrameKind, Note, RECORD_VERSION, Record,
};

use super::*;

pub(in crate::desk) const LAW: &str = r#"
@id("lifecycle") permit (principal, action in Gate::Action::"lifecycle", resource);
@id("features") permit (principal, action in Gate::Action::"feature", resource);
@id("reads") permit (principal, action in Gate::Action::"read", resource);
@id("mail") permit (principal, action == office::Action::"mail_send", resource);
@id("pays") permit (principal, action == office::Action::"payments_send", resource);
@id("quiet") @reason("untrusted text was read")
forbid (principal, action in Gate::Action::"egress", resource)
when { context.gate.labels.contains(Gate::Label::"untrusted") };
@id("owner") @reason("money moves") @approval("owner")
forbid (principal, action in Gate::Action::"spend", resource);
@id("few") @reason("enough calls were made")
forbid (principal, action, resource) when { context.gate.calls > 100 };
"#;

pub(in crate::desk) fn snapshot(law: &str) -> Snapshot {
    let mut sources = crate::reload::read(None).unwrap();
    let text = law.to_owned();
    sources.policies = vec![pdp::fault::SourceFile { path: "policies/all.cedar".to_owned(), text }];
    Snapshot::build(&sources).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A call of a tool under labels, as it would be recorded, before it is judged.
pub(in crate::desk) fn call(number: u64, tool: &str, arguments: &str, labels: &[&str]) -> Record {
    let principal = Principal {
        agent: "robin".to_owned(),
        method: "token".to_owned(),
        teams: Vec::new(),
        tenant: "default".to_owned(),
        user: String::new(),
    };
    let arguments = CanonicalJson::of(&Json::read(arguments, 9).unwrap());
    Record {
        v: RECORD_VERSION,
        number,
        trace: "t".to_owned(),
        span: "s".to_owned(),
        parent: None,
        link: None,
        task: "task-1".to_owned(),
        started_us: 1_790_000_000_000_000,
        took_us: 1,
        direction: Direction::ToServer,
        kind: FrameKind::Request,
        protocol: None,
        principal: Some(Arc::new(principal)),
        client: None,
        server: "office".to_owned(),
        system: None,
        transport: None,
        session: None,
        request_id: None,
        method: Some("tools/call".to_owned()),
        target: Some(tool.to_owned()),
        pin: None,
        effect: None,
        errand: None,
        effects: BTreeSet::new(),
        arguments_digest: Some(Digest::of_bytes(arguments.text().as_bytes())),
        arguments: Some(arguments),
        snapshot: Digest::of_bytes(b"unknown"),
        decision: Some(DecisionNote::of(
            Decision::allow(),
            Vec::new(),
            Vec::new(),
            &pdp::policy::Facts {
                labels: labels.iter().copied().collect::<LabelSet>(),
                calls: 3,
                now_ms: 1_790_000_000_000,
                ..Default::default()
            },
        )),
        credential: None,
        approvals: Vec::new(),
        plan: None,
        labels: LabelSet::default(),
        flow: None,
        stages: Vec::new(),
        attempts: Vec::new(),
        notes: Vec::new(),
        bytes_in: 1,
        result: None,
        ending: Ending::Served,
        refusal: None,
    }
}

/// The record with what the law said of it.
pub(in crate::desk) fn judged(mut record: Record, law: &Snapshot) -> Record {
    let judgement = match Recorded::of(&record).unwrap().judge(law) {
        Outcome::Judged(judgement) => judgement,
        Outcome::Refused(fault) => panic!("{fault}"),
    };
    record.snapshot = law.digest();
    let note = record.decision.as_mut().unwrap();
    (note.decision, note.rules) = (judgement.decision, judgement.rules);
    record
}

fn traffic() -> Vec<Record> {
    let mail = r#"{"to":"a@b.example","subject":"s","body":"t"}"#;
    let pay = r#"{"recipient":"Acme","amount":1,"reference":"x"}"#;
    vec![
        call(1, "mail_list", "{}", &[]),
        call(2, "mail_send", mail, &["untrusted"]),
        call(3, "mail_send", mail, &[]),
        call(4, "payments_send", pay, &[]),
        call(5, "files_delete", r#"{"path":"/a"}"#, &[]),
        call(6, "mail_send", mail, &["untrusted"]),
    ]
}

fn told(tally: &Tally) -> String {
    let report = tally.report();
    let mut out = format!(
        "{} compared, {} same, {} wider, {} narrower\n",
        report.compared, report.same, report.wider, report.narrower
    );
    for d in &report.differences {
        let numbers: Vec<u64> = d.examples.iter().map(|e| e.number).collect();
        writeln!(out, "{:?} {}x {} -> {}, {} {:?}: {numbers:?}", d.turn, d.count, d.from, d.to, d.cause, d.rules)
            .unwrap();
    }
    for (why, count) in &report.not_comparable {
        writeln!(out, "not: {count}x {why}").unwrap();
    }
    out
}

#[track_caller]
fn check(change: impl Fn(&str) -> String, want: &str) {
    let own = Arc::new(snapshot(LAW));
    let changed = change(LAW);
    assert_ne!(changed, LAW, "the change changes nothing");
    let candidate = snapshot(&changed);
    let mut tally = Tally::default();
    for record in traffic() {
        tally.add(&judged(record, &own), &candidate, &mut |digest| (digest == own.digest()).then(|| Arc::clone(&own)));
    }
    let want: Vec<&str> = want.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told(&tally).lines().collect::<Vec<_>>(), want);
}

#[test]
fn each_turn_is_told_with_the_rule_behind_it() {
    check(
        |law| law.replace("contains(Gate::Label::\"untrusted\")", "contains(Gate::Label::\"secret\")"),
        r#"
        6 compared, 4 same, 2 wider, 0 narrower
        Wider 2x deny -> allow, no longer stopped by ["quiet"]: [6, 2]
        "#,
    );
    check(
        |law| law.replace("@approval(\"owner\")", ""),
        r#"
        6 compared, 5 same, 0 wider, 1 narrower
        Narrower 1x escalate to owner -> deny, now stopped by ["owner"]: [4]
        "#,
    );
    check(
        |law| law.replace("@id(\"reads\") permit", "@id(\"reads\") @obligation(\"quote\") permit"),
        r#"
        6 compared, 5 same, 0 wider, 1 narrower
        Narrower 1x allow -> allow quoted, with other duties, permitted by ["reads"]: [1]
        "#,
    );
    check(
        |law| law.replace("Gate::Action::\"read\"", "Gate::Action::\"write\""),
        r#"
        6 compared, 4 same, 1 wider, 1 narrower
        Wider 1x deny -> allow, now permitted by ["reads"]: [5]
        Narrower 1x allow -> deny, no longer permitted by ["reads"]: [1]
        "#,
    );
    check(
        |law| law.replace("context.gate.calls > 100", "context.gate.calls > 2"),
        r#"
        6 compared, 3 same, 0 wider, 3 narrower
        Narrower 2x allow -> deny, now stopped by ["few"]: [3, 1]
        Narrower 1x escalate to owner -> deny, now stopped by ["few", "owner"]: [4]
        "#,
    );
    // Another reason for the same decision is the same decision.
    check(|law| law.replace("@id(\"quiet\")", "@id(\"silent\")"), "6 compared, 6 same, 0 wider, 0 narrower");
}

#[test]
fn what_the_registry_no_longer_has_is_narrower() {
    let own = snapshot(LAW);
    let mut sources = crate::reload::read(None).unwrap();
    let text = LAW.lines().filter(|line| !line.contains("office::")).collect::<Vec<_>>().join("\n");
    sources.policies = vec![pdp::fault::SourceFile { path: "policies/all.cedar".to_owned(), text }];
    for file in &mut sources.registry {
        file.text = file.text.replace("reviewed_", "# reviewed_");
    }
    let candidate = Snapshot::build(&sources).unwrap_or_else(|faults| panic!("{faults:?}"));
    let mut tally = Tally::default();
    tally.add(&judged(call(1, "mail_list", "{}", &[]), &own), &candidate, &mut |_| None);
    assert_eq!(
        told(&tally),
        "1 compared, 0 same, 0 wider, 1 narrower\n\
         Narrower 1x allow -> refused, `mail_list` of `office` is withheld []: [1]\n"
    );
}

#[test]
fn what_a_record_does_not_hold_is_said_and_never_guessed() {
    let law = snapshot(LAW);
    let mut tally = Tally::default();
    let good = judged(call(1, "mail_list", "{}", &[]), &law);
    let with = |change: &dyn Fn(&mut Record)| {
        let mut record = good.clone();
        change(&mut record);
        record
    };
    let note = |record: &mut Record, change: &dyn Fn(&mut DecisionNote)| change(record.decision.as_mut().unwrap());
    let along = |text: &str| Along { method: "prompts/get".to_owned(), target: text.to_owned() };
    let records = [
        with(&|r| r.decision = None),
        with(&|r| {
            r.decision = None;
            r.refusal = Some(pdp::refusal::Refusal::new(pdp::refusal::Code::UnknownTool, "x"));
        }),
        with(&|r| note(r, &|n| n.now_ms = 0)),
        with(&|r| r.arguments = None),
        with(&|r| r.arguments = Some(serde_json::json!({ "pin": { "withheld": "pin" } }).into())),
        with(&|r| {
            r.method = Some("resources/read".to_owned());
            r.target = Some("x".repeat(1024));
        }),
        with(&|r| note(r, &|n| n.along = vec![along("x"); ALONG_MAX])),
        with(&|r| r.notes = vec![Note { at_us: 1, text: "along: prompts/get x".to_owned() }]),
        with(&|r| note(r, &|n| n.labels = ["unheard-of"].into_iter().collect())),
        with(&|r| note(r, &|n| n.decision = Decision::Deny(Reason::NoPermit))),
        with(&|r| r.notes = vec![Note { at_us: 1, text: "asked: elicitation/create: allow by [x]".to_owned() }]),
    ];
    let own = Arc::new(snapshot(LAW));
    for record in &records {
        tally.add(record, &law, &mut |digest| (digest == own.digest()).then(|| Arc::clone(&own)));
    }
    tally.set_aside(NotComparable::Unreadable);
    assert_eq!(
        told(&tally),
        "1 compared, 1 same, 0 wider, 0 narrower\n\
         not: 1x a sensitive argument was withheld from the record\n\
         not: 1x a target too long for the record\n\
         not: 1x arguments too long for the record\n\
         not: 1x asked by a server in an answer (the call itself is compared)\n\
         not: 1x ended before policy was asked\n\
         not: 1x had a label or grant that the candidate's vocabulary lacks\n\
         not: 1x its own snapshot decides otherwise on what the record holds\n\
         not: 2x more rode along than the record keeps\n\
         not: 1x recorded by a version that kept less of what decisions saw\n\
         not: 1x refused before policy was asked: unknown_tool\n\
         not: 1x the entry cannot be read\n"
    );
}

#[test]
fn what_rides_along_is_put_to_the_candidate_too() {
    let own = snapshot(LAW);
    let mut record = call(1, "", "{}", &[]);
    record.method = Some("completion/complete".to_owned());
    (record.target, record.arguments) = (None, None);
    let note = record.decision.as_mut().unwrap();
    note.along = vec![Along { method: "prompts/get".to_owned(), target: "greet".to_owned() }];
    record.server = "office".to_owned();
    let case = Recorded::of(&record).unwrap();
    assert_eq!(case.along.len(), 1);
    // The office opens resources and prompts, not completion: the gate would refuse it before policy.
    assert!(matches!(case.judge(&own), Outcome::Refused(CaseFault::NotOpen { .. })));
    record.method = Some("resources/list".to_owned());
    let record = judged(record, &own);
    let stricter =
        format!("{LAW}\n@id(\"no-prompts\") forbid (principal, action == Gate::Action::\"prompts/get\", resource);");
    let mut tally = Tally::default();
    tally.add(&record, &snapshot(&stricter), &mut |_| None);
    assert_eq!(
        told(&tally),
        "1 compared, 0 same, 0 wider, 1 narrower\n\
         Narrower 1x allow -> deny, now stopped by [\"no-prompts\"]: [1]\n"
    );
}

#[test]
fn groups_are_bounded_and_the_rest_is_counted() {
    let (own, candidate) = (snapshot(LAW), snapshot(&LAW.replace("\"read\"", "\"spend\"")));
    let record = judged(call(1, "mail_list", "{}", &[]), &own);
    let mut tally = Tally::default();
    for n in 0..GROUPS_MAX + 5 {
        let mut record = record.clone();
        record.decision.as_mut().unwrap().rules =
            vec![pdp::policy::Rule { id: format!("r{n}"), reason: String::new() }];
        tally.add(&record, &candidate, &mut |_| None);
    }
    let report = tally.report();
    assert_eq!((report.differences.len(), report.not_listed, report.narrower), (GROUPS_MAX, 5, GROUPS_MAX as u64 + 5));
    for n in 0..10 {
        let record = Record { number: n, ..record.clone() };
        tally.add(&record, &candidate, &mut |_| None);
    }
    assert!(tally.report().differences.iter().all(|d| d.examples.len() <= EXAMPLES_MAX));
}
