//! What a command line installs before it runs it, and whether that is one version: `npx`, `uvx` and their like fetch the
//! newest there is unless told otherwise, so what was reviewed is not what runs tomorrow.

use pdp::registry::Transport;

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The npm registry.
    Npm,
    /// The Python package index.
    Pypi,
    /// A container registry.
    Image,
}

/// A package that a command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Where it comes from.
    pub source: Source,
    /// Its name, as it stands there.
    pub name: String,
    /// The version asked for, as it stands there; nothing where none is.
    pub version: Option<String>,
    /// Whether that is one version, or one content, and no other.
    pub fixed: bool,
}

/// What a server's command line leaves open, in words and with the remedy; nothing where it is fixed, or runs what lies on
/// the machine.
#[must_use]
pub fn unpinned(transport: &Transport) -> Option<String> {
    let Transport::Stdio { command, args, .. } = transport else { return None };
    let package = Package::of(command, args).filter(|package| !package.fixed)?;
    let name = crate::findings::shown(&package.name);
    let asked = match &package.version {
        None => "no version is named".to_owned(),
        Some(version) => format!("`{}` is not one version", crate::findings::shown(version)),
    };
    let remedy = match package.source {
        Source::Npm => format!("{name}@1.2.3"),
        Source::Pypi => format!("{name}==1.2.3"),
        Source::Image => format!("{name}@sha256:..."),
    };
    Some(format!("it runs whatever `{name}` is that day: {asked}; write it as `{remedy}`"))
}

/// Options of the runners that take the next word.
const NPX_VALUED: &[&str] = &["--registry", "--cache", "--prefix", "-w", "--workspace", "--userconfig", "--loglevel"];
const UVX_VALUED: &[&str] = &[
    "--with",
    "--with-editable",
    "--python",
    "-p",
    "--index",
    "--index-url",
    "-i",
    "--extra-index-url",
    "--default-index",
    "--directory",
    "--project",
    "--env-file",
    "--cache-dir",
    "--refresh-package",
    "--constraints",
    "-c",
];
const PIPX_VALUED: &[&str] = &["--python", "--pip-args", "--index-url", "-i", "--suffix"];
const RUN_VALUED: &[&str] = &[
    "-e",
    "--env",
    "--env-file",
    "-v",
    "--volume",
    "--mount",
    "-p",
    "--publish",
    "--name",
    "--network",
    "--net",
    "-w",
    "--workdir",
    "-u",
    "--user",
    "--entrypoint",
    "--platform",
    "-l",
    "--label",
    "--pull",
    "-m",
    "--memory",
    "--cpus",
    "--add-host",
    "--cap-add",
    "--cap-drop",
    "--security-opt",
    "--tmpfs",
    "-h",
    "--hostname",
    "--device",
    "--ulimit",
    "--log-driver",
    "--log-opt",
    "--gpus",
    "--runtime",
    "--pids-limit",
    "--restart",
    "--stop-timeout",
    "--shm-size",
];

impl Package {
    /// The package that a command line names; nothing where it runs what lies on the machine, or is not understood.
    #[must_use]
    pub fn of(command: &str, args: &[String]) -> Option<Self> {
        let program = command.rsplit(['/', '\\']).next().unwrap_or(command);
        let program = program.trim_end_matches(".cmd").trim_end_matches(".exe");
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        match (program, words.as_slice()) {
            ("npx" | "bunx" | "pnpx", rest) => npm(named(rest, NPX_VALUED, &["-p", "--package"])?),
            ("npm", ["exec" | "x", rest @ ..]) => npm(named(rest, NPX_VALUED, &["-p", "--package"])?),
            ("pnpm" | "yarn", ["dlx", rest @ ..]) => npm(named(rest, NPX_VALUED, &["-p", "--package"])?),
            ("bun", ["x", rest @ ..]) => npm(named(rest, NPX_VALUED, &["-p", "--package"])?),
            ("deno", rest) => npm(rest.iter().find_map(|word| word.strip_prefix("npm:"))?),
            ("uvx", rest) => pypi(named(rest, UVX_VALUED, &["--from"])?),
            ("uv", ["tool", "run", rest @ ..]) => pypi(named(rest, UVX_VALUED, &["--from"])?),
            ("pipx", ["run", rest @ ..]) => pypi(named(rest, PIPX_VALUED, &["--spec"])?),
            ("docker" | "podman" | "nerdctl", ["run", rest @ ..]) => image(named(rest, RUN_VALUED, &[])?),
            ("cmd", ["/c" | "/C", inner, rest @ ..]) => {
                let rest: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
                Self::of(inner, &rest)
            }
            _ => None,
        }
    }
}

