//! The bridge without a gate, and beside one that loses sessions.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use pdp::json::member;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};

use super::{Door, carry};

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_told_before_anything_is_read() {
    let door = Door { url: "http://127.0.0.1:1/x/mcp".to_owned(), token: "a\nb".to_owned(), task: None };
    let told = carry(&door, tokio::io::empty(), tokio::io::sink()).await;
    assert_eq!(told.map_err(|e| e.to_string()), Err("the token holds what no header can".to_owned()));
    assert!(!format!("{door:?}").contains("a\\nb"), "a token is never printed");
}

#[tokio::test]
async fn nothing_said_is_nothing_done() {
    let door = Door { url: "http://127.0.0.1:1/x/mcp".to_owned(), token: "t".to_owned(), task: None };
    let input: &[u8] = b"\n  \r\n\n";
    assert!(carry(&door, input, tokio::io::sink()).await.is_ok());
}

/// A gate that knows one session at a time, opens another on `initialize`, and may fail to.
#[derive(Default)]
struct Gate {
    session: String,
    opened: usize,
    /// How many openings fail from now on.
    failing: usize,
    /// How many connections for the session's own stream break off before they are answered.
    breaking: usize,
}

impl Gate {
    /// The whole answer to one request; nothing where the connection breaks off.
    fn answer(&mut self, head: &str, body: &str) -> Option<String> {
        let own = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        let text = |status: &str, more: &str, body: &str| {
            Some(format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\n{more}content-length: {}\r\n\r\n{body}",
                body.len()
            ))
        };
        let id = member(body, "id").unwrap_or("null");
        let said = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}");
        if head.starts_with("GET") {
            if self.breaking > 0 {
                self.breaking -= 1;
                return None;
            }
            let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/of-its-own\"}\n\n";
            return text("200 OK", "content-type: text/event-stream\r\n", event);
        }
        match member(body, "method") {
            Some("\"initialize\"") if self.failing > 0 => {
                self.failing -= 1;
                text("503 Service Unavailable", "", "")
            }
            Some("\"initialize\"") => {
                assert_eq!(own, None, "a session is opened in none");
                self.opened += 1;
                self.session = format!("s{}", self.opened);
                text(
                    "200 OK",
                    &format!("mcp-session-id: {}\r\ncontent-type: application/json\r\n", self.session),
                    &said,
                )
            }
            _ if own != Some(&self.session) => text("404 Not Found", "", ""),
            _ if id == "null" => text("202 Accepted", "", ""),
            _ => text("200 OK", "content-type: application/json\r\n", &said),
        }
    }
}

type Shared = std::sync::Arc<std::sync::Mutex<Gate>>;

async fn gate() -> (Shared, Door) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door =
        Door { url: format!("http://{}/x/mcp", listener.local_addr().unwrap()), token: "t".to_owned(), task: None };
    let gate = Shared::default();
    let shared = Shared::clone(&gate);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let gate = Shared::clone(&shared);
            tokio::spawn(async move {
                let mut whole = Vec::new();
                let answer = loop {
                    let mut some = [0; 4096];
                    let read = stream.read(&mut some).await.unwrap();
                    whole.extend_from_slice(&some[..read]);
                    let text = String::from_utf8_lossy(&whole).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
                    if body.len() >= length.parse().unwrap() {
                        break gate.lock().unwrap().answer(head, body);
                    }
                };
                if let Some(answer) = answer {
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (gate, door)
}

/// A client of the bridge's: lines in, lines out.
struct Client {
    input: tokio::io::DuplexStream,
    lines: tokio::io::Lines<tokio::io::BufReader<tokio::io::DuplexStream>>,
}

impl Client {
    async fn of(door: Door) -> Self {
        let (input, theirs) = tokio::io::duplex(1 << 16);
        let (out, output) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move { carry(&door, theirs, out).await });
        let mut client = Self { input, lines: tokio::io::BufReader::new(output).lines() };
        client.say(r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{}}"#).await;
        assert!(client.next().await.contains("\"id\":\"i\""));
        client
    }

    async fn say(&mut self, text: &str) {
        self.input.write_all(format!("{text}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> String {
        let line = tokio::time::timeout(std::time::Duration::from_secs(20), self.lines.next_line());
        line.await.unwrap().unwrap().unwrap()
    }

    /// The next answers, without what comes unasked, in the order of their text.
    async fn answers(&mut self, count: usize) -> Vec<String> {
        let mut out = Vec::new();
        while out.len() < count {
            out.extend(Some(self.next().await).filter(|line| !line.contains("of-its-own")));
        }
        out.sort();
        out
    }
}

fn ping(id: u32) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}")
}

#[tokio::test]
async fn requests_that_lose_their_session_together_find_one_new_session() {
    let (gate, door) = gate().await;
    let mut client = Client::of(door).await;
    gate.lock().unwrap().session = "another".to_owned();
    for id in 0..4 {
        client.say(&ping(id)).await;
    }
    let answers = client.answers(4).await;
    assert!(answers.iter().all(|answer| answer.contains("\"result\"")), "{answers:?}");
    assert_eq!(gate.lock().unwrap().opened, 2);
}

#[tokio::test]
async fn an_opening_that_fails_is_tried_again_by_the_next_request() {
    let (gate, door) = gate().await;
    let mut client = Client::of(door).await;
    {
        let mut gate = gate.lock().unwrap();
        (gate.session, gate.failing) = ("another".to_owned(), 1);
    }
    client.say(&ping(1)).await;
    assert!(client.answers(1).await[0].contains("no longer knows this session"));
    client.say(&ping(2)).await;
    assert!(client.answers(1).await[0].contains("\"result\""));
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_is_tried_again() {
    let (gate, door) = gate().await;
    gate.lock().unwrap().breaking = 1;
    let mut client = Client::of(door).await;
    client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert!(client.next().await.contains("of-its-own"));
}
