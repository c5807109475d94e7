//! What a server says on its way to be read: without what speaks in the gate's name, quoted where that is asked, labelled.
//!
//! Only what becomes of the text. Who may read it, and what else the answer means, is the outcome stage's work.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use pdp::decision::Obligation;
use pdp::digest::Digest;
use pdp::flow::Carried;
use pdp::json::{self, Kind, Part};
use pdp::record::{FlowNote, ResultNote};
use pdp::registry::Server;

use crate::call::Head;
use crate::carried::Pending;
use crate::entry::OpenRecord;
use crate::envelope::{Envelope, member};
use crate::ports::Ports;
use crate::rewrite::dress::{Dress, Quotation};
use crate::rewrite::label::{ResultLabel, Source};
use crate::rewrite::{forged, label as tag};
use crate::stages::s2_classify::Subject;
use crate::trace::hex_id;
use crate::{effect, validation};

/// What labelling an answer needs to know of the call it answers. Kept by the channel where the client may come back for
/// an answer that its stream did not bring.
pub(crate) struct Context {
    pub(crate) server: Arc<Server>,
    pub(crate) subject: Subject,
    pub(crate) obligations: BTreeSet<Obligation>,
    pub(crate) session: Option<String>,
    pub(crate) pending: Pending,
    /// What its result is held against, where that is read whole: the call itself may be gone when a late answer comes.
    pub(crate) given: Option<Given>,
}

/// What is kept of a tool's call for its result, where that is held against something.
pub(crate) struct Given {
    /// The arguments, as JSON text.
    pub(crate) arguments: Box<str>,
    /// Which call it is; nothing where that could not be made out.
    pub(crate) call: Option<Digest>,
}

impl Given {
    /// What is kept of this call.
    pub(crate) fn of(head: &Head, entry: &OpenRecord, subject: &Subject) -> Option<Self> {
        let is_held = matches!(subject, Subject::Tool { .. }) && validation::reads_whole(subject);
        let call = || entry.read(effect::call_of).flatten();
        is_held.then(|| Self { arguments: subject.arguments_text(head).into(), call: call() })
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} {})", self.server.name, self.subject.method())
    }
}

/// A result that carries content: cleaned, quoted where that is asked, labelled with what it carries.
pub(crate) fn content(
    entry: &mut OpenRecord,
    context: &Context,
    carried: &Carried,
    ports: &Ports,
    text: &str,
    envelope: &Envelope,
) -> String {
    let depth_max = ports.limits.depth_max;
    let forged = if envelope.names_us() { forged::without(text, depth_max.saturating_add(1)) } else { None };
    if let Some(clean) = forged
        && let Ok(envelope) = Envelope::read_answer(&clean, depth_max)
    {
        entry.note("the server forged a label; it was taken out");
        return labelled(entry, context, carried, ports, &clean, &envelope);
    }
    labelled(entry, context, carried, ports, text, envelope)
}

/// The label of what this call returns, as JSON, noted in the record; nothing for lifecycle answers, which carry none.
pub(crate) fn label_of(entry: &mut OpenRecord, context: &Context, carried: &Carried) -> Option<String> {
    let resource = match &context.subject {
        subject if subject.is_lifecycle() => return None,
        Subject::Tool { .. } => None,
        Subject::Method { target, .. } => Some(target.as_str()).filter(|target| !target.is_empty()),
    };
    let Carried { labels, readers } = carried;
    let tool = context.subject.tool().map(|tool| tool.name.as_str());
    let source = Source { server: &context.server.name, tool, resource };
    let trust = tag::trust(labels);
    let written = entry.read(|record| {
        let (trace, record) = (record.trace.as_str(), record.number);
        serde_json::to_string(&ResultLabel { source, trust, labels, readers, trace, record }).ok()
    });
    note_carried(entry, carried.clone());
    written.flatten()
}

/// Notes what an answer carries.
pub(crate) fn note_carried(entry: &mut OpenRecord, carried: Carried) {
    entry.write(|record| {
        record.labels = carried.labels;
        if !carried.readers.is_everyone() {
            record.flow.get_or_insert_with(|| Box::new(FlowNote::default())).readers = carried.readers;
        }
    });
}

/// A clean result, quoted where that is asked, with its label.
fn labelled(
    entry: &mut OpenRecord,
    context: &Context,
    carried: &Carried,
    ports: &Ports,
    text: &str,
    envelope: &Envelope,
) -> String {
    let Some(label) = label_of(entry, context, carried) else { return text.to_owned() };
    let Some(result) = envelope.part(text, "result") else { return text.to_owned() };
    // A result without members says "done" and carries nothing that could be labelled (MCP, `EmptyResult`).
    if result.kind() == Kind::Object && result.is_empty() {
        return text.to_owned();
    }
    let nested = context.subject.brings_work();
    if !nested && !context.subject.is_quoted(&context.obligations) {
        return tag::put(result, &label).map_or_else(|| text.to_owned(), |edit| edit.of(text));
    }
    let dressed = dressed(entry, context, ports, &label, result.text(), nested);
    dressed.map_or_else(|| text.to_owned(), |whole| json::replaced(text, result.range(), &whole))
}

/// Dresses content of this call, and notes what could not be quoted. `nested` says that a result may stand within.
fn dressed(
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    label: &str,
    result: &str,
    nested: bool,
) -> Option<String> {
    let (name, tool) = (&context.server.name, context.subject.tool().map(AsRef::as_ref));
    let source = tool.map_or_else(|| name.clone(), |tool| format!("{name}/{}", tool.name));
    let quote = context.subject.is_quoted(&context.obligations);
    let word = if quote { hex_id(&ports.entropy.bytes()) } else { String::new() };
    let quotation = quote.then_some(Quotation { source: &source, word: &word, tool });
    let dress = Dress { label, quotation };
    let dressed = if nested { dress.put(result) } else { dress.one(result) };
    if dressed.plain {
        entry.note("structured content was handed over plain: quoted, it would not fit the tool's output schema");
    }
    dressed.text
}

/// A finished task's notification brings its result whole: it is dressed as that. Nothing where it brings none.
pub(crate) fn finished(
    entry: &mut OpenRecord,
    context: &Context,
    carried: &Carried,
    ports: &Ports,
    text: &str,
) -> Option<String> {
    let result = member(member(text, "params")?, "result").filter(|result| result.starts_with('{'))?;
    let at = json::place(text, result)?;
    let label = label_of(entry, context, carried)?;
    Some(json::replaced(text, at, &dressed(entry, context, ports, &label, result, false)?))
}

/// Whether a tool's result says that the call failed.
pub(crate) fn says_failed(result: Part<'_>) -> bool {
    result.get("isError").is_some_and(|flag| flag.text() == "true")
}

/// What an answer was, without its content.
pub(crate) fn result_note(text: &str, envelope: &Envelope) -> ResultNote {
    let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    let inside = |part: &str, name: &str| envelope.part(text, part).and_then(|part| part.get(name));
    let is_error = envelope.part(text, "result").is_some_and(says_failed);
    let error_code = inside("error", "code").and_then(|c| c.text().parse().ok());
    let message = inside("error", "message").and_then(|m| m.string());
    ResultNote { is_error, error_code, error_message: message.map(|m| m.chars().take(200).collect()), bytes }
}

/// A message without members that speak in the gate's name.
pub(crate) fn cleaned(text: &str, envelope: &Envelope, ports: &Ports) -> String {
    let forged =
        if envelope.names_us() { forged::without(text, ports.limits.depth_max.saturating_add(1)) } else { None };
    forged.unwrap_or_else(|| text.to_owned())
}
