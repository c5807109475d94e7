//! A notice as an e-mail: plain text, sent over TLS, or over the connection of this machine to itself.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Notice;
use super::body::key;
use super::reach;
use super::retry::Failure;
use super::words::{self, Words};

/// The ports of mail submission: with TLS from the first byte (RFC 8314), and with STARTTLS (RFC 6409).
const TLS_PORT: u16 = 465;
const STARTTLS_PORT: u16 = 587;

/// The message. Names are escaped, so that no line end of theirs ends a header.
pub(super) fn message(
    (from, to): (&Mailbox, &[Mailbox]),
    (notice, console): (&Notice, &str),
    now_us: i64,
) -> Result<Message, String> {
    let words = Words::of(notice, console);
    let since = Duration::from_micros(u64::try_from(now_us).unwrap_or_default());
    let subject = format!("{}: {}", words.title, words::wants(notice));
    // Vacation replies and mailing lists leave such a message alone (RFC 3834).
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let mut message = Message::builder()
        .from(from.clone())
        .date(SystemTime::UNIX_EPOCH + since)
        .message_id(Some(format!("<{}@{}>", key(notice), from.email.domain())))
        .subject(subject)
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN);
    for mailbox in to {
        message = message.to(mailbox.clone());
    }
    let body = format!("{}\n\n{}\n{}\n", words.title, words.lines(), words.link);
    message.body(body).map_err(|e| format!("no message can be made of it: {e}"))
}

/// Sends it.
///
/// # Errors
/// Why it was not taken.
pub(super) async fn send(
    url: &Url,
    password: Option<&str>,
    private: bool,
    timeout: Duration,
    message: Message,
) -> Result<(), Failure> {
    let transport = transport(url, password, private, timeout).await?;
    match tokio::time::timeout(timeout.saturating_mul(2), transport.send(message)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) => Err(failure(&e)),
        Err(_) => Err(Failure::MayPass("the mail server does not answer in time".to_owned(), None)),
    }
}

async fn transport(
    url: &Url,
    password: Option<&str>,
    private: bool,
    timeout: Duration,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, Failure> {
    let stands = |words: &str| Failure::Stands(words.to_owned());
    let host = url.host_str().ok_or_else(|| stands("the URL names no host"))?.trim_matches(['[', ']']);
    let wrapped = url.scheme() == "smtps";
    let port = url.port().unwrap_or(if wrapped { TLS_PORT } else { STARTTLS_PORT });
    let found = reach::addresses(host, port, private).await;
    let address = found.map_err(|e| Failure::MayPass(format!("the mail server is not found: {e}"), None))?;
    let ip = address.first().map(std::net::SocketAddr::ip).ok_or_else(|| stands("the mail server is not found"))?;
    let tls = || TlsParameters::new(host.to_owned()).map_err(|_| stands("TLS cannot be set up"));
    let tls = match (wrapped, is_loopback(ip)) {
        (true, _) => Tls::Wrapper(tls()?),
        // What stays on this machine is as safe without.
        (false, true) => Tls::None,
        (false, false) => Tls::Required(tls()?),
    };
    // By its address, so that the one that was looked at is the one that is spoken to.
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(ip.to_string());
    builder = builder.port(port).tls(tls).timeout(Some(timeout));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    if !url.username().is_empty() {
        let password = password.map(str::to_owned).or_else(|| url.password().map(decoded));
        builder = builder.credentials(Credentials::new(decoded(url.username()), password.unwrap_or_default()));
    }
    Ok(builder.build())
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// What went wrong, without a word of the server's.
fn failure(e: &lettre::transport::smtp::Error) -> Failure {
    let status = e.status().map(|code| format!("the mail server answers {code}"));
    if e.is_permanent() {
        return Failure::Stands(status.unwrap_or_else(|| "the mail server refuses it".to_owned()));
    }
    let words = if e.is_tls() {
        "TLS with the mail server fails"
    } else if e.is_timeout() {
        "the mail server does not answer in time"
    } else {
        "the connection to the mail server fails"
    };
    Failure::MayPass(status.unwrap_or_else(|| words.to_owned()), None)
}
