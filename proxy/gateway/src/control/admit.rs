//! Who comes in: borders first, then one credential, a bearer token or a browser's session, and never both. With a session
//! each request carries a text that its cookie does not buy, and what changes something must prove that a page of the console
//! sent it. Every route stands behind this.
//!
//! What a visitor may do once inside is the routes' to say.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt as _;
use pdp::refusal::{Code, Refusal};

use super::session::{self, CSRF};
use super::{Control, error, refusal, tell};
use crate::auth::Visitor;
use crate::console::assets;
use crate::console::origin::Provenance;
use crate::console::sessions::Signed;

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How often a stream that stays open is asked whether its session still stands.
const LOOKS: Duration = Duration::from_secs(5);

/// How a request shows who sent it.
enum Shown {
    Bearer(Visitor),
    Session(Signed),
}

/// Borders and credentials come before every route.
pub(super) async fn admit(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // Read before the first await: a request's body cannot be shared between threads.
    let headers = request.headers();
    if let Err(refused) = borders(&control, headers, request.uri()) {
        return refusal(&refused);
    }
    if assets::is_asset(&path) && matches!(method, Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    if path == session::PATH && method == Method::POST {
        // The credential stands in the body. Nobody is to be signed in by a page of somebody else's.
        if control.console.origin.is_foreign(provenance(headers, request.uri())) {
            let words = format!(
                "the console is at {}/console/: sign in there, or set `console_url` under `[approvals]` to the address you use",
                control.console.origin.base()
            );
            return forged(&words);
        }
        return guarded(next.run(request).await);
    }
    let shown = match shown(&control, headers, peer.ip()) {
        Ok(shown) => shown,
        Err(answer) => return *answer,
    };
    match shown {
        Shown::Bearer(visitor) => {
            request.extensions_mut().insert(visitor);
            let answer = guarded(next.run(request).await);
            until(answer, move || async move { control.stop.cancelled().await })
        }
        Shown::Session(signed) => {
            if let Err(answer) = meant(&control, &signed, &method, headers, request.uri()) {
                return *answer;
            }
            request.extensions_mut().insert(signed.visitor.clone());
            request.extensions_mut().insert(signed.clone());
            until(guarded(next.run(request).await), move || over(signed, control))
        }
    }
}

fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

fn provenance<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Provenance<'r> {
    Provenance {
        host: one(headers, &HOST).or_else(|| uri.authority().map(|authority| authority.as_str())),
        origin: one(headers, &ORIGIN),
        site: one(headers, &SITE),
    }
}

/// Whether a request came under one of our names, and from a page that may call here.
fn borders(control: &Control, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    let Provenance { host, origin, .. } = provenance(headers, uri);
    // Of two hosts or origins nobody can say which one a browser was led by (RFC 9112, section 3.2).
    let twice = |name: &HeaderName| headers.get_all(name).iter().count() > 1;
    let host = host.filter(|_| !twice(&HOST));
    let origin = if twice(&ORIGIN) { Some("two origins") } else { origin };
    // The console's own pages need not be configured.
    let elsewhere = origin.filter(|origin| !control.console.origin.is_own(origin, host));
    control.borders.check(host, elsewhere)
}

/// The one credential of a request.
fn shown(control: &Control, headers: &HeaderMap, address: IpAddr) -> Result<Shown, Box<Response>> {
    let now_us = control.gate.ports.clock.now_us();
    let authorization = one(headers, &AUTHORIZATION);
    let mut cookies = session_cookies(headers);
    match (authorization, cookies.next(), cookies.next()) {
        (Some(_), Some(_), _) | (None, Some(_), Some(_)) => {
            let words = "a request shows one credential: a bearer token, or the cookie of one session";
            Err(Box::new(error(StatusCode::BAD_REQUEST, "two_credentials", words)))
        }
        (None, Some(cookie), None) => {
            let signed = control.console.sessions.find(cookie, now_us);
            let over = Refusal::new(Code::Unauthenticated, "this session is over; sign in again");
            signed.map(Shown::Session).ok_or_else(|| Box::new(refusal(&over)))
        }
        (authorization, None, _) => {
            let admitted = control.doorkeeper.admit(authorization, address, now_us);
            admitted.map(Shown::Bearer).map_err(|refused| Box::new(refusal(&refused)))
        }
    }
}

