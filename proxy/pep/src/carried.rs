//! What a call brings: what is presumed of it from its dispatch on, and what its result turns out to carry.
//!
//! The registry's rules are read in `pdp::flow`; here they meet a call and its result. A call of which no rule speaks
//! brings what the registry says of its source, and nothing here is computed for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use pdp::decision::Obligation;
use pdp::flow::memory::Places;
use pdp::flow::rule::Said;
use pdp::flow::{Carried, ifc};
use pdp::json::{self, Kind, Layout, Part, Reading};
use pdp::label::LabelSet;
use pdp::record::{Declassified, Direction, FlowNote, FrameKind};
use pdp::refusal::{Code, Refusal};
use pdp::registry::{Server, Tool};

use crate::asides::Aside;
use crate::call::{Call, Head};
use crate::content::{Context, says_failed};
use crate::entry::OpenRecord;
use crate::job;
use crate::memories::Changing;
use crate::memory::Sight;
use crate::ports::Ports;
use crate::stages::s1_intake::Proposed;
use crate::stages::s2_classify::Subject;
use crate::task::Presumption;

/// What is known of what a call will bring, where the registry says more of it than labels.
#[derive(Debug)]
pub(crate) struct Expected {
    /// The most that its rules allow.
    pub(crate) presumed: Carried,
    /// What they say of its arguments, or of its name.
    said: Said,
    /// The entries of a memory that it is about.
    places: Option<Places>,
    /// Whether its result may carry less than is presumed.
    settles: bool,
    /// The question that it answers, where it is a client's answer.
    answers: Option<String>,
}

/// What is open of a call until its answer is there. Dropped before, the call is lost, if it was sent.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    presumption: Option<Presumption>,
    changing: Option<Changing>,
}

impl Pending {
    /// Whether the call was sent, as far as is known now. Of one that was not, nothing can come.
    pub(crate) fn acts(&self, acts: bool) {
        self.presumption.iter().for_each(|presumption| presumption.acts(acts));
        self.changing.iter().for_each(|changing| changing.acts(acts));
    }
}

/// A result as it is handed over.
pub(crate) struct Settled {
    /// What it carries.
    pub(crate) carried: Carried,
    /// The result without what must not be delivered; nothing where it stays.
    pub(crate) text: Option<String>,
}

impl Expected {
    /// What a call of a tool will bring. `arguments` is of a text whose places are all known.
    ///
    /// # Errors
    /// Where it cannot be told which entries of a memory the call is about.
    pub(crate) fn of_tool(
        server: &Server,
        tool: &Tool,
        arguments: Option<Part<'_>>,
    ) -> Result<Option<Arc<Self>>, Refusal> {
        let (flow, resources) = (&tool.flow, &server.flow.resources);
        if flow.rules.is_empty() && flow.memory.is_none() && resources.is_empty() && !server.flow.ifc {
            return Ok(None);
        }
        let said = flow.rules.of_arguments(arguments);
        // A result may hold any resource of its server.
        let presumed = flow.rules.presumed(&tool.carried(), &said).join(&resources.most().of(&Carried::default()));
        let places = flow.memory.as_ref().map(|memory| memory.places(arguments)).transpose();
        let places = places.map_err(|fault| {
            let words = format!("it cannot be told which entries of the memory this is about: {fault}");
            Refusal::new(Code::BadArguments, words)
        })?;
        let settles = flow.rules.read_results() || !resources.is_empty();
        Ok(Some(Arc::new(Self { presumed, said, places, settles, answers: None })))
    }

