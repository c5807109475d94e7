//! Around the approval stage: how long a client is made to wait for people, how it is told meanwhile, and what it is told
//! when nobody has decided yet. No decision is made here, and none is lost for a client's time-out: the same call finds it.
//!
//! The ladder: a client of 2026-07-28 that can send its user to a URL is told to at once; one that takes a task for its call
//! is given a slip, and comes back for the result; for any other the call is held while it can wait, with progress where it
//! asked for that, and then it is told to ask again with the same call.

mod asker;
mod held;
mod offer;
pub(crate) mod retry;
mod slip;
mod slips;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pdp::digest::Digest;
use pdp::json::{self, Json};
use pdp::record::{Direction, FrameKind};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;
use serde_json::Value;

use crate::call::Head;
use crate::ports::{Approvals, Given, Hold, Pending, Ports, Verdict};
use crate::stages::s2_classify::Subject;
use crate::stages::s7_action::CANCELLED;
use crate::task::WaitingCall;

pub use asker::asker;
pub use held::Held;
pub(crate) use held::{Bell, Watched, run};
pub(crate) use offer::{Offer, gave_a_slip, unattended};
pub(crate) use retry::Retry;
pub(crate) use slip::{PREFIX as SLIP, Slip};
pub use slips::{SlipBounds, Slips};

/// How often a client that asked for progress is told that its call waits. Clients give up after a minute without any.
const TICK: Duration = Duration::from_secs(10);
/// How many characters of what a client calls itself are kept.
const CLIENT_CHARS_MAX: usize = 80;
/// How long a message is searched for what its client asks. In a longer one it may be: searching costs more than being wrong.
const SEARCHED_MAX: usize = 2048;
/// Where a modern client says what it can do, and what it is called.
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";

/// How a client is told of a call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// It sends its user to the request at once, and comes back.
    Url,
    /// It is given a slip, and comes back for the result.
    Task,
    /// It is told that the call waits while it does, for so long.
    Progress(Duration),
    /// It hears nothing until there is an answer, for so long.
    Hold(Duration),
}

impl Rung {
    /// The highest rung that the client of this call can stand on.
    pub(crate) fn of(head: &Head, server: &Server, subject: &Subject, ports: &Ports) -> Self {
        if is_sent_to_a_url(head, subject) && ports.tasks.is_sealing() {
            return Self::Url;
        }
        if offer::takes_a_slip(head, server, subject) {
            return Self::Task;
        }
        Self::beside(head, ports)
    }

    /// The rung of a client that waits for its answer.
    pub(crate) fn beside(head: &Head, ports: &Ports) -> Self {
        let millis = Duration::from_millis;
        // A long message has a bell in case there is a token; here it is seen whether there is one.
        match &head.bell {
            Some(_) if held::token(head).is_some() => Self::Progress(millis(ports.limits.hold_progress_ms)),
            Some(_) | None => Self::Hold(millis(ports.limits.hold_ms)),
        }
    }

    /// How long its client waits.
    pub(crate) fn patience(self) -> Duration {
        match self {
            Self::Url => Duration::ZERO,
            // Whoever has a slip waits for nothing; the call waits as long as its slip says.
            Self::Task => Duration::MAX,
            Self::Progress(time) | Self::Hold(time) => time,
        }
    }
}

/// Whether the client says that it sends its user to a URL where it is asked to (MCP 2026-07-28, multi round-trip requests
/// with elicitation in URL mode), and has not just been. A retry of a server's own question goes back to that server: its
/// state is the server's, and cannot stand beside ours.
fn is_sent_to_a_url(head: &Head, subject: &Subject) -> bool {
    let may_ask = matches!(subject.method(), "tools/call" | "prompts/get" | "resources/read");
    let asks = head.modern && head.kind == FrameKind::Request && head.direction == Direction::ToServer && may_ask;
    if !asks || head.retry.is_some() || head.envelope.param(&head.text, "requestState").is_some() {
        return false;
    }
    let capabilities = meta_object(head, META_CAPABILITIES);
    capabilities.is_some_and(|all| all.get("elicitation").is_some_and(|of| of.get("url").is_some_and(Value::is_object)))
}

fn meta_object(head: &Head, name: &str) -> Option<Value> {
    let meta = head.envelope.param_part(&head.text, "_meta")?;
    serde_json::from_str(meta.get(name)?.text()).ok()
}

/// What the client calls itself, which nobody has verified; empty where it does not say.
pub(crate) fn claimed_client(head: &Head) -> String {
    let of_call = meta_object(head, META_CLIENT).map(|info| named(&info));
    of_call.or_else(|| head.channel.client().map(str::to_owned)).unwrap_or_default()
}

/// What a client calls itself as it opens a session.
pub(crate) fn introduced(head: &Head) -> Option<String> {
    let info = head.envelope.param_part(&head.text, "clientInfo")?;
    Some(named(&serde_json::from_str(info.text()).ok()?))
}

