//! Hanging up, and failing, at every await: each frame still has exactly one record, with the right ending.
//!
//! Every port of the fixture lets go of the thread at named points. A journey is stopped at each of them in turn, once by
//! dropping its future and once by a panic there, until it runs through.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::world::fakes::lock;
use crate::world::upstream::{Act, Item};
use crate::world::{World, bundle, diff, request, trail};
use pdp::record::{Ending, Entry};
use pep::Event;

/// How a journey is stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Drop,
    Panic,
}

/// One journey through every await of the pipeline.
struct Journey {
    server: &'static str,
    text: &'static str,
    /// Policies beside the standard ones.
    law: &'static str,
    prepare: fn(&World),
}

/// A payment above the limit: the gate lists the tools, asks an approver, lends a secret, writes the intent, sends, reads
/// a whole answer, writes the record.
const PAYMENT: Journey = Journey {
    server: "bank",
    text: r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"to":"joe","amount":500}}}"#,
    law: "",
    prepare: |world| *lock(&world.approvals.verdict) = crate::world::fakes::granted(["owner".to_owned()].into()),
};

/// The same, answered by a stream: an event of the server's own, a question that is refused, the answer.
const STREAM: Journey = Journey {
    prepare: |world| {
        (PAYMENT.prepare)(world);
        let event = |data: &str| Item::Event(Event { data: Some(data.to_owned()), ..Event::default() });
        let items = vec![
            event(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#),
            event(r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#),
            event(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#),
        ];
        world.upstream.next("bank", Act::Stream(items));
    },
    ..PAYMENT
};

/// The same, and the stream breaks.
const BROKEN: Journey = Journey {
    prepare: |world| {
        (PAYMENT.prepare)(world);
        world.upstream.next("bank", Act::Stream(vec![Item::Break("connection reset".to_owned())]));
    },
    ..PAYMENT
};

/// A refusal whose intent was written: the server cannot be reached.
const UNREACHABLE: Journey = Journey {
    prepare: |world| {
        (PAYMENT.prepare)(world);
        let fault = pep::ports::SendFault::Unreachable("connection refused".to_owned());
        world.upstream.next("bank", Act::Fault(fault));
    },
    ..PAYMENT
};

/// A harmless call.
const BALANCE: Journey = Journey {
    server: "bank",
    text: r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"balance","arguments":{}}}"#,
    law: "",
    prepare: |_| (),
};

/// A question of the server's that needs an approval, in the middle of an answer.
const QUESTION: Journey = Journey {
    server: "lab",
    text: r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
    law: r#"@id("ask") @approval("owner") forbid (principal, action == Gate::Action::"roots/list", resource);"#,
    prepare: |world| {
        (PAYMENT.prepare)(world);
        let event = |data: &str| Item::Event(Event { data: Some(data.to_owned()), ..Event::default() });
        let items = vec![
            event(r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#),
            event(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        ];
        world.upstream.next("lab", Act::Stream(items));
    },
};

/// Stops a journey at its nth await. Answers the points it met, its world, and whether it ended before.
fn stopped(journey: &Journey, stop: Stop, at: usize) -> (Vec<String>, Arc<World>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _within = runtime.enter();
    let world = World::under(&format!("{}{}", bundle::LAW, journey.law));
    (journey.prepare)(&world);
    if stop == Stop::Panic {
        world.points.panic_at(at);
    }
    let mut carried = Box::pin(Arc::clone(&world).carry(request(journey.server, journey.text)));
    let mut context = Context::from_waker(Waker::noop());
    let mut ended = false;
    for polls in 0.. {
        assert!(polls < 10_000, "the journey never ends");
        let dropped = stop == Stop::Drop && world.points.met().len() > at;
        if dropped || ended {
            break;
        }
        match catch_unwind(AssertUnwindSafe(|| carried.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(())) => ended = true,
            Err(_) => break,
        }
    }
    drop(carried);
    world.ledger.assert_one_record_each();
    (world.points.met(), world, ended)
}

/// Stops a journey at each of its awaits. One line for each: where, and how every frame under way ended.
fn every_point(journey: &Journey, stop: Stop) -> String {
    let mut lines = Vec::new();
    let mut at = 0;
    loop {
        let (met, world, ended) = stopped(journey, stop, at);
        let records = world.ledger.records();
        let after_intent = |number: u64| {
            world.ledger.entries().iter().any(|e| matches!(e, Entry::Intent(intent) if intent.number == number))
        };
        for record in records.iter().filter(|r| r.stages.last().is_none_or(|s| s.stage != "audit")) {
            // What may have been sent is never called abandoned or panicked; what was not is never called indeterminate.
            let sent = lock(&world.upstream.sent).iter().any(|sent| sent.number == record.number);
            assert!(!(sent && after_intent(record.number)) || record.ending == Ending::Indeterminate, "{record:?}");
            assert!(after_intent(record.number) || record.ending != Ending::Indeterminate, "{record:?}");
        }
        if ended {
            return lines.join("\n");
        }
        let place = met.get(at).expect("it was stopped there");
        let endings: Vec<String> =
            records.iter().map(|r| format!("{} {}", word(&trail::record(r)), r.ending.word())).collect();
        lines.push(format!("{place}: {}", endings.join(", ")));
        at += 1;
    }
}

/// The method and target of a record's line.
fn word(line: &str) -> String {
    line.split(':').next().unwrap_or_default().trim_start_matches(['>', '<', '!', '=', '~', ' ']).to_owned()
}

fn check(journey: &Journey, stop: Stop, expected: &str) {
    let found = every_point(journey, stop);
    let expected = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
    assert!(found == expected, "\n{}\n--- what happened:\n{found}\n", diff(&expected, &found));
}

#[test]
fn hanging_up_on_a_payment() {
    check(
        &PAYMENT,
        Stop::Drop,
        "
        vault: tools/list bank abandoned, tools/call bank pay abandoned
        listing not yet sent: tools/list bank abandoned, tools/call bank pay abandoned
        listing sent: tools/list bank abandoned, tools/call bank pay abandoned
        approval: tools/list bank served, tools/call bank pay abandoned
        vault: tools/list bank served, tools/call bank pay abandoned
        intent on its way to the disk: tools/list bank served, tools/call bank pay abandoned
        order not yet sent: tools/list bank served, tools/call bank pay indeterminate
        order sent: tools/list bank served, tools/call bank pay indeterminate
        record on its way to the disk: tools/list bank served, tools/call bank pay served
        ",
    );
}

#[test]
fn failing_in_a_payment() {
    check(
        &PAYMENT,
        Stop::Panic,
        "
        vault: tools/list bank panicked, tools/call bank pay panicked
        listing not yet sent: tools/list bank panicked, tools/call bank pay panicked
        listing sent: tools/list bank panicked, tools/call bank pay panicked
        approval: tools/list bank served, tools/call bank pay panicked
        vault: tools/list bank served, tools/call bank pay panicked
        intent on its way to the disk: tools/list bank served, tools/call bank pay panicked
        order not yet sent: tools/list bank served, tools/call bank pay indeterminate
        order sent: tools/list bank served, tools/call bank pay indeterminate
        record on its way to the disk: tools/list bank served, tools/call bank pay served
        ",
    );
}

#[test]
fn hanging_up_on_a_stream() {
    check(&STREAM, Stop::Drop, "
        vault: tools/list bank abandoned, tools/call bank pay abandoned
        listing not yet sent: tools/list bank abandoned, tools/call bank pay abandoned
        listing sent: tools/list bank abandoned, tools/call bank pay abandoned
        approval: tools/list bank served, tools/call bank pay abandoned
        vault: tools/list bank served, tools/call bank pay abandoned
        intent on its way to the disk: tools/list bank served, tools/call bank pay abandoned
        order not yet sent: tools/list bank served, tools/call bank pay indeterminate
        order sent: tools/list bank served, tools/call bank pay indeterminate
        next event: tools/list bank served, tools/call bank pay indeterminate
        next event: tools/list bank served, notifications/progress bank served, tools/call bank pay indeterminate
        refusal on its way to the server: tools/list bank served, notifications/progress bank served, roots/list bank refused, tools/call bank pay indeterminate
        next event: tools/list bank served, notifications/progress bank served, roots/list bank refused, tools/call bank pay indeterminate
        record on its way to the disk: tools/list bank served, notifications/progress bank served, roots/list bank refused, tools/call bank pay served
        ");
}

#[test]
fn failing_in_a_stream() {
    check(&STREAM, Stop::Panic, "
        vault: tools/list bank panicked, tools/call bank pay panicked
        listing not yet sent: tools/list bank panicked, tools/call bank pay panicked
        listing sent: tools/list bank panicked, tools/call bank pay panicked
        approval: tools/list bank served, tools/call bank pay panicked
        vault: tools/list bank served, tools/call bank pay panicked
        intent on its way to the disk: tools/list bank served, tools/call bank pay panicked
        order not yet sent: tools/list bank served, tools/call bank pay indeterminate
        order sent: tools/list bank served, tools/call bank pay indeterminate
        next event: tools/list bank served, tools/call bank pay indeterminate
        next event: tools/list bank served, notifications/progress bank served, tools/call bank pay indeterminate
        refusal on its way to the server: tools/list bank served, notifications/progress bank served, roots/list bank refused, tools/call bank pay indeterminate
        next event: tools/list bank served, notifications/progress bank served, roots/list bank refused, tools/call bank pay indeterminate
        record on its way to the disk: tools/list bank served, notifications/progress bank served, roots/list bank refused, tools/call bank pay served
        ");
}

#[test]
fn hanging_up_on_a_stream_that_breaks() {
    check(
        &BROKEN,
        Stop::Drop,
        "
        vault: tools/list bank abandoned, tools/call bank pay abandoned
        listing not yet sent: tools/list bank abandoned, tools/call bank pay abandoned
        listing sent: tools/list bank abandoned, tools/call bank pay abandoned
        approval: tools/list bank served, tools/call bank pay abandoned
        vault: tools/list bank served, tools/call bank pay abandoned
        intent on its way to the disk: tools/list bank served, tools/call bank pay abandoned
        order not yet sent: tools/list bank served, tools/call bank pay indeterminate
        order sent: tools/list bank served, tools/call bank pay indeterminate
        next event: tools/list bank served, tools/call bank pay indeterminate
        record on its way to the disk: tools/list bank served, tools/call bank pay indeterminate
        ",
    );
}

#[test]
fn hanging_up_on_a_refusal() {
    check(
        &UNREACHABLE,
        Stop::Drop,
        "
        vault: tools/list bank abandoned, tools/call bank pay abandoned
        listing not yet sent: tools/list bank abandoned, tools/call bank pay abandoned
        listing sent: tools/list bank abandoned, tools/call bank pay abandoned
        approval: tools/list bank served, tools/call bank pay abandoned
        vault: tools/list bank served, tools/call bank pay abandoned
        intent on its way to the disk: tools/list bank served, tools/call bank pay abandoned
        order not yet sent: tools/list bank served, tools/call bank pay indeterminate
        order sent: tools/list bank served, tools/call bank pay indeterminate
        record on its way to the disk: tools/list bank served, tools/call bank pay failed
        ",
    );
}

#[test]
fn hanging_up_on_a_harmless_call() {
    check(
        &BALANCE,
        Stop::Drop,
        "
        vault: tools/list bank abandoned, tools/call bank balance abandoned
        listing not yet sent: tools/list bank abandoned, tools/call bank balance abandoned
        listing sent: tools/list bank abandoned, tools/call bank balance abandoned
        vault: tools/list bank served, tools/call bank balance abandoned
        order not yet sent: tools/list bank served, tools/call bank balance abandoned
        order sent: tools/list bank served, tools/call bank balance abandoned
        ",
    );
}

#[test]
fn failing_in_a_harmless_call() {
    check(
        &BALANCE,
        Stop::Panic,
        "
        vault: tools/list bank panicked, tools/call bank balance panicked
        listing not yet sent: tools/list bank panicked, tools/call bank balance panicked
        listing sent: tools/list bank panicked, tools/call bank balance panicked
        vault: tools/list bank served, tools/call bank balance panicked
        order not yet sent: tools/list bank served, tools/call bank balance panicked
        order sent: tools/list bank served, tools/call bank balance panicked
        ",
    );
}

#[test]
fn hanging_up_on_a_question_of_the_servers() {
    check(
        &QUESTION,
        Stop::Drop,
        "
        vault: ping lab abandoned
        order not yet sent: ping lab abandoned
        order sent: ping lab abandoned
        next event: ping lab abandoned
        approval: roots/list lab abandoned, ping lab abandoned
        next event: roots/list lab served, ping lab abandoned
        ",
    );
}

#[test]
fn failing_in_a_question_of_the_servers() {
    check(
        &QUESTION,
        Stop::Panic,
        "
        vault: ping lab panicked
        order not yet sent: ping lab panicked
        order sent: ping lab panicked
        next event: ping lab panicked
        approval: roots/list lab panicked, ping lab panicked
        next event: roots/list lab served, ping lab panicked
        ",
    );
}

/// The journeys meet every kind of await there is: a new port, or a new wait in an old one, must be met too.
#[test]
fn the_journeys_meet_every_await() {
    let met: BTreeSet<String> = [&PAYMENT, &STREAM, &BROKEN, &UNREACHABLE, &BALANCE, &QUESTION]
        .into_iter()
        .flat_map(|journey| stopped(journey, Stop::Drop, usize::MAX).0)
        .collect();
    let every = [
        "approval",
        "intent on its way to the disk",
        "listing not yet sent",
        "listing sent",
        "next event",
        "order not yet sent",
        "order sent",
        "record on its way to the disk",
        "refusal on its way to the server",
        "vault",
    ];
    assert_eq!(met.iter().map(String::as_str).collect::<Vec<_>>(), every);
}
