//! `wicketgate registry keygen`: a reviewer's key pair. The private key goes into a file and nowhere else.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::super::print;
use crate::review::key::Key;

#[derive(Debug, Args)]
pub(in crate::cli) struct Keygen {
    /// The new file for the private key; only its owner may read it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The reviewer, as `reviewed_by` names them
    #[arg(long, value_name = "WHO", default_value = "you@example.org")]
    by: String,
}

/// Makes a key, and prints what goes into `reviewers.toml`.
pub(super) fn run(asked: &Keygen) -> ExitCode {
    let made = Key::generate().and_then(|key| key.write_new(&asked.out).map(|()| key));
    match made {
        Ok(key) => {
            print::line(&format!("The private key is in {}; keep it to yourself.", asked.out.display()));
            print::line("The public one belongs into the registry's reviewers.toml:\n");
            let by = toml::Value::from(asked.by.as_str()).to_string();
            print::line(&format!("[reviewers.{by}]\nkeys = [\"{}\"]", key.public_text()));
            ExitCode::SUCCESS
        }
        Err(e) => print::failed(&e.to_string()),
    }
}
