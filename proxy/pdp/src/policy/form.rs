//! The form that a text argument is written in, told by its schema's `format` or by its name.
//!
//! It is a guess about names, and errs towards [`Form::Any`], which tells a form by the text itself.

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Nothing is known of it.
    Any,
    /// A path in a file system.
    Path,
    /// A URL.
    Url,
    /// A host name or an IP address, with or without a port.
    Host,
    /// An electronic mail address.
    Address,
}

/// Names whose last word tells the form.
const NAMES: [(Form, &[&str]); 4] = [
    (
        Form::Path,
        &[
            "path",
            "paths",
            "file",
            "files",
            "filename",
            "filenames",
            "filepath",
            "dir",
            "dirs",
            "directory",
            "directories",
            "folder",
            "folders",
            "cwd",
            "workdir",
        ],
    ),
    (Form::Url, &["url", "urls", "uri", "uris", "href", "webhook"]),
    (Form::Host, &["host", "hosts", "hostname", "hostnames", "domain", "domains", "ip", "ips"]),
    (Form::Address, &["to", "cc", "bcc", "email", "emails", "recipient", "recipients", "sender"]),
];

impl Form {
    /// The form of an argument of this name, whose schema has this `format`; empty for none.
    pub(crate) fn of(name: &str, format: &str) -> Self {
        match format {
            "uri" | "iri" | "url" => return Self::Url,
            "hostname" | "idn-hostname" | "ipv4" | "ipv6" => return Self::Host,
            "email" | "idn-email" => return Self::Address,
            // `uri-reference` too: where a relative one leads is not known here.
            _ => {}
        }
        let last = last_word(name);
        let named = NAMES.iter().find(|(_, names)| names.contains(&last.as_str()));
        named.map_or(Self::Any, |(form, _)| *form)
    }

    /// The canonical form of a text: no two that a server takes for one thing have two.
    ///
    /// # Errors
    /// Where it could be read in more than one way, in words that go on from "it".
    pub fn canonical(self, text: &str) -> Result<String, String> {
        super::canonical::canonical(text, self).map_err(|doubt| doubt.to_string())
    }

    /// Whether such a text leads to a host.
    pub(super) fn leads_somewhere(self) -> bool {
        match self {
            Self::Any | Self::Path => false,
            Self::Url | Self::Host | Self::Address => true,
        }
    }
}

/// The last word of a name in snake_case, kebab-case or camelCase, in lower case.
fn last_word(name: &str) -> String {
    let last = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let is_shouted = !last.contains(|c: char| c.is_ascii_lowercase());
    let from = last
        .char_indices()
        .rev()
        .find(|(at, c)| {
            let before = last.get(..*at).and_then(|head| head.chars().next_back());
            !is_shouted && c.is_ascii_uppercase() && before.is_some_and(|before| !before.is_ascii_uppercase())
        })
        .map_or(0, |(at, _)| at);
    last.get(from..).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_name_tells_the_form() {
        for (name, format, form) in [
            ("path", "", Form::Path),
            ("sourcePath", "", Form::Path),
            ("output_file", "", Form::Path),
            ("baseURL", "", Form::Url),
            ("URL", "", Form::Url),
            ("callback-uri", "", Form::Url),
            ("where", "uri", Form::Url),
            ("Host", "", Form::Host),
            ("recipients", "", Form::Address),
            ("reply_to", "", Form::Address),
            ("into", "", Form::Any),
            ("profile", "", Form::Any),
            ("text", "", Form::Any),
            ("", "", Form::Any),
            ("日本", "email", Form::Address),
        ] {
            assert_eq!(Form::of(name, format), form, "{name} {format}");
        }
    }
}