/// Name and version of a client's own account of itself.
fn named(info: &Value) -> String {
    let word = |name: &str| info.get(name).and_then(Value::as_str).unwrap_or_default();
    let whole = format!("{} {}", word("name"), word("version"));
    whole.trim().chars().take(CLIENT_CHARS_MAX).collect()
}

/// What a message says that calls no tool, in canonical form: its parameters, or an answer's result. All of it is bound and
/// shown, but what only carries it.
pub(crate) fn said(head: &Head) -> String {
    let names: &[&str] = if head.kind == FrameKind::Response { &["result", "error"] } else { &["params"] };
    let Some(part) = names.iter().find_map(|name| head.envelope.part(&head.text, name)) else { return "{}".to_owned() };
    match Json::of(part, pdp::digest::DEPTH_MAX) {
        Ok(Json::Object(members)) => {
            let members = members.into_iter().filter(|(name, _)| name != "_meta");
            json::canonical(&Json::Object(members.collect()))
        }
        Ok(value) => json::canonical(&value),
        // What cannot be read is bound as it stands.
        Err(_) => part.text().to_owned(),
    }
}

/// Waits for people, at most as long as the client does.
pub(crate) async fn wait(head: &Head, ports: &Ports, hold: &Hold, patience: Duration) -> Result<Verdict, Refusal> {
    let _told = head.task.waits(waiting(hold));
    let mut verdict = std::pin::pin!(ports.approvals.ask(hold, patience));
    let mut ticks = 0_u64;
    loop {
        let ring = async {
            match &head.bell {
                Some(bell) => {
                    tokio::time::sleep(TICK).await;
                    bell
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // First: what people decide now is found by the next call, and not used up by one that nobody waits for.
            () = head.given_up() => return Err(Refusal::new(Code::Cancelled, CANCELLED)),
            verdict = &mut verdict => return Ok(verdict),
            bell = ring => {
                ticks = ticks.saturating_add(1);
                bell.ring(head, ticks, &waits_for(hold));
            }
        }
    }
}

fn waits_for(hold: &Hold) -> String {
    format!("`{}` waits for a person's approval ({})", hold.identity.action, grants(hold))
}

fn grants(hold: &Hold) -> String {
    hold.shown.grants.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What the agent is told of the call while it waits, when it asks for its task.
fn waiting(hold: &Hold) -> WaitingCall {
    WaitingCall {
        number: hold.number,
        principal: hold.principal.key(),
        server: hold.identity.server.clone(),
        action: hold.identity.action.clone(),
        arguments: Digest::of_bytes(hold.identity.arguments.as_bytes()),
        grants: hold.shown.grants.iter().cloned().collect(),
    }
}

/// What the agent is told of a call that nobody has decided on yet.
pub(crate) fn pending_words(what: &str, why: &str, pending: &Pending) -> String {
    format!(
        "`{what}` needs a person's approval, and nobody has decided yet: {why}. It was not carried out. The request is {} \
         ({}). Make the same call again later to find the decision; calls with other arguments are other requests.",
        pending.id, pending.url
    )
}

/// What a client gets for a call that waits.
#[derive(Debug)]
pub(crate) struct Told {
    /// The request.
    pub(crate) pending: Pending,
    /// The answer that sends the user to it, where the client takes one.
    pub(crate) answer: Option<Arc<str>>,
}

/// What the client of a call that waits gets.
pub(crate) fn told(head: &Head, ports: &Ports, rung: Rung, hold: &Hold, pending: Pending) -> Told {
    let answer = match rung {
        Rung::Url => ports.tasks.sealed_state(&Retry::of(head, &pending)).map(|state| {
            let message = format!("{}. Open the page to see what it would do.", waits_for(hold));
            retry::question(&pending, &message, &state)
        }),
        Rung::Task | Rung::Progress(_) | Rung::Hold(_) => None,
    };
    Told { pending, answer: answer.map(Arc::from) }
}

/// What people gave to one call. Where the call does not act after all, it is given back.
pub(crate) struct Use {
    id: String,
    number: u64,
    approvals: Arc<dyn Approvals>,
    made: bool,
}

impl std::fmt::Debug for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Use({} by {})", self.id, self.number)
    }
}

impl Use {
    pub(crate) fn of(given: &Given, hold: &Hold, approvals: &Arc<dyn Approvals>) -> Self {
        Self { id: given.id.clone(), number: hold.number, approvals: Arc::clone(approvals), made: false }
    }

    /// The call acts now.
    pub(crate) fn made(mut self) {
        self.made = true;
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        if !self.made {
            self.approvals.give_back(&self.id, self.number);
        }
    }
}

/// The member of a refusal that names the request, for clients that show it.
pub(crate) fn named_request(pending: &Pending) -> Value {
    let facts = BTreeMap::from([("id", pending.id.as_str()), ("url", pending.url.as_str())]);
    serde_json::json!(facts)
}
