//! What people say. The first word that decides counts, under one lock; it is in the ledger before anything follows from it,
//! and on disk before whoever said it hears that it counts.

use std::collections::BTreeSet;

use pdp::approval::{Granting, Refusing, Request, State, StepFault, When};
use pdp::principal::Principal;
use pep::ports::LedgerFault;

use super::store::{KeepFault, Kept, durable};
use super::{Requests, Sight};
use crate::notices::{Outcome, Told};

/// Why a word does not count.
#[derive(Debug, thiserror::Error)]
pub enum DecideFault {
    /// There is no such request, or none of this tenant.
    #[error("no request `{0}` is known here; see `/v1/approvals`")]
    Unknown(String),
    /// It cannot be said.
    #[error(transparent)]
    Step(#[from] StepFault),
    /// It cannot be given for so many calls.
    #[error("{asked} identical calls have asked for it; an approval is given for no more than that")]
    Uses {
        /// How many have asked.
        asked: u32,
    },
    /// Nobody can see what they would say yes to.
    #[error(
        "its sensitive arguments were not kept over a restart, so nobody can see what it would do; it can be approved once \
         the call comes again, and refused now"
    )]
    Withheld,
    /// It cannot be recorded, and what is not recorded does not count.
    #[error("the ledger cannot take the decision ({0}), so it does not count")]
    Ledger(LedgerFault),
    /// It counts, and would not after a restart.
    #[error("it counts, but would not after a restart: {0}")]
    Kept(KeepFault),
}

impl Requests {
    /// What this person would give by this, and whether a second proof is asked for it.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub fn would_give(
        &self,
        id: &str,
        who: &Principal,
        granting: &Granting,
    ) -> Result<(BTreeSet<String>, bool), DecideFault> {
        let now_us = self.now_us();
        let mut book = self.locked();
        self.expire(&mut book, id, now_us);
        let sight = book.get(id).map(Sight::of).filter(|sight| sight.request.asker().tenant == who.tenant);
        let sight = sight.ok_or_else(|| DecideFault::Unknown(id.to_owned()))?;
        drop(book);
        if !sight.whole && matches!(sight.request.state(), State::Pending(_)) {
            return Err(DecideFault::Withheld);
        }
        let grants = sight.request.would_give(who, granting, self.rules())?;
        if granting.uses > sight.asked.max(1) {
            return Err(DecideFault::Uses { asked: sight.asked });
        }
        let steps_up = grants.iter().any(|grant| self.rules().of(grant).step_up);
        Ok((grants, steps_up))
    }

    /// Somebody says yes.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn approve(&self, id: &str, who: &Principal, granting: &Granting) -> Result<Sight, DecideFault> {
        self.would_give(id, who, granting)?;
        let until_us = |at_us: i64| at_us.saturating_add(self.settings.granted_us);
        let decided = self.decided(id, who, |request, at_us| {
            let when = When { at_us, until_us: until_us(at_us) };
            let grants = request.grant(who, granting, self.rules(), when)?;
            let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
            let grants = grants.join(", ");
            let note = if granting.note.is_empty() { String::new() } else { format!(": {}", granting.note) };
            // Of several who give it, the strictest says for how many calls.
            let (what, more) = match request.state() {
                State::Granted(granted) => {
                    ("approval_granted", format!(", for {} of the calls that ask", granted.uses()))
                }
                State::Pending(_) | State::Spent(_) | State::Refused(_) | State::Expired(_) | State::Closed(_) => {
                    ("approval_given", ", and more is needed".to_owned())
                }
            };
            Ok((what, format!("gave {grants}{more}{note}")))
        })?;
        self.heard(id, decided).await
    }

    /// Somebody says no.
    ///
    /// # Errors
    /// Why it does not count.
    pub async fn deny(&self, id: &str, who: &Principal, refusing: &Refusing) -> Result<Sight, DecideFault> {
        let decided = self.decided(id, who, |request, at_us| {
            let when = When { at_us, until_us: at_us.saturating_add(self.settings.refused_us) };
            request.refuse(who, refusing, self.rules(), when)?;
            Ok(("approval_refused", format!("refused: {}", refusing.reason)))
        })?;
        self.heard(id, decided).await
    }

    /// Makes a step that counts only if it can be recorded.
    fn decided(
        &self,
        id: &str,
        who: &Principal,
        step: impl FnOnce(&mut Request, i64) -> Result<(&'static str, String), StepFault>,
    ) -> Result<Kept, DecideFault> {
        let now_us = self.now_us();
        let unknown = || DecideFault::Unknown(id.to_owned());
        let mut book = self.locked();
        self.expire(&mut book, id, now_us);
        let sight = book.get(id).map(Sight::of).filter(|sight| sight.request.asker().tenant == who.tenant);
        let mut sight = sight.ok_or_else(unknown)?;
        let (what, words) = step(&mut sight.request, now_us)?;
        let event = self.event(&sight.request, &sight.about, what, Some(&who.key()), &words);
        self.recorded(event).map_err(DecideFault::Ledger)?;
        book.step(id, |request| *request = sight.request);
        let outcome = book.get(id).and_then(|entry| match entry.request.state() {
            State::Granted(_) => Some(Outcome::Granted),
            State::Refused(_) => Some(Outcome::Refused),
            // More is needed, or it is no decision of people.
            State::Pending(_) | State::Spent(_) | State::Expired(_) | State::Closed(_) => None,
        });
        if outcome.is_some() {
            self.notify(&book, id, Told::Decided, outcome, Some(&who.key()));
        }
        book.get(id).map(|entry| self.keep(entry)).ok_or_else(unknown)
    }

    async fn heard(&self, id: &str, kept: Kept) -> Result<Sight, DecideFault> {
        durable(kept).await.map_err(DecideFault::Kept)?;
        self.find(id).ok_or_else(|| DecideFault::Unknown(id.to_owned()))
    }
}
