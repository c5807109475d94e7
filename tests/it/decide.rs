//! `wicketgate approvals` as a program, before a control API of the tests' own: what it shows and asks, what it sends, what
//! it makes of each refusal, and that `watch` leaves a terminal as it was.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::{get, post};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, tcgetattr};
use serde_json::{Value, json};

use crate::gate::HANGS;

const ID: &str = "ap_aaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What the API answers to a decision, and what it was sent.
#[derive(Default)]
struct Api {
    refuses: Mutex<Option<(u16, &'static str)>>,
    sent: Mutex<Vec<(String, Value)>>,
    streams: Mutex<u32>,
}

fn request(state: &str) -> Value {
    json!({
        "id": ID, "state": state, "digest": "sha256:shown", "created": "2026-11-22T01:00:00Z", "expires": "2099-01-01T00:00:00Z",
        "waiting": 1, "asked": 1, "caller": { "agent": "default/claude", "tenant": "default" }, "task": { "id": "task-1" },
        "server": { "name": "office" }, "action": { "name": "send_mail\u{202e}\u{1b}[2J", "kind": "tool" },
        "arguments": { "text": "{\"to\":\"eve\"}", "fields": [{ "name": "to", "value": "\"eve\"", "origin": [], "sink": true }] },
        "rules": [{ "id": "egress-guard", "reason": "mail leaves the house" }],
        "grants": [{ "name": "security", "quorum": 1, "given_by": [], "you_may": true, "step_up": false }],
        "before": [], "decisions": [], "labels": [],
    })
}

async fn decided(
    State(api): State<Arc<Api>>,
    Path((_, verb)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Response {
    api.sent.lock().unwrap().push((verb.clone(), body));
    let refuses = *api.refuses.lock().unwrap();
    match refuses {
        Some((status, code)) => {
            let body = json!({ "error": { "code": code, "message": format!("refused: {code}\u{1b}") } });
            (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
        }
        None => Json(request(if verb == "approve" { "granted" } else { "refused" })).into_response(),
    }
}

/// The first stream ends at once; the next ones stay.
async fn stream(State(api): State<Arc<Api>>) -> Response {
    let nth = {
        let mut streams = api.streams.lock().unwrap();
        *streams += 1;
        *streams
    };
    let hello = Event::default().event("hello").data(r#"{"pending":1}"#);
    let first = futures(nth > 1, hello);
    Sse::new(first).into_response()
}

fn futures(stays: bool, hello: Event) -> impl futures_util::Stream<Item = Result<Event, Infallible>> {
    futures_util::stream::unfold(Some(hello), move |next| async move {
        match next {
            Some(event) => Some((Ok(event), None)),
            None if stays => std::future::pending().await,
            None => None,
        }
    })
}

struct Desk {
    api: Arc<Api>,
    at: SocketAddr,
}

impl Desk {
    async fn new() -> Self {
        let api = Arc::new(Api::default());
        let routes = Router::new()
            .route("/v1/approvals", get(|| async { Json(json!({ "approvals": [request("pending")] })) }))
            .route("/v1/approvals/stream", get(stream))
            .route("/v1/approvals/{id}", get(|| async { Json(request("pending")) }))
            .route("/v1/approvals/{id}/{verb}", post(decided))
            .with_state(Arc::clone(&api));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { api, at }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate-under-test"));
        command.env_clear().env("WICKETGATE_OPERATOR_TOKEN", "t").current_dir(std::env::temp_dir());
        command.arg("approvals").args(arguments).args(["--control", &self.at.to_string()]).stdin(Stdio::null());
        command
    }

    async fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = self.command(arguments);
        let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// Runs on a terminal, where somebody types this.
    async fn typed(&self, arguments: &[&str], typed: &str) -> (i32, String) {
        let (mut keyboard, terminal) = terminal();
        keyboard.write_all(typed.as_bytes()).unwrap();
        let mut command = self.command(arguments);
        command.stdin(terminal.try_clone().unwrap()).stdout(terminal).stderr(Stdio::null());
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            drop(command);
            let mut shown = Vec::new();
            let _over = keyboard.read_to_end(&mut shown);
            (child.wait().unwrap().code().unwrap(), String::from_utf8_lossy(&shown).into_owned())
        })
        .await
        .unwrap()
    }

    fn sent(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.api.sent.lock().unwrap())
    }
}

/// A terminal and the keyboard before it.
fn terminal() -> (File, File) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&keyboard).unwrap();
    unlockpt(&keyboard).unwrap();
    let name = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
    (File::from(keyboard), File::options().read(true).write(true).open(name).unwrap())
}

