//! Keeps the exact text of a server's answers, beside the typed decoding that rmcp does.
//!
//! Both transports hand every incoming message here first. Answers are kept by request id for a moment, until the scan takes
//! them; nothing else is kept but the first line that was no JSON-RPC at all, because it often says what is wrong. Everything
//! is bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::Notify;

use super::fault::Trouble;

/// The longest message that is kept, in bytes. It equals rmcp's own limit for a line, a JSON body and an SSE event.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most answers that wait to be taken. The scan has one request open at a time; the rest is noise from the server.
const ANSWERS_MAX: usize = 4;

/// What has come in.
#[derive(Debug, Default)]
pub(super) struct Recording {
    kept: Mutex<Kept>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    answers: VecDeque<(String, String)>,
    noise: Option<String>,
    trouble: Option<Trouble>,
}

/// The outline of a JSON-RPC message: enough to know an answer and whose it is.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
}

impl Recording {
    /// Takes note of one incoming message, as text.
    pub(super) fn message(&self, text: &str) {
        // RFC 8259 section 8.1 lets a reader ignore a leading byte order mark, and rmcp does.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return;
        }
        let mut kept = self.kept();
        match serde_json::from_str::<Outline<'_>>(text) {
            Ok(Outline { id: Some(id), result, error, method: None }) if result.is_some() || error.is_some() => {
                if kept.answers.len() >= ANSWERS_MAX {
                    kept.answers.pop_front();
                }
                kept.answers.push_back((id_text(id), text.to_owned()));
            }
            Ok(Outline { method: Some(_), .. }) => return,
            Ok(_) | Err(_) => {
                kept.noise.get_or_insert_with(|| text.chars().take(300).collect());
                return;
            }
        }
        drop(kept);
        self.arrived.notify_waiters();
    }

    /// Waits for the answer to the request `id` and takes it.
    pub(super) async fn answer(&self, id: &str) -> String {
        loop {
            // Made before looking, so that an answer that comes in between still wakes it.
            let arrived = self.arrived.notified();
            if let Some(text) = self.take(id) {
                return text;
            }
            arrived.await;
        }
    }

    fn take(&self, id: &str) -> Option<String> {
        let mut kept = self.kept();
        let position = kept.answers.iter().position(|(known, _)| known == id)?;
        kept.answers.remove(position).map(|(_, text)| text)
    }

    /// Takes note of how the last HTTP request failed; `None` when it did not.
    pub(super) fn set_trouble(&self, trouble: Option<Trouble>) {
        self.kept().trouble = trouble;
    }

    /// How the last HTTP request failed, if it did.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.kept().trouble.clone()
    }

    /// The first thing the server said that was no JSON-RPC message, cut short.
    pub(super) fn noise(&self) -> Option<String> {
        self.kept().noise.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An id as rmcp compares it: the number 1 and the string "1" are one id, since some servers answer with the other.
fn id_text(id: &RawValue) -> String {
    serde_json::from_str::<String>(id.get()).unwrap_or_else(|_| id.get().to_owned())
}

/// Carries a child's stdout on to rmcp, and shows each line to the recording as it passes.
///
/// It reads to the end even when rmcp has stopped listening, because the last words of a child that failed are what its
/// user needs to see.
pub(super) async fn pump<R: AsyncRead + Unpin>(mut from: R, recording: Arc<Recording>, mut onward: DuplexStream) {
    let mut lines = Lines::default();
    let mut buffer = vec![0_u8; 16 * 1024];
    let mut listening = true;
    while let Ok(count) = from.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        lines.see(bytes, &recording);
        listening = listening && onward.write_all(bytes).await.is_ok();
    }
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    /// The rest of an overlong line is passed on but not kept.
    overlong: bool,
}

impl Lines {
    fn see(&mut self, bytes: &[u8], recording: &Recording) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > MESSAGE_BYTES_MAX {
                self.overlong = true;
                self.line.clear();
            }
            if !self.overlong {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                if !self.overlong {
                    recording.message(&String::from_utf8_lossy(&self.line));
                }
                self.overlong = false;
                self.line.clear();
            }
        }
    }
}
