//! The one place that chooses adapters: from a configuration to a running gate.

mod announce;
mod keys;

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::Context as _;
use pdp::record::{Entry, Event};
use pep::ports::{Clock, Entropy, Gate, Ledger, Limits, Ports};
use pep::{Channels, Propagation, Quarantine, Slips, Tasks};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::announce::announce;
use self::keys::{principals, task_key};
use crate::approvals::{Requests, World};
use crate::auth::{Borders, Doorkeeper};
use crate::clock::{SystemClock, SystemEntropy};
use crate::config::{Config, hex};
use crate::console::{Console, Origin, Passkeys, Sessions};
use crate::control::live::{self, Live};
use crate::control::{self, Control};
use crate::desk::shadow::Shadow;
use crate::halt::Halts;
use crate::history::History;
use crate::ledger::{Options, Sink, SqliteLedger};
use crate::listen::{self, Listener};
use crate::notices::Notices;
use crate::reload::{self, Store, Watch};
use crate::telemetry::{Exporter, Settings};
use crate::upstream::Upstreams;
use crate::upstream::http::HttpUpstream;
use crate::upstream::http_sse::{HttpSseLimits, HttpSseUpstream};
use crate::upstream::own::OwnServer;
use crate::upstream::stdio::{StdioLimits, StdioUpstream};
use crate::vault::LocalVault;

/// A running gate.
#[derive(Debug)]
pub struct Running {
    /// Where agents connect.
    pub address: SocketAddr,
    /// Where operators connect.
    pub control: SocketAddr,
    /// Where people reach the console, without its path.
    pub console: String,
    /// The pipeline, for tests that look inside.
    pub gate: Arc<Gate>,
    /// The snapshot.
    pub store: Arc<Store>,
    shadow: Arc<Shadow>,
    ledger: Arc<SqliteLedger>,
    exporter: Arc<Exporter>,
    upstreams: Arc<Upstreams>,
    halts: Arc<Halts>,
    /// What people are asked for.
    pub approvals: Arc<Requests>,
    /// Nothing until it is known where people reach the console.
    notices: Option<Arc<Notices>>,
    watch: Option<Watch>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    clock: Arc<dyn Clock>,
}

/// Tokens the gate made for itself, to be told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// For agents.
    pub agent: String,
    /// For the operator.
    pub operator: String,
}

/// The parts of the outside world that telemetry needs, as read from the environment.
#[derive(Debug)]
pub struct Environment {
    /// What `OTEL_*` says.
    pub telemetry: Settings,
    /// The token `WICKETGATE_TOKEN` gives to the agent called `local`, if any.
    pub token: Option<String>,
}

