//! `wicketgate stdio`: a client that can only start programs speaks to the gate through this one. Messages come and go on
//! lines; to the gate they are streamable HTTP, in whichever era the client speaks.
//!
//! It is on the client's side and decides nothing: each message's text passes unchanged, save that line breaks, which are
//! white space in JSON, become blanks on the way to the client. What HTTP needs beside the text is read out of it.

mod headers;
mod link;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pdp::json::{self, member};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use self::headers::Mirrored;
use self::link::{Link, LinkFault, Said};
use crate::upstream::lines::{LineReader, written};

/// The longest line that is read: the default bound of a request's body, with room for one that is configured larger.
const LINE_BYTES_MAX: usize = 64 << 20;
/// How many messages may wait for a client that does not read.
const QUEUE_MAX: usize = 256;

/// Where the gate is, and what opens it.
#[derive(Clone)]
pub struct Door {
    /// The server's endpoint on the gate.
    pub url: String,
    /// The agent's token.
    pub token: String,
    /// The token of the task it works in, where a host opened one for it.
    pub task: Option<String>,
}

// Written by hand: a derived `Debug` would print the token.
impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why the bridge cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BridgeFault {
    /// The HTTP client could not be made, or the URL or token cannot be used.
    #[error("{0}")]
    SetUp(String),
    /// The client's side cannot be read or written.
    #[error("standard input or output broke: {0}")]
    Streams(#[from] std::io::Error),
    /// One line is too long.
    #[error("one message of the client's is larger than {LINE_BYTES_MAX} bytes")]
    TooLong,
}

/// Carries messages between a client on `input` and `output` and the gate, until the input ends.
///
/// # Errors
/// When the bridge cannot be set up or a stream breaks. What goes wrong with one message is answered to the client.
pub async fn carry(
    door: &Door,
    mut input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> Result<(), BridgeFault> {
    let link = Link::new(door).map_err(BridgeFault::SetUp)?;
    let (out, lines) = mpsc::channel(QUEUE_MAX);
    let writer = tokio::spawn(write(output, lines));
    let bridge = Arc::new(Bridge { link, out, state: Mutex::default(), reopening: tokio::sync::Mutex::default() });
    let mut reader = LineReader::new(LINE_BYTES_MAX);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = tokio::select! {
            read = input.read(&mut buffer) => read?,
            () = bridge.out.closed() => 0,
        };
        if read == 0 {
            break;
        }
        let mut complete = Vec::new();
        let bytes = buffer.get(..read).unwrap_or_default();
        reader.take(bytes, |line| complete.push(line.to_vec())).map_err(|_| BridgeFault::TooLong)?;
        for line in complete {
            bridge.take(&String::from_utf8_lossy(&line)).await;
        }
    }
    let mut last = Vec::new();
    reader.finish(|line| last.extend_from_slice(line));
    bridge.take(&String::from_utf8_lossy(&last)).await;
    bridge.close().await;
    drop(bridge);
    match writer.await {
        Ok(written) => Ok(written?),
        Err(_) => Ok(()),
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<String>) -> std::io::Result<()> {
    while let Some(line) = lines.recv().await {
        output.write_all(written(line).as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

/// One client's conversation.
struct Bridge {
    link: Link,
    out: mpsc::Sender<String>,
    state: Mutex<State>,
    /// Held while another session is opened in place of one that is lost.
    reopening: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The legacy client's `initialize`, to open another session where the gate has lost this one.
    opening: Option<String>,
    /// The session's own stream.
    stream: Option<AbortHandle>,
    /// Requests under way, by their id as it was written.
    under_way: HashMap<String, AbortHandle>,
    /// Arguments that the tools' schemas repeat in headers, by tool.
    mirrored: HashMap<String, Vec<Mirrored>>,
}

impl Bridge {
    /// Takes one line of the client's. Notifications and answers are handed on before the next line is read, so that
    /// they keep their order; requests run beside one another.
    async fn take(self: &Arc<Self>, line: &str) {
        let text = line.trim_end_matches('\r');
        if text.trim().is_empty() {
            return;
        }
        let raw = |name: &str| member(text, name);
        let method = raw("method").and_then(|m| json::string(m).ok()).unwrap_or_default().into_owned();
        match (raw("id"), method.as_str()) {
            (Some(id), method) if !method.is_empty() => self.request(id.to_owned(), method.to_owned(), text.to_owned()),
            (None, "notifications/cancelled") if headers::is_modern(text) || self.link.is_modern() => self.cancel(text),
            (_, method) => {
                let posted = self.post(text, method).await;
                match posted {
                    Ok(Said::Nothing) => {}
                    Ok(said) => self.pass(said, None).await,
                    Err(fault) => tracing::warn!("a message of the client's was not delivered: {fault}"),
                }
                if method == "notifications/initialized" {
                    self.listen();
                }
            }
        }
    }

    fn request(self: &Arc<Self>, id: String, method: String, text: String) {
        if method == "initialize" {
            self.state().opening = Some(text.clone());
        }
        let bridge = Arc::clone(self);
        let key = id.clone();
        // Held until the request is taken down: it may be done before this line is.
        let mut state = self.state();
        let task = tokio::spawn(async move {
            let asked = Asked { id: &id, method: &method };
            match bridge.post(&text, &method).await {
                Ok(said) => bridge.pass(said, Some(&asked)).await,
                Err(fault) => bridge.fail(&id, &fault).await,
            }
            bridge.state().under_way.remove(&id);
        });
        state.under_way.insert(key, task.abort_handle());
    }

    /// In the modern era the end of the stream is what cancels (MCP 2026-07-28, cancellation).
    fn cancel(&self, text: &str) {
        let id = member(text, "params").and_then(|params| member(params, "requestId"));
        if let Some(task) = id.and_then(|id| self.state().under_way.remove(id)) {
            task.abort();
        }
    }

    /// Posts a message; where the gate has lost the session, opens another and posts it again.
    async fn post(self: &Arc<Self>, text: &str, method: &str) -> Result<Said, LinkFault> {
        let headers = {
            let state = self.state();
            headers::of(text, method, &state.mirrored)
        };
        let session = self.link.session();
        match self.link.post(text, &headers).await {
            Err(LinkFault::NoSession) if method != "initialize" && self.reopen(session.as_deref()).await => {
                self.link.post(text, &headers).await
            }
            other => other,
        }
    }

    /// Opens a session in place of one that is lost. Answers whether there is another now.
    async fn reopen(self: &Arc<Self>, lost: Option<&str>) -> bool {
        // One at a time: whoever waited finds the session that the other opened.
        let _alone = self.reopening.lock().await;
        if self.link.session().as_deref() != lost {
            return true;
        }
        let Some(opening) = self.state().opening.clone() else { return false };
        let Ok(mut said) = self.link.open(&opening).await else { return false };
        while let Some(Ok(text)) = said.next(&self.link).await {
            self.link.learn(&text);
            if member(&text, "method").is_none() {
                break;
            }
        }
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let opened = self.link.session().as_deref() != lost && self.link.post(ready, &[]).await.is_ok();
        if opened {
            self.listen();
        } else {
            // The next request fails by the lost session again, and tries to open another.
            self.link.return_to(lost);
        }
        opened
    }

    /// Hands over what the gate says, to its end. A request that it does not answer is answered here.
    async fn pass(&self, mut said: Said, asked: Option<&Asked<'_>>) {
        while let Some(next) = said.next(&self.link).await {
            match next {
                Ok(text) => {
                    let answers = asked.is_some_and(|asked| asked.is_answered_by(&text));
                    if let Some(asked) = asked.filter(|_| answers) {
                        self.learn(asked, &text);
                    }
                    // Nothing follows an answer on its stream.
                    if self.out.send(text).await.is_err() || answers {
                        return;
                    }
                }
                Err(fault) => {
                    if let Some(asked) = asked {
                        self.fail(asked.id, &fault).await;
                    }
                    return;
                }
            }
        }
        if let Some(asked) = asked {
            self.fail(asked.id, &LinkFault::Lost("its answer ended before it was whole".to_owned())).await;
        }
    }

    /// What later messages need of an answer.
    fn learn(&self, asked: &Asked<'_>, text: &str) {
        match asked.method {
            "initialize" => self.link.learn(text),
            "tools/list" => self.state().mirrored.extend(headers::mirrored(text)),
            _ => {}
        }
    }

    async fn fail(&self, id: &str, fault: &LinkFault) {
        let message = json::quoted(&fault.to_string());
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{BRIDGE_FAULT},"message":{message}}}}}"#);
        // A client that has gone away needs no answer.
        let _gone = self.out.send(text).await;
    }

    /// Opens the session's own stream, on which the server speaks unasked (MCP 2025-11-25, transports).
    fn listen(self: &Arc<Self>) {
        let bridge = Arc::clone(self);
        let task = tokio::spawn(async move {
            loop {
                match bridge.link.listen().await {
                    Ok(Some(mut said)) => {
                        while let Some(Ok(text)) = said.next(&bridge.link).await {
                            if bridge.out.send(text).await.is_err() {
                                return;
                            }
                        }
                    }
                    Ok(None) => return,
                    Err(fault) => tracing::debug!("the session's stream could not be opened: {fault}"),
                }
                tokio::time::sleep(link::PAUSE).await;
            }
        });
        if let Some(before) = self.state().stream.replace(task.abort_handle()) {
            before.abort();
        }
    }

    async fn close(&self) {
        let tasks: Vec<AbortHandle> = {
            let mut state = self.state();
            let stream = state.stream.take();
            state.under_way.drain().map(|(_, task)| task).chain(stream).collect()
        };
        tasks.iter().for_each(AbortHandle::abort);
        self.link.close().await;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The code of an error that is the bridge's own: outside JSON-RPC's reserved range, as the gate's own codes are.
const BRIDGE_FAULT: i64 = 1000;

/// A request the client waits for.
struct Asked<'a> {
    id: &'a str,
    method: &'a str,
}

impl Asked<'_> {
    fn is_answered_by(&self, text: &str) -> bool {
        member(text, "id") == Some(self.id) && member(text, "method").is_none()
    }
}
