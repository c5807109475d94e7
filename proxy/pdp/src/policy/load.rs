//! Policies ready to judge: the generated schema, the compiled set cut into one slice per action, the base entities.
//!
//! Cedar scans every policy of the set it is given. A policy whose action scope cannot match is false and cannot err,
//! so leaving it out changes no answer; the slices are cut here, once, and not per call. Does not read files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    ActionConstraint, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, RestrictedExpression, Schema,
};

use super::author::{self, Notes};
use super::memory::Memory;
use super::names::{Names, tool_action};
use super::needs::Needs;
use super::schema;
use crate::fault::{Fault, SourceFile};
use crate::method::{Feature, METHODS, OTHER_ACTION};
use crate::principal::Principal;
use crate::registry::Registry;

/// One action with the policies whose scope can match it.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) action: EntityUid,
    /// All of them.
    pub(super) slice: Arc<PolicySet>,
    parts: Arc<Parts>,
    /// What the standing ones said before.
    pub(super) known: Memory,
}

/// The policies of a slice, by what their answers can depend on.
#[derive(Debug)]
pub(super) struct Parts {
    /// Those that look at nothing but standing facts.
    pub(super) standing: Part,
    /// Those that look at the call itself, its task or the time.
    pub(super) varying: Part,
    /// What all of them look at.
    needs: Needs,
}

/// Some policies of a slice, and what they look at.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) policies: PolicySet,
    pub(super) needs: Needs,
}

impl Unit {
    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }
}

/// The compiled policies of one snapshot.
#[derive(Debug)]
pub struct Policies {
    schema: Schema,
    /// The schema of the contexts that are really built.
    pub(super) lean: Schema,
    pub(super) names: Names,
    pub(super) notes: HashMap<PolicyId, Notes>,
    pub(super) tools: HashMap<String, HashMap<String, Unit>>,
    pub(super) methods: HashMap<&'static str, Unit>,
    schema_text: String,
    projection: BTreeMap<String, serde_json::Value>,
    warnings: Vec<Fault>,
    base: Entities,
    principals: RwLock<HashMap<Principal, Arc<Entities>>>,
}

/// Beyond this many remembered principals the memory is emptied: it only saves time, and must stay bounded.
const PRINCIPALS_MAX: usize = 10_000;

impl Policies {
    /// Compiles policies against a registry.
    ///
    /// # Errors
    /// Every fault found.
    pub fn load(files: &[SourceFile], registry: &Registry) -> Result<Self, Vec<Fault>> {
        let broken =
            |e: &dyn Display| vec![Fault::of_file("registry", format!("no Cedar schema can be made: {e}"), "")];
        let schema_text = schema::text(registry);
        let (schema, _) = Schema::from_cedarschema_str(&schema_text).map_err(|e| broken(&e))?;
        let compiled = author::compile(files, &schema, registry)?;
        let names = Names::new().map_err(|e| broken(&e))?;
        let base = base_entities(&names, registry, &schema).map_err(|e| broken(&e))?;
        let mut slicer = Slicer::new(&compiled.policies);
        let mut tools: HashMap<String, HashMap<String, Unit>> = HashMap::new();
        for server in registry.servers.values() {
            let of_server = tools.entry(server.name.clone()).or_default();
            for tool in server.tools.values().filter(|t| t.withheld.is_none()) {
                let action = tool_action(&server.namespace, &tool.name).map_err(|e| broken(&e))?;
                let above = schema::groups(tool).map(|g| names.action(g)).collect();
                of_server.insert(tool.name.clone(), slicer.unit(action, above).map_err(|e| broken(&e))?);
            }
        }
        let mut methods = HashMap::new();
        let known = METHODS.iter().map(|m| (m.action, Some(m.feature))).chain([(OTHER_ACTION, None)]);
        for (name, feature) in known {
            let above = groups_above(feature).into_iter().map(|g| names.action(g)).collect();
            methods.insert(name, slicer.unit(names.action(name), above).map_err(|e| broken(&e))?);
        }
        let needs = |server: Option<&str>, action: &str| match server {
            Some(server) => tools.get(server).and_then(|tools| tools.get(action)).map(|unit: &Unit| &unit.parts.needs),
            None => methods.get(action).map(|unit: &Unit| &unit.parts.needs),
        };
        let lean = schema::lean(registry, &needs);
        let (lean, _) = Schema::from_cedarschema_str(&lean).map_err(|e| broken(&e))?;
        let projection =
            compiled.policies.policies().filter_map(|p| Some((p.id().to_string(), p.to_json().ok()?))).collect();
        Ok(Self {
            schema,
            lean,
            names,
            notes: compiled.notes,
            tools,
            methods,
            schema_text,
            projection,
            warnings: compiled.warnings,
            base,
            principals: RwLock::new(HashMap::new()),
        })
    }

    /// The generated Cedar schema, as text.
    #[must_use]
    pub fn schema_text(&self) -> &str {
        &self.schema_text
    }

