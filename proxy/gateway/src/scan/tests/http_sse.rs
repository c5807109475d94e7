//! HTTP+SSE servers: scanned over their stream and POSTs, and what may stand at the URL instead.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::super::{Scan, ScanFault, ScanTransport, list_tools};
use super::{AWKWARD, SPACED, Script, UNTYPABLE, texts};

/// A scripted server behind HTTP+SSE.
#[derive(Clone)]
struct Server {
    script: Script,
    greeting: &'static str,
    taking: StatusCode,
    stream: Arc<Mutex<Option<mpsc::UnboundedSender<String>>>>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Server {
    fn new(greeting: &'static str, taking: StatusCode) -> Self {
        let script = Script::new(false, &[&[AWKWARD, SPACED], &[UNTYPABLE]]);
        Self { script, greeting, taking, stream: Arc::default(), seen: Arc::default() }
    }

    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().route("/sse", get(open)).route("/post", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        format!("http://{address}/sse")
    }
}

struct Chunks(mpsc::UnboundedReceiver<String>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

async fn open(State(server): State<Server>, headers: HeaderMap) -> Response {
    server.seen.lock().unwrap().push(headers);
    let (sender, receiver) = mpsc::unbounded_channel();
    sender.send(server.greeting.to_owned()).unwrap();
    *server.stream.lock().unwrap() = Some(sender);
    ([("content-type", "text/event-stream")], Body::new(Chunks(receiver))).into_response()
}

async fn take(State(server): State<Server>, headers: HeaderMap, body: String) -> StatusCode {
    server.seen.lock().unwrap().push(headers);
    if let Some(reply) = server.script.reply(&serde_json::from_str(&body).unwrap()) {
        // As an event whose data is split over several lines, between events that are none of rmcp's business.
        let split = reply.replacen(',', ",\ndata: ", 1);
        let events = format!(": comment\n\nevent: other\ndata: x\n\nevent: message\ndata: {split}\n\n");
        server.stream.lock().unwrap().as_ref().unwrap().send(events).unwrap();
    }
    server.taking
}

async fn scan(url: &str) -> Result<Scan, ScanFault> {
    let headers = vec![("Authorization".to_owned(), "Bearer abc".to_owned())];
    list_tools(&ScanTransport::Sse { url: url.to_owned(), headers }, Duration::from_secs(60)).await
}

#[tokio::test]
async fn tools_come_as_the_server_wrote_them() {
    let server = Server::new("event: endpoint\ndata: /post\n\n", StatusCode::ACCEPTED);
    let scan = scan(&server.start().await).await.unwrap();
    // A line break between two members became a blank, which is the same JSON.
    assert_eq!(texts(&scan), [AWKWARD, SPACED, UNTYPABLE]);
    assert_eq!((scan.server_name.as_deref(), scan.protocol_version.as_str()), (Some("scripted"), "2025-06-18"));
    let seen = server.seen.lock().unwrap();
    assert!(seen.len() > 3 && seen.iter().all(|headers| headers["authorization"] == "Bearer abc"), "{seen:?}");
}

#[tokio::test]
async fn what_cannot_be_scanned_says_why() {
    for (greeting, taking, words) in [
        ("event: endpoint\ndata: http://127.0.0.1:9/post\n\n", 202, "leads to another origin, http://127.0.0.1:9"),
        ("data: {}\n\n", 202, "is scanned with `--url`"),
        ("event: endpoint\ndata: /post\n\n", 401, "HTTP 401; it wants a credential"),
        ("event: endpoint\ndata: /post\n\n", 307, "HTTP 307; redirects are not followed"),
        ("event: endpoint\ndata: /nowhere\n\n", 202, "HTTP 404"),
    ] {
        let server = Server::new(greeting, StatusCode::from_u16(taking).unwrap());
        let fault = scan(&server.start().await).await.unwrap_err().to_string();
        assert!(fault.contains(words), "{greeting}{taking}: {fault}");
    }
    let server = Server::new("", StatusCode::ACCEPTED);
    let url = server.start().await;
    let fault = scan(&url.replace("/sse", "/other?key=hush")).await.unwrap_err().to_string();
    assert!(fault.contains("HTTP 404") && !fault.contains("hush"), "{fault}");
    let transport = ScanTransport::Sse { url, headers: Vec::new() };
    let fault = list_tools(&transport, Duration::from_millis(50)).await.unwrap_err().to_string();
    assert!(fault.contains("waiting for the event stream to name its endpoint"), "{fault}");
}
