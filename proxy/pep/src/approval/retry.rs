//! A client that was sent to a request and comes back (MCP 2026-07-28, multi round-trip requests): the state it carries is
//! sealed, and is taken out of the message before anything else is done with it. It proves nothing but that its user was
//! sent there: what was decided is found by the call itself.

use pdp::json::{Kind, Part};
use pdp::refusal::{Code, Refusal};

use crate::call::Head;
use crate::envelope::Envelope;
use crate::ports::{Pending, Ports};
use crate::rewrite::forged::without_members;
use crate::task::Token;

/// The name of our question among the questions of an answer.
pub(super) const QUESTION: &str = "dev.wicketgate/approval";
/// What every state of ours begins with.
pub(crate) const PREFIX: &str = "wgs_";
const STATE: &str = "requestState";
const RESPONSES: &str = "inputResponses";

/// What a state says: whose it is, and of which request. It holds for as long as anything is known of that: a client that
/// comes late is no worse than one that comes without a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retry {
    /// The request.
    pub(crate) id: String,
    /// The key of the principal it was given to.
    pub(crate) principal: String,
}

impl Retry {
    pub(super) fn of(head: &Head, pending: &Pending) -> Self {
        Self { id: pending.id.clone(), principal: head.principal.key() }
    }

    /// As it is sealed. A request's id has no blanks.
    pub(crate) fn written(&self) -> String {
        format!("{} {}", self.id, self.principal)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let (id, principal) = text.split_once(' ')?;
        Some(Self { id: id.to_owned(), principal: principal.to_owned() })
    }

    /// Takes our state and our question's answer out of a client's message. Answers the message without them and what the
    /// state says; nothing where the message carries none of ours.
    ///
    /// # Errors
    /// When the state looks like ours and is not, or is another caller's.
    pub(crate) fn taken(
        text: &str,
        envelope: &Envelope,
        principal: &str,
        ports: &Ports,
    ) -> Result<Option<(String, Self)>, Refusal> {
        let bad = || Err(Refusal::new(Code::BadParameters, "`params.requestState` was not made here for this caller"));
        if !text.contains(PREFIX) {
            return Ok(None);
        }
        let state = envelope.param_string(text, STATE).filter(|state| state.starts_with(PREFIX));
        let Some(state) = state else { return Ok(None) };
        let Some(retry) = ports.tasks.opened_state(&Token::presented(&state)) else { return bad() };
        if retry.principal != principal {
            return bad();
        }
        let Some(params) = envelope.part(text, "params") else { return bad() };
        let alone = params.get(RESPONSES).is_none_or(|all| only_ours(all));
        let without = without_members(text, params, |name| name == STATE || (alone && name == RESPONSES));
        if alone {
            return Ok(Some((without, retry)));
        }
        // Answers to a server's own questions go on to it.
        let again = Envelope::read(&without, ports.limits.depth_max)?;
        let rest =
            again.param_part(&without, RESPONSES).map(|all| without_members(&without, all, |name| name == QUESTION));
        Ok(Some((rest.unwrap_or(without), retry)))
    }
}

fn only_ours(all: Part<'_>) -> bool {
    all.kind() != Kind::Object || all.members().all(|(name, _)| name == QUESTION)
}

/// The `input_required` result that asks the client to send its user to the request. Its own request's id is put in where it
/// is handed over.
pub(super) fn question(pending: &Pending, message: &str, state: &str) -> String {
    let quoted = pdp::json::quoted;
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{{\"resultType\":\"input_required\",\"inputRequests\":{{{}:\
         {{\"method\":\"elicitation/create\",\"params\":{{\"mode\":\"url\",\"elicitationId\":{},\"url\":{},\
         \"message\":{}}}}}}},\"requestState\":{}}}}}",
        quoted(QUESTION),
        quoted(&pending.id),
        quoted(&pending.url),
        quoted(message),
        quoted(state),
    )
}
