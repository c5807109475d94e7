//! Recorded traffic put to a candidate: what it would have decided otherwise. Reads the ledger page by page.
//!
//! A page is a read of its own, so that a replay of hours keeps neither memory nor the ledger's write-ahead log.

use std::collections::VecDeque;
use std::sync::Arc;

use pdp::digest::Digest;
use pdp::record::Record;
use pdp::snapshot::Snapshot;

use super::compare::Tally;
use super::recorded::NotComparable;
use crate::history::History;
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
    replay_while(reader, traffic, candidate, basis, &mut || true).map(|(tally, _)| tally)
}

/// The same for as long as `go_on` says so, which is asked before each page. Answers also from when on nothing was compared,
/// in microseconds since 1970-01-01T00:00Z, where that is before the traffic's end.
///
/// # Errors
/// When the ledger cannot be read.
pub fn replay_while(
    reader: &Reader,
    traffic: &Traffic,
    candidate: &Snapshot,
    basis: &mut dyn FnMut(Digest) -> Option<Arc<Snapshot>>,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(Tally, Option<i64>), StoreFault> {
    let mut tally = Tally::default();
    let (server, tool) = (traffic.server.clone(), traffic.tool.clone());
    let mut page = Page { from_us: traffic.since_us, after: 0, until_us: traffic.until_us, server, tool, limit: PAGE };
    loop {
        let found = reader.records(&page)?;
        let Some(last) = found.last() else { return Ok((tally, None)) };
        if !go_on() {
            return Ok((tally, Some(page.from_us)));
        }
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

/// How many earlier snapshots are held at a time. Traffic goes through them in the order of time.
const HELD_MAX: usize = 4;

/// The snapshots that decided the traffic, where they are kept: built when first asked for.
pub fn own_snapshots<'h>(
    history: &'h History,
    candidate: &Arc<Snapshot>,
) -> impl FnMut(Digest) -> Option<Arc<Snapshot>> + use<'h> {
    let candidate = Arc::clone(candidate);
    let mut held: VecDeque<(Digest, Option<Arc<Snapshot>>)> = VecDeque::new();
    move |digest| {
        if digest == candidate.digest() {
            return Some(Arc::clone(&candidate));
        }
        if let Some((_, known)) = held.iter().find(|(of, _)| *of == digest) {
            return known.clone();
        }
        // A history that cannot be read keeps its fault, which is told when all is compared.
        let sources = history.files(digest).ok().flatten();
        let built = sources
            .and_then(|sources| Snapshot::rebuild(&sources, Some(&candidate)).ok())
            .filter(|own| own.digest() == digest);
        let built = built.map(Arc::new);
        if held.len() >= HELD_MAX {
            held.pop_front();
        }
        held.push_back((digest, built.clone()));
        built
    }
}
