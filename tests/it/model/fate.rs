//! What becomes of a message: the model. Small, slow, and read from the documents, not from the pipeline.
//!
//! It tells the fate in the lines the fixture's journal has, so that the two can be laid side by side: what was asked of
//! people, what was written down before, what servers were sent, each record with its stages and ending, what the client
//! was told. What a server's answer leads to stands in `answer.rs`.

use std::collections::{BTreeMap, BTreeSet};

use pdp::refusal::Code;

use super::condition::{Asked, Facts};
use super::frame::{Frame, Kind, NO_ARGUMENTS};
use super::law::{Labels, Law, Live, Misfit, Server, Tool};
use super::methods;
use super::record::{Record, words};
use super::rules::{self, Judgement, Verdict};
use super::step::{Act, Along, Approver, MALFORMED, Mood, Named, PEOPLE, Says, Step, UNREADABLE, Weather, What};

/// How old a listing may be, in seconds.
const LISTING_AGE_S: i64 = 300;
/// How long a rolling task may be idle, in seconds.
const TASK_IDLE_S: i64 = 3_600;

/// How long a result is kept that is withheld.
const WITHHELD_S: i64 = 3600;

/// A task.
#[derive(Debug, Clone, Default)]
pub(super) struct Task {
    pub(super) labels: Labels,
    pub(super) calls: i64,
    last_s: i64,
    /// The calls whose result is withheld, and since when: they are not made again.
    pub(super) withheld: BTreeMap<String, i64>,
}

/// What is known of one caller at one server.
#[derive(Debug, Clone, Default)]
pub(super) struct Channel {
    pub(super) listed: Option<(i64, BTreeMap<&'static str, Live>)>,
    pub(super) asked: BTreeSet<u8>,
}

/// What a message asks for, once it is known.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    pub(super) server: &'a Server,
    pub(super) tool: Option<&'a Tool>,
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) labels: Labels,
    pub(super) quoted: bool,
}

/// How a message fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fared {
    pub(super) told: String,
    pub(super) refused: Option<Code>,
}

/// The state between messages, and what has happened in this step.
pub(super) struct Model<'l> {
    pub(super) law: &'l Law,
    pub(super) tasks: BTreeMap<String, Task>,
    pub(super) channels: BTreeMap<(String, &'static str), Channel>,
    pub(super) live: BTreeMap<(&'static str, &'static str), Live>,
    pub(super) now_s: i64,
    pub(super) lines: Vec<String>,
    decisions: Vec<String>,
    pub(super) weather: Weather,
    looks: u64,
    commits: u64,
}

impl Subject<'_> {
    /// Whether it is of the lifecycle, whose answers carry no labels.
    pub(super) fn is_lifecycle(&self) -> bool {
        self.tool.is_none() && methods::find(self.method).is_some_and(|method| method.group == "lifecycle")
    }

    fn is_harmless(&self) -> bool {
        match self.tool {
            Some(tool) => tool.is_harmless(),
            None => methods::find(self.method).is_some() && !matches!(self.method, "tasks/cancel" | "tasks/update"),
        }
    }

    fn name(&self) -> &str {
        self.tool.map_or(self.method, |tool| tool.name)
    }
}

impl<'l> Model<'l> {
    pub(super) fn new(law: &'l Law, weather: Weather) -> Self {
        Self {
            law,
            tasks: BTreeMap::new(),
            channels: BTreeMap::new(),
            live: BTreeMap::new(),
            now_s: 0,
            lines: Vec::new(),
            decisions: Vec::new(),
            weather,
            looks: 0,
            commits: 0,
        }
    }

    /// What becomes of one step, line by line.
    pub(super) fn step(&mut self, step: &'l Step) -> Vec<String> {
        self.weather = step.weather.clone();
        (self.looks, self.commits) = (0, 0);
        self.now_s += step.weather.later_s;
        if let Some((server, tool, live)) = step.weather.change {
            self.live.insert((server, tool), live);
        }
        let told = self.arrive(step);
        self.lines.append(&mut self.decisions);
        self.lines.push(format!("told: {told}"));
        let labelled = self.tasks.values().filter(|task| !task.labels.is_empty());
        let mut tasks: Vec<String> = labelled.map(|task| words(&task.labels)).collect();
        tasks.sort();
        self.lines.push(format!("tasks: {}", tasks.join(" | ")));
        std::mem::take(&mut self.lines)
    }

