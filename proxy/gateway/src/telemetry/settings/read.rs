//! Reading the variables, one function for each group of them.
//!
//! Order of precedence as in the specification: the variable for traces, then the one for all signals, then the
//! default. An empty value counts as not set. The one deviation: with no endpoint named, nothing is exported.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{Batch, Collector, Propagation, RootSampling, Sampling, SettingFault, Settings, Traces};
use crate::telemetry::{names, project};

/// Reads the settings through a lookup of environment variables. Bad values are reported, all of them, and replaced.
pub fn read(lookup: impl Fn(&str) -> Option<String>) -> (Settings, Vec<SettingFault>) {
    let mut source = Source { lookup, faults: Vec::new() };
    let (service, resource) = resource(&mut source);
    let settings = Settings {
        traces: traces(&mut source),
        propagation: propagation(&mut source),
        service,
        resource,
        sampling: sampling(&mut source),
        batch: batch(&mut source),
        projection: project::Options { arguments: false, value_chars_max: value_chars_max(&mut source) },
    };
    for variable in UNSUPPORTED {
        if source.get(variable).is_some() {
            source.fault(variable, "is not supported and has no effect");
        }
    }
    (settings, source.faults)
}

/// Variables that a user may expect to work.
const UNSUPPORTED: [&str; 7] = [
    "OTEL_CONFIG_FILE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
];

/// The environment, and what was found wrong with it.
struct Source<L> {
    lookup: L,
    faults: Vec<SettingFault>,
}

impl<L: Fn(&str) -> Option<String>> Source<L> {
    fn get(&self, variable: &str) -> Option<String> {
        (self.lookup)(variable).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// An exporter variable, for traces or else for all signals, with the name of the one that was found.
    fn exporter(&self, suffix: &str) -> Option<(String, String)> {
        [format!("OTEL_EXPORTER_OTLP_TRACES_{suffix}"), format!("OTEL_EXPORTER_OTLP_{suffix}")]
            .into_iter()
            .find_map(|variable| self.get(&variable).map(|value| (variable, value)))
    }

    fn fault(&mut self, variable: &str, message: impl Into<String>) {
        self.faults.push(SettingFault { variable: variable.to_owned(), message: message.into() });
    }

    /// A whole number within bounds.
    fn whole(&mut self, variable: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        match self.get(variable) {
            Some(value) => self.number(variable, &value, range, default),
            None => default,
        }
    }

    fn number(&mut self, variable: &str, value: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        if let Some(number) = value.parse().ok().filter(|n| range.contains(n)) {
            return number;
        }
        let (least, most) = range.into_inner();
        let shown = quoted(value);
        self.fault(variable, format!("{shown} is not a whole number from {least} to {most}; {default} is used"));
        default
    }
}

/// A value for a fault: shortened, and with control characters escaped.
fn quoted(value: &str) -> String {
    let cut = if value.chars().nth(40).is_some() { "..." } else { "" };
    format!("`{}{cut}`", value.chars().take(40).collect::<String>().escape_debug())
}

fn traces<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> Traces {
    let (collector, named) = collector(source);
    let chosen = match source.get("OTEL_TRACES_EXPORTER").as_deref() {
        Some("none") => Traces::Off("OTEL_TRACES_EXPORTER is `none`"),
        Some("console") => Traces::Console,
        Some("otlp") => Traces::Otlp(collector),
        other => {
            if let Some(value) = other {
                let message = format!("{} is not one of `otlp`, `console`, `none`; it is ignored", quoted(value));
                source.fault("OTEL_TRACES_EXPORTER", message);
            }
            // A gate that nobody told of a collector leaves localhost:4318 alone.
            if named { Traces::Otlp(collector) } else { Traces::Off("no OTEL_EXPORTER_OTLP_ENDPOINT is set") }
        }
    };
    if disabled(source) { Traces::Off("OTEL_SDK_DISABLED is `true`") } else { chosen }
}

fn disabled<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> bool {
    let Some(value) = source.get("OTEL_SDK_DISABLED") else { return false };
    let disabled = value.eq_ignore_ascii_case("true");
    if !disabled && !value.eq_ignore_ascii_case("false") {
        let message = format!("{} is neither `true` nor `false`; `false` is used", quoted(&value));
        source.fault("OTEL_SDK_DISABLED", message);
    }
    disabled
}

/// The collector, and whether anybody named it.
fn collector<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> (Collector, bool) {
    let endpoint = endpoint(source);
    let named = endpoint.is_some();
    protocol(source);
    let timeout_ms = match source.exporter("TIMEOUT") {
        Some((variable, value)) => source.number(&variable, &value, 1..=600_000, 10_000),
        None => 10_000,
    };
    let collector = Collector {
        endpoint: endpoint.unwrap_or_else(|| "http://localhost:4318/v1/traces".to_owned()),
        headers: headers(source),
        timeout: Duration::from_millis(timeout_ms),
        gzip: gzip(source),
    };
    (collector, named)
}

/// The variable for traces as it stands; the one for all signals with `/v1/traces` appended.
fn endpoint<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> Option<String> {
    let own = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    if let Some(url) = source.get(own).and_then(|value| url(source, own, &value)) {
        return Some(url.into());
    }
    let shared = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let mut url = source.get(shared).and_then(|value| url(source, shared, &value))?;
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url.into())
}

