//! An MCP server of the HTTP+SSE transport (2024-11-05): a stream whose first event says where messages are posted, and
//! POSTs that are taken with 202 and answered on the stream. A test may change any of it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hyper::body::Frame;
use serde_json::{Value, json};
use tests::{listing, said};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A message that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) session: usize,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Posted {
    pub(crate) fn message(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    pub(crate) fn method(&self) -> String {
        self.message()["method"].as_str().unwrap_or_default().to_owned()
    }
}

type Sender = mpsc::UnboundedSender<String>;

#[derive(Debug, Default)]
struct Inner {
    opened: Vec<HeaderMap>,
    posted: Vec<Posted>,
    /// The streams by session; nothing once a session has ended.
    streams: Vec<Option<Sender>>,
    asked: HashMap<String, oneshot::Sender<Value>>,
    /// What the stream says instead of its `endpoint` event; `{n}` stands for the session.
    greeting: Option<String>,
    /// What a GET is answered with instead of a stream.
    opening: Option<(u16, Vec<(&'static str, String)>)>,
    /// What a POST is answered with instead of 202.
    taking: Option<(u16, Vec<(&'static str, String)>)>,
}

/// A running server.
#[derive(Debug, Clone)]
pub(crate) struct EventServer {
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    serving: Arc<Serving>,
}

#[derive(Debug)]
struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl EventServer {
    /// Starts a server on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner: Arc<Mutex<Inner>> = Arc::default();
        let routes = Router::new()
            .route("/sse", get(open))
            .route("/messages", post(take))
            .fallback(async |State(inner): State<Arc<Mutex<Inner>>>, body: String| {
                // Whatever is sent elsewhere went astray; a test looks for it.
                let astray = Posted { session: usize::MAX, headers: HeaderMap::new(), body };
                inner.lock().unwrap().posted.push(astray);
                StatusCode::NOT_FOUND
            })
            .with_state(Arc::clone(&inner));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, inner, serving: Arc::new(Serving(serving)) }
    }

    /// Where its stream is opened.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/sse", self.address)
    }

    /// The headers of every GET so far.
    pub(crate) fn opened(&self) -> Vec<HeaderMap> {
        self.inner.lock().unwrap().opened.clone()
    }

    /// Every message so far.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.inner.lock().unwrap().posted.clone()
    }

    /// The messages with this method.
    pub(crate) fn posted_of(&self, method: &str) -> Vec<Posted> {
        self.posted().into_iter().filter(|posted| posted.method() == method).collect()
    }

    /// The sessions whose stream somebody still reads.
    pub(crate) fn open_sessions(&self) -> Vec<usize> {
        let inner = self.inner.lock().unwrap();
        let open = inner.streams.iter().enumerate();
        open.filter(|(_, s)| s.as_ref().is_some_and(|s| !s.is_closed())).map(|(n, _)| n).collect()
    }

    /// Sends raw bytes of the event stream format down one session's stream.
    pub(crate) fn tell(&self, session: usize, text: &str) {
        let inner = self.inner.lock().unwrap();
        inner.streams[session].as_ref().unwrap().send(text.to_owned()).unwrap();
    }

    /// Ends one session's stream.
    pub(crate) fn cut(&self, session: usize) {
        self.inner.lock().unwrap().streams[session] = None;
    }

    /// From now on, streams begin with this text.
    pub(crate) fn greet(&self, text: Option<&str>) {
        self.inner.lock().unwrap().greeting = text.map(str::to_owned);
    }

    /// From now on, a GET is answered with this status and these headers.
    pub(crate) fn answer_get(&self, answer: Option<(u16, Vec<(&'static str, String)>)>) {
        self.inner.lock().unwrap().opening = answer;
    }

    /// From now on, a POST is answered with this status and these headers.
    pub(crate) fn answer_post(&self, answer: Option<(u16, Vec<(&'static str, String)>)>) {
        self.inner.lock().unwrap().taking = answer;
    }
}

fn scripted((status, headers): (u16, Vec<(&'static str, String)>)) -> Response {
    let mut response = StatusCode::from_u16(status).unwrap().into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

async fn open(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap) -> Response {
    let mut inner = inner.lock().unwrap();
    inner.opened.push(headers);
    if let Some(opening) = inner.opening.clone() {
        return scripted(opening);
    }
    let (sender, receiver) = mpsc::unbounded_channel::<String>();
    let session = inner.streams.len();
    let greeting = inner
        .greeting
        .clone()
        .unwrap_or_else(|| ": welcome\n\nevent: endpoint\ndata: /messages?session={n}\n\n".to_owned());
    sender.send(greeting.replace("{n}", &session.to_string())).unwrap();
    inner.streams.push(Some(sender));
    ([("content-type", "text/event-stream")], Body::new(Chunks(receiver))).into_response()
}

/// The bytes of a stream, as they are told.
struct Chunks(mpsc::UnboundedReceiver<String>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(Bytes::from(text)))))
    }
}

async fn take(
    State(inner): State<Arc<Mutex<Inner>>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let session = query["session"].parse().unwrap();
    let posted = Posted { session, headers, body };
    let message = posted.message();
    {
        let mut inner = inner.lock().unwrap();
        inner.posted.push(posted);
        if let Some(taking) = inner.taking.clone() {
            return scripted(taking);
        }
        if message["method"].is_null() {
            // Whoever asked may have ended.
            inner.asked.remove(&message["id"].to_string()).map(|asked| asked.send(message.clone()));
        }
    }
    if !message["method"].is_null() && !message["id"].is_null() {
        let early = message["params"]["arguments"]["how"] == "early";
        let answering = tokio::spawn(answer(inner, session, message));
        if early {
            // The answer is on the stream before the message is said to be taken.
            answering.await.unwrap();
        }
    }
    (StatusCode::ACCEPTED, "Accepted").into_response()
}

async fn answer(inner: Arc<Mutex<Inner>>, session: usize, message: Value) {
    let say = |message: Value| {
        if let Some(stream) = &inner.lock().unwrap().streams[session] {
            let _gone = stream.send(format!("event: message\ndata: {message}\n\n"));
        }
    };
    let (id, params) = (message["id"].clone(), &message["params"]);
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" if params["protocolVersion"] == "refuse-me" => {
            return say(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32602, "message": "no" } }));
        }
        "initialize" => json!({
            "protocolVersion": "2024-11-05", "capabilities": { "tools": { "listChanged": true } },
            "serverInfo": { "name": "events", "version": "1" },
        }),
        "tools/list" => json!({ "tools": listing() }),
        "tools/call" => {
            let text = params["arguments"]["text"].as_str().unwrap_or("done").to_owned();
            match params["arguments"]["how"].as_str().unwrap_or_default() {
                "hang" => return,
                "cut" => {
                    inner.lock().unwrap().streams[session] = None;
                    return;
                }
                "progress" => {
                    for at in 1..=3 {
                        let told =
                            json!({ "progressToken": params["_meta"]["progressToken"], "progress": at, "total": 3 });
                        say(json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": told }));
                    }
                    said(&text)
                }
                "ask" => {
                    let (asked, answered) = oneshot::channel();
                    let question = json!(format!("question-{session}"));
                    inner.lock().unwrap().asked.insert(question.to_string(), asked);
                    say(json!({ "jsonrpc": "2.0", "id": question, "method": text, "params": {} }));
                    said(&answered.await.unwrap().to_string())
                }
                "session" => said(&session.to_string()),
                _ => said(&text),
            }
        }
        _ => json!({}),
    };
    say(json!({ "jsonrpc": "2.0", "id": id, "result": result }));
}
