//! What is to be said of a whole registry, beside its faults.

use pdp::registry::Registry;

use super::unpinned;
use crate::findings::{self, Catalogue};

/// What an operator should know of a registry beside its faults: commands that run another version any day, and what was
/// found in tools that wait for a review.
#[must_use]
pub fn notes(registry: &Registry) -> Vec<String> {
    let catalogue = Catalogue::of(registry);
    let mut out = Vec::new();
    for server in registry.servers.values() {
        out.extend(unpinned(&server.transport).map(|words| format!("{}: {words}", server.name)));
        for tool in server.tools.values().filter(|tool| tool.withheld.is_some() && tool.retired.is_none()) {
            let found = findings::in_definition(&server.name, &tool.definition, &catalogue);
            out.extend(
                found.iter().map(|finding| format!("{}/{}: {finding}", server.name, findings::shown(&tool.name))),
            );
        }
    }
    out
}