/// Neither fault quotes the value: a URL is where people put passwords.
fn url<L: Fn(&str) -> Option<String>>(source: &mut Source<L>, variable: &str, value: &str) -> Option<Url> {
    let parsed = Url::parse(value).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let Some(url) = parsed else {
        source.fault(variable, "is not an `http://` or `https://` URL; it is ignored");
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        let message = "has a user or a password in it and is ignored; put credentials into OTEL_EXPORTER_OTLP_HEADERS";
        source.fault(variable, message);
        return None;
    }
    Some(url)
}

fn protocol<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) {
    match source.exporter("PROTOCOL") {
        Some((variable, value)) if value != "http/protobuf" => {
            let message = format!("{} is not supported; `http/protobuf` is used", quoted(&value));
            source.fault(&variable, message);
        }
        Some(_) | None => {}
    }
}

fn gzip<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> bool {
    match source.exporter("COMPRESSION") {
        Some((_, value)) if value.eq_ignore_ascii_case("gzip") => true,
        Some((variable, value)) if !value.eq_ignore_ascii_case("none") => {
            source.fault(&variable, format!("{} is neither `gzip` nor `none`; `none` is used", quoted(&value)));
            false
        }
        Some(_) | None => false,
    }
}

/// `name=value` pairs, values percent-encoded. Faults count the entry and show nothing of it.
fn headers<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some((variable, list)) = source.exporter("HEADERS") else { return headers };
    for (n, entry) in list.split(',').enumerate().filter(|(_, entry)| !entry.trim().is_empty()) {
        match header(entry) {
            Some((name, value)) => {
                headers.insert(name, value);
            }
            None => source.fault(&variable, format!("entry {} is not `name=value` and is left out", n + 1)),
        }
    }
    headers
}

fn header(entry: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = entry.split_once('=')?;
    let name = name.trim().parse().ok()?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

fn propagation<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> Propagation {
    let variable = "OTEL_PROPAGATORS";
    let all = Propagation { trace_context: true, baggage: true };
    let Some(list) = source.get(variable) else { return all };
    let mut found = Propagation { trace_context: false, baggage: false };
    let mut none = false;
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name {
            "tracecontext" => found.trace_context = true,
            "baggage" => found.baggage = true,
            "none" => none = true,
            other => {
                let shown = quoted(other);
                let message = format!("{shown} is not one of `tracecontext`, `baggage`, `none`; it is left out");
                source.fault(variable, message);
            }
        }
    }
    match (none, found.trace_context || found.baggage) {
        (true, true) => {
            source.fault(variable, "`none` stands beside other propagators; `none` is used");
            Propagation { trace_context: false, baggage: false }
        }
        (true, false) | (false, true) => found,
        // Nothing that could be used was named: a typo must not cut traces apart.
        (false, false) => all,
    }
}

