//! Places a story on the page: a head for the task, then its frames in time, each under the call it belongs to.
//!
//! Fit for any terminal: at most `width` columns, drawn with ASCII alone, coloured only when asked.

use std::collections::{BTreeMap, BTreeSet};

use pdp::digest::Digest;
use pdp::json::quoted;
use pdp::record::{Entry, Event, Intent, Record, Said};

use super::frame::{self, Frame, Mood};
use super::{said, visible};
use crate::ledger::ranges;

/// How a story is told.
#[derive(Debug, Clone, Copy)]
pub struct Telling {
    /// How many columns a line may have; at least 60 are used.
    pub width: usize,
    /// Whether to use the terminal's colours.
    pub colour: bool,
    /// Instead of the story, each entry's canonical JSON on a line of its own.
    pub json: bool,
}

impl Default for Telling {
    fn default() -> Self {
        Self { width: 100, colour: false, json: false }
    }
}

/// How wide the labels of a frame's lines are.
const LABEL: usize = 11;

/// How far a frame's lines stand in from its head, and a frame from the call it belongs to.
const INDENT: usize = 4;

/// Tells the story of these entries: those of a task, a trace or a single frame, as [`super::find`] answers them.
#[must_use]
pub fn tell(entries: &[Entry], telling: &Telling) -> String {
    if telling.json {
        return entries.iter().map(json_line).collect();
    }
    let story = Story::of(entries);
    let mut page = Page { out: String::new(), width: telling.width.max(60), colour: telling.colour };
    story.write_head(&mut page);
    story.write_frames(&mut page);
    page.out
}

fn json_line(entry: &Entry) -> String {
    let text = entry.canonical().unwrap_or_else(|fault| format!("{{\"fault\":{}}}", quoted(&fault.to_string())));
    format!("{text}\n")
}

/// Entries sorted into what a person asks about.
struct Story<'e> {
    frames: Vec<Frame<'e>>,
    /// What happened to the task itself and what was said of it, in time.
    asides: Vec<Aside<'e>>,
}

/// What stands between the frames of a story.
enum Aside<'e> {
    /// Something that happened to the task.
    Event(&'e Event),
    /// Something that was said of it.
    Said(&'e Said),
}

impl<'e> Aside<'e> {
    fn at_us(&self) -> i64 {
        match self {
            Self::Event(event) => event.at_us,
            Self::Said(said) => said.at_us,
        }
    }

    /// Whether it stands before a frame that arrived at this time. A task opens before its first frame; what is said in a
    /// frame stands behind it.
    fn comes_before(&self, started_us: i64) -> bool {
        match self {
            Self::Event(event) => event.at_us <= started_us,
            Self::Said(said) => said.at_us < started_us,
        }
    }

    fn trace(&self) -> Option<&'e str> {
        match self {
            Self::Event(event) => event.trace.as_deref(),
            Self::Said(said) => Some(&said.trace),
        }
    }

    fn task(&self) -> Option<&'e str> {
        match self {
            Self::Event(event) => event.task.as_deref(),
            Self::Said(said) => Some(&said.task),
        }
    }
}

impl<'e> Story<'e> {
    fn of(entries: &'e [Entry]) -> Self {
        let mut intents: BTreeMap<u64, &Intent> = BTreeMap::new();
        let mut records: Vec<&Record> = Vec::new();
        let mut asides = Vec::new();
        for entry in entries {
            match entry {
                Entry::Intent(intent) => {
                    intents.entry(intent.number).or_insert(intent);
                }
                Entry::Record(record) => records.push(record),
                Entry::Event(event) => asides.push(Aside::Event(event)),
                Entry::Said(said) => asides.push(Aside::Said(said)),
            }
        }
        let recorded: BTreeSet<u64> = records.iter().map(|record| record.number).collect();
        let open =
            intents.values().filter(|intent| !recorded.contains(&intent.number)).map(|intent| Frame::Open(intent));
        let mut frames: Vec<Frame<'e>> = open.collect();
        frames.extend(records.into_iter().map(|record| Frame::Recorded(record, intents.get(&record.number).copied())));
        frames.sort_by_key(|frame| (frame.started_us(), frame.number()));
        asides.sort_by_key(Aside::at_us);
        Self { frames, asides }
    }

