//! Words of a folded text, and what stands between them.
//!
//! A word is a run of letters and digits. In scripts without spaces between words each character is a word of its own. What
//! joins words without a space (`.`, `@`, `/` and the like) makes them parts of one address, path or number; so two
//! neighbours are *joined* or *apart*, and which sign stands between them is kept as one byte. A space and a comma are
//! nothing; a sign that means something to a shell or a pattern (`;`, `>`, `*`) is kept between spaces too.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

/// What stands before a word, in one byte.
///
/// `0` is apart; `1..=127` is joined by this sign; `128` and above is apart, with this sign directly before the word, or with
/// a mark somewhere between the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap(pub(super) u8);

impl Gap {
    /// Apart, and nothing else.
    pub(super) const APART: Self = Self(0);
    /// No sign at all, as between two ideographs.
    const NONE: u8 = 127;
    /// Marks between two words that are more than one byte can tell.
    const MARKED: u8 = 32;

    /// Whether the word stands apart from the one before.
    pub(super) fn is_apart(self) -> bool {
        self.0 == 0 || self.0 >= 128
    }

    /// The sign, where there is exactly one, of ASCII.
    pub(super) fn sign(self) -> Option<char> {
        let code = self.0 & 127;
        (33..Self::NONE).contains(&code).then_some(char::from(code))
    }

    /// Whether a word that begins so in a text begins as this one does. Brackets and the like around a value are no part of it.
    pub(super) fn begins_like(self, wanted: Self) -> bool {
        let is_marked = self.0 == Self::MARKED | 128 || (self.is_apart() && self.sign().is_some_and(is_mark));
        self == wanted || (wanted == Self::APART && is_marked)
    }

    /// Whether digits on both sides may be groups of one number. A point, comma, colon or slash makes another number of them.
    pub(super) fn parts_groups(self) -> bool {
        self == Self::APART || self.0 == b'-' || (self.is_apart() && matches!(self.sign(), Some('(' | ')')))
    }

    /// Signs as seven bits: one sign of ASCII is itself, others share what is left.
    fn code(signs: &str) -> u8 {
        match signs.as_bytes() {
            [] => Self::NONE,
            [one @ 33..=126] => *one,
            b"://" => 1,
            many => {
                let sum = many.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
                u8::try_from(sum % 29).unwrap_or_default().saturating_add(2)
            }
        }
    }
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) at: Range<usize>,
    pub(super) before: Gap,
}

/// The words of a text.
#[derive(Debug, Clone)]
pub(super) struct Words<'t> {
    pub(super) text: &'t str,
    pub(super) list: Vec<Word>,
    /// Whether what follows the last word could not change what the words mean.
    pub(super) ends_plainly: bool,
    /// Whether marks stand between the words that their gaps do not tell.
    pub(super) hides_marks: bool,
}

/// What was met since the last word.
struct Between {
    /// Where the signs begin that stand after the last end or word.
    signs: usize,
    /// Whether an end was met.
    apart: bool,
    /// The mark that was met; nothing is 0.
    mark: u8,
}

/// What a character is to words.
enum Class {
    Letter,
    /// A word by itself.
    Single,
    /// Between words, and part of what they make together.
    Joint,
    /// Between words, and an end.
    End,
}

fn class(c: char) -> Class {
    match c {
        'a'..='z' | '0'..='9' | 'A'..='Z' => Class::Letter,
        '\0'..=' ' | ',' | ';' | '|' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '"' | '`' => Class::End,
        '!'..='~' => Class::Joint,
        _ if has_no_spaces(c) => Class::Single,
        _ if is_letter(c) => Class::Letter,
        // Pictures and other signs outside the ranges of punctuation carry meaning by themselves.
        '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}' => Class::Single,
        _ => Class::End,
    }
}

