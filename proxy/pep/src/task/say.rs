//! Says something of a task: checked, written to the ledger, and only then taken in. The one way for hosts and agents alike.
//!
//! What is said is a claim: it raises no label and permits nothing, and no stage reads its words, save that a value in a
//! prompt of the host's is one that the user gave.

use pdp::record::{Entry, PlanNote, Said, Saying, Standing, Voice};

use super::plan::{Heard, Unsaid};
use super::{Claims, HeldStep, Task};
use crate::ports::{Clock, Ledger, LedgerFault};

/// Who says something of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The key of the principal.
    pub by: String,
    /// Whether it is the host or the agent.
    pub voice: Voice,
    /// The number of the call by which the agent says it.
    pub number: Option<u64>,
}

/// Why something was not said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SayFault {
    /// It cannot be said of this task now.
    #[error(transparent)]
    Unsaid(#[from] Unsaid),
    /// It could not be written, so it was not taken in either.
    #[error("the ledger cannot take it ({0}); nothing was recorded")]
    Ledger(#[from] LedgerFault),
}

impl Task {
    /// What was said of it, and the plan that follows from that.
    #[must_use]
    pub fn claims(&self) -> &std::sync::Arc<Claims> {
        &self.claims
    }

    /// Matches a call to the plans of this task and of those it was handed on from: a hand-off is no way out of a plan. The
    /// note is of the nearest plan that the call does not fit, else of the nearest there is; nothing where there is none.
    pub(crate) fn meet(self: &std::sync::Arc<Self>, server: &str, tool: &str) -> Option<(PlanNote, Vec<HeldStep>)> {
        let (mut noted, mut held) = (None::<PlanNote>, Vec::new());
        for (note, step) in self.lineage().filter_map(|task| task.claims.meet(server, tool)) {
            held.extend(step);
            if noted.as_ref().is_none_or(|nearer| nearer.step.is_some() && note.step.is_none()) {
                noted = Some(note);
            }
        }
        noted.map(|note| (note, held))
    }

    /// Records what is said of this task. It is durable when this returns.
    ///
    /// # Errors
    /// When it is out of bounds, does not fit what was said before, or the ledger cannot take it.
    pub async fn say(
        &self,
        saying: Saying,
        speaker: Speaker,
        ledger: &dyn Ledger,
        clock: &dyn Clock,
    ) -> Result<Heard, SayFault> {
        let Speaker { by, voice, number } = speaker;
        self.claims.admits(&saying, voice)?;
        let said = Said {
            at_us: clock.now_us(),
            by,
            number,
            said: saying.clone(),
            standing: Standing::SelfReported,
            task: self.id().to_owned(),
            trace: self.trace().to_owned(),
            voice,
        };
        ledger.commit(Entry::Said(said)).await?;
        // What the trusted host says its user asked, the user gave, as with the goal. An agent's word for it counts nothing.
        if let (Saying::Prompt { text }, Voice::Host) = (&saying, voice) {
            self.seen().given(text);
        }
        Ok(self.claims.hear(&saying, voice))
    }
}