    /// What another method will bring whose source carries `base`.
    pub(crate) fn of_method(server: &Server, name: &str, target: &str, base: &Carried) -> Option<Arc<Self>> {
        let (resources, prompts) = (&server.flow.resources, &server.flow.prompts);
        let most = || resources.most().of(&Carried::default());
        let (presumed, said, settles) = match name {
            // The contents may be those of other resources than the one that was asked for.
            "resources/read" if !resources.is_empty() || server.flow.ifc => {
                (base.clone().join(&most()), resources.of_name(Some(target)), !resources.is_empty())
            }
            "prompts/get" if !prompts.is_empty() || !resources.is_empty() || server.flow.ifc => {
                let said = prompts.of_name(Some(target));
                (said.of(base).join(&most()), said, !resources.is_empty())
            }
            _ => return None,
        };
        Some(Arc::new(Self { presumed, said, places: None, settles, answers: None }))
    }

    /// What the later result of a tool will bring whose call began long-running work, or of a tool of which no call is
    /// known.
    pub(crate) fn of_work(server: &Server, tool: &Tool, begun: Option<Arc<Self>>) -> Option<Arc<Self>> {
        begun.or_else(|| {
            let said = tool.flow.rules.most();
            let presumed = said.of(&tool.carried()).join(&server.flow.resources.most().of(&Carried::default()));
            (!tool.flow.is_nothing())
                .then(|| Arc::new(Self { presumed, said, places: None, settles: false, answers: None }))
        })
    }
}

impl Expected {
    /// The entries of a memory that it is about.
    pub(crate) fn places(&self) -> Option<&Places> {
        self.places.as_ref()
    }

    /// A client's answer to a question of the server's.
    pub(crate) fn of_answer(server: &Server, question: &str) -> Arc<Self> {
        let (presumed, answers) = (server.carried(), Some(question.to_owned()));
        Arc::new(Self { presumed, said: Said::default(), places: None, settles: false, answers })
    }
}

/// Notes what the answers carry that a client gives to questions of its server's: what its user said is the user's; what
/// its model made may hold whatever the task has read.
pub(crate) fn note_sent(call: &mut Call<Proposed>, subject: &Subject, asides: &[Aside]) {
    let own = subject.expected().and_then(|expected| expected.answers.as_deref());
    let answers = asides.iter().filter(|aside| aside.is_answer()).map(Aside::method);
    let (head, entry) = call.head_and_entry();
    let mut sent = LabelSet::default();
    for method in own.into_iter().chain(answers) {
        match method {
            "elicitation/create" | "roots/list" => sent.raise(&["user"].into_iter().collect()),
            _ => sent.raise(&head.task.labels()),
        };
    }
    if !sent.is_empty() {
        entry.write(|record| record.flow.get_or_insert_with(|| Box::new(FlowNote::default())).sent = sent);
    }
}

/// Whether the answer must be read whole, so that it is labelled by what it holds.
pub(crate) fn reads_whole(server: &Server, subject: &Subject, obligations: &BTreeSet<Obligation>) -> bool {
    let expected = subject.expected().is_some_and(|expected| expected.settles || expected.places.is_some());
    expected || server.flow.ifc || declassifies(obligations)
}

fn declassifies(obligations: &BTreeSet<Obligation>) -> bool {
    obligations.iter().any(|duty| match duty {
        Obligation::Declassify { .. } => true,
        Obligation::Quote => false,
    })
}

/// What a call will bring counts from now on: another call of the task may be judged before the answer is in.
///
/// # Errors
/// When the call is about entries of a memory that do not exist for it, or cannot be kept account of.
pub(crate) async fn begin(
    head: &Head,
    entry: &mut OpenRecord,
    server: &Server,
    subject: &Subject,
    obligations: &BTreeSet<Obligation>,
    ports: &Ports,
) -> Result<Pending, Refusal> {
    if subject.is_lifecycle() {
        return Ok(Pending::default());
    }
    let Some(expected) = subject.expected() else {
        if declassifies(obligations) && head.direction == Direction::ToServer {
            return Ok(Pending { presumption: Some(Presumption::of(&head.task, &subject.presumed())), changing: None });
        }
        gather(head, subject);
        return Ok(Pending::default());
    };
    // What is asked about long-running work begins no change anew.
    let begins = matches!(subject, Subject::Tool { .. });
    let sight = sight(head, ports, server, subject, expected).filter(|_| begins);
    let (entries, changing) = match &sight {
        Some(sight) => sight.begin(entry).await?,
        None => (Carried::default(), None),
    };
    let presumed = subject.presumed().join(&entries);
    let waits = expected.settles || sight.is_some() || declassifies(obligations);
    if waits && head.direction == Direction::ToServer {
        return Ok(Pending { presumption: Some(Presumption::of(&head.task, &presumed)), changing });
    }
    head.task.gather(&presumed);
    Ok(Pending { presumption: None, changing })
}

