//! The way in for agents: HTTP on the data plane. Reads what arrived, hands a frame to the pipeline, writes its reply.
//!
//! The listener never answers an MCP request by itself: what it cannot read is still a frame, refused and recorded. The
//! exceptions carry no MCP: `/healthz`, and 404 for the well-known paths clients probe.

mod body;
mod request;
mod serve;

pub use serve::{Listener, serve};
