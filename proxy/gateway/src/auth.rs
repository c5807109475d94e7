//! Who comes: bearer tokens, kept as digests; failures counted per address; `Host` and `Origin` checked.
//!
//! Only a credential that is presented can fail. Clients ask without one first, to learn how they are to authenticate (Codex
//! does so each time it lists its servers); who guesses nothing is held up by no limit.
//!
//! Tokens are random and long, so a plain SHA-256 keeps them (there is no dictionary to try), and looking a digest up in
//! a map tells an attacker nothing of the token. No token is ever logged, but once when the gate has just made it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use pdp::principal::{Principal, tenant_of};
use pdp::refusal::{Code, Refusal};
use sha2::{Digest as _, Sha256};

use crate::config::{Known, Role};

/// Everybody who may come.
#[derive(Debug)]
pub struct Doorkeeper {
    known: HashMap<[u8; 32], (Arc<Principal>, Option<Role>)>,
    failures: Mutex<HashMap<IpAddr, Window>>,
    failures_max: u32,
}

/// The failures of one address within a minute.
#[derive(Debug, Clone, Copy)]
struct Window {
    began_us: i64,
    count: u32,
}

/// How many addresses are remembered. Beyond it the oldest are forgotten, which can only forgive.
const ADDRESSES_MAX: usize = 10_000;
const MINUTE_US: i64 = 60_000_000;
/// What is said past the limit of failures.
const TOO_MANY: &str = "too many failed credentials from this address; wait a minute";

/// Somebody who proved who they are.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Who.
    pub principal: Arc<Principal>,
    /// What they may do on the control plane.
    pub role: Option<Role>,
}

impl Visitor {
    /// Whether what belongs to a tenant is theirs to see. What is not is answered as if it were not there.
    #[must_use]
    pub fn sees(&self, tenant: &str) -> bool {
        self.principal.tenant == tenant
    }

    /// Whether what belongs to a principal is theirs to see, by its key: `tenant/agent`.
    #[must_use]
    pub fn sees_key(&self, key: &str) -> bool {
        tenant_of(key).is_some_and(|tenant| self.sees(tenant))
    }

    /// The key of a principal as people name it: `tenant/agent`, or the agent alone in their own tenant.
    #[must_use]
    pub fn key_named(&self, name: &str) -> String {
        if name.contains('/') { name.to_owned() } else { format!("{}/{name}", self.principal.tenant) }
    }
}

impl Doorkeeper {
    /// A keeper who knows these.
    #[must_use]
    pub fn new(known: Vec<Known>, failures_max: u32) -> Self {
        let known = known.into_iter().map(|k| (k.token_sha256, (Arc::new(k.principal), k.role))).collect();
        Self { known, failures: Mutex::default(), failures_max }
    }

    /// Who presents this `Authorization` header.
    ///
    /// # Errors
    /// When nobody is known by it. Past the limit of failures the answer is another: slow down.
    pub fn admit(&self, authorization: Option<&str>, address: IpAddr, now_us: i64) -> Result<Visitor, Refusal> {
        let needed = "a bearer token is needed: `Authorization: Bearer <token>`";
        let Some(authorization) = authorization else {
            return Err(Refusal::new(Code::Unauthenticated, needed));
        };
        let token = bearer(authorization);
        if let Some((principal, role)) = token.and_then(|t| self.known.get(&token_digest(t))) {
            return Ok(Visitor { principal: Arc::clone(principal), role: *role });
        }
        let words = match token {
            Some(_) => "the bearer token is not known here",
            None => needed,
        };
        Err(self.failed(address, now_us, Refusal::new(Code::Unauthenticated, words)))
    }

    /// Counts a credential of another kind that was refused to this address, such as a task's token.
    pub(crate) fn failed(&self, address: IpAddr, now_us: i64, refused: Refusal) -> Refusal {
        let count = self.count_failure(address, now_us);
        if count > self.failures_max {
            return Refusal::new(Code::TooManyFailures, TOO_MANY);
        }
        tracing::warn!(%address, "a credential was refused ({count} within this minute)");
        refused
    }

    /// The agent of this name: `tenant/agent`, or the agent's name alone in this tenant. One of another tenant is nobody.
    #[must_use]
    pub fn agent(&self, of: &str, name: &str) -> Option<Arc<Principal>> {
        let (tenant, agent) = name.split_once('/').unwrap_or((of, name));
        if tenant != of {
            return None;
        }
        let named = |one: &&Arc<Principal>| one.tenant == tenant && one.agent == agent;
        self.known.values().map(|(principal, _)| principal).find(named).map(Arc::clone)
    }

    /// Everybody of a tenant who may come, by name.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Vec<Principal> {
        let own = self.known.values().map(|(principal, _)| principal).filter(|one| one.tenant == tenant);
        let mut own: Vec<Principal> = own.map(|one| (**one).clone()).collect();
        own.sort_by(|a, b| a.agent.cmp(&b.agent));
        own
    }

    fn count_failure(&self, address: IpAddr, now_us: i64) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, window| now_us - window.began_us < MINUTE_US);
        if failures.len() >= ADDRESSES_MAX {
            failures.clear();
        }
        let window = failures.entry(address).or_insert(Window { began_us: now_us, count: 0 });
        window.count = window.count.saturating_add(1);
        window.count
    }
}

/// The token of `Bearer <token>` (RFC 6750, section 2.1; the scheme's case does not matter).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim())
}

