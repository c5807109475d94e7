//! Text of others made safe to look at: nothing in it can move the cursor, hide, reorder or imitate.
//!
//! Control, format (bidirectional, zero-width), unassigned and combining characters, and characters that look like
//! nothing, are written as escapes. Letters of every script stay as they are; [`odd`] says which words imitate others. Where
//! something is left out, a note says how much.

use serde_json::Value;
use unicode_width::UnicodeWidthChar as _;

pub(crate) use super::odd::odd;

/// How many characters of one text are shown.
const TEXT_MAX: usize = 400;

/// How many characters of one string among arguments are shown.
const STRING_MAX: usize = 80;

/// About how many characters of arguments are shown in all.
const ARGUMENTS_MAX: usize = 1200;

/// A text in one line, its backslashes doubled so that an escape cannot be forged.
pub(crate) fn text(text: &str) -> String {
    at_most(text, TEXT_MAX)
}

/// A text as [`text`] writes it, of any length: nothing is cut.
pub(crate) fn whole(text: &str) -> String {
    at_most(text, usize::MAX)
}

/// A text as [`text`] writes it, at most so many characters of it.
pub(super) fn at_most(text: &str, max: usize) -> String {
    let mut out = String::new();
    for character in text.chars().take(max) {
        match character {
            '\\' => out.push_str("\\\\"),
            other => push(other, &mut out),
        }
    }
    out.push_str(&left_out(text.chars().skip(max).count()));
    out
}

/// A text of any length that was written to be shown, with its line ends: nothing is cut and no backslash is doubled.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            other => push(other, &mut out),
        }
    }
    out
}

fn push(character: char, out: &mut String) {
    match character {
        ' '..='~' => out.push(character),
        _ if looks_like_nothing(character) => out.extend(character.escape_unicode()),
        _ => out.extend(character.escape_debug()),
    }
}

/// A JSON text as it may be printed: the same value, with what hides or acts written as JSON writes a character. Line ends stay.
pub(crate) fn json_exact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\n' || !hides(character) {
            out.push(character);
            continue;
        }
        // Outside of strings JSON has nothing that hides but line ends, which stay.
        for unit in character.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// Whether [`push`] would write it as an escape.
fn hides(character: char) -> bool {
    match character {
        ' '..='~' => false,
        _ => looks_like_nothing(character) || character.escape_debug().len() > 1,
    }
}

/// Letters and symbols, by their category, that are drawn as empty space: the Hangul fillers and the blank Braille
/// pattern. Everything else that is invisible, `escape_debug` escapes.
fn looks_like_nothing(character: char) -> bool {
    matches!(character, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}')
}

fn left_out(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " [1 character left out]".to_owned(),
        _ => format!(" [{count} characters left out]"),
    }
}

/// A JSON text in one line, as [`json`] writes it.
pub(crate) fn json_text(text: &str) -> String {
    serde_json::from_str(text).map_or_else(|_| pdp::json::quoted(text), |value: Value| json(&value))
}

/// A JSON value in one line. Members stand in the order of their names.
pub(super) fn json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => write_list(('[', ']'), items.iter(), out, write),
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            write_list(('{', '}'), sorted.into_iter(), out, |(name, item), out| {
                write_string(name, out);
                out.push_str(": ");
                write(item, out);
            });
        }
    }
}

fn write_list<T>(
    (open, close): (char, char),
    items: impl ExactSizeIterator<Item = T>,
    out: &mut String,
    write_item: impl Fn(T, &mut String),
) {
    let count = items.len();
    out.push(open);
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        if out.len() > ARGUMENTS_MAX {
            out.push_str(&format!("[{} more left out]", count - n));
            break;
        }
        write_item(item, out);
    }
    out.push(close);
}

fn write_string(text: &str, out: &mut String) {
    let shown: String = text.chars().take(STRING_MAX).collect();
    for character in Value::from(shown).to_string().chars() {
        push(character, out);
    }
    out.push_str(&left_out(text.chars().skip(STRING_MAX).count()));
}

/// How many columns of a terminal a text that is made safe takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// A letter that joins the one before it may stand alone all the same, so each takes a column at least.
fn columns_of(character: char) -> usize {
    character.width().unwrap_or(1).max(1)
}

/// The place in a text from where on it does not fit into so many columns; nothing where it fits. One character always does.
fn over(text: &str, width: usize) -> Option<usize> {
    let mut columns = 0;
    for (at, character) in text.char_indices() {
        columns += columns_of(character);
        if columns > width && at > 0 {
            return Some(at);
        }
    }
    None
}

/// The head of a text that fits into so many columns; nothing into none.
pub(crate) fn clip(text: &str, width: usize) -> &str {
    let end = over(text, width).unwrap_or(text.len());
    text.get(..end).filter(|head| columns(head) <= width).unwrap_or_default()
}

