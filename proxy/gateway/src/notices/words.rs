//! What a notice says, in words that no channel can take for anything but words.
//!
//! Names are the only thing in it that others chose. Each is escaped as a terminal shows it, then what chat programs and mail
//! readers act on is escaped the same way: tags, mentions, links. What is clipped says by how much.

use super::{Notice, Outcome, Told};
use crate::clock::rfc3339;
use crate::story::visible;

/// How many characters of one name are told.
const NAME_MAX: usize = 60;
/// Of all grants together.
const GRANTS_MAX: usize = 240;
/// Of the rules' reasons together.
const REASONS_MAX: usize = 300;

/// Of what is odd about names and reasons.
const ODD_MAX: usize = 240;

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    /// What happened; of our own words alone.
    pub(super) title: String,
    /// What is told of it, each with what it is.
    pub(super) facts: Vec<(&'static str, String)>,
    /// Where to look and decide.
    pub(super) link: String,
}

impl Words {
    /// `console` is where people reach the console, without a slash at its end.
    pub(super) fn of(notice: &Notice, console: &str) -> Self {
        let mut facts = vec![("Who", who(notice)), ("Wants", wants(notice))];
        let grants = list(&notice.grants, GRANTS_MAX);
        facts.push((if notice.event == Told::Asked { "Needs" } else { "Needed" }, grants));
        if !notice.reasons.is_empty() {
            facts.push(("Because", list(&notice.reasons, REASONS_MAX)));
        }
        match (notice.event, &notice.decided_by) {
            (Told::Asked, _) => facts.push(("Open until", rfc3339(notice.expires_us))),
            (Told::Expired, _) => facts.push(("Was open until", rfc3339(notice.expires_us))),
            (Told::Decided, Some(by)) => facts.push(("Decided by", name(by))),
            (Told::Decided, None) => {}
        }
        facts.extend(odd(notice).map(|words| ("Look twice", words)));
        Self { title: title(notice), facts, link: link(notice, console) }
    }

    /// The facts as lines of plain text.
    pub(super) fn lines(&self) -> String {
        self.facts.iter().map(|(label, value)| format!("{label}: {value}\n")).collect()
    }
}

fn title(notice: &Notice) -> String {
    let words = match (notice.event, notice.outcome) {
        (Told::Asked, _) => "Approval wanted",
        (Told::Expired, _) => "Approval expired, undecided",
        (Told::Decided, Some(Outcome::Granted)) => "Approval granted",
        (Told::Decided, Some(Outcome::Refused)) => "Approval refused",
        (Told::Decided, Some(Outcome::Closed) | None) => "Approval needed no more",
    };
    if notice.test { format!("Test: {words}") } else { words.to_owned() }
}

fn who(notice: &Notice) -> String {
    let agent = name(&notice.agent);
    if notice.user.is_empty() { agent } else { format!("{agent} for {}", name(&notice.user)) }
}

/// What is wanted, in one line.
pub(super) fn wants(notice: &Notice) -> String {
    format!("{} on {}", name(&notice.action), name(&notice.server))
}

/// Which words of what is told look like others.
pub(super) fn odd(notice: &Notice) -> Option<String> {
    let names = [&notice.agent, &notice.user, &notice.action, &notice.server];
    let all = names.into_iter().chain(&notice.decided_by).chain(&notice.grants).chain(&notice.reasons);
    let words: Vec<String> = all.map(|text| visible::whole(text)).collect();
    visible::odd(&words.join(" ")).map(|words| clipped(&words, ODD_MAX))
}

fn list(all: &[String], max: usize) -> String {
    if all.is_empty() { "nothing by name".to_owned() } else { clipped(&all.join(", "), max) }
}

/// The page of a request. The link names it and opens nothing.
pub(super) fn link(notice: &Notice, console: &str) -> String {
    let id: String = notice.id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    format!("{console}/console/#/approvals/{id}")
}

/// A name, harmless and clipped.
pub(super) fn name(text: &str) -> String {
    clipped(text, NAME_MAX)
}

/// A reason or a grant as a webhook is told it.
pub(super) fn reason(text: &str) -> String {
    clipped(text, REASONS_MAX)
}

/// A text with everything escaped that hides, reorders, mentions, tags or links; at most `max` characters of that.
fn clipped(text: &str, max: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    let (mut out, mut length) = (String::new(), 0);
    for (n, character) in characters.iter().enumerate() {
        let (before, rest) = characters.split_at(n);
        let piece = escaped(before, *character, rest.get(1).copied());
        length += piece.chars().count();
        if length > max {
            let left = characters.len() - n;
            return format!("{out} [{left} more {}]", if left == 1 { "character" } else { "characters" });
        }
        out.push_str(&piece);
    }
    out
}

fn escaped(before: &[char], character: char, after: Option<char>) -> String {
    let escape = match character {
        // Tags and mentions of Slack, HTML.
        '<' | '>' | '&' => true,
        // A mention, unless it stands in an address of e-mail.
        '@' => !before.last().is_some_and(|c| c.is_alphanumeric()),
        // What makes a link of a text: `http://`, `www.`.
        ':' => after == Some('/'),
        '.' => before.len() >= 3 && before.iter().rev().take(3).all(|c| c.eq_ignore_ascii_case(&'w')),
        _ => false,
    };
    if escape { character.escape_unicode().to_string() } else { visible::text(character.encode_utf8(&mut [0; 4])) }
}
