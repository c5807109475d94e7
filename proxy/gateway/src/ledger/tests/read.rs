//! Finding entries again by everything the design names, on an index.

use pdp::decision::Reason;

use super::super::{Filter, Page, Within};
use super::*;

/// A ledger with two tasks, four servers' worth of variety, and an event.
fn variety(path: &Path) {
    let ledger = open(path);
    let mut denied = bare_record(3);
    denied.trace = "4bf92f00000000000000000000000000".into();
    denied.task = "session-2".into();
    denied.server = "bank".into();
    denied.system = Some("ledger.example".into());
    denied.target = Some("send_money".into());
    denied.credential = None;
    denied.principal = Some(Principal { agent: "codex".into(), ..principal() }.into());
    denied.decision = denied.decision.map(|note| DecisionNote { decision: Decision::Deny(Reason::NoPermit), ..note });
    denied.ending = Ending::Refused;
    denied.started_us += 1_000_000;
    let mut read = bare_record(4);
    read.method = Some("resources/read".into());
    let entries = [intent(1), record(1), event("started"), Entry::Record(denied.into()), Entry::Record(read.into())];
    for entry in entries {
        wait(ledger.commit(entry)).unwrap();
    }
    close(ledger);
}

fn found(reader: &Reader, filter: &Filter) -> Vec<u64> {
    reader.query(filter).unwrap().into_iter().map(|(seq, _)| seq).collect()
}

#[test]
fn entries_are_found_by_each_thing_the_design_names() {
    let place = place();
    variety(&place.path);
    let reader = reader(&place.path);
    let all = Filter::default;
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        // In the order of time: the event says it was long ago, and the denied call came last.
        (all(), vec![3, 1, 2, 5, 4]),
        (Filter { trace: text(TRACE), ..all() }, vec![1, 2, 5]),
        (Filter { task: text("session-2"), ..all() }, vec![4]),
        (Filter { tool: text("send_mail"), ..all() }, vec![1, 2]),
        (Filter { server: text("office"), ..all() }, vec![1, 2, 5]),
        (Filter { principal: text("default/codex"), ..all() }, vec![4]),
        (Filter { credential: text("office-token"), ..all() }, vec![2, 5]),
        (Filter { system: text("mail.example"), ..all() }, vec![2, 5]),
        (Filter { decision: text("deny"), ..all() }, vec![4]),
        (Filter { ending: Some(Ending::Served), ..all() }, vec![2, 5]),
        (Filter { since_us: Some(1_700_000_001_000_003), ..all() }, vec![4]),
        (Filter { since_us: Some(1_700_000_000_000_000), until_us: Some(1_700_000_000_000_004), ..all() }, vec![1, 2]),
        (Filter { limit: 2, ..all() }, vec![5, 4]),
        (Filter { decision: text("allow"), server: text("bank"), ..all() }, vec![]),
        (Filter { server: text("' OR 1 = 1 --"), ..all() }, vec![]),
    ];
    for (filter, want) in cases {
        assert_eq!(found(&reader, &filter), want, "{filter:?}");
    }
    assert_eq!(reader.by_task("session-1", Within::WHOLE).unwrap().entries.len(), 3);
    let whole = reader.by_trace(TRACE, Within::WHOLE).unwrap();
    assert_eq!((whole.entries.len(), whole.next), (3, None));
    // In parts, each behind the one before: by how many, and by how large.
    for within in [Within { entries: 2, ..Within::WHOLE }, Within { bytes: 1, ..Within::WHOLE }] {
        let (mut parts, mut after) = (Vec::new(), 0);
        loop {
            let part = reader.by_trace(TRACE, Within { after, ..within }).unwrap();
            assert!(!part.entries.is_empty() && part.entries.len() <= 2, "{part:?}");
            parts.extend(part.entries);
            let Some(next) = part.next else { break };
            after = next;
        }
        assert_eq!(parts, whole.entries);
    }
    assert!(reader.is_seen(TRACE, &|_| true).unwrap() && !reader.is_seen(TRACE, &|_| false).unwrap());
    assert_eq!(reader.by_number(1).unwrap(), vec![(1, intent(1)), (2, record(1))]);
    assert_eq!(reader.by_number(u64::MAX).unwrap(), vec![]);
}

#[test]
fn traces_are_found_by_their_beginning_and_by_their_time() {
    let place = place();
    variety(&place.path);
    let reader = reader(&place.path);
    assert_eq!(reader.traces_starting("4bf92f", 9).unwrap(), ["4bf92f00000000000000000000000000", TRACE]);
    assert_eq!(reader.traces_starting("4bf92f35", 9).unwrap(), [TRACE]);
    assert_eq!(reader.traces_starting("4bf92f", 1).unwrap().len(), 1);
    assert_eq!(reader.traces_starting("5", 9).unwrap(), Vec::<String>::new());
    let latest = reader.latest_traces(9, &|_| true).unwrap();
    assert_eq!(latest.iter().map(|line| line.task.as_str()).collect::<Vec<_>>(), ["session-1", "session-2"]);
    assert_eq!(latest[0].server, "office");
    assert_eq!(reader.latest_traces(1, &|_| true).unwrap().len(), 1);
}

