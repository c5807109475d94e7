//! What a server's answer leads to: what is handed over, with which labels, and what is withheld. Streams message by message.

use pdp::refusal::Code;

use super::fate::{Fared, Model, Subject, is_open};
use super::frame::{Frame, Kind, NO_ARGUMENTS};
use super::law::{Labels, Live, Misfit};
use super::record::{Record, words};
use super::rules::Verdict;
use super::step::{Act, Along, Era, Item, Named, Says};

/// What is told of an error that is the server's own.
const ERROR: &str = "the server's error";

impl<'l> Model<'l> {
    /// The answer of a server, whole or as a stream.
    pub(super) fn outcome(
        &mut self,
        frame: &Frame<'l>,
        record: &mut Record,
        subject: &Subject<'l>,
        act: Act,
        watched: bool,
    ) -> Result<Fared, Code> {
        let awaited = frame.kind == Kind::Request;
        let (status, told) = match act {
            Act::Answers(says) => (200, self.answered(frame, record, subject, &says)?),
            Act::Streams(items) => return Ok(self.streamed(frame, record, subject, &items, watched)),
            Act::Status(401 | 403) => return Err(Code::CredentialUnavailable),
            Act::Status(status) if !awaited && status < 300 => (202, "nothing".to_owned()),
            Act::Status(status) if !awaited || status == 404 => (status, "nothing".to_owned()),
            Act::Html if !awaited => (202, "nothing".to_owned()),
            Act::Status(_) | Act::Html | Act::Notifies | Act::Doubles => return Err(Code::AnswerLost),
            Act::Unreachable | Act::Loses | Act::ForgetsSession | Act::NeedsSession | Act::Busy | Act::Hangs => {
                return Err(Code::AnswerLost);
            }
        };
        record.stages.push("outcome");
        match self.close(record, "served", None) {
            Ok(()) => Ok(Fared { told: format!("{status} {told}"), refused: None }),
            Err(code) => Ok(Fared { told: frame.refusal(code), refused: Some(code) }),
        }
    }

    /// One message that answers a request: what is told of it, or why it is withheld.
    fn answered(
        &mut self,
        frame: &Frame<'l>,
        record: &mut Record,
        subject: &Subject<'l>,
        says: &Says,
    ) -> Result<String, Code> {
        match says {
            // Only a call, a prompt and a resource may answer that they need more (MCP 2026-07-28).
            Says::Asks(_) | Says::SendsUser(_) if subject.method == "subscriptions/listen" => return Err(Code::Denied),
            Says::OtherId => return Err(Code::AnswerLost),
            Says::Error | Says::ForgedError | Says::NoId => {
                self.label(record, subject);
                return Ok(ERROR.to_owned());
            }
            Says::SendsUser(urls) => {
                let asked: Vec<_> = urls.iter().map(|url| ("elicitation/create", *url)).collect();
                self.may_be_asked(frame, subject, &asked)?;
                self.label(record, subject);
                return Ok(ERROR.to_owned());
            }
            Says::Asks(asked) => self.may_be_asked(frame, subject, asked)?,
            Says::Result | Says::Empty | Says::Forged | Says::IsError | Says::Tools(_) | Says::Instructions => {}
        }
        match (subject.method, says) {
            ("tools/list", Says::Tools(_)) => return Ok(self.listed(frame, subject)),
            ("tools/list", _) => return Err(Code::AnswerLost),
            ("initialize" | "server/discover", Says::Instructions) => {
                // Unreviewed text for the model: it counts as read.
                self.raise(frame, &subject.server.labels);
                record.labels = subject.server.labels.clone();
                let quoted = if subject.server.quoted { ", quoted" } else { "" };
                return Ok(format!("result, no label{quoted}"));
            }
            (_, _) if subject.is_lifecycle() => return Ok("result, no label".to_owned()),
            (_, _) => {}
        }
        let misfit = subject.tool.and_then(|tool| tool.output).filter(|_| *says != Says::IsError);
        let mut labels = subject.labels.clone();
        match misfit {
            Some(Misfit::Refused) => {
                if let Some(call) = subject.acting(frame).filter(|_| frame.kind == Kind::Request) {
                    let at = self.now_s;
                    self.tasks.entry(frame.task.clone()).or_default().withheld.insert(call, at);
                }
                return Err(Code::Quarantined);
            }
            Some(Misfit::Labelled) => {
                labels.insert("unvalidated");
                self.raise(frame, &labels);
            }
            Some(Misfit::Passed) | None => {}
        }
        record.labels = labels.clone();
        if *says == Says::Empty {
            return Ok("result, no label".to_owned());
        }
        let trust = if labels.contains("untrusted") { "untrusted" } else { "trusted" };
        let quoted = if subject.quoted { ", quoted" } else { "" };
        Ok(format!("result, {trust} [{}]{quoted}", words(&labels)))
    }

