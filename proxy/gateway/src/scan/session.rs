//! One MCP session for one scan: open it in whichever era the server speaks, read every page of tools, close it.
//!
//! rmcp sends and keeps the lifecycle; the answers are read from the recording, never from rmcp's types. Only `tools/list` is
//! ever asked. Some servers list a tool only to a client that can serve it, so the scan claims the capabilities an agent's
//! client may have; whatever a server then asks gets rmcp's default answer: no roots, no sampling, elicitation declined.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use futures_util::FutureExt as _;
use rmcp::RoleClient;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientRequest, FormElicitationCapability, Implementation, ListToolsRequest,
    PaginatedRequestParams, ProtocolVersion, UrlElicitationCapability,
};
use rmcp::service::{ClientLifecycleMode, Peer, PeerRequestOptions, RunningService, serve_client_with_lifecycle};
use rmcp::transport::IntoTransport;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::Scan;
use super::fault::{Stop, stop_from_opening, stop_from_request};
use super::recording::Recording;

/// The most pages one server may have. A list that goes on is a fault of the server, not a reason to read for ever.
const PAGES_MAX: usize = 1_000;
/// The most tools one server may have.
const TOOLS_MAX: usize = 10_000;
/// How long the session may take to close: a legacy HTTP server is told with DELETE.
const CLOSE: Duration = Duration::from_secs(3);
/// JSON-RPC's "method not found".
const METHOD_NOT_FOUND: i64 = -32601;

/// How a session is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// Asks which era the server speaks.
    Probe,
    /// Takes it for a legacy server, for as long as it may need to start.
    Initialize,
}

/// Whether the server answered the probe only after rmcp had stopped waiting for it (10 s) and opened the legacy way: it was
/// slow to start, and is no worse a server for that.
pub(super) fn answered_late(stop: &Stop) -> bool {
    matches!(stop, Stop::NotMcp(words) if words.contains("conflict initialized response id"))
}

/// Reads everything a scan wants over `wire`, until `deadline`.
pub(super) async fn read_all<W, E, A>(
    wire: W,
    recording: &Recording,
    deadline: Instant,
    opening: Opening,
) -> Result<Scan, Stop>
where
    W: IntoTransport<RoleClient, E, A>,
    E: Error + Send + Sync + 'static,
{
    let opening = timeout_at(deadline, open(wire, opening)).await;
    let mut running =
        opening.map_err(|_| Stop::TimedOut { waiting_for: "the server to open a session".to_owned() })??;
    let mut tools = Vec::new();
    let reading = timeout_at(deadline, read_pages(&running, recording, &mut tools)).await;
    let scan = match reading {
        Err(_) => Err(Stop::TimedOut { waiting_for: format!("`tools/list`, with {} tools read so far", tools.len()) }),
        Ok(Err(stop)) => Err(stop),
        Ok(Ok(())) => Ok(summary(&running, tools)),
    };
    // The session has told all it had to tell; how its closing goes changes nothing, and is rmcp's to log.
    drop(running.close_with_timeout(CLOSE).await);
    scan
}

type Running = RunningService<RoleClient, ClientConfig>;

async fn open<W, E, A>(wire: W, opening: Opening) -> Result<Running, Stop>
where
    W: IntoTransport<RoleClient, E, A>,
    E: Error + Send + Sync + 'static,
{
    let us = Implementation::new("wicketgate", env!("CARGO_PKG_VERSION"));
    let config = ClientConfig::new(capabilities(), us);
    let lifecycle = match opening {
        Opening::Probe => ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::LATEST],
            legacy_version: Some(ProtocolVersion::LATEST_WITH_INITIALIZE),
        },
        Opening::Initialize => ClientLifecycleMode::Initialize,
    };
    Box::pin(serve_client_with_lifecycle(config, wire, lifecycle)).await.map_err(stop_from_opening)
}

/// What an agent's client may be able to do, so that no tool is kept from the scan which would be shown to the agent.
#[expect(deprecated, reason = "deprecated by MCP 2026-07-28, and what servers of the revisions before it look for")]
fn capabilities() -> ClientCapabilities {
    let mut capabilities = ClientCapabilities::builder().enable_roots().enable_sampling().enable_elicitation().build();
    if let Some(elicitation) = &mut capabilities.elicitation {
        // Without either, MCP means forms alone, and servers hide what needs a URL.
        elicitation.form = Some(FormElicitationCapability::default());
        elicitation.url = Some(UrlElicitationCapability::default());
    }
    capabilities
}

