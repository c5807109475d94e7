//! YAML, by `saphyr-parser`'s events, into the common tree. Anchors and aliases are seen and not followed: an entry that
//! is put together from elsewhere cannot be rewritten without changing what else uses it.

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::tree::{DEPTH_MAX, Map, Member, Node, Style, Unreadable, Value};

pub(super) fn read(text: &str) -> Result<Node, Unreadable> {
    let mut reader = Reader { text, offsets: offsets(text), events: Parser::new_from_str(text), depth: 0 };
    let empty = Node { at: text.len()..text.len(), value: Value::Map(Map::default()) };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(empty),
            (Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
            (event, span) => {
                let root = reader.node(event, span)?;
                return Ok(if root.value == Value::Null { empty } else { root });
            }
        }
    }
}

/// Where each character begins: the parser counts characters, the text is cut by bytes.
fn offsets(text: &str) -> Vec<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).collect()
}

struct Reader<'t> {
    text: &'t str,
    offsets: Vec<usize>,
    events: Parser<'t, saphyr_parser::StrInput<'t>>,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Range<usize>), Unreadable> {
        let next: Option<Result<(Event<'t>, Span), _>> = self.events.next_event();
        match next {
            None => Ok((Event::StreamEnd, self.text.len()..self.text.len())),
            Some(Ok((event, span))) => Ok((event, self.byte(span.start.index())..self.byte(span.end.index()))),
            Some(Err(e)) => Err(Unreadable::at(self.text, self.byte(e.marker().index()), e.info().to_owned())),
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.text.len())
    }

    /// A place without the white space at its end: a block's own end lies before the next line's text.
    fn trimmed(&self, at: Range<usize>) -> Range<usize> {
        let length = self.text.get(at.clone()).map_or(0, |text| text.trim_end().len());
        at.start..at.start + length
    }

    fn node(&mut self, event: Event<'t>, at: Range<usize>) -> Result<Node, Unreadable> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Unreadable::at(self.text, at.start, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let node = match event {
            Event::Scalar(text, style, _, tag) => {
                Node { at: self.trimmed(at), value: scalar(&text, style, tag.as_ref()) }
            }
            Event::SequenceStart(..) => self.sequence(at)?,
            Event::MappingStart(..) => self.mapping(at)?,
            Event::Alias(_)
            | Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Node { at: self.trimmed(at), value: Value::Other },
        };
        self.depth -= 1;
        Ok(node)
    }

    fn sequence(&mut self, opened: Range<usize>) -> Result<Node, Unreadable> {
        let flow = self.text.get(opened.start..).is_some_and(|text| text.starts_with('['));
        let (start, mut end) = (opened.start, opened.end);
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, at) => {
                    let end = if flow { at.end } else { end };
                    return Ok(Node { at: start..end, value: Value::List(items) });
                }
                (event, at) => {
                    let item = self.node(event, at)?;
                    end = item.at.end.max(end);
                    items.push(item);
                }
            }
        }
    }

    fn mapping(&mut self, opened: Range<usize>) -> Result<Node, Unreadable> {
        let flow = self.text.get(opened.start..).is_some_and(|text| text.starts_with('{'));
        let (mut start, mut end) = (opened.start, opened.end);
        let mut members = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                let style = if flow { Style::Braces } else { Style::Lines };
                let end = if flow { at.end } else { end };
                return Ok(Node { at: start..end, value: Value::Map(Map { members, style }) });
            }
            let name = self.node(event, at)?;
            let Some(text) = name.plain() else {
                return Err(Unreadable::at(self.text, name.at.start, "a name that is no text"));
            };
            let (event, at) = self.next()?;
            let node = self.node(event, at)?;
            if members.is_empty() && !flow {
                start = name.at.start;
            }
            // An empty value stands nowhere; its member ends with the colon.
            let ends = if node.at.end > name.at.end { node.at.end } else { self.colon(name.at.end) };
            end = ends.max(end);
            members.push(Member { name: text, at: name.at.start..ends, section: false, node });
        }
    }

    fn colon(&self, after: usize) -> usize {
        self.text.get(after..).and_then(|rest| rest.find(':')).map_or(after, |colon| after + colon + 1)
    }
}

/// A plain scalar is what YAML's core schema says it is (YAML 1.2.2, section 10.3); a quoted one is text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> Value {
    if tag.is_some() {
        return Value::Other;
    }
    if style != ScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if text.parse::<f64>().is_ok() && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            Value::Number(text.to_owned())
        }
        _ => Value::Text(text.to_owned()),
    }
}
