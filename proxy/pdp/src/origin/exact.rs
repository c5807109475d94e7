//! What the user gave, as they spelt it, and a value as it is.
//!
//! Finding a value in another spelling may raise labels. That the user gave it takes them off, so it has to be the very value:
//! paths, names, ids and mailboxes differ by case, and a character that nobody sees makes another name. Texts are compared as
//! words and single signs, all of them as they are. Beyond that a value is the same only where its type says so: a day or time, a
//! number or amount, the host of a URL or address in any case, escapes that a URL does not need (RFC 3986, section 6.2.2), a path
//! with doubled slashes, a number in groups.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::{Range, RangeInclusive};

use super::field::{self, Field};
use super::numbers;
use super::reading::{self, AMOUNT, ENDINGS, GROUP, GROUPED_MIN, GROUPS_MAX, Key, Met, Typed};
use super::words::{self, Words};
use super::{dates, fold};
use crate::json::Json;
use crate::policy;

/// Stands between two texts.
const BREAK: u32 = 0;
/// Set in the hash of a word. Below it are the signs, as their code points.
const WORD: u32 = 1 << 31;
/// A comma between digits, which ends nothing.
const COMMA: u32 = 1 << 30;
/// How many tokens are compared for one value at most. What is then not compared was not given.
const COMPARED_MAX: usize = 1 << 20;
/// What one token or one key takes.
const BYTES: usize = 4;
/// Kind of the hosts that stand in text.
const HOST: &str = "host";
/// Fields whose value is the name of a host.
const HOSTS: [&str; 3] = [HOST, "hostname", "domain"];

/// What the user gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exact {
    tokens: Vec<u32>,
    keys: Vec<u32>,
}

/// A value that the user may have given.
#[derive(Debug)]
pub(super) struct Wanted {
    runs: Vec<Vec<u32>>,
    keys: Vec<u32>,
    /// How many tokens may still be compared.
    left: Cell<usize>,
}

impl Exact {
    /// What a text of the user's gives.
    pub(super) fn of(key: &Key, text: &str) -> Self {
        let mut exact = Self::default();
        exact.leaf(key, &Field::default(), text, 0);
        exact.tokens.shrink_to_fit();
        exact.keys.shrink_to_fit();
        exact
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.tokens.len().saturating_add(self.keys.len()).saturating_mul(BYTES)
    }

    /// Whether this value is among it.
    pub(super) fn has(&self, wanted: &Wanted) -> bool {
        let is_key = wanted.keys.iter().any(|key| self.keys.contains(key));
        is_key || wanted.runs.iter().any(|run| self.stands(run, &wanted.left))
    }

    fn stands(&self, run: &[u32], left: &Cell<usize>) -> bool {
        let Some(first) = run.first() else { return false };
        let places = self.tokens.iter().enumerate().filter(|(_, token)| *token == first);
        for (from, _) in places {
            let Some(rest) = left.get().checked_sub(run.len()) else { return false };
            left.set(rest);
            let to = from.saturating_add(run.len());
            if self.tokens.get(from..to) == Some(run) && self.begins(from) && self.ends(to) {
                return true;
            }
        }
        false
    }

    fn begins(&self, from: usize) -> bool {
        from.checked_sub(1).and_then(|before| self.tokens.get(before)).is_none_or(|token| is_end(*token))
    }

    /// What ends a sentence may stand behind a value, before a space.
    fn ends(&self, to: usize) -> bool {
        let mut behind = self.tokens.iter().skip(to).copied();
        let next =
            behind.find(|token| !char::from_u32(*token).is_some_and(|c| matches!(c, '.' | ',' | ':' | '!' | '?')));
        next.is_none_or(is_end)
    }

    fn leaf(&mut self, key: &Key, field: &Field, text: &str, nested: u8) {
        if let Some(value) = reading::nested(text, nested) {
            return self.tree(key, field, &value, nested.saturating_add(1));
        }
        self.tokens.push(BREAK);
        self.tokens.extend(tokens(key, text));
        self.short(key, field, text);
        self.typed(key, text);
    }

