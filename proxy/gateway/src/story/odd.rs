//! Words that look like others: letters of two scripts in one word, foreign letters that are drawn like Latin ones, letters
//! in disguise. They stay as they are, and a note says what they are made of.

use unicode_normalization::UnicodeNormalization as _;
use unicode_script::{Script, UnicodeScript as _};

/// Scripts with letters that can be taken for those of another of them.
const ALIKE: [Script; 10] = [
    Script::Latin,
    Script::Cyrillic,
    Script::Greek,
    Script::Armenian,
    Script::Cherokee,
    Script::Coptic,
    Script::Georgian,
    Script::Hebrew,
    Script::Arabic,
    Script::Lisu,
];
/// Of how many words it is said what is odd about them.
const WORDS_MAX: usize = 3;
/// How many characters of one of them are told.
const WORD_CHARS_MAX: usize = 40;

/// Which words of a text look like others, and why. The text is one that is made safe already, or JSON: what a backslash
/// begins is an escape and no letter of a word.
pub(crate) fn odd(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let (mut told, mut more) = (Vec::new(), 0_usize);
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c == '\\' || c.is_alphanumeric()) {
        let (_, from) = rest.split_at_checked(start)?;
        let (word, tail) = word(from);
        rest = tail;
        let Some(why) = why(word) else { continue };
        let words = format!("{}: {why}", super::visible::at_most(word, WORD_CHARS_MAX));
        if told.contains(&words) {
            continue;
        }
        if told.len() < WORDS_MAX { told.push(words) } else { more += 1 }
    }
    if more > 0 {
        told.push(format!("and {more} more such {}", if more == 1 { "word" } else { "words" }));
    }
    (!told.is_empty()).then(|| told.join("; "))
}

/// The word or the escape at the head of a text, an escape as an empty word; and what follows it.
fn word(from: &str) -> (&str, &str) {
    let Some(escape) = from.strip_prefix('\\') else {
        let end = from.find(|c: char| !c.is_alphanumeric()).unwrap_or(from.len());
        return from.split_at_checked(end).unwrap_or((from, ""));
    };
    let mut characters = escape.chars();
    let first = characters.next();
    let after = characters.as_str();
    let braced = after.strip_prefix('{').and_then(|code| code.split_once('}'));
    match (first, braced) {
        (Some('u'), Some((_, tail))) => ("", tail),
        // JSON's four digits; a text that ends before is none of ours.
        (Some('u'), None) => ("", after.get(4..).unwrap_or(after)),
        _ => ("", after),
    }
}

/// What is odd about one word.
fn why(word: &str) -> Option<String> {
    if word.is_ascii() {
        return None;
    }
    let scripts: Vec<Script> = ALIKE.into_iter().filter(|script| word.chars().any(|c| c.script() == *script)).collect();
    if let [first, .., last] = scripts.as_slice() {
        let between: String =
            scripts.iter().skip(1).rev().skip(1).rev().map(|one| format!(", {}", name(*one))).collect();
        return Some(format!("mixes {}{between} and {} letters", name(*first), name(*last)));
    }
    if word.chars().any(disguised) {
        let reads: String = word.nfkc().collect();
        return Some(format!("letters in disguise, reads as {}", super::visible::at_most(&reads, WORD_CHARS_MAX)));
    }
    let [script] = scripts.as_slice() else { return None };
    let foreign = *script != Script::Latin && word.chars().count() > 1;
    let latin = foreign && unicode_security::skeleton(word).all(|c| c.is_ascii_alphanumeric());
    latin.then(|| format!("{} letters that look Latin", name(*script)))
}

fn name(script: Script) -> &'static str {
    script.full_name()
}

/// Whether a character is an ASCII letter or digit in another form: full-width, mathematical, in a circle.
fn disguised(character: char) -> bool {
    let digit = matches!(character, '\u{ff10}'..='\u{ff19}' | '\u{1d7ce}'..='\u{1d7ff}');
    let mut plain = std::iter::once(character).nfkc();
    !character.is_ascii() && (digit || character.is_alphabetic()) && plain.all(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_imitate_are_told_and_words_of_any_language_are_not() {
        assert_eq!(odd("pay раypal.com now").as_deref(), Some("раypal: mixes Latin and Cyrillic letters"));
        assert_eq!(odd("аррӏе").as_deref(), Some("аррӏе: Cyrillic letters that look Latin"));
        assert_eq!(
            odd("ｐａｙ 𝐩𝐚𝐲").as_deref(),
            Some(concat!("ｐａｙ: letters in disguise, reads as pay; ", "𝐩𝐚𝐲: letters in disguise, reads as pay"))
        );
        assert_eq!(odd("aаα").as_deref(), Some("aаα: mixes Latin, Cyrillic and Greek letters"));
        for plain in [
            "",
            "Grüße, Straße",
            "Ελλάδα",
            "Привет, мир",
            "漢字かな交じり文",
            "iPhone手机",
            "שלום",
            "5 µm, m², 日本2",
            "Encyclopædia",
        ] {
            assert_eq!(odd(plain), None, "{plain}");
        }
    }

    #[test]
    fn an_escape_is_no_letter() {
        assert_eq!(odd(r#""\nпривет \u00e9привет \u{202e}привет \\привет""#), None);
        assert!(odd(r"\nраypal").is_some() && odd(r"\\раypal").is_some());
        assert_eq!(odd("привет\\"), None);
        assert_eq!(odd("привет\\u12"), None);
    }

    #[test]
    fn however_many_there_are_the_note_is_short() {
        let many: String = (0..5000).map(|n| format!("раy{n} ")).collect();
        let note = odd(&many).unwrap_or_default();
        assert!(note.ends_with("; and 4997 more such words") && note.chars().count() < 300, "{note}");
        assert!(odd(&"раy".repeat(100_000)).is_some_and(|note| note.chars().count() < 150));
        assert_eq!(odd("раy раy раy").as_deref(), Some("раy: mixes Latin and Cyrillic letters"));
    }
}
