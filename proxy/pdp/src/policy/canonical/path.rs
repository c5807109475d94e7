//! Paths: dot segments and doubled slashes resolved; Windows drives with slashes.

use super::{Doubt, climbs, eager, has_controls, leads_up, url};

/// The form of an argument that is a path by its name.
pub(super) fn expected(text: &str) -> Result<String, Doubt> {
    if has_controls(text) {
        return Err(Doubt("it holds control characters"));
    }
    if text.trim() != text {
        return Err(Doubt("it begins or ends with white space"));
    }
    if has_scheme(text, "file") {
        return Err(Doubt("it is a URL where a path is expected"));
    }
    if url::seems(text) {
        return url::canonical(text);
    }
    if text.starts_with('~') {
        return Err(Doubt("`~` stands for a directory that policies do not know"));
    }
    if let Some(form) = windows(text) {
        return form;
    }
    if text.contains('\\') {
        return Err(Doubt("`\\` separates directories on some systems and not on others"));
    }
    if has_percent_encoding(text) {
        return Err(Doubt("`%` and two digits may stand for another character"));
    }
    if text.split('/').any(is_odd) {
        return Err(Doubt("some systems drop the dots and spaces at the end of a name"));
    }
    let form = relative_or_absolute(text)?;
    // What `./` or `/` kept apart from the ends.
    if form.trim() == form { Ok(form) } else { Err(Doubt("it begins or ends with white space")) }
}

/// The form of a text that may be a path, and may be anything.
pub(super) fn possible(text: &str) -> Result<String, Doubt> {
    if let Some(form) = windows(text) {
        return form;
    }
    if (text.contains('\\') || text.contains('%')) && eager(text).is_some_and(|eager| climbs(&eager)) {
        return Err(Doubt("`\\` or `%` may hide where it leads"));
    }
    if text.contains('/') || text == "." || leads_up(text) { relative_or_absolute(text) } else { Ok(text.to_owned()) }
}

/// The form of a path, where it does not look like something that it is not: `./C:/x` is no drive's, and `.. ` and `..;`
/// are names to some readers and `..` to others.
fn relative_or_absolute(text: &str) -> Result<String, Doubt> {
    if text.split('/').any(|part| part != ".." && leads_up(part)) {
        return Err(Doubt("some read a part of it as `..`"));
    }
    let form = resolved(text);
    let is_other = form != text && (form.starts_with('~') || url::seems(&form) || windows(&form).is_some());
    if is_other { Err(Doubt("it begins like another kind of path")) } else { Ok(form) }
}

/// Resolves `.`, `..` and doubled slashes. `..` never climbs above an absolute path's root; in a relative path it stays.
fn resolved(text: &str) -> String {
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

/// An absolute path of Windows as `C:/a/b`; nothing for another text. Names that Windows reads as other names are in doubt.
fn windows(text: &str) -> Option<Result<String, Doubt>> {
    let mut start = text.chars();
    let drive = start.next().filter(char::is_ascii_alphabetic)?;
    let (Some(':'), Some('/' | '\\')) = (start.next(), start.next()) else { return None };
    let rest = start.as_str().replace('\\', "/");
    let is_other = |name: &str| {
        let plain = matches!(name, "" | "." | "..");
        !plain
            && (name.ends_with(['.', ' '])
                || name.starts_with(' ')
                || leads_up(name)
                || name.contains(':')
                || name.contains('~'))
    };
    if has_controls(&rest) || has_percent_encoding(&rest) || rest.split('/').any(is_other) {
        return Some(Err(Doubt("Windows reads such a name as another one")));
    }
    Some(Ok(format!("{}:{}", drive.to_ascii_uppercase(), resolved(&format!("/{rest}")))))
}

/// Whether a name is made of dots and spaces, and is none of the two names that mean something.
fn is_odd(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.chars().all(|c| c == '.' || c == ' ')
}

/// Whether a byte stands in its percent-encoding (RFC 3986, section 2.1).
fn has_percent_encoding(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(3).any(|three| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

/// Whether a text begins like a URL of this scheme.
fn has_scheme(text: &str, scheme: &str) -> bool {
    text.split_once(':').is_some_and(|(before, _)| before.eq_ignore_ascii_case(scheme))
}
