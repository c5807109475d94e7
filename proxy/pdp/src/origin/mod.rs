//! Origin: where the values of a call's arguments came from, as far as that can be seen.
//!
//! A [`Window`] remembers what a task has read, each text with its labels, and what its user asked. A value is looked for
//! in it, leaf by leaf: as it is, or in another spelling of the same. Spellings are one when they differ in case, white
//! space, Unicode compatibility forms, invisible characters, dashes and quotes; in percent-encoding or base64; in how a day,
//! a time, a number or an amount is written; in how a number is grouped; or when their URLs, addresses or paths are one in
//! canonical form. In longer text a value is found as whole words; a short number or name as a value of its kind of field
//! alone ([`Field`]), or where the text names the kind (`event 13`), since `13` stands in any text.
//!
//! **The user's is exact.** Such a find raises labels. That the user gave a value takes them off where a policy looks, and so
//! needs the very value beside the find: `/notes/Plan.md` is no gift of `/notes/plan.md`. What is then still one is said in
//! `exact.rs`: days, amounts, hosts and the like, which their type makes the same.
//!
//! **A lower bound.** What is said in other words, computed, translated or put together is found nowhere. The sound
//! answer to "may this have come from there" is the task's label set; [`Origin::unvouched`] falls back on it for each value
//! that is found nowhere.
//!
//! **Bounded.** Hashes are kept, five bytes for a word, and no text. What is too much pushes out what was read first; from then
//! on every value has the labels of what fell out and [`UNTRUSTED`] beside those it is found under. What the user
//! gave is kept apart: the first 64 KiB of its hashes never fall out.
//!
//! Pure, as all of this crate: whoever feeds a window sees to it that it is fed before anyone else reads.

mod dates;
mod decode;
mod exact;
mod field;
mod fold;
mod message;
mod numbers;
mod reading;
mod search;
#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;

pub use field::{Field, Kinds};
pub use message::Message;
pub use reading::{Key, Reading};

use self::exact::{Exact, Wanted};
use self::search::{Found, Needle};
use crate::json::Json;
use crate::label::LabelSet;

/// The label of what the user gave.
pub const USER: &str = "user";

/// Stands in `gate.unvouched` where any value that says where an effect goes is not the user's, whatever it was found in: so
/// that set is empty only where the user gave them all. No data carries it.
pub const UNGIVEN: &str = "ungiven";
/// The label of what fell out of the window.
pub const UNTRUSTED: &str = "untrusted";

/// How many bytes a window takes at most unless its operator says otherwise: about 1 MiB of ordinary text.
pub const BYTES_MAX: usize = 1024 * 1024;
/// How many bytes of what the user gave are kept whatever is read later. What is more falls out like what was read.
const GIVEN_BYTES_MAX: usize = 64 * 1024;
/// What one reading takes beside its words and keys: itself, its labels, and what the allocator adds.
const READING_BYTES: usize = 352;
/// How many values of one argument are looked for; an argument with more has every label of the window.
const VALUES_MAX: usize = 256;

/// What a task has read and what its user asked, as hashes.
#[derive(Debug)]
pub struct Window {
    key: Key,
    given: VecDeque<Read>,
    read: VecDeque<Read>,
    given_bytes: usize,
    read_bytes: usize,
    bytes_max: usize,
    has_given: bool,
    /// The labels of what is not here any more, or never was.
    fallen: Option<LabelSet>,
}

/// A value that is looked for.
#[derive(Debug)]
struct Sought {
    needle: Needle,
    /// The value as it is, where the user gave anything.
    exact: Option<Wanted>,
}

#[derive(Debug)]
struct Read {
    /// The user's own words as they are; nothing for another's. No label says so: anybody may be given one.
    exact: Option<Exact>,
    /// Without [`USER`].
    labels: LabelSet,
    reading: Reading,
}

/// Where an argument's value came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The labels under which any part of it was found. [`USER`] is among them only where the user gave every part.
    pub labels: LabelSet,
    /// The labels it has if it is a place that an effect goes to: nothing for a part that the user gave; for another the
    /// labels it was found under; the task's for one that was found nowhere by itself.
    pub unvouched: LabelSet,
}

impl Window {
    /// An empty window of at most this many bytes.
    #[must_use]
    pub fn new(key: Key, bytes_max: usize) -> Self {
        Self {
            key,
            given: VecDeque::new(),
            read: VecDeque::new(),
            given_bytes: 0,
            read_bytes: 0,
            bytes_max,
            has_given: false,
            fallen: None,
        }
    }

