//! The one reader of JSON text: a grammar (RFC 8259), a bound on depth, no name twice in one object.
//!
//! Bytes may come in pieces cut anywhere, so that a long text is checked as it passes and never held. What is found is
//! told to a [`Sink`] by its place; the scanner keeps the names of the objects that are open, and nothing else. It must
//! accept exactly what `serde_json` accepts (the property test below), but that it is not concerned with the size of
//! numbers and lets half a surrogate pair stand in a value, where nothing is compared; in a name it is refused.

use std::collections::HashSet;
use std::ops::Range;

use super::JsonFault;

/// What kind of value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string.
    Text,
    /// An array.
    List,
    /// An object.
    Object,
}

/// Hears what stands where. Places are bytes from the beginning of the whole text; the root has depth 0.
pub trait Sink {
    /// A value begins.
    fn begin(&mut self, _at: usize, _kind: Kind, _depth: usize) {}
    /// The value that began last at this depth ends before `at`.
    fn end(&mut self, _at: usize, _depth: usize) {}
    /// A name, unescaped, of the member whose value comes next at this depth. `at` holds its quotes.
    fn name(&mut self, _at: Range<usize>, _name: &[u8], _depth: usize) {}
}

/// Nobody listens: the text is only checked.
impl Sink for () {}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    FirstItem,
    FirstName,
    Name,
    Colon,
    Next,
    Text { name: bool, escape: Escape },
    Number(Digits),
    Word { rest: &'static [u8] },
}

/// How far an escape inside a string is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Slash,
    Hex(u8),
}

/// How far a number is read (RFC 8259, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

impl Digits {
    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::Sign,
            (Self::Exponent | Self::Sign | Self::Power, b'0'..=b'9') => Self::Power,
            _ => return None,
        })
    }

    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }
}

/// An object or array that is open.
#[derive(Debug, Clone, Copy)]
struct Open {
    object: bool,
    /// Where its names begin among the names of all open objects.
    names_from: usize,
}

/// Reads a text piece by piece.
#[derive(Debug)]
pub struct Scanner {
    depth_max: usize,
    /// How many bytes earlier pieces had.
    offset: usize,
    state: State,
    open: Vec<Open>,
    /// The names of all open objects, one after the other, unescaped.
    names: Vec<u8>,
    /// Where each of them stands.
    marks: Vec<Range<usize>>,
    /// Where the name that is being read begins, in the text and among the names.
    name_at: usize,
    name_from: usize,
    name_escaped: bool,
}

impl Scanner {
    /// A scanner of one text that may be nested `depth_max` levels deep.
    #[must_use]
    pub fn new(depth_max: usize) -> Self {
        Self {
            depth_max,
            offset: 0,
            state: State::Value,
            open: Vec::new(),
            names: Vec::new(),
            marks: Vec::new(),
            name_at: 0,
            name_from: 0,
            name_escaped: false,
        }
    }