/// Starts a gate. Answers it, and the tokens it made where none were configured.
///
/// # Errors
/// When the bundle does not build, an address is taken, or the ledger cannot be opened.
pub async fn start(config: &Config, environment: Environment) -> anyhow::Result<(Running, Option<Generated>)> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let entropy = Arc::new(SystemEntropy::new()?);
    let mut telemetry = environment.telemetry;
    telemetry.projection.arguments = config.span_arguments;
    let exporter = Arc::new(Exporter::start(&telemetry, &hex(&pep::ports::Entropy::bytes(&*entropy)))?);
    let ledger = open_ledger(config, Arc::clone(&clock), Arc::clone(&exporter)).await?;
    let port: Arc<dyn Ledger> = Arc::clone(&ledger) as Arc<dyn Ledger>;
    let store = open_store(config, Arc::clone(&port), Arc::clone(&clock))?;
    let shadow = Arc::new(Shadow::new(Arc::clone(&store) as _));
    ledger.subscribe(shown_to(Arc::downgrade(&shadow)));
    let (known, generated) = principals(config, environment.token.as_deref(), &entropy)?;
    let vault = Arc::new(LocalVault);
    let own = OwnServer::new(Arc::clone(&port), Arc::clone(&clock), config.ledger());
    let upstreams = Arc::new(upstreams(config, Arc::clone(&vault), own)?);
    let halts = Arc::new(Halts::open(&config.data)?);
    let approvals = open_approvals(config, &clock, &entropy, &port, &store).await?;
    let tasks = Tasks::new(micros(config.task_idle), config.limits.tasks_max, config.task_by_trace)
        .limited(config.budgets.clone())
        .sealed(task_key(&config.data, &entropy)?);
    let gate = Arc::new(Gate {
        snapshots: Arc::clone(&store) as _,
        ports: Ports {
            clock: Arc::clone(&clock),
            entropy,
            ledger: port,
            upstream: Arc::clone(&upstreams) as _,
            vault,
            approvals: Arc::clone(&approvals) as _,
            halt: Arc::clone(&halts) as _,
            background: Arc::new(crate::background::Beside),
            tasks,
            quarantine: Quarantine::default(),
            channels: Channels::new(config.limits.sessions_max),
            memories: crate::memory::open(&config.data).await?,
            slots: Arc::new(Semaphore::new(config.limits.calls_max)),
            held: Arc::new(Semaphore::new(config.limits.calls_held_max)),
            slips: Slips::default(),
            limits: pipeline_limits(config),
            propagation: Propagation {
                trace_context: telemetry.propagation.trace_context,
                baggage: telemetry.propagation.baggage,
            },
        },
    });
    store.tells(&gate);
    let stop = CancellationToken::new();
    let doorkeeper = Arc::new(Doorkeeper::new(known, config.limits.failures_per_minute_max));
    let mut running = Running {
        address: config.listen,
        control: config.control,
        console: String::new(),
        gate,
        store,
        shadow,
        ledger,
        exporter,
        upstreams,
        halts,
        approvals,
        notices: None,
        watch: None,
        stop,
        tasks: Vec::new(),
        clock,
    };
    running.listen(config, doorkeeper).await?;
    running.watch = reload::watch(&running.store).context("the bundle's directories cannot be watched")?;
    running.event("started", &format!("listening on {}, control on {}", running.address, running.control));
    Ok((running, generated))
}

impl Running {
    async fn listen(&mut self, config: &Config, doorkeeper: Arc<Doorkeeper>) -> anyhow::Result<()> {
        let taken =
            |address: SocketAddr| format!("cannot listen on {address}; choose another with `listen` or `--listen`");
        let data = TcpListener::bind(config.listen).await.with_context(|| taken(config.listen))?;
        let operators = TcpListener::bind(config.control).await.with_context(|| taken(config.control))?;
        (self.address, self.control) = (data.local_addr()?, operators.local_addr()?);
        let borders = |address| Borders::new(address, &config.allowed_hosts, &config.allowed_origins);
        let listener = Arc::new(Listener {
            gate: Arc::clone(&self.gate),
            doorkeeper: Arc::clone(&doorkeeper),
            borders: borders(self.address),
            body_bytes_max: config.limits.body_bytes_max,
            head_bytes_max: config.limits.head_bytes_max,
            body_time: Duration::from_secs(config.limits.body_s),
            write_time: Duration::from_secs(config.limits.write_s),
            connections_max: config.limits.connections_max,
            shutdown: Duration::from_secs(config.limits.shutdown_s),
        });
        let origin = Origin::new(config.console_url.as_ref(), self.control);
        self.console = origin.base().to_owned();
        self.approvals.found_at(origin.base());
        self.open_notices(config, origin.base()).await?;
        let mut names = config.allowed_hosts.clone();
        names.extend(config.console_url.as_ref().and_then(|url| url.host_str()).map(str::to_owned));
        let live = Live::default();
        self.ledger.subscribe(counted_by(Arc::clone(&live.counts)));
        let control = Arc::new(Control {
            gate: Arc::clone(&self.gate),
            store: Arc::clone(&self.store),
            shadow: Arc::clone(&self.shadow),
            building: Arc::default(),
            replaying: Arc::default(),
            scanning: Arc::default(),
            ledger: Arc::clone(&self.ledger),
            ledger_path: config.ledger(),
            upstreams: Arc::clone(&self.upstreams),
            exporter: Arc::clone(&self.exporter),
            doorkeeper,
            borders: Borders::new(self.control, &names, &config.allowed_origins),
            console: Console {
                passkeys: Arc::new(Passkeys::open(&config.data, &origin)?),
                sessions: Sessions::new(config.session_idle, config.session_whole),
                origin,
            },
            halts: Arc::clone(&self.halts),
            approvals: Arc::clone(&self.approvals),
            agents: self.address,
            live,
            stop: self.stop.clone(),
        });
        self.tasks.push(tokio::spawn(listen::serve(data, listener, self.stop.clone())));
        self.tasks.push(tokio::spawn(sweep(Arc::clone(&self.upstreams), Arc::clone(&self.gate), self.stop.clone())));
        self.tasks.push(tokio::spawn(watch_requests(self.swept(), self.store.swaps(), self.stop.clone())));
        self.tasks.push(tokio::spawn(async move {
            if let Err(e) = control::serve(operators, control).await {
                tracing::error!("the control listener ended: {e}");
            }
        }));
        Ok(())
    }