    /// A frame before it is read: the ledger first, then who sends it, then whether it is a message.
    fn arrive(&mut self, step: &'l Step) -> String {
        let person = PEOPLE.iter().find(|person| person.name == step.caller);
        let unread = match (&step.what, person) {
            _ if step.weather.ledger == Mood::Ill => Some(Code::LedgerUnavailable),
            (_, None) => Some(Code::Unauthenticated),
            (What::Malformed(at), _) => Some(MALFORMED[*at].1),
            (What::Unreadable(at), _) => Some(UNREADABLE[*at]),
            (What::Call(..) | What::Method(..) | What::Answer(_) | What::Open | What::Close, Some(_)) => None,
        };
        let (Some(person), None) = (person, unread) else {
            let code = unread.unwrap_or(Code::Unauthenticated);
            let mut record = Record { head: format!(">? {}", step.server), ..Record::default() };
            let code = self.close(&mut record, "refused", Some(code)).err().unwrap_or(code);
            return format!("{} error {}", code.http_status(), code.name());
        };
        let frame = Frame::of(step, person);
        if step.session {
            let mut record = frame.record();
            let code = Code::SessionUnknown;
            let code = self.close(&mut record, "refused", Some(code)).err().unwrap_or(code);
            return frame.refusal(code);
        }
        self.enter(&frame);
        self.pass(&frame, true).told
    }

    /// The frame finds its task, or opens it.
    fn enter(&mut self, frame: &Frame<'l>) {
        let rolling = frame.task.starts_with("rolling");
        let now_s = self.now_s;
        let task = self.tasks.entry(frame.task.clone()).or_default();
        if rolling && now_s - task.last_s > TASK_IDLE_S {
            *task = Task::default();
        }
        task.last_s = now_s;
    }

    /// All nine stages. `watched` says that a client reads what comes back.
    pub(super) fn pass(&mut self, frame: &Frame<'l>, watched: bool) -> Fared {
        let mut record = frame.record();
        let fared = match self.stages(frame, &mut record, watched) {
            Ok(fared) => return fared,
            Err(code) => code,
        };
        let unknown = matches!(fared, Code::AnswerLost | Code::TimedOut | Code::Quarantined);
        let withheld = matches!(fared, Code::Denied | Code::ApprovalUnavailable | Code::BrokenFrame);
        let ending = if record.acted && (unknown || withheld) && record.sent {
            "indeterminate"
        } else if unknown
            || fared == Code::Unreachable
            || (record.sent && (withheld || fared == Code::CredentialUnavailable))
        {
            "failed"
        } else {
            "refused"
        };
        let code = self.close(&mut record, ending, Some(fared)).err().unwrap_or(fared);
        Fared { told: frame.refusal(code), refused: Some(code) }
    }

    fn stages(&mut self, frame: &Frame<'l>, record: &mut Record, watched: bool) -> Result<Fared, Code> {
        if frame.headers_disagree() {
            return Err(Code::HeaderMismatch);
        }
        if self.weather.full && frame.kind == Kind::Request && !frame.outward {
            return Err(Code::Busy);
        }
        record.stages.push("intake");
        let subject = self.classify(frame, record)?;
        record.stages.push("classify");
        let (calls, labels) = (self.tasks[&frame.task].calls, self.tasks[&frame.task].labels.clone());
        let first = self.judge(frame, &subject, &labels, calls, &BTreeSet::new());
        record.note(frame, &first, &labels, &BTreeSet::new());
        if matches!(first.verdict, Verdict::Deny(_)) {
            return Err(Code::Denied);
        }
        record.stages.push("policy");
        if self.is_halted() {
            return Err(Code::Halted);
        }
        if subject.acting(frame).is_some_and(|call| self.is_withheld(frame, &call)) {
            return Err(Code::Repeated);
        }
        record.stages.push("guardrail");
        let quoted = match first.verdict {
            Verdict::Allow { quoted } => quoted,
            Verdict::Escalate(grants) => self.escalate(frame, record, &subject, calls, &grants)?,
            Verdict::Deny(_) => return Err(Code::Denied),
        };
        record.stages.push("approval");
        if self.weather.vault_empty && subject.server.credential && !frame.outward {
            return Err(Code::CredentialUnavailable);
        }
        record.stages.push("credential");
        if self.is_halted() {
            return Err(Code::Halted);
        }
        self.raise_at_dispatch(frame, &subject);
        if frame.outward {
            return self.deliver(frame, record, &subject, watched);
        }
        let act = self.send(frame, record, &subject)?;
        record.stages.push("action");
        let subject = Subject { quoted: subject.quoted || quoted, ..subject };
        self.outcome(frame, record, &subject, act, watched)
    }

