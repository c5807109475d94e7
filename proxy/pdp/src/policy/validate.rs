//! Checks policies against the generated schema, in Cedar's strict mode, and no more of them than needed.
//!
//! Cedar checks a policy against every action of the schema, though only those in its scope can matter. Policies of single
//! tools are therefore checked against an excerpt of the schema with those tools alone; what is not wholly good there is
//! checked again against the whole, whose words are the ones that count. A policy that is good under the excerpt is good
//! under the whole: outside its scope it is false by its head, and every name it uses means the same in both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, EntityUid, PolicyId, PolicySet, Schema, ValidationMode, ValidationResult, Validator,
};

use super::known::Placed;
use super::names::tool_action;
use super::schema;
use crate::registry::{Registry, Server, Tool};

/// How many tools one excerpt has. Cost grows with it for each policy, and falls with it for the excerpts.
const EXCERPT_TOOLS: usize = 16;
/// With fewer policies than this an excerpt costs more than it saves.
const EXCERPT_POLICIES_MIN: usize = 64;

/// The registry's actions, as far as policies are checked against them.
pub(super) struct Bench<'a> {
    pub(super) registry: &'a Registry,
    pub(super) whole: &'a Validator,
}

impl Bench<'_> {
    /// What the validator has to say of these policies.
    pub(super) fn validate(&self, policies: &[&Placed]) -> ValidationResult {
        let doubtful = if policies.len() < EXCERPT_POLICIES_MIN {
            policies.iter().map(|placed| placed.policy.id()).collect()
        } else {
            self.not_good_in_excerpts(policies)
        };
        let chosen = policies.iter().filter(|placed| doubtful.contains(placed.policy.id()));
        self.whole.validate(&set(chosen.copied()), ValidationMode::Strict)
    }

    /// The policies that are not known to be good after a look at excerpts.
    fn not_good_in_excerpts<'p>(&self, policies: &[&'p Placed]) -> BTreeSet<&'p PolicyId> {
        let mut doubtful: BTreeSet<&PolicyId> = policies.iter().map(|placed| placed.policy.id()).collect();
        let tools = self.tools();
        let mut wanted: BTreeMap<usize, Vec<&Placed>> = BTreeMap::new();
        for placed in policies {
            if let Some(excerpt) = excerpt_of(&placed.policy.source.action_constraint(), &tools) {
                wanted.entry(excerpt).or_default().push(placed);
            }
        }
        for (number, policies) in wanted {
            let mut shown: Vec<(&Server, &Tool)> = Vec::new();
            shown.extend(
                tools
                    .values()
                    .filter(|(at, ..)| at / EXCERPT_TOOLS == number)
                    .map(|(_, server, tool)| (*server, *tool)),
            );
            // In the registry's order, so that each namespace stands once.
            shown.sort_by_key(|(server, tool)| (&server.name, &tool.name));
            let text = schema::excerpt(self.registry, shown);
            let Ok((schema, _)) = Schema::from_cedarschema_str(&text) else { continue };
            let found = Validator::new(schema).validate(&set(policies.iter().copied()), ValidationMode::Strict);
            let bad: BTreeSet<&PolicyId> = found
                .validation_errors()
                .map(|e| e.policy_id())
                .chain(found.validation_warnings().map(|w| w.policy_id()))
                .collect();
            for placed in policies.iter().filter(|placed| !bad.contains(placed.policy.id())) {
                doubtful.remove(placed.policy.id());
            }
        }
        doubtful
    }

    /// Every tool's action, numbered in the registry's order.
    fn tools(&self) -> BTreeMap<EntityUid, (usize, &Server, &Tool)> {
        let servers = self.registry.servers.values().map(Arc::as_ref);
        let tools = servers.flat_map(|server| {
            let open = server.tools.values().filter(|tool| tool.withheld.is_none());
            open.map(move |tool| (server, tool.as_ref()))
        });
        let numbered = tools.enumerate().filter_map(|(at, (server, tool))| {
            Some((tool_action(&server.namespace, &tool.name).ok()?, (at, server, tool)))
        });
        numbered.collect()
    }
}

/// The excerpt that has every action of this scope; none if no single one does.
fn excerpt_of(scope: &ActionConstraint, tools: &BTreeMap<EntityUid, (usize, &Server, &Tool)>) -> Option<usize> {
    let number = |action: &EntityUid| tools.get(action).map(|(at, ..)| at / EXCERPT_TOOLS);
    match scope {
        ActionConstraint::Any => None,
        ActionConstraint::Eq(one) => number(one),
        ActionConstraint::In(several) => {
            let first = number(several.first()?)?;
            several.iter().all(|action| number(action) == Some(first)).then_some(first)
        }
    }
}

fn set<'p>(policies: impl Iterator<Item = &'p Placed>) -> PolicySet {
    let mut out = PolicySet::new();
    for placed in policies {
        // Ids were found to be different before.
        let _unique = out.add(placed.policy.source.clone());
    }
    out
}