    fn label(&self, record: &mut Record, subject: &Subject<'l>) {
        if !subject.is_lifecycle() {
            record.labels = subject.labels.clone();
        }
    }

    fn raise(&mut self, frame: &Frame<'l>, labels: &Labels) {
        self.tasks.entry(frame.task.clone()).or_default().labels.extend(labels);
    }

    /// The server's tools as they are now: remembered, and told less what may not be seen.
    fn listed(&mut self, frame: &Frame<'l>, subject: &Subject<'l>) -> String {
        let server = subject.server;
        let now = |tool| self.live.get(&(server.name, tool)).copied().unwrap_or(Live::Same);
        let live = server.tools.iter().map(|tool| (tool.name, now(tool.name)));
        let live: std::collections::BTreeMap<_, _> = live.filter(|(_, live)| *live != Live::Gone).collect();
        let seen = server.tools.iter().filter(|tool| tool.reviewed && live.get(tool.name) == Some(&Live::Same));
        let seen: Vec<&str> = seen.map(|tool| tool.name).collect();
        let now_s = self.now_s;
        self.channel(frame).listed = Some((now_s, live));
        format!("tools [{}]", seen.join(", "))
    }

    /// Whether a server may ask all this of the client. Nobody can be asked for an approval here.
    fn may_be_asked(
        &mut self,
        frame: &Frame<'l>,
        subject: &Subject<'l>,
        asked: &[(&'static str, &'static str)],
    ) -> Result<(), Code> {
        if asked.iter().any(|(method, _)| !is_open(subject.server, method)) {
            return Err(Code::Denied);
        }
        for (method, target) in asked {
            let target = if *method == "elicitation/create" { target } else { "" };
            match self.judge_question(frame, subject.server, method, target) {
                Verdict::Allow { .. } => {}
                Verdict::Escalate(_) => return Err(Code::ApprovalUnavailable),
                Verdict::Deny(_) => return Err(Code::Denied),
            }
        }
        Ok(())
    }

