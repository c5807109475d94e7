//! A step of a history: who sends what, in which era, and what the world does meanwhile. Pure data; how it is thrown stands
//! in `chance.rs`, what becomes of it in `fate.rs`, and how it really is carried out in `real.rs`.

use pdp::refusal::Code;

use super::law::{Field, Form, Kind, Live};

/// Who calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) teams: &'static [&'static str],
    pub(super) tenant: &'static str,
    pub(super) user: &'static str,
    /// What Cedar calls them.
    pub(super) entity: &'static str,
}

/// The callers of `world::caller`; whoever is not here is nobody.
pub(super) const PEOPLE: [Person; 3] = [
    Person { name: "ann", teams: &["staff"], tenant: "default", user: "ann's person", entity: "ann" },
    Person { name: "bob", teams: &[], tenant: "default", user: "bob's person", entity: "bob" },
    Person { name: "eve", teams: &["staff"], tenant: "other", user: "eve's person", entity: "other/eve" },
];

/// Texts as arguments: as given, and in canonical form.
pub(super) const TEXTS: [(&str, &str); 5] = [
    ("joe", "joe"),
    ("/data/a", "/data/a"),
    ("/data/../etc/x", "/etc/x"),
    ("https://Good.test/a", "https://good.test/a"),
    ("plain words", "plain words"),
];

/// The value of an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    Text(usize),
    /// As written, and its value where 64 bits hold it.
    Whole(&'static str, Option<i64>),
    /// As written, and its value in ten-thousandths where four places hold it.
    Decimal(&'static str, Option<i64>),
    Flag(bool),
    Texts(Vec<&'static str>),
    Null,
    Object,
}

/// The arguments of a tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arguments {
    Absent,
    Null,
    List,
    Members(Vec<(String, Given)>),
}

impl Given {
    fn fits(&self, field: &Field) -> bool {
        match (self, field.kind) {
            (Self::Text(_), Kind::Text) | (Self::Flag(_), Kind::Flag) | (Self::Texts(_), Kind::Texts) => true,
            (Self::Whole(..), Kind::Whole | Kind::Decimal) | (Self::Decimal(..), Kind::Decimal) => true,
            (Self::Decimal(..), Kind::Whole) => false,
            (Self::Null | Self::Object, _) => false,
            (Self::Text(_) | Self::Flag(_) | Self::Texts(_) | Self::Whole(..) | Self::Decimal(..), _) => false,
        }
    }

    fn is_exact(&self) -> bool {
        !matches!(self, Self::Whole(_, None) | Self::Decimal(_, None))
    }

    fn text(&self) -> String {
        match self {
            Self::Text(at) => format!("\"{}\"", TEXTS[*at].0),
            Self::Whole(text, _) | Self::Decimal(text, _) => (*text).to_owned(),
            Self::Flag(value) => value.to_string(),
            Self::Texts(all) => format!("[{}]", all.iter().map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join(",")),
            Self::Null => "null".to_owned(),
            Self::Object => "{}".to_owned(),
        }
    }
}

impl Arguments {
    pub(super) fn of(&self, name: &str) -> Option<&Given> {
        match self {
            Self::Members(members) => members.iter().find(|(named, _)| named == name).map(|(_, given)| given),
            Self::Absent | Self::Null | Self::List => None,
        }
    }

    /// Whether they are what the schema asks for.
    pub(super) fn fit(&self, form: Form) -> bool {
        let Self::Members(members) = self else {
            return *self != Self::List && form.fields().iter().all(|field| !field.required);
        };
        let known = |name: &str| form.fields().iter().find(|field| field.name == name);
        let complete = form.fields().iter().all(|field| !field.required || self.of(field.name).is_some());
        let fitting = members.iter().all(|(name, given)| match known(name) {
            Some(field) => given.fits(field),
            None => !form.is_closed(),
        });
        complete && fitting
    }

    /// Whether policies can be given all of them exactly.
    pub(super) fn can_be_judged(&self, form: Form) -> bool {
        let Self::Members(members) = self else { return true };
        members.iter().all(|(name, given)| {
            let named = form.fields().iter().find(|field| field.name.eq_ignore_ascii_case(name));
            named.is_none_or(|field| field.name == name && given.is_exact())
        })
    }

    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Null => Some("null".to_owned()),
            Self::List => Some("[]".to_owned()),
            Self::Members(members) => {
                let members: Vec<_> =
                    members.iter().map(|(name, given)| format!("\"{name}\":{}", given.text())).collect();
                Some(format!("{{{}}}", members.join(",")))
            }
        }
    }
}

/// How a call or another method names what it acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// By this name.
    As(&'static str),
    /// Not at all.
    Nothing,
    /// By a number.
    Number,
    /// In a member whose name is written in another case.
    OtherCase,
    /// There are no parameters.
    NoParams,
    /// The parameters are a list.
    ListParams,
}