    /// How many bytes it takes, without what the user gave.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.read_bytes
    }

    /// What makes the hashes: readings for this window are made with it.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Adds what the user said.
    pub fn give(&mut self, text: &str) {
        let mut reading = Reading::new(usize::MAX);
        reading.text(&self.key, text);
        self.has_given = true;
        self.add(Read { exact: Some(Exact::of(&self.key, text)), labels: LabelSet::default(), reading });
    }

    /// Adds what was read under these labels. It is not the user's, whatever they say.
    pub fn read(&mut self, reading: Reading, labels: &LabelSet) {
        self.add(Read { exact: None, labels: without_user(labels), reading });
    }

    fn add(&mut self, Read { exact, labels, mut reading }: Read) {
        if reading.is_cut {
            self.lose(&labels);
        }
        if reading.is_empty() {
            return;
        }
        let bytes = taken(&reading, exact.as_ref());
        let stays = exact.is_some() && self.given_bytes.saturating_add(bytes) <= GIVEN_BYTES_MAX;
        let (shelf, held) =
            if stays { (&mut self.given, &mut self.given_bytes) } else { (&mut self.read, &mut self.read_bytes) };
        // What is read again and again, such as a listing, is kept once.
        if let Some(same) = shelf.iter_mut().find(|kept| kept.reading == reading && kept.exact == exact) {
            same.labels.raise(&labels);
            return;
        }
        reading.shrink();
        *held = held.saturating_add(bytes);
        shelf.push_back(Read { exact, labels, reading });
        while self.read_bytes > self.bytes_max
            && let Some(first) = self.read.pop_front()
        {
            self.read_bytes = self.read_bytes.saturating_sub(taken(&first.reading, first.exact.as_ref()));
            self.lose(&first.labels);
        }
    }

    /// Something was read under these labels that is not here: every value may have come from it.
    pub fn lose(&mut self, labels: &LabelSet) {
        let fallen = self.fallen.get_or_insert_with(|| [UNTRUSTED].into_iter().collect());
        fallen.raise(&without_user(labels));
    }

    /// Whether something is not here that was read.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.fallen.is_some()
    }

    /// Where an argument's value came from. `field` is the argument's, `task` the task's labels.
    #[must_use]
    pub fn origin(&self, field: &Field, value: &Json<'_>, task: &LabelSet) -> Origin {
        let mut needles = Vec::new();
        let mut origin = Origin::default();
        if !self.needles(field, value, &mut needles) {
            // Too much to be looked for: it may have come from anywhere.
            for kept in self.given.iter().chain(&self.read) {
                origin.labels.raise(&kept.labels);
            }
            origin.labels.raise(&self.fallen.clone().unwrap_or_default());
            origin.unvouched = origin.labels.clone().join(task);
            return origin;
        }
        let mut all_given = !needles.is_empty();
        for sought in &needles {
            let (labels, is_given, is_itself) = self.find(sought);
            origin.labels.raise(&labels);
            all_given &= is_given;
            if !is_given {
                origin.unvouched.raise(&labels);
                if !is_itself {
                    origin.unvouched.raise(task);
                }
            }
        }
        if all_given {
            origin.labels.raise(&[USER].into_iter().collect());
        }
        origin
    }

    /// The labels of one value, whether the user gave it, and whether it was found by itself anywhere.
    fn find(&self, sought: &Sought) -> (LabelSet, bool, bool) {
        let mut labels = self.fallen.clone().unwrap_or_default();
        let (mut is_given, mut is_itself) = (false, false);
        for kept in self.given.iter().chain(&self.read) {
            let tells_nothing = is_itself && (is_given || kept.exact.is_none()) && kept.labels.flows_to(&labels);
            if tells_nothing {
                continue;
            }
            let found = sought.needle.within(&kept.reading);
            if found == Found::Nowhere {
                continue;
            }
            labels.raise(&kept.labels);
            let Some(words) = &kept.exact else {
                is_itself |= found == Found::Itself;
                continue;
            };
            // Another spelling of what the user gave explains nothing: the value has the labels of its task.
            let is_exact = sought.exact.as_ref().is_some_and(|value| words.has(value));
            is_given |= found == Found::Itself && is_exact;
            is_itself |= is_given;
        }
        (labels, is_given, is_itself)
    }

    /// The values of a tree, leaf by leaf. Answers whether they are few enough.
    fn needles(&self, field: &Field, value: &Json<'_>, out: &mut Vec<Sought>) -> bool {
        let key = &self.key;
        let text = |field: &Field, text: &str| Sought {
            needle: Needle::of(key, field, text),
            exact: self.has_given.then(|| Wanted::of(key, field, text)),
        };
        match value {
            Json::Null => {}
            Json::Bool(value) => out.push(Sought {
                needle: Needle::of_bool(key, field, *value),
                exact: self.has_given.then(|| Wanted::of_bool(key, field, *value)),
            }),
            Json::Number(digits) => out.push(Sought {
                needle: Needle::of(key, field, digits),
                exact: self.has_given.then(|| Wanted::of_number(key, field, digits)),
            }),
            // Nothing comes from nowhere.
            Json::Text(value) if value.is_empty() => {}
            Json::Text(value) => out.push(text(field, value)),
            Json::List(items) => {
                if !items.iter().all(|item| self.needles(field, item, out)) {
                    return false;
                }
            }
            Json::Object(members) => {
                for (name, value) in members {
                    if !field::is_plain(name) {
                        out.push(text(&Field::default(), name));
                    }
                    if !self.needles(&field.member(name), value, out) {
                        return false;
                    }
                }
            }
        }
        // Asked of what is empty too: its name was looked for.
        out.len() <= VALUES_MAX
    }
}

/// What one reading takes.
fn taken(reading: &Reading, exact: Option<&Exact>) -> usize {
    let exact = exact.map_or(0, Exact::bytes);
    reading.bytes().saturating_add(exact).saturating_add(READING_BYTES)
}

/// Labels without the one that is had only by what the user gave whole.
fn without_user(labels: &LabelSet) -> LabelSet {
    labels.iter().map(crate::label::Label::as_str).filter(|name| *name != USER).collect()
}
