//! A message of a server's, or a person's answer to one, read for its values: whole or in pieces cut anywhere.
//!
//! Every text, number and truth value below `result`, `error` or `params` counts with the name of its field, but for what
//! MCP itself writes there and `_meta`, which is no content. Text that never ends is read as it comes: no more of it is held than
//! [`HELD_BYTES_MAX`].

use std::ops::Range;
use std::sync::Arc;

use super::decode::{self, Base64};
use super::field::{self, Field, Kinds};
use super::reading::{Key, Reading};
use crate::json::scan::{Kind, Scanner, Sink};
use crate::json::{self, Json};

/// How much of one value is held until its end comes.
const HELD_BYTES_MAX: usize = 256 * 1024;
/// By how much of a value without any space it is told whether it is text.
const SAMPLE_BYTES: usize = 4096;
/// Members that MCP writes and a person does not: they would make every word `text` one that was read.
const STRUCTURE: [&str; 3] = ["type", "mimeType", "role"];

/// One message under way.
#[derive(Debug)]
pub struct Message {
    key: Key,
    bytes_max: usize,
    reading: Reading,
    scanner: Scanner,
    places: Places,
    /// How many bytes earlier pieces had.
    offset: usize,
    /// What earlier pieces had of the value that is open.
    held: Vec<u8>,
    /// Whether the rest of the open value is passed over.
    skips: bool,
    broken: bool,
}

/// What the scanner tells.
#[derive(Debug)]
struct Places {
    root: Field,
    /// By depth: the name of the member that is read there; nothing within a list.
    names: Vec<Option<String>>,
    /// By depth: whether an object stands there.
    objects: Vec<bool>,
    open: Option<(usize, Found)>,
    found: Vec<Piece>,
}

/// What has ended.
#[derive(Debug)]
enum Piece {
    /// A value that stands here.
    Value(Range<usize>, Found),
    /// A member's name that could be a value.
    Name(String),
}

#[derive(Debug)]
struct Found {
    field: Field,
    kind: Kind,
}

impl Message {
    /// A message whose fields are of these kinds; no more than `bytes_max` bytes of it will be kept, and none of what nests
    /// deeper than `depth_max`.
    #[must_use]
    pub fn new(key: &Key, kinds: Arc<Kinds>, bytes_max: usize, depth_max: usize) -> Self {
        let (names, objects) = (Vec::new(), Vec::new());
        let places = Places { root: Field::root(kinds), names, objects, open: None, found: Vec::new() };
        Self {
            key: key.clone(),
            bytes_max,
            reading: Reading::new(bytes_max),
            scanner: Scanner::new(depth_max),
            places,
            offset: 0,
            held: Vec::new(),
            skips: false,
            broken: false,
        }
    }

    /// Reads a whole message.
    #[must_use]
    pub fn whole(mut self, text: &str) -> Reading {
        self.feed(text.as_bytes());
        self.finish()
    }