/// Raises the task by what a call is presumed to bring, unless that is still presumed of it.
pub(crate) fn raise(head: &Head, context: &Context) {
    if !context.subject.is_lifecycle() && context.pending.presumption.is_none() {
        gather(head, &context.subject);
    }
}

fn gather(head: &Head, subject: &Subject) {
    if subject.readers().is_everyone() {
        head.task.raise(subject.labels());
    } else {
        head.task.gather(&subject.presumed());
    }
}

/// The server says that the call failed: what it was about to change may stand as it was, or not.
pub(crate) fn failed(context: &Context) {
    if let Some(changing) = &context.pending.changing {
        changing.failed();
    }
}

/// What a result carries, and what of it is handed over. The task has it before this returns. `beyond` is what it carries
/// for reasons of its own.
///
/// # Errors
/// When it must be withheld.
pub(crate) fn settle(
    head: &Head,
    entry: &mut OpenRecord,
    context: &Context,
    ports: &Ports,
    result: Part<'_>,
    beyond: &LabelSet,
) -> Result<Settled, Refusal> {
    let (subject, server) = (&context.subject, &context.server);
    if !reads_whole(server, subject, &context.obligations) {
        let carried = subject.presumed().join(&Carried::labelled(beyond.clone()));
        if !beyond.is_empty() {
            head.task.raise(beyond);
        }
        return Ok(Settled { carried, text: None });
    }
    let text = result.text();
    let layout = Layout::read(text, Reading::whole(usize::MAX))
        .map_err(|fault| Refusal::new(Code::AnswerLost, format!("the server's answer cannot be labelled: {fault}")))?;
    let whole = layout.root(text);
    let result = within(subject, whole);
    let is_error = says_failed(result);
    let mut carried = match subject.expected() {
        Some(expected) if !is_error => of_result(server, subject, expected, result),
        Some(_) | None => subject.presumed(),
    };
    carried.labels.raise(beyond);
    if server.flow.ifc {
        carried.raise(&ifc::claimed(result));
    }
    let mut handed = None;
    if let Some(sight) = subject.expected().and_then(|expected| sight(head, ports, server, subject, expected)) {
        let delivered = sight.deliver(entry, result)?;
        carried.raise(&delivered.carried);
        handed = delivered.text.map(|text| json::replaced(whole.text(), result.range(), &text));
    }
    // What is still under way has changed nothing for certain.
    if let (Some(changing), None) = (&context.pending.changing, job::begun_by(result)) {
        if is_error { changing.failed() } else { changing.done() }
    }
    if !is_error {
        carried.labels = declassified(entry, &context.obligations, carried.labels);
    }
    match &context.pending.presumption {
        Some(presumption) => presumption.settle(&carried),
        None => {
            head.task.gather(&carried);
        }
    }
    Ok(Settled { carried, text: handed })
}

/// The result itself: the answer of a task's own methods may hold it.
fn within<'p>(subject: &Subject, result: Part<'p>) -> Part<'p> {
    let inner = result.get("result").filter(|inner| inner.kind() == Kind::Object);
    inner.filter(|_| subject.brings_work()).unwrap_or(result)
}

