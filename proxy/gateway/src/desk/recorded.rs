//! A recorded call as a case: everything its decision saw, taken from its record, or why that is not all there.
//!
//! Replay and shadow ask a candidate what was once asked of another snapshot. Where a record does not hold what the
//! decision saw (an argument that was withheld, a target that was cut), it is said and counted, never guessed.

use pdp::decision::Decision;
use pdp::digest::Digest;
use pdp::policy::{Judgement, Rule};
use pdp::record::{ALONG_MAX, Direction, FrameKind, METHOD_CHARS_MAX, Record, TARGET_CHARS_MAX};
use pdp::refusal::Code;
use pdp::snapshot::Snapshot;
use serde_json::Value;

use super::case::{Asked, Case, CaseFault};

/// Why a record cannot be put to a candidate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotComparable {
    /// It never came to a decision, and what stopped it, if anything did.
    Undecided(Option<Code>),
    /// An earlier version of the gate wrote it, which kept less of what a decision saw.
    Older,
    /// The arguments were too long to be kept.
    ArgumentsTooLong,
    /// An argument is sensitive and was not kept.
    ArgumentWithheld,
    /// The method or the target was too long to be kept whole.
    TargetCut,
    /// More rode along in the message than is kept.
    AlongCut,
    /// The candidate looks at where values came from, and what decided the call did not.
    OriginUnknown,
    /// The candidate's vocabulary lacks a label or a grant that the call had.
    Vocabulary,
    /// The snapshot that decided it decides otherwise on what the record holds.
    NotReproduced,
    /// The entry cannot be read.
    Unreadable,
    /// What a server asked in its answer, which is judged apart from the call and not kept whole.
    AskedInAnswer,
}

impl NotComparable {
    /// In words, for a list of reasons.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Undecided(Some(code)) => format!("refused before policy was asked: {}", code.name()),
            Self::Undecided(None) => "ended before policy was asked".to_owned(),
            Self::Older => "recorded by a version that kept less of what decisions saw".to_owned(),
            Self::ArgumentsTooLong => "arguments too long for the record".to_owned(),
            Self::ArgumentWithheld => "a sensitive argument was withheld from the record".to_owned(),
            Self::TargetCut => "a target too long for the record".to_owned(),
            Self::AlongCut => "more rode along than the record keeps".to_owned(),
            Self::OriginUnknown => "where its values came from was not looked for when it was decided".to_owned(),
            Self::Vocabulary => "had a label or grant that the candidate's vocabulary lacks".to_owned(),
            Self::NotReproduced => "its own snapshot decides otherwise on what the record holds".to_owned(),
            Self::Unreadable => "the entry cannot be read".to_owned(),
            Self::AskedInAnswer => "asked by a server in an answer (the call itself is compared)".to_owned(),
        }
    }
}

/// A recorded call, ready to be judged again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The call.
    pub case: Case,
    /// What rode along in its message, each a case of its own.
    pub along: Vec<Case>,
    /// What was decided.
    pub was: Judgement,
}

/// What a snapshot says of a recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It judges it.
    Judged(Judgement),
    /// The gate would refuse it before policy is asked.
    Refused(CaseFault),
}

impl Case {
    /// The case that a record tells of, without what rode along.
    ///
    /// # Errors
    /// When the record does not hold everything its decision saw.
    pub fn of_record(record: &Record) -> Result<Self, NotComparable> {
        let undecided = || NotComparable::Undecided(record.refusal.as_ref().map(|r| r.code));
        let note = record.decision.as_ref().ok_or_else(undecided)?;
        let principal = record.principal.as_ref().ok_or_else(undecided)?;
        // Every decision since has a time; what has none was written before calls and time were kept.
        if note.now_ms == 0 {
            return Err(NotComparable::Older);
        }
        let facts = note.facts(&record.task);
        let asked = asked(record)?;
        Ok(Self { principal: (**principal).clone(), server: record.server.clone(), asked, facts })
    }
}

/// What was asked for, as the classifier had it.
fn asked(record: &Record) -> Result<Asked, NotComparable> {
    let method = record.method.as_deref().unwrap_or_default();
    let target = record.target.clone().unwrap_or_default();
    if (record.kind, record.direction, method) == (FrameKind::Request, Direction::ToServer, "tools/call") {
        let Some(arguments) = &record.arguments else { return Err(NotComparable::ArgumentsTooLong) };
        if has_withheld(arguments.text()) {
            return Err(NotComparable::ArgumentWithheld);
        }
        return Ok(Asked::Tool { name: target, arguments: arguments.text().to_owned() });
    }
    let name = if record.kind == FrameKind::Response { "response" } else { method };
    if may_be_cut(name, METHOD_CHARS_MAX) || may_be_cut(&target, TARGET_CHARS_MAX) {
        return Err(NotComparable::TargetCut);
    }
    Ok(Asked::Method { name: name.to_owned(), target })
}