    fn write_head(&self, page: &mut Page) {
        let mut traces = BTreeSet::new();
        let mut tasks = BTreeSet::new();
        let mut callers = BTreeSet::new();
        for frame in &self.frames {
            let (trace, task, principal) = match frame {
                Frame::Recorded(record, _) => (&record.trace, &record.task, record.principal.as_ref()),
                Frame::Open(intent) => (&intent.trace, &intent.task, Some(&intent.principal)),
            };
            traces.insert(trace.as_str());
            tasks.insert(task.as_str());
            callers.extend(principal.map(|principal| {
                let user = if principal.user.is_empty() { String::new() } else { format!(" for {}", principal.user) };
                format!("{}{user}, by {}", principal.key(), principal.method)
            }));
        }
        traces.extend(self.asides.iter().filter_map(Aside::trace));
        tasks.extend(self.asides.iter().filter_map(Aside::task));
        traces.iter().for_each(|trace| page.line(0, "trace", &visible::text(trace)));
        tasks.iter().for_each(|task| page.line(0, "task", &visible::text(task)));
        callers.iter().for_each(|caller| page.line(0, "caller", &visible::text(caller)));
        let (from, to) = (self.frames.first().map(Frame::started_us), self.frames.iter().map(Frame::ended_us).max());
        if let (Some(from), Some(to)) = (from, to) {
            let took = frame::duration(u64::try_from(to.saturating_sub(from)).unwrap_or(0));
            page.line(0, "from", &format!("{} {} UTC", frame::day(from), frame::time(from)));
            page.line(0, "to", &format!("{} {} UTC, {took} in all", frame::day(to), frame::time(to)));
        }
        self.write_snapshots(page);
        let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
        for frame in &self.frames {
            *outcomes.entry(frame.outcome()).or_default() += 1;
        }
        let counts: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        page.line(0, "frames", &format!("{}: {counts}", self.frames.len()));
        let claims = self.asides.iter().filter(|aside| matches!(aside, Aside::Said(_))).count();
        if claims > 0 {
            let words = "said of the task by its host or agent, and marked so: the gate saw nothing of it";
            page.line(0, "claims", &format!("{claims}, {words}"));
        }
    }

    /// Which law was in force for which frames.
    fn write_snapshots(&self, page: &mut Page) {
        let mut order: Vec<(Digest, BTreeSet<u64>)> = Vec::new();
        for frame in &self.frames {
            let digest = frame.snapshot();
            match order.iter_mut().find(|(known, _)| *known == digest) {
                Some((_, numbers)) => {
                    numbers.insert(frame.number());
                }
                None => order.push((digest, BTreeSet::from([frame.number()]))),
            }
        }
        let alone = order.len() == 1;
        for (digest, numbers) in order {
            let words = if alone { digest.to_string() } else { format!("{digest} for {}", ranges(&numbers)) };
            page.line(0, "snapshot", &words);
        }
    }

    fn write_frames(&self, page: &mut Page) {
        let mut nested: BTreeMap<u64, Vec<&Frame<'e>>> = BTreeMap::new();
        let mut top = Vec::new();
        for frame in &self.frames {
            match frame.parent(&self.frames) {
                Some(parent) => nested.entry(parent).or_default().push(frame),
                None => top.push(frame),
            }
        }
        let mut today = self.frames.first().map(|frame| frame::day(frame.started_us()));
        let mut asides = self.asides.iter().peekable();
        for frame in top {
            while let Some(aside) = asides.next_if(|aside| aside.comes_before(frame.started_us())) {
                page.aside(aside);
            }
            let day = frame::day(frame.started_us());
            if today.as_ref() != Some(&day) {
                page.out.push_str(&format!("\n{day}\n"));
                today = Some(day);
            }
            page.frame(0, frame);
            for frame in nested.remove(&frame.number()).unwrap_or_default() {
                page.frame(INDENT, frame);
            }
        }
        asides.for_each(|aside| page.aside(aside));
    }
}

