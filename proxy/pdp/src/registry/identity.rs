//! What a server is reached as, in one line: the command with its package and version, or the TLS name.
//!
//! It is pinned beside its tools' definitions. What the server says of itself is a claim and no part of it.

use super::Transport;
use crate::digest::Digest;

impl Transport {
    /// What the server is, as far as the registry can say: for a child process its command line, working directory and
    /// environment (values by digest: one may be a secret), for HTTP the origin, whose name TLS proves.
    #[must_use]
    pub fn identity(&self) -> String {
        match self {
            Self::Stdio { command, args, env, env_from, env_file, expand, cwd } => {
                let mut out: Vec<String> = std::iter::once(command).chain(args).map(|text| word(text)).collect();
                out.extend(cwd.iter().map(|folder| format!("in={}", word(folder))));
                out.extend(
                    env.iter()
                        .map(|(name, value)| format!("env={}:{}", word(name), Digest::of_bytes(value.as_bytes()))),
                );
                out.extend(env_from.iter().map(|name| format!("env_from={}", word(name))));
                out.extend(env_file.iter().map(|file| format!("env_file={}", word(file))));
                out.extend(expand.then(|| "expand=true".to_owned()));
                out.join(" ")
            }
            Self::Http { url, .. } | Self::Sse { url, .. } => {
                url::Url::parse(url).map_or_else(|_| url.clone(), |url| url.origin().ascii_serialization())
            }
            Self::Builtin { server } => format!("builtin {server}"),
        }
    }
}

/// A word of a command line: as it is where nothing in it could be taken for two, else as a JSON string.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,%^~=".contains(c);
    // What begins like one of our own words is quoted, so that no argument can pass for one.
    let ours = ["in=", "env=", "env_from=", "env_file=", "expand="].iter().any(|own| text.starts_with(own));
    if !text.is_empty() && !ours && text.chars().all(plain) { text.to_owned() } else { crate::json::quoted(text) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn stdio(args: &[&str], env: &[(&str, &str)], cwd: Option<&str>) -> Transport {
        Transport::Stdio {
            command: "npx".to_owned(),
            args: args.iter().map(|a| (*a).to_owned()).collect(),
            env: env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            env_from: vec!["HOME".to_owned()],
            env_file: None,
            expand: false,
            cwd: cwd.map(str::to_owned),
        }
    }

    #[test]
    fn an_identity_is_one_line_in_which_no_two_transports_coincide() {
        let url = |url: &str| Transport::Http { url: url.to_owned(), headers: BTreeMap::new() }.identity();
        assert_eq!(url("https://Mail.Example:443/mcp?x=1"), "https://mail.example");
        assert_eq!(url("https://mail.example:8443/other"), "https://mail.example:8443");
        assert_eq!(stdio(&["-y", "@a/b@1.2.3"], &[], None).identity(), "npx -y @a/b@1.2.3 env_from=HOME");
        let secret = stdio(&["p"], &[("TOKEN", "hunter2")], Some("/srv/a b")).identity();
        let whole = "sha256:f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
        assert_eq!(secret, format!(r#"npx p in="/srv/a b" env=TOKEN:{whole} env_from=HOME"#));
        let all = [
            stdio(&["a", "b"], &[], None),
            stdio(&["a b"], &[], None),
            stdio(&["a", "in=/x"], &[], None),
            stdio(&["a"], &[], Some("/x")),
            stdio(&["a", ""], &[], None),
            stdio(&["a"], &[("X", "1")], None),
            stdio(&["a"], &[("X", "2")], None),
        ];
        let distinct: std::collections::BTreeSet<String> = all.iter().map(Transport::identity).collect();
        assert_eq!(distinct.len(), all.len());
    }
}
