//! The corpus as it is read: its messages, and each with an unknown member put into each of its objects.

use std::ops::Range;

use pdp::json;
pub(super) use pdp::json::member;
use pdp::method::{self, Feature};

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Notification,
    Answer,
}

/// One message of the corpus.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) way: Way,
    pub(super) modern: bool,
    /// Its method, or that of the request it answers.
    pub(super) of: String,
    pub(super) text: String,
    /// Its line, and for one that was changed the place where.
    place: String,
}

/// What is put into every object: its numbers are none that a parser keeps.
const UNKNOWN: &str = r#""x-unknown":{"n":9007199254740993,"f":1.0,"s":"\u00e9","o":[{}]}"#;

/// Every message as it stands in the file.
pub(super) fn base() -> Vec<Message> {
    let lines = include_str!("messages.tsv").lines().enumerate();
    let messages = lines.map(|(n, line)| {
        let mut columns = line.splitn(4, '\t');
        let mut column = || columns.next().unwrap_or_else(|| panic!("line {}: four columns", n + 1)).to_owned();
        let (way, era, of, text) = (column(), column(), column(), column());
        let way = match way.as_str() {
            ">" => Way::ToServer,
            "<" => Way::ToClient,
            other => panic!("line {}: no way is written {other:?}", n + 1),
        };
        assert!(["legacy", "modern"].contains(&era.as_str()), "line {}: no era is {era:?}", n + 1);
        Message { way, modern: era == "modern", of, text, place: format!("line {}", n + 1) }
    });
    messages.collect()
}

/// Every message of one way and era, as it stands and changed.
pub(super) fn all(way: Way, modern: bool) -> Vec<Message> {
    let chosen = base().into_iter().filter(|m| m.way == way && m.modern == modern);
    chosen.flat_map(|message| std::iter::once(message.clone()).chain(message.changed())).collect()
}

/// The text with the member of the outermost object replaced.
pub(super) fn with(text: &str, name: &str, value: &str) -> String {
    let raw = member(text, name).unwrap_or_else(|| panic!("no `{name}` in {text}"));
    json::replaced(text, json::place(text, raw).unwrap(), value)
}

impl Message {
    /// Where it stands, for people.
    pub(super) fn name(&self) -> String {
        format!("{} ({})", self.place, self.of)
    }

    /// Its id, as it is written.
    pub(super) fn id(&self) -> Option<&str> {
        member(&self.text, "id")
    }

    pub(super) fn params(&self) -> Option<&str> {
        member(&self.text, "params")
    }

    pub(super) fn kind(&self) -> Kind {
        match (member(&self.text, "method"), self.id()) {
            (None, _) => Kind::Answer,
            (Some(_), Some(_)) => Kind::Request,
            (Some(_), None) => Kind::Notification,
        }
    }

    /// Where the gate puts a label on its way to the client: each place as a path of names, the inner ones last.
    pub(super) fn labelled(&self) -> Vec<&'static [&'static str]> {
        let feature = method::find(&self.of).map(|m| m.feature);
        let object = |raw: Option<&str>| raw.is_some_and(|raw| raw.starts_with('{'));
        let inner = |outer: &str| object(member(&self.text, outer).and_then(|outer| member(outer, "result")));
        match self.kind() {
            Kind::Answer if feature == Some(Feature::Lifecycle) || !object(member(&self.text, "result")) => Vec::new(),
            Kind::Answer if feature == Some(Feature::Tasks) && inner("result") => {
                vec![&["result"], &["result", "result"]]
            }
            // An empty result says that something was done, and carries nothing to be labelled.
            Kind::Answer if member(&self.text, "result").is_some_and(|result| !result.contains('"')) => Vec::new(),
            Kind::Answer => vec![&["result"]],
            Kind::Notification if self.of == "notifications/tasks" && inner("params") => vec![&["params", "result"]],
            Kind::Notification | Kind::Request => Vec::new(),
        }
    }

    /// Whether the gate puts a trace context into it on its way to the server.
    pub(super) fn is_traced(&self) -> bool {
        let object = self.params().is_some_and(|params| params.starts_with('{'));
        self.kind() == Kind::Request && object && self.of != "initialize"
    }

    /// The message once for each of its objects, with an unknown member in that one. Tools of a listing get names of
    /// their own, since each definition is reviewed by itself.
    pub(super) fn changed(&self) -> Vec<Self> {
        let mut ends = Vec::new();
        objects(&self.text, 0, false, &mut ends);
        let listed = self.way == Way::ToClient && self.of == "tools/list";
        let changed = ends.iter().enumerate().map(|(n, at)| {
            let comma = if self.text[..*at].trim_end().ends_with('{') { "" } else { "," };
            let text = json::replaced(&self.text, *at..*at, &format!("{comma}{UNKNOWN}"));
            let line = self.place.replace("line ", "");
            let text = if listed { text.replace("corpus_", &format!("corpus_{line}_{n}_")) } else { text };
            Self { text, place: format!("{}, byte {at}", self.place), ..self.clone() }
        });
        changed.collect()
    }

    /// The definitions of a listing.
    pub(super) fn tools(&self) -> Vec<String> {
        let tools = member(&self.text, "result").and_then(|result| member(result, "tools"));
        let items = tools.map(|tools| json::items(tools).unwrap()).unwrap_or_default();
        items.into_iter().map(str::to_owned).collect()
    }
}

/// Where each object of a text ends, but for those whose every member is a request of its own (MRTR `inputRequests`).
fn objects(text: &str, at: usize, requests: bool, out: &mut Vec<usize>) {
    let inner = |part: &str| -> Range<usize> { json::place(text, part).unwrap() };
    if text.starts_with('{') {
        for (name, value) in json::members(text).unwrap() {
            objects(value, at + inner(value).start, name == "inputRequests", out);
        }
        if !requests {
            out.push(at + text.rfind('}').unwrap());
        }
    } else if text.starts_with('[') {
        for item in json::items(text).unwrap() {
            objects(item, at + inner(item).start, false, out);
        }
    }
}
