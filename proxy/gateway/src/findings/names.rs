//! Names that can be taken for another: confusable characters (UTS #39), case and separators, one character more, less or
//! other, and the same name on two servers.

use super::{Catalogue, Entry, Finding, Kind, hidden, shown};

/// Names shorter than this differ by one character as a matter of course: `get` and `set`.
const LENGTH_MIN: usize = 5;

/// What a tool's name can be taken for.
pub(super) fn look_alikes(server: &str, name: &str, catalogue: &Catalogue) -> Vec<Finding> {
    let found = |offset: usize, what: String| Finding {
        kind: Kind::LookAlike,
        pointer: "/name".to_owned(),
        offset,
        what,
        excerpt: shown(name),
    };
    let mut out = Vec::new();
    // What hides is a finding of its own.
    if let Some((offset, stranger)) = hidden::seen(name).find(|(_, c)| !c.is_ascii()) {
        out.push(found(offset, format!("a name with a character outside ASCII (U+{:04X})", u32::from(stranger))));
    }
    let one = Forms::of(name);
    for entry in catalogue.entries.iter().filter(|entry| entry.server != server || entry.tool != name) {
        if let Some(likeness) = likeness(name, &one, server, entry) {
            let other = format!("`{}/{}`", entry.server, shown(&entry.tool));
            let effect = if entry.acts { ", which has an effect" } else { "" };
            out.push(found(0, format!("{likeness} {other}{effect}")));
        }
    }
    out
}

/// A name in the forms in which it may coincide with another.
#[derive(Debug, Clone)]
pub(super) struct Forms {
    /// The skeleton of UTS #39, of the name as it is and in lower case: `I` is like `l`, and `i` is like `I`.
    skeletons: [String; 2],
    /// Lower case, without separators.
    bare: String,
}

impl Forms {
    pub(super) fn of(name: &str) -> Self {
        let lower = name.to_lowercase();
        let skeleton = |text: &str| unicode_security::skeleton(text).collect::<String>();
        let bare = |text: &str| text.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' ' | '/' | ':')).collect();
        Self { skeletons: [skeleton(name), skeleton(&lower)], bare: bare(&lower) }
    }
}

fn likeness(name: &str, one: &Forms, server: &str, entry: &Entry) -> Option<&'static str> {
    if name == entry.tool {
        return Some("the same name as");
    }
    let other = &entry.forms;
    if one.skeletons.iter().zip(&other.skeletons).any(|(a, b)| a == b) {
        return Some("looks like");
    }
    if one.bare == other.bare {
        return Some("differs only in case or separators from");
    }
    let long = name.chars().count() >= LENGTH_MIN && entry.tool.chars().count() >= LENGTH_MIN;
    let near = long && (entry.acts || server == entry.server) && is_one_edit(name, &entry.tool);
    near.then_some("one character away from")
}

/// Whether one insertion, deletion, replacement or swap of neighbours makes one text the other.
fn is_one_edit(one: &str, other: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (a, b) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (a.get(head..).unwrap_or_default(), b.get(head..).unwrap_or_default());
    match (a, b) {
        (_, [_, rest @ ..]) if a == rest => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([a0, a1, a @ ..], [b0, b1, b @ ..]) => a0 == b1 && a1 == b0 && a == b,
        _ => false,
    }
}
