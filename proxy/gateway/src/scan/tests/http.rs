//! Streamable HTTP endpoints, in both eras and both forms of answer, and everything else that may stand at a URL.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::super::{Scan, ScanFault, ScanTransport, list_tools};
use super::{AWKWARD, SPACED, Script, UNTYPABLE, texts};

/// How answers are sent.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Json,
    /// As one event whose data is split over several lines, after another event.
    Events,
}

#[derive(Clone)]
struct Endpoint {
    script: Script,
    form: Form,
    session: bool,
    seen: Arc<Mutex<Vec<(Method, String, HeaderMap)>>>,
}

impl Endpoint {
    fn new(script: Script, form: Form) -> Self {
        Self { session: !script.modern, script, form, seen: Arc::default() }
    }

    fn respond(&self, method: Method, headers: HeaderMap, body: &Bytes) -> Response {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let asked = message["method"].as_str().unwrap_or_default().to_owned();
        self.seen.lock().unwrap().push((method.clone(), asked.clone(), headers.clone()));
        if method == Method::GET {
            return StatusCode::METHOD_NOT_ALLOWED.into_response();
        }
        let Some(reply) = self.script.reply(&message) else {
            return StatusCode::ACCEPTED.into_response();
        };
        if self.session && asked == "tools/list" && headers.get("mcp-session-id").is_none_or(|id| id != "s-1") {
            return (StatusCode::BAD_REQUEST, "no session").into_response();
        }
        let mut response = match self.form {
            Form::Json => ([("content-type", "application/json")], reply).into_response(),
            Form::Events => {
                let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}"#;
                let split = reply.replacen(',', ",\ndata: ", 1);
                ([("content-type", "text/event-stream")], format!(": hello\n\ndata: {note}\n\ndata: {split}\n\n"))
                    .into_response()
            }
        };
        if asked == "initialize" && self.session {
            response.headers_mut().insert("mcp-session-id", "s-1".parse().unwrap());
        }
        response
    }
}

async fn listen<F>(respond: F) -> String
where
    F: Fn(Method, HeaderMap, Bytes) -> Response + Clone + Send + Sync + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(move |method: Method, headers: HeaderMap, body: Bytes| {
        let answer = respond(method, headers, body);
        async move { answer }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/mcp")
}

async fn serve(endpoint: Endpoint) -> String {
    listen(move |method, headers, body| endpoint.respond(method, headers, &body)).await
}

async fn scan(url: &str, headers: &[(&str, &str)]) -> Result<Scan, ScanFault> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    list_tools(&ScanTransport::Http { url: url.to_owned(), headers }, Duration::from_secs(60)).await
}

#[tokio::test]
async fn tools_come_as_the_server_wrote_them_in_every_form() {
    for modern in [false, true] {
        for form in [Form::Json, Form::Events] {
            let url = serve(Endpoint::new(Script::new(modern, &[&[AWKWARD, SPACED], &[UNTYPABLE]]), form)).await;
            let scan = scan(&url, &[]).await.unwrap_or_else(|fault| panic!("modern {modern}: {fault}"));
            assert_eq!(texts(&scan), [AWKWARD, SPACED, UNTYPABLE], "modern: {modern}");
            assert_eq!(scan.server_name.as_deref(), Some("scripted"));
        }
    }
}

#[tokio::test]
async fn every_request_carries_the_given_headers_and_a_legacy_session_is_deleted() {
    let endpoint = Endpoint::new(Script::new(false, &[&[SPACED]]), Form::Json);
    let url = serve(endpoint.clone()).await;
    scan(&url, &[("Authorization", "Bearer abc"), ("X-Team", "qa")]).await.unwrap();
    let seen = endpoint.seen.lock().unwrap();
    assert!(seen.iter().all(|(_, _, headers)| headers["authorization"] == "Bearer abc" && headers["x-team"] == "qa"));
    let (method, _, headers) = seen.last().unwrap();
    assert_eq!((method, &headers["mcp-session-id"]), (&Method::DELETE, &"s-1".parse().unwrap()));
}

