//! What goes out to each channel, word for word, of a notice whose names try everything; and what comes of one that is not
//! taken. `WICKETGATE_UPDATE=1 cargo test -p gateway notices` writes the golden files anew; read the difference.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use pep::ports::LedgerFault;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::words::Words;
use super::*;
use crate::config::{Channel, Place};

const CONSOLE: &str = "https://gate.example:8641";
const KEY: &str = "a key of the receiver's";
const NOW_US: i64 = 1_795_000_000_000_000;

/// Names that try to mention everybody, to link, to be markup, to end a header, to hide and to reorder.
fn hostile() -> Notice {
    Notice {
        id: "ap_aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
        event: Told::Asked,
        outcome: None,
        tenant: "default".to_owned(),
        agent: "default/@everyone @here".to_owned(),
        user: "alice@example.com\r\nBcc: evil@example.net".to_owned(),
        server: "<!channel> [x](http://evil.example) **b** `c` ~~d~~ ||e||".to_owned(),
        action: "a\u{202e}b\u{200b}c\u{1b}[31m<b>www.evil.example</b>&amp;\u{e0041} and much more than fits".to_owned(),
        grants: vec!["security".to_owned(), "# egress _x_".to_owned()],
        reasons: vec!["mail leaves the house: <@U123> \\u{41}".to_owned(), "r".repeat(400)],
        expires_us: NOW_US + 3_600_000_000,
        decided_by: None,
        task: Some("task-1".to_owned()),
        trace: Some("0af7651916cd43dd8448eb211c80319c".to_owned()),
        test: false,
    }
}

fn outgoing(channel: &Channel, notice: &Notice) -> body::Outgoing {
    let url = url::Url::parse("https://hooks.example/a/topic").unwrap();
    let secret = matches!(channel, Channel::Webhook | Channel::Ntfy).then_some(KEY);
    body::outgoing(channel, url, secret, (notice, CONSOLE), NOW_US).unwrap()
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/notices/golden").join(name);
    if std::env::var_os("WICKETGATE_UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "golden/{name}");
}

fn email() -> String {
    let (from, to) = ("Gate <gate@mail.example>".parse().unwrap(), ["ops@mail.example".parse().unwrap()]);
    let message = mail::message((&from, &to), (&hostile(), CONSOLE), NOW_US).unwrap();
    String::from_utf8(message.formatted()).unwrap()
}

#[test]
fn each_channel_is_told_in_a_body_of_its_own() {
    for (name, channel) in [
        ("webhook.json", Channel::Webhook),
        ("slack.json", Channel::Slack),
        ("teams.json", Channel::Teams),
        ("discord.json", Channel::Discord),
        ("ntfy.json", Channel::Ntfy),
    ] {
        let outgoing = outgoing(&channel, &hostile());
        let body: serde_json::Value = serde_json::from_str(&outgoing.body).unwrap();
        golden(name, &format!("{}\n", serde_json::to_string_pretty(&body).unwrap()));
        let text = texts(&body).join("\n");
        harmless(name, &text);
        if name != "webhook.json" {
            assert!(text.chars().count() < 2000, "{name} fits everywhere");
        }
    }
    let mail = email();
    golden("email.txt", &mail.replace("\r\n", "\n"));
    harmless("email", &mail.replace("\r\n", ""));
}

/// Every text within a JSON value.
fn texts(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::String(text) => vec![text.clone()],
        serde_json::Value::Array(items) => items.iter().flat_map(texts).collect(),
        serde_json::Value::Object(members) => members.values().flat_map(texts).collect(),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => Vec::new(),
    }
}

fn harmless(name: &str, text: &str) {
    for bad in
        ["@everyone", "@here", "<!", "<@", "<b>", "http://evil", "www.evil", "\u{202e}", "\u{200b}", "\u{1b}", "\r"]
    {
        assert!(!text.contains(bad), "{name} holds {bad:?}: {text}");
    }
    assert!(text.contains("https://gate.example:8641/console/#/approvals/ap_aaaaaaaaaaaaaaaaaaaaaaaaaa"), "{name}");
}

#[test]
fn names_that_imitate_others_are_told_to_be_looked_at_twice() {
    let notice = Notice { server: "раypal".to_owned(), action: "send_mail".to_owned(), ..hostile() };
    for channel in [Channel::Webhook, Channel::Slack, Channel::Teams, Channel::Discord, Channel::Ntfy] {
        let told = |notice: &Notice| outgoing(&channel, notice).body.replace("\\", "");
        assert!(told(&notice).contains("раypal: mixes Latin and Cyrillic letters"), "{channel:?}");
        assert!(!told(&hostile()).contains("mixes"), "{channel:?}");
    }
    let reason = Notice { reasons: vec!["аррӏе ".repeat(100)], ..hostile() };
    let words = Words::of(&reason, CONSOLE);
    assert_eq!(words.facts.last().unwrap(), &("Look twice", "аррӏе: Cyrillic letters that look Latin".to_owned()));
}

