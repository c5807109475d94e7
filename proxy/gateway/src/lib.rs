//! The binary's parts: listeners, the MCP wire, upstreams, stores and telemetry. Adapters around the pipeline of `pep`.

pub mod telemetry;
