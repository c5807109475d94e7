//! The differential test: what becomes of one message, told by a small model and by the pipeline, on cases by chance.
//!
//! The model (`fate.rs`, `answer.rs`, `rules.rs`) was written from the documents. It knows nothing of Cedar, of JSON text, of
//! stages as types: it reads a law and a message as data, and tells the fate line by line. `real.rs` writes the same law and
//! message as the files and bytes they would be, and carries them through `pep::run` over the fixture's ports. The lines must
//! be the same: every stage, refusal and ending, what servers were sent and people asked, the decision and its rules, the
//! labels of answers and tasks, what the client was told.
//!
//! ```text
//! cargo test -p tests --test it model                                            some thousand cases, half of them fresh ones
//! WICKETGATE_CASES=1000000 cargo test --release -p tests --test it model         a million
//! WICKETGATE_SEED=7 WICKETGATE_CASES=10000 cargo test -p tests --test it model   those of a seed again
//! ```

mod dice;
mod law;
mod methods;
mod rules;
mod condition;
mod step;
mod chance;
mod frame;
mod record;
mod fate;
mod answer;
mod real;
mod seen;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use pdp::snapshot::Snapshot;

use dice::Dice;
use fate::Model;
use law::Law;
use real::Real;
use seen::Seen;
use step::Step;

use crate::world::block_on;

/// Cases under one law: building a law costs as much as many calls.
const CASES_PER_LAW: u64 = 200;
/// Cases of one history: tasks, channels and listings live as long.
const STEPS: usize = 25;
/// Cases of a run where nothing else is said.
const CASES: u64 = 12_000;
/// The seed that every run begins with.
const SEED: u64 = 1;

/// Runs a history on both sides. Answers how the first differing step was told, and notes what came up.
fn told_differently(law: &Law, snapshot: &Arc<Snapshot>, steps: &[Step], seen: &mut Seen) -> Option<(usize, String)> {
    let first = steps.first()?;
    let mut model = Model::new(law, first.weather.clone());
    let mut real = Real::new(law, Arc::clone(snapshot));
    block_on(async {
        for (n, step) in steps.iter().enumerate() {
            let expected = model.step(step);
            let (found, records) = real.step(step).await;
            if let Some(difference) = real::difference(&expected, &found) {
                return Some((n, difference));
            }
            seen.note(&records, &found);
        }
        None
    })
}

/// A history and a law, made as small as leaves the two at odds.
fn smaller(mut law: Law, mut steps: Vec<Step>) -> (Law, Vec<Step>) {
    let differs = |law: &Law, steps: &[Step]| {
        told_differently(law, &law.snapshot(), steps, &mut Seen::default()).map(|(at, _)| at)
    };
    let mut at = 0;
    while at + 1 < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        match differs(&law, &fewer) {
            Some(last) => {
                fewer.truncate(last + 1);
                steps = fewer;
            }
            None => at += 1,
        }
    }
    let mut at = 0;
    while at < law.rules.len() && law.rules.len() > 1 {
        let mut fewer = law.clone();
        fewer.rules.remove(at);
        if differs(&fewer, &steps).is_some() { law = fewer } else { at += 1 }
    }
    let mut at = 0;
    while at < law.servers.len() && law.servers.len() > 1 {
        let mut fewer = law.clone();
        let gone = fewer.servers.remove(at).name;
        let named =
            law.rules.iter().any(|rule| rule.text().contains(gone)) || steps.iter().any(|step| step.names(gone));
        if !named && differs(&fewer, &steps).is_some() { law = fewer } else { at += 1 }
    }
    (law, steps)
}

/// Tries so many cases of one seed.
fn try_cases(seed: u64, cases: u64, seen: &mut Seen) {
    let mut dice = Dice::new(seed);
    let mut left = cases;
    while left > 0 {
        let law = law::any(&mut dice);
        let snapshot = law.snapshot();
        for _ in 0..CASES_PER_LAW / STEPS as u64 {
            let steps: Vec<Step> = (0..STEPS).map(|_| chance::step(&mut dice, &law)).collect();
            left = left.saturating_sub(STEPS as u64);
            if let Some((at, difference)) = told_differently(&law, &snapshot, &steps, seen) {
                at_odds(seed, &law, &steps[..=at], &difference);
            }
        }
    }
}

/// Fails, and prints the case: as small as it can be made, where it still differs when nothing was judged before it.
fn at_odds(seed: u64, law: &Law, steps: &[Step], difference: &str) -> ! {
    let mut words = "The same history under a snapshot of its own, made smaller";
    let (mut law, mut steps, mut difference) = (law.clone(), steps.to_vec(), difference.to_owned());
    let alone = |law: &Law, steps: &[Step]| told_differently(law, &law.snapshot(), steps, &mut Seen::default());
    if alone(&law, &steps).is_some() {
        (law, steps) = smaller(law, steps);
        difference = alone(&law, &steps).map_or(difference, |(_, smaller)| smaller);
    } else {
        words = "Only after what was judged under the same snapshot before; the whole history";
    }
    let history: String = steps.iter().map(|step| format!("{step:?}\n")).collect();
    panic!(
        "model (-) and pipeline (+) tell the last step differently, seed {seed}:\n{difference}\n{words}:\n{history}\n{}",
        law.text()
    );
}

fn number_of(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Half of the cases are always the same; the other half are fresh, unless a seed is given.
#[test]
#[expect(clippy::print_stdout, reason = "a run says which cases it tried: `--nocapture` shows it")]
fn the_model_and_the_pipeline_tell_the_same_fate() {
    let cases = number_of("WICKETGATE_CASES").unwrap_or(CASES);
    let fresh = number_of("WICKETGATE_SEED").unwrap_or_else(|| RandomState::new().hash_one("seed"));
    let mut seen = Seen::default();
    println!("{cases} cases of the seeds {SEED} and {fresh}");
    try_cases(SEED, cases / 2, &mut seen);
    try_cases(fresh, cases - cases / 2, &mut seen);
    println!("{seen}");
    seen.assert_complete();
}