#[tokio::test]
async fn a_decision_is_asked_for_and_names_what_was_shown() {
    let desk = Desk::new().await;
    let (code, told) = desk.run(&["list"]).await;
    assert!(code == 0 && told.contains(ID) && !told.contains('\u{1b}'), "{told}");
    // Nobody can be asked.
    for arguments in [&["approve", ID][..], &["deny", ID, "--reason", "no"]] {
        let (code, told) = desk.run(arguments).await;
        assert!(code == 3 && told.contains("--yes"), "{code} {told}");
    }
    // Somebody is asked, and says something else.
    let (code, told) = desk.typed(&["approve", ID], "yes\n").await;
    assert!(code == 3 && told.contains("mail leaves the house"), "{code} {told}");
    assert_eq!(desk.sent(), [], "nothing is sent that was not meant");
    let (code, told) = desk.typed(&["approve", ID], "approve\n").await;
    assert!(code == 0 && told.contains("is now granted"), "{code} {told}");
    assert_eq!(desk.sent(), [("approve".to_owned(), json!({ "uses": 1, "digest": "sha256:shown" }))]);
    let more = ["approve", ID, "--grant", "security", "--uses", "2", "--note", "n", "--yes"];
    let (code, told) = desk.run(&more).await;
    assert!(code == 0 && told.contains("ARGUMENTS") && told.contains("\"eve\"") && !told.contains('\u{1b}'), "{told}");
    let body = json!({ "uses": 2, "digest": "sha256:shown", "grants": ["security"], "note": "n" });
    assert_eq!(desk.sent(), [("approve".to_owned(), body)]);
    let (code, told) = desk.run(&["deny", ID, "--reason", "not today", "--yes"]).await;
    assert!(code == 0 && told.contains("is now refused"), "{told}");
    assert_eq!(desk.sent(), [("deny".to_owned(), json!({ "reason": "not today", "digest": "sha256:shown" }))]);
    // What was meant is another.
    let (code, _) = desk.run(&["approve", ID, "--yes", "--digest", "sha256:meant"]).await;
    assert_eq!((code, desk.sent()), (4, vec![]));
}

#[tokio::test]
async fn each_refusal_is_told_in_words_and_by_its_exit_code() {
    let desk = Desk::new().await;
    let page = format!("http://localhost:{}/console/#/approvals/{ID}", desk.at.port());
    for (status, code, exit, words) in [
        (409, "changed", 4, "look at it again"),
        (409, "decided", 4, "was first"),
        (403, "own_request", 5, "nobody approves their own request"),
        (403, "not_yours_to_give", 5, "refused: not_yours_to_give"),
        (403, "role", 5, "refused: role"),
        (428, "step_up", 6, &format!("it needs a passkey: open {page}")),
        (404, "no_approval", 7, "refused: no_approval"),
        (500, "broken", 1, "refused: broken"),
    ] {
        *desk.api.refuses.lock().unwrap() = Some((status, code));
        let (left, told) = desk.run(&["approve", ID, "--yes"]).await;
        assert!(left == exit && told.contains(words) && !told.contains('\u{1b}'), "{code}: {left} {told}");
    }
    assert_eq!(desk.run(&["show", "../halts"]).await.0, 2);
    assert_eq!(desk.run(&["deny", ID]).await.0, 2, "a no needs a reason");
}

/// What a terminal is set to.
fn set(terminal: &File) -> String {
    let Termios { input_modes, output_modes, control_modes, local_modes, special_codes, .. } =
        tcgetattr(terminal).unwrap();
    format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?} {special_codes:?}")
}

/// Reads what is shown until it holds these words.
fn until(keyboard: &mut File, shown: &mut String, words: &str) {
    let mut piece = [0; 4096];
    while !shown.contains(words) {
        let count = keyboard.read(&mut piece).unwrap();
        shown.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
}

#[tokio::test]
async fn the_watch_comes_back_after_a_lost_stream_and_leaves_the_terminal_as_it_was() {
    let desk = Desk::new().await;
    let mut command = desk.command(&["watch"]);
    let watched = tokio::task::spawn_blocking(move || {
        let (mut keyboard, terminal) = terminal();
        let before = set(&terminal);
        command.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut shown = String::new();
        until(&mut keyboard, &mut shown, "NOT CURRENT");
        assert!(shown.contains("send_mail") || shown.contains("office"), "{shown}");
        assert_ne!(set(&terminal), before, "keys are read one by one");
        shown.clear();
        until(&mut keyboard, &mut shown, "1 request waits\x1b[K");
        keyboard.write_all(b"\r").unwrap();
        until(&mut keyboard, &mut shown, "lines 1 to");
        keyboard.write_all(b"\x03").unwrap();
        until(&mut keyboard, &mut shown, "\x1b[?1049l");
        let status = child.wait().unwrap();
        (status.code(), shown, before, set(&terminal))
    });
    let watched = tokio::time::timeout(HANGS, watched).await.expect("it ends").unwrap();
    let (code, shown, before, after) = watched;
    assert_eq!((code, after), (Some(0), before));
    assert!(shown.ends_with("\x1b[?7h\x1b[?25h\x1b[?1049l"), "{shown:?}");
    assert!(!shown.contains('\u{202e}'));
}
