//! What holds the rules, feature by feature: one binary, so that it links once. Modules stand in reading order.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic: that is how it fails"
)]

mod world;
mod path;
mod flow;
mod cancel;
mod crowd;
mod matrix;
mod shapes;
mod policy;
mod pack;
mod model;
mod coverage;
mod bypass;
mod tidy;

mod properties;
mod otlp;
mod gate;
mod corpus;
mod http_sse;
mod hostile;
mod limits;
mod long;
mod crash;
mod swap;
mod approvals;
mod live;
mod hosts;
mod door;
mod tenants;
mod openapi;
mod looks;
mod own;
mod tasks;
mod import;
mod schemas;
mod examples;
mod understand;
mod output;
mod relist;
mod registry;
mod decide;