/// Breaks a line into lines of at most `width` columns, at spaces where there are any. Loses only the space it breaks at.
pub(crate) fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = line;
    while let Some((head, tail)) = over(rest, width).and_then(|end| rest.split_at_checked(end)) {
        let broken = match tail.strip_prefix(' ') {
            Some(tail) => (head, tail),
            None => head
                .rsplit_once(' ')
                .filter(|(words, _)| !words.is_empty())
                .map_or((head, tail), |(words, _)| (words, rest.get(words.len() + 1..).unwrap_or_default())),
        };
        lines.push(broken.0.to_owned());
        rest = broken.1;
    }
    lines.push(rest.to_owned());
    lines
}

/// Cuts a text into pieces of at most `width` columns, wherever that is. Put together they are the text, to the last space.
pub(crate) fn chunks(text: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((head, tail)) = over(rest, width).and_then(|end| rest.split_at_checked(end)) {
        pieces.push(head);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_hides_or_reorders_is_escaped_and_letters_are_not() {
        assert_eq!(text("a\u{202e}b\u{200b}c\u{1b}[31m\n"), "a\\u{202e}b\\u{200b}c\\u{1b}[31m\\n");
        assert_eq!(
            text("\u{feff}\u{ad}\u{e0041}\u{3164}\u{2800}\u{a0}"),
            "\\u{feff}\\u{ad}\\u{e0041}\\u{3164}\\u{2800}\\u{a0}"
        );
        assert_eq!(text("a\u{fe0f}\u{9b}\u{7f}\u{2028}"), "a\\u{fe0f}\\u{9b}\\u{7f}\\u{2028}");
        assert_eq!(text("Grüße, Ελλάδα, 漢字 \"'"), "Grüße, Ελλάδα, 漢字 \"'");
        assert_eq!(text("\\u{200b}"), "\\\\u{200b}", "an escape cannot be forged");
        assert_eq!(super::json(&json!("\\u{200b} \u{200b}\n")), r#""\\u{200b} \u{200b}\n""#);
        assert_eq!(plain("a\\b\n\u{1b}[2J\u{202e}é"), "a\\b\n\\u{1b}[2J\\u{202e}é");
    }

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(text(&"x".repeat(401)), format!("{} [1 character left out]", "x".repeat(400)));
        let long = super::json(&json!({"b": "y".repeat(200), "a": [1, true, null]}));
        assert_eq!(
            long,
            format!("{{\"a\": [1, true, null], \"b\": \"{}\" [120 characters left out]}}", "y".repeat(80))
        );
        let many: Vec<u32> = (1000..2000).collect();
        let shown = super::json(&json!({"many": many, "next": 1}));
        assert!(shown.ends_with(", [801 more left out]], [1 more left out]}"), "{shown}");
    }

    #[test]
    fn lines_break_at_spaces_and_lose_nothing_else() {
        assert_eq!(wrap("one two  three", 8), ["one two ", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("漢字漢字 ab", 6), ["漢字漢", "字 ab"], "a wide letter takes two columns");
        assert_eq!(wrap("漢字", 0), ["漢", "字"], "even where nothing fits");
        assert_eq!(wrap(" abcdef", 4), [" abc", "def"], "what stands in from the left stays there");
    }

    #[test]
    fn pieces_are_the_text_to_the_last_space_however_long_it_is() {
        for text in ["", "a  b   ", "漢字 漢a", &"x ".repeat(1 << 17)] {
            for width in [0, 1, 3, 76] {
                let pieces = chunks(text, width);
                assert_eq!(pieces.concat(), text);
                assert!(pieces.iter().all(|piece| columns(piece) <= width.max(2)));
            }
        }
        assert_ne!(chunks(&format!("{} b", "a".repeat(76)), 76), chunks(&format!("{}b", "a".repeat(76)), 76));
        assert_eq!(wrap(&"x".repeat(1 << 20), 76).len(), (1 << 20) / 76 + 1);
    }

    #[test]
    fn a_clipped_text_fits() {
        let all = [0, 1, 2, 3, 4, 5, 9].map(|width| clip("a漢字b", width));
        assert_eq!(all, ["", "a", "a", "a漢", "a漢", "a漢字", "a漢字b"]);
        assert_eq!(clip("漢", 1), "");
    }

    #[test]
    fn printed_json_holds_nothing_that_acts_and_is_the_same_value() {
        let value = json!({ "a\u{9b}": "\u{7f}\u{202e}\u{200b}\u{e0041}\u{3164} \\ \" é 漢 \n" });
        let text = json_exact(&value.to_string());
        assert_eq!(text.chars().find(|c| hides(*c)), None, "{text}");
        assert!(text.contains(r"\u009b") && text.contains(r"\udb40\udc41") && text.contains("é 漢"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap_or_default(), value);
        assert_eq!(json_exact("{\n  \"a\": 1\n}"), "{\n  \"a\": 1\n}");
    }
}
