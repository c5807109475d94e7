//! Policy tests as any Cedar engine reads them: the law, and a request with its entities for each case.
//!
//! Whoever does not trust the gate's judge has Cedar's own command line decide the cases once more. A Cedar engine answers
//! two-valued, so a case that escalates is two questions: without the grants it is denied, with them it is allowed.

use std::collections::BTreeSet;

use pdp::decision::{Decision, Reason};
use pdp::policy::Question;
use pdp::snapshot::Snapshot;
use serde_json::json;

use super::Verdict;
use crate::desk::case::Case;

/// What is written: files, and for how many questions.
#[derive(Debug)]
pub struct Export {
    /// The files: each one's name within the folder, and its text.
    pub files: Vec<(String, String)>,
    /// How many questions they hold.
    pub questions: usize,
    /// Cases that no Cedar engine can be asked, and why.
    pub left_out: Vec<(String, String)>,
}

/// The law and the cases, with what the gate decided.
///
/// # Errors
/// A compiled policy that has no text.
pub fn export(verdicts: &[Verdict<'_>], snapshot: &Snapshot) -> Result<Export, String> {
    let policies = snapshot.policies();
    let law = policies.compiled_text().map_err(|fault| fault.to_string())?;
    let mut out = Export {
        files: vec![("gate.cedar".to_owned(), law), ("gate.cedarschema".to_owned(), policies.schema_text().to_owned())],
        questions: 0,
        left_out: Vec::new(),
    };
    let mut list = Vec::new();
    for verdict in verdicts {
        let named = format!("{}:{} {}", verdict.test.file, verdict.test.line, verdict.test.name);
        for asked in asked(verdict, snapshot) {
            let (question, answer) = match asked {
                Ok(asked) => asked,
                Err(why) => {
                    out.left_out.push((named.clone(), why));
                    continue;
                }
            };
            out.questions += 1;
            let stem = format!("{:04}", out.questions);
            out.files.push((format!("{stem}.request.json"), format!("{:#}\n", question.request)));
            out.files.push((format!("{stem}.entities.json"), format!("{:#}\n", question.entities)));
            list.push(json!({ "question": stem, "case": named, "answer": answer }));
        }
    }
    out.files.push(("questions.json".to_owned(), format!("{:#}\n", json!(list))));
    Ok(out)
}

/// The questions of one case, each with what a Cedar engine must answer.
fn asked(verdict: &Verdict<'_>, snapshot: &Snapshot) -> Vec<Result<(Question, &'static str), String>> {
    let case = &verdict.test.asked(snapshot);
    let judgement = match &verdict.got {
        Ok(judgement) => judgement,
        Err(fault) => return vec![Err(fault.to_string())],
    };
    match &judgement.decision {
        Decision::Allow(_) => vec![put(case, snapshot, "ALLOW")],
        Decision::Deny(Reason::NoPermit | Reason::Forbidden) => vec![put(case, snapshot, "DENY")],
        Decision::Deny(Reason::Unjudgeable(why) | Reason::Fault(why)) => vec![Err(why.clone())],
        Decision::Escalate(grants) => {
            vec![put(case, snapshot, "DENY"), put(&holding(case, grants), snapshot, "ALLOW")]
        }
    }
}

fn put(case: &Case, snapshot: &Snapshot, answer: &'static str) -> Result<(Question, &'static str), String> {
    let question = case.question(snapshot).map_err(|fault| fault.to_string())?;
    let reason = |reason: Reason| match reason {
        Reason::Unjudgeable(why) | Reason::Fault(why) => why,
        Reason::NoPermit | Reason::Forbidden => "it was denied".to_owned(),
    };
    question.map(|question| (question, answer)).map_err(reason)
}

/// The same case with more grants in hand.
fn holding(case: &Case, grants: &BTreeSet<String>) -> Case {
    let mut case = case.clone();
    case.facts.grants.extend(grants.iter().cloned());
    case
}