    /// From now on people are told of requests, where channels are configured.
    async fn open_notices(&mut self, config: &Config, console: &str) -> anyhow::Result<()> {
        let (ledger, clock) = (Arc::clone(&self.ledger) as _, Arc::clone(&self.clock));
        let notices = Notices::new(&config.notices, console, ledger, clock).map_err(anyhow::Error::msg)?;
        for words in notices.missing().await {
            tracing::warn!("{words}");
        }
        let notices = Arc::new(notices);
        self.approvals.tells(Arc::clone(&notices));
        self.notices = Some(notices);
        Ok(())
    }

    /// The requests to people, and the tasks they end with.
    fn swept(&self) -> (Arc<Requests>, Arc<Gate>) {
        (Arc::clone(&self.approvals), Arc::clone(&self.gate))
    }

    /// Ends everything in order: no new frames, children ended, the ledger flushed, spans delivered; each step bounded.
    pub async fn close(mut self) {
        self.event("stopped", "asked to stop");
        self.stop.cancel();
        self.watch.take();
        if tokio::time::timeout(UNATTENDED, self.gate.ports.slips.close()).await.is_err() {
            tracing::error!("calls that went on without their clients did not end in time");
        }
        self.upstreams.close().await;
        for task in self.tasks.drain(..) {
            if let Err(e) = task.await {
                tracing::error!("a listener did not end well: {e}");
            }
        }
        if let Some(notices) = self.notices.take() {
            notices.close().await;
        }
        // What a last request may have begun meanwhile.
        self.upstreams.close().await;
        let (ledger, exporter) = (Arc::clone(&self.ledger), Arc::clone(&self.exporter));
        let ended = tokio::task::spawn_blocking(move || {
            let closing = ledger.close();
            (closing, exporter.shutdown(Duration::from_secs(5)))
        });
        match ended.await {
            Ok((closing, lost)) => {
                if closing.lost > 0 || !closing.ended {
                    tracing::error!(
                        lost = closing.lost,
                        "entries of the ledger may be lost: the disk did not answer in time"
                    );
                }
                if lost.spans > 0 {
                    tracing::warn!(spans = lost.spans, fault = lost.fault.as_deref(), "spans were not delivered");
                }
            }
            Err(e) => tracing::error!("closing failed: {e}"),
        }
    }

    fn event(&self, what: &str, detail: &str) {
        let event = Event {
            snapshot: Some(pep::ports::Snapshots::current(&*self.store).digest()),
            ..Event::new(self.clock.now_us(), what, detail)
        };
        if let Err(e) = self.ledger.append(Entry::Event(event)) {
            tracing::error!("`{what}` could not be recorded: {e}");
        }
    }
}

