//! The data plane's listener: connections, bounds, and the last line of defence against our own panics.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use pep::ports::Gate;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::body::{self, HttpBody};
use super::request::{self, Route};
use crate::auth::{Borders, Doorkeeper};

/// What the listener needs of the gate.
#[derive(Debug)]
pub struct Listener {
    /// The pipeline.
    pub gate: Arc<Gate>,
    /// Who may come.
    pub doorkeeper: Arc<Doorkeeper>,
    /// Under which names.
    pub borders: Borders,
    /// How large a body may be.
    pub body_bytes_max: usize,
    /// How large a head may be.
    pub head_bytes_max: usize,
    /// How long a client may take to send a body.
    pub body_time: Duration,
    /// How long a client may take no byte of what is written to it.
    pub write_time: Duration,
    /// How many connections may be open.
    pub connections_max: usize,
    /// How long a shutdown waits for what is under way.
    pub shutdown: Duration,
}

/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves connections until told to stop; then lets what is under way finish, within the bound.
pub async fn serve(socket: TcpListener, listener: Arc<Listener>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(listener.connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&socket, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let serving = Arc::clone(&listener);
        let mut builder = Builder::new(TokioExecutor::new());
        // hyper reads a larger head than ours allows, so that ours is the one that refuses it, and records that.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(listener.head_bytes_max.saturating_mul(4));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(listener.head_bytes_max.saturating_mul(2)).unwrap_or(u32::MAX));
        let service = service_fn(move |request| {
            let listener = Arc::clone(&serving);
            // Boxed, so that a connection that waits for its next request does not hold room for one.
            Box::pin(async move { Ok::<_, std::convert::Infallible>(answer(request, peer, &listener).await) })
        });
        // A client that does not read holds what was written for it; it is given up before it holds that for ever.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(listener.write_time));
        let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(e) = connection.await {
                tracing::debug!(%peer, "a connection ended: {e}");
            }
        });
    }
    drop(socket);
    if tokio::time::timeout(listener.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open when the time to shut down was over");
    }
}

async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    // Waiting for a place before accepting leaves further clients in the kernel's queue, where they cost nothing.
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => {
            if let Err(e) = stream.set_nodelay(true) {
                tracing::debug!(%peer, "TCP_NODELAY could not be set: {e}");
            }
            Some((stream, peer, place))
        }
        Err(e) => {
            tracing::warn!("a connection could not be accepted: {e}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn answer(request: Request<Incoming>, peer: SocketAddr, listener: &Listener) -> Response<HttpBody> {
    match request::route(request.uri().path()) {
        Route::Health => return body::json(200, "{\"status\":\"ok\"}".to_owned()),
        Route::WellKnown => return body::json(404, "{\"error\":\"not_found\"}".to_owned()),
        Route::Server(..) | Route::None => {}
    }
    let run = async {
        let frame = request::frame(request, peer, listener).await;
        pep::run(frame, &listener.gate).await
    };
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(reply) => body::response(reply),
        // The record has been sealed by the unwinding; the client still gets an answer.
        Err(_) => {
            tracing::error!(%peer, "the gate failed while it served a request; the record says `panicked`");
            let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":50000,"message":"the gate failed while it served this request"}}"#;
            body::json(500, error.to_owned())
        }
    }
}
