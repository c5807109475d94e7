//! What the gate tells the outside about itself: spans projected from records, and log lines.
//!
//! Telemetry is lossy by nature and never the audit record: a span may be dropped (and is then counted), a call never
//! waits for one, and nothing here can refuse a call. This module reads records and adds no fact to them; it knows
//! neither the stages nor the ledger. Modules stand in reading order.

pub mod names;
pub mod settings;
mod attributes;
mod outcome;
pub mod project;
pub mod spans;
mod protobuf;
mod counts;
mod retry;
mod console;
mod sink;
mod worker;
pub mod export;
pub mod logs;

pub use counts::Stats;
pub use export::{Exporter, Lost};
pub use logs::call_span;
pub(crate) use retry::retry_after;
pub use settings::{Propagation, Settings};
