//! Canonical forms of paths, URLs and hosts, so that `like` in a policy means what it seems to mean.
//!
//! `like "/data/*"` matches `/data/../etc/passwd`. Policies therefore match on `context.args_canonical`, where dot
//! segments are resolved, and the raw value stays beside it. The form is lexical: links are the server's to follow.

/// The canonical form of one string argument. `host` says that the argument names a host.
pub(super) fn canonical(text: &str, host: bool) -> String {
    if host {
        return text.trim().trim_end_matches('.').to_ascii_lowercase();
    }
    if text.contains("://")
        && let Ok(url) = url::Url::parse(text.trim())
    {
        return url.to_string();
    }
    if text.contains('/') || text == "." || text == ".." {
        return path(text);
    }
    text.to_owned()
}

/// The host a URL leads to, as a browser reads it (WHATWG URL): lower case, IDNA in ASCII. Nothing where it leads to none,
/// so a policy that allows some hosts denies what it cannot place.
pub(super) fn host(text: &str) -> String {
    let url = url::Url::parse(text).ok();
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Resolves `.`, `..` and doubled slashes. `..` never climbs above an absolute path's root; in a relative path it stays.
fn path(text: &str) -> String {
    let absolute = text.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if absolute => {}
            other => kept.push(other),
        }
    }
    let joined = kept.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_cannot_hide_where_a_path_leads() {
        for (raw, want) in [
            ("/data/../etc/passwd", "/etc/passwd"),
            ("/data//a/./b", "/data/a/b"),
            ("/../../x", "/x"),
            ("a/../../b", "../b"),
            ("./", "."),
            ("..", ".."),
            ("plain words", "plain words"),
            ("HTTPS://Example.COM:443/a/../b?q=1", "https://example.com/b?q=1"),
            ("file:///data/%2e%2e/etc", "file:///etc"),
        ] {
            assert_eq!(canonical(raw, false), want, "{raw}");
        }
        assert_eq!(canonical("API.Example.COM.", true), "api.example.com");
    }

    #[test]
    fn a_host_is_the_one_a_browser_would_open() {
        for (url, want) in [
            ("https://Example.COM./x", "example.com"),
            ("https:evil.example/x", "evil.example"),
            ("https:\\\\evil.example\\x", "evil.example"),
            (" https://user@evil.example:8443/?a=good.example", "evil.example"),
            ("https://bücher.example/", "xn--bcher-kva.example"),
            ("file:///etc/passwd", ""),
            ("good.example", ""),
            ("", ""),
        ] {
            assert_eq!(host(url), want, "{url}");
        }
    }
}
