//! What is looked for: one value, in every spelling it is found by.

use std::cell::Cell;

use super::decode::{self, Base64};
use super::field::{self, Field};
use super::fold::folded;
use super::reading::{GROUP, GROUPED_MIN, Key, Reading, Typed, days, form};
use super::words::{Gap, Words};
use super::{dates, numbers};

/// A value to be looked for.
#[derive(Debug)]
pub(super) struct Needle {
    runs: Vec<Run>,
    keys: Vec<u32>,
    /// How many words may still be compared.
    left: Cell<usize>,
}

/// Words that stand one after the other.
#[derive(Debug)]
struct Run {
    words: Vec<u32>,
    gaps: Vec<u8>,
    /// Which of the words is looked for first: the longest, which is the rarest.
    anchor: usize,
    /// Whether the signs between the words mean nothing: groups of digits.
    is_grouped: bool,
    /// Whether these words are all of the value, so that it can be found as it is.
    is_whole: bool,
}

/// How a value was found in one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// Not at all.
    Nowhere,
    /// Its words stand there, as a part of something longer or with other signs between them.
    Within,
    /// It stands there as it is, by itself.
    Itself,
}

/// How many words of a long text are looked for.
const WORDS_MAX: usize = 4096;
/// How many words are compared for one value at most, since a long one may nearly stand at many places. What is then not
/// compared counts as standing there, and not by itself.
const COMPARED_MAX: usize = 1 << 20;
/// How many words are compared before it is looked whether one of them was right: one step for the processor's wide
/// registers.
const STRIDE: usize = 128;
/// How deep an encoded value is decoded.
const NESTED_MAX: u8 = 2;

impl Needle {
    fn new() -> Self {
        Self { runs: Vec::new(), keys: Vec::new(), left: Cell::new(COMPARED_MAX) }
    }

    /// The value of a field.
    pub(super) fn of(key: &Key, field: &Field, text: &str) -> Self {
        let mut needle = Self::new();
        needle.add(key, field, text, 0);
        needle
    }

    /// A yes or no, which is found as the value of its kind of field alone.
    pub(super) fn of_bool(key: &Key, field: &Field, value: bool) -> Self {
        let mut needle = Self::new();
        needle.short(key, field, &[value.to_string()]);
        needle
    }

    fn short(&mut self, key: &Key, field: &Field, spellings: &[String]) {
        for kind in field.kinds() {
            self.keys.extend(spellings.iter().map(|text| key.typed(&Typed::Value(&kind, text))));
        }
    }

    fn add(&mut self, key: &Key, field: &Field, text: &str, nested: u8) {
        let plain = folded(text);
        let words = Words::of(&plain);
        match field::short(&words) {
            Some(spellings) => self.short(key, field, &spellings),
            None => self.long(key, field, &words),
        }
        if nested < NESTED_MAX {
            let bare: String = text.split_whitespace().collect();
            let base64 = match decode::base64(&bare) {
                Base64::Text(inner) => Some(inner),
                Base64::No | Base64::Bytes => None,
            };
            for inner in decode::percent(text).into_iter().chain(base64) {
                self.add(key, field, &inner, nested.saturating_add(1));
            }
        }
    }

    fn long(&mut self, key: &Key, field: &Field, words: &Words<'_>) {
        let all = 0..words.list.len();
        self.run(key, words);
        // 20261121 is no day where it is an amount of money.
        if !field.is_amount()
            && let Some(date) = dates::date_at(words, 0)
            && date.words == all.end
        {
            let has_time = date.time.is_some();
            let asked = days(&date).into_iter().filter(|typed| matches!(typed, Typed::Time(_)) == has_time);
            self.keys.extend(asked.map(|typed| key.typed(&typed)));
            return;
        }
        if let Some(number) = numbers::number_at(words, 0)
            && number.words == all
        {
            let long = number.numbers.iter().filter(|digits| field::is_long(digits));
            self.keys.extend(long.map(|digits| key.typed(&Typed::Number(digits))));
        }
        if words.joined().next() == Some(all.clone())
            && words.ends_plainly
            && let Some(form) = form(words.chunk(all.clone()))
        {
            self.keys.push(key.typed(&Typed::Form(form)));
        }
        self.grouped(key, words);
    }

