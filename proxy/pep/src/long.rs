//! The life of a long answer: labelled as it passes, never held whole.
//!
//! Its record stays open until its end, which is handed on only when the record is sealed: a client never holds a whole
//! answer that the ledger has not got. What cannot be handed on is cut off before its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pdp::record::{Ending, ResultNote};
use pdp::refusal::{Code, Refusal};

use crate::call::Head;
use crate::entry::OpenRecord;
use crate::ports::{BoxFuture, Gate};
use crate::rewrite::passing::Passing;
use crate::stages::s7_action::CANCELLED;
use crate::stages::s8_outcome::is_answer_to;
use crate::stages::s9_audit;
use crate::task::window;

/// Where the pieces of a long answer come from.
pub trait PieceSource: Send {
    /// The next piece; nothing at the end; an error, in words, when the connection broke.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, String>>>;
}

/// A long answer was cut off before its end, so that nobody takes it for whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer was cut off: {0}")]
pub struct CutOff(String);

/// A long answer on its way to the client.
pub struct LongAnswer {
    head: Box<Head>,
    entry: Option<OpenRecord>,
    source: Box<dyn PieceSource>,
    /// Nothing once the answer is over.
    passing: Option<Passing>,
    /// Passed and not handed on yet.
    ready: VecDeque<Bytes>,
    bytes: u64,
    patience: Duration,
    /// Reads what passes, where a policy looks at where arguments come from.
    read: Option<window::Passing>,
    gate: Arc<Gate>,
}

/// What labelling leaves to be done as the pieces pass.
pub(crate) struct Passage {
    pub(crate) source: Box<dyn PieceSource>,
    pub(crate) passing: Passing,
    /// How long the next piece may take.
    pub(crate) patience: Duration,
    pub(crate) read: Option<window::Passing>,
}

impl LongAnswer {
    pub(crate) fn new(head: Box<Head>, entry: OpenRecord, passage: Box<Passage>, gate: Arc<Gate>) -> Self {
        let Passage { source, passing, patience, read } = *passage;
        let (passing, ready) = (Some(passing), VecDeque::new());
        Self { head, entry: Some(entry), source, passing, ready, bytes: 0, patience, read, gate }
    }

    /// The next piece for the client; nothing at the end.
    ///
    /// # Errors
    /// When the rest must not be handed on. The connection is to be broken, so that the client sees it.
    pub async fn next(&mut self) -> Option<Result<Bytes, CutOff>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            let passing = self.passing.as_mut()?;
            let taken = tokio::select! {
                taken = tokio::time::timeout(self.patience, self.source.next()) => taken,
                () = self.head.cancelled() => return Some(Err(self.cut(Code::Cancelled, CANCELLED).await)),
            };
            let fault = match taken {
                Err(_) => "the server stopped in the middle of its answer".to_owned(),
                Ok(Some(Err(fault))) => fault,
                Ok(Some(Ok(piece))) => match passing.take(&piece) {
                    Ok(pieces) => {
                        if let Some(read) = &mut self.read {
                            read.take(&self.head, &piece, &self.gate.ports.limits);
                        }
                        let count = |sum: u64, piece: &Bytes| sum.saturating_add(piece.len() as u64);
                        self.bytes = pieces.iter().fold(self.bytes, count);
                        self.ready.extend(pieces);
                        continue;
                    }
                    Err(fault) => fault,
                },
                Ok(None) => match self.ended().await {
                    Ok(()) => continue,
                    Err(fault) => fault,
                },
            };
            let words = format!(
                "the server's answer cannot be handed over whole ({fault}); whether the call had an effect is unknown, \
                 so do not simply repeat it"
            );
            return Some(Err(self.cut(Code::AnswerLost, &words).await));
        }
    }

    /// The whole answer; nothing where it was cut off or is longer than this. For the gate's own requests.
    pub(crate) async fn whole(&mut self, bytes_max: usize) -> Option<String> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await {
            all.extend_from_slice(&piece.ok()?);
            if all.len() > bytes_max {
                return None;
            }
        }
        String::from_utf8(all).ok()
    }

    /// The server has said all: is it the answer, and is it recorded?
    async fn ended(&mut self) -> Result<(), String> {
        let Some(passing) = self.passing.take() else { return Ok(()) };
        let passed = passing.finish()?;
        if !is_answer_to(passed.id.as_deref(), passed.failed, &self.head.envelope) {
            return Err("it is not the answer to this request".to_owned());
        }
        if let Some(read) = self.read.take() {
            read.finish(&self.head, &self.gate.ports.limits);
        }
        let Some(mut entry) = self.entry.take() else { return Ok(()) };
        let (is_error, bytes) = (passed.is_error, self.bytes.saturating_add(passed.tail.len() as u64));
        entry.write(|record| record.result = Some(ResultNote { is_error, bytes, ..ResultNote::default() }));
        self.head.slot = None;
        s9_audit::close(entry, Ending::Served, &self.gate.ports).await.map_err(|refusal| refusal.message)?;
        self.ready.push_back(passed.tail);
        Ok(())
    }

    async fn cut(&mut self, code: Code, words: &str) -> CutOff {
        self.passing = None;
        self.ready.clear();
        self.head.slot = None;
        if let Some(mut entry) = self.entry.take() {
            let ending = match (entry.has_intent(), code == Code::Cancelled) {
                (true, _) => Ending::Indeterminate,
                (false, true) => Ending::Abandoned,
                (false, false) => Ending::Failed,
            };
            entry.write(|record| record.refusal = Some(Refusal::new(code, words)));
            let _refused = s9_audit::close(entry, ending, &self.gate.ports).await;
        }
        CutOff(words.to_owned())
    }
}

impl std::fmt::Debug for LongAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LongAnswer({} bytes)", self.bytes)
    }
}
