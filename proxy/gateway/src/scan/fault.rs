//! Every way a scan can fail, and how each is told to the person who asked for it.
//!
//! What stopped a session is known as a [`Stop`]; the transport then adds what only it knows (an exit status, an HTTP status),
//! and the two make a [`ScanFault`]. Text that came from a server is escaped and cut; URLs are shown without their secrets.

use std::error::Error as _;
use std::time::Duration;

use rmcp::model::{ErrorData, ProtocolVersion};
use rmcp::service::{ClientInitializeError, ServiceError};
use rmcp::transport::streamable_http_client::StreamableHttpError;

use super::child::Ended;
use super::http::public_url;
use super::recording::Recording;

/// The longest piece of a server's text that an error shows, in characters.
const QUOTE_CHARS_MAX: usize = 200;

/// Why a scan has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanFault {
    /// The transport as configured cannot be used at all.
    #[error("the transport cannot be used: {0}")]
    Transport(String),
    /// The child process could not be started.
    #[error("cannot start `{command}`: {cause}")]
    Spawn {
        /// The program.
        command: String,
        /// What the system said, and what to try.
        cause: String,
    },
    /// The child process ended before its tools were read.
    #[error("`{command}` ended ({status}) before its tools were read{}", said(.hints))]
    Exited {
        /// The program.
        command: String,
        /// Its exit status, in words.
        status: String,
        /// What it said on stdout that was not MCP, and the last lines of its stderr.
        hints: Vec<String>,
    },
    /// The server closed the connection while it owed an answer.
    #[error("the server closed the connection during {during}{}", said(.hints))]
    Closed {
        /// What was going on.
        during: String,
        /// What it said, if that may help.
        hints: Vec<String>,
    },
    /// The time was up.
    #[error("no answer within {seconds} s while waiting for {waiting_for}{}", said(.hints))]
    TimedOut {
        /// The whole time that was given, in seconds.
        seconds: u64,
        /// What had not come.
        waiting_for: String,
        /// What the server said instead, if it said anything.
        hints: Vec<String>,
    },
    /// No HTTP connection came about, or it broke.
    #[error("cannot reach {url}: {cause}")]
    Unreachable {
        /// The endpoint, without its secrets.
        url: String,
        /// What the network said.
        cause: String,
    },
    /// The endpoint refused with an HTTP status.
    #[error("{url} answered HTTP {status}{}", advice(*.status))]
    HttpStatus {
        /// The endpoint, without its secrets.
        url: String,
        /// The status code.
        status: u16,
    },
    /// Something answered, but not in MCP.
    #[error("this is not an MCP server, or a broken one: {what}{}", said(.hints))]
    NotMcp {
        /// What it did instead.
        what: String,
        /// What it said, if that may help.
        hints: Vec<String>,
    },
    /// The server speaks no protocol revision that this scan speaks.
    #[error("no common protocol revision: the server offers {offered}, this scan speaks {spoken}")]
    Version {
        /// What the server offers.
        offered: String,
        /// What we speak.
        spoken: String,
    },
    /// The server answered with a JSON-RPC error.
    #[error("the server refused `{method}`: {message} (JSON-RPC error {code})")]
    Refused {
        /// The method.
        method: String,
        /// The JSON-RPC error code.
        code: i64,
        /// Its message, escaped and cut.
        message: String,
    },
    /// The tool list breaks the protocol, so no part of it can be trusted.
    #[error("the server's tool list cannot be used: {0}")]
    Listing(String),
}

/// What stopped a session, before the transport has been asked about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The deadline passed.
    TimedOut {
        waiting_for: String,
    },
    /// The transport ended or failed underneath.
    Closed {
        during: String,
    },
    NotMcp(String),
    Version {
        offered: String,
        spoken: String,
    },
    Refused {
        method: String,
        code: i64,
        message: String,
    },
    Listing(String),
}

/// How an HTTP request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    Status(u16),
    Unreachable(String),
    NotMcp(String),
}

