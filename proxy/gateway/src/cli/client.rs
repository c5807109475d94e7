//! A running gate's control API, as the command line speaks it: a token, JSON, and refusals as words.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::config::Config;
use crate::story::visible;

/// How long a gate may take: a large bundle is built and written meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// How the control API is reached, beside its address.
#[derive(Debug, Clone, Args)]
pub(super) struct Credential {
    /// A token of the control API; better given in the environment, where other users of the machine do not see it
    #[arg(long, value_name = "TOKEN", env = "WICKETGATE_OPERATOR_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// How long a stream may last: it is opened again then.
const STREAM_MAX: Duration = Duration::from_secs(24 * 3600);

/// Why a gate did not do what it was asked.
#[derive(Debug)]
pub(super) struct Refused {
    /// The status of its answer; 0 where there was none.
    pub(super) status: u16,
    /// What it calls the reason.
    pub(super) code: String,
    /// What it says.
    pub(super) words: String,
}

impl Refused {
    fn unreached(root: &str, words: &str) -> Self {
        Self { status: 0, code: String::new(), words: format!("no gate answers at {root}: {words}") }
    }
}

/// A gate.
pub(super) struct Gate {
    root: String,
    token: String,
    client: reqwest::Client,
}

impl Gate {
    /// The gate that the configuration names.
    pub(super) fn of(config: &Config, credential: &Credential) -> Result<Self, String> {
        let token = credential.token.clone().filter(|token| !token.is_empty()).ok_or(
            "a token is needed: set WICKETGATE_OPERATOR_TOKEN to that of a principal with a role on the control API",
        )?;
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().map_err(|e| e.to_string())?;
        Ok(Self { root: format!("http://{}", reachable(config.control)), token, client })
    }

    /// `GET`.
    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        self.answer(self.client.get(self.url(path))).await
    }

    /// `POST` of a JSON value.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.answer(self.client.post(self.url(path)).json(body)).await
    }

    /// `DELETE`.
    pub(super) async fn delete(&self, path: &str) -> Result<Value, String> {
        self.answer(self.client.delete(self.url(path))).await
    }

    /// `DELETE` of what a query names.
    pub(super) async fn delete_of(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let mut url = url::Url::parse(&self.url(path)).map_err(|e| e.to_string())?;
        url.query_pairs_mut().extend_pairs(query);
        self.answer(self.client.delete(url)).await
    }

    /// The files of a snapshot, by path.
    pub(super) async fn files(&self, digest: &str) -> Result<BTreeMap<String, String>, String> {
        let answer = self.get(&format!("/v1/snapshots/{digest}")).await?;
        serde_json::from_value(answer.get("files").cloned().unwrap_or_default()).map_err(|e| e.to_string())
    }

    /// The request for a stream of events that lasts; nothing but silence ends it.
    pub(super) fn stream(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(self.url(path)).bearer_auth(&self.token).timeout(STREAM_MAX)
    }

    /// Asks, and tells a refusal apart from a gate that cannot be asked.
    pub(super) async fn asked(&self, path: &str, body: Option<&Value>) -> Result<Value, Refused> {
        let request = match body {
            Some(body) => self.client.post(self.url(path)).json(body),
            None => self.client.get(self.url(path)),
        };
        let answer = request.bearer_auth(&self.token).send().await;
        let answer = answer.map_err(|e| Refused::unreached(&self.root, &e.without_url().to_string()))?;
        let status = answer.status();
        let body = answer.json::<Value>().await;
        let body =
            body.map_err(|_| Refused::unreached(&self.root, &format!("it answers HTTP {status}, and no JSON")))?;
        if status.is_success() {
            return Ok(body);
        }
        let code = body.pointer("/error/code").and_then(Value::as_str).map(visible::text).unwrap_or_default();
        Err(Refused { status: status.as_u16(), code, words: refusal(&body, status.as_u16()) })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value, String> {
        let unreached = |e: reqwest::Error| format!("no gate answers at {}: {}", self.root, e.without_url());
        let answer = request.bearer_auth(&self.token).send().await.map_err(unreached)?;
        let good = answer.status().is_success();
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|_| format!("the gate answers HTTP {status}, and no JSON"))?;
        if good { Ok(body) } else { Err(refusal(&body, status.as_u16())) }
    }
}

/// An address that listens everywhere is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What a refusal says, faults one below the other.
fn refusal(body: &Value, status: u16) -> String {
    if let Some(faults) = body.get("faults").and_then(Value::as_array) {
        let told: Vec<String> = faults.iter().map(fault).collect();
        return format!("{} {}:\n{}", told.len(), if told.len() == 1 { "fault" } else { "faults" }, told.join("\n"));
    }
    match body.pointer("/error/message").and_then(Value::as_str) {
        Some(words) => lines(words),
        None => format!("the gate answers HTTP {status}"),
    }
}

/// A fault as the gate's own command line shows it.
fn fault(value: &Value) -> String {
    let number = |name: &str| value.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fault = pdp::fault::Fault {
        file: text("file"),
        line: number("line").unwrap_or_default(),
        column: number("column").unwrap_or_default(),
        length: number("length").unwrap_or_default(),
        message: text("message"),
        remedy: text("remedy"),
    };
    lines(&fault.to_string())
}

fn lines(words: &str) -> String {
    words.lines().map(visible::text).collect::<Vec<_>>().join("\n")
}