/// The digest a token is kept as.
#[must_use]
pub fn token_digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Checks `Host` and `Origin`, so that a page in a browser cannot reach the gate under another name (DNS rebinding).
#[derive(Debug)]
pub struct Borders {
    hosts: BTreeSet<String>,
    origins: BTreeSet<String>,
    loopback: bool,
}

impl Borders {
    /// Borders for a listener at `address`, with further names and origins as configured.
    #[must_use]
    pub fn new(address: std::net::SocketAddr, hosts: &BTreeSet<String>, origins: &BTreeSet<String>) -> Self {
        let mut all: BTreeSet<String> = hosts.iter().map(|h| h.to_ascii_lowercase()).collect();
        all.insert(address.ip().to_string());
        // Nobody else can make these names lead here, so they are safe under any address.
        all.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        let origins = origins.iter().map(|o| o.to_ascii_lowercase()).collect();
        Self { hosts: all, origins, loopback: address.ip().is_loopback() }
    }

    /// Whether a request with these headers may come in.
    ///
    /// # Errors
    /// With what was wrong.
    pub fn check(&self, host: Option<&str>, origin: Option<&str>) -> Result<(), Refusal> {
        let named = host.map(host_name).unwrap_or_default();
        if !self.hosts.contains(&named) {
            let words = "`Host` is not a name of this gate; add it to `allowed_hosts` if it should be";
            return Err(Refusal::new(Code::HostRefused, words));
        }
        match origin {
            None => Ok(()),
            Some(origin) if self.origins.contains(&origin.to_ascii_lowercase()) => Ok(()),
            // Local tools with a page of their own, such as the MCP Inspector, come from another port of this machine.
            Some(origin) if self.loopback && is_loopback(origin) => Ok(()),
            Some(_) => {
                let words = "`Origin` is not allowed; add it to `allowed_origins` if it should be";
                Err(Refusal::new(Code::OriginRefused, words))
            }
        }
    }
}

/// Whether an origin is a page of this very machine.
fn is_loopback(origin: &str) -> bool {
    let host = origin.split_once("://").map(|(_, rest)| host_name(rest)).unwrap_or_default();
    ["localhost", "127.0.0.1", "::1"].contains(&host.as_str())
}

/// A host without its port, in lower case; IPv6 without brackets.
fn host_name(host: &str) -> String {
    let host = host.trim().to_ascii_lowercase();
    if let Some(rest) = host.strip_prefix('[') {
        // What follows the bracket is a port or nothing; anything else is no host at all.
        let port = |text: &str| {
            text.is_empty() || text.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
        };
        return rest
            .split_once(']')
            .filter(|(_, after)| port(after))
            .map_or_else(String::new, |(name, _)| name.to_owned());
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':') => name.to_owned(),
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn keeper() -> Doorkeeper {
        let principal = Principal {
            agent: "a".into(),
            teams: vec![],
            user: String::new(),
            tenant: "default".into(),
            method: "token".into(),
        };
        Doorkeeper::new(vec![Known { principal, role: None, token_sha256: token_digest("good") }], 5)
    }

    #[test]
    fn five_failures_a_minute_are_told_apart_from_more_and_a_good_token_always_passes() {
        let keeper = keeper();
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let code = |at| keeper.admit(Some("Bearer bad"), here, at).unwrap_err().code;
        for _ in 0..5 {
            assert_eq!(code(0), Code::Unauthenticated);
        }
        assert_eq!(code(1), Code::TooManyFailures);
        assert_eq!(keeper.admit(Some("bearer good"), here, 2).unwrap().principal.agent, "a");
        assert_eq!(keeper.admit(None, "10.0.0.1".parse().unwrap(), 2).unwrap_err().code, Code::Unauthenticated);
        assert_eq!(code(MINUTE_US + 1), Code::Unauthenticated);
    }

    #[test]
    fn who_presents_no_credential_has_failed_with_none() {
        let keeper = keeper();
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let code = |header| keeper.admit(header, here, 0).unwrap_err().code;
        for _ in 0..50 {
            assert_eq!(code(None), Code::Unauthenticated);
        }
        // Something that is no bearer token was presented all the same.
        for header in ["Basic abc", "Bearer ", "abc", "Bearer bad", "Bearer bad"] {
            assert_eq!(code(Some(header)), Code::Unauthenticated, "{header}");
        }
        assert_eq!(code(Some("Bearer bad")), Code::TooManyFailures);
        assert_eq!(code(None), Code::Unauthenticated);
    }

    #[test]
    fn only_our_own_names_and_allowed_origins_come_in() {
        let borders = Borders::new(
            "127.0.0.1:8640".parse().unwrap(),
            &BTreeSet::from(["Gate.example".into()]),
            &BTreeSet::from(["https://ui.example".into()]),
        );
        for host in ["localhost:8640", "127.0.0.1", "[::1]:8640", "gate.example:443", "LOCALHOST"] {
            assert_eq!(borders.check(Some(host), None), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "", "127.0.0.1.nip.io:8640", "[::1].evil.example"] {
            assert_eq!(borders.check(Some(host), None).unwrap_err().code, Code::HostRefused, "{host}");
        }
        assert_eq!(borders.check(None, None).unwrap_err().code, Code::HostRefused);
        for origin in ["https://ui.example", "http://localhost:6274", "http://[::1]:1"] {
            assert_eq!(borders.check(Some("localhost"), Some(origin)), Ok(()), "{origin}");
        }
        for origin in ["http://evil.example", "null", "http://localhost.evil.example", "localhost"] {
            assert_eq!(
                borders.check(Some("localhost"), Some(origin)).unwrap_err().code,
                Code::OriginRefused,
                "{origin}"
            );
        }
    }
}
