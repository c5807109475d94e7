//! The policy enforcement point (PEP): the path of one frame, in order. Start at [`run`].
//!
//! Every frame in either direction goes this way: requests, notifications, responses, server-to-client requests, each
//! event of a stream. There is no second way to an upstream and no second way to a client. The crate opens no socket,
//! file or process, and reads no clock: it asks its ports.

mod approval;
mod asides;
mod call;
mod carried;
mod channel;
mod content;
mod effect;
mod entry;
mod envelope;
mod fair;
mod frame;
mod headers;
mod inside;
mod job;
mod long;
mod memories;
mod memory;
mod notice;
pub mod ports;
mod reply;
mod rewrite;
mod stages;
mod stream;
mod task;
mod trace;
mod validation;

pub use approval::{Held, SlipBounds, Slips, asker};
pub use call::{Call, Stopped};
pub use channel::{Channel, Channels};
pub use effect::{Quarantine, ReleaseFault, Withheld};
pub use frame::{Caller, Frame};
pub use inside::{Asks, Inside};
pub use long::{CutOff, LongAnswer, PieceSource};
pub use memories::Memories;
pub use reply::{Answer, Body, Reply};
pub use stages::{
    s1_intake::Proposed,
    s2_classify::Classified,
    s3_policy::Judged,
    s4_guardrail::Cleared,
    s5_approval::Authorized,
    s6_credential::Credentialed,
    s7_action::{Dispatch, Executed, Outbound, Secret},
    s8_outcome::{Labelled, Raw},
    s9_audit::IntentReceipt,
};
pub use stream::{Event, EventSource, EventStream};
pub use task::{
    Cause, Claims, Heard, Key, OpenFault, Opened, Opening, Over, PlanState, SayFault, Speaker, Task, Tasks, Terms,
    Token, Unsaid, WaitingCall,
};
pub use trace::{Propagation, TraceContext};

use std::sync::Arc;

use ports::Gate;
use stages::{
    s1_intake, s2_classify, s3_policy, s4_guardrail, s5_approval, s6_credential, s7_action, s8_outcome, s9_audit,
};

/// Carries one frame from arrival to reply. The only way in, and the only way out.
pub async fn run(frame: Frame, gate: &Arc<Gate>) -> Reply {
    if let Some(watched) = approval::Watched::of(&frame) {
        return approval::run(frame, gate, watched).await;
    }
    // Boxed once: the stages' future is large, and the listener moves it.
    let ending = Box::pin(flow(frame, gate)).await;
    s9_audit::seal(ending, gate).await
}

async fn flow(frame: Frame, gate: &Arc<Gate>) -> Result<Call<Labelled>, Stopped> {
    let call = s1_intake::admit(frame, gate)?;
    let call = s2_classify::classify(call, gate).await?;
    let call = s3_policy::judge(call, &gate.ports)?;
    let call = s4_guardrail::clear(call, &gate.ports)?;
    let call = s5_approval::authorize(call, gate).await?;
    let call = s6_credential::equip(call, &gate.ports).await?;
    let call = s7_action::execute(call, &gate.ports).await?;
    s8_outcome::label(call, &gate.ports)
}