    /// The compiled policies as data, for the snapshot's digest: comments and white space are not in it.
    #[must_use]
    pub fn projection(&self) -> &BTreeMap<String, serde_json::Value> {
        &self.projection
    }

    /// What the validator warns of without refusing.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The entity store of this principal: built once, then shared. Nothing that changes per call is an entity.
    pub(super) fn entities(&self, principal: &Principal) -> Result<Arc<Entities>, String> {
        if let Some(found) = self.principals.read().unwrap_or_else(PoisonError::into_inner).get(principal) {
            return Ok(Arc::clone(found));
        }
        let text = |t: &str| RestrictedExpression::new_string(t.to_owned());
        let attributes =
            HashMap::from([("user".to_owned(), text(&principal.user)), ("tenant".to_owned(), text(&principal.tenant))]);
        let teams: HashSet<EntityUid> = principal.teams.iter().map(|t| self.names.team(t)).collect();
        let agent = Entity::new(self.names.agent(principal), attributes, teams.clone()).map_err(|e| e.to_string())?;
        let teams = teams.into_iter().map(|team| Entity::new_no_attrs(team, HashSet::new()));
        let entities = self.base.clone().upsert_entities(teams.chain([agent]), Some(&self.schema));
        let entities = Arc::new(entities.map_err(|e| e.to_string())?);
        let mut known = self.principals.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= PRINCIPALS_MAX {
            known.clear();
        }
        known.insert(principal.clone(), Arc::clone(&entities));
        Ok(entities)
    }
}

/// Servers and systems, with the schema's actions: without those, forbids on groups would silently stop matching.
fn base_entities(
    names: &Names,
    registry: &Registry,
    schema: &Schema,
) -> Result<Entities, Box<cedar_policy::entities_errors::EntitiesError>> {
    let mut entities = BTreeMap::new();
    for server in registry.servers.values() {
        let system = names.system(&server.system);
        let above = HashSet::from([system.clone()]);
        entities.insert(system.to_string(), Entity::new_no_attrs(system, HashSet::new()));
        let server = names.server(&server.name);
        entities.insert(server.to_string(), Entity::new_no_attrs(server, above));
    }
    Entities::from_entities(entities.into_values(), Some(schema)).map_err(Box::new)
}

/// The groups above a method's action.
fn groups_above(feature: Option<Feature>) -> Vec<&'static str> {
    match feature {
        Some(Feature::Lifecycle) => vec!["lifecycle"],
        Some(feature) => vec![feature.name(), "feature"],
        None => vec!["feature"],
    }
}

/// Cuts the policy set by action.
struct Slicer<'a> {
    policies: Vec<(&'a Policy, ActionConstraint, Needs)>,
    known: HashMap<Vec<usize>, (Arc<PolicySet>, Arc<Parts>)>,
}

impl<'a> Slicer<'a> {
    fn new(set: &'a PolicySet) -> Self {
        let policies = set.policies().map(|p| (p, p.action_constraint(), Needs::of(p))).collect();
        Self { policies, known: HashMap::new() }
    }

    /// The unit of one action; equal slices are shared.
    fn unit(
        &mut self,
        action: EntityUid,
        mut above: Vec<EntityUid>,
    ) -> Result<Unit, Box<cedar_policy::PolicySetError>> {
        above.push(action.clone());
        let fits = |constraint: &ActionConstraint| match constraint {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(one) => *one == action,
            ActionConstraint::In(several) => several.iter().any(|one| above.contains(one)),
        };
        let chosen: Vec<usize> =
            self.policies.iter().enumerate().filter(|(_, (_, c, _))| fits(c)).map(|(n, _)| n).collect();
        if let Some((slice, parts)) = self.known.get(&chosen) {
            let (slice, parts) = (Arc::clone(slice), Arc::clone(parts));
            return Ok(Unit { action, slice, parts, known: Memory::default() });
        }
        let policies = chosen.iter().filter_map(|n| self.policies.get(*n)).map(|(policy, _, needs)| (*policy, needs));
        let set = |policies: Vec<(&Policy, &Needs)>| {
            let needs = Needs::joined(policies.iter().map(|(_, needs)| *needs));
            let policies = policies.into_iter().map(|(policy, _)| policy.clone());
            let policies = PolicySet::from_policies(policies).map_err(Box::new)?;
            Ok::<_, Box<cedar_policy::PolicySetError>>(Part { policies, needs })
        };
        let Part { policies: slice, needs } = set(policies.clone().collect())?;
        let (standing, varying) = policies.partition(|(_, needs)| needs.are_standing());
        let parts = Parts { standing: set(standing)?, varying: set(varying)?, needs };
        let (slice, parts) = (Arc::new(slice), Arc::new(parts));
        self.known.insert(chosen, (Arc::clone(&slice), Arc::clone(&parts)));
        Ok(Unit { action, slice, parts, known: Memory::default() })
    }
}