    /// Reads the next piece. The caller has seen to it that all pieces together are UTF-8.
    ///
    /// # Errors
    /// When the text is no JSON, repeats a name or is nested too deep. The scanner is of no use afterwards.
    pub fn feed(&mut self, piece: &[u8], sink: &mut impl Sink) -> Result<(), JsonFault> {
        let end = self.offset.saturating_add(piece.len());
        let mut rest = piece;
        while let Some((&byte, tail)) = rest.split_first() {
            let at = end - rest.len();
            rest = match self.state {
                State::Text { name, escape } => self.text(rest, end, name, escape, sink)?,
                State::Number(digits) => match digits.next(byte) {
                    Some(next) => {
                        self.state = State::Number(next);
                        tail
                    }
                    None if digits.may_end() => {
                        self.scalar_ends(at, sink);
                        rest
                    }
                    None => return Err(fault("a digit", at)),
                },
                State::Word { rest: word } => match word.split_first() {
                    Some((want, left)) if *want == byte => {
                        self.state = State::Word { rest: left };
                        if left.is_empty() {
                            self.scalar_ends(at.saturating_add(1), sink);
                        }
                        tail
                    }
                    Some(_) | None => return Err(fault("`true`, `false` or `null`", at)),
                },
                State::Value | State::FirstItem | State::FirstName | State::Name | State::Colon | State::Next => {
                    if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                        self.token(byte, at, sink)?;
                    }
                    tail
                }
            };
        }
        self.offset = end;
        Ok(())
    }

    /// The text is over.
    ///
    /// # Errors
    /// When it ended too early.
    pub fn finish(&mut self, sink: &mut impl Sink) -> Result<(), JsonFault> {
        if let State::Number(digits) = self.state
            && digits.may_end()
        {
            self.scalar_ends(self.offset, sink);
        }
        if self.is_whole() {
            Ok(())
        } else {
            Err(JsonFault::Syntax(format!("it ends too early, at byte {}", self.offset)))
        }
    }

    /// Whether one value was read to its end. A number at the end of the text is known to be whole by [`Self::finish`].
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == State::Next && self.open.is_empty()
    }

    /// One byte of structure.
    fn token(&mut self, byte: u8, at: usize, sink: &mut impl Sink) -> Result<(), JsonFault> {
        match (self.state, byte) {
            (State::FirstItem, b']') => self.close(false, at, sink),
            (State::FirstName, b'}') => self.close(true, at, sink),
            (State::FirstName | State::Name, b'"') => {
                (self.name_at, self.name_from, self.name_escaped) = (at, self.names.len(), false);
                self.state = State::Text { name: true, escape: Escape::None };
                Ok(())
            }
            (State::FirstName | State::Name, _) => Err(fault("a name in quotes", at)),
            (State::Colon, b':') => {
                self.state = State::Value;
                Ok(())
            }
            (State::Colon, _) => Err(fault("`:`", at)),
            (State::Next, _) => self.next(byte, at, sink),
            (_, _) => self.value(byte, at, sink),
        }
    }

    fn next(&mut self, byte: u8, at: usize, sink: &mut impl Sink) -> Result<(), JsonFault> {
        match (self.open.last().map(|o| o.object), byte) {
            (None, _) => Err(fault("nothing after the value", at)),
            (Some(true), b'}') => self.close(true, at, sink),
            (Some(false), b']') => self.close(false, at, sink),
            (Some(object), b',') => {
                self.state = if object { State::Name } else { State::Value };
                Ok(())
            }
            (Some(true), _) => Err(fault("`,` or `}`", at)),
            (Some(false), _) => Err(fault("`,` or `]`", at)),
        }
    }

    fn value(&mut self, byte: u8, at: usize, sink: &mut impl Sink) -> Result<(), JsonFault> {
        let word = |rest: &'static str| State::Word { rest: rest.as_bytes() };
        let (kind, state) = match byte {
            b'{' => (Kind::Object, State::FirstName),
            b'[' => (Kind::List, State::FirstItem),
            b'"' => (Kind::Text, State::Text { name: false, escape: Escape::None }),
            b't' => (Kind::Bool, word("rue")),
            b'f' => (Kind::Bool, word("alse")),
            b'n' => (Kind::Null, word("ull")),
            b'-' => (Kind::Number, State::Number(Digits::Minus)),
            b'0' => (Kind::Number, State::Number(Digits::Zero)),
            b'1'..=b'9' => (Kind::Number, State::Number(Digits::Whole)),
            _ => return Err(fault("a value", at)),
        };
        sink.begin(at, kind, self.open.len());
        if matches!(kind, Kind::Object | Kind::List) {
            if self.open.len() >= self.depth_max {
                return Err(JsonFault::TooDeep(self.depth_max));
            }
            self.open.push(Open { object: kind == Kind::Object, names_from: self.marks.len() });
        }
        self.state = state;
        Ok(())
    }

    fn close(&mut self, object: bool, at: usize, sink: &mut impl Sink) -> Result<(), JsonFault> {
        if let Some(open) = self.open.pop().filter(|_| object) {
            self.unique(open.names_from)?;
            let kept = self.marks.get(open.names_from).map_or(self.names.len(), |first| first.start);
            self.names.truncate(kept);
            self.marks.truncate(open.names_from);
        }
        self.scalar_ends(at.saturating_add(1), sink);
        Ok(())
    }

    /// Whatever was open as a value is whole.
    fn scalar_ends(&mut self, at: usize, sink: &mut impl Sink) {
        self.state = State::Next;
        sink.end(at, self.open.len());
    }

    /// Inside a string: a run of plain bytes, or one byte that means something.
    fn text<'p>(
        &mut self,
        rest: &'p [u8],
        end: usize,
        name: bool,
        escape: Escape,
        sink: &mut impl Sink,
    ) -> Result<&'p [u8], JsonFault> {
        let run = match escape {
            Escape::None if name => plain(rest),
            Escape::None => plain_or_escaped(rest),
            Escape::Slash | Escape::Hex(_) => 0,
        };
        let (run, special) = rest.split_at_checked(run).unwrap_or((rest, &[]));
        if name {
            self.names.extend_from_slice(run);
        }
        let Some((&byte, tail)) = special.split_first() else { return Ok(special) };
        let at = end - special.len();
        let inside = |escape| State::Text { name, escape };
        match (escape, byte) {
            (Escape::None, b'"') if name => {
                self.name_ends(at.saturating_add(1), sink)?;
                return Ok(tail);
            }
            (Escape::None, b'"') => {
                self.scalar_ends(at.saturating_add(1), sink);
                return Ok(tail);
            }
            (Escape::None, b'\\') => self.state = inside(Escape::Slash),
            (Escape::None, _) => return Err(fault("no control character in a string", at)),
            (Escape::Slash, b'u') => self.state = inside(Escape::Hex(4)),
            (Escape::Slash, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.state = inside(Escape::None)
            }
            (Escape::Slash, _) => return Err(fault("an escape that JSON knows", at)),
            (Escape::Hex(left), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                self.state = inside(if left == 1 { Escape::None } else { Escape::Hex(left.saturating_sub(1)) });
            }
            (Escape::Hex(_), _) => return Err(fault("four hexadecimal digits after `\\u`", at)),
        }
        if name {
            self.names.push(byte);
            self.name_escaped = true;
        }
        Ok(tail)
    }

    fn name_ends(&mut self, at: usize, sink: &mut impl Sink) -> Result<(), JsonFault> {
        if self.name_escaped {
            let raw = self.names.get(self.name_from..).unwrap_or_default();
            let text = std::str::from_utf8(raw).ok().map(|t| format!("\"{t}\""));
            let plain = text.and_then(|t| serde_json::from_str::<String>(&t).ok());
            let plain = plain.ok_or_else(|| fault("a name without half a surrogate pair", self.name_at))?;
            self.names.truncate(self.name_from);
            self.names.extend_from_slice(plain.as_bytes());
        }
        self.marks.push(self.name_from..self.names.len());
        let name = self.names.get(self.name_from..).unwrap_or_default();
        sink.name(self.name_at..at, name, self.open.len());
        self.state = State::Colon;
        Ok(())
    }

    /// Whether the names of the object that closes differ from one another.
    fn unique(&self, from: usize) -> Result<(), JsonFault> {
        let marks = self.marks.get(from..).unwrap_or_default();
        let name = |mark: &Range<usize>| self.names.get(mark.clone()).unwrap_or_default();
        let twice = if marks.len() <= SMALL_OBJECT {
            let mut left = marks.iter();
            let mut found = None;
            while let (Some(one), None) = (left.next(), found) {
                found = left.clone().any(|other| other.len() == one.len() && name(other) == name(one)).then_some(one);
            }
            found
        } else {
            let mut seen = HashSet::with_capacity(marks.len());
            marks.iter().find(|mark| !seen.insert(name(mark)))
        };
        match twice {
            Some(mark) => Err(JsonFault::DuplicateKey(String::from_utf8_lossy(name(mark)).into_owned())),
            None => Ok(()),
        }
    }
}

