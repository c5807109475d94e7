//! One child process: a clean environment, a group of its own, and an end in three steps.
//!
//! Ending closes standard input first, then sends SIGTERM, then SIGKILL, each to the whole group, since servers are
//! often started through a launcher (MCP specification, lifecycle, shutdown over stdio).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pdp::registry::{Server, Transport};
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessGroup};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::reach::Written;
use crate::vault;

/// What is started.
#[derive(Debug)]
pub(super) struct Spawn {
    program: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    cwd: Option<String>,
}

impl Spawn {
    /// What the registry says of a server, with its secrets where it takes them by variable.
    pub(super) fn of(server: &Server, secret: Option<&str>) -> Result<Self, String> {
        let mut spawn = match &server.transport {
            Transport::Stdio { command, args, env, env_from, env_file, expand, cwd } => {
                let written = Written { args, env, env_from, env_file: env_file.as_deref(), expand: *expand };
                let filled = written.fill()?;
                let program = found(command, filled.env.get("PATH").map(String::as_str))?;
                Self { program, args: filled.args, env: filled.env, cwd: cwd.clone() }
            }
            Transport::Builtin { server } => {
                let program =
                    std::env::current_exe().map_err(|e| format!("the gate's own program is not found: {e}"))?;
                Self { program, args: vec![server.clone()], env: BTreeMap::new(), cwd: None }
            }
            Transport::Http { .. } | Transport::Sse { .. } => return Err("the registry names no program".to_owned()),
        };
        for (rule, secret) in vault::parted(server, secret) {
            if let Some(name) = &rule.variable {
                spawn.env.insert(name.clone(), secret.to_owned());
            }
        }
        Ok(spawn)
    }

    /// Starts the process.
    pub(super) fn start(self) -> Result<Process, String> {
        let program = self.program.display().to_string();
        let mut command = CommandWrap::with_new(&self.program, |command| {
            command.args(&self.args).env_clear().envs(&self.env);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            if let Some(cwd) = &self.cwd {
                command.current_dir(cwd);
            }
        });
        command.wrap(ProcessGroup::leader()).wrap(KillOnDrop);
        let mut child = command.spawn().map_err(|e| format!("`{program}` cannot be started: {e}"))?;
        let (stdin, stdout, stderr) = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        match (stdin, stdout, stderr) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok(Process { child, stdin, stdout, stderr }),
            _ => Err(format!("`{program}` was started without its standard streams")),
        }
    }
}

/// A running process and its streams.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) child: Box<dyn ChildWrapper>,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

/// Returns when the process itself has exited, whatever it leaves running in its group.
pub(super) async fn exited(child: &mut dyn ChildWrapper) {
    // The wrapper's own `wait` is for the whole group as far as it is ours, which it is where the gate is process 1.
    if let Err(e) = child.inner_mut().wait().await {
        tracing::debug!("a process could not be waited for: {e}");
    }
}

/// Ends a process whose standard input is closed already. Answers how it ended, in words.
pub(super) async fn end(mut child: Box<dyn ChildWrapper>, grace: Duration) -> String {
    const SIGTERM: i32 = 15;
    for signal in [None, Some(SIGTERM)] {
        if let Some(signal) = signal
            && let Err(e) = child.signal(signal)
        {
            tracing::debug!("a process could not be signalled: {e}");
        }
        if let Ok(waited) = tokio::time::timeout(grace, child.wait()).await {
            // Its group may outlive it: a launcher that ends leaves the server it launched.
            let _gone = child.start_kill();
            return waited.map_or_else(|e| e.to_string(), |status| status.to_string());
        }
    }
    let _gone = child.start_kill();
    match tokio::time::timeout(grace, child.wait()).await {
        Ok(waited) => waited.map_or_else(|e| e.to_string(), |status| status.to_string()),
        Err(_) => "it did not end".to_owned(),
    }
}

/// The program of a command: as it stands where it names a path, else the first of its name in `PATH`.
fn found(command: &str, path: Option<&str>) -> Result<PathBuf, String> {
    if command.contains('/') {
        return Ok(PathBuf::from(command));
    }
    let folders = path.unwrap_or("/usr/local/bin:/usr/bin:/bin").split(':').filter(|f| !f.is_empty());
    let found = folders.map(|folder| Path::new(folder).join(command)).find(|file| file.is_file());
    found.ok_or_else(|| format!("there is no program `{command}` in PATH"))
}
