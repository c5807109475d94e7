//! What the gate calls a tool for itself: a preview before a call, a rollback after one. Each is a frame of its own, in the
//! name of the caller and within the caller's task; its principal belongs to one more team, by which policies know it.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use pdp::json;
use pdp::principal::Principal;
use pdp::record::{Errand as What, ErrandNote};

use crate::call::Head;
use crate::envelope::{Envelope, member};
use crate::frame::{Caller, Frame};
use crate::ports::Gate;
use crate::reply::Reply;
use crate::task::Task;

/// How much is kept of what a server says of an errand that failed.
const SAID_CHARS_MAX: usize = 300;
/// What the gate's own refusal of a tool's call carries.
const REFUSAL_META: &str = "dev.wicketgate/refusal";

/// An errand, as the frame that runs it carries it. Made in this file alone.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    pub(crate) what: What,
    /// The number of the frame it is for.
    of: u64,
    /// That frame's span.
    span: String,
}

impl Errand {
    /// What its record says of it.
    pub(crate) fn note(&self) -> ErrandNote {
        ErrandNote { of: self.of, what: self.what }
    }

    /// The span it is part of.
    pub(crate) fn span(&self) -> &str {
        &self.span
    }
}

/// Everything that an errand needs to be run later, when the call it is for is known no more.
pub(crate) struct Order {
    caller: Caller,
    server: String,
    session: Option<String>,
    headers: Vec<(String, String)>,
    text: String,
    task: Arc<Task>,
    errand: Errand,
}

// Written by hand: a derived `Debug` would print arguments.
impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Order({} for {})", self.errand.what.word(), self.errand.of)
    }
}

/// Orders an errand in the name of a call: `named` are its number and span, `arguments` JSON text.
pub(super) fn order(head: &Head, named: (u64, String), what: What, tool: &str, arguments: &str) -> Order {
    let (of, span) = named;
    let principal = Principal {
        teams: head.principal.teams.iter().cloned().chain([what.team().to_owned()]).collect(),
        ..(*head.principal).clone()
    };
    let caller = Caller { principal: Ok(Arc::new(principal)), address: head.caller.address.clone() };
    // Of what the client says of itself the protocol's own goes along; what is this one message's does not.
    let own = |name: &str| name.starts_with("io.modelcontextprotocol/");
    let meta = head.envelope.param(&head.text, "_meta").and_then(|meta| json::members(meta).ok()).unwrap_or_default();
    let meta: Vec<String> = meta
        .into_iter()
        .filter(|(name, _)| own(name))
        .map(|(name, value)| format!("{}:{value}", json::quoted(&name)))
        .collect();
    let text = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":\"wicketgate-{}-{of}\",\"method\":\"tools/call\",\"params\":{{\"name\":{},\
         \"arguments\":{arguments},\"_meta\":{{{}}}}}}}",
        what.word(),
        json::quoted(tool),
        meta.join(",")
    );
    let headers =
        head.headers.iter().filter(|(name, _)| !name.starts_with("mcp-param-") && name != super::once::HEADER);
    let headers = headers.map(|(name, value)| match name.as_str() {
        "mcp-name" => (name.clone(), tool.to_owned()),
        _ => (name.clone(), value.clone()),
    });
    Order {
        caller,
        server: head.server.clone(),
        session: head.channel.session().map(str::to_owned),
        headers: headers.collect(),
        text,
        task: Arc::clone(&head.task),
        errand: Errand { what, of, span },
    }
}

/// Why an errand brought no result.
#[derive(Debug)]
pub(super) struct Failure {
    /// In the gate's own words, which the agent is told.
    pub(super) words: String,
    /// What the server said of it, which is for the record alone: it may be anything, and would speak in the gate's name.
    said: Option<String>,
}

impl Failure {
    /// What the record says of it.
    pub(super) fn noted(&self) -> String {
        match &self.said {
            Some(said) => format!("{}: {said}", self.words),
            None => self.words.clone(),
        }
    }
}

impl From<String> for Failure {
    fn from(words: String) -> Self {
        Self { words, said: None }
    }
}

/// Runs an errand through all nine stages, and answers the result of its tool, as JSON text.
///
/// # Errors
/// When there is none: it was refused, it failed, or its answer was lost.
pub(super) async fn run(order: Order, gate: &Arc<Gate>) -> Result<String, Failure> {
    let Order { caller, server, session, headers, text, task, errand } = order;
    let frame = Frame::message(caller, &server, session, headers, Bytes::from(text)).errand(&task, errand);
    let reply = Box::pin(crate::run(frame, gate)).await;
    // Boxed: a stream that is read here may itself have something undone.
    Box::pin(result_of(reply)).await
}

async fn result_of(reply: Reply) -> Result<String, Failure> {
    let own = |words: &str| Failure::from(words.to_owned());
    let Some(text) = reply.into_answer().await else { return Err(own("it had no answer")) };
    let read = Envelope::read(&text, usize::MAX).map_err(|_| own("its answer cannot be read"))?;
    let part = |at: Option<Range<usize>>| at.and_then(|at| text.get(at));
    let said = |part: Option<&str>, name: &str| {
        part.and_then(|part| member(part, name))
            .and_then(json::string_lossy)
            .map(|words| words.chars().take(SAID_CHARS_MAX).collect::<String>())
    };
    if let Some(error) = part(read.error.clone()) {
        // The gate's own refusals of a call that come as errors look like a server's: neither is repeated.
        let words = "it was refused, or its server says that it failed; its own record says more".to_owned();
        return Err(Failure { words, said: said(Some(error), "message") });
    }
    let result = part(read.result.clone()).ok_or_else(|| own("its answer has no result"))?;
    if member(result, "isError") == Some("true") {
        let content = member(result, "content").and_then(|list| json::items(list).ok()).unwrap_or_default();
        let said = said(content.first().copied(), "text");
        // No server's result has this member: what speaks in the gate's name was taken out of it.
        let refused = member(result, "_meta").is_some_and(|meta| member(meta, REFUSAL_META).is_some());
        return Err(match said {
            Some(words) if refused => Failure::from(words),
            said => Failure { words: "its server says that it failed".to_owned(), said },
        });
    }
    let later =
        member(result, "task").is_some() || member(result, "resultType").is_some_and(|kind| kind != "\"complete\"");
    if later {
        return Err(own("it is not done yet"));
    }
    Ok(result.to_owned())
}
