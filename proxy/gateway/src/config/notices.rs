//! `[[notices]]`: where people are told that something waits for them. As written, and given meaning.
//!
//! A URL can be a secret, so it may stand in a variable or a file; what stands there is read when a notice is sent, not here.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use pdp::fault::{Fault, SourceFile};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use url::Url;

use crate::notices::{Told, reach};

/// How many there may be: each holds a queue of its own.
const NOTICES_MAX: usize = 32;

/// Where people are told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticeTable {
    /// What is spoken there: `webhook`, `slack`, `teams` (a workflow's URL), `discord`, `ntfy` or `email`.
    #[schemars(with = "String", regex(pattern = "^(webhook|slack|teams|discord|ntfy|email)$"))]
    kind: Spanned<String>,
    /// What the ledger and the log call it; the kind and its place in the file unless said.
    #[schemars(with = "Option<String>")]
    name: Option<Spanned<String>>,
    /// The URL: `https://...`, an ntfy topic's, or for e-mail `smtps://user@host` or `smtp://user@host:587`. Say one of `url`,
    /// `url_env` and `url_file`.
    #[schemars(with = "Option<String>")]
    url: Option<Spanned<String>>,
    /// The variable that holds the URL, where that is a secret, as those of Slack, Teams and Discord are.
    url_env: Option<String>,
    /// The file that holds the URL, relative to this one.
    url_file: Option<String>,
    /// The variable that holds the key of a webhook's signature, the access token of ntfy, or the password of e-mail.
    secret_env: Option<String>,
    /// The file that holds it, relative to this one.
    secret_file: Option<String>,
    /// Only requests that need one of these grants; all unless said.
    #[serde(default)]
    grants: BTreeSet<String>,
    /// Only requests of these tenants; all unless said.
    #[serde(default)]
    tenants: BTreeSet<String>,
    /// What is told: `asked`, `decided`, `expired`; all unless said.
    #[schemars(with = "Option<Vec<String>>")]
    events: Option<Vec<Spanned<String>>>,
    /// Whether the URL may lead to this machine or into a private network, and there also over plain HTTP. Without it no
    /// such address is spoken to, whatever a name resolves to.
    #[serde(default)]
    private: bool,
    /// E-mail: whom it comes from.
    #[schemars(with = "Option<String>")]
    from: Option<Spanned<String>>,
    /// E-mail: whom it goes to.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    to: Vec<Spanned<String>>,
}

/// Where people are told, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRule {
    /// What the ledger and the log call it.
    pub name: String,
    /// What is spoken there.
    pub channel: Channel,
    /// Where its URL stands.
    pub url: Place,
    /// Where its key, token or password stands.
    pub secret: Option<Place>,
    /// Only requests that need one of these; empty means all.
    pub grants: BTreeSet<String>,
    /// Only requests of these; empty means all.
    pub tenants: BTreeSet<String>,
    /// What is told.
    pub events: BTreeSet<Told>,
    /// Whether it may lead into a private network.
    pub private: bool,
}

/// What is spoken to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// Signed JSON for programs.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
    /// A workflow of Teams that posts an Adaptive Card.
    Teams,
    /// A webhook of Discord.
    Discord,
    /// A topic of ntfy.
    Ntfy,
    /// E-mail over SMTP.
    Email {
        /// Whom it comes from.
        from: Box<Mailbox>,
        /// Whom it goes to.
        to: Vec<Mailbox>,
    },
}

/// Where something stands that may be secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// In the configuration itself.
    Here(String),
    /// In a variable.
    Variable(String),
    /// In a file.
    File(PathBuf),
}

impl fmt::Debug for Place {
    /// What stands in the configuration may be secret too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here(..)"),
            Self::Variable(name) => write!(f, "Variable({name})"),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

/// Every channel that was written. `base` is where relative paths begin.
pub(super) fn meant(
    file: &SourceFile,
    base: &Path,
    written: &[Spanned<NoticeTable>],
    faults: &mut Vec<Fault>,
) -> Vec<NoticeRule> {
    if let Some(beyond) = written.get(NOTICES_MAX) {
        let words = format!("there are {} notices", written.len());
        faults.push(Fault::at(file, beyond.span().start, words, format!("at most {NOTICES_MAX}")));
    }
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for (n, table) in written.iter().enumerate() {
        let mut reading = Reading { file, base, at: table.span().start, faults };
        let rule = reading.rule(table.get_ref(), n + 1);
        if let Some(rule) = rule.filter(|rule| reading.is_new(&rule.name, &mut names)) {
            out.push(rule);
        }
    }
    out
}

/// One table, being read.
struct Reading<'r> {
    file: &'r SourceFile,
    base: &'r Path,
    /// Where it begins.
    at: usize,
    faults: &'r mut Vec<Fault>,
}

