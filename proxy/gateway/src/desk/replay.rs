//! Recorded traffic put to a candidate: what it would have decided otherwise. Reads the ledger page by page.
//!
//! A page is a read of its own, so that a replay of hours keeps neither memory nor the ledger's write-ahead log.

use std::sync::Arc;

use pdp::digest::Digest;
use pdp::record::Record;
use pdp::snapshot::Snapshot;

use super::compare::Tally;
use super::recorded::NotComparable;
use crate::ledger::{Page, Reader, StoreFault};

/// Which records are replayed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Not before, in microseconds since 1970-01-01T00:00Z.
    pub since_us: i64,
    /// Before, in microseconds since 1970-01-01T00:00Z.
    pub until_us: i64,
    /// Of this agent alone: its name, or its key `tenant/agent`.
    pub agent: Option<String>,
    /// To this server alone.
    pub server: Option<String>,
    /// Of this tool alone.
    pub tool: Option<String>,
}

/// How many records a page has.
const PAGE: usize = 512;

impl Traffic {
    fn is_of(&self, record: &Record) -> bool {
        let Some(agent) = &self.agent else { return true };
        record.principal.as_ref().is_some_and(|p| p.agent == *agent || p.key() == *agent)
    }
}

/// Puts the traffic to a candidate. `basis` gives earlier snapshots where they can be had ([`Tally::add`]).
///
/// # Errors
/// When the ledger cannot be read.
pub fn replay(
    reader: &Reader,
    traffic: &Traffic,
    candidate: &Snapshot,
    basis: &mut dyn FnMut(Digest) -> Option<Arc<Snapshot>>,
) -> Result<Tally, StoreFault> {
    let mut tally = Tally::default();
    let (server, tool) = (traffic.server.clone(), traffic.tool.clone());
    let mut page = Page { from_us: traffic.since_us, after: 0, until_us: traffic.until_us, server, tool, limit: PAGE };
    loop {
        let found = reader.records(&page)?;
        let Some(last) = found.last() else { return Ok(tally) };
        (page.from_us, page.after) = (last.at_us, last.seq);
        for row in found {
            match row.record {
                Ok(record) if traffic.is_of(&record) => tally.add(&record, candidate, basis),
                Ok(_) => {}
                Err(_) => tally.set_aside(NotComparable::Unreadable),
            }
        }
    }
}
