//! The security engineer's desk: what `wicketgate policy` and the control API ask of a bundle beside live traffic.
//!
//! Nothing here decides a live call or sends anything. Each tool takes snapshots and cases as values, so that the command
//! line, the control API and the tests use the same code. Printing is the command line's.

pub mod case;
pub mod vouched;
pub mod format;
pub mod lint;
pub mod suite;
pub mod recorded;
pub mod compare;
pub mod replay;
pub mod shadow;
pub mod law;
pub mod telling;
pub mod samples;
pub mod difference;
pub mod explain;
pub mod summary;
pub mod prove;
