//! Records from the latest back, page by page.

use super::super::{Past, Place};
use super::*;

/// Ten records of two tenants and nobody, two at the same time, with intents and an event between them.
fn many(path: &Path) {
    let ledger = open(path);
    for number in 1..=10_u64 {
        let mut one = bare_record(number);
        one.started_us = i64::try_from(number / 2).unwrap();
        one.server = if number % 2 == 0 { "bank" } else { "office" }.to_owned();
        one.principal = match number % 5 {
            0 => None,
            1 | 2 => Some(Principal { tenant: "acme".into(), ..principal() }.into()),
            _ => Some(principal().into()),
        };
        one.labels = if number == 3 { ["odd"].into_iter().collect() } else { LabelSet::default() };
        wait(ledger.commit(intent(number))).unwrap();
        wait(ledger.commit(Entry::Record(one.into()))).unwrap();
    }
    wait(ledger.commit(event("started"))).unwrap();
    close(ledger);
}

fn all() -> Past {
    Past { limit: 100, looked_max: 1000, ..Past::default() }
}

/// The numbers of every page, and how many pages there were.
fn read(reader: &Reader, mut past: Past) -> (Vec<u64>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = reader.past(&past).unwrap();
        assert!(page.records.len() <= past.limit);
        found.extend(page.records.iter().map(|record| record.number));
        pages += 1;
        match page.next {
            Some(next) => past.before = Some(next),
            None => return (found, pages),
        }
    }
}

#[test]
fn records_are_found_from_the_latest_back_by_all_that_is_asked() {
    let place = place();
    many(&place.path);
    let reader = reader(&place.path);
    let text = |text: &str| Some(text.to_owned());
    for (past, want) in [
        (all(), vec![10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Past { tenant: text("default"), ..all() }, vec![10, 9, 8, 5, 4, 3]),
        (Past { tenant: text("acme"), ..all() }, vec![10, 7, 6, 5, 2, 1]),
        (Past { tenant: text("acm"), ..all() }, vec![10, 5]),
        (Past { server: text("bank"), tenant: text("default"), ..all() }, vec![10, 8, 4]),
        (Past { principal: text("default/claude"), ..all() }, vec![9, 8, 4, 3]),
        (Past { principal: text("default/claude"), tenant: text("acme"), ..all() }, vec![]),
        (Past { label: text("odd"), ..all() }, vec![3]),
        (Past { decision: text("deny"), ..all() }, vec![]),
        (
            Past { method: text("tools/call"), tool: text("send_mail"), server: text("office"), ..all() },
            vec![9, 7, 5, 3, 1],
        ),
        (Past { trace: text(TRACE), task: text("none"), ..all() }, vec![]),
        (Past { from_us: Some(4), ..all() }, vec![10, 9, 8]),
        (Past { before: Some(Place { at_us: 2, seq: 0 }), ..all() }, vec![3, 2, 1]),
        (Past { system: text("' OR 1 = 1 --"), ..all() }, vec![]),
    ] {
        // However small the pages are, and however little one looks at.
        for (limit, looked_max) in [(100, 1000), (1, 1000), (3, 2), (100, 1)] {
            let (found, pages) = read(&reader, Past { limit, looked_max, ..past.clone() });
            assert_eq!(found, want, "{past:?} by {limit} and {looked_max}");
            assert!(looked_max < 100 || pages == want.len().div_ceil(limit).max(1), "{past:?}: {pages} pages");
        }
    }
}

#[test]
fn one_that_is_damaged_is_counted_and_hides_none() {
    let place = place();
    many(&place.path);
    let other = Connection::open(&place.path).unwrap();
    other
        .execute_batch(
            "DROP TRIGGER entries_never_change; UPDATE entries SET body = '{}' WHERE number = 4 AND kind = 'record'",
        )
        .unwrap();
    let page = reader(&place.path).past(&all()).unwrap();
    assert_eq!((page.records.len(), page.unreadable, page.next), (9, 1, None));
}

#[test]
fn no_page_sorts() {
    let place = place();
    many(&place.path);
    let connection = Connection::open(&place.path).unwrap();
    let x = || Some("x".to_owned());
    for (past, index) in [
        (all(), "entries_time ("),
        (Past { server: x(), decision: Some("allow".into()), ..all() }, "entries_time ("),
        (Past { trace: x(), task: x(), ..all() }, "entries_trace (trace=?"),
        (Past { task: x(), ..all() }, "entries_task (task=?"),
        (Past { tool: x(), ..all() }, "entries_target (target=?"),
        (Past { principal: x(), ..all() }, "entries_principal (principal=?"),
        (Past { decision: Some("deny".into()), ..all() }, "entries_decision (decision=?"),
    ] {
        let (query, values) = past.statement();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        let [step] = &steps[..] else { panic!("{past:?}: {steps:?}") };
        assert!(step.starts_with(&format!("SEARCH entries USING INDEX {index}")), "{past:?}: {step}");
    }
}

#[test]
fn calls_are_found_among_notices() {
    let place = place();
    let ledger = open(&place.path);
    for number in 1..=6_u64 {
        let mut one = bare_record(number);
        match number % 3 {
            0 => one.method = Some("notifications/message".to_owned()),
            1 => one.target = None,
            _ => {}
        }
        wait(ledger.commit(Entry::Record(one.into()))).unwrap();
    }
    close(ledger);
    let found = read(&reader(&place.path), Past { names_target: true, ..all() });
    assert_eq!(found, (vec![5, 2], 1));
}
