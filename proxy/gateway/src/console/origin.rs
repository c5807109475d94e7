//! Where the console is reached, and whether a request comes from its own pages. A page of another origin may make a
//! browser send requests here; what it cannot do is lie about where they come from.

use std::net::SocketAddr;

use url::{Host, Url};

/// The console's place on the web.
#[derive(Debug)]
pub struct Origin {
    /// Scheme, host and port, as links are made of it.
    base: String,
    /// The name under which it is reached, where that is a name and no address.
    domain: Option<String>,
    secure: bool,
    /// Whether somebody said so, rather than that it follows from the listener.
    configured: bool,
}

/// What a request says of where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Provenance<'r> {
    /// `Host`, or the authority of the request's target.
    pub host: Option<&'r str>,
    /// `Origin`.
    pub origin: Option<&'r str>,
    /// `Sec-Fetch-Site`, which a browser writes and no page can.
    pub site: Option<&'r str>,
}

impl Origin {
    /// The console at a URL that was configured, else on the control listener's port of this machine. `localhost` rather than
    /// the address, because an address can have no passkeys.
    #[must_use]
    pub fn new(configured: Option<&Url>, control: SocketAddr) -> Self {
        let Some(url) = configured else {
            let (base, domain) = (format!("http://localhost:{}", control.port()), Some("localhost".to_owned()));
            return Self { base, domain, secure: false, configured: false };
        };
        let domain = match url.host() {
            Some(Host::Domain(name)) => Some(name.to_owned()),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => None,
        };
        let (base, secure) = (url.origin().ascii_serialization(), url.scheme() == "https");
        Self { base, domain, secure, configured: true }
    }

    /// As links are made of it: scheme, host and port, without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether it is reached over TLS, so that its cookie must not travel without.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The name under which it is reached, where that is a name and no address.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// Whether `Origin` names the console: as configured; else whatever this listener was called in the request, for its
    /// names are checked before.
    #[must_use]
    pub fn is_own(&self, origin: &str, host: Option<&str>) -> bool {
        if self.configured {
            return origin.eq_ignore_ascii_case(&self.base);
        }
        let authority = origin.strip_prefix("http://");
        authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host.trim()))
    }

    /// Whether a request proves that a page of the console sent it.
    #[must_use]
    pub fn sent(&self, request: Provenance<'_>) -> bool {
        match (request.origin, request.site) {
            (Some(origin), site) => self.is_own(origin, request.host) && matches!(site, None | Some("same-origin")),
            (None, site) => site == Some("same-origin"),
        }
    }

    /// Whether a request was sent by a page of somebody else's. A program that is no browser says neither.
    #[must_use]
    pub fn is_foreign(&self, request: Provenance<'_>) -> bool {
        let said = request.origin.is_some() || request.site.is_some_and(|site| site != "none");
        said && !self.sent(request)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn check(configured: Option<&str>, said: (&str, &str, &str), sent: bool, foreign: bool) {
        let url = configured.map(|url| Url::parse(url).unwrap());
        let origin = Origin::new(url.as_ref(), "127.0.0.1:8641".parse().unwrap());
        let some = |text| (text != "-").then_some(text);
        let (host, from, site) = said;
        let request = Provenance { host: Some(host), origin: some(from), site: some(site) };
        assert_eq!((origin.sent(request), origin.is_foreign(request)), (sent, foreign), "{configured:?} {said:?}");
    }

    #[test]
    fn a_page_of_the_console_is_told_from_any_other() {
        let here = "localhost:8641";
        for (said, sent, foreign) in [
            ((here, "http://localhost:8641", "same-origin"), true, false),
            ((here, "http://localhost:8641", "-"), true, false),
            ((here, "-", "same-origin"), true, false),
            (("127.0.0.1:8641", "http://127.0.0.1:8641", "same-origin"), true, false),
            // Another port of this machine is another origin.
            ((here, "http://localhost:3000", "same-site"), false, true),
            ((here, "http://localhost:3000", "-"), false, true),
            ((here, "https://localhost:8641", "-"), false, true),
            ((here, "http://evil.example", "cross-site"), false, true),
            ((here, "null", "cross-site"), false, true),
            ((here, "-", "same-site"), false, true),
            ((here, "-", "cross-site"), false, true),
            ((here, "http://localhost:8641", "cross-site"), false, true),
            // No page: a program, or an address that was typed.
            ((here, "-", "-"), false, false),
            ((here, "-", "none"), false, false),
        ] {
            check(None, said, sent, foreign);
        }
        let there = Some("https://gate.example/");
        for (said, sent, foreign) in [
            (("gate.example", "https://gate.example", "same-origin"), true, false),
            (("10.0.0.1:8641", "https://gate.example", "same-origin"), true, false),
            (("gate.example", "http://gate.example", "-"), false, true),
            (("localhost:8641", "http://localhost:8641", "-"), false, true),
        ] {
            check(there, said, sent, foreign);
        }
    }

    #[test]
    fn it_is_on_this_machine_unless_somebody_says_where() {
        let here = Origin::new(None, "0.0.0.0:9000".parse().unwrap());
        assert_eq!((here.base(), here.is_secure(), here.domain()), ("http://localhost:9000", false, Some("localhost")));
        let there = Origin::new(Some(&Url::parse("https://192.0.2.7:8641/").unwrap()), "0.0.0.0:9000".parse().unwrap());
        assert_eq!((there.base(), there.is_secure(), there.domain()), ("https://192.0.2.7:8641", true, None));
    }
}
