//! What is tracked beside code: nothing of one machine, and documents that say what the code says.

use super::layers::stage_files;
use super::source::Source;
use super::{Fault, fault};

/// Paths of somebody's machine, and names of somebody's mirror.
pub(super) fn machines(files: &[Source]) -> Vec<Fault> {
    let marks = [
        concat!("/wo", "rk/"),
        concat!("/fa", "rm/"),
        concat!("/ro", "ot/"),
        concat!("/tmp", "/wt"),
        concat!("registry.npm", "js.org"),
        concat!("files.python", "hosted.org"),
        concat!("static.", "crates.io"),
        concat!("index.", "crates.io"),
        concat!("deb.", "debian.org"),
    ];
    let mut out = Vec::new();
    for file in files {
        for mark in marks {
            // An image has paths of its own; what it is built from must not.
            if mark == marks[2] && file.path == "Dockerfile" {
                continue;
            }
            for (at, _) in file.text.match_indices(mark) {
                let words = format!(
                    "{}: `{mark}` is of one machine: use a path of the repository or a package's name",
                    file.at(at)
                );
                out.push(fault("tracked", &file.path, words));
            }
        }
    }
    out
}

const ARCHITECTURE_WORDS_MAX: usize = 1_500;

/// The README's table of stages is the folder of the stages; ARCHITECTURE is short.
pub(super) fn documents(files: &[Source]) -> Vec<Fault> {
    let mut out = Vec::new();
    for file in files.iter().filter(|f| f.path == "README.md") {
        let rows = file.text.lines().filter(|line| line.starts_with('|'));
        let cells: Vec<&str> = rows.flat_map(|row| row.split('`')).filter(|c| is_stage(c)).collect();
        let mut told: Vec<String> = cells.iter().map(|c| format!("{}.rs", c.trim_end_matches(".rs"))).collect();
        told.dedup();
        if told != stage_files() {
            let words =
                format!("README.md: its table of stages says {told:?}, proxy/pep/src/stages is {:?}", stage_files());
            out.push(fault("document", "README.md", words));
        }
    }
    for file in files.iter().filter(|f| f.path == "proxy/ARCHITECTURE.md") {
        let words = file.text.split_whitespace().count();
        if words > ARCHITECTURE_WORDS_MAX {
            let words =
                format!("{}: {words} words, at most {ARCHITECTURE_WORDS_MAX}: keep what rarely changes", file.path);
            out.push(fault("document", &file.path, words));
        }
    }
    out
}

/// `s1_intake` or `s1_intake.rs`.
fn is_stage(cell: &str) -> bool {
    let mut chars = cell.chars();
    chars.next() == Some('s') && chars.next().is_some_and(|c| c.is_ascii_digit()) && chars.next() == Some('_')
}
