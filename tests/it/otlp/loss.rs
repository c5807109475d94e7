//! Collectors that fail: offering never waits, every span has one fate, and a shutdown ends.
//!
//! Nothing here measures time. A test that would wait for ever runs into a generous limit instead.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use gateway::telemetry::{Exporter, Stats};
use pdp::record::Record;

use super::collector::{Answer, Collector, HANGS, allowed, hex, named, settings_for, shutdown};

/// Spans of one offered record: the frame, its attempt and the judgement. The task's root comes on top, once.
const SPANS: u64 = 3;

fn exporter(endpoint: &str, more: &[(&str, &str)]) -> Arc<Exporter> {
    Arc::new(Exporter::start(&settings_for(endpoint, more), "i").unwrap())
}

/// Nothing is sent before the shutdown.
const AT_THE_END: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "600000");

/// Waits until the counts are as wanted.
async fn until(exporter: &Exporter, wanted: impl Fn(&Stats) -> bool) -> Stats {
    let wait = async {
        loop {
            let stats = exporter.stats();
            if wanted(&stats) {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(HANGS, wait).await.expect("the counts come")
}

/// Every span of `offered` records and of `roots` has exactly one fate.
fn assert_all_told(stats: &Stats, offered: u64, roots: std::ops::RangeInclusive<u64>) {
    let told = stats.queued + stats.exported + stats.dropped_full + stats.dropped_failed + stats.unsampled;
    assert!(roots.contains(&(told.checked_sub(offered * SPANS).unwrap())), "{stats:?}");
}

#[tokio::test]
async fn a_collector_that_refuses_connections() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let exporter = exporter(&endpoint, &[("OTEL_BSP_SCHEDULE_DELAY", "1")]);
    exporter.offer(&allowed().into());
    let stats = until(&exporter, |s| s.dropped_failed > 0).await;
    assert_eq!((stats.dropped_failed, stats.exported, stats.queued), (SPANS + 1, 0, 0));
    let fault = stats.last_fault.unwrap();
    assert!(fault.to_lowercase().contains("refused") && !fault.contains("127.0.0.1"), "{fault}");

    for _ in 0..10 {
        exporter.offer(&allowed().into());
    }
    shutdown(exporter.clone(), Duration::from_secs(5)).await;
    let stats = exporter.stats();
    assert_all_told(&stats, 11, 1..=11);
    assert_eq!((stats.exported, stats.queued), (0, 0));
    // After the end an offer is still no error, and still counted.
    exporter.offer(&allowed().into());
    assert_eq!(exporter.stats().dropped_failed, stats.dropped_failed + SPANS);
}

#[tokio::test]
async fn a_collector_without_tls_where_tls_is_expected() {
    let collector = Collector::start(Answer::Takes).await;
    let exporter = exporter(&collector.endpoint.replace("http://", "https://"), &[AT_THE_END]);
    exporter.offer(&allowed().into());
    let lost = shutdown(exporter, Duration::from_secs(5)).await;
    assert_eq!(lost.spans, SPANS + 1);
    let fault = lost.fault.unwrap();
    assert!(!fault.contains("panicked") && !fault.contains("127.0.0.1"), "{fault}");
    assert_eq!(collector.received().len(), 0);
}

/// A collector that accepts every connection and then says nothing.
async fn black_hole() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    endpoint
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_calls_nor_the_end() {
    // The exporter would wait ten minutes for it.
    let variables = [
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "600000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
    ];
    let exporter = exporter(&black_hole().await, &variables);
    let offering = exporter.clone();
    let offers = tokio::task::spawn_blocking(move || (0..5_000).for_each(|_| offering.offer(&allowed().into())));
    tokio::time::timeout(HANGS, offers).await.expect("offering does not wait").unwrap();
    let stats = exporter.stats();
    assert_all_told(&stats, 5_000, 0..=1);
    assert!(stats.queued <= 64 + 1 && stats.dropped_full >= 5_000 * SPANS - 65, "{stats:?}");

    let queued = stats.queued;
    let lost = shutdown(exporter.clone(), Duration::from_millis(300)).await;
    assert!(lost.spans >= queued && lost.spans <= queued + 1, "{lost:?}");
    let stats = exporter.stats();
    assert_all_told(&stats, 5_000, 0..=1);
    assert_eq!((stats.exported, stats.queued), (0, 0));
    // Twice is no harm, and loses nothing twice.
    assert_eq!(shutdown(exporter.clone(), Duration::from_millis(300)).await.spans, 0);
    assert_eq!(exporter.stats(), stats);
}

#[tokio::test]
async fn a_collector_that_is_unavailable_is_asked_again_and_then_given_up() {
    let collector = Collector::start(Answer::Refuses(503, usize::MAX)).await;
    let exporter = exporter(&collector.endpoint, &[("OTEL_BSP_SCHEDULE_DELAY", "1")]);
    exporter.offer(&allowed().into());
    let stats = until(&exporter, |s| s.dropped_failed > 0).await;
    assert_eq!((stats.dropped_failed, stats.queued), (SPANS + 1, 0));
    assert_eq!(stats.last_fault.as_deref(), Some("the collector answered 503 Service Unavailable"));
    assert_eq!(collector.received().len(), 4, "once, and three times more");
    let lost = shutdown(exporter.clone(), Duration::from_secs(5)).await;
    assert_eq!((lost.spans, lost.fault), (0, None), "nothing was left to lose");
}

#[tokio::test]
async fn when_the_collector_is_back_the_next_frame_brings_the_tasks_root_again() {
    // 400 is not asked again, so one batch is lost for each refusal.
    let collector = Collector::start(Answer::Refuses(400, 1)).await;
    let exporter = exporter(&collector.endpoint, &[("OTEL_BSP_SCHEDULE_DELAY", "1")]);
    exporter.offer(&allowed().into());
    until(&exporter, |s| s.dropped_failed > 0).await;
    exporter.offer(&Arc::new(Record { span: "1111111111111111".to_owned(), ..allowed() }));
    until(&exporter, |s| s.exported > 0).await;
    exporter.offer(&Arc::new(Record { span: "2222222222222222".to_owned(), ..allowed() }));
    shutdown(exporter.clone(), Duration::from_secs(5)).await;
    let spans = collector.spans();
    assert_eq!(spans.iter().filter(|s| s.name == "task").count(), 1);
    assert_eq!(hex(&named(&spans, "tools/call read_mail").span_id), "1111111111111111");
    let stats = exporter.stats();
    assert_eq!((stats.exported, stats.dropped_failed), (2 * SPANS + 1, SPANS + 1));
}

#[tokio::test]
async fn spans_that_a_collector_rejects_are_counted_as_lost() {
    let collector = Collector::start(Answer::Rejects(2)).await;
    let exporter = exporter(&collector.endpoint, &[AT_THE_END]);
    exporter.offer(&allowed().into());
    let lost = shutdown(exporter.clone(), Duration::from_secs(5)).await;
    assert_eq!((lost.spans, exporter.stats().exported), (2, SPANS + 1 - 2));
    assert_eq!(lost.fault.as_deref(), Some("the collector rejected them"));
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_secrets_in_hand() {
    let collector = Collector::start(Answer::Redirects).await;
    let exporter = exporter(&collector.endpoint, &[("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret"), AT_THE_END]);
    exporter.offer(&allowed().into());
    let lost = shutdown(exporter.clone(), Duration::from_secs(5)).await;
    assert_eq!(lost.spans, SPANS + 1);
    assert_eq!(collector.received().len(), 1);
    assert!(lost.fault.unwrap().contains("307"));
}

#[tokio::test]
async fn a_full_batch_waits_for_nobody_and_what_does_not_fill_one_waits_for_others() {
    let collector = Collector::start(Answer::Takes).await;
    let exporter = exporter(&collector.endpoint, &[AT_THE_END, ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")]);
    exporter.offer(&allowed().into());
    // The thread has seen the first record, most likely, and sleeps until the end when the others come.
    tokio::time::sleep(Duration::from_millis(20)).await;
    exporter.offer(&allowed().into());
    exporter.offer(&allowed().into());
    let stats = until(&exporter, |s| s.exported > 0).await;
    assert_eq!((stats.exported, stats.queued), (8, 2));
    shutdown(exporter.clone(), Duration::from_secs(5)).await;
    assert_eq!((exporter.stats().exported, collector.received().len()), (10, 2));
}

#[tokio::test]
async fn an_exporter_that_is_dropped_delivers_what_it_has() {
    let collector = Collector::start(Answer::Takes).await;
    let exporter = exporter(&collector.endpoint, &[AT_THE_END]);
    exporter.offer(&allowed().into());
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(exporter);
    let delivered = async {
        while collector.received().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(HANGS, delivered).await.expect("the thread notices that nobody offers any more");
    assert_eq!(u64::try_from(collector.spans().len()).unwrap(), SPANS + 1);
}

#[tokio::test]
async fn a_record_that_cannot_be_projected_costs_only_itself() {
    let collector = Collector::start(Answer::Takes).await;
    let exporter = exporter(&collector.endpoint, &[]);
    for bad in ["", "0", "00000000000000000000000000000000", "+af7651916cd43dd8448eb211c80319c", "é"] {
        exporter.offer(&Arc::new(Record { trace: bad.to_owned(), ..allowed() }));
    }
    let mut bad_attempt = allowed();
    bad_attempt.attempts[0].span = "short".to_owned();
    exporter.offer(&bad_attempt.into());
    exporter.offer(&allowed().into());
    shutdown(exporter.clone(), Duration::from_secs(5)).await;
    let stats = exporter.stats();
    assert_eq!((stats.dropped_failed, stats.exported), (6 * SPANS, SPANS + 1));
    let fault = stats.last_fault.unwrap();
    assert_eq!(fault, "record 7: `attempts.span` is not 16 hexadecimal digits with one other than 0");
}

#[tokio::test]
async fn many_threads_offer_and_no_span_is_counted_twice_or_not_at_all() {
    let collector = Collector::start(Answer::Takes).await;
    let variables = [("OTEL_BSP_SCHEDULE_DELAY", "1"), ("OTEL_BSP_MAX_QUEUE_SIZE", "256")];
    let exporter = exporter(&collector.endpoint, &variables);
    let offers: Vec<_> = (0..4)
        .map(|_| {
            let exporter = exporter.clone();
            tokio::task::spawn_blocking(move || (0..500).for_each(|_| exporter.offer(&allowed().into())))
        })
        .collect();
    for offer in offers {
        tokio::time::timeout(HANGS, offer).await.expect("offering does not wait").unwrap();
    }
    let lost = shutdown(exporter.clone(), Duration::from_secs(5)).await;
    let stats = exporter.stats();
    assert_eq!((lost.spans, stats.queued, stats.dropped_failed), (0, 0, 0), "{stats:?}");
    assert_all_told(&stats, 2_000, 1..=1);
    assert_eq!(u64::try_from(collector.spans().len()).unwrap(), stats.exported);
}
