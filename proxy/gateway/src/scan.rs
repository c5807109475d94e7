//! Reads the tools of a live MCP server for `wicketgate registry scan NAME`, and drafts their registry entries.
//!
//! Control plane only: no agent traffic passes here. rmcp is the client and knows both eras of MCP, but its typed `Tool` drops
//! what it does not know, and a pin is the digest of the whole tool object. So every tool is taken from the text that came
//! over the wire, recorded before rmcp decodes it. This module must not judge a tool, nor write a file.

mod child;
mod definitions;
mod difference;
mod draft;
mod fault;
mod http;
mod http_sse;
mod reached;
mod recording;
mod session;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;

pub(crate) use self::definitions::{name_of, one_line, read as read_definitions, written as written_definitions};
pub use self::difference::{changes, difference};
pub use self::draft::{Change, Draft, DraftFault, DraftOptions, Reviewed, Summary, Unpinned, draft};
pub use self::fault::ScanFault;
pub(crate) use self::fault::quoted;
pub use self::reached::transport_of;
use self::recording::Recording;
use self::session::Opening;

/// How to reach the server that is scanned.
#[derive(Clone)]
pub enum ScanTransport {
    /// A child process that speaks MCP on its stdin and stdout.
    Stdio {
        /// The program, looked up in the `PATH` of `env`.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Its whole environment: nothing of ours is inherited.
        env: BTreeMap<String, String>,
        /// Its working directory; ours when absent.
        cwd: Option<PathBuf>,
    },
    /// A streamable HTTP endpoint.
    Http {
        /// The endpoint, `http` or `https`.
        url: String,
        /// Headers sent with every request, such as `Authorization`.
        headers: Vec<(String, String)>,
    },
    /// An HTTP+SSE server, of MCP 2024-11-05.
    Sse {
        /// Where its event stream is opened, `http` or `https`.
        url: String,
        /// Headers sent with every request, such as `Authorization`.
        headers: Vec<(String, String)>,
    },
}

impl std::fmt::Debug for ScanTransport {
    /// Shows where the server is and the names of what it is given, never a value that may be a secret.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdio { command, args: _, env, cwd } => {
                let names: Vec<&String> = env.keys().collect();
                out.debug_struct("Stdio")
                    .field("command", command)
                    .field("env", &names)
                    .field("cwd", cwd)
                    .finish_non_exhaustive()
            }
            Self::Http { url, headers } | Self::Sse { url, headers } => {
                let names: Vec<&String> = headers.iter().map(|(name, _)| name).collect();
                let kind = if matches!(self, Self::Sse { .. }) { "Sse" } else { "Http" };
                out.debug_struct(kind).field("url", &http::public_url(url)).field("headers", &names).finish()
            }
        }
    }
}

/// What a server said of itself and of its tools.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The name the server gives itself. A claim: it identifies nothing. Modern servers may omit it.
    pub server_name: Option<String>,
    /// The version the server gives itself, likewise a claim.
    pub server_version: Option<String>,
    /// The protocol revision both sides settled on, for example `2025-11-25`.
    pub protocol_version: String,
    /// The server's instructions to a model, if it sends any. Untrusted text.
    pub instructions: Option<String>,
    /// Every tool of every page, in the server's order, each the exact text of its JSON object.
    pub tools: Vec<Box<RawValue>>,
}

/// Connects to a server, reads every page of its tool list, and ends the connection.
///
/// `timeout` bounds the time until the last page is read. A modern server is asked with `server/discover`; one that does not
/// answer that within ten seconds is taken for a legacy one, so a timeout below fifteen seconds may be too short for those.
/// A child process is ended afterwards (stdin closed, then SIGTERM, then SIGKILL, to its whole process group), each step
/// of which may take two seconds beyond the timeout.
///
/// # Errors
/// A [`ScanFault`] that says what went wrong, where, and what to do.
pub async fn list_tools(transport: &ScanTransport, timeout: Duration) -> Result<Scan, ScanFault> {
    let recording = Arc::new(Recording::default());
    let deadline = Instant::now() + timeout;
    let faulty = |stop| fault::from_stop(stop, timeout, &recording);
    match transport {
        ScanTransport::Stdio { command, args, env, cwd } => {
            let mut opening = Opening::Probe;
            loop {
                let mut child = child::spawn(command, args, env, cwd.as_deref())?;
                let wire = child.pipes(&recording)?;
                let read = Box::pin(session::read_all(wire, &recording, deadline, opening)).await;
                // The child is ended before anything is said of the fault: only then has it said its last word.
                let ended = child.end().await;
                match read {
                    Err(stop) if opening == Opening::Probe && session::answered_late(&stop) => {
                        opening = Opening::Initialize;
                    }
                    read => return read.map_err(|stop| fault::with_child(faulty(stop), command, &ended)),
                }
            }
        }
        ScanTransport::Http { url, headers } => {
            let wire = http::connect(url, headers, &recording)?;
            let read = Box::pin(session::read_all(wire, &recording, deadline, Opening::Probe)).await;
            read.map_err(|stop| fault::at(faulty(stop), url))
        }
        ScanTransport::Sse { url, headers } => {
            let session = http_sse::connect(url, headers, &recording, deadline, timeout).await?;
            // The transport is older than the modern era: there is nothing to probe for.
            let read = session::read_all(session.wire, &recording, deadline, Opening::Initialize);
            let read = Box::pin(read).await;
            drop(session.carriers);
            read.map_err(|stop| fault::at(faulty(stop), url))
        }
    }
}
