//! One spelling for many: compatibility forms, case, characters that nobody sees, and the many dashes and quotes.
//!
//! Letters that merely look alike stay different: a Cyrillic `а` in an address is another address.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// A text in its plain spelling: Unicode NFKC, in lower case, without invisible characters.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let has_case = text.bytes().any(|byte| byte.is_ascii_uppercase());
        return if has_case { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) };
    }
    let visible = text.nfkc().filter(|c| !is_invisible(*c));
    // By upper case to lower case: so `ß` and `SS`, and the two small sigmas, are one.
    let cased = visible.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    Cow::Owned(cased.nfkc().map(plain).collect())
}

/// One dash and one of each quote for all of theirs.
fn plain(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2018}'..='\u{201b}' | '\u{2032}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{2033}' => '"',
        other => other,
    }
}

/// Characters that change nothing that is seen (Unicode, `Default_Ignorable_Code_Point`).
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_text_are_one() {
        for (text, want) in [
            ("Bob@Example.COM", "bob@example.com"),
            ("ＢＯＢ＠example．com", "bob@example.com"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("ΟΔΟΣ οδος", "οδοσ οδοσ"),
            ("e\u{301}", "é"),
            ("b\u{200b}o\u{ad}b", "bob"),
            ("10\u{2013}12 \u{201c}x\u{201d}", "10-12 \"x\""),
            ("ﬁle", "file"),
            ("plain", "plain"),
        ] {
            assert_eq!(folded(text), want, "{text}");
        }
        assert_ne!(folded("p\u{430}ypal"), folded("paypal"), "what only looks alike is not the same");
    }
}
