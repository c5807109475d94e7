//! A record as the model writes it: one line for what happened, one for what was decided.

use std::collections::BTreeSet;

use pdp::refusal::Code;

use super::frame::Frame;
use super::law::Labels;
use super::rules::{Judgement, Reason, Verdict};

/// The record of a message under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) head: String,
    pub(super) target: String,
    pub(super) stages: Vec<&'static str>,
    pub(super) labels: Labels,
    pub(super) decision: Option<String>,
    /// Its intent is on disk.
    pub(super) acted: bool,
    pub(super) sent: bool,
}

/// Labels as the records show them.
pub(super) fn words(labels: &Labels) -> String {
    labels.iter().copied().collect::<Vec<_>>().join(", ")
}

impl Record {
    /// The decision as a line of its own.
    pub(super) fn note(
        &mut self,
        frame: &Frame<'_>,
        judgement: &Judgement,
        labels: &Labels,
        held: &BTreeSet<&'static str>,
    ) {
        let verdict = match &judgement.verdict {
            Verdict::Allow { quoted: false } => "allow".to_owned(),
            Verdict::Allow { quoted: true } => "allow, quoted".to_owned(),
            Verdict::Escalate(grants) => format!("escalate for {}", words(grants)),
            Verdict::Deny(Reason::NoPermit) => "deny, no permit".to_owned(),
            Verdict::Deny(Reason::Forbidden) => "deny, forbidden".to_owned(),
            Verdict::Deny(Reason::Unjudgeable) => "deny, unjudgeable".to_owned(),
            Verdict::Deny(Reason::Fault) => "deny, fault".to_owned(),
        };
        let rules: Vec<&str> = judgement.rules.iter().map(String::as_str).collect();
        self.decision = Some(format!(
            "decided of {}: {verdict} by [{}] under [{}] holding [{}]",
            if frame.method.is_empty() { "an answer" } else { frame.method },
            rules.join(", "),
            words(labels),
            words(held)
        ));
    }

    pub(super) fn line(&self, ending: &str, code: Option<Code>) -> String {
        const WHOLE: usize = 9;
        let target = if self.target.is_empty() { String::new() } else { format!(" {}", self.target) };
        let stages = if self.stages.len() == WHOLE { "all nine".to_owned() } else { self.stages.join(">") };
        let code = code.map(|code| format!(" {}", code.name())).unwrap_or_default();
        let labels = if self.labels.is_empty() { String::new() } else { format!(" [{}]", words(&self.labels)) };
        format!("{}{target}: {stages} -> {ending}{code}{labels}", self.head)
    }

    /// A record of something a server said that is no message.
    pub(super) fn of_junk(server: &str) -> Self {
        Self { head: format!("<? {server}"), ..Self::default() }
    }
}
