//! Edits in a client's file: text put in or taken out at a place, everything else byte for byte as it was.
//!
//! An entry keeps the members that are the client's own business, its comments and its layout; only those members give
//! way that said how the server is reached.

use std::ops::Range;

use super::tree::{Format, Map, Member, Node, Style};

/// A part of the text and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) at: Range<usize>,
    pub(super) with: String,
}

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fresh {
    Bool(bool),
    Text(String),
    List(Vec<Fresh>),
    Map(Vec<(&'static str, Fresh)>),
}

/// The text with its edits made. Where two take something out, the blanks between may be claimed by both; where anything
/// else meets, nothing: that would be a fault of ours.
pub(super) fn applied(text: &str, mut edits: Vec<Edit>) -> Option<String> {
    edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
    let mut out = String::with_capacity(text.len());
    let (mut from, mut took_out) = (0, false);
    for edit in edits {
        let takes_out = edit.with.is_empty();
        let start = if takes_out && took_out { edit.at.start.max(from) } else { edit.at.start };
        out.push_str(text.get(from..start)?);
        out.push_str(&edit.with);
        (from, took_out) = (edit.at.end.max(start), takes_out);
    }
    out.push_str(text.get(from..)?);
    Some(out)
}

/// How a file is written, as far as an edit must follow it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hand<'t> {
    pub(super) text: &'t str,
    pub(super) format: Format,
}

impl<'t> Hand<'t> {
    /// The edits that put `fresh` in the place of the first member that is dropped, and take out the others. Nothing
    /// where no member can give way.
    pub(super) fn rewrite(
        self,
        entry: &Node,
        drop: &dyn Fn(&str) -> bool,
        fresh: &[(&'static str, Fresh)],
    ) -> Option<Vec<Edit>> {
        let map = entry.map()?;
        let first = map.members.iter().position(|member| !member.section && drop(&member.name))?;
        let place = map.members.get(first)?;
        let mut edits = vec![Edit { at: place.at.clone(), with: self.members(fresh, map.style, place.at.start) }];
        for (index, member) in map.members.iter().enumerate() {
            if index == first || !drop(&member.name) {
                continue;
            }
            match map.style {
                Style::Lines => self.take_out_line(member, &mut edits),
                Style::Braces => self.take_out_braced(entry, map, index, drop, first, &mut edits)?,
            }
        }
        Some(edits)
    }

    /// Members as they are written at a place: on lines of their own where that one is.
    pub(super) fn members(self, fresh: &[(&'static str, Fresh)], style: Style, at: usize) -> String {
        let each: Vec<String> = fresh.iter().map(|(name, value)| self.member(name, value)).collect();
        let prefix = self.prefix(at);
        match (style, self.begins_line(at)) {
            (Style::Lines, _) => each.join(&format!("{}{prefix}", self.line_end())),
            (Style::Braces, true) => each.join(&format!(",{}{prefix}", self.line_end())),
            (Style::Braces, false) => each.join(", "),
        }
    }

    fn member(self, name: &str, value: &Fresh) -> String {
        match self.format {
            Format::Json => format!("{}: {}", pdp::json::quoted(name), self.value(value)),
            Format::Toml => format!("{name} = {}", self.value(value)),
            Format::Yaml => format!("{name}: {}", self.value(value)),
        }
    }

    /// A value on one line. A JSON string is a TOML basic string and a YAML double-quoted one.
    pub(super) fn value(self, value: &Fresh) -> String {
        match value {
            Fresh::Bool(yes) => yes.to_string(),
            Fresh::Text(text) => pdp::json::quoted(text),
            Fresh::List(items) => {
                format!("[{}]", items.iter().map(|item| self.value(item)).collect::<Vec<_>>().join(", "))
            }
            Fresh::Map(members) => {
                let all: Vec<String> = members.iter().map(|(name, value)| self.member(name, value)).collect();
                format!("{{ {} }}", all.join(", "))
            }
        }
    }

    /// The line end of the file: that of its first line.
    pub(super) fn line_end(self) -> &'static str {
        match self.text.find('\n') {
            Some(at) if self.text.get(..at).is_some_and(|line| line.ends_with('\r')) => "\r\n",
            Some(_) | None => "\n",
        }
    }

    fn line_start(self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        // A byte order mark is no part of the first line.
        if start == 0 && before.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { start }
    }

    /// What stands before a place on its line.
    pub(super) fn prefix(self, at: usize) -> &'t str {
        self.text.get(self.line_start(at)..at).unwrap_or_default()
    }

    /// Whether nothing but white space stands before a place on its line.
    pub(super) fn begins_line(self, at: usize) -> bool {
        self.prefix(at).trim().is_empty()
    }

    /// The end of the line, its break included, where nothing but white space stands between.
    fn rest_of_line(self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        line.trim().is_empty().then_some(at + line.len())
    }

    fn skip_blanks(self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.len() - rest.trim_start_matches([' ', '\t']).len()
    }

    /// Takes out a range, and its whole lines where nothing else stands on them.
    fn take_out(self, at: Range<usize>) -> Edit {
        let whole = self.rest_of_line(at.end).filter(|_| self.begins_line(at.start));
        let at = match whole {
            Some(end) => self.line_start(at.start)..end,
            None => at.start..self.skip_blanks(at.end),
        };
        Edit { at, with: String::new() }
    }

    /// A member on lines of its own. What stands before it on its line, the beginning of a dotted name, goes with it; a
    /// comment behind it stays.
    fn take_out_line(self, member: &Member, edits: &mut Vec<Edit>) {
        if member.section {
            if !member.at.is_empty() {
                edits.push(self.take_out(member.at.clone()));
            }
            for inner in member.node.map().map(|map| map.members.as_slice()).unwrap_or_default() {
                self.take_out_line(inner, edits);
            }
            return;
        }
        let line = self.line_start(member.at.start);
        let at = match self.rest_of_line(member.at.end) {
            Some(end) => line..end,
            // What stays behind it keeps the indentation.
            None if self.begins_line(member.at.start) => member.at.start..self.skip_blanks(member.at.end),
            None => line..self.skip_blanks(member.at.end),
        };
        edits.push(Edit { at, with: String::new() });
    }

    /// A member between commas. Where it is the last and no comma follows, the comma before it goes.
    fn take_out_braced(
        self,
        entry: &Node,
        map: &Map,
        index: usize,
        drop: &dyn Fn(&str) -> bool,
        first: usize,
        edits: &mut Vec<Edit>,
    ) -> Option<()> {
        let member = map.members.get(index)?;
        if let Some(comma) = self.comma(entry, map, index) {
            let between = self.text.get(member.at.end..comma)?;
            if between.trim().is_empty() {
                edits.push(self.take_out(member.at.start..comma + 1));
            } else {
                // A comment stands between the two, and stays.
                edits.push(Edit { at: member.at.clone(), with: String::new() });
                edits.push(Edit { at: comma..comma + 1, with: String::new() });
            }
            return Some(());
        }
        let stays = |n: &usize| *n == first || map.members.get(*n).is_some_and(|other| !drop(&other.name));
        let before = (0..index).rev().find(stays)?;
        let comma = self.comma(entry, map, before)?;
        // The blanks between the comma and what is taken out behind it go too.
        let next = map.members.get(before + 1).map(|next| next.at.start);
        let after = Some(self.skip_blanks(comma + 1)).filter(|after| Some(*after) == next);
        edits.push(Edit { at: comma..after.unwrap_or(comma + 1), with: String::new() });
        let mut gone = self.take_out(member.at.clone());
        if gone.at.start == member.at.start {
            // On one line with the others, the blanks before it go too.
            let kept = self.text.get(..gone.at.start)?.trim_end_matches([' ', '\t']).len();
            gone.at = kept.max(comma + 1)..member.at.end;
        }
        edits.push(gone);
        Some(())
    }

    /// The comma between a member and what follows it, comments passed over.
    fn comma(self, entry: &Node, map: &Map, index: usize) -> Option<usize> {
        let from = map.members.get(index)?.at.end;
        let to = map.members.get(index + 1).map_or(entry.at.end.saturating_sub(1), |next| next.at.start);
        self.comma_in(from..to)
    }

    pub(super) fn comma_in(self, gap: Range<usize>) -> Option<usize> {
        let mut at = gap.start;
        while let Some(rest) = self.text.get(at..gap.end).filter(|rest| !rest.is_empty()) {
            let to_line_end = rest.find('\n').map_or(rest.len(), |n| n + 1);
            at += match (self.format, rest) {
                (_, rest) if rest.starts_with(',') => return Some(at),
                (Format::Json, rest) if rest.starts_with("//") => to_line_end,
                (Format::Json, rest) if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |n| n + 2),
                (Format::Yaml | Format::Toml, rest) if rest.starts_with('#') => to_line_end,
                (Format::Json | Format::Toml | Format::Yaml, rest) => rest.chars().next().map_or(1, char::len_utf8),
            };
        }
        None
    }
}