    /// What is asked for, and whether it exists.
    fn classify(&mut self, frame: &Frame<'l>, record: &mut Record) -> Result<Subject<'l>, Code> {
        let server = self.law.server(frame.server).ok_or(Code::UnknownServer)?;
        let asks_tool = frame.method == "tools/call" && frame.kind == Kind::Request && !frame.outward;
        let subject = match frame.kind {
            Kind::Response if frame.outward => return Err(Code::BrokenFrame),
            Kind::Response => {
                if !self.channel(frame).asked.remove(&frame.id) {
                    return Err(Code::NotJsonRpc);
                }
                Subject::plain(server, "response", "")
            }
            Kind::Request | Kind::Notification | Kind::Stream | Kind::End if asks_tool => {
                let name = frame.name()?.ok_or(Code::BadParameters)?;
                let tool = server.tool(name).filter(|tool| tool.reviewed).ok_or(Code::UnknownTool)?;
                let (labels, quoted) = (tool.labels(server), tool.is_quoted(server));
                Subject { server, tool: Some(tool), method: "tools/call", target: "", labels, quoted }
            }
            Kind::Request | Kind::Notification | Kind::Stream | Kind::End => self.method(frame, server)?,
        };
        for (method, _) in frame.asides()? {
            if !is_open(server, method) {
                return Err(Code::BadParameters);
            }
        }
        record.target = subject.tool.map_or(subject.target, |tool| tool.name).to_owned();
        if let Some(tool) = subject.tool {
            if !frame.arguments.fit(tool.form) {
                return Err(Code::BadArguments);
            }
            self.is_as_reviewed(frame, tool, LISTING_AGE_S)?;
        }
        Ok(subject)
    }

    fn method(&mut self, frame: &Frame<'l>, server: &'l Server) -> Result<Subject<'l>, Code> {
        let by_post = matches!(frame.kind, Kind::Request | Kind::Notification);
        let is_verb = matches!(frame.method, "stream" | "session/end");
        if !is_open(server, frame.method) || frame.method == "response" || (is_verb && by_post) {
            return Err(Code::MethodClosed);
        }
        if frame.method == "session/end" || (frame.method == "stream" && server.child) {
            return Err(Code::SessionMissing);
        }
        let known = methods::find(frame.method);
        let target = match known.and_then(|method| method.target) {
            Some(_) => frame.name()?.unwrap_or_default(),
            None => "",
        };
        let mut subject = Subject::plain(server, frame.method, target);
        if known.is_some_and(|method| method.group == "tasks") {
            // Whose work it is nobody knows here: any tool's of the server.
            for tool in server.tools.iter().filter(|tool| tool.reviewed) {
                subject.labels.extend(tool.labels(server));
                subject.quoted |= tool.is_quoted(server);
                // And it was held against no schema.
                if matches!(tool.output, Some(Misfit::Refused | Misfit::Labelled)) {
                    subject.labels.insert("unvalidated");
                }
            }
        }
        Ok(subject)
    }