/// The word that names the package: that of one of the `naming` options, else the first that is no option.
fn named<'w>(words: &[&'w str], valued: &[&str], naming: &[&str]) -> Option<&'w str> {
    let mut first = None;
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let (option, value) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        if naming.contains(&option) {
            return value.or_else(|| words.next());
        }
        if word == "--" || (value.is_some() && word.starts_with('-')) {
            continue;
        }
        if valued.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            // What follows is the program's own, but for runners that name their package elsewhere.
            first = Some(word);
            break;
        }
    }
    first
}

fn is_local(spec: &str) -> bool {
    spec.starts_with(['.', '/', '~']) || spec.starts_with("file:")
}

/// A commit: what a branch or a tag names may change.
fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn remote(source: Source, spec: &str) -> Package {
    let at = spec.rfind(['#', '@']);
    let version = at.and_then(|at| spec.get(at.saturating_add(1)..)).map(str::to_owned);
    let fixed = version.as_deref().is_some_and(is_commit);
    Package { source, name: spec.to_owned(), version: version.filter(|_| fixed), fixed }
}

/// A version of three numbers, as SemVer has it, and no range.
fn is_exact(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

fn npm(spec: &str) -> Option<Package> {
    if is_local(spec) {
        return None;
    }
    if spec.contains("://") || spec.starts_with("github:") || spec.starts_with("git@") {
        return Some(remote(Source::Npm, spec));
    }
    let at = spec.rfind('@').filter(|at| *at > 0);
    let (name, version) = at.and_then(|at| spec.split_at_checked(at)).unwrap_or((spec, ""));
    let version = Some(version.trim_start_matches('@')).filter(|version| !version.is_empty());
    let fixed = version.is_some_and(is_exact);
    Some(Package { source: Source::Npm, name: name.to_owned(), version: version.map(str::to_owned), fixed })
}

fn pypi(spec: &str) -> Option<Package> {
    if is_local(spec) {
        return None;
    }
    if spec.contains("://") {
        return Some(remote(Source::Pypi, spec));
    }
    let end = spec.find(['=', '<', '>', '!', '~', '@', ' ', ';']).unwrap_or(spec.len());
    let (name, rest) = spec.split_at_checked(end)?;
    let name = name.split('[').next().unwrap_or(name);
    let version = Some(rest.trim()).filter(|rest| !rest.is_empty());
    let one = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(['*', ',', '<', '>']);
    let fixed = version.is_some_and(|version| {
        version.strip_prefix("==").or_else(|| version.strip_prefix('@')).is_some_and(|version| one(version.trim()))
    });
    Some(Package { source: Source::Pypi, name: name.to_owned(), version: version.map(str::to_owned), fixed })
}

fn image(spec: &str) -> Option<Package> {
    let (name, digest) = spec.split_once('@').map_or((spec, None), |(name, digest)| (name, Some(digest)));
    let fixed = digest.is_some_and(|digest| digest.starts_with("sha256:"));
    // A port of the registry's host is no tag.
    let last = name.rfind('/').map_or(0, |at| at);
    let tag = name.get(last..).and_then(|tail| tail.find(':')).map(|at| at.saturating_add(last));
    let (bare, tag) = tag.and_then(|at| name.split_at_checked(at)).unwrap_or((name, ""));
    let version = digest.map(str::to_owned).or_else(|| Some(tag.trim_start_matches(':').to_owned()));
    let version = version.filter(|version| !version.is_empty());
    Some(Package { source: Source::Image, name: bare.to_owned(), version, fixed })
}
