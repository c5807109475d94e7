//! Where the parts of a text stand: read once, asked often.
//!
//! A [`Layout`] holds places only, so it can be kept beside the text it was read from. A [`Part`] is the two together.

use std::borrow::Cow;
use std::ops::Range;

use super::scan::{Kind, Scanner, Sink};
use super::{JsonFault, string};

/// How a text is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// How deep it may nest.
    pub depth_max: usize,
    /// Down to which depth places are remembered; below, the text is checked all the same. The root has depth 0. What
    /// lies deeper looks empty to [`Part`]: whoever must see it reads the text of the part again.
    pub kept: usize,
    /// Whether a name begins with this, in any case, is remembered. Empty for nothing.
    pub watched: &'static str,
}

impl Reading {
    /// Everything is remembered, nothing is watched for.
    #[must_use]
    pub const fn whole(depth_max: usize) -> Self {
        Self { depth_max, kept: usize::MAX, watched: "" }
    }
}

/// The places of a text's parts.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    nodes: Vec<Node>,
    watched: bool,
}

/// A value, or the name of the member whose value follows.
#[derive(Debug, Clone, Copy)]
struct Node {
    start: u32,
    end: u32,
    /// The node after this one and all that is in it.
    next: u32,
    /// Nothing for a name.
    kind: Option<Kind>,
}

/// What is still open while a text is read.
struct Builder<'l> {
    layout: &'l mut Layout,
    kept: usize,
    watched: &'static [u8],
    path: Vec<usize>,
}

impl Sink for Builder<'_> {
    fn begin(&mut self, at: usize, kind: Kind, depth: usize) {
        if depth <= self.kept {
            self.path.push(self.layout.nodes.len());
            self.layout.nodes.push(Node { start: narrow(at), end: 0, next: 0, kind: Some(kind) });
        }
    }

    fn end(&mut self, at: usize, depth: usize) {
        if depth > self.kept {
            return;
        }
        let next = narrow(self.layout.nodes.len());
        let open = self.path.pop().and_then(|index| self.layout.nodes.get_mut(index));
        if let Some(node) = open {
            (node.end, node.next) = (narrow(at), next);
        }
    }

    fn name(&mut self, at: Range<usize>, name: &[u8], depth: usize) {
        let begins = |watched: &[u8]| name.get(..watched.len()).is_some_and(|head| head.eq_ignore_ascii_case(watched));
        self.layout.watched |= !self.watched.is_empty() && begins(self.watched);
        if depth <= self.kept {
            let next = narrow(self.layout.nodes.len().saturating_add(1));
            self.layout.nodes.push(Node { start: narrow(at.start), end: narrow(at.end), next, kind: None });
        }
    }
}

/// Texts are shorter than 4 GiB, which [`Layout::read`] sees to.
fn narrow(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl Layout {
    /// Reads a text: valid JSON, no name twice in one object, not nested too deep.
    ///
    /// # Errors
    /// The first of those that fails.
    pub fn read(text: &str, reading: Reading) -> Result<Self, JsonFault> {
        if u32::try_from(text.len()).is_err() {
            return Err(JsonFault::Syntax("it is longer than 4 GiB".to_owned()));
        }
        let mut layout = Self { nodes: Vec::with_capacity(32), watched: false };
        let watched = reading.watched.as_bytes();
        let mut sink = Builder { layout: &mut layout, kept: reading.kept, watched, path: Vec::with_capacity(8) };
        let mut scanner = Scanner::new(reading.depth_max);
        scanner.feed(text.as_bytes(), &mut sink)?;
        scanner.finish(&mut sink)?;
        Ok(layout)
    }

    /// The value that is the whole text. `text` must be the one this layout was read from.
    #[must_use]
    pub fn root<'a>(&'a self, text: &'a str) -> Part<'a> {
        Part { layout: self, text, index: 0 }
    }

    /// Whether a watched name was met, at any depth.
    #[must_use]
    pub fn met_watched(&self) -> bool {
        self.watched
    }
}

/// One value of a text.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    layout: &'a Layout,
    text: &'a str,
    index: usize,
}

impl<'a> Part<'a> {
    /// Where it stands.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.node().map_or(0..0, |node| node.start as usize..node.end as usize)
    }

    /// The whole text it is a part of.
    pub(super) fn whole(self) -> &'a str {
        self.text
    }

    /// Its text, as written.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.text.get(self.range()).unwrap_or_default()
    }

    /// What kind of value it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.node().and_then(|node| node.kind).unwrap_or(Kind::Null)
    }

    /// Its value, where it is a string. Nothing for another kind, or half a surrogate pair.
    #[must_use]
    pub fn string(self) -> Option<Cow<'a, str>> {
        if self.kind() == Kind::Text { string(self.text()).ok() } else { None }
    }

    /// A member, where it is an object that has it.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Part<'a>> {
        self.named().find(|(at, _)| is_named(at, name)).map(|(_, value)| value)
    }

    /// The members of an object, in the order written; none of another kind.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Part<'a>)> {
        self.named().map(|(raw, value)| (plain(raw), value))
    }

    /// The items of an array, in the order written; none of another kind.
    pub fn items(self) -> impl Iterator<Item = Part<'a>> {
        let list = self.kind() == Kind::List;
        let end = self.node().filter(|_| list).map_or(0, |node| node.next as usize);
        let mut index = self.index.saturating_add(1);
        std::iter::from_fn(move || {
            let item = Part { index, ..self };
            let node = item.node().filter(|_| index < end)?;
            index = node.next as usize;
            Some(item)
        })
    }

    /// Where the names, with their quotes, of an object's members stand, and their values.
    pub fn places(self) -> impl Iterator<Item = (Range<usize>, Part<'a>)> {
        let object = self.kind() == Kind::Object;
        let end = self.node().filter(|_| object).map_or(0, |node| node.next as usize);
        let mut index = self.index.saturating_add(1);
        std::iter::from_fn(move || {
            let name = Part { index, ..self };
            let value = Part { index: index.saturating_add(1), ..self };
            let node = value.node().filter(|_| index < end)?;
            index = node.next as usize;
            Some((name.range(), value))
        })
    }

    /// Whether it is an object or array without anything in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        let inside = self.text().get(1..).unwrap_or_default().trim_start_matches([' ', '\t', '\r', '\n']);
        inside.len() <= 1
    }

    fn named(self) -> impl Iterator<Item = (&'a str, Part<'a>)> {
        self.places().map(move |(name, value)| (self.text.get(name).unwrap_or_default(), value))
    }

    fn node(self) -> Option<&'a Node> {
        self.layout.nodes.get(self.index)
    }
}

/// Whether a name as written, with its quotes, is this one.
fn is_named(raw: &str, name: &str) -> bool {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains('\\') { string(raw).is_ok_and(|plain| plain == name) } else { inner == name }
}

/// A name, of one that is written with its quotes. Half a surrogate pair is no text: such a name stays as it was written.
fn plain(raw: &str) -> Cow<'_, str> {
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains('\\') { string(raw).unwrap_or(Cow::Borrowed(raw)) } else { Cow::Borrowed(inner) }
}
