//! What the first start makes and later ones find: tokens where nobody configured any, and the key of task tokens. Read and
//! written before anything listens; no secret leaves it but what it was made for.

use std::path::Path;

use anyhow::Context as _;
use pdp::principal::Principal;
use pep::Key;

use super::Generated;
use crate::auth::token_digest;
use crate::clock::SystemEntropy;
use crate::config::{Config, Known, Role, hex};
use crate::import::disk;

/// Who may come: as configured; else the agent `local` with the token of the environment, or with one made now.
pub(super) fn principals(
    config: &Config,
    token: Option<&str>,
    entropy: &SystemEntropy,
) -> anyhow::Result<(Vec<Known>, Option<Generated>)> {
    if !config.principals.is_empty() {
        return Ok((config.principals.clone(), None));
    }
    let kept = config.data.join("tokens");
    if token.is_none()
        && let Ok(text) = std::fs::read_to_string(&kept)
        && let [agent, operator] = text.lines().filter_map(crate::config::hex32).collect::<Vec<_>>().as_slice()
    {
        return Ok((bootstrap(*agent, *operator), None));
    }
    let made =
        || format!("wg_{}{}", hex(&pep::ports::Entropy::bytes(entropy)), hex(&pep::ports::Entropy::bytes(entropy)));
    let generated = Generated { agent: token.map_or_else(&made, str::to_owned), operator: made() };
    let digests = (token_digest(&generated.agent), token_digest(&generated.operator));
    if token.is_none() {
        // Only the digests are kept, so that a restart does not lock out the clients that were set up with these.
        write_private(&kept, &format!("{}\n{}\n", hex(&digests.0), hex(&digests.1)))
            .with_context(|| format!("the tokens' digests cannot be kept in {}", kept.display()))?;
    }
    Ok((bootstrap(digests.0, digests.1), Some(generated)))
}

/// The key that seals task tokens: made at the first start, kept in the data directory, so that a token of an earlier run
/// is told apart from a forged one.
pub(super) fn task_key(data: &Path, entropy: &SystemEntropy) -> anyhow::Result<Key> {
    let path = data.join("task.key");
    let kept = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => {
            return Err(e).with_context(|| format!("the key of task tokens in {} cannot be read", path.display()));
        }
    };
    if let Some(text) = kept {
        let key = crate::config::hex32(text.trim());
        let key = key.with_context(|| {
            format!("{} holds no key: remove it, and every task token that is out is void", path.display())
        })?;
        return Ok(Key::new(key));
    }
    let mut key = [0; 32];
    for half in key.chunks_exact_mut(16) {
        half.copy_from_slice(&pep::ports::Entropy::bytes(entropy));
    }
    write_private(&path, &format!("{}\n", hex(&key)))
        .with_context(|| format!("the key of task tokens cannot be kept in {}", path.display()))?;
    Ok(Key::new(key))
}

fn bootstrap(agent: [u8; 32], operator: [u8; 32]) -> Vec<Known> {
    let principal = |name: &str| Principal {
        agent: name.to_owned(),
        teams: Vec::new(),
        user: String::new(),
        tenant: "default".to_owned(),
        method: "token".to_owned(),
    };
    vec![
        Known { principal: principal("local"), role: None, token_sha256: agent },
        Known { principal: principal("operator"), role: Some(Role::Admin), token_sha256: operator },
    ]
}

/// Writes a file that only its owner may read, also where it was there before and others could.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if path.exists() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(disk::write(path, text.as_bytes(), 0o600)?)
}
