//! What standing policies said before: those whose answer depends on standing facts alone; see [`super::needs`].

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{PoisonError, RwLock};

use super::evaluate::Heard;
use super::facts::Facts;
use crate::decision::Reason;
use crate::label::LabelSet;
use crate::principal::Principal;

/// Beyond this many answers the memory is emptied: it only saves time, and must stay bounded.
const ANSWERS_MAX: usize = 512;

/// Everything such an answer depends on, within one slice of one snapshot, and the answer.
#[derive(Debug)]
struct Answered {
    principal: Principal,
    server: String,
    labels: LabelSet,
    grants: BTreeSet<String>,
    answer: Result<Heard, Reason>,
}

/// The memory of one slice.
#[derive(Debug, Default)]
pub(super) struct Memory {
    hasher: RandomState,
    answers: RwLock<HashMap<u64, Answered>>,
}

impl Memory {
    /// The answer given before, or the one that is given now.
    pub(super) fn recall(
        &self,
        principal: &Principal,
        server: &str,
        facts: &Facts,
        grants: &BTreeSet<String>,
        ask: impl FnOnce() -> Result<Heard, Reason>,
    ) -> Result<Heard, Reason> {
        let key = self.hasher.hash_one((principal, server, &facts.labels, grants));
        let same = |known: &&Answered| {
            known.principal == *principal
                && known.server == server
                && known.labels == facts.labels
                && known.grants == *grants
        };
        let found = self
            .answers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .filter(same)
            .map(|a| a.answer.clone());
        found.unwrap_or_else(|| {
            let answer = ask();
            let known = Answered {
                principal: principal.clone(),
                server: server.to_owned(),
                labels: facts.labels.clone(),
                grants: grants.clone(),
                answer: answer.clone(),
            };
            let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
            if answers.len() >= ANSWERS_MAX {
                answers.clear();
            }
            answers.insert(key, known);
            answer
        })
    }
}
