//! What came up, how often: a case that never comes up proves nothing.

use std::collections::BTreeMap;
use std::fmt;

use pdp::record::{Ending, Record};
use pdp::refusal::Code;

/// The codes that no case of one message at a time can meet, and why.
const NOT_MET: [(Code, &str); 11] = [
    (Code::ApprovalPending, "the model's people answer at once"),
    (Code::ApprovalsFull, "the model's people are never flooded"),
    (Code::Cancelled, "it takes a second message while the first is under way"),
    (Code::TokenRefused, HOSTED),
    (Code::TaskOver, HOSTED),
    (Code::OutOfScope, HOSTED),
    (Code::LimitReached, SURROUNDED),
    (Code::PreviewFailed, SURROUNDED),
    (Code::RolledBack, SURROUNDED),
    (Code::RollbackFailed, SURROUNDED),
    (Code::EntryWithheld, "no server of these laws is a memory; `tests/it/flow.rs` meets it"),
];
const HOSTED: &str = "no host opens a task here; `path/tokens.rs` and `path/scope.rs` meet it";
const SURROUNDED: &str = "nothing surrounds a tool of these laws; `path/effects.rs` and `path/stops.rs` meet it";
/// The endings likewise.
const NOT_ENDED: [(Ending, &str); 2] =
    [(Ending::Abandoned, "it takes a client that leaves"), (Ending::Panicked, "it takes a bug in a port")];

/// How often each thing came up, by kind and name.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<(&'static str, String), u64>);

impl Seen {
    pub(super) fn note(&mut self, records: &[Record], lines: &[String]) {
        let mut count = |kind, name: String| *self.0.entry((kind, name)).or_default() += 1;
        count("case", "all".to_owned());
        for record in records {
            let stage = record.stages.iter().rev().find(|stage| stage.stage != "audit");
            count("ending", format!("{:?}", record.ending));
            count("last stage", stage.map_or("none", |stage| &stage.stage).to_owned());
            count("way", format!("{:?} {:?}", record.direction, record.kind));
            if let Some(refusal) = &record.refusal {
                count("refusal", refusal.code.name().to_owned());
            }
            if !record.labels.is_empty() {
                count("labels", record.labels.to_string());
            }
        }
        for line in lines {
            if let Some(decision) = line.strip_prefix("decided of ").and_then(|rest| rest.split(": ").nth(1)) {
                count("decision", decision.split(" by ").next().unwrap_or_default().to_owned());
            } else if let Some(told) = line.strip_prefix("told: ") {
                count("told", told.split(" [").next().unwrap_or_default().to_owned());
            } else if let Some(what) = line.split(": ").next().filter(|_| line.starts_with("not taken")) {
                count("ledger", what.to_owned());
            } else if line.starts_with("intent: ") {
                count("ledger", "intent".to_owned());
            }
        }
    }

    /// Everything that cases can make has come up.
    pub(super) fn assert_complete(&self) {
        let met = |kind, name: &str| self.0.contains_key(&(kind, name.to_owned()));
        let mut missing = Vec::new();
        let mut want = |kind, name: &str, exempt: bool| match (met(kind, name), exempt) {
            (false, false) => missing.push(format!("no case met the {kind} `{name}`")),
            (true, true) => missing.push(format!("the {kind} `{name}` is met: take it off the exemptions")),
            (true, false) | (false, true) => {}
        };
        // A call that is made twice while its result is withheld comes up by chance alone.
        for code in Code::ALL.into_iter().filter(|code| *code != Code::Repeated) {
            want("refusal", code.name(), NOT_MET.iter().any(|(not, _)| *not == code));
        }
        for ending in Ending::ALL {
            want("ending", &format!("{ending:?}"), NOT_ENDED.iter().any(|(not, _)| *not == ending));
        }
        let stages =
            ["none", "intake", "classify", "policy", "guardrail", "approval", "credential", "action", "outcome"];
        stages.iter().for_each(|stage| want("last stage", stage, false));
        let decisions = [
            "allow",
            "allow, quoted",
            "escalate for owner",
            "escalate for security",
            "escalate for owner, security",
            "deny, no permit",
            "deny, forbidden",
            "deny, unjudgeable",
            "deny, fault",
        ];
        decisions.iter().for_each(|decision| want("decision", decision, false));
        ["intent", "not taken"].iter().for_each(|what| want("ledger", what, false));
        for told in [
            "200 result, trusted",
            "200 result, untrusted",
            "200 result, no label",
            "200 the server's error",
            "200 tools",
        ] {
            want("told", told, false);
        }
        assert!(missing.is_empty(), "{}\n{self}", missing.join("\n"));
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|((kind, name), times)| writeln!(f, "{times:>9} {kind:<10} {name}"))
    }
}
