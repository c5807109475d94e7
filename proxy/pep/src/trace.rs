//! W3C Trace Context: what came in, what goes out. One trace id per task.

use pdp::json::{self, Edit, Kind};

use crate::envelope::Envelope;
use crate::frame::Frame;

/// Which context is passed on to upstreams. From `OTEL_PROPAGATORS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// `traceparent` and `tracestate`.
    pub trace_context: bool,
    /// `baggage`.
    pub baggage: bool,
}

impl Propagation {
    /// Everything, the default of the OpenTelemetry specification.
    pub const ALL: Self = Self { trace_context: true, baggage: true };
}

/// A `traceparent` (W3C Trace Context level 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// 32 lower-case hexadecimal digits, not all zero.
    pub trace: String,
    /// 16 lower-case hexadecimal digits, not all zero.
    pub span: String,
    /// Whether the caller samples.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`; nothing when it is malformed, as the recommendation asks.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.trim().split('-').collect();
        let (version, trace, span, flags) = match parts.as_slice() {
            [version, trace, span, flags] => (*version, *trace, *span, *flags),
            [version, trace, span, flags, ..] if *version != "00" => (*version, *trace, *span, *flags),
            _ => return None,
        };
        let hex =
            |t: &str, len: usize| t.len() == len && t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let real = |t: &str, len: usize| hex(t, len) && t.bytes().any(|b| b != b'0');
        if !hex(version, 2) || version == "ff" || !real(trace, 32) || !real(span, 16) || !hex(flags, 2) {
            return None;
        }
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { trace: trace.to_owned(), span: span.to_owned(), sampled })
    }

    /// The context as a `traceparent`.
    #[must_use]
    pub fn header(&self) -> String {
        format!("00-{}-{}-{}", self.trace, self.span, if self.sampled { "01" } else { "00" })
    }
}

/// The contexts that came with a frame: in `params._meta` (SEP-414) and in HTTP headers.
pub(crate) struct Incoming {
    /// The one to be a child of: `_meta` before HTTP.
    pub(crate) parent: Option<TraceContext>,
    /// The HTTP one, where `_meta` had another.
    pub(crate) ambient: Option<TraceContext>,
}

impl Incoming {
    pub(crate) fn of(frame: &Frame, envelope: &Envelope, text: &str) -> Self {
        let meta = envelope.meta_string(text, "traceparent").and_then(|t| TraceContext::parse(&t));
        let http = frame.header("traceparent").and_then(TraceContext::parse);
        match (meta, http) {
            (Some(meta), http) => Self { ambient: http.filter(|h| h.trace != meta.trace), parent: Some(meta) },
            (None, http) => Self { parent: http, ambient: None },
        }
    }
}

/// `text`, a request whose envelope is `envelope`, with `traceparent` in `params._meta`. A message without an object in
/// `params` stays as it is: adding `params` would change what a strict server sees.
pub(crate) fn with_parent(text: &str, envelope: &Envelope, context: &TraceContext) -> Option<String> {
    let params = envelope.part(text, "params").filter(|params| params.kind() == Kind::Object)?;
    if params.get("_meta").is_some_and(|meta| meta.kind() != Kind::Object) {
        return None;
    }
    let value = json::quoted(&context.header());
    Some(Edit::set_in(params, "_meta", "traceparent", &value).of(text))
}

/// Lower-case hexadecimal digits of random bytes; never all zero.
pub(crate) fn hex_id(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |n: u8| DIGITS.get(usize::from(n & 15)).copied().unwrap_or('0');
    let text: String = bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect();
    if text.bytes().all(|b| b == b'0') { text.replace('0', "1") } else { text }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_malformed_traceparent_is_no_context() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(TraceContext::parse(good).unwrap().header(), good);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_context_is_put_into_meta_and_nothing_else_changes() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x", "n":1.0}}"#;
        let context = TraceContext { trace: "a".repeat(32), span: "b".repeat(16), sampled: true };
        let out = with_parent(text, &Envelope::read(text, 9).unwrap(), &context).unwrap();
        let want = format!(r#","_meta":{{"traceparent":"{}"}}}}}}"#, context.header());
        assert_eq!(out, text.replace("}}", &want));
        let bare = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        assert_eq!(with_parent(bare, &Envelope::read(bare, 9).unwrap(), &context), None);
    }
}
