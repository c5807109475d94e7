//! How a server of the registry is reached for a scan: as the gate would reach it, with what it would be lent.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pdp::registry::{CredentialRule, Server, Transport};

use super::ScanTransport;
use crate::reach::Written;
use crate::vault::{LocalVault, parted};

/// How a server is reached for a scan, with its secrets.
///
/// # Errors
/// In words, when a secret or a variable is not to be had.
pub async fn transport_of(server: &Server) -> Result<ScanTransport, String> {
    let lent = LocalVault.read(server).await?;
    let secrets: Vec<(&CredentialRule, &str)> = parted(server, lent.as_deref()).collect();
    let all_headers = |fixed: &BTreeMap<String, String>| {
        let secret =
            |(rule, secret): &(&CredentialRule, &str)| (rule.header.clone(), format!("{}{secret}", rule.prefix));
        fixed.clone().into_iter().chain(secrets.iter().map(secret)).collect()
    };
    Ok(match &server.transport {
        Transport::Http { url, headers } => ScanTransport::Http { url: url.clone(), headers: all_headers(headers) },
        Transport::Sse { url, headers } => ScanTransport::Sse { url: url.clone(), headers: all_headers(headers) },
        Transport::Stdio { command, args, env, env_from, env_file, expand, cwd } => {
            let written = Written { args, env, env_from, env_file: env_file.as_deref(), expand: *expand };
            let mut filled = written.fill()?;
            let variable = |(rule, secret): (&CredentialRule, &str)| Some((rule.variable.clone()?, secret.to_owned()));
            filled.env.extend(secrets.into_iter().filter_map(variable));
            let cwd = cwd.as_ref().map(PathBuf::from);
            ScanTransport::Stdio { command: command.clone(), args: filled.args, env: filled.env, cwd }
        }
        Transport::Builtin { server } => {
            let program = std::env::current_exe().map_err(|e| e.to_string())?.display().to_string();
            ScanTransport::Stdio { command: program, args: vec![server.clone()], env: BTreeMap::new(), cwd: None }
        }
    })
}
