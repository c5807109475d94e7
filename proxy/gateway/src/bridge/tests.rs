//! The bridge without a gate: what it does with lines before anything is sent.

use super::{Door, carry};

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_told_before_anything_is_read() {
    let door = Door { url: "http://127.0.0.1:1/x/mcp".to_owned(), token: "a\nb".to_owned() };
    let told = carry(&door, tokio::io::empty(), tokio::io::sink()).await;
    assert_eq!(told.map_err(|e| e.to_string()), Err("the token holds what no header can".to_owned()));
    assert!(!format!("{door:?}").contains("a\\nb"), "a token is never printed");
}

#[tokio::test]
async fn nothing_said_is_nothing_done() {
    let door = Door { url: "http://127.0.0.1:1/x/mcp".to_owned(), token: "t".to_owned() };
    let input: &[u8] = b"\n  \r\n\n";
    assert!(carry(&door, input, tokio::io::sink()).await.is_ok());
}
