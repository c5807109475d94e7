//! Text that speaks to the model and not of the tool: orders, imitated roles, requests for secrets, addresses that could
//! carry data away, other servers' tools.
//!
//! A list of signs, and nothing more: a paraphrase escapes it. It is there to make a reviewer read, not to decide.

use std::sync::LazyLock;

use regex::Regex;

use super::{Catalogue, Finding, Kind, excerpt, hidden};

/// What a sign is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    /// Words in lower case, one blank between them.
    Words,
    /// All that is seen, in lower case.
    Marks,
}

/// Signs: where they are looked for, what they are, and their pattern.
const SIGNS: [(View, &str, &str); 13] = [
    (
        View::Words,
        "it overrides what the model was told",
        r"\b(?:ignore|disregard|forget|override|bypass|discard)\b(?: \w+){0,5} (?:instructions?|rules|prompts?|messages?|guidelines?|guardrails?|policy|policies|restrictions?|context)\b",
    ),
    (
        View::Words,
        "it keeps something from the user",
        r"\b(?:do not|don t|dont|never|must not|should not|cannot|without|not to|avoid|no need to)\b(?: \w+){0,3} (?:tell|telling|mention|mentioning|inform|informing|notify|notifying|alert|alerting|reveal|revealing|disclose|disclosing|show|showing|ask|asking|warn|warning)\b(?: \w+){0,4} (?:users?|humans?|person|people|operator|anyone|anybody|them)\b",
    ),
    (
        View::Words,
        "it keeps something from the user",
        r"\b(?:secretly|covertly|without the user s (?:knowledge|consent))\b",
    ),
    (
        View::Words,
        "it puts itself before other tools",
        r"\b(?:before|after|prior to|instead of|rather than)(?: \w+){0,3} (?:any|every|each|all|other|another)(?: \w+){0,2} tools?\b",
    ),
    (
        View::Words,
        "it says when the model must call",
        r"\b(?:always|you must|you should|you have to|you need to|must)(?: first)? (?:call|use|run|invoke|read)\b(?: \w+){0,4} (?:first|before)\b",
    ),
    (
        View::Words,
        "it gives the model a role or a task",
        r"\b(?:you are now|from now on|as an ai|as a language model|new instructions|your (?:new|real|true|actual) (?:task|goal|role|purpose|instructions?))\b",
    ),
    (
        View::Marks,
        "it imitates a message's role or markup",
        r"<\s*/?\s*(?:important|system|assistant|instructions?|secret|hidden|critical|admin|sys|inst|override)\b[^<>]{0,60}>|\[/?(?:inst|system|important)\]|<\|[a-z_]{2,20}\|>|<<\s*/?sys\s*>>",
    ),
    (
        View::Marks,
        "it imitates a message's role or markup",
        r"(?m)^[ \t]*(?:#{1,4}[ \t]*)?(?:system|assistant|human)(?: (?:prompt|message|instructions?))?[ \t]*:",
    ),
    (
        View::Words,
        "it asks for secrets",
        r"\b(?:send|include|provide|pass|attach|paste|read|copy|append|put|give|share|return|contents? of|value of)\b(?: \w+){0,5} (?:passwords?|passphrases?|api keys?|apikeys?|private keys?|secret keys?|access tokens?|auth tokens?|credentials?|ssh keys?|environment variables?|conversation|chat history|system prompt|previous messages|cookies)\b",
    ),
    (
        View::Marks,
        "it names a private file",
        r"~/\.[a-z]|\bid_(?:rsa|dsa|ecdsa|ed25519)\b|/etc/(?:passwd|shadow|sudoers)|/proc/self/environ|\bmcp\.json\b|claude_desktop_config|\bauthorized_keys\b|(?:^|[\s/`(])\.env\b",
    ),
    (
        View::Marks,
        "an image or markup that is fetched when it is shown",
        r"!\[[^\]]{0,200}\]\(\s*(?:https?:)?//[^)]{1,400}\)|<\s*(?:img|iframe|script|object|embed)\b|\bjavascript:|data:text/html",
    ),
    (
        View::Marks,
        "an address with a place for data",
        r#"https?://[^\s"'<>()]{1,200}[?&][^\s"'<>()=]{1,40}=(?:\{|\$\{|<|%7b|\[)"#,
    ),
    (View::Marks, "it names a tool as a client's model sees it", r"\bmcp__[a-z0-9-]+__[a-z0-9_-]+"),
];