/// What has been written so far, and how wide it may be.
struct Page {
    out: String,
    width: usize,
    colour: bool,
}

impl Page {
    fn frame(&mut self, indent: usize, frame: &Frame<'_>) {
        self.out.push('\n');
        let title = format!("{}  {}", frame::time(frame.started_us()), frame.title());
        let (verdict, mood) = frame.verdict();
        self.head(indent, &format!("#{}", frame.number()), &title, &verdict, mood);
        for (label, text) in frame.lines() {
            self.line(indent + INDENT, label, &text);
        }
    }

    fn aside(&mut self, aside: &Aside<'_>) {
        match aside {
            Aside::Event(event) => self.event(event),
            Aside::Said(said) => self.said(said),
        }
    }

    /// A claim: no number at its head, and no verdict of the gate's.
    fn said(&mut self, said: &Said) {
        self.out.push('\n');
        self.head(0, "~", &said::title(said), said::VERDICT, Mood::Doubtful);
        for (label, text) in said::lines(said) {
            self.line(INDENT, label, &text);
        }
    }

    /// Something that happened to the task itself.
    fn event(&mut self, event: &Event) {
        self.out.push('\n');
        let by = event.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
        let words = format!("{} {}{by}: {}", frame::moment(event.at_us), event.what, event.detail);
        self.line(0, "event", &visible::text(&words));
    }

    /// A head: a mark, a title, and a verdict at the right edge, or below where there is no room.
    fn head(&mut self, indent: usize, mark: &str, title: &str, verdict: &str, mood: Mood) {
        let room = self.width.saturating_sub(indent + mark.chars().count() + 2);
        let mut lines = visible::wrap(title, room.max(20)).into_iter();
        let mut last = lines.next().unwrap_or_default();
        self.out.push_str(&format!("{}{}  ", " ".repeat(indent), self.paint("1", mark)));
        for line in lines {
            self.out.push_str(&format!("{last}\n{}", " ".repeat(indent + INDENT)));
            last = line;
        }
        let used = visible::columns(&last) + verdict.chars().count() + 2;
        let painted = self.paint(mood.colour(), verdict);
        if used <= room {
            let gap = " ".repeat(room - used + 2);
            self.out.push_str(&format!("{last}{gap}{painted}\n"));
        } else {
            let gap = " ".repeat(self.width.saturating_sub(verdict.chars().count()));
            self.out.push_str(&format!("{last}\n{gap}{painted}\n"));
        }
        self.odd(indent + INDENT, title);
    }

    /// A labelled line, broken where it is too long.
    fn line(&mut self, indent: usize, label: &str, text: &str) {
        let room = self.width.saturating_sub(indent + LABEL).max(20);
        let mut shown = label;
        for part in visible::wrap(text, room) {
            let line = format!("{}{shown:LABEL$}{part}", " ".repeat(indent));
            self.out.push_str(line.trim_end());
            self.out.push('\n');
            shown = "";
        }
        self.odd(indent, text);
    }

    /// Says which words of what was just written imitate others.
    fn odd(&mut self, indent: usize, text: &str) {
        let Some(words) = visible::odd(text) else { return };
        let room = self.width.saturating_sub(indent + LABEL).max(20);
        for part in visible::wrap(&format!("LOOK TWICE: {words}"), room) {
            self.out.push_str(&format!("{}{part}\n", " ".repeat(indent + LABEL)));
        }
    }

    /// Text in a colour (ECMA-48 SGR), when colours are asked for.
    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

impl Mood {
    fn colour(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Refused => "31",
            Self::Doubtful => "33",
        }
    }
}
