//! Numbers and amounts of money, however their groups and fractions are marked.

use std::ops::Range;

use super::words::Words;

/// Words and codes for money that may stand beside an amount.
const CURRENCIES: [&str; 27] = [
    "eur", "usd", "gbp", "chf", "jpy", "cny", "inr", "cad", "aud", "sek", "nok", "dkk", "pln", "brl", "mxn", "euro",
    "euros", "cent", "cents", "dollar", "dollars", "pound", "pounds", "yen", "francs", "rupees", "yuan",
];

/// Every number that a text of digits and marks may be, in one spelling: `1,250.00` is `1250`; `1.250` may be `1250` too.
pub(super) fn numbers(text: &str) -> Vec<String> {
    let (minus, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let marks: Vec<(usize, char)> = digits.char_indices().filter(|(_, c)| !c.is_ascii_digit()).collect();
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || marks.iter().any(|(_, c)| !matches!(c, '.' | ',' | '\'')) {
        return Vec::new();
    }
    let whole = |upto: &str| upto.chars().filter(char::is_ascii_digit).collect::<String>();
    let split = |at: usize| {
        (whole(digits.get(..at).unwrap_or_default()), digits.get(at.saturating_add(1)..).unwrap_or_default().to_owned())
    };
    let groups = |text: &str| text.split(['.', ',', '\'']).skip(1).all(|group| group.len() == 3);
    let mut found = Vec::new();
    match marks.as_slice() {
        [] => found.push((digits.to_owned(), String::new())),
        [(at, mark)] => {
            if *mark != '\'' {
                found.push(split(*at));
            }
            if groups(digits) {
                found.push((whole(digits), String::new()));
            }
        }
        [(_, first), .., (at, last)] if first != last => {
            if groups(digits.get(..*at).unwrap_or_default()) && *last != '\'' {
                found.push(split(*at));
            }
        }
        [..] => {
            if groups(digits) {
                found.push((whole(digits), String::new()));
            }
        }
    }
    found.into_iter().map(|(whole, fraction)| plain(minus, &whole, &fraction)).collect()
}

/// What a number of JSON means, where it has no exponent: its point is a point.
pub(super) fn meant(digits: &str) -> Option<String> {
    numbers(digits).into_iter().next()
}

fn plain(minus: bool, whole: &str, fraction: &str) -> String {
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if minus && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A number that stands in a text.
pub(super) struct Placed {
    /// The words it is written with.
    pub(super) words: Range<usize>,
    /// What it may be.
    pub(super) numbers: Vec<String>,
    /// Whether money is named beside it.
    pub(super) is_amount: bool,
}

/// The number that begins at a word, where one does: `1,250.00`, with the sign before it.
pub(super) fn number_at(words: &Words<'_>, from: usize) -> Option<Placed> {
    let is_digits = |index: usize| {
        let word = words.word(index);
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_digits(from) || (from > 0 && !words.gap(from).is_apart()) {
        return amount_glued(words, from);
    }
    let mut to = from.saturating_add(1);
    while is_digits(to) && !words.gap(to).is_apart() && matches!(words.gap(to).sign(), Some('.' | ',' | '\'')) {
        to = to.saturating_add(1);
    }
    // Joined to what is no part of a number, it is a part of something else: a version, an address.
    let ends = to >= words.list.len() || words.gap(to).is_apart();
    let start = words.list.get(from)?.at.start;
    let end = words.list.get(to.saturating_sub(1))?.at.end;
    let minus = if words.gap(from).sign() == Some('-') { "-" } else { "" };
    let numbers = if ends { numbers(&format!("{minus}{}", words.text.get(start..end)?)) } else { Vec::new() };
    if numbers.is_empty() {
        return None;
    }
    let symbol = |text: Option<&str>, back: bool| {
        let text = text.unwrap_or_default();
        let c = if back { text.trim_end().chars().next_back() } else { text.trim_start().chars().next() };
        c.is_some_and(|c| matches!(c, '$' | '¢' | '£' | '¤' | '¥' | '\u{20a0}'..='\u{20cf}'))
    };
    let is_currency = |index: usize| CURRENCIES.contains(&words.word(index));
    let is_amount = symbol(words.text.get(..start).map(|t| t.trim_end_matches('-')), true)
        || symbol(words.text.get(end..), false)
        || is_currency(to)
        || from.checked_sub(1).is_some_and(is_currency);
    Some(Placed { words: from..to, numbers, is_amount })
}

/// An amount with its currency in one word: `eur50`, `50eur`.
fn amount_glued(words: &Words<'_>, from: usize) -> Option<Placed> {
    let word = words.word(from);
    // Most words have no digit, and need not be held against each currency.
    if !word.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest =
        CURRENCIES.iter().find_map(|currency| word.strip_prefix(currency).or_else(|| word.strip_suffix(currency)))?;
    let whole = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let alone =
        words.gap(from).is_apart() && words.list.get(from.saturating_add(1)).is_none_or(|next| next.before.is_apart());
    (whole && alone).then(|| Placed { words: from..from.saturating_add(1), numbers: numbers(rest), is_amount: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_grouped() {
        for (text, want) in [
            ("1250", "1250"),
            ("1,250.00", "1250"),
            ("1.250,00", "1250"),
            ("1'250.5", "1250.5"),
            ("1,234,567", "1234567"),
            ("1.250", "1.25 1250"),
            ("12.50", "12.5"),
            ("-007", "-7"),
            ("0.00", "0"),
            ("1.2.3", ""),
            ("1,2,3", ""),
            ("abc", ""),
            ("", ""),
        ] {
            assert_eq!(numbers(text).join(" "), want, "{text}");
        }
    }

    #[test]
    fn amounts_are_told_from_other_numbers() {
        for (text, want) in [
            ("total: 1,250.00 eur due", "1250!"),
            ("€1250 or $ 12", "1250! 12!"),
            ("usd 7 for 3 items", "7! 3"),
            ("50eur", "50!"),
            ("v1.2.3 10.0.0.1", ""),
            ("chapter 13", "13"),
            ("-5", "-5"),
        ] {
            let words = Words::of(text);
            let shown = (0..words.list.len()).filter_map(|at| number_at(&words, at));
            let shown = shown.map(|n| format!("{}{}", n.numbers.join("/"), if n.is_amount { "!" } else { "" }));
            assert_eq!(shown.collect::<Vec<_>>().join(" "), want, "{text}");
        }
    }
}
