//! The gate's own configuration: as written in TOML, then as meant. Every fault at once; nothing here is hot.
//!
//! What changes while traffic flows is in the snapshot (`policies/`, `registry/`); nothing is in both. Without any file
//! the defaults below hold.

mod approvals;
mod door;
mod limits;
mod principals;
mod notices;
mod written;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pdp::fault::{Fault, SourceFile};
use pdp::principal::Principal;
use pdp::snapshot::Snapshot;
use pdp::task::Limits as Budget;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;
use url::Url;

use self::written::Written;
use crate::approvals::Settings;

pub use self::limits::Limits;
pub use self::notices::{Channel, NoticeRule, Place};

/// Where agents connect unless configured.
pub(crate) const LISTEN: &str = "127.0.0.1:8640";
/// Where operators connect unless configured.
const CONTROL: &str = "127.0.0.1:8641";

/// What the teams are called that the gate's own previews and rollbacks belong to.
const OWN_TEAMS: &str = "wicketgate:";

/// The configuration as meant.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data plane's address.
    pub listen: SocketAddr,
    /// The control plane's address.
    pub control: SocketAddr,
    /// Names beside the listener's own that `Host` may have.
    pub allowed_hosts: BTreeSet<String>,
    /// Origins browsers may come from; none unless configured.
    pub allowed_origins: BTreeSet<String>,
    /// Where policies and registry are read; nothing means the ones built into the program.
    pub bundle: Option<Bundle>,
    /// When reviews must be signed.
    pub signatures: Signatures,
    /// Where the ledger and generated tokens are kept.
    pub data: PathBuf,
    /// Who may come, by the SHA-256 of their token. Empty means that tokens are generated.
    pub principals: Vec<Known>,
    /// How much principals may do, by their keys.
    pub budgets: HashMap<String, Budget>,
    /// The bounds.
    pub limits: Limits,
    /// When an implicit task ends without a call.
    pub task_idle: Duration,
    /// Whether an incoming trace id opens a task of its own.
    pub task_by_trace: bool,
    /// Whether arguments are written on spans.
    pub span_arguments: bool,
    /// How approvals are asked for.
    pub approvals: Settings,
    /// How long a call is held for people.
    pub hold: Duration,
    /// And for a client that sees progress.
    pub hold_progress: Duration,
    /// Where people reach the console; nothing means this machine.
    pub console_url: Option<Url>,
    /// After how long without a request a browser is signed out.
    pub session_idle: Duration,
    /// After how long it is signed out in any case.
    pub session_whole: Duration,
    /// Where people are told that something waits for them.
    pub notices: Vec<NoticeRule>,
}

/// The directories of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// `*.cedar` files, at any depth.
    pub policies: PathBuf,
    /// `servers/*.toml` with their `*.tools.json`, and `vocabulary.toml`.
    pub registry: PathBuf,
}

/// When reviews must be signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signatures {
    /// Where the registry names its reviewers.
    #[default]
    WhereNamed,
    /// Always: whoever takes `reviewers.toml` away must not make unsigned reviews count.
    Required,
}

impl Signatures {
    /// Whether a snapshot's registry names the reviewers that it must.
    ///
    /// # Errors
    /// The fault that it does not.
    pub fn asked_of(self, snapshot: &Snapshot) -> Result<(), Vec<Fault>> {
        if self == Self::WhereNamed || snapshot.registry().reviewers.is_some() {
            return Ok(());
        }
        let words = "`signatures = \"required\"` is configured, and the registry names no reviewers";
        let remedy = "put the file back; `wicketgate registry keygen` prints what stands in it";
        Err(vec![Fault::of_file("registry/reviewers.toml", words, remedy)])
    }
}

/// A principal and the digest of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub principal: Principal,
    /// What it may do on the control plane.
    pub role: Option<Role>,
    /// SHA-256 of the token.
    pub token_sha256: [u8; 32],
}

/// What somebody may do on the control plane; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Work on tasks of one's own.
    Member,
    /// Reload, halt, promote.
    Operator,
    /// Decide what waits.
    Approver,
    /// Everything.
    Admin,
}

impl Role {
    const ALL: [Self; 5] = [Self::Viewer, Self::Member, Self::Operator, Self::Approver, Self::Admin];

    /// The word for it, as in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// What the command line says over the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--control`.
    pub control: Option<SocketAddr>,
    /// `--policies`.
    pub policies: Option<PathBuf>,
    /// `--registry`.
    pub registry: Option<PathBuf>,
    /// `--data`.
    pub data: Option<PathBuf>,
}

/// The JSON Schema of `wicketgate.toml` (draft 2020-12).
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Written)
}

