//! What a task has read, kept for as long as it lives: the window in which arguments are looked for.
//!
//! Fed by the outcome stage before a byte is handed on, asked by the policy stage, and only where a policy of the snapshot
//! can see it. What passed while nobody looked counts as fallen out of the window, so a policy that comes later is never
//! told that something was not read. How a value is found is [`pdp::origin`]'s.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use pdp::json::{self, Json};
use pdp::label::LabelSet;
use pdp::origin::{Field, Key, Kinds, Message, Reading, UNGIVEN, USER, Window};
use pdp::policy::{Facts, Looked, Members};
use pdp::record::Direction;
use pdp::registry::{Server, Tool};

use crate::call::Head;
use crate::content::Context;
use crate::entry::OpenRecord;
use crate::ports::Limits;
use crate::stages::s2_classify::Subject;

/// A task's window. Nothing is kept until the first policy looks.
#[derive(Default)]
pub(crate) struct Seen {
    /// The text of the user's that is read when the window opens.
    given: RwLock<Vec<String>>,
    window: RwLock<Option<Window>>,
    /// Whether anything passed that was not read.
    missed: AtomicBool,
}

// Written by hand: a derived `Debug` would print what the user said.
impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen(..)")
    }
}

impl Seen {
    /// Takes note of what the user said, whether a policy looks at it now or later.
    pub(crate) fn given(&self, text: &str) {
        let mut open = self.window.write().unwrap_or_else(PoisonError::into_inner);
        match open.as_mut() {
            Some(window) => window.give(text),
            None => self.given.write().unwrap_or_else(PoisonError::into_inner).push(text.to_owned()),
        }
    }

    /// Something passed that nobody looks at.
    pub(super) fn miss(&self) {
        // A store that changes nothing would still take the line from every other core that reads it.
        if !self.missed.load(Ordering::Relaxed) {
            self.missed.store(true, Ordering::Release);
        }
    }

    /// Adds what was read under these labels. `gathered` are the task's.
    fn read(&self, reading: impl FnOnce(&Key) -> Reading, labels: &LabelSet, gathered: &LabelSet, bytes_max: usize) {
        let key = self.with(gathered, bytes_max, |window| window.key().clone());
        // Words are taken apart while nobody waits for the window.
        let reading = reading(&key);
        let mut open = self.window.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = open.as_mut() {
            window.read(reading, labels);
        }
    }

    /// Asks the window, opened where it is not yet. What passed unread counts as fallen out.
    fn with<T>(&self, gathered: &LabelSet, bytes_max: usize, ask: impl FnOnce(&Window) -> T) -> T {
        if !self.missed.load(Ordering::Acquire)
            && let Some(window) = self.window.read().unwrap_or_else(PoisonError::into_inner).as_ref()
        {
            return ask(window);
        }
        let mut open = self.window.write().unwrap_or_else(PoisonError::into_inner);
        let window = open.get_or_insert_with(|| {
            let mut window = Window::new(Key::default(), bytes_max);
            let given = std::mem::take(&mut *self.given.write().unwrap_or_else(PoisonError::into_inner));
            given.iter().for_each(|text| window.give(text));
            window
        });
        if self.missed.swap(false, Ordering::AcqRel) {
            window.lose(gathered);
        }
        ask(window)
    }
}

/// A long answer under way into the window of its task.
#[derive(Debug)]
pub(crate) struct Passing {
    message: Message,
    labels: LabelSet,
}

impl Passing {
    /// An answer, under the labels that its record has by now; nothing where no policy looks.
    pub(crate) fn new(head: &Head, entry: &OpenRecord, context: &Context, limits: &Limits) -> Option<Self> {
        if !is_looked_at(head) {
            head.task.seen().miss();
            return None;
        }
        let labels = entry.read(|record| record.labels.clone()).unwrap_or_default();
        let labels = repeated(head, &context.subject, labels, limits);
        let bytes_max = limits.origin_bytes_max;
        let key = head.task.seen().with(&head.task.labels(), bytes_max, |window| window.key().clone());
        // The message is one level deeper than its result.
        let depth_max = limits.depth_max.saturating_add(1);
        let message = Message::new(&key, kinds(context.subject.tool().map(AsRef::as_ref)), bytes_max, depth_max);
        Some(Self { message, labels })
    }

