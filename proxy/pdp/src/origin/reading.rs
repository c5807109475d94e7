//! What is kept of a text that was read: hashes of its words in order, and of the values that are found by more than words.
//!
//! No text is kept. A run of words is found again by the hashes of its words; a date, an amount, an address or the value of
//! a field by one hash of what it means.

use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

use super::decode::{self, Base64};
use super::field::{self, Field};
use super::fold::folded;
use super::words::Words;
use super::{dates, numbers};
use crate::json::{self, Json};
use crate::policy;

/// What makes hashes of words and values: secret, so that nobody can look for two texts with one hash.
#[derive(Debug, Clone, Default)]
pub struct Key(RandomState);

impl Key {
    /// A word's hash; never [`BREAK`].
    pub(super) fn word(&self, word: &str) -> u32 {
        narrow(self.0.hash_one(word)).max(1)
    }

    pub(super) fn typed(&self, typed: &Typed<'_>) -> u32 {
        narrow(self.0.hash_one(typed))
    }
}

fn narrow(hash: u64) -> u32 {
    // The upper half: any half of a good hash is one.
    u32::try_from(hash >> 32).unwrap_or_default()
}

/// What a value means beyond its words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Typed<'t> {
    /// A day.
    Day(String),
    /// A day and a time of day.
    Time(String),
    /// A number that is too long to stand anywhere by chance.
    Number(&'t str),
    /// The canonical form of a URL, an address or a path.
    Form(String),
    /// Digits, and letters before them, without the spaces that group them.
    Joined(String),
    /// A short value of this kind of field.
    Value(&'t str, &'t str),
}

/// Stands between two texts, so that no run of words goes from one into the other.
pub(super) const BREAK: u32 = 0;

/// How many bytes one word takes: its hash, and what stands before it.
pub(super) const WORD_BYTES: usize = 5;
/// How many bytes one typed value takes.
pub(super) const KEY_BYTES: usize = 4;
/// How deep a text is looked into that holds another: JSON within JSON, an encoded text within a text.
const NESTED_MAX: u8 = 2;
/// How deep a value may nest; what is deeper is not read. Messages were checked against a smaller bound before.
const DEPTH_MAX: usize = 128;
/// Kind of the amounts that stand in text with a currency.
pub(super) const AMOUNT: &str = "amount";

/// What was read at once, under one set of labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    pub(super) words: Vec<u32>,
    pub(super) gaps: Vec<u8>,
    pub(super) keys: Vec<u32>,
    bytes_max: usize,
    /// Whether something was too much to be kept.
    pub(super) is_cut: bool,
}

