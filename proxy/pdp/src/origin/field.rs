//! Fields: what a value is a value of. A short number or name means something only as the value of its kind of field.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fold::folded;
use super::numbers;
use super::reading::AMOUNT;
use super::words::Words;

/// The kinds that a registry names: field names, in any spelling, to the kind of what they hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Kinds(BTreeMap<String, String>);

impl Kinds {
    /// Kinds by the names of fields.
    pub fn new<'a>(named: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self(named.into_iter().map(|(name, kind)| (plain(name), self::kind(kind))).collect())
    }

    /// The names of fields with their kinds, as they are compared.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, kind)| (name.as_str(), kind.as_str()))
    }

    /// Whether none is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One field, in the object it stands in.
#[derive(Debug, Clone, Default)]
pub struct Field {
    named: Arc<Kinds>,
    name: String,
    /// What holds the object that has it.
    holder: String,
}

/// Names that say nothing of themselves: an `id` in `events` is an event's.
const BARE: [&str; 7] = ["id", "uid", "key", "number", "no", "name", "code"];
/// Words that name an amount of money.
const AMOUNTS: [&str; 7] = ["amount", "price", "total", "sum", "cost", "fee", "budget"];
/// A number with at least so many digits stands in no text by chance.
const DIGITS_MIN: usize = 6;
/// A name of letters alone is short below this many bytes, one with digits below that many.
const LETTERS_MIN: usize = 3;
const MIXED_MIN: usize = 6;

impl Field {
    /// Where the kinds are as a registry names them, and no field is met yet.
    #[must_use]
    pub fn root(kinds: Arc<Kinds>) -> Self {
        Self { named: kinds, ..Self::default() }
    }

    /// What stands below this field under these names, the outermost first. No more than the last two count.
    pub(super) fn below<'n>(&self, mut names: impl DoubleEndedIterator<Item = &'n str>) -> Self {
        match (names.next_back(), names.next_back()) {
            (None, _) => self.clone(),
            (Some(name), None) => self.member(name),
            (Some(name), Some(holder)) => {
                Self { named: Arc::clone(&self.named), name: name.to_owned(), holder: holder.to_owned() }
            }
        }
    }

    /// A member of what this field holds.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        Self { named: Arc::clone(&self.named), name: name.to_owned(), holder: self.name.clone() }
    }

    /// Whether what it holds is an amount of money.
    pub(super) fn is_amount(&self) -> bool {
        self.kinds().iter().any(|kind| kind == AMOUNT)
    }

    /// The kinds of what it holds.
    pub(super) fn kinds(&self) -> Vec<String> {
        if self.name.is_empty() {
            return Vec::new();
        }
        let spelt = plain(&self.name);
        if let Some(named) = self.named.0.get(&spelt) {
            return vec![named.clone()];
        }
        let mut kinds = vec![kind(&self.name)];
        if BARE.contains(&spelt.as_str()) && !self.holder.is_empty() {
            kinds.push(kind(&format!("{}{spelt}", plain(&self.holder))));
        }
        kinds
    }
}

/// How a value is written that is too short to be found in a text; nothing for one that is not. A number has one spelling,
/// or two where its marks can be read in two ways.
pub(super) fn short(words: &Words<'_>) -> Option<Vec<String>> {
    if let Some(number) = numbers::number_at(words, 0)
        && number.words.end == words.list.len()
    {
        return if number.numbers.iter().any(|digits| is_long(digits)) { None } else { Some(number.numbers) };
    }
    let all = (0..words.list.len()).map(|at| words.word(at));
    let (bytes, has_digit) = all.fold((0_usize, false), |(bytes, digit), word| {
        (bytes.saturating_add(word.len()), digit || word.bytes().any(|byte| byte.is_ascii_digit()))
    });
    // Four parts that are joined make an address of a network or the like, which is no chance.
    let is_short = bytes < if has_digit { MIXED_MIN } else { LETTERS_MIN } && words.list.len() < 4;
    is_short.then(|| vec![words.text.split_whitespace().collect::<Vec<_>>().join(" ")])
}

/// Whether a number has enough digits not to stand in any text by chance.
pub(super) fn is_long(digits: &str) -> bool {
    digits.bytes().filter(u8::is_ascii_digit).count() >= DIGITS_MIN
}

/// Whether a member's name is one that a program has given, and not a value.
pub(super) fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// A name as a kind: `eventId`, `event_id` and `event-ids` are one, and so are all that name money.
pub(super) fn kind(name: &str) -> String {
    let plain = plain(name);
    if AMOUNTS.iter().any(|word| plain.ends_with(word)) { AMOUNT.to_owned() } else { plain }
}

fn plain(name: &str) -> String {
    let mut plain: String = folded(name).chars().filter(|c| c.is_alphanumeric()).collect();
    if plain.len() > 3 && plain.ends_with('s') && !plain.ends_with("ss") {
        plain.pop();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_kind_are_one() {
        let kinds = Arc::new(Kinds::new([("ref", "invoice_id")]));
        let root = Field::root(kinds);
        for (field, want) in [
            (root.member("eventId"), "eventid"),
            (root.member("event_ids"), "eventid"),
            (root.member("events").member("id"), "id eventid"),
            (root.member("status"), "statu"),
            (root.member("totalAmount"), "amount"),
            (root.member("Ref"), "invoiceid"),
            (root.clone(), ""),
        ] {
            assert_eq!(field.kinds().join(" "), want);
        }
    }

    #[test]
    fn what_stands_anywhere_by_chance_is_short() {
        for (text, want) in [
            ("13", "13"),
            ("#13", "13"),
            ("12.50", "12.5"),
            ("1.250", "1.25 1250"),
            ("a13", "a13"),
            ("me", "me"),
            ("v1.2", "v1.2"),
            ("\u{1f44d}", "-"),
            ("***", "***"),
            ("bob", "-"),
            ("123456", "-"),
            ("10.0.0.1", "-"),
            ("2026-11-21", "-"),
            ("a@b.example", "-"),
        ] {
            let words = Words::of(text);
            assert_eq!(short(&words).map_or_else(|| "-".to_owned(), |all| all.join(" ")), want, "{text}");
        }
    }
}
