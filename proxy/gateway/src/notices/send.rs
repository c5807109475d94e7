//! One attempt at one notice: reads what is secret, asks where the name leads, sends, and says in words what came of it.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use url::Url;

use super::body::{Outgoing, outgoing};
use super::reach::{self, Guard};
use super::retry::Failure;
use super::{Notice, mail};
use crate::config::{Channel, NoticeRule, Place};
use crate::telemetry::retry_after;

/// How long one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// A larger URL or key is none.
const PLACE_BYTES_MAX: u64 = 16 << 10;

/// Sends to one channel.
pub(super) struct Sender {
    rule: NoticeRule,
    client: reqwest::Client,
}

impl Sender {
    /// Whoever speaks to this channel. Redirects are not followed, and proxies not used: what is looked at is where the
    /// connection goes.
    pub(super) fn new(rule: NoticeRule) -> Result<Self, String> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Guard { private: rule.private })
            .timeout(ATTEMPT_MAX)
            .user_agent(concat!("Wicketgate/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { client: client.map_err(|e| format!("no HTTP client can be had: {e}"))?, rule })
    }

    /// Whether the URL and the secret can be read now.
    ///
    /// # Errors
    /// What is missing.
    pub(super) async fn ready(&self) -> Result<(), String> {
        self.places().await.map(|_| ())
    }

    /// The URL and the secret, read anew: one that was changed counts at once.
    async fn places(&self) -> Result<(Url, Option<String>), String> {
        let NoticeRule { channel, url, secret, private, .. } = &self.rule;
        let url = Url::parse(&read(url, "URL").await?).map_err(|e| format!("the URL cannot be read: {e}"))?;
        reach::fits(channel, &url, *private)?;
        let secret = match secret {
            Some(place) => Some(read(place, "secret").await?),
            None => None,
        };
        Ok((url, secret))
    }

    /// Sends a notice once.
    ///
    /// # Errors
    /// Why it was not taken.
    pub(super) async fn send(&self, notice: &Notice, console: &str, now_us: i64) -> Result<(), Failure> {
        let (url, secret) = self.places().await.map_err(Failure::Stands)?;
        let (told, secret) = ((notice, console), secret.as_deref());
        if let Channel::Email { from, to } = &self.rule.channel {
            let message = mail::message((from, to), told, now_us).map_err(Failure::Stands)?;
            return mail::send(&url, secret, self.rule.private, ATTEMPT_MAX, message).await;
        }
        match outgoing(&self.rule.channel, url, secret, told, now_us) {
            Some(outgoing) => self.post(outgoing, now_us).await,
            None => Err(Failure::Stands("nothing is sent over this channel".to_owned())),
        }
    }

    async fn post(&self, outgoing: Outgoing, now_us: i64) -> Result<(), Failure> {
        let mut request = self.client.post(outgoing.url).header(CONTENT_TYPE, "application/json").body(outgoing.body);
        for (name, value) in outgoing.headers {
            let unfit = |_| Failure::Stands(format!("the header `{name}` cannot be sent"));
            let mut value = http::HeaderValue::try_from(value).map_err(unfit)?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|e| Failure::MayPass(unanswered(&e), None))?;
        // What it writes is not read: whether it took the notice stands in the status.
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(now_us).unwrap_or_default());
        let asks_for = answer.headers().get(RETRY_AFTER).and_then(|value| retry_after(value, now));
        Err(Failure::of_status(status.as_u16(), asks_for))
    }
}

/// Why no answer came, down to its first cause, without the URL.
fn unanswered(e: &reqwest::Error) -> String {
    if e.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let mut cause = e.source();
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    let cause = cause.map_or_else(|| "the connection fails".to_owned(), ToString::to_string);
    format!("it cannot be reached: {cause}")
}

/// What stands in a place. The words name the place, never its content.
async fn read(place: &Place, what: &str) -> Result<String, String> {
    let (text, told) = match place {
        Place::Here(text) => (text.clone(), "the configuration".to_owned()),
        Place::Variable(name) => {
            (std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))?, format!("`{name}`"))
        }
        Place::File(path) => {
            let shown = path.display();
            let size = tokio::fs::metadata(path).await.map_err(|e| format!("`{shown}`: {e}"))?.len();
            if size > PLACE_BYTES_MAX {
                return Err(format!("`{shown}` is too large for a {what}"));
            }
            (tokio::fs::read_to_string(path).await.map_err(|e| format!("`{shown}`: {e}"))?, format!("`{shown}`"))
        }
    };
    let text = text.trim();
    if text.is_empty() { Err(format!("the {what} in {told} is empty")) } else { Ok(text.to_owned()) }
}
