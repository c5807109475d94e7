//! The life of one effect as types: planned, attempted, answered, being undone, over. Each step spends the one before, and
//! there are no other steps; so no effect ends committed that was not answered, or rolled back that was not undone.
//!
//! ```text
//! Planned --intent durable--> Attempted --answer--> Answered --handed over--> committed
//!    |                           |                     |-----withheld-------> quarantined
//!    '-> denied                  |-not sent-> denied   |-----lost-----------> indeterminate
//!                                '-lost-> indeterminate'-> Undoing --done---> rolled_back
//!                                                             '---unknown---> indeterminate
//! ```

use pdp::record::{EffectNote, EffectState, Ending, PreviewNote, RollbackNote};

use crate::stages::s9_audit::IntentReceipt;

/// Nothing has been done yet.
#[derive(Debug)]
pub(crate) struct Planned {
    _made_here: (),
}

/// Its intent is durable: from here on it may have been done.
#[derive(Debug)]
pub(crate) struct Attempted {
    _made_here: (),
}

/// Its server has answered, and the answer is not handed over yet.
#[derive(Debug)]
pub(crate) struct Answered {
    _made_here: (),
}

/// Its result was not as it must be, and it is being undone.
#[derive(Debug)]
pub(crate) struct Undoing {
    _made_here: (),
}

/// It is over. Made by the last step of a life alone.
#[derive(Debug)]
pub(crate) struct Over(EffectState);

impl Planned {
    fn attempt(self, _proof: &IntentReceipt) -> Attempted {
        Attempted { _made_here: () }
    }

    fn deny(self) -> Over {
        Over(EffectState::Denied)
    }
}

impl Attempted {
    fn answer(self) -> Answered {
        Answered { _made_here: () }
    }

    fn not_sent(self) -> Over {
        Over(EffectState::Denied)
    }

    fn lose(self) -> Over {
        Over(EffectState::Indeterminate)
    }
}

impl Answered {
    fn commit(self) -> Over {
        Over(EffectState::Committed)
    }

    fn withhold(self) -> Over {
        Over(EffectState::Quarantined)
    }

    fn undo(self) -> Undoing {
        Undoing { _made_here: () }
    }

    fn lose(self) -> Over {
        Over(EffectState::Indeterminate)
    }
}

impl Undoing {
    fn done(self) -> Over {
        Over(EffectState::RolledBack)
    }

    fn lose(self) -> Over {
        Over(EffectState::Indeterminate)
    }
}

/// Where a life stands.
#[derive(Debug)]
enum Phase {
    Planned(Planned),
    Attempted(Attempted),
    Answered(Answered),
    Undoing(Undoing),
    Over(Over),
}

/// The life of one effect, and what was found on the way.
#[derive(Debug)]
pub(crate) struct Life {
    phase: Phase,
    again: Option<u64>,
    fault: Option<String>,
    key: Option<String>,
    preview: Option<PreviewNote>,
    rollback: Option<RollbackNote>,
}

impl Life {
    /// A life begins.
    pub(super) fn planned() -> Self {
        let phase = Phase::Planned(Planned { _made_here: () });
        Self { phase, again: None, fault: None, key: None, preview: None, rollback: None }
    }

    /// One that is only known by its answer: a call that may do nothing has no life until its result is withheld.
    pub(super) fn answered_only() -> Self {
        let phase = Phase::Answered(Answered { _made_here: () });
        Self { phase, again: None, fault: None, key: None, preview: None, rollback: None }
    }

    /// The intent is durable.
    pub(crate) fn attempted(self, proof: &IntentReceipt) -> Self {
        self.step(|phase| match phase {
            Phase::Planned(planned) => Phase::Attempted(planned.attempt(proof)),
            other @ (Phase::Attempted(_) | Phase::Answered(_) | Phase::Undoing(_) | Phase::Over(_)) => other,
        })
    }

    /// The server has answered.
    pub(crate) fn answered(self) -> Self {
        self.step(|phase| match phase {
            Phase::Attempted(attempted) => Phase::Answered(attempted.answer()),
            other @ (Phase::Planned(_) | Phase::Answered(_) | Phase::Undoing(_) | Phase::Over(_)) => other,
        })
    }

    /// The result is not as it must be, and is withheld.
    pub(crate) fn withheld(self, fault: String) -> Self {
        let life = self.step(|phase| match phase {
            Phase::Answered(answered) => Phase::Over(answered.withhold()),
            other @ (Phase::Planned(_) | Phase::Attempted(_) | Phase::Undoing(_) | Phase::Over(_)) => other,
        });
        Self { fault: Some(fault), ..life }
    }

