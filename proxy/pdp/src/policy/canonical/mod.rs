//! Canonical forms of paths, URLs, hosts and addresses, so that `like` in a policy means what it seems to mean.
//!
//! `like "/data/*"` matches `/data/../etc/passwd`. Policies therefore match on `context.args_canonical`, where dot
//! segments are resolved, and on `context.args_host`; the raw value stays beside them in `context.args`.
//!
//! A canonical form must never make what is forbidden look permitted. Where two readers could take a text for two
//! different things (a backslash, an encoded slash, two `@`), no form is right: one that no allow-list matches would still
//! slip through a deny-list. Such a text is a [`Doubt`], and the call is denied where a policy looks at its form. Where a
//! text leads to no host at all, its host is [`NOWHERE`], which is no host's name.
//!
//! The forms are lexical: links, aliases and names that lead to private addresses are the server's to follow.

mod address;
mod host;
mod path;
mod url;

use std::fmt;

use super::form::Form;

/// The host of a text that leads to none: not empty, so that a policy can allow what was not given at all.
pub(super) const NOWHERE: &str = "?";

/// Why a text can be read in more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubt(&'static str);

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The canonical form of a text.
///
/// # Errors
/// Where it could be read in more than one way.
pub(super) fn canonical(text: &str, form: Form) -> Result<String, Doubt> {
    if text.is_empty() {
        return Ok(String::new());
    }
    match form {
        Form::Host => host::canonical(text),
        Form::Path => path::expected(text),
        Form::Url => url::canonical(text),
        Form::Any => any(text),
        Form::Address if address::seems(text) => address::canonical(text),
        // Guessed by its name alone, it may be anything; but nothing that becomes an address on the way.
        Form::Address => match any(text)? {
            form if form != text && address::seems(&form) => Err(Doubt("it is not one plain address")),
            form => Ok(form),
        },
    }
}

/// The canonical form of what a method acts on, as policies see it; nothing where it could be read in more than one way.
#[must_use]
pub fn canonical_target(text: &str) -> Option<String> {
    canonical(text, Form::Any).ok()
}

/// The form of a text that may be a URL, an address or a path, where it has one.
pub(crate) fn plain_form(text: &str) -> Option<String> {
    let form = if address::seems(text) { Form::Address } else { Form::Any };
    canonical(text, form).ok()
}

/// The form of a text of which nothing is known.
fn any(text: &str) -> Result<String, Doubt> {
    if !url::seems(text) {
        return path::possible(text);
    }
    url::canonical(text).or_else(|doubt| match url::parsed(text) {
        Some(_) => Err(doubt),
        // Words with a URL among them.
        None => path::possible(text),
    })
}

/// The host that a text leads to, as a browser reads it (WHATWG URL): in lower case, IDNA in ASCII, addresses as numbers,
/// without a port. Empty for an empty text, [`NOWHERE`] for one that leads to no host.
///
/// # Errors
/// Where it could be read in more than one way.
pub(super) fn host(text: &str, form: Form) -> Result<String, Doubt> {
    if text.is_empty() {
        return Ok(String::new());
    }
    match form {
        Form::Host => host::of(text),
        Form::Url => url::host_of(text),
        Form::Address if address::seems(text) => address::host_of(text),
        Form::Any | Form::Address | Form::Path if url::seems(text) && url::parsed(text).is_some() => url::host_of(text),
        Form::Any | Form::Address | Form::Path => Ok(NOWHERE.to_owned()),
    }
}

/// Whether a text holds characters that some readers drop and some stop at.
fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// A text after all percent-encoding is undone, again and again, and with slashes alone: as the most eager reader sees
/// it. Nothing where there was nothing to undo.
fn eager(text: &str) -> Option<String> {
    const ROUNDS: usize = 4;
    let mut found = text.replace('\\', "/");
    for _ in 0..ROUNDS {
        let next = percent_encoding::percent_decode_str(&found).decode_utf8_lossy().replace('\\', "/");
        if next == found {
            break;
        }
        found = next;
    }
    (found != text).then_some(found)
}

/// Whether a path, as the most eager reader sees it, has a segment that leads elsewhere.
fn climbs(eager: &str) -> bool {
    eager.split('/').any(leads_up)
}

/// Whether a segment is `..` to the most eager reader: some servers cut one at `;`, some systems drop spaces at its end.
fn leads_up(segment: &str) -> bool {
    segment.split(';').next().unwrap_or_default().trim_end_matches(' ') == ".."
}

#[cfg(test)]
mod tests;