    /// A number that others write in groups, or without them.
    fn grouped(&mut self, key: &Key, words: &Words<'_>) {
        let each = || (0..words.list.len()).map(|at| words.word(at));
        let has_digit = |word: &str| word.bytes().any(|byte| byte.is_ascii_digit());
        let joined: String = each().collect();
        let begins = words.gap(0).parts_groups() || words.gap(0).sign() == Some('+');
        let is_one = begins && words.ends_plainly && (1..words.list.len()).all(|at| words.gap(at).parts_groups());
        if !is_one || !each().all(|word| has_digit(word) && word.is_ascii()) || joined.len() < GROUPED_MIN {
            return;
        }
        self.keys.push(key.typed(&Typed::Joined(joined.clone())));
        let run =
            |words: Vec<u32>| Run { gaps: vec![0; words.len()], words, anchor: 0, is_grouped: true, is_whole: true };
        if words.list.len() > 1 {
            self.runs.push(run(vec![key.word(&joined)]));
        }
        let groups = joined.as_bytes().chunks(GROUP).filter_map(|group| std::str::from_utf8(group).ok());
        let groups: Vec<u32> = groups.map(|group| key.word(group)).collect();
        if groups.len() > 2 {
            self.runs.push(run(groups));
        }
    }

    fn run(&mut self, key: &Key, words: &Words<'_>) {
        let taken = || words.list.iter().take(WORDS_MAX);
        let hash = |word: &super::words::Word| key.word(words.text.get(word.at.clone()).unwrap_or_default());
        let anchor = taken().enumerate().max_by_key(|(_, word)| word.at.len()).map_or(0, |(at, _)| at);
        self.runs.push(Run {
            words: taken().map(hash).collect(),
            gaps: taken().map(|word| word.before.0).collect(),
            anchor,
            is_grouped: false,
            is_whole: words.ends_plainly && !words.hides_marks && words.list.len() <= WORDS_MAX,
        });
    }

    /// How it is found in a reading.
    pub(super) fn within(&self, reading: &Reading) -> Found {
        if self.keys.iter().any(|wanted| has(&reading.keys, *wanted)) {
            return Found::Itself;
        }
        self.runs.iter().map(|run| run.within(reading, &self.left)).max().unwrap_or(Found::Nowhere)
    }
}

fn has(all: &[u32], wanted: u32) -> bool {
    all.chunks(STRIDE).any(|some| some.iter().fold(false, |hit, one| hit | (*one == wanted)))
}

impl Run {
    fn within(&self, reading: &Reading, left: &Cell<usize>) -> Found {
        let Some(anchor) = self.words.get(self.anchor) else { return Found::Nowhere };
        let mut best = Found::Nowhere;
        for (number, some) in reading.words.chunks(STRIDE).enumerate() {
            if !some.iter().fold(false, |hit, one| hit | (one == anchor)) {
                continue;
            }
            let from = number.saturating_mul(STRIDE);
            let places = some.iter().enumerate().filter(|(_, one)| *one == anchor);
            for (at, _) in places {
                best = best.max(self.at(reading, from.saturating_add(at), left));
                if best == Found::Itself {
                    return best;
                }
            }
        }
        best
    }

    /// Whether it stands where its anchor does.
    fn at(&self, reading: &Reading, anchor: usize, left: &Cell<usize>) -> Found {
        let Some(from) = anchor.checked_sub(self.anchor) else { return Found::Nowhere };
        let to = from.saturating_add(self.words.len());
        let Some(rest) = left.get().checked_sub(self.words.len()) else { return Found::Within };
        left.set(rest);
        if reading.words.get(from..to) != Some(&self.words) {
            return Found::Nowhere;
        }
        let (Some((first, inner)), Some((wanted, signs))) =
            (reading.gaps.get(from..to).and_then(<[u8]>::split_first), self.gaps.split_first())
        else {
            return Found::Within;
        };
        let ends = reading.gaps.get(to).is_none_or(|gap| Gap(*gap).is_apart());
        let fits = match self.is_grouped {
            true => inner.iter().all(|gap| Gap(*gap).parts_groups()),
            false => inner == signs && Gap(*first).begins_like(Gap(*wanted)),
        };
        let is_itself = self.is_whole && Gap(*first).is_apart() && ends && fits;
        if is_itself { Found::Itself } else { Found::Within }
    }
}
