//! A slip: what the client of one call is given that waits for people, and comes back with. On the wire it is a task of MCP
//! 2025-11-25, or of the extension `io.modelcontextprotocol/tasks`; it is not this gate's kind of task.
//!
//! What is told of it is the gate's own word, but for the outcome: that was labelled, cleaned and recorded when it came in,
//! and is kept as it was to be handed over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pdp::flow::Carried;
use pdp::json::{self, Edit, Layout, Part, Reading};
use pdp::moment::rfc3339;
use pdp::record::ResultNote;
use pdp::refusal::{Code, Refusal};
use tokio::sync::watch;

use crate::call::{Address, Head};
use crate::content::{note_carried, says_failed};
use crate::entry::OpenRecord;
use crate::envelope::Envelope;
use crate::job;
use crate::ports::{Hold, Pending, Ports};
use crate::reply::{Beside, refusal_text};
use crate::rewrite::label::LABEL;
use crate::task::window;

/// What every id of ours begins with.
pub(crate) const PREFIX: &str = "wgk_";
/// How often a client is asked to look.
const POLL_MS: u64 = 5000;
/// How long an outcome is kept at least.
pub(super) const KEPT_US: i64 = 900 * 1_000_000;
/// How long a call waits at most, and how much longer than its request: that is to end first.
const WAITS_US_MAX: i64 = 7 * 24 * 3600 * 1_000_000;
const LONGER_US: i64 = 30 * 1_000_000;
/// Where a result names the task it is of (MCP 2025-11-25, tasks).
const RELATED: &str = "io.modelcontextprotocol/related-task";
/// Where a refusal stands in what is told.
const REFUSAL: &str = "dev.wicketgate/refusal";

/// Whose a slip is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whose {
    /// The key of the principal.
    pub(crate) principal: String,
    server: String,
    /// The task that a host opened for it, where one did.
    task: Option<String>,
}

impl Whose {
    /// Whose this frame is.
    pub(crate) fn of(head: &Head) -> Self {
        let task = head.task.is_explicit().then(|| head.task.id().to_owned());
        Self { principal: head.principal.key(), server: head.server.clone(), task }
    }
}

/// One slip.
pub(crate) struct Slip {
    id: String,
    whose: Whose,
    tool: String,
    /// The task its call is of, which has read the outcome already.
    task: String,
    address: Address,
    /// The number and the trace of its call's record.
    named: (u64, String),
    made_us: i64,
    /// Until when its call waits.
    waits_us: i64,
    state: watch::Sender<State>,
}

#[derive(Default)]
struct State {
    words: String,
    changed_us: i64,
    cancelled: bool,
    /// The gate gives it up.
    dropped: bool,
    outcome: Option<Arc<Outcome>>,
    fetched: bool,
}

/// What came of a call.
pub(crate) struct Outcome {
    /// The result or the error, as JSON.
    text: Box<str>,
    is_error: bool,
    /// A result that says it failed.
    says_failed: bool,
    /// Why the gate refused it, where it did.
    words: String,
    carried: Carried,
}

impl Outcome {
    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Reads an answer. Nothing where it is none, or asks for something more instead.
    fn of(answer: &str, depth_max: usize) -> Option<Self> {
        let envelope = Envelope::read_answer(answer, depth_max).ok()?;
        let (part, is_error) = match envelope.part(answer, "result") {
            Some(result) if is_unfinished(result) => return None,
            Some(result) => (result, false),
            None => (envelope.part(answer, "error")?, true),
        };
        let meta = if is_error { part.get("data") } else { part.get("_meta") };
        let is_ours = meta.is_some_and(|meta| meta.get(REFUSAL).is_some());
        let label = meta.filter(|_| !is_error).and_then(|meta| meta.get(LABEL));
        Some(Self {
            text: part.text().into(),
            is_error,
            says_failed: !is_error && says_failed(part),
            words: if is_ours { words_of(part.text()) } else { String::new() },
            carried: label.and_then(|label| serde_json::from_str(label.text()).ok()).unwrap_or_default(),
        })
    }
}

/// Whether a result is none yet: a task of the server's own, or questions. It was told that nobody is there for either.
fn is_unfinished(result: Part<'_>) -> bool {
    let asks = result.get("resultType").is_some_and(|kind| kind.text() == "\"input_required\"");
    asks || job::begun_by(result).is_some()
}

