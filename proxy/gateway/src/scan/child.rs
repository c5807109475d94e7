//! The child process of a stdio scan: started with a clean environment, ended whatever it does.
//!
//! The child leads its own process group, so that a launcher such as `npx` and the server below it end together. Its stderr is
//! kept as a short tail for error messages; values that look like secrets are masked in it. It must not outlive the scan.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::process::{ChildStderr, ChildStdin};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::fault::{ScanFault, visible};
use super::recording::{Recording, pump};

/// How long the child has to end after each of: stdin closed, SIGTERM, SIGKILL.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How much of its stdout may wait for rmcp, in bytes.
const PIPE_BYTES: usize = 64 * 1024;
/// How much of the end of stderr is kept, in bytes.
const TAIL_BYTES_MAX: usize = 8 * 1024;
/// How many lines of it an error shows, and how long each may be, in characters.
const TAIL_LINES_MAX: usize = 10;
const TAIL_LINE_CHARS_MAX: usize = 300;
/// SIGTERM as POSIX numbers it on every system this builds for.
const SIGTERM: i32 = 15;

/// A running child.
pub(super) struct Child {
    /// Present until the child has ended; dropping it earlier kills the whole group.
    process: Option<Box<dyn ChildWrapper>>,
    tail: Arc<Mutex<Vec<u8>>>,
    /// What reads its stdout and stderr.
    readers: Vec<AbortOnDropHandle<()>>,
    secrets: Vec<String>,
}

/// How a child ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its status, when it went without being signalled by us.
    pub(super) by_itself: Option<ExitStatus>,
    /// The last lines of its stderr.
    pub(super) stderr: Vec<String>,
    secrets: Vec<String>,
}

impl Ended {
    /// `text` with the child's secrets masked.
    pub(super) fn mask(&self, text: &str) -> String {
        mask(text, &self.secrets)
    }
}

/// Starts the server.
pub(super) fn spawn(
    command: &str,
    args: &[String],
    env: &BTreeMap<String, String>,
    cwd: Option<&Path>,
) -> Result<Child, ScanFault> {
    let cannot = |cause: String| ScanFault::Spawn { command: command.to_owned(), cause };
    if let Some(cwd) = cwd.filter(|cwd| !cwd.is_dir()) {
        return Err(cannot(format!("its working directory `{}` is not a directory", cwd.display())));
    }
    let mut wrap = CommandWrap::with_new(command, |process| {
        process.args(args).env_clear().envs(env);
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(cwd) = cwd {
            process.current_dir(cwd);
        }
    });
    wrap.wrap(ProcessGroup::leader()).wrap(KillOnDrop);
    let mut process = wrap.spawn().map_err(|error| {
        let hint = match (error.kind(), env.get("PATH")) {
            (std::io::ErrorKind::NotFound, None) if !command.contains('/') => {
                "; no PATH is given to it, so add `env_from = [\"PATH\"]` or write the full path"
            }
            (std::io::ErrorKind::NotFound, _) => "; is it installed, and on the PATH that is given to it?",
            _ => "",
        };
        cannot(format!("{error}{hint}"))
    })?;
    let tail = Arc::new(Mutex::new(Vec::new()));
    let stderr = process.stderr().take().map(|pipe| tokio::spawn(keep_tail(pipe, Arc::clone(&tail))));
    let readers = stderr.map(AbortOnDropHandle::new).into_iter().collect();
    Ok(Child { process: Some(process), tail, readers, secrets: secrets_of(env) })
}

impl Child {
    /// The child's stdout, recorded as it passes, and its stdin. There is one of each.
    pub(super) fn pipes(&mut self, recording: &Arc<Recording>) -> Result<(DuplexStream, ChildStdin), ScanFault> {
        let process = self.process.as_mut();
        let pipes = process.and_then(|process| Some((process.stdout().take()?, process.stdin().take()?)));
        let gone = || ScanFault::Transport("the pipes of the child process are gone".to_owned());
        let (stdout, stdin) = pipes.ok_or_else(gone)?;
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        let pumping = tokio::spawn(pump(stdout, Arc::clone(recording), far));
        self.readers.push(AbortOnDropHandle::new(pumping));
        Ok((near, stdin))
    }

    /// Ends the child, whose stdin the caller has closed already, and waits for it.
    pub(super) async fn end(mut self) -> Ended {
        let by_itself = match self.process.as_mut() {
            Some(process) => end_group(process.as_mut()).await,
            None => None,
        };
        self.process = None;
        for reader in std::mem::take(&mut self.readers) {
            // A grandchild that fled its group may hold a pipe open, so its reader is not waited for without end.
            drop(timeout(GRACE, reader).await);
        }
        Ended { by_itself, stderr: self.stderr_lines(), secrets: std::mem::take(&mut self.secrets) }
    }

    fn stderr_lines(&self) -> Vec<String> {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let text = mask(&String::from_utf8_lossy(&tail), &self.secrets);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let skipped = lines.len().saturating_sub(TAIL_LINES_MAX);
        let shown = lines.into_iter().skip(skipped);
        shown.map(|line| visible(line, TAIL_LINE_CHARS_MAX)).collect()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Nothing can be done here if the group is gone already, which is the only way this fails.
            drop(process.start_kill());
        }
    }
}

/// Waits, then SIGTERM, then SIGKILL; returns the status if no signal of ours was needed.
async fn end_group(process: &mut dyn ChildWrapper) -> Option<ExitStatus> {
    if let Ok(waited) = timeout(GRACE, process.wait()).await {
        // The leader is gone. What it may have left behind in its group goes too; an empty group is an error of no weight.
        drop(process.start_kill());
        return waited.ok();
    }
    drop(process.signal(SIGTERM));
    if timeout(GRACE, process.wait()).await.is_err() {
        drop(process.start_kill());
        if timeout(GRACE, process.wait()).await.is_err() {
            tracing::warn!(pid = process.id(), "a scanned server's process did not end after SIGKILL");
        }
    } else {
        drop(process.start_kill());
    }
    None
}

/// Reads stderr to its end, keeping the last part.
async fn keep_tail(mut pipe: ChildStderr, tail: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = vec![0_u8; 4096];
    while let Ok(count) = pipe.read(&mut buffer).await {
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(bytes);
        let excess = tail.len().saturating_sub(TAIL_BYTES_MAX);
        tail.drain(..excess);
    }
}

/// The values of variables whose names say that they are secrets.
fn secrets_of(env: &BTreeMap<String, String>) -> Vec<String> {
    const MARKS: [&str; 7] = ["TOKEN", "SECRET", "KEY", "PASSWORD", "PASSWD", "CREDENTIAL", "AUTH"];
    let secret = |name: &str| MARKS.iter().any(|mark| name.to_ascii_uppercase().contains(mark));
    env.iter().filter(|(name, value)| secret(name) && value.len() >= 4).map(|(_, value)| value.clone()).collect()
}

fn mask(text: &str, secrets: &[String]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[masked]"))
}
