//! `wicketgate policy fmt`: lays policy files out, or says which are not.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pdp::fault::{Fault, SourceFile};

use super::{bundle, report};
use crate::cli::{Places, print, told};
use crate::desk::format::formatted;
use crate::import::disk;
use crate::story::plain;

#[derive(Debug, Args)]
pub(in crate::cli) struct Formatting {
    /// Policy files, or directories with some [default: the policies' directory]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write nothing; name the files that are not laid out so, and fail if there are any
    #[arg(long)]
    check: bool,
}

/// Formats. A file that cannot be read as policies is left as it is, like one that would come to say something else.
pub(super) fn run(places: &Places, asked: &Formatting) -> ExitCode {
    let paths = match paths(places, &asked.paths) {
        Ok(paths) => paths,
        Err(words) => return print::failed(&words),
    };
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in &paths {
        match bundle::named(path, ".cedar") {
            Ok(found) => files.extend(found),
            Err(more) => faults.extend(more),
        }
    }
    let mut changed = 0;
    for file in &files {
        match formatted(file) {
            Ok(text) if text == file.text => {}
            Ok(text) => {
                changed += 1;
                let written =
                    if asked.check { Ok(()) } else { disk::write(Path::new(&file.path), text.as_bytes(), 0o644) };
                let words = if asked.check { "not laid out" } else { "formatted" };
                match written {
                    Ok(()) => print::line(&format!("{words}: {}", plain(&file.path))),
                    Err(e) => faults.push(Fault::of_file(&file.path, format!("cannot be written: {}", e.words), "")),
                }
            }
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return report::faulty(&faults, &files.iter().collect::<Vec<&SourceFile>>(), false);
    }
    let all = bundle::counted(files.len(), "file");
    match (asked.check, changed) {
        (_, 0) => print::line(&format!("{all}, all laid out as `wicketgate policy fmt` would")),
        (true, _) => {
            print::line(&format!("{changed} of {all}; run `wicketgate policy fmt`"));
            return ExitCode::FAILURE;
        }
        (false, _) => print::line(&format!("{changed} of {all}")),
    }
    ExitCode::SUCCESS
}

fn paths(places: &Places, named: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let config = places.config().map_err(|faults| told(&faults))?;
    let bundle = config.bundle.ok_or("there is no directory of policies here: name a file or a directory")?;
    Ok(vec![bundle.policies])
}