impl Drop for Running {
    /// A gate that is not closed, as when its start fails half-way, leaves no listener behind, and no hold on the ledger.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How long calls may take to end that go on without their clients.
const UNATTENDED: Duration = Duration::from_secs(2);

/// How often unused child processes are looked for, and tasks whose time is up.
const SWEEP: Duration = Duration::from_secs(5);

async fn sweep(upstreams: Arc<Upstreams>, gate: Arc<Gate>, stop: CancellationToken) {
    while tokio::time::timeout(SWEEP, stop.cancelled()).await.is_err() {
        upstreams.sweep();
        expire(&gate.ports);
    }
}

/// Tells the ledger of the tasks that ran out. They are over from that moment on, whenever it is told.
fn expire(ports: &Ports) {
    for event in ports.tasks.expire(ports.clock.now_us()).iter().filter_map(|task| task.end_event()) {
        if let Err(e) = ports.ledger.append(Entry::Event(event)) {
            tracing::error!("the end of a task could not be recorded: {e}");
        }
    }
}

/// How often requests are looked for whose time is up.
const REQUESTS: Duration = Duration::from_secs(1);

/// Judges requests again after each swap of the law, and ends those whose time is up. Both take their time, beside traffic.
async fn watch_requests(
    (approvals, gate): (Arc<Requests>, Arc<Gate>),
    mut swaps: watch::Receiver<()>,
    stop: CancellationToken,
) {
    // What was kept may have been judged by another law than this gate starts with.
    let mut is_swapped = true;
    while !stop.is_cancelled() {
        let (requests, swept) = (Arc::clone(&approvals), Arc::clone(&gate));
        let done = tokio::task::spawn_blocking(move || {
            if is_swapped {
                requests.judge_again();
            }
            requests.sweep(&swept.ports.tasks);
        });
        if let Err(e) = done.await {
            tracing::error!("the requests to people could not be gone through: {e}");
        }
        is_swapped = tokio::select! {
            () = stop.cancelled() => false,
            swapped = swaps.changed() => swapped.is_ok(),
            () = tokio::time::sleep(REQUESTS) => false,
        };
    }
}

async fn open_approvals(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<SystemEntropy>,
    ledger: &Arc<dyn Ledger>,
    store: &Arc<Store>,
) -> anyhow::Result<Arc<Requests>> {
    let world = World {
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy) as Arc<dyn Entropy>,
        ledger: Arc::clone(ledger),
        snapshots: Arc::clone(store) as _,
    };
    let (data, settings) = (config.data.clone(), config.approvals.clone());
    let asked_for = world.snapshots.current().policies().grants_asked();
    for name in settings.rules.names().filter(|name| !asked_for.contains(*name)) {
        tracing::warn!("`[approvals.grants.{name}]` is configured, and no policy asks for `@approval(\"{name}\")`");
    }
    let opened = tokio::task::spawn_blocking(move || Requests::open(&data, settings, world));
    Ok(Arc::new(opened.await??))
}

async fn open_ledger(
    config: &Config,
    clock: Arc<dyn Clock>,
    exporter: Arc<Exporter>,
) -> anyhow::Result<Arc<SqliteLedger>> {
    let path = config.ledger();
    let opened = tokio::task::spawn_blocking(move || {
        let sink = Box::new(move |entry: &Entry| {
            if let Entry::Record(record) = entry {
                exporter.offer(record);
            }
        });
        SqliteLedger::open(&path, Options { sinks: vec![sink], ..Options::new(clock) })
    });
    Ok(Arc::new(opened.await??))
}

