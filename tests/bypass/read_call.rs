//! A permit read out of text.
//@ inside: lib.rs
//@ error: E0277
fn read_call(text: &str) -> Option<Authorized> {
    serde_json::from_str(text).ok()
}
