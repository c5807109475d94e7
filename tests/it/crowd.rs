//! Many calls at one time: against a limit exactly as many run as it says, and under one key one.

use std::sync::Arc;

use bytes::Bytes;
use pdp::record::{EffectState, Entry};
use pdp::refusal::Code;
use pep::Frame;

use crate::world::fakes::lock;
use crate::world::upstream::FakeUpstream;
use crate::world::{World, bundle, caller};

/// A world with room for this many calls at one time, whose tasks have these limits.
fn world(limits: &str, calls: usize) -> Arc<World> {
    let world = World::over(bundle::limited(limits), FakeUpstream::new);
    world.gate.ports.slots.add_permits(calls);
    world
}

fn frame(n: usize, tool: &str, arguments: &str, headers: Vec<(String, String)>) -> Frame {
    let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
    let text = format!(r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{params}}}"#);
    Frame::message(caller("ann"), "bank", None, headers, Bytes::from(text))
}

/// Carries all frames at one time, over several threads.
fn at_one_time(world: &Arc<World>, frames: Vec<Frame>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    runtime.block_on(async {
        let list = r#"{"jsonrpc":"2.0","id":0,"method":"tools/list"}"#;
        let list = Frame::message(caller("ann"), "bank", None, Vec::new(), Bytes::from(list));
        Arc::clone(world).carry(list).await;
        let all: Vec<_> = frames.into_iter().map(|frame| tokio::spawn(Arc::clone(world).carry(frame))).collect();
        for one in all {
            one.await.unwrap();
        }
    });
}

fn sent(world: &World) -> usize {
    lock(&world.upstream.sent).iter().filter(|sent| sent.text.contains("tools/call")).count()
}

#[test]
fn of_ten_thousand_calls_against_a_limit_of_a_thousand_exactly_a_thousand_run() {
    let world = world("steps = 1000", 10_000);
    let pay = |n: usize| frame(n, "pay", &format!(r#"{{"to":"joe","amount":{}}}"#, n % 100), Vec::new());
    at_one_time(&world, (1..=10_000).map(pay).collect());
    assert_eq!(sent(&world), 1000);
    world.ledger.assert_one_record_each();
    let records = world.ledger.records();
    let refused = records.iter().filter(|r| r.refusal.as_ref().is_some_and(|r| r.code == Code::TaskOver));
    assert_eq!(refused.count(), 9000);
    let ended = |state| records.iter().filter(|r| r.effect.as_ref().is_some_and(|e| e.state == state)).count();
    assert_eq!((ended(EffectState::Committed), ended(EffectState::Denied)), (1000, 9000));
    let events: Vec<String> = world
        .ledger
        .entries()
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Event(event) => Some(format!("{} {}", event.what, event.detail)),
            Entry::Intent(_) | Entry::Record(_) | Entry::Said(_) => None,
        })
        .collect();
    let [event] = events.as_slice() else { panic!("the end is told once: {events:?}") };
    assert!(event.starts_with("task_ended it reached a limit: `steps`: 1000 tool calls"), "{event}");
}

#[test]
fn of_a_thousand_calls_under_one_key_one_runs() {
    let world = world("steps = 5000", 2000);
    let key = || vec![("idempotency-key".to_owned(), "k".to_owned())];
    at_one_time(&world, (1..=1000).map(|n| frame(n, "pay", r#"{"to":"joe","amount":1}"#, key())).collect());
    assert_eq!(sent(&world), 1);
    world.ledger.assert_one_record_each();
    let records = world.ledger.records();
    let again = records.iter().filter(|r| r.refusal.as_ref().is_some_and(|r| r.code == Code::Repeated)).count();
    assert_eq!(again, 999);
}
