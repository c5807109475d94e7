//! Idempotency keys: a client that does not know whether its call arrived sends it again with the same key, and the effect
//! happens once. The second call is answered with what the first was answered, or with what is known of it.
//!
//! Keys are the task's own. A store that is full takes no more keys rather than forget one: a forgotten key would let an
//! effect happen twice. Answers are kept as long as there is room; of one that had to go, it is said that there was one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pdp::digest::Digest;
use pdp::record::EffectState;
use pdp::refusal::{Code, Refusal};

use crate::call::Head;
use crate::task::Task;

/// The header, in lower case, and the member of `_meta`, that hold a key.
pub(crate) const HEADER: &str = "idempotency-key";
const META: &str = "dev.wicketgate/idempotency-key";
/// How long a key may be, in bytes.
const KEY_BYTES_MAX: usize = 256;
/// How many keys a task may use.
const KEYS_MAX: usize = 1024;
/// How long an answer may be that is kept, and how many bytes of answers a task may keep.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const ANSWERS_BYTES_MAX: usize = 1 << 20;

/// The key a call came with.
///
/// # Errors
/// When header and message disagree, or it is no string or too long.
pub(crate) fn key_of(head: &Head) -> Result<Option<String>, Refusal> {
    let header = head.headers.iter().find(|(name, _)| name == HEADER).map(|(_, value)| value.clone());
    let meta = head.envelope.param_part(&head.text, "_meta").and_then(|meta| meta.get(META));
    let meta = match meta.map(|part| part.string()) {
        None => None,
        Some(Some(key)) => Some(key.into_owned()),
        // Overlooked, it would let an effect happen twice that was to happen once.
        Some(None) => {
            let words = format!("`_meta[\"{META}\"]` must be a string; put a number between quotes");
            return Err(Refusal::new(Code::BadParameters, words));
        }
    };
    let key = match (header, meta) {
        (Some(header), Some(meta)) if header != meta => {
            let words = format!("`Idempotency-Key` and `_meta[\"{META}\"]` name different keys");
            return Err(Refusal::new(Code::HeaderMismatch, words));
        }
        (header, meta) => header.or(meta),
    };
    match key {
        Some(key) if key.is_empty() || key.len() > KEY_BYTES_MAX => {
            let words = format!("an idempotency key has 1 to {KEY_BYTES_MAX} bytes");
            Err(Refusal::new(Code::BadParameters, words))
        }
        key => Ok(key),
    }
}

/// The keys of one task.
#[derive(Default)]
pub(crate) struct Once(Mutex<Keys>);

// Written by hand: a derived `Debug` would print answers.
impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Once(..)")
    }
}

#[derive(Default)]
struct Keys {
    by_key: HashMap<String, Slot>,
    bytes: usize,
}

struct Slot {
    /// The call it was first used for.
    call: Digest,
    /// The record of that call.
    record: u64,
    state: State,
}

enum State {
    UnderWay,
    /// Done, and its answer, if it was kept.
    Over(EffectState, Option<Arc<str>>),
}

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Known {
    /// It is new, and belongs to this call from now on.
    New(Claim),
    /// The same call was made before, and this was its answer.
    Answered(u64, Arc<str>),
    /// The same call was made before, and its result was withheld, as this record says; in words, where it is not kept any more.
    Withheld(u64, Refusal),
    /// It was used before, and the call is not to be made; in words.
    Refused(Refusal),
}

/// A key that belongs to a call. Where the call does nothing, the key is free again.
#[derive(Debug)]
pub(crate) struct Claim {
    task: Arc<Task>,
    key: String,
    answer: Option<Arc<str>>,
}

impl Once {
    fn locked(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claims a key for a call of this record.
pub(crate) fn claim(task: &Arc<Task>, key: String, call: Digest, record: u64) -> Known {
    let refused = |words: String| Known::Refused(Refusal::new(Code::Repeated, words));
    let mut keys = task.once().locked();
    if let Some(slot) = keys.by_key.get(&key) {
        let first = slot.record;
        if slot.call != call {
            return refused(format!("this idempotency key was used for another call (record {first}); use a new one"));
        }
        return match &slot.state {
            State::UnderWay => {
                refused(format!("the same call is still under way (record {first}); wait for its answer"))
            }
            // One that was withheld has an answer once that was released.
            State::Over(EffectState::Committed | EffectState::Quarantined, Some(answer)) => {
                Known::Answered(first, Arc::clone(answer))
            }
            State::Over(EffectState::Committed, None) => {
                refused(format!("the same call was made (record {first}); its answer is not kept any more"))
            }
            State::Over(EffectState::RolledBack, _) => {
                refused(format!("the same call was made and undone (record {first}); use a new key to make it again"))
            }
            State::Over(EffectState::Quarantined, None) => {
                let words = format!(
                    "the same call was made, and its result was withheld (record {first}) and is not kept any more; it is not \
                     made again"
                );
                Known::Withheld(first, Refusal::new(Code::Repeated, words))
            }
            State::Over(EffectState::Indeterminate | EffectState::Denied, _) => refused(format!(
                "the same call was made, and its outcome is unknown (record {first}); it is not made again"
            )),
        };
    }
    if keys.by_key.len() >= KEYS_MAX {
        let words =
            format!("this task has used {KEYS_MAX} idempotency keys, and none may be forgotten; open another task");
        return Known::Refused(Refusal::new(Code::LimitReached, words));
    }
    keys.by_key.insert(key.clone(), Slot { call, record, state: State::UnderWay });
    drop(keys);
    Known::New(Claim { task: Arc::clone(task), key, answer: None })
}

/// The result that was withheld from the call of this record is handed over: where the call had a key, that key answers with
/// it from now on, as it would have from the beginning.
pub(crate) fn released(task: &Task, record: u64, answer: &Arc<str>) {
    let mut keys = task.once().locked();
    let room = ANSWERS_BYTES_MAX.saturating_sub(keys.bytes).min(ANSWER_BYTES_MAX);
    let slot = keys.by_key.values_mut().find(|slot| slot.record == record).filter(|_| answer.len() <= room);
    if let Some(Slot { state: State::Over(EffectState::Quarantined, kept @ None), .. }) = slot {
        *kept = Some(Arc::clone(answer));
        keys.bytes = keys.bytes.saturating_add(answer.len());
    }
}

impl Claim {
    /// What the call is answered with.
    pub(crate) fn answered(&mut self, text: &str) {
        if text.len() <= ANSWER_BYTES_MAX {
            self.answer = Some(Arc::from(text));
        }
    }

    /// The call is over. Nothing done frees the key.
    pub(crate) fn settle(mut self, state: EffectState) {
        let answer = self.answer.take().filter(|_| state == EffectState::Committed);
        let mut keys = self.task.once().locked();
        if state == EffectState::Denied {
            keys.by_key.remove(&self.key);
            return;
        }
        let room = ANSWERS_BYTES_MAX.saturating_sub(keys.bytes);
        let answer = answer.filter(|answer| answer.len() <= room);
        keys.bytes = keys.bytes.saturating_add(answer.as_ref().map_or(0, |answer| answer.len()));
        if let Some(slot) = keys.by_key.get_mut(&self.key) {
            slot.state = State::Over(state, answer);
        }
    }
}
