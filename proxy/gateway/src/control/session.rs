//! A browser signs in with an API token and gets a session for it: a cookie that no script reads, and a text that only the
//! console's own pages know. The text is told once, at sign-in: whoever has the cookie alone cannot have it told again.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Json, Response};
use pep::ports::Entropy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::admit::session_cookies;
use super::snapshots::{aside, read};
use super::table::Routes;
use super::{Asked, Control, error, refusal, tell};
use crate::auth::Visitor;
use crate::clock::rfc3339;
use crate::config::Role;
use crate::console::sessions::Signed;

/// Where sessions begin and end.
pub(super) const PATH: &str = "/v1/session";
/// The cookie's name.
pub(super) const COOKIE: &str = "wicketgate_session";
/// The header that carries the session's `csrf`; HTTP takes it in any case.
pub(super) const CSRF: &str = "x-wicketgate-csrf";

/// How large a sign-in may be.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// The routes of sessions.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(show, sign_in, sign_out)).body_max(BODY_BYTES_MAX)
}

/// What a browser signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// An API token whose principal has a role.
    token: String,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
struct SessionTold {
    /// The principal, `tenant/agent`.
    principal: String,
    /// Its tenant.
    tenant: String,
    /// The person it acts for; empty where that is nobody.
    user: String,
    /// Its teams.
    teams: Vec<String>,
    /// What it may do here; nothing where it has no role.
    #[schema(value_type = Option<String>)]
    role: Option<&'static str>,
    /// What goes into `X-Wicketgate-CSRF` with each request of this session. Told at sign-in alone.
    csrf: Option<String>,
    /// How many passkeys it has; nothing where that cannot be read.
    passkeys: Option<usize>,
    /// When the session ends at the latest, RFC 3339; nothing where a bearer token was shown.
    expires: Option<String>,
}

async fn told(control: &Control, visitor: &Visitor, signed: Option<&Signed>, csrf: Option<&str>) -> SessionTold {
    let principal = &visitor.principal;
    let (all, whose) = (Arc::clone(&control.console.passkeys), Arc::clone(principal));
    let passkeys = aside(move || all.of(&whose).ok().map(|own| own.len())).await.ok().flatten();
    SessionTold {
        principal: principal.key(),
        tenant: principal.tenant.clone(),
        user: principal.user.clone(),
        teams: principal.teams.clone(),
        role: visitor.role.map(Role::word),
        csrf: csrf.map(str::to_owned),
        passkeys,
        expires: signed.map(|signed| rfc3339(signed.expires_us)),
    }
}

/// Who is signed in.
///
/// Also says to whom a bearer token belongs. Needs a credential, and no role.
#[utoipa::path(get, path = "/v1/session", tag = "session", responses((status = 200, body = SessionTold, description = "You.")))]
async fn show(
    State(control): State<Arc<Control>>,
    visitor: Asked,
    signed: Option<axum::Extension<Signed>>,
) -> Response {
    Json(told(&control, &visitor, signed.as_deref(), None).await).into_response()
}

/// Sign in.
///
/// With an API token whose principal has a role. A wrong one counts as a failed credential of this address. Each sign-in is a
/// new session; the one whose cookie came along ends.
#[utoipa::path(
    post, path = "/v1/session", tag = "session", request_body = SignIn,
    responses((status = 201, body = SessionTold, description = "Signed in: the cookie is in `Set-Cookie`."))
)]
async fn sign_in(
    State(control): State<Arc<Control>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // A form of another page's can send no JSON without asking first.
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let words = "the body must be `Content-Type: application/json`";
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", words);
    }
    let SignIn { token } = match read(body) {
        Ok(sign_in) => sign_in,
        Err(answer) => return *answer,
    };
    let (ports, console) = (&control.gate.ports, &control.console);
    let now_us = ports.clock.now_us();
    let visitor = match control.doorkeeper.admit(Some(&format!("Bearer {token}")), peer.ip(), now_us) {
        Ok(visitor) => visitor,
        Err(refused) => return refusal(&refused),
    };
    if visitor.role.is_none() {
        let words = "this token is an agent's; the console is for principals with a role";
        return error(StatusCode::FORBIDDEN, "role", words);
    }
    for before in session_cookies(&headers) {
        console.sessions.end(before);
    }
    let opened = console.sessions.open(visitor, [fresh(&*ports.entropy), fresh(&*ports.entropy)], now_us);
    let gave_way = match opened.displaced {
        0 => String::new(),
        displaced => format!("; {displaced} of its oldest sessions ended"),
    };
    let signed = opened.signed;
    tell(&control, &signed.visitor, "signed_in", format!("with a browser from {}{gave_way}", peer.ip()));
    let body = told(&control, &signed.visitor, Some(&signed), Some(signed.csrf())).await;
    let answer = (StatusCode::CREATED, Json(body)).into_response();
    with_cookie(answer, &opened.cookie, "", console.origin.is_secure())
}

/// Sign out.
///
/// The session ends, and with it every stream it holds open.
#[utoipa::path(delete, path = "/v1/session", tag = "session", responses((status = 204, description = "Signed out.")))]
async fn sign_out(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    signed: Option<axum::Extension<Signed>>,
) -> Response {
    if signed.is_none() {
        let words = "there is no session to end: a bearer token was shown";
        return error(StatusCode::CONFLICT, "no_session", words);
    }
    for cookie in session_cookies(&headers) {
        if let Some(visitor) = control.console.sessions.end(cookie) {
            tell(&control, &visitor, "signed_out", "the browser's session ended".to_owned());
        }
    }
    with_cookie(StatusCode::NO_CONTENT.into_response(), "", "; Max-Age=0", control.console.origin.is_secure())
}

fn fresh(entropy: &dyn Entropy) -> [u8; 32] {
    let mut bits = [0; 32];
    for half in bits.chunks_exact_mut(16) {
        half.copy_from_slice(&entropy.bytes());
    }
    bits
}

fn with_cookie(mut answer: Response, value: &str, more: &str, secure: bool) -> Response {
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/{more}{secure}");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}
