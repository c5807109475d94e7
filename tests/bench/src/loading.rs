//! How long a bundle takes: to build it whole, to build it again after one line was edited, and to judge a call by it.
//!
//! In this process, on one thread, without traffic. Knows nothing of the gate's watching and swapping, which add their
//! tenth of a second of quiet and one atomic store.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use pdp::fault::SourceFile;
use pdp::json::Json;
use pdp::policy::{Act, Facts, Query};
use pdp::principal::Principal;
use pdp::snapshot::{Snapshot, Sources};

use crate::bundle::{self, SERVER, Size};
use crate::report::median;

/// The numbers of policies.
pub const POLICIES: [usize; 4] = [10, 100, 1000, 10_000];
/// Over how many tools.
const TOOLS: usize = 500;
/// How often the cheaper things are done; the median counts.
const TIMES: usize = 5;
/// How many calls are judged for one figure.
const CALLS: u32 = 2000;

/// What one size of bundle took.
#[derive(Debug, Clone)]
pub struct Loading {
    /// The size.
    pub size: Size,
    /// Building it from nothing, in milliseconds.
    pub build_ms: f64,
    /// Building it after one policy was edited, in milliseconds.
    pub policy_ms: f64,
    /// Building it after one tool's entry was edited, in milliseconds.
    pub tool_ms: f64,
    /// Judging one call of a reading tool, in microseconds.
    pub judge_us: f64,
}

/// Measures every size.
///
/// # Errors
/// When a bundle does not build, or an edit changes nothing.
pub fn measure() -> anyhow::Result<Vec<Loading>> {
    POLICIES.into_iter().map(|policies| one(Size { policies, tools: TOOLS })).collect()
}

fn one(size: Size) -> anyhow::Result<Loading> {
    let sources = sources(size)?;
    let began = Instant::now();
    let mut now = built(&sources, None)?;
    let build_ms = ms(began.elapsed());
    let mut edited = |edit: &dyn Fn(&mut Sources, usize) -> anyhow::Result<()>| -> anyhow::Result<f64> {
        let mut times = Vec::new();
        for nth in 0..TIMES {
            let mut sources = sources.clone();
            edit(&mut sources, nth)?;
            let began = Instant::now();
            let next = built(&sources, Some(&now))?;
            times.push(ms(began.elapsed()));
            ensure!(next.digest() != now.digest(), "an edit changed nothing");
            now = next;
        }
        Ok(median(times.into_iter()))
    };
    let policy_ms = edited(&|sources, nth| {
        let file = sources.policies.first_mut().context("there is a policy file")?;
        file.text = file.text.replace("!= \"default\"", &format!("!= \"default-{nth}\""));
        Ok(())
    })?;
    let tool_ms = edited(&|sources, nth| {
        let file = sources.registry.first_mut().context("there is a server file")?;
        file.text = file.text.replacen("reviewed_by = \"bench\"", &format!("reviewed_by = \"bench-{nth}\""), 1);
        Ok(())
    })?;
    Ok(Loading { size, build_ms, policy_ms, tool_ms, judge_us: judge_us(&now)? })
}

fn sources(size: Size) -> anyhow::Result<Sources> {
    let file = |path: &str, text| SourceFile { path: path.to_owned(), text };
    Ok(Sources {
        policies: vec![file("bench.cedar", bundle::policies(size))],
        registry: vec![
            file("servers/bench.toml", bundle::registry(size.tools, "http://127.0.0.1:9/mcp")?),
            file("servers/bench.tools.json", bundle::definitions(size.tools)),
        ],
    })
}

fn built(sources: &Sources, before: Option<&Snapshot>) -> anyhow::Result<Snapshot> {
    Snapshot::rebuild(sources, before)
        .map_err(|faults| anyhow::anyhow!(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

fn judge_us(snapshot: &Snapshot) -> anyhow::Result<f64> {
    let principal = Principal {
        agent: "bench".to_owned(),
        method: "token".to_owned(),
        teams: vec!["engineering".to_owned()],
        tenant: "default".to_owned(),
        user: String::new(),
    };
    let server = snapshot.server(SERVER).context("there is a server")?;
    let tool = server.reviewed(&bundle::tool_name(0)).context("there is a tool")?;
    let arguments = Json::read(r#"{"path":"/open/a","query":"words","bytes":100,"answer":"json"}"#, 9)?;
    let facts =
        Facts { task: pdp::policy::TaskFacts::of("t"), calls: 1, now_ms: 1_795_000_000_000, ..Facts::default() };
    let query = Query { principal: &principal, server, act: Act::Tool { tool, arguments: &arguments }, facts: &facts };
    let mut rounds = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        for _ in 0..CALLS {
            std::hint::black_box(snapshot.judge(std::hint::black_box(query)));
        }
        rounds.push(ms(began.elapsed()) * 1000.0 / f64::from(CALLS));
    }
    Ok(median(rounds.into_iter()))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
