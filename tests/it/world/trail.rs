//! Records in words: `> tools/call mail read: intake>classify>audit -> refused denied`.

use std::collections::BTreeSet;

use pdp::decision::{Decision, Obligation};
use pdp::record::{Direction, Ending, Entry, FrameKind, Record};
use pdp::refusal::Code;

/// The nine stages, as a record of a frame that passed them all names them.
const WHOLE: [&str; 9] =
    ["intake", "classify", "policy", "guardrail", "approval", "credential", "action", "outcome", "audit"];

/// One entry of the ledger as one line.
pub(crate) fn entry(entry: &Entry) -> String {
    match entry {
        Entry::Intent(intent) => {
            let target = intent.target.as_deref().map(|t| format!(" {t}")).unwrap_or_default();
            format!("intent: {} {}{target}", intent.method, intent.server)
        }
        Entry::Record(record) => self::record(record),
        Entry::Event(event) => format!("event: {}", event.what),
        Entry::Said(said) => format!("said by the {}: {}", said.voice.word(), said.said.word()),
    }
}

/// One record: what it was, how far it came, how it ended, the labels of what was handed over.
///
/// `>` is a request to the server, `!` a notification, `=` an answer; the same after `<` comes from the server.
pub(crate) fn record(record: &Record) -> String {
    let mark = match record.kind {
        FrameKind::Request => "",
        FrameKind::Notification => "!",
        FrameKind::Response => "=",
        FrameKind::Stream | FrameKind::EndSession => "~",
        FrameKind::Unreadable => "?",
    };
    let way = match record.direction {
        Direction::ToServer => ">",
        Direction::ToClient => "<",
    };
    let mut out = format!("{way}{mark}");
    for word in [record.method.as_deref(), Some(record.server.as_str()), record.target.as_deref()].into_iter().flatten()
    {
        out.push(' ');
        out.push_str(word);
    }
    let stages: Vec<&str> = record.stages.iter().map(|s| &*s.stage).collect();
    let stages = if stages == WHOLE { "all nine".to_owned() } else { stages.join(">") };
    out.push_str(&format!(": {stages} -> {}", record.ending.word()));
    if let Some(refusal) = &record.refusal {
        out.push(' ');
        out.push_str(refusal.code.name());
    }
    if !record.labels.is_empty() {
        out.push_str(&format!(" [{}]", record.labels));
    }
    out
}

/// What a script exercised.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) codes: BTreeSet<Code>,
    pub(crate) endings: BTreeSet<Ending>,
    pub(crate) methods: BTreeSet<String>,
    pub(crate) obligations: BTreeSet<Obligation>,
    pub(crate) ways: BTreeSet<String>,
}

impl Seen {
    pub(crate) fn note(&mut self, record: &Record) {
        self.codes.extend(record.refusal.iter().map(|r| r.code));
        self.endings.insert(record.ending);
        self.ways.insert(format!("{:?} {:?}", record.direction, record.kind));
        if record.stages.iter().any(|s| s.stage == "classify") {
            let method = if record.kind == FrameKind::Response { Some("response") } else { record.method.as_deref() };
            self.methods.extend(method.map(str::to_owned));
        }
        match record.decision.as_ref().map(|d| &d.decision) {
            Some(Decision::Allow(obligations)) => self.obligations.extend(obligations.iter().cloned()),
            Some(Decision::Escalate(_) | Decision::Deny(_)) | None => {}
        }
    }
}