impl Trouble {
    /// Reads rmcp's error; `None` where the session's own error says it better.
    pub(super) fn from_http(error: &StreamableHttpError<reqwest::Error>) -> Option<Self> {
        match error {
            StreamableHttpError::AuthRequired(_) => Some(Self::Status(401)),
            StreamableHttpError::InsufficientScope(_) => Some(Self::Status(403)),
            StreamableHttpError::SessionExpired => Some(Self::Status(404)),
            StreamableHttpError::HttpStatus(error) => Some(Self::Status(error.status)),
            StreamableHttpError::Client(error) => Some(Self::from_reqwest(error)),
            StreamableHttpError::UnexpectedServerResponse(text) => Some(Self::from_text(text)),
            StreamableHttpError::UnexpectedContentType(kind) => {
                let kind = kind.as_deref().map_or("no content type".to_owned(), |kind| format!("`{}`", quoted(kind)));
                Some(Self::NotMcp(format!("it answered with {kind} where JSON or an event stream belongs")))
            }
            StreamableHttpError::ResponseBodyTooLarge { max_size } => {
                Some(Self::NotMcp(format!("its answer is longer than {max_size} bytes")))
            }
            StreamableHttpError::Deserialize(error) => {
                Some(Self::NotMcp(format!("its answer is not JSON-RPC: {error}")))
            }
            // What is left says nothing that the session's own error does not; new kinds of rmcp's join it.
            StreamableHttpError::Sse(_)
            | StreamableHttpError::Io(_)
            | StreamableHttpError::UnexpectedEndOfStream
            | StreamableHttpError::ServerDoesNotSupportSse
            | StreamableHttpError::ServerDoesNotSupportDeleteSession
            | StreamableHttpError::TokioJoinError(_)
            | StreamableHttpError::TransportChannelClosed
            | StreamableHttpError::MissingSessionIdInResponse
            | StreamableHttpError::ReservedHeaderConflict(_)
            | StreamableHttpError::SessionRecoveryTimeout
            | StreamableHttpError::ReinitializationFailed(_)
            | StreamableHttpError::ControlRequestTimeout
            | _ => None,
        }
    }

    pub(super) fn from_reqwest(error: &reqwest::Error) -> Self {
        if let Some(status) = error.status() {
            return Self::Status(status.as_u16());
        }
        // reqwest's own text carries the URL with its query; the innermost cause does not.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let inner = if error.source().is_some() { cause.to_string() } else { "the request failed".to_owned() };
        Self::Unreachable(if error.is_timeout() { "the connection timed out".to_owned() } else { inner })
    }

    /// rmcp puts an unexpected status into a text `HTTP <status>: <body>`, and other surprises into other texts.
    fn from_text(text: &str) -> Self {
        let status = text.strip_prefix("HTTP ").and_then(|rest| rest.get(..3)).and_then(|digits| digits.parse().ok());
        status.map_or_else(|| Self::NotMcp(quoted(text)), Self::Status)
    }
}

/// Adds the time and the recording to what stopped a session.
pub(super) fn from_stop(stop: Stop, timeout: Duration, recording: &Recording) -> ScanFault {
    let noise = || recording.noise().map(|noise| format!("it said: {}", quoted(&noise))).into_iter().collect();
    match (stop, recording.trouble()) {
        (Stop::TimedOut { waiting_for }, _) => {
            ScanFault::TimedOut { seconds: timeout.as_secs(), waiting_for, hints: noise() }
        }
        (Stop::Closed { .. } | Stop::NotMcp(_), Some(Trouble::Status(status))) => {
            ScanFault::HttpStatus { url: String::new(), status }
        }
        (Stop::Closed { .. } | Stop::NotMcp(_), Some(Trouble::Unreachable(cause))) => {
            ScanFault::Unreachable { url: String::new(), cause }
        }
        (Stop::Closed { .. } | Stop::NotMcp(_), Some(Trouble::NotMcp(what))) => {
            ScanFault::NotMcp { what, hints: noise() }
        }
        (Stop::Closed { during }, None) => ScanFault::Closed { during, hints: noise() },
        (Stop::NotMcp(what), None) => ScanFault::NotMcp { what, hints: noise() },
        (Stop::Version { offered, spoken }, _) => ScanFault::Version { offered, spoken },
        (Stop::Refused { method, code, message }, _) => ScanFault::Refused { method, code, message: quoted(&message) },
        (Stop::Listing(what), _) => ScanFault::Listing(what),
    }
}

/// Adds the endpoint to a fault of an HTTP scan.
pub(super) fn at(fault: ScanFault, endpoint: &str) -> ScanFault {
    match fault {
        ScanFault::HttpStatus { status, .. } => ScanFault::HttpStatus { url: public_url(endpoint), status },
        ScanFault::Unreachable { cause, .. } => ScanFault::Unreachable { url: public_url(endpoint), cause },
        other @ (ScanFault::Transport(_)
        | ScanFault::Spawn { .. }
        | ScanFault::Exited { .. }
        | ScanFault::Closed { .. }
        | ScanFault::TimedOut { .. }
        | ScanFault::NotMcp { .. }
        | ScanFault::Version { .. }
        | ScanFault::Refused { .. }
        | ScanFault::Listing(_)) => other,
    }
}

