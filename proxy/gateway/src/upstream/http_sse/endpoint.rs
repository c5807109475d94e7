//! Where an HTTP+SSE server wants its messages posted: a URL that must not lead away from the server. Pure.

use url::Url;

/// Why an `endpoint` event is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndpointFault {
    /// It is no URL.
    #[error("its `endpoint` event names no URL")]
    NoUrl,
    /// It leads to another scheme, host or port: messages and the credential would go to a stranger.
    #[error("its `endpoint` event leads to another origin, {0}; messages are only sent to {1}")]
    Stranger(String, String),
}

/// The URL that messages are posted to: `named` is what the event said, absolute or relative to the stream's `url` (MCP
/// 2024-11-05, transports, HTTP with SSE). It must have the stream's own origin (RFC 6454).
///
/// # Errors
/// When it is no URL, or another origin's. The words hold no path and no query, either of which may be a secret.
pub(crate) fn endpoint(url: &str, named: &str) -> Result<Url, EndpointFault> {
    let base = Url::parse(url).map_err(|_| EndpointFault::NoUrl)?;
    let mut endpoint = base.join(named.trim()).map_err(|_| EndpointFault::NoUrl)?;
    // An opaque origin (`data:`, `file:`) equals nothing, not even itself.
    if endpoint.origin() != base.origin() {
        let shown = |url: &Url| url.origin().ascii_serialization();
        return Err(EndpointFault::Stranger(shown(&endpoint), shown(&base)));
    }
    endpoint.set_fragment(None);
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn check(named: &str) -> Result<String, EndpointFault> {
        endpoint("https://tools.example:8443/a/sse?x=1", named).map(String::from)
    }

    #[test]
    fn an_endpoint_is_read_relative_to_the_stream() {
        for (named, want) in [
            ("/messages?session=1", "https://tools.example:8443/messages?session=1"),
            ("messages", "https://tools.example:8443/a/messages"),
            ("?session=1", "https://tools.example:8443/a/sse?session=1"),
            (" https://tools.example:8443/b#here ", "https://tools.example:8443/b"),
            ("HTTPS://TOOLS.EXAMPLE:8443/b", "https://tools.example:8443/b"),
            ("//tools.example:8443/b", "https://tools.example:8443/b"),
        ] {
            assert_eq!(check(named).as_deref(), Ok(want), "{named}");
        }
        assert_eq!(endpoint("http://a:80/s", "http://a/b").map(String::from).as_deref(), Ok("http://a/b"));
    }

    #[test]
    fn an_endpoint_of_another_origin_is_refused() {
        for named in [
            "http://tools.example:8443/messages",
            "https://tools.example/messages",
            "https://tools.example:8444/messages",
            "https://other.example:8443/messages",
            "//other.example/messages",
            "\\\\other.example\\messages",
            "https://tools.example:8443@other.example/messages",
            "https://tools.example.:8443/messages",
            "file:///etc/passwd",
            "data:text/plain,x",
            "javascript:alert(1)",
        ] {
            assert!(matches!(check(named), Err(EndpointFault::Stranger(..))), "{named}: {:?}", check(named));
        }
        assert_eq!(check("https://"), Err(EndpointFault::NoUrl));
        assert_eq!(check("http://[::1"), Err(EndpointFault::NoUrl));
        let words = check("https://other.example/messages?token=hush").unwrap_err().to_string();
        assert!(!words.contains("hush") && words.contains("https://other.example"), "{words}");
    }
}
