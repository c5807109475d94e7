//! The text of an entry is its canonical form, and comes back as the entry it was.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use proptest::prelude::*;

use super::*;
use crate::json::{self, Json};
use crate::refusal::Code;

/// A record with every member set, its texts and numbers as given.
fn full(text: &str, number: u64, arguments: &str) -> Record {
    let words = || text.to_owned();
    let digest = Digest::of_bytes(text.as_bytes());
    let labels: LabelSet = ["untrusted", "private"].into_iter().collect();
    let rule = Rule { id: words(), reason: words() };
    Record {
        v: RECORD_VERSION,
        number,
        trace: words(),
        span: words(),
        parent: Some(words()),
        link: Some(words()),
        task: words(),
        started_us: 1_790_000_000_000_000,
        took_us: number,
        direction: Direction::ToServer,
        kind: FrameKind::Request,
        protocol: Some(words()),
        principal: Some(Arc::new(Principal {
            agent: words(),
            method: words(),
            teams: vec![words()],
            tenant: words(),
            user: words(),
        })),
        client: Some(words()),
        server: words(),
        system: Some(words()),
        transport: Some(words()),
        session: Some(words()),
        request_id: Some(words()),
        method: Some(words()),
        target: Some(words()),
        pin: Some(digest),
        effects: BTreeSet::from([Effect::Read, Effect::Egress]),
        effect: Some(EffectNote {
            again: Some(3),
            fault: Some(words()),
            key: Some(words()),
            preview: Some(PreviewNote { fault: Some(words()), result: Some(digest), tool: words() }),
            rollback: Some(RollbackNote { fault: Some(words()), tool: words() }),
            state: EffectState::RolledBack,
        }),
        errand: Some(ErrandNote { of: number, what: Errand::Preview }),
        arguments_digest: Some(digest),
        arguments: Some(CanonicalJson::of(&Json::read(arguments, 9).unwrap())),
        snapshot: digest,
        decision: Some(DecisionNote {
            along: vec![Along { method: words(), target: words() }],
            calls: number,
            decision: Decision::Escalate(BTreeSet::from([words()])),
            grants: BTreeSet::from([words()]),
            impact: Some([(words(), Impact::Long(3)), (words() + "2", Impact::Decimal("1.5".to_owned()))].into()),
            labels: labels.clone(),
            now_ms: 1_790_000_000_000,
            origin: [(words(), labels.clone())].into(),
            readers: Readers::only([words()]),
            rules: vec![rule],
            task: TaskFacts { depth: number, explicit: true, profile: words(), ..TaskFacts::default() },
            unvouched: labels.clone(),
        }),
        approvals: vec![ApprovalNote {
            by: BTreeSet::from([words()]),
            from_us: number,
            grants: BTreeSet::from([words()]),
            id: Some(words()),
            outcome: AskOutcome::Granted,
            rules: vec![words()],
            took_us: 4,
        }],
        credential: Some(words()),
        plan: Some(PlanNote { by: Voice::Host, out_of_order: true, revision: 1, step: Some(2), steps: 3 }),
        labels,
        flow: Some(Box::new(flow(text, number))),
        stages: vec![StageTime { at_us: number, stage: words().into() }],
        attempts: vec![Attempt {
            address: words(),
            ended_us: number,
            fault: Some(words()),
            span: words(),
            started_us: 1,
            status: Some(200),
        }],
        notes: vec![Note { at_us: 2, text: words() }],
        bytes_in: number,
        result: Some(ResultNote { bytes: 1, error_code: Some(-3), error_message: Some(words()), is_error: true }),
        ending: Ending::Served,
        refusal: Some(Refusal::new(Code::Denied, text)),
    }
}

/// What is said of data, every member set.
fn flow(text: &str, number: u64) -> FlowNote {
    let words = || text.to_owned();
    let memory = MemoryNote {
        expires_us: Some(7),
        keys: vec![words()],
        role: crate::flow::memory::Role::Append,
        scope: words(),
        withheld: number,
        written_in: vec![number],
    };
    let declassified = Declassified { by: words(), grants: BTreeSet::from([words()]), label: words() };
    FlowNote {
        declassified: vec![declassified],
        memory: Some(memory),
        readers: Readers::only([words()]),
        sent: [text].into_iter().collect(),
    }
}

