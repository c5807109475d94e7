//! `wicketgate policy diff`: which calls get wider or narrower from one bundle to another, with an example of each.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use clap::Args;
use pdp::fault::SourceFile;
use pdp::principal::Principal;
use pdp::snapshot::{Snapshot, Sources};

use super::{Places, print, told};
use crate::desk::difference::{Changed, Difference, Side, by_trying};
use crate::desk::law::Law;
use crate::desk::prove::{NoSolver, Solver, compare};
use crate::desk::telling;
use crate::reload;

/// What is to be compared.
#[derive(Debug, Args)]
#[command(
    after_help = "A bundle is a folder with `policies/` and `registry/`, a folder of policies alone (judged with the \
working registry), or a git revision of the repository at hand. What a folder leaves out is the working bundle's.\n\nExit code: \
0 nothing differs; 1 something does, or something is not settled; 2 they could not be compared, or wrong usage."
)]
pub(super) struct Diff {
    /// The bundle before
    #[arg(value_name = "A")]
    before: String,
    /// The bundle after [default: the working one]
    #[arg(value_name = "B")]
    after: Option<String>,
    /// Try calls instead of asking the solver, even where there is one
    #[arg(long)]
    tried: bool,
    /// How many seconds one question to the solver may take; beyond it the action is tried
    #[arg(long, default_value_t = 30.0, value_name = "SECONDS", value_parser = super::prove::seconds)]
    timeout: f64,
    /// Print the difference as JSON
    #[arg(long)]
    json: bool,
}

/// The exit code when there is no answer, which must not be taken for "something differs".
const NOT_COMPARED: u8 = 2;

pub(super) fn run(places: &Places, asked: &Diff) -> ExitCode {
    match compared(places, asked) {
        Ok((difference, text)) => {
            print::line(text.trim_end());
            let settled = difference.is_same() && difference.open.is_empty();
            if settled { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(words) => {
            print::failed(&words);
            ExitCode::from(NOT_COMPARED)
        }
    }
}

fn compared(places: &Places, asked: &Diff) -> Result<(Difference, String), String> {
    let working = super::policy::loaded(places)?;
    let known: Vec<Principal> = working.config.principals.iter().map(|known| known.principal.clone()).collect();
    let built = |name: &str| -> Result<(Snapshot, Law), String> {
        let sources = sources(name, &working.sources)?;
        let snapshot = Snapshot::build(&sources).map_err(|faults| format!("{name}: {}", told(&faults)))?;
        let law = Law::of(&snapshot, &sources.policies);
        Ok((snapshot, law))
    };
    let old = built(&asked.before)?;
    let named = asked.after.as_deref().map(built).transpose()?;
    let new = match named {
        Some(new) => new,
        None => {
            let law = Law::of(&working.snapshot, &working.sources.policies);
            (working.snapshot, law)
        }
    };
    let before = Side { name: &asked.before, snapshot: &old.0, law: &old.1 };
    let after = Side { name: asked.after.as_deref().unwrap_or("the working bundle"), snapshot: &new.0, law: &new.1 };
    let difference = difference(before, after, &known, asked)?;
    let text = if asked.json {
        serde_json::to_string_pretty(&difference).map_err(|e| e.to_string())?
    } else {
        shown(&difference, before, after)
    };
    Ok((difference, text))
}

fn difference(before: Side<'_>, after: Side<'_>, known: &[Principal], asked: &Diff) -> Result<Difference, String> {
    let tried = || Ok(by_trying(before, after, known, &BTreeSet::new()));
    if asked.tried {
        return tried();
    }
    match Solver::find(std::env::var_os("CVC5"), std::env::var_os("PATH")) {
        Ok(solver) => compare(before, after, known, &solver, std::time::Duration::from_secs_f64(asked.timeout)),
        Err(NoSolver::Missing) => tried(),
        // Somebody named a solver and meant it.
        Err(broken @ NoSolver::Broken { .. }) => Err(broken.to_string()),
    }
}

/// The files of a bundle by what people call it.
fn sources(name: &str, working: &Sources) -> Result<Sources, String> {
    let folder = Path::new(name);
    if folder.is_dir() {
        return reload::beside(folder, || Ok(working.clone())).map_err(|faults| told(&faults));
    }
    revision(name)
}

/// The bundle of a git revision: `policies/` and `registry/` at its root.
fn revision(name: &str) -> Result<Sources, String> {
    let unknown = || format!("`{name}` is neither a folder nor a revision of a git repository here");
    if name.starts_with('-') {
        return Err(unknown());
    }
    // With `-z` a name stands as it is; else git writes one that is not ASCII in quotes.
    let listed = git(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", name, "policies", "registry"]);
    let mut out = Sources::default();
    for path in listed.ok_or_else(unknown)?.split('\0').filter(|path| reload::is_of_bundle(path)) {
        let text =
            git(&["show", &format!("{name}:{path}")]).ok_or_else(|| format!("{path} of {name} cannot be read"))?;
        let folder = if path.starts_with("policies/") { &mut out.policies } else { &mut out.registry };
        folder.push(SourceFile { path: path.to_owned(), text });
    }
    if out.policies.is_empty() || out.registry.is_empty() {
        return Err(format!("the revision `{name}` has no `policies/` with a `registry/` beside them"));
    }
    Ok(out)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn shown(difference: &Difference, before: Side<'_>, after: Side<'_>) -> String {
    let short = |side: Side<'_>| {
        let digest = side.snapshot.digest().to_string();
        format!("{} ({})", side.name, digest.get(..19).unwrap_or(&digest))
    };
    let mut out = format!("From {} to {}\n", short(before), short(after));
    let mut told: Vec<&Changed> = Vec::new();
    for call in &difference.calls {
        let alike = |other: &&Changed| is_alike(call, other);
        if told.iter().any(alike) {
            continue;
        }
        told.push(call);
        let others = difference.calls.iter().filter(|other| is_alike(call, other) && other.action != call.action);
        out.push_str(&call_shown(call, &others.map(|other| other.action.as_str()).collect::<Vec<_>>()));
    }
    list("On paper", &difference.paper, &mut out);
    list("Registry", &difference.registry, &mut out);
    list("Policies as written", &difference.policies, &mut out);
    list("Not settled", &difference.open, &mut out);
    out.push_str(match (difference.is_same(), difference.is_exact()) {
        (true, true) => "\nNo call is decided otherwise.\n",
        (true, false) => "\nNo call that was tried is decided otherwise.\n",
        (false, _) => "\n",
    });
    for way in &difference.ways {
        out.push_str(&format!("{} actions, {}: {}.\n", way.actions, way.way, way.note));
    }
    out
}

/// Whether two actions changed for the same rules in the same way, so that one example tells of both.
fn is_alike(one: &Changed, other: &Changed) -> bool {
    (one.direction, &one.before, &one.after) == (other.direction, &other.before, &other.after)
}

fn call_shown(call: &Changed, others: &[&str]) -> String {
    let mut lines = call.example.clone();
    lines.push(("was", call.before.clone()));
    lines.push(("is", call.after.clone()));
    if !others.is_empty() {
        lines.push(("so are", others.join(", ")));
    }
    format!("\n{}: {}\n{}", call.direction.word().to_uppercase(), call.action, telling::aligned(&lines, 2))
}

fn list(heading: &str, items: &[String], out: &mut String) {
    if !items.is_empty() {
        out.push_str(&format!("\n{heading}\n"));
        items.iter().for_each(|item| out.push_str(&format!("  {item}\n")));
    }
}