/// Above this many members a set beats comparing each with each.
const SMALL_OBJECT: usize = 12;

/// How many bytes at the front of a value's inside are neither its end nor need a closer look: escapes of one letter that
/// stand whole do not. Text for people has one in every line or two, and a step of the scanner for each would cost more
/// than all the rest.
fn plain_or_escaped(bytes: &[u8]) -> usize {
    let mut at = 0_usize;
    loop {
        at = at.saturating_add(plain(bytes.get(at..).unwrap_or_default()));
        match bytes.get(at..at.saturating_add(2)) {
            Some([b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't']) => at = at.saturating_add(2),
            Some(_) | None => return at,
        }
    }
}

/// How many bytes at the front of a string's inside are neither its end nor an escape nor a control character.
fn plain(bytes: &[u8]) -> usize {
    let special = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    // Eight bytes at a time in one register: runs are short in text for people, and longer strides do not pay for their start.
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0_usize;
    for word in words {
        let hits = specials(u64::from_le_bytes(*word));
        if hits != 0 {
            return at.saturating_add((hits.trailing_zeros() / 8) as usize);
        }
        at = at.saturating_add(8);
    }
    at.saturating_add(rest.iter().position(|byte| special(*byte)).unwrap_or(rest.len()))
}

/// The high bit of the lowest byte of a word that is a quote, a backslash or below 0x20; nothing where there is none. Bits
/// above that byte mean nothing: a borrow may have set them.
fn specials(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES.wrapping_mul(u64::from(bound))) & !word & HIGH;
    let is = |byte: u8| below(word ^ ONES.wrapping_mul(u64::from(byte)), 1);
    is(b'"') | is(b'\\') | below(word, 0x20)
}

fn fault(wanted: &str, at: usize) -> JsonFault {
    JsonFault::Syntax(format!("expected {wanted} at byte {at}"))
}