fn sampling<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> Sampling {
    let variable = "OTEL_TRACES_SAMPLER";
    let name = source.get(variable);
    let (parent_based, root) = match name.as_deref() {
        None => (true, "always_on"),
        Some(name) => name.strip_prefix("parentbased_").map_or((false, name), |root| (true, root)),
    };
    let root = match root {
        "always_on" => RootSampling::AlwaysOn,
        "always_off" => RootSampling::AlwaysOff,
        "traceidratio" => RootSampling::Ratio(ratio(source)),
        _ => {
            let shown = quoted(name.as_deref().unwrap_or_default());
            let message = format!(
                "{shown} is not `always_on`, `always_off` or `traceidratio`, with or without `parentbased_`; \
                 `parentbased_always_on` is used"
            );
            source.fault(variable, message);
            return Sampling { parent_based: true, root: RootSampling::AlwaysOn };
        }
    };
    Sampling { parent_based, root }
}

fn ratio<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> f64 {
    let variable = "OTEL_TRACES_SAMPLER_ARG";
    let Some(value) = source.get(variable) else { return 1.0 };
    match value.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
        Ok(_) | Err(_) => {
            source.fault(variable, format!("{} is not a number from 0 to 1; 1 is used", quoted(&value)));
            1.0
        }
    }
}

/// The defaults are the specification's, but for the delay: one second instead of five, so that somebody who looks for
/// the call they just made finds it.
fn batch<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> Batch {
    let delay_ms = source.whole("OTEL_BSP_SCHEDULE_DELAY", 1..=600_000, 1_000);
    let export_ms = source.whole("OTEL_BSP_EXPORT_TIMEOUT", 1..=600_000, 30_000);
    let queue = source.whole("OTEL_BSP_MAX_QUEUE_SIZE", 16..=1_000_000, 2_048);
    let batch = source.whole("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1..=65_536, 512.min(queue));
    if batch > queue {
        let message = format!("{batch} is more than the queue holds; {queue} is used");
        source.fault("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", message);
    }
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Batch {
        delay: Duration::from_millis(delay_ms),
        export_timeout: Duration::from_millis(export_ms),
        queue_spans_max: size(queue),
        batch_spans_max: size(batch.min(queue)),
    }
}

/// The specification has no limit by default; we have one, because a record's texts come from strangers.
fn value_chars_max<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> usize {
    let shared = source.whole("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 16..=1_000_000, 4_096);
    let own = source.whole("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", 16..=1_000_000, shared);
    usize::try_from(own).unwrap_or(usize::MAX)
}

/// The service's name and the other attributes of the resource.
fn resource<L: Fn(&str) -> Option<String>>(source: &mut Source<L>) -> (String, Vec<(String, String)>) {
    let variable = "OTEL_RESOURCE_ATTRIBUTES";
    let list = source.get(variable).unwrap_or_default();
    let mut attributes = Vec::new();
    for (n, entry) in list.split(',').enumerate().filter(|(_, entry)| !entry.trim().is_empty()) {
        let pair = entry.split_once('=').filter(|(key, _)| !key.trim().is_empty());
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().map(|t| t.into_owned()).ok();
        match pair.and_then(|(key, value)| Some((decoded(key)?, decoded(value)?))) {
            Some(pair) => attributes.push(pair),
            None => {
                let message = format!("entry {} is not `key=value` and is left out", n + 1);
                source.fault(variable, message);
            }
        }
    }
    let named = attributes.iter().rev().find(|(key, _)| key == names::SERVICE_NAME).map(|(_, value)| value.clone());
    attributes.retain(|(key, _)| key != names::SERVICE_NAME);
    let service = source.get("OTEL_SERVICE_NAME").or(named).unwrap_or_else(|| "wicketgate".to_owned());
    (service, attributes)
}
