//! What looks like a secret. A guess on the safe side: what is taken for one is kept in a file of its own, which costs
//! nothing; what is not would stand in the registry for all to read.

/// Words that name a secret, as a part of a variable's, header's or parameter's name.
const NAMES: [&str; 17] = [
    "auth",
    "authorization",
    "apikey",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "key",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "pwd",
    "secret",
    "token",
    "dsn",
];

/// What issued tokens begin with: GitHub, GitLab, OpenAI and Anthropic, Slack, AWS, Google, Stripe, Linear, Notion, npm,
/// Hugging Face, and JSON web tokens.
const BEGINNINGS: [&str; 22] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_",
    "rk_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "lin_api_",
    "ntn_",
    "secret_",
    "npm_",
    "hf_",
    "eyJ",
];

/// Whether a name says that its value is a secret.
pub(super) fn is_named(name: &str) -> bool {
    let lower = spaced(name);
    let words = || lower.split(|c: char| !c.is_ascii_alphanumeric());
    // Where a secret lies, and what it is called, is none.
    if words().next_back().is_some_and(|last| ["file", "path", "dir", "folder", "url", "name"].contains(&last)) {
        return false;
    }
    words().any(|word| {
        NAMES.contains(&word) || ["token", "secret", "password", "apikey"].iter().any(|end| word.ends_with(end))
    })
}

/// `apiKey` as `api key`: names are written in many ways.
fn spaced(name: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
        before = c;
    }
    out
}

/// Whether a value looks like a secret whatever its name.
pub(super) fn is_value(value: &str) -> bool {
    let value = value.trim().trim_start_matches("Bearer ").trim_start_matches("Basic ").trim_start_matches("token ");
    let long = value.len() >= 12 && !value.contains(char::is_whitespace);
    (long && BEGINNINGS.iter().any(|begin| value.starts_with(begin))) || has_password(value)
}

/// Whether a text is a URL that says who asks by a secret: `scheme://user:password@host`, `scheme://token@host`.
fn has_password(value: &str) -> bool {
    value.contains("://") && url::Url::parse(value).is_ok_and(|url| names_a_secret(&url))
}

/// Whether what stands before a URL's `@` is a secret.
fn names_a_secret(url: &url::Url) -> bool {
    url.password().is_some() || is_value(url.username()) || is_random(url.username())
}

/// Whether one of a command's arguments is a secret, with where: by its own look, or by the option before it.
pub(super) fn in_arguments<'a>(args: impl Iterator<Item = &'a str>) -> Option<usize> {
    let mut option_before = false;
    for (index, arg) in args.enumerate() {
        let (name, value) = arg.split_once('=').map_or((arg, None), |(name, value)| (name, Some(value)));
        let names_one = name.starts_with('-') && is_named(name);
        let given = value.is_some_and(|value| !value.is_empty());
        if is_header(arg)
            || is_value(value.unwrap_or(arg))
            || (names_one && given)
            || (option_before && !arg.starts_with('-'))
        {
            return Some(index);
        }
        option_before = names_one && value.is_none();
    }
    None
}

/// Whether an argument is a header with a secret in it: `Authorization: Bearer ...`.
fn is_header(arg: &str) -> bool {
    let Some((name, value)) = arg.split_once(':').filter(|(_, value)| !value.starts_with("//")) else { return false };
    !name.contains(char::is_whitespace) && is_named(name) && !["", "Bearer", "Basic", "token"].contains(&value.trim())
}

/// Whether a URL carries a secret: a password or a token before its host, a named parameter, or a token in its path.
pub(super) fn in_url(url: &url::Url) -> bool {
    names_a_secret(url)
        || url.query_pairs().any(|(name, value)| !value.is_empty() && (is_named(&name) || is_value(&value)))
        || url.path_segments().is_some_and(|mut segments| segments.any(|s| is_value(s) || is_random(s)))
}

/// A long run of letters and digits, mixed: services put keys into their paths.
fn is_random(segment: &str) -> bool {
    segment.len() >= 32
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && segment.bytes().any(|b| b.is_ascii_digit())
        && segment.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_of_secrets_are_seen() {
        for name in ["GITHUB_TOKEN", "apiKey", "X-Api-Key", "Authorization", "DB_PASSWORD", "SLACK_PAT", "accessToken"]
        {
            assert!(is_named(name), "{name}");
        }
        for name in
            ["KEYBOARD", "LOG_LEVEL", "PATH", "MONKEY", "Accept-Language", "AUTHOR", "TOKENIZERS", "API_KEY_FILE"]
        {
            assert!(!is_named(name), "{name}");
        }
        for value in ["ghp_0123456789abcdef", "Bearer eyJhbGciOiJIUzI1NiJ9", "postgres://u:p@db/x"] {
            assert!(is_value(value), "{value}");
        }
        for value in ["info", "https://example.com", "sk-", "eyJ", "postgres://db/x", "sk- is no token of mine"] {
            assert!(!is_value(value), "{value}");
        }
    }

    #[test]
    fn secrets_are_seen_in_arguments_and_addresses() {
        let found = |args: &[&str]| in_arguments(args.iter().copied());
        assert_eq!(found(&["-y", "server", "--api-key", "abc"]), Some(3));
        assert_eq!(found(&["--token=abc"]), Some(0));
        assert_eq!(found(&["--token", "--verbose", "x"]), None);
        assert_eq!(found(&["-y", "@scope/server", "/srv"]), None);
        assert_eq!(found(&["postgres://u:p@db/x"]), Some(0));
        assert_eq!(found(&["https://ghp_0123456789abcdef@git.example/x.git"]), Some(0));
        assert_eq!(found(&["--header", "Authorization: Bearer abc"]), Some(1));
        assert_eq!(found(&["--header", "Authorization: Bearer "]), None);
        let secret = |url: &str| url::Url::parse(url).is_ok_and(|url| in_url(&url));
        assert!(secret("https://x.example/mcp?api_key=abc"));
        assert!(secret("https://ghp_0123456789abcdef@git.example/mcp"));
        assert!(secret("https://0a1b2c3d4e5f60718293a4b5c6d7e8f9@x.example/mcp"));
        assert!(!secret("https://git@x.example/mcp"));
        assert!(secret("https://x.example/s/0a1b2c3d4e5f60718293a4b5c6d7e8f9/mcp"));
        assert!(!secret("https://mcp.example.com/mcp?tools=all"));
        assert!(!secret("https://mcp.example.com/v1/model-context-protocol/endpoint"));
    }
}
