//! The bare proxy: what the gate is compared with. It borrows the JSON, checks the method's name and forwards the bytes.
//!
//! hyper on both sides, pooled connections, the same runtime as the gate. It decides nothing, records nothing.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Either, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;

type Body = Either<Incoming, Empty<Bytes>>;

/// Serves until the process ends, forwarding to `upstream` with paths as they are.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, upstream: SocketAddr) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = client.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| forward(request, upstream, client.clone()));
            // A broken connection is the other side's to report.
            let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What the proxy looks at.
#[derive(Deserialize)]
struct Envelope<'a> {
    method: &'a str,
    #[serde(borrow, rename = "params")]
    _params: Option<&'a RawValue>,
}

async fn forward(
    request: Request<Incoming>,
    upstream: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
) -> Result<Response<Body>, hyper::Error> {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if head.method == http::Method::POST && !is_allowed(&body) {
        return Ok(empty(StatusCode::FORBIDDEN));
    }
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let Ok(uri) = Uri::builder().scheme("http").authority(upstream.to_string()).path_and_query(path).build() else {
        return Ok(empty(StatusCode::BAD_REQUEST));
    };
    head.uri = uri;
    own(&mut head.headers);
    match client.request(Request::from_parts(head, Full::new(body))).await {
        Ok(mut response) => {
            own(response.headers_mut());
            Ok(response.map(Either::Left))
        }
        Err(_) => Ok(empty(StatusCode::BAD_GATEWAY)),
    }
}

fn is_allowed(body: &[u8]) -> bool {
    serde_json::from_slice(body).is_ok_and(|envelope: Envelope<'_>| {
        matches!(envelope.method, "tools/call" | "tools/list" | "initialize" | "notifications/initialized")
    })
}

/// Takes out what belongs to one connection alone (RFC 9110, section 7.6.1).
fn own(headers: &mut HeaderMap) {
    for name in [HOST, CONNECTION, TRANSFER_ENCODING] {
        headers.remove(name);
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = status;
    response
}
