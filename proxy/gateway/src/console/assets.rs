//! The console's files: embedded in the program, served as they are. They hold nothing of anybody's, so no credential is
//! asked for them; everything they show is fetched through the authenticated control API.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::config::hex;

/// What a browser is handed, and nothing that lies beside it.
#[derive(RustEmbed)]
#[folder = "console"]
#[include = "*.html"]
#[include = "*.css"]
#[include = "*.js"]
#[include = "*.svg"]
#[include = "*.png"]
#[exclude = "screenshots/*"]
struct Files;

/// Where the console begins.
pub const ROOT: &str = "/console/";

/// What each answer says to the browser: nothing from elsewhere, no inline code, no framing, no guessing of types. The
/// policy's directives are those of CSP level 3; trusted types leave no sink through which text could become markup.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), gamepad=(), \
         geolocation=(), gyroscope=(), hid=(), idle-detection=(), local-fonts=(), magnetometer=(), microphone=(), \
         midi=(), payment=(), picture-in-picture=(), publickey-credentials-create=(self), \
         publickey-credentials-get=(self), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()",
    ),
    (CACHE_CONTROL, "no-cache"),
];

/// The routes of the files. Only `GET`, and with it `HEAD`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let begin = || async { to_the_beginning() };
    Router::new()
        .route("/", get(begin))
        .route("/console", get(begin))
        .route(ROOT, get(|headers: HeaderMap| async move { file("index.html", &headers) }))
        .route(
            "/console/{*path}",
            get(|Path(path): Path<String>, headers: HeaderMap| async move { file(&path, &headers) }),
        )
}

/// Whether a path is one of the files' and not of the API.
pub(crate) fn is_asset(path: &str) -> bool {
    path == "/" || path == "/console" || path.starts_with(ROOT)
}

fn to_the_beginning() -> Response {
    let mut answer = told(StatusCode::PERMANENT_REDIRECT, Body::empty());
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static(ROOT));
    answer
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some((kind, file)) = kind(path).and_then(|kind| Some((kind, Files::get(path)?))) else {
        let words = "there is no such file; the console begins at /console/\n";
        let mut answer = told(StatusCode::NOT_FOUND, Body::from(words));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        return answer;
    };
    let tag = tag(&file);
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|value| names(value, &tag));
    let mut answer = if known {
        told(StatusCode::NOT_MODIFIED, Body::empty())
    } else {
        let mut answer = told(StatusCode::OK, Body::from(file.data));
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        answer
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    answer
}

/// An answer with what every one of them says.
fn told(status: StatusCode, body: Body) -> Response {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// A strong validator: the first half of the SHA-256 of the file.
fn tag(file: &EmbeddedFile) -> String {
    let digest = file.metadata.sha256_hash();
    format!("\"{}\"", hex(digest.first_chunk::<16>().map_or(&digest[..], |half| &half[..])))
}

/// Whether a list of validators names this one (RFC 9110, section 13.1.2: the comparison is weak).
fn names(value: &HeaderValue, tag: &str) -> bool {
    let listed = value.to_str().unwrap_or_default().split(',').map(str::trim);
    listed.into_iter().any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// The type of a file by the end of its name.
fn kind(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "png" => Some("image/png"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn ask(path: &str, known: Option<&str>) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(known) = known {
            headers.insert(IF_NONE_MATCH, known.parse().unwrap());
        }
        file(path, &headers)
    }

    #[test]
    fn only_what_a_browser_needs_is_embedded_and_each_file_has_a_type() {
        let names: Vec<_> = Files::iter().collect();
        assert!(names.iter().any(|name| name == "index.html"), "{names:?}");
        for name in &names {
            assert!(kind(name).is_some() && !name.ends_with(".md") && !name.starts_with("screenshots/"), "{name}");
            let answer = ask(name, None);
            assert_eq!(answer.status(), 200, "{name}");
            for (header, value) in HEADERS {
                assert_eq!(answer.headers()[&header], value, "{name}");
            }
        }
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let tag = ask("index.html", None).headers()[ETAG].to_str().unwrap().to_owned();
        for (known, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
            (tag.trim_matches('"').to_owned(), 200),
        ] {
            let answer = ask("index.html", Some(&known));
            assert_eq!(answer.status(), status, "{known}");
            assert!(answer.headers().contains_key(CONTENT_SECURITY_POLICY));
        }
    }

    #[test]
    fn what_is_no_file_of_the_console_is_not_found() {
        for path in
            ["", "nothing.js", "README.md", "js", "js/", "../src/lib.rs", "..%2fCargo.toml", "/etc/passwd", "index"]
        {
            let answer = ask(path, None);
            assert_eq!(answer.status(), 404, "{path}");
            assert!(answer.headers().contains_key(CONTENT_SECURITY_POLICY), "{path}");
        }
    }
}
