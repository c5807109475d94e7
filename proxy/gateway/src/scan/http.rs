//! The HTTP side of a scan: rmcp's streamable HTTP client over reqwest, with the answers to `tools/list` kept as text.
//!
//! rmcp's own reqwest adapter does everything but one thing. It decodes a JSON body before anybody else can see it, so the one
//! request whose exact answer matters is sent here. Redirects are not followed: a header with a credential must not travel to
//! another place, and the gate itself would not follow either.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ServerJsonRpcMessage};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::http_header::{EVENT_STREAM_MIME_TYPE, HEADER_SESSION_ID, JSON_MIME_TYPE};
use rmcp::transport::streamable_http_client::{
    HttpStatusError, SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

use super::fault::{ScanFault, Trouble};
use super::recording::{MESSAGE_BYTES_MAX, Recording};

/// How long connecting may take. The scan's own timeout bounds everything else.
const CONNECT: Duration = Duration::from_secs(10);
/// How much of an error body is read, in bytes.
const ERROR_BYTES_MAX: usize = 64 * 1024;

type Fault = StreamableHttpError<reqwest::Error>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

/// Makes the transport for `url`.
pub(super) fn connect(
    url: &str,
    headers: &[(String, String)],
    recording: &Arc<Recording>,
) -> Result<StreamableHttpClientTransport<RecordingClient>, ScanFault> {
    let parsed =
        url::Url::parse(url).map_err(|error| ScanFault::Transport(format!("the URL cannot be read: {error}")))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(ScanFault::Transport(format!(
            "the URL must be http or https, and its scheme is `{}`",
            parsed.scheme()
        )));
    }
    let mut config = StreamableHttpClientTransportConfig::with_uri(url);
    config.custom_headers = read_headers(headers)?;
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| ScanFault::Transport(format!("the HTTP client cannot be set up: {error}")))?;
    let client = RecordingClient { client, recording: Arc::clone(recording) };
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

pub(super) fn read_headers(headers: &[(String, String)]) -> Result<HashMap<HeaderName, HeaderValue>, ScanFault> {
    // The protocol sets these itself; rmcp would refuse some of them late and let others through.
    const OURS: [&str; 7] =
        ["accept", "content-type", "last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id"];
    let mut read = HashMap::new();
    for (name, value) in headers {
        let shown = name.escape_debug();
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| ScanFault::Transport(format!("`{shown}` is not a header name")))?;
        if OURS.contains(&parsed.as_str()) {
            return Err(ScanFault::Transport(format!("the header `{shown}` is set by the protocol; take it out")));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| {
            ScanFault::Transport(format!("the value of the header `{shown}` has characters a header cannot carry"))
        })?;
        value.set_sensitive(true);
        read.insert(parsed, value);
    }
    Ok(read)
}

/// `url` without user, password, query and fragment, any of which may be a secret.
pub(super) fn public_url(url: &str) -> String {
    match url::Url::parse(url) {
        Err(_) => "(a URL that cannot be read)".to_owned(),
        Ok(parsed) => {
            let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}{}", parsed.scheme(), parsed.host_str().unwrap_or_default(), parsed.path())
        }
    }
}

/// rmcp's HTTP client over reqwest, with a recording beside it.
#[derive(Clone)]
pub(super) struct RecordingClient {
    client: reqwest::Client,
    recording: Arc<Recording>,
}

