//! The bounds of the gateway, `[limits]`: what they are when nobody says otherwise, and what they cannot be.

use schemars::JsonSchema;
use serde::Deserialize;

/// The bounds of the gateway. Each is documented where it is configured: `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How large a request's body may be.
    pub body_bytes_max: usize,
    /// How large a request's head may be.
    pub head_bytes_max: usize,
    /// How long a client may take to send a body, in seconds.
    pub body_s: u64,
    /// How long, in seconds, a client may take no byte of what is written to it.
    pub write_s: u64,
    /// How large one message of a server may be that is held whole: an event, a line, an answer that must be read.
    pub message_bytes_max: usize,
    /// How large a JSON answer may be that is handed on piece by piece.
    pub long_answer_bytes_max: usize,
    /// How deep a message may nest.
    pub depth_max: usize,
    /// How many requests may be under way.
    pub calls_max: usize,
    /// How many calls may be held beside them while people decide. Beyond it a call is told at once to ask again later.
    pub calls_held_max: usize,
    /// How many requests may wait for one server.
    pub calls_per_server_max: usize,
    /// How many connections agents may hold open.
    pub connections_max: usize,
    /// How many sessions are remembered.
    pub sessions_max: usize,
    /// How many tasks are remembered.
    pub tasks_max: usize,
    /// How many bytes of hashes a task keeps of what it has read, to tell where arguments came from; about as many as it has
    /// read text. What is more counts as untrusted.
    pub origin_bytes_per_task_max: usize,
    /// How many child processes may run.
    pub children_max: usize,
    /// How many starts one server may make within a minute.
    pub child_starts_per_minute_max: usize,
    /// After how many seconds without use a child process is ended.
    pub child_idle_s: u64,
    /// How many sessions with servers over HTTP+SSE may be open; each holds a connection.
    pub sse_sessions_max: usize,
    /// After how many seconds without use such a session is ended.
    pub sse_idle_s: u64,
    /// How many milliseconds each step of ending a child process may take.
    pub child_grace_ms: u64,
    /// After how many seconds of silence a stream is given up.
    pub stream_idle_s: u64,
    /// How many bytes of arguments a record keeps.
    pub record_arguments_bytes_max: usize,
    /// How old, in seconds, a tool listing may be before a call asks the server again.
    pub listing_age_s_max: u64,
    /// How many failed credentials one address may present within a minute.
    pub failures_per_minute_max: u32,
    /// How many seconds a shutdown may take.
    pub shutdown_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 16 << 20,
            head_bytes_max: 64 << 10,
            body_s: 30,
            write_s: 30,
            message_bytes_max: 64 << 20,
            long_answer_bytes_max: 1 << 30,
            depth_max: 64,
            calls_max: 1024,
            calls_held_max: 1024,
            calls_per_server_max: 256,
            connections_max: 4096,
            sessions_max: 10_000,
            tasks_max: 10_000,
            origin_bytes_per_task_max: pdp::origin::BYTES_MAX,
            children_max: 256,
            child_starts_per_minute_max: 60,
            child_idle_s: 1800,
            sse_sessions_max: 1024,
            sse_idle_s: 1800,
            child_grace_ms: 2000,
            stream_idle_s: 1800,
            record_arguments_bytes_max: 16 << 10,
            listing_age_s_max: 300,
            failures_per_minute_max: 5,
            shutdown_s: 10,
        }
    }
}

/// The most of anything that is counted: more could not be held.
const COUNT_MAX: u64 = 1 << 24;
/// The most bytes of anything: 1 GiB.
const BYTES_MAX: u64 = 1 << 30;
/// The longest time, in seconds: a year.
const SECONDS_MAX: u64 = 366 * 24 * 3600;

impl Limits {
    /// Every limit that cannot be meant: what, and what to write.
    pub(super) fn out_of_range(&self) -> impl Iterator<Item = (String, String)> {
        let size = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let ranges = [
            ("body_bytes_max", size(self.body_bytes_max), 1, BYTES_MAX),
            // Below this a head with a token does not fit, and the HTTP reader has no room to work in.
            ("head_bytes_max", size(self.head_bytes_max), 2048, 1 << 20),
            ("body_s", self.body_s, 1, SECONDS_MAX),
            ("write_s", self.write_s, 1, SECONDS_MAX),
            ("message_bytes_max", size(self.message_bytes_max), 1024, BYTES_MAX),
            ("long_answer_bytes_max", size(self.long_answer_bytes_max), 1024, 1 << 40),
            // The stack is what deeper texts would use up.
            ("depth_max", size(self.depth_max), 4, 128),
            ("calls_max", size(self.calls_max), 1, COUNT_MAX),
            ("calls_held_max", size(self.calls_held_max), 0, COUNT_MAX),
            ("calls_per_server_max", size(self.calls_per_server_max), 1, COUNT_MAX),
            ("connections_max", size(self.connections_max), 1, COUNT_MAX),
            ("sessions_max", size(self.sessions_max), 1, COUNT_MAX),
            ("tasks_max", size(self.tasks_max), 1, COUNT_MAX),
            ("origin_bytes_per_task_max", size(self.origin_bytes_per_task_max), 1024, BYTES_MAX),
            ("children_max", size(self.children_max), 1, COUNT_MAX),
            ("child_starts_per_minute_max", size(self.child_starts_per_minute_max), 1, COUNT_MAX),
            ("child_idle_s", self.child_idle_s, 0, SECONDS_MAX),
            ("sse_sessions_max", size(self.sse_sessions_max), 1, COUNT_MAX),
            ("sse_idle_s", self.sse_idle_s, 0, SECONDS_MAX),
            ("child_grace_ms", self.child_grace_ms, 0, 600_000),
            ("stream_idle_s", self.stream_idle_s, 1, SECONDS_MAX),
            ("record_arguments_bytes_max", size(self.record_arguments_bytes_max), 0, BYTES_MAX),
            ("listing_age_s_max", self.listing_age_s_max, 0, SECONDS_MAX),
            ("failures_per_minute_max", u64::from(self.failures_per_minute_max), 1, u64::from(u32::MAX)),
            ("shutdown_s", self.shutdown_s, 0, 3600),
        ];
        ranges.into_iter().filter(|(_, value, least, most)| !(least..=most).contains(&value)).map(
            |(name, value, least, most)| {
                (format!("the limit `{name}` cannot be {value}"), format!("use {least} to {most}"))
            },
        )
    }
}
