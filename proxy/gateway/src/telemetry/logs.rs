//! Log lines: to standard error, as text or JSON, each line of a call with the call's trace id.
//!
//! Standard output stays free: over stdio it carries the protocol. Secrets are kept out where lines are written, not
//! here; this file knows nothing of calls but the two numbers that name one.

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use super::settings::SettingFault;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For machines: one JSON object per line, with the spans it stands in.
    Json,
}

/// What is logged unless somebody asks for more. Libraries that tell of each connection keep to warnings. The
/// OpenTelemetry crates are silent: the exporter says what was lost, once, and their own lines would tell it again for
/// each batch.
const DEFAULT: &str = "info,hyper=warn,hyper_util=warn,h2=warn,reqwest=warn,rustls=warn,rmcp=warn,notify=warn,\
                       opentelemetry=off,opentelemetry_sdk=off,opentelemetry_otlp=off,opentelemetry_http=off";

/// What to log: `WICKETGATE_LOG`, or else `RUST_LOG`, laid over the default. A value that cannot be used is reported
/// and the default stands.
///
/// The form is that of `tracing-subscriber`: `debug`, or `warn,gateway=debug`.
pub fn directives(lookup: impl Fn(&str) -> Option<String>) -> (String, Option<SettingFault>) {
    let set = |variable: &'static str| lookup(variable).filter(|v| !v.trim().is_empty()).map(|v| (variable, v));
    let Some((variable, value)) = set("WICKETGATE_LOG").or_else(|| set("RUST_LOG")) else {
        return (DEFAULT.to_owned(), None);
    };
    let laid_over = format!("{DEFAULT},{value}");
    match EnvFilter::builder().parse(&laid_over) {
        Ok(_) => (laid_over, None),
        Err(e) => {
            let message = format!("{e}; write a level such as `debug`, or `warn,gateway=debug`; `info` is used");
            (DEFAULT.to_owned(), Some(SettingFault { variable: variable.to_owned(), message }))
        }
    }
}

/// Sends the process's log lines to standard error from now on.
///
/// # Errors
/// When something else has been installed already.
pub fn install(format: Format, directives: &str) -> Result<(), tracing_subscriber::util::TryInitError> {
    let colour = std::io::stderr().is_terminal();
    subscriber(format, directives, colour, std::io::stderr).try_init()
}

/// The subscriber that [`install`] installs, writing to any place.
pub fn subscriber<W>(format: Format, directives: &str, colour: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = match format {
        Format::Text => fmt::layer().with_ansi(colour).with_writer(writer).boxed(),
        // The list of spans, not only the innermost: a library's span inside a call's must not hide the trace id.
        Format::Json => {
            let json = fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(true);
            json.with_writer(writer).boxed()
        }
    };
    Registry::default().with(EnvFilter::new(directives)).with(lines)
}

/// The span that a call's log lines stand in. It is on the level of errors, so that no level hides the trace id of a
/// line that is shown. It is not exported; spans for the backends are projected from records.
#[must_use]
pub fn call_span(trace: &str, number: u64) -> tracing::Span {
    tracing::error_span!("call", trace, number)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `during` runs, with `WICKETGATE_LOG` set to `level`.
    fn written(format: Format, level: &str, during: impl FnOnce()) -> String {
        let lines = Lines::default();
        let (directives, fault) = directives(|name| (name == "WICKETGATE_LOG").then(|| level.to_owned()));
        assert_eq!(fault, None);
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(format, &directives, false, move || writer.clone()), during);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn a_call() {
        let call = call_span("0af7651916cd43dd8448eb211c80319c", 7);
        call.in_scope(|| {
            tracing::info_span!("inner").in_scope(|| tracing::warn!(code = 3, "spoke\u{1b}[31m"));
            tracing::info!("told");
        });
    }

    #[test]
    fn a_line_of_a_call_has_its_trace_in_either_format_and_at_any_level() {
        let text = written(Format::Text, "warn", a_call);
        assert!(text.contains(r#"trace="0af7651916cd43dd8448eb211c80319c" number=7"#), "{text}");
        assert!(!text.contains("told") && !text.contains('\u{1b}'), "{text}");
        let json = written(Format::Json, "", a_call);
        let lines: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{json}");
        assert!(
            lines.iter().all(|l| l.pointer("/spans/0/trace").unwrap() == "0af7651916cd43dd8448eb211c80319c"),
            "{json}"
        );
    }

    #[test]
    fn libraries_are_quiet_unless_asked() {
        let noise = || {
            tracing::info!(target: "hyper_util::client", "connected");
            tracing::error!(target: "opentelemetry_otlp", "again");
        };
        assert_eq!(written(Format::Text, "debug", noise), "");
        assert!(written(Format::Text, "hyper_util=debug", noise).contains("connected"));
    }

    #[test]
    fn our_variable_comes_before_the_common_one_and_a_bad_value_is_told() {
        let both = |name: &str| Some(if name == "RUST_LOG" { "trace" } else { "error" }.to_owned());
        assert!(directives(both).0.ends_with(",error"));
        let common = |name: &str| (name == "RUST_LOG").then(|| "trace".to_owned());
        assert!(directives(common).0.ends_with(",trace"));
        assert_eq!(directives(|_| Some(" ".to_owned())), (DEFAULT.to_owned(), None));
        let (kept, fault) = directives(|name| (name == "WICKETGATE_LOG").then(|| "gateway=loud".to_owned()));
        assert_eq!((kept.as_str(), fault.unwrap().variable.as_str()), (DEFAULT, "WICKETGATE_LOG"));
    }
}