impl RecordingClient {
    /// Sends `tools/list` and records the exact text of the answer, in either of its two forms.
    async fn post_list(
        &self,
        uri: &str,
        message: &ClientJsonRpcMessage,
        session: Option<&str>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Fault> {
        let mut request = self.client.post(uri).header(ACCEPT, format!("{EVENT_STREAM_MIME_TYPE}, {JSON_MIME_TYPE}"));
        request = request.headers(headers.into_iter().collect());
        if let Some(session) = session {
            request = request.header(HEADER_SESSION_ID, session);
        }
        let response = request.json(message).send().await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && session.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        if !status.is_success() {
            return self.refused(response).await;
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match kind {
            Some(kind) if kind.starts_with(EVENT_STREAM_MIME_TYPE) => {
                Ok(StreamableHttpPostResponse::Sse(self.tapped(bounded_events(response)), None))
            }
            Some(kind) if kind.starts_with(JSON_MIME_TYPE) => {
                let text = body_text(response, MESSAGE_BYTES_MAX).await?;
                self.recording.message(&text);
                Ok(StreamableHttpPostResponse::Json(serde_json::from_str::<ServerJsonRpcMessage>(&text)?, None))
            }
            other => Err(StreamableHttpError::UnexpectedContentType(other)),
        }
    }

    /// A failed status: a JSON-RPC error in the body says more than the status does, and is recorded like any answer.
    async fn refused(&self, response: reqwest::Response) -> Result<StreamableHttpPostResponse, Fault> {
        let status = response.status().as_u16();
        let text = body_text(response, ERROR_BYTES_MAX).await.unwrap_or_default();
        match serde_json::from_str::<ServerJsonRpcMessage>(&text) {
            Ok(message @ ServerJsonRpcMessage::Error(_)) if !matches!(status, 401 | 403) => {
                self.recording.message(&text);
                Ok(StreamableHttpPostResponse::Json(message, None))
            }
            _ => Err(HttpStatusError::new(status, None).into()),
        }
    }

    fn tapped(&self, events: Events) -> Events {
        let recording = Arc::clone(&self.recording);
        let tapped = events.inspect(move |event| {
            if let Ok(Sse { data: Some(data), .. }) = event {
                recording.message(data);
            }
        });
        tapped.boxed()
    }

    fn noted<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        self.recording.set_trouble(answer.as_ref().err().and_then(Trouble::from_http));
        answer
    }
}

/// The events of one response, ended once it has sent more than one message may have.
fn bounded_events(response: reqwest::Response) -> Events {
    let bytes = response.bytes_stream().scan(0_usize, |total, chunk| {
        *total = total.saturating_add(chunk.as_ref().map_or(0, bytes::Bytes::len));
        std::future::ready((*total <= MESSAGE_BYTES_MAX).then_some(chunk))
    });
    SseStream::from_bytes_stream(bytes.boxed()).boxed()
}

/// The body of a response as text, refused when it is longer than `most` bytes.
async fn body_text(response: reqwest::Response, most: usize) -> Result<String, Fault> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > most {
            return Err(StreamableHttpError::ResponseBodyTooLarge { max_size: most });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

impl StreamableHttpClient for RecordingClient {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Fault> {
        let most = MESSAGE_BYTES_MAX;
        self.post_message_with_max_sse_event_size(uri, message, session_id, auth_header, custom_headers, most).await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<StreamableHttpPostResponse, Fault> {
        let lists_tools = matches!(
            &message,
            ClientJsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::ListToolsRequest(_))
        );
        let answer = if lists_tools {
            self.post_list(&uri, &message, session_id.as_deref(), custom_headers).await
        } else {
            let client = &self.client;
            client
                .post_message_with_max_sse_event_size(
                    uri,
                    message,
                    session_id,
                    auth_header,
                    custom_headers,
                    max_sse_event_size,
                )
                .await
        };
        self.noted(answer)
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Fault> {
        self.client.delete_session(uri, session_id, auth_header, custom_headers).await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Events, Fault> {
        let most = MESSAGE_BYTES_MAX;
        self.get_stream_with_max_sse_event_size(uri, session_id, last_event_id, auth_header, custom_headers, most).await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<Events, Fault> {
        // A server may close the stream of a request and answer on a resumed one, so this one is recorded as well.
        let client = &self.client;
        let events = client
            .get_stream_with_max_sse_event_size(
                uri,
                session_id,
                last_event_id,
                auth_header,
                custom_headers,
                max_sse_event_size,
            )
            .await?;
        Ok(self.tapped(events))
    }
}