    /// Reads the next piece, before it is handed on.
    pub(crate) fn take(&mut self, head: &Head, piece: &[u8], limits: &Limits) {
        self.message.feed(piece);
        let reading = self.message.take();
        head.task.seen().read(|_| reading, &self.labels, &head.task.labels(), limits.origin_bytes_max);
    }

    /// The answer is over.
    pub(crate) fn finish(self, head: &Head, limits: &Limits) {
        let reading = self.message.finish();
        head.task.seen().read(|_| reading, &self.labels, &head.task.labels(), limits.origin_bytes_max);
    }
}

/// Reads a server's message, under the labels that its record has by now. A list of tools was reviewed, and what else is of the
/// lifecycle is no content.
pub(crate) fn read(head: &Head, entry: &OpenRecord, context: &Context, text: &str, limits: &Limits) {
    if context.subject.method() == "tools/list" || context.subject.is_lifecycle() {
        return;
    }
    if !is_looked_at(head) {
        return head.task.seen().miss();
    }
    let labels = entry.read(|record| record.labels.clone()).unwrap_or_default();
    read_result(head, &context.subject, labels, text, limits);
}

/// Reads a result of this call, under these labels and those of what its server was told.
pub(crate) fn read_result(head: &Head, subject: &Subject, labels: LabelSet, text: &str, limits: &Limits) {
    if !is_looked_at(head) {
        return head.task.seen().miss();
    }
    let labels = repeated(head, subject, labels, limits);
    read_under(head, &labels, subject.tool().map(AsRef::as_ref), text, limits);
}

/// These labels, and those of what the server was told and may repeat. A tool of a trusted server that says "nobody is called
/// so" says a name that untrusted text may have given in parts, or backwards: found whole there alone, it would seem to be the
/// server's own word. So what was not the user's keeps its labels, and where it was found nowhere it has the task's.
fn repeated(head: &Head, subject: &Subject, labels: LabelSet, limits: &Limits) -> LabelSet {
    let gathered = head.task.labels();
    if gathered.flows_to(&labels) {
        return labels;
    }
    let (tool, is_late) = match subject {
        Subject::Tool { tool, .. } => (Some(&**tool), false),
        Subject::Method { tool, .. } => (None, tool.is_some()),
    };
    // What a server says of itself, and the work that it was asked for earlier: nobody knows which call it is about.
    if is_late || head.direction == Direction::ToClient {
        return labels.join(&gathered);
    }
    let root = Field::root(kinds(tool));
    let parts = ["arguments", "argument", "uri"].into_iter();
    let parts = parts.filter_map(|name| Some((name, head.envelope.param_part(&head.text, name)?)));
    head.task.seen().with(&gathered, limits.origin_bytes_max, |window| {
        parts.fold(labels, |labels, (name, part)| match Json::of(part, limits.depth_max) {
            Ok(Json::Object(members)) => members.iter().fold(labels, |labels, (name, value)| {
                labels.join(&window.origin(&root.member(name), value, &gathered).unvouched)
            }),
            Ok(value) => labels.join(&window.origin(&root.member(name), &value, &gathered).unvouched),
            Err(_) => labels.join(&gathered),
        })
    })
}

/// Reads a server's message under these labels.
pub(crate) fn read_under(head: &Head, labels: &LabelSet, tool: Option<&Tool>, text: &str, limits: &Limits) {
    if !is_looked_at(head) {
        return head.task.seen().miss();
    }
    let read = |key: &Key| message(key, kinds(tool), text, limits);
    head.task.seen().read(read, labels, &head.task.labels(), limits.origin_bytes_max);
}

/// Reads the text of a server's that is for the model and stands outside any result.
pub(crate) fn read_words(head: &Head, labels: &LabelSet, words: &str, limits: &Limits) {
    let text = format!("{{\"result\":{{\"words\":{}}}}}", json::quoted(words));
    read_under(head, labels, None, &text, limits);
}

