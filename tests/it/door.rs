//! The console's door on a real gate: its files without a credential, browsers signed in and out, requests that somebody
//! else's page makes a browser send.

use std::process::Command;

use serde_json::{Value, json};

use crate::gate::bundle::Bundle;
use crate::gate::client::{Answer, Request};
use crate::gate::{ADA, Gate, OPERATOR, ROLES, events, until};

const VIEWER: &str = ROLES[0].1;
/// Who acted, where that was the command line.
const MACHINE: &str = "the command line";
const COOKIE: &str = "wicketgate_session";

struct House {
    gate: Gate,
}

/// A browser that is signed in.
struct Browser {
    cookie: String,
    csrf: String,
    /// How it names the gate.
    host: String,
}

impl House {
    async fn new() -> Self {
        Self { gate: Gate::start(&Bundle::new()).await }
    }

    /// `wicketgate passkeys` on the gate's machine: how it ended, and what it said.
    fn machine(&self, asked: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate-under-test"));
        command.arg("--config").arg(self.gate.folder.path().join("wicketgate.toml")).arg("passkeys").args(asked);
        let done = command.output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap_or(-1), String::from_utf8(said).unwrap())
    }

    async fn send(&self, request: Request) -> Answer {
        request.send(self.gate.control()).await
    }

    /// A request as a program without any credential sends it.
    fn bare(verb: &str, path: &str) -> Request {
        Request::bare(verb, path).without("authorization")
    }

    fn sign_in(token: &str) -> Request {
        Request::post("/v1/session", json!({ "token": token }).to_string()).without("authorization")
    }

    async fn browser(&self, token: &str) -> Browser {
        let answer = self.send(Self::sign_in(token)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let csrf = answer.message()["csrf"].as_str().unwrap().to_owned();
        Browser { cookie, csrf, host: format!("localhost:{}", self.gate.control().port()) }
    }

    async fn status(&self, request: Request) -> (u16, String) {
        let answer = self.send(request).await;
        let code = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
        (answer.status, code["error"]["code"].as_str().unwrap_or_default().to_owned())
    }
}

impl Browser {
    /// A request with the cookie alone, as any page may make a browser send it.
    fn led(&self, verb: &str, path: &str) -> Request {
        Request::post(path, "").verb(verb).without("authorization").set("host", &self.host).with("cookie", &self.cookie)
    }

    /// A request with the session's text, which only a page of the console can have.
    fn looked(&self, verb: &str, path: &str) -> Request {
        self.led(verb, path).with("x-wicketgate-csrf", &self.csrf)
    }

