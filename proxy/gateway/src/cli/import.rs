//! `wicketgate import`: finds clients' files, says or does what an import comes to, and takes it back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser as _};

use super::{Cli, Places, print, told};
use crate::config::Config;
use crate::import::{self, Client, ClientFile, Gate, Plan, Surroundings, TOKEN, Undone};

#[derive(Debug, Args)]
pub(super) struct Import {
    /// Whose servers to import; without it every known file is looked at, and nothing is written
    client: Option<Client>,
    /// The client's file, instead of those it is known to read
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Import from every client that is found
    #[arg(long, conflicts_with_all = ["client", "file"])]
    all: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// List each new server's tools at once, as `wicketgate registry scan` does
    #[arg(long, conflicts_with = "dry_run")]
    scan: bool,
    /// Restore the clients' files byte for byte; what was drafted stays
    #[arg(long, conflicts_with_all = ["scan", "dry_run"])]
    undo: bool,
    /// With --undo: also restore files that were changed since, and lose those changes
    #[arg(long, requires = "undo")]
    force: bool,
}

/// Imports, or undoes it.
pub(super) async fn run(places: &Places, asked: &Import) -> anyhow::Result<ExitCode> {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return Ok(print::failed(&told(&faults))),
    };
    if asked.undo {
        return undo(&config, asked);
    }
    let files = match files(asked) {
        Ok(files) => files,
        Err(words) => return Ok(print::failed(&words)),
    };
    let gate = match gate(&config) {
        Ok(gate) => gate,
        Err(words) => return Ok(print::failed(&words)),
    };
    let home = std::env::home_dir();
    let plan = import::plan(&files, &gate, home.as_deref(), &|name| std::env::var(name).ok())?;
    let chosen = asked.client.is_some() || asked.file.is_some() || asked.all;
    if asked.dry_run || !chosen || !plan.changes() {
        print::line(plan.told(false).trim_end());
        return Ok(ended(&plan));
    }
    plan.carry_out()?;
    print::line(plan.told(true).trim_end());
    keep_token(&plan, &gate)?;
    if !asked.scan {
        return Ok(ended(&plan));
    }
    let mut scanned = true;
    for name in plan.new_servers() {
        print::line(&format!("\nScanning {name}"));
        scanned &= scan(places, name).await;
    }
    Ok(if scanned { ended(&plan) } else { ExitCode::FAILURE })
}

/// Something was left that a person must look at.
fn ended(plan: &Plan) -> ExitCode {
    if plan.leaves() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The files that are looked at.
fn files(asked: &Import) -> Result<Vec<ClientFile>, String> {
    let around = surroundings()?;
    if let Some(path) = &asked.file {
        if !path.is_file() {
            return Err(format!("there is no file {}", path.display()));
        }
        let client = asked.client.or_else(|| Client::of_file(path)).ok_or_else(|| {
            format!("whose file is {}? Name the client: `wicketgate import CLIENT --file FILE`", path.display())
        })?;
        let known = client.files(&around).into_iter().find(|known| same(&known.path, path));
        let project = known.map_or_else(|| project_of(client, path), |known| known.project);
        return Ok(vec![ClientFile { client, path: path.clone(), project }]);
    }
    let clients = asked.client.map_or_else(|| Client::ALL.to_vec(), |client| vec![client]);
    let mut files: Vec<ClientFile> = clients.into_iter().flat_map(|client| client.files(&around)).collect();
    // Where the project is the user's home, a file of the one is the other's too.
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| file.path.is_file() && seen.insert((file.client, file.path.canonicalize().ok())));
    match asked.client {
        Some(client) if files.is_empty() => {
            let looked: Vec<String> =
                client.files(&around).iter().map(|file| format!("  {}", file.path.display())).collect();
            Err(format!("no file of {} is here; looked for\n{}", client.title(), looked.join("\n")))
        }
        Some(_) | None => Ok(files),
    }
}

fn same(a: &Path, b: &Path) -> bool {
    a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b)
}

/// The project of a file that was named: the folder its client would have to be opened in to read it.
fn project_of(client: Client, path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    let around = Surroundings::default();
    let of_project = client.files(&around).into_iter().filter(|file| file.project.is_some());
    let mut roots = of_project.filter_map(|file| {
        let parts = file.path.components().count();
        path.ends_with(&file.path).then(|| path.ancestors().nth(parts).map(Path::to_owned)).flatten()
    });
    roots.next_back()
}

