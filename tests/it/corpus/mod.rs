//! Byte fidelity: a corpus of messages of every type and both eras crosses a real gate, over real sockets and pipes, in
//! both directions, and is compared byte by byte. `messages.tsv` holds it: direction, era, method, message.
//!
//! Each message is sent as it stands, and once more for each of its objects with an unknown member put into that one.
//! What the gate may change, and nothing else:
//!
//! - towards a server: `params._meta.traceparent` of a request, where traces are passed on, added or replaced;
//! - towards a client: `result._meta["dev.wicketgate/label"]`, added to a result that carries content. Errors, results of
//!   the lifecycle and the server's own messages cross without it;
//! - over standard streams, where a message is a line: a line break between members becomes a blank;
//! - over standard streams that several callers share (2026-07-28): `id`, `progressToken`, `requestId` and
//!   `subscriptionId` are other numbers on the server's side, and what they were on the client's.
//!
//! What policy takes out is another matter and tested elsewhere: unreviewed tools, forged labels, quoted text.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic: that is how it fails"
)]

mod http;
mod messages;
mod stdio;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pdp::digest::Digest;
use pdp::json;
use pdp::method::METHODS;
use serde_json::Value;

use crate::gate::Gate;
use crate::gate::bundle::Bundle;
use messages::{Message, Way, base, member};

/// Bounds that no message of the corpus meets.
const LIMITS: &str = "limits = { failures_per_minute_max = 100000, child_grace_ms = 300 }";

/// The one tool that the corpus calls.
const ECHO: &str = r#"{"name":"corpus_echo","inputSchema":{"type":"object"}}"#;

/// A registry entry that opens everything, over these reviewed definitions.
fn open_to_all(name: &str, transport: &str, definitions: &[String]) -> (String, String) {
    let mut features: Vec<&str> =
        METHODS.iter().map(|m| m.feature.name()).collect::<BTreeSet<_>>().into_iter().collect();
    features.retain(|name| *name != "lifecycle");
    features.extend(["vendor/thing", "vendor/note"]);
    let mut text = format!("name = \"{name}\"\nopen = {features:?}\n[transport]\n{transport}\n");
    for definition in definitions {
        let tool = json::string(member(definition, "name").unwrap()).unwrap().into_owned();
        let pin = Digest::of_json(definition).unwrap();
        write!(text, "[tools.{tool}]\neffect = [\"read\"]\npin = \"{pin}\"\n").unwrap();
        text.push_str("reviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n");
    }
    (text, format!("[{}]", definitions.join(",")))
}

fn bundle(servers: &[(&str, &str, &[String])]) -> Bundle {
    servers.iter().fold(Bundle::new(), |bundle, (name, transport, definitions)| {
        let (text, definitions) = open_to_all(name, transport, definitions);
        bundle.registered(name, text, definitions)
    })
}

/// A gate that passes no trace context on, or does.
async fn gate(bundle: &Bundle, traces: bool) -> Gate {
    let propagators: &[(&str, &str)] = if traces { &[] } else { &[("OTEL_PROPAGATORS", "none")] };
    Gate::start_under(bundle, LIMITS, propagators).await
}

/// Holds two texts against each other.
#[track_caller]
fn same(got: &str, want: &str, message: &Message) {
    assert!(got == want, "{}: this crossed\n  {got}\nwhere this was sent\n  {want}", message.name());
}

/// Holds what a client got against what its server said: the same, or the same with the label in the result's `_meta`, and
/// in that of a finished task's result within it.
#[track_caller]
fn same_but_for_the_label(got: &str, message: &Message) {
    let mut got = got.to_owned();
    for place in message.labelled() {
        let name = "\"dev.wicketgate/label\":";
        let inner = place.iter().try_fold(got.as_str(), |object, name| member(object, name)).unwrap();
        let meta = member(inner, "_meta").unwrap_or_else(|| panic!("{}: no label in {got}", message.name()));
        let label =
            member(meta, "dev.wicketgate/label").unwrap_or_else(|| panic!("{}: no label in {got}", message.name()));
        let value: Value = serde_json::from_str(label).unwrap();
        assert!(value["record"].is_u64() && value["source"]["server"].is_string(), "{}: {value}", message.name());
        let at = json::place(&got, label).unwrap();
        assert!(got[..at.start].ends_with(name), "{}: {got}", message.name());
        got = bare(&got, at.start - name.len()..at.end, message);
    }
    same(&got, &message.text, message);
}

/// A text without one member, and without the `_meta` that was made for it where the original has none there.
#[track_caller]
fn bare(got: &str, at: std::ops::Range<usize>, message: &Message) -> String {
    let (head, tail) = (&got[..at.start], &got[at.end..]);
    if let Some(head) = head.strip_suffix(',') {
        return format!("{head}{tail}");
    }
    let whole = head.strip_suffix("\"_meta\":{").zip(tail.strip_prefix('}'));
    match whole.filter(|(head, _)| !message.text.starts_with(&format!("{head}\"_meta\":"))) {
        Some((head, tail)) => format!("{}{tail}", head.strip_suffix(',').unwrap_or(head)),
        None => format!("{head}{tail}"),
    }
}

/// Holds a request as a server got it against what the client sent: the same, or with `traceparent` in its `_meta`.
#[track_caller]
fn same_but_for_the_trace(got: &str, message: &Message) {
    let sent = &message.text;
    if !message.is_traced() {
        return same(got, sent, message);
    }
    let parent = "\"traceparent\":\"00-";
    assert_eq!(got.matches(parent).count(), 1, "{}: {got}", message.name());
    let at = got.find(parent).unwrap();
    let end = at + parent.len() + 32 + 1 + 16 + "-01\"".len();
    if let Some(own) = sent.find(parent) {
        // The client's own context is replaced by that of the gate's attempt, at its place.
        let rest = &sent[own + (end - at)..];
        return same(&format!("{}{}", &got[..at], &got[end..]), &format!("{}{rest}", &sent[..own]), message);
    }
    same(&bare(got, at..end, message), sent, message);
}

/// The corpus is what it says it is.
#[test]
fn the_corpus_holds_every_method_of_both_eras() {
    let all = base();
    assert!(all.len() >= 200, "only {} messages", all.len());
    let met: BTreeSet<&str> = all.iter().map(|m| m.of.as_str()).collect();
    // Verbs of the transport, and the answers, which stand under what they answer.
    let unwritten = ["stream", "session/end", "response"];
    let missing: Vec<&str> =
        METHODS.iter().map(|m| m.name).filter(|name| !unwritten.contains(name) && !met.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "no message of the corpus is of these methods");
    for message in &all {
        json::check(&message.text, 64).unwrap_or_else(|e| panic!("{}: {e}", message.name()));
        // The fixtures put ids in place of these.
        assert!(!["{id}", "@@"].iter().any(|mark| message.text.contains(mark)), "{}", message.name());
    }
    for part in ["9007199254740993", "0.7", "1.0", "12345678901234567890123456789", "\\u0000", "\u{feff}", "-0"] {
        let ways = |way| all.iter().any(|m: &Message| m.way == way && m.text.contains(part));
        assert!(ways(Way::ToServer) || ways(Way::ToClient), "no message holds {part:?}");
    }
    let changed: usize = all.iter().map(|message| message.changed().len()).sum();
    assert!(changed >= 800, "only {changed} messages with an unknown member");
}