impl Reading {
    /// Nothing yet; no more than `bytes_max` bytes will be kept.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.words.len().saturating_mul(WORD_BYTES).saturating_add(self.keys.len().saturating_mul(KEY_BYTES))
    }

    /// Gives back the memory that is not used.
    pub(super) fn shrink(&mut self) {
        self.words.shrink_to_fit();
        self.gaps.shrink_to_fit();
        self.keys.shrink_to_fit();
    }

    /// Whether nothing was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.keys.is_empty() && !self.is_cut
    }

    /// Something was read that is not kept.
    pub fn cut(&mut self) {
        self.is_cut = true;
    }

    /// Reads a text of people's or of a model's.
    pub fn text(&mut self, key: &Key, text: &str) {
        self.leaf(key, &Field::default(), text, 0);
    }

    /// Reads the value of a field.
    pub fn value(&mut self, key: &Key, field: &Field, text: &str) {
        self.leaf(key, field, text, 0);
    }

    fn leaf(&mut self, key: &Key, field: &Field, text: &str, nested: u8) {
        if self.is_cut || text.is_empty() {
            return;
        }
        if let Some(value) = self::nested(text, nested) {
            self.tree(key, field, &value, nested.saturating_add(1));
            return;
        }
        // A picture is no text, and would fill the window.
        let is_chunk = !text.contains([' ', '\n']);
        if is_chunk && text.len() > 256 && decode::base64(text) == Base64::Bytes {
            return;
        }
        let plain = folded(text);
        let words = Words::of(&plain);
        match field::short(&words) {
            Some(short) => self.short(key, field, &short),
            None => self.sequence(key, &words),
        }
        self.typed(key, &words);
        if nested < NESTED_MAX {
            for inner in decode::within(text) {
                self.leaf(key, field, &inner, nested.saturating_add(1));
            }
        }
    }

    /// Leaf by leaf. A name that could be a value is read as one too.
    pub(super) fn tree(&mut self, key: &Key, field: &Field, value: &Json<'_>, nested: u8) {
        match value {
            Json::Null => {}
            Json::Bool(value) => self.short(key, field, &[value.to_string()]),
            Json::Number(digits) => self.leaf(key, field, digits, nested),
            Json::Text(text) => self.leaf(key, field, text, nested),
            Json::List(items) => items.iter().for_each(|item| self.tree(key, field, item, nested)),
            Json::Object(members) => {
                for (name, value) in members {
                    if !field::is_plain(name) {
                        self.leaf(key, &Field::default(), name, nested);
                    }
                    self.tree(key, &field.member(name), value, nested);
                }
            }
        }
    }

    /// A value that is found as a value of its kind of field alone.
    fn short(&mut self, key: &Key, field: &Field, spellings: &[String]) {
        for kind in field.kinds() {
            spellings.iter().for_each(|text| self.key(key, &Typed::Value(&kind, text)));
        }
    }

    fn sequence(&mut self, key: &Key, words: &Words<'_>) {
        if words.list.is_empty() {
            return;
        }
        let more = words.list.len().saturating_add(1).saturating_mul(WORD_BYTES);
        if self.bytes().saturating_add(more) > self.bytes_max {
            self.is_cut = true;
            return;
        }
        self.words.reserve(words.list.len().saturating_add(1));
        self.gaps.reserve(words.list.len().saturating_add(1));
        self.words.push(BREAK);
        self.gaps.push(0);
        for word in &words.list {
            self.words.push(key.word(words.text.get(word.at.clone()).unwrap_or_default()));
            self.gaps.push(word.before.0);
        }
    }

    fn key(&mut self, key: &Key, typed: &Typed<'_>) {
        if self.bytes().saturating_add(KEY_BYTES) > self.bytes_max {
            self.is_cut = true;
        } else {
            self.keys.push(key.typed(typed));
        }
    }

    /// Dates, numbers, addresses and numbered things.
    fn typed(&mut self, key: &Key, words: &Words<'_>) {
        meet(words, |met| match met {
            Met::Date(date, _) => days(&date).iter().for_each(|typed| self.key(key, typed)),
            Met::Number(number) => self.number(key, words, &number),
            Met::Undated(within) => self.grouped(key, words, within),
        });
        for run in words.joined().filter(|run| run.len() > 1) {
            if let Some(form) = form(words.chunk(run)) {
                self.key(key, &Typed::Form(form));
            }
        }
    }

    fn number(&mut self, key: &Key, words: &Words<'_>, number: &numbers::Placed) {
        for digits in &number.numbers {
            if field::is_long(digits) {
                self.key(key, &Typed::Number(digits));
            } else {
                named(words, number.words.start).iter().for_each(|kind| self.key(key, &Typed::Value(kind, digits)));
            }
            if number.is_amount {
                self.key(key, &Typed::Value(AMOUNT, digits));
            }
        }
    }

    /// The longest runs of words with digits that stand side by side, each as one: a telephone or account number in groups.
    fn grouped(&mut self, key: &Key, words: &Words<'_>, within: Range<usize>) {
        let fits = |at: usize| {
            let word = words.word(at);
            within.contains(&at) && word.len() <= 8 && word.bytes().any(|byte| byte.is_ascii_digit())
        };
        let mut run: Vec<&str> = Vec::new();
        for at in within.start..=within.end {
            let gap = words.gap(at);
            if !fits(at) || !gap.parts_groups() {
                let bytes = run.iter().map(|word| word.len()).sum::<usize>();
                if (2..=GROUPS_MAX).contains(&run.len()) && bytes >= GROUPED_MIN {
                    self.key(key, &Typed::Joined(run.concat()));
                }
                run.clear();
            }
            // What is joined to digits by another sign is the rest of their number: of 100,000.00 all but the first word.
            let is_rest = at.checked_sub(1).is_some_and(fits) && !gap.is_apart() && !gap.parts_groups();
            if fits(at) && !is_rest {
                run.push(words.word(at));
            }
        }
    }
}

