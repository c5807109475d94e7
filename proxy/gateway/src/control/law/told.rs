//! What is told of a candidate: faults and notes of its files, and what came of its tests.

use pdp::digest::Digest;
use serde::Serialize;
use utoipa::ToSchema;

use super::FaultTold;
use crate::desk::lint::Warning;
use crate::desk::suite::{Difference, Verdict};

/// Something that is no fault, and yet to be looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoteTold {
    /// The kind of warning; nothing for what is said of the registry.
    #[schema(value_type = Option<String>)]
    lint: Option<&'static str>,
    /// Empty where it is about no file.
    file: String,
    /// Counted from one; nought where it is the whole file, or none.
    line: usize,
    /// In characters, counted from one.
    column: usize,
    /// How many characters it is about.
    length: usize,
    message: String,
    /// What to do; empty where that is plain.
    remedy: String,
}

impl NoteTold {
    pub(super) fn of(warning: &Warning) -> Self {
        let found = &warning.found;
        Self {
            lint: Some(warning.lint.name()),
            file: found.file.clone(),
            line: found.line,
            column: found.column,
            length: found.length,
            message: found.message.clone(),
            remedy: found.remedy.clone(),
        }
    }

    pub(super) fn words(message: String) -> Self {
        let (file, remedy) = (String::new(), String::new());
        Self { lint: None, file, line: 0, column: 0, length: 0, message, remedy }
    }
}

/// What was found in a candidate.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checked {
    /// Every fault; with none it builds.
    pub(super) faults: Vec<FaultTold>,
    /// What is probably a mistake, and what should be looked at.
    pub(super) notes: Vec<NoteTold>,
    /// Its digest, where there is no fault.
    #[schema(value_type = Option<String>)]
    pub(super) digest: Option<Digest>,
}

/// One thing of a case that is not as expected.
#[derive(Debug, Serialize, ToSchema)]
struct TestDifference {
    /// `decision`, `rules`, `reason` or `obligations`.
    #[schema(value_type = String)]
    field: &'static str,
    expected: String,
    got: String,
}

/// A case that failed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestFailed {
    /// What must hold, in its author's words.
    name: String,
    file: String,
    /// Counted from one.
    line: usize,
    differences: Vec<TestDifference>,
}

/// What came of a candidate's tests.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tested {
    /// How many cases passed.
    pub(super) passed: usize,
    /// Those that did not.
    pub(super) failed: Vec<TestFailed>,
    /// How many policies decided a case.
    pub(super) covered: usize,
    /// How many there are.
    pub(super) policies: usize,
    /// The ids of those that decided none.
    pub(super) never: Vec<String>,
}

/// A verdict as it is told, where it is not as expected.
pub(super) fn failed(verdict: &Verdict<'_>) -> Option<TestFailed> {
    let difference =
        |one: &Difference| TestDifference { field: one.field, expected: one.expected.clone(), got: one.got.clone() };
    let test = verdict.test;
    (!verdict.differences.is_empty()).then(|| TestFailed {
        name: test.name.clone(),
        file: test.file.clone(),
        line: test.line,
        differences: verdict.differences.iter().map(difference).collect(),
    })
}
