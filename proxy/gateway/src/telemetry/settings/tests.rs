//! The table: variables in, settings and faults out.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use super::*;

fn given(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
    let (settings, faults) = read(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
    (settings, faults.iter().map(ToString::to_string).collect())
}

/// Reads variables that are all good.
fn good(variables: &[(&str, &str)]) -> Settings {
    let (settings, faults) = given(variables);
    assert!(faults.is_empty(), "{variables:?} gave {faults:?}");
    settings
}

/// Reads variables of which one is bad: its fault starts with `variable: ` and has `says` in it.
fn bad(variables: &[(&str, &str)], variable: &str, says: &str) -> Settings {
    let (settings, faults) = given(variables);
    let [fault] = faults.as_slice() else { panic!("{variables:?} gave {faults:?}") };
    assert!(fault.starts_with(&format!("{variable}: ")) && fault.contains(says), "{fault}");
    settings
}

fn collector(settings: &Settings) -> &Collector {
    match &settings.traces {
        Traces::Otlp(collector) => collector,
        Traces::Off(_) | Traces::Console => panic!("{}", settings.traces),
    }
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4318");

#[test]
fn an_empty_environment_exports_nothing_and_propagates_everything() {
    let settings = good(&[]);
    assert_eq!(settings.traces, Traces::Off("no OTEL_EXPORTER_OTLP_ENDPOINT is set"));
    assert_eq!(settings.propagation, Propagation { trace_context: true, baggage: true });
    assert_eq!(settings.service, "wicketgate");
    assert_eq!(settings.sampling, Sampling { parent_based: true, root: RootSampling::AlwaysOn });
    assert_eq!(settings.batch.delay, Duration::from_secs(1));
    assert_eq!((settings.batch.queue_spans_max, settings.batch.batch_spans_max), (2_048, 512));
    assert!(!settings.projection.arguments);
    assert_eq!(good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", ""), ("OTEL_PROPAGATORS", " ")]), settings);
}

#[test]
fn the_exporter_is_chosen_by_name_or_by_an_endpoint() {
    let chosen = |variables: &[(&str, &str)]| good(variables).traces.to_string();
    let exporter = |name| ("OTEL_TRACES_EXPORTER", name);
    assert_eq!(chosen(&[ENDPOINT]), "to http://otel:4318/v1/traces");
    assert_eq!(chosen(&[exporter("otlp")]), "to http://localhost:4318/v1/traces");
    assert_eq!(chosen(&[exporter("console"), ENDPOINT]), "to standard error");
    assert_eq!(chosen(&[exporter("none"), ENDPOINT]), "off: OTEL_TRACES_EXPORTER is `none`");
    for disabled in ["true", "TRUE"] {
        let variables = [("OTEL_SDK_DISABLED", disabled), ENDPOINT, exporter("otlp")];
        assert_eq!(chosen(&variables), "off: OTEL_SDK_DISABLED is `true`");
    }
    assert_eq!(chosen(&[("OTEL_SDK_DISABLED", "false"), ENDPOINT]), "to http://otel:4318/v1/traces");
    // Disabling the SDK leaves propagation alone (specification).
    assert!(good(&[("OTEL_SDK_DISABLED", "true")]).propagation.trace_context);

    let settings = bad(&[exporter("zipkin"), ENDPOINT], "OTEL_TRACES_EXPORTER", "`zipkin`");
    assert_eq!(settings.traces.to_string(), "to http://otel:4318/v1/traces");
    let settings = bad(&[("OTEL_SDK_DISABLED", "1"), ENDPOINT], "OTEL_SDK_DISABLED", "`1`");
    assert_eq!(settings.traces.to_string(), "to http://otel:4318/v1/traces");
}

#[test]
fn endpoints_follow_the_rules_of_otlp_over_http() {
    let shared = |value| good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", value)]).traces.to_string();
    assert_eq!(shared("http://otel:4318"), "to http://otel:4318/v1/traces");
    assert_eq!(shared("http://otel:4318/"), "to http://otel:4318/v1/traces");
    assert_eq!(shared("https://otel/prefix/"), "to https://otel/prefix/v1/traces");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/as-it-stands");
    assert_eq!(good(&[own, ENDPOINT]).traces.to_string(), "to http://traces:1/as-it-stands");

    let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "otel:4318"), ENDPOINT];
    let settings = bad(&variables, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "URL");
    assert_eq!(settings.traces.to_string(), "to http://otel:4318/v1/traces");
    for value in ["otel:4318", "grpc://otel:4317", "ftp://x", "http://", "not a url"] {
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", value)];
        let settings = bad(&variables, "OTEL_EXPORTER_OTLP_ENDPOINT", "is not an `http://` or `https://` URL");
        assert!(matches!(settings.traces, Traces::Off(_)));
    }
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://bob:hunter2@otel")];
    let (settings, faults) = given(&variables);
    assert!(matches!(settings.traces, Traces::Off(_)));
    let shown = format!("{settings:?} {faults:?}");
    assert!(faults.len() == 1 && !shown.contains("hunter2") && !shown.contains("bob"), "{shown}");
}

#[test]
fn the_variable_for_traces_comes_before_the_one_for_all_signals() {
    let settings = good(&[
        ENDPOINT,
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"),
    ]);
    let collector = collector(&settings);
    assert_eq!(collector.timeout, Duration::from_millis(2_500));
    assert!(collector.gzip);
    assert_eq!(collector.headers.keys().map(|k| k.as_str()).collect::<Vec<_>>(), ["b"]);
    // A request is never compressed, nor given up, for want of a variable.
    let plain = good(&[ENDPOINT]);
    let Traces::Otlp(plain) = &plain.traces else { panic!("{plain:?}") };
    assert_eq!((plain.timeout, plain.gzip), (Duration::from_secs(10), false));
}

#[test]
fn bad_exporter_values_are_named_and_replaced() {
    let with = |name: &'static str, value: &'static str| [ENDPOINT, (name, value)];
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
    ] {
        let settings = bad(&with(name, value), name, value);
        assert_eq!(settings, good(&[ENDPOINT]));
    }
    for name in ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_CONFIG_FILE"] {
        bad(&with(name, "file.pem"), name, "not supported");
    }
}