#[test]
fn discord_is_told_no_markup_and_to_mention_nobody() {
    let body: serde_json::Value = serde_json::from_str(&outgoing(&Channel::Discord, &hostile()).body).unwrap();
    assert_eq!(body["allowed_mentions"], serde_json::json!({ "parse": [] }));
    let content = body["content"].as_str().unwrap();
    let ours = content.strip_prefix("**Approval wanted**\n").unwrap().rsplit_once('\n').unwrap().0;
    let marks: Vec<char> = ours.chars().collect();
    for (n, mark) in marks.iter().enumerate().filter(|(_, c)| "*_~`|[]()#>".contains(**c)) {
        assert_eq!(marks[n - 1], '\\', "{mark} in {content}");
    }
}

#[test]
fn a_mail_has_the_headers_that_were_meant_and_no_other() {
    let mail = email();
    let (head, _) = mail.split_once("\r\n\r\n").unwrap();
    let names: BTreeSet<&str> =
        head.lines().filter(|line| !line.starts_with([' ', '\t'])).filter_map(|line| line.split(':').next()).collect();
    let meant =
        ["Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "Message-ID", "Subject", "To"];
    assert_eq!(names, meant.into_iter().chain(["MIME-Version"]).collect::<BTreeSet<_>>(), "{head}");
}

/// HMAC as RFC 2104 writes it, without the crate that signs.
fn hmac(key: &[u8], text: &[u8]) -> String {
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let keyed = |pad: u8, rest: &[u8]| {
        let mut whole: Vec<u8> = block.iter().map(|byte| byte ^ pad).collect();
        whole.extend_from_slice(rest);
        Sha256::digest(&whole).to_vec()
    };
    crate::config::hex(&keyed(0x5c, &keyed(0x36, text)))
}

/// What a receiver does: the time out of the header, the digest over it and the body as they came.
fn verify(header: &str, body: &str) {
    let (time, digest) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert_eq!(time.parse::<i64>().unwrap(), NOW_US / 1_000_000);
    assert_eq!(digest, hmac(KEY.as_bytes(), format!("{time}.{body}").as_bytes()));
}

#[test]
fn a_webhook_is_signed_so_that_others_can_verify_it() {
    let posted = outgoing(&Channel::Webhook, &hostile());
    let header = |name: &str| posted.headers.iter().find(|(n, _)| *n == name).unwrap().1.as_str();
    verify(header("wicketgate-signature"), &posted.body);
    assert_eq!(header("idempotency-key"), "ap_aaaaaaaaaaaaaaaaaaaaaaaaaa-asked");
    assert_eq!(
        body::signature("", 0, ""),
        format!("t=0,v1={}", hmac(b"", b"0.")),
        "a key of no length signs too, though none is configured"
    );
}

/// What the ledger was told.
#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Event>>);

impl Kept {
    fn all(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        events.iter().map(|event| format!("{}: {}", event.what, event.detail)).collect()
    }
}

impl Ledger for Kept {
    fn number(&self) -> u64 {
        0
    }

    fn append(&self, entry: Entry) -> Result<(), LedgerFault> {
        let Entry::Event(event) = entry else { panic!("only events are told") };
        self.0.lock().unwrap().push(event);
        Ok(())
    }

    fn commit(&self, entry: Entry) -> BoxFuture<'_, Result<(), LedgerFault>> {
        Box::pin(std::future::ready(self.append(entry)))
    }

    fn health(&self) -> Result<(), LedgerFault> {
        Ok(())
    }
}

#[derive(Debug)]
struct Still(AtomicI64);

impl Clock for Still {
    fn now_us(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A channel that answers so, one answer after the other, the last for ever; or never.
struct Scripted {
    answers: Vec<Result<(), Failure>>,
    asked: Arc<AtomicUsize>,
}

impl Attempt for Scripted {
    fn once<'a>(&'a self, _: &'a Notice, _: &'a str, _: i64) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async {
            let nth = self.asked.fetch_add(1, Ordering::Relaxed);
            match self.answers.get(nth).or(self.answers.last()) {
                Some(answer) => answer.clone(),
                None => std::future::pending().await,
            }
        })
    }

    fn is_ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn rule(channel: Channel, url: &str) -> NoticeRule {
    NoticeRule {
        name: "sec".to_owned(),
        channel,
        url: Place::Here(url.to_owned()),
        secret: Some(Place::Here(KEY.to_owned())),
        grants: BTreeSet::new(),
        tenants: BTreeSet::new(),
        events: Told::ALL.into_iter().collect(),
        private: true,
    }
}