    /// The live definition is the reviewed one; where no listing of at most this age is known, the gate lists.
    fn is_as_reviewed(&mut self, frame: &Frame<'l>, tool: &Tool, age_s: i64) -> Result<(), Code> {
        let now_s = self.now_s;
        let fresh = |channel: &Channel| channel.listed.clone().filter(|(at, _)| now_s - at <= age_s);
        if fresh(self.channel(frame)).is_none() {
            if self.is_halted() {
                return Err(Code::Halted);
            }
            let listing = Frame {
                method: "tools/list",
                named: Named::Nothing,
                along: Along::Nothing,
                arguments: &NO_ARGUMENTS,
                ..frame.clone()
            };
            self.pass(&listing, false);
        }
        let (_, listed) = fresh(self.channel(frame)).ok_or(Code::DefinitionUnknown)?;
        match listed.get(tool.name) {
            Some(Live::Same) => Ok(()),
            Some(Live::Changed | Live::Gone | Live::Twice) | None => Err(Code::DefinitionChanged),
        }
    }

    /// Judges a message with all that rides along in it.
    fn judge(
        &self,
        frame: &Frame<'l>,
        subject: &Subject<'l>,
        labels: &Labels,
        calls: i64,
        held: &BTreeSet<&'static str>,
    ) -> Judgement {
        let own = match subject.tool {
            Some(tool) => Asked::Tool(tool, frame.arguments),
            None => Asked::Method(subject.method, subject.target),
        };
        let asides = frame.asides().unwrap_or_default();
        let asked = asides.iter().map(|(method, target)| Asked::Method(method, target));
        let judge = |asked| {
            let (person, server, now_s) = (frame.person, subject.server, self.now_s);
            rules::judge(&self.law.rules, &Facts { person, server, asked, labels, calls, now_s }, held)
        };
        asked.fold(judge(own), |whole, aside| whole.and(judge(aside)))
    }

    /// Judges what a server's answer asks of the client, by what is known now.
    pub(super) fn judge_question(&self, frame: &Frame<'l>, server: &'l Server, method: &str, target: &str) -> Verdict {
        let task = &self.tasks[&frame.task];
        let (asked, labels, calls) = (Asked::Method(method, target), &task.labels, task.calls);
        let facts = Facts { person: frame.person, server, asked, labels, calls, now_s: self.now_s };
        rules::judge(&self.law.rules, &facts, &BTreeSet::new()).verdict
    }

    /// Asks people; what they grant is judged again, with what the task has read by now.
    fn escalate(
        &mut self,
        frame: &Frame<'l>,
        record: &mut Record,
        subject: &Subject<'l>,
        calls: i64,
        grants: &BTreeSet<&'static str>,
    ) -> Result<bool, Code> {
        let asked: Vec<&str> = grants.iter().copied().collect();
        self.lines.push(format!("asked for {}: {} {}", asked.join(" and "), frame.server, subject.name()));
        let held = match &self.weather.approver {
            Approver::Nobody => return Err(Code::ApprovalUnavailable),
            Approver::Refuses => return Err(Code::Denied),
            Approver::Grants(held) => held.iter().copied().collect(),
        };
        // While people thought the server may have changed.
        if let Some(tool) = subject.tool {
            self.is_as_reviewed(frame, tool, 0)?;
        }
        let labels = self.tasks[&frame.task].labels.clone();
        let second = self.judge(frame, subject, &labels, calls, &held);
        record.note(frame, &second, &labels, &held);
        match second.verdict {
            Verdict::Allow { quoted } => Ok(quoted),
            Verdict::Escalate(_) | Verdict::Deny(_) => Err(Code::Denied),
        }
    }

    fn is_halted(&mut self) -> bool {
        self.looks += 1;
        self.weather.halted.is_some_and(|from| self.looks >= from)
    }

    fn raise_at_dispatch(&mut self, frame: &Frame<'l>, subject: &Subject<'l>) {
        let task = self.tasks.entry(frame.task.clone()).or_default();
        if subject.tool.is_some() {
            task.calls += 1;
        }
        if !subject.is_lifecycle() {
            task.labels.extend(&subject.labels);
        }
    }