/// The words of a refusal, which is short: the gate made it.
fn words_of(refusal: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(refusal).unwrap_or_default();
    let text = value.pointer("/content/0/text").or_else(|| value.pointer("/message"));
    text.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

impl Slip {
    pub(super) fn new(id: String, head: &Head, hold: &Hold, pending: &Pending, now_us: i64) -> Self {
        let most_us = now_us.saturating_add(WAITS_US_MAX);
        Self {
            id,
            whose: Whose::of(head),
            tool: hold.identity.action.clone(),
            task: head.task.id().to_owned(),
            address: Address { channel: None, ..head.address() },
            named: (hold.number, head.task.trace().to_owned()),
            made_us: now_us,
            waits_us: pending.until_us.clamp(now_us, most_us).saturating_add(LONGER_US),
            state: watch::Sender::new(State { changed_us: now_us, ..State::default() }),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn whose(&self) -> &Whose {
        &self.whose
    }

    /// The tool that was called.
    pub(crate) fn tool(&self) -> &str {
        &self.tool
    }

    /// How much longer its call waits.
    pub(crate) fn patience(&self, now_us: i64) -> Duration {
        Duration::from_micros(u64::try_from(self.waits_us.saturating_sub(now_us)).unwrap_or(0))
    }

    /// Says how its call stands.
    pub(crate) fn says(&self, words: String, now_us: i64) {
        self.change(now_us, |state| state.words = words);
    }

    /// Returns when its client has cancelled it.
    pub(crate) async fn cancelled(&self) {
        self.until(|state| state.cancelled).await;
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.state.borrow().cancelled
    }

    /// Returns when the gate gives it up.
    pub(super) async fn dropped(&self) {
        self.until(|state| state.dropped).await;
    }

    pub(super) fn drop_it(&self) {
        self.state.send_modify(|state| state.dropped = true);
    }

    /// Returns when its call is over.
    async fn over(&self) {
        self.until(|state| state.outcome.is_some()).await;
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        let mut seen = self.state.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _found = seen.wait_for(|state| holds(state)).await;
    }

    fn change(&self, now_us: i64, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            change(state);
            state.changed_us = now_us;
        });
    }

    pub(super) fn outcome(&self) -> Option<Arc<Outcome>> {
        self.state.borrow().outcome.clone()
    }

    /// Since when it may make room for others: its outcome was handed over.
    pub(super) fn spare_since(&self) -> Option<i64> {
        let state = self.state.borrow();
        (state.outcome.is_some() && state.fetched).then_some(state.changed_us)
    }

    /// Whether its time is up.
    pub(super) fn is_old(&self, now_us: i64) -> bool {
        let state = self.state.borrow();
        let kept_us = self.waits_us.max(state.changed_us).saturating_add(KEPT_US);
        state.outcome.is_some() && kept_us <= now_us
    }

    /// What this answer comes to; where there is none, that it was lost.
    pub(super) fn outcome_of(&self, answer: Option<&str>, depth_max: usize) -> Outcome {
        answer.and_then(|answer| Outcome::of(answer, depth_max)).unwrap_or_else(|| {
            let words = "there is no result to hand over: it was lost, or the server asked for something more, which nobody \
                         hears in a task; whether the call had an effect is unknown, so do not simply repeat it";
            self.outcome_in_words(words)
        })
    }

    /// That the outcome is none, in the gate's words.
    pub(super) fn outcome_in_words(&self, words: &str) -> Outcome {
        let refusal = Refusal::new(Code::AnswerLost, words);
        let text = refusal_text(&self.address, &refusal, Beside::default(), self.named.clone());
        let none = || Outcome {
            text: "{\"content\":[],\"isError\":true}".into(),
            is_error: false,
            says_failed: true,
            words: words.to_owned(),
            carried: Carried::default(),
        };
        Outcome::of(&text, pdp::digest::DEPTH_MAX).unwrap_or_else(none)
    }

    /// Its call is over. Once: what came first counts.
    pub(super) fn end(&self, outcome: Outcome, now_us: i64) {
        self.state.send_if_modified(|state| {
            if state.outcome.is_some() {
                return false;
            }
            if !state.cancelled {
                state.words = outcome.words.clone();
            }
            (state.outcome, state.changed_us) = (Some(Arc::new(outcome)), now_us);
            true
        });
    }

    /// Cancels its call. Answers false where there is nothing to cancel any more.
    fn cancel(&self, now_us: i64) -> bool {
        self.state.send_if_modified(|state| {
            let goes_on = !state.cancelled && state.outcome.is_none();
            if goes_on {
                "cancelled by its client".clone_into(&mut state.words);
                (state.cancelled, state.changed_us) = (true, now_us);
            }
            goes_on
        })
    }

    /// The members that tell how it stands. A result that says it failed is no failure of the extension's kind.
    fn members(&self, modern: bool) -> String {
        let state = self.state.borrow();
        let status = match &state.outcome {
            _ if state.cancelled => "cancelled",
            None => "working",
            Some(outcome) if outcome.is_error || (outcome.says_failed && !modern) => "failed",
            Some(_) => "completed",
        };
        let words = match state.words.as_str() {
            "" => String::new(),
            words => format!("\"statusMessage\":{},", json::quoted(words)),
        };
        let ttl = self.waits_us.saturating_add(KEPT_US).saturating_sub(self.made_us) / 1000;
        let (ttl_name, poll_name) = if modern { ("ttlMs", "pollIntervalMs") } else { ("ttl", "pollInterval") };
        let id = json::quoted(&self.id);
        let (made, changed) = (rfc3339(self.made_us), rfc3339(state.changed_us));
        format!(
            "\"taskId\":{id},\"status\":\"{status}\",{words}\"createdAt\":\"{made}\",\"lastUpdatedAt\":\"{changed}\",\
             \"{ttl_name}\":{ttl},\"{poll_name}\":{POLL_MS}"
        )
    }

    /// As a list of 2025-11-25 shows it.
    pub(crate) fn listed(&self) -> String {
        format!("{{{}}}", self.members(false))
    }

    /// The answer to its call: it waits, and this is the slip.
    pub(super) fn given(&self) -> String {
        let modern = self.address.modern;
        let members = self.members(modern);
        let result = if modern {
            format!("{{\"resultType\":\"task\",{members}}}")
        } else {
            format!("{{\"task\":{{{members}}}}}")
        };
        answer(self.address.id.as_deref(), "result", &result)
    }

    /// What came of its call: as the call itself would have been answered, in the name of this task.
    fn fetched(&self, id: Option<&str>) -> String {
        let Some(outcome) = self.outcome() else { return answer(id, "result", "{}") };
        if outcome.is_error {
            return answer(id, "error", &outcome.text);
        }
        let named = format!("{{\"taskId\":{}}}", json::quoted(&self.id));
        let related = Layout::read(&outcome.text, Reading { kept: 2, ..Reading::whole(usize::MAX) })
            .map(|layout| Edit::set_in(layout.root(&outcome.text), "_meta", RELATED, &named).of(&outcome.text));
        answer(id, "result", &related.unwrap_or_else(|_| outcome.text.to_string()))
    }

    /// How it stands, with what came of it, as the extension tells it.
    fn whole(&self, id: Option<&str>) -> String {
        let outcome = self.outcome().filter(|_| !self.is_cancelled()).map_or_else(String::new, |outcome| {
            format!(",\"{}\":{}", if outcome.is_error { "error" } else { "result" }, outcome.text)
        });
        answer(id, "result", &format!("{{\"resultType\":\"complete\",{}{outcome}}}", self.members(true)))
    }

    /// Answers what its client asks of it.
    ///
    /// # Errors
    /// When its era has no such method, when it is over, or when its client stops waiting.
    pub(crate) async fn asked(&self, head: &Head, ports: &Ports) -> Result<String, Refusal> {
        let id = head.envelope.id.as_deref();
        let method = head.envelope.method.as_deref().unwrap_or_default();
        match (method, head.modern) {
            ("tasks/get", true) => Ok(self.whole(id)),
            ("tasks/get", false) => Ok(answer(id, "result", &self.listed())),
            ("tasks/result", false) => {
                tokio::select! {
                    biased;
                    () = self.over() => Ok(self.fetched(id)),
                    () = head.cancelled() => {
                        Err(Refusal::new(Code::Cancelled, "the client does not wait for the result any more"))
                    }
                }
            }
            ("tasks/cancel", true) => {
                self.cancel(ports.clock.now_us());
                Ok(answer(id, "result", "{\"resultType\":\"complete\"}"))
            }
            ("tasks/cancel", false) if self.cancel(ports.clock.now_us()) => Ok(answer(id, "result", &self.listed())),
            ("tasks/cancel", false) => {
                Err(Refusal::new(Code::BadParameters, "the task is over: there is nothing to cancel any more"))
            }
            // It asks its client for nothing, so whatever it is answered is ignored (SEP-2663, tasks/update).
            ("tasks/update", true) => Ok(answer(id, "result", "{\"resultType\":\"complete\"}")),
            _ => {
                let words = format!("Method not found: `{method}` says nothing of such a task in this revision");
                Err(Refusal::new(Code::MethodClosed, words))
            }
        }
    }

    /// Whether what is asked is answered when its call is over.
    pub(crate) fn blocks(&self, head: &Head) -> bool {
        !head.modern && head.envelope.method.as_deref() == Some("tasks/result") && self.outcome().is_none()
    }

    /// What was asked is handed over now. Where that is the outcome and another task reads it than its call's own, that task has
    /// read it from here on.
    pub(crate) fn handed_over(&self, head: &Head, entry: &mut OpenRecord, ports: &Ports, text: &str) {
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let mut note = ResultNote { bytes, ..ResultNote::default() };
        let tells = if head.modern { "tasks/get" } else { "tasks/result" };
        if head.envelope.method.as_deref() == Some(tells)
            && let Some(outcome) = self.outcome()
        {
            note.is_error = outcome.says_failed;
            note_carried(entry, outcome.carried.clone());
            if head.task.id() != self.task {
                head.task.gather(&outcome.carried);
                let labels = outcome.carried.labels.clone().join(&head.task.labels());
                window::read_under(head, &labels, None, text, &ports.limits);
            }
            self.state.send_modify(|state| state.fetched = true);
        }
        entry.write(|record| record.result = Some(note));
    }
}

fn answer(id: Option<&str>, member: &str, value: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"{member}\":{value}}}", id.unwrap_or("null"))
}

// Written by hand: it holds a result, and its id is its client's alone.
impl fmt::Debug for Slip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slip({} {})", self.whose.server, self.tool)
    }
}
