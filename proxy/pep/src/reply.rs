//! What goes back: replies as data, and the words of refusals. Only the audit stage makes a [`Reply`] or an [`Answer`].

use std::fmt;
use std::sync::Arc;

use pdp::json;
use pdp::record::{Direction, FrameKind};
use pdp::refusal::{Code, Refusal, Source, modern_http_status};

use crate::approval::{self, Held};
use crate::call::Address;
use crate::channel::Channel;
use crate::envelope::{Envelope, member};
use crate::long::LongAnswer;
use crate::ports::Pending;
use crate::stream::EventStream;

/// What goes back to whoever sent a frame, or on to the client. Its record is sealed, or seals as its stream ends.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

/// The body of a reply.
pub enum Body {
    /// Nothing.
    Empty,
    /// One JSON-RPC message.
    Json(String),
    /// One JSON-RPC message that passes piece by piece.
    Long(Box<LongAnswer>),
    /// Events, each labelled as it passes.
    Stream(Box<EventStream>),
    /// What the client of a call that is held is told meanwhile, and then its answer, as events.
    Held(Box<Held>),
    /// A refusal for the server whose request this was.
    ToServer(Answer),
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Json(_) => "Json(..)",
            Self::Long(_) => "Long(..)",
            Self::Stream(_) => "Stream(..)",
            Self::Held(_) => "Held(..)",
            Self::ToServer(_) => "ToServer(..)",
        })
    }
}

/// How long an answer to the gate's own requests may be.
const OWN_ANSWER_BYTES_MAX: usize = 4 << 20;

impl Reply {
    pub(crate) fn new(status: u16, headers: Vec<(String, String)>, body: Body) -> Self {
        Self { status, headers, body }
    }

    /// The HTTP status, the protocol's headers (lower-case names) and the body.
    #[must_use]
    pub fn into_parts(self) -> (u16, Vec<(String, String)>, Body) {
        (self.status, self.headers, self.body)
    }

    /// Whether it is one message.
    pub(crate) fn is_message(&self) -> bool {
        matches!(self.body, Body::Json(_))
    }

    /// Reads an answer to its end. For the gate's own requests, and for what its client comes back for.
    pub(crate) async fn into_answer(self) -> Option<String> {
        match self.body {
            Body::Json(text) => Some(text),
            Body::Stream(mut stream) => stream.answer_alone().await,
            Body::Long(mut answer) => answer.whole(OWN_ANSWER_BYTES_MAX).await,
            // The gate's own requests ask for no progress.
            Body::Empty | Body::Held(_) | Body::ToServer(_) => None,
        }
    }

    /// Reads a listing's answer to its end, and answers its cursor. For the gate's own listings.
    pub(crate) async fn into_next_cursor(self) -> Option<String> {
        // A listing is always read whole.
        let text = self.into_answer().await?;
        let envelope = Envelope::read(&text, usize::MAX).ok()?;
        let raw = member(text.get(envelope.result?)?, "nextCursor")?;
        json::string(raw).ok().map(|cursor| cursor.into_owned())
    }
}

/// The refusal of a server's own request, on its way back to it.
pub struct Answer {
    channel: Arc<Channel>,
    text: String,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer(to {})", self.channel.server())
    }
}

impl Answer {
    pub(crate) fn new(channel: Arc<Channel>, text: String) -> Self {
        Self { channel, text }
    }

    /// The channel the request came through.
    #[must_use]
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// The JSON-RPC error.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// What a client is told beside a refusal's sentence.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// Words for the model.
    pub(crate) advice: Option<&'a str>,
    /// The request that people have not decided on yet.
    pub(crate) pending: Option<&'a Pending>,
}

/// A refusal as JSON-RPC. A refused tool call is a tool result with `isError`, so that the model reads it and can revise
/// its plan; everything else is an error. `named` is the record's number and trace.
pub(crate) fn refusal_text(address: &Address, refusal: &Refusal, beside: Beside<'_>, named: (u64, String)) -> String {
    let (record, trace) = named;
    let mut facts = serde_json::json!({
        "code": refusal.code.name(), "retry": refusal.code.may_retry(), "trace": trace, "record": record,
    });
    if let (Some(pending), Some(members)) = (beside.pending, facts.as_object_mut()) {
        members.insert("approval".to_owned(), approval::named_request(pending));
    }
    let id = address.id.as_deref().unwrap_or("null");
    if is_tool_result(address, refusal.code) {
        let mut words = refusal.message.clone();
        if let Some(more) = beside.advice {
            words.push(' ');
            words.push_str(more);
        }
        let content = serde_json::json!([{ "type": "text", "text": words }]);
        let era = if address.modern { ",\"resultType\":\"complete\"" } else { "" };
        let meta = serde_json::json!({ "dev.wicketgate/refusal": facts });
        return format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":{content},\"isError\":true{era},\"_meta\":{meta}}}}}"
        );
    }
    let error = serde_json::json!({
        "code": refusal.code.rpc_code(), "message": refusal.message, "data": { "dev.wicketgate/refusal": facts },
    });
    if is_unasked(address) {
        // What asks nothing has no id to answer under; that of an answer is the server's.
        return format!("{{\"jsonrpc\":\"2.0\",\"error\":{error}}}");
    }
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}")
}

/// The HTTP status of a refusal: what the client's revision names for such an error, or else what the code says. A request
/// is answered by its message, with status 200; what asks nothing has only the status to tell that it was not taken (MCP
/// transports: an HTTP error status).
pub(crate) fn status(address: &Address, code: Code) -> u16 {
    let error = address.modern && !is_tool_result(address, code);
    if let Some(named) = error.then(|| modern_http_status(code.rpc_code())).flatten() {
        return named;
    }
    match code.http_status() {
        200 if is_unasked(address) => match code.source() {
            Source::Client => 400,
            Source::Policy => 403,
            Source::Upstream => 502,
            Source::Gate => 503,
        },
        other => other,
    }
}

/// A client's notification, or its answer to a server.
fn is_unasked(address: &Address) -> bool {
    let silent = matches!(address.kind, FrameKind::Notification | FrameKind::Response);
    address.direction == Direction::ToServer && silent
}

/// Whether a refusal is told as a tool result: the model, and not the client's transport, is the one to read it.
pub(crate) fn is_tool_result(address: &Address, code: Code) -> bool {
    let from_the_agent = address.direction == Direction::ToServer && address.kind == FrameKind::Request;
    from_the_agent && address.method.as_deref() == Some("tools/call") && is_for_the_model(code)
}

fn is_for_the_model(code: Code) -> bool {
    code.http_status() == 200 && !matches!(code, Code::UnknownTool | Code::BadParameters | Code::Busy | Code::Cancelled)
}
