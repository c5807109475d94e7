//! A reader of HTTP/1.1 answers that costs little: the generator must not be what is measured.
//!
//! It reads what the servers of this benchmark send (RFC 9112: a length or chunks, no trailers, no interim answers) and
//! refuses everything else. It knows nothing of MCP.

use anyhow::{Context as _, bail};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// An answer's head; its body stays in the reader until the next answer is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Whether it is an event stream.
    pub events: bool,
    /// `Mcp-Session-Id`.
    pub session: Option<String>,
    length: Length,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Length {
    #[default]
    None,
    Bytes(usize),
    Chunks,
}

/// The buffers of one connection.
#[derive(Debug, Default)]
pub struct Reader {
    /// What was received and not yet used begins at `used`.
    received: Vec<u8>,
    used: usize,
    body: Vec<u8>,
}

/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

impl Reader {
    /// Reads one answer. Its body is then in [`Reader::body`].
    ///
    /// # Errors
    /// When the connection ends or what comes is no answer.
    pub async fn answer(&mut self, stream: &mut TcpStream) -> anyhow::Result<Head> {
        let head = self.head(stream).await?;
        self.body.clear();
        match head.length {
            Length::None => {}
            Length::Bytes(length) => {
                self.want(stream, length).await?;
                self.take(length);
            }
            Length::Chunks => while self.chunk(stream).await? {},
        }
        Ok(head)
    }

    /// Reads an answer's head alone.
    ///
    /// # Errors
    /// As [`Reader::answer`].
    pub async fn head(&mut self, stream: &mut TcpStream) -> anyhow::Result<Head> {
        self.received.drain(..self.used);
        self.used = 0;
        let end = self.find(stream, b"\r\n\r\n").await?;
        let head = parse(self.received.get(..end).unwrap_or_default())?;
        self.used = end + 4;
        Ok(head)
    }

    /// The body of the answer read last, chunks joined.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads one chunk; false for the last.
    async fn chunk(&mut self, stream: &mut TcpStream) -> anyhow::Result<bool> {
        let end = self.find(stream, b"\r\n").await?;
        let line = std::str::from_utf8(self.received.get(self.used..end).unwrap_or_default())?;
        let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
            .with_context(|| format!("`{line}` is no length of a chunk"))?;
        self.used = end + 2;
        self.want(stream, length + 2).await?;
        self.take(length);
        self.used += 2;
        Ok(length > 0)
    }

    /// Moves bytes that are there to the body.
    fn take(&mut self, length: usize) {
        let end = self.used + length;
        self.body.extend_from_slice(self.received.get(self.used..end).unwrap_or_default());
        self.used = end;
    }

    /// Where `what` begins, reading on until it is there.
    async fn find(&mut self, stream: &mut TcpStream, what: &[u8]) -> anyhow::Result<usize> {
        let mut from = self.used;
        loop {
            let unread = self.received.get(from..).unwrap_or_default();
            if let Some(at) = unread.windows(what.len()).position(|window| window == what) {
                return Ok(from + at);
            }
            from = self.received.len().saturating_sub(what.len() - 1).max(self.used);
            self.fill(stream).await?;
        }
    }

    /// Reads until this many bytes are there.
    async fn want(&mut self, stream: &mut TcpStream, length: usize) -> anyhow::Result<()> {
        while self.received.len() < self.used + length {
            self.fill(stream).await?;
        }
        Ok(())
    }

    async fn fill(&mut self, stream: &mut TcpStream) -> anyhow::Result<()> {
        self.received.reserve(READ_BYTES);
        let count = stream.read_buf(&mut self.received).await.context("reading an answer")?;
        if count == 0 {
            bail!("the connection was closed before the answer was whole");
        }
        Ok(())
    }
}

fn parse(head: &[u8]) -> anyhow::Result<Head> {
    let text = std::str::from_utf8(head).context("an answer's head is no text")?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let mut out = Head { status: status.with_context(|| format!("`{first}` is no status line"))?, ..Head::default() };
    for line in lines {
        let (name, value) = line.split_once(':').with_context(|| format!("`{line}` is no header"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            out.length = Length::Bytes(value.parse().with_context(|| format!("`{value}` is no length"))?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            out.length = Length::Chunks;
        } else if name.eq_ignore_ascii_case("content-type") {
            out.events = value.starts_with("text/event-stream");
        } else if name.eq_ignore_ascii_case("mcp-session-id") {
            out.session = Some(value.to_owned());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    /// What the reader makes of these pieces, each sent by itself: status and body of each answer, then how it ends.
    async fn read(pieces: &[&str], answers: usize) -> Vec<Result<(u16, String), String>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let (sending, reading) = (
            async {
                for piece in pieces {
                    server.write_all(piece.as_bytes()).await.unwrap();
                    server.flush().await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(server);
            },
            async {
                let mut reader = Reader::default();
                let mut out = Vec::new();
                for _ in 0..answers {
                    let head = reader.answer(&mut stream).await;
                    let body = String::from_utf8_lossy(reader.body()).into_owned();
                    out.push(head.map(|head| (head.status, body)).map_err(|e| e.to_string()));
                }
                out
            },
        );
        tokio::join!(sending, reading).1
    }

    #[tokio::test]
    async fn lengths_chunks_and_nothing_are_read_however_they_are_cut() {
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirstHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                     3\r\nsec\r\n3;x=y\r\nond\r\n0\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n";
        let expected = [Ok((200, "first".to_owned())), Ok((200, "second".to_owned())), Ok((202, String::new()))];
        assert_eq!(read(&[whole], 3).await, expected);
        for cut in [1, 7, 38, 45, 62, 90, 100, 112, whole.len() - 3] {
            let (before, after) = whole.split_at(cut);
            assert_eq!(read(&[before, after], 3).await, expected, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn what_is_no_whole_answer_is_an_error() {
        for (sent, words) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfour", "closed before the answer was whole"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", "no length of a chunk"),
            ("SSH-2.0-nobody\r\n\r\n", "no status line"),
            ("HTTP/1.1 200 OK\r\nno header\r\n\r\n", "no header"),
        ] {
            let found = read(&[sent], 1).await;
            assert!(matches!(found.as_slice(), [Err(e)] if e.contains(words)), "{sent:?}: {found:?}");
        }
    }

    #[test]
    fn a_head_tells_the_session_and_the_kind() {
        let head = parse(b"HTTP/1.1 200 OK\r\nMcp-Session-Id: abc\r\ncontent-type: text/event-stream").unwrap();
        assert_eq!((head.status, head.events, head.session.as_deref()), (200, true, Some("abc")));
    }
}
