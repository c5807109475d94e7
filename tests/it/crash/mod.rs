//! A gate that is killed without warning, again and again: no effect without a durable intent, no sealed record lost or
//! torn, every intent without an outcome reported `indeterminate` by the next life, once.
//!
//! The gate runs as a process of its own on a ledger on disk. Agents of both eras call tools behind both transports; the
//! servers count what they are made to do before they answer. Each life ends by SIGKILL, at a moment that dice choose:
//! while the gate starts and recovers, or in the middle of the calls. What is left is examined on a copy.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]

mod agents;
mod effects;
mod ledger;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gateway::ledger::{Filter, Reader};
use pdp::record::{Ending, Entry};
use tempfile::TempDir;
use tests::{listing, said};
use tokio::task::JoinSet;

use crate::gate::bundle::Bundle;
use crate::gate::child::{Child, program};
use crate::gate::server::Upstream;
use crate::gate::{HANGS, lay_out};
use agents::{AGENTS, Counter, Made};
use effects::Effects;
use ledger::Ledger;

/// How many ledgers are begun, and how many lives of a gate each sees.
const LEDGERS: u64 = 4;
const LIVES: u64 = 50;
/// With these lives a ledger begins: they are killed while they start, so that also its making is cut short.
const FIRST_STARTS: u64 = 4;

/// Everything the agents do is permitted, also what the usual policies leave to a person.
const POLICIES: &str = r#"
@id("lifecycle") permit (principal, action in Gate::Action::"lifecycle", resource);
@id("features") permit (principal, action in Gate::Action::"feature", resource);
@id("calls") permit (principal, action in Gate::Action::"call", resource);
"#;

/// Numbers that look random and follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

/// When a life ends.
#[derive(Debug)]
enum Moment {
    /// After this part of the time a start takes, in hundredths.
    Starting(u64),
    /// When so many calls were answered, and so many microseconds later.
    Serving { answers: usize, then_us: u64 },
}

impl Moment {
    fn of(dice: &mut Dice, life: u64) -> Self {
        if life < FIRST_STARTS || dice.below(5) == 0 {
            return Self::Starting(dice.below(130));
        }
        Self::Serving { answers: usize::try_from(dice.below(40)).unwrap(), then_us: dice.below(6000) }
    }
}

/// What happened in all, so that a test that met nothing does not pass.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    /// Kills before the gate served.
    early: u64,
    /// Lives that began by settling something.
    recoveries: usize,
    answered: usize,
    effects: usize,
    recovered: usize,
    /// Reads that were answered and are in no ledger.
    reads_lost: usize,
    /// By agent: effects that nobody was told of.
    untold: BTreeMap<usize, usize>,
}

/// One ledger, the servers behind its gates, and everything known of its lives.
struct House {
    _folder: TempDir,
    config: PathBuf,
    web: Upstream,
    /// How long a gate takes to start here, at least.
    start: Duration,
    effects: Effects,
    ledger: Ledger,
    made: Vec<Made>,
    tally: Tally,
}

impl House {
    async fn new(start: Duration) -> Self {
        // On a real disk: writes that wait are what a kill comes between.
        let folder = tempfile::tempdir().unwrap();
        let tape = folder.path().join("tape");
        std::fs::create_dir(&tape).unwrap();
        std::fs::write(tape.join("tools"), serde_json::json!({ "tools": listing() }).to_string()).unwrap();
        // An empty result carries no label, and so no number of a record.
        std::fs::write(tape.join("result"), said("taped").to_string()).unwrap();
        let web = Upstream::start().await;
        let bundle = Bundle::new().http("counting", &web.url()).stdio("taping", &["--tape", tape.to_str().unwrap()]);
        let config = lay_out(folder.path(), &bundle.policies(POLICIES), "");
        let ledger = Ledger::at(folder.path().join("state/ledger.db"));
        let effects = Effects::new(tape.join("heard"));
        Self { _folder: folder, config, web, start, effects, ledger, made: Vec::new(), tally: Tally::default() }
    }

    /// One life of a gate, from its start to its violent end.
    async fn live(&mut self, life: u64, moment: &Moment, dice: &mut Dice) {
        let mut gate = Child::start(&self.config);
        let mut agents = JoinSet::new();
        match moment {
            Moment::Starting(part) => tokio::time::sleep(self.start.mul_f64(*part as f64 / 100.0)).await,
            Moment::Serving { answers, then_us } => {
                let at = gate.at().await;
                let counter = Counter::default();
                for agent in 0..AGENTS.len() {
                    agents.spawn(agents::work(agent, at, life, Dice(dice.roll()), counter.clone()));
                }
                let enough = tokio::time::timeout(HANGS, counter.reached(*answers)).await;
                assert!(enough.is_ok(), "life {life}: the agents are not answered; {:?}", agents.join_all().await);
                tokio::time::sleep(Duration::from_micros(*then_us)).await;
            }
        }
        let killed = gate.kill().await;
        let made: Vec<Made> = agents.join_all().await.into_iter().flatten().collect();
        self.tally.kills += 1;
        self.tally.early += u64::from(!killed.served);
        self.effects.hear(&self.web);
        let recovered = self.ledger.examine(killed.served).unwrap_or_else(|fault| {
            panic!("life {life}, {moment:?}: {fault}\nthe gate's log:\n{}", killed.log);
        });
        self.tally.recoveries += usize::from(recovered);
        self.ledger.has_intents_of(self.effects.all());
        self.ledger.has_records_of(&made);
        self.made.extend(made);
    }

