//! Messages through the whole pipeline: what is forwarded is what was judged, headers and body agree, and a label is
//! the gate's or nobody's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pdp::json::Json;
use pdp::record::{Direction, Ending, Record};
use pdp::refusal::Code;
use serde_json::Value;

use super::house::{Came, House};
use super::json::is_good;

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[]}}"#;
/// As in the house; what is read again here nests in an envelope.
const DEPTH_MAX: usize = 32;

/// One client's frame has one record, and is answered in JSON-RPC; what the server is sent is what came, and good.
pub fn envelope(data: &[u8]) {
    let house = House::new(ANSWER);
    let came = house.carry(Vec::new(), data);
    let record = own_record(&house);
    let sent = house.sent();
    match sent.as_slice() {
        [] => assert!(record.ending != Ending::Served || record.method.is_none(), "served, and nothing was sent"),
        [sent] => {
            let received = std::str::from_utf8(data).unwrap();
            assert!(is_good(received, 16), "a bad message was forwarded: {received}");
            assert_same_but_trace(received, sent);
        }
        _ => panic!("one message was sent {} times", sent.len()),
    }
    if came.text.is_empty() {
        assert_eq!(came.status, 202, "nothing is said to what needs no answer");
        return;
    }
    let told: Value = serde_json::from_str(&came.text).unwrap();
    assert_eq!(told["jsonrpc"], "2.0");
    assert!(told.get("result").is_some() != told.get("error").is_some(), "{told}");
    if let Ok(asked) = serde_json::from_slice::<Value>(data)
        && record.refusal.is_none()
    {
        assert_eq!(told["id"], asked["id"], "the answer to this request");
    }
}

/// The record of the client's frame; every frame has exactly one.
fn own_record(house: &House) -> Record {
    let records = house.records();
    let mut numbers: Vec<u64> = records.iter().map(|record| record.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=house.frames()).collect::<Vec<_>>(), "each frame has one record");
    assert!(records.iter().all(|record| record.direction == Direction::ToServer));
    records.into_iter().find(|record| record.number == 1).unwrap()
}

/// What was sent is what was received, with a trace context put into it and nothing else.
fn assert_same_but_trace(received: &str, sent: &str) {
    if is_insertion(received, sent) {
        return;
    }
    assert!(received.contains("trace") || received.contains("\\u"), "{received}\n{sent}");
    let read = |text: &str| {
        // What readers differ on is not compared here.
        let mut value: Value = serde_json::from_str(text).unwrap_or_default();
        if let Some(meta) = value.pointer_mut("/params/_meta").and_then(Value::as_object_mut) {
            meta.remove("traceparent");
        }
        value
    };
    assert_eq!(read(received), read(sent), "{received}\n{sent}");
}

/// Whether `new` is `old` with one piece put into it.
fn is_insertion(old: &str, new: &str) -> bool {
    let same = |pair: &(u8, u8)| pair.0 == pair.1;
    let before = old.bytes().zip(new.bytes()).take_while(same).count();
    let after = old.bytes().rev().zip(new.bytes().rev()).take_while(same).count();
    new.len() >= old.len() && before + after >= old.len()
}

/// A message passes the comparison with its headers exactly where both say the same.
pub fn headers(data: &[u8]) {
    let Some((how, rest)) = data.split_at_checked(2) else { return };
    let Some([name, other]) = super::parts::<2>(rest) else { return };
    let looks_encoded = |text: &str| text.starts_with("=?base64?") && text.ends_with("?=");
    let encoded = |text: &str| format!("=?base64?{}?=", STANDARD.encode(text));
    let (method, member) =
        [("tools/call", "name"), ("prompts/get", "name"), ("resources/read", "uri")][usize::from(how[0] % 3)];
    let (header, named) = match how[1] % 5 {
        0 => (name.to_owned(), Some(name.to_owned()).filter(|name| !looks_encoded(name))),
        1 => (encoded(name), Some(name.to_owned())),
        2 => (other.to_owned(), Some(other.to_owned()).filter(|other| !looks_encoded(other))),
        3 => (encoded(other), Some(other.to_owned())),
        _ => ("=?base64?*?=".to_owned(), Some(String::new()).filter(|_| false)),
    };
    // What only looks like an encoding is one, good or bad: then the header does not say what stands in it.
    if looks_encoded(&header) && named.is_none() && how[1] % 5 != 4 {
        return;
    }
    let (method_header, methods_agree) = match how[0] / 3 % 3 {
        0 => (None, true),
        1 => (Some(method.to_owned()), true),
        _ => (Some(other.to_owned()), other == method),
    };
    let mut all = vec![("mcp-name".to_owned(), header)];
    all.extend(method_header.map(|header| ("mcp-method".to_owned(), header)));
    let params = serde_json::json!({ member: name });
    let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let house = House::new(ANSWER);
    house.carry(all, body.as_bytes());
    let record = own_record(&house);
    let refused = record.refusal.is_some_and(|refusal| refusal.code == Code::HeaderMismatch);
    let agree = methods_agree && named.as_deref() == Some(name);
    assert_eq!(refused, !agree, "{how:?} {name:?} {other:?}");
    assert!(agree || house.sent().is_empty(), "what disagrees is not sent");
}