/// What rides along in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Along {
    Nothing,
    /// A completion of this prompt's, or this resource's, arguments.
    Prompt(&'static str),
    Resource(&'static str),
    /// A completion that names it in another case.
    OtherCase,
    /// Resources to be watched.
    Subscriptions(Vec<&'static str>),
    /// Answers to what an earlier result asked: the methods they answer.
    Responses(Vec<&'static str>),
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Call(Named, Arguments, Along),
    /// Another method: its name, whether it is a request, what it acts on, what rides along.
    Method(&'static str, bool, Named, Along),
    /// The client's answer to the server's question of this id.
    Answer(u8),
    Open,
    Close,
    /// One of [`MALFORMED`].
    Malformed(usize),
    /// One of [`UNREADABLE`].
    Unreadable(usize),
}

/// Bodies that are no message, and why.
pub(super) const MALFORMED: [(&str, Code); 12] = [
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping""#, Code::NotJson),
    ("", Code::NotJson),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"a":2}}"#, Code::DuplicateMember),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}"#, Code::TooDeep),
    (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Code::Batch),
    (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, Code::NotJsonRpc),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, Code::NotJsonRpc),
    (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, Code::NotJsonRpc),
    (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/list"}"#, Code::NotJsonRpc),
    (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Code::NotJsonRpc),
    (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Code::NotJsonRpc),
    ("7", Code::NotJsonRpc),
];

/// What a listener may not be able to read.
pub(super) const UNREADABLE: [Code; 10] = [
    Code::NoRoute,
    Code::VerbNotAllowed,
    Code::HostRefused,
    Code::OriginRefused,
    Code::TooManyFailures,
    Code::HeadTooLarge,
    Code::BodyTooLarge,
    Code::MediaType,
    Code::NotAcceptable,
    Code::BodyUnreadable,
];

/// In which era a message is sent, and whether its headers say what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Legacy,
    Modern,
    /// Legacy, with `Mcp-Method: other`.
    OtherMethod,
    /// Legacy, with `Mcp-Name: other`.
    OtherName,
    /// Modern, without `Mcp-Method`.
    NoMethod,
    /// Modern, without `Mcp-Name`.
    NoName,
    /// Modern in `_meta`, legacy in the header.
    OtherVersion,
}

/// One message of a server's that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    /// A result with a text.
    Result,
    /// `{}`.
    Empty,
    /// A result that speaks in the gate's name, in several spellings.
    Forged,
    /// A tool's own error.
    IsError,
    /// Its tools as they are now; with one more that nobody knows.
    Tools(bool),
    /// A result with instructions.
    Instructions,
    /// A result that asks these things of the client.
    Asks(Vec<(&'static str, &'static str)>),
    Error,
    /// An error that speaks in the gate's name.
    ForgedError,
    /// Error -32042: the user is sent to these places.
    SendsUser(Vec<&'static str>),
    /// A result under another id.
    OtherId,
    /// An error without an id.
    NoId,
}

/// One item of a server's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Comment,
    /// Progress, with or without words.
    Progress(bool),
    ListChanged,
    /// A notification, and what it is about.
    Says(&'static str, &'static str),
    /// A question: its id, its method, what it is about.
    Asks(u8, &'static str, &'static str),
    /// An answer to nothing that was asked.
    Stray,
    /// No JSON.
    Junk,
    Answer(Says),
    Breaks,
}

/// What a server does with an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Answers(Says),
    /// This status and no body.
    Status(u16),
    Html,
    /// A notification where an answer is due.
    Notifies,
    /// A result with a member twice.
    Doubles,
    Streams(Vec<Item>),
    Unreachable,
    Loses,
    ForgetsSession,
    NeedsSession,
    Busy,
    Hangs,
}

/// What the ledger does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    Ill,
    RefusesAppends,
    /// Refuses the nth entry that is waited for.
    RefusesCommit(u64),
}

/// What people say when they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Approver {
    Nobody,
    Refuses,
    Grants(Vec<&'static str>),
}

/// What the world does during one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weather {
    /// Seconds that pass before it.
    pub(super) later_s: i64,
    /// What a server makes of one of its tools before it: server, tool, what.
    pub(super) change: Option<(&'static str, &'static str, Live)>,
    pub(super) ledger: Mood,
    pub(super) vault_empty: bool,
    /// Halted from the nth look on.
    pub(super) halted: Option<u64>,
    pub(super) approver: Approver,
    /// There is no room for another request.
    pub(super) full: bool,
    /// What the server does with the order.
    pub(super) act: Act,
    /// What it does when it is asked to list its tools; nothing says that it lists them.
    pub(super) listing: Option<Act>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) caller: &'static str,
    pub(super) server: &'static str,
    /// One of two traces that came along.
    pub(super) trace: Option<usize>,
    /// It names a session that there is not.
    pub(super) session: bool,
    pub(super) era: Era,
    pub(super) what: What,
    pub(super) weather: Weather,
}

impl Step {
    /// Whether the step has to do with this server.
    pub(super) fn names(&self, server: &str) -> bool {
        self.server == server || self.weather.change.is_some_and(|(changed, _, _)| changed == server)
    }
}