    /// The last life: nothing is called any more, and all that was left open is settled and told.
    async fn settle(mut self) -> Tally {
        let mut gate = Child::start(&self.config);
        gate.at().await;
        let found = recorded_as_indeterminate(self.ledger.path());
        gate.kill().await;
        self.ledger.examine(true).unwrap();
        assert_eq!(self.ledger.open(), &BTreeSet::new(), "what was left open is settled");
        assert_eq!(found.len(), self.ledger.recovered().len(), "each is told once");
        assert_eq!(&found.into_iter().collect::<BTreeSet<u64>>(), self.ledger.recovered());
        self.told_by_the_command_line().await;
        self.effects.hear(&self.web);
        self.ledger.has_intents_of(self.effects.all());
        self.ledger.has_effects_of_all_that_was_served(&self.effects);
        let answered: BTreeSet<&str> =
            self.made.iter().filter(|made| made.number.is_some()).map(|made| made.unique.as_str()).collect();
        for effect in
            self.effects.all().iter().filter(|effect| !effect.reads && !answered.contains(effect.unique.as_str()))
        {
            *self.tally.untold.entry(agents::of(&effect.unique)).or_default() += 1;
        }
        self.tally.answered = answered.len();
        self.tally.effects = self.effects.all().len();
        self.tally.recovered = self.ledger.recovered().len();
        self.tally.reads_lost = self.ledger.reads_lost(&self.made);
        self.web.stop().await;
        self.tally
    }

    /// `wicketgate trace N` tells of an unknown outcome that it is unknown, and of a known one that it is not.
    async fn told_by_the_command_line(&self) {
        let open = self.ledger.recovered().iter().take(2).map(|number| (*number, 1));
        let known = self.made.iter().rev().find(|made| made.number.is_some() && !made.reads());
        for (number, times) in open.chain(known.map(|made| (made.number.unwrap(), 0))) {
            let told = program(&self.config).arg("trace").arg(number.to_string()).arg("--json").output().await.unwrap();
            let text = String::from_utf8(told.stdout).unwrap();
            let entries: Vec<Entry> = text.lines().map(|line| Entry::read(line).unwrap()).collect();
            let tells = |entry: &&Entry| match entry {
                Entry::Record(record) => record.number == number && record.ending == Ending::Indeterminate,
                Entry::Intent(_) | Entry::Event(_) | Entry::Said(_) => false,
            };
            assert_eq!(entries.iter().filter(tells).count(), times, "record {number} in:\n{text}");
            let told = program(&self.config).arg("trace").arg(number.to_string()).output().await.unwrap();
            let text = String::from_utf8(told.stdout).unwrap();
            let line = text.lines().find(|line| line.starts_with(&format!("#{number} "))).unwrap();
            assert_eq!(usize::from(line.ends_with("indeterminate")), times, "{line}");
        }
    }
}

/// The frames of unknown outcome, as whoever asks the ledger is told.
fn recorded_as_indeterminate(path: &std::path::Path) -> Vec<u64> {
    let filter = Filter { ending: Some(Ending::Indeterminate), limit: 1_000_000, ..Filter::default() };
    let found = Reader::open(path).unwrap().query(&filter).unwrap();
    let numbers = found.into_iter().map(|(_, entry)| match entry {
        Entry::Record(record) => record.number,
        Entry::Intent(_) | Entry::Event(_) | Entry::Said(_) => panic!("only a record has an ending"),
    });
    numbers.collect()
}

/// How long a gate takes to start where there is no ledger yet.
async fn start_takes() -> Duration {
    let folder = crate::gate::folder();
    let config = lay_out(folder.path(), &Bundle::new(), "");
    let began = Instant::now();
    let mut gate = Child::start(&config);
    gate.at().await;
    let took = began.elapsed();
    gate.kill().await;
    took
}

async fn all_lives(seed: u64) -> Tally {
    let mut dice = Dice(seed);
    let start = start_takes().await;
    let mut total = Tally::default();
    for _ in 0..LEDGERS {
        let mut house = House::new(start).await;
        for life in 0..LIVES {
            let moment = Moment::of(&mut dice, life);
            house.live(life, &moment, &mut dice).await;
        }
        let tally = house.settle().await;
        total.kills += tally.kills;
        total.early += tally.early;
        total.recoveries += tally.recoveries;
        total.answered += tally.answered;
        total.effects += tally.effects;
        total.recovered += tally.recovered;
        total.reads_lost += tally.reads_lost;
        tally.untold.into_iter().for_each(|(agent, count)| *total.untold.entry(agent).or_default() += count);
    }
    total
}

#[tokio::test]
async fn a_gate_killed_at_any_moment_loses_nothing_that_it_promised() {
    const SEED: &str = "WICKETGATE_TEST_SEED";
    let seed = std::env::var(SEED).ok().map(|text| text.parse().unwrap());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(SEED));
    let tally = match tokio::spawn(all_lives(seed)).await {
        Ok(tally) => tally,
        Err(fault) => panic!("the same dice again: {SEED}={seed}; {fault}"),
    };
    // That what is looked for was there to be found.
    assert_eq!(tally.kills, LEDGERS * LIVES);
    assert!(tally.early >= 10 && tally.recoveries >= 50 && tally.recovered >= 50, "{tally:?}, {SEED}={seed}");
    assert!(tally.answered >= 1000 && tally.effects >= 1000, "{tally:?}, {SEED}={seed}");
    assert_eq!(tally.untold.len(), AGENTS.len(), "each kind of agent was cut off: {tally:?}, {SEED}={seed}");
}