#[test]
fn no_query_by_what_the_design_names_sorts_and_none_of_what_is_rare_reads_the_whole_table() {
    let place = place();
    variety(&place.path);
    let connection = Connection::open(&place.path).unwrap();
    let all = Filter::default;
    let x = || Some("x".to_owned());
    let cases = [
        (Filter { trace: x(), decision: x(), ..all() }, "entries_trace (trace=?)"),
        (Filter { task: x(), server: x(), ..all() }, "entries_task (task=?)"),
        (Filter { tool: x(), server: x(), ..all() }, "entries_target (target=?)"),
        (Filter { server: x(), ..all() }, "entries_time"),
        (Filter { principal: x(), since_us: Some(1), ..all() }, "entries_principal (principal=? AND at_us>?)"),
        (Filter { credential: x(), ..all() }, "entries_credential (credential=?)"),
        (Filter { system: x(), since_us: Some(1), ..all() }, "entries_time (at_us>?)"),
        (Filter { decision: x(), until_us: Some(1), ..all() }, "entries_decision (decision=? AND at_us<?)"),
        (Filter { ending: Some(Ending::Served), ..all() }, "entries_time"),
        (Filter { ending: Some(Ending::Failed), ..all() }, "entries_ending (ending=?)"),
        (Filter { decision: Some("allow".into()), ..all() }, "entries_time"),
        (Filter { since_us: Some(1), until_us: Some(2), ..all() }, "entries_time (at_us>? AND at_us<?)"),
    ];
    for (filter, index) in cases {
        let (query, values) = filter.statement();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        // Without anything to search for, the index is read backwards until enough is found.
        let way = if index.contains('(') { "SEARCH" } else { "SCAN" };
        assert_eq!(steps, [format!("{way} entries USING INDEX {index}")]);
    }
}

#[test]
fn a_reader_reads_while_the_gate_writes() {
    let place = place();
    let ledger = open(&place.path);
    let reader = reader(&place.path);
    for number in 1..=50 {
        wait(ledger.commit(record(number))).unwrap();
        assert_eq!(reader.query(&Filter::default()).unwrap().len() as u64, number);
    }
    close(ledger);
    assert_eq!(reader.by_number(50).unwrap().len(), 1, "and after it has gone");
}

#[test]
fn records_are_read_page_by_page_in_the_order_of_time() {
    let place = place();
    let ledger = open(&place.path);
    // Five at the same time, of which one is damaged, between others; written in another order than they arrived.
    for (number, at) in [(1, 30), (2, 20), (3, 20), (4, 20), (5, 20), (6, 20), (7, 10), (8, 40)] {
        let mut one = bare_record(number);
        one.started_us = at;
        one.server = if number % 2 == 0 { "bank" } else { "office" }.to_owned();
        wait(ledger.commit(Entry::Record(one.into()))).unwrap();
    }
    wait(ledger.commit(intent(9))).unwrap();
    close(ledger);
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("DROP TRIGGER entries_never_change; UPDATE entries SET body = '{}' WHERE seq = 4").unwrap();
    let reader = reader(&place.path);
    let read = |page: Page| {
        let (mut page, mut found, mut pages) = (page, Vec::new(), 0);
        loop {
            let rows = reader.records(&page).unwrap();
            assert!(rows.len() <= page.limit);
            let Some(last) = rows.last() else { return (found, pages) };
            (page.from_us, page.after) = (last.at_us, last.seq);
            pages += 1;
            found.extend(rows.iter().map(|row| row.record.as_ref().map_or(0, |record| record.number)));
        }
    };
    let all = || Page { from_us: 0, after: 0, until_us: 100, server: None, tool: None, limit: 2 };
    assert_eq!(read(all()), (vec![7, 2, 3, 0, 5, 6, 1, 8], 4));
    assert_eq!(read(Page { limit: 100, ..all() }).1, 1);
    assert_eq!(read(Page { from_us: 20, until_us: 30, ..all() }).0, [2, 3, 0, 5, 6]);
    assert_eq!(read(Page { server: Some("bank".to_owned()), ..all() }).0, [2, 0, 6, 8]);
    assert_eq!(read(Page { tool: Some("none".to_owned()), ..all() }).0, Vec::<u64>::new());
    let (query, values) = Page { server: Some("x".to_owned()), tool: Some("x".to_owned()), ..all() }.statement();
    let mut plan = other.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
    let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
    let steps: Vec<String> = steps.map(Result::unwrap).collect();
    assert!(matches!(&steps[..], [one] if one.starts_with("SEARCH entries USING INDEX entries_time (")), "{steps:?}");
}