    /// Reads the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        if self.broken {
            return;
        }
        // What stands before a fault was read by somebody all the same.
        let is_sound = self.scanner.feed(piece, &mut self.places).is_ok();
        let begun = self.offset;
        let part = |at: &Range<usize>| {
            let from = at.start.saturating_sub(begun);
            piece.get(from..at.end.saturating_sub(begun)).unwrap_or_default()
        };
        for piece in std::mem::take(&mut self.places.found) {
            let (at, found) = match piece {
                Piece::Value(at, found) => (at, found),
                Piece::Name(name) => {
                    self.reading.value(&self.key, &Field::default(), &name);
                    continue;
                }
            };
            let skipped = std::mem::take(&mut self.skips);
            let mut raw = std::mem::take(&mut self.held);
            raw.extend_from_slice(part(&at));
            if !skipped {
                self.value(&found, &raw);
            }
        }
        self.offset = begun.saturating_add(piece.len());
        if !is_sound {
            self.fail();
        } else if let Some((start, _)) = &self.places.open
            && !self.skips
        {
            self.held.extend_from_slice(part(&(*start..self.offset)));
            if self.held.len() > HELD_BYTES_MAX {
                self.part_of_value();
            }
        }
    }

    /// What was read since the last time this was asked.
    pub fn take(&mut self) -> Reading {
        std::mem::replace(&mut self.reading, Reading::new(self.bytes_max))
    }

    /// The message is over.
    #[must_use]
    pub fn finish(mut self) -> Reading {
        if self.scanner.finish(&mut self.places).is_err() {
            self.fail();
        }
        self.take()
    }

    /// What cannot be read may hold anything.
    fn fail(&mut self) {
        self.broken = true;
        self.reading.cut();
    }

    fn value(&mut self, found: &Found, raw: &[u8]) {
        let Ok(raw) = std::str::from_utf8(raw) else { return self.reading.cut() };
        match found.kind {
            Kind::Text => match json::string_lossy(raw) {
                Some(text) => self.reading.value(&self.key, &found.field, &text),
                None => self.reading.cut(),
            },
            Kind::Number => self.reading.tree(&self.key, &found.field, &Json::Number(raw), 0),
            Kind::Bool => self.reading.tree(&self.key, &found.field, &Json::Bool(raw == "true"), 0),
            Kind::Null | Kind::List | Kind::Object => {}
        }
    }

    /// Reads what is held of a long text, up to its last space.
    fn part_of_value(&mut self) {
        let Some((_, found)) = &self.places.open else { return };
        let Some(at) = self.held.iter().rposition(|byte| *byte == b' ') else {
            let sample = self.held.get(1..SAMPLE_BYTES).unwrap_or_default();
            let is_text = std::str::from_utf8(sample).is_ok_and(|sample| decode::base64(sample) != Base64::Bytes);
            if is_text {
                self.reading.cut();
            }
            self.held.clear();
            self.skips = true;
            return;
        };
        // A space is no part of an escape or of a longer character, so both sides of it are text.
        let mut raw: Vec<u8> = self.held.drain(..at).collect();
        raw.push(b'"');
        if let Some(space) = self.held.first_mut() {
            *space = b'"';
        }
        let text = std::str::from_utf8(&raw).ok().and_then(json::string_lossy);
        match text {
            Some(text) => self.reading.value(&self.key, &found.field.clone(), &text),
            None => self.reading.cut(),
        }
    }
}

impl Places {
    /// The field of the value at this depth; nothing for what is no content.
    fn field(&self, depth: usize) -> Option<Field> {
        // The members of the message itself, and what wraps them.
        if depth < 2 || self.names.iter().take(depth.saturating_add(1)).flatten().any(|name| name == "_meta") {
            return None;
        }
        let is_own = self.names.get(2).is_none_or(|name| name.as_deref() != Some("structuredContent"));
        let last = self.names.get(depth).and_then(Option::as_deref);
        if is_own && last.is_some_and(|name| STRUCTURE.contains(&name)) {
            return None;
        }
        let below = self.names.get(2..).unwrap_or_default().iter().take(depth.saturating_sub(1)).flatten();
        Some(self.root.below(below.map(String::as_str)))
    }
}

impl Sink for Places {
    fn begin(&mut self, at: usize, kind: Kind, depth: usize) {
        self.names.truncate(depth.saturating_add(1));
        self.names.resize(depth.saturating_add(1), None);
        self.objects.truncate(depth.saturating_add(1));
        self.objects.resize(depth.saturating_add(1), false);
        if let Some(is_object) = self.objects.get_mut(depth) {
            *is_object = kind == Kind::Object;
        }
        let within_object = depth.checked_sub(1).and_then(|above| self.objects.get(above)).copied().unwrap_or(false);
        if let (false, Some(name)) = (within_object, self.names.get_mut(depth)) {
            *name = None;
        }
        if matches!(kind, Kind::Text | Kind::Number | Kind::Bool) {
            self.open = self.field(depth).map(|field| (at, Found { field, kind }));
        }
    }

    fn end(&mut self, at: usize, _depth: usize) {
        if let Some((start, found)) = self.open.take() {
            self.found.push(Piece::Value(start..at, found));
        }
    }

    fn name(&mut self, _at: Range<usize>, name: &[u8], depth: usize) {
        let name = String::from_utf8_lossy(name).into_owned();
        self.names.truncate(depth.saturating_add(1));
        self.names.resize(depth.saturating_add(1), None);
        let value = (!field::is_plain(&name)).then(|| name.clone());
        if let Some(place) = self.names.get_mut(depth) {
            *place = Some(name);
        }
        // A name that could be a value is read as one too.
        if let Some(name) = value.filter(|_| self.field(depth).is_some()) {
            self.found.push(Piece::Name(name));
        }
    }
}
