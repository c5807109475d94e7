//! Secrets for servers, from the gate's environment or from files. Read anew for each call, so that a rotated secret
//! counts at once; never logged, never recorded, never in an error.

use pdp::registry::Server;
use pep::Secret;
use pep::ports::{BoxFuture, Lent, Vault};

/// Secrets kept on this machine.
#[derive(Debug, Default)]
pub struct LocalVault;

impl LocalVault {
    /// The secret of a server, or nothing where it needs none.
    ///
    /// # Errors
    /// When the named place is empty or cannot be read. The words name the place, never its content.
    pub async fn read(&self, server: &Server) -> Result<Option<String>, String> {
        let Some(rule) = &server.credential else { return Ok(None) };
        let text = match (&rule.env, &rule.file) {
            (Some(name), _) => std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))?,
            (None, Some(path)) => tokio::fs::read_to_string(path).await.map_err(|e| format!("`{path}`: {e}"))?,
            (None, None) => return Ok(None),
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("{} is empty", reference(server)));
        }
        Ok(Some(text.to_owned()))
    }
}

/// What the record says of a server's secret.
fn reference(server: &Server) -> String {
    match server.credential.as_ref().map(|rule| (&rule.env, &rule.file)) {
        Some((Some(name), _)) => format!("env:{name}"),
        Some((None, Some(path))) => format!("file:{path}"),
        Some((None, None)) | None => "none".to_owned(),
    }
}

impl Vault for LocalVault {
    fn lend<'a>(&'a self, server: &'a Server) -> BoxFuture<'a, Result<Option<Lent>, String>> {
        Box::pin(async move {
            let secret = self.read(server).await?;
            Ok(secret.map(|text| Lent { secret: Secret::seal(&text), reference: reference(server) }))
        })
    }
}