    /// The intent, and then one attempt.
    fn send(&mut self, frame: &Frame<'l>, record: &mut Record, subject: &Subject<'l>) -> Result<Act, Code> {
        let method = if frame.kind == Kind::Response { "response" } else { frame.method };
        if !subject.is_harmless() {
            let target = if record.target.is_empty() { String::new() } else { format!(" {}", record.target) };
            let line = format!("intent: {method} {}{target}", frame.server);
            if !self.commit(line) {
                return Err(Code::LedgerUnavailable);
            }
            record.acted = true;
            if self.is_halted() {
                return Err(Code::Halted);
            }
        }
        let word = match (subject.tool, frame.kind) {
            (Some(tool), _) => format!("tools/call {}", tool.name),
            (None, Kind::Response) => "answer".to_owned(),
            (None, Kind::Request | Kind::Notification | Kind::Stream | Kind::End) => method.to_owned(),
        };
        self.lines.push(format!("sent to {}: {word}", frame.server));
        record.sent = true;
        let usual = || Act::Answers(Says::Tools(false));
        let act = if frame.method == "tools/list" {
            self.weather.listing.take().unwrap_or_else(usual)
        } else {
            self.weather.act.clone()
        };
        match act {
            Act::Unreachable => Err(Code::Unreachable),
            Act::Loses => Err(Code::AnswerLost),
            Act::ForgetsSession => Err(Code::SessionUnknown),
            Act::NeedsSession => Err(Code::SessionMissing),
            Act::Busy => Err(Code::Busy),
            Act::Hangs => Err(Code::TimedOut),
            Act::Answers(_) | Act::Status(_) | Act::Html | Act::Notifies | Act::Doubles | Act::Streams(_) => Ok(act),
        }
    }

    fn is_withheld(&self, frame: &Frame<'l>, call: &str) -> bool {
        self.tasks[&frame.task].withheld.get(call).is_some_and(|at| self.now_s - at <= WITHHELD_S)
    }

    pub(super) fn channel(&mut self, frame: &Frame<'l>) -> &mut Channel {
        self.channels.entry((frame.server.to_owned(), frame.person.name)).or_default()
    }

    /// An entry that the disk is waited for; false where it was not taken.
    fn commit(&mut self, line: String) -> bool {
        self.commits += 1;
        let taken = self.weather.ledger != Mood::RefusesCommit(self.commits);
        self.lines.push(if taken { line } else { format!("not taken: {line}") });
        taken
    }

    /// Closes a record. What could not be written is not told: its client hears of that instead.
    pub(super) fn close(&mut self, record: &mut Record, ending: &str, code: Option<Code>) -> Result<(), Code> {
        record.stages.push("audit");
        let line = record.line(ending, code);
        let taken = if record.acted {
            self.commit(line)
        } else {
            let taken = self.weather.ledger != Mood::RefusesAppends;
            self.lines.push(if taken { line } else { format!("not taken: {line}") });
            taken
        };
        if taken {
            self.decisions.extend(record.decision.take());
            return Ok(());
        }
        Err(if record.acted { Code::AnswerLost } else { Code::LedgerUnavailable })
    }
}

impl<'a> Subject<'a> {
    /// Which call of a tool with an effect this is: its server, its name, its arguments in canonical form.
    pub(super) fn acting(&self, frame: &Frame<'_>) -> Option<String> {
        let tool = self.tool.filter(|_| !self.is_harmless())?;
        let text = frame.arguments.text().filter(|text| text != "null").unwrap_or_else(|| "{}".to_owned());
        let canonical = pdp::json::canonical(&pdp::json::Json::read(&text, 9).unwrap());
        Some(format!("{} {} {canonical}", self.server.name, tool.name))
    }

    fn plain(server: &'a Server, method: &'a str, target: &'a str) -> Self {
        Self { server, tool: None, method, target, labels: server.labels.clone(), quoted: server.quoted }
    }
}

/// Whether a server's registry entry opens a method.
pub(super) fn is_open(server: &Server, method: &str) -> bool {
    let group = methods::find(method).map(|method| method.group);
    group == Some("lifecycle") || group.is_some_and(|group| server.open.contains(group)) || server.open.contains(method)
}