    /// The result is not as it must be, and the effect is to be undone.
    pub(crate) fn undoing(self, fault: String, tool: String) -> Self {
        let life = self.step(|phase| match phase {
            Phase::Answered(answered) => Phase::Undoing(answered.undo()),
            other @ (Phase::Planned(_) | Phase::Attempted(_) | Phase::Undoing(_) | Phase::Over(_)) => other,
        });
        // Until it is known to be done, it is not.
        let rollback = Some(RollbackNote { fault: Some("it was not carried out to its end".to_owned()), tool });
        Self { fault: Some(fault), rollback, ..life }
    }

    /// What became of the undoing.
    pub(crate) fn undone(self, outcome: &Result<(), String>) -> Self {
        let life = self.step(|phase| match (phase, outcome) {
            (Phase::Undoing(undoing), Ok(())) => Phase::Over(undoing.done()),
            (Phase::Undoing(undoing), Err(_)) => Phase::Over(undoing.lose()),
            (other @ (Phase::Planned(_) | Phase::Attempted(_) | Phase::Answered(_) | Phase::Over(_)), _) => other,
        });
        let rollback = life.rollback.map(|note| RollbackNote { fault: outcome.as_ref().err().cloned(), ..note });
        Self { rollback, ..life }
    }

    /// It came with this idempotency key.
    pub(crate) fn keyed(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }

    /// It was made before, as this record says, and is given that one's answer.
    pub(crate) fn given_again(self, first: u64) -> Self {
        Self { again: Some(first), ..self }
    }

    /// A preview was made.
    pub(crate) fn previewed(self, note: PreviewNote) -> Self {
        Self { preview: Some(note), ..self }
    }

    /// The call is over, and how. What its record says of the effect.
    pub(crate) fn over(self, ending: Ending) -> EffectNote {
        let Self { phase, again, fault, key, preview, rollback } = self;
        let Over(state) = match phase {
            Phase::Planned(planned) => planned.deny(),
            Phase::Attempted(attempted) => match ending {
                // Handed on piece by piece: the answer was seen by nobody but its reader.
                Ending::Served => attempted.answer().commit(),
                Ending::Refused | Ending::Failed => attempted.not_sent(),
                Ending::Abandoned | Ending::Panicked | Ending::Indeterminate => attempted.lose(),
            },
            Phase::Answered(answered) => match ending {
                Ending::Served => answered.commit(),
                // Whatever stopped its answer on the way: what it answered it has done.
                Ending::Refused | Ending::Failed | Ending::Abandoned | Ending::Panicked | Ending::Indeterminate => {
                    answered.lose()
                }
            },
            Phase::Undoing(undoing) => undoing.lose(),
            Phase::Over(over) => over,
        };
        EffectNote { again, fault, key, preview, rollback, state }
    }

    fn step(self, step: impl FnOnce(Phase) -> Phase) -> Self {
        Self { phase: step(self.phase), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempted() -> Life {
        Life { phase: Phase::Attempted(Attempted { _made_here: () }), ..Life::planned() }
    }

    fn check(life: Life, ending: Ending, state: EffectState) {
        assert_eq!(life.over(ending).state, state);
    }

    #[test]
    fn every_life_has_one_end() {
        use EffectState::{Committed, Denied, Indeterminate, Quarantined, RolledBack};
        let undoing = || attempted().answered().undoing("x".into(), "t".into());
        for ending in Ending::ALL {
            check(Life::planned(), ending, Denied);
            check(attempted().answered().withheld("x".into()), ending, Quarantined);
            check(undoing().undone(&Ok(())), ending, RolledBack);
            check(undoing().undone(&Err("y".into())), ending, Indeterminate);
            check(undoing(), ending, Indeterminate);
            // Nothing is undone or withheld that was not answered, and nothing is committed that was.
            check(Life::planned().undoing("x".into(), "t".into()).undone(&Ok(())), ending, Denied);
            check(Life::planned().answered().withheld("x".into()), ending, Denied);
            let (sent, answered) = match ending {
                Ending::Served => (Committed, Committed),
                Ending::Refused | Ending::Failed => (Denied, Indeterminate),
                Ending::Abandoned | Ending::Panicked | Ending::Indeterminate => (Indeterminate, Indeterminate),
            };
            check(attempted(), ending, sent);
            check(attempted().answered(), ending, answered);
        }
        let note = undoing().over(Ending::Indeterminate);
        assert!(note.rollback.is_some_and(|rollback| rollback.fault.is_some()), "what was begun is not done");
    }
}
