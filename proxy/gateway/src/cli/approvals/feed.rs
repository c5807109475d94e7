//! What waits, as a running gate tells it: the list, then each change, over a stream that is opened again when it is lost.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::sync::mpsc::Sender;

use super::shown;
use crate::cli::client::Gate;
use crate::story::visible;
use crate::upstream::sse::SseReader;

/// The gate says at least every 15 seconds that it is there; after three times that it is not.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long to wait before a lost stream is opened again: twice as long each time, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// A larger event is none of ours.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// News of what waits.
#[derive(Debug)]
pub(super) enum News {
    /// All that waits.
    All(Vec<Value>),
    /// One request as it now stands.
    One(Value),
    /// The stream is lost, and why. It is opened again.
    Lost(String),
    /// The gate does not let this token see it.
    Refused(String),
}

/// Why a stream ended.
enum End {
    Lost(String),
    Refused(String),
    /// Nobody listens any more.
    Left,
}

/// Tells until nobody listens, or the gate refuses.
pub(super) async fn tell(gate: &Gate, to: Sender<News>) {
    let mut wait = AGAIN.0;
    loop {
        let mut told = false;
        match stream(gate, &to, &mut told).await {
            End::Left => return,
            End::Refused(words) => {
                // Whoever does not listen needs no telling.
                let _left = to.send(News::Refused(words)).await;
                return;
            }
            End::Lost(words) => {
                if to.send(News::Lost(words)).await.is_err() {
                    return;
                }
            }
        }
        wait = if told { AGAIN.0 } else { wait };
        tokio::time::sleep(wait).await;
        wait = wait.saturating_mul(2).min(AGAIN.1);
    }
}

async fn stream(gate: &Gate, to: &Sender<News>, told: &mut bool) -> End {
    let opened = tokio::time::timeout(SILENCE_MAX, gate.stream("/v1/approvals/stream").send()).await;
    let answer = match opened {
        Err(_) => return End::Lost("it does not answer".to_owned()),
        Ok(Err(e)) => return End::Lost(format!("no gate answers: {}", e.without_url())),
        Ok(Ok(answer)) => answer,
    };
    match answer.status().as_u16() {
        200 => {}
        401 | 403 | 404 => {
            let words = gate.asked("/v1/approvals?state=pending", None).await.err().map(|refused| refused.words);
            let otherwise = || format!("the gate answers HTTP {}", answer.status());
            return End::Refused(words.unwrap_or_else(otherwise));
        }
        status => return End::Lost(format!("the gate answers HTTP {status}")),
    }
    // Only now: what changes meanwhile is in the stream.
    match gate.asked("/v1/approvals?state=pending&limit=10000", None).await {
        Err(refused) => return End::Lost(refused.words),
        Ok(all) => {
            if to.send(News::All(shown::list(&all, "/approvals").to_vec())).await.is_err() {
                return End::Left;
            }
        }
    }
    *told = true;
    let (mut bytes, mut reader) = (answer.bytes_stream(), SseReader::new(EVENT_BYTES_MAX));
    loop {
        let piece = match tokio::time::timeout(SILENCE_MAX, bytes.next()).await {
            Err(_) => return End::Lost("it has gone silent".to_owned()),
            Ok(None) => return End::Lost("it has ended".to_owned()),
            Ok(Some(Err(e))) => return End::Lost(e.without_url().to_string()),
            Ok(Some(Ok(piece))) => piece,
        };
        let events = match reader.take(&piece) {
            Ok(events) => events,
            Err(fault) => return End::Lost(fault.to_string()),
        };
        for event in events.iter().filter(|event| event.event.as_deref() == Some("approval")) {
            let data = event.data.as_deref().unwrap_or_default();
            let Ok(one) = serde_json::from_str(data) else {
                return End::Lost(format!("it tells what cannot be read: {}", visible::text(data)));
            };
            if to.send(News::One(one)).await.is_err() {
                return End::Left;
            }
        }
    }
}
