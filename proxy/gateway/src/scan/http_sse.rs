//! The HTTP+SSE side of a scan (MCP 2024-11-05): an event stream and POSTs, made into the pair of pipes that rmcp reads
//! and writes lines on, since rmcp no longer knows this transport. Redirects are not followed, and messages go to no
//! other origin than the stream's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use pep::Event;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::fault::{ScanFault, Trouble};
use super::http::{public_url, read_headers};
use super::recording::{MESSAGE_BYTES_MAX, Recording};
use crate::upstream::http_sse::endpoint;
use crate::upstream::sse::SseReader;

/// How long connecting may take. The scan's own timeout bounds everything else.
const CONNECT: Duration = Duration::from_secs(10);
/// How many bytes may wait in each pipe.
const PIPE_BYTES: usize = 64 * 1024;

/// An open session: what rmcp reads and writes, and the tasks that carry it.
pub(super) struct Session {
    /// The server's messages, one a line, and where the scan's are written.
    pub(super) wire: (DuplexStream, DuplexStream),
    /// Keeps the session open.
    pub(super) carriers: [AbortOnDropHandle<()>; 2],
}

/// Opens a session at `url`.
pub(super) async fn connect(
    url: &str,
    headers: &[(String, String)],
    recording: &Arc<Recording>,
    deadline: Instant,
    timeout: Duration,
) -> Result<Session, ScanFault> {
    let headers: HeaderMap = read_headers(headers)?.into_iter().collect();
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .default_headers(headers)
        .build()
        .map_err(|error| ScanFault::Transport(format!("the HTTP client cannot be set up: {error}")))?;
    let opening = timeout_at(deadline, open(&client, url)).await;
    let (events, endpoint) = opening.map_err(|_| ScanFault::TimedOut {
        seconds: timeout.as_secs(),
        waiting_for: "the event stream to name its endpoint".to_owned(),
        hints: Vec::new(),
    })??;
    let (reading, incoming) = tokio::io::duplex(PIPE_BYTES);
    let (writing, outgoing) = tokio::io::duplex(PIPE_BYTES);
    // Either way ends with the other: rmcp must not wait for an answer to what could not be sent.
    let over = CancellationToken::new();
    let (recording, guard) = (Arc::clone(recording), over.clone().drop_guard());
    let receiver = tokio::spawn(receive(events, incoming, Arc::clone(&recording), over));
    let sender = tokio::spawn(async move {
        let _guard = guard;
        send(client, endpoint, outgoing, &recording).await;
    });
    Ok(Session { wire: (reading, writing), carriers: [receiver, sender].map(AbortOnDropHandle::new) })
}

/// Opens the stream and reads on to its endpoint.
async fn open(
    client: &reqwest::Client,
    url: &str,
) -> Result<(Events<impl Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin + use<>>, Url), ScanFault> {
    let request = client.get(url).header(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let response = request.send().await.map_err(|error| unreachable(url, &error))?;
    if response.status() != http::StatusCode::OK {
        return Err(ScanFault::HttpStatus { url: public_url(url), status: response.status().as_u16() });
    }
    let not_mcp = |what: String| ScanFault::NotMcp { what, hints: Vec::new() };
    let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream") {
        return Err(not_mcp("it answered with something that is no event stream".to_owned()));
    }
    let mut events =
        Events { bytes: response.bytes_stream(), reader: SseReader::new(MESSAGE_BYTES_MAX), ready: Vec::new() };
    loop {
        match events.next().await {
            Some(Event { event: Some(kind), data: Some(named), .. }) if kind == "endpoint" => {
                let endpoint = endpoint(url, &named).map_err(|fault| not_mcp(fault.to_string()))?;
                return Ok((events, endpoint));
            }
            Some(Event { data: Some(_), .. }) => {
                let words = "its event stream does not begin with an `endpoint` event; a streamable HTTP server is scanned with `--url`";
                return Err(not_mcp(words.to_owned()));
            }
            Some(_) => {}
            None => return Err(not_mcp("its event stream ended before it named an endpoint".to_owned())),
        }
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> ScanFault {
    let cause = match Trouble::from_reqwest(error) {
        Trouble::Unreachable(cause) | Trouble::NotMcp(cause) => cause,
        Trouble::Status(status) => return ScanFault::HttpStatus { url: public_url(url), status },
    };
    ScanFault::Unreachable { url: public_url(url), cause }
}

/// The events of a stream.
struct Events<S> {
    bytes: S,
    reader: SseReader,
    ready: Vec<Event>,
}

impl<S: Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin> Events<S> {
    /// The next event; nothing at the end, or where the stream breaks.
    async fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            let bytes = self.bytes.next().await?.ok()?;
            self.ready = self.reader.take(&bytes).ok()?;
        }
        Some(self.ready.remove(0))
    }
}

/// Carries the server's messages on to rmcp, and shows each to the recording.
async fn receive<S>(
    mut events: Events<S>,
    mut incoming: DuplexStream,
    recording: Arc<Recording>,
    over: CancellationToken,
) where
    S: Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin,
{
    while let Some(Some(event)) = over.run_until_cancelled(events.next()).await {
        let (None | Some("message"), Some(data)) = (event.event.as_deref(), event.data) else { continue };
        recording.message(&data);
        // JSON has line breaks only as white space, where a blank says the same.
        let line = format!("{}\n", data.replace(['\n', '\r'], " "));
        if incoming.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Posts what rmcp writes, one message a line, in order.
async fn send(client: reqwest::Client, endpoint: Url, outgoing: DuplexStream, recording: &Recording) {
    let mut lines = BufReader::new(outgoing).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let request = client.post(endpoint.clone()).header(CONTENT_TYPE, "application/json").body(line);
        let trouble = match request.send().await {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(Trouble::Status(response.status().as_u16())),
            Err(error) => Some(Trouble::from_reqwest(&error)),
        };
        if trouble.is_some() {
            // The session ends with this; the recording says why.
            recording.set_trouble(trouble);
            return;
        }
    }
}
