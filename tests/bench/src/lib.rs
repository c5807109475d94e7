//! What the gate costs, measured beside the null server alone and a bare hyper proxy.
//!
//! The program is `bench`; `README.md` beside it says how to run it and how to read it. Nothing here is part of the
//! product, and nothing here knows how the gate works inside but `path`, which calls its pipeline in this process.

pub mod bundle;
pub mod http1;
pub mod instructions;
pub mod load;
pub mod loading;
pub mod memory;
pub mod message;
pub mod origin;
pub mod path;
pub mod people;
pub mod process;
pub mod proxy;
pub mod report;
pub mod run;
pub mod upstream;
