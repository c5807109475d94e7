//! Policies as their authors wrote them: where each stands, and what it says, as data. Nothing is added to it yet.
//!
//! For what works on policies beside the decision: tests, warnings, formatting. Nothing is judged by it.

use std::ops::Range;
use std::str::FromStr;

use cedar_policy::{Policy, PolicySet};
use serde_json::Value;

use super::author::fault_of;
use crate::fault::{Fault, SourceFile, position};

/// One policy as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its `@id`; empty where it has none.
    pub id: String,
    /// The file, as shown to the author.
    pub file: String,
    /// Where its text stands in the file, annotations included, in bytes.
    pub range: Range<usize>,
    /// The line it begins on, counted from 1.
    pub line: usize,
    /// What it says, in Cedar's JSON form of a policy.
    pub says: Value,
}

/// The policies of these files, in the order they stand in.
///
/// # Errors
/// Every fault of syntax.
pub fn written(files: &[SourceFile]) -> Result<Vec<Written>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut out = Vec::new();
    for file in files {
        match PolicySet::from_str(&file.text) {
            Ok(parsed) => out.extend(of_file(file, &parsed)),
            Err(errors) => faults.extend(errors.iter().map(|e| fault_of(file, e, 0))),
        }
    }
    if faults.is_empty() { Ok(out) } else { Err(faults) }
}

fn of_file(file: &SourceFile, parsed: &PolicySet) -> Vec<Written> {
    let one = |Standing { policy, range, .. }: Standing<'_>| Written {
        id: policy.annotation("id").unwrap_or_default().to_owned(),
        file: file.path.clone(),
        line: position(&file.text, range.start).0,
        range,
        says: policy.to_json().unwrap_or_default(),
    };
    standing(&file.text, parsed).into_iter().map(one).collect()
}

/// A policy where it stands.
pub(super) struct Standing<'p> {
    pub(super) policy: &'p Policy,
    /// Its text, annotations included.
    pub(super) text: String,
    /// Where that stands in the file, in bytes.
    pub(super) range: Range<usize>,
}

/// The policies of a file's text, in the order they stand in.
pub(super) fn standing<'p>(text: &str, parsed: &'p PolicySet) -> Vec<Standing<'p>> {
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    // Cedar names them `policy0`, `policy1` and so on: in the order they are written, each is found behind the last.
    policies.sort_by_key(|policy| {
        let id: &str = policy.id().as_ref();
        (id.len(), id.to_owned())
    });
    let mut from = 0;
    let mut out = Vec::new();
    for policy in policies {
        let own = policy.to_cedar().unwrap_or_default().trim().to_owned();
        let found = text.get(from..).and_then(|rest| rest.find(&own)).map(|at| from + at);
        let start = found.unwrap_or(from);
        from = found.map_or(from, |at| at + own.len());
        out.push(Standing { policy, text: own, range: start..from });
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn each_policy_knows_where_it_stands_and_what_it_says() {
        let same = "@id(\"a\")\npermit (principal, action, resource);";
        let text =
            format!("// first\n{same}\n\n// again, word for word\n{same}\nforbid (principal, action, resource);");
        let file = SourceFile { path: "p.cedar".to_owned(), text };
        let found = written(std::slice::from_ref(&file)).unwrap();
        let told: Vec<_> = found.iter().map(|w| (w.id.as_str(), w.line)).collect();
        assert_eq!(told, [("a", 2), ("a", 6), ("", 8)]);
        assert!(found.iter().take(2).all(|w| file.text.get(w.range.clone()) == Some(same)));
        assert_eq!(found.last().and_then(|w| w.says.get("effect")).and_then(Value::as_str), Some("forbid"));
        let broken = SourceFile { path: "b.cedar".to_owned(), text: "permit (".to_owned() };
        assert_eq!(written(&[file, broken]).unwrap_err().first().map(|f| f.file.as_str()), Some("b.cedar"));
    }
}
