//! From a reply to an HTTP response: one message, or events one by one as they pass, never gathered.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame as Chunk;
use pep::{Body, CutOff, Event, EventStream, Held, LongAnswer, Reply};
use tokio::sync::mpsc;

use crate::upstream::sse;

pub(super) type HttpBody = UnsyncBoxBody<Bytes, CutOff>;

/// How often a silent stream gets a comment: proxies and clients give up a connection that says nothing.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Writes a reply.
pub(super) fn response(reply: Reply) -> Response<HttpBody> {
    let (status, headers, body) = reply.into_parts();
    let mut response = match body {
        Body::Json(text) => json(status, text),
        Body::Long(answer) => long_answer(status, *answer),
        Body::Stream(stream) => event_stream(status, Events::Stream(*stream)),
        Body::Held(held) => event_stream(status, Events::Held(*held)),
        // A refusal for a server never comes out of a client's request.
        Body::Empty | Body::ToServer(_) => plain(status, Bytes::new()),
    };
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    match response.status() {
        StatusCode::UNAUTHORIZED => {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            response.headers_mut().entry(ALLOW).or_insert(HeaderValue::from_static("POST, GET, DELETE"));
        }
        StatusCode::TOO_MANY_REQUESTS => {
            response.headers_mut().insert("retry-after", HeaderValue::from_static("60"));
        }
        _ => {}
    }
    response
}

/// A JSON answer.
pub(super) fn json(status: u16, text: String) -> Response<HttpBody> {
    let mut response = plain(status, Bytes::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn plain(status: u16, bytes: Bytes) -> Response<HttpBody> {
    let mut response = Response::new(Full::new(bytes).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}

/// An answer whose length is not known yet. Pulled by the connection, so a slow reader slows the server and fills nothing.
fn long_answer(status: u16, answer: LongAnswer) -> Response<HttpBody> {
    let pieces = stream::unfold(answer, |mut answer| async move {
        let piece = answer.next().await?;
        Some((piece.map(Chunk::data), answer))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whatever speaks in events.
enum Events {
    Stream(EventStream),
    Held(Held),
}

impl Events {
    async fn next(&mut self) -> Option<Event> {
        match self {
            Self::Stream(stream) => stream.next().await,
            Self::Held(held) => held.next().await,
        }
    }
}

fn event_stream(status: u16, events: Events) -> Response<HttpBody> {
    // One event waits while one is written: a client that reads slowly holds no more than these, and its server waits.
    let (sender, receiver) = mpsc::channel::<String>(1);
    tokio::spawn(pump(events, sender));
    let chunks = stream::unfold(receiver, |mut receiver| async move {
        let text = receiver.recv().await?;
        Some((Ok::<_, CutOff>(Chunk::data(Bytes::from(text))), receiver))
    });
    let mut response = Response::new(StreamBody::new(chunks).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Moves events from the pipeline to the connection. Ends as soon as the client is gone, which drops the stream and
/// thereby seals its record.
async fn pump(mut events: Events, sender: mpsc::Sender<String>) {
    loop {
        let text = {
            // One future over all ticks: dropping it half-way would lose what it has read.
            let mut next = std::pin::pin!(events.next());
            loop {
                tokio::select! {
                    () = sender.closed() => return,
                    event = &mut next => match event {
                        Some(event) => break sse::written(&event),
                        None => return,
                    },
                    () = tokio::time::sleep(KEEP_ALIVE) => {
                        if sender.send(": keep-alive\n\n".to_owned()).await.is_err() {
                            return;
                        }
                    }
                }
            }
        };
        if sender.send(text).await.is_err() {
            return;
        }
    }
}