/// Adds how the child ended to a fault of a stdio scan.
pub(super) fn with_child(fault: ScanFault, command: &str, ended: &Ended) -> ScanFault {
    let with_stderr = |hints: Vec<String>| {
        let hints = hints.iter().map(|hint| ended.mask(hint));
        let stderr = ended.stderr.iter().map(|line| format!("stderr: {line}"));
        hints.chain(stderr).collect()
    };
    match fault {
        ScanFault::Closed { during, hints } => match ended.by_itself {
            Some(status) => {
                ScanFault::Exited { command: command.to_owned(), status: status.to_string(), hints: with_stderr(hints) }
            }
            None => ScanFault::Closed { during, hints: with_stderr(hints) },
        },
        ScanFault::NotMcp { what, hints } => ScanFault::NotMcp { what: ended.mask(&what), hints: with_stderr(hints) },
        ScanFault::TimedOut { seconds, waiting_for, hints } => {
            ScanFault::TimedOut { seconds, waiting_for, hints: with_stderr(hints) }
        }
        ScanFault::Refused { method, code, message } => {
            ScanFault::Refused { method, code, message: ended.mask(&message) }
        }
        other @ (ScanFault::Transport(_)
        | ScanFault::Spawn { .. }
        | ScanFault::Exited { .. }
        | ScanFault::Unreachable { .. }
        | ScanFault::HttpStatus { .. }
        | ScanFault::Version { .. }
        | ScanFault::Listing(_)) => other,
    }
}

/// What an error while opening the session means.
pub(super) fn stop_from_opening(error: ClientInitializeError) -> Stop {
    let versions = |list: &[ProtocolVersion]| {
        let names: Vec<String> = list.iter().map(|version| quoted(version.as_str())).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    match error {
        // A server that knows neither opening is judged by the older one, which every server of the other era knows.
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => stop_from_opening(*fallback),
        ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. } => {
            Stop::Closed { during: "the opening of the session".to_owned() }
        }
        ClientInitializeError::JsonRpcError(error) => refused("initialize", error),
        ClientInitializeError::NoCompatibleProtocolVersion { client_supported, server_supported } => {
            Stop::Version { offered: versions(&server_supported), spoken: versions(&client_supported) }
        }
        other @ (ClientInitializeError::ExpectedInitResponse(_)
        | ClientInitializeError::ExpectedInitResult(_)
        | ClientInitializeError::ConflictInitResponseId(..)
        | ClientInitializeError::UncorrelatedErrorResponse { .. }
        | ClientInitializeError::NoPreferredProtocolVersion
        | ClientInitializeError::Cancelled
        | _) => Stop::NotMcp(format!("the opening of the session failed: {}", quoted(&other.to_string()))),
    }
}

/// What an error of a request means.
pub(super) fn stop_from_request(error: ServiceError) -> Stop {
    match error {
        ServiceError::McpError(error) => refused("tools/list", error),
        ServiceError::TransportSend(_) | ServiceError::TransportClosed => {
            Stop::Closed { during: "`tools/list`".to_owned() }
        }
        other @ (ServiceError::UnexpectedResponse
        | ServiceError::SubscriptionLagged { .. }
        | ServiceError::Cancelled { .. }
        | ServiceError::Timeout { .. }
        | ServiceError::InputRequiredRoundsExceeded { .. }
        | _) => Stop::NotMcp(format!("`tools/list` failed: {}", quoted(&other.to_string()))),
    }
}

fn refused(method: &str, error: ErrorData) -> Stop {
    Stop::Refused { method: method.to_owned(), code: i64::from(error.code.0), message: error.message.into_owned() }
}

/// A stranger's text as it may stand in a message of ours: on one line, with nothing invisible in it, and cut.
pub(crate) fn quoted(text: &str) -> String {
    visible(text.trim(), QUOTE_CHARS_MAX)
}

/// The first `most` characters of `text`, with control, bidirectional and zero-width characters written out.
pub(super) fn visible(text: &str, most: usize) -> String {
    let mut out = String::new();
    for character in text.chars().take(most) {
        // Quotes and backslashes are what messages are full of; they mislead nobody.
        if matches!(character, '"' | '\'' | '\\') {
            out.push(character);
        } else {
            out.extend(character.escape_debug());
        }
    }
    out
}

fn said(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  {line}")).collect()
}

fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "; redirects are not followed, so register the address it leads to",
        401 | 403 => "; it wants a credential, or another one: give it with the transport's headers",
        404 | 405 => "; is this the path of its MCP endpoint?",
        429 => "; it asks for patience, try again later",
        500..=599 => "; the fault is on its side, its log will say more",
        _ => "",
    }
}