/// Opens the bundle that is to be in force, and what is kept of those that were.
fn open_store(config: &Config, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Store>> {
    let history = Arc::new(History::open(&config.data));
    let opened = Store::open(config.bundle.clone(), config.signatures, history, ledger, clock);
    opened.map(Arc::new).map_err(|faults| anyhow::anyhow!("the bundle does not build:\n{}", told(&faults)))
}

/// Shows every durable record to the shadow. Not its owner: the shadow holds the store, and that the ledger.
fn shown_to(shadow: Weak<Shadow>) -> Sink {
    Box::new(move |entry: &Entry| {
        if let Entry::Record(record) = entry
            && let Some(shadow) = shadow.upgrade()
        {
            shadow.offer(record);
        }
    })
}

/// Counts what has become durable, for those who watch.
fn counted_by(counts: Arc<live::Counts>) -> Sink {
    Box::new(move |entry: &Entry| counts.take(entry))
}

fn upstreams(config: &Config, vault: Arc<LocalVault>, own: OwnServer) -> anyhow::Result<Upstreams> {
    let limits = &config.limits;
    let http = HttpUpstream::new(limits.message_bytes_max, limits.long_answer_bytes_max, vault)?;
    let http_sse = HttpSseUpstream::new(
        &http,
        HttpSseLimits {
            bytes_max: limits.message_bytes_max,
            sessions_max: limits.sse_sessions_max,
            idle: Duration::from_secs(limits.sse_idle_s),
        },
    );
    let stdio = StdioUpstream::new(StdioLimits {
        bytes_max: limits.message_bytes_max,
        children_max: limits.children_max,
        idle: Duration::from_secs(limits.child_idle_s),
        grace: Duration::from_millis(limits.child_grace_ms),
        starts_per_minute: limits.child_starts_per_minute_max,
    });
    Ok(Upstreams::new(http, http_sse, stdio, own, limits.calls_per_server_max))
}

fn pipeline_limits(config: &Config) -> Limits {
    Limits {
        depth_max: config.limits.depth_max,
        arguments_bytes_max: config.limits.record_arguments_bytes_max,
        listing_age_us_max: i64::try_from(config.limits.listing_age_s_max)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000_000),
        stream_idle_ms_max: config.limits.stream_idle_s.saturating_mul(1000),
        origin_bytes_max: config.limits.origin_bytes_per_task_max,
        hold_ms: u64::try_from(config.hold.as_millis()).unwrap_or(u64::MAX),
        hold_progress_ms: u64::try_from(config.hold_progress.as_millis()).unwrap_or(u64::MAX),
        ..Limits::STANDARD
    }
}

fn told(faults: &[pdp::fault::Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use pdp::fault::SourceFile;

    use super::*;
    use crate::config::Overrides;
    use crate::telemetry::settings;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_gate_that_fails_to_start_or_is_dropped_lets_go_of_its_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let started = async |listen: SocketAddr| {
            let text = format!("listen = \"{listen}\"\ndata = \"state\"\n[control]\nlisten = \"127.0.0.1:0\"\n");
            let file = SourceFile { path: "wicketgate.toml".to_owned(), text };
            let config = Config::meant(&file, folder.path(), &Overrides::default()).unwrap();
            let (telemetry, _) = settings::read(|name| (name == "OTEL_TRACES_EXPORTER").then(|| "none".to_owned()));
            start(&config, Environment { telemetry, token: None }).await
        };
        let opened = || {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
            SqliteLedger::open(&folder.path().join("state/ledger.db"), Options::new(clock)).map(drop)
        };
        let failed = started(taken.local_addr().unwrap()).await.err().unwrap();
        assert!(failed.to_string().contains("cannot listen on"), "{failed}");
        opened().unwrap();
        let (running, _) = started(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        assert!(opened().is_err(), "two gates wrote one ledger");
        drop(running);
        let mut free = false;
        for _ in 0..500 {
            free = free || opened().is_ok();
            if free {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(free, "a gate that is gone holds its ledger");
    }
}