fn scripted(answers: &[Result<(), Failure>]) -> (Notices, Arc<Kept>, Arc<AtomicUsize>) {
    let (ledger, asked) = (Arc::new(Kept::default()), Arc::new(AtomicUsize::new(0)));
    let attempt = Box::new(Scripted { answers: answers.to_vec(), asked: Arc::clone(&asked) });
    let line = Line::new(rule(Channel::Slack, "https://hooks.example/T0"), attempt);
    let clock = Arc::new(Still(AtomicI64::new(NOW_US)));
    (Notices::over(vec![line], CONSOLE, Arc::clone(&ledger) as _, clock), ledger, asked)
}

async fn settled(notices: &Notices) {
    while notices.waiting() > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_sent_again_with_growing_waits() {
    let busy = || Err(Failure::of_status(503, None));
    let (notices, ledger, asked) = scripted(&[busy(), busy(), Ok(())]);
    let began = tokio::time::Instant::now();
    notices.tell(&hostile());
    settled(&notices).await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
    assert!((6..9).contains(&began.elapsed().as_secs()), "2 and 4 seconds: {:?}", began.elapsed());
    assert_eq!(ledger.all(), ["notice_delivered: `sec`, ap_aaaaaaaaaaaaaaaaaaaaaaaaaa asked, 3 attempts"]);
    let events = ledger.0.lock().unwrap();
    assert_eq!(events[0].task.as_deref(), Some("task-1"));
    assert_eq!(events[0].trace.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
}

#[tokio::test(start_paused = true)]
async fn a_notice_is_given_up_after_an_hour_and_at_once_where_it_is_refused() {
    let (notices, ledger, asked) = scripted(&[Err(Failure::of_status(502, None))]);
    let began = tokio::time::Instant::now();
    notices.tell(&hostile());
    settled(&notices).await;
    assert!((3600..3603).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let tried = asked.load(Ordering::Relaxed);
    assert!((12..=15).contains(&tried), "{tried}");
    let told = format!("{tried} attempts: its time is over; at last: it answers HTTP 502");
    assert!(
        ledger.all()[0].starts_with("notice_given_up: `sec`") && ledger.all()[0].ends_with(&told),
        "{:?}",
        ledger.all()
    );

    let (notices, ledger, asked) = scripted(&[Err(Failure::of_status(404, None))]);
    notices.tell(&hostile());
    settled(&notices).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(ledger.all()[0].ends_with("1 attempt: it answers HTTP 404"), "{:?}", ledger.all());
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_whoever_tells_never_waits() {
    let (notices, ledger, asked) = scripted(&[]);
    for _ in 0..QUEUE_MAX + 3 {
        notices.tell(&hostile());
    }
    assert_eq!(notices.waiting(), QUEUE_MAX);
    assert_eq!(ledger.all().len(), 3);
    assert!(ledger.all()[0].ends_with("0 attempts: 256 notices wait already"), "{:?}", ledger.all());
    tokio::task::yield_now().await;
    assert_eq!(asked.load(Ordering::Relaxed), 1, "one at a time");
    notices.close().await;
    assert_eq!((notices.waiting(), ledger.all().len()), (0, QUEUE_MAX + 3), "each is accounted for");
    assert!(ledger.all()[QUEUE_MAX].ends_with(": the gate stopped"), "{:?}", ledger.all().last());
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_told_what_it_asked_for() {
    for (event, tenant, grants, heard) in [
        (Told::Asked, "default", "security", true),
        (Told::Decided, "default", "security", false),
        (Told::Asked, "other", "security", false),
        (Told::Asked, "default", "finance", false),
        (Told::Asked, "default", "", false),
    ] {
        let (mut notices, ledger, _) = scripted(&[Ok(())]);
        let mut rule = rule(Channel::Slack, "https://hooks.example/T0");
        rule.events = [Told::Asked].into();
        (rule.tenants, rule.grants) = (["default".to_owned()].into(), ["security".to_owned()].into());
        let attempt = Box::new(Scripted { answers: vec![Ok(())], asked: Arc::new(AtomicUsize::new(0)) });
        notices.channels = vec![Line::new(rule, attempt)];
        let grants = grants.split_whitespace().map(str::to_owned).collect();
        notices.tell(&Notice { event, tenant: tenant.to_owned(), grants, ..hostile() });
        settled(&notices).await;
        assert_eq!(ledger.all().len(), usize::from(heard), "{event:?} {tenant}");
    }
}

/// A server that gives each connection the same answer and keeps what came.
async fn server(answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, kept) = (format!("http://{}/hook", listener.local_addr().unwrap()), Arc::new(Mutex::new(Vec::new())));
    let all = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut socket = BufReader::new(socket);
            let (mut head, mut length) = (String::new(), 0);
            while socket.read_line(&mut head).await.unwrap() > 2 {
                let last = head.lines().last().unwrap().to_lowercase();
                length = last.strip_prefix("content-length: ").map_or(length, |n| n.parse().unwrap());
            }
            let mut body = vec![0; length];
            socket.read_exact(&mut body).await.unwrap();
            all.lock().unwrap().push(format!("{head}{}", String::from_utf8(body).unwrap()));
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, kept)
}

async fn sent(rule: NoticeRule) -> Result<(), Failure> {
    Sender::new(rule).unwrap().send(&hostile(), CONSOLE, NOW_US).await
}

#[tokio::test]
async fn a_webhook_arrives_whole_and_a_redirect_is_not_followed() {
    let (url, kept) = server("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    assert_eq!(sent(rule(Channel::Webhook, &url)).await, Ok(()));
    let came = kept.lock().unwrap()[0].clone();
    let (head, body) = came.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    verify(&header("wicketgate-signature: "), body);
    assert_eq!(header("idempotency-key: "), "ap_aaaaaaaaaaaaaaaaaaaaaaaaaa-asked");
    assert_eq!(header("content-type: "), "application/json");

    let (target, followed) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let moved = format!("HTTP/1.1 307 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let (url, _) = server(Box::leak(moved.into_boxed_str())).await;
    let refused = sent(rule(Channel::Webhook, &url)).await;
    assert_eq!(refused, Err(Failure::Stands("it answers HTTP 307, and redirects are not followed".to_owned())));
    assert!(followed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_home_is_not_spoken_to_unless_that_is_meant() {
    let (url, kept) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let named = url.replace("127.0.0.1", "localhost").replace("http:", "https:");
    let open = NoticeRule { private: false, ..rule(Channel::Webhook, &named) };
    let Err(Failure::MayPass(words, _)) = sent(open).await else { panic!("it was spoken to") };
    assert!(words.contains("private network") && !words.contains("hook"), "{words}");
    let literal = NoticeRule { private: false, ..rule(Channel::Webhook, &url) };
    assert!(matches!(sent(literal).await, Err(Failure::Stands(_))));
    assert!(kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_goes_wrong_is_told_without_the_url_or_the_key() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/T0/secret-of-the-url", taken.local_addr().unwrap());
    drop(taken);
    let Err(Failure::MayPass(words, _)) = sent(rule(Channel::Webhook, &url)).await else {
        panic!("nobody listens there")
    };
    assert!(words.starts_with("it cannot be reached") && !words.contains("secret"), "{words}");
    let mut missing = rule(Channel::Webhook, &url);
    missing.secret = Some(Place::Variable("WICKETGATE_NO_SUCH_VARIABLE".to_owned()));
    let told = Err(Failure::Stands("the variable `WICKETGATE_NO_SUCH_VARIABLE` is not set".to_owned()));
    assert_eq!(sent(missing).await, told);
}

/// A mail server on this machine that takes one message; what it was told.
async fn mail_server(refuses: bool) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let told = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = BufReader::new(socket);
        socket.write_all(b"220 mail\r\n").await.unwrap();
        let (mut all, mut data) = (String::new(), false);
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await.unwrap() == 0 {
                return all;
            }
            all.push_str(&line);
            let answer = match line.trim_end() {
                "." => "250 taken\r\n",
                _ if data => continue,
                "DATA" => "354 go on\r\n",
                "QUIT" => "221 bye\r\n",
                other if refuses && other.starts_with("RCPT") => "550 <b>no such user</b>\r\n",
                _ => "250 mail\r\n",
            };
            data = answer.starts_with("354");
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return all;
            }
        }
    });
    (url, told)
}

#[tokio::test]
async fn an_email_is_handed_to_a_mail_server() {
    let channel = || Channel::Email {
        from: Box::new("gate@mail.example".parse().unwrap()),
        to: vec!["ops@mail.example".parse().unwrap(), "sec@mail.example".parse().unwrap()],
    };
    let (url, told) = mail_server(false).await;
    assert_eq!(sent(rule(channel(), &url)).await, Ok(()));
    let told = told.await.unwrap();
    for part in ["RCPT TO:<ops@mail.example>", "RCPT TO:<sec@mail.example>", "Subject: Approval wanted:", "\r\n.\r\n"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("\r\nBcc"), "{told}");
    let (url, _told) = mail_server(true).await;
    let refused = sent(rule(channel(), &url)).await;
    assert_eq!(refused, Err(Failure::Stands("the mail server answers 550".to_owned())));
}