static COMPILED: LazyLock<Vec<(View, &'static str, Regex)>> = LazyLock::new(|| {
    let compiled = SIGNS.iter().filter_map(|(view, what, pattern)| Some((*view, *what, Regex::new(pattern).ok()?)));
    compiled.collect()
});

/// A text as the signs are looked for in it, and the place in the original of each of its bytes.
struct Folded {
    text: String,
    places: Vec<usize>,
}

impl Folded {
    /// What hides is left out and what imitates is read as what it imitates, so that neither hides a sign.
    fn of(text: &str, view: View) -> Self {
        let mut out = Self { text: String::with_capacity(text.len()), places: Vec::with_capacity(text.len()) };
        for (place, character) in hidden::seen(text) {
            if character.is_ascii() {
                out.push(place, character.to_ascii_lowercase(), view);
                continue;
            }
            // In lower case first: the skeleton of a capital `I` of any script is `l`.
            let small: String = character.to_lowercase().collect();
            let like: String = unicode_security::skeleton(&small).collect();
            for character in like.chars().flat_map(char::to_lowercase) {
                out.push(place, character, view);
            }
        }
        out
    }

    fn push(&mut self, place: usize, character: char, view: View) {
        let written = match view {
            View::Words if character.is_alphanumeric() => character,
            View::Words if self.text.ends_with(' ') => return,
            View::Words => ' ',
            View::Marks => character,
        };
        self.text.push(written);
        self.places.resize(self.text.len(), place);
    }

    /// What a match is in the original: its first character, and how many it spans.
    fn place(&self, range: std::ops::Range<usize>) -> (usize, usize) {
        let from = self.places.get(range.start).copied().unwrap_or_default();
        let to = self.places.get(range.end.saturating_sub(1)).copied().unwrap_or(from);
        (from, to.saturating_sub(from).saturating_add(1))
    }
}

fn finding(pointer: &str, text: &str, (offset, length): (usize, usize), what: String) -> Finding {
    let (pointer, excerpt) = (pointer.to_owned(), excerpt(text, offset, length));
    Finding { kind: Kind::Instruction, pointer, offset, what, excerpt }
}

/// Every sign in a text.
pub(super) fn find(pointer: &str, text: &str) -> Vec<Finding> {
    let views = [View::Words, View::Marks].map(|view| (view, Folded::of(text, view)));
    let mut out = Vec::new();
    for (view, what, sign) in COMPILED.iter() {
        for (_, folded) in views.iter().filter(|(of, _)| of == view) {
            let found = sign.find_iter(&folded.text).map(|found| folded.place(found.range()));
            out.extend(found.map(|place| finding(pointer, text, place, (*what).to_owned())));
        }
    }
    out
}

/// A tool's name as it is looked for in texts; nothing for a word of everyday language that happens to be a tool's name.
pub(super) fn telling(tool: &str) -> Option<String> {
    (tool.len() >= 5 && tool.contains(|c: char| !c.is_ascii_lowercase())).then(|| tool.to_lowercase())
}

/// Other servers' tools that a text names.
pub(super) fn strangers(server: &str, pointer: &str, text: &str, catalogue: &Catalogue) -> Vec<Finding> {
    let folded = Folded::of(text, View::Marks);
    let own = |tool: &str| catalogue.entries.iter().any(|entry| entry.server == server && entry.tool == tool);
    let mut out = Vec::new();
    for entry in catalogue.entries.iter().filter(|entry| entry.server != server) {
        let Some(name) = &entry.telling else { continue };
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        for (at, found) in folded.text.match_indices(name.as_str()) {
            let end = at.saturating_add(found.len());
            let before = folded.text.get(..at).and_then(|head| head.chars().next_back());
            let after = folded.text.get(end..).and_then(|tail| tail.chars().next());
            // Whether it is also the server's own is asked last: it is asked of the whole catalogue.
            if !before.is_some_and(part) && !after.is_some_and(part) && !own(&entry.tool) {
                let what =
                    format!("it speaks of another server's tool, `{}/{}`", entry.server, super::shown(&entry.tool));
                out.push(finding(pointer, text, folded.place(at..end), what));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_is_a_pattern() {
        assert_eq!(COMPILED.len(), SIGNS.len());
    }
}
