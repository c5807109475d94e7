//! URLs as WHATWG URL reads them, where other readers read the same.

use ::url::Url;

use super::{Doubt, NOWHERE, climbs, eager, has_controls, host};

/// Schemes that lead somewhere even where no slashes follow (WHATWG URL, special schemes).
const SPECIAL: [&str; 6] = ["http", "https", "ws", "wss", "ftp", "file"];

/// Whether a text looks like a URL.
pub(super) fn seems(text: &str) -> bool {
    let scheme = text.trim_start().split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    text.contains("://") || SPECIAL.iter().any(|special| scheme.eq_ignore_ascii_case(special))
}

/// The URL, as a browser reads it.
pub(super) fn parsed(text: &str) -> Option<Url> {
    Url::parse(text.trim()).ok()
}

/// The canonical form: who is named before `@` is left out, so that a pattern cannot take it for the host.
pub(super) fn canonical(text: &str) -> Result<String, Doubt> {
    let mut url = clear(text)?;
    if url.cannot_be_a_base() {
        return Ok(url.to_string());
    }
    if let Some(found) = url.host_str().filter(|found| !found.is_empty()) {
        let host = placed(found)?;
        let written = if host.contains(':') { format!("[{host}]") } else { host };
        let no_name = url.set_username("").is_ok() && url.set_password(None).is_ok();
        if !no_name || url.set_host(Some(&written)).is_err() {
            return Err(Doubt("its host cannot be read"));
        }
    }
    let mut path = unreserved(url.path());
    if url.scheme() == "file" {
        while path.contains("//") {
            path = path.replace("//", "/");
        }
    }
    url.set_path(&path);
    Ok(url.to_string())
}

/// The host.
pub(super) fn host_of(text: &str) -> Result<String, Doubt> {
    let url = clear(text)?;
    match url.host_str().filter(|found| !found.is_empty()) {
        Some(found) => placed(found),
        None => Ok(NOWHERE.to_owned()),
    }
}

/// The URL, where there is one way to read it.
fn clear(text: &str) -> Result<Url, Doubt> {
    if has_controls(text.trim()) {
        return Err(Doubt("it holds control characters"));
    }
    let url = parsed(text).ok_or(Doubt("it is no whole URL"))?;
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    if url.cannot_be_a_base() && rest.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Doubt("it is no whole URL: a host and a port look like a scheme"));
    }
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    if !url.cannot_be_a_base() && before_query.contains('\\') {
        return Err(Doubt("some read `\\` as `/` and some do not"));
    }
    let after_scheme = before_query.split_once(':').map_or(before_query, |(_, rest)| rest);
    let authority = after_scheme.trim_start_matches('/').split('/').next().unwrap_or_default();
    if authority.matches('@').count() > 1 {
        return Err(Doubt("some read the host after its first `@` and some after its last"));
    }
    let path = url.path();
    if !url.cannot_be_a_base() && climbs(&eager(path).unwrap_or_else(|| path.to_owned())) {
        return Err(Doubt("its path may lead elsewhere once it is decoded"));
    }
    Ok(url)
}

/// A URL's host in its usual spelling. A scheme that the standard does not know leaves it as it was written.
fn placed(found: &str) -> Result<String, Doubt> {
    host::normal(found).ok_or(Doubt("its host cannot be read"))
}

/// A path in which only what must be is percent-encoded, in upper case (RFC 3986, section 6.2.2).
fn unreserved(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match (byte.map(char::from), digits) {
            (Some(c), Some(_)) if c.is_ascii_alphanumeric() || "-._~".contains(c) => {
                out.push(c);
                after.get(2..).unwrap_or_default()
            }
            (_, Some(digits)) => {
                out.push('%');
                out.push_str(&digits.to_ascii_uppercase());
                after.get(2..).unwrap_or_default()
            }
            (_, None) => {
                out.push('%');
                after
            }
        };
    }
    out.push_str(rest);
    out
}