/// Scripts that set no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, kana and ideographs.
pub(super) fn has_no_spaces(c: char) -> bool {
    let is_of_these = matches!(c,
        '\u{e00}'..='\u{fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    is_of_these && is_letter(c)
}

/// Whether a character is a letter or digit of any script, or stands upon one.
pub(super) fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

impl<'t> Words<'t> {
    /// The words of a folded text.
    pub(super) fn of(text: &'t str) -> Self {
        let list = Vec::with_capacity(text.len() / 6);
        let mut words = Self { text, list, ends_plainly: true, hides_marks: false };
        let (mut word, mut between) = (None::<usize>, Between { signs: 0, apart: true, mark: 0 });
        for (at, c) in text.char_indices() {
            let class = match class(c) {
                Class::End if c == ',' && is_between_digits(text, at) => Class::Joint,
                other @ (Class::Letter | Class::Single | Class::Joint | Class::End) => other,
            };
            let after = at.saturating_add(c.len_utf8());
            if matches!(class, Class::Letter) {
                word.get_or_insert(at);
                continue;
            }
            if let Some(start) = word.take() {
                words.push(start..at, &mut between);
            }
            match class {
                Class::Single => words.push(at..after, &mut between),
                Class::End => between.end(text, at, c),
                Class::Joint | Class::Letter => {}
            }
        }
        if let Some(start) = word {
            words.push(start..text.len(), &mut between);
        }
        let last = words.list.last().map_or(0, |word| word.at.end);
        let rest = text.get(last..).unwrap_or_default();
        // Two points lead out of the place that the words name.
        words.ends_plainly =
            !rest.contains("..") && rest.chars().all(|c| !matches!(class(c), Class::Joint) || "./'".contains(c));
        words
    }

    fn push(&mut self, at: Range<usize>, between: &mut Between) {
        let signs = self.text.get(between.signs..at.start).unwrap_or_default();
        let Between { apart, mark, .. } = *between;
        let closes = matches!(mark, b')' | b'}');
        self.hides_marks |= mark == Gap::MARKED || (mark != 0 && !closes && !signs.is_empty());
        let before = match (apart, signs.is_empty(), mark) {
            (true, true, 0) => Gap::APART,
            (true, true, mark) => Gap(mark | 128),
            // Nothing begins here, as in `a (1).pdf`.
            (true, false, mark) if closes => Gap(Gap::code(&format!("{}{signs}", char::from(mark))) | 128),
            (true, false, _) => Gap(Gap::code(signs) | 128),
            (false, ..) => Gap(Gap::code(signs)),
        };
        *between = Between { signs: at.end, apart: false, mark: 0 };
        self.list.push(Word { at, before });
    }

    /// The text of a word.
    pub(super) fn word(&self, index: usize) -> &'t str {
        self.list.get(index).and_then(|word| self.text.get(word.at.clone())).unwrap_or_default()
    }

    /// What stands before a word.
    pub(super) fn gap(&self, index: usize) -> Gap {
        self.list.get(index).map_or(Gap::APART, |word| word.before)
    }

    /// The runs of words that are joined.
    pub(super) fn joined(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            if from >= self.list.len() {
                return None;
            }
            let more = self.list.iter().skip(from.saturating_add(1)).take_while(|word| !word.before.is_apart()).count();
            let run = from..from.saturating_add(1).saturating_add(more);
            from = run.end;
            Some(run)
        })
    }

    /// The text of a run of joined words, with the signs directly before and behind.
    pub(super) fn chunk(&self, run: Range<usize>) -> &'t str {
        let is_end = |c: char| matches!(class(c), Class::End);
        let (Some(first), Some(last)) = (self.list.get(run.start), self.list.get(run.end.saturating_sub(1))) else {
            return "";
        };
        let before = self.text.get(..first.at.start).unwrap_or_default();
        let start = before
            .rfind(is_end)
            .map_or(0, |at| at + before.get(at..).and_then(|s| s.chars().next()).map_or(0, char::len_utf8));
        let behind = self.text.get(last.at.end..).unwrap_or_default();
        let end =
            behind.find(|c: char| !matches!(class(c), Class::Joint)).map_or(self.text.len(), |at| last.at.end + at);
        // Signs before the first of a run that follows a word belong to that word.
        self.text.get(start.min(first.at.start)..end).unwrap_or_default()
    }
}

impl Between {
    /// An end is met. The signs since the last one belong to no word.
    fn end(&mut self, text: &str, at: usize, end: char) {
        let signs = text.get(self.signs..at).unwrap_or_default();
        if signs.contains(['*', '/', '\\', '~', '&', '$']) || signs.contains("..") || (self.mark != 0 && is_mark(end)) {
            self.mark = Gap::MARKED;
        } else if is_mark(end) {
            self.mark = u8::try_from(end).unwrap_or(Gap::MARKED);
        }
        (self.signs, self.apart) = (at.saturating_add(end.len_utf8()), true);
    }
}

/// Ends that mean something to a shell, a pattern or a program.
fn is_mark(c: char) -> bool {
    matches!(c, ';' | '|' | '<' | '>' | '(' | ')' | '{' | '}' | '`')
}

/// Whether the sign there stands between digits.
pub(super) fn is_between_digits(text: &str, at: usize) -> bool {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    at.checked_sub(1).is_some_and(|before| digit(bytes.get(before))) && digit(bytes.get(at.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let words = Words::of(text);
        let one = |n: usize| {
            let gap = words.gap(n);
            let sign =
                gap.sign().map_or_else(|| if gap.0 & 127 == 0 { String::new() } else { "*".into() }, String::from);
            format!("{}{sign}{}", if gap.is_apart() { " " } else { "" }, words.word(n))
        };
        (0..words.list.len()).map(one).collect()
    }

    #[test]
    fn words_and_what_joins_them() {
        for (text, want) in [
            ("pay bob@example.com, now.", " pay bob@example.com now"),
            ("(see https://x.test/a)", " (see https*x.test/a"),
            ("a > b; c && d | e", " a >b ;c *d |e"),
            ("a (b) >/c, \"d\" - e. f", " a (b /c d e f"),
            ("1,250.00 a,b", " 1,250.00 a b"),
            ("/etc/passwd ../x", " /etc/passwd *x"),
            ("張偉abc", " 張*偉*abc"),
            ("well-known #13", " well-known #13"),
            ("", ""),
            ("... !", ""),
        ] {
            assert_eq!(shown(text), want, "{text}");
        }
    }

    #[test]
    fn chunks_are_what_stands_without_a_space() {
        let text = "see (https://x.test/a/?q=1). or mail bob@example.com.";
        let words = Words::of(text);
        let chunks: Vec<&str> = words.joined().map(|run| words.chunk(run)).collect();
        assert_eq!(chunks, ["see", "https://x.test/a/?q=1", "or", "mail", "bob@example.com."]);
    }
}
