//! Audit: no effect without a written intent, no reply without a sealed record.
//!
//! The only maker of [`IntentReceipt`], [`Reply`] and [`Answer`].

use std::sync::Arc;

use pdp::json;
use pdp::record::{Direction, Ending, Entry, FrameKind, Intent, ResultNote};
use pdp::refusal::{Code, Refusal};

use crate::approval::{Held, Told};
use crate::call::{Address, Call, Stopped};
use crate::effect::rollback;
use crate::entry::OpenRecord;
use crate::long::LongAnswer;
use crate::ports::{Gate, LedgerFault, Ports};
use crate::reply::{Answer, Beside, Body, Reply, is_tool_result, refusal_text, status};
use crate::stages::s8_outcome::{Handed, Labelled};
use crate::stream::EventStream;

/// Proof that the ledger has an intent, or, for what has no effect, that it can take the record.
#[derive(Debug)]
pub struct IntentReceipt {
    number: u64,
}

impl IntentReceipt {
    /// The number of the frame.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

/// Writes the intent of a frame. It is durable when this returns. A harmless call has none: what it would say, its record
/// says, and for want of an effect nothing is owed to the time between.
pub(super) async fn intend(number: u64, intent: Option<Intent>, ports: &Ports) -> Result<IntentReceipt, Refusal> {
    let written = match intent {
        None => ports.ledger.health(),
        Some(intent) => ports.ledger.commit(Entry::Intent(intent)).await,
    };
    match written {
        Ok(()) => Ok(IntentReceipt { number }),
        Err(fault) => Err(unavailable(&fault)),
    }
}

/// Closes the record and releases the reply.
pub(crate) async fn seal(ending: Result<Call<Labelled>, Stopped>, gate: &Arc<Gate>) -> Reply {
    match ending {
        Err(stopped) => refused(stopped, gate).await,
        Ok(call) => {
            let (head, mut entry, labelled) = call.into_parts();
            match labelled.into_handed() {
                Handed::Whole { status, headers, text } => {
                    let address = head.address();
                    entry.handed(text.as_deref().unwrap_or_default());
                    let named = entry.read(|record| (record.number, record.trace.clone())).unwrap_or_default();
                    match close(entry, Ending::Served, &gate.ports).await {
                        Ok(()) => Reply::new(status, headers, text.map_or(Body::Empty, Body::Json)),
                        Err(refusal) => refusal_reply(&address, &refusal, Beside::default(), named),
                    }
                }
                Handed::Long(status, headers, passage) => {
                    let answer = LongAnswer::new(head, entry, passage, Arc::clone(gate));
                    Reply::new(status, headers, Body::Long(Box::new(answer)))
                }
                Handed::Stream(mut flow) => {
                    let (status, headers) = (flow.status, std::mem::take(&mut flow.headers));
                    let stream = EventStream::new(head, entry, flow, Arc::clone(gate));
                    Reply::new(status, headers, Body::Stream(Box::new(stream)))
                }
            }
        }
    }
}

/// Closes a record. What may have had an effect is durable when this returns.
pub(crate) async fn close(mut entry: OpenRecord, ending: Ending, ports: &Ports) -> Result<(), Refusal> {
    let durable = entry.has_intent();
    entry.stage("audit");
    let Some(record) = entry.seal(ending) else { return Ok(()) };
    let entry = Entry::Record(record);
    let written = if durable { ports.ledger.commit(entry).await } else { ports.ledger.append(entry) };
    written.map_err(|fault| if durable { unrecorded(&fault) } else { unavailable(&fault) })
}

/// The refusal of an answer whose record could not be written though its intent was: to say "try again" might do it twice.
fn unrecorded(fault: &LedgerFault) -> Refusal {
    let words = format!(
        "the ledger could not take the record ({fault}), so the answer is withheld; whether the call had an effect is \
         not told, so do not simply repeat it"
    );
    Refusal::new(Code::AnswerLost, words)
}

fn unavailable(fault: &LedgerFault) -> Refusal {
    let words = format!("the ledger cannot take the record ({fault}); no call is made until it can");
    Refusal::new(Code::LedgerUnavailable, words)
}

/// How a stopped frame ended: what was sent and not answered, or answered and withheld, may have had its effect.
fn ending_of(entry: &OpenRecord, code: Code) -> Ending {
    let acted = entry.has_intent();
    let sent = entry.read(|record| !record.attempts.is_empty()).unwrap_or(false);
    // These stop a frame before it is sent, or withhold what came back for what it asks of the client.
    let withheld = sent && matches!(code, Code::Denied | Code::ApprovalUnavailable | Code::BrokenFrame);
    let unanswered = withheld
        || matches!(
            code,
            Code::TimedOut | Code::AnswerLost | Code::Quarantined | Code::RollbackFailed | Code::Cancelled
        );
    // A server's own doorkeeper refuses only what was sent.
    let failed = withheld
        || matches!(
            code,
            Code::TimedOut
                | Code::AnswerLost
                | Code::Quarantined
                | Code::RolledBack
                | Code::RollbackFailed
                | Code::Unreachable
        )
        || (sent && code == Code::CredentialUnavailable);
    match (acted && unanswered, code == Code::Cancelled, failed) {
        (true, _, _) => Ending::Indeterminate,
        (false, true, _) => Ending::Abandoned,
        (false, false, true) => Ending::Failed,
        (false, false, false) => Ending::Refused,
    }
}

async fn refused(stopped: Stopped, gate: &Arc<Gate>) -> Reply {
    let Stopped { mut entry, address, refusal, advice, again, pending } = stopped;
    let refusal = rollback::carried_out(&mut entry, *refusal, gate).await;
    entry.write(|record| {
        record.result = told(&address, refusal.code);
        record.refusal = Some(refusal.clone());
    });
    let named = entry.read(|record| (record.number, record.trace.clone())).unwrap_or_default();
    let ending = ending_of(&entry, refusal.code);
    let (pending, asks) =
        pending.map(|told| *told).map_or((None, None), |told: Told| (Some(told.pending), told.answer));
    match (close(entry, ending, &gate.ports).await, again.or(asks)) {
        (Ok(()), Some(answer)) => answered_again(&address, &answer),
        (Ok(()), None) => {
            let beside = Beside { advice: advice.as_deref(), pending: pending.as_ref() };
            refusal_reply(&address, &refusal, beside, named)
        }
        (Err(worse), _) => refusal_reply(&address, &worse, Beside::default(), named),
    }
}

/// The reply to a call that is held, whose client is told so on the stream that its answer will end. The records of all
/// that passes on it are their own.
pub(crate) fn held(held: Held) -> Reply {
    Reply::new(200, Vec::new(), Body::Held(Box::new(held)))
}

/// An answer that was made before, under the id of this request.
fn answered_again(address: &Address, answer: &str) -> Reply {
    let id = address.id.as_deref().unwrap_or("null");
    // The answer was made by the gate itself, so it can be read.
    let text = json::with_member(answer, "id", id).unwrap_or_else(|_| answer.to_owned());
    Reply::new(200, Vec::new(), Body::Json(text))
}

/// Carries out what is planned for a call whose answer is withheld, closes its record, and answers what is told instead.
pub(crate) async fn withhold(mut entry: OpenRecord, refusal: Refusal, gate: &Arc<Gate>) -> Refusal {
    let refusal = rollback::carried_out(&mut entry, refusal, gate).await;
    let ending = match (refusal.code, entry.has_intent()) {
        (Code::RolledBack, _) | (_, false) => Ending::Failed,
        (_, true) => Ending::Indeterminate,
    };
    entry.write(|record| record.refusal = Some(refusal.clone()));
    let _refused = close(entry, ending, &gate.ports).await;
    refusal
}

/// What a refused request is answered with, as the record and its spans tell it. A frame without an id gets no answer.
fn told(address: &Address, code: Code) -> Option<ResultNote> {
    address.id.as_ref()?;
    let is_error = is_tool_result(address, code);
    let error_code = (!is_error).then(|| code.rpc_code());
    Some(ResultNote { is_error, error_code, ..ResultNote::default() })
}

/// A refusal on its way to whoever sent the frame: a client, or a server whose request was refused.
fn refusal_reply(address: &Address, refusal: &Refusal, beside: Beside<'_>, named: (u64, String)) -> Reply {
    let text = refusal_text(address, refusal, beside, named);
    let status = status(address, refusal.code);
    match (address.direction, &address.channel) {
        (Direction::ToClient, Some(channel)) => {
            // Only a request is answered: the id of a stray answer may be that of a question of the server's own.
            let asks = address.kind == FrameKind::Request;
            let answer = asks.then(|| Answer::new(Arc::clone(channel), text));
            Reply::new(status, Vec::new(), answer.map_or(Body::Empty, Body::ToServer))
        }
        (Direction::ToClient, None) => Reply::new(status, Vec::new(), Body::Empty),
        (Direction::ToServer, _) => Reply::new(status, Vec::new(), Body::Json(text)),
    }
}

/// The refusal of a request whose stream ended without its answer, as an event's text.
pub(crate) fn refusal_event(address: &Address, refusal: &Refusal, named: (u64, String)) -> String {
    refusal_text(address, refusal, Beside::default(), named)
}
