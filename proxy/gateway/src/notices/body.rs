//! What is posted to each kind of channel: URL, headers, body. Pure, so that what goes out can be read in a test.
//!
//! Every channel gets its words as data that it draws as plain text, never as markup. Only our own fixed words stand where a
//! channel would read markup.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::words::{self, Words};
use super::{Notice, Told};
use crate::clock::rfc3339;
use crate::config::{Channel, hex};

/// Names one notice to whoever receives it, however often it is sent.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Proves that a webhook comes from this gate, and when it was sent.
pub(crate) const SIGNATURE: &str = "wicketgate-signature";

/// A request that is to be posted.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) url: Url,
    /// Beside the content type. Values may be secret.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// The key of a notice: the same for each attempt, and another for each thing that is told.
pub(super) fn key(notice: &Notice) -> String {
    format!("{}-{}", notice.id, notice.event.word())
}

/// The request for a channel that is spoken to over HTTP; nothing for one that is not.
pub(super) fn outgoing(
    channel: &Channel,
    url: Url,
    secret: Option<&str>,
    (notice, console): (&Notice, &str),
    now_us: i64,
) -> Option<Outgoing> {
    let words = Words::of(notice, console);
    let plain = |url: Url, body: &Value| Outgoing { url, headers: Vec::new(), body: body.to_string() };
    match channel {
        Channel::Webhook => {
            let body = webhook(notice, console);
            let signature = signature(secret.unwrap_or_default(), now_us.div_euclid(1_000_000), &body);
            let headers = vec![(SIGNATURE, signature), (IDEMPOTENCY_KEY, key(notice))];
            Some(Outgoing { url, headers, body })
        }
        Channel::Slack => Some(plain(url, &slack(&words))),
        Channel::Teams => Some(plain(url, &teams(&words))),
        Channel::Discord => Some(plain(url, &discord(&words))),
        Channel::Ntfy => {
            let (server, body) = ntfy(url, &words, notice);
            let headers = secret.map(|token| ("authorization", format!("Bearer {token}")));
            Some(Outgoing { url: server, headers: headers.into_iter().collect(), body: body.to_string() })
        }
        Channel::Email { .. } => None,
    }
}

/// `t=<unix seconds>,v1=<hex>`: HMAC-SHA256 by the key over the seconds, a point, and the body.
pub(super) fn signature(key: &str, unix_s: i64, body: &str) -> String {
    // A key of any length is one (RFC 2104).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(format!("{unix_s}.{body}").as_bytes());
    format!("t={unix_s},v1={}", hex(&mac.finalize().into_bytes()))
}

/// What a webhook is told. Members are only ever added.
#[derive(Serialize)]
struct WebhookBody<'n> {
    version: u32,
    event: &'static str,
    outcome: Option<&'static str>,
    test: bool,
    id: &'n str,
    tenant: String,
    agent: String,
    user: String,
    server: String,
    action: String,
    grants: Vec<String>,
    reasons: Vec<String>,
    expires: String,
    decided_by: Option<String>,
    /// Which words of all that look like others, and why.
    look_twice: Option<String>,
    link: String,
}

/// How many grants and reasons a webhook is told.
const LIST_MAX: usize = 16;

fn webhook(notice: &Notice, console: &str) -> String {
    let list = |all: &[String]| all.iter().take(LIST_MAX).map(|one| words::reason(one)).collect();
    let told = WebhookBody {
        version: 1,
        event: notice.event.word(),
        outcome: notice.outcome.map(super::Outcome::word),
        test: notice.test,
        id: &notice.id,
        tenant: words::name(&notice.tenant),
        agent: words::name(&notice.agent),
        user: words::name(&notice.user),
        server: words::name(&notice.server),
        action: words::name(&notice.action),
        grants: list(&notice.grants),
        reasons: list(&notice.reasons),
        expires: rfc3339(notice.expires_us),
        decided_by: notice.decided_by.as_deref().map(words::name),
        look_twice: words::odd(notice),
        link: words::link(notice, console),
    };
    // Plain data of texts and numbers.
    serde_json::to_string(&told).unwrap_or_default()
}

/// Block Kit. `plain_text` and the elements of `rich_text` hold no markup; `text`, which notifications show and which is
/// read as markup, holds our own words alone.
fn slack(words: &Words) -> Value {
    let plain = |text: &str| json!({ "type": "plain_text", "text": text, "emoji": false });
    let link = json!({ "type": "link", "url": words.link, "text": "Open the request in the console" });
    json!({
        "text": words.title,
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [
            { "type": "header", "text": plain(&words.title) },
            { "type": "section", "text": plain(words.lines().trim_end()) },
            { "type": "rich_text", "elements": [{ "type": "rich_text_section", "elements": [link] }] },
        ],
    })
}

/// An Adaptive Card, as a workflow's "when a webhook request is received" takes it. Text runs hold no markup; text blocks
/// do, and hold our own words alone.
fn teams(words: &Words) -> Value {
    let run = |text: &str, bold: bool| json!({ "type": "TextRun", "text": text, "weight": if bold { "Bolder" } else { "Default" } });
    let title = json!({ "type": "TextBlock", "text": words.title, "weight": "Bolder", "size": "Medium", "wrap": true });
    let facts = words.facts.iter().map(|(label, value)| {
        json!({ "type": "RichTextBlock", "inlines": [run(&format!("{label}: "), true), run(value, false)] })
    });
    let body: Vec<Value> = std::iter::once(title).chain(facts).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
                "actions": [{ "type": "Action.OpenUrl", "title": "Open in the console", "url": words.link }],
            },
        }],
    })
}

/// Discord's flag that no link gets a preview.
const SUPPRESS_EMBEDS: u32 = 1 << 2;

/// Discord reads markup everywhere, so each mark of a name is escaped; and whatever is left mentions nobody.
fn discord(words: &Words) -> Value {
    let facts = words.facts.iter().map(|(label, value)| format!("{label}: {}\n", unmarked(value)));
    let content: String = std::iter::once(format!("**{}**\n", words.title)).chain(facts).collect();
    json!({
        "content": format!("{content}<{}>", words.link),
        "allowed_mentions": { "parse": [] },
        "flags": SUPPRESS_EMBEDS,
    })
}

/// Every mark of ASCII after a backslash, which Discord takes for the mark itself.
fn unmarked(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// ntfy takes JSON at its root, with the topic inside: nothing has to fit into a header. It reads no markup unless told to.
fn ntfy(mut url: Url, words: &Words, notice: &Notice) -> (Url, Value) {
    let last = url.path_segments().and_then(|mut all| all.next_back()).unwrap_or_default();
    let topic = percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop();
    }
    let priority = if notice.event == Told::Asked { 4 } else { 3 };
    let body = json!({
        "topic": topic,
        "title": words.title,
        "message": words.lines().trim_end(),
        "priority": priority,
        "click": words.link,
    });
    (url, body)
}
