//! A running server: one task writes its input, one reads its output, one its errors. Who waits for which of its messages
//! is the conversation's business.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use pdp::json;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::StdioLimits;
use super::process::{self, Process, Spawn};
use crate::upstream::conversation::Conversation;
use crate::upstream::lines::{self, LineReader};

/// How many messages may wait for a child to read its input. Their bytes are bounded beside it.
const INPUT_MAX: usize = 1024;
/// How much of a child's output is read at once.
const READ_BYTES: usize = 16 << 10;
/// How much of one line of a server's standard error is logged.
const STDERR_LINE_MAX: u64 = 2048;

/// Why a message was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WriteFault {
    /// The process has ended.
    Gone,
    /// It does not read its input: too much waits for it already.
    Full,
}

/// One line of input on its way to a child, and the room it takes.
type Line = (String, OwnedSemaphorePermit);

/// A running server.
#[derive(Debug)]
pub(super) struct Child {
    server: String,
    limits: StdioLimits,
    input: Mutex<Option<mpsc::Sender<Line>>>,
    /// One permit for each KiB of input that may wait.
    room: Arc<Semaphore>,
    conversation: Arc<Conversation>,
    ending: CancellationToken,
}

impl Child {
    /// Starts a server and the tasks that serve it.
    pub(super) fn start(spawn: Spawn, server: &str, limits: StdioLimits) -> Result<Arc<Self>, String> {
        let Process { mut child, stdin, stdout, stderr } = spawn.start()?;
        let (input, lines) = mpsc::channel(INPUT_MAX);
        let this = Arc::new(Self {
            server: server.to_owned(),
            limits,
            input: Mutex::new(Some(input)),
            room: Arc::new(Semaphore::new(kib(limits.bytes_max))),
            conversation: Conversation::new(server, "the server's process has ended", limits.bytes_max),
            ending: CancellationToken::new(),
        });
        tokio::spawn(write_lines(stdin, lines));
        tokio::spawn(log_errors(stderr, server.to_owned()));
        let reading = Arc::clone(&this);
        tokio::spawn(async move {
            reading.read_lines(stdout, process::exited(child.as_mut())).await;
            let expected = reading.ending.is_cancelled();
            reading.close_input();
            let how = process::end(child, reading.limits.grace).await;
            if expected {
                tracing::debug!(server = reading.server, "the server's process ended: {how}");
            } else {
                tracing::warn!(server = reading.server, "the server's process ended by itself: {how}");
            }
            reading.conversation.finish();
        });
        Ok(this)
    }

    /// Who waits for which of its messages.
    pub(super) fn conversation(&self) -> &Arc<Conversation> {
        &self.conversation
    }

    /// Writes one message, as soon as the child reads. Never waits.
    pub(super) fn write(&self, text: String) -> Result<(), WriteFault> {
        self.conversation.touch();
        let line = lines::written(text);
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let input = input.as_ref().ok_or(WriteFault::Gone)?;
        // One message may always wait, however large it is.
        let taken = kib(line.len()).min(kib(self.limits.bytes_max));
        let room = u32::try_from(taken).map_err(|_| WriteFault::Full)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(room).map_err(|_| WriteFault::Full)?;
        input.try_send((line, room)).map_err(|fault| match fault {
            mpsc::error::TrySendError::Full(_) => WriteFault::Full,
            mpsc::error::TrySendError::Closed(_) => WriteFault::Gone,
        })
    }

    /// Ends the process: closed input, then signals. Returns when it has ended.
    pub(super) async fn end(self: &Arc<Self>) {
        self.ending.cancel();
        self.close_input();
        self.conversation.ended().await;
    }

    pub(super) fn is_gone(&self) -> bool {
        self.conversation.is_over() || self.ending.is_cancelled()
    }

    fn close_input(&self) {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Reads messages until the process closes its output, has `exited`, or is to end and does not.
    async fn read_lines(&self, mut stdout: ChildStdout, exited: impl Future<Output = ()>) {
        let mut lines = LineReader::new(self.limits.bytes_max);
        let mut buffer = vec![0; READ_BYTES];
        let mut ending = pin!(async {
            // Input is closed first; a server that then closes its output ends by itself, within the grace. One that has
            // exited may have left its output open in a process of its own: what was said is read, within the grace.
            tokio::select! {
                () = self.ending.cancelled() => {}
                () = exited => {}
            }
            tokio::time::sleep(self.limits.grace).await;
        });
        loop {
            let read = tokio::select! {
                read = stdout.read(&mut buffer) => read,
                () = &mut ending => return,
            };
            let taken = match read {
                Ok(0) => break,
                Ok(count) => lines.take(buffer.get(..count).unwrap_or_default(), |line| self.take_line(line)),
                Err(e) => {
                    tracing::warn!(server = self.server, "the server's output cannot be read: {e}");
                    break;
                }
            };
            if let Err(fault) = taken {
                tracing::warn!(
                    server = self.server,
                    "the server's output cannot be read: {fault}; the server is ended"
                );
                break;
            }
        }
        lines.finish(|line| self.take_line(line));
    }

    fn take_line(&self, line: &[u8]) {
        match std::str::from_utf8(line).map(str::trim) {
            Ok("") => {}
            Ok(text) => self.conversation.take(text),
            Err(_) => tracing::warn!(server = self.server, "the server wrote a line that is not valid UTF-8"),
        }
    }
}

/// The KiB that so many bytes begin: what is nothing still takes one.
fn kib(bytes: usize) -> usize {
    (bytes / 1024).saturating_add(1).min(Semaphore::MAX_PERMITS)
}

async fn write_lines(mut stdin: ChildStdin, mut lines: mpsc::Receiver<Line>) {
    while let Some((line, _room)) = lines.recv().await {
        if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            // The reader's side sees the end of the process and tells every caller.
            return;
        }
    }
}

async fn log_errors(stderr: ChildStderr, server: String) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match limited_line(&mut reader, &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                tracing::info!(target: "wicketgate::server", server, "{}", json::quoted(text.trim_end()).trim_matches('"'));
            }
        }
    }
}

async fn limited_line<R: AsyncRead + Unpin>(reader: &mut BufReader<R>, line: &mut Vec<u8>) -> std::io::Result<usize> {
    reader.take(STDERR_LINE_MAX).read_until(b'\n', line).await
}
