//! The processes that are compared: how they are started, what they have used, how they are ended.
//!
//! Reads `/proc` (proc(5)); Linux alone. It does not know what the processes do.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::bundle::{self, Size};
use crate::load::Target;
use crate::message;

/// `USER_HZ`: the unit of times in `/proc/PID/stat` is 1/100 s on every Linux that Rust's standard library runs on.
const TICKS_PER_SECOND: u64 = 100;
/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(60);

/// A process of this benchmark's; ended when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// How much memory a process holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All that is resident, the program's own text included.
    pub resident: u64,
    /// What is its own: heap and stacks.
    pub anonymous: u64,
}

impl Process {
    /// Starts this program itself as one of its servers, and waits for the address it prints.
    ///
    /// # Errors
    /// When it does not start.
    pub fn own(arguments: &[String], wrap: &[String]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own path")?;
        let mut child = command(&program, wrap).args(arguments).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let told = child.stdout.take().context("no output")?;
        BufReader::new(told).read_line(&mut line)?;
        match line.trim().parse() {
            Ok(address) => Ok(Self { child, address }),
            Err(_) => {
                let ended = child.kill().and_then(|()| child.wait())?;
                bail!("`bench {}` named no address: {ended}", arguments.join(" "))
            }
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU time it has used so far, user and system, in microseconds; in steps of 10,000.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu_us(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).context("the process is gone")?;
        // The second field is the program's name in parentheses, which may hold anything; utime and stime are the
        // fourteenth and fifteenth.
        let (_, rest) = text.rsplit_once(") ").context("no such line is known")?;
        let ticks = |nth: usize| -> anyhow::Result<u64> {
            Ok(rest.split(' ').nth(nth).context("a field is missing")?.parse()?)
        };
        Ok((ticks(11)? + ticks(12)?) * 1_000_000 / TICKS_PER_SECOND)
    }

    /// Waits until it has stopped working: records are written and spans exported after the last answer.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let give_up = Instant::now() + Duration::from_secs(10);
        let mut quiet = 0;
        let mut last = self.cpu_us()?;
        while quiet < 3 && Instant::now() < give_up {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.cpu_us()?;
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
        }
        Ok(())
    }

    /// How much memory it holds.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id())).context("the process is gone")?;
        let bytes = |name: &str| -> anyhow::Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|rest| rest.split_whitespace().next()).context("a line is missing")?;
            Ok(number.parse::<u64>()? * 1024)
        };
        Ok(Memory { resident: bytes("VmRSS")?, anonymous: bytes("RssAnon")? })
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// When it does not stop, or cannot be asked.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).context("asking the process to stop")?;
        let give_up = Instant::now() + START_MAX;
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < give_up, "the process does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nobody to tell.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn command(program: &Path, wrap: &[String]) -> Command {
    match wrap.split_first() {
        None => Command::new(program),
        Some((first, more)) => {
            let mut command = Command::new(first);
            command.args(more).arg(program);
            command
        }
    }
}

/// A gate with everything on: policies, schemas, labels, the ledger on disk, spans exported to the null server.
#[derive(Debug)]
pub struct Gate {
    /// The process.
    pub process: Process,
    /// Where its control API is.
    pub control: SocketAddr,
    // Dropped with it: it takes the ledger along.
    folder: tempfile::TempDir,
}

impl Gate {
    /// Starts a gate in front of the null server.
    ///
    /// # Errors
    /// When it does not answer, with what it logged.
    pub async fn start(program: &Path, size: Size, upstream: SocketAddr, wrap: &[String]) -> anyhow::Result<Self> {
        Self::started(program, size, upstream, wrap, |_| Ok(())).await
    }

    /// Starts one where calls of one tool wait for people.
    ///
    /// # Errors
    /// As [`Gate::start`].
    pub async fn start_asking(program: &Path, size: Size, upstream: SocketAddr) -> anyhow::Result<Self> {
        Self::started(program, size, upstream, &[], bundle::asks).await
    }

    async fn started(
        program: &Path,
        size: Size,
        upstream: SocketAddr,
        wrap: &[String],
        more: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no place for the ledger")?;
        let (listen, control) = (free_port()?, free_port()?);
        let url = format!("http://{upstream}{}", message::upstream_path(size.tools));
        bundle::write(folder.path(), size, &url, listen, control)?;
        more(folder.path())?;
        let log = folder.path().join("log");
        let child = command(program, wrap)
            .arg("serve")
            .arg("--config")
            .arg(folder.path().join("wicketgate.toml"))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{upstream}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let address = SocketAddr::from(([127, 0, 0, 1], listen));
        let control = SocketAddr::from(([127, 0, 0, 1], control));
        let mut gate = Self { process: Process { child, address }, control, folder };
        gate.wait(&log).await?;
        Ok(gate)
    }

    /// Waits until it listens.
    async fn wait(&mut self, log: &PathBuf) -> anyhow::Result<()> {
        let give_up = Instant::now() + START_MAX;
        while tokio::net::TcpStream::connect(self.process.address).await.is_err() {
            if self.process.child.try_wait()?.is_some() || Instant::now() > give_up {
                bail!("the gate does not start:\n{}", std::fs::read_to_string(log).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Asks it to stop and waits until it has, its ledger flushed and its spans delivered.
    ///
    /// # Errors
    /// As [`Process::stop`].
    pub fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }

    /// Where its policies and its registry lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its MCP endpoint is.
    #[must_use]
    pub fn target(&self) -> Target {
        Target { address: self.process.address, path: message::gate_path() }
    }
}

/// Lets this process and those it starts hold as many connections as the system allows.
///
/// # Errors
/// When the system refuses.
pub fn raise_file_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("raising the limit of open files")
}

/// A port nobody uses now.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