/// A server's result is handed over with the gate's own label and no other of its name; nothing else of it changes.
pub fn answers(data: &[u8]) {
    let Ok(result) = std::str::from_utf8(data) else { return };
    let house = House::new(&format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#));
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{}}}"#;
    let Came { text, .. } = house.carry(Vec::new(), call);
    assert!(is_good(&text, DEPTH_MAX), "no good JSON: {text}");
    let record = own_record(&house);
    if record.ending != Ending::Served {
        assert!(record.refusal.is_some() && record.ending == Ending::Indeterminate, "{record:?}");
        return;
    }
    let told = Json::read(&text, DEPTH_MAX).unwrap();
    let Some(Json::Object(mut told)) = told.get("result").cloned() else {
        // What is no object has no place for a label; its task carries it.
        assert!(!result.trim_start().starts_with('{'), "an unlabelled object: {text}");
        return;
    };
    let Json::Object(mut given) = Json::read(result, DEPTH_MAX).unwrap() else { panic!("{result}") };
    if told.is_empty() {
        // `EmptyResult` says "done": there is nothing in it that could be labelled.
        return assert!(given.is_empty(), "{result} became nothing");
    }
    let label = take_own(&mut told).unwrap_or_else(|| panic!("no label in {text}"));
    assert_eq!(label.get("record"), Some(&Json::Number("1")), "the gate's own label");
    let named = label.get("source").and_then(|source| source.get("tool")).cloned();
    assert_eq!(named, Some(Json::Text("t".into())));
    let (told, given_all) = (Json::Object(told), Json::Object(given.clone()));
    assert!(!names_us(&told, false), "a forged label is left: {text}");
    if !names_us(&given_all, false) {
        let object = matches!(given_all.get("_meta"), Some(Json::Object(_)) | None);
        let start = text.find("\"result\":").unwrap() + "\"result\":".len();
        let handed = &text[start..text.len() - 1];
        assert!(!object || is_insertion(result, handed), "more than a label was put in:\n{result}\n{handed}");
    }
    strip(&mut given, false);
    let given = without_bare_meta(Json::Object(given));
    assert_eq!(without_bare_meta(told), given, "something else changed");
}

/// Takes the gate's label out of a result's `_meta`.
fn take_own<'a>(result: &mut [(std::borrow::Cow<'a, str>, Json<'a>)]) -> Option<Json<'a>> {
    let (_, meta) = result.iter_mut().find(|(name, _)| name == "_meta")?;
    let Json::Object(members) = meta else { return None };
    let at = members.iter().position(|(name, _)| name == "dev.wicketgate/label")?;
    Some(members.remove(at).1)
}

fn is_ours(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("dev.wicketgate/")
}

/// Whether a member of ours stands in any `_meta`.
fn names_us(value: &Json<'_>, in_meta: bool) -> bool {
    match value {
        Json::Object(members) => {
            members.iter().any(|(name, value)| in_meta && is_ours(name) || names_us(value, name == "_meta"))
        }
        Json::List(items) => items.iter().any(|item| names_us(item, false)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => false,
    }
}

fn strip(members: &mut Vec<(std::borrow::Cow<'_, str>, Json<'_>)>, in_meta: bool) {
    members.retain(|(name, _)| !(in_meta && is_ours(name)));
    for (name, value) in members {
        strip_value(value, name == "_meta");
    }
}

fn strip_value(value: &mut Json<'_>, in_meta: bool) {
    match value {
        Json::Object(members) => strip(members, in_meta),
        Json::List(items) => items.iter_mut().for_each(|item| strip_value(item, false)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => {}
    }
}

/// A result without a `_meta` that is empty or no object: the gate makes one where it puts its label.
fn without_bare_meta(result: Json<'_>) -> Json<'_> {
    let Json::Object(mut members) = result else { return result };
    members.retain(|(name, value)| name != "_meta" || matches!(value, Json::Object(inner) if !inner.is_empty()));
    Json::Object(members)
}