fn may_be_cut(text: &str, chars_max: usize) -> bool {
    text.len() >= chars_max && text.chars().count() >= chars_max
}

/// Whether a sensitive value was replaced: `{"withheld": NAME}` under that very name.
fn has_withheld(arguments: &str) -> bool {
    if !arguments.contains("\"withheld\"") {
        return false;
    }
    let Ok(Value::Object(members)) = serde_json::from_str(arguments) else { return false };
    members.iter().any(|(name, value)| {
        let of = value.as_object().filter(|only| only.len() == 1).and_then(|only| only.get("withheld"));
        of.and_then(Value::as_str) == Some(name)
    })
}

impl Recorded {
    /// The call that a record tells of.
    ///
    /// # Errors
    /// When the record does not hold everything its decision saw.
    pub fn of(record: &Record) -> Result<Self, NotComparable> {
        let case = Case::of_record(record)?;
        let note = record.decision.as_ref().ok_or(NotComparable::Undecided(None))?;
        let noted = record.notes.iter().filter(|note| note.text.starts_with("along: ")).count();
        if note.along.len() >= ALONG_MAX || noted > note.along.len() {
            return Err(NotComparable::AlongCut);
        }
        let cut = |along: &pdp::record::Along| {
            may_be_cut(&along.method, METHOD_CHARS_MAX) || may_be_cut(&along.target, TARGET_CHARS_MAX)
        };
        if note.along.iter().any(cut) {
            return Err(NotComparable::TargetCut);
        }
        let aside = |along: &pdp::record::Along| Case {
            asked: Asked::Method { name: along.method.clone(), target: along.target.clone() },
            ..case.clone()
        };
        let along = note.along.iter().map(aside).collect();
        let was = Judgement { decision: note.decision.clone(), rules: note.rules.clone() };
        Ok(Self { case, along, was })
    }

    /// Whether a snapshot looks at where values came from and the record does not say it. A task without labels has read
    /// nothing that could matter, and what the record's own snapshot did not look at it does not need.
    #[must_use]
    pub fn lacks_origin(&self, record: &Record, snapshot: &Snapshot) -> bool {
        self.lacks_origin_of(record.snapshot, snapshot)
    }

    /// The same of what another snapshot judged.
    #[must_use]
    pub fn lacks_origin_of(&self, judged_by: Digest, snapshot: &Snapshot) -> bool {
        let facts = &self.case.facts;
        if judged_by == snapshot.digest() || facts.labels.is_empty() {
            return false;
        }
        let Asked::Tool { name, .. } = &self.case.asked else { return false };
        let Some(server) = snapshot.server(&self.case.server) else { return false };
        let Some(tool) = server.tools.get(name) else { return false };
        let looked = snapshot.policies().looks_at(server, tool);
        let unsaid = facts.origin.is_empty() && facts.unvouched.is_empty();
        unsaid && (!looked.origin.is_empty() || (looked.unvouched && !tool.is_harmless()))
    }

    /// Puts the call to a snapshot: all of it may pass, or none.
    #[must_use]
    pub fn judge(&self, snapshot: &Snapshot) -> Outcome {
        let mut whole = match self.case.judge(snapshot) {
            Ok(judgement) => judgement,
            Err(fault) => return Outcome::Refused(fault),
        };
        for aside in &self.along {
            match aside.judge(snapshot) {
                Ok(judgement) => whole = whole.and(judgement),
                Err(fault) => return Outcome::Refused(fault),
            }
        }
        Outcome::Judged(whole)
    }
}

/// A decision in words: what is allowed, asked for or denied, without why.
#[must_use]
pub fn decided(decision: &Decision) -> String {
    let joined = |words: Vec<&str>| words.join(" and ");
    match decision {
        Decision::Allow(duties) if duties.is_empty() => "allow".to_owned(),
        Decision::Allow(duties) => {
            let duties = duties.iter().map(|duty| match duty {
                pdp::decision::Obligation::Quote => "quoted".to_owned(),
                pdp::decision::Obligation::Declassify { label, .. } => format!("without `{label}`"),
            });
            format!("allow {}", duties.collect::<Vec<_>>().join(" and "))
        }
        Decision::Escalate(grants) => format!("escalate to {}", joined(grants.iter().map(String::as_str).collect())),
        Decision::Deny(_) => "deny".to_owned(),
    }
}

/// The ids of rules, in order.
pub(super) fn ids(rules: &[Rule]) -> Vec<String> {
    rules.iter().map(|rule| rule.id.clone()).collect()
}
