//! Limits reached one by one, from many threads, over tasks that were handed on, and given back.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;

fn server(limits: Limits) -> Party {
    Party::Server("s".to_owned(), limits, Arc::new(Meter::default()))
}

fn call(name: &str) -> Use {
    Use { cost: 3, bytes_out: 10, is_call: true, identity: Some(Digest::of_bytes(name.as_bytes())) }
}

fn condition(outcome: Result<Reservation, Tripped>) -> Option<Condition> {
    outcome.err().map(|tripped| tripped.condition)
}

/// Two calls under a limit that lets one pass: the second meets it.
fn check(limits: Limits, second: Use, want: Option<Condition>) {
    let party = server(limits);
    let mut first = reserve(vec![party.clone()], call("a"), 1).unwrap();
    first.spend();
    assert_eq!(condition(reserve(vec![party], second, 2)), want, "{limits:?}");
    drop(first);
}

#[test]
fn each_limit_is_met_by_the_call_that_goes_beyond_it() {
    let none = Limits::default();
    let free = Use { cost: 0, bytes_out: 0, ..call("b") };
    check(none, call("a"), None);
    check(Limits { steps: Some(1), ..none }, call("b"), Some(Condition::Steps));
    check(Limits { steps: Some(2), ..none }, call("b"), None);
    check(Limits { cost: Some(5), ..none }, call("b"), Some(Condition::Cost));
    check(Limits { cost: Some(6), ..none }, call("b"), None);
    check(Limits { cost: Some(3), ..none }, free, None);
    check(Limits { bytes_out: Some(19), ..none }, call("b"), Some(Condition::BytesOut));
    check(Limits { bytes_out: Some(10), ..none }, free, None);
    check(Limits { repeats: Some(1), ..none }, call("a"), Some(Condition::Repeats));
    check(Limits { repeats: Some(1), ..none }, call("b"), None);
    check(Limits { in_flight: Some(1), ..none }, call("b"), Some(Condition::InFlight));
    // What is no tool call takes no step.
    check(Limits { steps: Some(1), ..none }, Use::default(), None);
}

#[test]
fn failures_count_in_a_row_and_a_success_breaks_it() {
    let party = server(Limits { failures_in_row: Some(2), ..Limits::default() });
    let go = |failed: bool| {
        let mut one = reserve(vec![party.clone()], call("a"), 1).unwrap();
        one.spend();
        one.settle(failed, None)
    };
    assert!(go(true).is_empty() && go(false).is_empty() && go(true).is_empty());
    let reached = go(true);
    assert_eq!(reached.iter().map(|t| t.condition).collect::<Vec<_>>(), [Condition::FailuresInRow]);
    assert_eq!(condition(reserve(vec![party], call("b"), 1)), Some(Condition::FailuresInRow));
}

#[test]
fn what_a_result_says_it_did_cost_takes_the_place_of_what_was_reserved() {
    let party = server(Limits { cost: Some(10), ..Limits::default() });
    let go = |cost: Option<u64>| {
        let mut one = reserve(vec![party.clone()], call("a"), 1).unwrap();
        one.spend();
        one.settle(false, cost).len()
    };
    assert_eq!(go(Some(0)), 0);
    assert_eq!(party.meter().spent().0, 0);
    assert_eq!(go(None), 0);
    assert_eq!(party.meter().spent().0, 3);
    assert_eq!(go(Some(8)), 1, "what it did cost goes beyond the limit");
    assert_eq!(condition(reserve(vec![party], call("b"), 1)), Some(Condition::Cost));
}

#[test]
fn what_is_not_spent_comes_back_and_people_are_asked_so_often() {
    let party = server(Limits { approvals: Some(1), steps: Some(1), ..Limits::default() });
    let first = reserve(vec![party.clone()], call("a"), 1).unwrap();
    assert!(first.put_to_a_person().is_ok());
    assert_eq!(first.put_to_a_person().unwrap_err().condition, Condition::Approvals);
    drop(first);
    assert_eq!(party.meter().spent(), (0, 0));
    let second = reserve(vec![party.clone()], call("a"), 1).unwrap();
    assert!(second.settle(true, Some(9)).is_empty(), "what did not act did not fail");
    drop(second);
    assert!(party.meter().used().iter().all(|(name, used)| *used == u64::from(*name == "approvals")));
}

#[test]
fn what_is_given_back_late_is_not_taken_off_another_period() {
    let party = server(Limits { steps: Some(1), elapsed_s: Some(60), ..Limits::default() });
    let waiting = reserve(vec![party.clone()], call("a"), 1).unwrap();
    let mut next = reserve(vec![party.clone()], call("b"), 61_000_001).unwrap();
    next.spend();
    drop(waiting);
    assert_eq!(condition(reserve(vec![party], call("c"), 61_000_002)), Some(Condition::Steps));
    drop(next);
}

#[test]
fn a_servers_counts_begin_anew_after_its_period() {
    let party = server(Limits { steps: Some(1), elapsed_s: Some(60), ..Limits::default() });
    let go = |at_s: i64| {
        let outcome = reserve(vec![party.clone()], call("a"), at_s * 1_000_000);
        outcome.map(|mut one| one.spend()).map_err(|tripped| tripped.condition)
    };
    assert_eq!((go(1), go(60), go(61), go(62)), (Ok(()), Err(Condition::Steps), Ok(()), Err(Condition::Steps)));
}

#[test]
fn none_is_taken_where_one_refuses() {
    let (wide, narrow) = (server(Limits::default()), server(Limits { steps: Some(0), ..Limits::default() }));
    assert_eq!(condition(reserve(vec![wide.clone(), narrow], call("a"), 1)), Some(Condition::Steps));
    assert_eq!(wide.meter().used().iter().map(|(_, used)| used).sum::<u64>(), 0);
}

#[test]
fn as_many_as_the_limit_get_through_at_one_time() {
    let parties = [server(Limits { steps: Some(1000), ..Limits::default() }), server(Limits::default())];
    let through = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (parties, through) = (&parties, &through);
            scope.spawn(move || {
                for n in 0..1250 {
                    if let Ok(mut one) = reserve(parties.to_vec(), call(&format!("{thread} {n}")), 1) {
                        one.spend();
                        through.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(through.into_inner(), 1000);
}

proptest! {
    /// Whatever is reserved, spent and dropped: what is in flight is what is held, and no count is above its limit.
    #[test]
    fn counts_never_pass_their_limits(acts in proptest::collection::vec((0u8..4, 0u8..3), 0..60)) {
        let limits = Limits { steps: Some(9), cost: Some(20), in_flight: Some(3), repeats: Some(4), ..Limits::default() };
        let party = server(limits);
        let mut held: Vec<Reservation> = Vec::new();
        for (act, which) in acts {
            match act {
                0 | 1 => held.extend(reserve(vec![party.clone()], call(&which.to_string()), 1).ok()),
                2 => held.iter_mut().for_each(Reservation::spend),
                _ => drop(held.pop()),
            }
            let used = party.meter().used();
            let of = |name: &str| used.iter().find(|(n, _)| *n == name).map_or(0, |(_, used)| *used);
            prop_assert_eq!(of("in_flight"), held.len() as u64);
            prop_assert!(of("steps") <= 9 && of("cost") <= 20 && of("in_flight") <= 3);
        }
    }
}