fn summary(running: &Running, tools: Vec<Box<RawValue>>) -> Scan {
    let info = running.peer_info();
    let info = info.as_deref();
    let implementation = info.and_then(|info| info.server_info.as_ref());
    Scan {
        server_name: implementation.map(|server| server.name.clone()),
        server_version: implementation.map(|server| server.version.clone()),
        protocol_version: info.map(|info| info.protocol_version.as_str().to_owned()).unwrap_or_default(),
        instructions: info.and_then(|info| info.instructions.clone()),
        tools,
    }
}

async fn read_pages(
    peer: &Peer<RoleClient>,
    recording: &Recording,
    tools: &mut Vec<Box<RawValue>>,
) -> Result<(), Stop> {
    let mut cursors = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut cursor: Option<String> = None;
    for page in 1..=PAGES_MAX {
        let text = match ask(peer, recording, cursor.clone()).await {
            // A server without tools need not know the method; that is an empty list, not a fault.
            Err(Stop::Refused { code: METHOD_NOT_FOUND, .. }) if page == 1 && !claims_tools(peer) => return Ok(()),
            other => other?,
        };
        let read = read_page(&text, page)?;
        for tool in read.tools {
            let name = name_of(&tool, page)?;
            if !names.insert(name.clone()) {
                return Err(Stop::Listing(format!("it names the tool `{}` twice", name.escape_debug())));
            }
            tools.push(tool);
        }
        if tools.len() > TOOLS_MAX {
            return Err(Stop::Listing(format!("it has more than {TOOLS_MAX} tools")));
        }
        match read.next_cursor.filter(|next| !next.is_empty()) {
            None => return Ok(()),
            Some(next) if !cursors.insert(next.clone()) => {
                return Err(Stop::Listing(format!(
                    "page {page} leads back to a page that was read, so the list has no end"
                )));
            }
            Some(next) => cursor = Some(next),
        }
    }
    Err(Stop::Listing(format!("it has more than {PAGES_MAX} pages")))
}

fn claims_tools(peer: &Peer<RoleClient>) -> bool {
    peer.peer_info().is_some_and(|info| info.capabilities.tools.is_some())
}

/// Asks for one page and returns the raw text of the answer.
async fn ask(peer: &Peer<RoleClient>, recording: &Recording, cursor: Option<String>) -> Result<String, Stop> {
    let params = cursor.map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
    let request = ListToolsRequest { params, ..ListToolsRequest::default() };
    let request = ClientRequest::ListToolsRequest(request);
    let handle =
        peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await.map_err(stop_from_request)?;
    let id = handle.id.to_string();
    tokio::select! {
        // The recording first: it has the answer even where rmcp cannot make a typed one of it.
        biased;
        text = recording.answer(&id) => refusal(text),
        // The answer may have come between the two looks, in which case it is recorded by now.
        typed = handle.await_response() => match (recording.answer(&id).now_or_never(), typed) {
            (Some(text), _) => refusal(text),
            (None, Err(error)) => Err(stop_from_request(error)),
            (None, Ok(_)) => Err(Stop::NotMcp("it answered `tools/list` in a form that cannot be read".to_owned())),
        },
    }
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    error: Option<RefusalError<'a>>,
}

#[derive(Deserialize)]
struct RefusalError<'a> {
    code: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// Passes an answer on, unless it is a JSON-RPC error.
fn refusal(text: String) -> Result<String, Stop> {
    let read: Refusal<'_> = serde_json::from_str(&text)
        .map_err(|error| Stop::NotMcp(format!("its answer to `tools/list` is no JSON-RPC answer: {error}")))?;
    match read.error {
        None => Ok(text),
        Some(RefusalError { code, message }) => {
            Err(Stop::Refused { method: "tools/list".to_owned(), code, message: message.into_owned() })
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    result: Page,
}

#[derive(Deserialize)]
struct Page {
    tools: Vec<Box<RawValue>>,
    #[serde(rename = "nextCursor", default)]
    next_cursor: Option<String>,
}

fn read_page(text: &str, page: usize) -> Result<Page, Stop> {
    let answer: Answer = serde_json::from_str(text)
        .map_err(|error| Stop::Listing(format!("page {page} is not a list of tools: {error}")))?;
    Ok(answer.result)
}

fn name_of(tool: &RawValue, page: usize) -> Result<String, Stop> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }
    let named: Named<'_> = serde_json::from_str(tool.get())
        .map_err(|error| Stop::Listing(format!("page {page} has a tool without a usable `name`: {error}")))?;
    if named.name.is_empty() {
        return Err(Stop::Listing(format!("page {page} has a tool whose `name` is empty")));
    }
    Ok(named.name.into_owned())
}
