//! A message as the model reads it: what it is, what it names, whether its headers say the same, how a refusal is told.

use pdp::refusal::{Code, Source, modern_http_status};

use super::record::Record;
use super::step::{Along, Arguments, Era, Named, Person, Step, What};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Notification,
    Response,
    Stream,
    End,
}

/// A message that could be read.
#[derive(Debug, Clone)]
pub(super) struct Frame<'a> {
    pub(super) person: &'a Person,
    pub(super) server: &'a str,
    pub(super) task: String,
    pub(super) outward: bool,
    pub(super) kind: Kind,
    pub(super) method: &'a str,
    pub(super) era: Era,
    pub(super) named: Named,
    pub(super) along: Along,
    pub(super) arguments: &'a Arguments,
    /// The id of a question or an answer.
    pub(super) id: u8,
}

pub(super) const NO_ARGUMENTS: Arguments = Arguments::Absent;

impl<'a> Frame<'a> {
    pub(super) fn of(step: &'a Step, person: &'a Person) -> Self {
        let key = format!("{}/{}", person.tenant, person.name);
        let task = step.trace.map_or_else(|| format!("rolling {key}"), |trace| format!("trace {key} {trace}"));
        let plain = Frame {
            person,
            server: step.server,
            task,
            outward: false,
            kind: Kind::Request,
            method: "",
            era: step.era,
            named: Named::Nothing,
            along: Along::Nothing,
            arguments: &NO_ARGUMENTS,
            id: 0,
        };
        match &step.what {
            What::Call(named, arguments, along) => {
                Frame { method: "tools/call", named: *named, arguments, along: along.clone(), ..plain }
            }
            What::Method(method, asks, named, along) => {
                let kind = if *asks { Kind::Request } else { Kind::Notification };
                Frame { kind, method, named: *named, along: along.clone(), ..plain }
            }
            What::Answer(id) => Frame { kind: Kind::Response, id: *id, ..plain },
            What::Open => Frame { kind: Kind::Stream, method: "stream", era: Era::Legacy, ..plain },
            What::Close | What::Malformed(_) | What::Unreadable(_) => {
                Frame { kind: Kind::End, method: "session/end", era: Era::Legacy, ..plain }
            }
        }
    }

    pub(super) fn record(&self) -> Record {
        let way = if self.outward { "<" } else { ">" };
        let mark = match self.kind {
            Kind::Request => "",
            Kind::Notification => "!",
            Kind::Response => "=",
            Kind::Stream | Kind::End => "~",
        };
        let method = if self.method.is_empty() { String::new() } else { format!("{} ", self.method) };
        Record { head: format!("{way}{mark} {method}{}", self.server), ..Record::default() }
    }

    /// The name of what it acts on, where that is a name.
    pub(super) fn name(&self) -> Result<Option<&'a str>, Code> {
        match self.named {
            Named::As(name) => Ok(Some(name)),
            Named::Nothing | Named::NoParams => Ok(None),
            Named::Number | Named::OtherCase | Named::ListParams => Err(Code::BadParameters),
        }
    }

    /// What rides along in it: methods, and what they act on.
    pub(super) fn asides(&self) -> Result<Vec<(&'static str, &'static str)>, Code> {
        Ok(match &self.along {
            Along::Nothing => Vec::new(),
            Along::Prompt(name) => vec![("prompts/get", name)],
            Along::Resource(uri) => vec![("resources/read", uri)],
            Along::OtherCase => return Err(Code::BadParameters),
            Along::Subscriptions(uris) => uris.iter().map(|uri| ("resources/subscribe", *uri)).collect(),
            Along::Responses(methods) => methods.iter().map(|method| (*method, "")).collect(),
        })
    }

    pub(super) fn is_modern(&self) -> bool {
        matches!(self.era, Era::Modern | Era::NoMethod | Era::NoName | Era::OtherVersion)
    }

    /// Header and body say different things, or a modern client does not say in headers what it must.
    pub(super) fn headers_disagree(&self) -> bool {
        let named = matches!(self.method, "tools/call" | "prompts/get" | "resources/read");
        let of_tasks = matches!(self.method, "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/update");
        let posted = matches!(self.kind, Kind::Request | Kind::Notification);
        match self.era {
            Era::Legacy | Era::Modern => false,
            Era::OtherMethod => true,
            Era::OtherName => posted && (named || of_tasks),
            Era::NoMethod => self.kind == Kind::Request,
            Era::NoName => posted && named && matches!(self.named, Named::As(_)),
            Era::OtherVersion => posted,
        }
    }

    /// How its sender hears of a refusal.
    pub(super) fn refusal(&self, code: Code) -> String {
        let for_the_transport = matches!(code, Code::UnknownTool | Code::BadParameters | Code::Busy);
        let by_post = code.http_status() == 200;
        if self.kind == Kind::Request && self.method == "tools/call" && !self.outward && by_post && !for_the_transport {
            return format!("200 tool result {}", code.name());
        }
        let unasked = matches!(self.kind, Kind::Notification | Kind::Response);
        let named = modern_http_status(code.rpc_code()).filter(|_| self.is_modern());
        let status = named.unwrap_or(match (code.http_status(), code.source()) {
            (200, Source::Client) if unasked => 400,
            (200, Source::Policy) if unasked => 403,
            (200, Source::Upstream) if unasked => 502,
            (200, Source::Gate) if unasked => 503,
            (status, _) => status,
        });
        format!("{status} error {}", code.name())
    }
}