    fn tree(&mut self, key: &Key, field: &Field, value: &Json<'_>, nested: u8) {
        match value {
            Json::Null => {}
            Json::Bool(value) => self.short(key, field, &value.to_string()),
            Json::Number(digits) => {
                self.tokens.push(BREAK);
                self.tokens.extend(tokens(key, digits));
                if let Some(number) = numbers::meant(digits) {
                    self.short(key, field, &number);
                    self.keys.push(key.typed(&Typed::Number(&number)));
                }
            }
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

    /// A value of this field's kinds.
    fn short(&mut self, key: &Key, field: &Field, text: &str) {
        self.keys.extend(field.kinds().iter().map(|kind| key.typed(&Typed::Value(kind, text))));
    }

    /// Days, numbers, places and numbers in groups.
    fn typed(&mut self, key: &Key, text: &str) {
        let clear = clear(text);
        let words = Words::of(&clear);
        let lower = clear.to_ascii_lowercase();
        let lower = Words::of(&lower);
        reading::meet(&lower, |met| match met {
            Met::Date(date, at) => {
                let given = moments(&lower, &date, at).into_iter().flatten();
                self.keys.extend(given.map(|typed| key.typed(&typed)));
            }
            Met::Number(number) => self.number(key, &lower, &number),
            Met::Undated(within) => self.grouped(key, &words, within),
        });
        for run in words.joined().filter(|run| run.len() > 1) {
            let chunk = reading::bare(words.chunk(run));
            self.keys.extend(place(chunk).map(|form| key.typed(&Typed::Form(form))));
            if is_host(chunk) {
                self.keys.push(key.typed(&Typed::Value(HOST, &chunk.to_ascii_lowercase())));
            }
        }
    }

    /// Where two numbers are meant, `1.250` is an amount in thousands: no money has three places.
    fn number(&mut self, key: &Key, words: &Words<'_>, number: &numbers::Placed) {
        let Some(digits) = number.numbers.last() else { return };
        let is_one = number.numbers.len() == 1;
        if number.is_amount {
            self.keys.push(key.typed(&Typed::Value(AMOUNT, digits)));
        }
        let is_padded = words.word(number.words.start).starts_with('0') && words.word(number.words.start).len() > 1;
        if (!is_one && !number.is_amount) || is_padded {
            return;
        }
        self.keys.push(key.typed(&Typed::Number(digits)));
        if written(words, number.words.start..=number.words.end.saturating_sub(1)) == Some(digits) {
            let kinds = reading::named(words, number.words.start);
            self.keys.extend(kinds.iter().map(|kind| key.typed(&Typed::Value(kind, digits))));
        }
    }

    /// The longest runs of groups of one number: parted by spaces, or for a telephone number by what RFC 3966 has there.
    fn grouped(&mut self, key: &Key, words: &Words<'_>, within: Range<usize>) {
        let mut run: Vec<&str> = Vec::new();
        let mut plus = false;
        for at in within.start..=within.end {
            let word = words.word(at);
            let fits = within.contains(&at) && word.len() <= 8 && word.bytes().any(|byte| byte.is_ascii_digit());
            let joins = fits && !run.is_empty() && between(words, at).is_some_and(|gap| parts_groups(gap, plus));
            if !joins {
                let bytes = run.iter().map(|word| word.len()).sum::<usize>();
                if (2..=GROUPS_MAX).contains(&run.len()) && bytes >= GROUPED_MIN && words.gap(at).is_apart() {
                    let sign = if plus { "+" } else { "" };
                    self.keys.push(key.typed(&Typed::Joined(format!("{sign}{}", run.concat()))));
                }
                run.clear();
            }
            if joins || (fits && words.gap(at).is_apart()) {
                if run.is_empty() {
                    plus = words.gap(at).sign() == Some('+');
                }
                run.push(word);
            }
        }
    }
}

impl Wanted {
    /// A yes or no.
    pub(super) fn of_bool(key: &Key, field: &Field, value: bool) -> Self {
        let mut wanted = Self::run(Vec::new());
        wanted.short(key, field, &value.to_string());
        wanted
    }

    /// A number of JSON, which is written in one way.
    pub(super) fn of_number(key: &Key, field: &Field, digits: &str) -> Self {
        let mut wanted = Self::run(tokens(key, digits));
        if let Some(number) = numbers::meant(digits) {
            wanted.number(key, field, &number);
        }
        wanted
    }

    /// A text.
    pub(super) fn of(key: &Key, field: &Field, text: &str) -> Self {
        let mut wanted = Self::run(tokens(key, text));
        wanted.short(key, field, text);
        // What is not of ASCII may be read as another sign, or be none that is seen.
        if !text.is_ascii() {
            return wanted;
        }
        if field.is_amount() {
            if let [number] = numbers::numbers(text).as_slice() {
                wanted.number(key, field, number);
            }
            return wanted;
        }
        wanted.keys.extend(day(text).map(|typed| key.typed(&typed)));
        let form = if text.ends_with(ENDINGS) { None } else { place(text) };
        wanted.keys.extend(form.map(|form| key.typed(&Typed::Form(form))));
        if is_host(text) && field.kinds().iter().any(|kind| HOSTS.contains(&kind.as_str())) {
            wanted.keys.push(key.typed(&Typed::Value(HOST, &text.to_ascii_lowercase())));
        }
        wanted.grouped(key, text);
        wanted
    }

    fn run(tokens: Vec<u32>) -> Self {
        Self { runs: vec![tokens], keys: Vec::new(), left: Cell::new(COMPARED_MAX) }
    }

    fn short(&mut self, key: &Key, field: &Field, text: &str) {
        self.keys.extend(field.kinds().iter().map(|kind| key.typed(&Typed::Value(kind, text))));
    }

    fn number(&mut self, key: &Key, field: &Field, number: &str) {
        self.short(key, field, number);
        if field::is_long(number) {
            self.keys.push(key.typed(&Typed::Number(number)));
        }
    }

    /// A number that the user may have written in groups, or without them.
    fn grouped(&mut self, key: &Key, text: &str) {
        let (plus, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
        let is_gap = |c: char| parts_groups(c.encode_utf8(&mut [0; 4]), plus);
        let groups: Vec<&str> = rest.split(is_gap).filter(|group| !group.is_empty()).collect();
        let is_group = |group: &&str| {
            group.bytes().all(|byte| byte.is_ascii_alphanumeric()) && group.bytes().any(|byte| byte.is_ascii_digit())
        };
        let joined = groups.concat();
        let ends = !text.ends_with(|c: char| c == '-' || c.is_whitespace()) && !rest.starts_with([' ', '-']);
        if joined.len() < GROUPED_MIN || !groups.iter().all(is_group) || !ends {
            return;
        }
        let sign = if plus { "+" } else { "" };
        self.keys.push(key.typed(&Typed::Joined(format!("{sign}{joined}"))));
        self.runs.push(tokens(key, &format!("{sign}{joined}")));
        let fours: Vec<&str> =
            joined.as_bytes().chunks(GROUP).filter_map(|group| std::str::from_utf8(group).ok()).collect();
        self.runs.push(tokens(key, &format!("{sign}{}", fours.join(" "))));
    }
}

/// A text as words and signs, all of them as they are.
fn tokens(key: &Key, text: &str) -> Vec<u32> {
    let mut out = Vec::with_capacity(text.len() / 3);
    let mut word = None::<usize>;
    let hash = |range: Range<usize>| key.word(text.get(range).unwrap_or_default()) | WORD;
    for (at, c) in text.char_indices() {
        let single = words::has_no_spaces(c);
        if !single && is_letter(c) {
            word.get_or_insert(at);
            continue;
        }
        out.extend(word.take().map(|start| hash(start..at)));
        out.push(match c {
            _ if single => hash(at..at.saturating_add(c.len_utf8())),
            ',' if words::is_between_digits(text, at) => COMMA,
            other => u32::from(other),
        });
    }
    out.extend(word.map(|start| hash(start..text.len())));
    out
}

/// Whether a character is part of a word: a letter, a digit, or what nobody sees.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || (!c.is_ascii() && (words::is_letter(c) || fold::is_invisible(c)))
}

/// Whether a value may begin or end at this token.
fn is_end(token: u32) -> bool {
    token == BREAK || char::from_u32(token).is_some_and(ends_value)
}

fn ends_value(c: char) -> bool {
    let ascii = matches!(c, ',' | ';' | '|' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '"' | '`');
    ascii
        || c.is_whitespace()
        || matches!(c, '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2039}' | '\u{203a}' | '\u{3001}'..='\u{3002}'
            | '\u{3008}'..='\u{3011}' | '\u{ff08}' | '\u{ff09}' | '\u{ff0c}' | '\u{ff1b}')
}

/// A text without what holds characters that are neither seen, nor letters, nor known to end anything: nobody knows what is meant
/// by a part of it.
fn clear(text: &str) -> Cow<'_, str> {
    let is_odd = |c: char| {
        let is_money = matches!(c, '\u{a2}'..='\u{a5}' | '\u{20a0}'..='\u{20cf}');
        !c.is_ascii() && (fold::is_invisible(c) || !(words::is_letter(c) || is_money || ends_value(c)))
    };
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let pieces = text.split_inclusive(char::is_whitespace);
    Cow::Owned(pieces.map(|piece| if piece.contains(is_odd) { " ; " } else { piece }).collect())
}

/// The URL, address or path that a text is, in its one form.
fn place(text: &str) -> Option<String> {
    let is_url = text.contains("://");
    // Through `..` a link may lead elsewhere, and whoever is named before a URL's host is a part of what was given.
    let has_userinfo = is_url && text.contains('@');
    let is_plain = text.is_ascii() && !text.contains("..") && !text.contains(ends_value) && !has_userinfo;
    if !is_plain || !text.contains(['@', '/']) {
        return None;
    }
    let form = policy::plain_form(text)?;
    Some(if is_url { form } else { form.trim_end_matches('/').to_owned() })
}

fn is_host(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.contains('.') && text.split('.').all(is_part)
}

/// The day or time that a whole text is.
fn day(text: &str) -> Option<Typed<'static>> {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || " -/.,:".contains(c));
    let is_closed =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.ends_with(|c: char| c.is_ascii_alphanumeric());
    if !is_plain || !is_closed {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let words = Words::of(&lower);
    let date = dates::date_at(&words, 0).filter(|date| date.words == words.list.len())?;
    let has_time = date.time.is_some();
    let [day, time] = moments(&words, &date, 0);
    if has_time { time } else { day }
}

/// The one day that is meant, and the time where it has neither seconds nor a zone, which would make another of it.
fn moments(words: &Words<'_>, date: &dates::Placed, at: usize) -> [Option<Typed<'static>>; 2] {
    let [day] = date.days.as_slice() else { return [None, None] };
    let last = at.saturating_add(date.words).saturating_sub(1);
    let written = written(words, at..=last).unwrap_or_default();
    let minute = written.split_once(':').map_or("", |(_, rest)| rest);
    let minute = minute.strip_suffix(":00").unwrap_or(minute);
    let is_plain = !minute.contains([':', '-', '+', '.', 'z']);
    let time = date.time.filter(|_| is_plain);
    let time = time.map(|(hours, minutes)| Typed::Time(format!("{day} {hours}:{minutes}")));
    [Some(Typed::Day(day.to_string())), time]
}

/// How these words are written.
fn written<'t>(words: &Words<'t>, range: RangeInclusive<usize>) -> Option<&'t str> {
    words.text.get(words.list.get(*range.start())?.at.start..words.list.get(*range.end())?.at.end)
}

/// What stands between a word and the one before.
fn between<'t>(words: &Words<'t>, at: usize) -> Option<&'t str> {
    let before = words.list.get(at.checked_sub(1)?)?;
    words.text.get(before.at.end..words.list.get(at)?.at.start)
}

fn parts_groups(gap: &str, plus: bool) -> bool {
    gap.chars().all(|c| matches!(c, ' ' | '\u{a0}') || (plus && matches!(c, '-' | '(' | ')')))
}