/// The values of our cookie, over all headers and pairs (RFC 6265, section 5.4).
pub(super) fn session_cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let pairs =
        headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
    pairs.filter_map(|pair| pair.trim().strip_prefix(session::COOKIE)?.strip_prefix('='))
}

/// Whether the person meant what their browser sends. A browser hands its cookies to every port of a name (RFC 6265, section
/// 8.5), so another program of this machine may well be given ours. The session's csrf text it is not given: that is told at
/// sign-in alone, and a page keeps it where only pages of the same origin, port included, can read it. So looking needs it too.
fn meant(
    control: &Control,
    signed: &Signed,
    method: &Method,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<(), Box<Response>> {
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    let ours = !changes || control.console.origin.sent(provenance(headers, uri));
    let known = one(headers, &HeaderName::from_static(CSRF)).is_some_and(|given| signed.is_csrf(given));
    if ours && known {
        return Ok(());
    }
    let why = if ours { "its csrf text is missing or wrong" } else { "no page of the console sent it" };
    tell(control, &signed.visitor, "csrf_refused", format!("{method} {}: {why}", uri.path()));
    let words = "with a session, each request has the session's `csrf` in the header `X-Wicketgate-CSRF`, and what changes \
                 something is sent by a page of the console; sign in anew, or use a bearer token";
    Err(Box::new(forged(words)))
}

fn forged(words: &str) -> Response {
    error(StatusCode::FORBIDDEN, "csrf", words)
}

/// What is said to one visitor is for no cache, and for nobody to guess a type of.
fn guarded(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Waits until a session is over: at sign-out, when it was idle for too long, when its time is up; and when the gate stops.
async fn over(signed: Signed, control: Arc<Control>) {
    let ended = || async {
        tokio::select! {
            () = signed.ended.cancelled() => {}
            () = control.stop.cancelled() => {}
        }
    };
    let stands = || control.console.sessions.stands(&signed.key, control.gate.ports.clock.now_us());
    while stands() && tokio::time::timeout(LOOKS, ended()).await.is_err() {}
}

/// An open stream ends when there is nobody any more to be told. What is no stream ends by itself.
fn until<F: Future<Output = ()> + Send + 'static>(answer: Response, over: impl FnOnce() -> F) -> Response {
    let kind = one(answer.headers(), &CONTENT_TYPE).unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        return answer;
    }
    let over = Box::pin(over());
    answer.map(|body| Body::from_stream(body.into_data_stream().take_until(over)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use bytes::Bytes;
    use futures_util::{FutureExt as _, stream};
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn an_open_stream_ends_when_its_session_is_over_and_nothing_else_does() {
        let over = CancellationToken::new();
        let answer = |kind: &'static str| {
            let endless = stream::once(async { Ok::<_, std::io::Error>(Bytes::from("data: 1\n\n")) });
            let body = Body::from_stream(endless.chain(stream::pending()));
            Response::builder().header(CONTENT_TYPE, kind).body(body).unwrap()
        };
        let cut = |kind: &'static str, over: CancellationToken| {
            until(answer(kind), move || async move { over.cancelled().await }).into_body().into_data_stream()
        };
        let mut stream = cut("text/event-stream", over.clone());
        assert_eq!(stream.next().await.unwrap().unwrap(), "data: 1\n\n");
        assert!(stream.next().now_or_never().is_none());
        over.cancel();
        assert!(stream.next().await.is_none());
        let mut other = cut("application/json", over);
        assert!(other.next().await.is_some() && other.next().now_or_never().is_none());
    }

    #[test]
    fn our_cookie_is_found_among_others_and_wherever_it_stands_twice() {
        for (lines, found) in [
            (vec!["wicketgate_session=a"], vec!["a"]),
            (vec!["x=1; wicketgate_session=a; y=2"], vec!["a"]),
            (vec!["wicketgate_session=a;wicketgate_session=b"], vec!["a", "b"]),
            (vec!["wicketgate_session=a", "wicketgate_session=b"], vec!["a", "b"]),
            (vec!["xwicketgate_session=a; wicketgate_sessions=b; wicketgate_session"], vec![]),
            (vec![""], vec![]),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(COOKIE, line.parse().unwrap());
            }
            assert_eq!(session_cookies(&headers).collect::<Vec<_>>(), found, "{lines:?}");
        }
    }
}