    /// A stream: each message is a frame of its own, until the answer.
    fn streamed(
        &mut self,
        frame: &Frame<'l>,
        record: &mut Record,
        subject: &Subject<'l>,
        items: &[Item],
        watched: bool,
    ) -> Fared {
        record.stages.push("outcome");
        let awaited = frame.kind == Kind::Request;
        let mut last = "nothing".to_owned();
        let mut answer = None;
        for item in items {
            let event = match item {
                Item::Comment => Some("event comment hello".to_owned()),
                Item::Breaks => break,
                Item::Answer(says) if awaited => {
                    answer = Some(self.answered(frame, record, subject, says));
                    None
                }
                Item::Stray if awaited => {
                    answer = Some(Err(Code::AnswerLost));
                    None
                }
                Item::Progress(_) | Item::ListChanged | Item::Says(..) | Item::Asks(..) => {
                    self.said(frame, item, &mut last)
                }
                Item::Stray | Item::Junk | Item::Answer(_) => {
                    self.senseless(frame, item);
                    None
                }
            };
            self.lines.extend(event.filter(|_| watched));
            if answer.is_some() {
                break;
            }
        }
        let over = |model: &mut Self| {
            if watched {
                model.lines.push("the stream is over".to_owned())
            }
        };
        if !awaited {
            let _taken = self.close(record, "served", None);
            over(self);
            return Fared { told: format!("200 {last}"), refused: None };
        }
        let answer = answer.unwrap_or(Err(Code::AnswerLost));
        let (ending, code) = match &answer {
            Ok(_) => ("served", None),
            Err(code) => (if record.acted { "indeterminate" } else { "failed" }, Some(*code)),
        };
        let _taken = self.close(record, ending, code);
        let told = match answer {
            Ok(told) => told,
            Err(code) => frame.refusal(code).split_once(' ').map(|(_, told)| told.to_owned()).unwrap_or_default(),
        };
        if watched {
            self.lines.push(match told.strip_prefix("error ") {
                Some(code) => format!("event refusal {code}"),
                None if told == ERROR => "event error".to_owned(),
                None => "event answer".to_owned(),
            });
        }
        over(self);
        Fared { told: format!("200 {told}"), refused: code }
    }

    /// A message of the server's own, on its way to the client: what the client sees of it.
    fn said(&mut self, frame: &Frame<'l>, item: &Item, last: &mut String) -> Option<String> {
        let (kind, id, method, target) = match item {
            Item::Progress(_) => (Kind::Notification, 0, "notifications/progress", None),
            Item::ListChanged => (Kind::Notification, 0, "notifications/tools/list_changed", None),
            Item::Says(method, target) => (Kind::Notification, 0, *method, Some(*target)),
            Item::Asks(id, method, target) => (Kind::Request, *id, *method, Some(*target)),
            Item::Comment | Item::Stray | Item::Junk | Item::Answer(_) | Item::Breaks => return None,
        };
        let own = Frame {
            outward: true,
            kind,
            id,
            method,
            era: Era::Legacy,
            named: target.map_or(Named::Nothing, Named::As),
            along: Along::Nothing,
            arguments: &NO_ARGUMENTS,
            ..frame.clone()
        };
        let words = *item == Item::Progress(true);
        let fared = self.pass(&own, words);
        match fared.refused {
            Some(code) if kind == Kind::Request => {
                self.lines.push(format!("told {}: its {id} is refused, {}", frame.server, code.name()));
                None
            }
            Some(_) => None,
            None => {
                *last = format!("message {method}");
                Some(format!("event {method}"))
            }
        }
    }

    /// The delivery of a server's own message. `words` says that it brings words of the server's though it is of the lifecycle.
    pub(super) fn deliver(
        &mut self,
        frame: &Frame<'l>,
        record: &mut Record,
        subject: &Subject<'l>,
        words: bool,
    ) -> Result<Fared, Code> {
        if frame.kind == Kind::Request && !self.channel(frame).asked.insert(frame.id) {
            return Err(Code::Busy);
        }
        record.stages.push("action");
        if frame.method == "notifications/tools/list_changed" {
            self.channel(frame).listed = None;
        }
        if words {
            self.raise(frame, &subject.server.labels);
        }
        record.labels = subject.labels.clone();
        record.stages.push("outcome");
        let _taken = self.close(record, "served", None);
        Ok(Fared { told: String::new(), refused: None })
    }

    /// What a server said that is no message, or answers nothing.
    fn senseless(&mut self, frame: &Frame<'l>, item: &Item) {
        if *item == Item::Junk {
            let _taken = self.close(&mut Record::of_junk(frame.server), "refused", Some(Code::NotJson));
            return;
        }
        let stray = Frame {
            outward: true,
            kind: Kind::Response,
            method: "",
            era: Era::Legacy,
            named: Named::Nothing,
            along: Along::Nothing,
            arguments: &NO_ARGUMENTS,
            ..frame.clone()
        };
        self.pass(&stray, false);
    }
}