impl Config {
    /// Reads the configuration: the file where one is named, `wicketgate.toml` where it lies in the working directory,
    /// else the defaults.
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn read(file: Option<&Path>, overrides: &Overrides) -> Result<Self, Vec<Fault>> {
        let beside = Path::new("wicketgate.toml");
        let file = file.or_else(|| beside.is_file().then_some(beside));
        let (text, base) = match file {
            None => (SourceFile { path: "defaults".to_owned(), text: String::new() }, PathBuf::from(".")),
            Some(path) => {
                let shown = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|e| {
                    vec![Fault::of_file(&shown, format!("cannot be read: {e}"), "name another with `--config`")]
                })?;
                let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
                (SourceFile { path: shown, text }, base.to_path_buf())
            }
        };
        Self::meant(&text, &base, overrides)
    }

    /// Gives meaning to what was written. Relative paths start at `base`.
    ///
    /// # Errors
    /// Every fault found.
    pub fn meant(file: &SourceFile, base: &Path, overrides: &Overrides) -> Result<Self, Vec<Fault>> {
        let written: Written = toml::from_str(&file.text).map_err(|e| {
            vec![match e.span() {
                Some(span) => Fault::at(file, span.start, e.message(), ""),
                None => Fault::of_file(&file.path, e.message(), ""),
            }]
        })?;
        let mut faults = Vec::new();
        let mut address = |given: Option<SocketAddr>, word: &Option<Spanned<String>>, default: &str| {
            let (text, at) = word.as_ref().map_or((default, 0), |w| (w.get_ref().as_str(), w.span().start));
            given.or_else(|| text.parse().ok()).unwrap_or_else(|| {
                let words = format!("`{text}` is no address to listen on");
                faults.push(Fault::at(file, at, words, "write an IP address and a port, such as 127.0.0.1:8640"));
                SocketAddr::from(([127, 0, 0, 1], 0))
            })
        };
        let listen = address(overrides.listen, &written.listen, LISTEN);
        let control = address(overrides.control, &written.control.listen, CONTROL);
        let (principals, budgets) = principals::meant(file, &written.principals, &mut faults);
        let bundle = bundle(&written, base, overrides, file, &mut faults);
        let limits = written.limits.as_ref().map_or_else(Limits::default, |l| *l.get_ref());
        let limits_at = written.limits.as_ref().map_or(0, |l| l.span().start);
        faults.extend(limits.out_of_range().map(|(words, remedy)| Fault::at(file, limits_at, words, remedy)));
        let asking = approvals::meant(file, &written.approvals, &principals, &mut faults);
        let door = door::meant(file, &written.console, &written.approvals, &mut faults);
        let notices = notices::meant(file, base, &written.notices, &mut faults);
        let data =
            overrides.data.clone().or_else(|| written.data.as_ref().map(|d| base.join(d))).unwrap_or_else(default_data);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            listen,
            control,
            allowed_hosts: written.allowed_hosts,
            allowed_origins: written.allowed_origins,
            bundle,
            signatures: written.signatures,
            data,
            principals,
            budgets,
            limits,
            task_idle: Duration::from_secs(written.tasks.idle_minutes.saturating_mul(60)),
            task_by_trace: written.tasks.by_trace,
            span_arguments: written.telemetry.arguments,
            approvals: asking.settings,
            hold: asking.hold,
            hold_progress: asking.hold_progress,
            console_url: door.url,
            session_idle: door.idle,
            session_whole: door.whole,
            notices,
        })
    }

    /// The ledger's file.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.data.join("ledger.db")
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn hex32(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    // `from_str_radix` takes a sign too.
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (n, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(out)
}

/// The directories: as given, else `policies/` and `registry/` where both lie beside the configuration, else none.
fn bundle(
    written: &Written,
    base: &Path,
    overrides: &Overrides,
    file: &SourceFile,
    faults: &mut Vec<Fault>,
) -> Option<Bundle> {
    let chosen = |given: &Option<PathBuf>, word: &Option<String>| {
        given.clone().or_else(|| word.as_ref().map(|path| base.join(path)))
    };
    let policies = chosen(&overrides.policies, &written.policies);
    let registry = chosen(&overrides.registry, &written.registry);
    match (policies, registry) {
        (Some(policies), Some(registry)) => Some(Bundle { policies, registry }),
        (None, None) => {
            let beside = Bundle { policies: base.join("policies"), registry: base.join("registry") };
            (beside.policies.is_dir() && beside.registry.is_dir()).then_some(beside)
        }
        (Some(_), None) | (None, Some(_)) => {
            faults.push(Fault::of_file(
                &file.path,
                "`policies` and `registry` belong together",
                "name both, or neither",
            ));
            None
        }
    }
}

/// Where state is kept unless configured: the XDG state directory (XDG Base Directory Specification 0.8).
pub(crate) fn default_data() -> PathBuf {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or(home);
    state.map_or_else(|| PathBuf::from(".wicketgate"), |state| state.join("wicketgate"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn meant(text: &str) -> Result<Config, Vec<Fault>> {
        let file = SourceFile { path: "gate.toml".into(), text: text.into() };
        Config::meant(&file, Path::new("/nowhere"), &Overrides::default())
    }

    #[test]
    fn signatures_that_are_required_need_reviewers() {
        let required = meant("signatures = \"required\"").unwrap().signatures;
        assert!(meant("signatures = \"never\"").is_err());
        let mut sources = crate::reload::read(None).unwrap();
        let built = |sources: &pdp::snapshot::Sources| Snapshot::build(sources).unwrap();
        assert!(meant("").unwrap().signatures.asked_of(&built(&sources)).is_ok());
        let faults = required.asked_of(&built(&sources)).unwrap_err();
        assert!(faults.iter().all(|fault| fault.file == "registry/reviewers.toml") && faults.len() == 1);
        sources.registry.push(SourceFile { path: "registry/reviewers.toml".into(), text: String::new() });
        assert!(required.asked_of(&built(&sources)).is_ok());
    }

    #[test]
    fn a_digest_is_made_of_digits_alone() {
        assert!(hex32(&"0f".repeat(32)).is_some());
        assert!(hex32(&"+f".repeat(32)).is_none() && hex32(&"0f".repeat(31)).is_none());
    }

    #[test]
    fn nothing_written_is_a_whole_configuration() {
        let config = meant("").unwrap();
        assert_eq!((config.listen.to_string(), config.control.to_string()), (LISTEN.into(), CONTROL.into()));
        assert!(config.bundle.is_none() && config.principals.is_empty() && config.task_by_trace);
    }

    #[test]
    fn each_principal_is_one() {
        let told = |text: &str| {
            let faults = meant(text).err().unwrap_or_default();
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let one = |rest: &str, token: &str| {
            format!("[[principals]]\nagent = \"bot\"\n{rest}token_sha256 = \"{}\"\n", token.repeat(32))
        };
        let two = |rest: &str, token: &str| one("user = \"ann\"\n", "0a") + &one(rest, token);
        assert_eq!(told(&two("user = \"ann\"\nroles = [\"viewer\"]\n", "0b")), "");
        assert_eq!(told(&two("user = \"bob\"\ntenant = \"other\"\n", "0b")), "");
        for (text, words) in [
            (two("user = \"bob\"\n", "0b"), "gate.toml:5:1: the agent `default/bot` is another user here"),
            (two("user = \"ann\"\nteams = [\"x\"]\n", "0b"), "is another user here, or of other teams"),
            (two("user = \"ann\"\n", "0A"), "this token is another principal's as well"),
            (one("tenant = \"acme/eu\"\n", "0a"), "`acme/eu` cannot be a tenant's name"),
            (one("tenant = \"\"\n", "0a"), "`` cannot be a tenant's name"),
            (one("limits = { steps = 1, elapsed_s = 0 }\n", "0a"), "`elapsed_s` cannot be 0"),
        ] {
            assert!(told(&text).contains(words), "{words}: {}", told(&text));
        }
    }

    #[test]
    fn a_limit_that_cannot_be_meant_is_a_fault() {
        let text = "\n[limits]\nconnections_max = 9223372036854775807\nhead_bytes_max = 1\ncalls_max = 0\n";
        let told: Vec<String> = meant(text).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "gate.toml:2:1: the limit `head_bytes_max` cannot be 1\n    use 2048 to 1048576",
                "gate.toml:2:1: the limit `calls_max` cannot be 0\n    use 1 to 16777216",
                "gate.toml:2:1: the limit `connections_max` cannot be 9223372036854775807\n    use 1 to 16777216",
            ]
        );
        assert!(Limits::default().out_of_range().next().is_none());
        let tasks = meant("[tasks]\nidle_minutes = 9223372036854775807\n").unwrap();
        assert_eq!(tasks.task_idle, Duration::from_secs(u64::MAX));
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = "listen = \"here\"\npolicies = \"p\"\n[[principals]]\nagent = \"a\"\nroles = [\"king\"]\ntoken_sha256 = \"12\"\n";
        let faults = meant(text).unwrap_err();
        let told: Vec<(usize, &str)> = faults.iter().map(|f| (f.line, f.message.as_str())).collect();
        assert_eq!(
            told,
            [
                (1, "`here` is no address to listen on"),
                (5, "`king` is no role"),
                (6, "`token_sha256` is no SHA-256"),
                (0, "`policies` and `registry` belong together"),
            ]
        );
        assert!(meant("lisen = \"x\"").unwrap_err().first().unwrap().message.contains("lisen"));
    }
}
