//! What is configured of the console's door, given meaning: its URL, how long a browser stays signed in, whose tenants there
//! are.

use std::time::Duration;

use pdp::fault::{Fault, SourceFile};
use toml::Spanned;
use url::Url;

use super::written::{ApprovalsTable, ConsoleTable, PrincipalTable};

/// Unless said: an hour without a request, and a working day with some.
const IDLE_S: u64 = 3600;
const WHOLE_S: u64 = 12 * 3600;
/// Less would sign people out while they read; more would leave a forgotten browser open for ever.
const IDLE_RANGE: (u64, u64) = (60, 86_400);
const WHOLE_RANGE: (u64, u64) = (60, 30 * 86_400);

/// The door as meant.
pub(super) struct Door {
    pub(super) url: Option<Url>,
    pub(super) idle: Duration,
    pub(super) whole: Duration,
}

pub(super) fn meant(
    file: &SourceFile,
    console: &ConsoleTable,
    approvals: &ApprovalsTable,
    faults: &mut Vec<Fault>,
) -> Door {
    let mut seconds = |written: &Option<Spanned<u64>>, name: &str, default: u64, (least, most): (u64, u64)| {
        let (value, at) = written.as_ref().map_or((default, 0), |w| (*w.get_ref(), w.span().start));
        if !(least..=most).contains(&value) {
            let words = format!("`{name}` cannot be {value}");
            faults.push(Fault::at(file, at, words, format!("use {least} to {most}")));
        }
        Duration::from_secs(value)
    };
    let idle = seconds(&console.session_idle_s, "session_idle_s", IDLE_S, IDLE_RANGE);
    let whole = seconds(&console.session_s, "session_s", WHOLE_S, WHOLE_RANGE);
    let url = approvals.console_url.as_ref().and_then(|written| match url(written.get_ref()) {
        Ok(url) => Some(url),
        Err(words) => {
            let remedy = "write a scheme and a host, such as https://gate.example:8641";
            faults.push(Fault::at(file, written.span().start, words, remedy));
            None
        }
    });
    Door { url, idle, whole }
}

/// The origin that a text names, and nothing more: the console's place on it is fixed.
fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|e| format!("`console_url` cannot be read: {e}"))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("`console_url` is no place of a browser".to_owned());
    }
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err("`console_url` has more than a scheme, a host and a port".to_owned());
    }
    Ok(url)
}

/// A principal's key is `tenant/agent`: with a slash in the tenant two of different tenants could share one.
pub(super) fn tenant(file: &SourceFile, written: &Spanned<PrincipalTable>, faults: &mut Vec<Fault>) {
    let tenant = &written.get_ref().tenant;
    if tenant.is_empty() || tenant.contains('/') {
        let words = format!("`{tenant}` cannot be a tenant's name");
        faults.push(Fault::at(file, written.span().start, words, "leave the slash away, and give it a name"));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use std::path::Path;
    use std::time::Duration;

    use pdp::fault::SourceFile;

    use crate::config::{Config, Overrides};

    fn meant(text: &str) -> Result<Config, Vec<String>> {
        let file = SourceFile { path: "gate.toml".into(), text: text.into() };
        let config = Config::meant(&file, Path::new("/nowhere"), &Overrides::default());
        config.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_door_is_configured_in_a_few_lines_or_not_at_all() {
        let config = meant("").unwrap();
        assert_eq!(
            (config.session_idle, config.session_whole),
            (Duration::from_secs(3600), Duration::from_secs(43_200))
        );
        assert!(config.console_url.is_none());
        let text =
            "[console]\nsession_idle_s = 60\nsession_s = 120\n[approvals]\nconsole_url = \"https://gate.example\"\n";
        let config = meant(text).unwrap();
        assert_eq!((config.session_idle, config.session_whole), (Duration::from_secs(60), Duration::from_secs(120)));
        assert_eq!(config.console_url.unwrap().as_str(), "https://gate.example/");
    }

    #[test]
    fn what_cannot_be_meant_is_a_fault_with_its_line() {
        for (text, told) in [
            ("[console]\nsession_s = 59", "gate.toml:2:13: `session_s` cannot be 59\n    use 60 to 2592000"),
            (
                "[console]\nsession_idle_s = 86401",
                "gate.toml:2:18: `session_idle_s` cannot be 86401\n    use 60 to 86400",
            ),
            (
                "[approvals]\nconsole_url = \"gate\"",
                "gate.toml:2:15: `console_url` cannot be read: relative URL without a base",
            ),
            ("[approvals]\nconsole_url = \"ftp://gate\"", "gate.toml:2:15: `console_url` is no place of a browser"),
            ("[approvals]\nconsole_url = \"https://gate/ui\"", "gate.toml:2:15: `console_url` has more than a scheme"),
            ("[approvals]\nconsole_url = \"https://a:b@gate\"", "gate.toml:2:15: `console_url` has more than a scheme"),
        ] {
            let faults = meant(text).unwrap_err();
            assert!(faults.len() == 1 && faults[0].starts_with(told), "{faults:?}");
        }
    }

    #[test]
    fn no_two_tenants_can_share_a_key() {
        for tenant in ["a/b", ""] {
            let digest = "0".repeat(64);
            let text = format!("[[principals]]\nagent = \"c\"\ntenant = \"{tenant}\"\ntoken_sha256 = \"{digest}\"");
            assert!(meant(&text).unwrap_err()[0].contains("cannot be a tenant's name"), "{tenant}");
        }
    }
}