fn surroundings() -> Result<Surroundings, String> {
    let project = std::env::current_dir().map_err(|e| format!("the working directory is not known: {e}"))?;
    let set = ["CODEX_HOME", "CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "APPDATA"];
    let folder = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    Ok(Surroundings { project, home: std::env::home_dir(), set: set.map(folder) })
}

/// The gate as this configuration describes it.
fn gate(config: &Config) -> Result<Gate, String> {
    let bundle = config.bundle.as_ref().ok_or(
        "there are no policies and registry here to add to; make them with `wicketgate init`, or name them with \
         `--policies` and `--registry`",
    )?;
    let absolute = |path: &Path| whole(path).map_err(|e| format!("{}: {e}", path.display()));
    let program = std::env::current_exe().map_err(|e| format!("the gate's own program is not found: {e}"))?;
    let data = absolute(&config.data)?;
    let listen = reachable(config.listen);
    // The program finds a gate in its default place by itself, and any other by being told.
    let mut options = Vec::new();
    if listen != crate::config::LISTEN {
        options.extend(["--listen".to_owned(), listen.clone()]);
    }
    if data != absolute(&crate::config::default_data())? {
        options.extend(["--data".to_owned(), data.display().to_string()]);
    }
    Ok(Gate {
        listen,
        registry: absolute(&bundle.registry)?,
        policies: absolute(&bundle.policies)?,
        data,
        program: program.display().to_string(),
        options,
    })
}

/// A path from the root on, links and `..` followed as far as it is there.
fn whole(path: &Path) -> std::io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let there = path.ancestors().find_map(|above| Some((above.canonicalize().ok()?, above)));
    let whole = there.and_then(|(real, above)| Some(real.join(path.strip_prefix(above).ok()?)));
    // A join with nothing would leave a slash behind.
    Ok(whole.map(|whole| whole.components().collect()).unwrap_or(path))
}

/// Where a client on this machine reaches the listener: one that listens everywhere is reached on the loopback.
pub(super) fn reachable(listen: SocketAddr) -> String {
    match listen {
        address if !address.ip().is_unspecified() => address.to_string(),
        SocketAddr::V4(address) => format!("127.0.0.1:{}", address.port()),
        SocketAddr::V6(address) => format!("[::1]:{}", address.port()),
    }
}

/// Where a client will start the bridge and the token is known here, keeps it where the bridge looks for it.
fn keep_token(plan: &Plan, gate: &Gate) -> anyhow::Result<()> {
    let path = import::token_file(&gate.data);
    let Some(token) = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) else { return Ok(()) };
    if plan.starts_bridge() && !path.exists() {
        import::write_private(&path, &format!("{token}\n"))?;
        print::line(&format!("  the token of {TOKEN} was written to {} (mode 0600)", path.display()));
    }
    Ok(())
}

/// As `wicketgate registry scan NAME`.
async fn scan(places: &Places, name: &str) -> bool {
    let Ok(mut cli) = Cli::try_parse_from(["wicketgate", "registry", "scan", name]) else { return false };
    cli.places = places.clone();
    match Box::pin(super::dispatch(cli)).await {
        Ok(code) => code == ExitCode::SUCCESS,
        Err(e) => {
            print::failed(&format!("{e:#}"));
            false
        }
    }
}

fn undo(config: &Config, asked: &Import) -> anyhow::Result<ExitCode> {
    let folder = PathBuf::new();
    let data = whole(&config.data)?;
    // Nothing but the data directory counts here.
    let gate = Gate {
        listen: String::new(),
        registry: folder.clone(),
        policies: folder,
        data,
        program: String::new(),
        options: Vec::new(),
    };
    let restored = import::undo(&gate, asked.client, asked.file.as_deref(), asked.force)?;
    if restored.is_empty() {
        print::line("There is no import to undo.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut good = true;
    let mut drafted = std::collections::BTreeSet::new();
    for file in restored {
        let path = file.path.display();
        match file.undone {
            Undone::Restored => print::line(&format!("restored           {path}")),
            Undone::AsItWas => print::line(&format!("as it was already  {path}")),
            Undone::Changed => {
                good = false;
                let words = "was changed since the import; `--force` restores it all the same, and loses the change";
                print::failed(&format!("{path} {words}"));
            }
            Undone::BackupLost(why) => {
                good = false;
                print::failed(&format!("{path} cannot be restored, its backup is not to be had: {why}"));
            }
        }
        drafted.extend(file.drafted);
    }
    let left: Vec<String> =
        drafted.iter().filter(|path| path.exists()).map(|path| format!("  {}", path.display())).collect();
    if !left.is_empty() {
        print::line(&format!("What was drafted stays; remove it if you do not want it:\n{}", left.join("\n")));
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