fn message(key: &Key, kinds: Arc<Kinds>, text: &str, limits: &Limits) -> Reading {
    Message::new(key, kinds, limits.origin_bytes_max, limits.depth_max.saturating_add(1)).whole(text)
}

fn kinds(tool: Option<&Tool>) -> Arc<Kinds> {
    tool.map(|tool| Arc::clone(&tool.kinds)).unwrap_or_default()
}

fn is_looked_at(head: &Head) -> bool {
    head.snapshot.policies().looks_at_origin()
}

/// Where a call's arguments came from, as far as its policies look.
#[derive(Debug, Default)]
struct Origins {
    /// By outermost argument.
    origin: BTreeMap<String, LabelSet>,
    /// The labels of the sinks that the user did not give.
    unvouched: LabelSet,
}

/// What the policies of this call look at, and no more, written into its facts.
pub(crate) fn found(head: &Head, server: &Server, subject: &Subject, facts: &mut Facts, limits: &Limits) {
    if let Subject::Tool { tool, .. } = subject {
        let looked = head.snapshot.policies().looks_at(server, tool);
        let found = of_looked(head, tool, looked, &facts.labels, limits);
        (facts.origin, facts.unvouched) = (found.origin, found.unvouched);
    }
}

/// The origin of every argument of a call, for the people who are asked about it; nothing where no policy of the snapshot looks
/// at any origin, since then nothing was kept.
pub(crate) fn all(head: &Head, subject: &Subject, limits: &Limits) -> Option<BTreeMap<String, LabelSet>> {
    match subject {
        Subject::Tool { tool, .. } if is_looked_at(head) => {
            let looked = Looked { origin: Members::All, ..Looked::default() };
            Some(of_looked(head, tool, &looked, &head.task.labels(), limits).origin)
        }
        Subject::Tool { .. } | Subject::Method { .. } => None,
    }
}

fn of_looked(head: &Head, tool: &Tool, looked: &Looked, gathered: &LabelSet, limits: &Limits) -> Origins {
    let mut found = Origins::default();
    // Where no reviewer said where the effect goes, and there is one, it may go anywhere.
    if looked.unvouched && tool.sinks.is_none() && !tool.is_harmless() {
        found.unvouched = gathered.clone().join(&ungiven());
    }
    let is_sink = |name: &str| looked.unvouched && tool.sinks.as_ref().is_some_and(|sinks| sinks.contains(name));
    let has_sinks = looked.unvouched && tool.sinks.as_ref().is_some_and(|sinks| !sinks.is_empty());
    if looked.origin.is_empty() && !has_sinks {
        return found;
    }
    // Arguments that cannot be read were refused when the call was classified.
    let Ok(Json::Object(arguments)) = head.envelope.arguments(&head.text) else { return found };
    head.task.seen().with(gathered, limits.origin_bytes_max, |window| {
        let root = Field::root(kinds(Some(tool)));
        for (name, value) in arguments.iter().filter(|(name, _)| looked.origin.has(name) || is_sink(name)) {
            let origin = window.origin(&root.member(name), value, gathered);
            if is_sink(name) {
                found.unvouched.raise(&origin.unvouched);
                if !origin.labels.contains(USER) && !says_nothing(value) {
                    found.unvouched.raise(&ungiven());
                }
            }
            // What was found nowhere is left out: that it is not there says so.
            if looked.origin.has(name) && !origin.labels.is_empty() {
                found.origin.insert(name.to_string(), origin.labels);
            }
        }
    });
    found
}

/// What a value that the user did not give is known by, also where nothing labelled was read.
fn ungiven() -> LabelSet {
    [UNGIVEN].into_iter().collect()
}

/// Whether a value names nothing: one that is left empty is no place the user did not give.
fn says_nothing(value: &Json<'_>) -> bool {
    match value {
        Json::Null => true,
        Json::Text(text) => text.is_empty(),
        Json::List(items) => items.iter().all(says_nothing),
        Json::Object(members) => members.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}
