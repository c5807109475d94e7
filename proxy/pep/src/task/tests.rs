//! Tasks that nobody opened: how they roll, whose labels stay, who pays for many.

use super::*;

fn principal(agent: &str) -> Principal {
    Principal {
        agent: agent.into(),
        teams: vec![],
        user: String::new(),
        tenant: "default".into(),
        method: "token".into(),
    }
}

#[test]
fn a_task_rolls_on_while_it_is_used_and_ends_when_idle() {
    let tasks = Tasks::new(100, 10, true);
    let mut n = 0;
    let mut of = |agent: &str, at: i64| {
        n += 1;
        tasks.resolve(&principal(agent), None, None, at, || format!("{n:032x}"))
    };
    let first = of("a", 0);
    assert!(Arc::ptr_eq(&first, &of("a", 90)));
    assert!(Arc::ptr_eq(&first, &of("a", 180)));
    assert!(!Arc::ptr_eq(&first, &of("b", 180)));
    assert!(!Arc::ptr_eq(&first, &of("a", 281)));
}

#[test]
fn a_trace_id_opens_a_task_only_for_its_principal_and_only_where_that_is_on() {
    let context = TraceContext { trace: "c".repeat(32), span: "d".repeat(16), sampled: true };
    let tasks = Tasks::new(100, 10, true);
    let a = tasks.resolve(&principal("a"), Some(&context), None, 0, String::new);
    assert_eq!(a.trace(), context.trace);
    a.raise(&["untrusted"].into_iter().collect());
    let b = tasks.resolve(&principal("b"), Some(&context), None, 0, String::new);
    assert!(b.labels().is_empty());
    // Neither goes by the other's name, nor by that of a task whose trace id it heard.
    let rolling = tasks.resolve(&principal("c"), None, None, 0, || context.trace.clone());
    let ids = [&a, &b, &rolling].map(|task| task.id().to_owned());
    assert!(ids.iter().all(|id| id.starts_with(&format!("task-{}", context.trace))), "{ids:?}");
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{ids:?}");
    assert!(ids.iter().all(|id| tasks.find(id).is_some_and(|task| task.id() == id)));
    let off = Tasks::new(100, 10, false);
    assert_eq!(off.resolve(&principal("a"), Some(&context), None, 0, || "e".repeat(32)).trace(), "e".repeat(32));
}

#[test]
fn many_trace_ids_push_out_nobody_elses_task_and_wash_off_no_label() {
    let tasks = Tasks::new(100, 4, true);
    let quiet = tasks.resolve(&principal("quiet"), None, None, 0, || "e".repeat(32));
    quiet.raise(&["private"].into_iter().collect());
    let loud = |n: i64| {
        let context = TraceContext { trace: format!("{n:032x}"), span: "d".repeat(16), sampled: true };
        tasks.resolve(&principal("loud"), Some(&context), None, n, String::new)
    };
    loud(1).raise(&["untrusted"].into_iter().collect());
    for n in 2..50 {
        loud(n);
    }
    assert_eq!(tasks.open().len(), 4);
    assert!(Arc::ptr_eq(&quiet, &tasks.resolve(&principal("quiet"), None, None, 50, String::new)));
    assert!(loud(1).labels().contains("untrusted"), "the first task went, its labels did not");
    assert!(loud(60).labels().contains("untrusted"));
    for n in 200..203 {
        loud(n);
    }
    assert!(tasks.resolve(&principal("other"), None, None, 203, || "f".repeat(32)).labels().is_empty());
}

#[test]
fn the_store_is_bounded() {
    let tasks = Tasks::new(100, 3, true);
    for n in 0..20 {
        tasks.resolve(&principal(&format!("p{n}")), None, None, n, || format!("{n:032x}"));
    }
    assert_eq!(tasks.open().len(), 3);
    // Whoever opens one after the other pushes out its own: another's labels stay.
    let quiet = tasks.resolve(&principal("quiet"), None, None, 100, || "q".repeat(32));
    quiet.raise(&["private"].into_iter().collect());
    for n in 0..20 {
        let context = TraceContext { trace: format!("{n:032x}"), span: "d".repeat(16), sampled: true };
        tasks.resolve(&principal("loud"), Some(&context), None, 101 + n, String::new);
    }
    assert!(Arc::ptr_eq(&quiet, &tasks.resolve(&principal("quiet"), None, None, 130, String::new)));
    assert_eq!(tasks.open().len(), 3);
}