fn of_result(server: &Server, subject: &Subject, expected: &Expected, result: Part<'_>) -> Carried {
    let resources = &server.flow.resources;
    let embedded = |lists: &[&str]| {
        let uris =
            lists.iter().filter_map(|list| result.get(list)).flat_map(Part::items).flat_map(blocks).filter_map(uri);
        uris.fold(Carried::default(), |sum, uri| sum.join(&resources.of_name(uri.as_deref()).of(&Carried::default())))
    };
    match subject {
        Subject::Tool { tool, .. } | Subject::Method { tool: Some(tool), .. } => {
            let said = tool.flow.rules.of_result(result).and(&expected.said);
            said.of(&tool.carried()).join(&embedded(&["content"]))
        }
        Subject::Method { name, labels, readers, .. } => {
            let base = Carried { labels: labels.clone(), readers: readers.clone() };
            if name != "resources/read" {
                return expected.said.of(&base).join(&embedded(&["messages"]));
            }
            let contents =
                result.get("contents").map(|list| list.items().map(|item| item.get("uri")).collect::<Vec<_>>());
            let each = contents.filter(|all| !all.is_empty()).unwrap_or_else(|| vec![None]);
            each.into_iter().fold(expected.said.of(&base), |sum, uri| {
                let uri = uri.and_then(Part::string);
                sum.join(&resources.of_name(uri.as_deref()).of(&base))
            })
        }
    }
}

/// The blocks of content: an item itself, or what a prompt's message holds, which is one or several.
fn blocks(item: Part<'_>) -> Vec<Part<'_>> {
    match item.get("content") {
        Some(list) if list.kind() == Kind::List => list.items().collect(),
        Some(one) => vec![one],
        None => vec![item],
    }
}

/// The URI of a resource that stands in a block of content, or is linked there: nothing where none does, nothing within
/// where it cannot be read.
fn uri(content: Part<'_>) -> Option<Option<String>> {
    let kind = content.get("type").and_then(Part::string);
    let uri = match kind.as_deref() {
        Some("resource") => content.get("resource").and_then(|inner| inner.get("uri")),
        Some("resource_link") => content.get("uri"),
        Some(_) | None => return None,
    };
    Some(uri.and_then(Part::string).map(|uri| uri.into_owned()))
}

fn sight<'a>(
    head: &'a Head,
    ports: &'a Ports,
    server: &'a Server,
    subject: &'a Subject,
    expected: &'a Expected,
) -> Option<Sight<'a>> {
    let memory = subject.tool()?.flow.memory.as_ref()?;
    Some(Sight::new(head, ports, server, memory, expected.places.as_ref()?))
}

/// Whether a message about work that the gate does not know may bring a memory's entries: nobody can tell whose they are.
pub(crate) fn may_bring_entries(head: &Head, server: &Server, target: &str) -> bool {
    let brings = match (head.direction, head.kind) {
        (Direction::ToServer, FrameKind::Request) => !target.is_empty(),
        // A server tells of its own work so; what it asks its client for is the client's.
        (Direction::ToClient, kind) => kind == FrameKind::Notification,
        (Direction::ToServer, _) => false,
    };
    brings && server.tools.values().any(|tool| tool.flow.memory.is_some())
}

/// The labels without those that policies take off this result, each of which is recorded.
fn declassified(entry: &mut OpenRecord, obligations: &BTreeSet<Obligation>, labels: LabelSet) -> LabelSet {
    let mut off: BTreeSet<&str> = BTreeSet::new();
    for duty in obligations {
        let Obligation::Declassify { by, label } = duty else { continue };
        if labels.contains(label) {
            off.insert(label);
            entry.write(|record| {
                let grants = record.decision.as_ref().map(|note| note.grants.clone()).unwrap_or_default();
                let note = record.flow.get_or_insert_with(|| Box::new(FlowNote::default()));
                note.declassified.push(Declassified { by: by.clone(), grants, label: label.clone() });
            });
        }
    }
    if off.is_empty() {
        return labels;
    }
    labels.iter().map(|label| label.as_str()).filter(|label| !off.contains(label)).collect()
}