    /// A request of the console's own page.
    fn meant(&self, verb: &str, path: &str) -> Request {
        let origin = format!("http://{}", self.host);
        self.looked(verb, path).with("origin", &origin).with("sec-fetch-site", "same-origin")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consoles_files_are_anybodys_and_carry_their_guards() {
    let house = House::new().await;
    let page = house.send(House::bare("GET", "/console/")).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert_eq!(
        policy,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    );
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(page.header(name), Some(value), "{name}");
    }
    assert!(page.header("permissions-policy").unwrap().contains("publickey-credentials-get=(self)"));
    for path in ["/", "/console"] {
        let answer = house.send(House::bare("GET", path)).await;
        assert_eq!((answer.status, answer.header("location")), (308, Some("/console/")), "{path}");
    }
    // What the browser has is not sent again.
    let tag = page.header("etag").unwrap();
    let mut wire = House::bare("GET", "/console/").with("if-none-match", tag).open(house.gate.control()).await;
    assert_eq!(wire.head().await.0, 304);
    // `HEAD` is `GET` without the body.
    let mut wire = House::bare("HEAD", "/console/index.html").open(house.gate.control()).await;
    assert_eq!(wire.head().await.0, 200);
    // No listing, nothing beside the files, no other method, no other name.
    for (verb, path, status) in [
        ("GET", "/console/js/", 404),
        ("GET", "/console/README.md", 404),
        ("GET", "/console/..%2f..%2fCargo.toml", 404),
        ("GET", "/console/nothing.js", 404),
        ("POST", "/console/", 401),
        ("GET", "/v1/nothing", 401),
    ] {
        assert_eq!(house.send(House::bare(verb, path)).await.status, status, "{verb} {path}");
    }
    let posted = house.send(Request::bare("POST", "/console/").token(OPERATOR)).await;
    assert_eq!(posted.status, 405);
    let strange = house.send(House::bare("GET", "/console/").set("host", "evil.example")).await;
    assert_eq!(strange.status, 403, "{strange:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_works_and_signs_out() {
    let house = House::new().await;
    let answer = house.send(House::sign_in(OPERATOR)).await;
    assert_eq!(answer.status, 201);
    let cookie = answer.header("set-cookie").unwrap();
    let (value, attributes) = cookie.strip_prefix("wicketgate_session=").unwrap().split_once("; ").unwrap();
    assert_eq!((value.len(), attributes), (43, "HttpOnly; SameSite=Strict; Path=/"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let told = answer.message();
    assert_eq!(
        (told["principal"].as_str(), told["role"].as_str(), told["passkeys"].as_u64()),
        (Some("default/a-operator"), Some("operator"), Some(0))
    );

    let browser = house.browser(OPERATOR).await;
    let you = house.send(browser.looked("GET", "/v1/session")).await;
    assert_eq!((you.status, you.message()["principal"].as_str()), (200, Some("default/a-operator")));
    assert_eq!(you.message()["csrf"], Value::Null, "it is told at sign-in alone");
    assert_eq!(house.send(browser.looked("GET", "/v1/health")).await.status, 200);
    assert_eq!(house.send(browser.meant("POST", "/v1/reload")).await.status, 200);
    let out = house.send(browser.meant("DELETE", "/v1/session")).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(house.status(browser.looked("GET", "/v1/session")).await, (401, "unauthenticated".into()));

    // A bearer token says who it belongs to, and has no session.
    let bearer = house.send(Request::bare("GET", "/v1/session").token(VIEWER)).await.message();
    assert_eq!((bearer["role"].as_str(), bearer["csrf"].as_str()), (Some("viewer"), None));
    assert_eq!(house.status(Request::bare("DELETE", "/v1/session").token(VIEWER)).await, (409, "no_session".into()));

    let entries = house.gate.close().await;
    let told: Vec<(String, Option<String>)> = events(entries).into_iter().map(|e| (e.what, e.by)).collect();
    let of =
        |what: &str| told.iter().filter(|(w, by)| w == what && by.as_deref() == Some("default/a-operator")).count();
    assert_eq!((of("signed_in"), of("signed_out")), (2, 1));
}

/// A browser hands its cookies to every port of a name: a page's server on another port of this machine is given ours.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_got_hold_of_the_cookie_alone_sees_and_does_nothing() {
    let house = House::new().await;
    let browser = house.browser(OPERATOR).await;
    for (verb, path) in [
        ("GET", "/v1/session"),
        ("GET", "/v1/approvals"),
        ("GET", "/v1/approvals/stream"),
        ("GET", "/v1/live"),
        ("GET", "/v1/records"),
        ("GET", "/v1/snapshots"),
        ("HEAD", "/v1/health"),
    ] {
        // A program says of itself what it likes, but for what it does not know.
        let origin = format!("http://{}", browser.host);
        let forged = browser.led(verb, path).with("origin", &origin).with("sec-fetch-site", "same-origin");
        let mut wire = forged.open(house.gate.control()).await;
        assert_eq!(wire.head().await.0, 403, "{verb} {path}");
        let guessed = browser.led(verb, path).with("x-wicketgate-csrf", "guess");
        assert_eq!(guessed.open(house.gate.control()).await.head().await.0, 403, "{verb} {path}");
    }
    let asked = house.send(browser.led("GET", "/v1/session")).await;
    assert!(!asked.body.contains(&browser.csrf) && asked.header("set-cookie").is_none(), "{asked:?}");
    // Nor does signing in with it tell anything: that takes a token, and makes another session.
    let planted = house.send(House::sign_in("guess").with("cookie", &browser.cookie)).await;
    assert!(planted.status == 401 && !planted.body.contains(&browser.csrf), "{planted:?}");
    assert_eq!(house.send(browser.looked("GET", "/v1/approvals")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sign_in_is_a_new_session_and_ends_the_one_it_came_with() {
    let house = House::new().await;
    let first = house.browser(OPERATOR).await;
    let again = house.send(House::sign_in(OPERATOR).with("cookie", &first.cookie)).await;
    let second = again.header("set-cookie").unwrap().split(';').next().unwrap();
    assert_ne!(first.cookie, second);
    assert_eq!(house.send(first.looked("GET", "/v1/session")).await.status, 401);
    // A value that somebody set beforehand is never taken up.
    let planted = format!("{COOKIE}=planted");
    let answer = house.send(House::sign_in(OPERATOR).with("cookie", &planted)).await;
    assert!(!answer.header("set-cookie").unwrap().contains("planted"));
    assert_eq!(house.send(House::bare("GET", "/v1/health").with("cookie", &planted)).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_sign_in() {
    let house = House { gate: Gate::start_with(&Bundle::new(), "limits = { failures_per_minute_max = 2 }").await };
    let sent = |request: Request| house.status(request);
    // An agent's token is good, and has no business here.
    assert_eq!(sent(House::sign_in(ADA)).await, (403, "role".into()));
    // From somebody else's page; and as a form, which a page can send without asking.
    let led = |name: &str, value: &str| House::sign_in(OPERATOR).with(name, value);
    assert_eq!(sent(led("origin", "http://localhost:3000")).await, (403, "csrf".into()));
    assert_eq!(sent(led("sec-fetch-site", "cross-site")).await, (403, "csrf".into()));
    assert_eq!(sent(led("sec-fetch-site", "same-site")).await, (403, "csrf".into()));
    assert_eq!(sent(House::sign_in(OPERATOR).set("content-type", "text/plain")).await, (415, "media_type".into()));
    assert_eq!(sent(Request { body: b"token=x".to_vec(), ..House::sign_in("") }).await, (400, "bad_request".into()));
    // A guess counts as one, here as everywhere.
    assert_eq!(sent(House::sign_in("guess")).await, (401, "unauthenticated".into()));
    assert_eq!(sent(House::sign_in("")).await, (401, "unauthenticated".into()));
    assert_eq!(sent(House::sign_in("guess")).await.0, 429);
    assert_eq!(house.send(House::sign_in(OPERATOR)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_is_sent_by_the_consoles_own_page_or_not_at_all() {
    let house = House::new().await;
    let browser = house.browser(OPERATOR).await;
    let own = format!("http://{}", browser.host);
    let csrf = |request: Request| request.with("x-wicketgate-csrf", &browser.csrf);
    let from = |request: Request, origin: &str| request.with("origin", origin);
    let led = || browser.led("POST", "/v1/reload");
    for (what, request) in [
        ("a cookie alone", led()),
        ("the page, and not its text", from(led(), &own)),
        ("the text, and not the page", csrf(led())),
        ("a wrong text", from(led(), &own).with("x-wicketgate-csrf", "guess")),
        ("an empty text", from(led(), &own).with("x-wicketgate-csrf", "")),
        ("another port of this machine", csrf(from(led(), "http://localhost:3000"))),
        ("another scheme", csrf(from(led(), &format!("https://{}", browser.host)))),
        ("a page that says it is the same site", csrf(led()).with("sec-fetch-site", "same-site")),
        ("a page of nowhere", csrf(led()).with("sec-fetch-site", "none")),
        ("two things that disagree", csrf(from(led(), &own)).with("sec-fetch-site", "cross-site")),
    ] {
        assert_eq!(house.status(request).await, (403, "csrf".into()), "{what}");
    }
    for verb in ["DELETE", "PUT", "PATCH", "OPTIONS"] {
        assert_eq!(house.status(browser.led(verb, "/v1/halts")).await, (403, "csrf".into()), "{verb}");
    }
    // A page of another origin is not even heard, unless it is this machine's.
    let evil = csrf(from(led(), "http://evil.example"));
    assert_eq!(house.status(evil).await, (403, "origin_refused".into()));
    // The text of one session is none of another's.
    let other = house.browser(OPERATOR).await;
    let swapped = from(led(), &own).with("x-wicketgate-csrf", &other.csrf);
    assert_eq!(house.status(swapped).await, (403, "csrf".into()));
    // Either proof of the page will do, and a bearer token needs none: no page can make a browser send one.
    assert_eq!(house.send(csrf(from(led(), &own))).await.status, 200);
    assert_eq!(house.send(csrf(led()).with("sec-fetch-site", "same-origin")).await.status, 200);
    assert_eq!(house.send(Request::bare("POST", "/v1/reload").token(OPERATOR)).await.status, 200);

    let (cookie, text) = (browser.cookie.clone(), browser.csrf.clone());
    let entries = house.gate.close().await;
    let refused: Vec<_> = events(entries.clone()).into_iter().filter(|event| event.what == "csrf_refused").collect();
    assert_eq!(refused.len(), 15, "{refused:?}");
    assert!(refused.iter().all(|event| event.by.as_deref() == Some("default/a-operator")));
    let told: String = entries.iter().map(|entry| entry.canonical().unwrap()).collect();
    assert!(!told.contains(&text) && !told.contains(cookie.split('=').nth(1).unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_shows_one_credential() {
    let house = House::new().await;
    let browser = house.browser(OPERATOR).await;
    let both = browser.led("GET", "/v1/health").token(OPERATOR);
    assert_eq!(house.status(both).await, (400, "two_credentials".into()));
    let twice = browser.led("GET", "/v1/health").with("cookie", &browser.cookie);
    assert_eq!(house.status(twice).await, (400, "two_credentials".into()));
    let in_one = browser.led("GET", "/v1/health").set("cookie", &format!("{}; {COOKIE}=x", browser.cookie));
    assert_eq!(house.status(in_one).await, (400, "two_credentials".into()));
    // Cookies of others are none of ours.
    let among =
        browser.looked("GET", "/v1/health").set("cookie", &format!("a=b; {} ; c=d; x{COOKIE}=e", browser.cookie));
    assert_eq!(house.send(among).await.status, 200);
    assert_eq!(house.status(House::bare("GET", "/v1/health").with("cookie", "a=b")).await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_name_of_its_own_the_cookie_travels_over_tls_alone() {
    let more = "limits = { failures_per_minute_max = 100000 }\n[approvals]\nconsole_url = \"https://gate.example\"";
    let house = House { gate: Gate::start_with(&Bundle::new(), more).await };
    let sign_in = House::sign_in(OPERATOR).set("host", "gate.example").with("origin", "https://gate.example");
    let answer = house.send(sign_in).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/; Secure"), "{cookie}");
    let plain = House::sign_in(OPERATOR).set("host", "gate.example").with("origin", "http://gate.example");
    assert_eq!(house.send(plain).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn passkeys_are_listed_and_begun_by_whoever_has_a_role() {
    let house = House::new().await;
    let browser = house.browser(VIEWER).await;
    let listed = house.send(browser.looked("GET", "/v1/passkeys")).await.message();
    assert_eq!(listed, json!({ "passkeys": [], "unusable": null }));
    let begin = |body: &str| Request { body: body.as_bytes().to_vec(), ..browser.meant("POST", "/v1/passkeys/begin") };
    // A token alone, which may be stolen, makes no passkey.
    assert_eq!(house.status(begin("")).await, (403, "code_needed".into()));
    assert_eq!(house.status(begin(r#"{"code":"abcd"}"#)).await, (403, "wrong_code".into()));
    // What the command line writes beside the running gate counts at once.
    let who = format!("default/a-{}", ROLES[0].0);
    let (code, words) = house.machine(&["invite", "nobody"]);
    assert!(code == 1 && words.contains(&who), "{words}");
    let (code, words) = house.machine(&["invite", &who]);
    assert_eq!(code, 0, "{words}");
    let code = words.lines().next().unwrap();
    let begun = house.send(begin(&json!({ "code": code }).to_string())).await;
    let options = begun.message();
    assert_eq!((begun.status, options["rp"]["id"].as_str()), (200, Some("localhost")), "{begun:?}");
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    let (_, listed) = house.machine(&["list"]);
    assert!(listed.starts_with(&format!("{who}: no passkey, invited until ")), "{listed}");
    assert_eq!(house.machine(&["remove", &who]).0, 0);
    assert_eq!(house.status(begin(&json!({ "code": code }).to_string())).await, (403, "wrong_code".into()));
    let nonsense = browser.meant("POST", "/v1/passkeys");
    let nonsense = Request { body: br#"{"name":"x","credential":{}}"#.to_vec(), ..nonsense };
    assert_eq!(house.status(nonsense).await, (403, "passkey_refused".into()));
    assert_eq!(house.status(browser.meant("DELETE", "/v1/passkeys/none")).await, (404, "unknown_passkey".into()));
    assert_eq!(house.status(Request::bare("GET", "/v1/passkeys").token(ADA)).await, (403, "role".into()));
    let told = || events(house.gate.entries()).iter().any(|event| event.what == "passkeys_removed").then_some(());
    until("the ledger hears of it", told).await;
    let entries = house.gate.close().await;
    let acts = events(entries).into_iter().filter(|event| event.what.starts_with("passkey"));
    let acts: Vec<(String, Option<String>)> = acts.map(|event| (event.what, event.by)).collect();
    let count = |what: &str, by: &str| acts.iter().filter(|(w, b)| w == what && b.as_deref() == Some(by)).count();
    assert_eq!(count("passkey_code_refused", &who), 2, "{acts:?}");
    assert_eq!((count("passkey_invited", MACHINE), count("passkeys_removed", MACHINE)), (1, 1), "{acts:?}");
}
