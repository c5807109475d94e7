//! Characters that a reader does not see, or that change what a reader sees: Unicode's bidirectional controls,
//! zero-width and tag characters, variation selectors, ANSI escapes, control characters, private use.

use super::{Finding, Kind, excerpt};

/// A class of characters that hide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Bidi,
    ZeroWidth,
    Tag,
    Variation,
    Escape,
    Control,
    Private,
    Blank,
}

impl Class {
    fn words(self) -> &'static str {
        match self {
            Self::Bidi => "bidirectional control",
            Self::ZeroWidth => "zero-width or invisible character",
            Self::Tag => "Unicode tag character",
            Self::Variation => "variation selector",
            Self::Escape => "ANSI escape",
            Self::Control => "control character",
            Self::Private => "private-use character",
            Self::Blank => "character that looks like nothing",
        }
    }
}

/// The class of a character; nothing for one that is seen as what it is. Sources: Unicode 16, chapters 22 and 23, and
/// the property `Default_Ignorable_Code_Point`.
pub(super) fn class_of(character: char) -> Option<Class> {
    match character {
        '\u{1b}' | '\u{9b}' => Some(Class::Escape),
        '\t' | '\n' | '\r' => None,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}' => {
            Some(Class::Control)
        }
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => Some(Class::Bidi),
        '\u{ad}'
        | '\u{34f}'
        | '\u{17b4}'
        | '\u{17b5}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200d}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' => Some(Class::ZeroWidth),
        '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {
            Some(Class::Variation)
        }
        '\u{e0000}'..='\u{e0fff}' => Some(Class::Tag),
        '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' => Some(Class::Blank),
        '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}' => Some(Class::Private),
        _ => None,
    }
}

/// Whether a variation selector or a joiner only says how an emoji is drawn, as half the descriptions in the wild have it.
fn draws_an_emoji(class: Class, at: usize, characters: &[char]) -> bool {
    let before = at.checked_sub(1).and_then(|at| characters.get(at)).copied().unwrap_or(' ');
    let after = characters.get(at.saturating_add(1)).copied().unwrap_or(' ');
    match (class, characters.get(at)) {
        (Class::Variation, Some('\u{fe0e}' | '\u{fe0f}')) => is_emoji(before),
        // Digits have an emoji form, and are joined in none.
        (Class::ZeroWidth, Some('\u{200d}')) => {
            let joins = |one: char| !one.is_ascii() && is_emoji(one);
            (joins(before) || before == '\u{fe0f}') && joins(after)
        }
        _ => false,
    }
}

/// Symbols that have an emoji form. Wider than Unicode's own list, which costs nothing here.
fn is_emoji(character: char) -> bool {
    matches!(character,
        '#' | '*' | '0'..='9' | '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2190}'..='\u{21ff}' | '\u{2300}'..='\u{23ff}' | '\u{24c2}' | '\u{25a0}'..='\u{27bf}'
        | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
}

/// How many characters of a run are named one by one.
const NAMED_MAX: usize = 8;

/// Every run of hiding characters in a text.
pub(super) fn find(pointer: &str, text: &str) -> Vec<Finding> {
    let characters: Vec<char> = text.chars().collect();
    let mut runs: Vec<(Class, usize, Vec<char>)> = Vec::new();
    for (at, character) in characters.iter().enumerate() {
        let class = class_of(*character).filter(|class| !draws_an_emoji(*class, at, &characters));
        let Some(class) = class else { continue };
        match runs.last_mut() {
            Some((last, from, run)) if *last == class && from.saturating_add(run.len()) == at => run.push(*character),
            Some(_) | None => runs.push((class, at, vec![*character])),
        }
    }
    let finding = |(class, offset, run): (Class, usize, Vec<char>)| Finding {
        kind: Kind::Hidden,
        pointer: pointer.to_owned(),
        offset,
        what: words(class, &run),
        excerpt: excerpt(text, offset, run.len()),
    };
    runs.into_iter().map(finding).collect()
}

fn words(class: Class, run: &[char]) -> String {
    let many = if run.len() == 1 { "" } else { "s" };
    let mut out = format!("{} {}{many}", run.len(), class.words());
    if class == Class::Tag {
        // Each stands for an ASCII character: what it spells is read by models and by nobody else.
        let spelt = run.iter().filter_map(|c| u32::from(*c).checked_sub(0xe0000).and_then(char::from_u32));
        let spelt: String = spelt.filter(|c| matches!(c, ' '..='~')).take(200).collect();
        out.push_str(&format!(", spelling {spelt:?}"));
        return out;
    }
    let named: Vec<String> = run.iter().take(NAMED_MAX).map(|c| format!("U+{:04X}", u32::from(*c))).collect();
    let rest = if run.len() > NAMED_MAX { " ..." } else { "" };
    out.push_str(&format!(" ({}{rest})", named.join(" ")));
    out
}

/// A text as it is seen: without what hides. Each character with its place in the text.
pub(super) fn seen(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    text.chars().enumerate().filter(|(_, character)| class_of(*character).is_none())
}