fn entries(text: &str, number: u64, arguments: &str) -> Vec<Entry> {
    let record = full(text, number, arguments);
    let bare = Record {
        parent: None,
        principal: None,
        approvals: Vec::new(),
        arguments: None,
        decision: None,
        plan: Some(PlanNote { by: Voice::Agent, out_of_order: false, revision: 0, step: None, steps: 1 }),
        result: None,
        labels: LabelSet::default(),
        effect: None,
        errand: None,
        effects: BTreeSet::new(),
        notes: Vec::new(),
        attempts: Vec::new(),
        ..record.clone()
    };
    let principal = record.principal.clone().unwrap();
    let words = || text.to_owned();
    let intent = Intent {
        arguments_digest: Some(Digest::of_bytes(b"arguments")),
        number,
        trace: words(),
        task: words(),
        at_us: 1,
        principal,
        server: words(),
        method: words(),
        target: Some(words()),
        body: record.snapshot,
        snapshot: record.snapshot,
    };
    let event =
        Event { by: Some(words()), task: Some(words()), trace: Some(words()), ..Event::new(-1, words(), words()) };
    let mut all =
        vec![Entry::Record(record.into()), Entry::Record(bare.into()), Entry::Intent(intent), Entry::Event(event)];
    all.extend(sayings(text).into_iter().enumerate().map(|(n, said)| {
        let voice = if n % 2 == 0 { Voice::Host } else { Voice::Agent };
        let number = (voice == Voice::Agent).then_some(number);
        let standing = Standing::SelfReported;
        Entry::Said(Said { at_us: 3, by: words(), number, said, standing, task: words(), trace: words(), voice })
    }));
    all
}

/// One of each kind, with and without what may be left out.
fn sayings(text: &str) -> Vec<Saying> {
    let words = || text.to_owned();
    let steps = vec![
        PlanStep { many: true, note: words(), tool: words() },
        PlanStep { many: false, note: String::new(), tool: words() },
    ];
    vec![
        Saying::Prompt { text: words() },
        Saying::Context { origin: words(), text: words() },
        Saying::Plan { steps: steps.clone() },
        Saying::Revision { steps, text: words() },
        Saying::AbandonedBranch { steps: vec![2, 1], text: words() },
        Saying::AbandonedBranch { steps: vec![], text: words() },
        Saying::Note { text: words() },
    ]
}

proptest! {
    #[test]
    fn an_entry_is_written_in_its_canonical_form_and_read_back(text in ".{0,40}", number in 0u64..1 << 53) {
        let arguments = format!(r#"{{"z":1.0,"a":[{number},true],{}:0.5}}"#, json::quoted(&format!("m{text}")));
        for entry in entries(&text, number, &arguments) {
            let written = entry.canonical().unwrap();
            prop_assert_eq!(&written, &json::canonical(&Json::read(&written, 64).unwrap()));
            prop_assert_eq!(Entry::read(&written).unwrap(), entry);
        }
    }
}

#[test]
fn an_entry_says_what_it_is_and_a_later_version_is_not_read() {
    let [record, _, intent, event, said, ..] = &entries("x", 7, "{}")[..] else { panic!("five entries") };
    for (entry, tag) in [(record, "record"), (intent, "intent"), (event, "event"), (said, "said")] {
        assert!(entry.canonical().unwrap().contains(&format!("\"entry\":\"{tag}\"")));
    }
    assert!(said.canonical().unwrap().contains("\"standing\":\"self_reported\""), "what is said is marked");
    let later = record.canonical().unwrap().replace("\"v\":1}", "\"v\":2}");
    assert_eq!(Entry::read(&later), Err(JsonFault::Syntax("record version 2 is not known".to_owned())));
    assert!(Entry::read("{\"entry\":\"receipt\"}").is_err() && Entry::read("{}").is_err());
}
