//! What a server says, read for where arguments come from: the same however it is cut, bounded, and every text of it found.

use std::sync::Arc;

use pdp::json::Json;
use pdp::label::LabelSet;
use pdp::origin::{Field, Key, Message, UNTRUSTED, Window};

/// How many bytes the window of this property may take.
const BYTES_MAX: usize = 64 * 1024;
const DEPTH_MAX: usize = 32;

/// A byte that says how the message is cut, then a value that a tool answers with: what is read of it is the same whole and in
/// pieces; each of its texts is found, or said to be lost; and no label is lost by reading on.
pub fn reading(data: &[u8]) {
    let Some((cut, value)) = data.split_first() else { return };
    let Ok(value) = std::str::from_utf8(value) else { return };
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"structuredContent":{{"field":{value}}}}}}}"#);
    let key = Key::default();
    let message = || Message::new(&key, Arc::default(), BYTES_MAX, DEPTH_MAX + 4);
    let mut pieces = message();
    text.as_bytes().chunks(usize::from(*cut).max(1)).for_each(|piece| pieces.feed(piece));
    let whole = message().whole(&text);
    assert_eq!(pieces.finish(), whole, "read in pieces it is another");

    let labels: LabelSet = [UNTRUSTED].into_iter().collect();
    let mut window = Window::new(key.clone(), BYTES_MAX);
    window.read(whole, &labels);
    assert!(window.bytes() <= BYTES_MAX);
    let Ok(value) = Json::read(value, DEPTH_MAX) else {
        // What cannot be read may hold anything; names that stand twice, half a surrogate pair and the like among it.
        return;
    };
    let field = Field::root(Arc::default()).member("field");
    each(&field, &value, &mut |field, text| {
        let found = window.origin(field, &Json::Text(text.into()), &LabelSet::default()).labels;
        assert!(window.has_lost() || found.contains(UNTRUSTED), "`{text}` was read and is not found");
    });
    let before = window.origin(&field, &value, &LabelSet::default()).labels;
    let mut more = message();
    more.feed(br#"{"result":{"more":"of what is read"}}"#);
    window.read(more.finish(), &["private"].into_iter().collect());
    let after = window.origin(&field, &value, &LabelSet::default()).labels;
    assert!(before.flows_to(&after), "{before} became {after}");
}

/// Every text of a value that is looked for as it stands: not one that holds another within it, and none without words.
fn each(field: &Field, value: &Json<'_>, told: &mut dyn FnMut(&Field, &str)) {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
        Json::Text(text) => {
            let holds_another = text.trim_start().starts_with(['{', '[']) || text.len() > 256;
            if !holds_another && text.chars().any(|c| c.is_ascii_alphanumeric()) {
                told(field, text);
            }
        }
        Json::List(items) => items.iter().for_each(|item| each(field, item, told)),
        Json::Object(members) => {
            let named = |name: &str| name != "_meta" && name.chars().any(|c| c.is_ascii_alphanumeric());
            for (name, value) in members.iter().filter(|(name, _)| named(name)) {
                each(&field.member(name), value, told);
            }
        }
    }
}
