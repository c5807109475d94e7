//! The gate as a program of its own: started, looked at from outside, and killed without warning.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::HANGS;

/// What the gate's log says once it serves.
const SERVES: &str = "agents: http://";
/// And behind it, where operators connect.
const OPERATORS: &str = "operators: http://";

/// A running gate in a process of its own.
#[derive(Debug)]
pub(crate) struct Child {
    process: tokio::process::Child,
    address: watch::Receiver<Option<SocketAddr>>,
    control: watch::Receiver<Option<SocketAddr>>,
    log: JoinHandle<String>,
}

/// What a gate left that was killed.
#[derive(Debug)]
pub(crate) struct Killed {
    /// Whether it had come so far as to serve.
    pub(crate) served: bool,
    /// Its log.
    pub(crate) log: String,
}

/// The gate's program with this configuration, and nothing of this process's own settings.
pub(crate) fn program(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate-under-test"));
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.arg("--config").arg(config).stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Child {
    /// Starts a gate. Returns at once.
    pub(crate) fn start(config: &Path) -> Self {
        Self::start_under(config, &[])
    }

    /// Starts a gate with these variables. Returns at once.
    pub(crate) fn start_under(config: &Path, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().copied();
        let mut process = program(config).envs(variables).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = process.stderr.take().unwrap();
        let (tell, address) = watch::channel(None);
        let (tell_control, control) = watch::channel(None);
        let log = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            let mut log = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                for (told, tell) in [(SERVES, &tell), (OPERATORS, &tell_control)] {
                    if let Some((_, rest)) = line.split_once(told) {
                        tell.send_replace(rest.split('/').next().unwrap().parse().ok());
                    }
                }
                log.push_str(&line);
                log.push('\n');
            }
            log
        });
        Self { process, address, control, log }
    }

    /// Waits until it serves, and answers where.
    pub(crate) async fn at(&mut self) -> SocketAddr {
        let serving = tokio::time::timeout(HANGS, self.address.wait_for(Option::is_some)).await;
        let found = serving.expect("a gate starts").ok().and_then(|address| *address);
        match found {
            Some(address) => address,
            None => panic!("the gate ended before it served:\n{}", (&mut self.log).await.unwrap()),
        }
    }

    /// Waits until it serves, and answers where operators connect.
    pub(crate) async fn control(&mut self) -> SocketAddr {
        let serving = tokio::time::timeout(HANGS, self.control.wait_for(Option::is_some)).await;
        serving.expect("a gate starts").expect("it has not ended").expect("an address")
    }

    /// The most memory it ever had at once, in bytes.
    pub(crate) fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn terminate(mut self) {
        let pid = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").arg(pid).status().await.unwrap().success());
        let ended = tokio::time::timeout(HANGS, self.process.wait()).await;
        let status = ended.expect("a gate that is asked to stop stops").unwrap();
        assert!(status.success(), "{status}:\n{}", self.log.await.unwrap());
    }

    /// Kills it, without warning.
    pub(crate) async fn kill(mut self) -> Killed {
        self.process.start_kill().unwrap();
        let status = self.process.wait().await.unwrap();
        let log = self.log.await.unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(signal, Some(9), "it ended by itself, {status}:\n{log}");
        assert!(!log.contains("panicked"), "{log}");
        Killed { served: log.contains(SERVES), log }
    }
}
