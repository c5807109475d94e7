//! The record's codec: what is read is what was written, in the one canonical form.

use std::sync::Arc;

use pdp::digest::Digest;
use pdp::json::{self, Json};
use pdp::record::Entry;
use serde_json::{Value, json};

/// An entry that can be read is written in canonical form, and that reads back the same. The input is an entry's text, or
/// words that are made into one.
pub fn record(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    same(text);
    same(&made(text).to_string());
}

fn same(text: &str) {
    let Ok(entry) = Entry::read(text) else { return };
    let canonical = entry.canonical().unwrap();
    let again = Entry::read(&canonical).unwrap();
    assert_eq!(again.canonical().unwrap(), canonical, "canonical text is a fixed point");
    assert_eq!(without_arguments(again), without_arguments(entry), "it reads back the same");
    let generic = json::canonical(&Json::read(&canonical, 128).unwrap());
    assert_eq!(canonical, generic, "the generic canonical form");
    let plain: Value = serde_json::from_str(&canonical).unwrap();
    if is_i_json(&plain) {
        assert_eq!(canonical, serde_json_canonicalizer::to_string(&plain).unwrap(), "the generic form of RFC 8785");
    }
}

/// An entry but for its arguments, which are JSON of the client's: 1.0 and 1 are one number there, and two values here.
/// Their canonical text is compared instead.
fn without_arguments(entry: Entry) -> Entry {
    match entry {
        Entry::Record(mut record) => {
            Arc::make_mut(&mut record).arguments = None;
            Entry::Record(record)
        }
        Entry::Intent(_) | Entry::Event(_) | Entry::Said(_) => entry,
    }
}

/// Whether every number is one that a double holds (RFC 7493).
fn is_i_json(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let small = |n: u64| n < 1 << 53;
            number.as_f64().is_some_and(f64::is_finite)
                && number.as_u64().is_none_or(small)
                && number.as_i64().is_none_or(|n| small(n.unsigned_abs()))
        }
        Value::Array(items) => items.iter().all(is_i_json),
        Value::Object(members) => members.values().all(is_i_json),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// A record whose every text is a piece of the input, and whose optional parts come and go with it.
#[must_use]
pub fn made(text: &str) -> Value {
    let pieces: Vec<&str> = text.split('\n').collect();
    let piece = |n: usize| pieces[n % pieces.len()];
    let number =
        |n: usize| piece(n).bytes().fold(0_u64, |sum, b| sum.wrapping_mul(257).wrapping_add(u64::from(b))) >> 12;
    let digest = Digest::of_bytes(text.as_bytes()).to_string();
    let mut out = json!({
        "entry": "record", "v": 1, "number": number(0), "trace": piece(1), "span": piece(2), "task": piece(3),
        "started_us": number(1), "took_us": number(2), "direction": "to_server", "kind": "request", "server": piece(4),
        "snapshot": digest, "stages": [{ "stage": "intake", "at_us": number(3) }], "bytes_in": number(4),
        "ending": "served",
    });
    let optional = [
        ("parent", json!(piece(5))),
        ("link", json!(piece(6))),
        ("protocol", json!(piece(7))),
        (
            "principal",
            json!({ "agent": piece(8), "teams": [piece(9), piece(10)], "user": piece(11), "tenant": piece(12), "method": "token" }),
        ),
        ("client", json!(piece(13))),
        ("system", json!(piece(14))),
        ("session", json!(piece(15))),
        ("request_id", json!(piece(16))),
        ("method", json!(piece(17))),
        ("target", json!(piece(18))),
        ("pin", json!(digest)),
        ("effects", json!(["write", "read"])),
        (
            "arguments",
            serde_json::from_str(piece(19)).unwrap_or_else(|_| json!({ piece(20): [piece(21), 1.5, -0.0, null] })),
        ),
        ("credential", json!(piece(22))),
        ("labels", json!([piece(23), piece(24)])),
        (
            "attempts",
            json!([{ "span": piece(25), "started_us": number(5), "ended_us": number(6), "address": piece(26), "status": 200 }]),
        ),
        ("notes", json!([{ "at_us": number(7), "text": piece(27) }])),
        ("result", json!({ "is_error": true, "error_code": -32601, "error_message": piece(28), "bytes": number(8) })),
    ];
    let chosen = number(9);
    let members = out.as_object_mut().unwrap();
    for (n, (name, value)) in optional.into_iter().enumerate() {
        if chosen >> n & 1 == 0 {
            members.insert(name.to_owned(), value);
        }
    }
    out
}