#[test]
fn header_values_are_decoded_and_never_shown() {
    let list = "authorization=Bearer%20hunter2, x-key = a+b=c ,,";
    let settings = good(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", list)]);
    let headers = &collector(&settings).headers;
    assert_eq!(headers.get("authorization").unwrap(), "Bearer hunter2");
    assert_eq!(headers.get("x-key").unwrap(), "a+b=c");
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert!(!settings.traces.to_string().contains("hunter2"));

    let list = "hunter2,good=1,bad name=hunter2,control=hunter2%0A";
    let (settings, faults) = given(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", list)]);
    assert_eq!(collector(&settings).headers.len(), 1);
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults.iter().all(|f| f.starts_with("OTEL_EXPORTER_OTLP_HEADERS: entry ") && !f.contains("hunter2")));
}

#[test]
fn propagators() {
    let of = |list| good(&[("OTEL_PROPAGATORS", list)]).propagation;
    let set = |trace_context, baggage| Propagation { trace_context, baggage };
    assert_eq!(of("tracecontext,baggage"), set(true, true));
    assert_eq!(of(" tracecontext , tracecontext "), set(true, false));
    assert_eq!(of("baggage"), set(false, true));
    assert_eq!(of("none"), set(false, false));
    let faulty = |list, says| bad(&[("OTEL_PROPAGATORS", list)], "OTEL_PROPAGATORS", says).propagation;
    assert_eq!(faulty("b3,baggage", "`b3`"), set(false, true));
    assert_eq!(faulty("b3", "`b3`"), set(true, true));
    assert_eq!(faulty("none,baggage", "`none`"), set(false, false));
}

#[test]
fn samplers() {
    let of = |name, arg| good(&[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", arg)]).sampling;
    let sampling = |parent_based, root| Sampling { parent_based, root };
    assert_eq!(of("always_on", "0.1"), sampling(false, RootSampling::AlwaysOn));
    assert_eq!(of("always_off", ""), sampling(false, RootSampling::AlwaysOff));
    assert_eq!(of("traceidratio", "0.25"), sampling(false, RootSampling::Ratio(0.25)));
    assert_eq!(of("traceidratio", ""), sampling(false, RootSampling::Ratio(1.0)));
    assert_eq!(of("parentbased_always_on", ""), sampling(true, RootSampling::AlwaysOn));
    assert_eq!(of("parentbased_always_off", ""), sampling(true, RootSampling::AlwaysOff));
    assert_eq!(of("parentbased_traceidratio", "0"), sampling(true, RootSampling::Ratio(0.0)));
    for name in ["jaeger_remote", "parentbased_xray", "ALWAYS_ON", "parentbased_"] {
        let settings = bad(&[("OTEL_TRACES_SAMPLER", name)], "OTEL_TRACES_SAMPLER", name);
        assert_eq!(settings.sampling, sampling(true, RootSampling::AlwaysOn));
    }
    for arg in ["1.5", "-0.1", "NaN", "half"] {
        let variables = [("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", arg)];
        let settings = bad(&variables, "OTEL_TRACES_SAMPLER_ARG", arg);
        assert_eq!(settings.sampling, sampling(false, RootSampling::Ratio(1.0)));
    }
}

#[test]
fn a_sampler_keeps_whole_traces_and_minds_the_caller_only_if_told_to() {
    let keeps = |parent_based, root, trace: &str, caller| Sampling { parent_based, root }.keeps(trace, caller);
    // The ratio compares the lower half of the id: a small one is kept, a great one is not.
    let small = "ffffffffffffffff0000000000000001";
    let great = "0000000000000001ffffffffffffffff";
    let half = RootSampling::Ratio(0.5);
    assert!(keeps(false, half, small, None) && !keeps(false, half, great, None));
    assert!(keeps(false, half, small, Some(false)) && !keeps(false, half, great, Some(true)));
    assert!(!keeps(true, half, small, Some(false)) && keeps(true, half, great, Some(true)));
    assert!(!keeps(true, RootSampling::AlwaysOn, small, Some(false)));
    assert!(keeps(true, RootSampling::AlwaysOff, small, Some(true)));
    assert!(!keeps(true, RootSampling::AlwaysOff, small, None));
    assert!(keeps(false, half, "no trace id", None));
}

#[test]
fn batches_stay_within_the_queue() {
    let of = |variables: &[(&str, &str)]| good(variables).batch;
    let batch = of(&[
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "700"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10"),
    ]);
    assert_eq!((batch.delay, batch.export_timeout), (Duration::from_millis(50), Duration::from_millis(700)));
    assert_eq!((batch.queue_spans_max, batch.batch_spans_max), (100, 10));
    // The default batch shrinks to a small queue without complaint; one that was asked for is a fault.
    assert_eq!(of(&[("OTEL_BSP_MAX_QUEUE_SIZE", "64")]).batch_spans_max, 64);
    let variables = [("OTEL_BSP_MAX_QUEUE_SIZE", "64"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "65")];
    assert_eq!(bad(&variables, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "65").batch.batch_spans_max, 64);
    for (name, value) in [
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "soon"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999999999"),
    ] {
        assert_eq!(bad(&[(name, value)], name, value).batch, of(&[]));
    }
}

#[test]
fn the_resource_and_the_limit_of_values() {
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=a%2Cb,service.name=mine");
    let settings = good(&[attributes]);
    assert_eq!(settings.service, "mine");
    assert_eq!(settings.resource, [("deployment.environment.name".to_owned(), "a,b".to_owned())]);
    assert_eq!(good(&[attributes, ("OTEL_SERVICE_NAME", "other")]).service, "other");
    let settings = bad(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,b")], "OTEL_RESOURCE_ATTRIBUTES", "entry 2");
    assert_eq!(settings.resource.len(), 1);

    let limit = |variables: &[(&str, &str)]| good(variables).projection.value_chars_max;
    assert_eq!(limit(&[]), 4_096);
    assert_eq!(limit(&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100")]), 100);
    let both = [("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100"), ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "50")];
    assert_eq!(limit(&both), 50);
}

#[test]
fn every_fault_is_reported_at_once() {
    let (_, faults) = given(&[
        ("OTEL_SDK_DISABLED", "maybe"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "x"),
        ("OTEL_TRACES_SAMPLER", "x"),
        ("OTEL_BSP_SCHEDULE_DELAY", "x\n\u{1b}[31m"),
    ]);
    assert_eq!(faults.len(), 7, "{faults:?}");
    assert!(faults.iter().all(|fault| !fault.contains(['\n', '\u{1b}'])), "{faults:?}");
}