impl Reading<'_> {
    fn fault(&mut self, at: Option<usize>, words: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(Fault::at(self.file, at.unwrap_or(self.at), words, remedy));
    }

    fn is_new(&mut self, name: &str, names: &mut BTreeSet<String>) -> bool {
        let new = names.insert(name.to_owned());
        if !new {
            self.fault(None, format!("two notices are called `{name}`"), "give one of them another `name`");
        }
        new
    }

    fn rule(&mut self, table: &NoticeTable, nth: usize) -> Option<NoticeRule> {
        let channel = self.channel(table);
        let url = self.url(table, channel.as_ref());
        let secret = self.secret(table);
        if let Some(channel) = &channel {
            self.fits(channel, secret.is_some());
        }
        let events = self.events(table);
        let given = table.name.as_ref().map(|name| name.get_ref().trim().to_owned());
        if given.as_ref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
            self.fault(table.name.as_ref().map(|name| name.span().start), "a name needs letters", "");
        }
        Some(NoticeRule {
            name: given.unwrap_or_else(|| format!("{} {nth}", table.kind.get_ref())),
            channel: channel?,
            url: url?,
            secret,
            grants: table.grants.clone(),
            tenants: table.tenants.clone(),
            events,
            private: table.private,
        })
    }

    fn channel(&mut self, table: &NoticeTable) -> Option<Channel> {
        let kind = table.kind.get_ref().as_str();
        if kind != "email" && (table.from.is_some() || !table.to.is_empty()) {
            self.fault(None, "`from` and `to` are of e-mail", "leave them away");
        }
        match kind {
            "webhook" => Some(Channel::Webhook),
            "slack" => Some(Channel::Slack),
            "teams" => Some(Channel::Teams),
            "discord" => Some(Channel::Discord),
            "ntfy" => Some(Channel::Ntfy),
            "email" => self.email(table),
            other => {
                let words = format!("`{other}` is no kind of notice");
                self.fault(Some(table.kind.span().start), words, "use webhook, slack, teams, discord, ntfy or email");
                None
            }
        }
    }

    fn email(&mut self, table: &NoticeTable) -> Option<Channel> {
        if table.from.is_none() || table.to.is_empty() {
            self.fault(None, "e-mail needs `from` and `to`", "write addresses, such as gate@example.org");
        }
        let mut mailbox = |written: &Spanned<String>| match written.get_ref().parse::<Mailbox>() {
            Ok(mailbox) => Some(mailbox),
            Err(_) => {
                let words = format!("`{}` is no e-mail address", written.get_ref());
                self.fault(Some(written.span().start), words, "write one, such as gate@example.org");
                None
            }
        };
        let from = table.from.as_ref().and_then(&mut mailbox);
        let to: Vec<Mailbox> = table.to.iter().filter_map(mailbox).collect();
        Some(Channel::Email { from: Box::new(from?), to })
    }

    fn url(&mut self, table: &NoticeTable, channel: Option<&Channel>) -> Option<Place> {
        let given = [table.url.is_some(), table.url_env.is_some(), table.url_file.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            self.fault(None, "it needs one URL", "say one of `url`, `url_env` and `url_file`");
            return None;
        }
        if let Some(written) = &table.url {
            let at = Some(written.span().start);
            // The words do not repeat it: it may be a secret.
            match Url::parse(written.get_ref()) {
                Err(e) => self.fault(at, format!("the URL cannot be read: {e}"), ""),
                Ok(url) => {
                    if let Some(Err(words)) = channel.map(|channel| reach::fits(channel, &url, table.private)) {
                        self.fault(at, words, "");
                    }
                }
            }
        }
        let here = table.url.as_ref().map(|written| Place::Here(written.get_ref().clone()));
        here.or_else(|| self.place(table.url_env.as_ref(), table.url_file.as_ref()))
    }

    fn secret(&mut self, table: &NoticeTable) -> Option<Place> {
        if table.secret_env.is_some() && table.secret_file.is_some() {
            self.fault(None, "`secret_env` and `secret_file` are both given", "say one of them");
        }
        self.place(table.secret_env.as_ref(), table.secret_file.as_ref())
    }

    fn place(&self, variable: Option<&String>, file: Option<&String>) -> Option<Place> {
        let file = file.map(|path| Place::File(self.base.join(path)));
        variable.map(|name| Place::Variable(name.clone())).or(file)
    }

    fn fits(&mut self, channel: &Channel, secret: bool) {
        match channel {
            Channel::Webhook if !secret => {
                let remedy =
                    "say `secret_env` or `secret_file`: what receives it must be able to tell it from a forged one";
                self.fault(None, "a webhook needs a key to be signed with", remedy);
            }
            Channel::Slack | Channel::Teams | Channel::Discord if secret => {
                self.fault(None, "there is no secret beside the URL here", "leave `secret_env` and `secret_file` away");
            }
            Channel::Webhook
            | Channel::Slack
            | Channel::Teams
            | Channel::Discord
            | Channel::Ntfy
            | Channel::Email { .. } => {}
        }
    }

    fn events(&mut self, table: &NoticeTable) -> BTreeSet<Told> {
        let Some(written) = &table.events else { return Told::ALL.into_iter().collect() };
        if written.is_empty() {
            self.fault(None, "`events` is empty: nothing would be told", "leave it away, or the whole table");
        }
        let mut out = BTreeSet::new();
        for word in written {
            match Told::ALL.into_iter().find(|told| told.word() == word.get_ref()) {
                Some(told) => {
                    out.insert(told);
                }
                None => {
                    let words = format!("`{}` is nothing that is told", word.get_ref());
                    self.fault(Some(word.span().start), words, "use asked, decided and expired");
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use crate::config::{Config, Overrides};

    fn meant(text: &str) -> Result<Vec<NoticeRule>, Vec<String>> {
        let file = SourceFile { path: "gate.toml".into(), text: text.into() };
        let config = Config::meant(&file, Path::new("/etc/gate"), &Overrides::default());
        config.map(|config| config.notices).map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_written_is_meant() {
        let text = r#"
[[notices]]
kind = "slack"
url_env = "SLACK_URL"
grants = ["security"]
events = ["asked"]

[[notices]]
kind = "email"
name = "ops"
url = "smtps://gate@mail.example"
secret_file = "mail.password"
from = "Gate <gate@mail.example>"
to = ["ops@mail.example", "sec@mail.example"]
"#;
        let rules = meant(text).unwrap();
        assert_eq!((rules[0].name.as_str(), &rules[0].channel), ("slack 1", &Channel::Slack));
        assert_eq!(rules[0].events, [Told::Asked].into());
        assert_eq!(rules[0].url, Place::Variable("SLACK_URL".to_owned()));
        assert_eq!(rules[1].secret, Some(Place::File("/etc/gate/mail.password".into())));
        assert_eq!((rules[1].name.as_str(), rules[1].events.len()), ("ops", 3));
        assert!(!format!("{rules:?}").contains("smtps://"), "a URL is never printed");
    }

    #[test]
    fn every_fault_is_told_with_its_line_and_no_secret() {
        let text = r#"
[[notices]]
kind = "pager"
url = "https://x.example"
[[notices]]
kind = "webhook"
url = "http://hooks.example/T0/secret"
events = ["asked", "done"]
[[notices]]
kind = "email"
url_env = "A"
url_file = "b"
from = "nobody"
[[notices]]
kind = "slack"
url = "https://10.0.0.7/T0/secret"
secret_env = "KEY"
name = "one"
[[notices]]
kind = "ntfy"
url = "https://ntfy.example/"
to = ["a@b.example"]
[[notices]]
kind = "discord"
url_env = "D"
name = "two"
[[notices]]
kind = "teams"
url_env = "T"
name = "two"
"#;
        let told = meant(text).unwrap_err();
        let all = told.join("\n");
        for part in [
            "gate.toml:3:8: `pager` is no kind of notice",
            "gate.toml:7:7: plain HTTP",
            "gate.toml:5:1: a webhook needs a key",
            "gate.toml:8:20: `done` is nothing that is told",
            "gate.toml:9:1: e-mail needs `from` and `to`",
            "gate.toml:13:8: `nobody` is no e-mail address",
            "gate.toml:9:1: it needs one URL",
            "gate.toml:16:7: it leads into a private network",
            "gate.toml:14:1: there is no secret beside the URL here",
            "gate.toml:21:7: the URL names no topic",
            "gate.toml:19:1: `from` and `to` are of e-mail",
            "gate.toml:27:1: two notices are called `two`",
        ] {
            assert!(all.contains(part), "{part}\n\n{all}");
        }
        assert_eq!(told.len(), 12, "{all}");
        assert!(!all.contains("secret\n") && !all.contains("/T0/"), "{all}");
    }
}
