//! States and evidence: private fields, no copies, nothing printed that may be a body or a secret.

use super::source::Source;
use super::{Fault, fault};

/// What proves that something happened. Whoever could make one could skip it.
const EVIDENCE: [&str; 20] = [
    "Answer",
    "Answered",
    "Attempted",
    "Authorized",
    "Call",
    "Classified",
    "Cleared",
    "Credentialed",
    "Dispatch",
    "Executed",
    "IntentReceipt",
    "Judged",
    "Labelled",
    "Planned",
    "Proposed",
    "Raw",
    "Reply",
    "Reservation",
    "Secret",
    "Undoing",
];

/// What may hold a message's text, arguments or a secret: its `Debug` is written by hand.
const HOLDS_BODIES: [&str; 12] =
    ["Answer", "Call", "Content", "Event", "EventOf", "Hold", "Kept", "Once", "Order", "Outbound", "Raw", "Secret"];

fn inner(file: &&Source) -> bool {
    file.is_rust() && file.path.starts_with("proxy/pep/src/")
}

/// Private fields, and no second way to get one.
pub(super) fn states(files: &[Source]) -> Vec<Fault> {
    let mut out = Vec::new();
    for file in files.iter().filter(inner) {
        for name in EVIDENCE {
            for (at, fields) in declarations(&file.product, name) {
                if fields.contains("pub") {
                    let words =
                        format!("{}: a field of `{name}` is visible outside its file: make it private", file.at(at));
                    out.push(fault("state", name, words));
                }
                for copy in ["Clone", "Copy", "Default", "Deserialize"]
                    .iter()
                    .filter(|d| derives(&file.product, at).contains(*d))
                {
                    let words = format!("{}: `{name}` derives `{copy}`: there must be one way to get one", file.at(at));
                    out.push(fault("state", name, words));
                }
            }
        }
        for (at, _) in file.product.match_indices("impl") {
            let line = file.product[at..].lines().next().unwrap_or_default();
            let Some((made, of)) = line.split_once(" for ") else { continue };
            let copies = ["Clone", "Copy", "Default", "Deserialize"];
            let made = copies.iter().find(|c| Source::words(made, c).next().is_some());
            let of = EVIDENCE.iter().find(|e| of.split(['<', ' ', '{']).next() == Some(e));
            if let (Some(made), Some(of)) = (made, of) {
                let words = format!("{}: `{of}` is `{made}`: there must be one way to get one", file.at(at));
                out.push(fault("state", *of, words));
            }
        }
    }
    out
}

/// A derived `Debug` would print what the type holds into a log.
pub(super) fn debug(files: &[Source]) -> Vec<Fault> {
    let mut out = Vec::new();
    for file in files.iter().filter(inner) {
        for name in HOLDS_BODIES {
            for (at, _) in declarations(&file.product, name) {
                if Source::words(&derives(&file.product, at), "Debug").next().is_some() {
                    let words =
                        format!("{}: `{name}` derives `Debug`: write it by hand, without what it holds", file.at(at));
                    out.push(fault("debug", name, words));
                }
            }
        }
    }
    out
}

/// Where a type of this name is declared, and the text of its fields.
fn declarations(text: &str, name: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    for keyword in ["struct", "enum"] {
        for at in Source::words(text, keyword) {
            let rest = &text[at + keyword.len()..];
            let found: String = rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if found != name {
                continue;
            }
            let end = rest.find(['{', ';']).unwrap_or(rest.len());
            let end = if rest[end..].starts_with('{') { super::source::closing(rest, end) } else { end };
            out.push((at, rest[..end].to_owned()));
        }
    }
    out
}

/// The attributes that stand before a declaration.
fn derives(text: &str, at: usize) -> String {
    let before = &text[..at];
    let from = before.rfind([';', '}']).map_or(0, |n| n + 1);
    before[from..].to_owned()
}