/// What a text holds that is JSON, where it is not itself too deep within others.
pub(super) fn nested(text: &str, nested: u8) -> Option<Json<'_>> {
    let begins = text.trim_start().as_bytes().first();
    if nested >= NESTED_MAX || !matches!(begins, Some(b'{' | b'[')) {
        return None;
    }
    // Checked before a tree is made of it: most texts that begin like JSON are none.
    json::check(text, DEPTH_MAX).ok()?;
    Json::read(text, DEPTH_MAX).ok()
}

/// What a text holds that means more than its words.
pub(super) enum Met {
    /// A date, and the word it begins with.
    Date(dates::Placed, usize),
    /// A number.
    Number(numbers::Placed),
    /// Words between dates, all of them once.
    Undated(Range<usize>),
}

/// Meets the dates and numbers of a text, one after the other.
pub(super) fn meet(words: &Words<'_>, mut take: impl FnMut(Met)) {
    let (mut at, mut dated) = (0_usize, 0);
    while at < words.list.len() {
        if let Some(date) = dates::date_at(words, at) {
            let from = at;
            at = at.saturating_add(date.words.max(1));
            take(Met::Date(date, from));
            take(Met::Undated(dated..from));
            dated = at;
        } else if let Some(number) = numbers::number_at(words, at) {
            at = number.words.end.max(at.saturating_add(1));
            take(Met::Number(number));
        } else {
            at = at.saturating_add(1);
        }
    }
    take(Met::Undated(dated..words.list.len()));
}

/// What a date is found by.
pub(super) fn days(date: &dates::Placed) -> Vec<Typed<'static>> {
    let mut out = Vec::new();
    for day in &date.days {
        out.push(Typed::Day(day.to_string()));
        out.extend(date.time.map(|(hours, minutes)| Typed::Time(format!("{day} {hours}:{minutes}"))));
    }
    out
}

/// What a number or a short name is a number of, by the words before it: of `event 13` and `event id 13` an event.
pub(super) fn named(words: &Words<'_>, at: usize) -> Vec<String> {
    let before =
        |n: usize| at.checked_sub(n).map(|at| words.word(at)).filter(|word| word.chars().all(char::is_alphabetic));
    let Some(one) = before(1).filter(|word| !word.is_empty() && !NO_NAMES.contains(word)) else { return Vec::new() };
    let kind = field::kind;
    match before(2) {
        Some(two) if matches!(one, "id" | "no" | "nr" | "number" | "num") => vec![kind(two), kind(&format!("{two}id"))],
        Some(_) | None => vec![kind(one), kind(&format!("{one}id"))],
    }
}

/// Words that name nothing.
const NO_NAMES: [&str; 16] =
    ["a", "an", "and", "are", "at", "by", "for", "from", "in", "is", "of", "on", "or", "than", "the", "to"];

/// The canonical form of what looks like a URL, an address or a path.
pub(super) fn form(chunk: &str) -> Option<String> {
    let chunk = bare(chunk);
    let found = if chunk.contains(['@', '/']) { policy::plain_form(chunk) } else { None };
    found.map(|form| form.trim_end_matches('/').to_owned())
}

/// A piece of text without what ends a sentence, and without marks of emphasis and quotes, which stand in pairs: one alone is a
/// part of what it stands at.
pub(super) fn bare(chunk: &str) -> &str {
    let mut chunk = chunk.trim_end_matches(ENDINGS);
    while let Some(inner) = ['*', '_', '\''].iter().find_map(|mark| chunk.strip_prefix(*mark)?.strip_suffix(*mark)) {
        chunk = inner;
    }
    chunk
}

/// What may stand behind a place in a text and is no part of it.
pub(super) const ENDINGS: [char; 6] = ['.', ',', ';', ':', '!', '?'];

/// In how long groups account and card numbers are written (ISO 13616, ISO/IEC 7812).
pub(super) const GROUP: usize = 4;
/// In how many groups a number is written at most; longer runs are columns of a table.
pub(super) const GROUPS_MAX: usize = 12;
/// How long a number is at least that is looked for in groups.
pub(super) const GROUPED_MIN: usize = 8;
