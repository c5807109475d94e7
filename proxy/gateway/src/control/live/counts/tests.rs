//! What is counted, and how much of it is kept.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
use std::collections::BTreeSet;
use std::sync::Arc;

use pdp::decision::{Obligation, Reason};
use pdp::policy::Facts;
use pdp::principal::Principal;
use pdp::record::{DecisionNote, Ending, RECORD_VERSION};

use super::*;

const NOON_S: i64 = 1_795_132_800;

fn decided(decision: Decision) -> Option<DecisionNote> {
    Some(DecisionNote::of(decision, Vec::new(), Vec::new(), &Facts::default()))
}

fn allowed() -> Option<DecisionNote> {
    decided(Decision::Allow(BTreeSet::<Obligation>::new()))
}

/// A request of a tenant that ended at this time.
fn call(tenant: &str, ended_us: i64, took_us: u64, decision: Option<DecisionNote>) -> Record {
    let principal = Principal {
        agent: "a".into(),
        teams: Vec::new(),
        user: String::new(),
        tenant: tenant.into(),
        method: "token".into(),
    };
    let text = format!(
        r#"{{"v":{RECORD_VERSION},"number":1,"trace":"t","span":"s","task":"k","started_us":{},"took_us":{took_us},
            "direction":"to_server","kind":"request","server":"web","snapshot":"sha256:{}","stages":[],"bytes_in":0,
            "ending":"served"}}"#,
        ended_us - i64::try_from(took_us).unwrap(),
        "0".repeat(64)
    );
    let bare: Record = serde_json::from_str(&text).unwrap();
    Record { principal: Some(Arc::new(principal)), decision, ending: Ending::Served, ..bare }
}

fn take(counts: &Counts, record: Record) {
    counts.take(&Entry::Record(Arc::new(record)));
}

#[test]
fn each_tenants_requests_are_counted_in_the_second_they_ended_in() {
    let counts = Counts::default();
    let us = |s: i64| s * 1_000_000;
    take(&counts, call("default", us(NOON_S), 1_000, allowed()));
    take(&counts, call("default", us(NOON_S) + 999_999, 3_000_000, decided(Decision::Deny(Reason::NoPermit))));
    take(&counts, call("default", us(NOON_S + 1), 100, decided(Decision::Escalate(["owner".to_owned()].into()))));
    take(&counts, call("default", us(NOON_S + 1), 100, None));
    take(&counts, call("acme", us(NOON_S), 1_000, allowed()));
    // What is no request of an agent, or of nobody known, is nobody's call.
    take(&counts, Record { principal: None, ..call("default", us(NOON_S), 1, None) });
    take(&counts, Record { kind: FrameKind::Notification, ..call("default", us(NOON_S), 1, None) });
    take(&counts, Record { direction: Direction::ToClient, ..call("default", us(NOON_S), 1, None) });
    let found = counts.of("default", us(NOON_S + 2) + 1);
    assert_eq!(found.decisions, (1, 1, 1));
    assert_eq!(found.series.len(), 60);
    assert_eq!(found.series.get(58..), Some(&[(us(NOON_S), 2, 1), (us(NOON_S + 1), 2, 0)][..]));
    assert!((found.calls_per_s - 0.4).abs() < 1e-9, "{found:?}");
    // 100, 100, 1,000 and 3,000,000 microseconds: never told shorter, and at most one part in eight longer.
    let (half, most, nearly_all) = found.took_us.unwrap();
    assert!((100..=112).contains(&half) && (3_000_000..=3_375_000).contains(&most) && most == nearly_all, "{found:?}");
    assert_eq!(counts.of("acme", us(NOON_S + 2)).decisions, (1, 0, 0));
    let nobody = counts.of("none", us(NOON_S));
    assert_eq!((nobody.decisions, nobody.took_us, nobody.series.len()), ((0, 0, 0), None, 60));
    // The second under way is not told; after a minute nothing is left of it.
    assert_eq!(counts.of("default", us(NOON_S + 1)).decisions, (1, 0, 1));
    assert_eq!(counts.of("default", us(NOON_S + 62)).took_us, None);
    // A place that was taken by a later second is not counted in for an earlier one.
    take(&counts, call("default", us(NOON_S + 64), 1, allowed()));
    take(&counts, call("default", us(NOON_S), 1, allowed()));
    let later = counts.of("default", us(NOON_S + 65));
    assert_eq!(later.decisions, (1, 0, 0));
}

#[test]
fn only_so_much_is_kept() {
    let counts = Counts::default();
    for n in 0..TENANTS_MAX + 5 {
        take(&counts, call(&format!("t{n}"), NOON_S * 1_000_000, 1, allowed()));
    }
    assert_eq!(counts.0.lock().unwrap().tenants.len(), TENANTS_MAX);
    let event = |what: &str, n: usize| Event::new(n as i64, what, "x".repeat(WORDS_MAX + 1));
    for n in 0..STOPS_MAX + 5 {
        counts.take(&Entry::Event(event("halt_on", n)));
    }
    let stops = counts.stops(usize::MAX, |_| true);
    assert_eq!((stops.len(), stops.first().unwrap().at_us), (STOPS_MAX, STOPS_MAX as i64 + 4));
    assert_eq!(stops.first().unwrap().detail.len(), WORDS_MAX);
    // What went well is no stop: a host that ended its task, a sign-in.
    counts.take(&Entry::Event(Event { by: Some("default/host".into()), ..event("task_ended", 0) }));
    counts.take(&Entry::Event(event("signed_in", 0)));
    assert_eq!(counts.stops(1, |_| true).first().unwrap().what, "halt_on");
    counts.take(&Entry::Event(event("task_ended", 0)));
    assert_eq!(counts.stops(1, |_| true).first().unwrap().what, "task_ended");
    assert!(counts.stops(9, |stop| stop.what == "none").is_empty());
}

#[test]
fn a_bucket_holds_what_it_is_of_to_one_part_in_eight() {
    let powers = (0..64).map(|power| 1_u64 << power);
    let around = powers.flat_map(|one| [one - 1, one, one + 1, one + one / 3, one + (one - 1) / 2, one + (one - 1)]);
    let mut all: Vec<u64> = (0..5_000).chain(around).chain([u64::MAX]).collect();
    all.sort_unstable();
    for us in &all {
        let told = longest(bucket(*us));
        assert!(told >= *us && told - us <= us / 8, "{us} is told as {told}");
    }
    assert!(all.is_sorted_by_key(|us| bucket(*us)));
}