#[tokio::test]
async fn a_modern_server_gets_the_standard_headers() {
    let endpoint = Endpoint::new(Script::new(true, &[&[SPACED]]), Form::Events);
    scan(&serve(endpoint.clone()).await, &[]).await.unwrap();
    let seen = endpoint.seen.lock().unwrap();
    let (_, _, headers) = seen.iter().find(|(_, asked, _)| asked == "tools/list").unwrap();
    assert_eq!(headers["mcp-method"], "tools/list");
    assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
}

#[tokio::test]
async fn a_refusing_status_is_told_with_advice_and_without_the_query() {
    let cases = [
        (401, "wants a credential"),
        (403, "wants a credential"),
        (404, "the path of its MCP endpoint"),
        (500, "its log"),
        (307, "register the address"),
    ];
    for (status, words) in cases {
        let url = listen(move |_, _, _| (StatusCode::from_u16(status).unwrap(), "go away").into_response()).await;
        let fault = scan(&format!("{url}?key=s3cr3t"), &[]).await.unwrap_err();
        assert_eq!(fault, ScanFault::HttpStatus { url: url.clone(), status }, "{fault}");
        assert!(fault.to_string().contains(words), "{fault}");
    }
}

#[tokio::test]
async fn a_status_that_comes_only_with_the_list_is_told_as_well() {
    for status in [401_u16, 403, 500] {
        let endpoint = Endpoint::new(Script::new(true, &[&[SPACED]]), Form::Json);
        let url = listen(move |method, headers, body| {
            if headers.get("mcp-method").is_some_and(|asked| asked == "tools/list") {
                return StatusCode::from_u16(status).unwrap().into_response();
            }
            endpoint.respond(method, headers, &body)
        });
        let url = url.await;
        assert_eq!(scan(&url, &[]).await.unwrap_err(), ScanFault::HttpStatus { url, status });
    }
}

#[tokio::test]
async fn a_web_page_is_not_an_mcp_server() {
    let url = listen(|_, _, _| ([("content-type", "text/html")], "<html>hello</html>").into_response()).await;
    let fault = scan(&url, &[]).await.unwrap_err();
    assert!(matches!(fault, ScanFault::NotMcp { .. }), "{fault:?}");
    assert!(fault.to_string().contains("it answered with `text/html`"), "{fault}");

    let url = listen(|_, _, _| ([("content-type", "application/json")], r#"{"hello":"world"}"#).into_response()).await;
    assert!(matches!(scan(&url, &[]).await.unwrap_err(), ScanFault::NotMcp { .. }));
}

#[tokio::test]
async fn a_closed_port_is_unreachable_and_says_so_without_the_query() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fault = scan(&format!("http://user:pw@{address}/mcp?key=s3cr3t"), &[]).await.unwrap_err();
    assert!(
        matches!(&fault, ScanFault::Unreachable { url, .. } if *url == format!("http://{address}/mcp")),
        "{fault:?}"
    );
    assert!(!fault.to_string().contains("s3cr3t") && fault.to_string().contains("refused"), "{fault}");
}

#[tokio::test]
async fn a_transport_that_cannot_work_is_refused_before_anything_is_sent() {
    let cases = [
        ("not a url", vec![], "the URL cannot be read"),
        ("ftp://example.org/", vec![], "its scheme is `ftp`"),
        ("http://127.0.0.1:9/", vec![("Accept", "text/plain")], "the header `Accept` is set by the protocol"),
        ("http://127.0.0.1:9/", vec![("a b", "c")], "`a b` is not a header name"),
        ("http://127.0.0.1:9/", vec![("x-a", "c\nd")], "the value of the header `x-a`"),
    ];
    for (url, headers, words) in cases {
        let fault = scan(url, &headers).await.unwrap_err().to_string();
        assert!(fault.contains(words), "{fault}");
    }
}
