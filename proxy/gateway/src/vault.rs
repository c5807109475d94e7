//! Secrets for servers, from the gate's environment or from files. Read anew for each call, so that a rotated secret
//! counts at once; never logged, never recorded, never in an error.

use pdp::registry::{CredentialRule, Server};
use pep::Secret;
use pep::ports::{BoxFuture, Lent, Vault};

/// Secrets kept on this machine.
#[derive(Debug, Default)]
pub struct LocalVault;

impl LocalVault {
    /// The secrets of a server as one text, or nothing where it needs none. [`parted`] takes them apart.
    ///
    /// # Errors
    /// When a named place is empty or cannot be read. The words name the place, never its content.
    pub async fn read(&self, server: &Server) -> Result<Option<String>, String> {
        let Some(first) = &server.credential else { return Ok(None) };
        let mut all = Vec::new();
        for rule in first.all() {
            all.push(one(rule).await?);
        }
        Ok(Some(all.join(BETWEEN)))
    }
}

/// Stands between two secrets of one server: no header and no variable can hold it.
const BETWEEN: &str = "\0";

async fn one(rule: &CredentialRule) -> Result<String, String> {
    let text = match (&rule.env, &rule.file) {
        (Some(name), _) => std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))?,
        (None, Some(path)) => tokio::fs::read_to_string(path).await.map_err(|e| format!("`{path}`: {e}"))?,
        (None, None) => return Err("the credential names neither `env` nor `file`".to_owned()),
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{} is empty", place(rule)));
    }
    if text.contains(BETWEEN) {
        return Err(format!("{} holds a NUL, which no header and no variable can", place(rule)));
    }
    Ok(text.to_owned())
}

/// What was lent for a server, taken apart: each secret with what the registry says of it.
pub(crate) fn parted<'a>(
    server: &'a Server,
    lent: Option<&'a str>,
) -> impl Iterator<Item = (&'a CredentialRule, &'a str)> {
    let rules = server.credential.iter().flat_map(CredentialRule::all);
    rules.zip(lent.into_iter().flat_map(|lent| lent.split(BETWEEN)))
}

/// Where a secret is kept, as the record says it.
fn place(rule: &CredentialRule) -> String {
    match (&rule.env, &rule.file) {
        (Some(name), _) => format!("env:{name}"),
        (None, Some(path)) => format!("file:{path}"),
        (None, None) => "none".to_owned(),
    }
}

/// What is said of a server's secrets, in records and elsewhere: where they are kept.
pub(crate) fn reference(server: &Server) -> String {
    let all: Vec<String> = server.credential.iter().flat_map(CredentialRule::all).map(place).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

impl Vault for LocalVault {
    fn lend<'a>(&'a self, server: &'a Server) -> BoxFuture<'a, Result<Option<Lent>, String>> {
        Box::pin(async move {
            let secret = self.read(server).await?;
            Ok(secret.map(|text| Lent { secret: Secret::seal(&text), reference: reference(server) }))
        })
    }
}
